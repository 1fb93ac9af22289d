"""Tables that somebody has made downstream beforehand: what check-task tells of their columns and keys, next to what the server does with the upstream's values."""
import re

import procs
import pymysql
import pytest
from looked import Looked
from worlds import COLUMNS, plain

ITEM = "target_values"
SHOWN = 3  # of one finding, at least
STRICT = "STRICT_TRANS_TABLES,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"  # as the units write


def told(k, **kw):
    """{column: "other" or "refused"}, {table: keys}, and each finding's mend."""
    columns, keys, mends = {}, {}, []
    for item, state, what, mend in k.results(**kw):
        if item != ITEM:
            continue
        assert state == "warn"
        mends.append(mend)
        if "unique keys" in what:
            keys.update(re.findall(r"`app`\.`(\w+)`: (\w+)", what))
        columns.update({c: "other" if "without an error" in what else "refused" for c in re.findall(r"`app`\.`\w+`\.`(\w+)`: ", what)})
    return columns, keys, mends


def fate(d, kind, there, values):
    """Worst of what becomes of the values: None, "other" or "refused"."""
    worst, exact = None, {"float": "a*1e0", "binary(4)": "a"}.get(kind, "")  # as the units say them
    d.run("DROP TABLE IF EXISTS app.probe", f"CREATE TABLE app.probe (a {kind}, b {there})")
    for v in values:
        if v == "NULL":
            continue
        with d.connect() as c, c.cursor() as cur:
            cur.execute("SET sql_mode=%s, time_zone='+00:00'", (STRICT,))
            cur.execute("DELETE FROM app.probe")
            cur.execute(f"INSERT INTO app.probe (a) VALUES ({v})")
            try:
                cur.execute(f"UPDATE app.probe SET b={exact or v}")
            except (pymysql.MySQLError, UnicodeError):
                return "refused"
            cur.execute(f"SELECT {exact or 'a'}, b FROM app.probe")
            a, b = map(plain, cur.fetchone())
            worst = worst or (None if a == b else "other")
    d.run("DROP TABLE app.probe")
    return worst


@pytest.mark.parametrize("up, down", [("my97", "ma1011"), *(pytest.param(u, d, marks=pytest.mark.long) for u, d in (("my97", "my97"), ("ma1011", "ma1011")))])
def test_types(make_pair, job, bin_dir, up, down):
    """What holds all that the upstream's type does is not told; what does not, is, and apart where the server says nothing of it."""
    k = Looked(bin_dir, job, make_pair(up, down))
    s, d = k.source, k.target
    d.run("CREATE DATABASE app")
    seen = set()
    for kind, values, narrower, wider in COLUMNS:
        theirs, columns = [kind] + narrower + wider, {}
        for first in range(0, len(theirs), SHOWN):
            some = dict(enumerate(theirs[first:first + SHOWN], first))
            s.run("DROP TABLE IF EXISTS app.x", "CREATE TABLE app.x (id int PRIMARY KEY, " + ", ".join(f"c{i} {kind}" for i in some) + ")")
            d.run("DROP TABLE IF EXISTS app.x", "CREATE TABLE app.x (id int PRIMARY KEY, " + ", ".join(f"c{i} {t}" for i, t in some.items()) + ")")
            found, keys, _ = told(k)
            assert not keys
            columns.update(found)
        assert "c0" not in columns, (kind, columns)
        for i, there in enumerate(theirs[1:], 1):
            really, said = fate(d, kind, there, values), columns.get(f"c{i}")
            assert bool(said) == (there in narrower), f"{kind} into {there}: {said}"
            assert said or not really, f"{kind} into {there}: {really}, and it is not told"
            assert really != "other" or said == "other" or kind[:3] in ("var", "enu", "set", "jso", "bin", "blo", "bit"), f"{kind} into {there}: others without an error, said {said}"
            seen.add(really)
    assert seen == {None, "other", "refused"}


