"""TiDB as the target: its face on a MySQL server, or a real one (tests/tidb.py). What needs errors made up is for the face alone."""
import re

import pytest

import procs
import tidb as tidb_module
import zoo
from tidegate import FAILED, INTERRUPTED
from words import ask, following, wait_stage
from workload import Workload

face_only = pytest.mark.skipif(bool(tidb_module.REAL), reason="needs errors that only the face makes")
SEEN = "a DDL statement was begun before: it is seen that it was "
KILLS = ["sync_after_guard", "sync_mid_rows", "sync_before_commit", "sync_after_commit"]


@pytest.mark.parametrize("source", ["ma1011", pytest.param("my97", marks=pytest.mark.long)])
def test_copy_and_follow(source, tidb_pair, job):
    """Rows, structure changes, kills and lost connections on the way: both sides equal, and each session as TiDB wants it (T2, T14)."""
    pair = tidb_pair(source)
    work = Workload(pair.source, "app", threads=2, rows=400, ddl=True, pause=0.01).make()
    j = job(pair, tables="app.*")
    j.run(timeout=180)
    if not pair.target.real:
        writers = [s for s in pair.target.face.sessions if "tidb_txn_mode" in s.variables]
        assert writers and all(s.variables["tidb_txn_mode"] == "pessimistic" and s.variables["tidb_disable_txn_auto_retry"] == "1" and s.variables["tidb_retry_limit"] == "0"
                               and s.variables["tidb_dml_type"] == "standard" for s in writers)
    with work:
        j.start()
        for point in KILLS:
            j.failpoints.arm(point, "kill", 3)
            work.wait(30)
            procs.wait_for(lambda: j.failpoints.fired(point) or j.ended(), 60, f"{point} did not fire")
            if j.ended():
                j.start()
        work.wait(30)
    assert j.wait(180) == 0, j.story()
    j.run(timeout=180)
    pair.assert_equal("app", j.story)
    assert sum(1 for p in KILLS if j.failpoints.fired(p)) == len(KILLS)


OF_TEXT = ("text_", "choices", "key_text", "key_latin1")
MORE_TEXT = ["CREATE TABLE zoo.twins (a varchar(20) CHARACTER SET gbk, b text CHARACTER SET latin1, c char(9) CHARACTER SET sjis)",
             "CREATE TABLE zoo.later (id int PRIMARY KEY, v varchar(40) CHARACTER SET latin1, UNIQUE KEY (v))"]
FILL_TEXT = ["INSERT INTO zoo.twins VALUES ('中', 'é', 'ソ'), ('中', 'é', 'ソ'), ('文', 'ÿ', '表')", "INSERT INTO zoo.later VALUES (1, 'é'), (2, '?€')"]
CHANGE_TEXT = ["UPDATE zoo.twins SET a = '国\\\\', b = '€?' WHERE b = 'é' LIMIT 1", "DELETE FROM zoo.twins WHERE a = '文'", "ALTER TABLE zoo.later ADD w varchar(9) CHARACTER SET gbk",
               "INSERT INTO zoo.later VALUES (3, 'ö', '中'), (4, 'ß', NULL)", "UPDATE zoo.later SET v = 'œ', w = '国' WHERE id = 1", "DELETE FROM zoo.later WHERE id = 2"]
KEPT = {"utf8", "utf8mb4", "ascii", "gbk"}


@pytest.mark.parametrize("source", ["my97", "ma1011"])
def test_text_of_any_charset(source, tidb_pair, job):
    """TiDB takes all text for UTF-8: it goes there so, in the copy and in the stream, also behind an ALTER; what Unicode has not stops the job."""
    pair = tidb_pair(source)
    s = pair.source
    animals = [a for a in zoo.zoo(s) if a.name.startswith(OF_TEXT)]
    filled, late = [a for i, a in enumerate(animals) if i % 2 == 0], [a for i, a in enumerate(animals) if i % 2]
    zoo.make(s, animals, rows=False, views=False)
    zoo.replay(s, filled, "fill")
    s.run(*MORE_TEXT, *FILL_TEXT)
    j = job(pair, tables="zoo.*")
    j.run(timeout=180)
    assert_same_text(pair, j)
    zoo.replay(s, late, "fill")
    zoo.replay(s, animals, "changes")
    s.run(*CHANGE_TEXT)
    j.run(timeout=180)
    assert_same_text(pair, j)
    s.run("UPDATE zoo.twins SET c = X'8540'")  # no character has these bytes
    err = j.run(expect=FAILED)
    assert "8540" in err and "no character of sjis" in err and "`zoo`.`twins`" in err and "`c`" in err, err


