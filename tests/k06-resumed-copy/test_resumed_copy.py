"""A copy that loses its snapshot goes on under another one (T23, T24): what is loaded stays, only the rest is read again, and the binlog in
between makes both one. Dump, load, agent and supervisor are killed in the middle of it, under writes of all kinds and changes of structure."""
import os
import random
import shutil
import time

import procs
import pytest
from grants import make_user, statements
from resumed import SEED, Writer, again, fill, finish, make_job, make_source, recorded, stop_at, tables_of, went_on
from tidegate import INTERRUPTED

DIRECTIONS = ["ma1011>my97", "my97>ma1011", pytest.param("my97>my97", marks=pytest.mark.long), pytest.param("ma118>ma1011", marks=pytest.mark.long)]


@pytest.mark.parametrize("direction", [DIRECTIONS[0], *(pytest.param(d, marks=pytest.mark.long) for d in DIRECTIONS[1:2]), *DIRECTIONS[2:]])
def test_dump_killed(direction, make_pair, job, tmp_path):
    """kill -9 of the dump: what is loaded stays, the rest comes from the next snapshot, and is equal."""
    pair = make_pair(*direction.split(">"))
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    with Writer(pair.source) as w:
        stop_at(j, files, pair, 12, 11)
        w.some()
        before = recorded(pair.target)
        j.units("dump")[0].kill()
        j.wait_log("goes on under another snapshot")
        (chunks, rows, whole, part, anew), = went_on(j)
        assert (chunks, rows) == before, f"{before} were there\n{j.story()}"
        assert whole >= 1 and part >= 1, j.story()
        w.some()
        finish(j, files, pair)
        w.some()
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)
    assert any(first != last for first, last, *_ in tables_of(pair.target).values()), tables_of(pair.target)
    total = sum(pair.source.query(f"SELECT COUNT(*) FROM app.{t}")[0][0] for t in ("ints", "words", "twos"))
    copied = pair.target.query("SELECT CAST(SUM(row_count) AS SIGNED) FROM dm_meta.tidegate_chunk WHERE table_name IN ('ints','words','twos')")[0][0]
    assert copied < total * 1.05, f"{copied} rows were copied, the tables have {total}: chunks were read twice"


@pytest.mark.parametrize("direction, statement", [("ma1011>my97", "DROP TABLE app.gone"), ("my97>ma1011", "ALTER TABLE app.gone DROP COLUMN v"), pytest.param("my97>my97", "DROP TABLE app.gone", marks=pytest.mark.long)])
def test_changed_before_its_turn(direction, statement, make_pair, job, tmp_path):
    """A table that is dropped, or altered, between the snapshot and its turn: another snapshot is taken, and what is in the downstream of others is not read again."""
    pair = make_pair(*direction.split(">"))
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    with Writer(pair.source) as w:
        stop_at(j, files, pair, 18, 17)
        w.some()
        before = recorded(pair.target)
        assert not pair.target.query("SELECT * FROM dm_meta.tidegate_chunk WHERE table_name = 'gone'"), "it had its turn"
        pair.source.run(statement)
        j.failpoints.disarm("dump_chunk_done")
        j.wait_log("goes on under another snapshot", 60)
        chunks, rows, whole, *_ = went_on(j)[0]
        assert chunks >= before[0] and rows >= before[1] and whole >= 2, f"{before} were there\n{j.story()}"
        finish(j, files, pair)
        w.some()
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)
    total = sum(pair.source.query(f"SELECT COUNT(*) FROM app.{t}")[0][0] for t in ("ints", "words", "twos"))
    copied = pair.target.query("SELECT CAST(SUM(row_count) AS SIGNED) FROM dm_meta.tidegate_chunk WHERE table_name IN ('ints','words','twos')")[0][0]
    assert copied < total * 1.05, f"{copied} rows were copied, the tables have {total}: chunks were read twice"


