"""What does a point cost, after 50 to 5,000 trials, and beside up to 1,024 that are under way?

    python benchmarks/ask_cost.py
    python benchmarks/ask_cost.py --optimizers gp,random,optuna:gp,botorch --python /path/to/environment/bin/python

Six parameters, Hartmann's function; each figure is taken in a process of its own, whose peak of memory it has.  After
so many trials have been told, a point is asked for, which fits what there is to fit; then, several times, what came
of it is told and another one asked for.  Seconds are those on a core, with one thread.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

from contestants import ONE_THREAD, Contestant, Peer, contestant, contestants
from measure import answer, progress
from opponents import OPPONENTS
from problems import PROBLEMS, Params, Problem

import metaopt.optimizers

PROBLEM = "hartmann6"
TELLS, PENDING, MANY = (50, 200, 1000, 2000, 5000), (8, 64, 1024), 1024
MIDDLE = 200
"""Tells, where it is pending points that are counted."""
PEERS_TELLS, PEERS_PENDING = 1000, 64
"""They take long beyond."""


@dataclass(frozen=True, slots=True)
class Case:
    """An optimizer that knows of ``tells`` trials and of ``pending`` ones is asked for ``count`` points."""

    optimizer: str
    tells: int
    pending: int = 0
    count: int = 1

    def __str__(self) -> str:
        return f"{self.optimizer}: ask({self.count}) after {self.tells} trials, {self.pending} under way"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on a core of the first ask and of those that follow (their mean), and peak memory in MB."""

    first: float
    next: float
    memory: float


def cpu_seconds(pid: int) -> float:
    """The processor time of a process so far; the number of its clock is clock_getcpuclockid's."""
    return time.clock_gettime((~pid << 3) | 2)


def peak(pid: int) -> float:
    """The most memory that a process has had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def measure(case: Case, python: str, rounds: int) -> Cost:
    """Take one figure; in a new process."""
    problem = PROBLEMS[PROBLEM]()
    points = metaopt.optimizers.make("random", problem.space, seed=1).ask(case.tells + case.pending, [])
    pending = points[case.tells :]
    with contestant(case.optimizer, problem.space, 1, python=python, workers=1 + case.pending) as optimizer:
        for params in points[: case.tells]:
            optimizer.tell(params, problem.loss(params))
        pid = os.getpid()
        if isinstance(optimizer, Peer):
            pid = optimizer.process.pid
            for params in pending:
                optimizer.begin(params)
            optimizer.ask(0, [])  # answered once all that was said has been taken in
        first, *others = islice(asks(optimizer, case, pending, problem, pid), rounds + 1)
        return Cost(first, fmean(others), peak(pid))


def asks(optimizer: Contestant, case: Case, pending: Sequence[Params], problem: Problem, pid: int) -> Iterator[float]:
    """The seconds of an ask, and then of telling what came of its first point and asking again."""
    began = cpu_seconds(pid)
    while True:
        params = optimizer.ask(case.count, pending)[0]
        yield cpu_seconds(pid) - began
        loss = problem.loss(params)
        began = cpu_seconds(pid)
        optimizer.tell(params, loss)


def cases(names: Sequence[str]) -> list[Case]:
    """What is asked of each."""
    found = [Case(name, tells) for name in names for tells in TELLS]
    found += [Case(name, MIDDLE, pending) for name in names for pending in PENDING]
    found += [Case(name, MIDDLE, count=MANY) for name in names if name not in OPPONENTS]
    return [
        case
        for case in found
        if case.optimizer not in OPPONENTS or (case.tells <= PEERS_TELLS and case.pending <= PEERS_PENDING)
    ]


def take(wanted: Sequence[Case], python: str, rounds: int) -> dict[Case, Cost]:
    """All figures, one after the other; those that cannot be had are left out."""
    os.environ.update(ONE_THREAD)
    found: dict[Case, Cost] = {}
    for case in wanted:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            try:
                found[case] = cost = pool.submit(measure, case, python, rounds).result()
            except (RuntimeError, TimeoutError, ValueError) as error:
                progress(f"{case}: {error}")
                continue
        progress(f"{case}: {cost.first:.4f} s, then {cost.next:.4f} s, {cost.memory:.0f} MB")
    return found


def plain(found: Mapping[Case, Cost], first: str) -> dict[str, list[dict[str, Any]]]:
    """The figures by optimizer, each with what it is a multiple of that of the first optimizer."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for case, cost in found.items():
        row = {name: value for name, value in asdict(case).items() if name != "optimizer"}
        row |= {name: float(f"{value:.3g}") for name, value in asdict(cost).items()}
        if beside := found.get(replace(case, optimizer=first)):
            row["ratio"] = float(f"{cost.next / beside.next:.3g}")
        rows.setdefault(case.optimizer, []).append(row)
    return rows


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--optimizers", default="gp,random", help="the ratio is of the first two")
    parser.add_argument("--rounds", type=int, default=6, help="even: gp has two models, in turn")
    parser.add_argument("--python", default=sys.executable, help="that of an environment with the optimizers of others")
    given = parser.parse_args()
    names = contestants(given.optimizers)
    found = take(cases(names), given.python, given.rounds)
    words = {
        name: "/".join(f"{1000 * found[case].next:.3g}" for tells in TELLS if (case := Case(name, tells)) in found)
        for name in names
    }
    first, second = names[0], names[:2][-1]
    most = max(tells for tells in TELLS if Case(second, tells) in found)
    counts = "/".join(map(str, TELLS))
    answer(
        f"how many ms on a core does a point cost after {counts} trials of 6 parameters?",
        figure=f"{first} {words.pop(first)}; peak {found[Case(first, TELLS[-1])].memory:.0f} MB",
        beside="; ".join(f"{name} {each}" for name, each in words.items()),
        aim="30/150/300 after 200/1000/2000",
        ratio=found[Case(first, most)].next / found[Case(second, most)].next,
        ratio_of=f"{first} over {second}, {most} trials",
        costs=plain(found, first),
    )


if __name__ == "__main__":
    main()
