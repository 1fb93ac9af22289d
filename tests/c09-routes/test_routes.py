"""Table routing: tables stand under other names downstream, in the copy and as the binlog goes on, DDL among it; and what can't be routed is
refused by name."""
import json
import shutil
import subprocess

import procs
import pytest
from conftest import Pair
from cutover import cutover, one, read_only

from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED, USAGE
from words import ask, subtask, wait_stage

PAIRS = ["my97>ma118", "ma1011>my97", "ma1011>ma118", "my97>my97"]
BOTH = pytest.mark.parametrize("names", PAIRS[:2] + [pytest.param(p, marks=pytest.mark.long) for p in PAIRS[2:]])

TASK = """name: run
task-mode: {mode}
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances:
  - {{source-id: one, block-allow-list: ours, route-rules: {rules}{more}}}
block-allow-list: {{ours: {{do-dbs: [app, "shard_?", ref]}}}}
routes:
{routes}
"""
SOURCE = """source-id: one
from: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
"""
ROUTES = {
    "schema": {"schema-pattern": "app", "target-schema": "new"},
    "table": {"schema-pattern": "app", "table-pattern": "moved", "target-schema": "other", "target-table": "place"},
    "regex": {"schema-pattern": "~^shard_(.)$", "table-pattern": "~^t(.*)$", "target-schema": "all_$1", "target-table": "u$1"},
}


class Files:
    """A job by DM's two files."""

    def __init__(self, pair, job, routes=None, mode="all", more=""):
        self.pair, self.job = pair, job(source_url="-", target_url="-")
        self.job.source_url = self.job.target_url = None
        self.task, self.source = self.job.folder / "task.yaml", self.job.folder / "source.yaml"
        routes = ROUTES if routes is None else routes
        words = dict(user=USER, password=PASSWORD)
        self.task.write_text(TASK.format(mode=mode, port=pair.target.port, rules=json.dumps(list(routes)), more=more,
                                         routes="\n".join(f"  {n}: {json.dumps(r)}" for n, r in routes.items()), **words))
        self.source.write_text(SOURCE.format(port=pair.source.port, **words))
        for f in (self.task, self.source):
            f.chmod(0o600)

    def run(self, *more, **kw):
        return self.job.run(self.task, self.source, *more, **kw)

    def follow(self):
        self.job.start(self.task, self.source, "--stay", until=None)
        self.job.wait_status(lambda x: x.get("phase") == "sync")
        return self.job


def target_of(schema, table):
    """ROUTES, said once more by other means."""
    if schema == "app":
        return ("other", "place") if table == "moved" else ("new", table)
    if schema.startswith("shard_") and table.startswith("t"):
        return "all_" + schema[-1], "u" + table[1:]
    return schema, table


def assert_equal(pair, j):
    found = pair.source.query("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE='BASE TABLE' AND "
                              "(TABLE_SCHEMA IN ('app', 'ref') OR TABLE_SCHEMA LIKE 'shard%')")
    names = {(s, t): target_of(s, t) for s, t in found}
    pair.assert_equal(sorted({s for s, _ in names}), j.story, names=names)


MADE = ["CREATE DATABASE app CHARACTER SET utf8mb4", "CREATE DATABASE shard_1", "CREATE DATABASE ref CHARACTER SET utf8mb4",
        "CREATE TABLE ref.parent (id int PRIMARY KEY, v varchar(20))",
        "CREATE TABLE app.moved (id int PRIMARY KEY AUTO_INCREMENT, v varchar(30), e enum('a','','c'), KEY (v))",
        "CREATE TABLE app.stays (id int PRIMARY KEY, m int, p int, KEY (m), KEY (p), CONSTRAINT to_moved FOREIGN KEY (m) REFERENCES moved (id) ON DELETE CASCADE,"
        " CONSTRAINT to_ref FOREIGN KEY (p) REFERENCES ref.parent (id))",
        "CREATE TABLE app.`odd``name` (v int, w text)", "CREATE TABLE shard_1.t_x (id bigint PRIMARY KEY, v varchar(20), UNIQUE KEY (v))",
        "CREATE TABLE shard_1.rest (id int PRIMARY KEY)",
        "INSERT INTO ref.parent VALUES (1, 'one'), (2, 'two')", "INSERT INTO app.moved (v, e) VALUES ('a', 'a'), ('b', ''), ('c', 'c')",
        "SET sql_mode=''", "INSERT INTO app.moved (v, e) VALUES ('d', 'not a member')",
        "INSERT INTO app.stays VALUES (1, 1, 1), (2, 2, 2), (3, NULL, NULL)", "INSERT INTO app.`odd``name` VALUES (1, 'x'), (1, 'x'), (NULL, '')",
        "INSERT INTO shard_1.t_x VALUES (1, 'one'), (2, 'two')", "INSERT INTO shard_1.rest VALUES (1)"]

