"""Parzen estimators: the density around some points, over parameters that count together.

    symbol   here     shape            what it is
    d                                  number of parameters
    x        points   (m, d)           points of the unit cube
    mu_i     centres  (n, d)           where the kernels stand
    b_i      widths   (n, d) or ()     their bandwidths
    w_i      weights  (n,)             of the kernels
    v        prior    ()               weight of the prior, the uniform density

p(x) = (v + sum over i of w_i k_i(x)) / (v + sum of w_i), relative to the uniform density.  k_i(x) is a product over the
parameters: of a normal distribution around mu_i, truncated to the cube, for a number (of its share of the cell, where
there are few values), and of smoothed counts for a category.

Bergstra, Bardenet, Bengio and Kegl, Algorithms for hyper-parameter optimization (2011); multivariate kernels as in
Watanabe, Tree-structured Parzen estimator: understanding its algorithm components (2023), section 3.3.

log k_i(x) is linear in (x^2, x, 1) and in indicators of a few values: all kernels at all points are one matrix product.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.kernels import Array, Indices

FEW = 16
"""For a number with up to so many values a kernel is summed over each cell; with more it is taken at the value."""
NARROWEST = 100
"""No bandwidth is below 1 / min(100, n + 2) of the range: the magic clip of Bergstra et al."""
NEVER = 1e-300


class Axes:
    """Parameters that count together, as a kernel sees them."""

    def __init__(self, encoding: Encoding, columns: list[int]) -> None:
        """Those in ``columns`` of the points of ``encoding``."""
        self._values = {
            axis: encoding.values[column] for axis, column in enumerate(columns) if column in encoding.values
        }
        self.categories = [axis for axis, column in enumerate(columns) if column in encoding.categories]
        few = [axis for axis, values in self._values.items() if axis in self.categories or len(values) <= FEW]
        self.edges = {axis: np.concatenate([[0.0], _middles(self._values[axis]), [1.0]]) for axis in few}
        self.smooth = [axis for axis in range(len(columns)) if axis not in few]

    def snap(self, points: Array) -> Array:
        """``points`` (m, d) with those that have values on them."""
        snapped = points.copy()
        for axis, values in self._values.items():
            snapped[:, axis] = values[np.searchsorted(_middles(values), points[:, axis], side="right")]
        return snapped

    def cells(self, points: Array, axis: int) -> Indices:
        """The number of the cell in which each of ``points`` (m, d) lies, shape (m,)."""
        return np.searchsorted(self.edges[axis][1:-1], points[:, axis], side="right")

    def expand(self, points: Array) -> Array:
        """``points`` (m, d) as what the logarithm of a kernel is linear in: (m, f)."""
        x = points[:, self.smooth]
        there = [np.eye(len(edges) - 1)[self.cells(points, axis)] for axis, edges in self.edges.items()]
        return np.concatenate([x**2, x, np.ones((len(x), 1)), *there], axis=1)


class Parzen:
    """The density around ``centres`` (n, d) with bandwidths ``widths`` and ``weights`` (n,)."""

    def __init__(self, axes: Axes, centres: Array, widths: Array, weights: Array, prior: float = 1.0) -> None:
        """The prior has the weight ``prior``."""
        self._axes, self._centres, self._widths = axes, centres, np.broadcast_to(widths, centres.shape)
        self._share = 1.0 / (len(centres) + 1)
        self._weights = np.append(weights, prior)
        kernels = self._kernels(centres, self._widths)
        self._count = len(centres) + 1
        self._logs = np.zeros((kernels.shape[1], 2 * self._count))
        self._logs[:, : len(centres)] = kernels.T
        self._log_weights = np.concatenate([np.log(self._weights), np.zeros(self._count)])

    def log(self, rows: Array) -> Array:
        """The logarithm of (v + sum of w) p, at points that were expanded (m, f); shape (m,)."""
        logs = rows @ self._logs[:, : self._count] + self._log_weights[: self._count]
        highest = logs.max(axis=1)
        return np.asarray(highest + np.log(np.exp(logs - highest[:, None]).sum(axis=1)))

    def add(self, centre: Array, width: Array) -> None:
        """One more kernel, with weight 1: around ``centre`` (d,)."""
        if self._count == len(self._log_weights):
            self._logs = np.concatenate([self._logs, np.zeros_like(self._logs)], axis=1)
            self._log_weights = np.concatenate([self._log_weights, np.zeros_like(self._log_weights)])
        self._logs[:, self._count] = self._kernels(centre[None, :], np.broadcast_to(width, (1, len(centre))))[0]
        self._count += 1

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Points (count, d) of this density, those with values on them."""
        chosen = rng.choice(len(self._weights), count, p=self._weights / self._weights.sum())
        points, switch = rng.random((2, count, self._centres.shape[1]))
        moved = chosen < len(self._centres)
        centres, widths = self._centres[chosen[moved]], self._widths[chosen[moved]]
        below, above = ndtr(-centres / widths), ndtr((1.0 - centres) / widths)
        near = np.clip(centres + widths * ndtri(below + points[moved] * (above - below)), 0.0, 1.0)
        for axis in self._axes.categories:
            size = len(self._axes.edges[axis]) - 1
            stays = switch[moved, axis] < 1.0 / (1.0 + self._share * size)
            near[:, axis] = np.where(stays, centres[:, axis], points[moved, axis])
        points[moved] = near
        return self._axes.snap(points)

    def _kernels(self, centres: Array, widths: Array) -> Array:
        """The logarithms of kernels (n, f), to be multiplied with expanded points."""
        mu, b = centres[:, self._axes.smooth], widths[:, self._axes.smooth]
        mass = (ndtr((1.0 - mu) / b) - ndtr(-mu / b)) * b * np.sqrt(2.0 * np.pi)
        constant = (-0.5 * (mu / b) ** 2 - np.log(mass)).sum(axis=1, keepdims=True)
        parts = [-0.5 / b**2, mu / b**2, constant]
        for axis in self._axes.edges:
            category = axis in self._axes.categories
            shares = self._counts(axis, centres) if category else self._shares(axis, centres, widths)
            parts.append(np.log(np.maximum(shares, NEVER)))
        return np.concatenate(parts, axis=1)

    def _counts(self, axis: int, centres: Array) -> Array:
        """([same] + s) / (1 + s c), s = 1 / (n + 1), relative to 1 / c: for the c values of a category; (n, c)."""
        size = len(self._axes.edges[axis]) - 1
        same = np.eye(size)[self._axes.cells(centres, axis)]
        return (same + self._share) * size / (1.0 + self._share * size)

    def _shares(self, axis: int, centres: Array, widths: Array) -> Array:
        """The share of each cell of a number in each kernel, relative to the width of the cell; (n, cells)."""
        edges = self._axes.edges[axis]
        below = ndtr((edges - centres[:, [axis]]) / widths[:, [axis]])
        return np.asarray(np.diff(below, axis=1) / (below[:, -1:] - below[:, :1]) / np.diff(edges))


def apart(centres: Array) -> Array:
    """Bandwidths (n, d): how far, by each parameter, ``centres`` (n, d) are from the farther neighbour."""
    count = len(centres)
    order = np.argsort(centres, axis=0, kind="stable")
    gaps = np.diff(np.take_along_axis(centres, order, axis=0), axis=0)
    ends = np.zeros((1, centres.shape[1])) if count > 1 else np.ones((1, centres.shape[1]))
    farther = np.maximum(np.concatenate([ends, gaps]), np.concatenate([gaps, ends]))
    widths = np.empty_like(centres)
    np.put_along_axis(widths, order, farther[:count], axis=0)
    return np.clip(widths, 1.0 / min(NARROWEST, count + 2), 1.0)


def even(count: int, dimension: int, width: float) -> Array:
    """One bandwidth for all of ``count`` centres: ``width`` n^(-1 / (d + 4)), Scott's rule."""
    count = max(count, 1)
    return np.asarray(max(width * count ** (-1.0 / (dimension + 4.0)), 1.0 / min(NARROWEST, count + 2)))


def _middles(values: Array) -> Array:
    return np.asarray((values[1:] + values[:-1]) / 2.0)
