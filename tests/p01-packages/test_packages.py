"""The packages: what is in them, with which owner and mode, what is the operator's; installed for real into a throw-away root, where they copy and follow by the
service's own command line; removed and purged. The rpm's are looked into."""
import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import procs
import pytest
from servers import PASSWORD, USER

ROOT = Path(__file__).parents[2]
UNITS = ("check", "cutover", "dump", "load", "relay", "sync")
CONF = {"tidegate": ["/etc/tidegate/tidegate-agent.conf", "/etc/tidegate/tidegated.conf"], "tidegate-master": ["/etc/tidegate/tidegate-master.conf"]}
SOURCE = 'source-id: s1\nfrom: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}\n'
TASK = """name: t1
task-mode: all
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: s1, block-allow-list: app}}]
block-allow-list: {{app: {{do-dbs: [app]}}}}
"""


def expected(package, zsh="vendor-completions"):
    """{path: mode} of its files. zsh: where that shell looks, of its own folders."""
    if package == "tidegate-master":
        return {"/etc/tidegate/tidegate-master.conf": 0o644, "/usr/libexec/tidegate/tidegate-master": 0o755, "/usr/share/man/man8/tidegate-master.8.gz": 0o644,
                "/usr/share/doc/tidegate-master/copyright": 0o644}
    files = {"/usr/bin/tidegate": 0o755, "/usr/sbin/tidegated": 0o755, "/usr/libexec/tidegate/tidegate-agent": 0o755}
    files.update({f"/usr/libexec/tidegate/tidegate-{u}": 0o755 for u in UNITS})
    plain = ["/usr/lib/systemd/system/tidegated.service", "/usr/lib/sysusers.d/tidegate.conf", "/usr/lib/tmpfiles.d/tidegate.conf", "/usr/share/man/man1/tidegate.1.gz",
             "/usr/share/man/man8/tidegated.8.gz", "/usr/share/man/man8/tidegate-agent.8.gz", "/usr/share/bash-completion/completions/tidegate",
             f"/usr/share/zsh/{zsh}/_tidegate", "/usr/share/fish/vendor_completions.d/tidegate.fish", *CONF["tidegate"]]
    plain += [f"/usr/share/man/man8/tidegate-{u}.8.gz" for u in UNITS]
    plain += [f"/usr/share/doc/tidegate/{d}" for d in ("README.md", "CHANGELOG.md", "copyright", "examples/source.yaml", "examples/task.yaml")]
    plain += [f"/usr/share/doc/tidegate/docs/{d}.md" for d in ("errors", "keys", "checks", "metrics", "dm", "cutover", "packages", "protocol")]
    plain += [f"/usr/share/doc/tidegate/docs/design/{p.name}" for p in (ROOT / "docs/design").glob("*.md")]
    files.update({p: 0o644 for p in plain})
    return files


