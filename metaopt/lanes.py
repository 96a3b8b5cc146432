"""Several experiments over the same workers: each is driven as if it were alone, over a hub whose workers come and go.

A worker that is lent to another experiment hears that one's first word, and joins it; for the experiment that it leaves
it is Lent.  Whom it is lent to, the arbiter says.
"""

import math
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace

from metaopt.arbiter import Arbiter
from metaopt.errors import Interruption
from metaopt.messages import (
    Assign,
    Command,
    Event,
    Finished,
    Interrupted,
    Joined,
    Lent,
    Lost,
    Reported,
    Started,
    StoodDown,
    Stop,
)
from metaopt.scheduler import Scheduler
from metaopt.transports.base import Greeter, Hub
from metaopt.welcome import Welcome

AGAIN = 0.1
"""Seconds from one look at a history that has not answered to the next."""
STALL = 5.0
"""Seconds after which the idle workers of an experiment that begins nothing are lent to others."""
HOME = Welcome(command=(), directory="", trials="", metrics={}, timeout=None, grace=0.0, cores=None, seed=0, gpus=0)
"""What a worker hears that is nobody's: it has no device, and runs nothing."""

Run = Generator[Scheduler | None, None, int]
"""None as long as its history has not answered."""


class Lane:
    """What one experiment has of the workers: to its driver a hub, but for that it never waits."""

    def __init__(self, hub: Hub) -> None:
        self.welcome = HOME
        self.workers: dict[int, str] = {}  # those that have joined it, and their hosts
        self.idle: Mapping[int, None] = {}
        self.until, self.stirred, self.begun = -math.inf, hub.now(), False
        self._hub = hub
        self._heard: list[Event] = []

    def greet(self, welcome: Welcome, roles: Mapping[int, Welcome] | None = None) -> None:  # noqa: ARG002 - it has none
        """Those who are lent to it shall hear this first."""
        self.welcome = welcome

    def appoint(self, worker: int, role: Welcome) -> None:
        """Nobody has a role of its own here: trials have one node."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._hub.now()

    def receive(self, until: float) -> list[Event]:
        """What has been heard; if that is nothing, the driver is to be called again at ``until``."""
        heard, self._heard = self._heard, []
        self.until = self.now() if heard else until
        return heard

    def send(self, command: Command) -> None:
        """Say it, unless it is to one who has been lent to others meanwhile."""
        if isinstance(command, Assign | Stop) and command.worker in self.workers:
            self.stirred = self.now()
            self._hub.send(command)

    def close(self) -> None:
        """Its workers stay."""

    @property
    def interrupted(self) -> bool:
        """Whether its driver is to hear that it shall end."""
        return any(isinstance(event, Interrupted) for event in self._heard)

    def hear(self, event: Event) -> None:
        """Have its driver take this in, soon."""
        self._heard.append(event)
        self.until = -math.inf


class Pool:
    """The workers behind ``hub``, ``count`` of them, and the experiments that share them, which have numbers.

    Who is silent for ``heartbeat`` seconds is lost.
    """

    def __init__(self, hub: Greeter, count: int, heartbeat: float = HOME.heartbeat) -> None:
        self._hub, self._count, self._heartbeat = hub, count, heartbeat
        self._runs: dict[int, tuple[Lane, Run]] = {}
        self._arbiter = Arbiter()
        self._coming = Counter(range(1, count + 1))  # first words that are not answered yet
        self._free: dict[int, None] = {}
        self._gone: set[int] = set()
        hub.greet(replace(HOME, heartbeat=heartbeat))

    @property
    def numbers(self) -> list[int]:
        """The experiments that are under way."""
        return list(self._runs)

    @property
    def silent(self) -> list[int]:
        """Those of them whose histories have not answered for long."""
        late = self._hub.now() - STALL
        return [number for number, (lane, _) in self._runs.items() if not lane.begun and lane.stirred < late]

    @property
    def deserted(self) -> bool:
        """Whether no worker is left."""
        return len(self._gone) >= self._count

    def enter(self, number: int, start: Callable[[Lane], Run], weight: float = 1.0) -> None:
        """Begin an experiment, of which ``start`` makes a run; its share of the workers is as its ``weight`` is."""
        lane = Lane(self._hub)
        for worker in sorted(self._gone):
            lane.hear(Lost(worker, "it was lost before"))
        self._arbiter.enter(number, weight)
        self._runs[number] = lane, start(lane)

    def turn(self, pause: float) -> dict[int, int | Exception]:
        """Take in what happens next, within ``pause`` seconds at most; which have ended, with what status or error."""
        now = self._hub.now()
        until = min([now + pause, *(lane.until for lane, _ in self._runs.values())])
        for event in self._hub.receive(max(until, now)):
            self._take(event)
        self._lend()
        due = [number for number, (lane, _) in self._runs.items() if lane.until <= self._hub.now()]
        return {number: end for number in due if (end := self._drive(number)) is not None}

    def interrupt(self, reason: str, *numbers: int) -> None:
        """Have these experiments end, and well; all of them, if none is named."""
        for number in numbers or self.numbers:
            self._runs[number][0].hear(Interrupted(reason))

    def drop(self) -> None:
        """Let go of all of them at once; what is known of them is kept."""
        for number in self.numbers:
            if self._drive(number) is None:
                self._leave(number)

    def _take(self, event: Event) -> None:
        """Tell whom it concerns; what somebody says who has been lent to others meanwhile concerns nobody."""
        match event:
            case Lost(worker):
                self._gone.add(worker)
                self._free.pop(worker, None)
                self._coming.pop(worker, None)
                self._arbiter.gone(worker)
                self._hub.appoint(worker, replace(HOME, heartbeat=self._heartbeat))  # if it comes back
                for lane, _ in self._runs.values():
                    lane.workers.pop(worker, None)
                    lane.hear(event)
            case Joined(worker) | StoodDown(worker):
                self._coming[worker] = max(self._coming[worker] - 1, 0)
                if not self._coming[worker]:
                    self._back(worker, event.host)
                    self._arrived(event)
            case Started(worker) | Reported(worker) | Finished(worker):
                mine = self._lane_of(worker)
                if mine is not None and worker in mine.workers:
                    mine.hear(event)
                    if isinstance(event, Finished):
                        self._free[worker] = None
                        mine.stirred = self._hub.now()

    def _back(self, worker: int, host: str) -> None:
        """One that was lost is so no more: for all, not only for whom it works."""
        if worker in self._gone:
            self._gone.discard(worker)
            for lane, _ in self._runs.values():
                lane.hear(Lent(worker, host))

    def _arrived(self, event: Joined | StoodDown) -> None:
        """A worker can, or cannot, work for whom it is lent to."""
        worker, lane = event.worker, self._lane_of(event.worker)
        if lane is not None:
            lane.workers.pop(worker, None)
            lane.hear(event)
        if lane is not None and isinstance(event, Joined):
            lane.workers[worker] = event.host
            lane.stirred = self._hub.now()
            return
        (self._arbiter.came if lane is None else self._arbiter.unfit)(worker)
        self._free[worker] = None

    def _lane_of(self, worker: int) -> Lane | None:
        number = self._arbiter.lent(worker)
        return None if number is None else self._runs[number][0]

    def _lend(self) -> None:
        """Let workers go to where they are wanted."""
        spare = [worker for number in self._runs for worker in self._spare(number)]
        moves = self._arbiter.decide(self._hub.now(), list(self._free), spare)
        self._free = {worker: None for worker in self._free if self._arbiter.lent(worker) is None}
        for worker, number in moves.items():
            for lane, _ in self._runs.values():
                if (host := lane.workers.pop(worker, None)) is not None:
                    lane.hear(Lent(worker, host))
            self._runs[number][0].stirred = self._hub.now()
            self._serve(worker, self._runs[number][0].welcome)

    def _spare(self, number: int) -> list[int]:
        """Its idle workers that it has no use for, or has not used for long, while others want some."""
        lane = self._runs[number][0]
        if not self._arbiter.wanted(number):
            return []
        idle = [worker for worker in lane.idle if worker in lane.workers and worker not in self._free]
        stalled = self._hub.now() - lane.stirred > STALL
        return idle if stalled else idle[: self._arbiter.excess(number)]

    def _serve(self, worker: int, welcome: Welcome) -> None:
        self._coming[worker] += 1
        self._hub.appoint(worker, replace(welcome, heartbeat=self._heartbeat))

    def _drive(self, number: int) -> int | Exception | None:
        """One turn of an experiment; how it has ended, if it has."""
        lane, run = self._runs[number]
        try:
            scheduler = next(run)
        except StopIteration as ended:
            self._leave(number)
            return int(ended.value)
        except Exception as error:  # noqa: BLE001 - the others go on
            self._leave(number)
            return error
        if scheduler is None:
            return self._awaited(number, lane)
        lane.begun = True
        self._see_what_fits(lane, scheduler)
        lane.idle = scheduler.study.idle
        if len(lane.workers) > len(scheduler.study.workers):  # what their GPUs have done stands against some
            for worker in [each for each in lane.workers if each not in scheduler.study.workers]:
                del lane.workers[worker]
                self._arbiter.unfit(worker)
                self._free[worker] = None
        self._arbiter.want(number, scheduler.room(self._hub.now()) + scheduler.study.busy)
        return None

    def _awaited(self, number: int, lane: Lane) -> Interruption | None:
        """One whose history has not answered, which may be interrupted meanwhile; else it is looked at again."""
        lane.until = self._hub.now() + AGAIN
        if not lane.interrupted:
            return None
        self._leave(number)
        return Interruption("interrupted before it had begun", "The same command begins it.")

    def _see_what_fits(self, lane: Lane, scheduler: Scheduler) -> None:
        """An experiment that runs nothing, and could complete nothing before its end, is over."""
        end, begin = scheduler.limits.end, scheduler.limits.begin
        going = scheduler.study.busy or scheduler.draining or scheduler.finished
        if not going and not scheduler.durations.fits(end - self._hub.now(), end - begin):
            lane.hear(Interrupted("no trial is likely to complete in the time that is left"))

    def _leave(self, number: int) -> None:
        """It is over; its workers drop what they may still run for it."""
        _, run = self._runs.pop(number)
        run.close()
        for worker in self._arbiter.leave(number):
            self._free[worker] = None
            self._serve(worker, HOME)