@pytest.mark.parametrize("up, down", [("my97", "ma1011"), ("ma1011", "my97")])
def test_keys_and_nulls(make_pair, job, bin_dir, up, down):
    k = Looked(bin_dir, job, make_pair(up, down))
    s, d = k.source, k.target
    d.run("CREATE DATABASE app")
    s.run("CREATE TABLE app.x (id int PRIMARY KEY, a int, b varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, UNIQUE KEY ours (b))")
    d.run("CREATE TABLE app.x (id int PRIMARY KEY, a int, b varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, UNIQUE KEY same (b), UNIQUE KEY more (id, a))")
    assert told(k) == ({}, {}, [])
    d.run("ALTER TABLE app.x ADD UNIQUE KEY mine (a)")
    columns, keys, (mend,) = told(k)
    assert (columns, keys) == ({}, {"x": "mine"}) and "drop these keys" in mend
    d.run("ALTER TABLE app.x DROP KEY mine, MODIFY a int NOT NULL, MODIFY b varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    columns, keys, _ = told(k)
    assert (columns, keys) == ({"a": "refused"}, {"x": "same"})
    d.run("ALTER TABLE app.x DROP KEY same, MODIFY a int")
    assert told(k) == ({}, {}, [])


@pytest.mark.parametrize("up, down", [("my97", "ma1011"), ("ma1011", "my97")])
def test_generated(make_pair, job, bin_dir, up, down):
    """Generated on one side alone: a copy would stop, or leave the column empty; the stream alone writes one that is generated upstream."""
    k = Looked(bin_dir, job, make_pair(up, down))
    s, d = k.source, k.target
    s.run("CREATE TABLE app.x (id int PRIMARY KEY, g int AS (id+1) STORED, v int)", "INSERT INTO app.x (id, v) VALUES (1, 5)")
    d.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "CREATE TABLE app.x (id int PRIMARY KEY, g int, v int)")
    k.case("target_columns", "fail", "into `app`.`x`: .* an ordinary column `g`, which is a generated one of the upstream", "ALTER or DROP")
    k.results(more="ignore-checking-items: [all]")
    k.job.ask("start-task", str(k.job.folder / "looked.yaml"))
    procs.wait_for(lambda: k.job.subtask("looked")["stage"] == "Paused", 60, k.job.story, 0.2)
    assert "an ordinary column `g`" in k.job.subtask("looked")["result"]["errors"][0]["Message"]
    k.job.ask("stop-task", "looked")
    assert d.query("SELECT COUNT(*) FROM app.x") == ((0,),)
    assert "ordinary column" not in str(k.found(mode="incremental"))
    d.run("DROP TABLE app.x", "CREATE TABLE app.x (id int PRIMARY KEY, g int AS (id+1) STORED, v int AS (7) VIRTUAL)")
    k.case("target_columns", "fail", "into `app`.`x`: .* a generated column `v`", "ALTER or DROP")
    k.case("target_columns", "warn", "into `app`.`x`: .* a generated column `v`", "ALTER it there", mode="incremental")
    d.run("DROP TABLE app.x", "CREATE TABLE app.x (id int PRIMARY KEY, g int AS (id+1) STORED, v int)")
    k.gone("target_columns")


def test_nothing_is_copied(make_pair, job, bin_dir):
    """A task that only follows, and whose tables are not there."""
    k = Looked(bin_dir, job, make_pair("my97", "ma1011"))
    k.case("target_columns", "warn", "nothing is copied, and these tables are not there: .*: `app`.`t`$", "make the tables there", mode="incremental")
    k.gone("target_columns")
    k.gone("target_columns", mode="load&sync")
    k.target.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)")
    k.gone("target_columns", mode="incremental")


