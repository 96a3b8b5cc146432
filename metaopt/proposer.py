"""Where points come from: an optimizer in a process of its own, and random points whenever that has none to give.

A stopper that is asked apart is asked there too.
"""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from metaopt.errors import OptimizerGone
from metaopt.messages import Command, Event, Expect, Observe, Suggest, Watch
from metaopt.optimizers.base import Optimizer
from metaopt.plugins import Choice
from metaopt.stopping.base import Stopper
from metaopt.thinker import Respondent, Thinker
from metaopt.verdicts import Weigh, Weighed

SPARE = Choice("random")
PATIENCE = 60.0
"""Seconds for an answer; later, random points are used in its place."""
DEATHS = 2
"""Of the process while the stopper is asked: more are not risked."""
LIVES = 3
"""An optimizer whose process dies, killed for its memory perhaps, is started so many times in all."""


class Proposer(Protocol):
    """What the driver asks for points, and for verdicts."""

    @property
    def thinking(self) -> bool:
        """Whether an answer is awaited."""
        ...

    def send(self, command: Command) -> None:
        """Pass on Advice; never blocks."""
        ...

    def receive(self) -> list[Event]:
        """What was answered since; never blocks."""
        ...

    def warnings(self) -> list[str]:
        """What went wrong since."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class InlineProposer:
    """The optimizer, and a stopper beside it, in the caller's own process: for simulations and tests."""

    thinking = False

    def __init__(self, optimizer: Optimizer, stopper: Stopper | None = None) -> None:
        self._respondent = Respondent(optimizer, None if stopper is None else lambda: stopper)
        self._answers: list[Event] = []

    def send(self, command: Command) -> None:
        """Ask or tell at once."""
        self._answers += filter(None, self._respondent.respond(command))

    def receive(self) -> list[Event]:
        """The answers."""
        answers, self._answers = self._answers, []
        return answers

    def warnings(self) -> list[str]:
        """An error of the optimizer is not caught here."""
        return []

    def close(self) -> None:
        """Nothing to let go."""


