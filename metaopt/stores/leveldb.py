"""LevelDB, embedded: a directory of sorted tables, compressed, checked by checksums.

A key is the number of a record, as sixteen digits; a value is its JSON.  LevelDB lets one process at a time open a
database, even to read it, so a run in progress cannot be looked at.  Its lock says neither who that is nor holds on
every cluster's file system: a claim does.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from metaopt.errors import HistoryCorrupt, HistoryError, HistoryHeld, HistoryMissing
from metaopt.stores import place
from metaopt.stores.base import Record
from metaopt.stores.claim import Claim
from metaopt.stores.plain import encode, from_plain, parse, to_plain

CHUNK = 256
ALONE = (
    "LevelDB lets one process at a time open it, even to read: wait until that one has ended, or stop it.  "
    "A journal (history: a directory) and MongoDB can be read meanwhile."
)


class LevelDB:
    """Records in a database at ``path``; needs plyvel (``pip install plyvel``)."""

    shared = False

    def __init__(self, path: str, *, create: bool = False) -> None:
        """Raise HistoryError when there is no database (unless ``create``), none can be made, or plyvel is missing."""
        self._plyvel = _plyvel()
        self._path = Path(path).resolve()
        self._claim: Claim | None = None
        self._database: Any = None
        self._last: dict[int, int] = {}
        self._known = 0
        if create:
            place.make(self._path)
        elif not (self._path / "CURRENT").is_file():
            problem = f"{self._path}: there is no history here (no LevelDB)"
            raise HistoryMissing(problem, "Give what the experiment says as its history:, leveldb:PATH.")

    def append(self, records: Sequence[Record], after: object = None) -> object:  # noqa: ARG002 - nobody else writes
        """Keep ``records``; they are on disk when this returns."""
        database, claim = self._open()
        claim.renew()
        if not records:
            return None
        for _ in self.read(self._known):
            pass  # what has not been read yet is learned
        new = [record for record in records if record.seq > self._last.get(record.run, 0)]
        batch = database.write_batch(sync=True)
        for number, record in enumerate(new, start=self._known + 1):
            batch.put(_key(number), encode(to_plain(record)))
        try:
            batch.write()
        except self._plyvel.Error as error:
            self._forget()  # how much of it is on disk is found out before the next one
            raise OSError(_said(error)) from error
        self._known += len(new)
        self._last.update((record.run, record.seq) for record in new)
        return None

    def read(self, after: object = None) -> Iterator[tuple[object, Record]]:
        """The records in order; the cursor is a record's number.  Raises HistoryHeld while another process has it."""
        database, claim = self._open()
        start = after if isinstance(after, int) else 0
        learning = start <= self._known
        try:
            with closing(database.iterator(start=_key(start + 1), fill_cache=False, verify_checksums=True)) as pairs:
                while chunk := list(islice(pairs, CHUNK)):
                    claim.renew()
                    for number, record in self._records(chunk):
                        if learning and number > self._known:
                            self._known, self._last[record.run] = number, record.seq
                        yield number, record
        except self._plyvel.CorruptionError as error:
            raise self._corrupt(_said(error)) from error

    def close(self) -> None:
        """Let others open it."""
        self._forget()
        if self._claim is not None:
            claim, self._claim = self._claim, None
            claim.release()

    def _records(self, chunk: Sequence[tuple[bytes, bytes]]) -> Iterator[tuple[int, Record]]:
        for (key, value), plain in zip(chunk, parse([value for _, value in chunk]), strict=True):
            try:
                found = int(key), from_plain(plain)
            except (TypeError, KeyError, ValueError):
                problem = f"{self._path}: what is under {key!r} is no record: {value[:80]!r}"
                hint = "Nothing was changed.  To go on without it:  "
                raise HistoryCorrupt(problem, hint + _python(f"DB({str(self._path)!r}).delete({key!r})")) from None
            yield found

    def _open(self) -> tuple[Any, Claim]:
        """The database, and the right to use it."""
        began = self._claim is not None
        self._claim = self._claim or self._claimed()
        if self._database is None:
            self._known, self._last = 0, {}
            self._check_beginning()
            try:
                self._database = self._plyvel.DB(str(self._path), create_if_missing=True, paranoid_checks=True)
            except self._plyvel.Error as error:
                raise self._refused(error, began=began) from error
        return self._database, self._claim

    def _claimed(self) -> Claim:
        try:
            return Claim(self._path / "writer")
        except HistoryHeld as held:
            raise HistoryHeld(held.problem, ALONE) from None
        except OSError as error:
            problem = f"{self._path} cannot be written, which LevelDB does even to read it: {error.strerror}"
            raise HistoryError(problem, place.HINT) from error

    def _check_beginning(self) -> None:
        """Where LevelDB would take what it finds for nothing, begin anew and remove it: raise HistoryCorrupt."""
        if not (self._path / "CURRENT").exists() and any(self._path.glob("[0-9]*.l[do][bg]")):
            problem = "there are records, but the file CURRENT is missing"
            raise self._corrupt(problem)

    def _refused(self, error: Exception, *, began: bool) -> Exception:
        """Why it cannot be opened, in our words; if it could be before (``began``), then it may be again."""
        if isinstance(error, self._plyvel.CorruptionError):
            return self._corrupt(_said(error))
        if not began:
            self.close()
        if _said(error).startswith("IO error: lock "):
            problem = f"{self._path} is open in another process, which has not claimed it"
            return HistoryHeld(problem, ALONE)
        if began:
            return OSError(_said(error))
        problem = f"{self._path} cannot be opened: {_said(error)}"
        return HistoryError(problem, "Choose another place as history:, leveldb:PATH.")

    def _corrupt(self, problem: str) -> HistoryCorrupt:
        repair = _python(f"repair_db({str(self._path)!r}, paranoid_checks=True)")
        hint = f"Nothing was changed.  Keep a copy of the directory; then this saves what can be read:  {repair}"
        return HistoryCorrupt(f"{self._path}: {problem}", hint)

    def _forget(self) -> None:
        """Close the database, but keep the claim."""
        if self._database is not None:
            database, self._database = self._database, None
            database.close()


def _plyvel() -> Any:  # noqa: ANN401 - a module without types
    try:
        import plyvel  # noqa: PLC0415 - an extra
    except ImportError as error:
        problem = "leveldb: needs plyvel, which is not installed"
        hint = (
            "pip install plyvel.  There are wheels for Linux on x86_64 and Python up to 3.12 only; "
            "elsewhere use a journal (history: a directory), which needs nothing."
        )
        raise HistoryError(problem, hint) from error
    return plyvel


def _key(number: int) -> bytes:
    """A key that sorts as ``number`` does."""
    return b"%016d" % number


def _said(error: Exception) -> str:
    """What LevelDB says, as text."""
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(error)


def _python(call: str) -> str:
    """A command that does this with plyvel."""
    return f'python -c "import plyvel; plyvel.{call}"'
