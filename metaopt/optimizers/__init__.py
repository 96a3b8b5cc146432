"""Optimizers: strategies that propose points.

    optimizer = metaopt.optimizers.make("gp", {"lr": "loguniform(1e-5, 1)", "layers": "integer(1, 8)"}, seed=1)
    for params in optimizer.ask(4, []):
        optimizer.tell(params, loss(**params))

Importing this package loads no numpy; making an optimizer does.
"""

from collections.abc import Mapping
from typing import Any

from metaopt.optimizers.base import Optimizer
from metaopt.plugins import Choice, load
from metaopt.space import Space

__all__ = ["Optimizer", "make"]


def make(name: str, space: Space | Mapping[str, object], seed: int = 0, **settings: Any) -> Optimizer:  # noqa: ANN401 - whatever the optimizer takes
    """The optimizer ``name`` (gp, tpe, cmaes, turbo, grid, sobol, random, or a package.module:Class) over ``space``.

    ``space`` may be written as in an experiment file.  Raises PluginError for a name or a setting that does not
    exist, SpaceError for a space that cannot be understood.
    """
    made = load("optimizer", Choice(name, settings))
    optimizer: Optimizer = made(space if isinstance(space, Space) else Space.parse(space), seed, **settings)
    return optimizer
