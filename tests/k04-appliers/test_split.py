"""A transaction in several downstream ones: because the task says so (split-transaction), or because the downstream does not take it whole. Killed between and
inside its parts, it is applied exactly once, also in a table without a key."""
import re
import threading

import pytest

import procs
from ends import Ends, live

KILLS = ["split_part", "split_again", "sync_after_guard", "sync_mid_rows", "sync_before_commit", "sync_after_commit"]
ROWS = 3000


def follow(build, ends, **sync):
    f = live.Follow(build, ends.up, ends.down, ["p"], sync=dict({"workers": 4}, **sync)).start(500)
    ends.up.run("CREATE DATABASE p", "CREATE TABLE p.n (i int PRIMARY KEY)", "CREATE TABLE p.t (id int PRIMARY KEY, u int UNIQUE, v varchar(100))", "CREATE TABLE p.k (a int, s varchar(100))",
                "CREATE TABLE p.f (id int PRIMARY KEY, v varchar(100))",
                f"INSERT INTO p.n WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{min(ROWS, 1000)}) SELECT i FROM n", f"INSERT INTO p.n SELECT i+1000 FROM p.n",
                "INSERT INTO p.n SELECT i+2000 FROM p.n WHERE i<=1000")
    f.wait()
    return f


def big(up, more=()):
    """Inserts, updates, deletes of three tables, in one transaction."""
    with up.connect(database="p", autocommit=False) as c, c.cursor() as cur:
        for s in ("INSERT INTO t SELECT i, i, REPEAT('x', 50) FROM n", "INSERT INTO k SELECT i % 50, 'twin' FROM n", "INSERT INTO f SELECT i, 'f' FROM n", "UPDATE t SET v='y', u=u+100000",
                  "UPDATE k SET s='z' WHERE a < 10", "UPDATE f SET v='g', id=id+5000 WHERE id % 3 = 0", "DELETE FROM k WHERE a > 40", "DELETE FROM t WHERE id % 7 = 0", *more):
            cur.execute(s)
        c.commit()


def stop_while_held(f, place):
    """When the place lets go it has heard of the stop; whoever is asked to stop has 5 s."""
    threading.Timer(2.5, f.failpoints.disarm, [place]).start()
    f.stop()


def recorded(down):
    found = down.query("SELECT COALESCE(GROUP_CONCAT(applied SEPARATOR ''), '') FROM dm_meta.tidegate_slot WHERE slot > 0")[0][0]
    return int(re.search(r"part \S+ \S+ (\d+)", found).group(1)) if "part " in found else 0


@pytest.mark.parametrize("source, target, keep", [pytest.param(s, t, n, id=f"{s}-{t}-{way}", marks=[pytest.mark.long] if (s == "my97") == (way == "large") else [])
                                                  for s, t in (("ma1011", "my97"), ("my97", "ma1011")) for way, n in (("in-memory", 16 << 20), ("large", 50000))])
def test_killed_between_parts(build_dir, server, source, target, keep):
    ends = Ends(server, source, target)
    f = follow(build_dir, ends, split_transaction=700, large_transaction=keep)
    try:
        for n, place in enumerate(KILLS):
            if n:
                ends.up.run("DELETE FROM p.t", "DELETE FROM p.k", "DELETE FROM p.f")
                f.wait(60)
            before = f.failpoints.fired(place)
            f.failpoints.arm(place, "kill", at=1 if place == "split_again" else 4)
            if place == "split_again":  # passed only by a start that finds some parts
                f.failpoints.arm("split_part", "error", at=5)
            big(ends.up)
            ends.up.run(f"INSERT INTO p.f VALUES ({100000 + n}, 'behind it')")
            f.wait(90)
            procs.wait_for(lambda: f.failpoints.fired(place) == before + 1, 60, place)  # a COMMIT is seen before who sent it goes on
            f.check()
            assert recorded(ends.down) == 0
        assert len(re.findall("rows of it are applied already, the rest follows", f.out)) >= 4, f.out[-3000:]
        f.end()
    finally:
        f.close()


