"""Forms of DDL that only one family has, and what an operator's words leave on record: each does what it did upstream, to no other table."""
import conftest
import procs
import pymysql
import pytest
from tidegate import INTERRUPTED
from words import ask, following, wait_stage


def through(s, d, j, n):
    s.run(f"INSERT INTO app.seen VALUES ({n})")
    procs.wait_for(lambda: d.query(f"SELECT COUNT(*) FROM app.seen WHERE n = {n}")[0][0] == 1, 60, j.story, 0.2)


def begin(pair, job):
    j = following(pair, job)
    pair.source.run("CREATE TABLE app.seen (n int PRIMARY KEY) DEFAULT CHARSET latin1")
    return j


def leave(pair, j):
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run()
    pair.assert_equal("app", j.story)


def test_create_or_replace(make_pair, job):
    """MariaDB's CREATE OR REPLACE to MySQL: an index takes the place of one, and its table keeps its rows; of a database it stops, and drops nothing."""
    pair = make_pair("ma1011", "my97")
    j = begin(pair, job)
    s, d = pair.source, pair.target
    s.run("CREATE OR REPLACE INDEX i ON t (v)", "CREATE OR REPLACE UNIQUE INDEX `i` USING BTREE ON app.t (v, id)", "INSERT INTO t VALUES (2, 2)", db="app")
    through(s, d, j, 1)
    assert d.query("SELECT COUNT(*) FROM app.t")[0][0] == 2
    assert [(r[2], r[4], r[1]) for r in d.query("SHOW INDEX FROM app.t") if r[2] == "i"] == [("i", "v", 0), ("i", "id", 0)]
    s.run("CREATE OR REPLACE DATABASE app")
    wait_stage(j, "Paused", 60507)
    assert {r[0] for r in d.query("SHOW TABLES FROM app")} == {"t", "seen"}
    assert "drop" in j.subtask()["result"]["errors"][0]["Message"]
    # an operator's own is no MySQL: it is refused, and drops nothing either
    ask(j, "binlog", "replace", "run", "CREATE OR REPLACE TABLE app.t (id int)")
    wait_stage(j, "Paused", 10006)
    assert d.query("SELECT COUNT(*) FROM app.t")[0][0] == 2
    ask(j, "binlog", "replace", "run", "DROP DATABASE app; CREATE DATABASE app")
    s.run("CREATE TABLE app.t (id int PRIMARY KEY, other varchar(9), v int) DEFAULT CHARSET latin1", "INSERT INTO app.t VALUES (1, 'x', 3)",
          "CREATE TABLE app.seen (n int PRIMARY KEY) DEFAULT CHARSET latin1")
    through(s, d, j, 2)
    leave(pair, j)


def test_database_replaced(make_pair, job):
    """What was known of a replaced database's tables goes with them."""
    pair = make_pair("ma1011", "ma118")
    j = begin(pair, job)
    s, d = pair.source, pair.target
    s.run("INSERT INTO app.t VALUES (2, 2)")
    through(s, d, j, 1)
    s.run("CREATE OR REPLACE DATABASE app", "CREATE TABLE app.seen (n int PRIMARY KEY) DEFAULT CHARSET latin1")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'app' AND table_name = 't'")[0][0] == 0, 60, j.story, 0.2)
    through(s, d, j, 2)
    assert d.query("SELECT COUNT(*) FROM dm_meta.tidegate_structure WHERE table_schema = 'app' AND table_name = 't'")[0][0] == 0
    leave(pair, j)


def test_names_in_other_letters(fleet, job):
    """Both keep names in small letters: a table that is made and altered in others is read as it is since then, also in a backlog."""
    low = "--lower-case-table-names=1"
    pair = conftest.Pair(*fleet("ma1011", "low", extra=low), *fleet("ma118", "low", extra=low))
    s, d = pair.source, pair.target
    j = begin(pair, job)
    s.run("CREATE TABLE app.Orders (id int PRIMARY KEY, x varchar(9)) DEFAULT CHARSET latin1", "INSERT INTO app.orders VALUES (1, 'ä')",
          "ALTER TABLE app.ORDERS CONVERT TO CHARACTER SET utf8mb4", "INSERT INTO app.orders VALUES (2, 'öß')")
    through(s, d, j, 1)
    assert j.interrupt() == INTERRUPTED, j.story()
    s.run("INSERT INTO app.orders VALUES (3, 'ü')", "CREATE TABLE `Straße_Ü` (id int PRIMARY KEY, x varchar(9)) DEFAULT CHARSET latin1", "INSERT INTO `STRAßE_Ü` VALUES (1, 'ä')",
          "ALTER TABLE `STRAßE_ü` CONVERT TO CHARACTER SET utf8mb4", "INSERT INTO `STRAßE_Ü` VALUES (2, 'ä')", db="app")
    j.run()
    assert d.query("SELECT x FROM app.orders ORDER BY id") == (("ä",), ("öß",), ("ü",))
    pair.assert_equal("app", j.story)


