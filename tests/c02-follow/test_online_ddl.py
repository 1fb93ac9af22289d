"""Online changes of structure, as gh-ost and pt-osc make them (docs/design/online-ddl.md): their statements one by one, the sync killed (-9) between each
two of them and inside of the exchange; under routes and filters; across a switch of the upstream; what can't be followed stops by name; a start in the
middle."""
import failover
import procs
import pytest
from conftest import Pair
from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED
from words import ask, wait_stage

SOURCE = "source-id: one\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: '{password}'}}\n"
TASK = """
name: run
task-mode: {mode}
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: one, block-allow-list: app{instance}}}]
block-allow-list: {{app: {{do-tables: [{{db-name: app, tbl-name: "?"}}, {{db-name: app, tbl-name: "k?"}}, {{db-name: app, tbl-name: steps}}]}}}}
{more}
"""
TABLE = "CREATE TABLE {t} (id int PRIMARY KEY AUTO_INCREMENT, v varchar(20), n int NOT NULL DEFAULT 1, KEY (v)) CHARACTER SET utf8mb4"
ROWS = "INSERT INTO {t} (v, n) VALUES ('a', 1), ('b', 2), (NULL, 3), ('d', 4)"
# Between the copy of rows and the swap both tables get the application's writes: by gh-ost itself, or by pt-osc's triggers.
GH_OST = [
    "DROP TABLE IF EXISTS `app`.`_{t}_gho`",
    "DROP TABLE IF EXISTS `app`.`_{t}_del`",
    "CREATE /* gh-ost */ TABLE `app`.`_{t}_ghc` (id bigint unsigned AUTO_INCREMENT, last_update timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, "
    "hint varchar(64) CHARACTER SET ascii NOT NULL, value varchar(4096) CHARACTER SET ascii NOT NULL, PRIMARY KEY (id), UNIQUE KEY hint_uidx (hint)) AUTO_INCREMENT=256",
    "CREATE /* gh-ost */ TABLE `app`.`_{t}_gho` LIKE `app`.`{t}`",
    "ALTER /* gh-ost */ TABLE `app`.`_{t}_gho` ADD COLUMN c int NOT NULL DEFAULT 7, MODIFY v varchar(40)",
    "ALTER /* gh-ost */ TABLE `app`.`_{t}_gho` AUTO_INCREMENT=5",
    "INSERT /* gh-ost */ INTO `app`.`_{t}_ghc` (id, hint, value) VALUES (2, 'state', 'GhostTableMigrated')",
    "INSERT /* gh-ost */ IGNORE INTO `app`.`_{t}_gho` (id, v, n) SELECT id, v, n FROM `app`.`{t}` WHERE id <= 2",
    "UPDATE {t} SET v = 'changed' WHERE id = 3",
    "INSERT /* gh-ost */ IGNORE INTO `app`.`_{t}_gho` (id, v, n) SELECT id, v, n FROM `app`.`{t}` WHERE id > 2",
    "DELETE FROM {t} WHERE id = 1",
    "DELETE /* gh-ost */ FROM `app`.`_{t}_gho` WHERE id = 1",
    "CREATE /* gh-ost */ TABLE `app`.`_{t}_del` (id int AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB COMMENT='ghost-cut-over-sentry'",
    "DROP /* gh-ost */ TABLE IF EXISTS `app`.`_{t}_del`",
    "RENAME /* gh-ost */ TABLE `app`.`{t}` TO `app`.`_{t}_del`, `app`.`_{t}_gho` TO `app`.`{t}`",
    "INSERT INTO {t} (v, n, c) VALUES ('behind', 9, 9)",
    "DROP /* gh-ost */ TABLE IF EXISTS `app`.`_{t}_ghc`",
    "DROP /* gh-ost */ TABLE IF EXISTS `app`.`_{t}_del`",
]
PT_OSC = [
    "CREATE TABLE `app`.`_{t}_new` (`id` int NOT NULL AUTO_INCREMENT, `v` varchar(20) DEFAULT NULL, `n` int NOT NULL DEFAULT 1, PRIMARY KEY (`id`), KEY `v` (`v`)) DEFAULT CHARSET=utf8mb4",
    "ALTER TABLE `app`.`_{t}_new` ADD COLUMN c int NOT NULL DEFAULT 7, MODIFY v varchar(40)",
    "CREATE TRIGGER `pt_osc_app_{t}_del` AFTER DELETE ON `app`.`{t}` FOR EACH ROW DELETE IGNORE FROM `app`.`_{t}_new` WHERE `app`.`_{t}_new`.`id` <=> OLD.`id`",
    "CREATE TRIGGER `pt_osc_app_{t}_upd` AFTER UPDATE ON `app`.`{t}` FOR EACH ROW REPLACE INTO `app`.`_{t}_new` (`id`, `v`, `n`) VALUES (NEW.`id`, NEW.`v`, NEW.`n`)",
    "CREATE TRIGGER `pt_osc_app_{t}_ins` AFTER INSERT ON `app`.`{t}` FOR EACH ROW REPLACE INTO `app`.`_{t}_new` (`id`, `v`, `n`) VALUES (NEW.`id`, NEW.`v`, NEW.`n`)",
    "INSERT LOW_PRIORITY IGNORE INTO `app`.`_{t}_new` (`id`, `v`, `n`) SELECT `id`, `v`, `n` FROM `app`.`{t}` LOCK IN SHARE MODE",
    "UPDATE {t} SET v = 'changed' WHERE id = 3",
    "DELETE FROM {t} WHERE id = 1",
    "INSERT INTO {t} (v, n) VALUES ('between', 8)",
    "ANALYZE TABLE `app`.`_{t}_new`",
    "RENAME TABLE `app`.`{t}` TO `app`.`_{t}_old`, `app`.`_{t}_new` TO `app`.`{t}`",
    "INSERT INTO {t} (v, n, c) VALUES ('behind', 9, 9)",
    "DROP TABLE IF EXISTS `app`.`_{t}_old`",
    "DROP TRIGGER IF EXISTS `app`.`pt_osc_app_{t}_del`",
    "DROP TRIGGER IF EXISTS `app`.`pt_osc_app_{t}_upd`",
    "DROP TRIGGER IF EXISTS `app`.`pt_osc_app_{t}_ins`",
]


