"""Trials on several nodes: which nodes go together, who leads, what becomes of a group that loses a node."""

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_quarantine import FAULT
from test_scheduler import Talk

from metaopt import hosts
from metaopt.attempt import Attempt
from metaopt.devices.allot import summed_up, whole
from metaopt.devices.base import Device, Gpu, Node, Offer
from metaopt.devices.cpu import usable_cores
from metaopt.devices.gpu import give_all
from metaopt.errors import DeviceError, LaunchError
from metaopt.groups import DIFFER, Roster
from metaopt.messages import (
    Assign,
    Finished,
    Interrupted,
    Joined,
    Lost,
    Opened,
    Quarantine,
    Release,
    Reported,
    Started,
    StoodDown,
    Stop,
    Suggested,
)
from metaopt.process import Guard
from metaopt.resources import Resources
from metaopt.station import HIDDEN, Station, Unfit
from metaopt.transports.grouped import GroupedHub, grouped
from metaopt.trial import State
from metaopt.welcome import Welcome
from metaopt.wire import decode, encode

USAGE = {"gpu_utilisation": 0.5, "gpu_memory": 8, "gpu_memory_total": 80, "gpu_joules": 3.0}
WELCOME = Welcome(("true",), "/", "/trials", {}, None, 1.0, None, 1)


def node(number, workers=2, **about):
    """Node 0 has the workers 1 and 2, node 1 has 3 and 4, ..."""
    first = 1 + number * workers
    return Node(f"node{number}", tuple(range(first, first + workers)), cores=8, **about)


def roster(count, size=2, **about):
    return Roster([node(n, **about) for n in range(count)], Resources(nodes=size), allow_cpu=False)


class Workers:
    """A hub whose workers obey at once, and say whether they lead; some of them are lost, and may come back.

    Who looks after a node has GPUs that are in order and were half busy, unless ``ill`` has the reason; those in
    ``slow`` have yet to look.
    """

    def __init__(self, nodes):
        self.home = {worker: each.host for each in nodes for worker in each.workers}
        self.gpus = {each.host: tuple(gpu.uuid for gpu in each.gpus) for each in nodes}
        self.lost, self.roles, self.said = set(), {}, []
        self.ill, self.slow, self.sent = {}, set(), []

    def now(self):
        return 0.0

    def send(self, command):
        worker = command.worker
        if worker in self.lost or isinstance(command, Release):
            return
        self.sent.append(command)
        about, helps = (worker, command.trial, command.attempt), bool(self.roles[worker].spare)
        if worker in self.ill:
            self.said.append(StoodDown(worker, self.home[worker], self.ill[worker], ("GPU-a",)))
        elif isinstance(command, Assign) and worker not in self.slow:
            self.said.append(Started(*about, 0 if helps else 4711))
        elif isinstance(command, Stop) and helps:
            self.said.append(Finished(*about, command.reason, usage=USAGE))

    def close(self):
        pass

    def greet(self, welcome, roles):
        for worker in self.home:
            self.appoint(worker, roles[worker])

    def appoint(self, worker, role):
        self.roles[worker] = decode(encode(role))
        if worker not in self.lost:
            self.answer(worker)

    @property
    def leaders(self):
        return [worker for worker, role in self.roles.items() if not role.spare and worker not in self.lost]

    def answer(self, worker):
        role, host = self.roles[worker], self.home[worker]
        stands = StoodDown(worker, host, role.spare, spare=True)
        joins = Joined(worker, host, "all", gpus=self.gpus[host], doubt=role.note)
        self.said.append(stands if role.spare else joins)

    def receive(self, until):
        said, self.said = self.said, []
        return said

    def lose(self, host):
        gone = [worker for worker, home in self.home.items() if home == host]
        self.lost.update(gone)
        self.said = [event for event in self.said if event.worker not in gone] + [Lost(w, "silent") for w in gone]

    def give_back(self, host):
        for worker in [worker for worker in self.lost if self.home[worker] == host]:
            self.lost.discard(worker)
            self.answer(worker)


