"""metaopt run: search, as an experiment file says."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaopt.cli.given import duration, number

if TYPE_CHECKING:
    from metaopt.master import Watch

EPILOG = """Under mpirun or srun this process is one rank: rank 0 leads, each other one runs trials.
Otherwise mpirun is started on this machine.  The same command goes on with a study that was interrupted.
Exit status: 0 finished with a result, 1 not, 2 the request was wrong, 130 interrupted."""


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = _parser().parse_args(argv)
    keep = options.space_changed == "keep"

    from metaopt import launch  # noqa: PLC0415 - help needs nothing of this

    if launch.under_mpi():
        return launch.rank(options.experiment, _watch, options.walltime, keep=keep, allow_cpu=options.allow_cpu)
    from metaopt import mpirun  # noqa: PLC0415 - a rank needs nothing of this

    return mpirun.run(options.experiment, options.workers, options.walltime, keep=keep, allow_cpu=options.allow_cpu)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="metaopt run",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("experiment", help="the experiment file, YAML")
    parser.add_argument(
        "-w",
        "--workers",
        type=number,
        metavar="N",
        help="how many trials at once; default: one per GPU, or core",
    )
    parser.add_argument(
        "--walltime",
        type=duration,
        metavar="TIME",
        help="end well within 90 (seconds), 10m, 2h or 1:30:00; default: when the batch job ends",
    )
    parser.add_argument(
        "--space-changed",
        choices=("refuse", "keep"),
        default="refuse",
        help="when the space: is not the study's: refuse it, or keep the trials that fit; default: refuse",
    )
    parser.add_argument(
        "--allow-cpu",
        action="store_true",
        help="run trials on CPUs alone where GPUs are asked for, or there, and cannot be had",
    )
    return parser


def _watch() -> "Watch":
    """The view, which rank 0 alone imports."""
    from metaopt.progress import watcher  # noqa: PLC0415 - workers draw nothing

    return watcher
