"""Random tables (tests/random_tables.py) through the three ways: dump and load in small chunks with the stream behind them, while rows change; files of SQL; files of
CSV. Some are killed. --seeds N: how many of each pair; --first-seed says where to begin. A failure names its seed; TIDEGATE_TEST_TELL=1 prints what the source refused."""
import os
import random
import shutil
import threading
import time

import pytest

import procs
from anykey import Copy
from ends import Ends, live
from file_jobs import FileJob, readable
from random_tables import Maker, also_compared, write

PAIRS = [("ma1011", "my97"), ("my97", "ma1011"), ("my97", "my97"), ("ma1011", "ma1011")]
SECONDS = 600


def seeds(config, turn, few):
    """Each pair has seeds of its own."""
    n = config.getoption("--seeds") or few * (10 if config.getoption("--long") else 1)
    first = config.getoption("--first-seed")
    return [4 * seed + turn for seed in range(first, first + n)]


class Both:
    """The two servers, empty, as the units' live tests want them and as the fixtures have them."""

    def __init__(self, server, source, target):
        self.up, self.down = server(source, "up"), server(target, "down")
        self.live_up, self.live_down = Ends.open(self.up), Ends.open(self.down)

    def clean(self):
        live.clean(self.live_up)
        live.clean(self.live_down)

    def assert_equal(self, schemas, but=()):
        result = live.compare.compare(self.live_up.where, self.live_down.where, schemas, but=but)
        assert result, str(result)
        assert result.tables > 0
        found = also_compared(self.up, self.down, schemas)
        assert not found, "\n".join(found[:5])
        return result


def kill_one(out, unit):
    """kill -9 of the last process of a unit that unit_drive says to have started."""
    pids = [int(line.split()[2]) for line in out.splitlines() if line.startswith(f"start tidegate-{unit} ")]
    for pid in pids[-1:]:
        procs.Proc(pid).kill()


def copy(build, both, m, rnd):
    dump = {"chunk_bytes": rnd.choice([1024, 2048, 8192, 65536, 16 << 20]), "statement_size": rnd.choice([1, 300, 4096, 1000000]), "threads": rnd.choice([1, 2, 4])}
    c = Copy(build, both.up, both.down, m.schemas, dump=dump)
    c.slices["load"]["options"] = {"by": rnd.choice(["auto", "insert", "load-data", "bulk"]), "keys": rnd.choice(["auto", "before", "after"])}
    try:
        c.start(SECONDS)
        if rnd.random() < 0.3:
            time.sleep(rnd.uniform(0.2, 2))
            kill_one((c.dir / "out").read_text(errors="replace"), rnd.choice(["dump", "load"]))
        c.wait()
        return both.down.query("SELECT snapshot_file, snapshot_offset, snapshot_gtid FROM dm_meta.tidegate_plan WHERE task='tk'")[0]
    finally:
        c.close()


def one_run(build, both, seed):
    rnd = random.Random(seed)
    both.clean()
    if both.down.flavor == "mysql":
        both.down.run(f"SET GLOBAL local_infile={rnd.choice(['ON', 'OFF'])}")
    m = told(Maker(seed, both.up, both.down).make())
    over, failed, f = threading.Event(), [], None

    def work():
        try:
            write(both.up, m.tables, random.Random(seed + 1), 400, over.is_set)
        except Exception as e:  # noqa: BLE001 - told below
            failed.append(e)
    writer = threading.Thread(target=work, daemon=True)
    writer.start()
    try:
        start = copy(build, both, m, rnd)
        f = live.Follow(build, both.live_up, both.live_down, m.schemas, task="follow", start=tuple(start),
                        sync={"workers": rnd.choice([1, 2, 4, 8]), "batch_rows": rnd.choice([1, 20, 500]), "bulk_rows": rnd.choice([1, 100]), "join_rows": rnd.choice([1, 100]), "no_upserts": rnd.random() < 0.3})
        f.slices["relay"]["options"]["start_offset"] = 4
        f.start(SECONDS)
        if rnd.random() < 0.3:
            time.sleep(rnd.uniform(0.2, 2))
            kill_one(f.out, rnd.choice(["sync", "relay"]))
        over.set()
        writer.join(120)
        write(both.up, m.tables, random.Random(seed + 2), 60)
        f.wait(120)
        f.stop()
        assert not failed, failed
        return both.assert_equal(m.schemas)
    finally:
        over.set()
        writer.join(120)
        if f:
            f.close()


