"""DM's binlog event filter: each event that a server can log, left out of the one side by rule and in the other side's place compared; what is
left out in part; rules that stop; restarts in the middle."""
import json

import procs
import pytest
from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED
from words import ask, wait_stage

# Each test is for both directions; in a short run half of the tests have the one, half the other.
ONE, OTHER = "ma1011>my97", "my97>ma118"
FROM_MARIADB, FROM_MYSQL = (pytest.mark.parametrize("names", [a, pytest.param(b, marks=pytest.mark.long)]) for a, b in ((ONE, OTHER), (OTHER, ONE)))
SOURCE = "source-id: one\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: '{password}'}}\n{more}\n"
TASK = """
name: run
task-mode: all
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: one, block-allow-list: app, filter-rules: [{rules}], syncer-config-name: s}}]
block-allow-list: {{app: {{do-dbs: ["f_*", "app"]}}}}
syncers: {{s: {{missing-row: {missing}, split-transaction: {split}, preserve-commit-order: true}}}}
filters: {filters}
"""
END = "CREATE TABLE IF NOT EXISTS app.done (id int PRIMARY KEY)"


class Filtered:
    """A task that follows under these rules (a dict each)."""

    def __init__(self, pair, j, rules, of_source=(), missing="stop", split=0):
        self.pair, self.j, self.n = pair, j, 0
        named = {f"r{i}": r for i, r in enumerate(rules)}
        task, source = j.folder / "task.yaml", j.folder / "source.yaml"
        source.write_text(SOURCE.format(port=pair.source.port, user=USER, password=PASSWORD, more=f"filters: {json.dumps(list(of_source))}"))
        task.write_text(TASK.format(port=pair.target.port, user=USER, password=PASSWORD, rules=", ".join(named), filters=json.dumps(named), missing=missing, split=split))
        self.files = [str(task), str(source)]

    def start(self):
        self.j.start("--stay", *self.files, until=None)
        self.j.wait_status(lambda s: s.get("phase") == "sync")
        return self

    def through(self):
        """All that the upstream has written is applied: the downstream commits in its order."""
        self.n += 1
        self.pair.source.run(f"INSERT INTO app.done VALUES ({self.n})")
        procs.wait_for(lambda: self.pair.target.query(f"SELECT COUNT(*) FROM app.done WHERE id = {self.n}")[0][0] == 1, 90, self.j.story, 0.2)

    def counts(self):
        s = self.j.subtask()["tidegate"]["sync"]
        return s.get("filtered_rows"), s.get("filtered_ddls")

    def counted(self, rows, ddls):
        """What is left out is counted; a unit's counts are told once a second."""
        procs.wait_for(lambda: self.counts() == (rows, ddls), 60, lambda: f"{self.counts()}, not {(rows, ddls)}\n{self.j.story()}", 0.3)

    def leave(self):
        assert self.j.interrupt() == INTERRUPTED, self.j.story()
        self.j.assert_gone()


def begin(names, make_pair):
    pair = make_pair(*names.split(">"))
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.done (id int PRIMARY KEY)")
    return pair


