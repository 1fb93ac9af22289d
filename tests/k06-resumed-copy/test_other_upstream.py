"""A copy that was interrupted, and an upstream that is not what it was: another server behind the copy or in the middle of it, a binlog that was
purged or begun anew in between; with a state folder, and without (then the relay begins where the oldest snapshot is, if that can be had)."""
import shutil

import failover
import procs
import pytest
from conftest import Pair
from resumed import Writer, finish, make_job, make_source, recorded, stop_at, tables_of, went_on
from tidegate import FAILED, INTERRUPTED

NOTHING = "nothing of the copy that was interrupted can stay: "


def long(*values):
    return pytest.param(*values, marks=pytest.mark.long)


def replica_of(a, b):
    for _ in range(4):
        b.run("FLUSH BINARY LOGS")  # so that a file of this name is there, with other things in it
    failover.follow(b, a)


def take_over(a, b, door):
    failover.wait_replica(b, a)
    failover.promote(b)
    door.to(b)


def cut(j, files, pair, chunk, loaded):
    """The copy ends in the middle, and nobody is alive."""
    stop_at(j, files, pair, chunk, loaded)
    assert j.interrupt() == INTERRUPTED, j.story()
    j.assert_gone()
    j.failpoints.disarm("dump_chunk_done")


@pytest.mark.parametrize("name", ["ma1011", long("my97")])
def test_switched_behind_it(name, fleet, forward, server, job, tmp_path):
    """Two snapshots of one server, and the following begins at another: each table goes by the snapshots' GTID sets, as files say nothing there."""
    a, b = fleet(name, "a", "b")
    target = server("my97" if name == "ma1011" else "ma1011", "down")
    replica_of(a, b)
    make_source(a)
    a.run("FLUSH BINARY LOGS")
    door = forward(a)
    j, files = make_job(job, tmp_path, Pair(a, target), port=door.port)
    with Writer(a) as w:
        stop_at(j, files, Pair(a, target), 12, 11)
        w.some()
        before = recorded(target)
        j.failpoints.arm("load_all_done", "sleep", arg=300000)
        j.units("dump")[0].kill()
        j.wait_log("goes on under another snapshot")
        assert went_on(j)[0][:2] == before, j.story()
        procs.wait_for(lambda: j.failpoints.fired("load_all_done") or j.ended(), 90, j.story)
        w.some()
    take_over(a, b, door)
    with Writer(b) as w:
        w.some()
    procs.wait_for(lambda: j.log().count("beginning with") == 2 or j.ended(), 60, j.story)
    assert "following from" not in j.log(), "the switch came too late to show anything"
    j.failpoints.disarm("load_all_done")
    finish(j, files, Pair(b, target))
    Pair(b, target).assert_equal("app", j.story)
    assert any(first != last for first, last, *_ in tables_of(target).values()), tables_of(target)


@pytest.mark.parametrize("name", ["my97", long("ma1011")])
def test_switched_in_the_middle(name, fleet, forward, server, job, tmp_path):
    """Another server's snapshot has nothing to do with this one's files: said, and all of it starts again, from there."""
    a, b = fleet(name, "a", "b")
    target = server("ma1011" if name == "my97" else "my97", "down")
    replica_of(a, b)
    make_source(a)
    door = forward(a)
    j, files = make_job(job, tmp_path, Pair(a, target), port=door.port)
    with Writer(a) as w:
        cut(j, files, Pair(a, target), 12, 11)
        w.some()
    take_over(a, b, door)
    with Writer(b) as w:
        w.some()
        finish(j, files, Pair(b, target))
        assert NOTHING + "the upstream is another server now" in j.log(), j.story()
        w.some()
    assert not went_on(j)
    j.run(*files, timeout=120)
    Pair(b, target).assert_equal("app", j.story)


