"""How long until a large history is resumed, beside json.loads alone over the same lines?

    python benchmarks/resume.py [--trials 10000]

A history is written in which each report is a line of its own, then read by a cold Python: claimed, as a run that goes
on claims it, and folded.  The floor is a cold Python that parses the same lines, many at a time, and keeps nothing.
Seconds are those from the start of Python on.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from measure import PATIENCE, answer, progress

from metaopt import __version__
from metaopt.history import FORMAT
from metaopt.messages import Assign, Fact, Finished, Joined, Opened, Params, Reported, Started, Suggested
from metaopt.recorder import Recorder
from metaopt.stores.journal import NAME, Journal

AIM, LARGE = 5, 1_000_000
WORKERS = 256
RESUME = """
import json, resource, sys, time
from metaopt.history import replay
from metaopt.stores import open_store
store = open_store(sys.argv[1])
store.append([])
study = replay(store).study
end = time.monotonic()
reports = sum(len(trial.points) for trial in study.trials.values() if trial.state == "completed")
print(json.dumps([end, reports, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
store.close()
"""
FLOOR = """
import json, sys, time
with open(sys.argv[1], "rb") as file:
    while lines := file.readlines(1 << 16):
        json.loads(b"[%b]" % b",".join(lines))
print(json.dumps([time.monotonic()]))
"""


def search(trials: int, reports: int) -> Iterator[list[Fact]]:
    """The facts of a search, as many at a time as there are workers; each of them runs one trial after the other."""
    chance = random.Random(1)
    description: Mapping[str, Any] = {"name": "large", "objective": {"metric": "loss"}}
    yield [Opened(__version__, FORMAT, description), *(Joined(w, f"node{w}", "cores 0-3") for w in range(WORKERS))]
    for first in range(0, trials, WORKERS):
        running = [(number - first, number, 1) for number in range(first, min(first + WORKERS, trials))]
        params: list[Params] = [{"lr": chance.random(), "width": chance.randrange(256), "kind": "a"} for _ in running]
        yield [Suggested(tuple(params))]
        yield [Assign(*each, params[index]) for index, each in enumerate(running)]
        yield [Started(*each, chance.randrange(1 << 22)) for each in running]
        for step in range(1, reports + 1):
            yield [Reported(*each, ((step, {"loss": chance.random()}),)) for each in running]
        yield [Finished(*each, "completed") for each in running]


def write(directory: str, trials: int, reports: int) -> None:
    """Make the history, by the recorder that a run has."""
    recorder = Recorder(Journal(directory, create=True), 1, background=False)
    for second, facts in enumerate(search(trials, reports)):
        recorder.record(1.76e9 + second / 7, facts)
    recorder.close()


def cold(program: str, path: Path) -> list[float]:
    """What ``program`` says in a Python of its own: the seconds until it was done, and what else it has counted."""
    began = time.monotonic()
    command = [sys.executable, "-c", program, str(path)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE).stdout
    end, *counted = json.loads(said)
    return [end - began, *counted]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--reports", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    total = options.trials * options.reports
    took: list[float] = []
    floors: list[float] = []
    peak_bytes = size_bytes = 0.0
    with tempfile.TemporaryDirectory(prefix="metaopt-benchmark-") as directory:
        progress(f"writing {total} reports")
        write(directory, options.trials, options.reports)
        size_bytes = (Path(directory) / NAME).stat().st_size
        for _ in range(options.rounds):
            seconds, found, peak_kibibytes = cold(RESUME, Path(directory))
            if found != total:
                raise ValueError
            took.append(seconds)
            peak_bytes = max(peak_bytes, peak_kibibytes * 1024)
            floors += cold(FLOOR, Path(directory) / NAME)
            progress(f"{took[-1]:.2f} s, json.loads {floors[-1]:.2f} s")
    answer(
        f"how long until a history of {options.trials} trials of {options.reports} reports is resumed?",
        figure=f"{median(took):.2f} s, {peak_bytes / 1e6:.0f} MB; {size_bytes / 1e6:.0f} MB on disk",
        beside=f"json.loads of the same lines {median(floors):.2f} s",
        aim=f"< {AIM * total / LARGE:g} s ({AIM} s for {LARGE:,} reports)",
        ratio=median(took) / median(floors),
        ratio_of="resumed over json.loads",
        seconds=round(median(took), 3),
        json_loads=round(median(floors), 3),
        reports=total,
        peak_bytes=int(peak_bytes),
        journal_bytes=int(size_bytes),
    )


if __name__ == "__main__":
    main()
