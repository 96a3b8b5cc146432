"""Whether a trial has failed for want of memory, by its error: so the optimizer can tell that from other failures."""

import re

_KILLED = re.compile(r"killed by SIGKILL|exit status 137")
"""How the error of a script begins that SIGKILL has ended, again and again, and that metaopt did not kill."""
_SAID = re.compile(
    r"out[ _]of[ _]memory|not enough memory|\boom[- _]?kill|OOM when allocating"  # kernel, CUDA, TensorFlow, Slurm
    r"|(?:can't|can ?not|unable to|failed to) allocate (?:memory|vector|\d|request)"  # libc, R, numpy, JAX
    r"|(?<!\w)\w*MemoryError\b|bad_alloc|_ALLOC_FAILED\b"  # Python, C++, cuBLAS
    r"|worker \(pid\S* \d+\) is killed by signal: Killed",  # PyTorch's DataLoader
    re.IGNORECASE,
)
GPU_MEMORY = "out of memory on its GPU: this point needs more than there is"
"""How the error of a trial begins whose script said so."""
_GPU = re.compile(
    r"(?:CUDA|HIP)[ _](?:error: )?(?:ERROR_)?out[ _]of[ _]memory|cudaErrorMemoryAllocation"
    r"|CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED: Out of memory|OOM when allocating",
    re.IGNORECASE,
)
_NO_FAILURE = "not a failure"
"""TensorFlow says so of memory that it does without."""


def lacks_gpu_memory(error: str) -> bool:
    """Whether ``error``, that of a failed script, says that its GPU had too little memory for it."""
    return any(_GPU.search(line) for line in error.splitlines() if _NO_FAILURE not in line)


def wants_memory(error: str) -> bool:
    """Whether ``error``, that of a failed trial, says that there was too little memory, on the host or on a device."""
    if error.startswith("timeout:"):
        return False
    lines = error.splitlines()
    return bool(_KILLED.fullmatch("".join(lines[:1]))) or any(
        _SAID.search(line) for line in lines if _NO_FAILURE not in line
    )
