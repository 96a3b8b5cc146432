"""Grid search: every combination of some values of each parameter, once, in an order that soon has been everywhere."""

import itertools
import math
from collections.abc import Iterator, Sequence

from metaopt.errors import PluginError
from metaopt.messages import Params, Scalar
from metaopt.optimizers.tried import chance
from metaopt.parameters import Categorical, Fixed, Integer, Normal, Parameter
from metaopt.scalars import write
from metaopt.space import Space

LARGEST = 1_000_000


class Grid:
    """All points of a grid, in an order drawn by the seed; then there are no more."""

    def __init__(
        self,
        space: Space,
        seed: int,
        *,
        levels: int = 5,
        objectives: int = 1,  # noqa: ARG002 - it does not look at values
        constraints: int = 0,  # noqa: ARG002 - the same
    ) -> None:
        """Search ``space``; equal seeds give equal points.

        A number has ``levels`` values, evenly spaced on its own scale, both ends included; an integer with fewer all of
        its own, a category all.  Raises PluginError for over a million points.
        """
        count = _count(space, levels)
        if count > LARGEST:
            problem = f"the grid has {count:,} points, and may have {LARGEST:,}"
            raise PluginError(problem, f"Lower levels, which is {levels}, or fix some parameters.")
        points = {_key(point): point for point in _points(space, levels)}
        self._order = [list(points.values())[index] for index in chance(seed, 0).permutation(len(points))]
        self._tried: set[str] = set()

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points of the grid that are new; fewer when it is exhausted."""
        tried = self._tried | {_key(params) for params in pending}
        return list(itertools.islice((dict(point) for point in self._order if _key(point) not in tried), count))

    def tell(self, params: Params, value: float | Sequence[float]) -> None:  # noqa: ARG002 - it does not matter here
        """A trial has ended; only that it was tried counts."""
        self._tried.add(_key(params))


def _levels(parameter: Parameter, levels: int) -> list[Scalar]:
    """The values of a parameter that are on the grid."""
    if isinstance(parameter, Fixed):
        return [parameter.value]
    if isinstance(parameter, Categorical):
        return list(parameter.choices)
    shares = [index / (levels - 1) for index in range(levels)]
    if isinstance(parameter, Integer):
        return list(_whole(parameter, shares))
    if isinstance(parameter, Normal):  # it has no ends: the middles of parts that are equally likely
        return [parameter.from_unit((index + 0.5) / levels) for index in range(levels)]
    return [parameter.from_unit(share) for share in shares]


def _whole(parameter: Integer, shares: Sequence[float]) -> Sequence[int]:
    """Its values at these ``shares`` of the range, or of its logarithm; all of them when there are no more."""
    low, high = parameter.low, parameter.high
    if parameter.cells <= len(shares):
        return range(low, high + 1)
    if parameter.log:
        return list(dict.fromkeys(round(low * (high / low) ** share) for share in shares))
    return [low + round(share * (high - low)) for share in shares]


def _children(space: Space, parent: Parameter | None, value: Scalar = None) -> list[Parameter]:
    """The parameters that count when ``parent`` has this ``value``; without a parent, those that always do."""
    if parent is None:
        return [each for each in space.parameters if each.when is None]
    return [
        each for each in space.parameters if each.when and each.when.parent == parent.name and each.when.holds(value)
    ]


def _count(space: Space, levels: int, parent: Parameter | None = None, value: Scalar = None) -> int:
    """How many combinations of those there are that depend on ``parent`` at ``value``."""
    return math.prod(
        sum(_count(space, levels, each, level) for level in _levels(each, levels))
        for each in _children(space, parent, value)
    )


def _points(space: Space, levels: int) -> Iterator[Params]:
    """Each combination of the levels of active parameters once, as declared."""
    for point in _below(space, levels, None, None):
        yield {each.name: point[each.name] for each in space.parameters if each.name in point}


def _below(space: Space, levels: int, parent: Parameter | None, value: Scalar) -> Iterator[Params]:
    """Each combination of those that depend on ``parent`` at ``value``."""
    ways = [
        [
            {each.name: level, **deeper}
            for level in _levels(each, levels)
            for deeper in _below(space, levels, each, level)
        ]
        for each in _children(space, parent, value)
    ]
    for combination in itertools.product(*ways):
        yield {name: level for part in combination for name, level in part.items()}


def _key(params: Params) -> str:
    return ",".join(f"{name}={write(params[name])}" for name in sorted(params))
