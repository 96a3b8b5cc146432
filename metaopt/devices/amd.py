"""AMD's GPUs, by way of amdsmi, which is an extra."""

from importlib import import_module
from pathlib import Path
from typing import Any

from metaopt.devices.base import Gpu
from metaopt.errors import DeviceError

DRIVER = Path("/dev/kfd")
"""There on every machine whose amdgpu driver is loaded for computing."""
MIB = 1 << 20


def gpus() -> list[list[Gpu]]:
    """The AMD GPUs of this node in the order of HIP; none without a driver, or without amdsmi.

    Raises DeviceError when amdsmi is there and the GPUs cannot be asked.
    """
    if not DRIVER.exists():
        return []
    try:
        smi: Any = import_module("amdsmi")
    except (ImportError, KeyError, OSError):  # it looks for ROCm's library when it is imported
        return []
    try:
        smi.amdsmi_init()
        try:
            return [[_gpu(smi, *each)] for each in enumerate(smi.amdsmi_get_processor_handles())]
        finally:
            smi.amdsmi_shut_down()
    except smi.AmdSmiException as error:
        problem = f"the AMD GPUs cannot be asked: {error}"
        raise DeviceError(problem, "amd-smi list  should say more.  For CPUs alone: --allow-cpu") from error


def _gpu(smi: Any, number: int, handle: Any) -> Gpu:  # noqa: ANN401 - a module that may not be there, and its handles
    uuid = smi.amdsmi_get_gpu_enumeration_info(handle)["hip_uuid"]
    memory = int(smi.amdsmi_get_gpu_vram_usage(handle)["vram_total"]) * MIB
    return Gpu(str(uuid), memory, maker="amd", number=number)
