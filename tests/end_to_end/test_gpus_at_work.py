"""Whole runs on a node with GPUs, for which a stand-in for NVML answers: who gets which, what becomes of ill ones."""

import importlib.util
import json
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise

import pytest
from nodes import GIB, Node

SAYS = """
import json, os, time
from pathlib import Path
began = time.time()
gpu = os.environ.get("CUDA_VISIBLE_DEVICES")
time.sleep({sleep})
{more}
print("loss=1")
with open("seen.jsonl", "a") as file:
    about = [gpu, os.environ.get("CUDA_DEVICE_ORDER"), os.environ["OMP_NUM_THREADS"], began, time.time()]
    file.write(json.dumps(about) + "\\n")
"""


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def script(sleep=0.3, more=""):
    return SAYS.format(sleep=sleep, more=more)


def seen(site):
    """What each script saw and when, by GPU."""
    by_gpu = defaultdict(list)
    for line in (site.directory / "seen.jsonl").read_text().splitlines():
        gpu, *about = json.loads(line)
        by_gpu[gpu].append(about)
    return by_gpu


def test_each_rank_owns_one_gpu_and_no_two_trials_hold_the_same(site, node):
    site.experiment(script(), trials=12)
    status, output = site.mpirun(5, **node.environment)
    assert status == 0, output
    assert set(seen(site)) == set(node.uuids)
    for trials in seen(site).values():
        assert all(order == "PCI_BUS_ID" for order, *_ in trials)
        assert all(ended <= began for (*_, ended), (*_, began, _) in pairwise(sorted(trials, key=lambda t: t[2])))
    joined = {tuple(record["body"]["gpus"]) for record in site.records() if record["kind"] == "Joined"}
    assert joined == {(uuid,) for uuid in node.uuids}


def test_workers_that_no_gpu_is_left_for_stand_by_and_the_visible_ones_are_used(site, node):
    site.experiment(script(0.1), trials=6)
    status, output = site.mpirun(5, CUDA_VISIBLE_DEVICES="3,1", **node.environment)
    assert status == 0, output
    assert output.count("4 workers and 2 GPUs: 2 would fit, the others stand by") == 1
    assert set(seen(site)) == {node.uuids[3], node.uuids[1]}


def test_two_trials_share_a_gpu_when_that_is_asked_for(site, node):
    node.said["gpus"] = node.said["gpus"][:1]
    node.write()
    site.experiment(script(0.5), trials=4, resources={"gpus_per_trial": 0.5})
    status, output = site.run("run", "exp.yaml", **node.environment)
    assert status == 0, output
    (trials,) = seen(site).values()
    times = sorted((began, ended) for *_, began, ended in trials)
    assert any(second < ended for (_, ended), (second, _) in pairwise(times)), "none ever shared it"


def test_a_worker_can_own_two_and_more_than_there_are_is_refused(site, node):
    site.experiment(script(0.1), trials=3, resources={"gpus_per_trial": 2, "cores_per_trial": 1})
    status, output = site.run("run", "exp.yaml", **node.environment)
    assert status == 0, output
    assert set(seen(site)) <= {",".join(node.uuids[:2]), ",".join(node.uuids[2:])}
    site.experiment(script(0.1), trials=4, resources={"gpus_per_trial": 2, "cores_per_trial": 1})
    status, output = site.run("run", "-w", "3", "exp.yaml", **node.environment)
    assert (status, "this machine has GPUs for 2" in output) == (2, True)
    site.experiment(script(0.1), name="more", resources={"gpus_per_trial": 5})
    status, output = site.run("run", "exp.yaml", **node.environment)
    assert status == 2
    assert "a trial needs 5 GPUs (gpus_per_trial), and there are 4" in output


