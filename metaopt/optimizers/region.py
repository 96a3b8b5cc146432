"""A trust region: a box around the best point, which grows with success and shrinks without (Eriksson et al. 2019).

What a Gaussian process has learnt of the whole space may hide what is near its best point: waves that are shorter than
its length-scales are noise to it.  A model of what is near alone has length-scales of its own.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from metaopt.optimizers.answer import View
from metaopt.optimizers.encoding import Encoding, Mask
from metaopt.optimizers.kernels import Array, Kernel
from metaopt.optimizers.outcomes import only
from metaopt.optimizers.surrogate import Afresh

BEGIN = 100
"""With fewer trials that have a value, the model of all of them is near enough."""
FIRST, LARGEST, SMALLEST = 0.8, 1.6, 0.5**7
"""Side of the box: at first, at most, and below which it is too small."""
SUCCESSES, FAILURES = 3, 4
"""In a row, after which the box is doubled, or halved: of failures as many as there are parameters, if that is more."""
REACH = 2.0
"""The model of a box knows what is in one with sides so many times as long."""
FEWEST = 2
"""So many trials for each parameter, the nearest ones, it knows in any case."""


class Size:
    """The side of a box."""

    def __init__(self, dimension: int) -> None:
        """Of a box in a space of so many parameters."""
        self.side = FIRST
        self._patience = max(FAILURES, dimension)
        self._successes = self._failures = 0

    def count(self, *, better: bool) -> None:
        """A trial in the box was a success or a failure."""
        self._successes, self._failures = (self._successes + 1, 0) if better else (0, self._failures + 1)
        if self._successes == SUCCESSES:
            self.side, self._successes = min(2.0 * self.side, LARGEST), 0
        elif self._failures == self._patience:
            self.side, self._failures = self.side / 2.0, 0


def sides_like(lengths: Array, side: float) -> Array:
    """Sides (d,) of a box in proportion to ``lengths`` (d,), as large as a cube with this ``side``."""
    return np.asarray(side * lengths / np.exp(np.log(lengths).mean()))


def around(centre: Array, sides: Array, categories: list[int], limits: Array) -> Array:
    """The box (2, d) with these ``sides`` (d,), as far as ``limits`` (2, d) go; ``categories`` have no neighbours."""
    sides = sides.copy()
    sides[categories] = 2.0
    return np.asarray(np.clip([centre - sides / 2.0, centre + sides / 2.0], *limits))


class Region:
    """The box of one objective; when it has become too small, it is as large as at first again."""

    def __init__(self, encoding: Encoding) -> None:
        """There is no best point yet."""
        self._encoding = encoding
        self._numbers = np.setdiff1d(np.arange(encoding.dimension), encoding.categories)
        self._size = Size(encoding.dimension)
        self._best, self._centre, self._valued = math.inf, np.full(encoding.dimension, 0.5), 0

    @property
    def side(self) -> float:
        """Of the box, where the length-scales of its model are all alike."""
        return self._size.side

    @property
    def found(self) -> bool:
        """Whether there is a best point."""
        return math.isfinite(self._best)

    def see(self, point: Array, worth: float) -> None:
        """A trial at ``point`` (d,) has ended, the less ``worth`` the better: NaN, or infinite, is none.

        The box stays as it is until there are ``BEGIN`` trials with a value.
        """
        better, inside = worth < self._best, self._valued > BEGIN and self._away(point[None, :])[0] <= self.side / 2.0
        if better:
            self._best, self._centre = worth, point
        if inside:
            self._size.count(better=better)
        if self.side < SMALLEST:
            self._size = Size(self._encoding.dimension)
        self._valued += math.isfinite(worth)

    def _away(self, points: Array) -> Array:
        """How far each of ``points`` (n, d) is from the best one, by the number of both that differs most, (n,)."""
        both = (self._encoding.active(points) & self._active)[:, self._numbers]
        return np.asarray((np.abs(points - self._centre)[:, self._numbers] * both).max(axis=1, initial=0.0))

    @property
    def _active(self) -> Mask:
        """Which parameters count at the best point, (1, d)."""
        return self._encoding.active(self._centre[None, :])

    def near(self, view: View, values: Array) -> View:
        """``view`` of ``values`` (n, width), of those trials alone that are near, and into the box.

        Failed ones are among them: to know nothing of them is to fail there again.
        """
        away, known = self._away(view.told), np.isfinite(values).all(axis=1)
        fewest = np.sort(away[known])[: FEWEST * self._encoding.dimension][-1]
        near = away <= max(REACH * self.side / 2.0, fewest)
        part = Part(view.told[near], values[near])
        model = Afresh(self._encoding, view.objective.seed, part, only, sparse=view.objective.sparse)
        box = self._box(model.posterior()[0].kernel, view.box)
        return replace(view, told=part.points, feasible=view.feasible[near], objective=model, box=box)

    def _box(self, kernel: Kernel, limits: Array) -> Array:
        """Sides (2, d) in proportion to the length-scales, but no longer than what the model knows of."""
        lengths = np.clip(kernel.inverse_squares[: self._encoding.dimension] ** -0.5, 0.05, 20.0)
        sides = np.minimum(sides_like(lengths, self.side), REACH * self.side)
        sides[~self._active[0]] = 2.0
        return around(self._centre, sides, self._encoding.categories, limits)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of what was told: ``points`` (n, d) and their ``values`` (n, width)."""

    points: Array
    values: Array

    def __len__(self) -> int:
        return len(self.points)
