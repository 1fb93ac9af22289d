"""What check-task finds beside privileges (include/check.def): one case after the other against one pair of servers, asked by accounts with exactly the
documented grants; each is gone again once it is mended."""
import re
import time

import procs
import pymysql
import pytest
from conftest import Pair
from grants import make_user, statements
from looked import Looked

class Setting:
    """SET GLOBAL of one variable for a while."""

    def __init__(self, server, name, value):
        self.server, self.name, self.value = server, name, value

    def __enter__(self):
        self.was = self.server.query(f"SELECT @@global.{self.name}")[0][0]
        self.server.run(f"SET GLOBAL {self.name}={self.value!r}")

    def __exit__(self, *_):
        self.server.run(f"SET GLOBAL {self.name}={self.was!r}")


@pytest.fixture
def looked(make_pair, job, bin_dir):
    def make(up, down):
        return Looked(bin_dir, job, make_pair(up, down))
    return make


PAIRS = [("my97", "ma1011"), ("ma1011", "my97")] + [pytest.param(u, d, marks=pytest.mark.long) for u, d in (("ma102", "my97"), ("my97", "ma102"), ("ma105", "ma118"), ("ma118", "ma114"), ("ma114", "ma105"))]


@pytest.mark.parametrize("up,down", PAIRS)
def test_findings(up, down, looked):
    k = looked(up, down)
    s, d = k.source, k.target
    assert all(state != "fail" for state, _, _ in k.found().values()), k.found()
    optional(k)
    assert set(k.found()) <= {"table_schema"}, k.found()  # nothing but collations that become others

    with Setting(s, "binlog_expire_logs_seconds", 600) if s.version >= 100600 or s.flavor == "mysql" else Setting(s, "expire_logs_days", 1):
        if s.version >= 100600 or s.flavor == "mysql":
            k.case("binlog_expire", "warn", "removed after 600 s", "SET GLOBAL binlog_expire_logs_seconds=259200")
        else:
            k.gone("binlog_expire")
    s.run("CREATE TABLE mysql.rds_configuration (name varchar(60), value varchar(60))", "INSERT INTO mysql.rds_configuration VALUES ('binlog retention hours', NULL)")
    try:
        k.case("binlog_expire", "warn", "as soon as it can", "rds_set_configuration")
    finally:
        s.run("DROP TABLE mysql.rds_configuration")
    k.gone("binlog_expire")

    # A packet of the downstream that is smaller, and a column that may have such a value.
    s.run("CREATE TABLE app.small (id int PRIMARY KEY, v varchar(20))")
    was = d.packets(1048576)
    try:
        k.gone("max_allowed_packet")
        s.run("CREATE TABLE app.large (id int PRIMARY KEY, v longtext)", "CREATE TABLE idle.large (id int PRIMARY KEY, v longtext)")
        k.case("max_allowed_packet", "warn", r"takes no more than 1048576 bytes at once .*: `app`.`large`.`v`$", f"SET GLOBAL max_allowed_packet={s.query('SELECT @@global.max_allowed_packet')[0][0]}")
    finally:
        d.packets(was)
    k.gone("max_allowed_packet") if s.query("SELECT @@global.max_allowed_packet")[0][0] <= was else None

    # Connections: of all, and of the account.
    for server in (s, d):
        with Setting(server, "max_connections", 12):
            k.case("conn_number", "warn", "may open .* connections, and of 12 ", "SET GLOBAL max_connections=")
        server.run("ALTER USER tgtest@'%' WITH MAX_USER_CONNECTIONS 5" if server is d else "ALTER USER tgtest@'%' WITH MAX_USER_CONNECTIONS 8")
        k.case("conn_number", "warn", "the account 'tgtest'@'%' may have ", "ALTER USER 'tgtest'@'%' WITH MAX_USER_CONNECTIONS")
        server.run("ALTER USER tgtest@'%' WITH MAX_USER_CONNECTIONS 0")
    k.gone("conn_number")

    # A clock that is wrong.
    for server in (s, d):
        with Setting(server, "init_connect", "SET timestamp=1000000000"):
            k.case("clock", "warn", r"its clock is \d+ s behind this host's", "NTP")
    k.gone("clock")

    # Triggers downstream: of a wanted table only.
    d.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "CREATE TABLE app.mine (id int)", "CREATE TRIGGER app.other BEFORE INSERT ON app.mine FOR EACH ROW SET @a=1")
    k.gone("target_trigger")
    k.gone("downstream_table_empty")
    d.run("INSERT INTO app.mine VALUES (1)", "CREATE TABLE app.T (id int)", "INSERT INTO app.T VALUES (1)")
    k.gone("downstream_table_empty")
    d.run("INSERT INTO app.t VALUES (1)")
    k.case("downstream_table_empty", "fail", "have rows, and were not made by this task: `app`.`t`$", "^DROP TABLE `app`.`t`$")
    d.run("CREATE TRIGGER app.tr BEFORE INSERT ON app.t FOR EACH ROW SET @a=1")
    k.case("target_trigger", "fail", "`app`.`tr` on `t`$", "^DROP TRIGGER `app`.`tr`$")
    d.run(k.found()["target_trigger"][2])
    k.gone("target_trigger")
    d.run("DROP DATABASE app")

    # Tables that are there already: columns that are missing, too many where a copy goes in, or that routes fill.
    s.run("CREATE TABLE app.cols (id int PRIMARY KEY, V int)")
    d.run("CREATE DATABASE app", "CREATE TABLE app.cols (ID int PRIMARY KEY)")
    k.case("target_columns", "fail", "into `app`.`cols`: .* without column `V`$", "ALTER or DROP")
    k.case("target_columns", "warn", "into `app`.`cols`: .* without column `V`$", "ALTER it there", mode="incremental")
    d.run("ALTER TABLE app.cols ADD COLUMN v int, ADD COLUMN own int")
    k.case("target_columns", "fail", "into `app`.`cols`: .* with a column `own` ", "ALTER or DROP")
    k.case("target_columns", "warn", "nothing is copied, and these tables are not there: [^:]*: ((?!cols).)*$", "make the tables there", mode="incremental")
    d.run("ALTER TABLE app.cols DROP COLUMN own, ENGINE=MyISAM")
    k.case("target_columns", "fail", "into `app`.`cols`: it is there already, with engine MyISAM", "ALTER or DROP")
    k.case("target_columns", "warn", "into `app`.`cols`: it is there already, with engine MyISAM", "ALTER it there", mode="incremental")
    d.run("RENAME TABLE app.cols TO app.below", "CREATE VIEW app.cols AS SELECT * FROM app.below")
    for mode, state in (("all", "fail"), ("incremental", "warn")):
        k.case("target_columns", state, "into `app`.`cols`: it is a view there$", "ALTER (or DROP )?it there", mode=mode)
    d.run("DROP VIEW app.cols", "RENAME TABLE app.below TO app.cols", "ALTER TABLE app.cols ENGINE=InnoDB, ADD COLUMN own int")
    filled = dict(instance=", route-rules: [x]", more='routes: {x: {schema-pattern: app, table-pattern: cols, target-schema: app, target-table: cols, extract-table: {table-regexp: "(.*)", target-column: own}}}')
    k.gone("target_columns", **filled)
    k.case("target_columns", "fail", "into `app`.`cols`: .* without column `gone`, which the task's routes fill", "ALTER or DROP", **dict(filled, more=filled["more"].replace("own", "gone")))
    d.run("DROP DATABASE app")
    k.case("target_columns", "fail", "are not there: `app`.`cols`.`own` for `app`.`cols`$", "make the table by hand", **filled)
    k.gone("target_columns")
    s.run("DROP TABLE app.cols")

    locks(k)
    if s.flavor == "mariadb" and s.version >= 100300:
        s.run("CREATE TABLE app.history (id int PRIMARY KEY) WITH SYSTEM VERSIONING")
        for mode in ("all", "full"):
            assert [r[1] for r in k.results(mode=mode) if "their history is not" in r[2] and r[2].endswith(": `app`.`history`")] == ["warn"]
        s.run("DROP TABLE app.history")

    s.run("CREATE TABLE app.part (id int) ENGINE=MyISAM", "CREATE TABLE app.whole (id int) ENGINE=MERGE UNION=(app.part)")
    assert [r[1] for r in k.results() if "inserted through one goes there" in r[2] and r[2].endswith(": `app`.`whole`") and "block-allow-list" in r[3]] == ["warn"]
    assert "inserted through one" not in str(k.results(mode="full"))
    s.run("DROP TABLE app.whole, app.part")

    # Keys, and a downstream that wants them.
    s.run("CREATE TABLE app.nokey (id int)")
    k.case("primary_key", "warn", "slowly: `app`.`nokey`$", "primary key")
    with Setting(d, "sql_require_primary_key" if d.flavor == "mysql" else "innodb_force_primary_key", 1):
        k.case("primary_key", "fail", "have none: `app`.`nokey`$", "primary_key=OFF")
    s.run("DROP TABLE app.nokey")
    k.gone("primary_key")
    forced_keys(k)

    with Setting(d, "read_only", 1):
        k.case("read_only", "fail", "read.only", "SET GLOBAL read_only=OFF")
    k.gone("read_only")
    with Setting(s, "init_connect", "SET @binlog_format='STATEMENT'"):
        k.case("binlog_format", "warn", "init_connect sets", "init_connect=''")
    k.gone("binlog_format")
    k.case("meta_position", "warn", "has no binlog file bin.000001", "SHOW BINARY LOGS", mode="incremental")
    purged(k)
    if s.flavor == "mariadb":
        prepared(k)

    # Tables that routes merge.
    merging = dict(instance=", route-rules: [m]", more='routes: {m: {schema-pattern: app, table-pattern: "m?", target-schema: app, target-table: m}}')
    s.run(*(f"CREATE TABLE app.{t} (id int AUTO_INCREMENT PRIMARY KEY)" for t in ("m1", "m2", "other")))
    k.case("auto_increment_ID", "warn", "the same number stop the task: `app`.`m1` and `app`.`m2`$", "no two rows", **merging)
    k.gone("schema_of_shard_tables", **merging)
    s.run("ALTER TABLE app.m2 ADD COLUMN v int")
    k.case("schema_of_shard_tables", "fail", "are not alike: `app`.`m1` and `app`.`m2` .* of the first is .*`v` int.* of the second", "make them alike", **merging)
    assert k.found(**dict(merging, more=merging["more"] + "\nignore-checking-items: [schema_of_shard_tables]"))["schema_of_shard_tables"][0] == "warn"
    s.run("DROP TABLE app.m1, app.m2, app.other")

    # What the downstream does not know; a table that is there is nobody's concern.
    if (s.flavor, d.flavor) == ("mysql", "mariadb"):
        s.run("CREATE TABLE app.c (id int PRIMARY KEY, v varchar(9) COLLATE utf8mb4_0900_as_cs)")
        k.case("table_schema", "fail", "can't be made there: .*`app`.`c`: .*utf8mb4_0900", ".", more="collation-policy: exact")
        assert k.found(more="collation-policy: exact\nignore-checking-items: [table_schema]")["table_schema"][0] == "warn"
        d.run("CREATE DATABASE app", *[f"CREATE TABLE app.{t} (id int PRIMARY KEY)" for (t,) in s.query("SELECT table_name FROM information_schema.tables WHERE table_schema='app'")])
        k.gone("table_schema", more="collation-policy: exact")
        d.run("DROP DATABASE app")
    elif s.version >= 100700 and d.flavor == "mysql":
        s.run("CREATE TABLE app.c (id int PRIMARY KEY, v uuid)")
        k.case("table_schema", "warn", "`app`.`c`.`v`: uuid became char", "by hand")


