"""DM's expression-filter: row changes for which an expression is true are left out while following; the copy copies all. What should be downstream is
worked out by the source itself, with the same expressions. With update-across a filter says which rows stay out, whatever happens to them."""
import random

import pytest

import procs
from servers import PASSWORD
from tidegate import FAILED, USAGE

TASK = """name: run
task-mode: {mode}
case-sensitive: true
target-database: {{host: 127.0.0.1, port: {to}, user: tg, password: "{password}"}}
mysql-instances: [{{source-id: s1, block-allow-list: only, expression-filters: [{names}], syncer-config-name: s{meta}}}]
block-allow-list: {{only: {{do-dbs: ["app"]}}}}
syncers: {{s: {{batch: 50}}}}
expression-filter:
{filters}
"""
SOURCE = """source-id: s1
from: {{host: 127.0.0.1, port: {port}, user: tg, password: "{password}"}}
"""
TABLE = "CREATE TABLE {}.t (id int PRIMARY KEY, state varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, price decimal(10,2), at datetime, note text)"
STATES = ["new", "Deleted", "deleted ", "paid", None, "日本"]


def files(folder, pair, filters, mode="all", meta=""):
    text = "".join(f"  {name}: {{schema: app, table: t, {body}}}\n" for name, body in filters.items())
    made = []
    for name, form, port in (("task", TASK, pair.target.port), ("source", SOURCE, pair.source.port)):
        made.append(folder / f"{name}.yaml")
        made[-1].write_text(form.format(to=port, port=port, password=PASSWORD, mode=mode, filters=text, names=", ".join(filters), meta=meta))
        made[-1].chmod(0o600)
    return made


def by_files(job):
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    return j


def literal(v):
    return "NULL" if v is None else str(v) if isinstance(v, (int, float)) else f"'{v}'"


def row(rng, k):
    return ",".join(map(literal, (k, rng.choice(STATES), rng.choice([None, 0.5, 10, 99.99, 100, 250]), rng.choice([None, "2023-05-06 07:08:09", "2024-02-29 00:00:00"]), rng.choice(["x", "y", ""]))))


def swap(s):
    """What should be downstream takes the place of the source's own table; the binlog does not hear of it."""
    s.run("SET sql_log_bin=0", "DROP TABLE app.t", "RENAME TABLE want.t TO app.t")


def test_as_dm(pair, job, tmp_path):
    """Every kind of expression, several filters of one table."""
    out = {"ins": "state = 'DELETED' OR price > 100", "old": "price BETWEEN 0 AND 10", "new": "note LIKE 'y%'", "one": "at < '2024-01-01'", "del": "id % 3 = 0 AND state IS NOT NULL"}
    filters = {"i": f'insert-value-expr: "{out["ins"]}"', "u": f'update-old-value-expr: "{out["old"]}", update-new-value-expr: "{out["new"]}"', "u2": f'update-new-value-expr: "{out["one"]}"',
               "d": f'delete-value-expr: "{out["del"]}"'}
    rng, s = random.Random(5), pair.source
    s.run("CREATE DATABASE app", TABLE.format("app"), "INSERT INTO app.t VALUES " + ",".join(f"({row(rng, k)})" for k in range(1, 101)))
    with s.connect() as c, c.cursor() as cur:
        cur.execute("SET sql_log_bin=0")
        for q in ("CREATE DATABASE want", TABLE.format("want"), "INSERT INTO want.t SELECT * FROM app.t"):
            cur.execute(q)
    j = by_files(job)
    made = files(tmp_path, pair, filters)
    j.run(*made)
    pair.assert_equal("app", j.story)  # the copy is whole
    s.run("INSERT INTO app.t VALUES " + ",".join(f"({row(rng, k)})" for k in range(101, 301)))
    s.run("SET sql_log_bin=0", f"INSERT INTO want.t SELECT * FROM app.t WHERE id > 100 AND ({out['ins']}) IS NOT TRUE")
    there = "id IN (SELECT id FROM want.t)"
    with s.connect() as c, c.cursor() as cur:
        for k in range(40):  # each UPDATE and DELETE is of rows that are downstream: DM's way leaves others missing
            what = rng.choice([f"price = {rng.choice([5, 50, 500])}", f"note = '{rng.choice('xyz')}'", "at = '2023-01-01 00:00:00'", "at = '2024-06-01 00:00:00'", f"state = {literal(rng.choice(STATES))}"])
            some = f"id % 7 = {k % 7} AND {there}"
            cur.execute(f"SELECT id FROM app.t WHERE {some}")
            ids = ",".join(str(r[0]) for r in cur.fetchall())
            cur.execute("SET sql_log_bin=0")
            cur.execute(f"CREATE TABLE want.was AS SELECT * FROM app.t WHERE id IN ({ids})")
            cur.execute("SET sql_log_bin=1")
            cur.execute(f"UPDATE app.t SET {what} WHERE id IN ({ids})")
            cur.execute("SET sql_log_bin=0")
            cur.execute(f"REPLACE INTO want.t SELECT n.* FROM app.t n JOIN want.was o ON o.id = n.id JOIN (SELECT id FROM want.was WHERE ({out['old']}) IS NOT TRUE UNION SELECT id FROM app.t WHERE ({out['new']}) IS NOT TRUE) a ON a.id = n.id"
                        f" WHERE NOT (HEX(n.state) <=> HEX(o.state) AND n.price <=> o.price AND n.at <=> o.at AND n.note <=> o.note) AND (n.{out['one']}) IS NOT TRUE")
            cur.execute("DROP TABLE want.was")
            cur.execute("SET sql_log_bin=1")
        cur.execute(f"SELECT id FROM app.t WHERE id % 5 = 0 AND ({there} OR ({out['del']}) IS TRUE)")
        ids = ",".join(str(r[0]) for r in cur.fetchall())
        cur.execute("SET sql_log_bin=0")
        cur.execute(f"DELETE FROM want.t WHERE id IN (SELECT id FROM app.t WHERE id IN ({ids}) AND ({out['del']}) IS NOT TRUE)")
        cur.execute("SET sql_log_bin=1")
        cur.execute(f"DELETE FROM app.t WHERE id IN ({ids})")
    j.run(*made)
    swap(s)
    result = pair.assert_equal("app", j.story)
    assert 100 < result.rows < 290


