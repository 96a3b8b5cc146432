"""A study of another program as the facts that a run of this one would have written."""

import heapq
from collections.abc import Iterator
from pathlib import Path

from metaopt import __version__
from metaopt.errors import HistoryError, SpaceError
from metaopt.foreign.base import ForeignStudy
from metaopt.history import FORMAT
from metaopt.messages import Assign, Fact, Finished, Joined, Opened, Reported, Started, Stop, Suggested
from metaopt.space import Space
from metaopt.stores import Record
from metaopt.trial import State
from metaopt.wire import to_plain

Event = tuple[float, int, int]
"""When, what (0 a trial ends, 1 one begins, 2 one ends as soon as it has begun), and which trial."""


def records(study: ForeignStudy, name: str) -> list[Record]:
    """The records of a run that would have gone as ``study`` did, with as many workers as were ever busy at once.

    Raises HistoryError when its space cannot be had here.
    """
    start = min(trial.started for trial in study.trials)
    facts: list[tuple[float, Fact]] = [(start, Opened(__version__, FORMAT, _described(study, name)))]
    facts.append((start, Suggested(tuple(trial.params for trial in study.trials))))
    facts += _story(study)
    return [
        Record(1, seq, time, type(fact).__name__, to_plain(fact)) for seq, (time, fact) in enumerate(facts, start=1)
    ]


def _described(study: ForeignStudy, name: str) -> dict[str, object]:
    """The experiment; of its command only the arguments are known."""
    try:
        space = Space.parse(study.priors).canonical()
    except SpaceError as error:
        problem = f"the space of {study.name} cannot be had here: {error}"
        raise HistoryError(problem, error.hint) from None
    command = [word for parameter in space for word in (f"--{parameter}", f"{{{parameter}}}")]
    about = {"name": name, "directory": str(Path.cwd()), "command": command, "trials": len(study.trials), "seed": 0}
    return {**about, **study.goals.describe(), "space": space, "imported": study.program}


def _story(study: ForeignStudy) -> Iterator[tuple[float, Fact]]:
    """What happened, in order."""
    free: list[int] = []
    workers: dict[int, int] = {}
    for time, what, number in sorted(_events(study)):
        if what == 1:
            worker = heapq.heappop(free) if free else len(set(workers.values())) + 1
            if worker not in workers.values():
                yield time, Joined(worker, study.program, "")
            workers[number] = worker
            yield time, Assign(worker, number, 1, study.trials[number].params)
            yield time, Started(worker, number, 1, 0)
        else:
            yield from ((time, fact) for fact in _end(study, number, workers[number]))
            heapq.heappush(free, workers[number])


def _events(study: ForeignStudy) -> Iterator[Event]:
    for number, trial in enumerate(study.trials):
        yield trial.started, 1, number
        yield max(trial.ended, trial.started), 0 if trial.ended > trial.started else 2, number


def _end(study: ForeignStudy, number: int, worker: int) -> Iterator[Fact]:
    trial = study.trials[number]
    if trial.points:
        yield Reported(worker, number, 1, trial.points)
    if trial.state is State.STOPPED:
        yield Stop(worker, number, 1, "pruned", trial.why)
    yield Finished(worker, number, 1, str(trial.state), trial.why if trial.state is State.FAILED else "")
