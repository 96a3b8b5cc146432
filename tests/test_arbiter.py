"""Whom workers are lent to, as a specification."""

import heapq
import random

import pytest

from metaopt.arbiter import Arbiter

MANY = 10**6


def arbiter(workers, *weights):
    """One with so many workers, and experiments 0, 1, ... that want as many as they can get."""
    made = Arbiter()
    for worker in range(1, workers + 1):
        made.came(worker)
    for name, weight in enumerate(weights):
        made.enter(name, weight)
        made.want(name, MANY)
    return made


def play(made, workers, lasts, seconds, begin=0.0):
    """Let each worker run trial after trial, which ``lasts`` so long where it is lent; the worker-seconds of each."""
    used, coming = dict.fromkeys(lasts, 0.0), []

    def run(worker, now):
        name = made.lent(worker)
        took = lasts[name]()
        used[name] += max(min(took, begin + seconds - now), 0.0)
        heapq.heappush(coming, (now + took, worker))

    made.decide(begin, range(1, workers + 1))
    for worker in range(1, workers + 1):
        run(worker, begin)
    while coming[0][0] < begin + seconds:
        now, worker = heapq.heappop(coming)
        made.decide(now, [worker])
        run(worker, now)
    return used


def held(made, workers):
    lent = [made.lent(worker) for worker in range(1, workers + 1)]
    return {name: lent.count(name) for name in set(lent)}


def test_all_at_once_are_shared_out_by_weight():
    made = arbiter(12, 1.0, 2.0, 3.0)
    made.decide(0.0, range(1, 13))
    assert held(made, 12) == {0: 2, 1: 4, 2: 6}


@pytest.mark.parametrize("workers", [1, 2, 3, 16])
@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (1, 1, 1), (5, 2, 1)])
def test_whatever_trials_last_each_has_its_share_of_the_time(workers, weights):
    chance = random.Random(1)
    lasts = {n: lambda mean=4.0**n: chance.uniform(0.5, 1.5) * mean for n in range(len(weights))}
    used = play(arbiter(workers, *weights), workers, lasts, 3_000.0)
    for name, weight in enumerate(weights):
        assert used[name] / sum(used.values()) == pytest.approx(weight / sum(weights), rel=0.1)


def test_nobody_waits_for_ever_however_little_it_weighs():
    made = arbiter(1, 1000.0, 1.0)
    used = play(made, 1, {0: lambda: 1.0, 1: lambda: 1.0}, 3_000.0)
    assert used[1] >= 2


def test_who_wants_nothing_lends_everything_and_is_owed_nothing_for_it():
    made = arbiter(4, 1.0, 1.0)
    made.want(0, 0)
    made.decide(0.0, range(1, 5))
    assert held(made, 4) == {1: 4}
    made.want(1, MANY)
    made.decide(1000.0, [1])  # the 4000 worker-seconds of the other one are no debt to it
    made.want(0, MANY)
    for now in range(1000, 1100):
        made.decide(float(now), [now % 4 + 1])
    assert held(made, 4) == {0: 2, 1: 2}


def test_who_comes_later_gets_its_share_from_then_on():
    made = arbiter(4, 1.0)
    play(made, 4, {0: lambda: 1.0}, 1000.0)
    made.enter(1, 1.0)
    made.want(1, MANY)
    used = play(made, 4, {0: lambda: 1.0, 1: lambda: 1.0}, 1000.0, begin=1001.0)
    assert used[0] == pytest.approx(used[1], rel=0.05)


def test_nobody_gets_more_than_it_wants():
    made = arbiter(8, 1.0, 1.0)
    made.want(0, 2)
    made.decide(0.0, range(1, 9))
    assert held(made, 8) == {0: 2, 1: 6}
    made.want(1, 0)
    assert made.decide(1.0, [3, 4]) == {}


def test_a_worker_stays_where_it_is_while_that_is_as_good():
    made = arbiter(4, 1.0, 1.0)
    made.decide(0.0, range(1, 5))
    for now in range(1, 50):
        assert made.decide(float(now), range(1, 5)) == {}


def test_one_that_is_spare_goes_elsewhere_or_stays():
    made = arbiter(2, 1.0, 1.0)
    made.want(1, 0)
    made.decide(0.0, [1, 2])
    assert held(made, 2) == {0: 2}
    assert made.decide(1.0, [], [2]) == {}
    made.want(1, 1)
    assert made.decide(2.0, [], [1, 2]) == {1: 1}


def test_one_that_is_unfit_for_an_experiment_is_lent_to_others_only():
    made = arbiter(1, 1.0, 1.0)
    made.decide(0.0, [1])
    made.unfit(1)
    assert made.decide(1.0, [1]) == {1: 1}
    made.unfit(1)
    assert made.decide(2.0, [1]) == {}
    assert made.leave(0) == []
    made.enter(0)
    made.want(0, 1)
    assert made.decide(3.0, [1]) == {1: 0}


def test_one_that_has_gone_is_nobodys_and_what_is_over_gives_all_back():
    made = arbiter(3, 1.0, 1.0)
    made.decide(0.0, [1, 2, 3])
    of_0 = [worker for worker in (1, 2, 3) if made.lent(worker) == 0]
    made.gone(of_0[0])
    assert made.lent(of_0[0]) is None
    assert sorted(made.leave(0)) == of_0[1:]
    made.want(1, MANY)
    assert made.decide(1.0, of_0[1:]) == dict.fromkeys(of_0[1:], 1)
