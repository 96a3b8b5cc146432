"""metaopt simulate: what an allocation would bring, by how long the trials so far have taken."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser, hours, positive, seconds

if TYPE_CHECKING:
    from metaopt.experiment import Experiment
    from metaopt.extent import Extent
    from metaopt.forecast import Forecast, Past
    from metaopt.history import History

MUCH = 0.01
"""A share of an allocation that is worth a word."""
EPILOG = """  metaopt simulate exp.yaml --workers 256 --hours 2

The real scheduler runs on a virtual clock, with trials that go as one of those did that have run to
their ends in the experiment's history, curves and failures included: so its stopper judges what it would judge.  Those
that have not ended, paused ones too, are taken to begin anew.  Not counted are the time that the optimizer needs, and
lost nodes.  Where there would be very many reports, fewer workers are simulated, and stand for all of them.  Nothing is
run, and nothing written."""


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)

    from metaopt.cli.base import output, runnable, say  # noqa: PLC0415 - help needs nothing of this
    from metaopt.extent import Extent  # noqa: PLC0415 - the same
    from metaopt.trial import ENDED  # noqa: PLC0415 - the same

    experiment = runnable(options.experiment)
    history = _history(experiment, options.trial)
    extent = Extent.of(experiment.describe(), history)
    begun = [] if history is None else [each for each in history.trials.values() if each.state not in ENDED]
    with output():
        if extent.exhausted and not extent.left and not begun:
            say(f"{experiment.name}: {extent.exhausted}: nothing is left to do; for more:  {extent.wider}")
            return 0
        told = _past(experiment, history, options.trial)
        for line in _lines(experiment, told, (extent, len(begun)), options.workers, options.hours):
            say(line)
    return 0


def parser() -> Parser:
    """Its command line."""
    made = Parser("simulate", __doc__, EPILOG)
    made.add_argument("experiment", help="the experiment file, YAML, or the study's name")
    made.add_argument("-w", "--workers", type=positive, required=True, metavar="N", help="how many trials at once")
    made.add_argument("--hours", type=hours, required=True, metavar="H", help="the length of the allocation")
    made.add_argument("--trial", type=seconds, metavar="TIME", help="how long a trial takes; default: as so far")
    return made


def _history(experiment: "Experiment", trial: float | None) -> "History | None":
    """What is there of it; raises HistoryMissing when nothing is, and it is not said either how long a ``trial`` is."""
    from metaopt.errors import HistoryMissing  # noqa: PLC0415 - help needs nothing of this
    from metaopt.history import history_of  # noqa: PLC0415 - the same

    try:
        return history_of(experiment.location)
    except HistoryMissing as error:
        if trial is not None:
            return None
        raise HistoryMissing(error.problem, "Run some trials first, or say how long one takes: --trial 10m") from None


def _past(experiment: "Experiment", history: "History | None", trial: float | None) -> tuple[Sequence["Past"], str]:
    """How trials go, and how that is known; raises LaunchError when nobody knows."""
    from metaopt.errors import LaunchError  # noqa: PLC0415 - help needs nothing of this
    from metaopt.forecast import Past, known  # noqa: PLC0415 - the same
    from metaopt.scalars import write_duration  # noqa: PLC0415 - the same

    found = known(history.trials.values()) if history else []
    if trial is not None:
        each = Past(trial, ((1, {measure.metric: 0.0 for measure in experiment.goals.measures}),))
        rule = experiment.stopper.rule
        blind = "" if rule == "never" else f", without curves, so that {rule} stops nothing"
        return [each], f"{write_duration(trial)} each, as you say{blind}"
    if not found:
        problem = f"{experiment.location}: no trial has ended there, so nobody knows how long one takes"
        raise LaunchError(problem, "Say it: --trial 10m")
    spread = sorted(each.seconds for each in found)
    span = f"{write_duration(spread[0])} to {write_duration(spread[-1])}, median {write_duration(median(spread))}"
    return found, f"{span}, as the {len(found)} that have run to their ends"


def _lines(
    experiment: "Experiment",
    told: tuple[Sequence["Past"], str],
    ahead: tuple["Extent", int],
    workers: int,
    seconds: float,
) -> Sequence[str]:
    """For people; ``ahead`` is what has no trial yet, and how many trials have not ended."""
    from metaopt.forecast import forecast  # noqa: PLC0415 - help needs nothing of this
    from metaopt.scalars import counted, write_duration  # noqa: PLC0415 - the same

    (past, source), (extent, begun) = told, ahead
    left, most = extent.left + begun, None if extent.untried is None else extent.untried + begun
    found = forecast(experiment, past, workers, seconds, most and max(most, left))
    no_more = f"; {extent.where}" if most is not None and found.ended >= most else ""
    some = counted(found.simulated, "worker")
    part = "" if found.simulated == workers else f"; simulated with {some} in the place of all"
    kept = _held(experiment, seconds)
    lines = [
        f"{experiment.name}: {counted(workers, 'worker')} for {write_duration(seconds)}, trials of {source}{part}",
        f"room for  {counted(found.ended, 'trial')}: {_states(experiment, found)}{no_more}",
        f"busy      {found.busy:.1%} of the workers' time; {found.useful:.1%} in trials that ended{kept}",
    ]
    if left <= 0:
        return [*lines, f"done      already: the study has its {counted(experiment.trials, 'trial')}"]
    if left > found.ended:
        return [*lines, f"done      not with this: {counted(left, 'trial')} left to do"]
    with_end = forecast(experiment, past, workers, seconds, left)
    rest = f"{counted(left, 'trial')} left to do, {with_end.busy:.1%} busy"
    return [*lines, f"done      after {write_duration(with_end.took)}: {rest}"]


def _held(experiment: "Experiment", seconds: float) -> str:
    """How much of it no trial may have, if that is a part to speak of."""
    from metaopt.opening import SLACK  # noqa: PLC0415 - help needs nothing of this

    kept = experiment.grace + SLACK
    return f"; {kept:g} s at its end are kept for scripts to save, and to end" if kept > MUCH * seconds else ""


def _states(experiment: "Experiment", found: "Forecast") -> str:
    parts = [f"{found.completed:,} completed"]
    parts += [f"{found.stopped:,} stopped by {experiment.stopper.rule}"] if found.stopped else []
    parts += [f"{found.failed:,} failed"] if found.failed else []
    parts += [f"and {found.cut:,} cut off by the end"] if found.cut else []
    return ", ".join(parts)
