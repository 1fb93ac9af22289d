"""Each command's JSON, held against what DM answers: names, types, and 64-bit numbers as texts."""
import json
import re
import subprocess

import procs
import pytest
from dm_files import task
from servers import PASSWORD, USER
from tidegate import DONE, FAILED, INTERRUPTED
from words import on_terminal

SOURCE = "source-id: one\nenable-relay: true\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: '{password}'}}\n"


class Digits:
    """A 64-bit number, which proto3's JSON writes as a text."""

    def __eq__(self, other):
        return isinstance(other, str) and re.fullmatch(r"\d+", other) is not None

    def __repr__(self):
        return '"digits"'


class Like:
    def __init__(self, pattern):
        self.pattern = pattern

    def __eq__(self, other):
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    def __repr__(self):
        return f"/{self.pattern}/"


class Any:
    def __init__(self, kind):
        self.kind = kind

    def __eq__(self, other):
        return isinstance(other, self.kind) and (self.kind is not int or not isinstance(other, bool))

    def __repr__(self):
        return self.kind.__name__


TEXT, BOOL, INT, FLOAT = Any(str), Any(bool), Any(int), Any(float)
PLACE = Like(r"(\([\w.-]+, \d+\))?")
PERCENT = Like(r"\d+\.\d\d %")
# One source's part of most answers, and the envelope around them (section 5 of what DM does).
PART = {"result": True, "msg": TEXT, "source": "one", "worker": TEXT}
DUMP = {"totalTables": Digits(), "completedTables": FLOAT, "finishedBytes": FLOAT, "finishedRows": FLOAT, "estimateTotalRows": FLOAT, "bps": Digits(), "progress": PERCENT}
LOAD = {"finishedBytes": Digits(), "totalBytes": Digits(), "progress": PERCENT, "metaBinlog": PLACE, "metaBinlogGTID": TEXT, "bps": Digits()}
SYNC = {"totalEvents": Digits(), "totalTps": Digits(), "recentTps": Digits(), "masterBinlog": PLACE, "masterBinlogGtid": TEXT, "syncerBinlog": PLACE, "syncerBinlogGtid": TEXT,
        "blockingDDLs": [], "unresolvedGroups": [], "synced": BOOL, "binlogType": "local", "secondsBehindMaster": Digits(), "blockDDLOwner": "", "conflictMsg": "",
        "totalRows": Digits(), "totalRps": Digits(), "recentRps": Digits(), "ioTotalBytes": Digits(), "dumpIOTotalBytes": Digits()}
RELAY = {"masterBinlog": PLACE, "masterBinlogGtid": TEXT, "relaySubDir": Like(r"[\w-]+\.\d{6}"), "relayBinlog": PLACE, "relayBinlogGtid": TEXT, "relayCatchUpMaster": BOOL,
         "stage": "Running", "result": None}
ERROR = {"ErrCode": INT, "ErrClass": TEXT, "ErrScope": TEXT, "ErrLevel": TEXT, "Message": TEXT, "RawCause": TEXT, "Workaround": TEXT}


def subtask(unit, shape, stage="Running", result=None):
    return {"name": "moved", "stage": stage, "unit": unit, "result": result, "unresolvedDDLLockID": "", unit.lower(): shape, "validation": None}


def without_ours(o):
    """What we tell beside DM's words is in objects of its own."""
    if isinstance(o, dict):
        return {k: without_ours(v) for k, v in o.items() if k != "tidegate"}
    return [without_ours(x) for x in o] if isinstance(o, list) else o


@pytest.fixture
def job_by_files(make_pair, job):
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j = job(source_url=None, target_url=None)
    j.task, j.source = j.folder / "task.yaml", j.folder / "source.yaml"
    j.task.write_text(task(pair.target.port))
    j.source.write_text(SOURCE.format(port=pair.source.port, user=USER, password=PASSWORD))
    return pair, j


