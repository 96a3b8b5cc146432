"""What a trial on several nodes is told of them, for mpirun, torchrun, srun and their like."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

HOSTFILE = "hostfile"
"""In a trial's directory: its nodes, a line each."""
PLACEHOLDERS = ("hosts", "hostfile", "nodes")
"""What a command may ask for."""


def write_hostfile(directory: Path, hosts: Mapping[str, int]) -> None:
    """Lines as ``node1 slots=4``, the host that reads it first."""
    lines = "".join(f"{host} slots={slots}\n" for host, slots in hosts.items())
    (directory / HOSTFILE).write_text(lines, encoding="utf-8")


def values(hosts: Mapping[str, int], directory: str) -> dict[str, str | int]:
    """What the placeholders stand for."""
    listed: tuple[str, str, int] = (",".join(hosts), f"{directory}/{HOSTFILE}", len(hosts))
    return dict(zip(PLACEHOLDERS, listed, strict=True))


def made_up(nodes: int, directory: str) -> dict[str, str | int]:
    """The same for a person, who is to put the names in; nothing for one node."""
    return values({f"HOST{number}": 1 for number in range(1, nodes + 1)}, directory) if nodes > 1 else {}


def variables(hosts: Mapping[str, int]) -> dict[str, str]:
    """What the script's environment says of them; to an mpirun in a Slurm job, that these are all that it has."""
    ours = {"METAOPT_HOSTS": ",".join(hosts), "METAOPT_NODES": str(len(hosts))}
    if "SLURM_JOB_ID" not in os.environ:
        return ours
    lists = dict.fromkeys(("SLURM_NODELIST", "SLURM_JOB_NODELIST"), ours["METAOPT_HOSTS"])
    counts = dict.fromkeys(("SLURM_NNODES", "SLURM_JOB_NUM_NODES"), ours["METAOPT_NODES"])
    return {**ours, **lists, **counts, "SLURM_TASKS_PER_NODE": ",".join(map(str, hosts.values()))}


def defaults(hosts: Mapping[str, int]) -> dict[str, str]:
    """What it says where it says nothing else: where processes meet, and that srun may use what our own job holds."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    return {"MASTER_ADDR": next(iter(hosts)), "MASTER_PORT": str(port), "SLURM_OVERLAP": "1"}
