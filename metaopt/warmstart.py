"""What other studies have found out: those of their completed trials that are points of this one's space."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from metaopt import history
from metaopt.errors import HistoryError
from metaopt.experiment import Experiment
from metaopt.goals import Goals
from metaopt.messages import Observe
from metaopt.space import Space
from metaopt.stores.urls import shown
from metaopt.trial import State, Trial


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the optimizer is told before anything else, and what a person is, of each history a line."""

    observed: tuple[Observe, ...] = ()
    notes: tuple[str, ...] = ()


def learn(experiment: Experiment) -> Lessons:
    """The lessons of the histories that ``experiment`` names under warm_start, in their order.

    Raises HistoryError when one of them cannot be read.
    """
    observed: list[Observe] = []
    notes: list[str] = []
    for source, url in enumerate(experiment.warm_start, start=1):
        trials = _trials(url)
        reasons = {number: _reason(trial, experiment.space, experiment.goals) for number, trial in trials.items()}
        used = [trial for number, trial in trials.items() if not reasons[number]]
        observed += [_observe(-source, trial, experiment.space, experiment.goals) for trial in used]
        notes.append(_note(url, len(used), [reason for reason in reasons.values() if reason]))
    return Lessons(tuple(observed), tuple(notes))


def _trials(url: str) -> dict[int, Trial]:
    """All trials of the history at ``url``, in the order of their numbers."""
    hint = "Correct it under warm_start:, or leave it out."
    try:
        return dict(sorted(history.load(url).trials.items()))
    except HistoryError as error:
        problem = f"warm_start: {error.problem}"
        raise type(error)(problem, f"{hint}  {error.hint}".rstrip()) from error
    except OSError as error:
        problem = f"warm_start: {shown(url)} cannot be read: {error.strerror or error}"
        raise HistoryError(problem, hint) from error


def _reason(trial: Trial, space: Space, goals: Goals) -> str:
    """Why a trial is of no use here; empty when it is."""
    if trial.state is not State.COMPLETED:
        return f"{trial.state}"
    if lacks := goals.outcome(trial.points).lacks:
        return f"without a value of {lacks}"
    params = space.filled(trial.params, space.defaults)
    if space.contains(params):
        return ""
    active = space.active(params)
    other = [name for name in params if name not in active] + [name for name in active if name not in params]
    wrong = [each.name for each in space.parameters if each.name in params and not each.contains(params[each.name])]
    return f"with other parameters ({', '.join(other)})" if other else f"outside the space ({', '.join(wrong)})"


def _observe(source: int, trial: Trial, space: Space, goals: Goals) -> Observe:
    """With the ``source``, -1, -2, ..., in the place of a number: it is none of this study's trials."""
    outcome = goals.outcome(trial.points)
    params = space.filled(trial.params, space.defaults)
    return Observe(source, params, goals.told(outcome.objectives, outcome.excess))


def _note(url: str, used: int, reasons: list[str]) -> str:
    """How many of them can be used, and why the others are not."""
    why = ", ".join(f"{count} {reason}" for reason, count in Counter(reasons).most_common())
    others = f"; not used: {why}" if why else ""
    name = shown(url) if "://" in url else Path(url).name
    if not used:
        return f"warm start: nothing of {name} can be used{others or ': it has no trials'}"
    first = "the best points are tried first"
    return f"warm start: {used} of the {used + len(reasons)} trials of {name} can be used, {first}{others}"