def test_names_in_small_letters(fleet, job):
    """The upstream keeps names in small letters, the downstream as they are written: statements name what they name upstream, parents of foreign keys too."""
    pair = conftest.Pair(*fleet("ma1011", "low", extra="--lower-case-table-names=1"), *fleet("ma118", "high"))
    s, d = pair.source, pair.target
    j = begin(pair, job)
    s.run("CREATE TABLE app.parent (id int PRIMARY KEY)", "CREATE TABLE app.child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES Parent (id) ON DELETE CASCADE)",
          "INSERT INTO app.parent VALUES (1), (2)", "INSERT INTO app.child VALUES (1,1), (2,2)", "DELETE FROM app.parent WHERE id = 1")
    s.run("CREATE TABLE `Straße_Ü` (id int PRIMARY KEY)", "INSERT INTO `straße_ü` VALUES (1)", "RENAME TABLE `Straße_Ü` TO Other, App.OTHER TO App.Third", "CREATE TABLE L LIKE Third",
          "ALTER TABLE L ADD CONSTRAINT FOREIGN KEY (id) REFERENCES APP.Third (id), RENAME TO M", "CREATE INDEX i ON M (id)", "INSERT INTO M VALUES (1)", "TRUNCATE M", "DROP TABLE IF EXISTS app.T, App.Gone", db="app")
    through(s, d, j, 1)
    assert {r[0] for r in d.query("SHOW TABLES FROM app")} == {"seen", "parent", "child", "third", "m"}
    assert d.query("SELECT id FROM app.child") == ((2,),)
    # what can't be written anew tells what to do, which is nothing about routes
    s.run("CREATE TABLE app.Sums (a int PRIMARY KEY, b int AS (Sums.a + 1))", "INSERT INTO app.sums (a) VALUES (1)")
    wait_stage(j, "Paused", 60507)
    assert "binlog replace with its names in small letters" in j.subtask()["result"]["errors"][0]["Message"], j.story()
    ask(j, "binlog", "replace", "run", "CREATE TABLE app.sums (a int PRIMARY KEY, b int AS (sums.a + 1))")
    through(s, d, j, 2)
    s.run("CREATE SEQUENCE Numbers", "CREATE SEQUENCE other", "CREATE TABLE ordered (a int PRIMARY KEY DEFAULT NEXT VALUE FOR Numbers, b int DEFAULT nextval( App.Numbers ))",
          "CREATE TABLE counted (a int PRIMARY KEY)", "ALTER TABLE counted ALTER a SET DEFAULT NEXT VALUE FOR APP.OTHER", "INSERT INTO ordered VALUES ()", "INSERT INTO counted VALUES ()", db="app")
    through(s, d, j, 3)
    assert j.interrupt() == INTERRUPTED, j.story()
    pair.assert_equal("app", j.story)
    d.run("TRUNCATE app.counted", "INSERT INTO app.counted VALUES ()")


@pytest.mark.parametrize("names", [("ma1011", "my97"), ("my97", "ma118")], ids="-".join)
def test_times_of_partitions(fleet, server, job, names):
    """Bounds that are written as times of SYSTEM, in summer and in winter, are the upstream's moments: a partition that is dropped has the same rows on both sides."""
    pair = conftest.Pair(*fleet(names[0], "berlin", env={"TZ": "Europe/Berlin"}), server(names[1], "down"))
    s, d = pair.source, pair.target
    j = begin(pair, job)
    def bounds(x):
        return [int(r[0]) for r in x.query("SELECT PARTITION_DESCRIPTION FROM information_schema.partitions WHERE table_schema = 'app' AND table_name = 'p' ORDER BY PARTITION_ORDINAL_POSITION")]
    s.run("CREATE TABLE p (id int, ts timestamp NOT NULL, PRIMARY KEY (id, ts)) DEFAULT CHARSET latin1 PARTITION BY RANGE (UNIX_TIMESTAMP(ts)) (PARTITION p0 VALUES LESS THAN (UNIX_TIMESTAMP('2020-01-01 00:00:00')), "
          "PARTITION p1 VALUES LESS THAN (UNIX_TIMESTAMP(\"2020-07-01 00:00:00\")), PARTITION p2 VALUES LESS THAN ( unix_timestamp ( 20210101000000 ) ))", "SET time_zone = '+00:00'",
          "INSERT INTO p VALUES (1, '2019-12-31 22:59:59'), (2, '2019-12-31 23:00:00'), (3, '2020-06-30 21:59:59'), (4, '2020-06-30 22:00:00')", db="app")
    s.run("ALTER TABLE p ADD PARTITION (PARTITION p3 VALUES LESS THAN (UNIX_TIMESTAMP('2021-07-01 00:00:00')))", "ALTER TABLE p DROP PARTITION p1", db="app")
    s.run("ALTER TABLE p REORGANIZE PARTITION p2 INTO (PARTITION a VALUES LESS THAN (UNIX_TIMESTAMP('2020-10-01')), PARTITION b VALUES LESS THAN (UNIX_TIMESTAMP(TIMESTAMP'2021-01-01 00:00:00')))", db="app")
    through(s, d, j, 1)
    assert bounds(s) == bounds(d) == [1577833200, 1601503200, 1609455600, 1625090400]
    assert [r[0] for r in d.query("SELECT id FROM app.p ORDER BY id")] == [1, 4]
    leave(pair, j)