class Followed:
    """A task of DM's files; its table steps says how far the downstream is."""

    def __init__(self, pair, j, port=None, schema="app", **words):
        self.pair, self.j, self.n, self.kills, self.schema = pair, j, 0, 0, schema
        pair.source.run("CREATE DATABASE app CHARACTER SET utf8mb4", "CREATE TABLE app.steps (id int PRIMARY KEY)")
        self.task, source = j.folder / "task.yaml", j.folder / "source.yaml"
        source.write_text(SOURCE.format(port=port or pair.source.port, user=USER, password=PASSWORD))
        self.files = [self.write(**words), str(source)]

    def write(self, mode="all", instance="", more=""):
        self.task.write_text(TASK.format(port=self.pair.target.port, user=USER, password=PASSWORD, mode=mode, instance=instance, more=more))
        return str(self.task)

    def start(self):
        self.j.start("--stay", *self.files, until=None)
        self.j.wait_status(lambda x: x.get("phase") == "sync")
        self.unit = self.j.wait_unit("sync")

    def arrived(self):
        return self.pair.target.query(f"SELECT COUNT(*) FROM {self.schema}.steps WHERE id = {self.n}")[0][0] == 1

    def step(self, *statements):
        self.n += 1
        self.pair.source.run(*statements, f"INSERT INTO app.steps VALUES ({self.n})", db="app")

    def through(self, *statements):
        self.step(*statements)
        procs.wait_for(self.arrived, 90, self.j.story, 0.1)

    def kill(self):
        """Every third time the run is started anew: pauses between restarts grow by design."""
        self.kills += 1
        self.unit.kill()
        if self.kills % 3:
            self.unit = self.j.wait_unit("sync", other_than=[self.unit])
            return
        assert self.j.interrupt() == INTERRUPTED, self.j.story()
        self.j.assert_gone()
        self.start()

    def equal(self):
        assert self.j.interrupt() == INTERRUPTED, self.j.story()
        self.j.assert_gone()
        self.pair.assert_equal("app", self.j.story)
        assert self.pair.target.query("SELECT COUNT(*) FROM dm_meta.tidegate_online")[0][0] == 0

    def stops(self, statement, why, *instead):
        """An operator says what is done in its place, or nothing."""
        self.step(statement)
        wait_stage(self.j, "Paused", 36046)
        assert why in self.j.subtask()["result"]["errors"][0]["Message"], self.j.story()
        assert not self.arrived()
        ask(self.j, "binlog", *(("replace", "run", ";".join(instead)) if instead else ("skip", "run")))
        ask(self.j, "resume-task", "run")
        procs.wait_for(self.arrived, 60, self.j.story, 0.1)


