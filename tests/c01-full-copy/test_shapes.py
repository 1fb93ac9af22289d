"""What tables may look like: keys of every kind, cut into pieces; very many tables, very large rows, very many partitions, odd names."""

import pytest
from copying import copying, numbers

BOTH = pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
HEAVY = pytest.mark.parametrize("source, target", [("ma1011", "my97"), pytest.param("my97", "ma1011", marks=pytest.mark.long)])
ROWS = 8000
# name: (columns, their key, what SELECT gives of db.n for them). 600 bytes a row: several chunks each.
KEYS = {
    "skewed": ("k bigint", "PRIMARY KEY (k)", "IF(i % 1000 = 0, i * 1000000000000, i)"),
    "negative": ("k int", "PRIMARY KEY (k)", "i - 4000"),
    "lowest": ("k bigint", "PRIMARY KEY (k)", "IF(i = 1, -9223372036854775808, IF(i = 2, 9223372036854775807, i * 1000000007 - 4000000028000))"),
    "unsigned_most": ("k bigint unsigned", "PRIMARY KEY (k)", "IF(i = 1, 0, IF(i = 2, 18446744073709551615, 18446744073709551615 - i * 1000000))"),
    "ci_text": ("k varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "PRIMARY KEY (k)",
                "CONCAT(ELT(i % 8 + 1, 'a', 'B', 'é', 'Z', 'ß', '_', '''', '日'), i * 7919 % 100000)"),
    "latin_text": ("k varchar(40) CHARACTER SET latin1 COLLATE latin1_german1_ci", "PRIMARY KEY (k)", "CONCAT(ELT(i % 5 + 1, 'a', 'B', 'ö', 'Ü', 'z'), i * 7919 % 100000)"),
    "bin_text": ("k varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "PRIMARY KEY (k)", "CONCAT(ELT(i % 6 + 1, 'a', 'A', 'é', 'É', '\\\\', '%'), i)"),
    "bytes": ("k varbinary(20)", "PRIMARY KEY (k)", "UNHEX(CONCAT(LEFT(SHA2(i, 256), 32), IF(i % 2, '00', 'FF')))"),
    "fixed_bytes": ("k binary(16)", "PRIMARY KEY (k)", "UNHEX(LEFT(SHA2(i, 256), 32))"),
    "uuid_text": ("k char(36) CHARACTER SET ascii", "PRIMARY KEY (k)", "INSERT(INSERT(INSERT(INSERT(LEFT(SHA2(i, 256), 32), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')"),
    "dates": ("k date, m int", "PRIMARY KEY (k, m)", "DATE_ADD('1970-01-01', INTERVAL i DIV 3 DAY), i"),
    "moments": ("k datetime(6)", "PRIMARY KEY (k)", "DATE_ADD('2001-01-01 00:00:00.5', INTERVAL i * 100007 MICROSECOND)"),
    "decimals": ("k decimal(30,10)", "PRIMARY KEY (k)", "(i - 4000) * 12345678901.0000000001"),
    "composite": ("k varchar(20) COLLATE utf8mb4_general_ci, m int", "PRIMARY KEY (k, m)", "ELT(i % 4 + 1, 'few', 'Most', 'most', 'a'), i"),
    "one_value_leads": ("k int, m varchar(20)", "PRIMARY KEY (k, m)", "7, CONCAT('m', i)"),
    "prefix": ("k varchar(200), m int", "PRIMARY KEY (k(3), m)", "CONCAT('abc', i), i"),
    "nullable_unique": ("k int", "UNIQUE KEY (k)", "IF(i % 3, i, NULL)"),
    "not_null_unique": ("k bigint NOT NULL", "UNIQUE KEY (k)", "i * 3 - 5000"),
    "floats": ("k double", "PRIMARY KEY (k)", "i / 7e0"),
    "enums": ("k enum('z','a','m') NOT NULL, m int", "PRIMARY KEY (k, m)", "ELT(i % 3 + 1, 'a', 'z', 'm'), i"),
    "keyless": ("k int", "KEY (k)", "i % 100"),
}


@BOTH
def test_keys(source, target, make_pair, job, tmp_path):
    """However rows lie along a key, each comes once."""
    pair = make_pair(source, target)
    s = pair.source
    s.run("CREATE DATABASE app CHARACTER SET utf8mb4")
    numbers(s, "app", ROWS)
    for name, (columns, key, values) in KEYS.items():
        s.run(f"CREATE TABLE {name} ({columns}, v varchar(700), w int, {key})", f"INSERT INTO {name} SELECT {values}, REPEAT(CHAR(97 + i % 26), 600), i FROM n",
              db="app", sql_mode="STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO")
    s.run(*(f"ANALYZE TABLE app.{t}" for t in KEYS))
    j, files = copying(job, tmp_path, pair, ["app"])
    j.run(*files, until="full", timeout=240)
    assert pair.assert_equal("app", j.story).rows == (len(KEYS) + 1) * ROWS


@pytest.mark.parametrize("threads", [1, 2])
def test_big_ones_first(threads, make_pair, job, tmp_path):
    """What holds others up (a table without snapshots is locked) is read first, then the largest pieces: of two threads' work, a table that
    can't be cut comes before a larger one that can."""
    pair = make_pair("ma1011", "my97")
    s = pair.source
    s.run("CREATE DATABASE app")
    numbers(s, "app", 8000)
    s.run("CREATE TABLE big (id int PRIMARY KEY, v varchar(900))", "INSERT INTO big SELECT i, REPEAT('b', 800) FROM n", "CREATE TABLE few (id int PRIMARY KEY)", "INSERT INTO few VALUES (1), (2)",
          "CREATE TABLE some (id int PRIMARY KEY, v varchar(900))", "INSERT INTO some SELECT i, REPEAT('s', 300) FROM n WHERE i <= 1000",
          "CREATE TABLE uncut (k int, v varchar(900))", "INSERT INTO uncut SELECT i, REPEAT('u', 800) FROM n WHERE i <= 4000", "CREATE TABLE x (id int PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO x VALUES (1)",
          "DROP TABLE n", "ANALYZE TABLE big, few, some, uncut", db="app")
    j, files = copying(job, tmp_path, pair, ["app"], threads=threads)
    j.run(*files, until="full")
    order = [r[0][4:] for r in pair.target.query("SELECT tbl FROM dm_meta.tidegate_chunk ORDER BY number")]
    assert order.count("big") > 5 and order.count("uncut") > 2 and len(set(order)) == 5, order
    if threads == 1:
        assert order == sorted(order, key=["x", "big", "uncut", "some", "few"].index), "by size, nothing of a smaller one in between"
    else:  # it begins beside the locked one: how much of the others' chunks is through before its first is a matter of time
        last_of_big = max(i for i, t in enumerate(order) if t == "big")
        assert order.index("uncut") < last_of_big and order.index("x") < last_of_big, order
    pair.assert_equal("app", j.story)


@pytest.mark.parametrize("n", [250, pytest.param(1000, marks=pytest.mark.long)])
def test_many_tables(n, make_pair, job):
    """How long it takes is measured by hand (bench/RESULTS.md)."""
    pair = make_pair("ma1011", "my97")
    with pair.source.connect() as c, c.cursor() as cur:
        cur.execute("CREATE DATABASE app")
        for i in range(n):
            cur.execute(f"CREATE TABLE app.t{i} (id int PRIMARY KEY, v varchar(20), KEY (v))")
            cur.execute(f"INSERT INTO app.t{i} VALUES (1,'a'),(2,'b'),({i + 3},NULL)")
    j = job(pair, tables="app.*")
    j.run(until="full", timeout=400)
    assert pair.assert_equal("app", j.story).tables == n


@HEAVY
def test_a_row_of_64_mib(source, target, make_pair, job, sanitized):
    """Whole, and in bounded memory: 64 MiB, 4 MiB a thread, and four times the row."""
    pair = make_pair(source, target)
    s, mib = pair.source, 1 << 20
    was = [x.packets(256 * mib) for x in (pair.source, pair.target)]
    try:
        s.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY, b longblob, v longtext)", "INSERT INTO app.t VALUES (1, 'small', 'small')",
              f"INSERT INTO app.t VALUES (2, REPEAT(UNHEX('{bytes(range(256)).hex()}'), {64 * mib // 256}), NULL)", "INSERT INTO app.t VALUES (3, 'small', 'small')",
              f"INSERT INTO app.t VALUES (4, NULL, REPEAT('zwölf Boxkämpfer', {64 * mib // 18}))")
        j = job(pair, tables="app.*")
        j.start(until="full")
        peak = j.peaks("dump", "load")
        assert j.wait() == 0, j.story()
        sums = "SELECT id, LENGTH(b), SHA2(b, 256), CHAR_LENGTH(v), SHA2(v, 256) FROM app.t ORDER BY id"
        assert pair.target.query(sums) == s.query(sums)
        print(peak)
        assert sanitized or max(peak.values()) < 64 + 4 * 4 + 4 * 64, peak
    finally:
        for x, size in zip((pair.source, pair.target), was):
            x.run("DROP DATABASE IF EXISTS app", f"SET GLOBAL max_allowed_packet={size}")


