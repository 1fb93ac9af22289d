"""Several sources whose tables the routes lead into one: copies that begin together or one after the other, the binlogs, DDL on what both have, and a
copy that would have to begin anew where rows of both are."""
import random
import shutil

import procs
import pytest
from conftest import Pair
from cutover import cutover, one, read_only
from routed import SOURCE, Files, killed

from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED

ROUTES = {"a": {"schema-pattern": "shard_*", "target-schema": "all"}}
FAMILIES = pytest.mark.parametrize("up, down", [("ma1011", "my97"), pytest.param("my97", "ma118", marks=pytest.mark.long)])


class Sources(Files):
    """A task of two sources, `one` and `two`, with the same rules."""

    def __init__(self, pair, second, job, routes=None, mode="all", more=""):
        super().__init__(pair, job, ROUTES if routes is None else routes, mode, more)
        text = self.task.read_text()
        line = next(x for x in text.splitlines() if "source-id: one" in x)
        self.task.write_text(text.replace(line, line + "\n" + line.replace("source-id: one", "source-id: two")))
        self.second, self.other = second, self.job.folder / "two.yaml"
        self.other.write_text(SOURCE.format(port=second.port, user=USER, password=PASSWORD).replace("one", "two"))
        self.other.chmod(0o600)

    def run(self, *more, **kw):
        return super().run(self.other, *more, **kw)

    def begin(self):
        self.job.start(self.task, self.source, self.other, "--stay", until=None)
        return self.job

    def follow(self):
        self.begin()
        procs.wait_for(lambda: all(self.stage(s).get("unit") == "Sync" for s in ("one", "two")), 120, self.job.story, 0.3)
        return self.job

    def stage(self, source):
        try:
            found = [s["subTaskStatus"][0] for s in self.job.ask("query-status", "run")["sources"] if s["sourceStatus"]["source"] == source]
        except (AssertionError, KeyError):
            return {}
        return found[0] if found else {}

    def wait_paused(self, source, code, *words):
        def look():  # one look: the pause of before may be shown for a moment yet, by another error or, by word, without one
            s = self.stage(source)
            e = ((s.get("result") or {}).get("errors") or [{}])[0]
            return s.get("stage") == "Paused" and e.get("ErrCode") == code and all(w in e["Message"] for w in words)
        procs.wait_for(look, 60, lambda: f"{source} has not stopped by {code} {words}: {self.stage(source)}\n{self.job.story()}", 0.3)

    def skipped(self, source, server, statement, *words, code=60554):
        """Stops at it; nothing of it reaches the target."""
        server.run(statement)
        self.wait_paused(source, code, *words)
        self.job.ask("binlog", "skip", "run", "-s", source)
        procs.wait_for(lambda: self.stage(source).get("stage") == "Running", 60, self.job.story, 0.3)

    def assert_merged(self, tables, pause=True):
        """The union of both sources' tables, made here."""
        def rows(servers_and_names, name):
            return sorted((r for s, q in servers_and_names for r in s.query(q)), key=repr)

        def sides(name):
            source = [(s, f"SELECT * FROM {schema}.{name}") for s in (self.pair.source, self.second)
                      for (schema,) in s.query(f"SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_NAME = '{name}' AND TABLE_SCHEMA LIKE 'shard%'")]
            return rows(source, name), rows([(self.pair.target, f"SELECT * FROM `all`.{name}")], name)
        for name in tables:
            if not pause:
                procs.wait_for(lambda name=name: (lambda a, b: a == b)(*sides(name)), 60, lambda name=name: f"{name}\n{self.job.story()}", 0.5)
            a, b = sides(name)
            assert a and a == b, f"{name}: {len(a)} {len(b)} {[r for r in a if r not in b][:5]} {[r for r in b if r not in a][:5]}\n{self.job.story()}"


def shards(s, number, *schemas):
    """Keys of their own in each: by number, which no two have."""
    for n, schema in enumerate(schemas):
        k = number * 2 + n
        s.run(f"CREATE DATABASE {schema} CHARACTER SET utf8mb4",
              f"CREATE TABLE {schema}.t (id int PRIMARY KEY AUTO_INCREMENT, v varchar(20), u int, UNIQUE KEY (u), KEY (v)) CHARACTER SET utf8mb4",
              f"CREATE TABLE {schema}.plain (v varchar(20), w double) CHARACTER SET utf8mb4",
              f"INSERT INTO {schema}.t VALUES " + ",".join(f"({i * 10 + k}, 'v{i}', {i * 10 + k})" for i in range(1, 501)),
              f"INSERT INTO {schema}.plain VALUES ('same', 1.5), ('same', 1.5), ('of {k}', NULL)")


