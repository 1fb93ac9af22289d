"""Random statements of structure with rows between them (tests/random_ddl.py), followed by relay and sync alone; kill -9 of the sync in a share of the runs.
Both sides are compared completely: within a family by SHOW CREATE TABLE too, across by what rows without values get, which rows checks and keys take, and what
each partition holds. --seeds N: how many runs in all (4; with --long 400); --first-seed says where to begin: a failed run names its seed and prints what it did.

A statement that stops with an error in STOPS is none that the target can hold (docs/design/dialects.md, apply.md): such a run ends there, without a comparison, and only a share of them may."""
import os
import random
import re
import signal
import time
from pathlib import Path

import pymysql
import pytest

import random_ddl
from compare import quote
from ends import Ends, live

STEPS = 40
DIRECTIONS = [("my97", "my97"), ("ma1011", "ma1011"), ("my97", "ma1011"), ("ma1011", "my97")]
# The downstream's number: what the statement that it refuses has in it, and why no target of the other family can hold that.
STOPS = {1171: ("PRIMARY KEY", "a primary key of columns that are said to be NULL, which MariaDB takes for NOT NULL"), 3959: ("DROP|CHANGE|RENAME", "MySQL renames and drops no column that a CHECK names"),
         3108: ("DROP|CHANGE|RENAME", "nor one that a generated column is made of"), 1072: ("DROP|CHANGE", "MariaDB drops no column of a key of several")}
SHARE = 0.3  # of the runs of a direction may end so


def shape(server, schema, table):
    text = server.query(f"SHOW CREATE TABLE {quote(schema)}.{quote(table)}")[0][1]
    text = re.sub(r"^(\) ENGINE=)\w+", r"\1InnoDB", text, flags=re.M)
    text = re.sub(r"ENGINE ?= ?\w+", "ENGINE=InnoDB", text)
    text = re.sub(r"^(\) ENGINE=InnoDB)( AUTO_INCREMENT=\d+)", r"\1", text, flags=re.M)
    text = re.sub(r"( CHARACTER SET \w+)?( COLLATE \w+)?", "", text)  # MySQL prints what was written
    return text, server.query("SELECT COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s ORDER BY ORDINAL_POSITION", schema, table)


def described(server, schema, table):
    """What both families say alike."""
    table_of = server.query("SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s", schema, table)
    columns = server.query("SELECT COLUMN_NAME, COLUMN_COMMENT, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND DATA_TYPE NOT IN ('json', 'longtext') "
                           "ORDER BY ORDINAL_POSITION", schema, table)
    parts = server.query("SELECT PARTITION_NAME, SUBPARTITION_NAME, PARTITION_METHOD, PARTITION_DESCRIPTION, PARTITION_COMMENT FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s ORDER BY 1, 2", schema, table)
    keys = server.query("SELECT DISTINCT INDEX_NAME, INDEX_COMMENT FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s ORDER BY 1", schema, table)
    return table_of, columns, sorted(parts, key=str), sorted(keys)


def differences(a, b):
    return "\n".join(f"{x}\n{y}" for u, v in zip(a, b) for x, y in zip(*(z.split("\n") if isinstance(z, str) else z for z in (u, v))) if x != y)


def held(server, schema, table):
    """How many rows each partition holds."""
    found = server.query("SELECT DISTINCT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND PARTITION_NAME IS NOT NULL ORDER BY 1", schema, table)
    return [(p, server.query(f"SELECT COUNT(*) FROM {quote(schema)}.{quote(table)} PARTITION ({quote(p)})")[0][0]) for p, in found]


def tables(server, schemas):
    return [r for r in server.query("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE='BASE TABLE' ORDER BY 1, 2") if r[0] in schemas]


def probe(up, down, found):
    """The same rows to both: what defaults, checks, generated columns and keys make of them."""
    for schema, table in found:
        if up.flavor != down.flavor and up.query("SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND DATA_TYPE IN ('uuid', 'inet4', 'inet6')", schema, table):
            continue  # text there, whose implicit value is another one
        columns = up.query("SELECT COLUMN_NAME, DATA_TYPE, COALESCE(GENERATION_EXPRESSION,'')<>'', LOCATE('auto_inc', EXTRA)>0 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s ORDER BY ORDINAL_POSITION", schema, table)
        auto = [quote(c[0]) for c in columns if c[3]]
        ints = [quote(c[0]) for c in columns if c[1] in ("int", "tinyint", "smallint", "bigint") and not c[2] and not c[3]]
        texts = [quote(c[0]) for c in columns if c[1] in ("varchar", "char", "text") and not c[2]]
        for i, (some, values) in enumerate([(auto, ["101"]), (auto + ints, ["102"] * len(auto) + ["5"] * len(ints)), (auto + texts, ["103"] * len(auto) + ["'e'"] * len(texts))]):
            if i and not (ints, ints, texts)[i]:
                continue
            sql = f"INSERT INTO {quote(schema)}.{quote(table)} ({', '.join(some)}) VALUES ({', '.join(values[:len(some)])})"
            said = []
            for s in (up, down):
                try:
                    s.run("SET sql_mode='', time_zone='+00:00', timestamp=1700000000.5, foreign_key_checks=0", sql)
                    said.append("taken")
                except pymysql.MySQLError as e:
                    said.append(f"refused {e.args[0] if up.flavor == down.flavor else ''}")
            assert said[0] == said[1], f"{sql}: {said}"


