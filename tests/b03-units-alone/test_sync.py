"""Relay and sync alone: what can't be followed stops by its own error, and goes on once it is mended; what looks like it, and is followed; and tables whose columns are not
the upstream's."""
import re
import threading
from pathlib import Path

import pytest

import procs
from ends import Ends, live
from far import Far

PAIRS = [("ma1011", "my97"), ("my97", "ma1011")]
ONE = [PAIRS[0], pytest.param(*PAIRS[1], marks=pytest.mark.long)]


def pick(*short, more):
    """Every case, of which those that are not in short run with --long only."""
    return [c if c in short else pytest.param(*c, marks=pytest.mark.long) for c in more]


def follow(build, ends, schemas=("app",), **sync):
    return live.Follow(build, ends.up, ends.down, list(schemas), sync=sync).start(900)


def test_cascade_from_an_unwanted_parent(build_dir, server):
    """What MariaDB's foreign key does to the child is not in its binlog, and the parent's change is not wanted (T13): before the first rows, and behind a new foreign key."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    parent = ["CREATE DATABASE other", "CREATE TABLE other.p (id int PRIMARY KEY)"]
    down.run(*parent)
    up.run(*parent, "INSERT INTO other.p VALUES (1), (2)")
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.kept (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES other.p (id))", "CREATE TABLE app.c (id int PRIMARY KEY, p int)",
               "SET foreign_key_checks=0", "INSERT INTO app.kept VALUES (1, 1)", "INSERT INTO app.c VALUES (1, 1), (2, 2)")
        f.wait()  # RESTRICT changes nothing
        up.run("ALTER TABLE app.c ADD CONSTRAINT hangs FOREIGN KEY (p) REFERENCES other.p (id) ON DELETE CASCADE", "DELETE FROM other.p WHERE id=2", "INSERT INTO app.c VALUES (3, 1)")
        f.wait_error(60509)
        assert "`app`.`c`, foreign key `hangs` to `other`.`p`" in f.out, f.out[-2000:]
        assert down.query("SELECT id FROM app.c") == ((1,), (2,))
        f.start().wait_error(60509)  # it is asked at a start too
        down.run("ALTER TABLE app.c DROP FOREIGN KEY hangs", "DELETE FROM app.c WHERE id=2")  # as the error says
        f.start().end(but=("app.c: foreign",))
    finally:
        f.close()


def test_cascade_that_is_logged(build_dir, server):
    """MySQL since 9.6 logs what a foreign key did, so an unwanted parent is no matter."""
    ends = Ends(server, "my97", "ma1011")
    up, down = ends.up, ends.down
    parent = ["CREATE DATABASE other", "CREATE TABLE other.p (id int PRIMARY KEY)"]
    down.run(*parent)
    up.run(*parent, "INSERT INTO other.p VALUES (1), (2)")
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES other.p (id) ON DELETE CASCADE)", "INSERT INTO app.c VALUES (1, 1), (2, 2)",
               "DELETE FROM other.p WHERE id=2", "INSERT INTO app.c VALUES (3, 1)")
        f.wait()
        assert down.query("SELECT id FROM app.c") == ((1,), (3,))
        f.end()
    finally:
        f.close()


FAMILY = ["CREATE TABLE app.p (id int PRIMARY KEY)", "CREATE TABLE app.c (id int PRIMARY KEY, p int, CONSTRAINT hangs FOREIGN KEY (p) REFERENCES app.p (id){})"]


@pytest.mark.parametrize("source, target, native", pick(("ma1011", "my97", False), ("my97", "ma1011", True), more=[("ma1011", "my97", False), ("my97", "ma1011", True), ("ma1011", "ma1011", False)]))
def test_cascade_that_only_the_upstream_does(build_dir, server, source, target, native):
    """A foreign key that acts in the upstream and is not there, or does nothing, in the downstream: found before anything comes, not by children that stay for ever. It may have another name there."""
    ends = Ends(server, source, target, native=native)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app", FAMILY[0], FAMILY[1].format(" ON DELETE CASCADE ON UPDATE SET NULL"), "INSERT INTO app.p VALUES (1), (2), (3)", "INSERT INTO app.c VALUES (1, 1), (2, 2), (3, 3)")
        f.wait()
        f.stop()
        for column, there in (("p", None), ("p", ""), ("id", " ON DELETE CASCADE ON UPDATE CASCADE"), ("p", " ON DELETE SET NULL ON UPDATE SET NULL")):
            down.run("ALTER TABLE app.c DROP FOREIGN KEY hangs", *([] if there is None else [f"ALTER TABLE app.c ADD CONSTRAINT hangs FOREIGN KEY ({column}) REFERENCES app.p (id){there}"]))
            f.start().wait_error(60513)
            assert "`app`.`c`, foreign key `hangs` to `app`.`p` ON DELETE CASCADE" in f.since, f.since[-2000:]
            if there is None:
                down.run("ALTER TABLE app.c ADD CONSTRAINT hangs FOREIGN KEY (p) REFERENCES app.p (id)")
        # What an UPDATE of the parent's key does is told in the log: the downstream refuses it
        down.run("ALTER TABLE app.c DROP FOREIGN KEY hangs", "ALTER TABLE app.c ADD CONSTRAINT hangs FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE")
        f.start()
        procs.wait_for(lambda: "foreign key `hangs` to `app`.`p` ON UPDATE SET NULL; an UPDATE" in f.out, 60, lambda: f.out[-2000:])
        up.run("INSERT INTO app.c VALUES (4, 3)", "DELETE FROM app.c WHERE id=4")
        f.wait()
        f.stop()
        down.run("ALTER TABLE app.c DROP FOREIGN KEY hangs", "ALTER TABLE app.c ADD CONSTRAINT other FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE ON UPDATE SET NULL")
        f.start()
        up.run("DELETE FROM app.p WHERE id=1", "UPDATE app.p SET id=20 WHERE id=2")
        f.end(but=("app.c: foreign", "app.c: key"))
        assert down.query("SELECT id, p FROM app.c ORDER BY id") == ((2, None), (3, 3))
    finally:
        f.close()


def test_cascade_of_a_parent_that_only_the_upstream_has(build_dir, server):
    """Nor is it there where its parent is not wanted; filters that leave out what it does make it nothing. An engine that reads over foreign keys has none."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    rules = [s["rules"] for s in f.slices.values() if "rules" in s]
    try:
        up.run("CREATE DATABASE other", "CREATE TABLE other.p (id int PRIMARY KEY)", "INSERT INTO other.p VALUES (1)", "CREATE DATABASE app", "CREATE TABLE app.m (id int PRIMARY KEY, p int)",
               "SET sql_log_bin=0", "DROP TABLE app.m", "CREATE TABLE app.m (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES other.p (id) ON DELETE CASCADE) ENGINE=MyISAM", "SET sql_log_bin=1", "INSERT INTO app.m VALUES (1, 1)")
        f.wait()
        up.run("SET sql_log_bin=0", "CREATE TABLE app.c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES other.p (id) ON DELETE CASCADE)")
        down.run("CREATE TABLE app.c (id int PRIMARY KEY, p int)")
        f.stop()
        f.start().wait_error(60513)
        assert "`app`.`c`" in f.out and "to `other`.`p` ON DELETE CASCADE" in f.out, f.out[-2000:]
        assert rules
        for r in rules:
            r["filters"] = [{"schema-pattern": "app", "table-pattern": "c", "events": ["delete"], "action": "Ignore"}]
        f.start()
        up.run("INSERT INTO app.c VALUES (1, 1)", "DELETE FROM other.p")
        f.wait()
        assert down.query("SELECT id, p FROM app.c") == ((1, 1),)
        f.stop()
    finally:
        f.close()