def change(s, number, *schemas, first=600):
    for n, schema in enumerate(schemas):
        k = number * 2 + n
        for i in range(first, first + 15):
            s.run(f"INSERT INTO {schema}.t VALUES ({i * 10 + k}, 'new', {i * 10 + k})", f"UPDATE {schema}.t SET v = 'changed' WHERE id = {(i - first + 1) * 10 + k}",
                  f"DELETE FROM {schema}.t WHERE id = {(i - first + 100) * 10 + k}", f"UPDATE {schema}.t SET u = -u WHERE id = {(i - first + 200) * 10 + k}",
                  f"UPDATE {schema}.plain SET w = {i} WHERE v = 'same' LIMIT 1", f"INSERT INTO {schema}.plain VALUES ('same', {i})",
                  f"DELETE FROM {schema}.plain WHERE v = 'same' AND w = {i} LIMIT 1")


@pytest.fixture
def three(fleet, server):
    def make(up="ma1011", down="my97"):
        (first,), (second,) = fleet(up, "a"), fleet(up, "b")
        return Pair(first, server(down, "down")), second
    return make


@FAMILIES
def test_copies_and_binlogs(up, down, three, job):
    """Both at once, with kills where one of them makes the tables and the other one waits; then both binlogs, over restarts and kills."""
    pair, second = three(up, down)
    shards(pair.source, 0, "shard_1", "shard_2")
    shards(second, 1, "shard_1", "shard_3")
    f = Sources(pair, second, job)
    killed(f, "load_schema", "load_shared_ready", "load_mid_chunk", "load_before_commit")
    f.assert_merged(["t", "plain"])
    j = f.follow()
    change(pair.source, 0, "shard_1", "shard_2")
    change(second, 1, "shard_1", "shard_3")
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    change(pair.source, 0, "shard_1", "shard_2", first=700)
    change(second, 1, "shard_1", "shard_3", first=700)
    killed(f, "sync_before_commit")
    f.assert_merged(["t", "plain"])
    made = pair.target.query("SELECT source, JSON_EXTRACT(plan, '$.made'), JSON_EXTRACT(plan, '$.joined') FROM dm_meta.tidegate_plan ORDER BY 1")
    for table in ("t", "plain"):
        assert sorted(f'"{table}"' in str(m) for _, m, _ in made) == sorted(f'"{table}"' in str(k) for _, _, k in made) == [False, True], made


def test_one_after_the_other(three, job):
    """The second one's copy begins while the first one's binlog goes on. Until what it brings is known, DDL stops. Cutover sums up both."""
    pair, second = three()
    shards(pair.source, 0, "shard_1", "shard_2")
    shards(second, 1, "shard_1", "shard_3")
    f = Sources(pair, second, job)
    f.job.failpoints.arm("dump_snapshot", "sleep", arg=300000)
    j = f.begin()
    procs.wait_for(lambda: "Sync" in {f.stage(s).get("unit") for s in ("one", "two")}, 60, j.story, 0.2)
    first = next(s for s in ("one", "two") if f.stage(s).get("unit") == "Sync")
    late = "two" if first == "one" else "one"
    assert f.stage(late).get("unit") != "Sync", j.story()
    server, number, schemas = {"one": (pair.source, 0, ("shard_1", "shard_2")), "two": (second, 1, ("shard_1", "shard_3"))}[first]
    change(server, number, *schemas)
    server.run("CREATE TABLE shard_1.more (id int PRIMARY KEY)")
    f.wait_paused(first, 60556, f"routes of source {late} may lead to `all`.`more`", "is not on record")
    f.job.failpoints.disarm("dump_snapshot")
    procs.wait_for(lambda: f.stage(late).get("unit") == "Sync", 60, j.story, 0.3)
    j.ask("resume-task", "run", "-s", first)
    change(pair.source, 0, "shard_1", "shard_2", first=700)
    change(second, 1, "shard_1", "shard_3", first=700)
    f.assert_merged(["t", "plain"], pause=False)
    for server in (pair.source, second):
        read_only(server)
    try:
        answer = cutover(j, "--check")
        assert one(answer, "success", "downstream `all`.`t`, rows of one, two: ") and one(answer, "success", "downstream `all`.`plain`, rows of one, two: "), answer
        rows = pair.target.query("SELECT COUNT(*) FROM `all`.t")[0][0]
        assert f": {rows} rows, equal" in one(answer, "success", "`all`.`t`"), answer
        assert one(cutover(j, "--check", "-s", "one", expect=FAILED), "fail", "ask for all sources of the task at once")
        pair.target.run("UPDATE `all`.plain SET w = 77 LIMIT 1")
        assert one(cutover(j, "--check", expect=FAILED), "fail", "`all`.`plain`, rows of one, two: of ")
        for _ in range(2):  # what was found to differ is not taken for equal by the next one
            assert one(cutover(j, expect=FAILED), "fail", "`all`.`plain`, rows of one, two: of ")
        pair.target.run("DELETE FROM `all`.plain")
        for server in (pair.source, second):
            for (schema,) in server.query("SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_NAME = 'plain' AND TABLE_SCHEMA LIKE 'shard%'"):
                for row in server.query(f"SELECT * FROM {schema}.plain"):
                    pair.target.run(("INSERT INTO `all`.plain VALUES (%s, %s)", row))
        assert one(cutover(j), "success", "`all`.`plain`, rows of one, two: ")
    finally:
        for server in (pair.source, second):
            read_only(server, False)
    assert j.interrupt() == INTERRUPTED


