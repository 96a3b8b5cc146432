"""How long trials take, by those that have completed: which of them still fit before the end of the allocation?"""

import math
from bisect import insort
from collections import deque

from metaopt.study import Study
from metaopt.trial import State

SHARE = 0.25
"""A trial fits when this share of the completed ones would have.  A larger one leaves more workers idle at the end,
which is worth no more than an attempt in vain; a smaller one begins what has next to no chance."""

WORTHWHILE = 0.25
"""So many workers must come free while the optimizer thinks for points to be kept ahead: they know a little less.

Then twice as many are kept: for those that come free until the answer is there, and until the next one is.
A worker that is alone waits: each of its points knows all others, and the same seed gives the same ones."""

OFTEN, RECENT = 32, 16
"""Where so many workers a second come free, the longest of the recent answers counts: some take a fit of the model."""

AT_ONCE = 256
"""The most points that are asked for at once: of more, the last ones would hold up the first."""


class Durations:
    """The work, in seconds, of the trials of ``study`` that have completed."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._read = 0
        self._work: list[float] = []
        self._thought = deque[float](maxlen=RECENT)

    @property
    def shortest(self) -> float | None:
        """The least that a trial took; None as long as none has completed."""
        self._learn()
        return self._work[0] if self._work else None

    def ahead(self, thinking: float, now: float) -> int:
        """How many points to keep ahead of the workers while the optimizer thinks for so many seconds.

        Trials that still run count too: else only short ones would, at first.
        """
        study = self._study
        if thinking <= 0 or len(study.workers) <= 1:
            return 0
        self._thought.append(thinking)
        worked = study.crews[study.run].work(now)
        rate = len(study.workers) * study.tries / max(worked, 1e-6)
        if rate >= OFTEN:
            return math.ceil(rate * (thinking + 2 * max(self._thought)))
        return math.ceil(2 * rate * thinking) if rate * thinking > WORTHWHILE else 0

    def fits(self, left: float, span: float) -> bool:
        """Whether a trial has a fair chance to complete in the ``left`` of ``span`` seconds, or can go on later.

        Where the usual trial is longer than ``span``, the shortest one counts: else none would ever be begun.
        """
        if left == math.inf:
            return True
        self._learn()
        if left <= 0 or self._study.resumes or not self._work:
            return left > 0
        usual = self._work[math.ceil(SHARE * len(self._work)) - 1]
        return (usual if usual <= span else self._work[0]) <= left

    def _learn(self) -> None:
        """Take in the trials that have ended since."""
        ended = self._study.ended
        for number in ended[self._read :]:
            trial = self._study.trials[number]
            if trial.state is State.COMPLETED and trial.duration:  # 0: another run had done it
                insort(self._work, trial.duration)
        self._read = len(ended)
