"""MariaDB's sequences: followed where the downstream has them too, left out with a line in the log elsewhere."""
import procs
import pytest
from tidegate import FAILED, INTERRUPTED

FIRST = ["CREATE DATABASE app", "CREATE SEQUENCE app.s START WITH 5 INCREMENT BY 2 CACHE 10", "CREATE SEQUENCE app.gone",
         "CREATE TABLE app.t (id bigint PRIMARY KEY DEFAULT nextval(app.s), v varchar(20))", "INSERT INTO app.t (v) VALUES ('first'), ('second')"]
LATER = ["ALTER SEQUENCE s MAXVALUE 100000 CYCLE", "SELECT NEXT VALUE FOR s", "INSERT INTO t (v) VALUES ('third')", "CREATE SEQUENCE IF NOT EXISTS s",
         "CREATE SEQUENCE n START WITH 1000 MINVALUE 500", "SELECT SETVAL(n, 2000)", "CREATE OR REPLACE SEQUENCE o NOCACHE", "CREATE OR REPLACE SEQUENCE o MAXVALUE 77",
         "DROP SEQUENCE IF EXISTS gone, nosuch"]
ONLY_MARIADB = ["RENAME TABLE n TO n2", "CREATE TABLE u (id bigint PRIMARY KEY DEFAULT nextval(app.n2), w int)", "INSERT INTO u (w) VALUES (1)",
                "ALTER TABLE t ADD n bigint", "ALTER TABLE t ALTER n SET DEFAULT nextval(app.n2)", "INSERT INTO t (v) VALUES ('fourth')", "DROP TABLE o"]


def shown(server):
    names = [r[0] for r in server.query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='app' AND TABLE_TYPE='SEQUENCE' ORDER BY 1")]
    return {n: server.query(f"SHOW CREATE SEQUENCE app.`{n}`")[0][1].replace(" as bigint", "").split(" ENGINE")[0] for n in names}


@pytest.mark.parametrize("names", ["ma1011>ma118", "ma118>ma105"])
def test_between_mariadb(names, make_pair, job):
    """Copied before the tables whose defaults ask them, then made, changed and dropped with the stream. Their own rows are left out."""
    pair = make_pair(*names.split(">"))
    s = pair.source
    s.run(*FIRST)
    j = job(pair, tables="app.*")
    j.run()
    assert shown(pair.target) == shown(s) and len(shown(s)) == 2
    j.start(until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    s.run(*LATER, *ONLY_MARIADB, db="app")
    procs.wait_for(lambda: pair.target.query("SELECT COUNT(*) FROM app.t")[0][0] == 4, 60, j.story, 0.2)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run()
    pair.assert_equal("app", j.story)
    assert shown(pair.target) == shown(s) and sorted(shown(s)) == ["n2", "s"]


def test_a_default_that_fills_rows_stops(make_pair, job):
    """The rows that are there got values of the upstream's sequence, which the downstream's is not."""
    pair = make_pair("ma1011", "ma118")
    pair.source.run(*FIRST)
    j = job(pair, tables="app.*")
    j.run()
    pair.source.run("ALTER TABLE t ADD n bigint DEFAULT nextval(app.s)", db="app")
    assert "60507" in j.run(expect=FAILED) and "the new column's default (nextval)" in j.stderr() and "start it with --stay" in j.stderr()


def test_kill_between_doing_and_done(make_pair, job):
    """A sequence's statement that was under way is told by its definition, or executed once more."""
    pair = make_pair("ma1011", "ma118")
    pair.source.run(*FIRST)
    j = job(pair, tables="app.*")
    j.run()
    for place in ("sync_ddl_doing", "sync_ddl_sent"):
        for nth in range(1, 5):
            j.failpoints.arm(place, at=nth)
            pair.source.run("CREATE OR REPLACE SEQUENCE n START WITH 7", "ALTER SEQUENCE n RESTART 9 MAXVALUE 11", "CREATE SEQUENCE q", "DROP SEQUENCE n, q", db="app")
            j.run()
            assert j.failpoints.fired(place) == nth, place
    assert shown(pair.target) == shown(pair.source)


def test_to_another_family(make_pair, job):
    """Said, and left out: rows of tables come with the values that the upstream took."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    s.run(*FIRST[:3], "CREATE TABLE app.t (id bigint PRIMARY KEY, v varchar(20))", "INSERT INTO app.t VALUES (nextval(app.s), 'first')")
    j = job(pair, tables="app.*")
    j.run()
    assert "sequence `app`.`s` is left out" in j.log()
    s.run(*(q for q in LATER if not q.startswith("INSERT")), "INSERT INTO t VALUES (nextval(s), 'second')", db="app")
    j.run()
    pair.assert_equal("app", j.story)
    assert "left out, as the downstream has no sequences: ALTER SEQUENCE s" in j.log()
