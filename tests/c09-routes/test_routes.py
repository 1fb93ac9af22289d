"""Table routing: tables stand under other names downstream, in the copy and as the binlog goes on, DDL among it; and what can't be routed is
refused by name."""
import json
import re
import shutil
import subprocess

import procs
import pytest
from conftest import Pair
from cutover import cutover, one, read_only
from resumed import finish, stop_at, went_on
from routed import SOURCE, Files, killed

from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED, USAGE
from words import ask, subtask, wait_stage

PAIRS = ["my97>ma118", "ma1011>my97", "ma1011>ma118", "my97>my97"]
BOTH = pytest.mark.parametrize("names", PAIRS[:2] + [pytest.param(p, marks=pytest.mark.long) for p in PAIRS[2:]])

ROUTES = {
    "schema": {"schema-pattern": "app", "target-schema": "new"},
    "table": {"schema-pattern": "app", "table-pattern": "moved", "target-schema": "other", "target-table": "place"},
    "regex": {"schema-pattern": "~^shard_(.)$", "table-pattern": "~^t(.*)$", "target-schema": "all_$1", "target-table": "u$1"},
}


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
    f = Files(pair, job, ROUTES)
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
    f = Files(pair, job, ROUTES)
    killed(f, "load_mid_chunk")
    assert_equal(pair, f.job)
    pair.target.run("CREATE DATABASE all_2")
    change(pair.source)
    killed(f, "sync_ddl_doing", "sync_ddl_sent")
    assert_equal(pair, f.job)


def test_cutover(make_pair, job):
    """It compares under the map, sets counters by the names downstream, and names both."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run(*MADE, "CREATE VIEW app.seen AS SELECT id FROM app.moved", "ALTER TABLE app.moved AUTO_INCREMENT=1000")
    # two that keep their names, which differ in case only, are two
    s.run("CREATE TABLE ref.t (id int PRIMARY KEY)", "CREATE TABLE ref.T (id int PRIMARY KEY)", "INSERT INTO ref.t VALUES (1)",
          "INSERT INTO ref.T VALUES (2), (3)")
    f = Files(pair, job, ROUTES)
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


SHARDS = ["CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE DATABASE app CHARACTER SET utf8mb4",
          *(f"CREATE TABLE shard_{n}.t (id int PRIMARY KEY AUTO_INCREMENT, v varchar(20), u int, UNIQUE KEY (u), KEY (v)) CHARACTER SET utf8mb4" for n in (1, 2)),
          *(f"CREATE TABLE shard_{n}.plain (v varchar(20), w double) CHARACTER SET utf8mb4 COMMENT 'without references'" for n in (1, 2)),
          "CREATE TABLE app.alone (id int PRIMARY KEY)", "INSERT INTO app.alone VALUES (1)",
          *(f"INSERT INTO shard_{n}.t VALUES " + ",".join(f"({i * 2 + n}, 'v{i}', {i * 2 + n})" for i in range(300)) for n in (1, 2)),
          *(f"INSERT INTO shard_{n}.plain VALUES ('same', 1.5), ('same', 1.5), ('of {n}', NULL)" for n in (1, 2))]


def shards_change(s, first):
    for i in range(first, first + 20):
        s.run(f"INSERT INTO shard_1.t VALUES ({i * 2 + 1}, 'new', {i * 2 + 1})", f"INSERT INTO shard_2.t VALUES ({i * 2 + 2}, 'new', {i * 2 + 2})",
              f"UPDATE shard_1.t SET v = 'changed' WHERE id = {i - 599}", f"DELETE FROM shard_2.t WHERE id = {i * 2 - 598}", f"UPDATE shard_2.t SET u = -u WHERE id = {i * 2 - 498}",
              "UPDATE shard_1.plain SET w = 2 WHERE v = 'same' LIMIT 1", "DELETE FROM shard_2.plain WHERE v = 'same' LIMIT 1", f"INSERT INTO shard_2.plain VALUES ('same', {i})")
    # a key, and a unique value, that go from one table to the other
    s.run("DELETE FROM shard_1.t WHERE id = 5", "INSERT INTO shard_2.t VALUES (5, 'moved', NULL)", "UPDATE shard_2.t SET id = 1000001 WHERE id = 5",
          "INSERT INTO shard_1.t VALUES (5, 'back', NULL)")
    s.run("DELETE FROM shard_2.t WHERE id = 1000001")


def assert_merged(pair, j):
    """The union of the source's tables, made here."""
    for name in ("t", "plain"):
        rows = [sorted(d.query(q), key=repr) for d, q in [(pair.source, f"SELECT * FROM shard_1.{name} UNION ALL SELECT * FROM shard_2.{name}"), (pair.target, f"SELECT * FROM `all`.{name}")]]
        assert rows[0] == rows[1], f"{name}: {[r for r in rows[0] if r not in rows[1]][:5]} {[r for r in rows[1] if r not in rows[0]][:5]}\n{j.story()}"
    pair.assert_equal(["app"], j.story)


@pytest.mark.parametrize("names", [PAIRS[1], *(pytest.param(p, marks=pytest.mark.long) for p in PAIRS if p != PAIRS[1])])
def test_merged(names, make_pair, job):
    """Several tables into one: the copy, the binlog, a restart in the middle, kills, also between the parts of a transaction; cutover compares the sum."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run(*SHARDS)
    f = Files(pair, job, SHARED, more=", syncer: {split-transaction: 400}")
    killed(f, "load_schema", "load_mid_chunk", "load_before_commit")
    assert_merged(pair, f.job)
    j = f.follow()
    shards_change(s, 600)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    shards_change(s, 700)
    s.run("BEGIN", "INSERT INTO shard_1.t VALUES " + ",".join(f"({i}, 'part', NULL)" for i in range(200000, 200600)), "DELETE FROM shard_1.t WHERE id = 200007",
          "INSERT INTO shard_2.t VALUES (200007, 'moved', NULL)", "INSERT INTO shard_2.plain VALUES " + ",".join(["('same', 1.5)"] * 600), "UPDATE shard_1.t SET v = 'changed' WHERE id > 200300",
          "UPDATE shard_2.t SET id = 200600 WHERE id = 200007", "INSERT INTO shard_1.t VALUES (200007, 'back', NULL)", "COMMIT")
    killed(f, "sync_before_commit", "split_part")
    assert_merged(pair, f.job)
    j = f.follow()
    read_only(s)
    try:
        answer = cutover(j, "--check")
        assert one(answer, "success", "rows: equal"), answer
        d.run("UPDATE `all`.plain SET w = 77 LIMIT 1")
        no = cutover(j, "--check", expect=FAILED)
        assert one(no, "fail", "and what is merged with it (downstream `all`.`plain`)"), no
    finally:
        read_only(s, False)


def test_merged_keys_that_clash(make_pair, job):
    """In the copy and in the stream: said, and no row goes over another one's."""
    pair = make_pair("ma1011", "my97")
    s, d = pair.source, pair.target
    s.run(*SHARDS, "INSERT INTO shard_2.t VALUES (3, 'clash', NULL)")
    f = Files(pair, job, SHARED)
    said_text = f.run(expect=FAILED)
    assert "rows of tables that are merged into `all`.`t` have the same key" in said_text and "Duplicate" in said_text, said_text
    s.run("DELETE FROM shard_2.t WHERE id = 3")
    shutil.rmtree(f.job.state)  # its snapshot has the row still
    f.run()
    assert_merged(pair, f.job)
    j = f.follow()
    s.run("INSERT INTO shard_2.t VALUES (3, 'clash', NULL)")
    wait_stage(j, "Paused")
    assert "Duplicate" in subtask(j)["result"]["errors"][0]["Message"]
    assert d.query("SELECT v FROM `all`.t WHERE id = 3") == (("v1",),)
    j.interrupt()


