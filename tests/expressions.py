"""Expressions and rows at random, in the part of the language that filters take, over one table of all kinds."""

TABLE = """CREATE TABLE judged (id int NOT NULL PRIMARY KEY, i int, i2 int, ti tinyint, b bigint, u int unsigned, bu bigint unsigned, d decimal(10,3), d2 decimal(20,6), f float, g double,
 y year, bt bit(9), vg varchar(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, vu varchar(30) CHARACTER SET utf8mb4 COLLATE {uca}, vn varchar(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
 vb varchar(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, l varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci, c char(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, x varbinary(20), tx text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
 num varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, da date, da2 date, dt datetime(3), dt2 datetime, ts timestamp(6) NULL DEFAULT NULL, t time(2), e enum('red','Green','it''s') CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci)"""
INTS = ["i", "i2", "ti", "u"]
BIG = ["b", "bu"]
WORDS = ["", "a", "A", "b", "abc", "ABC", "abd", "ab c", "abc ", " abc", "x_y", "x%y", "100%", "Zoo", "zoo", "12", "007", "a-b", "it's", "back\\slash", "deleted", "Deleted"]
FAR = WORDS + ["日本", "日本語", "한국", "é", "straße", "ÀB", "ab日", "😀"]
NUMBERS = ["0", "5", "-3", " 12", "12abc", "1e2", "2.5", ".5", "abc", "", "-0.25x", "+7", "1e", "\t8"]
DATES = ["2024-02-29", "2023-12-31", "2024-01-01", "1999-07-04", "2000-02-28", "1970-01-01", "9999-12-31"]
TIMES = ["00:00:00", "10:11:12", "23:59:59", "01:02:03"]


def rows(rng, n=40):
    def maybe(v):
        return None if rng.random() < 0.12 else v

    def stamp(digits):
        s = f"{rng.choice(DATES[:5])} {rng.choice(TIMES)}"
        return s + "." + "".join(rng.choice("05") for _ in range(digits)) if digits else s

    for k in range(n):
        yield [k + 1, maybe(rng.choice([0, 1, -1, 5, 7, 42, 100, 2147483647, rng.randint(-50, 50)])), maybe(rng.randint(-10, 10)), maybe(rng.choice([0, 1, 2, -128, 127])),
               maybe(rng.choice([0, 5, -5, 9007199254740993, -9223372036854775808, 9223372036854775807])), maybe(rng.choice([0, 3, 5, 4294967295])),
               maybe(rng.choice([0, 5, 9007199254740993, 18446744073709551615])), maybe(rng.choice(["0", "2.5", "-2.500", "1234567.891", "0.001", "-0.4", "5"])), maybe(rng.choice(["0", "0.000001", "99999999999999.999999", "-7.25", "5"])),
               maybe(rng.choice([0, 1.5, 0.1, -2.25, 5])), maybe(rng.choice([0, 1.5, 0.1, -2.25, 1e100, 5])), maybe(rng.choice([1999, 2024, 1901, 2155])), maybe(rng.choice([0, 1, 5, 511])),
               *(maybe(rng.choice(FAR if rng.random() < 0.3 else WORDS)) for _ in range(4)), maybe(rng.choice(WORDS + ["é", "ÿ"])), maybe(rng.choice([w for w in WORDS])), maybe(rng.choice([b"", b"a", b"A", b"ab\0", b"\xff\xfe", b"abc"])),
               maybe(rng.choice(FAR)), maybe(rng.choice(NUMBERS)), maybe(rng.choice(DATES)), maybe(rng.choice(DATES)), maybe(stamp(3)), maybe(stamp(0)), maybe(stamp(6).replace("1970-01-01", "1970-01-02")),
               maybe(rng.choice(["00:00:00", "10:11:12.50", "-01:00:00.25", "838:59:59", "23:59:59.99"])), maybe(rng.choice(["red", "Green", "it's"]))]


def text(s):
    return "'" + s.replace("\\", "\\\\").replace("'", "''") + "'"


