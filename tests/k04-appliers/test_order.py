"""preserve-commit-order: with several appliers and kills, whoever reads the downstream sees transaction n only with all before it."""
import threading
import time

import pymysql
import pytest

import procs
from ends import Ends, live

TABLES = 8
KILLS = ["order_turn", "sync_after_guard", "sync_before_commit", "sync_after_commit"]


class Reader(threading.Thread):
    """Takes one consistent snapshot after the other. Transaction n writes n into table n % TABLES, so the numbers there must be n, n-1, n-2 …"""

    def __init__(self, server):
        super().__init__()
        self.server, self.leave, self.seen, self.torn, self.failed = server, False, set(), [], None

    def run(self):
        ask = " UNION ALL ".join(f"SELECT v FROM p.c{i}" for i in range(TABLES))
        try:
            with self.server.connect() as c, c.cursor() as cur:
                cur.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                while not self.leave:
                    cur.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
                    cur.execute(ask)
                    values = sorted(v for v, in cur.fetchall())
                    cur.execute("COMMIT")
                    self.seen.add(values[-1])
                    if values != list(range(values[-1] - TABLES + 1, values[-1] + 1)):
                        self.torn.append(values)
        except pymysql.MySQLError as e:
            self.failed = e


def follow(build, ends, **sync):
    f = live.Follow(build, ends.up, ends.down, ["p"], sync=dict({"workers": 8, "batch_rows": 1}, **sync)).start(500)
    ends.up.run("CREATE DATABASE p", *(f"CREATE TABLE p.c{i} (v int PRIMARY KEY)" for i in range(TABLES)), *(f"INSERT INTO p.c{i} VALUES ({i})" for i in range(TABLES)))
    f.wait()
    return f


def write(up, first, count):
    with up.connect(autocommit=True, database="p") as c, c.cursor() as cur:
        for n in range(first, first + count):
            cur.execute(f"UPDATE c{n % TABLES} SET v={n}")


def read_while(f, ends, places, hold=300):
    """What a reader saw while transactions came, some appliers were held up (for so many ms) and some killed."""
    reader, n = Reader(ends.down), TABLES
    reader.start()
    try:
        for place in places:
            f.failpoints.arm("sync_before_commit" if place == "sync_after_guard" else "sync_after_guard", "sleep", at=5, arg=hold)
            before = f.failpoints.fired(place) if place else 0
            if place:
                f.failpoints.arm(place, "kill", at=20)
            write(ends.up, n, 150)
            n += 150
            f.wait(90)
            if place:  # a COMMIT is seen before who sent it goes on
                procs.wait_for(lambda: f.failpoints.fired(place) == before + 1, 60, f"{place} did not fire")
        f.end()
    finally:
        reader.leave = True
        reader.join(60)
        f.close()
    assert not reader.failed, reader.failed
    # What is to be seen nowhere must have been looked for often enough; a hole counts however busy the machine was.
    assert reader.torn or len(reader.seen) > 15, f"only {len(reader.seen)} moments were seen"
    return reader.torn


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
def test_never_without_the_one_before(build_dir, server, source, target):
    ends = Ends(server, source, target)
    torn = read_while(follow(build_dir, ends, preserve_commit_order=True), ends, KILLS)
    assert not torn, f"{len(torn)} snapshots, such as {torn[:3]}"


def test_the_reader_sees_it(build_dir, server):
    """Without the option the same reader sees holes: else the test above would show nothing."""
    ends = Ends(server, "ma1011", "my97")
    assert read_while(follow(build_dir, ends), ends, ["", ""], hold=3000)


@pytest.mark.parametrize("target", ["my97", "ma1011"])
def test_blocked_by_a_later_one(build_dir, server, target):
    """A later transaction, done and waiting for its turn, holds a gap that the earlier one wants: it gives way, within seconds."""
    ends = Ends(server, "ma1011", target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends, preserve_commit_order=True, workers=4)
    try:
        up.run("CREATE TABLE p.u (id int PRIMARY KEY, u int UNIQUE)", "INSERT INTO p.u VALUES (1, 10), (2, 20)")
        f.wait()
        with down.connect(autocommit=False) as holder, holder.cursor() as cur:
            cur.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")  # what is deleted stays marked in the index, and is locked by the next insert of its value
            cur.execute("SELECT * FROM p.u")
            up.run("DELETE FROM p.u WHERE id=1")
            f.wait()
            retries = f.out.count("tried again")
            f.failpoints.arm("sync_before_guard", "sleep", at=1, arg=300000)
            up.run("INSERT INTO p.u VALUES (3, 15)")
            procs.wait_for(lambda: f.failpoints.fired("sync_before_guard"), 60, lambda: f.out[-2000:])
            turns = f.failpoints.passes("order_turn")
            up.run("INSERT INTO p.u VALUES (4, 10)")
            procs.wait_for(lambda: f.failpoints.passes("order_turn") > turns, 60, lambda: f.out[-2000:])  # it is written, and waits
            time.sleep(0.5)
            begun = time.time()
            f.failpoints.disarm("sync_before_guard")
            f.wait(45)
            took = time.time() - begun
            assert f.out.count("tried again") > retries, "nothing was in the way\n" + f.out[-2000:]
            assert took < 30, f"{took:.1f} s"
        f.end()
    finally:
        f.close()


def test_somebody_elses_lock(build_dir, server):
    """A row that a session of somebody holds: the appliers behind it wait or give way, and all goes on when it is free."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends, preserve_commit_order=True)
    try:
        with ends.down.connect(autocommit=False) as holder, holder.cursor() as cur:
            cur.execute("SELECT * FROM p.c3 FOR UPDATE")
            write(ends.up, TABLES, 100)
            time.sleep(6)
            assert ends.down.query("SELECT v FROM p.c4") == ((4,),)  # nothing behind transaction 11 may be seen
            holder.rollback()
        f.end()
    finally:
        f.close()
