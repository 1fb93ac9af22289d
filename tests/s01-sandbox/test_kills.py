"""kill -9 of probes, agent and supervisor, also while a unit sits in a long call that hears nothing: no orphan, nothing doubled,
everything back; each generation goes on counting where the last one was."""
import signal
import time

import pytest

import procs
from host import Host


@pytest.fixture
def host(bin_dir, short_tmp):
    import os

    os.chmod(short_tmp, 0o755)
    h = Host(bin_dir, short_tmp)
    yield h.start()
    h.close()


def count(host, slot=1):
    files = list(host.state.glob(f"**/{slot}/**/ticks")) + list(host.state.glob("**/ticks"))
    return [int(x) for x in files[0].read_text().split()] if files else []


COUNTING = {"tick_ms": 20, "count_file": "ticks", "row": "relay"}


def test_killed_probe_goes_on(host):
    """Five generations; no number twice, none left out: never two at once, never a lost start."""
    for _ in range(5):
        proc = host.probe(options=COUNTING)
        before = len(count(host))
        procs.wait_for(lambda: len(count(host)) > before + 5, 30)
        proc.kill()
        end = host.exited(proc.pid)
        assert (end["exit_code"], end["exit_signal"]) == (-1, signal.SIGKILL)
    numbers = count(host)
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("where", ["sleep_main_s", "sleep_worker_s"])
def test_killed_in_a_long_call(where, host):
    proc = host.probe(options={where: 300})
    time.sleep(0.5)
    proc.kill()
    assert host.exited(proc.pid)["exit_signal"] == signal.SIGKILL
    procs.wait_gone([proc], 10)
    assert host.probe(options={"tick_ms": 50}).alive()


@pytest.mark.parametrize("where", ["tick_ms", "sleep_main_s", "sleep_worker_s"])
def test_asked_to_leave(where, host):
    """SIGTERM: it saves and leaves; hard after the deadline where it can't hear (T36)."""
    proc = host.probe(options={where: 300})
    host.tell(do="signal", kind=8, slot=1, sub=1, signo=signal.SIGTERM)
    end = host.exited(proc.pid, 40)  # ten seconds are its own
    if where == "tick_ms":
        assert end["exit_code"] == 0 and host.wait("bye", lambda e: e["peer_pid"] == proc.pid)


@pytest.mark.parametrize("options", [{"tick_ms": 50}, {"sleep_main_s": 300}, {"sleep_worker_s": 300}], ids=lambda o: next(iter(o)))
def test_agent_killed(options, host):
    """Its units are ended, also deaf ones; a new agent comes, and all start the normal way (T37)."""
    unit = host.probe(options=options)
    other = host.probe(slot=2, options={"tick_ms": 50})
    agent = procs.Proc(host.agent["pid"])
    host.seen = len(host.events())
    agent.kill()
    procs.wait_gone([agent, unit, other], 60)
    host.agent = host.wait("agent")
    assert host.agent["pid"] != agent.pid
    again = host.probe(options={"tick_ms": 50})
    assert again.alive() and len(host.units()) == 1


@pytest.mark.parametrize("options", [{"tick_ms": 50}, {"sleep_main_s": 300}, {"sleep_worker_s": 300}], ids=lambda o: next(iter(o)))
def test_supervisor_killed(options, host):
    """All leave soon; the same command brings everything back."""
    host.probe(options=options)
    everyone = host.processes()
    assert len(everyone) == 3
    host.process.kill()
    host.process.wait()
    procs.wait_gone(everyone, 40)  # ten seconds of them are theirs, where they are deaf
    host.start()
    assert host.probe(options={"tick_ms": 50}).alive()
    assert len(host.processes()) == 3


def test_starter_gone(host):
    """The one who holds the other end of --alive-fd is gone: everything leaves."""
    import os

    host.probe(options={"tick_ms": 50})
    everyone = host.processes()
    os.close(host.alive_w)
    host.process.wait(60)
    procs.wait_gone(everyone, 10)


def test_stopped_agent_is_no_harm(host):
    """An agent that hangs: units go on; told to leave, the supervisor ends it hard."""
    unit = host.probe(options=COUNTING)
    procs.Proc(host.agent["pid"]).kill(signal.SIGSTOP)
    before = len(count(host))
    procs.wait_for(lambda: len(count(host)) > before + 20, 30)
    everyone = host.processes()
    host.process.terminate()
    host.process.wait(60)
    procs.wait_gone(everyone, 10)
    assert not unit.alive()


def test_storm(host):
    """Thirty kills of everything in turn: at the end one of each, nothing else, and no number counted twice."""
    for n in range(30):
        units = host.units()
        if not units:
            a = host.answer(host.ask(options=COUNTING))
            assert a["event"] == "started" or a["refused"] == 3, a
            time.sleep(0.15)
            if n % 3 == 0 and a["event"] == "started":  # the others may be killed before they count at all
                procs.wait_for(lambda counted=len(count(host)): len(count(host)) > counted + 1, 60, host.story)
            continue
        victim = units[0] if n % 5 else procs.Proc(host.agent["pid"])
        if victim.pid == host.agent["pid"]:
            host.seen = len(host.events())
        victim.kill()
        if victim.pid == host.agent["pid"]:
            host.agent = host.wait("agent")
        procs.wait_gone([victim], 10)
        if victim.unit == "probe":
            host.exited(victim.pid, 60)
    numbers = count(host)
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 5
    assert len(host.processes()) - len(host.units()) == 2
