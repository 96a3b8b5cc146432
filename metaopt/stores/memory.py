"""Kept nowhere: for simulations and for a first look."""

from collections.abc import Iterator, Sequence

from metaopt.errors import Overtaken
from metaopt.stores.base import Record


class Memory:
    """A list of one's own; or one to which several write, each through a Memory of its own."""

    def __init__(self, records: list[Record] | None = None) -> None:
        self.shared = records is not None
        self._records = [] if records is None else records
        self._last: dict[int, int] = {}
        self._known = 0

    def append(self, records: Sequence[Record], after: object = None) -> object:
        """Keep ``records`` that are not there yet."""
        if isinstance(after, int) and after < len(self._records):
            problem = "others have written to this history meanwhile"
            raise Overtaken(problem)
        self._last.update((record.run, record.seq) for record in self._records[self._known :])
        new = [record for record in records if record.seq > self._last.get(record.run, 0)]
        self._records += new
        self._known = len(self._records) - len(new)
        return len(self._records)

    def read(self, after: object = None) -> Iterator[tuple[object, Record]]:
        """The records in order; the cursor is how many there are before and with each."""
        start = after if isinstance(after, int) else 0
        yield from enumerate(self._records[start:], start=start + 1)

    def close(self) -> None:
        """Nothing to give up."""