CHANGES = [
    ("app", "INSERT INTO moved (v) VALUES ('e')"), ("app", "UPDATE stays SET m = 3 WHERE id = 3"), ("", "UPDATE shard_1.t_x SET v = CONCAT(v, '!')"),
    ("", "DELETE FROM app.`odd``name` WHERE v = 1 LIMIT 1"),
    ("app", "ALTER TABLE moved ADD COLUMN more int DEFAULT 7, ADD KEY k_more (more)"), ("app", "INSERT INTO moved (v, more) VALUES ('f', 8)"),
    ("", "CREATE TABLE app.fresh (id int PRIMARY KEY, m int, FOREIGN KEY (m) REFERENCES moved (id)) CHARACTER SET utf8mb4"),
    ("app", "INSERT INTO fresh VALUES (1, 1)"), ("ref", "CREATE TABLE app.like_moved LIKE app.moved"), ("app", "INSERT INTO like_moved SELECT * FROM moved"),
    ("app", "CREATE INDEX by_v ON like_moved (v)"), ("", "DROP INDEX by_v ON app.like_moved"),
    ("app", "RENAME TABLE like_moved TO named"), ("app", "INSERT INTO named (v) VALUES ('n')"),
    ("app", "RENAME TABLE named TO between_, fresh TO named, between_ TO fresh"), ("app", "INSERT INTO named VALUES (2, 2)"), ("app", "INSERT INTO fresh (v) VALUES ('s')"),
    ("app", "ALTER TABLE fresh RENAME TO last, ADD COLUMN l int"), ("app", "INSERT INTO last (v, l) VALUES ('l', 5)"),
    ("shard_1", "CREATE TABLE t_y (id int PRIMARY KEY)"), ("shard_1", "INSERT INTO t_y VALUES (1), (2)"), ("shard_1", "TRUNCATE TABLE t_y"), ("shard_1", "INSERT INTO t_y VALUES (3)"),
    ("", "CREATE DATABASE shard_2"), ("shard_2", "CREATE TABLE t_z (id int PRIMARY KEY, v text)"), ("", "INSERT INTO shard_2.t_z VALUES (1, 'z')"),
    ("app", "ALTER TABLE last ADD COLUMN same int, RENAME TO last"), ("", "INSERT INTO app.last (v, same) VALUES ('same', 6)"),  # no rename to the servers
    ("app", "CREATE TABLE gone_a (i int)"), ("", "CREATE TABLE ref.gone_b (i int)"), ("app", "DROP TABLE gone_a, ref.gone_b"),
    ("app", "CREATE TABLE made AS SELECT id, v FROM moved"), ("app", "DELETE FROM moved WHERE id = 4"),
]


def change(server):
    for db, statement in CHANGES:
        server.run(statement, db=db or None)


@BOTH
def test_copy_and_binlog(names, make_pair, job):
    """Rules of databases, of tables and by regular expression; a foreign key between tables that go to different places; each kind of DDL; a
    restart from the checkpoint in the middle."""
    pair = make_pair(*names.split(">"))
    s = pair.source
    s.run(*MADE)
    f = Files(pair, job)
    f.run()
    assert_equal(pair, f.job)
    assert "app" not in pair.target.databases() and "shard_1" in pair.target.databases()
    j = f.follow()
    for db, statement in CHANGES[:12]:
        s.run(statement, db=db or None)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    pair.target.run("CREATE DATABASE all_2")  # no database of the upstream is called so: nobody makes it
    for db, statement in CHANGES[12:]:
        s.run(statement, db=db or None)
    f.run()
    assert_equal(pair, j)


