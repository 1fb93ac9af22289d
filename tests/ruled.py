"""What a task with rules must leave in the target, worked out from the rules' documentation alone: an upstream and a downstream as dictionaries, and
each statement done to both. For the random runs of c09; it shares no code with Tidegate."""
import re

INCOMPATIBLE = {"drop database", "drop schema", "drop table", "drop index", "rename table", "truncate table", "value range decrease", "rename column", "rename index", "drop column",
                "modify default value", "modify constraint", "modify columns order"}
ONLINE = "_.+_(new|gho|ghc|del|old)"  # what gh-ost and pt-osc make
DML = ("insert", "update", "delete")


class Stops(Exception):
    """The documentation says that the task stops or refuses this, or this model does not know: such a statement is not made."""


# --- names

def wildcards(pattern):
    """DM's ? [a-z] [!a] * as a regular expression for the whole name."""
    out, i = "", 0
    while i < len(pattern):
        c = pattern[i]
        if c == "[":
            end = pattern.index("]", i)
            inside = pattern[i + 1:end]
            if inside == "!":
                out += "!"
            elif inside[0] == "!":
                out += "[^" + inner(inside[1:]) + "]"
            else:
                out += "[" + inner(inside) + "]"
            i = end
        elif c == "*" and i == len(pattern) - 1:
            out += ".*"
        elif c == "?":
            out += "."
        else:
            out += re.escape(c)
        i += 1
    return out


def inner(text):
    if len(text) == 3 and text[1] == "-":
        return re.escape(text[0]) + "-" + re.escape(text[2])
    return "".join(re.escape(c) for c in text)


def fits(pattern, name, cs):
    flags = re.DOTALL | (0 if cs else re.IGNORECASE)
    if pattern.startswith("~"):
        return re.search(pattern[1:], name, 0 if cs else re.IGNORECASE) is not None
    return re.fullmatch(wildcards(pattern), name, flags) is not None


def target(text, pattern, name, cs):
    if not text:
        return name
    if not pattern or not pattern.startswith("~"):
        return text
    m = re.search(pattern[1:], name, 0 if cs else re.IGNORECASE)
    return re.sub(r"\$(?:\{(\d)\}|(\d)|(\$))", lambda g: "$" if g[3] else m[int(g[1] or g[2])] or "", text)


