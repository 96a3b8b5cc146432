"""Which errors say that there was too little memory, as frameworks and systems word it."""

import signal

import pytest

from metaopt.process import explain
from metaopt.shortage import wants_memory

WANTING = [
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 15.78 GiB in all)",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB",
    "RuntimeError: CUDA error: out of memory\nCUDA kernel errors might be reported later",
    (
        "RuntimeError: [enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: can't allocate memory: you tried "
        "to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "RuntimeError: [enforce fail at alloc_cpu.cpp:80] . DefaultCPUAllocator: not enough memory: you tried to",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "RuntimeError: DataLoader worker (pid 4711) is killed by signal: Killed. ",
    "RuntimeError: HIP out of memory. Tried to allocate 1.00 GiB",
    (
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: {{function_node __wrapped__Mul}} OOM when "
        "allocating tensor with shape[100000,100000] and type float on /job:localhost/replica:0/task:0/device:GPU:0"
    ),
    (
        "E external/local_xla/xla/stream_executor/cuda/cuda_driver.cc:1060] failed to allocate 2.00GiB from device: "
        "CUDA_ERROR_OUT_OF_MEMORY: out of memory"
    ),
    "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 B",
    "XlaRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 8.00GiB (8589934592B) on device ordinal 0",
    (
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB for an array with shape "
        "(1000000, 1000000) and data type float64"
    ),
    "MemoryError",
    "OSError: [Errno 12] Cannot allocate memory",
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
    'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space',
    "Error: cannot allocate vector of size 74.5 Gb",
    "Out of memory: Killed process 4711 (python) total-vm:8388608kB, anon-rss:4194304kB",
    "slurmstepd: error: Detected 1 oom_kill event in StepId=4711.0. Some of the step tasks have been OOM Killed.",
]
OTHER = [
    "",
    "exit status 1\nValueError: memory must be positive",
    "exit status 1\nassert memory <= 16",
    "exit status 1\nprocessed 137 of 1000 rooms",
    "exit status 13",
    "killed by SIGSEGV",
    "killed by SIGTERM",
    "exit status 1\nkilled by SIGKILL",
    "its memory is nan",
    "it ended without reporting memory: it reported only loss",
    "worker 3 was lost with it: its node died",
    "its guard was killed",
    "timeout: it ran longer than 600 s\nRuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB",
    (
        "exit status 1\nW bfc_allocator.cc:290] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.00GiB "
        "with freed_by_count=0. The caller indicates that this is not a failure, but this may mean that there could be "
        "performance gains if more memory were available.\nKeyError: 'lr'"
    ),
    "exit status 1\ngrpc: StatusCode.RESOURCE_EXHAUSTED: quota exceeded",
]


@pytest.mark.parametrize("said", WANTING)
def test_these_want_memory(said):
    assert wants_memory(f"exit status 1\nTraceback (most recent call last):\n{said}")


@pytest.mark.parametrize("code", [-signal.SIGKILL, 128 + signal.SIGKILL])
def test_who_is_killed_again_and_again_wants_memory(code):
    assert wants_memory(explain(code))
    assert wants_memory(f"{explain(code)}\nepoch 3")


@pytest.mark.parametrize("error", OTHER)
def test_these_fail_for_another_reason(error):
    assert not wants_memory(error)
