"""Each command that README.md, docs/ and the verbs' help show does what it is shown for."""

import os
import re
import shutil
from pathlib import Path

import pytest
from documents import ROOT, Block
from packages import install, missing
from shown import FROM_A_CLONE, PROGRAMS, SHOWN, Reader
from test_jobscripts import ROOM, SCHEDULERS

BATCH = [line for line in SHOWN if line.startswith(("qsub", "bsub", "flux"))]
OF_SLURM = [line for line in SHOWN if "sbatch" in line]  # in test_slurm.py
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
