"""How much of a chain of three allocations becomes results, when the end is planned for and when it just comes?

    python benchmarks/allocations.py

The real driver and scheduler, on the simulator's clock.  Planned is what metaopt does: it knows when the allocation
ends, begins no trial that would hardly complete, and asks those that run to save.  Naive begins trials all the time,
and is killed at the end; nobody is asked.  Both have the same trials, of 1,000 to 3,000 s, and the same allocations.
Useful is the time of the trials that have completed, as a share of all of the workers' time; in vain are the attempts
that did not complete.  Three kinds of scripts: that cannot save, that save when they are asked (the next allocation
goes on there; naive begins anew), and that save after each of 20 epochs in any case.
"""

import argparse
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from statistics import mean

from measure import answer, progress

from metaopt.driver import Driver
from metaopt.goals import Goals
from metaopt.history import replay
from metaopt.limits import Limits
from metaopt.messages import Event, Opened, Params
from metaopt.objective import Objective
from metaopt.opening import SLACK
from metaopt.optimizers import make
from metaopt.proposer import InlineProposer
from metaopt.recorder import Recorder
from metaopt.scheduler import Scheduler
from metaopt.stopping.never import Never
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.transports.simulated import Script, SimulatedHub
from metaopt.trial import State

CHAIN, EPOCHS = 3, 20
SHORTEST, LONGEST = 1000.0, 3000.0
ENDLESS = 1_000_000  # trials: more than fit
GRACE = 60.0


class AllocationOver(Exception):
    """The batch system has killed everything."""


class KillingHub(SimulatedHub):
    """Kills everything, rank 0 too, ``length`` seconds after the beginning."""

    def __init__(self, script: Script, workers: int, length: float) -> None:
        super().__init__(script, workers, grace=GRACE)
        self._length = length

    def receive(self, until: float) -> list[Event]:
        """What happens next, if there is still somebody to hear it."""
        events = super().receive(min(until, self._length))
        if self.now() >= self._length:
            raise AllocationOver
        return events


class Silence:
    """A view that nobody looks at."""

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the workers' time the ``useful``, of the allocations' what was ``used``, of the attempts those ``in_vain``."""

    useful: float
    used: float
    in_vain: float

    @classmethod
    def mean(cls, each: Sequence["Shares"]) -> "Shares":
        """The mean of several."""
        return cls(*(round(mean(column), 4) for column in zip(*map(astuple, each), strict=True)))

    def __str__(self) -> str:
        """In words."""
        return f"{self.useful:.1%} useful, {self.in_vain:.0%} of the attempts in vain, {self.used:.1%} used"


@dataclass(frozen=True, slots=True)
class Job:
    """A chain of allocations: so many workers, each time for ``length`` seconds; trials may go on (``resumes``)."""

    workers: int
    length: float
    seed: int
    resumes: bool

    def duration(self, trial: int) -> float:
        """Seconds that a trial takes, whoever runs it."""
        return random.Random(f"{self.seed} {trial}").uniform(SHORTEST, LONGEST)

    def script(self) -> Script:
        """Epochs of equal length; what was saved is kept in here, from one allocation to the next."""
        saved: dict[int, int] = {}

        def train(_: Params, trial: int) -> Iterator[tuple[float, Mapping[str, float]]]:
            for epoch in range(saved.get(trial, 0) + 1, EPOCHS + 1):
                yield self.duration(trial) / EPOCHS, {"loss": 1.0 / epoch}
                if self.resumes:
                    saved[trial] = epoch

        return train

    def run(self, *, planned: bool) -> "Shares":
        """The whole chain."""
        store, script = Memory(), self.script()
        used = sum(self._allocation(store, script, planned=planned) for _ in range(CHAIN))
        study = replay(store).study
        if study is None or not study.tally[State.COMPLETED]:
            raise ValueError
        work = sum(self.duration(trial.number) for trial in study.trials.values() if trial.state is State.COMPLETED)
        whole = CHAIN * self.length
        attempts = sum(trial.attempts for trial in study.trials.values())
        return Shares(work / (whole * self.workers), used / whole, 1 - study.tally[State.COMPLETED] / attempts)

    def _allocation(self, store: Memory, script: Script, *, planned: bool) -> float:
        """One allocation; gives how much of it was used."""
        past, run, *_ = replay(store)
        study = past or Study(Goals((Objective("loss"),)))
        study.run = run + 1
        end = self.length - GRACE - SLACK if planned else math.inf
        hub = KillingHub(script, self.workers, self.length)
        scheduler = Scheduler(study, Limits(ENDLESS, self.workers, end=end), Never())
        proposer = InlineProposer(make("random", {"x": "uniform(0, 1)"}, seed=1))
        driver = Driver(scheduler, hub, proposer, Recorder(store, run + 1, background=False), Silence())
        about = {"name": "simulated", "objective": {"metric": "loss"}, "resumes": self.resumes}
        try:
            driver.run(Opened("1", 1, about))
        except AllocationOver:
            if planned:
                raise
        return hub.now()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, Shares] = {}
    for resumes in (False, True):
        for planned in (True, False):
            jobs = [Job(options.workers, options.hours * 3600, seed, resumes) for seed in range(options.seeds)]
            name = f"{'planned' if planned else 'naive'}{' with resumes' if resumes else ''}"
            found[name] = Shares.mean([job.run(planned=planned) for job in jobs])
            progress(f"{name}: {found[name]}")
    asked, naive = found["planned with resumes"], found["naive"]
    answer(
        f"how much of {CHAIN} allocations of {options.hours:g} h is useful, with trials of 1,000 to 3,000 s?",
        figure=f"scripts that save when asked {asked.useful:.1%}; that cannot save {found['planned']}",
        beside=f"begun at any time, killed at the end, begun anew: {naive}; "
        f"scripts that save after each epoch {found['naive with resumes'].useful:.1%}",
        aim="> 1",
        ratio=asked.useful / naive.useful,
        ratio_of="useful, planned over naive, scripts that save when asked; "
        f"{found['planned'].useful / naive.useful:.3f} for those that cannot: the time in which they might",
        shares={name: asdict(shares) for name, shares in found.items()},
        workers=options.workers,
        seeds=options.seeds,
    )


if __name__ == "__main__":
    main()
