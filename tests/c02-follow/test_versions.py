"""MariaDB's system-versioned tables (T18): the rows that are there are copied and followed, into tables that keep history of their own and into plain ones."""
import json

import procs
import pytest
from copying import Slow, copying, wait_chunks
from cutover import cutover, one, read_only, said
from routed import Files
from tidegate import FAILED, INTERRUPTED
from words import ask, wait_stage

PERIOD = "rs timestamp(6) GENERATED ALWAYS AS ROW START, re timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (rs, re)"
KEEP = "SET system_versioning_alter_history=KEEP"
FIRST = ["CREATE DATABASE app", "CREATE TABLE h (id int PRIMARY KEY, n int, w int WITHOUT SYSTEM VERSIONING, b blob) WITH SYSTEM VERSIONING",
         f"CREATE TABLE e (id int PRIMARY KEY, n int UNIQUE, {PERIOD}, x int DEFAULT 7) WITH SYSTEM VERSIONING",
         "CREATE TABLE nokey (id int, n int) WITH SYSTEM VERSIONING", "CREATE TABLE uk (id int, n int NOT NULL UNIQUE, t {long} UNIQUE) WITH SYSTEM VERSIONING",
         "CREATE TABLE pa (id int PRIMARY KEY) WITH SYSTEM VERSIONING",
         "CREATE TABLE ch (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES pa (id) ON DELETE CASCADE) WITH SYSTEM VERSIONING",
         "CREATE TABLE plain (id int PRIMARY KEY, a timestamp(6) NULL, b timestamp(6) NULL)", "CREATE TABLE late (id int PRIMARY KEY, n int)",
         "INSERT INTO h VALUES (1,1,1,'a'),(2,2,2,'b'),(3,3,3,'c'),(4,4,4,'d')", "INSERT INTO e (id,n) VALUES (1,1),(2,2),(3,3)", "INSERT INTO late VALUES (1,1),(2,2)",
         "INSERT INTO plain VALUES (1, '2038-01-19 03:14:07.999999', '2020-01-01 00:00:00')",
         "UPDATE h SET n=n+10 WHERE id>1", "DELETE FROM h WHERE id=4", "UPDATE e SET n=n+10 WHERE id=1", "DELETE FROM e WHERE id=3"]
ROWS = ["INSERT INTO h VALUES (11,1,1,'a'),(12,2,2,'b'),(13,3,3,'c')", "UPDATE h SET n=n+1", "UPDATE h SET w=w+1 WHERE id<12", "UPDATE h SET n=n, w=w WHERE id=12",
        "DELETE FROM h WHERE id IN (2,12)", "REPLACE INTO h VALUES (13,4,5,'d')", "INSERT INTO h VALUES (13,4,6,'d') ON DUPLICATE KEY UPDATE n=99", "UPDATE h SET id=id+100 WHERE id>10",
        "BEGIN", "DELETE FROM h WHERE id=111", "INSERT INTO h VALUES (111,1,1,'z')", "DELETE FROM h WHERE id=111", "INSERT INTO h VALUES (111,1,1,'y')", "COMMIT",
        "BEGIN", "INSERT INTO h VALUES (201,1,1,'z')", "UPDATE h SET n=3 WHERE id=201", "DELETE FROM h WHERE id=201", "COMMIT", "DELETE HISTORY FROM h",
        "SET binlog_row_image=MINIMAL", "INSERT INTO h VALUES (5,1,1,'a'),(6,2,2,'b')", "UPDATE h SET n=11 WHERE id=5", "UPDATE h SET w=11 WHERE id=5", "DELETE FROM h WHERE id=6",
        "REPLACE INTO h VALUES (5,4,5,'e')", "UPDATE e SET x=x+1 WHERE id=1", "UPDATE nokey SET n=7", "DELETE HISTORY FROM h",
        "SET binlog_row_image=NOBLOB", "INSERT INTO h VALUES (7,1,1,'a'),(8,2,2,'b')", "UPDATE h SET n=11 WHERE id=7", "DELETE FROM h WHERE id=8", "SET binlog_row_image=FULL",
        "INSERT INTO e (id,n) VALUES (21,21),(22,22)", "UPDATE e SET n=23 WHERE id=21", "DELETE FROM e WHERE id=22", "REPLACE INTO e (id,n) VALUES (30,23)",
        "INSERT INTO nokey VALUES (1,1),(1,1),(2,2)", "UPDATE nokey SET n=5 WHERE id=1 LIMIT 1", "DELETE FROM nokey WHERE id=1 LIMIT 1", "DELETE FROM nokey WHERE id=2",
        "INSERT INTO uk VALUES (1,1,'a'),(2,2,'b')", "UPDATE uk SET n=3 WHERE id=1", "REPLACE INTO uk VALUES (9,3,'b')",
        "INSERT INTO pa VALUES (1),(2),(3)", "INSERT INTO ch VALUES (1,1),(2,2),(3,3)", "DELETE FROM pa WHERE id=1", "UPDATE ch SET p=3 WHERE id=2",
        "INSERT INTO h SELECT seq+1000, seq, seq, REPEAT('x', 50) FROM seq_1_to_12000", "UPDATE h SET n=n+1 WHERE id>1000", "DELETE FROM h WHERE id>1010", "DELETE HISTORY FROM h",
        "INSERT INTO plain VALUES (2, '2020-01-01 00:00:00', '2038-01-19 03:14:07.999999')", "UPDATE plain SET b='2021-01-01 00:00:00'", "UPDATE late SET n=n+1"]