def test_merged_ddl(make_pair, job):
    """Pauses; DROP and TRUNCATE of one never reach the target, also where it is the last one."""
    pair = make_pair("my97", "ma118")
    s, d = pair.source, pair.target
    s.run(*SHARDS)
    j = Files(pair, job, SHARED).follow()
    stops_at(j, s, "TRUNCATE TABLE shard_1.plain", 60554, "`shard_1`.`plain` and `shard_2`.`plain` both go to `all`.`plain`")
    stops_at(j, s, "DROP TABLE shard_1.plain", 60554)
    stops_at(j, s, "DROP TABLE shard_2.plain", 60554)
    assert d.query("SELECT COUNT(*) FROM `all`.plain") == ((6,),)
    s.run("ALTER TABLE shard_1.t ADD COLUMN more int DEFAULT 7")
    wait_stage(j, "Paused", 60554)
    ask(j, "binlog", "replace", "run", "-s", "one", "ALTER TABLE shard_1.t ADD COLUMN more int DEFAULT 7")
    wait_stage(j, "Running")
    applied(j, d, "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'all' AND TABLE_NAME = 't' AND COLUMN_NAME = 'more'", ((1,),))
    ask(j, "stop-task", "run")
    ask(j, "start-task", j.folder / "task.yaml")  # one is altered, the other not yet: a task that has begun goes on
    wait_stage(j, "Running")
    s.run("INSERT INTO shard_1.t VALUES (5001, 'a', 5001, 1)", "INSERT INTO shard_2.t VALUES (5002, 'b', 5002)")
    stops_at(j, s, "ALTER TABLE shard_2.t ADD COLUMN more int DEFAULT 7", 60554)
    s.run("INSERT INTO shard_2.t VALUES (5004, 'b', 5004, 3)")
    stops_at(j, s, "CREATE INDEX by_more ON shard_2.t (more)", 60554)
    stops_at(j, s, "RENAME TABLE shard_2.t TO shard_2.other", 60554)
    s.run("RENAME TABLE shard_2.other TO shard_2.t")
    s.run("INSERT INTO app.alone VALUES (2)")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.alone") == ((2,),) or subtask(j)["stage"] == "Paused", 60, f"not applied\n{j.story()}", 0.3)
    assert d.query("SELECT id, more FROM `all`.t WHERE id > 5000 ORDER BY id") == ((5001, 1), (5002, 7), (5004, 3))
    j.interrupt()


def stops_at(j, s, statement, code, *said_words, db=None, first="DO 1"):
    s.run(first, statement, db=db)
    wait_stage(j, "Paused", code)
    text = subtask(j)["result"]["errors"][0]["Message"]
    for w in said_words:
        assert w in text, text
    ask(j, "binlog", "skip", "run", "-s", "one")
    wait_stage(j, "Running")


def test_into_one_that_keeps_its_name(make_pair, job):
    """`m1` and `m2` go to `m`, which is there in the upstream, too: its CREATE is said without a database."""
    pair = make_pair("ma1011", "my97")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app", *(f"CREATE TABLE app.{t} (id int PRIMARY KEY, v int)" for t in ("m", "m1", "m2")), *(f"INSERT INTO app.{t} VALUES ({n}, {n})" for n, t in enumerate(("m", "m1", "m2"))))
    j = Files(pair, job, {"a": {"schema-pattern": "app", "table-pattern": "m?", "target-schema": "app", "target-table": "m"}}).follow()
    s.run("INSERT INTO app.m VALUES (10, 10)", "UPDATE app.m1 SET v = 11", "DELETE FROM app.m2", "INSERT INTO app.m2 VALUES (12, 12)")
    applied(j, d, "SELECT * FROM app.m ORDER BY id", ((0, 0), (1, 11), (10, 10), (12, 12)))
    stops_at(j, s, "DROP TABLE app.m", 60554)
    j.interrupt()


def test_tables_that_are_not_alike(make_pair, job):
    """Refused by the checks, with both names; where the stream makes the second one, it is a statement on a merged table."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE TABLE shard_1.t (id int PRIMARY KEY)", "CREATE TABLE shard_2.t (id int PRIMARY KEY, v int)")
    f = Files(pair, job, SHARED)
    said_text = f.run(expect=FAILED)
    assert "60552" in said_text and "merge tables that are not alike: `shard_1`.`t` and `shard_2`.`t` (" in said_text, said_text
    assert "all" not in d.databases()
    s.run("DROP TABLE shard_2.t")
    f = Files(pair, job, SHARED)
    j = f.follow()
    s.run("CREATE TABLE shard_2.u (id int PRIMARY KEY)", "INSERT INTO shard_2.u VALUES (1)")
    stops_at(j, s, "CREATE TABLE shard_2.t (id int PRIMARY KEY)", 60554, "`shard_2`.`t` and `shard_1`.`t` both go to `all`.`t`")
    stops_at(j, s, "RENAME TABLE shard_2.u TO shard_1.u, shard_2.t TO shard_2.u", 60554)
    assert d.query("SELECT COUNT(*) FROM `all`.u") == ((1,),)
    j.interrupt()


def test_second_table_comes_by_rows(make_pair, job):
    """Its CREATE was passed by as an operator said: its rows are merged, none goes over the other one's."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE TABLE shard_1.t (id int PRIMARY KEY, v text)", "INSERT INTO shard_1.t VALUES (1, 'one')")
    j = Files(pair, job, SHARED).follow()
    stops_at(j, s, "CREATE TABLE shard_2.t (id int PRIMARY KEY, v text)", 60554, "both go to `all`.`t`")
    s.run("INSERT INTO shard_2.t VALUES (2, 'two')")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM `all`.t") == ((2,),), 60, f"not applied\n{j.story()}", 0.3)
    s.run("REPLACE INTO shard_2.t VALUES (1, 'of another table')")
    wait_stage(j, "Paused")
    assert d.query("SELECT * FROM `all`.t WHERE id = 1") == ((1, "one"),)
    j.interrupt()


@pytest.mark.parametrize("rules", ["", ", filter-rules: [some]"])
def test_second_table_without_a_copy(rules, make_pair, job):
    """task-mode incremental: what rows were read of is known behind a restart too, and when its own table is gone from the upstream; whatever other rules there are."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE TABLE shard_1.t (id int PRIMARY KEY, v text)", "CREATE TABLE shard_2.t (id int PRIMARY KEY, v text)")
    d.run("CREATE DATABASE `all`", "CREATE TABLE `all`.t (id int PRIMARY KEY, v text)")
    at = s.query("SHOW MASTER STATUS")[0]
    f = Files(pair, job, SHARED, mode="incremental", more=', meta: {binlog-name: "%s", binlog-pos: %d}' % at[:2] + rules)
    f.task.write_text(f.task.read_text() + "filters: {some: {schema-pattern: shard_1, table-pattern: t, events: [drop table], action: Ignore}}\n" * bool(rules))
    j = f.follow()
    s.run("INSERT INTO shard_1.t VALUES (1, 'one')")
    procs.wait_for(lambda: d.query("SELECT * FROM `all`.t") == ((1, "one"),), 60, f"not applied\n{j.story()}", 0.3)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    f.follow()
    s.run("INSERT INTO shard_2.t VALUES (2, 'two')")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM `all`.t") == ((2,),), 60, f"not applied\n{j.story()}", 0.3)
    if rules:
        s.run("DROP TABLE shard_1.t")  # left out: its rows stay
    else:
        stops_at(j, s, "DROP TABLE shard_1.t", 60554)
    stops_at(j, s, "DROP TABLE shard_2.t", 60554)
    assert len(d.query("SELECT * FROM `all`.t")) == 2
    j.interrupt()


def test_cutover_of_names_that_differ_in_case(make_pair, job):
    """Of two that keep their names, which differ in case only, a third one goes to the smaller: its rows are counted there, where the downstream has both."""
    pair = make_pair("ma1011", "my97")
    s, d = pair.source, pair.target
    tables = "(id int PRIMARY KEY, v varchar(200))"
    s.run("CREATE DATABASE ref", "CREATE DATABASE shard_1", *(f"CREATE TABLE {t} {tables}" for t in ("ref.t", "ref.T", "shard_1.x", "shard_1.y")))
    d.run("CREATE DATABASE ref", f"CREATE TABLE ref.t {tables}", f"CREATE TABLE ref.T {tables}")
    at = s.query("SHOW MASTER STATUS")[0]
    routes = {n: {"schema-pattern": "shard_1", "table-pattern": n, "target-schema": "ref", "target-table": t} for n, t in (("x", "t"), ("y", "T"))}
    j = Files(pair, job, routes, mode="incremental", more=', meta: {binlog-name: "%s", binlog-pos: %d}' % at[:2]).follow()
    # the list begins with the biggest one
    s.run("INSERT INTO ref.T SELECT seq, REPEAT('b', 200) FROM seq_1_to_3000", "INSERT INTO ref.t VALUES (1, 'small')", "INSERT INTO shard_1.x VALUES (5000, 'goes there')",
          "INSERT INTO shard_1.y VALUES (5000, 'to the big one')", "ANALYZE TABLE ref.t", "ANALYZE TABLE ref.T", db="ref")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM ref.t") == ((2,),), 60, j.story, 0.3)
    read_only(s)
    try:
        assert one(cutover(j, "--check"), "success", "rows: equal")
        d.run("UPDATE ref.t SET v = 'other' WHERE id = 5000")
        assert one(cutover(j, "--check", expect=FAILED), "fail", "`ref`.`t` and what is merged with it: of 2 rows some differ")
    finally:
        read_only(s, False)
    j.interrupt()


def applied(j, d, query, rows):
    """Or a pause, which is not what is waited for."""
    procs.wait_for(lambda: d.query(query) == rows or subtask(j)["stage"] == "Paused", 60, f"not applied\n{j.story()}", 0.3)
    assert d.query(query) == rows, f"{d.query(query)}\n{j.story()}"


def caught_up(pair, j):
    """All that was written is applied, or a pause. (Appliers stand side by side: a row that is there tells nothing of those before it.)"""
    s = pair.source
    file, offset = s.query("SHOW BINARY LOG STATUS" if s.flavor == "mysql" else "SHOW MASTER STATUS")[0][:2]
    procs.wait_for(lambda: (x := subtask(j))["stage"] == "Paused" or x.get("sync", {}).get("syncerBinlog") == f"({file}, {offset})", 60, lambda: f"not at {file}, {offset}\n{subtask(j)}\n{j.story()}", 0.3)


def as_one(pair, tables, target, columns="*"):
    """The rows of all of these, and those of their target."""
    return [sorted(s.query(q), key=repr) for s, q in [(pair.source, " UNION ALL ".join(f"SELECT {columns} FROM {t}" for t in tables)), (pair.target, f"SELECT {columns} FROM {target}")]]


def test_merged_structure_by_one_alone(make_pair, job):
    """An operator's ALTER by way of a table without rows since the start: those that had some know the new structure too."""
    pair = make_pair("my97", "ma118")
    s, d = pair.source, pair.target
    s.run(*SHARDS)
    j = Files(pair, job, SHARED).follow()
    ask(j, "pause-task", "run")
    wait_stage(j, "Paused")
    file, = [r[0] for r in s.query("SHOW BINARY LOGS")][-1:]
    s.run("INSERT INTO shard_2.t VALUES (5002, 'b', 5002)", "ALTER TABLE shard_1.t ADD COLUMN more int", "UPDATE shard_2.t SET v = 'c' WHERE id = 5002")
    at = [r[1] for r in s.query(f"SHOW BINLOG EVENTS IN '{file}' LIMIT 100000") if r[2] == "Query" and "ALTER TABLE" in r[5]][-1]
    # Said beforehand, so that nothing is learned anew in between: with what is known of the old downstream its key would still name one row.
    ask(j, "binlog", "replace", "run", "-s", "one", "-b", f"{file}:{at}", "ALTER TABLE shard_1.t DROP PRIMARY KEY, MODIFY id int, DROP KEY u")
    ask(j, "resume-task", "run")
    wait_stage(j, "Paused", 60552)
    assert "no unique key lies within its own" in subtask(j)["result"]["errors"][0]["Message"]
    assert d.query("SELECT v FROM `all`.t WHERE id = 5002") == (("b",),)
    j.interrupt()


