"""Whole hosts for the tests: a supervisor with an agent and, as a rule, a master, each with folders of its own."""
import json
import shutil
import signal
import subprocess
from pathlib import Path

import procs
from failpoints import Failpoints


class Host:
    """One supervisor with an agent and, as a rule, a master."""

    def __init__(self, bin_dir, folder, name, store=None, masters=None, key=None, config=None, prefix=(), options=()):
        """config: {daemon: {key: value}}, its files; prefix: words before the command, as of a network namespace."""
        self.prefix, self.options, self.config = [*prefix], [*options], None
        self.bin, self.folder, self.name, self.store, self.masters = Path(bin_dir), Path(folder), name, store, masters
        self.state, self.run, self.log = self.folder / f"{name}.s", self.folder / f"{name}.r", self.folder / f"{name}.log"
        self.state.mkdir(mode=0o700)
        self.run.mkdir()
        self.process, self.failpoints = None, Failpoints(self.folder / f"{name}.f")
        if key:
            shutil.copy2(key, self.state / "key")
        if config:
            self.config = self.folder / f"{name}.c"
            self.config.mkdir(mode=0o755)
            for daemon, keys in config.items():
                (self.config / f"tidegate-{daemon}.conf").write_text("".join(f"{k} = {v}\n" for k, v in keys.items()))

    @property
    def socket(self):
        return str(self.run / "master.sock")

    def start(self, master=True):
        args = [*self.prefix, str(self.bin / "tidegated"), "--state", str(self.state), "--run", str(self.run), "--name", self.name]
        args += ["--with-master"] if master else []
        args += ["--store", self.store] if self.store and master else []
        args += ["--masters", ",".join(self.masters)] if self.masters else []
        args += ["--config", str(self.config)] if self.config else []
        args += self.options
        args += ["--failpoints", str(self.failpoints.path)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

    def below(self, unit):
        return [p for p in procs.tree(self.process.pid) if p.unit == unit]

    def ask(self, *words, expect=0, to=None, more=()):
        """to: another master's address; more: options of that way."""
        done = subprocess.run([*self.prefix, str(self.bin / "tidegate"), *map(str, words), "--master", to or str(self.run), "--state", str(self.state), "--json", *map(str, more)],
                              capture_output=True, text=True, timeout=100)
        if expect is not None:
            assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.story()}"
        return json.loads(done.stdout) if done.returncode == 0 else done.stdout + done.stderr

    def leader(self):
        """The name of the one that leads, as this host's master says; "" where it can't say."""
        answer = self.ask("list-member", expect=None)
        return answer["members"][0]["leader"]["name"] if isinstance(answer, dict) else ""

    def wait_leader(self, names, timeout=60):
        try:
            return procs.wait_for(lambda: self.leader() in names and self.leader(), timeout, f"no leader of {names}", 0.05)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.story()}") from None  # what it said until now

    def agents(self, **kw):
        answer = self.ask("list-member", expect=None, **kw)
        return {w["name"]: w["stage"] for w in answer["members"][2]["worker"]["workers"]} if isinstance(answer, dict) else {}

    def story(self):
        return f"--- {self.name}\n" + self.log.read_text(errors="replace")[-5000:]

    def stop(self, timeout=60):
        self.process.terminate()
        code = self.process.wait(timeout)
        self.process = None
        return code

    def everyone(self):
        return [procs.Proc(self.process.pid)] + procs.tree(self.process.pid)

    def freeze(self):
        """All of the host stands still; the supervisor first, so that it starts nothing."""
        for p in self.everyone():
            p.kill(signal.SIGSTOP)

    def thaw(self):
        for p in reversed(self.everyone()):
            p.kill(signal.SIGCONT)

    def kill(self):
        """As if its power was cut."""
        self.freeze()
        self.close()

    def close(self):
        if not self.process:
            return
        everyone = self.everyone()
        for p in everyone:
            p.kill(signal.SIGCONT)
            p.kill()
        self.process.wait()
        self.process = None
