"""A real etcd for the tests: Debian's program, fetched by tests/servers.sh, its data in a folder of the test's own."""
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import procs
import servers


class Etcd:
    """One cluster of n members on loopback."""

    def __init__(self, folder, n=1):
        self.folder, self.n = Path(folder), n
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(servers.SCRIPT), "get", "etcd"], check=True, capture_output=True, timeout=600)
        self.program = subprocess.run([str(servers.SCRIPT), "program", "etcd", "etcd"], check=True, capture_output=True, text=True).stdout.strip()
        self.ports, self.peers, self.running = [], [], [None] * n
        for _ in range(n):
            self.ports.append(self._port())
            self.peers.append(self._port())
        for i in range(n):
            self.start(i)
        for i in range(n):
            self.wait(i)

    def _port(self):
        taken = set(self.ports) | set(self.peers)
        ports = [p for p in servers.port_range() if p not in taken]
        return next(p for p in reversed(ports) if self._free(p))

    @staticmethod
    def _free(port):
        import socket

        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return True
            except OSError:
                return False

    def start(self, i):
        cluster = ",".join(f"m{k}=http://127.0.0.1:{p}" for k, p in enumerate(self.peers))
        with open(self.folder / f"m{i}.log", "ab") as log:
            self.running[i] = subprocess.Popen(
                [self.program, f"--name=m{i}", f"--data-dir={self.folder}/m{i}", f"--listen-client-urls=http://127.0.0.1:{self.ports[i]}",
                 f"--advertise-client-urls=http://127.0.0.1:{self.ports[i]}", f"--listen-peer-urls=http://127.0.0.1:{self.peers[i]}",
                 f"--initial-advertise-peer-urls=http://127.0.0.1:{self.peers[i]}", f"--initial-cluster={cluster}", "--unsafe-no-fsync"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait(self, i, timeout=30):
        def answers():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[i]}/health", timeout=2) as r:
                    return json.load(r).get("health") == "true"
            except (OSError, urllib.error.URLError, ValueError):
                return False
        procs.wait_for(answers, timeout, f"etcd m{i} does not answer\n{(self.folder / f'm{i}.log').read_text(errors='replace')[-2000:]}")

    def signal(self, i, sig):
        os.kill(self.running[i].pid, sig)

    def kill(self, i):
        self.signal(i, signal.SIGKILL)
        self.running[i].wait()
        self.running[i] = None

    def again(self, i):
        self.start(i)
        self.wait(i)

    def url(self, prefix="/tidegate", options="lease=3"):
        return "etcd://" + ",".join(f"127.0.0.1:{p}" for p in self.ports) + prefix + (f"?{options}" if options else "")

    def close(self):
        for i in range(self.n):
            if self.running[i]:
                self.signal(i, signal.SIGCONT)
                self.kill(i)
