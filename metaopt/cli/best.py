"""metaopt best: the best trial of a study, and how to run it again."""

import sys
from collections.abc import Sequence

from metaopt.cli.parser import Parser, of_a_history

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
    from metaopt.cli.base import as_json, best_of, chosen, line_of, output, say  # noqa: PLC0415 - help needs none
    from metaopt.errors import NoResult  # noqa: PLC0415 - the same
    from metaopt.history import history_of  # noqa: PLC0415 - the same
    from metaopt.scalars import write  # noqa: PLC0415 - the same

    location = chosen(options.history)
    history = history_of(location)
    best, by = best_of(history)
    if best is None:
        problem = f"{location}: no trial has a result yet"
        raise NoResult(problem, "metaopt status  tells what became of them.")
    line, program = line_of(location, history.experiment, best), history.experiment.get("imported")
    again = f"its script is not known, since it was imported from {program}: these are the arguments" if program else ""
    names = [each.metric for each in history.objectives]
    with output():
        if options.command and again:
            print(f"note: {again}", file=sys.stderr)  # noqa: T201 - not to be pasted
        if options.command:
            say(line)
        elif options.json:
            objectives = dict(zip(names, best.objectives, strict=True))
            about = {
                "trial": best.number,
                "by": "model" if by else "observed",
                "objectives": objectives,
                "params": best.params,
                "command": line,
            }
            say(as_json({**about, "pareto": [trial.number for trial in history.pareto]}))
        else:
            say(f"{by}trial {best.number}, {history.goals.said(best.objectives)}")
            if said := history.goals.spread(each.objectives for each in history.runs(best)):
                say(f"its point has had {said}")
            for name, value in best.params.items():
                say(f"  {name:20}{write(value)}")
            say(f"{again or 'to run it again'}:\n  {line}")
            if history.goals.several:
                say(f"the Pareto set: trials {', '.join(str(trial.number) for trial in history.pareto)}")
    return 0
