"""The nodes of this allocation by their names, as far as its scheduler tells them without a run."""

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from metaopt.allocations.base import Run, run

FILES = ("PBS_NODEFILE", "LSB_DJOB_HOSTFILE")
"""Name a file with a line for each task: its host."""


def nodes(environ: Mapping[str, str] = os.environ, run: Run = run) -> list[str]:
    """Each once, in their order; none where nobody says it."""
    if listed := environ.get("SLURM_JOB_NODELIST"):
        with suppress(OSError, subprocess.SubprocessError):
            return run(["scontrol", "show", "hostnames", listed]).split()
    for name in FILES:
        with suppress(OSError, KeyError):
            return list(dict.fromkeys(Path(environ[name]).read_text(encoding="utf-8").split()))
    return []
