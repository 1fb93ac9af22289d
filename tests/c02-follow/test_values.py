"""Values and images that few tables have: they must come through the stream as the copy brought them, or as the upstream's server says them."""
import random

import pytest

import ends
from ends import live
from tidegate import FAILED


@pytest.fixture
def follow(build_dir, server):
    """follow(source, target): the two servers, and a relay with sync between them."""
    made = []

    def begin(source, target, schemas=("p",), **how):
        e = ends.Ends(server, source, target)
        made.append(live.Follow(build_dir, e.up, e.down, list(schemas), **how))
        return e.up, e.down, made[-1]

    yield begin
    for f in made:
        f.close()


@pytest.mark.parametrize("source", ["ma1011", pytest.param("ma118", marks=pytest.mark.long)])
def test_addresses(follow, source):
    """MySQL has IPv6 addresses as text, as the copy read it: what the stream writes must be the server's own form, whichever words are zero."""
    up, down, f = follow(source, "my97")
    rnd = random.Random(6)
    words = [["0000" if bits >> i & 1 else rnd.choice(["ffff", "00%02x" % rnd.randrange(1, 256), "%04x" % rnd.randrange(1, 65536)]) for i in range(8)] for bits in range(256)]
    words += [["0000"] * 5 + [x] + w for x in ("ffff", "fffe", "0000") for w in (["c000", "0201"], ["0001", "0001"], ["0000", "0001"])]
    made = [f"UNHEX('{''.join(w)}')" for w in words]
    up.run("SET sql_log_bin=0", "CREATE DATABASE p", "CREATE TABLE p.t (i inet6 PRIMARY KEY, v int)", "CREATE TABLE p.n (id int PRIMARY KEY, i inet6)",
           "INSERT IGNORE INTO p.t VALUES " + ",".join(f"({m}, 1)" for m in made))
    said = [t for t, in up.query("SELECT CAST(i AS CHAR) FROM p.t")]
    down.run("CREATE DATABASE p", "CREATE TABLE p.t (i varchar(39) PRIMARY KEY, v int)", "CREATE TABLE p.n (id int PRIMARY KEY, i varchar(39))",
             "INSERT INTO p.t VALUES " + ",".join(f"('{t}', 1)" for t in said))
    f.start()
    up.run("UPDATE p.t SET v=2", "INSERT INTO p.n VALUES " + ",".join(f"({n}, {m})" for n, m in enumerate(made)))
    f.end()


@pytest.mark.parametrize("source, target", [("my97", "ma1011"), pytest.param("ma1011", "my97", marks=pytest.mark.long)])
def test_charset_of_now(follow, source, target):
    """Rows of before a change of charset that nobody has on record: what the upstream says now does not explain them. Where all of it is in the
    stream, each row is read in the charset that it was written in."""
    up, down, f = follow(source, target)
    if up.flavor == "mariadb":
        up.run("SET GLOBAL binlog_row_metadata=MINIMAL")
    try:
        up.run("SET sql_log_bin=0", "CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, v varchar(20) CHARACTER SET latin1, b varbinary(9), e enum('a','é') CHARACTER SET latin1)")
        down.run("CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, v varchar(20) CHARACTER SET utf8mb4, b varbinary(9), e enum('a','é'))")
        up.run("CREATE TABLE p.seen (id int PRIMARY KEY, v varchar(20) CHARACTER SET latin1, w text CHARACTER SET utf8mb4)")
        f.start()
        f.wait()
        f.stop()
        up.run("INSERT INTO p.seen VALUES (1, 'é', 'é')", "ALTER TABLE p.seen CONVERT TO CHARACTER SET utf8mb4", "INSERT INTO p.seen VALUES (2, 'é', 'é')")
        f.start()
        f.wait()
        assert down.query("SELECT HEX(CONVERT(v USING utf8mb4)) FROM p.seen") == (("C3A9",), ("C3A9",))
        f.stop()
        up.run("INSERT INTO p.t VALUES (1, 'é', x'ff', 'é')")
        up.run("SET sql_log_bin=0", "ALTER TABLE p.t MODIFY v varchar(20) CHARACTER SET utf8mb4")
        f.start()
        f.wait_error(36027)
        assert "column `v` is in charset latin1 in the binlog and in utf8mb4 in the known structure" in f.out, f.out[-3000:]
        assert not down.query("SELECT * FROM p.t")
    finally:
        if up.flavor == "mariadb":
            up.run("SET GLOBAL binlog_row_metadata=NO_LOG")


