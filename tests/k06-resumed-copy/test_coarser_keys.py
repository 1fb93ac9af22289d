"""A key of the downstream that holds two of the upstream's values for one: rows that a copy of two moments brings in must not go over each other."""
import procs
import pytest
from resumed import ROWS, fill, make_job, recorded, stop_at, went_on

COLUMNS = "k varchar(20) COLLATE {} PRIMARY KEY, e enum('p', 'q'), pad varchar(200)"


def make(pair, wrong):
    """Rows from X0 to x0, in the order of their bytes: the last one meets the first one downstream. wrong: it has an ENUM's error value, which goes by INSERT IGNORE."""
    s = pair.source
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4", f"CREATE TABLE app.t ({COLUMNS.format('utf8mb4_bin')}) CHARACTER SET utf8mb4",
          fill("t", "k, e, pad", "CONCAT('a', LPAD(i, 6, '0')), 'p', REPEAT('x', 190)"), "INSERT INTO app.t VALUES ('X0', 'p', 'first')",
          f"INSERT IGNORE INTO app.t VALUES ('x0', {0 if wrong else 2}, 'last')")
    pair.target.run("CREATE DATABASE app CHARACTER SET utf8mb4", f"CREATE TABLE app.t ({COLUMNS.format('utf8mb4_general_ci')}) CHARACTER SET utf8mb4")


@pytest.mark.parametrize("direction, wrong", [("ma1011>my97", False), ("my97>ma1011", True)])
def test_rows_that_are_apart_upstream(direction, wrong, make_pair, job, tmp_path):
    pair = make_pair(*direction.split(">"))
    make(pair, wrong)
    j, files = make_job(job, tmp_path, pair)
    stop_at(j, files, pair, 5, 4)
    j.units("dump")[0].kill()
    j.wait_log("goes on under another snapshot")
    assert went_on(j)[0][3] == 1, j.story()  # it is read on
    j.failpoints.disarm("dump_chunk_done")
    procs.wait_for(lambda: "code=604" in j.log() or "code=34" in j.log() or '"phase":"live"' in j.log() or j.ended() or recorded(pair.target)[1] > ROWS, 90, j.story)
    there = {k for k, in pair.target.query("SELECT k FROM app.t WHERE k = 'x0'")}
    assert there == {"X0"}, f"{there}\n{j.story()}"
    j.wait_log("the same key there, and not in the upstream", 60)
    assert "table `app`.`t`" in j.log(), j.story()
