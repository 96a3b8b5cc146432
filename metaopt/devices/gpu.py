"""NVIDIA GPUs: those that this job may use on this node, one for each worker."""

import os
from collections.abc import Sequence
from pathlib import Path

from metaopt.devices.base import Device

DRIVER = Path("/dev/nvidiactl")
"""There on every machine whose NVIDIA driver is loaded; without it, nothing more is imported."""
NONE = {"", "-1", "NoDevFiles"}


def usable_gpus() -> list[str]:
    """The UUIDs of the GPUs that CUDA_VISIBLE_DEVICES leaves to this job; none when there is no driver."""
    if not DRIVER.exists():
        return []
    import pynvml  # noqa: PLC0415 - thousands of lines, for machines with GPUs

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        uuids = [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
    finally:
        pynvml.nvmlShutdown()
    return visible(uuids, os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible(uuids: Sequence[str], said: str | None) -> list[str]:
    """Those of a node's GPUs that ``said``, the value of CUDA_VISIBLE_DEVICES, names by index, UUID or its beginning.

    As in CUDA, nothing counts after the first name that is not known, and no variable means all (CUDA C++ Programming
    Guide, "CUDA Environment Variables").
    """
    if said is None:
        return list(uuids)
    chosen: list[str] = []
    for name in said.split(","):
        found = _named(uuids, name.strip())
        if found is None:
            break
        chosen.append(found)
    return chosen


def give(gpus: Sequence[str], worker: int, cpu: Device) -> Device:
    """The GPU of the ``worker``-th worker (0, 1, ...) of a node beside its cores; too few are shared in turn."""
    if not gpus:
        return cpu
    gpu = gpus[worker % len(gpus)]
    chosen = {"CUDA_VISIBLE_DEVICES": gpu, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return Device(f"{gpu[:12]}, {cpu.name}", cpu.cores, cpu.defaults, chosen)


def _named(uuids: Sequence[str], name: str) -> str | None:
    if name in NONE:
        return None
    if name.isdigit():
        return uuids[int(name)] if int(name) < len(uuids) else None
    matching = [uuid for uuid in uuids if uuid.startswith(name)]
    if name.startswith("MIG-"):
        return name
    return matching[0] if len(matching) == 1 else None
