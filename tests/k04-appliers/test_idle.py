"""At rest: relay and sync look at things rarely, and lanes have closed their connections. What comes is applied all the same, once: with kills at each place of that way,
connections that are lost meanwhile, and another owner. Relay and sync alone (units/sync/live_test.py)."""
import os
import random
import re
import signal
from contextlib import contextmanager

import pymysql
import pytest

import procs
from ends import Ends, check_meta, live
from servers import PASSWORD, USER

PLACES = ["lane_opened", "sync_before_guard", "sync_after_guard", "sync_before_commit", "sync_after_commit", "lane_closing"]
OWN = 2  # the scheduler's connections stay


def follow(build_dir, ends, epoch=1, start=None, **sync):
    f = live.Follow(build_dir, ends.up, ends.down, ["p"], epoch=epoch, start=start, sync=dict({"workers": 4, "batch_rows": 1, "idle_ms": 300, "rest_after_ms": 300}, **sync))
    f.slices["relay"]["options"]["rest_after_ms"] = 300
    return f


def make(up, down):
    for s in up, down:
        s.run("DROP DATABASE IF EXISTS p")
    down.run("DROP DATABASE IF EXISTS dm_meta")


def noted(f):
    try:
        return f.down.query("SELECT COUNT(*) FROM dm_meta.tidegate_connection WHERE task=%s", f.task)[0][0]
    except pymysql.MySQLError:
        return -1


def at_rest(f):
    """Both units say so, and no lane has a connection."""

    def there():
        last = {unit: next((x for x in reversed(f.out.splitlines()) if x.startswith(f"status tidegate-{unit} ")), "") for unit in ("relay", "sync")}
        return all('"rests":true' in x for x in last.values()) and noted(f) == OWN

    procs.wait_for(there, 60, lambda: f"no rest, {noted(f)} connections: {f.out[-3000:]}", 0.1)


@contextmanager
def table_of_two(build_dir, server, source, target):
    """(upstream, downstream, who follows): an empty table p.k is there on both sides."""
    ends = Ends(server, source, target)
    make(ends.up, ends.down)
    f = follow(build_dir, ends)
    try:
        f.start(300)
        ends.up.run("CREATE DATABASE p", "CREATE TABLE p.k (id int PRIMARY KEY, n int)")
        f.wait(60)
        yield ends.up, ends.down, f
    finally:
        f.close()


def starts(f, unit="sync"):
    return f.out.count(f"start tidegate-{unit} ")


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
@pytest.mark.parametrize("order", [False, True])
def test_work_after_a_rest(build_dir, server, source, target, order):
    """Rows on all lanes, a DDL, what is nothing to us: each after a rest, with kills at each place, and nothing starts again but by these."""
    ends, rnd = Ends(server, source, target), random.Random(5)
    up, down = ends.up, ends.down
    make(up, down)
    f = follow(build_dir, ends, preserve_commit_order=order)
    try:
        f.start(400)
        up.run("CREATE DATABASE p", "CREATE TABLE p.k (id int PRIMARY KEY, n int)", "CREATE TABLE p.t (a int)", "CREATE TABLE p.child (id int PRIMARY KEY, k int, FOREIGN KEY (k) REFERENCES p.k (id) ON DELETE CASCADE)",
               *(f"INSERT INTO p.k VALUES ({i}, 0)" for i in range(20)))
        f.wait(60)
        for i, place in enumerate([None, *PLACES, None]):
            at_rest(f)
            before = starts(f)
            fired = f.failpoints.fired(place) if place else 0
            if place:
                f.failpoints.arm(place, "kill", at=1)
            with up.connect(database="p") as c, c.cursor() as cur:
                for k in rnd.sample(range(20), 8):
                    cur.execute(f"UPDATE k SET n=n+1 WHERE id={k}")
                cur.execute(f"INSERT INTO t VALUES ({i})")
                cur.execute(f"INSERT INTO child VALUES ({i}, {20 + i - 1 if i else 1})")
                cur.execute(f"INSERT INTO k VALUES ({20 + i}, 0)")
            f.wait(60)
            if place:  # of lanes that close the first one ends it; and a COMMIT is seen before who sent it goes on
                procs.wait_for(lambda: f.failpoints.fired(place) > fired, 60, lambda: f"{place}: {f.out[-2000:]}")
            elif i:
                assert starts(f) == before, f.out[-3000:]
        at_rest(f)
        up.run("ALTER TABLE p.k ADD COLUMN c int DEFAULT 7", "DELETE FROM p.k WHERE id=1")
        f.wait(60)
        at_rest(f)
        up.run("CREATE DATABASE IF NOT EXISTS elsewhere", "CREATE TABLE elsewhere.t (id int PRIMARY KEY)", "INSERT INTO elsewhere.t VALUES (1)")
        f.wait(60)  # recorded, though it is nothing to us
        assert noted(f) == OWN
        up.run("INSERT INTO p.t VALUES (100)")
        f.end()
        check_meta(down, f)
    finally:
        f.close()
        up.run("DROP DATABASE IF EXISTS elsewhere")


