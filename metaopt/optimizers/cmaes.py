"""CMA-ES: a normal distribution that learns where, how far and along which directions the function falls.

Equation numbers are those of Hansen, The CMA evolution strategy: a tutorial (2016, arXiv:1604.00772).  The search is in
the unit cube; what lies outside is mirrored into it.  A generation is as many trials as the population has members, in
the order in which they end, whoever proposed them: what a step can have been that long is shortened (Hansen, Injecting
external solutions into CMA-ES, 2011).  When a run has converged, the next one begins elsewhere with twice the
population (Auger and Hansen, A restart CMA evolution strategy with increasing population size, 2005).

A parameter with few values keeps a deviation at which another value is drawn often enough (after Hamano, Saito, Nomura
and Shirakawa, CMA-ES with margin, 2022).
"""

import math
from collections.abc import Sequence

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.strategy import Strategy
from metaopt.optimizers.tried import Tried, chance
from metaopt.space import Space

FIRST_SIGMA = 0.3
MARGIN = 0.25
"""The least deviation, of a cell: from its middle, another value is drawn once in 20 times."""
TRIES = 16
"""In a finite space, so many points are drawn before a random one is taken."""
MOST = 1024
"""Members that a population has at most."""


class CmaEs:
    """Draws points of a normal distribution that follows the best trials; those outside the space are ignored."""

    def __init__(self, space: Space, seed: int, *, sigma: float = FIRST_SIGMA, population: int | None = None) -> None:
        """Search ``space``; equal seeds give equal points.

        ``sigma`` is the first deviation, of the range of each parameter; a generation has ``population`` trials, by
        default 4 + 3 log d.
        """
        self._space, self._seed, self._sigma = space, seed, float(sigma)
        self._encoding = Encoding(space)
        self._tried = Tried(space)
        self._generation: list[tuple[float, int, Array]] = []
        dimension = self._encoding.dimension
        size = population or 4 + int(3.0 * math.log(max(dimension, 1)))
        self._narrowest = np.zeros(dimension)
        for column, values in self._encoding.values.items():
            self._narrowest[column] = MARGIN / len(values)
        self._strategy = Strategy(np.full(dimension, 0.5), self._sigma, size)

    def tell(self, params: Params, value: float) -> None:
        """A trial has ended with ``value``; when that completes a generation, the distribution learns from it."""
        self._tried.add(params)
        if not self._space.contains(params) or not self._encoding.dimension:
            return
        rank = float(value) if math.isfinite(value) else math.inf
        point = np.array(self._space.to_unit(params))
        self._generation.append((rank, len(self._generation), point))
        if len(self._generation) == self._strategy.size:
            self._learn()

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points; fewer only when a finite space has no more that are new."""
        tried = self._tried.beside(pending)

        def propose(_: int, rng: np.random.Generator) -> Sequence[float] | None:
            for _ in range(TRIES):
                drawn = self._strategy.draw(rng, self._narrowest)[None, :]
                point = self._encoding.snap(mirrored(drawn))[0]
                if not tried.has(point):
                    return list(point.tolist())
            return None

        return list(tried.claims(count, self._seed, propose))

    def _learn(self) -> None:
        """Take in a generation; begin anew with twice the population when the distribution has converged."""
        ranked = sorted(self._generation, key=lambda each: each[:2])
        self._generation = []
        if math.isinf(ranked[0][0]):
            return  # all have failed: there is nothing to rank
        self._strategy.learn(np.array([point for _, _, point in ranked]))
        if self._strategy.converged(ranked[0][0], ranked[-1][0], self._narrowest):
            rng = chance(self._seed, self._tried.trials)
            size = min(2 * self._strategy.size, max(MOST, self._strategy.size))
            self._strategy = Strategy(rng.random(self._encoding.dimension), self._sigma, size)


def mirrored(points: Array) -> Array:
    """``points`` (m, d) of the whole space, reflected at the sides of the unit cube until they are inside."""
    return np.asarray(1.0 - np.abs(1.0 - np.mod(points, 2.0)))
