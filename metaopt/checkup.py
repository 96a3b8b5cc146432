"""Looks a history through: everything that it says is read and folded, and what cannot be is told."""

import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from metaopt.errors import HistoryCorrupt, MetaoptError
from metaopt.history import Fold, unheard
from metaopt.location import Location
from metaopt.messages import Finished
from metaopt.stores import Record, Store
from metaopt.study import Study
from metaopt.trial import State

MANY = 50
BARREN = {State.WAITING, State.FAILED}


@dataclass
class Checkup:
    """What was found in the history at ``location``.

    ``late`` is how many words changed nothing, ``first`` and ``last`` the times of the earliest and the latest record,
    ``ended`` how many results stand in the trials' directories that the history does not know, ``more`` how many
    ``problems`` there are beside the first ones.
    """

    location: Location
    study: Study | None = None
    records: int = 0
    runs: set[int] = field(default_factory=set)
    late: int = 0
    first: float | None = None
    last: float | None = None
    ended: int = 0
    problems: list[str] = field(default_factory=list)
    more: int = 0

    @property
    def size_bytes(self) -> int | None:
        """What it takes on disk; None on a server."""
        path = self.location.path
        if path is None:
            return None
        journal = path / "journal.jsonl"
        files = [journal] if journal.is_file() else path.glob("*") if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.is_file())

    @property
    def trials(self) -> Path | None:
        """Where its trials' directories are; None when that is not known."""
        path = self.location.path
        if path is not None and (path / "journal.jsonl").is_file():
            return path / "trials"
        about = self.study.experiment if self.study else {}
        where, name = about.get("directory"), about.get("name")
        return Path(where, f"{name}.files", "trials") if isinstance(where, str) and name else None

    def object(self, problem: str) -> None:
        """Note ``problem``, if there are not too many already."""
        if len(self.problems) < MANY:
            self.problems.append(problem)
        else:
            self.more += 1


def examine(location: Location) -> Checkup:
    """Look through the history at ``location``, which is not changed; raises HistoryError when it cannot be opened."""
    found = Checkup(location)
    with location.opened() as store:
        _read(store, found)
    if found.study is not None and found.trials is not None:
        found.ended = sum(isinstance(event, Finished) for event in unheard(found.study, found.trials))
    return found


def _read(store: Store, found: Checkup) -> None:
    """Take in what is there, up to where it cannot be gone on."""
    order, results, fold = _Order(), Counter[tuple[object, object]](), Fold()
    try:
        for _, record in store.read():
            found.records += 1
            found.runs.add(record.run)
            found.first = record.time if found.first is None else min(found.first, record.time)
            found.last = record.time if found.last is None else max(found.last, record.time)
            for problem in [*order.objections(record), *_twice(results, record)]:
                found.object(problem)
            _fold(fold, record, found)
            if fold.study is None:
                return
    except HistoryCorrupt as error:
        found.object(f"{error.problem}; what follows was not read.  {error.hint}")
    finally:
        found.study = fold.study


def _fold(fold: Fold, record: Record, found: Checkup) -> None:
    try:
        found.late += not fold.take(record)
    except MetaoptError as error:
        where = f"record {record.seq} of run {record.run}"
        found.object(error.problem if where in error.problem else f"{where}: {error.problem}")


def _twice(results: Counter[tuple[object, object]], record: Record) -> list[str]:
    """Whether ``record`` says how an attempt at a trial has ended, and that has been said before."""
    if record.kind != "Finished":
        return []
    which = record.body.get("trial"), record.body.get("attempt")
    results[which] += 1
    return [f"attempt {which[1]} at trial {which[0]} has two results"] if results[which] == 2 else []  # noqa: PLR2004 - two


class _Order:
    """The order of the records: those of each run are 1, 2, 3, ...

    Of several runs at once, each may leave numbers out: what it wanted to say was no longer to be had.
    """

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._alone: dict[int, bool] = {}

    def objections(self, record: Record) -> list[str]:
        """What is wrong with the place of ``record``, if anything."""
        run, seq = record.run, record.seq
        last = self._last.get(run, 0)
        self._last[run] = max(seq, last)
        if last == 0:
            self._alone[run] = bool(record.body.get("alone", True))
        if seq <= last:
            return [f"record {seq} of run {run} comes after record {last} of it"]
        missing = range(last + 1, seq)
        if not missing or not self._alone[run]:
            return []
        which = f"record {last + 1}" if len(missing) == 1 else f"records {last + 1} to {seq - 1}"
        return [f"{which} of run {run} missing, before its {record.kind}"]


def nothing_to_lose(study: Study, history: str) -> str:
    """What to type where no trial of ``study`` has come to anything, if its ``history`` is a directory; else empty."""
    if not Path(history).is_dir() or any(trial.state not in BARREN for trial in study.trials.values()):
        return ""
    return (
        f"No trial of it has completed, so nothing is lost:  rm -r {shlex.quote(history)}  and type the command again."
    )
