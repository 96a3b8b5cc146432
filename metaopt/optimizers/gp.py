"""Bayesian optimization with a Gaussian process: the default optimizer.

The first points are a Sobol sequence.  Then each point is the one with the highest acquisition under the posterior
of a Gaussian process (surrogate.py), found by search.py: usually log expected improvement, later every fourth time
a lower confidence bound, and where there are categories every fifth time in the value that was tried least.  Points
that are under way are believed to end at the posterior mean (gaussian.py).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.acquisition import Acquisition, log_expected_improvement, lower_confidence_bound
from metaopt.optimizers.encoding import Encoding, Mask
from metaopt.optimizers.gaussian import Posterior
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.search import TOO_CLOSE, Climb, Field, cover, starts
from metaopt.optimizers.sobol import Sequence01
from metaopt.optimizers.surrogate import Surrogate
from metaopt.optimizers.tried import Tried, chance
from metaopt.space import Space

INCUMBENTS, PERTURBED = 4, 32
"""Candidates near the best points: so many of them, so many around each."""
BOUND_EVERY, LEAST_TRIED_EVERY = 4, 5
"""Trials of which one is chosen by a confidence bound, or in the least tried value of a category."""
BOUND_FROM = 30
"""Before this trial a bound would only visit corners, and expected improvement explores enough."""
STARTS = 8
POLISHED = 8
"""Picks of one answer that are polished; the others are the best candidates."""
POLISH_WORK = 1_600
"""Observed and pending points times polished picks of one answer: what an answer may cost."""
CLIMB = 50
"""Iterations of the polish."""
BELIEVED = 256
"""Pending points that the model takes in, those that promise most; and picks of one answer."""


class GaussianProcess:
    """Proposes points by a model of all that was told.  Points that are not in the space are ignored."""

    def __init__(self, space: Space, seed: int, *, start: int | None = None) -> None:
        """Search ``space``; equal seeds give equal points.

        ``start`` trials must have a value before the model is asked; by default d + 1, but 8 at least and 10 at most.
        """
        self._space, self._seed = space, seed
        self._encoding = Encoding(space)
        self._start = max(1, start) if start is not None else min(max(self._encoding.dimension + 1, 8), 10)
        self._sequence = Sequence01(self._encoding.dimension, seed)
        self._surrogate = Surrogate(self._encoding, seed)
        self._tried = Tried(space)

    def tell(self, params: Params, value: float) -> None:
        """A trial has ended with ``value``, NaN or infinite when it has none."""
        self._tried.add(params)
        if self._space.contains(params):
            self._surrogate.add(self._encoding.points([params])[0], float(value))

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points; fewer only when a finite space has no more that are new."""
        tried = self._tried.beside(pending)
        if self._encoding.dimension == 0 or self._surrogate.succeeded < self._start:
            return self._spread(count, tried)
        try:
            with np.errstate(all="ignore"):
                return self._model(count, tried, [each for each in pending if self._space.contains(each)])
        except np.linalg.LinAlgError:
            return self._spread(count, self._tried.beside(pending))

    def _spread(self, count: int, tried: Tried) -> list[Params]:
        """Points of the Sobol sequence."""
        return list(tried.claims(count, self._seed, lambda trial, _: self._sequence.point(trial)))

    def _model(self, count: int, tried: Tried, pending: list[Params]) -> list[Params]:
        """Points with the highest acquisition, each one knowing of those before."""
        answer = Answer(self._encoding, self._surrogate, tried, self._encoding.points(pending), count)
        points: list[Params] = []
        for point in tried.claims(count, self._seed, answer.best_point):
            points.append(point)
            answer.pick(self._encoding.points([point])[0])
        return points


