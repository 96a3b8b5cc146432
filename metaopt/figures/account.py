"""A study as its plots see it: what became of its trials, and the story of its workers."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from metaopt.errors import NoResult
from metaopt.figures.timeline import Interval, Span, Timeline
from metaopt.goals import Goals
from metaopt.history import History, history_of
from metaopt.location import Location
from metaopt.scalars import counted
from metaopt.space import Space
from metaopt.trial import ENDED, State, Trial, nearest

WORDS, NAMED = 200, 8
"""Characters of what a failed trial died of, and trials that are named for it, at most."""
_VARIES = re.compile(r"[^\s'\"]*/[^\s'\"]*\d[^\s'\"]*|0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass
class Account:
    """``history`` and ``timeline`` of the study at ``location``; what is computed of them is computed once."""

    location: Location
    history: History
    timeline: Timeline

    def nothing(self, why: str, hint: str = "metaopt status  tells how it stands.") -> NoResult:
        """What is to be raised where there is nothing to be seen."""
        return NoResult(f"{self.location}: {why}", hint)

    @cached_property
    def counted(self) -> list[Trial]:
        """All trials that count: those that are not outside the space."""
        return [trial for trial in self.history.trials.values() if not trial.outside]

    @cached_property
    def ended(self) -> list[Trial]:
        """Those that have ended, in that order."""
        return sorted((t for t in self.counted if t.state in ENDED), key=lambda t: (t.ended or 0.0, t.number))

    @cached_property
    def completed(self) -> list[Trial]:
        """Those that have completed, in that order; raises NoResult when there is none."""
        found = [trial for trial in self.ended if trial.objectives]
        if not found:
            problem = "no trial has a result yet"
            raise self.nothing(problem)
        return found

    @cached_property
    def ranked(self) -> list[Trial]:
        """Those, the best first: the Pareto set, then the feasible ones by the first objective."""
        front = {trial.number: place for place, trial in enumerate(self.history.pareto)}
        sign = self.history.objective.sign

        def place(trial: Trial) -> tuple[float, bool, float, int]:
            return front.get(trial.number, math.inf), not trial.feasible, sign * trial.objectives[0], trial.number

        return sorted(self.completed, key=place)

    @cached_property
    def space(self) -> Space:
        """What was searched, as it is now; raises NoResult when that is not known."""
        if "space" not in self.history.experiment:
            problem = "this history does not tell what space was searched"
            raise self.nothing(problem)
        return Space.parse(self.history.experiment["space"])

    @cached_property
    def spans(self) -> list[Span]:
        """All attempts; raises NoResult when nothing has been begun."""
        found = self.timeline.spans(self.history.trials)
        if not found:
            problem = "no trial has been begun yet"
            raise self.nothing(problem)
        return found

    @cached_property
    def there(self) -> list[Interval]:
        """When workers were there."""
        return self.timeline.there()


def account_of(location: Location) -> Account:
    """Of the study at ``location``; raises HistoryError as ``history_of`` does."""
    timeline = Timeline()
    return Account(location, history_of(location, timeline.take), timeline)


def failures(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    """The failed ones of ``trials`` by the last line that each has left, the most frequent first.

    Lines that differ in numbers, or in addresses or paths with digits in them, are one, the first of them.
    """
    found: dict[str, list[Trial]] = defaultdict(list)
    names: dict[str, str] = {}
    for trial in trials:
        if trial.state is State.FAILED and not trial.outside:
            line = trial.last_words[:WORDS] or "no reason is known"
            found[names.setdefault(_VARIES.sub("#", line), line)].append(trial)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def died(found: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """A line for each of the ``failures``: how many, of what, and the numbers of the first ones."""
    for line, numbers in found.items():
        some = ", ".join(map(str, numbers[:NAMED])) + ", ..." * (len(numbers) > NAMED)
        yield f"{len(numbers)}: {line}  (trial{'s' * (len(numbers) > 1)} {some})"


def infeasible(goals: Goals, trials: Iterable[Trial]) -> str:
    """Where none of ``trials`` is the best: that none of the completed ones keeps to all constraints, and the nearest.

    Nothing when none has completed.
    """
    completed = [trial for trial in trials if trial.objectives and not trial.outside]
    if (near := nearest(completed)) is None:
        return ""
    excess, many = ", ".join(goals.exceeded(near.excess)), counted(len(completed), "completed trial")
    return f"of {many} none keeps to all constraints; nearest is trial {near.number}: {excess}"
