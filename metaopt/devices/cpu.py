"""CPU cores: those that this job may use on this node, and each worker's share of them."""

import os
from collections.abc import Sequence
from contextlib import suppress

from metaopt.devices.base import Device, Gpu

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def one_thread() -> None:
    """For who needs numpy soon: threads for small matrices cost far more than they bring, where others compute too."""
    os.environ.update(dict.fromkeys(THREADS, "1"))


def usable_cores() -> list[int]:
    """The cores of this node that the job may use, ascending; the calling thread may run on all of them afterwards.

    A launcher binds a rank to one core; the kernel lets it take back all that the job's cpuset holds, and no more.
    """
    if not hasattr(os, "sched_setaffinity"):
        return list(range(os.cpu_count() or 1))
    with suppress(OSError):
        os.sched_setaffinity(0, range(os.sysconf("SC_NPROCESSORS_CONF")))
    return sorted(os.sched_getaffinity(0))


def share(cores: Sequence[int], rank: int, cores_per_trial: int) -> Device:
    """What the worker at place ``rank`` (0, 1, ...) of a node gets of its ``cores``.

    Workers get ``cores_per_trial`` cores each, one after the other, beginning anew when there are more workers than
    cores; a trial that wants more cores than there are gets them all.  ``defaults`` bound the threads of numerical
    libraries to that number.  Raises ValueError for a negative rank and for no cores.
    """
    if rank < 0 or not cores or cores_per_trial < 1:
        problem = f"worker {rank} cannot have {cores_per_trial} of {len(cores)} cores"
        raise ValueError(problem)
    count = min(cores_per_trial, len(cores))
    first = rank * count
    mine = tuple(sorted(cores[(first + i) % len(cores)] for i in range(count)))
    return Device(f"cpu {_ranges(mine)}", mine, dict.fromkeys(THREADS, str(count)))


def near(cores: Sequence[int], gpus: Sequence[Gpu]) -> tuple[int, ...]:
    """Those of ``cores`` that are near one of these ``gpus``; all of them when none is, or nobody knows."""
    beside = {core for gpu in gpus for core in gpu.cores}
    return tuple(core for core in cores if core in beside) or tuple(cores)


def share_near(cores: Sequence[int], given: Sequence[Sequence[Gpu]], place: int, cores_per_trial: int | None) -> Device:
    """The cores of the worker at ``place`` of a node, whose workers have the GPUs in ``given``.

    Those of the workers with GPUs that have the same cores near share these; others share all.  Without
    ``cores_per_trial`` a worker with GPUs gets an equal part of them, another one core.
    """
    beside = [(bool(gpus), near(cores, gpus)) for gpus in given]
    mine = [other for other, each in enumerate(beside) if each == beside[place]]
    has_gpus, theirs = beside[place]
    count = cores_per_trial or (max(1, len(theirs) // len(mine)) if has_gpus else 1)
    return share(theirs, mine.index(place), count)


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as text: ``0-3,7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