def with_filter(f, *events, pattern="never said"):
    """The checks would refuse what leaves out inserts alone: here it is the sync that is looked at."""
    text = f.task.read_text().replace("route-rules:", "filter-rules: [out, unread], route-rules:", 1)
    f.task.write_text(text + "filters: {out: {schema-pattern: \"shard_*\", events: %s, action: Ignore}, unread: {schema-pattern: \"*\", sql-pattern: [%s], action: Ignore}}\nignore-checking-items: [merged_rows]\n"
                      % (json.dumps(list(events)), json.dumps(pattern)))
    return f


@pytest.mark.parametrize("event, gone", [pytest.param("drop database", "DROP DATABASE shard_1", marks=pytest.mark.long), ("drop table", "DROP TABLE shard_1.t, shard_1.plain"),
                                         pytest.param("rename table", "RENAME TABLE shard_1.t TO shard_1.away", marks=pytest.mark.long), (None, "DROP DATABASE shard_1")])
def test_rows_of_one_that_a_rule_left(make_pair, job, event, gone):
    """Its DROP is left out, or skipped: its rows stay, so the target must not go with the other one's own DROP, before a restart and behind it."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run(*SHARDS)
    f = Files(pair, job, SHARED)
    if event:
        with_filter(f, event)
    j = f.follow()
    s.run("INSERT INTO shard_1.t VALUES (5001, 'a', 5001)", "INSERT INTO shard_2.t VALUES (5002, 'b', 5002)")
    if event:
        s.run(gone)
    else:
        stops_at(j, s, gone, 60553)
    s.run("INSERT INTO app.alone VALUES (2)")
    caught_up(pair, j)
    assert d.query("SELECT COUNT(*) FROM app.alone") == ((2,),), j.story()
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    if event:
        f.task.write_text(f.task.read_text().replace(json.dumps([event]), '["create view"]'))
    j = f.follow()
    stops_at(j, s, "DROP TABLE shard_2.t", 60554, "both go to `all`.`t`")
    assert d.query("SELECT COUNT(*) FROM `all`.t") == ((602,),)
    j.interrupt()


def test_left_out_whole_behind_the_copy(make_pair, job):
    """The copy has brought its rows: a change of another table's row that is not there must not be made to one of them."""
    pair = make_pair("my97", "ma1011")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", *(f"CREATE TABLE shard_{n}.t (id int PRIMARY KEY, v int)" for n in (1, 2)), "INSERT INTO shard_1.t VALUES (1, 1)", "INSERT INTO shard_2.t VALUES (7, 7)")
    f = with_filter(Files(pair, job, SHARED), "insert")
    text = f.task.read_text().replace("filter-rules: [", "filter-rules: [whole, ").replace("filters: {", 'filters: {whole: {schema-pattern: shard_2, events: [all dml], action: Ignore}, ')
    f.task.write_text(text)
    j = f.follow()
    s.run("INSERT INTO shard_1.t VALUES (7, 70)", "UPDATE shard_1.t SET v = 71 WHERE id = 7")
    wait_stage(j, "Paused", 60552)
    assert d.query("SELECT id, v FROM `all`.t ORDER BY id") == ((1, 1), (7, 7))
    j.interrupt()


def test_merged_with_rows_left_out(make_pair, job):
    """Where only the changes of a row come, they could be made to another one's: refused. So is a statement that nobody can read, as what became of
    the table is not known."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run(*SHARDS)
    j = with_filter(Files(pair, job, SHARED), "insert", pattern="nolog").follow()
    stops_at(j, s, "ALTER TABLE t MODIFY /* nolog */ v varchar(20), RENAME TO y, RENAME TO t", 60554, "a statement that can't be read", "`.`t`", db="shard_2")
    assert d.query("SELECT COUNT(*) FROM dm_meta.tidegate_structure WHERE table_name='t'") == ((2,),)
    s.run("INSERT INTO shard_2.t VALUES (3, 'left out', NULL)", "UPDATE shard_2.t SET v = 'over it' WHERE id = 3")
    wait_stage(j, "Paused", 60552)
    assert "a rule of filters or expression-filter" in subtask(j)["result"]["errors"][0]["Message"]
    assert d.query("SELECT v FROM `all`.t WHERE id = 3") == (("v1",),)
    j.interrupt()


def test_keys_that_change_unseen(make_pair, job):
    """Updates alone are left out: a row may be under another key than in the upstream, and its DELETE would be another table's row's."""
    pair = make_pair("my97", "ma118")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", *(f"CREATE TABLE shard_{n}.t (id int PRIMARY KEY, v int)" for n in (1, 2)), "INSERT INTO shard_1.t VALUES (1, 1)", "INSERT INTO shard_2.t VALUES (7, 7)")
    j = with_filter(Files(pair, job, SHARED), "update").follow()
    s.run("UPDATE shard_1.t SET id = 5", "INSERT INTO shard_2.t VALUES (5, 50)", "DELETE FROM shard_1.t WHERE id = 5", "INSERT INTO shard_2.t VALUES (8, 8)")
    procs.wait_for(lambda: subtask(j)["stage"] == "Paused" or d.query("SELECT id FROM `all`.t WHERE id = 8"), 60, j.story, 0.3)
    assert subtask(j)["stage"] == "Paused", d.query("SELECT id, v FROM `all`.t ORDER BY id")
    wait_stage(j, "Paused", 60552)
    assert d.query("SELECT id, v FROM `all`.t ORDER BY id") == ((1, 1), (7, 7))
    j.interrupt()


@pytest.mark.parametrize("names", [PAIRS[0], pytest.param(PAIRS[1], marks=pytest.mark.long)])
def test_archive(names, make_pair, job):
    """Several tables into one that keeps what they lose, as with DM: deletes, TRUNCATE and DROP are left out of the stream, and every row that ever was stays."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run(*SHARDS)
    f = Files(pair, job, SHARED, more=", filter-rules: [keep]")
    f.task.write_text(f.task.read_text() + 'filters: {keep: {schema-pattern: "shard_*", events: [delete, truncate table, drop table, drop database], action: Ignore}}\n')
    j = f.follow()
    seen = {r for n in (1, 2) for r in s.query(f"SELECT id FROM shard_{n}.t")}

    def change(first):
        s.run(*(f"INSERT INTO shard_{n}.t VALUES ({first + n}, 'new', {first + n}), ({first + 10 + n}, 'new', NULL)" for n in (1, 2)), f"UPDATE shard_1.t SET v = 'changed' WHERE id = {first + 1}",
              f"UPDATE shard_2.t SET u = -u WHERE id = {first + 2}", f"DELETE FROM shard_1.t WHERE id = {first + 11}", f"DELETE FROM shard_2.t WHERE id < {first}",
              *(f"INSERT INTO shard_{n}.plain VALUES ('at {first}', {n})" for n in (1, 2)), "DELETE FROM shard_1.plain", "TRUNCATE TABLE shard_1.t")
        seen.update((first + more + n,) for more in (0, 10) for n in (1, 2))
    change(1000)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    change(2000)
    s.run("DROP TABLE shard_1.plain", "INSERT INTO shard_2.plain VALUES ('behind', 2)", "DROP DATABASE shard_1", "DROP TABLE shard_2.plain")
    f.follow()
    s.run("INSERT INTO shard_2.t VALUES (3000, 'last', 3000)", "DROP TABLE shard_2.t", "DROP DATABASE shard_2", "INSERT INTO app.alone VALUES (2)")
    seen.add((3000,))
    caught_up(pair, j)
    assert d.query("SELECT COUNT(*) FROM app.alone") == ((2,),), j.story()
    assert set(d.query("SELECT id FROM `all`.t")) == seen, j.story()
    assert d.query("SELECT id, v, u FROM `all`.t WHERE id > 999 AND (v <> 'new' OR u < 0) ORDER BY id") == (
        (1001, "changed", 1001), (1002, "new", -1002), (2001, "changed", 2001), (2002, "new", -2002), (3000, "last", 3000))
    assert d.query("SELECT COUNT(*) FROM `all`.plain") == ((6 + 4 + 1,),)
    j.interrupt()


