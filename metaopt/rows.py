"""A history as a table for other programs: a row per trial, or per value that a script has reported; and as a file."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from metaopt.errors import HistoryError
from metaopt.goals import Goals
from metaopt.history import History
from metaopt.trial import Trial
from metaopt.usage import FIGURES

PREFIX = "param."
"""Before the name of a parameter, which may be that of any other column."""
BEFORE = ("trial", "state", "objective")
AFTER = ("attempts", "worker", "device", "started", "ended", "duration", "error", "why", "outside")
CURVES = ("trial", "step", "metric", "value")
LARGEST = 1 << 63
Row = Mapping[str, Any]


class Table(NamedTuple):
    """The ``names`` of the columns, and the ``rows``, to be gone through once; a name that a row lacks has no value."""

    names: Sequence[str]
    rows: Iterator[Row]


def trials(history: History) -> Table:
    """A row per trial: what it is, its parameters, and what became of it; times are seconds since the epoch."""
    params = dict.fromkeys(name for trial in history.trials.values() for name in trial.params)
    names = [*BEFORE, *history.goals.row((), ()), *(f"{PREFIX}{name}" for name in params), *AFTER]
    names += [name for name in FIGURES if any(name in trial.usage for trial in history.trials.values())]
    return Table(names, (_row(trial, history.goals) for trial in history.trials.values()))


def curves(history: History) -> Table:
    """A row per reported value, in the order in which each script has said them."""
    values = (
        {"trial": trial.number, "step": step, "metric": metric, "value": value}
        for trial in history.trials.values()
        for step, said in trial.points
        for metric, value in said.items()
    )
    return Table(CURVES, values)


def _row(trial: Trial, goals: Goals) -> Row:
    params = {f"{PREFIX}{name}": value for name, value in trial.params.items()}
    about = {"trial": trial.number, "state": str(trial.state), "objective": trial.objective}
    more = goals.row(trial.objectives, trial.excess)
    return {**about, **more, **params, **{name: getattr(trial, name) for name in AFTER}, **trial.usage}


def write_csv(table: Table, file: TextIO) -> None:
    """Comma-separated, a line of names first; no value is empty, true, false and null are as in YAML, and nan, inf."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_unicode, table.names))
    for row in table.rows:
        writer.writerow([_spell(name, row[name]) if name in row else "" for name in table.names])


def write_jsonl(table: Table, file: TextIO) -> None:
    """A JSON object per line; numbers that are not finite are the texts "nan", "inf" and "-inf", as in the journal."""
    for row in table.rows:
        plain = {name: str(v) if isinstance(v, float) and not math.isfinite(v) else v for name, v in row.items()}
        file.write(f"{_unicode(json.dumps(plain, ensure_ascii=False, allow_nan=False))}\n")


def write_parquet(table: Table, file: Path) -> None:
    """A Parquet file; a parameter with values of several types is text there.  Needs pyarrow."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415 - an extra
    except ImportError as error:
        problem = "parquet needs pyarrow, which is not installed"
        raise HistoryError(problem, "pip install pyarrow, or choose csv or jsonl.") from error
    columns: dict[str, list[Any]] = {name: [] for name in table.names}
    for row in table.rows:
        for name, column in columns.items():
            column.append(row.get(name))
    arrays = {_unicode(name): pa.array(*_typed(name, column)) for name, column in columns.items()}
    parquet.write_table(pa.table(arrays), file)


FORMATS: Mapping[str, Callable[[Table, Any], None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}
TYPES = {
    **dict.fromkeys(("trial", "attempts", "worker"), "int64"),
    **dict.fromkeys(("objective", "started", "ended", "duration", "step", "value"), "float64"),
    **dict.fromkeys(FIGURES, "float64"),
    **dict.fromkeys(("outside", "feasible"), "bool"),
    **dict.fromkeys(("state", "device", "error", "why", "metric"), "string"),
}


def _typed(name: str, column: Sequence[Any]) -> tuple[list[Any], str]:
    """``column`` as Parquet can hold it, and the type of its values."""
    kind = "float64" if name.startswith(("objective.", "excess.")) else TYPES.get(name) or _kind(column)
    change: Mapping[str, Callable[[Any], Any]] = {"float64": float, "string": lambda value: str(_spell(name, value))}
    to = change.get(kind, lambda value: value)
    return [None if value is None else to(value) for value in column], kind


def _kind(values: Iterable[Any]) -> str:
    """The type that holds ``values``, which are those of one parameter."""
    kinds: set[type] = set()
    for value in values:
        kinds.add(str if isinstance(value, int) and not -LARGEST <= value < LARGEST else type(value))
    kinds.discard(type(None))
    for kind, fits in (("bool", {bool}), ("int64", {int}), ("float64", {int, float})):
        if kinds and kinds <= fits:
            return kind
    return "string"


def _spell(name: str, value: Any) -> Any:  # noqa: ANN401 - any scalar
    """``value`` as text where a program would not read it as YAML writes it; numbers as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null" if name.startswith(PREFIX) else ""
    return _unicode(value) if isinstance(value, str) else value


def _unicode(text: str) -> str:
    """``text`` without what is no Unicode, as the name of a file may be."""
    return text.encode(errors="backslashreplace").decode()