def assert_same_text(pair, j):
    result = pair.compare("zoo")
    charsets = [re.search(r": column \w+: charset (\w+) and utf8mb4$", d) for d in result.differences]
    assert all(m and m.group(1) not in KEPT for m in charsets) and len(charsets) > 60, f"{result}\n{j.story()}"


@pytest.mark.parametrize("source", ["my97", pytest.param("ma1011", marks=pytest.mark.long)])
def test_statements_of_any_charset(source, tidb_pair, job):
    """TiDB knows charsets and collations by their names: those of a statement's client and of a new database's server, of any of them."""
    pair = tidb_pair(source)
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
    j = job(pair, tables="app.*,more.*,old.*")
    j.run()
    with pair.source.connect(charset="latin1") as c, c.cursor() as cur:
        for s in ("ALTER TABLE app.t ADD v varchar(9) COMMENT 'é'", "ALTER TABLE app.t ADD w int", "SET collation_server=latin1_swedish_ci", "CREATE DATABASE old",
                  "SET collation_server=utf8mb4_unicode_ci", "CREATE DATABASE more"):
            cur.execute(s)
    j.run()
    pair.assert_equal("app", j.story)
    there = dict(pair.target.query("SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ('old', 'more')"))
    assert there["more"] == "utf8mb4_unicode_ci" and there["old"].startswith("utf8mb4_"), there


def test_sets_of_rows_that_change(tidb_pair, job):
    """TiDB can't cast the new row's value of an upsert: a SET goes without the cast, and one with an empty member in statements of other kinds."""
    pair = tidb_pair("my97")
    s = pair.source
    j = job(pair, tables="app.*")
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, n int, s set('a','b') NOT NULL)", "CREATE TABLE app.u (id int PRIMARY KEY, n int, s set('a','') NOT NULL)",
          "INSERT INTO app.t VALUES (1, 0, 'a'), (2, 0, 'a,b'), (3, 0, '')", "INSERT INTO app.u VALUES (1, 0, 1), (2, 0, 2), (3, 0, 3), (4, 0, 0)")
    j.run()
    s.run("UPDATE app.t SET n=1", "UPDATE app.u SET n=1")
    j.run()
    s.run("UPDATE app.t SET s=3-s", "UPDATE app.u SET s=3-s")
    j.run()
    pair.assert_equal("app", j.story)
    assert pair.target.query("SELECT id, s+0 FROM app.u ORDER BY id") == ((1, 2.0), (2, 1.0), (3, 0.0), (4, 3.0))


def test_text_that_unicode_has_not(tidb_pair, job):
    """The upstream would make '?' of it without a word."""
    pair = tidb_pair("ma1011")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(9) CHARACTER SET sjis)", "INSERT INTO app.t VALUES (1, '?'), (2, X'8540')")
    j = job(pair, tables="app.*")
    err = j.run(expect=FAILED)
    assert "`v`" in err and "characters of sjis that Unicode has not" in err, err
    pair.source.run("DELETE FROM app.t WHERE id = 2")
    j.run()
    assert pair.target.query("SELECT * FROM app.t") == ((1, "?"),)


