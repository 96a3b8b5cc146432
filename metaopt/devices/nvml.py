"""NVML: the only file that talks to NVIDIA's driver, by way of nvidia-ml-py."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from metaopt.devices.base import Gpu
from metaopt.devices.visible import CPUS, HINT
from metaopt.errors import DeviceError

ALL_CORES = 64  # in one word of a CPU set
FATAL_XIDS = {48, 62, 64, 79, 95, 119, 120, 140}
"""Failures of the GPU itself, and not of a program (NVIDIA, "XID Errors"): ECC, remapping, off the bus, GSP."""
MODES = {0: "default", 1: "exclusive", 2: "prohibited", 3: "exclusive"}
TROUBLE = {
    "DRIVER_NOT_LOADED": (
        "the NVIDIA driver is not loaded",
        "nvidia-smi should say more; ask the node's administrator",
    ),
    "LIBRARY_NOT_FOUND": (
        "there is no libnvidia-ml.so.1, which comes with the NVIDIA driver",
        "In a container, start it with the GPUs: docker run --gpus all, apptainer --nv",
    ),
    "LIB_RM_VERSION_MISMATCH": (
        "libnvidia-ml.so.1 and the NVIDIA driver are of different versions (NVML version mismatch)",
        "The driver was updated: reboot the node, or load its modules again",
    ),
    "NO_PERMISSION": (
        "the NVIDIA driver denies permission",
        "See who may read /dev/nvidia*; in a batch job, ask for GPUs (Slurm: --gpus-per-node=4)",
    ),
}
"""What is wrong when NVML cannot be used, by the error's name, and what to do about it."""
LOST = ("GPU_IS_LOST", "RESET_REQUIRED")
GONE = (*LOST, "IRQ_ISSUE", "UNKNOWN", "NOT_FOUND")
"""Errors that a GPU in order does not give; all but the first two also mean that a question is not for it."""


class Reading(NamedTuple):
    """What a GPU does now: its ``busy`` share (0 to 1), ``memory`` in use (bytes), ``watts``; ``joules`` so far.

    None is what it does not tell.
    """

    busy: float | None
    memory: int
    watts: float | None
    joules: float | None


