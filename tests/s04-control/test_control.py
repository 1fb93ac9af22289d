"""The control socket between hosts: plain TCP where it is allowed, TLS with certificates on both sides."""
import itertools
import json
import os
import signal
import socket
import subprocess
import time

import hosts as whole
import procs
import pytest
import servers
from certificates import Certificates, options


def free_port(given=itertools.count()):
    """Another one with each call, and none that the kernel gives to somebody's connection before it is listened at."""
    ports = servers.port_range()[::-1]
    for _ in ports:
        port = ports[next(given) % len(ports)]
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


class Host(whole.Host):
    """One supervisor with an agent, and a master where it is given settings; with files of both."""

    def __init__(self, bin_dir, folder, name, masters=None, master=None, agent=None):
        super().__init__(bin_dir, folder, name, masters=masters, config={"master": master or {}, "agent": agent or {}})
        self.with_master = master is not None

    def write(self, which, settings):
        (self.config / f"{which}.conf").write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))

    def start(self):
        return super().start(self.with_master)

    def said(self, text, timeout=60):
        procs.wait_for(lambda: text in self.log.read_text(errors="replace"), timeout, lambda: f"not said: {text}\n{self.story()}")


def asks(command):
    """Whether a command that was begun has come as far as to have a connection."""
    try:
        folder = f"/proc/{command.pid}/fd"
        return any(os.readlink(f"{folder}/{n}").startswith("socket:") for n in os.listdir(folder))
    except OSError:
        return False


@pytest.fixture
def hosts(bin_dir, short_tmp):
    os.chmod(short_tmp, 0o755)
    made = []

    def make(name, **kw):
        made.append(Host(bin_dir, short_tmp, name, **kw))
        return made[-1]

    make.path = short_tmp
    yield make
    for h in made:
        h.close()


def test_plain_on_loopback(hosts):
    """tcp:// on loopback, without a word more: agents and the command line come in by it, through the box."""
    url = f"tcp://127.0.0.1:{free_port()}"
    a = hosts("a", master={"listen": url}).start()
    b = hosts("b", masters=[url]).start()
    procs.wait_for(lambda: set(a.agents()) == {"a", "b"}, 60, f"not both agents\n{a.story()}\n{b.story()}")
    assert set(b.agents(to=url)) == {"a", "b"}
    said = {w["name"]: w["addr"] for w in a.ask("list-member")["members"][2]["worker"]["workers"]}
    assert said == {"a": "", "b": "127.0.0.1"}
    leader = a.ask("list-member")["members"][0]["leader"]["addr"]
    assert leader == url and set(b.agents(to=leader)) == {"a", "b"}
    assert a.below("master")[0].status()["Seccomp"] == "2"
    # Its connection goes: the agent makes another one.
    a.below("master")[0].kill()
    procs.wait_for(lambda: a.below("master"), 60, a.story)
    procs.wait_for(lambda: (now := a.agents()).keys() == {"a", "b"} and now["b"] == "free", 60, lambda: f"not both agents\n{a.story()}\n{b.story()}")


@pytest.mark.parametrize("who", ["listen", "masters"])
def test_plain_beyond_loopback(hosts, who):
    """Without `plain-tcp = yes` it is refused, in one line that names the key."""
    url = f"tcp://*:{free_port()}" if who == "listen" else "tcp://192.0.2.1:8261"
    h = hosts("a", master={"listen": url} if who == "listen" else None, masters=[url] if who == "masters" else None).start()
    h.said("plain-tcp = yes")
    line = next(x for x in h.log.read_text().splitlines() if "plain-tcp" in x)
    assert url in line and "without TLS" in line, line
    h.close()
    h.write("tidegate-master", {"listen": url, "plain-tcp": "yes"} if who == "listen" else {})
    h.write("tidegate-agent", {"plain-tcp": "yes"})
    size = len(h.log.read_text())
    h.start()
    if who == "listen":
        h.said("listening at " + url)
        h.said("without TLS: whoever reaches it")
    else:
        procs.wait_for(lambda: h.below("agent") and "ready" in h.log.read_text()[size:], 60, h.story)


