"""A caller of Tidegate's control socket that is not Tidegate: nng's wire format (SP, request and reply) and our messages, written down here once
more by hand, so that a test can send what no program of ours would."""
import os
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

REQ, REP = 0x30, 0x31
FAILED, OK, HELLO, WELCOME, NEXT, COMMAND, ANSWER, FORWARDED, CHALLENGE, CHALLENGED, PROVE = 1, 15, 45, 41, 42, 50, 51, 52, 60, 61, 62


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<I", len(b)) + b


def message(type_, body=b"", request=1, version=1):
    return struct.pack("<HHQ", version, type_, request) + body


def command(word, args="{}", **kw):
    return message(COMMAND, text(word) + text(args), **kw)


def hello(name, instance="i" * 32):
    return message(HELLO, text(name) + text("0") + struct.pack("<II", 9, 0) + text(instance) + text("") + struct.pack("<Q", 0))


class Caller:
    """One connection. to: an address as Tidegate's; tls: settings with ssl-ca, ssl-cert, ssl-key."""

    def __init__(self, to, tls=None, timeout=30, greet=True):
        self.ipc = "://" not in to
        if self.ipc:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(timeout)
            self.s.connect(to)
        else:
            host, port = to.split("://")[1].rsplit(":", 1)
            self.s = socket.create_connection((host, int(port)), timeout)
        if tls:
            context = ssl.create_default_context(cafile=tls["ssl-ca"])
            if "ssl-cert" in tls:
                context.load_cert_chain(tls["ssl-cert"], tls["ssl-key"])
            self.s = context.wrap_socket(self.s, server_hostname="localhost")
        self.id = 0x80000000
        if greet:
            self.s.sendall(b"\0SP\0" + struct.pack(">HH", REQ, 0))
            assert self._read(8)[:4] == b"\0SP\0"

    def _read(self, n):
        out = b""
        while len(out) < n:
            piece = self.s.recv(n - len(out))
            if not piece:
                raise ConnectionError("the other end went away")
            out += piece
        return out

    def send(self, payload):
        self.id += 1
        body = struct.pack(">I", self.id) + payload
        self.s.sendall((b"\1" if self.ipc else b"") + struct.pack(">Q", len(body)) + body)

    def receive(self):
        """(type, body) of the reply."""
        if self.ipc:
            self._read(1)
        body = self._read(struct.unpack(">Q", self._read(8))[0])
        assert struct.unpack(">I", body[:4])[0] == self.id
        version, type_, _ = struct.unpack("<HHQ", body[4:16])
        assert version == 1
        return type_, body[16:]

    def ask(self, payload):
        self.send(payload)
        return self.receive()

    def prove(self, name, settings=None, key=None, cert=None, nonce=None):
        """With a certificate's key, or a bare one (Key); cert: another one than it is of."""
        if nonce is None:
            type_, body = self.ask(message(CHALLENGE))
            assert type_ == CHALLENGED, (type_, body)
            nonce = body[4:].decode()
        statement = f"tidegate control socket\n{nonce}\n{name}\n".encode()
        if key:
            return self.ask(message(PROVE, text(name) + text("") + text(key.public) + text(key.sign(statement))))
        with tempfile.NamedTemporaryFile() as f:
            f.write(statement)
            f.flush()
            signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", settings["ssl-key"], f.name], check=True, capture_output=True).stdout
        return self.ask(message(PROVE, text(name) + text(Path(cert or settings["ssl-cert"]).read_text()) + text("") + text(signature)))

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Answerer(threading.Thread):
    """A listener at tcp://127.0.0.1 whose answers a test makes up: answer(type, request, body) gives (type, body)."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer = answer
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.listening.getsockname()[1]}"

    def run(self):
        while True:
            try:
                s, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        with s, s.makefile("rb") as f:
            s.sendall(b"\0SP\0" + struct.pack(">HH", REP, 0))
            f.read(8)
            while len(size := f.read(8)) == 8:
                body = f.read(struct.unpack(">Q", size)[0])
                version, type_, request = struct.unpack("<HHQ", body[4:16])
                kind, reply = self.answer(type_, request, body[16:])
                reply = body[:4] + message(kind, reply, request, version)
                s.sendall(struct.pack(">Q", len(reply)) + reply)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.listening.close()


class Key:
    """An Ed25519 key, by openssl."""

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.exists():
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=True, capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", str(path), "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        self.public = "ed25519:" + der[-32:].hex()

    def sign(self, data):
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(self.path), "-in", f.name], check=True, capture_output=True).stdout


def code(reply):
    """Of a `failed`; 0 of anything else."""
    type_, body = reply
    return struct.unpack("<I", body[:4])[0] if type_ == FAILED else 0


def random_bytes(n):
    return os.urandom(n)
