"""A task that DM ran is taken over where DM's checkpoint stands, without a new copy. DM's tables are made here as DM would have left them; what
DM had applied, a job of our own has: up to somewhere behind the checkpoint, as after a stop or a crash of DM."""
import pytest

import procs
from servers import PASSWORD
from tidegate import FAILED
from workload import Workload

TASK = """name: moved
task-mode: {mode}
meta-schema: dm_old
target-database: {{host: 127.0.0.1, port: {to}, user: tg, password: "{password}"}}
mysql-instances:
  - {{source-id: mysql-01, block-allow-list: only{meta}}}
block-allow-list: {{only: {{do-tables: [{tables}]}}}}
"""
SOURCE = """source-id: mysql-01
from: {{host: 127.0.0.1, port: {port}, user: tg, password: "{password}"}}
"""
CHECKPOINT = """CREATE TABLE dm_old.moved_syncer_checkpoint (
  id VARCHAR(32) NOT NULL, cp_schema VARCHAR(128) NOT NULL, cp_table VARCHAR(128) NOT NULL, binlog_name VARCHAR(128), binlog_pos INT UNSIGNED, binlog_gtid TEXT,
  exit_safe_binlog_name VARCHAR(128) DEFAULT '', exit_safe_binlog_pos INT UNSIGNED DEFAULT 0, exit_safe_binlog_gtid TEXT, table_info JSON NOT NULL,
  is_global BOOLEAN, create_time timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, update_time timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  UNIQUE KEY uk_id_schema_table (id, cp_schema, cp_table))"""
OTHERS = {
    "moved_syncer_sharding_meta": ("source_id VARCHAR(32) NOT NULL, target_table_id VARCHAR(144) NOT NULL, source_table_id VARCHAR(144) NOT NULL, active_index INT, "
                                   "is_global BOOLEAN, data JSON NOT NULL, UNIQUE KEY (source_id, target_table_id, source_table_id)"),
    "moved_onlineddl": "id VARCHAR(32) NOT NULL, ghost_schema VARCHAR(128), ghost_table VARCHAR(128), ddls TEXT, update_time timestamp NULL, UNIQUE KEY (id, ghost_schema, ghost_table)",
    "moved_lightning_checkpoint_list": "task_name VARCHAR(255) NOT NULL, source_name VARCHAR(255) NOT NULL, status VARCHAR(10), PRIMARY KEY (task_name, source_name)",
    "moved_loader_checkpoint": ("id CHAR(32) NOT NULL, filename VARCHAR(255) NOT NULL, cp_schema VARCHAR(128), cp_table VARCHAR(128), `offset` BIGINT NOT NULL, "
                                "end_pos BIGINT NOT NULL, UNIQUE KEY (id, filename)"),
}
KEYED = ["w_int", "w_text", "w_unique", "w_mixed"]


def end_of(server):
    """File, offset, GTID set."""
    words = "SHOW BINARY LOG STATUS" if server.flavor == "mysql" else "SHOW MASTER STATUS"
    row = server.query(words)[0]
    return row[0], row[1], row[4].replace("\n", "") if server.flavor == "mysql" else server.query("SELECT @@gtid_binlog_pos")[0][0]


def leave_as_dm(target, at, exit_at=None, gtid="", tables=(), name=None):
    """What DM leaves: its checkpoint, and the empty tables beside it."""
    target.run("CREATE DATABASE dm_old", CHECKPOINT, *(f"CREATE TABLE dm_old.{name} ({columns})" for name, columns in OTHERS.items()),
               "INSERT INTO dm_old.moved_lightning_checkpoint_list VALUES ('moved', 'mysql-01', 'finished')",
               "INSERT INTO dm_old.moved_loader_checkpoint VALUES ('mysql-01', 'app.w_int.sql', 'app', 'w_int', 100, 100)")
    file, offset = exit_at[:2] if exit_at else ("", 0)
    row = "INSERT INTO dm_old.moved_syncer_checkpoint (id, cp_schema, cp_table, binlog_name, binlog_pos, binlog_gtid, exit_safe_binlog_name, exit_safe_binlog_pos, table_info, is_global) "
    row += "VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)"
    target.run((row, ("mysql-01", "", "", name or at[0], at[1], gtid, file, offset, "null", 1)),
               (row, ("mysql-02", "", "", "other-bin.000009", 4, "", "", 0, "null", 1)),
               *((row, ("mysql-01", "app", t, p[0], p[1], "", "", 0, "{}", 0)) for t, p in tables))