class Rules:
    def __init__(self, case_sensitive, allow, routes, filters, expressions):
        self.cs, self.allow, self.routes, self.filters, self.expressions = case_sensitive, allow, routes, filters, expressions

    def schema(self, s):
        if self.allow.get("do-dbs"):
            return any(fits(p, s, self.cs) for p in self.allow["do-dbs"])
        return not any(fits(p, s, self.cs) for p in self.allow.get("ignore-dbs", ()))

    def listed(self, key, s, t):
        return any(fits(x["db-name"], s, self.cs) and (not x.get("tbl-name") or fits(x["tbl-name"], t, self.cs)) for x in self.allow.get(key, ()))

    def wanted(self, s, t):
        if not self.schema(s) or re.fullmatch(ONLINE, t):
            return False
        if self.listed("do-tables", s, t):
            return True
        return not self.listed("ignore-tables", s, t) and not self.allow.get("do-tables")

    def route(self, s, t=None):
        """The rule that counts."""
        of_tables = [r for r in self.routes.values() if r.get("table-pattern") and t is not None and fits(r["schema-pattern"], s, self.cs) and fits(r["table-pattern"], t, self.cs)]
        of_schemas = [r for r in self.routes.values() if not r.get("table-pattern") and fits(r["schema-pattern"], s, self.cs)]
        found = of_tables or of_schemas
        if len(found) > 1:
            raise Stops(f"{s}.{t} has two routes")
        return found[0] if found else None

    def place(self, s, t):
        r = self.route(s, t)
        if not r:
            return s, t
        return target(r["target-schema"], r["schema-pattern"], s, self.cs), target(r.get("target-table", ""), r.get("table-pattern", ""), t, self.cs)

    def schema_place(self, s):
        r = self.route(s)
        return target(r["target-schema"], r["schema-pattern"], s, self.cs) if r else s

    def extracted(self, s, t, source):
        """{column: value}"""
        r, out = self.route(s, t), {}
        for kind, name in (("table", t), ("schema", s), ("source", source)):
            x = (r or {}).get(f"extract-{kind}")
            if x:
                m = re.search(x[f"{kind}-regexp"], name)
                out[x["target-column"]] = "".join(g or "" for g in m.groups()) if m else ""
        return out

    # --- events

    @staticmethod
    def named(events, names):
        """Whether a list of events has one of these names of one event, the widest last."""
        dml = names[-1] in DML
        for e in map(str.lower, events):
            if e == "all" or e == ("all dml" if dml else "all ddl"):
                return True
            if e == "none" or e == ("none dml" if dml else "none ddl"):
                return False
            if e in ("incompatible ddl", "incompatible ddl changes") and names[-1] in INCOMPATIBLE:
                return True
            if e in names:
                return True
        return False

    def verdict(self, s, t, names, statement=None):
        for f in self.filters:
            if f.get("schema-pattern") and not fits(f["schema-pattern"], s, self.cs) or f.get("table-pattern") and not fits(f["table-pattern"], t, self.cs):
                continue
            meant = self.named(f.get("events", ()), names)
            if meant and f["action"] != "Do":
                return f["action"]
            if not meant and f["action"] == "Do":
                return "Ignore"
            if statement and f.get("sql-pattern"):
                found = any(re.search(p, statement, re.IGNORECASE) for p in f["sql-pattern"])
                if found and f["action"] != "Do":
                    return f["action"]
                if not found and f["action"] == "Do":
                    return "Ignore"
        return "Do"

    def judges(self, x, s, t):
        return (x["schema"], x["table"]) == (s, t) if self.cs else (x["schema"].lower(), x["table"].lower()) == (s.lower(), t.lower())

    def across(self, s, t, kind, old, new):
        """What is left of a change where filters say which rows stay out; None: nothing."""
        out = lambda row: any(EXPRESSIONS[x["insert-value-expr"]](row) is True for x in self.expressions if "update-across" in x and self.judges(x, s, t))  # noqa: E731
        old, new = None if old is None or out(old) else old, None if new is None or out(new) else new
        return ("update" if old and new else "insert" if new else "delete" if old else None), old, new

    def left_out(self, s, t, kind, old, new):
        """By expression-filter."""
        for x in self.expressions:
            if not self.judges(x, s, t) or "update-across" in x:
                continue
            out = lambda key, row: EXPRESSIONS[x[key]](row) is True  # noqa: E731
            if kind == "insert" and "insert-value-expr" in x and out("insert-value-expr", new) or kind == "delete" and "delete-value-expr" in x and out("delete-value-expr", old):
                return True
            if kind == "update" and any(k.startswith("update-") for k in x):
                if all(out(k, r) for k, r in (("update-old-value-expr", old), ("update-new-value-expr", new)) if k in x):
                    return True
        return False


def unknown(f):
    """NULL in, NULL out."""
    return lambda r: None if r["n"] is None else f(r)


EXPRESSIONS = {
    "n > 5": unknown(lambda r: r["n"] > 5), "n % 3 = 1": unknown(lambda r: r["n"] % 3 == 1), "n IS NULL": lambda r: r["n"] is None, "id % 2 = 0": lambda r: r["id"] % 2 == 0,
    "v = 'keep'": lambda r: r["v"] == "keep", "n < 3 AND id % 2 = 1": lambda r: False if r["id"] % 2 == 0 else None if r["n"] is None else r["n"] < 3,
    "NOT (n BETWEEN 2 AND 7)": unknown(lambda r: not 2 <= r["n"] <= 7), "n IN (1, 4, NULL)": lambda r: True if r["n"] in (1, 4) else None, "TRUE": lambda r: True,
}


# --- both sides

class Table:
    def __init__(self, columns, keyed=True, rows=None, indexes=(), types=None):
        self.columns, self.keyed, self.rows, self.indexes = dict(columns), keyed, rows or {}, set(indexes)  # columns: name: default; rows: by id
        self.types = dict(types or {})  # of columns that were added


