"""The upstream is not what it was: another server answers at the same address, or it came back from a crash without what it had (T20). A good
replica: the job goes on. One that lacks what was read: the job stops, says what is missing, and nothing more reaches the downstream."""
import pytest

import failover
import procs
from conftest import Pair
from tidegate import FAILED, INTERRUPTED
from workload import Workload

AHEAD = "60201"
GONE = "60202"


def long(*values):
    return pytest.param(*values, marks=pytest.mark.long)


def followed(j):
    j.start(until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    assert not j.ended(), j.story()
    return j


def synced(j, pair, schemas="app"):
    """The same command until it is synced; both sides equal."""
    j.run(timeout=120)
    pair.assert_equal(schemas, j.story)


def state_of(server):
    """What a later write would change: each table's rows, and the job's own progress."""
    tables = server.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'app' ORDER BY 1")
    return [(t, server.query(f"CHECKSUM TABLE app.`{t}`")) for (t,) in tables] + [server.query("SELECT position, gtid FROM dm_meta.tidegate_slot")]


def stops_ahead(j, target, words, timeout=120, parts=None):
    """The running job ends with the one clear error, nothing is applied behind it, and the same command says the same again. parts: of the state."""
    assert j.wait(timeout) == FAILED, j.story()
    j.assert_gone()
    before = state_of(target)[:parts]
    for word in (AHEAD, *words):
        assert word in j.stderr(), f"no {word!r}\n{j.story()}"
    again = j.run(timeout=120, expect=FAILED)
    assert AHEAD in again and words[0] in again, again
    assert state_of(target)[:parts] == before


def domains(name, pair, **kw):
    """Writers: in MariaDB one in a domain of its own beside the other."""
    work = [Workload(pair.source, "app", threads=2, rows=200, pause=0.002, **kw)]
    if name.startswith("ma"):
        work.append(Workload(pair.source, "app2", threads=2, rows=200, pause=0.002, seed=5, init_command="SET gtid_domain_id = 7", **kw))
    return work


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_good_replica(name, fleet, forward, server, job):
    """Another server by GTID, twice, and back: other file names and sizes, and in MariaDB two domains in another order. While it is followed, and while
    it is not."""
    a, b = fleet(name, "a", "b", extra="--slave-parallel-threads=4 --slave-domain-parallel-threads=2" if name.startswith("ma") else "")
    target = server("my97" if name != "my97" else "ma1011", "down")
    if name.startswith("my"):  # both come from a copy of a server of before, whose transactions no binlog and no file's head has
        for s in (a, b):
            s.run("SET GLOBAL gtid_purged='+11111111-1111-1111-1111-111111111111:1-50'")
    failover.follow(b, a)
    door = forward(a)
    pair = Pair(a, target)
    work = domains(name, pair)
    schemas = ["app", "app2"][:len(work)]
    for w in work:
        w.make()
    j = job(source_url=door.url(), target_url=target.url(), tables="app.*,app2.*")
    followed(j)
    for round_, (old, new) in enumerate(((a, b), (b, a))):
        for w in work:
            w.server = old
            w.start()
            w.wait(40)
        new.run("FLUSH BINARY LOGS")  # it begins in a file of which we have a part already
        for w in work:
            w.wait(40)
            w.stop()
        failover.wait_replica(new, old)
        if round_ == 1:
            assert j.interrupt() == INTERRUPTED, j.story()
        failover.promote(new)
        door.to(new)
        failover.follow(old, new)
        if round_ == 1:
            followed(j)
        else:  # a slow machine might be back at the first server before it has ever seen this one
            procs.wait_for(lambda: j.log().count("beginning with") == 2, 60, "it does not read from the other server")
        for w in work:
            w.server = new
            w.start()
            w.wait(40)
            w.stop()
        assert not j.ended(), j.story()
    assert j.interrupt() == INTERRUPTED, j.story()
    synced(j, Pair(a, target), schemas)
    assert j.log().count("beginning with") == 3, j.story()  # the first place, and two switches


def xa(server, name, *statements):
    """Prepared, and left behind by its connection."""
    with server.connect(database="app") as c, c.cursor() as cur:
        for s in (f"XA START '{name}'", *statements, f"XA END '{name}'", f"XA PREPARE '{name}'"):
            cur.execute(s)


@pytest.mark.parametrize("follows", [True, False], ids=["followed", "not-followed"])
@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_pending_xa(name, follows, fleet, forward, server, job):
    """Prepared on one server, decided on its replica that has taken its place; one of them later still, after another start."""
    a, b = fleet(name, "a", "b")
    target = server("my97" if name != "my97" else "ma1011", "down")
    for _ in range(3):
        b.run("FLUSH BINARY LOGS")
    failover.follow(b, a)
    door = forward(a)
    pair = Pair(a, target)
    a.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, n int)", *(f"INSERT INTO app.t VALUES ({i}, 0)" for i in range(20)))
    j = job(source_url=door.url(), target_url=target.url(), tables="app.*")
    followed(j)
    for i in range(4):
        xa(a, f"x{i}", f"UPDATE t SET n=n+1 WHERE id={i}", f"INSERT INTO t VALUES ({100 + i}, 1)")
        a.run(f"UPDATE app.t SET n=n+1 WHERE id={10 + i}")
    procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM dm_meta.tidegate_xa") == ((4,),) or j.ended(), 60, j.story)
    failover.wait_replica(b, a)
    if not follows:
        assert j.interrupt() == INTERRUPTED, j.story()
    failover.promote(b)
    for word in ("COMMIT 'x0'", "ROLLBACK 'x1'"):
        b.run(f"XA {word}")
    xa(b, "x0", "UPDATE t SET n=n+1 WHERE id=0")  # the name again
    door.to(b)
    if not follows:
        followed(j)
    b.run("XA COMMIT 'x2'", *(f"UPDATE app.t SET n=n+1 WHERE id={i}" for i in (2, 12)))
    procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM dm_meta.tidegate_xa") == ((2,),) or j.ended(), 60, j.story)
    assert j.interrupt() == INTERRUPTED, j.story()
    b.run("FLUSH BINARY LOGS", "XA COMMIT 'x3'", "XA COMMIT 'x0'")
    synced(j, Pair(b, target))
    assert target.query("SELECT COUNT(*) FROM dm_meta.tidegate_xa") == ((0,),)


