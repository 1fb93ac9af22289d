"""`tidegate cutover`: the source is read-only and everything of it is applied; both sides hold the same; triggers and events are made, counters set
on; go. And all that must make it a no-go."""
import re
import signal
import subprocess
import threading
from pathlib import Path

import procs
import pytest
from cutover import cutover, one, read_only, said

import zoo
from tidegate import FAILED, USAGE
from words import ask, on_terminal, subtask, wait_stage

PAIRS = ["my97>my97", "ma1011>ma118", "my97>ma118", "ma1011>my97"]
SAME = ["my97>my97", "ma1011>ma118"]
ONE = ["my97>my97", pytest.param("ma1011>ma118", marks=pytest.mark.long)]

# Every insert counts in `log`; rows that come through the binlog must not count again.
OBJECTS = ["CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY AUTO_INCREMENT, v varchar(40), w int DEFAULT 0)",
           "CREATE TABLE app.log (n int PRIMARY KEY AUTO_INCREMENT, t_id int, what varchar(100))", "CREATE TABLE app.ticks (n int)",
           "CREATE FUNCTION app.twice(a int) RETURNS int DETERMINISTIC SQL SECURITY INVOKER RETURN a * 2",
           "CREATE PROCEDURE app.add_one(IN x varchar(40)) BEGIN INSERT INTO app.t (v) VALUES (x); END",
           "CREATE VIEW app.doubled AS SELECT id, app.twice(w) AS w2 FROM app.t", "CREATE VIEW app.above AS SELECT * FROM app.doubled WHERE w2 >= 0",
           "CREATE TRIGGER app.after_t AFTER INSERT ON app.t FOR EACH ROW INSERT INTO app.log (t_id, what) VALUES (NEW.id, CONCAT('new ', NEW.v))",
           "CREATE TRIGGER app.before_t BEFORE INSERT ON app.t FOR EACH ROW SET NEW.w = NEW.w + 1",
           "CREATE TRIGGER app.second_t BEFORE INSERT ON app.t FOR EACH ROW FOLLOWS before_t SET NEW.w = NEW.w * 10",
           "CREATE EVENT app.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO app.ticks VALUES (1)",
           "CREATE EVENT app.off ON SCHEDULE EVERY 1 DAY DISABLE DO SET @a = 1", "INSERT INTO app.t (v) VALUES ('copied'), ('too')"]


@pytest.fixture
def follow(make_pair, job):
    """A job that follows, with its source's and target's switches put back at the end."""
    pairs = []

    def start(names, *statements, more=(), tables="app.*"):
        pair = make_pair(*names.split(">"))
        pairs.append(pair)
        for s in (pair.source, pair.target):
            s.run("SET GLOBAL event_scheduler=OFF")
        pair.source.run(*statements)
        j = job(pair, tables=tables)
        j.start("--stay", *more, until=None)
        j.wait_status(lambda x: x.get("phase") == "sync")
        return pair, j
    yield start
    for pair in pairs:
        read_only(pair.source, False)
        for s in (pair.source, pair.target):
            s.run("SET GLOBAL event_scheduler=OFF")


def triggers(server):
    return {r[0]: r[1] for r in server.query("SELECT TRIGGER_NAME, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='app'")}


def events(server):
    return dict(server.query("SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA='app'"))


def routines(server):
    return {r[0] for r in server.query("SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='app'")}


