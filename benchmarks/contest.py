"""A contest: each optimizer searches each problem, seed by seed, and what came out is kept, a line of JSON a run.

Time is simulated.  One worker does a trial in one unit of it, so that time is the number of trials; of several, each
takes its own, with the mean one, by the number of the trial alone: those are the same for all optimizers.
"""

import argparse
import heapq
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from contestants import ONE_THREAD, Contestant, contestant, contestants
from measure import progress
from problems import HELD_BACK, PROBLEMS, TUNED, Params, Problem

SLOW = ("kernel ridge", "linear classifier")
"""They train models: last of all."""
BASELINE = 20
"""Seeds of random search."""
SPREAD = 0.5
"""Of the logarithm of a trial's duration, with several workers."""


class AnyRun(Protocol):
    """What a contest has runs of, each up to a time; equal ones have equal hashes."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two runs the same, however long they are."""
        ...

    @property
    def until(self) -> float:
        """How long it is."""
        ...


class AnyResult(Protocol):
    """What came of one."""

    @property
    def run(self) -> AnyRun:
        """Of which run."""
        ...

    def line(self) -> str:
        """As JSON."""
        ...


R = TypeVar("R", bound=AnyResult)


@dataclass(frozen=True, slots=True)
class Run:
    """One search, up to the time ``until``."""

    optimizer: str
    problem: str
    seed: int
    until: int
    workers: int = 1

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two runs the same, however long they are."""
        return self.optimizer, self.problem, self.seed, self.workers


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: the regret at the times 1, 2, ..., and then the best point; or why it failed.

    ``right`` tells at each time whether the best point is in the right branch; it is empty where that is not known.
    """

    run: Run
    regret: Sequence[float] = ()
    right: Sequence[bool] = ()
    seconds: Sequence[float] = ()
    best: Params | None = None
    failed: str = ""

    def line(self) -> str:
        """As JSON."""
        fields = {name: getattr(self.run, name) for name in ("optimizer", "problem", "seed", "until", "workers")}
        found = {name: getattr(self, name) for name in ("regret", "right", "seconds", "best")}
        return json.dumps({**fields, **({"failed": self.failed} if self.failed else found)})

    @staticmethod
    def parse(line: str) -> "Result":
        """The inverse of ``line``."""
        said = json.loads(line)
        run = Run(*(said.pop(name) for name in ("optimizer", "problem", "seed", "until", "workers")))
        return Result(run, **said)


