"""Who works for a run, and on what."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Worker:
    """A worker that is there, and the trial that it runs."""

    host: str
    device: str
    joined: float
    trial: int | None = None
    gpus: tuple[str, ...] = ()


@dataclass(slots=True)
class Crew:
    """The workers of one run, those of them without a trial, and the trials that wait for them, in order.

    ``experiment`` is what its own file says; ``lost`` are the nodes that died before it.  The run has ``begun``, and
    its allocation ends at its ``deadline``, both in seconds since the epoch, if known.  When it is ``closed``, the run
    has ended, and what waits is to be had by others.  ``quarantined`` are the GPUs that no trial is run on any more,
    and why; ``blamed`` has, by worker, the trials that may have failed for its GPUs.
    """

    experiment: Mapping[str, Any] = field(default_factory=dict)
    workers: dict[int, Worker] = field(default_factory=dict)
    idle: dict[int, None] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)
    begun: float | None = None
    deadline: float | None = None
    closed: bool = False
    lost: tuple[str, ...] = ()
    quarantined: dict[str, str] = field(default_factory=dict)
    blamed: dict[int, list[int]] = field(default_factory=dict)

    @property
    def attempts(self) -> int:
        """How often a trial of it may be lost before it has failed."""
        return int(self.experiment.get("attempts", 2))

    @property
    def resumes(self) -> bool:
        """Whether another attempt goes on from where the last one was stopped."""
        return bool(self.experiment.get("resumes"))