SHAPE = {"id": None, "n": None, "v": None}


class World:
    def __init__(self, rules, source="one"):
        self.rules, self.source = rules, source
        self.up, self.down, self.up_dbs, self.down_dbs = {}, {}, set(), set()
        self.changed = False  # other rules than it began with

    def wanted(self, name):
        return self.rules.wanted(*name)

    def sharing(self, name):
        """All wanted tables of the upstream with this one's target; in a task with routes names that differ in case only count as one."""
        to, same = self.rules.place(*name), (lambda n: tuple(x.lower() for x in n)) if self.rules.routes else tuple
        return [n for n in self.up if self.wanted(n) and same(self.rules.place(*n)) == same(to)]

    def copy(self):
        for name, t in self.up.items():
            if not self.wanted(name):
                continue
            to, more = self.rules.place(*name), self.rules.extracted(*name, self.source)
            d = self.down.setdefault(to, Table({**t.columns, **dict.fromkeys(more)}, t.keyed, {}, t.indexes))
            for k, row in t.rows.items():
                d.rows[k] = {**row, **more}
            self.down_dbs.add(to[0])

    # --- rows; each returns nothing, and raises Stops before anything is changed

    def behind(self, name):
        """The table downstream that takes this one's rows; None: nobody wants them."""
        if not self.wanted(name) or all(self.rules.verdict(*name, (k,)) == "Ignore" for k in DML):
            return None
        d, up = self.down.get(self.rules.place(*name)), self.up[name]
        if not d or any(c not in d.columns for c in up.columns) or d.keyed != up.keyed:
            raise Stops("nothing takes the rows")
        return d

    def passes(self, name, kind, old, new):
        v = self.rules.verdict(*name, (kind,))
        if v == "Error":
            raise Stops("a rule stops")
        return v == "Do" and not self.rules.left_out(*name, kind, old, new)

    def find(self, d, up, old):
        """The row downstream that an image before names."""
        row = d.rows.get(old["id"])
        return row if row and (up.keyed or all(row[c] == old[c] for c in up.columns)) else None

    def row(self, name, old, new):
        """An INSERT (old None), UPDATE or DELETE (new None) upstream, and what comes of it."""
        d, up = self.behind(name), self.up[name]
        if d and old != new:
            kind, a, b = self.rules.across(*name, "", old, new)
            if kind and self.passes(name, kind, a, b):
                self.apply(d, up, a, b, self.rules.extracted(*name, self.source))
        if old:
            up.rows.pop(old["id"])
        if new:
            up.rows[new["id"]] = dict(new)

    def apply(self, d, up, old, new, more):
        was = self.find(d, up, old) if old else None
        if old and not was:
            return  # missing, and counted
        if new and new["id"] in d.rows and not (old and old["id"] == new["id"]):
            raise Stops("duplicate")
        if old:
            d.rows.pop(old["id"])
        if new:
            d.rows[new["id"]] = {**(was or d.columns), **new, **more}

    # --- statements

    def done(self, name, names, statement):
        """Whether an event of a statement reaches the downstream."""
        if not self.wanted(name):
            return False
        v = self.rules.verdict(*name, names, statement)
        if v == "Error":
            raise Stops("a rule stops")
        return v == "Do"

    def alone(self, name):
        """The table downstream, which must be this one's alone."""
        if self.wanted(name) and (len(self.sharing(name)) > 1 or self.rules.extracted(*name, self.source)):
            raise Stops("merged")
        return self.down.get(self.rules.place(*name))

    def alter(self, name, parts, statement):
        """parts: (names of the event, what it does to a table or raises Stops)."""
        d, up = self.alone(name), self.up[name]
        extra = ("multi schema change",) if len(parts) > 1 else ()
        doing = [do for names, do in parts if self.done(name, extra + names, statement)]
        trial = Table(up.columns, up.keyed, {}, up.indexes, up.types)
        for _, do in parts:
            do(trial)
        if doing:
            if not d:
                raise Stops("no such table")
            copies = Table(d.columns, d.keyed, {k: dict(r) for k, r in d.rows.items()}, d.indexes, d.types)
            for do in doing:
                do(copies)
            d.columns, d.rows, d.indexes, d.types = copies.columns, copies.rows, copies.indexes, copies.types
        for _, do in parts:
            do(up)

    def create(self, name, table, statement):
        if self.wanted(name):
            self.up[name] = table
            try:
                merged = len(self.sharing(name)) > 1
            finally:
                del self.up[name]
            if merged or self.rules.extracted(*name, self.source):
                raise Stops("merged")
        if self.done(name, ("create table",), statement):
            to = self.rules.place(*name)
            if to[0] not in self.down_dbs or any(tuple(map(str.lower, to)) == tuple(map(str.lower, x)) for x in self.down):
                raise Stops("no room for it")
            self.down[to] = Table(table.columns, table.keyed, {}, table.indexes)
        self.up[name] = table

    def drop(self, names, statement):
        goes = []
        for name in names:
            self.alone(name)
            if self.done(name, ("drop table",), statement):
                goes.append(self.rules.place(*name))
        if any(to not in self.down for to in goes):
            raise Stops("nothing to drop")
        for to in goes:
            del self.down[to]
        for name in names:
            del self.up[name]

    def truncate(self, name, statement):
        d = self.alone(name)
        if self.done(name, ("truncate table",), statement):
            if not d:
                raise Stops("nothing to truncate")
            d.rows.clear()
        self.up[name].rows.clear()

    def rename(self, pairs, statement):
        moves = []
        for old, new in pairs:
            if self.wanted(old) != self.wanted(new):
                raise Stops("it changes sides")
            if not self.wanted(old):
                continue
            self.alone(old)
            verdicts = {self.rules.verdict(*x, ("rename table",), statement) for x in (old, new)}
            if "Error" in verdicts:
                raise Stops("a rule stops")
            self.up[new] = self.up[old]
            try:
                merged = len([n for n in self.sharing(new) if n != old]) > 1 or self.rules.extracted(*new, self.source)
            finally:
                del self.up[new]
            if merged:
                raise Stops("merged")
            if verdicts == {"Do"}:
                a, b = self.rules.place(*old), self.rules.place(*new)
                if a not in self.down or any(tuple(map(str.lower, b)) == tuple(map(str.lower, x)) for x in self.down) or b[0] not in self.down_dbs:
                    raise Stops("no place")
                moves.append((a, b))
            elif self.rules.place(*new) in self.down:
                raise Stops("rows would go to another's")
        if len({b for _, b in moves}) < len(moves):
            raise Stops("two to one place")
        for a, b in moves:
            self.down[b] = self.down.pop(a)
        for old, new in pairs:
            self.up[new] = self.up.pop(old)

    def database_event(self, s, names, statement):
        if not self.rules.schema(s):
            return False
        v = self.rules.verdict(s, "", names, statement)
        if v == "Error":
            raise Stops("a rule stops")
        return v == "Do"

    def create_database(self, s, statement):
        if self.database_event(s, ("create database", "create schema"), statement):
            to = self.rules.schema_place(s)
            if to.lower() in {x.lower() for x in self.down_dbs}:
                raise Stops("it is there")
            self.down_dbs.add(to)
        self.up_dbs.add(s)

    def drop_database(self, s, statement):
        if self.database_event(s, ("drop database", "drop schema"), statement):
            if self.rules.routes and self.changed:
                raise Stops("a table without a row since then is not known to be one of it")
            to = self.rules.schema_place(s)
            mine = [n for n in self.up if n[0] == s and self.wanted(n)]
            for n in mine:
                self.alone(n)
            if to not in self.down_dbs or {x for x in self.down if x[0] == to} != {self.rules.place(*n) for n in mine} or any(self.rules.place(*n)[0] != to for n in mine):
                raise Stops("others are in it")
            others = [n for n in self.up if n[0] != s and self.wanted(n) and self.rules.place(*n)[0] == to]
            if others:
                raise Stops("others are in it")
            self.down_dbs.discard(to)
            self.down = {x: t for x, t in self.down.items() if x[0] != to}
        self.up = {n: t for n, t in self.up.items() if n[0] != s}
        self.up_dbs.discard(s)
