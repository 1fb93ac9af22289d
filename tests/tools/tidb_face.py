#!/usr/bin/env python3
"""TiDB's face on a MySQL server, for tests. This is NOT TiDB: behind it is MySQL, with MySQL's storage, locks and DDL. What it has of
TiDB is what a client meets first: its version, its variables, its list of DDL jobs, statements and collations that it refuses, its
limits, its own way to word a few things, and its error codes, made up where a test asks for them. What only TiDB can show (real write
conflicts, regions that move, its optimizer) is for TIDEGATE_TEST_TIDB, which runs the same tests against a real one.

Used in a test's process: face = Face(socket_of_the_server, user, password); face.port; face.fail("^COMMIT", 9007); face.close().
By hand: tidb_face.py SOCKET PORT [USER [PASSWORD]]
"""
import hashlib
import os
import re
import socket
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pymysql  # noqa: E402

VERSION = "v8.5.0"
COMMENT = "TiDB Server (Apache License 2.0) Community Edition, MySQL 8.0 compatible"
MORE, NO_SECURE = 0x0008, 0x0800 | 0x0020 | 0x01000000 | 0x00800000 | 0x08000000  # no TLS, compression, EOF-less results, state tracking, attributes
ENTRY_MAX, TXN_MAX = 6 << 20, 100 << 20
SCHEMA = "tidb_face"  # where the jobs are, in the server behind

COLLATIONS = set("ascii_bin binary gbk_bin gbk_chinese_ci latin1_bin utf8_bin utf8_general_ci utf8_unicode_ci utf8mb3_bin utf8mb3_general_ci utf8mb3_unicode_ci "
                 "utf8mb4_bin utf8mb4_general_ci utf8mb4_unicode_ci utf8mb4_0900_ai_ci utf8mb4_0900_bin".split())
CHARSETS = {"ascii", "binary", "gbk", "latin1", "utf8", "utf8mb3", "utf8mb4"}
VARIABLES = {"tidb_txn_mode": "pessimistic", "tidb_disable_txn_auto_retry": "1", "tidb_retry_limit": "10", "allow_auto_random_explicit_insert": "0", "tidb_dml_type": "standard",
             "tidb_snapshot": "", "tidb_batch_insert": "0", "tidb_dml_batch_size": "0", "tidb_skip_utf8_check": "0", "tidb_constraint_check_in_place_pessimistic": "1",
             "tidb_txn_entry_size_limit": "0", "tidb_batch_commit": "0", "tidb_batch_delete": "0", "tidb_enable_check_constraint": "0"}
# What TiDB does not do: pattern over the statement without strings and comments, number, words.
REFUSED = [(re.compile(p, re.I | re.S), n, m) for p, n, m in (
    (r"^create table\b.*\bselect\b", 1105, "'CREATE TABLE ... SELECT' is not implemented yet"),
    (r"^create\b.*\b(trigger|procedure|function|event)\b", 1064, "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version"),
    (r"\b(geometry|point|linestring|polygon|multipoint|geometrycollection)\b(?!\w)(?=[^()]*[,)])", 1064, "You have an error in your SQL syntax (unsupported type geometry)"),
    (r"\bspatial (key|index)\b", 8200, "Unsupported index type: SPATIAL"),
    (r"\b(discard|import) tablespace\b", 1064, "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version"),
    (r"^alter table\b.*\badd (column )?\S+ [^,]*\bauto_increment\b", 8200, "unsupported add column constraint AUTO_INCREMENT when altering"),
    (r"^alter table\b.*\badd column (?!\()\S+ [^,]*\bprimary key\b", 8200, "unsupported add column constraint PRIMARY KEY when altering"),
    (r"^alter table\b.*\badd (column )?(?!unique|constraint|\()\S+ [^,]*\bunique\b", 8200, "unsupported add column constraint UNIQUE KEY when altering"),
    (r"^alter table\b.*\bdrop primary key\b", 8200, "Unsupported drop primary key when the table is using clustered index"),
    (r"^alter table\b.*\badd (column )?(?!key|index|constraint)\S+ [^,]*\bstored\b", 3106, "'Adding generated stored column through ALTER TABLE' is not supported for generated columns."),
    (r"^insert\b.*\bcast\(values\(", 1105, "baseBuiltinFunc.evalInt() should never be called, please contact the TiDB team for help"),
    (r"^xa\b", 1064, "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version"),
    (r"^lock instance\b", 1064, "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version"),
)]
SINGLE, DOUBLE = r"'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'", r'"[^"\\]*(?:(?:\\.|"")[^"\\]*)*"'
PIECES = re.compile((SINGLE + "|" + DOUBLE + r"|`[^`]*`|/\*.*?\*/|--[ \t][^\n]*|#[^\n]*|;").encode(), re.S)
STRINGS = re.compile(SINGLE + "|" + DOUBLE + r"|/\*(?!!|T!).*?\*/|--[ \t][^\n]*|#[^\n]*", re.S)
INTRODUCED = re.compile((r"(?:(?<![\w`$])_([a-z]\w*)\s*)?(?:[xX]?" + SINGLE + "|" + DOUBLE + r"|0x[0-9a-fA-F]+)|`[^`]*`").encode(), re.S | re.I)
MAYBE_INTRODUCED = re.compile(rb"\b_(?!utf8mb4\b|utf8\b|binary\b|ascii\b)[a-z]\w*\s*['\"x0]", re.I)
LITERAL = re.compile((SINGLE + "|0x[0-9a-fA-F]+").encode(), re.S)
ESCAPE = re.compile(rb"\\.", re.S)
DDL = re.compile(r"^(create|alter|drop|rename|truncate)\b(?!\s+(user|role))", re.I)


