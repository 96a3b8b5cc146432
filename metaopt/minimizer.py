"""A search without MPI, journal or script: ``metaopt.minimize(f, space, trials=50)`` calls a Python function.

    def loss(params):
        return train(**params)

    found = metaopt.minimize(loss, {"lr": "loguniform(1e-4, 1e-1)", "layers": "integer(1, 8)"}, trials=50)
    found.params, found.value

One trial after the other, in the process of the caller, by the same optimizers and with the same points as a study.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeAlias

from metaopt.errors import FunctionError
from metaopt.front import Front
from metaopt.messages import Params, Scalar
from metaopt.optimizers import Optimizer, chosen, make, understood
from metaopt.optimizers.checked import numbers
from metaopt.point import usual
from metaopt.scalars import counted
from metaopt.space import Space

Function: TypeAlias = Callable[[dict[str, Scalar]], float | Sequence[float]]
"""The params of a trial -> its value, to be minimised; of several goals a number for each (``minimize``)."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One call: ``values`` are what came out, objectives first, then constraints; none when it failed of ``error``."""

    number: int
    params: dict[str, Scalar]
    values: tuple[float, ...] = ()
    error: Exception | None = None

    @property
    def value(self) -> float | None:
        """The first objective, or the only one; None when the call failed."""
        return self.values[0] if self.values else None


@dataclass(frozen=True, slots=True)
class Result:
    """All calls in their order, the ``best`` one, and the ``pareto`` set, which with one objective is the best alone.

    Neither has one that failed or exceeds a constraint: ``best`` is None, and so are its params and value, when all
    did.
    """

    trials: tuple[Evaluation, ...]
    pareto: tuple[Evaluation, ...]

    @property
    def best(self) -> Evaluation | None:
        """That with the lowest first objective; of equals the first."""
        return self.pareto[0] if self.pareto else None

    @property
    def params(self) -> dict[str, Scalar] | None:
        """Those of the best one."""
        return self.best.params if self.best else None

    @property
    def value(self) -> float | None:
        """That of the best one."""
        return self.best.value if self.best else None


def minimize(  # noqa: D417 - settings are the optimizer's
    f: Function,
    space: Space | Mapping[str, object],
    *,
    trials: int,
    optimizer: str | Mapping[str, object] = "gp",
    seed: int = 1,
    give_up_after: int = 5,
    **settings: Any,  # noqa: ANN401 - whatever the optimizer takes
) -> Result:
    """Call ``f`` with up to ``trials`` points of ``space``, and say which is the best; fewer when there are no more.

    A call that raises, or gives what is no finite number, is a failed trial, from which the search goes on; what it
    raised stands in its ``error``.  A MemoryError says that its neighbours would fail too.  KeyboardInterrupt and the
    like end the search.  Equal seeds and equal values give equal points.

    Args:
        f: takes the params of a trial as a dict, gives the value to be minimised.  With the settings ``objectives=k``
            or ``constraints=c`` it gives k + c numbers; a constraint holds when its number is 0 or less.
        space: as in an experiment file: {"lr": "loguniform(1e-4, 1e-1)"}; that of its defaults comes first.
        trials: how many calls in all.
        optimizer: as in an experiment file: "gp", {"rule": "gp", "start": 12}, ...; ``settings`` are more of its own.
        give_up_after: so many failures at first, and nothing else, end the search; 0: never.

    Raises FunctionError for what cannot be called, or not so often, or when the first calls all failed; SpaceError and
    PluginError as ``metaopt.optimizers.make`` does; KeyboardInterrupt with the Result so far as its ``result``.
    """
    objectives, width = _check(f, trials, give_up_after, chosen(optimizer, settings).settings)
    searched = understood(space)
    proposer = make(optimizer, searched, seed, **settings)
    done: list[Evaluation] = []
    try:
        for params in _points(proposer, usual(searched), trials, done):
            done.append(_call(f, len(done), dict(params), width))
            proposer.tell(params, _told(done[-1]))
            if len(done) == give_up_after and not any(each.values for each in done):
                raise _hopeless(done)
    except KeyboardInterrupt as interrupt:
        raise _with(interrupt, Result(tuple(done), _pareto(done, objectives))) from None
    return Result(tuple(done), _pareto(done, objectives))


def _with(interrupt: KeyboardInterrupt, found: Result) -> KeyboardInterrupt:
    """The same with what was ``found``, which is told to who does not catch it."""
    interrupt.result = found  # type: ignore[attr-defined]  # of another class, Python would not end as others do
    said = f", the best of them gave {found.value:.6g} at {found.params}" if found.best else ""
    interrupt.add_note(f"after {counted(len(found.trials), 'call')}{said}; all are in the result of this exception")
    return interrupt


def _points(proposer: Optimizer, first: Params | None, trials: int, done: Sequence[Evaluation]) -> Iterator[Params]:
    """The points one by one, each by what is ``done``; fewer when there are no more."""
    points = [first] if first else proposer.ask(1, [])
    while points:
        yield points[0]
        points = proposer.ask(1, []) if len(done) < trials else []


def _check(f: object, trials: int, give_up_after: int, settings: Mapping[str, Any]) -> tuple[int, int]:
    """How many objectives there are, and how many numbers ``f`` has to give; raises FunctionError."""
    if not callable(f):
        problem = f"what is to be minimised is {f!r}, which cannot be called"
        raise FunctionError(problem, "Give a function that takes the params as one dict: lambda params: params['x'].")
    _whole("trials", trials, 1)
    _whole("give_up_after", give_up_after, 0)
    objectives = _whole("objectives", settings.get("objectives", 1), 1)
    return objectives, objectives + _whole("constraints", settings.get("constraints", 0), 0)


def _call(f: Function, number: int, params: dict[str, Scalar], width: int) -> Evaluation:
    """What comes of ``params``: ``width`` numbers, or an error."""
    try:
        return Evaluation(number, params, _finite(f(dict(params)), width))
    except Exception as error:  # noqa: BLE001 - whatever it raises, the search goes on
        return Evaluation(number, params, error=error)


def _finite(said: object, width: int) -> tuple[float, ...]:
    """What a function gave; raises ValueError when it is not ``width`` finite numbers."""
    found = numbers("it gave", said, width)
    if not all(map(math.isfinite, found)):
        problem = f"it gave {said!r}, which is not finite"
        raise ValueError(problem)
    return found


def _told(evaluation: Evaluation) -> float | tuple[float, ...]:
    """What the optimizer is told of it (optimizers/base.py)."""
    if not evaluation.values:
        return math.inf if isinstance(evaluation.error, MemoryError) else math.nan
    return evaluation.values if len(evaluation.values) > 1 else evaluation.values[0]


def _pareto(done: Sequence[Evaluation], objectives: int) -> tuple[Evaluation, ...]:
    front = Front()
    for each in done:
        if each.values and all(excess <= 0 for excess in each.values[objectives:]):
            front.add(each.values[:objectives], each.number)
    return tuple(done[number] for number in front)


def _hopeless(done: Sequence[Evaluation]) -> FunctionError:
    first = done[0]
    problem = f"the first {len(done)} calls all failed, as at {first.params}: {first.error!r}"
    error = FunctionError(
        problem, "Mend the function; or, where failures are usual, give_up_after=0 goes on all the same."
    )
    error.__cause__ = first.error
    return error


def _whole(name: str, number: object, least: int) -> int:
    if isinstance(number, bool) or not isinstance(number, Integral) or number < least:
        problem = f"{name} is {number!r}"
        raise FunctionError(problem, f"Give a whole number, {least} or more.")
    return int(number)