class Run:
    """A run of ``count`` nodes, two workers on each, and two nodes to a trial; trial 0 is begun by worker 1."""

    def __init__(self, count, size=2, slow=()):
        self.nodes = [node(n, gpus=(Gpu(f"GPU-{n}a"), Gpu(f"GPU-{n}b")), numbers="0,1") for n in range(count)]
        self.workers = Workers(self.nodes)
        self.hub = GroupedHub(self.workers, self.nodes, Resources(nodes=size), allow_cpu=False)
        self.hub.greet(WELCOME)
        self.talk = Talk(trials=9, workers=2 * count)
        self.say(Opened("1", 1, {"nodes_per_trial": size}))
        self.settle()
        self.workers.slow.update(slow)
        self.say(Suggested(({"x": 0},)))
        self.settle()

    def say(self, *events):
        for command in self.talk.say(*events):
            if isinstance(command, Assign | Stop | Quarantine | Release):
                self.hub.send(command)

    def settle(self):
        going = True
        while going:
            before, heard = self.workers.said, self.hub.receive(0)
            self.say(*heard)
            going = bool(before or heard)

    def end(self, trial, error=""):
        """It ends where it runs: it has completed, or blames a GPU."""
        attempt, worker = self.talk.study.trials[trial].attempts, self.talk.study.trials[trial].worker
        reported = [] if error else [Reported(worker, trial, attempt, ((1, {"loss": 1.0}),))]
        finished = Finished(worker, trial, attempt, "killed" if error else "completed", error)
        self.workers.said += [*reported, finished]
        self.settle()

    @property
    def groups(self):
        """The nodes of each worker that the scheduler has."""
        return {worker: list(self.workers.roles[worker].hosts) for worker in self.talk.study.workers}

    @property
    def begun(self):
        """The trials that leaders have been told to begin, and their attempts."""
        told = [each for each in self.workers.sent if isinstance(each, Assign) and each.worker in self.workers.leaders]
        return [(each.worker, each.trial, each.attempt) for each in told]

    @property
    def told(self):
        return "\n".join([*self.talk.scheduler.news, *self.talk.scheduler.warnings])


def test_groups_are_whole_nodes_in_order_and_the_first_worker_of_each_leads():
    run = Run(5)
    assert run.groups == {1: ["node0", "node1"], 5: ["node2", "node3"]}
    assert run.workers.roles[1].hosts == {"node0": 2, "node1": 2}
    assert [worker for worker, role in run.workers.roles.items() if role.hosts] == [1, 3, 5, 7]
    assert run.told.count("node1: stands by: worker 1 on node0 runs its trials") == 1
    assert "node4: stands by: 1 of 5 nodes left over, as a trial has 2 (nodes_per_trial); 4 or 6 would fit" in run.told
    assert not run.talk.scheduler.warnings


def test_a_hub_stays_as_it_is_where_a_trial_has_one_node():
    assert grouped("hub", [], Resources(), allow_cpu=False) == "hub"


@pytest.mark.parametrize(
    ("nodes", "size", "why"),
    [
        ([node(0), node(1)], 3, "a trial needs 3 nodes .nodes_per_trial., and this run .* 2: node0, node1"),
        ([node(0), node(0)], 2, "2 nodes of this run are called node0"),
        (
            [node(0), node(1, trouble="no driver", hint="mend it")],
            2,
            "2 nodes .*, and 1 of 2 can be used; node1: no",
        ),
    ],
)
def test_a_run_with_too_few_nodes_is_refused(nodes, size, why):
    with pytest.raises((LaunchError, DeviceError), match=why) as caught:
        Roster(nodes, Resources(nodes=size), allow_cpu=False)
    assert caught.value.hint


def test_nodes_whose_gpus_cannot_be_used_are_left_out_unless_cpus_will_do():
    nodes = [node(0), node(1, trouble="no driver", hint="mend it"), node(2)]
    left = Roster(nodes, Resources(nodes=2), allow_cpu=False)
    assert [[each.host for each in group] for group in left.leaders.values()] == [["node0", "node2"]]
    assert left.roles(WELCOME)[3].spare == "no driver"
    for resources, allow_cpu in ((Resources(nodes=2), True), (Resources(gpus=0, nodes=2), False)):
        assert list(Roster(nodes, resources, allow_cpu=allow_cpu).leaders) == [1]


