"""Random, sobol and gp: the contract, and what is particular to each."""

import inspect
import math
import re
import reprlib
import subprocess
import sys

import numpy as np
import pytest
import yaml

import metaopt.optimizers
from metaopt.errors import PluginError, SpaceError
from metaopt.optimizers.encoding import ROUNDED, Encoding
from metaopt.optimizers.gp import GaussianProcess
from metaopt.optimizers.outcomes import standardise
from metaopt.optimizers.random import Random
from metaopt.optimizers.sobol import Sobol
from metaopt.optimizers.tried import Tried
from metaopt.plugins import COUNTS, OPTIMIZERS, RANGES, Choice, load
from metaopt.space import Space
from metaopt.testing import OptimizerContract

pytestmark = pytest.mark.filterwarnings("error")


class TestRandom(OptimizerContract):
    def make(self, space, seed):
        return Random(space, seed)


class TestSobol(OptimizerContract):
    def make(self, space, seed):
        return Sobol(space, seed)


class TestGaussianProcess(OptimizerContract):
    def make(self, space, seed):
        return GaussianProcess(space, seed)


def test_importing_the_package_loads_no_numpy():
    code = "import sys, metaopt.optimizers, metaopt.testing; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_every_number_among_their_settings_has_a_range_and_its_example_is_in_it(rule):
    takes = inspect.signature(load("optimizer", Choice(rule))).parameters.values()
    numbers = {each.name for each in takes if each.kind is each.KEYWORD_ONLY and not isinstance(each.default, bool)}
    for name in numbers - {*COUNTS}:
        metaopt.optimizers.make(rule, {"x": "uniform(0, 1)"}, **{name: yaml.safe_load(RANGES[name][2])})
        for value in (0, -1, -math.inf):
            with pytest.raises(PluginError, match=f"{name} is {value}"):
                metaopt.optimizers.make(rule, {"x": "uniform(0, 1)"}, **{name: value})


def test_make_takes_a_name_and_a_space_in_its_short_form():
    optimizer = metaopt.optimizers.make("gp", {"x": "uniform(0, 1)"}, seed=3, start=4)
    assert isinstance(optimizer.optimizer, GaussianProcess)
    assert optimizer.ask(1, []) == metaopt.optimizers.make("gp", Space.parse({"x": "uniform(0, 1)"}), 3).ask(1, [])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"lr": 0.1}, "kind: no value is given\n  Give all params"),
        ({}, "lr and kind: no value"),
        ({"lr": 0.1, "knd": "sgd"}, "knd: there is no such parameter, or it does not count .*\n  Did you mean kind?"),
        ({"lr": 0.1, 7: "sgd"}, "7: there is no such parameter"),
        ({"lr": 0.1, "kind": "adam", "momentum": 0.5}, "momentum: .*\n  Leave it out; these do: lr, kind."),
        ({"lr": 0.1, "kind": "sgd"}, "momentum: no value"),
        ("lr", "'lr': it is no point\n  Give all params of a trial, as ask\\(\\) gave them: a dict."),
        (None, "None: it is no point"),
    ],
)
def test_what_is_no_point_is_not_told_and_cannot_be_pending(params, said):
    space = {"lr": "uniform(0, 1)", "kind": "choice(adam, sgd)"}
    space["momentum"] = {"prior": "uniform(0, 1)", "when": "kind == sgd"}
    optimizer = metaopt.optimizers.make({"rule": "gp", "start": 2}, space)
    with pytest.raises(SpaceError, match=said):
        optimizer.tell(params, 1.0)
    with pytest.raises(SpaceError, match=said):
        optimizer.ask(1, [{"lr": 0.1, "kind": "adam"}, params])
    with pytest.raises(SpaceError, match=said):
        optimizer.plan(1, [params], [])
    assert len(optimizer.ask(1, [{"lr": 7.0, "kind": "adam"}])) == 1
    optimizer.tell({"lr": 7.0, "kind": "adam"}, 1.0)  # as of a wider space
    optimizer.tell({"lr": 0.5, "kind": "sgd", "momentum": 0.5}, 1.0)
    assert optimizer.ask(1, []) == metaopt.optimizers.make("gp", space).ask(3, [])[2:]  # both have been counted


