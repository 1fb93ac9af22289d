"""The parts that speak to a server, alone against real ones: the client library (db_live_test) and the relay with its kills, cuts, full
disk (relay_live_test). The programs are cmocka's; here they get servers of both families. The switch to a replica wants a second server
that follows the first (TIDEGATE_TEST_MYSQL_2, TIDEGATE_TEST_MARIADB_2): by hand."""
import os
import subprocess

import pytest


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


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the relay a user of its own and mounts a small disk")
def test_relay(build_dir, server):
    live(build_dir, "relay_live_test", server, 600, roles=("live1",))
