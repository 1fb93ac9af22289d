"""Statements that take rows by the name of their partition: the same rows on both sides, or none and a word about it."""
import procs
import pytest
from words import ask, following, wait_stage

DAYS = [f"2020-{m:02}-{d:02}" for m in (1, 3, 12) for d in range(1, 29, 2)]
WORDS = ["a", "A", "b", "zebra", "Zebra", "q ", "hello world", "éa", "Éa", "ß", "ss", "", "ABD", "m", "n", "o", "P", "ab-c", "abb", "ŝ"]
FIVE = "PARTITION BY {}KEY ({}) PARTITIONS 5"
BOUNDS = "PARTITION BY RANGE COLUMNS (k) (PARTITION p0 VALUES LESS THAN ('b'), PARTITION p1 VALUES LESS THAN ('n'), PARTITION p2 VALUES LESS THAN (MAXVALUE))"
TEXT = "varchar(40) CHARACTER SET {} COLLATE {} NOT NULL"
ALIKE = {  # name: (type of k, partitions, values)
    "a_int": ("int NOT NULL", FIVE.format("", "k"), range(20)), "a_linear": ("bigint NOT NULL", FIVE.format("LINEAR ", "id, k"), range(20)), "a_none": ("int", FIVE.format("", ""), range(20)),
    "a_time": ("datetime NOT NULL", FIVE.format("", "k"), DAYS), "a_bytes": ("varbinary(40) NOT NULL", FIVE.format("", "k"), WORDS), "a_latin1": (TEXT.format("latin1", "latin1_swedish_ci"), FIVE.format("", "k"), WORDS[:-1]),
    "a_general": (TEXT.format("utf8mb4", "utf8mb4_general_ci"), FIVE.format("LINEAR ", "k"), WORDS), "a_bin": (TEXT.format("utf8mb4", "utf8mb4_bin"), BOUNDS, WORDS), "a_old": (TEXT.format("utf8mb4", "utf8mb4_unicode_ci"), FIVE.format("", "k"), WORDS),
    "a_day": ("date NOT NULL", "PARTITION BY HASH (TO_DAYS(k)) PARTITIONS 4", DAYS), "a_all": ("date NOT NULL", FIVE.format("", "k"), DAYS),
    "a_above": ("date NOT NULL", "PARTITION BY RANGE (id) SUBPARTITION BY KEY (k) SUBPARTITIONS 3 (PARTITION p0 VALUES LESS THAN (4), PARTITION p1 VALUES LESS THAN (9), PARTITION p2 VALUES LESS THAN (MAXVALUE))", DAYS)}
OWN = {"mysql": "utf8mb4_0900_ai_ci", "mariadb": "utf8mb4_uca1400_ai_ci"}  # it becomes another one in the other family


def make(s, name, kind, partitions, values):
    key = "id" if name == "a_none" else "id, k"
    s.run(f"CREATE TABLE app.{name} (id int, k {kind}, PRIMARY KEY ({key})) DEFAULT CHARSET latin1 {partitions}", *((f"INSERT INTO app.{name} VALUES (%s, %s)", (i, v)) for i, v in enumerate(values)))


def seen(s, d, j, n):
    s.run(f"INSERT INTO app.t VALUES ({n}, {n})")
    procs.wait_for(lambda: d.query(f"SELECT COUNT(*) FROM app.t WHERE id = {n}")[0][0] == 1, 60, j.story, 0.2)


def ids(server, name, partition=None):
    return sorted(r[0] for r in server.query(f"SELECT id FROM app.{name}" + (f" PARTITION ({partition})" if partition else "")))


@pytest.mark.parametrize("names", [("my97", "ma1011"), pytest.param(("ma1011", "my97"), marks=pytest.mark.long), pytest.param(("my97", "ma118"), marks=pytest.mark.long)], ids="-".join)
def test_rows_of_a_partition(make_pair, job, names):
    """Where both servers keep the same rows in a partition, it is truncated; where they don't, the task stops with all rows there, and a person's DELETE and skip mend it."""
    pair = make_pair(*names)
    s, d = pair.source, pair.target
    j = following(pair, job)
    for name, what in ALIKE.items():
        make(s, name, *what)
    seen(s, d, j, 10)
    for name in ALIKE:
        was = ids(s, name)
        s.run(f"ALTER TABLE app.{name} TRUNCATE PARTITION {'ALL' if name == 'a_all' else 'p1'}")
        assert len(ids(s, name)) < len(was), name
    s.run("ALTER TABLE app.a_bin DROP PARTITION p0")
    seen(s, d, j, 11)
    pair.assert_equal("app", j.story)
    other = {"b_day": ("date NOT NULL", FIVE.format("", "k"), DAYS), "b_both": ("date NOT NULL", FIVE.format("LINEAR ", "k, id"), DAYS), "b_none": ("date NOT NULL", FIVE.format("", ""), DAYS),
             "b_text": (TEXT.format("utf8mb4", OWN[s.flavor]), FIVE.format("", "k"), WORDS)}
    for name, what in other.items():
        make(s, name, *what)
    make(s, "b_range", TEXT.format("utf8mb4", OWN[s.flavor]), BOUNDS, WORDS)
    make(s, "b_sub", *ALIKE["a_above"])
    s.run("CREATE TABLE app.e (id int, k date NOT NULL, PRIMARY KEY (id, k)) DEFAULT CHARSET latin1")
    seen(s, d, j, 12)
    one = {name: [p for p in ("p0", "p1", "p2", "p3", "p4") if ids(s, name, p) and ids(s, name, p) != ids(d, name, p)] for name in other}
    assert all(one.values()), one  # else nothing would be amiss
    statements = [(name, f"ALTER TABLE app.{name} TRUNCATE PARTITION {one[name][0]}") for name in other]
    sub = [p for p in ("p2sp0", "p2sp1", "p2sp2") if ids(s, "b_sub", p) and ids(s, "b_sub", p) != ids(d, "b_sub", p)][0]
    if s.flavor == "mysql":  # MariaDB truncates no subpartition
        statements.append(("b_sub", f"ALTER TABLE app.b_sub TRUNCATE PARTITION {sub}"))
    statements += [("b_range", "ALTER TABLE app.b_range DROP PARTITION p0"), ("b_day", f"ALTER TABLE app.b_day EXCHANGE PARTITION {one['b_day'][1]} WITH TABLE app.e")]
    for n, (name, statement) in enumerate(statements):
        was = ids(s, name)
        s.run(statement)
        gone = sorted(set(was) - set(ids(s, name)))
        assert gone, statement
        wait_stage(j, "Paused", 60507)
        assert "binlog skip" in j.subtask()["result"]["errors"][0]["Message"] and ids(d, name) == was, j.story()
        d.run(f"DELETE FROM app.{name} WHERE id IN ({','.join(map(str, gone))})", *(("INSERT INTO app.e VALUES (%s, %s)", r) for r in s.query("SELECT * FROM app.e")))
        ask(j, "binlog", "skip", "run")
        seen(s, d, j, 20 + n)
    s.run("DROP TABLE app.b_range")  # its partitions are not the same any more
    seen(s, d, j, 30)
    pair.assert_equal("app", j.story)
