"""From what trials ended with to what a model is fitted to: standardised values."""

import numpy as np

from metaopt.optimizers.kernels import Array

HUGE = 1e300
TAIL = 5.0
"""Values worse than median + TAIL (median - best) are all as bad as that: how bad does not matter."""


def standardise(values: Array) -> Array:
    """``values`` (n,), lower is better, with mean 0 and standard deviation 1; those of failed trials are NaN.

    A failed trial gets the worst value that another one had; it has no part in mean and deviation.  All values equal,
    or all failed, gives zeros.
    """
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(len(values))
    seen = _to_small_numbers(np.clip(values[known], -HUGE, HUGE))
    median, best = np.median(seen), seen.min()
    if median > best:
        seen = np.minimum(seen, median + TAIL * (median - best))
    deviation = seen.std()
    seen = (seen - seen.mean()) / deviation if deviation > 0 else np.zeros(len(seen))
    standardised = np.full(len(values), seen.max())
    standardised[known] = seen
    return standardised


def _to_small_numbers(values: Array) -> Array:
    """``values`` around 0 and within [-1, 1], so that their squares neither overflow nor vanish."""
    halves = values / 2.0 - np.median(values) / 2.0
    reach = np.abs(halves).max()
    return np.asarray(halves / reach if reach > 0 else halves)
