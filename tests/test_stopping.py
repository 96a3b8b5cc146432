"""Every early-stopping rule: the contract, and what it is for."""

import random

import pytest

from metaopt.errors import PluginError
from metaopt.plugins import STOPPERS, Choice, load
from metaopt.stopping.asha import Asha
from metaopt.stopping.curves import Curves, _student
from metaopt.stopping.hyperband import Hyperband
from metaopt.stopping.median import Median
from metaopt.stopping.never import Never
from metaopt.stopping.pasha import Pasha
from metaopt.stopping.patience import Patience
from metaopt.stopping.proven import MOST, Proven
from metaopt.stopping.threshold import Threshold
from metaopt.testing import LearnerContract, PromoterContract, StopperContract
from metaopt.testing.stopping import by_trial, curves, promoted, stopped


class TestNever(StopperContract):
    def make(self):
        return Never()


class TestMedian(StopperContract):
    def make(self):
        return Median()


class TestAsha(PromoterContract):
    def make(self):
        return Asha()


class TestAshaToAMaximum(PromoterContract):
    def make(self):
        return Asha(first=2, reduction=2, max=20)


class TestHyperband(PromoterContract):
    def make(self):
        return Hyperband(brackets=2)


class TestPasha(PromoterContract):
    def make(self):
        return Pasha(reduction=2)


class TestProven(PromoterContract, LearnerContract):
    def make(self):
        return Proven()


class TestProvenAtOnce(PromoterContract, LearnerContract):
    def make(self):
        return Proven(reduction=2, max=20, trust=0.6, curves=2)


class TestCurves(StopperContract):
    def make(self):
        return Curves(curves=5)


class TestPatience(StopperContract):
    def make(self):
        return Patience(reports=2)


class TestThreshold(StopperContract):
    def make(self):
        return Threshold()


RULES = [TestMedian, TestAsha, TestAshaToAMaximum, TestHyperband, TestPasha, TestProven, TestCurves, TestPatience]


@pytest.mark.parametrize("made", RULES)
def test_the_stories_of_the_contract_make_the_rules_stop_something_and_not_all(made):
    for seed in range(3):
        story = curves(seed)
        ended = {story[index][0] for index in stopped(made().make(), story)}
        assert 0.1 < len(ended) / len(by_trial(story)) < 1


def broken(rule):
    """Which tests of the contract ``rule`` does not pass."""
    contract, found = type("Contract", (StopperContract,), {"make": lambda _: rule()}), set()
    for name in dir(contract):
        test = getattr(contract(), name)
        marks = getattr(test, "pytestmark", [])
        for arguments in [(each,) for each in marks[0].args[1]] if marks else [()] if name.startswith("test_") else []:
            try:
                test(*arguments)
            except AssertionError:
                found.add(name)
    return found


def test_the_contract_is_cheap_for_a_rule_that_takes_its_time():
    calls = []

    class Counts(Never):
        def should_stop(self, trial, points):
            calls.append(trial)
            return ""

    assert not broken(Counts)
    assert 2000 < len(calls) < 6000


class HearsTheLast(Asha):
    def should_stop(self, trial, points):
        return super().should_stop(trial, points[-1:])


class SaysTheLast(Asha):
    def should_stop(self, trial, points):
        return [super(SaysTheLast, self).should_stop(trial, [each]) for each in points or [(0, 0.0)]][-1]


class Remembers:
    """What a trial said before it began again, too."""

    def __init__(self):
        self.at = {}

    def should_stop(self, trial, points):
        whys = [self.takes(trial, *point) for point in points]
        return "worse than the mean" if any(whys) else ""

    def takes(self, trial, step, value):
        there = self.at.setdefault(step, {})
        there.setdefault(trial, value)
        return step > 2 and len(there) > 3 and value > sum(there.values()) / len(there)


class Divides(Remembers):
    def takes(self, trial, step, value):
        there = self.at.setdefault(step, {})
        there[trial] = value
        return step > 2 and value > 1.5 * min(there.values())


