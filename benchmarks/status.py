"""How long do the verbs take that look at a large history, beside json.loads alone over the same lines?

    python benchmarks/status.py [--trials 10000]

A history is written in which each report is a line of its own, the reports of all workers by turns; then each verb is
typed.  The floor is a cold Python that parses the same lines, many at a time, and keeps nothing, as in resume.py.
Seconds are those in which a core was at it, from the start of Python on; there is but one thread.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from measure import PATIENCE, answer, progress
from resume import FLOOR, LARGE, write

from metaopt.stores.journal import NAME

AIM = 1.5
VERBS = {"status": [], "best": [], "list": [], "show": ["7"]}


def seconds_of(*arguments: str) -> float:
    """What a Python with these ``arguments`` takes of a core; raises CalledProcessError when it does not end well."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--reports", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    total = options.trials * options.reports
    took: dict[str, list[float]] = {verb: [] for verb in VERBS}
    floors: list[float] = []
    with tempfile.TemporaryDirectory(prefix="metaopt-benchmark-") as directory:
        progress(f"writing {total} reports")
        write(directory, options.trials, options.reports)
        for _ in range(options.rounds):
            for verb, seconds in took.items():
                seconds.append(seconds_of("-m", "metaopt", verb, directory, *VERBS[verb]))
            floors.append(seconds_of("-c", FLOOR, str(Path(directory) / NAME)))
            progress(f"{', '.join(f'{verb} {seconds[-1]:.2f}' for verb, seconds in took.items())} s")
    medians = {verb: median(seconds) for verb, seconds in took.items()}
    answer(
        f"how long do verbs take to look at a history of {options.trials} trials of {options.reports} reports?",
        figure=", ".join(f"{verb} {seconds:.2f} s" for verb, seconds in medians.items()),
        beside=f"json.loads of the same lines {median(floors):.2f} s",
        aim=f"< {AIM * total / LARGE:g} s ({AIM} s for {LARGE:,} reports)",
        ratio=medians["status"] / median(floors),
        ratio_of="status over json.loads",
        seconds={verb: round(seconds, 3) for verb, seconds in medians.items()},
        json_loads=round(median(floors), 3),
        reports=total,
    )


if __name__ == "__main__":
    main()
