"""Fixtures of the system tests: servers by name, a clean pair of them, jobs of `tidegate run`, the comparer."""
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import compare as comparer  # noqa: E402
import failover  # noqa: E402
import servers as servers_module  # noqa: E402
from tidegate import Job  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
LANE = os.environ.get("PYTEST_XDIST_WORKER")  # "gw0": one of several processes that share the tests (pytest -n)


def pytest_addoption(parser):
    parser.addoption("--preset", default="test", help="which build to test: build/PRESET (default: test)")
    parser.addoption("--build", default=None, help="another build folder")
    parser.addoption("--long", action="store_true", help="the long tests too, and the Maven servers")
    parser.addoption("--without", action="append", default=[], metavar="SERVER", help="leave this server out knowingly")
    parser.addoption("--seeds", type=int, default=0, help="random tests: how many runs (docs/design/testing.md)")
    parser.addoption("--first-seed", type=int, default=1, help="random tests: where the seeds begin")
    parser.addoption("--pairs", default="my97>my97,my97>ma1011,ma1011>my97,ma1011>ma1011", help="source>target, with commas: what the full path tests run")


def pytest_configure(config):
    known = {"my97", "ma118", "ma105", "ma1011", "ma102", "ma114"}
    for name in config.getoption("--without"):
        if name not in known:
            raise pytest.UsageError(f"--without {name}: there are {', '.join(sorted(known))}")


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda i: (not i.get_closest_marker("slow"), str(i.path.parent.name)))
    if not config.getoption("--long"):
        left = [i for i in items if i.get_closest_marker("long")]
        items[:] = [i for i in items if not i.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left)
    if os.geteuid() != 0:
        for i in items:
            if i.get_closest_marker("root"):
                i.add_marker(pytest.mark.skip(reason="needs root"))


def split_pairs(config):
    without = set(config.getoption("--without"))
    pairs = [tuple(p.split(">")) for p in config.getoption("--pairs").split(",")]
    return [p for p in pairs if not without & set(p)]


def pytest_generate_tests(metafunc):
    if "pair_names" in metafunc.fixturenames:
        pairs = split_pairs(metafunc.config)
        across = metafunc.definition.get_closest_marker("across")
        metafunc.parametrize("pair_names", [pytest.param((a, b), id=f"{a}-to-{b}", marks=[pytest.mark.long] if across and a[:2] == b[:2] else []) for a, b in pairs])


@pytest.fixture(scope="session")
def root_dir():
    return ROOT


def lane_of(build):
    """The build by hard links in a folder of this lane's own. Tests find their processes by the executable: so they see this lane's alone."""
    own = build / "lanes" / LANE
    shutil.rmtree(own, ignore_errors=True)
    for d in ("bin", "test"):
        shutil.copytree(build / d, own / d, copy_function=os.link)
    shutil.copy(build / "CMakeCache.txt", own)
    return own


@pytest.fixture(scope="session")
def build_dir(request):
    b = Path(request.config.getoption("--build") or ROOT / "build" / request.config.getoption("--preset"))
    if not (b / "bin").is_dir():
        pytest.fail(f"{b}/bin is not there: build it first (cmake --preset …, cmake --build …)")
    return lane_of(b).resolve() if LANE else b.resolve()


@pytest.fixture(scope="session")
def bin_dir(build_dir):
    return build_dir / "bin"


@pytest.fixture(scope="session")
def sanitized(build_dir):
    """A sanitizer's build: slower, with the box's one documented difference (T44)."""
    return "TIDEGATE_SANITIZE:STRING=\n" not in (build_dir / "CMakeCache.txt").read_text()


@pytest.fixture(scope="session")
def pool(request):
    p = servers_module.Pool(request.config.getoption("--without"))
    yield p
    p.close()


@pytest.fixture
def server(pool):
    """server("ma1011") or server("ma1011", "down"): running, empty."""
    def get(name, role="up", **kw):
        if name in pool.without:
            pytest.skip(f"--without {name}")
        s = pool.get(name, role, **kw)
        s.clean()
        return s
    return get


@pytest.fixture
def fleet(pool):
    """fleet("ma1011", "a", "b"): servers of this test alone, gone when it ends."""
    made = []

    def make(name, *roles, **kw):
        if name in pool.without:
            pytest.skip(f"--without {name}")
        made.extend(pool.get(name, "own" + r, **kw) for r in roles)
        return made[-len(roles):]

    yield make
    for s in made:
        pool.drop(s)


@pytest.fixture
def forward():
    made = []

    def make(server):
        made.append(failover.Forwarder(server))
        return made[-1]

    yield make
    for f in made:
        f.close()


class Pair:
    """A source, a target, and how to compare them."""

    def __init__(self, source, target):
        self.source, self.target = source, target

    @staticmethod
    def where(s):
        return getattr(s, "where", None) or dict(host="127.0.0.1", port=s.port, user=servers_module.USER, password=servers_module.PASSWORD)

    def compare(self, schemas, **kw):
        return comparer.compare(self.where(self.source), self.where(self.target), [schemas] if isinstance(schemas, str) else schemas, **kw)

    def assert_equal(self, schemas, story=lambda: "", **kw):
        result = self.compare(schemas, **kw)
        assert result, f"{self.source} and {self.target}: {result}\n{story()}"
        assert result.tables > 0, "nothing was compared"
        return result


@pytest.fixture
def pair(server, pair_names):
    """The parametrized source and target of the full path tests, empty."""
    return Pair(server(pair_names[0], "up"), server(pair_names[1], "down"))


@pytest.fixture
def make_pair(server):
    def make(source, target, role="up", **kw):
        return Pair(server(source, role, **kw), server(target, "down"))
    return make


@pytest.fixture
def tidb(server):
    """TiDB, empty: its face on a MySQL server, or a real one (TIDEGATE_TEST_TIDB)."""
    import tidb as tidb_module

    t = tidb_module.RealServer(tidb_module.REAL) if tidb_module.REAL else tidb_module.FacedServer(server("my97", "down"))
    if t.real:
        t.clean()
    yield t
    t.close()


@pytest.fixture
def tidb_pair(server, tidb):
    def make(source):
        return Pair(server(source, "up"), tidb)
    return make


@pytest.fixture
def job(bin_dir, tmp_path, request):
    """job(pair, tables="app.*"): a Job; whatever it leaves is ended. A sanitizer's report or a crash in its log fails the test."""
    made = []

    def make(pair=None, tables=None, source_url=None, target_url=None, **kw):
        j = Job(bin_dir, tmp_path / f"job{len(made)}", source_url or (pair and pair.source.url()), target_url or (pair and pair.target.url()),
                tables, **kw)
        made.append(j)
        return j

    yield make
    for j in made:
        j.close()
    accidents = [line for j in made for line in j.accidents()]
    assert not accidents, "\n".join(accidents[:100])


@pytest.fixture
def short_tmp():
    """A folder with a short path, for sockets."""
    import tempfile

    d = tempfile.mkdtemp(prefix="tg-")
    yield Path(d)
    shutil.rmtree(d, ignore_errors=True)
