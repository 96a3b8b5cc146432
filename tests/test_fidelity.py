"""What an optimizer makes of trials that have no value, but a curve."""

import math
import random
import warnings
from statistics import median

import numpy as np
import pytest

from metaopt import optimizers
from metaopt.optimizers.advised import TRIED, Advised
from metaopt.optimizers.base import Watcher
from metaopt.optimizers.fidelity import Curve, Levels
from metaopt.optimizers.gp import GaussianProcess
from metaopt.optimizers.surrogate import Told
from metaopt.space import Space

SPACE = {"x": "uniform(0, 1)", "y": "uniform(0, 1)", "kind": "choice(a, b)"}
END = 27


def loss(params, step=END):
    """It falls with each step, to a bowl; who has a small x falls sooner."""
    bowl = (params["x"] - 0.3) ** 2 + (params["y"] - 0.7) ** 2 + 0.1 * (params["kind"] == "b")
    return bowl + (2.0 + params["x"]) * (step**-0.7 - END**-0.7)


def curve(params, last):
    return [(step, loss(params, step)) for step in range(1, last + 1)]


def searched(seed, trials=30, *, look=True):
    """A gp whose trials are stopped after 1, 3, 9 steps, or not, whatever they are worth; and its points."""
    optimizer, chance = optimizers.make("gp", SPACE, seed, curves=look), random.Random(seed)
    points = []
    for trial in range(trials):
        (params,) = optimizer.ask(1, [])
        last = chance.choices([1, 3, 9, END], [18, 6, 2, 1])[0]
        optimizer.watch(trial, params, curve(params, last), 1.0 * last)
        optimizer.tell(params, loss(params) if last == END else math.nan)
        points.append(params)
    return optimizer, points


def test_curves_show_the_way_where_next_to_no_trial_has_a_value():
    best = {look: [min(map(loss, searched(seed, look=look)[1])) for seed in range(3)] for look in (True, False)}
    assert median(best[True]) < 0.4 * median(best[False])


@pytest.mark.parametrize(("values", "spread"), [(0, 4), (7, 4), (8, 0)])
def test_as_long_as_few_trials_have_a_value_every_second_point_is_one_of_the_sequence(values, spread):
    """How curves begin may mislead."""
    optimizer = optimizers.make("gp", SPACE, 1)
    sequence = optimizers.make("gp", SPACE, 1).ask(32, [])
    for trial, params in enumerate(sequence[:24]):
        last = END if trial < values else 3
        optimizer.watch(trial, params, curve(params, last), 1.0 * last)
        optimizer.tell(params, loss(params) if trial < values else math.nan)
    asked = optimizer.ask(8, [])
    assert len(asked) == 8
    assert sum(params in sequence for params in asked) == spread


def test_a_value_of_long_before_the_end_is_brought_to_the_scale_of_the_end():
    told, curves = Told(1, 1), {}
    for trial in range(20):
        early = float(trial)
        done = trial < 12
        values = np.array([early, 3.0 + 2.0 * early] if done else [early])
        curves[trial] = Curve(np.array([trial / 20]), np.array([3.0, 27.0][: len(values)]), values, 1.0)
        if done:
            told.add(curves[trial].point, values[-1])
    levels = Levels(told, curves)
    assert (levels.longest, levels.standing, levels.final.sum()) == (27.0, 8, 12)
    stopped = [
        value
        for point, value, budget in zip(levels.points, levels.values[:, 0], levels.budgets, strict=True)
        if point[0] >= 0.6 and budget < 1
    ]
    assert stopped == sorted(stopped)
    assert stopped[0] == pytest.approx(3.0 + 2.0 * 12, rel=0.1)


def test_the_order_in_which_curves_are_seen_does_not_matter():
    curves = {trial: {"x": trial / 30, "y": (trial * 7 % 30) / 30, "kind": "ab"[trial % 2]} for trial in range(30)}
    answers = []
    for order in (range(30), reversed(range(30))):
        optimizer = optimizers.make("gp", SPACE, 1, curves=True)
        for trial in order:
            optimizer.watch(trial, curves[trial], curve(curves[trial], 1), 0.5)
            optimizer.watch(trial, curves[trial], curve(curves[trial], 3), 1.0)
        for params in curves.values():
            optimizer.tell(params, math.nan)
        answers.append(optimizer.ask(3, []))
    assert answers[0] == answers[1]


def test_a_trial_that_was_seen_and_then_failed_has_failed():
    one, other = searched(3, 20)[0], searched(3, 20)[0]
    params = {"x": 0.31, "y": 0.69, "kind": "a"}
    one.watch(20, params, curve(params, 9), 9.0)
    one.watch(20, params, (), 0.0)
    one.tell(params, math.nan)
    other.tell(params, math.nan)
    assert one.ask(2, []) == other.ask(2, [])


