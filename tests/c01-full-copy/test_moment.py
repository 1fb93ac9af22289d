"""The one moment of a copy: what holds it, for how long, and who is named when it can't be had."""
import re
import threading
import time

import failover
import procs
import pymysql
import pytest
from conftest import Pair
from copying import numbers
from routed import Files
from tidegate import FAILED

SNAPSHOT = re.compile(r"snapshot at (\S+):(\d+) gtid=(\S*), (.*?)(?:\"|$)", re.M)


def told(j):
    found = SNAPSHOT.findall(j.log())
    assert found, j.story()
    return found[-1]


def make(source):
    source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t VALUES (1,1),(2,2)")


@pytest.mark.parametrize("name", ["ma1011", pytest.param("ma105", marks=pytest.mark.long), pytest.param("ma114", marks=pytest.mark.long),
                                  pytest.param("ma118", marks=pytest.mark.long)])
def test_without_a_lock(name, make_pair, job):
    """MariaDB tells the position of each snapshot: nobody has to wait for anybody. Position and GTID are those of that moment."""
    pair = make_pair(name, "my97")
    make(pair.source)
    j = job(pair)
    j.run(until="full")
    file, offset, gtid, how = told(j)
    assert how.startswith("without a lock"), how
    assert (file, int(offset)) == pair.source.query("SHOW MASTER STATUS")[0][:2]
    assert gtid == pair.source.query("SELECT @@gtid_binlog_pos")[0][0]
    pair.assert_equal("app", j.story)


def test_with_a_lock_where_there_is_no_snapshot(make_pair, job):
    """A MyISAM table has none: then a lock it is, and how long it was held is told."""
    pair = make_pair("ma1011", "my97")
    make(pair.source)
    pair.source.run("CREATE TABLE app.m (id int) ENGINE=MyISAM", "INSERT INTO app.m VALUES (1)")
    j = job(pair)
    j.run(until="full")
    assert re.fullmatch(r"the lock was held for \d+ ms", told(j)[3]), told(j)
    pair.assert_equal("app", j.story)


def test_prepared_xa_wants_a_lock(make_pair, job):
    """Without a lock a transaction prepared before the snapshot and committed behind it would be lost: a server that has seen one gets a lock."""
    pair = make_pair("ma1011", "my97")
    make(pair.source)
    with pair.source.connect() as c, c.cursor() as cur:
        for s in ("XA START 'x'", "INSERT INTO app.t VALUES (3,3)", "XA END 'x'", "XA PREPARE 'x'"):
            cur.execute(s)
        j = job(pair)
        j.start()
        j.wait_log("prepared XA transactions are pending")
        assert not j.ended(), j.story()
        cur.execute("XA COMMIT 'x'")
    assert j.wait() == 0
    assert "the lock was held for" in told(j)[3], j.story()
    assert pair.assert_equal("app", j.story).rows == 3


@pytest.mark.parametrize("privilege", [True, False])
def test_ddl_is_held_off(privilege, make_pair, job):
    """MySQL: from the list of tables to the plan nobody changes a structure, where the account may have that."""
    pair = make_pair("my97", "my97")
    make(pair.source)
    url = pair.source.url()
    if not privilege:
        pair.source.run("DROP USER IF EXISTS tgtestd@'%'", "CREATE USER tgtestd@'%' IDENTIFIED BY 'Grants-1'",
                        "GRANT SELECT, RELOAD, REPLICATION CLIENT, REPLICATION SLAVE, LOCK TABLES, SHOW VIEW ON *.* TO tgtestd@'%'", "GRANT XA_RECOVER_ADMIN ON *.* TO tgtestd@'%'")
        url = pair.source.url("tgtestd", "Grants-1")
    j = job(pair, source_url=url)
    j.failpoints.arm("dump_snapshot", "sleep", 1, 300000)
    j.start(until="full")
    procs.wait_for(lambda: j.failpoints.fired("dump_snapshot"), 90, j.story, 0.05)
    with pair.source.connect() as c, c.cursor() as cur:
        cur.execute("SET lock_wait_timeout=1")
        if privilege:
            with pytest.raises(pymysql.MySQLError, match="1205"):
                cur.execute("CREATE TABLE app.late (id int PRIMARY KEY)")
        else:
            cur.execute("CREATE TABLE app.late (id int PRIMARY KEY)")
            cur.execute("DROP TABLE app.late")
    j.failpoints.disarm("dump_snapshot")
    assert j.wait() == 0, j.story()
    assert ("DDL was held off for" if privilege else "DDL of others is not held off") in j.log(), j.story()
    pair.assert_equal("app", j.story)


