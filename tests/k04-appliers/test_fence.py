"""What the older one of two owners has under way: a COMMIT in the network, one whose reply is lost, one that stands in the server. And DDL among
transactions in flight, killed at each of its places. Relay and sync alone, between two servers."""
import random
import socket
import threading
import time

import pytest

import procs
from ends import Ends, check_meta, live


class Between:
    """A port in front of the downstream that catches one COMMIT: "held" does not let it through before go(); "lost" lets it through, and drops what the
    server says to it. The client does not see that the server has ended the connection, as in a network that is cut."""

    def __init__(self, port):
        self.port_behind, self.mode, self.caught, self.over = port, None, threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def go(self):
        self.over.set()

    def close(self):
        self.go()
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.port_behind))
            except OSError:
                return
            mine = threading.Event()  # this connection's COMMIT is the caught one
            for args in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._carry, args=(*args, mine), daemon=True).start()

    def _carry(self, source, sink, to_server, mine):
        try:
            while data := source.recv(1 << 16):
                if to_server and self.mode and b"COMMIT" in data and not self.caught.is_set():
                    mine.set()
                    self.caught.set()
                    if self.mode == "held":
                        self.over.wait(300)
                if to_server or not mine.is_set():
                    sink.sendall(data)
        except OSError:
            pass
        if mine.is_set():
            self.over.wait(300)
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def made(up, old):
    up.run("CREATE DATABASE p", "CREATE TABLE p.k (id int PRIMARY KEY, n int)", "CREATE TABLE p.t (a int)", "INSERT INTO p.k VALUES (1, 0)")
    old.wait(30)


def work(up):
    for i in range(20):
        up.run(f"INSERT INTO p.t VALUES ({i})", "UPDATE p.k SET n=n+1 WHERE id=1", f"INSERT INTO p.k VALUES ({10 + i}, 0)")


def successor(build_dir, ends, old):
    start = old.slices["sync"]["options"]["start"]
    return live.Follow(build_dir, ends.up, ends.down, ["p"], epoch=2, sync={"workers": 2}, start=(start["file"], start["offset"], start["gtid"])).start(300)


PAIRS = [("ma1011", "my97"), ("my97", "ma1011")]


@pytest.mark.parametrize("mode", ["held", "lost"])
@pytest.mark.parametrize("source, target", PAIRS)
def test_a_commit_on_its_way(build_dir, server, source, target, mode):
    """The older owner's COMMIT arrives when the newer one is at work; or it has arrived, and nobody tells the older one."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    old, new, between = live.Follow(build_dir, up, down, ["p"], sync={"workers": 4, "batch_rows": 1}), None, Between(down.port)
    old.slices["sync"]["downstream"]["port"] = between.port
    try:
        old.start(500)
        made(up, old)
        between.mode = mode
        work(up)
        assert between.caught.wait(60), old.out[-2000:]
        new = successor(build_dir, ends, old)
        new.wait(60)
        was = down.query("CHECKSUM TABLE p.k, p.t")
        between.go()
        old.wait_error(60501, 90)
        assert down.query("CHECKSUM TABLE p.k, p.t") == was
        work_more = [f"INSERT INTO p.k VALUES ({100 + i}, 1)" for i in range(5)]
        up.run("UPDATE p.k SET n=n+1", *work_more)
        new.end()
        check_meta(down, new)
    finally:
        between.close()
        for f in (old, new):
            if f:
                f.close()


def commit_stands(up, down, old, cur):
    """A lane waits in front of its COMMIT until the lock of the whole server is had; so the COMMIT stands behind that."""
    end = time.time() + 90
    old.failpoints.arm("sync_before_commit", "sleep", arg=300000)
    work(up)
    while not old.failpoints.fired("sync_before_commit"):
        assert time.time() < end, "no lane came to its COMMIT: " + old.out[-2000:]
        time.sleep(0.01)
    cur.execute("FLUSH TABLES WITH READ LOCK")
    old.failpoints.disarm("sync_before_commit")
    while not down.query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO='COMMIT'")[0][0]:
        assert time.time() < end, "no COMMIT stands in the server: " + old.out[-2000:]
        time.sleep(0.02)


@pytest.mark.parametrize("source, target", PAIRS)
def test_a_commit_that_stands_in_the_server(build_dir, server, source, target):
    """The older owner is gone, its COMMIT waits in the server, and may be done at any moment: the newer one must not read progress before that is over."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    old, new = live.Follow(build_dir, up, down, ["p"], sync={"workers": 4, "batch_rows": 1}), None
    try:
        old.start(500)
        made(up, old)
        with down.connect() as c, c.cursor() as cur:
            commit_stands(up, down, old, cur)
            old.stop_hard()
            new = successor(build_dir, ends, old)
            # it goes through the older one's connections, and stands at its first change of what is on record of them
            standing = "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DELETE FROM `dm_meta`.`tidegate_connection`%'"
            procs.wait_for(lambda: down.query(standing), 60, lambda: new.out[-2000:])
            cur.execute("UNLOCK TABLES")
        up.run("UPDATE p.k SET n=n+1")
        new.end()
        check_meta(down, new)
    finally:
        for f in (old, new):
            if f:
                f.close()


