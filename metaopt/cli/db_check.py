"""metaopt db check: a history looked through."""

import argparse
from collections.abc import Iterator

from metaopt.checkup import Checkup, examine
from metaopt.cli.base import clock, history_named, say, tally
from metaopt.errors import HistoryError
from metaopt.scalars import counted
from metaopt.study import Study


def run(options: argparse.Namespace) -> int:
    """The verb; gives the exit status."""
    location = history_named(options.history)
    found = examine(location)
    if not found.records and not found.problems:
        problem = f"{location}: this history is empty"
        raise HistoryError(problem, location.beginning)
    for name, value in _account(found):
        say(f"{name:10}{value}")
    for problem in found.problems:
        say(f"problem: {problem}")
    if found.more:
        say(f"problem: and {found.more:,} more")
    return 1 if found.problems else 0


def _account(found: Checkup) -> Iterator[tuple[str, str]]:
    """What there is to be said of it, and by which name."""
    yield "history", str(found.location)
    yield "records", f"{found.records:,} in {len(found.runs)} run{'s' * (len(found.runs) != 1)}"
    if found.study is not None:
        yield from _of_study(found.study)
    if found.late:
        yield "late", f"{found.late:,} words that changed nothing, as they came too late"
    if found.ended:
        yield "unheard", f"{found.ended} results in {found.trials}, which the next run takes in"
    yield "first", clock(found.first)
    yield "last", clock(found.last)
    if found.size_bytes is not None:
        yield "size", f"{found.size_bytes:,} bytes"
    if not found.problems:
        yield "problems", "none"


def _of_study(study: Study) -> Iterator[tuple[str, str]]:
    best, total = study.best, study.experiment.get("trials", "?")
    yield "study", str(study.experiment.get("name"))
    yield "trials", f"{len(study.ended)} of {total} done: {tally(study.tally) or 'none'}"
    if best is not None:
        yield "best", f"trial {best.number}, {study.goals.said(best.objectives)}"
    if study.goals.several:
        yield "pareto", f"{counted(len(study.pareto), 'trial')} that no other one dominates"