@pytest.mark.parametrize("names", PAIRS)
def test_go(names, follow):
    """Triggers would double the log if they were there while rows are applied; a view stands on a function. What was changed while the task
    followed counts as it is at the end."""
    pair, j = follow(names, *OBJECTS, more=("--objects", "all"))
    s, d = pair.source, pair.target
    assert routines(d) == {"twice", "add_one"} and triggers(d) == {} and events(d) == {}
    assert d.query("SELECT COUNT(*) FROM app.above") == ((2,),), j.log()
    s.run("CALL app.add_one('followed')", "DROP FUNCTION app.twice", "CREATE FUNCTION app.twice(a int) RETURNS int DETERMINISTIC RETURN a + a + 1000",
          "CREATE VIEW app.late AS SELECT id FROM app.t", "DROP TRIGGER app.after_t",
          "CREATE TRIGGER app.after_t AFTER INSERT ON app.t FOR EACH ROW INSERT INTO app.log (t_id, what) VALUES (NEW.id, 'changed')", "DROP VIEW app.above")
    rehearsal = cutover(j, "--check", expect=FAILED)
    assert "read_only=1" in one(rehearsal, "fail", "the source is not read-only") and len(said(rehearsal, "fail")) == 1
    assert "nothing was changed" in rehearsal["msg"] and subtask(j)["stage"] == "Running"
    read_only(s)
    assert "3 tables, 6 rows: equal" in one(cutover(j, "--check"), "success", "tables")
    assert triggers(d) == {} and events(d) == {} and subtask(j)["stage"] == "Running"
    answer = cutover(j)
    assert "everything up to" in one(answer, "success", "applied") and "3 tables, 6 rows: equal" in one(answer, "success", "tables")
    assert triggers(d) == triggers(s) and set(triggers(d)) == {"after_t", "before_t", "second_t"}
    assert events(d) == events(s) == {"tick": "ENABLED", "off": "DISABLED"} and subtask(j)["stage"] == "Paused"
    assert one(answer, "warn", "event_scheduler is OFF")
    pair.assert_equal("app", j.story)
    d.run("CALL app.add_one('there')")
    assert d.query("SELECT w FROM app.t WHERE v='there'") == ((10,),)
    assert d.query("SELECT what FROM app.log ORDER BY n DESC LIMIT 1") == (("changed",),) and d.query("SELECT COUNT(*) FROM app.log") == ((4,),)
    assert d.query("SELECT MAX(w2) FROM app.doubled")[0][0] > 1000
    # said again, it changes nothing, though the downstream is already used
    again = cutover(j)
    assert "compared at this very position" in one(again, "success", "tables") and triggers(d) == triggers(s)
    assert "0 made, 9 were made before" in one(again, "success", "made before")


@pytest.mark.parametrize("names", ["ma1011>ma118", pytest.param("my97>my97", marks=pytest.mark.long)])
def test_a_row_that_differs(names, follow):
    """Named by its table; nothing is made, and the task goes on."""
    pair, j = follow(names, *OBJECTS, more=("--objects", "all"))
    pair.target.run("UPDATE app.t SET v='other' WHERE id=2")
    read_only(pair.source)
    answer = cutover(j, expect=FAILED)
    assert said(answer, "fail") == ["`app`.`t`: of 2 rows some differ (checksum); find the rows, mend them, then ask again"]
    assert triggers(pair.target) == {} and "nothing was changed downstream" in answer["msg"]
    wait_stage(j, "Running")
    pair.target.run("UPDATE app.t SET v='too' WHERE id=2", "DELETE FROM app.log WHERE n=1")
    assert said(cutover(j, "--check", expect=FAILED), "fail")[0].startswith("`app`.`log`: 2 rows in the source, 1 downstream")
    pair.target.run("INSERT INTO app.log SELECT 1, 1, 'new copied'", "DROP TABLE app.ticks")
    assert one(cutover(j, expect=FAILED), "fail", "`app`.`ticks` is not in the downstream any more")


def test_not_before_the_end_is_there(follow):
    """Open transactions, prepared ones, a source that is written to, a downstream that does not follow."""
    pair, j = follow("my97>my97", *OBJECTS, more=("--objects", "routines"))
    s = pair.source
    with s.connect() as c, c.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("INSERT INTO app.ticks VALUES (5)")
        s.run("SET GLOBAL read_only=1")
        answer = cutover(j, expect=FAILED)
        assert one(answer, "fail", "1 transactions with changes are open") and one(answer, "warn", "not for accounts with CONNECTION_ADMIN")
        cur.execute("COMMIT")
        cur.execute("XA START 'a'")
        cur.execute("INSERT INTO app.ticks VALUES (6)")
        cur.execute("XA END 'a'")
        cur.execute("XA PREPARE 'a'")
        assert one(cutover(j, expect=FAILED), "fail", "1 XA transactions are prepared")
        cur.execute("XA COMMIT 'a'")
    with pair.target.connect() as c, c.cursor() as cur:
        cur.execute("LOCK TABLES app.ticks READ")
        s.run("INSERT INTO app.ticks VALUES (7)")
        assert one(cutover(j, "--wait", "3", expect=FAILED), "fail", "did not reach the source's position within 3 s")
        assert one(cutover(j, "--wait", "2", "--check", expect=FAILED), "fail", "the tables were not compared")
    assert subtask(j)["stage"] == "Running"
    done = subprocess.run([str(j.bin / "tidegate"), "cutover", "run", "--wait", "x", "--state", j.state], capture_output=True, text=True)
    assert done.returncode == USAGE and "--wait" in done.stderr
    assert "not asked for, and not made: 3 TRIGGER, 2 EVENT" in one(cutover(j), "warn", "not asked for")
    assert triggers(pair.target) == {}


