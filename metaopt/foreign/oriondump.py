"""Oríon's PickledDB, which is also what ``orion db dump`` writes: a pickle, read without running what it asks for.

A pickle may call anything that can be imported.  Of this one, the classes of Oríon's database become empty ones that
only hold what they are filled with, times and dictionaries are what they are, and all else is refused.
"""

import ast
import datetime as dt
import itertools
import math
import pickle
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from metaopt.errors import HistoryError
from metaopt.foreign.base import ForeignStudy, ForeignTrial, renamed, unreadable
from metaopt.goals import Goals
from metaopt.messages import Point, Scalar
from metaopt.objective import Objective
from metaopt.scalars import is_number, write_number
from metaopt.trial import State

HINT = "It is read as Oríon 0.2 writes it: the file of a PickledDB, or that of orion db dump."
MANY = 10_000
"""Numbers of one parameter, at most."""
STATES = {"completed": State.COMPLETED, "broken": State.FAILED}
_HOLLOW = {
    *(
        ("orion.core.io.database.ephemeraldb", name)
        for name in ("EphemeralDB", "EphemeralCollection", "EphemeralDocument")
    ),
    *((module, "ObjectId") for module in ("bson.objectid", "bson")),
}
_HARMLESS: Mapping[tuple[str, str], Any] = {
    ("collections", "defaultdict"): defaultdict,
    ("datetime", "datetime"): dt.datetime,
    ("datetime", "timedelta"): dt.timedelta,
    ("datetime", "timezone"): dt.timezone,
    ("builtins", "set"): set,
}
_SHAPE = re.compile(r",\s*shape=(\(.*?\)|\[.*?\]|\d+)")
_FIDELITY = re.compile(r"fidelity\(\s*([\d.e+]+)\s*,\s*([\d.e+]+).*\)")
Document = Mapping[str, Any]


class _Refused(Exception):
    """The pickle asks for what no database of Oríon's needs."""


class _Reader(pickle.Unpickler):
    """Makes hollow objects, of classes of its own, so that a pickle can change nothing that outlives it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self._made: dict[tuple[str, str], Any] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - whatever is harmless
        """The class that is meant; raises _Refused."""
        if (module, name) in _HOLLOW:
            return self._made.setdefault((module, name), type(name, (), {}))
        if (module, name) in _HARMLESS:
            return _HARMLESS[module, name]
        asked = f"{module}.{name}"
        raise _Refused(asked)


class Dump:
    """The experiments in the file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                database = _Reader(file).load()
            self._experiments = _documents(database, "experiments")
            self._trials = _documents(database, "trials")
            self._named = dict(self._names())
        except _Refused as error:
            problem = f"it would have {error} imported, which a database of Oríon's has no need of; nothing was run"
            raise unreadable(path, problem, HINT) from None
        except Exception as error:  # noqa: BLE001 - a pickle can fail in any way
            raise unreadable(path, repr(error), HINT) from None

    def names(self) -> list[str]:
        """What the experiments are called, with -vN for the version where there are several."""
        return list(self._named)

    def study(self, name: str, metrics: Sequence[str]) -> ForeignStudy:
        """The one called ``name``; raises HistoryError."""
        try:
            return self._study(name, metrics)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, SyntaxError) as error:
            raise unreadable(self._path, repr(error), HINT) from error

    def _names(self) -> Iterator[tuple[str, Document]]:
        versions = Counter(each["name"] for each in self._experiments)
        for each in self._experiments:
            yield f"{each['name']}-v{each['version']}" if versions[each["name"]] > 1 else str(each["name"]), each

    def _study(self, name: str, metrics: Sequence[str]) -> ForeignStudy:
        about = self._named[name]
        trials = [each for each in self._trials if each["experiment"] == about["_id"]]
        ended = [each for each in trials if each["status"] in STATES]
        if not ended:
            problem = f"the experiment {name} has no trial that has ended"
            raise HistoryError(problem, "There is nothing to be had of it.")
        written = {key.removeprefix("space."): str(prior) for key, prior in about.items() if key.startswith("space.")}
        notes = [
            f"left out: {count} {state}"
            for state, count in Counter(t["status"] for t in trials).items()
            if state not in STATES
        ]
        notes += [
            f"{key} is a fidelity: it is a parameter here"
            for key, prior in written.items()
            if prior.startswith("fidelity")
        ]
        priors = {key: each for name_, prior in written.items() for key, each in _spread(name_, prior)}
        names = renamed(priors)
        objective = metrics[0] if metrics else next(filter(None, map(_objective, ended)), "objective")
        made = [_trial(each, names, objective) for each in sorted(ended, key=_started)]
        goals = Goals((Objective(objective, "minimize", "last"),))
        return ForeignStudy(name, "Oríon", goals, {names[key]: each for key, each in priors.items()}, made, notes)


