"""What happened, read back: ``metaopt.history.load("digits.history")``, or ``load("exp.yaml")``.

A history is a log of facts; this folds them, with the same code that the scheduler uses.  It needs no MPI, and works
on a run in progress too.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metaopt.errors import HistoryCorrupt, HistoryDiffers, HistoryError, WireError
from metaopt.goals import Constraint, Goals
from metaopt.location import Location, locate, named_here
from metaopt.messages import Finished, Opened, Reported
from metaopt.objective import Objective
from metaopt.skim import Skim, uncollected
from metaopt.space import Space
from metaopt.stores import Record, Store
from metaopt.study import Study
from metaopt.trial import ACTIVE, Trial, extends, of_point
from metaopt.unread import Reports
from metaopt.wire import NOT_PLAIN, from_plain, reported_fields

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
OUTCOME = "outcome.json"
SAME = ("name", "objective", "constraints")
KEEP = "--space-changed=keep"


class History:
    """The trials of one study, as they stood when it was loaded."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __repr__(self) -> str:
        best = "no result" if self.best is None else f"best {self.goals.said(self.best.objectives, ' ')}"
        return f"<History of {self.experiment.get('name')}: {len(self.trials)} trials, {best}>"

    @property
    def trials(self) -> Mapping[int, Trial]:
        """All trials by their number: params, state, objective, attempts, started, ended, worker, error, curve().

        Of one with several attempts ``started`` is when the first one was, ``ended`` when the last one had.  Those that
        are ``outside`` the space, as it was changed since, count for nothing.
        """
        return self._study.trials

    @property
    def best(self) -> Trial | None:
        """The completed trial with the best objective that keeps to all constraints; None as long as there is none.

        Of equals the first by number; of several objectives the one of the Pareto set with the best first objective.
        """
        return self._study.best

    @property
    def pareto(self) -> list[Trial]:
        """The completed trials that keep to all constraints and that no other one dominates, the best one first.

        They are in the order of the first objective; of trials with equal values it is the first by number.
        """
        return self._study.pareto

    def runs(self, trial: Trial) -> list[Trial]:
        """All trials of the same point as ``trial``, it too: those that ``replicates`` has begun."""
        return of_point(self.trials.values(), trial.params)

    def best_by_model(self) -> Trial | None:
        """Of the trials of which ``best`` is one that with the lowest posterior mean of its (first) objective.

        That of a Gaussian process fitted to all completed trials, which estimates the noise: where a script gives
        another value each time, the best observed value is the luckiest.  None as long as ``best`` is.
        """
        from metaopt.optimizers.incumbent import lowest_mean  # noqa: PLC0415 - nothing else of a history needs numpy

        trials = [trial for _, trial in sorted(self.trials.items()) if trial.objectives and not trial.outside]
        feasible = [index for index, trial in enumerate(trials) if trial.feasible]
        if not feasible:
            return None
        tried = [(trial.params, self.goals.worth(trial.objectives)[0]) for trial in trials]
        return trials[lowest_mean(Space.parse(self.experiment["space"]), tried, feasible)]

    @property
    def experiment(self) -> Mapping[str, Any]:
        """What was searched, and how, as the last run on it said."""
        return self._study.experiment

    @property
    def objective(self) -> Objective:
        """Which metric was optimized, and in which direction; of several the first."""
        return self._study.objective

    @property
    def goals(self) -> Goals:
        """All objectives and constraints."""
        return self._study.goals

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All of them."""
        return self.goals.objectives

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What the trials have to keep to."""
        return self.goals.constraints

    def to_pandas(self) -> "pd.DataFrame":
        """A row per trial: its parameters (``param.NAME`` if a name is taken), what became of it.  Needs pandas."""
        try:
            import pandas as pd  # noqa: PLC0415 - an extra
        except ImportError as error:
            problem = "to_pandas() needs pandas, which is not installed"
            raise HistoryError(problem, "pip install pandas") from error
        after = ("attempts", "worker", "started", "ended", "duration", "error", "why", "outside")
        names = dict.fromkeys(name for trial in self.trials.values() for name in trial.params)
        index = pd.Index(self.trials.keys(), name="trial")
        params = pd.DataFrame([{**names, **trial.params} for trial in self.trials.values()], index=index)
        rows = [
            {
                "state": str(trial.state),
                "objective": trial.objective,
                **self.goals.row(trial.objectives, trial.excess),
                **{name: getattr(trial, name) for name in after},
                **trial.usage,
            }
            for trial in self.trials.values()
        ]
        told = pd.DataFrame(rows, index=index)
        return params.rename(columns={name: f"param.{name}" for name in names if name in {*told, "trial"}}).join(told)