def told(m):
    """What the generator was refused, where somebody wants to see that."""
    if "TIDEGATE_TEST_TELL" in os.environ:
        for e, sql in m.refused:
            print(f"refused: {e}: {sql[:1500]}")
        for t in m.tables:
            print(f"{len(t.failed)} failed: {t.quoted}: {t.failed[:1]!s:.400}") if t.failed else None
    return m


def each(mine, run):
    """Runs all of them; tells each that failed."""
    bad = []
    for seed in mine:
        try:
            print(f"seed {seed}: {run(seed)}", flush=True)
        except AssertionError as e:
            bad.append(f"=== seed {seed}: {e}")
            print(bad[-1], flush=True)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("turn", [pytest.param(i, id="-to-".join(p), marks=[pytest.mark.long] if i > 1 else []) for i, p in enumerate(PAIRS)])
def test_copied_and_followed(build_dir, server, request, turn):
    both = Both(server, *PAIRS[turn])
    each(seeds(request.config, turn, 1), lambda seed: one_run(build_dir, both, seed))


def file_options(rnd, filetype):
    options = ["--filetype", filetype, "--filesize", rnd.choice(["1KiB", "8KiB", "1MiB"]), "--statement-size", rnd.choice(["1", "500", "1000000"]), "--threads", rnd.choice(["1", "4"])]
    if rnd.random() < 0.5:
        options += ["--compress", rnd.choice(["gzip", "zstd"])]
    if filetype == "csv":
        options += [w for word, values in (("--csv-separator", [",", ";", "\t", "|+|", "\x01"]), ("--csv-delimiter", ['"', "'", "", "||"]), ("--csv-null-value", ["\\N", "NULL", "", "<null>"]))
                    if rnd.random() < 0.6 for w in (word, rnd.choice(values))]
        options += ["--no-header"] if rnd.random() < 0.3 else []
    return options


def through_files(bin_dir, folder, both, seed, filetype):
    rnd = random.Random(seed)
    both.clean()
    m = told(Maker(seed, both.up, both.down, files=filetype == "csv").make())
    made = []
    try:
        d = FileJob(bin_dir, folder / f"dump{seed}", "dump", folder / f"files{seed}", source=both.up)
        made.append(d)
        options = file_options(rnd, filetype)
        d.run(*options, timeout=SECONDS)
        readable(d.files)
        j = FileJob(bin_dir, folder / f"load{seed}", "load", d.files, target=both.down)
        made.append(j)
        if rnd.random() < 0.3:
            j.start()
            time.sleep(rnd.uniform(0.5, 3))
            for p in j.units("load"):
                p.kill()
            assert j.wait(SECONDS) == 0, j.story()
        else:
            j.run(timeout=SECONDS)
        return both.assert_equal(m.schemas)
    finally:
        for x in made:
            x.close()
        accidents = [line for x in made for line in x.accidents()]
        assert not accidents, accidents[:50]
        shutil.rmtree(folder / f"files{seed}", ignore_errors=True)


@pytest.mark.long
@pytest.mark.parametrize("turn", range(4), ids=["-to-".join(p) for p in PAIRS])
@pytest.mark.parametrize("filetype", ["sql", "csv"])
def test_through_files(bin_dir, tmp_path, server, request, filetype, turn):
    both = Both(server, *PAIRS[turn])
    each(seeds(request.config, turn, 1), lambda seed: through_files(bin_dir, tmp_path, both, seed, filetype))
