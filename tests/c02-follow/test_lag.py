"""How far behind: by the upstream's clock, also where it is hours away from ours, where nothing is written, and where the upstream can't be reached."""
import re
import subprocess
import time

import pytest

import failover
import procs
from conftest import Pair
from words import on_terminal

HOURS = 3
pytestmark = pytest.mark.quiet


@pytest.fixture(scope="module")
def fake_clock(tmp_path_factory, root_dir):
    lib = tmp_path_factory.mktemp("clock") / "fake_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", lib, root_dir / "tests/tools/fake_clock.c"], check=True)
    return lib


@pytest.fixture
def elsewhen(pool, fake_clock):
    """A server whose clock is some seconds off."""
    made = []

    def make(name, seconds):
        if name in pool.without:
            pytest.skip(f"--without {name}")
        made.append(pool.get(name, f"clock{seconds}", env={"PRELOAD": str(fake_clock), "TIDEGATE_FAKE_CLOCK": str(seconds)}))
        assert abs(made[-1].query("SELECT UNIX_TIMESTAMP()")[0][0] - time.time() - seconds) < 60
        return made[-1]

    yield make
    for s in made:
        pool.drop(s)


def sync(j):
    return j.subtask()["tidegate"]["sync"]


def follow(j):
    j.start("--stay", until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    procs.wait_for(lambda: sync(j).get("lag_known") and sync(j)["lag_ms"] < 1500, 60, f"it does not catch up\n{j.story()}", 0.3)
    return j


def lags(j, seconds):
    """(lag in seconds, when it was asked for, when it was told), looked at again and again."""
    seen, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        asked = time.monotonic()
        seen.append((sync(j)["lag_ms"] / 1000, asked, time.monotonic()))
        time.sleep(0.2)
    return seen


def most(seen):
    return max(lag for lag, _, _ in seen)


@pytest.mark.parametrize("name, sign", [("my97", 1), ("ma1011", -1)] + [pytest.param(*x, marks=pytest.mark.long) for x in (("my97", -1), ("ma1011", 1))])
def test_clocks_apart(name, sign, elsewhen, server, job):
    """Three hours before or behind ours: idle, busy, and held up downstream."""
    pair = Pair(elsewhen(name, sign * HOURS * 3600), server("my97" if name == "ma1011" else "ma1011", "down"))
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t VALUES (1,1)")
    j = follow(job(pair, tables="app.*"))
    assert most(lags(j, 8)) < 5  # it would be eight, or hours
    for i in range(2, 40):
        s.run(f"INSERT INTO app.t VALUES ({i}, {i})")
        time.sleep(0.05)
    assert most(lags(j, 1)) < 5  # MariaDB's events have whole seconds
    with pair.target.connect(database="app") as c, c.cursor() as cur:
        cur.execute("LOCK TABLES app.t WRITE")
        since = time.monotonic()
        s.run("INSERT INTO app.t VALUES (100, 100)")
        lag, asked, said = lags(j, 6)[-1]
        assert asked - since - 2 < lag < said - since + 3, (lag, asked - since, said - since)
        procs.wait_for(lambda: j.lines()[-1]["lag_ms"] > 3000, 60, j.story, 0.2)
        cur.execute("UNLOCK TABLES")
    procs.wait_for(lambda: sync(j)["lag_ms"] < 1500, 60, j.story, 0.2)
    j.interrupt()
    pair.assert_equal("app", j.story)


def test_no_upstream(make_pair, job):
    """The upstream can't be reached: the lag grows and the upstream is called silent, also when relay and sync are started again meanwhile;
    so it does while the task is paused."""
    pair = make_pair("my97", "ma1011")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t VALUES (1,1)")
    way = failover.Forwarder(pair.source)
    try:
        j = follow(job(pair, tables="app.*", source_url=way.url()))
        since = time.monotonic()
        way.to(None)
        lag, asked, said = lags(j, 8)[-1]
        assert asked - since - 4 < lag < said - since + 2, (lag, asked - since, said - since)
        assert sync(j)["upstream_ms"] > 4000
        assert "the upstream is silent" in on_terminal(j, "query-status", "run")
        for unit in ("relay", "sync"):
            old = j.wait_unit(unit)
            old.kill()
            j.wait_unit(unit, other_than=[old])
        procs.wait_for(lambda: sync(j).get("lag_known") is False, 60, j.story, 0.2)
        assert "lag unknown for" in on_terminal(j, "query-status", "run")
        first, *_, last = lags(j, 6)
        assert last[0] > first[0] > 0 and last[0] - first[0] > last[1] - first[2] - 2, (first, last)
        way.to(pair.source)
        procs.wait_for(lambda: sync(j).get("lag_known") and sync(j)["lag_ms"] < 1500, 60, j.story, 0.3)
        j.ask("pause-task", "run")
        procs.wait_for(lambda: int(j.subtask()["sync"]["secondsBehindMaster"]) >= 3, 60, j.story, 0.3)
    finally:
        way.close()


def test_numbers(make_pair, job):
    """What an operator sees while rows come: speeds in DM's fields, appliers, what waits; and all of it in the table of a terminal."""
    pair = make_pair("my97", "my97")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)")
    j = follow(job(pair, tables="app.*"))
    began = time.monotonic()
    with s.connect(database="app") as c, c.cursor() as cur:
        for i in range(300):
            cur.execute(f"INSERT INTO t VALUES ({2 * i}, 1), ({2 * i + 1}, 1)")
            time.sleep(0.01)
    pace = 600 / (time.monotonic() - began)
    procs.wait_for(lambda: sync(j)["rows"] == 600, 60, j.story, 0.2)
    now = j.subtask()
    sync_now = now["tidegate"]["sync"]
    assert pace / 8 < sync_now["rows_s"] < 600 and pace / 8 - 1 < int(now["sync"]["recentRps"]) < 600 and int(now["sync"]["recentTps"]) >= int(pace / 16), (pace, now)
    assert sync_now["bytes_s"] > sync_now["rows_s"] and sync_now["appliers"] >= 1 and sync_now["busy"] <= sync_now["appliers"]
    assert sync_now["queue_bytes"] >= 0 and sync_now["waits"] >= 0
    assert re.search(r"Sync .* 600 rows  lag \d\.\d s  \d+ rows/s  \d+\.\d MB/s  busy \d/\d+  queue \d+\.\d MB  waits \d+", on_terminal(j, "query-status", "run"))
    with pair.target.connect(database="app") as c, c.cursor() as cur:
        cur.execute("LOCK TABLES app.t WRITE")
        s.run("INSERT INTO app.t VALUES (1000, 1)")
        procs.wait_for(lambda: sync(j)["busy"] == 1 and sync(j)["queue_bytes"] > 0, 60, j.story, 0.2)
        cur.execute("UNLOCK TABLES")
    procs.wait_for(lambda: sync(j)["busy"] == 0 and sync(j)["rows_s"] == 0, 60, j.story, 0.2)
    # One large transaction in a lane, one in another that a lock holds up, and what needs both: behind the large one it waits for the other.
    assert sync(j)["waits"] == 0
    with pair.target.connect(database="app", autocommit=False) as c, c.cursor() as cur:
        cur.execute("SELECT * FROM t WHERE id=1 FOR UPDATE")
        s.run("INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 2000 UNION ALL SELECT i+1 FROM n WHERE i < 2990) SELECT a.i + 1000 * b.i, 1 FROM n a, n b WHERE b.i < 2025",
              "UPDATE t SET v=2 WHERE id=1", "UPDATE t SET v=3 WHERE id IN (1, 2002000)", db="app")
        procs.wait_for(lambda: sync(j)["waits"] == 1 and sync(j)["busy"] == 1, 60, j.story, 0.2)
        assert pair.target.query("SELECT v FROM app.t WHERE id=2002000") == ((1,),)
    procs.wait_for(lambda: pair.target.query("SELECT v FROM app.t WHERE id IN (1, 2002000)") == ((3,), (3,)), 60, j.story, 0.2)
