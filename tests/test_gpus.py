"""Which GPUs a worker gets; NVML is stood in for by a module with as many of them as a test wants."""

import sys
import types

import pytest

from metaopt.devices.base import Device
from metaopt.devices.gpu import give, usable_gpus, visible

NODE = ["GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333", "GPU-cccc4444"]
CPU = Device("cpu 3", (3,), {"OMP_NUM_THREADS": "1"})


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        (None, [0, 1, 2, 3]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 3 ", [1, 3]),
        ("0,9,1", [0]),
        ("1,-1,2", [1]),
        ("GPU-bbbb3333,0", [2, 0]),
        ("GPU-bb", [2]),
        ("GPU-aaaa", []),
        ("nonsense", []),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(said, chosen):
    assert visible(NODE, said) == [NODE[index] for index in chosen]


def test_a_mig_instance_is_taken_by_its_name():
    assert visible(NODE, "MIG-1234") == ["MIG-1234"]


def test_each_worker_gets_a_gpu_by_its_uuid_and_too_few_are_shared():
    devices = [give(NODE[:2], worker, CPU) for worker in range(3)]
    assert [device.environment["CUDA_VISIBLE_DEVICES"] for device in devices] == [NODE[0], NODE[1], NODE[0]]
    assert devices[0].environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert devices[0].defaults == CPU.defaults
    assert devices[0].cores == CPU.cores
    assert devices[0].name == "GPU-aaaa1111, cpu 3"


def test_without_gpus_a_worker_keeps_its_cores():
    assert give([], 0, CPU) is CPU


@pytest.fixture
def nvml(monkeypatch, tmp_path):
    """A machine with a driver and the GPUs of ``NODE``."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr("metaopt.devices.gpu.DRIVER", tmp_path / "nvidiactl")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    module = types.ModuleType("pynvml")
    module.NVMLError = type("NVMLError", (Exception,), {})
    module.nvmlInit = module.nvmlShutdown = lambda: None
    module.nvmlDeviceGetCount = lambda: len(NODE)
    module.nvmlDeviceGetHandleByIndex = lambda index: index
    module.nvmlDeviceGetUUID = lambda handle: NODE[handle]
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


@pytest.mark.usefixtures("nvml")
def test_the_gpus_of_a_node_are_found(monkeypatch):
    assert usable_gpus() == NODE
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-bbbb3333")
    assert usable_gpus() == [NODE[3], NODE[2]]


def test_a_driver_that_does_not_answer_means_no_gpus(nvml):
    def refuse():
        raise nvml.NVMLError

    nvml.nvmlInit = refuse
    assert usable_gpus() == []


def test_without_a_driver_nothing_is_imported(monkeypatch, tmp_path):
    monkeypatch.setattr("metaopt.devices.gpu.DRIVER", tmp_path / "nvidiactl")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert usable_gpus() == []


@pytest.mark.gpu
def test_a_real_gpu_is_found_by_its_uuid():
    if not usable_gpus():
        pytest.skip("this machine has no NVIDIA GPU")
    assert all(uuid.startswith(("GPU-", "MIG-")) for uuid in usable_gpus())
