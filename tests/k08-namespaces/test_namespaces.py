"""Three hosts, each with a network of its own, three masters on an etcd with a member on each host, a MariaDB and a MySQL that are written to all the while.
Hosts are killed and cut off in both directions and in one, the leading master and members of etcd are killed, in the dump, the load and the sync: the other
hosts take over within seconds, both sides are equal at the end, and the downstreams' binlogs prove that never two wrote."""
import os
import random
import time

import pymysql
import pytest

import namespaces
import procs
from binlogs import assert_epochs
from certificates import Certificates, options
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
        self.owners = {}  # {connection of ours: its epoch}, as far as it was seen
        self.work = Workload(pair.source, "app", threads=2, rows=150, pause=0.02, seed=seed).make()

    def slots(self):
        try:
            return self.pair.target.query("SELECT epoch, updated FROM dm_meta.tidegate_slot WHERE slot > 0")
        except pymysql.MySQLError:
            return ()

    def epoch(self):
        return max((e for e, _ in self.slots()), default=0)

    def note(self):
        """Whose connections dm_meta knows now; the new owner forgets the old one's."""
        try:
            self.owners.update(self.pair.target.query("SELECT connection, epoch FROM dm_meta.tidegate_connection"))
        except pymysql.MySQLError:
            pass

    def waiting_alter(self):
        """The connection of ours whose ALTER waits for somebody's lock."""
        self.note()
        return next((i for i, r in self.processes() if i in self.owners and "metadata lock" in r and "ALTER" in r), None)

    def old_sessions(self, epoch):
        self.note()
        return [r for i, r in self.processes() if self.owners.get(i, epoch + 1) <= epoch]

    def processes(self):
        return [(r[0], str(r)) for r in self.pair.target.query("SHOW FULL PROCESSLIST")]

    def sessions(self):
        """What the downstream does, and whose connections it knows."""
        rows = self.pair.target.query("SHOW FULL PROCESSLIST") + self.pair.target.query("SELECT * FROM dm_meta.tidegate_connection")
        return "\n".join(str(r)[:300] for r in rows)

    def chunks(self):
        try:
            return self.pair.target.query("SELECT COUNT(*) FROM dm_meta.tidegate_chunk")[0][0]
        except pymysql.MySQLError:
            return 0


class Site:
    """tls: masters, agents and the command line of another host speak by TLS, each with a certificate of its own; else by plain TCP."""
    tls = False

    def __init__(self, bin_dir, folder, server):
        self.folder = folder
        self.network = namespaces.Network(3)
        self.etcd, self.hosts, self.jobs, self.took = None, [], [], {}
        self.bin, self.server = bin_dir, server

    def build(self):
        self.etcd = namespaces.Etcd(self.folder / "etcd", self.network)
        self.key = self.folder / "key"
        self.key.write_bytes(os.urandom(32))
        self.key.chmod(0o600)
        self.certs = Certificates(self.folder / "certs") if self.tls else None
        self.operator = options(self.certs.make("op", "alice", "tidegate-operator")) if self.tls else []
        self.masters = [f"{'tls+' if self.tls else ''}tcp://{a}:8261" for a in self.network.addresses]
        for i in range(3):
            self.hosts.append(self.host(i).start())
        procs.wait_for(lambda: len(self.agents()) == 3 and set(self.agents().values()) <= {"free", "bound"}, 60, lambda: f"{self.agents()}\n{self.story()}", 0.3)
        return self

    def host(self, i):
        name, plain = f"h{i}", {} if self.tls else {"plain-tcp": "yes"}
        # libnng wants an address that is a number as a name in the certificate, too (control.md).
        master = self.certs.make(f"m{i}", f"master-{name}", "tidegate-master", san=f"DNS:{self.network.addresses[i]}") if self.tls else plain
        agent = self.certs.make(name, name) if self.tls else plain
        return Host(self.bin, self.folder, name, store=self.etcd.url(), masters=self.masters, key=self.key, prefix=self.network.prefix(i),
                    config={"master": {"listen": self.masters[i], "lease": LEASE, **master}, "agent": agent})

    def alive(self):
        return [h for h in self.hosts if h.process and h not in self.apart]

    apart = ()

    def ask(self, *words, timeout=40):
        """Of whichever master answers."""
        end, said = time.monotonic() + timeout, ""
        while time.monotonic() < end:
            for h in self.alive():
                said = self.ask_one(h, words)
                if isinstance(said, dict):
                    return said
            time.sleep(0.3)
        raise AssertionError(f"{words}: {said}\n{self.story()}")

    def ask_one(self, host, words):
        """By the address of its master, from its own host: a socket file would need no certificate."""
        return host.ask(*words, expect=None, to=self.masters[self.hosts.index(host)], more=self.operator)

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
            job.note()
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

    def alter(self, job, how, what):
        """While an ALTER of the owner's waits in the downstream for a lock: it is ended before anybody else begins, and is done once."""
        self.alters += 1
        job.pair.source.run("CREATE TABLE IF NOT EXISTS app.held (id int PRIMARY KEY)", f"REPLACE INTO app.held (id) VALUES ({self.alters})")
        there = f"SELECT 1 FROM app.held WHERE id={self.alters}"
        procs.wait_for(lambda: "held" in str(job.pair.target.query("SHOW TABLES IN app")) and job.pair.target.query(there), 60,
                       lambda: f"{job.name}: app.held does not come\n{self.story()}", 0.2)
        host, was = self.owner(job), job.epoch()
        with job.pair.target.connect(database="app", autocommit=False) as holder, holder.cursor() as cur:
            cur.execute("SELECT * FROM held")
            job.pair.source.run(f"ALTER TABLE app.held ADD COLUMN c{self.alters} int NOT NULL DEFAULT 3")
            waits = procs.wait_for(job.waiting_alter, 60, lambda: f"no ALTER waits\n{job.sessions()}\n{self.story()}", 0.1)
            assert job.owners[waits] == was

            def how_and_release(lost):
                how(lost)
                self.apart = (lost,)
                procs.wait_for(lambda: job.epoch() > was, 60, lambda: f"nobody took over\n{job.sessions()}\n{self.story()}", 0.1)
                procs.wait_for(lambda: not job.old_sessions(was), 40, lambda: f"the old owner's connections are there\n{job.sessions()}", 0.1)
                holder.rollback()
            self.without(host, how_and_release, job, what)
        self.wait_sync(job)
        job.pair.source.run(f"REPLACE INTO app.held (id) VALUES ({-self.alters})")

    alters = 0

    def cut(self, direction):
        def how(host):
            getattr(self.network, direction)(self.hosts.index(host))
        return how

    def units(self):
        """{process: its host's name and its source}"""
        return {p.key: (h.name, p.title.replace("@", " ").split()[-1]) for h in self.hosts if h.process for u in ("relay", "sync") for p in h.below(u)}

    def settle(self):
        """A host that is back leaves what others have taken: until each unit is its source's owner's."""
        owners = {(self.owner(j).name, j.name) for j in self.jobs}
        procs.wait_for(lambda: set(self.units().values()) == owners, 60, lambda: f"{self.units()} of {owners}\n{self.story()}", 0.2)

    def kill_leader(self):
        h = self.leader()
        self.settle()
        units = self.units()
        h.below("master")[0].kill()
        time.sleep(ELECTION + LEASE + 2)
        self.leader()
        assert self.units() == units, f"units were started again\n{self.story()}"

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
            j.note()
            j.pair.assert_equal("app", self.story)
            assert_epochs(j.pair.target, j.owners)

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


