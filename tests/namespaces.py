"""A network of hosts on one machine: a namespace for each, one with a bridge for the switch between them, and a veth into the machine's own network, where the
database servers are. Addresses are only on what is made here; everything goes with close()."""
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import procs
import servers

NOWHERE = "02:00:00:00:00:99"  # nobody's MAC address


def ip(*words, check=True):
    return subprocess.run(["ip", *map(str, words)], check=check, capture_output=True, text=True)


def free_net():
    """Of a network that nobody else's test has here."""
    taken = ip("-4", "-o", "addr").stdout
    return next(net for net in (f"10.231.{(os.getpid() + k) % 250}" for k in range(250)) if f" {net}." not in taken)


class Network:
    """n hosts, numbered from 0."""

    def __init__(self, n):
        self.n, self.tag = n, f"tg{os.getpid() % 100000}"
        self.net = free_net()
        self.switch, self.outer = f"{self.tag}sw", f"{self.tag}r"
        self.outer_address = f"{self.net}.1"
        self.hosts = [f"{self.tag}h{i}" for i in range(n)]
        self.addresses = [f"{self.net}.{11 + i}" for i in range(n)]
        try:
            self._make()
        except subprocess.CalledProcessError as e:
            self.close()
            raise AssertionError(f"{e.cmd}: {e.stderr}") from None

    def _make(self):
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self.switch, "link", "set", "br0", "up")
        ip("link", "add", self.outer, "type", "veth", "peer", "name", "outer", "netns", self.switch)
        ip("-n", self.switch, "link", "set", "outer", "master", "br0", "up")
        ip("addr", "add", f"{self.outer_address}/24", "dev", self.outer)
        ip("link", "set", self.outer, "up")
        for i, name in enumerate(self.hosts):
            ip("netns", "add", name)
            ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", f"p{i}", "netns", self.switch)
            ip("-n", self.switch, "link", "set", f"p{i}", "master", "br0", "up")
            ip("-n", name, "addr", "add", f"{self.addresses[i]}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")

    def prefix(self, i):
        return ["ip", "netns", "exec", self.hosts[i]]

    def cut(self, i):
        """Nothing goes in or out."""
        ip("-n", self.switch, "link", "set", f"p{i}", "down")

    def cut_out(self, i):
        """What the host sends is lost; what others send arrives."""
        for address in (self.outer_address, *self.addresses):
            if address != self.addresses[i]:
                ip("-n", self.hosts[i], "neigh", "replace", address, "lladdr", NOWHERE, "dev", "eth0", "nud", "permanent")

    def cut_in(self, i):
        """What is sent to the host is lost; what it sends arrives."""
        ip("neigh", "replace", self.addresses[i], "lladdr", NOWHERE, "dev", self.outer, "nud", "permanent")
        for k, name in enumerate(self.hosts):
            if k != i:
                ip("-n", name, "neigh", "replace", self.addresses[i], "lladdr", NOWHERE, "dev", "eth0", "nud", "permanent")

    def heal(self, i):
        ip("-n", self.switch, "link", "set", f"p{i}", "up")
        for address in (self.outer_address, *self.addresses):
            ip("-n", self.hosts[i], "neigh", "del", address, "dev", "eth0", check=False)
        ip("neigh", "del", self.addresses[i], "dev", self.outer, check=False)
        for k, name in enumerate(self.hosts):
            if k != i:
                ip("-n", name, "neigh", "del", self.addresses[i], "dev", "eth0", check=False)

    def close(self):
        ip("link", "del", self.outer, check=False)
        for name in (*self.hosts, self.switch):
            ip("netns", "del", name, check=False)


class Etcd:
    """One member in each host of the network."""

    def __init__(self, folder, network):
        self.folder, self.network, self.running = Path(folder), network, [None] * network.n
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(servers.SCRIPT), "get", "etcd"], check=True, capture_output=True, timeout=600)
        self.program = subprocess.run([str(servers.SCRIPT), "program", "etcd", "etcd"], check=True, capture_output=True, text=True).stdout.strip()
        for i in range(network.n):
            self.start(i)
        for i in range(network.n):
            self.wait(i)

    def start(self, i):
        client, peer = (f"http://{self.network.addresses[i]}:{p}" for p in (2379, 2380))
        cluster = ",".join(f"m{k}=http://{a}:2380" for k, a in enumerate(self.network.addresses))
        with open(self.folder / f"m{i}.log", "ab") as log:
            self.running[i] = subprocess.Popen(
                [*self.network.prefix(i), self.program, f"--name=m{i}", f"--data-dir={self.folder}/m{i}", f"--listen-client-urls={client}",
                 f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster={cluster}",
                 "--heartbeat-interval=200", "--election-timeout=2000", "--unsafe-no-fsync"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def healthy(self, i):
        try:
            with urllib.request.urlopen(f"http://{self.network.addresses[i]}:2379/health", timeout=5) as r:
                return json.load(r).get("health") == "true"
        except (OSError, urllib.error.URLError, ValueError):
            return False

    def wait(self, i, timeout=60):
        procs.wait_for(lambda: self.healthy(i), timeout, f"etcd m{i} does not answer\n{(self.folder / f'm{i}.log').read_text(errors='replace')[-2000:]}", 0.2)

    def kill(self, i):
        if self.running[i]:
            os.kill(self.running[i].pid, signal.SIGKILL)
            self.running[i].wait()
            self.running[i] = None

    def url(self, prefix="/tidegate", options="lease=5"):
        return "etcd://" + ",".join(f"{a}:2379" for a in self.network.addresses) + prefix + f"?{options}"

    def close(self):
        for i in range(len(self.running)):
            self.kill(i)
