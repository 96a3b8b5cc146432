"""How good are the points of ``gp`` after 25 and 50 trials, against those of random search in the same run?

    python benchmarks/regret.py --seeds 5

Prints one line of JSON: the relative regret, which is the regret of ``gp`` over that of random search, each the
geometric mean over seeds; for each problem, and over all of them.
"""

import argparse
import json
import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from statistics import fmean
from typing import Any

import metaopt.optimizers

COUNTS = (25, 50)
SMALLEST_REGRET = 1e-9
Loss = Callable[[Mapping[str, Any]], float]


def branin(params: Mapping[str, Any]) -> float:
    """Dixon and Szego (1978); three equal minima."""
    x, y = params["x"], params["y"]
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return float((y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10)


HARTMANN_A = (
    (10, 3, 17, 3.5, 1.7, 8),
    (0.05, 10, 17, 0.1, 8, 14),
    (3, 3.5, 1.7, 10, 17, 8),
    (17, 8, 0.05, 10, 0.1, 14),
)
HARTMANN_P = (
    (1312, 1696, 5569, 124, 8283, 5886),
    (2329, 4135, 8307, 3736, 1004, 9991),
    (2348, 1451, 3522, 2883, 3047, 6650),
    (4047, 8828, 8732, 5743, 1091, 381),
)


def hartmann6(params: Mapping[str, Any]) -> float:
    """Hartmann (1973); a narrow global minimum beside a wide local one."""
    point = [params[f"x{index}"] for index in range(6)]
    total = 0.0
    for weight, scales, centres in zip((1, 1.2, 3, 3.2), HARTMANN_A, HARTMANN_P, strict=True):
        square = sum(a * (x - p / 1e4) ** 2 for a, x, p in zip(scales, point, centres, strict=True))
        total -= weight * math.exp(-square)
    return total


def rosenbrock4(params: Mapping[str, Any]) -> float:
    """Rosenbrock (1960), in the logarithm: a curved valley."""
    x = [params[f"x{index}"] for index in range(4)]
    total = sum(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in pairwise(x))
    return math.log1p(float(total))


def ackley5(params: Mapping[str, Any]) -> float:
    """Ackley (1987), its minimum moved out of the middle."""
    x = [params[f"x{index}"] - 1.3 for index in range(5)]
    waves = fmean(math.cos(2 * math.pi * value) for value in x)
    return -20 * math.exp(-0.2 * math.sqrt(fmean(value**2 for value in x))) - math.exp(waves) + 20 + math.e


def training(params: Mapping[str, Any]) -> float:
    """Like a small network's validation error: a mixed space, where the best optimizer has a parameter of its own."""
    rate = math.log10(params["lr"])
    error = 0.03 * (params["layers"] - 3) ** 2 + 0.1 * (math.log2(params["units"]) - 7) ** 2 / 9
    error += {"relu": 0.0, "tanh": 0.05, "gelu": 0.02}[params["activation"]]
    if params["optimizer"] == "sgd":
        return float(error + 0.2 * (rate + 1.0) ** 2 + 2.0 * (params["momentum"] - 0.9) ** 2)
    return float(error + 0.03 + 0.1 * (rate + 3.0) ** 2)


PROBLEMS: dict[str, tuple[Mapping[str, object], Loss, float]] = {
    "branin": ({"x": "uniform(-5, 10)", "y": "uniform(0, 15)"}, branin, 0.39788735772973816),
    "hartmann6": ({f"x{index}": "uniform(0, 1)" for index in range(6)}, hartmann6, -3.3223680114155),
    "rosenbrock4": ({f"x{index}": "uniform(-2, 2)" for index in range(4)}, rosenbrock4, 0.0),
    "ackley5": ({f"x{index}": "uniform(-5, 5)" for index in range(5)}, ackley5, 0.0),
    "training": (
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
    ),
}


def regrets(optimizer: str, problem: str, seed: int) -> list[float]:
    """Best value so far minus the minimum, after each of ``COUNTS``, one trial at a time."""
    space, loss, minimum = PROBLEMS[problem]
    searched = metaopt.optimizers.make(optimizer, space, seed)
    values: list[float] = []
    for _ in range(max(COUNTS)):
        (params,) = searched.ask(1, [])
        values.append(loss(params))
        searched.tell(params, values[-1])
    return [max(min(values[:count]) - minimum, SMALLEST_REGRET) for count in COUNTS]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    logs = {
        problem: [
            fmean(math.log(gp[at] / other[at]) for gp, other in pairs)
            for pairs in [[(regrets("gp", problem, seed), regrets("random", problem, seed)) for seed in seeds]]
            for at in range(len(COUNTS))
        ]
        for problem in PROBLEMS
    }
    overall = [fmean(column) for column in zip(*logs.values(), strict=True)]
    answer = {
        name: {str(count): round(math.exp(log), 4) for count, log in zip(COUNTS, each, strict=True)}
        for name, each in {"all": overall, **logs}.items()
    }
    print(json.dumps({"relative_regret": answer, "seeds": len(seeds)}))


if __name__ == "__main__":
    main()