def dm_rows(target):
    names = ["moved_syncer_checkpoint", *OTHERS]
    return {n: sorted(map(repr, target.query(f"SELECT * FROM dm_old.{n}"))) for n in names}


def moved(pair, job, folder, tables, mode="all", meta=""):
    task, source = folder / "task.yaml", folder / "source.yaml"
    names = ", ".join(f'{{db-name: "app", tbl-name: "{t}"}}' for t in tables)
    task.write_text(TASK.format(mode=mode, to=pair.target.port, password=PASSWORD, tables=names, meta=meta))
    source.write_text(SOURCE.format(port=pair.source.port, password=PASSWORD))
    for f in (task, source):
        f.chmod(0o600)
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    return j, [str(task), str(source)]


def run_as_dm(pair, job, work):
    """Our own job in DM's place. The checkpoint it may have had, and how far it really was."""
    j = job(pair, tables="app.*")
    with work:
        j.run(timeout=120)
        at = end_of(pair.source)
        work.wait(150)
    j.run(timeout=120)
    pair.assert_equal("app", j.story)
    pair.target.run("DROP DATABASE dm_meta")
    return at, end_of(pair.source)


@pytest.mark.across
@pytest.mark.parametrize("known", ["exit-known", "killed"])
def test_taken_over(known, pair, job, tmp_path):
    """From the checkpoint on in safe mode, up to where DM said that it was, or to the upstream's end; nothing is copied, DM's tables stay as they
    are, and the GTID set is the true one although DM's is of long before."""
    pair.source.run("FLUSH BINARY LOGS")
    work = Workload(pair.source, "app", threads=3, rows=150).make()
    old = end_of(pair.source)[2]
    at, really = run_as_dm(pair, job, work)
    leave_as_dm(pair.target, at, really if known == "exit-known" else None, gtid=old)
    before = dm_rows(pair.target)
    pair.source.run("FLUSH BINARY LOGS", "DELETE FROM w_int ORDER BY id LIMIT 30", "UPDATE w_text SET n = n + 1", db="app")
    j, files = moved(pair, job, tmp_path, KEYED)
    j.run(*files, timeout=180)
    pair.assert_equal("app", j.story)
    assert "DM's task `moved` of source mysql-01 is taken over" in j.log() and "in safe mode until" in j.log() and "the copy is loaded" not in j.log()
    assert dm_rows(pair.target) == before
    slot = pair.target.query("SELECT gtid FROM dm_old.tidegate_slot WHERE slot > 0 ORDER BY LENGTH(gtid) DESC, position DESC")
    now = end_of(pair.source)[2]
    assert now in [s[0] for s in slot] or now.split("-")[-1] == slot[0][0].split("-")[-1], (now, slot)
    # and it is an ordinary task from now on
    pair.source.run("INSERT INTO w_text VALUES ('afterwards', 'x', 1)", db="app")
    j.run(*files, timeout=180)
    pair.assert_equal("app", j.story)


def test_restart_in_safe_mode(make_pair, job, tmp_path):
    """Killed where it waits in the middle of the window: it goes on in safe mode, as the record in dm_meta says."""
    pair = make_pair("my97", "ma1011")
    work = Workload(pair.source, "app", threads=2, rows=100).make()
    at, _ = run_as_dm(pair, job, work)
    leave_as_dm(pair.target, at)
    j, files = moved(pair, job, tmp_path, KEYED)
    with pair.target.connect(database="app") as c, c.cursor() as cur:
        cur.execute("LOCK TABLES w_int READ, w_text READ, w_unique READ, w_mixed READ")
        j.start(*files)
        j.wait_log("following from")
        procs.wait_for(lambda: pair.target.query("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA='dm_old' AND TABLE_NAME='tidegate_takeover'")
                       and pair.target.query("SELECT until FROM dm_old.tidegate_takeover"), 60, j.story, 0.2)
        for _ in range(3):
            sync = j.wait_unit("sync")
            sync.kill()
            j.wait_unit("sync", other_than=[sync])
        assert len(pair.target.query("SELECT until FROM dm_old.tidegate_takeover")) == 1
        procs.wait_for(lambda: "mysql-bin.0" in j.subtask("moved")["tidegate"]["sync"].get("safe_until", ""), 60, j.story, 0.2)
    assert j.wait(120) == 0, j.story()
    pair.assert_equal("app", j.story)


