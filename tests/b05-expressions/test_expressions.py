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
import expressions_wide

SEED = int(os.environ.get("TIDEGATE_TEST_SEED", "7"))
WANTED, BATCH, WIDE = 5000, 60, int(os.environ.get("TIDEGATE_TEST_WIDE", "6000"))
KINDS = {**dict.fromkeys(["tinyint", "smallint", "mediumint", "int", "bigint", "year"], "int"), **dict.fromkeys(["varchar", "char", "text", "mediumtext", "longtext"], "text"), **dict.fromkeys(["binary", "varbinary", "blob"], "binary")}


def structure(s):
    columns = []
    for name, kind, whole, charset, collation, nullable, length in s.query(
            "SELECT column_name, data_type, column_type, character_set_name, collation_name, is_nullable, COALESCE(character_octet_length, numeric_precision, 0) FROM information_schema.columns WHERE table_schema='judge' ORDER BY ordinal_position"):
        columns.append({"name": name, "type": whole, "kind": KINDS.get(kind, kind), "charset": charset or "", "collation": collation or "", "length": int(length) if kind in ("binary", "varbinary", "bit") else 0,
                        "unsigned": "unsigned" in whole, "nullable": nullable == "YES", "generated": False, "invisible": False, "auto_increment": False})
    key = {"name": "PRIMARY", "primary": True, "unique": True, "usable": True, "whole": True, "columns": [0]}
    return {"schema": "judge", "table": "judged", "columns": columns, "keys": [key], "key": 0}


def insert_wide(cur, rng):
    rows = list(expressions_wide.rows(rng))
    cur.execute("SET sql_mode=''")
    for row in rows:
        cur.execute("INSERT INTO judged VALUES " + row)
    return rows


def insert(cur, rng):
    rows = list(expressions.rows(rng))
    for row in rows:
        cur.execute("INSERT INTO judged VALUES (" + ",".join(["%s"] * len(row)) + ")", [v.to_bytes(2, "big") if i == 12 and v is not None else v for i, v in enumerate(row)])
    return rows


def fill(s, rng, tmp_path, wide):
    """The table and its rows; the binlog file that they are in."""
    made = expressions_wide.table(s.flavor, s.version) if wide else expressions.TABLE.format(uca="utf8mb4_0900_ai_ci" if s.flavor == "mysql" else "utf8mb4_uca1400_ai_ci" if s.version >= 110400 else "utf8mb4_unicode_520_ci")
    s.run("CREATE DATABASE judge", made.replace("TABLE ", "TABLE judge.", 1), "FLUSH BINARY LOGS")
    with s.connect(database="judge") as c, c.cursor() as cur:
        cur.execute("SET time_zone='+00:00'")
        rows = (insert_wide if wide else insert)(cur, rng)
    file = s.query("SHOW BINARY LOGS")[-1][0]
    s.run("FLUSH BINARY LOGS")
    path = tmp_path / "structure.json"
    path.write_text(json.dumps(structure(s)))
    return path, f"{s.run_dir}/{s.port}/data/{file}", len(rows)


class Judge:
    def __init__(self, build_dir, s, rng, tmp_path, wide=False):
        self.program, self.server = str(build_dir / "test" / "expr_judge"), s
        self.structure, self.binlog, self.rows = fill(s, rng, tmp_path, wide)
        self.connection = s.connect(database="judge", sql_mode="")
        with self.connection.cursor() as cur:
            cur.execute("SET time_zone='+00:00', NAMES utf8mb4 COLLATE utf8mb4_general_ci")

    def ours(self, list_):
        done = subprocess.run([self.program, f"{self.server.flavor}:{self.server.version}", str(self.structure), self.binlog], input="\n".join(list_) + "\n", capture_output=True, encoding="utf-8", errors="replace", timeout=120)
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

    def theirs(self, list_, odd=None):
        """odd: gets what the server does not take at all; without it that must not be."""
        try:
            return ["".join(sign(v) for v in column) for column in zip(*self.ask(list_))]
        except pymysql.err.MySQLError as e:
            if len(list_) == 1 and odd is not None and e.args[0] != 1690:
                odd.append((list_[0], e.args))
                return ["E" * self.rows]
            assert e.args[0] == 1690 or odd is not None, (list_, e)
        if len(list_) == 1:
            return [self.one_by_one(list_[0])]
        half = len(list_) // 2
        return self.theirs(list_[:half], odd) + self.theirs(list_[half:], odd)


def sign(negated):
    return "N" if negated is None else str(1 - int(negated))


def differs(ours, theirs):
    """U is an honest "can't be told"; O, too: a server may leave an operand out that is out of range."""
    return [k for k, (a, b) in enumerate(zip(ours, theirs)) if a != b and a not in "UO" and b != "E"]


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


