"""Hyperband (Li et al., JMLR 2018, algorithm 1), asynchronous: several brackets of ASHA side by side.

Bracket b = 0, 1, ..., B - 1 has its first rung at first * reduction^b, so a later one is kinder to slow starters.  Of
each sum(n_b) trials in a row, by their numbers, the first n_0 are in bracket 0, the next n_1 in bracket 1, and so on:

    n_b = ceil(B / (B - b) * reduction^(B - 1 - b))
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from metaopt.stopping.ladder import Ladder
from metaopt.stopping.settings import check_least


class Hyperband:
    """``brackets`` of ASHA, each of which knows its own trials alone; see there for the other settings."""

    def __init__(
        self,
        *,
        first: float = 1,
        reduction: float = 3,
        brackets: int = 3,
        max: float | None = None,  # noqa: A002 - as the field calls it
    ) -> None:
        """Raise PluginError when a setting makes no sense."""
        check_least("hyperband", "brackets", brackets, 1, 3, whole=True, most=20)
        Ladder("hyperband", first, reduction, max)
        each = [Ladder("hyperband", first * reduction**b, reduction, None) for b in range(brackets)]
        self._ladders = each if max is None else [Ladder("hyperband", e.steps[0], reduction, max) for e in each]
        sizes = [math.ceil(brackets / (brackets - b) * reduction ** (brackets - 1 - b)) for b in range(brackets)]
        self._ends = [*accumulate(sizes)]

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Why ``trial`` should stop after these new points, or an empty string."""
        bracket = self._bracket(trial)
        ladder, why = self._ladders[bracket], ""
        for step, value in points:
            for rung in ladder.take(trial, step, value):
                why = why or ladder.cut(trial, rung)
        return f"hyperband, bracket {bracket}: {why}" if why else ""

    def pause(self, trial: int) -> None:
        """``trial`` is paused from now on."""
        self._ladders[self._bracket(trial)].pause(trial)

    def promote(self) -> tuple[int, str] | None:
        """Which paused trial should go on, and why; those of the first bracket come first."""
        for bracket, ladder in enumerate(self._ladders):
            for trial, _, why in ladder.promising():
                return ladder.promote(trial), f"hyperband, bracket {bracket}: {why}"
        return None

    def _bracket(self, trial: int) -> int:
        """That of ``trial``."""
        return bisect_right(self._ends, trial % self._ends[-1])