@pytest.mark.parametrize("source, target, tls", [*(pytest.param(*p, "disabled", marks=pytest.mark.long) for p in (("ma1011", "my97"), ("my97", "ma1011"))), ("my97", "ma1011", "required")])
def test_large_rows_side_by_side(source, target, tls, make_pair, job, sanitized):
    """As many large rows as there are threads, and each byte of them twice as long in a file: one at a time is in memory (T28)."""
    pair = make_pair(source, target)
    s, mib, row = pair.source, 1 << 20, 40
    was = [x.packets(256 * mib) for x in (pair.source, pair.target)]
    try:
        s.run("CREATE DATABASE app", *(f"CREATE TABLE app.t{i} (id int PRIMARY KEY, b longblob)" for i in range(6)))
        for i in range(6):
            s.run(*(f"INSERT INTO app.t{i} VALUES ({n}, REPEAT(UNHEX('00'), {row * mib - i}))" for n in range(2)), f"INSERT INTO app.t{i} VALUES (2, 'small')")
        j = job(pair, tables="app.*", source_url=s.url(tls=tls))
        j.start(until="full")
        peak = j.peaks("dump", "load")
        assert j.wait() == 0, j.story()
        for i in range(6):
            sums = f"SELECT id, LENGTH(b), SHA2(b, 256) FROM app.t{i} ORDER BY id"
            assert pair.target.query(sums) == s.query(sums)
        print(peak)
        assert sanitized or max(peak.values()) < 64 + 4 * 4 + 4 * row, peak
    finally:
        for x, size in zip((pair.source, pair.target), was):
            x.run("DROP DATABASE IF EXISTS app", f"SET GLOBAL max_allowed_packet={size}")


