"""update-task: other rules and settings for a task that is paused and follows; nothing else of it."""
import procs
import pytest
from cutover import read_only
from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED

SOURCE = "source-id: one\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: '{password}'}}\n"
TASK = """
name: moved
task-mode: {mode}
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: one, block-allow-list: app, syncer-config-name: s}}]
block-allow-list:
  app: {{do-dbs: ["app"], do-tables: [{tables}]}}
syncers: {{s: {{worker-count: {workers}}}}}
"""


class Files:
    def __init__(self, pair, j):
        self.pair, self.j = pair, j

    def task(self, tables=("t",), workers=4, mode="all", port=None):
        path = self.j.folder / "task.yaml"
        path.write_text(TASK.format(port=port or self.pair.target.port, user=USER, password=PASSWORD, workers=workers, mode=mode,
                                    tables=", ".join(f'{{db-name: app, tbl-name: "{t}"}}' for t in tables)))
        return str(path)

    def stage(self, stage):
        procs.wait_for(lambda: self.j.subtask("moved")["stage"] == stage, 60, f"not {stage}\n{self.j.story()}", 0.2)


@pytest.fixture
def files(make_pair, job):
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "CREATE TABLE app.u (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j = job(source_url=None, target_url=None)
    f = Files(pair, j)
    source = j.folder / "source.yaml"
    source.write_text(SOURCE.format(port=pair.source.port, user=USER, password=PASSWORD))
    j.start("--stay", f.task(), source, until=None)
    j.wait_log("following from")
    return f


def test_rules_and_settings(files):
    j, pair = files.j, files.pair
    assert "pause-task first" in j.ask("update-task", files.task(("t", "u")), expect=FAILED)
    assert "other rules" in j.ask("start-task", files.task(("t", "u")), expect=FAILED)
    j.ask("pause-task", "moved")
    files.stage("Paused")
    pair.source.run("CREATE TABLE app.new (id int PRIMARY KEY)", "INSERT INTO app.new VALUES (5)", "INSERT INTO app.t VALUES (2)")
    assert "another downstream" in j.ask("update-task", files.task(port=1), expect=FAILED)
    assert "another task-mode" in j.ask("update-task", files.task(mode="full"), expect=FAILED)
    answer = j.ask("update-task", files.task(("t", "new"), workers=2))
    assert answer["result"] and answer["sources"][0]["msg"] == "settings changed; see resume-task" and answer["checkResult"] == ""
    assert j.ask("update-task", files.task(("t", "new"), workers=2))["sources"][0]["msg"] == "nothing to change"
    j.ask("resume-task", "moved")
    files.stage("Running")
    procs.wait_for(lambda: ("new",) in pair.target.query("SHOW TABLES IN app") and pair.target.query("SELECT id FROM app.new") == ((5,),), 60,
                   f"the table of the new rules did not come\n{j.story()}", 0.3)
    procs.wait_for(lambda: j.subtask("moved")["tidegate"]["sync"]["appliers"] == 2, 60, f"{j.subtask('moved')}\n{j.story()}", 0.3)
    pair.source.run("INSERT INTO app.u VALUES (9)", "INSERT INTO app.t VALUES (3)")
    procs.wait_for(lambda: pair.target.query("SELECT COUNT(*) FROM app.t") == ((3,),), 60, f"{j.story()}", 0.3)
    assert ("u",) not in pair.target.query("SHOW TABLES IN app")
    assert "46015" in j.ask("update-task", unknown(files), expect=FAILED)
    pair.source.run("DROP TABLE app.u")
    pair.assert_equal("app", j.story)
    assert j.interrupt() == INTERRUPTED, j.story()


def test_a_cutover_after_other_rules(files):
    """Of what the rules leave out by now nobody knows whether the source has it: it stays downstream."""
    j, pair = files.j, files.pair
    pair.source.run("CREATE VIEW app.v AS SELECT id FROM app.t", "CREATE VIEW app.gone AS SELECT id FROM app.t")
    j.ask("pause-task", "moved")
    files.stage("Paused")
    j.ask("update-task", files.task(("t", "v", "gone")))
    j.ask("resume-task", "moved")
    files.stage("Running")
    cut_over(files)
    assert {("v",), ("gone",)} <= set(pair.target.query("SHOW TABLES IN app"))
    j.ask("update-task", files.task(("t", "gone")))
    j.ask("resume-task", "moved")
    files.stage("Running")
    pair.source.run("DROP VIEW app.gone")
    cut_over(files)
    assert {("t",), ("v",)} == set(pair.target.query("SHOW TABLES IN app")), j.story()
    assert j.interrupt() == INTERRUPTED, j.story()


def cut_over(files):
    read_only(files.pair.source)
    try:
        assert files.j.ask("cutover", "moved")["result"]
    finally:
        read_only(files.pair.source, False)
    files.stage("Paused")


def unknown(files):
    path = files.j.folder / "other.yaml"
    path.write_text(open(files.task()).read().replace("name: moved", "name: nobody"))
    return str(path)
