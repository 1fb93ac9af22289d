#!/usr/bin/env python3
"""Compares two servers completely, by means of its own: it shares no code with Tidegate, so that it can't share its mistakes.

Compared: which tables and views there are; columns (names, order, nullability, type, charset, AUTO_INCREMENT, generated);
keys and foreign keys; the number of rows; every value, bit by bit:

- text and binary as HEX, FLOAT and DOUBLE as the exact double, times as text in +00:00, ENUM and SET as number and text,
- MariaDB knows no minus zero (its SQL turns it into zero), so there it equals zero; between two MySQL it does not,
- JSON by its parsed value where one side's type is not the other's, else by its text.

Tables whose key is made of integers are streamed in the key's order on both sides; of other keys and of none, a digest of each
row is kept in memory and compared as a multiset. A type that only one family has may be another one on the other side: the pairs
are in STANDS_FOR. Usable alone:  compare.py --from URL --to URL SCHEMA …
"""
import argparse
import hashlib
import json
import re
import struct
import sys
from collections import Counter
from urllib.parse import unquote, urlsplit

import connecting
import pymysql
import pymysql.cursors

INTS = {"tinyint", "smallint", "mediumint", "int", "bigint", "year"}
TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
BINARIES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
TIMES = {"date", "time", "datetime", "timestamp"}
SHAPES = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection"}
NETS = {"uuid", "inet4", "inet6"}
# what one family's type may have become in the other
STANDS_FOR = {
    "json": TEXTS, "uuid": {"char", "varchar", "binary"}, "inet6": {"varchar", "char", "varbinary", "binary"},
    "inet4": {"varchar", "char", "varbinary", "binary"}, "vector": BINARIES, "geometrycollection": {"geomcollection"},
}
SHOWN = 3  # differing rows printed for each table


def quote(name):
    return "`" + name.replace("`", "``") + "`"


class Side:
    """One server, read through information_schema and plain SELECTs."""

    def __init__(self, **where):
        self.where = where
        self.c, self.reader = self.connect(), self.connect()
        self.mariadb = "MariaDB" in self.rows("SELECT VERSION()")[0][0]

    def connect(self):
        c = connecting.connect(charset="utf8mb4", conv={}, read_timeout=600, autocommit=True, **self.where)
        with c.cursor() as cur:
            cur.execute("SET time_zone='+00:00', sql_mode='', sort_buffer_size=8388608")
            cur.execute("SET SESSION net_write_timeout=600")
        return c

    def at(self, schema, table):
        return schema, table

    def close(self):
        self.c.close()
        self.reader.close()

    def rows(self, sql, *params):
        with self.c.cursor() as cur:
            cur.execute(sql, params or None)
            return cur.fetchall()

    def stream(self, sql):
        """Row by row, over the second connection; one such at a time."""
        with self.reader.cursor(pymysql.cursors.SSCursor) as cur:
            cur.execute(sql)
            yield from cur

    def tables(self, schema):
        found = self.rows("SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s", schema)
        return {n: "view" if "VIEW" in t else "table" for n, t in found if t != "SEQUENCE"}

    def columns(self, schema, table):
        found = self.rows(
            "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COALESCE(CHARACTER_SET_NAME,''), EXTRA,"
            " COALESCE(GENERATION_EXPRESSION,'') FROM information_schema.COLUMNS"
            " WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s ORDER BY ORDINAL_POSITION", schema, table)
        return [Column(*r) for r in found]

    def keys(self, schema, table):
        expression = "''" if self.mariadb else "COALESCE(EXPRESSION,'')"
        found = self.rows(
            "SELECT INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, COALESCE(COLUMN_NAME,''), COALESCE(SUB_PART,''), INDEX_TYPE, " + expression +
            " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s ORDER BY 1, SEQ_IN_INDEX", schema, table)
        keys = {}
        for name, non_unique, _, column, part, kind, expr in found:
            key = keys.setdefault(name, (non_unique == "0", "BTREE" if kind in ("BTREE", "HASH") else kind, []))
            key[2].append(column + (f"({part})" if part and kind != "SPATIAL" else "") + ("=expression" if expr else ""))
        return {n: (u, k, tuple(c)) for n, (u, k, c) in keys.items()}

    def foreign_keys(self, schema, table):
        found = self.rows(
            "SELECT k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME,"
            " r.UPDATE_RULE, r.DELETE_RULE FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r"
            " ON r.CONSTRAINT_SCHEMA=k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME=k.CONSTRAINT_NAME AND r.TABLE_NAME=k.TABLE_NAME"
            " WHERE k.TABLE_SCHEMA=%s AND k.TABLE_NAME=%s ORDER BY 1, k.ORDINAL_POSITION", schema, table)
        # RESTRICT and NO ACTION are one and the same to InnoDB, and the families print them differently
        return sorted(tuple("RESTRICT" if v == "NO ACTION" else v for v in r) for r in found)