@pytest.mark.parametrize("names", [PAIRS[1], pytest.param(PAIRS[0], marks=pytest.mark.long)])
def test_deletes_judged_of_merged_tables(names, make_pair, job):
    """delete-value-expr alone: what it keeps is a row of an archive, and no change can be made to another table's row by it. A key that such a row has
    still stops the task where it is used again, by either table; check-task lets the rule pass."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run(*SHARDS)
    f = Files(pair, job, SHARED, more=", expression-filters: [keep]")
    f.task.write_text(f.task.read_text() + "expression-filter: {keep: {schema: shard_1, table: t, delete-value-expr: \"v = 'v3' OR u > 5000\"}}\n")
    j = f.follow()
    s.run("UPDATE shard_1.t SET u = 6001 WHERE id = 9", "DELETE FROM shard_1.t WHERE id IN (7, 9, 11)", "DELETE FROM shard_2.t WHERE id IN (8, 10)", "UPDATE shard_1.t SET id = 11 WHERE id = 13",
          "DELETE FROM shard_1.plain LIMIT 1", "INSERT INTO app.alone VALUES (2)")
    caught_up(pair, j)
    assert d.query("SELECT COUNT(*) FROM app.alone") == ((2,),), j.story()
    assert j.interrupt() == INTERRUPTED, j.story()
    want = "SELECT id, v, u FROM {} ORDER BY 1"
    kept = ((7, "v3", 7), (9, "v4", 6001))

    def equal():
        union = "(SELECT * FROM shard_1.t UNION ALL SELECT * FROM shard_2.t) x"
        assert d.query(want.format("`all`.t")) == tuple(sorted(s.query(want.format(union)) + kept)), j.story()
    equal()
    s.run("UPDATE shard_2.t SET v = 'far' WHERE id > 400", "DELETE FROM shard_1.t WHERE id = 21", "INSERT INTO shard_2.t VALUES (21, 'of the other', 21)")
    f.follow()
    s.run("INSERT INTO app.alone VALUES (3)")
    caught_up(pair, j)
    assert d.query("SELECT COUNT(*) FROM app.alone") == ((3,),), j.story()
    equal()
    s.run("UPDATE shard_2.t SET id = 7 WHERE id = 22", "UPDATE shard_2.t SET v = 'of the other' WHERE id = 7", "DELETE FROM shard_2.t WHERE id = 7")
    wait_stage(j, "Paused", 10006)
    assert "7" in subtask(j)["result"]["errors"][0]["Message"] and d.query("SELECT id, v, u FROM `all`.t WHERE id IN (7, 9)") == kept
    j.interrupt()


@BOTH
def test_rows_judged_under_routes(names, make_pair, job):
    """expression-filter names tables as the upstream does, whatever they are called downstream; behind a restart and an ALTER too."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4", "CREATE DATABASE shard_1", "CREATE TABLE app.moved (id int PRIMARY KEY, v varchar(30))", "CREATE TABLE app.stays (id int PRIMARY KEY, n int)",
          "CREATE TABLE shard_1.t_x (id int PRIMARY KEY, n int)", "CREATE TABLE shard_1.rest (id int PRIMARY KEY, n int)", "INSERT INTO app.moved VALUES (1, 'secret'), (2, 'plain')")
    f = Files(pair, job, ROUTES, more=", expression-filters: [moved, stays, x, nobody], syncer: {missing-row: count}")
    f.task.write_text(f.task.read_text() + """expression-filter:
  moved: {schema: app, table: moved, insert-value-expr: "v = 'secret'"}
  stays: {schema: app, table: stays, delete-value-expr: n > 10}
  x: {schema: shard_1, table: t_x, update-old-value-expr: n < 0, update-new-value-expr: n > 0}
  nobody: {schema: other, table: place, insert-value-expr: id > 0}
""")
    j = f.follow()

    def change(first):
        a, b, c = first, first + 1, first + 2
        s.run(f"INSERT INTO app.moved (id, v) VALUES ({a}, 'secret'), ({b}, 'told'), ({c}, NULL)", f"INSERT INTO app.stays (id, n) VALUES ({a}, 11), ({b}, 10), ({c}, NULL)",
              f"DELETE FROM app.stays WHERE id >= {first}", *(f"INSERT INTO {t} (id, n) VALUES ({a}, -1), ({b}, 1), ({c}, -1)" for t in ("shard_1.t_x", "shard_1.rest")),
              *(f"UPDATE {t} SET n = IF(id = {c}, 0, 5) WHERE id >= {first}" for t in ("shard_1.t_x", "shard_1.rest")))
    change(10)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    s.run("ALTER TABLE app.moved ADD COLUMN f int FIRST", "ALTER TABLE app.stays ADD COLUMN f int FIRST", "ALTER TABLE shard_1.t_x ADD COLUMN f int FIRST", "CREATE DATABASE other", "CREATE TABLE other.place (id int PRIMARY KEY)")
    change(20)
    f.run()
    assert d.query("SELECT id, v FROM other.place ORDER BY id") == ((1, "secret"), (2, "plain"), (11, "told"), (12, None), (21, "told"), (22, None))
    assert d.query("SELECT id, n FROM new.stays ORDER BY id") == ((10, 11), (20, 11))
    assert d.query("SELECT id, n FROM all_1.u_x ORDER BY id") == ((10, -1), (11, 5), (12, 0), (20, -1), (21, 5), (22, 0))
    assert d.query("SELECT id, n FROM shard_1.rest ORDER BY id") == ((10, 5), (11, 5), (12, 0), (20, 5), (21, 5), (22, 0))


def test_merged_in_words_that_differ_by_counters(make_pair, job):
    """How far they have counted says nothing, wherever it stands among what SHOW CREATE says behind the columns; anything else does."""
    pair = make_pair("ma1011", "ma118")
    s = pair.source
    made = "CREATE TABLE shard_{}.t (id int AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT={} COMMENT='of (it) AUTO_INCREMENT={}' PARTITION BY HASH (id) PARTITIONS 2"
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", made.format(1, 1000, 5), made.format(2, 20, 6))
    s.run("INSERT INTO shard_1.t VALUES (1)", "INSERT INTO shard_2.t VALUES (2)")
    f = Files(pair, job, SHARED)
    said_text = f.run(expect=FAILED)
    assert "60552" in said_text and "make them alike" in said_text, said_text
    s.run("DROP TABLE shard_2.t", made.format(2, 20, 5), "INSERT INTO shard_2.t VALUES (2)")
    shutil.rmtree(f.job.state)  # its snapshot has the old one
    f.run()
    assert as_one(pair, ["shard_1.t", "shard_2.t"], "`all`.t") == [[(1,), (2,)]] * 2


ONE_KEY = ["CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE DATABASE app CHARACTER SET utf8mb4", "CREATE TABLE app.alone (id int PRIMARY KEY)",
           *(f"CREATE TABLE shard_{n}.t (id int PRIMARY KEY, v varchar(200), n int) CHARACTER SET utf8mb4" for n in (1, 2)),
           *(f"INSERT INTO shard_{n}.t SELECT seq * 2 + {n}, 'v', 0 FROM app.seq_1_to_400" for n in (1, 2))]


