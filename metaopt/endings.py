"""What the trials that have ended tell: the optimizer, of GPUs, and whether there is any hope.  Pure."""

import math

from metaopt.evidence import Evidence
from metaopt.messages import Observe
from metaopt.shortage import wants_memory
from metaopt.study import Study
from metaopt.trial import State, Trial


class Endings:
    """Looks at each trial of ``study`` that has ended once, in that order.

    ``suspects`` are the GPUs that this proves to be ill, and why.  What earlier runs have found out proves nothing: a
    GPU may have been mended since.
    """

    def __init__(self, study: Study) -> None:
        self._study, self._evidence = study, Evidence()
        self._past, self._seen = len(study.ended), 0
        self._hopeful = False
        self._lasts: set[float | None] = set()
        self.suspects: dict[str, str] = {}

    def observations(self) -> list[Observe]:
        """What the optimizer is to be told of those that have ended since."""
        study = self._study
        for number in study.ended[max(self._seen, self._past) :]:
            for gpu, why in self._evidence.weigh(study.trials[number]).items():
                self.suspects.setdefault(gpu, why)
        ended = [study.trials[number] for number in study.ended[self._seen :]]
        self._seen += len(ended)
        self._lasts |= {_last(trial) for trial in ended if trial.state is State.COMPLETED}
        self._hopeful = self._hopeful or any(trial.state is not State.FAILED for trial in ended)
        return [Observe(trial.number, trial.params, self._value_of(trial)) for trial in ended]

    @property
    def last(self) -> float | None:
        """The step at which all trials have completed, if it is one and the same, and not the only one of a curve."""
        return next(iter(self._lasts)) if len(self._lasts) == 1 else None

    def hopeless(self, patience: int) -> str:
        """That all have failed, of at least so many (0: never); a paused one is a hope."""
        failures = len(self._study.ended) - self._past
        self._hopeful = self._hopeful or self._study.tally[State.PAUSED] > 0
        said = f"the first {failures} trials all failed" if failures > 1 else "the first trial failed"
        return said if not self._hopeful and 0 < patience <= failures else ""

    def _value_of(self, trial: Trial) -> float | tuple[float, ...]:
        if trial.state is State.COMPLETED:
            return self._study.goals.told(trial.objectives, trial.excess)
        return math.inf if trial.state is State.FAILED and wants_memory(trial.error) else math.nan


def _last(trial: Trial) -> float | None:
    """The last step of its curve; None where that is one point, which says nothing of how far the script has come."""
    return trial.points[-1][0] if len(trial.points) > 1 else None