@pytest.mark.parametrize("how", ["comes", "renamed", "skipped"])
def test_cascade_that_is_still_to_come(build_dir, server, how):
    """The upstream is ahead: a foreign key that a statement in the backlog makes, or a name that it gives, is not missing. Where an operator skips the statement it is."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    add = "ALTER TABLE app.c ADD CONSTRAINT hangs FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE"
    try:
        up.run("CREATE DATABASE app", FAMILY[0], "CREATE TABLE app.c (id int PRIMARY KEY, p int)", "INSERT INTO app.p VALUES (1), (2)")
        if how == "renamed":
            up.run(add)
        f.wait()
        f.stop()
        up.run("INSERT INTO app.c VALUES (1, 1), (2, 2)")
        if how == "renamed":
            up.run("RENAME TABLE app.p TO app.q")
            f.start()
            f.wait()
        else:
            file, offset, _ = up.position()
            up.run(add)
            if how == "skipped":
                live.operators(f, ("skip", {"file": file, "offset": offset}))
            f.start()
        up.run(f"DELETE FROM app.{'q' if how == 'renamed' else 'p'} WHERE id=1")
        if how == "skipped":
            f.wait_error(60513)
        else:
            f.end()
            assert down.query("SELECT id FROM app.c") == ((2,),)
    finally:
        f.close()


def test_cascade_while_an_online_change_is_at_work(build_dir, server):
    """pt-osc exchanges a parent of two children: they hang on what it leaves behind until it has altered one after the other (rebuild_constraints). The downstream's never do."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    child = "CREATE TABLE app.c{0} (id int PRIMARY KEY, p int, CONSTRAINT hangs{0} FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE)"
    rebuild = "ALTER TABLE app.c{0} DROP FOREIGN KEY hangs{0}, ADD CONSTRAINT _hangs{0} FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE"
    try:
        f.stop()
        f.slices["sync"]["rules"]["online"] = {}
        f.start()
        up.run("CREATE DATABASE app", FAMILY[0], child.format(1), child.format(2), "INSERT INTO app.p VALUES (1), (2)", "INSERT INTO app.c1 VALUES (1, 1), (2, 2)", "INSERT INTO app.c2 VALUES (1, 1), (2, 2)")
        f.wait()
        up.run("CREATE TABLE app._p_new LIKE app.p", "ALTER TABLE app._p_new ADD v int", "INSERT INTO app._p_new (id) SELECT id FROM app.p", "RENAME TABLE app.p TO app._p_old, app._p_new TO app.p", rebuild.format(1))
        for i in (3, 4):
            up.run(f"INSERT INTO app.c1 VALUES ({i}, 2)")
            f.wait()
        up.run(rebuild.format(2), "DROP TABLE app._p_old", "DELETE FROM app.p WHERE id=1", "INSERT INTO app.p VALUES (5, 5)")
        f.end()
        assert down.query("SELECT id FROM app.c2") == ((2,),)
    finally:
        f.close()


