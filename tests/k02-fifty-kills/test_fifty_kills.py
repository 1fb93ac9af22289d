"""Fifty kills spread over all phases of one job, while the source is written to; at the end both sides are equal, keyless tables too.
Named places and any moment take turns. The run fails unless every phase was hit; seed, phase and place of each kill are printed."""
import os
import random
import shutil
import time
from collections import Counter

import pytest

from failpoints import names
from tidegate import INTERRUPTED
from workload import Workload

EARLY, LATE = ["dump_locked", "dump_snapshot", "load_schema", "load_plan_recorded"], ["dump_all_done", "load_before_keys", "load_all_done"]
COPY = EARLY + [n for n in names() if n.startswith(("dump_", "load_")) and n not in EARLY + LATE + ["load_shared_ready"]] + LATE  # in the order of a copy: it goes on where it was
FOLLOW = [n for n in names() if n.startswith(("relay_", "sync_")) and not n.startswith("sync_ddl")]
AGENT = [n for n in names() if n.startswith("agent_")]
PER_START = 3  # then the run is started anew: pauses between restarts grow by design, and the test has no hours
KILLS = int(os.environ.get("TIDEGATE_TEST_KILLS", "50"))
SEED = int(os.environ.get("TIDEGATE_TEST_SEED", "20"))


class Killer:
    def __init__(self, job, rnd):
        self.job, self.rnd, self.story, self.fired = job, rnd, [], Counter()

    def note_fired(self):
        """Failpoints that fired since the last look."""
        new = Counter(self.job.failpoints.all_fired()) - self.fired
        self.fired += new
        self.story += [("at " + n) for n in new.elements()]
        return sum(new.values())

    def kill_one(self, unit):
        """Any moment: SIGKILL to one process of that name, when there is one."""
        found = self.job.units(unit)
        if not found:
            return 0
        found[0].kill()
        self.story.append(f"any moment, {unit}")
        return 1

    def phases(self):
        words = Counter(s.removeprefix("at ").split("_")[0] if s.startswith("at ") else s.split(", ")[1] for s in self.story)
        return words


def copy_anew(j, target):
    """A copy that is over passes none of its places any more."""
    target.run("DROP DATABASE IF EXISTS app", "DROP DATABASE IF EXISTS dm_meta")
    shutil.rmtree(j.state)


def phase_of(job):
    found = [x["phase"] for x in job.lines() if "phase" in x]
    return found[-1] if found else "start"


def one_start(j, killer, work, rnd, armed):
    """One `tidegate run`: up to PER_START kills, then it is interrupted (or its supervisor is killed)."""
    for name in armed:
        j.failpoints.arm(name, "kill", at=rnd.choice((1, 1, 2, 4)) if name not in COPY else 1)
    j.start(until=None)
    kills, end = 0, time.monotonic() + 25
    while kills < PER_START and time.monotonic() < end + 60 * (not kills) and not j.ended():  # on a slow machine one at least
        kills += killer.note_fired()
        if phase_of(j) == "sync" and rnd.random() < 0.15:
            kills += killer.kill_one(rnd.choice(("sync", "relay", "sync", "relay", "agent", "master")))
            time.sleep(0.3)
        time.sleep(0.1)
    assert not j.ended(), f"the job ended by itself\n{j.story()}"
    if rnd.random() < 0.3:
        supervisor = j.units("tidegated")
        for p in supervisor:
            p.kill()
        killer.story.append("any moment, supervisor")
        assert j.wait(60) != 0
    else:
        assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    killer.note_fired()
    for name in armed:
        j.failpoints.disarm(name)


LONG = [pytest.param(d, marks=pytest.mark.long) for d in ("my97>ma1011", "my97>my97", "ma1011>ma1011", "ma118>my97", "ma105>ma1011")]


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["ma1011>my97"] + LONG)
def test_fifty_kills(direction, make_pair, job):
    source, target = direction.split(">")
    pair = make_pair(source, target)
    rnd = random.Random(SEED)
    work = Workload(pair.source, "app", threads=2, rows=500, seed=SEED, pause=0.004).make()
    for i in range(6):  # a copy of some length
        pair.source.run(f"CREATE TABLE app.copy{i} (id int PRIMARY KEY, v varchar(300))",
                        f"INSERT INTO app.copy{i} WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT a.i * 1000 + b.i, REPEAT('x', 200)"
                        " FROM n a JOIN n b ON b.i < 20 WHERE a.i < 300")
    # large enough for its secondary key to be made behind the rows
    pair.source.run("CREATE TABLE app.copylate (id int PRIMARY KEY AUTO_INCREMENT, n int, v varchar(255), KEY (n))",
                    "INSERT INTO app.copylate (n, v) SELECT a.id % 7, REPEAT('l', 250) FROM app.copy0 a JOIN app.copy1 b ON b.id < 1010", "ANALYZE TABLE app.copylate")
    pair.source.run("CREATE TABLE app.copyless (v int)", "INSERT INTO app.copyless SELECT id % 3 FROM app.copy0")
    j = job(pair)
    killer = Killer(j, rnd)
    all_copy = [n for n in COPY if n != "dump_locked" or source.startswith("my")]  # MariaDB's snapshots need no lock
    copy, follow = list(all_copy), list(FOLLOW)
    with work:
        for start in range(60):
            if len(killer.story) >= KILLS and not copy and not follow:
                break
            copy = [n for n in all_copy if not killer.fired[n]] if copy else []
            if copy and start and phase_of(j) == "sync":
                copy_anew(j, pair.target)
            follow = [n for n in FOLLOW if not killer.fired[n]]
            extra = rnd.sample(FOLLOW, 3) + rnd.sample(AGENT, 1) if not copy else []
            if start == 30 and copy:
                break
            one_start(j, killer, work, rnd, dict.fromkeys((copy[:PER_START] if copy else follow[:2]) + extra))
            if any("rotate" in n for n in follow):
                pair.source.run("FLUSH BINARY LOGS")
    told = f"seed {SEED}, {len(killer.story)} kills: {dict(killer.phases())}\n" + "\n".join(killer.story)
    print("\n" + told)
    j.run(timeout=180)
    pair.assert_equal("app", lambda: told + j.story())
    assert len(killer.story) >= KILLS, told
    missed = [n for n in all_copy + FOLLOW if not killer.fired[n]]
    assert not missed, f"never hit: {missed}\n{told}"
    for unit in ("dump", "load", "relay", "sync", "agent"):
        assert killer.phases()[unit], f"{unit} was never killed\n{told}"