@pytest.mark.parametrize("name", ["ma1011", "my97", "ma118", "ma105"])
def test_all_kinds_of_columns(build_dir, server, name, tmp_path):
    """Put together without care: most are refused, and the server may refuse one, too."""
    rng = random.Random(f"{SEED}-{name}")
    judge, maker = Judge(build_dir, server(name), rng, tmp_path, wide=True), expressions_wide.Maker(rng)
    made = [maker.condition() for _ in range(WIDE)]
    judged = [(x, o) for x, o in zip(made, judge.ours(made)) if not o.startswith("R ")]
    wrong, odd = [], []
    for at in range(0, len(judged), BATCH):
        batch = judged[at:at + BATCH]
        for (x, o), t in zip(batch, judge.theirs([x for x, _ in batch], odd)):
            d = [k for k in differs(o, t) if t[k] != "O"]  # of operands that the verdict does not need
            wrong += [(len(x), x, len(d), f"row {d[0] + 1}: {o[d[0]]}, the server {t[d[0]]}")] if d else []
    print(f"\nseed {SEED}, {name}: {len(judged)} of {WIDE}; refused by the server: {len(odd)}", *odd[:20], sep="\n")
    assert len(judged) > WIDE * 0.6 and len(odd) < WIDE * 0.01
    assert not wrong, f"{len(wrong)} expressions differ (the shortest first, in how many rows); seed {SEED}:\n" + "\n".join(map(str, sorted(wrong)[:30]))


NUMBERS_AS_TEXT = ["YEAR(da) IN ('2024', '2000')", "YEAR(da) NOT IN ('1970', NULL)", "(si % 10) IN ('1', '2', '-3', '0')", "(si + 0) IN ('00010', '-0', '5')", "(bu + 0) IN ('18446744073709551615', '9223372036854775808', '5')",
                   "(bg + 0) IN ('9223372036854775807', '-9223372036854775808', '10')", "(bu DIV 1) IN ('-1', '5', '9223372036854775807')", "CHAR_LENGTH(vb) IN ('1', '2', '3')", "ABS(si) IN ('5', '10', NULL)"]
MARIADB_TAKES = ["(si + 0) IN ('1e1', '5')", "(si + 0) IN (' 5', '5 ', '10abc', '.5', '')", "CEIL(si DIV 2) IN (-1.5e-1, NULL)", "(si + 0) IN (1e1, 5e0)", "IFNULL(t0, t6) = '10:11:12.50'", "'10:11:12' BETWEEN t0 AND t6",
                 "CASE '2024-02-29' WHEN da THEN 1 END = 1", "COALESCE(t0, t6) IN ('10:11:12', '00:00:00')", "'10:11:12' IN (t0, t6)", "(si + 0) IN ('99999999999999999999', '5')", "'2024-02-29' IN (da, da)"]


@pytest.mark.parametrize("name", ["ma1011", "my97", "ma118", "ma105"])
def test_literals_beside_what_is_no_column(build_dir, server, name, tmp_path):
    """What one server alone takes in a way of its own is refused for that one, and judged as the others do elsewhere."""
    judge = Judge(build_dir, server(name), random.Random(f"{SEED}-{name}"), tmp_path, wide=True)
    list_ = NUMBERS_AS_TEXT + (MARIADB_TAKES if judge.server.flavor == "mariadb" else [])
    odd = [(x, o, t) for x, o, t in zip(list_, judge.ours(list_), judge.theirs(list_)) if o.startswith("R ") or differs(o, t) or o.count("U") > len(o) * 0.6]
    assert not odd, "\n".join("\n  ".join(x) for x in odd)


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

REFUSED_WIDE = {
    "SECOND('2024-02-29') = 24": r"as a time servers read",
    "REPLACE('a', vb, 'b') < 'c'": r"servers differ in the collation",
    "e IN (el, 1)": r"several ENUMs",
    "b64 < 1e0": r"a BIT\(64\) beside",
    "SIGN(b64) < 0": r"a BIT\(64\) beside",
}


REFUSED_OF_MYSQL = {
    "IFNULL(t0, t6) = '10:11:12.50'": r"write DATE, TIME or TIMESTAMP in front",
    "'10:11:12' BETWEEN t0 AND t6": r"write DATE, TIME or TIMESTAMP in front",
    "CASE '2024-02-29' WHEN da THEN 1 END = 1": r"write DATE, TIME or TIMESTAMP in front",
    "(si + 0) IN ('1e1', '5')": r"write an integer without quotes",
    "CEIL(si DIV 2) IN (-1.5e-1, NULL)": r"write an integer without quotes",
    "(si + 0) IN ('5 ', '5')": r"write an integer without quotes",
    "(si + 0) IN ('', '5')": r"write an integer without quotes",
    "(si + 0) IN ('18446744073709551616', '5')": r"write an integer without quotes",
    "(si + 0) IN ('-9223372036854775809', '5')": r"write an integer without quotes",
    "(si + 0) IN (vb, vb)": r"write an integer without quotes",
}


@pytest.mark.parametrize("name, refused", [("ma1011", REFUSED), ("ma1011", REFUSED_WIDE), ("my97", REFUSED_OF_MYSQL)], ids=["ma1011", "ma1011-wide", "my97-wide"])
def test_what_is_refused(build_dir, server, name, refused, tmp_path):
    judge = Judge(build_dir, server(name), random.Random(1), tmp_path, wide=refused is not REFUSED)
    for (x, why), said in zip(refused.items(), judge.ours(list(refused))):
        assert said.startswith("R ") and re.search(why, said), f"{x}: {said}"
