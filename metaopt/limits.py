"""How far a run goes."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a run goes: ``trials`` in all; ``workers`` that may join; up to ``give_up_after`` failures at first.

    The run has begun at ``begin``, and by ``end`` the scripts must have ended: some time before the allocation does.
    """

    trials: int
    workers: int
    give_up_after: int = 5
    begin: float = 0.0
    end: float = math.inf
