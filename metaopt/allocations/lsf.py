"""LSF: bjobs knows the time left."""

import re
from collections.abc import Mapping

from metaopt.allocations.base import Allocation, Run, ask, excerpt

_LEFT = re.compile(r"(\d+):(\d\d?)(?::(\d\d))?(?: [LE])?")


def detect(environ: Mapping[str, str], run: Run, now: float) -> Allocation | None:
    """The LSF job that this process runs in, if it does."""
    if not (job := environ.get("LSB_JOBID")):
        return None
    if environ.get("LSB_JOBINDEX", "0") != "0":
        job = f"{job}[{environ['LSB_JOBINDEX']}]"
    return ask("lsf", job, ["bjobs", "-noheader", "-o", "time_left", job], parse=parse, run=run, now=now)


def parse(text: str, now: float) -> float | None:
    """The deadline in such an answer, as ``1:48 L`` (hours and minutes); None for ``-``.  Raises ValueError.

    L is for a run limit, E for an estimate: a job may outlive that, yet nothing later is certain.  X is for a job that
    has outlived its estimate, which says nothing about its end.
    """
    answer = text.strip()
    if answer == "-":
        return None
    if (found := _LEFT.fullmatch(answer)) is None:
        problem = f"{excerpt(text)} is no time left"
        raise ValueError(problem)
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return now + 3600 * hours + 60 * minutes + seconds
