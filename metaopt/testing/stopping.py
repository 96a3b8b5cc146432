"""The contract of a stopper.

Subclass it in a test, and say how one is made::

    class TestMyRule(StopperContract):
        def make(self):
            return MyRule(warmup=3)

The tests below then run with it.
"""

import random
from collections.abc import Iterable, Sequence

import pytest

from metaopt.stopping.base import Learner, Promoter, Stopper

Point = tuple[float, float]
Story = Sequence[tuple[int, Point]]
"""What trials say, in order: (trial, (step, value))."""

TRIALS, STEPS, LEADER, LATE = 20, 10, 7, 6


def curves(seed: int, trials: int = TRIALS, steps: int = STEPS) -> list[tuple[int, Point]]:
    """Falling curves of some trials, told in a random order.

    The values are multiples of 1/1024, so that small sums and products of them are exact.
    """
    chance = random.Random(seed)
    levels = [chance.random() for _ in range(trials)]
    at = dict.fromkeys(range(trials), 0)
    story = []
    while at:
        trial = chance.choice([*at][:8])  # so many workers
        at[trial] += 1
        value = levels[trial] + 1.0 / at[trial] + 0.1 * chance.random()
        story.append((trial, (float(at[trial]), round(1024 * value) / 1024)))
        if at[trial] == steps:
            del at[trial]
    return story


def stopped(stopper: Stopper, story: Story) -> list[int]:
    """Where in ``story``, told a point at a time, ``stopper`` finds a reason."""
    return [index for index, (trial, point) in enumerate(story) if stopper.should_stop(trial, [point])]


def by_trial(story: Story) -> dict[int, list[Point]]:
    """All that each trial says."""
    told: dict[int, list[Point]] = {}
    for trial, point in story:
        told.setdefault(trial, []).append(point)
    return told


def promoted(stopper: Promoter, paused: Iterable[int]) -> list[int]:
    """Pause these trials; then, which of them ``stopper`` promotes, until nobody is left to be promoted."""
    for trial in paused:
        stopper.pause(trial)
    found = list[int]()
    while (answer := stopper.promote()) is not None:
        assert answer[1]
        found.append(answer[0])
    return found


class StopperContract:
    """What every stopper does."""

    def make(self) -> Stopper:
        """A new stopper."""
        raise NotImplementedError

    def test_the_same_points_give_the_same_decisions(self) -> None:
        """There is no clock and no randomness in it."""
        one, other = self.make(), self.make()
        for trial, point in curves(0):
            assert one.should_stop(trial, [point]) == other.should_stop(trial, [point])

    def test_it_answers_with_text(self) -> None:
        """Why, or an empty string."""
        stopper = self.make()
        for trial, point in curves(0):
            assert isinstance(stopper.should_stop(trial, [point]), str)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300, -1e300])
    def test_no_value_is_too_strange(self, value: float) -> None:
        """Scripts report anything."""
        stopper = self.make()
        for trial, (step, usual) in curves(0, trials=12):
            stopper.should_stop(trial, [(step, value if trial % 3 == 0 or step == 4 else usual)])  # noqa: PLR2004 - one

    def test_steps_may_repeat_and_go_backwards(self) -> None:
        """A trial that is run again begins at its first step."""
        stopper = self.make()
        for step in (1, 2, 3, 3, 1, 2, 0, -5):
            stopper.should_stop(0, [(step, 1.0)])

    def test_no_points_are_no_reason(self) -> None:
        """A trial that has said nothing goes on."""
        assert self.make().should_stop(0, []) == ""

    def test_a_point_that_is_said_again_changes_nothing(self) -> None:
        """A word may be heard twice: the decisions are the same, but for the word itself."""
        once, twice = self.make(), self.make()
        for trial, point in curves(1):
            why = once.should_stop(trial, [point])
            assert why == twice.should_stop(trial, [point])
            twice.should_stop(trial, [point])

    @pytest.mark.parametrize("seed", range(2))
    def test_points_may_be_told_one_by_one_or_together(self, seed: int) -> None:
        """How many of them a word carries depends on how busy a worker was."""
        single, together = self.make(), self.make()
        for trial, points in by_trial(curves(seed)).items():
            told = [(step, value - 2.0 * (step > LATE and trial % 2)) for step, value in points]  # some recover
            for first in range(0, len(told), 4):
                some = told[first : first + 4]
                whys = [single.should_stop(trial, [point]) for point in some]
                assert any(whys) == bool(together.should_stop(trial, some))

    def test_the_unit_of_the_metric_does_not_matter(self) -> None:
        """Seconds or minutes, errors or logarithms of errors from another zero: the decisions are the same."""
        story = curves(3)
        found = stopped(self.make(), story)
        for scale, shift in ((8.0, 0.0), (0.25, 0.0), (1.0, -64.0), (4.0, 16.0)):
            other = [(trial, (step, scale * value + shift)) for trial, (step, value) in story]
            assert stopped(self.make(), other) == found

    @pytest.mark.parametrize("seed", range(2))
    def test_it_is_brought_up_to_date_trial_by_trial(self, seed: int) -> None:
        """A run that is resumed tells it of each trial in turn: it then decides as if it had been there."""
        there, resumed = self.make(), self.make()
        story = curves(seed)[: -2 * STEPS]  # some are under way
        stopped(there, story)
        told = by_trial(story)
        for trial in sorted(told, reverse=True):
            resumed.should_stop(trial, told[trial])
        beyond = [(trial + 1000, point) for trial, point in curves(seed + 10)]
        assert stopped(there, beyond) == stopped(resumed, beyond)

    def test_a_trial_that_begins_again_has_said_nothing_before(self) -> None:
        """Its worker was lost: what the attempt said counts no more, neither for itself nor against others."""
        story = sorted(curves(0), key=lambda said: said != (0, said[1]) or said[1][0] > 1)  # trial 0 begins
        never, again = self.make(), self.make()
        for step in range(1, 10):
            again.should_stop(0, [(float(step), -1.0)])
        assert stopped(never, story) == stopped(again, story)

    def test_who_is_better_than_all_others_goes_on(self) -> None:
        """Whatever the rule: somebody has to complete."""
        stopper = self.make()
        for trial, (step, value) in curves(0):
            why = stopper.should_stop(trial, [(step, value - 3.0 if trial == LEADER else value)])
            assert not why or trial != LEADER


