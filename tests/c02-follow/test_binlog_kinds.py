"""Every way to write a binlog that the servers' options offer: the zoo, a change of structure and a transaction of several tables go
through each. A kind that its server did not really write fails the test."""
import contextlib
import time
from pathlib import Path

import pytest

import conftest
import procs
import zoo
from binlogs import binlog_text
from ends import Ends, live
from tidegate import FAILED, INTERRUPTED
from words import ask, following
from workload import Workload

OTHERS = ["ma102", "ma105", "ma114", "ma118"]
MARIADB, SINCE_105 = ["ma1011", *OTHERS], ["ma1011", "ma105", "ma114", "ma118"]
ROWS = {"Write_rows_compressed_v1", "Update_rows_compressed_v1", "Delete_rows_compressed_v1", "Query_compressed"}
COMPRESSED = dict(log_bin_compress="ON", log_bin_compress_min_len=10)
# name: (servers, global variables, what must be in the binlog)
KINDS = {
    "compressed": (MARIADB, COMPRESSED, ROWS),
    "compressed_minimal": (MARIADB, dict(COMPRESSED, binlog_row_image="MINIMAL"), ROWS),
    "minimal": (["my97", *MARIADB], dict(binlog_row_image="MINIMAL"), set()),
    "noblob": (["my97", *MARIADB], dict(binlog_row_image="NOBLOB"), set()),
    "nodup": (["ma114", "ma118"], dict(binlog_row_image="FULL_NODUP"), set()),
    "metadata": (["my97", *SINCE_105], dict(binlog_row_metadata="FULL"), set()),
    "metadata_minimal": (SINCE_105, dict(binlog_row_metadata="MINIMAL", binlog_row_image="MINIMAL"), set()),
    "all_at_once": (SINCE_105, dict(COMPRESSED, binlog_row_metadata="FULL", binlog_row_image="MINIMAL", binlog_checksum="NONE"), ROWS),
    "no_checksum": (["my97", *MARIADB], dict(binlog_checksum="NONE"), set()),
    "no_annotations": (["ma1011"], dict(binlog_annotate_row_events="OFF"), set()),
    "old_times": (MARIADB, dict(mysql56_temporal_format="OFF"), set()),
    "two_phase_alter": (["ma1011", "ma114", "ma118"], dict(binlog_alter_two_phase="ON"), {"START ALTER", "COMMIT ALTER"}),
    "payload": (["my97"], dict(binlog_transaction_compression="ON"), {"Transaction_payload"}),
    "payload_minimal": (["my97"], dict(binlog_transaction_compression="ON", binlog_row_image="MINIMAL", binlog_row_metadata="FULL", binlog_checksum="NONE"), {"Transaction_payload"}),
    "statements_told": (["my97"], dict(binlog_rows_query_log_events="ON"), {"Rows_query"}),
}
ALWAYS = {("all_at_once", "ma1011"), ("payload_minimal", "my97"), ("noblob", "my97")}  # the rest with --long
CASES = [pytest.param(n, k, id=f"{k}-{n}", marks=[] if (k, n) in ALWAYS else pytest.mark.long) for k, v in KINDS.items() for n in v[0]]


# Columns (id, v, b, w) before and behind of UPDATEs that change v or w.
IMAGES = {"FULL": {("1234", "1234")}, "MINIMAL": {("1", "2"), ("1", "4")}, "NOBLOB": {("124", "124")}, "FULL_NODUP": {("1234", "2"), ("1234", "4")}}


def others(*names):
    return [pytest.param(n, marks=pytest.mark.long) for n in names]


@contextlib.contextmanager
def settings(server, variables):
    """Global variables for a while; new sessions take them over."""
    before = {v: server.query(f"SELECT @@GLOBAL.{v}")[0][0] for v in variables}
    try:
        server.run(*[(f"SET GLOBAL {v}=%s", (value,)) for v, value in variables.items()])
        yield
    finally:
        server.run(*[(f"SET GLOBAL {v}=%s", (value,)) for v, value in before.items()])


def kinds_since(server, files):
    """The kinds of events in the binlog files that are not in files; of a GTID event also the half of an ALTER that it announces."""
    rows = [r for f in binlogs(server) - files for r in server.query(f"SHOW BINLOG EVENTS IN '{f}'")]
    return {r[2] for r in rows} | {f"{half} ALTER" for r in rows if r[2] == "Gtid" for half in ("START", "COMMIT", "ROLLBACK") if f" {half} ALTER" in r[5]}


