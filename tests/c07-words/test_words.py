"""dmctl's words about members, relay logs and what is not there, beside a task that follows; and passwords by encrypt and decrypt."""
import subprocess

import pytest
from tidegate import DONE, FAILED, INTERRUPTED, USAGE


@pytest.fixture
def following(make_pair, job):
    pair = make_pair("ma1011", "ma1011")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j = job(pair, tables="app.*")
    j.start(until=None)
    j.wait_log("following from")
    return j


def test_words(following):
    j = following
    members = j.ask("list-member")["members"]
    assert [list(m)[0] for m in members] == ["leader", "master", "worker"]
    worker = members[2]["worker"]["workers"][0]
    assert worker["stage"] == "bound"
    assert j.ask("list-member", "-w", "-n", worker["name"])["members"] == [{"worker": {"msg": "", "workers": [worker]}}]
    assert j.ask("list-member", "-w", "--name", "nobody")["members"][0]["worker"]["workers"] == []
    assert [list(m)[0] for m in j.ask("list-member", "-l", "-m")["members"]] == ["leader", "master"]
    assert "46005" in j.ask("offline-member", "-w", "-n", worker["name"], expect=FAILED)
    assert "46004" in j.ask("offline-member", "-w", "-n", "nobody", expect=FAILED)
    assert "offline-member -w|-m -n name" in j.ask("offline-member", "-n", "nobody", expect=USAGE)

    source = worker["source"]
    assert j.ask("start-relay", "-s", source)["sources"][0]["result"]
    assert j.ask("start-relay", "-s", source, worker["name"])["sources"][0]["msg"] == "already kept"
    assert f"agent {worker['name']}" in j.ask("start-relay", "-s", source, "elsewhere", expect=FAILED)
    assert j.ask("stop-relay", "-s", source)["sources"][0]["msg"] == "it goes on for the source's tasks"
    assert "20031" in j.ask("stop-relay", "-s", "nobody", expect=FAILED)

    assert j.ask("shard-ddl-lock") == {"result": True, "msg": "no DDL lock exists", "locks": []} == j.ask("show-ddl-locks", "run")
    assert "no DDL lock `x`" in j.ask("unlock-ddl-lock", "x", expect=FAILED) and "no DDL lock `y`" in j.ask("shard-ddl-lock", "unlock", "y", expect=FAILED)
    assert j.ask("validation", "status", "run")["tableStatuses"] == []
    assert "cutover --check" in j.ask("validation", "start", "run", expect=FAILED)

    assert "tasks" in j.ask("query-status")
    assert j.ask("query-status", "--more")["sources"][0]["subTaskStatus"][0]["stage"] == "Running"
    assert j.interrupt() == INTERRUPTED, j.story()


def secret(j, word, text):
    return subprocess.run([str(j.bin / "tidegate"), word, "--state", j.state], input=text, capture_output=True, text=True)


def test_passwords(following):
    j = following
    for plain in ("Pass-1", "with space", "ünï \"q\" 'q'", "x" * 400):
        made = secret(j, "encrypt", plain + "\n")
        assert made.returncode == DONE and made.stdout.startswith("tg1:") and plain not in made.stdout
        back = secret(j, "decrypt", made.stdout)
        assert (back.returncode, back.stdout) == (DONE, plain + "\n")
    for bad in ("tg1:AAAA", "plain", ""):
        done = secret(j, "decrypt", bad + "\n")
        assert done.returncode == FAILED and "20010" in done.stderr and not done.stdout
    assert subprocess.run([str(j.bin / "tidegate"), "decrypt", "tg1:AAAA", "--state", j.state], capture_output=True).returncode == USAGE
    assert j.interrupt() == INTERRUPTED, j.story()