@pytest.mark.parametrize("name", ["my97", long("ma1011")])
def test_after_the_copy(name, fleet, forward, server, job):
    """The copy was taken from one server, the following begins at another: by the copy's GTID set, as file and offset say nothing there."""
    a, b = fleet(name, "a", "b")
    target = server("ma1011" if name != "ma1011" else "my97", "down")
    for i in range(4):
        b.run("FLUSH BINARY LOGS")  # so that a file of this name is there, with other things in it
    failover.follow(b, a)
    door = forward(a)
    pair = Pair(a, target)
    work = Workload(a, "app", threads=2, rows=100, pause=0.002).make()
    a.run("FLUSH BINARY LOGS")
    j = job(source_url=door.url(), target_url=target.url(), tables="app.*")
    j.failpoints.arm("load_all_done", "sleep", arg=300000)
    with work:
        j.start(until=None)
        procs.wait_for(lambda: j.failpoints.fired("load_all_done") or j.ended(), 60, j.story)
        work.wait(30)
    failover.wait_replica(b, a)
    failover.promote(b)
    door.to(b)
    work.server = b
    with work:
        work.wait(30)
    procs.wait_for(lambda: j.log().count("beginning with") == 2 or j.ended(), 60, j.story)
    assert "following from" not in j.log(), "the switch came too late to show anything"
    j.failpoints.disarm("load_all_done")
    j.wait_log("following from")
    assert j.interrupt() == INTERRUPTED, j.story()
    synced(j, Pair(b, target))


@pytest.mark.parametrize("name, written", [("ma1011", 200), ("my97", 0), long("ma1011", 0), long("my97", 200)])
def test_replica_that_lacks_some(name, written, fleet, forward, server, job):
    """Transactions that we applied never reached the replica; also where it has written as many, or more, of its own since."""
    a, b = fleet(name, "a", "b")
    target = server("ma1011" if name != "ma1011" else "my97", "down")
    failover.follow(b, a)
    door = forward(a)
    pair = Pair(a, target)
    work = Workload(a, "app", threads=2, rows=100, pause=0.002).make()
    j = job(source_url=door.url(), target_url=target.url(), tables="app.*")
    followed(j)
    with work:
        work.wait(30)
    failover.wait_replica(b, a)
    failover.stop_following(b)
    with work:
        work.wait(30)
    assert j.interrupt() == INTERRUPTED, j.story()
    synced(j, pair)
    followed(j)
    failover.promote(b)
    if written:
        work.server = b
        with work:
            work.wait(written)
    door.to(b)
    last = next(iter(failover.executed(a)))
    stops_ahead(j, target, ["lacks", f"-{last[1]}" if name.startswith("ma") else last.split(":")[0].lower()])


class Turning(failover.Forwarder):
    """Once `then` is set: whoever asks for the binlog's files stays where it is, and each connection from then on is led to that server."""

    then = None

    def change(self, data):
        if self.then and b"SHOW BINARY LOGS" in data:
            self.target, self.then = self.then.port, None
        return data


