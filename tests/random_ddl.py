"""Random statements of structure, and rows between them: what a server takes of them is what the other side must have in the end.
The generator keeps no picture of its own: it asks the server which tables, columns and keys there are. What the server refuses is no matter."""
import re

import pymysql

SCHEMAS = ["rd_a", "rd B", "rd`ü"]
TABLES = ["t0", "T1", "sel ect", "a`b", "tä", 'q"t', "t.x", "order", "t7", "%s"]
COLUMNS = ["c0", "C1", "ü", "a b", "select", "x`y", 'k"q', "Key", "c8", "c9", "comment", "first", "after", "check", "%d", "ß", "index", "c#1", "c--2", "/*c3*/", "references", "e;f", "don't"]
TEXTS = ["", "a", "it's", "back\\slash", "-- x", "/* y", "*/", ";", 'a "q"', "`b`", "ü€", "😀", "%s", "new\nline", "end ", "NULL", "AUTO_INCREMENT=7", "COLLATE latin1_bin", "é", "E", "e", "ss", "ß", "\\", "\\'", "0", "1", "tab\t", "# x",
         "ENGINE=MyISAM", "/*!40101 x */"]

INTS = ["0", "1", "2", "-1", "7", "42", "127", "255", "-128", "65535", "99999", "2147483647", "4294967295"]
TIMES = ["2020-01-02 03:04:05", "2021-07-01 12:00:00.654321", "1999-12-31 23:59:59.999999", "2000-02-29", "2012-06-30 00:00:00"]
SHAPES = ["POINT(1 2)", "POINT(-3 0.5)", "LINESTRING(0 0,1 1,2 5)", "POLYGON((0 0,0 3,3 3,3 0,0 0))"]


class Type:
    def __init__(self, group, words, values, defaults=(), text=False, key="", only=None):
        """key: how long a part of an index must be ("": the whole column). only: the family that has it."""
        self.group, self.words, self.values, self.defaults, self.text, self.key, self.only = group, words, values, defaults, text, key, only


TYPES = [
    Type("int", ["tinyint", "smallint unsigned", "mediumint", "int", "INT unsigned", "bigint", "bigint unsigned", "int(7) zerofill", "integer", "tinyint(1)", "bool"], INTS, ["0", "5", "'7'", "1"]),
    Type("decimal", ["decimal(10,2)", "decimal(30,10)", "numeric(5)", "dec(6,3) unsigned"], INTS + ["1.25", "-0.005", "123.456"], ["0", "1.5", "'2.25'", "1e1"]),
    Type("real", ["float", "double", "real", "double precision", "float(7,2)", "double unsigned", "float(30)"], ["0", "1.5", "-2.25", "1e10", "123456.5"], ["0", "1.5", "'2.5'", "1e3"]),
    Type("bit", ["bit(1)", "bit(13)", "bit(64)"], ["b'0'", "b'1'", "b'1010101010101'"], ["b'1'", "0", "1"]),
    Type("date", ["date"], TIMES, ["'2020-02-03'", "'2001-01-01'"]),
    Type("datetime", ["datetime", "datetime(3)", "datetime(6)"], TIMES, ["'2020-02-03 04:05:06'", "'2020-02-03'", "NOW"]),
    Type("timestamp", ["timestamp", "timestamp(3)", "timestamp(6)"], TIMES, ["'2020-02-03 04:05:06'", "NOW"]),
    Type("time", ["time", "time(2)", "time(6)"], ["10:11:12", "-01:02:03.456789", "838:59:59", "00:00:00"], ["'01:02:03'", "'-10:00:00'", "0"]),
    Type("year", ["year", "year(4)"], ["2020", "1999", "0", "70"], ["'2020'", "1999", "0"]),
    Type("char", ["char(10)", "varchar(40)", "VARCHAR(255)", "varchar(7)", "nchar(8)", "national varchar(20)", "char(3)", "character varying(30)"], TEXTS, ["TEXT"], text=True),
    Type("text", ["tinytext", "text", "mediumtext", "longtext", "text(200)"], TEXTS, ["EXPR"], text=True, key="(9)"),
    Type("binary", ["binary(5)", "varbinary(30)", "varbinary(200)", "binary"], ["x'00'", "x'4142'", "x'ff00'", "x''", "x'20'"], ["'ab'", "x'4100'", "x'ff'", "''"]),
    Type("blob", ["tinyblob", "blob", "mediumblob", "longblob"], ["x'00'", "x'4142'", "x'ff00'", "x''"], [], key="(7)"),
    Type("enum", ["enum('a','b','ü')", "enum('it''s','x','y','')", "enum('B','A')"], ["a", "b", "x", "B", "1"], ["'a'", "'x'", "'B'"], text=True),
    Type("set", ["set('a','b','ü')", "set('x','y z','q')"], ["a", "a,b", "x,q", ""], ["'a'", "'x'", "''"], text=True),
    Type("json", ["json"], ['{"a": [1, 2.5, "x"]}', "[1, null]", '"s"', "{}"], [], key=None),
    Type("shape", ["geometry", "point", "linestring", "polygon"], ["SHAPE"], [], key=None),
    Type("uuid", ["uuid"], ["12345678-1234-1234-1234-123456789abc", "00000000-0000-0000-0000-000000000000"], ["'ABCDEF00-1234-1234-1234-123456789abc'"], only="mariadb"),
    Type("inet6", ["inet6"], ["::1", "1.2.3.4", "2001:db8::1"], ["'::'"], only="mariadb"),
]
CHARSETS = ["utf8mb4", "utf8mb4", "latin1", "utf8mb3", "utf8", "ascii", "cp1250", "greek", "koi8r", "gbk", "sjis", "ucs2", "utf16", "big5"]
BOTH_MODES = ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PAD_CHAR_TO_FULL_LENGTH", "REAL_AS_FLOAT", "PIPES_AS_CONCAT", "IGNORE_SPACE", "HIGH_NOT_PRECEDENCE", "NO_UNSIGNED_SUBTRACTION", "STRICT_TRANS_TABLES",
              "STRICT_ALL_TABLES", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "ALLOW_INVALID_DATES", "NO_AUTO_VALUE_ON_ZERO", "ANSI", "TRADITIONAL", "NO_ENGINE_SUBSTITUTION", "ERROR_FOR_DIVISION_BY_ZERO"]
