"""The job scripts without their batch systems: stand-ins for the schedulers' commands, all else the real thing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import ANYWHERE, MPIRUN, PATIENCE

JOBSCRIPTS = Path(__file__).parents[2] / "jobscripts"
SLOW = [sys.executable, "script.py", "--x", "{x}", "--sleep", "0.1", "--steps", "3"]
HOUR = 3600
ROOM = "".join("localhost\n" for _ in range(3))
SCHEDULERS = {  # the script's own variables, and what each command does; an hour is left
    "slurm": (
        {"SLURM_JOB_ID": "7", "SLURM_TASKS_PER_NODE": "2(x1),1"},
        {
            "squeue": "date --date='+1 hour' +%Y-%m-%dT%H:%M:%S",
            "scontrol": 'case $1 in show) echo localhost; echo localhost ;; *) echo "$@" >again ;; esac',
            "srun": "exec true",
            "mpirun": f'echo $METAOPT_DEADLINE >deadline; exec {MPIRUN} "$@"',
        },
    ),
    "slurm_srun": (
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "3"},
        {
            "squeue": "date --date='+1 hour' +%Y-%m-%dT%H:%M:%S",
            "scontrol": 'echo "$@" >again',
            "srun": f'echo $METAOPT_DEADLINE >deadline; shift 4; exec {MPIRUN} -n 4 "$@"',
        },
    ),
    "pbs": (
        {"PBS_JOBID": "7", "PBS_O_WORKDIR": ".", "PBS_NODEFILE": "room"},
        {
            "qstat": "echo '    Resource_List.walltime = 01:00:00'",
            "qsub": 'echo "$@" >again',
            "mpiexec": f'echo $METAOPT_DEADLINE >deadline; exec {MPIRUN} "$@"',
        },
    ),
    "lsf": (
        {"LSB_JOBID": "7", "LSB_DJOB_HOSTFILE": "room"},
        {"bjobs": "echo '1:00 L'", "mpirun": f'echo $METAOPT_DEADLINE >deadline; exec {MPIRUN} "$@"'},
    ),
    "flux": (
        {},
        {
            "flux": f"""
            case "$1 $2" in
            "job timeleft") echo 3600.5 ;;
            "getattr size") echo 1 ;;
            "submit "*) shift 7; printf '%s\\n' "$@" >command; echo $METAOPT_DEADLINE >deadline; echo f7 ;;
            "job attach") echo $$ >attached; mapfile -t command <command; exec {MPIRUN} -n 4 "${{command[@]}}" ;;
            "job kill") kill -USR1 "$(cat attached)" ;;
            "--parent batch") echo "$@" >again ;;
            esac"""
        },
    ),
}


@pytest.fixture(params=SCHEDULERS)
def job(request, site, tmp_path):
    """Starts the script in the site as its scheduler would, in an allocation with room for 3 workers."""
    variables, commands = SCHEDULERS[request.param]
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in commands.items():
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)
    site.write("room", ROOM)
    environment = variables | ANYWHERE | {"PATH": f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin"}
    script = JOBSCRIPTS / f"{request.param}_metaopt.sh"
    return lambda **more: site.start(command=["bash", script, "exp.yaml"], **environment | more)


def ended(process):
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def workers(site):
    return {record["body"]["worker"] for record in site.records() if record["kind"] == "Joined"}


@pytest.mark.parametrize("script", sorted(JOBSCRIPTS.glob("*.sh")), ids=lambda script: script.name)
def test_it_is_a_script_that_can_be_run(script):
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


def test_it_runs_a_study_with_a_worker_per_task_and_knows_the_deadline(site, job):
    before = time.time()
    status, output = ended(job())
    assert status == 0, output
    assert len(site.load().trials) == 6
    assert workers(site) == {1, 2, 3}
    assert before + HOUR - 1 <= int((site.directory / "deadline").read_text()) <= time.time() + HOUR + 1
    assert not [*site.directory.glob("*.status"), *site.directory.glob("*.hosts"), *site.directory.glob("again")]


def test_a_bad_experiment_is_refused(site, job):
    site.experiment(trials=0)
    status, output = ended(job())
    assert status == 2, output
    assert "trials: it is 0" in output
    assert not (site.directory / "again").exists()


def test_a_warned_job_saves_and_asks_to_go_on(site, job, request):
    site.experiment(command=SLOW, trials=9)
    process = job()
    site.wait_for("Finished", 2)
    process.send_signal(signal.SIGUSR1)
    status, output = ended(process)
    assert status == 130, output
    assert "not finished: interrupted" in output
    assert (site.directory / "again").exists() or "lsf" in request.node.name  # LSF goes by the status: see -Q
    status, output = ended(job())
    assert status == 0, output
    assert len(site.load().trials) == 9


def test_a_job_goes_on_a_limited_number_of_times(site, job):
    site.experiment(command=SLOW, trials=9)
    process = job(METAOPT_REQUEUES="0")
    site.wait_for("Finished", 2)
    process.send_signal(signal.SIGUSR1)
    status, output = ended(process)
    assert status in {1, 130}, output
    assert not (site.directory / "again").exists()


def test_a_run_without_a_word_of_rank_0_goes_on(site, job, request):
    site.experiment(command=SLOW, trials=9)
    process = job(SECONDS="100")  # bash counts on from there: a run that has lasted is no mistake in the script
    site.wait_for("Finished", 2)
    os.kill(site.ranks()[0], signal.SIGKILL)
    status, output = ended(process)
    if "slurm]" in request.node.name:
        assert "Trying again where a node answers (1)" in output
    else:
        assert status not in {0, 1, 2}, output
        assert (site.directory / "again").exists() or "lsf" in request.node.name
        status, output = ended(job())
    assert status == 0, output
    assert len(site.load().trials) == 9


def test_a_run_that_never_begins_is_not_begun_for_ever(site, job):
    status, output = ended(job(MPI4PY_LIBMPI="/nonesuch"))
    assert status not in {0, 130}, output
    assert not (site.directory / "again").exists()