class ProcessProposer:
    """The optimizer ``choice`` over ``space`` in a child process; rank 0 never waits for it.

    One that cannot be made is refused, as long as this ``insists`` on it, and given up later on, as one that raises;
    one whose process dies is started anew; for one that does not answer within ``patience`` seconds, random points are
    used until it does.  The ``stopper``, for an objective with this ``goal``, is asked in the same process, or in the
    one that takes its place; while random points stand in, it is awaited.
    """

    def __init__(
        self,
        choice: Choice,
        space: Mapping[str, Any],
        seed: int,
        patience: float = PATIENCE,
        *,
        stopper: Choice | None = None,
        goal: str = "minimize",
    ) -> None:
        self._space, self._seed, self._patience = space, seed, patience
        self._stopper, self._goal, self._weighing = stopper, goal, False
        self._told: list[Observe] = []
        self._watched: dict[int, Watch] = {}
        self._expected: dict[int, Expect] = {}
        self._question: Suggest | None = None
        self._asked: Thinker | None = None  # owes the answer
        self._asked_at = 0.0
        self._late = False  # the optimizer has an old question to answer first
        self._notes: list[str] = []
        self.insists = True
        self._lives, self._killed = LIVES, 0  # so often its process has died with the stopper at work
        self._chosen = self._start(choice)
        self._spare: Thinker | None = None

    @property
    def thinking(self) -> bool:
        """Whether an answer is awaited."""
        return self._asked is not None or (self._weighing and not self._late)

    @property
    def made(self) -> bool:
        """Whether the optimizer has been made: until then it may be refused."""
        return self._chosen.made

    @property
    def pid(self) -> int:
        """The process of the optimizer."""
        return self._chosen.pid

    def send(self, command: Command) -> None:
        """Pass on Advice."""
        if isinstance(command, Suggest):
            self._question, self._asked_at = command, time.monotonic()
            self._ask(self._stand_in() if self._late else self._chosen)
            return
        if isinstance(command, Weigh):
            # Nobody else is asked: the spare knows no curve, and would have to be told all of them.
            self._weighing = True
            if self._stopper is not None or not self._killed:
                self._chosen.tell(command)
            return
        match command:
            case Watch():
                self._watched[command.trial] = command
            case Expect():
                self._expected[command.trial] = command
            case Observe():
                self._told.append(command)
                self._expected.pop(command.trial, None)
        for thinker in self._thinkers():
            thinker.tell(command)

    def receive(self) -> list[Event]:
        """What was answered since; raises PluginError when the optimizer cannot be made in the first place.

        And OptimizerGone when not even random points can be had.
        """
        events: list[Event] = []
        chosen = self._chosen
        for thinker in self._thinkers():
            for answer in thinker.answers():
                if isinstance(answer, Weighed):
                    events.append(answer)
                    self._weighing = False
                elif thinker is self._asked:
                    events.append(answer)
                    self._asked = None
                elif thinker is self._chosen:
                    self._late = False
                    self._note("answers again, and is asked again")
        self._look_after()
        if self._chosen is not chosen and self._stopper is not None:
            events.append(Weighed(anew=True))
            self._weighing = False
        elif self._weighing and self._killed and self._stopper is None:
            events.append(Weighed())
            self._weighing = False
        return events

    def warnings(self) -> list[str]:
        """What went wrong since."""
        notes, self._notes = self._notes, []
        return notes

    def close(self) -> None:
        """End the processes."""
        for thinker in self._thinkers():
            thinker.close()

    def _thinkers(self) -> list[Thinker]:
        return [self._chosen, *([self._spare] if self._spare is not None else [])]

    def _start(self, choice: Choice) -> Thinker:
        """One that knows what has been told so far."""
        thinker = Thinker(choice, self._space, self._seed, self._stopper, self._goal)
        known: list[Command] = [*self._watched.values(), *self._told, *self._expected.values()]
        for command in known:
            thinker.tell(command)
        return thinker

    def _stand_in(self) -> Thinker:
        if self._spare is None or self._spare.broken:
            self._spare = self._start(SPARE)
        return self._spare

    def _ask(self, thinker: Thinker) -> None:
        if self._question is not None:
            self._asked = thinker
            thinker.tell(self._question)

    def _look_after(self) -> None:
        """Replace an optimizer that has failed; ask another when it takes too long."""
        if self._chosen.broken:
            self._replace()
        elif self._asked is self._chosen and time.monotonic() - self._asked_at > self._patience:
            self._late = True
            weighing = self._stopper if self._weighing else None
            where = f", nor has stopper {weighing.rule!r} in the same process" if weighing else ""
            self._note(f"has not answered for {self._patience:g} s{where}; random points are used until it does")
            self._ask(self._stand_in())
        elif self._asked is not None and self._asked.broken:
            self._asked.close()
            self._lives -= 1
            if self._lives <= 0:
                raise _gone(self._asked)
            self._ask(self._stand_in())

    def _replace(self) -> None:
        """Start the optimizer anew, or random points in its place; everything is told and asked again."""
        if self._chosen.refused and self.insists and self._lives == LIVES:
            raise self._chosen.refused
        self._lives -= 1
        failed, again = self._chosen, self._chosen.died and self._lives > 0
        failed.close()
        self._blame(failed)
        if not again and failed.choice.rule == SPARE.rule:
            raise _gone(failed)
        what_now = "it is started anew" if again else "random points are used from here on"
        self._note(f"failed; {what_now}: {failed.broken}")
        self._lives = self._lives if again else LIVES
        self._chosen, self._late = self._start(failed.choice if again else SPARE), False
        if self._asked is failed:
            self._ask(self._chosen)

    def _blame(self, failed: Thinker) -> None:
        """A stopper that is at work each time the process dies is asked no more."""
        if not (failed.died and self._weighing and self._stopper is not None):
            return
        self._killed += 1
        if self._killed >= DEATHS:
            self._notes.append(f"stopper {self._stopper.rule!r} is asked no more: each time, its process has ended")
            self._stopper = None

    def _note(self, what: str) -> None:
        self._notes.append(f"optimizer {self._chosen.choice.rule!r} {what}")


def _gone(thinker: Thinker) -> OptimizerGone:
    problem = f"there are no points to be had: {thinker.broken}"
    return OptimizerGone(problem, "What is known is kept: the same command goes on with the study.")
