"""How many trials that do nothing are done in a second, beside bare pools of as many processes in the same run?

    python benchmarks/overhead.py --workers 2 8 32 --trials 300 --rounds 3

Each trial is ``/bin/echo loss=1``.  metaopt has everything on: guard, journal, a metric's pattern, a trial's directory
with its outcome on disk; start-up does not count.  The peers run the same program and read what it says.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from measure import PATIENCE, PEERS, Search, answer, mpirun, progress
from peers import TRIAL, echo

AIM = 250


def metaopt(workers: int, trials: int, optimizer: str) -> float:
    """Trials per second, from the first Assign after which all workers are there to the last Finished."""
    with Search(workers, [*TRIAL, "{x}"], trials, optimizer=optimizer) as search:
        records = search.run().records()
        assigned, ended = search.times("Assign").values(), search.times("Finished").values()
    begin = max(min(assigned), *(record["time"] for record in records if record["kind"] == "Joined"))
    if not (counted := sum(end > begin for end in ended)):
        problem = f"{trials} trials were over before {workers} workers were there: give it more --trials"
        raise ValueError(problem)
    return float(counted / (max(ended) - begin))


def threads(workers: int, trials: int) -> float:
    """Trials per second of a thread pool."""
    with ThreadPoolExecutor(workers) as executor:
        began = time.perf_counter()
        done = len(list(executor.map(echo, range(trials))))
        return done / (time.perf_counter() - began)


def futures(workers: int, trials: int) -> float:
    """Trials per second of mpi4py's pool."""
    command = (sys.executable, "-m", "mpi4py.futures", PEERS, "pool", str(workers), str(trials))
    with mpirun(workers + 1, *command) as process:
        said = json.loads(process.communicate(timeout=PATIENCE)[0])
    return float(said["trials"] / said["seconds"])


def measure(counts: Sequence[int], trials: int, rounds: int) -> dict[str, dict[int, float]]:
    """The median rate of each way, by the number of workers."""
    ways: dict[str, Callable[[int], float]] = {
        "gp": lambda workers: metaopt(workers, trials, "gp"),
        "random": lambda workers: metaopt(workers, trials, "random"),
        "threads": lambda workers: threads(workers, trials),
        "futures": lambda workers: futures(workers, trials),
    }
    rates: dict[str, dict[int, float]] = {name: {} for name in ways}
    for workers in counts:
        seen: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                seen[name].append(way(workers))
                progress(f"{workers} workers, {name}: {seen[name][-1]:.0f} trials/s")
        for name, found in seen.items():
            rates[name][workers] = round(median(found), 1)
    return rates


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates = measure(options.workers, options.trials, options.rounds)
    counts = "/".join(str(count) for count in options.workers)
    said = {name: "/".join(f"{rate:.0f}" for rate in found.values()) for name, found in rates.items()}
    middle = options.workers[len(options.workers) // 2]
    answer(
        f"how many trials that do nothing are done in a second, by {counts} workers?",
        figure=f"{said['gp']} with gp, {said['random']} with random",
        beside=f"thread pool {said['threads']}, mpi4py.futures {said['futures']}",
        aim=f">= {AIM}",
        ratio=rates["random"][middle] / rates["threads"][middle],
        ratio_of=f"random over thread pool, {middle} workers",
        trials_per_second=rates,
    )


if __name__ == "__main__":
    main()