def test_ddl(three, job):
    """On what both have: stops, also where the whole database goes. On what only one of them has it is done."""
    pair, second = three()
    shards(pair.source, 0, "shard_1")
    shards(second, 1, "shard_1", "shard_3")
    second.run("CREATE TABLE shard_3.alone (id int PRIMARY KEY)", "INSERT INTO shard_3.alone VALUES (1)")
    for server, k in ((pair.source, 0), (second, 1)):
        server.run("CREATE TABLE shard_1.parent (id int PRIMARY KEY)", "CREATE TABLE shard_1.child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES shard_1.parent (id) ON DELETE CASCADE)",
                   f"INSERT INTO shard_1.parent SELECT 2 * seq + {k} FROM shard_1.seq_1_to_500", "INSERT INTO shard_1.child SELECT id, id FROM shard_1.parent")
    f = Sources(pair, second, job)
    j = f.follow()
    pair.source.run("DELETE FROM shard_1.parent WHERE id < 200", "INSERT INTO shard_1.child SELECT -id, id FROM shard_1.parent")
    second.run("DELETE FROM shard_1.parent WHERE id > 800", "UPDATE shard_1.child SET id = -id WHERE id < 100")
    f.assert_merged(["t", "parent", "child"], pause=False)
    f.skipped("one", pair.source, "TRUNCATE TABLE shard_1.plain", "`shard_1`.`plain` and a table of source two both go to `all`.`plain`")
    f.skipped("one", pair.source, "DROP TABLE shard_1.plain", "a table of source two both go to `all`.`plain`")
    f.skipped("one", pair.source, "DROP DATABASE shard_1", "a table of source two both go to `all`.`", code=60553)
    f.skipped("two", second, "ALTER TABLE shard_3.t ADD COLUMN more int", "both go to `all`.`t`")
    second.run("ALTER TABLE shard_3.t DROP COLUMN more")
    f.wait_paused("two", 60554)
    j.ask("binlog", "skip", "run", "-s", "two")
    procs.wait_for(lambda: f.stage("two").get("stage") == "Running", 60, j.story, 0.3)
    second.run("ALTER TABLE shard_3.alone ADD COLUMN more int DEFAULT 7", "CREATE TABLE shard_3.new (id int PRIMARY KEY)", "INSERT INTO shard_3.new VALUES (1)", "RENAME TABLE shard_3.new TO shard_3.newer",
               "INSERT INTO shard_3.alone VALUES (2, 8)")
    d = pair.target
    procs.wait_for(lambda: d.query("SELECT * FROM `all`.alone ORDER BY 1") == ((1, 7), (2, 8)) or f.stage("two").get("stage") == "Paused", 60, j.story, 0.3)
    assert d.query("SELECT * FROM `all`.newer") == ((1,),)
    pair.source.run("CREATE DATABASE IF NOT EXISTS shard_1 CHARACTER SET utf8mb4")
    f.skipped("one", pair.source, "CREATE TABLE shard_1.newer (id int PRIMARY KEY)", "`shard_1`.`newer` and a table of source two both go to `all`.`newer`")
    pair.source.run("INSERT INTO shard_1.newer VALUES (2)")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM `all`.newer") == ((2,),), 60, j.story, 0.3)
    second.run("INSERT INTO shard_3.newer VALUES (2)")
    f.wait_paused("two", 10006, "Duplicate entry")
    f.skipped("one", pair.source, "ALTER DATABASE shard_1 CHARACTER SET latin1", "`all` holds tables of source two too", code=60553)
    before = d.query("SELECT COUNT(*) FROM `all`.t")
    j.ask("stop-task", "run", "-s", "two")  # its rows stay where they are
    f.skipped("one", pair.source, "CREATE TABLE shard_1.t (id int PRIMARY KEY)", "a table of source two both go to `all`.`t`")
    f.skipped("one", pair.source, "DROP TABLE shard_1.t", "a table of source two both go to `all`.`t`")
    assert d.query("SELECT COUNT(*) FROM `all`.t") == before and d.query("SELECT COUNT(*) FROM `all`.plain") == ((9,),)
    j.interrupt()


