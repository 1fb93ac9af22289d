"""The evaluator of expression-filter against real servers: what it says of an expression and a row is what the server says, or it says
that it can't know. Rows go the way that sync takes: through the server's binlog."""
import json
import os
import random
import re
import subprocess

import pymysql
import pytest

import expressions

SEED = int(os.environ.get("TIDEGATE_TEST_SEED", "7"))
WANTED, BATCH = 5000, 60
KINDS = {"tinyint": "int", "int": "int", "bigint": "int", "year": "int", "varchar": "text", "char": "text", "text": "text", "varbinary": "binary"}


def structure(s):
    columns = []
    for name, kind, whole, charset, collation, nullable in s.query(
            "SELECT column_name, data_type, column_type, character_set_name, collation_name, is_nullable FROM information_schema.columns WHERE table_schema='judge' ORDER BY ordinal_position"):
        columns.append({"name": name, "type": whole, "kind": KINDS.get(kind, kind), "charset": charset or "", "collation": collation or "", "length": 20 if kind == "varbinary" else 9 if kind == "bit" else 0,
                        "unsigned": "unsigned" in whole, "nullable": nullable == "YES", "generated": False, "invisible": False, "auto_increment": False})
    key = {"name": "PRIMARY", "primary": True, "unique": True, "usable": True, "whole": True, "columns": [0]}
    return {"schema": "judge", "table": "judged", "columns": columns, "keys": [key], "key": 0}


def fill(s, rng, tmp_path):
    """The table and its rows; the binlog file that they are in."""
    s.run("CREATE DATABASE judge", expressions.TABLE.format(uca="utf8mb4_0900_ai_ci" if s.flavor == "mysql" else "utf8mb4_uca1400_ai_ci" if s.version >= 110400 else "utf8mb4_unicode_520_ci").replace("TABLE ", "TABLE judge.", 1), "FLUSH BINARY LOGS")
    rows = list(expressions.rows(rng))
    with s.connect(database="judge") as c, c.cursor() as cur:
        cur.execute("SET time_zone='+00:00'")
        for row in rows:
            cur.execute("INSERT INTO judged VALUES (" + ",".join(["%s"] * len(row)) + ")", [v.to_bytes(2, "big") if i == 12 and v is not None else v for i, v in enumerate(row)])
    file = s.query("SHOW BINARY LOGS")[-1][0]
    s.run("FLUSH BINARY LOGS")
    path = tmp_path / "structure.json"
    path.write_text(json.dumps(structure(s)))
    return path, f"{s.run_dir}/{s.port}/data/{file}", len(rows)