# Event of the rule (a pair: and its table-pattern); the statement that is left out in the table `x` of the case's own schema; the same effect made by hand in the downstream is
# never there: what the downstream must have instead is asked by `still` (a query of both kinds of servers) and its one value.
# {s}: the schema. Tables before: x (id int PRIMARY KEY, a int DEFAULT 5, b varchar(20), u int, UNIQUE u (u), KEY k (a)) and y alike, both with one row.
COLUMN = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{s}' AND TABLE_NAME = 'x' AND "
INDEX = "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '{s}' AND TABLE_NAME = 'x' AND INDEX_NAME = "
TABLE = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{s}' AND TABLE_NAME = "
PARTS = "SELECT COUNT(PARTITION_NAME) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = '{s}' AND TABLE_NAME = 'p'"
PARTS5 = PARTS.replace("'p'", "'p5'")
ROWS = "SELECT COUNT(*) FROM {s}.x"
DDL = [
    ("create database", "CREATE DATABASE {s}_new", "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{s}_new'", 0),
    ("create schema", "CREATE SCHEMA {s}_new", "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{s}_new'", 0),
    ("alter database", "ALTER DATABASE {s} CHARACTER SET latin1", "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{s}'", "utf8mb4"),
    ("alter schema", "ALTER DATABASE {s} CHARACTER SET latin1", "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{s}'", "utf8mb4"),
    ("modify schema charset and collate", "ALTER DATABASE {s} CHARACTER SET latin1", "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{s}'", "utf8mb4"),
    ("drop database", "DROP DATABASE {s}", TABLE + "'x'", 1),
    ("drop schema", "DROP SCHEMA {s}", TABLE + "'x'", 1),
    (("create database", "*"), "CREATE DATABASE {s}_new", "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{s}_new'", 0),
    (("drop database", "*"), "DROP DATABASE {s}", TABLE + "'x'", 1),
    (("alter database", "~.*"), "ALTER DATABASE {s} CHARACTER SET latin1", "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{s}'", "utf8mb4"),
    ("create table", "CREATE TABLE {s}.n (id int PRIMARY KEY)", TABLE + "'n'", 0),
    ("drop table", "DROP TABLE {s}.x", TABLE + "'x'", 1),
    ("rename table", "RENAME TABLE {s}.x TO {s}.z", TABLE + "'x'", 1),
    ("rename table", "ALTER TABLE {s}.x RENAME TO {s}.z", TABLE + "'x'", 1),
    ("truncate table", "TRUNCATE TABLE {s}.x", ROWS, 1),
    ("create index", "CREATE INDEX i ON {s}.x (b)", INDEX + "'i'", 0),
    ("drop index", "DROP INDEX k ON {s}.x", INDEX + "'k'", 1),
    ("drop index", "ALTER TABLE {s}.x DROP INDEX k", INDEX + "'k'", 1),
    ("drop unique key", "ALTER TABLE {s}.x DROP INDEX u", INDEX + "'u'", 1),
    ("modify constraint", "ALTER TABLE {s}.x ADD INDEX i (b)", INDEX + "'i'", 0),
    ("drop primary key", "ALTER TABLE {s}.x DROP PRIMARY KEY", INDEX + "'PRIMARY'", 1),
    ("add primary key", "ALTER TABLE {s}.nopk ADD PRIMARY KEY (id)", "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '{s}' AND TABLE_NAME = 'nopk'", 0),
    ("rename index", "ALTER TABLE {s}.x RENAME INDEX k TO k2", INDEX + "'k'", 1),
    ("alter table", "ALTER TABLE {s}.x ADD c int", COLUMN + "COLUMN_NAME = 'c'", 0),
    ("add column", "ALTER TABLE {s}.x ADD COLUMN c int", COLUMN + "COLUMN_NAME = 'c'", 0),
    ("drop column", "ALTER TABLE {s}.x DROP COLUMN b", COLUMN + "COLUMN_NAME = 'b'", 1),
    ("rename column", "ALTER TABLE {s}.x CHANGE a a2 int DEFAULT 5", COLUMN + "COLUMN_NAME = 'a'", 1),
    ("rename column", "ALTER TABLE {s}.x RENAME COLUMN a TO a2", COLUMN + "COLUMN_NAME = 'a'", 1),
    ("value range decrease", "ALTER TABLE {s}.x MODIFY a smallint DEFAULT 5", COLUMN + "COLUMN_NAME = 'a' AND DATA_TYPE = 'int'", 1),
    ("precision decrease", "ALTER TABLE {s}.x MODIFY a int unsigned DEFAULT 5", COLUMN + "COLUMN_NAME = 'a' AND COLUMN_TYPE NOT LIKE '%unsigned'", 1),
    ("modify column", "ALTER TABLE {s}.x MODIFY a varchar(11) DEFAULT '5'", COLUMN + "COLUMN_NAME = 'a' AND DATA_TYPE = 'int'", 1),
    ("modify default value", "ALTER TABLE {s}.x MODIFY a int DEFAULT 6", COLUMN + "COLUMN_NAME = 'a' AND COLUMN_DEFAULT = '5'", 1),
    ("modify default value", "ALTER TABLE {s}.x ALTER a SET DEFAULT 6", COLUMN + "COLUMN_NAME = 'a' AND COLUMN_DEFAULT = '5'", 1),
    ("set default value", "ALTER TABLE {s}.x ALTER a SET DEFAULT 6", COLUMN + "COLUMN_NAME = 'a' AND COLUMN_DEFAULT = '5'", 1),
    ("modify columns order", "ALTER TABLE {s}.x MODIFY a int DEFAULT 5 FIRST", COLUMN + "COLUMN_NAME = 'a' AND ORDINAL_POSITION = 2", 1),
    ("modify charset", "ALTER TABLE {s}.x MODIFY b varchar(20) CHARACTER SET latin1", COLUMN + "COLUMN_NAME = 'b' AND CHARACTER_SET_NAME = 'utf8mb4'", 1),
    ("modify collation", "ALTER TABLE {s}.x MODIFY b varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", COLUMN + "COLUMN_NAME = 'b' AND COLLATION_NAME <> 'utf8mb4_bin'", 1),
    ("modify table charset and collate", "ALTER TABLE {s}.x CONVERT TO CHARACTER SET latin1", COLUMN + "COLUMN_NAME = 'b' AND CHARACTER_SET_NAME = 'utf8mb4'", 1),
    ("remove auto increment", "ALTER TABLE {s}.auto MODIFY id int NOT NULL", "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{s}' AND EXTRA LIKE '%auto_increment%'", 1),
    ("rebase auto id", "ALTER TABLE {s}.auto AUTO_INCREMENT = 1000", "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{s}' AND AUTO_INCREMENT >= 1000", 0),
    ("modify storage engine", "ALTER TABLE {s}.x ENGINE = MyISAM", TABLE + "'x' AND ENGINE = 'InnoDB'", 1),
    ("modify table comment", "ALTER TABLE {s}.x COMMENT 'said'", TABLE + "'x' AND TABLE_COMMENT = ''", 1),
    ("add table partition", "ALTER TABLE {s}.p ADD PARTITION (PARTITION p3 VALUES LESS THAN (30))", PARTS, 2),
    ("drop table partition", "ALTER TABLE {s}.p DROP PARTITION p2", PARTS, 2),
    ("drop table partition", "ALTER TABLE {s}.p5 DROP PARTITION p1, `p2`", PARTS5, 5),
    ("truncate table partition", "ALTER TABLE {s}.p5 TRUNCATE PARTITION p1, p2", "SELECT COUNT(*) FROM {s}.p5", 3),
    ("reorganize table partition", "ALTER TABLE {s}.p5 REORGANIZE PARTITION `p1`, `p2` INTO (PARTITION a VALUES LESS THAN (20))", PARTS5, 5),
    ("remove table partitioning", "ALTER TABLE {s}.p5 ENGINE=InnoDB REMOVE PARTITIONING", PARTS5, 5),
    ("truncate table partition", "ALTER TABLE {s}.p TRUNCATE PARTITION p1", "SELECT COUNT(*) FROM {s}.p", 1),
    ("reorganize table partition", "ALTER TABLE {s}.p REORGANIZE PARTITION p2 INTO (PARTITION a VALUES LESS THAN (15), PARTITION b VALUES LESS THAN (20))", PARTS, 2),
    ("rebuild table partition", "ALTER TABLE {s}.p REBUILD PARTITION p1", PARTS, 2),
    ("coalesce table partition", "ALTER TABLE {s}.h COALESCE PARTITION 1", "SELECT COUNT(PARTITION_NAME) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = '{s}' AND TABLE_NAME = 'h'", 3),
    ("exchange table partition", "ALTER TABLE {s}.p EXCHANGE PARTITION p1 WITH TABLE {s}.q", "SELECT COUNT(*) FROM {s}.q", 0),
    ("remove table partitioning", "ALTER TABLE {s}.p REMOVE PARTITIONING", PARTS, 2),
    ("alter table partitioning", "ALTER TABLE {s}.x2 PARTITION BY HASH (id) PARTITIONS 4", "SELECT COUNT(PARTITION_NAME) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = '{s}' AND TABLE_NAME = 'x2'", 0),
    ("add foreign key", "ALTER TABLE {s}.child ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES {s}.par (id)", "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = '{s}' AND CONSTRAINT_NAME = 'fk'", 0),
    ("drop foreign key", "ALTER TABLE {s}.child DROP FOREIGN KEY fk0", "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = '{s}' AND CONSTRAINT_NAME = 'fk0'", 1),
    ("alter index visibility", {"ma": "ALTER TABLE {s}.x ALTER INDEX k IGNORED", "my": "ALTER TABLE {s}.x ALTER INDEX k INVISIBLE"}, INDEX + "'k'", 1),
    ("multi schema change", "ALTER TABLE {s}.x ADD c int, ADD d int", COLUMN + "COLUMN_NAME IN ('c', 'd')", 0),
    ("incompatible ddl changes", "ALTER TABLE {s}.x DROP COLUMN b", COLUMN + "COLUMN_NAME = 'b'", 1),
    ("incompatible ddl", "DROP TABLE {s}.x", TABLE + "'x'", 1),
    ("all ddl", "DROP TABLE {s}.x", TABLE + "'x'", 1),
    ("all", "ALTER TABLE {s}.x ADD c int", COLUMN + "COLUMN_NAME = 'c'", 0),
]
TABLES = ["CREATE TABLE {s}.x (id int PRIMARY KEY, a int DEFAULT 5, b varchar(20), u int, UNIQUE KEY u (u), KEY k (a))", "INSERT INTO {s}.x VALUES (1, 1, 'one', 1)",
          "CREATE TABLE {s}.x2 (id int PRIMARY KEY)", "CREATE TABLE {s}.nopk (id int NOT NULL)",
          "CREATE TABLE {s}.auto (id int AUTO_INCREMENT PRIMARY KEY)", "CREATE TABLE {s}.par (id int PRIMARY KEY)", "CREATE TABLE {s}.child (id int PRIMARY KEY, CONSTRAINT fk0 FOREIGN KEY (id) REFERENCES {s}.par (id))",
          "CREATE TABLE {s}.p (id int PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (10), PARTITION p2 VALUES LESS THAN (20))",
          "CREATE TABLE {s}.p5 (id int PRIMARY KEY) PARTITION BY RANGE (id) (" + ", ".join(f"PARTITION p{i} VALUES LESS THAN ({i}0)" for i in range(1, 6)) + ")", "INSERT INTO {s}.p5 VALUES (5), (15), (25)",
          "INSERT INTO {s}.p VALUES (5)", "CREATE TABLE {s}.q (id int PRIMARY KEY)", "CREATE TABLE {s}.h (id int PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3"]


