"""DM's task-mode incremental: nothing is copied, the task follows from the file and position that its file names."""
import pytest

import procs
from conftest import Pair
from servers import PASSWORD
from tidegate import FAILED
from words import wait_paused_anew
from workload import Workload

TASK = """name: late
task-mode: incremental
target-database: {{host: 127.0.0.1, port: {to}, user: tg, password: "{password}"}}
mysql-instances:
  - {{source-id: s1, block-allow-list: only, meta: {{binlog-name: {file}, binlog-pos: {offset}}}}}
block-allow-list: {{only: {{do-dbs: ["app"]}}}}
"""
SOURCE = """source-id: s1
enable-relay: {relay}
from: {{host: 127.0.0.1, port: {port}, user: tg, password: "{password}"}}
"""


def write_files(folder, pair, file, offset, relay):
    task, source = folder / "task.yaml", folder / "source.yaml"
    task.write_text(TASK.format(to=pair.target.port, password=PASSWORD, file=file, offset=offset))
    source.write_text(SOURCE.format(port=pair.source.port, password=PASSWORD, relay="true" if relay else "false"))
    for f in (task, source):
        f.chmod(0o600)
    return [str(task), str(source)]


def write_gtid(folder, pair, gtid, relay, source_more=""):
    """`meta` with a GTID set alone."""
    files = write_files(folder, pair, "mysql-bin.000001", 4, relay)
    task, source = folder / "task.yaml", folder / "source.yaml"
    task.write_text(task.read_text().replace("binlog-name: mysql-bin.000001, binlog-pos: 4", f'binlog-gtid: "{gtid}"'))
    source.write_text(source.read_text() + source_more)
    return files


def gtid_of(server):
    return server.query("SELECT @@global.gtid_executed" if server.flavor == "mysql" else "SELECT @@global.gtid_binlog_pos")[0][0].replace("\n", "")


def binlog_files(server):
    return [row[0] for row in server.query("SHOW BINARY LOGS")]


def purged_to_the_last(server):
    """Not while a dump thread whose client is gone still holds a file."""
    server.run(f"PURGE BINARY LOGS TO '{binlog_files(server)[-1]}'")
    return len(binlog_files(server)) == 1


@pytest.mark.across
@pytest.mark.parametrize("relay", [False, True], ids=["relay-by-need", "enable-relay"])
def test_from_an_older_file(relay, pair, job, tmp_path):
    """The place is some files back: the relay begins there, also where it is kept on and starts before the task does."""
    pair.source.run("FLUSH BINARY LOGS")
    file = binlog_files(pair.source)[-1]
    Workload(pair.source, "app", rows=50).make()
    pair.source.run("FLUSH BINARY LOGS", "CREATE TABLE app.later (id int PRIMARY KEY)", "INSERT INTO app.later VALUES (1)", "FLUSH BINARY LOGS")
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.run(*write_files(tmp_path, pair, file, 4, relay), until="synced", timeout=180)
    pair.assert_equal("app", j.story)


def test_a_file_that_is_gone(make_pair, job, tmp_path):
    """The upstream has it no more: one error that names it; nothing is applied."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "FLUSH BINARY LOGS")
    file = binlog_files(pair.source)[0]
    pair.source.run("FLUSH BINARY LOGS")
    procs.wait_for(lambda: purged_to_the_last(pair.source), 60, "the server keeps its files", 1)
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.run(*write_files(tmp_path, pair, file, 4, False), until="synced", timeout=180, expect=FAILED)
    assert file in j.stderr() and "60202" in j.stderr(), j.story()
    assert "app" not in pair.target.databases()


def test_behind_an_xa_prepare(make_pair, job, tmp_path):
    """The task begins between XA PREPARE and XA COMMIT: the rows are nowhere, which is said; a copy has them."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
    with s.connect() as c, c.cursor() as cur:
        for sql in ("XA START 'x'", "INSERT INTO app.t VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"):
            cur.execute(sql)
        s.run("FLUSH BINARY LOGS")
        file = binlog_files(s)[-1]
        cur.execute("XA COMMIT 'x'")
    pair.target.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.run(*write_files(tmp_path, pair, file, 4, False), until="synced", timeout=180, expect=FAILED)
    assert "60520" in j.stderr() and "copy again while XA RECOVER of the upstream is empty" in j.stderr(), j.story()
    assert not s.query("XA RECOVER")
    k = job(pair, tables="app.*")
    k.run()
    pair.assert_equal("app", k.story)


