"""Rank 0 of metaoptd: what is in the queue is run, several experiments at a time, until somebody ends it."""

import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass

from metaopt.allocations import detect
from metaopt.errors import MetaoptError, QueueError, WalltimeShort
from metaopt.master import FINISHED, INTERRUPTED, SLACK, Terms, Watch
from metaopt.spool import OPEN, Entry, Spool, Standing
from metaopt.together import LOOK, Complain, Together, Unlike, said, status_of
from metaopt.transports.base import Greeter

POLL = 1.0
"""Seconds from one look at the queue to the next."""
SELDOM = 30.0
"""The same where nothing seems to have changed: some file systems tell that by the second only."""
IDLE = 0.2
"""Seconds from one look at the workers to the next while there is nothing to do."""
STANDINGS = {0: Standing.DONE, 1: Standing.FAILED, 2: Standing.REFUSED}
WHY = {1: "it has no result"}


@dataclass(frozen=True, slots=True)
class Habits:
    """How it goes on: so many experiments ``at_once``; up to ``deadline``; ``drain`` is to end with the queue empty."""

    at_once: int = 4
    deadline: float = math.inf
    drain: bool = False


def lead_queue(hub: Greeter, workers: int, spool: Spool, habits: Habits, watch: Watch, *, complain: Complain) -> int:
    """Run what is in ``spool`` with ``workers`` workers; gives the exit status.

    Raises QueueError when somebody else does.
    """
    claim = spool.take()
    try:
        daemon = _Daemon(spool, Together(hub, workers, watch, complain), habits, complain)
        while not daemon.over:
            with suppress(OSError):  # its disk is away: what is under way goes on
                claim.renew()
            daemon.turn()
    finally:
        claim.release()
    return daemon.status


class _Daemon:
    """What is in the queue, and what is under way of it."""

    def __init__(self, spool: Spool, together: Together, habits: Habits, complain: Complain) -> None:
        self._spool, self._together, self._habits, self._complain = spool, together, habits, complain
        self._deadline = min(detect(os.environ, time.time()).deadline or math.inf, habits.deadline)
        self._open: list[Entry] | None = None
        self._later: set[int] = set()  # what the end of this allocation has cut off, or would
        self._cancelled: set[int] = set()
        self._looked = self._read = -math.inf
        self._stamp, self._trouble = 0, ""
        self._blocked: list[int] = []

    @property
    def over(self) -> bool:
        """Whether this is the end."""
        if self._together.numbers:
            return False
        late, done = time.time() > self._deadline - SLACK, self._open is not None and not self._waiting
        return bool(self._together.ending) or late or self._together.deserted or (self._habits.drain and done)

    @property
    def status(self) -> int:
        """The exit status: nothing is left to do, or somebody, or the end of the allocation, has ended it."""
        return INTERRUPTED if self._open or self._together.ending else FINISHED

    @property
    def _waiting(self) -> list[Entry]:
        """Those that may begin here, in that order."""
        not_now = {*self._together.numbers, *self._later}
        return [entry for entry in self._open or () if entry.number not in not_now]

    def turn(self) -> None:
        """Go on for a moment; while there is nothing to do, that is to sleep."""
        self._look(time.monotonic())
        self._begin()
        idle = not self._together.numbers
        if idle:
            time.sleep(IDLE)
        for number, end in self._together.turn(0.0 if idle else LOOK).items():
            self._ended(number, end)

    def _look(self, now: float) -> None:
        """See, now and then, what has been submitted, cancelled or put first since."""
        if now - self._looked < POLL:
            return
        self._looked = now
        try:
            stamp = self._spool.stamp()
            if stamp == self._stamp and now - self._read < SELDOM:
                return
            entries = self._spool.entries()
        except (OSError, QueueError) as error:
            why = error.strerror if isinstance(error, OSError) else ""
            self._tell(f"the queue cannot be read: {why or error}; what is under way goes on")
            return
        self._read, self._stamp, self._trouble = now, stamp, ""
        self._open = [entry for entry in entries if entry.open]
        for entry in entries:
            if entry.cancelled and entry.number in set(self._together.numbers) - self._cancelled:
                self._cancelled.add(entry.number)
                self._together.cancel(entry.number, "cancelled")

    def _begin(self) -> None:
        """Let the next ones begin, as far as there is room for them."""
        if self._together.numbers and self._together.numbers == self._blocked:
            return
        self._blocked = []
        for entry in self._waiting:
            if len(self._together.numbers) >= self._habits.at_once or self._together.ending or entry.what is None:
                return
            terms = Terms(self._deadline, (), entry.what.keep, entry.what.allow_cpu, entry.what.environment)
            try:
                self._together.begin(entry.number, entry.what.experiment(), terms, entry.what.weight)
            except Unlike:
                self._blocked = self._together.numbers  # its turn comes when one of these has ended
                return
            except Exception as error:  # noqa: BLE001 - the others go on
                self._complain(f"{entry.what.name}: {said(error)}")
                self._note(entry.number, Standing.REFUSED, said(error))
            else:
                self._note(entry.number, Standing.RUNNING)

    def _ended(self, number: int, end: int | Exception) -> None:
        """Write down how one has ended; what was but cut off waits for the next metaoptd."""
        status = status_of(end)
        if number in self._cancelled:
            self._note(number, Standing.CANCELLED)
        elif status == INTERRUPTED or isinstance(end, WalltimeShort):
            self._later.add(number)
            self._note(number, Standing.WAITING, "it was interrupted")
        else:
            self._note(number, STANDINGS[status], said(end) if isinstance(end, Exception) else WHY.get(status, ""))

    def _note(self, number: int, standing: Standing, why: str = "") -> None:
        if standing not in OPEN:
            self._open = [entry for entry in self._open or () if entry.number != number]
        try:
            self._spool.note(number, standing, why)
        except (MetaoptError, OSError) as error:
            self._tell(str(error))

    def _tell(self, trouble: str) -> None:
        """What is wrong is said once."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._complain(trouble)