def test_table_points(make_pair, job, tmp_path):
    """What DM recorded of single tables beyond the whole is not done again: also of a table without a key, and one whose structure changed since."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.n (a int, b int)", "CREATE TABLE app.k (id int PRIMARY KEY)", "CREATE TABLE app.changed (id int PRIMARY KEY, v int)")
    at = end_of(s)
    s.run("INSERT INTO n VALUES (1,1),(1,1)", "INSERT INTO k VALUES (1)", "INSERT INTO changed VALUES (1,1)", "ALTER TABLE changed DROP COLUMN v", "INSERT INTO changed VALUES (2)", db="app")
    point = end_of(s)
    job(pair, tables="app.*").run()
    pair.target.run("DROP DATABASE dm_meta")
    leave_as_dm(pair.target, at, exit_at=at, tables=[("n", point), ("changed", point)])
    s.run("INSERT INTO n VALUES (2,2)", "UPDATE n SET b = 7 WHERE a = 2", "INSERT INTO k VALUES (2)", "INSERT INTO changed VALUES (3)", db="app")
    j, files = moved(pair, job, tmp_path, ["n", "k", "changed"])
    j.run(*files, timeout=180)
    pair.assert_equal("app", j.story)


def test_incremental_and_relay_names(make_pair, job, tmp_path):
    """task-mode incremental: the checkpoint counts, not the task file's `meta`; a file's name as DM has it with its relay log."""
    pair = make_pair("my97", "my97")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.k (id int PRIMARY KEY)", "FLUSH BINARY LOGS")
    first = s.query("SHOW BINARY LOGS")[0][0]
    s.run("INSERT INTO app.k VALUES (1)", "FLUSH BINARY LOGS")
    at = end_of(s)
    s.run("INSERT INTO app.k VALUES (2)")
    job(pair, tables="app.*").run()
    pair.target.run("DROP DATABASE dm_meta")
    name = at[0].replace(".", "|000001.")
    leave_as_dm(pair.target, at, name=name, gtid=at[2])
    s.run(f"PURGE BINARY LOGS TO '{at[0]}'", "INSERT INTO app.k VALUES (3)")
    j, files = moved(pair, job, tmp_path, ["k"], mode="incremental", meta=f", meta: {{binlog-name: {first}, binlog-pos: 4}}")
    j.run(*files, timeout=180)
    pair.assert_equal("app", j.story)
    assert f"taking over from DM at {at[0]}:{at[1]}" in j.log()


@pytest.mark.parametrize("row, what", [
    ("INSERT INTO dm_old.moved_onlineddl VALUES ('mysql-01', 'app', '_k_gho', '[]', NULL)", "an online DDL"),
    ("INSERT INTO dm_old.moved_syncer_sharding_meta VALUES ('mysql-01', '`app`.`k`', '`app`.`k1`', 0, 0, '[]')", "sharded tables"),
    ("UPDATE dm_old.moved_lightning_checkpoint_list SET status = 'running'", "a load that is not finished"),
    ("UPDATE dm_old.moved_loader_checkpoint SET `offset` = 50", "a load that is not finished"),
], ids=["onlineddl", "shards", "lightning", "loader"])
def test_unresolved(row, what, make_pair, job, tmp_path):
    """In the middle of what only DM can end: one error that says what, and nothing is applied. Over, the same command goes on."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.k (id int PRIMARY KEY)")
    at = end_of(s)
    job(pair, tables="app.*").run()
    pair.target.run("DROP DATABASE dm_meta")
    leave_as_dm(pair.target, at)
    pair.target.run(row)
    s.run("INSERT INTO app.k VALUES (1)", "FLUSH BINARY LOGS")
    j, files = moved(pair, job, tmp_path, ["k"])
    j.run(*files, timeout=180, expect=FAILED)
    assert "60531" in j.stderr() and what in j.stderr() and pair.target.query("SELECT COUNT(*) FROM app.k") == ((0,),), j.story()
    pair.target.run("DELETE FROM dm_old.moved_onlineddl", "DELETE FROM dm_old.moved_syncer_sharding_meta",
                    "UPDATE dm_old.moved_lightning_checkpoint_list SET status = 'finished'", "UPDATE dm_old.moved_loader_checkpoint SET `offset` = 100")
    j.run(*files, timeout=180)
    pair.assert_equal("app", j.story)


