"""What a study searches for, and what a trial is worth by it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.messages import Point


@dataclass(frozen=True, slots=True)
class Objective:
    """What is searched for: the smallest or largest (``goal``) last, best or mean (``of``) value of a metric."""

    metric: str
    goal: str = "minimize"
    of: str = "last"

    @property
    def sign(self) -> int:
        """What a value is multiplied with so that less is better."""
        return -1 if self.goal == "maximize" else 1

    def value(self, curve: Sequence[tuple[float, float]]) -> float | None:
        """The objective's value of a trial with this curve; None when it has reported nothing."""
        values = [value for _, value in curve]
        if not values:
            return None
        if self.of == "mean":
            return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan
        if self.of == "best":
            finite = [value for value in values if math.isfinite(value)]
            return min(finite, key=lambda value: self.sign * value, default=math.nan)
        return values[-1]

    def absence(self, points: Sequence[Point]) -> str:
        """What to say of a trial that ended with these points, none of which is of this metric."""
        said = sorted({name for _, values in points for name in values})
        what = f"only {', '.join(said)}" if said else "nothing"
        return f"it ended without reporting {self.metric}: it reported {what}"


def curve(points: Sequence[Point], metric: str) -> list[tuple[float, float]]:
    """The values of ``metric`` among ``points``: (step, value) pairs."""
    return [(step, values[metric]) for step, values in points if metric in values]