class Renamed(Side):
    """A target whose tables have other names than the source's; it is asked by the source's. names: ("app", "t") -> ("shop", "x")."""

    def __init__(self, names, **where):
        super().__init__(**where)
        self.names, self.back = names, {v: k for k, v in names.items()}

    def at(self, schema, table):
        return self.names.get((schema, table), (schema, table))

    def tables(self, schema):
        """All that are there must be somebody's target: what is not is told as a table of the first schema."""
        found = {}
        for there in sorted({s for s, _ in self.back}):
            for table, kind in super().tables(there).items():
                mine, name = self.back.get((there, table), (min(self.names)[0], f"nobody's {there}.{table}"))
                found.update({name: kind} if mine == schema else {})
        return found

    def columns(self, schema, table):
        return super().columns(*self.at(schema, table))

    def keys(self, schema, table):
        return super().keys(*self.at(schema, table))

    def foreign_keys(self, schema, table):
        found = super().foreign_keys(*self.at(schema, table))
        return sorted(r[:2] + self.back.get(r[2:4], r[2:4]) + r[4:] for r in found)


class Column:
    def __init__(self, name, kind, type_, nullable, charset, extra, expression):
        self.name, self.kind, self.nullable, self.charset = name, kind.lower(), nullable, charset.replace("utf8mb3", "utf8")
        self.type = re.sub(r"\b(tinyint|smallint|mediumint|int|bigint|year)\(\d+\)", r"\1", type_.lower())
        self.type = re.sub(r" (character set|collate|charset) \S+", "", self.type)
        self.type = re.sub(r" /\*.*?\*/", "", self.type)  # MariaDB says of old formats and compression in a comment
        if self.kind in ("enum", "set"):  # the members' case matters
            self.type = type_
        extra = extra.lower()
        self.auto = "auto_increment" in extra
        self.generated = "stored" if "stored generated" in extra or "persistent" in extra else "virtual" if expression else ""
        self.invisible = "invisible" in extra
        self.updates = "on update" in extra

    def shape(self):
        """What must be the same on both sides whatever the type is called."""
        marks = [self.name, "NULL" if self.nullable == "YES" else "NOT NULL"]
        marks += ["AUTO_INCREMENT"] * self.auto + ["INVISIBLE"] * self.invisible + ["ON UPDATE"] * self.updates
        return " ".join(marks + [f"GENERATED {self.generated}"] * bool(self.generated))


def may_be(a, b):
    return b.kind in STANDS_FOR.get(a.kind, ()) or a.kind in STANDS_FOR.get(b.kind, ())


def structure_differences(a, b, schema, table, same_family):
    ca, cb = a.columns(schema, table), b.columns(schema, table)
    out = []
    if [c.name for c in ca] != [c.name for c in cb]:
        return [f"columns are {[c.name for c in ca]} and {[c.name for c in cb]}"], ca, cb
    for x, y in zip(ca, cb):
        if x.shape() != y.shape():
            out.append(f"column {x.name}: {x.shape()} and {y.shape()}")
        stands = may_be(x, y) and (not same_family or {x.kind, y.kind} & (NETS | {"vector"}))
        if x.type != y.type and not stands:
            out.append(f"column {x.name}: type {x.type} and {y.type}")
        elif x.charset != y.charset and not stands:
            out.append(f"column {x.name}: charset {x.charset} and {y.charset}")
    ka, kb = a.keys(schema, table), b.keys(schema, table)
    for name in sorted(ka.keys() | kb.keys()):
        if ka.get(name) != kb.get(name):
            out.append(f"key {name}: {ka.get(name)} and {kb.get(name)}")
    fa, fb = a.foreign_keys(schema, table), b.foreign_keys(schema, table)
    if fa != fb:
        out.append(f"foreign keys: {fa} and {fb}")
    return out, ca, cb


def exact_double(text):
    return text if text is None else struct.pack(">d", float(text)).hex()


def exact_but_zero(text):
    return text if text is None else exact_double(float(text) + 0.0)


def json_value(text):
    if text is None:
        return None
    if isinstance(text, bytes):
        text = text.decode("utf8")
    # a number is its value: 1.0 and 1.00 are one, 1 and 1.0 are not
    return json.dumps(json.loads(text, parse_float=lambda x: {"float": exact_double(x)}), sort_keys=True, ensure_ascii=True)


def lower(text):
    return text if text is None else text.lower()


