"""The tree-structured Parzen estimator: the contract, its densities, and that it finds good points."""

import math

import numpy as np
import pytest
from test_optimizers import PROBLEMS, best_of

import metaopt.optimizers
from metaopt.errors import PluginError
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.parzen import Axes, Parzen, apart
from metaopt.optimizers.tpe import ParzenEstimator
from metaopt.space import Space
from metaopt.testing import OptimizerContract

pytestmark = pytest.mark.filterwarnings("error")


class TestParzenEstimator(OptimizerContract):
    def make(self, space, seed):
        return ParzenEstimator(space, seed)


def density(written, count):
    """The axes of a space, and a density around ``count`` random points of it."""
    encoding = Encoding(Space.parse(written))
    axes = Axes(encoding, list(range(encoding.dimension)))
    centres = axes.snap(np.random.default_rng(1).random((count, encoding.dimension)))
    return axes, Parzen(axes, centres, apart(centres), np.linspace(0.2, 1.0, count))


@pytest.mark.parametrize(
    "written",
    [
        {"x": "uniform(0, 1)", "y": "uniform(0, 1)"},
        {"n": "integer(1, 12, log)", "c": "choice(a, b, c)"},
        {"c": "choice(a, b, c, d)", "x": "uniform(0, 1)"},
    ],
)
@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_density_integrates_to_one_and_what_is_drawn_has_it(written, count):
    axes, parzen = density(written, count)
    cube = (np.indices((240, 240)).reshape(2, -1).T + 0.5) / 240
    p = np.exp(parzen.log(axes.expand(cube))) / (1.0 + np.linspace(0.2, 1.0, count).sum())
    assert p.mean() == pytest.approx(1.0, abs=0.01)
    drawn = parzen.draw(20_000, np.random.default_rng(2))
    for axis in range(2):
        assert drawn[:, axis].mean() == pytest.approx((p * axes.snap(cube)[:, axis]).mean(), abs=0.015)


def test_widths_are_the_distance_of_the_farther_neighbour():
    centres = np.array([[0.5], [0.1], [0.9], [0.2]])
    assert np.allclose(apart(centres)[:, 0], [0.4, 1 / 6, 0.4, 0.3])


@pytest.mark.parametrize("setting", [{"start": 0}, {"candidates": 0}, {"start": 2.5}, {"candidates": True}])
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(PluginError, match=r"(start|candidates) is"):
        metaopt.optimizers.make("tpe", {"x": "uniform(0, 1)"}, 1, **setting)


def geometric_mean(problem, other, seeds, **how):
    pairs = [
        (best_of("tpe", problem, s, **how), best_of(other, problem, s, trials=how["trials"])) for s in range(seeds)
    ]
    return math.exp(sum(math.log(ours / theirs) for ours, theirs in pairs) / seeds)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_finds_much_better_points_than_random_search(problem):
    assert geometric_mean(problem, "random", 10, trials=100) < 0.3


@pytest.mark.parametrize("problem", PROBLEMS)
def test_with_32_under_way_it_finds_better_points_than_random_search(problem):
    assert geometric_mean(problem, "random", 6, trials=160, workers=32) < 0.8


def told(space, count):
    optimizer = metaopt.optimizers.make("tpe", space, 1)
    for point in metaopt.optimizers.make("random", space, 2).ask(count, []):
        optimizer.tell(point, (point["x"] - 0.3) ** 2 + (point["y"] - 0.6) ** 2)
    return optimizer


def test_a_large_answer_begins_where_the_best_trials_are_and_spreads_from_there():
    points = told({"x": "uniform(0, 1)", "y": "uniform(0, 1)"}, 200).ask(1024, [])
    places = np.array([[point["x"], point["y"]] for point in points])
    assert len({tuple(place) for place in places}) == 1024
    away = np.linalg.norm(places - [0.3, 0.6], axis=1)
    assert np.median(away[:10]) < 0.15
    assert np.median(away[-200:]) > 1.3 * np.median(away[:50])


def test_points_under_way_lead_elsewhere():
    optimizer = told({"x": "uniform(0, 1)", "y": "uniform(0, 1)"}, 60)
    alone = [(point["x"], point["y"]) for point in optimizer.ask(8, [])]
    crowd = [{"x": 0.3 + dx, "y": 0.6 + dy} for dx in (-0.05, 0, 0.05) for dy in (-0.05, 0, 0.05)] * 8
    beside = [(point["x"], point["y"]) for point in optimizer.ask(8, crowd)]
    distance = [np.linalg.norm(np.array(points) - [0.3, 0.6], axis=1).mean() for points in (alone, beside)]
    assert distance[1] > 1.5 * distance[0]


def test_failed_trials_are_avoided():
    optimizer = metaopt.optimizers.make("tpe", {"x": "uniform(0, 1)", "c": "choice(a, b)"}, 1)
    kinds = []
    for _ in range(60):
        (point,) = optimizer.ask(1, [])
        kinds.append(point["c"])
        optimizer.tell(point, math.nan if point["c"] == "a" else point["x"])
    assert kinds[20:].count("a") < 10
