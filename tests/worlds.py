"""Random worlds for the check before a start: tables of an upstream, what a downstream has of them already, settings and accounts of both. All by a seed."""
import decimal
import json
import random
import re

TEXT = ["'a'", "'A'", "'bcd e'", "'longer than ten'", "''", "NULL"]
# type, its values, narrower types, wider ones
COLUMNS = [
    ("int", ["1", "-5", "70000", "NULL"], ["tinyint", "smallint", "int unsigned", "varchar(3)", "date"], ["bigint", "decimal(20,2)", "varchar(20)"]),
    ("bigint unsigned", ["1", "18446744073709551615", "NULL"], ["int", "bigint", "double", "float"], ["decimal(30,0)"]),
    ("decimal(12,4)", ["1.2345", "-99999999.9999", "NULL"], ["decimal(12,2)", "decimal(6,4)", "int", "double", "float"], ["decimal(20,6)", "varchar(40)"]),
    ("double", ["0.1", "1e100", "-3.25", "NULL"], ["float", "decimal(10,2)", "int"], []),
    ("float", ["0.1", "16777216", "NULL"], ["decimal(10,2)", "int"], ["double"]),
    ("varchar(40)", TEXT, ["varchar(3)", "char(40)", "varchar(40) CHARACTER SET ascii", "int", "varbinary(40)", "enum('a','bcd e')"], ["varchar(80)", "text"]),
    ("varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", TEXT + ["'é'", "'😀'"], ["varchar(40) CHARACTER SET latin1", "varchar(40) CHARACTER SET utf8mb3"], ["longtext CHARACTER SET utf8mb4"]),
    ("varchar(40) CHARACTER SET latin1", TEXT + ["'é'"], ["varchar(40) CHARACTER SET ascii", "varchar(40) CHARACTER SET latin2"], ["varchar(40) CHARACTER SET utf8mb4"]),
    ("text", TEXT + ["REPEAT('x',300)"], ["tinytext", "varchar(20)"], ["mediumtext"]),
    ("text CHARACTER SET latin1", TEXT + ["REPEAT('é',40000)"], ["text CHARACTER SET utf8mb4"], ["mediumtext CHARACTER SET utf8mb4"]),
    ("char(10)", ["'a'", "'ab'", "NULL"], ["char(1)"], ["varchar(10)"]),
    ("binary(4)", ["'ab'", "x'00010203'", "NULL"], ["binary(2)", "varchar(4)", "binary(8)"], ["varbinary(4)"]),
    ("blob", ["x'00ff'", "''", "REPEAT('x',300)", "NULL"], ["tinyblob", "text", "varbinary(1)"], ["longblob"]),
    ("datetime(6)", ["'2020-01-02 03:04:05.678901'", "'1969-01-01 00:00:00'", "NULL"], ["datetime", "datetime(3)", "date", "timestamp(6) NULL"], ["varchar(40)"]),
    ("timestamp(3) NULL", ["'2020-01-02 03:04:05.678'", "NULL"], ["timestamp NULL", "date", "time", "datetime(3)"], ["timestamp(6) NULL"]),
    ("date", ["'2020-01-02'", "NULL"], ["year", "time"], ["datetime"]),
    ("time(3)", ["'12:34:56.789'", "'-100:00:00'", "NULL"], ["time"], ["time(6)"]),
    ("year", ["2020", "NULL"], ["tinyint"], ["int"]),
    ("enum('a','b','c')", ["'a'", "'c'", "NULL"], ["enum('a','b')", "enum('c','b','a')", "int", "char(1)"], ["enum('a','b','c','d')", "varchar(20)"]),
    ("set('a','b','c')", ["'a'", "'a,c'", "''", "NULL"], ["set('a','b')", "set('c','b','a')"], ["set('a','b','c','d')", "varchar(20)"]),
    ("bit(9)", ["5", "511", "NULL"], ["bit(8)", "tinyint", "int"], ["bit(20)"]),
    ("json", ["'{\"a\": 1}'", "NULL"], ["varchar(5)"], ["longtext"]),
]
# whole statements: what a server may or may not take. {m}: made elsewhere before
ODD = [
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, p int, CONSTRAINT f_{t} FOREIGN KEY (p) REFERENCES app.plain (id) ON DELETE CASCADE)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, p int, CONSTRAINT f_{t} FOREIGN KEY (p) REFERENCES far.parent (id) ON DELETE CASCADE)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, p int, CONSTRAINT f_{t} FOREIGN KEY (p) REFERENCES far.parent (id))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w varchar(40) DEFAULT (uuid()))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(40) AS (md5(v)) STORED)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(40) AS (concat('a', v)) VIRTUAL, KEY (g))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, CHECK (v <> 77 OR json_valid('1')))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, CHECK (regexp_replace(v,'x','y') <> '77'))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, CHECK (json_value('{{}}','$.a') IS NULL))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(40) AS (json_unquote(json_extract('[1]','$[0]'))) STORED)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(40) AS (date_format('2020-01-01','%Y')) VIRTUAL)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(40) AS (soundex('x')) VIRTUAL)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(40) AS (chr(65)) VIRTUAL)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(60) AS (natural_sort_key(v)) VIRTUAL)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g bigint AS (bin_to_uuid(x'00112233445566778899aabbccddeeff') IS NULL) VIRTUAL)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(90) AS (json_pretty('[1]')) STORED)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(90) AS (json_detailed('[1]')) VIRTUAL)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(90) AS (sha2(v,256)) VIRTUAL)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(90) AS (regexp_substr(v,'[0-9]')) VIRTUAL)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, g varchar(90) AS (format(v,2)) VIRTUAL)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) PAGE_COMPRESSED=1",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) COMPRESSION='zlib'",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) ENGINE=MyISAM",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) ENGINE=MEMORY",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) ENGINE=Aria",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) ENGINE=CSV",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) ENGINE=ARCHIVE",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) ENGINE=BLACKHOLE",
    "CREATE TABLE app.{t} (id int NOT NULL, v int NOT NULL) ENGINE=CSV",
    "CREATE TABLE app.{t} (id int NOT NULL AUTO_INCREMENT, v int, KEY (id)) ENGINE=ARCHIVE",
    "CREATE TABLE app.{t} (a int NOT NULL, id int NOT NULL AUTO_INCREMENT, v int, PRIMARY KEY (a, id)) ENGINE=MyISAM",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) PARTITION BY HASH (id) PARTITIONS 3",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (1000000))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) PARTITION BY SYSTEM_TIME (PARTITION a HISTORY, PARTITION b CURRENT)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int) WITH SYSTEM VERSIONING",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, s date, e date, PERIOD FOR p (s, e))",
    "CREATE TABLE app.{t} (id int DEFAULT nextval(app.seq) PRIMARY KEY, v int)",
    "CREATE TABLE app.{t} (id int DEFAULT nextval(far.seq) PRIMARY KEY, v int)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w text, FULLTEXT (w))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w text, FULLTEXT (w) WITH PARSER ngram)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w point NOT NULL, SPATIAL KEY (w))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w point NOT NULL SRID 4326)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int INVISIBLE)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, KEY ((v+1)))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w json, KEY k ((CAST(w->'$' AS UNSIGNED ARRAY))))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w text UNIQUE)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w varchar(2000) CHARACTER SET utf8mb4, KEY (w(768)))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, KEY (v) IGNORED)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w varchar(9) COMPRESSED)",
    "CREATE TABLE app.{t} (id uuid PRIMARY KEY, v int)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w inet6)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w vector(3))",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w varchar(10) COLLATE utf8mb4_ja_0900_as_cs)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w varchar(10) COLLATE uca1400_spanish_as_cs)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w varchar(10) CHARACTER SET gb18030)",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, " + ", ".join(f"c{i} varchar(200) CHARACTER SET latin1" for i in range(250)) + ")",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, " + ", ".join(f"c{i} char(250) CHARACTER SET latin1" for i in range(32)) + ")",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, " + ", ".join(f"c{i} tinytext" for i in range(400)) + ")",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w timestamp NOT NULL DEFAULT '2000-01-01 00:00:00')",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w datetime NOT NULL DEFAULT '0000-00-00 00:00:00')",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w date NOT NULL DEFAULT '2000-02-31')",
    "CREATE TABLE app.{t} (id int PRIMARY KEY, v int, w float(7,3), x double(9,2))",
    "CREATE TABLE app.{t} (id int(5) zerofill PRIMARY KEY, v int)",
    "CREATE VIEW app.{t} AS SELECT id, v FROM app.plain",
    "CREATE VIEW app.{t} AS SELECT id FROM far.parent",
    "CREATE SEQUENCE app.{t}",
]
DOWN = {
    "both": [("sql_mode", ["''", "'ANSI_QUOTES'", "'TRADITIONAL'", "'PAD_CHAR_TO_FULL_LENGTH'", "'NO_BACKSLASH_ESCAPES'", "'HIGH_NOT_PRECEDENCE'"]), ("local_infile", ["0", "1"]), ("time_zone", ["'+05:00'", "'-11:00'"]),
             ("innodb_strict_mode", ["0", "1"]), ("max_allowed_packet", ["1048576"]), ("read_only", ["1"]), ("autocommit", ["0"]), ("foreign_key_checks", ["0"]), ("unique_checks", ["0"]),
             ("character_set_server", ["latin1", "utf8mb4"]), ("init_connect", ["'SET sql_mode=\\'\\''", "'SET autocommit=0'"]), ("lock_wait_timeout", ["2"]), ("default_storage_engine", ["MyISAM", "InnoDB"]),
             ("max_connections", ["25"]), ("max_user_connections", ["6"]), ("innodb_file_per_table", ["0"])],
    "mysql": [("sql_require_primary_key", ["1"]), ("sql_generate_invisible_primary_key", ["1"]), ("explicit_defaults_for_timestamp", ["0"]), ("transaction_read_only", ["1"]), ("default_table_encryption", ["0"]), ("restrict_fk_on_non_standard_key", ["0"])],
    "mariadb": [("innodb_force_primary_key", ["1"]), ("tx_read_only", ["1"]), ("check_constraint_checks", ["0"]), ("system_versioning_alter_history", ["KEEP"]), ("innodb_default_row_format", ["compact", "redundant"])],
}
UP = {
    "both": [("binlog_row_image", ["'MINIMAL'", "'NOBLOB'"]), ("time_zone", ["'+03:00'"]), ("sql_mode", ["''", "'ANSI_QUOTES'"])],
    "mysql": [("show_gipk_in_create_table_and_information_schema", ["0"]), ("sql_generate_invisible_primary_key", ["1"]), ("binlog_transaction_compression", ["1"]), ("binlog_row_metadata", ["FULL"])],
    "mariadb": [("log_bin_compress", ["1"]), ("binlog_annotate_row_events", ["0"]), ("binlog_row_metadata", ["FULL"])],
}