def _documents(database: Any, collection: str) -> list[Document]:  # noqa: ANN401 - what was in the pickle
    """The documents of a ``collection``, whose keys are flat: ``metadata.user``."""
    return [each._data for each in database._db[collection]._documents]  # noqa: SLF001 - theirs


def _spread(name: str, prior: str) -> Iterator[tuple[str, str]]:
    """A parameter, or one for each element of what has a shape; a fidelity is a number like others."""
    fidelity = _FIDELITY.fullmatch(prior)
    if fidelity:
        low, high = float(fidelity[1]), float(fidelity[2])
        whole = low == int(low) and high == int(high)
        prior = f"{'integer' if whole else 'uniform'}({write_number(low)}, {write_number(high)})"
        prior = f"fixed({write_number(low)})" if low == high else prior
    shape = _SHAPE.search(prior)
    if not shape:
        yield name, prior
        return
    read = ast.literal_eval(shape[1])
    sides = read if isinstance(read, (tuple, list)) else (read,)
    if math.prod(sides) > MANY:
        problem = f"{name} has {math.prod(sides)} numbers"
        raise ValueError(problem)
    for index in itertools.product(*map(range, sides)):
        yield "_".join((name, *map(str, index))), prior.replace(shape[0], "")


def _trial(trial: Document, names: Mapping[str, str], objective: str) -> ForeignTrial:
    params = {names[key]: value for each in trial["params"] for key, value in _values(each["name"], each["value"])}
    started = _started(trial)
    ended = _seconds(trial.get("end_time") or trial.get("heartbeat")) or started
    state = STATES[trial["status"]]
    why = "it is broken in Oríon" if state is State.FAILED else ""
    return ForeignTrial(params, state, started, ended, tuple(_points(trial, objective)), why)


def _values(name: str, value: object) -> Iterator[tuple[str, Scalar]]:
    if isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from _values(f"{name}_{index}", each)
    else:
        yield name, value if value is None or isinstance(value, (str, int, float)) else str(value)


def _points(trial: Document, objective: str) -> Iterator[Point]:
    """All numbers that a trial has said, the objective under the name that it is to have."""
    said = {each["name"]: each["value"] for each in trial["results"] if is_number(each["value"])}
    name = _objective(trial)
    if name in said:
        said[objective] = said.pop(name)
    if said:
        yield 1, {str(each): float(value) for each, value in said.items()}


def _objective(trial: Document) -> str:
    return next((str(each["name"]) for each in trial["results"] if each["type"] == "objective"), "")


def _started(trial: Document) -> float:
    return _seconds(trial.get("start_time") or trial.get("submit_time")) or 0.0


def _seconds(time: dt.datetime | None) -> float | None:
    """Oríon's times are in UTC, and do not say so."""
    return None if time is None else time.replace(tzinfo=dt.UTC).timestamp()


def read(path: Path) -> Dump:
    """The experiments in the file at ``path``; raises HistoryError when it is none of Oríon's."""
    return Dump(path)
