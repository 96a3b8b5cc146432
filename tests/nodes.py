"""A node with GPUs that are not there: what the stand-in for NVML in fake_gpus answers with.  And those that are."""

import json
import os
import zlib
from pathlib import Path

from metaopt.devices import gpu

FAKE, NONE = (Path(__file__).parent / name for name in ("fake_gpus", "no_gpus"))
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
GIB = 1 << 30


def hide_gpus():
    """Neither this process nor any that it starts finds the GPUs of this machine, if there are any."""
    if any(path.exists() for path in DRIVERS):
        gpu.DRIVERS = ()
        os.environ["PYTHONPATH"] = os.pathsep.join([str(NONE), *filter(None, [os.environ.get("PYTHONPATH")])])


def show_gpus(monkeypatch):
    """Have them found again for a while; whether there are any."""
    there = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    monkeypatch.setattr(gpu, "DRIVERS", DRIVERS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(each for each in there if each != str(NONE)))
    return any(path.exists() for path in DRIVERS)


class Node:
    """Some GPUs, as a file for the stand-in says; ``change`` them at any time."""

    def __init__(self, directory, count=4, **about):
        self.path = directory / "gpus.json"
        here = f"{zlib.crc32(str(directory).encode()):08x}"  # two tests on one machine have not the same GPUs
        gpus = [{"uuid": f"GPU-{n}{n}{n}{n}aaaa-{here}", "memory": 40 * GIB, "ecc": 0} for n in range(count)]
        self.said = {"gpus": gpus, **about}
        self.write()

    @property
    def uuids(self):
        return [gpu["uuid"] for gpu in self.said["gpus"]]

    @property
    def environment(self):
        """For a process that is to find this node."""
        there = [str(FAKE), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"FAKE_NVML": str(self.path), "PYTHONPATH": os.pathsep.join(there)}

    def change(self, index, **about):
        self.said["gpus"][index] |= about
        self.write()

    def write(self):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.said))
        part.replace(self.path)
