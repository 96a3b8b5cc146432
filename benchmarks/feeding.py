"""How long does a worker that comes free wait for its next point, of 4,096 whose trials take 58 s, after 2,000 trials?

    python benchmarks/feeding.py

The real driver and scheduler in real time, and the optimizer in its process; the workers are only played.  The floor
is random search in the place of the optimizer.  A core is the optimizer's, another one rank 0's.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import quantiles

from measure import answer, progress
from problems import PROBLEMS

from metaopt.driver import Driver, collect_seldom
from metaopt.goals import Goals
from metaopt.limits import Limits
from metaopt.messages import Assign, Command, Event, Finished, Observe, Opened, Params
from metaopt.objective import Objective
from metaopt.optimizers import make
from metaopt.plugins import Choice
from metaopt.proposer import ProcessProposer
from metaopt.recorder import Recorder
from metaopt.scheduler import Scheduler
from metaopt.space import Space
from metaopt.stopping.never import Never
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.transports.simulated import SimulatedHub

PROBLEM, SPREAD, AIM = "hartmann6", 0.5, 5
"""A trial takes between 1 - SPREAD and 1 + SPREAD of the mean; the aim is in milliseconds."""


class Stage(SimulatedHub):
    """Virtual workers in real time; ``waits`` are the seconds from the end of a trial to the next on its worker."""

    def __init__(self, mean: float, workers: int) -> None:
        super().__init__(self._trial, workers, begin=time.time())
        self.waits: list[tuple[float, float]] = []
        self._free: dict[int, float] = {}
        self._mean, self._workers, self._problem = mean, workers, PROBLEMS[PROBLEM]()

    def now(self) -> float:
        """The time."""
        return time.time()

    def receive(self, until: float) -> list[Event]:
        """All that has happened by now; waits for the next thing until ``until``."""
        coming = min(until, self._coming[0][0]) if self._coming else until
        time.sleep(max(coming - time.time(), 0.0))
        events: list[Event] = []
        now = time.time()
        while self._coming and self._coming[0][0] <= now:
            events += super().receive(now)
        for event in events:
            if isinstance(event, Finished):
                self._free[event.worker] = now
        self._time = now
        return events

    def send(self, command: Command) -> None:
        """Let a worker obey at once."""
        self._time = now = time.time()
        if isinstance(command, Assign) and command.worker in self._free:
            self.waits.append((now, now - self._free.pop(command.worker)))
        super().send(command)

    def _trial(self, params: Params, trial: int) -> Iterator[tuple[float, Mapping[str, float]]]:
        """The first ones are as if they had begun before."""
        share = (trial * 0.6180339887) % 1.0
        yield self._mean * (share if trial < self._workers else 1.0 + SPREAD * (2 * share - 1)), self._losses(params)

    def _losses(self, params: Params) -> Mapping[str, float]:
        return {"loss": self._problem.loss(params)}


class Watch:
    """Ends it all ``seconds`` after all workers have had a point."""

    def __init__(self, workers: int, seconds: float) -> None:
        self.began = 0.0
        self._workers, self._seconds = workers, seconds
        self.over: Callable[[], None] = lambda: None

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:
        """Look."""
        del notes
        if not self.began and len(scheduler.study.trials) >= self._workers and not scheduler.study.idle:
            self.began = now
        if self.began and now > self.began + self._seconds:
            self.over()


def feed(rule: str, workers: int, mean: float, tells: int, seconds: float) -> list[float]:
    """The waits of workers, in seconds, that became free once all had begun."""
    problem = PROBLEMS[PROBLEM]()
    proposer = ProcessProposer(Choice(rule), Space.parse(problem.space).canonical(), 1, patience=600.0)
    for number, params in enumerate(make("random", problem.space, seed=2).ask(tells, [])):
        proposer.send(Observe(number, params, problem.loss(params)))
    stage, watch = Stage(mean, workers), Watch(workers, seconds)
    scheduler = Scheduler(Study(Goals((Objective("loss"),))), Limits(10**6, workers), Never())
    driver = Driver(scheduler, stage, proposer, Recorder(Memory(), 1, background=False), watch)
    watch.over = partial(driver.interrupt, "seen enough", at_once=True)
    collect_seldom()
    driver.run(Opened("1", 1, {"name": "feeding", "objective": {"metric": "loss"}}))
    proposer.close()
    return [wait for at, wait in stage.waits if at - wait > watch.began]


def figures(waits: Sequence[float], seconds: float) -> dict[str, float]:
    """How many a second, and milliseconds."""
    cuts = quantiles(waits, n=100)
    found = {
        "a second": len(waits) / seconds,
        "median": 1e3 * cuts[49],
        "99 %": 1e3 * cuts[98],
        "worst": 1e3 * max(waits),
    }
    return {name: round(figure, 2) for name, figure in found.items()}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=4096)
    parser.add_argument("--mean", type=float, default=58.0, help="seconds of a trial: 70.6 points a second")
    parser.add_argument("--tells", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=90.0)
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for rule in ("gp", "random"):
        waits = feed(rule, given.workers, given.mean, given.tells, given.seconds)
        found[rule] = figures(waits, given.seconds)
        progress(f"{rule}: {found[rule]}")
    words = {
        rule: f"{each['a second']} a second, {each['median']}/{each['99 %']}/{each['worst']} ms"
        for rule, each in found.items()
    }
    answer(
        f"how long do {given.workers} workers of {given.mean:g} s a trial wait for a point after {given.tells} trials?",
        figure=f"gp {words['gp']} (median/99 %/worst)",
        beside=f"random {words['random']}",
        aim=f"99 % < {AIM} ms, 70 a second",
        ratio=found["gp"]["99 %"] / found["random"]["99 %"],
        ratio_of="gp over random search, 99 %",
        waits=found,
    )


if __name__ == "__main__":
    main()
