"""The parts that speak to a server, alone against real ones: the client library (db_live_test) and the relay with its kills, cuts, full
disk, its switch to a replica (relay_live_test). The programs are cmocka's; here they get servers of both families."""
import os
import subprocess

import pytest

import failover


def live(build_dir, program, server, limit, roles=("up",)):
    env = dict(os.environ)
    for name, variable in (("my97", "TIDEGATE_TEST_MYSQL"), ("ma1011", "TIDEGATE_TEST_MARIADB")):
        for i, role in enumerate(roles):
            env[variable + ("" if i == 0 else f"_{i + 1}")] = server(name, role).url()
    done = subprocess.run([str(build_dir / "test" / program)], env=env, capture_output=True, text=True, errors="replace", timeout=limit)
    bad = [line for line in (done.stdout + done.stderr).splitlines() if "FAILED" in line or "ERROR" in line or "LINE" in line]
    assert done.returncode == 0, f"{program}: exit {done.returncode}\n" + "\n".join(bad[:30])
    assert "PASSED" in done.stdout + done.stderr


def test_client_library(build_dir, server):
    live(build_dir, "db_live_test", server, 240)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="gives the relay a user of its own and mounts a small disk")
def test_relay(build_dir, server):
    live(build_dir, "relay_live_test", server, 600, roles=("live1",))


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
        live(build_dir, "relay_live_test", fresh, 240, roles=("switch1", "switch2"))
    finally:
        for s in made:
            pool.drop(s)
