"""What an optimizer is: two methods.  It knows nothing of workers, processes or time."""

from collections.abc import Sequence
from typing import Protocol

from metaopt.messages import Params


class Optimizer(Protocol):
    """Proposes points; built as ``MyOptimizer(space, seed, **settings)``, settings being keyword-only.

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

        It is inf when it failed for what it is, so that its neighbours would fail too: for want of memory.  An
        optimizer whose settings have ``objectives`` or ``constraints`` (keywords with how many there are) may be told
        a sequence: first the objectives, then by how much each constraint is exceeded.
        """
        ...