def test_cascade_of_a_child_that_is_not_there(build_dir, server):
    """The upstream alone has the child, so no row of it can stay."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app", FAMILY[0], "INSERT INTO app.p VALUES (1)")
        f.wait()
        f.stop()
        up.run("SET sql_log_bin=0", FAMILY[1].format(" ON DELETE CASCADE"), "INSERT INTO app.c VALUES (1, 1)")
        f.start()
        for i in (2, 3):  # a DELETE names the child too, in the upstream's events
            up.run(f"INSERT INTO app.p VALUES ({i})")
            f.wait()
        f.stop()
    finally:
        f.close()


def test_cascade_that_can_not_be_asked_for(build_dir, server):
    """An account of the upstream that may not ask where its binlog is: one warning, and the task goes on."""
    root = server("ma1011", "up")
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    said = "whether the downstream has the upstream's foreign keys can't be told"
    try:
        up.run("CREATE DATABASE app", FAMILY[0], FAMILY[1].format(" ON DELETE CASCADE"), "INSERT INTO app.p VALUES (1)")
        f.wait()
        f.stop()
        root.run("SET sql_log_bin=0", "CREATE OR REPLACE USER tgtestasks@'%'", "GRANT SELECT, REFERENCES ON *.* TO tgtestasks@'%'")
        down.run("ALTER TABLE app.c DROP FOREIGN KEY hangs")
        f.slices["sync"]["upstream"] = dict(up.endpoint(), user="tgtestasks")
        f.start()
        procs.wait_for(lambda: said in f.out, 60, lambda: f.out[-2000:])
        up.run("INSERT INTO app.p VALUES (2)")
        f.wait()
        assert f.out.count(said) == 1, f.out[-3000:]
        f.stop()
        f.slices["sync"]["upstream"] = up.endpoint()
        f.start().wait_error(60513)
    finally:
        root.run("SET sql_log_bin=0", "DROP USER IF EXISTS tgtestasks@'%'")
        f.close()


def test_cascade_whose_statement_is_filtered(build_dir, server):
    """A foreign key that filters leave out while the task runs."""
    ends = Ends(server, "ma1011", "my97")
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    try:
        f.stop()
        f.slices["sync"]["rules"]["filters"] = [{"schema-pattern": "app", "table-pattern": "c", "sql-pattern": ["ADD CONSTRAINT"], "action": "Ignore"}]
        f.start()
        up.run("CREATE DATABASE app", FAMILY[0], "CREATE TABLE app.c (id int PRIMARY KEY, p int)", "INSERT INTO app.p VALUES (1)")
        f.wait()
        up.run("ALTER TABLE app.c ADD CONSTRAINT hangs FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE", "INSERT INTO app.c VALUES (1, 1)")
        f.wait_error(60513)
        assert "`app`.`c`, foreign key `hangs` to `app`.`p` ON DELETE CASCADE" in f.out, f.out[-2000:]
    finally:
        f.close()


EXCHANGE = "ALTER TABLE app.parts EXCHANGE PARTITION p0 WITH TABLE app.one"


@pytest.mark.parametrize("source, target, place, word", pick((*PAIRS[0], "sync_ddl_sent", "skip"), (*PAIRS[1], "sync_ddl_doing", "replace"), more=[
    (*p, *w) for p in PAIRS for w in (("sync_ddl_sent", "skip"), ("sync_ddl_doing", "replace"))]))
def test_exchange_partition(build_dir, server, source, target, place, word):
    """Two tables of one structure change their rows: after a crash no picture shows whether they did (T29). It asks; each answer is right for its place."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.parts (id int PRIMARY KEY, v int) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
               "CREATE TABLE app.one (id int PRIMARY KEY, v int)", "INSERT INTO app.parts VALUES (1, 1), (20, 1)", "INSERT INTO app.one VALUES (2, 2), (3, 2)")
        f.wait()
        f.failpoints.arm(place, "kill")
        up.run(EXCHANGE, "INSERT INTO app.one VALUES (4, 4)")
        at = live.failed_ddl(f, 60503)
        assert f.failpoints.fired(place), place
        assert down.query("SELECT COUNT(*) FROM app.one WHERE id=1")[0][0] == (place == "sync_ddl_sent")
        assert not down.query("SELECT 1 FROM app.one WHERE id=4"), "rows behind it have landed"
        f.start()
        live.failed_ddl(f, 60503)  # it does not forget
        live.operators(f, (word, at) if word == "skip" else (word, at, EXCHANGE))
        f.start().wait()
        assert sorted(down.query("SELECT id FROM app.one")) == [(1,), (4,)]
        f.end()
    finally:
        f.close()


def test_begun_as_it_was_typed(build_dir, server, fleet):
    """A statement with names in capital letters was begun by a release that put it on record as it was typed, for an upstream that keeps them small: it is the same one."""
    low = fleet("ma1011", "low", extra="--lower-case-table-names=1")[0]
    ends = Ends(lambda name, role: low if role == "up" else server(name, role), "ma1011", "my97")
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
        f.wait()
        f.failpoints.arm("sync_ddl_sent", "sleep", arg=60000)
        up.run("ALTER TABLE app.T ADD v int", "INSERT INTO app.t VALUES (1, 1)")
        procs.wait_for(lambda: f.failpoints.fired("sync_ddl_sent"), 60, lambda: f.out[-2000:])
        f.stop_hard()
        f.failpoints.disarm("sync_ddl_sent")
        (schema,), = down.query("SELECT table_schema FROM information_schema.tables WHERE table_name = 'tidegate_ddl'")
        assert down.query(f"SELECT statement FROM {schema}.tidegate_ddl WHERE statement LIKE 'ALTER%'") == (("ALTER TABLE `app`.`t` ADD v int",),)
        down.run(f"UPDATE {schema}.tidegate_ddl SET statement = 'ALTER TABLE app.T ADD v int' WHERE statement LIKE 'ALTER%'")
        f.start().end()
    finally:
        f.close()


