"""What is told when a script ends, or begins anew; of the first one that completes, what is not as its file has it."""

from collections.abc import Iterator, Mapping

from metaopt.messages import Finished, Reported
from metaopt.metricsfile import UNHEARD
from metaopt.process import OVERDUE
from metaopt.study import Study
from metaopt.tail import STEPLESS
from metaopt.trial import State, Trial

FROM = ("first", "warmup", "start")
"""Settings of stoppers: the first step at which they judge."""


class Asked:
    """Scripts that were asked to end: the first that had to be killed is told of, and the first that begins anew.

    One that had said a single step, and one whose steps are counted, may begin anew and not be noticed.
    """

    def __init__(self) -> None:
        self._steps, self._anew, self._killed = dict[int, dict[str, tuple[float, float]]](), False, False

    def ended(self, trial: Trial, event: Finished) -> list[str]:
        """What there is to be warned of, now that one has ended."""
        if self._killed or event.outcome != "stopped" or not event.error.startswith(OVERDUE):
            return []
        self._killed = True
        what, lost = event.error.splitlines()[0], "" if trial.stop == "pruned" else ": what it has not saved is lost"
        return [f"trial {event.trial} {what}{lost}"]

    def begins(self, trial: Trial, after: Mapping[str, float]) -> None:
        """Another attempt at ``trial`` is about to begin, ``after`` these steps, if it can go on from there."""
        self._steps.pop(trial.number, None)
        if trial.stop and after:
            first = {name: step for step, values in reversed(trial.points) for name in values}
            self._steps[trial.number] = {name: (first[name], last) for name, last in after.items()}

    def heard(self, trial: Trial, event: Reported) -> list[str]:
        """What there is to be warned of; what an attempt says that was never Started is of the one before."""
        if trial.number not in self._steps or not event.points or trial.pid is None:
            return []
        before, (step, said) = self._steps.pop(trial.number), event.points[0]
        begin, reached = next((before[name] for name in said if name in before), (0.0, 0.0))
        if self._anew or not step <= begin < reached:
            return []
        self._anew = True
        what = f"trial {event.trial} had come to step {reached:g}, and says step {step:g} again: its curve begins anew"
        return [f"{what}. Does its script load what it has saved, and is grace long enough to save?"]


def of_end(study: Study, event: Finished, *, judged: bool) -> tuple[list[str], list[str]]:
    """What is to be told, and what to be warned of, now that ``event`` is known; a stopper may have ``judged`` it."""
    trial = study.trials[event.trial]
    if trial.state is State.COMPLETED and study.tally[State.COMPLETED] == 1:
        return [], [*doubts(study, trial, judged=judged, words=event.error)]
    if trial.state is State.PAUSED:
        return [f"trial {event.trial} is paused: {trial.why}"], []
    if event.outcome == "killed" and trial.state is State.WAITING and not trial.stop:
        why = event.error.partition("\n")[0]
        return [], [f"trial {event.trial} was killed, and is run again: {why}"]
    return [], []


def doubts(study: Study, trial: Trial, *, judged: bool, words: str = "") -> Iterator[str]:
    """What is odd about ``trial``, which has completed with these ``words``.

    ``judged``: there is a stopper that looks at its curve.
    """
    said = {name for _, values in trial.points for name in values}
    for name in study.experiment.get("metrics", ()):
        if name not in said and name != "step":
            yield f"trial {trial.number} has completed, and the pattern of {name} was on no line of its output"
    for line in words.splitlines():
        if line.startswith((UNHEARD, STEPLESS)):
            yield f"trial {trial.number} has completed, and {line}"
    if judged:
        yield from _unjudged(study, trial)


def _unjudged(study: Study, trial: Trial) -> Iterator[str]:
    """What keeps the stopper from being of use."""
    stopper, metric = study.experiment.get("stopper", {}), study.objective.metric
    rule, settings = stopper.get("rule", "stopper"), stopper.get("settings", {})
    steps = sorted({step for step, _ in trial.curve(metric)})
    if len(steps) == 1:
        yield (
            f"trial {trial.number} has completed with {metric} at one step only: {rule} can stop nothing early "
            f"unless the script reports {metric} while it runs"
        )
        return
    for name in FROM:
        if settings.get(name, 0) > steps[-1]:
            problem = f"{name} of {rule} is {settings[name]:g}, and trial {trial.number} has completed"
            yield f"{problem} at step {steps[-1]:g}: so nothing is stopped early"
    last = settings.get("max")
    if last is not None and last != steps[-1]:
        why = "nothing is stopped beyond it" if last < steps[-1] else "its last report may be judged"
        yield f"max of {rule} is {last:g}, and trial {trial.number} has completed at step {steps[-1]:g}: {why}"