SINCE_11_4 = ["SET binlog_row_image=FULL_NODUP", "UPDATE h SET n=n+1 WHERE id<1005", "DELETE FROM h WHERE id=1001", "UPDATE e SET x=x+1", "REPLACE INTO uk VALUES (10,10,'j'),(11,3,'k')", "SET binlog_row_image=FULL"]
TABLES = [KEEP, "ALTER TABLE h ADD c int DEFAULT 5", "UPDATE h SET c=9 WHERE id=7", "ALTER TABLE h DROP b, ADD INDEX (n)", "DELETE FROM h WHERE id=7",
          "ALTER TABLE h DROP SYSTEM VERSIONING", "UPDATE h SET n=n+1", "DELETE FROM h WHERE id=3", "ALTER TABLE h ADD d timestamp(6) NULL, ADD f timestamp(6) NULL", "UPDATE h SET d=NOW(6), n=n+1",
          "ALTER TABLE late ADD SYSTEM VERSIONING", "UPDATE late SET n=n+1", "DELETE FROM late WHERE id=2", "RENAME TABLE late TO later", "UPDATE later SET n=n+1",
          "CREATE TABLE l LIKE later", "INSERT INTO l SELECT * FROM later", "UPDATE l SET n=n+1", "CREATE TABLE le LIKE e", "INSERT INTO le (id,n) VALUES (1,1),(2,2)", "UPDATE le SET n=n+5", "DELETE FROM le WHERE id=2",
          "ALTER TABLE e RENAME COLUMN re TO re2, ADD z int FIRST", "UPDATE e SET n=n+100", "DELETE FROM e WHERE id=1",
          "CREATE TABLE col (id int PRIMARY KEY, x int WITH SYSTEM VERSIONING, y int)", "INSERT INTO col VALUES (1,1,1),(2,2,2)", "UPDATE col SET x=5,y=6", "UPDATE col SET y=7", "DELETE FROM col WHERE id=1",
          "CREATE TABLE later2 (id int PRIMARY KEY)", f"ALTER TABLE later2 ADD rs timestamp(6) GENERATED ALWAYS AS ROW START, ADD re timestamp(6) GENERATED ALWAYS AS ROW END, ADD PERIOD FOR SYSTEM_TIME (rs, re), ADD SYSTEM VERSIONING",
          "INSERT INTO later2 (id) VALUES (1),(2)", "UPDATE later2 SET id=id+10", "DELETE FROM later2 WHERE id=12",
          "ALTER TABLE le DROP SYSTEM VERSIONING, DROP COLUMN rs, DROP COLUMN re", "UPDATE le SET n=n+1", "INSERT INTO le (id,n) VALUES (4,4)", "DELETE FROM le WHERE id=4",
          "ALTER TABLE later DROP SYSTEM VERSIONING", "ALTER TABLE later ADD SYSTEM VERSIONING", "UPDATE later SET n=n+1",
          "CREATE TABLE parts (id int PRIMARY KEY, n int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION old HISTORY, PARTITION now CURRENT)",
          "INSERT INTO parts VALUES (1,1),(2,2)", "UPDATE parts SET n=3", "DELETE FROM parts WHERE id=1"]