WITHOUT_BACKUP_ADMIN = ("DROP USER IF EXISTS tgtestl@'%'", "CREATE USER tgtestl@'%' IDENTIFIED BY 'Grants-1'",
                        "GRANT SELECT, RELOAD, REPLICATION CLIENT, REPLICATION SLAVE, LOCK TABLES, SHOW VIEW ON *.* TO tgtestl@'%'", "GRANT XA_RECOVER_ADMIN ON *.* TO tgtestl@'%'")


@pytest.mark.parametrize("up, privilege", [("my97", True), ("my97", False), ("ma1011", False)])
def test_made_while_listing(up, privilege, make_pair, job):
    """What is made, changed and dropped between the list and the snapshot is copied as it is then: its statements are before the position. Nobody waits, nothing starts again."""
    pair = make_pair(up, "ma118" if up == "my97" else "my97")
    s = pair.source
    make(s)
    s.run("CREATE TABLE app.gone (id int PRIMARY KEY)", "CREATE VIEW app.v AS SELECT id FROM app.t", "CREATE VIEW app.old AS SELECT id FROM app.t",
          "CREATE TABLE app.asked (id int PRIMARY KEY)", "CREATE VIEW app.broken AS SELECT id FROM app.asked", "DROP TABLE app.asked")
    url = s.url()
    if up == "my97" and not privilege:
        s.run(*WITHOUT_BACKUP_ADMIN)
        url = s.url("tgtestl", "Grants-1")
    j = job(pair, source_url=url)
    j.failpoints.arm("dump_listed", "sleep", 1, 300000)
    j.start(until="full")
    procs.wait_for(lambda: j.failpoints.fired("dump_listed"), 90, j.story, 0.05)
    s.run("CREATE TABLE app.early (id int PRIMARY KEY)", "INSERT INTO app.early VALUES (1), (2)", "ALTER TABLE app.t ADD COLUMN c int", "UPDATE app.t SET c = id",
          "DROP TABLE app.gone", "CREATE OR REPLACE VIEW app.v AS SELECT id, c FROM app.t", "DROP VIEW app.old", "CREATE VIEW app.late AS SELECT c FROM app.t", "CREATE DATABASE another")
    j.failpoints.disarm("dump_listed")
    assert j.wait() == 0, j.story()
    assert "code=60301" not in j.log() and "`app`.`t`; they are opened again" in j.log(), j.story()
    s.run("DROP VIEW app.broken")  # it could not be made
    pair.assert_equal("app", j.story)
    t = pair.target
    assert t.query("SELECT COUNT(*) FROM app.early, app.t WHERE c = t.id") == ((4,),)
    assert t.query("SELECT id, c FROM app.v ORDER BY id") == ((1, 1), (2, 2)) and t.query("SELECT c FROM app.late ORDER BY c") == ((1,), (2,))
    assert {r[0] for r in t.query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='app'")} == {"t", "early", "v", "late"}, j.story()
    assert t.query("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='another'") == ((1,),)


class WorkTables:
    """Tables and a view that somebody makes, fills and drops all the while; each lives for a few statements."""

    def __init__(self, source):
        self.source, self.over, self.failed, self.made = source, threading.Event(), [], 0
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self):
        try:
            with self.source.connect(autocommit=True) as c, c.cursor() as cur:
                while not self.over.is_set():
                    n = self.made = self.made + 1
                    for s in (f"CREATE TABLE app.w{n} (id int PRIMARY KEY, v{n % 3} int)", f"INSERT INTO app.w{n} VALUES ({n}, 1), (2000000, 2)",
                              f"CREATE OR REPLACE VIEW app.v AS SELECT id + {n} AS id FROM app.t", f"DROP TABLE IF EXISTS app.w{max(0, n - 3)}", *(["DROP VIEW app.v"] if n % 2 else [])):
                        self.until_done(cur, s)
        except pymysql.MySQLError as e:
            self.failed.append(repr(e))

    @staticmethod
    def until_done(cur, statement):
        """MariaDB ends a DDL statement that meets a LOCK TABLES half way (1213)."""
        while True:
            try:
                return cur.execute(statement)
            except pymysql.err.OperationalError as e:
                if e.args[0] != 1213:
                    raise

    def end(self):
        self.over.set()
        self.thread.join(60)
        assert not self.failed, self.failed
        assert not self.thread.is_alive()


