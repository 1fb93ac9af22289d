"""Dump and load, relay and sync, alone against real servers: the scripts beside their code, with a stand-in for supervisor and agent."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NO_PASSWORD = "root@'127.0.0.1'"  # what the scripts log in as; gone again afterwards
LONG = [pytest.param(*d, marks=pytest.mark.long) for d in (("my97", "ma1011"), ("my97", "my97"), ("ma1011", "ma1011"), ("ma118", "my97"), ("ma105", "ma1011"))]


@pytest.mark.long  # minutes each; what they show is also shown, with more processes, by c and k
@pytest.mark.root
@pytest.mark.parametrize("script", ["units/load/live_test.py", "units/sync/live_test.py"])
@pytest.mark.parametrize("source, target", [("ma1011", "my97")] + LONG)
def test_script(script, source, target, make_pair, build_dir):
    pair = make_pair(source, target)
    mysql = [s for s in (pair.source, pair.target) if s.flavor == "mysql"]  # MariaDB's first data folder has that account
    for s in mysql:
        s.run("SET sql_log_bin = 0", f"CREATE USER IF NOT EXISTS {NO_PASSWORD} IDENTIFIED BY ''", f"GRANT ALL ON *.* TO {NO_PASSWORD} WITH GRANT OPTION")
    try:
        done = subprocess.run([sys.executable, "-B", str(ROOT / script), str(build_dir), str(pair.source.port), str(pair.target.port)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=900,
                              env=dict(os.environ, PYTHONUNBUFFERED="1", TIDEGATE_RUN=str(pair.source.run_dir), EXTRA=pair.source.extra, POOL="96M"))  # one starts the upstream again
        assert done.returncode == 0, f"{script}: exit {done.returncode}\n{done.stdout[-6000:]}"
    finally:
        for s in mysql:
            s.run("SET sql_log_bin = 0", f"DROP USER {NO_PASSWORD}")
