"""What is known of a study: its trials and its workers, folded from facts.

This file and ``scheduler.py`` are the only ones that change a trial's state; ``NEXT`` says which changes there are.
The scheduler applies each fact as it happens, a resumed run and ``metaopt.history`` apply the same facts again: the
same facts in the same order always give the same state.  Nothing here decides.
"""

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, assert_never

from metaopt.messages import (
    Assign,
    Fact,
    Finished,
    Interrupted,
    Joined,
    Lost,
    Opened,
    Params,
    Point,
    Reported,
    Started,
    Stop,
    Suggested,
)
from metaopt.objective import Objective


class State(StrEnum):
    """Where a trial stands."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"


NEXT: Mapping[State, frozenset[State]] = {
    State.WAITING: frozenset({State.RUNNING}),
    State.RUNNING: frozenset({State.STOPPING, State.COMPLETED, State.FAILED, State.WAITING}),
    State.STOPPING: frozenset({State.STOPPED, State.COMPLETED, State.FAILED, State.WAITING}),
    State.COMPLETED: frozenset(),
    State.STOPPED: frozenset(),
    State.FAILED: frozenset(),
}
ENDED = frozenset(state for state, following in NEXT.items() if not following)
ACTIVE = frozenset({State.RUNNING, State.STOPPING})


@dataclass(slots=True)
class Trial:
    """One trial.

    ``started`` and ``ended`` are seconds since the epoch, ``attempts`` how often it was begun.  ``earlier`` is how many
    of its points, ``saved`` how many seconds of its work, an attempt that goes on from a checkpoint has inherited.
    """

    number: int
    params: Params
    state: State = State.WAITING
    objective: float | None = None
    attempts: int = 0
    losses: int = 0
    worker: int | None = None
    device: str = ""
    pid: int | None = None
    started: float | None = None
    ended: float | None = None
    error: str = ""
    stop: str = ""
    why: str = ""
    points: list[Point] = field(default_factory=list, repr=False)
    earlier: int = 0
    saved: float = 0.0

    def curve(self, metric: str) -> list[tuple[float, float]]:
        """The values of ``metric`` as the script reported them: (step, value) pairs."""
        return [(step, values[metric]) for step, values in self.points if metric in values]

    @property
    def work(self) -> float | None:
        """How many seconds it took in all, over the attempts of which one went on where another had stopped."""
        return None if self.duration is None else self.saved + self.duration

    @property
    def duration(self) -> float | None:
        """How many seconds its last attempt took, once it has ended."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    def move(self, state: State) -> None:
        """Go on to ``state``, which must be a next one."""
        if state not in NEXT[self.state]:
            problem = f"trial {self.number} cannot go from {self.state} to {state}"
            raise ValueError(problem)
        self.state = state


@dataclass(slots=True)
class Worker:
    """A worker that is there, and the trial that it runs."""

    host: str
    device: str
    joined: float
    trial: int | None = None