def test_anew(three, job):
    """A copy of one of them that is cut, under another snapshot: what is whole stays, what holds nothing of it is begun, and where rows of both are it stops. From
    scratch then, all of them, the table dropped."""
    pair, second = three()
    s, d = pair.source, pair.target
    for server, k in ((s, 0), (second, 1)):
        server.run("CREATE DATABASE shard_1 CHARACTER SET utf8mb4", *(f"CREATE TABLE shard_1.{t} (id int {k_}, v varchar(200)) CHARACTER SET utf8mb4" for t, k_ in (("a", "PRIMARY KEY"), ("b", ""))),
                   *(f"INSERT INTO shard_1.{t} SELECT 2 * seq + {k}, REPEAT('x', 190) FROM shard_1.seq_1_to_{n}" for t, n in (("a", 20000), ("b", 12000))))
    f = Sources(pair, second, job, more=", mydumper: {threads: 1, chunk-filesize: 1}")
    f.job.failpoints.arm("load_before_commit", "sleep", arg=300000, at=7)
    j = f.begin()
    procs.wait_for(lambda: f.job.failpoints.fired("load_before_commit") and "Sync" in {f.stage(x).get("unit") for x in ("one", "two")}, 120, j.story, 0.2)
    late = next(x for x in ("one", "two") if f.stage(x).get("unit") != "Sync")
    j.interrupt()
    f.job.failpoints.disarm("load_before_commit")
    for server in (s, second):
        server.run("UPDATE shard_1.a SET v = 'changed' WHERE id < 1000", "DELETE FROM shard_1.b WHERE id < 500")
    shutil.rmtree(j.state)
    j = f.begin()
    f.wait_paused(late, 60555, "is to be copied anew, but holds rows of both")
    d.run("DROP TABLE `all`.a" if "`all`.`a`" in f.stage(late)["result"]["errors"][0]["Message"] else "DROP TABLE `all`.b")
    j.ask("resume-task", "run", "-s", late)
    f.wait_paused(late, 60555, "is gone, with the rows that are not copied again there")
    # as it says; but where the tables are not dropped no row comes twice
    j.ask("stop-task", "run")
    j.ask("start-task", f.task, "--remove-meta")

    def settled():
        now = [f.stage(x) for x in ("one", "two")]
        return all(x.get("unit") == "Sync" or x.get("stage") == "Paused" for x in now) and now
    for x in procs.wait_for(settled, 60, j.story, 0.3):
        assert x["stage"] != "Paused" or x["result"]["errors"][0]["ErrCode"] in (60555, 60552, 60401), x
    for t in ("a", "b"):
        assert not d.query(f"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'all' AND TABLE_NAME = '{t}'")[0][0] or not d.query(f"SELECT id FROM `all`.{t} GROUP BY id HAVING COUNT(*) > 1")
    j.ask("stop-task", "run")
    d.run("DROP TABLE IF EXISTS `all`.a, `all`.b")
    j.ask("start-task", f.task, "--remove-meta")
    procs.wait_for(lambda: all(f.stage(x).get("unit") == "Sync" for x in ("one", "two")), 60, j.story, 0.3)
    f.assert_merged(["a", "b"], pause=False)
    j.interrupt()