@pytest.mark.parametrize(
    ("rule", "law"),
    [
        (HearsTheLast, "test_points_may_be_told_one_by_one_or_together"),
        (SaysTheLast, "test_points_may_be_told_one_by_one_or_together"),
        (Remembers, "test_a_trial_that_begins_again_has_said_nothing_before"),
        (Divides, "test_the_unit_of_the_metric_does_not_matter"),
    ],
)
def test_the_contract_finds_what_is_wrong(rule, law):
    assert law in broken(rule)


def tell(stopper, trial, values, first=1):
    return [stopper.should_stop(trial, [(step, value)]) for step, value in enumerate(values, start=first)]


def test_the_median_rule_stops_a_trial_whose_best_is_worse_than_the_median_of_means():
    rule = Median(warmup=1, curves=3)
    for trial, level in enumerate([1.0, 2.0, 3.0]):
        assert tell(rule, trial, [level, level]) == ["", ""]
    assert rule.should_stop(3, [(1, 2.0)]) == ""  # as good as the median
    assert "worse than 2, the median of 4 other means" in rule.should_stop(4, [(1, 2.1)])
    assert rule.should_stop(5, [(1, 9.0)])
    assert rule.should_stop(6, [(1, 1.0), (2, 9.0)]) == ""  # its best counts, not its last


def test_the_median_rule_waits_for_its_warmup_and_for_enough_curves():
    rule = Median(warmup=2, curves=2)
    tell(rule, 0, [1.0, 1.0])
    assert tell(rule, 1, [9.0, 9.0]) == ["", ""]  # one curve to compare with
    first, second = tell(rule, 2, [99.0, 99.0])
    assert first == ""
    assert "up to step 2" in second


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


def test_asha_lets_the_best_third_pass_each_rung():
    rule = Asha(max=27)
    assert [tell(rule, trial, [value]) for trial, value in enumerate([3.0, 2.0])] == [[""], [""]]  # too few to compare
    assert tell(rule, 2, [1.0]) == [""]
    assert tell(rule, 3, [1.5]) == [""]  # the second of four; ceil(4 / 3) = 2 go on
    (why,) = tell(rule, 4, [1.7])
    assert why == "asha: 1.7 at step 1 is number 3 of 5 there, and 2 go on"
    assert tell(rule, 2, [1.0, 1.0, 1.0], first=2) == ["", "", ""]
    assert tell(rule, 3, [9.0, 9.0], first=2) == ["", ""]  # two are too few on the rung at step 3


def test_asha_stops_no_trial_with_what_may_be_its_last_report():
    rule = Asha(reduction=2)
    assert [tell(rule, trial, [trial]) for trial in range(4)] == [[""]] * 4  # nobody is known to go beyond step 1
    assert rule.should_stop(3, [(2, 3.0)]) == "asha: 3 at step 1 is number 4 of 4 there, and 2 go on"
    assert rule.should_stop(4, [(1, 4.0)]) == "asha: 4 at step 1 is number 5 of 5 there, and 3 go on"
    assert rule.should_stop(0, [(2, 0.0)]) == ""


def test_asha_stops_nothing_at_the_maximum_or_beyond():
    rule = Asha(reduction=2, max=4)
    for trial in range(4):
        tell(rule, trial, [0.0] * 8)
    assert tell(rule, 9, [0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0, 9.0]) == [""] * 8
    assert rule.should_stop(10, [(1, 9.0)])


def test_a_script_that_reports_each_hundredth_step_is_judged_once_a_report():
    rule = Asha(max=1000)
    for trial in range(3):
        rule.should_stop(trial, [(100, trial)])
    assert rule.should_stop(3, [(100, 3.0)]) == "asha: 3 at step 81 is number 4 of 4 there, and 2 go on"


