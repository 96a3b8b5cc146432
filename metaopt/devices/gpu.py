"""The GPUs that this job may use on this node, and what a script must be told to see its own ones alone."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from metaopt.devices import amd
from metaopt.devices.base import Device, Gpu, Offer
from metaopt.devices.visible import visible
from metaopt.errors import DeviceError

DRIVERS: tuple[Path, ...] = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""One is there on every machine whose NVIDIA driver is loaded (the second in WSL); else nothing more is imported."""
SHOWN = 12  # characters of a UUID that people are shown


def usable_gpus() -> list[Gpu]:
    """The GPUs that the environment leaves to this process; none on a machine without any.

    Raises DeviceError when there are some, and none can be had.
    """
    if any(path.exists() for path in DRIVERS):
        from metaopt.devices.nvml import opened  # noqa: PLC0415 - for machines with GPUs

        with opened() as nvml:
            node = nvml.gpus()
        return visible(node, os.environ.get("CUDA_VISIBLE_DEVICES"))
    said = "ROCR_VISIBLE_DEVICES" if "ROCR_VISIBLE_DEVICES" in os.environ else "HIP_VISIBLE_DEVICES"
    return visible(amd.gpus(), os.environ.get(said), said)


def offer() -> Offer:
    """What this process may use, or why it may not, for its neighbours to know."""
    try:
        return Offer(tuple(usable_gpus()))
    except DeviceError as error:
        return Offer((), error.problem, error.hint)


def give(gpus: Sequence[Gpu], cpu: Device) -> Device:
    """``gpus`` beside the cores of ``cpu``; without any, that alone."""
    if not gpus:
        return cpu
    name = " + ".join(gpu.uuid[:SHOWN] for gpu in gpus)
    uuids = ",".join(gpu.uuid for gpu in gpus)
    return Device(f"{name}, {cpu.name}", cpu.cores, cpu.defaults, _environment(gpus, uuids), tuple(gpus))


def give_all(gpus: Sequence[Gpu], cores: Sequence[int], nodes: int, numbers: str | None) -> Device:
    """A whole node for what starts processes there and on others, ``nodes`` in all.

    Other nodes know its GPUs by no UUID: they are named by their ``numbers``, and where there are none that hold on all
    of these nodes, not at all.  How many threads a process has is for those who know how many processes there are.
    """
    name = f"{nodes} nodes, {len(gpus) or len(cores)} {'GPUs' if gpus else 'cores'} on this one"
    return Device(name, tuple(cores), {}, _environment(gpus, numbers) if gpus and numbers else {}, tuple(gpus))


def _environment(gpus: Sequence[Gpu], names: str) -> Mapping[str, str]:
    if gpus[0].maker == "amd":  # HIP counts what ROCr leaves to it
        return {"ROCR_VISIBLE_DEVICES": names, "HIP_VISIBLE_DEVICES": ",".join(map(str, range(len(gpus))))}
    return {"CUDA_VISIBLE_DEVICES": names, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