@FROM_MARIADB
def test_each_ddl_event(names, make_pair, job):
    """Under the rule of its event's name a statement is left out; its counterpart, which no rule names, is done."""
    pair = begin(names, make_pair)
    s, d = pair.source, pair.target
    rules = []
    for i, (event, *_) in enumerate(DDL):
        s.run(f"CREATE DATABASE f_{i} CHARACTER SET utf8mb4", *(t.format(s=f"f_{i}") for t in TABLES))
        event, table = event if isinstance(event, tuple) else (event, "")
        rules.append({"schema-pattern": f"~^f_{i}(_new)?$", "table-pattern": table, "events": [event.upper() if i % 2 else event], "action": "Ignore"})
    f = Filtered(pair, job(source_url=None, target_url=None), rules).start()
    family = names[:2]
    for i, (event, statement, *_) in enumerate(DDL):
        s.run((statement if isinstance(statement, str) else statement[family]).format(s=f"f_{i}"))
    f.through()
    wrong = []
    for i, (event, statement, still, value) in enumerate(DDL):
        got = d.query(still.format(s=f"f_{i}"))[0][0]
        if got != value:
            wrong.append((i, event, statement, got, value))
    assert not wrong, f"{wrong}\n{f.j.story()}"
    f.counted(0, len(DDL))
    # what no rule names goes on in the same schemas
    goes_on = [i for i, (event, *_) in enumerate(DDL) if event not in ("drop database", ("drop database", "*"), "drop schema", "alter table", "add column", "all ddl", "all")]
    s.run(*(f"ALTER TABLE f_{i}.x2 ADD w int" for i in goes_on))
    f.through()
    for i in goes_on:
        assert d.query(f"SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'f_{i}' AND TABLE_NAME = 'x2' AND COLUMN_NAME = 'w'")[0][0] == 1, (DDL[i], f.j.story())
    f.counted(0, len(DDL))
    f.leave()


LISTS = ["TRUNCATE PARTITION p1, p2", "REORGANIZE PARTITION `p1`, `p2` INTO (PARTITION a VALUES LESS THAN (15), PARTITION b VALUES LESS THAN (20))", "REBUILD PARTITION a, `b`", "ANALYZE PARTITION a, b",
         "CHECK PARTITION `a`, `b`", "OPTIMIZE PARTITION a, b", "DROP PARTITION a, p3", "ORDER BY v, `id`", "ADD COLUMN w int, ORDER BY v, id", "DROP PARTITION `b`, `p4`"]


@FROM_MYSQL
def test_lists_of_names(names, make_pair, job):
    """What names several partitions or columns is one part, done as a whole under rules of each kind: none that is for it, those that do by name, by text."""
    pair = begin(names, make_pair)
    s, d = pair.source, pair.target
    for t in ("t", "u"):
        s.run(f"CREATE TABLE app.{t} (id int PRIMARY KEY, v int) PARTITION BY RANGE (id) (" + ", ".join(f"PARTITION p{i} VALUES LESS THAN ({i}0)" for i in range(1, 9)) + ")")
    rules = [{"schema-pattern": "app", "table-pattern": "u", "action": "Do",
              "events": ["all dml", "alter table", "drop table partition", "truncate table partition", "reorganize table partition", "rebuild table partition"]},
             {"schema-pattern": "app", "events": ["drop table"], "action": "Ignore"}, {"schema-pattern": "*", "sql-pattern": ["nolog"], "action": "Ignore"}]
    f = Filtered(pair, job(source_url=None, target_url=None), rules).start()

    def same(what):
        for t in ("t", "u"):
            for q in (f"SELECT id, v FROM app.{t} ORDER BY id", f"SELECT PARTITION_NAME, PARTITION_DESCRIPTION FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = '{t}' ORDER BY PARTITION_ORDINAL_POSITION"):
                assert d.query(q) == s.query(q), (what, f.j.story())
    for statement in LISTS:
        for t in ("t", "u"):
            s.run(f"REPLACE INTO app.{t} (id, v) VALUES " + ", ".join(f"({i}, {-i})" for i in range(5, 80, 10) if s.query(f"SELECT MAX(PARTITION_DESCRIPTION + 0) > {i} FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = '{t}'")[0][0]),
                  f"ALTER TABLE app.{t} {statement}")
        f.through()
        same(statement)
    f.counted(0, 0)
    s.run("ALTER /* nolog */ TABLE app.t DROP PARTITION p5, p6")
    f.through()
    f.counted(0, 1)
    assert d.query("SELECT COUNT(*) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = 't'") == ((4,),)
    f.leave()


