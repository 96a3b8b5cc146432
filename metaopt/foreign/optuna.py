"""A study of Optuna's, whatever storage it was kept in, in the terms of this program.

Distributions are written as Optuna writes them, as JSON, and values as it keeps them: a category by its index.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from metaopt.errors import HistoryError
from metaopt.foreign.base import ForeignStudy, ForeignTrial, renamed
from metaopt.goals import Constraint, Goals
from metaopt.messages import Point, Scalar
from metaopt.objective import Objective
from metaopt.scalars import same, write, write_number
from metaopt.trial import State

HINT = "It is read as Optuna 2.4 to 5 write it."
STATES = {"COMPLETE": State.COMPLETED, "PRUNED": State.STOPPED, "FAIL": State.FAILED}
CONSTRAINTS, NAMES = "constraints", "study:metric_names"
MOST = 1000
"""A range with a step and no more values than that becomes a list of them."""


@dataclass(slots=True)
class RawTrial:
    """A trial as it is kept; ``params`` has values and distributions, both as Optuna keeps them."""

    state: str
    started: str | None = None
    ended: str | None = None
    params: dict[str, tuple[float, str]] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)
    curve: dict[int, float] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class RawStudy:
    """A study as it is kept; ``directions`` are MINIMIZE or MAXIMIZE."""

    name: str
    directions: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    trials: list[RawTrial] = field(default_factory=list)


def translated(raw: RawStudy, metrics: Sequence[str]) -> ForeignStudy:
    """``raw`` in our terms; raises HistoryError when it has no trial that has ended."""
    ended = [trial for trial in raw.trials if trial.state in STATES]
    left = Counter(trial.state.lower() for trial in raw.trials if trial.state not in STATES)
    if not ended:
        problem = f"the study {raw.name} has no trial that has ended"
        raise HistoryError(problem, "There is nothing to be had of it.")
    names = renamed(dict.fromkeys(name for trial in ended for name in trial.params))
    kinds = {name: [json.loads(each.params[name][1]) for each in ended if name in each.params] for name in names}
    ranges = {name: _Range.over(distributions) for name, distributions in kinds.items()}
    goals = _goals(raw, ended, metrics)
    notes = [f"left out: {count} {state}" for state, count in left.items()]
    notes += [f"{name} is called {plain} here" for name, plain in names.items() if plain != name]
    some = [names[name] for name, distributions in kinds.items() if len(distributions) < len(ended)]
    notes += [f"not every trial has a value of {', '.join(some)}: when it counts, Optuna does not say"] if some else []
    trials = [_trial(each, names, ranges, goals) for each in ended]
    return ForeignStudy(raw.name, "Optuna", goals, {names[n]: each.prior for n, each in ranges.items()}, trials, notes)


def _goals(raw: RawStudy, ended: Sequence[RawTrial], metrics: Sequence[str]) -> Goals:
    count = len(raw.directions)
    names = ["value"] if count == 1 else [f"value_{index}" for index in range(count)]
    names = [str(each) for each in raw.attributes.get(NAMES) or names]
    names[: len(metrics)] = metrics[:count]
    goals = [each.lower() if each == "MAXIMIZE" else "minimize" for each in raw.directions]
    objectives = tuple(Objective(name, goal, "last") for name, goal in zip(names, goals, strict=True))
    told = [each.attributes.get(CONSTRAINTS) for each in ended if each.state == "COMPLETE"]
    most = min((len(each or ()) for each in told), default=0)
    return Goals(objectives, tuple(Constraint(f"constraint_{index}", "<=", 0.0) for index in range(most)))


def _trial(raw: RawTrial, names: Mapping[str, str], ranges: Mapping[str, "_Range"], goals: Goals) -> ForeignTrial:
    params = {names[name]: ranges[name].value(*kept) for name, kept in raw.params.items()}
    started = _seconds(raw.started) or _seconds(raw.ended) or 0.0
    why = {"PRUNED": "pruned in Optuna", "FAIL": "it failed in Optuna"}.get(raw.state, "")
    points = tuple(_points(raw, goals))
    return ForeignTrial(params, STATES[raw.state], started, _seconds(raw.ended) or started, points, why)


def _points(raw: RawTrial, goals: Goals) -> list[Point]:
    """The curve, and at its end the values, unless it ends with them."""
    names = [each.metric for each in goals.objectives]
    points: list[Point] = [(step, {names[0]: value}) for step, value in sorted(raw.curve.items())]
    if raw.state != "COMPLETE":
        return points
    last = dict(zip(names, raw.values, strict=False))
    last |= {
        each.metric: value
        for each, value in zip(goals.constraints, raw.attributes.get(CONSTRAINTS) or (), strict=False)
    }
    if points and points[-1][1] == last:
        return points
    return [*points, (points[-1][0] + 1 if points else 1, last)]


@dataclass(frozen=True, slots=True)
class _Range:
    """All values that a parameter could have: its ``prior``, with its ``choices`` where that is a list."""

    prior: str
    whole: bool = False
    choices: tuple[Scalar, ...] = ()

    @staticmethod
    def over(distributions: Sequence[Mapping[str, Any]]) -> "_Range":
        """Of a parameter with these distributions in its trials."""
        told = [each["attributes"] for each in distributions]
        if "choices" in told[0]:
            choices: list[Scalar] = []
            for value in (_scalar(value) for each in told for value in each["choices"]):
                choices += [] if any(same(value, other) for other in choices) else [value]
            return _Range(f"choice({', '.join(map(write, choices))})", choices=tuple(choices))
        low, high = min(each["low"] for each in told), max(each["high"] for each in told)
        name = str(distributions[0]["name"])
        whole, log = (
            name.startswith("Int"),
            all("Log" in str(d["name"]) or d["attributes"].get("log") for d in distributions),
        )
        steps = {each.get("step", each.get("q")) for each in told}
        return _stepped(low, high, steps.pop() if len(steps) == 1 else None, whole=whole, log=log)

    def value(self, kept: float, distribution: str) -> Scalar:
        """The value that was ``kept``."""
        choices = json.loads(distribution)["attributes"].get("choices")
        if choices is not None:
            return _scalar(choices[int(kept)])
        if self.choices:
            return min(self.choices, key=lambda each: abs(float(str(each)) - kept))
        return int(kept) if self.whole else float(kept)


def _stepped(low: float, high: float, step: float | None, *, whole: bool, log: bool) -> _Range:
    """From ``low`` to ``high``, in steps, if there are any but those from a whole number to the next."""
    if low == high:
        return _Range(f"fixed({write(int(low) if whole else float(low))})", whole)
    if step and not (whole and step == 1):
        start, by = Decimal(str(low)), Decimal(str(step))
        count = math.floor((Decimal(str(high)) - start) / by) + 1
        if 1 < count <= MOST:
            values = [start + by * index for index in range(count)]
            choices = tuple(int(each) if whole else float(each) for each in values)
            return _Range(f"ordinal({', '.join(map(write, choices))})", whole, choices)
    if whole:
        return _Range(f"integer({int(low)}, {int(high)}{', log' if log else ''})", whole)
    return _Range(f"{'loguniform' if log else 'uniform'}({write_number(low)}, {write_number(high)})")


def _scalar(value: object) -> Scalar:
    return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value)


def _seconds(text: str | None) -> float | None:
    """Without a time zone it is this host's, as Optuna means it."""
    return None if text is None else datetime.fromisoformat(text).timestamp()
