"""The settings of a rule, checked before anything starts."""

import math

from metaopt.errors import PluginError
from metaopt.scalars import is_number, write_number


def check_least(
    rule: str,
    name: str,
    value: object,
    least: float,
    example: float,
    *,
    whole: bool = False,
    most: float = math.inf,
) -> None:
    """Raise PluginError unless ``value`` is a number, ``whole`` if it must be, from ``least`` on, up to ``most``."""
    what = "a whole number" if whole else "a number"
    if not is_number(value) or (whole and not isinstance(value, int)):
        problem = f"stopper {rule!r}: {name} is {value!r}, which is not {what}"
    elif not least <= value <= most:
        problem = f"stopper {rule!r}: {name} is {value:g}"
    else:
        return
    up_to = f"up to {write_number(most)}" if most < math.inf else "on"
    raise PluginError(problem, f"It is {what} from {write_number(least)} {up_to}: {name}: {write_number(example)}.")
