"""DM's task-mode incremental: nothing is copied, the task follows from the file and position that its file names."""
import pytest

from servers import PASSWORD
from tidegate import FAILED
from workload import Workload

TASK = """name: late
task-mode: incremental
target-database: {{host: 127.0.0.1, port: {to}, user: tg, password: "{password}"}}
mysql-instances:
  - {{source-id: s1, block-allow-list: only, meta: {{binlog-name: {file}, binlog-pos: {offset}}}}}
block-allow-list: {{only: {{do-dbs: ["app"]}}}}
"""
SOURCE = """source-id: s1
enable-relay: {relay}
from: {{host: 127.0.0.1, port: {port}, user: tg, password: "{password}"}}
"""


def write_files(folder, pair, file, offset, relay):
    task, source = folder / "task.yaml", folder / "source.yaml"
    task.write_text(TASK.format(to=pair.target.port, password=PASSWORD, file=file, offset=offset))
    source.write_text(SOURCE.format(port=pair.source.port, password=PASSWORD, relay="true" if relay else "false"))
    for f in (task, source):
        f.chmod(0o600)
    return [str(task), str(source)]


def binlog_files(server):
    return [row[0] for row in server.query("SHOW BINARY LOGS")]


@pytest.mark.parametrize("relay", [False, True], ids=["relay-by-need", "enable-relay"])
def test_from_an_older_file(relay, pair, job, tmp_path):
    """The place is some files back: the relay begins there, also where it is kept on and starts before the task does."""
    pair.source.run("FLUSH BINARY LOGS")
    file = binlog_files(pair.source)[-1]
    Workload(pair.source, "app", rows=50).make()
    pair.source.run("FLUSH BINARY LOGS", "CREATE TABLE app.later (id int PRIMARY KEY)", "INSERT INTO app.later VALUES (1)", "FLUSH BINARY LOGS")
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.run(*write_files(tmp_path, pair, file, 4, relay), until="synced", timeout=90)
    pair.assert_equal("app", j.story)


def test_a_file_that_is_gone(make_pair, job, tmp_path):
    """The upstream has it no more: one error that names it; nothing is applied."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "FLUSH BINARY LOGS")
    file = binlog_files(pair.source)[0]
    pair.source.run("FLUSH BINARY LOGS", f"PURGE BINARY LOGS TO '{binlog_files(pair.source)[-1]}'")
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.run(*write_files(tmp_path, pair, file, 4, False), until="synced", timeout=60, expect=FAILED)
    assert file in j.stderr() and "60202" in j.stderr(), j.story()
    assert "app" not in pair.target.databases()
