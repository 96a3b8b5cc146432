"""One trial: what is known of it, and which changes of its state there are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import islice
from typing import Any

from metaopt.messages import Params, Point
from metaopt.objective import curve
from metaopt.unread import WHO, Reports, Unread
from metaopt.wire import points_in


class State(StrEnum):
    """Where a trial stands."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"


NEXT: Mapping[State, frozenset[State]] = {
    State.WAITING: frozenset({State.RUNNING, State.STOPPED}),
    State.RUNNING: frozenset({State.STOPPING, State.COMPLETED, State.FAILED, State.WAITING}),
    State.STOPPING: frozenset({State.STOPPED, State.COMPLETED, State.FAILED, State.WAITING, State.PAUSED}),
    State.PAUSED: frozenset({State.WAITING, State.STOPPED}),
    State.COMPLETED: frozenset(),
    State.STOPPED: frozenset(),
    State.FAILED: frozenset(),
}
ENDED = frozenset(state for state, following in NEXT.items() if not following)
ACTIVE = frozenset({State.RUNNING, State.STOPPING})
OUTSIDE = "outside the changed space"
"""Why a trial was stopped that waited when the space had no place for it any more."""


@dataclass(slots=True)
class Trial:
    """One trial.

    It is up to ``run`` to run it.  ``attempts`` is how often it was begun; ``started``, when it was first, ``begun``,
    when it was last, and ``ended`` are seconds since the epoch.  An attempt that goes on from a checkpoint has
    ``inherited`` so many points, and ``saved`` so many seconds of work.  Those of its points that are ``unread`` follow
    those that are ``known``.  One that is ``outside`` the space, as that is now, counts for nothing.  ``gpus`` are
    those that it had last, ``shunned`` those that may have failed under it, ``usage`` is what they did (``usage.py``).
    ``experiment`` is as the run described it that began it last.
    When it has completed, ``objectives`` are its values, and ``excess`` is by how much it exceeds each constraint (0 or
    less: it keeps to it).
    """

    number: int
    params: Params
    state: State = State.WAITING
    objectives: tuple[float, ...] = ()
    excess: tuple[float, ...] = ()
    attempts: int = 0
    losses: int = 0
    run: int = 0
    worker: int | None = None
    device: str = ""
    pid: int | None = None
    started: float | None = None
    begun: float | None = None
    ended: float | None = None
    error: str = ""
    stop: str = ""
    why: str = ""
    known: list[Point] = field(default_factory=list, repr=False, compare=False)
    unread: Unread | None = field(default=None, repr=False, compare=False)
    inherited: int = field(default=0, repr=False, compare=False)
    saved: float = 0.0
    outside: bool = False
    gpus: tuple[str, ...] = ()
    shunned: tuple[str, ...] = ()
    usage: Mapping[str, float] = field(default_factory=dict)
    experiment: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    def __eq__(self, other: object) -> bool:
        """Whether they are the same in everything, the curves too, read so far or not."""
        names = [*(each.name for each in fields(self) if each.compare), "earlier", "points"]
        return isinstance(other, Trial) and all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # type: ignore[assignment]  # as that of any dataclass that changes

    def __getstate__(self) -> object:
        """What is copied, or sent to another process: its own points, and not all that its history has kept."""
        return None, {each.name: getattr(self, each.name) for each in fields(self)} | {
            "known": self.points,
            "unread": None,
        }

    @property
    def points(self) -> list[Point]:
        """All that its script has reported, in that order; read now, if it has only been kept so far."""
        if (unread := self.unread) is not None:
            said, self.unread = points_in(unread.read()), None
            self.take(said)
            self.unread = unread.rest()
        return self.known

    @property
    def earlier(self) -> int:
        """How many of its points were reported before this attempt, which goes on from a checkpoint."""
        return self.inherited if self.points else 0

    @property
    def reached(self) -> dict[str, float]:
        """The step at which its script has last said each metric."""
        return {name: step for step, values in self.points for name in values}

    def backwards(self) -> Iterator[Point]:
        """The same points, the last one first; of those that are unread no more are read than are asked for."""
        if self.unread is None or self.known:
            yield from reversed(self.points)
            return
        words, count = self.unread.backwards(), 1
        while texts := [*islice(words, count)]:
            yield from reversed(points_in(texts[::-1]))
            count *= 4

    def closing(self, metrics: AbstractSet[str]) -> Sequence[Point]:
        """Those of its points, from the end on, that have the last value of each of ``metrics``; or else all."""
        missing, found = set(metrics), list[Point]()
        for point in self.backwards() if metrics else ():
            found.append(point)
            missing.difference_update(point[1])
            if not missing:
                return found[::-1]
        return self.points

    def curve(self, metric: str) -> list[tuple[float, float]]:
        """The values of ``metric`` as the script reported them: (step, value) pairs."""
        return curve(self.points, metric)

    @property
    def objective(self) -> float | None:
        """The value of the first objective; None unless it has completed."""
        return self.objectives[0] if self.objectives else None

    @property
    def reason(self) -> str:
        """Why it was stopped, or paused; and that it was not gone on with, if so."""
        given_up = self.state is State.STOPPED and self.stop == "paused" and self.why != OUTSIDE
        return f"{self.why}; paused then, and not gone on with" if given_up else self.why

    @property
    def last_words(self) -> str:
        """The last line that it has left, when it has failed."""
        return next((line.strip() for line in reversed(self.error.splitlines()) if line.strip()), "")

    @property
    def feasible(self) -> bool:
        """Whether it has completed, and keeps to all constraints."""
        return bool(self.objectives) and all(each <= 0 for each in self.excess)

    @property
    def duration(self) -> float | None:
        """How many seconds it took in all, once it has ended: attempts of which each went on where another stopped."""
        return None if self.lasted is None else self.saved + self.lasted

    @property
    def lasted(self) -> float | None:
        """How many seconds its last attempt took, once it has ended."""
        return None if self.begun is None or self.ended is None else self.ended - self.begun

    def begin(self, time: float, worker: int, attempt: int, *, resumes: bool) -> None:
        """Another attempt begins; one that ``resumes`` goes on from the points of the last one, and its work."""
        self.worker, self.attempts, self.begun, self.ended = worker, attempt, time, None
        self.started = time if self.started is None else self.started
        self.stop = self.why = self.error = ""
        self.gpus, self.usage = (), {}
        if not resumes:
            self.known, self.unread, self.saved = [], None, 0.0
        self.inherited = len(self.points)

    def start(self, time: float, pid: int) -> None:
        """The script of this attempt runs, as process ``pid``."""
        self.begun, self.pid = time, pid
        self.started = time if self.attempts == 1 else self.started

    def listen(self, reports: Reports) -> None:
        """What its script says in this attempt is among the ``reports`` that come, as long as it is active."""
        self.unread = Unread(reports, WHO % (self.worker, self.number, self.attempts), len(reports))

    def thaw(self) -> None:
        """It is to go on from where it was paused."""
        self.saved, self.ended, self.worker = self.saved + (self.lasted or 0.0), None, None

    def take(self, points: Sequence[Point]) -> None:
        """Its script has said these; one that goes on from a checkpoint says some again."""
        before = self.points
        if self.inherited and self.inherited == len(before) and points:
            before[:] = [point for point in before if point[0] < points[0][0]]
            self.inherited = len(before)
        before += points

    def move(self, state: State) -> None:
        """Go on to ``state``, which must be a next one."""
        if state not in NEXT[self.state]:
            problem = f"trial {self.number} cannot go from {self.state} to {state}"
            raise ValueError(problem)
        if self.unread is not None and self.state in ACTIVE and state not in ACTIVE:
            self.unread = self.unread.closed()
        self.state = state


def of_point(trials: Iterable[Trial], params: Params) -> list[Trial]:
    """The trials of this very point, in their order; none that is outside the space."""
    return [trial for trial in trials if trial.params == params and not trial.outside]


def nearest(trials: Iterable[Trial]) -> Trial | None:
    """Of the completed ones that which exceeds its constraints least, added up; none that is outside the space."""
    completed = [trial for trial in trials if trial.objectives and not trial.outside]
    return min(completed, key=lambda trial: (sum(max(e, 0.0) for e in trial.excess), trial.number), default=None)


def extends(params: Params, earlier: object) -> bool:
    """Whether ``params`` are those of ``earlier``, or more: parameters may have been added since."""
    return isinstance(earlier, Mapping) and all(
        name in params and params[name] == value for name, value in earlier.items()
    )