@pytest.mark.parametrize("up, down", [("ma1011", "my97"), ("ma1011", "ma118")])
def test_foreign_keys_lead_out(make_pair, job, bin_dir, up, down):
    """To tables that are not wanted, of an upstream that does not log what they do: the copy makes them, and the sync stops at its first row."""
    k = Looked(bin_dir, job, make_pair(up, down))
    s, d = k.source, k.target
    s.run("CREATE DATABASE far", "CREATE TABLE far.parent (id int PRIMARY KEY)")
    for action, state, words in (("ON DELETE CASCADE", "fail", "change rows of wanted tables .* not wanted"), ("ON UPDATE SET NULL", "fail", "change rows"), ("", "warn", "a row whose parent the downstream has not stops")):
        s.run(f"CREATE TABLE app.child (id int PRIMARY KEY, p int, CONSTRAINT f FOREIGN KEY (p) REFERENCES far.parent (id) {action})")
        k.case("foreign_keys", state, f"{words}.*: `app`.`child` to `far`.`parent`$", "want the parent table")
        k.case("foreign_keys", state, f"{words}.*: `app`.`child` to `far`.`parent`$", "want the parent table", mode="load&sync")
        k.gone("foreign_keys", mode="full")
        k.gone("foreign_keys", mode="incremental")  # nothing makes it there
        d.run("CREATE DATABASE app", "CREATE TABLE app.child (id int PRIMARY KEY, p int)")
        if action:
            k.case("foreign_keys", "fail" if "DELETE" in action else "warn", "`app`.`child`, foreign key `f` to `far`.`parent` ON ", "ADD FOREIGN KEY")
        else:
            k.gone("foreign_keys")
        d.run("CREATE DATABASE far", "CREATE TABLE far.parent (id int PRIMARY KEY)", f"ALTER TABLE app.child ADD FOREIGN KEY (p) REFERENCES far.parent (id) {action}")
        for mode in ("all", "incremental"):
            k.case("foreign_keys", state, f"{words}.*: `app`.`child` to `far`.`parent`$", "want the parent table", mode=mode)
        d.run("DROP DATABASE app", "DROP DATABASE far", "CREATE DATABASE app", "CREATE TABLE app.mine (id int PRIMARY KEY)", "CREATE TABLE app.child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES app.mine (id))")
        assert any(item == "foreign_keys" and re.search("a row whose parent the downstream has not stops.*: `app`.`child` to `app`.`mine`$", what) for item, _, what, _ in k.results())
        d.run("DROP DATABASE app")
        s.run("DROP TABLE app.child")
    s.run("CREATE TABLE app.child (id int PRIMARY KEY, p int, CONSTRAINT f FOREIGN KEY (p) REFERENCES app.t (id) ON DELETE CASCADE)")
    k.gone("foreign_keys")


def test_foreign_keys_that_are_missing(make_pair, job, bin_dir):
    """Of a child that somebody has made downstream without what the upstream's acts by: the sync stops, as far as its account sees them there."""
    k = Looked(bin_dir, job, make_pair("ma1011", "my97"))
    s, d = k.source, k.target
    s.run("CREATE TABLE app.child (id int PRIMARY KEY, p int, CONSTRAINT f FOREIGN KEY (p) REFERENCES app.t (id) ON DELETE CASCADE)", "INSERT INTO app.t VALUES (1)")
    d.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "CREATE TABLE app.child (id int PRIMARY KEY, p int)")
    s.run("GRANT ALL ON app.* TO tgtest@'%'")
    words, mend = "have not the foreign keys .*: `app`.`child`, foreign key `f` to `app`.`t` ON DELETE CASCADE$", "^ALTER TABLE … ADD FOREIGN KEY there"
    for mode, state in (("all", "fail"), ("load&sync", "warn"), ("incremental", "warn")):
        k.case("foreign_keys", state, words, mend, mode=mode)
    k.gone("foreign_keys", mode="full")
    k.gone("foreign_keys", instance=", filter-rules: [no]", more="filters: {no: {schema-pattern: app, table-pattern: child, events: [delete], action: Ignore}}")
    d.run("ALTER TABLE app.child ADD CONSTRAINT mine FOREIGN KEY (p) REFERENCES app.t (id)")
    k.case("foreign_keys", "fail", words, mend)
    d.run("ALTER TABLE app.child DROP FOREIGN KEY mine, ADD CONSTRAINT other FOREIGN KEY (p) REFERENCES app.t (id) ON DELETE CASCADE")
    k.gone("foreign_keys")
    s.run("ALTER TABLE app.child DROP FOREIGN KEY f, ADD CONSTRAINT g FOREIGN KEY (p) REFERENCES app.t (id) ON DELETE CASCADE ON UPDATE CASCADE")
    k.case("foreign_keys", "warn", "foreign key `g` to `app`.`t` ON UPDATE CASCADE$", mend)
    d.run("DROP TABLE app.child")
    k.gone("foreign_keys")
    d.run("CREATE TABLE app.child (id int PRIMARY KEY, p int)")
    k.results(more="ignore-checking-items: [all]")
    k.job.ask("start-task", str(k.job.folder / "looked.yaml"))
    procs.wait_for(lambda: k.job.subtask("looked")["stage"] == "Paused", 60, k.job.story, 0.2)
    assert "foreign key `g` to `app`.`t` ON DELETE CASCADE" in k.job.subtask("looked")["result"]["errors"][0]["Message"]
    k.job.ask("stop-task", "looked")


