"""Tables are cut at places of any key, and no cut loses or doubles a row: whatever the collation pads, folds or sorts apart."""
import time

import pytest

import anykey

SMALL = {"chunk_bytes": 4096, "statement_size": 1024, "threads": 4}
pytestmark = pytest.mark.root
SOURCES = ["my97", "ma1011", pytest.param("ma105", marks=pytest.mark.long), pytest.param("ma118", marks=pytest.mark.long)]


@pytest.fixture
def copy(build_dir):
    made = []

    def make(pair, schemas, **options):
        c = anykey.Copy(build_dir, pair.source, pair.target, schemas, dict(SMALL, **options))
        made.append(c)
        c.run(300)
        return c

    yield make
    for c in made:
        c.close()


def check(pair, c, schema):
    """Both sides are equal, and each chunk's range holds its rows. Returns each table's stretches and chunks."""
    pair.assert_equal(schema, lambda: c.out[-3000:])
    return {t["table"]: anykey.check_chunks(pair.source, t) for t in c.told()}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", ["text", "numbers", "times", "bytes", "odd_shapes", "partitions"])
def test_cuts(kind, source, make_pair, copy):
    pair = make_pair(source, source)
    tables = anykey.Tables(pair.source, "k", 600 if kind == "text" else 1500)
    getattr(tables, f"of_{kind}")()
    told = check(pair, copy(pair, ["k"]), "k")
    print({t: n for t, n in told.items()})
    assert set(told) == set(tables.made)
    whole = {"nullable", "nokey", "float", "double", "enum", "descending", "hash"}
    wrong = {t: n for t, n in told.items() if (n[0] > 1 if t in whole else n[0] < (1 if kind == "text" else 3))}
    assert not wrong, wrong
    if kind == "text":
        cut = [t for t, (stretches, _) in told.items() if stretches > 1]
        assert len(cut) > len(told) * 0.7, sorted(set(told) - set(cut))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["ma1011", pytest.param("my97", marks=pytest.mark.long)])
def test_thousands_of_partitions(source, make_pair, copy):
    """8,000 partitions, few of them with many rows: read in good time, and each row once."""
    pair = make_pair(source, source)
    per_table = {s: s.query("SELECT @@innodb_file_per_table")[0][0] for s in (pair.source, pair.target)}
    try:
        for s in per_table:
            s.run("SET GLOBAL innodb_file_per_table=0")  # making 8,000 files is the server's time, not ours
        parts = ",".join(f"PARTITION p{i} VALUES LESS THAN ({i * 10})" for i in range(1, 8000))
        pair.source.run("CREATE DATABASE k")
        pair.source.run(f"CREATE TABLE k.many (id int NOT NULL, j int NOT NULL, v varchar(200), PRIMARY KEY (j, id)) PARTITION BY RANGE (id) ({parts}, PARTITION rest VALUES LESS THAN MAXVALUE)")
        rows = [(i * 7 % 79990, i, "x" * 50) for i in range(0, 8000, 3)] + [(200000 + i, i, "y" * 50) for i in range(6000)]
        with pair.source.connect(database="k", autocommit=False) as c, c.cursor() as cur:
            for i in range(0, len(rows), 500):
                cur.execute("INSERT INTO many VALUES " + ",".join(["(%s,%s,%s)"] * len(rows[i:i + 500])), [v for r in rows[i:i + 500] for v in r])
            c.commit()
        begin = time.monotonic()
        c = copy(pair, ["k"], chunk_bytes=65536)
        took = time.monotonic() - begin
        assert pair.target.query("SELECT COUNT(*), SUM(id), SUM(j) FROM k.many") == pair.source.query("SELECT COUNT(*), SUM(id), SUM(j) FROM k.many")
        table, = c.told()
        stretches, chunks = anykey.check_chunks(pair.source, table)
        print(f"{took:.0f} s, {stretches} stretches, {chunks} chunks")
        assert 30 <= stretches <= 200
    finally:
        for s, value in per_table.items():
            s.run(f"SET GLOBAL innodb_file_per_table={value}")
