"""Tables of learning curves with the settings that they come from: a space, a loss at each epoch, seconds for each.

Three are of real trainings, each of which is done once, at the points of a Sobol sequence, and kept on disk; the curve
of any other point is that of the nearest row, where two categories are as far apart as the ends of a number.  One is a
formula, whose best point is known.  Seconds are counted operations, so that they are the same on all machines, scaled
to ``MINUTE`` an epoch in the mean.
"""

import json
import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median
from typing import Any, ClassVar, Protocol

import numpy as np
from measure import progress
from numpy.typing import NDArray
from problems import CACHE, Params
from scipy.spatial import KDTree

import metaopt.optimizers
from metaopt.optimizers.encoding import Encoding
from metaopt.space import Space

EPOCHS, ROWS, MINUTE = 27, 640, 60.0
BEST = 0.01
"""The share of the rows that it is false to stop."""
WORST = 10.0
"""No loss is larger, that of a training which diverges neither."""
Numbers = NDArray[np.float64]
Curve = tuple[Sequence[float], Sequence[float]]
"""The loss at each epoch, and what each of them takes: seconds, or operations in any unit."""


class CurveTable(Protocol):
    """A search space in which each point has a curve; a regret of 1 is that of the median row, 0 that of the best.

    ``good`` is the largest regret among the best 1 % of the rows.
    """

    @property
    def space(self) -> dict[str, object]:
        """As an experiment file has it."""
        ...

    @property
    def good(self) -> float:
        """See above."""
        ...

    def curve(self, params: Params) -> Curve:
        """What a training there says, and when."""
        ...

    def regret(self, loss: float) -> float:
        """How far a last loss is from the best."""
        ...


class Rows:
    """Trainings that were done once."""

    def __init__(self, space: dict[str, object], points: Sequence[Params], curves: Sequence[Curve]) -> None:
        self.space, self._encoding = space, Encoding(Space.parse(space))
        self._tree = KDTree(self._features(points))
        unit = MINUTE / fmean(fmean(costs) for _, costs in curves)
        self._curves = [(losses, [cost * unit for cost in costs]) for losses, costs in curves]
        ends = sorted(losses[-1] for losses, _ in curves)
        self._best, self._scale = ends[0], median(ends) - ends[0]
        self.good = self.regret(ends[math.ceil(BEST * len(ends)) - 1])

    def curve(self, params: Params) -> Curve:
        """That of the nearest row."""
        return self._curves[int(self._tree.query(self._features([params])[0])[1])]

    def regret(self, loss: float) -> float:
        """By the rows."""
        return (loss - self._best) / self._scale

    def _features(self, points: Sequence[Params]) -> Numbers:
        return self._encoding.features(self._encoding.points(points))


class Crossing:
    """Power laws: who ends well begins slowly, more often than not.  How far a point is from the best one decides."""

    space: ClassVar[dict[str, object]] = {
        "lr": "loguniform(1e-4, 1)",
        "width": "integer(8, 512, log)",
        "decay": "loguniform(1e-6, 1e-1)",
        "dropout": "uniform(0, 0.8)",
    }
    optimum: ClassVar[Params] = {"lr": 0.02, "width": 160, "decay": 3e-5, "dropout": 0.3}
    weights = (1.0, 0.5, 0.3, 0.2)

    def __init__(self) -> None:
        self._space = Space.parse(self.space)
        self._optimum = self._space.to_unit(self.optimum)
        ends = sorted(self._end(params) for params in sobol(self.space))
        self._scale = median(ends)
        self.good = self.regret(ends[math.ceil(BEST * len(ends)) - 1])

    def _end(self, params: Params) -> float:
        unit = self._space.to_unit(params)
        away = sum(w * (u - o) ** 2 for w, u, o in zip(self.weights, unit, self._optimum, strict=True))
        return 0.5 - 0.5 * math.exp(-3.0 * away**1.5)

    def curve(self, params: Params) -> Curve:
        """It has noise, but for its end."""
        end, chance = self._end(params), random.Random(json.dumps(params, sort_keys=True))
        start = 1.0 - 0.25 * end + 0.2 * chance.random()
        speed = 0.25 + 1.6 * end + chance.uniform(-0.15, 0.35)
        falling = ((epoch**-speed - EPOCHS**-speed) / (1 - EPOCHS**-speed) for epoch in range(1, EPOCHS + 1))
        losses = [end + (start - end) * part + chance.gauss(0, 0.004) for part in falling]
        pace = MINUTE * (0.4 + 0.6 * math.sqrt(params["width"] / 64))
        return [*losses[:-1], end], [pace] * EPOCHS

    def regret(self, loss: float) -> float:
        """By the median of the points of a Sobol sequence."""
        return loss / self._scale


