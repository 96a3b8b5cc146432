"""An optimizer that is told of other studies: it profits from those that are alike, and drops the others."""

import math

import numpy as np
import pytest

from metaopt.optimizers import make
from metaopt.optimizers.advised import AGAIN, JUDGED, Advised
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
    optimizer = Advised(lambda: make(rule, space, seed), space)
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


@pytest.mark.parametrize(
    ("source", "after", "seeds", "share"), [("alike", 10, 4, 0.1), ("on another scale", 8, 8, 1.0)]
)
def test_a_study_that_is_alike_helps(source, after, seeds, share):
    assert regret(study(SOURCES[source]), after, seeds) < share * regret([], after, seeds)


@pytest.mark.parametrize("source", ["upside down", "elsewhere"])
def test_a_study_that_misleads_does_little_harm(source):
    lessons = study(SOURCES[source])
    assert regret(lessons, 6) > regret([], 6)
    assert regret(lessons, 14 + JUDGED) < 2 * regret([], 14)


class Recorder:
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def ask(self, count, pending):
        return [{"x": 0.5, "y": 0.5, "z": 0.5}] * count

    def tell(self, params, value):
        self.told.append((dict(params), value))


def judged(*sources, own, space=SPACE):
    """What an optimizer is told in the end, of these sources and of ``own``, (params, value) pairs."""
    made = []
    optimizer = Advised(lambda: made.append(Recorder()) or made[-1], space)
    for source, lessons in enumerate(sources, start=1):
        for params, value in lessons:
            optimizer.learn(-source, params, value)
    for params, value in own:
        optimizer.tell(params, value)
    optimizer.ask(1, [])
    return made[-1].told


def points(count, seed, loss):
    rng = np.random.default_rng(seed)
    found = [dict(zip("xyz", row.tolist(), strict=True)) for row in rng.random((count, 3))]
    return [(params, loss(params)) for params in found]


def test_each_source_is_judged_by_itself_and_one_that_is_left_out_is_counted():
    own = points(JUDGED, 1, bowl)
    alike, noise = points(40, 2, bowl), points(40, 3, SOURCES["upside down"])
    told = judged(alike, noise, own=own)
    assert len(told) == 40 + 40 + JUDGED
    kept = [each for each in told[:40] if each[0]]
    assert len(kept) >= 35
    assert all(each in alike for each in kept)
    assert all(params == {} and math.isnan(value) for params, value in told[40:80])
    assert told[80:] == own


def test_what_is_close_to_a_point_of_this_study_is_left_out():
    own = points(JUDGED, 1, bowl)
    told = judged([*own, *points(20, 2, bowl)], own=own)
    assert all(params == {} for params, _ in told[:JUDGED])
    assert len([params for params, _ in told[JUDGED : JUDGED + 20] if params]) > 10


def test_values_on_another_scale_are_brought_to_this_one():
    told = judged(points(60, 2, lambda params: 1000 + 50 * bowl(params)), own=points(20, 1, bowl))
    pairs = [(bowl(params), value) for params, value in told[:60] if params]
    assert len(pairs) > 40
    assert np.mean([abs(true - value) for true, value in pairs]) < 0.15


def test_nothing_is_judged_before_this_study_has_values_and_failures_are_none():
    lessons = points(20, 3, SOURCES["upside down"])
    own = points(JUDGED - 1, 1, bowl)
    failed = [({"x": 0.1, "y": 0.1, "z": 0.1}, each) for each in (math.nan, math.inf)]
    assert [each for each in judged(lessons, own=[*own, *failed]) if not each[0]] == []
    assert len([each for each in judged(lessons, own=[*own, *failed, own[0]]) if not each[0]]) == 20


def test_of_several_goals_each_ranks():
    def both(params):
        return bowl(params), 1.0 - bowl(params)

    def crossed(params):
        return tuple(reversed(both(params)))

    own = points(JUDGED, 1, both)
    assert len([each for each in judged(points(30, 2, both), own=own)[:30] if each[0]]) > 20
    assert [each for each in judged(points(30, 2, crossed), own=own)[:30] if each[0]] == []


@pytest.mark.parametrize("values", [[1e300, -1e300, 3.0], [1.0], [5e-324, 0.0]])
def test_any_values_can_be_learned_and_told(values):
    lessons = [(params, values[number % len(values)]) for number, (params, _) in enumerate(points(2, 1, bowl))]
    optimizer = advised(lessons)
    for number, (params, _) in enumerate(points(20, 2, bowl)):
        optimizer.tell(params, values[number % len(values)])
        assert all(map(SPACE.contains, optimizer.ask(1, [])))


class TestAdvised(OptimizerContract):
    """With nothing to learn it is the optimizer; with something it is an optimizer too."""

    def make(self, space, seed):
        return advised(rule="random", seed=seed, space=space)


def test_a_study_that_goes_on_has_the_same_points():
    lessons, own = study(SOURCES["elsewhere"], 12), []
    optimizer = advised(lessons)
    for _ in range(int(JUDGED * AGAIN**2) + 1):
        (params,) = optimizer.ask(1, [])
        own.append((params, bowl(params)))
        optimizer.tell(*own[-1])
    again = advised(lessons)
    for params, value in own:
        again.tell(params, value)
    assert again.ask(3, []) == optimizer.ask(3, [])