def test_a_node_that_is_lost_costs_its_group_a_trial_and_a_spare_one_takes_its_place():
    run = Run(3)
    run.workers.lose("node1")
    run.settle()
    assert run.groups == {1: ["node0", "node2"]}
    trial = run.talk.study.trials[0]
    assert (trial.state, trial.attempts, trial.losses) == (State.RUNNING, 2, 1)
    assert "worker 1 on node0 begins anew; trial 0 is run again" in run.told
    assert "node0: trials have node0, node2 now; out: node1" in run.told


def test_what_is_left_of_a_group_stands_by_and_leads_again_when_the_node_is_back():
    run = Run(4)
    run.workers.lose("node1")
    run.settle()
    assert run.groups == {5: ["node2", "node3"]}
    assert "node0: stands by: 1 of 3 nodes left over" in run.told
    assert "out: node1; trial 0 is run again" in run.told
    assert run.talk.study.workers[5].trial == 0
    run.workers.give_back("node1")
    run.settle()
    assert run.groups == {1: ["node0", "node1"], 5: ["node2", "node3"]}


def test_another_worker_of_its_node_leads_when_the_leader_is_lost():
    run = Run(2)
    run.workers.lost.add(1)
    run.workers.said.append(Lost(1, "its process died"))
    run.settle()
    assert run.groups == {2: ["node0", "node1"]}
    assert run.talk.study.workers[2].trial == 0
    assert not run.talk.scheduler.draining


def test_a_leader_with_an_ill_gpu_takes_its_node_out():
    run = Run(3)
    run.workers.said.append(StoodDown(1, "node0", "Xid 79", ("GPU-a",)))
    run.settle()
    assert run.groups == {3: ["node1", "node2"]}
    assert run.talk.study.workers[3].trial == 0
    assert not run.talk.scheduler.draining


def test_a_trial_has_failed_when_all_its_nodes_are_there():
    run = Run(2)
    run.workers.said.append(Finished(1, 0, 1, "failed", "exit status 1"))
    assert run.hub.receive(0) == []
    run.settle()
    assert run.talk.state(0) is State.FAILED
    assert run.begun[0] == (1, 0, 1)


def test_a_trial_begins_when_all_its_nodes_are_in_order():
    run = Run(2, slow=[3])
    assert run.begun == []
    run.workers.said.append(Started(3, 0, 1, 0))
    run.settle()
    assert run.begun == [(1, 0, 1)]
    assert run.talk.study.trials[0].pid == 4711


def test_a_trial_that_another_node_is_ill_for_is_run_elsewhere_and_has_lost_nothing():
    run = Run(3, slow=[3])
    run.workers.said.append(StoodDown(3, "node1", "Xid 79", ("GPU-a",)))
    run.settle()
    assert run.groups == {1: ["node0", "node2"]}
    trial = run.talk.study.trials[0]
    assert (trial.state, trial.attempts, trial.losses) == (State.RUNNING, 2, 0)
    assert run.begun == [(1, 0, 2)]
    assert "node1: GPU-a is in quarantine: Xid 79; worker 3 stands by" in run.told
    assert "trials have node0, node2 now; out: node1" in run.told


def test_a_trial_that_failed_where_another_nodes_gpu_is_ill_is_run_elsewhere():
    run = Run(3)
    run.workers.ill[3] = "1 uncorrected ECC errors"
    run.workers.said.append(Finished(1, 0, 1, "failed", "exit status 1"))
    run.settle()
    trial = run.talk.study.trials[0]
    assert (trial.state, trial.attempts, trial.losses) == (State.RUNNING, 2, 1)
    assert run.groups == {1: ["node0", "node2"]}


def test_the_gpus_of_a_leader_are_those_of_all_its_nodes():
    assert Run(2).talk.study.workers[1].gpus == ("GPU-0a", "GPU-0b", "GPU-1a", "GPU-1b")


def test_a_trial_that_blames_a_gpu_is_run_again_with_a_spare_node():
    run = Run(3)
    run.end(0, FAULT)
    assert run.groups == {1: ["node0", "node2"]}
    assert "node0: trials have node0, node2 now" in run.told
    assert run.talk.study.workers[1].trial == 0
    run.end(0)
    run.say(Suggested(({"x": 1},)))
    run.end(1, FAULT)
    assert run.groups == {3: ["node1", "node2"]}  # node0 has been blamed twice, and node1 only once
    assert not run.talk.study.crews[0].quarantined


