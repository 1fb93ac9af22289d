"""Tables are cut at places of any key, and no cut loses or doubles a row: whatever the collation pads, folds or sorts apart."""
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
        assert len(cut) > len(told) * 0.8, sorted(set(told) - set(cut))
