"""Grid search: the contract of finite spaces, the values on the grid, and their order."""

import math
from typing import ClassVar

import numpy as np
import pytest

import metaopt.optimizers
from metaopt.errors import PluginError
from metaopt.optimizers.grid import Grid
from metaopt.optimizers.levels import key, points, size
from metaopt.space import Space
from metaopt.testing import OptimizerContract

pytestmark = pytest.mark.filterwarnings("error")


class TestGrid(OptimizerContract):
    """With as many levels as a parameter of the contract's finite spaces has values; a wide space is no grid's."""

    spaces: ClassVar = {
        name: space for name, space in OptimizerContract.spaces.items() if name not in ("wide", "whole", "huge")
    }

    def make(self, space, seed):
        return Grid(space, seed, levels=70 if space.size else 7)

    def test_points_of_others_can_be_told_more_than_once_and_from_outside_the_space(self):
        grid = Grid(Space.parse({"x": "uniform(0, 1)", "c": "choice(a, b)"}), 1)
        for params in ({"x": 0.5, "c": "a"}, {"x": 7.0}, {"x": 0.5, "c": "a"}, {}):
            grid.tell(params, 1.0)
        assert len(grid.ask(100, [])) == 9


def values(prior, levels=5):
    points = metaopt.optimizers.make("grid", {"x": prior}, 1, levels=levels).ask(1000, [])
    return sorted(point["x"] for point in points)


def test_both_ends_are_there_and_the_values_are_even_on_their_scale():
    assert values("uniform(0, 1)") == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert values("loguniform(1e-4, 1)") == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert values("integer(1, 4)") == [1, 2, 3, 4]
    assert values("integer(1, 9)") == [1, 3, 5, 7, 9]
    assert values("integer(1, 256, log)") == [1, 4, 16, 64, 256]
    assert values("normal(0, 1)", 3) == pytest.approx([-0.9674, 0, 0.9674], abs=1e-4)


def test_every_combination_of_active_parameters_is_there_once_and_then_no_more():
    space = {
        "kind": "choice(a, b)",
        "x": {"prior": "uniform(0, 1)", "when": "kind == a"},
        "y": {"prior": "choice(u, v)", "when": "x > 0.6"},
    }
    grid = metaopt.optimizers.make("grid", space, 1)
    points = grid.ask(1000, [])
    assert len(points) == len({repr(sorted(point.items())) for point in points}) == 3 + 2 * 2 + 1
    assert all(Space.parse(space).contains(point) for point in points)
    for point in points:
        grid.tell(point, math.nan)
    assert grid.ask(1, []) == []


def test_a_tenth_of_it_has_been_in_every_quarter():
    points = metaopt.optimizers.make("grid", {"x": "uniform(0, 1)", "y": "uniform(0, 1)"}, 1, levels=20).ask(40, [])
    quarters = np.unique([(point["x"] > 0.5, point["y"] > 0.5) for point in points], axis=0)
    assert len(quarters) == 4


def test_a_grid_that_is_too_large_says_how_large_it_is():
    with pytest.raises(PluginError, match="1,953,125 points") as caught:
        metaopt.optimizers.make("grid", {f"x{index}": "uniform(0, 1)" for index in range(9)}, 1)
    assert "levels" in caught.value.hint


@pytest.mark.parametrize("levels", [2, 3, 5, 70])
@pytest.mark.parametrize("space", OptimizerContract.spaces.values())
def test_a_grid_is_as_large_as_it_is_counted(space, levels):
    if (count := size(Space.parse(space), levels)) < 10_000:
        found = [*points(Space.parse(space), levels)]
        assert len({key(point) for point in found}) == len(found) == count


@pytest.mark.parametrize("levels", [1, 2.5, True])
def test_levels_that_make_no_sense_are_refused(levels):
    with pytest.raises(PluginError, match=f"levels is {levels}"):
        metaopt.optimizers.make("grid", {"x": "uniform(0, 1)"}, 1, levels=levels)