def keys_that_wander(s, turns, first=0):
    """Each key belongs to one table at a time, and goes from one to the other and back, in one transaction and in several."""
    for i in range(first, first + turns):
        k = 3 + i % 60
        mine, other = (1, 2) if s.query(f"SELECT 1 FROM shard_1.t WHERE id = {k}") else (2, 1)
        s.run(f"UPDATE shard_{mine}.t SET n = n + 1 WHERE id BETWEEN {k} AND {k + 30}",
              "BEGIN", f"DELETE FROM shard_{mine}.t WHERE id = {k}", f"INSERT INTO shard_{other}.t VALUES ({k}, 'moved', {i})", "COMMIT",
              f"UPDATE shard_{other}.t SET n = n + 1 WHERE id = {k}", f"UPDATE shard_{other}.t SET id = {-k} WHERE id = {k}", f"INSERT INTO shard_{mine}.t VALUES ({k}, 'second', {i})",
              f"DELETE FROM shard_{other}.t WHERE id = {-k}", f"INSERT INTO shard_{mine}.t VALUES ({-k}, 'gone soon', {i})", f"DELETE FROM shard_{mine}.t WHERE id = {-k}")


@pytest.mark.long
@pytest.mark.parametrize("names", ["ma1011>my97", "ma1011>ma118"])
def test_merged_by_one_key(names, make_pair, job):
    """Tables that are folded, and written by upserts, with a key that goes back and forth; several lanes meet in one target, the sync is killed among
    them; one transaction that goes in parts."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run(*ONE_KEY)
    f = Files(pair, job, SHARED, more=", syncer: {worker-count: 4}")
    f.run()
    keys_that_wander(s, 40)
    killed(f, "sync_after_guard", "sync_before_commit", "sync_after_commit")
    assert len(set(map(tuple, as_one(pair, ["shard_1.t", "shard_2.t"], "`all`.t")))) == 1, f.job.story()
    s.run("BEGIN", "DELETE FROM shard_1.t WHERE id % 3 = 0", "INSERT INTO shard_2.t SELECT seq + 100000, REPEAT('x', 200), 1 FROM app.seq_1_to_120000",
          "UPDATE shard_2.t SET n = n + 1 WHERE id < 500", "DELETE FROM shard_2.t WHERE id BETWEEN 100001 AND 100100", "INSERT INTO shard_1.t SELECT seq + 100000, 'here now', 2 FROM app.seq_1_to_100", "COMMIT")
    keys_that_wander(s, 5, 200)
    killed(f, "large_rows")
    source, target = as_one(pair, ["shard_1.t", "shard_2.t"], "`all`.t")
    assert source == target, f"{len(source)} {len(target)}\n{f.job.story()}"
    pair.assert_equal(["app"], f.job.story)


def test_merged_in_safe_mode(make_pair, job):
    """It can't tell whose a row is: they are written as without it, and that is said; where it must be safe, it stops."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run(*SHARDS)
    f = Files(pair, job, SHARED, more=", syncer: {safe-mode: true}")
    j = f.follow()
    shards_change(s, 600)
    s.run("INSERT INTO app.alone VALUES (2)")
    caught_up(pair, j)
    assert d.query("SELECT COUNT(*) FROM app.alone") == ((2,),), j.story()
    assert_merged(pair, j)
    assert "holds rows of several tables: they are written as without safe-mode" in j.log()
    s.run("INSERT INTO shard_2.t VALUES (7, 'clash', NULL)")
    wait_stage(j, "Paused")
    assert d.query("SELECT v FROM `all`.t WHERE id = 7") == (("changed",),)
    j.interrupt()


def fill(n, table, rows):
    return f"INSERT INTO shard_{n}.{table} SELECT seq * 2 + {n}, REPEAT('p', 190) FROM app.seq_1_to_{rows}"


@pytest.mark.long
def test_merged_copy_goes_on(make_pair, job):
    """Under another snapshot: of two that are whole both stay; where one is not, both are copied again."""
    pair = make_pair("ma1011", "my97")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE DATABASE app CHARACTER SET utf8mb4", "CREATE TABLE app.alone (id int PRIMARY KEY)",
          *(f"CREATE TABLE shard_{n}.{t} (id int PRIMARY KEY, p varchar(190)) CHARACTER SET utf8mb4" for n in (1, 2) for t in ("few", "many")),
          fill(1, "many", 30000), fill(2, "many", 12000), fill(1, "few", 18000), fill(2, "few", 14000))
    f = Files(pair, job, SHARED, more=", mydumper: {threads: 1, chunk-filesize: 1}")
    files = [f.task, f.source]
    stop_at(f.job, files, pair, 15, 14)
    rows = {"few": (18000, 14000), "many": (30000, 12000)}
    there = dict(d.query("SELECT CONCAT(table_schema, '.', table_name), CAST(SUM(row_count) AS SIGNED) FROM dm_meta.tidegate_chunk GROUP BY 1"))
    missing = {t: sum(rows[t]) - sum(there.get(f"shard_{n}.{t}", 0) for n in (1, 2)) for t in rows}
    (whole,), (part,) = [t for t in rows if not missing[t]], [t for t in rows if missing[t]]  # which is which is up to estimates
    assert rows[part][0] == there[f"shard_1.{part}"], there
    s.run("UPDATE shard_1.few SET p = 'changed' WHERE id < 1000", "DELETE FROM shard_1.many WHERE id < 500", "INSERT INTO shard_2.many VALUES (101, 'x')", "DELETE FROM shard_2.few WHERE id > 28000",
          "INSERT INTO shard_1.few VALUES (28002, 'y')")
    f.job.units("dump")[0].kill()
    f.job.wait_log("goes on under another snapshot")
    assert went_on(f.job)[0][1] == sum(rows[whole]) and f"table `shard_1`.`{part}` is copied again: it is merged with tables that are not whole" in f.job.log(), f.job.story()
    finish(f.job, files, pair)
    for t in ("few", "many"):
        source, target = as_one(pair, [f"shard_{n}.{t}" for n in (1, 2)], f"`all`.{t}")
        assert source == target, f"{t} {len(source)} {len(target)}\n{f.job.story()}"


EXTRACTS = {"a": {"schema-pattern": "shard_*", "table-pattern": "t_*", "target-schema": "all", "target-table": "t", "extract-table": {"table-regexp": "^t_(.)(.*)", "target-column": "c_table"},
                  "extract-schema": {"schema-regexp": "_(.*)", "target-column": "c_schema"}, "extract-source": {"source-regexp": "(.*)", "target-column": "c_source"}},
            "b": {"schema-pattern": "shard_*", "table-pattern": "plain", "target-schema": "all", "target-table": "plain", "extract-schema": {"schema-regexp": "_(.)", "target-column": "c_schema"}},
            "c": {"schema-pattern": "shard_*", "table-pattern": "own", "target-schema": "all", "target-table": "own", "extract-schema": {"schema-regexp": "_(.)", "target-column": "c"}},
            "d": {"schema-pattern": "app", "target-schema": "all", "extract-source": {"source-regexp": "^(.)", "target-column": "src"}}}
EXTRACTED = {"t": ("id, v, e + 0, {}", {"shard_1.t_ab": "'ab', '1', 'one'", "shard_x.t_c": "'c', 'x', 'one'"}),
             "single": ("id, v, {}", {"app.single": "'o'"}), "plain": ("v, w, {}", {"shard_1.plain": "'1'", "shard_x.plain": "'x'"}), "own": ("id, v, {}", {"shard_1.own": "'1'", "shard_x.own": "'x'"})}


def assert_extracted(pair, j):
    for name, (columns, tables) in EXTRACTED.items():
        source = sorted(pair.source.query(" UNION ALL ".join(f"SELECT {columns.format(v)} FROM {t}" for t, v in tables.items())), key=repr)
        names = {"t": "c_table, c_schema, c_source", "plain": "c_schema", "own": "c", "single": "src"}[name]
        target = sorted(pair.target.query(f"SELECT {columns.format(names)} FROM `all`.{name}"), key=repr)
        assert source == target, f"{name} {[r for r in source if r not in target][:5]} {[r for r in target if r not in source][:5]}\n{j.story()}"


