"""How soon does a search, with optimizer and stopper, come within 10, 1 and 0.1 % of a table's best?

    python benchmarks/fidelity.py --seeds 5
    python benchmarks/fidelity.py --ours 'gp/never,gp{start=20}/asha{first=3}+pausing' --workers 8 --keep runs.jsonl

The real driver, scheduler, stoppers and optimizers run on the simulator's clock, over tables of learning curves that
have settings (curvetables.py).  Of optimizer/stopper the scripts go on from where they were, where +pausing says so.
Near is a trial that has completed, at full length, with a regret below 10, 1 or 0.1 % of the median row's.  Times are
over those of random search that stops nothing, on as many workers: the ratio of the medians.  A search is over when it
is within 0.1 %, or its workers have spent the time of so many full trainings.  A false stop is one of a trial whose row
is among the best 1 %, stopped for good, or paused when the search is over.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from statistics import fmean, median, quantiles

from contest import Contest
from contestants import choice, listed
from crew import Crew, Scheduler, Trained
from curvetables import EPOCHS, MINUTE, TABLES, CurveTable
from measure import progress
from schedulers import SCHEDULERS
from scores import lay_out
from stopping import NEAR, simulated

import metaopt.optimizers
from metaopt.limits import Limits
from metaopt.messages import Params
from metaopt.plugins import Choice, load, load_stopper
from metaopt.study import Study
from metaopt.trial import State

OURS = (
    "gp/never,gp/median,gp/asha,gp/asha+pausing,gp/hyperband,gp/hyperband+pausing,gp/curves,random/asha+pausing,"
    "gp/asha{first=9}+pausing"
)
BASELINE = "random/never"
BASELINE_SEEDS, BASELINE_BUDGET = 20, 3000
BUDGETS = {1: 40, 8: 120, 32: 256}
"""Full trainings, by the number of workers."""
PAUSING = "+pausing"
PATIENCE, ENDLESS = 1_000_000, 1e100
"""More trials than fit, and more seconds."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An optimizer and a stopper, and whether scripts go on from where they were paused: ``gp/asha+pausing``."""

    optimizer: Choice
    stopper: Choice
    pausing: bool

    @classmethod
    def parse(cls, name: str) -> "Pair":
        """Taken apart; raises SystemExit or PluginError."""
        optimizer, slash, rest = name.partition("/")
        if not slash:
            problem = f"{name!r} is no pair: write it like gp/asha, gp{{start=20}}/asha{{first=3}}{PAUSING}"
            raise SystemExit(problem)
        pair = cls(choice(optimizer), choice(rest.removesuffix(PAUSING)), rest.endswith(PAUSING))
        load("optimizer", pair.optimizer)
        load_stopper(pair.stopper, "minimize")
        return pair


@dataclass(frozen=True, slots=True)
class Run:
    """One search, for the time of ``until`` full trainings in all."""

    pair: str
    table: str
    seed: int
    workers: int
    until: float

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two runs the same, however long they are."""
        return self.pair, self.table, self.seed, self.workers

    @property
    def end(self) -> float:
        """When it is over, in seconds."""
        return self.until * EPOCHS * MINUTE / self.workers


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the seconds until it came near, by how near (infinity: never), and counts of trials.

    ``stopped`` are those that were stopped, ``false`` those of them that should not have been, ``good`` all trials in
    rows of the best 1 %.  ``took`` is seconds of a core.
    """

    run: Run
    near: Sequence[float] = (math.inf,) * len(NEAR)
    completed: int = 0
    stopped: int = 0
    false: int = 0
    good: int = 0
    took: float = 0.0
    failed: str = ""

    def line(self) -> str:
        """As JSON, in which infinity is Python's."""
        return json.dumps(asdict(self))

    @staticmethod
    def parse(line: str) -> "Outcome":
        """The inverse of ``line``."""
        said = json.loads(line)
        return Outcome(Run(**said.pop("run")), **said)


class Finish:
    """Sees how near a search has come, and whether it is over."""

    def __init__(self, table: CurveTable, end: float) -> None:
        self.near = [math.inf] * len(NEAR)
        self._table, self._end = table, end
        self._seen = 0

    def see(self, now: float, loss: float) -> None:
        """A trial has completed with this loss."""
        regret = self._table.regret(loss)
        self.near = [min(t, now if regret <= share else t) for t, share in zip(self.near, NEAR, strict=True)]

    def over(self, study: Study, now: float) -> bool:
        """Look at what has ended since."""
        new, self._seen = study.ended[self._seen :], len(study.ended)
        for trial in map(study.trials.__getitem__, new):
            if trial.state is State.COMPLETED:
                self.see(trial.ended or now, trial.objectives[0])
        return self.reached(now)

    def over_for(self, now: float, completed: Iterable[Trained]) -> bool:
        """The same of a peer's."""
        for trial in completed:
            self.see(now, trial.curve[0][-1])
        return self.reached(now)

    def reached(self, now: float) -> bool:
        """Whether nothing is left to be seen."""
        return now >= self._end or max(self.near) < math.inf


