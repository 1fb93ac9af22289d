"""Three hosts, each with a network of its own, three masters on an etcd with a member on each host, a MariaDB and a MySQL that are written to all the while.
Hosts are killed and cut off in both directions and in one, the leading master and members of etcd are killed, in the dump, the load and the sync: the other
hosts take over within seconds, both sides are equal at the end, and the downstreams' binlogs prove that never two wrote."""
import os
import random
import re
import subprocess
import time

import pytest

import namespaces
import procs
import servers as servers_module
from conftest import Pair
from hosts import Host
from servers import PASSWORD, USER
from workload import Workload

pytestmark = [pytest.mark.root, pytest.mark.slow]
LEASE = 3     # seconds, of the agents
ELECTION = 5  # of the masters


class Job:
    """A source with its task, and who writes to it."""

    def __init__(self, name, pair, seed):
        self.name, self.pair = name, pair
        self.work = Workload(pair.source, "app", threads=2, rows=150, pause=0.02, seed=seed).make()

    def slots(self):
        try:
            return self.pair.target.query("SELECT epoch, updated FROM dm_meta.tidegate_slot WHERE slot > 0")
        except servers_module.pymysql.MySQLError:
            return ()

    def epoch(self):
        return max((e for e, _ in self.slots()), default=0)

    def sessions(self):
        """What the downstream does, and whose connections it knows."""
        rows = self.pair.target.query("SHOW FULL PROCESSLIST") + self.pair.target.query("SELECT * FROM dm_meta.tidegate_connection")
        return "\n".join(str(r)[:300] for r in rows)

    def chunks(self):
        try:
            return self.pair.target.query("SELECT COUNT(*) FROM dm_meta.tidegate_chunk")[0][0]
        except servers_module.pymysql.MySQLError:
            return 0


