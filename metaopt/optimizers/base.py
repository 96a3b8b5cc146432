"""What an optimizer is: two methods.  It knows nothing of workers, processes or time."""

from collections.abc import Sequence
from typing import Protocol

from metaopt.messages import Params


class Optimizer(Protocol):
    """Proposes points; built as ``MyOptimizer(space, seed, **settings)``, settings being keyword-only.

    Where a study has more than one objective, one setting is their number, ``objectives``; where it has constraints,
    one is ``constraints``, their number.  An optimizer without such a setting is refused there.

    Each trial is told exactly once or is pending, so the number of points told plus the number pending is the number
    of the next trial: randomness is derived from it and from ``seed``, and a resumed study goes on as if it had
    never been interrupted.  ``metaopt.testing.OptimizerContract`` holds an implementation to all this.
    """

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` new points, knowing that ``pending`` are under way; fewer only when the space is exhausted.

        Does not change the state: the same tells and the same pending points give the same answer.
        """
        ...

    def tell(self, params: Params, value: float | Sequence[float]) -> None:
        """A trial has ended with ``value``, to be minimised; NaN when it failed or was stopped early.

        It is inf when it failed for what it is, so that its neighbours would fail too: for want of memory.  One that
        is made with ``objectives`` or ``constraints`` is told, of a trial that has completed, so many numbers: each
        objective, to be minimised, then by how much the trial exceeds each constraint (0 or less: it keeps to it).
        """
        ...
