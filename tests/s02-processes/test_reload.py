"""A host that is started by its files alone, as a service does, and set up by words that come at once; SIGHUP changes the log level of every process that runs, and
nothing else."""
import os
import signal
import subprocess
import threading
import time

import pytest

import procs
from hosts import Host

SOURCE = "source-id: s1\nfrom: {{host: 127.0.0.1, port: {port}, user: tgtestr}}\n"
TASK = """name: t1
task-mode: all
target-database: {{host: 127.0.0.1, port: {port}, user: tgtestr}}
mysql-instances: [{{source-id: s1, block-allow-list: app}}]
block-allow-list: {{app: {{do-dbs: [app]}}}}
"""


def test_reload(make_pair, bin_dir, short_tmp):
    pair = make_pair("ma1011", "my97")
    for s in (pair.source, pair.target):
        s.run("CREATE USER tgtestr@'%' IDENTIFIED BY ''", "GRANT ALL ON *.* TO tgtestr@'%' WITH GRANT OPTION")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    short_tmp.chmod(0o755)
    state, run, etc, log = (short_tmp / x for x in ("state", "run", "etc", "log"))
    etc.mkdir()
    own = f"state = {state}\nrun = {run}\nwith-master = yes\nname = h1\n"
    (etc / "tidegated.conf").write_text(own)
    (etc / "tidegate-master.conf").write_text("log-level = warn\n")
    for name, text in (("source.yaml", SOURCE.format(port=pair.source.port)), ("task.yaml", TASK.format(port=pair.target.port))):
        (short_tmp / name).write_text(text)
    before = {p.key for p in procs.of_build(bin_dir)}
    with open(log, "ab") as out:
        supervisor = subprocess.Popen([str(bin_dir / "tidegated"), "--config", str(etc)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

    def said(who, *words, since=0):
        """who: "agent info", "s1 relay": what stands behind the time."""
        lines = [line.split(" ", 2)[2] for line in log.read_text().splitlines()[since:] if line.count(" ") > 2]
        return any(line.startswith(who + " ") and all(w in line for w in words) for line in lines)

    def wait(*words, since=0):
        try:
            procs.wait_for(lambda: said(*words, since=since), 60, f"{words}: not said")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{log.read_text()[-4000:]}") from None

    def word(*words):
        done = subprocess.run([str(bin_dir / "tidegate"), *words, "--master", str(run)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (words, done.stdout, done.stderr, log.read_text()[-3000:])
        return done.stdout

    def hup():
        since = len(log.read_text().splitlines())
        os.kill(supervisor.pid, signal.SIGHUP)
        return since

    try:
        procs.wait_for(lambda: (run / "master.sock").exists(), 60, "no master")
        word("operate-source", "create", str(short_tmp / "source.yaml"))
        word("start-task", str(short_tmp / "task.yaml"))
        procs.wait_for(lambda: '"Sync"' in word("query-status", "t1", "--json"), 60, "it does not follow")
        # What copied and checked may still be leaving.
        units = lambda: sorted(p.unit for p in procs.of_build(bin_dir) if p.key not in before)  # noqa: E731
        procs.wait_for(lambda: units() == ["agent", "master", "relay", "sync", "tidegated"], 60, units)
        pids = {p.pid for p in procs.of_build(bin_dir) if p.key not in before}
        assert not said("agent debug") and not said("master info")

        (etc / "tidegated.conf").write_text(own.replace("h1", "h2") + "log-level = debug\n")
        since = hup()
        wait("tidegated", "SIGHUP: the log level is debug", since=since)
        wait("tidegated", "`name` in tidegated.conf is another one now", since=since)
        wait("agent", "SIGHUP: the log level is debug", since=since)
        wait("s1 relay", "the log level is debug", since=since)
        wait("s1 sync t1", "the log level is debug", since=since)
        assert not said("master info", since=since), "its own file says warn"

        for name in ("agent", "master"):
            (etc / f"tidegate-{name}.conf").write_text("log-level = info\n")
        since = hup()
        for name in ("agent", "master"):
            wait(name, "SIGHUP: the log level is info", since=since)
        (etc / "tidegate-agent.conf").write_text("loglevel = info\n")
        since = hup()
        wait("master", "SIGHUP: the log level is info", since=since)
        wait("agent", "SIGHUP: the file is left aside", since=since)
        wait("agent", "SIGHUP: the log level is info", since=since)  # as it was; tidegated's is debug
        (etc / "tidegate-agent.conf").unlink()
        since = hup()
        wait("agent", "SIGHUP: the log level is debug", since=since)
        wait("s1 sync t1", "the log level is debug", since=since)
        assert pids == {p.pid for p in procs.of_build(bin_dir) if p.key not in before}, "nothing was started again"
        pair.source.run("INSERT INTO app.t VALUES (2)")
        procs.wait_for(lambda: pair.target.query("SELECT COUNT(*) FROM app.t") == ((2,),), 60, "the row does not come")
    finally:
        supervisor.terminate()
        code = supervisor.wait(40)
        for p in procs.of_build(bin_dir):
            if p.key not in before:
                p.kill()
    assert code == 0, log.read_text()[-3000:]
    pair.assert_equal("app")


@pytest.mark.parametrize("late", [3, 60])
def test_agent_comes_late(make_pair, bin_dir, short_tmp, late):
    """A script makes source and task while the host is still coming up: the agent that is about to register is waited for, one that does not come is named."""
    pair = make_pair("ma1011", "my97")
    for s in (pair.source, pair.target):
        s.run("CREATE USER tgtestr@'%' IDENTIFIED BY ''", "GRANT ALL ON *.* TO tgtestr@'%' WITH GRANT OPTION")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    short_tmp.chmod(0o755)
    for name, text in (("source.yaml", SOURCE.format(port=pair.source.port)), ("task.yaml", TASK.format(port=pair.target.port))):
        (short_tmp / name).write_text(text)
    host = Host(bin_dir, short_tmp, "h1")
    host.failpoints.arm("agent_before_hello", "sleep", arg=120000)
    host.start()
    try:
        procs.wait_for(lambda: host.failpoints.fired("agent_before_hello"), 60, host.story)
        assert "no free worker" in host.ask("operate-source", "create", short_tmp / "source.yaml")["sources"][0]["msg"]
        began = time.monotonic()
        if late == 3:
            threading.Timer(late, host.failpoints.disarm, ["agent_before_hello"]).start()
            host.ask("start-task", short_tmp / "task.yaml")
            procs.wait_for(lambda: '"Sync"' in str(host.ask("query-status", "t1")).replace("'", '"'), 60, lambda: f"it does not follow\n{host.story()}", 0.2)
        else:
            refused = host.ask("start-task", short_tmp / "task.yaml", expect=1)
            assert "46009" in refused and "none came within 10 s" in refused and time.monotonic() - began >= 9, refused
            host.failpoints.disarm("agent_before_hello")
            assert host.ask("start-task", short_tmp / "task.yaml")["result"]
        assert host.stop() == 0
    finally:
        host.close()