@pytest.mark.parametrize("then", ["half", "none", "all"])
def test_rename_that_is_not_atomic(build_dir, server, then):
    """MariaDB before 10.6 can be cut off inside a RENAME of several: then some names have moved and the fence has not, which asks (T29). Before and behind it, the fence tells."""
    ends = Ends(server, "ma1011", "ma105")
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.a (id int PRIMARY KEY, x int)", "CREATE TABLE app.b (id int PRIMARY KEY, y int)", "INSERT INTO app.a VALUES (1, 1)",
               "INSERT INTO app.b VALUES (2, 2)")
        f.wait()
        f.failpoints.arm("sync_ddl_sent" if then == "all" else "sync_ddl_doing", "sleep", arg=60000)
        up.run("RENAME TABLE app.a TO app.tmp, app.b TO app.a, app.tmp TO app.b", "INSERT INTO app.a VALUES (3, 3)")
        procs.wait_for(lambda: f.failpoints.fired("sync_ddl_sent") or f.failpoints.fired("sync_ddl_doing"), 60, lambda: f.out[-2000:])
        f.stop_hard()
        f.failpoints.disarm("sync_ddl_sent")
        f.failpoints.disarm("sync_ddl_doing")
        if then == "half":
            down.run("RENAME TABLE app.a TO app.tmp", "RENAME TABLE app.b TO app.a")
            f.start()
            at = live.failed_ddl(f, 60503)
            assert not down.query("SELECT 1 FROM app.a WHERE id=3")
            live.operators(f, ("replace", at, "ALTER TABLE app.tmp RENAME TO app.b"))
        f.start().end()
    finally:
        f.close()


@pytest.mark.parametrize("source, target", PAIRS)
def test_default_charset(build_dir, server, source, target):
    """A table without a charset takes its database's. One that is another one in the downstream stops, unless the statement names a charset."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    up.run("CREATE DATABASE app CHARACTER SET latin1")
    down.run("CREATE DATABASE app CHARACTER SET utf8mb4")
    f = follow(build_dir, ends)
    try:
        up.run("CREATE TABLE app.said (id int PRIMARY KEY, v varchar(10)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin", "INSERT INTO app.said VALUES (1, 'é')",
               "CREATE TABLE app.like_it LIKE app.said", "INSERT INTO app.like_it VALUES (2, 'è')")
        f.wait()
        up.run("CREATE TABLE app.t (id int PRIMARY KEY, v varchar(10), w varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)", "INSERT INTO app.t VALUES (1, 'é', 'ü')")
        f.wait_error(60510)
        assert "`app`: latin1 in the upstream, utf8mb4 in the downstream" in f.out, f.out[-2000:]
        assert not down.query("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA='app' AND TABLE_NAME='t'")
        down.run("ALTER DATABASE app CHARACTER SET latin1")
        f.start().end()
        assert down.query("SELECT v FROM app.t") == (("é",),)
    finally:
        f.close()


def alters_since(up, file):
    """START, COMMIT, ROLLBACK: the halves of two-phase ALTERs, in the binlog's order, and where there were rows."""
    rows = up.query(f"SHOW BINLOG EVENTS IN '{file}'")
    return " ".join("rows" if r[2].startswith("Write_rows") else r[5].split(" ALTER")[0].split()[-1] for r in rows if " ALTER" in r[5] and r[2] == "Gtid" or r[2].startswith("Write_rows"))


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), pytest.param("ma1011", "ma1011", marks=pytest.mark.long), pytest.param("ma118", "my97", marks=pytest.mark.long), pytest.param("ma114", "ma1011", marks=pytest.mark.long)])
def test_two_phase_alter(build_dir, server, source, target):
    """MariaDB's binlog_alter_two_phase: executed once, on COMMIT; on ROLLBACK not at all; others' rows and a restart between the halves (T18)."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    phases = "SET SESSION binlog_alter_two_phase=ON"
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v int)", "CREATE TABLE app.other (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1, 1), (2, 1)")
        file = up.position()[0]
        up.run(phases, "ALTER TABLE app.t ADD w int DEFAULT 5, ALGORITHM=COPY", "CREATE INDEX v ON app.t (v)")
        with pytest.raises(live.pymysql.MySQLError, match="1062"):
            up.run(phases, "ALTER TABLE app.t ADD UNIQUE KEY once (v), ALGORITHM=COPY")
        with up.connect(autocommit=False) as holder, holder.cursor() as cur:
            cur.execute("SELECT * FROM app.t")
            alter = threading.Thread(target=up.run, args=(phases, "ALTER TABLE app.t ADD x int DEFAULT 6, ALGORITHM=COPY"))
            alter.start()
            procs.wait_for(lambda: alters_since(up, file).endswith("ROLLBACK START"), 60, lambda: alters_since(up, file))
            up.run("INSERT INTO app.other VALUES (1)")
            f.wait()
            assert down.query("SELECT COUNT(*) FROM app.other")[0][0] == 1
            assert not down.query("SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='app' AND COLUMN_NAME='x'")
            f.stop()
            f.start()
            holder.rollback()
        alter.join(120)
        up.run("INSERT INTO app.t VALUES (3, 3, 3, 3)")
        assert alters_since(up, file) == "rows START COMMIT START COMMIT START ROLLBACK START rows COMMIT rows", alters_since(up, file)
        f.wait()
        assert f.out.count("DDL: ALTER TABLE") == 2 and f.out.count("DDL: CREATE INDEX") == 1, f.out[-3000:]
        f.end()
    finally:
        f.close()


@pytest.mark.parametrize("source, target, zone", [("ma1011", "my97", "CET-1CEST,M3.5.0,M10.5.0/3"), ("my97", "ma1011", "MSK-3")])
def test_zone_of_the_upstreams_system(build_dir, server, source, target, zone):
    """time_zone=SYSTEM is the upstream's: rows that are there get the same times. Where summer's and winter's differ and both may count, it stops."""
    ends = Ends(server, source, target, zone=zone)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    rows = "SELECT * FROM app.t ORDER BY id"
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v timestamp NULL)", "INSERT INTO app.t VALUES (1, '2026-07-01 12:00:00'), (2, '2026-12-01 12:00:00')")
        f.wait()
        up.run("ALTER TABLE app.t ADD created datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, ADD day date DEFAULT (CURRENT_DATE)")
        f.wait()
        created = "SELECT id, created, day FROM app.t ORDER BY id"
        assert up.query(created) == down.query(created)
        # No time changes its type: nothing to know of any year.
        up.run("ALTER TABLE app.t MODIFY created datetime(3) NOT NULL, ADD name varchar(9) NOT NULL DEFAULT '', ADD ts timestamp NULL", "ALTER TABLE app.t CHANGE v v timestamp(3) NULL, MODIFY name varchar(20), ADD d date")
        f.wait()
        kept = "SELECT id, created, name, ts, d, UNIX_TIMESTAMP(v) FROM app.t ORDER BY id"
        assert up.query(kept) == down.query(kept)
        up.run("ALTER TABLE app.t MODIFY v datetime")
        if zone.startswith("CET"):
            f.wait_error(60507)
            assert "times of the zone 'SYSTEM'" in f.out and "mysql_tzinfo_to_sql" in f.out, f.out[-2000:]
        else:
            f.wait()
            assert up.query(rows) == down.query(rows)
            f.stop()
    finally:
        f.close()


