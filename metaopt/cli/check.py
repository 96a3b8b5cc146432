"""metaopt check: what a run would do, without doing it: the commands of its first trials, and all they would get."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaopt.cli.parser import Parser, natural
from metaopt.cli.run import is_complete, more_trials

if TYPE_CHECKING:
    from metaopt.experiment import Experiment
    from metaopt.extent import Extent
    from metaopt.messages import Observe, Params
    from metaopt.study import Study

EPILOG = """  metaopt check exp.yaml
  metaopt check exp.yaml -n 10   # the first ten trials

Starts nothing and writes nothing.  The points are those that a study begins with: inserted ones, that of the defaults,
the best ones of other studies (warm_start), the first ones of the optimizer; of one that has begun they are those of
the trials that wait, or were cut off: the optimizer has not been asked for others yet.
Exit status: 0 it can be run, 2 it cannot, and why."""


def parser() -> Parser:
    """Its command line."""
    made = Parser("check", __doc__, EPILOG)
    made.add_argument("experiment", help="the experiment file, YAML, or the study's name")
    made.add_argument("-n", type=natural, default=3, metavar="N", help="of how many trials; default: 3")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import output, runnable, say  # noqa: PLC0415 - help needs nothing of this
    from metaopt.stores import place  # noqa: PLC0415 - the same

    experiment = runnable(options.experiment)
    path = experiment.location.path
    made = path is not None and os.path.isdir(path)  # noqa: PTH112 - it raises nothing
    if path is not None and not made and experiment.history in {str(path), f"leveldb:{path}"}:
        place.check(path)
    with output():
        for line in _account(experiment, options.n):
            say(line)
    return 0


def _account(experiment: "Experiment", count: int) -> Iterator[str]:
    from metaopt.cautions import cautions  # noqa: PLC0415 - help needs nothing of this
    from metaopt.cli.base import writer_of  # noqa: PLC0415 - the same
    from metaopt.extent import Extent  # noqa: PLC0415 - the same
    from metaopt.history import History  # noqa: PLC0415 - the same
    from metaopt.scalars import counted  # noqa: PLC0415 - the same
    from metaopt.warmstart import learn  # noqa: PLC0415 - the same

    writer = writer_of(experiment.location)
    study, lessons = _study(experiment, alone=not writer), learn(experiment)
    extent = Extent.of(experiment.describe(), None if study is None else History(study))
    points = extent.points if extent.points is not None else experiment.space.size
    size = "no end of points" if points is None else counted(points, "point")
    yield f"{experiment.name}: {counted(experiment.trials, 'trial')}, {size}, optimizer {experiment.optimizer.rule}"
    goals = ", ".join(f"{each.goal} {each.metric} ({each.of})" for each in experiment.goals.objectives)
    yield f"objective   {goals}{''.join(f'; {each}' for each in experiment.goals.constraints)}"
    yield f"history     {experiment.location}: {_standing(experiment, study, extent, writer)}"
    if extent.points is not None and extent.points < experiment.trials and not extent.exhausted:
        yield f"points      {extent.where}: it ends when all have been tried; for more:  {extent.wider}"
    yield from _terms(experiment)
    yield from (f"warning: {doubt}" for doubt in cautions(experiment, study))
    yield from lessons.notes
    if study is not None and is_complete(study, extent):
        yield f"\nfor more trials:  {more_trials(experiment, study, extent)}"
    else:
        yield from _next(experiment, study, lessons.observed, min(count, experiment.trials))


def _terms(experiment: "Experiment") -> Iterator[str]:
    """What its trials get, and what ends them."""
    from metaopt.devices.allot import allot  # noqa: PLC0415 - help needs nothing of this
    from metaopt.devices.base import Offer  # noqa: PLC0415 - the same
    from metaopt.devices.cpu import usable_cores  # noqa: PLC0415 - the same
    from metaopt.devices.gpu import usable_gpus  # noqa: PLC0415 - the same
    from metaopt.errors import DeviceError  # noqa: PLC0415 - the same
    from metaopt.scalars import counted  # noqa: PLC0415 - the same

    if experiment.stopper.rule != "never":
        settings = (f"{name}: {value}" for name, value in experiment.stopper.settings.items())
        pauses = "; it pauses trials, since scripts go on: stopper: never lets all of them run"
        yield f"stopper     {', '.join([experiment.stopper.rule, *settings])}{pauses if experiment.pauses else ''}"
    elif experiment.resumes:
        yield "stopper     never: nothing is stopped early, or paused"
    if experiment.resumes:
        yield "resumes     a trial that was asked to end goes on from what it left in its directory"
    gpus, cores = usable_gpus(), len(usable_cores())
    several = experiment.resources.nodes > 1
    each = "" if several else f", {experiment.resources.cores or 1} for each trial"
    yield f"this host   {counted(len(gpus), 'GPU')}" if gpus else f"this host   {counted(cores, 'core')}{each}"
    if several:
        yield f"nodes       {experiment.resources.nodes} for each trial, all of each: {_groups(experiment)}"
    yield f"ends        {_deadline(experiment)}"
    if experiment.resources.gpus:
        try:
            allot([Offer(tuple(gpus))], 0, experiment.resources.gpus, allow_cpu=False)
        except DeviceError as error:
            yield f"warning: {error.problem} on this host: a run is refused here"
    if (experiment.resources.cores or 1) > cores:
        yield f"warning: a trial asks for {experiment.resources.cores} cores (cores_per_trial); this host has {cores}"


def _next(experiment: "Experiment", study: "Study | None", told: Sequence["Observe"], count: int) -> Iterator[str]:
    """The commands of the ``count`` trials that come next, as far as they are known, and what they get."""
    if study is not None and any(each.attempts for each in study.trials.values()):
        waiting = [number for crew in study.crews.values() for number in crew.waiting]
        points = [(number, study.trials[number].params) for number in waiting]
    else:
        points = [*enumerate(_first(experiment, study, told, count))]
    if not points:
        yield from _paused(experiment, study)
        yield "\nwhich points come next depends on the results so far: the optimizer is asked when it runs"
        return
    yield f"\nin {experiment.directory}:"
    yield from (f"  {experiment.line(number, params)}" for number, params in points[:count])
    yield from _paused(experiment, study)
    yield "\nwith, beside the variables of this environment:"
    trial, trials = points[0][0], experiment.welcome().trials
    for name, value in _variables(trial, trials, experiment.resources.nodes).items():
        yield f"  {name}={value}"


def _paused(experiment: "Experiment", study: "Study | None") -> Iterator[str]:
    """Which paused trials go on."""
    from metaopt.trial import State  # noqa: PLC0415 - help needs nothing of this

    if study is not None and (paused := study.tally[State.PAUSED]):
        if experiment.pauses:
            yield f"  and which of the {paused} that are paused go on, and when, is seen when it runs"
        elif experiment.stopper.rule == "never":
            yield f"  and {paused} that {'is' if paused == 1 else 'are'} paused"


def _first(
    experiment: "Experiment", study: "Study | None", told: Sequence["Observe"], count: int
) -> Sequence["Params"]:
    """The first ``count`` points of a run that begins with ``study``, whose optimizer is ``told`` of other ones."""
    from metaopt.optimizers.advised import advised  # noqa: PLC0415 - help needs nothing of this
    from metaopt.point import usual  # noqa: PLC0415 - the same

    inserted = [each.params for each in study.trials.values() if not each.outside] if study else []
    points = [] if study is None or any(each.attempts for each in study.trials.values()) else inserted
    points += [point for point in [usual(experiment.space)] if point and point not in points]
    optimizer = advised(experiment.optimizer, experiment.space, experiment.seed + len(told))
    for each in told:
        optimizer.learn(each.trial, each.params, each.value)
    return [*points, *optimizer.ask(count - len(points), points)] if count > len(points) else points[:count]


def _groups(experiment: "Experiment") -> str:
    """Those of this allocation; raises LaunchError when it is too small."""
    from metaopt.allocations.nodes import nodes  # noqa: PLC0415 - help needs nothing of this
    from metaopt.devices.base import Node  # noqa: PLC0415 - the same
    from metaopt.groups import Roster  # noqa: PLC0415 - the same

    there = [Node(host, (worker,), 0) for worker, host in enumerate(nodes(), 1)]
    if not there:
        return "which ones go together is seen when it runs"
    groups = Roster(there, experiment.resources, allow_cpu=True).leaders.values()
    left = [node.host for node in there[len(groups) * experiment.resources.nodes :]]
    said = " | ".join(", ".join(node.host for node in group) for group in groups)
    return f"{said}{'; left over: ' * bool(left)}{', '.join(left)}"


def _variables(trial: int, trials: str, nodes: int) -> dict[str, str]:
    """What each script is told, for this ``trial``."""
    from metaopt.reporting import FILE, TRIAL_DIR  # noqa: PLC0415 - help needs nothing of this
    from metaopt.results import FILE as RESULTS  # noqa: PLC0415 - the same
    from metaopt.results import PATH  # noqa: PLC0415 - the same

    home = f"{trials}/{trial}"
    hosts = [f"HOST{number}" for number in range(1, nodes + 1)]
    more = {"METAOPT_HOSTS": ",".join(hosts), "METAOPT_NODES": str(nodes), "MASTER_ADDR": hosts[0]} if nodes > 1 else {}
    return {
        "METAOPT_TRIAL": str(trial),
        TRIAL_DIR: home,
        FILE: f"{home}/reports.jsonl",
        PATH: f"{home}/{RESULTS}",
        **more,
    }


def _study(experiment: "Experiment", *, alone: bool) -> "Study | None":
    """What is there of it, as a run would take it up; one that others may be at is left as it stands.

    Raises HistoryError when the history is another one's, or cannot be read.
    """
    from metaopt import __version__  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import HistoryMissing  # noqa: PLC0415 - the same
    from metaopt.history import FORMAT, check_same, skimmed, unheard  # noqa: PLC0415 - the same
    from metaopt.messages import Opened  # noqa: PLC0415 - the same

    if experiment.history == "memory:":
        return None
    try:
        with experiment.location.opened() as store:
            past, shared = skimmed(store), store.shared
    except HistoryMissing:
        return None
    study = past.study
    if study is not None:
        check_same(study, experiment.describe(), str(experiment.location))
    if study is not None and alone and not shared:
        opened = Opened(__version__, FORMAT, experiment.describe())
        for fact in (*unheard(study, Path(experiment.welcome().trials)), opened):
            study.apply(time.time(), fact, past.run + 1)
        study.run = past.run + 1
    return study


def _standing(experiment: "Experiment", study: "Study | None", extent: "Extent", writer: Mapping[str, Any]) -> str:
    """How the study stands, and who is at it."""
    from metaopt.cli.base import tally  # noqa: PLC0415 - help needs nothing of this

    if experiment.history == "memory:":
        return "kept nowhere"
    if study is None:
        return "it would be begun"
    done = f"{len(study.ended)} of {experiment.trials} trials done: {tally(study.tally) or 'none'}"
    if is_complete(study, extent):
        return f"finished, {done}{extent.exhausted and '; '}{extent.exhausted}"
    left = f"{done}; {extent.left} left to begin"
    if writer:
        return f"process {writer.get('pid')} on {writer.get('host')} is at it, and no other run may be: {left}"
    return f"gone on with, {left}"


def _deadline(experiment: "Experiment") -> str:
    from metaopt.allocations import detect  # noqa: PLC0415 - help needs nothing of this
    from metaopt.cli.base import clock  # noqa: PLC0415 - the same

    allocation = detect(os.environ, time.time())
    limit = "" if experiment.timeout is None else f"; each trial after {experiment.timeout:g} s"
    if allocation.deadline is None:
        return f"when it is done{limit}{f'; {allocation.doubt}' * bool(allocation.doubt)}"
    return f"with the allocation, {clock(allocation.deadline)}{limit}"
