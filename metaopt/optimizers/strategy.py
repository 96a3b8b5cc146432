"""The distribution of CMA-ES and how it learns from a ranked generation.

Equations, names and default constants are those of Hansen, The CMA evolution strategy: a tutorial (2016).

    symbol     here       shape   what it is
    n                             number of coordinates
    lambda     size               members of a generation
    mu, w_i    weights    (mu,)   of the better half
    m          mean       (n,)    of the distribution
    sigma      sigma              its overall deviation
    C          covariance (n, n)  its shape
    p_sigma    drift      (n,)    evolution path of the step size
    p_c        path       (n,)    evolution path of the covariance
"""

import math

import numpy as np

from metaopt.optimizers.kernels import Array

SMALLEST = 1e-11
"""Of the cube: a distribution whose deviations are all below it has converged."""
FLAT = 1e-6
"""Below it a generation of equal values tells that nothing more is to be seen here."""
CONDITION = 1e14
"""Of the covariance: beyond, its directions are no longer known."""
SLACK = 2.0
"""How much longer than usual a step may be: sqrt(n) + 2 n / (n + 2), as Hansen (2011) limits injected ones."""


class Strategy:
    """N(m, sigma^2 C)."""

    def __init__(self, mean: Array, sigma: float, size: int) -> None:
        """Around ``mean`` (n,), round, with generations of ``size`` members."""
        n = max(len(mean), 1)
        self.mean, self.sigma, self.size = mean, sigma, size
        raw = np.log((size + 1) / 2.0) - np.log(np.arange(1, size // 2 + 1))
        self._weights = raw / raw.sum()
        self._mass = mass = float(1.0 / (self._weights**2).sum())  # (8): variance effective selection mass
        self._c_sigma = (mass + 2.0) / (n + mass + 5.0)  # (55)
        self._damping = 1.0 + 2.0 * max(0.0, math.sqrt((mass - 1.0) / (n + 1.0)) - 1.0) + self._c_sigma
        self._c_c = (4.0 + mass / n) / (n + 4.0 + 2.0 * mass / n)  # (56)
        self._c_1 = 2.0 / ((n + 1.3) ** 2 + mass)  # (57)
        self._c_mu = min(1.0 - self._c_1, 2.0 * (mass - 2.0 + 1.0 / mass) / ((n + 2.0) ** 2 + mass))  # (58)
        self._usual = math.sqrt(n) * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n**2))  # E ||N(0, I)||
        self._longest = math.sqrt(n) + SLACK * n / (n + 2.0)
        self._path, self._drift = np.zeros(len(mean)), np.zeros(len(mean))
        self._covariance = np.eye(len(mean))
        self._generations = 0
        self._decompose()

    def draw(self, rng: np.random.Generator, narrowest: Array) -> Array:
        """One point m + sigma B D z (38-40), shape (n,), deviating by ``narrowest`` (n,) at least."""
        step = self._axes @ (self._lengths * rng.standard_normal(len(self.mean)))
        missing = np.maximum(narrowest**2 - self.sigma**2 * np.diag(self._covariance), 0.0)
        return np.asarray(self.mean + self.sigma * step + np.sqrt(missing) * rng.standard_normal(len(self.mean)))

    def learn(self, points: Array) -> None:
        """Take in a generation (lambda, n), the best first."""
        n = len(self.mean)
        self._generations += 1
        steps = self._limited((points - self.mean) / self.sigma)[: len(self._weights)]
        step = self._weights @ steps  # (41)
        self.mean = np.clip(self.mean + self.sigma * step, 0.0, 1.0)  # (42)
        rest = math.sqrt(self._c_sigma * (2.0 - self._c_sigma) * self._mass)
        self._drift = (1.0 - self._c_sigma) * self._drift + rest * self._whitened(step)  # (43)
        length = float(np.linalg.norm(self._drift))
        fresh = math.sqrt(1.0 - (1.0 - self._c_sigma) ** (2 * self._generations))
        moderate = length / fresh < (1.4 + 2.0 / (n + 1.0)) * self._usual  # h_sigma
        rest = math.sqrt(self._c_c * (2.0 - self._c_c) * self._mass) * moderate
        self._path = (1.0 - self._c_c) * self._path + rest * step  # (45)
        stalled = 0.0 if moderate else self._c_c * (2.0 - self._c_c)
        kept = 1.0 - self._c_1 * (1.0 - stalled) - self._c_mu
        rank_mu = (self._weights[:, None] * steps).T @ steps
        self._covariance = (  # (47), with positive weights only
            kept * self._covariance + self._c_1 * np.outer(self._path, self._path) + self._c_mu * rank_mu
        )
        change = self._c_sigma / self._damping * (length / self._usual - 1.0)  # (44)
        self.sigma = min(self.sigma * math.exp(min(change, 1.0)), 1.0)
        self._decompose()

    def converged(self, best: float, worst: float, narrowest: Array) -> bool:
        """Whether nothing is left to find here; ``best`` and ``worst`` are values of the last generation."""
        deviations = self.sigma * np.sqrt(np.diag(self._covariance))
        small = bool((deviations < np.maximum(SMALLEST, 0.1 * narrowest)).all())
        flat = best == worst and bool((deviations < FLAT).all())
        return small or flat or bool(self._lengths.max() > math.sqrt(CONDITION) * self._lengths.min())

    def _limited(self, steps: Array) -> Array:
        """``steps`` (lambda, n) with those shortened that are longer than what is drawn (Hansen 2011, equation 3)."""
        lengths = np.linalg.norm(self._whitened(steps.T), axis=0)
        return np.asarray(steps * np.minimum(1.0, self._longest / np.maximum(lengths, 1e-300))[:, None])

    def _whitened(self, steps: Array) -> Array:
        """C^(-1/2) y: of ``steps`` (n,) or (n, m)."""
        turned = self._axes.T @ steps
        return np.asarray(self._axes @ (turned.T / self._lengths).T)

    def _decompose(self) -> None:
        """C = B D^2 B'."""
        self._covariance = 0.5 * (self._covariance + self._covariance.T)
        squares, self._axes = np.linalg.eigh(self._covariance)
        self._lengths = np.sqrt(np.maximum(squares, 1e-30))