@pytest.mark.parametrize("unit", ["load", "tidegated", "agent"])
def test_others_killed(unit, make_pair, job, tmp_path):
    """kill -9 of the load leaves the dump its snapshot; with supervisor or agent the dump is gone, too."""
    pair = make_pair("ma1011", "my97")
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    with Writer(pair.source) as w:
        stop_at(j, files, pair, 10, 9)
        w.some()
        before = recorded(pair.target)
        j.units(unit)[0].kill()
        if unit == "tidegated":
            j.wait(60)
            j.assert_gone()
        if unit == "load":
            j.wait_unit("load", other_than=[])
            procs.wait_for(lambda: "of this copy are loaded already" in j.log(), 60, f"the load did not come back\n{j.story()}")
            assert not went_on(j)
            j.units("dump")[0].kill()
        elif unit == "agent":
            procs.wait_for(lambda: "started dump" in j.log().split("obituary")[-1] or went_on(j), 60, f"no dump again\n{j.story()}")
        j.failpoints.disarm("dump_chunk_done")
        if not j.ended():
            j.wait_log("goes on under another snapshot", 90)
        finish(j, files, pair)
        assert went_on(j)[0][:2] == before, f"{before}\n{j.story()}"
        w.some()
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)


def test_many_times(make_pair, job, tmp_path):
    """Five snapshots in one copy, the following begun in the overlap and killed there."""
    pair = make_pair("ma1011", "my97")
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    with Writer(pair.source) as w:
        for n in range(4):
            stop_at(j, files, pair, 5, recorded(pair.target)[0] + 4)
            w.some(40)
            assert j.interrupt() == INTERRUPTED, j.story()
            j.assert_gone()
            j.failpoints.disarm("dump_chunk_done")
        for name in ("sync_mid_rows", "sync_before_commit", "sync_after_commit"):
            j.failpoints.arm(name, "kill", at=3)
        finish(j, files, pair)
    assert len(went_on(j)) == 4, j.story()
    kept = [x[0] for x in went_on(j)]
    assert kept == sorted(kept) and kept[-1] > kept[0], kept
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)
    assert sum(j.failpoints.fired(n) for n in ("sync_mid_rows", "sync_before_commit", "sync_after_commit")) == 3, j.story()


DDL = [
    "ALTER TABLE ints ADD COLUMN x int DEFAULT 7", "RENAME TABLE swap_a TO tmp, swap_b TO swap_a, tmp TO swap_b", "DROP TABLE gone",
    "CREATE TABLE gone (id int PRIMARY KEY, other int)", "INSERT INTO gone VALUES (5, 6)", "TRUNCATE TABLE twos", "INSERT INTO twos VALUES (1, 'a', 0, 'after')",
    "CREATE TABLE fresh (id int PRIMARY KEY)", "INSERT INTO fresh VALUES (1)", "DROP TABLE hollow", "RENAME TABLE keyless TO keyless2",
]


@pytest.mark.parametrize("direction", [pytest.param(DIRECTIONS[0], marks=pytest.mark.long), DIRECTIONS[1]])
def test_ddl_between(direction, make_pair, job, tmp_path):
    """Statements between two snapshots: each table that one names starts again, the others go on."""
    pair = make_pair(*direction.split(">"))
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    stop_at(j, files, pair, 27, 26)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    tables = {t for t, in pair.target.query("SELECT DISTINCT table_name FROM dm_meta.tidegate_chunk")}
    pair.source.run(*DDL, "UPDATE words SET n = 5 WHERE k LIKE 'b%'", "DELETE FROM words WHERE k LIKE 'c%'", db="app")
    finish(j, files, pair)
    pair.assert_equal("app", j.story)
    assert len(went_on(j)) == 1, j.story()
    named = {"ints", "twos", "keyless", "swap_a", "swap_b", "gone", "hollow"} & tables
    assert {t for t, why in again(j) if "statement about it" in why} == named, f"{again(j)}\n{j.story()}"
    assert named and "words" in tables, tables
    pair.source.run("UPDATE ints SET x = 8", "INSERT INTO fresh VALUES (2)", "INSERT INTO swap_a VALUES (9, 'last')", "INSERT INTO keyless2 VALUES (1, 'last')", db="app")
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)


def test_whole_again(make_pair, job, tmp_path):
    """What can't be told apart: a statement about the database, rows changed by statement. All starts again, and says why."""
    pair = make_pair("ma1011", "my97")
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    stop_at(j, files, pair, 8, 7)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.failpoints.disarm("dump_chunk_done")
    pair.source.run("ALTER DATABASE app CHARACTER SET latin1", "ALTER DATABASE app CHARACTER SET utf8mb4", "UPDATE ints SET n = 3", db="app")
    finish(j, files, pair)
    pair.assert_equal("app", j.story)
    assert "nothing of the copy that was interrupted can stay: a statement about a whole database" in j.log(), j.story()
    assert not went_on(j)


