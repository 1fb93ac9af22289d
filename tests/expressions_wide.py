"""Expressions at random over the kinds of columns that expressions.py leaves out, put together with less care: what is refused is only left out, so
each form is tried with each kind of operand."""
BY_SERVER = {  # what is written in braces below: MySQL, MariaDB from 11.4 on, older ones
    "bin": ("utf8mb4_0900_bin", "utf8mb4_nopad_bin", "utf8mb4_nopad_bin"),
    "uca": ("utf8mb4_0900_ai_ci", "utf8mb4_uca1400_nopad_ai_ci", "utf8mb4_unicode_520_nopad_ci"),
    "gen": ("utf8mb4_general_ci", "utf8mb4_general_nopad_ci", "utf8mb4_general_nopad_ci"),
    "swe": ("latin1_swedish_ci", "latin1_swedish_nopad_ci", "latin1_swedish_nopad_ci"),
}
TABLE = """CREATE TABLE judged (id int NOT NULL PRIMARY KEY, si smallint, mu mediumint unsigned, bg bigint, bu bigint unsigned, zf int(6) unsigned zerofill, d1 decimal(65,30), d2 decimal(5,0) unsigned,
 d3 decimal(30,15), f float, g double, y year, b1 bit(1), b64 bit(64), cb char(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, vb varchar(40) CHARACTER SET utf8mb4 COLLATE {bin},
 vg varchar(40) CHARACTER SET utf8mb4 COLLATE {gen}, vu varchar(40) CHARACTER SET utf8mb4 COLLATE {uca}, v5 varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci,
 u3 varchar(40) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci, u3b char(9) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin, lb varchar(40) CHARACTER SET latin1 COLLATE latin1_bin,
 ls varchar(40) CHARACTER SET latin1 COLLATE {swe}, ac varchar(40) CHARACTER SET ascii COLLATE ascii_general_ci, mt mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, bi binary(6), bl blob,
 da date, dt datetime, d6 datetime(6), ts timestamp NULL DEFAULT NULL, t3 timestamp(3) NULL DEFAULT NULL, t0 time, t6 time(6),
 e enum('','b','a','10','it''s') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, el enum('x','Y','z ') CHARACTER SET latin1 COLLATE latin1_swedish_ci, st set('a','b'), js json)"""
INTS, UNSIGNED, EXACT, REAL = ["id", "si", "bg"], ["mu", "bu", "zf"], ["d1", "d2", "d3"], ["f", "g"]
TEXTS, BYTES = ["cb", "vb", "vg", "vu", "v5", "u3", "u3b", "lb", "ls", "ac", "mt"], ["bi", "bl"]
DATES, CLOCKS = ["da", "dt", "d6", "ts", "t3"], ["t0", "t6"]
ENUMS, OTHERS = ["e", "el"], ["st", "js"]
WORDS = ["", " ", "  ", "a", "A", "a ", "a  ", "b", "B ", "ab", "AB", "a\\tb", "a\\t", "a_b", "a%b", "a\\\\b", "%", "_", "\\\\", "10", "010", " 10", "10 ", "1e1", "10x", "-0", "it''s", "x", "Y", "z", "z ", "0", "a-b", "a b", "ab!", "~", "a~", "^b", "[a", "aa", "aB_"]
FAR = ["日", "日a", "é", "É", "ß", "ss", "ÿ", "😀", "aé", "ä", "Åb", "ı", "i", "k", "ſ", "s"]
MOMENTS = ["2024-02-29", "2023-12-31", "2000-01-01", "1970-01-02", "1999-02-28", "9999-12-31", "2024-01-01", "1000-01-01"]
CLOCK = ["00:00:00", "10:11:12", "23:59:59", "00:00:01"]


def table(flavor, version):
    at = 0 if flavor == "mysql" else 1 if version >= 110400 else 2
    return TABLE.format(**{k: v[at] for k, v in BY_SERVER.items()})


