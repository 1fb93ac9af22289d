"""kill -9 at every named place of the copy and of the following (T45): the job goes on by itself, nothing lost, nothing doubled.
A place that was never reached fails its test: such a kill would have shown nothing."""
import time

import pytest

from failpoints import names
from tidegate import INTERRUPTED
from workload import Workload

COPY = [n for n in names() if n.startswith(("dump_", "load_")) and n != "load_shared_ready"]  # which wants two sources: c09-routes/test_sources.py
FOLLOW = [n for n in names() if n.startswith(("relay_", "sync_"))]
ANY = [n for n in names() if n.startswith(("agent_", "unit_"))]
ONCE = {"dump_listed", "dump_locked", "dump_snapshot", "dump_all_done", "load_all_done", "load_plan_recorded", "load_before_keys", "agent_before_hello", "agent_after_hello"}  # passed once in a run
# places that want something special of the source
DDL = [n for n in FOLLOW if n.startswith("sync_ddl")]


def make_source(s):
    Workload(s, "app", rows=300).make()
    s.run("USE app", "CREATE TABLE app.wide_a (id int PRIMARY KEY, v varchar(200))", "CREATE TABLE app.wide_b (v varchar(200), n int)",
          "INSERT INTO app.wide_a SELECT seq, REPEAT(CHAR(65 + seq % 26), 150) FROM seq_1_to_20000", "INSERT INTO app.wide_b SELECT 'same', seq % 3 FROM seq_1_to_9000")


def make_late_keys(s):
    """A table whose secondary key is made behind its rows: large enough for that."""
    s.run("USE app", "CREATE TABLE app.late (id int PRIMARY KEY, n int, v varchar(255), KEY (n))", "INSERT INTO app.late SELECT seq, seq % 7, REPEAT('l', 250) FROM seq_1_to_50000",
          "ANALYZE TABLE app.late")


@pytest.mark.parametrize("name, at", [(n, 1) for n in COPY + ANY] + [(n, 2) for n in ANY if n not in ONCE] + [(n, 3) for n in COPY if n not in ONCE])
def test_kill_in_the_copy(name, at, make_pair, job):
    # MariaDB's snapshots need no lock
    pair = make_pair("my97", "ma1011") if name == "dump_locked" else make_pair("ma1011", "my97")
    if name == "dump_locked":
        Workload(pair.source, "app", rows=300).make()
    else:
        make_source(pair.source)
    if name == "load_before_keys":
        make_late_keys(pair.source)
    j = job(pair)
    j.failpoints.arm(name, "kill", at=at)
    j.run(*(["--no-check"] if name in ANY else []), until="full", timeout=150)  # else the one-shot check may be what is hit
    assert j.failpoints.fired(name) == 1, f"{name} was passed {j.failpoints.passes(name)} times and never fired\n{j.story()}"
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("name", ["dump_mid_chunk", "load_mid_chunk", "load_before_commit", "load_after_commit"])
def test_made_up_error_in_the_copy(name, make_pair, job):
    """An error instead of a death: tried again by itself, or told with exit 1 and gone on with by the same command."""
    pair = make_pair("my97", "ma1011")
    Workload(pair.source, "app", rows=300).make()
    j = job(pair)
    j.failpoints.arm(name, "error")
    j.start(until="full")
    code = j.wait(150)
    assert j.failpoints.fired(name) == 1, j.story()
    if code != 0:
        assert code == 1 and "error" in j.stderr(), j.story()
        j.run(until="full")
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("name", FOLLOW)
def test_kill_in_the_following(name, at, make_pair, job):
    if at == 3 and name in ("relay_rotate", *DDL):
        at = 2
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=2, rows=200, pause=0.01).make()
    j = job(pair)
    j.run()
    j.failpoints.arm(name, "kill", at=at)
    j.start(until=None)
    with work:
        for i in range(250):
            work.wait(5)
            if name in DDL:
                pair.source.run(f"ALTER TABLE w_int ADD COLUMN k{i} int DEFAULT {i}", f"CREATE TABLE n{i} (id int PRIMARY KEY)", f"INSERT INTO n{i} VALUES ({i})", db="app")
            if name == "relay_rotate":
                pair.source.run("FLUSH BINARY LOGS")
            if j.failpoints.fired(name) or j.ended():
                break
            time.sleep(0.3)
    assert not j.ended(), j.story()
    assert j.failpoints.fired(name) == 1, f"{name} was passed {j.failpoints.passes(name)} times and never fired\n{j.story()}"
    assert j.interrupt() == INTERRUPTED, j.story()
    j.run(timeout=120)
    pair.assert_equal("app", j.story)


def test_killed_check(make_pair, job):
    """The checks before the start die: told, or made again; the same command goes on."""
    pair = make_pair("ma1011", "my97")
    Workload(pair.source, "app", rows=50).make()
    j = job(pair)
    j.failpoints.arm("unit_before_hello", "kill")
    j.start(until="full")
    code = j.wait(120)
    assert j.failpoints.fired("unit_before_hello") == 1, j.story()
    if code != 0:
        assert code == 1 and "60105" in j.stderr(), j.story()
        j.run(until="full")
    pair.assert_equal("app", j.story)