def begin(names, make_pair, job, **words):
    return Followed(make_pair(*names.split(">")), job(source_url=None, target_url=None), **words)


def flow(steps, t):
    return [s.format(t=t) for s in steps]


def same_rows(s, d, t):
    """Those of before the exchange have what the new column was given."""
    assert d.query(f"SELECT COUNT(*) FROM app.{t} WHERE c = 7")[0][0] == s.query(f"SELECT COUNT(*) FROM app.{t} WHERE c = 7")[0][0] > 2


def long(*values, **kw):
    return pytest.param(*values, marks=pytest.mark.long, **kw)


BOTH = pytest.mark.parametrize("names", ["ma1011>my97", long("my97>ma118")])


def test_killed_between_some_steps(make_pair, job):
    """Of both tools: behind the shadow's ALTER or in the row copy, and behind the exchange."""
    f = begin("my97>ma118", make_pair, job)
    s, d = f.pair.source, f.pair.target
    s.run(*flow([TABLE, ROWS], "t"), *flow([TABLE, ROWS], "u"), db="app")
    f.start()
    for t, steps, kills in (("t", GH_OST, (4, 14)), ("u", PT_OSC, (7, 10))):
        for i, step in enumerate(flow(steps, t)):
            f.through(step)
            if i in kills:
                f.kill()
    assert [t for t, in d.query("SHOW TABLES FROM app")] == ["steps", "t", "u"]
    f.equal()
    same_rows(s, d, "t")
    same_rows(s, d, "u")


@pytest.mark.long
@pytest.mark.parametrize("names, steps", [
    pytest.param("my97>ma118", GH_OST, id="gh-ost"), pytest.param("ma1011>my97", PT_OSC, id="pt-osc"),
    pytest.param("ma1011>my97", GH_OST, id="gh-ost-mariadb"), pytest.param("my97>my97", PT_OSC, id="pt-osc-mysql")])
def test_killed_between_each_two_steps(names, steps, make_pair, job):
    f = begin(names, make_pair, job)
    s, d = f.pair.source, f.pair.target
    s.run(*flow([TABLE, ROWS], "t"), db="app")
    f.start()
    for step in flow(steps, "t"):
        f.through(step)
        f.kill()
        assert [t for t, in d.query("SHOW TABLES FROM app")] == ["steps", "t"]
    f.equal()
    same_rows(s, d, "t")


@pytest.mark.long
@pytest.mark.parametrize("name, steps, swap", [("my97", GH_OST, 14), ("ma1011", GH_OST, 14), ("ma1011", PT_OSC, 10)])
@pytest.mark.parametrize("at", [5, 0])
def test_another_upstream_takes_over(name, steps, swap, at, fleet, forward, server, job):
    """A replica goes on in the middle of the flow, behind step `at` (0: behind the exchange, which is known by its GTID and may have been begun)."""
    a, b = fleet(name, "a", "b")
    failover.follow(b, a)
    door = forward(a)
    f = Followed(Pair(a, server("ma118" if name != "ma118" else "my97", "down")), job(source_url=None, target_url=None), port=door.port)
    a.run(*flow([TABLE, ROWS], "t"), db="app")
    f.start()
    for i, step in enumerate(flow(steps, "t")):
        f.through(step)
        if i != (at or swap):
            continue
        f.kill()
        failover.wait_replica(b, a)
        failover.promote(b)
        b.run("FLUSH BINARY LOGS")
        door.to(b)
        f.pair = Pair(b, f.pair.target)
    f.equal()
    same_rows(b, f.pair.target, "t")


