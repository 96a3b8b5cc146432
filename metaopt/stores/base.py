"""What a store is: an append-only log of records, three methods."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Record:
    """One fact, as it is kept: number ``seq`` (1, 2, ...) of run ``run`` (1, 2, ...), said at ``time``."""

    run: int
    seq: int
    time: float
    kind: str
    body: Mapping[str, Any]


class Store(Protocol):
    """Keeps records.  ``metaopt.testing.StoreContract`` holds an implementation to what is said here.

    ``shared`` says whether several processes may write to it at once: ``SharedStoreContract``.
    """

    shared: bool

    def append(self, records: Sequence[Record], after: object = None) -> object:
        """Keep ``records``, all or none; they are on disk when this returns.

        A record whose (run, seq) is there already is passed over, so a retry is safe.  An empty list keeps the claim of
        the only writer alive.  Raises HistoryHeld when somebody else writes and only one may, OSError when the disk or
        the server does not take it for now.

        Where several write, ``after`` is the cursor up to which the writer has read: when there is anything behind it,
        nothing is kept, and Overtaken is raised.  What is given is the cursor behind ``records``, and without any, that
        of the end.
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


@runtime_checkable
class Lines(Protocol):
    """A store whose records are lines of JSON, as ``plain.encode`` writes them, may give them as they are."""

    def lines(self, after: object = None) -> Iterator[tuple[object, bytes]]:
        """The same as ``read``, undecoded: many lines at a time, with the cursor behind the last of them."""
        ...
