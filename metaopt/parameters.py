"""The kinds of parameters, each with the way from its values to [0, 1] and back, and conditions between them.

A parameter with n values shares [0, 1] out among n cells; a value's own coordinate is the middle of its cell.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from metaopt.errors import SpaceError
from metaopt.messages import Scalar
from metaopt.scalars import check_scalar, clip, is_number, same, to_float, write, write_number

if TYPE_CHECKING:
    from statistics import NormalDist

LARGEST = 2**40
"""Integers reach this far: beyond, neighbours on a log scale are no longer different floats."""
TAIL = 1e-4
"""A normal parameter leaves out this much on either side, which keeps it within 3.7 standard deviations."""
MAX, LOG_MAX = 1e300, 700.0  # well inside what a float, and the exponent of one, can hold
_HINT_LOG = "Raise low above 0, or leave the logarithm out."


@dataclass(frozen=True, slots=True)
class Condition:
    """When a parameter counts: ``optimizer == sgd``, ``layers > 2``, ``optimizer in [sgd, adam]``."""

    parent: str
    op: str
    values: tuple[Scalar, ...]

    def holds(self, value: Scalar) -> bool:
        """Whether it is met when the parent has this value."""
        if self.op in ("==", "in"):
            return any(same(value, wanted) for wanted in self.values)
        if self.op == "!=":
            return not same(value, self.values[0])
        bound = self.values[0]
        if not (is_number(value) and is_number(bound)):
            return False
        return {"<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound}[self.op]

    def canonical(self) -> str:
        """Its text form."""
        texts = ", ".join(map(write, self.values))
        return f"{self.parent} {self.op} {f'[{texts}]' if self.op == 'in' else texts}"


@dataclass(frozen=True, slots=True)
class Real:
    """A number from ``low`` to ``high``, uniform, or with ``log`` uniform in its logarithm."""

    kind: ClassVar[str] = "real"
    cells: ClassVar[int | None] = None
    name: str
    low: float
    high: float
    log: bool = False
    when: Condition | None = None

    def __post_init__(self) -> None:
        _check_range(self.name, self.low, self.high)
        if self.log and self.low <= 0:
            raise SpaceError(self.name, f"low is {write_number(self.low)}, and a logarithm needs low > 0", _HINT_LOG)
        if not 0 < self._scaled(self.high) - self._scaled(self.low) < math.inf:
            raise SpaceError(self.name, "its range is too wide or too narrow to compute with", "Choose other bounds.")

    def to_unit(self, value: Scalar) -> float:
        """Where ``value`` lies between low (0) and high (1)."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return clip((self._scaled(clip(to_float(value), self.low, self.high)) - low) / (high - low))

    def from_unit(self, u: float) -> float:
        """The inverse of ``to_unit``."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        value = low + u * (high - low)
        return clip(math.exp(value) if self.log else value, self.low, self.high)

    def contains(self, value: Scalar) -> bool:
        """Whether it can have this value."""
        return is_number(value) and self.low <= value <= self.high

    def canonical(self) -> str:
        """Its short form."""
        return f"{'loguniform' if self.log else 'uniform'}({write_number(self.low)}, {write_number(self.high)})"

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value


@dataclass(frozen=True, slots=True)
class Normal:
    """A normally distributed number; with ``log`` its logarithm is, and has this ``mean`` and ``sd``."""

    kind: ClassVar[str] = "real"
    cells: ClassVar[int | None] = None
    name: str
    mean: float
    sd: float
    log: bool = False
    when: Condition | None = None

    def __post_init__(self) -> None:
        if self.sd <= 0:
            problem = f"sd is {write_number(self.sd)}, and a standard deviation is above 0"
            raise SpaceError(self.name, problem, "Write the standard deviation second: normal(0, 1).")
        ends = [self.mean + sigmas * self.sd for sigmas in (-4, 4)]
        if not all(abs(end) < (LOG_MAX if self.log else MAX) for end in ends):
            raise SpaceError(self.name, "its values are too large to compute with", "Choose another mean or sd.")

    def to_unit(self, value: Scalar) -> float:
        """The share of the distribution below ``value``, within the tails that are left out."""
        number = to_float(value)
        if self.log:
            number = math.log(number) if number > 0 else -math.inf
        return clip(self._distribution().cdf(number), TAIL, 1 - TAIL)

    def from_unit(self, u: float) -> float:
        """The quantile of ``u``."""
        value = self._distribution().inv_cdf(clip(u, TAIL, 1 - TAIL))
        return math.exp(value) if self.log else value

    def _distribution(self) -> "NormalDist":
        from statistics import NormalDist  # noqa: PLC0415 - it loads fractions and decimals, which a verb waits for

        return NormalDist(self.mean, self.sd)

    def contains(self, value: Scalar) -> bool:
        """Whether it can have this value: any number, above 0 with ``log``."""
        return is_number(value) and (value > 0 or not self.log)

    def canonical(self) -> str:
        """Its short form."""
        return f"{'lognormal' if self.log else 'normal'}({write_number(self.mean)}, {write_number(self.sd)})"


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number, both ends included; with ``log``, v has the share log((v + 0.5) / (v - 0.5))."""

    kind: ClassVar[str] = "grid"
    name: str
    low: int
    high: int
    log: bool = False
    when: Condition | None = None

    def __post_init__(self) -> None:
        _check_range(self.name, self.low, self.high)
        if self.log and self.low < 1:
            raise SpaceError(self.name, f"low is {self.low}, and a logarithm needs low >= 1", _HINT_LOG)
        if max(-self.low, self.high) > LARGEST:
            raise SpaceError(self.name, f"it reaches beyond {LARGEST}", "Search its logarithm, with loguniform.")

    @property
    def cells(self) -> int:
        """The number of its values."""
        return self.high - self.low + 1

    def to_unit(self, value: Scalar) -> float:
        """The middle of the cell of ``value``."""
        number = clip(to_float(value), self.low, self.high)
        if not self.log:
            return (number - self.low + 0.5) / self.cells
        start, width = self._log_range()
        return clip(((math.log(number - 0.5) + math.log(number + 0.5)) / 2 - start) / width)

    def from_unit(self, u: float) -> int:
        """The value in whose cell ``u`` lies."""
        start, width = self._log_range() if self.log else (0.0, 0.0)
        value = math.floor(math.exp(start + u * width) + 0.5) if self.log else self.low + math.floor(u * self.cells)
        return min(max(value, self.low), self.high)

    def contains(self, value: Scalar) -> bool:
        """Whether it can have this value."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def canonical(self) -> str:
        """Its short form."""
        return f"integer({self.low}, {self.high}{', log' if self.log else ''})"

    def _log_range(self) -> tuple[float, float]:
        start = math.log(self.low - 0.5)
        return start, math.log(self.high + 0.5) - start


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of some values that have no order."""

    kind: ClassVar[str] = "category"
    prior: ClassVar[str] = "choice"
    name: str
    choices: tuple[Scalar, ...]
    when: Condition | None = None

    def __post_init__(self) -> None:
        if not self.choices:
            raise SpaceError(self.name, f"{self.prior}() has nothing to choose from", f"Write {self.prior}(a, b).")
        for index, value in enumerate(self.choices):
            check_scalar(self.name, value)
            if any(same(value, other) for other in self.choices[:index]):
                raise SpaceError(self.name, f"{write(value)} is there twice", "Write each choice once.")

    @property
    def cells(self) -> int:
        """The number of its values."""
        return len(self.choices)

    def to_unit(self, value: Scalar) -> float:
        """The middle of the cell of ``value``; raises SpaceError when it is no choice."""
        for index, choice in enumerate(self.choices):
            if same(value, choice):
                return (index + 0.5) / self.cells
        raise SpaceError(self.name, f"{value!r} is none of its values", f"It is {self.canonical()}.")

    def from_unit(self, u: float) -> Scalar:
        """The value in whose cell ``u`` lies."""
        return self.choices[min(int(u * self.cells), self.cells - 1)]

    def contains(self, value: Scalar) -> bool:
        """Whether it can have this value."""
        return any(same(value, choice) for choice in self.choices)

    def canonical(self) -> str:
        """Its short form."""
        return f"{self.prior}({', '.join(map(write, self.choices))})"


