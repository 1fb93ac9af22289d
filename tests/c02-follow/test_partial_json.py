"""MySQL's partial JSON updates where the value before is not in the binlog (binlog_row_image MINIMAL, NOBLOB): done by SQL functions on what the
downstream holds; random updates of all kinds."""
import importlib.util
import random

import pytest

from tidegate import FAILED


@pytest.fixture(scope="session")
def writer(root_dir):
    """The random writer of the sync's own live tests."""
    spec = importlib.util.spec_from_file_location("sync_live_test", root_dir / "units/sync/live_test.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.JsonWriter


def partial_events(server):
    file = server.query("SHOW BINARY LOGS")[-1][0]
    return sum(row[2] == "Update_rows_partial" for row in server.query(f"SHOW BINLOG EVENTS IN '{file}'"))


@pytest.mark.parametrize("image", ["MINIMAL", "NOBLOB", "FULL"])
@pytest.mark.parametrize("target", ["my97", "ma1011", pytest.param("ma118", marks=pytest.mark.long)])
def test_partial_json(image, target, make_pair, job, writer):
    pair = make_pair("my97", target)
    s = pair.source
    s.run("FLUSH BINARY LOGS")
    w = writer(s, random.Random(7))
    j = job(pair, tables="app.*")
    j.run()
    with s.connect(init_command=f"SET SESSION binlog_row_value_options='PARTIAL_JSON', binlog_row_image='{image}', sql_mode=''") as c, c.cursor() as cur:
        for _ in range(400):
            while True:  # tables without a key need whole images
                state = w.rnd.getstate()
                if image == "FULL" or not 0.8 <= w.rnd.random() < 0.98:
                    w.rnd.setstate(state)
                    break
            w.step(cur)
    assert partial_events(s) > 80
    j.run(timeout=180)
    pair.assert_equal("app", j.story)


def test_what_mariadb_cannot_read(make_pair, job):
    """There a JSON function is an error, or NULL with a warning, for what it can't read: the row must not be changed, and the task stops."""
    pair = make_pair("my97", "ma1011")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.j (id int PRIMARY KEY, a json)", "INSERT INTO app.j VALUES (1, JSON_OBJECT('pad', REPEAT('p', 300), 'a', 1))")
    j = job(pair, tables="app.*")
    j.run()
    pair.target.run("ALTER TABLE app.j MODIFY a longtext", "UPDATE app.j SET a = 'no JSON'")
    with s.connect(database="app", init_command="SET SESSION binlog_row_value_options='PARTIAL_JSON', binlog_row_image='MINIMAL'") as c, c.cursor() as cur:
        cur.execute("UPDATE j SET a = JSON_SET(a, '$.a', 2)")
    j.run(timeout=180, expect=FAILED)
    assert ("10006" in j.stderr() or "60502" in j.stderr()) and "JSON_REPLACE" in j.stderr(), j.story()
    assert pair.target.query("SELECT a FROM app.j") == (("no JSON",),)
