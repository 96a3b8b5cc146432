"""Ends a rank of this host that has been silent for too long: its script must not run beside another attempt."""

import os
import signal
from contextlib import suppress
from pathlib import Path

RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")


def fence(pid: int, rank: int) -> bool:
    """Kill process ``pid`` if it is that rank of an MPI job; whether it was."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    if not any(f"{name}={rank}".encode() in variables for name in RANKS):
        return False
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    return True