@pytest.mark.parametrize("source, target", ONE)
def test_rows_that_are_numbered(build_dir, server, source, target):
    """AUTO_INCREMENT of a new column: with a primary key, or in an empty table, the numbers are the same on both sides; else it stops."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.k (a int PRIMARY KEY)", "INSERT INTO app.k VALUES (5), (3)", "CREATE TABLE app.none (a int)", "CREATE TABLE app.t (a int)", "CREATE TABLE app.new (a int PRIMARY KEY)",
               "INSERT INTO app.t VALUES (5), (3)")
        f.wait()
        f.stop()
        f.start()  # nothing is known of the tables but what is recorded
        up.run("ALTER TABLE app.k ADD id int AUTO_INCREMENT UNIQUE", "ALTER TABLE app.none ADD id int AUTO_INCREMENT PRIMARY KEY", "INSERT INTO app.none (a) VALUES (7)",
               "ALTER TABLE app.new DROP PRIMARY KEY, ADD id int AUTO_INCREMENT PRIMARY KEY", "INSERT INTO app.new (a) VALUES (8)")
        f.wait()
        for name in ("k", "none", "new"):
            rows = f"SELECT a, id FROM app.{name} ORDER BY id"
            assert up.query(rows) == down.query(rows)
        up.run("ALTER TABLE app.t ADD id int AUTO_INCREMENT PRIMARY KEY")
        f.wait_error(60507)
        assert "order of its own" in f.out, f.out[-2000:]
    finally:
        f.close()


@pytest.mark.parametrize("source, target", PAIRS)
def test_modes_of_one_family(build_dir, server, source, target):
    """Fewer digits of a second: rounded or cut off, as in the upstream by its own mode."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    other = "TIME_ROUND_FRACTIONAL" if up.flavor == "mariadb" else "TIME_TRUNCATE_FRACTIONAL"
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v datetime(6), w datetime(6), d int)", "INSERT INTO app.t VALUES (1, '2026-01-01 00:00:00.7', '2026-01-01 00:00:00.7', 0)")
        up.run("ALTER TABLE app.t MODIFY v datetime", f"SET sql_mode='{other}'", "ALTER TABLE app.t MODIFY w datetime")
        f.wait()
        rows = "SELECT * FROM app.t"
        assert up.query(rows) == down.query(rows) and up.query("SELECT v<>w FROM app.t")[0][0]
        if up.flavor == "mariadb":
            up.run("SET sql_mode='ORACLE'", "ALTER TABLE app.t ADD x date")
            f.wait_error(60507)
            assert "ORACLE of MariaDB" in f.out, f.out[-2000:]
        else:
            f.stop()
    finally:
        f.close()


