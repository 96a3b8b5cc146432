"""What trials know that have no value, stopped, paused or still running: a model over points and budgets.

A Gaussian process has the budget as one more coordinate (Kandasamy et al. 2017, BOCA; Klein et al. 2020, MOBSTER), so
it finds out by itself how much a value of long before the end says.  What curves have in common, that losses fall, is
none of its business: values of each level are first brought to the scale of the end, level by level, by the straight
line through the trials that have been to both (the autoregression of Kennedy and O'Hagan 2000).

    symbol   here      shape   what it is
    T        longest           the step at which trials end: the farthest one of those that have a value
    l        level             of a step: log(step / T) / log(RATIO), rounded; 0 is the end, all before are below
    s        budgets   (n,)    1 + log2(step / T) / DOUBLINGS, at least 0: the coordinate of the model
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from metaopt.optimizers.encoding import Encoding, Mask
from metaopt.optimizers.kernels import Array, Indices
from metaopt.optimizers.outcomes import Scale, tail
from metaopt.optimizers.surrogate import Afresh, Told
from metaopt.space import Space

RATIO = 1.5
"""Steps that differ by less are taken for the same level."""
DOUBLINGS = 6.0
LEVELS = 3
"""Of trials that went further, values on so many levels are known to the model too: on those where most have ended."""
PAIRS = 2.0
"""So many trials, to begin with, say that a value differs at the end as it does before."""


@dataclass(frozen=True, slots=True)
class Curve:
    """How the trial at ``point`` (d,) stood at each of ``steps`` (k,): ``values`` (k,), and after how many seconds."""

    point: Array
    steps: Array
    values: Array
    seconds: float

    def at(self, step: float) -> float:
        """The value at the last step up to ``step``; NaN when there is none."""
        index = int(np.searchsorted(self.steps, step * (1.0 + 1e-9), side="right")) - 1
        return float(self.values[index]) if index >= 0 else math.nan


class AtTheEnd(Encoding):
    """The features of a point at the end of a trial: one more than usual."""

    def __init__(self, space: Space) -> None:
        """Of ``space``."""
        super().__init__(space)
        self.groups = np.append(self.groups, self.dimension)

    def features(self, points: Array) -> Array:
        """``points`` (m, d) as features (m, f + 1), the last one being the budget of the end."""
        features = super().features(points)
        features[:, -1] = 1.0
        return features


class Levels:
    """What is known at each level, as rows like those of ``Told``; trials with a value have one at the end too.

    ``points`` is (n, d), ``budgets`` (n,), ``values`` (n, 1), brought to the scale of the end.  ``final`` says which
    rows are those of trials with a value, (n,); ``standing`` is how many have none, but one of the ``curves``.
    """

    width = 1

    def __init__(self, told: Told, curves: Mapping[int, Curve]) -> None:
        """Of ``curves`` by the numbers of their trials, and of the trials that were ``told``."""
        ended = {point.tobytes() for point in told.points[told.final]}
        self.curves = [curves[trial] for trial in sorted(curves) if curves[trial].steps[-1] > 0]
        there = [curve.point.tobytes() in ended for curve in self.curves]
        farthest = [float(curve.steps[-1]) for curve in self.curves]
        over = [step for step, done in zip(farthest, there, strict=True) if done]
        self.longest, self.standing = max(over or farthest, default=1.0), len(farthest) - len(over)
        self._last = [0 if done else self._level(step) for step, done in zip(farthest, there, strict=True)]
        self._steps: dict[int, float] = {}
        for level, step in zip(self._last, farthest, strict=True):
            self._steps[level] = max(self._steps.get(level, 0.0), step)
        self._put_together(told)

    def _put_together(self, told: Told) -> None:
        """The rows of what was told, and those of curves."""
        rows, lines = [*self._rows()], self._lines()
        brought = [lines[level][0] + lines[level][1] * min(value, lines[level][2]) for _, level, value in rows]
        budgets = [max(1.0 + level * math.log2(RATIO) / DOUBLINGS, 0.0) for _, level, _ in rows]
        self.points: Array = np.concatenate([told.points, *(point[None, :] for point, _, _ in rows)])
        self.values: Array = np.concatenate([told.values[:, 0], brought])[:, None]
        self.budgets: Array = np.concatenate([np.ones(len(told)), budgets])
        self.final: Mask = np.concatenate([told.final, np.zeros(len(rows), dtype=np.bool_)])

    def __len__(self) -> int:
        return len(self.points)

    def _level(self, step: float) -> int:
        return min(round(math.log(step / self.longest) / math.log(RATIO)), -1)

    def _rows(self) -> Iterator[tuple[Array, int, float]]:
        """(point, level, value) of each trial where it stands, if it has no value, and on the usual levels before."""
        usual = {level for level, _ in Counter(level for level in self._last if level).most_common(LEVELS)}
        for curve, last in zip(self.curves, self._last, strict=True):
            for level in sorted({level for level in usual if level < last} | ({last} if last else set())):
                value = curve.at(self._steps[level])
                if not math.isnan(value):
                    yield curve.point, level, value

    def _lines(self) -> dict[int, tuple[float, float, float]]:
        """(a, b, most) of each level: what y there comes to at the end is a + b min(y, most), by those that went on."""
        lines, high = {0: (0.0, 1.0, math.inf)}, np.array([curve.values[-1] for curve in self.curves])
        for above, level in pairwise([0, *sorted(self._steps.keys() - {0}, reverse=True)]):
            low = np.array([curve.at(self._steps[level]) for curve in self.curves])
            both, most = np.array(self._last) >= above, tail(low)
            a, b = _line(np.minimum(low, most)[both], np.minimum(high, tail(high[both]))[both])
            lines[level] = (lines[above][0] + lines[above][1] * a, lines[above][1] * b, most)
            high = low
        return lines


class Rates:
    """What a step costs, as rows like those of ``Told``: the logarithm of seconds, by the curves so far."""

    width = 1

    def __init__(self, curves: Sequence[Curve]) -> None:
        """Of these trials."""
        timed = [curve for curve in curves if curve.seconds > 0]
        self.points = np.array([curve.point for curve in timed])
        self.values = np.log([[curve.seconds / float(curve.steps[-1])] for curve in timed])

    def __len__(self) -> int:
        return len(self.points)

    @property
    def spread(self) -> float:
        """The standard deviation."""
        return float(self.values.std()) if len(self) else 0.0


class Levelled(Afresh):
    """A Gaussian process over points and budgets."""

    def __init__(self, encoding: Encoding, seed: int, levels: Levels, scale: Scale, *, sparse: bool = False) -> None:
        """Fitted to rows of ``levels``; ``encoding`` is one of the end."""
        super().__init__(encoding, seed, levels, scale, sparse=sparse)
        self._levels = levels

    def _features(self, rows: Indices) -> Array:
        features = self._encoding.features(self._levels.points[rows])
        features[:, -1] = self._levels.budgets[rows]
        return features


def _line(low: Array, high: Array) -> tuple[float, float]:
    """(a, b) of high = a + b low (n,), (n,) by least squares; the fewer there are, the nearer is b to 1."""
    both = np.isfinite(low) & np.isfinite(high)
    if not both.any():
        return 0.0, 1.0
    x, y = low[both], high[both]
    spread = float(((x - x.mean()) ** 2).sum())
    shared = float(((x - x.mean()) * (y - y.mean())).sum())
    weight = PAIRS / len(x) * spread
    slope = min(max((shared + weight) / (spread + weight), 0.0), 3.0) if spread > 0 else 1.0
    return float(y.mean() - slope * x.mean()), slope
