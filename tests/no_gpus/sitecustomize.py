"""With this directory on PYTHONPATH, metaopt finds no NVIDIA driver: tests are the same on a machine that has one."""

import importlib.util
import sys

if importlib.util.find_spec("metaopt") is not None and "-S" not in sys.orig_argv:
    from metaopt.devices import gpu

    gpu.DRIVERS = ()
