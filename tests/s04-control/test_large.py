"""What no message holds: answers, orders and reports come whole, in pieces (docs/protocol.md)."""
import json
import signal
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import procs
from servers import PASSWORD, USER

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import sp  # noqa: E402
from test_control import hosts  # noqa: E402, F401

MESSAGE, PIECE, LONGEST = 4 << 20, 1 << 20, 16 << 20
ORDERS, REPORT, ORDERS_PART, MORE, REPORT_PART, ANSWER_PART = 43, 44, 46, 47, 48, 53
STALE = 60602


def strings(body, at):
    n = struct.unpack_from("<I", body, at)[0]
    return body[at + 4:at + 4 + n]


class Agent(sp.Caller):
    """A member that a test plays."""

    def register(self, name):
        kind, body = self.ask(sp.hello(name))
        assert kind == sp.WELCOME, body
        self.session = body[:8]
        return self

    def next(self, revision=0):
        """(revision, orders), and in how many pieces they came."""
        kind, body = self.ask(sp.message(sp.NEXT, self.session + struct.pack("<QI", revision, 0)))
        if kind == ORDERS:
            return body[:8], strings(body, 8), 1
        pieces, text = 0, b""
        while True:
            assert kind == ORDERS_PART, (kind, body[:200])
            revision, (begins, total) = body[:8], struct.unpack_from("<QQ", body, 8)
            assert begins == len(text)
            text += strings(body, 24)
            pieces += 1
            if len(text) == total:
                return revision, text, pieces
            kind, body = self.ask(sp.message(MORE, self.session + revision + struct.pack("<Q", len(text))))

    def report(self, text, piece=PIECE):
        """The answers to its pieces."""
        said = []
        for at in range(0, len(text), piece):
            said.append(self.ask(sp.message(REPORT_PART, self.session + struct.pack("<QQ", at, len(text)) + sp.text(text[at:at + piece]))))
        return said


@pytest.fixture
def site(hosts):  # noqa: F811
    """A host that takes no source, and the source s1 at a made-up agent."""
    a = hosts("a", master={"lease": 10}, agent={"capacity": 0}).start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    a.big = Agent(str(a.run / "master.sock")).register("big")
    file = hosts.path / "source.yaml"
    file.write_text("source-id: s1\nfrom: {host: 127.0.0.1, port: 1, user: u, password: ''}\n")
    a.ask("operate-source", "create", file)
    yield a
    a.big.close()


def report_of(revision, pad):
    return json.dumps({"revision": revision, "sources": [{"source": "s1", "relay": {"stage": "Running", "status": {"pad": pad}}, "subtasks": []}]}).encode()


def test_reports_and_answers(site):
    """An agent's report of 15 MiB comes in pieces, and goes out as an answer in pieces, to the command line too."""
    big = site.big
    pad = "".join(f"{i:07d}," for i in range(15 << 17))
    text = report_of(1, pad)
    assert MESSAGE < len(text) < LONGEST
    assert all(kind == sp.OK for kind, _ in big.report(text))
    answer = site.ask("query-status", "-s", "s1")
    assert answer["sources"][0]["tidegate"]["relay"]["pad"] == pad
    with sp.Caller(str(site.run / "master.sock")) as c:
        kind, body = c.ask(sp.command("query-status", '{"sources":["s1"],"more":false}'))
        assert kind == ANSWER_PART
        number, begins, total = struct.unpack_from("<QQQ", body)
        first = strings(body, 24)
        assert begins == 0 and len(first) == PIECE and total > len(text)

        def page(at, of=number):
            return c.ask(sp.command("answer-page", json.dumps({"id": of, "from": at})))
        again = page(PIECE)
        assert page(PIECE) == again and again[0] == ANSWER_PART  # lost on its way, say
        whole = first
        while len(whole) < total:
            kind, body = page(len(whole))
            assert kind == ANSWER_PART and struct.unpack_from("<QQ", body, 8) == (len(whole), total)
            whole += strings(body, 24)
        assert json.loads(whole)["sources"][0]["tidegate"]["relay"]["pad"] == pad
        assert sp.code(page(total)) == sp.code(page(0, number + 1)) == sp.code(page(-1)) == STALE
        time.sleep(4)
        assert sp.code(page(0)) == STALE  # it was fetched
    # Small ones are as ever, and the next report counts.
    assert big.ask(sp.message(REPORT, big.session + sp.text(report_of(1, "x"))))[0] == sp.OK
    assert site.ask("query-status", "-s", "s1")["sources"][0]["tidegate"]["relay"]["pad"] == "x"


