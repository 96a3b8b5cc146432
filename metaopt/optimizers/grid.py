"""Grid search: every combination of some values of each parameter, once, in an order that soon has been everywhere."""

import itertools
from collections.abc import Sequence

from metaopt.errors import PluginError
from metaopt.messages import Params
from metaopt.optimizers.levels import LEVELS, key, points, size
from metaopt.optimizers.tried import chance
from metaopt.space import Space

LARGEST = 1_000_000


class Grid:
    """All points of a grid, in an order drawn by the seed; then there are no more."""

    def __init__(
        self,
        space: Space,
        seed: int,
        *,
        levels: int = LEVELS,
        objectives: int = 1,  # noqa: ARG002 - it does not look at values
        constraints: int = 0,  # noqa: ARG002 - the same
    ) -> None:
        """Search ``space``; equal seeds give equal points.

        A number has ``levels`` values, evenly spaced on its own scale, both ends included; an integer with fewer all of
        its own, a category all.  Raises PluginError for over a million points.
        """
        if (count := size(space, levels)) > LARGEST:
            problem = f"the grid has {count:,} points, and may have {LARGEST:,}"
            raise PluginError(problem, f"Lower levels, which is {levels}, or fix some parameters.")
        there = [*points(space, levels)]
        self._order = [there[index] for index in chance(seed, 0).permutation(len(there))]
        self._tried: set[str] = set()

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points of the grid that are new; fewer when it is exhausted."""
        tried = self._tried | {key(params) for params in pending}
        return list(itertools.islice((dict(point) for point in self._order if key(point) not in tried), count))

    def tell(self, params: Params, value: float | Sequence[float]) -> None:  # noqa: ARG002 - it does not matter here
        """A trial has ended; only that it was tried counts."""
        self._tried.add(key(params))
