"""A command whose answer is lost is asked again, and is done once (T39)."""
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

import procs

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import sp  # noqa: E402
from test_control import Certificates, asks, free_port, hosts, options  # noqa: E402, F401

SOURCE = '{"op":"create","source":{"source-id":"s1","endpoint":{"host":"127.0.0.1","port":1,"user":"u","password":""}}}'


def revision(log):
    lines = [x for x in log.read_text().splitlines() if ", revision " in x]
    return lines


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_cut_before_the_reply(hosts, transport):  # noqa: F811
    """The connection is cut when the command is done and its answer under way; the same request by another connection gets that answer."""
    plain = f"tcp://127.0.0.1:{free_port()}"
    a = hosts("a", master={"listen": plain}).start()
    a.said("agent a is here")
    to = str(a.run / "master.sock") if transport == "ipc" else plain
    request = struct.unpack("<Q", sp.random_bytes(8))[0]
    with sp.Caller(to) as c:
        c.send(sp.command("operate-source", SOURCE, request=request))
        a.said("operate-source, revision")  # done; the answer is never read
    before = revision(a.log)
    for _ in range(2):
        with sp.Caller(to) as c:
            kind, body = c.ask(sp.command("operate-source", SOURCE, request=request))
            assert kind == sp.ANSWER and b'"result":true' in body, body
    assert revision(a.log) == before, a.story()
    a.said("was asked again, and is done already")
    with sp.Caller(to) as c:  # another number: another request; another command by the same number too
        assert b'"result":true' not in c.ask(sp.command("operate-source", SOURCE.replace('"port":1', '"port":2')))[1]
        assert b'"result":true' not in c.ask(sp.command("operate-source", SOURCE.replace('"port":1', '"port":2'), request=request))[1]
        assert b'"result":true' in c.ask(sp.command("operate-source", SOURCE.replace("create", "stop"), request=request + 1))[1]
        # What is told again is what was answered then.
        assert b'"result":true' in c.ask(sp.command("operate-source", SOURCE, request=request))[1]
    assert len(revision(a.log)) == len(before) + 1
    assert not a.ask("operate-source", "show")["sources"]


def test_the_command_line_asks_again(hosts):  # noqa: F811
    """A master that dies with the command in its hands: the command line sends it to the next one, and it is done once."""
    a = hosts("a", master={}).start()
    a.said("agent a is here")
    master = a.below("master")[0]
    file = hosts.path / "source.yaml"
    file.write_text("source-id: s1\nfrom: {host: 127.0.0.1, port: 1, user: u, password: ''}\n")
    master.kill(signal.SIGSTOP)
    asker = subprocess.Popen([str(a.bin / "tidegate"), "operate-source", "create", str(file), "--master", str(a.run), "--state", str(a.state), "--json"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    procs.wait_for(lambda: asks(asker) or asker.poll() is not None, 60, a.story)
    time.sleep(1)
    master.kill()
    out, err = asker.communicate(timeout=100)
    assert asker.returncode == 0, f"{out}{err}\n{a.story()}"
    assert len(revision(a.log)) == 1, a.story()
    assert not err, err  # the first one's loss is nobody's business any more
    procs.wait_for(lambda: a.ask("operate-source", "show")["sources"], 60, a.story)


class Forgetful:
    """A master that twice says of a connection that it is not proved, as where it is another one than a moment ago."""

    def __init__(self, of):
        self.of, self.left, self.requests, self.proofs = of, 2, [], 0

    def __call__(self, type_, request, _):
        self.requests += [request] if type_ == sp.COMMAND else []
        self.proofs += type_ == sp.PROVE
        if type_ == self.of and self.left:
            self.left -= 1
            return sp.FAILED, struct.pack("<II", 60622, 0) + sp.text("it has not proved who it is")
        if type_ == sp.CHALLENGE:
            return sp.CHALLENGED, sp.text("0" * 64)
        return (sp.OK, b"") if type_ == sp.PROVE else (sp.ANSWER, sp.text('{"result":true,"msg":"","sources":[]}'))


@pytest.mark.parametrize("of,proofs,commands", [(sp.COMMAND, 3, 3), (sp.PROVE, 3, 1)])
def test_an_unproved_connection_is_proved_again(bin_dir, short_tmp, of, proofs, commands):
    operator = Certificates(short_tmp / "certs").make("op", "alice", "tidegate-operator")
    with sp.Answerer(Forgetful(of)) as master:
        ask = [str(bin_dir / "tidegate"), "operate-source", "show", "--json", "--master", master.url]
        done = subprocess.run([*ask, *options(operator)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and '"result": true' in done.stdout and not done.stderr, done
        assert (master.answer.proofs, len(master.answer.requests)) == (proofs, commands)
        assert len(set(master.answer.requests)) == 1  # the same number: it can't be done twice (T39)
    with sp.Answerer(Forgetful(sp.COMMAND)) as master:  # without a certificate there is nothing to prove by
        done = subprocess.run([*ask[:-1], master.url], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "60622" in done.stderr and len(master.answer.requests) == 1, done
