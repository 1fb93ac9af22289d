"""What ./check says of failed tests, and which of them it may run again (tests/tools/failures.py)."""
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest

TOOL = Path(__file__).parents[1] / "tools/failures.py"
GOOD = '<testcase classname="c07-words.test_words" name="test_good" time="1"/>'


def case(text, classname="c07-words.test_shapes", name="test_a_copy[x-1]", kind="failure"):
    return f'<testcase classname="{classname}" name="{name}" time="1"><{kind} message={quoteattr(text.splitlines()[0])}>{escape(text)}</{kind}></testcase>'


def told(tmp_path, *cases, options=()):
    report = tmp_path / "report.xml"
    report.write_text(f'<testsuites><testsuite name="pytest">{GOOD}{"".join(cases)}</testsuite></testsuites>')
    done = subprocess.run([sys.executable, "-B", TOOL, *options, report], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.strip() for line in done.stdout.splitlines()]


def test_what_failed(tmp_path):
    text = "x\n>       assert seen == 3\nE       AssertionError: not copied\nE       info a\ntests/c07-words/test_shapes.py:175: AssertionError"
    assert told(tmp_path, case(text)) == ["failed: c07-words.test_shapes::test_a_copy[x-1]", "tests/c07-words/test_shapes.py:175: assert seen == 3", "AssertionError: not copied", "info a"]
    assert told(tmp_path) == []


def test_again(tmp_path):
    """None without one that failed; all that a moment may explain, by pytest's own names."""
    assert told(tmp_path, options=["--again"]) == []
    assert told(tmp_path, case("AssertionError: not copied"), case("KeyError: 'sync'", name="test_watch"), options=["--again"]) == [
        "tests/c07-words/test_shapes.py::test_a_copy[x-1]", "tests/c07-words/test_shapes.py::test_watch"]


@pytest.mark.parametrize("other", [
    case("AssertionError: ma1011 and my97: 3 tables, 9 rows, 1 differences\n  app.t: rows: 1 missing, 0 surplus, 0 different"),
    case("AssertionError: x\nERROR: AddressSanitizer: heap-use-after-free"), case("AssertionError: x\nE   obituary sync ended=\"signal 11\""), case("x: Assertion `n > 0' failed."),
    case("AssertionError: left behind", kind="error"), case("AssertionError: x", classname="k04-appliers.test_fence")])
def test_never_again(tmp_path, other):
    """One that no moment explains, and none is run again: it may be the cause of the others."""
    assert told(tmp_path, case("AssertionError: not copied"), other, options=["--again"]) == []
