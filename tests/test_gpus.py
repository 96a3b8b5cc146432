"""GPUs: which there are, whose they are, whether they are in order; over a stand-in for NVML, and real ones."""

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodes import FAKE, GIB
from nodes import Node as Machine

from metaopt.devices import amd
from metaopt.devices import gpu as gpus
from metaopt.devices.allot import allot, check, check_nodes, fits, share_out
from metaopt.devices.base import Device, Gpu, Node, Offer
from metaopt.devices.claim import Claims
from metaopt.devices.cpu import share_near
from metaopt.devices.gpu import give, offer, usable_gpus
from metaopt.devices.monitor import Meter, Monitor, within
from metaopt.devices.nvml import Nvml, Reading, opened
from metaopt.devices.visible import visible
from metaopt.errors import DeviceError
from metaopt.station import Station, Unfit, kill_leftovers
from metaopt.welcome import Welcome

NODE = [[Gpu(uuid)] for uuid in ("GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333", "GPU-cccc4444")]
DIVIDED = [[Gpu("MIG-1", whole="GPU-aa"), Gpu("MIG-2", whole="GPU-aa")], [Gpu("GPU-bb")]]
CPU = Device("cpu 3", (3,), {"OMP_NUM_THREADS": "1"})


def uuids(found):
    return [gpu.uuid for gpu in found]


@pytest.fixture
def node(monkeypatch, tmp_path):
    """A machine with a driver and four GPUs."""
    made = Machine(tmp_path)
    monkeypatch.setenv("FAKE_NVML", str(made.path))
    monkeypatch.syspath_prepend(str(FAKE))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.setattr(gpus, "DRIVERS", (tmp_path,))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield made
    sys.modules.pop("pynvml", None)


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        (None, [0, 1, 2, 3]),
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 3 ", [1, 3]),
        ("1,-1,2", [1]),
        ("GPU-bbbb3333,0", [2, 0]),
        ("GPU-bb", [2]),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(said, chosen):
    assert visible(NODE, said) == [NODE[index][0] for index in chosen]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "'' hides all 4 GPUs"),
        ("-1", "'-1' hides all 4 GPUs"),
        ("NoDevFiles", "'NoDevFiles' hides all 4 GPUs"),
        ("0,9,1", "there is no GPU 9; this node shows 4"),
        ("GPU-aaaa", "several GPUs of this node begin with GPU-aaaa"),
        ("nonsense", "no GPU of this node begins with nonsense"),
        ("1,GPU-aaaa2222", "names GPU-aaaa2222 twice"),
    ],
)
def test_what_cuda_would_pass_over_in_silence_is_said(said, why):
    with pytest.raises(DeviceError, match=why) as caught:
        visible(NODE, said)
    assert caught.value.hint


def test_on_a_node_without_gpus_the_variable_hides_nothing():
    assert visible([], "") == []


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        (None, "MIG-1 MIG-2 GPU-bb"),
        ("0", "MIG-1 MIG-2"),
        ("MIG-2", "MIG-2"),
        ("GPU-aa", "MIG-1 MIG-2"),
        ("1", "GPU-bb"),
    ],
)
def test_a_gpu_that_is_divided_is_all_its_instances(said, chosen):
    assert uuids(visible(DIVIDED, said)) == chosen.split()


def offers(*each):
    return [Offer(tuple(NODE[n][0] for n in numbers)) for numbers in each]


@pytest.mark.parametrize(
    ("seen", "per_trial", "given"),
    [
        ([range(4)] * 4, 1, ["0", "1", "2", "3"]),
        ([range(4)] * 2, 2, ["01", "23"]),
        ([range(4)] * 3, 2, ["01", "23", ""]),
        ([range(2)] * 4, 0.5, ["0", "1", "0", "1"]),
        ([range(1)] * 4, 0.3, ["0", "0", "0", ""]),
        ([[1], [0], [3], [2]], 1, ["1", "0", "3", "2"]),  # srun --gpus-per-task=1
        ([[0, 1], [0]], 1, ["1", "0"]),
    ],
)
def test_workers_share_a_nodes_gpus_out_by_their_place(seen, per_trial, given):
    numbers = {gpu.uuid: str(n) for n, (gpu,) in enumerate(NODE)}
    assert ["".join(numbers[gpu.uuid] for gpu in each) for each in share_out(offers(*seen), per_trial)] == given