FILTERED = {
    "k1": ("ADD COLUMN c int DEFAULT 4, DROP COLUMN n", "[drop column]"),
    "k2": ("ADD COLUMN c int DEFAULT 4, ADD KEY cv (c, v)", "[create index]"),
    "k3": ("ADD COLUMN c int DEFAULT 4", "[all ddl]"),
    "k4": ("MODIFY v varchar(90) CHARACTER SET utf8mb4", "[alter table]"),
}
ALONE = dict(zip(FILTERED, "abcd"))  # the same without any tool
MORE = """
routes: {{all: {{schema-pattern: app, target-schema: moved}}, one: {{schema-pattern: app, table-pattern: u, target-schema: other, target-table: place}}}}
filters: {{{filters}, text: {{schema-pattern: app, table-pattern: k9, sql-pattern: ["COLUMN left_out"], action: Ignore}}, bad: {{schema-pattern: "*", sql-pattern: ["^ALTER TABLE _k8_gho NOBODY"], action: Ignore}}}}
expression-filter: {{few: {{schema: app, table: t, insert-value-expr: "n > 100"}}}}
"""


@BOTH
def test_routes_and_filters(names, make_pair, job):
    """Under other names; and a filter makes of the exchange what it makes of the same ALTER TABLE without any tool."""
    filters = ", ".join(f"{k}: {{schema-pattern: app, table-pattern: '{k}', events: {e}, action: Ignore}}, p{k}: {{schema-pattern: app, table-pattern: '{ALONE[k]}', events: {e}, action: Ignore}}"
                        for k, (_, e) in FILTERED.items())
    rules = ", ".join(f"{k}, p{k}" for k in FILTERED)
    f = begin(names, make_pair, job, schema="moved", instance=f", route-rules: [all, one], filter-rules: [{rules}, text, bad], expression-filters: [few]", more=MORE.format(filters=filters))
    s, d = f.pair.source, f.pair.target
    tables = ["t", "u", "k9", *(x for k in FILTERED for x in (k, ALONE[k]))]
    for x in tables:
        s.run(*flow([TABLE, ROWS], x), db="app")
    f.start()
    f.through(*flow(GH_OST, "t"), "INSERT INTO t (v, n, c) VALUES ('many', 101, 1)")
    f.through(*flow(PT_OSC, "u"), "UPDATE u SET n = 5 WHERE id = 2")
    for k, (change, _) in FILTERED.items():
        f.through(f"CREATE TABLE _{k}_gho LIKE {k}", f"ALTER TABLE _{k}_gho {change}", f"INSERT IGNORE INTO _{k}_gho (id, v) SELECT id, v FROM {k}",
                  f"RENAME TABLE {k} TO _{k}_del, _{k}_gho TO {k}", f"ALTER TABLE {ALONE[k]} {change}")
    f.through("CREATE TABLE _k9_gho LIKE k9", "ALTER TABLE _k9_gho ADD COLUMN left_out int", "ALTER TABLE _k9_gho ADD COLUMN c int", "INSERT INTO _k9_gho (id, v, n) SELECT id, v, n FROM k9",
              "RENAME TABLE k9 TO _k9_del, _k9_gho TO k9")
    f.unit = f.j.wait_unit("sync")
    f.kill()
    f.through("UPDATE t SET v = 'x' WHERE id = 2", "DELETE FROM u WHERE id = 2")
    shown = {k: d.query(f"SHOW CREATE TABLE moved.`{k}`")[0][1].replace(f"`{k}`", "`x`") for k in (*FILTERED, *ALONE.values())}
    for k in FILTERED:
        assert shown[k] == shown[ALONE[k]], (shown[k], shown[ALONE[k]])
    assert [c for c, in d.query("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'moved' AND TABLE_NAME = 'k9' ORDER BY ORDINAL_POSITION")] == ["id", "v", "n", "c"]
    assert f.j.interrupt() == INTERRUPTED, f.j.story()
    assert d.query("SELECT COUNT(*) FROM moved.t WHERE n > 100") == ((0,),)
    s.run("DELETE FROM app.t WHERE n > 100", *(f"DROP TABLE app.{x}" for x, in s.query("SHOW TABLES FROM app") if x not in ("t", "u", "steps")))
    d.run(*(f"DROP TABLE moved.{x}" for x in tables[2:]))
    f.pair.assert_equal("app", f.j.story, names={("app", "t"): ("moved", "t"), ("app", "u"): ("other", "place"), ("app", "steps"): ("moved", "steps")})
    assert not d.query("SELECT table_schema, table_name FROM dm_meta.tidegate_online")


