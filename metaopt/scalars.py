"""Scalars, the values of parameters, as text: read as YAML reads them, and written so that they are read back."""

import json
import math
import re
from typing import TypeGuard

from metaopt.errors import SpaceError
from metaopt.messages import Scalar

_PLAIN = 1e15  # whole numbers up to here are written without an exponent
_WORD = re.compile(r"[A-Za-z_][\w.+/-]*")
_ITEM = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,"'()\[\]{}]*[^,"'()\[\]{}\s])\s*(,|$)""")
_INTEGER = re.compile(r"[+-]?\d{1,300}")
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)\s*([smhd]?)")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]\d)")
_CONSTANTS: dict[str, Scalar] = {
    **dict.fromkeys(("null", "Null", "NULL", "~")),
    **{text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")},
}


def read_list(name: str, text: str) -> list[Scalar]:
    """The scalars between the commas."""
    items: list[Scalar] = []
    at, comma = 0, ""
    while text.strip() and (at < len(text) or comma):
        found = _ITEM.match(text, at)
        if not found:
            hint = 'Write the values with commas between them, without brackets, and odd ones in quotes: "a, b".'
            raise SpaceError(name, f"cannot read {text[at:].strip() or text.strip()!r} as a value", hint)
        items.append(read(name, found[1]))
        at, comma = found.end(), found[2]
    return items


def read(name: str, text: str) -> Scalar:
    """One scalar, as YAML reads it."""
    text = text.strip()
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    if text[0] == '"':
        try:
            return str(json.loads(text, strict=False))
        except ValueError as error:
            raise SpaceError(name, f"cannot read {text}", "Double each \\, or use single quotes.") from error
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def write(value: Scalar) -> str:
    """The inverse of ``read``."""
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) and value not in _CONSTANTS else json.dumps(value, ensure_ascii=False)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def write_duration(seconds: float) -> str:
    """Hours, minutes and seconds, as ``duration`` reads them; of a short time the tenths too."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def write_number(value: float) -> str:
    """A number without a needless ``.0``."""
    return str(int(value)) if abs(value) < _PLAIN and value == int(value) else repr(value)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a finite number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def to_float(value: Scalar) -> float:
    """A number as a float; raises TypeError when it is none."""
    if not is_number(value):
        problem = f"{value!r} is not a number"
        raise TypeError(problem)
    return float(value)


def same(value: Scalar, other: Scalar) -> bool:
    """Equal, while true is not 1."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def clip(value: float, low: float = 0.0, high: float = 1.0) -> float:
    """``value``, or the end of the range that it is beyond."""
    return min(max(value, low), high)


def check_scalar(name: str, value: object) -> None:
    """Raise SpaceError for the parameter ``name`` unless ``value`` is a scalar."""
    if value is not None and not isinstance(value, (str, bool)) and not is_number(value):
        raise SpaceError(name, f"{value!r} is no value", "A value is text, a number, true, false or null.")


def duration(text: str) -> float | None:
    """Seconds from ``90``, ``90s``, ``10m``, ``2h``, ``1d``, ``1:30:00`` or ``10:00`` (minutes); None for others."""
    if found := _DURATION.fullmatch(text.strip()):
        return float(found[1]) * _SECONDS[found[2]]
    if found := _CLOCK.fullmatch(text.strip()):
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds
    return None


def counted(count: int, noun: str) -> str:
    """``1 trial``, ``1,000 trials``."""
    return f"{count:,} {noun}" + "s" * (count != 1)
