"""The box around the best point of gp: which trials its model knows, and how large it is."""

import math

import numpy as np
import pytest

import metaopt.optimizers
from metaopt.optimizers import region
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.models import Models, Side
from metaopt.optimizers.region import BEGIN, FAILURES, FIRST, REACH, SMALLEST, SUCCESSES, Region, Size
from metaopt.optimizers.surrogate import Told
from metaopt.space import Space

pytestmark = pytest.mark.filterwarnings("error")

SQUARE = Encoding(Space.parse({"x": "uniform(0, 1)", "y": "uniform(0, 1)"}))
CUBE = dict.fromkeys("xyz", "uniform(-5, 5)")


def test_a_side_is_doubled_by_successes_and_halved_by_failures_in_a_row():
    size = Size(2)
    for better in [*[False] * (FAILURES - 1), True, *[False] * FAILURES]:
        size.count(better=better)
    assert size.side == FIRST / 2
    for _ in range(2 * SUCCESSES):
        size.count(better=True)
    assert size.side == 2 * FIRST


@pytest.fixture
def told_of(monkeypatch):
    """What is known of these points, each worth its distance from the middle; the box changes from then on."""

    def told_of(points):
        monkeypatch.setattr(region, "BEGIN", len(points) - 1)
        return _told_of(points)

    return told_of


def _told_of(points):
    told, seen = Told(2, 1), Region(SQUARE)
    for point in points:
        worth = float(np.abs(point - 0.5).sum())
        told.add(point, worth)
        seen.see(point, worth)
    return told, seen


def test_the_model_of_a_box_knows_what_is_near_and_looks_for_points_in_it(told_of):
    points = np.random.default_rng(0).random((200, 2))
    told, seen = told_of(points)
    for _ in range(2 * FAILURES):
        seen.see(best := told.points[np.argmin(told.values)], math.inf)
    view = seen.near(Models(SQUARE, 1, told, 1).view(Side(0)), told.values)
    away = np.abs(points - best).max(axis=1)
    assert {*map(tuple, view.told)} == {*map(tuple, points[away <= FIRST / 4 * REACH / 2])}
    assert (view.box[0] <= best).all()
    assert (best <= view.box[1]).all()
    assert np.ptp(view.box, axis=0).max() < 0.5


def test_a_box_that_has_become_too_small_is_as_large_as_at_first(told_of):
    told, seen = told_of([np.array([0.5, 0.5])])
    sides = []
    for _ in range(FAILURES * math.ceil(math.log2(FIRST / SMALLEST))):
        seen.see(told.points[0], math.inf)
        sides.append(seen.side)
    assert SMALLEST <= min(sides) < 2 * SMALLEST
    assert sides[-1] == FIRST


def waves(point):
    """Ackley's function (1987): waves that are much shorter than the bowl that they are in."""
    x = [value - 2.6 * math.sin(index + 1.0) for index, value in enumerate(point.values())]
    swell = math.exp(sum(math.cos(2 * math.pi * value) for value in x) / len(x))
    return -20 * math.exp(-0.2 * math.sqrt(sum(value**2 for value in x) / len(x))) - swell + 20 + math.e


def test_gp_looks_near_its_best_point_for_every_second_one_that_is_asked_for_by_itself(monkeypatch):
    looked, near = [], Region.near
    monkeypatch.setattr(Region, "near", lambda *asked: looked.append(len(asked[-1])) or near(*asked))
    optimizer = metaopt.optimizers.make("gp", CUBE, seed=1)
    points = metaopt.optimizers.make("random", CUBE, seed=1).ask(BEGIN - 1, [])
    for count in (1, 1, 1, 1, 4, 1):
        for point in points:
            optimizer.tell(point, waves(point))
        points = optimizer.ask(count, [])
    assert looked == [BEGIN + 1, BEGIN + 7]


def test_gp_gets_to_the_bottom_of_a_bowl_of_waves():
    optimizer = metaopt.optimizers.make("gp", CUBE, seed=1)
    best = math.inf
    for _ in range(150):
        (point,) = optimizer.ask(1, [])
        best = min(best, waves(point))
        optimizer.tell(point, waves(point))
    assert best < 0.1


def searched(space, function, count):
    """The points that gp asks for in so many trials, each with what it came to, and whether it looked near."""
    optimizer = metaopt.optimizers.make("gp", space, seed=1)
    for _ in range(count):
        (point,) = optimizer.ask(1, [])
        optimizer.tell(point, function(point))
        yield point, function(point)


@pytest.fixture
def boxes(monkeypatch):
    """The boxes that were looked into."""
    seen, near = [], Region.near
    monkeypatch.setattr(Region, "near", lambda *asked: seen.append(near(*asked)) or seen[-1])
    return seen


def test_where_trials_fail_near_the_best_point_they_are_not_run_again_and_again(boxes):
    def edge(point):
        return (
            math.nan if point["x"] + point["y"] < 0.8 else point["x"] + point["y"] + 0.3 * math.sin(9 * point["z"]) ** 2
        )

    failed = looks = 0
    for _, value in searched(dict.fromkeys("xyz", "uniform(0, 1)"), edge, 190):
        looks += len(boxes)
        failed += bool(boxes) and math.isnan(value)
        boxes.clear()
    assert looks > 20
    assert failed < looks / 2


def test_near_is_in_the_branch_of_the_best_point(boxes):
    space = {
        "k": "choice(p, q)",
        "x": {"prior": "uniform(0, 1)", "when": "k == p"},
        "y": {"prior": "uniform(0, 1)", "when": "k == q"},
    }

    def branches(point):
        return (point["x"] - 0.2) ** 2 + 0.1 if point["k"] == "p" else (point["y"] - 0.95) ** 2 + 0.1001

    elsewhere = looks = 0
    for point, _ in searched(space, branches, 160):
        looks += len(boxes)
        elsewhere += bool(boxes) and abs(point.get("x", 0.2) - 0.2) + abs(point.get("y", 0.95) - 0.95) > 0.3
        boxes.clear()
    assert looks > 15
    assert elsewhere < looks / 3


def test_nothing_is_near_before_there_is_a_best_point(boxes):
    optimizer = metaopt.optimizers.make("gp", CUBE, seed=1, constraints=1)
    for point in metaopt.optimizers.make("random", CUBE, seed=1).ask(BEGIN + 5, []):
        optimizer.tell(point, (waves(point), 1.0))
    for _ in range(3):
        (point,) = optimizer.ask(1, [])
        optimizer.tell(point, (waves(point), 1.0))
    assert not boxes


def test_ordered_values_are_near_too(boxes):
    space = dict.fromkeys("abc", "integer(0, 30)")
    encoding = Encoding(Space.parse(space))
    for point, _ in searched(space, lambda point: sum((value - 22) ** 2 for value in point.values()), 130):
        for view in boxes:
            place = encoding.points([point])[0]
            assert ((view.box[0] - 1 / 31 <= place) & (place <= view.box[1] + 1 / 31)).all()
        boxes.clear()
