"""Several hosts and one master: a host that is lost, cut off or emptied gives its sources to another one, in every phase, and never do two write. Hosts
are supervisors of their own on this machine; the master stands on one that takes no sources."""
import os
import re
import shutil
import subprocess
import time

import pytest

import failover
import procs
from binlogs import Fence, binlog_text
from conftest import Pair
from cutover import read_only
from hosts import Host
from servers import PASSWORD, USER
from workload import Workload

LEASE = 3  # seconds


def binlog_end(server):
    """(file, offset, GTID set)"""
    mysql = server.flavor == "mysql"
    file, offset = server.query("SHOW BINARY LOG STATUS" if mysql else "SHOW MASTER STATUS")[0][:2]
    return file, offset, server.query("SELECT @@global.gtid_executed" if mysql else "SELECT @@global.gtid_binlog_pos")[0][0].replace("\n", "")


class Trio:
    """m with the master; a and b, who take sources."""

    def __init__(self, bin_dir, folder, pairs):
        self.folder, self.pairs = folder, pairs
        for p in pairs:
            p.log = own_log(p.target)
        key = folder / "key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        sockets = [str(folder / "m.r/master.sock")]
        self.m = Host(bin_dir, folder, "m", key=key, masters=sockets, config={"master": {"lease": LEASE}, "agent": {"capacity": 0}})
        self.m.start()
        self.a, self.b = (Host(bin_dir, folder, n, key=key, masters=sockets) for n in "ab")
        self.a.start(master=False)
        self.wait_stage("a", "free")

    def host(self, name):
        return {"a": self.a, "b": self.b}[name]

    def story(self):
        return "\n".join(h.story() for h in (self.m, self.a, self.b) if h.log.exists())

    def wait_stage(self, name, *stages, timeout=60):
        procs.wait_for(lambda: self.m.agents().get(name) in stages, timeout, f"{name} is not {stages}: {self.m.agents()}\n{self.story()}", 0.1)

    def begin(self, name="s1", pair=None, mode="all", extra=""):
        """A source and a task of it; who serves it."""
        pair = pair or self.pairs[0]
        source = self.folder / f"{name}.source.yaml"
        source.write_text(f"source-id: {name}\nfrom: {{host: 127.0.0.1, port: {pair.source.port}, user: {USER}, password: '{PASSWORD}'}}\n{extra}")
        self.m.ask("operate-source", "create", source)
        self.task(name, name, "app", pair, mode)

    def task(self, name, source, db, pair=None, mode="all", meta="", options=()):
        """A task t-NAME of that source's database; meta: ", meta: {…}"."""
        pair = pair or self.pairs[0]
        task = self.folder / f"{name}.task.yaml"
        task.write_text(f"name: t-{name}\ntask-mode: {mode}\n"
                        f"target-database: {{host: 127.0.0.1, port: {pair.target.port}, user: {USER}, password: '{PASSWORD}'}}\n"
                        f"mysql-instances: [{{source-id: {source}, block-allow-list: b{meta}}}]\nblock-allow-list: {{b: {{do-dbs: [{db}]}}}}\n")
        self.m.ask("start-task", task, *options)

    def status(self, name="s1"):
        """(worker, subtask) as query-status has it."""
        answer = self.m.ask("query-status", f"t-{name}", expect=None)
        if not isinstance(answer, dict) or not answer.get("sources"):
            return "", {}
        s = answer["sources"][0]
        return s["sourceStatus"]["worker"], s["subTaskStatus"][0] if s["subTaskStatus"] else {}

    def wait_sync(self, worker, name="s1", timeout=90):
        def there():
            at, sub = self.status(name)
            return at == worker and sub.get("stage") == "Running" and sub.get("unit") == "Sync" and sub["tidegate"]["sync"].get("phase") in ("catch-up", "live")
        procs.wait_for(there, timeout, lambda: f"{name} does not follow on {worker}: {self.status(name)}\n{self.story()}", 0.1)

    def told(self, name="s1"):
        """Until the master has heard, by a report, that all of this moment is applied: of what it has not heard, the next host knows nothing."""
        file, offset = binlog_end(self.pairs[0].source)[:2]
        time.sleep(1.5)  # reports come each second; what one says may be of a server before this one

        def heard():
            sync = self.status(name)[1].get("tidegate", {}).get("sync") or {}
            return (sync.get("file") or "", sync.get("offset") or 0) >= (file, offset)
        procs.wait_for(heard, 60, lambda: f"{name} is not at {file}:{offset}: {self.status(name)}\n{self.story()}", 0.1)

    def other(self):
        self.b.start(master=False)
        self.wait_stage("b", "free")

    def close(self):
        for h in (self.a, self.b, self.m):
            h.close()


