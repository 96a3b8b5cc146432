"""Slurm: newer versions set SLURM_JOB_END_TIME; squeue knows in all."""

from collections.abc import Mapping

from metaopt.allocations.base import Allocation, Run, ask, excerpt, local_time, seconds_of

ENDLESS = {"UNLIMITED", "NOT_SET", "NONE", "N/A", "Unknown"}


def detect(environ: Mapping[str, str], run: Run, now: float) -> Allocation | None:
    """The Slurm job that this process runs in, if it does."""
    if not (job := environ.get("SLURM_JOB_ID")):
        return None
    end = environ.get("SLURM_JOB_END_TIME", "")
    if end.isdecimal() and float(end) > now:
        return Allocation("slurm", job, float(end))
    if environ.get("SLURM_ARRAY_JOB_ID"):  # the number of the last task is that of its whole array, too
        job = f"{environ['SLURM_ARRAY_JOB_ID']}_{environ.get('SLURM_ARRAY_TASK_ID')}"
    return ask("slurm", job, ["squeue", "-h", "-j", job, "-o", "%L|%e"], parse=parse, run=run, now=now)


def parse(text: str, now: float) -> float | None:
    """The deadline in lines as ``1-02:03:59|2026-11-25T20:28:01`` (time left, end); of several, the first.

    None when there is no limit.  Raises ValueError.
    """
    ends = [_end(line.strip(), now) for line in text.strip().splitlines()]
    if not ends:
        problem = "no such job"
        raise ValueError(problem)
    return min((end for end in ends if end is not None), default=None)


def _end(line: str, now: float) -> float | None:
    left, _, end = line.partition("|")
    try:
        if ":" in left:
            return now + seconds_of(left)
        if end.isdecimal():  # as with SLURM_TIME_FORMAT=%s
            return float(end)
        if left in ENDLESS and end in ENDLESS:
            return None
        return local_time(end, "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        problem = f"{excerpt(line)} is no time left and no end"
        raise ValueError(problem) from None