@given(st.integers(1, 8), st.integers(1, 20), st.sampled_from([0.1, 0.25, 0.3, 0.5, 1, 2, 3]))
def test_no_gpu_is_shared_unasked_and_none_is_left_over(count, workers, per_trial):
    offered = [Offer(tuple(Gpu(f"GPU-{n}") for n in range(count)))] * workers
    taken = [gpu.uuid for gpus in share_out(offered, per_trial) for gpu in gpus]
    room = fits(count, per_trial)
    assert max(map(taken.count, taken), default=0) <= max(1, int(1 / per_trial))
    assert sum(bool(gpus) for gpus in share_out(offered, per_trial)) == min(workers, room)


def test_too_many_and_too_few_workers_are_told_how_many_would_fit():
    four = offers(*[range(4)] * 6)
    assert allot(four, 0, None, allow_cpu=False) == ((NODE[0][0],), "")
    with pytest.raises(DeviceError, match="6 workers and 4 GPUs: 4 would fit") as caught:
        allot(four, 4, None, allow_cpu=True)
    assert caught.value.hint.startswith("Start 4 workers on this node, and rank 0 besides")
    assert caught.value.hint.endswith("gpus_per_trial: 0.5")
    with pytest.raises(DeviceError, match="3 workers and 4 GPUs: 2 would fit") as caught:
        allot(four[:3], 2, 2, allow_cpu=False)
    assert caught.value.hint.endswith("gpus_per_trial: 1")
    assert allot(four[:1], 0, 1, allow_cpu=False).doubt == "1 worker and 4 GPUs: 4 would fit, and rank 0 besides"
    assert allot(four[:2], 1, 1, allow_cpu=False).doubt == ""


@pytest.mark.parametrize(
    ("offered", "wanted", "why"),
    [
        (Offer(), 1, "a trial needs 1 GPU .gpus_per_trial., and there is none"),
        (Offer((Gpu("a"), Gpu("b"))), 3, "a trial needs 3 GPUs .gpus_per_trial., and there are 2"),
        (Offer((Gpu("a", mode="exclusive"),)), 0.3, "compute mode Exclusive_Process"),
        (Offer((Gpu("a", mode="prohibited"),)), 1, "compute mode Prohibited"),
        (Offer((Gpu("M1", whole="a"), Gpu("M2", whole="a"))), 2, "one MIG instance at a time"),
        (Offer((), "the NVIDIA driver is not loaded", "hint"), None, "driver is not loaded"),
    ],
)
def test_what_cannot_be_had_is_refused(offered, wanted, why):
    with pytest.raises(DeviceError, match=why) as caught:
        allot([offered], 0, wanted, allow_cpu=False)
    assert caught.value.hint


def test_a_run_whose_nodes_have_no_gpu_to_give_is_refused_before_it_begins():
    ill, good = Node("n1", (1,), 8, trouble="no driver", hint="mend it"), Node("n2", (2,), 8, (Gpu("a"),))
    check_nodes([ill, good], 1, allow_cpu=False)
    check_nodes([ill], None, allow_cpu=True)
    with pytest.raises(DeviceError, match=r"^n1: no driver"):
        check_nodes([ill], None, allow_cpu=False)
    with pytest.raises(DeviceError, match=r"none of 2 nodes can be used; n2: a trial needs 2 GPUs .*there is one"):
        check_nodes([good, ill], 2, allow_cpu=False)


@pytest.mark.parametrize(("trouble", "wanted"), [("no driver", None), ("no driver", 1), ("", 1)])
def test_cpus_alone_will_do_when_somebody_says_so(trouble, wanted):
    gpus, doubt = allot([Offer((), trouble)], 0, wanted, allow_cpu=True)
    assert gpus == ()
    assert "--allow-cpu" in doubt
    assert allot([Offer((), trouble)], 0, 0, allow_cpu=False) == ((), "")


def test_a_node_without_gpus_needs_no_permission():
    assert allot([Offer()], 0, None, allow_cpu=False) == ((), "")


def test_exclusive_mode_is_fine_for_whole_gpus():
    check([Gpu("a", mode="exclusive")], 1)


