"""Rules of all kinds together, drawn at random: lists, routes, event filters, expressions over rows. Copy, DDL and rows behind it, kills and restarts, rules that change in between;
the target must be what the rules' documentation says (tests/ruled.py). --seeds N: how many; --first-seed: where they begin: a failed run names its seed."""
import json
import random
import re

import procs
from failpoints import names
from ruled import EXPRESSIONS, SHAPE, Rules, Stops, Table, World, fits
from servers import PASSWORD, USER, quote
from tidegate import INTERRUPTED
from words import ask, wait_stage

TASK = """name: run
task-mode: {mode}
case-sensitive: {cs}
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: one, block-allow-list: ours, route-rules: {route_rules}, filter-rules: {filter_rules}, expression-filters: {expression_filters}, syncer-config-name: s{meta}}}]
block-allow-list: {{ours: {allow}}}
routes: {routes}
filters: {filters}
expression-filter: {expressions}
syncers: {{s: {{missing-row: count, worker-count: {workers}}}}}
"""
SOURCE = "source-id: one\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: '{password}'}}\n"
SCHEMAS = ["app", "App_2", "s_1", "s_2", "odd.db", "we`ird", "q'uote", "Über", "APP"]
TABLES = ["t_1", "t_2", "T_3", "a.b", "c`d", "e'f", 'g"h', "über", "k[1]", "Order", "x*", "q?", "p$1", "z%", "$1", "~t", "sp ace", "-- c", "select", "back\\slash", "T_1", "_t_1_new", "_x_old"]
PLACES = [n for n in names() if n.startswith("sync_")]
PAIRS = [("my97", "my97"), ("my97", "ma1011"), ("ma1011", "my97"), ("ma1011", "ma1011")]
ROW_EVENTS = ["insert", "update", "delete", "all dml", "none", "none dml", "all"]
DDL_EVENTS = ["create table", "drop table", "truncate table", "rename table", "add column", "alter table", "drop column", "rename column", "modify constraint", "create index", "drop index",
              "rename index", "set default value", "modify default value", "modify table comment", "value range decrease", "multi schema change", "incompatible ddl", "incompatible ddl changes",
              "all ddl", "none ddl", "create database", "drop schema", "modify columns order", "create schema", "drop database"]
SQL = ["^drop\\s", "add column", "c\\d+ int", "rename", "^create table", "`t_1`", "^ALTER TABLE .*`(a\\.b|über)`", "index|key", "(?i)TRUNCATE", "nothing such"]