@pytest.mark.parametrize("partitions", [1000, pytest.param(8000, marks=pytest.mark.long)])
@HEAVY
def test_partitions(partitions, source, target, make_pair, job):
    pair = make_pair(source, target)
    servers = [x for x in (pair.source, pair.target) if x.flavor == "mariadb"]  # MySQL wants a file for each, whatever is set
    for x in servers:
        x.run("SET GLOBAL innodb_file_per_table=OFF")
    try:
        pair.source.run("CREATE DATABASE app", f"CREATE TABLE app.t (id int, v varchar(50), PRIMARY KEY (id)) PARTITION BY HASH (id) PARTITIONS {partitions}")
        numbers(pair.source, "app", 20000)
        pair.source.run("INSERT INTO app.t SELECT i, CONCAT('v', i) FROM app.n")
        j = job(pair, tables="app.*")
        j.run(until="full", timeout=300)
        assert pair.assert_equal("app", j.story).rows == 40000
        made = "SELECT COUNT(*) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA='app' AND TABLE_NAME='t'"
        assert pair.target.query(made)[0][0] == partitions
    finally:
        for x in servers:
            x.run("SET GLOBAL innodb_file_per_table=ON")


ODD = ["a.b", "semi;colon", "new\nline", "back\\slash", "tick`tick", "quote'\"", "-- comment", "/* c */", "%2F..", "../up", "UPPER", "日本", "ü" * 32, " leads", "tab\there", "0", "select", "$@#", "a" * 64]


@BOTH
def test_odd_names(source, target, make_pair, job):
    """Of databases, tables and columns: on disk, in statements and in the record of what is done."""
    pair = make_pair(source, target)

    def q(name):
        return "`" + name.replace("`", "``") + "`"

    with pair.source.connect() as c, c.cursor() as cur:
        for i, db in enumerate(ODD):
            cur.execute(f"CREATE DATABASE {q(db)}")
            for table in ODD if i < 3 else [ODD[i]]:
                cur.execute(f"CREATE TABLE {q(db)}.{q(table)} (" + ", ".join(f"{q(x)} int" for x in ODD) + f", PRIMARY KEY ({q(ODD[2])}, {q(ODD[4])}))")
                cur.execute(f"INSERT INTO {q(db)}.{q(table)} VALUES ({', '.join('1' * len(ODD))}), ({', '.join('2' * len(ODD))})")
    j = job(pair)
    j.run(until="full", timeout=180)
    assert pair.assert_equal(ODD, j.story).rows == 2 * (3 * len(ODD) + len(ODD) - 3)


@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011"), ("my97", "my97"), ("ma1011", "ma1011")])
def test_generated_columns_alone(source, target, make_pair, job):
    """Tables without a column that is stored as it was given: rows that only their number tells."""
    pair = make_pair(source, target)
    s = pair.source
    word = "STORED" if s.flavor == "mysql" else "PERSISTENT"
    s.run("CREATE DATABASE app", f"CREATE TABLE app.several (a int AS (1 + 1) {word}, b varchar(9) AS ('x') VIRTUAL)", "INSERT INTO app.several () VALUES (), (), ()",
          f"CREATE TABLE app.one (a int AS (7) {word}, UNIQUE KEY (a))", "INSERT INTO app.one () VALUES ()", f"CREATE TABLE app.none (a int AS (7) {word})")
    j = job(pair, tables="app.*")
    j.run()
    assert pair.assert_equal("app", j.story).rows == 4
    s.run("INSERT INTO app.several () VALUES ()", "INSERT INTO app.none () VALUES (), ()", "DELETE FROM app.one", "DELETE FROM app.several LIMIT 1")
    j.run()
    assert pair.assert_equal("app", j.story).rows == 5
