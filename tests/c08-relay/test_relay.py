"""The relay log of a source: paused and resumed, its files removed by name, age and room, and never one that a task needs."""
import json
import os
import time
from pathlib import Path

import procs
import pytest
from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED, USAGE

SOURCE = """
source-id: one
enable-relay: {enable}
{purge}
from: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
"""
TASK = """
name: {name}
task-mode: all
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: one, block-allow-list: app}}]
block-allow-list:
  app: {{do-dbs: ["app"]}}
"""
DM_RELAY = {"masterBinlog", "masterBinlogGtid", "relaySubDir", "relayBinlog", "relayBinlogGtid", "relayCatchUpMaster", "stage", "result"}
BUFFER, WITHOUT_END = 4 << 30, 1 << 60


class Relayed:
    def __init__(self, pair, j):
        self.pair, self.j, self.rows = pair, j, 1

    def source_file(self, purge="", enable="true"):
        path = self.j.folder / "source.yaml"
        path.write_text(SOURCE.format(port=self.pair.source.port, user=USER, password=PASSWORD, purge=purge, enable=enable))
        return path

    def task_file(self, name="copied", port=None):
        path = self.j.folder / f"{name}.yaml"
        path.write_text(TASK.format(name=name, port=port or self.pair.target.port, user=USER, password=PASSWORD))
        return path

    def source(self):
        return self.j.ask("query-status", "-s", "one")["sources"][0]

    def relay(self):
        return self.source()["sourceStatus"]["relayStatus"]

    def raw(self):
        return self.source()["tidegate"]["relay"]

    def write(self):
        """A row more, and a new binlog file behind it."""
        self.rows += 1
        self.pair.source.run(f"INSERT INTO app.t VALUES ({self.rows})", "FLUSH BINARY LOGS")

    def arrived(self):
        return self.pair.target.query("SELECT count(*) FROM app.t")[0][0] == self.rows

    def wait_arrived(self):
        """The rows, and behind the last of them the file that the upstream writes now."""
        last = self.pair.source.query("SHOW BINARY LOGS")[-1][0]
        procs.wait_for(lambda: self.arrived() and self.files()[-1] == last, 60, lambda: f"the rows did not come, or not {last}: {self.files()}\n{self.j.story()}", 0.2)

    def folder(self):
        return next(self.j_path().glob("*.000001"))

    def j_path(self):
        return next(p.parent for p in Path(self.j.state).glob("**/server-uuid.index"))

    def files(self):
        return sorted(p.name for p in self.folder().iterdir() if not p.name.startswith("relay.meta"))

    def make_old(self, hours=3):
        for name in self.files()[:-1]:
            os.utime(self.folder() / name, (time.time() - hours * 3600,) * 2)

    def pinned(self):
        return json.loads((self.j_path() / "pins").read_text())["copied"]

    def wait_pin(self):
        """What is applied is told by the next fetch, and saved once a second."""
        def newest():
            number = int(self.pinned().split(":")[1])
            return number == int(self.files()[-1].rsplit(".", 1)[1])
        procs.wait_for(newest, 60, f"the pin stays at {self.pinned()}, files {self.files()}\n{self.j.story()}", 0.3)


@pytest.fixture(params=["ma1011", "my97"])
def relayed(request, make_pair, job):
    pair = make_pair(request.param, "ma1011")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    r = Relayed(pair, job(source_url=None, target_url=None))
    r.j.start("--stay", r.task_file(), r.source_file(), until=None)
    r.j.wait_log("following from")
    procs.wait_for(lambda: r.relay() and r.relay()["stage"] == "Running" and r.raw(), 60, r.j.story, 0.2)
    return r