class Draw:
    """Random rules about random names."""

    def __init__(self, rnd):
        self.rnd = rnd
        self.schemas = rnd.sample(SCHEMAS, rnd.randint(2, 4))
        self.tables = {s: rnd.sample([t for t in TABLES if t != "_t_1_new"], rnd.randint(2, 5)) for s in self.schemas}

    def pattern(self, names, regex=True):
        """Mostly one that fits some of these."""
        for _ in range(20):
            p = self.one_pattern(names, regex)
            if any(fits(p, n, False) for n in names) or self.rnd.random() < 0.1:
                break
        return p

    def one_pattern(self, names, regex):
        r, name = self.rnd, self.rnd.choice(names)
        kind = r.choice(["exact", "prefix", "any", "one", "range", "not", "all", "none", "case"] + ["regex"] * 3 * regex)
        i = r.randrange(len(name))
        keep = lambda t: "".join(f"[{c}]" if c in "*?[~!" else c for c in t)  # noqa: E731
        if kind == "regex":
            return "~" + r.choice(["^" + re.escape(name[:2]).replace("\\ ", " "), "_(\\d)$", "^(.)_(.*)$", "[A-Z]", "^[^a-z]", "^(.*)$", "[\"'`]", "(ü|Ü)ber", "^$", "\\.", "e.$", "(?i)^T"])
        if kind == "none":
            return "nope_*"
        if kind == "all":
            return "*"
        if kind == "prefix":
            return keep(name[:max(1, i)]) + "*"
        if kind == "one":
            return keep(name[:i]) + "?" + keep(name[i + 1:])
        if kind == "range":
            return keep(name[:i]) + r.choice(["[a-z]", "[0-9]", "[A-Z]", "[ü]"]) + keep(name[i + 1:])
        if kind == "not":
            return keep(name[:i]) + r.choice(["[!a]", "[!0-4]", "[!x-z]"]) + keep(name[i + 1:])
        if kind == "case":
            return keep(r.choice([name.upper(), name.lower(), name.swapcase()]))
        return keep(name)

    def any_table(self):
        return [t for s in self.schemas for t in self.tables[s]]

    def allow(self):
        r, out = self.rnd, {}
        entry = lambda: {"db-name": self.pattern(self.schemas), "tbl-name": self.pattern(self.any_table()) if r.random() < 0.85 else "*"}  # noqa: E731
        if r.random() < 0.6:
            out["do-dbs"] = [keep_case(r, s) for s in self.schemas if r.random() < 0.8] + [self.pattern(self.schemas)]
        elif r.random() < 0.7:
            out["ignore-dbs"] = [self.pattern(self.schemas)]
        if r.random() < 0.35:
            out["do-tables"] = [entry() for _ in range(r.randint(1, 4))] + [{"db-name": r.choice(self.schemas[:1]).replace("*", "?"), "tbl-name": "*"}]
        if r.random() < 0.5:
            out["ignore-tables"] = [entry() for _ in range(r.randint(1, 2))]
        return out

    def routes(self):
        r, out = self.rnd, {}
        for i in range(r.choice([0, 1, 2, 3])):
            s = self.pattern(self.schemas)
            groups = lambda p: re.compile(p[1:]).groups if p.startswith("~") else 0  # noqa: E731
            to = r.choice(["tgt", "Tgt2", "od.d", "app", "bq`"])
            to = r.choice([f"{to}_$1", f"{to}${{1}}x", "$1$1$$1"]) if groups(s) and r.random() < 0.7 else to
            rule = {"schema-pattern": s, "target-schema": to}
            if r.random() < 0.65:
                t = rule["table-pattern"] = self.pattern(self.any_table())
                g = groups(t)
                name = r.choice(["one", "T wo", "th`ree", "p.q", ""])
                name = r.choice([f"{name}_$1", "${1}_", f"{name}$2$1" if g > 1 else f"{name}.$1"]) if g and r.random() < 0.8 else name
                if name:
                    rule["target-table"] = name
                if r.random() < 0.25:
                    rule["extract-table"] = {"table-regexp": r.choice(["^(.)(.*)$", "_(\\d)", "([a-z]+).*?(\\d?)$"]), "target-column": "of_table"}
                if r.random() < 0.2:
                    rule["extract-schema"] = {"schema-regexp": r.choice(["^(.*)$", "s_(.)"]), "target-column": "of_schema"}
                if r.random() < 0.1:
                    rule["extract-source"] = {"source-regexp": "^(.)", "target-column": "of_source"}
            out[f"r{i}"] = rule
        return out

    def filters(self):
        r, out = self.rnd, []
        for _ in range(r.choice([0, 1, 2, 3, 4])):
            f = {**({"schema-pattern": self.pattern(self.schemas)} if r.random() < 0.9 else {}), "action": r.choice(["Ignore", "Ignore", "Ignore", "Do"])}
            if r.random() < 0.8:
                f["table-pattern"] = self.pattern(self.any_table())
            events = r.sample(DDL_EVENTS, r.randint(1, 5)) + (r.sample(ROW_EVENTS, r.randint(1, 2)) if r.random() < 0.5 else [])
            r.shuffle(events)
            if f["action"] == "Do":
                events = events + ["all dml"] * (r.random() < 0.7) + ["all ddl"] * (r.random() < 0.7)
            f["events"] = [e.upper() if r.random() < 0.1 else e for e in events]
            if r.random() < 0.3:
                f["sql-pattern"] = r.sample(SQL, r.randint(1, 2))
                if r.random() < 0.5 and f["action"] == "Ignore":
                    f["events"] = []
            out.append(f)
        return out

    def expressions(self, across):
        r, out = self.rnd, []
        for _ in range(r.choice([0, 4, 8, 12])):
            s = r.choice(self.schemas)
            x = {"schema": keep_case(r, s), "table": keep_case(r, r.choice(self.tables[s]))}
            e = lambda: r.choice(sorted(EXPRESSIONS))  # noqa: E731
            x.update({"insert-value-expr": e(), "update-across": True} if across and r.random() < 0.7 else r.choice([{"insert-value-expr": e()}, {"delete-value-expr": e()}, {"update-new-value-expr": e()}, {"update-old-value-expr": e()},
                               {"update-old-value-expr": e(), "update-new-value-expr": e()}]))
            out.append(x)
        return out