@pytest.mark.parametrize("names", [("ma1011", "my97"), ("my97", "ma1011")], ids="-".join)
def test_times_of_defaults(fleet, server, job, names):
    """Defaults of TIMESTAMPs that are written in SYSTEM, in summer and in winter: the same moments on both sides, in rows that were there too."""
    pair = conftest.Pair(*fleet(names[0], "berlin", env={"TZ": "Europe/Berlin"}), server(names[1], "down"))
    s, d = pair.source, pair.target
    j = begin(pair, job)
    s.run("CREATE TABLE x (id int PRIMARY KEY, `default` int DEFAULT 7, a timestamp NOT NULL DEFAULT '2020-07-01 00:00:00', b timestamp(3) NULL DEFAULT \"2020-12-31 23:30:00.125\" COMMENT 'DEFAULT', c datetime DEFAULT '2020-07-01 00:00:00', "
          "e int DEFAULT 5, i timestamp NULL DEFAULT _utf8mb4'2020-07-01 00:00:00', KEY (a), KEY `timestamp` (a, b)) DEFAULT CHARSET latin1", "INSERT INTO x (id) VALUES (1)",
          f"ALTER TABLE x ADD f timestamp DEFAULT {'TIMESTAMP' if names[0].startswith('ma') else ''}'2021-01-01 00:00:00' AFTER a, ADD `timestamp` int DEFAULT 6", "ALTER TABLE x ADD (g timestamp DEFAULT 20210701000000, h varchar(9) DEFAULT '2020'), ADD n datetime NOT NULL DEFAULT CURRENT_TIMESTAMP",
          "ALTER TABLE x MODIFY c datetime DEFAULT '2020-07-02 00:00:00', CHANGE g g2 timestamp DEFAULT '2021-07-02 00:00:00'", db="app")
    through(s, d, j, 1)
    # what an expression makes of times hangs on the zone of each of them
    add = "ALTER TABLE app.x ADD y timestamp NULL DEFAULT ('2020-07-01 00:00:00')"
    s.run(add)
    wait_stage(j, "Paused", 60507)
    ask(j, "binlog", "replace", "run", add)
    s.run("ALTER TABLE app.x DROP COLUMN y")
    through(s, d, j, 2)
    assert j.interrupt() == INTERRUPTED, j.story()
    pair.assert_equal("app", j.story)
    moments = [1593554400, 1609453800.125, 1609455600, 1625176800, 1593554400]
    for x in (s, d):
        x.run("INSERT INTO app.x (id, n) VALUES (9, '2020-01-01')")
        (id, default, a, f, b, c, e, i, ts, g, h, n), = x.query("SELECT * FROM app.x WHERE id = 9")
        assert (default, e, ts, h, str(c)) == (7, 5, 6, "2020", "2020-07-02 00:00:00")
        assert [float(m) for m in x.query("SELECT UNIX_TIMESTAMP(a), UNIX_TIMESTAMP(b), UNIX_TIMESTAMP(f), UNIX_TIMESTAMP(g2), UNIX_TIMESTAMP(i) FROM app.x WHERE id = 9")[0]] == moments, (x, a, b, f, g)


@pytest.mark.parametrize("names", [("ma1011", "my97"), ("my97", "ma118"), ("ma1011", "ma118")], ids="-".join)
def test_times_of_set_defaults(fleet, server, job, names):
    """ALTER COLUMN … SET DEFAULT says no type: where the column is a TIMESTAMP, its written time is the upstream's moment, of a DATETIME it stays as it is."""
    pair = conftest.Pair(*fleet(names[0], "berlin", env={"TZ": "Europe/Berlin"}), server(names[1], "down"))
    s, d = pair.source, pair.target
    j = begin(pair, job)
    s.run("CREATE TABLE x (id int PRIMARY KEY, a timestamp NULL, `alter` timestamp(3) NULL, c datetime NULL, d varchar(30), e timestamp NULL, f datetime NULL, g timestamp NULL DEFAULT '2020-07-01 00:00:00') DEFAULT CHARSET latin1",
          "INSERT INTO x (id) VALUES (1)",
          "ALTER TABLE x ALTER COLUMN a SET DEFAULT '2020-07-01 00:00:00', ALTER `alter` SET DEFAULT '2020-12-31 23:30:00.125', ALTER c SET DEFAULT '2020-07-01 00:00:00', ALTER d SET DEFAULT '2020-07-01 00:00:00'",
          "ALTER TABLE x ALTER E SET DEFAULT 20210701000000, ALTER g DROP DEFAULT, ALTER f SET DEFAULT '2020-07-01 00:00:00', ADD n int DEFAULT 3", db="app")
    through(s, d, j, 1)
    assert j.interrupt() == INTERRUPTED, j.story()
    pair.assert_equal("app", j.story)
    for x in (s, d):
        x.run("INSERT INTO app.x (id, g) VALUES (9, NULL)")
        assert [str(v) for v in x.query("SELECT c, d, f, n FROM app.x WHERE id = 9")[0]] == ["2020-07-01 00:00:00"] * 3 + ["3"]
        assert [float(m) for m in x.query("SELECT UNIX_TIMESTAMP(a), UNIX_TIMESTAMP(`alter`), UNIX_TIMESTAMP(e) FROM app.x WHERE id = 9")[0]] == [1593554400, 1609453800.125, 1625090400], x


def test_times_that_history_starts_at(fleet, server, job):
    """Partitions of MariaDB's history start at a time of the statement's zone."""
    pair = conftest.Pair(*fleet("ma1011", "berlin", env={"TZ": "Europe/Berlin"}), server("ma118", "down"))
    s, d = pair.source, pair.target
    j = begin(pair, job)
    s.run("CREATE TABLE x (id int PRIMARY KEY) DEFAULT CHARSET latin1 WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME INTERVAL 1 MONTH STARTS '2020-07-01 00:00:00' (PARTITION p HISTORY, PARTITION n CURRENT)",
          "CREATE TABLE y (id int PRIMARY KEY) DEFAULT CHARSET latin1 WITH SYSTEM VERSIONING", "ALTER TABLE y PARTITION BY SYSTEM_TIME INTERVAL 1 DAY STARTS TIMESTAMP'2020-12-01 00:00:00' PARTITIONS 2", db="app")
    through(s, d, j, 1)
    for x in (s, d):
        with x.connect(database="app") as c, c.cursor() as cur:
            cur.execute("SET time_zone = '+00:00'")
            for name, starts in (("x", "2020-06-30 22:00:00"), ("y", "2020-11-30 23:00:00")):
                cur.execute(f"SHOW CREATE TABLE {name}")
                made = cur.fetchone()[1]
                assert f"STARTS TIMESTAMP'{starts}'" in made, made