@pytest.fixture
def trio(bin_dir, short_tmp, make_pair):
    os.chmod(short_tmp, 0o755)
    made = []

    def make(*names):
        made.append(Trio(bin_dir, short_tmp, [make_pair(*n) for n in names or (("ma1011", "my97"),)]))
        return made[-1]

    def of(pairs):
        made.append(Trio(bin_dir, short_tmp, pairs))
        return made[-1]

    make.of = of
    yield make
    for t in made:
        t.close()


class Behind:
    """A server behind a door: its port is the door's."""

    def __init__(self, port, server):
        self.port, self.server = port, server

    def __getattr__(self, name):
        return getattr(self.server, name)


def slots(pair):
    """{slot: (epoch, updated)}"""
    return {r[0]: r[1:] for r in pair.target.query("SELECT slot, epoch, updated FROM dm_meta.tidegate_slot")}


def epoch(pair):
    return max(e for e, _ in slots(pair).values())


def connections(pair, epoch):
    """Those that the owner of that epoch has noted."""
    return {r[0] for r in pair.target.query("SELECT connection FROM dm_meta.tidegate_connection WHERE epoch=%s", (epoch,))}


def wait_taken(pair, was, story, timeout=60):
    """Until somebody with a greater epoch has committed progress; seconds."""
    began = time.monotonic()
    before = pair.target.query("SELECT MAX(updated) FROM dm_meta.tidegate_slot")[0][0]
    procs.wait_for(lambda: any(e > was and u > before for e, u in slots(pair).values()), timeout, lambda: f"nobody took over\n{story()}", 0.05)
    return time.monotonic() - began


def finish(pair, work, story):
    work.stop()
    pair.source.run("CREATE TABLE IF NOT EXISTS app.last (id int PRIMARY KEY)", "REPLACE INTO app.last VALUES (7)")
    procs.wait_for(lambda: "last" in str(pair.target.query("SHOW TABLES IN app")) and pair.target.query("SELECT * FROM app.last"), 90,
                   lambda: f"the last change did not come\n{story()}", 0.2)
    pair.assert_equal("app", story)


def own_log(server):
    """A binlog file that is this test's first. In those before, a thread id may be somebody else's: they begin anew with each start of the server, and other
    tests have written to it, and perhaps started it again."""
    server.run("FLUSH BINARY LOGS")
    return server.query("SHOW BINARY LOGS")[-1][0]


def binlog_writers(pair):
    """Of a MySQL target: the thread ids of this test's transactions and statements, in the order of its binlog."""
    return [int(n) for line in binlog_text(pair.target, pair.log) for n in re.findall(r"\bthread_id=(\d+)", line)]


def writing(pair, epoch):
    """The connections of that epoch's owner, once it has written."""
    def seen():
        ours = connections(pair, epoch)
        return ours if (ours & set(binlog_writers(pair)) if pair.target.flavor == "mysql" else epoch in Fence({}).read(pair.target, pair.log).epochs) else None
    return procs.wait_for(seen, 60, "nobody writes", 0.3)


def assert_fenced(pair, old, was):
    """No byte of the old owner's, of epoch `was`, behind the first of today's. MariaDB names connections for statements alone: there the epoch is known of each
    transaction by its row in tidegate_slot."""
    now = epoch(pair)
    new = connections(pair, now)
    owners = dict.fromkeys(old, was) | dict.fromkeys(new, now)
    fence = procs.wait_for(lambda: (f := Fence(owners).read(pair.target, pair.log)).top >= now and f, 60, "the new owner writes nothing", 0.3)
    assert was < now and was in fence.epochs, f"the old owner is not seen at all: {was} {fence.epochs}"
    if pair.target.flavor != "mysql":
        return
    writers = procs.wait_for(lambda: (w := binlog_writers(pair)) and new & set(w) and w, 60, "the new owner writes nothing")
    first = next(i for i, w in enumerate(writers) if w in new)
    late = [w for w in writers[first:] if w in old]
    assert any(w in old for w in writers[:first]), "the old owner is not seen at all"
    assert not late, f"{len(late)} writes of the old owner behind the new one's first"


