"""Asynchronous successive halving, the variant that stops (Li et al., MLSys 2020, section 3.3).

At the steps r_k = first * reduction^k a trial goes on when its value is among the best one in ``reduction`` of those
that the trials which came there so far had there.

    rank of y(r_k) among n trials at r_k  >  ceil(n / reduction)    stop
"""

from collections.abc import Sequence

from metaopt.stopping.ladder import Ladder


class Asha:
    """Stops at each rung those that are not among the best one in ``reduction``; the first few there go on.

    ``first`` is the step of the first rung; at ``max``, the last step of a trial, and beyond, nothing is stopped.
    """

    def __init__(self, *, first: float = 1, reduction: float = 3, max: float | None = None) -> None:  # noqa: A002 - as the field calls it
        """Raise PluginError when a setting makes no sense."""
        self._ladder = Ladder("asha", first, reduction, max)

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Why ``trial`` should stop after these new points, or an empty string."""
        why = ""
        for step, value in points:
            for rung in self._ladder.take(trial, step, value):
                why = why or self._ladder.cut(trial, rung)
        return f"asha: {why}" if why else ""