def test_a_trial_that_was_stopped_is_no_failure():
    """A stopper that errs, and stops most of what is near the best point, does not drive the search away from there."""

    def best(seed, *, seen):
        optimizer, chance, values = optimizers.make("gp", SPACE, seed), random.Random(seed), []
        for trial in range(40):
            (params,) = optimizer.ask(1, [])
            value = loss(params)
            stopped = trial >= 10 and value < 0.15 and chance.random() < 0.7
            if seen:
                optimizer.watch(trial, params, curve(params, 9), 9.0)
            optimizer.tell(params, math.nan if stopped else value)
            values += [] if stopped else [value]
        return min(values)

    least = {seen: median(best(seed, seen=seen) for seed in range(3)) for seen in (True, False)}
    assert least[True] < 0.2 * least[False]


@pytest.mark.parametrize(
    ("values", "stopped", "asked"),
    [(8, 0, True), (7, 1, False), (7, 2, True), (4, 7, False), (4, 8, True), (3, 99, False)],
)
def test_where_most_trials_are_stopped_the_model_is_asked_all_the_same(values, stopped, asked):
    """Two of them count as one that has a value, but at least half of those that it takes must have one."""
    optimizer = optimizers.make("gp", SPACE, 1, curves=False)
    points = optimizer.ask(values + stopped + 1, [])  # before it knows anything: of the Sobol sequence
    for trial, params in enumerate(points[:-1]):
        optimizer.watch(trial, params, curve(params, 3), 3.0)
        optimizer.tell(params, math.nan if trial < stopped else loss(params))
    assert (optimizer.ask(1, []) != points[-1:]) == asked


def test_a_trial_that_was_stopped_is_not_tried_again():
    optimizer, points = searched(2, 25, look=False)
    assert len({tuple(params.items()) for params in points}) == 25
    assert all(params not in points for params in optimizer.ask(5, []))


def test_a_curve_that_ends_in_no_number_is_that_of_a_failure():
    one, other = searched(3, 20, look=False)[0], searched(3, 20, look=False)[0]
    params = {"x": 0.31, "y": 0.69, "kind": "a"}
    one.watch(20, params, [(1, 0.5), (2, math.nan)], 2.0)
    for optimizer in (one, other):
        optimizer.tell(params, math.nan)
    assert one.ask(2, []) == other.ask(2, [])


def test_a_paused_trial_goes_on_where_it_promises_more_than_a_new_one():
    optimizer, points = searched(1, 30)
    good, bad = {"x": 0.3001, "y": 0.7001, "kind": "a"}, {"x": 0.95, "y": 0.05, "kind": "b"}
    for trial, params in ((30, good), (31, bad)):
        optimizer.watch(trial, params, curve(params, 9), 9.0)
    pending = [good, bad]
    new, thawed = optimizer.plan(2, pending, [30, 31])
    assert [trial for trial, _ in thawed] == [30]
    assert "times as much a second as a new one" in thawed[0][1]
    assert len(new) == 1
    assert new[0] not in points
    new, thawed = optimizer.plan(1, pending, [31])
    assert (len(new), thawed) == (1, [])
    assert optimizer.plan(2, pending, []) == (optimizer.ask(2, pending), [])


def test_where_no_point_is_left_nobody_is_named():
    optimizer = optimizers.make("gp", {"n": "integer(1, 12)"}, 1, curves=True)
    for trial in range(12):
        optimizer.watch(trial, {"n": trial + 1}, [(1, float(trial))], 1.0)
        if trial < 9:
            optimizer.tell({"n": trial + 1}, float(trial))
    assert optimizer.plan(2, [{"n": number} for number in (10, 11, 12)], [9, 10, 11]) == ([], [])


def test_curves_are_not_looked_at_unless_that_is_wanted():
    one, other = (optimizers.make("gp", SPACE, 4, curves=False) for _ in range(2))
    for trial in range(14):
        (params,) = one.ask(1, [])
        one.watch(trial, params, curve(params, 9), 9.0)
        other.watch(trial, params, [(1, 7.0)], 1.0)
        for each in (one, other):
            each.tell(params, loss(params) if trial % 4 else math.nan)
    assert one.ask(2, []) == other.ask(2, [])


