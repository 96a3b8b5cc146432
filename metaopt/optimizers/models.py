"""What a point is looked for by: a model of each thing that counts, of all trials or of some of them."""

from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from metaopt.optimizers.acquisition import in_proportion, log_probability_below
from metaopt.optimizers.answer import View
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.fidelity import Curve, Levelled, Levels, Rates
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.outcomes import Scale, excess, in_deviations, only, refusal, weighted
from metaopt.optimizers.search import Term
from metaopt.optimizers.surrogate import Afresh, Surrogate, Told

ALIKE = 0.05
"""Trials whose seconds a step differ by a smaller factor than exp(ALIKE), mostly, cost the same."""
WEIGHTS = 12
"""About so many different weights are given to several objectives, in turn."""
CAUTIOUS = -0.75
"""From -1, where a trial was possible, to 1, where it was not: a trial that fails tells nothing of the objective."""


class Side(NamedTuple):
    """From where a trial is looked at: these weights of the objectives, and the trials with one value of a category.

    A ``sparse`` one expects that few coordinates matter (likelihood.py), an ``early`` one looks at curves, one that is
    ``near`` at the trials around the best (region.py).
    """

    weights: int
    column: int | None = None
    cell: int = 0
    sparse: bool = False
    early: bool = False
    near: bool = False


class Models:
    """Models of what was told, or of what is known at each level of curves; made when they are needed."""

    def __init__(
        self, encoding: Encoding, seed: int, rows: Told | Levels, objectives: int, *, per_second: bool = False
    ) -> None:
        """Of ``rows``, whose values are so many ``objectives`` and then excesses; ``per_second``, costs count too."""
        self._encoding, self._seed, self._rows, self._objectives = encoding, seed, rows, objectives
        self.weights, self._per_second = weights(objectives), per_second
        self._sides: dict[Side, Surrogate] = {}
        constraints = rows.width - objectives
        self._limits = [self._surrogate(excess(objectives + column)) for column in range(constraints)]
        self._refusal = self._surrogate(refusal)

    @property
    def known(self) -> int:
        """How many trials have a value, or a curve that stands for one."""
        return int(self._rows.final.sum()) + (self._rows.standing if isinstance(self._rows, Levels) else 0)

    def left(self, curve: Curve) -> float:
        """What a trial with this curve still takes, as a share of what a new one does."""
        if not isinstance(self._rows, Levels):
            return 1.0
        return max(1.0 - float(curve.steps[-1]) / self._rows.longest, 1e-3)

    def view(self, side: Side) -> View:
        """What an answer goes by."""
        told, refused = self._rows, bool(np.isposinf(self._rows.values[:, 0]).any())
        limits = [(each, 0.0) for each in self._limits] + ([(self._refusal, CAUTIOUS)] if refused else [])
        known = np.isfinite(told.values).all(axis=1)
        there = self._encoding.there(told.points, side.column, side.cell)
        alone = bool((there & known).any())
        feasible = known & (told.values[:, self._objectives :] <= 0.0).all(axis=1) & (there | (not alone))
        done = feasible & told.final
        by = side if alone else Side(side.weights, sparse=side.sparse)
        return View(
            encoding=self._encoding,
            told=told.points,
            feasible=done if bool(done.any()) else feasible,
            objective=self._sides.setdefault(by, self._surrogate(self._scale(by), sparse=by.sparse)),
            terms=[(surrogate.posterior()[0], log_probability_below(bound)) for surrogate, bound in limits],
            box=self._encoding.box,
            column=side.column,
            cell=side.cell,
            price=self._price,
        )

    @cached_property
    def _price(self) -> list[Term]:
        """The log of what a trial saves: improvement is wanted per second (Snoek, Larochelle and Adams 2012)."""
        if not self._per_second or not isinstance(self._rows, Levels):
            return []
        rates = Rates(self._rows.curves)
        if rates.spread < ALIKE:
            return []
        model = Afresh(self._encoding, self._seed, rates, in_deviations)
        return [(model.posterior()[0], in_proportion(-rates.spread))]

    def _surrogate(self, scale: Scale, *, sparse: bool = False) -> Surrogate:
        if isinstance(self._rows, Levels):
            return Levelled(self._encoding, self._seed, self._rows, scale, sparse=sparse)
        return Surrogate(self._encoding, self._seed, self._rows, scale, sparse=sparse)

    def _scale(self, side: Side) -> Scale:
        """The objective, or all of them weighted; of the trials of one side."""
        scale = weighted(self.weights[side.weights]) if self._objectives > 1 else only

        def of_side(values: Array) -> Array:
            there = self._encoding.there(self._rows.points[: len(values)], side.column, side.cell)
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