FILTER = "state = 'deleted' OR price >= 100"


def test_across(pair, job, tmp_path):
    """With update-across the downstream is what the source has and the filter does not mean, through interrupts and whole transactions."""
    rng, s = random.Random(6), pair.source
    s.run("CREATE DATABASE app", TABLE.format("app"))
    pair.target.run("CREATE DATABASE app", TABLE.format("app"))
    s.run("FLUSH BINARY LOGS")
    file = s.query("SHOW BINARY LOGS")[-1][0]
    j = by_files(job)
    made = files(tmp_path, pair, {"gone": f'insert-value-expr: "{FILTER}", update-across: true'}, "incremental", f", meta: {{binlog-name: {file}, binlog-pos: 4}}")
    for stretch in range(3):
        with s.connect(autocommit=False) as c, c.cursor() as cur:
            for k in range(60):
                at = stretch * 1000 + k * 5
                cur.execute("INSERT INTO app.t VALUES " + ",".join(f"({row(rng, at + i)})" for i in range(5)))
                cur.execute(f"UPDATE app.t SET {rng.choice(['price = price + 60', 'price = 1', chr(115) + 'tate = ' + literal(rng.choice(STATES))])} WHERE id % 11 = {rng.randrange(11)}")
                cur.execute(f"DELETE FROM app.t WHERE id % 53 = {rng.randrange(53)}")
                if rng.random() < 0.1:
                    cur.execute(f"UPDATE app.t SET id = id + 500 WHERE id = {at}")
                c.rollback() if rng.random() < 0.1 else c.commit() if rng.random() < 0.5 else None
            c.commit()
        if stretch == 1:
            j.start(*made, until=None)
            j.wait_status(lambda x: x.get("phase") == "sync")
            procs.wait_for(lambda: j.subtask()["tidegate"]["sync"].get("filtered_by_expression", 0) > 0, 60, j.story)
            j.interrupt()
        else:
            j.run(*made)
    s.run("SET sql_log_bin=0", f"DELETE FROM app.t WHERE {FILTER}")
    result = pair.assert_equal("app", j.story)
    assert result.rows > 100


