"""Ends processes of this host: a rank that has been silent for too long, a launcher that would wait for ever."""

import os
import signal
from contextlib import suppress
from pathlib import Path

LAUNCHERS = {"prterun", "mpirun", "mpiexec", "orterun", "prted", "orted", "mpiexec.hydra", "hydra_pmi_proxy"}
RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")


def fence(pid: int, rank: int) -> bool:
    """Kill process ``pid`` if it is that rank of an MPI job; whether it was.

    Its script must not run beside another attempt at the same trial.
    """
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    if not any(f"{name}={rank}".encode() in variables for name in RANKS):
        return False
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    return True


def launcher() -> int | None:
    """The mpirun, or its daemon on this host, that has started this process; None when something else has."""
    pid = os.getpid()
    while pid > 1:
        name, parent = _about(pid)
        if name in LAUNCHERS:
            return pid
        pid = parent
    return None


def end_launcher() -> None:
    """Kill the launcher, since no other signal ends it while it waits; its connections to other hosts go with it."""
    found = launcher()
    if found is None:
        return
    pids = [int(process.name) for process in Path("/proc").glob("[0-9]*")]
    for pid in (found, *(pid for pid in pids if _about(pid)[1] == found and pid != os.getpid())):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _about(pid: int) -> tuple[str, int]:
    """The name and the parent of a process."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", 0
    name, _, rest = line.partition("(")[2].rpartition(")")
    return name, int(rest.split()[1])