@pytest.mark.parametrize(
    "value", ["bad", "1.0", None, 1j, [1.0, 2.0], {}, {1.0: 2.0}, pytest.param(10**400, id="huge")]
)
def test_what_is_no_number_is_not_told(value):
    optimizer = metaopt.optimizers.make("random", {"x": "uniform(0, 1)"})
    with pytest.raises(ValueError, match=rf"value is {re.escape(reprlib.repr(value))}, and a number is wanted"):
        optimizer.tell({"x": 0.5}, value)
    for number in (1, np.float32(0.5), math.nan, math.inf, (0.5,), [0.5], np.array(0.5), np.array([0.5])):
        optimizer.tell({"x": 0.5}, number)


def test_of_several_goals_all_numbers_are_told_or_that_it_failed():
    optimizer = metaopt.optimizers.make("gp", {"x": "uniform(0, 1)"}, objectives=2, constraints=1)
    for value in (1.0, (1.0, 2.0), "123"):
        with pytest.raises(ValueError, match="and 3 numbers are wanted"):
            optimizer.tell({"x": 0.5}, value)
    for value in (math.nan, np.float32(math.inf), (1.0, 2.0, 3.0), np.ones(3)):
        optimizer.tell({"x": 0.5}, value)


@pytest.mark.parametrize("count", ["2", 1.5, -1, None])
def test_what_is_no_count_is_not_asked_for(count):
    with pytest.raises(ValueError, match=f"count is {count!r}, and must be a whole number, 0 or more"):
        metaopt.optimizers.make("random", {"x": "uniform(0, 1)"}).ask(count, [])


def test_make_refuses_what_it_does_not_know():
    with pytest.raises(PluginError, match="sobol"):
        metaopt.optimizers.make("sobel", {"x": "uniform(0, 1)"})
    with pytest.raises(PluginError, match="starts"):
        metaopt.optimizers.make("gp", {"x": "uniform(0, 1)"}, starts=3)
    with pytest.raises(PluginError, match="seed is 'x'"):
        metaopt.optimizers.make("gp", {"x": "uniform(0, 1)"}, seed="x")
    with pytest.raises(SpaceError):
        metaopt.optimizers.make("gp", {})


def test_random_points_are_uniform_in_the_logarithm():
    points = metaopt.optimizers.make("random", {"x": "loguniform(1e-4, 1)"}).ask(2000, [])
    logs = np.log10([point["x"] for point in points])
    assert np.allclose(np.histogram(logs, bins=4, range=(-4, 0))[0], 500, atol=80)


def test_sobol_fills_every_cell_of_a_grid_as_often():
    points = metaopt.optimizers.make("sobol", {"x": "uniform(0, 1)", "y": "uniform(0, 1)"}, 5).ask(256, [])
    cells = {(int(point["x"] * 16), int(point["y"] * 16)) for point in points}
    assert len(cells) == 256


def test_sobol_goes_on_where_it_was():
    whole, parts = (metaopt.optimizers.make("sobol", {"x": "uniform(0, 1)"}, 5) for _ in range(2))
    points = parts.ask(3, [])
    parts.tell(points[0], 1.0)
    assert points + parts.ask(2, points[1:]) == whole.ask(5, [])


def test_negative_and_enormous_seeds_are_seeds():
    for seed in (-1, 2**70):
        assert len(metaopt.optimizers.make("gp", {"x": "uniform(0, 1)"}, seed).ask(2, [])) == 2


def test_tried_counts_the_points_that_are_not_in_the_space():
    tried = Tried(Space.parse({"n": "integer(1, 3)"}))
    tried.add({"n": 1})
    tried.add({"n": 9})
    assert tried.trials == 2
    assert tried.beside([{"n": 2}]).trials == 3
    assert {"n": 1} in tried
    assert {"n": 3} not in tried


