"""collation-policy: what becomes of a collation that the downstream lacks, in the copy and in the stream."""
import procs
import pytest
from routed import Files
from tidegate import FAILED, INTERRUPTED
from words import ask, wait_stage


def test_in_the_copy(make_pair, job):
    """0900_ai_ci is not in MariaDB 10.11: exact stops before a row is copied and names the column, fail takes the twin; 10.5 has no twin,
    there only nearest goes on. A table that was made by hand is the way out."""
    pair = make_pair("my97", "ma1011")
    s, d = pair.source, pair.target
    tables = ["CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
              "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20) COLLATE utf8mb4_0900_ai_ci) COLLATE utf8mb4_bin", "INSERT INTO app.t VALUES (1, 'a'), (2, 'É')"]
    s.run(*tables)
    j = job(pair, tables="app.*")
    said = j.run("--collation-policy", "exact", expect=FAILED)
    assert "60542" in said and "`app`.`t`" in said and "`t`.`v`: collation utf8mb4_0900_ai_ci is not in the target" in said, said
    assert d.query("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='app'")[0][0] == 0
    d.run("CREATE DATABASE IF NOT EXISTS app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20) COLLATE utf8mb4_unicode_ci) COLLATE utf8mb4_bin")
    j.run("--collation-policy", "exact")
    assert d.query("SELECT COUNT(*) FROM app.t")[0][0] == 2
    pair = make_pair("my97", "ma105")
    pair.source.run(*tables)
    j = job(pair, tables="app.*")
    said = j.run("--collation-policy", "fail", expect=FAILED)
    assert "60542" in said and "where utf8mb4_unicode_520_nopad_ci is the nearest" in said, said
    j.run()
    assert "collation utf8mb4_0900_ai_ci became utf8mb4_unicode_520_nopad_ci" in j.log()