class Nvml:
    """An open NVML; close it when done.  Raises DeviceError when it cannot be used."""

    def __init__(self) -> None:
        self._nvml: Any = _load()
        try:
            self._nvml.nvmlInit()
        except self._nvml.NVMLError as error:
            raise _trouble(self._nvml, error) from error
        self._handles: dict[str, Any] = {}
        self._events: dict[str, Any] = {}

    def gpus(self) -> list[list[Gpu]]:
        """The GPUs that this process may use, in NVML's order, each alone, or as the MIG instances that it is.

        Raises DeviceError when there are some, and it may use none of them.
        """
        found = []
        try:
            count = self._nvml.nvmlDeviceGetCount()
            for index in range(count):
                with suppress(self._nvml.NVMLError_NoPermission):  # a cgroup hides it: CUDA does not count it either
                    found.append(self._listed(index))
        except self._nvml.NVMLError as error:
            raise _trouble(self._nvml, error) from error
        if count and not any(found):
            why = "have fallen off the bus, or are MIG without an instance" if found else "are denied to this job"
            problem = f"none of the {count} GPUs of this node can be used: they {why}"
            raise DeviceError(problem, f"{HINT}; {CPUS}.")
        return [[replace(gpu, number=number) for gpu in parts] for number, parts in enumerate(found)]

    def _listed(self, index: int) -> list[Gpu]:
        """What there is at this place: nothing when it has fallen off the bus."""
        try:
            return self._parts(self._nvml.nvmlDeviceGetHandleByIndex(index))
        except self._nvml.NVMLError as error:
            if _is(self._nvml, error, *GONE):
                return []
            raise

    def fault(self, gpu: Gpu) -> str:
        """Why nothing should run on ``gpu`` any more; empty while it is in order."""
        try:
            handle = self._handle(gpu.whole or gpu.uuid)
            self._nvml.nvmlDeviceGetMemoryInfo(handle)
            errors = self._ask("nvmlDeviceGetTotalEccErrors", handle, 1, 0)  # uncorrected, since the driver was loaded
            xid = self._xid(gpu.whole or gpu.uuid, handle)
        except self._nvml.NVMLError as error:
            if _is(self._nvml, error, *GONE):
                return f"NVML says: {error}"
            return ""
        if errors:
            return f"{errors} uncorrected ECC errors"
        return f"Xid {xid}" if xid in FATAL_XIDS else ""

    def memory(self, gpu: Gpu) -> tuple[int, Mapping[int, int]]:
        """The bytes in use, and of them those of each process, by pid; raises DeviceError when it does not tell."""
        try:
            handle = self._handle(gpu.uuid)
            used = int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used)
            processes = self._ask("nvmlDeviceGetComputeRunningProcesses_v3", handle) or []  # none before driver 510
        except self._nvml.NVMLError as error:
            raise _trouble(self._nvml, error) from error
        return used, {process.pid: process.usedGpuMemory or 0 for process in processes}

    def reading(self, gpu: Gpu) -> Reading:
        """What it does now; raises DeviceError when it does not tell."""
        try:
            handle = self._handle(gpu.uuid)
            memory = int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used)
            rates = None if gpu.mig else self._ask("nvmlDeviceGetUtilizationRates", handle)
            milliwatts = None if gpu.mig else self._ask("nvmlDeviceGetPowerUsage", handle)
            millijoules = None if gpu.mig else self._ask("nvmlDeviceGetTotalEnergyConsumption", handle)
        except self._nvml.NVMLError as error:
            raise _trouble(self._nvml, error) from error
        busy = None if rates is None else rates.gpu / 100
        return Reading(busy, memory, _thousandth(milliwatts), _thousandth(millijoules))

    def close(self) -> None:
        """Let go of it."""
        with suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()

    def _parts(self, handle: Any) -> list[Gpu]:  # noqa: ANN401 - NVML's handles have no type of their own
        whole = _text(self._nvml.nvmlDeviceGetUUID(handle))
        mode = MODES.get(self._ask("nvmlDeviceGetComputeMode", handle) or 0, "default")
        cores = self._cores(handle)
        divided = self._ask("nvmlDeviceGetMigMode", handle)
        if not divided or not divided[0]:
            return [Gpu(whole, int(self._nvml.nvmlDeviceGetMemoryInfo(handle).total), cores, mode)]
        parts = []
        for index in range(self._ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
            with suppress(self._nvml.NVMLError_NotFound):  # instances are numbered with gaps
                part = self._nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
                memory = int(self._nvml.nvmlDeviceGetMemoryInfo(part).total)
                parts.append(Gpu(_text(self._nvml.nvmlDeviceGetUUID(part)), memory, cores, mode, whole))
        return parts

    def _cores(self, handle: Any) -> tuple[int, ...]:  # noqa: ANN401 - as above
        words = -(-(os.cpu_count() or 1) // ALL_CORES)
        masks = self._ask("nvmlDeviceGetCpuAffinity", handle, max(words, 16)) or []
        return tuple(ALL_CORES * n + bit for n, mask in enumerate(masks) for bit in range(ALL_CORES) if mask >> bit & 1)

    def _handle(self, uuid: str) -> Any:  # noqa: ANN401 - as above
        if uuid not in self._handles:
            self._handles[uuid] = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
        return self._handles[uuid]

    def _ask(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401 - whatever it answers
        """What NVML answers; None when this GPU, or this driver, has no answer to it."""
        try:
            return getattr(self._nvml, name)(*arguments)
        except self._nvml.NVMLError as error:
            if _is(self._nvml, error, *LOST):
                raise
            return None

    def _xid(self, uuid: str, handle: Any) -> int:  # noqa: ANN401 - as above
        """The Xid of a critical error since somebody asked last, a fatal one if there is; 0 when there is none."""
        if uuid not in self._events:
            self._events[uuid] = events = self._ask("nvmlEventSetCreate")
            if events is not None:
                self._ask("nvmlDeviceRegisterEvents", handle, self._nvml.nvmlEventTypeXidCriticalError, events)
        xid = 0
        while xid not in FATAL_XIDS and self._events[uuid] is not None:
            said = self._ask("nvmlEventSetWait", self._events[uuid], 0)
            if said is None:
                break
            xid = int(said.eventData)
        return xid


@contextmanager
def opened() -> Iterator[Nvml]:
    """NVML for a moment."""
    nvml = Nvml()
    try:
        yield nvml
    finally:
        nvml.close()


def _load() -> ModuleType:
    """Thousands of lines, for machines with GPUs."""
    try:
        return import_module("pynvml")
    except ImportError as error:
        problem = "this machine has an NVIDIA driver, and this Python no nvidia-ml-py to ask it"
        raise DeviceError(problem, "pip install nvidia-ml-py") from error


def _is(nvml: Any, error: Any, *names: str) -> bool:  # noqa: ANN401 - the module that was loaded
    return error.value in {getattr(nvml, f"NVML_ERROR_{name}") for name in names}


def _trouble(nvml: Any, error: Any) -> DeviceError:  # noqa: ANN401 - as above
    for name, (problem, hint) in TROUBLE.items():
        if _is(nvml, error, name):
            return DeviceError(problem, f"{hint}.  For CPUs alone: --allow-cpu")
    return DeviceError(f"the GPUs cannot be asked: NVML says: {error}", "nvidia-smi should say more.")


def _thousandth(value: int | None) -> float | None:
    return None if value is None else value / 1000


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