def test_anew_behind_the_binlogs(three, job):
    """A table without a key that came by the binlogs, with rows of both: no copy has it on record, and one that begins anew would bring its rows twice."""
    pair, second = three()
    s, d = pair.source, pair.target
    for server, k in ((s, 0), (second, 1)):
        server.run("CREATE DATABASE shard_1 CHARACTER SET utf8mb4", "CREATE TABLE shard_1.a (id int PRIMARY KEY)", f"INSERT INTO shard_1.a VALUES ({k})")
    f = Sources(pair, second, job)
    j = f.follow()
    second.run("CREATE TABLE shard_1.n (v int)", "INSERT INTO shard_1.n VALUES (1)")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'all' AND TABLE_NAME = 'n'") == ((1,),), 60, j.story, 0.3)
    f.skipped("one", s, "CREATE TABLE shard_1.n (v int)", "a table of source two both go to `all`.`n`")
    s.run("INSERT INTO shard_1.n VALUES (0)")
    procs.wait_for(lambda: d.query("SELECT v FROM `all`.n ORDER BY 1") == ((0,), (1,)), 60, j.story, 0.3)
    j.ask("stop-task", "run")
    d.run("DROP TABLE `all`.a")  # whoever did not think of the other one
    j.ask("start-task", f.task, "--remove-meta")

    def refused(source):  # which of the two it is depends on who forgets first that it has something there
        now = f.stage(source)
        error = now["result"]["errors"][0] if now.get("stage") == "Paused" and now["result"] else {}
        return error.get("ErrCode") in (60555, 60401) and "`all`.`n`" in error["Message"]
    procs.wait_for(lambda: refused("one") and refused("two"), 60, j.story, 0.3)
    assert d.query("SELECT v FROM `all`.n ORDER BY 1") == ((0,), (1,))
    j.ask("stop-task", "run")
    d.run("DROP TABLE `all`.n", "DROP TABLE IF EXISTS `all`.a")
    j.ask("start-task", f.task, "--remove-meta")
    procs.wait_for(lambda: all(f.stage(x).get("unit") == "Sync" for x in ("one", "two")), 60, j.story, 0.3)
    f.assert_merged(["a", "n"])

    # What the copy would stop at is told before it begins, whatever is on record.
    s.run("CREATE DATABASE shard_2", "CREATE TABLE shard_2.a (id int PRIMARY KEY, more int)")
    f.wait_paused("one", 60554, "both go to `all`.`a`")
    j.ask("stop-task", "run")
    assert "60552" in (said := j.ask("start-task", f.task, "--remove-meta", expect=FAILED)) and "are not alike" in said, said
    assert j.ask("start-task", f.task)["result"]
    f.wait_paused("one", 60554, "both go to `all`.`a`")


