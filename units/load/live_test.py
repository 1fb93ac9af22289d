#!/usr/bin/env python3
"""Dump and load alone, between two running servers, without supervisor, agent and master (drive.c stands in for them):
    live_test.py BUILD UPSTREAM_PORT DOWNSTREAM_PORT [NAME ...]
Both servers: root without password on 127.0.0.1. Every schema of the test is dropped on both. Needs PyMySQL. Each test ends with a
complete comparison (tests/compare.py) and a look at the exactly-once records.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests"))

import pymysql  # noqa: E402
import compare  # noqa: E402
import failpoints  # noqa: E402
import zoo  # noqa: E402

UID = 59900  # the units refuse to run as root


class Server:
    def __init__(self, port):
        self.port = port
        self.where = dict(host="127.0.0.1", port=port, user="root", password="")
        row = self.query("SELECT VERSION()")[0][0]
        self.flavor = "mariadb" if "MariaDB" in row else "mysql"
        a, b, c = row.split("-")[0].split(".")
        self.version = int(a) * 10000 + int(b) * 100 + int(c)

    def connect(self, **kw):
        kw.setdefault("charset", "utf8mb4")
        kw.setdefault("autocommit", True)
        return pymysql.connect(**self.where, **kw)

    def query(self, sql, *params):
        with self.connect() as c, c.cursor() as cur:
            cur.execute(sql, params or None)
            return cur.fetchall()

    def run(self, *statements):
        with self.connect() as c, c.cursor() as cur:
            for s in statements:
                cur.execute(s)


class Pair:
    def __init__(self, source, target):
        self.source, self.target = source, target


class Copy:
    """One task: its folders, slices and failpoints."""

    def __init__(self, build, up, down, schemas, dump=None, load=None, mode="all", epoch=1, remove_meta=False):
        self.build, self.up, self.down, self.schemas = Path(build), up, down, schemas
        self.dir = Path(tempfile.mkdtemp(prefix="tgcopy-"))
        self.failpoints = failpoints.Failpoints(self.dir / "failpoints")
        common = {"source": "src", "task": "tk", "slot": 1, "sub": 1, "epoch": epoch, "agent": "h", "log_level": "info", "mode": mode,
                  "meta_schema": "dm_meta", "rules": {"do_dbs": schemas}}
        end = {"host": "127.0.0.1", "user": "root", "password": "", "tls": "disabled"}
        self.slices = {
            "dump": dict(common, unit="dump", upstream=dict(end, port=up.port), options=dump or {}),
            # no relay is here: without one a copy that lost its snapshot starts anew
            "load": dict(common, unit="load", mode="full", downstream=dict(end, port=down.port), options=load or {}, remove_meta=remove_meta),
        }
        for d in ("state", "run"):
            (self.dir / d).mkdir()

    def command(self, seconds):
        for name, s in self.slices.items():
            (self.dir / f"{name}.json").write_text(json.dumps(s))
        if os.getuid() == 0:
            for d in [self.dir, *self.dir.iterdir(), *(self.dir / "state").iterdir()]:
                os.chown(d, UID, UID)
        c = [str(self.build / "test" / "unit_drive"), "copy", str(self.build / "bin"), *(str(self.dir / f) for f in ("state", "run", "dump.json", "load.json",
             "failpoints")), str(seconds)]
        return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *c] if os.getuid() == 0 else c

    def run(self, seconds=400, good=True):
        done = subprocess.run(self.command(seconds), capture_output=True, text=True, errors="replace")
        self.out = done.stdout + done.stderr
        self.sane()
        if good and done.returncode != 0:
            raise AssertionError(self.out[-6000:])
        return done.returncode == 0

    def start(self, seconds=400):
        self.log = open(self.dir / "out", "w+")
        self.process = subprocess.Popen(self.command(seconds), stdout=self.log, stderr=subprocess.STDOUT)

    def wait(self):
        code = self.process.wait()
        self.out = (self.dir / "out").read_text(errors="replace")
        self.sane()
        if code != 0:
            raise AssertionError(self.out[-6000:])

    def sane(self):
        for word in ("Sanitizer", "runtime error", "Assertion"):
            assert word not in self.out, self.out[-20000:]

    def check(self, but=()):
        r = compare.compare(self.up.where, self.down.where, self.schemas, but=but)
        assert r and r.tables, str(r)
        stage, = self.down.query("SELECT stage FROM dm_meta.tidegate_plan WHERE task='tk' AND source='src'")
        assert stage == ("done",), stage
        left = self.down.query("SELECT COUNT(*) FROM dm_meta.tidegate_connection WHERE task='tk'")[0][0]
        assert left == 0, f"{left} connections are still noted"
        return r

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def clean(server):
    for (d,) in server.query("SHOW DATABASES"):
        if d.lower() not in ("mysql", "sys", "information_schema", "performance_schema"):
            server.run("SET foreign_key_checks=0", f"DROP DATABASE {zoo.quote(d)}")


def make_big(server, rows=60000):
    """Several tables with several chunks each: keyed by integers (also negative and skewed), by text, without a key, and MyISAM."""
    server.run("CREATE DATABASE big", "CREATE TABLE big.seq (n int PRIMARY KEY)")
    use = "USE big"
    values = ",".join(f"({i})" for i in range(1000))
    server.run(f"INSERT INTO big.seq VALUES {values}")
    pad = "RPAD(HEX(n),150,CHAR(32+n%90))"
    number = "(a.n*1000+b.n)"
    pick = f"FROM big.seq a, big.seq b WHERE {number} < {rows}"
    server.run(
        use,
        "CREATE TABLE big.ints (id bigint PRIMARY KEY, v varchar(200), KEY v (v), KEY v2 (v(9), id))",
        f"INSERT INTO big.ints SELECT {number}*3-50000, {pad.replace('n', 'b.n')} {pick}",
        "CREATE TABLE big.skew (id bigint unsigned PRIMARY KEY, v varchar(200))",
        f"INSERT INTO big.skew SELECT {number}, {pad.replace('n', 'b.n')} {pick}",
        "INSERT INTO big.skew VALUES (18446744073709551615, 'far')",
        "CREATE TABLE big.texts (k varchar(40) PRIMARY KEY, v varchar(200))",
        f"INSERT INTO big.texts SELECT CONCAT(REVERSE(LPAD({number},8,'0')),'-key'), {pad.replace('n', 'b.n')} {pick} AND a.n < 20",
        "CREATE TABLE big.nokey (a int, v varchar(200))",
        f"INSERT INTO big.nokey SELECT b.n % 10, 'same' {pick} AND a.n < 20",
        "CREATE TABLE big.myisam (a int PRIMARY KEY, v varchar(200)) ENGINE=MyISAM",
        f"INSERT INTO big.myisam SELECT {number}, 'x' {pick} AND a.n < 20",
        "ANALYZE TABLE big.ints, big.skew, big.texts, big.nokey",
    )


SMALL = {"chunk_bytes": 65536, "statement_size": 8192, "threads": 4}


def test_zoo(build, up, down):
    zoo.make(up, zoo.zoo(up, down))
    c = Copy(build, up, down, zoo.schemas())
    c.run()
    print(c.check(but=zoo.cannot_be(Pair(up, down))))
    c.close()


def test_ways(build, up, down):
    """Every way to write rows that the downstream has, with the keys made behind the rows too."""
    if down.flavor == "mysql":
        down.run("SET GLOBAL local_infile=ON")
    zoo.make(up, zoo.zoo(up, down))
    up.run("CREATE DATABASE zero", "CREATE TABLE zero.t (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, e enum('a','') NOT NULL)",
           "CREATE TABLE zero.plain (id int AUTO_INCREMENT PRIMARY KEY, v int)")
    with up.connect() as c, c.cursor() as cur:
        cur.execute("SET sql_mode='NO_AUTO_VALUE_ON_ZERO'")
        cur.execute("INSERT INTO zero.t VALUES (0,''),(7,'a'),(18446744073709551614,'')")
        cur.execute("INSERT INTO zero.plain VALUES (0,1),(7,NULL)")
    for by, word in (("insert", "INSERT"), ("load-data", "LOAD DATA"), ("bulk", "bulk execute" if down.flavor == "mariadb" else "INSERT"), ("auto", "")):
        c = Copy(build, up, down, [*zoo.schemas(), "zero"], load={"by": by, "keys": "after"})
        c.run()
        assert f"rows are written by {word}" in c.out, c.out[-4000:]
        assert "are tried again" not in c.out and "is tried again" not in c.out, c.out[-4000:]
        print(by, c.check(but=zoo.cannot_be(Pair(up, down))))
        c.close()
        clean(down)
    if down.flavor == "mysql":
        down.run("SET GLOBAL local_infile=OFF")


def test_small_packets(build, up, down):
    """Hundreds of short values a row, and of none: more bytes on the wire than in the spool file. A downstream that takes 1 MiB at most."""
    most = down.query("SELECT @@global.max_allowed_packet")[0][0]
    for width, value, rows in ((3, "''", 10000), (100, "b.n%10", 10000), (900, "''", 2000)):
        names = [f"c{i}" for i in range(width)]
        up.run("CREATE DATABASE wide", "CREATE TABLE wide.n (n int PRIMARY KEY)", f"INSERT INTO wide.n VALUES {','.join(f'({i})' for i in range(100))}",
               f"CREATE TABLE wide.t ({','.join(n + ' char(1) NOT NULL' for n in names)}) CHARACTER SET latin1",
               f"INSERT INTO wide.t SELECT {','.join([value] * width)} FROM wide.n a, wide.n b LIMIT {rows}")
        try:
            down.run("SET GLOBAL max_allowed_packet=1048576")
            c = Copy(build, up, down, ["wide"])
            c.run()
            assert "is tried again" not in c.out, c.out[-4000:]
            print(width, c.check())
        finally:
            down.run(f"SET GLOBAL max_allowed_packet={most}")
        c.close()
        clean(up)
        clean(down)


def test_doubts(build, up, down):
    """Rows that the downstream doesn't take as they are, and rows that meet others."""
    if down.flavor == "mysql":
        down.run("SET GLOBAL local_infile=ON")
    up.run("CREATE DATABASE big", "CREATE TABLE big.t (id int PRIMARY KEY, v varchar(20), d datetime)",
           "INSERT INTO big.t VALUES (1,'one','2020-01-02'),(2,'two','2020-01-02'),(3,'ONE','2020-01-02')")
    for by in ("load-data", "auto", "insert"):
        # what strict SQL refuses
        down.run("CREATE DATABASE big", "CREATE TABLE big.t (id int PRIMARY KEY, v varchar(2), d datetime)")
        c = Copy(build, up, down, ["big"], load={"by": by})
        assert not c.run(good=False)
        assert "error=34019" in c.out and "1406" in c.out, c.out[-3000:]
        assert down.query("SELECT COUNT(*) FROM big.t") == ((0,),)
        assert by != "load-data" or "LOAD DATA took" in c.out, c.out[-3000:]
        c.close()
        clean(down)
        # a note alone: the time of day goes into a DATE
        down.run("CREATE DATABASE big", "CREATE TABLE big.t (id int PRIMARY KEY, v varchar(20), d date)")
        up.run("UPDATE big.t SET d='2020-01-02 03:04:05'")
        c = Copy(build, up, down, ["big"], load={"by": by})
        c.run()
        assert down.query("SELECT COUNT(*) FROM big.t WHERE d='2020-01-02'") == ((3,),)
        c.close()
        clean(down)
        # a key that the upstream has not
        for policy, want in (("error", None), ("replace", ((2,), (3,))), ("ignore", ((1,), (2,)))):
            down.run("CREATE DATABASE big", "CREATE TABLE big.t (id int PRIMARY KEY, v varchar(20) COLLATE utf8mb4_general_ci UNIQUE, d datetime)")
            c = Copy(build, up, down, ["big"], load={"by": by, "on_duplicate": policy})
            assert c.run(good=False) == (want is not None), c.out[-3000:]
            assert want is not None or "error=34019" in c.out and "1062" in c.out, c.out[-3000:]
            assert down.query("SELECT id FROM big.t ORDER BY id") == (want or ()), (by, policy)
            c.close()
            clean(down)
    if down.flavor == "mysql":
        down.run("SET GLOBAL local_infile=OFF")