def test_a_script_is_told_of_its_gpus_by_uuid():
    device = give([NODE[0][0], NODE[2][0]], CPU)
    assert device.environment == {
        "CUDA_VISIBLE_DEVICES": "GPU-aaaa1111,GPU-bbbb3333",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    assert (device.cores, device.defaults) == (CPU.cores, CPU.defaults)
    assert device.name == "GPU-aaaa1111 + GPU-bbbb3333, cpu 3"
    assert give([], CPU) is CPU


def test_workers_get_the_cores_that_are_near_their_gpus():
    near, far = Gpu("a", cores=(0, 1, 2, 3)), Gpu("b", cores=(4, 5, 6, 7))
    given = [(near,), (near,), (far,), ()]
    got = [share_near(range(8), given, place, None) for place in range(4)]
    assert [device.cores for device in got] == [(0, 1), (2, 3), (4, 5, 6, 7), (0,)]
    assert got[2].defaults["OMP_NUM_THREADS"] == "4"
    assert share_near(range(8), given, 2, 1).cores == (4,)
    assert share_near(range(2), given, 2, None).cores == (0,)  # the job has none of those near it


def test_the_gpus_of_a_node_are_found(node, monkeypatch):
    assert uuids(usable_gpus()) == node.uuids
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"3,{node.uuids[2]}")
    assert uuids(usable_gpus()) == [node.uuids[3], node.uuids[2]]
    node.change(0, hidden=True)  # by a cgroup: CUDA counts without it
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert uuids(usable_gpus()) == [node.uuids[1]]


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"hidden": True}, "none of the 4 GPUs of this node can be used: they are denied to this job"),
        ({"error": "GPU_IS_LOST"}, "they have fallen off the bus"),
        ({"mig": []}, "MIG without an instance"),
    ],
)
def test_gpus_that_are_there_and_all_out_of_reach_are_told(node, about, why):
    for index in range(4):
        node.change(index, **about)
    assert why in offer().trouble
    assert "--allow-cpu" in offer().hint


def test_what_nvml_says_of_a_gpu_is_known(node):
    node.change(1, mode=3, cores=[2, 3, 70], mig=[{"uuid": "MIG-x", "memory": 5 * GIB}, {"uuid": "MIG-y"}])
    node.change(2, error="GPU_IS_LOST")
    with opened() as nvml:
        first, second, third, _ = nvml.gpus()
    assert first == [Gpu(node.uuids[0], 40 * GIB)]
    assert second[0] == Gpu("MIG-x", 5 * GIB, (2, 3, 70), "exclusive", node.uuids[1])
    assert uuids(second) == ["MIG-x", "MIG-y"]
    assert third == []


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("DRIVER_NOT_LOADED", "driver is not loaded"),
        ("LIBRARY_NOT_FOUND", "no libnvidia-ml.so.1"),
        ("LIB_RM_VERSION_MISMATCH", "NVML version mismatch"),
        ("NO_PERMISSION", "denies permission"),
        ("UNKNOWN", "NVML says: Unknown Error"),
    ],
)
def test_a_driver_that_cannot_be_asked_is_told(node, error, why):
    node.said["init"] = error
    node.write()
    assert why in offer().trouble
    assert offer().hint


def test_a_driver_without_nvidia_ml_py_is_told(node, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "pip install nvidia-ml-py" in offer().hint


def test_without_a_driver_nothing_is_imported(monkeypatch, tmp_path):
    monkeypatch.setattr(gpus, "DRIVERS", (tmp_path / "nvidiactl",))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert usable_gpus() == []


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({}, ""),
        ({"ecc": 2}, "2 uncorrected ECC errors"),
        ({"xids": [31, 79]}, "Xid 79"),
        ({"xids": [13, 31]}, ""),  # a program's own fault
        ({"error": "GPU_IS_LOST"}, "GPU is lost"),
        ({"error": "RESET_REQUIRED"}, "GPU requires restart"),
        ({"error": "NO_PERMISSION"}, ""),
    ],
)
def test_a_gpu_that_is_ill_is_noticed(node, about, why):
    monitor = Monitor(usable_gpus()[:1], 1)
    assert monitor.fault() == ""
    node.change(0, **about)
    assert (why in monitor.fault()) if why else monitor.fault() == ""


def test_a_driver_that_hangs_is_ill():
    assert within(0.05, lambda: time.sleep(1)) is None
    assert within(10, lambda: "answer") == "answer"


