"""A row that should be there downstream and is not: the task stops, and names it; nothing of its transaction is applied (T7). Or, if the task
says so, it is counted."""
import pytest

import procs
from servers import PASSWORD
from tidegate import FAILED

TASK = """name: run
task-mode: all
target-database: {{host: 127.0.0.1, port: {to}, user: tg, password: "{password}"}}
mysql-instances: [{{source-id: s1, block-allow-list: only, syncer-config-name: s}}]
block-allow-list: {{only: {{do-dbs: ["app"]}}}}
syncers: {{s: {{missing-row: count}}}}
"""
SOURCE = """source-id: s1
from: {{host: 127.0.0.1, port: {port}, user: tg, password: "{password}"}}
"""


def test_the_row_is_named(make_pair, job):
    """Among many changes that are folded and written many a statement, the one that does not fit is found."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t SELECT seq, 0 FROM mysql.seq_1_to_500")
    j = job(pair, tables="app.*")
    j.run()
    pair.target.run("DELETE FROM app.t WHERE id = 377")
    file, offset = pair.source.query("SHOW MASTER STATUS")[0][:2]
    pair.source.run("UPDATE app.t SET v = 1")
    j.run(expect=FAILED)
    assert "60502" in j.stderr() and "377" in j.stderr() and f":{file}:{offset}" in j.stderr(), j.story()
    assert pair.target.query("SELECT COUNT(*), SUM(v) FROM app.t") == ((499, 0),)
    pair.target.run("INSERT INTO app.t VALUES (377, 0)")
    j.run()
    pair.assert_equal("app", j.story)


def test_counted(make_pair, job, tmp_path):
    """By task.yaml: the stream goes on, query-status tells how many there were."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t SELECT seq, 0 FROM mysql.seq_1_to_500")
    files = []
    for name, text, port in (("task", TASK, pair.target.port), ("source", SOURCE, pair.source.port)):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(text.format(to=port, port=port, password=PASSWORD))
        files[-1].chmod(0o600)
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.start(*files, until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    pair.target.run("DELETE FROM app.t WHERE id IN (377, 378)")
    pair.source.run("UPDATE app.t SET v = 1", "DELETE FROM app.t WHERE id = 377", "UPDATE app.t SET v = 2 WHERE id = 1")
    procs.wait_for(lambda: pair.target.query("SELECT v FROM app.t WHERE id = 1") == ((2,),), 60, j.story)
    assert pair.target.query("SELECT COUNT(*), SUM(v) FROM app.t") == ((498, 499),)
    procs.wait_for(lambda: j.subtask()["tidegate"]["sync"].get("missing_rows") == 3, 60, j.story)
    assert j.ask("query-status", "run")["result"]
    j.wait_log("passed by: `app`.`t`, `id`=377, transaction at")
    j.interrupt()


@pytest.mark.parametrize("target", ["ma1011", "my97"])
def test_messages_in_another_language(target, make_pair, job):
    """A downstream whose messages are German tells as well how many rows it found: one that is as it should be already is not missing."""
    pair = make_pair("ma1011", target)
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t SELECT seq, 0 FROM mysql.seq_1_to_500")
    was = pair.target.query("SELECT @@GLOBAL.lc_messages")[0][0]
    try:
        pair.target.run("SET GLOBAL lc_messages = 'de_DE'")
        j = job(pair, tables="app.*")
        j.run()
        pair.target.run("UPDATE app.t SET v = id WHERE id IN (3, 377, 378)")
        pair.source.run("UPDATE app.t SET v = id WHERE id > 300", "UPDATE app.t SET v = id WHERE id = 3")
        j.run()
        pair.assert_equal("app", j.story)
    finally:
        pair.target.run(f"SET GLOBAL lc_messages = '{was}'")


@pytest.mark.parametrize("target, engine", [("ma1011", "Aria"), ("my97", "MyISAM")])
def test_an_engine_without_transactions(target, engine, make_pair, job):
    """What is rolled back would stay in such a table: its rows are not written, and the error says what to do."""
    pair = make_pair("ma1011", target)
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t VALUES (1, 1)")
    j = job(pair, tables="app.*")
    j.run()
    pair.target.run(f"ALTER TABLE app.t ENGINE={engine}")
    pair.source.run("UPDATE app.t SET v = 2")
    j.run(expect=FAILED)
    assert "60512" in j.stderr() and engine in j.stderr() and "ENGINE=InnoDB" in j.stderr(), j.story()
    assert pair.target.query("SELECT v FROM app.t") == ((1,),)
    pair.target.run("ALTER TABLE app.t ENGINE=InnoDB")
    j.run()
    pair.assert_equal("app", j.story)