def test_what_is_given_to_a_leader_that_leads_no_more_is_not_said():
    run = Run(3)
    run.end(0, FAULT)
    run.workers.said.append(Finished(1, 0, run.talk.study.trials[0].attempts, "killed", FAULT))
    assert [type(event) for event in (*run.hub.receive(0), *run.hub.receive(0))] == [Finished]
    assert {type(event): event.worker for event in run.hub.receive(0)} == {Joined: 3, StoodDown: 1}
    run.workers.sent.clear()
    run.hub.send(Assign(1, 0, 9, {"x": 0}))
    assert run.workers.sent == []


def test_a_node_that_is_there_whenever_a_gpu_is_blamed_is_put_out_and_the_others_go_on():
    run = Run(5)
    run.end(0, FAULT)
    assert run.groups == {1: ["node0", "node4"], 5: ["node2", "node3"]}
    assert run.talk.study.trials[0].worker == 5
    run.end(0)
    run.say(Suggested(({"x": 1}, {"x": 2})))
    trial = run.talk.study.workers[1].trial
    run.end(trial, FAULT)
    assert run.groups == {3: ["node1", "node4"], 5: ["node2", "node3"]}
    run.end(3 - trial)
    run.end(trial)
    run.workers.lose("node1")
    run.settle()
    assert run.groups == {5: ["node2", "node3"]}
    assert list(run.talk.study.crews[0].quarantined) == ["GPU-0a", "GPU-0b"]
    assert f"node0: GPU-0a, GPU-0b is in quarantine: trials 0, {trial} failed here" in run.told
    assert "worker 1 stands by" in run.told


def test_where_no_node_is_spare_all_that_are_blamed_twice_are_put_out():
    run = Run(4)
    run.end(0, FAULT)
    run.end(0)
    assert run.groups == {1: ["node0", "node1"], 5: ["node2", "node3"]}
    run.say(Suggested(({"x": 1}, {"x": 2})))
    trial = run.talk.study.workers[1].trial
    run.end(trial, FAULT)
    run.end(3 - trial)
    run.end(trial)
    assert run.groups == {5: ["node2", "node3"]}
    assert list(run.talk.study.crews[0].quarantined) == ["GPU-0a", "GPU-0b", "GPU-1a", "GPU-1b"]
    assert not run.talk.scheduler.draining


def test_what_all_nodes_did_is_summed_up():
    run = Run(3, size=3)
    leaders = {"gpu_utilisation": 0.2, "gpu_memory": 4, "gpu_memory_total": 40, "gpu_joules": 1.5}
    run.workers.said += [Reported(1, 0, 1, ((1, {"loss": 1.0}),)), Finished(1, 0, 1, "completed", usage=leaders)]
    run.settle()
    assert run.talk.state(0) is State.COMPLETED
    assert run.talk.study.trials[0].usage == {**USAGE, "gpu_utilisation": 0.4, "gpu_joules": 7.5}


def test_a_result_counts_whatever_becomes_of_the_other_nodes():
    run = Run(3)
    run.workers.lost.update([3, 4])
    run.workers.said += [Reported(1, 0, 1, ((1, {"loss": 1.0}),)), Finished(1, 0, 1, "completed")]
    run.settle()
    assert run.talk.state(0) is State.RUNNING
    run.workers.lose("node1")
    run.settle()
    assert run.talk.state(0) is State.COMPLETED


def test_another_worker_of_its_node_looks_after_it_when_one_is_lost():
    run = Run(2, slow=[3])
    run.workers.lost.add(3)
    run.workers.said.append(Lost(3, "its process died"))
    run.settle()
    assert run.begun == [(1, 0, 1)]
    assert [each.worker for each in run.workers.sent] == [3, 4, 1]
    run.workers.lost.discard(3)
    run.workers.answer(3)  # it is back: nobody waits for 4, who has dropped all
    run.workers.said += [Reported(1, 0, 1, ((1, {"loss": 1.0}),)), Finished(1, 0, 1, "completed")]
    run.settle()
    assert run.talk.state(0) is State.COMPLETED


def test_a_trial_that_is_interrupted_before_it_could_begin_has_not_begun():
    run = Run(2, slow=[3])
    run.say(Interrupted("enough"))
    assert [type(each) for each in run.workers.sent] == [Assign, Stop]
    run.say(*run.hub.receive(0))
    assert run.talk.state(0) is State.WAITING
    assert run.talk.scheduler.finished


