"""The check before a start and what comes of the task, side by side, in random worlds (tests/worlds.py): a task that may start gets on to equal rows, or stops for what was
told of that table beforehand; one that may not can't, or would lose something."""
import json
import re
import subprocess
import time
from pathlib import Path

import procs
import pymysql
import pytest
from grants import make_user, statements
from looked import TASK, Looked
from worlds import World, plain

STEADY = ["CREATE TABLE app.plain (id int PRIMARY KEY)", "INSERT INTO app.plain VALUES (1), (2), (1000), (1001)", "CREATE TABLE far.parent (id int PRIMARY KEY)", "INSERT INTO far.parent VALUES (1), (2), (1000), (1001)"]
SIDES = dict(re.findall(r"^CHECK\((\w+), \w+, (UP|DOWN),", (Path(__file__).resolve().parents[2] / "include/check.def").read_text(), re.M))


class Case:
    """One world: made on both servers, asked about, and tried."""

    def __init__(self, k, seed):
        self.k, self.w = k, World(seed)
        self.s, self.d = k.source, k.target
        self.name, self.were, self.notes = f"r{seed}", [], []
        self.wanted = ["plain"]

    def tried(self, server, *sqls, note=True):
        for sql in sqls:
            try:
                server.run(sql, sql_mode="NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES", db="app" if "app." in sql else None)
            except (pymysql.MySQLError, UnicodeError) as e:
                if note:
                    self.notes.append(f"{server.role} can't: {sql[:150]}: {e.args[:2]}")
                return False
        return True

    def set(self, server, side):
        for name, value in self.w.settings(side, server.flavor):
            try:
                was = server.query(f"SELECT @@global.{name}")[0][0]
                server.run(f"SET GLOBAL {name}={value}")
                self.were.append((server, name, was))
                self.notes.append(f"{side} {name}={value}")
            except pymysql.MySQLError as e:
                self.notes.append(f"{side} {name}: {e.args[:2]}")

    def back(self):
        for server, name, was in reversed(self.were):
            server.run((f"SET GLOBAL {name}=%s", (was,)))

    def make(self):
        w, filled = self.w, {}
        for server in (self.s, self.d):
            for db in ("app", "far"):
                self.tried(server, f"DROP DATABASE IF EXISTS {db}", note=False)
        self.s.run("CREATE DATABASE app", "CREATE DATABASE far", *STEADY)
        if self.s.flavor == "mariadb":
            self.s.run("CREATE SEQUENCE app.seq", "CREATE SEQUENCE far.seq")
        if w.r.random() < 0.2:
            self.d.run("CREATE DATABASE far", STEADY[2], STEADY[3])
        self.set(self.s, "up")
        for t in w.tables:
            if self.tried(self.s, t.up()):
                self.wanted.append(t.name)
                self.notes.append(t.up())
                filled[t.name] = t.rows(1, 4)
                self.tried(self.s, *filled[t.name], note=False)
        made = []
        for sql in w.odd:
            sql = sql.replace("{t}", str(len(made)))
            if len(made) < w.wants_odd and self.tried(self.s, sql, note=False):
                made.append(sql)
                self.notes.append(sql[:250])
                self.tried(self.s, f"INSERT INTO app.{self.odd(sql)} (id, v) VALUES (1, 5)", note=False)
                self.wanted.append(self.odd(sql))
        w.odd = made
        if w.mode == "incremental":
            self.there()
        if w.there or w.mode == "incremental" or w.r.random() < 0.1:
            self.tried(self.d, "CREATE DATABASE IF NOT EXISTS app", "CREATE TABLE app.mine (id int PRIMARY KEY)", "INSERT INTO app.mine VALUES (1), (2), (3), (4)", note=False)
        for name, sqls in w.there.items():
            change = next(t.change for t in w.tables if t.name == name)
            if self.tried(self.d, *sqls):
                self.notes.append(f"there ({change}): {'; '.join(sqls)}")
                if w.mode == "incremental":
                    for row in filled.get(name, []):
                        self.tried(self.d, row, note=False)
        self.set(self.d, "down")

    def there(self):
        """What an incremental task goes on with."""
        self.tried(self.d, "CREATE DATABASE IF NOT EXISTS app", STEADY[0], STEADY[1], note=False)

    @staticmethod
    def odd(sql):
        return re.search(r"app\.(o\d)", sql).group(1)

    def text(self, more):
        w = self.w
        at = ""
        if w.mode == "incremental":
            file, pos = self.s.query("SHOW BINARY LOG STATUS" if self.s.flavor == "mysql" else "SHOW MASTER STATUS")[0][:2]
            at = f", meta: {{binlog-name: {file}, binlog-pos: {pos}}}"
        text = TASK.format(port=self.d.port, source=self.k.name, mode=w.mode, user="tgtest", meta=at + (", syncer-config-name: y" if w.safe else ""), more=more + ("\nsyncers: {y: {safe-mode: true}}" if w.safe else ""))
        return text.replace("name: looked", f"name: {self.name}")

    def check(self):
        path = self.k.job.folder / f"{self.name}.yaml"
        path.write_text(self.text(""))
        done = subprocess.run([str(self.k.job.bin / "tidegate"), "check-task", str(path), "--state", self.k.job.state, "--error", "99", "--warn", "99"], capture_output=True, text=True, timeout=120)
        assert done.stdout, f"{done.stderr}\n{self.k.job.story()}"
        answer = json.loads(done.stdout)
        if answer["msg"] == "pre-check is passed.":
            return []
        return [(r["name"], r["state"], r["errors"][0]["short_error"], r["instruction"]) for r in json.loads(answer["msg"])["results"]]

    @staticmethod
    def about(item, what):
        """Of which tables an item is, whatever else it says; its text, where it names none."""
        return item, tuple(sorted(set(re.findall(r"`app`\.`(\w+)`", what)))) or what

    def mend(self, found):
        """Executes what findings say, where that is a statement; each of them must be gone then. What is left."""
        done = []
        for item, _, what, mend in found:
            if item in SIDES and re.match("(GRANT|SET GLOBAL|DROP TRIGGER|DROP TABLE) ", mend) and "; or" not in mend and ", or " not in mend:
                (self.s if SIDES[item] == "UP" else self.d).run(*mend.split("; "))
                self.notes.append(f"mended: {mend}")
                done.append(self.about(item, what))
        left = self.check()
        assert not [r for r in left if self.about(r[0], r[2]) in done], f"mended, and still there: {left}"
        return left

    def status(self):
        return self.k.job.subtask(self.name)

    def go(self):
        """What comes of it: "equal", or a text that says otherwise."""
        j, w = self.k.job, self.w
        path = j.folder / f"{self.name}.go.yaml"
        path.write_text(self.text("ignore-checking-items: [all]"))
        try:
            j.ask("start-task", str(path))
        except AssertionError as e:
            return "stops at start: " + re.sub(r"\s+", " ", str(e))[:600]
        try:
            first = self.wait(lambda: self.mark(1) if w.mode != "full" else False, "Finished")
            if first or w.mode == "full":
                return first or self.differ()
            for t in w.tables:
                for sql in t.changes() if t.name in self.wanted else []:
                    self.tried(self.s, sql, note=False)
            for sql in w.odd:
                o = self.odd(sql)
                for more in (f"INSERT INTO app.{o} (id, v) VALUES (1000, 5)", f"UPDATE app.{o} SET v=6 WHERE id=1", f"INSERT INTO app.{o} (id, v, p) VALUES (1001, 7, 1000)", f"DELETE FROM app.{o} WHERE id=1001"):
                    self.tried(self.s, more, note=False)
            return self.wait(lambda: self.mark(2), None) or self.settled()
        finally:
            j.ask("stop-task", self.name)

    def mark(self, n):
        """A row of a table that nothing is the matter with: has it come?"""
        if not getattr(self, f"marked{n}", False):
            self.s.run(f"INSERT INTO app.plain VALUES ({5000 + n})")
            setattr(self, f"marked{n}", True)
        try:
            return len(self.d.query(f"SELECT 1 FROM app.plain WHERE id={5000 + n}")) == 1
        except pymysql.MySQLError:
            return False

    def wait(self, done, stage):
        found = []

        def look():
            if done():
                return True
            st = self.status()
            if st["stage"] == stage:
                return True
            if st["stage"] == "Paused":
                found.append("stops: " + "; ".join(e["Message"][:400] for e in st["result"]["errors"]) if st["result"] else "stops")
                return True
            return False
        try:
            procs.wait_for(look, 120, "", 0.15)
        except AssertionError:
            st = self.status()
            return "nothing comes: " + json.dumps(st.get("result"))[:500] + json.dumps(st.get("unresolvedDDLLockID"))
        return found[0] if found else ""

    def rows(self, server, table, names):
        with server.connect() as c, c.cursor() as cur:
            cur.execute("SET time_zone='+00:00'")
            cur.execute("SET sql_mode=''")
            cur.execute(f"SELECT {', '.join(names)} FROM app.{table}")
            return sorted(tuple(map(plain, row)) for row in cur.fetchall())

    def differ(self):
        lines = []
        for t in self.wanted:
            kinds = self.s.query("SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='app' AND TABLE_NAME=%s ORDER BY ORDINAL_POSITION", (t,))
            if any(w in sql for sql in self.w.odd if self.odd(sql) == t for w in ("SEQUENCE app", "VIEW app")) or not kinds:
                continue
            names = [f"{n}+0" if k == "bit" else f"`{n}`" for n, k in kinds]
            try:
                a, b = self.rows(self.s, t, names), self.rows(self.d, t, names)
            except pymysql.MySQLError as e:
                lines.append(f"{t}: {e.args}")
                continue
            if a != b:
                lines.append(f"{t}: {[x for x in a if x not in b][:3]} became {[x for x in b if x not in a][:3]} ({len(a)}, {len(b)} rows)")
        return "differs: " + "; ".join(lines) if lines else "equal"

    def settled(self):
        """Appliers side by side may bring the mark before other tables' rows: what differs then is looked at for a while."""
        end = time.monotonic() + 15
        while (came := self.differ()) != "equal" and time.monotonic() < end:
            time.sleep(0.5)
        return came

    def names(self, found):
        """Tables that findings name, but for what becomes of collations."""
        return {t for _, _, what, _ in found if not what.startswith("it gets them otherwise") for t in re.findall(r"`app`\.`(\w+)`", what)}

    def judge(self, found, came):
        """What is wrong with the verdict, in a word; "": nothing is."""
        told = self.names(found)
        if any(f[1] == "fail" for f in found):
            return "FALSE REFUSAL" if came == "equal" else ""
        if came == "equal":
            return ""
        if came.startswith("differs"):
            return "" if all(t in told for t in re.findall(r"(?:^differs: |; )(\w+): ", came)) else "SILENT"
        meant = re.findall(r"`app`\.`(\w+)`|`app\.(\w+)`|app\.(\w+)|`(?:app)`\.`?(\w+)", came)
        return "" if any(n in told for m in meant for n in m if n) else "STOPS"


