"""metaopt db import: a study of Optuna's or Oríon's as a history."""

import argparse
import re
import sys

from metaopt.cli.base import history_at, say, tally
from metaopt.errors import HistoryError, LaunchError
from metaopt.foreign import opened
from metaopt.foreign.base import choose
from metaopt.foreign.facts import records
from metaopt.history import history_of
from metaopt.location import Location
from metaopt.stores import Record


def run(options: argparse.Namespace) -> int:
    """The verb; gives the exit status."""
    kept, named = opened(options.source)
    study = kept.study(choose(kept, named, options.source), options.metric or [])
    if len(options.metric or []) > len(study.goals.objectives):
        problem = f"{study.name} has {len(study.goals.objectives)} objective, and {len(options.metric)} are named"
        raise LaunchError(problem, "Give --metric once for each objective, in their order.")
    name = re.sub(r"[^\w.+-]", "_", study.name).lstrip(".+-") or "study"
    written = records(study, name)
    target = history_at(options.output or f"{name}.history").named(name)
    _write(target, written)
    for note in study.notes:
        print(f"note: {note}", file=sys.stderr)  # noqa: T201 - news
    history = history_of(target)
    states = [trial.state for trial in history.trials.values()]
    say(f"{target} is study {study.name} of {study.program}: {tally({each: states.count(each) for each in states})}")
    if history.best is not None:
        say(f"best: trial {history.best.number}, {history.goals.said(history.best.objectives)}")
    return 0


def _write(target: Location, written: list[Record]) -> None:
    """All of it, where nothing is yet; raises HistoryError."""
    hint = "Choose another place: -o NAME.history"
    if target.path is not None and target.path.exists():
        problem = f"{target} is there already"
        raise HistoryError(problem, hint)
    try:
        store = target.open(create=True)
        try:
            if any(True for _ in store.read()):
                problem = f"{target} holds a study already"
                raise HistoryError(problem, hint)
            store.append(written)
        finally:
            store.close()
    except OSError as error:
        problem = f"{target} cannot be written: {error.strerror or error}"
        raise HistoryError(problem, hint) from error
