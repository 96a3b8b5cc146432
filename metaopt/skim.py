"""A history read without decoding what scripts have reported: most of it, and hardly anybody looks at it.

A Reported changes nothing but the points of its trial.  So these lines are kept as they are, and a trial knows from
where to where its own are among them (``unread.py``).  The fold cannot tell the difference.
"""

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from metaopt.stores.base import Lines, Record, Store
from metaopt.stores.plain import LINES, from_plain, parse

NO_RECORD = (TypeError, KeyError, ValueError)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for cycles in what is kept: there are none, and to look takes longer than to fold."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Folding(Protocol):
    """What takes records in: ``history.Fold``."""

    def take(self, record: Record) -> object:
        """Take in the next one."""
        ...

    def hear(self, run: int, time: float, lines: bytes) -> object:
        """Take in what scripts of ``run`` have reported: lines of Reporteds, the last of them of ``time``."""
        ...

    def listen(self, trial: int) -> object:
        """What is said of ``trial`` from now on is among what is heard."""
        ...


class Skim:
    """Reads stores into a ``fold``; ``cursor`` is that of the last record.  ``witness`` is shown all but Reporteds."""

    def __init__(self, fold: Folding, witness: Callable[[Record], object] | None = None) -> None:
        self._fold, self._witness = fold, witness
        self.cursor: object = None

    def read(self, store: Store) -> None:
        """What is new in ``store`` since the last time.  Raises what ``store.read`` and ``fold.take`` do."""
        with uncollected():
            if isinstance(store, Lines):
                try:
                    for cursor, text in store.lines(self.cursor):
                        self._read(text)
                        self.cursor = cursor
                except NO_RECORD:  # which line it is, and what is wrong with it, says who reads all of them
                    for _ in store.read():
                        pass
                    raise
            else:
                for cursor, record in store.read(self.cursor):
                    self._take(record)
                    self.cursor = cursor

    def _read(self, text: bytes) -> None:
        found = LINES.findall(text)
        plains = iter(parse([other for *_, other in found if other]))
        for run, lines, time, other in found:
            if not other:
                self._fold.hear(int(run), json.loads(time), lines)
                continue
            record = from_plain(next(plains))
            self._take(record)
            if record.kind == "Assign":
                self._fold.listen(record.body["trial"])

    def _take(self, record: Record) -> None:
        self._fold.take(record)
        if self._witness is not None and record.kind != "Reported":
            self._witness(record)
