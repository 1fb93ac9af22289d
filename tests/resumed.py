"""For the tests of a copy that is interrupted and goes on under another snapshot (k06): a source of many kinds of tables, writers that change
all of them, a job that is stopped in the middle of its copy, and what its log says of going on."""
import json
import os
import random
import re
import threading
import time

import procs
from servers import PASSWORD
from tidegate import INTERRUPTED

TASK = """name: part
task-mode: {mode}
target-database: {{host: 127.0.0.1, port: {to}, user: tg, password: "{password}"}}
mysql-instances:
  - {{source-id: s1, block-allow-list: only, mydumper-config-name: dump}}
block-allow-list: {{only: {{do-dbs: [app]}}}}
mydumpers: {{dump: {{threads: {threads}, chunk-filesize: 1}}}}
"""
SOURCE = """source-id: s1
from: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
"""
SEED = int(os.environ.get("TIDEGATE_TEST_SEED", "5"))
ROWS = 40000  # of 200 bytes: some eight chunks


def fill(table, columns, values, rows=ROWS):
    return (f"INSERT INTO app.{table} ({columns}) WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 199) "
            f"SELECT {values} FROM (SELECT a.i * 200 + b.i AS i FROM n a JOIN n b) t WHERE i < {rows}")


def make_source(s):
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4",
          "CREATE TABLE app.ints (id bigint PRIMARY KEY, u int NOT NULL, w varchar(20), n int, pad varchar(200), UNIQUE KEY (u), UNIQUE KEY (w))",
          fill("ints", "id, u, w, n, pad", "i * 3 - 1000, i, IF(i % 3, CONCAT('w', i), NULL), 0, REPEAT(CHAR(65 + i % 26), 190)"),
          "CREATE TABLE app.words (k varchar(40) CHARACTER SET utf8mb4 PRIMARY KEY, n int, pad varchar(200))",
          fill("words", "k, n, pad", "CONCAT(CHAR(97 + i % 26), LPAD(i, 6, '0'), IF(i % 2, 'ü', 'Z')), 0, REPEAT('x', 190)"),
          "CREATE TABLE app.twos (a int, b binary(4), n int, pad varchar(200), PRIMARY KEY (a, b))",
          fill("twos", "a, b, n, pad", "i % 7, UNHEX(LPAD(HEX(i), 8, '0')), 0, REPEAT('y', 190)"),
          "CREATE TABLE app.keyless (n int, pad varchar(200))", fill("keyless", "n, pad", "i % 1000, REPEAT('z', 100)", 8000),
          "CREATE TABLE app.parent (id int PRIMARY KEY, n int, pad varchar(200))", fill("parent", "id, n, pad", "i, 0, REPEAT('p', 150)", 3000),
          "CREATE TABLE app.child (id int PRIMARY KEY, p int, n int, FOREIGN KEY (p) REFERENCES app.parent (id) ON DELETE CASCADE)",
          fill("child", "id, p, n", "i, i % 3000, 0", 6000),
          "CREATE TABLE app.swap_a (id int PRIMARY KEY, v varchar(20))", "INSERT INTO app.swap_a VALUES (1, 'a'), (2, 'a')",
          "CREATE TABLE app.swap_b (id int PRIMARY KEY, v varchar(20))", "INSERT INTO app.swap_b VALUES (1, 'b'), (3, 'b')",
          "CREATE TABLE app.gone (id int PRIMARY KEY, v varchar(20))", "INSERT INTO app.gone VALUES (1, 'old')",
          "CREATE TABLE app.hollow (id int PRIMARY KEY)")


