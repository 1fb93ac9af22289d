"""The stand-in for TiDB itself: it shows what TiDB shows, refuses what TiDB refuses, and passes everything else on unchanged."""
import re
import threading

import pymysql
import pytest

import procs
import tidb as tidb_module

pytestmark = pytest.mark.skipif(bool(tidb_module.REAL), reason="about the stand-in, not about TiDB")


@pytest.fixture
def c(tidb):
    with tidb.through() as conn, conn.cursor() as cur:
        def ask(sql, *params):
            cur.execute(sql, params or None)
            return cur.fetchall()
        ask.conn, ask.tidb = conn, tidb
        ask("CREATE DATABASE app")
        ask("USE app")
        yield ask


def refused(c, sql):
    with pytest.raises(pymysql.MySQLError) as e:
        c(sql)
    return e.value.args


def test_who_it_is(c):
    assert c.conn.get_server_info() == "8.0.11-TiDB-v8.5.0"
    row = c("SELECT VERSION(), @@version_comment, CONNECTION_ID(), tidb_version()")[0]
    assert row[0] == "8.0.11-TiDB-v8.5.0" and row[1].startswith("TiDB Server") and row[2] == c.conn.thread_id() and "Release Version: v8.5.0" in row[3]
    c("SET SESSION autocommit=1, SESSION tidb_txn_mode='optimistic', SESSION sql_mode='ANSI_QUOTES,STRICT_ALL_TABLES'")
    assert c("SELECT @@tidb_txn_mode, @@sql_mode") == (("optimistic", "ANSI_QUOTES,STRICT_ALL_TABLES"),)
    assert refused(c, "SET SESSION tidb_no_such_thing=1")[0] in (1054, 1193)


def test_another_version_is_shown(tidb):
    tidb.face.shown = "8.0.11-custom"
    with tidb.through() as conn, conn.cursor() as cur:
        assert conn.get_server_info() == "8.0.11-custom"
        cur.execute("SELECT VERSION(), @@version, tidb_version()")
        row = cur.fetchone()
    assert row[:2] == ("8.0.11-custom",) * 2 and "Release Version: v8.5.0\n" in row[2]


def test_login(tidb):
    for user, password in ((tidb_module.servers.USER, "wrong"), ("root", ""), ("nobody", tidb_module.servers.PASSWORD)):
        with pytest.raises(pymysql.OperationalError) as e:
            pymysql.connect(host="127.0.0.1", port=tidb.face.port, user=user, password=password)
        assert e.value.args[0] == 1045


