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
from test_control import free_port, hosts  # noqa: E402, F401

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
    time.sleep(1)
    master.kill()
    out, err = asker.communicate(timeout=40)
    assert asker.returncode == 0, f"{out}{err}\n{a.story()}"
    assert len(revision(a.log)) == 1, a.story()
    procs.wait_for(lambda: a.ask("operate-source", "show")["sources"], 10, a.story())
