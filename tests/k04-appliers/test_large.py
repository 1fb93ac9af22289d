"""Large transactions, whose rows are read from the relay log as they are applied, in a lane like others: what has to do with none of their tables goes past them, what does
waits; exactly once, whoever is killed. Relay and sync alone, between two servers."""
import re
import threading
import time

import pytest

import procs
from ends import Ends, check_meta, live

PAIRS = [("ma1011", "my97"), ("my97", "ma1011")]
ROWS = 600
TABLES = ("big", "huge", "other", "loose", "parent", "child")


def follow(build, ends, seconds=500, **sync):
    """Above 20 kB a transaction is a large one."""
    f = live.Follow(build, ends.up, ends.down, ["p"], sync=dict({"workers": 4, "batch_rows": 1, "large_transaction": 20000}, **sync)).start(seconds)
    ends.up.run("CREATE DATABASE p", "CREATE TABLE p.big (id int PRIMARY KEY, v varchar(200), u int UNIQUE)", "CREATE TABLE p.huge (id int PRIMARY KEY, v varchar(200))",
                "CREATE TABLE p.other (id int PRIMARY KEY, n int)", "CREATE TABLE p.loose (a int)", "CREATE TABLE p.parent (id int PRIMARY KEY, v varchar(200))",
                "CREATE TABLE p.child (id int PRIMARY KEY, p int, KEY p (p), FOREIGN KEY (p) REFERENCES p.parent (id))", "INSERT INTO p.other VALUES (1, 0)")
    f.wait()
    return f


def rows(table, first, count=ROWS):
    wide = ", ".join(f"({first + i}, REPEAT('{chr(97 + i % 26)}', 100){f', {first + i}' if table == 'big' else ''})" for i in range(count))
    return f"INSERT INTO p.{table} VALUES {wide}"


def together(up, *statements):
    with up.connect(database="p", autocommit=False) as c, c.cursor() as cur:
        for s in statements:
            cur.execute(s)
        c.commit()


def large(up, first=1, more=()):
    together(up, rows("big", first), f"UPDATE p.big SET v=CONCAT('new', id) WHERE id % 5 = 0", *more)


def small(up, n, count=20):
    up.run(*(f"INSERT INTO p.loose VALUES ({n + i})" for i in range(count)), "UPDATE p.other SET n=n+1")


def count(down, table):
    return down.query(f"SELECT COUNT(*) FROM p.{table}")[0][0]


def held(f, place="large_rows", at=3, ms=300000):
    """The next large one stands at this place for a while, or until it is let go."""
    before = f.failpoints.fired(place)
    f.failpoints.arm(place, "sleep", at=at, arg=ms)
    return lambda: procs.wait_for(lambda: f.failpoints.fired(place) > before, 60, lambda: f.out[-2000:])


@pytest.mark.parametrize("source, target", PAIRS)
def test_others_go_past(build_dir, server, source, target):
    """While one lane has a large one in hand, others commit; what is behind it on its table, or would be on its foreign key's other end, is not seen before it is."""
    ends = Ends(server, source, target)
    f = follow(build_dir, ends)
    try:
        until = held(f)
        large(ends.up, more=[rows("parent", 1, 20)])
        until()
        ends.up.run("INSERT INTO p.big VALUES (100000, 'behind it', NULL)")
        if source == "ma1011":  # MySQL's binlog says what foreign keys do: then the downstream need not check
            ends.up.run("INSERT INTO p.child VALUES (1, 1)")
        else:  # a new file, which may be of a server with another setting: the same, so nobody waits
            ends.up.run("FLUSH BINARY LOGS")
        small(ends.up, 0)
        procs.wait_for(lambda: count(ends.down, "loose") == 20, 60, lambda: f.out[-2000:])
        procs.wait_for(lambda: ends.down.query("SELECT n FROM p.other")[0][0] == 1, 60, lambda: f.out[-2000:])
        for table in ("big", "parent", "child"):
            assert count(ends.down, table) == 0, table
        procs.wait_for(lambda: any(int(n) for n in re.findall(r'"busy": ?(\d+)', f.out)), 60, lambda: f.out[-2000:])
        f.failpoints.disarm("large_rows")
        f.wait()
        assert count(ends.down, "big") == ROWS + 1
        f.end()
        check_meta(ends.down, f)
    finally:
        f.close()


