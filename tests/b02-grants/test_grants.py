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


def statements(bin_dir, server, user, what="all"):
    done = subprocess.run([str(bin_dir / "tidegate"), "grants", "--for", what, "--server", version_word(server), "--user", f"'{user}'@'%'"],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    found = [s.strip() for s in done.stdout.split(";") if re.search(r"^\s*(GRANT|CREATE)\b", s, re.M)]
    return [re.search(r"(GRANT|CREATE)\b.*", s, re.S).group(0) for s in found]


def privileges(sqls):
    """(privilege, what it is on) of GRANT statements."""
    out = []
    for s in sqls:
        m = re.match(r"GRANT (.*) ON (\S+) TO ", s, re.S)
        if m:
            out += [(p.strip(), m.group(2)) for p in m.group(1).split(",")]
    return out


def make_user(server, user, sqls):
    server.run(f"DROP USER IF EXISTS {user}@'%'", f"CREATE USER {user}@'%' IDENTIFIED BY 'Grants-1'", *[s for s in sqls if s.startswith("GRANT")])


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
    # what the load needs is of the downstream
    sqls = [s for w in ("relay", "dump", "sync") for s in statements(bin_dir, pair.source, "tgtest", w)]
    load = privileges(statements(bin_dir, pair.source, "tgtest", "load"))
    sqls = [s for s in sqls if not set(privileges([s])) <= set(load)] or sqls
    make_user(pair.source, "tgtest", sqls)
    j = job(pair, source_url=pair.source.url("tgtest", "Grants-1"), tables="app.*")
    j.run()
    pair.source.run("INSERT INTO app.t VALUES (2, 'b')")
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("name", CASES)
def test_exactly_these_downstream(name, ready, job, bin_dir):
    pair = ready(name, "target")
    make_user(pair.target, "tgtest", statements(bin_dir, pair.target, "tgtest", "load") + statements(bin_dir, pair.target, "tgtest", "sync"))
    j = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app.*")
    j.run()
    pair.source.run("INSERT INTO app.t VALUES (2, 'b')", "ALTER TABLE app.t ADD COLUMN w int", "INSERT INTO app.t VALUES (3, 'c', 3)")
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("name", CASES)
def test_each_one_is_missed(name, ready, job, bin_dir):
    """Without one privilege: refused before the start, the privilege named, the GRANT printed; then it works."""
    pair = ready(name, "source")
    sqls = sorted({s for w in ("relay", "dump") for s in statements(bin_dir, pair.source, "tgtest", w)})
    needed = [(p, on) for p, on in dict.fromkeys(privileges(sqls)) if on == "*.*" and p not in ("USAGE",)]
    assert len(needed) >= 3, sqls
    make_user(pair.source, "tgtest", sqls)
    for n, (privilege, on) in enumerate(needed):
        pair.source.run(f"REVOKE {privilege} ON {on} FROM tgtest@'%'")
        j = job(pair, source_url=pair.source.url("tgtest", "Grants-1"), tables="app.*")
        j.start()
        assert j.wait(40) == FAILED, f"without {privilege} it went on\n{j.story()}"
        assert "60702" in j.stderr() and "GRANT" in j.stderr(), f"without {privilege}: {j.stderr()}"
        pair.source.run(f"GRANT {privilege} ON {on} TO tgtest@'%'")
    j.run()
    pair.assert_equal("app", j.story)


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
