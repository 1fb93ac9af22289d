"""The processes of a running job: named, boxed in, of their own uid, without secrets in sight; killed one by one they come back, and
nothing is left behind."""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import procs
from servers import PASSWORD
from tidegate import INTERRUPTED
from workload import Workload

FOLLOWING = {"tidegated", "agent", "master", "relay", "sync"}


@pytest.fixture
def following(make_pair, job):
    """A job in its sync phase, with a little traffic behind it."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=1, rows=100, pause=0.01).make()
    j = job(pair)
    j.start(until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    j.pair, j.work = pair, work
    j.wait_unit("sync")
    j.wait_log("following from")  # it may have been started just now: not boxed in yet
    return j


def by_unit(j):
    found = {}
    for p in j.units():
        found.setdefault(p.unit, []).append(p)
    return found


def settled(j, timeout=60):
    """All of FOLLOWING there, one of each."""
    return procs.wait_for(lambda: (u := by_unit(j)) and set(u) == FOLLOWING and all(len(v) == 1 for v in u.values()) and u, timeout,
                          f"not one of each: {by_unit(j)}\n{j.log()[-3000:]}")


def finish(j):
    """Traffic after everything, then equal."""
    with j.work:
        j.work.wait(20)
    if not j.ended():
        assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run(timeout=90)
    j.pair.assert_equal("app", j.story)


def test_titles(following):
    """ps shows each process by unit and source."""
    units = settled(following)
    for unit in ("relay", "sync"):
        title = units[unit][0].title
        assert title.startswith(f"tidegate-{unit}: ") and str(following.pair.source.port) in title, title
    assert re.fullmatch(r"tidegated: \S+", units["tidegated"][0].title), units["tidegated"][0].title
    for unit, found in units.items():
        assert found[0].comm.startswith("tidegate"), (unit, found[0].comm)


def test_boxes(following, sanitized):
    """NoNewPrivs 1, Seccomp 2, no capability, the source's uid when started as root."""
    for unit, (p,) in settled(following).items():
        status = p.status()
        if unit == "tidegated":
            continue
        assert status["NoNewPrivs"] == "1", (unit, status["NoNewPrivs"])
        assert status["Seccomp"] == "2", (unit, status["Seccomp"])
        for capability in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(status[capability], 16) == 0, (unit, capability, status[capability])
        if os.geteuid() == 0:
            assert len(set(p.uids())) == 1 and p.uids()[0] != 0, (unit, p.uids())
            if unit in ("relay", "sync"):
                assert 59000 <= p.uids()[0] <= 59999, (unit, p.uids())
            assert status["Groups"].split() in ([], [status["Gid"].split()[0]]) or unit in ("relay", "sync"), status["Groups"]


def test_who_goes_where_memory_ends(following):
    """A unit, which begins again where it was, before those that start it again."""
    def adj(pid):
        return int(procs.read(pid, "oom_score_adj"))
    own = adj("self")
    found = {unit: adj(p.pid) for unit, (p,) in settled(following).items()}
    assert found == {unit: min(own + 100, 1000) if unit in ("relay", "sync") else own for unit in FOLLOWING}, found


def test_threads_are_few(following, sanitized):
    """nng alone would start one set for each processor (T41)."""
    for unit, (p,) in settled(following).items():
        assert p.threads() <= (1 if unit == "tidegated" else 24), (unit, p.threads())


def test_no_secret_in_sight(following):
    """Neither arguments, nor environments, nor the log, nor the state folder show a password."""
    from urllib.parse import quote

    hidden = {PASSWORD, quote(PASSWORD, safe="")}
    settled(following)
    for p in following.alive():
        shown = p.title + procs.read(p.pid, "environ")
        assert not any(h in shown for h in hidden), (p, shown)
    for folder, _, files in os.walk(following.state):
        for name in files:
            try:
                data = open(os.path.join(folder, name), "rb").read()
            except FileNotFoundError:
                continue  # a .tmp that has got its name
            assert not any(h.encode() in data for h in hidden), os.path.join(folder, name)
    assert os.stat(os.path.join(following.state, "key")).st_mode & 0o77 == 0


