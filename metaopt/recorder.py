"""Facts on their way to disk: journalled in order, many at a time, off the master's loop."""

import threading
from collections.abc import Sequence
from contextlib import suppress

from metaopt.errors import MetaoptError
from metaopt.messages import Fact, to_plain
from metaopt.stores.base import Record, Store

RENEWAL = 2.0


class Recorder:
    """Writes the facts of run ``run`` to ``store``.

    ``durable`` is the number of the last fact that is on disk, ``trouble`` what keeps the next ones from getting there
    for now (they wait in memory), ``broken`` what does so for good, as when somebody else has taken the history over.
    ``background=False`` writes at once, in the caller's thread: for simulations.
    """

    def __init__(self, store: Store, run: int, *, background: bool = True) -> None:
        self._store, self._run = store, run
        self._seq = 0
        self._waiting: list[Record] = []
        self._changed = threading.Condition()
        self._closing = False
        self.durable, self.trouble, self.broken = 0, "", ""
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True) if background else None
        if self._thread is not None:
            self._thread.start()

    def record(self, time: float, facts: Sequence[Fact]) -> int:
        """Take ``facts`` in, said at ``time``; gives the number of the last one."""
        if not facts:
            return self._seq
        first = self._seq + 1
        records = [
            Record(self._run, seq, time, type(fact).__name__, to_plain(fact))
            for seq, fact in enumerate(facts, start=first)
        ]
        self._seq = records[-1].seq
        if self._thread is None:
            self._store.append(records)
            self.durable = self._seq
        else:
            with self._changed:
                self._waiting += records
                self._changed.notify()
        return self._seq

    def left(self) -> list[Record]:
        """What is not on disk."""
        with self._changed:
            return self._waiting[:]

    def close(self, patience: float = 30.0) -> bool:
        """Write what waits, for ``patience`` seconds at most; whether all of it is on disk."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(patience)
        if self._thread is None or not self._thread.is_alive():  # else it is in the middle of a write
            with suppress(OSError):
                self._store.close()
        return self.durable == self._seq

    def _write_all(self) -> None:
        """The thread: one append for all that waits; an empty one now and then keeps the claim."""
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(RENEWAL)
                batch, last = self._waiting[:], self._closing
            written = self._write(batch)
            if self.broken or (last and not (written and batch)):
                return
            if not written:
                with self._changed:
                    if not self._closing:  # then it tries once more, at once
                        self._changed.wait(RENEWAL)

    def _write(self, batch: list[Record]) -> bool:
        try:
            self._store.append(batch)
        except OSError as error:
            self.trouble = f"the history cannot be written: {error.strerror or error}"
            return False
        except Exception as error:  # noqa: BLE001 - the thread must not end unheard
            self.broken = str(error) if isinstance(error, MetaoptError) else f"the history cannot be written: {error!r}"
            return False
        self.trouble = ""
        if batch:
            self.durable = batch[-1].seq
            with self._changed:
                del self._waiting[: len(batch)]
        return True