OWN_MODES = {"mysql": ["TIME_TRUNCATE_FRACTIONAL"], "mariadb": ["TIME_ROUND_FRACTIONAL", "SIMULTANEOUS_ASSIGNMENT", "IGNORE_BAD_TABLE_OPTIONS"]}
BARE = re.compile(r"^[a-zA-Z_][a-zA-Z_0-9]*$")
RESERVED = {"order", "select", "key", "check", "index", "first", "after", "references", "comment"}


CLAUSES = ["add"] * 4 + ["drop"] * 2 + ["modify"] * 3 + ["change"] * 2 + ["rename"] * 2 + ["add key"] * 3 + [
    "drop key", "rename key", "set", "set", "drop default", "convert", "charset", "foreign", "drop foreign", "engine", "auto", "to", "comment", "check", "drop check", "force", "adds", "primary", "drop primary", "visible", "keys off"]


class Part:
    """What a part of an ALTER TABLE is about: the table, its columns, one of them, names that the statement has given, the word COLUMN or none."""

    def __init__(self, t, columns, used, c, word):
        self.t, self.columns, self.used, self.c, self.word = t, columns, used, c, word
        self.left = [n for n in COLUMNS if n.lower() not in {x[0].lower() for x in columns} and n not in used]


class Random:
    """Statements for one upstream, executed there by a connection whose session changes now and then."""

    def __init__(self, server, target_flavor, rnd):
        self.server, self.rnd, self.flavor, self.across = server, rnd, server.flavor, server.flavor != target_flavor
        self.mysql, self.mariadb = self.flavor == "mysql", self.flavor == "mariadb"
        self.to_mysql, self.to_mariadb = target_flavor == "mysql", target_flavor == "mariadb"
        self.types = [t for t in TYPES if not t.only or t.only == self.flavor]
        self.collations = {}
        for name, charset in server.query("SELECT COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE CHARACTER_SET_NAME IS NOT NULL"):
            self.collations.setdefault(charset, []).append(name)
        self.c = server.connect()
        self.asks = server.connect()
        self.story, self.db, self.mode, self.done, self.refused, self.encoding = [], None, "", 0, 0, "utf8mb4"
        self.session()

    def close(self):
        self.c.close()
        self.asks.close()

    # --- what is there ---------------------------------------------------------------------------------------------

    def ask(self, sql, *params):
        with self.asks.cursor() as cur:
            cur.execute(sql, params or None)
            return cur.fetchall()

    def schemas(self):
        there = {r[0] for r in self.ask("SHOW DATABASES")}
        return [s for s in SCHEMAS if s in there]

    def tables(self):
        return [r for r in self.ask("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE='BASE TABLE' ORDER BY 1, 2") if r[0] in SCHEMAS]

    def columns(self, t):
        """name, data type, column type, generated, extra, nullable"""
        return self.ask("SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COALESCE(GENERATION_EXPRESSION,'')<>'', LOWER(EXTRA), IS_NULLABLE='YES', CHARACTER_SET_NAME FROM information_schema.COLUMNS "
                        "WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s ORDER BY ORDINAL_POSITION", *t)

    def keys(self, t):
        return sorted({r[0] for r in self.ask("SELECT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s", *t)})

    def partitions(self, t):
        """[(name, method, description)]"""
        return [r for r in self.ask("SELECT DISTINCT PARTITION_NAME, PARTITION_METHOD, PARTITION_DESCRIPTION, PARTITION_ORDINAL_POSITION FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s "
                                    "ORDER BY PARTITION_ORDINAL_POSITION", *t) if r[0]]

    def foreign(self, t):
        return [r[0] for r in self.ask("SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND CONSTRAINT_TYPE='FOREIGN KEY'", *t)]

    def checks(self, t):
        return [r[0] for r in self.ask("SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND CONSTRAINT_TYPE='CHECK'", *t)]

    # --- words -----------------------------------------------------------------------------------------------------

    def maybe(self, p):
        return self.rnd.random() < p

    def of(self, *choices):
        return self.rnd.choice(choices)

    def ansi(self):
        return "ANSI" in self.mode

    def ansi_mode(self):
        return "ANSI" in self.mode.split(",") or "TRADITIONAL" in self.mode

    def in_keys(self, t, column):
        return self.ask("SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND COLUMN_NAME=%s", *t, column)[0][0]

    def engine(self, t):
        return (self.ask("SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s", *t) or [[""]])[0][0]

    def q(self, name, loose=False):
        """loose: in any letters, as names of columns and keys are."""
        if loose and name.isascii() and self.maybe(0.2):
            name = self.of(name.upper(), name.lower())
        if BARE.match(name) and name.lower() not in RESERVED and self.maybe(0.5):
            return name
        if self.ansi() and self.maybe(0.5):
            return '"' + name.replace('"', '""') + '"'
        return "`" + name.replace("`", "``") + "`"

    def t(self, t):
        if t[0] == self.db and self.maybe(0.6):
            return self.q(t[1])
        return self.q(t[0]) + self.of(".", ".", " . ", "/* . */.") + self.q(t[1])

    def lit(self, text):
        if not self.ansi() and self.maybe(0.3):
            out = '"' + text.replace('"', '""') + '"'
        else:
            out = "'" + text.replace("'", self.of("''", "''", "\\'") if "NO_BACKSLASH" not in self.mode and "\\" not in text else "''") + "'"
        if "NO_BACKSLASH" not in self.mode:
            out = out.replace("\\", "\\\\").replace("\\\\'", "\\'") if "\\" not in text else out.replace("\\", "\\\\")
        return out

    def kw(self, words):
        return self.of(words, words, words, words.lower(), words.title())

    def noise(self, sql):
        """Comments around, and in one place within."""
        if self.maybe(0.15):
            sql = self.of("/* ' */ ", "-- it's \"\n", "# `x\n", "/*! */ ", "/**/", "\n\t ", "/* ALTER TABLE x; DROP TABLE t0 */") + sql
        if self.maybe(0.15):
            sql += self.of(" /* end ; */", " -- end", "\n# end", ";", " ;", "/*!99999 nothing */", "/*M!999999 nothing */")
        return sql

    def version(self, clause):
        """Some clauses stand in comments that this server executes, or both do."""
        if "/*" in clause or "*/" in clause or not self.maybe(0.08):
            return clause
        own = ["/*!80000 %s */"] if self.mysql else ["/*M! %s */", "/*M!100100 %s*/"]
        return self.of("/*! %s */", "/*!40100 %s*/", "/*!50100 %s */", *own).replace("%s", clause)

    def charset(self, word="CHARACTER SET"):
        charset = self.rnd.choice(CHARSETS)
        out = f"{self.of(word, 'CHARSET') if word == 'CHARACTER SET' else word} {charset}"
        full = "utf8mb3" if charset == "utf8" else charset
        if self.maybe(0.5) and self.collations.get(full):
            out += " COLLATE " + self.rnd.choice(self.collations[full])
        return out

    def expression(self, columns, number=False):
        """Of numbers and short texts."""
        numbers = [c[0] for c in columns if c[1] in ("int", "tinyint", "smallint", "mediumint") and not c[3] and "auto" not in c[4]]
        texts = [c[0] for c in columns if c[1] in ("varchar", "char") and not c[3]]
        some = []
        for n in numbers[:3]:
            c = self.q(n, True)
            some += [f"{c} + 1", f"{c} MOD 7", f"COALESCE({c}, 0) * 2", f"IF({c} > 3, 1, 0)", f"NOT {c} BETWEEN 1 AND 5"]
        for n in [] if number else texts[:3]:  # IGNORE makes numbers of texts that no INSERT takes
            c = self.q(n, True)
            some += [f"CONCAT({c}, {self.lit(self.of('x', 'it', 'ü'))})", f"UPPER({c})", f"LEFT({c}, 3)", f"LENGTH({c})", f"REPLACE({c}, {self.lit(self.rnd.choice(TEXTS[1:12]))}, 'z')"] + ([f"{c} || 'p'"] if "PIPES" in self.mode or "ANSI" in self.mode else [])
        return self.rnd.choice(some) if some else "1"

    def default(self, kind, word):
        d = self.rnd.choice(kind.defaults)
        digits = re.search(r"\((\d)\)", word)
        if d == "NOW":
            return self.of("CURRENT_TIMESTAMP", "NOW" if digits is None else "current_timestamp") + (f"({digits[1]})" if digits else self.of("", "()")) if digits or True else d
        if d == "TEXT":
            return self.lit(self.rnd.choice(TEXTS)[:3])
        if d == "EXPR":
            return f"({self.lit(self.rnd.choice(TEXTS))})"
        return d

    def column(self, others, kind=None, adds=False):
        """The definition behind the name; what it is."""
        kind = kind or self.rnd.choice(self.types)
        word = self.rnd.choice(kind.words)
        out = word
        if kind.text and "n" != word[0].lower() and self.maybe(0.4):
            out += " " + self.charset()
        elif kind.group in ("char", "text") and word[0].lower() != "n" and self.maybe(0.08):
            out += " " + self.of("BINARY", "ASCII", "UNICODE", "COLLATE utf8mb4_bin")
        if others and kind.group in ("int", "char", "text") and self.maybe(0.12):
            return f"{out} {self.of('GENERATED ALWAYS AS', 'AS')} ({self.expression(others, kind.group == 'int')}) {self.of('STORED', 'VIRTUAL', 'STORED')}", kind
        null = self.of("", "", "NOT NULL", "NULL") if kind.group != "shape" else ""  # IGNORE puts '' there, which no INSERT can
        if self.across and null == "NULL":
            null = ""  # MySQL wants none in a primary key's column
        rest = [null]
        if kind.defaults and self.maybe(0.5):
            d = self.default(kind, word)
            rest.append("DEFAULT " + d)
        elif null != "NOT NULL" and not self.across and self.maybe(0.2):
            rest.append("DEFAULT NULL")
        elif kind.group == "json" and not self.across and self.maybe(0.3):
            rest.append("DEFAULT (JSON_ARRAY(1))")
        if kind.group in ("datetime", "timestamp") and self.maybe(0.25):
            digits = re.search(r"\(\d\)", word)
            rest.append("ON UPDATE CURRENT_TIMESTAMP" + (digits[0] if digits else ""))
        if self.maybe(0.25):
            rest.append("COMMENT " + self.lit(self.rnd.choice(TEXTS)))
        if self.maybe(0.05) and not self.across:
            rest.append("INVISIBLE")
        self.rnd.shuffle(rest)
        return " ".join([out, *(self.version(r) for r in rest if r)]), kind

    def part(self, name, kind):
        if kind is None or kind.key is None:
            return None
        out = self.q(name, True)
        if kind.key:
            out += kind.key
        elif kind.group == "char" and self.maybe(0.2):
            out += "(2)"
        if self.maybe(0.1):
            out += self.of(" DESC", " ASC")
        return out

    def kind_of(self, data_type):
        for t in TYPES:
            if t.group == data_type or data_type in {re.split(r"[ (]", w.lower())[0] for w in t.words}:
                return t
        return None

    def key_name(self):
        return self.q(self.of("k1", "k2", "K3", "k ü", "k`4", "key", "primary2", "unique"), True)

    def key(self, columns):
        """columns: [(name, kind)]; a key's text or None."""
        usable = [c for c in columns if c[1] and c[1].key is not None]
        if self.maybe(0.08):
            texts = [c for c in columns if c[1] and c[1].group in ("char", "text")]
            if texts:
                return f"FULLTEXT {self.of('KEY', 'INDEX', '')} {self.key_name()} ({', '.join(self.q(c[0]) for c in texts[:2])})"
        if self.maybe(0.08):
            shapes = [c for c in columns if c[1] and c[1].group == "shape"]
            if shapes:
                return f"SPATIAL KEY {self.key_name()} ({self.q(shapes[0][0])})"
        if self.mysql and not self.across and self.maybe(0.1):
            return f"{self.of('', 'UNIQUE ')}KEY {self.key_name()} (({self.expression([(c[0], 'int' if c[1].group == 'int' else 'varchar' if c[1].group == 'char' else '', '', 0, '', 0) for c in usable])}))"
        if not usable:
            return None
        some = self.rnd.sample(usable, min(len(usable), self.of(1, 1, 2, 3)))
        parts = [self.part(*c) for c in some]
        head = self.of("KEY", "INDEX", "UNIQUE KEY", "UNIQUE", "KEY", "CONSTRAINT {} UNIQUE")
        name = self.key_name()
        head = head.replace("{}", name) if "{}" in head else head + " " + (name if self.maybe(0.8) else "")
        tail = self.of("", "", "", " USING BTREE", " COMMENT " + self.lit(self.rnd.choice(TEXTS)), " KEY_BLOCK_SIZE=0")
        if self.mysql and self.maybe(0.05):
            tail += " INVISIBLE"
        return f"{head} ({', '.join(parts)}){tail}"

    def check(self, columns):
        return f"{self.of('', 'CONSTRAINT ' + self.q(self.of('ch1', 'ch 2', 'CH3')) + ' ')}CHECK ({self.expression(columns)} {self.of('IS NOT NULL', 'IS NULL', 'IS NOT NULL OR 1=1')} OR 'x' = {self.lit(self.rnd.choice(TEXTS))} OR 1)"

    # --- statements ------------------------------------------------------------------------------------------------

    def execute(self, sql, note=True):
        if self.encoding != "utf8mb4":
            try:
                data = sql.encode({"latin1": "latin1", "gbk": "gbk", "utf8mb3": "utf8"}[self.encoding])
            except UnicodeEncodeError:
                return False
        else:
            data = sql.encode()
        try:
            with self.c.cursor() as cur:
                cur.execute(data)
        except pymysql.MySQLError as e:
            self.refused += 1
            self.story.append(f"-- refused {e.args[0]}: {sql}")
            return False
        self.done += 1
        if note:
            self.story.append(sql)
        return True

    def session(self):
        r = self.rnd
        self.execute("SET NAMES utf8mb4") if self.encoding == "utf8mb4" else None
        modes = r.sample(BOTH_MODES, r.randint(0, 3)) + ([r.choice(OWN_MODES[self.flavor])] if not self.across and self.maybe(0.2) else [])
        self.mode = ",".join(modes)
        self.execute(f"SET sql_mode='{self.mode}'")
        self.encoding = "utf8mb4"
        if self.maybe(0.2):
            encoding = self.of("latin1", "gbk", "utf8mb3")
            if self.execute(f"SET NAMES {encoding}"):
                self.encoding = encoding
        else:
            self.execute("SET NAMES utf8mb4" + self.of("", " COLLATE utf8mb4_bin", " COLLATE utf8mb4_unicode_ci", " COLLATE utf8mb4_general_ci"))
        self.execute("SET time_zone='" + self.of("+00:00", "+05:30", "-11:00", "SYSTEM") + "'")
        self.execute(f"SET foreign_key_checks={self.of(0, 1, 1)}, unique_checks={1 if self.mariadb else self.of(0, 1, 1)}")  # with both 0 MariaDB logs rows that IGNORE has left out
        self.execute(f"SET explicit_defaults_for_timestamp={self.of(0, 1, 1)}")
        self.execute(self.of("SET timestamp=DEFAULT", "SET timestamp=DEFAULT", "SET timestamp=1600000000.123456"))
        self.execute(self.of("SET auto_increment_increment=1, auto_increment_offset=1", "SET auto_increment_increment=1, auto_increment_offset=1", "SET auto_increment_increment=3, auto_increment_offset=2"))
        if self.mysql:
            self.execute("SET default_collation_for_utf8mb4=" + self.of("utf8mb4_0900_ai_ci", "utf8mb4_0900_ai_ci", "utf8mb4_general_ci"))
            self.execute(f"SET sql_generate_invisible_primary_key={int(not self.across and self.maybe(0.1))}")
        if self.maybe(0.2):
            self.execute(f"SET collation_server={self.of('latin1_swedish_ci', 'utf8mb4_general_ci', 'utf8mb4_bin')}")

    def use(self):
        some = self.schemas()
        if some:
            db = self.rnd.choice(some)
            if self.execute(f"USE {self.q(db)}"):
                self.db = db

    def free(self, schema):
        there = {n for s, n in self.tables() if s == schema}
        left = [n for n in TABLES if n not in there]
        return (schema, self.rnd.choice(left or TABLES))

    def any_schema(self):
        return self.rnd.choice(self.schemas() or SCHEMAS)

    def options(self):
        some = [lambda: self.of("DEFAULT ", "") + self.charset(), lambda: "COMMENT=" + self.lit(self.rnd.choice(TEXTS)), lambda: f"AUTO_INCREMENT={self.of(5, 100)}", lambda: "ENGINE=" + self.of("InnoDB", "InnoDB", "MyISAM", "MEMORY"),
                lambda: "ROW_FORMAT=" + self.of("DYNAMIC", "COMPACT"), lambda: self.of("STATS_PERSISTENT=1", "CHECKSUM=1", "MAX_ROWS=1000", "DELAY_KEY_WRITE=1", "PACK_KEYS=1")]
        return self.of(" ", " ", ", ").join(self.version(f()) for f in self.rnd.sample(some, self.of(0, 0, 1, 1, 2)))

    def partition(self, names):
        """names: [(name, kind)] of the columns of which each unique key has one; the text."""
        what = self.of("hash", "key", "range", "list", "columns", "sub", "dates")
        ints = [n for n, k in names if k and k.group == "int"]
        dates = [n for n, k in names if k and k.group in ("date", "datetime")]
        texts = [n for n, k in names if k and k.group == "char"]
        if what == "dates" and dates:
            return f"PARTITION BY RANGE COLUMNS ({self.q(dates[0])}) (PARTITION p0 VALUES LESS THAN ('2000-01-01'), PARTITION p1 VALUES LESS THAN ('2020-06-01'), PARTITION p9 VALUES LESS THAN (MAXVALUE))"
        if what == "columns" and texts:
            return f"PARTITION BY RANGE COLUMNS ({self.q(texts[0])}) (PARTITION p0 VALUES LESS THAN ('a'), PARTITION p1 VALUES LESS THAN ('e'), PARTITION p9 VALUES LESS THAN (MAXVALUE))"
        if what == "key" and names:
            return f"PARTITION BY {self.of('', 'LINEAR ')}KEY ({self.q(names[0][0])}) PARTITIONS 3"
        if not ints:
            return ""
        c = self.q(ints[0])
        return {"range": f"PARTITION BY RANGE ({c}) (PARTITION p0 VALUES LESS THAN (3), PARTITION `p1` VALUES LESS THAN (50) COMMENT = {self.lit(self.rnd.choice(TEXTS))}, PARTITION p9 VALUES LESS THAN MAXVALUE)",
                "list": f"PARTITION BY LIST ({c}) (PARTITION p0 VALUES IN (0,1,2), PARTITION p1 VALUES IN (7,42,127), PARTITION p9 VALUES IN (-1,255,NULL))",
                "sub": f"PARTITION BY RANGE ({c}) SUBPARTITION BY HASH ({c}) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (3), PARTITION p9 VALUES LESS THAN MAXVALUE)"}.get(what, f"PARTITION BY {self.of('', 'LINEAR ')}HASH ({self.of(c, c, c + ' + 1')}) PARTITIONS 4")

    def create(self):
        r = self.rnd
        t = self.free(self.any_schema())
        names = r.sample(COLUMNS, r.randint(1, 7))
        parts, known, columns = [], [], []
        for i, n in enumerate(names):
            text, kind = self.column(columns)
            shown = self.q(n)
            if i == 0 and self.maybe(0.6):
                text, kind = self.of("int", "bigint unsigned", "int NOT NULL", "varchar(20)", "serial", "date", "char(9) NOT NULL"), None
                kind = TYPES[0] if "int" in text or text == "serial" else self.kind_of(text.split("(")[0])
                tail = self.of(" PRIMARY KEY", " UNIQUE", " AUTO_INCREMENT PRIMARY KEY", "") if kind is TYPES[0] and text != "serial" else "" if text == "serial" else self.of(" PRIMARY KEY", "", " NOT NULL")
                text += tail
            parts.append(f"{shown} {text}")
            generated = " AS (" in text
            known.append((n, kind))
            columns.append((n, {"char": "varchar"}.get(kind.group, kind.group), "", generated, "auto" if "AUTO" in text or "serial" in text else "", True))
        if not any("PRIMARY KEY" in p for p in parts) and self.maybe(0.5):
            usable = [c for c in known if c[1].key is not None]
            if usable:
                some = r.sample(usable, min(len(usable), self.of(1, 1, 2)))
                parts.append(f"PRIMARY KEY ({', '.join(self.part(*c) for c in some)})")
        for _ in range(self.of(0, 0, 1, 2)):
            k = self.key(known)
            if k:
                parts.append(k)
        if self.maybe(0.15):
            parts.append(self.check(columns))
        if self.maybe(0.1) and self.tables():
            f = self.foreign_key(t, columns)
            if f:
                parts.append(f)
        tail = self.options()
        if self.maybe(0.25):
            tail += " " + self.version(self.partition([c for c in known[:1]] if any("KEY" in p or "serial" in p or "UNIQUE" in p for p in parts) else known))
        head = self.kw(self.of("CREATE TABLE", "CREATE TABLE", "CREATE TABLE IF NOT EXISTS") if not (self.mariadb and self.maybe(0.1)) else "CREATE OR REPLACE TABLE")
        self.execute(self.noise(f"{head} {self.t(t)} ({self.of(', ', ',', chr(10) + ', ').join(parts)}) {tail}"))
        return t

    def foreign_key(self, t, columns):
        others = [x for x in self.tables() if x[0] == t[0] or self.maybe(0.2)]
        if not others:
            return None
        p = self.rnd.choice(others)
        mine = [c for c in columns if c[1] in ("int", "bigint", "varchar", "date") and not c[3]]
        theirs = [c for c in self.columns(p) if c[1] in ("int", "bigint", "varchar", "date")]
        pairs = [(a, b) for a in mine for b in theirs if a[1] == b[1]]
        if not pairs:
            return None
        a, b = self.rnd.choice(pairs)
        return (f"{self.of('', 'CONSTRAINT ' + self.q(self.of('f1', 'f 2', 'F3', 'f`4')) + ' ')}FOREIGN KEY {self.of('', self.key_name())} ({self.q(a[0])}) REFERENCES {self.t(p)} ({self.q(b[0])})"
                f" {self.of('', 'ON DELETE CASCADE', 'ON DELETE SET NULL', 'ON UPDATE CASCADE', 'ON DELETE RESTRICT ON UPDATE SET NULL', 'ON UPDATE NO ACTION')}")

    def like(self):
        old = self.tables()
        if old:
            o = self.rnd.choice(old)
            t = self.free(self.any_schema())
            self.execute(self.noise(f"CREATE TABLE {self.of('', 'IF NOT EXISTS ')}{self.t(t)} {self.of('LIKE {}', '(LIKE {})').format(self.t(o).replace('{', '{{'))}"))

    def select(self):
        old = self.tables()
        if not old or self.ansi_mode():  # then the servers log it without the table's options, MySQL without its charset, too
            return
        if self.mysql and "NO_BACKSLASH_ESCAPES" in self.mode:  # its own text has two for one all the same
            return
        o = self.rnd.choice(old)
        t = self.free(self.any_schema())
        columns = self.columns(o)
        some = self.rnd.sample(columns, min(len(columns), 3))
        fields = [self.q(c[0]) for c in some] + self.of([], ["'lit' AS made"], ["1.5 AS made"], ["CONCAT('ü', 1) AS made"], ["NULL AS made"], ["CAST('2020-01-01' AS DATETIME) AS made"], ["NOW() AS made"])
        extra = self.of("", "", f"({self.q(some[0][0])} varchar(60), extra int DEFAULT 4) ", "(KEY (extra), extra int) ", "(id int AUTO_INCREMENT PRIMARY KEY) ") + self.options()
        self.execute(self.noise(f"CREATE TABLE {self.t(t)} {extra} {self.of('', 'AS ')}SELECT {', '.join(fields)} FROM {self.t(o)} {self.of('', 'LIMIT 3')}"))

    def place(self, columns):
        return self.of("", "", " FIRST", " AFTER " + self.q(self.rnd.choice(columns)[0], True))

    def clause(self, t, columns, used):
        """One part of an ALTER TABLE; None: this table has nothing for it."""
        what = self.rnd.choice(CLAUSES)
        at = Part(t, columns, used, self.rnd.choice(columns), self.of("COLUMN ", ""))
        at.known = [(x[0], self.kind_of(x[1])) for x in columns]
        bound = self.across and self.to_mysql and (self.checks(t) or any(x[3] for x in columns))  # MySQL renames none that an expression names
        if (bound and what in ("drop", "change", "rename")) or (self.across and what in ("modify", "change") and self.in_keys(t, at.c[0])):
            return None
        return getattr(self, "clause_" + what.replace(" ", "_"))(at)

    def clause_add(self, at):
        if at.left:
            n = self.rnd.choice(at.left)
            at.used.add(n)
            text, kind = self.column(at.columns, adds=True)
            return f"ADD {at.word}{self.q(n)} {text}{self.of('', '', ' UNIQUE') if kind.key == '' else ''}{self.place(at.columns)}"

    def clause_adds(self, at):
        if len(at.left) > 2:
            some = self.rnd.sample(at.left, 2)
            at.used.update(some)
            return f"ADD {at.word}({', '.join(f'{self.q(n)} {self.column(at.columns, adds=True)[0]}' for n in some)})"

    def clause_drop(self, at):
        if len(at.columns) > 1 and not (self.across and self.in_keys(at.t, at.c[0])):  # MariaDB refuses that for keys of several columns
            return f"DROP {at.word}{self.of('', 'IF EXISTS ') if self.mariadb and self.maybe(0.1) else ''}{self.q(at.c[0], True)}"

    def redefined(self, c):
        """A column's definition anew: its own type with other words, or another; None: not of this one."""
        kind = self.kind_of(c[1])
        if not self.across and not self.maybe(0.7):
            return self.column([], kind if kind and self.maybe(0.6) else None)[0]
        if c[3]:
            return None
        if c[1] in ("char", "varchar"):
            return f"varchar({self.of(20, 40, 260)}) {self.of('', self.charset())} {self.of('', 'NOT NULL', 'DEFAULT ' + self.lit('x'))}"
        return f"{c[2]}{self.of('', ' NOT NULL' if kind and kind.group != 'shape' else '', ' NULL', ' DEFAULT NULL', ' COMMENT ' + self.lit(self.rnd.choice(TEXTS)))}"

    def clause_modify(self, at):
        text = self.redefined(at.c)
        return text and f"MODIFY {at.word}{self.q(at.c[0], True)} {text}{self.place(at.columns)}"

    def clause_change(self, at):
        text, n = self.redefined(at.c), at.c[0]
        if text and at.left:
            n = self.rnd.choice(at.left + [n])
            at.used.add(n)
        return text and f"CHANGE {at.word}{self.q(at.c[0], True)} {self.q(n)} {text}{self.place(at.columns)}"

    def clause_rename(self, at):
        if not at.left:
            return None
        n = self.rnd.choice(at.left)
        at.used.add(n)
        if self.maybe(0.2) and len(at.columns) > 1:  # two change places
            a, b = self.rnd.sample(at.columns, 2)
            return f"RENAME COLUMN {self.q(a[0])} TO {self.q(b[0])}, RENAME COLUMN {self.q(b[0])} TO {self.q(a[0])}"
        return f"RENAME COLUMN {self.q(at.c[0], True)} TO {self.q(n)}"

    def clause_add_key(self, at):
        k = self.key(at.known)
        return k and "ADD " + k

    def any_key(self, t):
        keys = [k for k in self.keys(t) if k != "PRIMARY"]
        return self.rnd.choice(keys) if keys else None

    def clause_drop_key(self, at):
        k = self.any_key(at.t)
        return k and f"DROP {self.of('KEY', 'INDEX')} {self.q(k, True)}"

    def clause_rename_key(self, at):
        k = self.any_key(at.t)
        return k and f"RENAME {self.of('KEY', 'INDEX')} {self.q(k, True)} TO {self.key_name()}"

    def clause_visible(self, at):
        k = self.any_key(at.t)
        return k and f"ALTER INDEX {self.q(k)} {self.of('INVISIBLE', 'VISIBLE') if self.mysql else self.of('IGNORED', 'NOT IGNORED')}"

    def clause_set(self, at):
        kind = self.kind_of(at.c[1])
        if kind and kind.defaults and "EXPR" not in kind.defaults:
            d = self.default(kind, at.c[2])
            return f"ALTER {at.word}{self.q(at.c[0], True)} SET DEFAULT {'(' + d + ')' if 'urrent' in d.lower() or 'NOW' in d else d}"

    def clause_drop_default(self, at):
        return f"ALTER {at.word}{self.q(at.c[0], True)} DROP DEFAULT"

    def clause_convert(self, at):
        if not any(x[1] in ("enum", "set") for x in at.columns):  # both families make other letters of their members
            return self.charset("CONVERT TO CHARACTER SET")

    def clause_charset(self, _):
        return self.of("DEFAULT ", "") + self.charset() if self.maybe(0.8) else "COLLATE " + self.rnd.choice(self.collations["utf8mb4"])

    def clause_foreign(self, at):
        f = self.engine(at.t) == "InnoDB" and self.foreign_key(at.t, at.columns)
        return f and "ADD " + f

    def clause_drop_foreign(self, at):
        names = self.foreign(at.t)
        return names and "DROP FOREIGN KEY " + self.q(self.rnd.choice(names))

    def clause_engine(self, _):
        return "ENGINE=" + self.of("InnoDB", "InnoDB", "MyISAM")

    def clause_auto(self, _):
        return f"AUTO_INCREMENT={self.of(1, 50, 1000)}"

    def clause_to(self, at):
        if self.mysql or self.engine(at.t) == "InnoDB":  # MariaDB's MyISAM leaves the old name behind where more is said (seen on 10.11)
            return f"RENAME {self.of('', 'TO ', 'AS ')}{self.t(self.free(self.any_schema() if self.maybe(0.2) else at.t[0]))}"

    def clause_comment(self, _):
        return "COMMENT=" + self.lit(self.rnd.choice(TEXTS))

    def clause_check(self, at):
        return "ADD " + self.check(at.columns)

    def clause_drop_check(self, at):
        names = self.checks(at.t)
        return names and f"DROP {self.of('CHECK', 'CONSTRAINT') if self.mysql else 'CONSTRAINT'} {self.q(self.rnd.choice(names))}"

    def clause_primary(self, at):
        usable = [x for x in at.known if x[1] and x[1].key is not None]
        return usable and f"{self.of('', 'DROP PRIMARY KEY, ')}ADD PRIMARY KEY ({self.part(*self.rnd.choice(usable))})"

    def clause_drop_primary(self, _):
        return "DROP PRIMARY KEY"

    def clause_force(self, _):
        return self.of("FORCE", "ALGORITHM=COPY", "LOCK=SHARED", "ALGORITHM=INPLACE")

    def clause_keys_off(self, _):
        return self.of("DISABLE KEYS", "ENABLE KEYS")

    def alter(self):
        old = self.tables()
        if not old:
            return
        t = self.rnd.choice(old)
        columns = self.columns(t)
        if not columns:
            return
        if self.maybe(0.25) and self.partitions(t):
            return self.alter_partitions(t)
        used = set()
        clauses = [x for x in (self.clause(t, columns, used) for _ in range(self.of(1, 1, 1, 2, 3))) if x]
        clauses = [c for i, c in enumerate(clauses) if not (re.match("RENAME (?!COLUMN|KEY|INDEX)", c) and any(re.match("RENAME (?!COLUMN|KEY|INDEX)", x) for x in clauses[:i]))]  # 11006
        if self.maybe(0.05):
            p = self.partition([(x[0], self.kind_of(x[1])) for x in columns])
            if p:
                return self.execute(self.noise(f"ALTER TABLE {self.t(t)} {p}"))
        if clauses:
            # a new key or a name in another place of the same statement may refer to what it changes
            self.execute(self.noise(f"{self.kw('ALTER TABLE')} {self.t(t)} {self.of(', ', ',', ' , ').join(self.version(c) for c in clauses)}"))

    def alter_partitions(self, t):
        parts = self.partitions(t)
        method = parts[0][1]
        names = [p[0] for p in parts]
        some = self.q(self.rnd.choice(names))
        two = ", ".join(self.q(n) for n in self.rnd.sample(names, min(2, len(names))))
        if self.across and ("KEY" in method or "COLUMNS" in method):  # of text that has another collation there: other rows are in it
            return
        choices = [f"TRUNCATE PARTITION {some}", f"TRUNCATE PARTITION {two}", "TRUNCATE PARTITION ALL", f"REBUILD PARTITION {two}", f"ANALYZE PARTITION {some}", f"OPTIMIZE PARTITION {some}", "REMOVE PARTITIONING"]
        if "HASH" in method or "KEY" in method:
            choices += ["ADD PARTITION PARTITIONS 2", "COALESCE PARTITION 1", "COALESCE PARTITION 2"]
        else:
            choices += [f"DROP PARTITION {some}", f"DROP PARTITION {two}"]
            if method == "RANGE" and parts[-1][2] == "MAXVALUE":
                choices += [f"REORGANIZE PARTITION {self.q(names[-1])} INTO (PARTITION px{len(names)} VALUES LESS THAN ({100 * len(names)}), PARTITION p99 VALUES LESS THAN MAXVALUE)"] * 2
            elif method == "RANGE":
                choices += [f"ADD PARTITION (PARTITION pa VALUES LESS THAN (5000), PARTITION `p b` VALUES LESS THAN {self.of('MAXVALUE', '(9999)')})"] * 2
            elif method == "LIST":
                choices += [f"ADD PARTITION (PARTITION pl VALUES IN ({self.of(300, 65535, 99999)}))"] * 2
        self.execute(self.noise(f"ALTER TABLE {self.t(t)} {self.rnd.choice(choices)}"))

    def rename(self):
        old = self.tables()
        if not old:
            return
        what = self.of("one", "one", "swap", "chain")
        if what == "swap" and len(old) > 1:
            a, b = self.rnd.sample(old, 2)
            tmp = (a[0], "tmp`swap")
            pairs = [(a, tmp), (b, a), (tmp, b)]
        elif what == "chain" and len(old) > 1:
            a, b = self.rnd.sample(old, 2)
            pairs = [(a, self.free(a[0])), (b, a)]
        else:
            a = self.rnd.choice(old)
            pairs = [(a, self.free(self.any_schema() if self.maybe(0.3) else a[0]))]
        self.execute(self.noise(f"{self.kw(self.of('RENAME TABLE', 'RENAME TABLE', 'RENAME TABLES'))} {', '.join(f'{self.t(a)} TO {self.t(b)}' for a, b in pairs)}"))

    def drop(self):
        old = self.tables()
        if not old:
            return
        some = self.rnd.sample(old, min(len(old), self.of(1, 1, 2, 3)))
        gone = [("rd_a", "never")] if self.maybe(0.2) else []
        self.execute(self.noise(f"DROP {self.of('TABLE', 'TABLE', 'TABLES')} {'IF EXISTS ' if gone or self.maybe(0.3) else ''}{', '.join(self.t(x) for x in some + gone)}{self.of('', ' CASCADE', ' RESTRICT')}"))

    def truncate(self):
        old = self.tables()
        if old:
            self.execute(self.noise(f"TRUNCATE {self.of('TABLE ', '')}{self.t(self.rnd.choice(old))}"))

    def index(self):
        old = self.tables()
        if not old:
            return
        t = self.rnd.choice(old)
        if self.maybe(0.4):
            keys = self.keys(t)
            if keys:
                self.execute(self.noise(f"DROP INDEX {self.q(self.rnd.choice(keys), True)} ON {self.t(t)}{self.of('', ' ALGORITHM=INPLACE', ' LOCK=NONE')}"))
            return
        usable = [(c[0], self.kind_of(c[1])) for c in self.columns(t)]
        parts = [p for p in (self.part(*c) for c in self.rnd.sample(usable, min(len(usable), self.of(1, 2)))) if p]
        if parts:
            self.execute(self.noise(f"CREATE {self.of('', '', 'UNIQUE ')}INDEX {self.key_name()} {self.of('', 'USING BTREE ')}ON {self.t(t)} ({', '.join(parts)}){self.of('', ' COMMENT ' + self.lit(self.rnd.choice(TEXTS)))}"))

    def database(self):
        there = self.schemas()
        missing = [s for s in SCHEMAS if s not in there]
        if missing and self.maybe(0.8):
            return self.execute(self.noise(f"CREATE {self.of('DATABASE', 'SCHEMA')} {self.of('', 'IF NOT EXISTS ')}{self.q(self.rnd.choice(missing))} {self.of('', self.of('', 'DEFAULT ') + self.charset())}"))
        d = self.rnd.choice(there)
        if self.maybe(0.25):
            if self.execute(self.noise(f"DROP {self.of('DATABASE', 'SCHEMA')} {self.of('', 'IF EXISTS ')}{self.q(d)}")) and self.db == d:
                self.db = None
            return
        named = f"{self.q(d)} " if self.db != d or self.maybe(0.6) else ""
        self.execute(self.noise(f"ALTER {self.of('DATABASE', 'SCHEMA')} {named}{self.of('', 'DEFAULT ')}{self.charset()}"))

    def temporary(self):
        """What only this connection sees, under a name that may be a table's: nothing of it is followed."""
        old = self.tables()
        if not old:
            return
        t = self.rnd.choice(old)
        self.execute(f"CREATE TEMPORARY TABLE {self.t(t)} (tmp int PRIMARY KEY, w varbinary(9))")  # a LIKE of it is logged without its charset
        for s in self.rnd.sample([f"INSERT INTO {self.t(t)} VALUES (1, 'x')", f"ALTER TABLE {self.t(t)} ADD y int", f"CREATE INDEX i ON {self.t(t)} (w)", f"TRUNCATE {self.t(t)}",
                                  f"CREATE TABLE {self.t(self.free(self.any_schema()))} AS SELECT * FROM {self.t(t)}",
                                  f"ALTER TABLE {self.t(t)} RENAME TO {self.t(self.free(t[0]))}"], 3):
            self.execute(s)
        self.execute(f"DROP TEMPORARY TABLE {self.of('', 'IF EXISTS ')}{self.t(t)}")

    # --- rows ------------------------------------------------------------------------------------------------------

    def value(self, c):
        kind = self.kind_of(c[1])
        if kind is None or self.maybe(0.08):
            return "NULL"
        if self.maybe(0.1):
            return "DEFAULT"
        v = self.rnd.choice(kind.values)
        if v == "SHAPE":
            wanted = {"point": SHAPES[:2], "linestring": SHAPES[2:3], "polygon": SHAPES[3:]}.get(c[1], SHAPES)
            return f"ST_GeomFromText('{self.rnd.choice(wanted)}')"
        if kind.group in ("int", "decimal", "real", "bit", "binary", "blob"):
            return v
        if kind.text and self.maybe(0.5):
            v = v + str(self.rnd.randint(0, 30)) if kind.group in ("char", "text") else v
        return self.lit(v)

    def rows(self):
        old = self.tables()
        for _ in range(self.of(1, 2, 4)):
            if not old:
                return
            t = self.rnd.choice(old)
            columns = [c for c in self.columns(t) if not c[3]]
            if not columns:
                continue
            ignore = self.of("IGNORE ", "IGNORE ", "IGNORE ", "")
            what, n = self.rnd.random(), self.rnd.choice([0, 1, 3])
            c = self.rnd.choice(columns)
            if what < 0.65:
                some = columns if self.maybe(0.7) else self.rnd.sample(columns, self.rnd.randint(1, len(columns)))
                rows = ", ".join("(" + ", ".join(self.value(x) for x in some) + ")" for _ in range(self.of(1, 2, 5)))
                self.execute(f"{self.of('INSERT ' + ignore, 'INSERT ' + ignore, 'REPLACE ')}INTO {self.t(t)} ({', '.join(self.q(x[0], True) for x in some)}) VALUES {rows}")
            elif what < 0.9:
                self.execute(f"UPDATE {ignore}{self.t(t)} SET {self.q(c[0])} = {self.value(c)} LIMIT {n + 1}")
            else:
                self.execute(f"DELETE {ignore}FROM {self.t(t)} LIMIT {n}")

    def step(self):
        r = self.rnd
        what = r.choice(["create"] * 3 + ["like", "select", "select"] + ["alter"] * 12 + ["rename"] * 2 + ["drop", "truncate", "index", "index", "database"] + ["rows"] * 8 + ["session"] * 2 + ["use", "temporary"])
        if len(self.tables()) < 3 and what in ("drop", "truncate", "rename"):
            what = "create"
        getattr(self, what)()

    def begin(self):
        for s in SCHEMAS[:2]:
            self.execute(f"CREATE DATABASE {self.q(s)} {self.of('', self.charset())}")
        self.use()
        for _ in range(3):
            self.create()
        self.rows()
