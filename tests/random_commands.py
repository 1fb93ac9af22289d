"""Operators' commands at random beside accidents, and a model that says what each must answer and what must be there afterwards."""
import copy
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import procs
from hosts import Host
from servers import PASSWORD, USER

LEASE = 3
TASKS = {"t1": {"s1": "d1", "s2": "d2"}, "t2": {"s1": "d3"}}
SOURCES = ("s1", "s2")
KINDS = ("relay", "dump", "load", "sync")
FAST, SLOW = 40, 110  # s; a command that wants a unit takes a minute at most, and start-task asks one for each source
BAD = re.compile(r"Sanitizer: |runtime error: |Assertion .* failed|internal error|ended=\"signal (4|5|6|7|8|11|31)\"")


class Writer:
    """Keeps on writing over restarts of its server."""

    def __init__(self, server, db, seed):
        self.server, self.db, self.rnd, self.rows = server, db, random.Random(f"{seed}{db}"), 0
        self.stop_now, self.thread = threading.Event(), None
        self.calm = False  # then no ALTER every three seconds, which keep a copy from its end where dump and load begin it in turns
        server.run(f"CREATE DATABASE {db}", f"CREATE TABLE {db}.t (id int AUTO_INCREMENT PRIMARY KEY, u int UNIQUE, v varchar(40))", f"CREATE TABLE {db}.k (a int, v varchar(40))",
                   f"INSERT INTO {db}.t (u, v) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<300) SELECT i, 'first' FROM n", f"INSERT INTO {db}.k SELECT u % 20, v FROM {db}.t")

    def start(self):
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.stop_now.wait(0.03):
            try:
                with self.server.connect(database=self.db, autocommit=False) as c, c.cursor() as cur:
                    while not self.stop_now.wait(0.02):
                        self.step(cur)
                        c.commit()
            except Exception:  # noqa: BLE001 - its server is away
                time.sleep(0.1)

    def step(self, cur):
        n = self.rnd.randrange(1000)
        cur.execute("INSERT INTO t (u, v) VALUES (NULL, %s)", (f"w{n}",))
        cur.execute("UPDATE t SET v = CONCAT(LEFT(v, 10), %s) WHERE id %% 50 = %s", (str(n), n % 50))
        cur.execute("DELETE FROM t WHERE id = %s", (n,))
        cur.execute("INSERT INTO k VALUES (%s, %s)", (n % 20, f"w{n}"))
        if n % 10 == 0:
            cur.execute("DELETE FROM k WHERE a = %s LIMIT 5", (n % 20,))
        self.rows += 1
        if self.rows % 150 == 0 and not self.calm:
            cur.execute(f"ALTER TABLE t ADD COLUMN c{self.rows} int NULL")

    def stop(self):
        self.stop_now.set()
        if self.thread:
            self.thread.join(120)


class Model:
    """What the master has been told: sources with their relay, tasks with the wanted stage on each source."""

    def __init__(self):
        self.sources, self.tasks = {}, {}

    def of_source(self, source):
        return [t for t, subs in self.tasks.items() if source in subs]

    def __eq__(self, other):
        return self.sources.keys() == other.sources.keys() and self.tasks == other.tasks

    def __repr__(self):
        return f"sources {self.sources}, tasks {self.tasks}"


class Command:
    """words; says: true, false, or None where it depends on what the model can't know; change: to the model, where it is done."""

    def __init__(self, words, says, change=lambda m: None, slow=False, **kw):
        self.words, self.says, self.change, self.slow, self.kw = [str(w) for w in words], says, change, slow, kw

    def __repr__(self):
        return " ".join(w.rsplit("/", 1)[-1] for w in self.words)


class Answer:
    def __init__(self, code, out, err, took):
        self.code, self.out, self.err, self.took = code, out, err, took
        self.done = code == 0

    def __repr__(self):
        text = " ".join((self.out + self.err).split())
        said = text if self.code else re.findall(r'"(?:worker|msg)": *"([^"]+)"', text)
        return f"{self.code} after {self.took:.1f} s {str(said)[-300:]}"


