"""stop-task -s, and the way back: one source's part of a task is stopped and started again by the task's file, the other's goes on; and a file where a task is named."""
import procs
import pytest
from conftest import Pair
from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED

SOURCE = "source-id: {name}\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: '{password}'}}\n"
TASK = """
name: moved
task-mode: all
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: one, block-allow-list: one}}, {{source-id: two, block-allow-list: two}}]
block-allow-list: {{one: {{do-dbs: [one]}}, two: {{do-dbs: [two]}}}}
"""


@pytest.fixture
def two(fleet, server, job):
    """A task of two sources, each with a database called like it."""
    (one,), (other,) = fleet("ma1011", "a"), fleet("ma1011", "b")
    target = server("my97", "down")
    j = job(source_url=None, target_url=None)
    j.task, j.pairs = j.folder / "task.yaml", {"one": Pair(one, target), "two": Pair(other, target)}
    j.task.write_text(TASK.format(port=target.port, user=USER, password=PASSWORD))
    files = []
    for name, pair in j.pairs.items():
        pair.source.run(f"CREATE DATABASE {name}", f"CREATE TABLE {name}.t (id int PRIMARY KEY)", f"INSERT INTO {name}.t VALUES (1)")
        files.append(j.folder / f"{name}.yaml")
        files[-1].write_text(SOURCE.format(name=name, port=pair.source.port, user=USER, password=PASSWORD))
    j.start("--stay", j.task, *files, until=None)
    procs.wait_for(lambda: len(syncs(j)) == 2 and j.log().count("following from") == 2, 90, j.story, 0.2)
    return j


def syncs(j):
    return {p.title.rpartition("@")[2]: p for p in j.units("sync")}


def put(j, name, n):
    j.pairs[name].source.run(f"INSERT INTO {name}.t VALUES ({n})")


def comes(j, name, n):
    pair = j.pairs[name]
    procs.wait_for(lambda: (n,) in pair.target.query(f"SELECT id FROM {name}.t"), 60, lambda: f"{n} of {name} did not come\n{j.story()}", 0.2)


def stages(j):
    return {s["sourceStatus"]["source"]: s["subTaskStatus"][0]["stage"] for s in j.ask("query-status", str(j.task))["sources"]}


@pytest.mark.parametrize("words", [(), ("-s", "one")])
def test_one_source_stopped_and_started(two, words):
    j = two
    before = syncs(j)
    assert [s["source"] for s in j.ask("stop-task", "-s", "one", "moved")["sources"]] == ["one"]
    procs.wait_for(lambda: set(syncs(j)) == {"two"}, 60, j.story)
    for name in ("one", "two"):
        put(j, name, 2)
    comes(j, "two", 2)
    assert "20031" in j.ask("start-task", "-s", "other", str(j.task), expect=FAILED)
    answer = j.ask("start-task", *words, str(j.task))
    assert [s["source"] for s in answer["sources"]] == (["one"] if words else ["one", "two"]), answer
    comes(j, "one", 2)
    for name in ("one", "two"):
        put(j, name, 3)
        comes(j, name, 3)
        j.pairs[name].assert_equal(name, j.story)
    now = syncs(j)
    assert now["two"].key == before["two"].key and now["one"].key != before["one"].key, j.story()
    procs.wait_for(lambda: stages(j) == {"one": "Running", "two": "Running"}, 60, lambda: f"{stages(j)}\n{j.story()}", 0.2)
    assert j.interrupt() == INTERRUPTED, j.story()


def test_a_file_for_a_name(two):
    """pause-task, resume-task and stop-task take the task's file, as DM's do; of what is no task file, the word is the name."""
    j = two
    for word, stage in (("pause-task", "Paused"), ("resume-task", "Running")):
        j.ask(word, str(j.task))
        procs.wait_for(lambda: set(stages(j).values()) == {stage}, 60, j.story, 0.2)
    bad = j.folder / "bad.yaml"
    bad.write_text("nam: moved\n")
    assert "bad.yaml:1" in j.ask("pause-task", str(bad), expect=FAILED)
    assert "46015" in j.ask("pause-task", str(j.folder / "none.yaml"), expect=FAILED)
    j.ask("stop-task", str(j.task))
    assert j.ask("query-status")["tasks"] == []
    assert j.interrupt() == INTERRUPTED, j.story()


def test_words_of_some_sources(two):
    """What a word for some sources can't do is refused, not passed by: update a source that was stopped, take the file's account, which is of all."""
    j = two
    j.ask("stop-task", "-s", "one", "moved")
    j.ask("pause-task", "moved")
    procs.wait_for(lambda: [t["stage"] for s in j.ask("query-status", "moved")["sources"] for t in s["subTaskStatus"]] == ["Paused"], 60, j.story, 0.2)
    said = j.ask("update-task", "-s", "one", "-s", "two", str(j.task), expect=FAILED)
    assert "20031" in said and "source `one` is not in task `moved`" in said, said
    other = j.folder / "other.yaml"
    for account in ("user: somebody", f"user: {USER}, security: {{ssl-ca: /ca.pem}}"):
        head, _, rest = j.task.read_text().partition(f"user: {USER}")
        other.write_text(head + account + rest)
        for words in (("start-task", "--no-check", "-s", "one"), ("update-task", "-s", "two")):
            said = j.ask(*words, str(other), expect=FAILED)
            assert "46014" in said and "another user or TLS" in said, said
    procs.wait_for(lambda: not syncs(j), 60, j.story, 0.2)
    assert j.ask("update-task", "-s", "two", str(j.task))["result"]
    j.ask("start-task", "-s", "one", str(j.task))
    j.ask("resume-task", "moved")
    put(j, "one", 2)
    comes(j, "one", 2)
    assert j.interrupt() == INTERRUPTED, j.story()
