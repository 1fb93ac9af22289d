"""Looks at processes through /proc, and ends those that a test started: always by pid, never by a pattern of names."""
import os
import signal
import time
from pathlib import Path

import pymysql

NOT_THERE = (1049, 1054, 1146)  # a database, a column, a table


def read(pid, what):
    try:
        return Path(f"/proc/{pid}/{what}").read_text(errors="replace")
    except OSError:
        return ""


class Proc:
    def __init__(self, pid):
        self.pid = pid
        tail = read(pid, "stat").rpartition(")")[2].split()
        self.ppid = int(tail[1]) if tail else 0
        self.state = tail[0] if tail else ""
        self.start = int(tail[19]) if tail else 0
        self.comm = read(pid, "comm").strip()
        self.title = read(pid, "cmdline").replace("\0", " ").strip()
        self.exe, self.hidden = "", False
        try:
            self.exe = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        except PermissionError:
            self.hidden = True
        except OSError:
            pass  # it is gone, or going: then it has none any more

    def __repr__(self):
        return f"{self.pid}[{self.title or self.comm}]"

    @property
    def key(self):
        return self.pid, self.start

    def status(self):
        return dict(line.split(":\t", 1) for line in read(self.pid, "status").splitlines() if ":\t" in line)

    def uids(self):
        return [int(x) for x in self.status().get("Uid", "-1").split()]

    def threads(self):
        return int(self.status().get("Threads", "0"))

    def alive(self):
        return Proc(self.pid).start == self.start and Proc(self.pid).state not in ("", "Z", "X")

    def kill(self, sig=signal.SIGKILL):
        if self.alive():
            try:
                os.kill(self.pid, sig)
            except ProcessLookupError:
                pass  # it ended after the look

    @property
    def unit(self):
        """'sync' of 'tidegate-sync: orders@mysql-01'; 'tidegated' and 'tidegate' as they are."""
        word = self.title.split(":")[0].split(" ")[0].rsplit("/", 1)[-1] or self.comm
        return word.removeprefix("tidegate-")


def all_procs():
    return [Proc(int(p)) for p in os.listdir("/proc") if p.isdigit()]


def tree(root, everyone=None):
    """The living processes below pid root (without it); out of everyone, who looks for several."""
    children = {}
    for p in all_procs() if everyone is None else everyone:
        if p.state not in ("", "Z", "X"):
            children.setdefault(p.ppid, []).append(p)
    found, todo = [], [root]
    while todo:
        for p in children.get(todo.pop(), []):
            found.append(p)
            todo.append(p.pid)
    return found


def of_build(bin_dir):
    """Living processes whose executable is in this build's bin folder (any process name of ours where /proc hides it, as it does from an ordinary user). One that
    is ending at this moment has no executable any more, and may be another lane's."""
    found = []
    for p in all_procs():
        if p.state in ("", "Z", "X"):
            continue
        if p.exe.startswith(str(bin_dir) + "/") or (p.hidden and p.comm.startswith("tidegate")):
            found.append(p)
    return found


def wait_for(what, timeout, message="it did not happen", pause=0.05):
    """Calls what() until it is true; returns its value. What it asks a server for may come later, or be replaced just now. message may be a function that makes it at the end."""
    end = time.monotonic() + timeout
    while True:
        try:
            value = what()
        except pymysql.MySQLError as e:
            if e.args[0] not in NOT_THERE or time.monotonic() > end:
                raise
            value = None
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{message() if callable(message) else message} within {timeout} s")
        time.sleep(pause)


def wait_gone(processes, timeout):
    left = []

    def gone():
        left[:] = [p for p in processes if p.alive()]
        return not left

    try:
        wait_for(gone, timeout)
    except AssertionError:
        raise AssertionError(f"still there after {timeout} s: {left}") from None


def pss_kb(pid):
    for line in read(pid, "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