def goes_on(pair, j):
    j.failpoints.arm("cutover_compare", "sleep", arg=60000)
    fails = []
    t = threading.Thread(target=lambda: fails.append(cutover(j, expect=FAILED)))
    t.start()
    procs.wait_for(lambda: j.failpoints.fired("cutover_compare"), 60, j.story(), 0.05)
    if pair.source.flavor == "mysql":
        pair.source.run("SET GLOBAL super_read_only=0")  # for the account that writes here
    pair.source.run("INSERT INTO app.ticks VALUES (8)")
    j.failpoints.disarm("cutover_compare")
    t.join()
    assert one(fails[0], "fail", "the source went on from") and triggers(pair.target) == {}


def test_written_to_while_it_compares(follow):
    """read_only does not hold back a replication account or an administrator: then the source moves on."""
    pair, j = follow("ma1011>ma118", *OBJECTS, more=("--objects", "all"))
    read_only(pair.source)
    goes_on(pair, j)


def test_written_to_without_gtids(follow):
    """A GTID set from before, and a server that writes none any more: the set stands still, the server does not."""
    modes = ("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF")
    pair, j = follow("my97>my97", *OBJECTS, more=("--objects", "all"))
    pair.source.run(*(f"SET GLOBAL gtid_mode={m}" for m in modes))
    try:
        read_only(pair.source)
        goes_on(pair, j)
    finally:
        pair.source.run(*(f"SET GLOBAL gtid_mode={m}" for m in ("OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")))


@pytest.mark.parametrize("names, place", [pytest.param(n, p, marks=[] if (n == SAME[0]) == (p in ("cutover_making", "cutover_events")) else [pytest.mark.long])
                                          for n in SAME for p in ("cutover_compare", "cutover_making", "cutover_made", "cutover_events")])
def test_killed_half_way(names, place, follow):
    """The same command goes on, to the same end; the task does not run on meanwhile once something was made."""
    pair, j = follow(names, *OBJECTS, more=("--objects", "all"))
    read_only(pair.source)
    j.failpoints.arm(place, at=1 if place == "cutover_events" else 2)
    answer = cutover(j, expect=FAILED)
    assert j.failpoints.fired(place) == 1 and len(said(answer, "fail")) == 1
    assert "the task is left paused" in answer["msg"] and subtask(j)["stage"] == "Paused"
    answer = cutover(j)
    assert triggers(pair.target) == triggers(pair.source) and events(pair.target) == events(pair.source) and routines(pair.target) == routines(pair.source)
    assert subtask(j)["stage"] == "Paused"
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("names", ONE)
def test_definers(names, follow):
    """An account that the downstream does not have: named, and no-go; the other policies do without it."""
    pair = None
    for policy, want in (("keep", None), ("current-user", "tg@%"), ("tgtest_b@%", "tgtest_b@%"), ("invoker", "tg@%")):
        pair, j = follow(names, "DROP USER IF EXISTS tgtest_a@'%'", "CREATE USER tgtest_a@'%'", "GRANT ALL ON *.* TO tgtest_a@'%'", "CREATE DATABASE app",
                         "CREATE TABLE app.t (id int PRIMARY KEY)", "CREATE DEFINER=tgtest_a@'%' TRIGGER app.tr BEFORE INSERT ON app.t FOR EACH ROW SET NEW.id=NEW.id",
                         "CREATE DEFINER=tgtest_a@'%' FUNCTION app.f() RETURNS int DETERMINISTIC RETURN 1", "CREATE DEFINER=tgtest_a@'%' VIEW app.v AS SELECT app.f() AS one",
                         more=("--objects", "triggers,routines", "--definer", policy))
        d = pair.target
        read_only(pair.source)
        if policy != "current-user" and policy != "invoker":
            missing = f"the DEFINER `{'tgtest_a' if policy == 'keep' else 'tgtest_b'}`@`%` of "
            assert "is no account downstream" in one(cutover(j, expect=FAILED), "fail", missing)
            name = "tgtest_a" if policy == "keep" else "tgtest_b"
            d.run(f"CREATE USER {name}@'%'", f"GRANT ALL ON *.* TO {name}@'%'")
        cutover(j)
        assert set(triggers(d).values()) == {want or "tgtest_a@%"}
        assert d.query("SELECT DEFINER, SECURITY_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='app'") == ((want or "tgtest_a@%", "INVOKER" if policy == "invoker" else "DEFINER"),)
        assert d.query("SELECT DEFINER, SECURITY_TYPE FROM information_schema.VIEWS WHERE TABLE_SCHEMA='app'") == ((want or "tgtest_a@%", "INVOKER" if policy == "invoker" else "DEFINER"),)
        ask(j, "stop-task", "run")
        j.close()
        read_only(pair.source, False)
        for s in (pair.source, d):
            s.clean()


