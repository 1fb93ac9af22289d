"""missing-row: count. Rows that are not there are passed by, said and counted, exactly, over kills and restarts; all else is applied."""
import re

import pytest

import procs
from ends import Ends, live

KILLS = ["sync_after_guard", "sync_mid_rows", "sync_before_commit", "sync_after_commit"]
PASSED = re.compile(r"(UPDATE|DELETE) of a row that is not there, passed by: (\S+), (.*), transaction at (\S+)")


def recorded(down):
    return dict(down.query("SELECT CONCAT(table_schema, '.', table_name), SUM(row_count) FROM dm_meta.tidegate_missing GROUP BY 1"))


def status(f):
    return int(re.findall(r'"missing_rows": ?(\d+)', f.out)[-1])


def follow(build, ends, **sync):
    f = live.Follow(build, ends.up, ends.down, ["p"], sync=dict({"workers": 4, "batch_rows": 50, "missing_row": "count"}, **sync)).start(500)
    ends.up.run("CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, u int UNIQUE, v varchar(20))", "CREATE TABLE p.k (a int, s varchar(20))", "CREATE TABLE p.f (id int PRIMARY KEY, v int)",
                "INSERT INTO p.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<400) SELECT i, i, 'x' FROM n",
                "INSERT INTO p.k SELECT id, v FROM p.t WHERE id <= 20", "INSERT INTO p.f SELECT id, 0 FROM p.t")
    f.wait()
    return f


@pytest.mark.parametrize("large", [16 << 20, 4000], ids=["batches", "large"])
@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
def test_counted(build_dir, server, source, target, large):
    """Killed at every place on the way: each row counts once."""
    ends = Ends(server, source, target)
    f = follow(build_dir, ends, large_transaction=large)
    up, down = ends.up, ends.down
    try:
        down.run("DELETE FROM p.t WHERE id % 10 = 3", "DELETE FROM p.k WHERE a < 6", "DELETE FROM p.f WHERE id IN (7, 8)")
        gone = {"p.t": 0, "p.k": 0, "p.f": 0}
        for n, place in enumerate(KILLS):
            f.failpoints.arm(place, "kill", 1 if large < 1 << 20 else 2)
            up.run(f"UPDATE p.t SET v='{n}'", f"UPDATE p.k SET s='{n}'", "UPDATE p.f SET v=v+1", f"INSERT INTO p.f VALUES ({1000 + n}, 1)")
            f.wait(90)
            gone = {"p.t": gone["p.t"] + 40, "p.k": gone["p.k"] + 5, "p.f": gone["p.f"] + 2}
            procs.wait_for(lambda: f.failpoints.fired(place) == 1, 60, place)  # a COMMIT is seen before who sent it goes on
            assert recorded(down) == gone
        assert down.query("SELECT COUNT(*), MIN(v), MAX(v) FROM p.t") == ((360, "3", "3"),)
        assert down.query("SELECT COUNT(*), MIN(v), MAX(v) FROM p.f WHERE id < 1000") == ((398, 4, 4),)
        said = PASSED.findall(f.out)
        assert {table for _, table, _, _ in said} == {"`p`.`t`", "`p`.`k`", "`p`.`f`"} and any(key == "`id`=13" for _, _, key, _ in said), said[:5]
        # what is missing goes upstream too: then both sides are equal
        file, offset, _ = up.position()
        up.run("DELETE FROM p.t WHERE id % 10 = 3", "DELETE FROM p.k WHERE a < 6", "DELETE FROM p.f WHERE id IN (7, 8)")
        f.wait()
        gone = {t: n + m for (t, n), m in zip(gone.items(), (40, 5, 2))}
        assert recorded(down) == gone
        line = f"DELETE of a row that is not there, passed by: `p`.`t`, `id`=3, transaction at 1:{file}:{offset}"
        procs.wait_for(lambda: line in f.out, 60, lambda: f.out[-3000:])  # it is said behind the COMMIT
        f.stop()
        f.start(300)
        up.run("INSERT INTO p.f VALUES (2000, 1)")
        f.wait()
        procs.wait_for(lambda: status(f) == sum(gone.values()), 60, "the status does not go on counting\n" + f.out[-3000:])
        f.end()
    finally:
        f.close()


def test_bounded(build_dir, server):
    """A hundred lines, whatever is missing; a key that is there twice stays an error."""
    ends = Ends(server, "ma1011", "my97")
    f = follow(build_dir, ends)
    try:
        ends.down.run("DELETE FROM p.t WHERE id > 50")
        ends.up.run("UPDATE p.t SET v='new'")
        f.wait()
        procs.wait_for(lambda: len(PASSED.findall(f.out)) >= 100, 60, lambda: f.out[-3000:])  # they are said behind the COMMIT
        assert len(PASSED.findall(f.out)) == 100
        assert recorded(ends.down) == {"p.t": 350}
        ends.down.run("INSERT INTO p.t VALUES (1000, 1000, 'in the way')")
        file, offset, _ = ends.up.position()
        ends.up.run("INSERT INTO p.t VALUES (1001, 1000, 'x')")
        f.wait_error(10006)
        assert f"transaction at 1:{file}:{offset}" in f.out
        assert recorded(ends.down) == {"p.t": 350}
    finally:
        f.close()