def test_in_the_stream(make_pair, job):
    """Twins pass under fail; what compares otherwise stops at its statement, and an operator says what is to be done."""
    pair = make_pair("my97", "ma1011")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j = job(pair, tables="app.*")
    j.start("--collation-policy", "fail", "--stay", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    s.run("ALTER TABLE t ADD a varchar(9) COLLATE utf8mb4_0900_as_cs, ADD b varchar(9) COLLATE utf8mb4_0900_bin", "INSERT INTO t VALUES (2, 'a', 'b')", db="app")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t")[0][0] == 2, 60, j.story, 0.2)
    s.run("ALTER TABLE t ADD c varchar(9) COLLATE utf8mb4_nb_0900_ai_ci", "INSERT INTO t VALUES (3, 'a', 'b', 'c')", db="app")
    wait_stage(j, "Paused", 60542)
    assert "`t`.`c`: collation utf8mb4_nb_0900_ai_ci is not in the target" in j.subtask()["result"]["errors"][0]["Message"]
    ask(j, "binlog", "replace", "run", "ALTER TABLE app.t ADD c varchar(9) COLLATE utf8mb4_danish_ci")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t")[0][0] == 3, 60, j.story, 0.2)
    s.run("CREATE DATABASE app2")
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run("--collation-policy", "fail")
    pair.assert_equal("app", j.story)


def follows(f):
    """Its `app` is copied, and what is behind it is followed."""
    f.job.start(f.task, f.source, "--stay", until=None)
    f.job.wait_status(lambda x: x.get("phase") == "sync")
    return f.job


@pytest.mark.parametrize("names", ["my97>my97", pytest.param("ma1011>ma118", marks=pytest.mark.long)])
def test_database_of_another_collation(names, make_pair, job):
    """The downstream's database has the charset, and takes letters of another case for the same: in a table that is made there without a charset an
    upsert would go over another row."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE app.t (id int PRIMARY KEY) COLLATE utf8mb4_bin")
    d.run("CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    f = Files(pair, job, {"a": {"schema-pattern": "far", "target-schema": "away"}}, more=", syncer: {safe-mode: true}")
    j = follows(f)
    s.run("CREATE TABLE app.u (k varchar(20) PRIMARY KEY, v int)", "INSERT INTO app.u VALUES ('a', 1)", "INSERT INTO app.u VALUES ('A', 2)", "INSERT INTO app.t VALUES (1)")
    procs.wait_for(lambda: j.subtask()["stage"] == "Paused" or d.query("SELECT COUNT(*) FROM app.t")[0][0] == 1, 60, j.story, 0.3)
    assert j.subtask()["stage"] == "Paused", d.query("SELECT * FROM app.u")
    error = j.subtask()["result"]["errors"][0]
    assert error["ErrCode"] == 60510 and "database `app`: utf8mb4_bin in the upstream, utf8mb4_general_ci in the downstream" in error["Message"], error
    d.run("ALTER DATABASE app COLLATE utf8mb4_bin")
    ask(j, "resume-task", "run")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t")[0][0] == 1, 60, j.story, 0.3)
    pair.assert_equal("app", j.story)
    assert j.interrupt() == INTERRUPTED, j.story()


def test_to_tidb(tidb_pair, job):
    """TiDB has none of the other accent-sensitive ones: exact and fail stop before a row is copied; nearest takes what looks at accents too."""
    pair = tidb_pair("my97")
    pair.source.run("CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20) COLLATE utf8mb4_0900_as_cs UNIQUE) COLLATE utf8mb4_bin",
                    "INSERT INTO app.t VALUES (1, 'e'), (2, 'é'), (3, 'E')")
    j = job(pair, tables="app.*")
    for policy in ("exact", "fail"):
        said = j.run("--collation-policy", policy, expect=FAILED)
        assert "60542" in said and "`t`.`v`: collation utf8mb4_0900_as_cs is not in the target" in said and "utf8mb4_0900_bin" in said, said
    j.run()
    pair.source.run("ALTER TABLE app.t ADD w varchar(9) COLLATE utf8mb4_0900_ai_ci", "INSERT INTO app.t VALUES (4, 'É', 'x')")
    j.run()
    pair.assert_equal("app", j.story)
    assert dict(pair.target.query("SELECT COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='app' AND COLLATION_NAME IS NOT NULL")) == {
        "v": "utf8mb4_0900_bin", "w": "utf8mb4_0900_ai_ci"}


def test_database_that_is_there(make_pair, job):
    """CREATE DATABASE IF NOT EXISTS over one that the downstream has with another default: a table without a charset stops until both are the same. Over
    one that both sides have it says nothing new, whatever its words are and whatever default the upstream has later."""
    pair = make_pair("ma1011", "my97")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE app.t (id int PRIMARY KEY)", "CREATE TABLE app.done (id int PRIMARY KEY)")
    j = job(pair, tables="app.*,app2.*")
    j.start("--stay", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    d.run("CREATE DATABASE app2 CHARACTER SET latin1")
    s.run("CREATE DATABASE IF NOT EXISTS app2 CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE app2.t (id int PRIMARY KEY, v varchar(20))", "INSERT INTO app2.t VALUES (1, 'é')")
    procs.wait_for(lambda: j.subtask()["stage"] == "Paused" or d.query("SHOW TABLES FROM app2"), 60, j.story, 0.3)
    assert j.subtask()["stage"] == "Paused" and j.subtask()["result"]["errors"][0]["ErrCode"] == 60510, j.story()
    assert "database `app2`: utf8mb4 in the upstream, latin1 in the downstream" in j.subtask()["result"]["errors"][0]["Message"]
    d.run("ALTER DATABASE app2 CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    # all of it is there before anything of it is read
    s.run("CREATE DATABASE IF NOT EXISTS app CHARACTER SET latin1", "CREATE TABLE app.u (id int PRIMARY KEY, v varchar(20))",
          "INSERT INTO app.u VALUES (1, 'Ж')", "ALTER DATABASE app CHARACTER SET latin1 COLLATE latin1_bin", "CREATE TABLE app.l (id int PRIMARY KEY, v varchar(20))",
          "INSERT INTO app.l VALUES (1, 'é')", "INSERT INTO app.done VALUES (1)")
    j.failpoints.arm("sync_ddl_sent")
    ask(j, "resume-task", "run")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.done")[0][0] == 1, 60, j.story, 0.2)
    assert j.failpoints.fired("sync_ddl_sent") == 1, j.story()
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run()
    pair.assert_equal(["app", "app2"], j.story)
