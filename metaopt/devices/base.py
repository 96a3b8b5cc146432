"""A device: what one worker gives to the script that it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU, or a MIG instance, as the node's driver lists it.

    ``uuid`` names it in CUDA_VISIBLE_DEVICES (ROCR_VISIBLE_DEVICES for ``maker`` amd).  ``memory`` is bytes, ``cores``
    are those that are near (none: nobody knows), ``mode`` is the compute mode (default, exclusive, prohibited).
    ``whole`` is the GPU that a MIG instance is a part of.
    """

    uuid: str
    memory: int = 0
    cores: tuple[int, ...] = ()
    mode: str = "default"
    whole: str = ""
    maker: str = "nvidia"

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
class Device:
    """A name for people, and the cores that the script is bound to (none: not bound).

    ``environment`` are variables that the script must have, ``defaults`` those that its user may have set otherwise.
    """

    name: str
    cores: tuple[int, ...]
    defaults: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[Gpu, ...] = ()