def test_foreign_keys_that_are_logged(make_pair, job, bin_dir):
    k = Looked(bin_dir, job, make_pair("my97", "ma1011"))
    k.source.run("CREATE DATABASE far", "CREATE TABLE far.parent (id int PRIMARY KEY)", "CREATE TABLE app.child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES far.parent (id) ON DELETE CASCADE)")
    k.gone("foreign_keys")


REFUSED = {("ma1011", "my97"): [("id int PRIMARY KEY, g varchar(60) AS (natural_sort_key(id)) VIRTUAL", "disallowed function: `natural_sort_key`"), ("id int PRIMARY KEY, v text, CHECK (json_detailed(v) <> 'x')", "json_detailed")],
           ("ma1011", "ma105"): [("id int PRIMARY KEY, v varchar(60) DEFAULT natural_sort_key('x')", "natural_sort_key")],
           ("my97", "ma1011"): [("id int PRIMARY KEY, g int AS (bin_to_uuid(x'00112233445566778899aabbccddeeff') IS NULL) VIRTUAL", "bin_to_uuid"), ("id int PRIMARY KEY, v varchar(40) DEFAULT (format_bytes(1))", "format_bytes")]}


@pytest.mark.parametrize("up, down", REFUSED)
def test_expressions_that_are_not_taken(make_pair, job, bin_dir, up, down):
    """Functions that the downstream has not, or does not take there: as the copy would meet them when it makes the table."""
    k = Looked(bin_dir, job, make_pair(up, down))
    s, d = k.source, k.target
    for columns, words in REFUSED[up, down]:
        s.run(f"CREATE TABLE app.f ({columns})", db="app")
        with pytest.raises(pymysql.MySQLError):
            d.run(f"CREATE TABLE idle.f ({columns})", db="idle")
        k.case("table_schema", "fail", f"can't be made there: `app`.`f`: ((?!tidegate_trial).)*{words}((?!tidegate_trial).)*$", "^make the table there by hand")
        k.gone("table_schema", mode="incremental")
        d.run("CREATE DATABASE app", "CREATE TABLE app.f (id int PRIMARY KEY)")  # one that is there is not made
        assert k.found().get("table_schema", ["warn"])[0] == "warn"
        d.run("DROP DATABASE app")
        s.run("DROP TABLE app.f")
    s.run("CREATE TABLE app.f (id int PRIMARY KEY, v int DEFAULT (1+1), g int AS (v+1) STORED, p int, CHECK (v > 0), FOREIGN KEY (p) REFERENCES app.t (id), FULLTEXT (n), n text) ROW_FORMAT=COMPRESSED",
          "CREATE TABLE app.p (id int PRIMARY KEY, v int AS (id+1) VIRTUAL) PARTITION BY HASH (id) PARTITIONS 3")
    assert k.found().get("table_schema", ["warn"])[0] == "warn", k.found()
    assert d.query("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'tidegate_trial%'") == ((0,),)


def test_trials_are_not_logged(make_pair, job, bin_dir):
    """Replicas of the downstream hear nothing of them, not where it logs statements: if need be nothing is tried."""
    k = Looked(bin_dir, job, make_pair("my97", "ma1011"))
    s, d = k.source, k.target
    s.run("CREATE TABLE app.f (id int PRIMARY KEY, v varchar(40) DEFAULT (format_bytes(1)))")
    was = d.query("SELECT @@global.binlog_format")[0][0]

    def files():
        d.run("FLUSH BINARY LOGS")
        return [r[0] for r in d.query("SHOW BINARY LOGS")]

    before = len(files()) - 1

    def logged():
        return [r for f in files()[before:] for r in d.query(f"SHOW BINLOG EVENTS IN '{f}'") if "tidegate_trial" in str(r)]

    try:
        d.run("SET GLOBAL binlog_format='MIXED'")
        for statement, state in (("GRANT BINLOG ADMIN ON *.* TO tgtest@'%'", "fail"), ("REVOKE BINLOG ADMIN ON *.* FROM tgtest@'%'", "warn")):
            d.run(statement)
            assert k.found().get("table_schema", ["warn"])[0] == state, k.found()
            assert logged() == []
        with d.connect() as c, c.cursor() as cur:  # such a server does log them
            cur.execute("CREATE TEMPORARY TABLE idle.tidegate_trial (id int)")
        assert logged()
        before = len(files()) - 1
        d.run("SET GLOBAL binlog_format='ROW'")
        k.case("table_schema", "fail", "format_bytes", "")
        assert logged() == []
    finally:
        d.run(f"SET GLOBAL binlog_format='{was}'")
