"""What the first trial that completes shows to be otherwise than the experiment file has it."""

from collections.abc import Iterator

from metaopt.metricsfile import UNHEARD
from metaopt.study import Study
from metaopt.trial import Trial

FROM = ("first", "warmup", "start")
"""Settings of stoppers: the first step at which they judge."""


def doubts(study: Study, trial: Trial, *, judged: bool, words: str = "") -> Iterator[str]:
    """What is odd about ``trial``, which has completed with these ``words``.

    ``judged``: there is a stopper that looks at its curve.
    """
    said = {name for _, values in trial.points for name in values}
    for name in study.experiment.get("metrics", ()):
        if name not in said and name != "step":
            yield f"trial {trial.number} has completed, and the pattern of {name} was on no line of its output"
    for line in words.splitlines():
        if line.startswith(UNHEARD):
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
