"""XA transactions among others, by several appliers: what lanes prepare and decide ahead of the watermark is right after a kill, and what the restart
needs of the relay log is still there. Relay and sync alone, between two servers."""
import time

import pytest

from ends import Ends, check_meta, live

PAIRS = [("ma1011", "my97"), ("my97", "ma1011")]


def prepare(up, name, *statements):
    with up.connect(database="p") as c, c.cursor() as cur:
        for s in (f"XA START '{name}'", *statements, f"XA END '{name}'", f"XA PREPARE '{name}'"):
            cur.execute(s)


def decide(up, word, name):
    end = time.time() + 60
    while True:
        try:
            return up.run(f"XA {word} '{name}'")
        except live.pymysql.MySQLError:  # who prepared it is not gone yet
            assert time.time() < end, name
            time.sleep(0.02)


def until(what, f, seconds=60):
    end = time.time() + seconds
    while not what():
        assert time.time() < end, f.out[-3000:]
        time.sleep(0.05)


def records(f, down):
    return sorted(bytes(x)[6:].decode() for x, in down.query("SELECT xid FROM dm_meta.tidegate_xa WHERE task=%s", f.task))


@pytest.fixture
def ends(server, request):
    e = Ends(server, *request.param)
    yield e
    live.forget_prepared(e.up)


@pytest.mark.parametrize("ends", PAIRS, indirect=True, ids=["-to-".join(p) for p in PAIRS])
@pytest.mark.parametrize("then", [4, 1])
def test_ahead_of_the_watermark(build_dir, ends, then):
    """One lane waits for a row and holds the watermark; behind it others prepare, commit and roll back. Then a kill, and as many appliers, or one."""
    up, down = ends.up, ends.down
    f = live.Follow(build_dir, up, down, ["p"], sync={"workers": 4, "batch_rows": 1})
    try:
        f.start(500)
        up.run("CREATE DATABASE p", "CREATE TABLE p.k (id int PRIMARY KEY, n int)", "CREATE TABLE p.t (id int PRIMARY KEY, n int)", "INSERT INTO p.k VALUES (1, 0)")
        for i, name in enumerate(("early-c", "early-r", "early-open")):
            prepare(up, name, f"INSERT INTO t VALUES ({i}, 0)")
        f.wait(30)
        with down.connect(autocommit=False, database="p") as c, c.cursor() as cur:
            cur.execute("SELECT * FROM k FOR UPDATE")
            up.run("UPDATE p.k SET n=n+1")
            stands = f.watermark()
            for i, name in enumerate(("late-c", "late-r", "late-open")):
                prepare(up, name, f"INSERT INTO t VALUES ({10 + i}, 0)")
            for when in ("early", "late"):
                decide(up, "COMMIT", f"{when}-c")
                decide(up, "ROLLBACK", f"{when}-r")
            prepare(up, "early-c", "INSERT INTO t VALUES (20, 0)")  # the name again
            until(lambda: records(f, down) == ["early-c", "early-open", "late-open"], f)
            until(lambda: [r[0] for r in down.query("SELECT id FROM p.t ORDER BY id")] == [0, 10], f)
            assert f.watermark() == stands, "the watermark is not held"
            f.slices["sync"]["options"]["workers"] = then
            f.stop_hard()
            c.rollback()
        up.run("FLUSH BINARY LOGS")
        f.start(500)
        f.wait(30)
        assert records(f, down) == ["early-c", "early-open", "late-open"]
        assert "is prepared again" not in f.out
        f.stop_hard()  # once more, with all of it behind the watermark
        f.start(500)
        for name in ("early-c", "early-open", "late-open"):
            decide(up, "COMMIT", name)
        f.end()
        assert records(f, down) == []
        check_meta(down, f)
    finally:
        f.close()


@pytest.mark.parametrize("place, ends", [pytest.param(place, p, id=f"{place}-{'-to-'.join(p)}", marks=[pytest.mark.long] if (p == PAIRS[0]) == (place == "sync_before_commit") else [])
                                         for place in ("xa_record", "sync_before_commit", "sync_after_commit") for p in PAIRS], indirect=["ends"])
def test_kill_at_a_decision(build_dir, ends, place):
    """Killed with one transaction's PREPARE, then with its COMMIT, in hand, others ahead of it: each exactly once."""
    up, down = ends.up, ends.down
    f = live.Follow(build_dir, up, down, ["p"], sync={"workers": 4, "batch_rows": 1})
    try:
        f.start(500)
        up.run("CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, n int)", "CREATE TABLE p.none (a int)", "INSERT INTO p.t VALUES (0, 0)")
        f.wait(30)
        for turn in range(4):
            for at in (turn % 3 + 1, turn % 4 + 1):
                before = f.failpoints.fired(place)
                f.failpoints.arm(place, "kill", at=at)
                for n in range(4):
                    name = f"x{turn}.{at}.{n}"
                    prepare(up, name, "UPDATE t SET n=n+1", f"INSERT INTO none VALUES ({turn})")
                    up.run(f"INSERT INTO p.none VALUES ({100 + n})")
                    decide(up, "ROLLBACK" if n == 2 else "COMMIT", name)
                until(lambda: f.failpoints.fired(place) > before, f)
        f.end(seconds=60)
        assert records(f, down) == []
        check_meta(down, f)
    finally:
        f.close()


def test_not_one_after_the_other(build_dir, server):
    """XA transactions that have nothing in common are written side by side: one whose row is locked downstream holds up nobody."""
    e = Ends(server, "ma1011", "my97")
    up, down = e.up, e.down
    f = live.Follow(build_dir, up, down, ["p"], sync={"workers": 4, "batch_rows": 1})
    try:
        f.start(500)
        up.run("CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, n int)", "INSERT INTO p.t VALUES (1, 0), (2, 0), (3, 0)")
        f.wait(30)
        with down.connect(autocommit=False, database="p") as c, c.cursor() as cur:
            cur.execute("SELECT * FROM t WHERE id=1 FOR UPDATE")
            for i in (1, 2, 3):
                prepare(up, f"x{i}", f"UPDATE t SET n=7 WHERE id={i}")
                decide(up, "COMMIT", f"x{i}")
            until(lambda: down.query("SELECT COUNT(*) FROM p.t WHERE n=7") == ((2,),), f)
            c.rollback()
        f.end()
        check_meta(down, f)
    finally:
        f.close()