@face_only
def test_errors_of_tidb(tidb_pair, job):
    """Write conflicts, changed schemas, regions that are away, an outcome that nobody knows: tried again, nothing lost, nothing doubled."""
    pair = tidb_pair("ma1011")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, n int)", "CREATE TABLE app.k (n int, s varchar(20))")
    j = job(pair, tables="app.*")
    j.run()
    face = pair.target.face
    plan = [(r"^(INSERT|UPDATE|DELETE)", 9007, "before"), (r"^(INSERT|UPDATE|DELETE)", 8028, "before"), (r"^(INSERT|UPDATE|DELETE)", 9005, "before"), (r"^COMMIT", 8028, "before"),
            (r"^COMMIT", 8022, "before"), (r"^COMMIT", 9007, "before"), (r"^COMMIT", 8501, "after"), (r"^COMMIT", 8501, "before"), (r"^COMMIT", 8002, "before"), (r"^COMMIT", 9001, "before")]
    for n, (pattern, code, when) in enumerate(plan):
        begun = j.log().count("following from")
        j.start(until=None)
        procs.wait_for(lambda: j.log().count("following from") > begun, 60, j.story)  # what is made up is for the rows, not for the sync's start
        face.fail(pattern, code, "made up", when=when)
        ended = j.log().count("obituary sync")
        pair.source.run(f"INSERT INTO t VALUES ({n}, 1)", "UPDATE t SET n = n + 1", f"INSERT INTO k VALUES ({n}, 'keyless'), ({n}, 'keyless')", db="app")
        procs.wait_for(lambda: j.ended() or pair.target.query("SELECT COUNT(*) FROM app.k")[0][0] == 2 * n + 2, 90, j.story)
        # where COMMIT surely did not commit, and in a statement, it is tried again in place: of this start's sync there is one end
        in_place = code in (9007, 8028, 8022, 8002) or not pattern.startswith("^COMMIT")

        def failed():
            return any("failed" in line for line in [line for line in j.log().splitlines() if "obituary sync" in line][ended:])
        if not in_place:  # the rows of a COMMIT that was done are there before the sync has heard of it
            procs.wait_for(lambda: failed() or j.ended(), 60, j.story)
        assert j.interrupt() == INTERRUPTED, j.story()
        assert failed() != in_place, f"{code}: {j.story()}"
        j.run(timeout=90)
        assert face.fired and face.fired[-1][0] == code, f"{code} was not made up"
    assert len(face.fired) == len(plan)
    pair.assert_equal("app", j.story)


@face_only
@pytest.mark.parametrize("when", ["before", "after", "outlives"])
def test_lost_while_ddl(when, tidb_pair, job):
    """The connection is lost while a DDL statement is under way: TiDB's list of jobs tells whether it was executed (T29), also of a swap of
    equal tables, which no structure shows, and of a job that goes on alone."""
    pair = tidb_pair("ma1011")
    s, face = pair.source, pair.target.face
    s.run("CREATE DATABASE app", "CREATE TABLE app.a (id int PRIMARY KEY, v int)", "CREATE TABLE app.b (id int PRIMARY KEY, v int)", "INSERT INTO app.a VALUES (1,1)", "INSERT INTO app.b VALUES (2,2)",
          "CREATE TABLE app.p (id int PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))", "CREATE TABLE app.x (id int PRIMARY KEY)",
          "INSERT INTO app.p VALUES (1)", "INSERT INTO app.x VALUES (2)", "CREATE TABLE app.d1 (id int)", "CREATE TABLE app.d2 (id int)")
    j = job(pair, tables="app.*")
    j.run()
    statements = ["ALTER TABLE a ADD w int", "ALTER TABLE b ADD w int", "RENAME TABLE a TO tmp, b TO a, tmp TO b", "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE x", "TRUNCATE TABLE x",
                  "DROP TABLE d1, d2"]
    for n, statement in enumerate(statements):
        verb = " ".join(statement.split()[:2])
        if when == "outlives":
            face.go_on.clear()
            face.outlive, face.outlive_seconds = re.compile("^" + verb, re.I), 300
            j.start(until=None)
            j.wait_status(lambda x: x.get("phase") == "sync")
            s.run(statement, db="app")
            procs.wait_for(lambda: any(q for q, state in pair.target.jobs() if verb in q and state == "running"), 60, f"no job of {verb}\n{j.story()}")
            old = j.wait_unit("sync")
            old.kill()
            j.wait_unit("sync", other_than=[old])
            face.go_on.set()
            procs.wait_for(lambda: j.log().count(SEEN + "executed") == n + 1, 60, f"{statement}: not seen that it was executed")
            j.interrupt()
            face.outlive = None
        else:
            j.start()
            j.wait_status(lambda x: x.get("phase") == "sync")
            face.fail(r"^/\*tidegate-\w+-[0-9a-f:.+-]+\*/ *" + verb, when=when, lose=True)
            s.run(statement, db="app")
            assert j.wait(90) == 0, j.story()
            j.run()
            assert len(face.fired) == n + 1, statement
            assert j.log().count(SEEN + ("executed" if when == "after" else "not executed")) == n + 1, statement
        s.run(f"INSERT INTO a (id, v) VALUES ({100 + n}, 5)", db="app")
        j.run()
    j.run()
    pair.assert_equal("app", j.story)
    done = [q for q, state in pair.target.jobs() if "tidegate-" in q and state == "synced"]
    assert len(done) == len(set(done)), f"executed twice: {done}"


