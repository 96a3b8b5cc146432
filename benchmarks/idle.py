"""How much of a core do the ranks use while the scripts train, beside a rank that waits as MPI does?

    python benchmarks/idle.py --workers 32 --seconds 10 --rounds 3

The floor is a process without MPI that only wakes up as often as a worker looks at its messages.
"""

import argparse
import subprocess
import sys
import time
from statistics import median

from measure import PEERS, Search, answer, children, mpirun, progress, ranks_of, shares, until

from metaopt.worker import PAUSE

SETTLING = 3.0


def metaopt(workers: int, seconds: float, rounds: int) -> dict[str, float]:
    """Per cent of a core: a worker (the median one), its guard, rank 0."""
    with Search(workers, ["sleep", "600", "{x}"], workers, grace="1s").start() as search:
        search.wait_until_all_run()
        ranks = ranks_of(search.process.pid)
        others = [pid for rank, pid in ranks.items() if rank]
        guards = [children(pid)[0] for pid in others]
        time.sleep(SETTLING)
        found: list[list[float]] = [[], [], []]
        for _ in range(rounds):
            percents = shares([ranks[0], *others, *guards], seconds)
            middle = 1 + len(others)
            each = (percents[0], median(percents[1:middle]), median(percents[middle:]))
            progress("rank 0 {:.2f} %, worker {:.3f} %, guard {:.4f} %".format(*each))
            for values, value in zip(found, each, strict=True):
                values.append(value)
    return dict(zip(("rank_0", "worker", "guard"), map(median, found), strict=True))


def blocked(seconds: float) -> float:
    """Per cent of a core that a rank uses which waits in a blocking receive."""
    with mpirun(2, sys.executable, PEERS, "receive") as process:
        until(lambda: len(ranks_of(process.pid)) == 2, "the start of two ranks")  # noqa: PLR2004 - the two ranks
        if process.stdout is None or {process.stdout.readline() for _ in range(2)} != {"0\n", "1\n"}:
            raise ValueError
        share = shares([ranks_of(process.pid)[1]], seconds)[0]
        process.terminate()
    return share


def dozing(seconds: float) -> float:
    """Per cent of a core that a process uses which only wakes up now and then."""
    with subprocess.Popen([sys.executable, PEERS, "doze", str(PAUSE)], stdin=subprocess.PIPE) as process:
        time.sleep(1.0)
        share = shares([process.pid], seconds)[0]
        process.kill()
    return share


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    figures = metaopt(options.workers, options.seconds, options.rounds)
    figures["blocking_receive"] = blocked(options.seconds / 2)
    figures["process_that_wakes_up_as_often"] = dozing(options.seconds)
    figures = {name: round(value, 4) for name, value in figures.items()}
    answer(
        f"how much of a core do a worker and rank 0 use while {options.workers} scripts train?",
        figure=f"worker {figures['worker']:.2f} % (its guard {figures['guard']:.3f} %), "
        f"rank 0 {figures['rank_0']:.1f} %",
        beside=f"blocking receive {figures['blocking_receive']:.0f} %, "
        f"a bare process that wakes up as often {figures['process_that_wakes_up_as_often']:.2f} %",
        aim="worker < 0.5 %, rank 0 < 5 %",
        ratio=figures["worker"] / figures["blocking_receive"],
        ratio_of="worker over blocking receive",
        per_cent_of_a_core=figures,
    )


if __name__ == "__main__":
    main()
