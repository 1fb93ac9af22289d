"""`tidegate grants` prints what is needed: with exactly that the whole job runs; without any one of it, the check names it. A matrix of
servers and privileges."""
import re
import subprocess

import pytest

from tidegate import FAILED

NAMES = ["ma1011", "my97"]
LONG = ["ma102", "ma105", "ma114", "ma118"]
CASES = NAMES + [pytest.param(n, marks=pytest.mark.long) for n in LONG]


def version_word(server):
    return f"{server.flavor}:{server.version // 10000}.{server.version // 100 % 100}"


def statements(bin_dir, server, side, user="tgtest"):
    """The GRANT statements that are printed for this side."""
    done = subprocess.run([str(bin_dir / "tidegate"), "grants", "--for", "all", "--server", version_word(server), "--user", f"'{user}'@'%'"],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    parts = dict(re.findall(r"^-- on the (\w+)\n((?:(?!-- on the).*\n)*)", done.stdout, re.M))
    return re.findall(r"^(GRANT .*?);", parts[side], re.M)


def privileges(sqls):
    """(privilege, what it is on) of GRANT statements."""
    return [(p.strip(), m.group(2)) for m in (re.match(r"GRANT (.*) ON (\S+) TO ", s) for s in sqls) for p in m.group(1).split(",")]


def make_user(server, user, sqls):
    server.run(f"DROP USER IF EXISTS {user}@'%'", f"CREATE USER {user}@'%' IDENTIFIED BY 'Grants-1'", *sqls)


@pytest.fixture
def ready(make_pair):
    def make(name, role):
        other = "my97" if name != "my97" else "ma1011"
        pair = make_pair(name, other) if role == "source" else make_pair(other, name)
        pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(10))", "INSERT INTO app.t VALUES (1, 'a')")
        return pair
    return make


@pytest.mark.parametrize("name", CASES)
def test_exactly_these_upstream(name, ready, job, bin_dir):
    pair = ready(name, "source")
    sqls = statements(bin_dir, pair.source, "upstream")
    make_user(pair.source, "tgtest", sqls)
    j = job(pair, source_url=pair.source.url("tgtest", "Grants-1"), tables="app.*")
    j.run()
    pair.source.run("INSERT INTO app.t VALUES (2, 'b')")
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("name", CASES)
def test_exactly_these_downstream(name, ready, job, bin_dir):
    pair = ready(name, "target")
    make_user(pair.target, "tgtest", statements(bin_dir, pair.target, "downstream"))
    j = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app.*")
    j.run()
    pair.source.run("INSERT INTO app.t VALUES (2, 'b')", "ALTER TABLE app.t ADD COLUMN w int", "INSERT INTO app.t VALUES (3, 'c', 3)")
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("name", CASES)
def test_triggers_are_seen_downstream(name, ready, job, bin_dir):
    """With the printed privileges a trigger of the target is seen, before it fires for the first row (T15)."""
    pair = ready(name, "target")
    make_user(pair.target, "tgtest", statements(bin_dir, pair.target, "downstream"))
    j = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app.*")
    j.run()
    pair.target.run("CREATE TABLE app.fired (id int)", "CREATE TRIGGER app.tr AFTER INSERT ON app.t FOR EACH ROW INSERT INTO app.fired VALUES (NEW.id)")
    pair.source.run("INSERT INTO app.t VALUES (2, 'b')")
    j.run(expect=FAILED)
    assert "60506" in j.stderr(), j.story()
    assert pair.target.query("SELECT COUNT(*) FROM app.fired") == ((0,),)


NEVER_WITHOUT = {"SELECT", "RELOAD", "REPLICATION SLAVE", "REPLICATION CLIENT", "BINLOG MONITOR"}