def test_minimal_images(make_pair, job, tmp_path):
    """Rows that were logged without all their columns can't be written twice: their table starts again, if it is not complete."""
    pair = make_pair("my97", "ma1011")
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    stop_at(j, files, pair, 12, 11)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.failpoints.disarm("dump_chunk_done")
    pair.source.run("SET SESSION binlog_row_image=MINIMAL", "UPDATE ints SET n = 3", "UPDATE words SET n = 3 WHERE k LIKE 'd%'", "DELETE FROM words WHERE k LIKE 'e%'",
                    "UPDATE twos SET n = 3", db="app")
    finish(j, files, pair)
    pair.assert_equal("app", j.story)
    (_, _, whole, part, _), = went_on(j)
    assert whole >= 1 and part == 0, j.story()
    assert any("binlog_row_image" in why for _, why in again(j)), j.story()


def test_mode_full_starts_anew(make_pair, job, tmp_path):
    """Without following nothing brings two moments together."""
    pair = make_pair("ma1011", "my97")
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair, mode="full")
    stop_at(j, files, pair, 6, 5)
    j.failpoints.disarm("dump_chunk_done")
    j.units("dump")[0].kill()
    assert j.wait(120) == 0, j.story()
    assert "does not follow the binlog" in j.log(), j.story()
    pair.assert_equal("app", j.story)


def test_folder_lost(make_pair, job, tmp_path):
    """Another host: nothing is left but what the downstream has recorded. The relay begins where the copy did."""
    pair = make_pair("ma1011", "my97")
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    with Writer(pair.source) as w:
        stop_at(j, files, pair, 9, 8)
        before = recorded(pair.target)
        assert j.interrupt() == INTERRUPTED, j.story()
        j.assert_gone()
        j.failpoints.disarm("dump_chunk_done")
        w.some()
        shutil.rmtree(j.state)
        j.run(*files, timeout=180)
        assert went_on(j)[0][:2] == before, j.story()
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("direction", ["ma1011>my97", pytest.param("my97>ma1011", marks=pytest.mark.long)])
def test_any_moment(direction, make_pair, job, tmp_path):
    """Any process at any moment of one copy, thirty times; statements in between."""
    pair = make_pair(*direction.split(">"))
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair, threads=3)
    rnd, kills, story = random.Random(SEED), int(os.environ.get("TIDEGATE_TEST_KILLS", "30")), []
    with Writer(pair.source) as w:
        while len(story) < kills:
            j.failpoints.arm("dump_chunk_done", "sleep", at=rnd.randrange(2, 9), arg=120000)
            j.start(*files, until=None)
            for _ in range(3):
                time.sleep(rnd.uniform(0.3, 2.5))
                unit = rnd.choice(("dump", "load", "dump", "load", "relay", "agent"))
                found = j.units(unit)
                if found:
                    found[0].kill()
                    story.append(unit)
            if rnd.random() < 0.3:
                pair.source.run(rnd.choice(("ALTER TABLE child ADD COLUMN x{n} int", "TRUNCATE TABLE hollow", "RENAME TABLE swap_a TO t, swap_b TO swap_a, t TO swap_b",
                                            "ALTER TABLE twos ADD COLUMN x{n} int DEFAULT 3")).format(n=len(story)), db="app")
            supervisor = j.units("tidegated")
            if rnd.random() < 0.4 and supervisor:
                supervisor[0].kill()
                story.append("supervisor")
                j.wait(60)
            else:
                assert j.interrupt() == INTERRUPTED, j.story()
            j.assert_gone()
            j.failpoints.disarm("dump_chunk_done")
        finish(j, files, pair)
        w.some()
    print(f"\nseed {SEED}, {len(story)} kills: {' '.join(story)}\nwent on: {went_on(j)}")
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)
    assert went_on(j), j.story()