WIDER = {  # name: upstream, what is done to the downstream's; a change of structure that comes later finds either with another column of its own
    "one": ("id int PRIMARY KEY, v varchar(20), n int", "ADD own int NOT NULL DEFAULT 7 FIRST, ADD note varchar(9) DEFAULT 'new'"),
    "uniq": ("id int PRIMARY KEY, v varchar(20), n int, UNIQUE KEY (n)", "ADD own int NOT NULL DEFAULT 7 FIRST, ADD KEY (own)"),
    "none": ("id int, v varchar(20), n int", "ADD own int NOT NULL AUTO_INCREMENT PRIMARY KEY FIRST, ADD note varchar(9) DEFAULT 'new'"),
    "made": ("id int PRIMARY KEY, v varchar(20), n int", "DROP n, ADD n int AS (id * 2) STORED AFTER v, ADD note varchar(9) DEFAULT 'new'"),
    "plain": ("id int PRIMARY KEY, v varchar(20), n int AS (id * 3) STORED", "DROP n, ADD n int AFTER v, ADD note varchar(9) DEFAULT 'new'"),
}
OTHERWISE = {  # what can't be said by a list of added columns
    "moved": ("id int PRIMARY KEY, v int, n int", "MODIFY n int FIRST"),
    "lacks": ("id int PRIMARY KEY, v int, n int, g int AS (id * 3) STORED", "DROP g, ADD own int DEFAULT 7 FIRST"),
}


def make_wider(f, up, down, tables):
    up.run(*(f"CREATE TABLE app.{t} ({c}) ENGINE=InnoDB" for t, (c, _) in tables.items()))
    f.wait()
    down.run(*(f"ALTER TABLE app.{t} {more}" for t, (_, more) in tables.items()))


def wider_equal(ends, columns):
    for t, names in columns.items():
        up, down = (sorted(s.query(f"SELECT {names} FROM app.{t}"), key=repr) for s in (ends.up, ends.down))
        assert up == down, f"{t}: {up[:5]} and {down[:5]}"
        assert up


@pytest.mark.parametrize("source, target, image", pick((*PAIRS[0], "FULL"), (*PAIRS[1], "MINIMAL"), more=[(*p, image) for p in PAIRS for image in ("FULL", "MINIMAL")]))
def test_columns_of_its_own(build_dir, server, source, target, image):
    """The downstream's tables have columns of their own, first and last; one is generated on one side only. Values go by name, and what is the downstream's own stays as it is:
    rows one by one, many at once, and behind two changes of structure in a backlog."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    tables = [t for t in WIDER if t != "none" or image == "FULL"]  # a table without a key needs whole images
    own = {"uniq": ("own", "99"), "one": ("own", "99")}
    try:
        up.run("CREATE DATABASE app")
        make_wider(f, up, down, WIDER)
        with up.connect(autocommit=False) as c, c.cursor() as cur:
            for t in WIDER:
                n = ("", "") if t == "plain" else (", n", ", {0}")
                cur.execute(f"INSERT INTO app.{t} (id, v{n[0]}) VALUES " + ", ".join(f"({i}, 'v{i}'{n[1].format(i)})" for i in range(1, 201)))
            c.commit()
        f.wait()
        wider_equal(ends, {t: "id, v" if t == "made" else "id, v, n" for t in WIDER})
        assert not down.query("SELECT 1 FROM app.made WHERE NOT n<=>id*2") and not down.query("SELECT 1 FROM app.plain WHERE NOT n<=>id*3")
        for t in tables:
            down.run("UPDATE app.{} SET {}={} WHERE id IN (3, 5, 150)".format(t, *own.get(t, ("note", "99"))))
        f.stop()
        with up.connect(autocommit=False) as c, c.cursor() as cur:
            cur.execute(f"SET SESSION binlog_row_image={image}")
            for t in tables:
                for s in ("SET v='one' WHERE id=3", "SET v=CONCAT('many', id) WHERE id BETWEEN 100 AND 190", "SET v='twice' WHERE id=5", "SET v='again', id=1005 WHERE id=5"):
                    cur.execute(f"UPDATE app.{t} {s}")
                cur.execute(f"DELETE FROM app.{t} WHERE id BETWEEN 20 AND 30")
                cur.execute(f"DELETE FROM app.{t} WHERE id=1")
            c.commit()
        up.run("RENAME TABLE app.one TO app.uno")
        names = {"one": "uno"}
        for n in (1, 2):
            for t in tables:
                name = names.get(t, t)
                up.run(f"ALTER TABLE app.{name} ADD w{n} int DEFAULT {n}{' AFTER id' if n == 2 else ''}", f"INSERT INTO app.{name} (id, v, w{n}) VALUES ({2000 + n}, 'new', {n * 10})")
        f.start().wait()
        wider_equal(ends, {names.get(t, t): "id, v, w1, w2" if t == "made" else "id, v, n, w1, w2" for t in tables})
        for t in tables:
            kept = down.query("SELECT id FROM app.{} WHERE {}={}".format(names.get(t, t), *own.get(t, ("note", "'99'"))))
            assert sorted(kept) == [(3,), (150,), (1005,)], (t, kept)
        f.stop()
    finally:
        f.close()


@pytest.mark.parametrize("source, target", ONE)
def test_columns_elsewhere(build_dir, server, source, target):
    """The downstream's columns, all of one type, stand in another order, or are as many but others: behind a change of structure values still go by name."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app")
        make_wider(f, up, down, OTHERWISE)
        for i, change in enumerate(("COMMENT 'x'", "ADD KEY (v)", "ADD w int AFTER v", "DROP w")):
            up.run(*(f"INSERT INTO app.{t} (id, v, n) VALUES ({10 * i}, 1, 2)" for t in OTHERWISE))
            up.run(*(f"ALTER TABLE app.{t} {change}" for t in OTHERWISE))
            up.run(*(f"INSERT INTO app.{t} (id, v, n) VALUES ({10 * i + 1}, 3, 4)" for t in OTHERWISE), *(f"UPDATE app.{t} SET v={100 + i} WHERE id={10 * i}" for t in OTHERWISE))
            f.wait()
            wider_equal(ends, {t: "id, v, n" for t in OTHERWISE})
        f.stop()
    finally:
        f.close()