def play(run: Run) -> Outcome:
    """One of ours; random search that stops nothing need not say its curves."""
    table, pair = table_named(run.table), Pair.parse(run.pair)

    def script(params: Params, _: int) -> Iterator[tuple[float, Mapping[str, float]]]:
        losses, seconds = table.curve(params)
        if run.pair == BASELINE:
            losses, seconds = losses[-1:], [sum(seconds)]
        for loss, pause in zip(losses, seconds, strict=True):
            yield pause, {"loss": loss}

    finish, began = Finish(table, run.end), time.process_time()
    study, _ = simulated(
        script,
        run.workers,
        load_stopper(pair.stopper, "minimize"),
        Limits(PATIENCE, run.workers),
        resumes=pair.pausing,
        optimizer=metaopt.optimizers.make(pair.optimizer.rule, table.space, run.seed, **pair.optimizer.settings),
        over=finish.over,
    )
    took = time.process_time() - began
    trials = [trial for trial in study.trials.values() if trial.attempts]
    stopped = [trial.params for trial in trials if trial.state in {State.STOPPED, State.PAUSED}]
    return counted(
        run, finish, study.tally[State.COMPLETED], stopped, begun=[trial.params for trial in trials], took=took
    )


def play_peer(run: Run, python: str) -> Outcome:
    """One of a peer's; its seconds are not those of its own process."""
    table, began = table_named(run.table), time.process_time()
    finish, trials = Finish(table, run.end), math.ceil(run.until)
    with Scheduler(run.pair, table.space, run.seed, python=python, trials=trials, workers=run.workers) as scheduler:
        crew = Crew(scheduler, table.curve, run.workers)
        crew.work(finish.over_for)
    every = crew.trials.values()
    stopped = [each.params for each in every if not (each.runs or each.completed)]
    completed = sum(each.completed for each in every)
    took = time.process_time() - began
    return counted(run, finish, completed, stopped, begun=[each.params for each in every], took=took)


def counted(
    run: Run, finish: Finish, completed: int, stopped: Sequence[Params], *, begun: Sequence[Params], took: float
) -> Outcome:
    """The counts of trials, by their points."""
    table = table_named(run.table)
    false, good = (
        sum(table.regret(table.curve(params)[0][-1]) <= table.good for params in each) for each in (stopped, begun)
    )
    return Outcome(run, finish.near, completed, len(stopped), false, good, round(took, 3))


def attempt(run: Run, python: str) -> Outcome:
    """Run it, and give what went wrong if something does."""
    try:
        return play_peer(run, python) if run.pair in SCHEDULERS else play(run)
    except Exception as error:  # noqa: BLE001 - whatever it is, it counts against the search
        return Outcome(run, failed=f"{type(error).__name__}: {error}")


@cache
def table_named(name: str) -> CurveTable:
    """The table, once a process."""
    return TABLES[name]()


def said(outcome: Outcome) -> str:
    """An outcome, on a line."""
    run, near = outcome.run, "/".join(f"{each / 3600:.2f}" for each in outcome.near)
    trials = f"{outcome.completed} completed, {outcome.stopped} stopped, {outcome.false} of {outcome.good} good ones"
    what = outcome.failed or f"{near} h, {trials}, {outcome.took:.0f} s"
    return f"{run.pair}, {run.table}, seed {run.seed}, {run.workers} workers: {what}"


@dataclass(frozen=True, slots=True)
class Score:
    """Of one pair on a table, by how near: the time over that of random search, its quartiles, the share of no time.

    A median or a quartile that was never reached is infinite.  ``false`` is the share of the stopped trials that should
    not have been, ``lost`` that of the good ones that were stopped.
    """

    ratios: Sequence[float]
    quartiles: Sequence[tuple[float, float]]
    missed: Sequence[float]
    false: float
    lost: float

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], baseline: Sequence[Outcome]) -> "Score":
        """From runs on the same table and as many workers; what random search never reached counts as its time."""
        ratios, quartiles_, missed = [], [], []
        for index in range(len(NEAR)):
            times = [each.near[index] for each in outcomes]
            unit = median(min(each.near[index], each.run.end) for each in baseline)
            low, middle, high = (each / unit for each in middle_half(times))
            ratios.append(middle)
            quartiles_.append((low, high))
            missed.append(fmean(each == math.inf for each in times))
        stopped, good = sum(each.stopped for each in outcomes), sum(each.good for each in outcomes)
        false = sum(each.false for each in outcomes)
        return cls(ratios, quartiles_, missed, false / max(stopped, 1), false / max(good, 1))

    def cells(self) -> list[str]:
        """For a table."""
        near = [
            f"{written(ratio)} [{written(low)} {written(high)}] {missed:.0%}"
            for ratio, (low, high), missed in zip(self.ratios, self.quartiles, self.missed, strict=True)
        ]
        return [*near, f"{self.false:.1%}", f"{self.lost:.0%}"]


