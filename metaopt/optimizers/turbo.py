"""TuRBO: a Gaussian process in a box around the best point, which grows with success and shrinks without.

Eriksson, Pearce, Gardner, Turner, Poloczek, Scalable global optimization via local Bayesian optimization (2019): one
trust region, whose sides are in proportion to the length-scales of its model.  When it has become too small, another
one begins elsewhere, and knows nothing of what was told before.  Its points are those of log expected improvement.
"""

import math
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.answer import Answer, View
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.outcomes import only
from metaopt.optimizers.region import SMALLEST, Size, around, sides_like
from metaopt.optimizers.sobol import Sequence01
from metaopt.optimizers.surrogate import Surrogate, Told
from metaopt.optimizers.tried import Tried
from metaopt.space import Space

BETTER = 1e-3
"""A success is better than the best value by this part of it."""


class TrustRegion:
    """Proposes points near the best one of the present region; points that are not in the space are ignored."""

    def __init__(self, space: Space, seed: int, *, start: int | None = None) -> None:
        """Search ``space``; equal seeds give equal points.

        A region begins with ``start`` trials all over the space; by default twice as many as there are parameters.
        """
        self._space, self._seed = space, seed
        self._encoding = Encoding(space)
        self._start = start if start is not None else 2 * self._encoding.dimension
        self._sequence = Sequence01(self._encoding.dimension, seed)
        self._tried = Tried(space)
        self._begin()

    def _begin(self) -> None:
        """Another region."""
        self._told = Told(self._encoding.dimension, 1)
        self._surrogate = Surrogate(self._encoding, self._seed, self._told, only)
        self._size, self._best = Size(self._encoding.dimension), math.inf

    def tell(self, params: Params, value: float) -> None:
        """A trial has ended with ``value``; the region grows or shrinks."""
        self._tried.add(params)
        if not self._space.contains(params):
            return
        begun = len(self._told) >= self._start
        self._told.add(self._encoding.points([params])[0], value)
        better = math.isfinite(value) and (math.isinf(self._best) or value < self._best - BETTER * abs(self._best))
        if math.isfinite(value):
            self._best = min(self._best, value)
        if begun:
            self._size.count(better=better)
        if self._size.side < SMALLEST:
            self._begin()

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points; fewer only when a finite space has no more that are new."""
        tried = self._tried.beside(pending)
        answer: Answer | None = None
        box = self._encoding.box
        if self._encoding.dimension and len(self._told) >= self._start and self._told.final.any():
            under_way = self._encoding.points([each for each in pending if self._space.contains(each)])
            with suppress(np.linalg.LinAlgError), np.errstate(all="ignore"):
                box = self._box()
                answer = Answer(self._view(box), tried, under_way, count)

        def propose(trial: int, rng: np.random.Generator) -> Sequence[float] | None:
            if not answer:
                return self._sequence.point(trial)
            low, high = box
            return answer.best_point(rng) or list((low + (high - low) * rng.random(len(low))).tolist())

        points: list[Params] = []
        with np.errstate(all="ignore"):
            for point in tried.claims(count, self._seed, propose):
                points.append(point)
                if answer:
                    answer.pick(self._encoding.points([point])[0])
        return points

    def _view(self, box: Array) -> View:
        """What an answer goes by."""
        told, feasible = self._told.points, self._told.final
        return View(self._encoding, told, feasible, objective=self._surrogate, terms=(), box=box)

    def _box(self) -> Array:
        """The trust region (2, d): its volume is that of a cube with its side, where the unit cube does not cut it."""
        lengths = self._surrogate.posterior()[0].kernel.inverse_squares ** -0.5
        centre = self._surrogate.best_points(1, self._told.final)[0]
        sides = sides_like(lengths, self._size.side)
        return around(centre, sides, self._encoding.categories, self._encoding.box)
