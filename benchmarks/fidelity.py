"""How soon does a search, with optimizer and stopper, come within 10, 1 and 0.1 % of a table's best?

    python benchmarks/fidelity.py --seeds 5
    python benchmarks/fidelity.py --ours 'gp/never,gp{start=20}/asha{first=3}+pausing' --keep runs.jsonl
    python benchmarks/fidelity.py --peers all --python peers/bin/python

The real driver, scheduler, stoppers and optimizers run on the simulator's clock, over tables of learning curves that
have settings (curvetables.py).  Of optimizer/stopper the scripts go on from where they were, where +pausing says so.
Near is a trial that has completed, at full length, with a regret below 10, 1 or 0.1 % of the median row's.  Times are
over those of random search that stops nothing, on as many workers: the ratio of the medians.  A search is over when it
is within 0.1 %, or its workers have spent the time of 40, 120 or 256 full trainings (1, 8, 32 workers).  A false stop
is one of a trial whose row is among the best 1 %, stopped for good, or paused when the search is over.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from contest import Contest
from contestants import choice, listed
from crew import Crew, Scheduler, Trained
from curvetables import TABLES, CurveTable
from heldback import HELD_BACK
from nearness import BASELINE, Outcome, Run, said, scored, show, tell
from schedulers import SCHEDULERS
from simulation import simulated
from stopping import NEAR

import metaopt.optimizers
from metaopt.limits import Limits
from metaopt.messages import Params
from metaopt.plugins import Choice, load, load_stopper
from metaopt.study import Study
from metaopt.trial import State

OURS = (
    "gp/never,gp/median,gp/asha,gp/asha+pausing,gp/hyperband,gp/hyperband+pausing,gp/curves,random/asha+pausing,"
    "gp/asha{first=9}+pausing,gp/proven,gp/proven+pausing"
)
BASELINE_SEEDS, BASELINE_BUDGET = 20, 3000
BUDGETS = {1: 40, 8: 120, 32: 256}
"""Full trainings, by the number of workers."""
PAUSING = "+pausing"
PATIENCE = 1_000_000
"""More trials than fit."""


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
    return (TABLES | HELD_BACK)[name]()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", default=OURS, help="optimizer/stopper, +pausing where scripts can resume")
    parser.add_argument("--peers", default="", help=f"of {', '.join(SCHEDULERS)}; all")
    parser.add_argument("--python", default=sys.executable, help="that of an environment with the peers")
    parser.add_argument("--tables", default=",".join(TABLES), help=f"of {', '.join(TABLES | HELD_BACK)}")
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
    found = {outcome.run.key: outcome for outcome in contest.of(runs)}
    scores = scored([found[run.key].within(run) for run in runs if run.key in found], contest.of(baseline))
    show(scores)
    tell(scores, given.seeds, pairs, tables)


if __name__ == "__main__":
    main()
