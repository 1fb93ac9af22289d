"""The zoo: tables with every column type of MySQL 5.7-9.x and MariaDB 10.2-11.8 and the values at its edges, keys of every kind,
names that want quoting. zoo(server) gives what that server knows. Values are written as SQL, so that what is stored is exactly said.
"""
SCHEMA = "zoo"
SCHEMA_ODD = "zoo-2 `ü`"  # a database name that wants quoting wherever it goes
MODE = "ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"  # zero and impossible dates are data

BIG = 4 << 20


class Animal:
    """One table: how it is made, filled, and later changed."""

    def __init__(self, name, columns, rows=(), options="", schema=SCHEMA, changes=None, prepare=()):
        self.name, self.schema, self.columns, self.rows, self.options = name, schema, columns, list(rows), options
        self._changes, self.prepare = changes, list(prepare)

    @property
    def quoted(self):
        return f"{quote(self.schema)}.{quote(self.name)}"

    def create(self):
        return self.prepare + [f"CREATE TABLE {self.quoted} ({self.columns}) {self.options or 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4'}"]

    def fill(self):
        """rows: "a, b" (all columns), or "(c, d) VALUES (…)" where there are generated ones."""
        for r in self.rows:
            yield f"INSERT INTO {self.quoted} " + (r if r.startswith(("(", "SELECT")) else f"VALUES ({r})")

    def changes(self):
        """Statements that touch every column's image: the key moves, then a third of the rows goes."""
        if self._changes is not None:
            return [c.replace("{t}", self.quoted) for c in self._changes]
        return [f"UPDATE {self.quoted} SET id = id + 1000 ORDER BY id DESC", f"DELETE FROM {self.quoted} WHERE id % 3 = 0"]


def quote(name):
    return "`" + name.replace("`", "``") + "`"


def numbered(values):
    """One row a value: id, value; value may be a tuple of columns."""
    return [f"{i}, {v if isinstance(v, str) else ', '.join(v)}" for i, v in enumerate(values, 1)]


def text(s, charset):
    """A literal of s as stored in charset, whatever the connection speaks."""
    return f"CONVERT(_utf8mb4 X'{s.encode('utf8').hex()}' USING {charset})" if s else "''"


