"""failures.py [--again] FILE.xml|FILE.log...: of each failed test what its author would ask for first, in few lines, for who has only the screen of ./check.

A report of pytest (JUnit): the test, where it stood, its message, what the log in it calls an error or a warning, and its end. A log of ctest:
what cmocka and the sanitizers say, and the first lines of each program's own words.

--again: the names to give to pytest of those that may have failed by the moment at which they looked; none, if one of them has not."""
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

TESTS, LINES, PLACES, WIDTH = 12, 24, 4, 260
TROUBLE = re.compile(r" (error|warning|fatal) |Error\b|Sanitizer|ERROR|FAILED")
UNIT = re.compile(r"\[ +(ERROR|LINE|FAILED) +\]|Sanitizer|: error: |assert|^\s*\d+/\d+ Test .*(Failed|Timeout|Exception)|^--- log| (error|warning) ")


# What no busy machine explains: two sides that are not equal, a process that died, a sanitizer's word. And the tests of kills (k…) at any moment.
NEVER = re.compile(r"Sanitizer|runtime error: |Assertion .* failed|ended=.signal|\d+ differences|rows: \d+ missing|internal error")


def masked(text):
    """Before anything is cut: half a login would not be seen as one."""
    return re.sub(r"([a-z+]+://)[^ ]*@", r"\1(login)@", text)


def shortened(lines, trouble):
    """All of them if they are few, else the first ones, those that tell of trouble, the last ones."""
    if len(lines) <= LINES:
        return lines
    third = LINES // 3
    middle = [line for line in lines[third:-third] if trouble.search(line)]
    return [*lines[:third], "...", *middle[-third:], "...", *lines[-third:]]


def came_by(text):
    """The lines of code that led there, each with its place: a message alone, such as an index's, doesn't say which of them it was."""
    lines, code, found = text.splitlines(), "", []
    for line, after in zip(lines, [*lines[1:], ""]):
        if line.startswith(">"):
            code = line[1:].strip()
        elif place := re.match(r"(\S+\.py:\d+): ?(in )?", line):
            found.append(f"{place.group(1)}: {after.strip() if place.group(2) else code}")
    return found[-PLACES:]


def of_pytest(path):
    for case in xml.parse(path).iter("testcase"):
        for bad in [*case.iter("failure"), *case.iter("error")]:
            whole = [line[1:] for line in masked(bad.text or "").splitlines() if line.startswith("E ")]  # the message itself may be cut short
            lines = [line for line in whole or masked(bad.get("message") or "").splitlines() if line.strip()]
            yield f"{case.get('classname')}::{case.get('name')}", [*came_by(masked(bad.text or "")), *shortened(lines, TROUBLE)]


def of_ctest(path):
    """ctest prefixes what a program says with its number, under --output-on-failure."""
    text = masked(Path(path).read_text(errors="replace"))
    for name in re.findall(r"^\s*\d+ - (\S+) \(", text.partition("The following tests FAILED")[2], re.M):
        told = re.search(rf"^\s*\d+/\d+ Test +#\d+: {re.escape(name)} .*?(?=^\s*Start +\d+: |^\s*\d+/\d+ Test +#\d+: |^\d+% tests passed|\Z)", text, re.M | re.S)
        lines = told.group(0).splitlines() if told else []
        lines = [line for line in lines if line.strip()]
        yield name, shortened([line for i, line in enumerate(lines) if UNIT.search(line) or i >= len(lines) - 3], UNIT)


def again(path):
    """Only what failed in the test itself: what is found behind it (a process left, a report in a log) is no matter of time."""
    names = []
    for case in xml.parse(path).iter("testcase"):
        bad = [*case.iter("failure")]
        if not bad and not [*case.iter("error")]:
            continue
        folder = case.get("classname").split(".")[0]
        if [*case.iter("error")] or folder.startswith("k") or any(NEVER.search(f"{b.get('message')}\n{b.text}") for b in bad):
            return []
        names.append(f"tests/{case.get('classname').replace('.', '/')}.py::{case.get('name')}")
    return names


def main(paths):
    if paths[0] == "--again":
        for name in again(paths[1]):
            print(name)
        return
    told = 0
    for path in paths:
        for name, lines in (of_pytest if path.endswith(".xml") else of_ctest)(path):
            told += 1
            print(f"failed: {name}")
            if told <= TESTS:
                print(*(f"   {line[:WIDTH]}" for line in lines), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