def binlogs(server):
    return {r[0] for r in server.query("SHOW BINARY LOGS")}


def images(server, files):
    """Of each UPDATE of zoo.plain in those files: the columns in its rows before and behind it."""
    seen, now = set(), None
    for line in [*binlog_text(server, min(files)), "end"]:
        if now and not line.startswith(("### WHERE", "### SET", "###   @")):
            seen.add(tuple("".join(sorted(columns)) for columns in now))
            now = None
        if line.startswith("### UPDATE `zoo`.`plain`"):
            now, at = ("", ""), 0
        elif now and line.startswith("### SET"):
            at = 1
        elif now and line.startswith("###   @"):
            now = tuple(c + line[7] * (i == at) for i, c in enumerate(now))
    return seen


def target_of(name):
    return "my97" if name.startswith("ma") else "ma1011"


def replay(pair, job, animals):
    """Tables first, then what is done to them: by binlog, in two starts."""
    zoo.make(pair.source, animals, rows=False)
    pair.source.run("CREATE TABLE zoo.plain (id int PRIMARY KEY, v varchar(400), b blob)")
    job.run(timeout=180)
    zoo.replay(pair.source, animals, "fill")
    pair.source.run("INSERT INTO plain VALUES (1, REPEAT('a', 400), 'blob'), (2, 'b', NULL), (3, NULL, 'c')", f"ALTER TABLE plain ADD COLUMN w int DEFAULT 7 COMMENT '{'c' * 300}'",
                    "UPDATE plain SET v = REPEAT('d', 350) WHERE id = 2", "DELETE FROM plain WHERE id = 3", db="zoo")
    with pair.source.connect(database="zoo", autocommit=False) as c, c.cursor() as cur:
        for q in ("INSERT INTO plain VALUES (4, 'four', 'd', 4)", "UPDATE plain SET w = w + 1", "UPDATE z_parent SET v = v + 1", "DELETE FROM plain WHERE id = 1"):
            cur.execute(q)
        c.commit()
    job.run(timeout=120)
    pair.assert_equal(zoo.schemas(), job.story, but=zoo.cannot_be(pair))
    zoo.replay(pair.source, animals, "changes")
    job.run(timeout=120)
    pair.assert_equal(zoo.schemas(), job.story, but=zoo.cannot_be(pair))


@pytest.mark.parametrize("name, kind", CASES)
def test_kind(name, kind, make_pair, job):
    pair = make_pair(name, target_of(name))
    _, variables, expected = KINDS[kind]
    pair.source.run("FLUSH BINARY LOGS")
    before = binlogs(pair.source)
    with settings(pair.source, variables):
        pair.source.run("FLUSH BINARY LOGS")
        replay(pair, job(pair), zoo.zoo(pair.source, pair.target))
        now = {v: str(pair.source.query(f"SELECT @@GLOBAL.{v}")[0][0]) for v in variables}
    assert now == {v: {"ON": "1", "OFF": "0"}.get(x, str(x)) for v, x in variables.items()}
    kinds = kinds_since(pair.source, before)
    missing = expected - kinds
    assert not missing, f"the server did not write {missing}"
    if name.startswith("ma"):
        assert ("Annotate_rows" in kinds) == (kind != "no_annotations"), kinds
    assert images(pair.source, binlogs(pair.source) - before) == IMAGES[variables.get("binlog_row_image", "FULL")]


IMPLIED = ("a tinyint NOT NULL, b bigint unsigned NOT NULL, c decimal(9,3) NOT NULL, d float NOT NULL, e double NOT NULL, f bit(9) NOT NULL, g date NOT NULL, h time(2) NOT NULL, i datetime(6) NOT NULL, j mediumint NOT NULL, "
           "k timestamp(3) NOT NULL, l year NOT NULL, m char(5) NOT NULL, n varchar(9) CHARACTER SET utf8mb4 NOT NULL, o text NOT NULL, p binary(3) NOT NULL, q varbinary(9) NOT NULL, r blob NOT NULL, s enum('a','b') NOT NULL, "
           "t set('a','b') NOT NULL, u varchar(9) NOT NULL DEFAULT 'u', v int, w int NOT NULL DEFAULT 7, x smallint NOT NULL, y date NOT NULL DEFAULT '2020-01-01', ")