def test_extracted(three, job):
    """The same keys in both, where extract-source tells them apart; the table is made by hand."""
    pair, second = three()
    for server in (pair.source, second):
        server.run("CREATE DATABASE shard_1 CHARACTER SET utf8mb4", "CREATE TABLE shard_1.t (id int PRIMARY KEY, v varchar(20))", "INSERT INTO shard_1.t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    pair.target.run("CREATE DATABASE `all`", "CREATE TABLE `all`.t (id int, v varchar(20), src varchar(20), PRIMARY KEY (id, src))")
    f = Sources(pair, second, job, {"a": dict(ROUTES["a"], **{"table-pattern": "t", "target-table": "t", "extract-source": {"source-regexp": "(.*)", "target-column": "src"}})})
    j = f.follow()
    pair.source.run("UPDATE shard_1.t SET v = 'of one' WHERE id = 2", "DELETE FROM shard_1.t WHERE id = 3")
    second.run("UPDATE shard_1.t SET id = 9 WHERE id = 1", "INSERT INTO shard_1.t VALUES (1, 'of two')")
    wanted = sorted([(*r, name) for server, name in ((pair.source, "one"), (second, "two")) for r in server.query("SELECT id, v FROM shard_1.t")])
    procs.wait_for(lambda: sorted(pair.target.query("SELECT id, v, src FROM `all`.t")) == wanted, 60, j.story, 0.3)
    assert j.interrupt() == INTERRUPTED


def test_without_a_copy(three, job):
    """task-mode incremental: rows of both come; which tables the other one has is not on record, so DDL where its routes may lead stops."""
    pair, second = three()
    for server, k in ((pair.source, 0), (second, 1)):
        server.run("CREATE DATABASE shard_1 CHARACTER SET utf8mb4", "CREATE TABLE shard_1.t (id int PRIMARY KEY)", "CREATE DATABASE app CHARACTER SET utf8mb4")
    pair.target.run("CREATE DATABASE `all`", "CREATE TABLE `all`.t (id int PRIMARY KEY)", "CREATE DATABASE app CHARACTER SET utf8mb4")
    at = {n: server.query("SHOW MASTER STATUS")[0] for n, server in (("one", pair.source), ("two", second))}
    f = Sources(pair, second, job, mode="incremental")
    text = f.task.read_text()
    for n, (file, offset, *_) in at.items():
        text = text.replace(f"source-id: {n},", f'source-id: {n}, meta: {{binlog-name: "{file}", binlog-pos: {offset}}},')
    f.task.write_text(text)
    j = f.follow()
    pair.source.run("INSERT INTO shard_1.t VALUES (1)", "CREATE TABLE app.own (id int PRIMARY KEY)", "INSERT INTO app.own VALUES (1)")
    f.skipped("one", pair.source, "TRUNCATE TABLE shard_1.t", "routes of source two may lead to `all`.`t`", "is not on record", code=60556)
    second.run("INSERT INTO shard_1.t VALUES (2)")
    d = pair.target
    procs.wait_for(lambda: d.query("SELECT id FROM `all`.t ORDER BY 1") == ((1,), (2,)), 60, j.story, 0.3)
    assert d.query("SELECT * FROM app.own") == ((1,),)
    assert j.interrupt() == INTERRUPTED


def test_unlike(three, job):
    """The table that one has made does not take the other one's rows: said before any comes, and the first one goes on."""
    pair, second = three()
    for server, k in ((pair.source, 0), (second, 1)):
        server.run("CREATE DATABASE shard_1 CHARACTER SET utf8mb4", f"CREATE TABLE shard_1.t (id int PRIMARY KEY, {'more int, ' * k}v varchar(20))", f"INSERT INTO shard_1.t (id, v) VALUES ({k}, 'x')")
    f = Sources(pair, second, job)
    f.job.failpoints.arm("dump_snapshot", "sleep", arg=300000)
    j = f.begin()
    procs.wait_for(lambda: "Sync" in {f.stage(s).get("unit") for s in ("one", "two")}, 60, j.story, 0.2)
    f.job.failpoints.disarm("dump_snapshot")
    procs.wait_for(lambda: {s: f.stage(s).get("stage") for s in ("one", "two")} in ({"one": "Running", "two": "Paused"}, {"one": "Paused", "two": "Running"}), 60, j.story, 0.3)
    late = next(s for s in ("one", "two") if f.stage(s)["stage"] == "Paused")
    text = f.stage(late)["result"]["errors"][0]["Message"]
    assert "downstream table `all`.`t`" in text and "more" in text, text
    assert pair.target.query("SELECT COUNT(*) FROM `all`.t") == ((1,),)
    j.interrupt()


def test_begun_again_twice(three, job):
    """Both lose their snapshots with one table whole and nothing of the other one loaded, and whoever makes that again is killed when it stands."""
    pair, second = three()
    for server, k in ((pair.source, 0), (second, 1)):
        server.run("CREATE DATABASE shard_1 CHARACTER SET utf8mb4", *(f"CREATE TABLE shard_1.{t} (id int PRIMARY KEY, v varchar(200)) CHARACTER SET utf8mb4" for t in ("a", "b")),
                   *(f"INSERT INTO shard_1.{t} SELECT 2 * seq + {k}, REPEAT('x', 190) FROM shard_1.seq_1_to_{n}" for t, n in (("a", 3000), ("b", 200))))
    f = Sources(pair, second, job, more=", mydumper: {threads: 1, chunk-filesize: 1}, loader: {pool-size: 1}")
    for point in ("load_plan_recorded", "load_before_commit"):  # one stands at the first, the other one before its first rows count
        f.job.failpoints.arm(point, "sleep", arg=300000)
    j = f.begin()
    d = pair.target
    procs.wait_for(lambda: f.job.failpoints.fired("load_plan_recorded"), 60, j.story, 0.02)
    held = d.connect()
    with held.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("SELECT * FROM `all`.b FOR UPDATE")
    for point in ("load_plan_recorded", "load_before_commit"):
        f.job.failpoints.disarm(point)
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM `all`.a")[0][0] == 6000, 60, j.story, 0.1)
    j.interrupt()
    held.close()
    assert d.query("SELECT COUNT(*) FROM `all`.b") == ((0,),)
    for server in (pair.source, second):
        server.run("UPDATE shard_1.a SET v = 'changed' WHERE id < 1000", "DELETE FROM shard_1.b WHERE id < 50", "INSERT INTO shard_1.b SELECT id + 10000, 'new' FROM shard_1.b")
    shutil.rmtree(j.state)
    for point in ("load_shared_ready", "load_schema", "load_plan_recorded"):
        f.job.failpoints.arm(point)
    f.run()
    fired = f.job.failpoints.all_fired()  # the plan's in the first copy, too; the schema's where no table stands yet, which is as chance has it
    assert (fired.get("load_shared_ready"), fired.get("load_plan_recorded")) == (1, 2), f"{fired}\n{f.job.story()}"
    assert "goes on under another snapshot" in f.job.log(), f.job.story()
    f.assert_merged(["a", "b"])


def test_led_into_what_another_has(three, job):
    """By other routes in the middle: its rows don't come to what another source has there, under a record that says they are elsewhere."""
    pair, second = three()
    for server, k in ((pair.source, 0), (second, 1)):
        server.run("CREATE DATABASE shard_1 CHARACTER SET utf8mb4", "CREATE TABLE shard_1.t (id int PRIMARY KEY)", f"INSERT INTO shard_1.t VALUES ({k})")
    f = Sources(pair, second, job, {n: {"schema-pattern": "shard_*", "target-schema": to} for n, to in (("a", "all"), ("b", "other"))})
    lines = f.task.read_text().replace('["a", "b"]', "[b]").splitlines()
    text = "\n".join(x.replace("[b]", "[{}]") if "source-id: one" in x else x for x in lines) + "\n"
    f.task.write_text(text.replace("[{}]", "[a]") + "# b is used by two\n")
    j = f.follow()
    pair.source.run("INSERT INTO shard_1.t VALUES (10)")
    procs.wait_for(lambda: pair.target.query("SELECT id FROM `all`.t ORDER BY 1") == ((0,), (10,)), 60, j.story, 0.3)
    j.ask("pause-task", "run")
    procs.wait_for(lambda: all(f.stage(x).get("stage") == "Paused" for x in ("one", "two")), 60, j.story, 0.3)
    f.task.write_text(text.replace("[{}]", "[b]").replace("  a: ", "  # a: "))
    j.ask("update-task", f.task)
    j.ask("resume-task", "run")
    pair.source.run("INSERT INTO shard_1.t VALUES (20)")
    second.run("INSERT INTO shard_1.t VALUES (21)")
    f.wait_paused("one", 60551, "`shard_1`.`t` is `all`.`t` by the records", "which source two has")
    procs.wait_for(lambda: pair.target.query("SELECT id FROM other.t ORDER BY 1") == ((1,), (21,)), 60, j.story, 0.3)
    j.interrupt()


COPYING = ["load_schema", "load_shared_ready", "load_plan_recorded", "load_mid_chunk", "load_before_commit", "load_after_commit", "load_all_done"]
FOLLOWING = ["sync_before_commit", "sync_after_commit", "sync_mid_rows", "sync_after_guard", "relay_after_write", "relay_mid_event"]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_kills_at_random(three, job, seed):
    """Both copies with kills at places, and as often, as chance has it; then both binlogs, start after start."""
    rnd = random.Random(seed)
    pair, second = three(rnd.choice(("ma1011", "my97")), rnd.choice(("my97", "ma118")))
    shards(pair.source, 0, "shard_1", "shard_2")
    shards(second, 1, "shard_1", "shard_3")
    f = Sources(pair, second, job)
    for turn in range(4):
        for point in rnd.sample(FOLLOWING if turn else COPYING, 3):
            f.job.failpoints.arm(point, at=rnd.randrange(1, 4))
        before = f.job.failpoints.all_fired()
        f.run(timeout=200)
        assert f.job.failpoints.all_fired() != before, f"turn {turn}: nothing was killed\n{f.job.story()}"
        f.assert_merged(["t", "plain"])
        change(pair.source, 0, "shard_1", "shard_2", first=600 + 100 * turn)
        change(second, 1, "shard_1", "shard_3", first=600 + 100 * turn)
    f.run(timeout=200)
    f.assert_merged(["t", "plain"])