@FROM_MYSQL
def test_rows(names, make_pair, job):
    """Inserts, updates and deletes, each left out by rules of the task and of the source; the copy is not touched by them; a kill in the middle;
    what a large transaction leaves out is counted too."""
    pair = begin(names, make_pair)
    s, d = pair.source, pair.target
    rules = [{"schema-pattern": "app", "table-pattern": f"no_{k}", "events": [k], "action": "Ignore"} for k in ("insert", "update")]
    rules += [{"schema-pattern": "app", "table-pattern": "no_rows", "events": ["all dml"], "action": "Ignore"},
              {"schema-pattern": "app", "table-pattern": "only_insert", "events": ["insert", "all ddl"], "action": "Do"}]
    for t in ("no_insert", "no_update", "no_delete", "no_rows", "only_insert", "all_rows"):
        s.run(f"CREATE TABLE app.{t} (id int PRIMARY KEY, v varchar(200))", f"INSERT INTO app.{t} VALUES (1, 'a'), (2, 'b')")
    f = Filtered(pair, job(source_url=None, target_url=None), rules, [{"schema-pattern": "APP", "table-pattern": "~^no_delete$", "events": ["Delete"], "action": "Ignore"}],
                 missing="count").start()
    for t in ("no_insert", "no_update", "no_delete", "no_rows", "only_insert", "all_rows"):
        assert d.query(f"SELECT id, v FROM app.{t} ORDER BY id") == ((1, "a"), (2, "b")), "a copy is not filtered"
        s.run(f"INSERT INTO app.{t} VALUES (3, 'c'), (4, 'd')", f"UPDATE app.{t} SET v = 'x' WHERE id = 1", f"DELETE FROM app.{t} WHERE id = 2")
    f.through()
    def state(t):
        return d.query(f"SELECT id, v FROM app.{t} ORDER BY id")
    assert state("no_insert") == ((1, "x"),)
    assert state("no_update") == ((1, "a"), (3, "c"), (4, "d"))
    assert state("no_delete") == ((1, "x"), (2, "b"), (3, "c"), (4, "d"))
    assert state("no_rows") == ((1, "a"), (2, "b"))
    assert state("only_insert") == ((1, "a"), (2, "b"), (3, "c"), (4, "d"))
    assert state("all_rows") == s.query("SELECT id, v FROM app.all_rows ORDER BY id")
    f.counted(2 + 1 + 1 + 4 + 2, 0)
    # killed while traffic that is left out in part goes by
    for i in range(10, 40):
        s.run(f"INSERT INTO app.all_rows VALUES ({i}, 'k')", f"INSERT INTO app.no_delete VALUES ({i}, 'k')", f"DELETE FROM app.no_delete WHERE id = {i}", f"INSERT INTO app.no_rows VALUES ({i}, 'k')")
        if i == 20:
            f.j.wait_unit("sync").kill()
    f.through()
    assert state("all_rows") == s.query("SELECT id, v FROM app.all_rows ORDER BY id")
    assert len(state("no_delete")) == 34 and len(state("no_rows")) == 2
    # only filtered traffic: the position moves over it
    at = procs.wait_for(lambda: f.j.subtask()["tidegate"]["sync"].get("offset"), 60, f.j.story, 0.3)
    s.run(*(f"UPDATE app.no_rows SET v = 'v{i}' WHERE id = 10" for i in range(50)))
    end = s.query("SHOW BINARY LOG STATUS" if s.flavor == "mysql" else "SHOW MASTER STATUS")[0][1]
    assert end > at + 5000
    procs.wait_for(lambda: f.j.subtask()["tidegate"]["sync"].get("offset", 0) >= end, 60, f.j.story, 0.3)  # one status has both: the counts of before are told
    # one transaction of many rows
    before = f.counts()[0]
    s.run("CREATE TABLE app.seq (n int PRIMARY KEY)", "INSERT INTO app.seq VALUES " + ",".join(f"({i})" for i in range(20000)),
          "INSERT INTO app.no_insert SELECT n + 1000, REPEAT('l', 190) FROM app.seq", "DELETE FROM app.no_delete WHERE id > 2")
    f.through()
    f.counted(before + 20000 + 2, 0)
    assert state("no_insert") == ((1, "x"),) and len(state("no_delete")) == 34
    f.leave()


@FROM_MARIADB
def test_what_follows(names, make_pair, job):
    """The upstream's structure moves on where the downstream's stays: rows behind it are right by name, or stop with what and why; killed
    between the statement and the rows."""
    pair = begin(names, make_pair)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE app.t (id int PRIMARY KEY, a int, b varchar(20), c int)", "INSERT INTO app.t VALUES (1, 1, 'b', 1)",
          "CREATE TABLE app.u LIKE app.t", "CREATE TABLE app.x1 (id int PRIMARY KEY)", "CREATE TABLE app.x2 LIKE app.x1", "CREATE TABLE app.x3 LIKE app.x1")
    rules = [{"schema-pattern": "app", "events": ["drop column", "modify columns order", "value range decrease"], "action": "Ignore"},
             {"schema-pattern": "app", "table-pattern": "x1", "events": ["drop table", "rename table"], "action": "Ignore"},
             {"schema-pattern": "app", "sql-pattern": ["nolog"], "action": "Ignore"}]
    f = Filtered(pair, job(source_url=None, target_url=None), rules).start()
    # b goes upstream, and another column of its kind comes in its place; a changes its place
    s.run("ALTER TABLE app.t DROP COLUMN b, ADD COLUMN z varchar(20) AFTER a")
    f.through()
    f.j.wait_unit("sync").kill()
    s.run("INSERT INTO app.t VALUES (2, 2, 'z', 2)", "ALTER TABLE app.t MODIFY c int AFTER id",
          "INSERT INTO app.t (id, a, z, c) VALUES (3, 30, 'z3', 3)",
          "ALTER TABLE app.t MODIFY a smallint", "UPDATE app.t SET a = 31 WHERE id = 3", "ALTER TABLE app.t ADD e int DEFAULT 9", "INSERT INTO app.t (id, a, z, c, e) VALUES (4, 40, 'z4', 4, 44)")
    f.through()
    assert d.query("SELECT id, a, b, c, z, e FROM app.t ORDER BY id") == ((1, 1, "b", 1, None, 9), (2, 2, None, 2, "z", 9), (3, 31, None, 3, "z3", 9), (4, 40, None, 4, "z4", 44))
    s.run("DELETE FROM app.t WHERE a = 2", "DROP TABLE app.x1, app.x2", "ALTER /* nolog */ TABLE app.u DROP c", "INSERT INTO app.u VALUES (1, 1, 'b')", "CREATE TABLE app.x1 (id int PRIMARY KEY, v int)", db="app")
    wait_stage(f.j, "Paused", 10006)  # it is still there in the downstream
    d.run("DROP TABLE app.x1")
    ask(f.j, "resume-task", "run")
    f.through()
    assert d.query("SELECT id, a, b, c FROM app.u") == ((1, 1, "b", None),)
    assert ("x2",) not in d.query("SHOW TABLES IN app")
    # a pair of a RENAME by itself, and one that can't be taken apart
    s.run("INSERT INTO app.x1 VALUES (1, 1)", "RENAME TABLE app.x1 TO app.y1, app.x3 TO app.y3", "INSERT INTO app.y3 VALUES (3)")
    f.through()
    assert ("x1",) in d.query("SHOW TABLES IN app") and ("y1",) not in d.query("SHOW TABLES IN app") and d.query("SELECT id FROM app.y3") == ((3,),)
    s.run("INSERT INTO app.y1 VALUES (2, 2)")
    wait_stage(f.j, "Paused", 36070)  # rows of a table that the downstream has under its old name
    d.run("RENAME TABLE app.x1 TO app.y1")
    ask(f.j, "resume-task", "run")
    f.through()
    assert d.query("SELECT id, v FROM app.y1 ORDER BY id") == ((1, 1), (2, 2))
    # a column that the downstream lacks
    s.run("CREATE TABLE app.v (id int PRIMARY KEY)", "ALTER TABLE app.v ADD /* nolog */ w int", "INSERT INTO app.v VALUES (1, 1)")
    wait_stage(f.j, "Paused", 36027)
    assert "no column `w` in the downstream" in f.j.subtask()["result"]["errors"][0]["Message"]
    d.run("ALTER TABLE app.v ADD w int")
    ask(f.j, "resume-task", "run")
    s.run("CREATE TABLE app.x1 (id int PRIMARY KEY)", "RENAME TABLE app.y3 TO app.tmp, app.x1 TO app.y3, app.tmp TO app.x1")
    wait_stage(f.j, "Paused", 60541)
    ask(f.j, "binlog", "replace", "run", "RENAME TABLE app.y3 TO app.tmp, app.x1 TO app.y3, app.tmp TO app.x1")
    f.through()
    f.leave()