def test_giant_rows(build, up, down):
    """Rows of many MiB, of every byte: within the memory that is promised."""
    up.run("SET GLOBAL max_allowed_packet=1073741824", "CREATE DATABASE big", "CREATE TABLE big.g (id int PRIMARY KEY, v longblob, w longtext)")
    down.run("SET GLOBAL max_allowed_packet=268435456")
    if down.flavor == "mysql":
        down.run("SET GLOBAL local_infile=ON")
    with up.connect(max_allowed_packet=1 << 30) as c, c.cursor() as cur:
        for i in range(4):
            cur.execute("INSERT INTO big.g VALUES (%s, REPEAT(%s, 65536), REPEAT('it''s ', 1000000))", (i, bytes(range(256))))
    for by in ("load-data", "auto", "insert"):
        c = Copy(build, up, down, ["big"], load={"by": by})
        c.start()
        most = {}
        while c.process.poll() is None:
            for p in Path("/proc").glob("[0-9]*/status"):
                try:
                    text = p.read_text()
                except OSError:
                    continue
                name = text.split("\n")[0].split("\t")[1]
                if name in ("tidegate-dump", "tidegate-load") and "VmHWM" in text:
                    most[name] = max(most.get(name, 0), int(text.split("VmHWM:")[1].split()[0]) >> 10)
            time.sleep(0.02)
        c.wait()
        c.check()
        print(by, most)
        assert max(most.values()) < 64 + 16 + 4 * 21 or "asan" in str(build), most
        c.close()
        clean(down)
    if down.flavor == "mysql":
        down.run("SET GLOBAL local_infile=OFF")