FORCED = [("int NOT NULL, UNIQUE (id)", True, True), ("int, UNIQUE (id)", False, False), ("varchar(20) NOT NULL, UNIQUE (id(3))", False, True), ("int NOT NULL, v int, UNIQUE (id, v)", False, False),
          ("int NOT NULL, v int NOT NULL, KEY (v), UNIQUE (v, id)", True, True)]  # whether MySQL and MariaDB take it


def forced_keys(k):
    """What counts as a key is what the server itself takes."""
    s, d = k.source, k.target
    d.run("CREATE DATABASE mine")
    for n, (columns, *takes) in enumerate(FORCED):
        takes = takes[d.flavor == "mariadb"]
        s.run(f"CREATE TABLE app.forced (id {columns})")
        with Setting(d, "sql_require_primary_key" if d.flavor == "mysql" else "innodb_force_primary_key", 1):
            try:
                d.run(f"CREATE TABLE mine.forced{n} (id {columns}) ENGINE=InnoDB")
                assert takes, columns
            except pymysql.err.Error as e:
                assert e.args[0] in (3750, 1173) and not takes, (columns, e)
            if takes:
                k.gone("primary_key")
            else:
                k.case("primary_key", "fail", "have none: `app`.`forced`$", "primary_key=OFF")
            if d.flavor == "mysql" and not takes:
                with Setting(d, "sql_generate_invisible_primary_key", 1):
                    k.case("primary_key", "warn", "of its own, my_row_id; .*: `app`.`forced`$", "give them a primary key")
        s.run("DROP TABLE app.forced")
    d.run("DROP DATABASE mine")
    k.gone("primary_key")