def value_expression(col, other, mariadb=False):
    """(SQL that shows col exactly, what to do with it here); other is the same column on the other side; mariadb: on either side."""
    q, kinds = quote(col.name), {col.kind, other.kind}
    if "json" in kinds and col.kind != other.kind:
        return f"CONVERT({q} USING utf8mb4)" if col.kind != "json" else f"CAST({q} AS CHAR)", json_value
    if kinds & NETS:
        if other.kind in BINARIES:
            return f"HEX(CAST({q} AS BINARY({4 if col.kind == 'inet4' else 16})))", None
        if col.kind in BINARIES:
            return f"HEX({q})", None
        return f"CAST({q} AS CHAR)", lower
    if col.kind in ("float", "double"):
        return f"{q}*1e0", exact_but_zero if mariadb else exact_double
    if col.kind in ("enum", "set"):
        member = q if col.charset == other.charset else f"CONVERT({q} USING utf8mb4)"
        return f"CONCAT(CAST({q} AS UNSIGNED), ':', HEX({member}))", None
    if col.kind == "bit":
        return f"CAST({q}+0 AS CHAR)", None
    if col.kind in TEXTS:
        return (f"HEX({q})" if col.charset == other.charset else f"HEX(CONVERT({q} USING utf8mb4))"), None
    if col.kind in BINARIES | SHAPES | {"vector"}:
        return f"HEX({q})", None
    return f"CAST({q} AS CHAR)", None  # integers, DECIMAL, times, JSON on both sides


class Table:
    """How to read one table on both sides in the same form."""

    def __init__(self, a, b, schema, name, ca, cb):
        self.a, self.b = a, b
        self.names = [".".join(map(quote, s.at(schema, name))) for s in (a, b)]
        self.columns = [c.name for c in ca]
        mariadb = a.mariadb or b.mariadb
        pairs = [(value_expression(x, y, mariadb), value_expression(y, x, mariadb)) for x, y in zip(ca, cb)]
        self.sql = [", ".join(p[side][0] for p in pairs) for side in (0, 1)]
        self.change = [[p[side][1] for p in pairs] for side in (0, 1)]
        self.key_name, self.key = self._pick_key(a.keys(schema, name), {c.name: i for i, c in enumerate(ca)}, ca)
        self.streamed = bool(self.key) and all(ca[i].kind in INTS - {"year"} and ca[i].kind == cb[i].kind for i in self.key)

    @staticmethod
    def _pick_key(keys, index, columns):
        for name in sorted(keys, key=lambda n: (n != "PRIMARY", n)):
            unique, kind, cols = keys[name]
            if unique and kind == "BTREE" and all(c in index and columns[index[c]].nullable == "NO" for c in cols):
                return name, [index[c] for c in cols]
        return None, []

    def rows(self, side):
        sql = f"SELECT {self.sql[side]} FROM {self.names[side]}"
        if self.streamed:
            order = ", ".join(quote(self.columns[i]) for i in self.key)
            sql += f" FORCE INDEX ({quote(self.key_name)}) ORDER BY {order}"
        change = [(i, f) for i, f in enumerate(self.change[side]) if f]
        for row in (self.a, self.b)[side].stream(sql):
            if change:
                row = list(row)
                for i, f in change:
                    row[i] = f(row[i])
            yield tuple(row)

    def key_of(self, row):
        return tuple(row[i] if not self.streamed else int(row[i]) for i in self.key)

    def show_key(self, row):
        return ", ".join(f"{self.columns[i]}={shorten(row[i])}" for i in self.key)

    def show_row(self, row):
        return "(" + ", ".join(f"{n}={shorten(v)}" for n, v in list(zip(self.columns, row))[:8]) + (", …)" if len(row) > 8 else ")")

    def show_change(self, x, y):
        cells = [f"{n}: {around(u, v)}" for n, u, v in zip(self.columns, x, y) if u != v]
        return f"row {self.show_key(x)}: " + "; ".join(cells[:4])


def shorten(v, limit=60):
    v = "NULL" if v is None else v.decode("latin1") if isinstance(v, bytes) else str(v)
    return v if len(v) <= limit else f"{v[:limit]}…({len(v)})"


def around(u, v):
    """The two values where they begin to differ."""
    if u is None or v is None or max(len(u), len(v)) <= 60:
        return f"{shorten(u)} and {shorten(v)}"
    at = next((i for i, (p, q) in enumerate(zip(u, v)) if p != q), min(len(u), len(v)))
    at = max(0, at - 8)
    return f"from character {at}: {shorten(u[at:])} and {shorten(v[at:])} (lengths {len(u)}, {len(v)})"


class Findings:
    """Counts of a table's differences, and the first few of each kind."""

    def __init__(self):
        self.missing, self.surplus, self.changed, self.first = 0, 0, 0, []

    def add(self, what, text):
        setattr(self, what, getattr(self, what) + 1)
        if getattr(self, what) <= SHOWN:
            self.first.append(text)

    def lines(self):
        if not (self.missing or self.surplus or self.changed):
            return []
        return [f"rows: {self.missing} missing, {self.surplus} surplus, {self.changed} different"] + self.first


