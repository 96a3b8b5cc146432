"""The keys of the experiment file, as users read of them: the tables in the README and in docs/ are made of this."""

from collections.abc import Mapping
from typing import NamedTuple


class Key(NamedTuple):
    """A key of the file: what it is when left out (``REQUIRED`` when it must not be), and how it is written.

    ``meaning`` is Markdown.
    """

    default: str
    example: str
    meaning: str


REQUIRED = "required"
KEYS: Mapping[str, Key] = {
    "name": Key(REQUIRED, "digits", "the study's name: letters, digits, `_ . + -`"),
    "command": Key(
        REQUIRED,
        "python train.py --lr {lr}",
        "what to run: text, split as a shell would split it but without a shell, or a list. It runs in the directory "
        "of this file",
    ),
    "space": Key(REQUIRED, "{lr: 'loguniform(1e-4, 1e-1)'}", "the parameters, see below"),
    "trials": Key(REQUIRED, "100", "how many in all"),
    "objective": Key(
        REQUIRED,
        "val_loss",
        "a metric's name, or `{metric: val_loss, goal: minimize, of: last}`; goal is `minimize` (default) or "
        "`maximize`; of is `last` (default), `best` or `mean` of the values that the script reported. Or a list of "
        "several",
    ),
    "objective.metric": Key(REQUIRED, "val_loss", "a metric that the script reports"),
    "objective.goal": Key("minimize", "maximize", "`minimize` or `maximize`"),
    "objective.of": Key("last", "best", "which of a trial's values counts: `last`, `best` or their `mean`"),
    "constraints": Key(
        "none",
        "[memory <= 16, accuracy >= 0.9]",
        "what a trial has to keep to, one or a list: a metric, `<=` or `>=`, a number, as in `memory <= 16`",
    ),
    "metrics": Key(
        "none",
        r"{val_loss: 'val_loss=(\S+)'}",
        "patterns over the script's output, stdout and stderr: a metric's name and a regular expression with one "
        "group, the number; a pattern named `step` gives the step, else the n-th number of a metric is its step n, "
        "counted over all attempts where `resumes` is true",
    ),
    "metrics_file": Key(
        "none",
        "'{trial_dir}/metrics.csv'",
        "a file that the script writes its metrics to, followed while it does: a table with a header (`,`, `;` or tabs "
        "between its columns) or JSON lines, each number a metric; placeholders as in `command`, `*` for the newest "
        "that matches. A column `step`, or else `epoch`, gives the step, else the n-th row is step n; another one: "
        "`{path: '{trial_dir}/log.jsonl', step: iteration}`",
    ),
    "optimizer": Key(
        "gp",
        "{rule: gp, start: 20}",
        "`gp`, `tpe`, `cmaes`, `turbo`, `grid`, `sobol`, `random`, or your own `package.module:Class`; with settings: "
        "`{rule: gp, ...}`, see below",
    ),
    "stopper": Key(
        "never",
        "{rule: asha, reduction: 3}",
        "ends trials early that are not worth their time: a rule, see below, or your own `package.module:Class`; with "
        "settings: `{rule: asha, reduction: 4}`. With `resumes: true`, `gp`, one objective, no "
        "`constraints`, no `replicates` and 10 trials or more the default is `proven`, which pauses them",
    ),
    "seed": Key("1", "7", "the same seed and the same results give the same points"),
    "timeout": Key("none", "10m", "of one trial: `90`, `90s`, `10m`, `2h`, `1d`, `1:30:00`"),
    "grace": Key("10s", "30s", "how long a script has to end after `signal`"),
    "signal": Key(
        "SIGTERM",
        "SIGUSR1",
        "what asks a script to end, and to save: `SIGTERM`, `SIGUSR1`, `SIGUSR2`, `SIGINT` or `SIGHUP`",
    ),
    "resumes": Key(
        "false",
        "true",
        "`true`: a script that was asked to end goes on, in its next attempt, from what it left in `{trial_dir}`; so "
        "its trials may be begun shortly before the allocation ends, keep their curves, and may be paused by a "
        "stopper: see there, also for the default",
    ),
    "heartbeat_timeout": Key(
        "60s",
        "5m",
        "a worker that is silent for so long is lost, and its trial is run elsewhere; one that waits for a slow disk "
        "is not silent before ten times that",
    ),
    "attempts": Key("2", "3", "how often a trial is begun whose worker dies with it, before it has failed"),
    "give_up_after": Key("5", "20", "the run stops when its first so many trials all fail; `0` never"),
    "resources": Key("what there is", "{cores_per_trial: 4}", "what a trial gets, see below"),
    "resources.cores_per_trial": Key("its part of the cores near its GPUs; without GPUs 1", "4", "so many cores"),
    "resources.gpus_per_trial": Key(
        "1 where there are GPUs, else 0",
        "0.5",
        "`2` several; `0.5` a part of one, beside another trial; `0` none, and it sees none",
    ),
    "resources.nodes_per_trial": Key(
        "1",
        "2",
        "so many whole nodes, with all their GPUs and cores, see below; then leave out the other two, or write "
        "`gpus_per_trial: 0`",
    ),
    "history": Key(
        "NAME.history",
        "/scratch/digits",
        "a directory, beside this file unless it is absolute: the journal, and a directory per trial; or the URL of "
        "another store: then the trials' directories are in `NAME.files`",
    ),
    "best": Key(
        "observed",
        "model",
        "which trial the end of a run, `metaopt best` and `status` show: `observed`, the one with the best value, or "
        "`model`, the one that a Gaussian process with noise, fitted to all completed trials, takes for the best, "
        "beside it: where a script gives another value each time, the best observed one is the luckiest",
    ),
    "replicates": Key(
        "0",
        "5",
        "so many of the `trials`, the last ones, run the best point again, each with another `{seed}`: the end of a "
        "run and `metaopt best` say its mean and standard deviation, `history.runs(history.best)` are those trials. "
        "Which point, says `best`; one that has had its runs, before there were to be more trials, has no more; "
        "several allocations at once may run one less",
    ),
    "templates": Key(
        "none",
        "[conf.yaml]",
        "files with priors in them, `lr: metaopt~loguniform(1e-5, 1)`, of which each trial gets a filled copy in "
        "`{trial_dir}`; the same parameters stand in `space`",
    ),
    "warm_start": Key(
        "none",
        "[other.history]",
        "histories of other studies (directories, experiment files, URLs), whose best points are run first; if the "
        "same values come out there, the optimizer is told of all their completed trials",
    ),
}