class World:
    def __init__(self, bin_dir, folder, seed, ups, downs):
        self.bin, self.folder, self.seed, self.rnd = bin_dir, folder, seed, random.Random(seed)
        self.ups, self.downs, self.told, self.began = ups, downs, [], time.monotonic()
        self.model, self.disturbed, self.twins, self.looking = Model(), 0.0, [], threading.Event()
        key = folder / "key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        sockets = [str(folder / "m.r/master.sock")]
        config = {"master": {"lease": LEASE}, "agent": {"capacity": 0}}
        self.hosts = {"m": Host(bin_dir, folder, "m", key=key, masters=sockets, config=config)}
        for n in "abc":
            self.hosts[n] = Host(bin_dir, folder, n, key=key, masters=sockets, config={"agent": {"standby": "yes"}} if n == "c" else None)
        self.frozen = []
        self.write_files()

    def tell(self, text):
        self.told.append(f"{time.monotonic() - self.began:6.1f} {text}")

    def story(self):
        return f"seed {self.seed}\n" + "\n".join(self.told[-60:])

    # --- files

    def write_files(self, workers=2):
        for s, up in zip(SOURCES, self.ups):
            (self.folder / f"{s}.yaml").write_text(f"source-id: {s}\nfrom: {{host: 127.0.0.1, port: {up.port}, user: {USER}, password: '{PASSWORD}'}}\n")
        for (t, sources), down in zip(TASKS.items(), self.downs):
            rules = "".join(f"  {d}: {{do-dbs: [{d}]}}\n" for d in sources.values())
            instances = "".join(f"- {{source-id: {s}, block-allow-list: {d}, syncer-config-name: s}}\n" for s, d in sources.items())
            (self.folder / f"{t}.yaml").write_text(f"name: {t}\ntask-mode: all\ntarget-database: {{host: 127.0.0.1, port: {down.port}, user: {USER}, password: '{PASSWORD}'}}\n"
                                                   f"mysql-instances:\n{instances}block-allow-list:\n{rules}syncers: {{s: {{worker-count: {workers}}}}}\n")

    def target(self, task):
        return self.downs[list(TASKS).index(task)]

    # --- commands

    def run(self, words, stdin=None, kill_after=None, limit=FAST):
        m = self.hosts["m"]
        began = time.monotonic()
        more = [] if words[0] in ("encrypt", "decrypt") else ["--master", str(m.run), "--json"]
        p = subprocess.Popen([str(self.bin / "tidegate"), *words, *more, "--state", str(m.state)], stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, cwd=self.folder)
        try:
            if kill_after is not None:
                try:
                    p.wait(kill_after)
                except subprocess.TimeoutExpired:
                    p.kill()
            out, err = p.communicate(stdin, timeout=limit)
        except subprocess.TimeoutExpired:
            p.kill()
            raise AssertionError(f"{words} has no end after {limit} s\n{self.story()}") from None
        a = Answer(p.returncode, out, err, time.monotonic() - began)
        assert kill_after is not None or a.code in (0, 1), f"{words}: {a}\n{self.story()}"
        assert not BAD.search(out + err), f"{words}: {a}\n{self.story()}"
        assert a.code != 1 or err.strip(), f"{words} says no reason: {a}\n{self.story()}"
        return a

    def ask(self, command, **kw):
        a = self.run(command.words, limit=SLOW if command.slow else FAST, **command.kw, **kw)
        self.tell(f"{command} -> {a}")
        return a

    def query(self, *words):
        a = self.run(list(words))
        assert a.done, f"{words}: {a}\n{self.story()}"
        return json.loads(a.out)

    # --- what is there

    def members(self):
        return {w["name"]: w for w in self.query("list-member", "-w")["members"][0]["worker"]["workers"]}

    def subtasks(self):
        """{task: {source: subtask as query-status has it}}"""
        found = {}
        for t in self.query("config", "task")["names"]:
            a = self.run(["query-status", t])
            if not a.done:
                continue
            subs = found.setdefault(t, {})
            for s in json.loads(a.out)["sources"]:
                for sub in s["subTaskStatus"]:
                    subs[s["sourceStatus"]["source"]] = sub
        return found

    def sources(self):
        return {s["source"]: s for s in self.query("operate-source", "show")["sources"]}

    def there(self):
        """Names only: a model without stages."""
        m = Model()
        m.sources = {s: True for s in self.sources()}
        m.tasks = {t: set(subs) for t, subs in self.subtasks().items()}
        return m

    def agrees(self, model):
        now = self.there()
        return now.sources.keys() == model.sources.keys() and now.tasks == {t: set(s) for t, s in model.tasks.items()}

    def check(self, why):
        assert self.agrees(self.model), f"{why}: there are {self.there()}, the model has {self.model}\n{self.story()}"

    # --- processes

    def look(self):
        """Never two of one kind for a subtask below one supervisor: what stays so for a second is told."""
        since = {}
        while not self.looking.wait(0.4):
            now, everyone = {}, procs.all_procs()
            for h in self.hosts.values():
                p = h.process
                if p is None or p.poll() is not None:
                    continue
                for u in procs.tree(p.pid, everyone):
                    if u.unit in KINDS and ":" in u.title:
                        now.setdefault((h.name, u.title), []).append(u.key)
            twins = {k: tuple(sorted(v)) for k, v in now.items() if len(v) > 1}
            since = {k: (since[k][0] if k in since and since[k][1] == v else time.monotonic(), v) for k, v in twins.items()}
            for (host, title), (when, keys) in since.items():
                if time.monotonic() - when > 1 and (host, title, keys) not in self.twins:
                    self.twins.append((host, title, keys))
                    self.tell(f"TWINS on {host}: {title} {keys}")

    def units(self):
        everyone = procs.all_procs()
        return [p for h in self.hosts.values() if h.process for p in procs.tree(h.process.pid, everyone) if p.unit in KINDS + ("check", "cutover")]

    def start(self):
        for h in self.hosts.values():
            h.start(master=h.name == "m")
        procs.wait_for(lambda: {n for n, s in self.hosts["m"].agents().items() if s != "offline"} == set("mabc"), 90, self.story)
        threading.Thread(target=self.look, daemon=True).start()

    def close(self):
        self.looking.set()
        self.thaw()
        for h in self.hosts.values():
            h.close()

    def thaw(self):
        for p in reversed(self.frozen):
            p.kill(signal.SIGCONT)
        self.frozen.clear()

    def logs(self):
        return "\n".join(f"--- {h.name}\n" + h.log.read_text(errors="replace") for h in self.hosts.values() if h.log.exists())

    def keep(self):
        """What the hosts said, where TIDEGATE_TEST_KEEP names a folder for it."""
        if os.environ.get("TIDEGATE_TEST_KEEP"):
            units = "\n".join(f"{p} {p.state} {p.ppid}" for p in self.units())
            (Path(os.environ["TIDEGATE_TEST_KEEP"]) / f"random-commands-{self.seed}.out").write_text(f"{self.story()}\n\n{units}\n{self.logs()}")

    def accidents(self):
        return [line[:300] for line in self.logs().splitlines() if BAD.search(line)]