def test_wrong_pieces(site):
    """Out of order, larger than allowed, another's session: refused, and the master goes on."""
    big, master = site.big, site.below("master")[0].key
    text = report_of(1, "y" * (5 << 20))

    def part(at, total, what, session=None):
        return big.ask(sp.message(REPORT_PART, (session or big.session) + struct.pack("<QQ", at, total) + sp.text(what)))
    assert sp.code(part(PIECE, len(text), text[:10])) == 60101
    assert part(0, len(text), text[:PIECE])[0] == sp.OK
    assert sp.code(part(PIECE, PIECE, b"z")) == 60101
    assert sp.code(part(0, LONGEST + 1, b"z")) == sp.code(part(0, 1 << 63, b"z")) == 60101
    assert sp.code(part(0, 5, b"")) == sp.code(part(0, 5, b"abcdef")) == 60101
    assert sp.code(part(0, 5, b"abc", bytes(8))) == STALE
    assert sp.code(big.report(b"{" + b" " * (5 << 20))[-1]) != 0  # whole, but no JSON
    assert sp.code(big.ask(sp.message(MORE, big.session + struct.pack("<QQ", 5, 0)))) == STALE
    assert all(kind == sp.OK for kind, _ in big.report(text, piece=PIECE - 7))
    # The whole's size is that of the first piece; a whole report, or a hello, takes the pieces' place.
    for between in (lambda: part(PIECE, len(text) + 1, text[PIECE:2 * PIECE]), lambda: big.ask(sp.message(REPORT, big.session + sp.text(report_of(1, "x")))),
                    lambda: big.register("big")):
        assert part(0, len(text), text[:PIECE])[0] == sp.OK
        between()
        assert sp.code(part(2 * PIECE, len(text), text[2 * PIECE:3 * PIECE])) == 60101
    assert [p.key for p in site.below("master")] == [master]


def peak(pid):
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")) >> 10