@pytest.mark.parametrize("up, privilege, consistency", [("my97", True, "auto"), ("my97", False, "auto"), ("ma1011", False, "auto"), ("ma1011", False, "flush"),
                                                        ("my97", True, "lock"), ("my97", False, "lock"), ("ma1011", False, "lock")])
def test_made_and_dropped_all_the_while(up, privilege, consistency, make_pair, job):
    """Work tables come and go while the copy lists: it begins nevertheless, at once, and has what there was at its moment: what comes behind it finds its tables."""
    pair = make_pair(up, "ma118" if up == "my97" else "my97")
    s = pair.source
    make(s)
    s.run(*[f"CREATE TABLE app.s{n} (id int PRIMARY KEY)" for n in range(100)], "INSERT INTO app.s7 VALUES (7)")
    url = s.url()
    if up == "my97" and not privilege:
        s.run(*WITHOUT_BACKUP_ADMIN)
        url = s.url("tgtestl", "Grants-1")
    work = WorkTables(s)
    j = job(pair, source_url=url)
    try:
        j.start("--consistency", consistency, until="synced")
        procs.wait_for(lambda: "snapshot at" in j.log() or j.ended(), 120, j.story, 0.02)
    finally:
        work.end()
    assert j.wait() == 0, j.story()
    assert work.made > 10
    again = [line for line in j.log().splitlines() if "code=60301" in line and " dump run " in line]
    # one that was there at that moment, and was dropped before it was read
    assert all(re.search(r"`app`.`w\d+` FORCE INDEX", line) for line in again) and len(again) < 2, j.story()
    assert not re.search(r"while the snapshots opened: (;|$)", j.log()), j.story()  # it says what
    for side in (s, pair.target):  # views are not followed
        side.run("DROP VIEW IF EXISTS app.v")
    pair.assert_equal("app", j.story)


class Movers:
    """Money moves between two tables all the while; a transaction that the server ended by a deadlock is said again."""

    def __init__(self, source):
        self.source, self.over, self.failed = source, threading.Event(), []
        self.threads = [threading.Thread(target=self._move, args=(n,), daemon=True) for n in range(2)]
        for t in self.threads:
            t.start()

    def _move(self, i):
        try:
            with self.source.connect(database="app", autocommit=False) as c, c.cursor() as cur:
                while not self.over.is_set():
                    i = (i * 1103515245 + 12345) % 2000
                    try:
                        cur.execute("UPDATE a SET v = v - 7 WHERE id = %s", (i + 1,))
                        cur.execute("UPDATE z SET v = v + 7 WHERE id = %s", (2000 - i,))
                        c.commit()
                    except pymysql.err.OperationalError as e:
                        if e.args[0] != 1213:
                            raise
                        c.rollback()
        except Exception as e:  # noqa: BLE001
            self.failed.append(repr(e))

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join(60)
            assert not t.is_alive()
        assert not self.failed, self.failed


