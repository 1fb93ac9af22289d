"""A full copy by DM's files, with chunks of one MiB: so that tables of a test's size have many."""
import threading

import procs
from servers import PASSWORD

TASK = """name: copy
task-mode: {mode}
target-database: {{host: 127.0.0.1, port: {to}, user: tg, password: "{password}"}}
mysql-instances: [{{source-id: s1, block-allow-list: only, mydumper-config-name: small, loader-config-name: few}}]
block-allow-list: {{only: {{do-dbs: [{schemas}]}}}}
mydumpers: {{small: {{threads: {threads}, chunk-filesize: 1}}}}
loaders: {{few: {{pool-size: {threads}}}}}
"""
SOURCE = """source-id: s1
from: {{host: 127.0.0.1, port: {port}, user: tg, password: "{password}"}}
"""


def copying(job, folder, pair, schemas, mode="full", threads=4, source_port=None):
    """(a Job, the files that are its arguments)."""
    task, source = folder / "task.yaml", folder / "source.yaml"
    names = ", ".join(f'"{s}"' for s in schemas)
    task.write_text(TASK.format(mode=mode, to=pair.target.port, password=PASSWORD, schemas=names, threads=threads))
    source.write_text(SOURCE.format(port=source_port or pair.source.port, password=PASSWORD))
    for f in (task, source):
        f.chmod(0o600)
    j = job(source_url="", target_url="")
    j.source_url = j.target_url = None
    return j, [str(task), str(source)]


def numbers(server, db, count):
    """db.n: the numbers from 1 to count (at most a million)."""
    server.run(f"CREATE TABLE {db}.n (i int PRIMARY KEY)",
               f"INSERT INTO {db}.n WITH RECURSIVE x (i) AS (SELECT 0 UNION ALL SELECT i+1 FROM x WHERE i<999) SELECT 1+a.i*1000+b.i FROM x a JOIN x b WHERE 1+a.i*1000+b.i <= {count}")


class Slow:
    """A place that is passed again and again takes a while, so that there are moments to hit."""

    def __init__(self, j, ms, *places):
        self.j, self.ms, self.places, self.over = j, ms, places or ("load_before_commit",), threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        for place in self.places:
            self.j.failpoints.disarm(place)

    def _work(self):
        fired = {}
        while not self.over.wait(0.01):
            for place in self.places:
                now = self.j.failpoints.fired(place)
                if now != fired.get(place):
                    fired[place] = now
                    self.j.failpoints.arm(place, "sleep", arg=self.ms)


def chunks(target):
    """How many are recorded; 0 before there is a record, or while the server is away."""
    try:
        return target.query("SELECT COUNT(*) FROM dm_meta.tidegate_chunk")[0][0]
    except Exception:  # noqa: BLE001 - no table yet, no server
        return 0


def wait_chunks(j, target, more, timeout=90):
    """Until that many more are recorded. False: it ended before."""
    goal = chunks(target) + more
    procs.wait_for(lambda: chunks(target) >= goal or j.ended(), timeout, lambda: f"no chunk came\n{j.story()}")
    return not j.ended()
