"""Tables with every kind of key, rows that are hard to cut between, and a look at what the dump says of its cuts: each chunk's range must hold
exactly its rows, counted by the source itself with comparisons of its own (a row constructor, on every row)."""
import json
import random
from pathlib import Path

from by_path import by_path
from servers import quote

ROOT = Path(__file__).resolve().parent.parent
live_test = by_path("load_live_test", ROOT / "units/load/live_test.py")

BITS = ["", " ", "  ", "a", "A", "á", "ä", "ae", "æ", "b", "c", "ch", "cz", "d", "e", "é", "E", "ß", "ss", "z", "ž", "Z", "\0", "\x01", "\t", "\n", "\x1a", "0", "9",
        "_", "%", "'", '"', "\\", "`", ";", "~", "\x7f", "ı", "İ", "i", "I", "ﬁ", "е", "я", "日", "本", "가", "e\u0301", "a\u0308", "\u00a0", "\u200b", "\uffff", "😀", "𝔸"]


def texts(seed, n, longest=6):
    """Texts of odd bits, many of them alike: with and without padding, case, accents and zero bytes."""
    r = random.Random(seed)
    found = set(BITS)
    while len(found) < n:
        s = "".join(r.choice(BITS) for _ in range(r.randint(1, longest)))
        found.update((s, s + r.choice(BITS)))
    return sorted(found)


def run_bytes(seed, n, length):
    r = random.Random(seed)
    ends = [b"", b"\0", b"\0\0", b"\xff", b"a", b"a\0", b"a ", b"a  ", b"'", b"\\"]
    return sorted({e for e in ends if len(e) <= length} | {bytes(r.choice((0, 1, 0x20, 0x41, 0x61, 0x7f, 0x80, 0xff)) for _ in range(r.randint(0, length))) for _ in range(n)})


def collations(server):
    """(charset, collation) that say something new each, of those that the server has."""
    wanted = ["utf8mb4_general_ci", "utf8mb4_bin", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci", "utf8mb4_czech_ci", "utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs",
              "utf8mb4_0900_bin", "utf8mb4_de_pb_0900_ai_ci", "utf8mb4_ja_0900_as_cs_ks", "utf8mb4_nopad_bin", "utf8mb4_general_nopad_ci", "utf8mb4_unicode_nopad_ci",
              "uca1400_ai_ci", "utf8mb4_uca1400_ai_ci", "utf8mb4_uca1400_nopad_as_cs", "utf8mb3_general_ci", "latin1_swedish_ci", "latin1_german2_ci", "latin1_bin",
              "latin2_czech_cs", "cp1250_czech_cs", "ascii_general_ci", "utf16_unicode_ci", "utf16le_general_ci", "ucs2_general_ci", "utf32_bin", "gbk_chinese_ci",
              "gb18030_chinese_ci", "sjis_japanese_ci", "big5_chinese_ci", "euckr_korean_ci", "ujis_bin", "tis620_thai_ci"]
    have = dict(server.query("SELECT COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS"))
    return [(have[c], c) for c in wanted if have.get(c)]