def lines_above(down):
    """How many intervals above the watermark each applier's row has."""
    return [len(a.splitlines()) for a, in down.query("SELECT COALESCE(applied, '') FROM dm_meta.tidegate_slot")]


@pytest.mark.parametrize("source, target", ONE)
def test_a_pinned_watermark(build_dir, server, source, target):
    """One applier waits for a row that a session of somebody holds: the others go on, but only until their rows have so many intervals (T4). A kill then loses and doubles nothing."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends, workers=3, batch_rows=1, runs_max=8)
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.held (id int PRIMARY KEY, v int)", "INSERT INTO app.held VALUES (1, 1)", "CREATE TABLE app.t (id int PRIMARY KEY, v int)",
               "CREATE TABLE app.loose (a int)")
        f.wait()
        with down.connect(autocommit=False) as holder, holder.cursor() as cur:
            cur.execute("SELECT * FROM app.held FOR UPDATE")
            f.stop()  # a backlog: transactions are placed faster than any is committed
            stands = f.watermark()
            up.run("UPDATE app.held SET v=2", *(f"INSERT INTO app.t VALUES ({i}, {i})" for i in range(1000)), *("INSERT INTO app.loose VALUES (1)" for _ in range(20)))
            f.start()
            counts = []

            def still():
                counts.append(down.query("SELECT COUNT(*) FROM app.t")[0][0])
                return len(counts) > 6 and counts[-1] == counts[-6] > 0 and max(lines_above(down)) >= 8
            procs.wait_for(still, 120, lambda: f.out[-2000:], 0.3)
            assert f.watermark() == stands, "the watermark is not held"
            assert counts[-1] < 200, f"{counts[-1]} of 1000 went past"
            assert 8 <= max(lines_above(down)) <= 64, lines_above(down)  # what stood in its queue then counts eight times as much
            f.stop_hard()
            holder.rollback()
        f.start()
        f.wait()
        assert "intervals behind the watermark are applied already" in f.out
        f.end()
    finally:
        f.close()


ROW = 4 << 20


def peak(f):
    """Of the sync that runs now, in bytes."""
    pid = re.findall(r"^start tidegate-sync (\d+)", f.out, re.M)[-1]
    return int(re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M).group(1)) << 10


@pytest.mark.parametrize("source, target", ONE)
def test_memory(build_dir, server, sanitized, source, target):
    """150 MiB and four times the largest row, whatever waits: a transaction of 60 MB, 130 MB of others, and a downstream that stands still meanwhile (T28)."""
    if sanitized:
        pytest.skip("a sanitizer's memory is its own")
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    numbers = "(SELECT a.n + 10 * b.n + 100 * c.n AS n FROM " + ", ".join("(SELECT 0 n" + "".join(f" UNION SELECT {i}" for i in range(1, 10)) + f") {x}" for x in "abc") + ") x"
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.held (id int PRIMARY KEY, v longblob)", "INSERT INTO app.held VALUES (1, 'x')", "CREATE TABLE app.t (id int PRIMARY KEY, v longblob)")
        f.wait()
        with down.connect(autocommit=False) as holder, holder.cursor() as cur:
            cur.execute("LOCK TABLES app.held WRITE, app.t WRITE")
            up.run(f"UPDATE app.held SET v=REPEAT('r', {ROW})", f"INSERT INTO app.t SELECT n, REPEAT('a', 60000) FROM {numbers}",
                   *(f"INSERT INTO app.t SELECT 1000 + {i} * 50 + n, REPEAT('b', 20000) FROM {numbers} WHERE n < 50" for i in range(130)))
            seen = []

            def still():
                seen.append((peak(f), re.findall(r'"fetched":"([0-9:]+)"', f.out)[-1]))
                return len(seen) > 6 and seen[-1] == seen[-6]
            procs.wait_for(still, 60, lambda: f.out[-2000:], 0.3)
            cur.execute("UNLOCK TABLES")
        f.wait(120)
        most = peak(f)
        print(f"peak {most >> 20} MiB")
        assert most < (150 << 20) + 4 * ROW, f"{most >> 20} MiB"
        f.end()
    finally:
        f.close()


def prepared(down):
    return int(down.query("SHOW GLOBAL STATUS LIKE 'Com_stmt_prepare'")[0][1])


@pytest.mark.parametrize("ms", [0, 5])
def test_far_away(build_dir, server, ms):
    """How rows are written depends on how long MariaDB's answers take: 2,000 rows of a table by bulk execute, or as text in the packet that goes anyway."""
    ends = Ends(server, "ma1011", "ma1011")
    up, down = ends.up, ends.down
    far = Far(down.port, ms) if ms else None
    f = live.Follow(build_dir, up, down, ["app"])
    f.slices["sync"]["downstream"]["port"] = far.port if far else down.port
    before = prepared(down)
    f.start(900)
    try:
        up.run("CREATE DATABASE app", "USE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(40))", "INSERT INTO app.t SELECT seq, 'one' FROM seq_1_to_2000", "UPDATE app.t SET v='two' WHERE id % 2",
               "CREATE TABLE app.u (id int PRIMARY KEY, a int UNIQUE, v varchar(40))", "INSERT INTO app.u SELECT seq, seq, 'one' FROM seq_1_to_300", "UPDATE app.u SET v='two'")
        f.wait()
        told = re.search(r"the downstream answers after (\d+) us: runs of less than (\d+) rows \(updates that are no upserts: (\d+)\) go as text", f.out)
        assert (prepared(down) == before) == (ms > 0), f.out[-2000:]
        assert not ms or (int(told[1]) > 4900 and int(told[2]) > 2000 and int(told[3]) > 300), f.out[-2000:]
        f.end()
    finally:
        f.close()
        if far:
            far.close()


