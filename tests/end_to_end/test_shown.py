"""Each command that README.md, docs/ and the verbs' help show does what it is shown for."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from documents import ROOT, Block
from packages import install, missing
from shown import PROGRAMS, Reader, shown
from test_jobscripts import ROOM, SCHEDULERS

SHOWN = shown()
BATCH = [line for line in SHOWN if line.startswith(("qsub", "bsub", "flux"))]
OF_SLURM = [line for line in SHOWN if "sbatch" in line]  # in test_slurm.py
FROM_A_CLONE = [line for line in SHOWN if line.startswith(("./dev demo", "python3"))]
TESTS = ["./dev test"]  # they are run by it
TYPED = [line for line in SHOWN if line not in {*BATCH, *OF_SLURM, *FROM_A_CLONE, *TESTS}]
SUBMITTED = {
    "qsub": '[[ $1 == -v ]] && export "$2" && exec bash "$3"',
    "bsub": "exec bash -s",
    "flux": '[[ $1 == batch ]] && exec bash "${@:2}"; exec "$TOOLS/flux" "$@"',
}


@pytest.fixture
def reader(site, database, monkeypatch):
    monkeypatch.chdir(site.directory)
    return Reader(site, database)


@pytest.mark.parametrize("line", TYPED)
def test_it_can_be_typed(reader, line):
    wanted = {program: proof for program, proof in PROGRAMS.items() if re.search(rf"\b{program}\b", line)}
    if missing(wanted) and os.geteuid():
        pytest.skip(f"there is no {' '.join(missing(wanted))} here")
    install(wanted)
    where, stops = SHOWN[line], re.search(r"metaopt stop(?: (?!-)(\S+))?", line)
    reader.prepare(where.page if isinstance(where, Block) and not stops else None, line)
    if stops:
        status, output = reader.type_while_it_runs(line, (stops[1] or "exp").removesuffix(".yaml"))
        assert status == (0, 130), output
    elif re.search(r"metaoptd$", line):
        status, output = reader.type_until_done(line)
        assert status == 130, output
    else:
        status, output = reader.type(line)
        assert status == 0, output
    if made := re.search(r" (?:-o|>) (\S+\.\w+)", reader.meant(line)):
        file = Path(made[1].replace("~", str(reader.home)))
        assert file.stat().st_size, output


@pytest.mark.parametrize("line", BATCH)
def test_it_can_be_submitted(reader, line):
    kind = re.search(r"jobscripts/(\w+)_metaopt", line)[1]
    variables, commands = SCHEDULERS[kind]
    reader.prepare(None, line)
    reader.write("room", ROOM)
    shutil.copytree(ROOT / "jobscripts", "jobscripts")
    for directory, tools in (("tools", commands), ("bin", SUBMITTED)):
        Path(directory).mkdir(exist_ok=True)
        for name, text in tools.items():
            (Path(directory) / name).write_text(f"#!/bin/bash\n{text}\n")
            (Path(directory) / name).chmod(0o755)
    reader.variables |= variables | {"TOOLS": "tools", "PATH": f"bin:tools:{reader.variables['PATH']}"}
    status, output = reader.type(line)
    assert status == 0, output
    assert "20 completed" in output


@pytest.mark.parametrize("line", FROM_A_CLONE)
def test_it_can_be_typed_in_a_clone(reader, line):
    clone = reader.here / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".*", "*.history", "*.egg-info", "build"))
    cache = subprocess.run(["pip", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    process = reader.start(f"cd clone\n{line}", PIP_CACHE_DIR=cache)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert line != "./dev demo" or "24 completed" in output