@pytest.mark.parametrize("source", ["ma1011", "my97"])
def test_xa_and_create_select(build_dir, server, source):
    """Rows that come with a decision or with a DDL, in parts, killed between them."""
    ends = Ends(server, source, "my97")
    f = follow(build_dir, ends, split_transaction=700)
    try:
        f.failpoints.arm("split_part", "kill", at=2)
        with ends.up.connect(database="p") as c, c.cursor() as cur:
            for s in ("XA START 'x'", "INSERT INTO t SELECT i, i, 'xa' FROM n", "INSERT INTO k SELECT i % 5, 'xa' FROM n", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'"):
                cur.execute(s)
        f.wait(60)
        assert f.failpoints.fired("split_part") == 1
        assert not ends.down.query("SELECT * FROM dm_meta.tidegate_xa")
        f.check()
        f.failpoints.arm("split_part", "kill", at=2)
        ends.up.run("CREATE TABLE p.made AS SELECT i, i % 3 AS m FROM p.n", "INSERT INTO p.made VALUES (1, 2)")
        f.wait(60)
        assert f.failpoints.fired("split_part") == 2
        f.end()
    finally:
        f.close()


def test_stopped_between_parts(build_dir, server):
    """A clean stop does not wait for the end of it; the rest comes with the next start, also with another size of parts and fewer appliers."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends, split_transaction=500)
    try:
        f.failpoints.arm("sync_after_guard", "sleep", at=5, arg=300000)
        big(ends.up)
        ends.up.run("INSERT INTO p.f VALUES (100000, 'past it')", "UPDATE p.f SET v='behind it' WHERE id=5003")
        procs.wait_for(lambda: f.failpoints.fired("sync_after_guard"), 60, lambda: f.out[-2000:])
        stop_while_held(f, "sync_after_guard")
        assert recorded(ends.down) >= 500
        assert not ends.down.query("SELECT * FROM p.f WHERE v='behind it'")
        f.slices["sync"]["options"].update(split_transaction=100000, workers=1)
        f.start(300)
        f.wait(60)
        assert "rows of it are applied already" in f.out
        f.end()
    finally:
        f.close()


def test_not_the_same_any_more(build_dir, server):
    """The rules have changed while it was applied in part: what was counted then is not what is counted now. It stops."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends, split_transaction=500)
    try:
        f.failpoints.arm("sync_after_guard", "sleep", at=14, arg=300000)
        big(ends.up)
        procs.wait_for(lambda: f.failpoints.fired("sync_after_guard"), 60, lambda: f.out[-2000:])
        stop_while_held(f, "sync_after_guard")
        assert recorded(ends.down) > 4000
        f.slices["sync"]["rules"]["ignore_tables"] = [{"db-name": "p", "tbl-name": "k"}]
        f.start(300)
        f.wait_error(60511, 90)
    finally:
        f.close()


@pytest.mark.parametrize("keep", [16 << 20, 50000], ids=["in-memory", "large"])
@pytest.mark.parametrize("target", ["my97", "ma1011"])
def test_by_need(build_dir, server, target, keep):
    """The downstream's binlog cache is too small for it: it is split without being told to, and says so; killed on the way too."""
    ends = Ends(server, "ma1011", target)
    down = ends.down
    was = down.query("SELECT @@max_binlog_cache_size")[0][0]
    f = follow(build_dir, ends, large_transaction=keep)
    f.stop()
    try:
        down.run("SET GLOBAL binlog_cache_size=32768", "SET GLOBAL max_binlog_cache_size=65536")
        f.start(500)
        f.failpoints.arm("split_part", "kill", at=3)
        ends.up.run("INSERT INTO p.f VALUES (99999, 'before it')")
        big(ends.up)
        ends.up.run("INSERT INTO p.f VALUES (100000, 'behind it')", "UPDATE p.f SET v='h' WHERE id=5001")
        f.wait(120)
        assert f.failpoints.fired("split_part") == 1, f.out[-3000:]
        assert "is applied in parts of" in f.out and "1197" in f.out, f.out[-3000:]
        f.check()
        assert recorded(down) == 0
        f.end()
    finally:
        down.run(f"SET GLOBAL max_binlog_cache_size={was}")
        f.close()


def test_by_need_in_order(build_dir, server):
    """Many of them among small ones, with preserve-commit-order and without."""
    ends = Ends(server, "ma1011", "my97")
    was = ends.down.query("SELECT @@max_binlog_cache_size")[0][0]
    for ordered in (False, True):
        live.clean(ends.up)
        live.clean(ends.down)
        f = follow(build_dir, ends, preserve_commit_order=ordered, batch_rows=20)
        f.stop()
        try:
            ends.down.run("SET GLOBAL binlog_cache_size=32768", "SET GLOBAL max_binlog_cache_size=65536")
            f.start(500)
            for n in range(4):
                ends.up.run(*(f"INSERT INTO p.t VALUES ({100000 + n * 100 + i}, {-n * 100 - i - 1}, 'small')" for i in range(20)), "DELETE FROM p.t WHERE id < 100000",
                            "DELETE FROM p.k", "DELETE FROM p.f")
                big(ends.up)
                ends.up.run(*(f"INSERT INTO p.k VALUES ({i}, 'small')" for i in range(20)))
            f.wait(150)
            f.end()
        finally:
            ends.down.run(f"SET GLOBAL max_binlog_cache_size={was}")
            f.close()


@pytest.mark.parametrize("ordered", [False, True])
def test_by_need_stopped(build_dir, server, ordered):
    """A clean stop between two parts, while others wait for their turn behind it: all leave."""
    ends = Ends(server, "ma1011", "my97")
    was = ends.down.query("SELECT @@max_binlog_cache_size")[0][0]
    f = follow(build_dir, ends, preserve_commit_order=ordered, batch_rows=20)
    f.stop()
    try:
        ends.down.run("SET GLOBAL binlog_cache_size=32768", "SET GLOBAL max_binlog_cache_size=65536")
        f.start(500)
        f.failpoints.arm("split_part", "sleep", at=2, arg=300000)
        big(ends.up)
        ends.up.run(*(f"INSERT INTO p.n VALUES ({100000 + i})" for i in range(60)))
        procs.wait_for(lambda: f.failpoints.fired("split_part"), 60, lambda: f.out[-2000:])
        stop_while_held(f, "split_part")
        assert "leaving hard" not in f.out, f.out[-3000:]
        assert recorded(ends.down) > 0
        f.start(300)
        f.wait(90)
        assert "rows of it are applied already" in f.out
        f.end()
    finally:
        ends.down.run(f"SET GLOBAL max_binlog_cache_size={was}")
        f.close()
