"""Records that wait for a store: the first ones in memory, the others, when there are very many, in a file."""

import os
import tempfile
from itertools import islice
from typing import IO

from metaopt.stores.base import Record
from metaopt.stores.plain import encode, from_plain, parse, to_plain

NEAR, SOME = 50_000, 2_000
"""So many wait in memory, which takes some 50 MB; and so many are taken from the file at once."""


class Backlog:
    """In the order in which they were added; for one thread at a time.

    The file has no name, and goes when the process does.  Where there is no room for it, all wait in memory.
    """

    def __init__(self) -> None:
        self._near: dict[int, Record] = {}
        self._file: IO[bytes] | None = None
        self._far = self._read = self._end = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._near) + self._far

    def add(self, record: Record) -> None:
        """Have it wait."""
        if not self._far and len(self._near) < NEAR:
            self._near[record.seq] = record
        elif not self._spill(record):
            self.recall()
            self._near[record.seq] = record

    def first(self, count: int) -> list[Record]:
        """Those, ``count`` at most, that have waited longest."""
        if not self._near:
            self.recall(SOME)
        return list(islice(self._near.values(), count))

    def drop(self, record: Record) -> None:
        """It need not wait any more."""
        self._near.pop(record.seq, None)
        if not self._near:
            self.recall(SOME)

    def recall(self, count: int | None = None) -> None:
        """Take ``count`` of those in the file, or all, into memory."""
        if self._file is None or not self._far:
            return
        with os.fdopen(os.dup(self._file.fileno()), "rb") as reader:
            reader.seek(self._read)
            lines = list(islice(reader, self._far if count is None else min(count, self._far)))
        self._far, self._read = self._far - len(lines), self._read + sum(map(len, lines))
        self._near.update((record.seq, record) for record in map(from_plain, parse(lines)))
        if not self._far:
            self._file.truncate(0)
            self._read = self._end = 0

    def _spill(self, record: Record) -> bool:
        """Put it into the file, at its end; False when that cannot be done."""
        line = encode(to_plain(record)) + b"\n"
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as this lives
            self._file.seek(self._end)
            if self._file.write(line) < len(line):
                return False
        except OSError:
            return False
        self._end += len(line)
        self._far += 1
        return True
