"""Optimizers: strategies that propose points.

    optimizer = metaopt.optimizers.make("gp", {"lr": "loguniform(1e-5, 1)", "layers": "integer(1, 8)"}, seed=1)
    for params in optimizer.ask(4, []):
        optimizer.tell(params, loss(**params))

Importing this package loads no numpy; making an optimizer does.
"""

from collections.abc import Mapping
from numbers import Integral
from reprlib import repr as short
from typing import Any

from metaopt.errors import PluginError, SpaceError
from metaopt.optimizers.base import Optimizer, Watcher
from metaopt.optimizers.checked import Checked, CheckedWatcher
from metaopt.plugins import Choice
from metaopt.plugins import make as make_plugin
from metaopt.space import ITSELF, Space

__all__ = ["Optimizer", "make"]


def make(
    optimizer: str | Mapping[str, object],
    space: Space | Mapping[str, object],
    seed: int = 0,
    **settings: Any,  # noqa: ANN401 - whatever the optimizer takes
) -> Checked:
    """The ``optimizer`` (gp, tpe, cmaes, turbo, grid, sobol, random, or a package.module:Class) over ``space``.

    Both may be written as in an experiment file: {"rule": "gp", "start": 12}, {"lr": "loguniform(1e-5, 1)"}.  Raises
    PluginError for a name or a setting that does not exist, or a seed that is none, SpaceError for a space that cannot
    be understood; ``ask`` and ``tell`` raise SpaceError for params that are incomplete or have other names, and
    ValueError for what should be a number, and is none.
    """
    choice = chosen(optimizer, settings)
    if not isinstance(seed, Integral):
        problem = f"seed is {seed!r}"
        raise PluginError(problem, "Give a whole number: seed=1.")
    searched = understood(space)
    made = make_plugin("optimizer", choice, searched, int(seed))
    width = choice.settings.get("objectives", 1) + choice.settings.get("constraints", 0)
    return (CheckedWatcher if isinstance(made, Watcher) else Checked)(made, searched, width)


def understood(space: Space | Mapping[str, object]) -> Space:
    """What is meant by a ``space``; raises SpaceError when that cannot be seen."""
    if isinstance(space, Space):
        return space
    if not isinstance(space, Mapping):
        raise SpaceError(ITSELF, f"it is {short(space)}", 'Give a dict of priors: {"lr": "loguniform(1e-4, 1e-1)"}.')
    return Space.parse(space)


def chosen(optimizer: str | Mapping[str, object], settings: Mapping[str, Any]) -> Choice:
    """What is meant by an ``optimizer`` and ``settings`` beside it; raises PluginError when that cannot be seen."""
    if isinstance(optimizer, str):
        return Choice(optimizer, settings)
    example = 'Write optimizer="gp", or optimizer={"rule": "gp", "start": 12}.'
    if not isinstance(optimizer, Mapping) or not isinstance(rule := optimizer.get("rule"), str):
        problem = f"optimizer {optimizer!r} names no rule"
        raise PluginError(problem, example)
    own = {str(name): value for name, value in optimizer.items() if name != "rule"}
    if twice := own.keys() & settings.keys():
        problem = f"optimizer {rule!r} has its setting {min(twice)!r} twice"
        raise PluginError(problem, f"Write it once, beside the rule or beside the optimizer.  {example}")
    return Choice(rule, {**own, **settings})
