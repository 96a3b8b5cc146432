"""The median rule of Google Vizier (Golovin et al., KDD 2017, section 3.2.2).

A trial is stopped at step s when the best value that it has reported up to s is worse than the median, over the other
trials, of their mean value up to s.

    b(s)      the trial's best value up to step s
    m_i(s)    the mean of trial i's values up to step s
    stop when b(s) > median over i of m_i(s)
"""

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from metaopt.stopping.settings import check_least

TIE = 1e-9
"""Values that differ by less than this part of them are equal: the mean of equal numbers may be off by a rounding."""


@dataclass(slots=True)
class _Curve:
    """What is kept of one trial: its last step, the sum, number and best of its values, its means and their steps."""

    step: float = float("-inf")
    total: float = 0.0
    count: int = 0
    best: float = float("inf")
    steps: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Means:
    """The mean values of all trials up to one step, in ascending order."""

    ordered: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        middle = len(self.ordered) // 2
        if len(self.ordered) % 2:
            return self.ordered[middle]
        return (self.ordered[middle - 1] + self.ordered[middle]) / 2


class Median:
    """Stops a trial whose best value so far is worse than the median of the others' mean values so far.

    ``warmup`` is the first step at which anything is stopped, ``curves`` how many other trials must have reported at a
    step before the rule speaks there.  NaN counts as the worst value.
    """

    def __init__(self, *, warmup: float = 5, curves: int = 5) -> None:
        """Raise PluginError when a setting makes no sense."""
        check_least("median", "warmup", warmup, 0, 5)
        check_least("median", "curves", curves, 1, 5, whole=True)
        self.warmup, self.least = warmup, curves
        self._curves: dict[int, _Curve] = {}
        self._means: dict[float, _Means] = {}

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Why ``trial`` should stop after these new points, or an empty string."""
        why = ""
        for step, value in points:
            found = self._take(trial, step, value if value == value else float("inf"))  # noqa: PLR0124 - is it a NaN?
            why = why or found
        return why

    def _take(self, trial: int, step: float, value: float) -> str:
        curve = self._curves.get(trial)
        if curve is None or step < curve.step:
            curve = self._begin(trial)
        if step == curve.step:  # it counts as it was said first
            return ""
        curve.step, curve.total, curve.count = step, curve.total + value, curve.count + 1
        curve.best = min(curve.best, value)
        others = self._means.setdefault(step, _Means())
        enough, median = len(others.ordered) >= self.least, others.median if others.ordered else 0.0
        mean = curve.total / curve.count
        mean = float("inf") if mean != mean else mean  # noqa: PLR0124 - infinite both ways
        insort(others.ordered, mean)
        curve.steps.append(step)
        curve.means.append(mean)
        if not enough or step < self.warmup or curve.best <= median or math.isclose(curve.best, median, rel_tol=TIE):
            return ""
        number = len(others.ordered) - 1
        what = f"best {curve.best:.6g} up to step {step:g}"
        return f"median: {what} is worse than {median:.6g}, the median of {number} other means"

    def _begin(self, trial: int) -> _Curve:
        """Begin a trial's curve; what it said before, if it has begun before, was in vain."""
        gone = self._curves.get(trial, _Curve())
        for step, mean in zip(gone.steps, gone.means, strict=True):
            ordered = self._means[step].ordered
            del ordered[bisect_left(ordered, mean)]
        self._curves[trial] = begun = _Curve()
        return begun
