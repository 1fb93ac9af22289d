"""Runs `tidegate run` for a test: start, wait, look at its processes, end what it left. One object a job; the same job can be
started again and again with the same state folder."""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import procs
from failpoints import Failpoints

ACCIDENT = re.compile(r"Sanitizer: |runtime error: |Assertion .* failed|ended=\"signal (4|5|6|7|8|11|31)\"")
REPORT_LINES = 80  # of a sanitizer's report
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Job:
    def __init__(self, bin_dir, folder, source_url, target_url, tables=None, state=None, failpoints=True, env=None):
        self.bin, self.folder = Path(bin_dir), Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.source_url, self.target_url, self.tables = source_url, target_url, tables
        self.state = str(state or self.folder / "state")
        self.failpoints = Failpoints(self.folder / "failpoints") if failpoints else None
        self.env = env or {}
        self.process, self.starts, self.seen = None, 0, {}
        self.before = {p.key for p in procs.of_build(self.bin)}

    def command(self, *more, until="synced"):
        args = [str(self.bin / "tidegate"), "run"]
        args += ["--from", self.source_url] if self.source_url else []
        args += ["--to", self.target_url] if self.target_url else []
        args += ["--tables", self.tables] if self.tables else []
        args += ["--state", self.state, "--json"]
        args += ["--until", until] if until else []
        args += ["--failpoints", str(self.failpoints.path)] if self.failpoints else []
        return args + os.environ.get("TIDEGATE_TEST_ARGS", "").split() + [str(m) for m in more]

    def start(self, *more, until="synced"):
        self.starts += 1
        self.out = self.folder / f"out.{self.starts}"
        self.err = self.folder / f"err.{self.starts}"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(self.command(*more, until=until), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            env=dict(os.environ, **self.env), start_new_session=True)
        return self

    def wait(self, timeout=180):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"tidegate run did not end within {timeout} s\n{self.story()}") from None

    def run(self, *more, until="synced", timeout=180, expect=DONE):
        """Starts, waits, checks the exit code; leaves nothing alive. Returns stderr."""
        self.start(*more, until=until)
        code = self.wait(timeout)
        assert code == expect, f"exit code {code}, expected {expect}\n{self.story()}"
        self.assert_gone()
        return self.stderr()

    def stderr(self):
        return self.err.read_text(errors="replace") if self.starts else ""

    def lines(self):
        """What --json printed, line by line."""
        found = []
        for line in self.out.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
        return found

    def log(self):
        path = Path(self.state) / "log" / "tidegate.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def story(self):
        """For a failure's message: what it said, the end of the log, who is alive."""
        out = self.out.read_text(errors="replace")[-1500:] if self.starts else ""
        return f"--- stdout\n{out}\n--- stderr\n{self.stderr()[-2500:]}\n--- log\n{self.log()[-6000:]}\n--- alive\n{self.alive()}"

    @property
    def run_dir(self):
        """Where its sockets and locks are: named after the state folder, somewhere with a short path."""
        name = hashlib.sha256(os.path.realpath(self.state).encode()).hexdigest()[:16]
        uid, runtime = os.geteuid(), os.environ.get("XDG_RUNTIME_DIR")
        return Path(f"/run/tidegate-{name}" if uid == 0 else f"{runtime}/tidegate-{name}" if runtime else f"/tmp/tidegate-{uid}-{name}")

    def accidents(self):
        """What must never be in a log: a sanitizer's report (with all that it says), a failed assertion, a process that the box or a
        fault has ended. The kills of a test are signal 9, and are none."""
        found, more = [], 0
        for line in (self.log() + "".join(f.read_text(errors="replace") for f in self.folder.glob("err.*"))).splitlines():
            more = REPORT_LINES if "Sanitizer: " in line and "SUMMARY" not in line else more - 1
            if more > 0 or ACCIDENT.search(line):
                found.append(line[:300])
            more = 0 if "SUMMARY" in line else more
        return found

    def ask(self, *words, expect=DONE):
        """One command of the control program; its JSON, or stderr where it is to fail."""
        done = subprocess.run([str(self.bin / "tidegate"), *words, "--state", self.state], capture_output=True, text=True, timeout=100)
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.story()}"
        return json.loads(done.stdout) if expect == DONE else done.stderr

    def subtask(self, task="run"):
        return self.ask("query-status", task)["sources"][0]["subTaskStatus"][0]

    # --- its processes

    def alive(self):
        return [p for p in procs.of_build(self.bin) if p.key not in self.before]

    def units(self, unit=None):
        """Living processes but ctl; those of one unit."""
        found = [p for p in self.alive() if not self.process or p.pid != self.process.pid]
        return [p for p in found if unit is None or p.unit == unit]

    def wait_unit(self, unit, timeout=60, other_than=()):
        skip = {p.key for p in other_than}
        return procs.wait_for(lambda: [p for p in self.units(unit) if p.key not in skip], timeout, f"no {unit} process\n{self.story()}")[0]

    def peaks(self, *units):
        """The most MiB that each of them had in memory, until the job ends."""
        most = {}
        while not self.ended():
            for p in (p for u in units for p in self.units(u)):
                most[p.unit] = max(most.get(p.unit, 0), int(p.status().get("VmHWM", "0 kB").split()[0]) // 1024)
            time.sleep(0.05)
        return most

    def ended(self):
        return self.process.poll() is not None

    def assert_gone(self, timeout=60):
        procs.wait_gone(self.units(), timeout)

    def interrupt(self, timeout=60):
        self.process.send_signal(signal.SIGINT)
        return self.wait(timeout)

    def wait_log(self, text, timeout=120):
        procs.wait_for(lambda: text in self.log() or self.ended(), timeout, lambda: f"no {text!r} in the log\n{self.story()}")
        assert text in self.log(), f"it ended without {text!r} in the log\n{self.story()}"

    def wait_status(self, check, timeout=120):
        """Until a line of --json satisfies check."""
        def look():
            return any(check(x) for x in self.lines()) or self.ended()
        procs.wait_for(look, timeout, lambda: f"the status did not come\n{self.story()}", 0.2)

    def close(self):
        """Whatever is left of it, by pid."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        end = time.monotonic() + 5
        while self.alive() and time.monotonic() < end:
            time.sleep(0.1)
        for p in self.alive():
            p.kill()
        shutil.rmtree(self.run_dir, ignore_errors=True)  # what a killed supervisor could not remove
