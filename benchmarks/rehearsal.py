"""Rank 0 by itself, for away.py: the real driver, scheduler and recorder, and workers that are only played.

    python benchmarks/rehearsal.py URL WORKERS EVERY BURST

Every EVERY seconds, BURST of the workers report, in turn.  It says "begun", goes on until SIGUSR1, and ends with what
it has seen, as a line of JSON.  Times are those of time.monotonic, which all processes of a host share.
"""

import gc
import json
import signal
import sys
import time
from collections import deque

from metaopt import __version__
from metaopt.driver import Driver
from metaopt.history import FORMAT
from metaopt.limits import Limits
from metaopt.messages import Assign, Command, Event, Finished, Joined, Opened, Reported, Started, Stop
from metaopt.optimizers import make
from metaopt.proposer import InlineProposer
from metaopt.scheduler import Scheduler
from metaopt.sharing import SharedRecorder, join
from metaopt.stopping.never import Never
from metaopt.stores import Store, open_store
from metaopt.stores.memory import Memory

SHORT, ONE_IN = 50, 16
"""One trial in sixteen ends after so many reports; the others go on to the end."""
GLANCE, LONG = 0.1, 0.001
"""Seconds from one count of what waits to the next; of a collection that is worth a word."""
EXPERIMENT = {"name": "away", "objective": {"metric": "loss"}, "trials": 1_000_000}
SPACE = {"x": "uniform(0, 1)"}


class Players:
    """A hub in real time: what ``looks`` at it are made, each with the seconds since the last one.

    The ``said``-th report has that as its loss.
    """

    def __init__(self, workers: int, every: float, burst: int) -> None:
        self.looks: list[tuple[float, float]] = []
        self.said = 0
        self._every, self._burst = every, burst
        self._events: deque[Event] = deque(Joined(worker, "node", "core") for worker in range(1, workers + 1))
        self._turn: deque[Assign] = deque()
        self._reports: dict[int, int] = {}
        self._looked = self._due = time.monotonic()

    def now(self) -> float:
        """The time."""
        return time.time()

    def receive(self, until: float) -> list[Event]:
        """What has been said by now, if anything; else it waits."""
        if not self._events:
            time.sleep(max(min(until - time.time(), self._due - time.monotonic()), 0.0))
        now = time.monotonic()
        self.looks.append((now, now - self._looked))
        self._looked = now
        while self._due <= now:
            self._due += self._every
            for _ in range(min(self._burst, len(self._turn))):
                self._speak()
        events = [*self._events]
        self._events.clear()
        return events

    def send(self, command: Command) -> None:
        """Let a worker obey at once."""
        match command:
            case Assign(worker, trial, attempt):
                self._turn.append(command)
                self._reports[trial] = 0
                self._events.append(Started(worker, trial, attempt, worker))
            case Stop(worker, trial, attempt):
                self._turn = deque(assign for assign in self._turn if assign.trial != trial)
                self._events.append(Finished(worker, trial, attempt, "stopped"))

    def close(self) -> None:
        """There is nobody."""

    def _speak(self) -> None:
        """Let the next worker report; its script may end with that."""
        assign = self._turn.popleft()
        self.said += 1
        self._reports[assign.trial] += 1
        step = self._reports[assign.trial]
        self._events.append(Reported(assign.worker, assign.trial, assign.attempt, ((step, {"loss": self.said}),)))
        if assign.trial % ONE_IN == 0 and step == SHORT:
            self._events.append(Finished(assign.worker, assign.trial, assign.attempt, "completed"))
        else:
            self._turn.append(assign)


class Watch:
    """A view that keeps what it was told, and how many records waited for the store."""

    def __init__(self, recorder: SharedRecorder) -> None:
        self.notes: list[tuple[float, str]] = []
        self.waiting: list[tuple[float, int]] = []
        self._recorder = recorder

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:
        """Look ten times a second."""
        del scheduler
        at = time.monotonic()
        self.notes += [(at, note) for note in notes]
        if not self.waiting or at - self.waiting[-1][0] > GLANCE:
            self.waiting.append((at, self._recorder.record(now, []) - self._recorder.durable))


class Collections:
    """How long each garbage collection took."""

    def __init__(self) -> None:
        self.took: list[tuple[float, float]] = []
        self._began = 0.0
        gc.callbacks.append(self._heard)

    def _heard(self, phase: str, _: dict[str, int]) -> None:
        now = time.monotonic()
        if phase == "stop" and now - self._began > LONG:
            self.took.append((now, now - self._began))
        self._began = now


def rehearse(store: Store, hub: Players, workers: int) -> dict[str, object]:
    """Run until somebody interrupts it; what was seen."""
    opened = Opened(__version__, FORMAT, EXPERIMENT, alone=False)
    study, place = join(store, opened, lambda _: None, time.time())
    recorder = SharedRecorder(store, study.run, place)
    watch, collections = Watch(recorder), Collections()
    scheduler = Scheduler(study, Limits(place.total, workers), Never(), shared=True)
    driver = Driver(scheduler, hub, InlineProposer(make("random", SPACE, seed=1)), recorder, watch)
    signal.signal(signal.SIGUSR1, lambda *_: driver.interrupt("seen enough"))
    print("begun", flush=True)
    driver.run()
    last = recorder.record(hub.now(), [])
    return {
        "kept": recorder.close(),
        "run": study.run,
        "last": last,
        "said": hub.said,
        "looks": hub.looks,
        "waiting": watch.waiting,
        "notes": watch.notes,
        "collections": collections.took,
    }


def main() -> None:
    """Run it."""
    url, workers, every, burst = sys.argv[1:]
    opened = Memory([]) if url == "memory:" else open_store(url, create=True)
    print(json.dumps(rehearse(opened, Players(int(workers), float(every), int(burst)), int(workers))), flush=True)


if __name__ == "__main__":
    main()