def test_a_large_transaction(make_pair, job, tmp_path):
    """More than is kept in memory: read again where it is applied, with the same verdicts; memory does not grow with what is left out."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    for x in (s, pair.target):
        x.run("CREATE DATABASE app", TABLE.format("app"))
    s.run("FLUSH BINARY LOGS")
    file = s.query("SHOW BINARY LOGS")[-1][0]
    j = by_files(job)
    made = files(tmp_path, pair, {"gone": 'insert-value-expr: "id % 50 <> 0", update-across: true'}, "incremental", f", meta: {{binlog-name: {file}, binlog-pos: 4}}")
    s.run("BEGIN", "INSERT INTO app.t SELECT seq, 'new', seq, NULL, REPEAT('x', 700) FROM mysql.seq_1_to_250000", "UPDATE app.t SET id = id + 1000000 WHERE id % 50 < 2", "COMMIT")
    j.run(*made, timeout=200)
    s.run("SET sql_log_bin=0", "DELETE FROM app.t WHERE id % 50 <> 0")
    assert pair.assert_equal("app", j.story).rows == 5000


def test_one_that_no_row_can_be_judged_by(make_pair, job, tmp_path):
    """Found before the start: the column that is not there, and where it is named."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", TABLE.format("app"))
    j = by_files(job)
    j.run(*files(tmp_path, pair, {"x": 'insert-value-expr: "prize > 5"'}), expect=FAILED)
    assert "60543" in j.stderr() and "no column `prize`" in j.stderr() and "character 1" in j.stderr(), j.stderr()
    j.run(*files(tmp_path, pair, {"x": 'insert-value-expr: "price >"'}), expect=USAGE)
    assert "task.yaml:9:" in j.stderr() and "it ends where" in j.stderr(), j.stderr()


def test_a_row_that_can_t_be_judged(make_pair, job, tmp_path):
    """It is neither applied nor left out: the task stops at it; with an expression by bytes it goes on."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", TABLE.format("app"), "INSERT INTO app.t VALUES (1, 'new', 1, NULL, '')")
    j = by_files(job)
    made = files(tmp_path, pair, {"x": "insert-value-expr: \"state = 'ete'\""})
    j.run(*made)
    pair.source.run("INSERT INTO app.t VALUES (2, 'ete', 1, NULL, '')", "INSERT INTO app.t VALUES (3, 'été', 1, NULL, '')")
    j.run(*made, expect=FAILED)
    assert "60543" in j.stderr() and "COLLATE" in j.stderr(), j.stderr()
    assert pair.target.query("SELECT id FROM app.t ORDER BY id") == ((1,),)


@pytest.mark.parametrize("body", ['delete-value-expr: "price > 5"', 'insert-value-expr: "price > 5", update-across: true'])
def test_a_foreign_key_that_cascades(body, make_pair, job, tmp_path):
    """What a parent's filter leaves out, or turns into a DELETE, would leave the children behind or take them along: the upstream's binlog does not
    hold what its foreign keys do."""
    pair = make_pair("ma1011", "my97")
    for x in (pair.source, pair.target):
        x.run("CREATE DATABASE app", TABLE.format("app"), "CREATE TABLE app.child (id int PRIMARY KEY, CONSTRAINT f FOREIGN KEY (id) REFERENCES app.t (id) ON DELETE CASCADE)")
    pair.source.run("FLUSH BINARY LOGS")
    file = pair.source.query("SHOW BINARY LOGS")[-1][0]
    pair.source.run("INSERT INTO app.t VALUES (1, 'new', 1, NULL, '')")
    j = by_files(job)
    j.run(*files(tmp_path, pair, {"x": body}, "incremental", f", meta: {{binlog-name: {file}, binlog-pos: 4}}"), expect=FAILED)
    assert "60509" in j.stderr() and "`app`.`child`" in j.stderr(), j.stderr()


def test_across_with_a_virtual_column_and_an_event_filter(make_pair, job, tmp_path):
    """A virtual column need not be in the image; a DELETE that an UPDATE becomes is the event filter's to leave out. A filter of a table that is not
    there is told."""
    pair = make_pair("ma1011", "my97")
    for x in (pair.source, pair.target):
        x.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, price int, twice int AS (price * 2) VIRTUAL)")
    s = pair.source
    s.run("FLUSH BINARY LOGS")
    file = s.query("SHOW BINARY LOGS")[-1][0]
    s.run("INSERT INTO app.t (id, price) VALUES (1, 1), (2, 200), (3, 3)", "UPDATE app.t SET price = 2 WHERE id = 2", "UPDATE app.t SET price = 300 WHERE id = 3")
    made = files(tmp_path, pair, {"gone": 'insert-value-expr: "price > 100", update-across: true'}, "incremental", f", meta: {{binlog-name: {file}, binlog-pos: 4}}")
    made[0].write_text(made[0].read_text().replace("expression-filters:", "filter-rules: [no-deletes], expression-filters:") +
                       "  absent: {schema: app, table: absent, insert-value-expr: \"id = 1\"}\nfilters: {no-deletes: {schema-pattern: app, table-pattern: t, events: [delete], action: Ignore}}\n")
    made[0].write_text(made[0].read_text().replace("[gone]", "[gone, absent]"))
    j = by_files(job)
    j.run(*made)
    assert pair.target.query("SELECT id, price FROM app.t ORDER BY id") == ((1, 1), (2, 2), (3, 3))
    assert "`app`.`absent`, which is not there" in j.story(), j.story()