@dataclass(frozen=True, slots=True)
class Ordinal(Categorical):
    """One of some values in their order: ``ordinal(small, medium, large)``, ``ordinal(16, 32, 256)``."""

    kind: ClassVar[str] = "grid"
    prior: ClassVar[str] = "ordinal"


@dataclass(frozen=True, slots=True)
class Fixed:
    """A constant: given to the script, not searched, and without a coordinate in the unit cube."""

    kind: ClassVar[str] = "fixed"
    cells: ClassVar[int | None] = 1
    name: str
    value: Scalar
    when: Condition | None = None

    def __post_init__(self) -> None:
        check_scalar(self.name, self.value)

    def to_unit(self, value: Scalar) -> float:  # noqa: ARG002 - the same for every value
        """The middle: it has but one cell."""
        return 0.5

    def from_unit(self, u: float) -> Scalar:  # noqa: ARG002 - the same everywhere
        """Its value."""
        return self.value

    def contains(self, value: Scalar) -> bool:
        """Whether this is its value."""
        return same(value, self.value)

    def canonical(self) -> str:
        """Its short form."""
        return f"fixed({write(self.value)})"


Parameter: TypeAlias = Real | Normal | Integer | Categorical | Ordinal | Fixed


def as_value(parameter: Parameter, value: Scalar, what: str = "value") -> Scalar:
    """``value`` as a trial has it (a real number is a float); raises SpaceError when ``parameter`` cannot have it."""
    check_scalar(parameter.name, value)
    if not parameter.contains(value):
        problem = f"the {what} {write(value)} is not in {parameter.canonical()}"
        raise SpaceError(parameter.name, problem, f"Choose another {what}, or another prior.")
    return float(value) if parameter.kind == "real" and is_number(value) else value


def _check_range(name: str, low: float, high: float) -> None:
    if not -MAX < low < high < MAX:
        hint = f"Write the smaller one first; for a constant write {name}: {write_number(low)}."
        raise SpaceError(name, f"low is {write_number(low)} and high is {write_number(high)}", hint)