def test_charsets_that_fit(follow):
    """MariaDB logs a charset of GEOMETRY columns too, which is no text's; and utf8mb3 of before a CONVERT TO utf8mb4 has the same bytes."""
    up, down, f = follow("ma1011", "my97")
    up.run("SET GLOBAL binlog_row_metadata=MINIMAL")
    try:
        columns = "id int PRIMARY KEY, g point, v varchar(9) CHARACTER SET {}, h geometry, b varbinary(9), w varchar(9) CHARACTER SET {}"
        up.run("SET sql_log_bin=0", "CREATE DATABASE p", f"CREATE TABLE p.t ({columns.format('utf8mb4', 'utf8mb3')})")
        down.run("CREATE DATABASE p", f"CREATE TABLE p.t ({columns.format('utf8mb4', 'utf8mb4')})")
        up.run("INSERT INTO p.t VALUES (1, POINT(1, 2), 'é', NULL, x'ff', 'ü')")
        up.run("SET sql_log_bin=0", "ALTER TABLE p.t MODIFY w varchar(9) CHARACTER SET utf8mb4")
        up.run("INSERT INTO p.t VALUES (2, NULL, '😀', POINT(3, 4), x'00', '😀')")
        f.start()
        f.wait()
        rows = "SELECT id, ST_AsText(g), v, ST_AsText(h), HEX(b), w FROM p.t ORDER BY id"
        assert up.query(rows) == down.query(rows)
        f.stop()
    finally:
        up.run("SET GLOBAL binlog_row_metadata=NO_LOG")


