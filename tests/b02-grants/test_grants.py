"""`tidegate grants` prints what is needed: with exactly that the whole job runs; without any one of it, the check names it. A matrix of
servers and privileges."""
import re

import pytest
from grants import make_user, privileges, statements
from tidegate import FAILED

NAMES = ["ma1011", "my97"]
LONG = ["ma102", "ma105", "ma114", "ma118"]
CASES = NAMES + [pytest.param(n, marks=pytest.mark.long) for n in LONG]


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
def test_exactly_these_for_a_copy(name, ready, job, bin_dir):
    """A full copy alone never updates, and `grants --for load` does not ask for it."""
    pair = ready(name, "target")
    make_user(pair.target, "tgtest", statements(bin_dir, pair.target, "downstream", unit="load"))
    j = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app.*")
    j.run(until="full")
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
        code = j.wait(180)
        j.assert_gone()
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


NEVER_WITHOUT_BELOW = {"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER"}


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
        code = j.wait(180)
        j.assert_gone()
        if code != 0 or privilege in NEVER_WITHOUT_BELOW:
            assert code == FAILED and privilege in j.stderr() and "GRANT" in j.stderr(), f"without {privilege}: {j.stderr()}"
            assert privilege not in NEVER_WITHOUT_BELOW or "60702" in j.stderr(), f"without {privilege}: {j.stderr()}"
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


def set_default(server, role, user="tgtest"):
    server.run(f"SET DEFAULT ROLE {role} " + ("FOR" if server.flavor == "mariadb" else "TO") + f" {user}@'%'")


@pytest.fixture
def by_role():
    """An account that has all that the statements give by a role, which is not in force when it logs in."""
    made = []

    def make(server, sqls, user="tgtest"):
        make_user(server, user, [])
        server.run("DROP ROLE IF EXISTS tgtestrole", "CREATE ROLE tgtestrole", *[s.replace(f"'{user}'@'%'", "tgtestrole") for s in sqls], f"GRANT tgtestrole TO {user}@'%'")
        made.append(server)
    yield make
    for server in made:
        server.run("DROP ROLE tgtestrole")


@pytest.mark.parametrize("name", CASES)
def test_all_by_a_role_upstream(name, ready, job, bin_dir, by_role):
    """A role that is granted and not in force gives nothing: told, with the SET DEFAULT ROLE that mends it. As the default role it does."""
    pair = ready(name, "source")
    by_role(pair.source, statements(bin_dir, pair.source, "upstream"))
    j = job(pair, source_url=pair.source.url("tgtest", "Grants-1"), tables="app.*")
    said = j.run(expect=FAILED)
    assert "60702" in said and "SET DEFAULT ROLE" in said and "GRANT" in said, said
    pair.source.run(re.search(r"SET DEFAULT ROLE [^;\n]*? (?:FOR|TO) '\w+'@'[^']*'", said).group(0))
    j.run()
    pair.source.run("INSERT INTO app.t VALUES (2, 'b')")
    j.run()
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("name", CASES)
def test_all_by_a_role_downstream(name, ready, job, bin_dir, by_role):
    pair = ready(name, "target")
    by_role(pair.target, statements(bin_dir, pair.target, "downstream"))
    j = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app.*")
    said = j.run(expect=FAILED)
    assert "60702" in said and "SET DEFAULT ROLE" in said, said
    set_default(pair.target, "tgtestrole")
    j.run()
    pair.source.run("INSERT INTO app.t VALUES (2, 'b')", "ALTER TABLE app.t ADD COLUMN w int", "INSERT INTO app.t VALUES (3, 'c', 3)")
    said = j.run()
    pair.assert_equal("app", j.story)
    assert not re.search(r"lacks [^:]*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|INDEX)", said), said