class Answer:
    """One answer of the optimizer: point after point from one set of candidates."""

    def __init__(self, encoding: Encoding, surrogate: Surrogate, tried: Tried, pending: Array, count: int) -> None:
        """For ``count`` points, while ``pending`` (p, d) are under way; ``tried`` is kept by the caller."""
        self._encoding, self._tried, self._picks = encoding, tried, 0
        posterior = surrogate.posterior()
        self._visited = np.concatenate([surrogate.points, pending])
        features = _most_promising(posterior, encoding.features(pending))
        self._target = float(posterior.mean(np.concatenate([posterior.inputs, features])).min())
        posterior = posterior.believe(features)
        rng = chance(surrogate.seed, tried.trials)
        points = self._candidates(surrogate, posterior, rng)
        self._field = Field(posterior, encoding, points, min(count, BELIEVED))
        self._unseen = np.array([not tried.has(point) for point in points], dtype=np.bool_)
        self._polished = min(POLISHED, POLISH_WORK // len(posterior.inputs) + 1)

    def best_point(self, trial: int, rng: np.random.Generator) -> list[float] | None:
        """The point with the highest acquisition for this trial; None when no candidate is left."""
        acquisition = self._acquisition(trial, rng)
        allowed, held = self._field.free & self._unseen, None
        if self._encoding.categories and trial % LEAST_TRIED_EVERY == 0:
            allowed, held = self._least_tried(allowed, rng)
        scores = np.where(allowed, acquisition(self._field.mean, self._field.variance)[0], -np.inf)
        if not np.isfinite(scores).any():
            return None
        if self._picks >= BELIEVED:
            return list(self._field.points[starts(scores, 2, rng)[-1]].tolist())
        if self._picks < self._polished:
            climb = Climb(self._field.posterior, self._encoding, acquisition, held)
            for point in self._new(climb.improve(self._field.points[starts(scores, STARTS, rng)], CLIMB)):
                return point
        return list(self._field.points[np.argmax(scores)].tolist())

    def _new(self, points: Array) -> Iterator[list[float]]:
        """Those of ``points`` (m, d) at which nothing was observed or is under way."""
        points = self._encoding.on_grid(points)
        apart = self._field.posterior.closest(self._encoding.features(points)) > TOO_CLOSE
        return (point for point in points[apart].tolist() if not self._tried.has(point))

    def pick(self, point: Array) -> None:
        """Believe that ``point`` (d,) is under way."""
        self._unseen &= ~(self._field.points == point).all(axis=1)
        self._visited = np.concatenate([self._visited, point[None, :]])
        if self._picks < BELIEVED:
            mean = self._field.posterior.mean(self._encoding.features(point[None, :]))
            self._target = min(self._target, float(mean[0]))
            self._field.pick(point)
        self._picks += 1

    def _acquisition(self, trial: int, rng: np.random.Generator) -> Acquisition:
        if trial >= BOUND_FROM and trial % BOUND_EVERY == BOUND_EVERY - 1:
            return lower_confidence_bound(rng.uniform(1.0, 3.0))
        return log_expected_improvement(self._target)

    def _candidates(self, surrogate: Surrogate, posterior: Posterior, rng: np.random.Generator) -> Array:
        """A shifted Sobol sequence and neighbours of the best points; every point of a small finite space."""
        if self._encoding.every_point is not None:
            return self._encoding.every_point
        shift = rng.random(self._encoding.dimension)
        best = np.repeat(surrogate.best_points(INCUMBENTS), PERTURBED, axis=0)
        reach = 0.1 * np.minimum(posterior.kernel.inverse_squares**-0.5, 1.0)
        moved = best + reach * rng.standard_normal(best.shape)
        jump = rng.random(best.shape) < 1.0 / self._encoding.dimension
        jump[:, self._encoding.continuous] = False
        moved = np.where(jump, rng.random(best.shape), moved)
        return self._encoding.snap(np.concatenate([(cover(self._encoding.dimension) + shift) % 1.0, moved]))

    def _least_tried(self, allowed: Mask, rng: np.random.Generator) -> tuple[Mask, int | None]:
        """Only candidates with the value that was tried least, of a category drawn by ``rng``; and its column."""
        column = int(rng.choice(self._encoding.categories))
        visited = self._visited[self._encoding.active(self._visited)[:, column]]
        counts = np.bincount(self._encoding.cells(visited, column), minlength=len(self._encoding.values[column]))
        points = self._field.points
        there = self._encoding.cells(points, column) == np.argmin(counts)
        there &= self._encoding.active(points)[:, column] & allowed
        return (there, column) if there.any() else (allowed, None)


def _most_promising(posterior: Posterior, features: Array) -> Array:
    """Those of many pending points (p, f) that the model has to know about."""
    if len(features) <= BELIEVED:
        return features
    mean, variance = posterior.predict(features)
    return features[np.argsort(mean - 2.0 * np.sqrt(variance), kind="stable")[:BELIEVED]]
