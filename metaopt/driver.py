"""Rank 0's loop: the imperative shell around the scheduler."""

import gc
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from metaopt.messages import Advice, Assign, Claim, Command, Event, Interrupted, Stop
from metaopt.proposer import Proposer
from metaopt.recorder import Recorder
from metaopt.scheduler import Scheduler
from metaopt.transports.base import Hub

SOON, THINKING, TICK = 0.0003, 0.001, 0.1
"""Seconds until the next look: for an fsync that a command waits for, for the optimizer, for nothing at all."""
SELDOM = (700, 10, 10_000)
WARNING = "warning: "


def collect_seldom() -> None:
    """A full garbage collection looks at all that is kept, and more is all the time; rank 0 waits, and little is found.

    So it does without, mostly, and what there is when it begins is never looked at again.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)


class View(Protocol):
    """Somebody who watches."""

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:
        """Look at how things stand; ``notes`` are what there is to be told since."""
        ...


class Driver:
    """Carries events to the scheduler, facts to the history and commands to where they belong."""

    def __init__(self, scheduler: Scheduler, hub: Hub, proposer: Proposer, recorder: Recorder, view: View) -> None:
        self._scheduler, self._hub, self._proposer = scheduler, hub, proposer
        self._recorder, self._view = recorder, view
        self._urgent: deque[Event] = deque()
        self._outbox: deque[tuple[int, Command]] = deque()
        self._trouble = self._remark = ""
        self._hurried = self._ending = False

    def run(self, *first: Event) -> None:
        """Go on until the scheduler has nothing more to do; ``first`` are the events to begin with."""
        for _ in self.turns(*first):
            pass

    def turns(self, *first: Event) -> Iterator[Scheduler]:
        """The same, for who drives several: after each turn it is to be looked at, and asked for the next one."""
        self._turn(list(first))
        while not self._hurried and (not self._scheduler.finished or self._outbox):
            yield self._scheduler
            self._turn(self._events())
        self._turn(list(self._urgent))

    def interrupt(self, reason: str, *, at_once: bool = False) -> None:
        """Have the run end, and well; ``at_once`` without waiting for the trials.  A signal handler may call it."""
        self._urgent.append(Interrupted(reason))
        self._hurried = self._hurried or at_once

    def _events(self) -> list[Event]:
        """What has happened; waits a little when nothing has."""
        events: list[Event] = []
        while self._urgent:
            events.append(self._urgent.popleft())
        events += self._recorder.heard()
        events += self._proposer.receive()
        now = self._hub.now()
        if now >= self._scheduler.limits.end and not self._ending:
            self._ending = True
            events.append(Interrupted("the allocation ends"))
        if events or self._hurried:
            pause = 0.0
        elif self._outbox:
            pause = SOON
        else:
            pause = THINKING if self._proposer.thinking else TICK
        return events + self._hub.receive(now + pause)

    def _turn(self, events: list[Event]) -> None:
        now = round(self._hub.now(), 6)  # as it is journalled
        commands = self._scheduler.handle(now, *events) if events else []
        facts, self._scheduler.facts = self._scheduler.facts, []
        seq = self._recorder.record(now, facts)
        for command in commands:
            if isinstance(command, Advice):
                self._proposer.send(command)
            elif isinstance(command, Claim):
                self._recorder.claim(now, command)
            else:
                self._outbox.append((seq, command))
        self._say_what_is_safe()
        self._view.show(now, self._scheduler, self._notes())

    def _say_what_is_safe(self) -> None:
        """A command goes out when the facts that it rests on are on disk, or the disk has failed."""
        while self._outbox and (self._outbox[0][0] <= self._recorder.durable or self._failing):
            _, command = self._outbox.popleft()
            if not self._is_late(command):
                self._hub.send(command)

    def _is_late(self, command: Command) -> bool:
        """Whether its worker was lost, and the attempt with it, while the command waited for the disk."""
        if not isinstance(command, Assign | Stop):
            return False
        return self._scheduler.study.is_late(command.worker, command.trial, command.attempt)

    @property
    def _failing(self) -> bool:
        return bool(self._recorder.trouble or self._recorder.broken)

    def _notes(self) -> list[str]:
        """What there is to be told since the last time."""
        warnings, self._scheduler.warnings = self._scheduler.warnings, []
        news, self._scheduler.news = self._scheduler.news, []
        warnings += self._proposer.warnings()
        if self._recorder.broken and not self._scheduler.draining:
            self.interrupt(self._recorder.broken)
        if self._recorder.remark and not self._remark:  # it is said once
            self._remark = self._recorder.remark
            warnings.append(self._remark)
        if self._trouble != self._recorder.trouble:
            self._trouble = self._recorder.trouble
            if self._trouble:
                warnings.append(f"{self._trouble}; what runs goes on, and what there is to be written waits")
            else:
                news.append("the history is being written again")
        return [*news, *(f"{WARNING}{warning}" for warning in warnings)]
