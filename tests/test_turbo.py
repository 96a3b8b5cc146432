"""TuRBO: the contract, and the region that grows, shrinks and begins anew."""

import math

import numpy as np
import pytest

import metaopt.optimizers
from metaopt.optimizers.region import FAILURES, FIRST
from metaopt.optimizers.turbo import TrustRegion
from metaopt.space import Space
from metaopt.testing import OptimizerContract

pytestmark = pytest.mark.filterwarnings("error")

HALVED = 7
"""Times until a region is too small."""
TEN = {f"x{index}": "uniform(0, 1)" for index in range(10)}


class TestTrustRegion(OptimizerContract):
    def make(self, space, seed):
        return TrustRegion(space, seed)


def valley(point):
    """Of ten numbers, each with a minimum of its own, that matter more and more."""
    return sum((1 + index) * (value - (1 + index) / 12) ** 2 for index, value in enumerate(point.values()))


def best_of(name, trials):
    optimizer = metaopt.optimizers.make(name, TEN, seed=3)
    best = math.inf
    for _ in range(trials // 4):
        for point in optimizer.ask(4, []):
            best = min(best, valley(point))
            optimizer.tell(point, valley(point))
    return best


def test_it_goes_down_a_valley_of_ten_numbers():
    assert best_of("turbo", 120) < 0.02 * best_of("random", 120)


def test_its_points_come_closer_to_the_best_one_while_they_are_no_better_and_then_it_begins_elsewhere():
    optimizer = TrustRegion(Space.parse({"x": "uniform(0, 1)"}), 1)
    begun = [point["x"] for point in optimizer.ask(2, [])]
    for x in begun:
        optimizer.tell({"x": x}, x)
    for halved in range(HALVED):
        (point,) = optimizer.ask(1, [])
        assert abs(point["x"] - min(begun)) <= FIRST / 2**halved / 2 + 1e-9
        for _ in range(FAILURES):
            optimizer.tell(point, 10.0)
    elsewhere = [point["x"] for point in optimizer.ask(8, [])]
    assert np.ptp(elsewhere) > 0.5