def split(text):
    """The statements of one packet."""
    found, start = [], 0
    for m in PIECES.finditer(text):
        if m.group() == b";":
            found.append(text[start:m.start()])
            start = m.end()
    found.append(text[start:])
    return [s for s in found if s.strip()] or [text]


def lenenc(n):
    return bytes([n]) if n < 251 else b"\xfc" + struct.pack("<H", n) if n < 1 << 16 else b"\xfd" + struct.pack("<I", n)[:3] if n < 1 << 24 else b"\xfe" + struct.pack("<Q", n)


def past_lenenc(p, at):
    return at + {0xfc: 3, 0xfd: 4, 0xfe: 9}.get(p[at], 1)


def error(number, text):
    state = {1064: "42000", 1045: "28000", 1115: "42000", 1273: "HY000"}.get(number, "HY000")
    return b"\xff" + struct.pack("<H", number) + b"#" + state.encode() + text.encode()


OK = b"\x00\x00\x00\x02\x00\x00\x00"


class Wire:
    """Packets of one end, whatever their size."""

    def __init__(self, sock, reader=None):
        self.sock, self.reader, self.seq = sock, reader or sock.makefile("rb"), 0

    def read(self):
        whole = b""
        while True:
            head = self.reader.read(4)
            if len(head) < 4:
                raise EOFError
            n, self.seq = int.from_bytes(head[:3], "little"), (head[3] + 1) & 255
            body = self.reader.read(n)
            if len(body) < n:
                raise EOFError
            whole = whole + body if whole else body
            if n < 0xffffff:
                return whole

    def write(self, payload):
        while True:
            piece, payload = payload[:0xffffff], payload[0xffffff:]
            self.sock.sendall(len(piece).to_bytes(3, "little") + bytes([self.seq]) + piece)
            self.seq = (self.seq + 1) & 255
            if len(piece) < 0xffffff:
                return

    def command(self, payload):
        self.seq = 0
        self.write(payload)


class Lost(Exception):
    """The client's connection is to be cut."""


