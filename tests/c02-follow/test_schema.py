"""binlog-schema list, update, delete: the structures that rows are read with, as an operator sees and changes them."""
import json

import procs
import pytest
import zoo
from tidegate import FAILED, INTERRUPTED, USAGE
from words import ask, following, wait_stage


def msg(answer):
    return answer["sources"][0]["msg"]


def recorded(server, table, schema="app"):
    row = server.query("SELECT structure FROM dm_meta.tidegate_structure WHERE table_schema=%s AND table_name=%s", (schema, table))
    return json.loads(row[0][0]) if row else None


def wait_row(j, d, where):
    procs.wait_for(lambda: d.query(f"SELECT COUNT(*) FROM app.t WHERE {where}")[0][0] == 1, 60, j.story, 0.2)


@pytest.mark.parametrize("names", ["ma1011>my97", "my97>ma118"])
def test_goes_on_after_update(names, make_pair, job, tmp_path):
    """A structure that nobody can find again: rows were logged, then the upstream's table was changed without a word in the binlog, and
    what was recorded is gone. The task stands, and goes on once it is told; the wrong statements before that change nothing."""
    pair = make_pair(*names.split(">"))
    j = following(pair, job)
    s, d = pair.source, pair.target
    assert "not paused" in ask(j, "binlog-schema", "delete", "run", "app", "t", expect=FAILED)
    assert msg(ask(j, "binlog-schema", "list", "run", "app", "t")).startswith("CREATE TABLE `app`.`t` (\n  `id` int")
    ask(j, "pause-task", "run")
    wait_stage(j, "Paused")
    s.run("INSERT INTO t VALUES (2,20)", db="app")
    s.run("SET sql_log_bin=0", "ALTER TABLE t ADD w int, ADD x int", db="app")
    answer = ask(j, "binlog-schema", "delete", "run", "app", "t")
    assert answer["sources"][0]["result"] and msg(answer) == "" and recorded(d, "t") is None
    for damaged in ("{broken", "{}", ""):  # what can't be read any more can still be thrown away
        d.run(f"INSERT INTO dm_meta.tidegate_structure (task, source, table_schema, table_name, position, structure) "
              f"SELECT task, source, 'app', 't', '0:0:0', '{damaged}' FROM dm_meta.tidegate_slot WHERE slot=0")
        ask(j, "binlog-schema", "list", "run", "app", "t", expect=FAILED)
        ask(j, "binlog-schema", "delete", "run", "app", "t")
        assert d.query("SELECT COUNT(*) FROM dm_meta.tidegate_structure WHERE table_name='t'")[0][0] == 0
    assert "44005" in ask(j, "binlog-schema", "delete", "run", "app", "t", expect=FAILED)
    assert "44005: no structure of `app`.`t`" in ask(j, "binlog-schema", "list", "run", "app", "t", expect=FAILED)
    ask(j, "resume-task", "run")
    wait_stage(j, "Paused", 36027)
    file = tmp_path / "t.sql"
    for text, why in (("CREATE TABLE t (id int, v nosuch)", "`v`: its type is not known"), ("DROP TABLE t", "a CREATE TABLE statement"),
                      ("CREATE TABLE other (id int)", "makes `other`, not `app`.`t`"), ("CREATE TABLE t (id int", "parentheses")):
        file.write_text(text)
        said = ask(j, "binlog-schema", "update", "run", "app", "t", str(file), expect=FAILED)
        assert why in said and said.count("\n") == 1, said
    assert "update wants one of" in ask(j, "binlog-schema", "update", "run", "app", "t", expect=USAGE)
    said = ask(j, "binlog-schema", "update", "run", "app", "nosuch", "--from-target", expect=FAILED)
    assert "no table `app`.`nosuch`" in said and "44007" in said, said
    assert "left out by the task's rules" in ask(j, "binlog-schema", "update", "run", "other", "t", "--from-target", expect=USAGE)
    assert recorded(d, "t") is None
    # one that still does not fit is no answer
    ask(j, "operate-schema", "set", "run", "-d", "app", "-t", "t", "--from-source")
    assert [c["name"] for c in recorded(d, "t")["columns"]] == ["id", "v", "w", "x"]
    pauses = j.log().count("-> Paused on ")
    ask(j, "resume-task", "run")
    procs.wait_for(lambda: j.log().count("-> Paused on ") > pauses, 60, j.story)  # the status may still be that of before
    wait_stage(j, "Paused", 36027)
    file.write_text("CREATE TABLE t (id int PRIMARY KEY, v int)")
    ask(j, "binlog-schema", "update", "run", "app", "t", str(file), "--flush", "--sync=false")
    assert recorded(d, "t")["key"] == 0
    ask(j, "resume-task", "run")
    wait_row(j, d, "id=2 AND v=20")
    # now the downstream gets the columns too, and is what the next rows are read with
    ask(j, "pause-task", "run")
    wait_stage(j, "Paused")
    d.run("ALTER TABLE app.t ADD w int, ADD x int")
    ask(j, "binlog-schema", "update", "run", "app", "t", "--from-target")
    s.run("INSERT INTO t VALUES (3,30,31,32)", db="app")
    ask(j, "resume-task", "run")
    wait_row(j, d, "id=3 AND x=32")
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.run()
    pair.assert_equal("app", j.story)


