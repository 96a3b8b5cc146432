"""The longest message: the first word of rank 0 to each worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Welcome:
    """The first word to each worker: all that it needs to know to run trials.

    ``command`` is an argv list with placeholders, ``directory`` where it runs, ``trials`` the directory of the trials'
    directories, ``metrics`` patterns over stdout by metric, ``timeout`` and ``grace`` seconds, ``cores`` how many a
    trial gets (None: as many as its GPUs have near, else 1), ``gpus`` how many GPUs (None: 1 where there are any; less
    than 1: a part), and ``allow_cpu`` whether none will do.  ``signal`` is the number of the one that asks a script
    to end.  Who is silent for ``heartbeat`` seconds is lost.  ``templates`` are texts with priors, by the names
    of the files that each trial gets of them.  ``environment`` has the scripts' variables, if not the worker's.
    Scripts may write to ``metrics_file``, a path with placeholders, whose column ``metrics_step`` has the steps.  Of a
    trial over several nodes ``hosts`` are their names, this worker's first, each with its number of slots, and
    ``gpu_numbers`` the GPUs by which all of these nodes know theirs (None: not all by the same).  ``note`` is to be
    told when this worker joins; one with ``spare`` does not, and that is why: with ``hosts`` too, it looks after its
    node for the trials of others.  Who hears it again, as thought lost or of another role, kills what runs, and joins.
    """

    command: tuple[str, ...]
    directory: str
    trials: str
    metrics: Mapping[str, str]
    timeout: float | None
    grace: float
    cores: int | None
    seed: int
    signal: int = 15
    heartbeat: float = 60.0
    gpus: float | None = None
    allow_cpu: bool = False
    templates: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, int] = field(default_factory=dict)
    gpu_numbers: str | None = None
    note: str = ""
    spare: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    metrics_file: str = ""
    metrics_step: str = ""
