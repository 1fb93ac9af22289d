"""A real supervisor with the tests' agent (tests/tools/fake_agent.c) in the agent's place, so that a test can ask for processes and
see what they report."""
import json
import os
import shutil
import subprocess
from pathlib import Path

import procs

PROBE = 8  # include/unit.def


class Host:
    def __init__(self, bin_dir, folder):
        self.bin, self.folder = Path(bin_dir), Path(folder)
        self.libexec, self.state, self.run = self.folder / "libexec", self.folder / "state", self.folder / "run"
        for d in (self.libexec, self.state, self.run):
            d.mkdir()
        os.chmod(self.state, 0o700)
        for program in self.bin.iterdir():
            if program.name.startswith("tidegate") and program.is_file():
                shutil.copy2(self.bin / "fake-agent" if program.name == "tidegate-agent" else program, self.libexec / program.name)
        if not (self.libexec / "tidegate-agent").exists():
            shutil.copy2(self.bin / "fake-agent", self.libexec / "tidegate-agent")
        self.log, self.requests, self.process, self.seen = self.folder / "log", 0, None, 0

    def start(self):
        self.alive_r, self.alive_w = os.pipe()
        os.set_inheritable(self.alive_r, True)
        self.seen = len(self.events())
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(self.bin / "tidegated"), "--state", str(self.state), "--run", str(self.run), "--libexec", str(self.libexec), "--name", "test",
                 "--alive-fd", str(self.alive_r), "--log-level", "debug"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[self.alive_r], start_new_session=True)
        os.close(self.alive_r)
        self.agent = self.wait("agent")
        return self

    @property
    def agent_dir(self):
        return self.state / "agent"

    def events(self):
        path = self.agent_dir / "events"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(x) for x in lines if x.endswith("}")]

    def new_events(self, what=None):
        return [e for e in self.events()[self.seen:] if what in (None, e["event"])]

    def wait(self, what, check=lambda e: True, timeout=60):
        """The first event of that kind since start() that satisfies check."""
        return procs.wait_for(lambda: next((e for e in self.new_events(what) if check(e)), None), timeout, f"no event {what}\n{self.story()}")

    def tell(self, **command):
        with open(self.agent_dir / "commands", "a") as f:
            f.write(json.dumps(command) + "\n")

    def ask(self, slot=1, sub=1, kind=PROBE, options=None, slice=None, **more):
        """Asks for a process; returns the request's number."""
        self.requests += 1
        content = {"unit": "probe", "source": "src", "task": "t", "slot": slot, "sub": sub, "epoch": 1, "agent": "test", "log_level": "debug",
                   "options": options or {}}
        content.update(slice or {})
        self.tell(do="start", request=self.requests, kind=kind, slot=slot, sub=sub, title=f"t{sub}@src{slot}", slice=content, **more)
        return self.requests

    def answer(self, request, timeout=60):
        return procs.wait_for(lambda: next((e for e in self.new_events() if e["event"] in ("started", "refused") and e["request"] == request), None), timeout,
                              f"no answer to request {request}\n{self.story()}")

    def probe(self, **kw):
        """Starts one and waits for its hello: its Proc."""
        a = self.answer(self.ask(**kw))
        assert a["event"] == "started", a
        self.wait("hello", lambda e: e["pid"] == a["pid"])
        return procs.Proc(a["pid"])

    def status(self, proc, check=lambda s: True, timeout=60):
        return self.wait("status", lambda e: e["peer_pid"] == proc.pid and check(e["status"]), timeout)["status"]

    def exited(self, pid, timeout=60):
        return self.wait("exited", lambda e: e["pid"] == pid, timeout)

    def processes(self):
        """Supervisor and all below it."""
        return [procs.Proc(self.process.pid)] + procs.tree(self.process.pid)

    def units(self):
        return [p for p in procs.tree(self.process.pid) if p.unit == "probe"]

    def story(self):
        return self.log.read_text(errors="replace")[-4000:] + "\n" + "\n".join(map(str, self.new_events()[-15:]))

    def stop(self, timeout=40):
        everyone = self.processes()
        self.process.terminate()
        code = self.process.wait(timeout)
        procs.wait_gone(everyone, 20)
        os.close(self.alive_w)
        return code

    def close(self):
        if self.process and self.process.poll() is None:
            everyone = self.processes()
            self.process.kill()
            self.process.wait()
            for p in everyone:
                p.kill()