def locks(k):
    """What the snapshot's lock wants, as it is asked for."""
    s = k.source

    def how(word):
        return dict(instance=", mydumper-config-name: d", more=f"mydumpers: {{d: {{extra-args: '--consistency {word}'}}}}")
    k.gone("snapshot_lock")
    k.case("snapshot_lock", "fail", "lacks LOCK TABLES ON `app`", "^GRANT LOCK TABLES ON `app`", **how("lock"))
    k.case("snapshot_lock", "fail", "that no position belongs to", "task-mode full", **how("none"))
    k.gone("snapshot_lock", mode="full", **how("none"))
    s.run("CREATE TABLE app.old_one (id int PRIMARY KEY) ENGINE=MyISAM")
    k.case("snapshot_lock", "fail", "lacks LOCK TABLES", "^GRANT LOCK TABLES ON `app`")
    k.gone("snapshot_lock", mode="full", **how("none"))
    s.run(k.found()["snapshot_lock"][2])
    k.gone("snapshot_lock")
    k.gone("snapshot_lock", **how("lock"))
    s.run("REVOKE RELOAD ON *.* FROM tgtest@'%'")
    k.case("dump_privilege", "warn", "lacks RELOAD .*it is LOCK TABLES of all wanted tables", "^GRANT RELOAD")
    k.case("dump_privilege", "fail", "lacks RELOAD", "^GRANT RELOAD", **how("flush"))
    k.gone("dump_privilege", **how("lock"))
    k.gone("dump_privilege", mode="full", **how("none"))
    monitor = "BINLOG MONITOR" if s.flavor == "mariadb" and s.version >= 100500 else "REPLICATION CLIENT"
    s.run("GRANT RELOAD ON *.* TO tgtest@'%'", f"REVOKE {monitor} ON *.* FROM tgtest@'%'")
    k.case("replication_privilege", "fail", f"lacks {monitor}", "^GRANT ")
    k.case("replication_privilege", "warn", "no binlog position to follow from", "", mode="full")
    s.run(f"GRANT {monitor} ON *.* TO tgtest@'%'", "REVOKE LOCK TABLES ON app.* FROM tgtest@'%'", "REVOKE RELOAD ON *.* FROM tgtest@'%'", "DROP TABLE app.old_one")
    k.case("dump_privilege", "fail", "lacks RELOAD", "^GRANT RELOAD")
    s.run("GRANT RELOAD ON *.* TO tgtest@'%'")