def write_once(cur, rnd):
    """One transaction's worth: inserts, updates, deletes, keys that move far, unique values that change hands."""
    i = rnd.randrange(ROWS)
    what = rnd.randrange(12)
    if what == 0:
        cur.execute("UPDATE ints SET n = n + 1 WHERE id BETWEEN %s AND %s", (i * 3 - 1000, i * 3 - 940))
    elif what == 1:
        cur.execute("INSERT IGNORE INTO ints VALUES (%s, %s, %s, 1, 'new')", (rnd.randrange(-5000, 200000), rnd.randrange(10 ** 6, 2 * 10 ** 6), None))
    elif what == 2:
        cur.execute("DELETE FROM ints WHERE id = %s", (i * 3 - 1000,))
    elif what == 3:  # far away, to a place that is perhaps copied already, or not yet
        cur.execute("UPDATE IGNORE ints SET id = %s WHERE id = %s", (rnd.randrange(-5000, 200000), i * 3 - 1000))
    elif what == 4:  # two rows change their unique values with each other
        cur.execute("SELECT id, u, w FROM ints WHERE id IN (%s, %s) FOR UPDATE", (i * 3 - 1000, rnd.randrange(ROWS) * 3 - 1000))
        got = cur.fetchall()
        if len(got) == 2:
            (a, ua, wa), (b, ub, wb) = got
            cur.execute("UPDATE ints SET u = %s, w = NULL WHERE id = %s", (-1 - a % 10 ** 6 - 10 ** 7, a))
            cur.execute("UPDATE ints SET u = %s, w = %s WHERE id = %s", (ua, wa, b))
            cur.execute("UPDATE ints SET u = %s, w = %s WHERE id = %s", (ub, wb, a))
    elif what == 5:
        cur.execute("UPDATE words SET n = n + 1 WHERE k LIKE %s", (chr(97 + i % 26) + f"{i:06d}"[:5] + "%",))
    elif what == 6:
        cur.execute("UPDATE IGNORE words SET k = CONCAT(%s, k) WHERE k LIKE %s AND LENGTH(k) < 30", (rnd.choice("aMz"), chr(97 + i % 26) + f"{i:06d}" + "%"))
    elif what == 7:
        cur.execute("DELETE FROM words WHERE k LIKE %s", (chr(97 + i % 26) + f"{i:06d}" + "%",))
    elif what == 8:
        cur.execute("UPDATE IGNORE twos SET a = %s, n = n + 1 WHERE a = %s AND b = UNHEX(LPAD(HEX(%s), 8, '0'))", (rnd.randrange(7), i % 7, i))
    elif what == 9:
        cur.execute("UPDATE keyless SET n = n + 1 WHERE n = %s LIMIT 2", (rnd.randrange(1000),))
    elif what == 10:
        cur.execute("DELETE FROM parent WHERE id = %s", (rnd.randrange(3000),))
    else:
        cur.execute("UPDATE child SET n = n + 1 WHERE p = %s", (rnd.randrange(3000),))


class Writer:
    def __init__(self, server, threads=2, pause=0.003):
        self.server, self.stop, self.failed, self.count = server, threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.work, args=(n, pause), daemon=True) for n in range(threads)]

    def work(self, n, pause):
        import pymysql
        rnd = random.Random(SEED * 100 + n)
        try:
            with self.server.connect(database="app", autocommit=False) as c, c.cursor() as cur:
                while not self.stop.is_set():
                    try:
                        for _ in range(rnd.choice((1, 1, 3))):
                            write_once(cur, rnd)
                        c.commit()
                        self.count += 1
                    except pymysql.MySQLError as e:
                        if e.args[0] not in (1205, 1213, 1062, 1020, 1412):
                            raise
                        c.rollback()
                    time.sleep(pause)
        except Exception as e:  # noqa: BLE001
            self.failed.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join(60)
        assert not self.failed, self.failed[:2]

    def some(self, n=60):
        goal = self.count + n
        procs.wait_for(lambda: self.count >= goal or self.failed, 120, "the writers stand still")


def make_job(job, folder, pair, threads=1, mode="all", port=None, account=("tg", PASSWORD)):
    files = {"task.yaml": TASK.format(to=pair.target.port, password=PASSWORD, threads=threads, mode=mode),
             "source.yaml": SOURCE.format(port=port or pair.source.port, user=account[0], password=account[1])}
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    return j, [str(folder / f) for f in files]


def recorded(target):
    """Chunks and rows in the downstream, of all snapshots."""
    try:
        return target.query("SELECT COUNT(*), CAST(COALESCE(SUM(row_count), 0) AS SIGNED) FROM dm_meta.tidegate_chunk")[0]
    except Exception:  # noqa: BLE001 - not made yet
        return 0, 0


def loaded(j, target, chunks):
    procs.wait_for(lambda: recorded(target)[0] >= chunks or j.ended(), 180, lambda: f"{recorded(target)} chunks instead of {chunks}\n{j.story()}")
    assert not j.ended(), j.story()


def went_on(j):
    """(chunks, rows, complete, read on, from their beginning) of each time that the copy went on."""
    found = re.findall(r"the copy goes on under another snapshot: (\d+) chunks, (\d+) rows, \d+ bytes stay; (\d+) tables are complete, (\d+) are read on, (\d+) from", j.log())
    return [tuple(map(int, f)) for f in found]


def again(j):
    return re.findall(r"table `app`.`(\w+)` is copied again: ([^\"\n]*)", j.log())


def stop_at(j, files, pair, chunk, loaded_chunks):
    """The dump, one thread, waits before it hands out its n-th chunk; the load has brought in those before."""
    j.failpoints.arm("dump_chunk_done", "sleep", at=chunk, arg=400000)
    j.start(*files, until=None)
    loaded(j, pair.target, loaded_chunks)


def finish(j, files, pair, timeout=180):
    j.failpoints.disarm("dump_chunk_done")
    if j.ended():
        j.run(*files, timeout=timeout)
    else:
        procs.wait_for(lambda: '"phase":"live"' in j.log() or any(x.get("phase") == "sync" for x in j.lines()) or j.ended(), timeout, lambda: f"no end of the copy\n{j.story()}")
        assert not j.ended(), j.story()
        assert j.interrupt() == INTERRUPTED, j.story()
        j.assert_gone()
        j.run(*files, timeout=timeout)


def tables_of(target):
    plan, = target.query("SELECT plan FROM dm_meta.tidegate_plan")[0]
    return json.loads(plan)["tables"]["app"]
