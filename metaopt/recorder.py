"""Facts on their way to disk: journalled in order, many at a time, off the master's loop."""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from metaopt.backlog import Backlog
from metaopt.errors import MetaoptError
from metaopt.messages import Claim, Event, Fact, Heard
from metaopt.stores.base import Record, Store
from metaopt.wire import to_plain

RENEWAL = 2.0
BATCH = 2_000
"""Records that are written at once, at most: while more are encoded, rank 0 would wait."""


class Recorder:
    """Writes the facts of run ``run`` to ``store``; the first ``seq`` of them are there already.

    ``durable`` is the number of the last fact that is on disk, ``trouble`` what keeps the next ones from getting there
    for now (they wait), ``broken`` what does so for good, as when somebody else has taken the history over.  One is
    ``overruled`` when other runs do its work: nobody wants what waits.
    ``background=False`` writes at once, in the caller's thread: for simulations.
    """

    pause = RENEWAL

    def __init__(self, store: Store, run: int, *, background: bool = True, seq: int = 0) -> None:
        self._store, self._run = store, run
        self._seq = seq
        self._waiting = Backlog()
        self._inbox: deque[Event] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self.durable, self.trouble, self.broken, self.overruled = seq, "", "", False
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True) if background else None
        if self._thread is not None:
            self._thread.start()

    def record(self, time: float, facts: Sequence[Fact]) -> int:
        """Take ``facts`` in, said at ``time``; gives the number of the last one."""
        if not facts:
            return self._seq
        with self._changed:
            for fact in facts:
                last = self._add(time, fact)
            self._changed.notify()
        while self._thread is None and self._waiting and not self.broken:
            self._append()
        return last

    def claim(self, now: float, claim: Claim) -> None:
        """Nobody else is there: it is granted."""
        self.record(now, [claim.fact])
        self._inbox.append(Heard(self._run, now, claim.fact))

    def heard(self) -> list[Event]:
        """What has come out of the history since."""
        return [self._inbox.popleft() for _ in range(len(self._inbox))]

    @property
    def remark(self) -> str:
        """What the store has to say against so many records; mostly nothing."""
        return str(getattr(self._store, "doubt", ""))

    def left(self) -> list[Record]:
        """What is not on disk."""
        with self._changed:
            self._waiting.recall()
            return self._waiting.first(len(self._waiting))

    def close(self, patience: float = 30.0) -> bool:
        """Write what waits, for ``patience`` seconds at most, but once; whether all of it is on disk."""
        with self._changed:
            patience, self._closing = 0.0 if self._closing else patience, True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(patience)
        if self._thread is None or not self._thread.is_alive():  # else it is in the middle of a write
            with suppress(OSError):
                self._store.close()
        return not self._waiting

    def _add(self, time: float, fact: Fact) -> int:
        """Number it, and have it wait; for one who holds ``_changed``."""
        self._seq += 1
        self._waiting.add(Record(self._run, self._seq, time, type(fact).__name__, to_plain(fact)))
        return self._seq

    def _write_all(self) -> None:
        """The thread: one append for all that waits; an empty one now and then keeps the claim."""
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(self.pause)
                last = self._closing
            written = self._write()
            if self.broken or (last and not (written and self._waiting)):
                return
            if not written:
                with self._changed:
                    if not self._closing:  # then it tries once more, at once
                        self._changed.wait(self.pause)

    def _write(self) -> bool:
        """Write what waits, whatever may come of it; whether that was done."""
        try:
            self._append()
        except OSError as error:
            self.trouble = f"the history cannot be written: {error.strerror or error}"
            return False
        except Exception as error:  # noqa: BLE001 - the thread must not end unheard
            self.broken = str(error) if isinstance(error, MetaoptError) else f"the history cannot be written: {error!r}"
            return False
        self.trouble = ""
        return not self.broken

    def _append(self) -> None:
        with self._changed:
            records = self._waiting.first(BATCH)
        self._store.append(records)
        self._written(records)

    def _written(self, records: list[Record]) -> None:
        """These are on disk."""
        if records:
            self.durable = records[-1].seq
            self._forget(records)

    def _forget(self, records: list[Record]) -> None:
        """They need not be written any more."""
        with self._changed:
            for record in records:
                self._waiting.drop(record)
