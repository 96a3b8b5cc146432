"""A device: what one worker gives to the script that it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Device:
    """A name for people, and the cores that the script is bound to (none: not bound).

    ``environment`` are variables that the script must have, ``defaults`` those that its user may have set otherwise.
    """

    name: str
    cores: tuple[int, ...]
    defaults: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
