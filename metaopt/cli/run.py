"""metaopt run: search, as an experiment file says, or over the arguments of a script."""

import argparse
import math
import shlex
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from metaopt.cli.parser import Parser, natural, positive, seconds

if TYPE_CHECKING:
    from metaopt.devices.base import Node
    from metaopt.experiment import Experiment
    from metaopt.extent import Extent
    from metaopt.study import Study
    from metaopt.transports.base import Greeter

USAGE = """metaopt [run] [-w N] exp.yaml [more.yaml ...]
       metaopt [run] [options] ./train.py --lr~'loguniform(1e-5, 1.0)' --layers~'integer(1, 5)' --data /scratch/x
       mpirun -n 64 metaopt [run] ..."""
EPILOG = r"""A script's own command line: our options come before it, its own after it.  --lr~PRIOR is given to it as
--lr 0.1, --lr=~PRIOR as --lr=0.1 (which negative numbers may need), lr~PRIOR as 0.1 alone; all other words as they
are typed.  A configuration file among them may have priors too: lr: metaopt~uniform(0, 1).  Priors: uniform(0, 1),
loguniform(1e-5, 1), normal(0, 1), integer(1, 8), choice(a, b), ordinal(1, 2, 8),
and Oríon's: uniform(1, 8, discrete=True), choices(['a', 'b']), default_value=0.1.

  metaopt -n digits --metric 'val_loss=(\S+)' --trials 50 ./train.py --lr~'loguniform(1e-5, 1.0)'

What it stands for is written to NAME.yaml: to be edited, and run.

Several experiment files share the workers, each with a history of its own; one that is refused or fails does not end
the others, and the exit status is the worst.

Under mpirun or srun this process is one rank: rank 0 leads, each other one runs trials.
Otherwise mpirun is started on this machine.  The same command goes on with a study that was interrupted.
Exit status: 0 finished with a result, 1 not, 2 the request was wrong, 130 interrupted."""
Option = tuple[tuple[str, ...], dict[str, Any]]
OURS: tuple[Option, ...] = (
    (
        ("-w", "--workers"),
        {"type": positive, "metavar": "N", "help": "how many trials at once; default: one per GPU, or core"},
    ),
    (
        ("--walltime",),
        {
            "type": seconds,
            "metavar": "TIME",
            "help": "end well within 90 (seconds), 10m, 2h or 1:30:00; default: when the batch job ends",
        },
    ),
)
OF_RUN: tuple[Option, ...] = (
    (
        ("--space-changed",),
        {
            "choices": ("refuse", "keep"),
            "default": "refuse",
            "help": "when the space is not the study's: refuse it, or keep the trials that fit; default: refuse",
        },
    ),
    (
        ("--allow-cpu",),
        {
            "action": "store_true",
            "help": "run trials on CPUs alone where GPUs are asked for, or there, and cannot be had",
        },
    ),
)
OF_STUDY: tuple[Option, ...] = (
    (("-n", "--name"), {"metavar": "NAME", "help": "the study's name; default: the script's, without its suffix"}),
    (("--trials", "--max-trials"), {"type": positive, "metavar": "N", "help": "how many in all; default: 100"}),
    (
        ("--metric",),
        {
            "action": "append",
            "metavar": "METRIC",
            "help": r"the objective, first of all: a pattern over the output, 'val_loss=(\S+)', or the name of what "
            "the script reports; default: what metaopt.report(), or Oríon's report_objective(), says in it",
        },
    ),
    (
        ("--step",),
        {
            "metavar": "PATTERN",
            "help": r"a pattern for the step of what is printed: 'epoch (\d+)'; default: it is counted",
        },
    ),
    (("--maximize",), {"action": "store_true", "help": "more of the metric is better; default: less is"}),
    (("--optimizer",), {"metavar": "RULE", "help": "gp (the default), tpe, cmaes, ..., or '{rule: gp, start: 20}'"}),
    (
        ("--stopper",),
        {
            "metavar": "RULE",
            "help": "median, '{rule: median, warmup: 3}', ...; default: never; with resumes=true mostly proven",
        },
    ),
    (("--history",), {"metavar": "URL", "help": "where it is kept; default: NAME.history"}),
    (("--seed",), {"type": natural, "metavar": "N", "help": "default: 1"}),
    (
        ("--set",),
        {"action": "append", "metavar": "KEY=VALUE", "help": "any other key of an experiment file: timeout=10m"},
    ),
)
HELP = {"-h", "--help"}
Files = Callable[[], Sequence[str]]


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    return _search(*understood(argv, parser()))