@BOTH
def test_killed_in_the_middle(names, make_pair, job):
    """The copy after tables are made, the sync before and behind a statement: what was executed is told by the downstream's names."""
    pair = make_pair(*names.split(">"))
    pair.source.run(*MADE)
    f = Files(pair, job)
    f.job.failpoints.arm("load_mid_chunk")
    f.run()
    assert_equal(pair, f.job)
    pair.target.run("CREATE DATABASE all_2")
    change(pair.source)
    for point in ("sync_ddl_doing", "sync_ddl_sent"):
        f.job.failpoints.arm(point)
    f.run()
    assert_equal(pair, f.job)


def test_cutover(make_pair, job):
    """It compares under the map, sets counters by the names downstream, and names both."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run(*MADE, "CREATE VIEW app.seen AS SELECT id FROM app.moved", "ALTER TABLE app.moved AUTO_INCREMENT=1000")
    f = Files(pair, job)
    j = f.follow()
    s.run("CREATE SEQUENCE app.numbers", "DO NEXTVAL(app.numbers)", "INSERT INTO app.moved (v) VALUES ('more')")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM other.place WHERE v='more'")[0][0], 60, "not applied", 0.3)
    read_only(s)
    try:
        d.run("UPDATE other.place SET v='changed' WHERE id=1")
        no = cutover(j, "--check", expect=FAILED)
        assert one(no, "fail", "`app`.`moved` (downstream `other`.`place`): of 5 rows some differ")
        d.run("UPDATE other.place SET v='a' WHERE id=1")
        answer = cutover(j)
        assert one(answer, "success", "rows: equal") and one(answer, "warn", "not asked for, and not made: 1 VIEW")
        assert d.query("SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA='other'")[0][0] >= 1001
        assert d.query("SELECT NEXTVAL(new.numbers)")[0][0] > 1
        assert d.query("SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA='new'") == ((0,),)
    finally:
        read_only(s, False)


SHARED = {"a": {"schema-pattern": "shard_*", "target-schema": "all"}}


def stops_at(j, s, statement, code, *said_words, db=None):
    s.run(statement, db=db)
    wait_stage(j, "Paused", code)
    text = subtask(j)["result"]["errors"][0]["Message"]
    for w in said_words:
        assert w in text, text
    ask(j, "binlog", "skip", "run", "-s", "one")
    wait_stage(j, "Running")


def test_one_target_for_two(make_pair, job):
    """Refused by the checks, by the load where they are passed by, and where the stream makes the second one."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE TABLE shard_1.t (id int PRIMARY KEY)", "CREATE TABLE shard_2.t (id int PRIMARY KEY)")
    f = Files(pair, job, SHARED)
    said_text = f.run(expect=FAILED)
    assert "60552" in said_text and "`shard_1`.`t` and `shard_2`.`t` both go to `all`.`t`" in said_text, said_text
    assert "all" not in d.databases()
    s.run("DROP TABLE shard_2.t")
    f = Files(pair, job, SHARED)
    j = f.follow()
    s.run("CREATE TABLE shard_2.u (id int PRIMARY KEY)", "INSERT INTO shard_2.u VALUES (1)")
    stops_at(j, s, "CREATE TABLE shard_2.t (id int PRIMARY KEY)", 60552, "`shard_2`.`t` and `shard_1`.`t` both go to `all`.`t`")
    stops_at(j, s, "RENAME TABLE shard_2.u TO shard_1.u, shard_2.t TO shard_2.u", 60552, "both go to `all`.`u`")
    assert d.query("SELECT COUNT(*) FROM `all`.u") == ((1,),)
    j.interrupt()


def test_second_table_comes_by_rows(make_pair, job):
    """Its CREATE was passed by: the first of its rows stops, whether rows of the other one were met since the start or not."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE TABLE shard_1.t (id int PRIMARY KEY, v text)", "INSERT INTO shard_1.t VALUES (1, 'one')")
    j = Files(pair, job, SHARED).follow()
    stops_at(j, s, "CREATE TABLE shard_2.t (id int PRIMARY KEY, v text)", 60552, "both go to `all`.`t`")
    s.run("REPLACE INTO shard_2.t VALUES (1, 'of another table')")
    wait_stage(j, "Paused", 60552)
    assert d.query("SELECT * FROM `all`.t") == ((1, "one"),)
    j.interrupt()


def test_second_table_without_a_copy(make_pair, job):
    """task-mode incremental: what rows were read of is known behind a restart too."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE TABLE shard_1.t (id int PRIMARY KEY, v text)")
    d.run("CREATE DATABASE `all`", "CREATE TABLE `all`.t (id int PRIMARY KEY, v text)")
    at = s.query("SHOW MASTER STATUS")[0]
    f = Files(pair, job, SHARED, mode="incremental", more=', meta: {binlog-name: "%s", binlog-pos: %d}' % at[:2])
    j = f.follow()
    s.run("INSERT INTO shard_1.t VALUES (1, 'one')")
    procs.wait_for(lambda: d.query("SELECT * FROM `all`.t") == ((1, "one"),), 60, f"not applied\n{j.story()}", 0.3)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    f.follow()
    s.run("CREATE TABLE IF NOT EXISTS shard_2.t (id int PRIMARY KEY, v text)", "REPLACE INTO shard_2.t VALUES (1, 'of another table')")
    wait_stage(j, "Paused", 60552)
    assert d.query("SELECT * FROM `all`.t") == ((1, "one"),)
    j.interrupt()