def load(where: str | os.PathLike[str], study: str = "") -> History:
    """The history at ``where``: a URL, a directory, an experiment file (.yaml, .yml), or the name of a study here.

    On a server, ``study`` is which of them, unless the URL or the file says it.  Raises HistoryMissing when there is
    none, HistoryError when it cannot be read, ExperimentError when the file does not say where it is.
    """
    return history_of(locate(next(iter(named_here(os.fspath(where))), where), study))


def history_of(location: Location, witness: Callable[[Record], object] | None = None) -> History:
    """The history at ``location``, as ``load`` gives it; ``witness`` is shown each record but the Reporteds."""
    with location.opened() as store:
        found = skimmed(store, witness).study
    if found is None:
        problem = f"{location}: this history is empty"
        raise HistoryError(problem, location.beginning)
    return History(found)


class Past(NamedTuple):
    """What a history holds: its ``study`` (None when it is empty), the last ``run``, when each run was last ``heard``.

    ``cursor`` is that of the last record.
    """

    study: Study | None
    run: int
    heard: Mapping[int, float]
    cursor: object


class Fold:
    """What the records that were taken tell of: a ``study`` (None before the first), when each run was ``heard``."""

    def __init__(self) -> None:
        self.study: Study | None = None
        self.heard: dict[int, float] = {}
        self._reports = Reports()

    def take(self, record: Record) -> bool:
        """Take the next one in; False for a late word that changes nothing.

        Raises WireError or HistoryError when it cannot be what it says, or not at this place.
        """
        study = self.study
        self.heard[record.run] = record.time
        try:
            if study is not None and record.kind == "Reported":  # as most are: no message is made of it
                return study.report(*reported_fields(record.body))
            fact = from_plain(record.kind, record.body)
            if isinstance(fact, Opened):
                _check_format(fact)
                self.study = study = study or Study(Goals.described(fact.experiment))
            if study is None:
                raise _no_beginning(record.kind)
            return study.apply(record.time, fact, record.run)
        except NOT_PLAIN as error:
            problem = f"record {record.seq} of run {record.run}, {record.kind}, cannot have happened: {error!r}"
            raise HistoryCorrupt(problem, "metaopt db check  tells all that is wrong.") from error

    def hear(self, run: int, time: float, lines: bytes) -> None:
        """The same of Reporteds, as the ``lines`` of a journal; they stay that until somebody wants to know them."""
        if self.study is None:
            raise _no_beginning(Reported.__name__)
        self.heard[run] = time
        self._reports.add(lines)

    def listen(self, trial: int) -> None:
        """What its script says in the attempt at ``trial`` that has just begun is among the lines that come."""
        if self.study is not None:
            self.study.trials[trial].listen(self._reports)

    def past(self, cursor: object) -> Past:
        """What was taken, up to ``cursor``."""
        run = max(self.heard, default=0)
        if self.study is not None:
            self.study.run = run
        return Past(self.study, run, self.heard, cursor)


def replay(store: Store) -> Past:
    """All that the records of ``store`` tell of."""
    fold, cursor = Fold(), None
    with uncollected():
        for cursor, record in store.read():  # noqa: B007 - it is the last one that counts
            fold.take(record)
    return fold.past(cursor)


def skimmed(store: Store, witness: Callable[[Record], object] | None = None) -> Past:
    """The same, several times as fast: curves are decoded when they are asked for, and nothing is learned to write on.

    ``witness`` is shown each record that is no Reported.
    """
    skim = Skim(fold := Fold(), witness)
    skim.read(store)
    return fold.past(skim.cursor)


def _no_beginning(kind: str) -> HistoryError:
    problem = f"the first record of this history is no Opened but {kind}"
    return HistoryError(problem, "It was not written by metaopt, or its beginning is missing.")


