"""The tree-structured Parzen estimator: points that are likelier among the good trials than among the others.

Bergstra, Bardenet, Bengio and Kegl, Algorithms for hyper-parameter optimization (2011), and Watanabe, Tree-structured
Parzen estimator: understanding its algorithm components (2023).  The first points are a Sobol sequence.  Then the best
trials make the density l of good points, all others the density g (parzen.py), in which older ones count less; of some
points that are drawn from l, the one with the highest l(x) / g(x) is proposed.

Parameters with the same condition are chosen together, by the trials that had them: first those without, then those
that count with what was chosen.  Trials under way, and the points of the same answer, are in g: so many workers are led
to different places, and no value has to be made up for them.  A tenth of them will be good ones, nobody knows where:
so the prior of l has a tenth of their number as its weight, beside its own.
"""

import math
from collections.abc import Sequence

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.parzen import Axes, Parzen, apart, even
from metaopt.optimizers.sobol import Sequence01
from metaopt.optimizers.tried import Tried
from metaopt.space import Space

GOOD, MOST_GOOD = 0.1, 25
"""The share of the trials that are good ones, and how many there are at most."""
WIDTH = 0.15
"""The bandwidth of g, for one trial.  That of l is how far the good trials are apart."""
RECENT = 25
"""The last so many of the bad trials have weight 1; before, it rises from 1 / n."""
BLOCK = 64
"""The candidates for so many points are drawn together."""


class ParzenEstimator:
    """Proposes points where good trials are denser than the others.  Points that are not in the space are ignored."""

    def __init__(self, space: Space, seed: int, *, start: int = 10, candidates: int = 24) -> None:
        """Search ``space``; equal seeds give equal points.

        ``start`` trials must have ended before the densities are asked, each time for the best of ``candidates``
        points.
        """
        self._space, self._seed, self._start, self._candidates = space, seed, start, candidates
        self._encoding = Encoding(space)
        self._groups = _groups(space)
        self._sequence = Sequence01(self._encoding.dimension, seed)
        self._tried = Tried(space)
        self._points: list[list[float]] = []
        self._values: list[float] = []

    def tell(self, params: Params, value: float) -> None:
        """A trial has ended with ``value``; one that is not finite was a bad one."""
        self._tried.add(params)
        if self._space.contains(params):
            self._points.append(self._space.to_unit(params))
            self._values.append(float(value) if math.isfinite(value) else math.inf)

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points; fewer only when a finite space has no more that are new."""
        tried = self._tried.beside(pending)
        values = np.array(self._values)
        if self._encoding.dimension == 0 or len(values) < self._start or not np.isfinite(values).any():
            return list(tried.claims(count, self._seed, lambda trial, _: self._sequence.point(trial)))
        under_way = [self._space.to_unit(each) for each in pending if self._space.contains(each)]
        points = np.array(self._points + under_way)
        values = np.concatenate([values, np.full(len(under_way), math.inf)])
        active = self._encoding.active(points)
        crowd, groups = len(under_way) + count - 1, []
        for columns in self._groups:
            there = active[:, columns[0]]
            history = points[there][:, columns], values[there]
            groups.append(_Group(Axes(self._encoding, columns), columns, history, crowd, (count, self._candidates)))
        return list(tried.claims(count, self._seed, _Answer(self._space, groups, tried).best))


def _groups(space: Space) -> list[list[int]]:
    """The columns of the parameters that have the same condition, parents first."""
    by_name = {each.name: each for each in space.parameters}

    def depth(name: str) -> int:
        when = by_name[name].when
        return depth(when.parent) + 1 if when else 0

    groups: dict[tuple[int, str], list[int]] = {}
    for column, each in enumerate(space.searched):
        condition = each.when.canonical() if each.when else ""
        groups.setdefault((depth(each.name), condition), []).append(column)
    return [groups[key] for key in sorted(groups)]


class _Group:
    """Parameters that count together: the densities of those trials that had them, and candidates."""

    def __init__(
        self, axes: Axes, columns: list[int], history: tuple[Array, Array], crowd: int, wanted: tuple[int, int]
    ) -> None:
        """``history``: coordinates (n, g), values (n,); ``wanted``: picks, candidates of each."""
        self.columns = columns
        self._axes, (self._left, self._each) = axes, wanted
        points, values = history
        count = min(math.ceil(GOOD * int(np.isfinite(values).sum())), MOST_GOOD)
        good = np.zeros(len(values), dtype=np.bool_)
        good[np.argsort(values, kind="stable")[:count]] = True
        bad = points[~good]
        self._width = even(len(bad), len(columns), WIDTH)
        self._good = Parzen(axes, points[good], apart(points[good]), np.ones(count), prior=1.0 + GOOD * crowd)
        self._bad = Parzen(axes, bad, self._width, _recency(len(bad)))
        self._drawn: list[tuple[Array, Array, Array]] = []

    def candidates(self, rng: np.random.Generator) -> Array:
        """Points (c, g) for the next pick, the most promising first."""
        if not self._drawn:
            count = min(self._left, BLOCK)
            points = self._good.draw(count * self._each, rng)
            rows = self._axes.expand(points)
            self._drawn = list(zip(*(np.split(x, count) for x in (points, rows, self._good.log(rows))), strict=True))
        self._left -= 1
        points, rows, log_good = self._drawn.pop()
        return np.asarray(points[np.argsort(self._bad.log(rows) - log_good, kind="stable")])

    def pick(self, point: Array) -> None:
        """``point`` (g,) is under way."""
        self._bad.add(point, self._width)


class _Answer:
    """One answer: point after point, each of which is in g for those after it."""

    def __init__(self, space: Space, groups: list[_Group], tried: Tried) -> None:
        """From ``groups``, parents first; ``tried`` is kept by the caller."""
        self._space, self._groups, self._tried = space, groups, tried

    def best(self, _: int, rng: np.random.Generator) -> list[float] | None:
        """The most promising point that was not tried; None when there is none among the candidates."""
        drawn: dict[int, Array] = {}
        rank = 0
        while not drawn or rank < min(map(len, drawn.values())):
            point, chosen = self._point(rank, drawn, rng)
            if not self._tried.has(point):
                for group in chosen:
                    group.pick(np.array(point)[group.columns])
                return point
            rank += 1
        return None

    def _point(self, rank: int, drawn: dict[int, Array], rng: np.random.Generator) -> tuple[list[float], list[_Group]]:
        """The ``rank``-th best candidates of those groups that count, put together; and which groups these are."""
        point = np.full(len(self._space.searched), 0.5)
        chosen = []
        for number, group in enumerate(self._groups):
            if self._space.searched[group.columns[0]].name in self._space.from_unit(point.tolist()):
                if number not in drawn:
                    drawn[number] = group.candidates(rng)
                point[group.columns] = drawn[number][rank]
                chosen.append(group)
        return point.tolist(), chosen


def _recency(count: int) -> Array:
    """Weights (count,) of trials, oldest first: rising from 1 / count to 1, then 1 for the last ones."""
    rising = max(count - RECENT, 0)
    return np.concatenate([np.linspace(1.0 / max(count, 1), 1.0, rising), np.ones(count - rising)])
