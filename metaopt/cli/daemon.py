"""metaopt daemon, or metaoptd: wait for experiments, and run what is in the queue."""

import argparse
import math
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser, positive, seconds
from metaopt.cli.submit import QUEUE

if TYPE_CHECKING:
    from metaopt.devices.base import Node
    from metaopt.transports.base import Greeter

EPILOG = """  metaoptd                        # this machine: one worker per GPU, or core
  mpirun -n 64 metaoptd           # an allocation
  metaoptd --drain --walltime 8h  # ends when nothing is left to do, or in eight hours: for cron

The experiments that run at once share the workers' time, by their weights; the others wait.  Ctrl-C, kill -USR1, or
the end of the allocation ends it well: what runs is interrupted, and the next metaoptd goes on with it.
While there is nothing to do it sleeps.
Exit status: 0 nothing is left in the queue, 2 it runs already, or cannot run here, 130 it was ended."""


def parser() -> Parser:
    """Its command line."""
    made = Parser("daemon", __doc__, EPILOG)
    made.add_argument("-w", "--workers", type=positive, metavar="N", help="default: one per GPU, or core")
    made.add_argument("--at-once", type=positive, default=4, metavar="N", help="experiments at once; default: 4")
    made.add_argument("--walltime", type=seconds, metavar="TIME", help="end well within 8h, 30m, ...")
    made.add_argument("--drain", action="store_true", help="end when nothing is left in the queue")
    made.add_argument("--allow-cpu", action="store_true", help="where the GPUs cannot be had, have a worker per core")
    flags, how = QUEUE
    made.add_argument(*flags, **how)
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt import launch  # noqa: PLC0415 - help needs nothing of this

    if launch.under_mpi():
        return launch.rank(lambda *there: _lead(options, *there))
    from metaopt import mpirun  # noqa: PLC0415 - a rank needs nothing of this
    from metaopt.resources import Resources  # noqa: PLC0415 - the same
    from metaopt.spool import Spool, place  # noqa: PLC0415 - the same

    spool = Spool(place(options.queue, os.environ))
    spool.take().release()  # refuses a second one before any mpirun is started
    workers = mpirun.room(Resources(), options.workers, allow_cpu=options.allow_cpu)
    return mpirun.start(workers, ["daemon", *argv, f"--queue={spool.path}"])


def _lead(
    options: argparse.Namespace,
    hub: "Greeter",
    workers: int,
    _: "Sequence[Node]",
    doubts: Sequence[str],
) -> int:
    """What rank 0 does."""
    from metaopt.cli import complain  # noqa: PLC0415 - it imports this
    from metaopt.cli.base import say  # noqa: PLC0415 - workers need nothing of this
    from metaopt.daemon import Habits, lead_queue  # noqa: PLC0415 - the same
    from metaopt.progress import watchers  # noqa: PLC0415 - the same
    from metaopt.scalars import counted  # noqa: PLC0415 - the same
    from metaopt.spool import Spool, place  # noqa: PLC0415 - the same

    spool = Spool(place(options.queue, os.environ))
    say(f"metaoptd: {counted(workers, 'worker')}, queue {spool.path}")
    for doubt in doubts:
        say(f"warning: {doubt}")
    habits = Habits(options.at_once, time.time() + (options.walltime or math.inf), options.drain)
    return lead_queue(hub, workers, spool, habits, watchers(), complain=complain)