class PromoterContract(StopperContract):
    """What a stopper does besides that promotes paused trials."""

    def make(self) -> Promoter:
        """A new stopper."""
        raise NotImplementedError

    def test_who_is_promoted_was_paused(self) -> None:
        """Each once, and for a reason; without paused trials nobody."""
        stopper = self.make()
        stopped(stopper, curves(0))
        assert stopper.promote() is None
        found = promoted(stopper, range(0, TRIALS, 2))
        assert set(found) <= set(range(0, TRIALS, 2))
        assert len(found) == len(set(found)) > 0

    @pytest.mark.parametrize("seed", range(3))
    def test_the_best_of_the_paused_is_promoted_and_the_worst_is_not(self, seed: int) -> None:
        """Somebody has to go on, and not all."""
        stopper, story = self.make(), curves(seed)
        stopped(stopper, [(trial, (step, value - 3.0 * (trial == LEADER))) for trial, (step, value) in story])
        last = {trial: points[-1][1] for trial, points in by_trial(story).items()}
        found = promoted(stopper, range(TRIALS))
        assert LEADER in found
        assert max(last, key=lambda trial: last[trial]) not in found

    @pytest.mark.parametrize("seed", range(3))
    def test_it_promotes_the_same_when_it_was_told_trial_by_trial(self, seed: int) -> None:
        """As a run is told that is resumed: what it knows depends on the curves alone."""
        story = curves(seed)[: TRIALS * STEPS // 2]
        there, resumed = self.make(), self.make()
        stopped(there, story)
        told = by_trial(story)
        for trial in sorted(told, reverse=True):
            resumed.should_stop(trial, told[trial])
        assert promoted(there, told) == promoted(resumed, told)


class LearnerContract(StopperContract):
    """What a stopper does besides that is told which trials have completed."""

    def make(self) -> Learner:
        """A new stopper."""
        raise NotImplementedError

    def learnt(self, ends: Sequence[tuple[int, float]]) -> Learner:
        """One that knows these curves, and how trials have ended."""
        stopper = self.make()
        stopped(stopper, curves(4))
        for trial, value in ends:
            stopper.completed(trial, value)
        return stopper

    def test_in_which_order_trials_have_completed_does_not_matter_nor_whether_that_is_said_again(self) -> None:
        """A run that is resumed tells it of them in another one."""
        ends = [(trial, points[-1][1]) for trial, points in by_trial(curves(4)).items()]
        beyond = [(trial + 1000, point) for trial, point in curves(5)]
        for some in (ends[:3], ends):
            once = stopped(self.learnt(some), beyond)
            for other in (sorted(some), some[::-1], [*some, *some[:1] * 9]):
                assert stopped(self.learnt(other), beyond) == once

    @pytest.mark.parametrize("value", [float("inf"), -float("inf"), 1e300, 0.0])
    def test_no_end_is_too_strange(self, value: float) -> None:
        """Nor that of a trial which has said nothing before."""
        ends = [(trial, value if trial % 2 else 1.0) for trial in range(2 * TRIALS)]
        stopped(self.learnt(ends), [(trial + 1000, point) for trial, point in curves(6)])
