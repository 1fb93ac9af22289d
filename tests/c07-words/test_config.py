"""config: files as they were said, without their passwords; all of them out, and in again."""
import json
import subprocess

import procs
import pytest
from servers import PASSWORD, USER
from tidegate import DONE, FAILED, INTERRUPTED, USAGE

SOURCE = """
source-id: one  # a comment
enable-relay: true
from: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
"""
TASK = """
name: moved
task-mode: all
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: one, block-allow-list: app}}]
block-allow-list:
  app: {{do-dbs: ["app", "ünï"]}}
"""


@pytest.fixture
def by_files(make_pair, job):
    pair = make_pair("ma1011", "ma1011")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j = job(source_url=None, target_url=None)
    files = [j.folder / "task.yaml", j.folder / "source.yaml"]
    files[0].write_text(TASK.format(port=pair.target.port, user=USER, password=PASSWORD))
    files[1].write_text(SOURCE.format(port=pair.source.port, user=USER, password=PASSWORD))
    j.start("--stay", *files, until=None)
    j.wait_log("following from")
    return pair, j


def said(j, *words, expect=DONE):
    done = subprocess.run([str(j.bin / "tidegate"), "config", *map(str, words), "--state", j.state], capture_output=True, text=True, cwd=j.folder)
    assert done.returncode == expect, (done.stdout, done.stderr)
    return done.stdout if expect == DONE else done.stderr


def test_out_and_in(by_files):
    pair, j = by_files
    assert said(j, "task") == "moved\n" and said(j, "source") == "one\n"
    text = said(j, "task", "moved")
    assert '"******"' in text and PASSWORD not in text and "tg1:" not in text and "ünï" in text and "do-dbs" in text
    assert said(j, "source", "one", "-p", "one.yaml") == "" and "source-id: one" in (j.folder / "one.yaml").read_text()
    assert "46015" in said(j, "task", "other", expect=FAILED) and "20031" in said(j, "source", "other", expect=FAILED)
    assert "config source|task" in said(j, "relay", expect=USAGE) and "config source|task" in said(j, "task", "-p", "x", expect=USAGE)
    master, worker = said(j, "master").strip(), said(j, "worker").strip()
    text = said(j, "master", master)
    assert f"name = {master}\n" in text and "lease = 10\n" in text and "/master.sock\n" in text
    text = said(j, "worker", worker, "-p", "worker.conf") or (j.folder / "worker.conf").read_text()
    assert f"name = {worker}\n" in text and "standby = no\n" in text and "capacity = " in text
    assert "46004" in said(j, "worker", "nobody", expect=FAILED) and "46004" in said(j, "master", "nobody", expect=FAILED)

    assert said(j, "export") == "2 files in ./configs\n"
    out = j.folder / "configs"
    source, task = out / "sources" / "one.yaml", out / "tasks" / "moved.yaml"
    assert all(f.stat().st_mode & 0o777 == 0o600 and "tg1:" in f.read_text() and PASSWORD not in f.read_text() for f in (source, task))
    assert json.loads((out / "relay_workers.json").read_text()).keys() == {"one"}

    j.ask("stop-task", "moved")
    pair.source.run("INSERT INTO app.t VALUES (2)")
    broken = task.read_text().replace("do-dbs", "do-dbz")
    task.write_text(broken)
    assert "moved.yaml:" in said(j, "import", expect=FAILED) and j.ask("query-status")["tasks"] == []
    task.write_text(broken.replace("do-dbz", "do-dbs"))
    said(j, "import", "-p", out)
    procs.wait_for(lambda: pair.target.query("SELECT COUNT(*) FROM app.t")[0][0] == 2, 60, j.story)
    assert "no sources/*.yaml" in said(j, "import", "-p", j.folder, expect=USAGE)
    assert j.interrupt() == INTERRUPTED, j.story()


def test_made_without_files(make_pair, job):
    pair = make_pair("ma1011", "ma1011")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
    j = job(pair, tables="app.*")
    j.start(until=None)
    j.wait_log("following from")
    source = said(j, "source").strip()
    assert "was not made by a file" in said(j, "source", source, expect=FAILED)
    done = subprocess.run([str(j.bin / "tidegate"), "config", "export", "-p", str(j.folder / "out"), "--state", j.state], capture_output=True, text=True)
    assert done.returncode == FAILED and done.stderr.count("left out") == 2 and "2 not made by files" in done.stderr
    assert j.interrupt() == INTERRUPTED, j.story()
