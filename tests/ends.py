"""Relay and sync alone between two servers (units/sync/live_test.py), with the servers of the fixtures."""
from pathlib import Path

from by_path import by_path

live = by_path("sync_live_test", Path(__file__).resolve().parent.parent / "units/sync/live_test.py")


class Ends:
    """The pair of servers, as live_test wants them."""

    def __init__(self, server, source, target, native=False, zone=None):
        """native: MySQL as it was up to 9.5, which does not log what foreign keys do. zone: the upstream's SYSTEM."""
        up = (server(source, "native", extra="--innodb_native_foreign_keys=ON") if native else server(source, zone, env={"TZ": zone}) if zone else server(source, "up"))
        self.up, self.down = self.open(up), self.open(server(target, "down"))
        live.clean(self.up)
        live.clean(self.down)

    @staticmethod
    def open(s):
        """A user without a password: units that no agent started have no key to read one with. server() drops it."""
        s.run("SET sql_log_bin=0", "CREATE USER IF NOT EXISTS tgtestlive@'%'", "GRANT ALL ON *.* TO tgtestlive@'%'")
        return live.Server(s.port, "tgtestlive")


def check_meta(down, f):
    """One watermark, nothing recorded above it, all rows of one epoch."""
    rows = down.query("SELECT slot, epoch, position, COALESCE(applied, '') FROM dm_meta.tidegate_slot WHERE task=%s AND slot>0", f.task)
    place = lambda text: tuple(int(x) for x in text.split(":"))  # noqa: E731
    top = max(place(p) for _, _, p, _ in rows)
    for slot, _, _, applied in rows:
        for line in applied.splitlines():
            start, end, _ = line.split(" ")
            assert place(start) < place(end)
            assert place(end) <= top, f"slot {slot}: {line} is above the watermark {top}, and everything is applied"
    assert len({e for _, e, _, _ in rows}) == 1, rows