IMPLIED_OF = {"my97": "z json NOT NULL", "ma1011": "z uuid NOT NULL, z4 inet4 NOT NULL, z6 inet6 NOT NULL"}


@pytest.mark.parametrize("image", ["MINIMAL", "NOBLOB"])
@pytest.mark.parametrize("name", ["my97", "ma1011"])
def test_columns_without_a_value(name, image, make_pair, job):
    """An INSERT whose image lacks columns that are NOT NULL and have no default: they are what their types give, as upstream, where no mode forbade it."""
    pair = make_pair(name, target_of(name))
    s = pair.source
    s.run("CREATE DATABASE app", f"CREATE TABLE app.t (id int PRIMARY KEY, {IMPLIED}{IMPLIED_OF[name]}) DEFAULT CHARSET latin1", "CREATE TABLE app.k (id int PRIMARY KEY, a decimal(20,9) NOT NULL, b varchar(9), UNIQUE (a)) DEFAULT CHARSET latin1",
          "CREATE TABLE app.p (a int NOT NULL, b int, c datetime(4) NOT NULL, PRIMARY KEY (a, c)) DEFAULT CHARSET latin1")
    j = job(pair, tables="app.*")
    j.run()
    with settings(s, dict(binlog_row_image=image)):
        s.run("CREATE TABLE l LIKE t", *(q for t in "tl" for q in (
            f"INSERT IGNORE INTO {t} (id) VALUES (1), (2)", f"INSERT IGNORE INTO {t} (id) VALUES {', '.join(f'({i})' for i in range(100, 400))}", f"INSERT IGNORE INTO {t} (id, v, o, z) VALUES (3, 4, 'o', {'NULL' if name == 'my97' else 'uuid()'})",
            f"UPDATE {t} SET a = 5 WHERE id = 1", f"DELETE FROM {t} WHERE id = 2", f"INSERT IGNORE INTO {t} (id, s, g) VALUES (5, 'b', '2020-02-02')")), "SET sql_mode = ''", "INSERT INTO t (id, r) VALUES (6, 'r')",
            *(q for i in range(20) for q in (f"INSERT INTO k (id) VALUES ({i})", f"UPDATE k SET a = id + 1 WHERE id = {i}")), "INSERT INTO p (a) VALUES (1), (2)", "UPDATE p SET b = 3", "UPDATE p SET c = '2020-01-01' WHERE a = 1", "INSERT INTO p (b) VALUES (7)",
            "ALTER TABLE l ADD zz int NOT NULL", "INSERT INTO l (id) VALUES (7)", "ALTER TABLE l ALTER zz SET DEFAULT 9", "INSERT INTO l (id) VALUES (8)",
            "ALTER TABLE l ALTER COLUMN zz DROP DEFAULT", "INSERT IGNORE INTO l (id) VALUES (9)", db="app")
    j.run()
    pair.assert_equal("app", j.story)
    row = dict(zip(*[[r[0] for r in pair.target.query("SELECT COLUMN_NAME FROM information_schema.columns WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = 't' ORDER BY ORDINAL_POSITION")], pair.target.query("SELECT * FROM app.t WHERE id = 100")[0]]))
    assert (row["a"], row["m"], row["s"], row["u"], row["v"], row["w"], str(row["y"])) == (0, "", "a", "u", None, 7, "2020-01-01")
    # one that has a default upstream, and by somebody's hand none downstream, is not given another value
    pair.target.run("ALTER TABLE app.t ALTER w DROP DEFAULT")
    with settings(s, dict(binlog_row_image="MINIMAL")):
        s.run("ALTER TABLE app.t ADD yy int", "CREATE INDEX w ON app.t (w)", "INSERT IGNORE INTO app.t (id) VALUES (500)")  # whose records are made by what the downstream has
    j.run(expect=FAILED)
    assert "1364" in j.stderr() and "'w'" in j.stderr(), j.story()


@pytest.mark.long
@pytest.mark.parametrize("name", ["ma1011", "ma105", "ma118"])
def test_encrypted(name, make_pair, job, tmp_path):
    """encrypt_binlog: the files on the server's disk can't be read, its stream can; START_ENCRYPTION stands in each file's head."""
    keys = tmp_path / "keys"
    keys.write_text("1;770A8A65DA156D24EE2A093277530142\n")
    extra = f"--plugin-load-add=file_key_management --file-key-management-filename={keys} --encrypt-binlog=ON"
    pair = make_pair(name, "my97", role="encrypted", extra=extra)
    replay(pair, job(pair), zoo.zoo(pair.source, pair.target))
    disk = b"".join(p.read_bytes() for p in Path(f"{pair.source.run_dir}/{pair.source.port}/data").glob("mysql-bin.0*"))
    assert b"d" * 50 not in disk and b"c" * 300 not in disk, "the binlog is not encrypted"