EVENT = "SELECT DEFINER, SQL_MODE, COLLATION_CONNECTION, TIME_ZONE, STATUS, EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_SCHEMA='app'"


@pytest.mark.parametrize("names", ONE)
def test_as_it_was_typed(names, follow):
    """Backslashes, quotes and introducers of a trigger's body, which information_schema does not tell as they are; an event is still its DEFINER's,
    with its own sql_mode and collation, though it is altered to be enabled."""
    account = ("DROP USER IF EXISTS tgtest_a@'%'", "CREATE USER tgtest_a@'%'", "GRANT ALL ON *.* TO tgtest_a@'%'")
    body = r"""SET NEW.v = CONCAT('it\'s a\\b', '\n', "d""e", _latin1 X'E9')"""
    pair, j = follow(names, *account, "CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(60))",
                     f"CREATE TRIGGER app.before_t BEFORE INSERT ON app.t FOR EACH ROW {body}", "SET sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT'",
                     "SET time_zone='+03:00'", "SET collation_connection=utf8mb4_polish_ci",
                     "CREATE DEFINER=tgtest_a@'%' EVENT app.\"odd \"\" one\" ON SCHEDULE EVERY 1 DAY DO SELECT 'a' || \"v\" FROM app.t",
                     "CREATE DEFINER=tgtest_a@'%' TRIGGER app.\"odd \"\" one\" AFTER INSERT ON app.t FOR EACH ROW SET @a = 'x' || 'y'",
                     more=("--objects", "all"))
    s, d = pair.source, pair.target
    d.run(*account)
    read_only(s)
    cutover(j)
    assert d.query(EVENT) == s.query(EVENT) and d.query(EVENT)[0][0] == "tgtest_a@%" and d.query(EVENT)[0][4] == "ENABLED"
    for name in ("before_t", 'odd " one'):
        assert d.query(f"SHOW CREATE TRIGGER app.`{name}`")[0][1:5] == s.query(f"SHOW CREATE TRIGGER app.`{name}`")[0][1:5]
    d.run("INSERT INTO app.t VALUES (1, NULL)")
    assert d.query("SELECT v FROM app.t") == (("it's a\\b\nd\"e\u00e9",),)


def next_value(server, table="app.t"):
    schema, name = table.split(".")
    with server.connect() as c, c.cursor() as cur:
        if server.flavor == "mysql":
            cur.execute("SET information_schema_stats_expiry=0")
        cur.execute("SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s", (schema, name))
        return cur.fetchone()[0]


@pytest.mark.parametrize("names", [pytest.param(n, marks=[] if n in ("ma1011>my97", "my97>my97") else [pytest.mark.long]) for n in PAIRS])
def test_counters_go_on(names, follow):
    """Numbers that the source gave out and that are in no row, as it took them back: an insert that was rolled back, rows deleted within their own
    transaction. Downstream the next one is behind them."""
    pair, j = follow(names, "CREATE DATABASE app", "CREATE TABLE app.t (id bigint unsigned PRIMARY KEY AUTO_INCREMENT, v int)", "INSERT INTO app.t (v) VALUES (1)",
                     "CREATE TABLE app.none (id int PRIMARY KEY)", "CREATE TABLE app.empty (id int PRIMARY KEY AUTO_INCREMENT) COMMENT='''it''s'' empty' AUTO_INCREMENT=4711")
    s, d = pair.source, pair.target
    with s.connect(autocommit=False) as c, c.cursor() as cur:
        for n in range(50):
            cur.execute("INSERT INTO app.t (v) VALUES (2)")
        c.rollback()
        cur.execute("INSERT INTO app.t (v) VALUES (3)")
        c.commit()
        for n in range(20):
            cur.execute("INSERT INTO app.t (v) VALUES (4)")
        cur.execute("DELETE FROM app.t WHERE v=4")
        c.commit()
    assert next_value(s) == 73
    read_only(s)
    cutover(j)
    assert next_value(d) == 73 and next_value(d, "app.empty") >= 4711
    d.run("INSERT INTO app.t (v) VALUES (9)", "INSERT INTO app.empty VALUES ()")
    assert d.query("SELECT id FROM app.t WHERE v=9") == ((73,),) and d.query("SELECT id FROM app.empty")[0][0] >= 4711
    assert d.query("SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA='app' AND TABLE_NAME='empty'") == (("'it's' empty",),)