def test_a_driver_that_is_ill_is_refused_unless_cpus_will_do(site, node):
    node.said["init"] = "LIB_RM_VERSION_MISMATCH"
    node.write()
    site.experiment(script(0.1), trials=2)
    for start in (site.run, lambda *_, **more: site.mpirun(3, **more)):
        status, output = start("run", "-w", "2", "exp.yaml", **node.environment)
        assert status == 2, output
        assert output.count("NVML version mismatch") == 1
        assert not site.history.exists()
    assert not (site.directory / "seen.jsonl").exists()
    status, output = site.run("run", "-w", "2", "--allow-cpu", "exp.yaml", **node.environment)
    assert status == 0, output
    assert "on CPUs alone, since --allow-cpu says so" in output
    assert set(seen(site)) == {""}


ILL = """
if gpu == {uuid!r}:
    node = json.loads(Path(os.environ["FAKE_NVML"]).read_text())
    node["gpus"][0]["ecc"] = 1
    Path("whole").write_text(json.dumps(node))  # the workers may read it at any time
    os.replace("whole", os.environ["FAKE_NVML"])
    raise SystemExit("it crashes")
"""


def test_a_gpu_with_ecc_errors_is_put_in_quarantine_and_its_trial_runs_elsewhere(site, node):
    site.experiment(script(0.1, ILL.format(uuid=node.uuids[0])), trials=6)
    status, output = site.mpirun(3, **node.environment)
    assert status == 0, output
    assert f"{node.uuids[0]} is in quarantine: {node.uuids[0]}: 1 uncorrected ECC errors; worker 1 stands by" in output
    assert set(seen(site)) == {node.uuids[1]}
    assert {str(trial.state) for trial in site.load().trials.values()} == {"completed"}


def test_a_gpu_where_fails_what_is_done_elsewhere_is_put_in_quarantine(site, node):
    more = f"if gpu == {node.uuids[1]!r}: raise SystemExit('RuntimeError: CUDA error: unspecified launch failure')"
    site.experiment(script(0.2, more), trials=8)
    status, output = site.mpirun(3, **node.environment)
    assert status == 0, output
    assert f"{node.uuids[1]} is in quarantine: trial" in output
    assert "failed here, and was completed elsewhere" in output
    trials = site.load().trials.values()
    assert {str(trial.state) for trial in trials} == {"completed"}
    assert sum(trial.attempts for trial in trials) <= len(trials) + 2


def test_want_of_gpu_memory_is_told_and_what_gpus_did_is_summed_up(site, node):
    for index in range(4):
        node.change(index, busy=31, watts=100, used=2 * GIB)
    more = "if 'trials/1' in os.environ['METAOPT_TRIAL_DIR']: raise SystemExit('CUDA out of memory. Tried 2 GiB')"
    site.experiment(script(2.3, more), trials=2)
    status, output = site.mpirun(3, **node.environment)
    assert status == 0, output
    assert "trial 1 failed in" in output
    assert "out of memory on its GPU: this point needs more than there is (exit status 1)" in output
    assert "GPU busy 31%" in output
    assert "two trials per GPU would fit" in output
    usage = site.load().trials[0].usage
    assert usage["gpu_utilisation"] == 0.31
    assert usage["gpu_memory"] == 2 * GIB
    assert 150 < usage["gpu_joules"] < 450
    status, output = site.run("db", "export", "exp.yaml")
    assert "gpu_joules" in output.splitlines()[0]


def test_several_experiments_share_gpus_and_what_would_need_other_parts_of_them_is_refused(site, node):
    for name, resources in (("a", {}), ("b", {"gpus_per_trial": 0}), ("c", {"gpus_per_trial": 0.5}), ("d", {})):
        site.experiment(script(0.1), name=name, resources=resources, trials=4)
        (site.directory / "exp.yaml").rename(site.directory / f"{name}.yaml")
    status, output = site.mpirun(3, *(f"{name}.yaml" for name in "abcd"), **node.environment)
    assert status == 2, output
    assert "c: gpus_per_trial is 0.5, and 1 in another experiment" in output
    by_gpu = seen(site)
    assert len(by_gpu.pop("")) == 4
    assert set(by_gpu) == set(node.uuids[:2])
    assert sum(map(len, by_gpu.values())) == 8
    for trials in by_gpu.values():
        assert all(ended <= began for (*_, ended), (*_, began, _) in pairwise(sorted(trials, key=lambda t: t[2])))