@pytest.mark.parametrize("name", ["ma1011", *others("my97", *OTHERS)])
def test_checksums_change(name, make_pair, job):
    """Checksums are switched off and on while the binlog is followed."""
    pair = make_pair(name, target_of(name))
    work = Workload(pair.source, "app", threads=2, rows=200, pause=0.005).make()
    j = job(pair)
    j.start(until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    with work:
        for value in ("NONE", "CRC32", "NONE"):
            with settings(pair.source, dict(binlog_checksum=value)):
                work.wait(30)
                time.sleep(0.5)
    assert not j.ended(), j.story()
    assert j.interrupt() == INTERRUPTED, j.story()
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("name", ["ma1011", *others(*OTHERS)])
def test_two_domains(name, make_pair, job):
    """Writers in two GTID domains at once, and one under another server id."""
    pair = make_pair(name, "my97")
    s = pair.source
    works = [Workload(s, f"app{d}", threads=2, rows=100, seed=d, pause=0.003, init_command=f"SET gtid_domain_id={d * 10}").make() for d in (1, 2)]
    j = job(pair)
    j.run()
    with works[0], works[1]:
        for _ in range(2):
            j.start(until=None)
            j.wait_status(lambda x: x.get("phase") == "sync")
            for w in works:
                w.wait(20)
            assert j.interrupt() == INTERRUPTED, j.story()
    with s.connect(database="app1") as c, c.cursor() as cur:
        cur.execute("SET SESSION server_id=4711")
        cur.execute("INSERT INTO w_text VALUES ('of another server', 'x', 1)")
    domains = {g.split("-")[0] for g in s.query("SELECT @@gtid_binlog_pos")[0][0].split(",")}
    assert {"10", "20"} <= domains, domains
    j.run()
    pair.assert_equal(["app1", "app2"], j.story)


def test_tagged_gtids(make_pair, job):
    """MySQL's tagged GTIDs, between ones without a tag."""
    pair = make_pair("my97", "ma1011")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20))", "INSERT INTO app.t VALUES (1, 'before')")
    before = binlogs(s)
    s.run("FLUSH BINARY LOGS")
    j = job(pair)
    j.run()
    for i in range(2, 6):
        s.run("SET gtid_next='AUTOMATIC:orders'", f"INSERT INTO t (id, v) VALUES ({i}, 'tagged')", "SET gtid_next='AUTOMATIC:ddl_2'", f"ALTER TABLE t ADD COLUMN c{i} int DEFAULT {i}",
              "SET gtid_next='AUTOMATIC'", f"UPDATE t SET v = CONCAT(v, {i})", db="app")
        s.run("FLUSH BINARY LOGS")  # PREVIOUS_GTIDS with tags in the next file's head
        j.run()
    pair.assert_equal("app", j.story)
    assert any("agged" in k for k in kinds_since(s, before)), kinds_since(s, before)