@pytest.mark.parametrize("names", ["ma1011>ma118", pytest.param("ma118>ma1011", marks=pytest.mark.long)])
def test_sequences_go_on(names, follow):
    pair, j = follow(names, "CREATE DATABASE app", "CREATE SEQUENCE app.s START WITH 5 INCREMENT BY 2 CACHE 10", "CREATE SEQUENCE app.down START WITH 100 INCREMENT BY -3 MAXVALUE 100 MINVALUE -50 CACHE 4",
                     "CREATE SEQUENCE app.used MAXVALUE 3 NOCACHE", "CREATE SEQUENCE app.round MAXVALUE 3 CYCLE NOCACHE", "CREATE SEQUENCE app.untouched START WITH 9",
                     "CREATE TABLE app.t (id int PRIMARY KEY DEFAULT nextval(app.s))", "INSERT INTO app.t VALUES ()")
    s, d = pair.source, pair.target
    with s.connect() as c, c.cursor() as cur:
        for n in range(3):
            for name in ("s", "down", "used", "round", "round"):
                cur.execute(f"SELECT NEXT VALUE FOR app.{name}")
                cur.fetchall()
    read_only(s)
    answer = cutover(j)
    assert "5 sequences likewise" in one(answer, "success", "AUTO_INCREMENT") and one(answer, "warn", "sequence `app`.`used`: ")
    assert len([w for w in said(answer, "warn") if "has run out" in w]) == 1
    state = "SELECT next_not_cached_value, cycle_count FROM app.{}"
    for name in ("s", "down", "untouched"):
        assert d.query(state.format(name)) == s.query(state.format(name)), name
    d.run("INSERT INTO app.t VALUES ()")
    assert d.query("SELECT MAX(id) FROM app.t")[0][0] >= 25
    assert d.query("SELECT NEXT VALUE FOR app.down")[0][0] <= 91
    assert d.query("SELECT NEXT VALUE FOR app.round") == ((1,),)
    with pytest.raises(Exception, match="run out|4084"):
        d.query("SELECT NEXT VALUE FOR app.used")
    cutover(j)


