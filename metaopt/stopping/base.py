"""What a stopper is: one method, and the formula in it; and one more, if it lets trials go on that it has paused."""

from collections.abc import Container, Sequence
from typing import Protocol, runtime_checkable


class Stopper(Protocol):
    """Decides from the curves whether a trial is worth going on; built as ``MyStopper(**settings)``.

    It has no clock and no randomness: the same points in the same order give the same decisions.  What it knows depends
    on the curves alone, in whatever order trials drew them: when a study is resumed, it is told of them trial by trial.
    ``metaopt.testing.StopperContract`` holds an implementation to this.
    """

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Take in new ``points`` (step, value; to be minimised) of ``trial``: why it should stop, or an empty string.

        Points come in the order in which the script said them; a step may be said more than once.  A step below the
        last one means that the trial was started again from its beginning, and what it said before is void.
        """
        ...


@runtime_checkable
class Promoter(Stopper, Protocol):
    """A stopper that finds trials worth going on with that were not when it was asked of them.

    Where scripts can resume, its trials are paused, not ended.
    """

    def promote(self, paused: Container[int]) -> tuple[int, str] | None:
        """Which of the ``paused`` trials should go on now, and why; None when none should.

        It is asked when a worker has nothing to do, again and again until nobody is left to be promoted.
        """
        ...
