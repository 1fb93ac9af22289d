"""Real servers for the tests: tests/servers.sh starts them, this gives them to Python. One user for everything: USER."""
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import connecting

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "servers.sh"
USER, PASSWORD = "tg", "p@ss:w/rd%1"  # every character that a URL must quote
SYSTEM = {"mysql", "information_schema", "performance_schema", "sys"}


def quote(name):
    return "`" + name.replace("`", "``") + "`"


def port_range():
    """TIDEGATE_TEST_PORTS=13700-13799, else below those that the kernel gives to connections; of that this lane's share."""
    low, high = map(int, os.environ.get("TIDEGATE_TEST_PORTS", "20000-31999").split("-"))
    lanes, lane = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    share = (high + 1 - low) // lanes
    return list(range(low + lane * share, low + (lane + 1) * share))


def free_port():
    """One nobody listens on. Without a wanted range it begins anywhere: another run may be at work."""
    ports = port_range()
    at = 0 if os.environ.get("TIDEGATE_TEST_PORTS") else random.randrange(len(ports))
    for port in ports[at:] + ports[:at]:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError(f"no free port in {ports[0]}-{ports[-1]}")


class Server:
    """One running server. name: my97, ma1011 …; role only tells two of the same name apart."""

    def __init__(self, name, role, run_dir, extra="", binlog=True, env=None):
        self.name, self.role, self.run_dir, self.extra, self.binlog, self.env = name, role, run_dir, extra, binlog, env or {}
        self.port = free_port()
        self.start()
        self._make_user()
        row = self.query("SELECT VERSION()")[0][0]
        self.flavor = "mariadb" if "MariaDB" in row else "mysql"
        a, b, c = map(int, re.match(r"(\d+)\.(\d+)\.(\d+)", row).groups())
        self.version = a * 10000 + b * 100 + c

    def __repr__(self):
        return f"{self.name}/{self.role}"

    def _script(self, *args):
        env = dict(os.environ, TIDEGATE_RUN=str(self.run_dir), EXTRA=self.extra, POOL="96M", BINLOG="1" if self.binlog else "0", **self.env)
        done = subprocess.run([str(SCRIPT), *map(str, args)], env=env, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise RuntimeError(f"servers.sh {' '.join(map(str, args))}: {done.stderr.strip()}")

    def start(self):
        self._script("up", self.name, self.port)

    def stop(self):
        self._script("down", self.port)

    def wipe(self):
        self._script("wipe", self.port)

    @property
    def socket(self):
        return f"{self.run_dir}/{self.port}/s.sock"

    def pid(self):
        return int(Path(f"{self.run_dir}/{self.port}/pid").read_text())

    def _make_user(self):
        with connecting.connect(unix_socket=self.socket, user="root") as c, c.cursor() as cur:
            cur.execute("SET sql_log_bin=0")  # MariaDB logs the statement with its password
            cur.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", (USER, PASSWORD))
            cur.execute("GRANT ALL ON *.* TO %s@'%%' WITH GRANT OPTION", (USER,))

    def connect(self, user=USER, password=PASSWORD, **kw):
        kw.setdefault("charset", "utf8mb4")
        kw.setdefault("autocommit", True)
        return connecting.connect(host="127.0.0.1", port=self.port, user=user, password=password, **kw)

    def run(self, *statements, db=None, sql_mode=None):
        """Statements; text or (text, parameters)."""
        with self.connect(database=db) as c, c.cursor() as cur:
            if sql_mode is not None:
                cur.execute("SET sql_mode=%s", (sql_mode,))
            for s in statements:
                cur.execute(*((s,) if isinstance(s, str) else s))

    def query(self, sql, params=None, db=None):
        with self.connect(database=db) as c, c.cursor() as cur:
            cur.execute(sql, params)
            return cur.fetchall()

    def databases(self):
        return sorted(r[0] for r in self.query("SHOW DATABASES") if r[0].lower() not in SYSTEM)

    def clean(self):
        """Drops every database that is not the server's own, and every account but the standard ones."""
        for d in self.databases():
            self.run("SET foreign_key_checks=0", f"DROP DATABASE {quote(d)}")
        for user, host in self.query("SELECT user, host FROM mysql.user WHERE user LIKE 'tgtest%'"):
            self.run(("DROP USER %s@%s", (user, host)))

    def packets(self, size):
        """max_allowed_packet for new sessions; what it was."""
        was = self.query("SELECT @@GLOBAL.max_allowed_packet")[0][0]
        self.run(f"SET GLOBAL max_allowed_packet={size}")
        return was

    def url(self, user=USER, password=PASSWORD, scheme="mysql", **params):
        from urllib.parse import quote as q

        login = q(user, safe="") + (":" + q(password, safe="") if password is not None else "")
        tail = "?" + "&".join(f"{k.replace('_', '-')}={v}" for k, v in params.items()) if params else ""
        return f"{scheme}://{login}@127.0.0.1:{self.port}/{tail}".removesuffix("/")


class Pool:
    """The session's servers, each started when first asked for."""

    def __init__(self, without=()):
        self.without = set(without)
        self.dir = Path(tempfile.mkdtemp(prefix="tgt-"))
        self.servers = {}

    def get(self, name, role="up", **kw):
        key = (name, role)
        if key not in self.servers:
            self.servers[key] = Server(name, role, self.dir, **kw)
        return self.servers[key]

    def drop(self, server):
        self.servers.pop((server.name, server.role), None)
        server.wipe()

    def close(self):
        for s in self.servers.values():
            s.wipe()
        shutil.rmtree(self.dir, ignore_errors=True)