def test_asha_promotes_the_highest_first_and_the_best_there():
    rule = Asha(reduction=2, max=8)
    for trial, value in enumerate([3.0, 2.0, 4.0, 1.0]):
        tell(rule, trial, [value])
    assert promoted(rule, [0, 2]) == []
    tell(rule, 3, [1.0, 0.9], first=2)
    tell(rule, 1, [2.0, 0.8], first=2)
    tell(rule, 4, [5.0])
    rule.pause(1)
    rule.pause(3)
    assert rule.promote() == (3, "asha: 1 at step 2 is number 1 of 2 there, and 1 go on")
    assert rule.promote() == (0, "asha: 3 at step 1 is number 3 of 5 there, and 3 go on")
    assert rule.promote() is None  # trial 1 is number 2 of 2


@pytest.mark.parametrize("rule", [Asha(first=9), Pasha(first=9), Hyperband(first=9)])
def test_a_trial_that_was_paused_before_the_first_rung_goes_on(rule):
    tell(rule, 0, [1.0])
    assert promoted(rule, [0]) == [0]


def test_hyperband_compares_trials_of_one_bracket_alone():
    rule = Hyperband(first=1, reduction=3, brackets=2, max=9)  # three trials in bracket 0, then two in bracket 1, ...
    whys = [rule.should_stop(trial, [(1, trial)]) for trial in range(10)]
    assert [bool(why) for why in whys] == [False, False, True, False, False, True, True, True, False, False]
    assert whys[6] == "hyperband, bracket 0: 6 at step 1 is number 5 of 5 there, and 2 go on"
    late = [rule.should_stop(trial, [(3, trial)]) for trial in (3, 4, 8, 9)]
    assert late[3] == "hyperband, bracket 1: 9 at step 3 is number 4 of 4 there, and 2 go on"


def test_brackets_may_be_so_large_that_their_trials_are_never_reached():
    rule, asha = Hyperband(brackets=20), Asha()
    told = [(trial, point) for trial, point in curves(0)]
    assert [bool(rule.should_stop(t, [p])) for t, p in told] == [bool(asha.should_stop(t, [p])) for t, p in told]


def test_pasha_goes_no_further_than_to_where_the_ranking_has_settled():
    rule, asha = Pasha(reduction=2, max=64), Asha(reduction=2, max=64)
    falling = [[level + 1 / step for step in range(1, 65)] for level in range(8)]  # which never cross
    depths = []
    for each in (rule, asha):
        told = [[step for step, why in enumerate(tell(each, t, falling[t]), start=1) if why] for t in range(8)]
        depths.append([found[0] if found else 64 for found in told])
    ours, theirs = depths
    assert ours[0] == theirs[0] == 64
    assert max(ours[4:]) <= 2
    assert any("the ranking is that of step 1," in why for why in tell(rule, 9, [2.5, 2.0]))


def test_pasha_climbs_on_while_curves_cross():
    crossing = [[abs(step - 20 - 7 * trial) for step in range(1, 65)] for trial in range(8)]
    rule, asha = Pasha(reduction=2, max=64), Asha(reduction=2, max=64)
    for trial in reversed(range(8)):
        assert tell(rule, trial, crossing[trial])[:8] == [
            why.replace("asha", "pasha") for why in tell(asha, trial, crossing[trial])[:8]
        ]


def run_through(rule, curves, first=0):
    """Each trial goes to its end, whatever ``rule`` says of it on the way; what that was."""
    whys = {}
    for trial, values in enumerate(curves, start=first):
        whys[trial] = [*filter(None, tell(rule, trial, values))]
        rule.completed(trial, values[-1])
    return whys


def crossing(level):
    """Who ends well begins badly, and is where it will be from step 3 on."""
    return [1 - level, 1 - level, level, level, level]


def test_proven_stops_at_steps_that_tell_how_trials_end_and_at_no_others():
    rule = Proven(max=5, presumed=0)
    run_through(rule, [crossing(trial / 9) for trial in range(9)])
    found = run_through(rule, [crossing(0.05), crossing(0.95)], first=9)
    assert found[9] == []  # it began badly
    (why,) = found[10]
    assert why.startswith("proven: 0.95 at step 3 is number 11 of 11 there, and 4 go on; ")
    assert why.endswith("of pairs of trials that completed, 100% stood at step 3 as they ended")


