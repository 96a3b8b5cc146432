"""How much sooner does a search come near the best when a stopper ends trials early, and what does it miss?

    python benchmarks/stopping.py
    python benchmarks/stopping.py --workers 8 --python peers/bin/python     # beside Optuna's pruners

The real driver, scheduler and stoppers run on the simulator's clock, over tables of learning curves: real trainings of
scikit-learn's digits (kept on disk), and made ones that cross.  Each trial is one row, in an order that the seed gives,
and each row is tried once, so a row that was stopped is not found again.  Near is a completed trial whose regret is
below 10, 1 or 0.1 % of the median row's.  Where a rule pauses, scripts go on from where they were.  A false stop is one
of a trial whose row is among the best 1 %.  Then rank 0 alone: 4,096 workers that report once a second, for a minute,
and an optimizer that answers after 10 ms, beside which a stopper that is asked apart answers after 1 ms.
"""

import argparse
import json
import math
import random
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from measure import answer, progress
from problems import CACHE
from simulation import Tape, driven, simulated

from metaopt.driver import collect_seldom
from metaopt.limits import Limits
from metaopt.messages import Params, Reported
from metaopt.plugins import Choice, load_stopper
from metaopt.stopping.base import Stopper, is_apart
from metaopt.transports.simulated import SimulatedHub
from metaopt.trial import State
from metaopt.wire import decode, encode

ROWS, STEPS, EPOCH = 500, 27, 60.0
NEAR = (0.1, 0.01, 0.001)
BEST = 0.01
WORKERS = (1, 8, 32)
NAMES = ("never", "median", "asha", "hyperband", "pasha", "proven", "curves", "patience")
RULES = {rule: Choice(rule) for rule in NAMES}
RULES["asha from 9"] = Choice("asha", {"first": 9})
PAUSING = {f"{rule}, pausing": RULES[rule] for rule in ("asha", "hyperband", "pasha", "proven", "asha from 9")}
PEERS = tuple(f"optuna:{name}" for name in ("median", "halving", "hyperband", "wilcoxon"))
PROGRAM = Path(__file__).with_name("pruners.py")
CROWD, MINUTE, LENGTH, THOUGHT = 4096, 60.0, 30, 0.01
Table = Sequence[Sequence[float]]
"""The loss of each row at each of its steps."""


def crossing() -> Table:
    """Power laws with noise whose end and speed go together: who ends well begins slowly, more often than not."""
    chance = random.Random(1)
    rows = []
    for _ in range(ROWS):
        end = 0.05 + 0.6 * chance.betavariate(1.5, 2.5)
        speed = 0.25 + 1.2 * end + chance.uniform(-0.15, 0.35)
        start = 0.9 + 0.2 * chance.random()
        last = STEPS**-speed
        falling = ((step**-speed - last) / (1 - last) for step in range(1, STEPS + 1))
        rows.append([end + (start - end) * part + chance.gauss(0, 0.004) for part in falling])
    return rows


def digits() -> Table:
    """Linear classifiers of scikit-learn's digits, by SGD: the log loss of a third that they do not see."""
    kept = CACHE / f"digits-curves-{ROWS}-{STEPS}.json"
    if not kept.exists():
        rows = []
        for row in range(ROWS):
            if row % 50 == 0:
                progress(f"training row {row} of {ROWS}")
            rows.append(trained(row))
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(rows), encoding="ascii")
    return [[float(value) for value in row] for row in json.loads(kept.read_text(encoding="ascii"))]


def trained(row: int) -> list[float]:
    """The losses of one training."""
    import numpy as np  # noqa: PLC0415 - only who has no curves yet
    from sklearn.datasets import load_digits  # noqa: PLC0415 - the same
    from sklearn.linear_model import SGDClassifier  # noqa: PLC0415 - the same
    from sklearn.metrics import log_loss  # noqa: PLC0415 - the same

    inputs, targets = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(inputs))
    inputs, targets = inputs[order] / 16, targets[order]
    train, held_back = slice(0, 1200), slice(1200, None)
    chance = random.Random(row)
    model = SGDClassifier(
        loss="log_loss",
        penalty=chance.choice(["l2", "l1", "elasticnet"]),
        alpha=10 ** chance.uniform(-7, -1),
        learning_rate=chance.choice(["constant", "invscaling", "optimal"]),
        eta0=10 ** chance.uniform(-4, 1),
        power_t=chance.uniform(0.05, 0.8),
        random_state=row,
    )
    said = []
    for _ in range(STEPS):
        model.partial_fit(inputs[train], targets[train], classes=np.arange(10))
        guess = np.clip(np.nan_to_num(model.predict_proba(inputs[held_back]), nan=0.1), 1e-6, 1)
        said.append(float(log_loss(targets[held_back], guess / guess.sum(axis=1, keepdims=True))))
    return said


