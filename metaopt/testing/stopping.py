"""The contract of a stopper.

Subclass it in a test, and say how one is made::

    class TestMyRule(StopperContract):
        def make(self):
            return MyRule(warmup=3)

The tests below then run with it.
"""

import random

import pytest

from metaopt.stopping.base import Stopper


def curves(seed: int, trials: int = 12, steps: int = 9) -> list[tuple[int, tuple[float, float]]]:
    """Falling curves of some trials, told in a random order: (trial, (step, value))."""
    chance = random.Random(seed)
    levels = [chance.random() for _ in range(trials)]
    at = dict.fromkeys(range(trials), 0)
    story = []
    while at:
        trial = chance.choice(list(at))
        at[trial] += 1
        story.append((trial, (float(at[trial]), levels[trial] + 1.0 / at[trial] + 0.01 * chance.random())))
        if at[trial] == steps:
            del at[trial]
    return story


class StopperContract:
    """What every stopper does."""

    def make(self) -> Stopper:
        """A new stopper."""
        raise NotImplementedError

    @pytest.mark.parametrize("seed", range(5))
    def test_the_same_points_give_the_same_decisions(self, seed: int) -> None:
        """There is no clock and no randomness in it."""
        one, other = self.make(), self.make()
        for trial, point in curves(seed):
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
        for trial, (step, usual) in curves(0):
            stopper.should_stop(trial, [(step, value if trial % 3 == 0 else usual)])

    def test_steps_may_repeat_and_go_backwards(self) -> None:
        """A trial that is run again begins at its first step."""
        stopper = self.make()
        for step in (1, 2, 3, 3, 1, 2, 0, -5):
            stopper.should_stop(0, [(step, 1.0)])

    def test_no_points_are_no_reason(self) -> None:
        """A trial that has said nothing goes on."""
        assert self.make().should_stop(0, []) == ""