@pytest.mark.long
def test_no_gtids(make_pair, job):
    """A MySQL without GTIDs: by file and position alone."""
    pair = make_pair("my97", "ma1011", role="without gtids", extra="--gtid-mode=OFF --enforce-gtid-consistency=OFF")
    before = binlogs(pair.source)
    pair.source.run("FLUSH BINARY LOGS")
    replay(pair, job(pair), zoo.zoo(pair.source, pair.target))
    kinds = kinds_since(pair.source, before)
    assert "Anonymous_Gtid" in kinds and "Gtid" not in kinds, kinds


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
def test_statements_of_a_database_that_is_not_wanted(build_dir, server, source, target, tmp_path):
    """A row change that is logged as a statement, in a database that is not wanted: passed, LOAD DATA too; but not where a trigger on the table, the view, or a function that it names may change wanted rows. A database is asked about again once it got one."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = live.Follow(build_dir, up, down, ["app"])
    file = tmp_path / "rows"
    file.write_text("5\n6\n")
    f.start()
    try:
        up.run("CREATE DATABASE app", "CREATE TABLE app.n (id int PRIMARY KEY)", "CREATE DATABASE logs", "CREATE TABLE logs.ev (id int)", "CREATE TABLE logs.quiet (id int)")

        def statements(*sql):
            with up.connect(database="logs", init_command="SET SESSION binlog_format=STATEMENT", local_infile=True) as c, c.cursor() as cur:
                for one in sql:
                    cur.execute(one)
                c.commit()

        if up.flavor == "mysql":
            up.run("SET GLOBAL local_infile=ON", "SET GLOBAL log_bin_trust_function_creators=ON")
        statements("INSERT INTO ev VALUES (1)", f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE ev")
        up.run("INSERT INTO app.n VALUES (1)")
        f.wait()
        assert f.out.count("rows of `logs`, which is not wanted, are changed by logged statements") == 1, f.out[-3000:]
        made = [("CREATE TRIGGER logs.tr AFTER INSERT ON logs.ev FOR EACH ROW INSERT INTO app.n VALUES (NEW.id + 100)", "INSERT INTO ev VALUES (2)", "a trigger of `ev`", "DROP TRIGGER logs.tr"),
                ("CREATE VIEW logs.v AS SELECT * FROM app.n", "INSERT INTO v VALUES (300)", "the view `v`", "DROP VIEW logs.v")]
        for make, change, said, drop in made:
            up.run(make)
            statements("INSERT INTO quiet VALUES (1)")
            f.wait()
            statements(change)
            f.wait_error(36014)
            assert f"by {said} it may change rows that are" in f.out, f.out[-3000:]
            # Gone by now; the operator has made the rows equal.
            up.run(drop)
            with down.connect() as c, c.cursor() as cur:
                for (row,) in up.query("SELECT id FROM app.n"):
                    cur.execute("INSERT IGNORE INTO app.n VALUES (%s)", (row,))
            f.start()
            f.wait()
        f.end()
    finally:
        f.close()
        up.run("FLUSH BINARY LOGS")  # another test may read its file from the head on, and want all databases


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
def test_what_leads_out_of_a_database_that_is_not_wanted(build_dir, server, source, target):
    """Databases in capitals, logged as statements: a trigger, a view or a function that stays in its own passes, whatever the statement names; one that writes a wanted table stops the statements that name it, or what comes to it by others, and
    only these. The upstream is asked again only about a database whose objects may have changed."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    f = live.Follow(build_dir, up, down, ["app"])
    f.start()
    try:
        assert up.query("SELECT @@lower_case_table_names")[0][0] == 0, "a server that tells cases apart is needed"
        up.run("CREATE DATABASE app", "CREATE TABLE app.n (id int PRIMARY KEY)", "CREATE DATABASE Logs", "CREATE DATABASE logs")
        if up.flavor == "mysql":
            up.run("SET GLOBAL log_bin_trust_function_creators=ON")
        up.run(*[f"CREATE TABLE Logs.{t} (id int)" for t in ("ev", "audit", "quiet", "plain")], "CREATE TABLE logs.audit (id int)")
        up.run("CREATE TRIGGER Logs.own AFTER INSERT ON Logs.ev FOR EACH ROW INSERT INTO Logs.audit SELECT q.id + NEW.id FROM Logs.plain AS q",
               "CREATE VIEW Logs.v AS SELECT a.id FROM Logs.quiet AS a", "CREATE FUNCTION Logs.f(i int) RETURNS int DETERMINISTIC RETURN i + 1")

        def statements(*sql, database="Logs"):
            with up.connect(database=database, init_command="SET SESSION binlog_format=STATEMENT") as c, c.cursor() as cur:
                for one in sql:
                    cur.execute(one)
                c.commit()

        def passes(*sql):
            statements(*sql)
            up.run("INSERT INTO app.n SELECT COALESCE(MAX(id), 0) + 1 FROM app.n")
            f.wait()

        def stops(change, said, *drop):
            statements(change)
            f.wait_error(36014)
            assert f"default database `Logs`, which is not wanted: {change}; but by {said} it may change rows that are" in f.out, f.out[-3000:]
            # Gone by now; the operator has made the rows equal.
            up.run(*drop)
            with down.connect() as c, c.cursor() as cur:
                for (row,) in up.query("SELECT id FROM app.n"):
                    cur.execute("INSERT IGNORE INTO app.n VALUES (%s)", (row,))
            f.start()
            f.wait()

        passes("INSERT INTO ev VALUES (1)", "INSERT INTO v VALUES (f(2))", "UPDATE ev SET id = f(id)")
        # What is made in another database is nothing to it; the log says it once.
        up.run("CREATE TABLE logs.more (id int)", "CREATE VIEW logs.w AS SELECT * FROM app.n")
        passes("INSERT INTO ev VALUES (3)")
        assert f.out.count("rows of `Logs`, which is not wanted, are changed by logged statements") == 1, f.out[-3000:]

        out = "CREATE TRIGGER Logs.tr AFTER INSERT ON Logs.quiet FOR EACH ROW INSERT INTO app.n VALUES (NEW.id + 100)"
        up.run(out)
        passes("INSERT INTO ev VALUES (4)", "INSERT INTO plain VALUES (f(4))")
        stops("INSERT INTO quiet VALUES (5)", "a trigger of `quiet`", "DROP TRIGGER Logs.tr")
        # By the view, and by a trigger that writes the table.
        up.run(out)
        stops("INSERT INTO v VALUES (6)", "the view `v`", "DROP TRIGGER Logs.tr")
        up.run(out, "CREATE TRIGGER Logs.first AFTER INSERT ON Logs.plain FOR EACH ROW INSERT INTO quiet VALUES (NEW.id)")
        stops("INSERT INTO plain VALUES (7)", "a trigger of `plain`", "DROP TRIGGER Logs.tr", "DROP TRIGGER Logs.first")
        passes("INSERT INTO plain VALUES (8)", "INSERT INTO quiet VALUES (8)")
        # A connection that the server closed meanwhile, as by wait_timeout, is made again without a new start.
        starts = f.out.count("start tidegate-sync ")
        for (session,) in up.query("SELECT id FROM information_schema.PROCESSLIST WHERE user = 'tgtestlive' AND command = 'Sleep' AND id <> CONNECTION_ID()"):
            live.kill_session(up, session)
        up.run("CREATE VIEW Logs.late AS SELECT id FROM Logs.quiet")
        passes("INSERT INTO late VALUES (9)")
        assert f.out.count("start tidegate-sync ") == starts > 0, f.out[-3000:]
        f.end()
    finally:
        f.close()
        up.run("FLUSH BINARY LOGS")  # another test may read its file from the head on, and want all databases