def seeds(config, turn, turns):
    """Each pair its own, --seeds of them."""
    n = config.getoption("--seeds") or (100 if config.getoption("--long") else 4)
    return range(config.getoption("--first-seed") + turn, config.getoption("--first-seed") + turn + turns * n, turns)


PAIRS = [("ma1011", "my97"), ("my97", "ma1011"), pytest.param("ma1011", "ma118", marks=pytest.mark.long), pytest.param("my97", "my97", marks=pytest.mark.long)]


@pytest.mark.parametrize("up, down", PAIRS)
def test_random(make_pair, job, bin_dir, request, up, down):
    turn = ["ma1011my97", "my97ma1011", "ma1011ma118", "my97my97"].index(up + down)
    k, wrong = Looked(bin_dir, job, make_pair(up, down)), []
    for seed in seeds(request.config, turn, 4):
        case = Case(k, seed)
        try:
            case.make()
            found = case.check()
            if case.w.mends:
                found = case.mend(found)
            came = case.go()
            verdict = case.judge(found, came)
        except Exception as e:  # noqa: BLE001 - told with its seed
            found, came, verdict = [], repr(e)[:3000], "TEST"
        finally:
            case.back()
            if case.w.mends:
                make_user(k.source, "tgtest", statements(bin_dir, k.source, "upstream"))
                make_user(k.target, "tgtest", statements(bin_dir, k.target, "downstream"))
        text = f"{verdict or 'ok'} seed {seed} {up}>{down} {case.w.mode}{' safe' if case.w.safe else ''}: {came}\n  " + "\n  ".join(case.notes + [f"{f[0]} {f[1]}: {f[2][:400]} | {f[3][:200]}" for f in found if f[0] != "optional_privilege"])
        print(text)
        if verdict:
            wrong.append(text)
    assert not wrong, "\n".join(wrong)
