"""Are GPUs shared out well, and what does it cost?  8 that are not there, 8 and 16 workers, trials of mixed length.

    python benchmarks/devices.py --trials 64

A stand-in answers for NVML, that of the tests.  A GPU is busy while a script that sees it runs, by the scripts' own
clocks, from when all of them are until the first worker has nothing left to do; at no moment may more trials hold one
than were asked for.  Start-up is what it takes to find the GPUs and see that they are in order, telemetry the CPU time
of a sampled second, beside NVML questions that are not asked.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import median

from measure import Search, answer, progress

TESTS = Path(__file__).parents[1] / "tests"
GPUS = 8
SCRIPT = """import os, sys, time
began = time.time()
time.sleep(0.2 + float(sys.argv[1]) * 1.6)
with open("seen", "a") as file:
    file.write(f"{os.environ['CUDA_VISIBLE_DEVICES']} {began} {time.time()}\\n")
print("loss=1")
"""
Span = tuple[float, float]


def node(directory: Path) -> Mapping[str, str]:
    """The variables with which a process finds the GPUs."""
    sys.path.insert(0, str(TESTS))
    environment: Mapping[str, str] = import_module("nodes").Node(directory, GPUS).environment
    return environment


def spans(seen: Path) -> dict[str, list[Span]]:
    """When trials held each GPU."""
    found: dict[str, list[Span]] = defaultdict(list)
    for line in seen.read_text(encoding="ascii").splitlines():
        gpu, began, ended = line.split()
        found[gpu].append((float(began), float(ended)))
    return found


def most_at_once(held: Sequence[Span]) -> int:
    """How many trials held a GPU at one moment."""
    steps = sorted([(began, 1) for began, _ in held] + [(ended, -1) for _, ended in held])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def busy(held: Sequence[Span], begin: float, end: float) -> float:
    """The share of the time from ``begin`` to ``end`` in which any trial held a GPU."""
    total, until = 0.0, begin
    for began, ended in sorted(held):
        total += max(0.0, min(ended, end) - max(began, until))
        until = max(until, min(ended, end))
    return total / (end - begin)


def utilisation(workers: int, trials: int, directory: Path) -> dict[str, float]:
    """The busy share of the GPUs with so many workers, how many were used, and how many trials held one at once."""
    resources = {"gpus_per_trial": GPUS / workers, "cores_per_trial": 1}
    os.environ.update(node(directory))
    command = [sys.executable, "script.py", "{x}"]
    with Search(workers, command, trials, optimizer="random", resources=resources) as search:
        (search.directory / "script.py").write_text(SCRIPT, encoding="ascii")
        held = spans(search.run().directory / "seen")
    ended = sorted(end for each in held.values() for _, end in each)
    began = sorted(begin for each in held.values() for begin, _ in each)
    begin, end = began[workers - 1], ended[-workers]
    return {
        "busy": sum(busy(each, begin, end) for each in held.values()) / GPUS,
        "gpus": len(held),
        "at_once": max(map(most_at_once, held.values())),
        "gap_ms": 1000 * median(max(0.0, b - a) for each in held.values() for (_, a), (b, _) in pairwise(sorted(each))),
    }


def costs(directory: Path, seconds: float) -> dict[str, float]:
    """Milliseconds to find the GPUs and see that they are in order, and the share of a core that sampling one takes."""
    os.environ.update(node(directory))
    sys.path.insert(0, str(TESTS / "fake_gpus"))
    from metaopt.devices import gpu  # noqa: PLC0415 - only now would it find the stand-in

    gpu.DRIVERS = (directory,)
    begin = time.perf_counter()
    found = gpu.usable_gpus()
    listed = time.perf_counter()
    from metaopt.devices.monitor import Monitor  # noqa: PLC0415 - what it takes to load it counts

    monitor = Monitor(found[:1], 1)
    monitor.fault()
    ready = time.perf_counter()
    monitor.watch()
    used = time.process_time()
    time.sleep(seconds)
    used = time.process_time() - used
    monitor.usage()
    return {"listed_ms": 1000 * (listed - begin), "ready_ms": 1000 * (ready - listed), "telemetry": used / seconds}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    found: dict[str, Mapping[str, float]] = {}
    for name, workers in (("8 workers", GPUS), ("16 workers", 2 * GPUS)):
        with tempfile.TemporaryDirectory() as directory:
            found[name] = utilisation(workers, options.trials, Path(directory))
        progress(f"{name}: {json.dumps(found[name])}")
    with tempfile.TemporaryDirectory() as directory:
        found["costs"] = cost = costs(Path(directory), options.seconds)
    progress(f"costs: {json.dumps(cost)}")
    one, two = found["8 workers"], found["16 workers"]
    answer(
        f"how busy are {GPUS} GPUs with trials of 0.2 to 1.8 s, and what does it cost to look after them?",
        figure=f"{one['busy']:.1%} with 8 workers, {two['busy']:.1%} with 16 that share; found in "
        f"{cost['listed_ms']:.0f} ms, in order after {cost['ready_ms']:.0f} ms more; telemetry "
        f"{cost['telemetry']:.2%} of a core",
        beside=f"limit 100 %; trials that held one GPU at once: {one['at_once']:.0f} with 8 workers, "
        f"{two['at_once']:.0f} with 16 (asked for: 1 and 2); the stand-in for NVML",
        aim="no GPU shared unasked; telemetry < 0.3 % of a core",
        ratio=one["busy"],
        ratio_of="busy over all of the time, 8 workers",
        figures=found,
    )


if __name__ == "__main__":
    main()