def test_the_encoding_agrees_with_the_space():
    for written in [*OptimizerContract.spaces.values(), *OptimizerContract.finite.values()]:
        space = Space.parse(written)
        encoding = Encoding(space)
        points = encoding.snap(np.random.default_rng(1).random((200, encoding.dimension)))
        exact = encoding.on_grid(points)
        modelled = [column for column, each in enumerate(space.searched) if (each.cells or 0) <= ROUNDED]
        assert np.allclose(points[:, modelled], exact[:, modelled], atol=1e-3)
        rounded = list(encoding.values)
        assert (points[:, rounded] == exact[:, rounded]).all()
        for point, active in zip(points, encoding.active(points), strict=True):
            names = set(space.active(space.from_unit(point)))
            assert [each.name in names for each in space.searched] == active.tolist()


def test_the_distance_of_two_values_of_a_category_is_one():
    encoding = Encoding(Space.parse({"c": "choice(a, b, c)", "x": "uniform(0, 1)"}))
    features = encoding.features(encoding.points([{"c": value, "x": 0.5} for value in "abca"]))
    squares = ((features[:, None] - features) ** 2).sum(axis=2)
    assert np.allclose(squares, [[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]])


def test_every_point_of_a_small_space_is_listed_once():
    space = Space.parse(OptimizerContract.finite["branches"])
    assert len(Encoding(space).every_point) == space.size
    assert Encoding(Space.parse({"x": "uniform(0, 1)"})).every_point is None


def test_standardised_values_have_mean_0_and_deviation_1_and_failures_are_the_worst():
    values = standardise(np.array([3.0, 1.0, math.nan, 2.0]))
    known = values[[0, 1, 3]]
    assert known.mean() == pytest.approx(0.0)
    assert known.std() == pytest.approx(1.0)
    assert values[2] == known.max() == values[0]


def test_how_bad_a_very_bad_value_is_does_not_matter():
    bad, worse = (standardise(np.array([0.0, 1.0, 2.0, 3.0, each])) for each in (1e3, 1e9))
    assert np.allclose(bad, worse)
    assert bad[4] > bad[3]


def test_gp_answers_a_large_batch_with_points_that_keep_apart():
    optimizer = metaopt.optimizers.make("gp", {"x": "uniform(0, 1)", "y": "uniform(0, 1)"}, 1)
    for point in optimizer.ask(20, []):
        optimizer.tell(point, math.sin(13 * point["x"]) * math.cos(11 * point["y"]))
    batch = np.array([[point["x"], point["y"]] for point in optimizer.ask(32, [])])
    gaps = np.linalg.norm(batch[:, None] - batch, axis=2)[np.triu_indices(32, 1)]
    assert gaps.min() > 1e-3
    assert np.quantile(gaps, 0.5) > 0.1


def test_gp_answers_more_points_than_it_has_candidates():
    optimizer = metaopt.optimizers.make("gp", {"x": "uniform(0, 1)", "y": "uniform(0, 1)"}, 1)
    for point in optimizer.ask(10, []):
        optimizer.tell(point, point["x"])
    pending = optimizer.ask(2500, [])
    assert len({tuple(point.values()) for point in pending}) == 2500
    assert len(optimizer.ask(2, pending)) == 2


def test_gp_does_not_propose_again_what_is_under_way():
    optimizer = metaopt.optimizers.make("gp", {"x": "uniform(0, 1)"}, 1)
    for point in optimizer.ask(12, []):
        optimizer.tell(point, (point["x"] - 0.3) ** 2)
    pending = []
    for _ in range(10):
        pending += optimizer.ask(1, pending)
    assert np.diff(np.sort([point["x"] for point in pending])).min() > 1e-4


