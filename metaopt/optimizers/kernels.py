"""The covariance of two points: Matern-5/2 with a length-scale for each coordinate.

Notation, as in R&W: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006).

    symbol   here              shape   what it is
    d                                  number of coordinates of a point, each with its own length-scale
    f                                  number of features: one for a number, one per value for a category
    x        rows of a, b      (f,)    a point, as features
    l_k^-2   inverse_squares   (d,)    inverse squared length-scales
    s        signal                    variance of the function
    v        noise                     variance of an observation around the function
    r^2                        (n, m)  sum over k of (x_k - x'_k)^2 / l_k^2

A category with the values 1..c is the features e_value / sqrt(2), so that two different values have the squared
distance 1 and two equal ones 0: the Hamming distance.  All its features share one length-scale; ``groups`` says
for each feature to which coordinate it belongs.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]

ROOT5 = np.sqrt(5.0)


@dataclass(frozen=True, slots=True)
class Kernel:
    """k(x, x') = s (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r), R&W equation 4.17; and the noise of observations."""

    inverse_squares: Array
    signal: float
    noise: float
    groups: Indices

    @property
    def logs(self) -> Array:
        """(log l^-2 ..., log s, log v), shape (d + 2,): what the fit moves."""
        return np.asarray(np.log(np.concatenate([self.inverse_squares, [self.signal, self.noise]])))

    @property
    def feature_weights(self) -> Array:
        """The l_k^-2 of each feature, shape (f,)."""
        return self.inverse_squares[self.groups]

    def squared_distances(self, a: Array, b: Array) -> Array:
        """r^2 between the rows of ``a`` (n, f) and ``b`` (m, f), shape (n, m); never an (n, m, f) array."""
        root = np.sqrt(self.feature_weights)
        middle = a.mean(axis=0)  # keeps the cancellation below small
        a, b = (a - middle) * root, (b - middle) * root
        left = np.column_stack([a, (a**2).sum(axis=1), np.ones(len(a))])
        right = np.column_stack([-2.0 * b, np.ones(len(b)), (b**2).sum(axis=1)])
        squares = left @ right.T  # |a|^2 - 2 ab + |b|^2, in one product
        return np.asarray(np.maximum(squares, 0.0, out=squares))

    def covariance(self, a: Array, b: Array) -> Array:
        """K(a, b), shape (n, m), without noise."""
        squares = self.squared_distances(a, b)
        scaled = np.sqrt(squares) * ROOT5
        squares *= 5.0 / 3.0
        squares += scaled
        squares += 1.0
        squares *= np.exp(np.negative(scaled, out=scaled), out=scaled)
        squares *= self.signal
        return squares

    def covariance_and_slope(self, a: Array, b: Array) -> tuple[Array, Array]:
        """K(a, b) and dk / d(r^2) = -5/6 s (1 + sqrt(5) r) exp(-sqrt(5) r), both (n, m); smooth also at r = 0."""
        squares = self.squared_distances(a, b)
        scaled = np.sqrt(squares) * ROOT5
        decay = self.signal * np.exp(-scaled)
        slope = (1.0 + scaled) * decay
        squares *= 5.0 / 3.0
        squares *= decay
        return slope + squares, (-5.0 / 6.0) * slope


def from_logs(logs: Array, groups: Indices) -> Kernel:
    """The kernel with these ``logs``, shape (d + 2,)."""
    values = np.exp(logs)
    return Kernel(values[:-2], float(values[-2]), float(values[-1]), groups)
