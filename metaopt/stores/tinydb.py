"""TinyDB: one JSON file that any program reads, for small studies.

Each append writes the file anew, beside the old one, and then takes its place, so there is a whole one at any time.
That takes the longer the more there is: ``doubt`` says when it is too long.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from metaopt.errors import HistoryCorrupt, HistoryError, HistoryMissing
from metaopt.stores import place
from metaopt.stores.base import Record
from metaopt.stores.claim import Claim
from metaopt.stores.plain import encode, from_plain, to_plain

TABLE = "_default"
MANY = 5000


class TinyDB:
    """Records in the JSON file ``path``; needs tinydb to write it (``pip install tinydb``).

    ``doubt`` is empty as long as there are few enough of them; else one sentence that says what they cost.
    """

    shared = False

    def __init__(self, path: str, *, create: bool = False) -> None:
        """Raise HistoryError when there is no such file (unless ``create``), none can be made, or tinydb is missing."""
        self.doubt = ""
        self._path = Path(path).resolve()
        self._claim: Claim | None = None
        self._database: Any = None
        self._last: dict[int, int] = {}
        if self._path.is_dir():
            problem = f"{self._path} is a directory; TinyDB keeps its records in a file"
            raise HistoryError(problem, f"Write history: tinydb:{self._path / 'history.json'}")
        if create:
            _tinydb()
            place.make(self._path.parent)
        elif not self._path.is_file():
            problem = f"{self._path}: there is no history here"
            raise HistoryMissing(problem, "Give what the experiment says as its history:, tinydb:PATH.")

    def append(self, records: Sequence[Record], after: object = None) -> object:  # noqa: ARG002 - nobody else writes
        """Keep ``records``; they are on disk when this returns."""
        claim = self._claim or self._open()
        claim.renew()
        if not records:
            return None
        database = self._database or self._load(claim)
        new = [record for record in records if record.seq > self._last.get(record.run, 0)]
        if not new:
            return None
        began = time.monotonic()
        try:
            database.insert_multiple([to_plain(record) for record in new])
        except BaseException:
            self._database = None  # what became of it is found out before the next one
            raise
        self._last.update((record.run, record.seq) for record in new)
        self._judge(len(database), time.monotonic() - began)
        return None

    def read(self, after: object = None) -> Iterator[tuple[object, Record]]:
        """The records in order; the cursor is the number of a document."""
        start = after if isinstance(after, int) else 0
        return (pair for pair in _records(self._path, _tables(self._path)) if pair[0] > start)

    def close(self) -> None:
        """Let others write."""
        self._database = None
        if self._claim is not None:
            claim, self._claim = self._claim, None
            claim.release()

    def _open(self) -> Claim:
        """Claim the file; what is in it is learned before the first record."""
        try:
            self._claim = Claim(self._path.with_name(f"{self._path.name}.writer"), history=self._path)
        except OSError as error:
            problem = f"{self._path.parent} cannot be written: {error.strerror}"
            raise HistoryError(problem, place.HINT) from error
        return self._claim

    def _load(self, claim: Claim) -> Any:  # noqa: ANN401 - the library may be missing
        """The library's own object, which keeps the documents from one append to the next."""
        file = _WholeFile(self._path, claim.renew)
        self._last = {record.run: record.seq for _, record in _records(self._path, file.read())}
        self._database = _tinydb().TinyDB(storage=lambda: file)
        return self._database

    def _judge(self, count: int, seconds: float) -> None:
        if count > MANY:
            self.doubt = (
                f"{self._path} has {count:,} records, and each append writes all of them anew, in {seconds:.2g} s by "
                f"now: a journal (history: a directory) or leveldb:PATH only adds to what is there"
            )


class _WholeFile:
    """A storage for tinydb: the file is replaced by a new one, and what is in it is kept in memory.

    ``check`` is called before it takes the old one's place: it raises when somebody else has come to write meanwhile.
    """

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self._path, self._check = path, check
        self._kept: dict[str, Any] | None = None
        self._lines: dict[str, dict[str, bytes]] = {}

    def read(self) -> dict[str, Any]:
        """The tables by their names."""
        if self._kept is None:
            self._kept = _tables(self._path)
        return self._kept

    def write(self, tables: dict[str, Any]) -> None:
        """Put ``tables`` on disk, all or nothing."""
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with new.open("wb") as file:
                file.write(self._laid_out(tables))
                file.flush()
                os.fsync(file.fileno())
            self._check()
            new.replace(self._path)
        except BaseException:
            with suppress(OSError):
                new.unlink()
            raise
        place.sync(self._path.parent)
        self._kept = tables

    def _laid_out(self, tables: Mapping[str, Any]) -> bytes:
        """The JSON of ``tables``, with a line for each document, which is made once: a document does not change."""
        texts = []
        for name, table in tables.items():
            lines = self._lines.setdefault(name, {})
            for number, document in table.items():
                if number not in lines:
                    lines[number] = b"%b:%b" % (encode(number), encode(document))
            texts.append(b"%b:{\n%b\n}" % (encode(name), b",\n".join([lines[number] for number in table])))
        return b"{%b}\n" % b",\n".join(texts)

    def close(self) -> None:
        """Nothing is open between two writes."""


def _tables(path: Path) -> dict[str, Any]:
    """What is in the file, by table; nothing when there is no file."""
    try:
        tables = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _corrupt(path, f"this is no JSON: {error}") from error
    if not isinstance(tables, dict) or not isinstance(tables.get(TABLE, {}), dict):
        raise _corrupt(path, "this is no file of TinyDB's")
    return tables


def _records(path: Path, tables: Mapping[str, Any]) -> Iterator[tuple[int, Record]]:
    """The records with the numbers of their documents."""
    for number, plain in tables.get(TABLE, {}).items():
        try:
            yield int(number), from_plain(plain)
        except (TypeError, KeyError, ValueError):
            raise _corrupt(path, f"document {number} is no record: {str(plain)[:80]}") from None


def _corrupt(path: Path, problem: str) -> HistoryCorrupt:
    hint = "Nothing was changed.  Mend the file with an editor: it is JSON, with a line for each record."
    return HistoryCorrupt(f"{path}: {problem}", hint)


def _tinydb() -> Any:  # noqa: ANN401 - it may be missing
    try:
        import tinydb  # noqa: PLC0415 - an extra
    except ImportError as error:
        problem = "tinydb: needs tinydb, which is not installed"
        hint = "pip install tinydb, or use a journal (history: a directory), which needs nothing."
        raise HistoryError(problem, hint) from error
    return tinydb