def test_pause_and_resume(relayed):
    r = relayed
    assert r.relay().keys() == DM_RELAY and r.relay()["stage"] == "Running" and r.relay()["result"] is None
    answer = r.j.ask("pause-relay", "-s", "one")
    worker = answer["sources"][0]["worker"]
    assert worker and answer == {"op": "PauseRelay", "result": True, "msg": "", "sources": [{"result": True, "msg": "", "source": "one", "worker": worker}]}
    procs.wait_for(lambda: r.relay()["stage"] == "Paused", 60, f"not paused\n{r.j.story()}", 0.2)
    assert r.relay()["result"] == {"isCanceled": True, "errors": [], "detail": None}
    assert r.j.ask("pause-relay", "-s", "one")["sources"][0]["msg"] == "already paused"
    assert "Relay status is Paused" in r.j.ask("query-status")["tasks"][0]["taskStatus"]
    at = r.raw()["position"]
    r.write()
    time.sleep(2)
    assert not r.arrived() and r.raw()["position"] == at
    assert r.j.subtask("copied")["stage"] == "Running"
    # A relay that dies meanwhile comes back paused.
    relay = r.j.wait_unit("relay")
    relay.kill()
    r.j.wait_unit("relay", other_than=[relay])
    procs.wait_for(lambda: r.relay()["stage"] == "Paused" and r.raw().get("position") == at, 60, lambda: f"not paused again\n{r.raw()}\n{r.j.story()}", 0.2)
    time.sleep(2)
    assert not r.arrived() and r.raw()["position"] == at
    assert r.j.ask("resume-relay", "-s", "one")["op"] == "ResumeRelay"
    r.wait_arrived()
    procs.wait_for(lambda: r.relay()["stage"] == "Running", 60, f"not running\n{r.j.story()}", 0.2)
    assert "20031" in r.j.ask("pause-relay", "-s", "nobody", expect=FAILED)
    assert "name the source" in r.j.ask("resume-relay", expect=USAGE)
    r.pair.assert_equal("app")
    assert r.j.interrupt() == INTERRUPTED, r.j.story()


def test_paused_for_a_moment(relayed):
    """pause-relay and resume-relay one right after the other, time and again: that it was cut off for it is no trouble, and is not logged as such."""
    r = relayed
    size = len(r.j.log())
    for i in range(3):
        r.j.failpoints.arm("relay_after_write", "sleep", arg=300000)  # it looks at the connection only then
        r.write()
        procs.wait_for(lambda: r.j.failpoints.fired("relay_after_write") > i, 60, r.j.story)
        r.j.ask("pause-relay", "-s", "one")
        procs.wait_for(lambda: r.j.log()[size:].count("paused: nothing is pulled") > i, 60, r.j.story)
        r.j.ask("resume-relay", "-s", "one")
        procs.wait_for(lambda: r.j.log()[size:].count(" resumed") > i, 60, r.j.story)
        r.j.failpoints.disarm("relay_after_write")
        r.wait_arrived()
    lines = [line for line in r.j.log()[size:].splitlines() if "relay" in line]
    assert not [line for line in lines if " error " in line or " warn " in line or "trouble" in line], "\n".join(lines)