class Parting(failover.Forwarder):
    """Once somebody reads the binlog each new connection is led to `then`: who reads stays where it is."""

    then = None

    def change(self, data):
        if self.then and data[4:5] == b"\x12":  # COM_BINLOG_DUMP
            self.target, self.then = self.then.port, None
        return data


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_a_copy_of_another_server(name, fleet, server, job):
    """The relay reads one server and the copy is made from another one: the copy's file and offset say nothing in that log, though it has such a file."""
    a, b = fleet(name, "a", "b")
    target = server("my97" if name != "my97" else "ma1011", "down")
    failover.follow(b, a)
    door = Parting(a)
    try:
        a.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, t varchar(500))", "INSERT INTO app.t VALUES (1, 'x')")
        b.run(*["SET gtid_domain_id = 9"][:name == "ma1011"], "CREATE DATABASE own", *(f"CREATE TABLE own.t{i} (id int PRIMARY KEY)" for i in range(40)), "DROP DATABASE own")  # its file is longer
        failover.wait_for_rows(b, "app.t", 1)
        door.then = b
        j = job(source_url=door.url() + "/?tls=disabled", target_url=target.url(), tables="app.*")
        j.failpoints.arm("load_all_done", "sleep", arg=300000)
        j.start("--no-check", until=None)  # it reads the binlog too
        procs.wait_for(lambda: j.failpoints.fired("load_all_done") or j.ended(), 60, j.story)
        assert door.target == b.port and not j.ended(), j.story()
        a.run(*(f"INSERT INTO app.t VALUES ({i}, REPEAT('x', 500))" for i in range(2, 30)))
        j.failpoints.disarm("load_all_done")
        assert j.wait(120) == FAILED, j.story()
        assert "60208" in j.stderr() and "the copy was made from the server" in j.stderr(), j.story()
        assert target.query("SELECT COUNT(*) FROM app.t") == ((1,),)
        door.to(b)
        failover.wait_for_rows(b, "app.t", 29)
        synced(j, Pair(b, target))
    finally:
        door.close()


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_between_two_connections(name, fleet, server, job):
    """One connection finds the old server, the next one, for the files, the new one, which has none of these names: no loss, only too early."""
    a, b = fleet(name, "a", "b")
    target = server("my97" if name != "my97" else "ma1011", "down")
    failover.follow(b, a)
    door = Turning(a)
    try:
        a.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)", *["FLUSH BINARY LOGS"] * 5)
        j = job(source_url=door.url() + "/?tls=disabled", target_url=target.url(), tables="app.*")
        followed(j)
        a.run("INSERT INTO app.t VALUES (2)")
        procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM app.t") == ((2,),) or j.ended(), 60, j.story)
        failover.wait_replica(b, a)
        failover.promote(b)
        door.then = b
        door.to(a)  # cuts what is open
        b.run("INSERT INTO app.t VALUES (3)")
        procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM app.t") == ((3,),) or j.ended(), 60, j.story)
        assert door.target == b.port, "it never asked for the files"
        assert not j.ended() and "another server answers" in j.log(), j.story()
        assert j.log().count("beginning with") == 2, j.story()
    finally:
        door.close()


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_replica_that_did_not_log(name, fleet, forward, server, job):
    """It has all that was read, and more that was not read yet; but that never went into its binlog, so it would be lost unseen."""
    a, = fleet(name, "a")
    b, = fleet(name, "b", extra="--log-slave-updates=OFF" if name.startswith("ma") else "--log-replica-updates=OFF")
    target = server("ma1011" if name != "ma1011" else "my97", "down")
    failover.follow(b, a)
    door = forward(a)
    a.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j = job(source_url=door.url(), target_url=target.url(), tables="app.*")
    followed(j)
    a.run("INSERT INTO app.t VALUES (2)")
    procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM app.t") == ((2,),) or j.ended(), 60, j.story)
    assert j.interrupt() == INTERRUPTED, j.story()
    a.run(*(f"INSERT INTO app.t VALUES ({i})" for i in range(3, 8)))
    procs.wait_for(lambda: b.query("SELECT COUNT(*) FROM app.t") == ((7,),), 60, lambda: failover.status(b))
    failover.promote(b)
    door.to(b)
    b.run("INSERT INTO app.t VALUES (8)")
    said = j.run(timeout=120, expect=FAILED)
    assert GONE in said and "does not have them in its binlog" in said, said
    assert target.query("SELECT COUNT(*) FROM app.t") == ((2,),)