def test_statements_of_an_upstream_that_is_gone(fleet, server, job):
    """A backlog of them whose upstream is gone: it is tried once for all of them, and not at each statement; they pass."""
    pair = conftest.Pair(*fleet("ma1011", "gone"), server("my97", "down"))
    s, d = pair.source, pair.target
    j = following(pair, job)
    s.run("CREATE DATABASE logs", "CREATE DATABASE more", *[f"CREATE TABLE {db}.t{i} (id int)" for db in ("logs", "more") for i in range(5)], "INSERT INTO app.t VALUES (2, 2)")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t")[0][0] == 2, 60, j.story, 0.2)
    with d.connect(database="app") as c, c.cursor() as cur:
        cur.execute("LOCK TABLES t WRITE")
        # The statements are judged behind the new table, which waits for the row.
        s.run("INSERT INTO app.t VALUES (3, 3)", "CREATE TABLE app.x (id int PRIMARY KEY) DEFAULT CHARSET latin1")
        for db in ("logs", "more"):
            s.run("SET SESSION binlog_format=STATEMENT", *[f"INSERT INTO t{i} VALUES (1)" for i in range(5)], db=db)
        s.run("INSERT INTO app.t VALUES (4, 4)")
        end = s.query("SHOW MASTER STATUS")[0][:2]
        procs.wait_for(lambda: ask(j, "query-status", "run")["sources"][0]["sourceStatus"]["relayStatus"]["relayBinlog"] == f"({end[0]}, {end[1]})", 60, j.story, 0.3)
        s.stop()
        j.failpoints.arm("away_ddl", "error")
        cur.execute("UNLOCK TABLES")
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM app.t")[0][0] == 4, 60, j.story, 0.2)
    for text in ("rows of `logs`, which is not wanted", "rows of `more`, which is not wanted", "is asked again in 60 s, until then they pass"):
        j.wait_log(text)  # the log comes by way of another process
    log = j.log()
    assert [log.count(f"rows of `{db}`, which is not wanted") for db in ("logs", "more")] == [1, 1], log[-3000:]
    assert log.count("is asked again in 60 s, until then they pass") == 1, log[-3000:]
    assert j.interrupt() == INTERRUPTED, j.story()
