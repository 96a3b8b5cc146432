"""The job scripts in a real Slurm: whole studies, warnings, lost nodes, two jobs on one history."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import slurm
import yaml
from mongo import PASSWORD, USER, Mongo
from running import ANYWHERE, until
from shown import shown
from test_resume import check
from test_several_nodes import RANKS, TORCHRUN, check_ranks, recipe

from metaopt.history import load

JOBSCRIPTS = Path(__file__).parents[2] / "jobscripts"
SLOW = ["python", "script.py", "--x", "{x}", "--sleep", "0.3", "--steps", "3"]

pytestmark = pytest.mark.skipif(bool(slurm.why_not()), reason=slurm.why_not())


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    cluster = slurm.Slurm(tmp_path_factory.mktemp("slurm"))
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(started):
    """All four nodes, idle."""
    started.start()
    yield started
    started.cancel_all()


@pytest.fixture
def sbatch(site, cluster):
    """Submits a job script of ours in the site, as a person would; gives the job's number."""
    environment = {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "SITE": str(site.directory),
    }

    def submit(*options, script="slurm_metaopt.sh"):
        command = ("--nodes=4", "--ntasks-per-node=1", "--time=10", *options, JOBSCRIPTS / script, "exp.yaml")
        path = f"{Path(sys.executable).parent}:{cluster.environment['PATH']}"
        return cluster.sbatch(*command, cwd=site.directory, **environment, PATH=path)

    return submit


def output(site):
    """What all jobs have said."""
    return "\n".join(path.read_text() for path in sorted(site.directory.glob("metaopt-*.out")))


def joined(site):
    """Where the workers of the last run are, by their numbers."""
    hosts = {}
    for record in site.records():
        if record["kind"] == "Opened":
            hosts = {}
        elif record["kind"] == "Joined":
            hosts[record["body"]["worker"]] = record["body"]["host"]
    return hosts


def test_a_job_ends_with_its_study(site, cluster, sbatch):
    site.experiment(trials=12)
    job = cluster.wait_for(sbatch())
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("COMPLETED", "0:0", "0"), output(site)
    check(site, 12)
    assert not list(site.directory.glob("*.status"))


def test_there_is_a_worker_for_every_task_and_rank_0_besides(site, cluster, sbatch):
    site.experiment(command=SLOW, trials=12)
    job = cluster.wait_for(sbatch("--nodes=3", "--ntasks-per-node=2"))
    assert job["ExitCode"] == "0:0", output(site)
    assert sorted(joined(site).items()) == list(enumerate(["node1", "node1", "node2", "node2", "node3", "node3"], 1))
    check(site, 12)


def test_a_warned_job_saves_queues_again_and_finishes(site, cluster, sbatch):
    site.experiment(command=SLOW, trials=16)
    number = sbatch()
    site.wait_for("Finished", 4)
    cluster.run("scancel", "--batch", "--signal=USR1", number)
    site.wait_for("Opened", 2)
    job = cluster.wait_for(number)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1"), output(site)
    assert "not finished: interrupted" in output(site)
    check(site, 16)


def test_a_job_that_may_not_queue_again_says_130(site, cluster, sbatch, monkeypatch):
    monkeypatch.setitem(cluster.environment, "METAOPT_REQUEUES", "0")
    site.experiment(command=SLOW, trials=16)
    number = sbatch()
    site.wait_for("Finished", 1)
    cluster.run("scancel", "--batch", "--signal=USR1", number)
    job = cluster.wait_for(number)
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("FAILED", "130:0", "0"), output(site)


def test_a_lost_node_costs_its_trial_only(site, cluster, sbatch):
    site.experiment(command=SLOW, trials=24)
    number = sbatch()
    site.wait_for("Finished", 4)
    cluster.kill_node("node3")
    site.wait_for("Finished", 24)
    cluster.start()
    job = cluster.wait_for(number)
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("COMPLETED", "0:0", "0"), output(site)
    assert sorted(joined(site).values()) == ["node1", "node2", "node4"]
    assert [r["body"]["lost"] for r in site.records() if r["kind"] == "Opened"] == [[], ["node3"]]
    check(site, 24)


def test_of_two_jobs_on_one_history_the_second_is_refused(site, cluster, sbatch):
    site.experiment(command=SLOW, trials=12)
    number = sbatch("--nodes=2", "--array=0-1")
    jobs = [cluster.wait_for(f"{number}_{task}") for task in (0, 1)]
    assert sorted(job["ExitCode"] for job in jobs) == ["0:0", "2:0"], output(site)
    assert "quadratic.history is being written by process" in output(site)
    assert [job["Restarts"] for job in jobs] == ["0", "0"]
    check(site, 12)


