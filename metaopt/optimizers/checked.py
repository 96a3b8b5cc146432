"""An optimizer for who asks and tells by hand: what is no point of its space is refused, not ignored."""

from collections.abc import Sequence
from difflib import get_close_matches

from metaopt.errors import SpaceError
from metaopt.messages import Params
from metaopt.optimizers.base import Optimizer, Watcher
from metaopt.space import Space


class Checked:
    """``optimizer`` over ``space``.

    Values that a parameter cannot have here may be told, as of a wider space: such a trial is counted, and no more.
    """

    def __init__(self, optimizer: Optimizer, space: Space) -> None:
        self.optimizer, self._space = optimizer, space

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """As the optimizer does."""
        return self.optimizer.ask(count, pending)

    def tell(self, params: Params, value: float | Sequence[float]) -> None:
        """The same; raises SpaceError unless ``params`` has the parameters that count there, and no others."""
        active = self._space.active(params)
        for name in params:
            if name not in active:
                near = get_close_matches(str(name), [each for each in active if each not in params], n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Leave it out; these do: {', '.join(active)}."
                raise SpaceError(str(name), "there is no such parameter, or it does not count at this point", hint)
        if missing := [name for name in active if name not in params]:
            hint = "Tell all params of a trial, as ask() gave them."
            raise SpaceError(" and ".join(missing), "no value is given", hint)
        self.optimizer.tell(params, value)


class CheckedWatcher(Checked):
    """The same of one that learns from curves."""

    optimizer: Watcher

    def watch(self, trial: int, params: Params, points: Sequence[tuple[float, float]], seconds: float) -> None:
        """As the optimizer does."""
        self.optimizer.watch(trial, params, points, seconds)

    def plan(
        self, count: int, pending: Sequence[Params], paused: Sequence[int]
    ) -> tuple[list[Params], list[tuple[int, str]]]:
        """As the optimizer does."""
        return self.optimizer.plan(count, pending, paused)