def test_two_at_once(build_dir, server):
    """A second large one, of another table, ends before the first one."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends)
    try:
        until = held(f)
        large(ends.up)
        until()
        ends.up.run(rows("huge", 1))
        procs.wait_for(lambda: count(ends.down, "huge") == ROWS, 60, lambda: f.out[-2000:])
        assert count(ends.down, "big") == 0
        f.failpoints.disarm("large_rows")
        f.end()
        check_meta(ends.down, f)
    finally:
        f.close()


@pytest.mark.parametrize("source, target", PAIRS)
def test_an_xa_transaction(build_dir, server, source, target):
    """Rows that are read again at XA COMMIT."""
    ends = Ends(server, source, target)
    f = follow(build_dir, ends)
    try:
        until = held(f)
        with ends.up.connect(database="p") as c, c.cursor() as cur:
            for s in ("XA START 'x'", rows("big", 1), "XA END 'x'", "XA PREPARE 'x'"):
                cur.execute(s)
            small(ends.up, 0, 5)
            cur.execute("XA COMMIT 'x'")
        until()
        small(ends.up, 100)
        procs.wait_for(lambda: count(ends.down, "loose") == 25, 60, lambda: f.out[-2000:])
        assert count(ends.down, "big") == 0
        f.failpoints.disarm("large_rows")
        f.failpoints.arm("xa_record", "kill")
        with ends.up.connect(database="p") as c, c.cursor() as cur:
            for s in ("XA START 'y'", rows("big", 10000), "XA END 'y'", "XA PREPARE 'y'", "XA COMMIT 'y'"):
                cur.execute(s)
        f.end()
        assert f.failpoints.fired("xa_record") == 1
        check_meta(ends.down, f)
        assert not ends.down.query("SELECT * FROM dm_meta.tidegate_xa")
    finally:
        f.close()
        live.forget_prepared(ends.up)


def test_a_ddl_behind_it(build_dir, server):
    """A DDL waits for everything, a large one too, also where it is about another table."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends)
    try:
        until = held(f)
        large(ends.up)
        until()
        small(ends.up, 0)
        ends.up.run("ALTER TABLE p.other ADD COLUMN c int DEFAULT 5", "INSERT INTO p.other VALUES (2, 0, 7)")
        procs.wait_for(lambda: count(ends.down, "loose") == 20, 60, lambda: f.out[-2000:])
        assert count(ends.down, "big") == 0
        assert not ends.down.query("SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='p' AND COLUMN_NAME='c'")
        f.failpoints.disarm("large_rows")
        f.end()
        check_meta(ends.down, f)
    finally:
        f.close()


@pytest.mark.parametrize("source, target", PAIRS)
def test_killed_while_others_are_ahead(build_dir, server, source, target):
    """The large one is lost with the process, what others committed behind it is not done twice: one table has no key."""
    ends = Ends(server, source, target)
    f = follow(build_dir, ends)
    try:
        for turn in range(3):
            until = held(f)
            large(ends.up, 1 + 10000 * turn)
            until()
            small(ends.up, 100 * turn)
            procs.wait_for(lambda: count(ends.down, "loose") == 20 * (turn + 1), 60, lambda: f.out[-2000:])
            assert count(ends.down, "big") == turn * ROWS
            if turn == 2:
                f.slices["sync"]["options"]["workers"] = 1
            f.stop_hard()
            f.start(300)
            f.wait()
            assert "intervals behind the watermark are applied already" in f.since
            f.check()
        f.end()
        check_meta(ends.down, f)
    finally:
        f.close()


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("source, target", PAIRS)
def test_killed_at_each_place(build_dir, server, source, target, ordered):
    ends = Ends(server, source, target)
    f = follow(build_dir, ends, preserve_commit_order=ordered)
    try:
        kills = [("large_fetched", 1), ("large_fetched", 2), ("large_rows", 1), ("large_rows", 9), ("sync_mid_rows", 5), ("sync_after_guard", 2), ("sync_before_commit", 3),
                 ("sync_after_commit", 3)]
        for turn, (place, at) in enumerate(kills):
            before = f.failpoints.fired(place)
            f.failpoints.arm(place, "kill", at=at)
            small(ends.up, 1000 * turn, 3)
            large(ends.up, 1 + 10000 * turn)
            small(ends.up, 1000 * turn + 100, 5)
            ends.up.run(rows("huge", 1 + 10000 * turn), "UPDATE p.big SET v='behind it' WHERE id % 3 = 0", "DELETE FROM p.huge WHERE id % 3 = 1")
            f.wait(90)
            procs.wait_for(lambda: f.failpoints.fired(place) == before + 1, 60, f"{place} was not passed so often")  # a COMMIT is seen before who sent it goes on
            f.check()
        f.end()
        check_meta(ends.down, f)
    finally:
        f.close()