BY_DRIVER = """
import ctypes, os, sys, time, uuid
cuda = ctypes.CDLL("libcuda.so.1")
def call(name, *arguments):
    status = getattr(cuda, name)(*arguments)
    assert status == 0, f"{name} gives {status}"
count, device, value = ctypes.c_int(), ctypes.c_int(), ctypes.c_uint32()
context, memory, name = ctypes.c_void_p(), ctypes.c_uint64(), (ctypes.c_ubyte * 16)()
call("cuInit", 0)
call("cuDeviceGetCount", ctypes.byref(count))
call("cuDeviceGet", ctypes.byref(device), 0)
call("cuDeviceGetUuid", name, device)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
call("cuCtxSetCurrent", context)
call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(1 << 30))
print(f"gpus={count.value} uuid={uuid.UUID(bytes=bytes(name))}")
began, step = time.monotonic(), 0
while time.monotonic() < began + 3.5:
    step += 1
    for _ in range(50):
        call("cuMemsetD32_v2", memory, ctypes.c_uint(step), ctypes.c_size_t(1 << 28))
    call("cuMemcpyDtoH_v2", ctypes.byref(value), memory, ctypes.c_size_t(4))
    print(f"loss={float(sys.argv[1]) + 1 / value.value}", flush=True)
"""
BY_TORCH = """
import sys, time, torch
torch.manual_seed(0)
at = torch.cuda.get_device_properties(0)
print(f"gpus={torch.cuda.device_count()} uuid={getattr(at, 'uuid', '')}")
inputs = torch.randn(65536, 1024, device="cuda")
targets = inputs[:, :1].sin()
model = torch.nn.Sequential(torch.nn.Linear(1024, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 1)).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1 * float(sys.argv[1]))
began = time.monotonic()
while time.monotonic() < began + 3.5:
    for _ in range(10):
        loss = torch.nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"loss={loss.item()}", flush=True)
"""


@pytest.mark.gpu
@pytest.mark.usefixtures("real_gpus")
@pytest.mark.parametrize("which", ["driver", "torch"])
def test_a_real_search_computes_on_the_gpu_that_each_trial_was_given(site, which):
    if which == "torch":
        there = [sys.executable, "-c", "import torch; raise SystemExit(not torch.cuda.is_available())"]
        if importlib.util.find_spec("torch") is None or subprocess.run(there, check=False).returncode:
            pytest.skip("there is no PyTorch that can use the GPU")
    site.write("script.py", BY_TORCH if which == "torch" else BY_DRIVER)
    site.experiment(command=[sys.executable, "script.py", "{x}"], trials=2)
    status, output = site.mpirun(2)
    assert status == 0, output
    (gpu,) = next(record["body"]["gpus"] for record in site.records() if record["kind"] == "Joined")
    for number, trial in site.load().trials.items():
        said = (site.history / "trials" / str(number) / "stdout.txt").read_text()
        count, uuid = (word.partition("=")[2] for word in said.splitlines()[0].split())
        assert count == "1"
        assert len(trial.curve("loss")) > 1
        assert (1 << 28) < trial.usage["gpu_memory"] <= trial.usage["gpu_memory_total"]
        if gpu.startswith("GPU-"):  # an instance of MIG tells neither
            assert uuid.removeprefix("GPU-") in {gpu.removeprefix("GPU-"), ""}
            assert 0 < trial.usage["gpu_utilisation"] <= 1
            assert trial.usage["gpu_joules"] > 1
    assert "GPU busy" in output or gpu.startswith("MIG-")
