"""An optimizer for who asks and tells by hand: what is no point of its space, or no number, is refused, not ignored."""

import math
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from reprlib import repr as short
from typing import Any

from metaopt.errors import SpaceError
from metaopt.messages import Params
from metaopt.optimizers.base import Optimizer, Watcher
from metaopt.space import Space


class Checked:
    """``optimizer`` over ``space``, which is told ``width`` numbers of each trial.

    Points may have values that a parameter cannot have here, as of a wider space: such a trial is counted, and no more.
    """

    def __init__(self, optimizer: Optimizer, space: Space, width: int = 1) -> None:
        self.optimizer, self._space, self._width = optimizer, space, width

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """As the optimizer does.

        Raises SpaceError unless each of ``pending`` has the parameters that count there, and no others, and ValueError
        for a ``count`` that is none.
        """
        self._check_asked(count, pending)
        return self.optimizer.ask(count, pending)

    def tell(self, params: Params, value: float | Sequence[float]) -> None:
        """The same; raises SpaceError for such ``params``, and ValueError for a ``value`` that is no number.

        Of several goals there are as many numbers as there are goals, or NaN, or infinity, alone.
        """
        self._check(params)
        if self._width == 1 or not is_failure(value):
            numbers("value is", value, self._width)
        self.optimizer.tell(params, value)

    def _check_asked(self, count: int, pending: Iterable[Params]) -> None:
        if not isinstance(count, Integral) or count < 0:
            problem = f"count is {count!r}, and must be a whole number, 0 or more"
            raise ValueError(problem)
        for params in pending:
            self._check(params)

    def _check(self, params: Params) -> None:
        if not isinstance(params, Mapping):
            raise SpaceError(short(params), "it is no point", "Give all params of a trial, as ask() gave them: a dict.")
        active = self._space.active(params)
        for name in params:
            if name not in active:
                near = get_close_matches(str(name), [each for each in active if each not in params], n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Leave it out; these do: {', '.join(active)}."
                raise SpaceError(str(name), "there is no such parameter, or it does not count at this point", hint)
        if missing := [name for name in active if name not in params]:
            hint = "Give all params of a trial, as ask() gave them."
            raise SpaceError(" and ".join(missing), "no value is given", hint)


class CheckedWatcher(Checked):
    """The same of one that learns from curves."""

    optimizer: Watcher

    def watch(self, trial: int, params: Params, points: Sequence[tuple[float, float]], seconds: float) -> None:
        """As the optimizer does; raises SpaceError as ``tell`` does."""
        self._check(params)
        self.optimizer.watch(trial, params, points, seconds)

    def plan(
        self, count: int, pending: Sequence[Params], paused: Sequence[int]
    ) -> tuple[list[Params], list[tuple[int, str]]]:
        """As the optimizer does; raises what ``ask`` does."""
        self._check_asked(count, pending)
        return self.optimizer.plan(count, pending, paused)


def numbers(how: str, said: Any, width: int) -> tuple[float, ...]:  # noqa: ANN401 - what it is, is seen here
    """What was ``said`` of a trial, as ``width`` numbers, finite or not; raises ValueError for anything else."""
    one = not isinstance(said, Iterable) or not getattr(said, "ndim", 1)
    each = [said] if one or isinstance(said, str | bytes | Mapping) else [*said]
    try:
        found = () if any(isinstance(one, str | bytes) for one in each) else tuple(map(float, each))
    except (TypeError, ValueError, OverflowError):
        found = ()
    if len(found) != width:
        problem = f"{how} {short(said)}, and {'a number is' if width == 1 else f'{width} numbers are'} wanted"
        raise ValueError(problem)
    return found


def is_failure(value: object) -> bool:
    """Whether it stands for all values of a trial that failed: NaN, or infinity."""
    return isinstance(value, Real) and not math.isfinite(value)
