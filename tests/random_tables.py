"""Random tables with random rows and changes, of one seed: every column type, charset, key, default and name that the source takes and the target can hold.
Values are written as SQL literals whose bytes are said exactly; what the source makes of them is what the target must have."""
import json
import random
import re
import string
import struct

import pymysql
from servers import quote

MODE = "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
# what Python calls it: letters are drawn by it; None: any byte is a letter
CHARSETS = {"utf8mb4": "utf8", "utf8mb3": "utf8", "latin1": None, "latin2": None, "cp1251": "cp1251", "koi8r": None, "cp850": None, "cp1250": "cp1250", "latin5": None, "hebrew": "iso8859_8", "greek": "iso8859_7",
            "ascii": "ascii", "gbk": "gbk", "gb2312": "gb2312", "sjis": "shift_jis", "cp932": "cp932", "big5": "big5", "euckr": "euc_kr", "ujis": "euc_jp", "eucjpms": "euc_jp",
            "gb18030": "gb18030", "utf16": "utf-16-be", "utf16le": "utf-16-le", "ucs2": "utf-16-be", "utf32": "utf-32-be", "tis620": "tis-620"}
WHOLE = {"utf8mb4", "utf8mb3", "latin1", "latin2", "koi8r", "cp850", "latin5", "ascii", "utf16", "utf16le", "utf32", "ucs2"}  # Unicode has all of their letters
OFTEN = ["utf8mb4"] * 8 + ["latin1"] * 4 + ["utf8mb3"] * 2 + ["gbk", "sjis"]
WIDTH = {"utf8mb4": 4, "utf8mb3": 3, "gb18030": 4, "utf16": 4, "utf16le": 4, "utf32": 4, "ucs2": 2, "ujis": 3, "eucjpms": 3, "gbk": 2, "gb2312": 2, "sjis": 2, "cp932": 2, "big5": 2, "euckr": 2}
BITS = ["", " ", "  ", "\0", "\t", "\n", "\r", "\r\n", "\x1a", "\x08", "\x7f", "'", '"', "\\", "\\N", "\\\\", "\\'", "''", '""', "`", ";", ";\n", ",", "\t\\N\t", "NULL", "null", "0x41", "--", "-- x\n", "#",
        "/*", "*/", "/*!50000 1 */", "%s", "%", "_", "?", ":x", "(", ")", "),(", "a", "A", "b", "0", "1e5", "-0", "é", "É", "ß", "ÿ", "€", "Ÿ", "\u0081", "\u00a0", "\u0301", "ı", "İ",
        "中", "表", "ソ", "能", "乗", "\\中", "功", "가", "\u2028", "\ufeff", "\ufffd", "\uffff", "😀", "👍🏽", "\U0010ffff", "𝔸", "я", "Ж", "א", "ก", "¥", "‾", "~", "|", "|+|", "<null>", "\x1e", "\x1f"]
SHAPES = ["point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"]


def hexed(raw, charset="binary"):
    return f"_{charset} x'{raw.hex()}'" if raw else "''"


def text_of(rnd, charset, most):
    """Bytes of a text of at most so many characters."""
    n = rnd.choice([0, 1, 1, 2, 3, 5, 10, 30, most, most]) if most < 2000 else rnd.choice([0, 1, 3, 10, 50, 255, 256, 1000, most])
    n, codec, out, count = min(n, most), CHARSETS[charset], [], 0
    if codec is None:
        if rnd.random() < 0.5:
            return bytes(rnd.choice(b"\0\t\n\r\x1a'\"\\`,;N \x80\x81\x8d\x9d\xa0\xe9\xff") if rnd.random() < 0.5 else rnd.randrange(256) for _ in range(n))
        return "".join(rnd.choice(BITS) for _ in range(n)).encode("latin1", "ignore")[:n]
    while count < n:
        piece = rnd.choice(BITS) if rnd.random() < 0.7 else chr(rnd.choice((rnd.randrange(0x20, 0x2000), rnd.randrange(0x3000, 0xd7ff), rnd.randrange(0x4e00, 0x9fa5))))
        if charset in ("utf8mb3", "ucs2"):
            piece = "".join(c for c in piece if ord(c) < 0x10000)
        if charset.startswith("utf32"):
            piece = piece.replace("\uffff", "x")
        raw, size = piece.encode(codec, "ignore"), len(piece)
        if n > 100 and rnd.random() < 0.2:
            raw, size = raw * 20, size * 20
        out.append(raw)
        count += max(1, size)
    return b"".join(out)


class Kind:
    """One column's type: how it is said, how long it is in a key, how a value is said."""

    def __init__(self, sql, value, key=8, charset=None, prefix=False, name="", part=None, default=True):
        self.sql, self.value, self.key, self.charset, self.prefix, self.part, self.name, self.default = sql, value, key, charset, prefix, part, name or sql.split("(")[0].split(" ")[0], default