@pytest.mark.parametrize("up", ["my97", "ma1011", pytest.param("ma118", marks=pytest.mark.long)])
def test_flush_is_refused(up, make_pair, job):
    """An account that may not say FLUSH TABLES WITH READ LOCK: auto locks the wanted tables instead, is of one moment, and what is followed from there is exact. Without
    LOCK TABLES it is refused before the start; flush means flush."""
    pair = make_pair(up, "ma1011" if up == "my97" else "my97")
    s = pair.source
    numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i, 1000 FROM n"
    with s.connect() as c, c.cursor() as cur:
        for q in ["CREATE DATABASE app", "USE app", "SET SESSION " + ("cte_max_recursion_depth" if s.flavor == "mysql" else "max_recursive_iterations") + "=3000"] + [
                q for t in ("a", "z") for q in (f"CREATE TABLE {t} (id int PRIMARY KEY, v bigint)", f"INSERT INTO {t} {numbers}")] + ["CREATE TABLE m (id int PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO m VALUES (1)", "COMMIT"]:
            cur.execute(q)
    monitor = "BINLOG MONITOR" if s.flavor == "mariadb" else "REPLICATION CLIENT"
    s.run("DROP USER IF EXISTS tgtestl@'%'", "CREATE USER tgtestl@'%' IDENTIFIED BY 'Grants-1'", f"GRANT SELECT, {monitor}, REPLICATION SLAVE, SHOW VIEW ON *.* TO tgtestl@'%'",
          "GRANT LOCK TABLES ON app.* TO tgtestl@'%'")
    url = s.url("tgtestl", "Grants-1")
    movers = Movers(s)
    j = job(pair, source_url=url, tables="app.*")
    try:
        said = j.run(until="full")
        copied = [pair.target.query(f"SELECT COUNT(*), CAST(SUM(v) AS SIGNED) FROM app.{t}")[0] for t in ("a", "z")]
        assert "lacks RELOAD" in said and "LOCK TABLES of all wanted tables" in said, said
        assert "FLUSH TABLES WITH READ LOCK is refused" in j.log() and "the lock was held for" in told(j)[3], j.story()
    finally:
        movers.end()
    assert copied[0][0] == copied[1][0] == 2000 and copied[0][1] + copied[1][1] == 4_000_000 and copied[0][1] != 2_000_000, copied
    j.run()
    pair.assert_equal("app", j.story)
    pair.target.clean()
    said = job(pair, source_url=url, tables="app.*").run("--consistency", "flush", expect=FAILED)
    assert "60702" in said and "lacks RELOAD" in said, said
    s.run("REVOKE LOCK TABLES ON app.* FROM tgtestl@'%'")
    said = job(pair, source_url=url, tables="app.*").run(expect=FAILED)
    assert "60702" in said and "lacks RELOAD" in said, said
    said = job(pair, source_url=url, tables="app.m").run("--no-check", expect=FAILED)
    assert "32004" in said and "GRANT LOCK TABLES" in said and "FLUSH TABLES WITH READ LOCK is refused, and so" in said, said