@pytest.mark.parametrize("doing, sent", [(1, 2), long(2, 1), long(4, 3), long(3, 4)])
@BOTH
def test_killed_inside_of_the_exchange(names, doing, sent, make_pair, job):
    """Of two tables at once, with two statements each, before the one and behind the other; and with the exchange in two steps."""
    f = begin(names, make_pair, job)
    s = f.pair.source
    s.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", "CREATE TABLE u LIKE t", "INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO u SELECT * FROM t", db="app")
    f.start()
    for t in "tu":
        f.through(f"CREATE TABLE _{t}_gho LIKE {t}", f"ALTER TABLE _{t}_gho ADD COLUMN c int DEFAULT 3", f"CREATE INDEX x ON _{t}_gho (c)",
                  f"INSERT INTO _{t}_gho (id, v) SELECT id, v FROM {t}")
    f.j.failpoints.arm("sync_ddl_doing", at=doing)
    f.j.failpoints.arm("sync_ddl_sent", at=sent)
    f.through("RENAME TABLE t TO _t_del, _t_gho TO t, u TO _u_del, _u_gho TO u")
    assert f.j.failpoints.all_fired() == {"sync_ddl_doing": 1, "sync_ddl_sent": 1}, f.j.story()
    f.through("INSERT INTO t VALUES (3, 'c', 4)", "INSERT INTO u VALUES (3, 'c', 4)", "DROP TABLE _t_del, _u_del")
    f.through("CREATE TABLE _t_new (id int PRIMARY KEY, v varchar(20), c int DEFAULT 3, KEY x (c))", "ALTER TABLE _t_new DROP COLUMN v", "INSERT INTO _t_new SELECT id, c FROM t",
              "RENAME TABLE t TO _t_old")
    f.unit = f.j.wait_unit("sync")
    f.kill()
    f.j.failpoints.arm("sync_ddl_sent")
    f.through("RENAME TABLE _t_new TO t", "DROP TABLE _t_old", "INSERT INTO t VALUES (9, 9)")
    assert f.j.failpoints.fired("sync_ddl_sent") == 2, f.j.story()
    f.equal()


def test_check(make_pair, job):
    """A shadow that nothing is known of fails the start; other tables with such names are told."""
    f = begin("my97>ma118", make_pair, job)
    s = f.pair.source
    s.run("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE _t_gho LIKE t", "CREATE TABLE _other_new LIKE t", "CREATE TABLE _kx_old LIKE t", db="app")
    f.j.start("--stay", *f.files, until=None)
    assert f.j.wait() == FAILED
    assert "at work on: `app`.`_t_gho`;" in f.j.story()
    s.run("DROP TABLE app._t_gho")
    f.start()
    f.through("CREATE TABLE _t_gho LIKE t", "ALTER TABLE _t_gho ADD COLUMN c int")
    assert f.j.interrupt() == INTERRUPTED, f.j.story()
    f.start()
    f.through("INSERT INTO t VALUES (1)", "INSERT INTO _t_gho (id) VALUES (1)", "RENAME TABLE t TO _t_del, _t_gho TO t", "DROP TABLE _t_del, _other_new, _kx_old")
    f.equal()


