"""Who may say what on the control socket: members prove their names, users are told by the kernel."""
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import procs

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import sp  # noqa: E402
from test_control import Certificates, free_port, hosts, options, site  # noqa: E402, F401

NOT_ALLOWED, UNPROVED, IDENTITY, MEMBER_KEY, STALE = 60621, 60622, 60623, 60624, 60602


def test_b_claims_to_be_a(hosts, site):  # noqa: F811
    """Member B's certificate with A's name, A's certificate with B's key, a proof that was heard, a session that is another's: refused, logged."""
    a = hosts("a", master=site.master).start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    b, mine = site.agent, site.certs.make("x", "x")
    with sp.Caller(site.url, b) as c:
        assert sp.code(c.ask(sp.hello("b"))) == UNPROVED
        assert sp.code(c.ask(sp.command("list-member"))) == UNPROVED
        assert sp.code(c.prove("a", b)) == IDENTITY
        a.said("the certificate of `b` claims to be `a`")
        assert sp.code(c.ask(sp.hello("a"))) == UNPROVED
        assert sp.code(c.prove("x", b, cert=mine["ssl-cert"])) == IDENTITY  # x's certificate, b's key
        assert sp.code(c.prove("b", b, nonce="0" * 64)) == UNPROVED  # nobody asked for that
        assert c.prove("b", b)[0] == sp.OK
        assert sp.code(c.prove("b", b, nonce="0" * 64)) == UNPROVED
        assert c.prove("b", b)[0] == sp.OK
        assert sp.code(c.ask(sp.hello("a"))) == IDENTITY
        assert sp.code(c.ask(sp.command("stop-task"))) == NOT_ALLOWED
        assert sp.code(c.ask(sp.message(sp.FORWARDED, sp.text("stop-task") + sp.text("{}")))) == NOT_ALLOWED
        kind, body = c.ask(sp.hello("b"))
        assert kind == sp.WELCOME
        session = body[:8]
        with sp.Caller(site.url, mine) as other:  # b's session, told by x
            poll = sp.message(sp.NEXT, session + bytes(8) + bytes(4))
            assert sp.code(other.ask(poll)) == UNPROVED
            assert other.prove("x", mine)[0] == sp.OK
            assert sp.code(other.ask(poll)) == IDENTITY
        assert c.ask(poll)[0] == 43
    with sp.Caller(site.url, site.operator) as c:  # what a connection has proved is its own alone
        assert sp.code(c.ask(sp.hello("b"))) == UNPROVED
        assert c.prove("alice", site.operator)[0] == sp.OK
        assert sp.code(c.ask(sp.hello("alice"))) == NOT_ALLOWED
        assert c.ask(sp.command("list-member"))[0] == sp.ANSWER
    foreign = Certificates(hosts.path / "other").make("op", "alice", "tidegate-operator")
    with sp.Caller(site.url, b) as c:  # a good connection, a certificate of another CA in the message
        assert sp.code(c.prove("alice", foreign)) == IDENTITY
    assert len(a.below("master")) == 1 and "a" in a.agents()
    a.said("is not to be trusted")


def test_the_agent_knows_its_name(hosts, site):  # noqa: F811
    b = hosts("c", masters=[site.url], agent=site.agent).start()
    b.said("ssl-cert is of `b`, this agent's name is `c`")


def test_first_key_counts(hosts):  # noqa: F811
    """Without certificates: the first key of an agent is kept; another one of that name is refused until accept-key."""
    url = f"tcp://127.0.0.1:{free_port()}"
    a = hosts("a", master={"listen": url}).start()
    b = hosts("b", masters=[url]).start()
    procs.wait_for(lambda: "b" in a.agents(), 60, lambda: f"{a.story()}\n{b.story()}")
    key = b.state / "agent" / "identity.key"
    assert key.stat().st_mode & 0o777 == 0o600
    mine = sp.Key(hosts.path / "mine.key")
    with sp.Caller(url) as c:
        assert sp.code(c.ask(sp.hello("b"))) == UNPROVED
        assert c.prove("b", key=mine)[0] == sp.OK  # the key is good; it is not b's
        assert sp.code(c.ask(sp.hello("b"))) == MEMBER_KEY
        a.said("comes with ed25519:")
    # Another connection, and another process of b's, have the same key.
    agent = b.below("agent")[0]
    here = a.log.read_text().count("agent b is here")
    agent.kill()
    procs.wait_for(lambda: a.log.read_text().count("agent b is here") > here, 60, lambda: f"{a.story()}\n{b.story()}")
    # The host is set up anew.
    b.close()
    shutil.rmtree(b.state / "agent")
    size, here = len(a.log.read_text()), a.log.read_text().count("agent b is here")
    b.start()
    procs.wait_for(lambda: "agent `b` is known by ed25519:" in a.log.read_text()[size:], 60, lambda: f"{a.story()}\n{b.story()}")
    a.ask("accept-key", "-n", "b")
    a.ask("accept-key", "-n", "b")  # said twice
    procs.wait_for(lambda: a.log.read_text().count("agent b is here") > here and a.agents().get("b") == "free", 60, lambda: f"{a.story()}\n{b.story()}")
    assert "46004" in a.ask("accept-key", "-n", "nobody", expect=1)