def purge(server, keep):
    """All of the binlog but the file that is written now, and `keep` of those before. A file that is still sent to a relay which has just ended is kept by
    the server without a word."""
    for _ in range(3):
        server.run("FLUSH BINARY LOGS", "UPDATE app.parent SET n = n + 1 WHERE id = 1")
    files = [f for f, *_ in server.query("SHOW BINARY LOGS")]

    def gone():
        server.run(f"PURGE BINARY LOGS TO '{files[-1 - keep]}'")
        return server.query("SHOW BINARY LOGS")[0][0] == files[-1 - keep]
    procs.wait_for(gone, 60, f"the binlog before {files[-1 - keep]} stays", 0.5)
    return files[-1 - keep]


@pytest.mark.parametrize("direction", ["ma1011>my97", long("my97>ma1011")])
def test_purged_without_a_state_folder(direction, make_pair, job, tmp_path):
    """Another host wants the binlog from the oldest snapshot on. It is gone: that is said, and the copy starts again."""
    pair = make_pair(*direction.split(">"))
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    with Writer(pair.source) as w:
        cut(j, files, pair, 9, 8)
        began = pair.target.query("SELECT snapshot_file FROM dm_meta.tidegate_plan")[0][0]
        w.some()
        shutil.rmtree(j.state)
        assert began < purge(pair.source, 1)
        w.some()
        j.run(*files, timeout=180)
        assert f"it has no {began}:" in j.log() and "(any more), where a copy was begun" in j.log(), j.story()
        assert NOTHING + f"{began} is not in the relay log" in j.log(), j.story()
        assert not went_on(j)
        w.some()
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("direction", ["my97>ma1011", long("ma1011>my97")])
def test_purged_behind_the_relay_log(direction, make_pair, job, tmp_path):
    """The relay log ends in a file that the upstream has purged since: what came next nobody has. Said, with the way out; and that is one."""
    pair = make_pair(*direction.split(">"))
    make_source(pair.source)
    j, files = make_job(job, tmp_path, pair)
    with Writer(pair.source) as w:
        cut(j, files, pair, 9, 8)
        w.some()
        oldest = purge(pair.source, 0)
        before = recorded(pair.target)
        for _ in range(2):
            said = j.run(*files, timeout=120, expect=FAILED)
            assert "60202" in said and "is wanted next" in said and f"oldest file is {oldest}" in said and "remove sources/1/relay in the state folder, then start-task --remove-meta" in said, said
        assert recorded(pair.target) == before and not went_on(j), j.story()
        w.some()
        folders = list(tmp_path.glob("job*/state/sources/1/relay"))
        assert len(folders) == 1
        shutil.rmtree(folders[0])
        j.run(*files, timeout=180)
        assert NOTHING in j.log() and not went_on(j), j.story()
    j.run(*files, timeout=120)
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("name, grown", [("ma1011", True), ("my97", False), long("my97", True), long("ma1011", False)])
def test_binlog_begun_anew(name, grown, fleet, server, job, tmp_path):
    """RESET in the upstream, and no relay log to know it by. A file of the old name may be there, with something else in it, or shorter than the place
    where the copy began. The GTID sets tell."""
    a, = fleet(name, "a")
    target = server("my97" if name == "ma1011" else "ma1011", "down")
    pair = Pair(a, target)
    make_source(a)
    a.run("FLUSH BINARY LOGS")
    j, files = make_job(job, tmp_path, pair)
    with Writer(a) as w:
        w.some()
        cut(j, files, pair, 9, 8)
        w.some()
    file, offset = target.query("SELECT snapshot_file, snapshot_offset FROM dm_meta.tidegate_plan")[0]
    shutil.rmtree(j.state)
    a.run("RESET MASTER" if a.flavor == "mariadb" else "RESET BINARY LOGS AND GTIDS")
    while a.query("SHOW BINARY LOGS")[-1][0] < file:
        a.run("FLUSH BINARY LOGS")
    if grown:
        a.run("UPDATE app.words SET n = n + 1")
    size = {f: size for f, size, *_ in a.query("SHOW BINARY LOGS")}[file]
    assert (size > offset) == grown, (size, offset)
    j.run(*files, timeout=180)
    assert NOTHING + "the upstream's binlog was begun anew" in j.log(), j.story()
    assert ("where a copy was begun" in j.log()) != grown and not went_on(j), j.story()
    pair.assert_equal("app", j.story)
