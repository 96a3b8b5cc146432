"""metaopt show: one trial: its parameters, its story, its curves, why it ended, the last lines of its stderr."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from metaopt.cli.parser import Parser, natural, of_a_history

if TYPE_CHECKING:
    from metaopt.history import History
    from metaopt.location import Location
    from metaopt.stores.base import Record
    from metaopt.trial import Trial

EPILOG = """  metaopt show 12                # of the only study here
  metaopt show exp.yaml 12
  metaopt show exp.yaml 12 --json"""
WIDTH = 60
SILENT = {"Reported", "Suggested"}


def parser() -> Parser:
    """Its command line."""
    made = of_a_history("show", __doc__, EPILOG)
    made.add_argument("trial", nargs="?", type=natural, help="its number")
    made.add_argument("--json", action="store_true", help="for a program")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import as_json, chosen, output, say  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import HistoryError  # noqa: PLC0415 - the same
    from metaopt.history import history_of  # noqa: PLC0415 - the same

    where: str | None = options.history
    number: int | None = options.trial
    if number is None and where is not None and where.isdecimal():
        number, where = int(where), None
    location = chosen(where)
    story: list[Record] = []

    def keep(record: "Record") -> None:
        if record.kind not in SILENT and record.body.get("trial") == number:
            story.append(record)

    history = history_of(location, keep)
    trial = None if number is None else history.trials.get(number)
    if trial is None:
        problem = f"{location}: {'which trial?' if number is None else f'there is no trial {number}'}"
        raise HistoryError(problem, _which(history, shlex.join(["metaopt", "show", *([where] if where else [])])))
    with output():
        if options.json:
            say(as_json(_document(location, history, trial)))
        else:
            for line in _account(location, history, trial, story):
                say(line)
    return 0


def _which(history: "History", command: str) -> str:
    """Which trials there are, and what to type to be shown one."""
    if not history.trials:
        return "There is none yet."
    failed = [trial for trial in history.trials.values() if trial.state == "failed" and trial.ended is not None]
    worst = max(failed, key=lambda trial: trial.ended or 0.0, default=None)
    known = {"the best is": history.best, "the last that failed": worst}
    said = ", ".join(f"{what} {trial.number}" for what, trial in known.items() if trial)
    first = next((trial.number for trial in known.values() if trial), max(history.trials))
    there = f"There are {len(history.trials)}, 0 to {max(history.trials)}{': ' * bool(said)}{said}."
    return f"{there}  Type  {command} {first}"


def _document(location: "Location", history: "History", trial: "Trial") -> dict[str, Any]:
    from metaopt.cli.base import files_of, line_of  # noqa: PLC0415 - help needs nothing of this

    simple = ("state", "objectives", "excess", "attempts", "worker", "device", "started", "ended", "duration")
    more = ("error", "stop", "why", "outside", "params")
    return {
        "trial": trial.number,
        **{name: getattr(trial, name) for name in (*simple, *more)},
        "points": trial.points,
        "command": line_of(location, history.experiment, trial),
        "directory": str(files_of(location, history.experiment, trial.number)),
    }


def _account(location: "Location", history: "History", trial: "Trial", story: Sequence["Record"]) -> Iterator[str]:
    """A person's lines."""
    from metaopt.cli.base import files_of, line_of  # noqa: PLC0415 - help needs nothing of this
    from metaopt.process import tail_of  # noqa: PLC0415 - the same
    from metaopt.rerun import caution, described, edited  # noqa: PLC0415 - the same
    from metaopt.scalars import write  # noqa: PLC0415 - the same

    worth = f", {history.goals.said(trial.objectives)}" if trial.objectives else ""
    took = "" if trial.duration is None else f", in {trial.duration:.1f} s"
    yield f"trial {trial.number} {trial.state}{worth}{took}{', outside the space' * trial.outside}"
    yield from (f"  {name:20}{write(value)}" for name, value in trial.params.items())
    yield from history.goals.exceeded(trial.excess) if trial.excess else ()
    yield from _told(story)
    for metric in dict.fromkeys(name for _, values in trial.points for name in values):
        yield curve(metric, trial.curve(metric))
    if trial.why:
        waits = {"waiting": "was paused" if trial.stop == "paused" else "was cut off", "paused": "paused"}
        yield f"{waits.get(trial.state, 'stopped')}: {trial.reason}"
    directory = files_of(location, history.experiment, trial.number)
    if trial.error or trial.state == "failed":
        yield f"error:\n  {trial.error.replace(chr(10), chr(10) + '  ')}"
    elif said := tail_of(directory / "stderr.txt", lines=5):
        yield f"the end of its stderr:\n  {said.replace(chr(10), chr(10) + '  ')}"
    yield f"files: {directory}/"
    present = history.experiment
    yield f"to run it again{edited(trial, present)}:\n  {line_of(location, present, trial)}"
    if warned := caution(described(trial, present), trial.number):
        yield f"note: {warned}"


def _told(story: Sequence["Record"]) -> Iterator[str]:
    """A line for each fact."""
    from metaopt.cli.base import clock  # noqa: PLC0415 - help needs nothing of this

    for record in story:
        said = {
            name: record.body[name]
            for name in ("worker", "attempt", "pid", "outcome", "reason", "why")
            if record.body.get(name) not in {None, ""}
        }
        yield f"  {clock(record.time)}  {record.kind:9} {'  '.join(f'{name} {value}' for name, value in said.items())}"


def curve(metric: str, points: Sequence[tuple[float, float]]) -> str:
    """A metric's values as a line of bars, the lowest to the highest, and what they were at the ends."""
    from metaopt.sparkline import sparkline  # noqa: PLC0415 - help needs nothing of this

    values = [value for _, value in points]
    finite = [value for value in values if abs(value) < float("inf")]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    bars = sparkline(values, WIDTH, ascii_only=ascii_only)
    return (
        f"  {metric:20}{bars}  {values[0]:.6g} to {values[-1]:.6g}, {len(values)} values from {low:.6g} to {high:.6g}"
    )
