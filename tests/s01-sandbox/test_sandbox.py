"""The box of each process as the supervisor really starts it: uid, folders, descriptors; each row of include/sandbox.def tried and
refused. (common/proc/sandbox_test.c tries every word against every row in one process; here the whole way there is real.)"""
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import procs
from host import PROBE, Host

ROOT = Path(__file__).resolve().parent.parent.parent
ROWS = re.findall(r"^SANDBOX\((\w+), ([^,]*), ([^,]*), ([^,]*), ([^,]*), (\w+), (\d+)\)", (ROOT / "include/sandbox.def").read_text(), re.M)
as_root = os.geteuid() == 0


@pytest.fixture
def host(bin_dir, short_tmp):
    os.chmod(short_tmp, 0o755)
    h = Host(bin_dir, short_tmp)
    yield h.start()
    h.close()


@pytest.fixture(scope="module")
def listeners():
    """Three TCP ports: upstream, downstream, and one that nobody may dial."""
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    yield [s.getsockname()[1] for s in made]
    for s in made:
        s.close()


def landlock_abi():
    import ctypes

    return ctypes.CDLL(None).syscall(444, None, 0, 1)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r[0])
def test_each_row(row, host, listeners, tmp_path):
    """What the row allows works; what it does not is refused, and a forbidden call ends the process."""
    name, reads, writes, dials, _, calls, _ = row
    up, down, other = listeners
    outside = tmp_path / "outside"
    outside.write_text("secret")
    os.chmod(outside, 0o666)
    for d in (tmp_path, *tmp_path.parents[:3]):
        if d.owner() == outside.owner() and as_root and str(d) != "/tmp":
            os.chmod(d, 0o755)  # only the box may be what refuses
    may = {True: "allowed", False: "refused(EACCES)"}
    state_read, state_write = "STATE" in reads + writes, "STATE" in writes
    expect = {
        "read:/etc/passwd": "allowed", "read:/dev/urandom": "allowed", "write:/dev/null": "allowed", f"read:{outside}": "refused(EACCES)",
        f"write:{outside}": "refused(EACCES)", "write:/etc/x": "refused(EACCES)", "read:/proc/1/status": "refused(EACCES)", "read:/etc/shadow": "refused(EACCES)",
        f"read:{host.state}/key": "refused(EACCES)", f"read:{host.agent_dir}/events": "refused(EACCES)", "write:state/new": may[state_write],
        "thread": "allowed", "resolve:localhost": "allowed",
    }
    if state_read:
        expect["read:state/new" if state_write else "read:state/."] = "allowed"
    if landlock_abi() >= 4:
        expect |= {f"connect:{up}": may["UPSTREAM" in dials], f"connect:{down}": may["DOWNSTREAM" in dials], f"connect:{other}": "refused(EACCES)", f"bind:{other}": "refused(EACCES)"}
    proc = host.probe(options={"row": name, "try": list(expect), "expect_kill": "fork", "tick_ms": 200},
                      slice={"upstream": {"host": "127.0.0.1", "port": up, "user": "u", "password": ""}, "downstream": {"host": "127.0.0.1", "port": down, "user": "u", "password": ""}})
    results = host.status(proc, lambda s: len(s.get("results", {})) >= len(expect), 60)["results"]
    wrong = {w: (results.get(w), e) for w, e in expect.items() if results.get(w) != e}
    assert not wrong, f"{name}: word: (was, wanted): {wrong}"
    end = host.exited(proc.pid, 60)
    assert end["exit_signal"] == signal.SIGSYS, end


@pytest.mark.parametrize("word", ["fork", "exec", "mount", "socket-raw", "setuid", "bpf", "unshare", "kill:1"])
def test_forbidden_calls_end_the_process(word, host):
    proc = host.probe(options={"row": "relay", "expect_kill": word})
    assert host.exited(proc.pid, 60)["exit_signal"] == signal.SIGSYS


