"""Writers that change a source while it is copied: random, reproducible by seed, bounded in rows; and sysbench."""
import random
import shutil
import subprocess
import threading
import time

import pymysql

TABLES = {
    "w_int": "CREATE TABLE w_int (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, a int NOT NULL, b varchar(60), f float, t datetime(6), KEY (a))",
    "w_text": "CREATE TABLE w_text (k varchar(40) NOT NULL PRIMARY KEY, v longtext, n decimal(20,6))",
    "w_none": "CREATE TABLE w_none (a int, b varchar(20), f float, d double)",
    "w_unique": "CREATE TABLE w_unique (id int NOT NULL PRIMARY KEY, u int NOT NULL, w int, UNIQUE KEY (u), UNIQUE KEY (w))",
    "w_mixed": "CREATE TABLE w_mixed (a int NOT NULL, b binary(4) NOT NULL, j json, e enum('x','y','z'), bt bit(12), bl blob, PRIMARY KEY (b, a))",
}
RETRY = {1205, 1213, 1020, 1062}  # lock wait, deadlock, changed since (MariaDB 11.8), a duplicate of our own making
GONE = {2006, 2013, 2003}


class Workload:
    """with Workload(server, "app", threads=3): … ; afterwards .transactions tells how many there were, .errors what went wrong."""

    def __init__(self, server, db, threads=3, seed=1, rows=400, ddl=False, pause=0.0, init_command=None):
        self.server, self.db, self.threads, self.seed, self.rows, self.ddl, self.pause = server, db, threads, seed, rows, ddl, pause
        self.init_command, self.transactions, self.errors = init_command, 0, []
        self._stop, self._running, self._lock = threading.Event(), [], threading.Lock()

    def make(self):
        """Database and tables with their first rows."""
        self.server.run(f"CREATE DATABASE IF NOT EXISTS {self.db} CHARACTER SET utf8mb4")
        self.server.run(*TABLES.values(), db=self.db)
        rnd = random.Random(self.seed)
        with self.server.connect(database=self.db, autocommit=False) as c, c.cursor() as cur:
            for i in range(self.rows):
                for step in (insert_int, insert_text, insert_none, insert_unique, insert_mixed):
                    try:
                        step(cur, rnd)
                    except pymysql.MySQLError as e:
                        if e.args[0] not in RETRY:
                            raise
                if i % 100 == 0:
                    c.commit()
            c.commit()
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._stop.clear()
        self._running = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(self.threads)]
        if self.ddl:
            self._running.append(threading.Thread(target=self._define, daemon=True))
        for t in self._running:
            t.start()
        return self

    def stop(self):
        self._stop.set()
        for t in self._running:
            t.join(120)
        assert not self.errors, f"the writer failed: {self.errors[:3]}"

    def wait(self, transactions, timeout=120):
        """Until that many more were committed."""
        goal, end = self.transactions + transactions, time.monotonic() + timeout
        while self.transactions < goal:
            assert not self.errors, f"the writer failed: {self.errors[:3]}"
            assert time.monotonic() < end, f"the writer made only {self.transactions} of {goal} transactions in {timeout} s"
            time.sleep(0.02)

    def _work(self, n):
        rnd = random.Random(self.seed * 1000 + n)
        try:
            with self.server.connect(database=self.db, autocommit=False, init_command=self.init_command) as c, c.cursor() as cur:
                while not self._stop.is_set():
                    self._transaction(c, cur, rnd)
                    if self.pause:
                        time.sleep(self.pause)
        except Exception as e:  # noqa: BLE001 - handed to the test by stop()
            self.errors.append(repr(e))

    def _transaction(self, c, cur, rnd):
        try:
            for _ in range(rnd.choice((1, 1, 2, 3, 8))):
                rnd.choice(STEPS)(cur, rnd)
            if rnd.random() < 0.07:
                c.rollback()
                return
            c.commit()
            with self._lock:
                self.transactions += 1
        except pymysql.MySQLError as e:
            if e.args[0] not in RETRY:
                raise
            c.rollback()

    def _define(self):
        """Changes of structure, one at a time."""
        steps = [
            "ALTER TABLE w_int ADD COLUMN x{n} int DEFAULT {n}", "UPDATE w_int SET x{n} = id WHERE id % 2 = 0", "CREATE TABLE d{n} LIKE w_text",
            "INSERT INTO d{n} SELECT * FROM w_text LIMIT 20", "RENAME TABLE d{n} TO r{n}", "ALTER TABLE w_int ADD KEY kx{n} (x{n})",
            "TRUNCATE TABLE r{n}", "INSERT INTO r{n} VALUES ('after', 'truncate', {n})", "ALTER TABLE w_int DROP COLUMN x{n}",
            "CREATE OR REPLACE VIEW v{n} AS SELECT id FROM w_int", "DROP TABLE r{n}", "DROP VIEW v{n}",
        ]
        try:
            with self.server.connect(database=self.db) as c, c.cursor() as cur:
                n = 0
                while not self._stop.is_set():
                    for s in steps:
                        self._again(cur, s.format(n=n))
                        self._stop.wait(0.1)
                    n += 1
        except Exception as e:  # noqa: BLE001
            self.errors.append(repr(e))

    @staticmethod
    def _again(cur, statement):
        """Beside writers whose transactions are open it may be a deadlock's victim."""
        while True:
            try:
                return cur.execute(statement)
            except pymysql.MySQLError as e:
                if e.args[0] not in RETRY - {1062}:
                    raise


