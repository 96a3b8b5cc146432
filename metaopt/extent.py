"""How far a search goes: how many points there are, how many of them are untried, how many trials are left to begin."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from metaopt.history import KEEP, History
from metaopt.messages import Params
from metaopt.optimizers.levels import LEVELS, size, values
from metaopt.plugins import OPTIMIZERS
from metaopt.scalars import counted, write
from metaopt.space import Space
from metaopt.trial import ENDED


@dataclass(frozen=True, slots=True)
class Extent:
    """So many ``points``, of which ``untried`` have no trial, and trials ``left`` to begin, replicates among them.

    ``points`` and ``untried`` are None where there is no end of them, and where nobody knows: an optimizer of one's own
    may try a point again.  ``levels`` are those of a grid that more of them would make larger, else None.
    """

    points: int | None
    untried: int | None
    left: int
    levels: int | None

    @classmethod
    def of(cls, about: Mapping[str, Any], history: History | None = None) -> "Extent":
        """That of the experiment described as ``about``, of which there is this ``history``."""
        trials = [each for each in history.trials.values() if not each.outside] if history else []
        points, where, levels = _points(about)
        untried = points
        if points is not None:
            untried = points - len({found for each in trials if (found := where(each.params))})
        missing = max(int(about.get("trials", 0)) - len(trials), 0)
        left = missing if untried is None else min(missing, untried + int(about.get("replicates", 0)))
        if history is not None and untried == 0 and all(each.state in ENDED for each in trials):
            left = min(left, _lacking(about, history))
        return cls(points, untried, left, levels)

    @property
    def where(self) -> str:
        """What it is that has so many points, and no more."""
        return f"its {'grid' if self.levels else 'space'} has only {counted(self.points or 0, 'point')}"

    @property
    def exhausted(self) -> str:
        """That all have been tried, if so."""
        return f"{self.where}, and all have been tried" if self.untried == 0 else ""

    @property
    def wider(self) -> str:
        """What to do to have more of them."""
        levels = f", or more levels: optimizer: {{rule: grid, levels: {2 * self.levels}}}" if self.levels else ""
        return f"a wider space, run with {KEEP}{levels}"


def _points(about: Mapping[str, Any]) -> tuple[int | None, Callable[[Params], object], int | None]:
    """How many there are; what is the same for equal ones, and nothing for what is none of them; a grid's levels."""
    choice = about.get("optimizer", {})
    if not about.get("space") or choice.get("rule") not in OPTIMIZERS:
        return None, bool, None
    space = Space.parse(about["space"])
    if choice["rule"] != "grid":
        return space.size, lambda params: tuple(space.to_unit(params)) if space.contains(params) else (), None
    levels = int(choice.get("settings", {}).get("levels", LEVELS))
    known = {each.name: {write(value) for value in values(each, levels)} for each in space.parameters}

    def where(params: Params) -> tuple[tuple[str, str], ...]:
        there = tuple((name, write(params[name])) for name in space.active(params) if name in params)
        on_it = len(there) == len(params) and all(value in known[name] for name, value in there)
        return there if on_it else ()

    coarse = any(each.cells is None or each.cells > levels for each in space.searched if each.kind != "category")
    return size(space, levels), where, levels if coarse else None


def _lacking(about: Mapping[str, Any], history: History) -> int:
    """How many replicates the best point has not had."""
    if not (again := int(about.get("replicates", 0))):
        return 0
    if about.get("best") == "model":
        from metaopt.devices.cpu import one_thread  # noqa: PLC0415 - only for numpy

        one_thread()
    best = history.best_by_model() if about.get("best") == "model" else history.best
    return max(again + 1 - len(history.runs(best)), 0) if best else 0
