"""A history into another place: all its records, exactly and in order, and read back to see that they are there.

A transfer that was cut off leaves a beginning.  The next one goes on from there, if what it finds is a beginning of
the same history; else it changes nothing.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import chain, islice
from typing import NamedTuple, NoReturn

from metaopt.errors import HistoryCorrupt, HistoryError, HistoryIncomplete, Overtaken
from metaopt.location import Location
from metaopt.stores.base import Record, Store
from metaopt.stores.plain import encode, to_plain

BATCH = 1000
Told = Callable[[str, int], None]
"""Told what is being done, and with how many records it has been."""


class Transferred(NamedTuple):
    """``study`` has so many ``records``, of which ``before`` were at the ``target`` before."""

    study: str
    records: int
    before: int
    target: Location


class Digest:
    """What tells two sequences of records apart: how many there are, and a hash over them."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = sha256()

    def add(self, record: Record) -> bytes:
        """Take ``record`` in; gives its bytes."""
        told = encode(to_plain(record))
        self._hash.update(told + b"\n")
        self.count += 1
        return told

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and (self.count, self._hash.digest()) == (other.count, other._hash.digest())

    __hash__ = None  # type: ignore[assignment]  # it changes


def transfer(source: Location, target: Location, told: Told) -> Transferred:
    """Copy the history at ``source`` to ``target``, which is empty or has a beginning of it.

    ``source`` is not changed, and may be written meanwhile: what is there when its end is reached is copied.  Raises
    HistoryError when it cannot be done, HistoryIncomplete when it could not be done to the end.
    """
    with source.opened() as store:
        records = (record for _, record in store.read())
        first = next(records, None)
        if first is None:
            problem = f"{source}: this history is empty"
            raise HistoryError(problem, source.beginning)
        study = _study(source, first)
        target = target.named(study)
        if target.place == source.named(study).place:
            problem = f"{source} and {target} are the same place"
            raise HistoryError(problem, "Name another one as the second.")
        ours = _ascending(source, chain([first], records))
        before, digest = _Target(source, target, told).fill(ours)
    _check(target, digest, told)
    return Transferred(study, digest.count, before, target)


def _study(source: Location, first: Record) -> str:
    """What the study is called; raises HistoryError when it is none."""
    experiment = first.body.get("experiment") if first.kind == "Opened" else None
    if not isinstance(experiment, dict) or not isinstance(experiment.get("name"), str):
        problem = f"{source}: the first record of this history is no Opened with the name of a study"
        raise HistoryError(problem, "It was not written by metaopt, or its beginning is missing.")
    return str(experiment["name"])


def _ascending(source: Location, records: Iterator[Record]) -> Iterator[Record]:
    """``records``, as long as no store would pass one over."""
    last: dict[int, int] = {}
    try:
        for record in records:
            if record.seq <= last.get(record.run, 0):
                problem = f"{source}: record {record.seq} of run {record.run} is out of its order"
                raise HistoryCorrupt(problem, "metaopt db check  tells all that is wrong with it.")
            last[record.run] = record.seq
            yield record
    except OSError as error:  # told here, where it is known that it is not the target's
        problem = f"{source} cannot be read any more: {error.strerror or error}"
        raise HistoryIncomplete(problem, "Once it can, the same command goes on.") from error


class _Target:
    """The end to which ``source`` is copied."""

    def __init__(self, source: Location, target: Location, told: Told) -> None:
        self._source, self._target, self._told = source, target, told
        self._digest = Digest()

    def fill(self, ours: Iterator[Record]) -> tuple[int, Digest]:
        """Write what is not there yet; gives how many were there, and the digest of all."""
        try:
            store = self._target.open(create=True)
            try:
                cursor = store.append([])  # from here on nobody else writes, or it is told
                cursor = self._compare(store, ours, cursor)
                before = self._digest.count
                self._append(store, ours, cursor if store.shared else None)
            finally:
                store.close()
        except Overtaken:
            problem = f"somebody else writes to {self._target}"
            raise HistoryError(problem, "Name another place; on a server, another study: #NAME") from None
        except OSError as error:
            problem = (
                f"{self._target} cannot be written: {error.strerror or error}; {self._digest.count} records are there"
            )
            raise HistoryIncomplete(problem, "Once it can, the same command goes on with what is there.") from error
        return before, self._digest

    def _compare(self, store: Store, ours: Iterator[Record], cursor: object) -> object:
        """See that what is there is a beginning of ``ours``; gives the cursor behind it, or else ``cursor``."""
        for behind, theirs in store.read():
            cursor = behind
            mine = next(ours, None)
            if mine is None or self._digest.add(mine) != encode(to_plain(theirs)):
                self._refuse(mine)
            if self._digest.count % BATCH == 0:
                self._told("comparing", self._digest.count)
        return cursor

    def _refuse(self, mine: Record | None) -> NoReturn:
        differs = f"its record {self._digest.count} is another one" if mine else "it has more records"
        problem = f"{self._target} holds a study already, and no beginning of {self._source}: {differs}"
        raise HistoryError(problem, "Nothing was changed.  Name a place where there is none.")

    def _append(self, store: Store, ours: Iterator[Record], cursor: object) -> None:
        while batch := list(islice(ours, BATCH)):
            cursor = store.append(batch, cursor)
            for record in batch:
                self._digest.add(record)
            self._told("copying", self._digest.count)


def _check(target: Location, written: Digest, told: Told) -> None:
    """Read ``target`` back; raises HistoryIncomplete when it is not what was ``written``."""
    found = Digest()
    with target.opened() as store:
        for _, record in store.read():
            found.add(record)
            if found.count % BATCH == 0:
                told("reading back", found.count)
    if found != written:
        what = "others" if found.count == written.count else f"{found.count} records"
        problem = f"{target} does not read back as it was written: {written.count} records, and {what} are there"
        raise HistoryIncomplete(
            problem, "Does somebody else write to it?  Else its disk, or server, is not to be trusted."
        )
