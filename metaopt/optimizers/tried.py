"""Which points were tried: what a finite space has left, and the number of the next trial."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from metaopt.messages import Params, Scalar
from metaopt.space import Integer, Parameter, Space

Propose: TypeAlias = Callable[[int, np.random.Generator], Sequence[float] | None]
"""(number of the trial, its randomness) -> a point of the unit cube."""

DRAWS = 64
"""Of a random point, before what is left of a finite space is gone through in order."""


class Tried:
    """The points that were told or are under way.

    Points that are not in the space (its range was narrowed since) are counted, but otherwise ignored.  Only in a
    finite space are the points themselves kept: nothing is proposed twice there.
    """

    def __init__(self, space: Space) -> None:
        """Nothing of ``space`` has been tried."""
        self.space = space
        self.trials = 0
        self._finite = space.size is not None
        self._keys: set[tuple[float, ...]] = set()

    def add(self, params: Params) -> None:
        """One more trial, at ``params``."""
        self.trials += 1
        if self._finite and self.space.contains(params):
            self._keys.add(tuple(self.space.to_unit(params)))

    def beside(self, pending: Iterable[Params]) -> "Tried":
        """A copy in which ``pending`` are tried as well."""
        copy = Tried(self.space)
        copy.trials, copy._keys = self.trials, set(self._keys)
        for params in pending:
            copy.add(params)
        return copy

    def __contains__(self, params: Params) -> bool:
        return self.has(self.space.to_unit(params))

    def has(self, point: Iterable[float]) -> bool:
        """Whether ``point``, coordinates in the unit cube and on the grid, was tried; never in an endless space."""
        return self._finite and tuple(point) in self._keys

    def claims(self, count: int, seed: int, propose: Propose) -> Iterator[dict[str, Scalar]]:
        """Up to ``count`` new points, tried from now on, each asked for when it is needed.

        Each is where ``propose`` says; where that was tried in a finite space, or is None, a random new one.  There
        are fewer when no more are left.
        """
        for _ in range(count):
            rng = chance(seed, self.trials)
            params = self._first_new(propose(self.trials, rng), rng)
            if params is None:
                return
            self.add(params)
            yield params

    def _first_new(self, point: Sequence[float] | None, rng: np.random.Generator) -> dict[str, Scalar] | None:
        size = self.space.size
        if size is not None and len(self._keys) >= size:
            return None
        for _ in range(DRAWS):
            here = rng.random(len(self.space.searched)).tolist() if point is None else point
            params = self.space.from_unit(here)
            if params not in self:
                return params
            point = None
        return self._next_in_order(rng)

    def _next_in_order(self, rng: np.random.Generator) -> dict[str, Scalar] | None:
        sizes = [parameter.cells or 1 for parameter in self.space.searched]
        total = math.prod(sizes)
        offset = int(rng.random() * total)
        for step in range(total):
            params = self.space.from_unit(self._cell((offset + step) % total, sizes))
            if params not in self:
                return params
        return None

    def _cell(self, index: int, sizes: Sequence[int]) -> list[float]:
        """The ``index``-th combination of cells, counted like the digits of a number."""
        point = []
        for parameter, size in zip(self.space.searched, sizes, strict=True):
            index, digit = divmod(index, size)
            point.append(centre(parameter, digit))
        return point


def centre(parameter: Parameter, cell: int) -> float:
    """The coordinate of the value with the number ``cell`` (0, 1, ...) of a parameter with finitely many values."""
    if isinstance(parameter, Integer):
        return parameter.to_unit(parameter.low + cell)
    return (cell + 0.5) / (parameter.cells or 1)


def chance(seed: int, trial: int) -> np.random.Generator:
    """All the randomness of a trial: it depends on nothing but ``seed`` and the number of the trial."""
    return np.random.default_rng((seed % 2**64, trial))