def kill(server, ids):
    for n in ids:
        try:
            server.run(f"KILL {n}")
        except pymysql.MySQLError:
            pass  # gone already


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
def test_connections_lost_at_rest(build_dir, server, source, target):
    """All connections of both units are killed while nothing goes on: what comes then is applied."""
    with table_of_two(build_dir, server, source, target) as (up, down, f):
        for i in range(3):
            at_rest(f)
            kill(down, [n for n, in down.query("SELECT connection FROM dm_meta.tidegate_connection")])
            if i != 1:
                kill(up, [r[0] for r in up.query("SHOW PROCESSLIST") if str(r[4]).startswith("Binlog Dump")])
            up.run(f"INSERT INTO p.k VALUES ({i}, 0)", "UPDATE p.k SET n=n+1")
            f.wait(60)
        at_rest(f)  # a lane's note that is there at the end can't be taken away by a scheduler's connection that is dead
        f.end(noted=OWN)
        check_meta(down, f)


def pid_of(f, unit):
    return int(re.findall(rf"^start tidegate-{unit} (\d+)", f.out, re.M)[-1])


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
@pytest.mark.parametrize("how", ["killed", "stopped", "opening"])
def test_another_owner(build_dir, server, source, target, how):
    """Taken over while the lanes are closed. The older owner is gone; or it sleeps, and wakes when there is work; or it has just made a connection that is on no record yet."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    make(up, down)
    old, new = follow(build_dir, ends), None
    try:
        old.start(500)
        up.run("CREATE DATABASE p", "CREATE TABLE p.k (id int PRIMARY KEY, n int)", "CREATE TABLE p.t (a int)", "INSERT INTO p.k VALUES (1, 0)")
        old.wait(60)
        at_rest(old)
        pid = pid_of(old, "sync")
        if how == "killed":
            old.stop_hard()
        elif how == "stopped":
            os.kill(pid, signal.SIGSTOP)
        else:
            old.failpoints.arm("lane_opened", "sleep", arg=300000)
        up.run("UPDATE p.k SET n=n+1", "INSERT INTO p.t VALUES (1)")
        if how == "opening":
            procs.wait_for(lambda: old.failpoints.fired("lane_opened"), 60, lambda: old.out[-2000:])
        start = old.slices["sync"]["options"]["start"]
        new = follow(build_dir, ends, epoch=2, start=(start["file"], start["offset"], start["gtid"])).start(300)
        new.wait(60)
        assert (down.query("SELECT n FROM p.k"), down.query("SELECT a FROM p.t")) == (((1,),), ((1,),))
        if how == "stopped":
            os.kill(pid, signal.SIGCONT)
        if how == "opening":
            old.failpoints.disarm("lane_opened")
        if how != "killed":
            old.wait_error(60501, 90)
        assert (down.query("SELECT n FROM p.k"), down.query("SELECT a FROM p.t")) == (((1,),), ((1,),))
        up.run("UPDATE p.k SET n=n+1", "INSERT INTO p.k VALUES (2, 5)")
        new.end()
        check_meta(down, new)
    finally:
        for f in (old, new):
            if f:
                f.close()


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
def test_no_room_behind_a_rest(build_dir, server, source, target):
    """Others have taken the connections meanwhile: the work waits until there is room again, and the process goes on."""
    with table_of_two(build_dir, server, source, target) as (up, down, f):
        at_rest(f)
        before = starts(f)
        admin = live.Server(down.port, USER, PASSWORD)
        admin.run("ALTER USER tgtestlive@'%' WITH MAX_USER_CONNECTIONS 1")  # those that are there don't count
        filler = down.connect()
        try:
            up.run("INSERT INTO p.k VALUES (1, 0)")
            procs.wait_for(lambda: "no room for a connection, tried again" in f.out, 60, lambda: f.out[-3000:], 0.1)
        finally:
            admin.run("ALTER USER tgtestlive@'%' WITH MAX_USER_CONNECTIONS 0")
            filler.close()
        f.wait(90)
        assert starts(f) == before, f.out[-3000:]
        f.end()
