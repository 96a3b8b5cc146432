"""The Pareto set of a study, kept while its trials end."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import le
from typing import TypeAlias

Worth: TypeAlias = tuple[float, ...]
"""The objectives of a trial, all to be minimised."""


@dataclass(slots=True)
class Front:
    """Those of the trials that were added which no other one dominates; of trials that are equal, the first by number.

    Iterating gives their numbers, in the order of the first objective, the best one first.  With one objective there
    is one of them.

    ``steps`` are (worth, number), ascending.  So a trial is dominated only by some before it.  With two objectives the
    second one falls along the steps: the neighbours say all, and an addition costs a bisection.  With more of them it
    costs a look at each step, of which there are few among many trials, unless there are many objectives.
    """

    steps: list[tuple[Worth, int]] = field(default_factory=list)

    def add(self, worth: Worth, number: int) -> None:
        """One more trial, in any order of their numbers."""
        stairs, step = len(worth) <= 2, (worth, number)  # noqa: PLR2004 - two
        at = bisect_left(self.steps, step)
        if any(no_worse(each, worth) for each, _ in self.steps[max(at - 1, 0) if stairs else 0 : at]):
            return
        if stairs:
            end = at
            while end < len(self.steps) and no_worse(worth, self.steps[end][0]):
                end += 1
            self.steps[at:end] = [step]
        else:
            self.steps[at:] = [step, *(each for each in self.steps[at:] if not no_worse(worth, each[0]))]

    def __iter__(self) -> Iterator[int]:
        return (number for _, number in self.steps)


def no_worse(one: Worth, other: Worth) -> bool:
    """Whether ``one`` is as good as ``other`` in each objective: it dominates it, unless they are equal."""
    return all(map(le, one, other))