DIRECTIONS = [("ma1011", "my97"), ("my97", "ma1011")]


@pytest.mark.parametrize("direction", DIRECTIONS, ids="-to-".join)
def test_killed_in_sync(trio, direction):
    """The host of a running task is killed, and the next one too; each time the other takes over, after a lease and little more, with a relay log of its
    own, or the one it had."""
    t = trio(direction)
    pair = t.pairs[0]
    work = Workload(pair.source, "app", threads=3, rows=200, pause=0.005, ddl=True).make()
    t.begin()
    t.wait_sync("a")
    t.other()
    took = []
    with work:
        for now, then in (("a", "b"), ("b", "a"), ("a", "b")):
            work.wait(60)
            was = epoch(pair)
            old = writing(pair, was)
            t.host(now).kill()
            old |= connections(pair, was)
            took.append(wait_taken(pair, was, t.story))
            t.wait_sync(then)
            assert_fenced(pair, old, was)
            work.wait(30)
            pair.source.run("FLUSH BINARY LOGS")
            t.host(now).start(master=False)
            t.wait_stage(now, "free")
            assert not t.host(now).below("sync")
    finish(pair, work, t.story)
    print(f"taken over after {', '.join(f'{s:.1f}' for s in sorted(took))} s (lease {LEASE} s)")
    assert max(took) < LEASE + 30


@pytest.mark.parametrize("place", ["dump_mid_chunk", "load_before_commit", "load_after_commit", "load_all_done"])
@pytest.mark.parametrize("direction", DIRECTIONS, ids="-to-".join)
def test_killed_in_copy(trio, direction, place):
    """In the full phase: what is in the downstream stays, the other host reads only what is missing."""
    t = trio(direction)
    pair = t.pairs[0]
    work = Workload(pair.source, "app", threads=2, rows=300, pause=0.01).make()
    t.a.failpoints.arm(place, "sleep", at=2 if place == "load_before_commit" else 1, arg=300000)
    t.begin()
    with work:
        procs.wait_for(lambda: t.a.failpoints.fired(place), 60, lambda: f"{place} was not met\n{t.story()}")
        work.wait(20)
        t.other()
        time.sleep(1.2)  # its last report
        t.a.kill()
        t.wait_sync("b", timeout=90)
        work.wait(20)
    finish(pair, work, t.story)


@pytest.mark.parametrize("place", ["sync_before_commit", "sync_after_guard", "sync_before_guard"])
def test_cut_off_in_sync(trio, place):
    """A host that stands still in the middle of a transaction, with its locks, for longer than a lease, and comes back: it can't land another byte, and
    learns that the source is no longer its own."""
    t = trio()
    pair = t.pairs[0]
    work = Workload(pair.source, "app", threads=3, rows=200, pause=0.005).make()
    t.begin()
    t.wait_sync("a")
    t.other()
    with work:
        work.wait(40)
        was = epoch(pair)
        old = writing(pair, was)
        t.a.failpoints.arm(place, "sleep", arg=300000)
        procs.wait_for(lambda: t.a.failpoints.fired(place), 60, "the place was not met")
        t.a.freeze()
        old |= connections(pair, was)
        took = wait_taken(pair, was, t.story)
        t.wait_sync("b")
        t.a.failpoints.disarm(place)
        t.a.thaw()
        work.wait(60)
        t.wait_stage("a", "free")
        procs.wait_for(lambda: not t.a.below("sync") and not t.a.below("relay"), 60, lambda: f"a goes on\n{t.story()}")
        work.wait(60)
        assert_fenced(pair, old, was)
    finish(pair, work, t.story)
    print(f"taken over after {took:.1f} s (lease {LEASE} s)")


def test_cut_off_and_back(trio):
    """The one that took over is lost before the host that was cut off is back: it gets the source at once, and what it had ended with is no reason to pause."""
    t = trio()
    pair = t.pairs[0]
    work = Workload(pair.source, "app", threads=3, rows=200, pause=0.005).make()
    t.begin()
    t.wait_sync("a")
    t.other()
    with work:
        work.wait(40)
        was = epoch(pair)
        t.a.freeze()
        wait_taken(pair, was, t.story)
        t.wait_sync("b")
        pair.source.run("FLUSH BINARY LOGS")
        work.wait(40)
        t.told()
        t.b.kill()
        t.wait_stage("b", "offline")
        t.a.thaw()
        t.wait_sync("a")
        work.wait(40)
    finish(pair, work, t.story)
    assert t.status()[1]["stage"] == "Running", t.story()