def insert_int(cur, rnd):
    cur.execute("INSERT INTO w_int (a, b, f, t) VALUES (%s, %s, %s, NOW(6))", (rnd.randrange(1000), rnd.choice(("x", None, "ü😀", "it's \\ \"")) or None, rnd.random()))


def update_int(cur, rnd):
    cur.execute("UPDATE w_int SET a = a + 1, f = f / 3, b = CONCAT(COALESCE(b, ''), 'y') WHERE a = %s AND LENGTH(COALESCE(b, '')) < 40", (rnd.randrange(1000),))


def move_int(cur, rnd):
    cur.execute("UPDATE w_int SET id = id + 10000000 WHERE a = %s ORDER BY id DESC LIMIT 1", (rnd.randrange(1000),))


def delete_int(cur, rnd):
    cur.execute("DELETE FROM w_int WHERE a BETWEEN %s AND %s + 3", (a := rnd.randrange(1000), a))


def insert_text(cur, rnd):
    cur.execute("REPLACE INTO w_text VALUES (%s, REPEAT(%s, %s), %s)", (f"k{rnd.randrange(2000)}", rnd.choice(("a", "ü", "\\'")), rnd.choice((0, 5, 300, 3000)), rnd.uniform(-1e6, 1e6)))


def rename_text(cur, rnd):
    cur.execute("UPDATE w_text SET k = CONCAT(k, '_') WHERE k LIKE %s AND LENGTH(k) < 30 LIMIT 2", (f"k{rnd.randrange(200)}%",))


def delete_text(cur, rnd):
    cur.execute("DELETE FROM w_text WHERE k LIKE %s", (f"k{rnd.randrange(2000)}%",))


def insert_none(cur, rnd):
    cur.execute("INSERT INTO w_none VALUES (%s, %s, %s, %s)", (rnd.randrange(20), rnd.choice(("a", "A", "a ", None)), rnd.choice((0.1, 1e-40, None)), rnd.choice((0.1, 1 / 3, None))))


def update_none(cur, rnd):
    cur.execute("UPDATE w_none SET d = d * 1.5 WHERE a = %s LIMIT 2", (rnd.randrange(20),))


def delete_none(cur, rnd):
    cur.execute("DELETE FROM w_none WHERE a = %s LIMIT 2", (rnd.randrange(20),))


def insert_unique(cur, rnd):
    cur.execute("INSERT IGNORE INTO w_unique VALUES (%s, %s, %s)", (rnd.randrange(3000), rnd.randrange(3000), rnd.choice((None, rnd.randrange(3000)))))


def swap_unique(cur, rnd):
    """Two rows change their unique values with each other, by way of a third."""
    cur.execute("SELECT id, u FROM w_unique WHERE id >= %s ORDER BY id LIMIT 2 FOR UPDATE", (rnd.randrange(3000),))
    rows = cur.fetchall()
    if len(rows) == 2:
        (a, ua), (b, ub) = rows
        cur.execute("UPDATE w_unique SET u = -u - 1 WHERE id = %s", (a,))
        cur.execute("UPDATE w_unique SET u = %s WHERE id = %s", (ua, b))
        cur.execute("UPDATE w_unique SET u = %s WHERE id = %s", (ub, a))


def delete_unique(cur, rnd):
    cur.execute("DELETE FROM w_unique WHERE id BETWEEN %s AND %s + 5", (a := rnd.randrange(3000), a))


def insert_mixed(cur, rnd):
    cur.execute("REPLACE INTO w_mixed VALUES (%s, %s, %s, %s, %s, %s)", (
        rnd.randrange(500), bytes(rnd.choice((0, 39, 92, 255)) for _ in range(4)), rnd.choice(('{"a": 1, "b": [true, null, "ü"]}', "[1.5, -3]", None)),
        rnd.choice("xyz"), rnd.randrange(4096), bytes(rnd.randrange(256) for _ in range(rnd.choice((0, 10, 200))))))


def update_mixed(cur, rnd):
    cur.execute("UPDATE w_mixed SET e = %s, bt = bt ^ 1, a = a + 1000 WHERE a = %s", (rnd.choice("xyz"), rnd.randrange(500)))


def delete_mixed(cur, rnd):
    cur.execute("DELETE FROM w_mixed WHERE a BETWEEN %s AND %s + 2 OR a > 3000", (a := rnd.randrange(500), a))


STEPS = [insert_int, insert_int, update_int, move_int, delete_int, insert_text, rename_text, delete_text, insert_none, insert_none, update_none, delete_none,
         insert_unique, insert_unique, swap_unique, delete_unique, insert_mixed, insert_mixed, update_mixed, delete_mixed]


class Sysbench:
    """oltp_read_write over the server's socket as root: no password in anybody's argv."""

    def __init__(self, server, db, tables=2, size=2000, threads=2):
        self.program = shutil.which("sysbench")
        assert self.program, "sysbench is not installed (package sysbench)"
        self.base = [self.program, "oltp_read_write", f"--mysql-socket={server.socket}", "--mysql-user=root", f"--mysql-db={db}", f"--tables={tables}",
                     f"--table-size={size}", f"--threads={threads}", "--db-ps-mode=disable", "--mysql-ignore-errors=1213,1020,1205,1180,1062"]
        self.server, self.db, self.process = server, db, None

    def prepare(self):
        self.server.run(f"CREATE DATABASE IF NOT EXISTS {self.db}")
        done = subprocess.run(self.base + ["prepare"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    def start(self, seconds, rate=0):
        self.process = subprocess.Popen(self.base + [f"--time={seconds}", f"--rate={rate}", "run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return self

    def wait(self, timeout=120):
        out, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, out
        return out
