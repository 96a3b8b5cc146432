"""What a trial needs of a node: the ``resources`` of the experiment file."""

from dataclasses import dataclass
from typing import Any

from metaopt.keys import KEYS
from metaopt.yamlfile import YamlFile, shown

CORES, GPUS, NODES = "resources.cores_per_trial", "resources.gpus_per_trial", "resources.nodes_per_trial"


@dataclass(frozen=True, slots=True)
class Resources:
    """``cores`` and ``gpus`` of a trial; None where the file leaves it to what there is."""

    cores: int | None = None
    gpus: float | None = None

    def describe(self) -> dict[str, Any]:
        """It as plain data, for the journal."""
        return {"cores_per_trial": self.cores, "gpus_per_trial": self.gpus}


def read_resources(file: YamlFile) -> Resources:
    """What ``file`` says of them; raises ExperimentError."""
    if not file.has("resources"):
        return Resources()
    if not isinstance(file.get("resources"), dict):
        example = f"Write resources: {KEYS['resources'].example}"
        file.refuse("resources", f"{shown(file.get('resources'))} has no keys", example)
    file.check_keys("resources", [key.removeprefix("resources.") for key in KEYS if key.startswith("resources.")])
    if file.has(NODES) and file.get(NODES) != 1:
        problem = f"{shown(file.get(NODES))}: a trial runs on one node"
        file.refuse(NODES, problem, "Leave it out, or have the script start what it needs on other nodes itself.")
    return Resources(_cores(file), _gpus(file))


def _cores(file: YamlFile) -> int | None:
    value = file.get(CORES) if file.has(CORES) else None
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        file.refuse(CORES, f"{shown(value)} is not a whole number", f"Write cores_per_trial: {KEYS[CORES].example}")
    if value < 1:
        file.refuse(CORES, f"it is {value}", "Write 1 or more.")
    return value


def _gpus(file: YamlFile) -> float | None:
    value = file.get(GPUS) if file.has(GPUS) else None
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        file.refuse(GPUS, f"{shown(value)} is no number", "Write gpus_per_trial: 1, 2, 0.5, or 0 for none.")
    if not 0 <= value < float("inf") or (value > 1 and value != int(value)):
        problem = f"nobody can have {shown(value)} of a GPU" if value < 0 else f"it is {shown(value)}"
        file.refuse(GPUS, problem, "Write a whole number of GPUs, or a part of one: 2, 1, 0.5, or 0 for none.")
    return value
