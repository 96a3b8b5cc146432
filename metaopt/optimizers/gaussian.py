"""Exact Gaussian process regression: arrays in, arrays out.

Notation, as in R&W: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006); kernels.py has the rest.

    symbol   here      shape    what it is
    n, p, m                     numbers of observed points, of pending points, of queries
    X        inputs    (n+p, f) observed points, then pending ones, as features
    y                  (n,)     observed values, standardised
    K                  (n, n)   covariance of the observed points, noise v included on its diagonal
    L        factor    (n+p,)*2 lower triangle, L L^T = K of observed and pending points
    alpha    weights   (n,)     K^-1 y
    X*       queries   (m, f)
    V        columns   (n+p, m) L^-1 K(X, X*)

A pending point is believed to end at the posterior mean (the kriging believer of Ginsbourger, Le Riche and Carraro
2010).  Its weight in alpha is then zero: the mean stays exactly what it was, and only the variance shrinks.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import blas, lapack

from metaopt.optimizers.kernels import Array, Kernel

JITTERS = (0.0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0)
"""Added to the diagonal in turn, times its mean, until the factorization succeeds."""

WIDE = 64
"""With so many columns, which are rows to Fortran, it is worth solving X^T L^T = B^T in their place: no copies."""

SMALLEST_VARIANCE = 1e-12
"""Of a standardised function; below it the rounding errors of n ~ 1,000 begin."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is known of the function after the observations (and the pending points)."""

    kernel: Kernel
    inputs: Array
    factor: Array
    weights: Array

    def columns(self, queries: Array) -> Array:
        """V = L^-1 K(X, X*), shape (n + p, m)."""
        return solve_lower(self.factor, self.kernel.covariance(self.inputs, queries))

    def mean(self, queries: Array) -> Array:
        """Posterior mean K(X*, X) alpha, shape (m,); R&W equation 2.25."""
        return np.asarray(self.kernel.covariance(queries, self.inputs[: len(self.weights)]) @ self.weights)

    def predict(self, queries: Array) -> tuple[Array, Array]:
        """Posterior mean and variance of the function (without noise), both (m,); R&W equations 2.25 and 2.26."""
        cross = self.kernel.covariance(self.inputs, queries)
        mean = self.weights @ cross[: len(self.weights)]
        return mean, self.variance(solve_lower(self.factor, cross))

    def variance(self, columns: Array) -> Array:
        """Posterior variance s - |V|^2 of the queries with these ``columns``, shape (m,); R&W equation 2.26."""
        explained = np.einsum("nm,nm->m", columns, columns)
        return np.asarray(np.maximum(self.kernel.signal - explained, SMALLEST_VARIANCE))

    def closest(self, queries: Array) -> Array:
        """The smallest r^2 from each query to an observed or pending point, shape (m,)."""
        return np.asarray(self.kernel.squared_distances(self.inputs, queries).min(axis=0))

    def predict_with_gradients(self, queries: Array) -> tuple[Array, Array, Array, Array]:
        """Mean (m,), variance (m,) and their gradients with respect to the features, both (m, f).

        With g_nm = dk/d(r^2): d k(x_n, x*) / d x* = 2 g_nm (x* - x_n) / l^2.
        """
        cross, slope = self.kernel.covariance_and_slope(self.inputs, queries)
        seen = len(self.weights)
        columns = solve_lower(self.factor, cross)
        solved = solve_lower(self.factor, columns, transposed=True)
        mean_gradient = self._pull(slope[:seen] * self.weights[:, None], queries)
        variance_gradient = -2.0 * self._pull(slope * solved, queries)
        return self.weights @ cross[:seen], self.variance(columns), mean_gradient, variance_gradient

    def _pull(self, pulls: Array, queries: Array) -> Array:
        """Sum over n of 2 pulls_nm (x*_m - x_n) / l^2, shape (m, f)."""
        difference = pulls.sum(axis=0)[:, None] * queries - pulls.T @ self.inputs[: len(pulls)]
        return np.asarray(2.0 * difference * self.kernel.feature_weights)

    def believe(self, pending: Array) -> "Posterior":
        """The posterior with ``pending`` (p, f) appended: the same mean, less variance.

        The factor grows by a block: [[L, 0], [B^T, C]], B = L^-1 K(X, P), C C^T = K(P, P) + v I - B^T B.
        """
        if not len(pending):
            return self
        block = self.columns(pending)
        rest = self.kernel.covariance(pending, pending) - block.T @ block
        rest[np.diag_indices_from(rest)] += self.kernel.noise
        old, new = len(self.factor), len(pending)
        factor = np.zeros((old + new, old + new), order="F")
        factor[:old, :old] = self.factor
        factor[old:, :old] = block.T
        factor[old:, old:] = cholesky(rest)
        return replace(self, inputs=np.concatenate([self.inputs, pending]), factor=factor)


def condition(kernel: Kernel, inputs: Array, values: Array) -> Posterior:
    """The posterior after ``values`` (n,) were observed at ``inputs`` (n, f); R&W algorithm 2.1."""
    covariance = kernel.covariance(inputs, inputs)
    covariance[np.diag_indices_from(covariance)] += kernel.noise
    factor = cholesky(covariance)
    halfway = solve_lower(factor, values[:, None])
    return Posterior(kernel, inputs, factor, solve_lower(factor, halfway, transposed=True)[:, 0])


def cholesky(matrix: Array) -> Array:
    """The lower L with L L^T = ``matrix`` (n, n), in Fortran's order; with jitter where it is not positive definite.

    Raises LinAlgError when no jitter helps: the matrix is not finite.
    """
    diagonal = np.diag_indices_from(matrix)
    scale = max(float(np.mean(matrix[diagonal])), SMALLEST_VARIANCE)
    for jitter in JITTERS:
        trial = np.array(matrix, order="F")
        trial[diagonal] += jitter * scale
        factor, failed = lapack.dpotrf(trial, lower=1, clean=1, overwrite_a=1)
        if not failed and np.isfinite(factor[-1, -1]):
            return np.asarray(factor)
    problem = "covariance matrix is not finite"
    raise np.linalg.LinAlgError(problem)


def solve_lower(factor: Array, right: Array, *, transposed: bool = False) -> Array:
    """L^-1 ``right``, or L^-T ``right``, for a lower ``factor`` (n, n) and ``right`` (n, m)."""
    if right.shape[1] < WIDE:
        return np.asarray(blas.dtrsm(1.0, factor, right, lower=1, trans_a=int(transposed)))
    return np.asarray(blas.dtrsm(1.0, factor, right.T, side=1, lower=1, trans_a=int(not transposed)).T)