@FROM_MYSQL
def test_rules_that_stop(names, make_pair, job):
    """Error: the task pauses with the statement and its place, and an operator's words are obeyed; rows stop it too. The full list of rules is
    asked in its order."""
    pair = begin(names, make_pair)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE app.t (id int PRIMARY KEY, v int)", "CREATE TABLE app.u (id int PRIMARY KEY)")
    rules = [{"schema-pattern": "app", "table-pattern": "u", "events": ["truncate table"], "action": "Ignore"},
             {"schema-pattern": "app", "events": ["truncate table", "drop column"], "action": "Error"},
             {"schema-pattern": "app", "table-pattern": "t", "events": ["delete"], "action": "Error"}]
    f = Filtered(pair, job(source_url=None, target_url=None), rules).start()
    s.run("INSERT INTO app.t VALUES (1, 1)", "INSERT INTO app.u VALUES (1)", "TRUNCATE app.u")
    f.through()
    assert d.query("SELECT id FROM app.u") == ((1,),)
    s.run("TRUNCATE app.t")
    wait_stage(f.j, "Paused", 60545)
    said = f.j.subtask()["result"]["errors"][0]["Message"]
    assert "rule 2 of filters, `truncate table`: TRUNCATE app.t" in said and ":" in said.split(" at ")[-1], said
    ask(f.j, "binlog", "skip", "run")
    f.through()
    assert d.query("SELECT id FROM app.t") == ((1,),)
    s.run("INSERT INTO app.t VALUES (2, 2)", "ALTER TABLE app.t DROP COLUMN v")
    wait_stage(f.j, "Paused", 60545)
    ask(f.j, "binlog", "replace", "run", "ALTER TABLE app.t DROP COLUMN v")
    f.through()
    assert d.query("SELECT * FROM app.t ORDER BY id") == ((1,), (2,))
    s.run("DELETE FROM app.t WHERE id = 2")
    wait_stage(f.j, "Paused", 60545)
    assert "`delete`: rows of `app`.`t`" in f.j.subtask()["result"]["errors"][0]["Message"]
    assert "only DDL statements can be handled" in ask(f.j, "binlog", "skip", "run", expect=FAILED)
    f.leave()


def test_cascades_and_what_nobody_reads(make_pair, job):
    """A parent's deletes left out while those of its child, which the upstream does not log, are not: refused. A statement that can't be read is
    left out by its text."""
    pair = begin("ma1011>my97", make_pair)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE app.par (id int PRIMARY KEY)", "CREATE TABLE app.child (id int PRIMARY KEY, CONSTRAINT c FOREIGN KEY (id) REFERENCES app.par (id) ON DELETE CASCADE)",
          "INSERT INTO app.par VALUES (1)", "INSERT INTO app.child VALUES (1)",
          "CREATE TABLE app.p (id int PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (10), PARTITION p2 VALUES LESS THAN (20))")
    parent = {"schema-pattern": "app", "table-pattern": "par", "events": ["delete"], "action": "Ignore"}
    text = {"schema-pattern": "*", "sql-pattern": ["convert\\s+partition"], "action": "Ignore"}
    f = Filtered(pair, job(source_url=None, target_url=None), [parent, text]).start()
    s.run("DELETE FROM app.par")
    wait_stage(f.j, "Paused", 60509)
    assert d.query("SELECT id FROM app.par") == ((1,),)
    f.files[0] = Filtered(pair, f.j, [dict(parent, **{"table-pattern": "~^(par|child)$"}), text]).files[0]
    ask(f.j, "update-task", f.files[0])
    ask(f.j, "resume-task", "run")
    s.run("ALTER TABLE app.p CONVERT PARTITION p1 TO TABLE app.converted", "INSERT INTO app.p VALUES (15)")
    f.through()
    assert d.query("SELECT id FROM app.par") == d.query("SELECT id FROM app.child") == ((1,),) and d.query("SELECT id FROM app.p") == ((15,),)
    assert ("converted",) not in d.query("SHOW TABLES IN app")
    f.counted(1, 1)
    f.leave()


def test_what_nobody_reads_is_forgotten(make_pair, job):
    """A statement that is left out and can't be read may have changed any table that its text names: rows behind it are not read as before. Tables that it
    does not name stay known."""
    pair = make_pair("ma1011", "my97")
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE app.done (id int PRIMARY KEY)", "CREATE TABLE app.n (id int PRIMARY KEY, a int)", "CREATE TABLE app.x (id int PRIMARY KEY)")
    f = Filtered(pair, job(source_url=None, target_url=None), [{"schema-pattern": "*", "sql-pattern": ["nolog"], "action": "Ignore"}]).start()
    s.run("INSERT INTO app.n VALUES (1, -1)", "INSERT INTO app.x VALUES (1)", "DELETE FROM app.n")
    f.through()
    known = "SELECT table_name FROM dm_meta.tidegate_structure WHERE table_schema = 'app' AND table_name IN ('n', 'x') ORDER BY table_name"
    assert d.query(known) == (("n",), ("x",))
    f.j.failpoints.arm("sync_before_commit")
    # only the last of its names counts, and no sign is in the stream; without its schema
    s.run("ALTER TABLE n MODIFY /* nolog */ a int unsigned, RENAME TO y, RENAME TO n", "INSERT INTO n VALUES (2, 3000000000)", db="app")
    procs.wait_for(lambda: f.j.subtask()["stage"] == "Paused" or d.query("SELECT COUNT(*) FROM app.n")[0][0] > 0, 60, f.j.story, 0.3)
    assert f.j.subtask()["stage"] == "Paused" and d.query("SELECT a FROM app.n") == (), f.j.story()
    assert d.query(known) == (("x",),), f.j.story()
    assert f.j.failpoints.fired("sync_before_commit") == 1, f.j.story()
    d.run("ALTER TABLE app.n MODIFY a int unsigned")
    ask(f.j, "resume-task", "run")
    f.through()
    s.run("INSERT INTO app.x VALUES (2)")
    f.through()
    pair.assert_equal("app", f.j.story)
    f.leave()


