"""What a stopper is: one method, and the formula in it; and a few more, if it has to do with pauses, or with ends."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


class Stopper(Protocol):
    """Decides from the curves whether a trial is worth going on; built as ``MyStopper(**settings)``.

    It has no clock and no randomness: the same points in the same order give the same decisions.  What it knows depends
    on the curves alone, in whatever order trials drew them: when a study is resumed, it is told of them trial by trial.
    ``metaopt.testing.StopperContract`` holds an implementation to this.

    One that takes its time, or more than the standard library, has ``apart = True`` in its class: it is asked in the
    optimizer's process, and rank 0, which goes on meanwhile, only makes one to check its settings.
    """

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Take in new ``points`` (step, value; to be minimised) of ``trial``: why it should stop, or an empty string.

        Points come in the order in which the script said them; a step may be said more than once.  A step below the
        last one means that the trial was started again from its beginning, and what it said before is void.
        """
        ...


def is_apart(stopper: Stopper) -> bool:
    """Whether it is asked in the optimizer's process."""
    return bool(getattr(stopper, "apart", False))


@runtime_checkable
class Promoter(Stopper, Protocol):
    """A stopper that finds trials worth going on with that were not when it was asked of them.

    Where scripts can resume, its trials are paused, not ended.  It is never asked apart: each idle worker waits for it.
    """

    def pause(self, trial: int) -> None:
        """``trial`` is paused from now on, wherever its curve has ended."""
        ...

    def promote(self) -> tuple[int, str] | None:
        """Which paused trial should go on, and why: it is paused no more; None when none should now."""
        ...


@runtime_checkable
class Finisher(Promoter, Protocol):
    """One that says besides with which paused trials to go on once nothing new is to begin, rather than to end them."""

    def finish(self) -> tuple[int, str] | None:
        """Which one, and why, of those that ``promote`` does not name: it is paused no more; None when none should."""
        ...


@runtime_checkable
class Learner(Stopper, Protocol):
    """A stopper that wants to know which trials have completed, and with what value; never asked apart either."""

    def completed(self, trial: int, value: float) -> None:
        """``trial``, all of whose points are known, has completed with ``value``, to be minimised; maybe said again."""
        ...
