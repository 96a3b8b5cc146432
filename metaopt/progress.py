"""What a person sees of a run: one live view in a terminal, plain lines in a log, and how it ended."""

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from metaopt.cautions import cautions
from metaopt.conclusion import conclude, tell
from metaopt.driver import WARNING
from metaopt.experiment import Experiment
from metaopt.launch import TERMINAL, typed
from metaopt.master import Watcher
from metaopt.picture import Figures, Part, Pool, best_line, busy_line, one_line, optimizer_line, picture, pictures
from metaopt.scalars import counted
from metaopt.scheduler import Scheduler
from metaopt.study import Study
from metaopt.trial import State

REFRESH, SHARE = 0.5, 0.01
"""Seconds from one picture to the next; of a core, what they may cost."""
SUMMARY = 60.0
PAUSES = re.compile(r"trial \d+ (is paused|goes on): ")
"""What may be said of most trials, and more than once of each."""
NO_PICTURE = {"dumb", "unknown", ""}
"""Terminals in which nothing can be drawn anew."""
T = TypeVar("T")


def watcher(experiment: Experiment, study: Study) -> Watcher:
    """The live view when somebody looks at a terminal that can draw, else plain lines."""
    return LiveView(experiment, study, Board()) if _draws() else LineView(experiment, study)


def watchers() -> "Callable[[Experiment, Study], LineView]":
    """The same of several experiments: what each has, one after the other, is in one live view, or says whose it is."""
    board = Board() if _draws() else None

    def watch(experiment: Experiment, study: Study) -> LineView:
        prefix = f"{experiment.name}: "
        return LiveView(experiment, study, board, prefix) if board else LineView(experiment, study, prefix=prefix)

    return watch


class LineView:
    """A line per trial that has ended, and a summary now and then: for logs."""

    def __init__(self, experiment: Experiment, study: Study, console: Console | None = None, prefix: str = "") -> None:
        self.experiment, self.study, self._prefix = experiment, study, prefix
        self.console = console or Console(file=sys.stdout, highlight=False, color_system=None)
        self.began = self._told = time.time()
        self._shown = len(study.ended)
        self._ends = False
        self._pauses = Counter[str]()
        tell(
            self.console,
            f"metaopt: {experiment.name}: {counted(experiment.trials, 'trial')}, history {experiment.location}",
        )
        for doubt in cautions(experiment, study):
            self._say(f"{WARNING}{doubt}")
        if any(trial.attempts for trial in study.trials.values()):
            self._say(f"going on with {counted(len(study.ended), 'trial')} ended and {len(study.open)} not")

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:
        """Say what is new."""
        for note in self._folded(notes):
            self._say(note)
        for index in range(self._shown, len(self.study.ended)):
            self._say(one_line(self.study, index, self.experiment.trials))
        self._shown = len(self.study.ended)
        if scheduler.draining and scheduler.study.busy and not self._ends:
            self._ends = True
            self._say(_ending(scheduler, self.experiment.grace))
        if now - self._told >= SUMMARY:
            self._told = now
            known = [str(self.figures(now)), *self._paused(), busy_line(self.figures(now)), best_line(self.study)]
            self._say(f"-- {'; '.join(known)}")

    def close(self) -> None:
        """Nothing to leave behind."""

    def end(self, now: float, scheduler: Scheduler) -> None:
        """Say how it ended."""
        for line in self._paused():
            self._say(line)
        conclude(self.console, self.experiment, scheduler, self.figures(now), now - self.began)

    @property
    def outcome(self) -> str:
        """How it stands, or ended, in a line."""
        study = self.study
        states = ", ".join(f"{study.tally[state]} {state}" for state in State if study.tally[state])
        best = (
            f"best {study.goals.said(study.best.objectives)}, trial {study.best.number}" if study.best else "no result"
        )
        return f"{self.experiment.name}: {states or 'no trials'}; {best}"

    def figures(self, now: float) -> Figures:
        """How the run stands."""
        return Figures.of(self.study, self.experiment.trials, now)

    def _folded(self, notes: Sequence[str]) -> Iterator[str]:
        """The ``notes``, but of those of trials that are paused, or go on, the first one; the others are counted."""
        for note in notes:
            if found := PAUSES.match(note):
                self._pauses[found[1]] += 1
            if not found:
                yield note
            elif self._pauses[found[1]] == 1:
                yield f"{note}  (the next ones are only counted)"

    def _paused(self) -> Iterator[str]:
        """How often, by now, there was something to be said of that."""
        if self._pauses:
            paused, went_on = (counted(self._pauses[what], "time") for what in ("is paused", "goes on"))
            yield f"trials were paused {paused} and went on {went_on}"

    def _say(self, line: str, style: str = "") -> None:
        tell(self.console, f"{self._prefix}{line}", style)