def test_what_stops(make_pair, job):
    f = begin("ma1011>my97", make_pair, job, more="ignore-checking-items: [online_ddl]")
    s, d = f.pair.source, f.pair.target
    names = [f"k{i}" for i in range(9)]
    s.run("CREATE TABLE k0 (id int PRIMARY KEY, v varchar(20))", "INSERT INTO k0 VALUES (1, 'a'), (2, 'b')", *(f"CREATE TABLE {k} LIKE k0" for k in names[1:]),
          *(f"INSERT INTO {k} SELECT * FROM k0" for k in names[1:]), "CREATE TABLE _k0_gho LIKE k0", "ALTER TABLE _k0_gho ADD COLUMN c int", db="app")
    s.run("INSERT INTO _k0_gho (id, v) SELECT * FROM k0", db="app")
    f.start()

    def swap(k, shadow=None, trash=None):
        return f"RENAME TABLE {k} TO {trash or f'_{k}_old'}, {shadow or f'_{k}_gho'} TO {k}"

    add = "ALTER TABLE app.{} ADD COLUMN c int"
    f.stops(swap("k0"), "not on record", add.format("k0"))
    f.through("CREATE TABLE _k1_gho LIKE k1", "INSERT INTO _k1_gho SELECT * FROM k1 WHERE id = 1")
    f.stops(swap("k1"), "nothing was altered", "TRUNCATE TABLE app.k1")
    f.through("INSERT INTO k1 VALUES (2, 'x')")
    d.run("INSERT INTO app.k1 VALUES (1, 'a')")
    f.through("CREATE TABLE _k2_gho LIKE k2", "ALTER TABLE _k2_gho ADD COLUMN c timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP", "INSERT INTO _k2_gho (id, v) SELECT * FROM k2")
    f.stops(swap("k2"), "default is no constant, `c`", "ALTER TABLE app.k2 ADD COLUMN c timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP")
    f.through("CREATE TABLE _k3_gho LIKE k3", "ALTER TABLE _k3_gho ADD COLUMN c int", "ALTER TABLE k3 ADD KEY (v)", "INSERT INTO _k3_gho (id, v) SELECT * FROM k3")
    f.stops(swap("k3"), "changed meanwhile by ALTER TABLE", add.format("k3"), "ALTER TABLE app.k3 DROP KEY v")
    f.through("CREATE TABLE _k4_gho LIKE k3", "ALTER TABLE _k4_gho ADD COLUMN e int")
    f.stops(swap("k4"), "made like `app`.`k3`", "ALTER TABLE app.k4 ADD COLUMN c int, ADD COLUMN e int", "TRUNCATE TABLE app.k4")
    # pt-osc's drop_swap: skipped, and it goes on
    f.through("CREATE TABLE _k5_new (id int PRIMARY KEY, v varchar(20))", add.format("_k5_new"), "INSERT INTO _k5_new (id, v) SELECT * FROM k5")
    f.stops("DROP TABLE k5", "drop_swap")
    f.through("RENAME TABLE _k5_new TO k5", "INSERT INTO k5 VALUES (7, 'x', 7)")
    # a shadow that is given up says nothing any more
    f.through("CREATE TABLE _k6_new LIKE k6", "TRUNCATE _k6_new", "DROP TABLE _k6_new", "DROP TABLE k6")
    f.through("CREATE TABLE _k7_gho LIKE k7", "ALTER TABLE _k7_gho ADD COLUMN c int", "INSERT INTO _k7_gho (id, v) SELECT * FROM k7", "RENAME TABLE k7 TO _k7_old")
    f.stops("DROP TABLE _k7_old", "before its shadow took")
    f.through("RENAME TABLE _k7_gho TO k7")
    f.step("RENAME TABLE k8 TO _k8_old")
    wait_stage(f.j, "Paused", 60541)
    ask(f.j, "binlog", "replace", "run", "DROP TABLE app.k8")
    ask(f.j, "resume-task", "run")
    f.through("DROP TABLE IF EXISTS _k0_old, _k1_old, _k2_old, _k3_old, _k4_old, _k8_old")
    d.run("UPDATE app.k2 x SET c = '2001-01-01'")
    f.through("UPDATE k2 SET c = '2001-01-01'")
    f.equal()


def test_of_a_merged_table(make_pair, job):
    """Its target holds another table's rows too: the exchange stops as an ALTER TABLE of it would, and nothing has happened."""
    f = begin("ma1011>my97", make_pair, job, instance=", route-rules: [m]",
              more="routes: {m: {schema-pattern: app, table-pattern: '?', target-schema: app, target-table: merged}}\nignore-checking-items: [auto_increment_ID]")
    s, d = f.pair.source, f.pair.target
    for i, t in enumerate("tu"):
        s.run(*flow([TABLE, f"INSERT INTO {{t}} VALUES ({i + 1}, 'a', {i}), ({i + 10}, 'b', 2)"], t), db="app")
    f.start()
    for step in flow(GH_OST, "t")[:-4]:
        f.through(step.replace("WHERE id = 1", "WHERE id = 10").replace("id = 3", "id = 11"))
    before = d.query("SHOW CREATE TABLE app.merged"), d.query("SELECT * FROM app.merged ORDER BY id")
    assert [r[0] for r in before[1]] == sorted(i for t in "tu" for i, in s.query(f"SELECT id FROM app.{t}"))
    for n in range(2):
        pauses = f.j.log().count("-> Paused on ")
        f.step(flow(GH_OST, "t")[-4]) if n == 0 else ask(f.j, "resume-task", "run")
        procs.wait_for(lambda: f.j.log().count("-> Paused on ") > pauses, 60, f.j.story)
        wait_stage(f.j, "Paused", 60554)
    assert before == (d.query("SHOW CREATE TABLE app.merged"), d.query("SELECT * FROM app.merged ORDER BY id"))
    f.j.interrupt()


