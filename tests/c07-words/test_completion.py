"""completion: what the shells are given is made of the tables, and bash completes by it."""
import re
import shutil
import subprocess

import pytest


def script(bin_dir, shell):
    done = subprocess.run([str(bin_dir / "tidegate"), "completion", shell], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def complete(bin_dir, *words):
    """What bash offers for the last of the words."""
    line = f"{script(bin_dir, 'bash')}\nCOMP_WORDS=(tidegate {' '.join(repr(w) for w in words)})\nCOMP_CWORD={len(words)}\n_tidegate\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return sorted(done.stdout.split())


def test_bash(bin_dir):
    assert complete(bin_dir, "purge") == ["purge-relay"]
    assert complete(bin_dir, "st") == ["start-relay", "start-task", "stop-relay", "stop-task"]
    assert complete(bin_dir, "purge-relay", "--su") == ["--sub-dir"]
    assert complete(bin_dir, "operate-source", "") == ["create", "show", "stop", "update"]
    assert complete(bin_dir, "config", "e") == ["export"]
    assert complete(bin_dir, "completion", "") == ["bash", "fish", "zsh"]
    for word in ("stop-task", "pause-task", "resume-task"):
        assert complete(bin_dir, word, "") == [], f"{word}: a placeholder of the usage is no verb"
    assert "--from" in complete(bin_dir, "run", "-") and "--from" not in complete(bin_dir, "query-status", "-")
    for word in ("accept-key", "drain-member", "list-member", "offline-member"):
        assert {"--name", "-n"} <= set(complete(bin_dir, word, "-")), word
    assert "--lines" not in complete(bin_dir, "accept-key", "-")
    assert complete(bin_dir, "nonsense", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option(bin_dir, root_dir, shell):
    text = script(bin_dir, shell)
    words = re.findall(r'^CTL\("([\w-]+)"', (root_dir / "include/ctl.def").read_text(), re.M)
    options = re.findall(r"^OPTION\((\w+),", (root_dir / "include/option.def").read_text(), re.M)
    assert len(words) > 30 and not [w for w in words if w not in text]
    names = [o.rstrip("_").replace("_", "-") for o in options]
    missing = [o for o in names if o != "version" and not re.search(rf"(--|-l ){o}\b", text)]
    assert not missing
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_refused(bin_dir):
    for words in ((), ("tcsh",), ("bash", "zsh")):
        assert subprocess.run([str(bin_dir / "tidegate"), "completion", *words], capture_output=True).returncode == 2
