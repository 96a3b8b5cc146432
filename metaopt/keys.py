"""The keys of the experiment file; the README's table tells them at length."""

from collections.abc import Mapping
from typing import NamedTuple


class Key(NamedTuple):
    """A key of the file: what it is when left out (``REQUIRED`` when it must not be), and how it is written."""

    default: str
    example: str
    meaning: str


REQUIRED = "required"
KEYS: Mapping[str, Key] = {
    "name": Key(REQUIRED, "digits", "what the study is called"),
    "command": Key(REQUIRED, "python train.py --lr {lr}", "what runs, without a shell: text, or a list of words"),
    "objective": Key(REQUIRED, "val_loss", "the metric to minimise, or the keys below, or a list of such"),
    "objective.metric": Key(REQUIRED, "val_loss", "a metric that the script reports"),
    "objective.goal": Key("minimize", "maximize", "minimize or maximize"),
    "objective.of": Key("last", "best", "which of a trial's values counts: last, best or mean"),
    "constraints": Key("none", "[memory <= 16, accuracy >= 0.9]", "what a trial has to keep to: one, or a list"),
    "space": Key(REQUIRED, "{lr: 'loguniform(1e-4, 1e-1)'}", "the parameters and their priors"),
    "trials": Key(REQUIRED, "100", "how many trials in all"),
    "optimizer": Key(
        "gp", "{rule: gp, start: 20}", "who proposes: gp, tpe, cmaes, grid, sobol, random, or package.module:Class"
    ),
    "stopper": Key(
        "never", "{rule: asha, reduction: 3}", "who ends bad trials early: never, asha, median, ..., or your own"
    ),
    "seed": Key("1", "7", "equal seeds draw equal random numbers"),
    "timeout": Key("none", "10m", "how long a trial may take"),
    "grace": Key("10s", "30s", "from SIGTERM to SIGKILL"),
    "signal": Key("SIGTERM", "SIGUSR1", "what asks a script to end, and to save"),
    "resumes": Key("false", "true", "a script that was asked to end goes on from what it left in its directory"),
    "heartbeat_timeout": Key("60s", "5m", "a worker that is silent for so long is lost"),
    "attempts": Key("2", "3", "how often a trial is begun that is lost or killed"),
    "give_up_after": Key("5", "20", "stop when the first so many trials have all failed; 0: never"),
    "replicates": Key("0", "5", "so many of the trials, the last ones, run the best point again"),
    "resources": Key("none", "{cores_per_trial: 4}", "what a trial needs"),
    "resources.cores_per_trial": Key("1", "4", "CPU cores of a trial"),
    "resources.gpus_per_trial": Key("1", "0.5", "GPUs of a trial: several, one, or a part of one; 0 for none"),
    "resources.nodes_per_trial": Key("1", "1", "nodes of a trial"),
    "metrics": Key("none", r"{val_loss: 'val_loss=(\S+)'}", "patterns with one group, over what the script prints"),
    "best": Key("observed", "model", "which trial the end of a run names: the best observed, or the best by a model"),
    "history": Key("<name>.history", "/scratch/digits", "a directory, from the file's own, or a URL"),
    "templates": Key("none", "[conf.yaml]", "files with priors in them, of which each trial gets a filled copy"),
    "warm_start": Key("none", "[other.history]", "histories of other studies whose trials the optimizer is told of"),
}
