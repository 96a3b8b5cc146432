"""What trials tell: the optimizer, when they have ended and before, of GPUs, and whether there is any hope.  Pure."""

import math
from collections.abc import Iterable, Iterator

from metaopt.evidence import Evidence
from metaopt.messages import Observe, Watch
from metaopt.objective import curve
from metaopt.shortage import wants_memory
from metaopt.study import Study
from metaopt.trial import ACTIVE, State, Trial

LATER, APART = 2.0, 1.2
"""The optimizer is told of a trial that runs when its step is so many times that of the last time; and of its curve
only points whose steps are so many times the one before, and the last."""


class Endings:
    """Looks at each trial of ``study`` that has ended once, in that order; if ``watching``, at curves before that.

    ``suspects`` are the GPUs that this proves to be ill, and why.  What earlier runs have found out proves nothing: a
    GPU may have been mended since.
    """

    def __init__(self, study: Study, *, watching: bool = False) -> None:
        self._study, self._evidence, self._watching = study, Evidence(), watching
        self._past, self._seen = len(study.ended), 0
        self._hopeful = False
        self._watched: dict[int, float] = {}
        self._unseen = [*study.open]
        self._lasts: set[float | None] = set()
        self.suspects: dict[str, str] = {}

    def observations(self, now: float, reported: Iterable[int] = ()) -> list[Observe | Watch]:
        """What the optimizer is to be told: of those that have ended since, and of those that have ``reported``."""
        study, told = self._study, list[Observe | Watch]()
        if self._watching:
            standing, self._unseen = [*self._unseen, *reported], []
            told += self._watches(now, (study.trials[n] for n in standing if n in study.open))
        while self._seen < len(study.ended):
            trial = study.trials[study.ended[self._seen]]
            if self._seen >= self._past:
                self._learn(trial)
            self._seen += 1
            self._hopeful = self._hopeful or trial.state is not State.FAILED
            told += [*self._watches(now, [trial]), Observe(trial.number, trial.params, self._value_of(trial))]
        return told

    @property
    def last(self) -> float | None:
        """The step at which all trials of this run have completed, if it is one and the same, and a curve's second."""
        return next(iter(self._lasts)) if len(self._lasts) == 1 else None

    def hopeless(self, patience: int) -> str:
        """That all have failed, of at least so many (0: never); a paused one is a hope."""
        failures = len(self._study.ended) - self._past
        self._hopeful = self._hopeful or self._study.tally[State.PAUSED] > 0
        if self._hopeful or not 0 < patience <= failures:
            return ""
        return f"the first {failures} trials all failed" if failures > 1 else "the first trial failed"

    def _learn(self, trial: Trial) -> None:
        """What one that has ended in this run tells of the GPUs, and of the steps at which trials end."""
        for gpu, why in self._evidence.weigh(trial, self._study.nodes).items():
            self.suspects.setdefault(gpu, why)
        if trial.state is State.COMPLETED:
            self._lasts.add(_last(trial))

    def _value_of(self, trial: Trial) -> float | tuple[float, ...]:
        if trial.state is State.COMPLETED:
            return self._study.goals.told(trial.objectives, trial.excess)
        return math.inf if trial.state is State.FAILED and wants_memory(trial.error) else math.nan

    def _watches(self, now: float, trials: Iterable[Trial]) -> Iterator[Watch]:
        """How ``trials`` stand, where that is worth a word; how far one came that was stopped always is."""
        for trial in trials:
            if not self._watching and trial.state is not State.STOPPED:
                continue
            last = self._watched.get(trial.number)
            if trial.state is State.FAILED:
                if self._watched.pop(trial.number, None) is not None:
                    yield Watch(trial.number, trial.params, (), 0.0)
            elif trial.points:
                step = trial.points[-1][0]
                if trial.state in ACTIVE and last is not None and last <= step < max(LATER * last, last + 1):
                    continue
                if points := self._thinned(trial):
                    self._watched[trial.number] = step
                    begun = now if trial.begun is None else trial.begun
                    took = now - begun if trial.state in ACTIVE else trial.lasted or 0.0
                    yield Watch(trial.number, trial.params, points, trial.saved + took)

    def _thinned(self, trial: Trial) -> tuple[tuple[float, float], ...]:
        """Some of its curve: what the objective would be if it ended there, to be minimised."""
        objective = self._study.objective
        told, thinned = curve(trial.points, objective.metric), list[tuple[float, float]]()
        for count, (step, _) in enumerate(told, start=1):
            if not thinned or count == len(told) or _apart(thinned[-1][0], step):
                value = objective.value(told[:count])
                thinned.append((step, math.nan if value is None else objective.sign * value))
        return tuple(thinned)


def _apart(before: float, step: float) -> bool:
    """Whether a point of a curve is worth keeping after the one before."""
    return not before <= step < APART * before if before > 0 else step > 0


def _last(trial: Trial) -> float | None:
    """The last step of its curve; None where that is one point, which says nothing of how far the script has come."""
    return trial.points[-1][0] if len(trial.points) > 1 else None
