"""The points that no optimizer suggests: that of the defaults comes first, that of the best trial last, and again."""

from collections.abc import Callable

from metaopt.messages import Params
from metaopt.study import Study
from metaopt.trial import Trial, of_point


class Given:
    """The point ``first`` begins a study of which no trial has begun, unless it is there, or other runs are at it.

    The last ``replicates`` of the trials are for the ``incumbent``'s point, once all others have ended: what it is
    worth where each run of a script gives another value.  One that has had its replicates has no more.
    """

    def __init__(
        self,
        study: Study,
        first: Params | None = None,
        replicates: int = 0,
        incumbent: Callable[[Study], Trial | None] = lambda study: study.best,
    ) -> None:
        self._study, self._first = study, first
        self._replicates, self._incumbent = replicates, incumbent
        self._seen = -1
        self._again: tuple[Params, ...] = ()

    def points(self, missing: int, *, exhausted: bool) -> tuple[Params, ...]:
        """Those to be run now, of ``missing`` trials; it may be that all of the space is ``exhausted``."""
        first, self._first = self._first, None
        return self._begin(first) if first is not None else self._end(missing, exhausted=exhausted)

    def kept(self, missing: int, *, exhausted: bool) -> int:
        """How many of the ``missing`` trials are no business of the optimizer."""
        if self._study.open or (missing > self._replicates and not exhausted):
            return min(self._replicates, max(missing, 0))
        return len(self._end(missing, exhausted=exhausted))

    def _begin(self, first: Params) -> tuple[Params, ...]:
        study = self._study
        others = any(run < study.run and not crew.closed for run, crew in study.crews.items())
        begun = any(each.attempts or each.params == first for each in study.trials.values())
        return () if others or begun else (first,)

    def _end(self, missing: int, *, exhausted: bool) -> tuple[Params, ...]:
        """The best point, as often as it is lacking, when all else has ended."""
        if min(self._replicates, missing) <= 0 or self._study.open or (missing > self._replicates and not exhausted):
            return ()
        if self._seen != len(self._study.ended):  # a model's word takes its time
            self._seen = len(self._study.ended)
            best = self._incumbent(self._study)
            there = 0 if best is None else len(of_point(self._study.trials.values(), best.params))
            self._again = () if best is None else (best.params,) * (self._replicates + 1 - there)
        return self._again[:missing]
