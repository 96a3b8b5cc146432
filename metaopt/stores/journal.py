"""The default store: an append-only file of JSON lines in the history's directory.

One writer, one write and one fsync per batch, no lock in steady state and no mmap, so it is safe on NFS and Lustre.
It is readable while it grows.  Each line is a record; all but the last of a batch say that there is ``more`` to come,
so a batch of which only a part reached the disk is not there.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from metaopt.errors import HistoryCorrupt, HistoryError, HistoryMissing
from metaopt.stores import place
from metaopt.stores.base import Record
from metaopt.stores.claim import Claim
from metaopt.stores.plain import encode, from_plain, parse, to_plain

NAME = "journal.jsonl"
CHUNK_BYTES, BLOCK_BYTES = 1 << 16, 1 << 20
MORE = b',"more":true}\n'
"""The end of a line after which its batch goes on."""
Cursor: TypeAlias = tuple[int, int]
"""The position in the file behind which a batch begins, and how many records of it there are up to this one."""


class Journal:
    """Records in ``directory/journal.jsonl``."""

    shared = False

    def __init__(self, directory: str, *, create: bool = False) -> None:
        """Raise HistoryMissing when there is no journal (unless ``create``), HistoryError when none can be made."""
        self._directory = Path(directory)
        self._path = self._directory / NAME
        self._claim: Claim | None = None
        self._file = -1
        self._last: dict[int, int] = {}
        self._known = 0
        self._ready = False
        if (self._directory / "CURRENT").is_file() and not self._path.exists():
            problem = f"{directory}: this directory is no journal but a LevelDB"
            raise HistoryError(problem, f"Write leveldb:{directory}")
        if create:
            place.make(self._directory)
        elif not self._path.is_file():
            problem = f"{directory}: there is no history here ({NAME} is missing)"
            raise HistoryMissing(problem, "Give the directory that the experiment names as its history:.")

    def append(self, records: Sequence[Record], after: object = None) -> object:  # noqa: ARG002 - nobody else writes
        """Keep ``records``; they are on disk when this returns."""
        claim = self._claim or self._open()
        claim.renew()
        if records and not self._ready:
            self._get_ready()
        new = [record for record in records if record.seq > self._last.get(record.run, 0)]
        if not new:
            return None
        lines = [_line(record, more=True) for record in new[:-1]] + [_line(new[-1], more=False)]
        try:
            _write(self._file, b"".join(lines))
        except OSError:
            self._ready = False  # what is left of it, if anything, is found out before the next one
            raise
        self._last.update((record.run, record.seq) for record in new)
        return None

    def read(self, after: object = None) -> Iterator[tuple[object, Record]]:
        """The records in order.  To claim with ``append([])``, then to read, then to append takes one pass, not two."""
        cursor = after if isinstance(after, tuple) else (0, 0)
        if not self._path.is_file():
            return
        for end, found in _whole(self._path, cursor[0]):
            self._learn(cursor[0], end, found)
            yield from found if after is None else [pair for pair in found if pair[0] > cursor]

    def lines(self, after: object = None) -> Iterator[tuple[object, bytes]]:
        """The lines of the batches that are there as a whole, and the cursor behind them."""
        start, passed = after if isinstance(after, tuple) else (0, 0)
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(start)
            start += sum(len(file.readline()) for _ in range(passed))
            rest = b""
            while read := file.read(BLOCK_BYTES):
                text = rest + read
                end = text.rfind(b"\n") + 1
                while text.endswith(MORE, 0, end):
                    end = text.rfind(b"\n", 0, end - 1) + 1
                start += end
                if end:
                    yield (start, 0), text[:end]
                rest = text[end:]

    def close(self) -> None:
        """Let others write."""
        if self._claim is not None:
            claim, self._claim = self._claim, None
            try:
                os.close(self._file)
            finally:
                claim.release()

    def _open(self) -> Claim:
        """Claim the journal; what is in it is learned later, while somebody reads it or before the first record."""
        try:
            claim = Claim(self._directory / "writer")
        except OSError as error:
            problem = f"{self._directory} cannot be written: {error.strerror}"
            raise HistoryError(problem, place.HINT) from error
        self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        place.sync(self._directory)
        self._claim, self._ready, self._known, self._last = claim, False, 0, {}
        return claim

    def _get_ready(self) -> None:
        """Learn what has not been read yet, and cut off what a crash left half-written."""
        start = self._known
        for end, found in _whole(self._path, start):
            self._learn(start, end, found)
        os.ftruncate(self._file, self._known)
        self._ready = True

    def _learn(self, start: int, end: int, found: list[tuple[Cursor, Record]]) -> None:
        """Remember what was ``found`` up to byte ``end`` by one who reads from byte ``start`` on.

        Only under the claim: without it, another writer may still take back what its disk has refused.
        """
        if self._claim is not None and not self._ready and start <= self._known < end:
            self._last |= {record.run: record.seq for _, record in found}
            self._known = end
            self._claim.renew()


def _write(file: int, data: bytes) -> None:
    """All of ``data``, on disk, or, when the disk does not take it, nothing."""
    before = os.fstat(file).st_size
    try:
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, before)
        raise


def _whole(path: Path, start: int) -> Iterator[tuple[int, list[tuple[Cursor, Record]]]]:
    """The records of the batches that are there as a whole, from byte ``start`` on, and where the last one ends."""
    begin = end = start
    index = whole = 0
    found: list[tuple[Cursor, Record]] = []
    for lines in _chunks(path, start):
        for line, plain in zip(lines, parse(lines), strict=True):
            try:
                record = from_plain(plain)
            except (TypeError, KeyError):
                yield begin, found[:whole]
                raise _corrupt(path, line, end) from None
            end += len(line)
            index += 1
            found.append(((begin, index), record))
            if "more" not in plain:
                begin, index, whole = end, 0, len(found)
        yield begin, found[:whole]
        found, whole = found[whole:], 0


def _chunks(path: Path, start: int) -> Iterator[list[bytes]]:
    """The lines from byte ``start`` on, many at a time; the last one only if all of it is there."""
    with path.open("rb") as file:
        file.seek(start)
        while lines := file.readlines(CHUNK_BYTES):
            if not lines[-1].endswith(b"\n"):
                yield lines[:-1]
                return
            yield lines


def _corrupt(path: Path, line: bytes, start: int) -> HistoryCorrupt:
    number = path.read_bytes()[:start].count(b"\n") + 1
    problem = f"{path}:{number}: this line is no record: {line[:80]!r}"
    hint = f"Nothing was changed.  Look at the line; to go on without it:  sed -i.broken {number}d '{path}'"
    return HistoryCorrupt(problem, hint)


def _line(record: Record, *, more: bool) -> bytes:
    plain = to_plain(record)
    return encode(plain | {"more": True} if more else plain) + b"\n"
