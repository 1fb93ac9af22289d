"""What goes wrong at the operator's end: one clear line (what, where, what to do), the right exit code, nothing lost: once it is mended
the job goes on."""
import os
import re
import socket
import subprocess

import pytest

import procs
from servers import PASSWORD, USER
from tidegate import DONE, FAILED, USAGE
from workload import Workload


def sample(s):
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(100))", "INSERT INTO app.t VALUES (1, 'a'), (2, 'b')")


def is_error(line):
    """The operator's line, or the same as JSON."""
    return line.startswith(("tidegate: error", '{"result":false'))


def complaint(j, code, *said):
    """One `tidegate: error` line with all of said in it; nothing alive."""
    assert j.wait(120) == code, f"exit {j.process.returncode}, wanted {code}\n{j.story()}"
    lines = [x for x in j.stderr().splitlines() if is_error(x)]
    assert len(lines) == 1, j.stderr()
    for s in said:
        assert re.search(s, lines[0], re.I), f"{s!r} is not in: {lines[0]}"
    assert PASSWORD not in j.stderr() and len(lines[0]) < 1500
    j.assert_gone()
    return lines[0]


@pytest.fixture
def pair(make_pair):
    p = make_pair("ma1011", "my97")
    sample(p.source)
    return p


def goes_on(j, pair, schemas="app"):
    j.run(until="full")
    pair.assert_equal(schemas, j.story)


# --- the command line

