"""Random search: each trial somewhere in the space, whatever came out before."""

from collections.abc import Sequence

from metaopt.messages import Params
from metaopt.optimizers.tried import Tried
from metaopt.space import Space


class Random:
    """Independent points, uniform in the unit cube (so uniform in the logarithm where a parameter is)."""

    def __init__(self, space: Space, seed: int, *, objectives: int = 1, constraints: int = 0) -> None:  # noqa: ARG002 - no value matters here
        """Search ``space``; equal seeds give equal points."""
        self._space, self._seed = space, seed
        self._tried = Tried(space)

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:
        """Up to ``count`` points; in a finite space only new ones, and none when there are no more."""
        tried = self._tried.beside(pending)
        return list(tried.claims(count, self._seed, lambda _, rng: rng.random(len(self._space.searched)).tolist()))

    def tell(self, params: Params, value: float | Sequence[float]) -> None:  # noqa: ARG002 - it does not matter here
        """A trial has ended; only that it was tried counts."""
        self._tried.add(params)