def understood(argv: Sequence[str], made: Parser) -> tuple[argparse.Namespace, Files]:
    """The options, and what gives the experiment files: a script's own command line is written into one then.

    Raises MetaoptError for options that do not go with a file.
    """
    ours, theirs = split(argv, made.valued)
    if theirs and (named := _named(theirs)):
        argv, theirs = [*ours, *named], named
    if not theirs or is_file_of_ours(theirs[0]):
        options = made.parse_args(argv)
        _refuse_those_of_a_study(options, {word.partition("=")[0] for word in argv})
        _refuse_others(options.experiment)
        return options, lambda: options.experiment
    options = made.parse_args([*ours, theirs[0]])
    from metaopt.cli.script import Request  # noqa: PLC0415 - help needs nothing of this

    verb = made.prog.split()[1]
    request = Request(options, argv if verb == "run" else [verb, *argv], theirs)
    return options, lambda: [request()]


def split(argv: Sequence[str], valued: Collection[str]) -> tuple[list[str], list[str]]:
    """Our own options, of which those that are ``valued`` have a value, and what follows: experiments, or a script."""
    at = 0
    while at < len(argv) and argv[at].startswith("-") and argv[at] not in {"-", "--"}:
        at += 2 if argv[at] in valued else 1
    return list(argv[:at]), list(argv[at + 1 :] if argv[at : at + 1] == ["--"] else argv[at:])


def _named(words: Sequence[str]) -> list[str]:
    """``words`` with experiment files for the names of studies; nothing where a script or a program is meant."""
    from metaopt.cli.base import file_of  # noqa: PLC0415 - help needs nothing of this

    if shutil.which(words[0]) or any("~" in word for word in words) or not is_file_of_ours(file_of(words[0])):
        return []
    names = [*takewhile(lambda word: not word.startswith("-"), words)]
    return [*map(file_of, names), *words[len(names) :]]


def is_file_of_ours(word: str) -> bool:
    """Whether it is an experiment file, by its name."""
    return word.endswith((".yaml", ".yml"))


def _search(options: argparse.Namespace, files: Files) -> int:
    """Search as those files say that ``files`` gives, which may write them: only rank 0 calls it."""
    from metaopt import launch  # noqa: PLC0415 - help needs nothing of this

    if launch.under_mpi():
        return launch.rank(lambda *there: _lead(options, files(), *there))
    from metaopt import mpirun  # noqa: PLC0415 - a rank needs nothing of this

    keep, named = options.space_changed == "keep", files()
    over = [] if keep else [ended(file, script=not is_file_of_ours(options.experiment[0])) for file in named]
    if over and all(over):
        for said in over:
            print(said)  # noqa: T201 - as a run says how it ended
        return 0
    return mpirun.run(named, options.workers, options.walltime, keep=keep, allow_cpu=options.allow_cpu)


def ended(file: str, *, script: bool) -> str:
    """What there is to say of a study that has all its trials, and a result; empty of any other, for rank 0 to judge.

    One on a server is not looked at, since the server may be slow to answer.
    """
    from metaopt.cli.base import best_of  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import MetaoptError  # noqa: PLC0415 - the same
    from metaopt.experiment import Experiment  # noqa: PLC0415 - the same
    from metaopt.extent import Extent  # noqa: PLC0415 - the same
    from metaopt.history import History, check_same, skimmed  # noqa: PLC0415 - the same
    from metaopt.scalars import counted  # noqa: PLC0415 - the same

    try:
        experiment = Experiment.load(file)
        if experiment.location.on_server:
            return ""
        with experiment.location.opened() as store:
            study = skimmed(store).study
        if study is None or not is_complete(study, extent := Extent.of(experiment.describe(), History(study))):
            return ""
        check_same(study, experiment.describe(), str(experiment.location))
    except MetaoptError:
        return ""
    best, by = best_of(History(study))
    if best is None or study.experiment.get("best", experiment.best) != experiment.best:  # the run writes it down
        return ""
    since = extent.exhausted and f", since {extent.exhausted}"
    done = f"{experiment.name}: finished already, with {counted(study.counted, 'trial')}{since}: nothing was started"
    said = f"best: {by}trial {best.number}, {study.goals.said(best.objectives)}"
    hint = f"metaopt best {shlex.quote(file)}  tells more"
    return f"{done}\n{said}; {hint}\nfor more trials:  {more_trials(experiment, study, extent, script=script)}"


