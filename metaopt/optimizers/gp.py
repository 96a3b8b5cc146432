"""Bayesian optimization with a Gaussian process: the default optimizer.

The first points are a Sobol sequence.  Then each point is the one with the highest log expected improvement under
the posterior of a Gaussian process (surrogate.py), found by answer.py and search.py.  Points that are under way are
believed to end at the posterior mean (gaussian.py).  Where there are categories, every fifth point is one for the value
that was tried least, by a model of that value's trials alone, which looks for the best of them: what a model of all
trials thinks of a value it has given up is never put to the test.  With more than ten parameters two models take turns:
one that expects all of them to matter, and a sparse one (likelihood.py).  Several objectives are joined by weights,
which change from trial to trial (Knowles 2006, ParEGO); a constraint, and what is known of failures, adds the log of
the probability that it holds (Gardner et al. 2014).
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.acquisition import log_probability_below
from metaopt.optimizers.answer import Answer, View
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.likelihood import MANY_COORDINATES
from metaopt.optimizers.outcomes import Scale, excess, only, refusal, weighted
from metaopt.optimizers.sobol import Sequence01
from metaopt.optimizers.surrogate import Surrogate, Told
from metaopt.optimizers.tried import Tried
from metaopt.space import Space

WEIGHTS = 12
"""About so many different weights are given to several objectives, in turn."""
LEAST_TRIED_EVERY = 5
"""Trials of which one is in the least tried value of a category."""
MODELS = 4
"""Up to so many are asked for the points of one answer, each after the other."""
CAUTIOUS = -0.75
"""From -1, where a trial was possible, to 1, where it was not: a trial that fails tells nothing of the objective."""


class Side(NamedTuple):
    """From where a trial is looked at: these weights of the objectives, and the trials with one value of a category.

    A ``sparse`` one expects that few coordinates matter (likelihood.py).
    """

    weights: int
    column: int | None = None
    cell: int = 0
    sparse: bool = False


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
        self._weights = weights(objectives)
        self._sides: dict[Side, Surrogate] = {}
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

    def _surrogate(self, scale: Scale, *, sparse: bool = False) -> Surrogate:
        return Surrogate(self._encoding, self._seed, self._told, scale, sparse=sparse)

    def _spread(self, count: int, tried: Tried) -> list[Params]:
        """Points of the Sobol sequence."""
        return list(tried.claims(count, self._seed, lambda trial, _: self._sequence.point(trial)))

    def _model(self, count: int, tried: Tried, pending: list[Params]) -> list[Params]:
        """Points with the highest acquisition, each one knowing of those before."""
        answers: dict[Side, Answer] = {}
        under_way = self._encoding.points(pending)
        points: list[Params] = []

        def propose(trial: int, rng: np.random.Generator) -> list[float] | None:
            for side in self._looks(trial, rng, under_way):
                if side not in answers and len(answers) < MODELS:
                    answers[side] = Answer(self._view(side), tried, under_way, count)
                answer = answers.get(side, list(answers.values())[trial % len(answers)])
                if point := answer.best_point(rng):
                    return point
            return None

        for point in tried.claims(count, self._seed, propose):
            points.append(point)
            picked = self._encoding.points([point])
            under_way = np.concatenate([under_way, picked])
            for answer in answers.values():
                answer.pick(picked[0])
        return points

    def _looks(self, trial: int, rng: np.random.Generator, under_way: Array) -> list[Side]:
        """By which models a trial is chosen: all take turns, and now and then a value of a category has its own."""
        many = self._encoding.dimension > MANY_COORDINATES
        turn = Side(weights=trial % len(self._weights), sparse=many and trial // 2 % 2 == 0)
        if not self._encoding.categories or trial % LEAST_TRIED_EVERY:
            return [turn]
        column = int(rng.choice(self._encoding.categories))
        counts = self._encoding.counts(np.concatenate([self._told.points, under_way]), column)
        return [turn._replace(column=column, cell=int(np.argmin(counts))), turn]

    def _view(self, side: Side) -> View:
        """What an answer goes by."""
        told, refused = self._told, bool(np.isposinf(self._told.values[:, 0]).any())
        limits = [(each, 0.0) for each in self._limits] + ([(self._refusal, CAUTIOUS)] if refused else [])
        feasible = told.succeeded & (told.values[:, self._objectives :] <= 0.0).all(axis=1)
        there = self._encoding.there(told.points, side.column, side.cell)
        alone = bool((there & told.succeeded).any())
        by = side if alone else Side(side.weights, sparse=side.sparse)
        return View(
            encoding=self._encoding,
            told=told.points,
            feasible=feasible & there if alone else feasible,
            objective=self._sides.setdefault(by, self._surrogate(self._scale(by), sparse=by.sparse)),
            terms=[(surrogate.posterior()[0], log_probability_below(bound)) for surrogate, bound in limits],
            box=self._encoding.box,
            column=side.column,
            cell=side.cell,
        )

    def _scale(self, side: Side) -> Scale:
        """The objective, or all of them weighted; of the trials of one side."""
        scale = weighted(self._weights[side.weights]) if self._objectives > 1 else only

        def of_side(values: Array) -> Array:
            there = self._encoding.there(self._told.points[: len(values)], side.column, side.cell)
            return scale(np.where(there[:, None], values, np.inf))

        return scale if side.column is None else of_side


def weights(objectives: int) -> list[Array]:
    """About ``WEIGHTS`` weights (objectives,), even over all that sum to 1 (Das and Dennis 1998), in a mixed order."""
    parts = 1
    while objectives > 1 and len(list(combinations(range(parts + objectives), objectives - 1))) <= WEIGHTS:
        parts += 1
    bars = combinations(range(parts + objectives - 1), objectives - 1)
    found = [np.diff([-1, *each, parts + objectives - 1]) - 1 for each in bars]
    order = np.random.default_rng(0).permutation(len(found))
    return [np.maximum(found[index] / parts, 1e-3) for index in order]