class Site:
    def __init__(self, bin_dir, folder, server):
        self.folder = folder
        self.network = namespaces.Network(3)
        self.etcd, self.hosts, self.jobs, self.took = None, [], [], {}
        self.bin, self.server = bin_dir, server

    def build(self):
        self.etcd = namespaces.Etcd(self.folder / "etcd", self.network)
        key = self.folder / "key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        masters = [f"tcp://{a}:8261" for a in self.network.addresses]
        for i in range(3):
            self.hosts.append(Host(self.bin, self.folder, f"h{i}", store=self.etcd.url(), masters=masters, key=key, prefix=self.network.prefix(i), config={
                "master": {"listen": masters[i], "plain-tcp": "yes", "lease": LEASE}, "agent": {"plain-tcp": "yes"}}))
            self.hosts[i].start()
        procs.wait_for(lambda: len(self.agents()) == 3 and set(self.agents().values()) <= {"free", "bound"}, 60, lambda: f"{self.agents()}\n{self.story()}", 0.3)
        return self

    def alive(self):
        return [h for h in self.hosts if h.process and h not in self.apart]

    apart = ()

    def ask(self, *words, timeout=40):
        """Of whichever master answers."""
        end, said = time.monotonic() + timeout, ""
        while time.monotonic() < end:
            for h in self.alive():
                said = h.ask(*words, expect=None)
                if isinstance(said, dict):
                    return said
            time.sleep(0.3)
        raise AssertionError(f"{words}: {said}\n{self.story()}")

    def agents(self):
        answer = self.ask("list-member")
        return {w["name"]: w["stage"] for m in answer["members"] for w in m.get("worker", {}).get("workers", [])}

    def leader(self):
        name = self.ask("list-member", "-l")["members"][0]["leader"]["name"]
        return next(h for h in self.hosts if h.name == name)

    def story(self):
        return "\n".join(h.story() for h in self.hosts)

    def files(self, job):
        source, task = self.folder / f"{job.name}.source.yaml", self.folder / f"{job.name}.task.yaml"
        where = f"host: {self.network.outer_address}, port: {{}}, user: {USER}, password: '{PASSWORD}'"
        source.write_text(f"source-id: {job.name}\nfrom: {{{where.format(job.pair.source.port)}}}\n")
        task.write_text(f"name: t-{job.name}\ntask-mode: all\ntarget-database: {{{where.format(job.pair.target.port)}}}\n"
                        f"mysql-instances: [{{source-id: {job.name}, block-allow-list: b}}]\nblock-allow-list: {{b: {{do-dbs: [app]}}}}\n")
        return source, task

    def add(self, job):
        self.jobs.append(job)
        source, task = self.files(job)
        self.ask("operate-source", "create", source)
        self.ask("start-task", task)

    def status(self, job):
        answer = self.ask("query-status", f"t-{job.name}")
        s = answer["sources"][0]
        return s["sourceStatus"]["worker"], s["subTaskStatus"][0] if s["subTaskStatus"] else {}

    def owner(self, job):
        name = self.status(job)[0]
        return next(h for h in self.hosts if h.name == name)

    def wait_sync(self, job, timeout=90):
        def there():
            _, sub = self.status(job)
            return sub.get("stage") == "Running" and sub.get("unit") == "Sync" and sub["tidegate"]["sync"].get("phase") in ("catch-up", "live")
        procs.wait_for(there, timeout, lambda: f"{job.name} does not follow: {self.status(job)}\n{self.story()}", 0.3)

    def wait_taken(self, job, was, began, what, timeout=90):
        """Until somebody with a greater epoch has committed progress, or a chunk; how long it took is kept."""
        before, chunks = max((u for _, u in job.slots()), default=None), job.chunks()

        def taken():
            now = job.slots()
            return any(e > was and (before is None or u > before) for e, u in now) or job.chunks() > chunks
        procs.wait_for(taken, timeout, lambda: f"{job.name}: nobody took over\n{job.sessions()}\n{self.story()}", 0.1)
        self.took.setdefault(what, []).append(time.monotonic() - began)

    # --- what happens ---

    def lose(self, host):
        """Its power is cut: others only hear that nothing comes."""
        i = self.hosts.index(host)
        self.network.cut(i)
        host.kill()
        self.etcd.kill(i)

    def bring_back(self, host):
        i = self.hosts.index(host)
        self.network.heal(i)
        if not self.etcd.running[i]:
            self.etcd.start(i)
        if not host.process:
            host.start()
        self.apart = ()
        self.etcd.wait(i)
        procs.wait_for(lambda: self.agents().get(host.name) in ("free", "bound"), 60, lambda: f"{host.name} does not come back: {self.agents()}\n{self.story()}", 0.3)

    def without(self, host, how, job, what):
        """The job's host is away by `how` until somebody else has taken over."""
        others = [j for j in self.jobs if j is not job and self.status(j)[0] == host.name]
        was = {j: j.epoch() for j in (job, *others)}
        began = time.monotonic()
        how(host)
        self.apart = (host,)
        for j in (job, *others):
            self.wait_taken(j, was[j], began, what)
        self.bring_back(host)

    def cut(self, direction):
        def how(host):
            getattr(self.network, direction)(self.hosts.index(host))
        return how

    def kill_leader(self):
        h = self.leader()
        units = {p.key for x in self.hosts for u in ("relay", "sync") for p in x.below(u)}
        h.below("master")[0].kill()
        time.sleep(ELECTION + LEASE + 2)
        self.leader()
        assert {p.key for x in self.hosts for u in ("relay", "sync") for p in x.below(u)} == units, f"units were started again\n{self.story()}"

    def kill_etcd(self, i):
        self.etcd.kill(i)
        time.sleep(3)
        self.ask("list-member")
        self.etcd.start(i)
        self.etcd.wait(i)

    # --- the end ---

    def finish(self):
        for j in self.jobs:
            j.work.stop()
            j.pair.source.run("CREATE TABLE IF NOT EXISTS app.last (id int PRIMARY KEY)", "REPLACE INTO app.last VALUES (7)")
        for j in self.jobs:
            procs.wait_for(lambda: "last" in str(j.pair.target.query("SHOW TABLES IN app")) and j.pair.target.query("SELECT * FROM app.last"), 120,
                           lambda: f"{j.name}: the last change did not come\n{self.story()}", 0.3)
            j.pair.assert_equal("app", self.story)
            assert_epochs(j.pair.target)

    def say(self):
        every = sorted(s for v in self.took.values() for s in v)
        for what, list_ in self.took.items():
            print(f"{what}: taken over after {', '.join(f'{s:.1f}' for s in list_)} s")
        print(f"{len(every)} take-overs, median {every[len(every) // 2]:.1f} s, worst {every[-1]:.1f} s (lease {LEASE} s, election {ELECTION} s)")

    def close(self):
        for h in self.hosts:
            h.close()
        if self.etcd:
            self.etcd.close()
        self.network.close()