class LiveView(LineView):
    """A part of the picture on a ``board``; what else is to be told stands above that."""

    def __init__(self, experiment: Experiment, study: Study, board: "Board", prefix: str = "") -> None:
        super().__init__(experiment, study, board.console, prefix)
        self._board, self._warned, self._warning = board, 0, ""
        self._scheduler: Scheduler | None = None
        board.enter(self)

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:
        """Draw the picture, if it is time."""
        self._scheduler = scheduler
        for note in self._folded(notes):
            warns = note.startswith(WARNING)
            self._say(note, "yellow" if warns else "")
            if warns:
                self._warned, self._warning = self._warned + 1, note.removeprefix(WARNING)
        self._board.draw(now, scheduler.limits.workers)

    def close(self) -> None:
        """Take it away; what follows stands in its place."""
        self._board.leave(self)

    @property
    def part(self) -> Part:
        """What is to be drawn of it where there are others."""
        notes = []
        if self._scheduler and self._scheduler.draining:
            notes.append(Text(_ending(self._scheduler, self.experiment.grace), "yellow"))
        if self._warning:
            notes.append(Text(f"warnings: {self._warned}, the last one: {self._warning}", "yellow"))
        return Part(self.study, self.experiment.trials, notes)

    def picture(self, now: float) -> RenderableType:
        """The same where there are none."""
        thinking = _thinking(self._scheduler, now) if self._scheduler else ""
        line = Text(optimizer_line(self.experiment.optimizer.rule, thinking, self.figures(now).ahead))
        return picture(self.study, self.experiment.trials, now, self.console, line, *self.part.notes)


class Board:
    """The one picture in a terminal of all runs that are under way, drawn anew twice a second.

    One that takes long, of many experiments with long curves, is drawn less often.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout, force_terminal=True, highlight=False)
        self._live: Live
        self._views: list[LiveView] = []
        self._next = self._begun = self._spent = 0.0

    def enter(self, view: LiveView) -> None:
        """One more is under way."""
        if not self._views:
            self._next, self._begun, self._spent = 0.0, time.time(), 0.0
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        self._views.append(view)

    def leave(self, view: LiveView) -> None:
        """It is over, and the picture is gone until those that are left are drawn."""
        self._views.remove(view)
        self._spent, self._next = self._spent + view.study.spent, 0.0
        self._live.update("", refresh=True)
        if not self._views:
            self._live.stop()

    def draw(self, now: float, workers: int) -> None:
        """Draw it, if it is time; so many ``workers`` are shared."""
        if now < self._next:
            return
        before = time.thread_time()
        drawn = Group(self._picture(now, workers), "")  # mpirun keeps back a last line that does not end
        self._live.update(drawn, refresh=True)
        self._next = now + max(REFRESH, (time.thread_time() - before) / SHARE)

    def _picture(self, now: float, workers: int) -> RenderableType:
        if (window := _window()) is not None:
            self.console.size = window
        if len(self._views) == 1:
            return self._views[0].picture(now)
        return pictures([view.part for view in self._views], Pool(workers, self._begun, self._spent), now, self.console)


def _thinking(scheduler: Scheduler, now: float) -> str:
    """What the optimizer does."""
    if scheduler.exhausted:
        return "every point of its space has been tried"
    return "idle" if scheduler.asked_at is None else f"asked {max(now - scheduler.asked_at, 0.0):.1f} s ago"


def _ending(scheduler: Scheduler, grace: float) -> str:
    """Why it ends, and how long the scripts that run have: ``grace`` seconds, or until somebody loses patience."""
    why = scheduler.draining
    if not scheduler.study.busy or why == "terminated":
        return f"ending: {why}"
    sooner = ", a second Ctrl-C ends them at once" if why == "interrupted" and typed() else ""
    return f"ending: {why}; scripts have {grace:g} s to save{sooner}"


def _draws() -> bool:
    """Whether somebody looks at a terminal that can draw."""
    return _is_terminal() and os.environ.get("TERM", "dumb") not in NO_PICTURE


def _is_terminal() -> bool:
    """Whether somebody looks: mpirun gives its ranks terminals of their own, so its own output decides."""
    if TERMINAL in os.environ:
        return os.environ[TERMINAL] == "1"
    if not sys.stdout.isatty():
        return False
    try:
        return _of_launcher(os.isatty)
    except OSError:
        return "PMIX_RANK" not in os.environ


def _window() -> tuple[int, int] | None:
    """How wide and high the window is now, if it can be asked; its launcher's, since this rank's is nobody's."""
    with suppress(OSError):
        size = _of_launcher(os.get_terminal_size)
        return size if all(size) else None
    return None


def _of_launcher(what: Callable[[int], T]) -> T:
    """``what`` there is to say of the output of who has started this process; raises OSError when it is not here."""
    output = os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY | os.O_NOCTTY)
    try:
        return what(output)
    finally:
        os.close(output)
