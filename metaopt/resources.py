"""What a trial needs of a node, or of several: the ``resources`` of the experiment file."""

from dataclasses import dataclass
from typing import Any

from metaopt.keys import KEYS
from metaopt.yamlfile import YamlFile, shown

CORES, GPUS, NODES = "resources.cores_per_trial", "resources.gpus_per_trial", "resources.nodes_per_trial"


@dataclass(frozen=True, slots=True)
class Resources:
    """``cores`` and ``gpus`` of a trial; None where the file leaves it to what there is.

    One that has several ``nodes`` has all of each; ``gpus`` is None, or 0 when it is to see none.
    """

    cores: int | None = None
    gpus: float | None = None
    nodes: int = 1

    def describe(self) -> dict[str, Any]:
        """It as plain data, for the journal."""
        return {"cores_per_trial": self.cores, "gpus_per_trial": self.gpus, "nodes_per_trial": self.nodes}


def read_resources(file: YamlFile) -> Resources:
    """What ``file`` says of them; raises ExperimentError."""
    if not file.has("resources"):
        return Resources()
    if not isinstance(file.get("resources"), dict):
        example = f"Write resources: {KEYS['resources'].example}"
        file.refuse("resources", f"{shown(file.get('resources'))} has no keys", example)
    file.check_keys("resources", [key.removeprefix("resources.") for key in KEYS if key.startswith("resources.")])
    made = Resources(_number(file, CORES), _gpus(file), _number(file, NODES) or 1)
    for key, value in ((CORES, made.cores), (GPUS, made.gpus)):
        if made.nodes > 1 and value:
            problem = f"a trial on {made.nodes} nodes (nodes_per_trial) has all of each"
            file.refuse(key, problem, "Leave it out; how many processes share them, the command says.")
    return made


def _number(file: YamlFile, key: str) -> int | None:
    value = file.get(key) if file.has(key) else None
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        name = key.rpartition(".")[2]
        file.refuse(key, f"{shown(value)} is not a whole number", f"Write {name}: {KEYS[key].example}")
    if value < 1:
        file.refuse(key, f"it is {value}", "Write 1 or more.")
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
