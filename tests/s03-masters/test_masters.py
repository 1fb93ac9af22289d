"""Several masters on a real etcd: one leads, the others pass on; whoever dies, running jobs lose nothing. And the way there: migrate; and
an older copy of a store, which is refused."""
import os
import shutil
import signal
import subprocess
import time

import pytest

import etcd as etcd_module
import procs
from hosts import Host
from servers import PASSWORD, USER
from workload import Workload

LEASE = 3  # seconds, of the masters (etcd.py)


@pytest.fixture
def cluster(tmp_path, short_tmp):
    made = []

    def make(n=1, tls=False):
        made.append(etcd_module.Etcd(short_tmp / f"etcd{len(made)}", n, tls))
        return made[-1]

    yield make
    for e in made:
        e.close()


@pytest.fixture
def hosts(bin_dir, short_tmp):
    os.chmod(short_tmp, 0o755)
    made = []

    def make(name, **kw):
        made.append(Host(bin_dir, short_tmp, name, **kw))
        return made[-1]

    make.path = short_tmp
    yield make
    for h in made:
        h.close()


def files(folder, pair):
    source, task = folder / "source.yaml", folder / "task.yaml"
    source.write_text(f"source-id: s1\nfrom: {{host: 127.0.0.1, port: {pair.source.port}, user: {USER}, password: '{PASSWORD}'}}\n")
    task.write_text(f"name: t\ntask-mode: all\ntarget-database: {{host: 127.0.0.1, port: {pair.target.port}, user: {USER}, password: '{PASSWORD}'}}\n"
                    "mysql-instances: [{source-id: s1, block-allow-list: b}]\nblock-allow-list: {b: {do-dbs: [app]}}\n")
    return source, task


def subtask(host):
    answer = host.ask("query-status", "t", expect=None)
    return answer["sources"][0]["subTaskStatus"][0] if isinstance(answer, dict) and answer.get("sources") else {}


def start_task(host, pair, folder):
    """With its source at this host's agent."""
    source, task = files(folder, pair)
    procs.wait_for(host.agents, 60, f"no agent\n{host.story()}")
    host.ask("operate-source", "create", source)
    host.ask("start-task", task)


def begin(host, pair, folder):
    """The task follows."""
    start_task(host, pair, folder)
    procs.wait_for(lambda: subtask(host).get("unit") == "Sync" and host.below("sync"), 60, f"it does not follow: {subtask(host)}\n{host.story()}", 0.2)


def masters(host):
    """{name: (alive, leads, stands)}"""
    answer = host.ask("list-member", "-m", expect=None)
    return {m["name"]: (m["alive"], m["tidegate"]["leader"], m["tidegate"]["stands"]) for m in answer["members"][0]["master"]["masters"]} if isinstance(answer, dict) else {}


def same_units(host, before):
    return {p.key for u in ("relay", "sync") for p in host.below(u)} == before


def units(host):
    return {p.key for u in ("relay", "sync") for p in host.below(u)}


def finish(pair, work, host):
    work.stop()
    pair.source.run("CREATE TABLE app.last (id int PRIMARY KEY)", "INSERT INTO app.last VALUES (7)")
    procs.wait_for(lambda: "last" in str(pair.target.query("SHOW TABLES IN app")) and pair.target.query("SELECT * FROM app.last"), 60,
                   f"the last change did not come\n{host.story()}", 0.2)
    pair.assert_equal("app", host.story)


