"""metaopt submit: put experiments into the queue of metaoptd, which runs them."""

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser, above_zero
from metaopt.cli.run import OF_RUN, Option, ended, is_file_of_ours, understood, with_options

if TYPE_CHECKING:
    from metaopt.spool import Spool, Submitted

USAGE = """metaopt submit [--weight W] exp.yaml [more.yaml ...]
       metaopt submit [options] ./train.py --lr~'loguniform(1e-5, 1.0)' --data /scratch/x"""
EPILOG = """What is wrong with an experiment file is said here, and nothing is queued then.  It is run as it is now,
with the variables of this environment, in the directory of the file.  Where no metaoptd runs, it waits for one.
A study that is finished is told to be, and not queued; with more trials it can be submitted again.

  metaopt submit exp.yaml
  metaopt submit --weight 2 exp.yaml    # of those that run at once, twice the share of the workers' time
  metaopt queue                         # how all of them stand

Exit status: 0 it is in the queue, or finished, 2 the request was wrong."""
QUEUE: Option = (("--queue",), {"metavar": "DIR", "help": "the queue; default: METAOPT_QUEUE, or ~/.metaopt/queue"})
WEIGHT: Option = (("--weight",), {"type": above_zero, "default": 1.0, "metavar": "W", "help": "its share; default: 1"})


def parser() -> Parser:
    """Its command line."""
    made = Parser("submit", __doc__, EPILOG)
    made.usage = USAGE
    return with_options(made, WEIGHT, QUEUE, *OF_RUN)


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options, files = understood(argv, parser())
    from metaopt.cli.base import say  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import MetaoptError  # noqa: PLC0415 - the same
    from metaopt.spool import Spool, place  # noqa: PLC0415 - the same

    spool = Spool(place(options.queue, os.environ))
    about = (options.weight, options.space_changed == "keep", options.allow_cpu)
    named = files()
    try:
        read = [_read(file, *about) for file in named]
    except MetaoptError as error:
        error.hint += "  None of them is queued: all are right, or none." if len(named) > 1 else ""
        raise
    script, queued = not is_file_of_ours(options.experiment[0]), False
    for file, what in zip(named, read, strict=True):
        if not what.keep and (said := ended(file, script=script)):
            say(said)
            continue
        number, queued = spool.submit(what), True
        say(f"{what.name} is in the queue, as {number}")
    if queued:
        say(daemon_line(spool))
    return 0


def _read(file: str, weight: float, keep: bool, allow_cpu: bool) -> "Submitted":  # noqa: FBT001 - as it is typed
    """What is to be kept of it; raises ExperimentError."""
    from metaopt.experiment import Experiment  # noqa: PLC0415 - help needs nothing of this
    from metaopt.process import environment  # noqa: PLC0415 - the same
    from metaopt.spool import Submitted  # noqa: PLC0415 - the same
    from metaopt.yamlfile import YamlFile, read_text  # noqa: PLC0415 - the same

    text = read_text(file)
    experiment = Experiment.of(YamlFile.parse(file, text))
    variables, at = environment(os.environ), str(Path(file).absolute())
    name, history = experiment.name, experiment.history
    return Submitted(at, text, name, history, weight, variables, keep, allow_cpu, time.time(), sys.executable)


def daemon_line(spool: "Spool") -> str:
    """Who runs what is in the queue."""
    from metaopt.spool import place  # noqa: PLC0415 - help needs nothing of this

    who = spool.daemon()
    if not who:
        elsewhere = "" if spool.path == place(None, os.environ) else f" --queue {shlex.quote(str(spool.path))}"
        return f"no metaoptd runs yet; on this machine one is begun with:  metaoptd{elsewhere}"
    return f"metaoptd is process {who['pid']} on {who['host']}, since {who['since']}"
