"""The full copy, disturbed: kill -9 of dump, load and supervisor at any moment, a full disk, a downstream that restarts, an upstream that is cut off. In the end
both sides are equal, and the log shows that what was finished before was not dumped again."""
import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter

import failover
import procs
import pytest
from copying import Slow, copying, numbers, wait_chunks
from tidegate import DONE, INTERRUPTED

SEED = int(os.environ.get("TIDEGATE_TEST_SEED", "5"))
PER_START = 3  # then the run is started anew: pauses between restarts grow by design
BOTH = pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])


def one_way(source, target):
    """The other one with --long."""
    return pytest.mark.parametrize("source, target", [(source, target), pytest.param(target, source, marks=pytest.mark.long)])


PLACES = ("dump_mid_chunk", "load_before_commit")
GOES_ON = re.compile(r"the copy goes on under another snapshot: (\d+) chunks, (\d+) rows")
COMPLETE = re.compile(r"the dump is complete: (\d+) rows")


def make(server, rows):
    """Tables that can be cut, by integer, text and several columns; a small one that can't. How many rows there are."""
    server.run("CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    numbers(server, "app", rows)
    server.run("CREATE TABLE ints (id bigint PRIMARY KEY, n int, v varchar(600))", "CREATE TABLE texts (k varchar(40) PRIMARY KEY, n int, v varchar(600))",
               "CREATE TABLE pairs (a int, b varchar(20), n int, v varchar(600), PRIMARY KEY (a, b), KEY (n))", "CREATE TABLE keyless (a int, v varchar(600))",
               *(f"INSERT INTO {t} SELECT {values}, REPEAT(CHAR(97 + i % 26), 480) FROM n" for t, values in (
                   ("ints", "i * 5, i"), ("texts", "CONCAT(ELT(i % 3 + 1, 'a', 'B', 'é'), i), i"), ("pairs", "i % 7, CONCAT('b', i), i"))),
               "INSERT INTO keyless SELECT i % 9, REPEAT('k', 480) FROM n WHERE i <= 3000", "ANALYZE TABLE ints, texts, pairs", db="app")
    return 4 * rows + 3000


def hit(j, rnd, story, left):
    """kill -9 to one process of the copy, to each kind at least once; the supervisor's end is the run's."""
    missing = [u for u in ("dump", "load", "tidegated") if u not in story]
    unit = missing[0] if len(missing) >= left else rnd.choice(("dump", "load", "dump", "load", "tidegated"))
    found = j.units(unit)
    if not found:
        return
    found[0].kill()
    story.append(unit)
    if unit == "tidegated":
        assert j.wait(60) not in (DONE, INTERRUPTED), j.story()
        j.assert_gone()


def one_start(j, files, target, rnd, story, left):
    """One run: up to PER_START kills, each some chunks after the last one."""
    j.start(*files)
    for i in range(min(left, PER_START)):
        if not wait_chunks(j, target, rnd.choice((1, 1, 2, 4)), 120):
            return
        time.sleep(rnd.random() * 0.4)
        hit(j, rnd, story, left - i)
        if j.ended():
            return
    j.interrupt()
    j.assert_gone()


def not_again(j, rows):
    """Of the last time that it went on: what stayed and what was dumped then is everything, once."""
    log = j.log()
    stayed = GOES_ON.findall(log)
    if stayed:
        assert int(stayed[-1][1]) > 0 and int(stayed[-1][1]) + int(COMPLETE.findall(log)[-1]) == rows, j.story()
    return [int(n) for _, n in stayed]


@pytest.mark.slow
@pytest.mark.parametrize("kills", [8, pytest.param(30, marks=pytest.mark.long)])
@one_way("ma1011", "my97")
def test_kills(kills, source, target, make_pair, job, tmp_path):
    pair = make_pair(source, target)
    rnd, story = random.Random(SEED), []
    rows = make(pair.source, 30000 if kills < 20 else 160000)  # enough to last for so many kills
    j, files = copying(job, tmp_path, pair, ["app"], mode="all")
    with Slow(j, 300, *PLACES):
        for _ in range(3 * kills):
            if len(story) < kills:
                one_start(j, files, pair.target, rnd, story, kills - len(story))
    j.run(*files, timeout=180)
    stayed = not_again(j, rows)
    told = f"seed {SEED}: {dict(Counter(story))}; rows that stayed: {stayed} of {rows}"
    print(told)
    assert len(story) == kills and {"dump", "load", "tidegated"} <= set(story) and stayed, told
    pair.assert_equal("app", j.story)


def test_the_downstream_restarts(make_pair, job, tmp_path):
    """What was dumped is still there: nothing is read a second time."""
    pair = make_pair("ma1011", "my97")
    rows = make(pair.source, 20000)
    j, files = copying(job, tmp_path, pair, ["app"], mode="all")
    with Slow(j, 300, *PLACES):
        j.start(*files)
        assert wait_chunks(j, pair.target, 3, 120), j.story()
        pair.target.stop()
        time.sleep(1)
        pair.target.start()
        assert wait_chunks(j, pair.target, 2, 120), j.story()
    assert j.wait(120) == DONE, j.story()
    pair.assert_equal("app", j.story)
    assert COMPLETE.findall(j.log()) == [str(rows)], j.story()


@one_way("my97", "ma1011")
def test_the_upstream_is_cut_off(source, target, make_pair, job, tmp_path):
    """Every connection is gone, the snapshot with them; a second later the upstream is there again."""
    pair = make_pair(source, target)
    rows = make(pair.source, 20000)
    way = failover.Forwarder(pair.source)
    try:
        j, files = copying(job, tmp_path, pair, ["app"], mode="all", source_port=way.port)
        with Slow(j, 300, *PLACES):
            j.start(*files)
            for _ in range(2):
                assert wait_chunks(j, pair.target, 3, 120), j.story()
                assert not COMPLETE.search(j.log()), "too late to show anything"
                way.to(None)
                time.sleep(1)
                way.to(pair.source)
        assert j.wait(180) == DONE, j.story()
        assert not_again(j, rows), f"nothing stayed\n{j.story()}"
        pair.assert_equal("app", j.story)
    finally:
        way.close()


@pytest.mark.root
def test_a_full_disk(make_pair, job, tmp_path):
    """The state folder's disk has room for a few chunks: the dump waits, says why, and goes on as the load makes room."""
    pair = make_pair("ma1011", "my97")
    make(pair.source, 20000)
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0755", "tmpfs", str(small)], check=True)
    try:
        j, files = copying(job, tmp_path, pair, ["app"])
        j.state = str(small / "state")
        (small / "filler").write_bytes(bytes(19 << 20))
        with Slow(j, 400):
            j.start(*files, until="full")
            procs.wait_for(lambda: "code=60004" in j.log() or j.ended(), 60, j.story)
            assert wait_chunks(j, pair.target, 2, 120), j.story()
            assert j.wait(180) == DONE, j.story()  # all of it through that little room
        assert "code=60004" in j.log(), j.story()
        pair.assert_equal("app", j.story)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)


