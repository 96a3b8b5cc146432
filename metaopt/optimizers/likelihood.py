"""The fit of a kernel: its most probable hyperparameters (MAP), by analytic gradients.

Symbols are those of kernels.py and gaussian.py.  All gradients are with respect to the logarithms
(log l^-2 ..., log s, log v), in which the search moves; the priors are densities over l (or l^-2), s and v
themselves, so no Jacobian of the logarithm is added.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from metaopt.optimizers.gaussian import cholesky, solve_lower
from metaopt.optimizers.kernels import Array, Indices, Kernel, from_logs

LOWEST_NOISE = 1e-6
"""Variance of an observation, of standardised values: keeps K well conditioned."""

MANY_COORDINATES = 10
"""Above this number, it is asked in turn whether all of them matter, or few."""

BOUNDS = {"inverse_square": (1e-5, 1e5), "signal": (1e-3, 1e3), "noise": (LOWEST_NOISE, 10.0)}
"""Far outside of what the priors allow: they only keep the arithmetic finite."""


def log_marginal_likelihood(kernel: Kernel, inputs: Array, values: Array) -> tuple[float, Array]:
    """The log of p(y | X), R&W equation 5.8, and its gradient (d + 2,), equation 5.9.

    ``inputs`` is (n, f), ``values`` (n,).  The gradient for l_k^-2 is the sum over i, j of W_ij (x_ik - x_jk)^2 for
    a symmetric W, written as two matrix products.
    """
    covariance, slope = kernel.covariance_and_slope(inputs, inputs)
    noisy = covariance.copy()
    noisy[np.diag_indices_from(noisy)] += kernel.noise
    factor = cholesky(noisy)
    alpha = solve_lower(factor, solve_lower(factor, values[:, None]), transposed=True)[:, 0]
    constant = 0.5 * len(values) * np.log(2.0 * np.pi)
    value = -0.5 * values @ alpha - np.log(np.diag(factor)).sum() - constant
    outer = np.outer(alpha, alpha) - _inverse(factor)
    slope *= outer
    pulled = slope.sum(axis=1) @ inputs**2 - np.einsum("nf,nf->f", inputs, slope @ inputs)
    by_coordinate = np.bincount(kernel.groups, pulled, minlength=len(kernel.inverse_squares))
    signal = 0.5 * np.vdot(outer, covariance)
    noise = 0.5 * kernel.noise * np.trace(outer)
    return float(value), np.concatenate([kernel.inverse_squares * by_coordinate, [signal, noise]])


def log_prior(kernel: Kernel, *, sparse: bool) -> tuple[float, Array]:
    """The log of p(hyperparameters) up to a constant, and its gradient (d + 2,).

    s ~ Gamma(2, 1) and v ~ Gamma(1.1, 30): shape and rate.  Length-scales are only kept away from 0 and infinity
    (-0.1 (l^2 + l^-2)); of a ``sparse`` kernel they are expected to be long, and longer with more coordinates:
    l ~ LogNormal(sqrt(2) + log(d) / 2, sqrt(3)) (Hvarfner, Hellsten, Nardi 2024).
    """
    squares = kernel.inverse_squares
    if sparse:
        logs = -0.5 * np.log(squares)
        away = logs - np.sqrt(2.0) - 0.5 * np.log(len(squares))
        scales = -logs - away**2 / 6.0
        gradient = 0.5 + away / 6.0
    else:
        scales = -0.1 * (squares + 1.0 / squares)
        gradient = -0.1 * (squares - 1.0 / squares)
    others = np.log(kernel.signal) - kernel.signal + 0.1 * np.log(kernel.noise) - 30.0 * kernel.noise
    tail = [1.0 - kernel.signal, 0.1 - 30.0 * kernel.noise]
    return float(scales.sum() + others), np.concatenate([gradient, tail])


def default_kernel(dimension: int, groups: Indices, *, sparse: bool) -> Kernel:
    """Where a fit starts that knows nothing: ``dimension`` coordinates whose features are in ``groups`` (f,)."""
    scale = np.exp(np.sqrt(2.0)) * np.sqrt(dimension) if sparse else 1.0
    return Kernel(np.full(dimension, scale**-2.0), 1.0, 1e-3, groups)


def fit(inputs: Array, values: Array, starts: Sequence[Kernel], iterations: int, *, sparse: bool) -> Kernel:
    """The kernel with the highest posterior density that L-BFGS-B reaches from any of ``starts`` (at least one).

    ``inputs`` is (n, f), ``values`` (n,), standardised.
    """
    groups = starts[0].groups
    limits = [BOUNDS["inverse_square"]] * len(starts[0].inverse_squares) + [BOUNDS["signal"], BOUNDS["noise"]]
    bounds = np.log(np.array(limits))

    def loss(logs: Array) -> tuple[float, Array]:
        kernel = from_logs(logs, groups)
        likelihood, its_gradient = log_marginal_likelihood(kernel, inputs, values)
        prior, prior_gradient = log_prior(kernel, sparse=sparse)
        return -likelihood - prior, -its_gradient - prior_gradient

    found = [
        minimize(
            loss,
            np.clip(start.logs, bounds[:, 0], bounds[:, 1]),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": iterations, "ftol": 1e-6, "gtol": 1e-3},
        )
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.fun))
    return from_logs(np.asarray(best.x), groups)


def _inverse(factor: Array) -> Array:
    """(L L^T)^-1, both triangles."""
    inverse, _ = lapack.dpotri(factor, lower=1)
    lower = np.tril(inverse)
    return np.asarray(lower + np.tril(lower, -1).T)