@pytest.mark.parametrize("names", [pytest.param(n, marks=[] if n in ("ma1011>my97", "my97>ma118") else [pytest.mark.long]) for n in PAIRS])
def test_every_type_has_a_sum(names, make_pair, job):
    """The zoo: equal by checksum on both sides where a checksum is possible, and named where it is not."""
    pair = make_pair(*names.split(">"))
    zoo.make(pair.source, zoo.zoo(pair.source, pair.target))
    j = job(pair)
    j.start("--stay", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    try:
        read_only(pair.source)
        answer = cutover(j, "--check")
    finally:
        read_only(pair.source, False)
    left = [t for w in said(answer, "warn") if "no checksum" in w for t in re.findall(r"` \((\w+)", w)]
    assert set(left) <= {"json", "vector"} and (names not in SAME or not left), left
    assert "rows: equal" in one(answer, "success", "tables")


def test_many_rows_in_pieces(follow):
    """A table of several pieces: the place of the difference is told by its key."""
    rows = ",".join(f"({n * 3},'{n}')" for n in range(1000))
    pair, j = follow("ma1011>my97", "CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(10))", f"INSERT INTO app.t VALUES {rows}",
                     *(f"INSERT INTO app.t SELECT id+{1000 * 3 * 2 ** k}, v FROM app.t" for k in range(9)), "ANALYZE TABLE app.t")
    read_only(pair.source)
    assert "1 tables, 512000 rows: equal" in one(cutover(j, "--check"), "success", "tables")
    pair.target.run("DELETE FROM app.t WHERE id=900000")
    found = one(cutover(j, "--check", expect=FAILED), "fail", "200000 rows in the source, 199999 downstream")
    assert "WHERE `id`>599997 AND `id`<=1199997" in found


def test_right_behind_a_resume(follow):
    """The agent has not said yet that the task runs: it does not count as paused, and is paused when all is said."""
    pair, j = follow("my97>my97", "CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    ask(j, "pause-task", "run")
    wait_stage(j, "Paused")
    pair.source.run("INSERT INTO app.t VALUES (2)")
    read_only(pair.source)
    agent = j.units("agent")[0]
    agent.kill(signal.SIGSTOP)
    ask(j, "resume-task", "run")
    threading.Timer(2, agent.kill, [signal.SIGCONT]).start()
    answer = cutover(j)
    assert "1 tables, 2 rows: equal" in one(answer, "success", "tables") and "the task is paused" in answer["msg"], answer
    assert subtask(j)["stage"] == "Paused", j.story()


def test_something_else_is_there(follow):
    """What is not of this task is never dropped."""
    pair, j = follow("my97>ma118", *OBJECTS, more=("--objects", "all"))
    pair.target.run("CREATE EVENT app.tick ON SCHEDULE EVERY 9 DAY DISABLE DO SET @mine = 1")
    read_only(pair.source)
    assert "is left as it is" in one(cutover(j, expect=FAILED), "fail", "there is a event `app`.`tick` downstream that is not of this task")
    assert triggers(pair.target) == {}
    pair.target.run("DROP EVENT app.tick")
    cutover(j)
    assert events(pair.target) == {"tick": "ENABLED", "off": "DISABLED"}
    # the source is used again, its trigger goes, the next cutover takes it away downstream as well
    read_only(pair.source, False)
    pair.source.run("DROP TRIGGER app.second_t", "ALTER EVENT app.tick DISABLE", "DROP PROCEDURE app.add_one")
    ask(j, "resume-task", "run")
    wait_stage(j, "Running")
    read_only(pair.source)
    cutover(j)
    assert set(triggers(pair.target)) == {"after_t", "before_t"} and events(pair.target) == {"tick": "DISABLED", "off": "DISABLED"}
    assert routines(pair.target) == {"twice"}
    # what somebody makes under that name afterwards is theirs
    pair.target.run("CREATE PROCEDURE app.add_one() SET @mine = 1")
    cutover(j)
    assert routines(pair.target) == {"twice", "add_one"}


@pytest.mark.parametrize("names", ["my97>ma118", pytest.param("ma1011>my97", marks=pytest.mark.long)])
def test_triggers_that_go(names, follow):
    """The second cutover of a task takes away those of its triggers that the source has no more, also where the name went to a table of somebody
    else; one that changed is made anew. What the task never made stays."""
    one_of = "CREATE TRIGGER app.{0} BEFORE INSERT ON app.{1} FOR EACH ROW SET NEW.i = {2}"
    pair, j = follow(names, "CREATE DATABASE app", *(f"CREATE TABLE app.{t} (i int PRIMARY KEY)" for t in ("t", "u", "gone", "aside")),
                     one_of.format("stays", "t", 1), one_of.format("changes", "u", 2), one_of.format("wanders", "t", 3), one_of.format("goes", "u", 4), one_of.format("with_it", "gone", 5),
                     more=("--objects", "triggers"), tables="app.t,app.u,app.gone")
    s, d = pair.source, pair.target
    read_only(s)
    cutover(j)
    assert set(triggers(d)) == {"stays", "changes", "wanders", "goes", "with_it"}
    read_only(s, False)
    d.run("CREATE TABLE app.theirs (i int)", one_of.format("of_theirs", "theirs", 6))
    s.run(*(f"DROP TRIGGER app.{t}" for t in ("changes", "wanders", "goes")), one_of.format("changes", "u", 22), one_of.format("wanders", "aside", 3), "DROP TABLE app.gone")
    ask(j, "resume-task", "run")
    wait_stage(j, "Running")
    read_only(s)
    cutover(j)
    found = dict(d.query("SELECT TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='app'"))
    assert found == {"stays": "SET NEW.i = 1", "changes": "SET NEW.i = 22", "of_theirs": "SET NEW.i = 6"}
    # a name that is free again is everybody's
    d.run(one_of.format("goes", "u", 7), one_of.format("wanders", "t", 8))
    cutover(j)
    assert set(triggers(d)) == {"stays", "changes", "of_theirs", "goes", "wanders"}


def test_what_the_accounts_may_not(follow, make_pair, job, bin_dir):
    """With the printed privileges it works; without one of them it says what can't be seen."""
    pair = make_pair("my97", "ma118")
    for s, side in ((pair.source, "upstream"), (pair.target, "downstream")):
        sqls = []
        for unit in ("all", "cutover"):
            version = f"{s.flavor}:{s.version // 10000}.{s.version // 100 % 100}"
            text = subprocess.run([str(bin_dir / "tidegate"), "grants", "--for", unit, "--server", version, "--user", "'tgtest'@'%'"], capture_output=True, text=True, check=True).stdout
            part = text.split(f"-- on the {side}\n")[1].split("-- on the")[0]
            sqls += [line.split("; --")[0] for line in part.splitlines() if line.startswith("GRANT")]
        s.run("CREATE USER tgtest@'%' IDENTIFIED BY 'Grants-1'", *sqls)
    pair.source.run("GRANT XA_RECOVER_ADMIN ON *.* TO tgtest@'%'", *OBJECTS,  # another test may have prepared one there
                    "CREATE DATABASE app2", "CREATE TABLE app2.t (id int PRIMARY KEY)", "CREATE TRIGGER app2.also BEFORE INSERT ON app2.t FOR EACH ROW SET NEW.id = NEW.id")
    j = job(pair, source_url=pair.source.url("tgtest", "Grants-1"), target_url=pair.target.url("tgtest", "Grants-1"), tables="app.*,app2.*")
    pair.target.run("SET GLOBAL log_bin_trust_function_creators=1")
    j.start("--stay", "--objects", "all", "--definer", "current-user", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    try:
        pair.source.run("REVOKE PROCESS, TRIGGER ON *.* FROM tgtest@'%'")
        read_only(pair.source)
        answer = cutover(j, expect=FAILED)
        assert one(answer, "warn", "open transactions can't be seen")
        assert one(answer, "fail", "lacks the privilege to see the triggers of schema `app`")
        assert one(answer, "fail", "lacks the privilege to see the triggers of schema `app2`")
        read_only(pair.source, False)
        pair.source.run("GRANT PROCESS ON *.* TO tgtest@'%'", "GRANT TRIGGER ON app.* TO tgtest@'%'")
        read_only(pair.source)
        answer = cutover(j, expect=FAILED)
        assert [w for w in said(answer, "fail") if "privilege" in w] == [one(answer, "fail", "the triggers of schema `app2`")]
        read_only(pair.source, False)
        # on a schema SELECT shows no routine, EXECUTE shows that it is there
        pair.source.run("REVOKE SELECT ON *.* FROM tgtest@'%'", "GRANT SELECT ON app.* TO tgtest@'%'", "GRANT SELECT, EXECUTE ON app2.* TO tgtest@'%'")
        read_only(pair.source)
        answer = cutover(j, "--check", expect=FAILED)
        assert one(answer, "fail", "lacks the privilege to see the routines of schema `app`") and "routines of schema `app2`" not in str(said(answer, "fail"))
        assert routines(pair.target) == {"twice", "add_one"}
        read_only(pair.source, False)
        pair.source.run("GRANT SELECT ON *.* TO tgtest@'%'", "GRANT TRIGGER ON app2.t TO tgtest@'%'")
        read_only(pair.source)
        cutover(j)
        assert set(triggers(pair.target)) == {"after_t", "before_t", "second_t"} and routines(pair.target) == {"twice", "add_one"}
    finally:
        pair.target.run("SET GLOBAL log_bin_trust_function_creators=0")
        read_only(pair.source, False)


def test_the_page(follow):
    """What docs/cutover.md shows is what is said."""
    page = (Path(__file__).resolve().parent.parent.parent / "docs" / "cutover.md").read_text()
    shown = re.search(r"```\n(ok .*?)```", page, re.S).group(1)
    pair, j = follow("my97>ma118", *OBJECTS, "CALL app.add_one('third')", more=("--objects", "all"))
    pair.target.run("SET GLOBAL event_scheduler=ON")
    read_only(pair.source)
    text = on_terminal(j, "cutover", "run").replace("\r", "")

    def plain(t):
        return re.sub(r"\S+-bin\.\d+:\d+", "POSITION", t).splitlines()
    assert plain(text) == plain(shown), text


@pytest.mark.parametrize("names", ["my97>my97", "ma1011>ma118"])
def test_tables_without_rows_of_their_own(names, follow):
    """A MERGE table shows other tables' rows, which are compared there, a BLACKHOLE keeps none: neither can stand against a go, and both are noted."""
    create = ["CREATE DATABASE app", "CREATE TABLE app.a (id int NOT NULL, KEY (id)) ENGINE=MyISAM", "CREATE TABLE app.b (id int NOT NULL, KEY (id)) ENGINE=MyISAM",
              "CREATE TABLE app.m (id int NOT NULL, KEY (id)) ENGINE=MERGE UNION=(app.a, app.b)", "INSERT INTO app.a VALUES (1), (2)", "INSERT INTO app.b VALUES (3)"]
    blackhole = names.startswith("my")
    pair, j = follow(names, *create, *(["CREATE TABLE app.hole (id int PRIMARY KEY) ENGINE=BLACKHOLE"] if blackhole else []))
    assert pair.source.query("SELECT COUNT(*) FROM app.m") == ((3,),) and pair.target.query("SELECT COUNT(*) FROM app.m") == ((0,),)
    pair.source.run("INSERT INTO app.a VALUES (4)", *(["INSERT INTO app.hole VALUES (1)"] if blackhole else []))
    read_only(pair.source)
    answer = cutover(j)
    note = one(answer, "warn", "have no rows of their own, and are not compared: ")
    assert "`app`.`m`" in note and ("`app`.`hole`" in note) == blackhole, note
    assert one(answer, "success", "2 tables, 4 rows: equal")


def test_a_view_on_what_is_not_wanted(follow):
    """Said before the day, and a no-go then; one that is broken in the source too is none."""
    pair, j = follow("ma1011>ma118", *OBJECTS, "CREATE TABLE app.x (id int)", "CREATE VIEW app.broken AS SELECT id FROM app.x", "DROP TABLE app.x")
    read_only(pair.source)
    answer = cutover(j, "--check")
    assert one(answer, "warn", "view `app`.`doubled` is not there") and one(answer, "warn", "not made: 1 FUNCTION")
    answer = cutover(j, expect=FAILED)
    assert one(answer, "fail", "view `app`.`doubled` can't be made") and one(answer, "warn", "view `app`.`broken` can't be made, nor used in the source")
    pair.target.run("CREATE FUNCTION app.twice(a int) RETURNS int DETERMINISTIC RETURN 2 * a")
    cutover(j)
    assert pair.target.query("SELECT COUNT(*) FROM app.above") == ((2,),)


def test_packages(follow):
    """MariaDB's, with their bodies; they are made under sql_mode ORACLE."""
    oracle = "SET sql_mode=ORACLE"
    head = "CREATE PACKAGE app.tools AS FUNCTION three RETURN int; END"
    pair, j = follow("ma1011>ma118", "CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", oracle, head,
                     "CREATE PACKAGE BODY app.tools AS FUNCTION three RETURN int AS BEGIN RETURN 3; END; END", more=("--objects", "routines"))
    assert pair.target.query("SELECT app.tools.three()") == ((3,),), j.log()
    pair.source.run(oracle, "CREATE OR REPLACE PACKAGE BODY app.tools AS FUNCTION three RETURN int AS BEGIN RETURN 33; END; END")
    read_only(pair.source)
    cutover(j)
    assert pair.target.query("SELECT app.tools.three()") == ((33,),)


def test_tidb(tidb_pair, job):
    """It has neither triggers nor routines: asked for, a no-go by name; else everything but floating point and JSON is compared."""
    pair = tidb_pair("ma1011")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY AUTO_INCREMENT, v varchar(20), d double)", "INSERT INTO app.t VALUES (1, 'a', 1.5), (7, 'b', 2)",
                    "CREATE TRIGGER app.tr BEFORE INSERT ON app.t FOR EACH ROW SET NEW.v=NEW.v")
    j = job(pair, tables="app.*")
    j.start("--stay", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    try:
        read_only(pair.source)
        answer = cutover(j)
    finally:
        read_only(pair.source, False)
    assert "`d` (double)" in one(answer, "warn", "no checksum") and one(answer, "warn", "not made: 1 TRIGGER") and one(answer, "success", "2 rows: equal, but for")
    j.interrupt()
    j.run("--objects", "triggers")
    j.start("--stay", "--objects", "triggers", until=None)
    wait_stage(j, "Running")
    assert "trigger `app`.`tr` can't be made: TiDB has none" in one(cutover(j, "--check", expect=FAILED), "fail", "TiDB")
