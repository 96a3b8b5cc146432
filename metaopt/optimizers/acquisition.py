"""Acquisition functions: how much is to be expected of a point, from the posterior's mean and variance there.

    symbol   here       shape   what it is
    mu       mean       (m,)    posterior mean of the function, to be minimised
    sigma^2  variance   (m,)    posterior variance
    y*       best               the value to improve upon
    z                   (m,)    (y* - mu) / sigma
    h        exp(log_h) (m,)    phi(z) + z Phi(z), so that EI = sigma h(z)

Each one gives its value and its derivatives with respect to mean and variance, all (m,); more is better.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from metaopt.optimizers.kernels import Array

Acquisition: TypeAlias = Callable[[Array, Array], tuple[Array, Array, Array]]
"""(mean, variance) -> (value, its derivative by the mean, its derivative by the variance)."""

HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
ROOT_HALF_PI = np.sqrt(0.5 * np.pi)
FAR = -100.0
"""Below it four terms of a series are exact to 1e-13, while the formula in between loses z^2 times the precision."""


def log_h(z: Array) -> tuple[Array, Array]:
    """log(phi(z) + z Phi(z)) and its derivative Phi(z) / h(z), both (m,), without underflow for any z.

    Three ranges, as Ament, Daulton, Eriksson, Balandat and Bakshy (2023), equation 9; in the last one, more terms of
    the series of h(z) = phi(z) / z^2 (1 - 3/z^2 + 15/z^4 - 105/z^6 + ...).
    """
    value, slope = np.empty_like(z), np.empty_like(z)
    near, far = z > -1.0, z <= FAR
    between = ~(near | far)
    for where, formula in ((near, _log_h_near), (between, _log_h_between), (far, _log_h_far)):
        if where.any():
            value[where], slope[where] = formula(z[where])
    return value, slope


def _log_h_near(z: Array) -> tuple[Array, Array]:
    below = ndtr(z)
    h = np.exp(-0.5 * z**2 - HALF_LOG_2PI) + z * below
    return np.log(h), below / h


def _log_h_between(z: Array) -> tuple[Array, Array]:
    """With Phi(z) = phi(z) M, M = sqrt(pi/2) erfcx(-z / sqrt(2)): h = phi(z) (1 - |z| M)."""
    mills = ROOT_HALF_PI * erfcx(-z / np.sqrt(2.0))
    rest = 1.0 + z * mills
    return -0.5 * z**2 - HALF_LOG_2PI + np.log(rest), mills / rest


def _log_h_far(z: Array) -> tuple[Array, Array]:
    inverse = z**-2.0
    series = inverse * (-3.0 + inverse * (15.0 - 105.0 * inverse))
    mills = inverse * (-1.0 + inverse * (3.0 - 15.0 * inverse))
    value = -0.5 * z**2 - HALF_LOG_2PI - 2.0 * np.log(-z) + np.log1p(series)
    return value, -z * (1.0 + mills) / (1.0 + series)


def log_expected_improvement(best: float) -> Acquisition:
    """Log of E[max(y* - f, 0)] = log h(z) + log sigma (Ament et al. 2023, equation 8)."""

    def value(mean: Array, variance: Array) -> tuple[Array, Array, Array]:
        deviation = np.sqrt(variance)
        z = (best - mean) / deviation
        log, slope = log_h(z)
        by_deviation = (1.0 - slope * z) / deviation
        return log + np.log(deviation), -slope / deviation, by_deviation / (2.0 * deviation)

    return value


def log_probability_below(bound: float) -> Acquisition:
    """Log of P(f <= bound) = log Phi((bound - mu) / sigma): that a constraint holds (Gardner et al. 2014)."""

    def value(mean: Array, variance: Array) -> tuple[Array, Array, Array]:
        deviation = np.sqrt(variance)
        z = (bound - mean) / deviation
        log = log_ndtr(z)
        slope = np.exp(-0.5 * z**2 - HALF_LOG_2PI - log)
        return log, -slope / deviation, -slope * z / (2.0 * variance)

    return value


def in_proportion(factor: float) -> Acquisition:
    """``factor`` mu: as a term, it weighs others by the exponential of something that is expected."""

    def value(mean: Array, _: Array) -> tuple[Array, Array, Array]:
        return factor * mean, np.full_like(mean, factor), np.zeros_like(mean)

    return value