@pytest.fixture(scope="module")
def packages(build_dir, tmp_path_factory):
    """{"deb": {name: path}, "rpm": …}, made from the build under test."""
    tree = Path(re.search(r"^CMAKE_CACHEFILE_DIR:INTERNAL=(.*)$", (build_dir / "CMakeCache.txt").read_text(), re.M).group(1))
    out, made = tmp_path_factory.mktemp("packages"), {}
    for kind in ("DEB", "RPM"):
        done = subprocess.run(["cpack", "-G", kind, "--config", tree / "CPackConfig.cmake", "-B", out], cwd=out, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        made[kind.lower()] = {re.match(r"tidegate(-master)?", p.name).group(0): p for p in out.glob(f"*.{kind.lower()}")}
        assert made[kind.lower()].keys() == CONF.keys(), list(out.iterdir())
    return made


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_service(bin_dir, short_tmp):
    """What its defaults would do: end all for one unit that the OOM killer took, cap the threads of some hundred sources, and start again
    and again with a mistake in a file."""
    text = (Path(__file__).parents[2] / "packaging/tidegated.service").read_text()
    service = re.search(r"(?s)^\[Service\]$(.*?)^\[", text, re.M).group(1)
    keys = dict(re.findall(r"^(\w+)=(.*)$", service, re.M))
    assert {k: keys.get(k) for k in ("OOMPolicy", "TasksMax", "KillMode", "Type")} == {"OOMPolicy": "continue", "TasksMax": "infinity", "KillMode": "mixed", "Type": "notify"}
    short_tmp.chmod(0o755)
    right = f"state = {short_tmp}/state\nrun = {short_tmp}/run\nwith-master = yes\nname = h1\n"
    for file in ("tidegated.conf", "tidegate-agent.conf", "tidegate-master.conf"):
        etc = short_tmp / file
        etc.mkdir()
        (etc / "tidegated.conf").write_text(right)
        (etc / file).write_text("statee = /nowhere\n")
        done = subprocess.run([str(bin_dir / "tidegated"), "--config", str(etc)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert str(done.returncode) == keys["RestartPreventExitStatus"] and f"{file}:1" in done.stderr, (done.returncode, done.stderr)
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(Path(__file__).parents[2] / "packaging/tidegated.service")], capture_output=True, text=True)
        assert "Unknown" not in done.stderr and "Failed to parse" not in done.stderr, done.stderr


def test_what_texts_point_to():
    """An error, a key or a manual page that names a page of docs/ names one that the package has."""
    texts = [p.read_text() for g in ("include/*.def", "docs/man/*", "docs/*.md", "conf/*", "README.md") for p in ROOT.glob(g)]
    named = {n for t in texts for n in re.findall(r"\bdocs/[\w/-]+\.md", t)}
    has = expected("tidegate")
    assert len(named) > 10 and not [n for n in named if f"/usr/share/doc/tidegate/{n}" not in has]
    # And a link goes from where its page is.
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/design").glob("*.md")]
    links = {(p.relative_to(ROOT), n) for p in pages for n in re.findall(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)", p.read_text())}
    gone = [(str(p), n) for p, n in links if os.path.normpath(Path("/usr/share/doc/tidegate") / p.parent / n) not in has]
    assert len(links) > 10 and not gone, gone


@pytest.mark.parametrize("name", CONF)
def test_deb(packages, name, tmp_path):
    deb = packages["deb"][name]
    listed = [line.split(None, 5) for line in run("dpkg-deb", "-c", deb).splitlines()]
    assert {owner for _, owner, *_ in listed} == {"root/root"}
    modes = {path[1:]: mode for mode, _, _, _, _, path in listed}
    files = {path: mode for path, mode in modes.items() if not path.endswith("/")}
    doc = f"/usr/share/doc/{name}"
    has = {**expected(name), f"{doc}/changelog.gz": 0o644}  # Debian's own
    assert files == {p: "-rwxr-xr-x" if m == 0o755 else "-rw-r--r--" for p, m in has.items()}
    run("dpkg-deb", "-x", deb, tmp_path / "all")
    changes = gzip.decompress((tmp_path / f"all{doc}/changelog.gz").read_bytes()).decode()
    version = run("dpkg-deb", "-f", deb, "Version").strip()
    assert re.match(rf"{name} \({re.escape(version)}\) stable; urgency=\w+\n\n  \* .+\n\n -- .+ <.+>  \w{{3}}, \d\d \w{{3}} \d{{4}} [\d:]{{8}} \+0000\n$", changes), changes
    assert "/usr/share/common-licenses/Apache-2.0" in (tmp_path / f"all{doc}/copyright").read_text()
    said = run("dpkg-deb", "-f", deb, "Description").splitlines()
    assert len(said) > 2 and all(re.match(r" \S.{,78}$", line) for line in said[1:]), said
    assert {mode for path, mode in modes.items() if path.endswith("/")} == {"drwxr-xr-x"}
    control = tmp_path / "control"
    run("dpkg-deb", "-e", deb, control)
    assert sorted((control / "conffiles").read_text().split()) == CONF[name]
    about = dict(re.findall(r"^([\w-]+): (.*)$", (control / "control").read_text(), re.M))
    assert about["Package"] == name and about["Section"] == "database" and "libc6 (>=" in about["Depends"] and "libnng1" in about["Depends"]
    if name == "tidegate":
        assert "libmariadb3" in about["Depends"] or "libmysqlclient" in about["Depends"]
        assert all(os.stat(control / s).st_mode & 0o777 == 0o755 for s in ("postinst", "prerm", "postrm"))
        for script in ("postinst", "prerm", "postrm"):
            run("sh", "-n", control / script)
    else:
        assert f"tidegate (= {about['Version']})" in about["Depends"] and "libsqlite3-0" in about["Depends"]
    assert "~test" in about["Version"], "a build with failpoints says so"


@pytest.mark.parametrize("name", CONF)
def test_rpm(packages, name):
    rpm = packages["rpm"][name]
    rows = [line.split() for line in run("rpm", "-qp", "--dump", rpm).splitlines()]  # path size mtime digest mode owner group isconfig isdoc …
    files = {r[0]: int(r[4], 8) & 0o7777 for r in rows if int(r[4], 8) & 0o170000 == 0o100000}
    assert files == expected(name, "site-functions")
    assert {(r[5], r[6]) for r in rows} == {("root", "root")}
    assert sorted(r[0] for r in rows if r[7] == "1") == CONF[name]
    folders = {r[0] for r in rows} - files.keys()
    assert all("tidegate" in f for f in folders), f"folders of the system: {folders}"
    flags = dict(line.rsplit(" ", 1) for line in run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", rpm).splitlines() if line.count(" ") == 1)
    assert all("n" in flags[c] and "c" in flags[c] for c in CONF[name]), flags  # config(noreplace)
    needs = run("rpm", "-qpR", rpm)
    assert "libnng.so.1" in needs and ("tidegate = " in needs) == (name == "tidegate-master")
    scripts = run("rpm", "-qp", "--scripts", rpm)
    assert ("systemd-sysusers" in scripts) == (name == "tidegate")
    info = run("rpm", "-qpi", rpm)
    assert re.search(r"^License *: Apache-2.0$", info, re.M) and re.search(r"^Summary *: [A-Z]", info, re.M)


class Root:
    """A throw-away root over this machine's, and a shell in it."""

    def __init__(self, folder):
        self.at = folder / "at"
        self.at.mkdir()
        here = Path(__file__).parent / "root.sh"
        self.shell = subprocess.Popen(["unshare", "--mount", str(here), str(self.at)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def try_(self, line):
        """Its exit status, and what it printed."""
        self.shell.stdin.write(line + "\n")
        self.shell.stdin.flush()
        said = []
        for out in self.shell.stdout:
            if out.startswith("done "):
                return int(out.split()[1]), "".join(said)
            said.append(out[2:] if out.startswith("| ") else out)
        raise AssertionError(f"the shell ended: {line}\n{''.join(said)}")

    def do(self, line):
        status, said = self.try_(line)
        assert status == 0, f"{line}: {status}\n{said}"
        return said

    def path(self, inside):
        """As it is seen from here."""
        return Path("/proc", str(self.shell.pid), "root", inside.lstrip("/"))

    def put(self, path, text):
        self.path(path).write_text(text)

    def close(self):
        self.shell.stdin.close()
        self.shell.stdout.read()
        self.shell.wait(60)


@pytest.fixture
def root(short_tmp):
    r = Root(short_tmp)
    yield r
    r.close()


def installed(root, packages):
    """Both packages by dpkg, as apt does it: in the order of their dependencies, every script run."""
    for name in ("tidegate", "tidegate-master"):
        shutil.copy(packages["deb"][name], root.path(f"/tmp/{name}.deb"))
    root.do("dpkg -i /tmp/tidegate.deb /tmp/tidegate-master.deb")


@pytest.mark.root
def test_installed(root, packages, make_pair):
    pair = make_pair("ma1011", "my97")
    pair.source.run("CREATE DATABASE app", "CREATE TABLE app.t (id int PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
    installed(root, packages)
    assert root.do("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' tidegate tidegate-master") == "tidegate ii \ntidegate-master ii \n"
    user = root.do("getent passwd tidegate").split(":")
    assert int(user[2]) < 1000 and user[6].strip().endswith("nologin") and root.do("getent group tidegate")
    assert root.do("stat -c '%a %U %G' /var/lib/tidegate /etc/tidegate /etc/tidegate/tidegated.conf") == "711 root root\n755 root root\n644 root root\n"
    root.do("dpkg --verify tidegate tidegate-master")
    root.do("systemd-analyze verify --man=no /lib/systemd/system/tidegated.service")
    root.do("rm -rf /var/lib/tidegate && systemd-tmpfiles --create tidegate.conf && test \"$(stat -c '%a %U' /var/lib/tidegate)\" = '711 root'")
    assert ".Dt TIDEGATED 8" in root.do("zcat /usr/share/man/man8/tidegated.8.gz")
    root.do("bash -n /usr/share/bash-completion/completions/tidegate")

    command = re.search(r"^ExecStart=(.*)$", root.do("cat /lib/systemd/system/tidegated.service"), re.M).group(1)
    root.do("sed -i 's/^http.*//' /etc/tidegate/tidegate-agent.conf /etc/tidegate/tidegate-master.conf")  # ports that this machine may use otherwise
    root.do(f"setsid {command} >/tmp/log 2>&1 </dev/null & echo $! >/tmp/pid")
    # As far as `systemctl start` waits; what is typed then comes before master and agent are there.
    procs.wait_for(lambda: root.try_("test -e /run/tidegate/tidegated.lock")[0] == 0, 60, "no supervisor")
    root.put("/tmp/source.yaml", SOURCE.format(port=pair.source.port, user=USER, password=PASSWORD))
    root.put("/tmp/task.yaml", TASK.format(port=pair.target.port, user=USER, password=PASSWORD))
    root.do("tidegate operate-source create /tmp/source.yaml")
    root.do("tidegate start-task /tmp/task.yaml")
    pair.source.run("INSERT INTO app.t VALUES (2), (3)")

    def sync():
        s = json.loads(root.do("tidegate query-status t1"))["sources"][0]["subTaskStatus"][0]
        return s["unit"] == "Sync" and s["sync"]["synced"] and pair.target.query("SELECT COUNT(*) FROM app.t") == ((3,),)
    procs.wait_for(sync, 90, "it does not follow", 0.5)
    pair.assert_equal("app")
    who = root.do("ps -eo user:20,args | grep -v grep | grep '[t]idegate'")
    assert re.search(r"^root .*tidegated", who, re.M) and re.search(r"^tidegate .*tidegate-agent", who, re.M) and re.search(r"^tidegate .*tidegate-master", who, re.M), who
    assert re.search(r"^5900\d .*tidegate-relay: s1", who, re.M) and re.search(r"^5900\d .*tidegate-sync: t1@s1", who, re.M), who
    # An upgrade leaves what runs alone, and the operator's files as they are.
    before = root.do("cat /etc/tidegate/tidegate-agent.conf")
    root.do("dpkg -i --force-confold /tmp/tidegate.deb")
    assert root.do("cat /etc/tidegate/tidegate-agent.conf") == before
    pair.source.run("INSERT INTO app.t VALUES (4)")
    procs.wait_for(lambda: pair.target.query("SELECT COUNT(*) FROM app.t") == ((4,),), 60, "the row does not come")
    root.do("kill $(cat /tmp/pid); for i in $(seq 600); do kill -0 $(cat /tmp/pid) 2>/dev/null || exit 0; sleep 0.1; done; exit 1")
    assert "Sanitizer" not in root.do("cat /tmp/log")

    root.do("dpkg -r tidegate-master tidegate")
    assert root.try_("test -e /usr/sbin/tidegated")[0] == 1 and root.do("ls /etc/tidegate").split() == ["tidegate-agent.conf", "tidegate-master.conf", "tidegated.conf"]
    said = root.do("dpkg -P tidegate-master tidegate")
    assert "is kept: it holds the key" in said and root.try_("test -e /etc/tidegate")[0] == 1
    root.do("test -s /var/lib/tidegate/key")
