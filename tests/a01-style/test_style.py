"""The lines between the parts, and the sizes: who may include whom, one file for each library, ldd of the supervisor, headers that
stand alone, functions and files that stay small, no state outside structs. Figures are printed (pytest -s shows them)."""
import re
import shutil
import statistics
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROCESSES = ["supervisor", "agent", "master", "ctl"] + [f"units/{u}" for u in ("relay", "dump", "load", "sync", "check", "cutover", "probe")]

# layer: what it may include, beside include/ and its own folder. "sql/rules.h": that header only.
MAY = {
    "include": [], "common/base": [],
    "common/config": ["common/base", "common/sql/rules.h", "common/sql/objects.h", "common/sql/expr.h"], "common/sql": ["common/base"],
    "common/binlog": ["common/base", "common/sql/address.h", "common/sql/collation_id.h", "common/sql/structure.h", "common/sql/quote.h", "common/sql/expr.h", "common/sql/expr_value.h"],
    "common/proc": ["common/base", "common/config/json.h", "common/config/secret.h", "common/config/identity.h"],  # the skeleton opens passwords (T32)
    "common/db": ["common/base", "common/sql", "common/config/endpoint.h"],
    "supervisor": ["common/base"],
    "agent": ["common/base", "common/config", "common/proc", "common/sql/rules.h"],
    "master": ["common/base", "common/config", "common/proc", "common/sql/rules.h"],
    "ctl": ["common/base", "common/config", "common/proc", "common/sql/rules.h", "common/sql/grants.h", "common/sql/split.h", "common/sql/objects.h"],
    **{p: ["common/base", "common/config", "common/proc", "common/sql", "common/binlog", "common/db"] for p in PROCESSES if p.startswith("units/")},
    "tests": ["common/base", "common/config", "common/proc"],
}
ONE_FILE = {  # a library's header: who includes it, or any one file (and its tests)
    r"<nng/": {"common/proc/link.c", "common/proc/link_nng.h"}, r"<mysql(?:/mysql)?\.h>|<mysql/": None, r"<yaml\.h>": None, r"<curl/": {"master/etcd_http.c"}, r"<seccomp\.h>|<linux/seccomp\.h>|<linux/landlock\.h>": {"common/proc/sandbox.c"},
}
LIMIT_C, LIMIT_H, LIMIT_FUNCTION, LIMIT_GLOBALS = 800, 150, 100, 8
LONG_HEADERS = {"common/proc/msg.h"}  # two unfoldings of one table
TABLE_LINE = re.compile(r"^\s*(\{.*\},?|[A-Z][A-Z0-9_]*\(.*\),?;?|#\s*(define|undef|include)\b.*|\\?)\s*\\?$")


@lru_cache
def files(*suffixes):
    found = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if found.returncode == 0:
        names = found.stdout.splitlines()
    else:  # an unpacked archive
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and not str(p.relative_to(ROOT)).startswith(("build", ".git/"))]
    return sorted(n for n in names if n.endswith(suffixes) and (ROOT / n).is_file())


def text(name):
    return (ROOT / name).read_text(errors="replace")


def layer(name):
    found = [m for m in MAY if name.startswith(m + "/")]
    return max(found, key=len) if found else None


def resolve(name, wanted):
    for base in (ROOT, ROOT / "include", ROOT / Path(name).parent):
        if (base / wanted).is_file():
            return str((base / wanted).resolve().relative_to(ROOT))
    return None


def is_test(name):
    return name.endswith(("_test.c", "_fuzz.c")) or name.startswith("tests/")


