"""The model of a study so far: what was told, the kernel that is fitted to it, and its posterior.

Everything is a function of what was told, in its order: what is kept here is kept for speed only.
"""

import numpy as np

from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.gaussian import Posterior, condition
from metaopt.optimizers.kernels import Array, Indices, Kernel
from metaopt.optimizers.likelihood import default_kernel, fit
from metaopt.optimizers.outcomes import standardise
from metaopt.optimizers.tried import chance

EAGER = 100
"""Up to so many observations the kernel is fitted to every new one, then after 5 % more."""
REFIT = 1.05
ITERATIONS = 60
"""Of a fit; half of them after that, when it starts near its end."""
FITTED_BEST, FITTED_OTHERS = 150, 250
"""More than 500 observations: the kernel is fitted to the best ones and some others."""
SUBSET = 500
KEPT_BEST, KEPT_LATEST, KEPT_OTHERS = 400, 300, 300
"""More observations than these together: the model knows the best, the latest and some others."""


class Surrogate:
    """A Gaussian process over the points that were told."""

    def __init__(self, encoding: Encoding, seed: int) -> None:
        """Nothing has been told."""
        self._encoding, self.seed = encoding, seed
        self._points: list[Array] = []
        self._values: list[float] = []
        self._kernels: dict[int, Kernel] = {}
        self._posterior: Posterior | None = None

    def add(self, point: Array, value: float) -> None:
        """An observation of ``value`` (NaN: failed) at ``point`` (d,)."""
        self._points.append(point)
        self._values.append(value if np.isfinite(value) else np.nan)
        self._posterior = None

    @property
    def points(self) -> Array:
        """All points (n, d)."""
        return np.array(self._points).reshape(len(self._points), self._encoding.dimension)

    @property
    def succeeded(self) -> int:
        """How many observations have a value."""
        return int(np.isfinite(self._values).sum())

    def best_points(self, count: int) -> Array:
        """The points with the lowest values, best first, (at most ``count``, d)."""
        return self.points[np.argsort(self._values, kind="stable")[:count]]

    def posterior(self) -> Posterior:
        """After everything that was told (more than 1,000 observations: a part of them)."""
        if self._posterior is None:
            kernel = self._kernel(_last_step(len(self._values)))
            values = standardise(np.array(self._values))
            kept = np.arange(len(values))
            if len(values) > KEPT_BEST + KEPT_LATEST + KEPT_OTHERS:
                kept = self._kept(values)
            features = self._encoding.features(self.points[kept])
            self._posterior = condition(kernel, features, values[kept])
        return self._posterior

    def _kept(self, values: Array) -> Indices:
        order = np.argsort(values, kind="stable")
        best, latest = order[:KEPT_BEST], np.arange(len(values) - KEPT_LATEST, len(values))
        others = np.setdiff1d(order, np.concatenate([best, latest]))
        drawn = chance(self.seed, len(values)).permutation(others)[:KEPT_OTHERS]
        return np.unique(np.concatenate([best, latest, drawn]))

    def _kernel(self, count: int) -> Kernel:
        """Fitted to the first ``count`` observations, starting also from where an earlier fit ended.

        The earlier fits make a chain of doublings, so that a resumed study, which has none of them yet, gets
        the same ones at little cost.
        """
        if count not in self._kernels:
            values = standardise(np.array(self._values[:count]))
            fitted = np.arange(count) if count <= SUBSET else self._fitted(values)
            inputs = self._encoding.features(self.points[fitted])
            iterations = ITERATIONS if count <= EAGER else ITERATIONS // 2
            self._kernels[count] = fit(inputs, values[fitted], self._starts(count), iterations)
        return self._kernels[count]

    def _fitted(self, values: Array) -> Indices:
        order = np.argsort(values, kind="stable")
        others = chance(self.seed, len(values)).permutation(order[FITTED_BEST:])[:FITTED_OTHERS]
        return np.concatenate([order[:FITTED_BEST], others])

    def _starts(self, count: int) -> list[Kernel]:
        dimension = self._encoding.dimension
        default = default_kernel(dimension, self._encoding.groups)
        anchor = _anchor_below(count)
        if anchor is None:
            return [default]
        earlier = self._kernel(anchor)
        return [earlier, default] if count <= EAGER else [earlier]


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
