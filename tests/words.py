"""dmctl's words, typed while a job runs: for tests of what an operator does."""
import os
import subprocess

import procs


def ask(j, *words, expect=0):
    return j.ask(*words, expect=expect)


def subtask(j):
    return j.subtask()


def wait_stage(j, stage, code=None):
    def look():
        try:
            s = subtask(j)
        except (AssertionError, LookupError):  # started just now, or its master is: no run folder yet, no agent that tells of a task
            if j.ended():
                raise
            return False
        codes = [e["ErrCode"] for e in (s["result"] or {}).get("errors", ())]  # none, where it was paused by word
        return s["stage"] == stage and (code is None or codes[:1] == [code])
    procs.wait_for(look, 120, lambda: f"not {stage}\n{subtask(j)}\n{j.story()}", 0.3)


def pauses(j, task="run"):
    """How often it was paused until now. The status may be that of before for a moment, when it was told to go on."""
    return len([line for line in j.log().splitlines() if "-> Paused on " in line and f"task={task} " in line])


def wait_paused_anew(j, before, task="run"):
    procs.wait_for(lambda: pauses(j, task) > before and j.subtask(task)["stage"] == "Paused", 120, j.story, 0.3)


def following(pair, job):
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "INSERT INTO app.t VALUES (1,1)")
    j = job(pair, tables="app.*")
    j.start("--stay", until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    return j


def on_terminal(j, *words):
    """What a person sees."""
    master, slave = os.openpty()
    subprocess.run([str(j.bin / "tidegate"), *words, "--state", j.state], stdout=slave, stdin=subprocess.DEVNULL, timeout=60, check=True, env=dict(os.environ, TERM="xterm"))
    os.close(slave)
    text = b""
    try:
        while part := os.read(master, 1 << 16):
            text += part
    except OSError:  # the end, on Linux
        pass
    os.close(master)
    return text.decode()