TABLES = {"digits": digits, "crossing": crossing}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one run: seconds until it came near, by how near (infinity: never); the false stops, the best; all seconds."""

    near: tuple[float, ...]
    false: int
    best: int
    took: float


def play(table: Table, rule: str, workers: int, seed: int, python: str = "") -> Outcome:
    """Search the whole table once."""
    chance = random.Random(seed)
    order = chance.sample(range(len(table)), len(table))
    paces = [EPOCH * chance.lognormvariate(0.0, 0.3) for _ in table]

    def script(_: Params, trial: int) -> Iterator[tuple[float, Mapping[str, float]]]:
        for value in table[order[trial]]:
            yield paces[order[trial]], {"loss": value}

    limits = Limits(len(table), workers)
    study, hub = simulated(script, workers, stopper(rule, python), limits, resumes=rule in PAUSING)
    ends = sorted(row[-1] for row in table)
    best, scale = ends[0], median(ends) - ends[0]
    completed = [trial for trial in study.trials.values() if trial.state is State.COMPLETED]
    near = tuple(
        min((t.ended or 0.0 for t in completed if t.objectives[0] <= best + share * scale), default=math.inf)
        for share in NEAR
    )
    good = {row for row, curve in enumerate(table) if curve[-1] <= ends[math.ceil(BEST * len(ends)) - 1]}
    stopped = [order[t.number] for t in study.trials.values() if t.state is State.STOPPED]
    return Outcome(near, len(good.intersection(stopped)), len(good), hub.now())


class Peer:
    """A pruner of Optuna's, by its name here, in a process of its own."""

    def __init__(self, python: str, name: str) -> None:
        self._process: Any = subprocess.Popen(
            [python, str(PROGRAM), name.partition(":")[2], str(STEPS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Whether it would prune the trial."""
        self._process.stdin.write(f"{json.dumps([trial, points])}\n")
        self._process.stdin.flush()
        return "pruned" if json.loads(self._process.stdout.readline()) else ""

    def __del__(self) -> None:
        self._process.communicate()


def stopper(rule: str, python: str = "") -> Stopper:
    """A new one of this name; ``python`` is that of the peers' environment."""
    return Peer(python, rule) if rule in PEERS else load_stopper({**RULES, **PAUSING}[rule], "minimize")


class Cost(NamedTuple):
    """Seconds on a core: of the rule, the rest of rank 0 (with what it decodes), and the players with their clock."""

    own: float
    rest: float
    players: float


def crowd(_: Params, trial: int) -> Iterator[tuple[float, Mapping[str, float]]]:
    """A script that reports about once a second."""
    chance = random.Random(trial)
    level = chance.random()
    for step in range(1, LENGTH + 1):
        yield chance.uniform(0.5, 1.5), {"loss": level + 1 / step + 0.01 * chance.random()}


def cost(rule: str, minute: float) -> Cost:
    """For each second in which 4,096 workers report.  What each part costs is measured by itself, in a second run."""

    def made() -> tuple[Stopper, SimulatedHub]:
        return stopper(rule), SimulatedHub(crowd, CROWD, leap=math.inf, resumes=rule in PAUSING)

    drive = partial(
        driven,
        limits=Limits(1_000_000, CROWD),
        resumes=rule in PAUSING,
        over=lambda _, now: now >= minute,
        thought=THOUGHT,
    )
    judge, hub = made()
    collect_seldom()
    began = time.thread_time()
    drive(judge, hub)
    took = time.thread_time() - began
    judge, hub = made()
    judged, played = Tape(judge), Tape(hub)
    drive(judged, played)
    judge, hub = made()
    own, players = judged.again(judge), played.again(hub)
    said = encode(Reported(1, 1, 1, ((1, {"loss": 0.123456789}),)))
    began = time.thread_time()
    for _ in range(CROWD):
        decode(said)
    heard = time.thread_time() - began
    return Cost(own / minute, (took - own - players) / minute + heard, players / minute - heard)


@dataclass(frozen=True, slots=True)
class Score:
    """Of a rule at a number of workers, over tables and seeds: times over those without a stopper, and what it misses.

    ``times`` are geometric means, by how near, of the runs that came so near; ``missed`` is the share of the others,
    ``false`` that of the best rows that were stopped.
    """

    times: tuple[float, ...]
    missed: tuple[float, ...]
    false: float
    whole: float

    @classmethod
    def of(cls, ours: Sequence[Outcome], never: Sequence[Outcome]) -> "Score":
        """From runs with the same tables and seeds."""
        times, missed = [], []
        for index in range(len(NEAR)):
            pairs = [(a.near[index], b.near[index]) for a, b in zip(ours, never, strict=True)]
            logs = [math.log(a / b) for a, b in pairs if a < math.inf]
            times.append(math.exp(fmean(logs)) if logs else math.inf)
            missed.append(1 - len(logs) / len(pairs))
        whole = fmean(a.took / b.took for a, b in zip(ours, never, strict=True))
        return cls(tuple(times), tuple(missed), sum(a.false for a in ours) / sum(a.best for a in ours), whole)

    def __str__(self) -> str:
        """Within 10, 1 and 0.1 %, each with what was missed; false stops; the whole table."""
        near = "/".join(f"{each:.2f}" for each in self.times)
        missed = "/".join(f"{each:.0%}" for each in self.missed)
        return f"{near}, missed {missed}, false {self.false:.0%}, all of it {self.whole:.2f}"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", default=",".join(TABLES))
    ours = [rule for rule in (*RULES, *PAUSING) if rule != "never"]
    parser.add_argument("--rules", help=f"with ; between them, of {'; '.join((*ours, *PEERS))}")
    parser.add_argument(
        "--python", default="", help="that of the peers' environment: compare with Optuna's pruners too"
    )
    parser.add_argument("--workers", default=",".join(map(str, WORKERS)))
    parser.add_argument("--minute", type=float, default=MINUTE, help="simulated seconds of the crowd; 0: none")
    options = parser.parse_args()
    tables = {name: TABLES[name]() for name in options.tables.split(",")}
    scores: dict[str, dict[int, Score]] = {}
    rules = options.rules.split(";") if options.rules else [*ours, *(PEERS if options.python else ())]
    for workers in map(int, options.workers.split(",")):
        never: dict[str, list[Outcome]] = {}
        for rule in ("never", *rules):
            seeds = range(options.seeds)
            found = {name: [play(t, rule, workers, s, options.python) for s in seeds] for name, t in tables.items()}
            never = never or found
            for name in tables:
                progress(f"{workers:3} workers, {name:9} {rule:20} {Score.of(found[name], never[name])}")
            every = Score.of([each for name in tables for each in found[name]], [e for n in tables for e in never[n]])
            scores.setdefault(rule, {})[workers] = every
            progress(f"{workers:3} workers, all       {rule:20} {every}")
    costs = {rule: cost(rule, options.minute) for rule in scores if rule not in PEERS} if options.minute else {}
    for rule, each in costs.items():
        progress(
            f"{rule}: {1000 * each.own:.1f} ms, {each.rest:.3f} s the rest of rank 0, {each.players:.3f} s players"
        )
    tell(scores, costs, options.seeds, len(tables))


def tell(scores: Mapping[str, Mapping[int, Score]], costs: Mapping[str, Cost], seeds: int, tables: int) -> None:
    """The answer: at eight workers, if those were asked for, and the costs."""
    middle = {rule: each[WORKERS[1]] for rule, each in scores.items() if rule != "never" and WORKERS[1] in each}
    if not middle:
        return
    rules = "; ".join(
        f"{rule} {'/'.join(f'{t:.2f}' for t in each.times)} ({'/'.join(f'{m:.0%}' for m in each.missed)}, "
        f"{each.false:.0%})"
        for rule, each in middle.items()
    )
    own = ", ".join(f"{rule} {1000 * each.own:.1f}" for rule, each in costs.items())
    whole = max((each.rest + each.own * (not is_apart(stopper(rule))) for rule, each in costs.items()), default=0.0)
    best = min(middle, key=lambda rule: (middle[rule].missed[1], middle[rule].times[1]))
    answer(
        f"how much sooner do {WORKERS[1]} workers come within 10/1/0.1 % of the best of {tables} tables of curves?",
        figure=f"{rules} (in brackets the runs that never did, and the best 1 % that were stopped); ms for each second "
        f"in which {CROWD} workers report: {own}",
        beside=f"without a stopper 1, in the same {seeds} orders; with the rest of rank 0, {whole:.2f} s at most",
        aim="no run misses it; rank 0 < 0.5 s",
        ratio=middle[best].times[1],
        ratio_of=f"time within 1 %, {best}, which misses least, over never",
        scores={rule: {str(w): str(each) for w, each in by.items()} for rule, by in scores.items()},
        costs={rule: [round(each, 5) for each in both] for rule, both in costs.items()},
    )


if __name__ == "__main__":
    main()
