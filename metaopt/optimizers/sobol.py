"""Quasi-random search: a scrambled Sobol sequence, which leaves no large hole in the space (Owen 1998)."""

from collections.abc import Sequence

from scipy.stats import qmc

from metaopt.messages import Params
from metaopt.optimizers.tried import Tried, chance
from metaopt.space import Space


class Sequence01:
    """A scrambled Sobol sequence in [0, 1]^dimension whose points can be had in any order."""

    def __init__(self, dimension: int, seed: int) -> None:
        """Scrambled by ``seed``; ``dimension`` may be 0."""
        self._engine = qmc.Sobol(dimension, scramble=True, rng=chance(seed, 0)) if dimension else None

    def point(self, index: int) -> list[float]:
        """The point with this number, counted from 0."""
        if self._engine is None:
            return []
        self._engine.reset()
        if index:
            self._engine.fast_forward(index)
        return [float(coordinate) for coordinate in self._engine.random(1)[0]]


class Sobol:
    """The points of a scrambled Sobol sequence; the number of a trial is its place in it."""

    def __init__(self, space: Space, seed: int, *, objectives: int = 1, constraints: int = 0) -> None:  # noqa: ARG002 - no value matters here
        """Search ``space``; equal seeds give equal points."""
        self._seed = seed
        self._sequence = Sequence01(len(space.searched), seed)
        self._tried = Tried(space)

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points; in a finite space a random new one where the sequence repeats a point."""
        tried = self._tried.beside(pending)
        return list(tried.claims(count, self._seed, lambda trial, _: self._sequence.point(trial)))

    def tell(self, params: Params, value: float | Sequence[float]) -> None:  # noqa: ARG002 - it does not matter here
        """A trial has ended; only that it was tried counts."""
        self._tried.add(params)
