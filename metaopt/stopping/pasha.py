"""PASHA (Bohdal et al., ICLR 2023): ASHA whose ladder ends where the ranking has settled.

A rung k > 0 is the top one when its leaders, the best 16 there, had the same order at the rung below, but for
differences up to e (section 4.1, soft ranking):

    y_i(k) < y_j(k)  implies  y_i(k - 1) <= y_j(k - 1) + e    for all leaders i, j

e is the 90 % quantile of |y_i(k) - y_j(k)| over the pairs of leaders whose order has changed with their last report
before k: they cross because of noise (section 4.2, where a pair must cross twice).  On the top rung only those go on
that are within e of the first: somebody has to complete.  The ranking is looked at anew each time, so the ladder may
also become shorter again, and depends on nothing but the curves.
"""

import math
from collections.abc import Sequence
from itertools import combinations

from metaopt.stopping.ladder import Ladder

LEADERS, FEWEST, SHARE = 16, 4, 0.9


class Pasha:
    """ASHA that goes no further than to the step from which on the ranking of the trials stays what it is."""

    def __init__(self, *, first: float = 1, reduction: float = 3, max: float | None = None) -> None:  # noqa: A002 - as the field calls it
        """Raise PluginError when a setting makes no sense."""
        self._ladder = Ladder("pasha", first, reduction, max)

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Why ``trial`` should stop after these new points, or an empty string."""
        why = ""
        for step, value in points:
            for rung in self._ladder.take(trial, step, value):
                why = why or self._ladder.cut(trial, rung) or self._top(trial, rung)
        return f"pasha: {why}" if why else ""

    def pause(self, trial: int) -> None:
        """``trial`` is paused from now on."""
        self._ladder.pause(trial)

    def promote(self) -> tuple[int, str] | None:
        """Which paused trial should go on, and why; the one on the highest rung first."""
        going = ((trial, why) for trial, rung, why in self._ladder.promising() if not self._top(trial, rung))
        found = next(going, None)
        return found and (self._ladder.promote(found[0]), f"pasha: {found[1]}")

    def _top(self, trial: int, rung: int) -> str:
        """Why a trial goes no further than to the top rung, if this is the top one and it is not in the lead."""
        noise, value = self._settled(rung), self._ladder.climbs[trial].on.get(rung, -math.inf)
        if noise is None or value <= (first := self._ladder.rungs[rung][0][0]) + noise:
            return ""
        step, below = self._ladder.steps[rung], self._ladder.steps[rung - 1]
        settled = f"the ranking is that of step {below:g}, with differences up to {noise:.3g}"
        return f"{value:.6g} at step {step:g} is worse than {first:.6g}, the best there, and {settled}"

    def _settled(self, rung: int) -> float | None:
        """The noise e, when the leaders on ``rung`` have the order that they had on the rung below; else None."""
        climbs = [self._ladder.climbs[trial] for _, trial in self._ladder.rungs[rung][:LEADERS]]
        below = [climb.on[rung - 1] for climb in climbs if rung - 1 in climb.on]
        if len(below) < FEWEST:
            return None
        noise = _noise([(climb.on[rung], climb.before[rung]) for climb in climbs])
        worst = -math.inf
        for value in below:
            if worst > value + noise:
                return None
            worst = max(worst, value)
        return noise


def _noise(leaders: Sequence[tuple[float, float]]) -> float:
    """From (value, value in the report before) of each: how far those are apart that have just crossed."""
    gaps = sorted(abs(a - b) for (a, c), (b, d) in combinations(leaders, 2) if (a - b) * (c - d) < 0)
    finite = [gap for gap in gaps if gap < math.inf]
    return finite[math.ceil(SHARE * len(finite)) - 1] if finite else 0.0