def test_in_order(build_dir, server):
    """With preserve-commit-order nothing behind it is seen before it; before it and behind it all go on side by side."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends, preserve_commit_order=True)
    try:
        for turn in range(3):
            until = held(f)
            small(ends.up, 1000 * turn, 10)
            large(ends.up, 1 + 10000 * turn)
            small(ends.up, 1000 * turn + 100, 10)
            until()
            procs.wait_for(lambda: count(ends.down, "loose") >= 20 * turn + 10, 60, lambda: f.out[-2000:])
            time.sleep(0.3)
            assert count(ends.down, "loose") == 20 * turn + 10  # and nothing behind it
            assert count(ends.down, "big") == ROWS * turn
            f.failpoints.disarm("large_rows")
            f.wait()
        f.end()
        check_meta(ends.down, f)
    finally:
        f.close()


def test_two_owners(build_dir, server):
    """Another owner comes while a large one is under way and others are ahead of it: the first one ends as fenced."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    old = follow(build_dir, ends)
    new = None
    try:
        until = held(old)
        large(up)
        until()
        small(up, 0)
        procs.wait_for(lambda: count(down, "loose") == 20, 60, lambda: old.out[-2000:])
        start = old.slices["sync"]["options"]["start"]
        new = live.Follow(build_dir, up, down, ["p"], epoch=2, sync={"workers": 2, "large_transaction": 20000}, start=(start["file"], start["offset"], start["gtid"])).start(300)
        new.wait(60)
        old.failpoints.disarm("large_rows")
        old.wait_error(60501, 90)
        up.run("INSERT INTO p.big VALUES (100000, 'behind it', NULL)")
        small(up, 100)
        new.end()
        check_meta(down, new)
        assert {e for e, in down.query("SELECT DISTINCT epoch FROM dm_meta.tidegate_slot")} == {2}
    finally:
        for f in (old, new):
            if f:
                f.close()


@pytest.mark.parametrize("ordered", [False, True])
def test_stopped(build_dir, server, ordered):
    """A clean stop does not wait for the end of a large one, and keeps what others have committed behind it."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends, preserve_commit_order=ordered)
    try:
        until = held(f, at=2)
        large(ends.up)
        until()
        small(ends.up, 0)
        if not ordered:
            procs.wait_for(lambda: count(ends.down, "loose") == 20, 60, lambda: f.out[-2000:])
        threading.Timer(2.5, f.failpoints.disarm, ["large_rows"]).start()  # it has heard of the stop then; whoever is asked to stop has 5 s
        f.stop()
        assert "leaving hard" not in f.out, f.out[-3000:]
        assert count(ends.down, "loose") == (0 if ordered else 20) and count(ends.down, "big") == 0
        f.start(300)
        f.end()
        check_meta(ends.down, f)
    finally:
        f.close()


def test_in_parts(build_dir, server):
    """split-transaction: small ones of other tables go past between its parts; what depends on it waits until it is whole. Killed, the rest comes first."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends, split_transaction=100)
    try:
        for n, act in enumerate(("sleep", "kill")):
            until = held(f, "split_part", at=2)
            large(ends.up, 1 + 10000 * n)
            until()
            seen = count(ends.down, "big")
            ends.up.run(f"INSERT INTO p.big VALUES ({100000 + n}, 'behind it', NULL)")
            small(ends.up, 100 * n)
            procs.wait_for(lambda: count(ends.down, "loose") == 20 * (n + 1), 60, lambda: f.out[-2000:])
            assert count(ends.down, "big") == seen >= 200 and not ends.down.query(f"SELECT * FROM p.big WHERE id={100000 + n}")
            if act == "kill":
                f.stop_hard()
                f.start(300)
            f.failpoints.disarm("split_part")
            f.wait()
            f.check()
        f.end()
        check_meta(ends.down, f)
    finally:
        f.close()


def test_nothing_of_it_is_ours(build_dir, server):
    """None of its tables is wanted: it is not read again."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends)
    try:
        ends.up.run("DROP DATABASE IF EXISTS q", "CREATE DATABASE q", "CREATE TABLE q.t (id int PRIMARY KEY, v varchar(200))")
        f.wait()
        was = f.failpoints.passes("large_fetched")
        ends.up.run(rows("huge", 1).replace("p.huge", "q.t"), "INSERT INTO p.other VALUES (5, 5)")
        f.wait()
        assert f.failpoints.passes("large_fetched") == was
        together(ends.up, rows("huge", 1000).replace("p.huge", "q.t"), "INSERT INTO p.other VALUES (6, 6)")
        f.wait()
        assert f.failpoints.passes("large_fetched") > was
        f.end()
    finally:
        f.close()
        ends.up.run("DROP DATABASE IF EXISTS q")
