"""Successive halving at steps that tell how trials end: ASHA (asha.py), which doubts its rungs.

How well values at the step r_k foretell the ends is how often one of two trials, of which one has ended among the best
third of those that completed and the other has not, is ahead there as well: the area under the ROC curve (Hanley and
McNeil, Radiology 143, 1982).  Of the trials that have completed and came to r_k, the last 64 by number, G are the best
third, and B are the others:

    A(k) = sum over i in G, j in B of [y_i(r_k) < y_j(r_k)] + [y_i(r_k) = y_j(r_k)] / 2, over |G| |B|
    rank of y(r_k) among n trials at r_k  >  ceil(n / reduction),  and  A(k) >= trust    stop

While fewer than ``curves`` trials have completed nothing is known of a rung: then the first ``presumed`` ones that come
there are judged.  So early values that mislead do harm for a while only, and as a search comes to points that are all
good, which a look at their beginnings does not tell apart, it lets them go on.  Whoever was paused on a rung that is
not known to tell goes on in the end, when nothing new is to begin.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from metaopt.stopping.ladder import Ladder
from metaopt.stopping.settings import check_least

MOST, THIRD = 64, 3


class Proven:
    """Stops like ASHA, at rungs where trials stand as they will end; see there for the other settings."""

    def __init__(
        self,
        *,
        first: float = 1,
        reduction: float = 3,
        trust: float = 0.85,
        curves: int = 6,
        presumed: int = 27,
        max: float | None = None,  # noqa: A002 - as the field calls it
    ) -> None:
        """Raise PluginError when a setting makes no sense."""
        check_least("proven", "trust", trust, 0, 0.85, most=1)
        check_least("proven", "curves", curves, THIRD - 1, 6, whole=True)
        check_least("proven", "presumed", presumed, 0, 27, whole=True)
        self._ladder = Ladder("proven", first, reduction, max)
        self._trust, self._curves, self._presumed = trust, curves, presumed
        self._ended: list[tuple[int, float]] = []
        self._shares: dict[int, float | None] = {}

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Why ``trial`` should stop after these new points, or an empty string."""
        why = ""
        for step, value in points:
            for rung in self._ladder.take(trial, step, value):
                why = why or self._cut(trial, rung)
        return why

    def completed(self, trial: int, value: float) -> None:
        """``trial`` has ended with this ``value``, to be minimised."""
        if (trial, value) not in self._ended[bisect_left(self._ended, (trial, -math.inf)) :][:1]:
            insort(self._ended, (trial, value))
            del self._ended[:-MOST]
            self._shares.clear()

    def pause(self, trial: int) -> None:
        """``trial`` is paused from now on."""
        self._ladder.pause(trial)

    def promote(self) -> tuple[int, str] | None:
        """Which paused trial should go on, and why; the one on the highest rung first."""
        found = next(self._ladder.promising(), None)
        return found and (self._ladder.promote(found[0]), f"proven: {found[-1]}")

    def finish(self) -> tuple[int, str] | None:
        """Which paused trial should go on at last: on the highest rung that nobody knows to tell how trials end."""
        for trial, rung in self._ladder.standing():
            share = self._known(rung)
            if share is None or share < self._trust:
                return self._ladder.promote(trial), f"proven: {self._knowledge(rung, share)}"
        return None

    def _cut(self, trial: int, rung: int) -> str:
        """Why a trial goes no further, and what its rung has been worth so far; or nothing."""
        share, came = self._known(rung), len(self._ladder.rungs[rung])
        if (came > self._presumed) if share is None else (share < self._trust):
            return ""
        why = self._ladder.cut(trial, rung)
        return why and f"proven: {why}; {self._knowledge(rung, share)}"

    def _knowledge(self, rung: int, share: float | None) -> str:
        """What is known of a rung, in words."""
        step = f"step {self._ladder.steps[rung]:g}"
        if share is None:
            return f"too few trials have completed to know what {step} tells of the end"
        return f"of pairs of trials that completed, {share:.0%} stood at {step} as they ended"

    def _known(self, rung: int) -> float | None:
        """A of a rung, if enough is known; kept until another trial completes."""
        if rung not in self._shares:
            self._shares[rung] = self._share(rung)
        return self._shares[rung]

    def _share(self, rung: int) -> float | None:
        """The same, worked out."""
        climbs = self._ladder.climbs
        known = sorted((end, climbs[n].on[rung]) for n, end in self._ended if n in climbs and rung in climbs[n].on)
        if len(known) < self._curves:
            return None
        best = math.ceil(len(known) / THIRD)
        others = sorted(value for _, value in known[best:])
        ahead = sum(2 * len(others) - bisect_left(others, v) - bisect_right(others, v) for _, v in known[:best])
        return ahead / (2 * best * len(others))
