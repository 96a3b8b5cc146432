"""The job script, without the batch system: everything but the lines that Slurm reads."""

import signal
import sys
from pathlib import Path

import pytest
from running import ANYWHERE, MPIRUN

SCRIPT = Path(__file__).parents[2] / "jobscripts" / "slurm_metaopt.sh"
SLOW = [sys.executable, "script.py", "--x", "{x}", "--sleep", "0.1", "--steps", "3"]


@pytest.fixture
def job(site, tmp_path):
    """Starts the script in the site as Slurm would, with an mpirun that takes what the allocation gives: 3 ranks."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mpirun").write_text(f'#!/bin/sh\nexec {MPIRUN} -n 3 "$@"\n')
    (tools / "mpirun").chmod(0o755)
    path = f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin"
    return lambda *arguments: site.start(command=["bash", SCRIPT, *arguments], SLURM_JOB_ID="7", PATH=path, **ANYWHERE)


def test_it_runs_a_study_and_exits_with_its_status(site, job):
    process = job("exp.yaml")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert len(site.load().trials) == 6
    assert not list(site.directory.glob("*.status"))


def test_a_bad_experiment_is_refused(site, job):
    site.experiment(trials=0)
    process = job()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2, output
    assert "trials: it is 0" in output


def test_the_warning_before_the_end_is_passed_on(site, job):
    site.experiment(command=SLOW, trials=9)
    process = job("exp.yaml")
    site.wait_for("Finished", 2)
    process.send_signal(signal.SIGUSR1)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "to go on:  sbatch" in output
    again = job("exp.yaml")
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert len(site.load().trials) == 9