def test_big(build, up, down):
    make_big(up)
    c = Copy(build, up, down, ["big"], dump=SMALL)
    c.run()
    assert "is read in" in c.out, "no table was cut into stretches"
    print(c.check())
    # again: at once, without asking the dump, also after the dump folder is gone
    shutil.rmtree(c.dir / "state")
    (c.dir / "state").mkdir()
    c.run()
    assert "loaded already" in c.out
    c.check()
    c.close()


def test_bounded_spool(build, up, down):
    make_big(up, 30000)
    c = Copy(build, up, down, ["big"], dump=dict(SMALL, spool_bytes=262144), load={"threads": 1})
    c.start()
    most = 0
    while c.process.poll() is None:
        most = max(most, sum(f.stat().st_size for f in (c.dir / "state").glob("big.*.rows") if f.exists()))
        time.sleep(0.01)
    c.wait()
    c.check()
    print(f"most bytes in the spool: {most}")
    assert 262144 // 4 < most <= 262144, most
    c.close()


def kill_at(build, up, down, name, act, at):
    """One failpoint, fired in a copy of its own: everything is there, once."""
    c = Copy(build, up, down, ["big"], dump=SMALL, load={"keys": "after"})
    c.failpoints.arm(name, act, at)
    c.run()
    assert c.failpoints.fired(name) == 1, f"{name} was never reached"
    c.check()
    rows = down.query("SELECT COALESCE(SUM(row_count),0) FROM dm_meta.tidegate_chunk")[0][0]
    there = sum(down.query(f"SELECT COUNT(*) FROM big.{t}")[0][0] for t in ("seq", "ints", "skew", "texts", "nokey", "myisam"))
    assert rows == there, (rows, there)
    c.close()
    clean(down)


