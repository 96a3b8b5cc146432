"""gp without one of its ingredients, as contestants: by how much they are worse is what the ingredient is worth.

python benchmarks/regret.py --optimizers gp,variants:NoTail,variants:NoPolish
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np

from metaopt.messages import Params
from metaopt.optimizers.gp import GaussianProcess
from metaopt.optimizers.kernels import Array, Kernel

AS_GOOD_AS_NEVER = 10**9


class Variant(GaussianProcess):
    """gp with other constants, by module and name."""

    constants: ClassVar[dict[str, Any]] = {}

    def plan(
        self, count: int, pending: Sequence[Params], paused: Sequence[int]
    ) -> tuple[list[Params], list[tuple[int, str]]]:
        """As gp would with these constants."""
        with ExitStack() as stack:
            for name, value in self.constants.items():
                stack.enter_context(patch(f"metaopt.optimizers.{name}", value))
            return super().plan(count, pending, paused)


class NoLeastTried(Variant):
    """No trial is for the value of a category that was tried least."""

    constants: ClassVar = {"gp.LEAST_TRIED_EVERY": AS_GOOD_AS_NEVER}


class NoSparse(Variant):
    """However many parameters there are, all of them are expected to matter."""

    constants: ClassVar = {"gp.MANY_COORDINATES": AS_GOOD_AS_NEVER}


class NoNeighbours(Variant):
    """No candidates around the best points."""

    constants: ClassVar = {"answer.PERTURBED": 0}


class NoPolish(Variant):
    """The best candidate as it is, without gradients and sweeps."""

    constants: ClassVar = {"answer.POLISHED": 0}


class NoTail(Variant):
    """How bad a bad trial is does matter."""

    constants: ClassVar = {"outcomes.TAIL": AS_GOOD_AS_NEVER}


class NoRegion(Variant):
    """However many trials there are, none is looked for by a model of what is near the best point."""

    constants: ClassVar = {"gp.NEAR_FROM": AS_GOOD_AS_NEVER}


def flat(kernel: Kernel, *, sparse: bool) -> tuple[float, Array]:  # noqa: ARG001 - the interface
    """The log of a prior under which all hyperparameters are as likely, and its gradient."""
    return 0.0, np.zeros(len(kernel.inverse_squares) + 2)


class NoPrior(Variant):
    """Hyperparameters are those with the highest likelihood."""

    constants: ClassVar = {"likelihood.log_prior": flat}


class NoBelief(Variant):
    """What is under way is not thought of, except that it is not proposed again."""

    constants: ClassVar = {"answer.BELIEVED": 0}


class StoppedFail(GaussianProcess):
    """A trial that was stopped tells as little as one that failed."""

    def watch(self, trial: int, params: Params, points: Sequence[tuple[float, float]], seconds: float) -> None:
        """No curve is looked at."""


class ValuesAlone(GaussianProcess):
    """However many trials were stopped, the first points are drawn until so many have a value."""

    @property
    def _knows_enough(self) -> bool:
        return self._models.known >= self._start


class NoThaw(GaussianProcess):
    """What is paused goes on by the stopper alone."""

    def plan(
        self,
        count: int,
        pending: Sequence[Params],
        paused: Sequence[int],  # noqa: ARG002 - the interface
    ) -> tuple[list[Params], list[tuple[int, str]]]:
        """New points, as if there were none."""
        return super().plan(count, pending, ())
