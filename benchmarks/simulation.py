"""A whole search on the simulator's clock: the real driver and scheduler, and workers that are only played."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from metaopt.driver import Driver
from metaopt.goals import Goals
from metaopt.limits import Limits
from metaopt.messages import Command, Event, Opened, Params, Suggest
from metaopt.objective import Objective
from metaopt.optimizers import Optimizer
from metaopt.proposer import InlineProposer
from metaopt.recorder import Recorder
from metaopt.scheduler import Scheduler
from metaopt.stopping.base import Stopper
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.transports.simulated import Script, SimulatedHub
from metaopt.verdicts import Weigh
from metaopt.wire import encode

HEARING = 0.001
"""Seconds from a word to another process to what that answers."""


class Silence:
    """A view that nobody looks at, unless a rule fails."""

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:  # noqa: ARG002 - the interface
        """Show nothing."""
        if failures := [note for note in notes if "the stopper failed" in note]:
            raise RuntimeError(failures[0])


class Anything:
    """An optimizer that proposes nothing in particular: the trial's number is its row."""

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:  # noqa: ARG002 - the interface
        """So many points."""
        return [{} for _ in range(count)]

    def tell(self, params: Params, value: float | Sequence[float]) -> None:
        """It learns nothing."""


class Slow(InlineProposer):
    """Its answers come some seconds later, by the clock of ``hub``; what is said to it is encoded, as rank 0 has to."""

    def __init__(
        self,
        optimizer: Optimizer,
        stopper: Stopper,
        hub: Any,  # noqa: ANN401 - a hub, or a tape of one
        thought: float,
    ) -> None:
        super().__init__(optimizer, stopper)
        self._hub, self._thought, self._due = hub, thought, 0.0

    def send(self, command: Command) -> None:
        """It begins to think when it is asked; to weigh a few curves takes no longer than to hear of them."""
        encode(command)
        super().send(command)
        if self._thought and isinstance(command, Suggest | Weigh):
            thought = self._thought if isinstance(command, Suggest) else min(self._thought, HEARING)
            self._due = max(self._due, self._hub.now() + thought)

    def receive(self) -> list[Event]:
        """The answers, when it is time."""
        return super().receive() if not self._thought or self._hub.now() >= self._due else []


def simulated(
    script: Script,
    workers: int,
    stopper: Stopper,
    limits: Limits,
    *,
    resumes: bool = False,
    optimizer: Optimizer | None = None,
    over: Callable[[Study, float], bool] = lambda *_: False,
) -> tuple[Study, SimulatedHub]:
    """A whole run, or as far as it is not ``over``, (study, now); what is known then, and the hub with its clock."""
    hub = SimulatedHub(script, workers, leap=limits.end, resumes=resumes)
    return driven(stopper, hub, limits, resumes=resumes, optimizer=optimizer, over=over), hub


def driven(
    stopper: Stopper,
    hub: Any,  # noqa: ANN401 - a hub, or a tape of one
    limits: Limits,
    *,
    resumes: bool,
    optimizer: Optimizer | None = None,
    over: Callable[[Study, float], bool] = lambda *_: False,
    thought: float = 0.0,
) -> Study:
    """The same with a hub of one's own, and an optimizer that answers after so many seconds of ``thought``."""
    study = Study(Goals((Objective("loss"),)))
    study.run = 1
    scheduler = Scheduler(study, limits, stopper, watching=optimizer is not None)
    proposer = Slow(optimizer or Anything(), stopper, hub, thought)
    driver = Driver(scheduler, hub, proposer, Recorder(Memory(), 1, background=False), Silence())
    opened = Opened("1", 1, {"name": "simulated", "objective": {"metric": "loss"}, "resumes": resumes})
    for _ in driver.turns(opened):
        if over(study, hub.now()):
            break
    return study


class Tape:
    """Stands before something, and keeps what it is asked, so that it can be asked again by itself."""

    def __init__(self, known: Any) -> None:  # noqa: ANN401 - a stopper or a hub
        self._known = known
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the interface
        found = getattr(self._known, name)
        if not callable(found):
            return found

        def asked(*words: Any) -> Any:  # noqa: ANN401 - the interface
            self.asked.append((name, words))
            return found(*words)

        return asked

    def again(self, other: Any) -> float:  # noqa: ANN401 - a stopper or a hub
        """The seconds on a core in which ``other``, made as this one was, answers the same."""
        asked = [(getattr(other, name), words) for name, words in self.asked]
        began = time.thread_time()
        for ask, words in asked:
            ask(*words)
        return time.thread_time() - began