@pytest.mark.parametrize("up", ["ma1011", "my97"])
@pytest.mark.parametrize("consistency", ["lock", "auto"])
def test_no_table_to_lock(up, consistency, make_pair, job):
    """Nothing but an empty database is wanted: no lock is needed, by LOCK TABLES or in place of a refused FLUSH, and what is made behind it is followed."""
    pair = make_pair(up, "ma1011" if up == "my97" else "my97")
    s, url = pair.source, pair.source.url()
    s.run("CREATE DATABASE app")
    if consistency == "auto":
        monitor = "BINLOG MONITOR" if s.flavor == "mariadb" else "REPLICATION CLIENT"
        s.run("DROP USER IF EXISTS tgtestl@'%'", "CREATE USER tgtestl@'%' IDENTIFIED BY 'Grants-1'", f"GRANT SELECT, {monitor}, REPLICATION SLAVE, SHOW VIEW ON *.* TO tgtestl@'%'",
              "GRANT LOCK TABLES ON app.* TO tgtestl@'%'")
        url = s.url("tgtestl", "Grants-1")
    j = job(pair, source_url=url, tables="app.*")
    j.run("--consistency", consistency)
    s.run("CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j.run()
    pair.assert_equal("app", j.story)
    assert pair.target.query("SELECT * FROM app.t") == ((1,),)


class Silent(failover.Forwarder):
    """The check's list of what is to be locked can't be had."""

    def change(self, data):
        return data.replace(b"E.TRANSACTIONS<=>'YES'", b"E.TRANSACTIONX<=>'YES'")


def test_what_is_to_be_locked_is_not_told(make_pair, job):
    """Where the server does not say which tables are to be locked, the check does not say that the account may lock them."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    make(s)
    s.run("DROP USER IF EXISTS tgtestl@'%'", "CREATE USER tgtestl@'%' IDENTIFIED BY 'Grants-1'", "GRANT SELECT, BINLOG MONITOR, REPLICATION SLAVE, SHOW VIEW ON *.* TO tgtestl@'%'")
    door = Silent(s)
    try:
        url = s.url("tgtestl", "Grants-1").split("@")[0] + f"@127.0.0.1:{door.port}/?tls=disabled"
        said = job(pair, source_url=url, tables="app.*").run(until="full")
    finally:
        door.close()
    assert "whether it may LOCK TABLES instead is not known" in said and "what the copy has to lock is not known" in said and "TRANSACTIONX" in said, said


class Busy:
    """Statements that are said over and over by a connection each, with a pause; what the server ended by a deadlock is kept."""

    def __init__(self, source, *turns):
        self.source, self.over, self.ended, self.said = source, threading.Event(), [], 0
        self.threads = [threading.Thread(target=self._work, args=(t,), daemon=True) for t in turns]
        for t in self.threads:
            t.start()

    def _work(self, turn):
        with self.source.connect(autocommit=True) as c, c.cursor() as cur:
            while not self.over.wait(0.03):
                try:
                    for n, s in enumerate(turn):
                        time.sleep(0.02 if n else 0)
                        cur.execute(s)
                        self.said += 1
                except pymysql.err.OperationalError as e:
                    self.ended.append((e.args, s))

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join(60)
            assert not t.is_alive()


@pytest.mark.parametrize("turns", [[[f"TRUNCATE TABLE app.s{n}"] for n in range(3)], [["BEGIN", "INSERT INTO app.s1 VALUES (NULL)", "INSERT INTO app.s0 VALUES (NULL)", "COMMIT"]]], ids=["ddl", "transaction"])
def test_lock_ends_nobodys_statement(turns, make_pair, job):
    """Where the wanted tables are locked one after the other, who meets that half way is not ended by a deadlock."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    make(s)
    s.run(*[f"CREATE TABLE app.s{n} (id int PRIMARY KEY AUTO_INCREMENT)" for n in range(8)], "CREATE TABLE app.kept (id int) ENGINE=MyISAM", "INSERT INTO app.kept VALUES (1)")
    busy, waited = Busy(s, *turns), False
    try:
        for _ in range(4):
            pair.target.clean()
            j = job(pair)
            j.start("--consistency", "lock", until="synced")
            procs.wait_for(lambda: "snapshot at" in j.log() or j.ended(), 120, j.story, 0.02)
            j.interrupt()
            waited = waited or "from now on it waits" in j.log()  # a machine so slow that no moment was free for ten seconds
    finally:
        busy.end()
    assert busy.said > 20 and (waited or not busy.ended), f"{busy.said} {busy.ended}\n{j.story()}"


class Hasty(failover.Forwarder):
    """What was made more than five seconds ago is old."""

    def change(self, data):
        return data.replace(b"INTERVAL 60 MINUTE", b"INTERVAL 05 SECOND")


@pytest.mark.parametrize("direction", ["my97>ma118", "ma1011>my97"])
def test_young_tables_first(direction, make_pair, job):
    """A work table may be gone soon, and the copy would start again: it is read before the large ones."""
    pair = make_pair(*direction.split(">"))
    s = pair.source
    make(s)
    numbers(s, "app", 6000)
    s.run("CREATE TABLE app.big (id int PRIMARY KEY, v varchar(600))", "INSERT INTO app.big SELECT i, REPEAT('v', 480) FROM app.n")
    time.sleep(6)
    door = Hasty(s)
    try:
        j = job(pair, tables="app.*", source_url=door.url() + "/?tls=disabled")
        j.failpoints.arm("dump_listed", "sleep", 1, 300000)
        j.start("--threads", "1", until="full")
        procs.wait_for(lambda: j.failpoints.fired("dump_listed") or j.ended(), 90, j.story, 0.05)
        s.run("CREATE TABLE app.work (id int PRIMARY KEY)", "INSERT INTO app.work VALUES (1)")
        j.failpoints.disarm("dump_listed")
        assert j.wait() == 0, j.story()
    finally:
        door.close()
    assert pair.target.query("SELECT table_name FROM dm_meta.tidegate_chunk ORDER BY `number`")[0] == ("work",), j.story()
    pair.assert_equal("app", j.story)


def test_a_replica_that_does_not_log(server, job):
    """What it applies moves its binlog's place nowhere: snapshots of one place need not be of one moment. And the rows of a table in parts by time are the current ones."""
    pair = Pair(server("ma1011", "mute", extra="--skip-log-slave-updates"), server("my97", "down"))
    s = pair.source
    make(s)
    s.run("CREATE TABLE app.v (id int PRIMARY KEY, v varchar(200)) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION old HISTORY, PARTITION now CURRENT)",
          "INSERT INTO app.v SELECT seq, REPEAT('x', 190) FROM app.seq_1_to_30000", "UPDATE app.v SET v = REPEAT('y', 190) WHERE id % 3 = 0", "DELETE FROM app.v WHERE id % 5 = 0",
          "ANALYZE TABLE app.v", "SET GLOBAL gtid_slave_pos=CONCAT(@@gtid_binlog_pos, ',77-99-5')")
    try:
        f = Files(pair, job, {"no": {"schema-pattern": "nothing", "target-schema": "at_all"}}, "full", ", mydumper: {chunk-filesize: 1}")
        f.run(until="full")
        assert re.fullmatch(r"the lock was held for \d+ ms", told(f.job)[3]), told(f.job)
        pair.assert_equal("app", f.job.story)
    finally:
        s.run("RESET MASTER", "SET GLOBAL gtid_slave_pos=''")


def test_busy_server(make_pair, job):
    """Commits all the while: without a lock or with one, the copy is of the moment that the position names."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", *[f"CREATE TABLE app.t{n} (id int AUTO_INCREMENT PRIMARY KEY, gtid varchar(60))" for n in range(3)],
                    "FLUSH BINARY LOGS")
    stop, failed = threading.Event(), []

    def write():
        try:
            with pair.source.connect(autocommit=True) as c, c.cursor() as cur:
                while not stop.is_set():
                    for n in range(3):
                        cur.execute(f"INSERT INTO app.t{n} (gtid) VALUES ('x')")
        except pymysql.MySQLError as e:
            failed.append(repr(e))

    writers = [threading.Thread(target=write, daemon=True) for _ in range(3)]
    for w in writers:
        w.start()
    j = job(pair)
    try:
        j.run(until="full")
    finally:
        stop.set()
        for w in writers:
            w.join(60)
    assert not failed, failed
    file, offset, gtid, how = told(j)
    # each transaction is one row: what is there is what the GTIDs of these tables' transactions say
    events = pair.source.query(f"SHOW BINLOG EVENTS IN '{file}' LIMIT 1000000")
    inserts = sum(1 for e in events if e[2].startswith("Write_rows") and int(e[4]) <= int(offset))
    there = sum(pair.target.query(f"SELECT COUNT(*) FROM app.t{n}")[0][0] for n in range(3))
    assert there == inserts > 0, (there, inserts, how)
    assert gtid == pair.source.query(f"SELECT BINLOG_GTID_POS('{file}', {offset})")[0][0]


def test_blocker_is_named(make_pair, job):
    """Someone sits in a transaction that wants a table: after half a minute the copy gives up and says who it is."""
    pair = make_pair("ma1011", "my97")
    make(pair.source)
    with pair.source.connect(autocommit=False) as c, c.cursor() as cur:
        cur.execute("UPDATE app.t SET v=9 WHERE id=1")
        cur.execute("SELECT CONNECTION_ID()")
        who = cur.fetchone()[0]
        j = job(pair)
        j.start("--consistency", "lock", until="full")
        j.wait_log("no lock within", 150)
        assert f"connection {who} of" in j.log() and "idle in a transaction" in j.log(), j.story()
        c.rollback()


class AtTheLock(failover.Forwarder):
    """Somebody does something right in front of the dump's lock, once or each time; each packet may be on its way for a while. How long the locks were held is noted."""

    LOCKS = (b"FLUSH TABLES WITH READ LOCK", b"LOCK TABLES `")

    def __init__(self, server, do, delay=0.0):
        self.do, self.delay, self.since, self.times, self.held = do, delay, None, 0, []
        super().__init__(server)

    def change(self, data):
        if any(lock in data for lock in self.LOCKS):
            self.do(self.times)
            self.times += 1
            self.since = time.monotonic()
        time.sleep(self.delay)
        if b"UNLOCK TABLES" in data and self.since:
            self.held.append(time.monotonic() - self.since)
            self.since = None
        return data


@pytest.mark.quiet
@pytest.mark.parametrize("up, privilege", [("my97", True), ("my97", False), ("ma1011", False)])
def test_made_right_before_the_lock(up, privilege, make_pair, job):
    """What comes right in front of the lock is read under it, in no time, and nothing is written for that: MySQL's dictionary keeps estimates for a day, once somebody asked for them."""
    pair = make_pair(up, "ma118" if up == "my97" else "my97")
    s = pair.source
    make(s)
    if up == "my97" and not privilege:
        s.run(*WITHOUT_BACKUP_ADMIN)
    made = ("CREATE TABLE app.fresh (id int PRIMARY KEY, v int) PARTITION BY HASH (id) PARTITIONS 3", "INSERT INTO app.fresh VALUES (1, 1), (2, 2)",
            "CREATE VIEW app.v AS SELECT id FROM app.fresh", "CREATE DATABASE another")
    door = AtTheLock(s, lambda n: n or s.run(*made))
    try:
        url = door.url() if up != "my97" or privilege else s.url("tgtestl", "Grants-1").replace(f":{s.port}", f":{door.port}")
        j = job(pair, source_url=url + "/?tls=disabled")
        j.start("--consistency", "flush", until="full")
        procs.wait_for(lambda: "snapshot at" in j.log() or j.ended(), 90, j.story, 0.05)
        assert j.wait() == 0, j.story()
    finally:
        door.close()
    assert max(door.held) < 1, door.held
    assert pair.target.query("SELECT COUNT(*) FROM app.v") == ((2,),)
    if up == "my97":
        s.run("INSERT INTO app.fresh SELECT i + 10, 1 FROM (WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 200) SELECT i FROM r) AS n")
        assert s.query("SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA='app' AND TABLE_NAME='fresh'")[0][0] > 100
        s.run("DELETE FROM app.fresh WHERE id > 10")
    pair.assert_equal("app", j.story)


@pytest.mark.quiet
def test_many_made_before_the_lock_of_a_far_server(make_pair, job):
    """A server that is far: to read ten tables takes seconds. Nobody waits for that: the lock is let go, they are read, and it is taken again."""
    pair = make_pair("my97", "ma118")
    s = pair.source
    make(s)
    door = AtTheLock(s, lambda n: n or s.run(*[f"CREATE TABLE app.w{i} (id int PRIMARY KEY)" for i in range(10)]), 0.04)
    try:
        j = job(pair, source_url=door.url() + "/?tls=disabled")
        j.start("--threads", "1", until="full")
        assert j.wait() == 0, j.story()
    finally:
        door.close()
    assert "`app`.`w0` came, and there is no time to read it" in j.log(), j.story()
    assert len(door.held) == 2 and max(door.held) < 1.5, door.held
    pair.assert_equal("app", j.story)


def rename_at(j, source, place, statement):
    """While the copy stands at that place, until it waits; it must be over soon behind it."""

    def rename():
        with source.connect(autocommit=True) as c, c.cursor() as cur:
            WorkTables.until_done(cur, statement)

    procs.wait_for(lambda: j.failpoints.fired(place), 90, j.story, 0.05)
    renamer = threading.Thread(target=rename, daemon=True)
    renamer.start()
    waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'RENAME%' AND STATE LIKE 'Waiting%'"
    procs.wait_for(lambda: source.query(waits) == ((1,),), 60, j.story, 0.05)
    j.failpoints.disarm(place)
    renamer.join(60)
    assert not renamer.is_alive(), j.story()


def test_renamed_while_the_tables_are_locked(make_pair, job):
    """Somebody renames two tables, of which he has one and waits for the other, which we have: we don't look at the one that he has, but let ours go."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    make(s)
    s.run("CREATE TABLE app._new (id int PRIMARY KEY, v int, more int)", "INSERT INTO app._new SELECT id, v, 7 FROM app.t")
    j = job(pair, tables="app.t")
    j.failpoints.arm("dump_locked", "sleep", 1, 300000)
    j.start("--consistency", "lock", until="full")
    rename_at(j, s, "dump_locked", "RENAME TABLE app.t TO app._old, app._new TO app.t")
    assert j.wait() == 0, j.story()
    assert pair.target.query("SELECT id, v, more FROM app.t ORDER BY id") == ((1, 1, 7), (2, 2, 7)), j.story()


def test_renamed_while_one_table_stays_locked(make_pair, job):
    """A table without snapshots stays locked behind the moment, too: somebody who waits for it has another one, whose structure is looked at again."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    make(s)
    s.run("CREATE TABLE app.m (id int) ENGINE=MyISAM", "INSERT INTO app.m VALUES (1)", "CREATE TABLE app._new (id int PRIMARY KEY, more int)", "INSERT INTO app._new VALUES (1, 7)")
    j = job(pair)
    j.failpoints.arm("dump_snapshot", "sleep", 1, 300000)
    j.start(until="full")
    rename_at(j, s, "dump_snapshot", "RENAME TABLE app.m TO app.old, app._new TO app.m")
    assert j.wait() == 0, j.story()
    assert "they are opened again" in j.log() and "code=60301" not in j.log(), j.story()
    pair.assert_equal("app", j.story)
    assert pair.target.query("SELECT id, more FROM app.m") == ((1, 7),), j.story()


@pytest.mark.long
def test_made_at_every_lock(make_pair, job):
    """A table is made in front of each lock: there is no moment. The locks come further and further apart, and in the end it is said which table it was."""
    pair = make_pair("my97", "ma118")
    s = pair.source
    make(s)
    door = AtTheLock(s, lambda n: s.run(f"CREATE TABLE app.w{n} (id int PRIMARY KEY)"))
    s.run(*WITHOUT_BACKUP_ADMIN)
    try:
        j = job(pair, source_url=s.url("tgtestl", "Grants-1").replace(f":{s.port}", f":{door.port}") + "/?tls=disabled")
        j.start("--consistency", "lock", until="full")
        j.wait_log("no moment within 30 s", 150)
    finally:
        door.close()
    assert re.search(r"no moment within 30 s: looking at the tables again: `app`\.`w\d+` came", j.log()), j.story()
    assert 10 < door.times < 80, door.times


class NoSuchPlace(failover.Forwarder):
    """What is asked for by BINLOG_GTID_POS is a file that the server does not have (any more)."""

    def change(self, data):
        return re.sub(rb"(BINLOG_GTID_POS\('[^']*\.)\d{6}'", rb"\g<1>999999'", data)


def test_a_place_without_a_gtid(make_pair, job):
    """The server says where its snapshots are and not which GTID that is: then a lock it is, and the GTID is right."""
    pair = make_pair("ma105", "my97")
    make(pair.source)
    door = NoSuchPlace(pair.source)
    try:
        j = job(pair, source_url=door.url() + "/?tls=disabled")
        j.run(until="full")
    finally:
        door.close()
    assert re.fullmatch(r"the lock was held for \d+ ms", told(j)[3]), told(j)
    assert told(j)[2] == pair.source.query("SELECT @@gtid_binlog_pos")[0][0] != "", told(j)
    pair.assert_equal("app", j.story)
