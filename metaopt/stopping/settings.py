"""The settings of a rule, checked before anything starts."""

from metaopt.errors import PluginError
from metaopt.scalars import is_number, write_number


def check_least(rule: str, name: str, value: object, least: float, example: float, *, whole: bool = False) -> None:
    """Raise PluginError unless ``value`` is a number, ``whole`` if it must be, from ``least`` on."""
    what = "a whole number" if whole else "a number"
    if not is_number(value) or (whole and not isinstance(value, int)):
        problem = f"stopper {rule!r}: {name} is {value!r}, which is not {what}"
    elif value < least:
        problem = f"stopper {rule!r}: {name} is {value:g}"
    else:
        return
    raise PluginError(problem, f"It is {what} from {write_number(least)} on: {name}: {write_number(example)}.")