@pytest.mark.parametrize("args, said", [
    (["--from", "mysql://u@h"], ["--to"]),
    (["--from", "mysql://u@h", "--to", "postgres://u@h"], ["--to", "mysql://"]),
    (["--from", "mysql://u@h:99999", "--to", "mysql://u@h2"], ["port", "99999"]),
    (["--from", "mysql://u@h:x", "--to", "mysql://u@h2"], ["port"]),
    (["--from", "mysql://u@h/db", "--to", "mysql://u@h2"], ["--from", "database|db"]),
    (["--from", "mysql://u@h?charset=utf8", "--to", "mysql://u@h2"], ["charset"]),
    (["--from", "mysql://u@h?tls=maybe", "--to", "mysql://u@h2"], ["tls", "maybe"]),
    (["--from", "mysql://u:%zz@h", "--to", "mysql://u@h2"], ["%"]),
    (["--from", "mysql://@", "--to", "mysql://u@h2"], ["--from"]),
    (["--from", "mysql://u@h", "--to", "mysql://u@h"], ["same"]),
    (["--from", "mysql://u@h", "--to", "mysql://u@h2", "--until", "later"], ["--until", "later"]),
    (["--from", "mysql://u@h", "--to", "mysql://u@h2", "--threads", "0"], ["--threads"]),
    (["--from", "mysql://u@h", "--to", "mysql://u@h2", "--tables", "a.b.c"], ["a.b.c|tables"]),
    (["--from", "mysql://u@h", "--to", "mysql://u@h2", "--wrong"], ["--wrong"]),
    (["--from"], ["--from"]),
    (["/no/such/task.yaml"], ["/no/such/task.yaml"]),
    (["task.yaml", "source.yaml", "--collation-policy", "exact"], ["--collation-policy", "task file"]),
    (["task.yaml", "source.yaml", "--threads", "8"], ["--threads", "task file"]),
    (["task.yaml", "source.yaml", "--consistency", "lock"], ["--consistency", "task file"]),
], ids=lambda v: " ".join(v)[-40:] if isinstance(v, list) else None)
def test_wrong_usage(args, said, bin_dir, tmp_path):
    done = subprocess.run([str(bin_dir / "tidegate"), "run", *args, "--state", str(tmp_path / "s")], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    lines = [x for x in done.stderr.splitlines() if is_error(x)]
    assert done.returncode == USAGE and len(lines) == 1, (done.returncode, done.stderr)
    for s in said:
        assert re.search(s, lines[0]), f"{s!r} is not in {lines[0]}"


def test_unknown_word(bin_dir):
    done = subprocess.run([str(bin_dir / "tidegate"), "fly"], capture_output=True, text=True, timeout=60)
    assert done.returncode == USAGE and "fly" in done.stderr
    assert subprocess.run([str(bin_dir / "tidegate"), "--help"], capture_output=True, timeout=60).returncode == DONE


def test_help(bin_dir):
    """`help`, as dmctl has it: all words, or one's options; a word that is none is a mistake."""
    def say(*words):
        return subprocess.run([str(bin_dir / "tidegate"), *words], capture_output=True, text=True, timeout=60)
    assert say("help").returncode == DONE and say("help").stdout == say("--help").stdout
    assert say("help", "run").returncode == DONE and say("help", "run").stdout == say("run", "--help").stdout
    assert "--until" in say("help", "run").stdout and "--until" not in say("help", "pause-task").stdout
    for words in (("help", "fly"), ("fly", "--help")):
        done = say(*words)
        assert done.returncode == USAGE and "fly" in done.stderr and not done.stdout, done


@pytest.mark.parametrize("name", ["agent", "master", "relay", "dump", "load", "sync", "check", "cutover"])
def test_a_process_by_hand(bin_dir, name):
    """One that only tidegated starts says so, where its page is, and its version; "see --help" must not lead to "unknown argument --help"."""
    def say(*words):
        return subprocess.run([str(bin_dir / f"tidegate-{name}"), *words], capture_output=True, text=True, timeout=60)
    version = subprocess.run([str(bin_dir / "tidegate"), "--version"], capture_output=True, text=True, timeout=60).stdout.split()[1]
    told = say("--help")
    assert told.returncode == DONE and told.stdout == f"tidegate-{name} is started by tidegated(8), not by hand{' (but for `tidegate-master migrate`)' if name == 'master' else ''}; see tidegate-{name}(8).\n" and not told.stderr, told
    assert say("--version").stdout == f"tidegate-{name} {version}\n"
    if name == "master":
        told = say("migrate", "--help")
        assert told.returncode == DONE and told.stdout.startswith("usage: tidegate-master migrate --state") and not told.stderr, told
    for words in ((), ("--fly",), ("--help", "--fly")):
        done = say(*words)
        assert done.returncode == USAGE and not done.stdout and "wrong usage" in done.stderr, done


# --- DM's files

TASK = """name: t1
task-mode: full
target-database: {{host: 127.0.0.1, port: {to}, user: tg, password: "{password}"}}
mysql-instances:
  - source-id: "s1"
    block-allow-list: "only"
block-allow-list:
  only: {{do-dbs: ["app"]}}
{more}
"""
SOURCE = """source-id: s1
from: {{host: 127.0.0.1, port: {port}, user: tg, password: "{password}"}}
{more}
"""


def write_files(folder, pair, task_more="", source_more=""):
    (folder / "task.yaml").write_text(TASK.format(to=pair.target.port, password=PASSWORD, more=task_more))
    (folder / "source.yaml").write_text(SOURCE.format(port=pair.source.port, password=PASSWORD, more=source_more))
    for f in ("task.yaml", "source.yaml"):
        os.chmod(folder / f, 0o600)
    return [folder / "task.yaml", folder / "source.yaml"]


def yaml_job(job, files):
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    return j, [str(f) for f in files]


def test_dm_files(pair, job, tmp_path):
    """DM's two files as they are."""
    j, files = yaml_job(job, write_files(tmp_path, pair))
    j.run(*files, until=None, timeout=180)
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("task, source, said", [
    ("no-such-key: 1", "", ["no-such-key"]),
    ("", "no-such-key: 1", ["no-such-key"]),
    ("task-mode: full", "", ["task-mode.*twice"]),
    ("shard-mode: optimistic", "", ["shard-mode"]),
    ("ignore-checking-items: {", "", ["task.yaml"]),
    ("syncers: {s: {worker-count: many}}", "", ["worker-count|syncers"]),
])
def test_bad_files(task, source, said, pair, job, tmp_path):
    """Unknown keys, keys not supported yet, bad YAML: refused by name, with file and line."""
    j, files = yaml_job(job, write_files(tmp_path, pair, task, source))
    j.start(*files, until=None)
    assert j.wait(120) in (FAILED, USAGE), j.story()
    lines = [x for x in j.stderr().splitlines() if is_error(x)]
    assert len(lines) == 1 and "yaml" in lines[0], j.stderr()
    for s in said:
        assert re.search(s, lines[0]), f"{s!r} is not in {lines[0]}"
    assert pair.target.databases() == []


# --- servers and accounts

def test_unreachable(pair, job):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]  # bound, and nobody listens: refused as long as it is held
        j = job(pair, source_url=f"mysql://tg@127.0.0.1:{port}")
        complaint(j.start(until="full"), FAILED, r"26002", "127.0.0.1", str(port))
        j = job(pair, target_url=f"mysql://tg@127.0.0.1:{port}")
        complaint(j.start(until="full"), FAILED, r"26002", "127.0.0.1", str(port))


