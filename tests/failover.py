"""For the tests of a switch of the upstream: a forwarder that keeps host and port the same, and replication between two servers."""
import os
import select
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import servers as servers_module


class Forwarder:
    """A port in front of a server, as an operator's proxy or moving address: `to(server)` cuts what is open and leads to another one."""

    def __init__(self, server):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target, self.open, self.lock = server.port, set(), threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self):
        from urllib.parse import quote as q

        return f"mysql://{q(servers_module.USER, safe='')}:{q(servers_module.PASSWORD, safe='')}@127.0.0.1:{self.port}"

    def to(self, server):
        """None: nothing answers behind the port."""
        with self.lock:
            self.target = server and server.port
            cut, self.open = self.open, set()
        for s in cut:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def change(self, data):
        """What the client sends, as it goes on."""
        return data

    def close(self):
        self.to(None)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        try:
            with client, socket.create_connection(("127.0.0.1", self.target)) as server:
                both = {client, server}
                with self.lock:
                    if server.getpeername()[1] != self.target:
                        return
                    self.open |= both
                while True:
                    for s in select.select(list(both), [], [])[0]:
                        data = s.recv(1 << 16)
                        if not data:
                            return
                        (server if s is client else client).sendall(self.change(data) if s is client else data)
        except (OSError, OverflowError, TypeError, ValueError):
            pass  # an end that went away, or no target: the other end sees it


def follow(replica, primary):
    """The replica follows the primary, by GTID."""
    login = f"'{servers_module.USER}', {{0}}_PASSWORD='{servers_module.PASSWORD}'"
    where = "{0}_HOST='127.0.0.1', {0}_PORT=%d, {0}_USER=" % primary.port + login
    if replica.flavor == "mysql":
        replica.run("CHANGE REPLICATION SOURCE TO " + where.format("SOURCE") + ", SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1",
                    "START REPLICA")
    else:
        replica.run("CHANGE MASTER TO " + where.format("MASTER") + ", MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1", "START SLAVE")


def promote(replica):
    """It follows nobody any more."""
    replica.run(*(("STOP REPLICA", "RESET REPLICA ALL") if replica.flavor == "mysql" else ("STOP SLAVE", "RESET SLAVE ALL")))


def stop_following(replica):
    replica.run("STOP REPLICA" if replica.flavor == "mysql" else "STOP SLAVE")


def executed(server):
    """{origin: what it has} of its GTID set; of MariaDB the last number of each domain."""
    text = server.query("SELECT @@global.gtid_executed" if server.flavor == "mysql" else "SELECT @@global.gtid_binlog_pos")[0][0]
    text = text.replace("\n", "")
    if server.flavor == "mysql":
        return set(text.split(",")) - {""}
    return {(g.split("-")[0], g.split("-")[2]) for g in text.split(",") if g}


def wait_replica(replica, primary, timeout=60):
    """Until it has all that the primary has."""
    end = time.monotonic() + timeout
    while executed(replica) != executed(primary):
        assert time.monotonic() < end, f"{replica} has {executed(replica)}, {primary} {executed(primary)}; {status(replica)}"
        time.sleep(0.1)


def wait_for_rows(replica, table, n, timeout=60):
    end = time.monotonic() + timeout
    while table.split(".")[0] not in replica.databases() or replica.query(f"SELECT COUNT(*) FROM {table}") != ((n,),):
        assert time.monotonic() < end, f"{replica} lacks rows of {table}; {status(replica)}"
        time.sleep(0.1)


def status(replica):
    return replica.query("SHOW REPLICA STATUS" if replica.flavor == "mysql" else "SHOW SLAVE STATUS")


class OldCopy:
    """A copy of a server's data folder, to be put back: what a crash with sync_binlog=0 leaves behind."""

    def __init__(self, server):
        self.server = server
        self.data = Path(f"{server.run_dir}/{server.port}/data")
        self.copy = self.data.with_name("data.old")
        server.stop()
        shutil.copytree(self.data, self.copy, symlinks=True)
        server.start()

    def put_back(self):
        os.kill(self.server.pid(), signal.SIGKILL)
        while Path(f"/proc/{self.server.pid()}/fd").exists() and self._alive():
            time.sleep(0.05)
        for left in self.data.parent.glob("s.sock*"):
            left.unlink()  # its lock names a process that may be another one by now
        shutil.rmtree(self.data)
        self.copy.rename(self.data)
        self.server.start()

    def _alive(self):
        try:
            stat = Path(f"/proc/{self.server.pid()}/stat").read_text()
        except OSError:
            return False
        return stat.rsplit(")", 1)[1].split()[0] not in "ZX"
