"""Who is on which node: its workers tell each other what they may use, and rank 0 what that is as a whole."""

import os
import socket
from typing import NamedTuple

from metaopt.devices.allot import summed_up
from metaopt.devices.base import Node, Offer
from metaopt.devices.cpu import usable_cores
from metaopt.transports.mail import MPI


class Neighbours(NamedTuple):
    """What the workers of this rank's node may use, and which of them it is; rank 0 knows ``all_nodes`` as well."""

    offers: list[Offer]
    place: int
    all_nodes: list[Node]


def neighbours(comm: MPI.Intracomm, said: Offer | None) -> Neighbours:
    """Called by all ranks together; ``said`` is what this one may use, None for rank 0.

    Who is near whom only MPI knows: Slurm's own number lies under mpirun.  Nodes are in the order of their first ranks.
    """
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    there = node.allgather((comm.rank, said))
    offers = {rank: offer for rank, offer in there if offer is not None}
    place = sum(rank < comm.rank for rank in offers)
    mine = summed_up(_name(), offers, len(usable_cores())) if said is not None and place == 0 else None
    told = comm.gather(None if mine is None else (there[0][0], mine))
    found = sorted((each for each in told or () if each is not None), key=lambda each: each[0])
    return Neighbours(list(offers.values()), place, [node for _, node in found])


def _name() -> str:
    """This node as those call it who start processes there: Slurm has its own names."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()