def test_what_cannot_start_ends_the_rest(bin_dir, short_tmp):
    """The master is up when the agent turns out to be no program: it goes too, and the log says why, not that somebody asked for it."""
    short_tmp.chmod(0o755)
    for name in ("libexec", "s", "r"):
        (short_tmp / name).mkdir(mode=0o755)
    (short_tmp / "s").chmod(0o700)
    for program in bin_dir.glob("tidegate*"):
        shutil.copy2(program, short_tmp / "libexec" / program.name)
    (short_tmp / "libexec/tidegate-agent").write_text("no program")
    done = subprocess.run([str(bin_dir / "tidegated"), "--state", str(short_tmp / "s"), "--run", str(short_tmp / "r"), "--libexec", str(short_tmp / "libexec"), "--name", "a", "--with-master"],
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode != 0 and "started master" in done.stderr and "not everything could be started: all are killed at once" in done.stderr, done
    assert "SIGQUIT" not in done.stderr and "starting tidegate-agent" in done.stderr, done.stderr


@pytest.mark.parametrize("unit", ["relay", "sync", "agent", "master"])
def test_killed_comes_back(unit, following):
    before = settled(following)
    with following.work:
        following.work.wait(10)
        before[unit][0].kill()
        procs.wait_for(lambda: by_unit(following).get(unit, before[unit])[0].key != before[unit][0].key, 60, f"{unit} did not come back\n{following.story()}")
        after = settled(following)
        following.work.wait(10)
    if unit == "agent":  # its units were ended and all started the normal way (T37)
        assert after["sync"][0].key != before["sync"][0].key
    if unit in ("relay", "sync"):
        assert after["agent"][0].key == before["agent"][0].key
        assert re.search(rf'obituary {unit} .*ended="signal 9"', following.log()), following.story()
    finish(following)


def test_asleep_for_a_minute(following):
    """A machine suspended, a container paused: longer than a unit may be silent, or than it waits for its agent. Nobody is killed or leaves for that."""
    before = settled(following)
    with following.work:
        following.work.wait(10)
    frozen = [p for ps in before.values() for p in ps]
    for p in frozen:  # the supervisor first, so that it starts nothing
        p.kill(signal.SIGSTOP)
    time.sleep(66)
    for p in reversed(frozen):
        p.kill(signal.SIGCONT)
    time.sleep(15)
    after = settled(following)
    assert {u: p[0].key for u, p in after.items()} == {u: p[0].key for u, p in before.items()}, following.story()
    assert "stood still" in following.log() and "heartbeat" not in following.log().replace("held to their heartbeats", ""), following.story()
    finish(following)


def test_all_units_killed_at_once(following):
    before = settled(following)
    for unit in ("sync", "agent", "relay", "master"):
        before[unit][0].kill()
    procs.wait_for(lambda: not {p.key for ps in before.values() for p in ps if p.unit != "tidegated"} & {p.key for p in following.units()}, 60)
    settled(following)
    finish(following)


def test_supervisor_killed(following):
    """All leave by themselves, and the same command brings everything back."""
    before = settled(following)
    before["tidegated"][0].kill()
    procs.wait_gone([p for ps in before.values() for p in ps], 40)
    assert following.wait(60) not in (0, INTERRUPTED)
    assert following.stderr().strip(), "not a word about it"
    finish(following)


def test_ctl_killed(following):
    """The terminal goes away: all leave."""
    before = settled(following)
    following.process.kill()
    following.process.wait()
    procs.wait_gone([p for ps in before.values() for p in ps], 60)
    finish(following)


def test_stopped_unit_does_not_hold_up_the_end(following):
    """A unit that can't react (as in a long call) is ended hard, and no orphan stays."""
    before = settled(following)
    before["sync"][0].kill(signal.SIGSTOP)
    assert following.interrupt(60) == INTERRUPTED, following.story()
    procs.wait_gone([p for ps in before.values() for p in ps], 20)
    finish(following)


def resting(j):
    """What the sync says, once it and the relay say that nothing goes on: now they speak to the agent rarely."""
    source = j.ask("query-status", "run")["sources"][0]
    sync = source["subTaskStatus"][0]["tidegate"]["sync"]
    return source["tidegate"]["relay"].get("rests") and sync.get("rests") and sync


@pytest.mark.slow
def test_at_rest(following):
    """Nothing happens for so long that all beats are slow. Rows, orders and the loss of a process are seen all the same, and what is said of the upstream is of now."""
    j, pair = following, following.pair
    settled(j)
    time.sleep(20)  # units that are young beat often
    for k in range(3):
        now = procs.wait_for(lambda: resting(j), 90, j.story, 0.3)
        assert now["lag_ms"] == 0 and now["lag_known"], now
        if k == 0:
            pair.source.run("CREATE TABLE app.at_rest (id int PRIMARY KEY)", "INSERT INTO app.at_rest VALUES (1)")
            procs.wait_for(lambda: pair.target.query("SELECT 1 FROM information_schema.TABLES WHERE TABLE_NAME='at_rest'") and pair.target.query("SELECT id FROM app.at_rest"), 60, j.story)
            procs.wait_for(lambda: j.subtask()["tidegate"]["sync"]["transactions"] > now["transactions"] and j.subtask()["sync"]["synced"], 60, j.story)
        elif k == 1:
            sync = by_unit(j)["sync"]
            j.ask("pause-task", "run")
            procs.wait_gone(sync, 60)
            procs.wait_for(lambda: j.subtask()["stage"] == "Paused", 60, j.story)
            pair.source.run("INSERT INTO app.at_rest VALUES (2)")
            j.ask("resume-task", "run")
            procs.wait_for(lambda: len(pair.target.query("SELECT id FROM app.at_rest")) == 2, 60, j.story)
        else:
            relay = by_unit(j)["relay"]
            relay[0].kill()
            j.wait_unit("relay", other_than=relay)
            pair.source.run("INSERT INTO app.at_rest VALUES (3)")
            procs.wait_for(lambda: len(pair.target.query("SELECT id FROM app.at_rest")) == 3, 60, j.story)
    finish(j)


def test_second_interrupt_aborts(following):
    before = settled(following)
    before["sync"][0].kill(signal.SIGSTOP)  # so that the first one takes long
    following.process.send_signal(signal.SIGINT)
    following.wait_log("stopping: ")  # the first one was heard
    following.process.send_signal(signal.SIGINT)
    assert following.wait(60) == INTERRUPTED, following.story()
    assert " has not left, " not in following.log(), following.story()  # the first one alone waits for the sync, ten seconds
    assert "SIGQUIT: all are killed at once" in following.log(), following.story()
    procs.wait_gone([p for ps in before.values() for p in ps], 20)
    finish(following)


def test_second_run_is_refused(following, job):
    """The same state folder twice at once: the second one says so and harms nobody."""
    settled(following)
    other = job(following.pair, state=following.state, failpoints=False)
    other.before |= {p.key for p in following.alive()}
    other.start()
    assert other.wait(40) == 1, other.story()
    assert following.state in other.stderr(), other.stderr()
    settled(following)
    finish(following)


def test_nothing_left_in_the_run_folder(following):
    """After the end nobody listens there any more, and neither sockets nor the folder pile up."""
    settled(following)
    assert following.interrupt() == INTERRUPTED
    following.assert_gone()
    left = [os.path.join(d, f) for d, _, fs in os.walk(following.run_dir) for f in fs if f.endswith(".sock")]
    assert not left, left
    assert not following.run_dir.exists(), f"{following.run_dir} stays"
