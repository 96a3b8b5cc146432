"""CMA-ES: the contract, what it solves, and what does not matter to it."""

import math

import numpy as np
import pytest
from test_optimizers import PROBLEMS, best_of

import metaopt.optimizers
from metaopt.errors import PluginError
from metaopt.optimizers.cmaes import CmaEs, mirrored
from metaopt.testing import OptimizerContract

pytestmark = pytest.mark.filterwarnings("error")
FIVE = {f"x{index}": "uniform(0, 1)" for index in range(5)}


class TestCmaEs(OptimizerContract):
    def make(self, space, seed):
        return CmaEs(space, seed)


def ellipsoid(seed):
    """A rotated one, with axes from 1 to 100, around 0.37."""
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))
    scales = 10.0 ** np.linspace(0, 4, 5)
    return lambda point: float((scales * (rotation @ (np.array(list(point.values())) - 0.37)) ** 2).sum())


def searched(loss, trials, seed=1, workers=1):
    optimizer = metaopt.optimizers.make("cmaes", FIVE, seed)
    running, points = [], []
    for _ in range(trials):
        running += optimizer.ask(workers - len(running), running)
        points.append(running.pop(0))
        optimizer.tell(points[-1], loss(points[-1]))
    return points


@pytest.mark.parametrize("seed", range(3))
def test_it_solves_a_rotated_ellipsoid(seed):
    loss = ellipsoid(seed)
    assert min(map(loss, searched(loss, 1600, seed))) < 1e-6


def test_it_solves_a_rotated_ellipsoid_with_32_under_way():
    loss = ellipsoid(1)
    assert min(map(loss, searched(loss, 4000, workers=32))) < 1e-4


def test_only_the_order_of_the_values_matters():
    loss = ellipsoid(1)
    assert searched(loss, 200) == searched(lambda point: math.atan(loss(point)) ** 3 - 5.0, 200)


def test_it_begins_anew_elsewhere_when_it_has_converged():
    points = searched(lambda point: 1.0 + sum((value - 0.2) ** 2 for value in point.values()), 2500)
    away = np.abs(np.array([list(point.values()) for point in points]) - 0.2).max(axis=1)
    closest = int(np.argmin(away))
    assert away[closest] < 1e-6
    assert away[closest:].max() > 0.3


def test_points_of_others_move_it_no_further_than_its_own():
    optimizer = metaopt.optimizers.make("cmaes", FIVE, 1, sigma=0.01)
    for _ in range(8):
        optimizer.tell(dict.fromkeys(FIVE, 0.99), 0.0)
    moved = np.mean([list(point.values()) for point in optimizer.ask(100, [])])
    assert 0.505 < moved < 0.6


def test_mirroring_leads_into_the_cube_and_changes_nothing_inside():
    points = np.array([[-0.2, 0.3], [1.3, 2.1], [-1.4, 5.5]])
    assert np.allclose(mirrored(points), [[0.2, 0.3], [0.7, 0.1], [0.6, 0.5]])


def test_other_values_of_an_integer_are_drawn_however_narrow_it_has_become():
    optimizer = metaopt.optimizers.make("cmaes", {"n": "integer(1, 5)", "x": "uniform(0, 1)"}, 1)
    for _ in range(300):
        (point,) = optimizer.ask(1, [])
        optimizer.tell(point, (point["x"] - 0.4) ** 2 + (point["n"] - 3) ** 2)
    drawn = [point["n"] for point in optimizer.ask(400, [])]
    assert 200 < drawn.count(3) < 400


@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_finds_better_points_than_random_search(problem):
    pairs = [(best_of("cmaes", problem, s, trials=200), best_of("random", problem, s, trials=200)) for s in range(6)]
    assert math.exp(sum(math.log(ours / theirs) for ours, theirs in pairs) / 6) < 0.5


@pytest.mark.parametrize(
    "setting", [{"sigma": 0}, {"sigma": 5}, {"sigma": math.nan}, {"population": 3}, {"population": 4.5}]
)
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(PluginError, match=r"(sigma|population) is"):
        metaopt.optimizers.make("cmaes", FIVE, 1, **setting)