# --- commands at random: each makes a Command for the world as it is

def stopped_for(model, t, sources):
    return [s for s in sources if s not in model.tasks.get(t, {})]


def create(w):
    s = w.rnd.choice(SOURCES)
    on = ["-w", w.rnd.choice("abc")] if w.rnd.random() < 0.2 else []

    def change(m):
        m.sources.setdefault(s, {"relay": False, "held": False})
    return Command(["operate-source", "create", w.folder / f"{s}.yaml", *on], None if on else True, change)


def update_source(w):
    s = w.rnd.choice(SOURCES)
    return Command(["operate-source", "update", w.folder / f"{s}.yaml"], s in w.model.sources)


def stop_source(w):
    s = w.rnd.choice(SOURCES)
    return Command(["operate-source", "stop", s], s in w.model.sources and not w.model.of_source(s), lambda m: m.sources.pop(s))


def start_task(w):
    t = w.rnd.choice(list(TASKS))
    some = [w.rnd.choice(list(TASKS[t]))] if w.rnd.random() < 0.3 else list(TASKS[t])
    words = ["start-task", w.folder / f"{t}.yaml", *(x for s in some for x in ("-s", s) if len(some) < len(TASKS[t]))]
    known = all(s in w.model.sources for s in some)
    there = w.model.tasks.get(t, {})

    def change(m):
        for s in some:
            m.tasks.setdefault(t, {}).setdefault(s, "Running")
    return Command(words, False if not known else True if all(s in there for s in some) else None if w.shaken() else True, change, slow=True)


