"""From what trials ended with to what a model is fitted to: a number for each of them, of ordinary size.

    symbol   here      shape     what it is
    n, k, c                      numbers of trials, of objectives, of constraints
             values    (n, k+c)  as they were told: objectives, all to be minimised, then excesses, all wanted below 0
             scaled    (n,)      what one model is fitted to; NaN where it is to know nothing of a trial

A row of ``values`` is finite, or all NaN (failed), or all inf (failed for what it is: see base.py).
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from metaopt.optimizers.kernels import Array

Scale: TypeAlias = Callable[[Array], Array]
"""values (n, k + c) -> scaled (n,)."""

HUGE = 1e300
TAIL = 5.0
"""Values worse than median + TAIL (median - best) are all as bad as that: how bad does not matter."""
TILT = 0.05
"""Of a scalarisation: a point that is better in one objective and worse in none has the lower value."""
FURTHEST = 3.0
"""An excess that is so many times as large as usual is as bad, or as good, as any."""


def as_row(value: float | Sequence[float], width: int) -> Array:
    """What was told of one trial as a row of ``values`` (width,); raises ValueError for another number of values."""
    row = np.array(value, dtype=np.float64).reshape(-1)
    if np.ndim(value) and len(row) != width:
        problem = f"{len(row)} values were told, and {width} are expected"
        raise ValueError(problem)
    if np.isfinite(row).all() and len(row) == width:
        return row
    return np.full(width, np.inf if (row == np.inf).all() else np.nan)


def only(values: Array) -> Array:
    """The scale of a single objective."""
    return standardise(values[:, 0])


def in_deviations(values: Array) -> Array:
    """One thing that is no objective, (n, 1): its standard deviations from the mean."""
    return np.asarray((values[:, 0] - values.mean()) / values.std())


def weighted(weights: Array) -> Scale:
    """The scale of several objectives (k,): the largest weighted one, augmented (Chebyshev; Knowles 2006, equation 2).

    Each objective is first brought to start at 0 and to be of ordinary size.
    """

    def scale(values: Array) -> Array:
        columns = np.stack([standardise(values[:, each]) for each in range(len(weights))], axis=1)
        known = np.isfinite(values).all(axis=1)
        shares = weights * (columns - (columns[known].min(axis=0) if known.any() else 0.0))
        joined = np.where(known, shares.max(axis=1) + TILT * shares.sum(axis=1), values[:, 0])
        return standardise(joined)

    return scale


def excess(column: int) -> Scale:
    """The scale of a constraint, whose value is in this column: 0 stays 0, and trials without one are left out."""

    def scale(values: Array) -> Array:
        known = np.isfinite(values[:, column])
        scaled = np.full(len(values), np.nan)
        seen = np.clip(values[known, column], -HUGE, HUGE)
        reach = np.median(np.abs(seen)) if len(seen) else 0.0
        scaled[known] = np.clip(seen / reach, -FURTHEST, FURTHEST) if reach > 0 else np.sign(seen)
        return scaled

    return scale


def refusal(values: Array) -> Array:
    """Whether a point can be tried at all: 1 where it was seen that it cannot, -1 where it could."""
    return np.where(np.isfinite(values[:, 0]), -1.0, np.where(np.isposinf(values[:, 0]), 1.0, np.nan))


def standardise(values: Array) -> Array:
    """``values`` (n,), lower is better, with mean 0 and standard deviation 1.

    A failed trial (NaN) gets the worst value that another one had; it has no part in mean and deviation.  One that is
    to be left out (inf) is NaN.  All values equal, or all failed, gives zeros.
    """
    known = np.isfinite(values)
    standardised = np.where(np.isposinf(values), np.nan, 0.0)
    if not known.any():
        return standardised
    seen = _to_small_numbers(np.clip(values[known], -HUGE, HUGE))
    seen = np.minimum(seen, tail(seen))
    deviation = seen.std()
    seen = (seen - seen.mean()) / deviation if deviation > 0 else np.zeros(len(seen))
    standardised += seen.max()
    standardised[known] = seen
    return standardised


def tail(values: Array) -> float:
    """From where on bad ``values`` (n,) are all as bad; infinity where that cannot be said."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.inf
    median, best = float(np.median(finite)), float(finite.min())
    return median + TAIL * (median - best) if median > best else np.inf


def _to_small_numbers(values: Array) -> Array:
    """``values`` around 0 and within [-1, 1], so that their squares neither overflow nor vanish."""
    halves = values / 2.0 - np.median(values) / 2.0
    reach = np.abs(halves).max()
    return np.asarray(halves / reach if reach > 0 else halves)