@pytest.mark.parametrize("one, cost", [("[]", 147), ("{}", 251), ('{"":0}', 351)])
def test_trees(site, one, cost):
    """Much more in memory than as a text: refused before it is there; one that is just let in, again and again, harms nobody either."""
    big, master = site.big, site.below("master")[0]

    def tree(n):
        return report_of(1, "pad").replace(b'"pad"}', b"[" + ",".join([one] * n).encode() + b"]}")
    for _ in range(3):
        said = big.report(tree((LONGEST - 1000) // (len(one) + 1)))
        assert sp.code(said[-1]) == 60101 and all(kind == sp.OK for kind, _ in said[:-1]), said[-1]
    short = tree((210 << 20) // cost)
    if len(short) < MESSAGE:
        assert sp.code(big.ask(sp.message(REPORT, big.session + sp.text(short)))) == 60101
    assert "would take" in site.log.read_text()
    print(f"{peak(master.pid)} MiB at most while they are refused")
    for _ in range(3):
        assert all(kind == sp.OK for kind, _ in big.report(tree((185 << 20) // cost)))
        site.ask("query-status", "-s", "s1")
    print(f"{peak(master.pid)} MiB at most")
    assert peak(master.pid) < 450  # of 512
    assert all(kind == sp.OK for kind, _ in big.report(report_of(1, "x" * (5 << 20))))
    assert [p.key for p in site.below("master")] == [master.key]


def test_too_large(site):
    """What is larger than all pieces may be together is refused, with what to do."""
    pad = f"[{','.join(['1e9'] * (2 << 20))}]"  # short as it is said to the master, long as it is said again
    text = report_of(1, "pad").replace(b'"pad"}', pad.encode() + b"}")
    assert len(text) < LONGEST
    assert all(kind == sp.OK for kind, _ in site.big.report(text))
    assert "ask for one task or one source" in site.ask("query-status", "-s", "s1", expect=1)
    assert site.ask("list-member")["result"]


def test_orders(site, hosts):  # noqa: F811
    """Twenty tasks with long lists of tables: their agent gets its orders in pieces, and a real one works by them."""
    tables = [{"db-name": "app", "tbl-name": f"a_table_with_a_rather_long_name_{i:06d}"} for i in range(5000)]
    with sp.Caller(str(site.run / "master.sock")) as c:
        for n in range(20):
            task = {"name": f"t{n}", "mode": "incremental", "sources": ["s1"], "downstream": {"host": "127.0.0.1", "port": 1, "user": "u", "password": ""},
                    "meta_schema": "dm_meta", "rules": {"do_tables": tables}, "dump": {}, "load": {}, "sync": {}, "start": {"file": "bin.000001", "offset": 4}, "instances": {}}
            kind, body = c.ask(sp.command("start-task", json.dumps({"task": task, "remove_meta": False}), request=100 + n))
            assert b'"result":true' in body, body
            assert b'"result":true' in c.ask(sp.command("pause-task", json.dumps({"task": f"t{n}", "sources": []}), request=200 + n))[1]
            assert site.big.ask(sp.message(REPORT, site.big.session + sp.text(report_of(1, "x"))))[0] == sp.OK  # it is there still
    revision, text, pieces = site.big.next()
    assert len(text) > MESSAGE and pieces == -(-len(text) // PIECE)
    orders = json.loads(text)
    assert [len(s["rules"]["do_tables"]) for s in orders["sources"][0]["subtasks"]] == [5000] * 20
    assert sp.code(site.big.ask(sp.message(MORE, site.big.session + revision + struct.pack("<Q", 0)))) == STALE
    assert site.big.next(struct.unpack("<Q", revision)[0])[1] == b""  # nothing newer
    # The same at a real agent, which takes over.
    b = hosts("b", masters=[str(site.run / "master.sock")]).start()
    site.big.close()

    def told():
        s = site.ask("query-status", "-s", "s1")["sources"][0]
        return s["sourceStatus"]["worker"] == "b" and s["tidegate"]["relay_stage"] and [t["stage"] for t in s["subTaskStatus"]] == ["Paused"] * 20
    procs.wait_for(told, 90, lambda: f"{site.story()}\n{b.story()}", 0.3)


@pytest.mark.slow
def test_structures_of_many_tables(hosts, make_pair):  # noqa: F811
    """binlog-schema list of two sources, each with nearly as much as one may have: one answer, whole."""
    pair = make_pair("ma1011", "ma1011")
    columns = ", ".join(f"a_column_with_a_rather_long_name_so_that_it_takes_some_room_{i:03d} int" for i in range(300))
    for db in ("app1", "app2"):
        pair.source.run(f"CREATE DATABASE {db}", *[f"CREATE TABLE {db}.t{i:03d} (id int PRIMARY KEY, {columns})" for i in range(100)])
    a = hosts("a", master={}, agent={"log-level": "debug"}).start()
    procs.wait_for(lambda: a.agents(), 60, a.story)
    where = f"host: 127.0.0.1, port: {{}}, user: {USER}, password: '{PASSWORD}'"
    for s in ("s1", "s2"):
        file = hosts.path / f"{s}.yaml"
        file.write_text(f"source-id: {s}\nfrom: {{{where.format(pair.source.port)}}}\n")
        a.ask("operate-source", "create", file)
    task = hosts.path / "task.yaml"
    task.write_text(f"name: t\ntask-mode: all\ntarget-database: {{{where.format(pair.target.port)}}}\n"
                    "mysql-instances: [{source-id: s1, block-allow-list: b1}, {source-id: s2, block-allow-list: b2}]\n"
                    "block-allow-list: {b1: {do-dbs: [app1]}, b2: {do-dbs: [app2]}}\n")
    a.ask("start-task", task)

    def units():
        return [(s["stage"], s["unit"]) for x in a.ask("query-status", "t")["sources"] for s in x["subTaskStatus"]]
    procs.wait_for(lambda: units() == [("Running", "Sync")] * 2, 180, lambda: f"{units()}\n{a.story()}", 0.5)
    a.ask("pause-task", "t")
    procs.wait_for(lambda: {s for s, _ in units()} == {"Paused"}, 60, lambda: f"{units()}\n{a.story()}", 0.3)

    def listed(n):
        """The answer, where the agent told what both had found in one report: it stands still while they find it."""
        mark = len(a.log.read_text())
        with ThreadPoolExecutor() as other:
            asked = other.submit(a.ask, "binlog-schema", "list", "t", expect=None)
            procs.wait_for(lambda: asked.done() or len(a.below("check")) == 2, 100, a.story, 0.01)
            if not asked.done():  # else they were not seen side by side: another time
                agent = a.below("agent")[0]
                agent.kill(signal.SIGSTOP)
                time.sleep(min(1 + 2 * n, 8))  # below a lease
                agent.kill(signal.SIGCONT)
            answer = asked.result()
        return isinstance(answer, dict) and "goes in pieces" in a.log.read_text()[mark:] and answer
    answer = next((x for x in (listed(n) for n in range(8)) if x), None)
    assert answer, a.story()
    for s, db in zip(sorted(answer["sources"], key=lambda s: s["source"]), ("app1", "app2")):
        assert s["result"] and s["msg"].count("CREATE TABLE") == 100 and s["msg"].count("_299`") == 100, s["msg"][:500]
    assert sum(len(s["msg"]) for s in answer["sources"]) > MESSAGE
    print(f"{sum(len(s['msg']) for s in answer['sources']) >> 10} KiB of structures")
    pair.assert_equal(["app1", "app2"], a.story)