@pytest.mark.parametrize("names", [PAIRS[1], *(pytest.param(p, marks=pytest.mark.long) for p in PAIRS if p != PAIRS[1])])
def test_extracted_columns(names, make_pair, job):
    """Columns of the downstream that hold parts of the upstream's names: rows with one key in two tables are two, each is changed for itself; a table
    without a key, one whose key is unique there without the column, one that is alone in its target and is changed by DDL; kills of the copy, the sync and between the parts of a transaction."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    for db, t in (("shard_1", "t_ab"), ("shard_x", "t_c")):
        s.run(f"CREATE DATABASE {db} CHARACTER SET utf8mb4", f"CREATE TABLE {db}.{t} (id int PRIMARY KEY AUTO_INCREMENT, v varchar(20), e enum('a','','c'))",
              f"CREATE TABLE {db}.plain (v varchar(20), w double)", f"CREATE TABLE {db}.own (id int PRIMARY KEY, v varchar(20))",
              f"INSERT INTO {db}.{t} (v, e) VALUES " + ",".join(f"('{db}', 'c')" for _ in range(300)), f"INSERT INTO {db}.plain VALUES ('same', 1.5), ('same', 1.5), (NULL, NULL)",
              "SET sql_mode=''", f"INSERT INTO {db}.{t} (v, e) VALUES ('odd', 'no member')")
    s.run("CREATE DATABASE app", "CREATE TABLE app.single (id int PRIMARY KEY, v varchar(20))", "INSERT INTO app.single VALUES (1, 'a'), (2, 'b')")
    s.run("INSERT INTO shard_1.own VALUES (1, 'a'), (2, 'b')", "INSERT INTO shard_x.own VALUES (3, 'c')")
    f = Files(pair, job, EXTRACTS, more=", syncer: {split-transaction: 400}")
    said_text = f.run(expect=FAILED)
    assert "make the table by hand, with that column" in said_text, said_text
    d.run("CREATE DATABASE IF NOT EXISTS `all`", "CREATE TABLE `all`.t (c_table varchar(20), id int AUTO_INCREMENT, v varchar(20), e enum('a','','c'), c_schema varchar(20) CHARACTER SET latin1, c_source text, PRIMARY KEY (id, c_schema)) CHARACTER SET utf8mb4",
          "CREATE TABLE `all`.plain (v varchar(20), w double) CHARACTER SET utf8mb4", "CREATE TABLE `all`.own (id int PRIMARY KEY, v varchar(20), c char(3)) CHARACTER SET utf8mb4",
          "CREATE TABLE `all`.single (id int, v varchar(20), src varchar(9), PRIMARY KEY (src, id)) CHARACTER SET utf8mb4", "INSERT INTO `all`.single VALUES (0, 'x', 'x')", "DELETE FROM `all`.single")
    said_text = f.run(expect=FAILED)
    assert "without column `c_schema`, which the task's routes fill" in said_text, said_text
    d.run("ALTER TABLE `all`.plain ADD COLUMN c_schema varchar(20) CHARACTER SET utf8mb4")
    killed(f, "load_mid_chunk", "load_before_commit")
    assert_extracted(pair, f.job)
    s.run("UPDATE shard_1.t_ab SET v = 'first' WHERE id <= 100", "UPDATE shard_x.t_c SET v = 'second' WHERE id BETWEEN 50 AND 150", "DELETE FROM shard_1.t_ab WHERE id = 7", "INSERT INTO shard_1.t_ab VALUES (7, 'again', 'a')",
          "UPDATE shard_x.t_c SET id = 5000 WHERE id = 7", "DELETE FROM shard_x.t_c WHERE id = 9", "UPDATE shard_1.plain SET w = 2 WHERE v = 'same' LIMIT 1", "DELETE FROM shard_x.plain WHERE v = 'same' LIMIT 1",
          "UPDATE shard_1.own SET v = 'changed' WHERE id = 1", "UPDATE shard_x.own SET id = 30", "INSERT INTO shard_1.own VALUES (3, 'of 1 now')", "DELETE FROM shard_1.own WHERE id = 2")
    s.run("UPDATE app.single SET v = 'before' WHERE id = 1", "ALTER TABLE app.single ADD COLUMN n int DEFAULT 7, ADD KEY (v)", "INSERT INTO app.single VALUES (3, 'behind', 8)", "UPDATE app.single SET v = CONCAT(v, n), id = id + 10 WHERE id < 3",
          "DELETE FROM app.single WHERE id = 12")
    s.run("BEGIN", *(f"INSERT INTO {t} VALUES " + ",".join(f"({i}, 'part', 'a')" for i in range(10000, 10600)) for t in ("shard_1.t_ab", "shard_x.t_c")), "DELETE FROM shard_1.t_ab WHERE id > 10500", "COMMIT")
    killed(f, "sync_before_commit", "split_part")
    assert_extracted(pair, f.job)


@pytest.mark.parametrize("second_name", ["New", None])
def test_two_sources(fleet, server, job, second_name):
    """Whose tables would meet in one target that is written in another case, or without any routes (None): the second one's copy is refused before it touches anything."""
    (first,), (second,) = fleet("ma1011", "a"), fleet("ma1011", "b")
    d = server("ma118", "down")
    for n, s in enumerate((first, second)):
        s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", f"INSERT INTO app.t VALUES ({n})")
    f = Files(Pair(first, d), job, {n: {"schema-pattern": "app", "target-schema": to} for n, to in [("r", "new"), ("q", second_name)] if second_name})
    f.task.write_text(f.task.read_text().replace('["r", "q"]', "[r]").replace("routes:\n\n", "")
                      .replace("block-allow-list: {ours", f"  - {{source-id: two, block-allow-list: ours, route-rules: {'[q]' if second_name else '[]'}}}\nblock-allow-list: {{ours"))
    other = f.job.folder / "two.yaml"
    other.write_text(SOURCE.format(port=second.port, user=USER, password=PASSWORD).replace("one", "two"))
    other.chmod(0o600)
    said_text = f.run(other, expect=FAILED)
    assert "60552" in said_text and "is a target of source" in said_text, said_text
    for name in {"new", second_name, "app"} & set(d.databases()):
        assert d.query(f"SELECT COUNT(*) FROM `{name}`.t") in (((1,),), ((0,),))


def test_refused_while_another_one_copies(fleet, server, job):
    """What it had claimed then is not its own later: neither a start as before nor one into another place touches the other one's rows."""
    (first,), (second,) = fleet("ma1011", "a"), fleet("ma1011", "b")
    d = server("ma118", "down")
    for n, s in enumerate((first, second)):
        s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", f"INSERT INTO app.t VALUES ({n})")
    second.run("CREATE TABLE app.u (id int PRIMARY KEY)")
    one, two = (Files(Pair(s, d), job, {}, mode="full") for s in (first, second))
    for f in (one, two):
        f.task.write_text(f.task.read_text().replace("routes:\n\n", ""))
    two.task.write_text(two.task.read_text().replace("source-id: one", "source-id: two"))
    two.source.write_text(two.source.read_text().replace("one", "two"))
    one.job.failpoints.arm("load_before_commit", "sleep", arg=300000)
    one.job.start(one.task, one.source, until="full")
    procs.wait_for(lambda: one.job.failpoints.fired("load_before_commit"), 60, one.job.story, 0.1)
    two.job.start(two.task, two.source, until="full")
    assert two.job.wait() == FAILED and "60552" in two.job.stderr(), two.job.story()
    assert "given up: DELETE FROM `dm_meta`.`tidegate_plan` WHERE task='run' AND source='one'" in two.job.stderr(), two.job.stderr()
    one.job.failpoints.disarm("load_before_commit")
    assert one.job.wait() == 0, one.job.story()
    d.run("CREATE TABLE app.u (id int PRIMARY KEY)", "INSERT INTO app.u VALUES (77)")  # two had claimed it, too
    as_it_was = two.task.read_text()
    for more in ("", "remove-meta: true\n"):
        two.task.write_text(as_it_was + more)
        assert "60552" in two.run(expect=FAILED, until="full")
        assert (d.query("SELECT id FROM app.t"), d.query("SELECT id FROM app.u")) == (((0,),), ((77,),))
    two.task.write_text(as_it_was.replace("route-rules: []", "route-rules: [r]") + "routes: {r: {schema-pattern: app, target-schema: new}}\n")
    two.run(until="full")
    assert (d.query("SELECT id FROM app.t"), d.query("SELECT id FROM app.u"), d.query("SELECT id FROM new.t")) == (((0,),), ((77,),), ((1,),))


def test_whole_databases(make_pair, job):
    """DROP and ALTER DATABASE only where the one downstream stands for the one upstream."""
    pair = make_pair("my97", "ma118")
    s, d = pair.source, pair.target
    s.run(*MADE)
    f = Files(pair, job, ROUTES)
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


