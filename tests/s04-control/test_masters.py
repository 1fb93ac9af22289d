"""Two masters on an etcd that reach each other by TLS, and by plain TCP: the one that follows passes commands on."""
import sys
from pathlib import Path

import pytest

import etcd as etcd_module
import procs

sys.path.insert(0, str(Path(__file__).parent))
from test_control import Certificates, free_port, hosts, options  # noqa: E402, F401


@pytest.mark.parametrize("how", ["tls", "tcp"])
def test_passed_on(hosts, how):  # noqa: F811
    etcd, made = etcd_module.Etcd(hosts.path / "etcd"), []
    try:
        certs = Certificates(hosts.path / "certs")
        scheme = "tls+tcp://localhost" if how == "tls" else "tcp://127.0.0.1"
        urls = [f"{scheme}:{free_port()}" for _ in range(2)]
        for name, url in zip("ab", urls):
            master = {"listen": url, **(certs.make(f"m{name}", f"master-{name}", "tidegate-master") if how == "tls" else {})}
            h = hosts(name, masters=urls, master=master, agent=certs.make(name, name) if how == "tls" else {})
            h.options = ["--store", etcd.url()]
            made.append(h.start())
        a, b = made
        procs.wait_for(lambda: set(a.agents()) == set(b.agents()) == {"a", "b"}, 60, lambda: f"not both agents\n{a.story()}\n{b.story()}")
        # Whoever began may have lost its lease to the other one while that started.
        leads = next(h for h in made if h.name == procs.wait_for(lambda: a.leader() == b.leader() and a.leader(), 60, lambda: a.story() + b.story()))
        follows = b if leads is a else a
        operator = options(certs.make("op", "alice", "tidegate-operator")) if how == "tls" else []
        assert set(follows.agents(to=urls[made.index(follows)], more=operator)) == {"a", "b"}
        # One whose certificate is an agent's is not passed on by anybody.
        if how == "tls":
            assert "60621" in follows.ask("list-member", to=urls[made.index(follows)], more=options(certs.make("x", "x")), expect=1)
        # The leader goes: agents find the other one, by TLS too.
        leads.close()
        procs.wait_for(lambda: follows.agents().get(follows.name) == "free", 60, f"{follows.story()}")
    finally:
        for h in made:
            h.close()
        etcd.close()