@pytest.mark.parametrize("first", ["the failure", "the loss"])
def test_a_trial_that_fails_as_one_of_its_nodes_dies_is_run_again(first):
    run = Run(3)
    run.workers.lost.update([3, 4])  # silent, which nobody knows yet
    if first == "the failure":
        run.workers.said.append(Finished(1, 0, 1, "failed", "mpirun lost a daemon"))
        run.settle()
        assert run.talk.state(0) is State.RUNNING
    run.workers.lose("node1")
    if first == "the loss":
        run.workers.said.append(Finished(1, 0, 1, "failed", "mpirun lost a daemon"))
    run.settle()
    trial = run.talk.study.trials[0]
    assert (trial.state, trial.attempts) == (State.RUNNING, 2)
    assert run.groups == {1: ["node0", "node2"]}


def test_the_run_ends_when_too_few_nodes_are_left():
    run = Run(2)
    run.workers.lose("node1")
    run.settle()
    assert run.talk.scheduler.draining == "no worker is left"
    assert run.talk.scheduler.interrupted


HAPPENS = st.tuples(st.sampled_from(["lost", "back", "ill", "blamed"]), st.integers(0, 8), st.booleans())


@given(st.integers(2, 4), st.lists(HAPPENS, max_size=25))
def test_there_are_always_as_many_groups_as_the_nodes_that_are_there_are_enough_for(size, happens):
    """Nodes are lost and come back, GPUs are found to be ill or blamed, also while others have yet to answer."""
    run, there, away = Run(9, size), set(range(9)), set()
    trial = run.talk.study.trials[0]
    for what, number, settled in happens:
        there_for = [w for w, role in run.workers.roles.items() if role.hosts and (role.spare or w in run.groups)]
        busy = next(
            (w for w in there_for if run.workers.home[w] == f"node{number}" and w not in run.workers.lost), None
        )
        if what == "lost" and len(there) > size and number in there:
            run.workers.lose(f"node{number}")
            there.discard(number)
            away.add(number)
        elif what == "ill" and len(there) > size and number in there and busy is not None:
            run.workers.said.append(StoodDown(busy, f"node{number}", "Xid 79", ("GPU-a",)))
            there.discard(number)
        elif what == "blamed" and (begun := (trial.worker, 0, trial.attempts)) in run.begun:
            run.workers.said += [] if trial.worker in run.workers.lost else [Finished(*begun, "killed", FAULT)]
        elif what == "back" and number in away:
            run.workers.give_back(f"node{number}")
            away.discard(number)
            there.add(number)
        if settled:
            run.settle()
    run.settle()
    used = [host for group in run.groups.values() for host in group]
    assert len(used) == len(set(used)) == len(there) // size * size
    assert set(used) <= {f"node{number}" for number in there}
    assert not run.talk.scheduler.draining


def offer(*numbers, **about):
    return Offer(tuple(Gpu(f"GPU-{n}", 40, number=n, **about) for n in numbers))


def test_a_node_is_summed_up_by_what_all_its_workers_may_use():
    three = offer(0, 1, 2).gpus
    assert summed_up("n", {4: offer(0, 1), 9: offer(1, 2)}, 8) == Node("n", (4, 9), 8, three, "0,1,2")
    assert summed_up("n", {4: Offer()}, 8) == Node("n", (4,), 8)
    assert summed_up("n", {4: Offer((), "no driver", "hint")}, 8) == Node("n", (4,), 8, (), "", "no driver", "hint")
    assert summed_up("n", {4: offer(0, whole="GPU-w")}, 8).numbers is None


def test_a_leader_has_all_gpus_of_its_node():
    assert len(whole([offer(0, 1), offer(1, 2)], None, allow_cpu=False).gpus) == 3
    assert whole([offer(0, 1)], 0, allow_cpu=False) == ((), "")
    assert "--allow-cpu" in whole([Offer((), "no driver")], None, allow_cpu=True).doubt
    with pytest.raises(DeviceError, match="compute mode Prohibited"):
        whole([offer(0, 1, mode="prohibited")], None, allow_cpu=False)