def test_proven_presumes_that_a_step_tells_until_enough_have_completed():
    rule = Proven(max=5, presumed=8, curves=6)
    early = [rule.should_stop(trial, [(1, trial)]) for trial in range(10)]
    assert early[7] == (
        "proven: 7 at step 1 is number 8 of 8 there, and 3 go on; "
        "too few trials have completed to know what step 1 tells of the end"
    )
    assert early[8:] == ["", ""]  # enough of that
    run_through(rule, [crossing(trial / 9) for trial in range(6)], first=10)
    assert rule.should_stop(20, [(1, 99.0)]) == ""  # it has told nothing
    assert "100% stood at step 3 as they ended" in rule.should_stop(21, [(3, 99.0)])


def test_proven_knows_the_last_trials_by_number_in_whatever_order_they_end():
    ends = [(trial, crossing(trial / 99)) for trial in range(MOST + 20)]
    shares = set()
    for order in (ends, ends[::-1], ends[30:] + ends[:30]):
        rule = Proven(max=5, presumed=0)
        for trial, values in order:
            tell(rule, trial, values)
            rule.completed(trial, values[-1] if trial >= 20 else 1 - values[-1])
        shares.add(rule._share(1))
    assert shares == {1.0}


def test_proven_goes_on_at_last_with_whom_it_has_paused_without_knowing():
    rule = Proven(max=5)
    early = [rule.should_stop(trial, [(1, trial)]) for trial in range(8)]
    assert promoted(rule, [trial for trial, why in enumerate(early) if why]) == [2]  # as ever
    assert rule.finish() == (3, "proven: too few trials have completed to know what step 1 tells of the end")
    run_through(rule, [crossing(trial / 9) for trial in range(6)], first=10)
    assert rule.finish() == (4, "proven: of pairs of trials that completed, 0% stood at step 1 as they ended")
    run_through(rule, [[level / MOST] * 5 for level in range(MOST)], first=20)
    assert rule.finish() is None  # it is known by now


def test_proven_without_any_trust_is_asha():
    sure, asha = Proven(trust=0, presumed=99), Asha()
    for seed in range(3):
        whys = [[each.should_stop(trial, [point]) for each in (sure, asha)] for trial, point in curves(seed)]
        assert any(why for _, why in whys)
        assert [bool(ours) for ours, _ in whys] == [bool(theirs) for _, theirs in whys]


def test_ties_at_a_step_tell_half():
    rule = Proven(max=5, curves=3, presumed=0, trust=0.6)
    run_through(rule, [[1.0, 1.0, 1.0, 1.0, level] for level in range(6)])
    assert rule._share(0) == 0.5


def test_proven_goes_by_the_trials_that_began_last():
    rule = Proven(max=5, presumed=0)
    run_through(rule, [crossing(trial / 99) for trial in range(9)])
    straight = [[level / MOST] * 5 for level in range(MOST)]
    whys = run_through(rule, straight, first=9)
    assert not any("at step 1 " in why for trial in range(9, 40) for why in whys[trial])
    assert "proven: 9 at step 1 is number 74 of 74" in rule.should_stop(999, [(1, 9.0)])


def test_curves_stops_what_will_not_beat_the_best_and_lets_a_slow_starter_be():
    chance = random.Random(1)

    def curve(level, speed):
        return [level + chance.gauss(0, 0.003) + (1 - level) * 2 ** (-step / speed) for step in range(1, 33)]

    rule = Curves(max=32)
    for trial in range(16):  # who ends well learns slowly
        told = tell(rule, trial, curve(0.2 + 0.02 * trial, 6 - 0.3 * trial))
        assert any(told) == (trial >= 8), trial  # eight know too little
    assert not any(tell(rule, 20, curve(0.18, 6.3)))
    why = next(filter(None, tell(rule, 21, curve(0.6, 3))))
    assert "to become better than 0.2" in why
    assert "by 17 others that went to step 32" in why


def test_the_distribution_of_student():
    for freedom, t, known in [(5, -2.015, 0.05), (10, -1.812, 0.05), (30, -2.457, 0.01), (8, 0.0, 0.5)]:
        assert _student(t, freedom) == pytest.approx(known, abs=2e-3)  # of a printed table


