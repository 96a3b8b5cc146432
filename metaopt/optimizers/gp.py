"""Bayesian optimization with a Gaussian process: the default optimizer.

The first points are a Sobol sequence.  Then each point is the one with the highest log expected improvement under
the posterior of a Gaussian process (surrogate.py), found by answer.py and search.py; where there are categories every
fifth one in the value that was tried least.  Points that are under way are believed to end at the posterior mean
(gaussian.py).  Several objectives are joined by weights, which change from trial to trial (Knowles 2006, ParEGO); a
constraint, and what is known of failures, adds the log of the probability that it holds (Gardner et al. 2014).
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.acquisition import log_probability_below
from metaopt.optimizers.answer import Answer, View
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.outcomes import Scale, excess, only, refusal, weighted
from metaopt.optimizers.sobol import Sequence01
from metaopt.optimizers.surrogate import Surrogate, Told
from metaopt.optimizers.tried import Tried
from metaopt.space import Space

WEIGHTS = 12
"""About so many different weights are given to several objectives, in turn."""
SIDES = 4
"""Up to so many of them in one answer."""
CAUTIOUS = -0.75
"""From -1, where a trial was possible, to 1, where it was not: a trial that fails tells nothing of the objective."""


class GaussianProcess:
    """Proposes points by a model of all that was told.  Points that are not in the space are ignored."""

    def __init__(
        self, space: Space, seed: int, *, start: int | None = None, objectives: int = 1, constraints: int = 0
    ) -> None:
        """Search ``space``; equal seeds give equal points.

        ``start`` trials must have a value before the model is asked; by default d + 1, but 8 at least and 10 at most.
        With several ``objectives``, or with ``constraints``, all their values are told of each trial.
        """
        self._space, self._seed, self._objectives = space, seed, objectives
        self._encoding = Encoding(space)
        self._start = max(1, start) if start is not None else min(max(self._encoding.dimension + 1, 8), 10)
        self._sequence = Sequence01(self._encoding.dimension, seed)
        self._tried = Tried(space)
        self._told = Told(self._encoding.dimension, objectives + constraints)
        scales: list[Scale] = [only] if objectives == 1 else [weighted(each) for each in weights(objectives)]
        self._sides = [self._surrogate(scale) for scale in scales]
        self._limits = [self._surrogate(excess(objectives + column)) for column in range(constraints)]
        self._refusal = self._surrogate(refusal)

    def tell(self, params: Params, value: float | Sequence[float]) -> None:
        """A trial has ended with ``value``: NaN when it failed, inf when it did for what it is."""
        self._tried.add(params)
        if self._space.contains(params):
            self._told.add(self._encoding.points([params])[0], value)

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points; fewer only when a finite space has no more that are new."""
        tried = self._tried.beside(pending)
        if self._encoding.dimension == 0 or int(self._told.succeeded.sum()) < self._start:
            return self._spread(count, tried)
        try:
            with np.errstate(all="ignore"):
                return self._model(count, tried, [each for each in pending if self._space.contains(each)])
        except np.linalg.LinAlgError:
            return self._spread(count, self._tried.beside(pending))

    def _surrogate(self, scale: Scale) -> Surrogate:
        return Surrogate(self._encoding, self._seed, self._told, scale)

    def _spread(self, count: int, tried: Tried) -> list[Params]:
        """Points of the Sobol sequence."""
        return list(tried.claims(count, self._seed, lambda trial, _: self._sequence.point(trial)))

    def _model(self, count: int, tried: Tried, pending: list[Params]) -> list[Params]:
        """Points with the highest acquisition, each one knowing of those before."""
        waiting = self._encoding.points(pending)
        turns = range(tried.trials, tried.trials + min(count, SIDES, len(self._sides)))
        answers = [Answer(self._view(turn), tried, waiting, count) for turn in turns]
        points: list[Params] = []
        proposals = tried.claims(
            count, self._seed, lambda trial, rng: answers[(trial - turns.start) % len(answers)].best_point(trial, rng)
        )
        for point in proposals:
            points.append(point)
            for answer in answers:
                answer.pick(self._encoding.points([point])[0])
        return points

    def _view(self, turn: int) -> View:
        """What an answer in this turn goes by: the weights of several objectives take turns."""
        told = self._told
        refused = np.isposinf(told.values[:, 0]).any()
        limits = [(each, 0.0) for each in self._limits] + ([(self._refusal, CAUTIOUS)] if refused else [])
        return View(
            encoding=self._encoding,
            told=told.points,
            feasible=told.succeeded & (told.values[:, self._objectives :] <= 0.0).all(axis=1),
            objective=self._sides[turn % len(self._sides)],
            terms=[(surrogate.posterior()[0], log_probability_below(bound)) for surrogate, bound in limits],
        )


def weights(objectives: int) -> list[Array]:
    """About ``WEIGHTS`` weights (objectives,), even over all that sum to 1 (Das and Dennis 1998), in a mixed order."""
    parts = 1
    while len(list(combinations(range(parts + objectives), objectives - 1))) <= WEIGHTS:
        parts += 1
    bars = combinations(range(parts + objectives - 1), objectives - 1)
    found = [np.diff([-1, *each, parts + objectives - 1]) - 1 for each in bars]
    order = np.random.default_rng(0).permutation(len(found))
    return [np.maximum(found[index] / parts, 1e-3) for index in order]
