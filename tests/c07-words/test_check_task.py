"""check-task, and the checks of start-task, for a source that the master knows; DM's shape of what was found."""
import json
import subprocess

import procs
import pytest
from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED, USAGE

TASK = """
name: second
task-mode: all
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances:
  - source-id: {source}
    block-allow-list: other
block-allow-list:
  other: {{do-dbs: [other]}}
"""


@pytest.fixture
def beside(request, make_pair, job):
    pair = make_pair(getattr(request, "param", "ma1011"), "ma1011")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "CREATE DATABASE other", "CREATE TABLE other.t (id int PRIMARY KEY)",
                    "INSERT INTO other.t VALUES (1), (2)")
    pair.target.run("DROP USER IF EXISTS nobody@'%'", "CREATE USER nobody@'%' IDENTIFIED BY 'No-1'")
    j = job(pair, tables="app.*")
    j.start("--stay", until=None)
    j.wait_log("following from")
    source = j.ask("list-member", "-w")["members"][0]["worker"]["workers"][0]["source"]

    def file(user, password):
        path = j.folder / f"{user}.yaml"
        path.write_text(TASK.format(port=pair.target.port, user=user, password=password, source=source))
        return str(path)
    return pair, j, file


def test_checked(beside):
    pair, j, file = beside
    good, bad = file(USER, PASSWORD), file("nobody", "No-1")
    answer = j.ask("check-task", good)
    assert answer["result"]
    if answer["msg"] != "pre-check is passed.":
        assert {r["state"] for r in json.loads(answer["msg"])["results"]} == {"warn"}

    done = subprocess.run([str(j.bin / "tidegate"), "check-task", bad, "--error", "1", "--state", j.state], capture_output=True, text=True)
    assert done.returncode == FAILED and "26005" in done.stderr
    answer = json.loads(done.stdout)
    found = json.loads(answer["msg"])
    assert not answer["result"] and not found["summary"]["passed"] and found["summary"]["failed"] >= 1
    failures = [r for r in found["results"] if r["state"] == "fail"]
    assert len(failures) == 1 and failures[0]["errors"][0]["severity"] == "fail" and "GRANT" in failures[0]["instruction"]

    assert all("0 to 1000" in j.ask("check-task", good, "--error", wrong, expect=USAGE) for wrong in ("abc", "-1", "1x", ""))
    assert "GRANT" in j.ask("start-task", bad, expect=FAILED)
    assert "46015" in j.ask("query-status", "second", expect=FAILED)
    assert j.ask("start-task", good)["result"]
    j.ask("start-task", good)  # it is there: as before
    procs.wait_for(lambda: pair.target.query("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='other'")[0][0]
                   and pair.target.query("SELECT COUNT(*) FROM other.t")[0][0] == 2, 60, j.story)
    assert j.interrupt() == INTERRUPTED, j.story()


@pytest.mark.parametrize("beside", ["ma1011", "my97"], indirect=True)
def test_tables_come_and_go(beside):
    """A table that is dropped or renamed while the check looks at one after the other is no reason to refuse a task."""
    pair, j, file = beside
    pair.source.run("CREATE TABLE other.dropped (id int)", "CREATE TABLE other.moved (id int)")
    j.failpoints.arm("check_listed", "sleep", arg=60000)
    asked = subprocess.Popen([str(j.bin / "tidegate"), "check-task", file(USER, PASSWORD), "--state", j.state], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        procs.wait_for(lambda: j.failpoints.fired("check_listed"), 60, j.story)
        pair.source.run("DROP TABLE other.dropped", "RENAME TABLE other.moved TO other.there")
        j.failpoints.disarm("check_listed")
        out, err = asked.communicate(timeout=100)
    finally:
        asked.kill()
        asked.wait()
    assert asked.returncode == 0 and json.loads(out)["result"], f"{out}\n{err}\n{j.story()}"
    assert j.interrupt() == INTERRUPTED, j.story()
