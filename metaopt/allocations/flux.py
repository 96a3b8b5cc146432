"""Flux: flux job timeleft says the seconds that are left."""

from collections.abc import Mapping

from metaopt.allocations.base import Allocation, Run, ask, excerpt

ENDLESS = 2**32 - 1  # what it prints for a job without a limit


def detect(environ: Mapping[str, str], run: Run, now: float) -> Allocation | None:
    """The Flux job, or the instance (as of ``flux batch``), that this process runs in, if it does."""
    if not (job := environ.get("FLUX_JOB_ID") or environ.get("FLUX_ENCLOSING_ID")):
        return None
    return ask("flux", job, ["flux", "job", "timeleft"], parse=parse, run=run, now=now)  # of the one, else of the other


def parse(text: str, now: float) -> float | None:
    """The deadline in such an answer; None for infinity.  Raises ValueError."""
    try:
        left = float(text)
    except ValueError:
        left = float("nan")
    if left != left:  # noqa: PLR0124 - is it a NaN?
        problem = f"{excerpt(text)} is no number of seconds"
        raise ValueError(problem)
    return None if left >= ENDLESS else now + left