@pytest.mark.parametrize("target", ["my97", pytest.param("ma1011", marks=pytest.mark.long)])
def test_hidden_keys(make_pair, job, target):
    """MySQL hides the primary keys that it makes by itself where it is told to: rows have them all the same, in the copy and in the stream."""
    pair = make_pair("my97", target)
    s, d = pair.source, pair.target
    hides = [x for x in (s, d) if x.flavor == "mysql"]
    try:
        for x in hides:
            x.run("SET GLOBAL show_gipk_in_create_table_and_information_schema=OFF")
        s.run("SET sql_generate_invisible_primary_key=ON", "CREATE DATABASE app", "CREATE TABLE app.t (v int)", "INSERT INTO app.t VALUES (1), (1), (2)")
        j = job(pair, tables="app.*")
        j.run()
        s.run("SET sql_generate_invisible_primary_key=ON", "DELETE FROM app.t LIMIT 1", "UPDATE app.t SET v=3 WHERE v=2", "CREATE TABLE app.u (v int)",
              "INSERT INTO app.u VALUES (7)", "UPDATE app.u SET v=8")
        j.run()
    finally:
        for x in hides:
            x.run("SET GLOBAL show_gipk_in_create_table_and_information_schema=ON")
    rows = "SELECT my_row_id, v FROM app.t ORDER BY 1"
    assert len(s.query(rows)) == 2 and s.query(rows) == d.query(rows)
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("source", ["my97", "ma1011"])
def test_keys_that_the_downstream_makes(source, make_pair, job):
    """A MySQL downstream that wants primary keys and makes them by itself: tables without one are copied, followed and changed as they are elsewhere."""
    pair = make_pair(source, "my97")
    s, d = pair.source, pair.target
    made = ("sql_require_primary_key", "sql_generate_invisible_primary_key")
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (a int, v varchar(9))", "INSERT INTO app.t VALUES (1, 'a'), (1, 'a'), (2, 'b'), (3, NULL)", "CREATE TABLE app.w (a int UNIQUE, v int unsigned)", "INSERT INTO app.w VALUES (1, 1)")
    try:
        d.run(*(f"SET GLOBAL {x}=ON" for x in made))
        j = job(pair, tables="app.*")
        for place in ("load_schema", "load_all_done"):
            j.failpoints.arm(place)

        def same(*tables):
            j.run()
            for t in tables:
                columns = ", ".join(row[0] for row in s.query(f"SHOW COLUMNS FROM app.{t}"))
                assert s.query(f"SELECT {columns} FROM app.{t} ORDER BY 1, 2") == d.query(f"SELECT {columns} FROM app.{t} ORDER BY 1, 2"), (t, j.story())
        same("t", "w")
        assert j.failpoints.all_fired() == {"load_schema": 1, "load_all_done": 1}, j.story()
        s.run("UPDATE app.t SET v='x' WHERE a=1 LIMIT 1", "DELETE FROM app.t WHERE v='b'", "INSERT INTO app.t VALUES (4, 'd'), (4, 'd')", "UPDATE app.w SET v=3000000000", "UPDATE app.t SET v='n' WHERE v IS NULL")
        same("t", "w")
        s.run("ALTER TABLE app.t ADD COLUMN n int unsigned DEFAULT 3000000000 FIRST", "UPDATE app.t SET v='y' WHERE a=4 LIMIT 1", "INSERT INTO app.t VALUES (5, 5, 'e')", "DELETE FROM app.t WHERE v='d'",
              "ALTER TABLE app.w MODIFY v bigint", "UPDATE app.w SET v=-7", "CREATE TABLE app.u (v int, w int)", "INSERT INTO app.u VALUES (7, 7), (7, 7)", "DELETE FROM app.u LIMIT 1", "ALTER TABLE app.u DROP COLUMN w, ADD x int", "UPDATE app.u SET x=8",
              "CREATE TABLE app.l LIKE app.t", "INSERT INTO app.l SELECT * FROM app.t", "DELETE FROM app.l WHERE a=1")
        same("t", "w", "u", "l")
        assert d.query("SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='app' AND COLUMN_NAME='my_row_id'") == ((4,),)
        assert "my_row_id" not in str(d.query("SELECT structure FROM dm_meta.tidegate_structure WHERE table_schema='app'"))
        # what the check warns of
        s.run("ALTER TABLE app.w ADD PRIMARY KEY (a)")
        assert "10006" in j.run(expect=FAILED), j.story()
    finally:
        d.run(*(f"SET GLOBAL {x}=OFF" for x in made))


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
def test_invalid_enum_beside_a_value_too_long(follow, source, target):
    """A row with ENUM's invalid value is written without strict mode: what else does not fit must be refused all the same, not cut."""
    up, down, f = follow(source, target)
    columns = "id int PRIMARY KEY, e enum('a','b'), g enum('a') NOT NULL, v varchar(%s) CHARACTER SET utf8, n %s"
    up.run("SET sql_log_bin=0", "CREATE DATABASE p", "CREATE TABLE p.t (" + columns % (9, "int") + ")")
    down.run("CREATE DATABASE p", "CREATE TABLE p.t (" + columns % (3, "tinyint") + ")")
    f.start()
    up.run("SET sql_mode=''", "INSERT INTO p.t VALUES (1, 'x', 'x', 'abc', 1), (2, 'a', 'x', NULL, 1), (3, 'x', 'a', 'q', 1)", "UPDATE p.t SET n=n+1, e='x'")
    f.wait()
    for change, number, mend in (("INSERT INTO p.t VALUES (4, 'x', 'a', 'abcd', 1)", 1265, "MODIFY v varchar(9) CHARACTER SET utf8"), ("UPDATE p.t SET n=1000 WHERE id=3", 1264, "MODIFY n int")):
        up.run("SET sql_mode=''", change)
        f.wait_error(10006)
        assert f"another value that does not fit: {number} " in f.out, f.out[-3000:]
        down.run("ALTER TABLE p.t " + mend)
        f.start()
        f.wait()
    f.end()


@pytest.mark.parametrize("source, target", [("my97", "ma1011"), ("ma1011", "my97")])
def test_large_bytes(follow, source, target):
    """A value of more than half of what the downstream takes in a packet: what the copy brings the stream must bring, too."""
    up, down, f = follow(source, target)
    was = down.query("SELECT @@max_allowed_packet")[0][0]
    down.run("SET GLOBAL max_allowed_packet=4194304")
    try:
        f.start()
        every = "UNHEX('" + "".join("%02x" % i for i in range(256)) + "')"
        line = "ST_GeomFromText(CONCAT('LINESTRING(0 0', REPEAT(',1.25 2.5', 10000), ')'))"
        up.run("CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, b longblob, g geometry)", "CREATE TABLE p.n (b longblob, g geometry)",
               f"INSERT INTO p.t VALUES (1, REPEAT({every}, 12000), NULL), (2, REPEAT({every}, 256), {line}), (3, CONCAT(REPEAT({every}, 256), 'x'), NULL)",
               f"INSERT INTO p.n VALUES (REPEAT({every}, 1200), {line})", "UPDATE p.t SET b=CONCAT('u', b)", "DELETE FROM p.n")
        f.wait()
        assert not down.query("SELECT 1 FROM p.n")
        down.run(f"SET GLOBAL max_allowed_packet={was}")  # what compares them makes values longer
        f.end()
    finally:
        down.run(f"SET GLOBAL max_allowed_packet={was}")


