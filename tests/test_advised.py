"""An optimizer that is told of other studies: it tries their best points, and learns from those that are the same."""

import math

import numpy as np
import pytest

from metaopt.optimizers import make
from metaopt.optimizers.advised import APART, MOST, OTHERS, TRIED, Advised
from metaopt.space import Space
from metaopt.testing import OptimizerContract

pytestmark = pytest.mark.filterwarnings("error")

SPACE = Space.parse(dict.fromkeys("xyz", "uniform(0, 1)"))
BEST = np.array([0.25, 0.6, 0.4])


def bowl(params, best=BEST):
    return float(((np.array(list(params.values())) - best) ** 2).sum())


SOURCES = {
    "alike": lambda params: bowl(params, BEST + 0.03),
    "on another scale": lambda params: 100 + 20 * bowl(params, BEST + 0.03),
    "upside down": lambda params: -bowl(params),
    "elsewhere": lambda params: bowl(params, np.array([0.7, 0.05, 0.85])),
}


def study(loss, trials=30):
    """What another search has found out."""
    optimizer, found = make("gp", SPACE, seed=100), []
    for _ in range(trials):
        (params,) = optimizer.ask(1, [])
        found.append((params, loss(params)))
        optimizer.tell(*found[-1])
    return found


def advised(lessons=(), rule="gp", seed=1, space=SPACE):
    optimizer = Advised(lambda: make(rule, space, seed).optimizer, space)
    for params, value in lessons:
        optimizer.learn(-1, params, value)
    return optimizer


def regret(lessons, after, seeds=4):
    """The geometric mean over some seeds of the lowest value after so many trials."""
    logs = []
    for seed in range(seeds):
        optimizer, values = advised(lessons, seed=seed), []
        for _ in range(after):
            (params,) = optimizer.ask(1, [])
            values.append(bowl(params))
            optimizer.tell(params, values[-1])
        logs.append(math.log(min(values) + 1e-6))
    return math.exp(sum(logs) / seeds)


@pytest.mark.parametrize(("source", "after", "share"), [("alike", 10, 0.3), ("on another scale", 12, 1.0)])
def test_a_study_that_is_alike_helps_whatever_its_scale(source, after, share):
    assert regret(study(SOURCES[source]), after) < share * regret([], after)


@pytest.mark.parametrize("source", ["upside down", "elsewhere"])
def test_a_study_that_misleads_costs_its_trials(source):
    lessons = study(SOURCES[source])
    assert regret(lessons, 6) > regret([], 6)
    assert regret(lessons, 14 + TRIED) < 1.5 * regret([], 14)


class Recorder:
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def ask(self, count, pending):
        return [{"x": 0.5, "y": 0.5, "z": 0.5}] * count

    def tell(self, params, value):
        self.told.append((dict(params), value))


def recorded(*sources, own=(), space=SPACE):
    """One that has learned these sources, and was told ``own``, (params, value) pairs; and what it has made."""
    made = []
    optimizer = Advised(lambda: made.append(Recorder()) or made[-1], space)
    for source, lessons in enumerate(sources, start=1):
        for params, value in lessons:
            optimizer.learn(-source, params, value)
    for params, value in own:
        optimizer.tell(params, value)
    return optimizer, made


def points(count, seed, loss):
    rng = np.random.default_rng(seed)
    found = [dict(zip("xyz", row.tolist(), strict=True)) for row in rng.random((count, 3))]
    return [(params, loss(params)) for params in found]


def tried(*sources, loss=bowl, others=OTHERS):
    """What the optimizer knows in the end, when points of these sources came out by ``loss``, then so many others."""
    optimizer, made = recorded(*sources)
    first = [point for point in optimizer.ask(MOST, []) if set(point.values()) != {0.5}]
    for params, value in [*((params, loss(params)) for params in first), *points(others, 1, loss)]:
        optimizer.tell(params, value)
    assert optimizer.ask(1, []) == [{"x": 0.5, "y": 0.5, "z": 0.5}]
    return first, made[-1].told


def distance(one, other):
    return math.dist(one.values(), other.values()) / len(one) ** 0.5


def test_its_best_points_are_tried_first_apart_from_each_other():
    source = points(40, 2, bowl)
    params, value = min(source, key=lambda each: each[1])
    source.append(({**params, "x": params["x"] + 0.01}, value + 1e-6))
    optimizer, _ = recorded(source)
    best, second, third, after = optimizer.ask(TRIED + 1, [])
    ranked = [params for params, _ in sorted(source, key=lambda each: each[1])]
    assert best == ranked[0]
    assert second == next(each for each in ranked if distance(each, best) > APART)
    assert third == next(each for each in ranked if min(distance(each, one) for one in (best, second)) > APART)
    assert set(after.values()) == {0.5}
    assert optimizer.ask(1, [best]) == [second]
    assert optimizer.plan(1, [second, best], [7]) == ([third], [])
    optimizer.tell(best, math.nan)
    assert optimizer.ask(1, [third]) == [second]


