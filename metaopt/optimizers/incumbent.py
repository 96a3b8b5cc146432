"""Which of many trials is the best, where values are noisy: the lowest value is the luckiest one."""

from collections.abc import Sequence

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.outcomes import only
from metaopt.optimizers.surrogate import Surrogate, Told
from metaopt.space import Space

SEED = 0
"""Of which trials the model knows, when there are too many for it."""


def lowest_mean(space: Space, tried: Sequence[tuple[Params, float]], among: Sequence[int]) -> int:
    """Which of ``tried`` (params, value), of those with the indices ``among``, has the lowest posterior mean.

    Values are to be minimised.  The posterior is that of a Gaussian process, with noise, fitted to all of them.  Where
    there is none, as with no parameter to tell trials apart by, it is the one with the lowest value.
    """
    encoding = Encoding(space)
    points = encoding.points([params for params, _ in tried])
    told = Told(encoding.dimension, 1)
    for point, (_, value) in zip(points, tried, strict=True):
        told.add(point, value)
    try:
        with np.errstate(all="ignore"):
            posterior, _ = Surrogate(encoding, SEED, told, only).posterior()
            means = posterior.mean(encoding.features(points[list(among)])).tolist()
    except np.linalg.LinAlgError:
        means = [0.0] * len(among)
    return min(zip(means, (tried[index][1] for index in among), among, strict=True))[2]
