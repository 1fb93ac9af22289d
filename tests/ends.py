"""Relay and sync alone between two servers (units/sync/live_test.py), with the servers of the fixtures."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "units" / "sync"))

import live_test as live  # noqa: E402


class Ends:
    """The pair of servers, as live_test wants them."""

    def __init__(self, server, source, target, native=False):
        """native: MySQL as it was up to 9.5, which does not log what foreign keys do."""
        up = server(source, "native", extra="--innodb_native_foreign_keys=ON") if native else server(source, "up")
        self.up, self.down = self.open(up), self.open(server(target, "down"))
        live.clean(self.up)
        live.clean(self.down)

    @staticmethod
    def open(s):
        """A user without a password: units that no agent started have no key to read one with. server() drops it."""
        s.run("SET sql_log_bin=0", "CREATE USER IF NOT EXISTS tgtestlive@'%'", "GRANT ALL ON *.* TO tgtestlive@'%'")
        return live.Server(s.port, "tgtestlive")
