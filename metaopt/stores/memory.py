"""Kept nowhere: for simulations and for a first look."""

from collections.abc import Iterator, Sequence

from metaopt.stores.base import Record


class Memory:
    """A list."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._last: dict[int, int] = {}

    def append(self, records: Sequence[Record]) -> None:
        """Keep ``records`` that are not there yet."""
        for record in records:
            if record.seq > self._last.get(record.run, 0):
                self._records.append(record)
                self._last[record.run] = record.seq

    def read(self, after: object = None) -> Iterator[tuple[object, Record]]:
        """The records in order; the cursor is how many there are before and with each."""
        start = after if isinstance(after, int) else 0
        yield from enumerate(self._records[start:], start=start + 1)

    def close(self) -> None:
        """Nothing to give up."""
