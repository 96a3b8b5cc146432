"""metaopt best: the best trial of a study, and how to run it again."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser, of_a_history

if TYPE_CHECKING:
    from metaopt.history import History
    from metaopt.location import Location
    from metaopt.trial import Trial

EPILOG = """  metaopt best exp.yaml
  $(metaopt best --command)      # in the experiment's directory: runs it again
  metaopt best --json | jq .params
Exit status 1: there is no result yet."""


def parser() -> Parser:
    """Its command line."""
    made = of_a_history("best", __doc__, EPILOG)
    how = made.add_mutually_exclusive_group()
    how.add_argument("--command", action="store_true", help="only the line to paste")
    how.add_argument("--json", action="store_true", help="for a program")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import best_of, chosen, output  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import NoResult  # noqa: PLC0415 - the same
    from metaopt.history import history_of  # noqa: PLC0415 - the same

    location = chosen(options.history)
    history = history_of(location)
    best, by = best_of(history)
    if best is None:
        from metaopt.figures.account import infeasible  # noqa: PLC0415 - only where there is no result

        said = infeasible(history.goals, history.trials.values()) or "no trial has a result yet"
        problem = f"{location}: {said}"
        raise NoResult(problem, "metaopt status  tells what became of them.")
    with output():
        _say(location, history, (best, by), options)
    return 0


def _say(location: "Location", history: "History", found: "tuple[Trial, str]", options: argparse.Namespace) -> None:
    """What was asked for, of the trial that was ``found``, and how."""
    from metaopt.cli.base import as_json, line_of, say  # noqa: PLC0415 - help needs nothing of this
    from metaopt.rerun import caution, described, edited  # noqa: PLC0415 - the same

    (best, by), present = found, history.experiment
    line, own = line_of(location, present, best), described(best, present)
    program, warned = own.get("imported"), caution(own, best.number)
    again = f"its script is not known, since it was imported from {program}: these are the arguments" if program else ""
    if options.command:
        if again:
            print(f"note: {again}", file=sys.stderr)  # noqa: T201 - not to be pasted
        say(line)
        if warned:
            print(f"note: {warned}", file=sys.stderr)  # noqa: T201 - the same
    elif options.json:
        objectives = dict(zip((each.metric for each in history.objectives), best.objectives, strict=True))
        about: dict[str, object] = {"trial": best.number, "by": "model" if by else "observed", "objectives": objectives}
        about |= {"params": best.params, "command": line, "pareto": [trial.number for trial in history.pareto]}
        say(as_json(about))
    else:
        for each in _account(history, best, by):
            say(each)
        say(f"{again or f'to run it again{edited(best, present)}'}:\n  {line}")
        if warned:
            say(f"note: {warned}")
        if history.goals.several:
            say(f"the Pareto set: trials {', '.join(str(trial.number) for trial in history.pareto)}")


def _account(history: "History", best: "Trial", by: str) -> Iterator[str]:
    """The trial, for people."""
    from metaopt.scalars import write  # noqa: PLC0415 - help needs nothing of this

    yield f"{by}trial {best.number}, {history.goals.said(best.objectives)}"
    if said := history.goals.spread(each.objectives for each in history.runs(best)):
        yield f"its point has had {said}"
    for name, value in best.params.items():
        yield f"  {name:20}{write(value)}"