@pytest.mark.parametrize("direction", ["ma1011>ma118", pytest.param("ma118>ma1011", marks=pytest.mark.long)])
def test_sequences(direction, make_pair, job, tmp_path):
    """They are of the newest snapshot: one that was dropped meanwhile is not left behind, and tables that ask one stay as they were loaded."""
    pair = make_pair(*direction.split(">"))
    make_source(pair.source)
    pair.source.run("CREATE SEQUENCE s START WITH 5 CACHE 10", "CREATE SEQUENCE gone_s", "CREATE SEQUENCE other START WITH 3",
                    "CREATE TABLE asks (id bigint PRIMARY KEY DEFAULT nextval(app.s), v varchar(200))",
                    "INSERT INTO asks (v) SELECT REPEAT('s', 190) FROM ints LIMIT 9000", "ANALYZE TABLE asks", db="app")  # the largest stretches come first
    j, files = make_job(job, tmp_path, pair)
    stop_at(j, files, pair, 27, 26)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    assert ("asks",) in pair.target.query("SELECT DISTINCT table_name FROM dm_meta.tidegate_chunk"), "nothing of the table that asks a sequence was there"
    pair.source.run("ALTER SEQUENCE s MAXVALUE 100000 CYCLE", "DROP SEQUENCE gone_s", "CREATE OR REPLACE SEQUENCE other START WITH 9 INCREMENT BY 2", "CREATE SEQUENCE fresh_s",
                    "INSERT INTO asks (v) VALUES ('one more')", "SELECT SETVAL(fresh_s, 100)", db="app")
    finish(j, files, pair)
    assert len(went_on(j)) == 1 and not {"asks"} & {t for t, _ in again(j)}, j.story()
    pair.assert_equal("app", j.story)
    assert shown_sequences(pair.target) == shown_sequences(pair.source) and sorted(shown_sequences(pair.source)) == ["fresh_s", "other", "s"]
    pair.source.run("DROP SEQUENCE other", "INSERT INTO asks (v) VALUES ('and one')", db="app")
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)
    assert shown_sequences(pair.target) == shown_sequences(pair.source)


def shown_sequences(server):
    names = [n for n, in server.query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app' AND TABLE_TYPE = 'SEQUENCE'")]
    return {n: server.query(f"SHOW CREATE SEQUENCE app.`{n}`")[0][1].replace(" as bigint", "").split(" ENGINE")[0] for n in names}


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011"), pytest.param("ma105", "ma118", marks=pytest.mark.long), pytest.param("ma118", "my97", marks=pytest.mark.long)])
def test_tied_tables(source, target, make_pair, job, bin_dir, tmp_path):
    """Parents that are of another moment than their children, seen by an account that may do no more than it must."""
    pair = make_pair(source, target)
    s = pair.source
    make_user(s, "tgtest", [x for x in statements(bin_dir, s, "upstream") if "SHOW VIEW" not in x])  # with it MariaDB shows more than its views
    if s.flavor == "mysql":
        s.run("GRANT XA_RECOVER_ADMIN ON *.* TO tgtest@'%'")  # an earlier test may have prepared one there
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4", "CREATE TABLE app.parent (id int PRIMARY KEY)",
          "CREATE TABLE app.child (id int PRIMARY KEY, p int, pad varchar(200), CONSTRAINT c FOREIGN KEY (p) REFERENCES app.parent (id) ON DELETE CASCADE)",
          "CREATE TABLE app.lone (id int PRIMARY KEY, p int, pad varchar(200), CONSTRAINT l FOREIGN KEY (p) REFERENCES app.parent (id))",
          fill("parent", "id", "i", 3000), fill("child", "id, p, pad", "i, i % 3000, REPEAT('c', 190)", 20000),
          "CREATE TABLE app.free (id int PRIMARY KEY, pad varchar(200))", fill("free", "id, pad", "i, REPEAT('f', 190)"))
    j, files = make_job(job, tmp_path, pair, account=("tgtest", "Grants-1"))
    stop_at(j, files, pair, 11, 10)  # of the largest one, and some of the children's
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    s.run("DELETE FROM app.parent WHERE id < 500", "INSERT INTO app.lone VALUES (1, 600, 'x')")
    shutil.rmtree(j.state)
    finish(j, files, pair)
    assert ("child", "foreign keys that change rows tie it to tables of another moment") in again(j), j.story()
    pair.assert_equal("app", j.story)
