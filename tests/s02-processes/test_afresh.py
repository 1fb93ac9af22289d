"""Tasks that begin afresh (start-task --remove-meta), and what is lost under them."""
import procs
import pytest
from hosts import Host
from servers import PASSWORD, USER

pytestmark = pytest.mark.root
TASK = """
name: afresh
task-mode: {mode}
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: one, block-allow-list: app{meta}}}]
block-allow-list: {{app: {{do-dbs: [app]}}}}
"""


@pytest.fixture
def host(bin_dir, short_tmp, make_pair):
    short_tmp.chmod(0o755)
    h = Host(bin_dir, short_tmp, "h")
    h.pair = make_pair("ma1011", "my97")
    h.pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    (short_tmp / "one.yaml").write_text(f"source-id: one\nfrom: {{host: 127.0.0.1, port: {h.pair.source.port}, user: {USER}, password: '{PASSWORD}'}}\n")
    h.start()
    try:
        procs.wait_for(lambda: h.agents().get("h") == "free", 60, h.story)
        h.ask("operate-source", "create", short_tmp / "one.yaml")
        yield h
    finally:
        h.close()


def begin(h, mode, meta=""):
    path = h.folder / "afresh.yaml"
    path.write_text(TASK.format(mode=mode, port=h.pair.target.port, user=USER, password=PASSWORD, meta=meta))
    h.ask("start-task", path, "--remove-meta")


def arrives(h, number):
    def there():
        try:
            return (number,) in h.pair.target.query("SELECT id FROM app.t")
        except Exception:  # noqa: BLE001 - no table yet
            return False
    h.pair.source.run(f"INSERT INTO app.t VALUES ({number})")
    procs.wait_for(there, 60, lambda: f"{number} did not come: {h.ask('query-status', 'afresh', expect=None)}\n{h.story()}", 0.2)


def lose_relay(h):
    lost = h.below("relay")[0]
    lost.kill()
    procs.wait_for(lambda: [p for p in h.below("relay") if p.key != lost.key], 60, lambda: f"the relay did not come back\n{h.story()}")


def test_relay_lost_in_sync(host):
    """Nothing is copied in this mode, so the master never hears that a copy is done."""
    pair = host.pair
    pair.target.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    file, offset = pair.source.query("SHOW MASTER STATUS")[0][:2]
    begin(host, "incremental", f", meta: {{binlog-name: {file}, binlog-pos: {offset}}}")
    arrives(host, 2)
    procs.wait_for(lambda: host.ask("query-status", "afresh")["sources"][0]["subTaskStatus"][0]["tidegate"]["sync"].get("phase") == "live", 60, host.story, 0.2)
    lose_relay(host)
    arrives(host, 3)
    pair.assert_equal("app", host.story)


def test_relay_lost_in_copy(host):
    host.failpoints.arm("load_before_commit", "sleep", arg=300000)
    begin(host, "all")
    procs.wait_for(lambda: host.failpoints.fired("load_before_commit"), 60, host.story)
    procs.wait_for(lambda: host.ask("query-status", "afresh")["sources"][0]["subTaskStatus"][0]["tidegate"]["load"].get("phase") == "load", 60, host.story, 0.2)
    lose_relay(host)
    host.failpoints.disarm("load_before_commit")
    arrives(host, 2)
    host.pair.assert_equal("app", host.story)