def test_names(looked, fleet):
    """A server that has names in lower case only, keeps a schema out of its binlog, and is a replica: as a target, and as a source."""
    k = looked("ma1011", "my97")
    (low,) = fleet("ma1011", "low", extra="--lower-case-table-names=1 --binlog-ignore-db=app --skip-log-slave-updates")
    make_user(low, "tgtest", statements(k.bin, low, "downstream"))
    k.gone("lower_case_table_names", target=low)
    k.source.run("CREATE TABLE app.T (id int PRIMARY KEY)")
    k.gone("lower_case_table_names")  # neither of the two changes letters
    k.case("lower_case_table_names", "fail", r"differ in case only are one there \(lower_case_table_names=1\): `app`.`[Tt]` and `app`.`[Tt]`", "routes|target", target=low)
    routed = dict(instance=", route-rules: [m]", more="routes: {m: {schema-pattern: idle, target-schema: other}}")
    k.case("lower_case_table_names", "fail", "`app`.`[Tt]` and `app`.`[Tt]`", "routes|target", target=low, **routed)
    k.source.run("DROP TABLE app.t")
    k.case("lower_case_table_names", "warn", "kept in lower case there .*: `app`.`T`", "lower_case_table_names=0", target=low)

    low.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
    make_user(low, "tgtest", statements(k.bin, low, "upstream"))
    k.also(low, "low")
    k.gone("lower_case_table_names", source="low")  # statements are written in small letters
    k.case("binlog_db", "fail", "changes of `app` are not in the binlog .*binlog-ignore-db=app", "binlog-ignore-db out of", source="low")
    assert k.found(source="low", more="ignore-checking-items: [binlog_db]")["binlog_db"][0] == "warn"
    k.gone("log_slave_updates", source="low")
    low.run(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={k.source.port}, MASTER_USER='tgtest', MASTER_PASSWORD='Grants-1', MASTER_USE_GTID=current_pos", "START SLAVE")
    k.case("log_slave_updates", "fail", "is a replica", "log_slave_updates=ON", source="low")
    low.run("STOP SLAVE", "RESET SLAVE ALL")
    k.gone("log_slave_updates", source="low")


@pytest.mark.parametrize("name, lists", [("my97", "--binlog-ignore-db=other"), ("ma1011", "--binlog-do-db=app --binlog-do-db=idle"),
                                         pytest.param("my97", "--binlog-do-db=app --binlog-do-db=idle", marks=pytest.mark.long), pytest.param("ma1011", "--binlog-ignore-db=other", marks=pytest.mark.long)])
def test_lists_of_the_binlog(name, lists, fleet, server, job, bin_dir):
    """Lists that let all wanted schemas through keep statements out all the same, by the session's default database: told, and so it is."""
    (own,) = fleet(name, "own", extra=lists)
    own.run("CREATE DATABASE other")
    k = Looked(bin_dir, job, Pair(own, server("ma1011" if name == "my97" else "my97", "down")))
    k.case("binlog_db", "warn", r"by their session's default database .*\(binlog-.*" + ("ignore-db=other" if "other" in lists else r"do-db=app,idle"), "restart it")
    assert "binlog_db" not in k.found(mode="full")

    def seen():
        return [row[0] for row in k.target.query("SELECT id FROM idle.t ORDER BY id")]
    for n, default in enumerate(("idle", "other", None)):
        own.run(f"INSERT INTO idle.t VALUES ({2 * n})", db="idle")
        own.run("TRUNCATE TABLE idle.t", db=default)
        own.run(f"INSERT INTO idle.t VALUES ({2 * n + 1})", db="idle")
        assert [row[0] for row in own.query("SELECT id FROM idle.t")] == [2 * n + 1]
        last = [1, 2, 3, 4, 5] if name == "ma1011" and "do-db" in lists else [5]  # no default database is none of the list's in MariaDB
        # Both rows are waited for: appliers side by side may bring the second one first.
        procs.wait_for(lambda: seen() == [[1], [1, 2, 3], last][n], 60, lambda: f"{default}: {seen()}\n{k.job.story()}", 0.3)


def optional(k):
    """Each privilege that only makes something better, with the GRANT that ends the word."""
    def lacks(**kw):
        found = [r for r in k.results(**kw) if r[0] == "optional_privilege"]
        assert all(r[1] == "warn" for r in found)
        return {re.search("lacks (.*?), which is optional: without it .", r[2]).group(1): r[3] for r in found}

    more = "objects: triggers,events"
    k.source.run("CREATE VIEW app.v AS SELECT 1 AS a", *(["REVOKE SHOW VIEW ON *.* FROM tgtest@'%'"]))
    wanted = {"PROCESS", "SHOW VIEW, SELECT"} | ({"BACKUP_ADMIN", "XA_RECOVER_ADMIN"} if k.source.flavor == "mysql" else set())
    found = lacks()
    assert set(found) == wanted, found
    k.source.run(*found.values())
    assert lacks() == {}
    found = lacks(more=more)
    assert set(found) == {"TRIGGER", "EVENT"}, found
    k.source.run(*found.values())
    assert lacks(more=more) == {}
    k.source.run("DROP VIEW app.v")


def purged(k):
    """GTID sets, one whose successor is gone, one whose successors are all there."""
    s = k.source

    def now():
        return s.query("SELECT @@global.gtid_executed" if s.flavor == "mysql" else "SELECT @@global.gtid_binlog_pos")[0][0].replace("\n", "")
    sets = []
    for n in (101, 102):
        sets.append(dict(mode="incremental", instance=f", meta: {{binlog-gtid: '{now()}'}}"))
        s.run(f"INSERT INTO idle.t VALUES ({n})", "FLUSH BINARY LOGS")
    files = [row[0] for row in s.query("SHOW BINARY LOGS")]
    k.gone("meta_position", **sets[0])

    def gone():
        s.run(f"PURGE BINARY LOGS TO '{files[-2]}'")
        return s.query("SHOW BINARY LOGS")[0][0] == files[-2]
    procs.wait_for(gone, 60, "its oldest files don't go", 0.3)
    k.case("meta_position", "warn", "has purged transactions", "SHOW BINARY LOGS", **sets[0])
    k.gone("meta_position", **sets[1])


def prepared(k):
    """XA transactions: not to be seen, seen, never any."""
    s = k.source
    s.run("CREATE TABLE app.x (id int PRIMARY KEY)")
    with s.connect() as c, c.cursor() as cur:  # MariaDB before 10.5 rolls them back with their connection
        for sql in ("XA START 'pending'", "INSERT INTO app.x VALUES (1)", "XA END 'pending'", "XA PREPARE 'pending'"):
            cur.execute(sql)
        if s.flavor == "mysql":
            k.case("prepared_xa", "fail", "lacks XA_RECOVER_ADMIN", "^GRANT XA_RECOVER_ADMIN ON ")
            k.case("prepared_xa", "warn", "lacks XA_RECOVER_ADMIN", "^GRANT XA_RECOVER_ADMIN ON ", mode="incremental")
            s.run("GRANT XA_RECOVER_ADMIN ON *.* TO tgtest@'%'")
        k.case("prepared_xa", "warn", r"1 XA transactions are prepared and not ended \(pending\): the copy does not begin", "XA COMMIT or XA ROLLBACK")
        assert "prepared_xa" not in k.found(mode="full")
        cur.execute("XA ROLLBACK 'pending'")
    k.gone("prepared_xa")


def test_of_a_mysql(fleet, server, job, bin_dir):
    """What a MySQL counts for as long as it runs, so it is one of its own."""
    (own,) = fleet("my97", "own")
    k = Looked(bin_dir, job, Pair(own, server("ma1011", "down")))
    with Setting(own, "server_id", 0):
        k.case("server_id", "warn", "server_id is 0", "SET GLOBAL server_id=1")
    k.gone("server_id")
    own.run("GRANT SELECT ON performance_schema.* TO tgtest@'%'")
    k.gone("binlog_format")
    with own.connect() as c, c.cursor() as cur:
        cur.execute("SET SESSION binlog_format='STATEMENT'")
        k.case("binlog_format", "warn", "^1 sessions have another binlog_format", "reconnect")
    prepared(k)
    own.run("REVOKE XA_RECOVER_ADMIN ON *.* FROM tgtest@'%'")
    k.job.interrupt()
    k.job.run()  # its copy is done, so nothing that was prepared matters any more


def test_prepared_before_the_start(fleet, server, job, bin_dir):
    """MySQL counts XA PREPARE since its start only: one that is older is found by what else there is to ask, or told as not to be seen."""
    (own,) = fleet("my97", "own")
    k = Looked(bin_dir, job, Pair(own, server("ma1011", "down")))
    own.run("CREATE TABLE app.x (id int PRIMARY KEY)", "INSERT INTO app.x VALUES (1)")
    k.gone("prepared_xa")  # its binlog is of this start
    with own.connect() as c, c.cursor() as cur:
        for sql in ("XA START 'pending'", "INSERT INTO app.x VALUES (2)", "XA END 'pending'", "XA PREPARE 'pending'"):
            cur.execute(sql)
    own.stop()
    own.start()
    assert own.query("SHOW GLOBAL STATUS LIKE 'Com_xa_prepare'")[0][1] == "0" and len(own.query("XA RECOVER")) == 1
    for mode in ("all", "incremental"):
        k.case("prepared_xa", "warn", "from before its start are pending can't be seen.*lacks XA_RECOVER_ADMIN", "^GRANT XA_RECOVER_ADMIN ON ", mode=mode)
    with Setting(own, "binlog_expire_logs_seconds", 1):
        while int(own.query("SHOW GLOBAL STATUS LIKE 'Uptime'")[0][1]) < 2:
            time.sleep(0.1)
        k.gone("prepared_xa")  # all that it has of its binlog is of this start, too
    own.run("GRANT PROCESS ON *.* TO tgtest@'%'")
    k.case("prepared_xa", "fail", "changes that no connection has are open", "^GRANT XA_RECOVER_ADMIN ON ")
    k.case("prepared_xa", "warn", "changes that no connection has are open", "^GRANT XA_RECOVER_ADMIN ON ", mode="incremental")
    # the copy itself
    other = server("ma1011", "other")
    again = job(Pair(own, other), tables="app.x", source_url=own.url("tgtest", "Grants-1"))
    again.start("--no-check")
    again.wait_log("the lock is not to be had yet, trying again: transactions with changes that no connection has")
    assert not again.ended(), again.story()
    own.run("XA COMMIT 'pending'")
    assert again.wait() == 0, again.story()
    assert other.query("SELECT id FROM app.x ORDER BY id") == ((1,), (2,))
    k.gone("prepared_xa")
    own.run("REVOKE PROCESS ON *.* FROM tgtest@'%'")
    other.clean()
    again = job(Pair(own, other), tables="app.x", source_url=own.url("tgtest", "Grants-1"))
    again.run()
    assert again.log().count("may not ask whether XA transactions from before the upstream's start are pending") == 1, again.story()


@pytest.mark.long
def test_letters_are_lost(fleet, server, job):
    """To a server with names in lower case: a warning, as all goes there."""
    up = server("ma1011", "up")
    (low,) = fleet("ma1011", "low", extra="--lower-case-table-names=1")
    up.run("CREATE DATABASE App", "CREATE TABLE App.Tab (id int PRIMARY KEY, v varchar(10))", "INSERT INTO App.Tab VALUES (1,'a')")
    j = job(Pair(up, low), tables="App.*")
    assert "kept in lower case" in j.run()
    up.run("INSERT INTO App.Tab VALUES (2,'b')", "UPDATE App.Tab SET v='c' WHERE id=1", "ALTER TABLE App.Tab ADD COLUMN w int", "INSERT INTO App.Tab VALUES (3,'b',4)", "CREATE TABLE App.New (id int)", "INSERT INTO App.New VALUES (1)")
    j.run()
    assert low.query("SELECT * FROM app.tab ORDER BY 1") == ((1, "c", None), (2, "b", None), (3, "b", 4)), j.story()
    assert low.query("SELECT * FROM app.new") == ((1,),)
    up.run("DROP TABLE App.New", "RENAME TABLE App.Tab TO App.Other", "INSERT INTO App.Other VALUES (4,'d',4)")
    j.run()
    assert low.query("SELECT COUNT(*) FROM app.other") == ((4,),)