def compare_streams(t, found):
    ia, ib, n = t.rows(0), t.rows(1), 0
    x, y = next(ia, None), next(ib, None)
    while x is not None or y is not None:
        kx, ky = x and t.key_of(x), y and t.key_of(y)
        if y is None or (x is not None and kx < ky):
            found.add("missing", "missing: " + t.show_row(x))
            x, n = next(ia, None), n + 1
        elif x is None or ky < kx:
            found.add("surplus", "surplus: " + t.show_row(y))
            y = next(ib, None)
        else:
            if x != y:
                found.add("changed", t.show_change(x, y))
            x, y, n = next(ia, None), next(ib, None), n + 1
    return n


def digest(row):
    h = hashlib.blake2b(digest_size=16)
    for v in row:
        v = b"" if v is None else v if isinstance(v, bytes) else v.encode()
        h.update(len(v).to_bytes(4, "big"))
        h.update(v)
    h.update(bytes(v is None for v in row))
    return h.digest()


def compare_sets(t, found):
    a, b = (Counter(digest(r) for r in t.rows(side)) for side in (0, 1))
    n = sum(a.values())
    if a == b:
        return n
    only = [a - b, b - a]
    rows = [[], []]
    for side in (0, 1):  # read again for what there is to show
        left = Counter(only[side])
        for r in t.rows(side):
            d = digest(r)
            if left[d] > 0:
                left[d] -= 1
                rows[side].append(r)
    partner = {t.key_of(r): r for r in rows[1]} if t.key else {}
    for r in rows[0]:
        other = partner.pop(t.key_of(r), None) if t.key else None
        if other is not None:
            found.add("changed", t.show_change(r, other))
        else:
            found.add("missing", "missing: " + t.show_row(r))
    for r in partner.values() if t.key else rows[1]:
        found.add("surplus", "surplus: " + t.show_row(r))
    return n


class Result:
    def __init__(self):
        self.differences, self.tables, self.rows = [], 0, 0

    def __bool__(self):
        return not self.differences

    def __str__(self):
        head = f"{self.tables} tables, {self.rows} rows compared: "
        return head + ("equal" if self else f"{len(self.differences)} differences\n  " + "\n  ".join(self.differences[:60]))


def compare_table(a, b, schema, name, kind, result):
    lines, ca, cb = structure_differences(a, b, schema, name, a.mariadb == b.mariadb)
    if kind == "view":
        lines = [s for s in lines if not s.startswith(("key", "foreign"))]
    found = Findings()
    if [c.name for c in ca] == [c.name for c in cb]:
        t = Table(a, b, schema, name, ca, cb)
        try:
            result.rows += compare_streams(t, found) if t.streamed else compare_sets(t, found)
        except (pymysql.MySQLError, ValueError) as e:
            lines.append(f"can't be compared: {e}")
    result.tables += 1
    result.differences += [f"{schema}.{name}: {s}" for s in lines + found.lines()]


def compare(source, target, schemas, wanted=lambda schema, table: True, but=(), names=None):
    """source, target: what pymysql.connect takes. wanted tells which tables are meant; only those may be in the target's schemas.
    names: ("app", "t") -> ("shop", "x"), what the target calls them, where that is something else; then the map is of all tables.
    but: how lines begin that may be there ("zoo.t: key k"): what the target's family can't hold at all."""
    a, b = Side(**source), Renamed(names, **target) if names else Side(**target)
    result = Result()
    try:
        for schema in schemas:
            ta, tb = ({n: k for n, k in s.tables(schema).items()} for s in (a, b))
            ta = {n: k for n, k in ta.items() if wanted(schema, n)}
            for name in sorted(ta.keys() | tb.keys()):
                if ta.get(name) != tb.get(name):
                    result.differences.append(f"{schema}.{name}: {ta.get(name, 'nothing')} and {tb.get(name, 'nothing')}")
                else:
                    compare_table(a, b, schema, name, ta[name], result)
    finally:
        a.close()
        b.close()
    result.differences = [d for d in result.differences if not d.startswith(tuple(but))]
    return result


def main():
    p = argparse.ArgumentParser(description="compares schemas of two servers; exit 0 equal, 1 different")
    p.add_argument("--from", dest="source", required=True, metavar="URL")
    p.add_argument("--to", dest="target", required=True, metavar="URL")
    p.add_argument("schemas", nargs="+")
    args = p.parse_args()

    def where(url):
        u = urlsplit(url)
        return dict(host=u.hostname, port=u.port or 3306, user=unquote(u.username or "root"), password=unquote(u.password or ""))

    result = compare(where(args.source), where(args.target), args.schemas)
    print(result)
    return 0 if result else 1


if __name__ == "__main__":
    sys.exit(main())