def test_status_of_a_unit(host):
    proc = host.probe(options={"tick_ms": 100})
    status = proc.status()
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert all(int(status[c], 16) == 0 for c in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
    assert proc.title == "tidegate-probe: t1@src1"
    if as_root:
        assert len(set(proc.uids())) == 1 and 59000 <= proc.uids()[0] <= 59999
        assert host.agent["uid"] not in (0, proc.uids()[0])
        assert procs.read(proc.pid, "environ") == "" or "PASSWORD" not in procs.read(proc.pid, "environ")


@pytest.mark.root
def test_sources_are_apart(host):
    """Each slot has a uid of its own, and the same one after a restart."""
    uids = {slot: host.probe(slot=slot, options={"tick_ms": 100}).uids()[0] for slot in (1, 2, 3)}
    assert len(set(uids.values())) == 3
    assert host.stop() == 0
    host.start()
    assert host.probe(slot=2).uids()[0] == uids[2]


def test_what_the_supervisor_refuses(host):
    """Slots out of range, kinds that may not be asked for, a double, wrong descriptors, packets of the wrong size (T33)."""
    first = host.probe(options={"tick_ms": 100})
    refused = {  # enum spawn_refused
        host.ask(kind=0): 1, host.ask(kind=99): 1, host.ask(kind=1): 1, host.ask(kind=2): 1, host.ask(slot=0): 2, host.ask(slot=1000): 2, host.ask(sub=1000): 2,
        host.ask(slot=1, sub=1): 3, host.ask(sub=2, fds=1): 4, host.ask(sub=2, fds=3): 4, host.ask(sub=2, fds=0): 4, host.ask(sub=2, sealed=False): 4,
    }
    for request, why in refused.items():
        a = host.answer(request)
        assert (a["event"], a["refused"]) == ("refused", why), (request, a, why)
    assert [p.pid for p in host.units()] == [first.pid]
    host.tell(do="signal", kind=PROBE, slot=1, sub=1, signo=signal.SIGSTOP)  # only TERM and KILL may be asked for
    host.status(first, lambda s: True)
    assert first.alive() and procs.Proc(first.pid).state != "T"


@pytest.mark.parametrize("hex", ["00", "ff" * 200, "01000000010000", "01000000" + "ff" * 124, ""])
def test_hostile_packets(hex, host):
    """A captured agent gains nothing by odd packets: it is ended with its units, by a kill unless it seems to have closed, and a new one is started."""
    first, agent = host.probe(options={"tick_ms": 100}), procs.Proc(host.agent["pid"])
    host.seen = len(host.events())
    host.tell(do="raw", hex=hex)
    procs.wait_gone([agent, first], 60)
    host.agent = host.wait("agent")
    assert host.process.poll() is None and not host.units(), host.story()
    assert ("the agent is killed: a packet of the agent" in host.log.read_text()) == bool(hex), host.story()
    assert host.probe(options={"tick_ms": 100}).alive()


def test_captured_agent_has_no_key(host):
    """The agent may neither read the key nor another's folder (T32)."""
    agent = procs.Proc(host.agent["pid"])
    links = [os.readlink(f"/proc/{agent.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{agent.pid}/fd")] if as_root else []
    assert not any(link.endswith("/key") for link in links), links
    if not as_root:
        return
    unit = host.probe(options={"tick_ms": 100})

    def reads(who, path):
        """As that process's user, without its box: by the modes alone."""
        uid, gid = who.uids()[0], who.status()["Gid"].split()[0]
        return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "test", "-r", str(path)]).returncode == 0

    own = host.state / "sources/1/probe/1"
    key, hers = host.state / "key", host.agent_dir / "events"
    assert unit.uids()[0] == own.stat().st_uid and not any(reads(w, f) for w in (agent, unit) for f in (key, hers, own))  # none passes the state folder by its name
    for d in (host.state, *list(own.parents)[:3]):
        d.chmod(0o711)
    assert {(w.pid, f.name) for w in (agent, unit) for f in (key, hers, own) if reads(w, f)} == {(agent.pid, "events"), (unit.pid, "1")}