def test_shapes(job_by_files):
    pair, j = job_by_files
    ask = lambda *words: without_ours(j.ask(*map(str, words)))  # noqa: E731
    stage = lambda s: procs.wait_for(lambda: j.subtask("moved")["stage"] == s, 60, f"not {s}\n{j.story()}", 0.2)  # noqa: E731
    j.start("--stay", j.task, j.source, until=None)
    j.wait_log("following from")
    procs.wait_for(lambda: (s := j.subtask("moved"))["unit"] == "Sync" and s["sync"]["syncerBinlog"], 60, j.story, 0.2)

    assert ask("query-status") == {"result": True, "msg": "", "tasks": [{"taskName": "moved", "taskStatus": "Running", "sources": ["one"]}]}
    status = {"result": True, "msg": "", "sources": [{"result": True, "msg": "", "sourceStatus": {"source": "one", "worker": TEXT, "result": None, "relayStatus": RELAY},
                                                      "subTaskStatus": [subtask("Sync", SYNC)]}]}
    relay = lambda: ask("query-status", "-s", "one")["sources"][0]["sourceStatus"]["relayStatus"]  # noqa: E731
    procs.wait_for(lambda: relay() == RELAY, 60, lambda: f"{relay()}\n{j.story()}", 0.2)  # the sync is heard of as soon as it follows, the relay by its next report
    for words in (("moved",), ("-s", "one"), ("--more",), ("moved", "-s", "one")):
        assert ask("query-status", *words) == status, words

    for word, op in (("pause-task", "Pause"), ("resume-task", "Resume")):
        assert ask(word, "moved") == {"op": op, "result": True, "msg": "", "sources": [PART]}
        stage("Paused" if op == "Pause" else "Running")
        if op == "Pause":
            assert ask("query-status", "moved")["sources"][0]["subTaskStatus"][0]["result"] == {"isCanceled": True, "errors": [], "detail": None}
    for word, op in (("pause-relay", "PauseRelay"), ("resume-relay", "ResumeRelay")):
        assert ask(word, "-s", "one") == {"op": op, "result": True, "msg": "", "sources": [PART]}
    procs.wait_for(lambda: (r := relay()) == RELAY and r["relayBinlog"], 60, j.story, 0.2)
    # The server's first file may be long past: others have used it, and the relay log begins where the copy did.
    last = re.match(r"\(([\w.-]+), ", relay()["relayBinlog"]).group(1)
    for words in (("start-relay", "-s", "one"), ("stop-relay", "-s", "one"), ("purge-relay", "-s", "one", "-f", last)):
        assert ask(*words) == {"result": True, "msg": "", "sources": [PART]}, words

    members = ask("list-member")
    worker = {"name": TEXT, "addr": TEXT, "stage": "bound", "source": "one"}
    assert members == {"result": True, "msg": "", "members": [{"leader": {"msg": "", "name": TEXT, "addr": TEXT}},
                                                              {"master": {"msg": "", "masters": [{"name": TEXT, "memberID": TEXT, "alive": True, "peerURLs": [], "clientURLs": [TEXT]}]}},
                                                              {"worker": {"msg": "", "workers": [worker]}}]}
    assert ask("operate-source", "show") == {"result": True, "msg": "", "sources": [PART]}
    assert ask("operate-source", "update", j.source)["sources"] == [PART]
    assert ask("shard-ddl-lock") == {"result": True, "msg": "no DDL lock exists", "locks": []}
    assert ask("validation", "status", "moved") == {"result": True, "msg": "", "validators": [], "tableStatuses": []}
    assert ask("validation", "show-error", "moved") == {"result": True, "msg": "", "error": []}
    assert ask("binlog", "list", "moved") == {"result": True, "msg": TEXT, "sources": [dict(PART, msg=Like(r"\[.*\]"))]}
    stage("Running")
    assert ask("binlog-schema", "list", "moved", "app", "t")["sources"] == [dict(PART, msg=Like(r"(?s)CREATE TABLE.*"))]
    assert ask("check-task", j.task) == {"result": True, "msg": "pre-check is passed."}
    # Somebody who may do nothing: what is found is JSON within msg.
    pair.target.run("CREATE USER IF NOT EXISTS tgtestshape@'%' IDENTIFIED BY 'tgtestshape'")
    other = j.folder / "other.yaml"
    other.write_text(task(pair.target.port, "tgtestshape", "tgtestshape").replace("name: moved", "name: other"))
    done = subprocess.run([str(j.bin / "tidegate"), "check-task", str(other), "--state", j.state, "--json"], capture_output=True, text=True, timeout=60)
    answer = json.loads(done.stdout)
    assert done.returncode == FAILED and answer.keys() == {"result", "msg"} and answer["result"] is False, done
    detail = json.loads(answer["msg"])
    assert detail.keys() == {"results", "summary"} and detail["summary"].keys() == {"passed", "total", "successful", "failed", "warning"}
    assert detail["summary"]["failed"] > 0 and {r["state"] for r in detail["results"]} <= {"fail", "warn"}, detail
    assert set(ask("start-task", "--no-check", j.task)) == {"result", "msg", "sources", "checkResult"}

    # An error: of a statement that the downstream refuses.
    pair.target.run("CREATE TABLE app.there (id int)")
    pair.source.run("CREATE TABLE app.there (other int)")
    procs.wait_for(lambda: j.subtask("moved")["stage"] == "Paused", 60, f"no error\n{j.story()}", 0.3)
    assert ask("query-status", "moved")["sources"][0]["subTaskStatus"][0]["result"] == {"isCanceled": False, "errors": [ERROR], "detail": None}
    assert "Error" in ask("query-status")["tasks"][0]["taskStatus"]
    shown = on_terminal(j, "query-status", "moved")
    assert "\x1b[31merror" in shown and "\x1b[33mPaused" in shown and "(relay log)" in shown and "free" in shown

    assert ask("stop-task", "moved") == {"op": "Stop", "result": True, "msg": "", "sources": [PART]}
    empty = ask("query-status", "-s", "one")["sources"][0]
    assert empty["msg"] == "no sub task started" and empty["subTaskStatus"] == []
    # Refused: an error on stderr, exit code 1, and with --json an object.
    done = subprocess.run([str(j.bin / "tidegate"), "pause-task", "nobody", "--json", "--state", j.state], capture_output=True, text=True)
    assert done.returncode == FAILED and json.loads(done.stderr).keys() >= {"result", "code", "class", "msg", "workaround"}
    assert ask("operate-source", "stop", "one") == {"result": True, "msg": "", "sources": [PART]}
    assert j.interrupt() == INTERRUPTED, j.story()