@pytest.mark.parametrize("second_name", ["new", "New"])
def test_two_sources(fleet, server, job, second_name):
    """Whose tables would meet in one target: the second one's copy is refused before it touches anything. Case does not make two of it."""
    (first,), (second,) = fleet("ma1011", "a"), fleet("ma1011", "b")
    d = server("ma118", "down")
    for s in (first, second):
        s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    f = Files(Pair(first, d), job, {n: {"schema-pattern": "app", "target-schema": to} for n, to in [("r", "new"), ("q", second_name)]})
    f.task.write_text(f.task.read_text().replace('["r", "q"]', "[r]")
                      .replace("block-allow-list: {ours", "  - {source-id: two, block-allow-list: ours, route-rules: [q]}\nblock-allow-list: {ours"))
    other = f.job.folder / "two.yaml"
    other.write_text(SOURCE.format(port=second.port, user=USER, password=PASSWORD).replace("one", "two"))
    other.chmod(0o600)
    said_text = f.run(other, expect=FAILED)
    assert "60552" in said_text and "is a target of source" in said_text, said_text
    for name in {"new", second_name} & set(d.databases()):
        assert d.query(f"SELECT COUNT(*) FROM `{name}`.t") in (((1,),), ((0,),))


def test_whole_databases(make_pair, job):
    """DROP and ALTER DATABASE only where the one downstream stands for the one upstream."""
    pair = make_pair("my97", "ma118")
    s, d = pair.source, pair.target
    s.run(*MADE)
    f = Files(pair, job)
    j = f.follow()
    s.run("CREATE DATABASE shard_7 CHARACTER SET latin1", "ALTER DATABASE shard_7 CHARACTER SET utf8mb4", "CREATE TABLE shard_7.q (i int PRIMARY KEY)")
    stops_at(j, s, "ALTER TABLE app.`odd``name` ADD CHECK (app.`odd``name`.v < 100)", 60553, "the old name stands in an expression")
    stops_at(j, s, "DROP DATABASE app", 60553, "`app`.`moved` is not in `new`, but in `other`")
    assert "new" in d.databases() and d.query("SELECT COUNT(*) FROM other.place")[0][0] == 4
    s.run("CREATE DATABASE shard_8", "CREATE TABLE shard_8.q (i int PRIMARY KEY)", "CREATE TABLE shard_8.r (i int PRIMARY KEY)")
    procs.wait_for(lambda: "shard_8" in d.databases() and len(d.query("SHOW TABLES FROM shard_8")) == 2, 60, j.story(), 0.3)
    d.run("CREATE TABLE shard_8.theirs (i int)")
    stops_at(j, s, "DROP DATABASE shard_8", 60553, "would drop `shard_8`.`theirs` in the downstream too")
    assert len(d.query("SHOW TABLES FROM shard_8")) == 3
    s.run("DROP DATABASE shard_7", "INSERT INTO ref.parent VALUES (3, 'behind')")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM ref.parent") == ((3,),), 60, f"not applied\n{j.story()}", 0.3)
    assert "shard_7" not in d.databases() and "all_1" in d.databases()
    j.interrupt()


