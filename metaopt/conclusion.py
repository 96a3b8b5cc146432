"""How a run has ended, in words: the best trial, what became of the others, where everything is, what to type next."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table
from rich.text import Text

from metaopt import scriptline
from metaopt.attempt import STDERR, STDOUT
from metaopt.experiment import Experiment
from metaopt.extent import Extent
from metaopt.figures.account import died, failures, infeasible
from metaopt.history import History
from metaopt.metrickeys import pattern_for
from metaopt.picture import Figures, clock
from metaopt.process import tail_of
from metaopt.scalars import counted
from metaopt.scheduler import Scheduler
from metaopt.study import Study
from metaopt.trial import State, Trial
from metaopt.usage import in_words

COMPARED, CAUSES = 10, 3
"""Of so many of the Pareto set there is a row, and of so many kinds of failures a line, at most."""
REFUSED = re.compile(r"(?:unrecognized arguments|[Nn]o such option):? (.*)")
"""How argparse and click say that a script does not know an option."""


def conclude(console: Console, experiment: Experiment, scheduler: Scheduler, figures: Figures, took: float) -> None:
    """The end: the best trial, what became of the others, where everything is, and what to type next."""
    study, best = scheduler.study, scheduler.study.best
    tell(console, f"\n{experiment.name}: {_verdict(scheduler)}, after {clock(took)}", "bold")
    if best is not None:
        _praise(console, experiment, study, best)
    elif said := infeasible(study.goals, study.trials.values()):
        tell(console, said, "yellow")
    states = [f"{study.tally[state]} {state}" for state in State if study.tally[state]]
    tell(console, f"trials    {', '.join(states) or 'none'}")
    for cause in _causes(study):
        tell(console, f"failed    {cause}")
    if figures.stopped:
        tell(console, f"early     {_early(study)}")
    if said := _again(study):
        tell(console, f"again     {said}")
    if figures.workers:
        tell(console, f"workers   {figures.workers}, {figures.busy:.1%} of their time busy")
    whole = experiment.resources.nodes > 1  # so nobody could share it
    share = 0 if whole else experiment.resources.gpus
    if used := in_words(map(study.trials.__getitem__, study.ended), share):
        tell(console, f"devices   {used}")
    tell(console, f"history   {experiment.location}")
    tell(console, f"outputs   {experiment.welcome().trials}/<trial>/")
    failed = [study.trials[number] for number in study.ended if study.trials[number].state is State.FAILED]
    barren = bool(failed) and not study.tally[State.COMPLETED]
    for text, style in _failure(experiment, failed[0]) if barren else ():
        tell(console, text, style)
    for line in _next(experiment, scheduler, barren=barren):
        tell(console, line)


def _next(experiment: Experiment, scheduler: Scheduler, *, barren: bool) -> Iterator[str]:
    """What to type next; when all is ``barren``, only once the cause of that is mended."""
    there = Path(experiment.history).exists()
    anew = f"rm -r {shlex.quote(experiment.history)}" if there else "give it another name"
    if not scheduler.complete:
        yield f"\nto go on:  {'mend that, then type the command again' if barren else 'the same command again'}"
        if barren:
            yield f"or, where it was the metric or the space, mend it and begin anew:  {anew}"
    elif barren:
        yield f"\nto try again:  mend that, then {anew}, and type the command again"
        if not scheduler.exhausted:
            more = scheduler.study.counted + max(experiment.trials, 10)
            yield f"or keep the failed ones:  trials: {more}  in {experiment.file}"
            yield f"or, of a script's own command line, before the script:  --trials {more}"
    elif scheduler.study.tally[State.STOPPED] and not scheduler.study.tally[State.COMPLETED]:
        said = f"none has completed: {experiment.stopper.rule} has stopped them"
        yield f"\n{said}; let it stop less, or write  stopper: never"
        more = scheduler.study.counted + max(experiment.trials, 10)
        kept = "" if scheduler.exhausted else f"more of them:  trials: {more}  in {experiment.file}, or "
        yield f"then {kept}all anew:  {anew}"
    elif scheduler.exhausted:
        extent = Extent.of(experiment.describe(), History(scheduler.study))
        yield f"\nfor more trials:  {extent.wider}"


def _causes(study: Study) -> Iterator[str]:
    """What the failed trials have died of, the most frequent first."""
    found = {line: [trial.number for trial in those] for line, those in failures(study.trials.values()).items()}
    lines = [*died(found)]
    yield from lines if len(lines) <= CAUSES else lines[: CAUSES - 1]
    if len(lines) > CAUSES:
        others = sum(map(len, [*found.values()][CAUSES - 1 :]))
        yield f"{others}: of {len(lines) - CAUSES + 1} other causes  (metaopt status  names them)"


def _failure(experiment: Experiment, trial: Trial) -> Iterator[tuple[str, str]]:
    """What ``trial`` has failed with, and what it would not have failed with; each with its style."""
    yield f"\ntrial {trial.number} failed:\n{trial.error}", "red"
    yield from ((hint, "yellow") for hint in _advice(experiment, trial))


def _advice(experiment: Experiment, trial: Trial) -> Iterator[str]:
    refused = REFUSED.search(trial.error)
    for word in refused[1].split() if refused else ():
        name = word.strip("'").partition("=")[0]
        if name in scriptline.OURS and any(each.partition("=")[0] == name for each in experiment.command):
            yield f"{word} was given to the script, which does not know it: options of metaopt come before the script"
    metric, files = experiment.goals.objectives[0].metric, Path(experiment.welcome().trials, str(trial.number))
    if f"without reporting {metric}" in trial.error:
        output = "\n".join(tail_of(files / name) for name in (STDERR, STDOUT))
        pattern = pattern_for(metric, output)
        if pattern and pattern != experiment.metrics.get(metric):
            quoted = pattern.replace("'", "''")
            yield f"its output has it, by this pattern:  metrics: {{{metric}: '{quoted}'}}  in {experiment.file}"
            yield f"or, of a script's own command line, before the script:  --metric {shlex.quote(pattern)}"


def _again(study: Study) -> str:
    """What the runs of the point that the last trials were for have come to, when it had more than one."""
    same = History(study).runs(study.trials[max(study.trials)]) if study.trials else []
    said = study.goals.spread(trial.objectives for trial in same)
    first = [str(each.number) for each in same if each.objectives]
    listed = ", ".join(first[:COMPARED]) + ", ..." * (len(first) > COMPARED)
    return said and f"the point of trials {listed} has had {said}"


def _early(study: Study) -> str:
    """How many trials were stopped early, and how much sooner than the others."""
    ended = [study.trials[number] for number in study.ended]
    early = [trial.duration or 0.0 for trial in ended if trial.stop and trial.state is State.STOPPED]
    full = [trial.duration or 0.0 for trial in ended if trial.state is State.COMPLETED]
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
        tell(console, f"best by the model: trial {best.number}, observed with {said}", "green")
        tell(console, f"best observed: {observed}")
    else:
        tell(console, f"best: {observed}", "green")
    console.print(_table(best))
    typed, edited, caution = experiment.again(best)
    tell(console, f"run it again, in {experiment.directory}{edited}:")
    tell(console, f"  {typed}")
    if caution:
        tell(console, f"note: {caution}", "yellow")
    if study.goals.several:
        pareto = study.pareto
        tell(console, f"the Pareto set, {counted(len(pareto), 'trial')} that no other one dominates:")
        console.print(_compared(study, pareto[:COMPARED]))
        if len(pareto) > COMPARED:
            tell(console, f"and {len(pareto) - COMPARED} more: metaopt.history.load(...).pareto")


def _verdict(scheduler: Scheduler) -> str:
    if not scheduler.complete:
        return f"not finished: {scheduler.draining}"
    if scheduler.study.best is None:
        used = f": all {scheduler.study.counted} trials are used up, and nothing was left to try"
        return f"finished without a result{'' if scheduler.study.tries or scheduler.exhausted else used}"
    return "finished: every point of its space has been tried" if scheduler.exhausted else "finished"


def tell(console: Console, text: str, style: str = "") -> None:
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
