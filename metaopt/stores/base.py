"""What a store is: an append-only log of records, three methods."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """One fact, as it is kept: number ``seq`` (1, 2, ...) of run ``run`` (1, 2, ...), said at ``time``."""

    run: int
    seq: int
    time: float
    kind: str
    body: Mapping[str, Any]


class Store(Protocol):
    """Keeps records.  ``metaopt.testing.StoreContract`` holds an implementation to what is said here."""

    def append(self, records: Sequence[Record]) -> None:
        """Keep ``records``, all or none; they are on disk when this returns.

        A record whose (run, seq) is there already is passed over, so a retry is safe.  An empty list keeps the
        writer's claim alive.  Raises HistoryHeld when somebody else writes, OSError when the disk does not take it.
        """
        ...

    def read(self, after: object = None) -> Iterator[tuple[object, Record]]:
        """The records in the order in which they were appended, each with a cursor to go on ``after``.

        Works while another process writes.  Raises HistoryCorrupt when one in the middle cannot be read.
        """
        ...

    def close(self) -> None:
        """Give up the claim to write, if there is one."""
        ...