def test_passes_on(c):
    """Rows, bytes, several statements in a packet, large values, errors: as they are."""
    c("CREATE TABLE t (id int PRIMARY KEY, b longblob, s text)")
    blob = bytes(range(256)) * 20000
    with c.conn.cursor() as cur:
        cur.execute("INSERT INTO t VALUES (1, %s, 'a;b''c\\\\'), (2, NULL, '-- ; /* ; */')", (blob,))
        assert cur.rowcount == 2
    assert c("SELECT b, s FROM t WHERE id = 1") == ((blob, "a;b'c\\"),)
    assert c("SELECT s FROM t WHERE id = 2") == (("-- ; /* ; */",),)
    assert refused(c, "INSERT INTO t VALUES (1, '', '')")[0] == 1062
    assert refused(c, "SELEC 1")[0] == 1064
    with pymysql.connect(host="127.0.0.1", port=c.tidb.face.port, user=tidb_module.servers.USER, password=tidb_module.servers.PASSWORD, database="app", autocommit=True,
                         client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as conn, conn.cursor() as cur:
        cur.execute("BEGIN; UPDATE t SET s = 'x;y' WHERE id = 2; SELECT s FROM t WHERE id = 2; COMMIT")
        counts = [cur.rowcount]
        while cur.nextset():
            counts.append(cur.rowcount)
            if cur.rowcount == 1 and cur.description:
                assert cur.fetchall() == (("x;y",),)
        assert counts == [0, 1, 1, 0]
        with pytest.raises(pymysql.MySQLError):  # ends at the first that fails
            cur.execute("SELECT 1; INSERT INTO t VALUES (1, '', ''); DELETE FROM t")
            while cur.nextset():
                pass
    assert c("SELECT COUNT(*) FROM t") == ((2,),)


def test_large(c):
    """A packet of more than 16 MiB, in both directions."""
    c.tidb.run("SET GLOBAL max_allowed_packet = 67108864")
    with c.tidb.through(database="app", max_allowed_packet=1 << 26) as conn, conn.cursor() as cur:
        cur.execute("CREATE TABLE big (id int PRIMARY KEY, b longblob)")
        many = ",".join(f"({i},'{'x' * 900000}')" for i in range(20))
        cur.execute("INSERT INTO big VALUES " + many)
        cur.execute("SELECT REPEAT('y', 17000000)")
        assert len(cur.fetchone()[0]) == 17000000
        cur.execute("SELECT SUM(LENGTH(b)) FROM big")
        assert cur.fetchone()[0] == 18000000


def test_refuses(c):
    c("CREATE TABLE t (id int PRIMARY KEY, a int, s varchar(20) COLLATE utf8mb4_0900_ai_ci) DEFAULT CHARSET=utf8mb4")
    assert c("SELECT TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app'") == (("utf8mb4_bin",),)
    for sql, number in (("CREATE TABLE u AS SELECT 1", 1105), ("CREATE TABLE u (a int, g geometry NOT NULL)", 1064), ("CREATE TABLE u (a varchar(9) COLLATE utf8mb4_0900_as_cs)", 1273),
                        ("CREATE TABLE u (a varchar(9)) CHARSET=koi8r", 1115), ("ALTER TABLE t ADD COLUMN k int NOT NULL AUTO_INCREMENT", 8200), ("ALTER TABLE t ADD u int UNIQUE", 8200),
                        ("ALTER TABLE t DROP PRIMARY KEY", 8200), ("CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1", 1064), ("XA START 'x'", 1064), ("SET character_set_client=45, character_set_connection=45", 1115), ("SET SESSION collation_server=8", 1273)):
        assert refused(c, sql)[0] == number, sql
    c("ALTER TABLE t ADD COLUMN p int COMMENT 'geometry, COLLATE koi8r_bin, AUTO_INCREMENT', ADD KEY (p)")
    c("ALTER TABLE t ADD UNIQUE KEY (a)")
    assert refused(c, "INSERT INTO t VALUES (1, 1, '" + "x" * 7000000 + "', 1)")[0] == 8025
    ask = "SHOW CONFIG WHERE type='tidb' AND name='performance.txn-entry-size-limit'"
    assert [r[2:] for r in c(ask)] == [("performance.txn-entry-size-limit", "6291456")]
    c.tidb.face.shows_config = False
    assert refused(c, ask)[0] == 1227


def test_introducers(c):
    """TiDB converts none: text goes to it in UTF-8. Inside strings they are text."""
    c("CREATE TABLE t (id int PRIMARY KEY, s varchar(60), `_gbk'x'` int)")
    for sql, number in (("INSERT INTO t (id, s) VALUES (1, _latin1'x')", 1366), ("INSERT INTO t (id, s) VALUES (1, _gbk 'x')", 1115), ("INSERT INTO t (id, s) VALUES (1, _koi8r X'c1')", 1064),
                        ("UPDATE t SET s = CONCAT('it''s', _sjis\"x\")", 1064), ("INSERT INTO t (id, s) VALUES (1, _big5 0xa140)", 1064)):
        assert refused(c, sql)[0] == number, sql
    c("INSERT INTO t (id, s, `_gbk'x'`) VALUES (1, 'it''s _gbk \\'x\\' and _latin1', 1), (2, _utf8mb4'a_gbk', 2), (3, _binary'x', 3)")
    assert c("SELECT s FROM t WHERE id = 1") == (("it's _gbk 'x' and _latin1",),)


def test_jobs(c):
    c("/*mine*/ CREATE TABLE t (id int)")
    refused(c, "ALTER TABLE t ADD id int")
    assert c("SELECT STATE FROM information_schema.DDL_JOBS WHERE QUERY LIKE '%*mine*%' ORDER BY JOB_ID DESC LIMIT 1") == (("synced",),)
    assert [(r[3], r[11]) for r in c("ADMIN SHOW DDL JOBS 2")] == [("alter table", "rollback done"), ("create table", "synced")]
    assert c("ADMIN SHOW DDL JOB QUERIES LIMIT 1 OFFSET 1")[0][1] == "/*mine*/ CREATE TABLE t (id int)"


def test_job_goes_on_without_its_connection(c):
    c("CREATE TABLE t (id int)")
    face, last = c.tidb.face, "SELECT STATE FROM information_schema.DDL_JOBS ORDER BY JOB_ID DESC LIMIT 1"
    face.outlive, face.outlive_seconds = re.compile("add late"), 60
    with c.tidb.through(database="app") as conn:
        number = conn.thread_id()

        def alter():
            with pytest.raises(pymysql.MySQLError), conn.cursor() as cur:
                cur.execute("ALTER TABLE t add late int")
        t = threading.Thread(target=alter)
        t.start()
        procs.wait_for(lambda: c(last) == (("running",),), 60, "the job does not begin")
        c(f"KILL TIDB {number}")
        t.join(60)
        assert not t.is_alive() and c(last) == (("running",),)
        face.go_on.set()
    procs.wait_for(lambda: c(last) == (("synced",),), 60, "the job does not end")
    assert len(c("SHOW COLUMNS FROM t")) == 2


def test_errors_by_order(c):
    c("CREATE TABLE t (id int PRIMARY KEY)")
    face = c.tidb.face
    face.fail("^INSERT", 9007, "Write conflict", after=1)
    c("INSERT INTO t VALUES (1)")
    assert refused(c, "INSERT INTO t VALUES (2)") == (9007, "Write conflict")
    c("INSERT INTO t VALUES (3)")
    face.fail("^COMMIT", 8028)
    c("BEGIN"), c("INSERT INTO t VALUES (4)")
    assert refused(c, "COMMIT")[0] == 8028
    face.fail("^COMMIT", 8501, when="after")
    c("BEGIN"), c("INSERT INTO t VALUES (5)")
    assert refused(c, "COMMIT")[0] == 8501
    assert c("SELECT id FROM t ORDER BY id") == ((1,), (3,), (5,))
    face.fail("^COMMIT", when="after", lose=True)
    c("BEGIN"), c("INSERT INTO t VALUES (6)")
    assert refused(c, "COMMIT")[0] in (2006, 2013)
    assert c.tidb.query("SELECT COUNT(*) FROM app.t WHERE id = 6") == ((1,),)
    assert len(face.fired) == 4
