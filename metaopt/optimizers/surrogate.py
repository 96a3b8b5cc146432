"""A model of one thing that is told of trials: the kernel that is fitted to it, and its posterior.

Everything is a function of what was told, in its order: what is kept here is kept for speed only.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from metaopt.optimizers.encoding import Encoding, Mask
from metaopt.optimizers.gaussian import Posterior, condition
from metaopt.optimizers.kernels import Array, Indices, Kernel
from metaopt.optimizers.likelihood import default_kernel, fit
from metaopt.optimizers.outcomes import Scale, as_row
from metaopt.optimizers.tried import chance

EAGER = 100
"""Up to so many observations the kernel is fitted to every new one, then after 5 % more."""
REFIT = 1.05
ITERATIONS = 60
"""Of a fit; half of them after that, when it starts near its end."""
SUBSET = 1.25
"""So many times as many observations as a kernel is fitted to are no more, but all used."""


class Rows(Protocol):
    """What a model may know."""

    @property
    def points(self) -> Array:
        """Points (n, d)."""
        ...

    @property
    def values(self) -> Array:
        """Of each a row of values (n, width; outcomes.py)."""
        ...

    def __len__(self) -> int:
        """How many."""
        ...


class Told:
    """What was told: ``points`` (n, d), and of each one a row of ``values`` (n, width; outcomes.py)."""

    def __init__(self, dimension: int, width: int) -> None:
        """Nothing yet."""
        self._dimension, self.width = dimension, width
        self._points: list[Array] = []
        self._rows: list[Array] = []

    def __len__(self) -> int:
        return len(self._points)

    def add(self, point: Array, value: float | Sequence[float]) -> None:
        """``value`` was told of ``point`` (d,)."""
        self._rows.append(as_row(value, self.width))
        self._points.append(point)

    @property
    def points(self) -> Array:
        """All points (n, d)."""
        return np.array(self._points).reshape(len(self), self._dimension)

    @property
    def values(self) -> Array:
        """All values (n, width)."""
        return np.array(self._rows).reshape(len(self), self.width)

    @property
    def last(self) -> Array:
        """The values that were told last (width,)."""
        return self._rows[-1]

    @property
    def final(self) -> Mask:
        """Whether each trial has values, (n,)."""
        return np.asarray(np.isfinite(self.values).all(axis=1))


class Surrogate:
    """A Gaussian process over the points that were told, fitted to what ``scale`` makes of their values.

    Of many of them, it knows the best, the latest and some others (``known``); and its kernel is fitted to the best and
    some others (``fitted``).
    """

    known = 400, 300, 300
    fitted = 150, 250

    def __init__(self, encoding: Encoding, seed: int, told: Rows, scale: Scale, *, sparse: bool = False) -> None:
        """``told`` may grow; a ``sparse`` model expects that few coordinates matter (likelihood.py)."""
        self._encoding, self.seed, self._told, self._scale, self.sparse = encoding, seed, told, scale, sparse
        self._kernels: dict[int, Kernel] = {}
        self._seen = -1
        self._modelled: tuple[Posterior, Indices] | None = None

    def best_points(self, count: int, among: Mask) -> Array:
        """Those of the points marked ``among`` (n,) with the lowest values, best first, (at most ``count``, d)."""
        values = np.where(among, self._scale(self._told.values), np.inf)
        return self._told.points[np.argsort(values, kind="stable")[: min(count, among.sum())]]

    def posterior(self) -> tuple[Posterior, Indices]:
        """After everything that was told, and which of that it knows: of more than 1,000 observations, a part."""
        if self._modelled is None or self._seen != len(self._told):
            self._seen = len(self._told)
            kernel = self._kernel(_last_step(self._seen))
            values = self._scale(self._told.values)
            kept = self._kept(values)
            self._modelled = condition(kernel, self._features(kept), values[kept]), kept
        return self._modelled

    def _features(self, rows: Indices) -> Array:
        return self._encoding.features(self._told.points[rows])

    def _kept(self, values: Array) -> Indices:
        order = np.argsort(values, kind="stable")[: np.isfinite(values).sum()]
        if len(order) <= sum(self.known):
            return np.sort(order)
        best, latest = order[: self.known[0]], np.sort(order)[-self.known[1] :]
        others = np.setdiff1d(order, np.concatenate([best, latest]))
        drawn = chance(self.seed, len(values)).permutation(others)[: self.known[2]]
        return np.unique(np.concatenate([best, latest, drawn]))

    def _kernel(self, count: int) -> Kernel:
        """Fitted to the first ``count`` observations, starting also from where an earlier fit ended.

        The earlier fits make a chain of doublings, so that a resumed study, which has none of them yet, gets
        the same ones at little cost.
        """
        if count not in self._kernels:
            values = self._scale(self._told.values[:count])
            fitted, starts = self._fitted(values), self._starts(count)
            iterations = ITERATIONS if count <= EAGER else ITERATIONS // 2
            known = len(fitted) > 0
            features = self._features(fitted)
            self._kernels[count] = (
                fit(features, values[fitted], starts, iterations, sparse=self.sparse) if known else starts[0]
            )
        return self._kernels[count]

    def _fitted(self, values: Array) -> Indices:
        order = np.argsort(values, kind="stable")[: np.isfinite(values).sum()]
        best, others = self.fitted
        if len(order) <= SUBSET * (best + others):
            return np.sort(order)
        drawn = chance(self.seed, len(values)).permutation(order[best:])[:others]
        return np.concatenate([order[:best], drawn])

    def _starts(self, count: int) -> list[Kernel]:
        dimension = self._encoding.dimension
        default = default_kernel(dimension, self._encoding.groups, sparse=self.sparse)
        anchor = _anchor_below(count)
        if anchor is None:
            return [default]
        earlier = self._kernel(anchor)
        return [earlier, default] if count <= EAGER else [earlier]


class Afresh(Surrogate):
    """A model of what is something else each time: no earlier fit is of use, so it is fitted to a part of many."""

    known = 200, 150, 150
    fitted = 80, 80

    def _starts(self, count: int) -> list[Kernel]:  # noqa: ARG002 - what was first is not the same any more
        groups = self._encoding.groups
        return [default_kernel(int(groups.max()) + 1, groups, sparse=self.sparse)]


def _last_step(count: int) -> int:
    """The largest number of observations up to ``count`` at which the kernel is fitted."""
    step = EAGER
    if count <= step:
        return count
    while (following := int(np.ceil(step * REFIT))) <= count:
        step = following
    return step


def _anchor_below(count: int) -> int | None:
    """The largest 8, 16, 32, ... below ``count``, None when there is none."""
    return max((8 << doublings for doublings in range(count.bit_length()) if 8 << doublings < count), default=None)
