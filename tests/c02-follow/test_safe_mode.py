"""DM's safe-mode: the binlog is applied to a downstream that has some of it already, and both sides become equal."""
import pytest

from servers import PASSWORD
from tidegate import FAILED
from workload import Workload

TASK = """name: again
task-mode: incremental
target-database: {{host: 127.0.0.1, port: {to}, user: tg, password: "{password}"}}
mysql-instances:
  - {{source-id: s1, block-allow-list: only, meta: {{binlog-name: {file}, binlog-pos: {offset}}}, syncer-config-name: sync}}
block-allow-list: {{only: {{do-tables: [{tables}]}}}}
syncers: {{sync: {{worker-count: 4, safe-mode: {safe}}}}}
"""
SOURCE = """source-id: s1
from: {{host: 127.0.0.1, port: {port}, user: tg, password: "{password}"}}
"""


def write_files(folder, pair, at, tables, safe=True):
    task, source = folder / "task.yaml", folder / "source.yaml"
    names = ", ".join(f'{{db-name: "app", tbl-name: "{t}"}}' for t in tables)
    task.write_text(TASK.format(to=pair.target.port, password=PASSWORD, file=at[0], offset=at[1], tables=names, safe="true" if safe else "false"))
    source.write_text(SOURCE.format(port=pair.source.port, password=PASSWORD))
    for f in (task, source):
        f.chmod(0o600)
    return [str(task), str(source)]


def end_of(server):
    words = "SHOW BINARY LOG STATUS" if server.flavor == "mysql" else "SHOW MASTER STATUS"
    return server.query(words)[0][:2]


def again(job):
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    return j


KEYED = ["w_int", "w_text", "w_unique", "w_mixed"]


@pytest.mark.across
def test_from_the_beginning_again(pair, job, tmp_path):
    """All that a copy and its following have brought is applied a second time, from its beginning: keys that moved, rows that went and came
    back, several unique keys in each other's way."""
    pair.source.run("CREATE DATABASE app CHARACTER SET utf8mb4")
    work = Workload(pair.source, "app", threads=3, rows=200).make()
    # Before that: the tables' structures are the last ones, and the downstream has them.
    at = end_of(pair.source)
    first = job(pair, tables="app.*")
    with work:
        first.run(timeout=120)
        work.wait(300)
    pair.source.run("UPDATE w_unique SET u = u + 1000000", "UPDATE w_unique SET u = u - 999999 ORDER BY u", "DELETE FROM w_text", "INSERT INTO w_text VALUES ('a','x',1)",
                    "UPDATE w_text SET k = 'A'", "DELETE FROM w_int ORDER BY id LIMIT 20", db="app")
    first.run(timeout=120)
    pair.assert_equal("app", first.story)
    pair.source.run("INSERT INTO w_text VALUES ('later','x',1)", db="app")
    j = again(job)
    j.run(*write_files(tmp_path, pair, at, KEYED), timeout=180)
    pair.assert_equal("app", j.story)


def test_without_it(make_pair, job, tmp_path):
    """The same without the option: a row that is there already stops the task."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
    at = end_of(pair.source)
    pair.source.run("INSERT INTO app.t VALUES (1)")
    job(pair, tables="app.*").run()
    j = again(job)
    j.run(*write_files(tmp_path, pair, at, ["t"], safe=False), timeout=180, expect=FAILED)
    assert "Duplicate entry" in j.stderr()


@pytest.mark.parametrize("source, target", [("my97", "ma1011"), ("ma1011", "my97")])
def test_foreign_keys(source, target, make_pair, job, tmp_path):
    """Children whose parents are gone by now come and go again."""
    pair = make_pair(source, target)
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.p (id int PRIMARY KEY, v int)",
          "CREATE TABLE app.c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id))",
          "CREATE TABLE app.tree (id int PRIMARY KEY, up int, FOREIGN KEY (up) REFERENCES tree (id))")
    at = end_of(s)
    s.run("INSERT INTO p VALUES (1,1),(2,1),(3,1)", "INSERT INTO c VALUES (1,1),(2,2),(3,3)", "UPDATE p SET v = 2", "DELETE FROM c WHERE p = 1", "DELETE FROM p WHERE id = 1",
          "INSERT INTO tree VALUES (1,NULL),(2,1),(3,2)", "DELETE FROM tree WHERE id = 3", "INSERT INTO p VALUES (1,9)", "INSERT INTO c VALUES (1,1)", db="app")
    job(pair, tables="app.*").run()
    s.run("DELETE FROM c WHERE p = 1", "DELETE FROM p WHERE id = 1", "INSERT INTO p VALUES (7,7)", db="app")
    j = again(job)
    j.run(*write_files(tmp_path, pair, at, ["p", "c", "tree"]), timeout=180)
    pair.assert_equal("app", j.story)


def test_no_key(make_pair, job, tmp_path):
    """Rows that nothing names are written as without the option, exactly once; the log says so."""
    pair = make_pair("my97", "my97")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.n (a int, b int)", "CREATE TABLE app.k (a int PRIMARY KEY, b int)")
    job(pair, tables="app.*").run(until="full")
    at = end_of(s)
    s.run("INSERT INTO n VALUES (1,1),(1,1),(2,2)", "UPDATE n SET b = 3 WHERE a = 2", "DELETE FROM n LIMIT 1", "INSERT INTO k VALUES (1,1),(2,2)", "UPDATE k SET b = 5", db="app")
    pair.target.run("INSERT INTO app.k VALUES (1,1)")
    j = again(job)
    j.run(*write_files(tmp_path, pair, at, ["n", "k"]), timeout=180)
    pair.assert_equal("app", j.story)
    assert "`app`.`n` has no unique key in the downstream" in j.log()


def test_cascades(make_pair, job, tmp_path):
    """Changes that must make others downstream (MariaDB doesn't log them) are made as ever, with the checks on."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.p (id int PRIMARY KEY, v int)",
          "CREATE TABLE app.c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE)",
          "INSERT INTO app.p VALUES (1,1),(2,2),(3,3)", "INSERT INTO app.c VALUES (1,1),(2,2),(3,3)")
    job(pair, tables="app.*").run(until="full")
    at = end_of(s)
    s.run("DELETE FROM p WHERE id = 1", "UPDATE p SET id = 20 WHERE id = 2", "UPDATE p SET v = 5", "INSERT INTO p VALUES (4,4)", "INSERT INTO c VALUES (4,4)", db="app")
    j = again(job)
    j.run(*write_files(tmp_path, pair, at, ["p", "c"]), timeout=180)
    pair.assert_equal("app", j.story)
