"""Optuna's JournalStorage in a file: a line of JSON for each thing that was done, in order."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metaopt.foreign.base import ForeignStudy, unreadable
from metaopt.foreign.optuna import HINT, STATES, RawStudy, RawTrial, translated

_STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
_DIRECTIONS = ("NOT_SET", "MINIMIZE", "MAXIMIZE")


class Log:
    """The studies that the lines of a file tell of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._studies: list[RawStudy | None] = []
        self._trials: list[RawTrial] = []
        try:
            for line in self._lines():
                self._take(line)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise unreadable(path, repr(error), HINT) from error

    def names(self) -> list[str]:
        """What the studies are called."""
        return [study.name for study in self._studies if study is not None]

    def study(self, name: str, metrics: Sequence[str]) -> ForeignStudy:
        """The one called ``name``; raises HistoryError."""
        (raw,) = (study for study in self._studies if study is not None and study.name == name)
        try:
            return translated(raw, metrics)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise unreadable(self._path, repr(error), HINT) from error

    def _lines(self) -> Iterator[Mapping[str, Any]]:
        """The lines; the last one may be torn."""
        lines = self._path.read_bytes().splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                yield json.loads(line)
            except ValueError:
                if number < len(lines):
                    raise

    def _take(self, said: Mapping[str, Any]) -> None:
        match said["op_code"]:
            case 0:
                self._studies.append(RawStudy(said["study_name"], [_DIRECTIONS[each] for each in said["directions"]]))
            case 1:
                self._studies[said["study_id"]] = None
            case 3:
                study = self._studies[said["study_id"]]
                if study is not None:
                    study.attributes |= said["system_attr"]
            case 4:
                self._created(said)
            case 5 | 6 | 7 | 9:
                trial = self._trials[said["trial_id"]]
                if trial.state not in STATES:  # else it has been said too late
                    _change(trial, said)
            case 2 | 8:  # what users have noted
                pass
            case other:
                problem = f"it says {other}, which nobody knows"
                raise ValueError(problem)

    def _created(self, said: Mapping[str, Any]) -> None:
        kept = said.get("params", {})
        value = said.get("value")
        trial = RawTrial(
            _STATES[said.get("state", 0)],
            said["datetime_start"],
            said.get("datetime_complete"),
            {name: (each, said["distributions"][name]) for name, each in kept.items()},
            said.get("values") or ([] if value is None else [value]),
            {int(step): each for step, each in said.get("intermediate_values", {}).items()},
            dict(said.get("system_attrs", {})),
        )
        self._trials.append(trial)
        study = self._studies[said["study_id"]]
        if study is not None:
            study.trials.append(trial)


def _change(trial: RawTrial, said: Mapping[str, Any]) -> None:
    match said["op_code"]:
        case 5:
            trial.params[said["param_name"]] = said["param_value_internal"], said["distribution"]
        case 6:
            trial.state = _STATES[said["state"]]
            trial.started = said.get("datetime_start") or trial.started
            trial.ended = said.get("datetime_complete") or trial.ended
            trial.values = said["values"] or trial.values
        case 7:
            trial.curve[said["step"]] = said["intermediate_value"]
        case 9:
            trial.attributes |= said["system_attr"]


def read(path: Path) -> Log:
    """The studies in the file at ``path``; raises HistoryError when it is none of Optuna's."""
    return Log(path)
