"""Everything that is said in metaopt: the only vocabulary.

*Events* are in the past tense: workers, the proposer and the driver say them to the scheduler.  *Commands* are
imperative: the scheduler says them to workers, to the proposer and to the history.  The same objects cross MPI, fill
the journal and appear in the tests.  What the journal holds are *facts*: events, and the commands Assign and Stop.

Times are seconds since the epoch, durations seconds; ``worker`` is an MPI rank (1, 2, ...), ``trial`` a number from
0 on, ``attempt`` the how-manieth run of that trial (1, 2, ...).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from metaopt.verdicts import Weigh, Weighed
from metaopt.welcome import Welcome

Scalar: TypeAlias = str | int | float | bool | None
Params: TypeAlias = Mapping[str, Scalar]
Point: TypeAlias = tuple[float, Mapping[str, float]]
"""What a script reported at once: (step, {metric: value})."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A run (one launch, one allocation) has begun; if it is ``alone``, all earlier ones are over.

    ``experiment`` describes what is searched, as plain data; ``format`` is the version of the journal's format;
    ``deadline`` is when the allocation ends, if that is known; ``lost`` are nodes that died with the last run.
    """

    metaopt: str
    format: int
    experiment: Mapping[str, Any]
    deadline: float | None = None
    lost: tuple[str, ...] = ()
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker is there and free, with this device; it is process ``pid`` of its host.

    ``gpus`` are the UUIDs of its GPUs; ``doubt`` is what is to be said of how its node's are shared out.
    """

    worker: int
    host: str
    device: str
    pid: int = 0
    gpus: tuple[str, ...] = ()
    doubt: str = ""


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

    Killed means that SIGKILL came from somewhere else (for want of memory, or its node goes down), or that its GPU may
    be to blame (``faults.py``).  ``ended`` is when, in seconds since the epoch, if that was some time ago.  ``usage``
    is what the trial's GPUs did meanwhile: see ``usage.py``.
    """

    worker: int
    trial: int
    attempt: int
    outcome: str
    error: str = ""
    ended: float | None = None
    usage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker is gone."""

    worker: int
    why: str


@dataclass(frozen=True, slots=True)
class StoodDown:
    """A worker is there and runs no trials, any more or at all, for this reason; what it ran is run elsewhere.

    It has no device, or one that is ill: ``gpus`` are those that are in quarantine from now on, by their UUIDs.  Or it
    is ``spare``: all is well, but that others run the trials that its node is for.
    """

    worker: int
    host: str
    why: str
    gpus: tuple[str, ...] = ()
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Lent:
    """A worker without a trial is lent to another experiment: it is not lost, and may come back."""

    worker: int
    host: str


@dataclass(frozen=True, slots=True)
class Suggested:
    """The optimizer proposes these points, and that these paused trials go on, each for its reason (``thawed``).

    Nothing at all means that its space is exhausted.
    """

    params: tuple[Params, ...]
    thawed: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody wants the run to end now: no more trials, stop the running ones."""

    reason: str


@dataclass(frozen=True, slots=True)
class Renewed:
    """This run is still there, and has had nothing else to say for a while."""


@dataclass(frozen=True, slots=True)
class Closed:
    """This run has ended in good order; what it leaves undone is there for others."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """This run takes over what ``runs`` have left undone: they are closed, or have fallen silent."""

    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Revised:
    """The space is another one than before; nobody else is at it.

    The trials with the numbers in ``dropped``, and no others, are outside of it.  The others have the values in
    ``added`` of those parameters that count for them now and that they had no value of.
    """

    added: Params
    dropped: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Thawed:
    """A paused trial goes on, in another attempt, for this reason; ``attempt`` is the one that was paused."""

    trial: int
    attempt: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A paused trial does not go on: the study has all its trials, and this one is still not among the best."""

    trial: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What ``run`` has said, or claimed and was granted, stands in the history that all runs read in one order."""

    run: int
    time: float
    fact: "Fact"


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing has been heard of another run for too long."""

    run: int


@dataclass(frozen=True, slots=True)
class Assign:
    """Run this trial.

    Where scripts go on from checkpoints, each metric was last heard of in an earlier attempt, at the step ``after``.
    """

    worker: int
    trial: int
    attempt: int
    params: Params
    after: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stop:
    """End this attempt; ``reason`` is pruned (the trial is not worth its time), paused (not now) or interrupted.

    An interrupted one is run again soon, a paused one if it turns out to be worth it.  At the step ``last``, if there
    is one, all trials so far have completed: a script that has said it, and ends well, has completed too.
    """

    worker: int
    trial: int
    attempt: int
    reason: str
    why: str = ""
    last: float | None = None


@dataclass(frozen=True, slots=True)
class Fence:
    """Kill the process ``pid`` of this host: it is rank ``silent``, which has been given up."""

    worker: int
    silent: int
    pid: int


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Of the nodes of ``worker``, have those stand down that have these GPUs, for this reason; none of them is busy."""

    worker: int
    why: str
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """There is nothing left to do for this worker: leave."""

    worker: int


@dataclass(frozen=True, slots=True)
class Suggest:
    """Propose ``count`` points, knowing all that are expected; or that some of the paused trials go on instead."""

    count: int


@dataclass(frozen=True, slots=True)
class Expect:
    """A trial is under way until it is observed; if it is ``paused``, until this is said again, it may be thawed."""

    trial: int
    params: Params
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """How a trial stands without a result: (step, value) pairs of its curve, to be minimised, after so much work.

    Of all its steps there are some; ``seconds`` is what it took to come to the last one.  No points: forget it.
    """

    trial: int
    params: Params
    points: tuple[tuple[float, float], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Observe:
    """What a trial is worth: a value, to be minimised, or of several goals (objectives..., constraints...).

    Then each objective is to be minimised, and each constraint holds up to 0.  NaN is the value of a trial that has
    none (it failed, or was stopped), infinity that of one that has failed for want of memory.  A negative ``trial`` is
    none of this study, but of the other one that bears this number.
    """

    trial: int
    params: Params
    value: float | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """Have this stand in the history, unless others have been faster: it is Heard when it does."""

    fact: Suggested | Adopted


Happened: TypeAlias = Opened | Joined | Started | Reported | Finished | Lost | StoodDown | Suggested | Interrupted
"""The events that are facts."""
Event: TypeAlias = Happened | Lent | Weighed | Heard | Silent
Advice: TypeAlias = Suggest | Expect | Observe | Watch | Weigh
"""What is said to the optimizer, and to a stopper beside it."""
Command: TypeAlias = Welcome | Assign | Stop | Fence | Quarantine | Release | Advice | Claim
Fact: TypeAlias = Happened | Assign | Stop | Renewed | Closed | Adopted | Revised | Thawed | Abandoned
Message: TypeAlias = Event | Command | Fact