def test_a_sync_that_was_not_paused_is_ended(make_pair, job):
    """The master is told that the task is paused when it is not any more: who comes later wins, and nobody reads with what was before."""
    pair = make_pair("ma1011", "my97")
    j = following(pair, job)
    d = pair.target
    epoch, version = d.query("SELECT epoch, version FROM dm_meta.tidegate_slot WHERE slot=0")[0]
    ask(j, "pause-task", "run")
    wait_stage(j, "Paused")
    d.run(f"UPDATE dm_meta.tidegate_slot SET epoch = {epoch + 5}")
    assert "60501" in ask(j, "binlog-schema", "update", "run", "app", "t", "--from-target", expect=FAILED)
    d.run(f"UPDATE dm_meta.tidegate_slot SET epoch = {epoch}")
    ask(j, "binlog-schema", "update", "run", "app", "t", "--from-target")
    assert d.query("SELECT version FROM dm_meta.tidegate_slot WHERE slot=0")[0][0] > version
    procs.wait_for(lambda: d.query("SELECT COUNT(*) FROM dm_meta.tidegate_connection")[0][0] == 0, 60, "a connection is still noted", 0.2)
    assert j.interrupt() == INTERRUPTED, j.story()


def without_defaults(structure):
    """That a column has no default is not taken from a text: what list prints has none at all."""
    return [{k: v for k, v in c.items() if k != "no_default"} for c in structure["columns"]]


@pytest.mark.parametrize("names", ["ma118>my97", pytest.param("my97>ma118", marks=pytest.mark.long)])
def test_statements_are_read_as_the_server_means_them(names, make_pair, job, tmp_path):
    """What the copy has recorded came from information_schema. SHOW CREATE TABLE, read by us, gives the same; so does what list prints."""
    pair = make_pair(*names.split(">"))
    s, d = pair.source, pair.target
    leave = {"wide"} | {a.name for a in zoo.names()} - {"back`tick", "naïve 表", "123"}
    animals = [a for a in zoo.zoo(s, pair.target) if a.schema == zoo.SCHEMA and a.name not in leave]
    zoo.make(s, animals, rows=False)
    j = job(pair, tables="zoo.*")
    j.start("--stay", until=None)
    j.wait_status(lambda x: x.get("phase") == "sync")
    ask(j, "pause-task", "run")
    wait_stage(j, "Paused")
    # not copied: MariaDB itself does not take MySQL's _utf8mb4'it\'s' in a generated column
    quotes = zoo.Animal("quotes", "id int NOT NULL PRIMARY KEY, a varchar(9), g varchar(40) AS (CONCAT(a, 'it\\'s \\\\ x')) VIRTUAL, h int AS (a = '\\'') STORED", [])
    s.run("SET sql_log_bin=0", *quotes.create(), db=zoo.SCHEMA)
    ask(j, "binlog-schema", "update", "run", zoo.SCHEMA, "quotes", "--from-source")
    animals.append(quotes)
    file = tmp_path / "t.sql"
    for a in animals:
        was = recorded(d, a.name, zoo.SCHEMA)
        # of the default charset a copy says nothing: both sides have the same
        default = s.query("SELECT SUBSTRING_INDEX(TABLE_COLLATION,'_',1) FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s", (zoo.SCHEMA, a.name))[0][0]
        for text, more in ((s.query(f"SHOW CREATE TABLE {a.quoted}")[0][1], {"charset": default}), (msg(ask(j, "binlog-schema", "list", "run", zoo.SCHEMA, a.name)), {})):
            file.write_text(text)
            ask(j, "binlog-schema", "update", "run", zoo.SCHEMA, a.name, str(file))
            now = recorded(d, a.name, zoo.SCHEMA)
            assert now == {**was, **more, "columns": without_defaults(was)}, f"{text}\n{now}\n{was}"
    assert len(msg(ask(j, "binlog-schema", "list", "run", zoo.SCHEMA)).split(";\nCREATE TABLE ")) == len(animals)
    assert j.interrupt() == INTERRUPTED, j.story()
