"""The session of a statement of structure: what charset its text is in, and its strings; the steps of AUTO_INCREMENT. Relay and sync alone."""
import pytest

from ends import Ends, live


def follow_between(build_dir, ends):
    f = live.Follow(build_dir, ends.up, ends.down, ["app"]).start()
    ends.up.run("CREATE DATABASE app CHARACTER SET latin1")
    return f


def follow(build_dir, server, source, target):
    ends = Ends(server, source, target)
    return follow_between(build_dir, ends), ends.up, ends.down


def in_charset(up, names, *statements, encoding="utf8"):
    with up.connect(database="app") as c, c.cursor() as cur:
        cur.execute(f"SET NAMES {names}")
        for s in statements:
            cur.execute(s.encode(encoding))


@pytest.mark.parametrize("source, target", [("ma1011", "ma118"), ("my97", "ma1011"), ("ma1011", "my97")])
def test_a_collation_of_the_clients_own(build_dir, server, source, target):
    """SET NAMES … COLLATE …, as many programs begin: its number is no charset's default, which MariaDB wants."""
    f, up, down = follow(build_dir, server, source, target)
    try:
        in_charset(up, "utf8mb4 COLLATE utf8mb4_unicode_ci", "CREATE TABLE t (id int PRIMARY KEY, v varchar(9) COMMENT 'ü')")
        in_charset(up, "utf8mb4 COLLATE utf8mb4_bin", "ALTER TABLE t ADD w varchar(9) DEFAULT 'x'", "INSERT INTO t VALUES (1, 'é', 'z')")
        in_charset(up, "latin1 COLLATE latin1_german2_ci", "ALTER TABLE t ADD `ö` varchar(9) DEFAULT 'ß', COMMENT='ä'", encoding="latin1")
        f.end()
    finally:
        f.close()


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "my97"), ("my97", "ma1011")])
def test_strings_of_the_clients_charset(build_dir, server, source, target):
    """What an expression makes of a string with letters is by its charset: rows get it from the downstream's table."""
    f, up, down = follow(build_dir, server, source, target)
    try:
        in_charset(up, "latin1", "CREATE TABLE t (id int PRIMARY KEY, n int AS (LENGTH('äö') + id) STORED, h varchar(20) AS (HEX('ß')) STORED) COMMENT='ü'",
                   "INSERT INTO t (id) VALUES (1)", "ALTER TABLE t ADD m int AS (LENGTH('€ä') + id) STORED", encoding="cp1252")
        assert up.query("SELECT n, h, m FROM app.t") == ((3, "DF", 3),)
        f.end()
    finally:
        f.close()


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "my97")])
@pytest.mark.parametrize("names", ["latin1", "gbk"])
def test_tables_that_the_server_wrote(build_dir, server, source, target, names):
    """CREATE TABLE … SELECT is logged in UTF-8 under the client's charset: names, comments and members of ENUMs are those that are there."""
    f, up, down = follow(build_dir, server, source, target)
    try:
        in_charset(up, "utf8mb4", "CREATE TABLE t (id int PRIMARY KEY, `ß` varchar(9) COMMENT 'ü', e enum('ä', 'é') CHARACTER SET latin1 DEFAULT 'é') COMMENT 'ö'", "INSERT INTO t VALUES (1, 'x', 'ä')")
        in_charset(up, names, "CREATE TABLE a AS SELECT * FROM t", "CREATE TABLE b AS SELECT * FROM t WHERE id > 9", "INSERT INTO b (id) VALUES (2)")
        if names == "latin1":
            in_charset(up, "utf8mb4", "CREATE TEMPORARY TABLE w (`ß` int COMMENT 'ü', e enum('ä') CHARACTER SET utf8mb4)", "SET NAMES latin1", "CREATE TABLE c LIKE w", "INSERT INTO c VALUES (1, 1)")
        f.end()
        comments = "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_COMMENT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='app' ORDER BY TABLE_NAME, ORDINAL_POSITION"
        assert up.query(comments) == down.query(comments)
    finally:
        f.close()


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "my97"), ("my97", "ma1011")])
def test_tables_that_the_server_wrote_for_utf8(build_dir, server, source, target):
    """… whatever the collation of a connection in UTF-8; a binary default in it stays its bytes where MySQL wrote it (MariaDB logs a '?')."""
    f, up, down = follow(build_dir, server, source, target)
    try:
        in_charset(up, "utf8mb4", "CREATE TABLE t (id int PRIMARY KEY, e enum('日', 'é') CHARACTER SET utf8mb4 COMMENT '本', b binary(2) DEFAULT x'fe00') CHARACTER SET utf8mb4",
                   "INSERT INTO t (id, e) VALUES (1, '日')", "SET collation_connection=latin1_swedish_ci", "CREATE TABLE a AS SELECT * FROM t", "SET NAMES gbk", "CREATE TABLE b AS SELECT * FROM t")
        f.end()
        down.run("INSERT INTO app.a (id, e) VALUES (2, 1)", "INSERT INTO app.b (id, e) VALUES (2, 1)")
        assert [down.query(f"SELECT e, b FROM app.{t} WHERE id = 2") for t in "ab"] == [(("日", b"?\0" if source == "ma1011" else b"\xfe\0"),)] * 2, [
            e[5] for e in up.query("SHOW BINLOG EVENTS") if "CREATE" in str(e[5])]
    finally:
        f.close()