class Maker:
    """Makes the tables of a seed in the server up, such that down can hold them."""

    def __init__(self, seed, up, down, files=False):
        self.rnd, self.up, self.down, self.files = random.Random(seed), up, down, files
        self.across = up.flavor != down.flavor
        self.refused, self.made, self.schemas, self.tables = [], [], [], []
        self.collations = {}
        for co, cs in up.query("SELECT COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE CHARACTER_SET_NAME IS NOT NULL"):
            if cs in CHARSETS and (not files or cs in WHOLE) and not (self.across and cs == "gb18030"):  # MariaDB has none
                self.collations.setdefault(cs, []).append(co)
        there = {r[0] for r in down.query("SELECT COLLATION_NAME FROM information_schema.COLLATIONS")}
        self.both = {cs: [c for c in cos if c in there] for cs, cos in self.collations.items()}

    # --- names

    def name(self, taken, most=64):
        r = self.rnd
        while True:
            kind = r.random()
            if kind < 0.45:
                n = r.choice(string.ascii_letters) + str(r.randrange(1000))
            elif kind < 0.55:
                n = "".join(r.choice(string.ascii_lowercase) for _ in range(most))
            elif kind < 0.62:
                n = r.choice(["select", "key", "order", "table", "values", "default", "system", "array", "lateral", "window", "rank", "period", "offset", "1", "0x1", "1e1", "$a", "_utf8", "n'x", "null", "DUAL", "@v", "@@x"])
            else:
                n = "".join(r.choice(["a", "B", "`", "'", '"', "\\", ".", "%", "%s", " ", "ü", "表", "中", "-", "--", "/", "*/", "/*", ";", "\n", "\t", "#", "$", "@", "(", ",", "=", "?", ":", "\u0100", "Ж", "%2E", "&", "<", "|"])
                            for _ in range(r.randint(1, 12)))
            n = n.rstrip().lstrip("\ufeff")
            if n and len(n) <= most and n.lower() not in taken and not n.startswith("#mysql50#"):
                taken.add(n.lower())
                return n

    def schema_name(self, n):
        r = self.rnd
        return r.choice(["rt", "RT", "r-t", "r t", "r`t", "r.t", "rü", "r'%s", 'r"t', "r%2Et", "r\\t", "r@t"]) + str(n)

    # --- charsets

    def charset(self):
        r = self.rnd
        return r.choice([c for c in OFTEN if c in self.collations]) if r.random() < 0.6 else r.choice(sorted(self.collations))

    def collation(self, charset, key=False):
        return self.rnd.choice((self.both if self.across else self.collations).get(charset) or [charset + "_bin"])

    # --- types

    def integer(self):
        r = self.rnd
        name, bits = r.choice([("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64), ("int", 32), ("bigint", 64)])
        shape = r.random()
        unsigned = shape < 0.35
        width = f"({r.randint(1, 255 if self.up.flavor == 'mysql' else 20)})" if r.random() < 0.3 else ""
        zero = " zerofill" if shape < 0.1 else ""
        low, high = (0, (1 << bits) - 1) if unsigned else (-(1 << bits - 1), (1 << bits - 1) - 1)
        return Kind(f"{name}{width}{' unsigned' if unsigned else ''}{zero}", lambda: str(r.choice([low, low + 1, 0, 1, high - 1, high, r.randint(low, high), r.randint(0, 100), r.randint(max(low, -100), 100)])), 8, part="int")

    def decimal(self):
        r = self.rnd
        p = r.choice([1, 5, 9, 10, 18, 19, 27, 36, 65, r.randint(1, 65)])
        s = r.choice([0, 0, min(p, 30), min(p, 9), min(p, r.randint(0, 30))])
        unsigned = r.random() < 0.2

        def value():
            digits = r.choice(["9" * p, "0" * (p - 1) + "1", "".join(r.choice("0123456789") for _ in range(p)), "1" + "0" * (p - 1)])
            whole, part = digits[:p - s], digits[p - s:]
            return ("" if unsigned else r.choice(["", "-"])) + (whole or "0") + ("." + part if s else "")
        zero = " zerofill" if unsigned and r.random() < 0.3 else ""
        return Kind(f"decimal({p},{s}){' unsigned' if unsigned else ''}{zero}", value, 30)

    def floating(self):
        r = self.rnd
        single = r.random() < 0.5
        unsigned = r.random() < 0.15
        scale = ""
        if r.random() < 0.2:
            m, d = r.choice([(7, 3), (12, 2), (30, 10)])
            scale, single = f"({m},{d})", single and m < 8
        edges = ["0", "-0e0", "1e-45", "1.401298464324817e-45", "1.17549435e-38", "3.4028234e38", "0.1", "1e0/3", "16777217e0", "1e10", "123456.789e0"] if single else \
            ["0", "-0e0", "4.9406564584124654e-324", "2.2250738585072014e-308", "1.7976931348623157e308", "0.1", "1e0/3", "9007199254740993e0", "1e15", "1e16", "123456789.123456789e0", "5e-324"]

        def value():
            if scale:  # the largest value that a server cuts others to is none that it takes in strict mode
                return f"{r.randint(-999 if not unsigned else 0, 999)}.{r.randint(0, 99999)}"
            if r.random() < 0.5:
                v = r.choice(edges)
                return v if unsigned or v.startswith("-") or r.random() < 0.5 else "-" + v
            raw = r.randbytes(4 if single else 8)
            (v,) = struct.unpack(">f" if single else ">d", raw)
            return repr(float(v)) if v == v and abs(v) != float("inf") else "1.5"
        name = r.choice(["float", "float", "float(20)"]) if single and not scale else "float" if single else r.choice(["double", "double", "real", "float(53)"]) if not scale else "double"
        return Kind(f"{name}{scale}{' unsigned' if unsigned else ''}", value, 8)

    def bit(self):
        r = self.rnd
        n = r.choice([1, 2, 7, 8, 9, 31, 32, 33, 63, 64])
        return Kind(f"bit({n})", lambda: f"b'{r.choice(['0', '1', '1' * n, '1' + '0' * (n - 1), bin(r.getrandbits(n))[2:]])}'", 8)

    def time(self):
        r = self.rnd
        what = r.choice(["date", "time", "datetime", "timestamp", "datetime", "year"])
        if what == "year":
            return Kind("year", lambda: str(r.choice([0, 1901, 2155, 1970, 2000, r.randint(1901, 2155)])), 1, part="int")
        fsp = r.choice([0, 0, 1, 2, 3, 4, 5, 6]) if what != "date" else 0
        frac = lambda: "." + "".join(r.choice("0123456789") for _ in range(fsp)) if fsp else ""  # noqa: E731
        clock = lambda: f"{r.choice([0, 23, r.randint(0, 23)]):02}:{r.choice([0, 59, r.randint(0, 59)]):02}:{r.choice([0, 59, r.randint(0, 59)]):02}{frac()}"  # noqa: E731
        day = lambda: r.choice(["0000-00-00", "0000-01-01", "0001-01-01", "9999-12-31", "2024-02-31", "2024-00-00", "2023-11-00", "0000-00-01", "1969-12-31", "2038-01-20", f"{r.randint(0, 9999):04}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"])  # noqa: E731
        if what == "date":
            value = lambda: f"'{day()}'"  # noqa: E731
        elif what == "datetime":
            value = lambda: "'0000-00-00 00:00:00'" if r.random() < 0.1 else f"'{day()} {clock()}'"  # noqa: E731
        elif what == "time":
            value = lambda: f"'{r.choice(['', '-'])}{r.choice([0, 838, 24, r.randint(0, 837)]):02}:{r.randint(0, 59):02}:{r.randint(0, 58):02}{frac()}'"  # noqa: E731
        else:
            value = lambda: r.choice(["'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", f"'2025-10-26 0{r.randint(0, 3)}:{r.randint(0, 59):02}:00{frac()}'",  # noqa: E731
                                      f"'{r.randint(1971, 2037)}-{r.randint(1, 12):02}-{r.randint(1, 28):02} {clock()}'"])
        return Kind(what + (f"({fsp})" if fsp else ""), value, 8, name=what, part="date" if what in ("date", "datetime") else None)

    def said(self, charset, key=False):
        """How a column's charset is said: by itself or not at all. (the words, the charset)"""
        r = self.rnd
        if r.random() < 0.4:
            return "", charset
        cs = self.charset()
        shape = r.random()
        if shape < 0.2 and not (key and self.across):
            return f" CHARACTER SET {cs}", cs
        return f" CHARACTER SET {cs} COLLATE {self.collation(cs, key)}", cs

    def text(self, charset, key=False):
        r = self.rnd
        words, cs = self.said(charset, key)
        w = WIDTH.get(cs, 1)
        kind = r.random()
        if kind < 0.25:
            n = r.choice([0, 1, 3, 10, 63, 64, 255] if not key else [1, 5, 20])
            return Kind(f"char({n}){words}", lambda: hexed(text_of(r, cs, n), cs), n * w, charset=cs)
        if kind < 0.65 or key:
            n = r.choice([0, 1, 5, 20, 85, 255, 256, 600] if not key else [1, 10, 30])
            return Kind(f"varchar({n}){words}", lambda: hexed(text_of(r, cs, n), cs), n * w, charset=cs)
        name, most = r.choice([("tinytext", 255), ("text", 65535), ("mediumtext", 70000), ("longtext", 100000), ("text", 65535)])
        return Kind(f"{name}{words}", lambda: hexed(text_of(r, cs, most // w // r.choice((1, 20, 20, 200))), cs), 4000, charset=cs, prefix=True, default=False)

    def bytes(self, key=False):
        r = self.rnd

        def value(most, fixed=False):
            n = r.choice([0, 1, 2, 8, most]) if most < 300 else r.choice([0, 1, 10, 255, 256, 1000, most if r.random() < 0.1 else 2000])
            n = min(n, most)
            some = r.choice([b"\0", b"'\"\\\n\r\0\x1a\t,;", bytes(range(256)), b" ", b"\\N", b"\xff\xfe"])
            return hexed(bytes(r.choice(some) for _ in range(n)))
        kind = r.random()
        if kind < 0.35:
            n = r.choice([0, 1, 4, 16, 255] if not key else [1, 4, 16])
            return Kind(f"binary({n})", lambda: value(n), n)
        if kind < 0.65 or key:
            n = r.choice([0, 1, 8, 255, 256, 1000] if not key else [1, 8, 16])
            return Kind(f"varbinary({n})", lambda: value(n), n)
        name, most = r.choice([("tinyblob", 255), ("blob", 65535), ("mediumblob", 100000), ("longblob", 300000), ("blob(300)", 65535)])
        return Kind(name, lambda: value(most), 4000, prefix=True, default=False)

    def members(self, charset, n, of_set):
        r, out, seen = self.rnd, [], set()
        bits = [b for b in BITS if not b.endswith((" ", "\0")) and not (of_set and "," in b) and (b or not self.files) and (not b or b.strip())]
        codec = CHARSETS[charset] or "latin1" if charset in ("latin1",) or CHARSETS[charset] else "ascii"
        while len(out) < n:
            s = r.choice(bits) + (str(len(out)) if len(out) > 3 else "")
            raw = s.encode(codec, "ignore").decode(codec, "ignore")
            if raw != s or s.strip().lower() in seen or any(ord(c) > 0xffff for c in s) or "\0" in s or "\ufeff" in s or charset == "latin1" and any(0x7f < ord(c) < 0xa1 or c in "¥ßÿ" for c in s):
                s = f"m{len(out)}"
                if s in seen:
                    continue
            seen.add(s.strip().lower())
            out.append(s)
        return out

    def choice(self, charset):
        r = self.rnd
        words, cs = self.said(charset)
        if cs in ("utf16", "utf32", "ucs2", "utf16le"):
            words, cs = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "utf8mb4"
        of_set = r.random() < 0.45
        n = r.choice([1, 2, 5, 8, 9, 16, 17, 63, 64]) if of_set else r.choice([1, 2, 3, 8, 255, 256, 300])
        members = self.members(cs, n, of_set)
        spelled = ",".join("'" + m.replace("\\", "\\\\").replace("'", "''") + "'" for m in members)
        if of_set:
            value = lambda: str(r.choice([0, 1, (1 << n) - 1, 1 << n - 1, r.getrandbits(n)]))  # noqa: E731
            return Kind(f"set({spelled}){words}", value, 8, charset=cs, name="set")
        return Kind(f"enum({spelled}){words}", lambda: str(r.choice(([0] if not self.files else []) + [1, n, r.randint(1, n), r.randint(1, n), r.randint(1, n)])), 2, charset=cs, name="enum")

    def json(self):
        r = self.rnd

        def thing(depth=0):
            k = r.randrange(9 if depth < 4 else 6)
            if k < 2:
                return r.choice([None, True, False, 0, -1, 1, 2**63 - 1, -2**63, 2**64 - 1, 65536, r.randint(-2**31, 2**31)])
            if k == 2:
                return r.choice([1.5, -0.5, 1e100, 1e-300, 0.1, 3.0e10 + 0.5, 123456.789])
            if k < 6:
                return "".join(c for c in "".join(r.choice(BITS) for _ in range(r.randint(0, 5))) if c != "\ufffe")
            if k == 6:
                return [thing(depth + 1) for _ in range(r.randint(0, 6))]
            return {"".join(r.choice(BITS) for _ in range(r.randint(0, 2))): thing(depth + 1) for _ in range(r.randint(0, 6))}

        def value():
            body = json.dumps(thing(), ensure_ascii=r.random() < 0.5, indent=r.choice([None, None, 1]))
            return hexed(body.encode("utf8", "replace"), "utf8mb4")
        return Kind("json", value, None, charset="utf8mb4", default=False)

    def shape(self):
        r = self.rnd
        srid = r.choice([0, 0, 0, 4326, 3857])
        kind = r.choice(SHAPES + ["geometry"])
        num = lambda: r.choice(["0", "1", "-1", "1.5", "0.1", "-89.5", "80", str(r.randint(-80, 80)), "1e-7", repr(r.uniform(-80, 80))])  # noqa: E731
        pt = lambda: f"{num()} {num()}"  # noqa: E731
        line = lambda: "(" + ",".join(pt() for _ in range(r.randint(2, 6))) + ")"  # noqa: E731
        ring = lambda: "((0 0,10 0,10 10,0 10,0 0))"  # noqa: E731
        wkt = {"point": lambda: f"POINT({pt()})", "linestring": lambda: f"LINESTRING{line()}", "polygon": lambda: f"POLYGON{ring()}", "multipoint": lambda: f"MULTIPOINT({pt()},{pt()})",
               "multilinestring": lambda: f"MULTILINESTRING({line()},{line()})", "multipolygon": lambda: f"MULTIPOLYGON({ring()})", "geometrycollection": lambda: f"GEOMETRYCOLLECTION(POINT({pt()}),LINESTRING{line()})"}
        value = lambda: f"ST_GeomFromText('{wkt[kind if kind != 'geometry' else r.choice(SHAPES)]()}',{srid})"  # noqa: E731
        words = f" SRID {srid}" if self.up.flavor == "mysql" and r.random() < 0.3 else ""
        return Kind(kind + words, value, None, name="shape", default=False)

    def own(self):
        """What only one family has."""
        r = self.rnd
        if self.up.flavor == "mysql":
            n = r.choice([1, 3, 16])
            floats = lambda: ",".join(r.choice(["0", "1", "-1.5", "1e10", "1e-10", "0.1"]) for _ in range(n))  # noqa: E731
            return Kind(f"vector({n})", lambda: f"STRING_TO_VECTOR('[{floats()}]')", None, default=False)
        kind = r.choice(["uuid", "inet6", "inet4"])
        if kind == "uuid":
            return Kind("uuid", lambda: r.choice(["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", f"'{r.getrandbits(32):08x}-{r.getrandbits(16):04x}-{r.choice('1467')}{r.getrandbits(12):03x}-a{r.getrandbits(12):03x}-{r.getrandbits(48):012x}'"]), 36, default=False)
        if kind == "inet6":
            return Kind("inet6", lambda: r.choice(["'::'", "'::1'", "'::ffff:192.0.2.1'", "'::1.2.3.4'", f"'{r.getrandbits(16):x}:{r.getrandbits(16):x}::{r.getrandbits(16):x}'", f"'{r.getrandbits(16):x}:0:0:{r.getrandbits(16):x}:0:0:0:{r.getrandbits(16):x}'"]), 39, default=False)
        return Kind("inet4", lambda: f"'{r.choice([0, 255, r.randrange(256)])}.{r.randrange(256)}.0.{r.randrange(256)}'", 15, default=False)

    def kind(self, charset, key=False):
        r = self.rnd
        if key:
            make = r.choice([self.integer] * 4 + [lambda: self.text(charset, True)] * 3 + [lambda: self.bytes(True)] * 2 + [self.decimal, self.time, self.time, self.bit, self.floating, lambda: self.choice(charset)] + [self.own])
            k = make()
            return k if k.key is not None and not k.prefix else self.integer()
        return r.choice([self.integer] * 4 + [self.decimal] * 2 + [self.floating] * 2 + [self.bit] + [self.time] * 4 + [lambda: self.text(charset)] * 6 + [self.bytes] * 3 +
                        [lambda: self.choice(charset)] * 2 + [self.json] * 2 + [self.shape, self.own])()

    # --- tables

    def default(self, kind, null):
        r = self.rnd
        if r.random() < 0.5:
            return ""
        if null and r.random() < 0.2:
            return " DEFAULT NULL"
        if kind.name in ("datetime", "timestamp") and r.random() < 0.5:
            fsp = kind.sql[len(kind.name):]
            return f" DEFAULT CURRENT_TIMESTAMP{fsp}" + (f" ON UPDATE CURRENT_TIMESTAMP{fsp}" if r.random() < 0.5 else "")
        if kind.name == "shape" or kind.key is None or not kind.default:
            value = kind.value()
            return f" DEFAULT ({value})" if kind.charset == "utf8mb4" and self.up.flavor == "mysql" and "f09" not in value and r.random() < 0.3 else ""
        value = kind.value()
        if kind.name in ("enum", "set") or kind.charset and (kind.charset != "utf8mb4" or "f09" in value):
            return ""  # MySQL itself shows four-byte characters of expressions as question marks
        if value.startswith("_") and (self.up.flavor == "mariadb" or self.across):
            return ""  # MariaDB shows it otherwise than it is, and refuses one that is too long
        if value.startswith("_") or "/" in value:
            return f" DEFAULT ({value})" if r.random() < 0.5 else ""
        if kind.charset and r.random() < 0.5:
            return " DEFAULT '" + r.choice(["", "it''s", "a\\\\b", "x;y", "a\"b", "-- c", "%s", "(1+1)", "NULL", "current_timestamp()"])[:max(0, kind.key // WIDTH.get(kind.charset, 1))].rstrip("\\'") + "'"
        return f" DEFAULT {value}" if r.random() < 0.7 else f" DEFAULT ({value})"

    def comment(self):
        r = self.rnd
        return " COMMENT '" + "".join(r.choice(["a", "''", "\\\\", ";", "`", "\"", "ü", "中", "-- ", "/*", "*/", "\\n", "%s", ","]) for _ in range(r.randint(1, 8))) + "'"

    def generated(self, columns, charset):
        """An expression over earlier columns that no row makes fail."""
        r = self.rnd
        base = r.choice([c for c in columns if not c.auto and not c.kind.sql.startswith("char(")] or columns)
        q = quote(base.name)
        k = base.kind
        if k.part == "int":
            return r.choice([("bigint", f"{q} % 7"), ("varchar(50) CHARACTER SET utf8mb4", f"concat('<',{q},'>')"), ("int", f"if({q} > 0,1,0)"), ("decimal(30,2)", f"{q}/3"), ("bigint", f"{q} % 5 * 3")])
        if k.charset:
            return r.choice([("int", f"length({q})"), ("int", f"char_length({q})"), ("varchar(100) CHARACTER SET utf8mb4", f"left(hex({q}),50)")])
        if self.across and charset in ("ucs2", "utf16", "utf16le", "utf32"):
            return "int", f"isnull({q})"  # in such a table MariaDB mixes no strings with an introducer and without one
        return r.choice([("int", f"isnull({q})"), ("int", f"{q} is null"), ("varchar(20) CHARACTER SET latin1", f"if({q} is null,'none','it''s \\\\ some')")])

    def table(self, schema, charset, taken):
        r = self.rnd
        name = self.name(taken, 56 if self.across else 64)  # MySQL makes a CHECK's name of the table's
        tcs = self.charset() if r.random() < 0.7 else None
        options = ""
        if tcs:
            options += f" CHARACTER SET {tcs}" + (f" COLLATE {self.collation(tcs)}" if r.random() < 0.6 else "")
        cs = tcs or charset
        names, columns = set(), []
        for _ in range(r.choice([1, 2, 3, 5, 8, 12])):
            columns.append(Column(self.name(names), self.kind(cs)))
        shape = r.choice(["pk", "pk", "pk", "auto", "auto", "composite", "composite", "unique", "nullable", "none", "prefix"])
        keys, parts, key_columns = [], "", []
        if shape == "prefix":
            c = Column(self.name(names), r.choice([self.text, lambda *_: self.bytes()])(cs))
            if c.kind.key > 30 or c.kind.prefix:
                columns.append(c)
                key_columns = [c]
                c.null = False
                keys.append(f"PRIMARY KEY ({quote(c.name)}({r.randint(1, 12)}))")
            else:
                shape = "none"
        elif shape != "none":
            n = 1 if shape in ("pk", "auto") else r.randint(1, 3)
            key_columns = [Column(self.name(names), self.kind(cs, True)) for _ in range(n)]
            for c in key_columns:
                c.null = shape == "nullable"
            if shape == "auto":
                key_columns[0].kind = self.integer()
                key_columns[0].auto = True
            for c in key_columns:
                columns.insert(r.randint(0, len(columns)), c)
            listed = ",".join(quote(c.name) + (" DESC" if r.random() < 0.08 else "") for c in key_columns)
            keys.append(f"PRIMARY KEY ({listed})" if shape not in ("unique", "nullable") else f"UNIQUE KEY ({listed})")
            parts = self.partitions(key_columns) if r.random() < 0.25 and shape != "nullable" else ""
        generated = []
        for _ in range(r.choice([0, 0, 0, 1, 2])):
            type_, expression = self.generated(columns, cs)
            g = Column(self.name(names), None)
            g.words = f"{quote(g.name)} {type_} GENERATED ALWAYS AS ({expression}) {r.choice(['VIRTUAL', 'STORED'])}"
            generated.append(g)
        for _ in range(r.choice([0, 0, 1, 2])):
            keys += self.more_keys(columns, parts, key_columns)
        if len(columns) > 2 and r.random() < 0.2:
            c = r.choice([c for c in columns if c not in key_columns] or [None])
            if c and c.kind.name not in ("shape",):
                c.invisible = True
        lines = [c.say(self) for c in columns]
        for g in generated:
            lines.insert(r.randint(0, len(lines)) if r.random() < 0.5 else len(lines), g.words)
        if r.random() < 0.2:
            options += self.comment()
        if r.random() < 0.15:
            options += f" AUTO_INCREMENT={r.choice([1, 100, 2**31, 12345])}" if shape == "auto" else " ROW_FORMAT=" + r.choice(["COMPACT", "REDUNDANT", "DYNAMIC", "COMPRESSED"])
        sql = f"CREATE TABLE {quote(schema)}.{quote(name)} (" + ", ".join(lines + keys) + f") ENGINE=InnoDB{options}{parts}"
        return Table(self, schema, name, columns, key_columns, sql)

    def more_keys(self, columns, parts, key_columns):
        r = self.rnd
        picked = r.sample(columns, min(len(columns), r.choice([1, 1, 2])))
        said, total = [], 0
        for c in picked:
            if c.kind.key is None or c.kind.key > 200 and not c.kind.charset and not c.kind.prefix:
                return []
            cut = c.kind.prefix or c.kind.key > 700
            if cut and c.kind.name in ("enum", "set"):
                return []
            if c.kind.key == 0:
                return []
            n = r.randint(1, 20)
            said.append(quote(c.name) + (f"({n})" if cut else ""))
        unique = r.random() < 0.3 and not parts and not any(c.kind.charset and self.across for c in picked)
        return [("UNIQUE KEY (" if unique else "KEY (") + ",".join(said) + ")"]

    def partitions(self, key_columns):
        r, c = self.rnd, self.rnd.choice(key_columns)
        q = quote(c.name)
        if c.kind.part == "int":
            return r.choice([f" PARTITION BY HASH ({q}) PARTITIONS {r.randint(1, 9)}", f" PARTITION BY LINEAR HASH ({q}) PARTITIONS {r.randint(1, 9)}",
                             f" PARTITION BY RANGE ({q}) (PARTITION `p``0` VALUES LESS THAN (5), PARTITION `p 1` VALUES LESS THAN (100), PARTITION `ü` VALUES LESS THAN MAXVALUE)",
                             f" PARTITION BY KEY ({q}) PARTITIONS {r.randint(1, 9)}"])
        if c.kind.part == "date":
            return r.choice([f" PARTITION BY RANGE (YEAR({q})) (PARTITION a VALUES LESS THAN (1000), PARTITION b VALUES LESS THAN MAXVALUE)", f" PARTITION BY RANGE COLUMNS ({q}) (PARTITION a VALUES LESS THAN ('2000-01-01'), PARTITION b VALUES LESS THAN (MAXVALUE))"])
        return f" PARTITION BY KEY () PARTITIONS {r.randint(1, 5)}" if c.kind.key < 300 else ""

    def make(self, tables=10, rows=60):
        r = self.rnd
        names = set()
        with self.up.connect() as c, c.cursor() as cur:
            for n in range(2):
                s, cs = self.schema_name(n), self.charset()
                if cs == "binary":
                    cs = "utf8mb4"
                cur.execute(f"CREATE DATABASE {quote(s)} CHARACTER SET {cs} COLLATE {self.collation(cs)}")
                self.schemas.append(s)
                names = set()
                begin(cur, r)
                for _ in range(tables // 2):
                    t = self.table(s, cs, names)
                    try:
                        cur.execute("SET sql_mode=%s", (MODE + ",STRICT_ALL_TABLES",))  # the target is as strict
                        cur.execute(t.sql)
                    except pymysql.MySQLError as e:
                        self.refused.append((e, t.sql))
                        continue
                    finally:
                        cur.execute("SET sql_mode=%s", (MODE,))
                    self.tables.append(t)
                    t.fill(cur, r.choice([0, 1, rows, rows, rows, 3 * rows]))
        return self


class Column:
    def __init__(self, name, kind):
        self.name, self.kind, self.null, self.auto, self.invisible = name, kind, None, False, False

    def say(self, m):
        r, k = m.rnd, self.kind
        null = self.null if self.null is not None else r.random() < 0.6
        self.null = null
        words = f"{quote(self.name)} {k.sql}{'' if null and k.name != 'timestamp' else ' NULL' if null else ' NOT NULL'}"
        default = "" if self.auto else m.default(k, null)
        if self.invisible and not null and not default:  # MariaDB wants one
            self.invisible = False
        if k.name == "timestamp" and not null and not default:
            default = " DEFAULT '2000-01-01 00:00:00'"
        tail = (" AUTO_INCREMENT" if self.auto else "") + (" INVISIBLE" if self.invisible else "") + (m.comment() if r.random() < 0.15 else "")
        return words + default + tail

    def value(self, r):
        if self.null and r.random() < 0.15:
            return "NULL"
        return self.kind.value()


class Table:
    def __init__(self, maker, schema, name, columns, key, sql):
        self.maker, self.schema, self.name, self.columns, self.key, self.sql = maker, schema, name, columns, key, sql
        self.quoted = f"{quote(schema)}.{quote(name)}"
        self.failed = []
        self.partly = bool(key) and all(not c.null for c in key) and "PRIMARY KEY" in sql and not re.search(r"PRIMARY KEY \(`.*`\(\d+\)\)", sql, re.S)  # its binlog rows may be without columns

    def row(self, r):
        return "(" + ",".join(c.value(r) for c in self.columns) + ")"

    def names(self):
        return ",".join(quote(c.name) for c in self.columns)

    def insert(self, cur, word, rows, tail=""):
        return self.run(cur, f"{word} INTO {self.quoted} ({self.names()}) VALUES {','.join(rows)}{tail}")

    def run(self, cur, sql):
        try:
            cur.execute(sql)
            return True
        except pymysql.MySQLError as e:
            self.failed.append((e, sql))
            if e.args[0] in (2006, 2013):
                raise
            return False

    def fill(self, cur, rows):
        r = self.maker.rnd
        values = [self.row(r) for _ in range(rows)]
        for i in range(0, rows, 20):
            if not self.insert(cur, "INSERT IGNORE", values[i:i + 20]):
                for v in values[i:i + 20]:
                    self.insert(cur, "INSERT IGNORE", [v])

    def change(self, cur, r):
        """One statement."""
        what, n = r.random(), r.choice([1, 1, 2, 5])
        rows = [self.row(r) for _ in range(n)]
        free = [c for c in self.columns if c not in self.key or r.random() < 0.1] or self.columns
        some = r.sample(free, r.randint(1, min(len(free), 4)))
        sets = ",".join(f"{quote(c.name)}={c.value(r)}" for c in some)
        if what < 0.25:
            self.insert(cur, "INSERT IGNORE", rows)
        elif what < 0.35:
            self.insert(cur, "REPLACE", rows)
        elif what < 0.45:
            self.insert(cur, "INSERT", rows, " ON DUPLICATE KEY UPDATE " + sets)
        elif what < 0.8:
            self.run(cur, f"UPDATE IGNORE {self.quoted} SET {sets} ORDER BY RAND() LIMIT {n}")
        else:
            self.run(cur, f"DELETE FROM {self.quoted} ORDER BY RAND() LIMIT {n}")


def begin(cur, r):
    cur.execute("SET sql_mode=%s, time_zone=%s, foreign_key_checks=0", (MODE, r.choice(["+00:00", "+00:00", "-11:30", "+05:45"])))


def write(up, tables, rnd, statements, over=lambda: False):
    """Random changes in transactions of random sizes, some of them taken back; until over."""
    done, image = 0, "FULL"
    with up.connect(autocommit=False) as c, c.cursor() as cur:
        begin(cur, rnd)
        for _ in range(statements):
            if over():
                break
            if rnd.random() < 0.05:
                c.commit()
                image = rnd.choice(["FULL", "FULL", "MINIMAL", "NOBLOB"])
                cur.execute("SET SESSION binlog_row_image=" + image)
            t = rnd.choice([t for t in tables if t.partly or image == "FULL"] or tables)
            for _ in range(rnd.choice([1, 1, 1, 3])):
                t.change(cur, rnd)
                done += 1
            c.rollback() if rnd.random() < 0.08 else c.commit()
    return done


def also_compared(up, down, schemas):
    """What tests/compare.py leaves out: between servers of one family the whole text of tables, else comments and collations that both know."""
    found = []
    for s in schemas:
        for t, in up.query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s", (s,)):
            said = []
            for server in (up, down):
                text = server.query(f"SHOW CREATE TABLE {quote(s)}.{quote(t)}".replace("%", "%%"), ())[0][1]
                said.append(without_counter(text))
            if up.flavor == down.flavor and said[0] != said[1]:
                found.append(f"{s}.{t}: {said[0]}\n--- and ---\n{said[1]}")
    if up.flavor != down.flavor:
        known = {r[0] for r in down.query("SELECT COLLATION_NAME FROM information_schema.COLLATIONS")}
        sql = "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_COMMENT, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN %s"
        for a, b in zip(sorted(up.query(sql, (schemas,)), key=str), sorted(down.query(sql, (schemas,)), key=str)):
            if a[:4] != b[:4] or a[4] in known and a[4] != b[4]:
                found.append(f"{a} and {b}")
    return found


def without_counter(text):
    return re.sub(r" CHARACTER SET \w+ COLLATE", " COLLATE", re.sub(r" AUTO_INCREMENT=\d+", "", text))  # MySQL leaves out a charset that it then prints itself
