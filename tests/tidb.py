"""The TiDB that tests copy into: its face on a MySQL server (tests/tools/tidb_face.py), or a real one by TIDEGATE_TEST_TIDB=mysql://user:password@host:port.
Both have what the tests use of servers.Server. Statements of the tests themselves go to the server behind the face."""
import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))

import connecting  # noqa: E402
import servers  # noqa: E402
from tidb_face import SCHEMA, Face  # noqa: E402

REAL = os.environ.get("TIDEGATE_TEST_TIDB")


class FacedServer:
    """A MySQL server that shows TiDB's face to those who come by url()."""

    def __init__(self, server):
        self.server, self.face, self.real = server, Face(server.socket, servers.USER, servers.PASSWORD), False

    def __getattr__(self, name):
        return getattr(self.server, name)

    def __repr__(self):
        return f"TiDB's face on {self.server}"

    def url(self, **params):
        url = self.server.url(tls="disabled", **params)
        return url.replace(f":{self.server.port}/", f":{self.face.port}/", 1)

    def through(self, **kw):
        """A connection through the face."""
        return connecting.connect(host="127.0.0.1", port=self.face.port, user=servers.USER, password=servers.PASSWORD, autocommit=True, **kw)

    def jobs(self):
        return self.server.query(f"SELECT QUERY, STATE FROM {SCHEMA}.ddl_jobs ORDER BY JOB_ID")

    def close(self):
        self.face.close()


class RealServer(servers.Server):
    """A TiDB of somebody's own. Everything in it but its system schemas is dropped."""

    def __init__(self, url):
        u = urlsplit(url)
        self.name, self.role, self.real, self.flavor, self.version, self.face = "tidb", "down", True, "tidb", 80011, None
        self.host, self.port, self.user, self.password, self.given = u.hostname, u.port or 4000, unquote(u.username or "root"), unquote(u.password or ""), url

    def connect(self, user=None, password=None, **kw):
        kw.setdefault("charset", "utf8mb4")
        kw.setdefault("autocommit", True)
        return connecting.connect(host=self.host, port=self.port, user=user or self.user, password=self.password if password is None else password, **kw)

    through = connect

    @property
    def where(self):
        return dict(host=self.host, port=self.port, user=self.user, password=self.password)

    def databases(self):
        return [d for d in super().databases() if d.lower() != "metrics_schema"]

    def url(self, **params):
        return self.given

    def jobs(self):
        return self.query("SELECT QUERY, STATE FROM information_schema.DDL_JOBS ORDER BY JOB_ID")

    def close(self):
        pass
