"""All that a study searches for: one objective or several, and the constraints that its trials have to keep to."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import zip_longest
from statistics import fmean, stdev
from typing import Any, NamedTuple

from metaopt.errors import GoalError
from metaopt.front import Worth
from metaopt.messages import Point
from metaopt.objective import Objective, curve
from metaopt.scalars import is_number, read, write_number

_CONSTRAINT = re.compile(r"\s*(.*?)\s*([<>]=?)\s*(.*?)\s*", re.DOTALL)
_HINT = "Write a metric, <= or >=, and a number: memory <= 16"


@dataclass(frozen=True, slots=True)
class Constraint:
    """The value of ``metric`` has to be at most (``op`` is ``<=``) or at least (``>=``) ``bound``."""

    metric: str
    op: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """From ``memory <= 16``; ``<`` and ``>`` are ``<=`` and ``>=``.  Raises GoalError."""
        found = _CONSTRAINT.fullmatch(text)
        if found is None or not found[1]:
            problem = f"{text!r} is no constraint"
            raise GoalError(problem, _HINT)
        metric, op, written = found.groups()
        bound = read(metric, written) if written else ""
        if not is_number(bound):
            problem = f"{text!r} has no number as its bound"
            raise GoalError(problem, f"{_HINT}.  Two bounds are two constraints.")
        return cls(metric, op[0] + "=", float(bound))

    def excess(self, value: float) -> float:
        """By how much ``value`` exceeds the bound; 0 or less where the constraint holds."""
        return value - self.bound if self.op == "<=" else self.bound - value

    def __str__(self) -> str:
        """As ``parse`` reads it."""
        return f"{self.metric} {self.op} {write_number(self.bound)}"


class Outcome(NamedTuple):
    """What a completed trial comes to: the values of its objectives, and the excess over each constraint.

    Or else which metric it ``lacks``, which is absent or not finite, and what to say of that (``flaw``).
    """

    objectives: tuple[float, ...] = ()
    excess: tuple[float, ...] = ()
    lacks: str = ""
    flaw: str = ""


@dataclass(frozen=True)
class Goals:
    """``objectives``, of which the first one is the first among equals, and ``constraints``.

    A metric with a constraint counts with its last value, or, when it is an objective too, as that says.
    """

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def described(cls, about: Mapping[str, Any]) -> "Goals":
        """Those of an experiment, as ``describe`` writes them."""
        objective = about["objective"]
        each = [objective] if isinstance(objective, Mapping) else objective
        constraints = about.get("constraints", ())
        return cls(tuple(Objective(**one) for one in each), tuple(Constraint(**one) for one in constraints))

    def describe(self) -> dict[str, Any]:
        """They as plain data: ``objective``, a list only of several, and ``constraints``, if there are some."""
        objectives = [asdict(each) for each in self.objectives]
        about: dict[str, Any] = {"objective": objectives if self.several else objectives[0]}
        return about | ({"constraints": [asdict(each) for each in self.constraints]} if self.constraints else {})

    @property
    def several(self) -> bool:
        """Whether there is more than one objective."""
        return len(self.objectives) > 1

    @property
    def settings(self) -> dict[str, int]:
        """What an optimizer is made with, so that it knows how many of each there are."""
        many = {"objectives": len(self.objectives)} if self.several else {}
        return many | ({"constraints": len(self.constraints)} if self.constraints else {})

    @cached_property
    def measures(self) -> tuple[Objective, ...]:
        """What is measured of each trial, for the objectives first, then for the constraints; each metric once."""
        measures = {each.metric: each for each in self.objectives}
        for each in self.constraints:
            measures.setdefault(each.metric, Objective(each.metric))
        return tuple(measures.values())

    @cached_property
    def last(self) -> frozenset[str]:
        """The metrics of which only the last value counts, if that is so of all of them; else none."""
        measures = self.measures
        return frozenset(each.metric for each in measures if all(other.of == "last" for other in measures))

    def outcome(self, points: Sequence[Point]) -> Outcome:
        """What a completed trial comes to that has reported ``points``."""
        values: dict[str, float] = {}
        for each in self.measures:
            value = each.value(curve(points, each.metric))
            if value is None:
                return Outcome(lacks=each.metric, flaw=each.absence(points))
            if not math.isfinite(value):
                return Outcome(lacks=each.metric, flaw=f"its {each.metric} is {value}")
            values[each.metric] = value
        objectives = tuple(values[each.metric] for each in self.objectives)
        return Outcome(objectives, tuple(each.excess(values[each.metric]) for each in self.constraints))

    def worth(self, objectives: Sequence[float]) -> Worth:
        """The values of the ``objectives`` with the signs that make less of each better."""
        return tuple(each.sign * value for each, value in zip(self.objectives, objectives, strict=True))

    def told(self, objectives: Sequence[float], excess: Sequence[float]) -> float | tuple[float, ...]:
        """What the optimizer is told of a completed trial: a number for one objective alone, else (worth, excess)."""
        told = (*self.worth(objectives), *excess)
        return told if self.settings else told[0]

    def row(self, objectives: Sequence[float], excess: Sequence[float]) -> dict[str, float | bool | None]:
        """More columns of a table of trials: none for one objective alone; without a value they are None."""
        row: dict[str, float | bool | None] = {}
        if self.several:
            row |= _columns((f"objective.{each.metric}" for each in self.objectives), objectives)
        if self.constraints:
            row |= _columns((f"excess.{each}" for each in self.constraints), excess)
            row["feasible"] = bool(objectives) and all(each <= 0 for each in excess)
        return row

    def spread(self, runs: Iterable[Sequence[float]]) -> str:
        """The mean and the standard deviation of the first objective over runs of one point, of two at least."""
        values = [objectives[0] for objectives in runs if objectives]
        if len(values) <= 1:
            return ""
        mean, deviation = fmean(values), stdev(values)
        return (
            f"{len(values)} runs: {self.objectives[0].metric} {mean:.6g} on average, standard deviation {deviation:.2g}"
        )

    def said(self, objectives: Sequence[float], equals: str = " = ", comma: str = ", ") -> str:
        """The values of the ``objectives``, for a person."""
        named = zip(self.objectives, objectives, strict=True)
        return comma.join(f"{each.metric}{equals}{value:.6g}" for each, value in named)

    def exceeded(self, excess: Sequence[float]) -> Iterator[str]:
        """Each constraint that does not hold, and by how much, for a person."""
        for constraint, much in zip(self.constraints, excess, strict=True):
            if much > 0:
                yield f"{constraint} is exceeded by {much:.6g}"


def _columns(names: Iterable[str], values: Sequence[float]) -> dict[str, float | bool | None]:
    return dict(zip_longest(names, values))
