"""No scheduler: nothing ends this process but itself."""

from collections.abc import Mapping

from metaopt.allocations.base import Allocation, Run


def detect(environ: Mapping[str, str], run: Run, now: float) -> Allocation:  # noqa: ARG001 - as of every scheduler
    """The allocation that is none."""
    return Allocation("none", "", None)