@FROM_MARIADB
def test_killed_in_between(names, make_pair, job):
    """Killed around a statement of which a part is left out, around one that is left out as a whole, and in a transaction in parts: each is done once, and
    rows behind it are right by name."""
    pair = begin(names, make_pair)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE app.t (id int PRIMARY KEY, a int, b varchar(20), c int)", "INSERT INTO app.t VALUES (1, 1, 'b', 1)", "CREATE TABLE app.u (id int PRIMARY KEY, v int)",
          "CREATE TABLE app.gone (id int PRIMARY KEY)", "CREATE TABLE app.stays (id int PRIMARY KEY)")
    rules = [{"schema-pattern": "app", "events": ["drop column", "update"], "action": "Ignore"},
             {"schema-pattern": "app", "table-pattern": "stays", "events": ["drop table"], "action": "Ignore"}]
    f = Filtered(pair, job(source_url=None, target_url=None), rules).start()
    columns = ["id", "a", "b", "c"]
    for n, place in enumerate(["sync_ddl_doing", "sync_ddl_sent", "sync_before_commit", "sync_after_commit"]):
        if place.startswith("sync_ddl"):
            f.j.failpoints.arm(place)
        s.run(f"ALTER TABLE app.t DROP COLUMN {columns[-1 - n % 2] if n < 2 else f'z{n - 2}'}, ADD COLUMN z{n} varchar(9) FIRST")
        if not place.startswith("sync_ddl"):
            f.j.failpoints.arm(place)
        s.run(f"INSERT INTO app.t (id, z{n}) VALUES ({n + 2}, 'new {n}')", f"UPDATE app.t SET z{n} = 'no' WHERE id = 1")
        f.through()
        assert f.j.failpoints.fired(place) == 1, f.j.story()
    assert d.query("SELECT id, b, c, z0, z1, z2, z3 FROM app.t ORDER BY id") == (
        (1, "b", 1, None, None, None, None), (2, None, None, "new 0", None, None, None), (3, None, None, None, "new 1", None, None),
        (4, None, None, None, None, "new 2", None), (5, None, None, None, None, None, "new 3"))
    f.j.failpoints.arm("sync_ddl_sent")
    s.run("DROP TABLE app.stays, app.gone", "ALTER TABLE app.u", "INSERT INTO app.u VALUES (1, 1), (2, 2)", "UPDATE app.u SET v = 9")
    f.through()
    tables = [r[0] for r in d.query("SHOW TABLES IN app")]
    assert "stays" in tables and "gone" not in tables and d.query("SELECT id, v FROM app.u ORDER BY id") == ((1, 1), (2, 2)), f.j.story()
    assert not [r for r in d.query("SHOW TABLES IN dm_meta") if "shape" in r[0]]
    f.leave()


@FROM_MYSQL
def test_transaction_in_parts(names, make_pair, job):
    """Applied in parts and killed between two of them, with rows in it that are left out: what is gone on with is what was begun, all is counted once."""
    pair = begin(names, make_pair)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20))", "CREATE TABLE app.k (id int PRIMARY KEY)", "INSERT INTO app.k VALUES " + ",".join(f"({i})" for i in range(3000)))
    f = Filtered(pair, job(source_url=None, target_url=None), [{"schema-pattern": "app", "events": ["delete"], "action": "Ignore"}], split=500).start()
    f.j.failpoints.arm("split_part", at=3)
    work = ["BEGIN"]
    for i in range(0, 3000, 300):
        work += ["INSERT INTO app.t VALUES " + ",".join(f"({n}, 'v{n}')" for n in range(i, i + 300)), f"DELETE FROM app.k WHERE id BETWEEN {i} AND {i + 299}"]
    s.run(*work, "COMMIT")
    f.through()
    assert f.j.failpoints.fired("split_part") == 1, f.j.story()
    assert d.query("SELECT COUNT(*) FROM app.k")[0][0] == 3000 and d.query("SELECT id, v FROM app.t ORDER BY id") == s.query("SELECT id, v FROM app.t ORDER BY id")
    f.counted(3000, 0)
    f.leave()