def as_user(path, what, uid, gid=65534, groups=()):
    """The code of the refusal, from a child that is that user."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            os.write(w, str(sp.code(sp.Caller(path).ask(what))).encode())
        except Exception as e:
            os.write(w, repr(e).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        said = f.read()
    os.waitpid(pid, 0)
    assert said.isdigit(), said
    return int(said)


@pytest.mark.skipif(os.geteuid() != 0, reason="other users are wanted")
def test_users_of_this_host(hosts):  # noqa: F811
    """The socket: root and the master's own user; others of the group tidegate for commands; nobody else, whatever the file's mode."""
    a = hosts("a", master={}).start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    path = str(a.run / "master.sock")
    os.chmod(a.run, 0o755)
    os.chmod(path, 0o666)
    assert as_user(path, sp.command("list-member"), 65534) == NOT_ALLOWED
    a.said("of uid 65534 may not send command to the master")
    assert as_user(path, sp.hello("z"), 65534) == NOT_ALLOWED
    assert as_user(path, sp.command("list-member"), 58999) == 0  # its own
    assert "z" not in a.agents()


TIDEGATE, OPER, PRIMARY, OTHER = 58990, 58991, 58992, 58993


def with_accounts(folder):
    """Words before a command that let it see user and group `tidegate` as the packages make them, and the user oper, of that group too."""
    for name, lines in (("passwd", f"tidegate:x:{TIDEGATE}:{TIDEGATE}::/:/bin/false\noper:x:{OPER}:{OPER}::/:/bin/sh\n"), ("group", f"tidegate:x:{TIDEGATE}:oper\n")):
        had = [x for x in Path(f"/etc/{name}").read_text().splitlines(True) if not x.startswith("tidegate:")]
        (folder / name).write_text("".join(had) + lines)
    mount = 'mount --bind "$0" /etc/passwd && mount --bind "$1" /etc/group && shift && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, str(folder / "passwd"), str(folder / "group")]


@pytest.mark.skipif(os.geteuid() != 0, reason="other users are wanted")
def test_group_of_operators(hosts):  # noqa: F811
    """By the files as they are made, nothing opened by hand: who is of the group tidegate, be it a second group or the first, commands; who is not can't
    even reach the socket, and is refused where he can. An agent none of them may be."""
    a = hosts("a", master={})
    a.prefix = with_accounts(hosts.path)
    a.start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    assert a.below("master")[0].uids()[0] == TIDEGATE
    oper, primary, other = ((OPER, OPER, [TIDEGATE]), (PRIMARY, TIDEGATE, [TIDEGATE]), (OTHER, OTHER, [OTHER]))
    program, path = hosts.path / "tidegate", str(a.run / "master.sock")  # a clone may lie where only root looks
    shutil.copy2(a.bin / "tidegate", program)

    def ask(who, *words):
        uid, gid, groups = who
        return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}", f"--groups={groups[0]}", str(program), *words, "--master", str(a.run), "--json"],
                              capture_output=True, text=True, timeout=60)
    for who in (oper, primary):
        done = ask(who, "list-member")
        assert done.returncode == 0 and '"a"' in done.stdout, f"{who}: {done}\n{a.story()}"
        done = ask(who, "operate-source", "show")
        assert done.returncode == 0, done
    assert ask(other, "list-member").returncode == 1
    assert as_user(path, sp.hello("z"), *oper) == NOT_ALLOWED
    a.said(f"of uid {OPER} may not send agent_hello to the master")
    a.run.chmod(0o755)
    os.chmod(path, 0o666)
    done = ask(other, "list-member")
    assert done.returncode == 1 and str(NOT_ALLOWED) in done.stderr, done
    a.said(f"of uid {OTHER} may not send command to the master")
    assert set(a.agents()) == {"a"}


@pytest.mark.skipif(os.geteuid() != 0, reason="other users are wanted")
def test_one_operator_leaves_room(hosts):  # noqa: F811
    """However many connections one of the group holds, with a word or without, the others, root and the agent are heard; the master is the same process."""
    a = hosts("a", master={})
    a.prefix = ["prlimit", "--nofile=240:", *with_accounts(hosts.path)]
    a.start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    master, path = a.below("master")[0], str(a.run / "master.sock")
    ready, go_on = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:  # OPER
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (2000, max(2000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
            os.setgroups([TIDEGATE])
            os.setgid(OPER)
            os.setuid(OPER)
            many, end = [], time.monotonic() + 8
            while len(many) < 600 and time.monotonic() < end:
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(2)
                try:
                    s.connect(path)
                    many.append(s)
                    if len(many) % 8:
                        s.sendall(b"\0SP\0\0\x30\0\0")
                except OSError:
                    time.sleep(0.01)  # nobody accepts so fast, or no more at all
            os.write(ready[1], b"x")
            os.read(go_on[0], 1)
        finally:
            os._exit(0)
    os.close(ready[1])
    try:
        assert os.read(ready[0], 1) == b"x", "that user could not begin"
        deadline = time.monotonic() + 25  # as long as a master that is worn out takes to see it, and more
        while time.monotonic() < deadline:
            assert as_user(path, sp.command("list-member"), PRIMARY, TIDEGATE, [TIDEGATE]) == 0
            assert "a" in a.agents()
            time.sleep(1)
        assert [p.key for p in a.below("master")] == [master.key], a.story()
    finally:
        os.write(go_on[1], b"x")
        os.waitpid(pid, 0)
        for fd in (ready[0], *go_on):
            os.close(fd)
    time.sleep(2)
    assert as_user(path, sp.command("list-member"), OPER, OPER, [TIDEGATE]) == 0
