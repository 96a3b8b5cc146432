"""The default store: an append-only file of JSON lines in the history's directory.

One writer, one write and one fsync per batch, no lock in steady state and no mmap, so it is safe on NFS and Lustre.
It is readable while it grows.  Each line is a record; all but the last of a batch say that there is ``more`` to come,
so a batch of which only a part reached the disk is not there.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from metaopt.errors import HistoryCorrupt, HistoryError
from metaopt.stores.base import Record
from metaopt.stores.claim import Claim

NAME = "journal.jsonl"
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class Journal:
    """Records in ``directory/journal.jsonl``."""

    def __init__(self, directory: str, *, create: bool = False) -> None:
        """Raise HistoryError when there is no journal (unless ``create``), or none can be made."""
        self._directory = Path(directory)
        self._path = self._directory / NAME
        self._claim: Claim | None = None
        self._file = -1
        self._last: dict[int, int] = {}
        if create:
            _make(self._directory)
        elif not self._path.is_file():
            problem = f"{directory}: there is no history here ({NAME} is missing)"
            raise HistoryError(problem, "Give the directory that the experiment names as its history:.")

    def append(self, records: Sequence[Record]) -> None:
        """Keep ``records``; they are on disk when this returns."""
        claim = self._claim or self._open()
        claim.renew()
        new = [record for record in records if record.seq > self._last.get(record.run, 0)]
        if not new:
            return
        lines = [_line(record, more=True) for record in new[:-1]] + [_line(new[-1], more=False)]
        _write(self._file, "".join(lines).encode(errors="backslashreplace"))
        self._last.update((record.run, record.seq) for record in new)

    def read(self, after: object = None) -> Iterator[tuple[object, Record]]:
        """The records in order; a cursor is the position in the file behind a batch, and the records of it to pass."""
        start, skip = after if isinstance(after, tuple) else (0, 0)
        if not self._path.is_file():
            return
        for begin, _, batch in _batches(self._path, start):
            for index, record in enumerate(batch, start=1):
                if begin > start or index > skip:
                    yield (begin, index), record

    def close(self) -> None:
        """Let others write."""
        if self._claim is not None:
            os.close(self._file)
            self._claim.release()
            self._claim = None

    def _open(self) -> Claim:
        """Claim the journal, cut off what a crash left half-written, and learn what is there."""
        try:
            claim = Claim(self._directory / "writer")
        except OSError as error:
            problem = f"{self._directory} cannot be written: {error.strerror}"
            raise HistoryError(problem, "Choose another directory as history:, or mend its permissions.") from error
        end = 0
        for _, end, batch in _batches(self._path, 0) if self._path.is_file() else ():  # noqa: B007 - the last one
            self._last.update((record.run, record.seq) for record in batch)
        self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._file, end)
        _sync_directory(self._directory)
        self._claim = claim
        return claim


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"{directory}: the history's directory cannot be made: {error.strerror}"
        raise HistoryError(problem, "Choose another directory as history:, or mend its permissions.") from error
    if not os.access(directory, os.W_OK):
        problem = f"{directory}: the history's directory is not writable"
        raise HistoryError(problem, "Choose another directory as history:, or mend its permissions.")


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


def _batches(path: Path, start: int) -> Iterator[tuple[int, int, list[Record]]]:
    """(begin, end, records) of each batch that is there as a whole, from byte ``start`` on."""
    with path.open("rb") as file:
        file.seek(start)
        begin = end = start
        batch: list[Record] = []
        for line in file:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            plain = _parse(path, line, end)
            batch.append(Record(*(plain[name] for name in ("run", "seq", "time", "kind", "body"))))
            if not plain.get("more"):
                yield begin, end, batch
                begin, batch = end, []


def _parse(path: Path, line: bytes, end: int) -> dict[str, Any]:
    try:
        plain = json.loads(line)
        if isinstance(plain, dict) and {"run", "seq", "time", "kind", "body"} <= plain.keys():
            return plain
    except ValueError:
        pass
    number = path.read_bytes()[:end].count(b"\n")
    problem = f"{path}:{number}: this line is no record: {line[:80]!r}"
    hint = f"Nothing was changed.  Look at the line; to go on without it:  sed -i.broken {number}d '{path}'"
    raise HistoryCorrupt(problem, hint)


def _line(record: Record, *, more: bool) -> str:
    plain = {"run": record.run, "seq": record.seq, "time": record.time, "kind": record.kind, "body": record.body}
    return _JSON.encode(plain | {"more": True} if more else plain) + "\n"


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
