"""Bayesian optimization with a Gaussian process: the default optimizer.

The first points are a Sobol sequence.  Then each point is the one with the highest log expected improvement under
the posterior of a Gaussian process (surrogate.py), found by answer.py and search.py.  Points that are under way are
believed to end at the posterior mean (gaussian.py), and so are those of trials that were stopped: nobody knows how bad
they are, and a stopper errs.  Once there are many, every second point is one near the best, by a model of what is near
alone (region.py), unless several are asked for at once.  Where there are categories, every fifth point is one for the
value that was tried least, by a model of that value's trials alone, which looks for the best of them: what a model of
all trials thinks of a value it has given up is never put to the test.  With more than ten parameters two models take
turns: one that expects all of them to matter, and a sparse one (likelihood.py).  With ``curves`` two do as well, since
curves may mislead: one that learns from trials that have no value (fidelity.py), and one that does not; as long as few
trials have a value, the sequence goes on in its place.  Several objectives are joined by weights, which change from
trial to trial (Knowles 2006, ParEGO); a constraint, and what is known of failures, adds the log of the probability that
it holds (Gardner et al. 2014).
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.answer import Answer, View
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.fidelity import AtTheEnd, Curve, Levels
from metaopt.optimizers.kernels import Array
from metaopt.optimizers.likelihood import MANY_COORDINATES
from metaopt.optimizers.models import Models, Side
from metaopt.optimizers.region import BEGIN, Region
from metaopt.optimizers.sobol import Sequence01
from metaopt.optimizers.surrogate import Told
from metaopt.optimizers.tried import Tried, chance
from metaopt.space import Space

LEAST_TRIED_EVERY = 5
"""Trials of which one is in the least tried value of a category."""
NEAR_EVERY = 2
"""Points of which one is near the best one, if it is asked for by itself, once there are many trials."""
MODELS = 4
"""Up to so many are asked for the points of one answer, each after the other."""


class GaussianProcess:
    """Proposes points by a model of all that was told.  Points that are not in the space are ignored."""

    def __init__(
        self,
        space: Space,
        seed: int,
        *,
        start: int | None = None,
        curves: bool = True,
        per_second: bool = False,
        objectives: int = 1,
        constraints: int = 0,
    ) -> None:
        """Search ``space``; equal seeds give equal points.

        ``start`` trials must have a value before the model is asked; by default d + 1, but 8 at least and 10 at most.
        Those that were stopped count half, together no more than those with a value: few of many may have one.
        With ``curves`` it learns from those that it is told of; and with ``per_second``, what a point then promises is
        divided by the time that a model expects it to take.
        With several ``objectives``, or with ``constraints``, all their values are told of each trial.
        """
        self._space, self._seed, self._per_second = space, seed, per_second
        self._encoding = Encoding(space)
        self._start = start if start is not None else min(max(self._encoding.dimension + 1, 8), 10)
        self._sequence = Sequence01(self._encoding.dimension, seed)
        self._tried = Tried(space)
        self._told = Told(self._encoding.dimension, objectives + constraints)
        self._models = Models(self._encoding, seed, self._told, objectives)
        self._region = Region(self._encoding) if objectives == 1 else None
        self._curves: dict[int, Curve] = {}
        self._levelled: Models | None = None
        self._sees, self._begun = curves, set[bytes]()
        self._stopped: list[Array] = []

    def tell(self, params: Params, value: float | Sequence[float]) -> None:
        """A trial has ended with ``value``: NaN when it failed or was stopped, inf when it failed for what it is."""
        self._tried.add(params)
        if self._space.contains(params):
            point = self._encoding.points([params])[0]
            if np.isnan(value).all() and point.tobytes() in self._begun:
                self._stopped.append(point[None, :])
            else:
                self._told.add(point, value)
                self._see(point)
            self._levelled = None

    def _see(self, point: Array) -> None:
        """What was told last is what the region sees; what breaks a constraint is worth nothing."""
        objective, *excesses = self._told.last
        if self._region:
            worth = objective if all(excess <= 0.0 for excess in excesses) else math.inf
            self._region.see(point, worth)

    def watch(self, trial: int, params: Params, points: Sequence[tuple[float, float]], seconds: float) -> None:
        """A trial has come so far; without points it has failed.  Of several goals, no curve is looked at."""
        self._levelled = None
        self._curves.pop(trial, None)
        if not self._space.contains(params):
            return
        point = self._encoding.points([params])[0]
        if points and math.isfinite(points[-1][1]):
            self._begun.add(point.tobytes())
        else:
            self._begun.discard(point.tobytes())
        if points and self._sees and self._told.width == 1:
            steps, values = np.array(points, dtype=np.float64).T
            self._curves[trial] = Curve(point, steps, values, seconds)

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points; fewer only when a finite space has no more that are new."""
        return self.plan(count, pending, ())[0]

    def plan(
        self, count: int, pending: Sequence[Params], paused: Sequence[int]
    ) -> tuple[list[Params], list[tuple[int, str]]]:
        """The same, and which ``paused`` trials should go on, and why: those that promise more for their time."""
        tried = self._tried.beside(pending)
        if self._encoding.dimension == 0 or not self._knows_enough:
            return self._spread(count, tried), []
        under_way = self._encoding.within(pending)
        curves = {trial: self._curves[trial] for trial in paused if trial in self._curves}
        waiting = {curve.point.tobytes() for curve in curves.values()}
        running = under_way[[point.tobytes() not in waiting for point in under_way]]
        try:
            with np.errstate(all="ignore"):
                thawed = self._continued(count, tried, running, curves) if curves else {}
                points = self._model(count - len(thawed), tried, under_way)
        except np.linalg.LinAlgError:
            return self._spread(count, self._tried.beside(pending)), []
        return points, [
            (trial, f"gp: it promises {much:.3g} times as much a second as a new one") for trial, much in thawed.items()
        ]

    @property
    def _knows_enough(self) -> bool:
        known = self._models.known
        return max(known + min(known, len(self._stopped) / 2), self._knowledge().known) >= self._start

    @property
    def _has_curves_alone(self) -> bool:
        """Whether so few trials have a value that how curves begin is all there is to go by."""
        return self._models.known < self._start and self._has_curves

    @property
    def _has_curves(self) -> bool:
        """Whether trials that have no value have something to say."""
        return self._knowledge() is not self._models

    def _continued(self, count: int, tried: Tried, under_way: Array, curves: Mapping[int, Curve]) -> dict[int, float]:
        """Those of the trials with these ``curves`` that promise more a second than a new one, and how many times."""
        models, trials = self._knowledge(), [*curves]
        answer = Answer(models.view(Side(0)), tried, under_way, count)
        fresh = answer.best_point(chance(self._seed, tried.trials))
        if fresh is None:  # nothing to compare with: the stopper decides
            return {}
        points = np.array([curve.point for curve in curves.values()])
        left = np.log([models.left(curve) for curve in curves.values()])
        new = float(answer.promise(np.array([fresh]))[0])
        thawed: dict[int, float] = {}
        while len(thawed) < min(count, len(trials)):
            promises = np.where(np.isin(trials, [*thawed]), -np.inf, answer.promise(points) - left)
            best = int(np.argmax(promises))
            if not promises[best] > new:
                break
            thawed[trials[best]] = math.exp(min(promises[best] - new, 99.0))
            answer.pick(points[best])
        return thawed

    def _knowledge(self, *, early: bool = True) -> Models:
        """The models to go by: those of curves too, if there are trials that have nothing else, and if ``early``."""
        if self._levelled is None and self._curves:
            levels = Levels(self._told, self._curves)
            encoding = AtTheEnd(self._space)
            models = Models(encoding, self._seed, levels, 1, per_second=self._per_second)
            self._levelled = models if levels.standing or self._per_second else self._models
        return self._levelled if early and self._levelled else self._models

    def _spread(self, count: int, tried: Tried) -> list[Params]:
        """Points of the Sobol sequence."""
        return list(tried.claims(count, self._seed, lambda trial, _: self._sequence.point(trial)))

    def _model(self, count: int, tried: Tried, under_way: Array) -> list[Params]:
        """Points with the highest acquisition, each one knowing of those before, and of those ``under_way`` (p, d)."""
        answers: dict[Side, Answer] = {}
        points: list[Params] = []

        def propose(trial: int, rng: np.random.Generator) -> list[float] | None:
            if self._has_curves_alone and trial % 2:
                return self._sequence.point(trial)
            for side in self._looks(trial, rng, under_way, single=count == 1):
                if side not in answers and len(answers) < MODELS:
                    view = self._view(side)
                    answers[side] = Answer(view, tried, np.concatenate([under_way, *self._stopped]), count)
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

    def _view(self, side: Side) -> View:
        """What is to be seen from ``side``."""
        view = self._knowledge(early=side.early).view(side)
        return self._region.near(view, self._told.values) if side.near and self._region else view

    def _looks(self, trial: int, rng: np.random.Generator, under_way: Array, *, single: bool) -> list[Side]:
        """By which models a trial is chosen: all take turns, and now and then a value of a category has its own."""
        many = self._encoding.dimension > MANY_COORDINATES
        early = self._has_curves and trial % 2 == 0
        turn = Side(weights=trial % len(self._models.weights), sparse=many and trial // 2 % 2 == 0, early=early)
        many_known = self._models.known >= BEGIN and self._encoding.every_point is None
        near = self._region and self._region.found and single and many_known and not early and trial % NEAR_EVERY
        if not self._encoding.categories or trial % LEAST_TRIED_EVERY:
            return [turn._replace(near=True), turn] if near else [turn]
        column = int(rng.choice(self._encoding.categories))
        counts = self._encoding.counts(np.concatenate([self._told.points, *self._stopped, under_way]), column)
        return [turn._replace(column=column, cell=int(np.argmin(counts))), turn]
