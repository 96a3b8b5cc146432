"""A point of one's own, as the params of a trial: what somebody types, or the defaults of a space."""

from collections.abc import Mapping

from metaopt.errors import SpaceError
from metaopt.messages import Params, Scalar
from metaopt.parameters import Parameter, as_value
from metaopt.scalars import read
from metaopt.space import Space


def point(space: Space, typed: Mapping[str, str]) -> Params:
    """The point of ``space`` with these values, which are read as YAML reads them; defaults and what is fixed added.

    Raises SpaceError when a value is missing, is one that its parameter cannot have, or is of one that does not count.
    """
    by_name = {each.name: each for each in space.parameters}
    given = {name: as_value(by_name[name], _read(by_name[name], text)) for name, text in typed.items()}
    params = space.filled(given, space.defaults)
    active = space.active(params)
    for name in given:
        if name not in active:
            when = by_name[name].when
            problem = f"it counts only when {when.canonical() if when else 'its parent does'}"
            raise SpaceError(name, f"{problem}, which does not hold here", f"Leave out --{name}.")
    missing = [name for name in active if name not in params]
    if missing:
        hint = "  ".join(f"--{name} {by_name[name].canonical()}" for name in missing)
        raise SpaceError(
            " and ".join(missing), "no value is given", f"Give {'all' if missing[1:] else 'one'} of:  {hint}"
        )
    return params


def usual(space: Space) -> Params | None:
    """The point of ``space`` that its defaults say; None when none of its searched parameters has one that counts.

    A parameter without a default is in the middle of its range, or, when its values have no order, the first of them.
    """
    middle = {each.name: each.from_unit(0.0 if each.kind == "category" else 0.5) for each in space.searched}
    params = space.filled({}, {**middle, **space.defaults})
    return params if any(name in middle and name in space.defaults for name in params) else None


def _read(parameter: Parameter, text: str) -> Scalar:
    """The value that ``text`` says; a text that looks like a number is one only where that fits."""
    value = read(parameter.name, text) if text.strip() else text
    return text if parameter.contains(text) and not parameter.contains(value) else value
