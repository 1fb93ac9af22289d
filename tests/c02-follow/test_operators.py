"""binlog skip, replace, inject, revert, list, as an operator types them while a job stands on a DDL statement."""
import json

import procs
import pytest
from tidegate import FAILED, INTERRUPTED
from words import ask, following, wait_paused_anew, wait_stage


def test_binlog_words(make_pair, job):
    """Skipped, replaced, taken back and put before; each time the task goes on by itself, and the other side is what it would be."""
    pair = make_pair("ma1011", "my97")
    j = following(pair, job)
    s, d = pair.source, pair.target
    assert "has no error" in ask(j, "binlog", "skip", "run", expect=FAILED)
    d.run("ALTER TABLE app.t ADD c int")
    s.run("ALTER TABLE t ADD c int", "INSERT INTO t VALUES (2,2,2)", db="app")
    wait_stage(j, "Paused", 10006)
    assert ask(j, "binlog", "skip", "run")["sources"][0]["result"]
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t WHERE id = 2")[0][0] == 1, 60, j.story, 0.2)
    d.run("ALTER TABLE app.t ADD e varchar(2)")
    s.run("ALTER TABLE t ADD e int", "INSERT INTO t VALUES (3,3,3,33333)", db="app")
    wait_stage(j, "Paused", 10006)
    # the master's death changes nothing: what it was told is in its store, the failed statement's position too
    master = j.wait_unit("master")
    master.kill()
    j.wait_unit("master", other_than=[master])
    wait_stage(j, "Paused", 10006)
    ask(j, "handle-error", "run", "replace", "ALTER TABLE t DROP COLUMN e; ALTER TABLE app.t ADD COLUMN e int")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t WHERE id = 3")[0][0] == 1, 60, j.story, 0.2)
    # beforehand, by position; taken back; in the place of the rows' table nothing is to be seen
    file, offset = s.query("SHOW MASTER STATUS")[0][:2]
    at = f"{file}:{offset}"
    ask(j, "binlog", "skip", "run", "-b", at)
    def listed():
        return [(o["op"], o["binlogPos"]) for o in json.loads(ask(j, "binlog", "list", "run")["sources"][0]["msg"])]
    procs.wait_for(lambda: listed() == [(1, at)], 60, "not the one that is to come, or another one", 0.3)  # the master hears of the position once a second
    assert [o["op"] for o in j.subtask()["tidegate"]["operators"] if o["offset"] == offset] == ["skip"]
    ask(j, "binlog", "revert", "run", "-b", at)
    assert listed() == []
    d.run("ALTER TABLE app.t ADD f int")
    ask(j, "binlog", "inject", "run", "-b", at, "ALTER TABLE app.t DROP COLUMN f")
    s.run("ALTER TABLE t ADD f int", "INSERT INTO t VALUES (4,4,4,4,4)", db="app")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t WHERE id = 4")[0][0] == 1, 60, j.story, 0.2)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run()
    pair.assert_equal("app", j.story)


def test_other_words_after_the_first_were_done(make_pair, job):
    """An operator's first statement was executed, something behind it failed, and the operator says it anew: the new words are
    executed, the statement that was done before is no reason to leave them out."""
    pair = make_pair("ma1011", "my97")
    j = following(pair, job)
    s, d = pair.source, pair.target
    d.run("ALTER TABLE app.t ADD c int")
    s.run("ALTER TABLE t ADD c int", "INSERT INTO t VALUES (2,2,2)", db="app")
    wait_stage(j, "Paused", 10006)
    ask(j, "binlog", "replace", "run", "ALTER TABLE app.t ADD x int; ALTER TABLE app.t DROP COLUMN nosuch")
    procs.wait_for(lambda: "x" in [r[0] for r in d.query("SHOW COLUMNS FROM app.t")], 60, j.story, 0.2)
    wait_paused_anew(j, 1)
    wait_stage(j, "Paused", 10006)
    ask(j, "binlog", "replace", "run", "ALTER TABLE app.t DROP COLUMN x")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t WHERE id = 2")[0][0] == 1, 60, j.story, 0.2)
    # put before, and what follows it fails all the same
    d.run("ALTER TABLE app.t ADD e int")
    s.run("ALTER TABLE t ADD e int", "INSERT INTO t VALUES (3,3,3,3)", db="app")
    wait_stage(j, "Paused", 10006)
    ask(j, "binlog", "inject", "run", "ALTER TABLE app.t ADD y int")
    procs.wait_for(lambda: "y" in [r[0] for r in d.query("SHOW COLUMNS FROM app.t")], 60, j.story, 0.2)
    wait_paused_anew(j, 3)
    wait_stage(j, "Paused", 10006)
    ask(j, "binlog", "replace", "run", "ALTER TABLE app.t DROP COLUMN y")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t WHERE id = 3")[0][0] == 1, 60, j.story, 0.2)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("place", ["sync_ddl_doing", "sync_ddl_sent"])
def test_drop_of_several_is_gone_on_with(make_pair, job, place):
    """Killed before or behind a DROP TABLE of several that an operator said in the place of another one: the rest of it is dropped, no more."""
    pair = make_pair("ma1011", "my97")
    j = following(pair, job)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY)", "INSERT INTO t VALUES (2, 2)", db="app")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t WHERE id = 2")[0][0] == 1, 60, j.story, 0.2)
    d.run("DROP TABLE app.c")
    s.run("DROP TABLE a, b, c", "INSERT INTO t VALUES (3, 3)", db="app")
    wait_stage(j, "Paused", 10006)
    j.failpoints.arm(place)
    ask(j, "binlog", "replace", "run", "DROP TABLE app.a, b")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t WHERE id = 3")[0][0] == 1, 60, j.story, 0.2)
    assert j.failpoints.fired(place) == 1, j.story()
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run()
    pair.assert_equal("app", j.story)


def test_rows_are_not_skipped(make_pair, job):
    """A row that is missing is no DDL: it is refused by name, and stays an error."""
    pair = make_pair("ma1011", "my97")
    j = following(pair, job)
    pair.target.run("DELETE FROM app.t")
    pair.source.run("UPDATE app.t SET v = 5")
    wait_stage(j, "Paused", 60502)
    assert "only DDL statements can be handled" in ask(j, "binlog", "skip", "run", expect=FAILED)
    assert "wants statements" in ask(j, "binlog", "replace", "run", expect=2)
    assert "no DDL statement" in ask(j, "binlog", "replace", "run", "DELETE FROM app.t", expect=2)
    assert "is no binlog position" in ask(j, "binlog", "skip", "run", "-b", "mysql-bin:4", expect=2)
    pair.target.run("INSERT INTO app.t VALUES (1,1)")
    ask(j, "resume-task", "run")
    procs.wait_for(lambda: pair.target.query("SELECT v FROM app.t") == ((5,),), 60, j.story, 0.2)
    assert j.interrupt() == INTERRUPTED, j.story()
