"""Whether a script may have failed for its GPU, by its error: then another GPU may do, and this one is suspicious."""

import re

_SAID = re.compile(
    r"uncorrectable ECC error|ECCUncorrectable|ECC_UNCORRECTABLE|fallen off the bus|GPU is lost|\bXid\b"
    r"|unspecified launch failure|hardware stack error|illegal instruction was encountered"
    r"|no CUDA-capable device is detected|CUDA-capable device\(s\) is/are busy or unavailable"
    r"|CUDNN_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|MAPPING_ERROR)|CUBLAS_STATUS_EXECUTION_FAILED"
    r"|CUDA driver initialization failed|HSA_STATUS_ERROR|HIP error: unspecified|unhandled cuda error",
    re.IGNORECASE,
)


def blames_gpu(error: str) -> str:
    """The line of ``error``, that of a failed script, which says that its GPU may be ill; empty when none does."""
    return next((line.strip() for line in error.splitlines() if _SAID.search(line)), "")