def start_afresh(w):
    """As an operator does it: stop-task, the old tables away, --remove-meta."""
    t = w.rnd.choice(list(TASKS))
    sources = list(TASKS[t])
    if w.model.tasks.get(t) and w.rnd.random() < 0.5:
        return Command(["start-task", w.folder / f"{t}.yaml", "--remove-meta"], False, slow=True)
    if w.model.tasks.get(t):
        a = w.ask(Command(["stop-task", t], True))
        assert a.done, w.story()
        w.model.tasks.pop(t)
    wait_left(w, t)
    for s in sources:
        try:
            w.target(t).run(f"DROP DATABASE IF EXISTS {TASKS[t][s]}")
        except Exception as e:  # noqa: BLE001
            w.tell(f"no DROP: {e}")

    def change(m):
        m.tasks[t] = {s: "Running" for s in sources}
    known = all(s in w.model.sources for s in sources)
    w.afresh.add(t)
    return Command(["start-task", w.folder / f"{t}.yaml", "--remove-meta"], False if not known else None if w.shaken() else True, change, slow=True)


def wait_left(w, t):
    """Until no unit of that task is left."""
    w.thaw()
    procs.wait_for(lambda: not [p for p in w.units() if f" {t}@" in p.title and p.unit in KINDS], 90, lambda: f"units of {t} stay: {w.units()}\n{w.story()}", 0.2)


def some_sources(w, t):
    there = list(w.model.tasks.get(t, {})) or list(TASKS[t])
    return [w.rnd.choice(there)] if w.rnd.random() < 0.4 else []


def task_word(w, word, change):
    t = w.rnd.choice(list(TASKS))
    some = some_sources(w, t)
    there = w.model.tasks.get(t, {})
    fine = bool(there) and all(s in there for s in some)
    return Command([word, t, *(x for s in some for x in ("-s", s))], fine, lambda m: change(m, t, some or list(m.tasks[t])))


def set_stage(stage):
    def change(m, t, some):
        for s in some:
            m.tasks[t][s] = stage
    return change


def forget(m, t, some):
    for s in some:
        m.tasks[t].pop(s)
    if not m.tasks[t]:
        m.tasks.pop(t)


def stop_task(w):
    return task_word(w, "stop-task", forget)


def pause_task(w):
    return task_word(w, "pause-task", set_stage("Paused"))


def resume_task(w):
    return task_word(w, "resume-task", set_stage("Running"))


def query_status(w):
    return task_word(w, "query-status", lambda m, t, some: None) if w.rnd.random() < 0.7 else Command(["query-status"], True)


def update_task(w):
    t = w.rnd.choice(list(TASKS))
    there = w.model.tasks.get(t, {})
    w.write_files(w.rnd.choice((1, 2, 3, 8)))
    return Command(["update-task", w.folder / f"{t}.yaml"], None if there and set(there.values()) == {"Paused"} else False)


def transfer(w):
    s, a = w.rnd.choice(SOURCES), w.rnd.choice("abc")
    return Command(["transfer-source", s, a], None if s in w.model.sources else False)


def relay(word, change):
    def make(w):
        s = w.rnd.choice(SOURCES)
        return Command([word, "-s", s], s in w.model.sources, lambda m: m.sources[s].update(change))
    make.__name__ = word
    return make


def purge(w):
    return Command(["purge-relay", "-s", w.rnd.choice(SOURCES), "-f", f"mysql-bin.{w.rnd.randrange(1, 9):06}"], None, slow=True)


def config(w):
    kind, name = w.rnd.choice((("source", "s1"), ("source", "s2"), ("task", "t1"), ("task", "t2"), ("worker", "a"), ("master", "m"), ("worker", "z"), ("master", "z"), ("task", "z")))
    fine = name in w.model.sources or name in w.model.tasks or name in "am"
    return Command(["config", kind, name], fine)


def export(w):
    return Command(["config", "export", "-p", w.folder / "kept"], True)