def test_history_of_an_upstream_that_is_gone(fleet, server, job):
    """A backlog of history tables whose upstream is gone: a PERIOD FOR SYSTEM_TIME names no sequence, so nothing is asked; where partitions of history start stops, as other bounds do."""
    pair = conftest.Pair(*fleet("ma1011", "berlin", env={"TZ": "Europe/Berlin"}), server("ma118", "down"))
    s, d = pair.source, pair.target
    j = begin(pair, job)
    partitions = "PARTITION BY SYSTEM_TIME INTERVAL 1 MONTH STARTS '{}' (PARTITION p HISTORY, PARTITION n CURRENT)"
    table = "CREATE TABLE app.x (id int PRIMARY KEY) DEFAULT CHARSET latin1 WITH SYSTEM VERSIONING "
    with d.connect(database="app") as c, c.cursor() as cur:
        cur.execute("LOCK TABLES t WRITE")
        s.run("INSERT INTO app.t VALUES (2, 2)", "CREATE TABLE app.v (id int PRIMARY KEY, a timestamp(6) GENERATED ALWAYS AS ROW START, b timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (a, b)) "
              "DEFAULT CHARSET latin1 WITH SYSTEM VERSIONING", table + partitions.format("2020-07-01 00:00:00"), "INSERT INTO app.seen VALUES (2)")
        end = s.query("SHOW MASTER STATUS")[0][:2]
        procs.wait_for(lambda: ask(j, "query-status", "run")["sources"][0]["sourceStatus"]["relayStatus"]["relayBinlog"] == f"({end[0]}, {end[1]})", 60, j.story, 0.3)
        s.stop()
        j.failpoints.arm("away_ddl", "error")
        cur.execute("UNLOCK TABLES")
    wait_stage(j, "Paused", 60507)
    assert "binlog replace" in j.subtask()["result"]["errors"][0]["Message"], j.story()
    assert [r[0] for r in d.query("SHOW TABLES FROM app LIKE '_'") if r[0] in "vx"] == ["v"]
    j.failpoints.arm("away_ddl", "error")
    ask(j, "binlog", "replace", "run", table + partitions.format("2020-06-30 22:00:00"))
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.seen WHERE n = 2")[0][0] == 1, 60, j.story, 0.3)
    with d.connect(database="app") as c, c.cursor() as cur:
        cur.execute("SET time_zone = '+00:00'")
        cur.execute("SHOW CREATE TABLE x")
        made = cur.fetchone()[1]
        assert "STARTS TIMESTAMP'2020-06-30 22:00:00'" in made, made
    assert j.interrupt() == INTERRUPTED, j.story()


@pytest.mark.parametrize("names", [("ma1011", "my97"), ("my97", "ma118")], ids="-".join)
def test_times_that_expressions_make(fleet, server, job, names):
    """A column that is made of a TIMESTAMP gives the rows that are there times of the statement's zone: where that had always one offset they are the upstream's,
    else the statement stops, as no offset says them all."""
    pair = conftest.Pair(*fleet(names[0], "berlin", env={"TZ": "Europe/Berlin"}), server(names[1], "down"))
    s, d = pair.source, pair.target
    j = begin(pair, job)
    s.run("CREATE TABLE x (id int PRIMARY KEY, ts timestamp NULL, d datetime NULL) DEFAULT CHARSET latin1", "INSERT INTO x VALUES (1, '2020-07-01 00:00:00', '2020-07-01'), (2, '2020-01-01 00:00:00', '2020-01-01')",
          "ALTER TABLE x ADD a datetime DEFAULT (d), ADD b int DEFAULT 5 AFTER ts, ADD KEY (ts)", "SET time_zone = '+05:00'", "ALTER TABLE x ADD c datetime DEFAULT (ts)", db="app")
    through(s, d, j, 1)
    # nobody's row gets a time of it: there is none, or it is made when it is read
    s.run("CREATE TABLE none (id int PRIMARY KEY, ts timestamp NULL) DEFAULT CHARSET latin1", "ALTER TABLE none ADD y varchar(40) DEFAULT (concat(ts, ''))", "INSERT INTO none VALUES (1, '2020-07-01', 'y')",
          "ALTER TABLE x ADD made date AS (cast(ts AS date)) VIRTUAL, ADD z int DEFAULT 5", "ALTER TABLE x DROP made", db="app")
    through(s, d, j, 11)
    add = "ALTER TABLE app.x ADD y varchar(40) DEFAULT (concat(ts, ''))"
    s.run(add)
    wait_stage(j, "Paused", 60507)
    ask(j, "binlog", "replace", "run", add)
    s.run("ALTER TABLE app.x DROP COLUMN y")
    through(s, d, j, 2)
    leave(pair, j)


def test_times_of_an_upstream_that_is_gone(fleet, server, job):
    """A backlog whose upstream is gone: a new table's defaults count as UTC, its engine as InnoDB, an ALTER that would fill rows with them stops and says what to do."""
    pair = conftest.Pair(*fleet("ma1011", "berlin", env={"TZ": "Europe/Berlin"}), server("my97", "down"))
    s, d = pair.source, pair.target
    j = begin(pair, job)
    s.run("CREATE TABLE app.full (id int PRIMARY KEY)", "INSERT INTO app.full VALUES (1)")
    through(s, d, j, 1)
    column = "timestamp NOT NULL DEFAULT '2020-07-01 00:00:00'"
    with d.connect(database="app") as c, c.cursor() as cur:
        cur.execute("LOCK TABLES t WRITE")
        s.run("INSERT INTO app.t VALUES (2, 2)", f"CREATE TABLE app.x (id int PRIMARY KEY, a {column}) DEFAULT CHARSET latin1", "INSERT INTO app.x (id) VALUES (1)", "CREATE TABLE app.k (id int PRIMARY KEY, FOREIGN KEY (id) REFERENCES full (id))",
              f"ALTER TABLE app.full ADD a {column}", "INSERT INTO app.seen VALUES (2)")
        end = s.query("SHOW MASTER STATUS")[0][:2]
        procs.wait_for(lambda: ask(j, "query-status", "run")["sources"][0]["sourceStatus"]["relayStatus"]["relayBinlog"] == f"({end[0]}, {end[1]})", 60, j.story, 0.3)
        s.stop()
        j.failpoints.arm("away_ddl", "error", 2)
        cur.execute("UNLOCK TABLES")
    wait_stage(j, "Paused", 60507)
    error = j.subtask()["result"]["errors"][0]
    assert "binlog replace" in error["Message"], j.story()
    assert d.query("SELECT UNIX_TIMESTAMP(a) FROM app.x") == ((1593554400,),)
    assert d.query("SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'app' AND TABLE_NAME = 'k'") == ((1,),)
    j.failpoints.arm("away_ddl", "error")
    ask(j, "binlog", "replace", "run", "ALTER TABLE app.full ADD a timestamp NOT NULL DEFAULT '2020-06-30 22:00:00'")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.seen WHERE n = 2")[0][0] == 1, 60, j.story, 0.3)
    assert d.query("SELECT UNIX_TIMESTAMP(a) FROM app.full") == ((1593554400,),)
    assert j.interrupt() == INTERRUPTED, j.story()


