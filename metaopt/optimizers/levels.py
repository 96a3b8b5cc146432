"""The points of a grid: some values of each parameter, in every combination.  Without numpy: who counts needs none."""

import itertools
import math
from collections.abc import Iterator, Sequence

from metaopt.messages import Params, Scalar
from metaopt.parameters import Categorical, Fixed, Integer, Normal, Parameter
from metaopt.scalars import write
from metaopt.space import Space

LEVELS = 5
"""Values of a number, unless the experiment says so."""


def values(parameter: Parameter, levels: int) -> list[Scalar]:
    """The values of a parameter that are on the grid, each once."""
    return list({write(value): value for value in _spread(parameter, levels)}.values())


def _spread(parameter: Parameter, levels: int) -> Sequence[Scalar]:
    if isinstance(parameter, Fixed):
        return [parameter.value]
    if isinstance(parameter, Categorical):
        return parameter.choices
    shares = [index / (levels - 1) for index in range(levels)]
    if isinstance(parameter, Integer):
        return _whole(parameter, shares)
    if isinstance(parameter, Normal):  # it has no ends: the middles of parts that are equally likely
        return [parameter.from_unit((index + 0.5) / levels) for index in range(levels)]
    return [parameter.from_unit(share) for share in shares]


def _whole(parameter: Integer, shares: Sequence[float]) -> Sequence[int]:
    """Its values at these ``shares`` of the range, or of its logarithm; all of them when there are no more."""
    low, high = parameter.low, parameter.high
    if parameter.cells <= len(shares):
        return range(low, high + 1)
    if parameter.log:
        return [round(low * (high / low) ** share) for share in shares]
    return [low + round(share * (high - low)) for share in shares]


def _children(space: Space, parent: Parameter | None, value: Scalar = None) -> list[Parameter]:
    """The parameters that count when ``parent`` has this ``value``; without a parent, those that always do."""
    if parent is None:
        return [each for each in space.parameters if each.when is None]
    return [
        each for each in space.parameters if each.when and each.when.parent == parent.name and each.when.holds(value)
    ]


def size(space: Space, levels: int, parent: Parameter | None = None, value: Scalar = None) -> int:
    """How many combinations of those there are that depend on ``parent`` at ``value``."""
    return math.prod(
        sum(size(space, levels, each, level) for level in values(each, levels))
        for each in _children(space, parent, value)
    )


def points(space: Space, levels: int) -> Iterator[Params]:
    """Each combination of the levels of active parameters once, as declared."""
    for point in _below(space, levels, None, None):
        yield {each.name: point[each.name] for each in space.parameters if each.name in point}


def _below(space: Space, levels: int, parent: Parameter | None, value: Scalar) -> Iterator[Params]:
    """Each combination of those that depend on ``parent`` at ``value``."""
    ways = [
        [
            {each.name: level, **deeper}
            for level in values(each, levels)
            for deeper in _below(space, levels, each, level)
        ]
        for each in _children(space, parent, value)
    ]
    for combination in itertools.product(*ways):
        yield {name: level for part in combination for name, level in part.items()}


def key(params: Params) -> str:
    """The same for equal points."""
    return ",".join(f"{name}={write(params[name])}" for name in sorted(params))
