"""Who ran what, and when: each attempt at a trial is a span of its worker's time.

    with a Timeline called ``told``:  history_of(location, told.take)

A history keeps the last attempt of each trial; this keeps all of them, by looking at the records while they are folded.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import ClassVar, NamedTuple, TypeAlias

from metaopt.stores import Record
from metaopt.trial import ACTIVE, ENDED, State, Trial

LOST, CONTINUED = "begun again", "continued"
"""What became of an attempt that was not the last one, or is not to be: the next one begins with nothing, or goes on.

It goes on where scripts resume, and this one was asked to end.
"""
STATES = ("completed", "stopped", CONTINUED, LOST, "running", "failed")
"""What may have become of an attempt."""
SHORT = 0.05
"""A pause, of the time in which there were workers, that is shown as long as it was."""
Interval: TypeAlias = tuple[float, float]
_Crew: TypeAlias = tuple[int, int]


class Span(NamedTuple):
    """An attempt at ``trial`` on ``lane``, from ``begin`` to ``end`` (seconds since the epoch), and its ``state``."""

    lane: int
    trial: int
    begin: float
    end: float
    state: str


@dataclass(slots=True)
class Run:
    """A launch: when it was ``opened``, by which version of ``metaopt``, with which workers on which hosts.

    With ``resumes`` its scripts save when they are asked to end.
    """

    opened: float
    metaopt: str
    heard: float
    resumes: bool = False
    workers: set[int] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Attempt:
    crew: _Crew
    trial: int
    attempt: int
    begin: float
    resumes: bool
    end: float | None = None
    asked: bool = False


class Timeline:
    """``take`` all records; then ``runs`` by number, ``spans`` and ``there``, when workers were there, are known."""

    def __init__(self) -> None:
        self.runs: dict[int, Run] = {}
        self.presence: defaultdict[_Crew, list[Interval]] = defaultdict(list)
        self._since: dict[_Crew, float] = {}
        self._under_way: dict[_Crew, _Attempt] = {}
        self._attempts: list[_Attempt] = []

    def take(self, record: Record) -> None:
        """One more record of the history, in its order."""
        known = self.runs.get(record.run)
        if known is not None:
            known.heard = record.time
        act = self._ACTS.get(record.kind)
        if act is not None:
            act(self, record)

    def there(self) -> list[Interval]:
        """When each worker was there: (begin, end) in seconds since the epoch, in no order."""
        still = [(since, self._heard(crew)) for crew, since in self._since.items()]
        return [*(each for intervals in self.presence.values() for each in intervals), *still]

    def spans(self, trials: Mapping[int, Trial]) -> list[Span]:
        """All attempts at ``trials``, in the order in which they were begun."""
        lane, resumes = self._lanes(), {(each.trial, each.attempt): each.resumes for each in self._attempts}
        return [
            Span(
                lane[each.crew],
                each.trial,
                each.begin,
                max(self._heard(each.crew) if each.end is None else each.end, each.begin),
                _state(each, trials[each.trial], following=resumes.get((each.trial, each.attempt + 1), True)),
            )
            for each in self._attempts
        ]

    def _lanes(self) -> Mapping[_Crew, int]:
        """A number (0, 1, ...) for each worker; those of the same rank in runs one after the other share one."""
        crews: dict[_Crew, list[Interval]] = {crew: list(each) for crew, each in self.presence.items()}
        for crew, since in self._since.items():
            crews.setdefault(crew, []).append((since, self._heard(crew)))
        lanes: defaultdict[int, list[list[_Crew]]] = defaultdict(list)
        for crew in sorted(crews, key=lambda crew: (min(crews[crew]), crew)):
            begin = min(crews[crew])[0]
            free = (lane for lane in lanes[crew[1]] if max(end for _, end in crews[lane[-1]]) <= begin)
            lane = next(free, None)
            if lane is None:
                lanes[crew[1]].append(lane := [])
            lane.append(crew)
        number = count()
        return {
            crew: at for worker in sorted(lanes) for lane in lanes[worker] for at in [next(number)] for crew in lane
        }

    def _heard(self, crew: _Crew) -> float:
        return self.runs[crew[0]].heard

    def _opened(self, record: Record) -> None:
        if record.body.get("alone", True):
            self._gone(run for run in self.runs if run != record.run)
        resumes = bool(record.body["experiment"].get("resumes"))
        self.runs[record.run] = Run(record.time, str(record.body.get("metaopt", "?")), record.time, resumes)

    def _gone(self, runs: Iterable[int]) -> None:
        """What was under way in ``runs`` ended when they were last heard of."""
        numbers = set(runs)
        for crew in [crew for crew in self._since if crew[0] in numbers]:
            self._leave(crew, self._heard(crew))

    def _leave(self, crew: _Crew, time: float) -> None:
        since = self._since.pop(crew, None)
        if since is not None:
            self.presence[crew].append((since, max(time, since)))
        attempt = self._under_way.pop(crew, None)
        if attempt is not None:
            attempt.end = time

    def _joined(self, record: Record) -> None:
        crew = record.run, int(record.body["worker"])
        self._leave(crew, record.time)
        self._since[crew] = record.time
        self.runs[record.run].workers.add(crew[1])
        self.runs[record.run].hosts.add(str(record.body.get("host", "?")))

    def _left(self, record: Record) -> None:
        self._leave((record.run, int(record.body["worker"])), record.time)

    def _closed(self, record: Record) -> None:
        self._gone([record.run])

    def _adopted(self, record: Record) -> None:
        self._gone(record.body["runs"])

    def _assigned(self, record: Record) -> None:
        crew = record.run, int(record.body["worker"])
        self._since.setdefault(crew, record.time)
        run = self.runs[record.run]
        attempt = _Attempt(crew, record.body["trial"], record.body["attempt"], record.time, run.resumes)
        if crew in self._under_way:  # a worker runs one at a time
            self._under_way[crew].end = record.time
        self._under_way[crew] = attempt
        self._attempts.append(attempt)

    def _of(self, record: Record) -> _Attempt | None:
        """The attempt that is meant, if it is under way."""
        attempt = self._under_way.get((record.run, int(record.body["worker"])))
        meant = record.body["trial"], record.body["attempt"]
        return attempt if attempt is not None and (attempt.trial, attempt.attempt) == meant else None

    def _started(self, record: Record) -> None:
        attempt = self._of(record)
        if attempt is not None:
            attempt.begin = record.time

    def _stopped(self, record: Record) -> None:
        attempt = self._of(record)
        if attempt is not None:
            attempt.asked = True

    def _finished(self, record: Record) -> None:
        attempt = self._of(record)
        if attempt is not None:
            ended = record.body.get("ended")
            attempt.end = record.time if ended is None else min(record.time, ended)
            del self._under_way[attempt.crew]

    _ACTS: ClassVar[Mapping[str, "Callable[[Timeline, Record], None]"]] = {
        "Opened": _opened,
        "Joined": _joined,
        "Lost": _left,
        "StoodDown": _left,
        "Closed": _closed,
        "Adopted": _adopted,
        "Assign": _assigned,
        "Started": _started,
        "Stop": _stopped,
        "Finished": _finished,
    }


def _state(attempt: _Attempt, trial: Trial, *, following: bool) -> str:
    """What became of it; whether scripts resume in the run of the ``following`` attempt, or may in one to come."""
    last = attempt.attempt == trial.attempts
    if last and trial.state in ENDED:
        return str(trial.state)
    if last and trial.state is State.PAUSED:
        return str(State.STOPPED)  # as far as this attempt goes
    if last and trial.state in ACTIVE:
        return "running"
    return CONTINUED if attempt.asked and attempt.resumes and following else LOST


class Pauses:
    """The time that is shown: that in which there were workers, and in place of each long pause a short one."""

    def __init__(self, there: Sequence[Interval]) -> None:
        """Of the time in which somebody was ``there``, at least one."""
        merged: list[Interval] = []
        for begin, end in sorted(there):
            if merged and begin <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((begin, end))
        longest = SHORT * sum(end - begin for begin, end in merged)
        self.knots, self.places = [merged[0][0], merged[0][1]], [0.0, merged[0][1] - merged[0][0]]
        self.cuts: list[float] = []
        for (_, before), (begin, end) in pairwise(merged):
            pause = min(begin - before, longest)
            if pause < begin - before:
                self.cuts.append(self.places[-1] + pause / 2)
            self.knots += [begin, end]
            self.places += [self.places[-1] + pause, self.places[-1] + pause + end - begin]

    def place(self, time: float) -> float:
        """How many seconds of what is shown have gone at ``time``, in seconds since the epoch."""
        at = min(max(bisect_right(self.knots, time), 1), len(self.knots) - 1)
        (before, after), (low, high) = self.knots[at - 1 : at + 1], self.places[at - 1 : at + 1]
        share = (time - before) / (after - before) if after > before else 0.0
        return low + min(max(share, 0.0), 1.0) * (high - low)
