"""When this allocation ends; ``detect`` finds out, once, on rank 0."""

from collections.abc import Mapping

from metaopt.allocations import flux, lsf, none, pbs, slurm
from metaopt.allocations.base import Allocation, Run, run
from metaopt.errors import LaunchError

__all__ = ["Allocation", "detect"]

VARIABLE = "METAOPT_DEADLINE"
FAR = 10 * 365 * 86400.0
SCHEDULERS = (slurm.detect, pbs.detect, lsf.detect, flux.detect)


def detect(environ: Mapping[str, str], now: float, run: Run = run) -> Allocation:
    """The allocation that this process runs in.

    METAOPT_DEADLINE, when set, says its end; LaunchError when that is no time, or past.  Else the scheduler is asked:
    what it does not say, or not in time, is the ``doubt`` of the allocation.
    """
    if text := environ.get(VARIABLE):
        return Allocation("none", "", _given(text, now))
    for ask in SCHEDULERS:
        if allocation := ask(environ, run, now):
            return allocation
    return none.detect(environ, run, now)


def _given(text: str, now: float) -> float:
    hint = f"Write seconds since the epoch, not from now:  export {VARIABLE}=$(date -d '+2 hours' +%s)"
    try:
        deadline = float(text)
    except ValueError:
        deadline = float("nan")
    if deadline <= now:
        problem = f"{VARIABLE} is {text!r}: that was {now - deadline:.0f} s ago"
        raise LaunchError(problem, hint)
    if not deadline < now + FAR:
        problem = f"{VARIABLE} is {text!r}, which is no time in the next ten years"
        raise LaunchError(problem, hint)
    return deadline