def test_leader_killed(cluster, hosts, make_pair):
    """kill -9 of the leading master, its supervisor held so that it does not come back at once: the other one leads within a lease; the
    units go on, the same processes under the same epoch; what is asked of either master is answered."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=2, rows=100, pause=0.01).make()
    etcd = cluster()
    sockets = [str(hosts.path / "a.r/master.sock"), str(hosts.path / "b.r/master.sock")]
    a = hosts("a", store=etcd.url(), masters=sockets).start()
    a.wait_leader({"a"})
    begin(a, pair, hosts.path)
    b = hosts("b", store=etcd.url(), masters=sockets, key=a.state / "key").start()
    procs.wait_for(lambda: set(b.agents()) == {"a", "b"}, 60, f"not both agents\n{b.story()}")
    assert a.leader() == b.leader() == "a"
    assert subtask(b)["stage"] == "Running"  # passed on
    with work:
        work.wait(20)
        before, master = units(a), a.below("master")[0]
        assert len(before) == 2
        a.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        master.kill()
        b.wait_leader({"b"}, 60)
        took = time.monotonic() - began
        print(f"another master leads {took:.1f} s after the kill (lease {LEASE} s)")
        assert took < LEASE + 20  # on a machine that has much else to do
        assert units(a) == before, "units were started again"
        procs.wait_for(lambda: subtask(b).get("stage") == "Running" and subtask(b).get("unit") == "Sync", 60, lambda: f"{subtask(b)}\n{b.story()}", 0.2)
        procs.wait_for(lambda: b.agents().get("a") == "bound", 60, lambda: f"{b.agents()}\n{b.story()}")  # once it has found it
        # A command to the new leader reaches the agent, which found it by itself.
        b.ask("pause-task", "t")
        procs.wait_for(lambda: not a.below("sync"), 60, f"not paused\n{a.story()}")
        a.process.send_signal(signal.SIGCONT)
        a.wait_leader({"b"}, 60)  # its master is back, and passes on
        a.ask("resume-task", "t")
        procs.wait_for(lambda: a.below("sync") and subtask(a).get("unit") == "Sync", 60, f"not resumed\n{a.story()}\n{b.story()}")
        work.wait(20)
        # And an orderly end: the other one leads at once.
        before = units(a)
        procs.wait_for(lambda: a.below("master"), 60, "no master")
        began = time.monotonic()
        b.below("master")[0].kill(signal.SIGTERM)
        a.wait_leader({"a"}, 60)
        print(f"after a SIGTERM: {time.monotonic() - began:.1f} s")
        time.sleep(2 * LEASE)
        assert units(a) == before, "units were started again"
    finish(pair, work, a)


def test_operate_leader(cluster, hosts, make_pair):
    """evict, typed at either master: the other one leads, and the evicted one stands no more; the last one that stands is not evicted; cancel-evict. Units go on.
    All masters are on the list, also one that has ended, until it is taken off."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    etcd = cluster()
    sockets = [str(hosts.path / "a.r/master.sock"), str(hosts.path / "b.r/master.sock")]
    a = hosts("a", store=etcd.url(), masters=sockets).start()
    a.wait_leader({"a"})
    begin(a, pair, hosts.path)
    b = hosts("b", store=etcd.url(), masters=sockets, key=a.state / "key").start()
    procs.wait_for(lambda: b.leader() == "a", 60, f"does not follow\n{b.story()}")
    before = units(a)
    procs.wait_for(lambda: masters(b) == {"a": (True, True, True), "b": (True, False, True)}, 60, b.story)
    assert b.ask("operate-leader", "evict") == {"result": True, "msg": ""}  # passed on to the leader
    a.wait_leader({"b"}, 60)
    time.sleep(2 * LEASE)
    assert a.leader() == b.leader() == "b"
    said = b.ask("operate-leader", "evict", expect=1)  # nobody would lead
    assert "no other master" in said, said
    assert b.leader() == "b"
    assert masters(b) == {"a": (True, False, False), "b": (True, True, True)}  # alive, leads, stands
    assert sorted(b.ask("config", "master")["names"]) == ["a", "b"]
    assert "end it first" in b.ask("offline-member", "-m", "-n", "a", expect=1)
    assert a.ask("operate-leader", "cancel-evict") == {"result": True, "msg": ""}
    procs.wait_for(lambda: masters(b).get("a") == (True, False, True), 60, b.story)
    assert b.ask("operate-leader", "evict") == {"result": True, "msg": ""}
    b.wait_leader({"a"}, 60)
    assert units(a) == before, "units were started again"
    assert b.stop() == 0
    procs.wait_for(lambda: masters(a) == {"a": (True, True, True), "b": (False, False, False)}, 60, a.story)
    assert "b.r/master.sock" in a.ask("config", "master", "b")["cfg"]
    a.ask("offline-member", "-m", "-n", "b")
    assert set(masters(a)) == {"a"}
    assert "46004" in a.ask("offline-member", "-m", "-n", "b", expect=1)
    assert "evict" in a.ask("operate-leader", "promote", expect=2)
    pair.assert_equal("app", a.story)


