"""Asking for a cutover, and what it says: for the tests of c04."""
import json
import subprocess

from tidegate import DONE


def read_only(server, on=True):
    server.run(f"SET GLOBAL {'super_read_only' if server.flavor == 'mysql' and on else 'read_only'}={int(on)}")


def cutover(j, *more, expect=DONE):
    """The answer; findings by their state."""
    done = subprocess.run([str(j.bin / "tidegate"), "cutover", "run", "--state", j.state, *more], capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, f"{done.returncode}\n{done.stdout}\n{done.stderr}\n{j.story()}"
    answer = json.loads(done.stdout)
    assert answer["result"] == (expect == DONE) and answer["msg"].startswith("go: " if expect == DONE else "no-go: "), done.stdout
    return answer


def said(answer, state):
    return [f"{f['what']}; {f['mend']}" for s in answer["sources"] for f in s["findings"] if f["state"] == state]


def one(answer, state, text):
    found = [w for w in said(answer, state) if text in w]
    assert found, f"{text!r} is not among {said(answer, state)}"
    return found[0]
