"""What an allocation would bring: the real driver and scheduler, in the simulator, with trials as they were so far."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from metaopt.driver import Driver
from metaopt.errors import WalltimeShort
from metaopt.experiment import Experiment
from metaopt.history import FORMAT
from metaopt.limits import Limits
from metaopt.messages import Assign, Opened, Params, Point
from metaopt.opening import SLACK
from metaopt.plugins import load_stopper
from metaopt.proposer import InlineProposer
from metaopt.recorder import Recorder
from metaopt.scheduler import Scheduler
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.transports.simulated import Points, SimulatedHub
from metaopt.trial import State, Trial

BEGIN = 1.0
ENDLESS = 1 << 40
PROMPT = 0.1
"""Seconds in which a script ends that is asked to."""
MANY = 20_000
"""Reports that are simulated, at most: of more, those of fewer workers stand for all of them."""


@dataclass(frozen=True, slots=True)
class Past:
    """How a trial went: it took ``seconds``, said ``points``, at even intervals, and completed or ``failed``."""

    seconds: float
    points: Sequence[Point]
    failed: bool = False

    @classmethod
    def of(cls, trial: Trial) -> "Past | None":
        """``trial``, if it has run to its own end."""
        if trial.state not in {State.COMPLETED, State.FAILED} or not trial.duration:
            return None
        return cls(trial.duration, tuple(trial.points), trial.state is State.FAILED)


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many trials have ended, by state; the shares of the workers' time in which scripts ran, and not in vain.

    Those that are paused at the end count as stopped.  ``took`` is when the last one ended, in seconds.  ``simulated``
    of the workers were simulated, and stand for all.
    """

    completed: int
    stopped: int
    failed: int
    cut: int
    busy: float
    useful: float
    took: float
    simulated: int

    @property
    def ended(self) -> int:
        """All of them that have not been cut off."""
        return self.completed + self.stopped + self.failed


class ReplayHub(SimulatedHub):
    """Virtual workers whose trials go as one of ``past`` did, which is drawn by ``seed`` and the trial's number."""

    def __init__(self, past: Sequence[Past], workers: int, seed: int, end: float, *, resumes: bool = False) -> None:
        super().__init__(lambda *_: iter(()), workers, grace=PROMPT, begin=BEGIN, leap=end, resumes=resumes)
        self._past, self._seed = past, seed

    def _points(self, assign: Assign) -> Points:
        return _replayed(random.Random(f"{self._seed} {assign.trial}").choice(self._past))


def _replayed(past: Past) -> Points:
    pause = past.seconds / max(len(past.points), 1)
    for step, values in past.points or [(1, {})]:
        yield step, (pause, values)
    if past.failed:
        raise RuntimeError


def _merged(points: Sequence[Point]) -> Sequence[Point]:
    """All that a trial has said, in one report."""
    return [(points[-1][0], {name: value for _, values in points for name, value in values.items()})] if points else []


class _Anything:
    """An optimizer: how long a trial takes was not up to its parameters."""

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:  # noqa: ARG002 - the interface
        """Any points."""
        return [{} for _ in range(count)]

    def tell(self, params: Params, value: float | Sequence[float]) -> None:
        """It learns nothing."""


class _Nobody:
    """Looks at it."""

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:
        """Show nothing."""


def forecast(
    experiment: Experiment, past: Sequence[Past], workers: int, seconds: float, trials: int | None = None
) -> Forecast:
    """Simulate ``seconds`` of an allocation with so many ``workers``; ``trials`` to do, or else as many as fit.

    Raises WalltimeShort when the scripts' grace leaves no time for a trial.
    """
    end = seconds - experiment.grace - SLACK
    if end <= 0:
        problem = f"of {seconds:g} s nothing is left for trials: {experiment.grace:g} s are kept for scripts to save"
        raise WalltimeShort(problem, "Ask for more time, or for less grace.")
    if experiment.stopper.rule == "never":  # who judges no curve needs none
        past = [replace(each, points=_merged(each.points)) for each in past]
    mean = sum(each.seconds for each in past) / len(past)
    reports = sum(len(each.points) + 2 for each in past) / len(past) * min(seconds * workers / mean, trials or math.inf)
    crew = math.ceil(workers / min(max(reports / MANY, 1), workers))
    scale = workers / crew
    study = Study(experiment.goals)
    limits = Limits(ENDLESS if trials is None else max(round(trials / scale), 1), crew, 0, BEGIN, BEGIN + end)
    stopper = load_stopper(experiment.stopper, experiment.goals.objectives[0].goal)
    scheduler = Scheduler(study, limits, stopper)
    hub = ReplayHub(past, crew, experiment.seed, limits.end, resumes=experiment.resumes)
    recorder = Recorder(Memory([]), 1, background=False)
    study.run = 1
    Driver(scheduler, hub, InlineProposer(_Anything(), stopper), recorder, _Nobody()).run(
        Opened("", FORMAT, experiment.describe())
    )
    return _summed(study, crew, scale, seconds)


def _summed(study: Study, crew: int, scale: float, seconds: float) -> Forecast:
    ended = [study.trials[number] for number in study.ended]
    paused = [trial for trial in map(study.trials.__getitem__, study.open) if trial.state is State.PAUSED]
    took = seconds if study.open else max((trial.ended or BEGIN for trial in ended), default=BEGIN) - BEGIN
    offered = crew * took if took else math.inf
    return Forecast(
        completed=round(scale * study.tally[State.COMPLETED]),
        stopped=round(scale * (study.tally[State.STOPPED] + len(paused))),
        failed=round(scale * study.tally[State.FAILED]),
        cut=round(scale * (sum(bool(study.trials[number].attempts) for number in study.open) - len(paused))),
        busy=study.spent / offered,
        useful=sum(trial.duration or 0.0 for trial in (*ended, *paused)) / offered,
        took=took,
        simulated=crew,
    )


def known(trials: Iterable[Trial]) -> list[Past]:
    """How those of ``trials`` went that ran to their own ends in the space as it is now."""
    return [past for trial in trials if not trial.outside and (past := Past.of(trial)) is not None]
