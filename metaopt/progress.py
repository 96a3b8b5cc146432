"""What a person sees of a run: one live view in a terminal, plain lines in a log, and how it ended."""

import os
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from metaopt import scriptline
from metaopt.attempt import STDERR, STDOUT
from metaopt.driver import WARNING
from metaopt.experiment import Experiment
from metaopt.history import History
from metaopt.launch import TERMINAL
from metaopt.master import Watcher
from metaopt.metrickeys import pattern_for
from metaopt.picture import Figures, best_line, busy_line, clock, one_line, optimizer_line, picture
from metaopt.process import tail_of
from metaopt.scalars import counted
from metaopt.scheduler import Scheduler
from metaopt.study import Study
from metaopt.trial import State, Trial
from metaopt.usage import in_words

REFRESH = 0.5
SUMMARY = 60.0
NO_PICTURE = {"dumb", "unknown", ""}
"""Terminals in which nothing can be drawn anew."""
COMPARED = 10
REFUSED = re.compile(r"(?:unrecognized arguments|[Nn]o such option):? (.*)")
"""How argparse and click say that a script does not know an option."""


def watcher(experiment: Experiment, study: Study) -> Watcher:
    """The live view when somebody looks at a terminal that can draw, else plain lines."""
    draws = _is_terminal() and os.environ.get("TERM", "dumb") not in NO_PICTURE
    return LiveView(experiment, study) if draws else LineView(experiment, study)


def prefixed(experiment: Experiment, study: Study) -> "LineView":
    """Plain lines that say of which of several experiments they are."""
    return LineView(experiment, study, prefix=f"{experiment.name}: ")


class LineView:
    """A line per trial that has ended, and a summary now and then: for logs."""

    def __init__(self, experiment: Experiment, study: Study, console: Console | None = None, prefix: str = "") -> None:
        self.experiment, self.study, self._prefix = experiment, study, prefix
        self.console = console or Console(file=sys.stdout, highlight=False, color_system=None)
        self.began = self._told = time.time()
        self._shown = len(study.ended)
        _print(
            self.console,
            f"metaopt: {experiment.name}: {counted(experiment.trials, 'trial')}, history {experiment.location}",
        )
        for doubt in experiment.doubts():
            self._say(f"{WARNING}{doubt}")
        if study.ended:
            self._say(f"going on with {counted(len(study.ended), 'trial')} ended and {len(study.open)} not")

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:  # noqa: ARG002 - the interface
        """Say what is new."""
        for note in notes:
            self._say(note)
        for index in range(self._shown, len(self.study.ended)):
            self._say(one_line(self.study, index, self.experiment.trials))
        self._shown = len(self.study.ended)
        if now - self._told >= SUMMARY:
            self._told = now
            self._say(f"-- {self.figures(now)}; {busy_line(self.figures(now))}; {best_line(self.study)}")

    def close(self) -> None:
        """Nothing to leave behind."""

    def end(self, now: float, scheduler: Scheduler) -> None:
        """Say how it ended."""
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

    def _say(self, line: str) -> None:
        _print(self.console, f"{self._prefix}{line}")


class LiveView(LineView):
    """One picture that is drawn anew twice a second, what else is to be told above it."""

    def __init__(self, experiment: Experiment, study: Study, console: Console | None = None) -> None:
        console = console or Console(file=sys.stdout, force_terminal=True, highlight=False)
        super().__init__(experiment, study, console)
        self._drawn, self._warned, self._warning = 0.0, 0, ""
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:
        """Draw the picture, if it is time."""
        for note in notes:
            warns = note.startswith(WARNING)
            self._live.console.print(Text(note, style="yellow" if warns else ""))
            if warns:
                self._warned, self._warning = self._warned + 1, note.removeprefix(WARNING)
        if now - self._drawn >= REFRESH:
            self._drawn = now
            self._live.update(self._picture(now, scheduler), refresh=True)

    def close(self) -> None:
        """Take the picture away; what follows stands in its place."""
        self._live.stop()

    def _picture(self, now: float, scheduler: Scheduler) -> RenderableType:
        thinking = _thinking(scheduler, now)
        notes = [Text(optimizer_line(self.experiment.optimizer.rule, thinking, len(self.study.waiting)))]
        notes += [Text(f"ending: {scheduler.draining}", "yellow")] if scheduler.draining else []
        notes += [Text(f"warnings: {self._warned}, the last one: {self._warning}", "yellow")] if self._warning else []
        return picture(self.study, self.experiment.trials, now, self.console, *notes)


def _thinking(scheduler: Scheduler, now: float) -> str:
    """What the optimizer does."""
    if scheduler.exhausted:
        return "every point of its space has been tried"
    return "idle" if scheduler.asked_at is None else f"asked {max(now - scheduler.asked_at, 0.0):.1f} s ago"


