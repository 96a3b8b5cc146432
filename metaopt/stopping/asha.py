"""Asynchronous successive halving (Li et al., MLSys 2020): the variant that stops, and what it stopped may be promoted.

At the steps r_k = first * reduction^k a trial goes on when its value is among the best one in ``reduction`` of those
that the trials which came there so far had there.

    rank of y(r_k) among n trials at r_k  >  ceil(n / reduction)    stop (section 3.3)

As more trials come to a rung, more of them go on: where scripts can resume, one that was paused there is promoted when
its rank is no longer too high (algorithm 2).
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

    def pause(self, trial: int) -> None:
        """``trial`` is paused from now on."""
        self._ladder.pause(trial)

    def promote(self) -> tuple[int, str] | None:
        """Which paused trial should go on, and why; the one on the highest rung first."""
        found = next(self._ladder.promising(), None)
        return found and (self._ladder.promote(found[0]), f"asha: {found[-1]}")
