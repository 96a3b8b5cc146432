"""How long does rank 0 take for 4,096 workers and 16,384 trials of 20 reports, beside a bare loop over as many events?

    python benchmarks/simulate.py

The real driver, scheduler and recorder run on the simulator's clock, twice, and must write the same log.  The floor is
a heap from which as many messages are taken, each encoded and decoded once.  Seconds are those on a core.
"""

import argparse
import hashlib
import heapq
import json
import random
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from statistics import median

from measure import answer, progress

from metaopt.driver import Driver, collect_seldom
from metaopt.goals import Goals
from metaopt.limits import Limits
from metaopt.messages import Opened, Params, Reported
from metaopt.objective import Objective
from metaopt.optimizers import make
from metaopt.proposer import InlineProposer
from metaopt.recorder import Recorder
from metaopt.scheduler import Scheduler
from metaopt.stopping.never import Never
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.transports.simulated import Script, SimulatedHub
from metaopt.trial import State
from metaopt.wire import decode, encode

AIM = 30
SPACE = {"lr": "loguniform(1e-4, 1)", "width": "integer(8, 256, log)", "kind": "choice(a, b, c)"}


class Silence:
    """A view that nobody looks at."""

    def show(self, now: float, scheduler: Scheduler, notes: list[str]) -> None:
        """Show nothing."""


def training(reports: int) -> Script:
    """Epochs of about a minute and a loss that falls; what a trial does depends on its number alone."""

    def train(_: Params, trial: int) -> Iterator[tuple[float, Mapping[str, float]]]:
        chance = random.Random(trial)
        for epoch in range(1, reports + 1):
            yield chance.uniform(30.0, 90.0), {"loss": chance.random() + 1.0 / epoch}

    return train


def simulate(workers: int, trials: int, reports: int) -> tuple[float, str, int]:
    """Seconds on a core, the digest of the log, the number of its records."""
    store, study = Memory(), Study(Goals((Objective("loss"),)))
    scheduler = Scheduler(study, Limits(trials, workers), Never())
    proposer, recorder = InlineProposer(make("random", SPACE, seed=1)), Recorder(store, 1, background=False)
    driver = Driver(scheduler, SimulatedHub(training(reports), workers), proposer, recorder, Silence())
    collect_seldom()
    began = time.process_time()
    driver.run(Opened("1", 1, {"name": "simulated", "objective": {"metric": "loss"}}))
    seconds = time.process_time() - began
    if study.tally[State.COMPLETED] != trials:
        raise ValueError
    digest, records = hashlib.sha256(), [record for _, record in store.read()]
    for record in records:
        digest.update(json.dumps([record.seq, record.time, record.kind, record.body]).encode())
    return seconds, digest.hexdigest(), len(records)


def bare_loop(workers: int, events: int) -> float:
    """Seconds on a core for taking ``events`` messages off a heap of ``workers``, each encoded and decoded once."""
    chance = random.Random(1)
    heap = [(chance.random(), worker, b"") for worker in range(workers)]
    heapq.heapify(heap)
    began = time.process_time()
    for index in range(events):
        now, worker, _ = heap[0]
        word = encode(Reported(worker, index, 1, ((1, {"loss": now}),)))
        decode(word)
        heapq.heapreplace(heap, (now + chance.random(), worker, word))
    return time.process_time() - began


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=4096)
    parser.add_argument("--trials", type=int, default=16384)
    parser.add_argument("--reports", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    took: list[float] = []
    floors: list[float] = []
    digests: list[str] = []
    records = 0
    for _ in range(options.rounds):
        seconds, digest, records = simulate(options.workers, options.trials, options.reports)
        took.append(seconds)
        digests.append(digest)
        floors.append(bare_loop(options.workers, records))
        progress(f"{took[-1]:.1f} s, bare loop {floors[-1]:.1f} s, {records} records, log {digest[:12]}")
    same = all(one == other for one, other in pairwise(digests))
    answer(
        f"how long does rank 0 take for {options.workers} workers and {options.trials} trials of "
        f"{options.reports} reports?",
        figure=f"{median(took):.1f} s; {options.rounds} runs, {'the same log' if same else 'DIFFERENT LOGS'}",
        beside=f"a bare loop over as many events {median(floors):.1f} s",
        aim=f"< {AIM} s, the same log each time",
        ratio=median(took) / median(floors),
        ratio_of="rank 0 over the bare loop",
        seconds=round(median(took), 2),
        bare_loop=round(median(floors), 2),
        records=records,
        same_log=same,
        log=digests[0],
    )


if __name__ == "__main__":
    main()