@pytest.mark.parametrize("name", CASES)
def test_a_role_lacks_one_downstream(name, ready, job, bin_dir, by_role):
    """The same verdict for what a role lacks as for what an account lacks, in the check already."""
    pair = ready(name, "target")
    by_role(pair.target, statements(bin_dir, pair.target, "downstream"))
    set_default(pair.target, "tgtestrole")
    for privilege in ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"]:
        pair.target.run(f"REVOKE {privilege} ON *.* FROM tgtestrole")
        said = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app.*").run(expect=FAILED)
        assert "60702" in said and f"lacks {privilege} on `app`" in said and f"GRANT {privilege} ON `app`.*" in said, said
        pair.target.run(f"GRANT {privilege} ON *.* TO tgtestrole")
    assert pair.target.databases() in ([], ["dm_meta"])  # nothing that was tried has left a trace


@pytest.mark.parametrize("name", CASES)
def test_a_role_with_single_tables(name, ready, job, bin_dir, by_role):
    """What a role may do with one table can't be tried on another: nothing is called missing for sure."""
    pair = ready(name, "target")
    pair.target.run("CREATE DATABASE app")
    by_role(pair.target, ["GRANT ALL ON app.t TO 'tgtest'@'%'", "GRANT ALL ON dm_meta.* TO 'tgtest'@'%'"])
    set_default(pair.target, "tgtestrole")
    j = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app.*").start()
    j.wait()
    assert "unless it has it by a role or on the tables" in j.stderr() and "60702" not in j.stderr(), j.story()


@pytest.mark.parametrize("name", CASES)
def test_the_nearest_pattern_counts(name, ready, job, bin_dir):
    """Of patterns that match a schema the server goes by one; what is printed means one schema only."""
    pair = ready(name, "target")
    pair.source.run("CREATE DATABASE app_1", "CREATE TABLE app_1.t (id int PRIMARY KEY)")
    pair.target.run("CREATE DATABASE app_1", "CREATE DATABASE appx1")
    make_user(pair.target, "tgtest", ["GRANT ALL ON `dm\\_meta`.* TO tgtest@'%'", "GRANT ALL ON `app%`.* TO tgtest@'%'", "GRANT SELECT ON `app\\_1`.* TO tgtest@'%'"])
    said = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app_1.*").run(expect=FAILED)
    assert "60702" in said and "lacks INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX on `app_1`" in said, said
    mend = re.search(r"GRANT INSERT, [A-Z, ]+ ON `app\\{2}_1`\.\* TO 'tgtest'@'%'", said).group(0).replace("\\\\", "\\")
    pair.target.run("REVOKE ALL ON `app%`.* FROM tgtest@'%'", mend, "GRANT TRIGGER ON `app\\_1`.* TO tgtest@'%'")
    j = job(pair, target_url=pair.target.url("tgtest", "Grants-1"), tables="app_1.*")
    j.run(until="full")
    with pair.target.connect(user="tgtest", password="Grants-1") as c, c.cursor() as cur:
        cur.execute("SHOW DATABASES")
        assert "appx1" not in {r[0] for r in cur.fetchall()}


@pytest.mark.parametrize("side", ["source", "target"])
def test_partial_revokes(side, ready, job, bin_dir):
    """MySQL's: a global privilege that does not hold for one schema."""
    pair = ready("my97", side)
    server = getattr(pair, side)
    server.run("SET GLOBAL partial_revokes=ON")
    try:
        # no patterns then, as is printed
        make_user(server, "tgtest", [s.replace("\\", "") for s in statements(bin_dir, server, "upstream" if side == "source" else "downstream")])
        j = job(pair, **{f"{side}_url": server.url("tgtest", "Grants-1")}, tables="app.*")
        server.run("CREATE DATABASE IF NOT EXISTS app", "CREATE DATABASE other", "REVOKE SELECT ON app.* FROM tgtest@'%'")
        said = j.run(expect=FAILED)
        assert "60702" in said and "lacks SELECT" in said and "GRANT SELECT ON `app`" in said, said
        server.run("GRANT SELECT ON app.* TO tgtest@'%'", "REVOKE SELECT ON other.* FROM tgtest@'%'")
        j.run()
        pair.assert_equal("app", j.story)
    finally:
        server.run("DROP USER tgtest@'%'", "SET GLOBAL partial_revokes=OFF")


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