HASHED = [("ma1011", "ma1011", "FULL"), ("ma118", "ma1011", "MINIMAL"), pytest.param("ma105", "ma1011", "NOBLOB", marks=pytest.mark.long), pytest.param("ma118", "ma118", "FULL_NODUP", marks=pytest.mark.long)]


@pytest.mark.parametrize("source, target, image", HASHED)
def test_unique_over_long_values(make_pair, job, source, target, image):
    """MariaDB's unique keys over TEXT and long VARCHARs: rows in the binlog have a hidden column for each. A value that one row gives up and another takes
    keeps its order, whatever the appliers do."""
    pair = make_pair(source, target)
    s = pair.source
    was = s.query("SELECT @@GLOBAL.binlog_row_image")[0][0]
    try:
        s.run(f"SET GLOBAL binlog_row_image='{image}'")
        s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, a text NOT NULL, b longblob, n int, v int AS (n+1) VIRTUAL, z bigint, UNIQUE KEY (a), UNIQUE KEY (b, n))",
              "CREATE TABLE app.k (a text NOT NULL UNIQUE, g bigint)", "CREATE TABLE app.l (a varchar(3000) CHARACTER SET utf8mb4 NOT NULL UNIQUE, g int)",
              "INSERT INTO app.t (id, a, b, n, z) SELECT seq, CONCAT('a', seq), CONCAT('b', seq), seq, 1 FROM mysql.seq_1_to_50",
              "INSERT INTO app.k VALUES ('x', 1), ('y', 2)", "INSERT INTO app.l VALUES ('x', 1), ('y', 2)")
        j = job(pair, tables="app.*")
        j.run()
        for i in range(1, 40):
            s.run(f"UPDATE app.t SET a='free{i}', n=n+100 WHERE id={i}", f"UPDATE app.t SET a='a{i}', z=z+1 WHERE id={i + 1}", f"DELETE FROM app.t WHERE id={i}",
                  f"INSERT INTO app.t (id, a, b, n) VALUES ({i + 100}, 'free{i}', 'b{i}', {i})")
        s.run("UPDATE app.k SET g=3 WHERE a='x'", "DELETE FROM app.k WHERE a='y'", "INSERT INTO app.k VALUES ('z', 7)", "UPDATE app.l SET a='q' WHERE a='x'", "UPDATE app.l SET g=9",
              "ALTER TABLE app.t ADD w int FIRST, ADD UNIQUE KEY (a, z) USING HASH", "UPDATE app.t SET w=id, a=CONCAT('w', a)", "ALTER TABLE app.k DROP KEY a", "UPDATE app.k SET a='r'")
        j.run()
    finally:
        s.run(f"SET GLOBAL binlog_row_image='{was}'")
    pair.assert_equal("app", j.story)


def test_gb18030(make_pair, job):
    """MariaDB knows no gb18030: the text goes there in UTF-8, in the copy as in the stream, and is found by it again."""
    pair = make_pair("my97", "ma1011")
    s = pair.source
    texts = ["", "a'b", "\u4e2d\u6587", "\u00e9\u20ac", "\U00020000\u4e00", "\u3400?"]
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20) CHARACTER SET gb18030, l varchar(9) CHARACTER SET latin1)",
          "CREATE TABLE app.k (k varchar(20) CHARACTER SET gb18030 COLLATE gb18030_bin PRIMARY KEY, n int)", "CREATE TABLE app.n (v text CHARACTER SET gb18030)",
          "CREATE TABLE app.e (id int PRIMARY KEY, e enum('a','\u4e57') CHARACTER SET gb18030, f enum('','\u4e2d') CHARACTER SET gb18030, w set('\u4e57','b') CHARACTER SET gb18030)",
          "SET sql_mode=''", "INSERT INTO app.e VALUES (1, 2, 2, 3), (2, 0, 1, 0), (3, 1, 0, 2), (4, NULL, NULL, NULL)")
    add = [x for i, t in enumerate(texts) for x in (("INSERT INTO app.t VALUES (%s, %s, '\u00e9')", (i, t)), ("INSERT INTO app.k VALUES (%s, 1)", (t,)), ("INSERT INTO app.n VALUES (%s)", (t,)))]
    s.run(*add)
    j = job(pair, tables="app.*")
    j.run()
    s.run("UPDATE app.t SET v=CONCAT(v, '\u4e2d'), id=id+100", "UPDATE app.k SET n=2", "DELETE FROM app.k WHERE k='\u4e2d\u6587'", "UPDATE app.n SET v=CONCAT(v, 'x')", "DELETE FROM app.n LIMIT 2", "UPDATE app.e SET w=1, e=2 WHERE id > 1", *add[0::3])
    j.run()
    for sql in ("SELECT id, HEX(CONVERT(v USING utf8mb4)), l FROM app.t", "SELECT HEX(CONVERT(k USING utf8mb4)), n FROM app.k", "SELECT HEX(CONVERT(v USING utf8mb4)) FROM app.n",
                "SELECT id, e+0, HEX(CONVERT(e USING utf8mb4)), f+0, w+0 FROM app.e"):
        assert sorted(s.query(sql), key=str) == sorted(pair.target.query(sql), key=str), sql
    assert len(s.query("SELECT * FROM app.t")) == 2 * len(texts)