def test_database_that_another_one_left(make_pair, job):
    """Two databases go into one; what is left of the first, whose DROP DATABASE was passed by, is not dropped with the second."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    for n in (1, 2):
        s.run(f"CREATE DATABASE shard_{n}", f"CREATE TABLE shard_{n}.t{n} (id int PRIMARY KEY)", f"INSERT INTO shard_{n}.t{n} VALUES (1)")
    j = Files(pair, job, SHARED).follow()
    stops_at(j, s, "DROP DATABASE shard_2", 60553, "`all` holds what is of `shard_1` too")
    stops_at(j, s, "DROP DATABASE shard_1", 60553, "would drop `all`.`t2` in the downstream too")
    assert d.query("SELECT COUNT(*) FROM `all`.t2") == ((1,),)
    j.interrupt()


def test_database_into_one_that_is_there(make_pair, job):
    """Its default charset need not be its target's: compared before a table is made, as nothing of the statement is done downstream."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1 CHARACTER SET utf8mb4", "CREATE TABLE shard_1.t1 (id int PRIMARY KEY)")
    j = Files(pair, job, SHARED).follow()
    s.run("CREATE DATABASE IF NOT EXISTS shard_2 CHARACTER SET latin1", "CREATE TABLE shard_2.t2 (k varchar(10) UNIQUE)")
    wait_stage(j, "Paused")
    text = subtask(j)["result"]["errors"][0]["Message"]
    assert "database `shard_2`: latin1 in the upstream, utf8mb4 in `all` of the downstream" in text, text
    assert d.query("SHOW TABLES FROM `all`") == (("t1",),)
    j.interrupt()