def test_a_copy(job_by_files):
    """dump and load, while they are under way."""
    pair, j = job_by_files
    pair.source.run("CREATE TABLE app.big (id int PRIMARY KEY, v varchar(2000))",
                    "INSERT INTO app.big SELECT seq, REPEAT('x', 2000) FROM seq_1_to_60000", db="app")
    # Each stays where it is until it was asked for: with the plan, behind `dump_snapshot`, the load counts already.
    holds = {"Dump": "dump_snapshot", "Load": "load_all_done"}
    for place in holds.values():
        j.failpoints.arm(place, "sleep", arg=100000)
    j.start("--stay", j.task, j.source, until=None)
    seen = {}

    def look():
        done = subprocess.run([str(j.bin / "tidegate"), "query-status", "moved", "--state", j.state], capture_output=True, text=True)
        if done.returncode == DONE:
            for s in without_ours(json.loads(done.stdout))["sources"][0]["subTaskStatus"]:
                seen.setdefault(s["unit"], []).append(s)
                if s["stage"] == "Running" and holds.get(s["unit"]):
                    j.failpoints.disarm(holds.pop(s["unit"]))
        return "Sync" in seen
    procs.wait_for(look, 120, f"not copied\n{j.story()}", 0.05)
    assert seen.keys() == {"Dump", "Load", "Sync"}, seen.keys()
    for unit, shape in (("Dump", DUMP), ("Load", LOAD), ("Sync", SYNC)):
        for s in seen[unit]:
            assert s == subtask(unit, shape, stage=Like("Running|New")), s
    assert j.interrupt() == INTERRUPTED, j.story()


def test_watch_and_tables(job_by_files):
    pair, j = job_by_files
    j.start("--stay", j.task, j.source, until=None)
    j.wait_log("following from")
    p = subprocess.Popen([str(j.bin / "tidegate"), "query-status", "--watch", "--state", j.state], stdout=subprocess.PIPE, text=True)
    answers, text = 0, ""
    try:
        while answers < 3:
            text += p.stdout.readline()
            try:
                assert json.loads(text)["tasks"][0]["taskName"] == "moved"
                answers, text = answers + 1, ""
            except ValueError:
                continue
    finally:
        p.kill()
        p.wait()
    bad = subprocess.run([str(j.bin / "tidegate"), "query-status", "--watch=0", "--state", j.state], capture_output=True, text=True)
    assert bad.returncode == 2 and "--watch wants seconds" in bad.stderr
    members = on_terminal(j, "list-member")
    assert re.search(r"^leader  ", members, re.M) and re.search(r"^agent .*bound.* 1 of \d+ sources +one", members, re.M), members
    assert "\x1b[32mok" in on_terminal(j, "pause-task", "moved")
    assert "TASK" in on_terminal(j, "query-status") and "moved" in on_terminal(j, "query-status")
    assert j.interrupt() == INTERRUPTED, j.story()
