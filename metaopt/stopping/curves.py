"""Extrapolation of learning curves, by the one regression that has a closed form.

The source is Baker et al. 2017, "Accelerating neural architecture search using performance prediction", with their
rule of when to stop.

At the steps s = first * 2^k the value at the end is predicted from how a trial stands there and has come there,

    y(end) = a + b y(s) + c (y(s) - y(s / 2)) + noise

from the trials that have been to the end: a Bayesian regression with the reference prior, whose prediction has
Student's distribution (Gelman et al., Bayesian Data Analysis, 3rd edition, section 14.2).

    stop when P(y(end) < the best y(end) so far) < chance

The end is the farthest step that any trial has said, or ``max``.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from metaopt.errors import PluginError
from metaopt.scalars import counted
from metaopt.stopping.ladder import Climb, Ladder
from metaopt.stopping.settings import check_least

MOST = 256
"""So many trials, the last ones by number, are learned from: more say nothing new, and cost time."""
TINY = 1e-4
"""Chances below this are not told apart."""
FLAT = 1e-12
"""A direction in which the trials differ by no more than this part of all their differences says nothing."""


class Curves:
    """Stops a trial with less than a ``chance`` to end better than all others, once ``curves`` of them have ended.

    ``first`` is the first step at which a trial may be stopped, but for half of that being seen too.
    """

    apart = True

    def __init__(
        self,
        *,
        chance: float = 0.05,
        curves: int = 8,
        first: float = 1,
        max: float | None = None,  # noqa: A002 - as the field calls it
    ) -> None:
        """Raise PluginError when a setting makes no sense."""
        check_least("curves", "curves", curves, 5, 8, whole=True)
        check_least("curves", "chance", chance, 0, 0.05)
        if chance >= 1:
            problem = f"stopper 'curves': chance is {chance:g}"
            raise PluginError(problem, "It is a probability below 1: chance: 0.05.")
        self._chance, self._least, self._max = chance, curves, max
        self._ladder = Ladder("curves", first, 2, max)
        self._at: dict[float, dict[int, float]] = {}
        self._end = -math.inf
        self._models: dict[int, _Regression | None] = {}

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Why ``trial`` should stop after these new points, or an empty string."""
        why = ""
        for step, value in points:
            before = self._ladder.climbs.get(trial)
            last = None if before is None else before.step
            rungs = [*self._ladder.take(trial, step, value)]
            self._move(trial, last, self._ladder.climbs[trial])
            for rung in rungs:
                why = why or self._verdict(trial, rung)
        return why

    def _move(self, trial: int, last: float | None, climb: Climb) -> None:
        """Keep in mind which trial has come how far, with what value."""
        if last == climb.step:
            return
        limit = math.inf if self._max is None else self._max
        step = min(climb.step, limit)
        if last is not None:
            last = min(last, limit)
            if last == step:  # beyond the end
                return
            del self._at[last][trial]
            if not self._at[last]:
                del self._at[last]
        self._at.setdefault(step, {})[trial] = climb.value
        if step >= self._end or last == self._end:
            self._end, self._models = max(self._at), {}

    def _verdict(self, trial: int, rung: int) -> str:
        told = _told(self._ladder.climbs[trial], rung)
        model = self._model(rung) if told else None
        if model is None or told is None or told[0] <= model.best:
            return ""
        chance = model.chance(*told)
        if not chance < self._chance:
            return ""
        step, others = self._ladder.steps[rung], f"by {counted(model.count, 'other')} that went to step {self._end:g}"
        said = f"of {chance:.2g}" if chance >= TINY else f"below {TINY:.4f}"
        hope = f"has a chance {said} to become better than {model.best:.6g}"
        return f"curves: {told[0]:.6g} at step {step:g} {hope}, {others}"

    def _model(self, rung: int) -> "_Regression | None":
        """What is learned from those who went to the end, for a trial on ``rung``."""
        if rung not in self._models:
            if self._max is not None and self._end < self._max:
                return None
            ended = self._at[self._end]
            rows = ((_told(self._ladder.climbs[each], rung), ended[each]) for each in sorted(ended)[-MOST:])
            known = [(*told, end) for told, end in rows if told and math.isfinite(end)]
            best = min(ended.values())
            enough = len(known) >= self._least and self._ladder.steps[rung] < self._end
            self._models[rung] = _Regression.of(known, best) if enough else None
        return self._models[rung]


def _told(climb: Climb, rung: int) -> tuple[float, float] | None:
    """(its value on ``rung``, how that has changed since the rung before), if both are known and finite."""
    value, before = climb.on.get(rung, math.inf), climb.on.get(rung - 1, math.inf)
    return (value, value - before) if math.isfinite(value) and math.isfinite(before) else None


@dataclass(frozen=True, slots=True)
class _Regression:
    """y over u1 = x1 - its mean, and u2, what is left of x2 - its mean beside u1; ``spread`` are their squares."""

    count: int
    best: float
    means: tuple[float, float, float]
    slopes: tuple[float, float]
    shared: float
    spread: tuple[float, float]
    freedom: int
    variance: float

    @classmethod
    def of(cls, rows: Sequence[tuple[float, float, float]], best: float) -> Self | None:
        """From rows of (x1, x2, y); None when they are too large for a float."""
        n = len(rows)
        m1, m2, m3 = (sum(column) / n for column in zip(*rows, strict=True))
        s11, s12, s22, s1y, s2y, syy = _products((x1 - m1, x2 - m2, y - m3) for x1, x2, y in rows)
        if not math.isfinite(s11 + s22 + syy):
            return None
        flat1 = s11 <= 0
        shared = 0.0 if flat1 else s12 / s11
        left = s22 - shared * s12
        flat2 = left <= FLAT * s22
        b1 = 0.0 if flat1 else s1y / s11
        b2 = 0.0 if flat2 else (s2y - shared * s1y) / left
        freedom = n - 1 - (not flat1) - (not flat2)
        rest = syy - b1 * s1y - (0.0 if flat2 else b2 * (s2y - shared * s1y))
        spread = (math.inf if flat1 else s11, math.inf if flat2 else left)
        return cls(n, best, (m1, m2, m3), (b1, b2), shared, spread, freedom, max(rest, FLAT * syy) / freedom)

    def chance(self, x1: float, x2: float) -> float:
        """The probability that y is below the best, where the others say (x1, x2)."""
        u1 = x1 - self.means[0]
        u2 = x2 - self.means[1] - self.shared * u1
        middle = self.means[2] + self.slopes[0] * u1 + self.slopes[1] * u2
        width = self.variance * (1 + 1 / self.count + u1 * u1 / self.spread[0] + u2 * u2 / self.spread[1])
        if not width > 0:
            return float(middle <= self.best)
        return _student((self.best - middle) / math.sqrt(width), self.freedom)


def _products(rows: Iterable[tuple[float, float, float]]) -> tuple[float, ...]:
    """The sums of a a, a b, b b, a y, b y, y y over rows of (a, b, y)."""
    sums = [0.0] * 6
    for a, b, y in rows:
        for index, product in enumerate((a * a, a * b, b * b, a * y, b * y, y * y)):
            sums[index] += product
    return tuple(sums)


def _student(t: float, freedom: int) -> float:
    """P(T < t) of Student's distribution, by the normal one (Wallace, Ann. Math. Stat. 30, 1959, section 3)."""
    z = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return 0.5 * math.erfc(-math.copysign(z, t) / math.sqrt(2))
