"""What a script written for Oríon leaves as its results: a JSON list, in the file that ORION_RESULTS_PATH names.

    [{"name": "val_loss", "type": "objective", "value": 0.2}, {"name": "memory", "type": "constraint", "value": 3}]

Each number becomes a metric of its name; that of type objective is the metric ``objective`` too.
"""

import json
from contextlib import suppress
from pathlib import Path

from metaopt.messages import Point

PATH, FILE = "ORION_RESULTS_PATH", "results.json"
OBJECTIVE = "objective"


def prepare(path: Path) -> None:
    """An empty file: Oríon's ``report_objective`` refuses to write to one that is not there."""
    with suppress(OSError):  # a disk that does not take it is told of by others
        path.write_bytes(b"")


def results(path: Path, step: float) -> list[Point]:
    """What the file at ``path`` says, as one point at ``step``; nothing when it says nothing."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    metrics: dict[str, float] = {}
    for each in said if isinstance(said, list) else []:
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            if isinstance(each["value"], (int, float)) and each["type"] != "gradient":
                metrics[str(each["name"])] = float(each["value"])
                if each["type"] == OBJECTIVE:
                    metrics[OBJECTIVE] = float(each["value"])
    return [(step, metrics)] if metrics else []
