"""Trials that are an mpirun over two nodes themselves, inside the mpirun of the run; nodes are network namespaces."""

import os
import shutil
import signal
import socket
from pathlib import Path

import hosts
import pytest
import yaml
from nodes import GIB, Node
from running import MPIRUN
from test_hosts import ended, start, wait_for_the_end_on
from test_resume import check

SAYS = 'echo "loss={x} $OMPI_COMM_WORLD_RANK/$OMPI_COMM_WORLD_SIZE $(hostname)"'
TOLD = 'echo "$METAOPT_HOSTS $METAOPT_NODES $MASTER_ADDR $MASTER_PORT {hosts} {nodes}"; cat {hostfile};'

RANKS = """
import os, socket, sys
about = [os.environ[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "GROUP_RANK", "MASTER_ADDR")]
sys.stdout.write("rank " + " ".join([*about, socket.gethostname()]) + "\\n")
if os.environ["RANK"] == "0":
    sys.stdout.write("loss=" + sys.argv[2] + "\\n")
"""
TOGETHER = """
import torch
import torch.distributed
torch.distributed.init_process_group("gloo")
ranks = torch.ones(1)
torch.distributed.all_reduce(ranks)
assert ranks.item() == 4
"""
TESTS = Path(__file__).parents[1]
TORCHRUN = {"stand-in": str(TESTS / "stand_ins")}
if found := shutil.which("torchrun"):  # what there is besides is tried too
    TORCHRUN["real"] = str(Path(found).parent)

with_hosts = pytest.mark.skipif(bool(hosts.why_not()), reason=hosts.why_not())


def write(site, nodes, rank, **changes):
    """An experiment whose trials run ``rank``, a line of shell, on two nodes; the agent stands for their ssh."""
    agent = nodes.environment["PRTE_MCA_plm_ssh_agent"]
    inner = f"{MPIRUN} --prtemca plm_ssh_agent {agent} --host {{hosts}} -n {{nodes}} sh -c '{rank}'"
    command = ["sh", "-c", f"{TOLD} exec {inner}", "x={x}"]
    site.experiment(**{"command": command, "resources": {"nodes_per_trial": 2}, **changes})


def said(site, trial):
    """What it was told, its hostfile, and its ranks' lines, the first rank's first."""
    first, *lines = (site.history / "trials" / str(trial) / "stdout.txt").read_text().splitlines()
    return first.split(), lines[:2], sorted(lines[2:], key=lambda line: line.split()[1])


@with_hosts
def test_each_trial_is_an_mpirun_over_two_whole_nodes(site):
    with hosts.Hosts(site.directory / "hosts", 5) as five:
        write(site, five, SAYS, trials=4)
        status, output = ended(site, start(site, five, *five.names, ranks=10))
        assert status == "0\n", output
        wait_for_the_end_on(five, *five.names)
    check(site, 4)
    pairs = {five.names[0]: five.names[:2], five.names[2]: five.names[2:4]}
    used = set()
    for number in range(4):
        (listed, count, address, port, *filled), hostfile, ranks = said(site, number)
        assert pairs[address] == listed.split(",")
        assert (count, filled) == ("2", [listed, "2"])
        assert 0 < int(port) < 65536
        assert [line.split()[0] for line in hostfile] == pairs[address]
        assert all(line.split()[1].startswith("slots=") for line in hostfile)
        assert [line.split()[1:] for line in ranks] == [["0/2", pairs[address][0]], ["1/2", pairs[address][1]]]
        used.add(address)
    assert used == set(pairs)
    assert "1 of 5 nodes left over, as a trial has 2 (nodes_per_trial); 4 or 6 would fit" in output
    for name in five.names[1:]:  # on the first one there are rank 0 and one worker, which leads
        assert output.count(f"{name}: stands by") == 1


@with_hosts
def test_a_group_that_loses_a_node_goes_on_with_a_spare_one(site):
    waits = f"{SAYS}; until [ -e go ]; do sleep 0.05; done"
    with hosts.Hosts(site.directory / "hosts", 3) as three:
        first, lost, spare = three.names
        write(site, three, waits, trials=2)
        process = start(site, three, *three.names, ranks=6)
        site.wait_for("Reported")
        for pid in set(site.ranks().values()) & set(three.processes(lost)):
            os.kill(pid, signal.SIGKILL)
        site.wait_for("Started", 2, trial=0)
        site.write("go", "")
        status, output = ended(site, process)
        wait_for_the_end_on(three, *three.names)
    assert status == "0\n", output
    assert f"{first}: trials have {first}, {spare} now; out: {lost}" in output
    assert "begins anew; trial 0 is run again" in output
    trials = site.load().trials
    assert {str(trial.state) for trial in trials.values()} == {"completed"}
    assert (trials[0].attempts, trials[1].attempts) == (2, 1)
    assert said(site, 1)[2][1].split()[2] == spare


def recipe(name, **changes):
    """The experiment file of this name on the page of recipes, for two processes a node."""
    text = (TESTS.parent / "docs" / "recipes.md").read_text()
    said = yaml.safe_load(text.partition(f"<!-- file: {name}.yaml -->\n```yaml\n")[2].partition("```")[0])
    command = said["command"].replace("--nproc-per-node=4", "--nproc-per-node=2")
    return {**said, "command": command, "name": "quadratic", "optimizer": "random", **changes}


