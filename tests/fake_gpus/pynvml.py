"""A stand-in for nvidia-ml-py on a machine without GPUs; it answers as the file says that FAKE_NVML names.

    {"init": "DRIVER_NOT_LOADED",            # what nvmlInit raises, if anything
     "gpus": [{"uuid": "GPU-...", "memory": 40e9, "used": 0, "cores": [0, 1], "mode": 0, "ecc": 0, "busy": 31,
               "watts": 200, "xids": [79],
               "error": "GPU_IS_LOST", "hidden": false, "mig": [{"uuid": "MIG-...", ...}],
               "processes": {"4711": 1e9}}]}

Memory of a process is in use as long as it lives, as it is in a GPU.  The file is read anew for each question.  Where
its name has {host}, that is this host's: each has GPUs of its own.
"""

import json
import os
import socket
import time
from pathlib import Path
from types import SimpleNamespace

CODES = {
    "NOT_SUPPORTED": (3, "Not Supported"),
    "NO_PERMISSION": (4, "Insufficient Permissions"),
    "NOT_FOUND": (6, "Not Found"),
    "DRIVER_NOT_LOADED": (9, "Driver Not Loaded"),
    "TIMEOUT": (10, "Timeout"),
    "IRQ_ISSUE": (11, "Interrupt Request Issue"),
    "FUNCTION_NOT_FOUND": (13, "Function Not Found"),
    "LIBRARY_NOT_FOUND": (12, "NVML Shared Library Not Found"),
    "GPU_IS_LOST": (15, "GPU is lost"),
    "RESET_REQUIRED": (16, "GPU requires restart"),
    "LIB_RM_VERSION_MISMATCH": (18, "RM has detected an NVML/RM version mismatch."),
    "UNKNOWN": (999, "Unknown Error"),
}
nvmlEventTypeXidCriticalError = 8  # noqa: N816 - NVML's name
BEGAN = time.monotonic()


class NVMLError(Exception):
    """What NVML raises; ``value`` is the code."""

    def __init__(self, name):
        self.value, text = CODES[name]
        super().__init__(text)


class NVMLError_NoPermission(NVMLError):  # noqa: N801 - NVML's name
    pass


class NVMLError_NotFound(NVMLError):  # noqa: N801 - NVML's name
    pass


for _name, (_code, _) in CODES.items():
    globals()[f"NVML_ERROR_{_name}"] = _code


def _raise(name):
    raise {"NO_PERMISSION": NVMLError_NoPermission, "NOT_FOUND": NVMLError_NotFound}.get(name, NVMLError)(name)


def _node():
    return json.loads(Path(os.environ["FAKE_NVML"].format(host=socket.gethostname())).read_text())


def _look(uuid):
    """The GPU or the instance of this name; raises what it is to raise."""
    for gpu in _node()["gpus"]:
        for each in (gpu, *gpu.get("mig", ())):
            if each["uuid"] == uuid:
                if "hangs" in gpu:
                    time.sleep(gpu["hangs"])
                if gpu.get("error"):
                    _raise(gpu["error"])
                return each
    return _raise("NOT_FOUND")


def _alive(pid):
    return Path("/proc", str(pid)).exists()


def nvmlInit():
    if _node().get("init"):
        _raise(_node()["init"])


def nvmlShutdown():
    pass


def nvmlDeviceGetCount():
    return len(_node()["gpus"])


def nvmlDeviceGetHandleByIndex(index):
    gpu = _node()["gpus"][index]
    if gpu.get("hidden"):
        _raise("NO_PERMISSION")
    return _look(gpu["uuid"])["uuid"]


def nvmlDeviceGetHandleByUUID(uuid):
    return _look(uuid)["uuid"]


def nvmlDeviceGetUUID(handle):
    return handle


def nvmlDeviceGetMemoryInfo(handle):
    gpu = _look(handle)
    held = sum(size for pid, size in gpu.get("processes", {}).items() if _alive(pid))
    return SimpleNamespace(total=gpu.get("memory", 40 << 30), used=gpu.get("used", 0) + held)


def nvmlDeviceGetComputeRunningProcesses_v3(handle):
    if _look(handle).get("old"):
        _raise("FUNCTION_NOT_FOUND")
    held = _look(handle).get("processes", {})
    return [SimpleNamespace(pid=int(pid), usedGpuMemory=size) for pid, size in held.items() if _alive(pid)]


def nvmlDeviceGetComputeMode(handle):
    return _look(handle).get("mode", 0)


def nvmlDeviceGetCpuAffinity(handle, words):
    masks = [0] * words
    for core in _look(handle).get("cores", ()):
        masks[core // 64] |= 1 << core % 64
    return masks


def nvmlDeviceGetMigMode(handle):
    gpu = _look(handle)
    return [int("mig" in gpu), int("mig" in gpu)] if gpu.get("memory", 1) else _raise("NOT_SUPPORTED")


def nvmlDeviceGetMaxMigDeviceCount(handle):
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(handle, index):
    parts = _look(handle)["mig"]
    return parts[index]["uuid"] if index < len(parts) else _raise("NOT_FOUND")


def nvmlDeviceGetTotalEccErrors(handle, kind, counter):
    assert (kind, counter) == (1, 0)
    gpu = _look(handle)
    return gpu["ecc"] if "ecc" in gpu else _raise("NOT_SUPPORTED")


def nvmlDeviceGetUtilizationRates(handle):
    return SimpleNamespace(gpu=_look(handle).get("busy", 0), memory=0)


def nvmlDeviceGetPowerUsage(handle):
    return int(_look(handle).get("watts", 0) * 1000)


def nvmlDeviceGetTotalEnergyConsumption(handle):
    gpu = _look(handle)
    if gpu.get("old"):
        _raise("NOT_SUPPORTED")
    return int(gpu.get("watts", 0) * 1000 * (time.monotonic() - BEGAN))


def nvmlEventSetCreate():
    return []


def nvmlDeviceRegisterEvents(handle, kinds, events):
    assert kinds == nvmlEventTypeXidCriticalError
    events.append(handle)


def nvmlEventSetWait(events, timeout):
    new = _look(events[0]).get("xids", [])[len(events) - 1 :]
    events += new[:1]
    return SimpleNamespace(eventData=new[0]) if new else _raise("TIMEOUT")