class Maker:
    """One expression after the other; each method gives text of one kind."""

    def __init__(self, rng):
        self.r = rng

    def pick(self, *of):
        return self.r.choice(of)

    def whole(self, depth=2):
        r = self.r
        k = r.random()
        if depth <= 0 or k < 0.45:
            return r.choice(INTS + ["id"])
        if k < 0.6:
            return str(r.choice([0, 1, 2, 5, 7, -1, -3, 42, 100]))
        if k < 0.72:
            return f"({self.whole(depth - 1)} {r.choice(['+', '-', '*', 'DIV', '%', 'MOD'])} {self.whole(depth - 1)})"
        if k < 0.80:
            return f"{r.choice(['ABS', 'SIGN', '- ', 'FLOOR', 'CEILING', 'ROUND'])}({self.whole(depth - 1)})"
        if k < 0.88:
            return f"{r.choice(['LENGTH', 'CHAR_LENGTH'])}({self.words(depth - 1)})"
        if k < 0.94:
            return f"{r.choice(['YEAR', 'MONTH', 'DAY', 'QUARTER', 'DAYOFWEEK', 'WEEKDAY', 'DAYOFYEAR', 'TO_DAYS'])}({self.date()})"
        if k < 0.97:
            return f"{r.choice(['HOUR', 'MINUTE', 'SECOND', 'MICROSECOND'])}({r.choice(['dt', 'dt2', 'ts', 't', 'da'])})"
        return f"DATEDIFF({self.date()}, {self.date()})"

    def exact(self, depth=2):
        r = self.r
        k = r.random()
        if depth <= 0 or k < 0.4:
            return r.choice(["d", "d2", "d", "i"])
        if k < 0.55:
            return r.choice(["0.5", "2.50", "-7.25", "1234567.891", ".001", "5.0", "3"])
        if k < 0.75:
            return f"({self.exact(depth - 1)} {r.choice(['+', '-', '*', '%'])} {self.exact(depth - 1)})"
        if k < 0.85:
            return f"({self.exact(depth - 1)} / {r.choice(['2', '4', '5', '10', '100', '8'])})"
        return r.choice(["ABS({})", "-({})", "FLOOR({})", "CEILING({})", "ROUND({})", "ROUND({}, 1)", "({} DIV 2)"]).format(self.exact(depth - 1))

    def real(self, depth=2):
        r = self.r
        k = r.random()
        if depth <= 0 or k < 0.4:
            return r.choice(["f", "g"])
        if k < 0.55:
            return r.choice(["1.5e0", "1e-1", "-2.25E0", "5e0"])
        if k < 0.8:
            return f"({self.number(depth - 1)} {r.choice(['+', '-', '*', '/'])} {r.choice(['g', 'f', '2e0', 'num', '0e0'])})"
        return f"ABS({self.real(depth - 1)})"

    def number(self, depth=2):
        k = self.r.random()
        if k < 0.08:
            return self.pick("b", "bu", "bt", "9007199254740993", "18446744073709551615", "TRUE", "NULL", "0x05", "b'101'")
        made = self.whole(depth) if k < 0.5 else self.exact(depth) if k < 0.8 else self.real(depth)
        if self.r.random() < 0.08:
            return self.choose(lambda: made, lambda: self.exact(0))
        return made

    def choose(self, a, b):
        form = self.r.choice(["IF({c}, {a}, {b})", "IFNULL({a}, {b})", "COALESCE({a}, {b})", "CASE WHEN {c} THEN {a} ELSE {b} END", "CASE WHEN {c} THEN {a} WHEN {c} THEN {b} END",
                              "CASE i WHEN 5 THEN {a} WHEN ti THEN {b} END"])
        return form.format(a=a(), b=b(), c=self.condition(0))

    def column(self):
        return self.r.choice(["vg", "vg", "vu", "vn", "vb", "l", "c", "x", "tx"])

    def of(self, c, depth):
        """Text made of column c."""
        r = self.r
        if depth <= 0 or r.random() < 0.5:
            return c
        inner = self.of(c, depth - 1)
        n, m = r.choice([0, 1, 2, 3, -1, -2]), r.choice([0, 1, 2, 5])
        form = r.choice(["LOWER({s})", "UPPER({s})", "CONCAT({s}, 'x')", "CONCAT({s}, i, d)", "CONCAT('a', {s})", "SUBSTRING({s}, {n})", "SUBSTRING({s}, {n}, {m})", "SUBSTRING({s} FROM {n} FOR {m})", "LEFT({s}, {m})",
                         "RIGHT({s}, {m})", "TRIM({s})", "LTRIM({s})", "RTRIM({s})", "REPLACE({s}, 'b', 'yy')", "NULLIF({s}, 'abc')", "IFNULL({s}, 'none')", "IF(i > 0, {s}, 'zoo')"])
        return form.format(s=inner, n=n, m=m)

    def words(self, depth=2):
        return self.of(self.column(), depth)

    def literal(self):
        return text(self.r.choice(WORDS))

    def date(self):
        return self.r.choice(["da", "da2", "dt", "dt2", "ts", "DATE(dt)", "DATE(ts)", "'2024-02-29'", "DATE '2000-01-01'", "'2024-01-01 10:11:12'"])

    def pair(self, depth):
        """Two operands that are compared."""
        r = self.r
        k = r.random()
        if k < 0.42:
            return self.number(depth), self.number(depth)
        if k < 0.72:
            s = self.words(depth)
            c = next(w for w in ("vg", "vu", "vn", "vb", "tx", "l", "c", "x") if w in s.replace("(", " ").replace(",", " ").split() or s == w or f"({w}" in s or f" {w}" in s)
            return (s, self.of(c, 1)) if r.random() < 0.2 else (s, r.choice([self.literal(), self.literal(), "'日本'", "'a'"]) if c not in ("l",) else self.literal())
        if k < 0.8:
            return r.choice(["num", "vg"]), self.whole(1)
        if k < 0.84:
            return r.choice(["i", "d", "g", "u"]), text(r.choice(NUMBERS))
        if k < 0.94:
            return r.choice(["da", "dt", "dt2", "ts", "DATE(dt)"]), r.choice(["da2", "dt2", "dt", "ts", "'2024-02-29'", "'2024-01-01 10:11:12'", "DATE '2024-01-01'", "TIMESTAMP '2023-12-31 23:59:59'"])
        if k < 0.97:
            return "t", r.choice(["t", "'10:11:12.50'", "TIME '00:00:00'", "'-01:00:00'"])
        return "e", r.choice(["'red'", "'RED'", "'zz'", "2", "e", "'green'", "vg"])

    def condition(self, depth=2):
        r = self.r
        if depth > 0 and r.random() < 0.4:
            a, b = self.condition(depth - 1), self.condition(depth - 1)
            return r.choice(["({a}) AND ({b})", "({a}) OR ({b})", "NOT ({a})", "({a}) XOR ({b})", "{a} && {b}", "! ({a})", "{a} OR {b}", "({a}) IS TRUE", "({a}) IS NOT FALSE", "({a}) IS UNKNOWN", "NOT {a}",
                             "({a}) = ({b})"]).format(a=a, b=b)
        k = r.random()
        a, b = self.pair(min(depth, 1) + 1)
        if k < 0.55:
            return f"{a} {r.choice(['=', '<>', '!=', '<', '<=', '>', '>=', '<=>'])} {b}"
        if k < 0.66:
            n, s = self.r.choice(["", "NOT "]), self.words(1)
            return f"{s} {n}LIKE {text(r.choice(['%', 'a%', '%c', '_b%', 'abc', '%B%', 'x!_y', '', '%日%', 'a_c', '100!%', '%%', 'de%ed']))}" + r.choice(["", " ESCAPE '!'"])
        if k < 0.76:
            return f"{a} {r.choice(['', 'NOT '])}BETWEEN {b} AND {b}" if r.random() < 0.3 else f"{self.number(1)} {r.choice(['', 'NOT '])}BETWEEN {self.number(1)} AND {self.number(1)}"
        if k < 0.88:
            if r.random() < 0.5:
                return f"{self.number(1)} {r.choice(['', 'NOT '])}IN ({', '.join(self.number(1) for _ in range(r.randint(1, 4)))})"
            s = self.r.choice(["vg", "vu", "vn", "vb", "tx", "x", "LOWER(vg)", "e"])
            return f"{s} {r.choice(['', 'NOT '])}IN ({', '.join(self.literal() for _ in range(r.randint(1, 4)))}{r.choice(['', ', NULL'])})"
        if k < 0.94:
            return f"{r.choice([a, b, 'x', 'e', 't'])} IS {r.choice(['', 'NOT '])}NULL"
        if k < 0.97:
            return f"ISNULL({a})"
        return self.number(1)