def assert_epochs(server):
    """Each transaction of ours begins with an UPDATE of its own row in tidegate_slot, which holds its owner's epoch: in the order of the downstream's binlog
    they only grow."""
    name = "mysqlbinlog" if server.flavor == "mysql" else "mariadb-binlog"
    program = subprocess.run([str(servers_module.SCRIPT), "program", server.name, name], check=True, capture_output=True, text=True).stdout.strip()
    folder = f"{server.run_dir}/{server.port}/data"
    files = sorted(f"{folder}/{f}" for f in os.listdir(folder) if re.fullmatch(r"mysql-bin\.\d+", f))
    server.run("FLUSH BINARY LOGS")  # so that none of them ends with half an event
    last, seen, table, new = {}, 0, False, False
    out = subprocess.Popen([program, "-v", "--base64-output=DECODE-ROWS", *files], stdout=subprocess.PIPE, text=True, errors="replace")
    row = {}
    for line in out.stdout:
        if not line.startswith("### "):
            if table and new and len(row) >= 4:
                seen += check_epoch(last, row)
            table = new = False
        elif line.startswith(("### UPDATE", "### INSERT", "### DELETE")):
            if table and new and len(row) >= 4:
                seen += check_epoch(last, row)
            table, new, row = "`tidegate_slot`" in line and "UPDATE" in line, False, {}
        elif table and line.startswith("### SET"):
            new = True
        elif table and new:
            m = re.match(r"###   @([1-4])=(.*?)( /\*.*)?$", line)
            if m:
                row[int(m[1])] = m[2]
    assert out.wait() == 0
    assert seen > 50, f"only {seen} transactions in the binlog"


def check_epoch(last, row):
    key, epoch = (row[1], row[2]), int(row[4].split()[0])
    assert epoch >= last.get(key, 0), f"{key}: epoch {epoch} behind {last[key]}"
    last[key] = epoch
    return 1


@pytest.fixture
def site(bin_dir, short_tmp, pool):
    os.chmod(short_tmp, 0o755)
    s = Site(bin_dir, short_tmp, pool)
    made = []

    def server(name, role):
        made.append(pool.get(name, role, extra=f"--bind-address=127.0.0.1,{s.network.outer_address}"))
        return made[-1]
    s.server = server
    yield s
    s.close()
    for m in made:
        pool.drop(m)


def jobs_of(site):
    a = Job("s1", Pair(site.server("ma1011", "nsup"), site.server("my97", "nsdown")), 1)
    b = Job("s2", Pair(site.server("my97", "nsup"), site.server("ma1011", "nsdown")), 2)
    return a, b


