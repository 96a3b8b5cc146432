"""A bound that somebody knows: a value beyond it is hopeless, and so is one that is not a number.

    stop when y(s) is worse than worse_than, or NaN or infinite, at a step s >= start

There is no source: it is what people do by hand.
"""

import math
from collections.abc import Sequence

from metaopt.errors import PluginError
from metaopt.scalars import is_number
from metaopt.stopping.settings import check_least


class Threshold:
    """Stops what is ``worse_than`` a bound, in the metric's unit, or has diverged, from the step ``start`` on.

    Without a bound it only stops what has diverged.  ``goal`` is the objective's, and is filled in.
    """

    def __init__(self, *, worse_than: float | None = None, start: float = 0, goal: str = "minimize") -> None:
        """Raise PluginError when a setting makes no sense."""
        check_least("threshold", "start", start, 0, 5)
        if worse_than is not None and not is_number(worse_than):
            problem = f"stopper 'threshold': worse_than is {worse_than!r}, which is not a number"
            raise PluginError(problem, "It is a value of the metric that is hopeless: worse_than: 2.5.")
        sign = -1 if goal == "maximize" else 1
        self._bound = math.inf if worse_than is None else sign * worse_than
        self._start = start

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:  # noqa: ARG002 - the interface
        """Why ``trial`` should stop after these new points, or an empty string."""
        for step, value in points:
            if step >= self._start and not math.isfinite(value):
                return f"threshold: {value:g} at step {step:g}"
            if step >= self._start and value > self._bound:
                return f"threshold: {value:.6g} at step {step:g} is worse than {self._bound:.6g}"
        return ""