def test_gp_keeps_trying_every_value_of_a_category():
    optimizer = metaopt.optimizers.make("gp", {"x": "uniform(0, 1)", "c": "choice(a, b, c, d)"}, 1)
    counts = dict.fromkeys("abcd", 0)
    for _ in range(60):
        (point,) = optimizer.ask(1, [])
        counts[point["c"]] += 1
        optimizer.tell(point, point["x"] + 10 * "abcd".index(point["c"]))
    assert min(counts.values()) >= 3
    assert max(counts, key=counts.get) == "a"


def test_gp_with_more_observations_than_it_models_still_answers():
    optimizer = metaopt.optimizers.make("gp", {"x": "uniform(0, 1)", "y": "uniform(0, 1)"}, 1)
    for point in metaopt.optimizers.make("random", {"x": "uniform(0, 1)", "y": "uniform(0, 1)"}).ask(1200, []):
        optimizer.tell(point, (point["x"] - 0.3) ** 2 + (point["y"] - 0.6) ** 2)
    (point,) = optimizer.ask(1, [])
    assert abs(point["x"] - 0.3) + abs(point["y"] - 0.6) < 0.2


def branin(point):
    x, y = point["x"], point["y"]
    inner = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return inner**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.39788735772973816


def hartmann6(point):
    scales = np.array(
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    )
    centres = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    x = np.array(list(point.values()))
    return float(3.3223680114155 - np.array([1, 1.2, 3, 3.2]) @ np.exp(-(scales * (x - centres) ** 2).sum(axis=1)))


def mixed(point):
    wrong = {"a": 0.0, "b": 0.1, "c": 0.2}[point["c"]]
    return wrong + (point["n"] - 7) ** 2 / 50 + (math.log10(point.get("lr", 1e-1)) + 3) ** 2


PROBLEMS = {
    "branin": ({"x": "uniform(-5, 10)", "y": "uniform(0, 15)"}, branin, 0.01),
    "hartmann6": ({f"x{index}": "uniform(0, 1)" for index in range(6)}, hartmann6, 0.2),
    "mixed": (
        {
            "c": "choice(b, c, a)",
            "n": "integer(1, 20)",
            "lr": {"prior": "loguniform(1e-5, 1e-1)", "when": "c != c"},
        },
        mixed,
        0.1,
    ),
}


def best_of(name, problem, seed, *, workers=1, trials=40):
    """The lowest regret of a study, with ``workers`` trials under way at any time."""
    space, loss, _ = PROBLEMS[problem]
    optimizer = metaopt.optimizers.make(name, space, seed)
    running, values = [], []
    for _ in range(trials):
        running += optimizer.ask(workers - len(running), running)
        point = running.pop(0)
        values.append(loss(point))
        optimizer.tell(point, values[-1])
    return max(min(values), 1e-9)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_gp_finds_much_better_points_than_random_search(problem):
    ratios = [math.log(best_of("gp", problem, seed) / best_of("random", problem, seed)) for seed in range(6)]
    assert math.exp(sum(ratios) / len(ratios)) < PROBLEMS[problem][2]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_gp_finds_much_better_points_than_random_search_with_eight_workers(problem):
    pairs = [
        (best_of("gp", problem, seed, workers=8, trials=60), best_of("random", problem, seed, trials=60))
        for seed in range(4)
    ]
    assert math.exp(sum(math.log(gp / other) for gp, other in pairs) / len(pairs)) < 0.5


def one_good_branch(point):
    """Two wide branches that are never good, and a narrower one that is."""
    kind = point["kind"]
    square = (point[f"x_{kind}"] - 0.3) ** 2 + (point[f"y_{kind}"] - 0.7) ** 2 + (point["shared"] - 0.4) ** 2
    return 1.0 - math.exp(-square / 0.18) if kind == "c" else 0.25 + 0.6 * square