def export_import(w):
    """All as it was a moment ago: nothing changes, but that what is there may be said to be there."""
    a = w.ask(export(w))
    assert a.done, w.story()
    return Command(["config", "import", "-p", w.folder / "kept"], None if w.shaken() or not w.model.sources else True, slow=True)


def offline(w):
    n = w.rnd.choice(("a", "b", "c", "nobody"))
    return Command(["offline-member", "-w", "-n", n], None if w.shaken() and n != "nobody" else False)


def drain(w):
    return Command(["drain-member", "-n", w.rnd.choice("ab"), *(["--cancel"] if w.rnd.random() < 0.5 else [])], True)


def skip(w):
    t = w.rnd.choice(list(TASKS))
    return Command(["binlog", w.rnd.choice(("skip", "list", "revert")), t], None if t in w.model.tasks else False)


def schema(w):
    t = w.rnd.choice(list(TASKS))
    s = w.rnd.choice(list(TASKS[t]))
    return Command(["binlog-schema", "list", t, TASKS[t][s], "t", "-s", s], None if s in w.model.tasks.get(t, {}) else False, slow=True)


def check_task(w):
    t = w.rnd.choice(list(TASKS))
    return Command(["check-task", w.folder / f"{t}.yaml"], None if all(s in w.model.sources for s in TASKS[t]) else False, slow=True)


def leader(w):
    return Command(["operate-leader", w.rnd.choice(("evict", "cancel-evict"))], None)


def encrypt(w):
    return Command(["encrypt"], True, stdin="Some-secret\n")


COMMANDS = [create] * 5 + [update_source, stop_source, stop_source] + [start_task] * 6 + [start_afresh] * 2 + [stop_task] * 3 + [pause_task] * 3 + [resume_task] * 4 + [query_status] * 2 + \
    [update_task] * 2 + [transfer] * 4 + [relay("start-relay", {"relay": True}), relay("stop-relay", {"relay": False}), relay("pause-relay", {"held": True}), relay("resume-relay", {"held": False})] + \
    [purge, config, export, export_import, offline, drain, drain, skip, skip, schema, check_task, leader, encrypt]


# --- accidents

def pick(w, units, host=None):
    found = [p for n, h in w.hosts.items() if h.process and host in (None, n) for p in procs.tree(h.process.pid) if p.unit in units]
    return w.rnd.choice(sorted(found, key=lambda p: p.title)) if found else None


def kill_one(*units):
    def event(w):
        p = pick(w, units)
        if p:
            p.kill()
            return f"kill -9 {p.title}"
    event.__name__ = f"kill_{units[0]}"
    return event


def stop_one(w):
    p = pick(w, KINDS + ("agent", "master"))
    if p:
        p.kill(signal.SIGSTOP)
        w.frozen.append(p)
        threading.Timer(w.rnd.choice((0.5, 2, 5)), lambda: p.kill(signal.SIGCONT)).start()
        return f"SIGSTOP {p.title}"


def kill_supervisor(w):
    h = w.hosts[w.rnd.choice("abm")]
    h.process.kill()
    h.process.wait()
    if w.rnd.random() < 0.5:
        time.sleep(w.rnd.choice((0.2, 4)))
    h.start(master=h.name == "m")
    return f"kill -9 supervisor of {h.name}"


def power(w):
    h = w.hosts[w.rnd.choice("abm")]
    h.kill()
    time.sleep(w.rnd.choice((0, 1, 5)))
    h.start(master=h.name == "m")
    return f"power cut of {h.name}"


def restart(w):
    h = w.hosts[w.rnd.choice("abcm")]
    procs.wait_for(lambda: "agent" in [p.unit for p in procs.tree(h.process.pid)], 60, lambda: f"{h.name} has no agent\n{w.story()}")  # before, a signal finds nobody who hears it
    code = h.stop()
    assert code == 0, f"{h.name} ended with {code}\n{w.story()}"
    if w.rnd.random() < 0.5:
        time.sleep(w.rnd.choice((0.5, 4)))
    h.start(master=h.name == "m")
    return f"restart of {h.name}"


def freeze(w):
    h = w.hosts[w.rnd.choice("ab")]
    h.freeze()
    w.frozen += h.everyone()
    threading.Timer(w.rnd.choice((1, 6)), h.thaw).start()
    return f"{h.name} stands still"


