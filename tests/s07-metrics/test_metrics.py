"""/metrics and /healthz of agent and master, scraped while a job runs; the text is read by a parser of our own, as strict as promtool."""
import json
import math
import re
import socket
import subprocess
import urllib.error
import urllib.request

import procs
import pytest
from servers import PASSWORD, USER, free_port

SOURCE = 'source-id: s1\nenable-relay: true\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}\n'
TASK = """name: t1
task-mode: all
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: s1, block-allow-list: app}}]
block-allow-list: {{app: {{do-dbs: [app]}}}}
"""
NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'


def parse(text):
    """{(name, labels): value}. Refuses what promtool check metrics would."""
    kinds, helped, found, closed, last = {}, set(), {}, set(), None
    assert text.endswith("\n") and "\r" not in text
    for line in text[:-1].split("\n"):
        if head := re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line):
            word, name, rest = head.groups()
            assert name not in closed and name not in {n for n, _ in found}, f"{line}: behind its samples"
            if word == "HELP":
                assert name not in helped, line
                helped.add(name)
            else:
                assert name not in kinds and rest in ("counter", "gauge"), line
                assert (rest == "counter") == name.endswith("_total"), line
                kinds[name] = rest
            continue
        sample = re.fullmatch(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)", line)
        assert sample, f"no sample: {line!r}"
        name, labels, value = sample.group(1), sample.group(2) or "", float(sample.groups()[-1])
        assert name in kinds and name in helped, f"{line}: without its head"
        assert name == last or name not in closed, f"{line}: not beside the others of its name"
        if last and name != last:
            closed.add(last)
        last = name
        pairs = tuple(re.findall(LABEL, labels))
        assert len({k for k, _ in pairs}) == len(pairs) and (name, pairs) not in found, f"twice: {line}"
        assert math.isfinite(value) and (kinds[name] != "counter" or value >= 0), line
        found[name, pairs] = value
    return found


def test_the_parser_is_strict():
    good = "# HELP a_total x y\n# TYPE a_total counter\na_total{b=\"c\\\"\\\\\"} 1\na_total{b=\"d\"} 2\n# HELP g x\n# TYPE g gauge\ng 1.5\n"
    assert len(parse(good)) == 3
    for bad in (good[:-1], good.replace("# TYPE g gauge\n", ""), good.replace('b="d"', 'b="c\\"\\\\"'), good.replace("counter", "histogram"),
                good + 'a_total{b="e"} 3\n', good.replace("1.5", "x"), good.replace("a_total", "a"), good.replace("g 1.5", "g {} 1.5"), good.replace("g 1.5", "g NaN")):
        with pytest.raises(AssertionError):
            parse(bad)


def two_ports():
    agent = free_port()
    with socket.create_server(("127.0.0.1", agent)):
        return {"agent": agent, "master": free_port()}