@BOTH
def test_a_deadlock_over_the_records(source, target, make_pair, job, tmp_path):
    """Tasks that begin together lock gaps of the same tables of dm_meta. The one that the server ends tries again, and is not started anew."""
    pair = make_pair(source, target)
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1), (2)", "CREATE DATABASE other", "CREATE TABLE other.t (id int PRIMARY KEY)")
    first, files = copying(job, tmp_path, pair, ["other"])
    first.start(*files, until="full")  # makes the tables
    assert first.wait(120) == DONE, first.story()
    d.run("CREATE TABLE other.heavy (id int PRIMARY KEY)", "DELETE FROM dm_meta.tidegate_stretch")
    numbers(d, "other", 2000)
    j, files = copying(job, tmp_path, pair, ["app"])
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("name: copy", "name: next"))
    waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'REPLACE INTO%tidegate_stretch%' AND ID<>CONNECTION_ID()"
    with d.connect(autocommit=False) as other, other.cursor() as c:
        c.execute("INSERT INTO other.heavy SELECT i FROM other.n")  # of two the server ends the one that has changed less
        c.execute("DELETE FROM dm_meta.tidegate_stretch WHERE task='zzz'")  # a gap
        j.start(*files, until="full")
        procs.wait_for(lambda: d.query(waits)[0][0], 60, lambda: f"it does not come there\n{j.story()}", 0.05)
        c.execute("INSERT INTO dm_meta.tidegate_stretch (task, source, copy_id, table_schema, table_name, stretch, lo, hi, partitions) VALUES ('n', 's', 'c', 'a', 'b', 1, '', '', '')")
        other.rollback()
    assert j.wait(120) == DONE, j.story()
    assert "tried again: " in j.log() and len(re.findall("obituary load next ", j.log())) == 1, j.log()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("names, words", [("ma1011>my97", ""), ("my97>ma1011", " WITH SYSTEM VERSIONING")])
def test_table_made_by_hand_starts_anew(names, words, make_pair, job):
    """What the copy found empty is its own to empty, once rows of it are there, as often as it begins again from another snapshot."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20))", "INSERT INTO app.t VALUES (1, 'x'), (2, 'y')")
    d.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20))" + words)
    j = job(pair, tables="app.*")
    for _ in range(2):
        fired = j.failpoints.fired("load_all_done")
        j.failpoints.arm("load_all_done", "sleep", arg=300000)
        j.start(until="full")
        procs.wait_for(lambda fired=fired: j.failpoints.fired("load_all_done") > fired, 60, j.story, 0.1)
        j.interrupt()
        j.failpoints.disarm("load_all_done")
        assert d.query("SELECT COUNT(*) FROM app.t") == ((2,),)
        shutil.rmtree(j.state)
    j.run(until="full")
    pair.assert_equal("app", j.story)