@face_only
def test_a_job_that_outlives_its_owner(tidb_pair, job):
    """All processes are gone, so are the record of the statement and of the connection that sent it: the next owner waits for the job all
    the same, as its text carries the task's mark. Another's job does not hold it up."""
    pair = tidb_pair("ma1011")
    s, t, face = pair.source, pair.target, pair.target.face
    s.run("CREATE DATABASE app", "CREATE TABLE app.a (id int PRIMARY KEY, v int)", "INSERT INTO app.a VALUES (1,1)")
    j = job(pair, tables="app.*")
    j.run()
    face.outlive, face.outlive_seconds = re.compile("^CREATE TABLE IF NOT", re.I), 300
    j.start(until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    s.run("CREATE TABLE IF NOT EXISTS n (id int PRIMARY KEY)", "INSERT INTO n VALUES (1)", db="app")
    procs.wait_for(lambda: any("IF NOT EXISTS n" in q and state == "running" for q, state in t.jobs()), 60, j.story)
    for p in j.alive():
        p.kill()
    j.wait()
    face.outlive = None
    t.run("DELETE FROM dm_meta.tidegate_connection", "DELETE FROM dm_meta.tidegate_ddl")
    other = face.begin_job(b"ALTER TABLE other ADD x int", "ALTER TABLE other")
    try:
        j.start()
        j.wait_log("waiting for DDL job")
        face.go_on.set()
        assert j.wait() == 0, j.story()
        j.assert_gone()
        assert [state for q, state in t.jobs() if "IF NOT EXISTS n" in q] == ["synced", "synced"]
    finally:
        face.end_job(other, True)
    pair.assert_equal("app", j.story)


@face_only
def test_a_version_of_its_own(tidb_pair, job):
    """VERSION() may say anything (server-version of TiDB's configuration): tidb_version() says what it is, so that sessions are TiDB's of that version."""
    pair = tidb_pair("ma1011")
    pair.target.face.shown = "8.0.11-custom"
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t VALUES (1,1)")
    j = job(pair, tables="app.*")
    j.run()
    pair.source.run("ALTER TABLE app.t ADD w int", "INSERT INTO app.t VALUES (2,2,2)")
    j.run()
    pair.assert_equal("app", j.story)
    writers = [s.variables for s in pair.target.face.sessions if "tidb_txn_mode" in s.variables]
    assert writers and all(v["tidb_dml_type"] == "standard" and v["tidb_constraint_check_in_place_pessimistic"] == "1" for v in writers)  # from 8.0 and 6.3 on
    assert any("/*tidegate-" in q and "ADD" in q for q, _ in pair.target.jobs())


@face_only
def test_what_tidb_refuses(tidb_pair, job):
    """A statement that TiDB does not execute pauses the task, and says which and why; binlog skip and replace go on."""
    pair = tidb_pair("my97")
    j = following(pair, job)
    s, d = pair.source, pair.target
    s.run("ALTER TABLE t ADD COLUMN u int UNIQUE", "INSERT INTO t VALUES (2,2,2)", db="app")
    wait_stage(j, "Paused", 60507)
    said = j.subtask()["result"]["errors"][0]
    assert "unsupported add column constraint UNIQUE KEY" in said["Message"] and "8200" in said["Message"] and "ALTER TABLE" in said["Message"], said
    assert "binlog replace" in said["Workaround"], said
    ask(j, "binlog", "replace", "run", "ALTER TABLE app.t ADD COLUMN u int; ALTER TABLE app.t ADD UNIQUE KEY u (u)")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t")[0][0] == 2, 60, j.story(), 0.2)
    d.run("ALTER TABLE app.t ADD COLUMN w int, ADD UNIQUE KEY w (w)")
    s.run("ALTER TABLE t ADD COLUMN w int UNIQUE", "INSERT INTO t VALUES (3,3,3,3)", "UPDATE t SET w = 4 WHERE id = 2", db="app")
    wait_stage(j, "Paused", 60507)
    ask(j, "binlog", "skip", "run")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t WHERE w = 4")[0][0] == 1, 60, j.story(), 0.2)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.run()
    pair.assert_equal("app", j.story)


@face_only
@pytest.mark.parametrize("foreseen", [True, False])
def test_entry_too_large(foreseen, tidb_pair, job):
    """A row above TiDB's limit stops copy and stream by name. Where the limit may be asked for, no byte of it is sent."""
    pair = tidb_pair("ma1011")
    s, face = pair.source, pair.target.face
    face.shows_config, face.entry_max = foreseen, 1 << 20
    limit = f"bytes, TiDB's txn-entry-size-limit is {face.entry_max}" if foreseen else "entry too large"
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, b longblob)", "INSERT INTO app.t VALUES (1, REPEAT('\\\\', 1000000)), (2, REPEAT('x', 1200000))")
    j = job(pair, tables="app.*")
    err = j.run(expect=FAILED)
    assert "60402" in err and limit in err and "`app`.`t`" in err and ("8025" in err) != foreseen, err
    face.entry_max *= 2
    j.run()
    face.entry_max //= 2
    s.run("INSERT INTO app.t VALUES (3, REPEAT('x', 1200000))")
    err = j.run(expect=FAILED)
    assert "60508" in err and limit in err and "`app`.`t`" in err and "txn-entry-size-limit" in err and ("error 8025" in err) != foreseen, err


