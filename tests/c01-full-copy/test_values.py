"""Values on their way into tables that somebody has made by hand downstream: as they are, or not at all."""
import pytest
from copying import copying
from tidegate import FAILED

BOTH = pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])


@BOTH
def test_invalid_enum_beside_a_value_too_long(source, target, make_pair, job):
    """A row with ENUM's invalid value goes by INSERT IGNORE: what else does not fit must be refused all the same, not cut."""
    pair = make_pair(source, target)
    columns = "id int PRIMARY KEY, e enum('a','b'), g enum('','a') NOT NULL, h enum('a'), v varchar(%s) CHARACTER SET utf8mb4, n %s, t %s"
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (" + columns % (9, "int", "time(3)") + ")", "SET sql_mode=''",
                    "INSERT INTO app.t VALUES (1, 'x', 'x', 'x', 'abcd', 1, '10:00:00'), (2, 'a', '', 'x', 'it''s), (0', 1, '10:00:00'), (3, 'x', 'a', 'x', 'q', 1000, '10:00:00.5'), (4, '', 'a', 'a', 'q', 1, '10:00:00')")
    pair.target.run("CREATE DATABASE app", "CREATE TABLE app.t (" + columns.replace("h enum('a')", "h enum('b')") % (3, "tinyint", "time(3)") + ")")
    j = job(pair, tables="app.*")
    for name, mend in (("v", "MODIFY v varchar(9) CHARACTER SET utf8mb4"), ("n", "MODIFY n int"), ("h", "MODIFY h enum('a')")):
        said = j.run(until="full", expect=FAILED)
        assert "a row with an ENUM's error value has another value that the downstream does not take as it is" in said and f"column '{name}'" in said, said
        assert not pair.target.query("SELECT * FROM app.t")
        pair.target.run("ALTER TABLE app.t " + mend)
    j.run(until="full")
    pair.assert_equal("app", j.story)


TEXTS = (("a", "varchar(20)", "utf8mb4", "latin1", "'é€'"), ("b", "varchar(20)", "latin1", "utf8mb4", r"'ü\\\''"), ("c", "char(20)", "latin1", "latin2", "'é'"),
         ("d", "text", "sjis", "utf8mb4", r"'日ソ\t'"), ("e", "enum('é','x')", "latin1", "utf8mb4", "'é'"), ("f", "set('ö','x')", "utf8mb4", "latin1", "'ö,x'"),
         ("g", "longtext", "utf8mb4", "utf16", "'😀'"), ("h", "varchar(20)", "ascii", "utf16", "'q'"), ("i", "varchar(20)", "ascii", "utf8mb4", "'q'"), ("k", "varchar(20)", "utf8mb4", "utf8mb4", "'日'"),
         ("l", "varchar(20)", "ucs2", "utf8mb4", "'日é'"), ("m", "varchar(20)", "gbk", "utf8mb4", r"'日\\'"), ("n", "varchar(20)", "utf8mb3", "utf8mb3", "'é'"), ("o", "varchar(20)", "utf8mb4", "utf8mb3", "'é'"))


@pytest.mark.parametrize("source, target, way", [("ma1011", "my97", "insert"), ("ma1011", "my97", "load-data"), ("my97", "ma1011", "bulk"), ("my97", "ma1011", "load-data")])
def test_columns_of_another_charset(source, target, way, make_pair, job, tmp_path):
    """A table made by hand whose columns have other charsets: the copy's text is converted, in each way to write rows, as the binlog's is."""
    pair = make_pair(source, target)
    s, d = pair.source, pair.target
    create = "CREATE TABLE app.t (id int PRIMARY KEY, z enum('a'), y set('','a'), " + ", ".join(f"{n} {t} CHARACTER SET %s" for n, t, *_ in TEXTS) + ")"
    s.run("CREATE DATABASE app", create % tuple(x[2] for x in TEXTS))
    d.run("CREATE DATABASE app", create % tuple(x[3] for x in TEXTS))
    values = ", ".join(x[4] for x in TEXTS)
    add = f"INSERT INTO app.t VALUES (%s, 'a', 1, {values}), (%s, NULL, NULL, {', '.join(['NULL'] * len(TEXTS))}), (%s, 'b', 3, {values})"
    j, files = copying(job, tmp_path, pair, ["app"], mode="all")
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("few: {", f"few: {{load-by: {way}, "))
    local = d.query("SELECT @@GLOBAL.local_infile")[0][0]
    try:
        d.run("SET GLOBAL local_infile=ON")
        for n in (1, 11):  # by the copy; by the binlog
            s.run("SET sql_mode=''", add % (n, n + 1, n + 2))
            j.run(*files)
    finally:
        d.run(f"SET GLOBAL local_infile={local}")
    assert {"insert": "by INSERT", "load-data": "by LOAD DATA", "bulk": "by bulk execute"}[way] in j.log(), j.story()
    rows = "SELECT id, z+0, y+0, " + ", ".join(f"HEX(CONVERT({n} USING utf8mb4))" for n, *_ in TEXTS) + " FROM app.t ORDER BY id"
    assert len(s.query(rows)) == 6 and d.query(rows) == s.query(rows), j.story()


@BOTH
def test_members_that_go_by_number(source, target, make_pair, job):
    """Members of an ENUM or a SET with a member '' go by their numbers: into a table that has others it stops by the column's name."""
    pair = make_pair(source, target)
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, s set('','a','b'))", "INSERT INTO app.t VALUES (1, 'b'), (2, 1), (3, 0)")
    pair.target.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, s set('','b','a'))")
    j = job(pair, tables="app.*")
    j.start(until="full")
    assert j.wait() == FAILED
    assert "column `s` is set('','a','b'), and set('','b','a') in the table that is there" in j.stderr(), j.story()
    pair.target.run("ALTER TABLE app.t MODIFY s set('','a','b','c')")
    j.run(until="full")
    assert pair.target.query("SELECT id, s+0 FROM app.t ORDER BY id") == ((1, 4), (2, 1), (3, 0))


@BOTH
def test_a_column_whose_charset_has_not_all(source, target, make_pair, job):
    pair = make_pair(source, target)
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(9) CHARACTER SET utf8mb4)", "INSERT INTO app.t VALUES (1, 'é'), (2, '日')")
    pair.target.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(9) CHARACTER SET latin1)")
    j = job(pair, tables="app.*")
    said = j.run(until="full", expect=FAILED)
    assert "Incorrect string value" in said and "for column" in said and not pair.target.query("SELECT * FROM app.t"), said
    pair.target.run("ALTER TABLE app.t MODIFY v varchar(9) CHARACTER SET utf8mb4")
    j.run(until="full")
    pair.assert_equal("app", j.story)
