"""Rows that the downstream doesn't take as they are, and rows that meet others there: LOAD DATA LOCAL makes warnings of both, and none may pass (T25)."""
import pytest
from copying import copying
from tidegate import FAILED


@pytest.fixture
def ends(make_pair):
    """To a MySQL that allows LOCAL INFILE."""
    pair = make_pair("ma1011", "my97")
    pair.target.run("SET GLOBAL local_infile=ON", "CREATE DATABASE app")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20), d datetime)",
                    "INSERT INTO app.t VALUES (1,'one','2020-01-02 03:04:05'),(2,'two','2020-01-02'),(3,'ONE','2020-01-02')")
    yield pair
    pair.target.run("SET GLOBAL local_infile=OFF")


def test_values_that_do_not_fit(ends, job):
    """Too long a text is refused; a note alone (a time of day into a DATE) is no loss that strict SQL knows, and passes when it says so."""
    d = ends.target
    d.run("CREATE TABLE app.t (id int PRIMARY KEY, v varchar(2), d date)")
    j = job(ends, tables="app.*")
    said = j.run(until="full", expect=FAILED)
    assert "34019" in said and "1406" in said and "column 'v'" in said, said
    assert "LOAD DATA took" in j.log() and d.query("SELECT COUNT(*) FROM app.t") == ((0,),), j.story()
    d.run("ALTER TABLE app.t MODIFY v varchar(20)")
    doubts = j.log().count("LOAD DATA took")
    j.run(until="full")
    assert j.log().count("LOAD DATA took") == doubts + 1, j.story()
    assert d.query("SELECT COUNT(*), MIN(d), MAX(d) FROM app.t WHERE v IN ('one', 'two')")[0] == (3,) + d.query("SELECT DATE '2020-01-02', DATE '2020-01-02'")[0]


@pytest.mark.parametrize("policy, want", [("error", None), ("replace", ((2,), (3,))), ("ignore", ((1,), (2,)))])
def test_on_duplicate_logical(policy, want, ends, job, tmp_path):
    """The downstream's table has a key that the upstream's has not: row 3 meets row 1."""
    d = ends.target
    d.run("CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20) COLLATE utf8mb4_general_ci UNIQUE, d datetime)")
    j, files = copying(job, tmp_path, ends, ["app"])
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("few: {", f"few: {{on-duplicate-logical: {policy}, "))
    said = j.run(*files, until="full", expect=0 if want else FAILED)
    assert d.query("SELECT id FROM app.t ORDER BY id") == (want or ()), j.story()
    assert want or ("34019" in said and "1062" in said), said


@pytest.mark.parametrize("policy, want", [("error", None), ("replace", ((2, "b"), (3, ""))), ("ignore", ((1, "a"), (2, "b")))])
def test_on_duplicate_of_an_error_value(policy, want, ends, job, tmp_path):
    """Row 3 has an ENUM's error value, so it goes by INSERT IGNORE, which passes by a row that meets another one without a word."""
    s, d = ends.source, ends.target
    s.run("ALTER TABLE app.t ADD e enum('a', 'b') NOT NULL DEFAULT 'a'", "UPDATE app.t SET e='b' WHERE id=2", "UPDATE IGNORE app.t SET e=0 WHERE id=3")
    d.run("CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20) COLLATE utf8mb4_general_ci UNIQUE, d datetime, e enum('a', 'b') NOT NULL DEFAULT 'a')")
    j, files = copying(job, tmp_path, ends, ["app"])
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("few: {", f"few: {{on-duplicate-logical: {policy}, "))
    said = j.run(*files, until="full", expect=0 if want else FAILED)
    assert d.query("SELECT id, e FROM app.t ORDER BY id") == (want or ()), j.story()
    assert want or ("34019" in said and "it meets another one in a unique key" in said), said


def test_an_error_value_that_meets_two(ends, job, tmp_path):
    """Row 3 meets row 1 in one key and row 2 in another: going over one of them is refused by the other's, which IGNORE makes a warning of."""
    s, d = ends.source, ends.target
    s.run("ALTER TABLE app.t ADD e enum('a', 'b') NOT NULL DEFAULT 'a'", "UPDATE IGNORE app.t SET e=0 WHERE id=3")
    d.run("CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20) COLLATE utf8mb4_general_ci UNIQUE, d datetime UNIQUE, e enum('a', 'b') NOT NULL DEFAULT 'a')")
    j, files = copying(job, tmp_path, ends, ["app"])
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("few: {", "few: {on-duplicate-logical: replace, "))
    said = j.run(*files, until="full", expect=FAILED)
    assert "34019" in said and "a row went over none" in said and "1062" in said, said