def is_complete(study: "Study", extent: "Extent") -> bool:
    """Whether it has all the trials that it can have, and all have ended."""
    return not study.open and not extent.left


def more_trials(experiment: "Experiment", study: "Study", extent: "Extent", *, script: bool = False) -> str:
    """What to write for more of them, or to type where the ``script`` was typed."""
    if extent.exhausted:
        return extent.wider
    more = study.counted + max(experiment.trials, 10)
    return f"--trials {more}, before the script" if script else f"trials: {more}, in {experiment.file}"


def _lead(  # noqa: PLR0917 - as rank 0 is called
    options: argparse.Namespace,
    files: Sequence[str],
    hub: "Greeter",
    workers: int,
    nodes: "Sequence[Node]",
    doubts: Sequence[str],
) -> int:
    """What rank 0 does."""
    from metaopt.master import lead  # noqa: PLC0415 - workers need nothing of this
    from metaopt.opening import Terms  # noqa: PLC0415 - the same
    from metaopt.progress import LineView, watcher, watchers  # noqa: PLC0415 - they draw nothing

    deadline = time.time() + (options.walltime or math.inf)
    several = len(files) > 1
    terms = Terms(deadline, () if several else doubts, options.space_changed == "keep", options.allow_cpu)
    if not several:
        return lead(hub, workers, files[0], watcher, terms, nodes=nodes)
    from metaopt.cli import complain  # noqa: PLC0415 - it imports this
    from metaopt.cli.base import say  # noqa: PLC0415 - workers need nothing of this
    from metaopt.together import lead_all  # noqa: PLC0415 - for several

    for doubt in doubts:  # of all of them, whichever may be refused
        say(f"warning: {doubt}")
    views, new = list[LineView](), watchers()

    def watch(experiment: "Experiment", study: "Study") -> LineView:
        views.append(new(experiment, study))
        return views[-1]

    status = lead_all(hub, workers, files, watch, terms, complain=complain)
    for view in views:  # how each has ended, once more
        say(view.outcome)
    return status


def _refuse_those_of_a_study(options: argparse.Namespace, typed: Collection[str]) -> None:
    """What a study is stands in its file."""
    from metaopt.errors import LaunchError  # noqa: PLC0415 - help needs nothing of this

    first = options.experiment[0]
    for flags, _ in OF_STUDY:
        key = flags[-1 if flags[0] == "-n" else 0].lstrip("-")
        if getattr(options, key.replace("-", "_")):
            flag = next((each for each in flags if each in typed), flags[0])
            problem = f"{flag} goes with a script's own command line; {first} is an experiment file"
            raise LaunchError(problem, f"Write it there: {key.replace('metric', 'objective')}: ...")


def _refuse_others(files: Sequence[str]) -> None:
    """Of several, each is an experiment file."""
    from metaopt.errors import LaunchError  # noqa: PLC0415 - help needs nothing of this

    for file in files[1:]:
        if not is_file_of_ours(file):
            problem = f"{file} is no experiment file (.yaml, .yml), and {files[0]} is one"
            raise LaunchError(
                problem, "A script's own command line begins with the script.  Of several files all are YAML."
            )
        if files.count(file) > 1:
            problem = f"{file} is named twice"
            raise LaunchError(problem, "Name it once; more trials are said in it: trials: 100")


def parser() -> Parser:
    """Its command line."""
    made = Parser("run", __doc__, EPILOG)
    made.usage = USAGE
    return with_options(made, *OURS, *OF_RUN)


def with_options(made: Parser, *options: Option) -> Parser:
    """For a verb that takes experiment files, or a script's own command line, and has these options of its own."""
    made.add_argument(
        "experiment", nargs="+", help="the experiment file, YAML (.yaml, .yml), or several of them; or the script"
    )
    for flags, how in options:
        made.add_argument(*flags, **how)
    group = made.add_argument_group("options of a script's own command line")
    for flags, how in OF_STUDY:
        group.add_argument(*flags, **how)
    return made