@pytest.mark.parametrize("target", ["my97", "ma1011"])
def test_alter_waits_for_a_lock(trio, target):
    """The old owner's ALTER waits in the downstream for somebody's metadata lock while its host is cut off: it is ended before the new owner begins, and is
    executed once."""
    t = trio(("ma1011", target))
    pair = t.pairs[0]
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, a int)", "INSERT INTO app.t VALUES (1, 1)")
    t.begin()
    t.wait_sync("a")
    t.other()
    was = epoch(pair)
    old = writing(pair, was)
    holder = pair.target.connect(database="app", autocommit=False)
    with holder, holder.cursor() as cur:
        cur.execute("SELECT * FROM t")
        pair.source.run("ALTER TABLE app.t ADD COLUMN b int NOT NULL DEFAULT 3", "INSERT INTO app.t VALUES (2, 2, 2)")
        procs.wait_for(lambda: any("metadata lock" in str(r) for r in pair.target.query("SHOW PROCESSLIST")), 60, "no ALTER waits")
        t.a.freeze()
        procs.wait_for(lambda: epoch(pair) > was, 60, lambda: f"nobody took over\n{t.story()}")
        procs.wait_for(lambda: not old & {r[0] for r in pair.target.query("SHOW PROCESSLIST")}, 60, "the old owner's connections are there")
        holder.rollback()
    t.wait_sync("b")
    t.a.thaw()
    t.wait_stage("a", "free")
    pair.source.run("INSERT INTO app.t VALUES (3, 3, 3)")
    procs.wait_for(lambda: pair.target.query("SELECT COUNT(*) FROM app.t") == ((3,),), 60, t.story)
    assert_fenced(pair, old, was)
    pair.assert_equal("app", t.story)


def test_transfer_and_drain(trio):
    """A source is moved by hand, its host is emptied, and may be filled again; a member that is gone is forgotten."""
    t = trio()
    work = Workload(t.pairs[0].source, "app", threads=2, rows=100, pause=0.01).make()
    t.begin("s1")
    t.wait_sync("a")
    t.other()
    with work:
        refused = t.m.ask("transfer-source", "s1", "c", expect=1)
        assert "46004" in refused, refused
        units = {p.key for p in t.a.below("relay")}
        t.m.ask("transfer-source", "s1", "b")
        t.wait_sync("b")
        assert not t.a.below("sync") and units
        assert "60501" not in t.a.log.read_text(), "it did not let go first"
        t.wait_stage("a", "free")
        t.m.ask("drain-member", "-n", "b")
        t.wait_sync("a")
        assert t.m.agents()["b"] == "draining"
        refused = t.m.ask("transfer-source", "s1", "b", expect=1)
        assert "being drained" in refused, refused
        t.m.ask("drain-member", "-n", "b", "--cancel")
        t.wait_stage("b", "free")
        assert "46005" in t.m.ask("offline-member", "-w", "-n", "b", expect=1)
        t.b.kill()
        t.wait_stage("b", "offline")
        t.m.ask("offline-member", "-w", "-n", "b")
        assert "b" not in t.m.agents()
        work.wait(40)
    finish(t.pairs[0], work, t.story)


