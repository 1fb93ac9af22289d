"""`tidegate dump` and `tidegate load`: a Job with a folder of files on one side."""
import os
from pathlib import Path

from tidegate import Job


class FileJob(Job):
    """word: dump or load."""

    def __init__(self, bin_dir, folder, word, files, source=None, target=None, **kw):
        super().__init__(bin_dir, folder, source and source.url(), target and target.url(), **kw)
        self.word, self.files = word, Path(files)

    def command(self, *more, until=None):
        args = super().command(*more, until=None)
        return [args[0], self.word, "--dir", str(self.files), *args[2:]]


def readable(folder):
    """What root's mydumper wrote may be read by the source's uid."""
    os.chmod(folder, 0o755)
    for f in folder.iterdir():
        os.chmod(f, 0o644)