@pytest.mark.parametrize("name", CASES)
def test_each_one_is_missed_upstream(name, ready, job, bin_dir):
    """Without one privilege: refused before the start, the privilege named, the GRANT printed. What is only a help (server ids of other
    replicas, views where there are none) may be missing, if the job is right all the same."""
    pair = ready(name, "source")
    sqls = statements(bin_dir, pair.source, "upstream")
    needed = list(dict.fromkeys(privileges(sqls)))
    assert len(NEVER_WITHOUT & {p for p, _ in needed}) == 4, sqls
    make_user(pair.source, "tgtest", sqls)
    for privilege, on in needed:
        pair.source.run(f"REVOKE {privilege} ON {on} FROM tgtest@'%'")
        j = job(pair, source_url=pair.source.url("tgtest", "Grants-1"), tables="app.*")
        j.start()
        code = j.wait(40)
        if code != 0 or privilege in NEVER_WITHOUT:
            assert code == FAILED, f"without {privilege} it went on\n{j.story()}"
            assert "60702" in j.stderr() and privilege in j.stderr() and "GRANT" in j.stderr(), f"without {privilege}: {j.stderr()}"
        else:
            pair.assert_equal("app", j.story)
        pair.source.run(f"GRANT {privilege} ON {on} TO tgtest@'%'")
    pair.target.clean()
    j = job(pair, source_url=pair.source.url("tgtest", "Grants-1"), tables="app.*")
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("name", CASES)
def test_each_one_is_missed_downstream(name, ready, job, bin_dir):
    """The same below: what is missing is named before the start, or by the unit that comes to need it; nothing is copied wrongly."""
    pair = ready(name, "target")
    sqls = statements(bin_dir, pair.target, "downstream")
    make_user(pair.target, "tgtest", sqls)
    for privilege, on in privileges(sqls):
        if privilege.startswith("ALL"):
            continue
        pair.target.run(f"REVOKE {privilege} ON {on} FROM tgtest@'%'")
        j = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app.*")
        j.start()
        code = j.wait(40)
        if code != 0:
            assert code == FAILED and privilege in j.stderr() and "GRANT" in j.stderr(), f"without {privilege}: {j.stderr()}"
        else:
            pair.assert_equal("app", j.story)
        pair.target.run(f"GRANT {privilege} ON {on} TO tgtest@'%'")
        pair.target.run(*[f"DROP DATABASE `{d}`" for d in pair.target.databases()])


@pytest.mark.parametrize("name", CASES)
def test_others_privileges_are_not_ours(name, ready, job, bin_dir):
    """Whoever may read the server's own tables is shown everybody's privileges. That no wanted table is visible is still for want of SELECT."""
    pair = ready(name, "source")
    sqls = statements(bin_dir, pair.source, "upstream")
    make_user(pair.source, "tgtest", sqls)
    for privilege, on in privileges(sqls):
        if privilege == "SELECT":
            pair.source.run(f"REVOKE SELECT ON {on} FROM tgtest@'%'", "GRANT SELECT ON mysql.* TO tgtest@'%'")
    j = job(pair, source_url=pair.source.url("tgtest", "Grants-1"), tables="app.*")
    said = j.run(expect=FAILED)
    assert "60702" in said and "lacks SELECT" in said and "GRANT SELECT" in said, said


@pytest.mark.parametrize("name", ["ma1011", "my97"])
def test_privileges_by_a_role(name, ready, job, bin_dir):
    """An account whose SELECT comes by a role sees an empty server as empty."""
    pair = ready(name, "source")
    sqls = statements(bin_dir, pair.source, "upstream")
    make_user(pair.source, "tgtest", sqls)
    pair.source.run("DROP DATABASE app", "DROP ROLE IF EXISTS tgtestrole", "CREATE ROLE tgtestrole", "GRANT SELECT ON *.* TO tgtestrole", "GRANT tgtestrole TO tgtest@'%'",
                    "SET DEFAULT ROLE tgtestrole FOR tgtest@'%'" if pair.source.flavor == "mariadb" else "SET DEFAULT ROLE tgtestrole TO tgtest@'%'")
    try:
        for privilege, on in privileges(sqls):
            if privilege == "SELECT":
                pair.source.run(f"REVOKE SELECT ON {on} FROM tgtest@'%'")
        job(pair, source_url=pair.source.url("tgtest", "Grants-1"), tables="app.*").run(until="full")
    finally:
        pair.source.run("DROP ROLE tgtestrole")


@pytest.mark.parametrize("plugin", ["caching_sha2_password", "mysql_native_password", "ed25519"])
def test_logins(plugin, make_pair, job):
    """Every way to log in, over TCP without a file for the server's key."""
    name = "my97" if plugin == "caching_sha2_password" else "ma1011"
    pair = make_pair(name, "ma1011" if name == "my97" else "my97")
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    if plugin == "ed25519":
        try:
            s.run("INSTALL SONAME 'auth_ed25519'")
        except Exception as e:  # already there
            assert "already" in str(e) or "exists" in str(e), e
        s.run("CREATE USER tgtest@'%' IDENTIFIED VIA ed25519 USING PASSWORD('pw')")
    elif plugin == "mysql_native_password":
        s.run("CREATE USER tgtest@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('pw')")
    else:
        s.run("CREATE USER tgtest@'%' IDENTIFIED WITH caching_sha2_password BY 'pw'")
    s.run("GRANT ALL ON *.* TO tgtest@'%'")
    tls = [None] if name == "ma1011" else ["disabled", "required"]  # RSA, then TLS
    for mode in tls:
        if name == "my97":
            s.run("FLUSH PRIVILEGES")  # forgets cached logins
        j = job(pair, source_url=s.url("tgtest", "pw", **({"tls": mode} if mode else {})))
        j.run()
    pair.assert_equal("app", j.story)