@pytest.mark.across
@pytest.mark.parametrize("relay", [False, True], ids=["relay-by-need", "enable-relay"])
def test_from_a_gtid_set(relay, pair, job, tmp_path):
    """`meta` has binlog-gtid alone: the middle of a file some files back; what is in the set is passed by, also after restarts in between."""
    pair.source.run("FLUSH BINARY LOGS", "CREATE DATABASE app", "CREATE TABLE app.there (id int PRIMARY KEY)", "CREATE TABLE app.n (a int)", "INSERT INTO app.n VALUES (1),(1)")
    job(pair, tables="app.*").run(until="full")
    gtid = gtid_of(pair.source)
    Workload(pair.source, "app", rows=50).make()
    pair.source.run("INSERT INTO app.n VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO app.there VALUES (1)", "FLUSH BINARY LOGS")
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    files = write_gtid(tmp_path, pair, gtid, relay)
    j.start(*files, until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    for _ in range(2):
        sync = j.wait_unit("sync")
        sync.kill()
        j.wait_unit("sync", other_than=[sync])
    j.interrupt()
    pair.source.run("INSERT INTO app.n VALUES (2)", "FLUSH BINARY LOGS")
    j.run(*files, timeout=180)
    pair.assert_equal("app", j.story)


def made_later(server):
    """What it has in its binlog begins behind 950; what is before that it does not have. (a set of before that, one that fits)"""
    uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
    if server.flavor == "mysql":
        server.run("RESET BINARY LOGS AND GTIDS", f"SET GLOBAL gtid_purged = '{uuid}:1-950'", "CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
        return f"{uuid}:1-900", f"{uuid}:1-950"
    server.run("RESET MASTER", "SET GLOBAL gtid_slave_pos = '0-77-950'", "SET SESSION server_id = 77", "CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
    return "0-77-900", "0-77-950"


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_a_set_from_before_its_binlog(name, fleet, server, job, tmp_path):
    """The set and the files' heads fit, but what lies between them is nowhere in the binlog."""
    s, = fleet(name, "made")
    pair = Pair(s, server("my97" if name != "my97" else "ma1011", "down"))
    behind, fits = made_later(s)
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    files = write_gtid(tmp_path, pair, behind, False)
    for _ in range(3):  # also by those who try again
        said = j.run("--no-check", *files, timeout=180, expect=FAILED)
        assert "60202" in said and "not in it" in said.replace("does not have them in its binlog", "not in it"), said
    assert "app" not in pair.target.databases()
    k = job(source_url="", target_url="")
    k.source_url = k.target_url = None
    files = write_gtid(tmp_path, pair, fits, True)
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("name: late", "name: fits"))
    k.start("--stay", *files, until=None)
    k.wait_status(lambda s: s.get("phase") == "sync")
    # The same where the relay log is there already.
    task.write_text(task.read_text().replace("name: fits", "name: behind").replace(fits, behind))
    k.ask("start-task", "--no-check", str(task))
    for n in range(3):
        wait_paused_anew(k, n, "behind")
        if n < 2:
            k.ask("resume-task", "behind")
    error, = k.subtask("behind")["result"]["errors"]
    assert error["ErrCode"] == 60202 and ("0-77-951" if name == "ma1011" else ":901-950") in error["Message"], error
    k.interrupt()
    s.run("INSERT INTO app.t VALUES (1)")
    task.write_text(task.read_text().replace("name: behind", "name: fits").replace(behind, fits))
    k.run(str(task), str(tmp_path / "source.yaml"), timeout=180)
    pair.assert_equal("app", k.story)


def test_a_set_with_a_hole(make_pair, job, tmp_path):
    """MySQL: transactions in the middle of the set's range that it does not have are applied, those behind them that it has are not."""
    pair = make_pair("my97", "ma1011")
    s = pair.source
    s.run("RESET BINARY LOGS AND GTIDS", "CREATE DATABASE app", "CREATE TABLE app.n (a int)")  # one plain range, whatever others did
    job(pair, tables="app.*").run(until="full")
    s.run(*(f"INSERT INTO app.n VALUES ({i})" for i in range(1, 7)))
    uuid, last = gtid_of(s).split(":")[0], int(gtid_of(s).rsplit("-", 1)[1])
    pair.target.run("INSERT INTO app.n VALUES (1),(4)")
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.run(*write_gtid(tmp_path, pair, f"{uuid}:1-{last - 5}:{last - 2}", False), timeout=180)
    pair.assert_equal("app", j.story)


def test_sets_that_do_not_fit(make_pair, job, tmp_path):
    """More than the upstream has, or what comes next is purged: said by name, nothing is applied."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    s.run("RESET MASTER", "CREATE DATABASE app", "CREATE TABLE app.n (a int)")  # one domain, whatever others did
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    domain, server, seq = gtid_of(s).split("-")
    j.run(*write_gtid(tmp_path, pair, f"{domain}-{server}-{int(seq) + 5}", False), timeout=180, expect=FAILED)
    assert "60201" in j.stderr() and "which it does not have" in j.stderr(), j.story()
    at = gtid_of(s)
    s.run("INSERT INTO app.n VALUES (1)", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")

    procs.wait_for(lambda: purged_to_the_last(s), 60, "the server keeps its files", 1)
    again = tmp_path / "again"
    again.mkdir()
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.run(*write_gtid(again, pair, at, False), timeout=180, expect=FAILED)
    assert "60202" in j.stderr() and "begins within it" in j.stderr(), j.story()


def test_relay_binlog_gtid(make_pair, job, tmp_path):
    """relay-binlog-gtid in the source: the relay log of one that is kept on begins where the set says."""
    pair = make_pair("ma1011", "ma1011")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.n (a int)", "FLUSH BINARY LOGS")
    job(pair, tables="app.*").run(until="full")
    at, file = gtid_of(s), binlog_files(s)[-1]
    s.run("INSERT INTO app.n VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO app.n VALUES (2)", "FLUSH BINARY LOGS")
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.run(*write_gtid(tmp_path, pair, at, True, f'relay-binlog-gtid: "{at}"\n'), timeout=180)
    pair.assert_equal("app", j.story)
    assert f"beginning with {file}" in j.log()


@pytest.mark.parametrize("where", ["file", "next", "in the next", "offset"])
def test_from_a_place_that_does_not_come(where, make_pair, job, tmp_path):
    """A place behind the upstream's end, while the relay log is there already: the task pauses and says so, it does not wait for ever."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("FLUSH BINARY LOGS", "CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")  # what other tests left in the file is not to be followed
    last = binlog_files(pair.source)[-1]
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    j.start("--stay", *write_files(tmp_path, pair, last, 4, True), until=None)
    j.wait_log("following from")
    j.wait_log("pulling " + last)
    wrong = tmp_path / "wrong.yaml"
    after = f"{last[:-6]}{int(last[-6:]) + 1:06}"
    file, offset = {"file": (last[:-6] + "000099", 4), "next": (after, 4), "in the next": (after, 5000), "offset": (last, 99999999)}[where]
    wrong.write_text(TASK.format(to=pair.target.port, password=PASSWORD, file=file, offset=offset).replace("name: late", "name: wrong"))
    j.ask("start-task", wrong, "--no-check")
    procs.wait_for(lambda: j.subtask("wrong").get("stage") == "Paused", 60, lambda: f"{j.subtask('wrong')}\n{j.story()}")
    error = j.subtask("wrong")["result"]["errors"][0]
    assert error["ErrCode"] == 60201 and f"{file}:{offset}" in error["Message"], error
    assert j.subtask("late")["stage"] == "Running", j.story()