@dataclass(slots=True)
class Study:
    """All trials and workers of one study; ``apply`` is the only way to change it, ``report`` a part of it.

    ``waiting`` are the trials to be run, in order; ``idle`` the workers without one; ``open`` the trials that have not
    ended; ``ended`` those that have, in that order; ``best`` the completed one with the best objective (the first of
    equals).  ``spent`` are the seconds in which scripts ran to their ends in this run, ``tries`` how often they did.
    """

    objective: Objective
    attempts: int = 2
    trials: dict[int, Trial] = field(default_factory=dict)
    workers: dict[int, Worker] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)
    idle: dict[int, None] = field(default_factory=dict)
    open: dict[int, None] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    best: Trial | None = None
    tally: Counter[State] = field(default_factory=Counter)
    spent: float = 0.0
    tries: int = 0
    experiment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def busy(self) -> int:
        """How many workers run a trial."""
        return len(self.workers) - len(self.idle)

    @property
    def resumes(self) -> bool:
        """Whether another attempt goes on from where the last one was stopped."""
        return bool(self.experiment.get("resumes"))

    def is_late(self, worker: int, number: int, attempt: int) -> bool:
        """Whether an attempt is no longer under way, as when its worker was thought lost: no word about it counts."""
        trial = self.trials.get(number)
        return trial is None or trial.worker != worker or trial.attempts != attempt or trial.state not in ACTIVE

    def report(self, worker: int, number: int, attempt: int, points: tuple[Point, ...]) -> bool:
        """Take in what a Reported says; False when it is late.  For who folds a million of them without a message."""
        if self.is_late(worker, number, attempt):
            return False
        trial = self.trials[number]
        if trial.earlier and trial.earlier == len(trial.points) and points:
            trial.points = [point for point in trial.points if point[0] < points[0][0]]  # it says the others again
            trial.earlier = len(trial.points)
        trial.points += points
        return True

    def apply(self, time: float, fact: Fact) -> bool:  # noqa: C901 - one case a fact
        """Take in what happened at ``time``; False when it is a late word that changes nothing."""
        match fact:
            case Started() | Finished() | Stop() if self.is_late(fact.worker, fact.trial, fact.attempt):
                return False
            case Reported(worker, number, attempt, points):
                return self.report(worker, number, attempt, points)
            case Started(_, number, _, pid):
                self.trials[number].pid, self.trials[number].started = pid, time
            case Finished():
                self._finished(time, fact)
            case Assign():
                self._assigned(time, fact)
            case Stop(_, number, _, reason, why):
                self._move(self.trials[number], State.STOPPING)
                self.trials[number].stop, self.trials[number].why = reason, why
            case Suggested(params):
                self._suggested(params)
            case Joined(worker, host, device):
                self._lost(time, worker, "joined anew")
                self.workers[worker] = Worker(host, device, time)
                self.idle[worker] = None
            case Lost(worker, why):
                return self._lost(time, worker, why)
            case Opened(_, _, experiment, _, lost):
                self._opened(time, experiment, lost)
            case Interrupted():
                pass
            case _:
                assert_never(fact)
        return True

    def _suggested(self, points: tuple[Params, ...]) -> None:
        for params in points:
            number = len(self.trials)
            self.trials[number] = Trial(number, params)
            self.tally[State.WAITING] += 1
            self.waiting.append(number)
            self.open[number] = None

    def _assigned(self, time: float, fact: Assign) -> None:
        trial = self.trials[fact.trial]
        self._move(trial, State.RUNNING)
        trial.worker, trial.attempts, trial.started, trial.ended = fact.worker, fact.attempt, time, None
        trial.stop = trial.why = trial.error = ""
        if not self.resumes:
            trial.points = []
        trial.earlier = len(trial.points)
        self.waiting.remove(fact.trial)
        self.idle.pop(fact.worker, None)
        if fact.worker in self.workers:
            self.workers[fact.worker].trial = fact.trial
            trial.device = self.workers[fact.worker].device

    def _finished(self, time: float, fact: Finished) -> None:
        trial = self.trials[fact.trial]
        time = time if fact.ended is None else min(time, max(fact.ended, trial.started or fact.ended))
        self.spent += time - (trial.started or time)
        self.tries += 1
        trial.objective = None
        if fact.outcome == "failed":
            self._end(time, trial, State.FAILED, fact.error)
        elif fact.outcome == "killed":
            self._lose(time, trial, fact.error)
        elif fact.outcome == "stopped":
            self._give_back(time, trial)
        else:
            self._completed(time, trial, fact.error)
        self._free(fact.worker)

    def _completed(self, time: float, trial: Trial, error: str) -> None:
        trial.objective = self.objective.value(trial.curve(self.objective.metric))
        if trial.objective is None:
            self._end(time, trial, State.FAILED, f"{self.objective.absence(trial.points)}\n{error}")
        elif not math.isfinite(trial.objective):
            self._end(time, trial, State.FAILED, f"its {self.objective.metric} is {trial.objective}\n{error}")
        else:
            self._end(time, trial, State.COMPLETED)

    def _free(self, worker: int) -> None:
        if worker in self.workers:
            self.workers[worker].trial = None
            self.idle[worker] = None

    def _lost(self, time: float, worker: int, why: str) -> bool:
        """Forget ``worker``, and what it ran is lost with it."""
        gone = self.workers.pop(worker, None)
        self.idle.pop(worker, None)
        if gone is None:
            return False
        if gone.trial is not None:
            self._lose(time, self.trials[gone.trial], f"worker {worker} was lost with it: {why}")
        return True

    def _lose(self, time: float, trial: Trial, why: str) -> None:
        """Run a trial again that somebody has killed, unless it happens too often to have nothing to do with it."""
        trial.losses += 1
        if trial.losses < self.attempts or trial.stop:
            self._give_back(time, trial)
        else:
            self._end(time, trial, State.FAILED, why)

    def _opened(self, time: float, experiment: Mapping[str, Any], lost: tuple[str, ...]) -> None:
        """What ran in an earlier run is run again first, in the order of its numbers.

        That a node died is held against what ran there: it may be the reason.
        """
        self.experiment = experiment
        for number in [number for number, worker in self.workers.items() if worker.host.partition(".")[0] in lost]:
            self._lost(time, number, "its node died")
        self.spent, self.tries = 0.0, 0
        self.workers.clear()
        self.idle.clear()
        for number in sorted(self.open, reverse=True):
            if self.trials[number].state in ACTIVE:
                self._give_back(time, self.trials[number])

    def _give_back(self, time: float, trial: Trial) -> None:
        """End a trial that was stopped for good; make another attempt at one that was only interrupted."""
        if trial.stop == "pruned":
            self._end(time, trial, State.STOPPED)
        else:
            if self.resumes and trial.stop:
                trial.saved += time - (time if trial.started is None else trial.started)
            self._move(trial, State.WAITING)
            trial.worker = trial.pid = None
            self.waiting.appendleft(trial.number)

    def _end(self, time: float, trial: Trial, state: State, error: str = "") -> None:
        self._move(trial, state)
        trial.ended, trial.error, trial.pid = time, error.strip(), None
        if state is not State.COMPLETED:
            trial.objective = None
        elif self.best is None or self._merit(trial) < self._merit(self.best):
            self.best = trial
        self.open.pop(trial.number)
        self.ended.append(trial.number)

    def _move(self, trial: Trial, state: State) -> None:
        self.tally[trial.state] -= 1
        trial.move(state)
        self.tally[state] += 1

    def _merit(self, trial: Trial) -> float:
        """Its objective, to be minimised."""
        return math.inf if trial.objective is None else self.objective.sign * trial.objective