class Judge:
    def __init__(self, build_dir, s, rng, tmp_path):
        self.program, self.server = str(build_dir / "test" / "expr_judge"), s
        self.structure, self.binlog, self.rows = fill(s, rng, tmp_path)
        self.connection = s.connect(database="judge", sql_mode="")
        with self.connection.cursor() as cur:
            cur.execute("SET time_zone='+00:00', NAMES utf8mb4 COLLATE utf8mb4_general_ci")

    def ours(self, list_):
        done = subprocess.run([self.program, f"{self.server.flavor}:{self.server.version}", str(self.structure), self.binlog], input="\n".join(list_) + "\n", capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and not done.stderr, done.stderr
        lines = done.stdout.splitlines()
        assert len(lines) == len(list_) and all(len(x) == self.rows or x.startswith("R ") for x in lines)
        return lines

    def ask(self, list_, where=""):
        with self.connection.cursor() as cur:
            cur.execute("SELECT " + ", ".join(f"NOT ({x})" for x in list_) + f" FROM judged {where} ORDER BY id")
            return cur.fetchall()

    def one_by_one(self, x):
        """A row for which the server refuses the statement: O."""
        signs = ""
        for k in range(1, self.rows + 1):
            try:
                signs += sign(self.ask([x], f"WHERE id = {k}")[0][0])
            except pymysql.err.MySQLError as e:
                assert e.args[0] == 1690, (x, e)
                signs += "O"
        return signs

    def theirs(self, list_):
        try:
            return ["".join(sign(v) for v in column) for column in zip(*self.ask(list_))]
        except pymysql.err.MySQLError as e:
            assert e.args[0] == 1690, (list_, e)
        if len(list_) == 1:
            return [self.one_by_one(list_[0])]
        half = len(list_) // 2
        return self.theirs(list_[:half]) + self.theirs(list_[half:])


def sign(negated):
    return "N" if negated is None else str(1 - int(negated))


def differs(ours, theirs):
    """U is an honest "can't be told"; O, too: a server may leave an operand out that is out of range."""
    return [k for k, (a, b) in enumerate(zip(ours, theirs)) if a != b and a not in "UO"]


@pytest.mark.parametrize("name", ["ma1011", "my97", "ma118", "ma105"])
def test_five_thousand_expressions(build_dir, server, name, tmp_path):
    rng = random.Random(f"{SEED}-{name}")
    judge, maker = Judge(build_dir, server(name), rng, tmp_path), expressions.Maker(rng)
    made = [maker.condition(3) for _ in range(WANTED + WANTED // 3)]
    ours = judge.ours(made)
    refused = [(x, o) for x, o in zip(made, ours) if o.startswith("R ")]
    judged = [(x, o) for x, o in zip(made, ours) if not o.startswith("R ")][:WANTED]
    assert len(judged) == WANTED, f"{len(refused)} of {len(made)} are refused: {refused[:5]}"
    wrong, counts = [], dict.fromkeys("01NOU", 0)
    for at in range(0, WANTED, BATCH):
        batch = judged[at:at + BATCH]
        for (x, o), t in zip(batch, judge.theirs([x for x, _ in batch])):
            wrong += [(x, k + 1, o[k], t[k]) for k in differs(o, t)]
            for c in o:
                counts[c] += 1
    print(f"\nseed {SEED}, {name}: {WANTED} expressions, {judge.rows} rows each, {len(refused)} more refused; {counts}")
    assert not wrong, f"{len(wrong)} verdicts differ (expression, row, ours, the server's); seed {SEED}:\n" + "\n".join(map(str, wrong[:20]))
    total = sum(counts.values())
    assert counts["U"] < total * 0.12 and counts["O"] < total * 0.02 and min(counts["0"], counts["1"], counts["N"]) > total * 0.05, counts


REFUSED = {
    "i / 3 > 1": r"can only be divided by .*character 3",
    "vg = 5 = 1": r"two comparisons in a row: put parentheses",
    "SLEEP(1)": r"the function SLEEP is not known to filters \(known are LOWER",
    "nothing = 1": r"has no column `nothing`",
    "da = 20240229": r"a date is not compared with an integer",
    "da > '2024-2-3'": r"a date is written 'YYYY-MM-DD'",
    "da > '2023-02-29'": r"must be in the calendar",
    "vg": r"text is no condition",
    "vg = vb": r"texts of different collations meet",
    "l = '日'": r"texts of different charsets meet",
    "y = 24": r"a YEAR compares with years",
    "vg LIKE vb": r"a pattern as a string literal",
    "i IN (1, 'a')": r"is not compared with",
    "i = 1 AND": r"it ends where .* should be",
    "i = 'a": r"a quote or a comment is not closed",
    "(SELECT 1)": r"SELECT is not understood here",
    "t = da": r"a time and a date don't compare|is not compared with",
    "IF(i, 1, 'a') = 1": r"several kinds",
    "i REGEXP 'a'": r"REGEXP is not understood here",
}


@pytest.mark.parametrize("name", ["ma1011"])
def test_what_is_refused(build_dir, server, name, tmp_path):
    judge = Judge(build_dir, server(name), random.Random(1), tmp_path)
    for (x, why), said in zip(REFUSED.items(), judge.ours(list(REFUSED))):
        assert said.startswith("R ") and re.search(why, said), f"{x}: {said}"
