"""Thousands of virtual workers on a virtual clock, under the real driver.

Time jumps to the next thing that happens; ties go first in, first out.  So a simulated run depends on nothing but what
it is given, and a day of 4,096 workers takes seconds.  What is said goes through the same codec as over MPI.
"""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, islice

from metaopt.messages import (
    Assign,
    Command,
    Event,
    Finished,
    Joined,
    Lost,
    Params,
    Release,
    Reported,
    Started,
    Stop,
)
from metaopt.welcome import Welcome
from metaopt.wire import decode, encode

Script = Callable[[Params, int], Iterator[tuple[float, Mapping[str, float]]]]
"""(params, trial) -> what it reports: (seconds since the last report, values), ...; raising means that it fails."""

Points = Iterator[tuple[float, tuple[float, Mapping[str, float]]]]
"""What a script reports, with its steps: (step, (seconds since the last report, values)), ..."""

DEATH = "its process died"


class SimulatedHub:
    """``workers`` virtual workers that play ``script``; ``losses`` are (time, worker) at which one dies.

    The clock begins at ``begin``; a script that is stopped ends after ``grace`` seconds; where it ``resumes``, the next
    attempt goes on after the last report.  Up to ``leap`` the clock goes to what happens next at once, however short a
    wait was meant: for who does nothing by the clock before.
    """

    def __init__(
        self,
        script: Script,
        workers: int,
        losses: Iterable[tuple[float, int]] = (),
        grace: float = 1.0,
        begin: float = 0.0,
        *,
        leap: float = -math.inf,
        resumes: bool = False,
    ) -> None:
        self._script, self.grace, self._leap, self._saves = script, grace, leap, resumes
        self._saved: Counter[int] = Counter()
        self._time = begin
        self._tie = count()
        self._coming: list[tuple[float, int, bytes]] = []
        self._playing: dict[int, tuple[Assign, Points]] = {}
        self._dead: set[int] = set()
        for worker in range(1, workers + 1):
            self._at(begin, _joined(worker))
        for time, worker in losses:
            self._at(time, Lost(worker, DEATH))

    def lose(self, worker: int) -> None:
        """Let a worker die now."""
        self._at(self._time, Lost(worker, DEATH))

    def greet(self, welcome: Welcome, roles: Mapping[int, Welcome] | None = None) -> None:
        """Virtual workers join by themselves."""

    def appoint(self, worker: int, role: Welcome) -> None:  # noqa: ARG002 - it runs the same scripts
        """Let it drop what it runs, and join anew."""
        if worker not in self._dead:
            self._playing.pop(worker, None)
            self._at(self._time, _joined(worker))

    def now(self) -> float:
        """Virtual seconds since the start."""
        return self._time

    def receive(self, until: float) -> list[Event]:
        """Everything that happens at the next instant, unless that is after ``until``."""
        if self._coming and until > self._time:
            until = max(until, min(self._coming[0][0], self._leap))
        if not self._coming or self._coming[0][0] > until:
            self._time = until
            return []
        self._time = self._coming[0][0]
        events: list[Event] = []
        while self._coming and self._coming[0][0] == self._time:
            event = decode(heapq.heappop(self._coming)[2])
            if self._is_heard(event):
                events.append(event)
        return events

    def send(self, command: Command) -> None:
        """Let the virtual worker obey at once."""
        match decode(encode(command)):
            case Assign(worker) as assign if worker not in self._dead:
                self._playing[worker] = assign, islice(self._points(assign), self._saved[assign.trial], None)
                self._at(self._time, Started(worker, assign.trial, assign.attempt, worker))
                self._play(worker)
            case Stop(worker, trial, attempt) if self._runs(worker, trial, attempt):
                del self._playing[worker]
                self._at(self._time + self.grace, Finished(worker, trial, attempt, "stopped"))
            case Release(worker):
                self._dead.add(worker)

    def close(self) -> None:
        """Virtual workers leave by themselves."""

    def _points(self, assign: Assign) -> Points:
        return enumerate(self._script(assign.params, assign.trial), start=1)

    def _is_heard(self, event: Event) -> bool:
        match event:
            case Lost(worker):
                self._dead.add(worker)
                self._playing.pop(worker, None)
                return True
            case Reported(worker, trial, attempt) if self._runs(worker, trial, attempt):
                self._saved[trial] += self._saves
                self._play(worker)
                return True
            case Reported():
                return False
            case Started(worker) | Finished(worker) | Joined(worker):
                return worker not in self._dead
        return True

    def _runs(self, worker: int, trial: int, attempt: int) -> bool:
        playing = self._playing.get(worker)
        return playing is not None and (playing[0].trial, playing[0].attempt) == (trial, attempt)

    def _play(self, worker: int) -> None:
        """Let the script of ``worker`` say its next point, or end."""
        assign, points = self._playing[worker]
        try:
            point = next(points, None)
        except Exception as error:  # noqa: BLE001 - a script may fail in any way
            self._end(assign, "killed" if isinstance(error, MemoryError) else "failed", repr(error))
            return
        if point is None:
            self._end(assign, "completed")
        else:
            step, (seconds, values) = point
            said = Reported(worker, assign.trial, assign.attempt, ((step, values),))
            self._at(self._time + seconds, said)

    def _end(self, assign: Assign, outcome: str, error: str = "") -> None:
        del self._playing[assign.worker]
        self._at(self._time, Finished(assign.worker, assign.trial, assign.attempt, outcome, error))

    def _at(self, time: float, event: Event) -> None:
        heapq.heappush(self._coming, (time, next(self._tie), encode(event)))


def _joined(worker: int) -> Joined:
    return Joined(worker, f"virtual{worker // 64}", f"core {worker % 64}")
