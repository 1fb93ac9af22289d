"""What check-task tells beforehand of tables that routes merge: all that would stop the copy, or the stream once a copy of hours is done."""
import pytest
from looked import Looked

LIKE, ITEM = "schema_of_shard_tables", "merged_rows"
ROUTES = 'routes: {m: {schema-pattern: app, table-pattern: "m?", target-schema: app, target-table: m}}'
MERGED = dict(instance=", route-rules: [m]", more=ROUTES)


def with_more(more, rules="route-rules: [m]"):
    return dict(instance=f", {rules}", more=f"{ROUTES}\n{more}")


@pytest.mark.parametrize("up, down", [("my97", "ma1011"), ("ma1011", "my97")])
def test_merged_tables(make_pair, job, bin_dir, up, down):
    k = Looked(bin_dir, job, make_pair(up, down))
    s, d = k.source, k.target
    s.run(*(f"CREATE TABLE app.{t} (id int PRIMARY KEY, preferences text) COMMENT 'references'" for t in ("m", "m1", "m2", "lone")))
    k.gone(LIKE, **MERGED)
    k.gone(ITEM, **MERGED)

    # Word by word, as the copy compares; told only where none is to be made any more.
    s.run("ALTER TABLE app.m2 COMMENT 'of another year'")
    unlike = "are not alike: `app`.`m1` and `app`.`m2` .*references.* of the first is .*of another year.* of the second"
    k.case(LIKE, "fail", unlike, "make them alike", **MERGED)
    k.case(LIKE, "warn", unlike, "make them alike", mode="incremental", **MERGED)
    s.run("ALTER TABLE app.m2 COMMENT 'references'")
    k.gone(LIKE, **MERGED)

    # Foreign keys: own ones, others' to them, and what somebody made downstream.
    for table in ("m2", "lone"):
        s.run(f"ALTER TABLE app.{table} ADD COLUMN p int, ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES app.{'lone' if table == 'm2' else 'm1'} (id)")
        k.case(ITEM, "fail", f"foreign keys of tables .*: `app`.`{table}` to `app`.`{'lone' if table == 'm2' else 'm1'}`$", "DROP the foreign keys", **MERGED)
        k.gone(ITEM, mode="incremental", **MERGED)
        s.run(f"ALTER TABLE app.{table} DROP FOREIGN KEY f", f"ALTER TABLE app.{table} DROP COLUMN p")
    k.gone(ITEM, **MERGED)
    d.run("CREATE DATABASE app", "CREATE TABLE app.m (id int PRIMARY KEY, preferences text)", "CREATE TABLE app.mine (id int, FOREIGN KEY (id) REFERENCES app.m (id))")
    if s.flavor == "mysql":  # it logs what they do: nobody need do it there
        k.gone(ITEM, **MERGED)
    else:
        k.case(ITEM, "fail", "foreign keys of tables .*: `app`.`mine` to `app`.`m`$", "DROP the foreign keys", **MERGED)
        k.case(ITEM, "warn", "foreign keys of tables .*: `app`.`mine` to `app`.`m`$", "DROP the foreign keys", mode="incremental", **MERGED)
        k.gone(ITEM, mode="full", **MERGED)
    d.run("DROP TABLE app.mine")
    k.gone(ITEM, **MERGED)

    # A table that is there, and whose keys name no row of the upstream's.
    d.run("ALTER TABLE app.m DROP PRIMARY KEY, ADD COLUMN shard varchar(64) NOT NULL DEFAULT '', ADD PRIMARY KEY (id, shard)")
    for mode, state in (("all", "fail"), ("incremental", "warn")):
        k.case(ITEM, state, "no unique key .* within .*: `app`.`m` for `app`.`m`, `app`.`m` for `app`.`m1`, `app`.`m` for `app`.`m2`$", "a UNIQUE KEY over", mode=mode, **MERGED)
    k.gone(ITEM, mode="full", **MERGED)
    k.gone(ITEM, **dict(MERGED, more=ROUTES.replace("m?", "m*").replace("target-table: m", 'target-table: m, extract-table: {table-regexp: "(.*)", target-column: shard}')))
    d.run("DROP DATABASE app")

    # Rules that leave rows out of the stream: one that leaves out all of a table is none.
    rule = "filters: {f: {schema-pattern: app, table-pattern: m2, events: [%s], action: Ignore}}"
    for events, state in (("insert", "fail"), ("update", "fail"), ("delete", None), ("delete, update", None), ("all dml", None)):
        words = with_more(rule % events, "route-rules: [m], filter-rules: [f]")
        k.case(ITEM, state, "leave out inserts, or some rows, .*: `app`.`m2`$", "take the rule away", **words) if state else k.gone(ITEM, **words)
        k.gone(ITEM, mode="full", **words)
    k.case(ITEM, "fail", "leave out inserts, or some rows, .*: `app`.`m2`$", "take the rule away",
           **with_more("expression-filter: {x: {schema: app, table: m2, insert-value-expr: id > 3}}", "route-rules: [m], expression-filters: [x]"))
    k.gone(ITEM, **with_more("expression-filter: {x: {schema: app, table: m2, delete-value-expr: id > 3}}", "route-rules: [m], expression-filters: [x]"))
    k.gone(ITEM, **with_more("expression-filter: {x: {schema: app, table: lone, insert-value-expr: id > 3}}", "route-rules: [m], expression-filters: [x]"))
    k.case(ITEM, "warn", "safe-mode is on, .* without it: `app`.`m`, `app`.`m1`, `app`.`m2`$", "safe-mode", **with_more("syncers: {y: {safe-mode: true}}", "route-rules: [m], syncer-config-name: y"))