def test_old_times_left_out(follow):
    """MariaDB's old times don't say how long they are: a table that filters leave out whole, of which nobody has the structure, is passed."""
    up, down, f = follow("ma1011", "my97")
    was = up.query("SELECT @@GLOBAL.mysql56_temporal_format")[0][0]
    for s in f.slices.values():
        s["rules"] = {"do_dbs": ["p"], "filters": [{"schema-pattern": "p", "table-pattern": "out", "events": ["all dml"], "action": "Ignore"}]}
    try:
        up.run("SET GLOBAL mysql56_temporal_format=OFF")
        f.start()
        up.run("CREATE DATABASE p", "CREATE TABLE p.out (id int PRIMARY KEY, t time(3), d datetime(6), s timestamp(1) NULL, v varchar(9))", "CREATE TABLE p.t LIKE p.out",
               "INSERT INTO p.out VALUES (1, '-10:11:12.345', '2020-01-02 03:04:05.678901', '2020-01-02 03:04:05.6', 'x')", "INSERT INTO p.t SELECT * FROM p.out", "UPDATE p.out SET t='1:2:3.4'",
               "DELETE FROM p.out")
        f.end()
        assert down.query("SELECT COUNT(*) FROM p.t")[0][0] == 1
    finally:
        up.run(f"SET GLOBAL mysql56_temporal_format={was}")


@pytest.mark.parametrize("source, target", [("my97", "ma1011"), ("ma1011", "my97")])
def test_an_empty_member_alone(follow, source, target):
    """An empty text as a SET's member: servers hand the new row of an upsert on as text, in which it is none of the members; in rows that change elsewhere, too."""
    up, down, f = follow(source, target, sync={"bulk_rows": 1})
    many = ",".join(f"'m{i}'" for i in range(63))
    f.start()
    up.run("CREATE DATABASE p", f"CREATE TABLE p.t (id int PRIMARY KEY, n int, s set('a','') NOT NULL, w set('',{many}), l set({many},'') CHARACTER SET latin1)",
           "INSERT INTO p.t VALUES (1, 0, 2, 1, 1<<63), (2, 0, 0, 0, 0), (3, 0, 1, NULL, 3), (4, 0, 3, 18446744073709551615, 18446744073709551615)")
    f.wait()
    up.run("UPDATE p.t SET n=1")
    f.wait()
    f.check()
    up.run("UPDATE p.t SET s=3-s, l=1<<63, w=1 WHERE id > 1")
    f.end()


