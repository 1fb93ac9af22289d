"""A host that stays, with one pair of servers, and what check-task says there of a second task."""
import json
import re
import subprocess

from grants import make_user, statements

SOURCE = "source-id: {name}\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: '{password}'}}\n"
TASK = """
name: looked
task-mode: {mode}
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: Grants-1}}
mysql-instances: [{{source-id: {source}, block-allow-list: app{meta}}}]
block-allow-list: {{app: {{do-dbs: [app]}}}}
{more}
"""


class Looked:
    """A host that stays, and what check-task says there."""

    def __init__(self, bin_dir, job, pair):
        self.bin, self.source, self.target = bin_dir, pair.source, pair.target
        make_user(self.source, "tgtest", statements(bin_dir, self.source, "upstream"))
        make_user(self.target, "tgtest", statements(bin_dir, self.target, "downstream"))
        self.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "CREATE DATABASE idle", "CREATE TABLE idle.t (id int PRIMARY KEY)")
        self.job = job(pair, tables="idle.*", source_url=self.source.url("tgtest", "Grants-1"), target_url=self.target.url("tgtest", "Grants-1")).start("--stay", until=None)
        self.job.wait_log("following from")
        self.name = self.job.ask("list-member", "-w")["members"][0]["worker"]["workers"][0]["source"]

    def also(self, server, name, user="tgtest"):
        """Another source; its account is there already."""
        path = self.job.folder / f"{name}.yaml"
        path.write_text(SOURCE.format(name=name, port=server.port, user=user, password="Grants-1"))
        assert self.job.ask("operate-source", "create", str(path))["result"]

    def results(self, target=None, source=None, mode="all", more="", user="tgtest", instance=""):
        """[(item, state, what, mend)], what is not worth a word left out; failures last. more: of the task file; instance: of its mysql-instances."""
        path = self.job.folder / "looked.yaml"
        path.write_text(TASK.format(port=(target or self.target).port, source=source or self.name, mode=mode, more=more, user=user, meta=instance + (", meta: {binlog-name: bin.000001, binlog-pos: 4}" if mode == "incremental" and "meta:" not in instance else "")))
        done = subprocess.run([str(self.job.bin / "tidegate"), "check-task", str(path), "--state", self.job.state, "--error", "99", "--warn", "99"], capture_output=True, text=True, timeout=120)
        assert done.stdout, f"{done.stderr}\n{self.job.story()}"
        answer = json.loads(done.stdout)
        if answer["msg"] == "pre-check is passed.":
            return []
        results = sorted(json.loads(answer["msg"])["results"], key=lambda r: r["state"] == "fail")
        return [(r["name"], r["state"], r["errors"][0]["short_error"], r["instruction"]) for r in results]

    def found(self, **kw):
        """{item: (state, what, mend)}, the worst of each item."""
        return {name: rest for name, *rest in self.results(**kw)}

    def case(self, item, state, words, mend, **kw):
        found = self.found(**kw)
        assert item in found and found[item][0] == state, f"{item}: {found}\n{self.job.story()}"
        assert re.search(words, found[item][1]) and re.search(mend, found[item][2]), found[item]

    def gone(self, item, **kw):
        found = self.found(**kw)
        assert item not in found, found
