"""A study of another program, in the terms of this one."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from metaopt.errors import HistoryError, HistoryMissing
from metaopt.goals import Goals
from metaopt.messages import Params, Point
from metaopt.trial import State


@dataclass(slots=True)
class ForeignTrial:
    """A trial that has ended: completed, failed or stopped; ``started`` and ``ended`` are seconds since the epoch."""

    params: Params
    state: State
    started: float
    ended: float
    points: tuple[Point, ...] = ()
    why: str = ""


@dataclass(slots=True)
class ForeignStudy:
    """What another ``program`` has found out.

    ``priors`` are as in an experiment file; ``trials`` are in the order of that program; ``notes`` is what there is to
    say of what could not be taken over as it was.
    """

    name: str
    program: str
    goals: Goals
    priors: Mapping[str, object]
    trials: Sequence[ForeignTrial]
    notes: list[str] = field(default_factory=list)


class Kept(Protocol):
    """A file with studies of another program in it."""

    def names(self) -> list[str]:
        """What the studies are called."""
        ...

    def study(self, name: str, metrics: Sequence[str]) -> ForeignStudy:
        """The one called ``name``, its objectives called as in ``metrics``, as far as these reach.

        Raises HistoryError when it cannot be had here.
        """
        ...


def choose(kept: Kept, name: str, where: str) -> str:
    """The study in ``kept`` that is meant by ``name``, or the only one; raises HistoryMissing."""
    names = kept.names()
    file = where.removesuffix(f"#{name}") if name else where
    if name in names or (not name and len(names) == 1):
        return name or names[0]
    near = get_close_matches(name, names, n=1) if name else []
    problem = f"{file} has no study {name}" if name else f"{file} has {len(names)} studies"
    if not names:
        problem = f"{file} has no study in it"
        raise HistoryMissing(problem, "Is it the right file?")
    hint = f"Did you mean {file}#{near[0]}?  " if near else f"Say which one: {file}#{names[0]}.  "
    raise HistoryMissing(problem, f"{hint}There are: {', '.join(names)}")


def renamed(names: Iterable[str]) -> dict[str, str]:
    """A name for a parameter here, of letters, digits and _, for each of ``names``."""
    given: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name.strip("/")) or "_"
        while plain in given.values():
            plain += "_"
        given[name] = plain
    return given


def unreadable(path: Path, problem: object, hint: str) -> HistoryError:
    """The error that says that ``path`` is not as it should be."""
    return HistoryError(f"{path} cannot be read: {problem}", hint)