def test_one_that_names_paused_trials_is_told_of_the_points_that_go_before():
    class Watching(Recorder):
        def watch(self, *_):
            pass

        def plan(self, count, pending, paused):
            return [{"count": count, "pending": [*pending]}], [(paused[0], "why")]

    optimizer = Advised(Watching, SPACE)
    (source,) = points(1, 2, bowl)
    optimizer.learn(-1, *source)
    under_way = {"x": 0.1, "y": 0.1, "z": 0.1}
    new, thawed = optimizer.plan(3, [under_way], [7])
    assert new == [source[0], {"count": 2, "pending": [under_way, source[0]]}]
    assert thawed == [(7, "why")]


def test_several_studies_take_turns_and_do_not_take_too_many():
    two, shared = [points(20, seed, bowl) for seed in (2, 3)], points(20, 4, bowl)
    first, _ = tried(*two)
    assert [each in [params for params, _ in two[0]] for each in first] == [True, False, True, False]
    assert len(tried(*(points(20, seed, bowl) for seed in range(2, 12)))[0]) == MOST
    assert len(tried(shared, shared)[0]) == 2 * 2


def test_all_is_learned_once_the_same_values_have_come_out_and_worse_ones_elsewhere():
    source = points(40, 2, bowl)
    first, told = tried(source)
    assert len(told) == 40 + OTHERS
    assert told[: 40 - TRIED] == [each for each in source if each[0] not in first]
    assert [params for params, _ in told[40 - TRIED :][:TRIED]] == first
    assert len(tried(source, others=OTHERS - 1)[1]) == TRIED + OTHERS - 1


@pytest.mark.parametrize(
    "loss",
    [
        lambda params: 1 + bowl(params),
        lambda params: 20 * bowl(params),
        lambda params: math.nan,
        lambda params: min(bowl(params), 0.03) * (1 if bowl(params) < 0.1 else -1),
    ],
    ids=["higher", "larger", "failed", "best elsewhere"],
)
def test_nothing_else_is_learned_of_one_of_which_that_is_not_so(loss):
    _, told = tried(points(40, 2, bowl), loss=loss)
    assert len(told) == TRIED + OTHERS


def test_each_study_is_believed_by_itself():
    alike, other = points(40, 2, bowl), points(40, 3, SOURCES["upside down"])
    first, told = tried(alike, other)
    assert len(first) == 4
    assert len(told) == 40 + 2 + OTHERS
    assert all(each in alike for each in told[:38])


def test_of_several_goals_each_value_must_be_the_same():
    def both(params):
        return bowl(params), 1.0 - params["x"]

    _, told = tried(points(30, 2, both), loss=both)
    assert len(told) == 30 + OTHERS
    _, told = tried(points(30, 2, both), loss=lambda params: (bowl(params), params["x"]))
    assert len(told) == TRIED + OTHERS


@pytest.mark.parametrize("values", [[1e300, -1e300, 3.0], [1.0], [5e-324, 0.0], [1.7e308, -1.7e308]])
def test_any_values_can_be_learned_and_told(values):
    lessons = [(params, values[number % len(values)]) for number, (params, _) in enumerate(points(6, 1, bowl))]
    known = {tuple(params.items()): value for params, value in lessons}
    optimizer = advised(lessons)
    for number in range(20):
        (params,) = optimizer.ask(1, [])
        assert SPACE.contains(params)
        optimizer.tell(params, known.get(tuple(params.items()), values[number % len(values)]))


class TestAdvised(OptimizerContract):
    """With nothing to learn it is the optimizer; with something it is an optimizer too."""

    def make(self, space, seed):
        return advised(rule="random", seed=seed, space=space)


class TestAdvisedOfAnother(OptimizerContract):
    """Points of another study are points of the space, none of which comes twice."""

    def make(self, space, seed):
        lessons = [(params, float(number)) for number, params in enumerate(make("random", space, 9).ask(12, []))]
        return advised(lessons, rule="random", seed=seed, space=space)


@pytest.mark.parametrize("source", ["the same", "elsewhere"])
def test_a_study_that_goes_on_has_the_same_points(source):
    lessons, own = study(SOURCES.get(source, bowl), 12), []
    optimizer = advised(lessons)
    for _ in range(TRIED + OTHERS + 4):
        (params,) = optimizer.ask(1, [])
        own.append((params, bowl(params)))
        optimizer.tell(*own[-1])
    again = advised(lessons)
    for params, value in own:
        again.tell(params, value)
    assert again.ask(3, []) == optimizer.ask(3, [])


@pytest.mark.parametrize("rule", ["gp", "random"])
def test_who_is_told_everything_at_once_has_the_same_points_as_who_asked_meanwhile(rule):
    """The third of its points ends after the study has been believed: it is known once, not twice."""
    lessons = study(bowl)
    one, other = advised(lessons, rule), advised(lessons, rule)
    first = one.ask(TRIED, [])
    apart = [{"x": 0.9, "y": 0.05 + 0.1 * number, "z": 0.95} for number in range(OTHERS)]
    told = [(params, bowl(params)) for params in (*first[:2], *apart, first[2])]
    for params, value in told[:-1]:
        one.tell(params, value)
    one.ask(1, [first[2]])
    one.tell(*told[-1])
    for params, value in told:
        other.tell(params, value)
    assert one.ask(2, []) == other.ask(2, [])
