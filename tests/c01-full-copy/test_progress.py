"""What is told of a copy while it goes on: in query-status, for programs and on a terminal, and by the run itself."""
import re

import procs
from copying import Slow, copying, numbers, wait_chunks
from tidegate import DONE
from words import on_terminal


def test_progress(make_pair, job, tmp_path):
    """Statistics that are wrong by half; tables that end one after the other; a restart in the middle. Never above what is true in the end."""
    pair = make_pair("my97", "ma1011")
    s = pair.source
    s.run("CREATE DATABASE app")
    numbers(s, "app", 24000)
    for t in ("a", "b"):
        s.run(f"CREATE TABLE {t} (id int PRIMARY KEY, v varchar(600)) STATS_AUTO_RECALC=0", f"INSERT INTO {t} SELECT i, REPEAT('v', 480) FROM n WHERE i <= 12000",
              f"ANALYZE TABLE {t}", f"INSERT INTO {t} SELECT i, REPEAT('v', 480) FROM n WHERE i > 12000", db="app")
    j, files = copying(job, tmp_path, pair, ["app"], threads=2)
    seen = []

    def look():
        t = j.subtask("copy")
        seen.append(t)
        return t["tidegate"]["copy"]

    with Slow(j, 2000):  # so that the copy is under way for as long as a busy machine takes to ask three times
        j.start(*files, until="full")
        assert wait_chunks(j, pair.target, 3), j.story()
        under_way = procs.wait_for(lambda: (c := look())["tables"] and c["rows_done"] > 0 and c["left_s"] and c, 90, j.story, 0.3)
        shown = on_terminal(j, "query-status", "copy")
        load = j.wait_unit("load")
        load.kill()
        assert wait_chunks(j, pair.target, 3), j.story()
        after = procs.wait_for(lambda: (c := look())["rows_done"] > under_way["rows_done"] and c, 90, j.story, 0.3)
    assert j.wait(120) == DONE, j.story()
    assert {t["table"] for t in under_way["tables"]} <= {"`app`.`a`", "`app`.`b`", "`app`.`n`"}
    assert 0 < under_way["percent"] < 100 and under_way["rows_s"] > 0 and under_way["bytes_s"] > 0 and under_way["left_s"] < 600, under_way
    assert under_way["rows_estimated"] >= under_way["rows_done"] and after["rows_done"] <= after["rows_estimated"]
    assert re.search(r" Load .* \d+ %  \d/3 tables  [\d.kM]+/[\d.kM]+ rows  [\d.]+ MB/[\d.]+ MB  [\d.kM]+ rows/s  ETA ", shown), shown
    assert re.search(r"    `app`.`[abn]`  \d+ %  [\d.kM]+/[\d.kM]+ rows  ", shown), shown
    lines = [x for x in j.lines() if x["phase"] == "load"]
    assert lines and all(x["rows_done"] <= x["rows_estimated"] and x["bytes_done"] <= x["bytes_estimated"] and x["percent"] < 100 for x in lines), lines
    for t in seen:
        d = t.get("dump") or t.get("load")
        assert float(d["progress"].split()[0]) <= 100
        assert "estimateTotalRows" not in d or d["finishedRows"] <= d["estimateTotalRows"]
        assert "totalBytes" not in d or int(d["finishedBytes"]) <= int(d["totalBytes"])
    assert (j.lines()[-1]["rows_done"], j.lines()[-1]["tables_done"]) == (72000, 3), j.lines()[-1]


def test_keys_behind_the_rows(make_pair, job, tmp_path):
    """An ALTER may take hours: which table it is at is told, in query-status, on a terminal and by the run."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    s.run("CREATE DATABASE app")
    numbers(s, "app", 1000)
    s.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(40), w int, KEY (v), KEY (w, v))", "INSERT INTO t SELECT i, CONCAT('v', i), i % 7 FROM n", db="app")
    j, files = copying(job, tmp_path, pair, ["app"])
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("few: {", "few: {secondary-keys: after, "))
    j.failpoints.arm("load_before_keys", "sleep", arg=300000)
    j.start(*files, until="full")
    procs.wait_for(lambda: j.failpoints.fired("load_before_keys") or j.ended(), 60, j.story)
    with pair.target.connect(autocommit=False) as c, c.cursor() as cur:
        cur.execute("SELECT COUNT(*) FROM app.t")  # whoever alters the table waits for this transaction
        assert cur.fetchone() == (1000,)
        j.failpoints.disarm("load_before_keys")
        keys, = procs.wait_for(lambda: j.subtask("copy")["tidegate"]["copy"].get("keys"), 90, j.story, 0.3)
        assert keys["table"] == "`app`.`t`" and keys["seconds"] >= 0
        assert re.search(r"    `app`.`t`  its keys are being made, for \d+:\d\d", on_terminal(j, "query-status", "copy"))
        j.wait_status(lambda x: x["note"] == "the keys of `app`.`t` are being made")
        c.rollback()
    assert j.wait(120) == DONE, j.story()
    pair.assert_equal("app", j.story)
    assert j.lines()[-1]["note"] == "", j.lines()[-1]
