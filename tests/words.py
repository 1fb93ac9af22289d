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
        except AssertionError as e:
            if "error 48001" in str(e):  # it was started just now: its run folder is not there yet
                return False
            raise
        codes = [e["ErrCode"] for e in (s["result"] or {}).get("errors", ())]  # none, where it was paused by word
        return s["stage"] == stage and (code is None or codes[:1] == [code])
    procs.wait_for(look, 60, lambda: f"not {stage}\n{subtask(j)}\n{j.story()}", 0.3)


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