def test_memory_that_somebody_holds_is_noticed_until_it_is_free(node):
    node.change(0, used=3 * GIB)  # from the beginning on: a desktop's
    monitor = Monitor(usable_gpus()[:1], 1)
    assert monitor.held() is None
    with subprocess.Popen(["sleep", "60"]) as process:
        node.change(0, processes={str(process.pid): 20 * GIB})
        held = monitor.held()
        process.kill()
    assert held.pids == (process.pid,)
    assert "23.0 of 40.0 GiB" in held.what
    assert monitor.held() is None


def test_an_old_driver_does_not_tell_whose_memory_is_in_use(node):
    node.change(0, old=True)
    with opened() as nvml:
        assert nvml.memory(usable_gpus()[0]) == (0, {})


def test_a_part_of_a_gpu_is_free_when_the_others_keep_to_theirs(node):
    monitor = Monitor(usable_gpus()[:1], 0.5)
    node.change(0, used=20 * GIB)
    assert monitor.held() is None
    node.change(0, used=30 * GIB)
    assert monitor.held() is not None


@pytest.mark.parametrize(
    ("first", "second", "both"), [(1, 1, False), (1, 0.5, False), (0.5, 1, False), (0.5, 0.5, True), (0.3, 0.3, True)]
)
def test_another_run_keeps_away_from_a_gpu_that_is_claimed(tmp_path, first, second, both):
    gpu = [Gpu(f"GPU-{tmp_path}")]
    ours, theirs = Claims(), Claims()
    assert ours.claim(gpu, first) == ours.claim(gpu, first) == ""
    assert (theirs.claim(gpu, second) == "") == both
    del ours
    assert theirs.claim(gpu, second) == ""


def station(trials, gpus, gpus_per_trial=1):
    made = Station([Offer(tuple(gpus))], 0)
    made.settle(Welcome(("true",), "/", str(trials), {}, None, 1.0, None, 1, gpus=gpus_per_trial))
    return made


def test_between_two_experiments_a_gpu_is_nobodys_and_neither_looked_at_nor_measured(node, tmp_path):
    gpu = usable_gpus()[:1]
    place, others = station(tmp_path, gpu), Claims()
    place.check(first=True)
    assert others.claim(gpu, 1)
    node.change(0, ecc=1)
    assert place.fault()
    place.settle(Welcome((), "", "", {}, None, 1.0, None, 0, gpus=0))
    assert place.fault() == ""
    assert others.claim(gpu, 1) == ""
    others.release()
    node.change(0, ecc=0)
    place.settle(Welcome(("true",), "/", str(tmp_path), {}, None, 1.0, None, 1))
    place.check(first=True)
    assert others.claim(gpu, 1)


def test_a_trial_waits_for_memory_and_a_worker_whose_gpu_is_not_freed_stands_by(node, tmp_path, monkeypatch):
    place = station(tmp_path, usable_gpus()[:1])
    place.check(first=True)
    with subprocess.Popen(["sleep", "60"]) as process:
        node.change(0, processes={str(process.pid): 20 * GIB})
        with pytest.raises(Unfit, match=f"20.0 of 40.0 GiB of {node.uuids[0]} are in use") as caught:
            place.check(first=True)
        assert caught.value.now
        monkeypatch.setattr("metaopt.station.PATIENCE", 0)
        with pytest.raises(Unfit) as caught:
            place.check(first=True)
        assert not caught.value.now
        assert process.poll() is None  # it is nobody's that we know
        process.kill()
    place.check(first=True)


def test_leftovers_of_our_own_are_killed_for_the_next_trial(node, tmp_path):
    place = station(tmp_path, usable_gpus()[:1])
    place.check(first=True)
    with subprocess.Popen(["sleep", "60"], env={**os.environ, "METAOPT_TRIAL_DIR": f"{tmp_path}/3"}) as process:
        node.change(0, processes={str(process.pid): 20 * GIB})
        with pytest.raises(Unfit):
            place.check(first=True)
        assert process.wait(10) == -9
    place.check(first=False)


def test_only_what_our_trials_have_left_behind_is_killed(tmp_path):
    ours = subprocess.Popen(["sleep", "60"], env={**os.environ, "METAOPT_TRIAL_DIR": f"{tmp_path}/trials/3"})
    others = subprocess.Popen(["sleep", "60"], env={**os.environ, "METAOPT_TRIAL_DIR": f"{tmp_path}/trials2/3"})
    try:
        assert kill_leftovers([ours.pid, others.pid, 1 << 30], f"{tmp_path}/trials") == 1
        assert ours.wait(10) == -9
        assert others.poll() is None
    finally:
        for process in (ours, others):
            process.kill()
            process.wait()