@pytest.mark.parametrize("bad", ["tcp://127.0.0.1", "tls+tcp://127.0.0.1:1", "tcp://127.0.0.1:70000", "http://127.0.0.1:80", "/run/master.sock"])
def test_bad_addresses(hosts, bad):
    h = hosts("a", master={"listen": bad}).start()
    h.said("tidegate-master.conf:1:1")
    # As with a mistake in tidegated.conf: the service stays down, and says why.
    procs.wait_for(lambda: h.process.poll() is not None, 40, h.story)
    assert h.process.returncode == 2, h.story()
    h.process = None


def test_a_bad_address_beside_other_masters(hosts):
    """These serve the agent: the mistake costs the host's own master alone, which is tried again."""
    h = hosts("a", master={"listen": "tcp://127.0.0.1"}, masters=[f"tcp://127.0.0.1:{free_port()}"]).start()
    procs.wait_for(lambda: h.log.read_text().count("obituary master") > 1, 40, h.story)
    assert h.process.poll() is None and h.below("agent"), h.story()


def test_every_address(hosts):
    """`*` can be listened at, but is nobody's: refused where it would have to be dialled."""
    url = f"tcp://*:{free_port()}"
    agent = hosts("a", masters=[url], agent={"plain-tcp": "yes"}).start()
    agent.said(f"masters: {url} can be listened at, but not dialled")
    agent.close()
    one = hosts("b", master={"listen": url, "plain-tcp": "yes"}).start()
    one.said("agent b is here")  # alone it may
    assert "not dialled" in one.ask("list-member", to=url, expect=1)
    one.close()
    one.options = ["--store", "etcd://127.0.0.1:1"]
    one.start()
    one.said("`address`, where other masters find this one")
    one.close()
    one.write("tidegate-master", {"listen": url, "plain-tcp": "yes", "address": url.replace("*", "127.0.0.1")})
    size = len(one.log.read_text())
    one.start()
    procs.wait_for(lambda: "listening at " + url in one.log.read_text()[size:], 60, one.story)


def test_the_command_line_takes_any_address(hosts):
    """The folder, ipc:// before it, the socket itself; a host without a port is not taken for a folder."""
    a = hosts("a", master={}).start()
    a.said("agent a is here")
    for to in (a.run, f"ipc://{a.run}", a.run / "master.sock", f"ipc://{a.run}/master.sock"):
        assert "a" in a.agents(to=str(to)), to
    assert "HOST:PORT is wanted" in a.ask("list-member", to="tcp://nowhere", expect=1)
    assert "an address is" in a.ask("list-member", to="http://127.0.0.1:1", expect=1)


@pytest.fixture
def site(hosts):
    """A master at tls+tcp://localhost, and certificates for all."""
    class Site:
        pass
    s = Site()
    s.certs = Certificates(hosts.path / "certs")
    s.url = f"tls+tcp://localhost:{free_port()}"
    s.master = {"listen": s.url, **s.certs.make("m", "m1", "tidegate-master")}
    s.operator = s.certs.make("op", "alice", "tidegate-operator")
    s.agent = s.certs.make("b", "b")
    return s


def test_tls(hosts, site):
    """Certificates on both sides; the command line by an operator's, an agent by its own."""
    a = hosts("a", master=site.master).start()
    b = hosts("b", masters=[site.url], agent=site.agent).start()
    procs.wait_for(lambda: set(a.agents()) == {"a", "b"}, 60, f"not both agents\n{a.story()}\n{b.story()}")
    assert set(a.agents(to=site.url, more=options(site.operator))) == {"a", "b"}
    a.said("is operator `alice`")
    a.said("is agent `b`")
    # An agent's certificate is not for commands; none at all, not even for a greeting.
    assert "60621" in b.ask("list-member", to=site.url, more=options(site.agent), expect=1)
    assert "ssl-ca" in b.ask("list-member", to=site.url, expect=1)
    # Its connection goes: the agent makes another one, and proves it again.
    a.below("master")[0].kill()
    procs.wait_for(lambda: "free" in a.agents().get("b", ""), 60, f"b did not come back\n{a.story()}\n{b.story()}")