@pytest.mark.parametrize("names", ["my97>ma118", "ma1011>my97"])
def test_made_where_it_stands(names, make_pair, job):
    """CREATE DATABASE whose target is there, by a route, is done where the target has the default that it asks for; where it has another one, and of
    a database that goes nowhere else, it pauses."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1 CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "CREATE TABLE shard_1.t1 (id int PRIMARY KEY)")
    j = Files(pair, job, SHARED).follow()
    s.run("CREATE DATABASE shard_2 DEFAULT CHARACTER SET = 'utf8mb4' COLLATE utf8mb4_general_ci", "CREATE TABLE shard_2.t2 (k varchar(10) UNIQUE)", "INSERT INTO shard_2.t2 VALUES ('é')")
    applied(j, d, "SHOW TABLES FROM `all` LIKE 't2'", (("t2",),))
    applied(j, d, "SELECT k FROM `all`.t2", (("é",),))
    assert "`all` is there with the default that it asks for" in j.log()
    stops_at(j, s, "CREATE DATABASE shard_3 CHARACTER SET latin1", None, "error 1007", "`all` is there with another default collation: utf8mb4_general_ci, not latin1_swedish_ci")
    stops_at(j, s, "CREATE DATABASE shard_4 COLLATE utf8mb4_bin", None, "error 1007", "utf8mb4_general_ci, not utf8mb4_bin")
    # the server's own default counts where none is said
    s.run("SET collation_server=utf8mb4_general_ci", "CREATE DATABASE shard_5 COMMENT 'shards'" if s.flavor == "mariadb" else "CREATE DATABASE shard_5 ENCRYPTION='N'",
          "CREATE TABLE shard_5.t5 (k varchar(10) UNIQUE)", "INSERT INTO shard_5.t5 VALUES ('ü')")
    applied(j, d, "SHOW TABLES FROM `all` LIKE 't5'", (("t5",),))
    applied(j, d, "SELECT k FROM `all`.t5", (("ü",),))
    stops_at(j, s, "CREATE DATABASE shard_6", None, "error 1007", "utf8mb4_general_ci, not latin1_bin", first="SET collation_server=latin1_bin")
    s.run("CREATE DATABASE `shard_7` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */ /*!80016 DEFAULT ENCRYPTION='N' */")  # as it is shown
    d.run("CREATE DATABASE ref CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    stops_at(j, s, "CREATE DATABASE ref CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", None, "error 1007")
    j.interrupt()


@pytest.mark.parametrize("names", ["my97>ma118", "ma1011>my97"])
def test_made_where_one_of_other_letters_stands(names, make_pair, job):
    """The client speaks latin1, and its mode knows no backslashes: a target whose name is no ASCII is found all the same."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    words = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    s.run(f"CREATE DATABASE shard_1 {words}", "CREATE TABLE shard_1.t1 (id int PRIMARY KEY)")
    j = Files(pair, job, {"a": {"schema-pattern": "shard_*", "target-schema": "Ω'mega"}}).follow()
    s.run("SET NAMES latin1", "SET sql_mode = 'NO_BACKSLASH_ESCAPES'", f"CREATE DATABASE shard_2 {words}", "CREATE TABLE shard_2.t2 (id int PRIMARY KEY)", "INSERT INTO shard_2.t2 VALUES (2)")
    applied(j, d, "SHOW TABLES FROM `Ω'mega` LIKE 't2'", (("t2",),))
    applied(j, d, "SELECT id FROM `Ω'mega`.t2", ((2,),))
    j.interrupt()


@pytest.mark.parametrize("names", ["my97>ma118", "ma1011>my97", "ma118>my97"])
@pytest.mark.parametrize("words", ["", " CHARACTER SET utf8mb4"])
def test_made_alike_where_it_stands(names, words, make_pair, job):
    """As applications make their shards, one like the other: by the server's default, or by a charset alone."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    s.run(f"CREATE DATABASE shard_1{words}", "CREATE TABLE shard_1.t1 (id int PRIMARY KEY)")
    j = Files(pair, job, SHARED).follow()
    s.run(f"CREATE DATABASE shard_2{words}", "CREATE TABLE shard_2.t2 (k varchar(10) UNIQUE)", "INSERT INTO shard_2.t2 VALUES ('x')")
    applied(j, d, "SHOW TABLES FROM `all` LIKE 't2'", (("t2",),))
    applied(j, d, "SELECT k FROM `all`.t2", (("x",),))
    j.interrupt()


def test_operators_say_upstream_names(make_pair, job):
    """`binlog replace` names tables as the upstream does, as in DM."""
    pair = make_pair("my97", "ma118")
    s, d = pair.source, pair.target
    s.run(*MADE)
    j = Files(pair, job, ROUTES).follow()
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


def dumped(pair, job, tmp_path, tables, *more):
    folder, j = tmp_path / "files", job(pair)
    words = [str(j.bin / "tidegate"), "dump", "--from", pair.source.url(), "--dir", str(folder), "--tables", tables, "--state", str(tmp_path / "dumping"), *more]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def test_files(make_pair, job, tmp_path):
    """A dump into files has the upstream's names; routes hold where they are loaded."""
    pair = make_pair("ma1011", "my97")
    pair.source.run(*MADE)
    folder = dumped(pair, job, tmp_path, "app.*,shard_1.*,ref.*")
    assert (folder / "app.moved-schema.sql").exists() or list(folder.glob("app.moved*"))
    f = Files(pair, job, ROUTES, mode="load", more=", loader: {dir: \"%s\"}" % folder)
    f.run(until=None)
    assert_equal(pair, f.job)


def loaded(pair, job, folder, routes, mode="load", more=""):
    return Files(pair, job, routes, mode=mode, more=", loader: {dir: \"%s\"%s}" % (folder, more))


@pytest.mark.parametrize("names, words", [("my97>ma118", ()), pytest.param("ma1011>my97", ("--filetype", "csv"), marks=pytest.mark.long), ("ma1011>ma118", ("--compress", "zstd"))])
def test_merged_out_of_files(names, words, make_pair, job, tmp_path):
    """As in a copy: kills between the transactions, an empty target, the union of all rows at the end."""
    pair = make_pair(*names.split(">"))
    pair.source.run(*SHARDS)
    f = loaded(pair, job, dumped(pair, job, tmp_path, "app.*,shard_1.*,shard_2.*", *words), SHARED)
    killed(f, "load_schema", "load_mid_chunk", "load_before_commit", "load_after_commit", "load_all_done", until=None)
    assert_merged(pair, f.job)


def test_merged_out_of_files_and_followed(make_pair, job, tmp_path):
    """Rows that change behind the files go on in the merged table, and what clashes stops."""
    pair = make_pair("ma1011", "my97")
    pair.source.run(*SHARDS)
    folder = dumped(pair, job, tmp_path, "app.*,shard_1.*,shard_2.*")
    shards_change(pair.source, 600)
    f = loaded(pair, job, folder, SHARED, mode="load&sync")
    killed(f, "load_mid_chunk", "sync_before_commit")
    assert_merged(pair, f.job)


def test_files_that_cannot_be_merged(make_pair, job, tmp_path):
    """Tables that are not alike, keys that clash, REPLACE: named, and no row goes over another's."""
    pair = make_pair("ma1011", "ma118")
    pair.source.run(*SHARDS, "INSERT INTO shard_2.t VALUES (3, 'clash', NULL)")
    folder = dumped(pair, job, tmp_path, "shard_1.*,shard_2.*")
    said_text = loaded(pair, job, folder, SHARED).run(expect=FAILED, until=None)
    assert "rows of tables that are merged into `all`.`t` have the same key" in said_text and "Duplicate" in said_text, said_text
    (rows,) = folder.glob("shard_2.t.0*.sql")
    rows.write_text(rows.read_text().replace("INSERT INTO", "REPLACE INTO"))
    said_text = loaded(pair, job, folder, SHARED).run(expect=FAILED, until=None)
    assert "REPLACE would go over rows of other tables, which are merged into `all`.`t`" in said_text, said_text
    assert pair.target.query("SELECT COUNT(*) FROM `all`.t WHERE id = 3 AND v = 'clash'") == ((0,),)
    rows.write_text("INSERT INTO `t` (`id`,`v`,`u`) VALUES (3,'clash',NULL),(3,'clash',NULL) ON DUPLICATE KEY UPDATE v = 'clash';\n")  # 2 and 0 are changed
    said_text = loaded(pair, job, folder, SHARED).run(expect=FAILED, until=None)
    assert "only rows may stand in a file of a table that is merged with others, or gets columns by extract-…, not ON" in said_text, said_text
    assert pair.target.query("SELECT COUNT(*) FROM `all`.t WHERE id = 3 AND v = 'clash'") == ((0,),)
    schema = folder / "shard_2.plain-schema.sql"
    schema.write_text(schema.read_text().replace("varchar(20)", "varchar(30)"))
    said_text = loaded(pair, job, folder, SHARED).run(expect=FAILED, until=None)
    assert "`shard_1`.`plain` and `shard_2`.`plain` both go to `all`.`plain`, but they are not alike" in said_text, said_text


