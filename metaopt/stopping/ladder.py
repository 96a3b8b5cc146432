"""What the rules share that compare trials at certain steps: a ladder.

Its rungs are at the steps first, first * reduction, first * reduction^2, ...  A trial reaches one with its first
report at that step or beyond; one that skips rungs is on the last of them alone.  It is judged there, but not with
what may be its last report, since then its result is all but there: rather once it is known that trials go on beyond,
by this one or by another, or that ``last`` is the step at which they end.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from metaopt.stopping.settings import check_least


@dataclass(slots=True)
class Climb:
    """One trial: its last report, its value on each rung, and in the report before that."""

    step: float = -math.inf
    value: float = math.inf
    on: dict[int, float] = field(default_factory=dict)
    before: dict[int, float] = field(default_factory=dict)
    rung: int = -1
    passed: int = -1
    judged: int = -1


class Ladder:
    """Which trials have reached which rung, with what value; of a trial that began again the last beginning counts.

    ``rungs`` has all that were on each, the best first.
    """

    def __init__(self, rule: str, first: float, reduction: float, last: float | None) -> None:
        """Raise PluginError when a setting of ``rule`` makes no sense."""
        check_least(rule, "first", first, 1e-9, 1)
        check_least(rule, "reduction", reduction, 2, 3)
        if last is not None:
            check_least(rule, "max", last, first, first * 27)
        self.steps = [float(first)]
        self.climbs: dict[int, Climb] = {}
        self.rungs: list[list[tuple[float, int]]] = [[]]
        self._paused: list[list[tuple[float, int]]] = [[]]
        self._reduction, self._last = reduction, last
        self._passed: Counter[int] = Counter()

    def take(self, trial: int, step: float, value: float) -> Iterator[int]:
        """The rungs that ``trial`` is to be judged on, now that it has said ``value`` (NaN is the worst) at ``step``.

        A step that is said again counts as it was said first.
        """
        climb = self.climbs.get(trial)
        if climb is None or step < climb.step:
            self._forget(trial)
            climb = self.climbs[trial] = Climb()
        if step == climb.step:
            return
        value = math.inf if math.isnan(value) else value
        if climb.passed < climb.rung:
            self._passed[climb.passed] -= 1
            self._passed[climb.rung] += 1
            climb.passed = climb.rung
        self._climb(trial, climb, step, value)
        for rung in climb.on if climb.judged < climb.rung else ():
            if rung > climb.judged and self._goes_on(rung, step):
                climb.judged = rung
                yield rung

    def cut(self, trial: int, rung: int) -> str:
        """Why a trial goes no further when the best one in ``reduction`` does, ties included; or nothing."""
        goes_on, why = self._judged(trial, rung)
        return "" if goes_on else why

    def pause(self, trial: int) -> None:
        """``trial`` goes no further than to the last rung that it has reached, for now."""
        climb = self.climbs[trial]
        insort(self._paused[max(climb.rung, 0)], (climb.on.get(climb.rung, -math.inf), trial))

    def promising(self) -> Iterator[tuple[int, int, str]]:
        """(trial, rung, why) of the best paused trial on each rung, from the top down, if it would not be cut now."""
        for trial, rung in self.standing():
            goes_on, why = self._judged(trial, rung)
            if goes_on:
                yield trial, rung, why

    def standing(self) -> Iterator[tuple[int, int]]:
        """(trial, rung) of the best paused trial on each rung, from the top down."""
        for rung in reversed(range(len(self.rungs))):
            for _, trial in self._paused[rung][:1]:
                yield trial, rung

    def promote(self, trial: int) -> int:
        """``trial`` is paused no more; gives it."""
        self._resume(trial, self.climbs[trial])
        return trial

    def _judged(self, trial: int, rung: int) -> tuple[bool, str]:
        """Whether a trial goes on beyond a rung, and how it stands there."""
        value, there = self.climbs[trial].on.get(rung, -math.inf), self.rungs[rung]
        few, rank = len(there) < self._reduction, bisect_left(there, (value,)) + 1
        best = max(len(there), 1) if few else math.ceil(len(there) / self._reduction)
        why = f"{value:.6g} at step {self.steps[rung]:g} is number {rank} of {len(there)} there, and {best} go on"
        return rank <= best, why

    def _climb(self, trial: int, climb: Climb, step: float, value: float) -> None:
        while self.steps[-1] <= step < math.inf:
            self.steps.append(self.steps[-1] * self._reduction)
            self.rungs.append([])
            self._paused.append([])
        rung = bisect_right(self.steps, step) - 1
        if rung > climb.rung:
            self._resume(trial, climb)
            climb.rung, climb.on[rung], climb.before[rung] = rung, value, climb.value
            insort(self.rungs[rung], (value, trial))
        climb.step, climb.value = step, value

    def _goes_on(self, rung: int, step: float) -> bool:
        """Whether trials do not end with the report with which they reach this rung."""
        if self._last is not None:
            return step < self._last
        return any(passed >= rung and count for passed, count in self._passed.items())

    def _forget(self, trial: int) -> None:
        """It begins again: what it said before was in vain."""
        climb = self.climbs.pop(trial, None)
        if climb is not None:
            self._passed[climb.passed] -= 1
            self._resume(trial, climb)
            for rung, value in climb.on.items():
                del self.rungs[rung][bisect_left(self.rungs[rung], (value, trial))]
        self._passed[-1] += 1

    def _resume(self, trial: int, climb: Climb) -> None:
        """It goes on, or begins again; whether it was paused or not."""
        paused, value = self._paused[max(climb.rung, 0)], climb.on.get(climb.rung, -math.inf)
        index = bisect_left(paused, (value, trial))
        if paused[index : index + 1] == [(value, trial)]:
            del paused[index]
