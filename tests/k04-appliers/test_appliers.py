"""Appliers side by side, exactly once: random schemas and transactions, kill -9, made-up errors and lost connections at every place of the sync, 1 to
16 appliers; in the end both sides are equal, dm_meta says so, and nothing was written in safe mode. Relay and sync alone, between two servers (units/sync/live_test.py).
--seeds N: how many runs in all (50; with --long 1000). --first-seed says where to begin: a failed run names its seed."""
import os
import random
import threading
import time
from pathlib import Path

import pymysql
import pytest

from ends import Ends, check_meta, live
from failpoints import names

PLACES = [n for n in names() if n.startswith("sync_")] + ["xa_record"]
LARGE = [n for n in names() if n.startswith("large_")]  # of transactions that are read again
WORDS = ["a", "A", "b", "B ", "e", "é", "ß", "ss", "z", "Z", "10", "x'y", "ñ", "n", "long enough to be cut", "long enough to be kept"]

TABLES = {
    "plain": "id int PRIMARY KEY, v varchar(40), n int DEFAULT 0",
    "uniques": "id int PRIMARY KEY, a int UNIQUE, b int, c int, n int DEFAULT 0, UNIQUE KEY bc (b, c)",
    "words": "id int PRIMARY KEY, w varchar(40) UNIQUE, n int DEFAULT 0",
    "word_key": "w varchar(40) CHARACTER SET {charset} PRIMARY KEY, n int DEFAULT 0",
    "prefixes": "id int PRIMARY KEY, w varchar(40), n int DEFAULT 0, UNIQUE KEY p (w(4))",
    "starts": "id int PRIMARY KEY, w varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, b varbinary(20), n int DEFAULT 0, UNIQUE KEY p (w(2), b(1))",
    "pairs": "a int, b int, n int DEFAULT 0, PRIMARY KEY (a, b), UNIQUE KEY ba (b, a)",
    "keyless": "a int, w varchar(40), n int DEFAULT 0",
    "counted": "id int PRIMARY KEY, a int, g int AS (a * 2) STORED, n int DEFAULT 0, UNIQUE KEY g (g)",
    "made": "id int PRIMARY KEY, a int, g int AS (a + 7) VIRTUAL, n int DEFAULT 0, UNIQUE KEY g (g)",
    "parent": "id int PRIMARY KEY, n int DEFAULT 0",
    "boss": "id int PRIMARY KEY, code varchar(12), n int DEFAULT 0, UNIQUE KEY code (code)",
    "owner": "id int PRIMARY KEY, n int DEFAULT 0",
}
MADE = ("counted", "made")  # a column of theirs is computed
HANDED = ("uniques", "words", "prefixes", "starts", "pairs", *MADE)
# Tables that come with others, by foreign keys.
FAMILIES = {
    "parent": {"child": "id int PRIMARY KEY, p int, n int DEFAULT 0, KEY p (p), FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE"},
    "boss": {"worker": "id int PRIMARY KEY, b int, c varchar(12), chief int, n int DEFAULT 0, KEY b (b), KEY c (c), KEY chief (chief), "
                       "FOREIGN KEY (b) REFERENCES boss (id), FOREIGN KEY (c) REFERENCES boss (code), FOREIGN KEY (chief) REFERENCES worker (id)"},
    "owner": {"thing": "id int PRIMARY KEY, o int, n int DEFAULT 0, KEY o (o), FOREIGN KEY (o) REFERENCES owner (id) ON DELETE SET NULL",
              "part": "id int PRIMARY KEY, t int NOT NULL, n int DEFAULT 0, KEY t (t), FOREIGN KEY (t) REFERENCES thing (id) ON DELETE CASCADE"},
}
# Who refers to whom: child, column, parent, column.
REFERS = [("child", "p", "parent", "id"), ("worker", "b", "boss", "id"), ("worker", "c", "boss", "code"), ("worker", "chief", "worker", "id"),
          ("thing", "o", "owner", "id"), ("part", "t", "thing", "id")]