def rows(rng, n=60):
    """Texts of values as SQL takes them in a session without strict mode."""
    def moment(digits, most=8):
        day, clock = rng.choice(MOMENTS[:most]), rng.choice(CLOCK)
        return f"'{day} {clock}" + ("." + "".join(rng.choice("059") for _ in range(digits)) if digits else "") + "'"

    def word(far, most=99):
        return "'" + rng.choice(FAR if rng.random() < far else WORDS)[:most] + "'"
    for k in range(n):
        row = [rng.choice([0, 1, -1, 5, 10, 32767, -32768]), rng.choice([0, 1, 5, 10, 16777215]), rng.choice([0, -1, 5, 10, 9223372036854775807, -9223372036854775808, 4611686018427387904]),
               rng.choice([0, 1, 5, 10, 18446744073709551615, 9223372036854775808]), rng.choice([0, 5, 10, 4294967295, 123]),
               rng.choice(["0", "0.000000000000000000000000000001", "99999999999999999999999999999999999.999999999999999999999999999999", "-5.5", "10", "0.1", "-0.000000000000000000000000000005"]),
               rng.choice([0, 5, 10, 99999]), rng.choice(["0", "5.500000000000001", "-999999999999999.999999999999999", "10", "0.1"]), rng.choice([0, 0.1, -5.5, 1.17e-38, 3.4e38, 16777217, 10]),
               rng.choice(["0", "0.1", "-5.5", "1.7e308", "-1.7e308", "5e-324", "9007199254740993", "10", "-0.0"]), rng.choice([0, 1901, 2000, 2155, 2024]), rng.choice([0, 1]),
               rng.choice([0, 5, 18446744073709551615, 9223372036854775808]), word(0.2, 8), word(0.3), word(0.3), word(0.3), word(0.3), word(0.15), word(0.15), word(0), word(0), word(0), word(0.3),
               rng.choice(["''", "'a'", "'ab'", "0x610062", "0xff", "'a     '", "0x00"]), rng.choice(["''", "'a'", "'A'", "0x6100", "0x61ff", "'a '", "0xe697a5"]),
               rng.choice(["'0000-00-00'", "'2024-00-00'", "'2024-02-00'"]) if rng.random() < 0.1 else f"'{rng.choice(MOMENTS)}'", "'0000-00-00 00:00:00'" if rng.random() < 0.08 else moment(0), moment(6),
               "'0000-00-00 00:00:00'" if rng.random() < 0.08 else moment(0, 5).replace("9999", "2037"), moment(3, 5).replace("9999", "2037"), rng.choice(["'-838:59:59'", "'838:59:59'", "'-00:00:01'", "'10:11:12'", "'00:00:00'", "'24:00:00'"]),
               rng.choice(["'-00:00:00.000001'", "'10:11:12.500000'", "'00:00:00'", "'-10:11:12.5'", "'838:59:58.999999'"]), rng.choice([1, 2, 3, 4, 5, 0, "''"]), rng.choice([1, 2, 3, 0]), rng.choice(["''", "'a'", "'a,b'"]), rng.choice(["'{}'", "'[1]'"])]
        yield f"({k + 1}," + ",".join("NULL" if rng.random() < 0.1 else str(v) for v in row) + ")"