def test_plain_in_spite_of_certificates(hosts, site):
    """A proof on plain TCP is of the connection alone: said at the start, and asked for all the same."""
    near, far = f"tcp://127.0.0.1:{free_port()}", f"tcp://*:{free_port()}"
    a = hosts("a", master={**site.master, "plain-tcp": "yes", "listen": f"{site.url},{near},{far}"}).start()
    a.said("listening at " + far)
    assert far + " is without TLS, in spite of ssl-ca" in a.log.read_text()
    assert near + " is without TLS" not in a.log.read_text()
    assert "60622" in a.ask("list-member", to=far.replace("*", "127.0.0.1"), expect=1)
    assert a.agents(to=far.replace("*", "127.0.0.1"), more=options(site.operator)) is not None


def test_wrong_certificates(hosts, site):
    """Of another CA, of another host's name: no connection, and the master goes on."""
    a = hosts("a", master=site.master).start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    other = Certificates(hosts.path / "other")
    foreign = other.make("op", "alice", "tidegate-operator")
    for wrong in (foreign, {**foreign, "ssl-ca": site.operator["ssl-ca"]}):
        a.ask("list-member", to=site.url, more=options(wrong), expect=1)
    a.ask("list-member", to=site.url.replace("localhost", "127.0.0.1"), more=options(site.operator), expect=1)
    assert set(a.agents(to=site.url, more=options(site.operator))) == {"a"}


def resolver_time(name):
    """How many seconds this host's resolver takes to say that a name is nobody's: no command can bound that."""
    began = time.monotonic()
    with pytest.raises(OSError):
        socket.getaddrinfo(name, 8261)
    return time.monotonic() - began


def test_absent_master(hosts):
    """Nobody listens there, nobody is of that name, somebody who is no master: said with the address, long before a command's time is over."""
    for url, why in ((f"tcp://127.0.0.1:{free_port()}", "no master listens there"), ("tcp://nowhere.invalid:8261", "nowhere.invalid")):
        h = hosts(f"h{len(url)}")
        looked = resolver_time("nowhere.invalid") if "invalid" in url else 0
        began = time.monotonic()
        said = h.ask("list-member", to=url, expect=1)
        took = time.monotonic() - began
        assert url in said and why in said and took < 25 + 2 * looked, f"{took:.1f} s: {said}"