def test_patience_ends_with_the_reports_that_better_nothing():
    rule = Patience(reports=3, least=0.1)
    assert tell(rule, 0, [1.0, 0.5, 0.45, 0.44, 0.43, 0.42]) == [""] * 6  # it is the best of all
    told = tell(rule, 1, [1.0, 0.9, 0.8, float("nan"), 0.75, 0.75])
    assert [bool(why) for why in told] == [False] * 4 + [False, True]
    assert (
        told[-1] == "patience: 0.8 at step 3, and nothing better by more than 0.1 in 3 reports; another trial has 0.5"
    )


def test_threshold_stops_what_is_worse_than_the_bound_and_what_is_no_number():
    rule = Threshold(worse_than=2.0, start=3)
    assert tell(rule, 0, [9.0, float("nan"), 2.0, 2.5])[:3] == ["", "", ""]
    assert rule.should_stop(1, [(3, 2.5)]) == "threshold: 2.5 at step 3 is worse than 2"
    assert rule.should_stop(2, [(3, float("nan"))]) == "threshold: nan at step 3"
    assert Threshold().should_stop(0, [(1, 1e300)]) == ""
    assert Threshold(worse_than=0.2, goal="maximize").should_stop(0, [(1, -0.1)])  # values are negated there


@pytest.mark.parametrize(
    ("rule", "settings", "said"),
    [
        ("asha", {"reduction": 1.5}, "reduction is 1.5"),
        ("asha", {"reduction": "three"}, "reduction is 'three', which is not a number"),
        ("asha", {"first": 0}, "first is 0"),
        ("asha", {"first": 9, "max": 3}, "max is 3"),
        ("asha", {"max": True}, "max is True"),
        ("hyperband", {"brackets": 10**9}, "brackets is 1e.09"),
        ("proven", {"trust": 85}, "trust is 85"),
        ("proven", {"curves": 1}, "curves is 1"),
        ("proven", {"presumed": -1}, "presumed is -1"),
        ("hyperband", {"brackets": 0}, "brackets is 0"),
        ("hyperband", {"brackets": 1.5}, "not a whole number"),
        ("pasha", {"reduction": 1}, "reduction is 1"),
        ("curves", {"chance": 1}, "chance is 1"),
        ("curves", {"curves": 2}, "curves is 2"),
        ("patience", {"reports": 0}, "reports is 0"),
        ("patience", {"least": -1}, "least is -1"),
        ("threshold", {"worse_than": "high"}, "worse_than is 'high'"),
        ("median", {"curves": 0}, "curves is 0"),
        ("median", {"curves": 2.5}, "curves is 2.5"),
        ("median", {"warmup": "late"}, "warmup is 'late'"),
        ("median", {"warmup": -1}, "warmup is -1"),
    ],
)
def test_settings_are_checked(rule, settings, said):
    with pytest.raises(PluginError, match=said) as raised:
        load("stopper", Choice(rule, settings))(**settings)
    assert ": " in raised.value.hint


def test_names_are_checked():
    with pytest.raises(PluginError, match="no setting 'warm_up'"):
        load("stopper", Choice("median", {"warm_up": 3}))
    with pytest.raises(PluginError, match="Did you mean 'median'"):
        load("stopper", Choice("medain"))


@pytest.mark.parametrize("name", STOPPERS)
def test_every_known_rule_can_be_had_by_its_name(name):
    assert load("stopper", Choice(name))().should_stop(0, [(1, 1.0)]) == ""


def test_of_a_chance_that_is_next_to_none_it_is_said_that_it_is_below():
    rule = Curves(curves=5)
    for number in range(5):
        rule.should_stop(number, [(float(2**step), 1.0 + number / 100 + 1 / 2**step) for step in range(5)])
    why = rule.should_stop(9, [(1.0, 1000.0), (2.0, 1000.0), (4.0, 1000.0)])
    assert "has a chance below 0.0001 to become better than" in why
