"""What `tidegate grants` prints, and accounts with exactly that."""
import re
import subprocess


def version_word(server):
    return f"{server.flavor}:{server.version // 10000}.{server.version // 100 % 100}"


def statements(bin_dir, server, side, user="tgtest", unit="all"):
    """The GRANT statements that are printed for this side."""
    done = subprocess.run([str(bin_dir / "tidegate"), "grants", "--for", unit, "--server", version_word(server), "--user", f"'{user}'@'%'"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    parts = dict(re.findall(r"^-- on the (\w+)\n((?:(?!-- on the).*\n)*)", done.stdout, re.M))
    return re.findall(r"^(GRANT .*?);", parts[side], re.M)


def privileges(sqls):
    """(privilege, what it is on) of GRANT statements."""
    return [(p.strip(), m.group(2)) for m in (re.match(r"GRANT (.*) ON (\S+) TO ", s) for s in sqls) for p in m.group(1).split(",")]


def make_user(server, user, sqls):
    server.run(f"DROP USER IF EXISTS {user}@'%'", f"CREATE USER {user}@'%' IDENTIFIED BY 'Grants-1'", *sqls)