@pytest.mark.skipif(os.geteuid() != 0, reason="sources of their own users are wanted")
def test_slot_beyond_the_range(trio):
    """A host with fewer uids than the cluster has slots: a source that it has room for, but no uid, goes to one that can serve it, and stays there."""
    t = trio()
    pair = t.pairs[0]
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)",
                    "CREATE DATABASE more", "CREATE TABLE more.t (id int PRIMARY KEY)", "INSERT INTO more.t VALUES (1)")
    t.a.kill()
    t.wait_stage("a", "offline")
    t.other()
    t.begin("s1")
    t.wait_sync("b")
    t.a.options = ["--uid-range", "59000-59001"]  # one source, in slot 1
    t.a.start(master=False)
    t.wait_stage("a", "free")
    source = t.folder / "s2.source.yaml"
    source.write_text(f"source-id: s2\nfrom: {{host: 127.0.0.1, port: {pair.source.port}, user: {USER}, password: '{PASSWORD}'}}\n")
    assert t.m.ask("operate-source", "create", source)["sources"][0]["worker"] == "a"  # it has the fewest

    def workers():
        return {s["source"]: s["worker"] for s in t.m.ask("operate-source", "show")["sources"]}
    procs.wait_for(lambda: workers() == {"s1": "b", "s2": "b"}, 60, lambda: f"{workers()}\n{t.story()}")
    assert "agent a has no uid for the slot of source s2" in t.m.log.read_text(), t.story()
    t.task("s2", "s2", "more")
    t.wait_sync("b", "s2")
    refused = t.m.ask("transfer-source", "s2", "a", expect=1)
    assert "no uid for the slot" in refused, refused
    pair.source.run("INSERT INTO app.t VALUES (2)", "INSERT INTO more.t VALUES (2)")
    for db in ("app", "more"):
        procs.wait_for(lambda: (2,) in pair.target.query(f"SELECT id FROM {db}.t"), 60, lambda: f"{db} did not come\n{t.story()}", 0.1)
        pair.assert_equal(db, t.story)
    t.b.kill()  # what a can serve goes there, the other waits for its host
    t.wait_sync("a", "s1")
    assert workers() == {"s1": "a", "s2": "b"}, t.story()


def hold_a_lane(host, target):
    """One lane stands before its COMMIT, others have applied what is behind it. (It may be the scheduler's own that is met first: then again.)"""
    for _ in range(10):
        fired = host.failpoints.fired("sync_before_commit")
        host.failpoints.arm("sync_before_commit", "sleep", arg=300000)
        procs.wait_for(lambda: host.failpoints.fired("sync_before_commit") > fired, 60, "nothing was held")
        end = time.monotonic() + 6
        while time.monotonic() < end:
            if target.query("SELECT 1 FROM dm_meta.tidegate_slot WHERE applied<>''"):
                return
            time.sleep(0.1)
        host.failpoints.disarm("sync_before_commit")
        time.sleep(0.3)
    raise AssertionError("no lane went ahead")