class Site:
    """A supervisor by its files, with agent and master on ports of their own."""

    def __init__(self, bin_dir, folder):
        self.bin, self.folder, self.ports = bin_dir, folder, two_ports()
        folder.chmod(0o755)
        self.run, self.etc, self.log = (folder / x for x in ("run", "etc", "log"))
        self.etc.mkdir()
        (self.etc / "tidegated.conf").write_text(f"state = {folder / 'state'}\nrun = {self.run}\nwith-master = yes\nname = h1\n")
        (self.etc / "tidegate-agent.conf").write_text(f"http = 127.0.0.1:{self.ports['agent']}\n")
        (self.etc / "tidegate-master.conf").write_text(f"http = {self.ports['master']}\n")
        self.before = {p.key for p in procs.of_build(bin_dir)}

    def start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen([str(self.bin / "tidegated"), "--config", str(self.etc)], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True)
        procs.wait_for(lambda: (self.run / "master.sock").exists() and all(self.listens(who) for who in ("agent", "master")), 60, lambda: f"no master\n{self.log.read_text()}")
        return self

    def listens(self, who):
        try:
            socket.create_connection(("127.0.0.1", self.ports[who]), 5).close()
            return True
        except OSError:
            return False

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(40)
        for p in procs.of_build(self.bin):
            if p.key not in self.before:
                p.kill()
        return code

    def word(self, *words):
        done = subprocess.run([str(self.bin / "tidegate"), *words, "--master", str(self.run), "--state", str(self.folder / "state")], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (words, done.stdout, done.stderr, self.log.read_text()[-3000:])
        return json.loads(done.stdout)

    def get(self, who, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[who]}{path}", timeout=10) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.headers["Content-Type"], e.read().decode()

    def scrape(self, who):
        status, kind, text = self.get(who, "/metrics")
        assert status == 200 and kind == "text/plain; version=0.0.4; charset=utf-8", (status, kind)
        return parse(text)

    def value(self, who, name, **labels):
        return self.scrape(who).get((f"tidegate_{name}", tuple(labels.items())))


@pytest.fixture
def site(bin_dir, short_tmp):
    s = Site(bin_dir, short_tmp)
    yield s.start()
    s.close()


def test_scraped_while_it_runs(site, make_pair):
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    for name, text in (("source.yaml", SOURCE.format(port=pair.source.port, user=USER, password=PASSWORD)),
                       ("task.yaml", TASK.format(port=pair.target.port, user=USER, password=PASSWORD))):
        (site.folder / name).write_text(text)
    site.word("operate-source", "create", str(site.folder / "source.yaml"))
    site.word("start-task", str(site.folder / "task.yaml"))
    task, source = dict(task="t1", source="s1"), dict(source="s1")
    procs.wait_for(lambda: site.value("agent", "sync_file", **task), 60, f"it does not follow\n{site.log.read_text()[-3000:]}", 0.5)
    pair.source.run(*[f"INSERT INTO app.t VALUES ({i})" for i in range(2, 52)], "UPDATE app.t SET id = -id WHERE id < 4", "DELETE FROM app.t WHERE id = 50")
    procs.wait_for(lambda: site.value("agent", "sync_rows_total", **task) == 54, 60, lambda: f"not counted: {site.scrape('agent')}", 0.5)
    procs.wait_for(lambda: site.value("agent", "agent_units") == 2, 60, lambda: f"{site.scrape('agent')}", 0.5)  # what copied may still be leaving

    a = site.scrape("agent")
    assert a["tidegate_agent_master_connected", ()] == 1 and a["tidegate_agent_sources", ()] == 1 and a["tidegate_agent_units", ()] == 2
    by = {n: v for (n, labels), v in a.items() if labels == tuple(task.items())}
    assert by["tidegate_task_stage"] == 2 and by["tidegate_task_copied"] == 1 and by["tidegate_task_error_code"] == 0
    assert by["tidegate_sync_updates_total"] == 3 and by["tidegate_sync_deletes_total"] == 1 and by["tidegate_load_rows_total"] == 1
    assert 0 <= by["tidegate_sync_lag_seconds"] < 60 and by["tidegate_sync_offset"] > 4
    by = {n: v for (n, labels), v in a.items() if labels == tuple(source.items())}
    assert by["tidegate_relay_stage"] == 2 and by["tidegate_relay_connected"] == 1 and by["tidegate_relay_log_bytes"] > 1000 and by["tidegate_relay_full"] == 0
    assert by["tidegate_relay_disk_bytes"] > by["tidegate_relay_disk_free_bytes"] > 0 and by["tidegate_relay_log_files"] >= 1
    m = site.scrape("master")
    assert m["tidegate_master_leader", ()] == 1 and m["tidegate_master_member_online", (("agent", "h1"),)] == 1
    assert m["tidegate_master_source_bound", tuple(source.items())] == 1 and m["tidegate_master_task_stage", tuple(task.items())] == 2
    assert not any("relay" in n for n, _ in m) and not any("master_task" in n for n, _ in a)

    site.word("pause-task", "t1")
    procs.wait_for(lambda: site.value("agent", "task_stage", **task) == 3, 60, "not paused", 0.3)
    assert site.value("master", "master_task_stage", **task) == 3
    site.word("resume-task", "t1")
    site.word("pause-relay", "-s", "s1")
    procs.wait_for(lambda: site.value("agent", "relay_stage", **source) == 3 and site.value("agent", "relay_connected", **source) == 0, 60, "not paused", 0.3)
    site.word("resume-relay", "-s", "s1")
    pair.source.run("INSERT INTO app.t VALUES (100)")
    procs.wait_for(lambda: pair.target.query("SELECT COUNT(*) FROM app.t WHERE id = 100") == ((1,),), 60, "the row does not come")
    pair.assert_equal("app")
    assert site.close() == 0, site.log.read_text()[-3000:]


def test_health_and_strangers(site):
    procs.wait_for(lambda: json.loads(site.get("agent", "/healthz")[2])["master"] == "connected", 60, "not connected")
    status, kind, text = site.get("master", "/healthz")
    assert (status, kind) == (200, "application/json") and json.loads(text)["role"] == "leader" and json.loads(text)["ok"]
    assert site.get("agent", "/")[0] == site.get("master", "/../etc/passwd")[0] == 404
    # Half a request from many: the others are answered still.
    held = [socket.create_connection(("127.0.0.1", site.ports["agent"])) for _ in range(5)]
    for s in held:
        s.sendall(b"GET /met")
    assert site.get("agent", "/metrics")[0] == 200
    for junk in (b"\0" * 9000, b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 2000, bytes(range(256)) + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", site.ports["master"])) as s:
            s.sendall(junk)
            try:
                answer = s.recv(100)
            except ConnectionResetError:
                answer = b""
            assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")), answer
    assert site.get("master", "/metrics")[0] == 200
    for s in held:
        s.close()
    # Nobody but loopback: the socket's own address says so.
    listening = {line.split()[1] for line in open("/proc/net/tcp") if line.split()[3] == "0A"}
    assert all(f"0100007F:{port:04X}" in listening for port in site.ports.values())


@pytest.mark.parametrize("text,place", [("http = nowhere:1\n", "tidegate-agent.conf:1:1"), ("log-level = info\nhttp = 0\n", "tidegate-agent.conf:2:1")])
def test_a_wrong_address(bin_dir, short_tmp, text, place):
    s = Site(bin_dir, short_tmp)
    (s.etc / "tidegate-agent.conf").write_text(text)
    with open(s.log, "ab") as out:
        s.process = subprocess.Popen([str(s.bin / "tidegated"), "--config", str(s.etc)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        assert s.process.wait(60) == 2, s.log.read_text()
        assert place in s.log.read_text() and "is no address with a port" in s.log.read_text(), s.log.read_text()
    finally:
        s.close()


def test_a_port_that_is_taken_costs_only_the_page(bin_dir, short_tmp):
    s = Site(bin_dir, short_tmp)
    with socket.create_server(("127.0.0.1", s.ports["agent"])):
        s.start()
        procs.wait_for(lambda: "agent warn" in s.log.read_text() and "no /metrics and /healthz" in s.log.read_text(), 60, s.log.read_text)
        procs.wait_for(lambda: s.word("list-member", "-w")["members"][0]["worker"]["workers"], 60, s.log.read_text)
        s.close()
