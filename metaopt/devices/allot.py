"""Who gets which GPUs of a node: worked out by each of its workers alike, from what all of them may use."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from metaopt.devices.base import Gpu, Node, Offer
from metaopt.devices.visible import CPUS
from metaopt.errors import DeviceError

Gpus = tuple[Gpu, ...]


class Allotted(NamedTuple):
    """The ``gpus`` of one worker, and what its node's people should know."""

    gpus: Gpus
    doubt: str = ""


def slots(per_trial: float) -> int:
    """How many trials have one GPU: 1 when each has one or more."""
    return max(1, int(1 / per_trial + 1e-9))


def fits(gpus: int, per_trial: float) -> int:
    """How many workers so many GPUs are enough for."""
    return gpus * slots(per_trial) if per_trial < 1 else gpus // int(per_trial)


def share_out(offers: Sequence[Offer], per_trial: float) -> list[Gpus]:
    """The GPUs of each worker of a node, ``per_trial`` of them each; none for whom there are none left.

    The workers mostly see the same GPUs, and get them in turn.  Where each sees others, as tasks of srun may, those
    with the least choice choose first.  Of a GPU that several have, each takes the emptiest.
    """
    room = {gpu.uuid: slots(per_trial) for offer in offers for gpu in offer.gpus}
    given: list[Gpus] = [()] * len(offers)
    for place in sorted(range(len(offers)), key=lambda place: (len(offers[place].gpus), place)):
        free = sorted((g for g in offers[place].gpus if room[g.uuid]), key=lambda gpu: -room[gpu.uuid])
        wanted = max(1, int(per_trial))
        if len(free) >= wanted:
            given[place] = tuple(free[:wanted])
            for gpu in given[place]:
                room[gpu.uuid] -= 1
    return given


def allot(offers: Sequence[Offer], place: int, wanted: float | None, *, allow_cpu: bool) -> Allotted:
    """What the worker at ``place`` of a node gets; ``wanted`` GPUs for each trial (None: one where there are any).

    Raises DeviceError when it cannot work: there are not enough, or there is trouble with them, and ``allow_cpu`` does
    not say to go on without.
    """
    if wanted == 0:
        return Allotted(())
    try:
        return _allot(offers, place, wanted)
    except DeviceError as error:
        if allow_cpu and not any(offer.gpus for offer in offers):
            return Allotted((), f"on CPUs alone, since --allow-cpu says so: {error.problem}" if place == 0 else "")
        raise


def whole(offers: Sequence[Offer], wanted: float | None, *, allow_cpu: bool) -> Allotted:
    """All GPUs of a node, for a trial that has more than one node; raises DeviceError as ``allot``."""
    gpus = {gpu.uuid: gpu for offer in offers for gpu in offer.gpus}
    if not gpus or wanted == 0:
        return allot(offers, 0, wanted, allow_cpu=allow_cpu)
    check(list(gpus.values()), 1)
    return Allotted(tuple(gpus.values()))


def summed_up(host: str, offers: Mapping[int, Offer], cores: int) -> Node:
    """A node by what its workers may use, by their ranks, and the ``cores`` of each."""
    try:
        gpus, _ = whole(list(offers.values()), None, allow_cpu=False)
    except DeviceError as error:
        return Node(host, tuple(offers), cores, trouble=error.problem, hint=error.hint)
    numbers = None if any(gpu.mig for gpu in gpus) else ",".join(str(gpu.number) for gpu in gpus)
    return Node(host, tuple(offers), cores, tuple(replace(gpu, cores=()) for gpu in gpus), numbers)


def check_nodes(nodes: Sequence[Node], wanted: float | None, *, allow_cpu: bool) -> None:
    """Raise DeviceError when a trial can have ``wanted`` GPUs on none of these ``nodes``, before anything has begun."""
    refused: list[DeviceError] = []
    for node in nodes:
        try:
            allot([Offer(node.gpus, node.trouble, node.hint)], 0, wanted, allow_cpu=allow_cpu)
        except DeviceError as error:
            refused.append(error)
    if refused and len(refused) == len(nodes):
        which = f"none of {len(nodes)} nodes can be used; " if len(nodes) > 1 else ""
        problem = f"{which}{nodes[0].host}: {refused[0].problem}"
        raise DeviceError(problem, refused[0].hint)


def _allot(offers: Sequence[Offer], place: int, wanted: float | None) -> Allotted:
    gpus = {gpu.uuid: gpu for offer in offers for gpu in offer.gpus}
    troubled = next((offer for offer in (offers[place], *offers) if offer.trouble), None)
    if not gpus and troubled is None and wanted is None:
        return Allotted(())
    if troubled is not None and not offers[place].gpus:
        raise DeviceError(troubled.trouble, troubled.hint)
    if not gpus:
        problem = f"a trial needs {_gpus(wanted or 1)} (gpus_per_trial), and there is none"
        raise DeviceError(problem, f"Run it where there are some; {CPUS}.")
    check(list(gpus.values()), wanted or 1)
    given, room = share_out(offers, wanted or 1), fits(len(gpus), wanted or 1)
    if not given[place]:
        problem = f"{_workers(len(offers))} and {_gpus(len(gpus))}: {room} would fit, the others stand by"
        fewer = f"or give each trial less: gpus_per_trial: {_part(len(gpus), len(offers)):g}"
        raise DeviceError(problem, f"Start {_workers(room)} on this node, and rank 0 besides, {fewer}")
    few = place == 0 and len(offers) < room
    said = f"{_workers(len(offers))} and {_gpus(len(gpus))}: {room} would fit, and rank 0 besides"
    return Allotted(given[place], said if few else "")


def check(gpus: Sequence[Gpu], per_trial: float) -> None:
    """Raise DeviceError when no trial can have ``per_trial`` of these ``gpus``."""
    if per_trial > len(gpus):
        there = f"there are {len(gpus)}" if len(gpus) > 1 else "there is one"
        problem = f"a trial needs {_gpus(per_trial)} (gpus_per_trial), and {there}"
        raise DeviceError(problem, f"Write gpus_per_trial: {len(gpus)}, or run it where there are more.")
    if per_trial > 1 and any(gpu.mig for gpu in gpus):
        problem = f"a trial needs {_gpus(per_trial)}, and CUDA uses one MIG instance at a time"
        raise DeviceError(problem, "Write gpus_per_trial: 1")
    if (bad := next((gpu for gpu in gpus if gpu.mode == "prohibited"), None)) is not None:
        problem = f"{bad.uuid} is in compute mode Prohibited: no script can use it"
        raise DeviceError(problem, "Its administrator sets it back: nvidia-smi -c DEFAULT")
    if per_trial < 1 and (bad := next((gpu for gpu in gpus if gpu.mode == "exclusive"), None)) is not None:
        problem = f"{bad.uuid} is in compute mode Exclusive_Process: no two trials can share it (gpus_per_trial)"
        raise DeviceError(problem, "Write gpus_per_trial: 1, or have it set back: nvidia-smi -c DEFAULT")


def _workers(count: int) -> str:
    return f"{count} worker{'s' * (count != 1)}"


def _gpus(count: float) -> str:
    return f"{count:g} GPU{'s' * (count != 1)}"


def _part(gpus: int, workers: int) -> float:
    """The most GPUs, or the largest part of one in hundredths, of which each of so many workers can have its own."""
    return gpus // workers or 100 // -(-workers // gpus) / 100