def test_includes_follow_the_layers():
    wrong = []
    for name in files(".c", ".h", ".def"):
        own = layer(name)
        if own is None:
            wrong.append(f"{name}: in no layer that the table knows")
            continue
        for wanted in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text(name), re.M):
            target = resolve(name, wanted)
            if target is None:
                wrong.append(f'{name}: "{wanted}" is not there')
                continue
            to = layer(target)
            if to not in ("include", own) and not any(target == m or target.startswith(m + "/") for m in MAY[own]):
                wrong.append(f"{name} may not include {target}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("pattern", list(ONE_FILE))
def test_one_file_for_each_library(pattern):
    users = {n for n in files(".c", ".h") if not is_test(n) and re.search(r"^\s*#\s*include\s+(" + pattern + ")", text(n), re.M)}
    assert users, f"nobody includes {pattern}"
    if ONE_FILE[pattern]:
        assert users == ONE_FILE[pattern]
    else:
        assert len(users) == 1, f"{pattern} is included by {sorted(users)}"


def test_the_store_is_the_masters():
    users = [n for n in files(".c", ".h") if "<sqlite3.h>" in text(n) and not is_test(n)]
    assert users and all(n.startswith("master/store_") for n in users), users


def test_the_list_of_errors_is_the_tables():
    made = subprocess.run([str(ROOT / "docs/make-errors")], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert made.stdout == text("docs/errors.md"), "docs/errors.md is old: docs/make-errors > docs/errors.md"


def test_the_page_of_keys_is_the_tables():
    made = subprocess.run([str(ROOT / "docs/make-keys")], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert made.stdout == text("docs/keys.md"), "docs/keys.md is old: docs/make-keys > docs/keys.md"


def test_the_list_of_checks_is_the_tables():
    def made(*args):
        done = subprocess.run([str(ROOT / "docs/make-checks"), *args], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert made() == text("docs/checks.md"), "docs/checks.md is old: docs/make-checks > docs/checks.md"
    assert made("--man") in text("docs/man/tidegate-check.8"), "tidegate-check(8) is old: put what docs/make-checks --man prints into its list"
    assert made().count("\n| `") == text("include/check.def").count("\nCHECK("), "a row that docs/make-checks can't read"
    known = re.search(r'"ignore-checking-items", LIST, "([^"]*)"', text("include/config.def")).group(1).split("|")
    assert not set(made("--items").split()) - set(known), "an item that ignore-checking-items does not know"
    found = set(re.findall(r'check_(?:found|passed|denied)\(\s*c, "(\w+)"', "".join(text(n) for n in files(".c") if n.startswith("units/check/"))))
    elsewhere = {"binlog_schema"}
    assert found - elsewhere <= set(re.findall(r"^CHECK\((\w+),", text("include/check.def"), re.M)), "a finding without a row in check.def"


def test_the_manual_names_what_there_is():
    """Each option has its item in tidegate(1), each word is told of there, each key of a daemon's file in that daemon's page; and no option that is none."""
    page = text("docs/man/tidegate.1")
    options = {o.rstrip("_").replace("_", "-") for o in re.findall(r"^OPTION\((\w+),", text("include/option.def"), re.M)}
    items = "\n".join(re.findall(r"^\.It .*[FO]l .*$", page, re.M))
    named = set(re.findall(r"(?<![\w-])-([a-z][a-z-]+)", items))
    assert len(options) > 60 and named == options, (sorted(options - named), sorted(named - options))
    words = re.findall(r'^CTL\("([\w-]+)"', text("include/ctl.def"), re.M)
    assert len(words) > 30 and not [w for w in words if not re.search(rf"(?<![\w-]){w}(?![\w-])", page)]
    for daemon, key in re.findall(r'^SETTING\((\w+), "([\w-]+)"', text("include/daemon.def"), re.M):
        name = "tidegated" if daemon == "tidegated" else f"tidegate-{daemon}"
        assert re.search(rf"^\.(It )?Cm ([\w-]+ , )*{key}\b", text(f"docs/man/{name}.8"), re.M), f"{name}(8) lacks {key}"


def test_the_page_of_metrics_is_the_tables():
    made = subprocess.run([str(ROOT / "docs/make-metrics")], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert made.stdout == text("docs/metrics.md"), "docs/metrics.md is old: docs/make-metrics > docs/metrics.md"
    rows = text("include/metric.def").count("\nMETRIC(")
    assert made.stdout.count("\n| `tidegate_") == rows, "a row that docs/make-metrics can't read"
    for name, kind in re.findall(r"^METRIC\(\w+, (\w+), (\w+),", text("include/metric.def"), re.M):
        assert name.endswith("_total") == (kind == "COUNTER"), name


def test_a_used_key_is_read():
    """A key that the table calls used, and that no reader asks for, would be ignored in silence."""
    row = re.compile(r'^KEY\([\w-]+, "([^"]+)", (\w+), ("[^"]*"), .* (REQUIRED|USED|RENAMED), "', re.M)
    readers = "".join(text(n) for n in files(".c") if n.startswith("common/config/") and not is_test(n))
    used = {name for name, kind, of, _ in row.findall(text("include/config.def")) if kind != "MAP" and "!" not in of}  # !: all other words do the same
    assert len(used) > 50
    assert not [name for name in sorted(used) if f'"{name}"' not in readers]


def linked(program):
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_supervisor_links_nothing_foreign(bin_dir):
    out = linked(bin_dir / "tidegated")
    for word in ("nng", "mysql", "mariadb", "yaml", "jansson", "ssl", "crypto", "sqlite", "curl", "libz."):
        assert word not in out, f"the supervisor links {word}:\n{out}"


def test_only_units_link_a_database_client(bin_dir):
    for program in ("tidegate", "tidegate-agent", "tidegate-master"):
        out = linked(bin_dir / program)
        assert "mariadb" not in out and "mysql" not in out, f"{program} links a MySQL library:\n{out}"
    assert "sqlite" not in linked(bin_dir / "tidegate-agent"), "the store is the master's"
    for unit in ("relay", "dump", "load", "sync", "check", "cutover"):
        out = linked(bin_dir / f"tidegate-{unit}")
        assert "mariadb" in out or "mysql" in out, f"tidegate-{unit}: where is its client?\n{out}"
        assert "yaml" not in out and "sqlite" not in out, f"tidegate-{unit}:\n{out}"


def flags():
    packages = ["nng", "libmariadb", "yaml-0.1", "libbsd", "jansson", "sqlite3", "libcrypto", "libseccomp", "libpcre2-8", "libxxhash", "cmocka"]
    out = []
    for p in packages:
        done = subprocess.run(["pkg-config", "--cflags", p], capture_output=True, text=True)
        out += done.stdout.split() if done.returncode == 0 else []
    return ["-std=gnu17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", '-DTIDEGATE_VERSION="0"', f"-I{ROOT}", f"-I{ROOT}/include"] + sorted(set(out))


def test_each_header_compiles_alone(tmp_path):
    options = flags()

    def compile_one(name):
        source = tmp_path / (name.replace("/", "_") + ".c")
        source.write_text(f'#include "{name}"\n#include "{name}"\n')
        done = subprocess.run(["gcc", *options, str(source)], capture_output=True, text=True, cwd=ROOT)
        return f"{name}:\n{done.stderr[:800]}" if done.returncode else ""

    with ThreadPoolExecutor(2) as pool:
        wrong = [w for w in pool.map(compile_one, files(".h")) if w]
    assert not wrong, "\n".join(wrong)


def test_check_runs_every_folder_of_tests():
    """A folder that is named nowhere is run by nobody."""
    text = (ROOT / "check").read_text()
    assert not [d.name for d in (ROOT / "tests").iterdir() if re.match(r"[a-z]\d\d-", d.name) and not re.search(rf"\b{d.name}\b", text)]


def test_each_header_has_pragma_once():
    missing = [n for n in files(".h") if not re.search(r"^#pragma once$", text(n), re.M)]
    assert not missing, missing


def test_file_sizes():
    lengths = {n: text(n).count("\n") for n in files(".c", ".h")}
    c = sorted(v for n, v in lengths.items() if n.endswith(".c") and not is_test(n))
    h = sorted(v for n, v in lengths.items() if n.endswith(".h"))
    print(f"\n{len(c)} .c files: median {statistics.median(c)}, largest {c[-1]}, {sum(c)} lines; {len(h)} .h files: median {statistics.median(h)}, largest {h[-1]}")
    wrong = [f"{n}: {v} lines" for n, v in lengths.items()
             if (n.endswith(".c") and v > LIMIT_C) or (n.endswith(".h") and v > LIMIT_H and n not in LONG_HEADERS)]
    assert not wrong, "\n".join(wrong)


@lru_cache
def tags(kind):
    ctags = shutil.which("ctags-universal") or shutil.which("ctags")
    assert ctags, "universal-ctags is not installed"
    names = files(".c")
    done = subprocess.run([ctags, "-f", "-", "--languages=C", f"--kinds-C={kind}", "--fields=+neK", *names], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = []
    for line in done.stdout.splitlines():
        parts = line.split("\t")
        fields = dict(p.split(":", 1) for p in parts[3:] if ":" in p)
        found.append((parts[1], parts[0], int(fields.get("line", 0)), int(fields.get("end", 0))))
    return found


def code_lines(name, first, last):
    """A function's length without what is a table's row."""
    return sum(1 for s in text(name).splitlines()[first - 1:last] if not TABLE_LINE.match(s))


def test_function_sizes():
    found = [(code_lines(n, a, b), n, f) for n, f, a, b in tags("f") if b and not is_test(n)]
    sizes = sorted(s for s, _, _ in found)
    assert len(sizes) > 50, "ctags found hardly any function"
    p95 = sizes[int(len(sizes) * 0.95)]
    print(f"\n{len(sizes)} functions: median {statistics.median(sizes)} lines, 95th percentile {p95}, longest {max(found)}")
    wrong = [f"{n}: {f}: {s} lines" for s, n, f in found if s > LIMIT_FUNCTION]
    assert not wrong, "\n".join(wrong)
    assert statistics.median(sizes) <= 20, "the median function has more than 20 lines"
    assert p95 <= 70


def test_globals_are_few():
    """State lives in one struct a process; what is outside: signal flag, log context, failpoints."""
    found = []
    for name, variable, line, _ in tags("v"):
        if is_test(name):
            continue
        lines = text(name).splitlines()
        declared = lines[line - 1]
        if declared.startswith("}"):  # the head of a table of unnamed structs
            declared = next(x for x in reversed(lines[:line - 1]) if re.match(r"\w", x)) + " … " + declared
        if not re.search(r"\bconst\b", declared):
            found.append(f"{name}:{line}: {declared.strip()}")
    print(f"\n{len(found)} variables outside functions:\n  " + "\n  ".join(found))
    assert len(found) <= LIMIT_GLOBALS, "\n".join(found)


def test_parameters_are_few():
    """At most five; told as a figure, a hard limit at eight."""
    many = []
    for name in files(".c"):
        if is_test(name):
            continue
        for m in re.finditer(r"^(?:static )?[\w *]+\b(\w+)\(([^;{]*?)\)\n\{", text(name), re.M):
            n = len(re.sub(r"\([^()]*\)", "", m.group(2)).split(","))
            if n > 5:
                many.append((n, f"{name}: {m.group(1)}: {n}"))
    print(f"\n{len(many)} functions with more than five parameters:\n  " + "\n  ".join(t for _, t in sorted(many, reverse=True)[:20]))
    assert not [t for n, t in many if n > 8]


def test_every_c_file_opens_with_its_purpose():
    wrong = [n for n in files(".c") if not re.match(r"\s*/[*/]", text(n)) and not is_test(n)]
    assert not wrong, wrong


def test_no_builder_paths_and_no_leftovers():
    """Nothing of the machine it was written on, no TODO."""
    paths = re.compile("|".join(["/wo" + r"rk/\w", "/ro" + r"ot/[.\w]", "/ho" + r"me/(?!me\b|user\b|you\b)\w", "/tmp/" + r"w/"]))
    todo = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    wrong = []
    for name in files(""):
        p = ROOT / name
        if p.stat().st_size > 1 << 20 or b"\0" in p.read_bytes()[:4096]:
            continue
        for i, line in enumerate(text(name).splitlines(), 1):
            if paths.search(line) or (name.endswith((".c", ".h", ".def", ".sh")) and todo.search(line)):
                wrong.append(f"{name}:{i}: {line.strip()[:100]}")
    assert not wrong, "\n".join(wrong)


def test_scripts_parse():
    wrong = []
    for name in files(""):
        head = (ROOT / name).read_bytes()[:64]
        if name.endswith(".sh") or head.startswith((b"#!/bin/bash", b"#!/bin/sh")):
            done = subprocess.run(["bash", "-n", name], cwd=ROOT, capture_output=True, text=True)
            wrong += [done.stderr] if done.returncode else []
        if name.endswith(".py"):
            compile(text(name), name, "exec")
    assert not wrong, "\n".join(wrong)


def table_codes(name):
    return re.findall(r"^ERR\((\d+), (\w+),", text(name), re.M)


def test_error_codes_are_unique():
    rows = table_codes("include/error.def")
    for column in (0, 1):
        values = [r[column] for r in rows]
        assert len(values) == len(set(values)), sorted(v for v in values if values.count(v) > 1)


def test_message_numbers_are_unique():
    rows = re.findall(r"^MSG_BEGIN\((\d+), (\w+)\)", text("include/msg.def"), re.M)
    assert len({r[0] for r in rows}) == len(rows) == len({r[1] for r in rows})
    documented = text("docs/protocol.md")
    missing = [name for _, name in rows if not re.search(rf"\b{name}\b", documented)]
    assert rows and not missing, f"docs/protocol.md says nothing of {missing}"


def test_every_failpoint_is_in_the_code():
    """A failpoint that no place hits would make its kill test vacuous (T45)."""
    places = "\n".join(text(n) for n in files(".c") if not is_test(n))
    names = re.findall(r"^FAILPOINT\((\w+),", text("include/failpoint.def"), re.M)
    missing = [n for n in names if not re.search(rf"\bFAILPOINT_HIT\({n}\)|\bFP_{n}\b", places)]
    assert not missing, f"never hit: {missing}"


def test_every_error_is_used():
    """By the code; and by a test, which says its number or its name."""
    places = "\n".join(text(n) for n in files(".c", ".h"))
    tests = "\n".join(text(n) for n in files(".py", ".c", ".inc") if is_test(n) or n.endswith("_test.py"))
    rows = table_codes("include/error.def")
    assert not [name for _, name in rows if not re.search(rf"\bERR_{name}\b", places)], "errors nobody makes"
    assert not [f"{code} {name}" for code, name in rows if not re.search(rf"\b(ERR_{name}|{code})\b", tests)], "errors that no test comes by"