class Writer(threading.Thread):
    """One connection that writes random transactions; whatever the server refuses is rolled back, and is no matter."""

    def __init__(self, server, tables, seed, count, keys, image):
        super().__init__()
        self.image, self.seed = image, seed
        self.server, self.tables, self.rnd, self.count, self.keys, self.done = server, tables, random.Random(seed), count, keys, 0
        self.failed = None

    def k(self):
        return self.rnd.randint(1, 3) if self.rnd.random() < 0.2 else self.rnd.randint(1, self.keys)

    def w(self):
        return self.rnd.choice(WORDS) + (str(self.rnd.randint(1, 30)) if self.rnd.random() < 0.6 else "")

    def values(self, t):
        k, w, n = self.k, self.w, self.rnd.randint(0, 9)
        return {"plain": (k(), w(), n), "uniques": (k(), self.rnd.choice([None, k(), k()]), k(), self.rnd.choice([None, 1, 2]), n), "words": (k(), w(), n),
                "word_key": (w(), n), "prefixes": (k(), w(), n), "starts": (k(), w(), w(), n), "pairs": (k() % 9, k(), n), "keyless": (k() % 5, w(), n), "parent": (k(), n),
                "child": (k(), k(), n), "boss": (k(), self.code(), n), "owner": (k(), n), "thing": (k(), self.rnd.choice([None, k(), k()]), n), "part": (k(), k(), n),
                "worker": (k(), self.rnd.choice([None, k()]), self.rnd.choice([None, self.code()]), self.rnd.choice([None, None, k()]), n)}[t]

    def code(self):
        return f"{self.rnd.choice('cCé')}{self.k()}"

    def family(self, connection, c):
        """A child goes, its parent goes, both come again: each in a transaction of its own, or all in one."""
        t, column, parent, key = self.rnd.choice([r for r in REFERS if r[0] in self.tables])
        alone = self.rnd.random() < 0.7
        c.execute(f"SELECT * FROM {t} WHERE {column} IS NOT NULL ORDER BY RAND() LIMIT 1")
        row = c.fetchone()
        if not row:
            return
        names = [d[0] for d in c.description]
        value = row[names.index(column)]
        c.execute(f"SELECT * FROM {parent} WHERE {key}=%s", (value,))
        above = c.fetchone()
        if not above:
            return  # another writer's change of the two is seen in one of them only
        put = lambda to, v: c.execute(f"INSERT INTO {to} VALUES ({', '.join(['%s'] * len(v))})", v)  # noqa: E731
        c.execute(f"DELETE FROM {t} WHERE {column}=%s", (value,))
        for step in (lambda: c.execute(f"DELETE FROM {parent} WHERE {key}=%s", (value,)), lambda: put(parent, above), lambda: put(t, row)):
            if alone:
                connection.commit()
            step()

    def hand_over(self, connection, c, t):
        """A value of a second unique key goes from one row to another, in transactions of their own."""
        column = {"uniques": "a", "words": "w", "prefixes": "w", "starts": "w", "pairs": "b", "counted": "a", "made": "a"}[t]
        key = "a" if t == "pairs" else "id"
        c.execute(f"SELECT {key}, {column} FROM {t} WHERE {column} IS NOT NULL ORDER BY RAND() LIMIT 1")
        row = c.fetchone()
        if not row:
            return
        connection.commit()
        if self.rnd.random() < 0.5:
            c.execute(f"DELETE FROM {t} WHERE {key}=%s AND {column}=%s", row)
        elif t != "pairs":
            c.execute(f"UPDATE {t} SET {column}=%s WHERE {key}=%s AND {column}=%s", (self.w() if column == "w" else self.k() + 1000, *row))
        connection.commit()
        c.execute(f"INSERT INTO {t} ({key}, {column}) VALUES (%s, %s)", (self.k() + 2000, row[1]))
        connection.commit()

    def statement(self, connection, c):
        r, t = self.rnd, self.rnd.choice(self.tables)
        if t in HANDED and r.random() < 0.3:
            return self.hand_over(connection, c, t)
        if any(t == x[0] for x in REFERS) and r.random() < 0.2:
            return self.family(connection, c)
        key = {"word_key": "w", "keyless": "a", "pairs": "b"}.get(t, "id")
        what = r.random()
        some = self.w() if key == "w" else self.k() % 5 if t == "keyless" else self.k()
        if what < 0.4:
            if t in MADE:
                c.execute(f"INSERT INTO {t} (id, a, n) VALUES (%s, %s, %s)", (self.k(), r.choice([None, self.k()]), 1))
            else:
                v = self.values(t)
                c.execute(f"INSERT INTO {t} VALUES ({', '.join(['%s'] * len(v))})", v)
        elif what < 0.6:
            c.execute(f"UPDATE {t} SET n=n+1 WHERE {key}=%s", (some,))
        elif what < 0.7:
            c.execute(f"DELETE FROM {t} WHERE {key}=%s LIMIT 2", (some,))
        elif what < 0.8:  # the same key again, at once
            c.execute(f"SELECT * FROM {t} WHERE {key}=%s LIMIT 1", (some,))
            row = c.fetchone()
            if row and t not in MADE:
                c.execute(f"DELETE FROM {t} WHERE {key}=%s LIMIT 1", (some,))
                c.execute(f"INSERT INTO {t} VALUES ({', '.join(['%s'] * len(row))})", row)
        elif what < 0.9 and t in ("plain", "uniques", "words", "parent", "boss", "owner"):  # two keys change places
            x, y = self.k(), self.k()
            for a, b in ((x, -1), (y, x), (-1, y)):
                c.execute(f"UPDATE {t} SET id=%s WHERE id=%s", (b, a))
        elif t == "uniques":  # a chain
            c.execute("UPDATE uniques SET a=a+1 WHERE a IS NOT NULL ORDER BY a DESC")
        elif t in ("words", "prefixes", "starts"):
            c.execute(f"UPDATE {t} SET w=%s WHERE id=%s", (self.w(), some))
        else:
            c.execute(f"UPDATE {t} SET n=n+1 WHERE {key} BETWEEN %s AND %s", (some, some))

    def prepared(self):
        """An XA transaction, decided soon after, by another connection: the one that prepared it is gone."""
        name = f"'w{self.seed}.{self.done}'"
        with self.server.connect(database="p") as c, c.cursor() as cur:
            cur.execute(f"SET binlog_row_image={self.image}")
            cur.execute(f"XA START {name}")
            for _ in range(self.rnd.choice([1, 2, 3])):
                self.change(cur, self.rnd.choice(self.tables))
            cur.execute(f"XA END {name}")
            cur.execute(f"XA PREPARE {name}")
        time.sleep(self.rnd.choice([0, 0, 0.02, 0.1]))
        word, end = self.rnd.choice(["COMMIT", "COMMIT", "ROLLBACK"]), time.time() + 60
        while True:
            try:
                return self.server.run(f"XA {word} {name}")
            except pymysql.MySQLError:  # the server may not have seen yet that the other is gone; or it changed nothing, and is gone with it
                # MariaDB's are bytes. One that is left prepared by mistake holds its rows, and others wait for these 50 s each time.
                held = [r[3] if isinstance(r[3], str) else r[3].decode() for r in self.server.query("XA RECOVER")]
                if name.strip("'") not in held:
                    return
                assert time.time() < end, f"{name} can't be decided"
                time.sleep(0.02)

    def change(self, c, t):
        key = {"word_key": "w", "keyless": "a", "pairs": "b"}.get(t, "id")
        some = self.w() if key == "w" else self.k() % 5 if t == "keyless" else self.k()
        what = self.rnd.random()
        if what < 0.4 and t not in MADE:
            v = self.values(t)
            c.execute(f"INSERT INTO {t} VALUES ({', '.join(['%s'] * len(v))})", v)
        elif what < 0.8:
            c.execute(f"UPDATE {t} SET n=n+1 WHERE {key}=%s", (some,))
        else:
            c.execute(f"DELETE FROM {t} WHERE {key}=%s LIMIT 2", (some,))

    def run(self):
        try:
            with self.server.connect(database="p", autocommit=False) as c, c.cursor() as cur:
                cur.execute(f"SET binlog_row_image={self.image}")
                for _ in range(self.count):
                    try:
                        if self.rnd.random() < 0.08:
                            self.prepared()
                            self.done += 1
                            continue
                        for _ in range(self.rnd.choice([1, 1, 2, 3, 8])):
                            self.statement(c, cur)
                        c.commit() if self.rnd.random() < 0.95 else c.rollback()
                        self.done += 1
                    except (pymysql.IntegrityError, pymysql.OperationalError, pymysql.DataError):
                        c.rollback()
        except Exception as e:  # told by the test
            self.failed = e


