"""What an optimizer is: two methods.  It knows nothing of workers, processes or time."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from metaopt.messages import Params


class Optimizer(Protocol):
    """Proposes points; built as ``MyOptimizer(space, seed, **settings)``.

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


@runtime_checkable
class Watcher(Optimizer, Protocol):
    """An optimizer that learns from the curves of trials, where a study has a stopper that goes by them."""

    def watch(self, trial: int, params: Params, points: Sequence[tuple[float, float]], seconds: float) -> None:
        """A trial that has no value, as yet or at all, has come so far: some (step, value) of its curve, the last too.

        Values are what it would be told with if it ended there; ``seconds`` is the work until the last step.  It is
        said again, from the first point on, as a trial goes on, and once before a value is told, or NaN since it was
        stopped; without points, before NaN since it has failed.  So NaN of what has been watched means: it was stopped.
        """
        ...

    def plan(
        self, count: int, pending: Sequence[Params], paused: Sequence[int]
    ) -> tuple[list[Params], list[tuple[int, str]]]:
        """As ``ask``, but in the place of some new points it may name ``paused`` trials that should go on, and why.

        These are among ``pending`` too.
        """
        ...
