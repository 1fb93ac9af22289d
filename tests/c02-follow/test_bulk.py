"""Rows written by prepared statements, many at a time (MariaDB's bulk execute): the zoo, with no run of rows too short for it."""
import pytest

import ends
from ends import live

LONG = [pytest.param(*d, marks=pytest.mark.long) for d in (("my97", "ma102"), ("ma105", "ma105"), ("my97", "ma114"), ("ma118", "ma118"), ("ma1011", "my97"))]


@pytest.mark.parametrize("source, target", [("my97", "ma1011"), ("ma1011", "ma1011")] + LONG)
def test_bulk(build_dir, server, source, target):
    e = ends.Ends(server, source, target)
    live.test_bulk(build_dir, e.up, e.down)