def test_srun_may_start_the_ranks(site, cluster, sbatch):
    site.experiment(command=SLOW, trials=8)
    job = cluster.wait_for(sbatch("--nodes=2", "--ntasks-per-node=2", script="slurm_srun_metaopt.sh"))
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), output(site)
    assert sorted(joined(site).items()) == list(enumerate(["node1", "node1", "node2", "node2"], 1))
    check(site, 8)


def test_a_trial_may_be_an_mpirun_or_an_srun_over_two_nodes(site, sbatch, cluster):
    says = "sh -c 'echo loss={x} $(hostname)'"
    steps = f"mpirun -n {{nodes}} --map-by node {says}; srun --nodes={{nodes}} --nodelist={{hosts}} {says}"
    site.experiment(
        command=["sh", "-c", f"{steps}; echo $METAOPT_HOSTS", "{x}"], trials=4, resources={"nodes_per_trial": 2}
    )
    job = cluster.wait_for(sbatch())
    assert job["ExitCode"] == "0:0", output(site)
    check(site, 4)
    for trial in range(4):
        *said, hosts = (site.history / "trials" / str(trial) / "stdout.txt").read_text().splitlines()
        assert hosts in {"node1,node2", "node3,node4"}
        assert sorted(line.split()[1] for line in said) == sorted(2 * hosts.split(","))


def test_the_recipe_for_torchrun_in_slurm_starts_it_once_on_each_node(site, sbatch, cluster, monkeypatch):
    site.write("train.py", RANKS)
    site.write("exp.yaml", yaml.safe_dump(recipe("srun", trials=4)))
    path = os.pathsep.join([TORCHRUN["stand-in"], cluster.environment["PATH"]])
    monkeypatch.setitem(cluster.environment, "PATH", path)
    job = cluster.wait_for(sbatch())
    assert job["ExitCode"] == "0:0", output(site)
    check(site, 4)
    for trial in range(4):
        check_ranks(site, trial, ("node1", "node2", "node3", "node4"))


def test_under_srun_a_warned_job_queues_again_too(site, cluster, sbatch):
    site.experiment(command=SLOW, trials=12)
    number = sbatch(script="slurm_srun_metaopt.sh")
    site.wait_for("Finished", 4)
    cluster.run("scancel", "--batch", "--signal=USR1", number)
    site.wait_for("Opened", 2)
    job = cluster.wait_for(number)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1"), output(site)
    check(site, 12)


@pytest.mark.parametrize("script", ["slurm_metaopt.sh", "slurm_srun_metaopt.sh"])
def test_a_wrong_experiment_is_refused_for_good(site, cluster, sbatch, script):
    site.experiment(trials=0)
    job = cluster.wait_for(sbatch("--nodes=1", script=script))
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("FAILED", "2:0", "0"), output(site)
    assert "trials: it is 0" in output(site)


@pytest.fixture
def guarded(tmp_path):
    """A server with a login."""
    mongo = Mongo(tmp_path / "mongo", login=True).start()
    yield mongo
    mongo.stop()


@pytest.mark.parametrize("line", [line for line in shown() if "sbatch" in line])
def test_what_is_shown_of_sbatch_can_be_typed(site, cluster, monkeypatch, request, line):
    here, url = site.directory, "quadratic.history"
    if "MONGODB" in line:
        url = request.getfixturevalue("guarded").url("shown", login=USER)
        (here / ".mongodb-password").write_text(PASSWORD)
        monkeypatch.setenv("METAOPT_MONGODB_PASSWORD_FILE", str(here / ".mongodb-password"))
    site.experiment(trials=4, history=url)
    shutil.copy(here / "exp.yaml", here / "second.yaml")
    shutil.copytree(JOBSCRIPTS, here / "jobscripts")
    for script in (here / "jobscripts").iterdir():  # a site's own figure
        script.write_text(script.read_text().replace("--ntasks-per-node=8", "--ntasks-per-node=1"))
    path = f"{Path(sys.executable).parent}:{cluster.environment['PATH']}"
    few = re.sub(r"--array=1-\d+", "--array=1-2", line)
    number = cluster.run("bash", "-euc", few, cwd=here, **ANYWHERE, SITE=here, HOME=here, PATH=path).split()[-1]
    until(lambda: not cluster.run("squeue", "--noheader"), "an empty queue")
    assert set(re.findall(r"ExitCode=(\S+)", cluster.run("scontrol", "show", "job", number))) == {"0:0"}, output(site)
    monkeypatch.chdir(here)
    assert len(load(url).trials) == 4