class Session(threading.Thread):
    def __init__(self, face, sock):
        super().__init__(daemon=True)
        self.face, self.client, self.variables, self.txn, self.replay = face, Wire(sock), {}, 0, []

    # --- login

    def login(self):
        scramble = bytes(1 + b % 126 for b in os.urandom(20))
        self.back = pymysql.connect(unix_socket=self.face.socket, user="root", autocommit=True, ssl_disabled=True)
        self.id = self.back.thread_id()
        self.server = Wire(self.back._sock, self.back._rfile)
        caps = 0xffffffff & ~NO_SECURE & ~0x0080  # no LOCAL INFILE either
        self.client.write(b"\x0a" + self.face.shown.encode() + b"\0" + struct.pack("<I", self.id & 0xffffffff) + scramble[:8] + b"\0" + struct.pack("<H", caps & 0xffff) + b"\x2e\x02\x00"
                          + struct.pack("<H", caps >> 16) + b"\x15" + bytes(10) + scramble[8:] + b"\0mysql_native_password\0")
        p = self.client.read()
        flags, at = struct.unpack_from("<I", p)[0], p.index(b"\0", 32) + 1
        user, n = p[32:at - 1].decode(), p[at]
        answer, at = p[at + 1:at + 1 + n], at + 1 + n
        database = None
        if flags & 8:
            database, at = p[at:p.index(b"\0", at)].decode(), p.index(b"\0", at) + 1
        if flags & 0x00080000 and not p[at:].startswith(b"mysql_native_password"):
            self.client.write(b"\xfemysql_native_password\0" + scramble + b"\0")
            answer = self.client.read()
        if user != self.face.user or answer != self.expected(scramble):
            self.client.write(error(1045, f"Access denied for user '{user}'@'127.0.0.1' (using password: YES)"))
            raise EOFError
        self.quiet("SET SESSION collation_server=utf8mb4_bin, SESSION sql_require_primary_key=0")
        if database:
            self.quiet(f"USE `{database}`")
            self.replay.append(f"USE `{database}`")
        self.client.write(OK)

    def expected(self, scramble):
        if not self.face.password:
            return b""
        one = hashlib.sha1(self.face.password.encode()).digest()
        two = hashlib.sha1(scramble + hashlib.sha1(one).digest()).digest()
        return bytes(a ^ b for a, b in zip(one, two))

    def quiet(self, sql):
        with self.back.cursor() as c:
            c.execute(sql)

    # --- the conversation

    def run(self):
        try:
            self.login()
            self.face.sessions.append(self)
            while True:
                p = self.client.read()
                if p[0] == 1:
                    break
                if p[0] == 3:
                    self.queries(p[1:])
                elif p[0] in (2, 14, 27):  # default database, ping, option
                    self.server.command(p)
                    self.client.write(self.server.read())
                    if p[0] == 2:
                        self.replay.append(f"USE `{p[1:].decode()}`")
                else:
                    self.client.write(error(1047, "the face does not know this command"))
        except (EOFError, OSError, Lost, struct.error, ValueError):
            pass
        finally:
            self.end()

    def end(self):
        for s in (self.client.sock, getattr(getattr(self, "back", None), "_sock", None)):
            try:
                s and s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.client.sock.close()
        if getattr(self, "back", None):
            self.back._force_close()

    def queries(self, text):
        statements = split(text)
        for i, s in enumerate(statements):
            if not self.query(s, i + 1 < len(statements)):
                return

    def query(self, raw, more):
        """One statement. False: an error, which ends the packet."""
        rule = self.face.rule(raw)
        if rule and rule["when"] == "before":
            self.roll_back_failed_commit(raw)
            return self.fail(rule)
        text = None if len(raw) > 1 << 16 else raw.decode("utf-8", "surrogateescape")
        plain = STRINGS.sub(" ", text).strip() if text else raw[:200].decode("latin1")
        if not self.face.shows_config and re.match(r"show config\b", plain, re.I):
            refused = 1227, "Access denied; you need (at least one of) the CONFIG privilege(s) for this operation"
        else:
            refused = self.limits(raw, plain) or self.introduced(raw) or (self.refused(plain) if DDL.match(plain) or not text or re.match(r"xa|lock", plain, re.I) else None)
        if refused:
            self.client.write(error(*refused))
            return False
        if text:
            text = self.said(text, plain)
            if text is None:  # variables of TiDB's, and nothing else
                self.client.write(OK if not more else self.with_more(OK))
                return True
            raw = text.encode("utf-8", "surrogateescape")
        fine = self.job(raw, plain, more, rule) if DDL.match(plain) else self.forward(raw, more, rule)
        return fine

    def fail(self, rule):
        if rule["lose"]:
            raise Lost
        self.client.write(error(rule["code"], rule["text"]))
        return False

    def roll_back_failed_commit(self, raw):
        if re.match(rb"\s*commit", raw, re.I):
            self.quiet("ROLLBACK")

    def forward(self, raw, more, rule=None):
        self.server.command(b"\x03" + raw)
        return self.answer(more, rule)

    def with_more(self, p):
        p = bytearray(p)
        at = 3 if p[0] == 0xfe else past_lenenc(p, past_lenenc(p, 1))
        p[at] |= MORE
        return bytes(p)

    def answer(self, more, rule=None):
        """Hands on one result. rule: done in the server, but the client hears something else."""
        p = self.server.read()
        if rule:
            while p[0] not in (0x00, 0xff):
                p = self.server.read()
            return self.fail(rule)
        if p[0] in (0x00, 0xff):
            self.client.write(self.with_more(p) if more and p[0] == 0 else p)
            return p[0] == 0
        self.client.write(p)
        eofs = 0
        while eofs < 2:
            p = self.server.read()
            if p[0] == 0xff:
                self.client.write(p)
                return False
            if p[0] == 0xfe and len(p) < 9:
                eofs += 1
                p = self.with_more(p) if more and eofs == 2 else p
            self.client.write(p)
        return True

    # --- TiDB's words

    def refused(self, plain):
        for pattern, number, words in REFUSED:
            if pattern.search(plain):
                return number, words
        for name in re.findall(r"\bcollate\s*=?\s*`?(\w+)", plain, re.I):
            if name.lower() not in COLLATIONS:
                return 1273, f"Unsupported collation when new collation is enabled: '{name}'"
        for name in re.findall(r"\b(?:charset|character set)\s*=?\s*`?(\w+)", plain, re.I):
            if name.lower() not in CHARSETS:
                return 1115, f"Unknown character set: '{name}'"
        return None

    def introduced(self, raw):
        """TiDB knows these introducers; _latin1 too, but it takes the bytes for UTF-8 all the same."""
        for m in INTRODUCED.finditer(raw) if MAYBE_INTRODUCED.search(raw) else ():
            name = (m.group(1) or b"utf8").decode().lower()
            if name in ("gbk", "gb18030"):
                return 1115, f"Unsupported character introducer: '{name}'"
            if name == "latin1":
                return 1366, "Incorrect string value for column"
            if name not in ("utf8", "utf8mb4", "binary", "ascii"):
                return 1064, f"You have an error in your SQL syntax; check the manual that corresponds to your TiDB version near '_{name}'"
        return None

    def limits(self, raw, plain):
        word = plain[:8].lower()
        if word.startswith(("begin", "start tr", "commit", "rollback")):
            self.txn = 0
        if not word.startswith(("insert", "update", "replace", "delete")):
            return None
        self.txn += len(raw)
        longest = 0
        if len(raw) > self.face.entry_max:
            longest = max((m.end() - m.start() - 2 - len(ESCAPE.findall(m.group())) for m in LITERAL.finditer(raw)), default=0)
            longest = longest // 2 if b"0x" in raw or b"X'" in raw else longest
        if longest > self.face.entry_max:
            return 8025, f"entry too large, the max entry size is {self.face.entry_max}, the size of data is {longest}"
        if self.txn > self.face.txn_max:
            return 8004, f"Transaction is too large, size: {self.txn}"
        return None

    def said(self, text, plain):
        """The statement in MySQL's words; None: nothing is left of it."""
        if re.match(r"set\b", plain, re.I):
            return self.set(text)
        if re.match(r"admin\b", plain, re.I):
            return self.admin(plain)
        if re.match(r"show config\b", plain, re.I):
            return " UNION ".join(f"SELECT 'tidb' Type, '127.0.0.1:4000' Instance, 'performance.txn-{name}-size-limit' Name, '{n}' Value"
                                  for name, n in (("entry", self.face.entry_max), ("total", self.face.txn_max)) if f"txn-{name}-size-limit" in text)
        text = re.sub(r"^(\s*kill\s+)tidb\s+", r"\1", text, flags=re.I)
        if re.match(r"(select|show)\b", plain, re.I):
            text = re.sub(r"\btidb_version\(\)", lambda m: f"'Release Version: {self.face.version}\\nEdition: Community\\nGit Branch: HEAD'", text, flags=re.I)
            text = re.sub(r"\bversion\(\)|@@(?:global\.|session\.)?version\b", f"'{self.face.shown}'", text, flags=re.I)
            text = re.sub(r"@@version_comment\b", f"'{COMMENT}'", text, flags=re.I)
            text = re.sub(r"@@(?:global\.|session\.)?(tidb_\w+)", lambda m: "'" + self.variable(m.group(1)) + "'", text, flags=re.I)
            text = re.sub(r"information_schema\.ddl_jobs", f"{SCHEMA}.ddl_jobs", text, flags=re.I)
            text = re.sub(r"information_schema\.cluster_processlist", "information_schema.PROCESSLIST", text, flags=re.I)
            if SCHEMA in text:
                self.face.make_jobs()
        if re.match(r"(begin|start transaction)\b", plain, re.I):
            text = re.sub(r"\b(optimistic|pessimistic)\b", "", text, flags=re.I)
        if re.match(r"use\b", plain, re.I):
            self.replay.append(text)
        if DDL.match(plain):  # TiDB's default of utf8mb4
            text = re.sub(r"\b((?:charset|character set)\s*=?\s*utf8mb4)\b(?!\s*collate)", r"\1 COLLATE utf8mb4_bin", text, flags=re.I)
        return text

    def variable(self, name):
        return self.variables.get(name.lower(), VARIABLES.get(name.lower(), ""))

    def set(self, text):
        body = re.sub(r"^\s*set\s+", "", text, flags=re.I)
        kept = []
        for item in re.split(r",(?=(?:[^']*'[^']*')*[^']*$)", body):
            m = re.match(r"\s*(?:@@)?(?:session\.|session\s+|local\s+)?(tidb_\w+|allow_auto_random\w+)\s*:?=\s*'?(.*?)'?\s*$", item, re.I | re.S)
            if m and m.group(1).lower() not in VARIABLES:
                return "SELECT " + m.group(1)  # MySQL's error of a name that it does not know will do
            if m:
                self.variables[m.group(1).lower()] = m.group(2)
            else:  # charsets and collations have names, no numbers: between quotes MySQL does not know them either
                kept.append(re.sub(r"^(\s*(?:@@)?(?:session[.\s]\s*)?(?:character_set|collation)_\w+\s*=\s*)(\d+)\s*$", r"\1'\2'", item, flags=re.I))
        if not kept:
            return None
        text = "SET " + ",".join(kept)
        self.replay.append(text)
        return text

    def admin(self, plain):
        self.face.make_jobs()
        m = re.match(r"admin show ddl job queries limit (\d+)(?: offset (\d+))?", plain, re.I)
        if m:
            return f"SELECT JOB_ID, QUERY FROM {SCHEMA}.ddl_jobs ORDER BY JOB_ID DESC LIMIT {m.group(2) or 0}, {m.group(1)}"
        m = re.match(r"admin show ddl job queries ([\d, ]+)", plain, re.I)
        if m:
            return f"SELECT QUERY FROM {SCHEMA}.ddl_jobs WHERE JOB_ID IN ({m.group(1)})"
        m = re.match(r"admin show ddl jobs\s*(\d*)", plain, re.I)
        if m:
            return (f"SELECT JOB_ID, DB_NAME, TABLE_NAME, JOB_TYPE, SCHEMA_STATE, SCHEMA_ID, TABLE_ID, ROW_COUNT, START_TIME CREATE_TIME, START_TIME, END_TIME, STATE, '' COMMENTS "
                    f"FROM {SCHEMA}.ddl_jobs ORDER BY JOB_ID DESC LIMIT {m.group(1) or 10}")
        return plain

    # --- DDL jobs

    def job(self, raw, plain, more, rule):
        face = self.face
        number = face.begin_job(raw, plain)
        if face.outlive and face.outlive.search(plain):
            return self.job_alone(number, raw, more)
        self.server.command(b"\x03" + raw)
        p = None
        try:
            p = self.server.read()
        finally:
            face.end_job(number, bool(p) and p[0] == 0)
        if rule:
            return self.fail(rule)
        self.client.write(self.with_more(p) if more and p[0] == 0 else p)
        return p[0] == 0

    def job_alone(self, number, raw, more):
        """As in TiDB: the job goes on by itself, whatever becomes of the connection that asked for it."""
        done = {}

        def work():
            c = pymysql.connect(unix_socket=self.face.socket, user="root", autocommit=True, ssl_disabled=True)
            with c, c.cursor() as cur:
                for s in list(self.replay):
                    cur.execute(s)
                self.face.go_on.wait(self.face.outlive_seconds)
                try:
                    cur.execute(raw.decode("utf-8", "surrogateescape"))
                    done["fine"] = True
                except pymysql.MySQLError as e:
                    done["error"] = e.args
            self.face.end_job(number, "fine" in done)

        t = threading.Thread(target=work, daemon=True)
        t.start()
        self.server.sock.settimeout(0.05)
        while t.is_alive():
            t.join(0.05)
            try:
                if self.server.sock.recv(1, socket.MSG_PEEK) == b"":
                    raise Lost  # killed
            except (TimeoutError, BlockingIOError):
                pass
        self.server.sock.settimeout(None)
        if "error" in done:
            self.client.write(error(*done["error"]))
            return False
        self.client.write(self.with_more(OK) if more else OK)
        return True