def test_purge_by_name(relayed):
    r = relayed
    for _ in range(3):
        r.write()
    r.wait_arrived()
    r.wait_pin()
    before = r.files()
    assert len(before) >= 4
    assert "no file" in r.j.ask("purge-relay", "-s", "one", "-f", before[0].rsplit(".", 1)[0] + ".999999", expect=FAILED)
    assert "no binlog file's name" in r.j.ask("purge-relay", "-s", "one", "-f", "x", expect=USAGE)
    assert "sub-directory other" in r.j.ask("purge-relay", "-s", "one", "-f", before[-1], "--sub-dir", "other.000001", expect=FAILED)
    assert "purge-relay -s source" in r.j.ask("purge-relay", "-s", "one", expect=USAGE)
    answer = r.j.ask("purge-relay", "-s", "one", "-f", before[2])
    assert answer["result"] and answer["sources"][0]["msg"].startswith("2 files with "), answer
    assert r.files() == before[2:]

    r.j.ask("pause-task", "copied")
    procs.wait_for(lambda: r.j.subtask("copied")["stage"] == "Paused", 60, f"not paused\n{r.j.story()}", 0.2)
    pinned = int(r.pinned().split(":")[1])
    for _ in range(3):
        r.write()
    base = before[0].rsplit(".", 1)[0]
    procs.wait_for(lambda: len(r.files()) >= len(before) - 2 + 3, 60, f"{r.files()}\n{r.j.story()}", 0.2)
    answer = r.j.ask("purge-relay", "-s", "one", "-f", r.files()[-1], "--sub-dir", r.folder().name)
    assert answer["sources"][0]["msg"].endswith("still needed by task copied"), answer
    assert r.files()[0] == f"{base}.{pinned:06}" and r.raw()["kept_for"] == "copied"
    r.j.ask("resume-task", "copied")
    r.wait_arrived()
    r.pair.assert_equal("app")
    # By force what is needed goes too, and whoever needed it says so.
    r.j.ask("pause-task", "copied")
    procs.wait_for(lambda: r.j.subtask("copied")["stage"] == "Paused", 60, f"not paused\n{r.j.story()}", 0.2)
    have = len(r.files())
    for _ in range(3):
        r.write()
    wanted = have + 3
    procs.wait_for(lambda: len(r.files()) >= wanted, 60, f"{r.files()}\n{r.j.story()}", 0.2)
    r.j.ask("purge-relay", "-s", "one", "-f", r.files()[-1], "--force")
    assert len(r.files()) == 1
    r.j.ask("resume-task", "copied")
    procs.wait_for(lambda: [e["ErrCode"] for e in (r.j.subtask("copied")["result"] or {}).get("errors", ())][:1] == [60202], 60,
                   f"the gap was not seen\n{r.j.story()}", 0.5)
    assert r.j.interrupt() == INTERRUPTED, r.j.story()


