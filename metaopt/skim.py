"""A history read without decoding what scripts have reported: most of it, and hardly anybody looks at it.

A Reported changes nothing but the points of its trial.  So it is held back, undecoded, until something is said that
may change whether it counts; then it is heard before that.  The fold cannot tell the difference.
"""

import gc
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from metaopt.stores.base import Lines, Record, Store
from metaopt.stores.plain import LINES, from_plain

WHO = b'"worker":%d,"trial":%d,"attempt":%d'
CALM = frozenset({"Suggested", "Renewed", "Interrupted"})
"""What is said of no trial that runs, and changes none."""
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
    """What takes records in: ``history.Fold``.  ``heard`` is when each run has spoken last."""

    heard: dict[int, float]

    def take(self, record: Record) -> object:
        """Take in the next one."""
        ...

    def hear(self, worker: int, trial: int, attempt: int, texts: Sequence[bytes]) -> object:
        """Take in what a script has reported: the points of some Reporteds, each as JSON."""
        ...


class Skim:
    """Reads stores into a ``fold``; ``cursor`` is that of the last record.  ``witness`` is shown all but Reporteds."""

    def __init__(self, fold: Folding, witness: Callable[[Record], object] | None = None) -> None:
        self._fold, self._witness = fold, witness
        self._held: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self.cursor: object = None

    def read(self, store: Store) -> None:
        """What is new in ``store`` since the last time.  Raises what ``store.read`` and ``fold.take`` do."""
        with uncollected():
            if isinstance(store, Lines):
                try:
                    for cursor, text in store.lines(self.cursor):
                        self._read(text)
                        self.cursor = cursor
                    self._hear_all()
                except NO_RECORD:  # which line it is, and what is wrong with it, says who reads all of them
                    for _ in store.read():
                        pass
                    raise
            else:
                for cursor, record in store.read(self.cursor):
                    self._take(record)
                    self.cursor = cursor

    def _read(self, text: bytes) -> None:
        held, runs = self._held, set()
        for run, who, points, other in LINES.findall(text):
            if not other:
                held[who].append(points)
                runs.add(run)
                continue
            record = from_plain(json.loads(other))
            self._get_ready(record)
            self._take(record)
        for run in runs:
            _, _, last = (b"\n" + text).rpartition(b'\n{"run":%b,' % run)
            self._fold.heard[int(run)] = json.loads(b"{%b" % last.partition(b"\n")[0])["time"]

    def _get_ready(self, record: Record) -> None:
        """Let be heard what the coming ``record`` may make late: words of the same attempt, or of all."""
        if record.kind in CALM:
            return
        try:
            who = WHO % (record.body["worker"], record.body["trial"], record.body["attempt"])
        except (TypeError, KeyError):
            self._hear_all()
        else:
            if who in self._held:
                self._hear(who, self._held.pop(who))

    def _take(self, record: Record) -> None:
        self._fold.take(record)
        if self._witness is not None and record.kind != "Reported":
            self._witness(record)

    def _hear_all(self) -> None:
        for who, texts in self._held.items():
            self._hear(who, texts)
        self._held.clear()

    def _hear(self, who: bytes, texts: list[bytes]) -> None:
        worker, trial, attempt = json.loads(b"{%b}" % who).values()
        self._fold.hear(worker, trial, attempt, texts)
