"""Optuna's RDBStorage in a file of SQLite, read by what its tables say, without being changed."""

import json
import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from metaopt.foreign.base import ForeignStudy, unreadable
from metaopt.foreign.optuna import HINT, RawStudy, RawTrial, translated

SCHEMA = 12
"""The version of the tables since Optuna 2.4."""
_KINDS = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


class Database:
    """The studies in the file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._studies = {
            str(name): int(number) for number, name in self._ask("SELECT study_id, study_name FROM studies")
        }

    def names(self) -> list[str]:
        """What the studies are called."""
        return list(self._studies)

    def study(self, name: str, metrics: Sequence[str]) -> ForeignStudy:
        """The one called ``name``; raises HistoryError."""
        try:
            return translated(self._raw(name), metrics)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise unreadable(self._path, repr(error), HINT) from error

    def _raw(self, name: str) -> RawStudy:
        of = (self._studies[name],)
        directions = self._ask("SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective", of)
        told = self._ask("SELECT key, value_json FROM study_system_attributes WHERE study_id = ?", of)
        rows = self._ask(
            "SELECT trial_id, state, datetime_start, datetime_complete FROM trials WHERE study_id = ? ORDER BY number",
            of,
        )
        trials = {number: RawTrial(*row) for number, *row in rows}
        columns = "param_id, param_name, param_value, distribution_json"
        for number, _, key, value, distribution in self._of(of, "trial_params", columns):
            trials[number].params[key] = value, distribution
        for number, _, value, kind in self._of(of, "trial_values", "objective, value, value_type"):
            trials[number].values.append(_KINDS.get(kind, value))
        columns = "step, intermediate_value, intermediate_value_type"
        for number, step, value, kind in self._of(of, "trial_intermediate_values", columns):
            trials[number].curve[step] = _KINDS.get(kind, value)
        for number, key, value in self._of(of, "trial_system_attributes", "key, value_json"):
            trials[number].attributes[key] = json.loads(value)
        attributes = {key: json.loads(value) for key, value in told}
        return RawStudy(name, [direction for (direction,) in directions], attributes, list(trials.values()))

    def _of(self, of: tuple[int], table: str, columns: str) -> list[Any]:
        """The rows of all trials of a study in a ``table``, by their second column."""
        query = f"SELECT trial_id, {columns} FROM {table} JOIN trials USING (trial_id) WHERE study_id = ? ORDER BY 1, 2"  # noqa: S608 - ours
        return self._ask(query, of)

    def _ask(self, query: str, values: tuple[int, ...] = ()) -> list[Any]:
        try:
            with closing(sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True)) as database:
                self._check(database)
                return database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise unreadable(self._path, error, HINT) from None

    def _check(self, database: sqlite3.Connection) -> None:
        ((version, library),) = database.execute("SELECT schema_version, library_version FROM version_info")
        if version != SCHEMA:
            problem = f"Optuna {library} has written it, with tables of version {version}"
            raise unreadable(self._path, problem, f"{HINT}  optuna storage upgrade  makes it newer.")


def read(path: Path) -> Database:
    """The studies in the file at ``path``; raises HistoryError when it is none of Optuna's."""
    return Database(path)