def test_one_after_another(site):
    one, two = jobs_of(site)
    site.build()
    with one.work, two.work:
        # In the load, while its first chunk holds locks and its other connections are being made; and in the dump.
        for job, place, how, what in ((one, "load_before_commit", site.cut("cut"), "host cut off in the load"),
                                      (two, "dump_mid_chunk", site.lose, "host killed in the dump")):
            for h in site.hosts:
                h.failpoints.arm(place, "sleep", arg=60000)
            site.add(job)
            met = procs.wait_for(lambda: next((h for h in site.hosts if h.failpoints.fired(place)), None), 60, lambda: f"{place}\n{site.story()}", 0.1)
            for h in site.hosts:
                if h is not met:
                    h.failpoints.disarm(place)
            time.sleep(1.5)
            site.without(met, how, job, what)
            met.failpoints.disarm(place)
            site.wait_sync(job)
        # In the sync.
        site.without(site.owner(one), site.lose, one, "host killed in the sync")
        site.wait_sync(one)
        for n, direction in enumerate(("cut", "cut_out", "cut_in")):
            job = (two, one, two)[n]
            site.without(site.owner(job), site.cut(direction), job, f"host cut off in the sync ({direction})")
            site.wait_sync(job)
        site.kill_leader()
        site.kill_etcd(1)
        for j in (one, two):
            site.wait_sync(j)
            j.work.wait(20)
    site.finish()
    site.say()
    assert max(s for v in site.took.values() for s in v) < 45


@pytest.mark.long
def test_at_random(site):
    """Fifteen minutes; the seed is printed."""
    seed = int(os.environ.get("TIDEGATE_TEST_SEED", "0")) or random.randrange(1, 1 << 30)
    rnd, end = random.Random(seed), time.monotonic() + float(os.environ.get("TIDEGATE_TEST_SECONDS", "900"))
    print(f"seed {seed}", flush=True)
    one, two = jobs_of(site)
    site.build()
    events = os.environ.get("TIDEGATE_TEST_EVENTS", "lose,cut,cut_out,cut_in,leader,etcd,copy").split(",")
    with one.work, two.work:
        for job in (one, two):
            site.add(job)
            site.wait_sync(job)
        while time.monotonic() < end:
            what, job = rnd.choice(events), rnd.choice((one, two))
            print(f"{what} {job.name}", flush=True)
            if what == "leader":
                site.kill_leader()
            elif what == "etcd":
                site.kill_etcd(rnd.randrange(3))
            elif what == "copy":
                again(site, job, rnd)
            else:
                how = site.lose if what == "lose" else site.cut(what)
                site.without(site.owner(job), how, job, f"sync, {what}")
            site.wait_sync(job)
            time.sleep(rnd.uniform(0, 5))
    site.finish()
    site.say()


def again(site, job, rnd):
    """The copy once more, disturbed in the middle."""
    place = rnd.choice(("dump_mid_chunk", "load_before_commit", "load_after_commit", "load_all_done"))
    site.ask("stop-task", f"t-{job.name}")
    procs.wait_for(lambda: not any(h.process and [p for p in h.below("sync") if f"@{job.name}" in p.title] for h in site.hosts), 30, site.story)
    job.pair.target.run("DROP DATABASE IF EXISTS app", "DROP DATABASE IF EXISTS dm_meta")
    for h in site.hosts:
        h.failpoints.arm(place, "sleep", arg=60000)
    fired = {h: h.failpoints.fired(place) for h in site.hosts}
    site.ask("start-task", site.files(job)[1])
    met = procs.wait_for(lambda: next((h for h in site.hosts if h.failpoints.fired(place) > fired[h]), None), 60, lambda: f"{place}\n{site.story()}", 0.1)
    for h in site.hosts:
        if h is not met:
            h.failpoints.disarm(place)
    time.sleep(1.5)
    what = rnd.choice(("lose", "cut", "cut_out", "cut_in"))
    print(f"  {what} of {met.name} in {place}", flush=True)
    site.without(met, site.lose if what == "lose" else site.cut(what), job, f"copy, {what} in {place}")
    met.failpoints.disarm(place)
