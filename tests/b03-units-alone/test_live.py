"""The parts that speak to a server, alone against real ones: the client library (db_live_test) and the relay with its kills, cuts, full
disk, its switch to a replica (relay_live_test). The programs are cmocka's; here they get servers of both families."""
import os
import subprocess

import pytest

import failover
from certificates import Certificates
from ends import Ends, check_meta, live as follow_live


FAMILIES = {"my97": "TIDEGATE_TEST_MYSQL", "ma1011": "TIDEGATE_TEST_MARIADB"}


def live(build_dir, program, server, limit, roles=("up",), ran=()):
    """ran: the tests that no family's server may have skipped."""
    out = run(build_dir, program, limit, {v + ("" if i == 0 else f"_{i + 1}"): server(name, role).url() for name, v in FAMILIES.items() for i, role in enumerate(roles)})
    for name in ran:
        assert out.count(f"       OK ] {name}\n") == len(FAMILIES), out


def run(build_dir, program, limit, more):
    env = dict(os.environ, **more)
    done = subprocess.run([str(build_dir / "test" / program)], env=env, capture_output=True, text=True, errors="replace", timeout=limit)
    bad = [line for line in (done.stdout + done.stderr).splitlines() if "FAILED" in line or "ERROR" in line or "LINE" in line]
    assert done.returncode == 0, f"{program}: exit {done.returncode}\n" + "\n".join(bad[:30])
    assert "PASSED" in done.stdout + done.stderr
    return done.stdout + done.stderr


def test_client_library(build_dir, server):
    live(build_dir, "db_live_test", server, 600)


def test_system_authorities(build_dir, fleet, tmp_path):
    """verify-identity and verify-ca without an ssl-ca: by the authorities that the system trusts."""
    files = Certificates(tmp_path / "tls")
    made = files.make("server", "server", san="IP:127.0.0.1", owner=(os.geteuid(), os.getegid()))
    s, = fleet("my97", "trusted", extra=f"--ssl-cert={made['ssl-cert']} --ssl-key={made['ssl-key']}")
    trust = {"TIDEGATE_TEST_TRUSTED": "1", "SSL_CERT_FILE": str(made["ssl-ca"]), "SSL_CERT_DIR": str(tmp_path / "none")}
    run(build_dir, "db_live_test", 600, {"TIDEGATE_TEST_MYSQL": s.url(), **trust})


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="gives the relay a user of its own and mounts a small disk")
def test_relay(build_dir, server):
    live(build_dir, "relay_live_test", server, 900, roles=("live1",), ran=("test_kill", "test_quota", "test_disk_full"))


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the relay a user of its own")
def test_relay_switches(build_dir, pool, server, monkeypatch):
    """To a replica, and back to what is behind it, and to one whose binlog was reset."""
    made = []

    def fresh(name, role):
        if name in pool.without:
            pytest.skip(f"--without {name}")
        made.append(pool.get(name, role))
        if len(made) % 2 == 0:
            failover.follow(made[-1], made[-2])
        return made[-1]

    monkeypatch.setenv("TIDEGATE_TEST_ONLY", "test_switch")
    try:
        live(build_dir, "relay_live_test", fresh, 600, roles=("switch1", "switch2"), ran=("test_switch",))
    finally:
        for s in made:
            pool.drop(s)


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="gives the relay a user of its own")
def test_relay_beyond_4_gib(build_dir, server, monkeypatch):
    """One transaction of 4.6 GB in one file; the relay is killed behind 4 GiB, where a stream can't be asked for."""
    monkeypatch.setenv("TIDEGATE_TEST_ONLY", "test_huge")
    monkeypatch.setenv("TIDEGATE_TEST_HUGE", "1")
    live(build_dir, "relay_live_test", server, 1800, roles=("huge",), ran=("test_huge",))


@pytest.mark.long
@pytest.mark.parametrize("source, target", [("ma1011", "my97"), ("my97", "ma1011")])
def test_applied_beyond_4_gib(build_dir, server, source, target):
    """Relay and sync: a transaction whose last events, and a file whose last transactions, begin and end beyond 4 GiB; the sync is killed in the middle."""
    ends = Ends(server, source, target)
    up, down = ends.up, ends.down
    rows, row = 230, 20 << 20
    f = follow_live.Follow(build_dir, up, down, ["huge"])
    try:
        f.start(1500)
        up.run("CREATE DATABASE huge", "CREATE TABLE huge.t (id int PRIMARY KEY, v longblob)", "CREATE TABLE huge.s (id int PRIMARY KEY)")
        f.wait(60)
        f.failpoints.arm("large_rows", "kill", at=rows // 2)
        with up.connect(database="huge", autocommit=False) as c, c.cursor() as cur:
            for i in range(rows):
                cur.execute(f"INSERT INTO t VALUES ({i}, REPEAT('{chr(97 + i % 26)}', {row}))")
            file = up.position()[0]
            cur.execute("INSERT INTO s VALUES (1)")
            c.commit()
        up.run("INSERT INTO huge.s VALUES (2)")
        sizes = {r[0]: int(r[1]) for r in up.query("SHOW BINARY LOGS")}
        assert sizes[file] > 4 << 30, sizes
        f.wait(1200)
        assert f.failpoints.fired("large_rows") == 1
        f.stop()
        content = "SELECT id, LENGTH(v), SHA2(v, 256) FROM huge.t ORDER BY id"
        assert up.query(content) == down.query(content) and len(down.query(content)) == rows
        assert [r[0] for r in down.query("SELECT id FROM huge.s ORDER BY id")] == [1, 2]
        check_meta(down, f)
    finally:
        f.close()
        for s in (up, down):
            s.run("DROP DATABASE IF EXISTS huge")