class Rows(threading.Thread):
    """Small transactions all the time, whatever the DDL does to the tables meanwhile."""

    def __init__(self, up, seed):
        super().__init__()
        self.up, self.rnd, self.ended, self.failed = up, random.Random(seed), threading.Event(), None

    def run(self):
        try:
            with self.up.connect(database="p") as c, c.cursor() as cur:
                while not self.ended.is_set():
                    t, i = self.rnd.choice(["a", "b", "c", "gone"]), self.rnd.randrange(300)
                    try:
                        cur.execute(self.rnd.choice([f"INSERT INTO {t} (id, n) VALUES ({i}, 0)", f"UPDATE {t} SET n=n+1 WHERE id={i}", f"DELETE FROM {t} WHERE id={i}"]))
                    except live.pymysql.MySQLError as e:
                        assert e.args[0] in (1062, 1146, 1213, 1205, 1412), e
                    time.sleep(0.001)
        except Exception as e:  # told by the test
            self.failed = e


DDL = ["ALTER TABLE p.a ADD COLUMN x{i} int DEFAULT {i}", "ALTER TABLE p.b ADD INDEX i{i} (n)", "CREATE TABLE p.gone (id int PRIMARY KEY, n int)", "RENAME TABLE p.a TO p.t, p.b TO p.a, p.t TO p.b",
       "TRUNCATE TABLE p.c", "ALTER TABLE p.c MODIFY n bigint", "ALTER TABLE p.c MODIFY n int", "DROP TABLE p.gone"]


@pytest.mark.parametrize("source, target", PAIRS)
@pytest.mark.parametrize("place", ["sync_ddl_doing", "sync_ddl_sent", "sync_before_commit", "sync_after_commit"])
def test_ddl_among_transactions(build_dir, server, source, target, place):
    """Four lanes at work on the tables that a DDL changes, one of them late; a kill at the statement's place, or at a lane's before it."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = live.Follow(build_dir, up, down, ["p"], sync={"workers": 4, "batch_rows": 5})
    rows = [Rows(up, i) for i in range(3)]
    try:
        f.start(500)
        up.run("CREATE DATABASE p", *(f"CREATE TABLE p.{t} (id int PRIMARY KEY, n int)" for t in "abc"))
        f.wait(30)
        for r in rows:
            r.start()
        for i, ddl in enumerate(DDL):
            time.sleep(0.2)
            before = f.failpoints.fired(place)
            f.failpoints.arm("sync_after_guard", "sleep", at=1, arg=400)
            f.failpoints.arm(place, "kill", at=1)
            up.run(ddl.format(i=i))
            end = time.time() + 90
            while f.failpoints.fired(place) == before and time.time() < end:
                time.sleep(0.02)
            assert f.failpoints.fired(place) > before, f"{place} was not passed at {ddl}"
        for r in rows:
            r.ended.set()
            r.join()
            assert not r.failed, r.failed
        f.end(seconds=180)
        check_meta(down, f)
    finally:
        for r in rows:
            r.ended.set()
        f.close()
