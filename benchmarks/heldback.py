"""Tables of learning curves by which no setting of ours was chosen: three more of real trainings (curvetables.py)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from curvetables import BOOSTED, EPOCHS, TREES, Curve, CurveTable, Numbers, log_loss, rows, splits, train_perceptron
from problems import Params

FEATURES = 200


def cancer() -> tuple[Numbers, Any, Numbers, Any]:
    """scikit-learn's breast cancers in an order of their own: 250 to train with and 319 to judge by."""
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - only who has no curves yet

    inputs, targets = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(inputs))
    inputs, targets = ((inputs - inputs.mean(0)) / inputs.std(0))[order], targets[order]
    return inputs[:250], targets[:250], inputs[250:], targets[250:]


def annealed() -> CurveTable:
    """Perceptrons whose learning rate falls like a cosine, so that large ones begin badly and end well."""
    space: dict[str, object] = {
        "lr": "loguniform(1e-2, 10)",
        "hidden": "integer(8, 256, log)",
        "batch": "ordinal(8, 16, 32, 64, 128)",
        "decay": "loguniform(1e-6, 1e-1)",
        "jitter": "uniform(0, 0.5)",
        "scale": "loguniform(0.1, 10)",
    }

    def trained(params: Params) -> Curve:
        usual = {"momentum": 0.9, "activation": "relu"}
        return train_perceptron({**usual, **params}, lambda done: (1 + math.cos(math.pi * done)) / 2)

    return rows("annealed", space, trained)


def trees() -> CurveTable:
    """Gradient boosting of the breast cancers, four trees an epoch: the log loss of those not seen, which may rise."""

    def trained(params: Params) -> Curve:
        from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - only who has no curves yet

        inputs, targets, unseen, answers = cancer()
        model = HistGradientBoostingClassifier(**params, max_iter=TREES * EPOCHS, early_stopping=False, random_state=0)
        model.fit(inputs, targets)
        losses = [log_loss(stage, answers) for stage in model.staged_predict_proba(unseen)]
        return losses[TREES - 1 :: TREES], splits(model, params).tolist()

    return rows("trees", BOOSTED, trained)


def kernel() -> CurveTable:
    """Logistic regression of the breast cancers on random Fourier features, by stochastic gradients with momentum."""
    space: dict[str, object] = {
        "lr": "loguniform(1e-2, 300)",
        "momentum": "uniform(0, 0.99)",
        "gamma": "loguniform(1e-3, 1)",
        "decay": "loguniform(1e-6, 1e-1)",
        "batch": "ordinal(8, 16, 32, 64, 128)",
    }
    return rows("kernel", space, train_kernel)


def train_kernel(params: Params) -> Curve:
    """An epoch costs its multiplications and an overhead for each batch."""
    inputs, targets, unseen, answers = cancer()
    chance, batch = np.random.default_rng(0), params["batch"]
    turn, shift = (
        chance.normal(0, params["gamma"], (inputs.shape[1], FEATURES)),
        chance.uniform(0, 2 * math.pi, FEATURES),
    )
    seen, unseen = (np.cos(each @ turn + shift) * math.sqrt(2 / FEATURES) for each in (inputs, unseen))
    weights, speed = np.zeros(FEATURES), np.zeros(FEATURES)

    def guess(features: Numbers) -> Numbers:
        return 1 / (1 + np.exp(-np.clip(np.nan_to_num(features @ weights), -30, 30)))

    losses = []
    for _ in range(EPOCHS):
        order = chance.permutation(len(seen))
        with np.errstate(all="ignore"):  # some diverge
            for first in range(0, len(order), batch):
                some = order[first : first + batch]
                slope = seen[some].T @ (guess(seen[some]) - targets[some]) / len(some) + params["decay"] * weights
                speed = params["momentum"] * speed - params["lr"] * (1 - params["momentum"]) * slope
                weights = weights + speed
            chances = guess(unseen)
        losses.append(log_loss(np.stack([1 - chances, chances], axis=1), answers))
    return losses, [1e5 + 2e4 * math.ceil(len(seen) / batch)] * EPOCHS


HELD_BACK: dict[str, Callable[[], CurveTable]] = {"annealed": annealed, "trees": trees, "kernel": kernel}
