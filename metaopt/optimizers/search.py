"""The search for the point with the highest acquisition: many candidates first, then the best of them polished.

A surrogate's usual failure is to polish in the wrong category or basin, so most of the work is global: candidates
all over the space, starts drawn from them by merit, and a sweep over all values of each discrete parameter.

    symbol   shape   what it is
    points   (m, d)  in the unit cube, on their grid (encoding.py)
    scores   (m,)    acquisition; -inf where a point must not be proposed
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from scipy.optimize import Bounds, minimize
from scipy.stats import qmc

from metaopt.optimizers.acquisition import Acquisition
from metaopt.optimizers.encoding import Encoding, Mask
from metaopt.optimizers.gaussian import SMALLEST_VARIANCE, Posterior
from metaopt.optimizers.kernels import Array, Indices

Term: TypeAlias = tuple[Posterior, Acquisition]
"""What is to be expected of a point is a sum of terms, each an acquisition under a posterior of its own."""

CANDIDATES = 2048
TOO_CLOSE = 1e-6
"""r^2 below which two points are the same to the model: 1e-3 length-scales."""


class Field:
    """The posterior over a set of candidates, kept up to date while points are picked from it.

    A pick adds one row to V (gaussian.py), which costs one product of V with a vector.
    """

    def __init__(self, posterior: Posterior, encoding: Encoding, points: Array, picks: int) -> None:
        """Over ``points`` (m, d), for up to ``picks`` picks."""
        self.encoding, self.points = encoding, points
        self._posterior, self._picked = posterior, list[tuple[Array, Array, float]]()
        self._features = encoding.features(points)
        cross = posterior.kernel.covariance(posterior.inputs, self._features)
        self.mean = posterior.weights @ cross[: len(posterior.weights)]
        self._closest = cross.max(axis=0)
        self._rows = len(cross)
        self._columns = np.empty((self._rows + picks, len(points)))
        self._columns[: self._rows] = posterior.columns(self._features)
        self.variance = posterior.variance(self._columns[: self._rows])

    @property
    def posterior(self) -> Posterior:
        """That which knows all picks; it learns of them when it is asked for."""
        if self._picked:
            features = np.concatenate([feature for feature, _, _ in self._picked])
            self._posterior, self._picked = self._posterior.believe(features), []
        return self._posterior

    @property
    def free(self) -> Mask:
        """Where there is no observed, pending or picked point, (m,)."""
        signal = self._posterior.kernel.signal
        return np.asarray(self._closest < signal * (1.0 - 5.0 / 6.0 * TOO_CLOSE))  # k near r = 0

    def pick(self, point: Array) -> float:
        """Believe that ``point`` (d,) is under way; gives the posterior mean there."""
        feature = self.encoding.features(point[None, :])
        among = np.flatnonzero((self.points == point).all(axis=1))
        rows, kernel = self._columns[: self._rows], self._posterior.kernel
        column = rows[:, among[0]] if len(among) else self._column(feature)
        pivot = math.sqrt(max(kernel.signal + kernel.noise - float(column @ column), SMALLEST_VARIANCE))
        cross = kernel.covariance(feature, self._features)[0]
        self._columns[self._rows] = row = (cross - column @ rows) / pivot
        self._rows += 1
        self._picked.append((feature, column, pivot))
        self._closest = np.maximum(self._closest, cross)
        self.variance = np.maximum(self.variance - row**2, SMALLEST_VARIANCE)
        return float(self._posterior.mean(feature)[0])

    def _column(self, feature: Array) -> Array:
        """V of one more point (1, f), by forward substitution."""
        column = self._posterior.columns(feature)[:, 0]
        for picked, before, pivot in self._picked:
            covariance = self._posterior.kernel.covariance(picked, feature)[0, 0]
            column = np.append(column, (covariance - before @ column) / pivot)
        return column


@lru_cache(maxsize=4)
def cover(dimension: int) -> Array:
    """Points all over the unit cube (``CANDIDATES``, ``dimension``): a Sobol sequence, to be shifted modulo 1."""
    return np.asarray(qmc.Sobol(dimension, scramble=False).random(CANDIDATES))


def starts(scores: Array, count: int, rng: np.random.Generator) -> Indices:
    """The best of ``scores`` (m,) and ``count - 1`` others, drawn with the probability exp(score); fewer if so few."""
    noise = rng.gumbel(size=len(scores))  # the largest of score + Gumbel noise is such a draw
    drawn = scores + noise
    drawn[np.argmax(scores)] = np.inf
    order = np.argsort(-drawn, kind="stable")[:count]
    return order[np.isfinite(scores[order])]


def score(terms: Sequence[Term], features: Array) -> Array:
    """The sum of ``terms`` at the points with these ``features`` (m, f), shape (m,)."""
    total = np.zeros(len(features))
    for posterior, acquisition in terms:
        total += acquisition(*posterior.predict(features))[0]
    return total


class Climb:
    """Moves points to higher acquisition: along gradients where continuous, value by value elsewhere."""

    def __init__(self, terms: Sequence[Term], encoding: Encoding, box: Array, held: int | None) -> None:
        """Of the sum of ``terms``, between the rows of ``box`` (2, d); the column ``held`` stays as it is."""
        self._terms, self._encoding, self._box = terms, encoding, box
        self._swept = [column for column in encoding.swept if column != held]

    def improve(self, points: Array, iterations: int) -> Array:
        """Better ``points`` (m, d), on their grid, best first."""
        points = self._polish(points, iterations)
        scores = self.score(points)
        if self._swept:
            swept, better = self._sweep(points, scores)
            if (better > scores).any():
                points = self._polish(swept, iterations)
                scores = self.score(points)
        return np.asarray(points[np.argsort(-scores, kind="stable")])

    def score(self, points: Array) -> Array:
        """The acquisition (m,) of ``points`` (m, d)."""
        return score(self._terms, self._encoding.features(points))

    def _sweep(self, points: Array, scores: Array) -> tuple[Array, Array]:
        """Each discrete parameter in turn takes, at each point, the value with the highest acquisition."""
        for column in self._swept:
            low, high = self._box[:, column]
            values = self._encoding.values[column]
            values = values[(low <= values) & (values <= high)]
            if not len(values):
                continue
            variants = np.repeat(points, len(values), axis=0)
            variants[:, column] = np.tile(values, len(points))
            variants = self._encoding.snap(variants)
            found = self.score(variants).reshape(len(points), len(values))
            best = np.argmax(found, axis=1)
            rows = np.arange(len(points))
            gains = found[rows, best] > scores
            chosen = variants.reshape(len(points), len(values), -1)[rows, best]
            points = np.where(gains[:, None], chosen, points)
            scores = np.where(gains, found[rows, best], scores)
        return points, scores

    def _polish(self, points: Array, iterations: int) -> Array:
        """L-BFGS-B over the continuous coordinates of all ``points`` at once: their acquisitions are summed."""
        columns = self._encoding.continuous
        if not len(columns):
            return points
        active = self._encoding.active(points)[:, columns]
        features = self._encoding.features(points)

        def loss(moved: Array) -> tuple[float, Array]:
            features[:, self._encoding.continuous_features] = moved.reshape(active.shape)
            scores, gradient = 0.0, np.zeros_like(features)
            for posterior, acquisition in self._terms:
                mean, variance, mean_gradient, variance_gradient = posterior.predict_with_gradients(features)
                value, by_mean, by_variance = acquisition(mean, variance)
                gradient += by_mean[:, None] * mean_gradient + by_variance[:, None] * variance_gradient
                scores += float(value.sum())
            return -scores, -(gradient[:, self._encoding.continuous_features] * active).ravel()

        found = minimize(
            loss,
            points[:, columns].ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=Bounds(*np.tile(self._box[:, columns], len(points))),
            options={"maxiter": iterations, "ftol": 1e-5},
        )
        polished = points.copy()
        polished[:, columns] = np.asarray(found.x).reshape(active.shape)
        polished = self._encoding.snap(polished)
        better = self.score(polished) > self.score(points)
        return np.where(better[:, None], polished, points)