def test_gp_does_not_stay_in_the_wrong_branch():
    space = {"kind": "choice(a, b, c)", "shared": "uniform(0, 1)"}
    for kind in "abc":
        for name in "xy":
            space[f"{name}_{kind}"] = {"prior": "uniform(0, 1)", "when": f"kind == {kind}"}
    wrong = 0
    for seed in range(4):
        optimizer = metaopt.optimizers.make("gp", space, seed)
        values = {"a": [], "b": [], "c": []}
        for _ in range(70):
            (point,) = optimizer.ask(1, [])
            values[point["kind"]].append(one_good_branch(point))
            optimizer.tell(point, values[point["kind"]][-1])
        wrong += min(values, key=lambda kind: min(values[kind])) != "c"
    assert wrong <= 1


SQUARE = Space.parse({"x": "uniform(0, 1)", "y": "uniform(0, 1)"})


def distance(params):
    """From (0.8, 0.8), where nothing may be: what is allowed is at x + y <= 1."""
    return (params["x"] - 0.8) ** 2 + (params["y"] - 0.8) ** 2, params["x"] + params["y"] - 1.0


def test_gp_ends_at_the_edge_of_what_a_constraint_allows():
    optimizer = GaussianProcess(SQUARE, 1, constraints=1)
    seen = []
    for _ in range(35):
        (params,) = optimizer.ask(1, [])
        seen.append(distance(params))
        optimizer.tell(params, seen[-1])
    assert min(value for value, excess in seen if excess <= 0) == pytest.approx(0.18, abs=0.002)


def test_gp_looks_for_what_a_constraint_allows_while_it_has_seen_nothing_of_it():
    optimizer = GaussianProcess(SQUARE, 1, constraints=1)
    corner = []
    for _ in range(30):
        (params,) = optimizer.ask(1, [])
        corner.append(params["x"] + params["y"] - 0.1)
        optimizer.tell(params, [-params["x"], corner[-1]])
    assert min(corner) <= 0


def test_gp_learns_where_trials_fail_for_what_they_are_and_still_ends_beside_it():
    optimizer = GaussianProcess(SQUARE, 0)
    values = []
    for _ in range(40):
        (params,) = optimizer.ask(1, [])
        value, excess = distance(params)
        values.append(value if excess <= 0 else math.inf)
        optimizer.tell(params, values[-1])
    assert min(values) == pytest.approx(0.18, abs=0.01)
    assert values[15:].count(math.inf) < 18


def test_gp_spreads_over_the_pareto_set_of_two_objectives():
    optimizer = GaussianProcess(
        Space.parse({"x": "uniform(0, 1)", "y": "uniform(0, 1)", "c": "choice(a, b)"}), 2, objectives=2
    )
    front = []
    for _ in range(60):
        (params,) = optimizer.ask(1, [])
        further = 1.0 + 2.0 * params["y"] + (params["c"] == "b")
        values = (
            params["x"],
            further * (1.0 - (params["x"] / further) ** 2),
        )  # concave: no weighted sum finds its middle
        front += [values[0]] if values[1] <= 1.05 * (1.0 - values[0] ** 2) + 0.02 else []
        optimizer.tell(params, values)
    shares = np.histogram(front, 5, (0, 1))[0]
    assert shares.min() >= 2
    assert len(optimizer.ask(20, [])) == 20


def test_gp_refuses_another_number_of_values_than_it_expects():
    with pytest.raises(ValueError, match="3 values were told, and 2 are expected"):
        GaussianProcess(SQUARE, 1, objectives=2).tell({"x": 0.5, "y": 0.5}, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "values", [[math.nan], [math.inf], [(1.0, 2.0)], [(1e300, -1e300), (-1e300, math.inf), math.nan]]
)
def test_several_values_may_be_as_odd_as_one(values):
    for settings in ({"objectives": 2}, {"constraints": 1}):
        optimizer = GaussianProcess(SQUARE, 1, **settings)
        for number in range(24):
            (params,) = optimizer.ask(1, [])
            optimizer.tell(params, values[number % len(values)])
        assert len(optimizer.ask(3, [])) == 3


def test_a_trial_that_is_left_out_is_no_part_of_the_scale():
    assert np.allclose(standardise(np.array([1.0, math.inf, 3.0, math.nan])), [-1, math.nan, 1, 1], equal_nan=True)