def test_failpoints(build, up, down):
    make_big(up, 20000)
    for name, at in (("dump_locked", 1), ("dump_snapshot", 1), ("dump_mid_chunk", 7), ("dump_chunk_done", 9), ("dump_all_done", 1), ("load_schema", 2),
                     ("load_plan_recorded", 1), ("load_mid_chunk", 11), ("load_before_commit", 5), ("load_after_commit", 6), ("load_before_keys", 1), ("load_all_done", 1),
                     ("unit_before_hello", 2), ("unit_step", 30)):
        for act in ("kill", "error"):
            kill_at(build, up, down, name, act, at)
            print("ok", name, act)


def test_killed_connections(build, up, down):
    """Every downstream connection of the load is killed again and again (T2)."""
    make_big(up, 40000)
    c = Copy(build, up, down, ["big"], dump=SMALL, load={"threads": 4})
    c.start(180)
    killed = 0
    while c.process.poll() is None:
        time.sleep(0.3)
        for (n,) in down.query("SELECT ID FROM information_schema.PROCESSLIST WHERE ID<>CONNECTION_ID() AND USER='root'"):
            try:
                down.run(f"KILL {n}")
                killed += 1
            except pymysql.MySQLError:
                pass
        if killed > 60:
            break
    c.wait()
    c.check()
    assert killed > 5
    print(f"{killed} connections killed, {c.out.count('start tidegate-load')} starts of the load")
    c.close()