@pytest.mark.parametrize(
    ("numbers", "told", "note"),
    [(("0,1", "0,1"), "0,1", ""), (("0,1", "0,2"), None, DIFFER), ((None, None), None, DIFFER), (("", ""), "", "")],
)
def test_gpus_are_named_by_numbers_that_hold_on_all_nodes_of_a_group(numbers, told, note):
    nodes = [node(n, gpus=(Gpu("a"), Gpu("b")) if each != "" else (), numbers=each) for n, each in enumerate(numbers)]
    role = Roster(nodes, Resources(nodes=2), allow_cpu=False).roles(WELCOME)[1]
    assert (role.gpu_numbers, role.note) == (told, note)
    assert set(role.hosts.values()) == {2 if numbers[0] != "" else 8}
    environment = give_all([Gpu("GPU-0"), Gpu("GPU-1")], range(8), 2, told).environment
    assert environment == ({"CUDA_VISIBLE_DEVICES": told, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if told else {})


def test_a_leader_owns_its_node_and_leaves_threads_to_the_trial():
    place = Station([offer(0, maker="amd"), offer(1, maker="amd")], 1)
    place.settle(replace(WELCOME, hosts={"a": 2, "b": 2}, gpu_numbers="0,1", note="said"))
    assert place.gpus == ("GPU-0", "GPU-1")
    assert list(place.device.cores) == usable_cores()
    assert place.device.environment["ROCR_VISIBLE_DEVICES"] == "0,1"
    assert (place.device.defaults, place.doubt) == ({}, "said")
    place.settle(replace(WELCOME, hosts={"a": 2, "b": 2}, gpus=0))
    assert (place.gpus, place.device.environment) == ((), HIDDEN)


def test_the_gpus_of_a_node_that_is_looked_after_are_claimed_until_it_stands_by(tmp_path):
    mine = [offer(f"{tmp_path}-0", f"{tmp_path}-1", maker="amd")]
    ours, others = Station(mine, 0), Station(mine, 0)
    for place in (ours, others):
        place.settle(replace(WELCOME, spare="worker 1 on a runs its trials", hosts={"a": 2, "b": 2}))
    ours.check(first=True)
    with pytest.raises(Unfit, match="another metaopt run on this node has GPU-"):
        others.check(first=True)
    ours.rest()
    others.check(first=False)


def test_what_a_trial_on_several_nodes_has_failed_with_is_not_believed_when_it_is_found_later(tmp_path):
    """Whoever finds it does not know whether a node has died, which may be why."""
    guard = Guard()
    two = replace(WELCOME, command=("false",), trials=str(tmp_path), hosts={"a": 1, "b": 1})
    attempt = Attempt(1, Assign(1, 0, 1, {}), two, guard, Device("", (), {}))
    while not attempt.over:
        attempt.wait(1)
        attempt.listen()
    assert attempt.conclude().outcome == "failed"
    assert json.loads((tmp_path / "0" / "outcome.json").read_text())["outcome"] == "killed"
    assert (tmp_path / "0" / "hostfile").read_text() == "a slots=1\nb slots=1\n"
    guard.close()


def test_the_hosts_are_told_in_all_the_ways_that_launchers_take(tmp_path, monkeypatch):
    known = {"node1": 4, "node2": 8}
    hosts.write_hostfile(tmp_path, known)
    told = hosts.values(known, str(tmp_path))
    assert told == {"hosts": "node1,node2", "hostfile": f"{tmp_path}/hostfile", "nodes": 2}
    assert Path(told["hostfile"]).read_text() == "node1 slots=4\nnode2 slots=8\n"
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    ours = {"METAOPT_HOSTS": "node1,node2", "METAOPT_NODES": "2"}
    assert hosts.variables(known) == ours
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    slurm = {"SLURM_NODELIST": "node1,node2", "SLURM_NNODES": "2", "SLURM_TASKS_PER_NODE": "4,8"}
    assert (ours | slurm).items() <= hosts.variables(known).items()
    meet = hosts.defaults(known)
    assert meet["MASTER_ADDR"] == "node1"
    with socket.socket() as one:
        one.bind(("", int(meet["MASTER_PORT"])))
    assert hosts.made_up(1, "/") == {}
    assert hosts.made_up(2, "/d")["hosts"] == "HOST1,HOST2"
