"""What a downstream refuses in the middle of a copy, or at once: a way round, or one line that says what to do."""
import procs
import pytest
from copying import Slow, copying, numbers, wait_chunks
from tidegate import DONE, FAILED


@pytest.mark.parametrize("target", ["my97", "ma1011"])
def test_load_data_is_switched_off(target, make_pair, job, tmp_path):
    """An administrator switches local_infile off while the copy runs: it goes on by INSERT."""
    pair = make_pair("my97", target)
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app")
    numbers(s, "app", 12000)
    s.run("CREATE TABLE app.t (id int PRIMARY KEY, v varchar(600))", "INSERT INTO app.t SELECT i, REPEAT('v', 480) FROM app.n")
    j, files = copying(job, tmp_path, pair, ["app"], threads=2)
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("few: {", "few: {load-by: load-data, "))
    try:
        d.run("SET GLOBAL local_infile=ON")
        with Slow(j, 1000):
            j.start(*files, until="full")
            assert wait_chunks(j, d, 2), j.story()
            j.wait_log("rows are written by LOAD DATA")
            d.run("SET GLOBAL local_infile=OFF")
            procs.wait_for(lambda: "LOAD DATA LOCAL was switched off" in j.log() or j.ended(), 90, j.story)
        assert j.wait(120) == DONE, j.story()
        pair.assert_equal("app", j.story)
    finally:
        d.run(f"SET GLOBAL local_infile={'OFF' if d.flavor == 'mysql' else 'ON'}")


def test_a_foreign_key_to_what_is_not_unique(make_pair, job):
    """MySQL 8.4 and newer refuse it: which table, why, and what to do. Done, it goes on."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.parent (id int PRIMARY KEY, code int, KEY (code))", "INSERT INTO app.parent VALUES (1, 5), (2, 5)",
                    "CREATE TABLE app.child (id int PRIMARY KEY, code int, FOREIGN KEY (code) REFERENCES app.parent (code))", "INSERT INTO app.child VALUES (1, 5)")
    j = job(pair, tables="app.*")
    said = j.run(until="full", expect=FAILED)
    assert "making table `app`.`" in said and "referenced table 'parent' (error 6125)" in said, said
    assert "needs a unique key" in said and "restrict_fk_on_non_standard_key=OFF in the downstream" in said, said
    try:
        pair.target.run("SET GLOBAL restrict_fk_on_non_standard_key=OFF")
        j.run(until="full")
    finally:
        pair.target.run("SET GLOBAL restrict_fk_on_non_standard_key=ON")
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("names", ["ma1011>my97", "my97>ma1011"])
def test_an_engine_without_transactions(names, make_pair, job):
    """A table that somebody made downstream: what a chunk wrote before it was cut off would stay. Before a row is written, by name; mended, it goes on."""
    pair = make_pair(*names.split(">"))
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1), (2)")
    pair.target.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY) ENGINE=MyISAM")
    j = job(pair, tables="app.*")
    said = j.run(until="full", expect=FAILED)
    assert "`app`.`t`" in said and "with engine MyISAM, which has no transactions" in said, said
    assert pair.target.query("SELECT COUNT(*) FROM app.t") == ((0,),)
    pair.target.run("ALTER TABLE app.t ENGINE=InnoDB")
    j.run(until="full")
    pair.assert_equal("app", j.story)
