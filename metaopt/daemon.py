"""Rank 0 of metaoptd: what is in the queue is run, several experiments at a time, until somebody ends it."""

import math
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from metaopt.allocations import detect
from metaopt.aside import aside
from metaopt.errors import HistoryHeld, HistoryMissing, MetaoptError, QueueError, WalltimeShort
from metaopt.experiment import Experiment
from metaopt.master import FINISHED, INTERRUPTED, Watch
from metaopt.opening import SLACK, Terms
from metaopt.spool import OPEN, Entry, Spool, Standing, Submitted
from metaopt.stores import open_store
from metaopt.stores.claim import RENEWAL, Claim
from metaopt.together import LOOK, Complain, Together, Unlike, said, status_of
from metaopt.transports.base import Greeter

POLL = 1.0
"""Seconds from one look at the queue to the next."""
SELDOM = 30.0
"""The same where nothing seems to have changed: some file systems tell that by the second only."""
IDLE = 0.2
"""Seconds from one look at the workers to the next while there is nothing to do."""
ANSWERS = 1.0
"""Seconds that a history has to be opened in; one that takes longer has its turn when it has answered."""
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
    renewal = _Renewal(claim)
    try:
        daemon = _Daemon(spool, Together(hub, workers, watch, complain), habits, complain)
        while not daemon.over:
            renewal.check()
            daemon.turn()
    finally:
        renewal.end()
        claim.release()
    return daemon.status


class _Renewal:
    """Renews a claim from a thread of its own: whatever rank 0 waits for, others see that it lives."""

    def __init__(self, claim: Claim) -> None:
        self._claim, self._over, self._error = claim, threading.Event(), list[HistoryHeld]()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise HistoryHeld when somebody else has taken the queue over."""
        if self._error:
            raise self._error[0]

    def end(self) -> None:
        """No more of it; a disk that hangs is waited for a little while."""
        self._over.set()
        self._thread.join(RENEWAL)

    def _renew(self) -> None:
        while not self._over.wait(RENEWAL / 2):
            try:
                with suppress(OSError):  # its disk is away: what is under way goes on
                    self._claim.renew()
            except HistoryHeld as error:
                self._error.append(error)
                return


class _Opening:
    """What an experiment needs is looked for aside, since its disk, or its server, may hang."""

    def __init__(self, what: Submitted) -> None:
        self._found = aside(partial(_looked_at, what, time.monotonic()))
        with suppress(TimeoutError):
            self._found.exception(ANSWERS)

    @property
    def done(self) -> bool:
        """Whether there is an answer."""
        return self._found.done()

    def experiment(self) -> Experiment:
        """It; raises what is wrong with it, or that its history has not answered in a long time."""
        return self._found.result()


def _looked_at(what: Submitted, begun: float) -> Experiment:
    experiment = what.experiment()
    try:
        open_store(experiment.history, study=experiment.name).close()
    except Exception as error:
        soon = time.monotonic() - begun < ANSWERS
        if not (soon or isinstance(error, HistoryMissing)):  # who opens it in earnest would wait as long
            raise
    return experiment


class _Daemon:
    """What is in the queue, and what is under way of it."""

    def __init__(self, spool: Spool, together: Together, habits: Habits, complain: Complain) -> None:
        self._spool, self._together, self._habits, self._complain = spool, together, habits, complain
        self._deadline = min(detect(os.environ, time.time()).deadline or math.inf, habits.deadline)
        self._open: list[Entry] | None = None
        self._later: set[int] = set()  # what the end of this allocation has cut off, or would
        self._cancelled: set[int] = set()
        self._openings: dict[int, _Opening] = {}
        self._looked = self._read = -math.inf
        self._pythons: dict[int, str] = {}
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
        there = {entry.number for entry in self._open} | set(self._together.numbers)
        self._later &= there
        self._cancelled &= there
        self._openings = {number: each for number, each in self._openings.items() if number in there}
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
            if not self._is_opened(entry.number, entry.what):
                continue
            terms = Terms(self._deadline, (), entry.what.keep, entry.what.allow_cpu, entry.what.environment)
            try:
                experiment = self._openings.pop(entry.number).experiment()
                self._together.begin(entry.number, experiment, terms, entry.what.weight)
            except Unlike:
                self._blocked = self._together.numbers  # its turn comes when one of these has ended
                return
            except Exception as error:  # noqa: BLE001 - the others go on
                why = _why(error, entry.what.python)
                self._complain(f"{entry.what.name}: {why}")
                self._note(entry.number, Standing.REFUSED, why)
            else:
                self._pythons[entry.number] = entry.what.python
                self._note(entry.number, Standing.RUNNING)

    def _is_opened(self, number: int, what: Submitted) -> bool:
        """Whether its history has answered; until then the others are not held up by it."""
        if number not in self._openings:
            self._openings[number] = _Opening(what)
            if not self._openings[number].done:
                self._complain(
                    f"{what.name}: its history, {what.history}, does not answer; until it does, others begin"
                )
        return self._openings[number].done

    def _ended(self, number: int, end: int | Exception) -> None:
        """Write down how one has ended; what was but cut off waits for the next metaoptd."""
        status = status_of(end)
        cut_off = status == INTERRUPTED or isinstance(end, WalltimeShort)
        if cut_off and number in self._cancelled:
            self._note(number, Standing.CANCELLED)
        elif cut_off:
            self._later.add(number)
            self._note(number, Standing.WAITING, "it was interrupted")
        else:
            python = self._pythons.pop(number, "")
            self._note(
                number, STANDINGS[status], _why(end, python) if isinstance(end, Exception) else WHY.get(status, "")
            )

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


def _why(error: Exception, python: str) -> str:
    """What is wrong; of one's own optimizer, stopper or store that is not there, also who has looked for it."""
    if not (isinstance(error, MetaoptError) and sys.executable in error.hint and python not in {"", sys.executable}):
        return said(error)
    ways = f"{sys.executable} -m pip install PACKAGE,  or have the other one run the queue:  {python} -m metaopt daemon"
    return f"{error}\n  metaoptd imports it with {sys.executable}, and it was submitted with {python}:  {ways}"
