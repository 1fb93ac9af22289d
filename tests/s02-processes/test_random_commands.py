"""Random commands of operators beside random accidents, held against a model (tests/random_commands.py). --seeds N: how many (1; with --long 30), --first-seed where they begin."""
import shutil

import pytest
from conftest import Pair
from random_commands import Run

pytestmark = pytest.mark.root


def test_random_commands(request, bin_dir, server, short_tmp):
    short_tmp.chmod(0o755)
    long = request.config.getoption("--long")
    first = request.config.getoption("--first-seed")
    for seed in range(first, first + (request.config.getoption("--seeds") or (30 if long else 1))):
        ups, downs = [server("ma1011"), server("my97")], [server("my97", "down"), server("ma1011", "down")]
        folder = short_tmp / str(seed)
        folder.mkdir(mode=0o755)
        run = Run(bin_dir, folder, seed, ups, downs)
        try:
            run.go(30 if long else 6, lambda up, down, db, story: Pair(up, down).assert_equal(db, story))
        except BaseException:
            run.keep()
            raise
        finally:
            print(run.story())
            for w in run.writers:
                w.stop()
            run.close()
        shutil.rmtree(folder)
