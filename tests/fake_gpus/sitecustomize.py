"""With this directory on PYTHONPATH, metaopt finds an NVIDIA driver, and the pynvml beside this file answers for it."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("metaopt") is not None and "-S" not in sys.orig_argv:
    from metaopt.devices import gpu

    gpu.DRIVERS = (Path(__file__),)