class Tables:
    """Makes them in one schema of the server; says what was made."""

    def __init__(self, server, schema, rows):
        self.server, self.schema, self.rows, self.made = server, schema, rows, []
        server.run(f"CREATE DATABASE {schema} DEFAULT CHARSET utf8mb4")

    def make(self, name, columns, rows, tail=""):
        """rows: tuples of the columns but the filler; those that the table takes for the same are left out."""
        table = f"{self.schema}.{quote(name)}"
        with self.server.connect() as c, c.cursor() as cur:
            cur.execute("SET time_zone='+00:00', sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
            cur.execute(f"CREATE TABLE {table} ({columns}, filler varchar(40)) ENGINE=InnoDB {tail}")
            names = [r[0] for r in self.server.query("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND EXTRA NOT LIKE '%%STORED%%'"
                                                     " AND EXTRA NOT LIKE '%%VIRTUAL%%' ORDER BY ORDINAL_POSITION", (self.schema, name))]
            marks = ",".join(["%s"] * len(names))
            for i in range(0, len(rows), 500):
                sql = f"INSERT IGNORE INTO {table} ({','.join(map(quote, names))}) VALUES "
                part = [tuple(r) + ("x" * (n % 40),) for n, r in enumerate(rows[i:i + 500])]
                cur.execute(sql + ",".join([f"({marks})"] * len(part)), [v for r in part for v in r])
            cur.execute(f"ANALYZE TABLE {table}")
        self.made.append(name)

    def of_text(self):
        for n, (charset, collation) in enumerate(collations(self.server)):
            values = [(t,) for t in texts(n, self.rows)]
            with_charset = f"CHARACTER SET {charset} COLLATE {collation}"
            self.make(f"v {collation}", f"k varchar(30) {with_charset} NOT NULL PRIMARY KEY", values)
            self.make(f"c {collation}", f"k char(20) {with_charset} NOT NULL PRIMARY KEY", values)
            if n % 4 == 0:
                self.make(f"p {collation}", f"n tinyint NOT NULL, k varchar(30) {with_charset} NOT NULL, PRIMARY KEY (k, n)", [(i % 3, t) for i, (t,) in enumerate(values)])

    def of_numbers(self):
        r, n = random.Random(7), self.rows
        self.make("skewed", "k bigint unsigned PRIMARY KEY", [(i,) for i in range(n)] + [(2**64 - 1,), (2**63,), (2**63 - 1,)])
        self.make("negative", "k bigint PRIMARY KEY", [(-i * 3,) for i in range(n)] + [(-2**63,), (2**63 - 1,), (-2**63 + 1,)])
        self.make("tiny", "k tinyint PRIMARY KEY", [(i,) for i in range(-128, 128)])
        self.make("zerofill", "k int(9) zerofill PRIMARY KEY", [(i * 7,) for i in range(n)])
        self.make("decimals", "k decimal(40,20) PRIMARY KEY", [(f"{r.choice(('', '-'))}{r.choice((0, 1, 10**r.randint(0, 19)))}.{r.randint(0, 10**20 - 1):020}",) for _ in range(n)])
        self.make("one leads", "a int, k bigint, PRIMARY KEY (a, k)", [(5, i) for i in range(n)])
        self.make("few lead", "a int, b tinyint unsigned, k bigint, PRIMARY KEY (a, b, k)", [(r.choice((1, 1, 1, 9, -4)), r.choice((0, 255)), i) for i in range(n)])
        self.make("reversed", "k bigint, a int, PRIMARY KEY (a, k)", [(i, i % 7) for i in range(n)])
        self.make("years", "y year, k int, PRIMARY KEY (y, k)", [(r.choice((0, 1901, 1999, 2000, 2001, 2155)), i) for i in range(n)])

    def of_times(self):
        r, n = random.Random(8), self.rows
        day = lambda: r.choice(("0000-00-00", "1000-01-01", "2026-02-31", "9999-12-31", f"{r.randint(1970, 2030)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"))  # noqa: E731
        clock = lambda: f"{r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}"  # noqa: E731
        self.make("dates", "d date NOT NULL, k int, PRIMARY KEY (d, k)", [(day(), i % 50) for i in range(n)])
        self.make("datetimes", "d datetime(6) NOT NULL PRIMARY KEY", [(f"{day()} {clock()}.{r.randint(0, 999999):06}",) for _ in range(n)])
        # the hour that summer time has twice
        self.make("timestamps", "d timestamp(3) NOT NULL DEFAULT '2000-01-01 00:00:00', k int, PRIMARY KEY (d, k)", [(f"2025-10-26 0{r.randint(0, 3)}:{r.randint(0, 59):02}:00.{r.randint(0, 999):03}", i % 9) for i in range(n)])
        self.make("times", "d time(2) NOT NULL PRIMARY KEY", [(f"{r.choice(('', '-'))}{r.randint(0, 838):02}:{r.randint(0, 59):02}:{r.randint(0, 58):02}.{r.randint(0, 99):02}",) for _ in range(n)])

    def of_bytes(self):
        n = self.rows
        self.make("varbinary", "k varbinary(12) NOT NULL PRIMARY KEY", [(b,) for b in run_bytes(1, n, 12)])
        self.make("binary", "k binary(5) NOT NULL PRIMARY KEY", [(b,) for b in run_bytes(2, n, 5)])
        self.make("binary16", "k binary(16) NOT NULL PRIMARY KEY", [(random.Random(i).randbytes(16),) for i in range(n)])
        self.make("charset binary", "k varchar(12) CHARACTER SET binary NOT NULL, n int, PRIMARY KEY (n, k)", [(b, i % 4) for i, b in enumerate(run_bytes(3, n, 12))])
        uuids = [f"{r.getrandbits(32):08x}-{r.getrandbits(16):04x}-{v}{r.getrandbits(12):03x}-a{r.getrandbits(12):03x}-{r.getrandbits(48):012x}" for v in "147" for i in range(n // 3) for r in [random.Random(f"{v}{i}")]]
        self.make("uuid text", "k char(36) CHARACTER SET ascii NOT NULL PRIMARY KEY", [(u,) for u in uuids])
        if self.server.flavor == "mariadb" and self.server.version >= 100700:
            self.make("uuid", "k uuid NOT NULL PRIMARY KEY", [(u,) for u in uuids])
        if self.server.flavor == "mariadb" and self.server.version >= 101000:
            self.make("inet4", "k inet4 NOT NULL PRIMARY KEY", [(f"{i % 250}.{i % 7}.{i % 13}.{i % 256}",) for i in range(n)])
        if self.server.flavor == "mariadb" and self.server.version >= 100500:
            self.make("inet6", "k inet6 NOT NULL PRIMARY KEY", [(u.replace("-", ":").replace(":", "", 1)[:4] + "::" + u[-4:],) for u in uuids])

    def of_odd_shapes(self):
        n = self.rows
        self.make("unique only", "k int NOT NULL, j int NOT NULL, UNIQUE KEY j (j), UNIQUE KEY a (k)", [(i, n - i) for i in range(n)])
        self.make("nullable", "k int, UNIQUE KEY (k)", [(i if i % 3 else None,) for i in range(n)])
        self.make("nokey", "k int", [(i % 9,) for i in range(n)])
        self.make("float", "k float NOT NULL PRIMARY KEY", [(i / 7,) for i in range(n)])
        self.make("double", "k double NOT NULL, j int, PRIMARY KEY (j, k)", [(i / 7, i % 5) for i in range(n)])
        self.make("enum", "k enum('z','a','m') NOT NULL, j int, PRIMARY KEY (k, j)", [("zam"[i % 3], i) for i in range(n)])
        self.make("stored", "a int, k varchar(20) GENERATED ALWAYS AS (CONCAT('k', a % 100, '-', a)) STORED NOT NULL, PRIMARY KEY (k)" if self.server.flavor == "mysql" else
                  "a int, k varchar(20) GENERATED ALWAYS AS (CONCAT('k', a % 100, '-', a)) STORED, j int NOT NULL, PRIMARY KEY (j)",
                  [(i,) if self.server.flavor == "mysql" else (i, i) for i in range(n)])
        self.make("prefix", "k varchar(50) NOT NULL, j int NOT NULL, UNIQUE KEY p (k(3)), UNIQUE KEY j (j)", [(f"{i:04}x", i) for i in range(n)])
        if self.server.flavor == "mysql" or self.server.version >= 100800:
            self.make("descending", "k int NOT NULL, j int NOT NULL, PRIMARY KEY (k DESC, j)", [(i, i % 3) for i in range(n)])
        if self.server.flavor == "mariadb" and self.server.version >= 100400:
            self.make("hash", "k text NOT NULL, UNIQUE KEY (k)", [(f"{i}",) for i in range(n)])
        self.make("odd ` name;", "`or'd``er` int NOT NULL, `a b` varchar(9) NOT NULL, PRIMARY KEY (`a b`, `or'd``er`)", [(i, "aB"[i % 2]) for i in range(n)])

    def of_partitions(self):
        n = self.rows
        self.make("hashed", "k int NOT NULL, v varchar(20) NOT NULL, PRIMARY KEY (v, k)", [(i, f"v{i % 17}") for i in range(n)], "PARTITION BY HASH (k) PARTITIONS 7")
        self.make("by key", "k varchar(30) NOT NULL PRIMARY KEY", [(t,) for t in texts(5, n)], "PARTITION BY KEY (k) PARTITIONS 5")
        self.make("ranged", "d date NOT NULL, k int NOT NULL, PRIMARY KEY (k, d)", [(f"20{10 + i % 17}-01-{1 + i % 28:02}", i) for i in range(n)],
                  "PARTITION BY RANGE (YEAR(d)) (PARTITION `p``0` VALUES LESS THAN (2012), PARTITION old VALUES LESS THAN (2025), PARTITION `rest` VALUES LESS THAN MAXVALUE)")
        self.make("subs", "d date NOT NULL, k int NOT NULL, PRIMARY KEY (k, d)", [(f"20{10 + i % 17}-01-{1 + i % 28:02}", i) for i in range(n)],
                  "PARTITION BY RANGE (YEAR(d)) SUBPARTITION BY HASH (k) SUBPARTITIONS 3 (PARTITION a VALUES LESS THAN (2020), PARTITION b VALUES LESS THAN MAXVALUE)")
        self.make("no key parts", "k int", [(i % 50,) for i in range(n)], "PARTITION BY HASH (k) PARTITIONS 4")


class Copy(live_test.Copy):
    """Dump and load alone, with a user of their own: units get no plain password."""

    def __init__(self, build, up, down, schemas, dump):
        super().__init__(build, up, down, schemas, dump=dump)
        for s in (up, down):
            s.run("DROP USER IF EXISTS tgtestk@'%'", "CREATE USER tgtestk@'%' IDENTIFIED BY ''", "GRANT ALL ON *.* TO tgtestk@'%' WITH GRANT OPTION")
        self.slices["dump"]["upstream"]["user"] = self.slices["load"]["downstream"]["user"] = "tgtestk"

    def told(self):
        """The plan's tables, each with its chunks as the dump's manifest has them, in order."""
        state = self.dir / "state"
        plan, manifest = (json.loads((state / f).read_text()) for f in ("plan.json", "manifest"))
        for t in plan["tables"]:
            t["chunks"] = {}
        for table, _, rows, _, _, stretch, seq, ends, hi in manifest["chunks"]:
            plan["tables"][table]["chunks"].setdefault(stretch, []).append((seq, rows, ends, hi))
        return plan["tables"]


def count(cursor, table, partitions, lo, hi):
    """Rows with lo < key <= hi, by the server's own comparing of rows."""
    names = ",".join(map(quote, table["key"]["columns"])) if "key" in table else ""
    terms = [f"({names}) {op} ({','.join(place)})" for op, place in ((">", lo), ("<=", hi)) if place]
    part = f" PARTITION ({','.join(map(quote, partitions))})" if partitions else ""
    cursor.execute(f"SELECT COUNT(*) FROM {quote(table['schema'])}.{quote(table['table'])}{part}" + (" WHERE " + " AND ".join(terms) if terms else ""))
    return cursor.fetchone()[0]


def check_chunks(server, table):
    """Each stretch's chunks are its rows, cut where they say. Returns (stretches, chunks)."""
    made = 0
    with server.connect() as c, c.cursor() as cur:
        cur.execute("SET time_zone='+00:00', sql_mode='ALLOW_INVALID_DATES'")
        for s in table["stretches"]:
            chunks, lo, hi, parts = sorted(table["chunks"].get(s["id"], [])), s.get("lo"), s.get("hi"), s.get("partitions")
            assert [k[0] for k in chunks] == list(range(len(chunks))), (table["table"], s)
            assert [bool(k[2]) for k in chunks] == [False] * (len(chunks) - 1) + [True] * bool(chunks), (table["table"], s)
            made += len(chunks)
            if "key" not in table:
                assert lo is None and hi is None and all(k[3] == "" for k in chunks), (table["table"], s)
                continue
            if not chunks:
                assert count(cur, table, parts, lo, hi) == 0, (table["table"], s)
            for seq, rows, ends, reaches in chunks:
                upper = json.loads(reaches) if reaches else None
                assert upper == hi if ends else upper, (table["table"], s, seq, reaches)
                assert count(cur, table, parts, lo, upper) == rows, (table["table"], s, seq, lo, upper)
                lo = upper
    return len(table["stretches"]), made