@pytest.mark.long
def test_other_rules_meanwhile(make_pair, job):
    """What was done with a shadow under rules that did not know it is not seen: the exchange stops, also once the first rules are back."""
    f = begin("ma1011>my97", make_pair, job)
    s = f.pair.source
    s.run(*flow([TABLE, ROWS], "t"), db="app")
    f.start()
    f.through("CREATE TABLE _t_gho LIKE t", "ALTER TABLE _t_gho ADD COLUMN c int")
    for i, more in enumerate(("online-ddl: false", "shadow-table-rules: ['^_(.+)_gho$']")):
        ask(f.j, "pause-task", "run")
        wait_stage(f.j, "Paused")
        ask(f.j, "update-task", f.write(more=more))
        ask(f.j, "resume-task", "run")
        f.through(f"ALTER TABLE _t_gho ADD COLUMN d{i} int")
    s.run("INSERT INTO app._t_gho (id, v, n) SELECT id, v, n FROM app.t")
    f.stops("RENAME TABLE t TO _t_del, _t_gho TO t", "rules of online-ddl were changed", "ALTER TABLE app.t ADD COLUMN c int, ADD COLUMN d0 int, ADD COLUMN d1 int")
    f.through("INSERT INTO t (v, c, d1) VALUES ('x', 1, 1)", "DROP TABLE _t_del")
    f.equal()


def test_begins_in_the_middle(make_pair, job):
    """A task that follows from a place in the middle of several flows: what lies before it is not known, so each exchange stops; one that begins anew behind it
    is followed. `when` is the first statement of each behind the place."""
    flows = [["CREATE TABLE _{k}_gho LIKE {k}", "ALTER TABLE _{k}_gho ADD COLUMN c int DEFAULT 2", "INSERT INTO _{k}_gho (id, v, n) SELECT id, v, n FROM {k}",
              "RENAME TABLE {k} TO _{k}_del, _{k}_gho TO {k}"]] * 3 + [
        ["CREATE TABLE _{k}_new LIKE {k}", "ALTER TABLE _{k}_new ADD COLUMN c int DEFAULT 2", "INSERT INTO _{k}_new (id, v, n) SELECT id, v, n FROM {k}",
         "RENAME TABLE {k} TO _{k}_old", "RENAME TABLE _{k}_new TO {k}"]]
    whens = [1, 2, 3, 4]
    f = begin("ma1011>my97", make_pair, job)
    s, d = f.pair.source, f.pair.target
    s.run("FLUSH BINARY LOGS")  # it is read from its head on
    names = [f"k{i}" for i in range(len(flows))] + ["t"]
    for k in names:
        s.run(*flow([TABLE, ROWS], k), db="app")
    d.run("CREATE DATABASE app CHARACTER SET utf8mb4", "CREATE TABLE app.steps (id int PRIMARY KEY)")
    for k in names:
        d.run(*flow([TABLE, ROWS], k), db="app")
    s.run("CREATE TABLE _t_gho LIKE t", "ALTER TABLE _t_gho ADD COLUMN given_up int", db="app")
    for k, steps, when in zip(names, flows, whens):
        s.run(*(x.format(k=k) for x in steps[:when]), db="app")
    gtid = s.query("SELECT @@global.gtid_binlog_pos")[0][0]
    f.write(mode="incremental", instance=f", meta: {{binlog-gtid: '{gtid}'}}", more="ignore-checking-items: [online_ddl]")
    f.start()
    for k, steps, when in zip(names, flows, whens):
        rest = [x.format(k=k) for x in steps[when:]]
        if rest[:-1]:
            f.through(*rest[:-1])
        f.stops(rest[-1], "not on record", f"ALTER TABLE app.{k} ADD COLUMN c int DEFAULT 2")
    f.through("UPDATE t SET n = n + 1 WHERE id = 2")  # rows before its structure is known would be read with the upstream's, which may be ahead
    f.through("DROP TABLE _t_gho", *flow(GH_OST, "t"))
    f.through(*(f"INSERT INTO {k} (v, c) VALUES ('behind', 3)" for k in names[:-1]))
    s.run(*(f"DROP TABLE app.{n}" for n, in s.query("SHOW TABLES FROM app") if n.startswith("_")))
    f.equal()
