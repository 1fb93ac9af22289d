"""Jobs by DM's two files with `routes`: for the tests of c09."""
import json

from servers import PASSWORD, USER

TASK = """name: run
task-mode: {mode}
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances:
  - {{source-id: one, block-allow-list: ours, route-rules: {rules}{more}}}
block-allow-list: {{ours: {{do-dbs: [app, "shard_?", ref]}}}}
routes:
{routes}
"""
SOURCE = """source-id: one
from: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
"""


class Files:
    """A job by DM's two files."""

    def __init__(self, pair, job, routes, mode="all", more=""):
        self.pair, self.job = pair, job(source_url="-", target_url="-")
        self.job.source_url = self.job.target_url = None
        self.task, self.source = self.job.folder / "task.yaml", self.job.folder / "source.yaml"
        words = dict(user=USER, password=PASSWORD)
        self.task.write_text(TASK.format(mode=mode, port=pair.target.port, rules=json.dumps(list(routes)), more=more,
                                         routes="\n".join(f"  {n}: {json.dumps(r)}" for n, r in routes.items()), **words))
        self.source.write_text(SOURCE.format(port=pair.source.port, **words))
        for f in (self.task, self.source):
            f.chmod(0o600)

    def run(self, *more, **kw):
        return self.job.run(self.task, self.source, *more, **kw)

    def follow(self):
        self.job.start(self.task, self.source, "--stay", until=None)
        self.job.wait_status(lambda x: x.get("phase") == "sync")
        return self.job


def killed(f, *points, **kw):
    """A run in which a unit is killed at each of these, once."""
    before = {p: f.job.failpoints.fired(p) for p in points}
    for p in points:
        f.job.failpoints.arm(p)
    f.run(**kw)
    fired = {p: f.job.failpoints.fired(p) for p in points}
    assert all(fired[p] > before[p] for p in points), f"{before} {fired}\n{f.job.story()}"