def current(server, without):
    """{table: (columns, rows)}; times in UTC."""
    out = {}
    names = [r[0] for r in server.query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='app'")]
    for name in names:
        columns = [r[0] for r in server.query("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='app' AND TABLE_NAME=%s ORDER BY ORDINAL_POSITION", (name,))]
        columns = [c for c in columns if c not in without]
        with server.connect() as c, c.cursor() as cur:
            cur.execute("SET time_zone='+00:00'")
            cur.execute("SELECT " + ",".join(f"CAST(`{c}` AS char)" for c in columns) + f" FROM app.`{name}`")
            out[name] = columns, sorted(cur.fetchall(), key=str)
    return out


def same(pair):
    """A target that keeps history has times of its own."""
    without = ("rs", "re", "re2") if pair.target.flavor == "mariadb" else ()
    up, down = current(pair.source, without), current(pair.target, without)
    for name in up:
        assert down.get(name) == up[name], name
    assert set(down) == set(up)
    return up


LONG = [pytest.param(p, marks=pytest.mark.long) for p in ("ma118>my97", "ma118>ma1011")]
PAIRS = ["ma1011>my97", "ma1011>ma1011", *LONG]


def made(make_pair, names):
    """The servers, with the first tables and some history in them."""
    pair = make_pair(*names.split(">"))
    long = "text" if pair.target.flavor == "mariadb" else "varchar(40)"  # the first has a hidden column of its own
    pair.source.run(FIRST[0])
    pair.source.run(*(q.replace("{long}", long) for q in FIRST[1:]), db="app")
    return pair


def forgets(target, *tables):
    """Of these nothing is on record; of all others not whether they have history, as no version before said it."""
    for name, structure in target.query("SELECT table_name, structure FROM dm_meta.tidegate_structure WHERE table_name<>''"):
        without = {k: v for k, v in json.loads(structure).items() if k != "row_end"}
        target.run(("UPDATE dm_meta.tidegate_structure SET structure=%s WHERE table_name=%s", (json.dumps(without), name)))
    for name in tables:
        target.run(("DELETE FROM dm_meta.tidegate_structure WHERE table_name=%s", (name,)))


@pytest.fixture
def names_logged(server):
    """Column names in the binlog."""
    asked = []

    def begin(source):
        asked.append(source)
        source.run("SET GLOBAL binlog_row_metadata=FULL")
    yield begin
    for source in asked:
        source.run("SET GLOBAL binlog_row_metadata=NO_LOG")


@pytest.mark.parametrize("names", PAIRS)
@pytest.mark.parametrize("backlog", [False, True])
def test_current_rows(names, backlog, make_pair, job, names_logged):
    """All that changes rows and tables, as it comes and in one backlog whose tables are others by then."""
    pair = made(make_pair, names)
    s = pair.source
    j = job(pair, tables="app.*")
    j.run()
    assert len(same(pair)["h"][1]) == 3
    if backlog:
        names_logged(s)
    s.run(*ROWS, *(SINCE_11_4 if s.version >= 110400 else ()), db="app")
    if not backlog:
        j.run()
        same(pair)
    s.run(*TABLES, db="app")
    j.run()
    rows = same(pair)
    assert rows["later2"][1] and rows["e"][1] and len(rows["parts"][1]) == 1
    assert "`app`.`e` is system-versioned in the upstream: what becomes of its current rows is followed, its history is not" in j.log()
    assert "row by row" not in j.log(), j.log()
    assert ("`app`.`e` is system-versioned in the downstream" in j.log()) == (pair.target.flavor == "mariadb")


@pytest.mark.parametrize("names", ["ma1011>my97", "ma1011>ma1011"])
@pytest.mark.parametrize("forgotten", [(), ("h", "e", "nokey", "uk", "plain")])
def test_not_on_record(names, forgotten, make_pair, job):
    """The upstream says which tables have history: of a copy by an earlier version, and of one by another tool."""
    pair = made(make_pair, names)
    j = job(pair, tables="app.*")
    j.run()
    forgets(pair.target, *forgotten)
    pair.source.run(*ROWS, db="app")
    j.run()
    same(pair)


# Behind the copy: nothing is on record; what is changed upstream, what downstream, and what it says.
STOPS = [("h", ["UPDATE h SET n=1", KEEP, "ALTER TABLE h DROP SYSTEM VERSIONING"], [], "`app`.`h` was system-versioned when these rows were written"),
         ("h", ["UPDATE h SET n=1", KEEP, "ALTER TABLE h DROP SYSTEM VERSIONING, ADD d timestamp(6) NULL, ADD f timestamp(6) NULL"], [], "has no column `d` in the downstream"),
         ("plain", ["UPDATE plain SET a=NULL", "ALTER TABLE plain DROP a, DROP b, ADD SYSTEM VERSIONING"], [], "the upstream's structure of now has no column `a`"),
         ("e", ["UPDATE e SET n=1 WHERE id=1"], ["ALTER TABLE e MODIFY rs timestamp(6) NULL, MODIFY re timestamp(6) NULL"], "`app`.`e` is system-versioned in the upstream now, which is on no record")]


@pytest.mark.parametrize("table, up, down, text", STOPS)
def test_what_nobody_can_tell(table, up, down, text, make_pair, job):
    pair = made(make_pair, "ma1011>my97")
    j = job(pair, tables="app.*")
    j.run()
    before = current(pair.target, ())
    forgets(pair.target, table)
    pair.source.run(*up, db="app")
    pair.target.run(*down, db="app")
    j.run(expect=FAILED)
    assert text in j.stderr() and "36027" in j.stderr(), j.story()
    assert current(pair.target, ())[table] == before[table]


@pytest.mark.parametrize("sql", [f"ALTER TABLE late ADD {PERIOD.replace(', ', ', ADD ', 2)}, ADD SYSTEM VERSIONING",
                                 "ALTER TABLE m MODIFY rs timestamp(6) GENERATED ALWAYS AS ROW START, MODIFY re timestamp(6) GENERATED ALWAYS AS ROW END, ADD PERIOD FOR SYSTEM_TIME (rs, re), ADD SYSTEM VERSIONING"])
def test_period_of_a_table_with_rows(sql, make_pair, job):
    """Each row gets a time of the upstream's own, which a plain column would not have."""
    pair = made(make_pair, "ma1011>my97")
    pair.source.run("CREATE TABLE m (id int PRIMARY KEY, rs timestamp(6) NOT NULL DEFAULT NOW(6), re timestamp(6) NOT NULL DEFAULT NOW(6))", "INSERT INTO m (id) VALUES (1)", db="app")
    j = job(pair, tables="app.*")
    j.run()
    pair.source.run(KEEP, sql, db="app")
    j.run(expect=FAILED)
    assert "60507" in j.stderr() and "has a time of the source's own" in j.stderr(), j.story()


def test_filters_and_routes(make_pair, job):
    """Rules are about what a row is to those that are there: an update to an end is a delete."""
    pair = make_pair("ma1011", "my97")
    s, d = pair.source, pair.target
    tables = ["nodelete", "noupdate", "noinsert", "some"]
    s.run("CREATE DATABASE app", *(f"CREATE TABLE app.{t} (id int PRIMARY KEY, n int) WITH SYSTEM VERSIONING" for t in [*tables, "m1", "m2"]), "CREATE TABLE app.late (id int PRIMARY KEY, n int)")
    s.run(*(f"INSERT INTO app.{t} VALUES (1,1),(2,2),(3,3)" for t in tables), "INSERT INTO app.m1 VALUES (1,1),(2,2)", "INSERT INTO app.m2 VALUES (11,1),(12,2)")
    f = Files(pair, job, {"m": {"schema-pattern": "app", "table-pattern": "m?", "target-schema": "app", "target-table": "m"}}, more=", filter-rules: [d, u, i, a], expression-filters: [x, y]")
    with f.task.open("a") as out:
        print("filters:", json.dumps({k[0]: {"schema-pattern": "app", "table-pattern": t, "events": [k], "action": "Ignore"} for k, t in zip(("delete", "update", "insert", "alter table"), [*tables[:3], "late"])}), file=out)
        print("expression-filter:", json.dumps({"x": {"schema": "app", "table": "some", "delete-value-expr": "id = 1"}, "y": {"schema": "app", "table": "some", "update-new-value-expr": "n = 10"}}), file=out)
    f.run()
    for t in tables:
        s.run(f"UPDATE app.{t} SET n=n+7 WHERE id>1", f"DELETE FROM app.{t} WHERE id<3", f"INSERT INTO app.{t} VALUES (4,4)")
    s.run("UPDATE app.m1 SET n=n+1", "DELETE FROM app.m1 WHERE id=1", "UPDATE app.m2 SET n=n+5", "DELETE FROM app.m2 WHERE id=12", "REPLACE INTO app.m2 VALUES (13,1),(11,9)")
    s.run("ALTER TABLE app.late ADD SYSTEM VERSIONING", "INSERT INTO app.late VALUES (1,1),(2,2)", "UPDATE app.late SET n=n+1", "DELETE FROM app.late WHERE id=1")
    f.run()
    assert d.query("SELECT id, n FROM app.late") == ((2, 3),)
    rows = {t: d.query(f"SELECT id, n FROM app.{t} ORDER BY id") for t in [*tables, "m"]}
    assert rows == {"nodelete": ((1, 1), (2, 9), (3, 10), (4, 4)), "noupdate": ((3, 3), (4, 4)), "noinsert": ((3, 10),), "some": ((1, 1), (3, 3), (4, 4)), "m": ((2, 3), (11, 9), (13, 1))}


@pytest.mark.parametrize("names", ["ma1011>my97", pytest.param("ma1011>ma1011", marks=pytest.mark.long), *LONG])
def test_cutover_compares_what_is_there(names, make_pair, job):
    pair = made(make_pair, names)
    j = job(pair, tables="app.*")
    j.start("--stay", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    pair.source.run(*ROWS, db="app")
    read_only(pair.source)
    try:
        answer = cutover(j, "--wait", "100")
        one(answer, "success", "tables")
        assert not said(answer, "warn"), answer
    finally:
        read_only(pair.source, False)
    same(pair)


@pytest.mark.parametrize("names", ["ma1011>my97", pytest.param("ma118>ma1011", marks=pytest.mark.long)])
def test_copy_that_goes_on(names, make_pair, job, tmp_path):
    """Rows that were copied change before the rest is: the stretch of two moments is made one by what they are to the rows that are there."""
    pair = made(make_pair, names)
    s = pair.source
    s.run("INSERT INTO h SELECT seq+2000, seq, seq, REPEAT('x', 200) FROM seq_1_to_30000", f"CREATE TABLE big (id int, v varchar(200), {PERIOD}, PRIMARY KEY (id)) WITH SYSTEM VERSIONING",
          "INSERT INTO big (id, v) SELECT seq, REPEAT('y', 200) FROM seq_1_to_30000", "UPDATE big SET v='' WHERE id<100", db="app")
    j, files = copying(job, tmp_path, pair, ["app"], mode="all")
    with Slow(j, 2000):
        j.start(*files)
        assert wait_chunks(j, pair.target, 6), j.story()
        j.interrupt()
        j.assert_gone()
    for t, n in (("h", "n=n+1"), ("big", "v='z'")):
        s.run(f"UPDATE {t} SET {n} WHERE id%7=0", f"DELETE FROM {t} WHERE id%5=0", f"UPDATE {t} SET id=id+100000 WHERE id%11=0", f"REPLACE INTO {t} (id) VALUES (2001), (3001), (10), (5)", db="app")
    j.run(*files, timeout=180)
    assert len(same(pair)["big"][1]) > 20000 and "rows of this copy are loaded already" in j.log(), j.story()
    assert "row by row" not in j.log(), j.log()


def test_what_an_operator_says(make_pair, job, tmp_path):
    """The downstream's table says nothing of history, and plain columns need not have been a period's: only the CREATE TABLE of that time does."""
    pair = made(make_pair, "ma1011>my97")
    s, d = pair.source, pair.target
    j = job(pair, tables="app.*")
    j.start("--stay", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    ask(j, "pause-task", "run")
    wait_stage(j, "Paused")
    d.run("ALTER TABLE app.e MODIFY rs timestamp(6) NULL, MODIFY re timestamp(6) NULL")
    ask(j, "binlog-schema", "update", "run", "app", "e", "--from-target")
    s.run("UPDATE e SET x=x+1 WHERE id=1", "DELETE FROM e WHERE id=2", db="app")
    before = current(d, ())
    ask(j, "resume-task", "run")
    wait_stage(j, "Paused", 36027)
    j.wait_log("`app`.`e` is system-versioned in the upstream now, which is on no record")
    assert current(d, ()) == before
    file = tmp_path / "e.sql"
    file.write_text(s.query("SHOW CREATE TABLE app.e")[0][1])
    ask(j, "binlog-schema", "update", "run", "app", "e", str(file))
    assert "WITH SYSTEM VERSIONING" in str(ask(j, "binlog-schema", "list", "run", "app", "e"))
    ask(j, "resume-task", "run")
    procs.wait_for(lambda: d.query("SELECT id, x FROM app.e") == ((1, 8),), 60, j.story, 0.3)
    assert j.interrupt() == INTERRUPTED, j.story()
    same(pair)