def test_leader_frozen(cluster, hosts, make_pair):
    """SIGSTOP of the leading master: its socket stays open and says nothing. The agents find the other one before it takes them for lost, so
    no source moves and no unit is started again."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=1, rows=50, pause=0.02).make()
    etcd = cluster()
    sockets = [str(hosts.path / "a.r/master.sock"), str(hosts.path / "b.r/master.sock")]
    a = hosts("a", store=etcd.url(), masters=sockets).start()
    a.wait_leader({"a"})
    begin(a, pair, hosts.path)
    b = hosts("b", store=etcd.url(), masters=sockets, key=a.state / "key").start()
    procs.wait_for(lambda: set(b.agents()) == {"a", "b"}, 60, f"not both agents\n{b.story()}")
    with work:
        work.wait(20)
        before, master = units(a), a.below("master")[0]
        assert len(before) == 2
        master.kill(signal.SIGSTOP)
        b.wait_leader({"b"}, 60)
        until, seen = time.monotonic() + 25, set()
        while time.monotonic() < until:
            seen.update(b.agents().items())
            time.sleep(0.2)
        assert seen == {("a", "bound"), ("b", "free")}, f"{seen}\n{b.story()}"
        assert units(a) == before and not units(b), f"units were started again\n{a.story()}\n{b.story()}"
        assert subtask(b).get("stage") == "Running" and "no longer that of" not in b.log.read_text(), b.story()
        master.kill(signal.SIGCONT)
        a.wait_leader({"b"}, 60)  # it sees that its term is over, and passes on
        work.wait(20)
        assert units(a) == before
    finish(pair, work, a)


def test_leader_killed_in_copy(cluster, hosts, make_pair):
    """The same in the full phase: the copy is held in the middle while the lead changes, and goes on by the same processes; the new leader
    learns of its end."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=1, rows=200, pause=0.02).make()
    etcd = cluster()
    sockets = [str(hosts.path / "a.r/master.sock"), str(hosts.path / "b.r/master.sock")]
    a = hosts("a", store=etcd.url(), masters=sockets).start()
    a.wait_leader({"a"})
    a.failpoints.arm("load_before_commit", "sleep", at=2, arg=300000)
    start_task(a, pair, hosts.path)
    procs.wait_for(lambda: a.failpoints.fired("load_before_commit"), 60, "no chunk was loaded")
    b = hosts("b", store=etcd.url(), masters=sockets, key=a.state / "key").start()
    procs.wait_for(lambda: set(b.agents()) == {"a", "b"}, 60, "not both agents")
    with work:
        before = {p.key for u in ("relay", "dump", "load") for p in a.below(u)}
        assert len(before) == 3
        a.process.send_signal(signal.SIGSTOP)
        a.below("master")[0].kill()
        b.wait_leader({"b"}, 60)
        procs.wait_for(lambda: subtask(b).get("unit") == "Load", 60, f"{subtask(b)}\n{b.story()}", 0.2)
        a.process.send_signal(signal.SIGCONT)
        assert {p.key for u in ("relay", "dump", "load") for p in a.below(u)} == before, f"units were started again\n{a.story()}"
        a.failpoints.disarm("load_before_commit")
        procs.wait_for(lambda: subtask(b).get("unit") == "Sync" and a.below("sync"), 60, f"{subtask(b)}\n{a.story()}", 0.2)
        work.wait(10)
    finish(pair, work, a)


def test_etcd_away(cluster, hosts, make_pair):
    """One etcd member of three is killed, then two, for longer than any lease: the job goes on all the time, and the masters afterwards."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=2, rows=100, pause=0.01).make()
    etcd = cluster(3)
    a = hosts("a", store=etcd.url()).start()
    a.wait_leader({"a"})
    begin(a, pair, hosts.path)
    with work:
        before = units(a)
        etcd.kill(0)
        time.sleep(2)
        procs.wait_for(lambda: subtask(a).get("stage") == "Running", 60, a.story, 0.2)
        etcd.kill(1)
        time.sleep(LEASE + 12)
        assert a.leader() == ""
        assert units(a) == before, f"units were started again\n{a.story()}"
        work.wait(20)
        etcd.again(0)
        a.wait_leader({"a"}, 60)
        procs.wait_for(lambda: subtask(a).get("stage") == "Running", 60, a.story, 0.2)
        etcd.again(1)
        time.sleep(LEASE)
        assert units(a) == before, f"units were started again\n{a.story()}"
    finish(pair, work, a)


def test_tls_and_login(cluster, hosts, make_pair):
    """etcds:// by a host's name, with certificates on both sides and a user's password out of a file, through the box; a restart of etcd,
    after which no login is known, is not noticed."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=1, rows=50, pause=0.02).make()
    etcd = cluster(tls=True)
    etcd.wants_login("tide", "s3cret:word", "/site/tide")
    word = hosts.path / "word"
    word.write_text("s3cret:word\n")
    word.chmod(0o644)
    f = etcd.folder
    url = f"etcds://tide@localhost:{etcd.ports[0]}/site/tide?ca={f}/ca.pem&cert={f}/client.pem&key={f}/client.key&password-file={word}"
    a = hosts("a", store=url).start()
    a.wait_leader({"a"})
    begin(a, pair, hosts.path)
    master = a.below("master")[0]
    assert master.status()["Seccomp"] == "2"
    with work:
        work.wait(10)
        before = units(a)
        etcd.kill(0)
        etcd.again(0)
        a.ask("pause-task", "t")
        procs.wait_for(lambda: not a.below("sync"), 60, a.story())
        a.ask("resume-task", "t")
        procs.wait_for(lambda: subtask(a).get("unit") == "Sync" and a.below("sync"), 60, f"{subtask(a)}\n{a.story()}", 0.2)
        assert a.below("master")[0].key == master.key, "the master was started again"
        assert len(before & units(a)) == 1  # the relay
    finish(pair, work, a)
    log = a.log.read_text()
    assert "s3cret" not in log and not [p for p in a.below("master") if "s3cret" in p.title]
    assert "without TLS" not in log