def hup(w):
    h = w.hosts[w.rnd.choice("abcm")]
    h.process.send_signal(signal.SIGHUP)
    return f"SIGHUP {h.name}"


def server_again(which):
    def event(w):
        s = w.rnd.choice(getattr(w, which))
        s.stop()
        time.sleep(w.rnd.choice((0, 2)))
        s.start()
        return f"{which} {s} restarted"
    event.__name__ = f"{which}_again"
    return event


PLACES = ["agent_after_spawn", "unit_before_hello", "unit_step", "dump_snapshot", "dump_mid_chunk", "dump_all_done", "load_schema", "load_plan_recorded", "load_before_commit", "load_all_done",
          "relay_after_write", "sync_before_guard", "sync_after_guard", "sync_before_commit", "sync_ddl_doing"]


def at_place(w):
    """The next one who comes by that place stays there for some seconds, or dies."""
    h, place, kill = w.hosts[w.rnd.choice("ab")], w.rnd.choice(PLACES), w.rnd.random() < 0.4
    w.armed[h.name, place] = h.failpoints.fired(place)
    h.failpoints.arm(place, "kill" if kill else "sleep", at=w.rnd.randrange(1, 3), arg=w.rnd.choice((1000, 4000)))
    return f"{'kill' if kill else 'sleep'} at {place} on {h.name}"


OF_ALL_UNITS = {"agent_after_spawn", "unit_before_hello", "unit_step"}  # the checks that commands wait for come by there, too
EVENTS = [at_place] * 8 + [kill_one(*KINDS)] * 4 + [kill_one("agent")] * 3 + [kill_one("master")] * 3 + [kill_one("check")] + [stop_one] * 4 + [kill_supervisor, power, power, restart, freeze, freeze, hup] + \
    [server_again("downs"), server_again("ups")]


