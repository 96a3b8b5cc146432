"""Everything that is said in metaopt: the only vocabulary.

*Events* are in the past tense: workers, the proposer and the driver say them to the scheduler.  *Commands* are
imperative: the scheduler says them to workers and to the proposer.  The same objects cross MPI, fill the journal
and appear in the tests.  What changes a trial is a *fact*: an event, or one of the commands Assign and Stop.

Times are seconds since the epoch, durations seconds; ``worker`` is an MPI rank (1, 2, ...), ``trial`` a number from
0 on, ``attempt`` the how-manieth run of that trial (1, 2, ...).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any, TypeAlias

from metaopt.errors import WireError

Scalar: TypeAlias = str | int | float | bool | None
Params: TypeAlias = Mapping[str, Scalar]
Point: TypeAlias = tuple[float, Mapping[str, float]]
"""What a script reported at once: (step, {metric: value})."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A run (one launch, one allocation) has begun; the workers of earlier runs are gone.

    ``experiment`` describes what is searched, as plain data; ``format`` is the version of the journal's format;
    ``deadline`` is when the allocation ends, if that is known; ``lost`` are nodes that have died with the last run.
    """

    metaopt: str
    format: int
    experiment: Mapping[str, Any]
    deadline: float | None = None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker is there and free, with this device; it is process ``pid`` of its host."""

    worker: int
    host: str
    device: str
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """The script of a trial runs, as this process."""

    worker: int
    trial: int
    attempt: int
    pid: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A script has said some of its metrics."""

    worker: int
    trial: int
    attempt: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """A script has ended: ``outcome`` is completed, failed, killed or stopped; ``error`` says why it failed.

    Killed means that SIGKILL came from somewhere else: for want of memory, or because its node goes down.
    ``ended`` is when, in seconds since the epoch, if that was some time before this is said.
    """

    worker: int
    trial: int
    attempt: int
    outcome: str
    error: str = ""
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker is gone."""

    worker: int
    why: str


@dataclass(frozen=True, slots=True)
class Suggested:
    """The optimizer proposes these points; none at all means that its space is exhausted."""

    params: tuple[Params, ...]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody wants the run to end now: no more trials, stop the running ones."""

    reason: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """The first word to each worker: all that it needs to know to run trials.

    ``command`` is an argv list with placeholders, ``directory`` where it runs, ``trials`` the directory of the trials'
    directories, ``metrics`` patterns over stdout by metric, ``timeout`` and ``grace`` seconds, ``cores`` how many a
    trial gets.  ``signal`` is the number of the one that asks a script to end.  Who is silent for ``heartbeat`` seconds
    is lost.  ``host`` is where rank 0 runs, which needs none of the cores there.

    A worker that hears it again, because it was thought lost, kills what it runs and joins anew.
    """

    command: tuple[str, ...]
    directory: str
    trials: str
    metrics: Mapping[str, str]
    timeout: float | None
    grace: float
    cores: int
    seed: int
    signal: int = 15
    heartbeat: float = 60.0
    host: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """Run this trial."""

    worker: int
    trial: int
    attempt: int
    params: Params


@dataclass(frozen=True, slots=True)
class Stop:
    """End this trial; ``reason`` is pruned (it is not worth its time) or interrupted (run it again later)."""

    worker: int
    trial: int
    attempt: int
    reason: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Fence:
    """Kill the process ``pid`` of this host: it is rank ``silent``, which has been given up."""

    worker: int
    silent: int
    pid: int


@dataclass(frozen=True, slots=True)
class Release:
    """There is nothing left to do for this worker: leave."""

    worker: int


@dataclass(frozen=True, slots=True)
class Suggest:
    """Propose ``count`` points, knowing that those in ``pending`` are under way."""

    count: int
    pending: tuple[Params, ...]


@dataclass(frozen=True, slots=True)
class Observe:
    """A trial's value, always to be minimised; NaN when it has none (it failed, or was stopped)."""

    trial: int
    params: Params
    value: float


Event: TypeAlias = Opened | Joined | Started | Reported | Finished | Lost | Suggested | Interrupted
Command: TypeAlias = Welcome | Assign | Stop | Fence | Release | Suggest | Observe
Fact: TypeAlias = Event | Assign | Stop
Message: TypeAlias = Event | Command

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Opened, Joined, Started, Reported, Finished, Lost, Suggested, Interrupted),
        *(Welcome, Assign, Stop, Fence, Release, Suggest, Observe),
    )
}
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in KINDS.values()}
_REPORTED = itemgetter(*_NAMES[Reported])
NOT_PLAIN = (KeyError, TypeError, ValueError, AttributeError)


def to_plain(message: Message) -> dict[str, Any]:
    """The fields of ``message`` as plain data that JSON can hold (numbers that are not finite as text)."""
    plain = {name: getattr(message, name) for name in _NAMES[type(message)]}
    if isinstance(message, Reported):
        plain["points"] = [(step, {k: _speakable(v) for k, v in values.items()}) for step, values in message.points]
    return plain


def from_plain(kind: str, plain: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any of KINDS
    """The message of this ``kind`` with these fields; raises WireError when there is none such."""
    if kind == "Reported":
        return Reported(*reported_fields(plain))
    try:
        message = KINDS[kind](**plain)
        match message:
            case Opened():
                return Opened(**{**plain, "lost": tuple(message.lost)})
            case Suggested(params):
                return Suggested(tuple(params))
            case Suggest(count, pending):
                return Suggest(count, tuple(pending))
            case Welcome():
                return KINDS[kind](**{**plain, "command": tuple(message.command)})
        return message  # noqa: TRY300 - the case of most kinds
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


def _no_message(kind: str, plain: object, error: Exception) -> WireError:
    return WireError(f"not a message: {kind} {str(plain)[:200]} ({error!r})")


def encode(message: Message) -> bytes:
    """``message`` as one line of JSON, without the newline."""
    document = [type(message).__name__, to_plain(message)]
    return _JSON.encode(document).encode(errors="backslashreplace")  # what is no character is still JSON


def decode(line: bytes | bytearray) -> Any:  # noqa: ANN401 - any of KINDS
    """The inverse of ``encode``; raises WireError."""
    try:
        kind, plain = json.loads(line)
    except (ValueError, TypeError) as error:
        problem = f"not a message: {bytes(line[:200])!r} ({error})"
        raise WireError(problem) from None
    return from_plain(kind, plain)


def _speakable(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _point(point: Any) -> Point:  # noqa: ANN401 - it comes from outside
    step, values = point
    return float(step) if not isinstance(step, int) else step, {str(name): float(v) for name, v in values.items()}
