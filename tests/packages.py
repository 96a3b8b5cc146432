"""Debian's packages that a test needs, installed once, whatever else is being tested at the time."""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path


def install(proofs):
    """Install those packages of which the file that shows it is there (a pattern below /) is missing."""
    with Path(tempfile.gettempdir(), "metaopt-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if names := missing(proofs):
            env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            for command in (["update"], ["install", "--yes", "--no-install-recommends", *names]):
                subprocess.run(["apt-get", *command], env=env, check=True, capture_output=True)


def missing(proofs):
    """The names of those that are not there."""
    return [name for name, proof in proofs.items() if not any(Path("/").glob(proof))]
