"""Workers of a multi-fidelity optimizer of other people's, on a simulated clock; see schedulers.py for who there is."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from contestants import Peer
from curvetables import EPOCHS, Curve

from metaopt.messages import Params
from metaopt.space import Space

PROGRAM = Path(__file__).with_name("schedulers.py")


class Scheduler(Peer):
    """One of them, in a process of its own."""

    def __init__(
        self, name: str, space: Mapping[str, object], seed: int, *, python: str, trials: int, workers: int
    ) -> None:
        super().__init__(
            name,
            Space.parse(space),
            seed,
            python=python,
            trials=trials,
            workers=workers,
            program=PROGRAM,
            epochs=EPOCHS,
        )

    def next(self) -> tuple[str, Params, int] | None:
        """Which trial a free worker is to train, its point, and up to which epoch; None: nothing for now."""
        said = self.reply("next")
        return said and (said[0], self.decoded(said[1]), said[2])

    def report(self, trial: str, epoch: int, loss: float) -> bool:
        """Whether it goes on."""
        return bool(self.reply([trial, epoch, loss]))


@dataclass(slots=True)
class Trained:
    """A trial: its point, its curve, how far it has come, and whether it runs."""

    params: Params
    curve: Curve
    epoch: int = 0
    runs: bool = False

    @property
    def completed(self) -> bool:
        """Whether it is at full length."""
        return self.epoch >= EPOCHS


@dataclass(slots=True)
class Crew:
    """``workers`` that do what ``scheduler`` says; who goes on with a trial pays for what is new only."""

    scheduler: Scheduler
    curve: Callable[[Params], Curve]
    workers: int
    trials: dict[str, Trained] = field(default_factory=dict)
    _idle: int = 0
    _tie: Any = field(default_factory=count)
    _coming: list[tuple[float, int, str, int]] = field(default_factory=list)

    def work(self, over: Callable[[float, Sequence[Trained]], bool]) -> None:
        """Until it is ``over``: (now, those that have completed since)."""
        self._idle = self.workers
        now, new = 0.0, list[Trained]()
        while not over(now, new):
            self._hire(now)
            if not self._coming:
                problem = "no worker has anything to do"
                raise RuntimeError(problem)
            now, _, name, until = heapq.heappop(self._coming)
            new = self._reach(now, name, until)

    def _hire(self, now: float) -> None:
        while self._idle and (job := self.scheduler.next()) is not None:
            name, params, until = job
            trial = self.trials.setdefault(name, Trained(params, self.curve(params)))
            trial.runs = True
            self._idle -= 1
            self._train(now, trial, name, until)

    def _train(self, now: float, trial: Trained, name: str, until: int) -> None:
        pause = trial.curve[1][trial.epoch] if trial.epoch < until else 0.0
        heapq.heappush(self._coming, (now + pause, next(self._tie), name, until))

    def _reach(self, now: float, name: str, until: int) -> list[Trained]:
        """The end of an epoch, perhaps the last one of its job."""
        trial = self.trials[name]
        was, trial.epoch = trial.completed, max(trial.epoch, min(trial.epoch + 1, until))
        reached = min(trial.epoch, until)
        if self.scheduler.report(name, reached, trial.curve[0][reached - 1]) and reached < until:
            self._train(now, trial, name, until)
        else:
            trial.runs = False
            self._idle += 1
        return [trial] if trial.completed and not was else []
