"""`tidegate run --until synced`: the copy, then the binlog, while the source is written to; stopped and started again on the way."""
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import procs
import pytest

import zoo
from tidegate import FAILED, INTERRUPTED
from workload import Sysbench, Workload


def test_workload(pair, job):
    """Writers go on during the copy and the following; what they wrote until they stopped is there, the keyless tables too."""
    bench = Sysbench(pair.source, "sb", tables=2, size=5000).prepare()
    work = Workload(pair.source, "app", threads=2, rows=600, pause=0.002).make()
    j = job(pair)
    with work:
        bench.start(8, rate=60)
        j.run(timeout=120)  # ends at a position that was the end while everybody wrote
        bench.wait()
        work.wait(20)
    j.run(timeout=120)  # the same command goes on where it was
    result = pair.assert_equal(["app", "sb"], j.story)
    assert work.transactions > 50 and result.rows > 10000


def test_zoo_by_binlog(pair, job):
    """Every column type as row events: inserted, key moved, deleted."""
    animals = zoo.zoo(pair.source, pair.target)
    zoo.make(pair.source, animals, rows=False)
    j = job(pair)
    j.run(timeout=180)
    j.start()
    zoo.replay(pair.source, animals, "fill")
    assert j.wait(180) == 0, j.story()
    but = zoo.cannot_be(pair)
    j.run(timeout=120)
    pair.assert_equal(zoo.schemas(), j.story, but=but)
    zoo.replay(pair.source, animals, "changes")
    j.run(timeout=120)
    pair.assert_equal(zoo.schemas(), j.story, but=but)


def test_ddl(pair, job):
    """Structure changes go through in their place among the rows."""
    work = Workload(pair.source, "app", threads=1, rows=200, ddl=True, pause=0.01).make()
    j = job(pair)
    j.run(timeout=120)
    with work:
        j.start()
        work.wait(100)
        time.sleep(3)
    assert j.wait(120) == 0, j.story()
    j.run(timeout=120)
    pair.assert_equal("app", j.story)


def test_statements(make_pair, job):
    """The closed table of what a QUERY event may say (T16): savepoints, temporary tables, views, TRUNCATE, accounts, new databases."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20))", "INSERT INTO app.t VALUES (1, 'a')",
                    "CREATE TABLE app.doomed (id int PRIMARY KEY)", "CREATE TABLE app.emptied (id int PRIMARY KEY)", "INSERT INTO app.emptied VALUES (1),(2)")
    j = job(pair, tables="app.*,app2.*")
    j.run()
    s = pair.source
    with s.connect(database="app", autocommit=False) as c, c.cursor() as cur:
        for q in ("INSERT INTO t VALUES (2, 'kept')", "SAVEPOINT a", "INSERT INTO t VALUES (3, 'gone')", "ROLLBACK TO a", "INSERT INTO t VALUES (4, 'kept')", "COMMIT",
                  "CREATE TEMPORARY TABLE doomed (id int)", "INSERT INTO doomed VALUES (1)", "DROP TEMPORARY TABLE doomed",
                  "CREATE TEMPORARY TABLE t (x int)", "DROP TABLE t", "INSERT INTO t VALUES (5, 'real')", "COMMIT"):
            cur.execute(q)
    s.run("TRUNCATE TABLE emptied", "INSERT INTO emptied VALUES (7)", "CREATE USER tgtest_x", "GRANT SELECT ON app.* TO tgtest_x",
          "FLUSH TABLES", "ANALYZE TABLE t", "OPTIMIZE TABLE t", "CREATE DATABASE app2", "CREATE TABLE app2.n AS SELECT id, v FROM t", "CREATE DATABASE other",
          "CREATE TABLE other.x (id int)", "INSERT INTO other.x VALUES (1)", "/* a comment */ ALTER TABLE t ADD COLUMN w int DEFAULT 5 AFTER id",
          "RENAME TABLE t TO u, emptied TO t", "DROP TABLE IF EXISTS nothing, doomed", "INSERT INTO u VALUES (9, 9, 'nine')", "DROP USER tgtest_x", db="app")
    j.run()
    pair.assert_equal(["app", "app2"], j.story)
    assert "other" not in pair.target.databases()


def test_large_rows_and_transactions(make_pair, job):
    """Events above 4 MiB come in pieces; a transaction of 60,000 rows stays one."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.big (id int PRIMARY KEY, b longblob)", "CREATE TABLE app.many (id int PRIMARY KEY, v char(80))")
    j = job(pair)
    j.run()
    pair.source.run("INSERT INTO big VALUES (1, REPEAT(X'00ff27', 4000000))", "INSERT INTO many SELECT seq, REPEAT(seq, 5) FROM seq_1_to_60000",
                    "UPDATE big SET b = CONCAT(b, 'end')", "UPDATE many SET v = CONCAT('-', v)", "DELETE FROM many WHERE id % 10 = 0", "INSERT INTO big VALUES (2, 'x')", db="app")
    j.run(timeout=180)
    assert pair.assert_equal("app", j.story).rows == 54002


