"""Passwords: what encrypt printed and what DM's encrypt printed are taken in files; nothing but the units that need them ever holds one in plain."""
import base64
import json
import os
import subprocess
from pathlib import Path

import procs
import pytest
from dm_files import task
from tidegate import DONE, FAILED, INTERRUPTED

KEY = os.urandom(32).hex()  # which no other test has written into a binlog
SOURCE = "source-id: one\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: '{password}'}}\n"
SECRET = "S3cret-of-this-test"


def dm_encrypt(plain, key=KEY):
    """As dm-master does it: base64(iv, "@", AES-256-CFB)."""
    iv = os.urandom(16)
    done = subprocess.run(["openssl", "enc", "-aes-256-cfb", "-K", key, "-iv", iv.hex()], input=plain.encode(), capture_output=True, check=True)
    return base64.b64encode(iv + b"@" + done.stdout).decode()


class Files:
    def __init__(self, pair, j):
        self.pair, self.j = pair, j
        self.key = j.folder / "dm.key"
        self.key.write_text(KEY + "\n")

    def source(self, password, user="tgsecret"):
        path = self.j.folder / "source.yaml"
        path.write_text(SOURCE.format(port=self.pair.source.port, user=user, password=password))
        return str(path)

    def task(self, password, user="tgsecret"):
        path = self.j.folder / "task.yaml"
        path.write_text(task(self.pair.target.port, user, password))
        return str(path)


@pytest.fixture
def files(make_pair, job):
    pair = make_pair("ma1011", "my97")
    for s in (pair.source, pair.target):
        s.run("SET sql_log_bin = 0", "DROP USER IF EXISTS tgsecret@'%'", f"CREATE USER tgsecret@'%' IDENTIFIED BY '{SECRET}'", "GRANT ALL ON *.* TO tgsecret@'%' WITH GRANT OPTION")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    yield Files(pair, job(source_url=None, target_url=None))
    for s in (pair.source, pair.target):
        s.run("DROP USER IF EXISTS tgsecret@'%'")


def below(folder):
    for path in Path(folder).rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def test_dm_cipher_text(files):
    f, j = files, files.j
    texts = dm_encrypt(SECRET), dm_encrypt(SECRET)
    assert texts[0] != texts[1]
    j.start("--stay", "--dm-key", f.key, f.task(texts[1]), f.source(texts[0]), until=None)
    j.wait_log("following from")
    f.pair.source.run("INSERT INTO app.t VALUES (2)")
    procs.wait_for(lambda: f.pair.target.query("SELECT COUNT(*) FROM app.t") == ((2,),), 60, f"the row does not come\n{j.story()}")

    # Nowhere in plain: state folder (store, logs, relay log), what was printed, command lines, environments.
    wanted = [SECRET.encode(), texts[0].encode(), texts[1].encode(), KEY.encode()]
    for path, text in below(j.state):
        assert not [w for w in wanted if w in text], path
    for p in j.alive():
        for name in ("cmdline", "environ"):
            text = Path(f"/proc/{p.pid}/{name}").read_bytes()
            assert not [w for w in wanted if w in text], (p, name)
    said = json.dumps([j.ask("operate-source", "show"), j.ask("query-status", "moved"), j.ask("query-status", "--more"), j.ask("list-member")])
    show = j.ask("operate-source", "show")["sources"][0]["tidegate"]["endpoint"]
    assert show["password"] == "******" and show["user"] == "tgsecret"
    for kind, name in (("task", "moved"), ("source", "one")):
        done = subprocess.run([str(j.bin / "tidegate"), "config", kind, name, "--state", j.state], capture_output=True, text=True)
        assert done.returncode == DONE and '"******"' in done.stdout
        said += done.stdout
    said += j.log() + j.stderr() + j.out.read_text()
    assert not [w for w in wanted if w.decode() in said] and "tg1:" not in said
    # The words take them too, with the same option.
    assert "already there" in j.ask("operate-source", "update", f.source(dm_encrypt(SECRET)), "--dm-key", str(f.key))["sources"][0]["msg"]
    j.ask("check-task", f.task(dm_encrypt(SECRET)), "--dm-key", str(f.key))

    other = j.folder / "other.key"
    other.write_text("f" * 64)
    assert "20010" in j.ask("check-task", f.task(dm_encrypt("a password long enough to show")), "--dm-key", str(other), expect=FAILED)
    for bad in ("f" * 63, "g" * 64, ""):
        other.write_text(bad)
        assert "64 hexadecimal digits" in j.ask("check-task", f.task(dm_encrypt(SECRET)), "--dm-key", str(other), expect=FAILED)
    assert j.interrupt() == INTERRUPTED, j.story()


def test_own_cipher_text(files):
    """encrypt with the state folder's key, made by a first run; the text is taken in both files, by run and by the words."""
    f, j = files, files.j
    j.start("--stay", f.task(SECRET), f.source(SECRET), until=None)
    j.wait_log("following from")
    made = subprocess.run([str(j.bin / "tidegate"), "encrypt", "--state", j.state], input=SECRET + "\n", capture_output=True, text=True, check=True).stdout.strip()
    assert made.startswith("tg1:")
    assert "already there" in j.ask("operate-source", "update", f.source(made))["sources"][0]["msg"]
    j.ask("check-task", f.task(made))
    assert j.interrupt() == INTERRUPTED, j.story()
    j.start("--stay", f.task(made), f.source(made), until=None)
    f.pair.source.run("INSERT INTO app.t VALUES (2)")
    procs.wait_for(lambda: f.pair.target.query("SELECT COUNT(*) FROM app.t") == ((2,),), 60, f"the row does not come\n{j.story()}")
    assert SECRET not in j.log() + j.stderr()
    assert j.interrupt() == INTERRUPTED, j.story()


def test_without_dm_key_it_is_a_password(files):
    """As in DM: what can't be decrypted is taken as it stands, and the server refuses it."""
    f, j = files, files.j
    j.start(f.task(SECRET), f.source(dm_encrypt(SECRET)), until=None)
    assert j.wait(60) == FAILED
    assert "Access denied" in j.stderr() and SECRET not in j.stderr() + j.log()
