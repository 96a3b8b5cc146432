"""PBS Pro, OpenPBS and Torque: qstat -f knows the walltime, the start, and how much is used."""

import contextlib
import re
from collections.abc import Iterator, Mapping

from metaopt.allocations.base import Allocation, Run, ask, excerpt, local_time, seconds_of

LIMIT, USED, LEFT = "Resource_List.walltime", "resources_used.walltime", "Walltime.Remaining"
STARTS = ("stime", "start_time")  # PBS Pro's, Torque's
_FIELD = re.compile(r"^\s*([\w.]+) = (.*?)\s*$", re.MULTILINE)


def detect(environ: Mapping[str, str], run: Run, now: float) -> Allocation | None:
    """The PBS job that this process runs in, if it does."""
    if not (job := environ.get("PBS_JOBID")):
        return None
    return ask("pbs", job, ["qstat", "-f", job], parse=parse, run=run, now=now)


def parse(text: str, now: float) -> float | None:
    """The deadline in such an answer; None when the job has no walltime.  Raises ValueError.

    The earliest is taken of what several fields say: the used time is not always up to date.
    """
    fields = dict(_FIELD.findall(text))
    if "job_state" not in fields:
        problem = f"no job in {excerpt(text)}"
        raise ValueError(problem)
    if LIMIT not in fields and LEFT not in fields:
        return None
    ends = list(_ends(fields, now))
    if not ends:
        problem = f"{LIMIT} is {fields[LIMIT]}, and no start is told"
        raise ValueError(problem)
    return min(ends)


def _ends(fields: Mapping[str, str], now: float) -> Iterator[float]:
    if LEFT in fields:
        yield now + float(fields[LEFT])
    if LIMIT not in fields:
        return
    limit = seconds_of(fields[LIMIT])
    if USED in fields:
        yield now + limit - seconds_of(fields[USED])
    for start in STARTS:
        if start in fields:
            with contextlib.suppress(ValueError):  # some sites write it in another way
                yield local_time(fields[start], "%a %b %d %H:%M:%S %Y") + limit