def test_changes_while_dumping(build, up, down):
    """A writer keeps the sum of two tables the same: the copy is of one moment, and of the moment that the position names."""
    up.run("CREATE DATABASE big", "CREATE TABLE big.a (id int PRIMARY KEY, v bigint) ENGINE=InnoDB",
           "CREATE TABLE big.b (id int PRIMARY KEY, v bigint) ENGINE=InnoDB", "CREATE TABLE big.m (id int PRIMARY KEY, v bigint) ENGINE=MyISAM")
    for t in "ab":
        up.run(f"INSERT INTO big.{t} VALUES " + ",".join(f"({i},100)" for i in range(500)))
    stop = threading.Event()

    def write():
        with up.connect(autocommit=False) as c, c.cursor() as cur:
            i = 0
            while not stop.is_set():
                i += 1
                cur.execute("UPDATE big.a SET v=v-1 WHERE id=%s", (i % 500,))
                cur.execute("UPDATE big.b SET v=v+1 WHERE id=%s", (i % 500,))
                c.commit()

    t = threading.Thread(target=write)
    t.start()
    try:
        for _ in range(3):
            time.sleep(0.2)
            c = Copy(build, up, down, ["big"])
            c.run()
            total = down.query("SELECT (SELECT SUM(v) FROM big.a)+(SELECT SUM(v) FROM big.b)")[0][0]
            assert total == 100000, total
            c.close()
            clean(down)
    finally:
        stop.set()
        t.join()


def test_targets(build, up, down):
    """A table that is there: with rows, refused; empty, used; other columns, refused; a trigger, refused; after a new snapshot, emptied."""
    up.run("CREATE DATABASE big", "CREATE TABLE big.t (id int PRIMARY KEY, v int)", "INSERT INTO big.t VALUES (1,1),(2,2)")
    down.run("CREATE DATABASE big", "CREATE TABLE big.t (id int PRIMARY KEY, v int)", "INSERT INTO big.t VALUES (9,9)")
    c = Copy(build, up, down, ["big"])
    assert not c.run(good=False)
    assert "60401" in c.out and down.query("SELECT * FROM big.t") == ((9, 9),), c.out
    down.run("DELETE FROM big.t", "ALTER TABLE big.t ADD COLUMN w int")
    assert not c.run(good=False) and "`w`" in c.out, c.out
    down.run("ALTER TABLE big.t DROP COLUMN w", "CREATE TRIGGER big.tr BEFORE INSERT ON big.t FOR EACH ROW SET NEW.v=0")
    assert not c.run(good=False) and "trigger" in c.out, c.out
    down.run("DROP TRIGGER big.tr")
    # the first snapshot's rows go when the dump starts anew
    c.failpoints.arm("load_all_done", "sleep", 1, 100000)
    c.run(seconds=4, good=False)
    assert down.query("SELECT COUNT(*) FROM big.t")[0][0] == 2
    up.run("INSERT INTO big.t VALUES (3,3)")
    shutil.rmtree(c.dir / "state")
    (c.dir / "state").mkdir()
    c.run()
    c.check()
    # remove_meta after a finished copy: nothing is known of the table any more, so its rows protect it
    c.slices["load"].update(remove_meta=True, epoch=2)
    c.slices["dump"].update(epoch=2)
    assert not c.run(good=False) and "60401" in c.out, c.out
    # what a cutover has made and compared belongs to the copy before
    down.run("DROP DATABASE big", "INSERT INTO dm_meta.tidegate_object (task, source, kind, object_schema, object_name, state) VALUES "
             "('tk', 'src', 'POSITION', '', '', 'a.1:4'), ('tk', 'other', 'POSITION', '', '', 'a.1:4')")
    c.run()
    c.check()
    assert down.query("SELECT source FROM dm_meta.tidegate_object") == (("other",),)
    # remove_meta in the middle of a copy: what it made is made anew
    down.run("DELETE FROM dm_meta.tidegate_plan", "DROP DATABASE big")
    c.slices["load"].update(remove_meta=False)
    c.failpoints.arm("load_all_done", "sleep", 1, 100000)
    c.run(seconds=4, good=False)
    c.slices["load"].update(remove_meta=True)
    c.run()
    c.check()
    # an owner of an older epoch
    c.slices["load"].update(remove_meta=False, epoch=1)
    assert not c.run(good=False) and "60501" in c.out, c.out
    c.close()