def test_operators_say_upstream_names(make_pair, job):
    """`binlog replace` names tables as the upstream does, as in DM."""
    pair = make_pair("my97", "ma118")
    s, d = pair.source, pair.target
    s.run(*MADE)
    j = Files(pair, job).follow()
    s.run("CREATE TABLE app.u (id int PRIMARY KEY, CHECK (app.u.id > 0)) CHARACTER SET utf8mb4", "INSERT INTO app.u VALUES (5)")
    wait_stage(j, "Paused", 60553)
    ask(j, "binlog", "replace", "run", "-s", "one", "CREATE TABLE app.u (id int PRIMARY KEY)")
    procs.wait_for(lambda: "u" in [r[0] for r in d.query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='new'")], 60, j.story(), 0.3)
    procs.wait_for(lambda: d.query("SELECT id FROM new.u") == ((5,),), 60, f"not applied\n{j.story()}", 0.3)
    ask(j, "pause-task", "run")
    wait_stage(j, "Paused")
    d.run("CREATE DATABASE app", "CREATE TABLE app.moved (other int PRIMARY KEY)")  # what is called so there is nobody's
    ask(j, "binlog-schema", "update", "run", "app", "moved", "--from-target")
    found = json.loads(d.query("SELECT structure FROM dm_meta.tidegate_structure WHERE table_schema='app' AND table_name='moved'")[0][0])
    assert [c["name"] for c in found["columns"]] == ["id", "v", "e"]
    d.run("RENAME TABLE other.place TO other.away")
    assert "no table `other`.`place`" in ask(j, "binlog-schema", "update", "run", "app", "moved", "--from-target", expect=FAILED)
    j.interrupt()


def dumped(pair, job, tmp_path, tables):
    folder, j = tmp_path / "files", job(pair)
    words = [str(j.bin / "tidegate"), "dump", "--from", pair.source.url(), "--dir", str(folder), "--tables", tables, "--state", str(tmp_path / "dumping")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def test_files(make_pair, job, tmp_path):
    """A dump into files has the upstream's names; routes hold where they are loaded."""
    pair = make_pair("ma1011", "my97")
    pair.source.run(*MADE)
    folder = dumped(pair, job, tmp_path, "app.*,shard_1.*,ref.*")
    assert (folder / "app.moved-schema.sql").exists() or list(folder.glob("app.moved*"))
    f = Files(pair, job, mode="load", more=", loader: {dir: \"%s\"}" % folder)
    f.run(until=None)
    assert_equal(pair, f.job)


SWAPPED = {"a": {"schema-pattern": "app", "table-pattern": "one", "target-schema": "new", "target-table": "x"},
           "b": {"schema-pattern": "app", "table-pattern": "two", "target-schema": "new", "target-table": "y"}}


def swap(task):
    text = task.read_text()
    task.write_text(text.replace('"x"', '"z"').replace('"y"', '"x"').replace('"z"', '"y"'))


def two_tables(s):
    s.run("CREATE DATABASE app", *(f"CREATE TABLE app.{n} (id int PRIMARY KEY, v char(8)) CHARACTER SET utf8mb4" for n in ("one", "two", "stays")))
    s.run("INSERT INTO app.one VALUES (1, 'one'), (2, 'one')", "INSERT INTO app.two VALUES (3, 'two'), (4, 'two')", "INSERT INTO app.stays VALUES (5, 'stays')")


def placed(d):
    return [d.query(f"SELECT id, v FROM new.{t} ORDER BY id") for t in ("x", "y")]


def test_other_routes_in_the_middle_of_a_copy(make_pair, job):
    """What is loaded under the old names is no part of the copy under the new ones."""
    pair = make_pair("ma1011", "ma118")
    two_tables(pair.source)
    f = Files(pair, job, SWAPPED)
    f.job.failpoints.arm("load_all_done", "sleep", arg=120000)
    f.job.start(f.task, f.source, until=None)
    procs.wait_for(lambda: "new" in pair.target.databases() and len(pair.target.query("SHOW TABLES FROM new")) == 2 and all(placed(pair.target)) and pair.target.query("SELECT v FROM app.stays"), 60, f.job.story, 0.3)
    assert f.job.interrupt() == INTERRUPTED, f.job.story()
    f.job.assert_gone()
    f.job.failpoints.disarm("load_all_done")
    shutil.rmtree(f.job.state)  # or it would go on as it was at once
    swap(f.task)
    f.run()
    for n in ("one", "two"):
        assert f"table `app`.`{n}` is copied again: the task's routes lead elsewhere now" in f.job.log(), f.job.story()
    assert placed(pair.target) == [((3, "two"), (4, "two")), ((1, "one"), (2, "one"))], f.job.story()


def test_other_routes_in_the_middle_of_files(make_pair, job, tmp_path):
    """Refused; under the old ones it goes on."""
    pair = make_pair("ma1011", "ma118")
    two_tables(pair.source)
    f = Files(pair, job, SWAPPED, mode="load", more=", loader: {dir: \"%s\"}" % dumped(pair, job, tmp_path, "app.*"))
    f.job.failpoints.arm("load_all_done", "sleep", arg=120000)
    f.job.start(f.task, f.source, until=None)
    procs.wait_for(lambda: "new" in pair.target.databases() and len(pair.target.query("SHOW TABLES FROM new")) == 2 and all(placed(pair.target)) and pair.target.query("SELECT v FROM app.stays"), 60, f.job.story, 0.3)
    assert f.job.interrupt() == INTERRUPTED, f.job.story()
    f.job.assert_gone()
    f.job.failpoints.disarm("load_all_done")
    shutil.rmtree(f.job.state)  # or it would go on as it was at once
    swap(f.task)
    said_text = f.run(expect=FAILED, until=None)
    assert "`app`.`one` was loaded elsewhere until now, not into `new`.`y`" in said_text, said_text
    shutil.rmtree(f.job.state)
    swap(f.task)
    f.run(until=None)
    assert placed(pair.target) == [((1, "one"), (2, "one")), ((3, "two"), (4, "two"))], f.job.story()


@pytest.mark.parametrize("routes, said_words", [
    ({"r": {"schema-pattern": "app", "target-schem": "x"}}, "8:32: unknown key `target-schem` in routes; did you mean `target-schema`?"),
    ({"r": {"schema-pattern": "app", "target-schema": "x$1"}}, "8:49: `x$1`: $1 is a group of a regular expression"),
    ({"r": {"schema-pattern": "~^a(b)", "target-schema": "x$2"}}, "8:52: `x$2`: the pattern has 1 groups, there is no $2"),
    ({"r": {"schema-pattern": "~(", "target-schema": "x"}}, "8:25: pattern \"~(\""),
    ({"r": {"schema-pattern": "app"}}, "8:6: `target-schema` is missing in routes"),
    ({"r": {"schema-pattern": "app", "target-schema": "x", "extract-table": {"table-regexp": "(a)", "target-column": "c"}}},
     "8:54: `extract-table` in routes is not supported"),
], ids=["key", "no group", "groups", "regex", "target", "extract"])
def test_mistakes(make_pair, job, routes, said_words):
    """Said with file, line and column, before anything is done."""
    f = Files(make_pair("ma1011", "ma118"), job, routes)
    assert "task.yaml:" + said_words in json.loads(f.run(expect=USAGE))["msg"]
