"""What stands in a server's binlog, by its own program; and the proof by it that never two owners wrote to a downstream."""
import os
import re
import subprocess

import servers as servers_module

WITHOUT_PROGRAM = ("ma102", "ma114")  # their packages have none; another one reads their files


def binlog_text(server, since=""):
    """Its lines, rows in plain words; of the files from `since` on."""
    name = "mysqlbinlog" if server.flavor == "mysql" else "mariadb-binlog"
    whose = "ma1011" if server.name in WITHOUT_PROGRAM else server.name
    program = subprocess.run([str(servers_module.SCRIPT), "program", whose, name], check=True, capture_output=True, text=True).stdout.strip()
    folder = f"{server.run_dir}/{server.port}/data"
    files = sorted(f"{folder}/{f}" for f in os.listdir(folder) if re.fullmatch(r"mysql-bin\.\d+", f) and f >= since)
    server.run("FLUSH BINARY LOGS")  # so that none of them ends with half an event
    out = subprocess.Popen([program, "-v", "--base64-output=DECODE-ROWS", *files], stdout=subprocess.PIPE, text=True, errors="replace")
    yield from out.stdout
    assert out.wait() == 0


class Fence:
    """Reads a downstream's binlog in its order. Each transaction of ours begins with an UPDATE of its own row in tidegate_slot, which holds its owner's epoch:
    they only grow. A take-over's own UPDATE changes the epoch, and only then ends the old owner's connections: behind the first transaction of the new owner there
    is no statement (DDL names its connection) of theirs."""

    def __init__(self, owners):
        self.owners, self.last, self.seen, self.statements, self.top = owners, {}, 0, 0, 0
        self.epochs = set()  # whose rows were seen
        self.rows = None  # [before, after] of the UPDATE that is being read

    def line(self, line):
        if line.startswith("### "):
            self.row(line)
            return
        self.end()
        m = re.search(r"\tQuery\tthread_id=(\d+)", line)
        epoch = self.owners.get(int(m[1])) if m else None
        if epoch is not None:
            self.statements += 1
            assert epoch >= self.top, f"a statement of epoch {epoch} (connection {m[1]}) behind a transaction of epoch {self.top}: {line}"

    def row(self, line):
        if line.startswith(("### UPDATE", "### INSERT", "### DELETE")):
            self.end()
            self.rows = [{}, {}] if "`tidegate_slot`" in line and "UPDATE" in line else None
            self.at = 0
        elif self.rows and line.startswith("### SET"):
            self.at = 1
        elif self.rows and (m := re.match(r"###   @([1-4])=(.*?)( /\*.*)?$", line)):
            self.rows[self.at][int(m[1])] = m[2].split()[0]

    def end(self):
        rows, self.rows = self.rows, None
        if not rows or len(rows[1]) < 4:
            return
        before, after = rows
        key, epoch = (after[1], after[2], after[3]), int(after[4])
        assert epoch >= self.last.get(key, 0), f"{key}: epoch {epoch} behind {self.last[key]}"
        self.last[key] = epoch
        self.epochs.add(epoch)
        self.seen += 1
        if before.get(4) == after[4]:
            self.top = max(self.top, epoch)

    def read(self, server, since=""):
        for line in binlog_text(server, since):
            self.line(line)
        self.end()
        return self


def assert_epochs(server, owners):
    fence = Fence(owners).read(server)
    assert fence.seen > 50, f"only {fence.seen} transactions in the binlog"
    assert fence.statements, "no statement of a connection that was seen"
    print(f"{server}: {fence.seen} transactions, {fence.statements} statements of {len(owners)} connections in order of {len(set(owners.values()))} epochs")