def test_modes(build, up, down):
    make_big(up, 5000)
    for dump, mode in (({"consistency": "lock"}, "all"), ({"consistency": "none"}, "full"), ({"consistency": "flush", "threads": 1}, "all")):
        c = Copy(build, up, down, ["big"], dump=dump, mode=mode)
        c.run()
        c.check()
        c.close()
        clean(down)
    c = Copy(build, up, down, ["big"], dump={"consistency": "none"})
    c.run(seconds=3, good=False)
    assert "20003" in c.out, c.out
    c.close()


def test_long_query(build, up, down):
    """A lock that is not to be had must not hold up the server, and is told."""
    up.run("CREATE DATABASE big", "CREATE TABLE big.t (id int PRIMARY KEY)", "INSERT INTO big.t VALUES (1)")
    other = up.connect(autocommit=False)
    with other.cursor() as cur:
        cur.execute("UPDATE big.t SET id=2")
    c = Copy(build, up, down, ["big"], dump={"consistency": "lock"})
    c.start()
    begin, slowest = time.time(), 0
    while c.process.poll() is None and time.time() - begin < 50:
        t = time.time()
        up.query("SELECT COUNT(*) FROM big.t")
        slowest = max(slowest, time.time() - t)
        time.sleep(0.1)
    other.close()
    assert c.process.wait() != 0
    out = (c.dir / "out").read_text()
    assert "32004" in out and "no lock within" in out, out
    assert slowest < 3, slowest
    print(f"given up after {time.time() - begin:.0f} s, the slowest other query took {slowest:.1f} s")
    c.close()


def test_xa(build, up, down):
    up.run("CREATE DATABASE big", "CREATE TABLE big.t (id int PRIMARY KEY)")
    x = up.connect()
    with x.cursor() as cur:
        for s in ("XA START 'one'", "INSERT INTO big.t VALUES (1)", "XA END 'one'", "XA PREPARE 'one'"):
            cur.execute(s)
    c = Copy(build, up, down, ["big"])
    c.start()
    time.sleep(4)
    with x.cursor() as cur:
        cur.execute("XA COMMIT 'one'")
    c.wait()
    assert "prepared XA" in c.out and "one" in c.out, c.out
    c.check()
    x.close()
    c.close()


def test_json_decimals(build, up, down):
    """DECIMALs inside of JSON: kept as such by MySQL, as text by MariaDB."""
    if up.flavor != "mysql":
        return print("left out: only MySQL has them")
    up.run("CREATE DATABASE big", "CREATE TABLE big.j (id int PRIMARY KEY, j json)",
           "INSERT INTO big.j VALUES (1, JSON_ARRAY(1.50, 1.5, 12345678901234567890.1234567890)), (2, JSON_OBJECT('a*/;', JSON_ARRAY(-0.10, 'x*/', NULL, TRUE),"
           " 'b', JSON_OBJECT('c', 0.00, 'd', 1e300))), (3, CAST(7.10 AS JSON)), (4, NULL)")
    c = Copy(build, up, down, ["big"])
    c.run()
    if down.flavor == "mysql":
        print(c.check())
    a, b = (s.query("SELECT id, CAST(j AS CHAR) FROM big.j ORDER BY id") for s in (up, down))
    assert a == b, (a, b)
    c.close()