def test_interrupt_and_go_on(make_pair, job):
    """Ctrl-C saves and leaves with 130; the same command goes on; what was written meanwhile is not lost, nothing is doubled."""
    pair = make_pair("ma1011", "ma1011")
    work = Workload(pair.source, "app", threads=2, rows=300, pause=0.002).make()
    j = job(pair)
    with work:
        for _ in range(3):
            j.start(until=None)
            j.wait_status(lambda s: s.get("phase") == "sync")
            work.wait(30)
            assert j.interrupt() == INTERRUPTED, j.story()
            j.assert_gone()
            work.wait(10)
    j.run()
    pair.assert_equal("app", j.story)
    slots = pair.target.query("SELECT COUNT(DISTINCT task), COUNT(DISTINCT source) FROM dm_meta.tidegate_slot")
    assert slots == ((1, 1),)


def test_full_then_followed(make_pair, job):
    """A copy by `--until full`; later the same job is followed: it does not take the copy's end for its own."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=1, rows=100).make()
    j = job(pair)
    with work:
        j.run(until="full")
        work.wait(30)
    j.run()
    pair.assert_equal("app", j.story)


def test_source_restarts(make_pair, job):
    """The upstream goes away and comes back while it is followed: tried again, nothing lost."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=1, rows=100).make()
    j = job(pair)
    j.run()
    j.start(until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    with work:
        work.wait(20)
    pair.source.stop()
    time.sleep(2)
    assert not j.ended(), j.story()
    pair.source.start()
    with work:
        work.wait(20)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.run()
    pair.assert_equal("app", j.story)


def test_target_restarts(make_pair, job):
    pair = make_pair("my97", "ma1011")
    work = Workload(pair.source, "app", threads=2, rows=100, pause=0.005).make()
    j = job(pair)
    j.run()
    j.start(until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    with work:
        work.wait(20)
        pair.target.stop()
        work.wait(20)
        pair.target.start()
        work.wait(20)
    assert not j.ended(), j.story()
    assert j.interrupt() == INTERRUPTED, j.story()
    j.run()
    pair.assert_equal("app", j.story)


def test_the_meta_schema_is_gone(make_pair, job):
    """Progress that somebody has dropped is not begun again at the copy's moment: what was applied since would be there twice."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (v varchar(20))", "INSERT INTO app.t VALUES ('a'), ('b')")
    j = job(pair)
    j.start(until=None)
    procs.wait_for(lambda: copy_is_on_record(j), 180, j.story)
    pair.source.run("INSERT INTO app.t VALUES ('c')")
    procs.wait_for(lambda: len(pair.target.query("SELECT * FROM app.t")) == 3, 60, j.story)
    assert j.interrupt() == INTERRUPTED, j.story()
    pair.target.run("DROP DATABASE dm_meta")
    said = j.run(expect=FAILED)
    assert "60514" in said and "`dm_meta` has no record of task run" in said and "--state" in said, said
    pair.assert_equal("app", j.story)


def copy_is_on_record(j):
    store = next(Path(j.state).rglob("tidegate.db"), None)
    if not store:
        return False
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        try:
            return [b for b, in db.execute("SELECT body FROM subtask") if json.loads(b).get("copied")]
        except sqlite3.OperationalError as e:  # it is being made
            assert "no such table" in str(e) or "locked" in str(e), e


@pytest.mark.long
@pytest.mark.parametrize("name", ["ma102", "ma105", "ma114", "ma118"])
@pytest.mark.parametrize("target", ["my97", "ma1011"])
def test_zoo_by_binlog_of_other_versions(name, target, make_pair, job):
    test_zoo_by_binlog(make_pair(name, target), job)


@pytest.mark.long
@pytest.mark.parametrize("name", ["ma102", "ma105", "ma114", "ma118"])
def test_workload_of_other_versions(name, make_pair, job):
    test_workload(make_pair(name, "my97"), job)
