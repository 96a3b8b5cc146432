"""Optuna's pruners, for stopping.py, in an environment of their own: PYTHON pruners.py NAME STEPS.

On each line of stdin stands [trial, [[step, value], ...]]; the answer is true or false: whether it is to be pruned.  A
trial that reports its last step is complete.
"""

import json
import sys

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner, WilcoxonPruner
from optuna.trial import Trial, TrialState

PRUNERS = ("median", "halving", "hyperband", "wilcoxon")


def pruner(name: str, steps: int) -> BasePruner:
    """With the same settings as ours, where there are the same ones; else with its defaults."""
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=5)
    if name == "halving":
        return SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    if name == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=steps, reduction_factor=3)
    return WilcoxonPruner()


def main(name: str, steps: str) -> None:
    """Answer until nobody asks."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler, pruner=pruner(name, int(steps)), study_name="same")
    trials: dict[int, Trial] = {}
    for line in sys.stdin:
        number, points = json.loads(line)
        prune = False
        while number not in trials:  # its number decides on the bracket
            trials[len(trials)] = study.ask()
        for step, value in points:
            trials[number].report(value, int(step))
            prune = prune or bool(trials[number].should_prune())
            if step == int(steps):
                study.tell(trials[number], value)
                prune = False
        if prune:
            study.tell(trials[number], state=TrialState.PRUNED)
        print(json.dumps(prune), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
