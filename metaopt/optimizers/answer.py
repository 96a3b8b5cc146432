"""One answer of the model: point after point from one set of candidates, each one believed to be under way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from metaopt.optimizers.acquisition import log_expected_improvement
from metaopt.optimizers.encoding import Encoding, Mask
from metaopt.optimizers.gaussian import Posterior
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.search import TOO_CLOSE, Climb, Field, Term, cover, score, starts
from metaopt.optimizers.surrogate import Surrogate
from metaopt.optimizers.tried import Tried, chance

INCUMBENTS, PERTURBED = 4, 32
"""Candidates near the best points: so many of them, so many around each."""
STARTS = 8
POLISHED = 8
"""Picks of one answer that are polished; the others are the best candidates."""
POLISH_WORK = 1_600
"""Observed and pending points times polished picks of one answer: what an answer may cost."""
CLIMB = 50
"""Iterations of the polish."""
BELIEVED = 256
"""Pending points that the model takes in, those that promise most; and picks of one answer."""


@dataclass(frozen=True, slots=True)
class View:
    """What an answer goes by: the points that were ``told`` (n, d), which of them are ``feasible`` (n,), and models.

    ``objective`` is that of what is to be small; ``terms`` say how likely it is that all that must hold does, ``price``
    what a trial costs, if they differ: both are logarithms, which are summed.  ``box``
    (2, d) are the lowest and the highest point to be looked at, as far as numbers go.  If there is a ``column``, only
    points are looked for that have the value with the number ``cell`` there.
    """

    encoding: Encoding
    told: Array
    feasible: Mask
    objective: Surrogate
    terms: Sequence[Term]
    box: Array
    column: int | None = None
    cell: int = 0
    price: Sequence[Term] = ()


class Answer:
    """The points that promise most, one after the other."""

    def __init__(self, view: View, tried: Tried, pending: Array, count: int) -> None:
        """For ``count`` points, while ``pending`` (p, d) are under way; ``tried`` is kept by the caller."""
        self._view, self._tried, self._picks = view, tried, 0
        posterior, known = view.objective.posterior()
        features = _most_promising(posterior, view.encoding.features(pending))
        self._hopeful = bool(view.feasible[known].any())
        done = view.encoding.features(view.told[known][view.feasible[known]])
        possible = [done, *([] if view.terms else [features])]
        self._target = float(posterior.mean(np.concatenate(possible)).min()) if self._hopeful else 0.0
        posterior = posterior.believe(features)
        points = self._candidates(posterior, chance(view.objective.seed, tried.trials))
        self._field = Field(posterior, view.encoding, points, min(count, BELIEVED))
        self._limits = score([*view.terms, *view.price], view.encoding.features(points))
        unseen = np.array([not tried.has(point) for point in points], dtype=np.bool_)
        self._allowed = unseen & view.encoding.there(points, view.column, view.cell)
        self._polished = min(POLISHED, POLISH_WORK // len(posterior.inputs) + 1)

    def best_point(self, rng: np.random.Generator) -> list[float] | None:
        """The point with the highest acquisition; None when no candidate is left."""
        scores = np.where(self._field.free & self._allowed, self._scores(), -np.inf)
        if not np.isfinite(scores).any():
            return None
        if self._picks >= BELIEVED:
            return list(self._field.points[starts(scores, 2, rng)[-1]].tolist())
        if self._picks < self._polished:
            climb = Climb(self._terms(), self._view.encoding, self._view.box, self._view.column)
            for point in self._new(climb.improve(self._field.points[starts(scores, STARTS, rng)], CLIMB)):
                return point
        return list(self._field.points[np.argmax(scores)].tolist())

    def promise(self, points: Array) -> Array:
        """The acquisition (m,) of ``points`` (m, d)."""
        return score(self._terms(), self._view.encoding.features(points))

    def pick(self, point: Array) -> None:
        """Believe that ``point`` (d,) is under way."""
        self._allowed &= ~(self._field.points == point).all(axis=1)
        if self._picks < BELIEVED:
            mean = self._field.pick(point)
            self._target = self._target if self._view.terms else min(self._target, mean)
        self._picks += 1

    def _terms(self) -> list[Term]:
        """As long as nothing is feasible, only that counts."""
        improvement = (self._field.posterior, log_expected_improvement(self._target))
        return [*([improvement] if self._hopeful else []), *self._view.terms, *self._view.price]

    def _scores(self) -> Array:
        """The sum of all terms at the candidates, (m,)."""
        if not self._hopeful:
            return self._limits
        return self._limits + log_expected_improvement(self._target)(self._field.mean, self._field.variance)[0]

    def _new(self, points: Array) -> Iterator[list[float]]:
        """Those of ``points`` (m, d) at which nothing was observed or is under way."""
        points = self._view.encoding.on_grid(points)
        apart = self._field.posterior.closest(self._view.encoding.features(points)) > TOO_CLOSE
        return (point for point in points[apart].tolist() if not self._tried.has(point))

    def _candidates(self, posterior: Posterior, rng: np.random.Generator) -> Array:
        """A shifted Sobol sequence and neighbours of the best points; every point of a small finite space."""
        encoding = self._view.encoding
        if encoding.every_point is not None:
            return encoding.every_point
        shift = rng.random(encoding.dimension)
        best = np.repeat(self._incumbents(), PERTURBED, axis=0)
        reach = 0.1 * np.minimum(posterior.kernel.inverse_squares[: encoding.dimension] ** -0.5, 1.0)
        moved = best + reach * rng.standard_normal(best.shape)
        jump = rng.random(best.shape) < 1.0 / encoding.dimension
        jump[:, encoding.continuous] = False
        moved = np.where(jump, rng.random(best.shape), moved)
        low, high = self._view.box
        spread = low + (high - low) * ((cover(encoding.dimension) + shift) % 1.0)
        points = np.concatenate([spread, np.clip(moved, low, high)])
        if self._view.column is not None:
            points[:, self._view.column] = encoding.values[self._view.column][self._view.cell]
        return encoding.snap(points)

    def _incumbents(self) -> Array:
        """The best feasible points; where there are none, those that are so most likely."""
        view = self._view
        if self._hopeful:
            return view.objective.best_points(INCUMBENTS, view.feasible)
        return view.told[np.argsort(-score(view.terms, view.encoding.features(view.told)), kind="stable")[:INCUMBENTS]]


def _most_promising(posterior: Posterior, features: Array) -> Array:
    """Those of many pending points (p, f) that the model has to know about: the lowest by mean - 2 sigma.

    Here sigma is what the nearest observation leaves of it, which is enough to choose by and takes no solving.
    """
    if len(features) <= BELIEVED:
        return features
    kernel = posterior.kernel
    cross = kernel.covariance(posterior.inputs, features)
    left = kernel.signal - cross.max(axis=0) ** 2 / (kernel.signal + kernel.noise)
    lowest = posterior.weights @ cross[: len(posterior.weights)] - 2.0 * np.sqrt(np.maximum(left, 0.0))
    return features[np.argsort(lowest, kind="stable")[:BELIEVED]]