@face_only
def test_copy_in_transactions_of_a_size(tidb_pair, job):
    """Chunks are of 8 MiB at most for TiDB, whatever chunk-filesize says (16, if nothing); a limit that they pass all the same is named."""
    pair = tidb_pair("ma1011")
    s, face = pair.source, pair.target.face
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, b varchar(1000))", "INSERT INTO app.t SELECT seq, REPEAT('x', 1000) FROM mysql.seq_1_to_25000")
    j = job(pair, tables="app.*")
    face.txn_max = 4 << 20
    err = j.run(expect=FAILED)
    assert "60402" in err and "8004" in err and "Transaction is too large" in err and "txn-total-size-limit" in err, err
    face.txn_max = 12 << 20
    j.run()
    pair.assert_equal("app", j.story)


@face_only
def test_transaction_too_large(tidb_pair, job):
    """TiDB's 8004: the transaction is applied in parts then, small ones beside it as ever; killed between two parts it goes on with the rest."""
    pair = tidb_pair("ma1011")
    s, face = pair.source, pair.target.face
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(200))", "CREATE TABLE app.k (n int, v varchar(200))")
    j = job(pair, tables="app.*")
    j.run()
    face.txn_max = 300000
    j.failpoints.arm("split_part", "kill", 3)
    j.start()
    j.wait_status(lambda x: x.get("phase") == "sync")
    s.run("INSERT INTO t VALUES (0, 'before')", "BEGIN", "INSERT INTO t SELECT seq, REPEAT('x', 100) FROM mysql.seq_1_to_5000", "INSERT INTO k SELECT seq % 10, 'twin' FROM mysql.seq_1_to_5000",
          "UPDATE t SET v='y' WHERE id % 2", "COMMIT", "INSERT INTO t VALUES (100000, 'behind')", "UPDATE t SET v='z' WHERE id=1", db="app")
    assert j.wait(120) == 0, j.story()
    j.run(timeout=90)
    assert j.failpoints.fired("split_part") == 1, j.story()
    assert "is applied in parts of" in j.log() and "8004" in j.log(), j.story()
    pair.assert_equal("app", j.story)
