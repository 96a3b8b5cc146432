"""How much of their time do workers run scripts, when a script takes half a second?  The limit is 100 %.

    python benchmarks/utilisation.py --workers 8 --trials 120 --rounds 3

A worker is busy from Started to Finished, by the journal.  It counts from when all of them run until the first of them
has nothing left to do.  A thread pool that runs the same script is beside it, by the stricter measure that only the
half second itself is time well spent.
"""

import argparse
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from statistics import mean, median

from measure import Search, answer, progress

SLEEP = 0.5
SCRIPT = ("sh", "-c", f"sleep {SLEEP}; echo loss=1")
Steps = tuple[float, float, float, float]
"""When a trial was over, and when its worker's next one was decided on, was started and was over."""


def steps(search: Search, workers: int) -> Iterator[Steps]:
    """All trials but the first and the last of each worker; later nothing may have been left to do for it."""
    times = [search.times(kind) for kind in ("Assign", "Started", "Finished")]
    by_worker: dict[int, list[list[float]]] = defaultdict(list)
    for record in search.records():
        if record["kind"] == "Assign":
            trial = record["body"]["trial"]
            by_worker[record["body"]["worker"]].append([kind[trial] for kind in times])
    begin, end = sorted(times[1].values())[workers - 1], sorted(times[2].values())[-workers]
    for trials in by_worker.values():
        for (*_, before), (decided, started, over) in pairwise(trials):
            if before >= begin and over <= end:
                yield before, decided, started, over


def metaopt(workers: int, trials: int, optimizer: str) -> dict[str, float]:
    """The busy share, the share slept, and the milliseconds that a trial costs beside its sleep, by where."""
    with Search(workers, [*SCRIPT, "{x}"], trials, optimizer=optimizer) as search:
        found = list(steps(search.run(), workers))
    took = mean(over - before for before, _, _, over in found)
    return {
        "busy": mean(over - started for _, _, started, over in found) / took,
        "slept": SLEEP / took,
        "deciding_ms": 1000 * mean(decided - before for before, decided, _, _ in found),
        "starting_ms": 1000 * mean(started - decided for _, decided, started, _ in found),
        "script_and_its_end_ms": 1000 * mean(over - started - SLEEP for _, _, started, over in found),
    }


def threads(workers: int, trials: int) -> float:
    """The share slept in a thread pool."""
    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as executor:
        list(executor.map(lambda _: subprocess.run(SCRIPT, check=True, stdout=subprocess.PIPE), range(trials)))
    return SLEEP * trials / workers / (time.perf_counter() - began)


def measure(workers: int, trials: int, rounds: int) -> dict[str, dict[str, float]]:
    """Medians by optimizer, and of the thread pool."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        said = {name: metaopt(workers, trials, name) for name in ("gp", "random")}
        said["threads"] = {"slept": threads(workers, trials)}
        for name, figures in said.items():
            progress(f"{name}: " + ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items()))
            for figure, value in figures.items():
                found[name][figure].append(value)
    return {name: {figure: round(median(v), 4) for figure, v in each.items()} for name, each in found.items()}


def in_words(figures: Mapping[str, float]) -> str:
    """How busy the workers are, and what a trial costs beside its sleep."""
    return (
        f"{figures['busy']:.2%}; a trial costs {figures['deciding_ms']:.1f} ms for the decision, "
        f"{figures['starting_ms']:.1f} ms for the start, {figures['script_and_its_end_ms']:.1f} ms in script and end"
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    figures = measure(options.workers, options.trials, options.rounds)
    slept = {name: each["slept"] for name, each in figures.items()}
    answer(
        f"how much of their time do {options.workers} workers run scripts of {SLEEP} s?",
        figure=f"gp {in_words(figures['gp'])}. random {in_words(figures['random'])}",
        beside=f"limit 100 %; of all of the time asleep: gp {slept['gp']:.2%}, random {slept['random']:.2%}, "
        f"a thread pool {slept['threads']:.2%}",
        aim=">= 99 %",
        ratio=figures["gp"]["busy"],
        ratio_of="busy over all of the time, gp",
        figures=figures,
    )


if __name__ == "__main__":
    main()
