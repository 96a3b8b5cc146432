"""Messages as plain data, and as bytes: for MPI, and for the journal."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from operator import itemgetter
from typing import Any

from metaopt.errors import WireError
from metaopt.messages import (
    Abandoned,
    Adopted,
    Assign,
    Closed,
    Expect,
    Fence,
    Finished,
    Interrupted,
    Joined,
    Lost,
    Message,
    Observe,
    Opened,
    Point,
    Release,
    Renewed,
    Reported,
    Revised,
    Started,
    StoodDown,
    Stop,
    Suggest,
    Suggested,
    Thawed,
    Watch,
)
from metaopt.verdicts import Weigh, Weighed
from metaopt.welcome import Welcome

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Opened, Joined, Started, Reported, Finished, Lost, Suggested, Interrupted, Renewed, Closed, Adopted, Revised),
        *(StoodDown, Thawed, Abandoned),
        *(Welcome, Assign, Stop, Fence, Release, Suggest, Expect, Observe, Watch, Weigh, Weighed),
    )
}
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in KINDS.values()}
_TUPLES = {
    Opened: "lost",
    Adopted: "runs",
    Revised: "dropped",
    Suggested: "params",
    Watch: "points",
    Weigh: "curves",
    Weighed: "doubts",
    Welcome: "command",
    Joined: "gpus",
    StoodDown: "gpus",
}
_SELDOM = {Suggested: "thawed", Assign: "after"}
"""What stands in the plain data only if it is there."""
_REPORTED = itemgetter(*_NAMES[Reported])
NOT_PLAIN = (KeyError, TypeError, ValueError, AttributeError)


def to_plain(message: Message) -> dict[str, Any]:
    """The fields of ``message`` as plain data that JSON can hold (numbers that are not finite as text)."""
    if isinstance(message, Reported):  # most are
        points = [(step, {k: _speakable(v) for k, v in values.items()}) for step, values in message.points]
        return {"worker": message.worker, "trial": message.trial, "attempt": message.attempt, "points": points}
    plain = {name: getattr(message, name) for name in _NAMES[type(message)]}
    if (seldom := _SELDOM.get(type(message))) and not plain[seldom]:
        del plain[seldom]
    return plain


def from_plain(kind: str, plain: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any of KINDS
    """The message of this ``kind`` with these fields; raises WireError when there is none such."""
    if kind == "Reported":
        return Reported(*reported_fields(plain))
    if kind == "Observe" and isinstance(plain.get("value"), list):
        plain = {**plain, "value": tuple(plain["value"])}
    try:
        made = KINDS[kind]
        name = _TUPLES.get(made)
        return made(**(plain if name is None or name not in plain else {**plain, name: tuple(plain[name])}))
    except NOT_PLAIN as error:
        raise _no_message(kind, plain, error) from None


def reported_fields(plain: Mapping[str, Any]) -> tuple[int, int, int, tuple[Point, ...]]:
    """The fields of the Reported in ``plain``, for one who needs no message of it; raises WireError when it is none."""
    try:
        worker, trial, attempt, points = _REPORTED(plain)
        if len(plain) == len(_NAMES[Reported]):
            return worker, trial, attempt, tuple([_point(point) for point in points])
    except NOT_PLAIN as error:
        raise _no_message(Reported.__name__, plain, error) from None
    raise _no_message(Reported.__name__, plain, TypeError("it has more fields"))


def points_in(texts: Sequence[bytes]) -> list[Point]:
    """The points of some Reporteds, one after the other, each of ``texts`` being those of one of them as JSON.

    Raises WireError.
    """
    try:
        return [_point(point) for points in json.loads(b"[%b]" % b",".join(texts)) for point in points]
    except NOT_PLAIN as error:
        raise _no_message(Reported.__name__, b",".join(texts), error) from None


def _no_message(kind: str, plain: object, error: Exception) -> WireError:
    return WireError(f"not a message: {kind} {str(plain)[:200]} ({error!r})")


def encode(message: Message) -> bytes:
    """``message`` as one line of JSON, without the newline."""
    document = [type(message).__name__, to_plain(message)]
    return _JSON.encode(document).encode(errors="backslashreplace")  # what is no character is still JSON


def decode(line: bytes | bytearray) -> Any:  # noqa: ANN401 - any of KINDS
    """The inverse of ``encode``; raises WireError."""
    try:
        kind, plain = json.loads(line.decode("utf-8", "surrogatepass"))  # else it tries to find out which code it is
    except (ValueError, TypeError) as error:
        problem = f"not a message: {bytes(line[:200])!r} ({error})"
        raise WireError(problem) from None
    return from_plain(kind, plain)


def _speakable(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _point(point: Any) -> Point:  # noqa: ANN401 - it comes from outside
    step, values = point
    return float(step) if not isinstance(step, int) else step, {str(name): float(v) for name, v in values.items()}
