"""How soon searches came near the best of a table of learning curves, beside random search; see fidelity.py."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, median, quantiles

from curvetables import EPOCHS, MINUTE
from measure import answer, progress
from schedulers import SCHEDULERS
from scores import lay_out
from stopping import NEAR

BASELINE = "random/never"
ENDLESS = 1e100
"""Seconds: longer than anything."""


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

    def within(self, run: Run) -> "Outcome":
        """As if it had been over when ``run`` is, as far as that is shorter; the counts are those of all of it."""
        near = [each if each <= run.end else math.inf for each in self.near]
        return replace(self, run=run, near=near)

    @staticmethod
    def parse(line: str) -> "Outcome":
        """The inverse of ``line``."""
        said = json.loads(line)
        return Outcome(Run(**said.pop("run")), **said)


def said(outcome: Outcome) -> str:
    """An outcome, on a line."""
    run, near = outcome.run, "/".join(f"{each / 3600:.2f}" for each in outcome.near)
    trials = f"{outcome.completed} completed, {outcome.stopped} stopped, {outcome.false} of {outcome.good} good ones"
    what = outcome.failed or f"{near} h, {trials}, {outcome.took:.0f} s"
    return f"{run.pair}, {run.table}, seed {run.seed}, {run.workers} workers: {what}"


@dataclass(frozen=True, slots=True)
class Score:
    """Of one pair on a table, by how near: the time over that of random search, its quartiles, the share of no time.

    ``least`` is the time where a search that never came so near counts as if it had at its end; else a median or a
    quartile that was never reached is infinite.  ``false`` is the share of the stopped trials that should not
    have been, ``lost`` that of the good ones that were stopped.
    """

    ratios: Sequence[float]
    least: Sequence[float]
    quartiles: Sequence[tuple[float, float]]
    missed: Sequence[float]
    false: float
    lost: float

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], baseline: Sequence[Outcome]) -> "Score":
        """From runs on the same table and as many workers; what random search never reached counts as its time."""
        ratios, least, quartiles_, missed = [], [], [], []
        for index in range(len(NEAR)):
            times = [each.near[index] for each in outcomes]
            unit = median(min(each.near[index], each.run.end) for each in baseline)
            low, middle, high = (each / unit for each in middle_half(times))
            ratios.append(middle)
            least.append(median(min(each.near[index], each.run.end) for each in outcomes) / unit)
            quartiles_.append((low, high))
            missed.append(fmean(each == math.inf for each in times))
        stopped, good = sum(each.stopped for each in outcomes), sum(each.good for each in outcomes)
        false = sum(each.false for each in outcomes)
        return cls(ratios, least, quartiles_, missed, false / max(stopped, 1), false / max(good, 1))

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
    """The geometric mean over tables; a search that never came near counts as if it had at its end."""
    return [math.exp(fmean(map(math.log, each))) for each in zip(*(score.least for score in scores), strict=True)]


Scores = dict[int, dict[str, dict[str, Score]]]
"""By number of workers, pair and table."""


def show(scores: Scores) -> None:
    """Tables on stderr."""
    for workers, by_pair in scores.items():
        for table in next(iter(by_pair.values()), {}):
            progress(f"\n{workers} workers, {table}: time over that of {BASELINE} within 10/1/0.1 % [quartiles] never")
            rows = [[pair, *by_table[table].cells()] for pair, by_table in by_pair.items() if table in by_table]
            lay_out([["", "10 %", "1 %", "0.1 %", "false", "good ones lost"], *rows])
        progress(f"\n{workers} workers, geometric mean over the tables, never counted as at the end")
        lay_out([[pair, *map(written, together(by_table.values()))] for pair, by_table in by_pair.items()])


def tell(scores: Scores, seeds: int, pairs: Sequence[str], tables: Sequence[str]) -> None:
    """The answer, of the first number of workers: ours, and beside them the peers."""
    workers, by_pair = next(iter(scores.items()))

    def words(names: Iterable[str]) -> str:
        each = {name: (together(by_pair[name].values()), missed(by_pair[name].values())) for name in names}
        return "; ".join(
            f"{name} {'/'.join(map(written, ratios))} ({'/'.join(f'{share:.0%}' for share in shares)})"
            for name, (ratios, shares) in each.items()
        )

    known = [pair for pair in pairs if len(by_pair.get(pair, {})) == len(tables)]
    ours, peers = ([pair for pair in known if (pair in SCHEDULERS) == kind] for kind in (False, True))
    best = min(known, key=lambda pair: (missed(by_pair[pair].values())[1], together(by_pair[pair].values())[1]))
    answer(
        f"how much sooner than random search do {workers} workers come within 10/1/0.1 % of the best of "
        f"{len(tables)} tables, by optimizer and stopper?",
        figure=f"{words(ours)} (in brackets the runs that never did)",
        beside=words(peers) or f"{BASELINE} 1",
        aim="none misses more than gp/never, in less time; below each peer",
        ratio=together(by_pair[best].values())[1],
        ratio_of=f"time within 1 % over {BASELINE}, {best}, which misses least",
        seeds=seeds,
        scores={w: {p: {t: s.cells() for t, s in b.items()} for p, b in by.items()} for w, by in scores.items()},
    )


def missed(scores: Iterable[Score]) -> list[float]:
    """The mean share of runs that never came near, over tables."""
    return [fmean(each) for each in zip(*(score.missed for score in scores), strict=True)]


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