def test_sent_and_not_committed(build_dir, server):
    """MySQL with semi-synchronous replication has sent a transaction, and waits for its replica: a relay that connects anew meanwhile waits with it; that is no loss (T20)."""
    ends = Ends(server, "my97", "ma1011")
    up, down = ends.up, ends.down
    up.run("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
    f = follow(build_dir, ends)
    writer = None
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
        f.wait()
        up.run("SET GLOBAL rpl_semi_sync_source_timeout=600000", "SET GLOBAL rpl_semi_sync_source_enabled=ON")
        writer = threading.Thread(target=up.run, args=("INSERT INTO app.t VALUES (2)",))
        writer.start()
        procs.wait_for(lambda: down.query("SELECT id FROM app.t WHERE id=2"), 60, lambda: f.out[-2000:], 0.1)
        assert not up.query("SELECT id FROM app.t WHERE id=2"), "it does not wait"
        for row in up.query("SHOW PROCESSLIST"):
            if str(row[4]).startswith("Binlog Dump"):
                live.kill_session(up, row[0])
        procs.wait_for(lambda: f.out.count("in its binlog, and not committed there") > 1, 60, lambda: f.out[-3000:], 0.1)
        up.run("SET GLOBAL rpl_semi_sync_source_enabled=OFF")
        writer.join(60)
        up.run("INSERT INTO app.t VALUES (3)")
        f.wait(120)
        assert "error=60201" not in f.out and "60207" in f.out
        f.end()
    finally:
        up.run("SET GLOBAL rpl_semi_sync_source_enabled=OFF")
        if writer:
            writer.join(60)
        f.close()
        up.run("UNINSTALL PLUGIN rpl_semi_sync_source")


SHORT = {  # a short form of what the script's own tests show at length
    "ddl": (live.test_ddl, {}, "ma1011", "my97"),
    "ddl_crashes": (live.crash_ddl, {"point": "sync_ddl_sent"}, "my97", "ma1011"),
    "refused": (live.test_refused, {}, "ma1011", "my97"),
    "folded": (live.test_folded, {"rounds": 1}, "my97", "ma1011"),
    "killed_connections": (live.test_killed_connections, {"rounds": 5}, "ma1011", "my97"),
}


@pytest.mark.parametrize("name", SHORT)
def test_in_short(build_dir, server, name):
    """DDL of all kinds under the upstream's session (time zone, sql_mode, charset), kills around it, refusals, folding, killed connections."""
    test, more, source, target = SHORT[name]
    ends = Ends(server, source, target)
    test(build_dir, ends.up, ends.down, **more)


PERIOD = "rs timestamp(6) GENERATED ALWAYS AS ROW START, re timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (rs, re)"


@pytest.mark.parametrize("target, more", pick(("ma1011", ""), ("my97", ", " + PERIOD), more=[(t, m) for t in ("my97", "ma1011") for m in ("", ", " + PERIOD)]))
def test_system_versioned(build_dir, server, target, more):
    """MariaDB logs a deleted row of such a table as an update of its end, and history as inserts: into a target that keeps history and one that does not (T18)."""
    ends = Ends(server, "ma1011", target)
    up, down = ends.up, ends.down
    f = follow(build_dir, ends)
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.other (id int PRIMARY KEY, a timestamp(6) NULL, b timestamp(6) NULL)", "INSERT INTO app.other VALUES (1, NOW(6), NULL)",
               f"CREATE TABLE app.v (id int PRIMARY KEY, n int{more}) WITH SYSTEM VERSIONING")
        f.wait()
        up.run("INSERT INTO app.v (id, n) VALUES (1, 1), (2, 2)", "UPDATE app.v SET n=3 WHERE id=1", "DELETE FROM app.v WHERE id=2", "REPLACE INTO app.v (id, n) VALUES (1, 4), (3, 3)")
        f.wait()
        if not more:  # a period's columns have the downstream's times, or another type
            f.end()
        assert down.query("SELECT id, n FROM app.v ORDER BY id") == ((1, 4), (3, 3)) and down.query("SELECT COUNT(*) FROM app.other")[0][0] == 1
    finally:
        f.close()
