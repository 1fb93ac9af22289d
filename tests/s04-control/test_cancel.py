"""A call that nobody waits for any more ends: its unit goes, at once where the asker is known to be gone, else after a minute."""
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import etcd as etcd_module
import procs
from servers import PASSWORD, USER

sys.path.insert(0, str(Path(__file__).parent))
from test_control import Certificates, asks, free_port, hosts, options  # noqa: E402, F401


class Mute:
    """A server that takes connections and says nothing."""

    def __init__(self):
        self.listening, self.taken = socket.create_server(("127.0.0.1", 0)), []
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.taken.append(self.listening.accept()[0])
            except OSError:
                return

    def close(self):
        self.listening.close()
        for s in self.taken:
            s.close()


@pytest.fixture
def mute():
    m = Mute()
    yield m
    m.close()


def files(folder, port):
    where = f"host: 127.0.0.1, port: {port}, user: {USER}, password: '{PASSWORD}'"
    source, task = folder / "source.yaml", folder / "task.yaml"
    source.write_text(f"source-id: s1\nfrom: {{{where}}}\n")
    task.write_text(f"name: t\ntask-mode: all\ntarget-database: {{{where}}}\nmysql-instances: [{{source-id: s1}}]\n")
    return source, task


def begin(host, at, *words, more=()):
    """A command that takes long, once its unit is there."""
    asker = subprocess.Popen([str(host.bin / "tidegate"), *map(str, words), "--master", str(at), "--state", str(host.state), *more],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    procs.wait_for(lambda: host.below("check"), 60, host.story)
    return asker


def gone_after(host, ended):
    """Long before its minute is over."""
    procs.wait_for(lambda: not host.below("check"), 40, lambda: f"the check goes on\n{host.story()}", 0.05)
    return time.monotonic() - ended


@pytest.mark.parametrize("word,sig", [("check-task", signal.SIGINT), ("start-task", signal.SIGINT), ("check-task", signal.SIGKILL)])
def test_interrupted(hosts, mute, word, sig):  # noqa: F811
    """Ctrl-C, or the end of the asker in any other way: the check's unit leaves within seconds, the host takes the next one; no task was made."""
    a = hosts("a", master={}).start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    source, task = files(hosts.path, mute.port)
    a.ask("operate-source", "create", source)
    asker = begin(a, a.run, word, task)
    asker.send_signal(sig)
    asker.wait(60)
    took = gone_after(a, time.monotonic())
    print(f"{word}: the check is gone {took:.1f} s after its asker")
    a.said("the check of source s1 ends: nobody waits for it any more")
    assert a.ask("query-status")["tasks"] == []
    assert not a.ask("list-member")["members"][2]["worker"]["workers"][0].get("error")


@pytest.mark.parametrize("how", ["tcp", "tls"])
def test_through_a_follower(hosts, mute, how):  # noqa: F811
    """The asker speaks to a master that follows, by TCP or TLS: the leader hears that it has gone."""
    etcd, made = etcd_module.Etcd(hosts.path / "etcd"), []
    try:
        certs = Certificates(hosts.path / "certs")
        urls = [f"{'tls+tcp://localhost' if how == 'tls' else 'tcp://127.0.0.1'}:{free_port()}" for _ in range(2)]
        for name, url in zip("ab", urls):
            h = hosts(name, masters=urls, master={"listen": url, **(certs.make(f"m{name}", f"master-{name}", "tidegate-master") if how == "tls" else {})},
                      agent=certs.make(name, name) if how == "tls" else {})
            h.options = ["--store", etcd.url()]
            (h.state / "key").write_bytes(b"k" * 32)
            (h.state / "key").chmod(0o600)
            made.append(h.start())
            if name == "a":
                h.said("leads cluster", 60)
        a, b = made
        story = lambda: a.story() + b.story()  # noqa: E731
        procs.wait_for(lambda: set(a.agents()) == {"a", "b"}, 60, story)
        source, task = files(hosts.path, mute.port)
        a.ask("operate-source", "create", source)
        owner = procs.wait_for(lambda: next((h for h in made if a.agents().get(h.name) == "bound"), None), 60, story)
        operator = options(certs.make("op", "alice", "tidegate-operator")) if how == "tls" else []
        asker = subprocess.Popen([str(b.bin / "tidegate"), "check-task", str(task), "--master", urls[1], "--state", str(b.state), *operator],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        procs.wait_for(lambda: owner.below("check"), 60, story)
        asker.send_signal(signal.SIGINT)
        asker.wait(60)
        took = gone_after(owner, time.monotonic())
        print(f"{how}: the check is gone {took:.1f} s after its asker at a master that follows")
        a.said("nobody waits for it any more")
    finally:
        for h in made:
            h.close()
        etcd.close()


def test_purge_relay(hosts, make_pair):  # noqa: F811
    """purge-relay is answered by the relay; while that stands still it waits, for as long as its asker does."""
    pair = make_pair("ma1011", "my97")
    a = hosts("a", master={}).start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    source, _ = files(hosts.path, pair.source.port)
    a.ask("operate-source", "create", source)
    a.ask("start-relay", "-s", "s1")

    def files_of():
        status = a.ask("query-status", "-s", "s1")["sources"][0]["tidegate"]["relay"]
        return status.get("files", 0) if status.get("phase") == "pull" else 0
    procs.wait_for(files_of, 60, a.story)
    for _ in range(3):
        pair.source.run("FLUSH BINARY LOGS")
    have = procs.wait_for(lambda: files_of() > 3 and files_of(), 60, a.story, 0.2)
    newest = a.ask("query-status", "-s", "s1")["sources"][0]["sourceStatus"]["relayStatus"]["relayBinlog"]
    relay = a.below("relay")[0]
    relay.kill(signal.SIGSTOP)
    asker = subprocess.Popen([str(a.bin / "tidegate"), "purge-relay", "-s", "s1", "-f", newest.strip("()").split(",")[0], "--master", str(a.run)],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    procs.wait_for(lambda: asks(asker) or asker.poll() is not None, 60, a.story)
    time.sleep(2)
    assert asker.poll() is None, asker.communicate()
    asker.send_signal(signal.SIGINT)
    asker.wait(60)
    a.said("the check of source s1 ends")
    relay.kill(signal.SIGCONT)
    # It may have been heard before that, or not. The next one is answered.
    a.ask("purge-relay", "-s", "s1", "-f", newest.strip("()").split(",")[0])
    procs.wait_for(lambda: files_of() == 1 < have, 60, a.story, 0.2)


def test_run_in_its_check(bin_dir, short_tmp, mute):
    """Ctrl-C while `tidegate run` checks: it leaves at once, with 130."""
    other = Mute()
    source, target = (f"mysql://u:p@127.0.0.1:{m.port}/" for m in (mute, other))
    with open(short_tmp / "log", "wb") as log:
        run = subprocess.Popen([str(bin_dir / "tidegate"), "run", "--from", source, "--to", target, "--tables", "app.*", "--state", str(short_tmp / "state")],
                               stdout=log, stderr=log)
    procs.wait_for(lambda: [p for p in procs.tree(run.pid) + procs.of_build(bin_dir) if p.unit == "check"], 60, lambda: (short_tmp / "log").read_text())
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    code = run.wait(60)
    other.close()
    took = time.monotonic() - began
    print(f"tidegate run has left {took:.1f} s after Ctrl-C")
    assert code == 130 and took < 40, (code, took, (short_tmp / "log").read_text())