def test_numbers_of_rows(make_pair, job):
    """A column that numbers the rows that are there: only where both servers have them in one order."""
    pair = make_pair("ma1011", "my97")
    j = begin(pair, job)
    s, d = pair.source, pair.target
    add = "ADD n int NOT NULL AUTO_INCREMENT UNIQUE"
    s.run("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id varchar(9) PRIMARY KEY) DEFAULT CHARSET latin1", "CREATE TABLE m (id int PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE e (id int) ENGINE=MyISAM",
          "CREATE TABLE c (id varchar(9) COLLATE utf8mb4_uca1400_ai_cs PRIMARY KEY) DEFAULT CHARSET latin1", "INSERT INTO a VALUES (3), (1), (2)", "INSERT INTO b VALUES ('b'), ('Ä'), ('a')",
          "INSERT INTO m VALUES (3), (1), (2)", "INSERT INTO c VALUES ('b'), ('a')", *(f"ALTER TABLE {t} {add}" for t in "abe"), "ALTER TABLE a AUTO_INCREMENT = 10", "ALTER TABLE m AUTO_INCREMENT = 10", db="app")
    through(s, d, j, 1)
    for t in "mc":
        s.run(f"ALTER TABLE app.{t} {add}")
        wait_stage(j, "Paused", 60507)
        assert "order of its own" in j.subtask()["result"]["errors"][0]["Message"], j.story()
        d.run(f"ALTER TABLE app.{t} ADD n int", *(f"UPDATE app.{t} SET n = {n} WHERE id = '{i}'" for i, n in s.query(f"SELECT id, n FROM app.{t}")), f"ALTER TABLE app.{t} MODIFY n int NOT NULL AUTO_INCREMENT UNIQUE")
        ask(j, "binlog", "skip", "run")
        procs.wait_for(lambda: j.subtask()["stage"] == "Running", 60, j.story, 0.3)
    through(s, d, j, 2)
    leave(pair, j)


@pytest.mark.parametrize("names", [("ma1011", "my97"), ("my97", "ma1011")], ids="-".join)
def test_foreign_keys_that_the_engine_ignores(make_pair, job, names):
    """To MyISAM and its like a foreign key is an index: it must not become one that takes and refuses rows downstream, where the engine is InnoDB."""
    pair = make_pair(*names)
    j = begin(pair, job)
    s, d = pair.source, pair.target
    key = "FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE"
    s.run("CREATE TABLE p (id int PRIMARY KEY)", "INSERT INTO p VALUES (1), (2), (3)", f"CREATE TABLE a (id int PRIMARY KEY, p int, {key}) ENGINE=MyISAM", "CREATE TABLE b (id int PRIMARY KEY, p int, CONSTRAINT `co``n` FOREIGN KEY i (p) REFERENCES p (id)) ENGINE = MEMORY",
          "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p (id) ON DELETE CASCADE) ENGINE='MyISAM'", f"CREATE TABLE e (id int PRIMARY KEY, p int) ENGINE=MyISAM", f"ALTER TABLE e ADD {key}", "CREATE TABLE f (id int PRIMARY KEY) ENGINE=MyISAM",
          "ALTER TABLE f ADD p int REFERENCES p (id)", "ALTER TABLE f ADD (q int, CONSTRAINT x FOREIGN KEY (q) REFERENCES p (id)), ADD r int", f"CREATE TABLE h (id int PRIMARY KEY, p int, engine int, KEY k (p, engine), {key}, FOREIGN KEY (id) REFERENCES p (id), {key}) ENGINE=MyISAM",
          f"CREATE TABLE k (id int PRIMARY KEY, p int) ENGINE=InnoDB", f"ALTER TABLE k ADD engine int, ADD {key}", "CREATE TABLE l (id int PRIMARY KEY, p int) ENGINE=MyISAM", f"ALTER TABLE l ADD {key}, COMMENT 'x' ENGINE=InnoDB",
          "SET default_storage_engine=MyISAM", f"CREATE TABLE g (id int PRIMARY KEY, p int, {key})", "CREATE TABLE m LIKE g", "CREATE TABLE n LIKE k", f"ALTER TABLE n ADD {key}",
          *(f"INSERT INTO {t} (id, p) VALUES (1, 1), (2, 99)" for t in "abcefghm"), *(f"INSERT INTO {t} (id, p) VALUES (1, 1), (2, 3)" for t in "kln"), "DELETE FROM p WHERE id = 1", "UPDATE p SET id = 9 WHERE id = 2", db="app")
    through(s, d, j, 1)
    assert {r[0] for r in d.query("SELECT TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'app'")} == set("kln")
    leave(pair, j)