def middle_half(times: Sequence[float]) -> list[float]:
    """The quartiles, of which those are infinite that lie beyond the last finite one of ``times``."""
    finite = [min(each, ENDLESS) for each in times]
    found = quantiles(finite, n=4, method="inclusive") if len(finite) > 1 else finite * 3
    return [each if each <= max((t for t in times if t < math.inf), default=0.0) else math.inf for each in found]


def written(ratio: float) -> str:
    """To two digits."""
    return "-" if ratio == math.inf else f"{ratio:.2g}"


def together(scores: Iterable[Score]) -> list[float]:
    """The geometric mean over tables, infinite where one of them is."""
    return [
        math.exp(fmean(map(math.log, each))) if max(each) < math.inf else math.inf
        for each in zip(*(score.ratios for score in scores), strict=True)
    ]


Scores = dict[int, dict[str, dict[str, Score]]]
"""By number of workers, pair and table."""


def show(scores: Scores) -> None:
    """Tables on stderr."""
    for workers, by_pair in scores.items():
        for table in next(iter(by_pair.values()), {}):
            progress(f"\n{workers} workers, {table}: time over that of {BASELINE} within 10/1/0.1 % [quartiles] never")
            rows = [[pair, *by_table[table].cells()] for pair, by_table in by_pair.items() if table in by_table]
            lay_out([["", "10 %", "1 %", "0.1 %", "false", "good ones lost"], *rows])
        progress(f"\n{workers} workers, geometric mean over the tables")
        lay_out([[pair, *map(written, together(by_table.values()))] for pair, by_table in by_pair.items()])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", default=OURS, help="optimizer/stopper, +pausing where scripts can resume")
    parser.add_argument("--peers", default="", help=f"of {', '.join(SCHEDULERS)}; all")
    parser.add_argument("--python", default=sys.executable, help="that of an environment with the peers")
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--workers", default="8", help="1,8,32")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=1.0, help="times the usual one")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="where runs are kept, a line each; what is there is not run again")
    parser.add_argument("--report", action="store_true", help="run nothing: only what is kept")
    given = parser.parse_args()
    pairs, tables, crews = (
        listed(given.ours) if given.ours else [],
        given.tables.split(","),
        [*map(int, given.workers.split(","))],
    )
    for pair in pairs:
        Pair.parse(pair)
    peers = [*SCHEDULERS] if given.peers == "all" else [each for each in given.peers.split(",") if each]
    if unknown := [each for each in peers if each not in SCHEDULERS]:
        problem = f"there is no peer {unknown[0]!r}: {', '.join(SCHEDULERS)}"
        raise SystemExit(problem)
    pairs += peers
    for table in tables:
        table_named(table)
    contest = Contest(given.keep, given.jobs, partial(attempt, python=given.python), Outcome.parse, said)
    baseline = [
        Run(BASELINE, t, seed, w, BASELINE_BUDGET) for t in tables for w in crews for seed in range(BASELINE_SEEDS)
    ]
    runs = [
        Run(pair, table, seed, workers, given.budget * BUDGETS.get(workers, 8 * workers))
        for seed in range(given.seeds)
        for workers in crews
        for table in tables
        for pair in pairs
    ]
    if not given.report:
        contest.hold([*baseline, *runs])
    scores = scored(contest.of(runs), contest.of(baseline))
    show(scores)


def scored(outcomes: Sequence[Outcome], baseline: Sequence[Outcome]) -> Scores:
    """All that is known."""
    scores: Scores = {}
    for workers, pair, table in dict.fromkeys((e.run.workers, e.run.pair, e.run.table) for e in outcomes):
        ours = [
            e for e in outcomes if (e.run.workers, e.run.pair, e.run.table) == (workers, pair, table) and not e.failed
        ]
        beside = [e for e in baseline if (e.run.workers, e.run.table) == (workers, table)]
        if ours and beside:
            scores.setdefault(workers, {}).setdefault(pair, {})[table] = Score.of(ours, beside)
    return scores


if __name__ == "__main__":
    main()