@pytest.mark.parametrize("source, target", [("my97", "ma1011"), ("ma1011", "my97")])
def test_members_into_texts(make_pair, job, source, target):
    """ENUM and SET are numbers in the binlog: a text that somebody has made for them downstream gets the members' names, as it did in the copy; also as a key, in a table without one, and of the invalid value."""
    pair = make_pair(source, target)
    s, d = pair.source, pair.target
    e, w = "enum('a','it''s','b,c','é','x\\\\y')", "set('a','it''s','é')"
    for x, made in ((s, (e, w)), (d, ("varchar(20) CHARACTER SET utf8mb4", "varchar(40) CHARACTER SET latin1"))):
        x.run("CREATE DATABASE app", f"CREATE TABLE app.t (id int PRIMARY KEY, e {made[0]}, w {made[1]}, n int)", f"CREATE TABLE app.k (e {made[0]} PRIMARY KEY, n int)",
              f"CREATE TABLE app.s (w {made[1]} PRIMARY KEY, n int)", f"CREATE TABLE app.n (e {made[0]}, w {made[1]}, n int)")

    def add(first, least=0):
        rows = [f"({first + i}, {least + i % (6 - least) if i < 12 else 'NULL'}, {i % 8 if i < 12 else 'NULL'}, 0)" for i in range(14)]
        s.run("SET sql_mode=''", "INSERT INTO app.t VALUES " + ",".join(rows), "INSERT INTO app.n SELECT e+0, w+0, n FROM app.t WHERE id >= " + str(first))
    add(1, least=1)  # the copy has no form but 0 for an ENUM's invalid value
    s.run("INSERT INTO app.k VALUES (1, 1), (2, 1), (3, 1)", "INSERT INTO app.s VALUES (0, 1), (3, 1), (7, 1)")
    j = job(pair, tables="app.*")
    j.run()

    def same():
        for t, columns in {"t": "id, e, w, n", "k": "e, n", "s": "w, n", "n": "e, w, n"}.items():
            want, have = (sorted(map(str, x.query(f"SELECT {columns} FROM app.{t}"))) for x in (s, d))
            assert want == have and want, (t, j.story())
    same()
    add(101)
    s.run("SET sql_mode=''", "UPDATE app.t SET n=1, e=e+1 WHERE e < 5", "UPDATE app.t SET w=7-w", "UPDATE app.k SET n=2", "UPDATE app.k SET e=5 WHERE e=3", "DELETE FROM app.k WHERE e=1",
          "UPDATE app.s SET n=2", "UPDATE app.s SET w=5 WHERE w=7", "DELETE FROM app.s WHERE w=3", "UPDATE app.n SET n=e+0", "DELETE FROM app.n WHERE e=2 OR w=4")
    j.run()
    same()


@pytest.mark.parametrize("source, target", [("my97", "ma1011"), ("ma1011", "my97")])
def test_members_that_have_no_names(follow, source, target):
    """With a member '' a name does not tell the invalid value from it, and the copy writes numbers: into a text, that stops by name."""
    up, down, f = follow(source, target)
    up.run("SET sql_log_bin=0", "CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, e enum('a',''))")
    down.run("CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, e varchar(9))")
    up.run("INSERT INTO p.t VALUES (1, 'a')")
    f.start()
    f.wait_error(36027)
    assert "column `e` is enum('a','') in the upstream and varchar(9) in the downstream" in f.out, f.out[-3000:]
    assert not down.query("SELECT * FROM p.t")


@pytest.mark.parametrize("source, target", [("my97", "ma1011"), ("ma1011", "my97")])
def test_the_key_of_a_minimal_image(follow, source, target):
    """Without a primary key a minimal image holds the unique key that was declared first, whatever its name."""
    up, down, f = follow(source, target)
    f.start()
    up.run("CREATE DATABASE p", "CREATE TABLE p.t (a int NOT NULL, b int NOT NULL, c int, d varchar(9) NOT NULL, UNIQUE KEY zz (b), UNIQUE KEY aa (a), UNIQUE KEY mm (d, a))",
           "SET SESSION binlog_row_image=MINIMAL", "INSERT INTO p.t VALUES (1, 11, 1, 'x'), (2, 12, 1, 'x'), (3, 13, 1, 'x'), (4, 14, 1, 'x'), (5, 15, 1, 'y')",
           "UPDATE p.t SET c=2", "UPDATE p.t SET b=b+100 WHERE a=2", "UPDATE p.t SET a=77 WHERE b=13", "DELETE FROM p.t WHERE a IN (1, 4)",
           "SET SESSION binlog_row_image=FULL", "UPDATE p.t SET c=3 WHERE a=5")
    print(f.end())


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma118"), ("ma1011", "ma118")])
def test_columns_generated_out_of_times(make_pair, job, source, target):
    """A stored column that is made of a TIMESTAMP is each writer's local time upstream: it is said that the downstream's may be another one; once, whatever DDL is behind it; of one that is made when it is read, of a DATETIME, of seconds, or of the downstream's own, nothing is said."""
    pair = make_pair(source, target)
    s = pair.source
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, ts timestamp NULL, d datetime, local date AS (cast(ts AS date)) STORED, own date AS (cast(d AS date)) STORED, late int AS (id + 1) VIRTUAL)")
    if source.startswith("ma") and target.startswith("ma"):  # MySQL has no such column
        s.run("ALTER TABLE app.t ADD seconds bigint AS (unix_timestamp(ts)) STORED")
    j = job(pair, tables="app.*")
    j.run()
    before = len(j.log())
    pair.target.run("ALTER TABLE app.t ADD mine int AS (hour(ts)) STORED")
    row = "INSERT INTO app.t (id, ts, d) VALUES ({}, '2020-01-01 10:00:00', '2020-01-01')"
    s.run(row.format(1), "ALTER TABLE app.t ADD a int", row.format(2), "ALTER TABLE app.t ADD b int", row.format(3))
    j.run()
    said = [line for line in j.log()[before:].splitlines() if "is generated out of the TIMESTAMP" in line]
    assert len(said) == 1 and "`app`.`t`: the stored column `local`" in said[0] and "`ts`" in said[0], j.story()