def _check_format(fact: Opened) -> None:
    if fact.format > FORMAT:
        problem = f"this history has format {fact.format}; metaopt here reads up to {FORMAT}"
        raise HistoryError(problem, f"It was written by metaopt {fact.metaopt}: install that version or a later one.")


def check_same(study: Study, experiment: Mapping[str, Any], url: str, *, space: bool = True) -> None:
    """Raise HistoryDiffers when the history at ``url`` was made by an experiment that searches something else.

    Without ``space`` the space may be another one.
    """
    for key in SAME:
        theirs, ours = study.experiment.get(key), experiment.get(key)
        if theirs != ours:
            problem = f"{url} belongs to another experiment: {_difference(key, theirs, ours)}"
            hint = f"Either write another directory as history:, or write {key}: as it was."
            raise HistoryDiffers(problem, hint)
    changes = _changes(study.experiment.get("space", {}), experiment.get("space", {})) if space else []
    if changes:
        lines = "".join(f"\n    {change}" for change in changes)
        problem = f"{url} belongs to another experiment: the space has changed:{lines}"
        hint = "Either write another directory as history:, or put the space back as it was, or go on with those trials"
        raise HistoryDiffers(problem, f"{hint}\n  that fit the new one, and set the others aside:  {KEEP}")


def _changes(theirs: Mapping[str, object], ours: Mapping[str, object]) -> list[str]:
    """What is different in a space, a line for each parameter."""
    removed = [f"{name} is removed, and was {_said(each)}" for name, each in theirs.items() if name not in ours]
    added = [f"{name} is added: {_said(each)}" for name, each in ours.items() if name not in theirs]
    both = [(name, each, ours[name]) for name, each in theirs.items() if name in ours]
    changed = [f"{name} was {_said(before)}, is {_said(now)}" for name, before, now in both if before != now]
    return [*changed, *removed, *added]


def _said(parameter: object) -> str:
    """A parameter as it stands in a description."""
    return f"{parameter['prior']} when {parameter['when']}" if isinstance(parameter, Mapping) else str(parameter)


def _difference(key: str, theirs: object, ours: object) -> str:
    if not isinstance(theirs, Mapping) or not isinstance(ours, Mapping):
        return f"its {key} {'are' if key == 'constraints' else 'is'} {_plainly(theirs)}, not {_plainly(ours)}"
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    parts = [f"{key} {name} was {_or_none(theirs, name)} and is now {_or_none(ours, name)}" for name in names]
    return "; ".join(parts) or f"the order of its {key} differs"


def _plainly(said: object) -> str:
    """A name, or objectives or constraints, as they stand in a description."""
    each = said if isinstance(said, list) else [said] * (said is not None)
    words = (map(str, one.values()) if isinstance(one, Mapping) else [repr(one)] for one in each)
    return ", ".join(" ".join(one) for one in words) or "none"


def _or_none(mapping: Mapping[str, object], name: str) -> str:
    return str(mapping[name]) if name in mapping else "not there"


def unheard(study: Study, trials: Path) -> list[Reported | Finished]:
    """What scripts have ended with, by the outcome.json in their directories, that the journal does not know."""
    events: list[Reported | Finished] = []
    for number in study.open:
        trial = study.trials[number]
        if trial.state in ACTIVE and trial.worker is not None:
            with suppress(KeyError, TypeError, WireError):  # somebody has written to it
                events += _ended(trial, trial.worker, _outcome(trials / str(number)))
    return events


def _ended(trial: Trial, worker: int, outcome: Mapping[str, Any]) -> list[Reported | Finished]:
    """What ``outcome`` says of this attempt at this trial, if it is of that."""
    if outcome.get("attempt") != trial.attempts or not extends(trial.params, outcome.get("params")):
        return []
    run = {"worker": worker, "trial": trial.number, "attempt": trial.attempts}
    new = outcome["points"][len(trial.points) - trial.earlier :]
    ended = {"outcome": outcome["outcome"], "error": outcome["error"], "ended": outcome.get("ended")}
    finished = {**run, **ended, "usage": outcome.get("usage", {})}
    return [from_plain("Reported", {**run, "points": new}), from_plain("Finished", finished)]


def _outcome(directory: Path) -> dict[str, Any]:
    try:
        outcome = json.loads((directory / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return outcome if isinstance(outcome, dict) else {}