def jobs_of(site, n=2):
    pairs = (("ma1011", "my97"), ("my97", "ma1011"))[:n]
    return [Job(f"s{i}", Pair(site.server(source, "nsup"), site.server(target, "nsdown")), i) for i, (source, target) in enumerate(pairs, 1)]


def test_one_after_another(site):
    one, two = jobs_of(site)
    site.build()
    with one.work, two.work:
        # In the load, while its first chunk holds locks and its other connections are being made; and in the dump.
        for job, place, how, what in ((one, "load_before_commit", site.cut("cut"), "host cut off in the load"),
                                      (two, "dump_mid_chunk", site.lose, "host killed in the dump")):
            for h in site.hosts:
                h.failpoints.arm(place, "sleep", arg=300000)
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
        for job, how in ((one, site.lose), (two, site.cut("cut"))):
            site.alter(job, how, "host lost while its ALTER waited")
        site.kill_leader()
        site.kill_etcd(1)
        for j in (one, two):
            site.wait_sync(j)
            j.work.wait(20)
    site.finish()
    site.say()
    assert max(s for v in site.took.values() for s in v) < 75


def test_by_certificates(site):
    """As real hosts do: masters, agents and the command line by TLS, the leader's place at another host each time."""
    one = jobs_of(site, 1)[0]
    site.tls = True
    site.build()
    other = next(h for h in site.hosts if h.name != site.leader().name)
    assert "60621" in other.ask("list-member", to=site.masters[0], more=options(site.certs.make("x", "x")), expect=1)
    with one.work:
        site.add(one)
        site.wait_sync(one)
        for how, what in ((site.lose, "host killed"), (site.cut("cut_in"), "host cut off (cut_in)")):
            site.without(site.owner(one), how, one, f"{what}, by TLS")
            site.wait_sync(one)
        site.alter(one, site.cut("cut_out"), "host cut off (cut_out) while its ALTER waited, by TLS")
        site.kill_leader()
        site.wait_sync(one)
        one.work.wait(20)
    site.finish()
    site.say()
    assert max(s for v in site.took.values() for s in v) < 75


@pytest.mark.long
def test_at_random(site):
    """Fifteen minutes; the seed is printed."""
    seed = int(os.environ.get("TIDEGATE_TEST_SEED", "0")) or random.randrange(1, 1 << 30)
    rnd, end = random.Random(seed), time.monotonic() + float(os.environ.get("TIDEGATE_TEST_SECONDS", "900"))
    print(f"seed {seed}", flush=True)
    one, two = jobs_of(site)
    site.tls = rnd.random() < 0.5
    print("by TLS" if site.tls else "by plain TCP", flush=True)
    site.build()
    events = os.environ.get("TIDEGATE_TEST_EVENTS", "lose,cut,cut_out,cut_in,leader,etcd,copy,alter").split(",")
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
            elif what == "alter":
                lost = rnd.choice(("lose", "cut", "cut_out", "cut_in"))
                print(f"  {lost}", flush=True)
                site.alter(job, site.lose if lost == "lose" else site.cut(lost), f"ALTER waits, {lost}")
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
    procs.wait_for(lambda: not any(h.process and [p for p in h.below("sync") if f"@{job.name}" in p.title] for h in site.hosts), 60, site.story)
    job.pair.target.run("DROP DATABASE IF EXISTS app", "DROP DATABASE IF EXISTS dm_meta")
    for h in site.hosts:
        h.failpoints.arm(place, "sleep", arg=300000)
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