def integers():
    kinds = [("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)]
    columns = ["id int NOT NULL PRIMARY KEY"]
    low, high, zero = [], [], []
    for name, bits in kinds:
        columns += [f"s_{name} {name}", f"u_{name} {name} unsigned"]
        low += [str(-(1 << (bits - 1))), "0"]
        high += [str((1 << (bits - 1)) - 1), str((1 << bits) - 1)]
        zero += ["0", "1"]
    columns += ["z int(8) unsigned zerofill", "b bool", "y year"]
    return Animal("integers", ", ".join(columns), numbered([
        low + ["0", "0", "0000"], high + ["99999999", "1", "2155"], zero + ["42", "1", "1901"], ["NULL"] * 13, ["1"] * 12 + ["1970"]]))


def decimals():
    n65, n35, n30 = "9" * 65, "9" * 35, "9" * 30
    return Animal("decimals", "id int NOT NULL PRIMARY KEY, a decimal(65,30), b decimal(65,0), c decimal(1,0), d decimal(10,10),"
                  " e decimal(20,5) unsigned, f decimal(9,9), g decimal(18,9), h decimal(38,28)", numbered([
                      [f"{n35}.{n30}", n65, "9", "0.9999999999", "999999999999999.99999", "0.999999999", "999999999.999999999", "9999999999.9"],
                      [f"-{n35}.{n30}", "-" + n65, "-9", "-0.9999999999", "0", "-0.999999999", "-999999999.999999999", "-9999999999.9"],
                      ["0." + "0" * 29 + "1", "1", "0", "0.0000000001", "0.00001", "0.000000001", "0.000000001", "0." + "0" * 27 + "1"],
                      ["-0." + "0" * 29 + "1", "-1", "-0", "-0.0000000001", "1", "-0.000000001", "-1", "-1"],
                      ["0"] * 8, ["NULL"] * 8, ["123456789.987654321"] * 2 + ["1", "0.1234567891", "123456789.12345", "0.1", "1.1", "1.2"]]))


def floats():
    f = ["3.402823466e38", "-3.402823466e38", "1.17549435e-38", "1.401298464e-45", "-1.401298464e-45", "0.1", "-0e0", "0", "16777217e0",
         "1e0/3", "123456.789e0", "NULL", "9.999999e9", "1e10", "1.5e-42"]
    d = ["1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308", "4.9406564584124654e-324", "-4.9406564584124654e-324",
         "0.1", "-0e0", "0", "9007199254740993e0", "1e0/3", "1e15", "NULL", "1e22", "123456789.123456789e0", "2.5e-310"]
    return Animal("floats", "id int NOT NULL PRIMARY KEY, f float, d double, g float unsigned, h double(20,5), i float(7,3)",
                  numbered([[x, y, "NULL" if x.startswith("-") else x, "12345.678915", "1234.567"] for x, y in zip(f, d)]))


def bits():
    widths = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64]
    return Animal("bits", "id int NOT NULL PRIMARY KEY, " + ", ".join(f"b{w} bit({w})" for w in widths), numbered([
        [f"b'{'1' * w}'" for w in widths], ["b'0'"] * len(widths), [f"b'1{'0' * (w - 1)}'" for w in widths], ["NULL"] * len(widths),
        [f"b'{'10' * 32}' & {(1 << w) - 1}" for w in widths]]))


def times():
    rows = []
    for fsp in range(7):
        frac = "." + "123456"[:fsp] if fsp else ""
        nines = "." + "9" * fsp if fsp else ""
        tiny = "." + "0" * (fsp - 1) + "1" if fsp else ""
        rows.append((fsp, [
            (f"'0000-00-00 00:00:00'", f"'0000-00-00 00:00:00'", f"'00:00:00'"),
            (f"'9999-12-31 23:59:59{nines}'", f"'2038-01-19 03:14:07{nines}'", f"'838:59:59'"),
            (f"'1000-01-01 00:00:00'", f"'1970-01-01 00:00:01'", f"'-838:59:59'"),
            (f"'2024-02-29 12:34:56{frac}'", f"'2024-02-29 12:34:56{frac}'", f"'-00:00:00{tiny}'" if fsp else "'-00:00:01'"),
            (f"'2024-02-31 00:00:00{tiny}'", f"'1970-01-01 00:00:01{tiny}'", f"'-01:00:00{tiny}'"),
            (f"'2024-00-00 00:00:00{frac}'", f"'2001-09-09 01:46:40{frac}'", f"'-12:34:56{frac}'"),
            (f"'0001-01-01 01:01:01{nines}'", "NULL", f"'00:00:59{nines}'"), ("NULL", "NULL", "NULL")]))
    animals = []
    for fsp, values in rows:
        p = f"({fsp})" if fsp else ""
        animals.append(Animal(f"times{fsp}", f"id int NOT NULL PRIMARY KEY, dt datetime{p}, ts timestamp{p} NULL, tm time{p}", numbered(values)))
    animals.append(Animal("dates", "id int NOT NULL PRIMARY KEY, d date, y year, ts timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"
                          " ON UPDATE CURRENT_TIMESTAMP(6)", numbered([
                              ["'0000-00-00'", "0", "'2020-01-01 00:00:00.5'"], ["'1000-01-01'", "1901", "'1999-12-31 23:59:59.999999'"],
                              ["'9999-12-31'", "2155", "'2038-01-19 03:14:07'"], ["'2024-02-31'", "2024", "'1970-01-01 00:00:01'"],
                              ["'2024-00-00'", "1970", "'2000-01-01 00:00:00'"], ["'0001-01-01'", "NULL", "NOW(6)"], ["NULL", "NULL", "NOW(6)"]])))
    return animals


SAMPLES = ["", "a", "plain text", "tab\tnl\ncr\r nul\0 ctrl-z\x1a", "quote ' double \" back \\ tick ` percent %s semicolon;", "trailing   ",
           "  leading", "-- comment", "/* comment */", "\\0 \\n \\N", "NULL", "%_"]


def strings():
    sets = {"latin1": ["äöüß€ÿ"], "gbk": ["中文汉字", "乗\\乗'"], "utf8": ["ü中文€"], "utf8mb4": ["😀👍🏽 emoji", "e\u0301 é", "ﷺ"],
            "utf16": ["😀ü中"], "ucs2": ["ü中文"], "utf32": ["😀ü"], "ascii": ["~!@"], "cp1251": ["Привет"], "sjis": ["表示ソ"], "big5": ["功許蓋"],
            "koi8r": ["Привет"], "euckr": ["한글"], "cp932": ["髙①"], "latin2": ["čšž"]}
    animals = []
    for cs, extra in sets.items():
        values = [text(s, cs) for s in SAMPLES + extra] + ["NULL"]
        animals.append(Animal(f"text_{cs}", f"id int NOT NULL PRIMARY KEY, c char(60), v varchar(200), t text, l longtext, n varchar(20) NOT NULL DEFAULT 'x'",
                              numbered([[v, v, v, v, "'n'"] for v in values]), f"ENGINE=InnoDB DEFAULT CHARSET={cs}"))
    animals.append(Animal("text_mixed", "id int NOT NULL PRIMARY KEY, a varchar(50) CHARACTER SET latin1, b varchar(50) CHARACTER SET gbk,"
                          " c varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, d char(10) CHARACTER SET binary, e text CHARACTER SET utf16,"
                          " f char(255) CHARACTER SET utf8mb4",
                          numbered([[text("ÄÖ", "latin1"), text("中\\文", "gbk"), text("😀'", "utf8mb4"), "X'00ff5c27'", text("ü😀", "utf16"),
                                     f"REPEAT({text('😀', 'utf8mb4')}, 255)"], ["NULL"] * 6])))
    return animals


def binaries():
    every = bytes(range(256)).hex()
    rows = [["X'00'", "X'00'", "X''", "X''", "X''", "X''", "X''"],
            ["X'ff'", f"X'{every[:32]}'", f"X'{every[:510]}'", f"X'{every[:510]}'", f"X'{every}'", f"X'{every}'", f"X'{every}'"],
            ["X'5c'", "X'27225c0d0a1a00'", "X'27225c0d0a1a00'", "X'2720'", "X'2020'", "X'00'", "X'0000'"], ["NULL"] * 7]
    return Animal("binaries", "id int NOT NULL PRIMARY KEY, b1 binary(1), b16 binary(16), v varbinary(255), tb tinyblob, b blob, mb mediumblob, lb longblob",
                  numbered(rows))


def large():
    return Animal("large", "id int NOT NULL PRIMARY KEY, b longblob, t longtext, m mediumblob", [
        f"1, REPEAT(X'00ff275c0a1a', {BIG // 6 + 1}), REPEAT('0123456789abcdef', {BIG // 16}), NULL",
        f"2, NULL, NULL, REPEAT('0123456789abcdef it''s a \\\\ back', {BIG // 33})",
        f"3, REPEAT('x', 65536), REPEAT({text('😀', 'utf8mb4')}, 70000), REPEAT('y', 255)", "4, REPEAT('z', 65535), '', REPEAT('y', 256)"])


def choices():
    many = ",".join(f"'m{i}'" for i in range(300))
    sixty_four = ",".join(f"'s{i}'" for i in range(64))
    return Animal("choices", "id int NOT NULL PRIMARY KEY, e enum('a','B','it''s','comma,x','','back\\\\slash'), m enum(" + many + "), s set('x','y','z'),"
                  f" w set({sixty_four}), l enum('é','ü') CHARACTER SET latin1, g set('中','文') CHARACTER SET gbk", numbered([
                      ["'a'", "'m0'", "'x'", "1", "1", "1"], ["'B'", "'m299'", "'x,y,z'", "18446744073709551615", "2", "3"],
                      ["'it''s'", "'m255'", "''", "9223372036854775808", "1", "2"], ["'no such'", "'nor this'", "'q'", "0", "'z'", "0"],
                      ["5", "256", "5", "6148914691236517205", "NULL", "NULL"], ["'comma,x'", "257", "2", "3", "1", "1"],
                      ["'back\\\\slash'", "1", "1", "1", "1", "1"], ["NULL"] * 6]))


def empty_members():
    """'' as one of a SET's members is another value than none of them, and both are shown as ''."""
    sixty_four = "''," + ",".join(f"'s{i}'" for i in range(63))
    return Animal("empty_members", f"id int NOT NULL PRIMARY KEY, s set('','a','b'), w set({sixty_four}) NOT NULL, l set('é','') CHARACTER SET latin1",
                  numbered([["0", "18446744073709551615", "0"], ["1", "1", "2"], ["2", "9223372036854775809", "1"], ["3", "0", "3"], ["7", "2", "NULL"], ["NULL", "3", "2"]]))


JSONS = ["null", "true", "false", "0", "-1", "18446744073709551615", "-9223372036854775808", "9223372036854775807", "1.5", "-0.5", "1e100", "1e-300",
         '""', '"a"', '"quote \\" back \\\\ slash / nl \\n tab \\t nul \\u0000"', '"ü 中 😀"', "[]", "{}", '{"a":1,"b":[1,2,{"c":null}]}',
         '{"":"empty key","ü":1,"a b":2}', '[[[[[]]]]]', '{"k":' + '"' + "x" * 300 + '"}', "[" + ",".join(str(i) for i in range(1000)) + "]",
         "[" + ",".join('"' + "long" * 30 + '"' for _ in range(600)) + "]", '{' + ",".join(f'"key{i}":{i}' for i in range(300)) + '}',
         "[127,128,-128,-129,32767,32768,-32769,65535,65536,2147483647,2147483648,4294967295,4294967296]"]


def jsons():
    values = ["'" + j.replace("\\", "\\\\").replace("'", "''") + "'" for j in JSONS] + ["NULL"]
    return Animal("jsons", "id int NOT NULL PRIMARY KEY, j json, k json", numbered([[v, values[-1 - i]] for i, v in enumerate(values)]))


def shapes():
    wkt = ["POINT(0 0)", "POINT(1.5 -2.25)", "LINESTRING(0 0,1 1,2 2)", "POLYGON((0 0,10 0,10 10,0 10,0 0),(2 2,2 4,4 4,4 2,2 2))", "MULTIPOINT(1 1,2 2)",
           "MULTILINESTRING((0 0,1 1),(2 2,3 3))", "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))", "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))"]
    rows = [[f"ST_GeomFromText('{w}')", f"ST_GeomFromText('{w if w.startswith('POINT') else 'POINT(3 4)'}', 0)", "ST_GeomFromText('POINT(9 9)')"] for w in wkt]
    rows.append(["NULL", "NULL", "ST_GeomFromText('POINT(-1 -1)')"])
    return Animal("shapes", "id int NOT NULL PRIMARY KEY, g geometry, p point, q point NOT NULL, SPATIAL KEY (q)", numbered(rows))


def generated():
    return Animal("generated", "id int NOT NULL PRIMARY KEY, a int, b int, v int AS (a + b) VIRTUAL, s int AS (a * 2) STORED,"
                  " t varchar(40) AS (CONCAT('<', a, '>')) STORED, z int, KEY (s)",
                  [f"(id, a, b, z) VALUES ({i}, {a}, {b}, 7)" for i, (a, b) in enumerate([(1, 2), (-1, 1), (0, 0), (1000000, 5)], 1)] +
                  ["(id, a, b, z) VALUES (5, NULL, NULL, NULL)"])


def keyless():
    same = ["1, 'a', 0.1, 0.1, X'61', '2024-01-01'"] * 3
    return Animal("keyless", "n int, c varchar(20), f float, d double, b blob, t datetime", same + [
        "1, 'A', 0.1, 0.1, X'61', '2024-01-01'", "1, 'a ', 0.1, 0.1, X'61', '2024-01-01'", "1, 'ä', 0.1, 0.1, X'6120', '2024-01-01'",
        "NULL, NULL, NULL, NULL, NULL, NULL", "NULL, NULL, NULL, NULL, NULL, NULL", "2, '', 1e-40, -0e0, X'', '0000-00-00'", "2, '', 1e-40, 0e0, X'', '0000-00-00'",
        "3, 'x', 16777217, 1e0/3, X'00', NULL"],
        changes=["UPDATE {t} SET n = 10 WHERE n = 1 LIMIT 2", "UPDATE {t} SET c = CONCAT(c, '!') WHERE n = 1", "DELETE FROM {t} WHERE n IS NULL LIMIT 1",
                 "DELETE FROM {t} WHERE n = 10 LIMIT 1", "UPDATE {t} SET d = 0.3 WHERE d < 0.2"])


def keys():
    out = [
        Animal("key_composite", "a int, b varchar(20), c date, v int, PRIMARY KEY (a, b, c)",
               [f"{a}, '{b}', '{c}', {a}" for a in (1, 2, -3) for b in ("", "x", "X y", "é") for c in ("2020-01-01", "2021-12-31")],
               changes=["UPDATE {t} SET v = v + 1 WHERE a = 1", "UPDATE {t} SET b = CONCAT(b, 'z') WHERE a = 2 ORDER BY b DESC", "DELETE FROM {t} WHERE a = -3 AND b = ''"]),
        Animal("key_text", "k varchar(100) NOT NULL PRIMARY KEY, v int", [f"{text(k, 'utf8mb4')}, {i}" for i, k in enumerate(
            ["", "b", "C", "ÄÄ", "zz", "😀x", "😀y", "quote'", "back\\", "x%", "中", "a  b", "nul\0x", "Z_"])],
               changes=["UPDATE {t} SET k = UPPER(k) WHERE k = 'b'", "UPDATE {t} SET v = v + 100", "DELETE FROM {t} WHERE k = 'zz'"]),
        Animal("key_latin1", "k char(10) CHARACTER SET latin1 NOT NULL PRIMARY KEY, v int", [f"{text(k, 'latin1')}, {i}" for i, k in enumerate(["a", "ä", "b", "ÿ", "Z"])],
               changes=["UPDATE {t} SET k = CONCAT(k, 'x') WHERE v < 3", "DELETE FROM {t} WHERE v = 4"]),
        Animal("key_binary", "k varbinary(20) NOT NULL PRIMARY KEY, f binary(4) NOT NULL, v int, UNIQUE KEY (f)",
               [f"X'{k}', X'{f}', 1" for k, f in [("", "00000000"), ("00", "00000001"), ("0000", "ff"), ("ff", "fffefdfc"), ("27", "5c275c27"), ("2720", "20")]],
               changes=["UPDATE {t} SET k = CONCAT(X'01', k)", "DELETE FROM {t} WHERE f = X'20000000'"]),
        Animal("key_decimal", "k decimal(20,10) NOT NULL PRIMARY KEY, v int", ["0, 1", "-1.5, 2", "9999999999.9999999999, 3", "0.0000000001, 4"],
               changes=["UPDATE {t} SET k = k - 1 ORDER BY k", "DELETE FROM {t} WHERE v = 3"]),
        Animal("key_time", "k datetime(6) NOT NULL PRIMARY KEY, v int", ["'2020-01-01 00:00:00.000001', 1", "'2020-01-01', 2", "'0000-00-00', 3", "'9999-12-31 23:59:59.999999', 4"],
               changes=["UPDATE {t} SET v = v + 1", "DELETE FROM {t} WHERE v = 3"]),
        Animal("key_unsigned", "k bigint unsigned NOT NULL PRIMARY KEY, v int", [f"{k}, 1" for k in (0, 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)],
               changes=["UPDATE {t} SET v = 2 WHERE k > 9223372036854775807", "DELETE FROM {t} WHERE k = 18446744073709551614"]),
        Animal("key_negative", "k bigint NOT NULL PRIMARY KEY, v int", [f"{k}, 1" for k in (-2**63, -2, -1, 0, 1, 2**63 - 1)],
               changes=["UPDATE {t} SET k = k + 10 WHERE k BETWEEN -2 AND 1 ORDER BY k DESC", "DELETE FROM {t} WHERE k = 9"]),
        Animal("key_bit", "k bit(40) NOT NULL PRIMARY KEY, e enum('a','b') NOT NULL, v int", [f"{k}, 'a', 1" for k in (0, 1, 255, 256, 2**40 - 1)],
               changes=["UPDATE {t} SET e = 'b'", "DELETE FROM {t} WHERE k = 256"]),
        Animal("key_enum", "k enum('z','a','m') NOT NULL PRIMARY KEY, v int", ["'z', 1", "'a', 2", "'m', 3"], changes=["DELETE FROM {t} WHERE k = 'a'"]),
        Animal("key_float", "k double NOT NULL PRIMARY KEY, v int", ["0.1, 1", "1e0/3, 2", "-0e0, 3", "1e300, 4", "4.9406564584124654e-324, 5"],
               changes=["UPDATE {t} SET v = v * 10", "DELETE FROM {t} WHERE v = 20"]),
        Animal("key_unique", "a int NOT NULL, b varchar(20) NOT NULL, c int, UNIQUE KEY u (a, b), KEY (c)", ["1, 'a', NULL", "1, 'b', 1", "2, 'a', 1"],
               changes=["UPDATE {t} SET a = a + 5", "DELETE FROM {t} WHERE b = 'b'"]),
        Animal("key_nullable", "a int, b varchar(20), UNIQUE KEY u (a)", ["1, 'a'", "NULL, 'b'", "NULL, 'b'", "NULL, 'c'", "2, NULL"],
               changes=["UPDATE {t} SET b = 'x' WHERE a IS NULL LIMIT 1", "DELETE FROM {t} WHERE a IS NULL LIMIT 1"]),
        Animal("key_prefix", "id int NOT NULL PRIMARY KEY, t text, b blob, UNIQUE KEY (b(8)), KEY (t(20)), FULLTEXT KEY ft (t)", numbered([["'abc def'", "X'0102'"], ["'ghi'", "X'03'"], ["NULL", "NULL"]])),
        Animal("key_two", "id int NOT NULL AUTO_INCREMENT PRIMARY KEY, a int, b int, UNIQUE KEY (a), UNIQUE KEY (b)", ["1, 1, 10", "2, 2, 20", "3, 3, 30", "100, NULL, NULL"],
               changes=["UPDATE {t} SET a = -a", "UPDATE {t} SET a = CASE id WHEN 1 THEN -20 WHEN 2 THEN -10 ELSE a END ORDER BY id", "DELETE FROM {t} WHERE id = 3",
                        "INSERT INTO {t} (a, b) VALUES (3, 30)"]),
        Animal("key_auto_zero", "id int NOT NULL AUTO_INCREMENT PRIMARY KEY, v int", ["0, 1", "-5, 2", "7, 3"], changes=["DELETE FROM {t} WHERE id = 0", "INSERT INTO {t} VALUES (0, 9)"]),
    ]
    return out


def relations():
    return [
        Animal("a_child", "id int NOT NULL PRIMARY KEY, p int, CONSTRAINT fk_child FOREIGN KEY (p) REFERENCES z_parent (id) ON DELETE RESTRICT", ["1, 1", "2, 1", "3, 2", "4, NULL"],
               changes=["DELETE FROM {t} WHERE id = 3", "INSERT INTO {t} VALUES (9, 2)"]),
        Animal("z_parent", "id int NOT NULL PRIMARY KEY, v int", ["1, 1", "2, 2", "3, 3"], changes=["UPDATE {t} SET v = 5", "DELETE FROM {t} WHERE id = 3"]),
        Animal("tree", "id int NOT NULL PRIMARY KEY, p int, CONSTRAINT fk_tree FOREIGN KEY (p) REFERENCES tree (id)", ["1, NULL", "2, 1", "3, 2"],
               changes=["DELETE FROM {t} WHERE id = 3", "INSERT INTO {t} VALUES (5, 2)"]),
    ]


def layouts():
    wide = ", ".join(f"c{i} int" for i in range(300))
    return [
        Animal("empty", "id int NOT NULL PRIMARY KEY, v text", changes=["INSERT INTO {t} VALUES (1, 'x')", "DELETE FROM {t}"]),
        Animal("one_column", "id int NOT NULL PRIMARY KEY", ["1", "2", "3"]),
        Animal("wide", f"id int NOT NULL PRIMARY KEY, {wide}", [f"1, {', '.join('NULL' if i % 3 else str(i) for i in range(300))}", f"2, {', '.join(['NULL'] * 300)}"]),
        Animal("parts_range", "id int NOT NULL, d date NOT NULL, PRIMARY KEY (id, d)", ["1, '2020-05-05'", "2, '2021-05-05'", "3, '2025-01-01'"],
               "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 PARTITION BY RANGE (YEAR(d)) (PARTITION p0 VALUES LESS THAN (2021), PARTITION p1 VALUES LESS THAN (2022), PARTITION pm VALUES LESS THAN MAXVALUE)"),
        Animal("parts_hash", "id int NOT NULL PRIMARY KEY, v int", [f"{i}, {i}" for i in range(20)], "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 PARTITION BY HASH (id) PARTITIONS 4"),
        Animal("defaults", "id int NOT NULL PRIMARY KEY, a varchar(30) NOT NULL DEFAULT 'it''s \\\\ \"x\"', b int DEFAULT NULL, c bit(4) DEFAULT b'101', d decimal(5,2) DEFAULT '1.50',"
               " t timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, u datetime(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3) COMMENT 'it''s; a -- comment /* of */ `sorts`'",
               ["(id) VALUES (1)", "(id, t, u) VALUES (2, '2020-01-01', '2020-01-01')"], "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='a; b ''c'' \\\\ d'"),
        Animal("old_engine", "id int NOT NULL PRIMARY KEY, v varchar(10)", ["1, 'a'", "2, 'b'"], "ENGINE=MyISAM DEFAULT CHARSET=latin1"),
        Animal("packed", "id int NOT NULL PRIMARY KEY, v varchar(1000)", [f"{i}, REPEAT('{i}', 500)" for i in range(1, 9)], "ENGINE=InnoDB ROW_FORMAT=COMPRESSED DEFAULT CHARSET=utf8mb4"),
    ]


def names():
    odd = ["select", "with space", "back`tick", "dot.in.name", "slash/name", "back\\slash", "quote'd", 'double"d', "percent%s", "naïve 表", "semi;colon", "-- dash", "Case", "case",
           "a" * 64, "$dollar", "123", "new\nline"]
    columns = "id int NOT NULL PRIMARY KEY, `order` int, `a``b` int, `c'd` int, `e\"f` int, `g\\h` int, `%s` int, `i.j` int, ` k` int, `ümlaut 表` int, `/*l*/` int, `-- m` int, `#n` int"
    rows = numbered([[str(i)] * 12 for i in range(1, 4)])
    out = [Animal(n, columns, rows) for n in odd]
    return out + [Animal(n, columns, rows, schema=SCHEMA_ODD) for n in ("plain", "odd `x` tbl")]


def of_mariadb(v):
    out = []
    if v >= 100300:
        out += [Animal("ma_invisible", "id int NOT NULL PRIMARY KEY, h int INVISIBLE DEFAULT 5, v int", ["(id, h, v) VALUES (1, 2, 3)", "(id, v) VALUES (2, 4)"]),
                Animal("ma_compressed", "id int NOT NULL PRIMARY KEY, t text COMPRESSED, b varbinary(2000) COMPRESSED, v varchar(3000) COMPRESSED",
                       numbered([["REPEAT('abc', 500)", "REPEAT(X'00', 1500)", "REPEAT('xyz', 900)"], ["''", "''", "''"], ["NULL"] * 3, ["'short'", "X'ff'", "'s'"]]))]
    out += [Animal("ma_persistent", "id int NOT NULL PRIMARY KEY, a int, p int AS (a + 1) PERSISTENT", ["(id, a) VALUES (1, 2)", "(id, a) VALUES (2, NULL)"]),
            Animal("ma_aria", "id int NOT NULL PRIMARY KEY, v varchar(10)", ["1, 'a'", "2, 'b'"], "ENGINE=Aria DEFAULT CHARSET=utf8mb4"),
            Animal("ma_nopad", "k varchar(20) NOT NULL PRIMARY KEY, v int", ["'a', 1", "'a ', 2", "'a  ', 3"], "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
                   changes=["UPDATE {t} SET v = v + 1 WHERE k = 'a '", "DELETE FROM {t} WHERE k = 'a'"])]
    if v >= 100500:
        out.append(Animal("ma_inet6", "id int NOT NULL PRIMARY KEY, i inet6, n inet6 NOT NULL", numbered([["'::'", "'::1'"], ["'2001:db8::ff00:42:8329'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'"], ["'::ffff:192.0.2.1'", "'fe80::1'"], ["NULL", "'::'"]])))
    if v >= 100700:
        out.append(Animal("ma_uuid", "u uuid NOT NULL PRIMARY KEY, v uuid", ["'123e4567-e89b-12d3-a456-426655440000', NULL", "'00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                                                                                "'00112233-4455-1677-8899-aabbccddeeff', '018e1234-5678-7abc-8def-0123456789ab'"],
                          changes=["UPDATE {t} SET v = u", "DELETE FROM {t} WHERE u = '00000000-0000-0000-0000-000000000000'"]))
    if v >= 101000:
        out += [Animal("ma_inet4", "id int NOT NULL PRIMARY KEY, i inet4", numbered(["'0.0.0.0'", "'255.255.255.255'", "'192.0.2.1'", "NULL"])),
                Animal("ma_uca1400", "k varchar(20) NOT NULL PRIMARY KEY, v int", ["'a', 1", "'ß', 2", "'z', 3"], "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_ai_ci",
                       changes=["UPDATE {t} SET v = v + 1"])]
    if v >= 110700:
        out.append(Animal("vectors", "id int NOT NULL PRIMARY KEY, v vector(4) NOT NULL", [f"{i}, VEC_FromText('[{x}]')" for i, x in enumerate(["0,0,0,0", "1.5,-2.25,1e19,1e-37", "0.1,0.2,0.3,-0.4"], 1)]))
    return out


def of_mysql(v):
    out = [Animal("my_json_types", "id int NOT NULL PRIMARY KEY, j json", numbered([
        "CAST(CAST('2024-02-29' AS DATE) AS JSON)", "CAST(CAST('-12:34:56.789' AS TIME(3)) AS JSON)", "CAST(CAST('2024-02-29 12:34:56.123456' AS DATETIME(6)) AS JSON)",
        "JSON_ARRAY(CAST('1.5' AS DECIMAL(10,1)), 1.5e0, 1e300, -0e0)", "JSON_OBJECT('z', 1, 'a', 2, 'aa', 3)"])),
        Animal("my_json_decimal", "id int NOT NULL PRIMARY KEY, j json", numbered(["CAST(CAST('12345678901234567890.123456789' AS DECIMAL(40,10)) AS JSON)"])),
        # what ends and begins comments: files say DECIMALs in two forms, each in a comment that the other family skips
        Animal("my_json_comments", "id int NOT NULL PRIMARY KEY, j json, v varchar(60)", numbered([
            ["JSON_OBJECT('p', 1.50, 'u', '/var/*')", "'x'"], ["JSON_ARRAY(2.0, JSON_OBJECT('*/', '*/* /*/ */'))", "'*/ NULL, \\'taken\\'), (9, NULL, \\'made\\') #'"], ["JSON_ARRAY(1.50, '/*', '/*')", "'*/'"], ["NULL", "'/*'"]]))]
    if v >= 80013:
        out += [Animal("my_expression_key", "id int NOT NULL PRIMARY KEY, a int, b varchar(20), KEY fx ((a + 1)), UNIQUE KEY fy ((LOWER(b)))", numbered([["1", "'A'"], ["2", "'b'"], ["NULL", "NULL"]])),
                Animal("my_0900", "k varchar(20) NOT NULL PRIMARY KEY, v int", ["'a', 1", "'a ', 2", "'ß', 3", "'é', 4"], "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_as_cs",
                       changes=["UPDATE {t} SET v = v + 1"]),
                Animal("my_invisible", "id int NOT NULL PRIMARY KEY, h int INVISIBLE DEFAULT 5, v int", ["(id, h, v) VALUES (1, 2, 3)", "(id, v) VALUES (2, 4)"])]
    if v >= 80017:
        out.append(Animal("my_multi_valued", "id int NOT NULL PRIMARY KEY, j json, KEY mv ((CAST(j->'$.a' AS UNSIGNED ARRAY)))", numbered(["'{\"a\": [1, 2, 3]}'", "'{\"a\": []}'", "NULL"])))
    if v >= 80003:
        out.append(Animal("my_srid", "id int NOT NULL PRIMARY KEY, p point NOT NULL SRID 4326, g geometry", numbered([["ST_GeomFromText('POINT(52.5 13.4)', 4326)", "ST_GeomFromText('POINT(1 2)', 3857)"]])))
    if v >= 90000:
        out.append(Animal("vectors", "id int NOT NULL PRIMARY KEY, v vector(4) NOT NULL, w vector", [
            f"{i}, STRING_TO_VECTOR('[{x}]'), {w}" for i, (x, w) in enumerate([("0,0,0,0", "NULL"), ("1.5,-2.25,1e19,1e-37", "STRING_TO_VECTOR('[1]')"), ("0.1,0.2,0.3,-0.4", "STRING_TO_VECTOR('[1,2,3]')")], 1)]))
        out.append(Animal("my_vector_far", "id int NOT NULL PRIMARY KEY, v vector(2)", ["1, STRING_TO_VECTOR('[3e38,-3e38]')"]))
    return out


def zoo(server, target=None):
    """All animals that this server can hold; without those that the target's family can't, where one is given."""
    animals = [integers(), decimals(), floats(), bits(), *times(), *strings(), binaries(), large(), choices(), empty_members(), jsons(), shapes(), generated(), keyless(), *keys(),
               *relations(), *layouts(), *names()]
    animals += of_mariadb(server.version) if server.flavor == "mariadb" else of_mysql(server.version)
    return [a for a in animals if not target or a.name not in unknown_to(server, target)]


def unknown_to(server, target):
    """Tables that the target refuses however they are written; Tidegate says so and stops (a key over an expression). MariaDB has no
    vector whose length squared is no float."""
    if server.flavor == "mysql" and target.flavor == "mariadb":
        return {"my_expression_key", "my_multi_valued"} | ({"my_vector_far"} if target.version >= 110700 else set())
    return set()


def make(server, animals, rows=True, views=True):
    """Databases and tables, with or without their rows; and two views of integers."""
    with server.connect() as c, c.cursor() as cur:
        cur.execute("SET sql_mode=%s, foreign_key_checks=0, time_zone='+00:00'", (MODE,))
        for schema in dict.fromkeys(a.schema for a in animals):
            cur.execute(f"CREATE DATABASE IF NOT EXISTS {quote(schema)} CHARACTER SET utf8mb4")
        for a in animals:
            cur.execute(f"USE {quote(a.schema)}")
            for s in a.create() + (list(a.fill()) if rows else []):
                execute(cur, s, a)
        if not views:
            return
        cur.execute(f"USE {quote(SCHEMA)}")
        cur.execute("CREATE OR REPLACE VIEW v_ints AS SELECT id, s_int, u_bigint FROM integers WHERE id > 1")
        cur.execute("CREATE OR REPLACE VIEW a_view_of_view AS SELECT id FROM v_ints")


def execute(cur, sql, animal):
    try:
        cur.execute(sql)
    except Exception as e:
        raise AssertionError(f"zoo: {animal.name}: {e}\n{sql[:300]}") from e


def replay(server, animals, what):
    """what: "fill" or "changes": those statements, one transaction a table."""
    with server.connect(autocommit=False) as c, c.cursor() as cur:
        cur.execute("SET sql_mode=%s, foreign_key_checks=0, time_zone='+00:00'", (MODE,))
        for a in animals:
            for s in getattr(a, what)():
                execute(cur, s, a)
            c.commit()


def schemas():
    return [SCHEMA, SCHEMA_ODD]


def cannot_be(pair):
    """Differences that no copy by SQL text can avoid: how such lines of the comparer begin."""
    # a DECIMAL inside a JSON value is a DOUBLE once it was text, here as with mysqldump
    known = ("zoo.my_json_decimal: row",)
    if pair.target.flavor == "mariadb" and pair.target.version < 100303:  # has no INVISIBLE, which the log says
        known += tuple(f"zoo.{t}: column h: h NULL INVISIBLE and h NULL" for t in ("my_invisible", "ma_invisible"))
    return known