def test_per_second_a_cheap_point_may_promise_less():
    chosen = {}
    for per_second in (False, True):
        optimizer = optimizers.make(
            "gp", {"x": "uniform(0, 1)", "size": "uniform(0, 1)"}, 5, curves=True, per_second=per_second
        )
        chance = random.Random(5)
        for trial in range(24):
            params = {"x": chance.random(), "size": chance.random()}
            last = 3 if trial % 2 else END
            value = (params["x"] - 0.5) ** 2
            points = [(step, value + 1 / step) for step in range(1, last + 1)]
            optimizer.watch(trial, params, points, last * math.exp(6.0 * params["size"]))
            optimizer.tell(params, points[-1][1] if last == END else math.nan)
        by_curves = optimizer.ask(6, [])[::2]
        chosen[per_second] = np.mean([params["size"] for params in by_curves])
    assert chosen[True] < 0.3 < chosen[False]


def test_of_several_objectives_no_curve_is_looked_at():
    optimizer, blind = (optimizers.make("gp", SPACE, 1, objectives=2, curves=True) for _ in range(2))
    for trial in range(12):
        (params,) = blind.ask(1, [])
        optimizer.watch(trial, params, curve(params, 9), 9.0)
        for each in (optimizer, blind):
            each.tell(params, (loss(params), params["x"]))
    assert optimizer.ask(2, []) == blind.ask(2, [])


@pytest.mark.parametrize(
    "points",
    [
        [(0, 1.0)],
        [(-3, 1.0), (-1, 2.0)],
        [(1, math.nan)],
        [(1, math.inf), (2, -math.inf)],
        [(1, 1e300), (2, -1e300)],
        [(1, 1.0), (1, 2.0), (1, 3.0)],
        [(1e-300, 1.0), (1e300, 2.0)],
    ],
)
def test_no_curve_does_any_harm(points):
    optimizer, _ = searched(2, 15)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for trial in range(15, 25):
            (params,) = optimizer.ask(1, [])
            assert Space.parse(SPACE).contains(params)
            optimizer.watch(trial, params, points, 1.0)
            new, thawed = optimizer.plan(1, [params], [trial])
            assert len(new) + len(thawed) == 1
            optimizer.tell(params, math.nan)


def test_one_that_is_advised_sees_curves_too_and_again_when_it_begins_anew():
    space = Space.parse(SPACE)
    advised = Advised(lambda: GaussianProcess(space, 1, curves=True), space)
    assert isinstance(advised, Watcher)
    for number in range(10):
        params = {"x": number / 10, "y": 0.5, "kind": "a"}
        advised.learn(-1, params, loss(params))
    alone = GaussianProcess(space, 1, curves=True)
    again = advised.ask(TRIED, [])
    for trial in range(12):
        params = {"x": trial / 12, "y": (trial * 5 % 12) / 12, "kind": "ba"[trial % 2]}
        for each in (advised, alone):
            each.watch(trial, params, curve(params, 9 if trial % 2 else END), 1.0)
            each.tell(params, math.nan if trial % 2 else loss(params))
    for params in again:
        for each in (advised, alone):
            each.tell(params, loss(params))
    assert advised.plan(1, [], [])[1] == []
    assert advised._optimizer._knowledge().known == alone._knowledge().known + 10 - TRIED
    assert np.array_equal(advised._optimizer._stopped, alone._stopped)


@pytest.mark.parametrize("pauses", [True, False], ids=["paused", "stopped"])
def test_the_point_of_a_trial_that_came_to_nothing_is_not_proposed_again(pauses):
    space = {"lr": "loguniform(1e-4, 1)", "width": "integer(8, 256, log)", "drop": "uniform(0, 0.6)"}
    for seed in (2, 3, 5, 6):
        optimizer, paused, ends = optimizers.make("gp", space, seed), {}, []
        for trial in range(36):
            found, thawed = optimizer.plan(1, [*paused.values()], [*paused])
            for number, _ in thawed:
                optimizer.tell(paused.pop(number), ends[number][1])
            if not found:
                ends.append((trial, math.inf))
                continue
            lr, width = math.log10(found[0]["lr"]) + 2.5, math.log2(found[0]["width"]) - 5.5
            end = 0.6 * lr**2 + 0.2 * width**2 + 4 * (found[0]["drop"] - 0.3) ** 2
            known = sorted(end for _, end in ends)
            worse = len(known) > 3 and end > known[len(known) // 3]
            steps = 1 if worse else 27
            optimizer.watch(trial, found[0], [(s, end + 2 * math.exp(-s / 6)) for s in range(1, steps + 1)], steps)
            if worse and pauses:
                paused[trial] = found[0]
            else:
                optimizer.tell(found[0], math.nan if worse else end)
            ends.append((tuple(found[0].values()), end))
        points = [point for point, end in ends if end < math.inf]
        assert len({*points}) == len(points) > 20