def test_introducers_that_mariadb_loses(build_dir, server):
    """_utf8mb4'…' goes to MariaDB as a plain string: in a connection of UTF-8, whatever the client's was."""
    f, up, down = follow(build_dir, server, "my97", "ma1011")
    try:
        in_charset(up, "utf8mb4", "CREATE TABLE t (id int PRIMARY KEY, a varchar(9)) CHARACTER SET utf8mb4", "INSERT INTO t VALUES (1, 'x')", "SET collation_connection=latin1_swedish_ci",
                   "ALTER TABLE t ADD g varchar(9) AS (CONCAT(a, _utf8mb4'日')) STORED", "INSERT INTO t (id, a) VALUES (2, 'y')")
        f.end()
        assert down.query("SELECT g FROM app.t ORDER BY id") == (("x日",), ("y日",))
    finally:
        f.close()


@pytest.mark.parametrize("source", ["ma1011", "my97"])
def test_defaults_that_are_no_text(build_dir, server, source):
    """MariaDB prints a binary default as its bytes: what is on record of a statement is letters all the same."""
    f, up, down = follow(build_dir, server, source, "ma1011")
    try:
        up.run("CREATE TABLE app.t (id int PRIMARY KEY, b varbinary(9) DEFAULT x'ff00fe')", "ALTER TABLE app.t ADD c binary(2) NOT NULL DEFAULT x'c328'", "INSERT INTO app.t (id) VALUES (1)",
               "CREATE TABLE app.u LIKE app.t", "RENAME TABLE app.t TO app.v", "INSERT INTO app.u (id) VALUES (1)", "DROP TABLE app.v")
        f.end()
        down.run("INSERT INTO app.u (id) VALUES (2)")
        assert down.query("SELECT b, c FROM app.u WHERE id = 2") == ((b"\xff\0\xfe", b"\xc3\x28"),)
    finally:
        f.close()


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "my97"), ("my97", "ma1011")])
def test_steps_of_auto_increment(build_dir, server, source, target):
    """The numbers that an added AUTO_INCREMENT gives to rows are in the upstream's steps, also where the downstream has others."""
    ends, f = Ends(server, source, target), None
    up, down = ends.up, ends.down
    try:
        down.run("SET GLOBAL auto_increment_increment=7")  # which a connection takes when it begins: before ours do
        f = follow_between(build_dir, ends)
        up.run("CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (5), (1), (9)", "CREATE TABLE app.u LIKE app.t", "INSERT INTO app.u SELECT * FROM app.t",
               "SET auto_increment_increment=3, auto_increment_offset=2", "ALTER TABLE app.t ADD n int AUTO_INCREMENT UNIQUE FIRST",
               "SET auto_increment_increment=1, auto_increment_offset=1", "ALTER TABLE app.u ADD n int AUTO_INCREMENT UNIQUE")
        assert [up.query(f"SELECT n FROM app.{t} ORDER BY id") for t in "tu"] == [((5,), (8,), (11,)), ((1,), (2,), (3,))]
        f.end()
    finally:
        down.run("SET GLOBAL auto_increment_increment=1")
        if f:
            f.close()


def test_what_utf8mb4_means(build_dir, server):
    """MySQL's default_collation_for_utf8mb4 goes with the statement, and not with the next one."""
    f, up, down = follow(build_dir, server, "my97", "my97")
    try:
        with up.connect(database="app") as c, c.cursor() as cur:
            for s in ("SET default_collation_for_utf8mb4=utf8mb4_general_ci", "CREATE TABLE t (id int PRIMARY KEY, v varchar(9)) CHARACTER SET utf8mb4"):
                cur.execute(s)
        up.run("CREATE TABLE app.u (id int PRIMARY KEY, v varchar(9)) CHARACTER SET utf8mb4")
        f.end()
        names = [s.query("SELECT COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='app' AND COLUMN_NAME='v' ORDER BY TABLE_NAME") for s in (up, down)]
        assert names == [(("utf8mb4_general_ci",), ("utf8mb4_0900_ai_ci",))] * 2
    finally:
        f.close()