class Face:
    def __init__(self, socket_path, user, password, port=0, version=VERSION):
        self.socket, self.user, self.password, self.version = socket_path, user, password, version
        self.shown = f"8.0.11-TiDB-{version}"  # VERSION(); the server-version of a TiDB's configuration may say anything
        self.rules, self.sessions, self.lock, self.fired = [], [], threading.Lock(), []
        self.outlive, self.outlive_seconds, self.go_on = None, 2, threading.Event()
        self.txn_max, self.entry_max = TXN_MAX, ENTRY_MAX
        self.shows_config = True  # the account has the CONFIG privilege
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Session(self, sock).start()

    def close(self):
        self.listener.close()
        for s in self.sessions:
            s.end()

    def cut(self):
        """All connections end."""
        for s in self.sessions:
            s.end()

    # --- errors by order

    def fail(self, pattern, code=0, text="made up by the face", after=0, times=1, when="before", lose=False):
        """The next statement that matches (after so many others) is answered with TiDB's error. when="before": it is not executed (a COMMIT is
        rolled back); "after": it is, but the client hears the error. lose: the client hears nothing, its connection is cut."""
        with self.lock:
            self.rules.append({"pattern": re.compile(pattern.encode(), re.I | re.S), "code": code, "text": text, "after": after, "times": times, "when": when, "lose": lose})

    def rule(self, raw):
        with self.lock:
            for r in self.rules:
                if not r["pattern"].search(raw[:4096].lstrip()):
                    continue
                if r["after"] > 0:
                    r["after"] -= 1
                    continue
                if r["times"] > 0:
                    r["times"] -= 1
                    self.fired.append((r["code"], raw[:80]))
                    return r
        return None

    # --- the list of jobs

    def backend(self):
        return pymysql.connect(unix_socket=self.socket, user="root", autocommit=True, ssl_disabled=True)

    def make_jobs(self):
        with self.backend() as c, c.cursor() as cur:
            self.make_jobs_by(cur)

    def make_jobs_by(self, cur):
        cur.execute("SET sql_log_bin=0")
        cur.execute(f"CREATE DATABASE IF NOT EXISTS {SCHEMA}")
        cur.execute(f"CREATE TABLE IF NOT EXISTS {SCHEMA}.ddl_jobs (JOB_ID bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, DB_NAME varchar(64), TABLE_NAME varchar(64), JOB_TYPE varchar(64), "
                    "SCHEMA_STATE varchar(64), SCHEMA_ID bigint, TABLE_ID bigint, ROW_COUNT bigint, START_TIME datetime, END_TIME datetime, STATE varchar(64), QUERY longtext)")

    def begin_job(self, raw, plain):
        words = " ".join(plain.split()[:2]).lower()
        if re.search(rf"\b{SCHEMA}\b", plain):
            return 0
        with self.lock, self.backend() as c, c.cursor() as cur:
            self.make_jobs_by(cur)
            cur.execute(f"INSERT INTO {SCHEMA}.ddl_jobs (JOB_TYPE, SCHEMA_STATE, SCHEMA_ID, TABLE_ID, ROW_COUNT, START_TIME, STATE, QUERY) VALUES (%s,'none',1,1,0,NOW(),'running',%s)",
                        (words, raw.decode("utf-8", "replace")))
            return cur.lastrowid

    def end_job(self, number, fine):
        if number:
            with self.backend() as c, c.cursor() as cur:
                cur.execute("SET sql_log_bin=0")
                self.make_jobs_by(cur)
                cur.execute(f"UPDATE {SCHEMA}.ddl_jobs SET STATE=%s, SCHEMA_STATE='public', END_TIME=NOW() WHERE JOB_ID=%s", ("synced" if fine else "rollback done", number))


def main():
    face = Face(sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else "root", sys.argv[4] if len(sys.argv) > 4 else "", int(sys.argv[2]))
    print(f"TiDB's face {face.version} on 127.0.0.1:{face.port}: a stand-in for tests, with MySQL behind it", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
