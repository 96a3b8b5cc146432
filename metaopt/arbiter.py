"""Whom the next worker goes to, of several experiments that share them.  Pure: no I/O and no clock.

A free worker goes to the experiment that has had least, as measured by its weight: of the workers' time so far, and,
for each worker that it has now, as much of it as a loan lasts on average.  Where loans are short against what has been
had, the past decides, where many are made at once, the present.  So no experiment that wants a worker waits for ever:
what the others have had grows while it waits.  (Weighted fair queueing: Demers, Keshav and Shenker, 1989.)
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(slots=True)
class Share:
    """What one experiment has: ``used`` worker-seconds so far, ``held`` workers, of the ``total`` it has use for."""

    weight: float
    used: float
    held: int = 0
    total: int = 0

    @property
    def wants(self) -> int:
        """How many workers more; less than none are too many."""
        return self.total - self.held

    def due(self, loan: float) -> float:
        """The less, the sooner it gets a worker; a loan lasts so many seconds."""
        return (self.used + loan * self.held) / self.weight


class Arbiter:
    """Lends workers to experiments, which are named by numbers, in the order in which they have come."""

    def __init__(self) -> None:
        self._shares: dict[int, Share] = {}
        self._lent: dict[int, int | None] = {}
        self._since: dict[int, float] = {}
        self._unfit: set[tuple[int, int]] = set()
        self._now = 0.0
        self._loans, self._spent = 1, 1.0

    def enter(self, name: int, weight: float = 1.0) -> None:
        """An experiment comes; what the others have had before that is no matter."""
        least = min((share.used / share.weight for share in self._shares.values()), default=0.0)
        self._shares[name] = Share(weight, least * weight)

    def leave(self, name: int) -> list[int]:
        """It is over; gives its workers, which are nobody's from now on."""
        del self._shares[name]
        self._unfit = {(worker, other) for worker, other in self._unfit if other != name}
        freed = [worker for worker, other in self._lent.items() if other == name]
        self._lent |= dict.fromkeys(freed)
        return freed

    def came(self, worker: int) -> None:
        """A worker is there, and nobody's."""
        self._take_back(worker)
        self._lent[worker] = None

    def gone(self, worker: int) -> None:
        """It is there no more."""
        self._take_back(worker)
        self._lent.pop(worker, None)
        self._unfit = {(other, name) for other, name in self._unfit if other != worker}

    def unfit(self, worker: int) -> None:
        """It can do nothing for whom it was lent to, ever; it is nobody's."""
        name = self._lent.get(worker)
        self.came(worker)
        if name is not None:
            self._unfit.add((worker, name))

    def lent(self, worker: int) -> int | None:
        """To whom."""
        return self._lent.get(worker)

    def want(self, name: int, total: int) -> None:
        """An experiment has use for so many workers, those included that it has."""
        self._shares[name].total = total

    def excess(self, name: int) -> int:
        """How many of its workers are of no use to it, and of some to others."""
        return max(-self._shares[name].wants, 0) if self.wanted(name) else 0

    def wanted(self, name: int) -> bool:
        """Whether others want workers."""
        return any(share.wants > 0 for other, share in self._shares.items() if other != name)

    def decide(self, now: float, free: Collection[int], spare: Collection[int] = ()) -> dict[int, int]:
        """Lend these workers: which go to another one than before, and to whom.

        The ``free`` ones have just ended a trial, or are nobody's; the ``spare`` ones are of no use where they are.
        """
        self._charge(now)
        for worker in free:
            if (name := self._lent[worker]) is not None:
                self._shares[name].total -= 1
        moves = {worker: name for worker in free if (name := self._lend(worker)) is not None}
        moves |= {worker: name for worker in spare if (name := self._lend(worker, stay=False)) is not None}
        return moves

    def _lend(self, worker: int, *, stay: bool = True) -> int | None:
        """Where a worker goes, if not where it is."""
        mine = self._lent[worker]
        takers = [
            name
            for name, share in self._shares.items()
            if share.wants > 0 and (worker, name) not in self._unfit and (stay or name != mine)
        ]
        if not takers:
            return None
        self._take_back(worker)
        loan = self._spent / self._loans
        name = min(takers, key=lambda name: (self._shares[name].due(loan), name != mine))
        self._lent[worker], self._since[worker] = name, self._now
        self._shares[name].held += 1
        return name if name != mine else None

    def _take_back(self, worker: int) -> None:
        name = self._lent.get(worker)
        if name is not None:
            self._lent[worker] = None
            self._shares[name].held -= 1
            self._loans, self._spent = self._loans + 1, self._spent + self._now - self._since[worker]

    def _charge(self, now: float) -> None:
        """Who wants nothing is owed nothing: later it has no claim on what the others have had meanwhile."""
        for share in self._shares.values():
            share.used += (now - self._now) * share.held
        self._now = now
        wanting = [share.used / share.weight for share in self._shares.values() if share.wants > 0]
        for share in self._shares.values():
            if share.wants <= 0:
                share.used = max(share.used, min(wanting, default=0.0) * share.weight)