def test_a_meter_sums_up_what_the_gpus_did():
    meter = Meter([Gpu("a", 40), Gpu("b", 40)], 1)
    meter.take(0, [Reading(0.9, 99, 100, 1000), Reading(0.9, 99, 100, None)])
    meter.take(1, [Reading(0.5, 10, 100, 1200), Reading(0.1, 20, 50, None)])
    meter.take(2, [Reading(0.3, 5, 100, 1300), Reading(0.3, 5, 100, None)])
    assert meter.usage == {"gpu_utilisation": 0.3, "gpu_memory": 30, "gpu_memory_total": 80, "gpu_joules": 450}


def test_what_a_gpu_does_not_tell_is_left_out():
    meter = Meter([Gpu("MIG-a", 40, whole="a")], 0.5)
    assert meter.usage == {}
    meter.take(0, [Reading(None, 1, None, None)])
    meter.take(1, [Reading(None, 1, None, None)])
    assert meter.usage == {"gpu_memory": 1, "gpu_memory_total": 40}


class FakeSmi:
    """amdsmi with two GPUs, of the answers that are asked for."""

    class AmdSmiException(Exception):
        pass

    amdsmi_init = amdsmi_shut_down = staticmethod(lambda: None)
    amdsmi_get_processor_handles = staticmethod(lambda: [0, 1])
    amdsmi_get_gpu_enumeration_info = staticmethod(lambda handle: {"hip_id": handle, "hip_uuid": f"GPU-amd{handle}"})
    amdsmi_get_gpu_vram_usage = staticmethod(lambda handle: {"vram_total": 1024, "vram_used": 1})


def test_gpus_of_amd_are_found_where_amdsmi_is(monkeypatch, tmp_path):
    monkeypatch.setattr(gpus, "DRIVERS", ())
    monkeypatch.setattr(amd, "DRIVER", tmp_path)
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    assert usable_gpus() == []
    monkeypatch.setitem(sys.modules, "amdsmi", FakeSmi)
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "1")
    (found,) = usable_gpus()
    assert found == Gpu("GPU-amd1", GIB, maker="amd")
    assert give([found], CPU).environment == {"ROCR_VISIBLE_DEVICES": "GPU-amd1", "HIP_VISIBLE_DEVICES": "0"}


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.gpu)])
def any_nvml(request):
    """The stand-in, and the real thing where there is one: both must keep the same promises."""
    if request.param == "stand-in":
        request.getfixturevalue("node")
    else:
        request.getfixturevalue("real_gpus")
    nvml = Nvml()
    yield nvml
    nvml.close()


def test_contract_gpus_have_names_and_memory_and_are_in_order(any_nvml):
    found = [gpu for parts in any_nvml.gpus() for gpu in parts]
    assert found
    assert all(gpu.uuid.startswith(("GPU-", "MIG-")) and gpu.memory > GIB for gpu in found)
    assert len({gpu.uuid for gpu in found}) == len(found)
    assert all(gpu.mode in {"default", "exclusive", "prohibited"} for gpu in found)
    assert not [any_nvml.fault(gpu) for gpu in found if any_nvml.fault(gpu)]


def test_contract_a_gpu_tells_what_it_does(any_nvml):
    for gpu in (gpu for parts in any_nvml.gpus() for gpu in parts):
        reading, (used, processes) = any_nvml.reading(gpu), any_nvml.memory(gpu)
        assert reading.busy is None or 0 <= reading.busy <= 1
        assert reading.watts is None or 0 <= reading.watts < 5000
        assert 0 <= used <= gpu.memory
        assert all(isinstance(pid, int) and size >= 0 for pid, size in processes.items())
        again = any_nvml.reading(gpu)
        assert again.joules is None or again.joules >= reading.joules


def test_contract_a_gpu_that_is_not_there_is_at_fault(any_nvml):
    assert any_nvml.fault(Gpu("GPU-00000000-0000-0000-0000-000000000000"))


def test_contract_a_worker_can_watch_its_gpus(any_nvml):
    first = next(gpu for parts in any_nvml.gpus() for gpu in parts)
    monitor = Monitor([first], 1)
    assert monitor.fault() == ""
    monitor.watch()
    usage = monitor.usage()
    assert usage.get("gpu_memory_total", first.memory) == first.memory
