"""What a table says beside its rows: comments of every kind, charsets and collations at each level, the next AUTO_INCREMENT value."""
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