def sobol(space: dict[str, object]) -> Sequence[Params]:
    """The points of the rows."""
    return metaopt.optimizers.make("sobol", space, seed=1).ask(ROWS, [])


def rows(name: str, space: dict[str, object], trained: Callable[[Params], Curve]) -> Rows:
    """The table ``name``, from disk when it is there."""
    points, kept = sobol(space), CACHE / f"curves-{name}-{ROWS}x{EPOCHS}.json"
    if not kept.exists():
        curves = []
        for number, params in enumerate(points):
            if number % 64 == 0:
                progress(f"{name}: training row {number} of {ROWS}")
            losses, costs = trained(params)
            curves.append(([round(min(loss, WORST), 7) if loss == loss else WORST for loss in losses], costs))  # noqa: PLR0124 - is it a NaN?
        kept.parent.mkdir(parents=True, exist_ok=True)
        written = kept.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(curves), encoding="ascii")
        written.replace(kept)
    return Rows(space, points, json.loads(kept.read_text(encoding="ascii")))


def digits() -> tuple[Numbers, Any, Numbers, Any]:
    """scikit-learn's digits in an order of their own: 600 to train with and 1,197 to judge by."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - only who has no curves yet

    inputs, targets = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(inputs))
    inputs, targets = inputs[order] / 16, targets[order]
    return inputs[:600], targets[:600], inputs[600:], targets[600:]


def log_loss(guess: Numbers, targets: Any) -> float:  # noqa: ANN401 - an array of integers
    """Of probabilities (n, 10); what is no number is a guess at random."""
    guess = np.clip(np.nan_to_num(guess, nan=0.1), 1e-6, 1)
    guess /= guess.sum(axis=1, keepdims=True)
    return float(-np.log(guess[np.arange(len(targets)), targets]).mean())


def linear() -> CurveTable:
    """Linear classifiers of the digits, by scikit-learn's stochastic gradients: the log loss of those not seen."""
    space: dict[str, object] = {
        "eta0": "loguniform(1e-4, 10)",
        "power_t": "uniform(0, 0.8)",
        "alpha": "loguniform(1e-7, 1e-1)",
        "loss": "choice(log_loss, modified_huber)",
        "penalty": "choice(l2, l1, elasticnet)",
        "average": "choice(false, true)",
    }

    def trained(params: Params) -> Curve:
        from sklearn.linear_model import SGDClassifier  # noqa: PLC0415 - only who has no curves yet

        inputs, targets, unseen, answers = digits()
        model = SGDClassifier(**params, learning_rate="invscaling", random_state=0)
        losses = []
        for _ in range(EPOCHS):
            model.partial_fit(inputs, targets, classes=np.arange(10))
            losses.append(log_loss(model.predict_proba(unseen), answers))
        cost = 1.0 + 0.5 * (params["penalty"] != "l2") + 0.5 * params["average"]
        return losses, [cost] * EPOCHS

    return rows("linear", space, trained)


def perceptron() -> CurveTable:
    """Perceptrons with one hidden layer on the digits; a wide one takes longer, and so do small batches."""
    space: dict[str, object] = {
        "lr": "loguniform(1e-3, 3)",
        "momentum": "uniform(0, 0.99)",
        "hidden": "integer(4, 256, log)",
        "batch": "ordinal(16, 32, 64, 128, 256)",
        "decay": "loguniform(1e-6, 1e-1)",
        "activation": "choice(relu, tanh)",
    }
    return rows("perceptron", space, train_perceptron)