@FROM_MARIADB
def test_what_was_left_out_stays_known(names, make_pair, job):
    """Signs, members of an ENUM and charsets of a column, none of which a TABLE_MAP need show: what was left out stays known behind statements that
    are done or left out themselves, that name the column or not. IF NOT EXISTS says nothing of a table that is there."""
    pair = begin(names, make_pair)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE app.n (id int PRIMARY KEY, a int, b int)", "CREATE TABLE app.m LIKE app.n", "CREATE TABLE app.k LIKE app.n",
          "CREATE TABLE app.t (id int PRIMARY KEY, e int, l varchar(20) CHARACTER SET latin1)", "INSERT INTO app.t VALUES (1, 1, 'é')",
          "CREATE TABLE app.en (id int PRIMARY KEY, e enum('a','b'))")
    f = Filtered(pair, job(source_url=None, target_url=None), [{"schema-pattern": "app", "sql-pattern": ["nolog"], "action": "Ignore"}]).start()
    s.run("ALTER TABLE app.t MODIFY /* nolog */ e int unsigned, MODIFY l varchar(20) CHARACTER SET utf8mb4", "ALTER TABLE app.t ADD COLUMN w int", "INSERT INTO app.t VALUES (2, 1, 'éß', 2)",
          "ALTER TABLE app.t ADD COLUMN v int AFTER e, ADD INDEX (l)", "INSERT INTO app.t VALUES (3, 1, NULL, 'éß', 3)",
          "ALTER TABLE app.t ADD /* nolog */ INDEX x (e)", "INSERT INTO app.t VALUES (4, 1, 4, 'ß', 4)",
          "ALTER TABLE app.t RENAME COLUMN e TO e2", "TRUNCATE app.m", "INSERT INTO app.t VALUES (5, 1, 5, 'ß', 5), (6, 1, 6, 'é', 6)",
          "CREATE TABLE IF NOT EXISTS app.t (id int PRIMARY KEY, e2 int, v int, l varchar(20) CHARACTER SET latin1, w int)", "INSERT INTO app.t VALUES (7, 1, 7, 'é', 7)")
    # a record of it, and then one that would change the columns' places
    s.run("ALTER TABLE app.m ADD c int", "INSERT INTO app.m VALUES (1, 10, 20, 30)", "CREATE /* nolog */ TABLE IF NOT EXISTS app.m (id int PRIMARY KEY, b int, a int, c int)",
          "INSERT INTO app.m VALUES (2, 11, 21, 31)")
    f.through()
    assert d.query("SELECT id, e2, v, l, w FROM app.t ORDER BY id") == s.query("SELECT id, e2, v, l, w FROM app.t ORDER BY id")
    assert d.query("SELECT id, a, b, c FROM app.m ORDER BY id") == ((1, 10, 20, 30), (2, 11, 21, 31))
    # members of other numbers: it stops until they are the same
    s.run("ALTER TABLE app.en MODIFY /* nolog */ e enum('b','a')", "ALTER TABLE app.en ADD COLUMN v int AFTER e", "INSERT INTO app.en VALUES (1, 'b', 1), (2, 'a', 2)")
    procs.wait_for(lambda: f.j.subtask()["stage"] == "Paused" or d.query("SELECT COUNT(*) FROM app.en")[0][0] > 0, 60, f.j.story, 0.3)
    assert "other members" in f.j.subtask()["result"]["errors"][0]["Message"], f.j.story()
    d.run("ALTER TABLE app.en MODIFY e enum('b','a')")
    ask(f.j, "resume-task", "run")
    f.through()
    assert d.query("SELECT id, e, v FROM app.en ORDER BY id") == ((1, "b", 1), (2, "a", 2))
    # without a sign in the stream; the value has no place in the downstream's column: it stops
    s.run("ALTER TABLE app.n MODIFY /* nolog */ a int unsigned", "ALTER TABLE app.n ADD COLUMN c int AFTER a", "ALTER TABLE app.n ADD /* nolog */ INDEX (a)",
          "INSERT INTO app.n VALUES (1, 3000000000, 2, 3)")
    procs.wait_for(lambda: f.j.subtask()["stage"] == "Paused" or d.query("SELECT COUNT(*) FROM app.n")[0][0] > 0, 60, f.j.story, 0.3)
    assert d.query("SELECT a FROM app.n") == () and f.j.subtask()["stage"] == "Paused", f.j.story()
    d.run("ALTER TABLE app.n MODIFY a int unsigned")
    ask(f.j, "resume-task", "run")
    f.through()
    assert d.query("SELECT id, a, c, b FROM app.n") == ((1, 3000000000, 2, 3),)
    # nothing is on record of it: a statement that is done does not make the downstream's signs those of the upstream
    d.run("DELETE FROM dm_meta.tidegate_structure WHERE table_schema = 'app' AND table_name = 'k'")
    s.run("ALTER TABLE app.k MODIFY /* nolog */ a int unsigned", "ALTER TABLE app.k ADD COLUMN c int AFTER a", "INSERT INTO app.k VALUES (1, 3000000000, 2, 3)")
    procs.wait_for(lambda: f.j.subtask()["stage"] == "Paused" or d.query("SELECT COUNT(*) FROM app.k")[0][0] > 0, 60, f.j.story, 0.3)
    assert d.query("SELECT a FROM app.k") == () and f.j.subtask()["stage"] == "Paused", f.j.story()
    d.run("ALTER TABLE app.k MODIFY a int unsigned")
    ask(f.j, "resume-task", "run")
    f.through()
    assert d.query("SELECT id, a, c, b FROM app.k") == ((1, 3000000000, 2, 3),)
    f.leave()


@FROM_MYSQL
def test_default_charset_left_out(names, make_pair, job):
    """A table's default charset that was left out, which no TABLE_MAP need show: columns that are made later without words of their own are read in the upstream's charset,
    under another name, in a table made like it, behind a restart, and behind the rules."""
    pair = begin(names, make_pair)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE app.l (id int PRIMARY KEY, v varchar(20)) CHARACTER SET latin1", "CREATE TABLE app.u (id int PRIMARY KEY, v varchar(20)) CHARACTER SET utf8mb4",
          "CREATE TABLE app.c LIKE app.l", "CREATE TABLE app.k LIKE app.l", "CREATE TABLE app.o LIKE app.l", "INSERT INTO app.l VALUES (1, 'é')", "INSERT INTO app.c VALUES (1, 'é')")
    f = Filtered(pair, job(source_url=None, target_url=None), [{"schema-pattern": "app", "events": ["modify table charset and collate"], "action": "Ignore"},
                                                               {"schema-pattern": "app", "sql-pattern": ["nolog"], "action": "Ignore"}]).start()
    s.run("ALTER TABLE app.l DEFAULT CHARACTER SET utf8mb4", "ALTER TABLE app.l ADD COLUMN w varchar(20)", "INSERT INTO app.l VALUES (2, 'é', 'é')",
          "ALTER TABLE app.u COLLATE latin1_swedish_ci", "ALTER TABLE app.u ADD COLUMN w varchar(20), ADD COLUMN x varchar(20) CHARACTER SET utf8mb4", "INSERT INTO app.u VALUES (1, 'é', 'é', 'é')",
          "ALTER TABLE app.c CONVERT TO CHARACTER SET utf8mb4", "INSERT INTO app.c VALUES (2, 'éß')", "CREATE TABLE app.n LIKE app.c", "ALTER TABLE app.n ADD COLUMN w varchar(20)", "INSERT INTO app.n VALUES (1, 'é', 'é')",
          "ALTER TABLE app.k COMMENT='x' ROW_FORMAT=DYNAMIC AUTO_INCREMENT=7 STATS_PERSISTENT=1 /* nolog */ CHARSET=utf8mb4", "RENAME TABLE app.k TO app.m", "CREATE INDEX v ON app.m (v)")
    f.through()
    f.j.wait_unit("sync").kill()
    s.run("ALTER TABLE app.m ADD COLUMN w varchar(20) AFTER id", "INSERT INTO app.m VALUES (1, 'é', 'é')", "ALTER TABLE app.m MODIFY v varchar(30)", "INSERT INTO app.m VALUES (2, 'é', 'ß')",
          # one of the other kind: what is done on both sides parts nothing
          "ALTER TABLE app.l MODIFY w varchar(30) CHARACTER SET latin1", "INSERT INTO app.l VALUES (3, 'ß', 'ß')",
          # made and left out, made by hand: nobody said a charset, it has its database's
          "ALTER DATABASE app CHARACTER SET latin1", "CREATE /* nolog */ TABLE app.h (id int PRIMARY KEY, v varchar(20))", "ALTER DATABASE app CHARACTER SET utf8mb4")
    f.through()
    d.run("CREATE TABLE app.h (id int PRIMARY KEY, v varchar(20)) CHARACTER SET utf8mb4")
    s.run("INSERT INTO app.h VALUES (1, 'é')")
    f.through()  # the upstream is asked, and must not be ahead
    s.run("ALTER TABLE app.h ADD COLUMN w varchar(20)", "INSERT INTO app.h VALUES (2, 'é', 'é')")
    f.through()
    # the rules go, what they left out stays known
    s.run("ALTER TABLE app.o /* nolog */ CHARSET utf8mb4")
    f.through()
    ask(f.j, "pause-task", "run")
    wait_stage(f.j, "Paused")
    f.files[0] = Filtered(pair, f.j, [{"schema-pattern": "other", "events": ["drop table"], "action": "Ignore"}]).files[0]
    ask(f.j, "update-task", f.files[0])
    ask(f.j, "resume-task", "run")
    s.run("ALTER TABLE app.o ADD COLUMN w varchar(20)", "INSERT INTO app.o VALUES (1, 'é', 'é')")
    f.through()
    for t in "lucnmho":
        assert d.query(f"SELECT * FROM app.{t} ORDER BY id") == s.query(f"SELECT * FROM app.{t} ORDER BY id"), (t, f.j.story())
    f.leave()


