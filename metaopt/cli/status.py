"""metaopt status: how studies stand: trials by state, the best one, and what the failed ones died of."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from metaopt.cli.parser import Parser, of_histories

if TYPE_CHECKING:
    from metaopt.errors import HistoryError
    from metaopt.history import History
    from metaopt.location import Location

EPILOG = """  metaopt status                 # all studies here
  metaopt status exp.yaml
  metaopt status digits --json   # for a program"""


def parser() -> Parser:
    """Its command line."""
    made = of_histories("status", __doc__, EPILOG)
    made.add_argument("--json", action="store_true", help="for a program; of several a list")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import as_json, meant, output, say  # noqa: PLC0415 - help needs nothing of this

    locations = meant(options.histories)
    alone = len(locations) == 1
    found = ((each, _history(each, alone=alone)) for each in locations)
    with output():
        if options.json:
            documents = [_document(*each) for each in found]
            say(as_json(documents[0] if alone else documents))
            return 0
        for number, each in enumerate(found):
            if number:
                say("")
            for name, value in _account(*each):
                say(f"{name:10}{value}")
    return 0


def _history(location: "Location", *, alone: bool) -> "History | HistoryError":
    """The history there; of several, one that cannot be looked at is not to hide the others."""
    from metaopt.errors import HistoryError  # noqa: PLC0415 - help needs nothing of this
    from metaopt.history import history_of  # noqa: PLC0415 - the same

    try:
        return history_of(location)
    except HistoryError as error:
        if alone:
            raise
        return error


def _document(location: "Location", history: "History | HistoryError") -> dict[str, Any]:
    from metaopt.cli.base import best_of, writer_of  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import HistoryError  # noqa: PLC0415 - the same
    from metaopt.extent import Extent  # noqa: PLC0415 - the same
    from metaopt.trial import nearest  # noqa: PLC0415 - the same

    if isinstance(history, HistoryError):
        return {"history": str(location), "trouble": history.problem}
    states: dict[str, int] = defaultdict(int)
    for trial in history.trials.values():
        states[str(trial.state)] += not trial.outside
    best, by = best_of(history)
    extent, near = Extent.of(history.experiment, history), None if best else nearest(history.trials.values())
    return {
        "study": history.experiment.get("name"),
        "history": str(location),
        "trials": history.experiment.get("trials"),
        "points": extent.points,
        "untried": extent.untried,
        "states": dict(states),
        "outside": sum(trial.outside for trial in history.trials.values()),
        "best": best
        and {
            "trial": best.number,
            "by": "model" if by else "observed",
            "objectives": best.objectives,
            "params": best.params,
        },
        "nearest": near and {"trial": near.number, "objectives": near.objectives, "excess": near.excess},
        "failures": _failures(history),
        "writer": dict(writer_of(location)),
    }


def _account(location: "Location", history: "History | HistoryError") -> Iterator[tuple[str, str]]:
    """What there is to be said, and by which name."""
    from metaopt.cli.base import claim_of, tally  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import HistoryError  # noqa: PLC0415 - the same
    from metaopt.extent import Extent  # noqa: PLC0415 - the same
    from metaopt.figures.account import died, infeasible  # noqa: PLC0415 - the same
    from metaopt.trial import ENDED, State  # noqa: PLC0415 - the same

    said = _document(location, history)
    if isinstance(history, HistoryError):
        yield from said.items()
        return
    states = {State(name): count for name, count in said["states"].items()}
    done = sum(states.get(state, 0) for state in (State.COMPLETED, State.STOPPED, State.FAILED))
    yield "study", str(said["study"])
    yield "history", said["history"]
    yield "trials", f"{done} of {said['trials'] or '?'} done: {tally(states) or 'none'}"
    extent = Extent.of(history.experiment, history)
    if extent.exhausted and not states.keys() - ENDED:
        yield "points", f"{extent.exhausted}; for more:  {extent.wider}"
    if said["outside"]:
        yield "outside", f"{said['outside']} are outside the space, as it is now"
    if who := said["writer"]:
        yield "run", f"process {who.get('pid')} on {who.get('host')} since {who.get('since')}"
    elif claim_of(location) is not None and (states.keys() - ENDED or extent.left):
        yield "run", "none is at it; the command that began it goes on"
    best = said["best"]
    if best is None:
        yield "best", infeasible(history.goals, history.trials.values()) or "no result yet"
    else:
        params = "  ".join(f"{n}={v:.6g}" if isinstance(v, float) else f"{n}={v}" for n, v in best["params"].items())
        by = "by the model's mean: " * (best["by"] == "model")
        yield "best", f"{by}trial {best['trial']}, {history.goals.said(best['objectives'])}:  {params}"
    for line in died(said["failures"]):
        yield "failed", line


def _failures(history: "History") -> dict[str, list[int]]:
    """The failed trials by the last line that each has left, the most frequent first."""
    from metaopt.figures.account import failures  # noqa: PLC0415 - help needs nothing of this

    return {line: [trial.number for trial in those] for line, those in failures(history.trials.values()).items()}
