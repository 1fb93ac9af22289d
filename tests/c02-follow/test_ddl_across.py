"""DDL statements that name wanted and unwanted tables at once (T30)."""
import procs
import pytest
from tidegate import INTERRUPTED
from words import ask, on_terminal, wait_stage

BOTH = pytest.mark.parametrize("names", ["ma1011>my97", "my97>ma118"])


def begin(names, make_pair, job):
    pair = make_pair(*names.split(">"))
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE DATABASE priv")
    for t in "abcde":
        s.run(f"CREATE TABLE app.{t} (id int PRIMARY KEY, v varchar(20))", f"INSERT INTO app.{t} VALUES (1, 'app {t}')",
              f"CREATE TABLE priv.{t} (id int PRIMARY KEY, v varchar(20))", f"INSERT INTO priv.{t} VALUES (1, 'priv {t}')")
    j = job(pair, tables="app.*")
    j.start("--stay", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    return pair, j


@BOTH
def test_renames_that_stay_on_their_side(names, make_pair, job):
    """What is cut out is cut out, what goes by way of an unwanted name is the swap that it is; of each side nothing else is touched."""
    pair, j = begin(names, make_pair, job)
    s = pair.source
    s.run("RENAME TABLE priv.a TO priv.x, app.a TO app.x, priv.b TO priv.y",
          "INSERT INTO app.x VALUES (2, 'x')",
          "RENAME TABLE priv.c TO priv.z, priv.d TO priv.c",
          "RENAME TABLE app.b TO priv.t, app.c TO app.b, priv.t TO app.c",
          "INSERT INTO app.b VALUES (2, 'was c')", "INSERT INTO app.c VALUES (2, 'was b')",
          "DROP TABLE priv.y, app.d, priv.z", "DROP TABLE priv.x",
          "ALTER TABLE priv.e RENAME TO priv.e2", "ALTER TABLE app.e RENAME TO app.e2, ADD w int DEFAULT 3", "INSERT INTO app.e2 VALUES (2, 'w', 4)",
          "CREATE TABLE app.f LIKE app.x", "INSERT INTO app.f VALUES (1, 'f')", "CREATE TABLE priv.f LIKE app.x", "INSERT INTO priv.f VALUES (1, 'f')",
          "CREATE TABLE app.g AS SELECT id, v FROM priv.e2", "CREATE TABLE priv.g AS SELECT id, v FROM app.f", "INSERT INTO app.g VALUES (2, 'g')")
    s.run("RENAME TABLE x TO x2, f TO x, x2 TO f", "INSERT INTO x VALUES (9, 'was f')", "CREATE TABLE h LIKE app.x", db="app")
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run()
    pair.assert_equal("app", j.story)
    assert "priv" not in pair.target.databases()


@BOTH
def test_tables_that_change_sides(names, make_pair, job):
    """One that goes, one that comes, one that is made like another of the other side: each stops with what and why, the row before it is
    there, and `binlog replace` says what it is to be."""
    pair, j = begin(names, make_pair, job)
    s, d = pair.source, pair.target

    def stops(statement, why, *instead, db=None):
        n = s.query("SELECT COUNT(*) FROM app.a")[0][0] + 1
        s.run(f"INSERT INTO app.a VALUES ({n}, 'before')", statement, f"INSERT INTO app.a VALUES ({n + 1}, 'behind')", db=db)
        wait_stage(j, "Paused", 60541)
        said = j.subtask()["result"]["errors"][0]
        assert why in said["Message"] and "binlog replace" in said["Workaround"], said
        table = on_terminal(j, "query-status", "run")
        assert "error 60541" in table and why in table and "binlog replace" in table, table
        assert d.query(f"SELECT v FROM app.a WHERE id >= {n}") == (("before",),)
        ask(j, "binlog", *instead)
        procs.wait_for(lambda: d.query(f"SELECT COUNT(*) FROM app.a WHERE id = {n + 1}")[0][0] == 1, 60, j.story, 0.2)

    stops("RENAME TABLE app.b TO priv.b2", "`app`.`b` becomes `priv`.`b2`", "replace", "run", "DROP TABLE app.b")
    stops("ALTER TABLE c RENAME priv.c2", "`app`.`c` becomes `priv`.`c2`", "replace", "run", "DROP TABLE app.c", db="app")
    stops("RENAME TABLE priv.a TO app.n, app.d TO app.d2", "`priv`.`a` becomes `app`.`n`", "replace", "run",
          "CREATE TABLE app.n (id int PRIMARY KEY, v varchar(20)); ALTER TABLE app.d RENAME TO app.d2")
    d.run("INSERT INTO app.n VALUES (1, 'priv a')")
    stops("CREATE TABLE app.like_it LIKE priv.d", "made like `d`", "replace", "run", "CREATE TABLE app.like_it (id int PRIMARY KEY, v varchar(20))")
    s.run("INSERT INTO app.n VALUES (2, 'n')", "INSERT INTO app.like_it VALUES (1, 'l')", "INSERT INTO app.d2 VALUES (2, 'd')")
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run()
    pair.assert_equal("app", j.story)


@BOTH
def test_values_that_become_others(names, make_pair, job):
    """A number that becomes an ENUM or a SET, a date that becomes a YEAR: each family makes another thing of it. It stops, but where the table is empty, and of other columns."""
    pair, j = begin(names, make_pair, job)
    s, d = pair.source, pair.target
    s.run("CREATE TABLE n (id int PRIMARY KEY, a int, b date, c varchar(9))", "ALTER TABLE n MODIFY a enum('1', '3', 'x'), CHANGE COLUMN b b year", "INSERT INTO n VALUES (1, 'x', 2020, '3')",
          "ALTER TABLE n MODIFY c enum('1', '3', 'x'), MODIFY a varchar(20), MODIFY COLUMN b int", db="app")
    change = f"ALTER TABLE n MODIFY a varchar(30), CHANGE{' COLUMN IF EXISTS' if s.flavor == 'mariadb' else ''} b b2 set('x', 'y')"
    s.run("UPDATE n SET b = 3", "SET sql_mode = ''", change, db="app")
    wait_stage(j, "Paused", 60507)
    assert "other values of `b`" in j.subtask()["result"]["errors"][0]["Message"]
    ask(j, "binlog", "replace", "run", "ALTER TABLE app.n DROP b, MODIFY a varchar(30), ADD b2 set('x', 'y') DEFAULT 'x,y' AFTER a; ALTER TABLE app.n ALTER b2 SET DEFAULT NULL")
    s.run("UPDATE n SET b2 = 'x'", db="app")
    assert j.interrupt() == INTERRUPTED, j.story()
    j.run()
    assert d.query("SELECT id, a, b2, c FROM app.n") == s.query("SELECT id, a, b2, c FROM app.n")
