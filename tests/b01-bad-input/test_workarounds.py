"""What an error's last words tell to do (include/error.def), done: then it is gone. Those that other tests do not come by."""
import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

import hosts
import procs
from servers import PASSWORD, USER
from tidegate import DONE, FAILED

sys.path.insert(0, str(Path(__file__).parent))
from test_bad_input import complaint, pair  # noqa: E402, F401


def test_no_master(bin_dir, short_tmp):
    """48001: nobody listens, or the socket is not for whoever asks; said soon, and by the socket's whole name."""
    os.chmod(short_tmp, 0o755)
    h = hosts.Host(bin_dir, short_tmp, "a")
    words = [str(bin_dir / "tidegate"), "list-member", "--master", str(h.run)]
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == FAILED and f"error 48001: list-member: {h.run}/master.sock: no master listens there" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert time.monotonic() - began < 50  # ten seconds, and what a busy machine takes
    try:
        h.start()
        assert subprocess.run(words, capture_output=True, timeout=60).returncode == DONE  # also while it is only coming up
        nobody = pwd.getpwnam("nobody").pw_uid
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, user=nobody, group=nobody, extra_groups=[])
        assert done.returncode == FAILED and "error 48001: list-member: " in done.stderr and "master.sock: Permission denied" in done.stderr, done.stderr
    finally:
        h.close()


def test_no_programs(bin_dir, short_tmp):
    """60104: the supervisor's folder of programs is another one."""
    os.chmod(short_tmp, 0o755)
    empty = short_tmp / "empty"
    empty.mkdir(mode=0o755)
    h = hosts.Host(bin_dir, short_tmp, "a", options=["--libexec", str(empty)])
    h.start()
    assert h.process.wait(90) == FAILED
    said = h.log.read_text().splitlines()[-1]
    assert "code=60104" in said and "tidegate-agent is missing: give its folder with --libexec" in said, said
    h.options, h.process = [], None
    try:
        h.start()
        procs.wait_for(lambda: h.agents() == {"a": "free"}, 60, h.story)
    finally:
        h.close()


def test_folder_of_a_dump(bin_dir, make_pair, tmp_path):
    """60351: it holds something else, or a whole dump."""
    s = make_pair("ma1011", "ma1011").source
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("x")

    def dump(expect):
        done = subprocess.run([str(bin_dir / "tidegate"), "dump", "--from", s.url(), "--dir", str(out), "--state", str(tmp_path / "state")],
                              capture_output=True, text=True, timeout=100, env=dict(os.environ, TIDEGATE_FROM_PASSWORD=PASSWORD))
        assert done.returncode == expect, done.stderr
        return done.stderr

    said = dump(FAILED)
    assert "60351" in said and "is not empty: there is `mine`" in said and "give an empty folder, or empty this one" in said, said
    (out / "mine").unlink()
    dump(DONE)
    said = dump(FAILED)
    assert "60351" in said and "holds a complete dump already" in said, said


def test_rows_that_are_elsewhere(pair, job):  # noqa: F811
    """32001: of a table whose rows are another server's. The check tells, and so does the dump where nothing is checked."""
    s = pair.source
    s.run("INSTALL SONAME 'ha_federatedx'")
    try:
        s.run(f"CREATE SERVER far FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1', PORT {s.port}, DATABASE 'app', USER '{USER}', PASSWORD '{PASSWORD}')",
              "CREATE TABLE app.far (id int PRIMARY KEY, v varchar(100)) ENGINE=FEDERATED CONNECTION='far/t'")
        j = job(pair)
        j.start()
        complaint(j, FAILED, "32001", r"tables whose rows are elsewhere \(.*\) can't be copied: `app`.`far`")
        j = job(pair)
        j.start("--no-check")
        complaint(j, FAILED, "32001", "`app`.`far` has engine FEDERATED: its rows are elsewhere; leave it out by rule")
        j = job(pair, tables="app.t")
        j.run(until="full")
        assert pair.target.query("SELECT COUNT(*) FROM app.t") == ((2,),)
        assert not pair.target.query("SHOW TABLES FROM app LIKE 'far'")
    finally:
        s.run("DROP TABLE IF EXISTS app.far", "DROP SERVER IF EXISTS far", "UNINSTALL SONAME 'ha_federatedx'")
