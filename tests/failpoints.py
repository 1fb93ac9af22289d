"""The failpoint table that a test shares with Tidegate's processes (include/failpoint.def, docs/design/testing.md)."""
import mmap
import os
import re
import struct
from pathlib import Path

DEF = Path(__file__).resolve().parent.parent / "include" / "failpoint.def"
RECORD = struct.Struct("<40sIIIIII")  # name, act, countdown, arg, passes, fired, reserved
ACT = {"none": 0, "kill": 1, "error": 2, "sleep": 3, "exit": 4}


def names():
    return re.findall(r"^FAILPOINT\((\w+),", DEF.read_text(), re.M)


class Failpoints:
    def __init__(self, path):
        self.path, self.names = Path(path), names()
        with open(self.path, "wb") as f:
            for n in self.names:
                f.write(RECORD.pack(n.encode(), 0, 0, 0, 0, 0, 0))
        os.chmod(self.path, 0o600)
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def _at(self, name):
        return self.names.index(name) * RECORD.size

    def _word(self, name, n):
        return struct.unpack_from("<I", self.map, self._at(name) + 40 + 4 * n)[0]

    def _set(self, name, n, value):
        struct.pack_into("<I", self.map, self._at(name) + 40 + 4 * n, value)

    def arm(self, name, act="kill", at=1, arg=0):
        """Fires at the at-th pass from now, once."""
        self._set(name, 1, 0)
        self._set(name, 2, arg)
        self._set(name, 0, ACT[act])
        self._set(name, 1, at)

    def disarm(self, name):
        """Ends a sleep that is under way there, too."""
        self._set(name, 1, 0)
        self._set(name, 0, 0)

    def passes(self, name):
        return self._word(name, 3)

    def fired(self, name):
        return self._word(name, 4)

    def all_fired(self):
        return {n: self.fired(n) for n in self.names if self.fired(n)}
