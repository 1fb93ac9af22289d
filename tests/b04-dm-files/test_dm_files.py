"""DM's two files with every key that is not refused (task.yaml, source.yaml beside this) start as they are, and each key without effect is
named; broken ones are one line with file, line and column, seen where the operator sees it: at the program."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import procs
from servers import PASSWORD, USER
from tidegate import FAILED, INTERRUPTED, USAGE
from workload import Workload

HERE = Path(__file__).resolve().parent
CERTS = ("ca.pem", "client-cert.pem", "client-key.pem")


def fill(name, to=4000, port=3306, certs="/etc/ssl"):
    text = (HERE / name).read_text()
    for mark, value in {"TO": to, "FROM": port, "PASSWORD": PASSWORD, "CERTS": certs}.items():
        text = text.replace(f"@{mark}@", str(value))
    return text


def write(folder, task, source):
    for name, text in (("task.yaml", task), ("source.yaml", source)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    return [str(folder / "task.yaml"), str(folder / "source.yaml")]


def notes(stderr):
    """[(file, line, text)]: what the program says does nothing."""
    found = re.findall(r"^tidegate: note: ([\w.]+):(\d+):\d+: (.+)$", stderr, re.M)
    return [(name, int(line), text) for name, line, text in found]


def marked():
    return sorted((name, number) for name in ("task.yaml", "source.yaml") for number, line in enumerate(fill(name).splitlines(), 1) if "  # noted" in line)


@pytest.fixture
def certs(short_tmp, server):
    """The certificates that MySQL has made for its clients, where the units may read them."""
    s = server("my97", "up")
    short_tmp.chmod(0o755)
    for name in CERTS:
        shutil.copy(Path(s.run_dir) / str(s.port) / "data" / name, short_tmp / name)
        (short_tmp / name).chmod(0o644)
    return short_tmp


def test_full_examples(make_pair, job, tmp_path, certs):
    """Copy, then follow, over TLS; the meta schema, the relay log and the lists do what they say."""
    pair = make_pair("my97", "my97")
    work = Workload(pair.source, "app", threads=2, rows=100, pause=0.005).make()
    pair.source.run("CREATE TABLE app.log (id int PRIMARY KEY)", "INSERT INTO app.log VALUES (1)", "CREATE DATABASE other_x", "CREATE TABLE other_x.t (id int PRIMARY KEY)",
                    "CREATE DATABASE other_1", "CREATE TABLE other_1.t (id int PRIMARY KEY)", "INSERT INTO other_1.t VALUES (1)")
    files = write(tmp_path, fill("task.yaml", pair.target.port, certs=certs), fill("source.yaml", port=pair.source.port, certs=certs))
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    with work:
        j.run(*files, until="synced", timeout=150)
        work.wait(50)
    j.run(*files, until="synced", timeout=180)
    assert sorted(n[:2] for n in notes(j.stderr())) == marked(), j.stderr()
    assert all(len(n[2]) > 30 for n in notes(j.stderr()))
    assert pair.target.databases() == ["app", "dm_meta", "other_1"], j.story()
    assert not pair.target.query("SHOW TABLES FROM app LIKE 'log'")
    pair.source.run("DROP TABLE app.log")
    pair.assert_equal(["app", "other_1"], j.story)


# A variant is an edit; ^ is where the line must say that the mistake is.
BROKEN_TASK = """
name: "full-example"            | ^nam: "full-example"                | unknown key `nam` in a task file; did you mean `name`
name: "full-example"            | name: ^"full example"               | `name` may hold only ASCII
name: "full-example"            | name: ^""                           | `name` is empty
name: "full-example"            | name: ^[a]                          | `name` is a list, must be a single value
task-mode: all                  | task-mode: ^al                      | can't be `al`; did you mean `all`
name: "full-example"\\ntask-mode: all | ^name: "full-example"          | `task-mode` is missing in a task file
is-sharding: false              | ^is-sharding: true                  | `is-sharding` in a task file is not supported
is-sharding: false              | is-sharding: ^1                     | `is-sharding` is `1`, must be true or false
shard-mode: ""                  | ^shard-mode: pessimistic            | `shard-mode` in a task file is not supported: it is about the DDL of merged tables
shard-mode: ""                  | shard-mode: ^pessimist              | did you mean `pessimistic`
strict-optimistic-shard-mode: f | ^strict-optimistic-shard-mode: true # | `strict-optimistic-shard-mode` in a task file is not supported
["auto_increment_ID",           | [^"auto_increment_id",              | did you mean `auto_increment_ID`
meta-schema: "dm_meta"          | meta-schema: ^""                    | `meta-schema` is empty
"Asia/Shanghai"                 | ^"+15:00"                           | `timezone` is `\\+15:00`, must be
case-sensitive: false           | case-sensitive: ^maybe              | must be true or false
collation_compatible: "loose"   | collation_compatible: ^"lose"       | did you mean `loose`
collation_compatible:           | ^collation-compatible:              | did you mean `collation_compatible`
online-ddl-scheme: "gh-ost"     | online-ddl-scheme: ^"ghost"         | did you mean `gh-ost`
['^_(.+)_(?:new|gho)$']         | [^'_(.+)_(new|gho)']                | has 2 groups in parentheses, must have 1
['^_(.+)_(?:ghc|del|old)$']     | [^'_(.+']                           | missing closing parenthesis
['^_(.+)_(?:ghc|del|old)$']     | ^['^(.+)$']                         | trash-table-rules: .* fits any table's name
online-ddl: true                | online-ddl: ^false                  | contradicts `online-ddl-scheme`
heartbeat-update-interval: 1    | heartbeat-update-interval: ^1s      | must be a whole number
  async-checkpoint-flush: true  |   ^async-checkpoint-flus: true      | did you mean `async-checkpoint-flush`
  port: 4000                    |   port: ^0                          | `port` is 0, must be 1 to 65535
  port: 4000                    |   port: ^"4000"                     | in quotes, must be a whole number
  user: "tg"                    |   ^usr: "tg"                        | did you mean `user`
  max-allowed-packet: 67108864  |   max-allowed-packet: ^-1           | must be 0 to 1073741824
    foreign_key_checks: OFF     |     ^foreign_key_checks: ON         | `foreign_key_checks` in session is not supported
    tidb_skip_utf8_check: 1     |     ^wait_timeout: 1                | `wait_timeout` in session is not supported
    ssl-ca: "/etc/ssl/ca.pem"   |     ^ssl-ca-base64: "QUJD"          | `ssl-ca-base64` in security is not supported
    ssl-ca: "/etc/ssl/ca.pem"   |     ^ssl_ca: "x"                    | did you mean `ssl-ca`
    ssl-ca: "/etc/ssl/ca.pem"   |     cert-allowed-cn: ^x             | must be a list
routes: {}                      | routes: {^r: {schema-pattern: "a", target-schema: "b"}} | `r` in routes is used by no instance
routes: {}                      | routes: {r: {^schema-patern: "a"}}  | did you mean `schema-pattern`
filters:                        | filters: {^f: {schema-pattern: "a", action: Ignore}} | `f` in filters is used by no instance
filters:                        | filters: {f: {events: [insert, ^dropp table], action: Do}} | did you mean `drop table`
filters:                        | filters: {f: ^{events: [insert]}}   | `action` is missing in filters
filters:                        | filters: {f: {action: ^ignore}}     | did you mean `Ignore`
filters:                        | filters: {f: {sql-pattern: [^"("]}} | missing closing parenthesis
expression-filter: {}           | expression-filter: {e: {schema: a, table: b, ^insert-value-exp: "c > 1"}} | did you mean `insert-value-expr`
column-mappings:                | ^column-mappings: {c: {}}           | `column-mappings` in a task file is not supported
["~^app", "other_[0-9]"]        | [^"~(app", "other_[0-9]"]           | missing closing parenthesis
["~^app", "other_[0-9]"]        | [^"a*p", "other_[0-9]"]             | '\\*' may only be the last character
ignore-dbs: ["test_*"]          | ignore-dbs: ^test_*                 | must be a list
      tbl-name: "log"           |       ^table-name: "log"            | unknown key `table-name` in table
    - db-name: "app"            |     - db-name: ^{}                  | must be a single value
    threads: 4                  |     threads: ^0                     | `threads` is 0, must be
    threads: 4                  |     ^treads: 4                      | did you mean `threads`
    threads: 4                  |     ^pool-size: 4                   | it belongs to loaders
    chunk-filesize: "64"        |     chunk-filesize: ^"64X"          | must be a size
    statement-size: 1000000     |     statement-size: ^100GiB         | bytes, must be
"--consistency auto"            | ^"--consistency always"             | wants auto, flush, lock or none
    import-mode: "logical"      |     import-mode: ^"physical"        | `import-mode: physical` is not supported
    import-mode: "logical"      |     import-mode: ^"import-into"     | `import-mode: import-into` is not supported
-duplicate-logical: "replace"   | -duplicate-logical: ^"replase"      | did you mean `replace`
    disk-quota-physical: "100G" |     disk-quota-physical: ^"much"    | must be a size
    checksum-physical:          |     ^checksum-physica:              | did you mean `checksum-physical`
    analyze: "optional"         |     analyze: ^"maybe"               | can't be `maybe`
    worker-count: 16            |     worker-count: ^many             | must be a whole number
    batch: 100                  |     batch: ^0                       | `batch` is 0, must be
    safe-mode: false\\n    safe-mode-duration: "60s" |     safe-mode: true\\n    safe-mode-duration: ^"0s" | contradicts `safe-mode: true`
    safe-mode-duration: "60s"   |     safe-mode-duration: ^soon       | must be a duration
    mode: none                  |     mode: ^full                     | `mode: full` is not supported
    row-error-delay: 30m        |     row-error-delay: ^30 minutes    | must be a duration
    max-pending-row-size: "500m" |     ^max-pending-rows-size: "500m"  | did you mean `max-pending-row-size`
    binlog-name: "mysql-bin.000001" |     ^binlog-nam: "x"            | did you mean `binlog-name`
    binlog-gtid: "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5" |     binlog-gtid: ^"3E11FA47:1-5" | is no GTID set
  route-rules: []               |   route-rules: ^["r"]               | `route-rules: r` names nothing in routes
  filter-rules: []              |   filter-rules: ^["r"]              | `filter-rules: r` names nothing in filters
  expression-filters: []        |   expression-filters: ^["r"]        | `expression-filters: r` names nothing in expression-filter
  block-allow-list: "instance-1" |   block-allow-list: ^"instance"    | names nothing in block-allow-list; did you mean `instance-1`
  mydumper-config-name: "global" |   mydumper-config-name: ^"globa"   | did you mean `global`
  loader-config-name: "global"  |   loader: {}                        | `global` in loaders is used by no instance
  syncer-config-name: "global"  |   syncer-config-name: "global"\\n  syncer: ^{batch: 1} | together: give one of them
  validator-config-name: "global" |   validator-config-name: ^"x"     | names nothing in validators
- source-id: "mysql-replica-01" | - source-id: ^"a123456789012345678901234567890123" | at most 32 fit
- source-id: "mysql-replica-01" | - source-id: "mysql-replica-01"\\n- source-id: ^"mysql-replica-01" | twice
"""
BROKEN_SOURCE = """
source-id: "mysql-replica-01"   | ^sourceid: "mysql-replica-01"       | did you mean `source-id`
source-id: "mysql-replica-01"   | source-id: ^"mysql/01"              | `source-id` may hold only ASCII
enable: true                    | ^enable: false                      | `enable` in a source file is not supported
flavor: "mysql"                 | flavor: ^"oracle"                   | `flavor` can't be `oracle`
server-id: 101                  | server-id: ^4294967296              | must be 0 to 4294967295
enable-relay: true              | enable-relay: ^"true"               | must be true or false
relay-binlog-name: ""           | relay-binlog-name: ^"mysql-bin"     | is no binlog file's name
relay-binlog-gtid: ""           | relay-binlog-gtid: ^"0-1"           | is no GTID set
  expires: 0                    |   expires: ^-1                      | `expires` is -1, must be 0 to
  remain-space: 15              |   ^remain_space: 15                 | did you mean `remain-space`
  backoff-max: 5m0s             |   backoff-max: ^0.5s                | must be at least 1000 ms
  check-enable: true            |   check-enable: ^1                  | must be true or false
filters: []                     | filters: [{action: Do, events: [^drop]}] | is no event
filters: []                     | filters: [{^actoin: Do}]            | did you mean `action`
  host: "127.0.0.1"             |   ^hots: "127.0.0.1"                | did you mean `host`
  user: "tg"                    |   user: "tg                         | did not find expected key
"""


def variants():
    for name, table in (("task.yaml", BROKEN_TASK), ("source.yaml", BROKEN_SOURCE)):
        for row in table.strip("\n").splitlines():
            find, put, says = (x.rstrip().replace("\\n", "\n") for x in row.split(" | "))
            yield name, re.sub(r" +(?=\n)", "", find), put, says


def place(text):
    """Line and column of the first ^, and the text without it."""
    at = text.index("^")
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at), text[:at] + text[at + 1:]


def broken(name, find, put):
    """Text, line, column (None: anywhere in it)."""
    text = "\n".join(line.split("  # noted")[0] for line in fill(name).split("\n"))
    assert find in text, f"{name} has no {find!r}"
    before, behind = text.split(find, 1)
    if "^" not in put:
        return before + put + behind, None, None
    line, column, clean = place("~" * len(before.rpartition("\n")[2]) + put)
    clean = clean[len(before.rpartition("\n")[2]):]
    return before + clean + behind, line + before.count("\n"), column


def test_broken_variants(bin_dir, tmp_path):
    """Each one: exit 1 or 2, nothing started, one line with file, line, column and what is wrong; never the password."""
    wrong, seen = [], set()
    for name, find, put, says in variants():
        texts = {n: fill(n) for n in ("task.yaml", "source.yaml")}
        texts[name], line, column = broken(name, find, put)
        files = write(tmp_path, texts["task.yaml"], texts["source.yaml"])
        done = subprocess.run([str(bin_dir / "tidegate"), "run", *files, "--state", str(tmp_path / "state")], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        errors = [x for x in done.stderr.splitlines() if x.startswith("tidegate: error")]
        where = rf"{name}:{line}:{column}: " if line else rf"{name}:\d+:\d+: "
        ok = done.returncode in (FAILED, USAGE) and len(errors) == 1 and re.search(where, errors[0]) and re.search(says, errors[0]) and len(errors[0]) < 1200
        if not ok or PASSWORD in done.stderr or (tmp_path / "state").exists():
            wrong.append(f"{name}: {find!r} -> {put!r}, wanted {where}{says}\n  exit {done.returncode}: {errors or done.stderr[-600:]}")
        seen.add((name, put))
    assert not wrong, f"{len(wrong)} of {len(seen)}:\n" + "\n".join(wrong)
    assert len(seen) >= 60


def test_words_tell_too(make_pair, job, tmp_path):
    """operate-source and start-task say what has no effect, like `run`; the answer on stdout stays JSON."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    j = job(pair, tables="none.*")
    j.start(until=None)
    j.wait_status(lambda s: s.get("phase") == "sync")
    source = f"source-id: s2\nflavor: mariadb\nfrom: {{host: 127.0.0.1, port: {pair.source.port}, user: tg, password: '{PASSWORD}'}}\n"
    task = (f"name: t2\ntask-mode: full\nclean-dump-file: true\nmeta-schema: meta2\ntarget-database: {{host: 127.0.0.1, port: {pair.target.port}, user: tg, password: '{PASSWORD}'}}\n"
            "mysql-instances: [{source-id: s2, block-allow-list: b}]\nblock-allow-list: {b: {do-dbs: [app]}}\n")
    files = write(tmp_path, task, source)
    for words, note in ((["operate-source", "create", files[1]], ("source.yaml", 2)), (["start-task", files[0]], ("task.yaml", 3))):
        done = subprocess.run([str(j.bin / "tidegate"), *words, "--state", j.state], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        assert [n[:2] for n in notes(done.stderr)] == [note], done.stderr
        assert json.loads(done.stdout)["result"] is True
    procs.wait_for(lambda: j.subtask("t2")["stage"] == "Finished", 180, j.story)
    assert j.interrupt() == INTERRUPTED, j.story()
    pair.assert_equal("app", j.story)


TASK = """name: bare
task-mode: full
target-database: {{host: 127.0.0.1, port: {port}, user: {user}}}
mysql-instances: [{sources}]
block-allow-list: {{a: {{do-dbs: ["app"]}}}}
"""
SOURCE = "source-id: {name}\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}}}\n"


def bare(folder, port, source_port, *names):
    """Files without a password."""
    files = [folder / "bare.yaml", *(folder / f"{n}.yaml" for n in names)]
    files[0].write_text(TASK.format(port=port, user=USER, sources=", ".join(f"{{source-id: {n}, block-allow-list: a}}" for n in names)))
    for f, n in zip(files[1:], names):
        f.write_text(SOURCE.format(name=n, port=source_port, user=USER))
    return list(map(str, files))


@pytest.mark.parametrize("way", ["file", "environment"])
def test_passwords_beside_files(make_pair, job, tmp_path, way):
    """What the two files don't hold comes from where it comes beside two URLs."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    files = bare(tmp_path, pair.target.port, pair.source.port, "one")
    (tmp_path / "password").write_text(PASSWORD + "\n")
    j = job(source_url=None, target_url=None, env={f"TIDEGATE_{x}_PASSWORD": PASSWORD for x in ("FROM", "TO")} if way == "environment" else None)
    j.run(*files, *([f"--{x}-password-file={tmp_path / 'password'}" for x in ("from", "to")] if way == "file" else []), until=None)
    pair.assert_equal("app", j.story)


def test_one_password_for_several_sources(bin_dir, tmp_path):
    """Of which source it is nobody knows: refused by name, and nothing is started."""
    files = bare(tmp_path, 1, 1, "one", "two")
    (tmp_path / "password").write_text("x")

    def refused(*options, **env):
        done = subprocess.run([str(bin_dir / "tidegate"), "run", *files, "--state", str(tmp_path / "state"), *options], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, **env))
        assert done.returncode == USAGE and not (tmp_path / "state").exists(), done
        return done.stderr
    assert "--from-password-file is for one source" in refused("--from-password-file", str(tmp_path / "password"))
    said = refused(TIDEGATE_FROM_PASSWORD="x")
    assert "TIDEGATE_FROM_PASSWORD is for one source" in said and "'one' has no password" in said, said
    assert "--ask-password wants a terminal" in refused("--ask-password")
    assert "--ask-password wants a terminal" in refused("--ask-password", TIDEGATE_FROM_PASSWORD="")


@pytest.mark.parametrize("by_urls", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_password_that_is_no_utf8(bin_dir, tmp_path, by_urls, as_json):
    """It can't be said on to the units, and nothing is not what was given."""
    (tmp_path / "password").write_bytes(b"caf\xe9\n")
    what = ["--from", "mysql://u@127.0.0.1:1", "--to", "mysql://u:x@127.0.0.1:2"] if by_urls else bare(tmp_path, 1, 1, "one")
    done = subprocess.run([str(bin_dir / "tidegate"), "run", *what, "--state", str(tmp_path / "state"), "--from-password-file", str(tmp_path / "password"), *["--json"][:as_json]],
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == USAGE and "the password is no UTF-8" in done.stderr and not (tmp_path / "state").exists(), done
    assert not as_json or json.loads(done.stderr)["result"] is False


def test_json_holds_no_orders_to_the_terminal(bin_dir, tmp_path):
    name = "a\x1b]0;x\x07\x7f\x9b31m\u00fc.yaml"
    done = subprocess.run([str(bin_dir / "tidegate"), "run", str(tmp_path / name), "--json"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode != 0 and not set(done.stderr) & set("\x1b\x07\x7f\x9b"), done
    assert name in json.loads(done.stderr)["msg"]
