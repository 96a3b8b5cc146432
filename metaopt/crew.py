"""Who works for a run, and on what."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from metaopt.messages import Joined


@dataclass(slots=True)
class Worker:
    """A worker that is there, and the trial that it runs."""

    host: str
    device: str
    joined: float
    trial: int | None = None
    gpus: tuple[str, ...] = ()


@dataclass(slots=True)
class Crew:
    """The workers of one run, those of them without a trial, the trials that wait for them, in order, and the paused.

    ``experiment`` is what its own file says; ``lost`` are the nodes that died before it.  The run has ``begun``, and
    its allocation ends at its ``deadline``, both in seconds since the epoch, if known.  When it is ``closed``, the run
    has ended, and what waits is to be had by others.  ``quarantined`` are the GPUs that no trial is run on any more,
    and why; ``blamed`` has, by worker, the trials that may have failed for its GPUs.
    ``served`` are the seconds for which those were there who are not any more; ``worked`` those in which workers had
    trials, all added up, until ``settled``.
    """

    experiment: Mapping[str, Any] = field(default_factory=dict)
    workers: dict[int, Worker] = field(default_factory=dict)
    idle: dict[int, None] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)
    paused: dict[int, None] = field(default_factory=dict)
    begun: float | None = None
    deadline: float | None = None
    closed: bool = False
    lost: tuple[str, ...] = ()
    quarantined: dict[str, str] = field(default_factory=dict)
    blamed: dict[int, list[int]] = field(default_factory=dict)
    served: float = 0.0
    worked: float = 0.0
    settled: float = 0.0

    def dismiss(self, time: float, worker: int) -> Worker | None:
        """One that is there no more from ``time`` on; None for one that was not."""
        if worker not in self.workers:
            return None
        self._settle(time)
        self.idle.pop(worker, None)
        gone = self.workers.pop(worker)
        self.served += time - gone.joined
        return gone

    @property
    def attempts(self) -> int:
        """How often a trial of it may be lost before it has failed."""
        return int(self.experiment.get("attempts", 2))

    @property
    def nodes(self) -> int:
        """How many nodes a trial of it has."""
        return int(self.experiment.get("nodes_per_trial", 1))

    @property
    def resumes(self) -> bool:
        """Whether another attempt goes on from where the last one was stopped."""
        return bool(self.experiment.get("resumes"))

    def join(self, time: float, fact: Joined) -> None:
        """A worker is there, and has no trial."""
        self.workers[fact.worker] = Worker(fact.host, fact.device, time, gpus=fact.gpus)
        self.idle[fact.worker] = None

    def engage(self, time: float, number: int, trial: int) -> Worker | None:
        """A worker has a trial from ``time`` on; None for one that is not there."""
        self._settle(time)
        self.idle.pop(number, None)
        if (worker := self.workers.get(number)) is not None:
            worker.trial = trial
        return worker

    def free(self, time: float, number: int) -> None:
        """A worker has no trial any more, if it is there."""
        self._settle(time)
        if (worker := self.workers.get(number)) is not None:
            worker.trial, self.idle[number] = None, None

    @property
    def busy(self) -> int:
        """How many workers run a trial."""
        return len(self.workers) - len(self.idle)

    def work(self, now: float) -> float:
        """The seconds in which workers had trials until ``now``, all added up."""
        return self.worked + self.busy * (now - self.settled)

    def _settle(self, time: float) -> None:
        """How many are busy is about to change."""
        self.worked, self.settled = self.work(time), time

    def withdraw(self, number: int) -> None:
        """A trial does not wait any more, nor is it paused."""
        if number in self.paused:
            del self.paused[number]
        else:
            self.waiting.remove(number)


class Newcomers:
    """Which of those who are ``paused`` are so since the last look; who is not any more must be dropped."""

    def __init__(self) -> None:
        self._known = set[int]()

    def among(self, paused: dict[int, None]) -> list[int]:
        """They, in the order in which they paused; it costs nothing to have many others."""
        new = [*takewhile(lambda number: number not in self._known, reversed(paused))][::-1]
        self._known.update(new)
        return new

    def drop(self, number: int) -> None:
        """It goes on, and will be new when it pauses again."""
        self._known.discard(number)


class Crews:
    """The crews of all runs that are under way, and by which number this run's is found."""

    __slots__ = ()
    run: int
    crews: defaultdict[int, Crew]

    @property
    def workers(self) -> dict[int, Worker]:
        """The workers of this run, by their number."""
        return self.crews[self.run].workers

    @property
    def idle(self) -> dict[int, None]:
        """Those of them without a trial, in the order in which they became free."""
        return self.crews[self.run].idle

    @property
    def waiting(self) -> deque[int]:
        """The trials that wait for them, in order."""
        return self.crews[self.run].waiting

    @property
    def paused(self) -> dict[int, None]:
        """The trials that may go on, should they turn out to be among the best, in the order in which they paused."""
        return self.crews[self.run].paused

    @property
    def nodes(self) -> int:
        """How many nodes a trial has."""
        return self.crews[self.run].nodes

    @property
    def left(self) -> dict[int, int]:
        """How many trials runs that have closed have left to others, by their numbers."""
        closed = {run: len(crew.waiting) + len(crew.paused) for run, crew in self.crews.items() if crew.closed}
        return {run: count for run, count in closed.items() if count}

    @property
    def busy(self) -> int:
        """How many workers run a trial."""
        return self.crews[self.run].busy

    @property
    def resumes(self) -> bool:
        """Whether another attempt goes on from where the last one was stopped."""
        return self.crews[self.run].resumes