def test_deaf_server(pair, job):
    """Takes the connection (the kernel does, into the backlog) and says nothing: told after a bounded time."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as s:
        j = job(pair, source_url=f"mysql://tg@127.0.0.1:{s.getsockname()[1]}")
        complaint(j.start(until="full"), FAILED, str(s.getsockname()[1]))


@pytest.mark.parametrize("side", ["from", "to"])
def test_wrong_password(side, pair, job):
    urls = {"from": ("source_url", pair.source), "to": ("target_url", pair.target)}[side]
    j = job(pair, **{urls[0]: urls[1].url(password="wrong")})
    complaint(j.start(until="full"), FAILED, "60701", str(urls[1].port), "user|password")
    setattr(j, urls[0], urls[1].url())
    goes_on(j, pair)


def test_password_from_elsewhere(pair, job, tmp_path):
    """Environment and file instead of the URL."""
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    j = job(pair, source_url=pair.source.url(password=None), target_url=pair.target.url(password=None), env={"TIDEGATE_FROM_PASSWORD": PASSWORD})
    j.run("--to-password-file", str(secret), until="full")
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("side", ["from", "to"])
def test_root_of_localhost(side, pair, job, request):
    """mysql://root@localhost is TCP for us; a server that lets root in by socket only gets a dedicated error with the statements (T46)."""
    server = pair.source if side == "from" else pair.target
    if side == "from":
        server.run("SET sql_log_bin = 0", "ALTER USER root@'127.0.0.1' IDENTIFIED VIA unix_socket")
        request.addfinalizer(lambda: server.run("SET sql_log_bin = 0", "ALTER USER root@'127.0.0.1' IDENTIFIED BY ''"))
    j = job(pair, **{"source_url" if side == "from" else "target_url": f"mysql://root@localhost:{server.port}"})
    complaint(j.start(until="full"), FAILED, "60705|60701", "CREATE USER", "GRANT")


@pytest.mark.parametrize("missing, until", [("RELOAD", "full"), ("SELECT", "full"), ("REPLICATION SLAVE", "synced"), ("BINLOG MONITOR", "synced")])
def test_missing_privilege(missing, until, pair, job):
    s = pair.source
    wanted = ["SELECT", "RELOAD", "BINLOG MONITOR", "REPLICATION SLAVE", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN"]
    s.run("CREATE USER tgtest@'%' IDENTIFIED BY 'x'", f"GRANT {', '.join(w for w in wanted if w != missing)} ON *.* TO tgtest@'%'")
    j = job(pair, source_url=s.url("tgtest", "x"), tables="app.*")
    complaint(j.start(until=until), FAILED, "60702", missing, "GRANT", str(s.port))
    s.run(f"GRANT {missing} ON *.* TO tgtest@'%'")
    j.run(until=until)
    pair.assert_equal("app", j.story)


def test_missing_privilege_downstream(pair, job):
    t = pair.target
    t.run("CREATE USER tgtest@'%' IDENTIFIED BY 'x'", "GRANT SELECT ON *.* TO tgtest@'%'")
    j = job(pair, target_url=t.url("tgtest", "x"))
    complaint(j.start(until="full"), FAILED, "60702", "GRANT", str(t.port))
    t.run("GRANT ALL ON *.* TO tgtest@'%'")
    goes_on(j, pair)


def test_statement_format(pair, job):
    s = pair.source
    s.run("SET GLOBAL binlog_format = 'STATEMENT'")
    try:
        j = job(pair)
        complaint(j.start(until="synced"), FAILED, "60704", "binlog_format", str(s.port))
    finally:
        s.run("SET GLOBAL binlog_format = 'ROW'")
    j.run()
    pair.assert_equal("app", j.story)


def test_a_session_in_statement_format(pair, job):
    """The check can't see one session's format: the first such statement stops the job, nothing is skipped."""
    j = job(pair)
    j.run()
    with pair.source.connect(database="app") as c, c.cursor() as cur:
        cur.execute("SET SESSION binlog_format = 'STATEMENT'")
        cur.execute("UPDATE t SET v = 'by statement' WHERE id = 1")
    complaint(j.start(), FAILED, "36014", "binlog_format|statement")
    pair.source.run("FLUSH BINARY LOGS")  # another test may read its file from the head on, and want all databases
    assert pair.target.query("SELECT v FROM app.t WHERE id = 1") == (("a",),)


def test_binlog_off(pool, make_pair, job):
    pair = make_pair("ma1011", "my97")
    off = pool.get("ma1011", "nolog", binlog=False)
    try:
        off.clean()
        sample(off)
        j = job(pair, source_url=off.url())
        complaint(j.start(until="synced"), FAILED, "60703", "log_bin", str(off.port))
    finally:
        pool.drop(off)


def test_target_not_empty(pair, job):
    """A table that is there with other rows is not touched."""
    pair.target.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(100))", "INSERT INTO app.t VALUES (7, 'mine')")
    j = job(pair)
    complaint(j.start(until="full"), FAILED, "60401", "app.*t")
    assert pair.target.query("SELECT * FROM app.t") == ((7, "mine"),)
    pair.target.run("DROP TABLE app.t")
    goes_on(j, pair)


# --- the state folder

def test_other_jobs_state(pair, job):
    j = job(pair, tables="app.*")
    j.run(until="full")
    other = job(pair, tables="shop.*", state=j.state)
    complaint(other.start(until="full"), FAILED, "60601", re.escape(j.state))
    j.run(until="full")


