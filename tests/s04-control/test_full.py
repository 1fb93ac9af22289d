"""The disk of the master's store is full: said in one line, nothing half done, and all goes on when there is room."""
import subprocess
import sys
from pathlib import Path

import procs
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_control import hosts  # noqa: E402, F401


def fill(file):
    with open(file, "wb", buffering=0) as f:
        for size in (65536, 4096, 512):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass


@pytest.mark.root
def test_full_disk(hosts):  # noqa: F811
    a = hosts("a", master={})
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(a.state)], check=True)
    try:
        a.start().said("agent a is here")
        files = [hosts.path / f"s{i}.yaml" for i in range(2)]
        for i, file in enumerate(files):
            file.write_text(f"source-id: s{i}\nfrom: {{host: 127.0.0.1, port: 1, user: u, password: ''}}\n")
        a.ask("operate-source", "create", files[0])
        fill(a.state / "ballast")
        said = a.ask("operate-source", "create", files[1], expect=1)
        assert "60004" in said and "tidegate.db" in said and "the disk is full" in said and "given again" in said, said
        assert [s["source"] for s in a.ask("operate-source", "show")["sources"]] == ["s0"]
        assert set(a.agents()) == {"a"} and a.below("master") and a.below("agent")
        (a.state / "ballast").unlink()
        a.ask("operate-source", "create", files[1])
        a.ask("operate-source", "stop", "s0")
        assert [s["source"] for s in a.ask("operate-source", "show")["sources"]] == ["s1"]
        a.below("master")[0].kill()
        procs.wait_for(lambda: a.agents() == {"a": "bound"}, 60, a.story)
        assert [s["source"] for s in a.ask("operate-source", "show")["sources"]] == ["s1"]
    finally:
        a.close()
        subprocess.run(["umount", "-l", str(a.state)], check=False)
