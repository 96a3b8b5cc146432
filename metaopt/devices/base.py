"""A device: what one worker gives to the script that it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU, or a MIG instance, as the node's driver lists it.

    ``uuid`` names it in CUDA_VISIBLE_DEVICES (ROCR_VISIBLE_DEVICES for ``maker`` amd).  ``memory`` is bytes, ``cores``
    are those that are near (none: nobody knows), ``mode`` is the compute mode (default, exclusive, prohibited).
    ``whole`` is the GPU that a MIG instance is a part of; ``number`` is how CUDA counts it, or that one, on this node.
    """

    uuid: str
    memory: int = 0
    cores: tuple[int, ...] = ()
    mode: str = "default"
    whole: str = ""
    maker: str = "nvidia"
    number: int = field(default=0, compare=False)

    @property
    def mig(self) -> bool:
        """Whether it is a part of a GPU."""
        return bool(self.whole)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one worker may use on its node: ``gpus``, or the ``trouble`` with them, and the ``hint`` what to do."""

    gpus: tuple[Gpu, ...] = ()
    trouble: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the run as a whole; ``workers`` are the ranks of its workers, ascending.

    They may use ``gpus``, which CUDA counts there as ``numbers`` has it (None: it has no numbers for them all), and so
    many ``cores``.  ``trouble`` is why there is no GPU, where there should be one, and ``hint`` what
    to do.
    """

    host: str
    workers: tuple[int, ...]
    cores: int
    gpus: tuple[Gpu, ...] = ()
    numbers: str | None = ""
    trouble: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A name for people, and the cores that the script is bound to (none: not bound).

    ``environment`` are variables that the script must have, ``defaults`` those that its user may have set otherwise.
    """

    name: str
    cores: tuple[int, ...]
    defaults: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[Gpu, ...] = ()