def test_large_rows(build, up, down):
    """A row near max_allowed_packet; one above the downstream's is refused by name, and goes through once that is mended."""
    up.run("CREATE DATABASE big", "CREATE TABLE big.l (id int PRIMARY KEY, b longblob)")
    with up.connect() as c, c.cursor() as cur:
        for i in range(3):
            cur.execute("INSERT INTO big.l VALUES (%s, %s)", (i, os.urandom((10 << 20) * i + 7)))
        cur.execute("INSERT INTO big.l VALUES (9, REPEAT(%s, 28000000))", (b"\0",))  # doubled by escaping
    down.run("SET GLOBAL max_allowed_packet=16777216")
    c = Copy(build, up, down, ["big"], load={"threads": 2})
    try:
        assert not c.run(good=False) and "max_allowed_packet" in c.out, c.out
    finally:
        down.run("SET GLOBAL max_allowed_packet=67108864")
    c.run()
    print(c.check())
    c.close()


def test_privileges(build, up, down):
    """An account with what the man page names, and no more."""
    reading = "REPLICATION CLIENT" if up.flavor == "mysql" or up.version < 100500 else "BINLOG MONITOR"
    up.run("CREATE DATABASE big", "CREATE TABLE big.t (id int PRIMARY KEY)", "INSERT INTO big.t VALUES (1)", "CREATE VIEW big.v AS SELECT id FROM big.t",
           "CREATE TABLE big.m (id int) ENGINE=MyISAM", "INSERT INTO big.m VALUES (1)")
    for s, user, grants in ((up, "tgd", [f"RELOAD, {reading} ON *.*", "SELECT, SHOW VIEW, LOCK TABLES ON big.*"] + (["XA_RECOVER_ADMIN ON *.*"] if up.flavor == "mysql" else [])),
                            (down, "tgl", ["CREATE, DROP, ALTER, INDEX, REFERENCES, INSERT, SELECT, CREATE VIEW, TRIGGER ON big.*", "CREATE, SELECT, INSERT, UPDATE, DELETE ON dm_meta.*"])):
        s.run(f"DROP USER IF EXISTS {user}@'127.0.0.1'", f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY ''", *[f"GRANT {g} TO {user}@'127.0.0.1'" for g in grants])
    c = Copy(build, up, down, ["big"])
    c.slices["dump"]["upstream"]["user"] = "tgd"
    c.slices["load"]["downstream"]["user"] = "tgl"
    c.run()
    r = compare.compare(up.where, down.where, ["big"])
    assert r or all("big.v" in d for d in r.differences), str(r)  # the view's definer may not be made by everybody
    print(r, [line for line in c.out.splitlines() if line.startswith("warn")])
    c.close()
    clean(down)
    # without RELOAD: told, with the way out; and the way out works
    up.run("REVOKE RELOAD ON *.* FROM tgd@'127.0.0.1'")
    c = Copy(build, up, down, ["big"])
    c.slices["dump"]["upstream"]["user"] = "tgd"
    assert not c.run(good=False) and "32004" in c.out, c.out
    c.slices["dump"]["options"] = {"consistency": "lock"}
    c.run()
    c.check()
    c.close()


def test_full_disk(build, up, down):
    """As root only: a folder of 1 MiB fills up, the dump waits, room comes back."""
    if os.getuid() != 0:
        return print("left out: it needs root, for a small file system")
    make_big(up, 20000)
    c = Copy(build, up, down, ["big"], dump=SMALL)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(c.dir / "state")], check=True)
    try:
        ballast = c.dir / "state" / ".." / "ballast"
        down.run("SET GLOBAL read_only=0")
        c.slices["load"]["options"] = {"threads": 1}
        c.start()
        c.wait()
        full = "60004" in c.out
        c.check()
        print("the disk was full" if full else "the disk was never full: " + str(ballast))
        assert full
    finally:
        subprocess.run(["umount", str(c.dir / "state")], check=True)
    c.close()


def main():
    build, up, down = sys.argv[1], Server(int(sys.argv[2])), Server(int(sys.argv[3]))
    tests = {n[5:]: f for n, f in globals().items() if n.startswith("test_")}
    failed = []
    for name in sys.argv[4:] or tests:
        clean(up)
        clean(down)
        begin = time.time()
        print(f"== {name}")
        try:
            tests[name](build, up, down)
        except AssertionError as e:
            failed.append(name)
            print(f"FAILED {name}: {e}")
        print(f"   {time.time() - begin:.1f} s")
    print(f"{len(sys.argv[4:] or tests) - len(failed)} passed, {len(failed)} failed: {' '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
