"""What trials came to, made ready to be shown: the best so far, curves, and the range in which the values lie."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from statistics import median
from typing import NamedTuple, TypeVar

from metaopt.figures.account import Account
from metaopt.trial import Trial

FURTHEST = 5.0
"""Values worse than median + FURTHEST (median - best) are shown at the edge, as all as bad as that."""
RATIO = 50.0
"""A range of positive numbers whose ends are that far apart is logarithmic."""
HUGE = 1e150
T = TypeVar("T")


class Range(NamedTuple):
    """What part of an axis is shown, and whether it is logarithmic."""

    low: float
    high: float
    log: bool

    def clip(self, value: float) -> float:
        """``value``, or the end beyond which it lies."""
        return min(max(value, self.low), self.high)

    def share(self, value: float) -> float:
        """Where ``value`` lies between the ends, 0 to 1."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, self.clip(value)))
        return (at - low) / (high - low)


def shown(values: Iterable[float], sign: int) -> Range:
    """The range of ``values`` that is worth showing, where ``sign`` times a value is better the less it is."""
    known = sorted(sign * min(max(value, -HUGE), HUGE) for value in values if math.isfinite(value))
    if not known:
        return Range(0.0, 1.0, log=False)
    best, middle = known[0], median(known)
    worst = max(value for value in known if value <= middle + FURTHEST * (middle - best) or middle == best)
    low, high = sorted((sign * best, sign * worst))
    return spread(low, high, log=0 < low < high / RATIO)


def spread(low: float, high: float, *, log: bool) -> Range:
    """From ``low`` to ``high`` and a little further."""
    if log:
        margin = (high / low) ** 0.05
        return Range(low / margin, high * margin, log=True)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return Range(low - margin, high + margin, log=False)


class Progress(NamedTuple):
    """How the best value has come about: after ``ended`` trials had ended one had ``values``, and ``best`` was so far.

    Of a trial that exceeds a constraint the value is shown, and never the best; before any other it is NaN.
    """

    ended: list[int]
    values: list[float]
    feasible: list[bool]
    best: list[float]


def progress(account: Account, index: int = 0) -> Progress:
    """That of the objective with this index; raises NoResult when no trial has a value."""
    goal, best = account.history.objectives[index], math.nan
    told = Progress([], [], [], [])
    account.completed  # noqa: B018 - there is one, at least
    for count, trial in enumerate(account.ended, start=1):
        if not trial.objectives:
            continue
        value = trial.objectives[index]
        if trial.feasible and not goal.sign * value >= goal.sign * best:
            best = value
        for column, each in zip(told, (count, value, trial.feasible, best), strict=True):
            column.append(each)  # type: ignore[attr-defined]  # they are lists
    return told


def thinned(items: Sequence[T], most: int) -> list[T]:
    """At most so many of ``items``, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[index * (len(items) - 1) // (most - 1)] for index in range(most)]


def curves(account: Account, most: int) -> tuple[list[Trial], int]:
    """The trials whose curves are shown, at most so many, the best one first; and of how many.

    Those are the best tenth of that, and others, evenly spread.
    """
    metric = account.history.objective.metric
    curved = [trial for trial in account.counted if len(list(islice(_said(trial, metric), 2))) > 1]
    completed = any(trial.objectives for trial in curved)
    place = {trial.number: at for at, trial in enumerate(account.ranked if completed else [])}
    curved.sort(key=lambda trial: (place.get(trial.number, math.inf), trial.number))
    first = most // 10
    return curved[:first] + thinned(curved[first:], most - first), len(curved)


def _said(trial: Trial, metric: str) -> Iterator[float]:
    """The values of a metric, the last one first."""
    return (values[metric] for _, values in trial.backwards() if metric in values)
