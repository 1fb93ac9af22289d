"""`tidegate run --until full`: every column type and key between the families, one consistent moment, only the wanted tables."""
import threading
import time

import pymysql
import pytest

import zoo
from workload import Sysbench, Workload


def test_zoo(pair, job):
    """All column types, keys and names of the source's family arrive bit by bit."""
    zoo.make(pair.source, zoo.zoo(pair.source, pair.target))
    j = job(pair)
    j.run(until="full", timeout=180)
    result = pair.assert_equal(zoo.schemas(), j.story, but=zoo.cannot_be(pair))
    assert result.rows > 400


def test_sample(pair, job):
    """Tables large enough for several chunks and connections."""
    Sysbench(pair.source, "sb", tables=3, size=30000).prepare()
    Workload(pair.source, "app", rows=2000).make()
    j = job(pair)
    j.run(until="full", timeout=180)
    assert pair.assert_equal(["sb", "app"], j.story).rows > 90000


def test_only_wanted_tables(make_pair, job):
    pair = make_pair("ma1011", "my97")
    for db in ("app", "shop", "other"):
        pair.source.run(f"CREATE DATABASE {db}", f"CREATE TABLE {db}.orders (id int PRIMARY KEY)", f"CREATE TABLE {db}.items (id int PRIMARY KEY)",
                        f"INSERT INTO {db}.orders VALUES (1),(2)", f"INSERT INTO {db}.items VALUES (1)")
    j = job(pair, tables="app.*,shop.orders")
    j.run(until="full")
    assert pair.target.databases() == ["app", "dm_meta", "shop"]
    pair.assert_equal(["app", "shop"], j.story, wanted=lambda s, t: s == "app" or t == "orders")


def test_again_does_nothing(make_pair, job):
    """The same command after it is done: nothing doubled, done at once."""
    pair = make_pair("ma1011", "ma1011")
    Workload(pair.source, "app", rows=300).make()
    j = job(pair)
    j.run(until="full")
    before = time.monotonic()
    j.run(until="full")
    assert time.monotonic() - before < 60
    pair.assert_equal("app", j.story)


def test_empty_server(make_pair, job):
    """No table at all is no error."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE nothing")
    j = job(pair)
    j.run(until="full")
    assert "nothing" in pair.target.databases()


@pytest.mark.parametrize("consistency", ["auto", "flush", "lock"])
def test_one_moment(consistency, make_pair, job):
    """Money moves between two tables all the while; the copy's sum is the one that every moment has."""
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE bank", "USE bank", *[f"CREATE TABLE bank.{t} (id int PRIMARY KEY, v bigint, pad char(200))" for t in ("a", "z")],
                    *[f"INSERT INTO bank.{t} SELECT seq, 1000, REPEAT('x', 200) FROM seq_1_to_20000" for t in ("a", "z")])
    stop, failed = threading.Event(), []

    def move(n):
        try:
            with pair.source.connect(database="bank", autocommit=False) as c, c.cursor() as cur:
                i = n
                while not stop.is_set():
                    i = (i * 1103515245 + 12345) % 20000
                    try:
                        cur.execute("UPDATE a SET v = v - 7 WHERE id = %s", (i + 1,))
                        cur.execute("UPDATE z SET v = v + 7 WHERE id = %s", (20000 - i,))
                        c.commit()
                    except pymysql.err.OperationalError as e:
                        if e.args[0] != 1213:  # LOCK TABLES met half way: it waits where no moment was free for long, as on a busy machine
                            raise
                        c.rollback()
        except Exception as e:  # noqa: BLE001
            failed.append(repr(e))

    movers = [threading.Thread(target=move, args=(n,), daemon=True) for n in range(2)]
    for m in movers:
        m.start()
    j = job(pair)
    try:
        j.run("--consistency", consistency, until="full")
    finally:
        stop.set()
        for m in movers:
            m.join(60)
    assert not failed, failed
    a, z = (pair.target.query(f"SELECT COUNT(*), CAST(SUM(v) AS SIGNED) FROM bank.{t}")[0] for t in ("a", "z"))
    assert a[0] == z[0] == 20000
    assert a[1] + z[1] == 40_000_000, f"the snapshot is of several moments: {a[1]} + {z[1]}"
    assert a[1] != 20_000_000, "nothing was written before the copy: the test shows nothing"


@pytest.mark.long
@pytest.mark.parametrize("name", ["ma102", "ma105", "ma114", "ma118"])
@pytest.mark.parametrize("target", ["my97", "ma1011"])
def test_zoo_of_other_versions(name, target, make_pair, job):
    pair = make_pair(name, target)
    zoo.make(pair.source, zoo.zoo(pair.source, pair.target))
    j = job(pair)
    j.run(until="full", timeout=240)
    pair.assert_equal(zoo.schemas(), j.story, but=zoo.cannot_be(pair))
