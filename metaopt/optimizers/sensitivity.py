"""How much each parameter matters: the share of a model's variance, over the whole space, that it accounts for.

The model is a Gaussian process with noise, fitted to the trials; the shares are its Sobol' indices, with every
parameter drawn as its prior says.  The first-order index of a parameter is what it does alone, as in functional ANOVA
(Hutter, Hoos and Leyton-Brown 2014); the total one is that and all its interactions.  They are estimated with
the two formulas of Jansen (1999), in the design of Saltelli et al. (2010).

    symbol   here     shape    what it is
    d, n                       numbers of parameters, of drawn points
    A, B     ``one``  (n, d)   two independent draws from the priors
    A_B^i    mixed    (n, d)   A with column i of B
    f                 (n,)     posterior mean
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats.qmc import Sobol

from metaopt.messages import Params
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.gaussian import Posterior, condition, solve_lower
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.likelihood import MANY_COORDINATES, default_kernel, fit
from metaopt.optimizers.outcomes import only
from metaopt.space import Space

SEED = 0
DRAWN = 2048
ITERATIONS = 60
KNOWN = 300
"""Of more trials, so many are modelled, evenly spread over the study."""


class Sensitivity(NamedTuple):
    """For each searched parameter ``first`` and ``total`` indices, (d,), 0 to 1.

    ``explained`` is the share of the trials' variance that the model predicts when each trial is left out in its turn:
    how far it can be believed; 0 or less: not at all.
    """

    first: Array
    total: Array
    explained: float


def sensitivity(space: Space, tried: Sequence[tuple[Params, float]]) -> Sensitivity | None:
    """That of the values in ``tried`` (params, value) to each parameter of ``space``; None when nothing can be learned.

    So it is when there are no two different values, or no two different points.
    """
    known = [tried[at] for at in np.linspace(0, len(tried) - 1, min(len(tried), KNOWN)).astype(int)]
    if len({value for _, value in known}) < 2 or len({tuple(space.to_unit(p)) for p, _ in known}) < 2:  # noqa: PLR2004
        return None
    with np.errstate(all="ignore"):
        encoding = Encoding(space)
        posterior = _modelled(encoding, known)
        draws = Sobol(2 * encoding.dimension, rng=np.random.default_rng(SEED)).random(DRAWN)
        one, other = draws[:, : encoding.dimension], draws[:, encoding.dimension :]

        def mean(points: Array) -> Array:
            return posterior.mean(encoding.features(encoding.snap(points)))

        here, there = mean(one), mean(other)
        variance = np.concatenate([here, there]).var()
        first, total = [], []
        for column in range(encoding.dimension):
            mixed = one.copy()
            mixed[:, column] = other[:, column]
            found = mean(mixed)
            first.append(variance - ((there - found) ** 2).mean() / 2)
            total.append(((here - found) ** 2).mean() / 2)
        explained = _explained(posterior)
    if not variance > 0 or not np.isfinite(variance):
        return None
    shares = np.clip(np.array([first, total]) / variance, 0.0, 1.0)
    return Sensitivity(np.minimum(*shares), shares[1], explained)


def _modelled(encoding: Encoding, tried: Sequence[tuple[Params, float]]) -> Posterior:
    """A Gaussian process fitted to ``tried``."""
    sparse = encoding.dimension > MANY_COORDINATES
    features = encoding.features(encoding.points([params for params, _ in tried]))
    values = only(np.array([[value] for _, value in tried]))
    start = default_kernel(encoding.dimension, encoding.groups, sparse=sparse)
    return condition(fit(features, values, [start], ITERATIONS, sparse=sparse), features, values)


def _explained(posterior: Posterior) -> float:
    """1 - the squared errors of leaving one out (R&W 5.10 to 5.12) / those of the mean."""
    lower = posterior.factor
    inverse = solve_lower(lower, np.eye(len(lower)))
    errors = posterior.weights / (inverse**2).sum(axis=0)
    values = lower @ (lower.T @ posterior.weights)
    spread = ((values - values.mean()) ** 2).sum()
    return float(1.0 - (errors**2).sum() / spread) if spread > 0 else 0.0
