"""A device: what one worker gives to the script that it runs."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """A name for people, the cores that the script is bound to (none: not bound), and variables for its environment."""

    name: str
    cores: tuple[int, ...]
    environment: Mapping[str, str]
