"""An optimizer that is told of other studies: it tries their best points, and learns the rest if they prove true.

What is best in another study is worth a trial whatever the scale of its values (Feurer, Springenberg and Hutter 2015),
and costs no more than that trial when the task turns out to be another one.  All its values are worth more, but only
where they are this study's values too: a model that knows this study to a thousandth is led astray by neighbours that
are a hundredth off, for as long as it knows them.  So they are learned only if the same values come out at those points
again, and these are better than others.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import TypeAlias

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.base import Optimizer, Watcher
from metaopt.optimizers.kernels import Array
from metaopt.plugins import Choice, make
from metaopt.space import Space

Point: TypeAlias = tuple[float, ...]
"""Of the unit cube (d,)."""

TRIED, OF_EACH, MOST = 3, 2, 10
"""So many points of other studies are tried: of a single one, of each of several, and in all."""
APART = 0.1
"""By so much of each range, the root of the mean square, they differ."""
SAME = 0.1
"""Values that differ by so much of the way from a study's best one to its median are the same."""
TWINS, OTHERS = 2, 3
"""Values that it takes to believe a study: at its points, and this study's first ones elsewhere."""


class Source:
    """What one other study has found out: ``params`` and ``values`` (k,) by point, the last ones of each."""

    def __init__(self) -> None:
        self.params: dict[Point, Params] = {}
        self.values: dict[Point, Array] = {}

    def best_first(self) -> Iterator[Point]:
        """All its points; of several values the sum of their places counts."""
        points = [*self.values]
        return (points[index] for index in np.argsort(_places([*self.values.values()]), kind="stable"))

    def proves_true(self, known: dict[Point, Array]) -> bool:
        """Whether what is ``known`` in this study is the same where both have values, and mostly worse elsewhere."""
        twins = [point for point in self.values if point in known]
        others = [*islice((known[point] for point in known if point not in self.values), OTHERS)]
        if len(twins) < TWINS or len(others) < OTHERS:
            return False
        rows, ours = np.array([*self.values.values()]), [known[point] for point in twins]
        off = np.abs(np.array(ours) - [self.values[point] for point in twins])
        places = _places([*ours, *others])
        better = np.median(places[: len(twins)]) < np.median(places[len(twins) :])
        return bool(better and (off <= SAME * (np.median(rows, axis=0) - rows.min(axis=0))).all())


class Advised:
    """The optimizer that ``make`` makes over ``space``, which tries and learns what other studies have found out.

    An Optimizer.  When it believes something else than before, a new one is made and told everything; so it is a
    function of what was told, as any other.
    """

    def __init__(self, make: Callable[[], Optimizer], space: Space) -> None:
        self._make, self._space = make, space
        self._optimizer = make()
        self._sources: dict[int, Source] = {}
        self._lessons: list[tuple[Source, Point]] = []
        self._first: dict[Point, Params] | None = None
        self._told: list[tuple[Params, float | Sequence[float]]] = []
        self._ended: set[Point] = set()
        self._known: dict[Point, Array] = {}
        self._watched: dict[int, tuple[Params, Sequence[tuple[float, float]], float]] = {}

    def learn(self, source: int, params: Params, value: float | Sequence[float]) -> None:
        """The study ``source`` had this ``value`` at ``params``; all of that is said before anything else."""
        known, point = self._sources.setdefault(source, Source()), self._point(params)
        known.params[point], known.values[point] = params, np.array(value, dtype=np.float64).reshape(-1)
        self._first = None

    def tell(self, params: Params, value: float | Sequence[float]) -> None:
        """A trial of this study has ended."""
        self._told.append((params, value))
        self._optimizer.tell(params, value)
        if self._sources and self._space.contains(params):
            self._ended.add(self._point(params))
            if np.isfinite(value).all():
                self._known[self._point(params)] = np.array(value, dtype=np.float64).reshape(-1)

    def watch(self, trial: int, params: Params, points: Sequence[tuple[float, float]], seconds: float) -> None:
        """A trial of this study has come so far."""
        self._watched[trial] = params, points, seconds
        if isinstance(self._optimizer, Watcher):
            self._optimizer.watch(trial, params, points, seconds)

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points: first those of other studies, then by what is believed now."""
        points = self._untried(pending)[:count]
        if len(points) < count:
            points += self._present().ask(count - len(points), [*pending, *points])
        return points

    def plan(
        self, count: int, pending: Sequence[Params], paused: Sequence[int]
    ) -> tuple[list[Params], list[tuple[int, str]]]:
        """The same, or paused trials that go on, if the optimizer knows of such."""
        points, optimizer = self._untried(pending)[:count], self._present()
        if len(points) == count or not isinstance(optimizer, Watcher):
            return self.ask(count, pending), []
        new, thawed = optimizer.plan(count - len(points), [*pending, *points], paused)
        return [*points, *new], thawed

    def _point(self, params: Params) -> Point:
        return tuple(self._space.to_unit(params))

    def _untried(self, pending: Sequence[Params]) -> list[Params]:
        """Those points of other studies that are still to be tried."""
        if self._first is None:
            self._first = {point: params for source, point in self._chosen() for params in [source.params[point]]}
        if self._first.keys() <= self._ended:
            return []
        gone = self._ended | {self._point(params) for params in pending if self._space.contains(params)}
        return [params for point, params in self._first.items() if point not in gone]

    def _chosen(self) -> Iterator[tuple[Source, Point]]:
        """The best points of each source in turn, each apart from those before."""
        count = min(max(TRIED, OF_EACH * len(self._sources)), MOST)
        found: list[Point] = []
        rankings = [(source, source.best_first()) for source in self._sources.values()]
        for source, ranking in islice(cycle(rankings), count):
            for point in ranking:
                if all(math.dist(point, other) > APART * len(point) ** 0.5 for other in found):
                    found.append(point)
                    yield source, point
                    break

    def _present(self) -> Optimizer:
        """The optimizer, told of those studies that prove true by now, but for points of this one."""
        with np.errstate(all="ignore"):
            believed = [source for source in self._sources.values() if source.proves_true(self._known)]
        lessons = [(each, point) for each in believed for point in each.values if point not in self._known]
        if lessons != self._lessons:
            self._lessons = lessons
            self._begin_anew()
        return self._optimizer

    def _begin_anew(self) -> None:
        """Make the optimizer again, and tell it what is to be learned, then all of this study."""
        self._optimizer = self._make()
        if isinstance(self._optimizer, Watcher):
            for trial, watched in self._watched.items():
                self._optimizer.watch(trial, *watched)
        for source, point in self._lessons:
            values = source.values[point]
            self._optimizer.tell(source.params[point], values.tolist() if len(values) > 1 else float(values[0]))
        for params, value in self._told:
            self._optimizer.tell(params, value)


def _places(rows: Sequence[Array]) -> Array:
    """The place of each of ``rows`` (n, k) among them, 0 for the best, summed over the columns (n,)."""
    places = [np.unique(column, return_inverse=True)[1] for column in np.array(rows).T]
    return np.asarray(np.sum(places, axis=0, dtype=np.float64))


def advised(choice: Choice, space: Space, seed: int) -> Advised:
    """The optimizer that is chosen, over ``space``; raises PluginError when it cannot be made."""
    return Advised(lambda: make("optimizer", choice, space, seed), space)