class Maker:
    def __init__(self, rng):
        self.r = rng

    def one(self, *of):
        return self.r.choice(of)

    def word(self):
        return "'" + self.r.choice(WORDS + FAR[:3]) + "'"

    def number(self, depth):
        r = self.r
        k = r.random()
        if depth <= 0 or k < 0.3:
            return r.choice(r.choice([INTS, UNSIGNED, EXACT, REAL, ["y", "b1", "b64"]] + [INTS] * 2))
        if k < 0.45:
            return self.one("0", "1", "-1", "10", "5.50", "-0.5", "1e1", "-1.5e-1", ".1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "0.000000000000000000000000000001",
                            "99999999999999999999", "0x0A", "X'05'", "b'1010'", "TRUE", "FALSE", "NULL", "5.", "1E+2", "00010")
        if k < 0.66:
            return f"({self.number(depth - 1)} {self.one('+', '-', '*', '/', 'DIV', '%', 'MOD')} {self.one(self.number(depth - 1), self.number(depth - 1), '4', '10', '2.5', '1e1')})"
        if k < 0.72:
            return f"-{self.one(' ', '')}{self.number(0)}"
        if k < 0.86:
            f = self.one("ABS({n})", "SIGN({n})", "FLOOR({n})", "CEIL({n})", "ROUND({n})", "ROUND({n}, {d})", "MOD({n}, {m})", "LENGTH({s})", "CHAR_LENGTH({s})", "OCTET_LENGTH({s})", "LENGTH({x})", "- - {n}")
            return f.format(n=self.number(depth - 1), m=self.number(depth - 1), d=self.one(0, 1, 2, 5, 30), s=self.text(depth - 1), x=self.one(*BYTES))
        if k < 0.94:
            return f"{self.one('YEAR', 'QUARTER', 'MONTH', 'DAY', 'DAYOFMONTH', 'DAYOFWEEK', 'WEEKDAY', 'DAYOFYEAR', 'TO_DAYS', 'HOUR', 'MINUTE', 'SECOND', 'MICROSECOND')}({self.one(self.moment(depth - 1), self.one(*CLOCKS))})"
        return self.choose(self.number, depth) if k < 0.98 else f"DATEDIFF({self.moment(0)}, {self.moment(0)})"

    def choose(self, kind, depth):
        a, b, c = kind(depth - 1), kind(depth - 1), self.condition(depth - 2)
        return self.one("IF({c}, {a}, {b})", "IFNULL({a}, {b})", "COALESCE({a}, {b}, {a})", "CASE WHEN {c} THEN {a} ELSE {b} END", "CASE WHEN {c} THEN {a} END", "NULLIF({a}, {b})", "CASE {a} WHEN {b} THEN {a} ELSE {b} END",
                        "COALESCE(NULL, {a})", "IF(NULL, {b}, {a})", "CASE {a} WHEN {b} THEN {b} WHEN NULL THEN {a} END").format(a=a, b=b, c=c)

    def text(self, depth):
        r = self.r
        k = r.random()
        if depth <= 0 or k < 0.45:
            return r.choice(TEXTS)
        if k < 0.55:
            return self.word()
        if k < 0.6:
            return f"{self.text(depth - 1)} COLLATE {self.one('utf8mb4_bin', 'utf8mb4_general_ci', 'utf8mb4_unicode_ci', 'latin1_bin', 'utf8mb3_bin', 'binary', 'ascii_bin')}"
        if k < 0.95:
            s, t, n, m = self.text(depth - 1), self.text(depth - 1), self.one("0", "1", "2", "-1", "-2", "5", "si", "NULL"), self.one("0", "1", "2", "-1", "3", "mu")
            return self.one("LOWER({s})", "UPPER({s})", "LCASE({s})", "CONCAT({s}, {t})", "CONCAT({s}, {i})", "SUBSTRING({s}, {n})", "SUBSTR({s}, {n}, {m})", "MID({s}, {n}, {m})", "SUBSTRING({s} FROM {n} FOR {m})", "LEFT({s}, {m})", "RIGHT({s}, {m})",
                            "TRIM({s})", "LTRIM({s})", "RTRIM({s})", "REPLACE({s}, {w}, {t})", "REPLACE({s}, {t}, {w})").format(s=s, t=t, n=n, m=m, w=self.word(), i=self.one("si", "bu", "d2", "d3", "zf", "10", "1.50", "-0", "y", "e"))
        return self.choose(self.text, depth)

    def bytes(self, depth):
        k = self.r.random()
        if depth <= 0 or k < 0.6:
            return self.one(*BYTES)
        return self.one("CONCAT({b}, 'a')", "SUBSTRING({b}, 1, 2)", "LEFT({b}, 2)", "TRIM({b})", "RTRIM({b})", "REPLACE({b}, 'a', 'b')", "X'61'", "0x6100", "'a'", "LOWER({b})", "IFNULL({b}, 'a')", "COALESCE({b}, {b})").format(b=self.bytes(depth - 1))

    def moment(self, depth):
        k = self.r.random()
        if depth <= 0 or k < 0.55:
            return self.one(*DATES)
        if k < 0.75:
            return self.one("'2024-02-29'", "DATE '2000-01-01'", "TIMESTAMP '2023-12-31 23:59:59'", "'2024-02-29 10:11:12'", "'2000-01-01 10:11:12.5'", "TIMESTAMP '2000-01-01 10:11:12.500000'", "'1970-01-02 00:00:00'", "'9999-12-31'", "'0000-00-00'")
        return f"DATE({self.moment(depth - 1)})" if k < 0.88 else self.choose(self.moment, depth)

    def clock(self, depth):
        k = self.r.random()
        return self.one(*CLOCKS) if depth <= 0 or k < 0.6 else self.choose(self.clock, depth) if k < 0.75 else self.one("'10:11:12'", "TIME '10:11:12.5'", "'-00:00:00.000001'", "'838:59:59'", "TIME '-838:59:59'", "'24:00:00'")

    def pair(self, depth):
        """Two ways to make values that are compared."""
        k = self.r.random()
        if k < 0.4:
            return self.number, self.number
        if k < 0.68:
            return self.text, self.text if self.r.random() < 0.35 else lambda d: self.word()
        if k < 0.74:
            return self.bytes, self.bytes
        if k < 0.87:
            return self.moment, self.moment
        if k < 0.91:
            return self.clock, self.clock
        return self.r.choice([(lambda d: self.one(*ENUMS), lambda d: self.one(self.word(), "1", "2", "e", "el", "'X'", "'z'", "0", "vg")), (self.text, self.number), (self.number, lambda d: self.word()), (lambda d: self.one(*OTHERS), lambda d: self.one("NULL", "'a'")),
                              (self.bytes, self.text), (self.moment, self.text), (self.number, self.moment)])

    def condition(self, depth=2):
        r = self.r
        k = r.random()
        if depth > 0 and k < 0.35:
            a, b = self.condition(depth - 1), self.condition(depth - 1)
            return self.one("({a} AND {b})", "({a} OR {b})", "(NOT {a})", "({a} XOR {b})", "(! ({a}))", "(({a}) IS TRUE)", "(({a}) IS NOT TRUE)", "(({a}) IS NOT UNKNOWN)", "(({a}) IS NULL)", "(({a}) <=> ({b}))", "({a} OR {b} AND {a})", "(NOT {a} AND {b})",
                            "(({a}) + ({b}) > 1)", "(({a}) < ({b}))", "IF({a}, {b}, NULL)", "(({a}) IN (0, {b}))").format(a=a, b=b)
        one, other = self.pair(depth)
        d = r.choice([0, 1, 1, 2])
        a, b = one(d), other(d)
        if k < 0.6:
            return f"({a} {self.one('=', '<>', '<', '<=', '>', '>=', '<=>', '!=')} {b})"
        if k < 0.72:
            return f"({a} {self.one('', 'NOT ')}BETWEEN {b} AND {other(d)})"
        if k < 0.84:
            return f"({a} {self.one('', 'NOT ')}IN ({', '.join(r.choice([other(d), other(0)]) for _ in range(r.randint(1, 5)))}{self.one('', '', ', NULL')}))"
        if k < 0.93:
            like = self.one("%", "_", "a%", "%b", "a_b", "a\\\\_b", "a\\_b", "%\\%%", "A%", "_ ", "a ", "", "%a%b%", "__", "日%", "é%", "a|%", "%|", "|_%", "~%", "\\\\\\\\%", "10%", "%\\t%")
            return f"({self.one(self.text(d), self.one(*BYTES), self.one(*ENUMS))} {self.one('', 'NOT ')}LIKE '{like}'{self.one('', '', ' ESCAPE ' + chr(39) + '|' + chr(39))})"
        if k < 0.97:
            return f"({self.one(a, self.one(*OTHERS), self.one(*DATES), self.one(*ENUMS))} IS {self.one('', 'NOT ')}NULL)"
        return f"ISNULL({a})" if k < 0.985 else f"({self.number(1)} IS {self.one('', 'NOT ')}{self.one('TRUE', 'FALSE', 'UNKNOWN')})"