def test_migrate(cluster, hosts, make_pair, bin_dir):
    """A host with a task moves to a cluster, offline, and goes on where it was."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=2, rows=100, pause=0.01).make()
    etcd = cluster()
    a = hosts("a").start()
    begin(a, pair, hosts.path)
    move = [str(bin_dir / "tidegate-master"), "migrate", "--state", str(a.state), "--to", etcd.url()]
    refused = subprocess.run(move, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "end the master first" in refused.stderr, refused
    with work:
        work.wait(20)
        assert a.stop() == 0
        done = subprocess.run(move, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "is in etcd://" in done.stdout, done
        again = subprocess.run(move, capture_output=True, text=True, timeout=60)
        assert again.returncode == 1 and "was moved to etcd://" in again.stderr, again
        a.start()  # without --store: the file says where it went
        procs.wait_for(lambda: "was moved to etcd://" in a.log.read_text(), 60, a.story)
        a.close()
        a.store = etcd.url()
        a.start()
        a.wait_leader({"a"})
        procs.wait_for(lambda: subtask(a).get("unit") == "Sync" and a.below("sync"), 60, f"it does not go on: {subtask(a)}\n{a.story()}", 0.2)
        work.wait(20)
    finish(pair, work, a)
    usage = subprocess.run([move[0], "migrate", "--to", etcd.url()], capture_output=True, text=True)
    assert usage.returncode == 2 and "usage" in usage.stderr


def copy_folder(frm, to):
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run(["cp", "-a", str(frm), str(to)], check=True)


@pytest.mark.parametrize("backend", ["sqlite", "etcd"])
def test_older_copy(cluster, hosts, make_pair, backend):
    """A copy of the store from before the last commands comes back: nobody is told anything by it, until it is accepted."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=1, rows=50, pause=0.02).make()
    etcd = cluster() if backend == "etcd" else None
    a = hosts("a", store=etcd.url() if etcd else None).start()
    begin(a, pair, hosts.path)
    kept = hosts.path / "kept"
    place = hosts.path / "etcd0/m0" if etcd else a.state / "master"

    with work:
        assert a.stop() == 0
        if etcd:
            etcd.kill(0)
        copy_folder(place, kept)
        if etcd:
            etcd.again(0)
        a.start()
        procs.wait_for(lambda: subtask(a).get("unit") == "Sync" and a.below("sync"), 60, f"{a.story()}", 0.2)
        a.ask("pause-task", "t")
        procs.wait_for(lambda: not a.below("sync"), 60, a.story())
        assert a.stop() == 0
        if etcd:
            etcd.kill(0)
        copy_folder(kept, place)
        if etcd:
            etcd.again(0)
        a.start()
        procs.wait_for(lambda: "accept-store" in a.log.read_text(), 60, lambda: f"not noticed\n{a.story()}")
        time.sleep(3)
        assert not a.below("sync") and not a.below("relay"), "work was begun by an older copy"
        said = a.ask("resume-task", "t", expect=1)
        assert "60613" in said and "accept-store" in said, said
        a.ask("list-member")
        a.ask("accept-store")
        procs.wait_for(lambda: subtask(a).get("unit") == "Sync" and a.below("sync"), 60, f"{subtask(a)}\n{a.story()}", 0.2)
        work.wait(10)
    finish(pair, work, a)


def test_older_host(hosts, make_pair):
    """A whole host as it was some restarts ago, its agent's memory with it: nobody there knows more, only the downstream's epochs do."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=1, rows=50, pause=0.02).make()
    a = hosts("a").start()
    begin(a, pair, hosts.path)
    kept = hosts.path / "kept"

    def follows():
        return subtask(a).get("stage") == "Running" and subtask(a).get("unit") == "Sync" and a.below("sync")

    with work:
        assert a.stop() == 0
        copy_folder(a.state, kept)
        for _ in range(3):  # a new epoch each
            a.start()
            procs.wait_for(follows, 60, a.story, 0.2)
            assert a.stop() == 0
        copy_folder(kept, a.state)
        a.start()
        procs.wait_for(lambda: subtask(a).get("stage") == "Paused", 60, a.story, 0.2)
        error = subtask(a)["tidegate"]["error"]
        assert error["code"] == 60501, error
        assert "s1" in str(a.ask("accept-store"))
        procs.wait_for(follows, 60, lambda: f"{subtask(a)}\n{a.story()}", 0.2)
        work.wait(10)
        assert "nothing to accept" in str(a.ask("accept-store"))
    finish(pair, work, a)