def test_schema_of_a_client_in_latin1(make_pair, job):
    """A client of another charset writes ASCII in a database whose name is none."""
    pair = make_pair("ma1011", "my97")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app", "CREATE DATABASE `dä`", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j = job(pair, tables="app.*,dä.*")
    j.start("--stay", until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    s.run("CREATE TABLE app.seen (n int PRIMARY KEY) DEFAULT CHARSET latin1", "USE `dä`", "SET NAMES latin1", "CREATE TABLE t (id int PRIMARY KEY) DEFAULT CHARSET latin1", "INSERT INTO t VALUES (1)",
          "CREATE OR REPLACE TABLE t (id int PRIMARY KEY, v int) DEFAULT CHARSET latin1", "INSERT INTO t VALUES (1, 2)", "SET sql_mode = 'NO_BACKSLASH_ESCAPES'", "CREATE OR REPLACE INDEX i ON t (v)", "CREATE OR REPLACE INDEX i ON t (v)")
    through(s, d, j, 1)
    assert j.interrupt() == INTERRUPTED, j.story()
    pair.assert_equal("dä", j.story)


def test_client_in_gb18030(make_pair, job):
    """A client in a charset that the downstream does not know names a table in it."""
    pair = make_pair("my97", "ma1011")
    j = begin(pair, job)
    s, d = pair.source, pair.target
    c = pymysql.connect(**conftest.Pair.where(s), charset="gb18030", database="app", autocommit=True)
    for sql in ("CREATE TABLE `表` (id int PRIMARY KEY, `列` varchar(9) DEFAULT '值') DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin", "INSERT INTO `表` (id) VALUES (1)", "CREATE TABLE u (id int PRIMARY KEY) DEFAULT CHARSET latin1"):
        c.cursor().execute(sql)
    c.close()
    through(s, d, j, 1)
    assert d.query("SELECT `列` FROM app.`表`") == (("值",),)
    assert j.interrupt() == INTERRUPTED, j.story()
    pair.assert_equal("app", j.story)


def test_values_behind_a_skipped_statement(make_pair, job):
    """A skipped change of a charset or of members is known all the same; what was injected is not the upstream's."""
    pair = make_pair("ma1011", "my97")
    j = begin(pair, job)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE app.w (id int PRIMARY KEY, x varchar(9), e enum('a','b'), k varchar(9) CHARACTER SET latin1) DEFAULT CHARSET latin1", "INSERT INTO app.w VALUES (1, 'ä', 'a', 'ä')")
    through(s, d, j, 1)
    (file, at), = [r[:2] for r in s.query("SHOW MASTER STATUS")]
    ask(j, "binlog", "skip", "run", "-b", f"{file}:{at}")
    s.run("ALTER TABLE app.w MODIFY x varchar(9) CHARACTER SET utf8mb4, MODIFY e enum('b','a')", "INSERT INTO app.w VALUES (2, 'ö', 'b', 'ö')")
    procs.wait_for(lambda: j.subtask()["stage"] == "Paused" or d.query("SELECT COUNT(*) FROM app.w WHERE id = 2")[0][0] > 0, 60, j.story, 0.3)
    assert "other members" in j.subtask()["result"]["errors"][0]["Message"], j.story()
    d.run("ALTER TABLE app.w MODIFY e enum('b','a')")
    ask(j, "resume-task", "run")
    through(s, d, j, 2)
    assert d.query("SELECT x, e, k FROM app.w WHERE id = 2") == (("ö", "b", "ö"),)
    (file, at), = [r[:2] for r in s.query("SHOW MASTER STATUS")]
    ask(j, "binlog", "inject", "run", "-b", f"{file}:{at}", "ALTER TABLE app.w MODIFY k varchar(9) CHARACTER SET utf8mb4")
    s.run("ALTER TABLE app.w COMMENT 'c'", "INSERT INTO app.w VALUES (3, 'ü', 'a', 'ü')")
    through(s, d, j, 3)
    assert d.query("SELECT x, e, k FROM app.w WHERE id = 3") == (("ü", "a", "ü"),)
    assert j.interrupt() == INTERRUPTED, j.story()


def test_if_exists_of_something_else(make_pair, job):
    """IF [NOT] EXISTS of several columns, and of the table, excuses no column that is there already; of one column it does."""
    pair = make_pair("ma1011", "my97")
    j = begin(pair, job)
    s, d = pair.source, pair.target
    d.run("ALTER TABLE app.t ADD a int")
    s.run("ALTER TABLE app.t ADD COLUMN IF NOT EXISTS a int")
    through(s, d, j, 1)
    s.run("ALTER TABLE app.t DROP COLUMN a")
    through(s, d, j, 2)
    d.run("ALTER TABLE app.t ADD a int")
    s.run("ALTER TABLE app.t ADD COLUMN IF NOT EXISTS (a int, b int)")
    wait_stage(j, "Paused", 10006)
    ask(j, "binlog", "replace", "run", "ALTER TABLE app.t ADD b int")
    through(s, d, j, 3)
    d.run("ALTER TABLE app.t ADD c int")
    s.run("ALTER TABLE IF EXISTS app.t ADD COLUMN c int")
    wait_stage(j, "Paused", 10006)
    ask(j, "binlog", "skip", "run")
    s.run("INSERT INTO app.t VALUES (2, 2, 2, 2, 2)")
    through(s, d, j, 4)
    leave(pair, j)


@pytest.mark.parametrize("names", [("ma1011", "my97"), ("my97", "ma118"), ("ma1011", "ma118")], ids="-".join)
def test_literals_of_defaults(make_pair, job, names):
    """x'31' is the number 49 to MySQL and 1 to MariaDB, text has its charset's word before it: what a default gives stays the same, in rows that were there and in those of after a cutover."""
    pair = make_pair(*names)
    j = begin(pair, job)
    s, d = pair.source, pair.target
    text, date = ("text DEFAULT _latin1 x'41'", "datetime DEFAULT TIMESTAMP'2020-07-01 10:00:00'") if names[0].startswith("ma") else ("text DEFAULT (_latin1 x'41')", "datetime DEFAULT '2020-07-01 10:00:00'")
    s.run("CREATE TABLE x (id int PRIMARY KEY, a int unsigned DEFAULT x'31', b decimal(9,2) DEFAULT X'3132', c varchar(20) DEFAULT x'3132', d double DEFAULT 0x31, e bit(16) DEFAULT x'3132', "
          "f varchar(20) CHARACTER SET utf8mb4 DEFAULT _latin1 x'41', g varchar(20) DEFAULT _utf8mb4'a' 'b', h varbinary(9) DEFAULT x'00ff', i year DEFAULT x'31', k varchar(9) DEFAULT N'n') DEFAULT CHARSET latin1",
          "INSERT INTO x (id) VALUES (1)", f"ALTER TABLE x ADD l bigint NOT NULL DEFAULT x'35', ADD m {text}, ADD n {date}, ADD o int DEFAULT b'110001'", "ALTER TABLE x MODIFY a bigint DEFAULT x'32'",
          "CREATE TABLE z (id int PRIMARY KEY, a int, b decimal(9,2), c varchar(9), d varbinary(9), e bit(16), f double, g enum('1', '2'), h char(9) CHARACTER SET utf8mb4, i year, k binary(3), l datetime, m set('1', '2')) DEFAULT CHARSET latin1",
          "ALTER TABLE z ALTER a SET DEFAULT x'31', ALTER b SET DEFAULT X'3132', ALTER c SET DEFAULT x'3132', ALTER d SET DEFAULT x'00ff', ALTER e SET DEFAULT x'3132', ALTER f SET DEFAULT x'35'",
          "ALTER TABLE z ALTER g SET DEFAULT x'32', ALTER h SET DEFAULT x'3132', ALTER i SET DEFAULT x'31', ALTER k SET DEFAULT x'414243', ALTER l SET DEFAULT x'323032302d30372d3031', ALTER m SET DEFAULT x'32'",
          "INSERT INTO z (id) VALUES (1)", *([f"ALTER TABLE x ADD {n} {t} DEFAULT {v}" for n, t, v in (("p", "text", "DATE'2020-01-01'"), ("q", "blob", "TIME'10:00:00'"), ("r", "longtext", "TIMESTAMP'2020-07-01 10:00:00'"))] if names[0].startswith("ma") else ()), db="app")
    through(s, d, j, 1)
    assert j.interrupt() == INTERRUPTED, j.story()
    for x in (s, d):
        x.run("INSERT INTO app.x (id) VALUES (9)", "INSERT INTO app.z (id) VALUES (9)")
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("names", [("my97", "ma1011"), ("ma118", "my97")], ids="-".join)
def test_types_that_are_gone_again(make_pair, job, names):
    """A backlog in which a column of a type that the downstream lacks is made, filled, and dropped or changed, or its table is: the statement itself says how its rows are to be read, not the upstream of now."""
    pair = make_pair(*names)
    j = begin(pair, job)
    s, d = pair.source, pair.target
    through(s, d, j, 1)
    assert j.interrupt() == INTERRUPTED, j.story()
    types, values = (("json", "vector(2)"), ("'{\"a\": [1, 2.5]}'", "x'0000803f00000040'")) if names[0] == "my97" else (("uuid", "inet6", "json"), ("'123e4567-e89b-12d3-a456-426655440000'", "'2001:db8::1'", "'[1]'"))
    columns = ", ".join(f"c{i} {t}" for i, t in enumerate(types))
    given = ", ".join(values)
    s.run(f"CREATE TABLE x (id int PRIMARY KEY, {columns}) DEFAULT CHARSET latin1", f"INSERT INTO x VALUES (1, {given})", f"UPDATE x SET c0 = NULL, c1 = {values[1]}", f"INSERT INTO x VALUES (2, {given})",
          "ALTER TABLE x ADD y int, DROP c1", "INSERT INTO x (id) VALUES (3)", f"ALTER TABLE x ADD z {types[0]} FIRST, ADD (z2 {types[1]}, w int)", f"UPDATE x SET z = {values[0]}, z2 = {values[1]}", "ALTER TABLE x MODIFY z varchar(99)", "INSERT INTO x (id, z) VALUES (4, 'no')",
          f"CREATE TABLE many (id int PRIMARY KEY)", f"ALTER TABLE many ADD a {types[0]}, ADD b {types[1]}, ADD n int, ADD KEY (n)", f"INSERT INTO many VALUES (1, {values[0]}, {values[1]}, 1)", f"ALTER TABLE many ADD c varchar(99), ADD e {types[0]}, RENAME TO more",
          f"INSERT INTO more VALUES (2, {values[0]}, {values[1]}, 2, 'c', {values[0]})", f"ALTER TABLE more DROP a, DROP b, DROP e",
          "ALTER TABLE x DROP z2, RENAME COLUMN c0 TO old", "INSERT INTO x (id) VALUES (5)",
          f"CREATE TABLE gone (id int PRIMARY KEY, {columns}) DEFAULT CHARSET latin1", f"INSERT INTO gone VALUES (1, {given})", "DROP TABLE gone",
          f"CREATE TABLE moved (id int PRIMARY KEY, {columns}) DEFAULT CHARSET latin1", f"INSERT INTO moved VALUES (1, {given})", "RENAME TABLE moved TO there", f"INSERT INTO there VALUES (2, {given})",
          f"CREATE TABLE back (id int PRIMARY KEY, c varchar(99)) DEFAULT CHARSET latin1", f"INSERT INTO back VALUES (1, {values[0]})", f"ALTER TABLE back MODIFY c {types[0]}", f"INSERT INTO back VALUES (2, {values[0]})", db="app")
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("names", [("ma118", "my97"), pytest.param(("ma118", "ma102"), marks=pytest.mark.long)], ids="-".join)
def test_types_that_have_one_form(make_pair, job, names):
    """UUID, INET4 and INET6 for a downstream that keeps them as text: rows that an ALTER fills hold the form that MariaDB writes, whatever was typed, and later changes find them."""
    pair = make_pair(*names)
    j = begin(pair, job)
    s, d = pair.source, pair.target
    typed = ["6CCD780C-BABA-1026-9564-5B8C656024DB", "6ccd780cbaba102695645b8c656024db", "0:0:0:0:0:0:0:1", "::FFFF:1.2.3.4", "1:0:2:0:0:0:0:3", "001.02.3.4"]
    columns = [f"{c} {t} {null} DEFAULT {cs}'{v}'" for c, t, null, cs, v in zip("abcdef", ["uuid"] * 2 + ["inet6"] * 3 + ["inet4"], ["", "NOT NULL"] * 3, ["", "_latin1"] * 3, typed)]
    s.run("CREATE TABLE x (id int PRIMARY KEY) DEFAULT CHARSET latin1", "INSERT INTO x VALUES (1), (2)", "ALTER TABLE x " + ", ".join(f"ADD COLUMN {c}" for c in columns), "ALTER TABLE x ADD (g uuid NOT NULL, h inet4 NOT NULL COMMENT 'x'), ADD i inet6 NOT NULL AFTER id",
          "ALTER TABLE x ADD k uuid DEFAULT NULL, ADD l inet6, DROP PRIMARY KEY, ADD PRIMARY KEY (id, g, i, c, a)", "UPDATE x SET g = '6CCD780CBABA102695645B8C656024DB' WHERE id = 1", "DELETE FROM x WHERE id = 2", "INSERT IGNORE INTO x (id) VALUES (3)",
          f"CREATE TABLE y (id int PRIMARY KEY, {', '.join(columns)}) DEFAULT CHARSET latin1", "INSERT INTO y (id) VALUES (1)", "CREATE TABLE one (id int) DEFAULT CHARSET latin1", "INSERT INTO one VALUES (1)", "ALTER TABLE one ADD u uuid PRIMARY KEY", "UPDATE one SET id = 2", db="app")
    # what is there already in the server's form, or is nothing, may get the type; what is not stops
    s.run("CREATE TABLE z (id int PRIMARY KEY, u varchar(60), i varchar(60), b binary(16)) DEFAULT CHARSET latin1", "ALTER TABLE z MODIFY b uuid", "INSERT INTO z VALUES (1, '6ccd780c-baba-1026-9564-5b8c656024db', '::1', NULL), (2, NULL, NULL, NULL)",
          db="app")
    through(s, d, j, 1)
    j.failpoints.arm("sync_ddl_sent", "kill")
    s.run("ALTER TABLE z MODIFY u uuid, CHANGE i k inet6 DEFAULT '0:0::1', ADD KEY (u)", "ALTER TABLE z MODIFY u uuid DEFAULT 'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF'", "INSERT INTO z (id) VALUES (3)", db="app")
    through(s, d, j, 9)
    j.wait_log("DDL: ALTER TABLE z MODIFY u char(36) CHARACTER SET ascii, CHANGE")
    assert j.log().count("DDL: ALTER TABLE z MODIFY u char(36) CHARACTER SET ascii, CHANGE") == 1 and j.failpoints.fired("sync_ddl_sent") == 1, j.story()
    assert [r[:7] for r in d.query("SELECT a, b, c, d, e, f, g FROM app.x WHERE id = 3")] == [("6ccd780c-baba-1026-9564-5b8c656024db",) * 2 + ("::1", "::ffff:1.2.3.4", "1:0:2::3", "1.2.3.4", "00000000-0000-0000-0000-000000000000")]
    for n, (value, alter) in enumerate([("v varchar(60)", "v uuid"), ("v varchar(60)", "v inet6"), ("v uuid", "v binary(16)"), ("v inet4", "v inet6")]):
        given = {"v uuid": "6CCD780CBABA102695645B8C656024DB", "v inet6": "0:0::1", "v binary(16)": "6ccd780cbaba102695645b8c656024db"}[alter] if "inet4" not in value else "1.2.3.4"
        s.run(f"CREATE TABLE s{n} (id int PRIMARY KEY, {value}) DEFAULT CHARSET latin1", f"INSERT INTO s{n} VALUES (1, '{given}')", f"ALTER TABLE s{n} MODIFY {alter}", db="app")
        wait_stage(j, "Paused", 60507)
        assert "other values of `v`" in j.subtask()["result"]["errors"][0]["Message"], j.story()
        ask(j, "binlog", "replace", "run", f"TRUNCATE app.s{n}")
        s.run(f"DROP TABLE app.s{n}")
        through(s, d, j, 2 + n)
    leave(pair, j)


@pytest.mark.parametrize("names", [("ma1011", "my97"), ("my97", "ma118")], ids="-".join)
def test_columns_that_change_names(make_pair, job, names):
    """A backlog in which columns of one type change their names with each other, or are dropped and made anew, and whose table has another name by now."""
    pair = make_pair(*names)
    j = begin(pair, job)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE x (id int PRIMARY KEY, a int, b int, c varchar(9), d varchar(9)) DEFAULT CHARSET latin1", "INSERT INTO x VALUES (1, 1, 2, 'c', 'd')", db="app")
    through(s, d, j, 1)
    assert j.interrupt() == INTERRUPTED, j.story()
    s.run("ALTER TABLE x RENAME COLUMN a TO b, RENAME COLUMN b TO a", "INSERT INTO x VALUES (2, 3, 4, 'e', 'f')", "ALTER TABLE x CHANGE c d varchar(9), CHANGE d c varchar(9)", "INSERT INTO x VALUES (3, 5, 6, 'g', 'h')",
          "ALTER TABLE x DROP a, ADD a datetime", "INSERT INTO x VALUES (4, 7, 'i', 'j', '2020-01-01')", "ALTER TABLE x MODIFY id int AFTER c, ADD e int AFTER a", "UPDATE x SET e = id", "ALTER TABLE x CHANGE c d varchar(9), CHANGE d c varchar(9) FIRST", "INSERT INTO x (c, d, id) VALUES ('k', 'l', 5)", "ALTER TABLE x RENAME COLUMN c TO d, RENAME COLUMN d TO c, ADD f varchar(9) AFTER d", "UPDATE x SET f = c", "RENAME TABLE x TO y", db="app")
    j.run()
    pair.assert_equal("app", j.story)
