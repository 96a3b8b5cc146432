"""What is shown that is typed in a clone of the repository, from nothing."""

import shutil
import subprocess

import pytest
from documents import ROOT
from shown import FROM_A_CLONE, Reader


@pytest.mark.parametrize("line", FROM_A_CLONE)
def test_it_can_be_typed_in_a_clone(site, database, line):
    reader = Reader(site, database)
    clone = reader.here / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".*", "*.history", "*.egg-info", "build"))
    cache = subprocess.run(["pip", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    process = reader.start(f"cd clone\n{line}", PIP_CACHE_DIR=cache)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert line != "./dev demo" or "24 completed" in output