def make_tables(server, rnd, wanted=()):
    chosen = list(wanted) or rnd.sample(sorted(TABLES), rnd.randint(2, 4))
    chosen += [] if {"uniques", "words"} & set(chosen) else [rnd.choice(["uniques", "words"])]
    server.run("CREATE DATABASE p CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "CREATE TABLE p.more (id int PRIMARY KEY AUTO_INCREMENT)")
    for t in chosen:
        server.run(f"CREATE TABLE {t} ({TABLES[t].format(charset=rnd.choice(['latin1', 'utf8mb4 COLLATE utf8mb4_bin', 'utf8mb4 COLLATE utf8mb4_unicode_ci']))})", db="p")
    for t in set(chosen) & set(FAMILIES):
        for child, text in FAMILIES[t].items():
            server.run(f"CREATE TABLE {child} ({text})", db="p")
            chosen.append(child)
    return sorted(chosen)


def pass_by(up, place, nth, rows):
    """What leads the sync past that place, where the writers don't (any more)."""
    if place.startswith("sync_ddl"):
        up.run(f"ALTER TABLE p.more ADD COLUMN c{nth} int")
    elif place == "xa_record":
        name = f"'more.{nth}'"
        up.run(f"XA START {name}", "INSERT INTO p.more (id) VALUES (NULL)", f"XA END {name}", f"XA PREPARE {name}",
               f"XA COMMIT {name}")
    else:
        up.run(f"INSERT INTO p.more (id) VALUES {', '.join(['(NULL)'] * rows)}", f"DELETE FROM p.more ORDER BY id LIMIT {rows}")


def cut(ends, rnd):
    """The connections of the sync are killed, here or there or all; often those of the relay too."""
    down = [n for n, in ends.down.query("SELECT connection FROM dm_meta.tidegate_connection")]
    up = [r[0] for r in ends.up.query("SHOW PROCESSLIST") if str(r[4]).startswith("Binlog Dump")] if rnd.random() < 0.5 else []
    for server, ids in (ends.down, down if rnd.random() < 0.5 else rnd.sample(down, min(1, len(down)))), (ends.up, up):
        for n in ids:
            try:
                server.run(f"KILL {n}")
            except pymysql.MySQLError:
                pass  # gone already


def one_run(build, ends, seed, kills=4, big=0, wanted=(), **sync):
    rnd = random.Random(seed)
    up, down = ends.up, ends.down
    for s in (up, down):
        s.run("DROP DATABASE IF EXISTS p")
    down.run("DROP DATABASE IF EXISTS dm_meta")
    workers = sync.pop("workers", 1 + seed * 7 % 16)
    draws = {"workers": workers, "batch_rows": rnd.choice([1, 20, 2000]), "bulk_rows": rnd.choice([1, 64]), "join_rows": rnd.choice([1, 8]), "no_upserts": rnd.random() < 0.3}
    keep = sync.pop("large_transaction", rnd.choice([0, 0, 400, 1500]))  # bytes of a transaction; 0: none here is a large one
    sync = dict(draws, **{"large_transaction": keep} if keep else {}, **sync)
    places = PLACES + LARGE if keep else PLACES
    f = live.Follow(build, up, down, ["p"], sync=sync)
    story = [f"seed {seed}: {workers} appliers, transactions above {keep} bytes read again" if keep else f"seed {seed}: {workers} appliers"]
    fired = []
    try:
        f.start(500)  # seconds: of a busy machine too
        tables = make_tables(up, rnd, wanted)
        f.wait(60)
        image = rnd.choice(["FULL", "FULL", "MINIMAL"])
        if image == "MINIMAL":  # without a key it takes the whole row
            tables = [t for t in tables if t != "keyless"]
        writers = [Writer(up, tables, seed * 100 + i, rnd.choice([60, 150]), rnd.choice([8, 40, 400]), image) for i in range(3)]
        story.append(f"{image} images, tables {' '.join(tables)}")
        for w in writers:
            w.start()
        if big:
            up.run("CREATE TABLE p.big (id int PRIMARY KEY, v varchar(40))", f"INSERT INTO p.big WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM x WHERE n<999) "
                   f"SELECT a.n*1000+b.n, 'x' FROM x a, x b WHERE a.n <= {big // 1000}", "UPDATE p.big SET v=CONCAT(v, id)", "UPDATE p.big SET id=id+5000000")
        for i in range(kills):
            place, act = places[(seed + i) % len(places)], rnd.choice(["kill", "kill", "error", "cut"])
            before = f.failpoints.fired(place)
            f.failpoints.arm(place, "sleep" if act == "cut" else act, at=rnd.choice([1, 2, 5]) if place in PLACES[:-1] else 1, arg=300)
            if act != "kill" or rnd.random() < 0.5:  # one lane lags, others go ahead
                lags = "sync_before_commit" if place == "sync_after_guard" else "sync_after_guard"
                f.failpoints.arm(lags, "sleep", at=rnd.choice([1, 3]), arg=rnd.choice([200, 800]))
            begun, passes = time.time(), 0
            while f.failpoints.fired(place) == before and time.time() < begun + (120 if big else 60):
                # Where the writers' work (on a busy machine: for seconds) does not lead there, ours does.
                if not any(w.is_alive() for w in writers) or time.time() > begun + 5 or (place.startswith("sync_ddl") and passes < 5):
                    pass_by(up, place, 100 * i + passes, keep // 5 + 50 if place in LARGE else 1)
                    passes += 1
                time.sleep(0.02)
            if act == "cut":
                cut(ends, rnd)
            assert f.failpoints.fired(place) > before, f"{place} was never passed"
            fired.append(f"{place} {act}")
        for w in writers:
            w.join(120)
            assert not w.is_alive() and not w.failed, w.failed
        story.append(f"{sum(w.done for w in writers)} transactions")
        up.run("INSERT INTO p.more (id) VALUES (NULL)")  # the last kill may have hit the last commit: this one is its successor's
        f.wait(90)
        assert '"safe_until"' not in f.out and "safe mode" not in f.out
        f.end(noted=workers + 2 if any(x.endswith("cut") for x in fired) else 0)  # one that was idle when it was killed is not missed before the end
        check_meta(down, f)
    except AssertionError as e:
        (Path(os.environ.get("TIDEGATE_TEST_KEEP", Path(f.dir).parent)) / f"tgfollow-failed-{seed}.out").write_text(f.out)
        raise AssertionError(f"{', '.join(story)}; {', '.join(fired)}\n{e}") from None
    finally:
        f.close()
    return fired


def seeds(config, turn, turns, share):
    """Of all seeds those of one test: its share in a hundred, each with another number than its neighbours' (turn of turns)."""
    n = config.getoption("--seeds") or (1000 if config.getoption("--long") else 50)
    first = config.getoption("--first-seed") + turn
    return range(first, first + turns * max(1, n * share // 100), turns)


@pytest.mark.slow
@pytest.mark.parametrize("turn, source, target", [(0, "ma1011", "my97"), (1, "my97", "ma1011")])
def test_random_transactions(build_dir, server, request, turn, source, target):
    ends, hit = Ends(server, source, target), set()
    mine = seeds(request.config, turn, 2, 38)
    for seed in mine:
        hit |= {x.split(" ")[0] for x in one_run(build_dir, ends, seed)}
    assert len(mine) < 5 or hit >= set(PLACES), f"never hit: {set(PLACES) - hit}"


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_random_transactions_in_order(build_dir, server, seed):
    one_run(build_dir, Ends(server, "ma1011", "my97"), seed, preserve_commit_order=True, **{"large_transaction": 400} if seed == 4 else {})


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
@pytest.mark.parametrize("workers, keep", [(2, 400), (4, 200), (8, 1500), (16, 400)])
def test_large_ones_among_small_ones(build_dir, server, source, target, workers, keep):
    """Most that is more than a row or two is read a second time, several side by side, XA transactions too; killed at the places of that way as well."""
    seed = len(PLACES) + len(PLACES + LARGE) * workers  # the places of large ones come first
    hit = one_run(build_dir, Ends(server, source, target), seed, workers=workers, large_transaction=keep)
    assert {x.split(" ")[0] for x in hit} >= set(LARGE)


@pytest.mark.slow
@pytest.mark.parametrize("turn, source, target, native", [(0, "ma1011", "my97", False), (1, "my97", "ma1011", True), (2, "my97", "ma1011", False)])
def test_foreign_keys(build_dir, server, request, turn, source, target, native):
    """Nothing but tables with foreign keys, where the downstream checks and cascades, and where the upstream's binlog says all."""
    ends = Ends(server, source, target, native)
    for i, seed in enumerate(seeds(request.config, turn, 3, 8)):
        one_run(build_dir, ends, 100000 + seed, wanted=[["boss"], ["boss", "parent"], ["boss", "owner"]][i % 3])


@pytest.mark.slow
@pytest.mark.parametrize("workers, keep", [(1, 0), (4, 0), (4, 1 << 18)])
def test_large_transactions(build_dir, server, workers, keep):
    """A hundred thousand rows in one transaction, with the others beside it and kills inside it."""
    one_run(build_dir, Ends(server, "ma1011", "my97"), 1000 + workers, kills=3, big=100000, workers=workers, large_transaction=keep)


def test_fewer_appliers_after_a_kill(build_dir, server):
    """Rows of appliers that are no more hold intervals too: a lane that lags is killed with the others ahead of it."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    f = live.Follow(build_dir, up, down, ["p"], sync={"workers": 8, "batch_rows": 1})
    try:
        f.start(300)
        up.run("CREATE DATABASE p", "CREATE TABLE p.t (a int)", "CREATE TABLE p.k (id int PRIMARY KEY, n int)", "INSERT INTO p.k VALUES (1, 0)")
        f.wait(30)
        with down.connect(autocommit=False, database="p") as c, c.cursor() as cur:
            cur.execute("SELECT * FROM k FOR UPDATE")  # the lane that wants this row waits
            for i in range(40):
                up.run("UPDATE p.k SET n=n+1" if i % 10 == 0 else f"INSERT INTO p.k VALUES ({100 + i}, 0)", f"INSERT INTO p.t VALUES ({i})")
            ahead = "SELECT COUNT(*) FROM dm_meta.tidegate_slot WHERE task=%s AND applied<>''"
            end = time.time() + 60
            while down.query(ahead, f.task)[0][0] < 1 and time.time() < end:
                time.sleep(0.05)
            assert down.query(ahead, f.task)[0][0] >= 1, "no lane went ahead\n" + f.out[-2000:]
            f.slices["sync"]["options"]["workers"] = 1
            f.stop_hard()
            c.rollback()
        f.start(120)
        f.end()
        check_meta(down, f)
    finally:
        f.close()


def test_a_lock_that_stays(build_dir, server):
    """Somebody holds a row for longer than a batch is tried: the process ends by an error to retry, and begins anew until the row is free."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    f = live.Follow(build_dir, up, down, ["p"], sync={"workers": 4, "preserve_commit_order": True})  # waits of a second, not of 50
    try:
        f.start(500)  # seconds: of a busy machine too
        up.run("CREATE DATABASE p", "CREATE TABLE p.k (id int PRIMARY KEY, n int)", "INSERT INTO p.k VALUES (1, 0)")
        f.wait(30)
        with down.connect(autocommit=False, database="p") as c, c.cursor() as cur:
            cur.execute("SELECT * FROM k FOR UPDATE")
            up.run("UPDATE p.k SET n=n+1")
            end = time.time() + 180
            while f.out.count("start tidegate-sync") < 2 and time.time() < end:
                time.sleep(0.2)
            assert "tried 21 times" in f.out and f.out.count("start tidegate-sync") == 2, f.out[-2000:]
            c.rollback()
        f.end()
    finally:
        f.close()


@pytest.mark.parametrize("place", ["sync_before_commit", "sync_after_commit", "sync_after_guard", "sync_ddl_doing", "an ALTER that waits"])
def test_two_owners(build_dir, server, place):
    """A second owner comes while the first is held up at a place: the first one ends as fenced, and nothing that it sends afterwards lands."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    old = live.Follow(build_dir, up, down, ["p"], sync={"workers": 4, "batch_rows": 1})
    new = holder = None
    try:
        old.start(500)
        up.run("CREATE DATABASE p", "CREATE TABLE p.k (id int PRIMARY KEY, n int)", "CREATE TABLE p.t (a int)", "INSERT INTO p.k VALUES (1, 0)")
        old.wait(30)
        if place.startswith("sync_"):
            old.failpoints.arm(place, "sleep", arg=300000)
        else:  # the ALTER of the old owner stands behind a reader
            holder = down.connect(autocommit=False, database="p")
            holder.cursor().execute("SELECT * FROM k")
        for i in range(20):
            up.run(f"INSERT INTO p.t VALUES ({i})", "UPDATE p.k SET n=n+1", f"INSERT INTO p.k VALUES ({10 + i}, 0)")
        up.run("ALTER TABLE p.k ADD COLUMN c int DEFAULT 5")
        end = time.time() + 60
        while time.time() < end and not (old.failpoints.fired(place) if place.startswith("sync_") else
                                         down.query("SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE%%ADD COLUMN c%%'")):
            time.sleep(0.05)
        assert time.time() < end, "the old owner did not come there\n" + old.out[-2000:]
        start = old.slices["sync"]["options"]["start"]
        new = live.Follow(build_dir, up, down, ["p"], epoch=2, sync={"workers": 2}, start=(start["file"], start["offset"], start["gtid"])).start(300)
        if holder:
            time.sleep(2)
            assert not down.query("SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='p' AND COLUMN_NAME='c'")
            holder.close()
        else:
            new.wait(60)
            old.failpoints.disarm(place)  # an idle one has nothing to be told by
        old.wait_error(60501, 90)
        up.run("INSERT INTO p.k (id, n) VALUES (99, 1)", "UPDATE p.k SET n=n+1")
        new.end()
        check_meta(down, new)
        assert {e for e, in down.query("SELECT DISTINCT epoch FROM dm_meta.tidegate_slot")} == {2}
    finally:
        if holder and holder.open:
            holder.close()
        for f in (old, new):
            if f:
                f.close()
