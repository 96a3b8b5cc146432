"""A node with GPUs that are not there: what the stand-in for NVML in fake_gpus answers with."""

import json
import os
import zlib
from pathlib import Path

FAKE = Path(__file__).parent / "fake_gpus"
GIB = 1 << 30


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