def test_replica_made_later(fleet, forward, server, job):
    """MariaDB: made from a copy later than what was read, it logs what it applies since. Its binlog lacks what lies between, and its positions don't say so."""
    a, b = fleet("ma1011", "a", "b")
    target = server("my97", "down")
    door = forward(a)
    table = ("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
    a.run(*table, "INSERT INTO app.t VALUES (1)")
    j = job(source_url=door.url(), target_url=target.url(), tables="app.*")
    followed(j)
    a.run("INSERT INTO app.t VALUES (2)")
    procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM app.t") == ((2,),) or j.ended(), 60, j.story)
    assert j.interrupt() == INTERRUPTED, j.story()
    a.run(*(f"INSERT INTO app.t VALUES ({i})" for i in range(3, 8)))
    b.run("SET SESSION sql_log_bin = 0", *table, *(f"INSERT INTO app.t VALUES ({i})" for i in range(1, 8)))
    (position,), = a.query("SELECT @@global.gtid_binlog_pos")
    b.run("RESET MASTER", f"SET GLOBAL gtid_slave_pos = '{position}'")
    failover.follow(b, a)
    a.run("INSERT INTO app.t VALUES (8)")
    failover.wait_replica(b, a)
    failover.promote(b)
    assert b.query("SELECT COUNT(*) FROM app.t") == ((8,),)
    door.to(b)
    for _ in range(2):
        said = j.run(timeout=120, expect=FAILED)
        assert GONE in said and "made from a copy later" in said, said
        assert target.query("SELECT COUNT(*) FROM app.t") == ((2,),)
    a.run("INSERT INTO app.t VALUES (9)")
    door.to(a)
    synced(j, Pair(a, target))


@pytest.mark.parametrize("name, where", [("ma1011", "relay_after_write"), ("my97", "relay_after_write"), ("my97", "relay_rotate"), long("ma1011", "relay_rotate")])
def test_switch_cut_short(name, where, fleet, forward, server, job):
    """The second server goes away before its log came to where the first one's ended; the third one must have what was read of the first all the same."""
    a, b, c = fleet(name, "a", "b", "c")
    target = server("ma1011" if name != "ma1011" else "my97", "down")
    for replica in (b, c):
        failover.follow(replica, a)
    door = forward(a)
    a.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, t mediumtext)", *(f"INSERT INTO app.t VALUES ({i}, REPEAT('x', 50000))" for i in range(20)))
    failover.wait_replica(c, a)
    failover.stop_following(c)
    j = job(source_url=door.url(), target_url=target.url(), tables="app.*")
    followed(j)
    a.run("INSERT INTO app.t VALUES (100, 'only a and b have it')")
    last = next(iter(failover.executed(a)))
    failover.wait_replica(b, a)
    procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM app.t") == ((21,),) or j.ended(), 60, j.story)
    assert j.interrupt() == INTERRUPTED, j.story()
    failover.promote(b)
    failover.promote(c)
    door.to(b)
    j.failpoints.arm(where, "sleep", arg=300000)
    checked = "started check", "obituary check"
    before = len(j.log())
    followed(j)
    procs.wait_for(lambda: (j.failpoints.fired(where) and all(w in j.log()[before:] for w in checked)) or j.ended(), 60, j.story)
    door.to(c)
    for p in j.units("relay"):
        p.kill()
    # The sync may pass by what it knows of the log that there is: rows alone must stay.
    stops_ahead(j, target, ["lacks", f"-{last[1]}" if name.startswith("ma") else last.split(":")[0].lower()], parts=-1)
    b.run("INSERT INTO app.t VALUES (101, 'and more')")
    door.to(b)
    synced(j, Pair(b, target))


@pytest.mark.parametrize("name, gtid, written", [("ma1011", True, 0), ("my97", False, 200), long("ma1011", True, 200), long("my97", True, 0),
                                                 long("my97", True, 200), long("my97", False, 0)])
def test_crash_that_lost(name, gtid, written, fleet, server, job):
    """A server that came back with an older state of its own (sync_binlog=0): by GTID, and by files and sizes where there are none; also where it
    has written more since than what was lost."""
    if not gtid:  # MariaDB always has them
        a, = fleet(name, "c", extra="--gtid-mode=OFF --enforce-gtid-consistency=OFF")
    else:
        a, = fleet(name, "a")
    target = server("ma1011" if name != "ma1011" else "my97", "down")
    pair = Pair(a, target)
    work = Workload(a, "app", threads=2, rows=100, pause=0.002).make()
    old = failover.OldCopy(a)
    j = job(pair, tables="app.*")
    followed(j)
    with work:
        work.wait(60)
    assert j.interrupt() == INTERRUPTED, j.story()
    synced(j, pair)
    if not written:
        followed(j)
    old.put_back()
    if written:
        with work:
            work.wait(written)
        j.start(until=None)
    stops_ahead(j, target, ["lacks", "mysql-bin."])