def conclude(console: Console, experiment: Experiment, scheduler: Scheduler, figures: Figures, took: float) -> None:
    """The end: the best trial, what became of the others, where everything is, and what to type next."""
    study, best = scheduler.study, scheduler.study.best
    _print(console, f"\n{experiment.name}: {_verdict(scheduler)}, after {clock(took)}", "bold")
    if best is not None:
        _praise(console, experiment, study, best)
    elif study.nearest is not None:
        nearest = f"trial {study.nearest.number}: {', '.join(study.goals.exceeded(study.nearest.excess))}"
        _print(console, f"no trial keeps to all constraints; nearest is {nearest}", "yellow")
    states = [f"{study.tally[state]} {state}" for state in State if study.tally[state]]
    _print(console, f"trials    {', '.join(states) or 'none'}")
    if figures.stopped:
        _print(console, f"early     {_early(study)}")
    if said := _again(study):
        _print(console, f"again     {said}")
    if figures.workers:
        _print(console, f"workers   {figures.workers}, {figures.busy:.1%} of their time busy")
    whole = experiment.resources.nodes > 1  # so nobody could share it
    share = 0 if whole else experiment.resources.gpus
    if used := in_words(map(study.trials.__getitem__, study.ended), share):
        _print(console, f"devices   {used}")
    _print(console, f"history   {experiment.location}")
    _print(console, f"outputs   {experiment.welcome().trials}/<trial>/")
    failed = [study.trials[number] for number in study.ended if study.trials[number].state is State.FAILED]
    for text, style in _failure(experiment, failed[0]) if best is None and failed else ():
        _print(console, text, style)
    if not scheduler.complete:
        _print(console, "\nto go on:  the same command again")
    if best is None and failed:
        anew = (
            f"rm -r {shlex.quote(experiment.history)}" if Path(experiment.history).exists() else "give it another name:"
        )
        _print(console, f"to begin anew, once the script is mended:  {anew}")


def _failure(experiment: Experiment, trial: Trial) -> Iterator[tuple[str, str]]:
    """What ``trial`` has failed with, and what it would not have failed with; each with its style."""
    yield f"\ntrial {trial.number} failed:\n{trial.error}", "red"
    yield from ((hint, "yellow") for hint in _advice(experiment, trial))


def _advice(experiment: Experiment, trial: Trial) -> Iterator[str]:
    refused = REFUSED.search(trial.error)
    for word in refused[1].split() if refused else ():
        if word.strip("'").partition("=")[0] in scriptline.OURS:
            yield f"{word} was given to the script, which does not know it: options of metaopt come before the script"
    metric, files = experiment.goals.objectives[0].metric, Path(experiment.welcome().trials, str(trial.number))
    if f"without reporting {metric}" in trial.error:
        output = "\n".join(tail_of(files / name) for name in (STDERR, STDOUT))
        if pattern := pattern_for(metric, output):
            quoted = pattern.replace("'", "''")
            yield f"its output has it, by this pattern:  metrics: {{{metric}: '{quoted}'}}  in {experiment.file}"
            yield f"or, of a script's own command line, before the script:  --metric {shlex.quote(pattern)}"


def _again(study: Study) -> str:
    """What the runs of the point that the last trials were for have come to, when it had more than one."""
    same = History(study).runs(study.trials[max(study.trials)]) if study.trials else []
    said = study.goals.spread(trial.objectives for trial in same)
    return said and f"the point of trial {same[0].number} has had {said}"


def _early(study: Study) -> str:
    """How many trials were stopped early, and how much sooner than the others."""
    ended = [study.trials[number] for number in study.ended]
    early = [trial.work or 0.0 for trial in ended if trial.stop and trial.state is State.STOPPED]
    full = [trial.work or 0.0 for trial in ended if trial.state is State.COMPLETED]
    after = f", after {fmean(early):.1f} s on average" if early else ""
    others = f"; the completed ones took {fmean(full):.1f} s" if full else ""
    return f"{len(early)} stopped{after}{others}"


def _praise(console: Console, experiment: Experiment, study: Study, best: Trial) -> None:
    """The best trial, and with several objectives those that are no worse."""
    first = f", with the best {study.objective.metric}" if study.goals.several else ""
    observed = f"trial {best.number}, {study.goals.said(best.objectives)}{first}"
    if experiment.best == "model":
        best = History(study).best_by_model() or best
        said = study.goals.said(best.objectives)
        _print(console, f"best by the model: trial {best.number}, observed with {said}", "green")
        _print(console, f"best observed: {observed}")
    else:
        _print(console, f"best: {observed}", "green")
    console.print(_table(best))
    _print(console, f"run it again, in {experiment.directory}:")
    _print(console, f"  {experiment.line(best.number, best.params)}")
    if study.goals.several:
        pareto = study.pareto
        _print(console, f"the Pareto set, {counted(len(pareto), 'trial')} that no other one dominates:")
        console.print(_compared(study, pareto[:COMPARED]))
        if len(pareto) > COMPARED:
            _print(console, f"and {len(pareto) - COMPARED} more: metaopt.history.load(...).pareto")


def _verdict(scheduler: Scheduler) -> str:
    if not scheduler.complete:
        return f"not finished: {scheduler.draining}"
    if scheduler.study.best is None:
        return "finished without a result"
    return "finished: every point of its space has been tried" if scheduler.exhausted else "finished"


def _print(console: Console, text: str, style: str = "") -> None:
    """A line as it is: not broken at the window's edge, where it could not be copied any more."""
    console.print(Text(text, style), soft_wrap=True)


def _table(best: Trial) -> Table:
    table = Table()
    table.add_column("parameter")
    table.add_column("value", justify="right")
    for name, value in best.params.items():
        table.add_row(Text(name), Text(f"{value:.6g}" if isinstance(value, float) else str(value)))
    return table


def _compared(study: Study, pareto: Sequence[Trial]) -> Table:
    """A row for each of them: what it is worth."""
    table = Table()
    for name in ("trial", *(each.metric for each in study.goals.objectives)):
        table.add_column(Text(name), justify="right")
    for trial in pareto:
        table.add_row(str(trial.number), *(f"{value:.6g}" for value in trial.objectives))
    return table


def _is_terminal() -> bool:
    """Whether somebody looks: mpirun gives its ranks terminals of their own, so its own output decides."""
    if TERMINAL in os.environ:
        return os.environ[TERMINAL] == "1"
    if not sys.stdout.isatty():
        return False
    try:
        launcher = os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY | os.O_NOCTTY)
    except OSError:
        return "PMIX_RANK" not in os.environ
    try:
        return os.isatty(launcher)
    finally:
        os.close(launcher)