def train_perceptron(params: Params, pace: Callable[[float], float] = lambda _: 1.0) -> Curve:
    """By stochastic gradients with momentum; an epoch costs its multiplications and an overhead for each batch.

    The learning rate is multiplied by ``pace`` of the part that is done; inputs may have ``jitter``, and first weights
    another ``scale``.
    """
    inputs, targets, unseen, answers = digits()
    chance, hidden, batch = np.random.default_rng(0), params["hidden"], params["batch"]
    aims = np.eye(10)[targets]
    width = params.get("scale", 1.0) * math.sqrt(2 / 65)
    layers = [chance.normal(0, width, (65, hidden)), chance.normal(0, math.sqrt(1 / hidden), (hidden, 10))]
    speeds = [np.zeros_like(layer) for layer in layers]
    active = np.tanh if params["activation"] == "tanh" else lambda x: np.maximum(x, 0)

    def forward(x: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        x = np.hstack([x, np.ones((len(x), 1))])
        inner = active(x @ layers[0])
        logits = inner @ layers[1]
        guess = np.exp(logits - logits.max(axis=1, keepdims=True))
        return x, inner, guess / guess.sum(axis=1, keepdims=True)

    losses: list[float] = []
    for epoch in range(EPOCHS):
        order, lr = chance.permutation(len(inputs)), params["lr"] * pace(epoch / EPOCHS)
        for first in range(0, len(order), batch):
            some = order[first : first + batch]
            seen = inputs[some]
            if params.get("jitter"):
                seen = seen + chance.normal(0, params["jitter"], seen.shape)
            x, inner, guess = forward(seen)
            wrong = (guess - aims[some]) / len(some)
            slope = 1 - inner**2 if params["activation"] == "tanh" else inner > 0
            gradients = x.T @ (wrong @ layers[1].T * slope), inner.T @ wrong
            for each, gradient in enumerate(gradients):
                push = gradient + params["decay"] * layers[each]
                speeds[each] = params["momentum"] * speeds[each] - lr * (1 - params["momentum"]) * push
                layers[each] = layers[each] + speeds[each]
        losses.append(log_loss(forward(unseen)[2], answers))
        if not all(np.isfinite(layer).all() for layer in layers):
            break
    losses += losses[-1:] * (EPOCHS - len(losses))
    return losses, [6 * len(inputs) * hidden * 75 + 1e6 * math.ceil(len(inputs) / batch)] * EPOCHS


BOOSTED: dict[str, object] = {
    "learning_rate": "loguniform(1e-2, 1)",
    "max_leaf_nodes": "integer(2, 64, log)",
    "min_samples_leaf": "integer(1, 60, log)",
    "l2_regularization": "loguniform(1e-3, 1e3)",
    "max_features": "uniform(0.1, 1)",
}
"""The space of gradient boosting."""
TREES = 4
"""An epoch of it has so many."""


def boosting() -> CurveTable:
    """Gradient boosting of scikit-learn's diabetes data, four trees an epoch: the squared error of those not seen."""
    return rows("boosting", BOOSTED, train_boosting)


def train_boosting(params: Params) -> Curve:
    """Over two halves, each judged by the other; an epoch costs its splits and an overhead for each tree."""
    from sklearn.datasets import load_diabetes  # noqa: PLC0415 - only who has no curves yet
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - the same

    inputs, targets = load_diabetes(return_X_y=True)
    targets = (targets - targets.mean()) / targets.std()
    half = np.random.default_rng(0).integers(2, size=len(inputs))
    losses, costs = np.zeros(EPOCHS), np.zeros(EPOCHS)
    for part in range(2):
        model = HistGradientBoostingRegressor(**params, max_iter=TREES * EPOCHS, early_stopping=False, random_state=0)
        model.fit(inputs[half != part], targets[half != part])
        stages: Iterator[Numbers] = model.staged_predict(inputs[half == part])
        errors = [float(((stage - targets[half == part]) ** 2).mean()) for stage in stages]
        losses += np.array(errors[TREES - 1 :: TREES]) / 2
        costs += splits(model, params)
    return losses.tolist(), costs.tolist()


def splits(model: Any, params: Params) -> Numbers:  # noqa: ANN401 - of a class that is imported late
    """What each epoch of a boosted ``model`` has cost, (EPOCHS,)."""
    leaves = [tree.get_n_leaf_nodes() for each in model._predictors for tree in each]  # noqa: SLF001 - the only door
    costs: Numbers = np.array(leaves).reshape(EPOCHS, TREES).sum(axis=1) * params["max_features"] + 10
    return costs


TABLES: dict[str, Callable[[], CurveTable]] = {
    "linear": linear,
    "perceptron": perceptron,
    "boosting": boosting,
    "crossing": Crossing,
}