def compared(f, up, down, schemas):
    f.check()
    found = tables(up, schemas)
    same = up.flavor == down.flavor
    for s, t in found:
        a, b = ((shape if same else described)(x, s, t) for x in (up, down))
        assert a == b, f"{s}.{t} is\n{a}\nand\n{b}\n{differences(a, b)}"
        a, b = held(up, s, t), held(down, s, t)
        assert a == b or not same, f"partitions of {s}.{t} hold {a} and {b}"
    if same:
        a, b = (x.query("SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA") for x in (up, down))
        a, b = (sorted(r for r in x if r[0] in schemas) for x in (a, b))
        assert a == b, f"databases: {a} and {b}"
    return found


def stopped_by(out):
    """The number of STOPS that the task stopped with; 0: with none, or of a statement that has nothing of the kind."""
    told = [x for x in out.split("\n") if x.startswith("error ")]
    found = re.findall(r"\(error (\d+)\)", told[-1]) if told else []
    code = int(found[-1]) if found else 0
    return code if code in STOPS and re.search(STOPS[code][0], told[-1], re.I) else 0


class Stopped(Exception):
    """The target can't hold what the upstream has made: this run can't be compared."""


def wait(f, seconds):
    try:
        f.wait(seconds)
    except AssertionError as e:
        code = stopped_by(f.out) if f.up.flavor != f.down.flavor and str(e).startswith("it ended") else 0
        if code:
            raise Stopped(code) from None
        raise


def kill(f):
    pids = [int(x.split()[2]) for x in f.out.splitlines() if x.startswith("start tidegate-sync")]
    try:
        os.kill(pids[-1], signal.SIGKILL)
    except (ProcessLookupError, IndexError):
        pass


def one_run(build, ends, seed, steps):
    """The number of STOPS that it ended with; 0: it was compared."""
    rnd = random.Random(seed)
    up, down = ends.up, ends.down
    for s in (up, down):
        live.clean(s)
    kills = rnd.random() < 0.3
    f = live.Follow(build, up, down, random_ddl.SCHEMAS, sync={"workers": rnd.choice([1, 4])})
    g = random_ddl.Random(up, down.flavor, rnd)
    try:
        f.start(900)
        g.begin()
        for _ in range(steps):
            g.step()
            if rnd.random() < 0.1:
                wait(f, 120)
            if kills and rnd.random() < 0.08:
                if rnd.random() < 0.5:
                    f.failpoints.arm(rnd.choice(["sync_ddl_doing", "sync_ddl_sent", "sync_before_commit", "sync_after_commit"]))
                else:
                    time.sleep(rnd.random() * 0.05)
                    kill(f)
        g.close()
        wait(f, 120)
        found = compared(f, up, down, random_ddl.SCHEMAS)
        f.stop()
        probe(up, down, found)
        f.check()
    except Stopped as e:
        return e.args[0]
    except AssertionError as e:
        where = Path(os.environ.get("TIDEGATE_TEST_KEEP", Path(f.dir).parent)) / f"tgddl-failed-{up.flavor}-{down.flavor}-{seed}"
        where.with_suffix(".out").write_text(f.out)
        where.with_suffix(".sql").write_text("\n".join(g.story))
        raise AssertionError(f"seed {seed}{' with kills' if kills else ''}: {g.done} statements, {g.refused} refused; they are in {where}.sql\n{e}") from None
    finally:
        f.close()
    return 0


@pytest.mark.parametrize("turn, source, target", [(i, *d) for i, d in enumerate(DIRECTIONS)])
def test_random_ddl(build_dir, server, request, turn, source, target):
    ends, config = Ends(server, source, target), request.config
    n = config.getoption("--seeds") or (400 if config.getoption("--long") else 4)
    first = config.getoption("--first-seed") + turn
    stopped = {seed: one_run(build_dir, ends, seed, STEPS) for seed in range(first, first + n, len(DIRECTIONS))}
    while all(stopped.values()) and len(stopped) < 4:  # a short run compares something too
        seed = max(stopped) + len(DIRECTIONS)
        stopped[seed] = one_run(build_dir, ends, seed, STEPS)
    print(f"{len(stopped)} runs, stopped: { {s: c for s, c in stopped.items() if c} }")
    assert sum(map(bool, stopped.values())) <= max(1, SHARE * len(stopped)), f"too many were not compared: {stopped}"