@pytest.mark.parametrize("words", [(), ("--filetype", "csv", "--no-header")])
def test_merged_files_without_schema_files(words, make_pair, job, tmp_path):
    """The table that is there says the columns: one -schema.sql of two is refused, and rows that leave it to the order which column is meant."""
    pair = make_pair("ma1011", "ma118")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE shard_1", "CREATE DATABASE shard_2", "CREATE TABLE shard_1.t (id int PRIMARY KEY, a varchar(9), b varchar(9)) CHARACTER SET utf8mb4", "CREATE TABLE shard_2.t (id int PRIMARY KEY, b varchar(9), a varchar(9)) CHARACTER SET utf8mb4",
          "INSERT INTO shard_1.t VALUES (1, 'a', 'b')", "INSERT INTO shard_2.t VALUES (2, 'b', 'a')")
    d.run("CREATE DATABASE `all`", "CREATE TABLE `all`.t (id int PRIMARY KEY, a varchar(9), b varchar(9)) CHARACTER SET utf8mb4")
    folder = dumped(pair, job, tmp_path, "shard_1.*,shard_2.*", *words)
    (folder / "shard_2.t-schema.sql").unlink()
    said_text = loaded(pair, job, folder, SHARED).run(expect=FAILED, until=None)
    assert "but only one of them has a -schema.sql: both must, or none" in said_text, said_text
    (folder / "shard_1.t-schema.sql").unlink()
    whole = {f: f.read_text() for f in folder.glob("shard_?.t.0*")}
    without_lists(folder)
    said_text = loaded(pair, job, folder, SHARED).run(expect=FAILED, until=None)
    assert "nothing says which columns the values are for" in said_text, said_text
    if words:
        return
    for f, text in whole.items():
        f.write_text(text)
    loaded(pair, job, folder, SHARED).run(until=None)
    assert d.query("SELECT id, a, b FROM `all`.t ORDER BY id") == ((1, "a", "b"), (2, "a", "b"))


def without_lists(folder):
    """As mydumper writes a table without generated columns."""
    for f in folder.glob("*.sql"):
        f.write_text(re.sub(r"(INSERT (?:IGNORE )?INTO `[^`]*`) \([^)]*\) VALUES", r"\1 VALUES", f.read_text()))


@pytest.mark.parametrize("names", ["my97>ma118", "ma1011>my97"])
@pytest.mark.parametrize("routes", [SHARED, {"a": {**SHARED["a"], "extract-schema": {"schema-regexp": "_(.)", "target-column": "c"}}}, {"a": {"schema-pattern": "other", "target-schema": "elsewhere"}}], ids=["merged", "extracted", "not renamed"])
def test_rows_without_lists(routes, names, make_pair, job, tmp_path):
    """Into a table that was made with its columns in another order: each value in its column, generated ones by DEFAULT, invisible ones by none."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    for n in (1, 2):
        s.run(f"CREATE DATABASE shard_{n}", f"CREATE TABLE shard_{n}.t (id int PRIMARY KEY, a varchar(9), b varchar(9)) CHARACTER SET utf8mb4",
              f"CREATE TABLE shard_{n}.g (id int PRIMARY KEY, g int AS (id + 1) STORED, i int INVISIBLE DEFAULT 7, v varchar(9)) CHARACTER SET utf8mb4",
              f"INSERT INTO shard_{n}.t VALUES ({n}, 'a', 'b'), ({n + 2}, 'a', NULL)", f"INSERT INTO shard_{n}.g (id, v) VALUES ({n}, 'v')")
    folder = dumped(pair, job, tmp_path, "shard_1.*,shard_2.*")
    without_lists(folder)
    for n in (1, 2):
        (rows,) = folder.glob(f"shard_{n}.g.0*.sql")
        rows.write_text(f"INSERT INTO `g` VALUES ({n},DEFAULT,'v');\n")
    extracted, merged = "extract-schema" in routes["a"], routes["a"]["target-schema"] == "all"
    for db in ("all", "shard_1", "shard_2"):
        c = "c char(3), " if extracted else ""
        d.run(f"CREATE DATABASE `{db}` CHARACTER SET utf8mb4", f"CREATE TABLE `{db}`.t ({c}id int PRIMARY KEY, b varchar(9), a varchar(9))", f"CREATE TABLE `{db}`.g ({c}v varchar(9), i int DEFAULT 7, g int AS (id + 1) STORED, id int PRIMARY KEY)")
    loaded(pair, job, folder, routes).run(until=None)
    both = lambda sql: d.query(sql.format("all")) if merged else d.query(sql.format("shard_1")) + d.query(sql.format("shard_2"))
    assert sorted(both("SELECT id, a, b FROM `{}`.t")) == [(1, "a", "b"), (2, "a", "b"), (3, "a", None), (4, "a", None)]
    assert sorted(both("SELECT id, g, i, v FROM `{}`.g")) == [(1, 2, 7, "v"), (2, 3, 7, "v")]
    if extracted:
        assert sorted(both("SELECT id, c FROM `{}`.t") + both("SELECT id, c FROM `{}`.g")) == [(1, "1"), (1, "1"), (2, "2"), (2, "2"), (3, "1"), (4, "2")]


@pytest.mark.parametrize("names, words, lists", [("my97>ma118", (), True), ("ma1011>my97", (), False), ("ma118>my97", ("--filetype", "csv"), True)])
def test_extracted_columns_out_of_files(names, words, lists, make_pair, job, tmp_path):
    """Each row has the columns that are made of the table's names, whatever stands in its texts; nothing else changes."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    odd = "'a);(b', '\\\\', 'it''s (', '`', '/* ) */', '-- )', 'ü\\n)', '\"'"
    for db, t in (("shard_1", "t_ab"), ("shard_x", "t_c")):
        s.run(f"CREATE DATABASE {db} CHARACTER SET utf8mb4", f"CREATE TABLE {db}.{t} (id int PRIMARY KEY AUTO_INCREMENT, v varchar(20), e enum('a','','c'))", f"CREATE TABLE {db}.plain (v varchar(20), w double)",
              f"CREATE TABLE {db}.own (id int PRIMARY KEY, v varchar(20))", f"INSERT INTO {db}.plain VALUES ('same', 1.5), ('same', 1.5), (NULL, NULL)")
        s.run(f"INSERT INTO {db}.{t} (v, e) VALUES " + ",".join(f"({v}, 'c')" for v in odd.split(", ")))
    if lists and not words:
        s.run("SET sql_mode=''", "INSERT INTO shard_1.t_ab (v, e) VALUES ('odd', 'no member')")
    s.run("CREATE DATABASE app", "CREATE TABLE app.single (id int PRIMARY KEY, v varchar(20))", "INSERT INTO app.single VALUES (1, 'a'), (2, 'b')", "INSERT INTO shard_1.own VALUES (1, 'a'), (2, 'b')", "INSERT INTO shard_x.own VALUES (3, 'c')")
    folder = dumped(pair, job, tmp_path, "shard_1.*,shard_x.*,app.*", *words)
    if not lists:
        without_lists(folder)
    said_text = loaded(pair, job, folder, EXTRACTS).run(expect=FAILED, until=None)
    assert "make the table by hand, with that column" in said_text, said_text
    d.run("CREATE DATABASE IF NOT EXISTS `all`", "CREATE TABLE `all`.t (c_table varchar(20), id int AUTO_INCREMENT, v varchar(20), e enum('a','','c'), c_schema varchar(20) CHARACTER SET latin1, c_source text, PRIMARY KEY (id, c_schema)) CHARACTER SET utf8mb4",
          "CREATE TABLE `all`.plain (v varchar(20), w double, c_schema varchar(20)) CHARACTER SET utf8mb4", "CREATE TABLE `all`.own (id int PRIMARY KEY, v varchar(20), c char(3)) CHARACTER SET utf8mb4",
          "CREATE TABLE `all`.single (id int, v varchar(20), src varchar(9), PRIMARY KEY (src, id)) CHARACTER SET utf8mb4")
    if lists:
        f = loaded(pair, job, folder, EXTRACTS)
        killed(f, "load_mid_chunk", "load_before_commit", until=None)
    else:
        s.run("UPDATE shard_1.t_ab SET v = 'changed' WHERE id < 4", "DELETE FROM shard_x.t_c WHERE id = 2", "INSERT INTO shard_x.own VALUES (4, 'behind')", "UPDATE shard_1.plain SET w = 2 LIMIT 1")
        f = loaded(pair, job, folder, EXTRACTS, mode="load&sync")
        killed(f, "load_mid_chunk", "load_before_commit")
    assert_extracted(pair, f.job)


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
    ({"r": {"schema-pattern": "app", "target-schema": "x", "extract-table": {"table-regexp": "a", "target-column": "c"}}}, "8:71: `a` has 0 groups"),
    ({"r": {"schema-pattern": "app", "target-schema": "x", "extract-table": {"table-regexp": "(a)"}}}, "8:71: `target-column` is missing in extract-table"),
], ids=["key", "no group", "groups", "regex", "target", "extract", "extract column"])
def test_mistakes(make_pair, job, routes, said_words):
    """Said with file, line and column, before anything is done."""
    f = Files(make_pair("ma1011", "ma118"), job, routes)
    assert "task.yaml:" + said_words in json.loads(f.run(expect=USAGE))["msg"]