def keep_case(rnd, name):
    return rnd.choice([name, name, name.upper()])


def text(name):
    return ".".join(quote(x) for x in name)


def value(v):
    return "NULL" if v is None else str(v) if isinstance(v, int) else "'" + v.replace("'", "''") + "'"


class Run:
    def __init__(self, pair, job, seed):
        self.pair, self.seed, self.rnd, self.meta = pair, seed, random.Random(seed), ""
        self.next, self.columns, self.said = 1, 0, []
        self.mode = self.rnd.choice(["all", "all", "incremental"])
        need = self.rnd.sample(["moved", "merged", "extracted", "rows", "ddl", "judged"], 2)
        for _ in range(20000):
            self.draw = Draw(self.rnd)
            if self.try_rules(need):
                break
        self.job = job(source_url="-", target_url="-")
        self.job.source_url = self.job.target_url = None
        self.task, self.source = self.job.folder / "task.yaml", self.job.folder / "source.yaml"
        self.source.write_text(SOURCE.format(port=pair.source.port, user=USER, password=PASSWORD))

    # --- rules

    def try_rules(self, need):
        """Rules under which the task may start by what is documented, and that do something."""
        r, d = self.rnd, self.draw
        rules = Rules(r.random() < 0.4, d.allow(), d.routes(), d.filters(), d.expressions(self.mode == "incremental"))
        w = World(rules)
        for s in d.schemas:
            w.up_dbs.add(s)
            for t in d.tables[s]:
                w.up[s, t] = Table(SHAPE, r.random() < 0.9)
        try:
            ours = [n for n in w.up if w.wanted(n)]
            has = {"moved": lambda n: rules.place(*n) != n, "merged": lambda n: len(w.sharing(n)) > 1, "extracted": lambda n: rules.extracted(*n, "x"),
                   "rows": lambda n: any(rules.verdict(*n, (k,)) == "Ignore" for k in ROW_EVENTS[:3]), "ddl": lambda n: any(rules.verdict(*n, (k,)) == "Ignore" for k in DDL_EVENTS[:12]),
                   "judged": lambda n: any(rules.judges(x, *n) for x in rules.expressions)}
            if len(ours) < 3 or not all(any(map(has[k], ours)) for k in need) or not self.may_start(w):
                return False
        except Stops:
            return False
        self.world = w
        return True

    @staticmethod
    def may_start(w):
        rules = w.rules
        for n in w.up:
            if not w.wanted(n):
                continue
            to = rules.place(*n)
            group = w.sharing(n)
            if len({rules.place(*g) for g in group}) > 1 or len({w.up[g].keyed for g in group}) > 1 or len({tuple(rules.extracted(*g, "x")) for g in group}) > 1:
                return False
            if to[1] != to[1].strip() or to[0] != to[0].strip() or len(to[0]) > 60 or len(to[1]) > 60:
                return False
            judged = any((x["schema"].lower(), x["table"].lower()) == (n[0].lower(), n[1].lower()) for x in rules.expressions)
            if (len(group) > 1 or rules.extracted(*n, "x")) and (judged or any(rules.verdict(*n, (k,)) == "Ignore" for k in ("insert", "update", "delete"))):
                return False
        for s in w.up_dbs:
            if rules.schema(s):
                rules.schema_place(s)
        dbs = {rules.place(*n)[0] for n in w.up if w.wanted(n)}
        return len({x.lower() for x in dbs}) == len(dbs)

    def write_task(self):
        u = self.world.rules
        named = lambda xs, p: {f"{p}{i}": x for i, x in enumerate(xs)}  # noqa: E731
        filters, expressions = named(u.filters, "f"), named(u.expressions, "x")
        self.task.write_text(TASK.format(cs=str(u.cs).lower(), mode=self.mode, meta=self.meta, port=self.pair.target.port, user=USER, password=PASSWORD, route_rules=json.dumps(list(u.routes)), filter_rules=json.dumps(list(filters)),
                                         expression_filters=json.dumps(list(expressions)), allow=json.dumps(u.allow), routes=json.dumps(u.routes), filters=json.dumps(filters),
                                         expressions=json.dumps(expressions), workers=self.rnd.choice([1, 4, 16])))

    def change_rules(self):
        """A rule more that leaves something out; nothing that needs a copy."""
        r, u = self.rnd, self.world.rules
        for _ in range(50):
            new = Rules(u.cs, json.loads(json.dumps(u.allow)), u.routes, list(u.filters), list(u.expressions))
            if r.random() < 0.4:
                new.allow.setdefault("ignore-tables", []).append({"db-name": self.draw.pattern(self.draw.schemas), "tbl-name": self.draw.pattern(self.draw.any_table())})
            elif r.random() < 0.3 and len(new.allow.get("ignore-tables", ())) > 0:
                new.allow["ignore-tables"].pop()
            else:
                new.filters, new.expressions = self.draw.filters(), self.draw.expressions(self.mode == "incremental")
            self.world.rules = new
            try:
                if any(map(self.world.wanted, self.world.up)) and self.may_start(self.world) and all(self.judges(x) for x in new.expressions):
                    return True
            except Stops:
                pass
            self.world.rules = u
        return False

    def judges(self, x):
        return any((n[0].lower(), n[1].lower()) == (x["schema"].lower(), x["table"].lower()) for n in self.world.up)

    # --- statements

    def row(self, t):
        r = self.rnd
        row = {c: r.choice([None, r.randint(0, 9)]) if c not in ("id", "v") else r.choice(["keep", "a", "it's", "", None, "ü"]) for c in t.columns}
        row["id"], self.next = self.next, self.next + 1
        return row

    def some_row(self, name):
        return self.rnd.choice(sorted(self.world.up[name].rows)) if self.world.up[name].rows else None

    def rows_of(self, name):
        """One change of rows; its statement, or None."""
        r, w, t = self.rnd, self.world, self.world.up[name]
        kind, key = r.choice(["insert", "insert", "update", "update", "delete", "key"]), self.some_row(name)
        if kind == "insert" or key is None:
            row = self.row(t)
            w.row(name, None, row)
            return f"INSERT INTO {text(name)} ({', '.join(map(quote, row))}) VALUES ({', '.join(map(value, row.values()))})"
        if kind == "delete":
            w.row(name, t.rows[key], None)
            return f"DELETE FROM {text(name)} WHERE id={key}"
        new = self.row(t)
        change = {c: new[c] for c in (["id"] if kind == "key" else []) + r.sample([c for c in t.columns if c != "id"], 1)}
        w.row(name, t.rows[key], {**t.rows[key], **change})
        return f"UPDATE {text(name)} SET {', '.join(f'{quote(c)}={value(x)}' for c, x in change.items())} WHERE id={key}"

    def part(self, name):
        """One part of an ALTER TABLE: text, names of its event, what it does."""
        r, t = self.rnd, self.world.up[name]
        own = [c for c in t.columns if c.startswith("c")]
        kind = r.choice(["add", "add", "drop", "rename", "default", "key", "drop key", "comment", "narrow", "widen", "rename key", "order"])
        self.columns += 1
        c, new = (r.choice(own) if own else None), f"c{self.columns}"
        keys = sorted(t.indexes)
        k = r.choice(keys) if keys else None
        if kind == "add" or c is None and kind in ("drop", "rename", "default", "narrow", "widen", "order"):
            return self.added(new)
        if kind == "comment":
            return f"COMMENT = 'c {self.columns}'", ("modify table comment", "alter table"), lambda x: None
        if "key" in kind:
            return self.of_key(kind if k else "key", k, new.replace("c", "k"))
        if kind in ("drop", "rename", "default"):
            return self.of_column(kind, c, new)
        return self.modified(t, name, c, kind)

    def added(self, new):
        default = self.rnd.choice([None, self.columns])

        def add(x):
            x.columns[new], x.types[new] = default, "int"
            for row in x.rows.values():
                row[new] = default
        return f"ADD COLUMN {new} int DEFAULT {value(default)}", ("add column", "alter table"), add

    def of_key(self, kind, k, new):
        if kind == "key":
            return f"ADD KEY {new} (n)", ("modify constraint",), lambda x: x.indexes.add(new)
        if kind == "drop key":
            return f"DROP KEY {k}", ("drop index",), lambda x: self.must(k in x.indexes) and x.indexes.discard(k)

        def rename(x):
            self.must(k in x.indexes)
            x.indexes.discard(k)
            x.indexes.add(new)
        return f"RENAME INDEX {k} TO {new}", ("rename index",), rename

    def of_column(self, kind, c, new):
        def drop(x):
            del x.columns[c], x.types[c]
            for row in x.rows.values():
                row.pop(c, None)

        def rename(x):
            x.columns = {new if y == c else y: d for y, d in x.columns.items()}
            x.types[new] = x.types.pop(c)
            for k, row in x.rows.items():
                x.rows[k] = {new if y == c else y: v for y, v in row.items()}

        def default(x):
            x.columns[c] = 77
        said, names, do = {"drop": (f"DROP COLUMN {c}", ("drop column",), drop),
                           "rename": (f"RENAME COLUMN {c} TO {new}", ("rename column",), rename),
                           "default": (f"ALTER COLUMN {c} SET DEFAULT 77", ("set default value", "modify default value"), default)}[kind]
        return said, names, lambda x: self.must(c in x.columns) and do(x)

    def modified(self, t, name, c, kind):
        """MODIFY: another type, another default, another place; what it is called goes by what the column was upstream."""
        r, was, default = self.rnd, t.types[c], t.columns[c]
        to = r.choice(["int", "bigint", "smallint"]) if kind != "order" else was
        size = ["smallint", "int", "bigint"].index
        if size(to) < size(was):
            names = ("value range decrease",)
        elif kind == "order":
            names = ("modify columns order",)
        elif to == was:
            d = self.world.down.get(self.world.rules.place(*name))
            self.must(not d or (d.columns, d.types) == (t.columns, t.types))
            default = 78 if r.random() < 0.5 else default
            names = ("modify default value",) if default != t.columns[c] else ("alter table",)
        else:
            names = ("alter table",)

        def modify(x):
            self.must(c in x.columns)
            x.columns[c], x.types[c] = default, to
            if kind == "order":
                x.columns = {"id": x.columns["id"], c: x.columns.pop(c), **{k: v for k, v in x.columns.items() if k != "id"}}
        return f"MODIFY COLUMN {c} {to} DEFAULT {value(default)}{' AFTER id' * (kind == 'order')}", names, modify

    def must(self, yes):
        if not yes:
            raise Stops("it is not there")
        return True

    def alter(self, name):
        parts, names = [], set()
        for _ in range(self.rnd.choice([1, 1, 2, 3])):
            p = self.part(name)
            what = set(re.findall(r"\b[ck]\d+\b", p[0]))
            if not names & what and not ("COMMENT" in p[0] and any("COMMENT" in x[0] for x in parts)):
                parts.append(p)
                names |= what
        statement = f"ALTER TABLE {text(name)} " + ", ".join(p[0] for p in parts)
        self.world.alter(name, [p[1:] for p in parts], statement)
        return statement

    def ddl(self):
        name = self.favourite()
        kind = self.rnd.choice(["alter"] * 5 + ["create", "create", "drop", "truncate", "rename", "rename", "create_index", "drop_index", "create_database", "drop_database"])
        return getattr(self, kind)(name)

    def fresh(self):
        return self.rnd.choice(sorted(self.world.up_dbs)), self.rnd.choice(TABLES + ["t_7", "new one", "T_8"])

    def create(self, _):
        new = self.fresh()
        self.must(new not in self.world.up)
        keyed = self.rnd.random() < 0.9
        statement = f"CREATE TABLE {text(new)} (id int{' PRIMARY KEY' * keyed}, n int, v varchar(40))"
        self.world.create(new, Table(SHAPE, keyed), statement)
        return statement

    def drop(self, name):
        names = sorted({name, *self.rnd.sample(sorted(self.world.up), self.rnd.choice([0, 1]))})
        statement = f"DROP TABLE {', '.join(map(text, names))}"
        self.world.drop(names, statement)
        return statement

    def truncate(self, name):
        statement = f"TRUNCATE TABLE {text(name)}"
        self.world.truncate(name, statement)
        return statement

    def rename(self, _):
        r, up = self.rnd, self.world.up
        pairs = [(n, self.fresh()) for n in r.sample(sorted(up), r.choice([1, 1, 2]))]
        self.must(not any(b in up for _, b in pairs) and len({b for _, b in pairs}) == len(pairs))
        statement = f"RENAME TABLE {', '.join(f'{text(a)} TO {text(b)}' for a, b in pairs)}"
        if len(pairs) == 1 and r.random() < 0.4:
            statement = f"ALTER TABLE {text(pairs[0][0])} RENAME TO {text(pairs[0][1])}"
        self.world.rename(pairs, statement)
        return statement

    def create_index(self, name):
        self.columns += 1
        k = f"k{self.columns}"
        statement = f"CREATE INDEX {k} ON {text(name)} (v)"
        self.world.alter(name, [(("create index",), lambda x: x.indexes.add(k))], statement)
        return statement

    def drop_index(self, name):
        self.must(self.world.up[name].indexes)
        k = self.rnd.choice(sorted(self.world.up[name].indexes))
        statement = f"DROP INDEX {k} ON {text(name)}"
        self.world.alter(name, [(("drop index",), lambda x: self.must(k in x.indexes) and x.indexes.discard(k))], statement)
        return statement

    def create_database(self, _):
        s = self.rnd.choice([s for s in SCHEMAS + ["s_3", "S_4"] if s not in self.world.up_dbs])
        statement = f"CREATE DATABASE {quote(s)} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        self.world.create_database(s, statement)
        return statement

    def drop_database(self, _):
        s = self.rnd.choice(sorted(self.world.up_dbs))
        self.must(len(self.world.up_dbs) > 2 and self.rnd.random() < 0.3)
        statement = f"DROP DATABASE {quote(s)}"
        self.world.drop_database(s, statement)
        return statement

    def with_database(self):
        """A DDL statement, often with a default database."""
        r = self.rnd
        use = [f"USE {quote(r.choice(sorted(self.world.up_dbs)))}"] if r.random() < 0.3 else []
        return [*use, self.ddl()]

    def say(self, *statements):
        self.said += statements
        self.pair.source.run(*statements)

    def transaction(self):
        said = []
        for _ in range(self.rnd.choice([1, 1, 2, 5])):
            try:
                said.append(self.rows_of(self.favourite()))
            except Stops:
                pass
        return said if len(said) < 2 else ["BEGIN", *said, "COMMIT"]

    def favourite(self):
        """A table of the upstream, more often one that is wanted."""
        w = self.world
        ours = [n for n in sorted(w.up) if w.wanted(n)]
        return self.rnd.choice(ours if ours and self.rnd.random() < 0.8 else sorted(w.up))

    def change(self, count):
        for _ in range(count):
            try:
                if self.rnd.random() < 0.45:
                    self.say(*self.with_database())
                else:
                    self.say(*self.transaction())
            except (Stops, IndexError):
                pass

    # --- both sides

    def begin(self):
        w, by_hand = self.world, self.mode == "incremental"
        for db in sorted(w.up_dbs):
            self.say(f"CREATE DATABASE {quote(db)} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        made = set()
        for n, t in w.up.items():
            self.say(f"CREATE TABLE {text(n)} (id int{' PRIMARY KEY' * t.keyed}, n int, v varchar(40))")
            for _ in range(0 if by_hand else self.rnd.randint(0, 5)):
                row = self.row(t)
                t.rows[row["id"]] = row
                self.say(f"INSERT INTO {text(n)} VALUES ({', '.join(map(value, row.values()))})")
            more = w.rules.extracted(*n, "one") if w.wanted(n) else {}
            to = w.rules.place(*n) if w.wanted(n) and (more or by_hand) else None
            if to and to not in made:
                made.add(to)
                self.pair.target.run(f"CREATE DATABASE IF NOT EXISTS {quote(to[0])} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                                     f"CREATE TABLE {text(to)} (id int{' PRIMARY KEY' * t.keyed}, n int, v varchar(40){''.join(f', {c} varchar(64)' for c in more)}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        w.copy()
        if by_hand:
            file, offset = self.place_now()
            self.meta = f", meta: {{binlog-name: {file}, binlog-pos: {offset}}}"
        self.write_task()

    def place_now(self):
        show = "SHOW BINARY LOG STATUS" if self.pair.source.flavor == "mysql" else "SHOW MASTER STATUS"
        return self.pair.source.query(show)[0][:2]

    def through(self):
        """All that was written is applied, or what is to come of it: the sync's position is the upstream's."""
        file, offset = self.place_now()

        def there():
            at = self.job.subtask().get("sync", {}).get("syncerBinlog")
            return at == f"({file}, {offset})"
        procs.wait_for(there, 60, lambda: f"not at {file}, {offset}\n{json.dumps(self.job.subtask())}\n{self.story()}", 0.3)
        return True

    def compare(self):
        d, w = self.pair.target, self.world
        have = {(a, b) for a, b in d.query("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ('mysql','sys','information_schema','performance_schema','dm_meta')")}
        assert have == set(w.down), f"only there: {sorted(have - set(w.down))}, missing: {sorted(set(w.down) - have)}\n{self.story()}"
        for to, t in w.down.items():
            columns = [r[0] for r in d.query(f"SHOW COLUMNS FROM {text(to)}")]
            assert columns == list(t.columns), f"{to}: columns {columns}, not {list(t.columns)}\n{self.story()}"
            types = {r[0]: r[1].split("(")[0] for r in d.query(f"SHOW COLUMNS FROM {text(to)}") if r[0] in t.types}
            assert types == t.types, f"{to}: types {types}, not {t.types}\n{self.story()}"
            keys = {r[2] for r in d.query(f"SHOW INDEX FROM {text(to)}")} - {"PRIMARY"}
            assert keys == t.indexes, f"{to}: keys {keys}, not {t.indexes}\n{self.story()}"
            rows = sorted(d.query(f"SELECT * FROM {text(to)}"), key=repr)
            want = sorted((tuple(row[c] for c in t.columns) for row in t.rows.values()), key=repr)
            assert rows == want, f"{to}: too many {[r for r in rows if r not in want][:5]}, missing {[r for r in want if r not in rows][:5]}\n{self.story()}"

    def story(self):
        said = "\n".join(self.said)
        return f"seed {self.seed} {self.pair.source}>{self.pair.target}\n{self.task.read_text()}\n{said}\n{self.job.story()}"

    def finish(self):
        self.job.start(self.task, self.source)
        code = self.job.wait(120)
        assert code == 0, f"exit code {code}\n{self.story()}"
        self.job.assert_gone()
        self.compare()

    def follow(self):
        self.job.start(self.task, self.source, "--stay", until=None)
        self.job.wait_status(lambda x: x.get("phase") == "sync")
        assert not self.job.ended(), self.story()

    def leave(self):
        assert self.job.interrupt() == INTERRUPTED, self.story()
        self.job.assert_gone()

    def learn(self):
        """Of an incremental task: a row of each table, so that its structure is known before any DDL."""
        w = self.world
        if self.mode == "all":
            return
        for n in sorted(w.up):
            try:
                row = self.row(w.up[n])
                w.row(n, None, row)
            except Stops:
                continue
            self.say(f"INSERT INTO {text(n)} ({', '.join(map(quote, row))}) VALUES ({', '.join(map(value, row.values()))})")
        self.through()

    def other_rules(self):
        self.through()
        ask(self.job, "pause-task", "run")
        wait_stage(self.job, "Paused")
        if self.change_rules():
            self.world.changed = True
            self.write_task()
            answer = ask(self.job, "update-task", str(self.task))
            assert answer["result"], f"{answer}\n{self.story()}"
            self.said.append("-- other rules")
        self.change(20 if self.mode == "all" else 0)
        ask(self.job, "resume-task", "run")
        wait_stage(self.job, "Running")
        self.learn()

    def killed(self):
        """Killed now, and once more at a place of its own."""
        for p in self.job.units("sync"):
            p.kill()
        self.job.failpoints.arm(self.rnd.choice(PLACES))


def one_run(pair, job, seed):
    run = Run(pair, job, seed)
    run.begin()
    # Of a task without a copy no structure is known behind a restart but from the upstream, which must not be ahead then.
    how = "rules" if run.mode == "incremental" else run.rnd.choice(["run", "kills", "rules"])
    if how == "run":
        run.finish()
        run.change(100)
    else:
        run.follow()
        checked = ask(run.job, "check-task", str(run.task))
        assert checked["result"], f"{checked}\n{run.story()}"
        run.learn()
        run.change(45)
        if how == "kills":
            run.killed()
        else:
            run.other_rules()
        run.change(45)
        if run.mode == "incremental":
            run.through()
        run.leave()
        run.change(20 if run.mode == "all" else 0)
    run.finish()


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        c = metafunc.config
        first = c.getoption("--first-seed")
        metafunc.parametrize("seed", range(first, first + (c.getoption("--seeds") or (60 if c.getoption("--long") else 2))))


def test_random_rules(seed, make_pair, job):
    one_run(make_pair(*PAIRS[seed % 4]), job, seed)