def plain(v):
    """A value as text, whatever type of its kind it came from."""
    if isinstance(v, bytes):
        v = v.lstrip(b"\0").decode("latin1")
    if isinstance(v, (int, float, decimal.Decimal)):
        return format(decimal.Decimal(repr(v) if isinstance(v, float) else v).normalize(), "f")
    if isinstance(v, str) and v[:1] in ("{", "["):
        return json.dumps(json.loads(v), sort_keys=True)
    return re.sub(r"^(\d{4}-\d\d-\d\d)(?: 00:00:00)?(.*?)(?:\.0+)?$", r"\1\2", str(v))


class Table:
    """A table upstream, and what is in the downstream under its name: a statement, or None."""

    def __init__(self, r, n):
        self.name, self.r = f"t{n}", r
        picked = r.sample(COLUMNS, r.randint(1, 3))
        self.columns = [[f"c{i}", c[0], c] for i, c in enumerate(picked)]
        self.generated = r.random() < 0.15
        self.key = r.choice(["PRIMARY KEY"] * 6 + ["UNIQUE KEY k", ""])
        self.unique = r.random() < 0.2
        self.change = None

    def create(self, columns, key, more="", tail="", generated=None):
        generated = self.generated if generated is None else generated
        parts = ["id int NOT NULL"] + [f"{n} {t}" for n, t, *_ in columns] + (["g int AS (id+1) STORED"] if generated == 1 else ["g int"] if generated == 2 else []) + ([f"{key} (id)"] if key else [])
        return f"CREATE TABLE app.{self.name} ({', '.join(parts)}{more}) {tail}"

    def up(self):
        return self.create(self.columns, self.key, f", UNIQUE KEY u ({self.columns[0][0]})" if self.unique and self.can_key(self.columns[0]) else "")

    @staticmethod
    def can_key(c):
        return not any(w in c[1] for w in ("text", "blob", "json"))

    def down(self):
        r, columns, how = self.r, [list(c) for c in self.columns], self.r.choice(
            ["same", "narrower", "narrower", "narrower", "narrower", "wider", "wider", "missing", "extra", "generated", "plain", "order", "unique", "nokey", "otherkey", "engine", "view", "sequence", "trigger", "foreign", "rows", "notnull", "ghost", "outward", "period"])
        self.change, key, c = how, self.key, r.choice(columns)
        more, tail, generated, after = "", "", self.generated, []
        if how in ("narrower", "wider") and c[2][2 if how == "narrower" else 3]:
            was, c[1] = c[1], r.choice(c[2][2 if how == "narrower" else 3])
            self.change = f"{how} {was} -> {c[1]}"
        elif how == "missing":
            columns.remove(c)
        elif how == "extra":
            more = ", x int" + r.choice(["", " DEFAULT 5", " NOT NULL", " AS (1) STORED", " AS (2) VIRTUAL", " NOT NULL DEFAULT 7 INVISIBLE"])
            self.change += more
        elif how == "generated":
            c[1] += " AS (NULL) VIRTUAL"
        elif how == "plain" and generated:
            generated = 2
        elif how == "order":
            columns.reverse()
        elif how == "unique" and self.can_key(c):
            more = f", UNIQUE KEY mine ({c[0]})"
        elif how == "nokey":
            key = ""
        elif how == "otherkey":
            key = "KEY other"
        elif how == "engine":
            tail = "ENGINE=" + r.choice(["MyISAM", "MEMORY", "Aria", "ARCHIVE"])
            self.change += tail
        elif how == "view":
            return [f"CREATE VIEW app.{self.name} AS SELECT 1 AS id"]
        elif how == "sequence":
            return [f"CREATE SEQUENCE app.{self.name}"]
        elif how == "trigger":
            after = [f"CREATE TRIGGER app.tr_{self.name} BEFORE INSERT ON app.{self.name} FOR EACH ROW SET NEW.id=NEW.id"]
        elif how == "foreign":
            more = ", FOREIGN KEY (id) REFERENCES app.mine (id)"
        elif how == "outward":
            after = [f"CREATE TABLE app.child_{self.name} (id int, FOREIGN KEY (id) REFERENCES app.{self.name} (id){r.choice(['', ' ON DELETE CASCADE'])})"]
        elif how == "rows":
            after = [f"INSERT INTO app.{self.name} (id) VALUES (1)"]
        elif how == "notnull":
            c[1] = c[1].replace(" NULL", "") + " NOT NULL"
        elif how == "ghost":
            c[1] += " INVISIBLE"
        elif how == "period":
            tail = "WITH SYSTEM VERSIONING"
        return [self.create(columns, key, more, tail, generated), *after]

    def rows(self, first, count):
        names = ["id"] + [c[0] for c in self.columns]
        return [f"INSERT INTO app.{self.name} ({', '.join(names)}) VALUES ({', '.join([str(first + i)] + [self.r.choice(c[2][1]) for c in self.columns])})" for i in range(count)]

    def changes(self):
        found = self.rows(1000, 4)
        c = self.r.choice(self.columns)
        return found + [f"UPDATE app.{self.name} SET {c[0]}={self.r.choice(c[2][1])} WHERE id=1", f"UPDATE app.{self.name} SET id=500 WHERE id=2", f"DELETE FROM app.{self.name} WHERE id=3"]


class World:
    def __init__(self, seed):
        self.seed = seed
        r = self.r = random.Random(seed)
        self.mode = r.choice(["all"] * 5 + ["full", "incremental"])
        self.tables = [Table(r, i) for i in range(r.choice([0, 1, 2, 2]))]
        self.wants_odd = r.choice([0, 1, 1, 2, 2])
        self.odd = [o.format(t="o{t}") for o in r.sample(ODD, len(ODD))]  # as many of them as are wanted and this upstream takes
        self.there = {t.name: t.down() for t in self.tables if r.random() < 0.75}
        self.safe = r.random() < 0.15
        self.mends = r.random() < 0.3

    def settings(self, side, flavor):
        known = {"up": UP, "down": DOWN}[side]
        r = random.Random(self.seed * 7 + (side == "up"))
        every = known["both"] + known[flavor]
        return [(n, r.choice(v)) for n, v in r.sample(every, r.choice([0, 0, 1, 2]))]