class Run(World):
    """One seed."""

    def __init__(self, *args):
        super().__init__(*args)
        self.afresh, self.armed = set(), {}
        self.writers = [Writer(self.ups[SOURCES.index(s)], d, self.seed) for subs in TASKS.values() for s, d in subs.items()]

    def shaken(self):
        """Within the time that an accident may be felt: who asks a unit may hear that it can't answer. What is armed where checks come by may come at any time until it has."""
        for (host, place), before in list(self.armed.items()):
            if self.hosts[host].failpoints.fired(place) > before:
                del self.armed[host, place]
                self.disturbed = max(self.disturbed, time.monotonic() + 15)
        return any(place in OF_ALL_UNITS for _, place in self.armed) or time.monotonic() < self.disturbed

    def event(self):
        what = self.rnd.choice(EVENTS)
        self.disturbed = time.monotonic() + 60
        self.tell(f"* {what(self) or what.__name__ + ': nobody is there'}")
        self.disturbed = time.monotonic() + 15

    def one(self):
        c = self.rnd.choice(COMMANDS)(self)
        a = self.ask(c)
        if c.says is not None:
            assert a.done == c.says or self.shaken(), f"{c} answers {a}, expected {c.says}\n{self.model}\n{self.story()}"
        if a.done:
            c.change(self.model)

    def two(self):
        """Two clients at once: what both hear and what is there then is that of one order or the other."""
        c = [self.rnd.choice([f for f in COMMANDS if f not in (start_afresh, export_import)])(self) for _ in range(2)]
        said = [None, None]

        def ask(i):
            try:
                said[i] = self.ask(c[i])
            except AssertionError as e:
                said[i] = e
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for a in said:
            if not isinstance(a, Answer):
                raise a
        models = []
        for order in ((0, 1), (1, 0)):
            m = copy.deepcopy(self.model)
            try:
                for i in order:
                    if said[i].done:
                        c[i].change(m)
            except KeyError:
                continue
            models.append(m)
        found = [m for m in models if self.agrees(m)]
        assert found, f"{c} at once: {said}\nthere are {self.there()}, possible {models}\n{self.story()}"
        self.model = found[0]
        self.recall()

    def recall(self):
        """Which wanted stage won is not known: each is said once more."""
        for t in list(self.model.tasks):
            stage = set(self.model.tasks[t].values())
            word = "pause-task" if stage == {"Paused"} else "resume-task"
            assert self.ask(Command([word, t], True)).done, self.story()
            for s in self.model.tasks[t]:
                self.model.tasks[t][s] = "Paused" if stage == {"Paused"} else "Running"

    def either(self, c, done):
        """Done, or not where done is None: what is there says it."""
        before, after = self.model, copy.deepcopy(self.model)
        try:
            c.change(after)
        except KeyError:
            after = before
        wanted = (after,) if done else (after, before)
        self.model = procs.wait_for(lambda: next((m for m in wanted if self.agrees(m)), None), 30, lambda: f"{c}: there are {self.there()}\n{before}\n{after}\n{self.story()}")
        self.recall()

    def cut(self):
        """A client that is killed amid its command."""
        c = self.rnd.choice([f for f in COMMANDS if f not in (start_afresh, export_import)])(self)
        self.ask(c, kill_after=self.rnd.choice((0.0, 0.01, 0.02, 0.05, 0.3, 1)))
        time.sleep(0.3)
        self.either(c, None)

    def amid(self):
        """An accident amid a command. Where the answer was lost with the master, a repeated command may find its own work."""
        c, said = self.rnd.choice([f for f in COMMANDS if f not in (start_afresh, export_import)])(self), []

        def ask():
            try:
                said.append(self.ask(c))
            except AssertionError as e:
                said.append(e)
        t = threading.Thread(target=ask)
        t.start()
        time.sleep(self.rnd.choice((0.01, 0.02, 0.05, 0.2, 0.5)))
        self.event()
        t.join()
        if not isinstance(said[0], Answer):
            raise said[0]
        self.either(c, said[0].done or None)

    def step(self):
        x = self.rnd.random()
        if x < 0.28:
            self.event()
        elif x < 0.38:
            self.two()
        elif x < 0.45:
            self.cut()
        elif x < 0.55:
            self.amid()
        else:
            self.one()
        if self.rnd.random() < 0.3:
            time.sleep(self.rnd.choice((0.1, 1, 2)))

    def settled(self):
        """Each subtask as the model wants it."""
        found = self.subtasks()
        for t, subs in self.model.tasks.items():
            for s, stage in subs.items():
                sub = found.get(t, {}).get(s, {})
                if sub.get("stage") != stage or (stage == "Running" and (sub.get("unit") != "Sync" or (sub.get("result") or {}).get("errors"))):
                    return False
        return True

    def shown(self):
        return {t: {s: (sub["stage"], sub["unit"], (sub.get("result") or {}).get("errors")) for s, sub in subs.items()} for t, subs in self.subtasks().items()}

    def settle(self, timeout=180):
        self.thaw()
        time.sleep(0.5)
        try:
            procs.wait_for(self.settled, timeout, "", 0.3)
        except AssertionError:
            raise AssertionError(f"not as wanted within {timeout} s: {self.shown()}\n{self.model}\n{self.members()}\n{self.story()}") from None
        self.check("settled")

    def begin(self):
        self.start()
        for w in self.writers:
            w.start()
        for s in SOURCES:
            c = Command(["operate-source", "create", self.folder / f"{s}.yaml"], True)
            assert self.ask(c).done, self.story()
            self.model.sources[s] = {"relay": False, "held": False}
        for t in TASKS:
            assert self.ask(Command(["start-task", self.folder / f"{t}.yaml"], True, slow=True)).done, self.story()
            self.model.tasks[t] = {s: "Running" for s in TASKS[t]}

    def calm(self):
        """Nothing more happens: what is wanted comes, and no task pauses for what is over."""
        self.thaw()
        for n in "ab":
            for place in PLACES:
                self.hosts[n].failpoints.disarm(place)
        self.armed.clear()
        for w in self.writers:
            w.calm = True
        for s, x in self.model.sources.items():
            if x["held"]:
                assert self.ask(Command(["resume-relay", "-s", s], True)).done, self.story()
                x["held"] = False
        self.settle()

    def heal(self):
        """Everything is there again and told to go on."""
        self.write_files()
        for n in "ab":
            procs.wait_for(lambda: n in self.members(), 90, self.story)
            self.ask(Command(["drain-member", "-n", n, "--cancel"], True))
        procs.wait_for(lambda: {n for n, w in self.members().items() if w["stage"] != "offline"} == set("mabc"), 90, lambda: f"{self.members()}\n{self.story()}")
        for s in SOURCES:
            assert self.ask(Command(["operate-source", "create", self.folder / f"{s}.yaml"], True)).done, self.story()
            self.model.sources.setdefault(s, {"relay": False, "held": False})
            assert self.ask(Command(["resume-relay", "-s", s], True)).done, self.story()
            self.model.sources[s]["held"] = False
        for t in TASKS:
            assert self.ask(Command(["start-task", self.folder / f"{t}.yaml"], True, slow=True)).done, self.story()
            assert self.ask(Command(["resume-task", t], True)).done, self.story()
            self.model.tasks[t] = {s: "Running" for s in TASKS[t]}

    def marks(self):
        for w in self.writers:
            w.stop()
            w.server.run(f"CREATE TABLE {w.db}.last (id int PRIMARY KEY)", f"INSERT INTO {w.db}.last VALUES (7)")

    def arrived(self, t, d):
        try:
            return self.target(t).query(f"SELECT id FROM {d}.last") == ((7,),)
        except Exception:  # noqa: BLE001 - not there yet
            return False

    def equal(self, compare):
        self.marks()
        for t, subs in TASKS.items():
            for s, d in subs.items():
                procs.wait_for(lambda: self.arrived(t, d), 180, lambda: f"the end of {d} did not come: {self.shown()}\n{self.story()}", 0.3)
                compare(self.ups[SOURCES.index(s)], self.target(t), d, self.story)

    def only_wanted(self):
        """One relay a source, one sync a subtask, in all hosts together; nothing else."""
        want = sorted([f"tidegate-relay: {s}" for s in SOURCES] + [f"tidegate-sync: {t}@{s}" for t, subs in TASKS.items() for s in subs])
        procs.wait_for(lambda: sorted(p.title for p in self.units()) == want, 90, lambda: f"{self.units()}, wanted {want}\n{self.story()}")
        at = {s: x["worker"] for s, x in self.sources().items()}
        for n in "abc":
            here = {p.title for p in procs.tree(self.hosts[n].process.pid) if p.unit == "relay"}
            assert here == {f"tidegate-relay: {s}" for s, a in at.items() if a == n}, f"{here} on {n}, bound {at}\n{self.story()}"

    def end(self):
        """All is stopped: no process of a unit, and what is recorded downstream is there still, one owner each."""
        for t in TASKS:
            assert self.ask(Command(["stop-task", t], True)).done, self.story()
        for s in SOURCES:
            assert self.ask(Command(["stop-relay", "-s", s], True)).done, self.story()
        procs.wait_for(lambda: not self.units(), 90, lambda: f"after all was stopped: {self.units()}\n{self.story()}")
        for s in SOURCES:
            assert self.ask(Command(["operate-source", "stop", s], True)).done, self.story()
        self.model = Model()
        self.check("after all was stopped")
        for t, subs in TASKS.items():
            for s in subs:
                rows = self.target(t).query("SELECT slot, epoch FROM dm_meta.tidegate_slot WHERE task=%s AND source=%s", (t, s))
                assert rows and len({e for _, e in rows}) == 1, f"{t}@{s}: {rows}\n{self.story()}"
        for h in self.hosts.values():
            assert h.stop() == 0, self.story()
            left = [os.path.join(d, f) for d, _, fs in os.walk(h.run) for f in fs if f.endswith(".sock")]
            assert not left or self.hard(), f"{left}\n{self.story()}"

    def hard(self):
        """Was somebody killed? What it had listened at lies there until the next one of its kind."""
        return any(word in line for line in self.told for word in ("kill -9", "kill at", "power cut", "SIGSTOP", "stands still"))

    def go(self, steps, compare):
        self.begin()
        for _ in range(steps):
            self.step()
        self.tell("--- calm")
        self.calm()
        self.tell("--- heal")
        self.heal()
        self.settle()
        self.equal(compare)
        self.settle()
        self.only_wanted()
        self.end()
        assert not self.twins, f"{self.twins}\n{self.story()}"
        assert not self.accidents(), "\n".join(self.accidents()[:20]) + self.story()
