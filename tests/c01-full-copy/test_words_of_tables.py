"""What a table says beside its rows: comments of every kind, charsets and collations at each level, the next AUTO_INCREMENT value."""
import pymysql
import pytest

TABLE = """CREATE TABLE app.t (
  id int unsigned NOT NULL AUTO_INCREMENT COMMENT 'it''s the \\\\ key', a varchar(10) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'x' COMMENT 'ünïcode; -- no comment',
  b varchar(10) COLLATE utf8mb4_unicode_ci, c char(3) CHARACTER SET ascii, PRIMARY KEY (id), KEY a (a) COMMENT 'a key''s')
  ENGINE=InnoDB AUTO_INCREMENT=4711 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='of the /* table */'"""


@pytest.mark.parametrize("names", ["my97>my97", "ma1011>ma1011", "my97>ma118", "ma1011>my97"])
def test_comments_charsets_auto_increment(names, make_pair, job):
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app CHARACTER SET latin1 COLLATE latin1_german2_ci", TABLE, "INSERT INTO app.t (b) VALUES ('y')")
    j = job(pair, tables="app.*")
    j.run(until="full")
    for sql in ("SELECT TABLE_COMMENT, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA='app'",
                "SELECT COLUMN_NAME, COLUMN_COMMENT, CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='app' ORDER BY 1",
                "SELECT INDEX_NAME, INDEX_COMMENT FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='app' ORDER BY 1",
                "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='app'"):
        assert d.query(sql) == s.query(sql), sql
    d.run("INSERT INTO app.t (b) VALUES ('z')")
    assert d.query("SELECT id FROM app.t ORDER BY id") == ((4711,), (4712,))


@pytest.mark.parametrize("target", ["ma1011", pytest.param("ma118", marks=pytest.mark.long)])
def test_strings_of_expressions(target, make_pair, job):
    """MySQL puts an introducer before each string of an expression, behind which MariaDB forgets the escapes: a generated column had other values, or no table could be made."""
    pair = make_pair("my97", target)
    s = pair.source
    columns = (r"id int PRIMARY KEY, a varchar(20), g varchar(40) AS (concat(a, 'it''s \\ \\n ü', '\n')) STORED, r varchar(20) AS (regexp_replace(a, '\\d', '#')), u varchar(20) AS (concat(a, 'ü中')), "
               r"d varchar(20) DEFAULT (concat('x\\t', 'y''')), CONSTRAINT digits CHECK (a NOT LIKE '1\\_%' AND a <> 'it''s')")
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", f"CREATE TABLE app.t ({columns})", "INSERT INTO app.t (id, a) VALUES (1, 'a1d'), (2, NULL)")
    j = job(pair, tables="app.*")
    j.run(until="full")
    pair.assert_equal("app", j.story)
    s.run(f"CREATE TABLE app.u ({columns.replace('digits', 'more')})", r"ALTER TABLE app.t ADD k varchar(20) AS (concat(_utf8mb4'\\n''', a)) STORED",
          "INSERT INTO app.t (id, a) VALUES (3, 'a2d')", "INSERT INTO app.u (id, a) VALUES (1, 'a3d')")
    j.run()
    pair.assert_equal("app", j.story)
    with pair.target.connect(database="app") as c, c.cursor() as cur:
        cur.execute("INSERT INTO t (id, a) VALUES (4, 'x')")
        cur.execute("SELECT d FROM t WHERE id=4")
        assert cur.fetchone() == ("x\\ty'",)
        for no in ("it's", "1_2"):
            with pytest.raises(pymysql.MySQLError, match="CONSTRAINT"):
                cur.execute("INSERT INTO t (id, a) VALUES (5, %s)", (no,))


@pytest.mark.parametrize("names", ["ma1011>my97", "my97>ma1011", "ma1011>ma1011"])
def test_defaults_of_bytes(names, make_pair, job):
    """Servers show the default of a BINARY column, and what stands behind an introducer, as bytes that are no UTF-8: neither the copy nor a DDL statement behind it stops."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, a binary(3) DEFAULT x'fe', b varbinary(9) NOT NULL DEFAULT x'00fe275c0a' COMMENT 'ü', c varbinary(9) DEFAULT (concat(x'fe', 'x')))",
          "INSERT INTO app.t (id) VALUES (1)", "CREATE VIEW app.v AS SELECT id, concat(a, x'ff27') AS w FROM app.t")
    j = job(pair, tables="app.*")
    j.run(until="full")
    pair.assert_equal("app", j.story)
    s.run("ALTER TABLE app.t ADD z varbinary(3) NOT NULL DEFAULT x'fd'", "INSERT INTO app.t (id) VALUES (2)", "ALTER TABLE app.t ADD y int")
    j.run()
    pair.assert_equal("app", j.story)
    for x in (s, d):
        x.run("INSERT INTO app.t (id) VALUES (3)")
    pair.assert_equal("app", j.story)