@pytest.mark.parametrize("up, down", [("ma1011", "ma118")])
def test_merged_sequences(make_pair, job, bin_dir, up, down):
    """What the load would refuse: two sequences with one target, a sequence and a table. In the letters of either."""
    k = Looked(bin_dir, job, make_pair(up, down))
    s = k.source
    s.run("CREATE SEQUENCE app.m1", "CREATE TABLE app.lone (id int PRIMARY KEY)", "CREATE SEQUENCE app.other")
    k.gone(LIKE, **MERGED)
    for made in ("CREATE TABLE app.m2 (id int PRIMARY KEY)", "CREATE SEQUENCE app.m2", "CREATE TABLE app.m (id int PRIMARY KEY)", "CREATE SEQUENCE app.M"):
        s.run(made)
        first, second = ("m", "m1") if made.endswith("m (id int PRIMARY KEY)") else ("M", "m1") if made.endswith("M") else ("m1", "m2")
        if "TABLE app.m2" in made:
            first, second = second, first
        k.case(LIKE, "fail", f"sequence.*: `app`.`{first}` and `app`.`{second}`$", "give each a target of its own", **MERGED)
        k.gone(LIKE, mode="incremental", **MERGED)
        word = "SEQUENCE" if "SEQUENCE" in made else "TABLE"
        s.run(f"DROP {word} {made.split()[2]}")
        k.gone(LIKE, **MERGED)


@pytest.mark.parametrize("up, down", [("my97", "ma1011")])
def test_each_table_is_asked_for_once(make_pair, job, bin_dir, up, down):
    """Several questions want a table's CREATE statement, of which the upstream is asked once: 200 tables, by its own log."""
    k = Looked(bin_dir, job, make_pair(up, down))
    s = k.source
    s.run(*(f"CREATE TABLE app.m{n} (id int PRIMARY KEY)" for n in range(200)))
    words = dict(instance=", route-rules: [m]", more=ROUTES.replace('"m?"', '"m*"'))
    s.run("SET GLOBAL log_output='TABLE'", "TRUNCATE TABLE mysql.general_log", "SET GLOBAL general_log=ON")
    try:
        k.gone(LIKE, **words)
    finally:
        s.run("SET GLOBAL general_log=OFF", "SET GLOBAL log_output='FILE'")
    asked = [r[0].decode() if isinstance(r[0], bytes) else r[0] for r in s.query("SELECT argument FROM mysql.general_log WHERE command_type='Query'")]
    shown = [a for a in asked if a.startswith("SHOW CREATE TABLE `app`.`m")]
    assert len(set(shown)) == 200 and len(shown) == 200, f"{len(shown)} of {len(asked)} statements"


def test_tables_of_two_sources(make_pair, job, bin_dir):
    """`app`.`lone` of each is alone in its source, and its rows meet the other's."""
    pair = make_pair("my97", "ma1011")
    k = Looked(bin_dir, job, pair)
    s, d = k.source, k.target
    k.also(s, "two")
    s.run("CREATE TABLE app.lone (id int PRIMARY KEY, other int)", "ALTER TABLE app.lone ADD FOREIGN KEY (other) REFERENCES app.t (id)")
    routes = 'routes: {m: {schema-pattern: app, table-pattern: lone, target-schema: app, target-table: m}}'
    leaves = "\nexpression-filter: {x: {schema: app, table: lone, insert-value-expr: id > 3}}"
    both = dict(instance=", route-rules: [m], expression-filters: [x]}, {source-id: two, block-allow-list: app, route-rules: [m]", more=routes + leaves)
    k.case(ITEM, "fail", "leave out inserts, or some rows, .*: `app`.`lone`$", "take the rule away", **both)
    k.gone(ITEM, instance=", route-rules: [m], expression-filters: [x]", more=routes + leaves)
    k.gone(ITEM, **dict(both, instance=both["instance"].replace(", expression-filters: [x]", ""), more=routes))
    d.run("CREATE DATABASE app", "CREATE TABLE app.m (id int, other int, PRIMARY KEY (id, other))")
    k.case(ITEM, "fail", "no unique key .* within .*: `app`.`m` for `app`.`lone`$", "a UNIQUE KEY over", **dict(both, instance=both["instance"].replace(", expression-filters: [x]", ""), more=routes))