class Incumbent:
    """The best point by what was told, and what it is really worth."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._told = math.inf
        self.params: Params | None = None
        self.regret = math.inf

    def see(self, params: Params, loss: float, told: float) -> None:
        """A trial has ended."""
        if told < self._told:
            self._told, self.params, self.regret = told, params, loss - self._problem.minimum


def search(run: Run, python: str) -> Result:
    """Run it; ``python`` has the optimizers of others."""
    problem = PROBLEMS[run.problem]()
    incumbent, trials = Incumbent(problem), run.until * run.workers
    regret: list[float] = []
    right: list[bool] = []
    seconds: list[float] = []

    def pass_to(now: float) -> None:
        while len(regret) < run.until and len(regret) + 1 < now:
            regret.append(incumbent.regret)
            if problem.right:
                right.append(incumbent.params is not None and problem.right(incumbent.params))

    with contestant(
        run.optimizer, problem.space, run.seed, python=python, trials=trials, workers=run.workers
    ) as optimizer:
        for now, trial, params in played(optimizer, run, seconds):
            pass_to(now)
            loss = problem.loss(params)
            told = problem.told(loss, run.seed, trial)
            optimizer.tell(params, told)
            incumbent.see(params, loss, told)
    pass_to(math.inf)
    return Result(run, regret, right, seconds, incumbent.params)


def played(optimizer: Contestant, run: Run, seconds: list[float]) -> Iterator[tuple[float, int, Params]]:
    """Each trial, when it ends; a worker that comes free is given a point, knowing of those under way.

    ``seconds`` gets what each ask took.
    """
    under_way: list[tuple[float, int, Params]] = []
    numbers = count()

    def begin(now: float) -> None:
        began = time.perf_counter()
        points = optimizer.ask(1, [params for _, _, params in under_way])
        seconds.append(round(time.perf_counter() - began, 5))
        for params in points:
            trial = next(numbers)
            heapq.heappush(under_way, (now + duration(run, trial), trial, params))

    for _ in range(run.workers):
        begin(0.0)
    while under_way and under_way[0][0] <= run.until:
        now, trial, params = heapq.heappop(under_way)
        yield now, trial, params
        if now < run.until:
            begin(now)


def duration(run: Run, trial: int) -> float:
    """How long a trial takes: one unit in the mean, log-normally distributed when there are several workers."""
    if run.workers == 1:
        return 1.0
    return random.Random(f"duration {run.seed} {trial}").lognormvariate(-(SPREAD**2) / 2, SPREAD)


def attempt(run: Run, python: str) -> Result:
    """Run it, and give what went wrong if something does."""
    try:
        return search(run, python)
    except Exception as error:  # noqa: BLE001 - whatever it is, it counts against the optimizer
        return Result(run, failed=f"{type(error).__name__}: {error}")


class Contest(Generic[R]):
    """Runs, in ``jobs`` processes, and the file in which they are kept; what is there is not run again.

    ``attempt`` runs one, ``parse`` is the inverse of a result's ``line``, ``said`` tells people of it.
    """

    def __init__(
        self,
        keep: Path | None,
        jobs: int,
        attempt: Callable[[Any], R],
        parse: Callable[[str], R],
        said: Callable[[R], str],
    ) -> None:
        self._keep, self._jobs, self._attempt, self._said = keep, jobs, attempt, said
        self._kept: dict[tuple[object, ...], R] = {}
        lines = keep.read_text(encoding="utf-8").splitlines() if keep and keep.exists() else []
        for line in lines:
            self._take(parse(line))

    def of(self, runs: Iterable[AnyRun]) -> list[R]:
        """What is known of these runs, perhaps from longer or shorter ones."""
        return [self._kept[run.key] for run in runs if run.key in self._kept]

    def hold(self, runs: Iterable[AnyRun]) -> None:
        """Run those of which too little is kept."""
        missing = [run for run in dict.fromkeys(runs) if self._until(run) < run.until]
        os.environ.update(ONE_THREAD)
        with ProcessPoolExecutor(self._jobs, get_context("spawn")) as pool:
            futures = [pool.submit(self._attempt, run) for run in missing]
            for done, future in enumerate(as_completed(futures), start=1):
                result = future.result()
                self._take(result)
                if self._keep:
                    with self._keep.open("a", encoding="utf-8") as file:
                        file.write(result.line() + "\n")
                progress(f"{done}/{len(missing)} {self._said(result)}")

    def _take(self, result: R) -> None:
        if self._until(result.run) < result.run.until:
            self._kept[result.run.key] = result

    def _until(self, run: AnyRun) -> float:
        return self._kept[run.key].run.until if run.key in self._kept else 0


def said(result: Result) -> str:
    """A result, on a line."""
    run = result.run
    last = result.failed or f"{result.regret[-1]:.3g}, asks {sum(result.seconds):.1f} s"
    return f"{run.optimizer}, {run.problem}, seed {run.seed}, {run.workers} workers: {last}"


def named(text: str) -> list[str]:
    """The problems that ``--problems`` names; raises SystemExit for one that is none."""
    groups: Mapping[str, Iterable[str]] = {"all": PROBLEMS, "tuned": TUNED, "held-back": HELD_BACK}
    names = [name for word in text.split(",") for name in groups.get(word, [word])]
    for name in names:
        if name not in PROBLEMS:
            problem = f"there is no problem {name!r}: {', '.join([*groups, *PROBLEMS])}"
            raise SystemExit(problem)
    return names


def options(text: str, optimizers: str, problems: str) -> argparse.ArgumentParser:
    """What regret.py and parallel.py take alike."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--optimizers", default=optimizers, help="the others are compared with the first; gp{start=20}")
    parser.add_argument("--problems", default=problems, help="all, tuned, held-back, or names with commas between them")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="where runs are kept, a line each; what is there is not run again")
    parser.add_argument("--report", action="store_true", help="run nothing: only what is kept")
    parser.add_argument("--python", default=sys.executable, help="that of an environment with the optimizers of others")
    return parser


def hold(given: argparse.Namespace, until: int, workers: int = 1) -> tuple[list[Result], list[Result]]:
    """Hold the contest that was asked for; gives random search, which all is relative to, and the runs."""
    names, problems = contestants(given.optimizers), named(given.problems)
    baseline = [Run("random", problem, seed, until, workers) for seed in range(BASELINE) for problem in problems]
    runs = [
        Run(name, problem, seed, until, workers)
        for seed in range(given.seeds)
        for problem in problems
        for name in names
    ]
    contest = Contest(given.keep, given.jobs, partial(attempt, python=given.python), Result.parse, said)
    every: list[Run] = sorted([*baseline, *runs], key=lambda run: (run.problem in SLOW, run.seed))
    if not given.report:
        contest.hold(every)
    if not (contest.of(baseline) and contest.of(runs)):
        problem = "nothing is kept that could be reported, or no random search beside it: leave --report out"
        raise SystemExit(problem)
    return contest.of(baseline), contest.of(runs)
