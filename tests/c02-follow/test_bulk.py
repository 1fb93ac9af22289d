"""Rows written many at a time, by MariaDB's bulk execute and by joins with values: the zoo, with no run of rows too short for it."""
import pytest

import ends
from ends import live

PAIRS = [("my97", "ma1011"), ("ma1011", "ma1011"), ("my97", "my97"), ("ma1011", "my97"), ("my97", "ma102"), ("ma105", "ma105"), ("my97", "ma114"), ("ma118", "ma118")]
WAYS = [("FULL", False), ("FULL", True), ("MINIMAL", True)]
SHORT = [("my97", "ma1011", "FULL", False), ("ma1011", "ma1011", "FULL", True), ("ma1011", "my97", "FULL", True), ("my97", "my97", "MINIMAL", True)]
ALL = SHORT + [pytest.param(*p, *w, marks=pytest.mark.long) for p in PAIRS for w in WAYS if (*p, *w) not in SHORT]


@pytest.mark.parametrize("source, target, image, joins", ALL)
def test_many_rows(build_dir, server, source, target, image, joins):
    e = ends.Ends(server, source, target)
    live.test_bulk(build_dir, e.up, e.down, image, joins)


def test_small_packets(build_dir, server):
    """The downstream's max_allowed_packet is no more than a run of rows has by itself, and one row is nearly as large: a packet above it would end the connection each time."""
    e = ends.Ends(server, "ma1011", "ma1011")
    was = e.down.query("SELECT @@max_allowed_packet")[0][0]
    e.down.run("SET GLOBAL max_allowed_packet=1048576")
    f = live.Follow(build_dir, e.up, e.down, ["p"])
    try:
        f.start()
        e.up.run("CREATE DATABASE p", "CREATE TABLE p.t (id int PRIMARY KEY, v mediumtext)")
        e.up.run("INSERT INTO t SELECT seq, REPEAT(CHAR(97 + seq % 26), 20000) FROM seq_1_to_300", "UPDATE t SET v=CONCAT('u', v)",
                 "INSERT INTO t SELECT seq, REPEAT('l', IF(seq = 1100, 1000000, 100)) FROM seq_1001_to_1200", db="p")
        f.wait()
        assert f.out.count("start tidegate-sync") == 1, f.out[-3000:]
        e.down.run(f"SET GLOBAL max_allowed_packet={was}")  # what compares them makes values longer
        f.end()
    finally:
        e.down.run(f"SET GLOBAL max_allowed_packet={was}")
        f.close()