def test_silent_port(hosts, site):
    """Somebody takes connections at a port of TLS and says nothing."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(20)
        url = f"tls+tcp://localhost:{s.getsockname()[1]}"
        began = time.monotonic()
        said = hosts("h").ask("list-member", to=url, more=options(site.operator), expect=1)
        took = time.monotonic() - began
    assert url in said and "certificate" in said and 15 < took < 60, f"{took:.1f} s: {said}"  # a master that is busy has its time


def test_third_master(hosts, site):
    """By TLS: the first two of three take connections and say nothing, for longer than one alone has to prove itself: the third is asked all the same."""
    a = hosts("a", master=site.master).start()
    procs.wait_for(lambda: "a" in a.agents(), 60, a.story)
    with socket.socket() as s, socket.socket() as t:
        for silent in (s, t):
            silent.bind(("127.0.0.1", 0))
            silent.listen(20)
        urls = [f"tls+tcp://localhost:{x.getsockname()[1]}" for x in (s, t)] + [site.url]
        assert set(a.agents(to=",".join(urls), more=options(site.operator))) == {"a"}


def test_master_without_etcd(hosts):
    """One of several that is cut off from its etcd knows no leader: the next one is asked. Where none knows one, that is the answer, at once."""
    urls = [f"tcp://127.0.0.1:{free_port()}" for _ in range(3)]
    a = hosts("a", master={"listen": urls[2]}).start()
    away = [hosts(n, master={"listen": u}) for n, u in zip("bc", urls)]
    for h in away:
        h.options = ["--store", "etcd://127.0.0.1:1"]
        h.start()
    for h, u in zip([*away, a], urls):
        h.said("listening at " + u)
    procs.wait_for(lambda: "a" in a.agents(), 60, a.story)
    assert set(a.agents(to=",".join(urls))) == {"a"}
    began = time.monotonic()
    assert "no master leads" in a.ask("list-member", to=",".join(urls[:2]), expect=1)
    assert time.monotonic() - began < 20
    said = a.ask("operate-leader", "cancel-evict", to=",".join(urls), expect=2)
    assert "give its address alone" in said, said


def test_next_master(hosts):
    """Several addresses: one where nobody listens, one that stands still, and the one that answers."""
    url, other = f"tcp://127.0.0.1:{free_port()}", f"tcp://127.0.0.1:{free_port()}"
    a, b = (hosts(n, master={"listen": u}).start() for n, u in (("a", url), ("b", other)))
    procs.wait_for(lambda: "a" in a.agents() and "b" in b.agents(), 60, lambda: a.story() + b.story())
    began = time.monotonic()
    assert set(a.agents(to=f"tcp://127.0.0.1:{free_port()},{url}")) == {"a"}
    assert time.monotonic() - began < 9  # not the ten seconds of one that says nothing
    b.below("master")[0].kill(signal.SIGSTOP)
    began = time.monotonic()
    assert set(a.agents(to=f"{other},{url}")) == {"a"}
    assert time.monotonic() - began < 25
    b.below("master")[0].kill(signal.SIGCONT)
    nobody = [f"tcp://127.0.0.1:{free_port()}" for _ in range(2)]
    said = a.ask("list-member", to=",".join(nobody), expect=1)
    assert all(n in said for n in nobody), said
    assert "among several masters" in a.ask("list-member", to=f"{url},/run/tidegate", expect=2)


def test_a_source_goes_where_it_is_told(hosts, monkeypatch):
    """operate-source create -w; stop by the name, also where a folder is called like it."""
    a = hosts("a", master={}).start()
    b = hosts("b", masters=[a.socket]).start()
    procs.wait_for(lambda: set(a.agents()) == {"a", "b"}, 60, lambda: a.story() + b.story())
    here = hosts.path / "here"
    (here / "s1").mkdir(parents=True)
    monkeypatch.chdir(here)
    for name in ("s1", "s2"):
        (here / f"{name}.yaml").write_text(f"source-id: {name}\nfrom: {{host: 192.0.2.1, port: 3306, user: u, password: p}}\n")
        made = a.ask("operate-source", "create", f"{name}.yaml", "-w", "b")
        assert made["sources"][0]["worker"] == "b", made
    assert "transfer-source" in a.ask("operate-source", "create", "s1.yaml", "-w", "a", expect=1)
    assert "one file" in a.ask("operate-source", "create", "s1.yaml", "s2.yaml", "-w", "a", expect=2)
    a.ask("operate-source", "stop", "s1")
    assert [s["source"] for s in a.ask("operate-source", "show")["sources"]] == ["s2"]


def test_several_files_by_relative_names(hosts):
    """All are read before the first is sent, from the folder that the command is given in: a mistake in the last one changes nothing."""
    a = hosts("a", master={}).start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    here = hosts.path / "here"
    here.mkdir()
    for name in ("s1", "s2"):
        (here / f"{name}.yaml").write_text(f"source-id: {name}\nfrom: {{host: 192.0.2.1, port: 3306, user: u, password: p}}\n")
    (here / "bad.yaml").write_text("source-id: bad\nform: {host: 192.0.2.1}\n")

    def say(*words, expect=0):
        done = subprocess.run([str(a.bin / "tidegate"), "operate-source", *words, "--master", "../a.r", "--state", "../a.s", "--json"], cwd=here, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == expect, (done, a.story())
        answers = json.loads("[" + done.stdout.replace("}\n{", "}\n,{") + "]")
        return [x["sources"][0]["source"] for x in answers] if expect == 0 else done.stderr

    def known():
        return [s["source"] for s in a.ask("operate-source", "show")["sources"]]
    assert "bad.yaml:2" in say("create", "s1.yaml", "bad.yaml", expect=1) and known() == []
    for op in ("create", "update", "stop"):
        assert say(op, "s1.yaml", "s2.yaml") == ["s1", "s2"], op
        assert known() == ([] if op == "stop" else ["s1", "s2"])
