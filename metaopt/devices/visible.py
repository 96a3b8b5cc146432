"""Which of a node's GPUs a job may use: what CUDA_VISIBLE_DEVICES and its like name."""

from collections.abc import Sequence

from metaopt.devices.base import Gpu
from metaopt.errors import DeviceError

NONE = {"", "-1", "NoDevFiles"}
HINT = "Ask the batch system for GPUs (Slurm: --gpus-per-node=4)"
UNSET = f"{HINT}, or unset the variable"
CPUS = "for CPUs alone: resources: {gpus_per_trial: 0}, or --allow-cpu"


def visible(node: Sequence[Sequence[Gpu]], said: str | None, name: str = "CUDA_VISIBLE_DEVICES") -> list[Gpu]:
    """Those GPUs that ``said``, the value of the variable ``name``, lists by index, UUID or the beginning of one.

    ``node`` has, for each GPU of the node in the driver's order, itself or its MIG instances: whoever names a GPU that
    is divided gets all of them.  No variable means all (CUDA C++ Programming Guide, "CUDA Environment Variables").
    What CUDA would pass over in silence, a GPU that is not there or is named twice, is a DeviceError; so is a variable
    that hides all GPUs there are.
    """
    everything = [gpu for parts in node for gpu in parts]
    if said is None or not everything:
        return everything
    chosen: list[Gpu] = []
    for each in map(str.strip, said.split(",")):
        if each in NONE:
            break
        found = _named(node, each, f"{name}={said}")
        if set(found) & set(chosen):
            problem = f"{name}={said} names {each} twice"
            raise DeviceError(problem, "Name each GPU once.")
        chosen += found
    if not chosen:
        problem = f"{name}={said!r} hides all {len(node)} GPUs of this node"
        raise DeviceError(problem, f"{UNSET}; {CPUS}.")
    return chosen


def _named(node: Sequence[Sequence[Gpu]], name: str, where: str) -> list[Gpu]:
    if name.isdigit():
        if int(name) < len(node):
            return list(node[int(name)])
        problem = f"{where}: there is no GPU {name}; this node shows {len(node)}, numbered from 0"
        raise DeviceError(problem, f"{UNSET}; {CPUS}.")
    matching = [[gpu] for parts in node for gpu in parts if gpu.uuid.startswith(name)]
    matching += [list(parts) for parts in node if parts and parts[0].mig and parts[0].whole.startswith(name)]
    exact = [found for found in matching if name in (found[0].uuid, found[0].whole)]
    if len(exact or matching) == 1:
        return (exact or matching)[0]
    problem = f"{where}: {'several GPUs of this node begin' if matching else 'no GPU of this node begins'} with {name}"
    raise DeviceError(problem, "nvidia-smi -L  lists their names.")
