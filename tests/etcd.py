"""A real etcd for the tests: Debian's program, fetched by tests/servers.sh, its data in a folder of the test's own."""
import base64
import json
import os
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import procs
import servers


class Etcd:
    """One cluster of n members on loopback. tls: certificates of a CA of its own are wanted, also of clients."""

    def __init__(self, folder, n=1, tls=False):
        self.folder, self.n, self.tls = Path(folder), n, tls
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(servers.SCRIPT), "get", "etcd"], check=True, capture_output=True, timeout=600)
        self.program = subprocess.run([str(servers.SCRIPT), "program", "etcd", "etcd"], check=True, capture_output=True, text=True).stdout.strip()
        self.ports, self.peers, self.running = [], [], [None] * n
        for _ in range(n):
            self.ports.append(self._port())
            self.peers.append(self._port())
        if tls:
            self._certificates()
        for i in range(n):
            self.start(i)
        for i in range(n):
            self.wait(i)

    def _certificates(self):
        new = "-batch -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        (self.folder / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        steps = [f"openssl req -x509 {new} -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem"]
        for name in ("server", "client"):  # without a common name: etcd's gateway refuses those with one where users log in
            steps += [f"openssl req {new} -subj /O={name} -keyout {name}.key -out {name}.csr",
                      f"openssl x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out {name}.pem"]
        for step in steps:
            subprocess.run(step.split(), cwd=self.folder, check=True, capture_output=True)
        for f in self.folder.iterdir():  # the master reads them as a user of its own
            f.chmod(0o644)

    @property
    def scheme(self):
        return "https" if self.tls else "http"

    def _context(self):
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.load_cert_chain(self.folder / "client.pem", self.folder / "client.key")
        return context

    def post(self, path, body, token=None):
        """A request of an operator; {} for what has no answer."""
        request = urllib.request.Request(f"{self.scheme}://localhost:{self.ports[0]}{path}", json.dumps(body).encode(),
                                         {"Authorization": token} if token else {})
        with urllib.request.urlopen(request, timeout=60, context=self._context()) as r:
            return json.load(r)

    def wants_login(self, user, password, prefix):
        """From now on: this user, who may read and write below the prefix, and root."""
        def key(text):
            return base64.b64encode(text.encode()).decode()
        for name in ("root", "keys"):
            self.post("/v3/auth/role/add", {"name": name})
        self.post("/v3/auth/role/grant", {"name": "keys", "perm": {"permType": "READWRITE", "key": key(prefix + "/"), "range_end": key(prefix + "0")}})
        for name, role, word in (("root", "root", "root"), (user, "keys", password)):
            self.post("/v3/auth/user/add", {"name": name, "password": word})
            self.post("/v3/auth/user/grant", {"user": name, "role": role})
        self.post("/v3/auth/enable", {})

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
                [self.program, f"--name=m{i}", f"--data-dir={self.folder}/m{i}", f"--listen-client-urls={self.scheme}://127.0.0.1:{self.ports[i]}",
                 f"--advertise-client-urls={self.scheme}://127.0.0.1:{self.ports[i]}", f"--listen-peer-urls=http://127.0.0.1:{self.peers[i]}",
                 f"--initial-advertise-peer-urls=http://127.0.0.1:{self.peers[i]}", f"--initial-cluster={cluster}", "--unsafe-no-fsync",
                 *([f"--cert-file={self.folder}/server.pem", f"--key-file={self.folder}/server.key", f"--trusted-ca-file={self.folder}/ca.pem",
                    "--client-cert-auth"] if self.tls else [])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait(self, i, timeout=60):
        def answers():
            try:
                with urllib.request.urlopen(f"{self.scheme}://127.0.0.1:{self.ports[i]}/health", timeout=5, context=self._context()) as r:
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