@pytest.mark.parametrize("source, target", [("ma1011", "ma1011"), pytest.param("ma1011", "ma118", marks=pytest.mark.long)])
def test_rows_against_a_check(make_pair, job, source, target):
    """Rows that came in while the upstream's session did not look at CHECKs are its rows: copied, changed, and put through an ALTER as there, which looks at them or not as the upstream's did."""
    pair = make_pair(source, target)
    s, d = pair.source, pair.target
    s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, n int CHECK (n > 0), s timestamp NOT NULL DEFAULT '2020-01-01 10:00:00', CONSTRAINT day CHECK (hour(s) < 20))",
          "CREATE TABLE app.late (id int PRIMARY KEY, n int)", "INSERT INTO app.late VALUES (1, -1), (2, 2)", "SET check_constraint_checks=0", "INSERT INTO app.t (id, n) VALUES (1, -1), (2, 2)")
    s.run("SET time_zone='+10:00'", "INSERT INTO app.t VALUES (9, 1, '2020-01-01 07:00:00')")  # 21 o'clock in UTC
    j = job(pair, tables="app.*")
    j.run()
    pair.assert_equal("app", j.story)
    s.run("SET check_constraint_checks=0", "UPDATE app.t SET n=n-5", "INSERT INTO app.t (id, n) VALUES (3, -3)", "DELETE FROM app.t WHERE id=1",
          "ALTER TABLE app.late ADD CONSTRAINT late CHECK (n > 0)", "ALTER TABLE app.t MODIFY n bigint CHECK (n > 0)", "INSERT INTO app.late VALUES (3, -3)")
    s.run("ALTER IGNORE TABLE app.late MODIFY n bigint, ADD CONSTRAINT less CHECK (id < 3)")
    j.run()
    assert d.query("SELECT id FROM app.late ORDER BY 1") == s.query("SELECT id FROM app.late ORDER BY 1")
    pair.assert_equal("app", j.story)


def test_a_check_that_mysql_enforces(follow):
    """MySQL has no session that passes by its CHECKs: a row of the upstream that one refuses is an error that says what to do; done, it goes on."""
    up, down, f = follow("ma1011", "my97")
    f.start()
    up.run("CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, n int, CONSTRAINT more CHECK (n > 0))", "SET check_constraint_checks=0", "INSERT INTO p.t VALUES (1, -1)")
    f.wait_error(10006)
    assert "'more' is violated" in f.out and "ALTER CONSTRAINT ... NOT ENFORCED in the downstream, then resume-task" in f.out, f.out[-3000:]
    down.run("ALTER TABLE p.t ALTER CONSTRAINT more NOT ENFORCED")
    f.start()
    f.end()


def test_json_deeper_than_mariadb_reads(make_pair, job):
    """MariaDB's json_valid ends at 32 levels, MySQL's at 100: the CHECK that MariaDB's JSON is must not refuse what the upstream has; in the copy, and in the stream."""
    pair = make_pair("my97", "ma1011")
    s = pair.source
    deep = "CONCAT(REPEAT('[', {0}), REPEAT(']', {0}))"
    s.run("CREATE DATABASE app", "CREATE TABLE app.j (id int PRIMARY KEY, j json)", f"INSERT INTO app.j VALUES (1, {deep.format(60)}), (2, '[1]')")
    j = job(pair, tables="app.*")
    j.run()
    s.run(f"INSERT INTO app.j VALUES (3, {deep.format(90)})", f"UPDATE app.j SET j={deep.format(50)} WHERE id=2", "UPDATE app.j SET id=id+10", "ALTER TABLE app.j MODIFY id bigint")
    j.run()
    assert s.query("SELECT id, CAST(j AS CHAR) FROM app.j ORDER BY id") == pair.target.query("SELECT id, j FROM app.j ORDER BY id")