def test_long_state_path(pair, job, tmp_path):
    """200 characters, longer than a socket's path may be."""
    deep = tmp_path
    while len(str(deep)) < 200:
        deep /= "x" * min(50, max(1, 200 - len(str(deep)) - 1))
    j = job(pair, state=str(deep))
    j.run()
    pair.assert_equal("app", j.story)


def test_state_in_a_private_folder(pair, job, tmp_path):
    """Only its owner may enter (as below the superuser's home): works all the same, the folders are opened before the drop (T35)."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    j = job(pair, state=str(private / "state"))
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("what", ["file in the way", "writable by all", "below a file"])
def test_bad_state_folder(what, pair, job, tmp_path):
    bad = tmp_path / "bad"
    if what == "writable by all":
        bad.mkdir()
        os.chmod(bad, 0o777)
    else:
        bad.write_text("")
    j = job(pair, state=str(bad / "below" if what == "below a file" else bad))
    j.start(until="full")
    assert j.wait(120) in (FAILED, USAGE), j.story()
    assert str(bad) in j.stderr(), j.stderr()
    j.assert_gone()


@pytest.mark.root
def test_full_disk(make_pair, job, tmp_path):
    """The state folder's disk fills up while it follows: told, tried again; when there is room it goes on by itself, nothing lost."""
    pair = make_pair("ma1011", "my97")
    work = Workload(pair.source, "app", threads=1, rows=50).make()
    # a file of its own: what other tests have written before would be on the small disk, too
    pair.source.run("CREATE TABLE app.fat (id int PRIMARY KEY, b longblob)", "FLUSH BINARY LOGS")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(disk)], check=True)
    try:
        j = job(pair, state=str(disk / "state"))
        j.run(timeout=180)
        j.start(until=None)
        j.wait_status(lambda s: s.get("phase") == "sync")
        (disk / "ballast").write_bytes(b"x" * (17 << 20))
        with work:
            for i in range(14):
                pair.source.run(f"INSERT INTO app.fat VALUES ({i}, REPEAT('{i % 10}', 1000000))")
        procs.wait_for(lambda: "code=60004" in j.log() or j.ended(), 120, j.story)
        assert not j.ended(), j.story()
        (disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        expect = pair.source.query("SELECT COUNT(*) FROM app.fat")
        procs.wait_for(lambda: pair.target.query("SELECT COUNT(*) FROM app.fat") == expect, 120, "it did not go on by itself\n" + j.story())
        assert j.interrupt() == 130, j.story()
        j.run(timeout=180)
        pair.assert_equal("app", j.story)
    finally:
        j.close()
        subprocess.run(["umount", "-l", str(disk)], check=False)


@pytest.mark.root
def test_disk_full_at_the_start(pair, job, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(disk)], check=True)
    try:
        (disk / "ballast").write_bytes(b"x" * 65536)
        j = job(pair, state=str(disk / "state"))
        j.start(until="full")
        assert j.wait(120) in (FAILED, USAGE), j.story()
        assert str(disk) in j.stderr() and re.search("space|full", j.stderr()), j.stderr()
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        (disk / "ballast").unlink()
        goes_on(j, pair)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_as_an_ordinary_user(pair, job, tmp_path, bin_dir):
    """No root: the same, under one user."""
    if os.geteuid() != 0:
        pytest.skip("that is how all the other tests run here")
    import shutil
    import tempfile

    home = tempfile.mkdtemp(prefix="tgu-")
    try:
        os.chown(home, 65534, 65534)
        os.chmod(home, 0o700)
        lib = tempfile.mkdtemp(prefix="tgl-")
        os.chmod(lib, 0o755)
        for p in bin_dir.iterdir():
            if p.name.startswith("tidegate"):
                shutil.copy2(p, lib)
        done = subprocess.run([f"{lib}/tidegate", "run", "--from", pair.source.url(password=None), "--to", pair.target.url(password=None), "--until", "synced", "--state", f"{home}/state"],
                              user=65534, group=65534, extra_groups=[], env={"HOME": home, "PATH": "/usr/bin:/bin", "TIDEGATE_FROM_PASSWORD": PASSWORD, "TIDEGATE_TO_PASSWORD": PASSWORD},
                              capture_output=True, text=True, timeout=180, cwd=home)
        assert done.returncode == 0, done.stderr + open(f"{home}/state/log/tidegate.log").read()[-3000:]
        pair.assert_equal("app")
    finally:
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(lib, ignore_errors=True)


def test_user_in_the_url_is_shown_not_the_password(pair, job):
    j = job(pair, source_url=pair.source.url(password="wrong-" + PASSWORD))
    line = complaint(j.start(until="full"), FAILED)
    assert USER in line and "wrong-" not in line