def check_ranks(site, trial, names):
    """It was two agents of torchrun, on two of these nodes, with two processes each, which had found each other."""
    lines = (site.history / "trials" / str(trial) / "stdout.txt").read_text().splitlines()
    ranks = sorted(line.split()[1:] for line in lines if line.startswith("rank"))
    (first, second) = [name for name in names if any(name in rank for rank in ranks)]
    where = [[first, first], [first, first], [first, second], [first, second]]
    about = [[str(rank), "4", str(rank % 2), str(rank // 2), *where[rank]] for rank in range(4)]
    assert ranks == about
    assert any(line.startswith("loss=") for line in lines)


@with_hosts
@pytest.mark.parametrize("which", TORCHRUN)
def test_the_recipe_for_torchrun_starts_it_once_on_each_node(site, which):
    said = recipe("torchrun", trials=2)
    site.write("train.py", RANKS if which == "stand-in" else TOGETHER + RANKS)
    with hosts.Hosts(site.directory / "hosts", 4) as four:
        agent = four.environment["PRTE_MCA_plm_ssh_agent"]
        command = said["command"].replace("mpirun", f"{MPIRUN} --prtemca plm_ssh_agent {agent}", 1)
        site.write("exp.yaml", yaml.safe_dump({**said, "command": command}))
        path = os.pathsep.join([TORCHRUN[which], os.environ["PATH"]])
        status, output = ended(site, start(site, four, *four.names, ranks=5, PATH=path))
        wait_for_the_end_on(four, *four.names)
    assert status == "0\n", output
    for number in range(2):
        check_ranks(site, number, four.names)


@pytest.fixture
def with_gpus(site):
    """Three hosts, the GPUs of each, and the variables with which it finds them."""
    with hosts.Hosts(site.directory / "hosts", 3) as three:
        gpus = {}
        for name in three.names:
            (site.directory / name).mkdir()
            gpus[name] = Node(site.directory / name, 2)
        found = gpus[three.names[0]].environment
        yield three, gpus, {**found, "FAKE_NVML": str(site.directory / "{host}" / "gpus.json")}


@with_hosts
def test_the_gpus_of_all_nodes_are_looked_at_and_an_ill_one_has_its_trial_run_elsewhere(site, with_gpus):
    three, gpus, environment = with_gpus
    first, ill, spare = three.names
    for name, busy in ((first, 20), (ill, 99), (spare, 60)):
        for gpu in range(2):
            gpus[name].change(gpu, busy=busy, watts=100, used=(busy // 20) * GIB)
    steps = "until [ -e go ]; do sleep 0.1; done; sleep 2.2; echo loss=1"
    site.experiment(command=["sh", "-c", steps, "{x}"], trials=2, resources={"nodes_per_trial": 2})
    process = start(site, three, *three.names, ranks=4, **environment)
    site.wait_for("Started")
    gpus[ill].change(1, ecc=3)
    site.write("go", "")
    status, output = ended(site, process)
    wait_for_the_end_on(three, *three.names)
    assert status == "0\n", output
    uuid = gpus[ill].uuids[1]
    assert f"{ill}: {uuid} is in quarantine: {uuid}: 3 uncorrected ECC errors; worker 1 stands by" in output
    assert f"{first}: trials have {first}, {spare} now; out: {ill}" in output
    assert f"worker 3 on {first} begins anew; trial 1 is run again" in output
    trials = site.load().trials
    assert [(str(each.state), each.losses) for each in trials.values()] == [("completed", 0)] * 2
    assert [each.attempts for each in trials.values()] == [1, 2]
    usage = trials[1].usage
    assert usage["gpu_utilisation"] == 0.4
    assert (usage["gpu_memory"], usage["gpu_memory_total"]) == (6 * GIB, 80 * GIB)
    assert usage["gpu_joules"] > 1.5 * 4 * 100


@with_hosts
def test_a_trial_that_blames_a_gpu_of_any_of_its_nodes_is_run_again_with_a_spare_one(site, with_gpus):
    three, gpus, environment = with_gpus
    first, ill, spare = three.names
    fails = f"case $METAOPT_HOSTS in *{ill}*) echo CUDA error: unspecified launch failure >&2; exit 1;; esac"
    site.experiment(command=["sh", "-c", f"{fails}; echo loss=1", "{x}"], trials=2, resources={"nodes_per_trial": 2})
    status, output = ended(site, start(site, three, *three.names, ranks=4, **environment))
    wait_for_the_end_on(three, *three.names)
    assert status == "0\n", output
    assert f"{first}: trials have {first}, {spare} now" in output
    held = [record["body"]["gpus"] for record in site.records() if record["kind"] == "Joined"]
    assert held == [gpus[first].uuids + gpus[ill].uuids, gpus[first].uuids + gpus[spare].uuids]
    trials = site.load().trials
    assert [(str(each.state), each.losses) for each in trials.values()] == [("completed", 1), ("completed", 0)]


@with_hosts
def test_a_gpu_of_another_node_that_somebody_has_is_waited_for(site, with_gpus):
    three, gpus, environment = with_gpus
    holder = site.start(command=["sleep", "60"])
    gpus[three.names[1]].change(0, processes={str(holder.pid): 30 * GIB})
    site.experiment(command=["sh", "-c", "echo loss=1", "{x}"], trials=1, resources={"nodes_per_trial": 2})
    process = start(site, three, *three.names[:2], ranks=3, **environment)
    site.wait_for("Assign")
    holder.kill()
    holder.wait()
    status, output = ended(site, process)
    wait_for_the_end_on(three, *three.names)
    assert status == "0\n", output
    assert site.load().trials[0].attempts == 1


def test_more_nodes_to_a_trial_than_there_are_is_refused(site):
    site.experiment(resources={"nodes_per_trial": 2})
    status, output = site.mpirun(3)
    assert status == 2
    assert f"a trial needs 2 nodes (nodes_per_trial), and this run has workers on 1: {socket.gethostname()}" in output
    assert not site.history.exists()
    status, output = site.run("run", "exp.yaml")
    assert status == 2
    assert "a trial needs 2 nodes (nodes_per_trial), and this is one machine" in output