def test_refused_changes(make_pair, job, tmp_path):
    """Changes in the window that can't be made twice stop the task by table and position: rows without a key, a parent's whose children only
    the downstream would delete, and those of a table that is merged with others."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.n (a int)", "CREATE TABLE app.p (id int PRIMARY KEY)",
          "CREATE TABLE app.c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)", "INSERT INTO app.p VALUES (1)",
          "CREATE TABLE app.m1 (id int PRIMARY KEY, v char(8))", "CREATE TABLE app.m2 LIKE app.m1")
    at = end_of(s)
    job(pair, tables="app.*").run()
    pair.target.run("DROP DATABASE dm_meta")
    leave_as_dm(pair.target, at)
    s.run("INSERT INTO app.n VALUES (1)", "DELETE FROM app.p")
    j, files = moved(pair, job, tmp_path, ["n", "p", "c"])
    j.run(*files, timeout=180, expect=FAILED)
    assert "60530" in j.stderr() and "`app`.`n`: no unique key" in j.stderr(), j.story()
    again = tmp_path / "again"
    again.mkdir()
    pair.target.run("DELETE FROM dm_old.tidegate_slot", "DELETE FROM dm_old.tidegate_plan")
    j, files = moved(pair, job, again, ["p", "c"])
    j.run(*files, timeout=180, expect=FAILED)
    assert "60530" in j.stderr() and "foreign keys to it" in j.stderr(), j.story()
    merged = tmp_path / "merged"
    merged.mkdir()
    pair.target.run("DELETE FROM dm_old.tidegate_slot", "DELETE FROM dm_old.tidegate_plan", "CREATE TABLE app.m (id int PRIMARY KEY, v char(8))", "INSERT INTO app.m VALUES (1, 'of 2')")
    s.run("INSERT INTO app.m1 VALUES (1, 'of 1')")
    j, files = moved(pair, job, merged, ["m1", "m2"])
    task = merged / "task.yaml"
    task.write_text(task.read_text().replace("block-allow-list: only", "route-rules: [m], block-allow-list: only")
                    + "routes: {m: {schema-pattern: app, table-pattern: 'm?', target-schema: app, target-table: m}}\n")
    j.run(*files, timeout=180, expect=FAILED)
    assert "60530" in j.stderr() and "`app`.`m`: it holds rows of several tables" in j.stderr(), j.story()
    assert pair.target.query("SELECT v FROM app.m") == (("of 2",),)


def test_another_server(make_pair, job, tmp_path):
    """The checkpoint names a place before which the upstream has less than DM says it applied: another server's file. Not a guess."""
    pair = make_pair("my97", "ma1011")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.k (id int PRIMARY KEY)")
    at = end_of(s)
    s.run("INSERT INTO app.k VALUES (1)")
    job(pair, tables="app.*").run()
    pair.target.run("DROP DATABASE dm_meta")
    leave_as_dm(pair.target, at, gtid=end_of(s)[2])
    j, files = moved(pair, job, tmp_path, ["k"])
    j.run(*files, timeout=180, expect=FAILED)
    assert "60202" in j.stderr() and "its files are not those that DM read" in j.stderr(), j.story()
