"""What is said to a stopper that is asked apart, and what it answers."""

from dataclasses import dataclass
from typing import TypeAlias

Points: TypeAlias = tuple[tuple[float, float], ...]
"""Some of a trial's curve: (step, value), to be minimised."""


@dataclass(frozen=True, slots=True)
class Weigh:
    """Have the stopper look at what is new of these curves: (trial, attempt, points known before, new points) of each.

    What has been known before it only takes in: it has been judged, or that was too early or too late.
    """

    curves: tuple[tuple[int, int, Points, Points], ...]


@dataclass(frozen=True, slots=True)
class Weighed:
    """The stopper has looked at all of them: (trial, attempt, why) of those that should stop, and what went wrong.

    Or else it begins ``anew``, in another process: it knows no curve, and owes no answer.
    """

    doubts: tuple[tuple[int, int, str], ...] = ()
    failures: tuple[str, ...] = ()
    anew: bool = False