def test_purged_by_force_and_nothing_behind_it(relayed):
    """All that was purged was applied, as the sets say. It is said to be purged all the same, not to be of other servers: no new start of the relay helps."""
    r = relayed
    r.write()
    r.wait_arrived()
    r.wait_pin()
    r.j.ask("pause-task", "copied")
    procs.wait_for(lambda: r.j.subtask("copied")["stage"] == "Paused", 60, f"not paused\n{r.j.story()}", 0.2)
    r.pair.source.run("FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
    last = r.pair.source.query("SHOW BINARY LOGS")[-1][0]
    procs.wait_for(lambda: r.files()[-1] == last, 60, f"{r.files()}\n{r.j.story()}", 0.2)
    r.j.ask("purge-relay", "-s", "one", "-f", last, "--force")
    r.j.ask("resume-task", "copied")
    def errors():
        return (r.j.subtask("copied")["result"] or {}).get("errors", ())
    procs.wait_for(errors, 60, f"the gap was not seen\n{r.j.story()}", 0.5)
    assert errors()[0]["ErrCode"] == 60202 and "it was purged" in errors()[0]["Message"] and last in errors()[0]["Message"], errors()
    assert r.j.interrupt() == INTERRUPTED, r.j.story()


def test_purge_by_age_and_room(relayed):
    r = relayed
    for _ in range(3):
        r.write()
    r.wait_arrived()
    r.wait_pin()
    many = r.files()
    r.make_old()
    r.j.ask("operate-source", "update", str(r.source_file("purge: {interval: 1, expires: 4, remain-space: 0}")))
    time.sleep(3)
    assert r.files() == many  # three hours are not four
    r.j.ask("operate-source", "update", str(r.source_file("purge: {interval: 1, expires: 2, remain-space: 0}")))
    procs.wait_for(lambda: len(r.files()) == 1, 60, f"{r.files()}\n{r.j.story()}", 0.3)
    procs.wait_for(lambda: r.raw()["purged_files"] >= 3, 60, f"{r.raw()}\n{r.j.story()}", 0.3)

    # A paused task's files stay, whatever their age and however little room there is.
    r.j.ask("pause-task", "copied")
    procs.wait_for(lambda: r.j.subtask("copied")["stage"] == "Paused", 60, f"not paused\n{r.j.story()}", 0.2)
    for _ in range(3):
        r.write()
    procs.wait_for(lambda: len(r.files()) == 4, 60, f"{r.files()}\n{r.j.story()}", 0.3)
    many = r.files()
    r.make_old()
    r.j.ask("operate-source", "update", str(r.source_file("purge: {interval: 1, expires: 2, remain-space: 1048576}")))
    r.j.wait_log("old relay log files can't go yet: task copied still needs them")
    time.sleep(2)
    assert r.files() == many
    r.j.ask("resume-task", "copied")
    r.wait_arrived()
    procs.wait_for(lambda: len(r.files()) == 1, 60, f"{r.files()}\n{r.j.story()}", 0.3)
    r.write()
    r.wait_arrived()
    r.pair.assert_equal("app")
    assert r.j.interrupt() == INTERRUPTED, r.j.story()


def test_a_task_that_has_not_begun_to_read(relayed):
    """Its copy may be under way, and ends with what the relay log has from its snapshot on."""
    r = relayed
    r.j.ask("start-task", "--no-check", str(r.task_file("waits", port=1)))
    for _ in range(3):
        r.write()
    r.wait_arrived()
    r.wait_pin()
    many = r.files()
    procs.wait_for(lambda: r.raw()["kept_for"] == "waits", 60, lambda: f"{r.raw()}\n{r.j.story()}", 0.3)  # the relay has heard of it
    answer = r.j.ask("purge-relay", "-s", "one", "-f", many[-1])
    assert answer["sources"][0]["msg"] == "0 files with 0 bytes are removed; the others are still needed by task waits", answer
    assert r.files() == many
    r.j.ask("stop-task", "waits")
    procs.wait_for(lambda: r.raw()["kept_for"] == "copied", 60, f"{r.raw()}\n{r.j.story()}", 0.3)
    r.j.ask("purge-relay", "-s", "one", "-f", many[-1])
    assert len(r.files()) == 1
    # Nobody at all: everything may go but the file that is written.
    r.j.ask("stop-task", "copied")
    r.write()
    procs.wait_for(lambda: len(r.files()) == 2 and r.raw()["kept_for"] == "", 60, f"{r.files()} {r.raw()}\n{r.j.story()}", 0.3)
    assert r.j.ask("purge-relay", "-s", "one", "-f", r.files()[-1])["sources"][0]["msg"].startswith("1 files")
    assert r.j.interrupt() == INTERRUPTED, r.j.story()


def test_on_and_off(relayed):
    """start-relay and stop-relay at run time: with a task the log goes on, with the quota of a buffer; without one it ends."""
    r = relayed
    procs.wait_for(lambda: r.raw()["quota_bytes"] == WITHOUT_END, 60, lambda: f"{r.raw()}\n{r.j.story()}", 0.3)
    relay = r.j.wait_unit("relay")
    r.j.ask("stop-relay", "-s", "one")
    procs.wait_for(lambda: r.raw()["quota_bytes"] == BUFFER, 60, f"{r.raw()}\n{r.j.story()}", 0.3)
    r.j.ask("start-relay", "-s", "one")
    procs.wait_for(lambda: r.raw()["quota_bytes"] == WITHOUT_END, 60, f"{r.raw()}\n{r.j.story()}", 0.3)
    r.j.ask("stop-relay", "-s", "one")
    assert r.j.wait_unit("relay").key == relay.key  # nothing was started anew for it
    r.j.ask("stop-task", "copied")
    procs.wait_for(lambda: not r.j.units("relay"), 60, f"the relay goes on\n{r.j.story()}", 0.3)
    assert "the relay of source `one` does not run" in r.j.ask("purge-relay", "-s", "one", "-f", r.files()[-1], expect=FAILED)
    assert r.j.interrupt() == INTERRUPTED, r.j.story()
