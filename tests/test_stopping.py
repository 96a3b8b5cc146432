"""Every early-stopping rule: the contract, and what it is for."""

import pytest

from metaopt.errors import PluginError
from metaopt.plugins import STOPPERS, Choice, load
from metaopt.stopping.median import Median
from metaopt.stopping.never import Never
from metaopt.testing import StopperContract


class TestNever(StopperContract):
    def make(self):
        return Never()


class TestMedian(StopperContract):
    def make(self):
        return Median()


def tell(stopper, trial, values):
    return [stopper.should_stop(trial, [(step, value)]) for step, value in enumerate(values, start=1)]


def test_the_median_rule_stops_a_trial_whose_best_is_worse_than_the_median_of_means():
    rule = Median(warmup=1, curves=3)
    for trial, level in enumerate([1.0, 2.0, 3.0]):
        assert tell(rule, trial, [level, level]) == ["", ""]
    assert rule.should_stop(3, [(1, 2.0)]) == ""  # as good as the median
    assert "worse than 2, the median of 4 other means" in rule.should_stop(4, [(1, 2.1)])
    assert rule.should_stop(5, [(1, 9.0), (2, 0.5)]) == ""  # its best counts, not its last


def test_the_median_rule_waits_for_its_warmup_and_for_enough_curves():
    rule = Median(warmup=2, curves=2)
    tell(rule, 0, [1.0, 1.0])
    assert tell(rule, 1, [9.0, 9.0]) == ["", ""]  # one curve to compare with
    first, second = tell(rule, 2, [99.0, 99.0])
    assert first == ""
    assert "at step 2" in second


def test_nan_is_the_worst_value_to_the_median_rule():
    rule = Median(warmup=1, curves=1)
    tell(rule, 0, [1.0])
    assert rule.should_stop(1, [(1, float("nan"))])


def test_a_trial_that_begins_again_is_judged_anew():
    rule = Median(warmup=1, curves=1)
    tell(rule, 0, [5.0, 5.0])
    tell(rule, 1, [1.0, 1.0])
    assert rule.should_stop(1, [(1, 50.0)])  # its best of 1.0 was the earlier attempt's


def test_a_step_that_is_said_twice_counts_once_among_the_curves():
    rule = Median(warmup=1, curves=2)
    for trial in (0, 1):
        rule.should_stop(trial, [(1, 1.0), (1, 3.0)])
    assert "of 2 other means" in rule.should_stop(2, [(1, 9.0)])


def test_a_tie_is_no_reason_to_stop():
    rule = Median(warmup=1, curves=1)
    level = 0.5789473684210527  # whose mean over eleven equal values is another number
    tell(rule, 0, [-level] * 11)
    assert tell(rule, 1, [-level] * 11) == [""] * 11


def test_settings_are_checked():
    with pytest.raises(PluginError, match="curves"):
        Median(curves=0)
    with pytest.raises(PluginError, match="no setting 'warm_up'"):
        load("stopper", Choice("median", {"warm_up": 3}))
    with pytest.raises(PluginError, match="Did you mean 'median'"):
        load("stopper", Choice("medain"))


@pytest.mark.parametrize("name", STOPPERS)
def test_every_known_rule_can_be_had_by_its_name(name):
    assert load("stopper", Choice(name))().should_stop(0, [(1, 1.0)]) == ""