@pytest.mark.parametrize("name", ["ma1011", "my97"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_upstream_switched(trio, fleet, forward, server, name, when):
    """The source's address leads to another server since the task began, or since the host was lost: the new host's relay log is of that server alone. What
    lanes had applied ahead of the watermark is passed by, by its place or by its GTIDs."""
    x, y = fleet(name, "x", "y")
    target = server("my97" if name != "my97" else "ma1011", "down")
    for _ in range(3):
        y.run("FLUSH BINARY LOGS")
    failover.follow(y, x)
    door = forward(x)
    t = trio.of([Pair(Behind(door.port, x), target)])
    pair = t.pairs[0]
    work = Workload(x, "app", threads=4, rows=200, pause=0.002).make()
    t.begin()
    t.wait_sync("a")
    t.other()

    def switch():
        failover.wait_replica(y, x)
        failover.promote(y)
        door.to(y)
        pair.source.server = work.server = y

    with work:
        work.wait(60)
    if when == "before":
        switch()
        with work:
            work.wait(60)
        procs.wait_for(lambda: t.a.log.read_text().count("beginning with") == 2, 60, lambda: f"no switch\n{t.story()}")
    with work:
        work.wait(40)
        hold_a_lane(t.a, target)
        work.wait(40)
    time.sleep(1.5)  # a report
    t.a.kill()
    if when == "meanwhile":
        switch()
    t.wait_sync("b", timeout=90)
    said = "going on by GTIDs" if when == "meanwhile" else "following from 2:"
    procs.wait_for(lambda: said in t.b.log.read_text(), 60, lambda: f"no {said!r}\n{t.story()}")
    assert when == "meanwhile" or "going on by GTIDs" not in t.b.log.read_text(), t.story()
    with work:
        work.wait(60)
    finish(pair, work, t.story)
    # And once more, so that what was left of the record must serve.
    t.a.start(master=False)
    t.wait_stage("a", "free")
    t.b.kill()
    t.wait_sync("a", timeout=90)
    pair.source.run("REPLACE INTO app.last VALUES (8)")
    procs.wait_for(lambda: (8,) in target.query("SELECT * FROM app.last"), 60, t.story)
    pair.assert_equal("app", t.story)


class Switching:
    """A server and its replica behind one address, and a trio."""

    def __init__(self, trio, fleet, forward, server, name):
        self.x, self.y = fleet(name, "x", "y")
        self.target = server("my97" if name != "my97" else "ma1011", "down")
        failover.follow(self.y, self.x)
        self.door = forward(self.x)
        self.t = trio.of([Pair(Behind(self.door.port, self.x), self.target)])
        self.pair = self.t.pairs[0]
        self.work = Workload(self.x, "app", threads=2, rows=100, pause=0.01).make()
        self.x.run("CREATE DATABASE other", "CREATE TABLE other.t (id int PRIMARY KEY)", "INSERT INTO other.t VALUES (1)")

    def switch(self):
        failover.wait_replica(self.y, self.x)
        failover.promote(self.y)
        self.door.to(self.y)
        self.pair.source.server = self.work.server = self.y

    def put(self, number):
        self.pair.source.run(f"INSERT INTO other.t VALUES ({number})")

    def wait_put(self, number):
        procs.wait_for(lambda: "other" in str(self.target.query("SHOW DATABASES")) and (number,) in self.target.query("SELECT * FROM other.t"), 60,
                       lambda: f"{number} did not come\n{self.t.status('o')}\n{self.t.story()}")


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_log_of_a_paused_task(trio, fleet, forward, server, name):
    """One task is paused, another one of the same source goes on elsewhere, behind a switch of the upstream: when the source is back at the host whose relay
    log the paused one needs, and which nobody else has any more, the log is kept, and goes on in a generation that means the same on both hosts."""
    s = Switching(trio, fleet, forward, server, name)
    t = s.t
    t.begin()
    t.task("o", "s1", "other")
    t.wait_sync("a")
    t.wait_sync("a", "o")
    t.other()
    with s.work:
        s.work.wait(30)
        t.m.ask("pause-task", "t-s1")
        procs.wait_for(lambda: t.status()[1].get("stage") == "Paused", 60, t.story)
        s.work.wait(30)
    s.put(2)
    s.wait_put(2)
    t.told("o")
    t.a.kill()
    s.switch()
    s.y.run("FLUSH BINARY LOGS")
    t.wait_sync("b", "o", timeout=90)
    s.put(3)
    s.wait_put(3)
    t.told("o")
    last = s.y.query("SHOW BINARY LOGS")[-1][0]
    s.y.run(f"PURGE BINARY LOGS TO '{last}'")
    t.a.start(master=False)
    t.wait_stage("a", "free")
    t.b.kill()
    t.wait_sync("a", "o", timeout=90)
    assert "the relay log is kept, though it ends before" in t.a.log.read_text(), t.story()
    s.put(4)
    s.wait_put(4)
    t.m.ask("resume-task", "t-s1")
    t.wait_sync("a")
    with s.work:
        s.work.wait(30)
    finish(s.pair, s.work, t.story)
    s.pair.assert_equal("other", t.story)


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_task_begins_behind_a_switch(trio, fleet, forward, server, name):
    """A task that has applied nothing yet, with file and set of the server of before, older than what another task needs: the log begins by its set."""
    s = Switching(trio, fleet, forward, server, name)
    t = s.t
    file, offset, gtid = binlog_end(s.x)
    s.target.run("CREATE DATABASE other", "CREATE TABLE other.t (id int PRIMARY KEY)")
    s.target.run("INSERT INTO other.t VALUES (1)")
    s.put(2)
    s.x.run("FLUSH BINARY LOGS")
    failover.wait_replica(s.y, s.x)
    s.y.run("FLUSH BINARY LOGS")
    t.begin()
    t.wait_sync("a")
    t.other()
    with s.work:
        s.work.wait(30)
    t.told()
    t.b.kill()
    t.a.kill()
    t.task("o", "s1", "other", mode="incremental", meta=f', meta: {{binlog-name: {file}, binlog-pos: {offset}, binlog-gtid: "{gtid}"}}', options=["--no-check"])
    s.switch()
    t.b.start(master=False)
    t.wait_sync("b", timeout=90)
    s.put(3)
    s.wait_put(3)
    s.wait_put(2)
    finish(s.pair, s.work, t.story)
    s.pair.assert_equal("other", t.story)


@pytest.mark.parametrize("switches", ["once", "twice", "to-later-files"])
def test_switch_that_no_master_heard_of(trio, fleet, forward, server, switches):
    """While the master is away, the source's address goes from x to y (twice: and on to z), and the host is lost that followed it there. The next one's relay
    knows of x only, so it numbers z as the lost one did y: what was applied up to is not looked for in z's file of the same name, nor waited for in
    silence, nor said to be purged where z's files have higher numbers. Begun anew, the relay log goes on by GTIDs, without a gap."""
    x, y, z = fleet("ma1011", "x", "y", "z")
    target = server("my97", "down")
    failover.follow(y, x)
    failover.follow(z, x)
    door = forward(x)
    t = trio.of([Pair(Behind(door.port, x), target)])
    pair = t.pairs[0]
    x.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    t.begin()
    t.wait_sync("a")
    t.other()

    def put(s, n):
        s.run(f"INSERT INTO app.t VALUES ({n})")

    def comes(n):
        procs.wait_for(lambda: (n,) in target.query("SELECT id FROM app.t"), 60, lambda: f"{n} did not come\n{t.story()}", 0.1)

    def switch(to, of):
        failover.wait_replica(to, of)
        failover.promote(to)
        door.to(to)
        pair.source.server = to

    if switches == "to-later-files":
        failover.wait_replica(z, x)
        z.run(*["FLUSH BINARY LOGS"] * 8)
    put(x, 2)
    comes(2)
    t.told()
    t.m.freeze()
    failover.wait_replica(z, x)
    failover.promote(z)
    switch(y, x)
    failover.follow(z, y)
    for n in range(3, 60):
        put(y, n)
    comes(59)
    if switches == "twice":
        switch(z, y)
        put(z, 60)
        comes(60)
        time.sleep(1.5)
    t.a.kill()
    if switches != "twice":
        put(y, 60)
        switch(z, y)
    t.m.thaw()
    for n in range(61, 200):
        put(z, n)
    procs.wait_for(lambda: t.status()[1].get("stage") == "Paused", 60, lambda: f"{t.status()}\n{t.story()}")
    error = str(t.status()[1]["tidegate"]["error"])
    assert "60208" in error and "resume the task, the relay then begins anew" in error, error
    t.m.ask("resume-task", "t-s1")
    t.wait_sync("b")
    comes(199)
    procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM app.t") == z.query("SELECT COUNT(*) FROM app.t"), 60, t.story)  # other appliers may be behind that row
    pair.assert_equal("app", t.story)


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_copied_then_switched(trio, fleet, forward, server, name):
    """The copy is done, and nothing was applied yet, when its host is lost and the source's address goes to a server that has a file of the same name, with
    all that was written since before the copy's offset: by file and offset it would be passed by."""
    x, y = fleet(name, "x", "y")
    target = server("my97" if name != "my97" else "ma1011", "down")
    x.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(500))")
    for n in range(100):
        x.run(f"INSERT INTO app.t VALUES ({n}, REPEAT('x', 400))")
    failover.follow(y, x)
    failover.wait_replica(y, x)
    y.run("FLUSH BINARY LOGS")  # a short file there
    number = int(y.query("SHOW BINARY LOGS")[-1][0].rpartition(".")[2])
    while int(x.query("SHOW BINARY LOGS")[-1][0].rpartition(".")[2]) < number:
        x.run("FLUSH BINARY LOGS")
    failover.wait_replica(y, x)
    failover.stop_following(y)
    y.run("FLUSH BINARY LOGS")
    while int(x.query("SHOW BINARY LOGS")[-1][0].rpartition(".")[2]) < int(y.query("SHOW BINARY LOGS")[-1][0].rpartition(".")[2]):
        x.run("FLUSH BINARY LOGS")
    for n in range(100, 160):
        x.run(f"INSERT INTO app.t VALUES ({n}, REPEAT('x', 400))")
    door = forward(x)
    t = trio.of([Pair(Behind(door.port, x), target)])
    pair = t.pairs[0]
    t.a.failpoints.arm("sync_after_guard", "sleep", arg=300000)
    t.begin()
    procs.wait_for(lambda: t.a.failpoints.fired("sync_after_guard"), 60, lambda: f"the sync did not begin\n{t.story()}")
    t.other()
    procs.wait_for(lambda: t.status()[1].get("unit") == "Sync", 60, t.story)  # a report
    for n in range(160, 200):
        x.run(f"INSERT INTO app.t VALUES ({n}, '')")
    t.a.kill()
    y.run("START REPLICA" if y.flavor == "mysql" else "START SLAVE")
    failover.wait_replica(y, x)
    failover.promote(y)
    door.to(y)
    pair.source.server = y
    y.run("INSERT INTO app.t VALUES (200, '')")
    t.wait_sync("b", timeout=90)
    procs.wait_for(lambda: (200,) in target.query("SELECT id FROM app.t"), 60, lambda: f"it did not come\n{t.story()}", 0.1)
    procs.wait_for(lambda: target.query("SELECT COUNT(*) FROM app.t") == y.query("SELECT COUNT(*) FROM app.t"), 60, t.story)  # other appliers may be behind that row
    assert "a copy was made from" in t.b.log.read_text(), t.story()
    pair.assert_equal("app", t.story)


@pytest.mark.parametrize("flushes", [1, 3])
def test_relay_log_is_kept_and_lost(trio, flushes):
    """enable-relay: each host pulls a log of its own, from what is needed; an old one that ends before that is thrown away; what the upstream has purged
    is a clear error."""
    t = trio()
    pair = t.pairs[0]
    work = Workload(pair.source, "app", threads=2, rows=100, pause=0.01).make()
    t.begin(extra="enable-relay: true\n")
    t.wait_sync("a")
    t.other()
    with work:
        work.wait(20)
        t.told()
        t.a.kill()
        t.wait_sync("b")
        for _ in range(flushes):
            pair.source.run("FLUSH BINARY LOGS")
            work.wait(10)
        t.told()
        last = pair.source.query("SHOW BINARY LOGS")[-1][0]
        pair.source.run(f"PURGE BINARY LOGS TO '{last}'")
        t.a.start(master=False)
        t.wait_stage("a", "free")
        t.b.kill()
        t.wait_sync("a")
        assert "the relay log is thrown away: it ends before what is needed" in t.a.log.read_text(), t.story()
        work.wait(20)
    finish(pair, work, t.story)
    t.m.ask("pause-task", "t-s1")
    procs.wait_for(lambda: not t.a.below("sync"), 60, t.story)
    for i in range(3):
        pair.source.run(f"REPLACE INTO app.last VALUES ({i})", "FLUSH BINARY LOGS")
    time.sleep(1.5)
    last = pair.source.query("SHOW BINARY LOGS")[-1][0]
    t.a.kill()

    def purged():  # none that a dump thread is still in
        pair.source.run(f"PURGE BINARY LOGS TO '{last}'")
        return pair.source.query("SHOW BINARY LOGS")[0][0] == last
    procs.wait_for(purged, 60, f"the binlog before {last} stays", 0.5)
    shutil.rmtree(t.b.state / "sources")
    t.b.start(master=False)
    t.wait_stage("b", "bound")
    t.m.ask("resume-task", "t-s1")

    def lost():
        sub = t.status()[1]
        return sub.get("stage") == "Paused" and "60202" in str(sub["tidegate"]["error"])

    procs.wait_for(lost, 60, lambda: f"{t.status()}\n{t.story()}")


def test_host_lost_while_a_cutover_compares(trio):
    """Whoever waits for its findings hears that none will come; where another host has the source by then, the same command works."""
    t = trio()
    pair = t.pairs[0]
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    t.begin()
    t.wait_sync("a")
    t.other()
    t.a.failpoints.arm("cutover_compare", "sleep", arg=300000)
    words = [str(t.m.bin / "tidegate"), "cutover", "t-s1", "--check", "--master", str(t.m.run), "--json"]
    read_only(pair.source)
    try:
        cutover = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            procs.wait_for(lambda: t.a.failpoints.fired("cutover_compare"), 60, t.story)
            t.a.kill()
            out, err = cutover.communicate(timeout=100)
        finally:
            cutover.kill()
        assert cutover.returncode == 1 and "46009" in err and "source `s1` is agent `b`'s now" in err and "agent `a`" in err, (out, err, t.story())
        t.wait_sync("b")
        said = t.m.ask("cutover", "t-s1", "--check")
        assert said["result"] and "tables" in str(said), said
    finally:
        read_only(pair.source, False)
