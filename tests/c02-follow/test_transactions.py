"""XA transactions, savepoints and large ones by relay and sync alone (units/sync/live_test.py has the scenarios), between real servers."""
import os

import pytest
from ends import Ends, live as live_test

PAIRS = [("ma1011", "my97"), ("my97", "ma1011")]
LIKE = [("my97", "my97"), ("ma1011", "ma1011")]
SCENARIOS = [live_test.test_savepoints, live_test.test_xa, live_test.test_xa_kills, live_test.test_xa_unseen, live_test.test_large, live_test.test_large_kills, live_test.test_large_again]


ONE_WAY = [live_test.test_large_again, live_test.test_xa_kills]  # the other one with --long


@pytest.mark.parametrize("scenario, names", [pytest.param(f, p, id=f"{f.__name__[5:]}-{'-to-'.join(p)}", marks=pytest.mark.long if p in LIKE or (f in ONE_WAY and p != PAIRS[0]) else [])
                                             for f in SCENARIOS for p in PAIRS + LIKE])
def test_transactions(scenario, names, make_pair, build_dir, short_tmp, monkeypatch):
    pair = make_pair(*names)
    for s in (pair.source, pair.target):  # without a password: nobody here has the key that one would be encrypted with
        s.run("CREATE USER IF NOT EXISTS tgtest_live@'127.0.0.1'", "GRANT ALL ON *.* TO tgtest_live@'127.0.0.1'")
    monkeypatch.setenv("TGFOLLOW_DIR", str(short_tmp))
    os.chmod(short_tmp, 0o755)
    up, down = (live_test.Server(s.port, "tgtest_live") for s in (pair.source, pair.target))
    up.again = lambda: (pair.source.stop(), pair.source.start())
    try:
        scenario(build_dir, up, down)
    finally:
        for f in live_test.Follow.made:
            f.close()
        live_test.forget_prepared(up)


@pytest.mark.parametrize("target", ["my97", "ma1011"])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
def test_partial_json(target, seed, make_pair, build_dir, short_tmp, monkeypatch):
    monkeypatch.setenv("TIDEGATE_TEST_SEED", str(seed))
    test_transactions(live_test.test_partial_json, ("my97", target), make_pair, build_dir, short_tmp, monkeypatch)


def test_another_setting_of_foreign_keys(build_dir, server):
    """MySQL begun anew with innodb_native_foreign_keys: its binlog no longer says what foreign keys do, so it must happen downstream; and back."""
    source = server("my97", "up")
    e = Ends(server, "my97", "ma1011")
    was = source.extra
    f = live_test.Follow(build_dir, e.up, e.down, ["p"])
    try:
        f.start()
        e.up.run("CREATE DATABASE p", "CREATE TABLE p.boss (id int PRIMARY KEY)",
                 "CREATE TABLE p.child (id int PRIMARY KEY, boss int, FOREIGN KEY (boss) REFERENCES p.boss (id) ON DELETE CASCADE)",
                 "INSERT INTO p.boss VALUES (1), (2), (3), (4)", "INSERT INTO p.child SELECT id * 10, id FROM p.boss", "DELETE FROM p.boss WHERE id=1")
        f.wait()
        for boss, extra in ((2, "--innodb_native_foreign_keys=ON"), (3, was)):
            source.stop()
            source.extra = extra
            source.start()
            e.up.run(f"DELETE FROM p.boss WHERE id={boss}")
            f.wait()
            assert e.down.query("SELECT id FROM p.child ORDER BY id") == tuple((10 * i,) for i in range(boss + 1, 5)), f.out[-3000:]
        assert f.out.count("start tidegate-sync") == 1, f.out[-3000:]
        f.end()
    finally:
        f.close()
        if source.extra != was:
            source.stop()
            source.extra = was
            source.start()


def test_another_setting_and_no_foreign_key(build_dir, server):
    """What was logged needed no foreign key downstream; begun anew the upstream logs it no more, and nothing there does it."""
    source = server("my97", "up")
    e = Ends(server, "my97", "ma1011")
    was = source.extra
    f = live_test.Follow(build_dir, e.up, e.down, ["p"])
    try:
        f.start()
        e.up.run("CREATE DATABASE p", "CREATE TABLE p.boss (id int PRIMARY KEY)",
                 "CREATE TABLE p.child (id int PRIMARY KEY, boss int, CONSTRAINT hangs FOREIGN KEY (boss) REFERENCES p.boss (id) ON DELETE CASCADE)",
                 "INSERT INTO p.boss VALUES (1), (2)", "INSERT INTO p.child SELECT id * 10, id FROM p.boss")
        f.wait()
        f.stop()
        e.down.run("ALTER TABLE p.child DROP FOREIGN KEY hangs")
        f.start()
        e.up.run("DELETE FROM p.boss WHERE id=1")
        f.wait()
        assert e.down.query("SELECT id FROM p.child") == ((20,),)
        source.stop()
        source.extra = "--innodb_native_foreign_keys=ON"
        source.start()
        e.up.run("DELETE FROM p.boss WHERE id=2")
        f.wait_error(60513)
        assert "`p`.`child`, foreign key `hangs` to `p`.`boss` ON DELETE CASCADE" in f.out, f.out[-3000:]
    finally:
        f.close()
        if source.extra != was:
            source.stop()
            source.extra = was
            source.start()
