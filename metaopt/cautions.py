"""What may be meant as it stands, in an experiment file or with the study that it goes on with, but need not be."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from metaopt.argv import PLACEHOLDER
from metaopt.experiment import Experiment
from metaopt.scalars import counted
from metaopt.study import Study
from metaopt.tail import STEP
from metaopt.trial import State

MORE_IS_BETTER = {"acc", "accuracy", "auc", "auroc", "bleu", "iou", "precision", "recall", "reward"}
"""Last words of the names of metrics of which people want much, unless another word is one of ``TURNED``."""
TURNED = {"neg", "negative", "minus", "one", "inverse"}


def cautions(experiment: Experiment, study: Study | None = None) -> list[str]:
    """What is to be said before a run of ``experiment``, which goes on with ``study``."""
    known = [*_of_counts(experiment, study), *_of_paused(experiment, study)] if study else []
    return [*_of_goals(experiment), *_of_metrics(experiment), *known]


def _of_goals(experiment: Experiment) -> Iterator[str]:
    """That what is called like something that is to be large is to be small."""
    for each in experiment.goals.objectives:
        words = re.findall("[a-z]+", each.metric.lower())
        good = words[-1:] and words[-1] in MORE_IS_BETTER and not TURNED & {*words} and each.metric[:1].isalpha()
        if each.goal == "minimize" and good:
            yield f"{each.metric} is to be small; if more is better:  goal: maximize, or --maximize before the script"


def _of_counts(experiment: Experiment, study: Study) -> Iterator[str]:
    """That there are more trials than there are to be."""
    if len(study.open) > study.tally[State.PAUSED] and study.counted > experiment.trials:
        said = f"there are {counted(study.counted, 'trial')} already, more than trials: {experiment.trials}"
        yield f"{said}; those that wait are run, and no others begin"


def _of_metrics(experiment: Experiment) -> Iterator[str]:
    patterns, file = experiment.metrics, experiment.metrics_file
    if file and not any(found[2] for found in PLACEHOLDER.finditer(file)):
        yield "all trials share one metrics_file: write {trial_dir} in it, or let the command do so"
    for wanted in (each.metric for each in experiment.goals.measures if patterns and not file):
        if wanted not in patterns:
            near = get_close_matches(wanted, patterns, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            what = "objective" if any(each.metric == wanted for each in experiment.goals.objectives) else "constraint"
            yield f"no pattern under metrics: is for the {what} {wanted}, so the script must report it itself{hint}"
    if experiment.resumes and patterns and STEP not in patterns:
        counted_on = "steps are counted, and wrong when a script that goes on does some of them again"
        yield rf"no pattern under metrics: is for the step: {counted_on}; if it prints them, add step: 'epoch (\d+)'"


def _of_paused(experiment: Experiment, study: Study) -> Iterator[str]:
    """That those which are paused are not gone on with, or begin anew."""
    paused, rule = study.tally[State.PAUSED], experiment.stopper.rule
    if not paused:
        return
    what = f"{counted(paused, 'trial')} {'is' if paused == 1 else 'are'} paused"
    if rule == "never":
        if not experiment.resumes:
            yield f"{what}, and will begin anew, since resumes is not true"
        return
    if not experiment.resumes:
        yield f"{what}, and will be stopped for good, since resumes is not true; with stopper: never they begin anew"
    elif not experiment.pauses:
        yield f"{what}, and will be stopped for good, since {rule} pauses nothing; with stopper: never they go on"