def test_bytes_inside_json(follow):
    """Bytes and bits inside of JSON keep their type, which JSON_TYPE and the text show: not a string of base64; in arrays, alone, long, in a table without a key, and in a partial update. A TINYBLOB, which no expression makes, is its text."""
    up, down, f = follow("my97", "my97")
    kinds = {"b": "blob", "m": "mediumblob", "l": "longblob", "bi": "binary(5)", "vb": "varbinary(300)", "bt": "bit(10)", "b1": "bit(1)", "b8": "bit(64)", "ti": "tinyblob"}
    up.run("CREATE DATABASE p", "CREATE TABLE p.s (" + ", ".join(f"{k} {v}" for k, v in kinds.items()) + ")", "CREATE TABLE p.j (id varchar(9) PRIMARY KEY, j json)", "CREATE TABLE p.k (j json, n int)",
           "INSERT INTO p.s VALUES (x'00ff27', REPEAT(x'01', 70000), x'5c', x'01ff', REPEAT(x'fe', 300), b'1010101010', b'1', ~0, x'ff'), ('', '', '', '', '', 0, 0, 0, '')")
    f.start()
    for k in kinds:
        up.run(f"INSERT INTO p.j SELECT CONCAT('a{k}', LENGTH(ti)), JSON_ARRAY(1, {k}, JSON_OBJECT('k', {k}, 'x', 1.5)) FROM p.s", f"INSERT INTO p.j SELECT CONCAT('{k}', LENGTH(ti)), CAST({k} AS JSON) FROM p.s",
               f"INSERT INTO p.k SELECT CAST({k} AS JSON), 1 FROM p.s")
    up.run("UPDATE p.k SET n=2", "DELETE FROM p.k WHERE JSON_TYPE(j)='BIT'", "INSERT INTO p.j VALUES ('part', JSON_OBJECT('pad', REPEAT('p', 300), 'a', 1))",
           "SET SESSION binlog_row_value_options='PARTIAL_JSON', binlog_row_image='MINIMAL'", "UPDATE p.j SET j=JSON_SET(j, '$.a', (SELECT b FROM p.s WHERE LENGTH(b) > 0)) WHERE id='part'")
    f.wait()
    rows = "SELECT id, SHA2(CAST(j AS CHAR), 256), JSON_TYPE(j), JSON_TYPE(j->'$[1]'), JSON_TYPE(j->'$[2].k'), JSON_TYPE(j->'$.a') FROM p.j ORDER BY id"
    have, want = down.query(rows), up.query(rows)
    assert [r[:2] for r in have] == [r[:2] for r in want] and [r for r in have if "ti" not in r[0]] == [r for r in want if "ti" not in r[0]]
    left = "SELECT SHA2(CAST(j AS CHAR), 256), n, COUNT(*) FROM p.k GROUP BY 1, 2"
    assert sorted(down.query(left)) == sorted(up.query(left)) and down.query("SELECT COUNT(*) FROM p.k") == ((12,),)
    f.stop()


def test_copied_bytes_inside_json(make_pair, job):
    """What the copy wrote of bytes and bits inside of JSON is found by the stream in a table without a key, and is the same text."""
    pair = make_pair("my97", "my97")
    up, down = pair.source, pair.target
    kinds = ["blob", "mediumblob", "longblob", "binary(5)", "varbinary(300)", "bit(10)", "tinyblob"]
    up.run("CREATE DATABASE app", "CREATE TABLE app.s (" + ", ".join(f"c{n} {k}" for n, k in enumerate(kinds)) + ")", "INSERT INTO app.s VALUES (" + ", ".join(["x'015c'"] * len(kinds)) + ")",
           "CREATE TABLE app.k (j json, n int)", *[f"INSERT INTO app.k SELECT {j}, {n} FROM app.s" for n in range(len(kinds)) for j in (f"CAST(c{n} AS JSON)", f"JSON_ARRAY(c{n}, 1.5)")])
    texts = "SELECT CAST(j AS CHAR), n, COUNT(*) FROM app.k GROUP BY 1, 2 ORDER BY 1, 2"
    j = job(pair, tables="app.*")
    j.run()
    assert down.query(texts) == up.query(texts)
    up.run("UPDATE app.k SET n=n+10", "DELETE FROM app.k WHERE JSON_TYPE(j) IN ('BLOB', 'BIT')")
    j.run()
    assert down.query(texts) == up.query(texts) and down.query("SELECT COUNT(*) FROM app.k") == ((len(kinds),),)
