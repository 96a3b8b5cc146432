"""An optimizer that is told of other studies, and doubts them once this one knows better.

The values of another study are of use where it ranks points as this one does.  So each of them is judged by the trials
of this study that have a value: what its neighbouring points predict for them is compared with what came out, by
Kendall's rank correlation (as the ranking loss of RGPE does: Feurer, Letham and Bakshy 2018; and TST: Wistuba,
Schilling and Schmidt-Thieme 2016).  One that agrees too little is left out, until it is judged anew.  One on another
scale (another data set has another loss) is brought to this study's.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial import KDTree

from metaopt.messages import Params
from metaopt.optimizers.base import Optimizer, Watcher
from metaopt.optimizers.kernels import Array
from metaopt.space import Space

JUDGED, JUDGES = 6, 500
"""So many values must this study have; then sources are judged, and again each time that it has half as many more.

Of many of them by the latest."""
AGAIN = 1.5
AGREES = 0.5
"""The rank correlation from which on a source is believed: of points that are drawn at random 0 is usual."""
NEIGHBOURS = 3
CLOSE = 0.1
"""Points are close that differ by so much of each range, or less: the root of the mean square."""
NOWHERE: Params = {}
"""In the place of a point that is left out: an optimizer counts it, so that no number of a trial comes twice."""


class Source:
    """What one other study has found out: points, and a value of each, a number or several."""

    def __init__(self) -> None:
        self.params: list[Params] = []
        self.values: list[float | Sequence[float]] = []

    def believed(self, space: Space, points: Array, values: Array) -> list[tuple[Params, float | Sequence[float]]]:
        """What to tell of it in a study in which ``values`` (n, k) came out at ``points`` (n, d); NOWHERE is left out.

        All of it when it does not agree; else what is close to those points, where this study knows better.
        """
        own = np.array([space.to_unit(params) for params in self.params]).reshape(len(self.params), -1)
        rows = np.array(self.values, dtype=np.float64).reshape(len(self.params), -1)
        far = KDTree(points).query(own)[0] > CLOSE * own.shape[1] ** 0.5
        points, values = points[-JUDGES:], values[-JUDGES:]
        predicted = _predictions(points, own, rows)
        agreement = np.mean([_rank_correlation(*each) for each in zip(predicted.T, values.T, strict=True)])
        if agreement < AGREES:
            return [(NOWHERE, np.nan)] * len(self.params)
        scaled = _scaled(rows, predicted, values)
        whole = zip(self.params, scaled.tolist(), far, strict=True)
        return [(params, row if len(row) > 1 else row[0]) if kept else (NOWHERE, np.nan) for params, row, kept in whole]


class Advised:
    """The optimizer that ``make`` makes over ``space``: told what is believed of other studies, then of this one.

    An Optimizer.  When it believes something else than before, a new one is made and told everything; so it is a
    function of what was told, as any other.
    """

    def __init__(self, make: Callable[[], Optimizer], space: Space) -> None:
        self._make, self._space = make, space
        self._optimizer = make()
        self._sources: dict[int, Source] = {}
        self._told: list[tuple[Params, float | Sequence[float]]] = []
        self._watched: dict[int, tuple[Params, Sequence[tuple[float, float]], float]] = {}
        self._judged = 0

    def learn(self, source: int, params: Params, value: float | Sequence[float]) -> None:
        """The study ``source`` had this ``value`` at ``params``; all of that is said before anything else."""
        known = self._sources.setdefault(source, Source())
        known.params.append(params)
        known.values.append(value)
        self._optimizer.tell(params, value)

    def tell(self, params: Params, value: float | Sequence[float]) -> None:
        """A trial of this study has ended."""
        self._told.append((params, value))
        self._optimizer.tell(params, value)

    def watch(self, trial: int, params: Params, points: Sequence[tuple[float, float]], seconds: float) -> None:
        """A trial of this study has come so far."""
        self._watched[trial] = params, points, seconds
        if isinstance(self._optimizer, Watcher):
            self._optimizer.watch(trial, params, points, seconds)

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points, by what is believed now."""
        self._doubt()
        return self._optimizer.ask(count, pending)

    def plan(
        self, count: int, pending: Sequence[Params], paused: Sequence[int]
    ) -> tuple[list[Params], list[tuple[int, str]]]:
        """The same, or paused trials that go on, if the optimizer knows of such."""
        self._doubt()
        if isinstance(self._optimizer, Watcher):
            return self._optimizer.plan(count, pending, paused)
        return self._optimizer.ask(count, pending), []

    def _doubt(self) -> None:
        """See whether something else is to be believed than before."""
        if self._sources and (step := self._last_step()) > self._judged:
            self._judged = step
            with np.errstate(all="ignore"):
                self._begin_anew(step)

    def _known(self) -> list[tuple[Params, float | Sequence[float]]]:
        """What came out in this study, without what failed."""
        return [each for each in self._told if self._space.contains(each[0]) and np.isfinite(each[1]).all()]

    def _last_step(self) -> int:
        """The largest number of values, up to those that there are, at which sources are judged; 0 when there is none.

        So it is the same whoever was asked when.
        """
        known, step = len(self._known()), 0
        following = JUDGED
        while following <= known:
            step, following = following, int(following * AGAIN)
        return step

    def _begin_anew(self, step: int) -> None:
        """Judge every source by the first ``step`` values."""
        known = self._known()[:step]
        points = np.array([self._space.to_unit(params) for params, _ in known]).reshape(step, -1)
        values = np.array([value for _, value in known], dtype=np.float64).reshape(step, -1)
        self._optimizer = self._make()
        believed = [each for source in self._sources.values() for each in source.believed(self._space, points, values)]
        if isinstance(self._optimizer, Watcher):
            for trial, watched in self._watched.items():
                self._optimizer.watch(trial, *watched)
        for params, value in (*believed, *self._told):
            self._optimizer.tell(params, value)


def _predictions(points: Array, known: Array, values: Array) -> Array:
    """Means (n, k) of the ``values`` (m, k) at the points nearest to ``points`` (n, d) of those ``known`` (m, d)."""
    query = KDTree(known).query(points, k=range(1, min(NEIGHBOURS, len(known)) + 1))
    distances, nearest = map(np.asarray, query)
    weights = 1.0 / (distances**2 + 1e-6)
    weighted: Array = (weights[:, :, None] * values[nearest]).sum(axis=1) / weights.sum(axis=1)[:, None]
    return weighted


def _rank_correlation(one: Array, other: Array) -> float:
    """Kendall's tau (n,), (n,): of all pairs, how many more there are in the same order than in the opposite one."""
    above = np.triu_indices(len(one), 1)
    signs = np.sign(one[:, None] - one)[above] * np.sign(other[:, None] - other)[above]
    return float(signs.mean())


def _scaled(rows: Array, predicted: Array, values: Array) -> Array:
    """The ``rows`` (m, k) of a source on the scale of ``values`` (n, k), of which it has ``predicted`` others.

    They stay as they are when there are several of them, or when the source is not further off than it is spread.
    """
    off = np.median(np.abs(values - predicted))
    if rows.shape[1] > 1 or off <= rows.std():
        return rows
    slope = values.std() / spread if (spread := predicted.std()) > 0 else 1.0
    return np.asarray(np.median(values) + slope * (rows - np.median(predicted)))