def test_incompatible_with_nothing_on_record(make_pair, job):
    """The first statement about a table: what its MODIFY changes nobody knows, and it counts as incompatible."""
    pair = begin("my97>ma118", make_pair)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE app.t (id int PRIMARY KEY, c int)", "INSERT INTO app.t VALUES (1, 1)")
    f = Filtered(pair, job(source_url=None, target_url=None), [{"schema-pattern": "app", "events": ["incompatible ddl changes"], "action": "Ignore"}]).start()
    s.run("ALTER TABLE app.t MODIFY c tinyint", "ALTER TABLE app.t ADD COLUMN e int")
    f.through()
    assert d.query(COLUMN.format(s="app").replace("'x'", "'t'") + "COLUMN_NAME IN ('c', 'e') AND DATA_TYPE = 'int'") == ((2,),)
    f.leave()


def replaced_stops(f, statement, code, *words):
    f.pair.source.run(statement)
    wait_stage(f.j, "Paused", code)
    text = f.j.subtask()["result"]["errors"][0]["Message"]
    assert all(w in text for w in words), text
    ask(f.j, "binlog", "skip", "run")
    wait_stage(f.j, "Running")


def test_replaced(make_pair, job):
    """MariaDB's CREATE OR REPLACE is a DROP and a CREATE to rules: what the DROP is left out of stays, and the CREATE is done where nothing is in its way."""
    pair = begin("ma1011>ma118", make_pair)
    s, d = pair.source, pair.target
    for name in ("f_stays", "f_error", "f_out", "f_half"):
        s.run(f"CREATE DATABASE {name}")
        s.run("CREATE TABLE x (id int PRIMARY KEY, v int, KEY k (v))", "INSERT INTO x VALUES (1, 1)", "CREATE SEQUENCE q", db=name)
    f = Filtered(pair, job(source_url=None, target_url=None), [
        {"schema-pattern": "f_stays", "events": ["drop database"], "action": "Ignore"},
        {"schema-pattern": "f_stays", "table-pattern": "*", "events": ["drop table", "drop index"], "action": "Ignore"},
        {"schema-pattern": "f_error", "events": ["drop database"], "action": "Error"},
        {"schema-pattern": "f_error", "table-pattern": "*", "events": ["drop table", "drop index"], "action": "Error"},
        {"schema-pattern": "f_out", "events": ["all ddl"], "action": "Ignore"},
        {"schema-pattern": "f_half", "events": ["create database", "create table"], "action": "Ignore"}]).start()
    made = "CREATE OR REPLACE TABLE {0}.x (id int PRIMARY KEY, w int)", "CREATE OR REPLACE SEQUENCE {0}.q", "CREATE OR REPLACE DATABASE {0}", "CREATE OR REPLACE INDEX k ON {0}.x (v, id)"
    replaced_stops(f, made[3].format("f_stays"), 10006, "Duplicate key name 'k'")
    for statement, said in zip(made, ("Table 'x' already exists", "Table 'q' already exists", "database exists")):
        replaced_stops(f, statement.format("f_stays"), 10006, said)
    for statement in (made[3], *made[:3]):
        replaced_stops(f, statement.format("f_error"), 60545, "`drop ")
    for statement in made[:3]:
        replaced_stops(f, statement.format("f_half"), 60541, "`create ", "the rest drops what it replaces")
    s.run(*(m.format("f_out") for m in (made[3], *made[:3])), "CREATE TABLE f_stays.y (id int PRIMARY KEY)")
    s.run("CREATE /*M! OR REPLACE */ TABLE f_stays.fresh (id int PRIMARY KEY)", "INSERT INTO f_stays.fresh VALUES (7)", "CREATE OR REPLACE INDEX i ON f_stays.fresh (id)",
          "CREATE OR REPLACE DATABASE f_new CHARACTER SET latin1", "CREATE TABLE f_new.x (v varchar(9))", "INSERT INTO f_new.x VALUES ('\xe9')")
    f.through()
    for name in ("f_stays", "f_error", "f_out", "f_half"):
        assert d.query(f"SELECT id, v FROM {name}.x") == ((1, 1),) and len(d.query(f"SHOW INDEX FROM {name}.x WHERE Key_name = 'k'")) == 1 and d.query(f"SELECT NEXTVAL({name}.q)"), name
    assert d.query("SELECT id FROM f_stays.fresh") == ((7,),) and d.query("SELECT v FROM f_new.x") == (("\xe9",),)
    f.leave()


@FROM_MARIADB
def test_what_is_done_where_a_column_is_not_there(names, make_pair, job):
    """ADD COLUMN was left out: what a later MODIFY is goes by the column as it was in the upstream, whatever was done to the table in between."""
    pair = begin(names, make_pair)
    f = Filtered(pair, job(source_url=None, target_url=None), [{"schema-pattern": "app", "table-pattern": "[x-z]", "action": "Ignore", "events": ["alter table"]}]).start()
    parts = "PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (10), PARTITION p2 VALUES LESS THAN (20))"
    between = {"x": ("ALTER TABLE app.x ADD KEY l (n)", "CREATE INDEX o ON app.x (m)", "DROP INDEX o ON app.x", "ALTER TABLE app.x ALTER COLUMN m SET DEFAULT 3"),
               "y": ("ALTER TABLE app.y DROP PARTITION p1", "ALTER TABLE app.y ADD KEY l (n)"),
               "z": ("ALTER TABLE app.z ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES app.done (id)", "ALTER TABLE app.z ADD KEY l (n)", "ALTER TABLE app.z DROP FOREIGN KEY f")}
    for t, statements in between.items():
        pair.source.run(f"CREATE TABLE app.{t} (id int PRIMARY KEY, n int, m int) {parts if t == 'y' else ''}", f"ALTER TABLE app.{t} ADD COLUMN c int DEFAULT 2, ADD KEY k (n)", *statements,
                        f"ALTER TABLE app.{t} MODIFY n bigint, MODIFY c bigint DEFAULT 2")
    f.through()
    for t in between:
        assert pair.target.query("SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = %s ORDER BY 1", t) == (("id", "int"), ("m", "int"), ("n", "int")), t
        assert {r[2] for r in pair.target.query(f"SHOW INDEX FROM app.{t}")} == {"PRIMARY", "k", "l"}, t
    f.counted(0, 7)  # DROP FOREIGN KEY is an `alter table` too
    f.leave()
