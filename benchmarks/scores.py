"""What the results of a contest amount to, relative to random search: means over problems, and tables for people."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, quantiles, stdev
from typing import Any

from contest import Result
from measure import progress
from problems import HELD_BACK, TUNED

SMALLEST = 1e-4
"""Of the scale of a problem: a regret below is as good as none."""
GROUPS: Mapping[str, Iterable[str]] = {"all": [*TUNED, *HELD_BACK], "tuned": TUNED, "held-back": HELD_BACK}
Logs = dict[str, dict[int, float]]
"""The logarithm of a ratio, by problem and seed."""
Table = dict[str, dict[str, dict[str, float]]]
"""A summary, by optimizer and time."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Random search on one problem.

    The scale is its mean regret at the first of the times; what others are divided by is, at each time, the geometric
    mean over its seeds.
    """

    regrets: Sequence[Sequence[float]]
    first: int

    @property
    def floor(self) -> float:
        """The smallest regret that counts."""
        return SMALLEST * fmean(regret[self.first - 1] for regret in self.regrets)

    def log(self, regret: float) -> float:
        """The logarithm of ``regret``, or of the smallest one."""
        return math.log(max(regret, self.floor))

    def at(self, time: int) -> float:
        """The logarithm of what others are divided by."""
        return fmean(self.log(regret[time - 1]) for regret in self.regrets)


class Scores:
    """All that is asked of the results, at these ``times``."""

    def __init__(self, baseline: Iterable[Result], results: Iterable[Result], times: Sequence[int]) -> None:
        self.times, self._results = times, list(results)
        found: dict[str, list[Sequence[float]]] = {}
        for result in baseline:
            if len(result.regret) >= max(times):
                found.setdefault(result.run.problem, []).append(result.regret)
        self._yardsticks = {problem: Yardstick(regrets, min(times)) for problem, regrets in found.items()}
        self.names = list(dict.fromkeys(result.run.optimizer for result in self._results))

    def logs(self, name: str, time: int, problems: Iterable[str]) -> Logs:
        """The relative regrets of an optimizer at a time."""
        found: Logs = {}
        for result in self._results:
            run, yardstick = result.run, self._yardsticks.get(result.run.problem)
            if yardstick and run.optimizer == name and run.problem in problems and len(result.regret) >= time:
                log = yardstick.log(result.regret[time - 1]) - yardstick.at(time)
                found.setdefault(run.problem, {})[run.seed] = log
        return found

    def paired(self, name: str, other: str, time: int, problems: Iterable[str]) -> Logs:
        """The regret of one optimizer over that of another, from equal seeds."""
        ours, theirs = self.logs(name, time, problems), self.logs(other, time, problems)
        pairs = {
            problem: {seed: log - theirs[problem][seed] for seed, log in logs.items() if seed in theirs[problem]}
            for problem, logs in ours.items()
            if problem in theirs
        }
        return {problem: logs for problem, logs in pairs.items() if logs}

    def wrong(self, name: str) -> dict[str, float]:
        """The share of its runs that end in a wrong category or branch, by problem."""
        ends: dict[str, list[bool]] = {}
        for result in self._results:
            if result.run.optimizer == name and result.right:
                ends.setdefault(result.run.problem, []).append(not result.right[-1])
        return {problem: round(fmean(each), 3) for problem, each in ends.items()}

    def failed(self, name: str) -> list[str]:
        """What went wrong in the runs that came to nothing."""
        return [each.failed for each in self._results if each.run.optimizer == name and each.failed]

    def seconds(self, name: str) -> float:
        """The median ask, once the first half of the run is over; 0 without any run."""
        asks = [ask for each in self._results if each.run.optimizer == name for ask in half(each.seconds)]
        return round(median(asks), 5) if asks else 0.0

    def relative(self, problems: Iterable[str]) -> Table:
        """The relative regrets on these problems, by optimizer and time."""
        return self._table(lambda name, time: self.logs(name, time, problems))

    def over_first(self, problems: Iterable[str]) -> Table:
        """The regret of each optimizer over that of the first, from equal seeds."""
        return self._table(lambda name, time: self.paired(name, self.names[0], time, problems))

    def report(self) -> dict[str, Any]:
        """All of it, as plain data."""
        groups = {group: problems for group, problems in GROUPS.items() if self._yardsticks.keys() & set(problems)}
        problems = {problem: self.relative([problem]) for problem in self._yardsticks}
        return {
            "relative_regret": {group: self.relative(each) for group, each in groups.items()},
            "over_first": {group: self.over_first(each) for group, each in groups.items()},
            "problems": {
                problem: {
                    name: {time: each["mean"] for time, each in by_time.items()} for name, by_time in table.items()
                }
                for problem, table in problems.items()
            },
            "wrong": {name: self.wrong(name) for name in self.names},
            "failed": {name: self.failed(name) for name in self.names},
            "seconds_per_ask": {name: self.seconds(name) for name in self.names},
        }

    def _table(self, logs: Callable[[str, int], Logs]) -> Table:
        found = {name: {time: logs(name, time) for time in self.times} for name in self.names}
        return {
            name: {str(time): summary(each) for time, each in by_time.items() if each}
            for name, by_time in found.items()
        }


def show(report: Mapping[str, Any], times: Sequence[int], unit: str) -> None:
    """The report as tables, on stderr."""
    kinds = {"relative_regret": "regret over that of random search", "over_first": "paired, over the first"}
    for kind, words in kinds.items():
        for group, table in report[kind].items():
            progress(f"\n{words}, {group} problems: mean (x standard error) [quartiles] runs, after {unit}")
            rows = [[name, *(written(by_time.get(str(time))) for time in times)] for name, by_time in table.items()]
            lay_out([["", *map(str, times)], *rows])
    progress(f"\nby problem, after {'/'.join(map(str, times))} {unit}")
    for problem, table in report["problems"].items():
        each = [f"{name} {'/'.join(map(str, by_time.values()))}" for name, by_time in table.items() if by_time]
        progress(f"  {problem}: {', '.join(each)}")
    progress("\nwrong category or branch at the end, runs that failed, seconds of an ask")
    for name, seconds in report["seconds_per_ask"].items():
        wrong = ", ".join(f"{problem} {share:.0%}" for problem, share in report["wrong"][name].items())
        progress(f"  {name}: {wrong or '-'}; {len(report['failed'][name])}; {seconds:.4f}")


def in_words(report: Mapping[str, Any]) -> dict[str, str]:
    """The mean relative regrets over all problems, by optimizer."""
    table = report["relative_regret"].get("all", {})
    return {name: "/".join(f"{each['mean']:.2g}" for each in by_time.values()) for name, by_time in table.items()}


def written(cell: Mapping[str, float] | None) -> str:
    """A cell of the table."""
    if cell is None:
        return "-"
    return f"{cell['mean']} (x{cell['error']}) [{cell['low']} {cell['median']} {cell['high']}] {cell['runs']}"


def lay_out(rows: Sequence[Sequence[str]]) -> None:
    """Print columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        progress("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def half(seconds: Sequence[float]) -> Sequence[float]:
    """The second half."""
    return seconds[len(seconds) // 2 :]


def summary(logs: Logs) -> dict[str, float]:
    """Geometric mean over problems of those over seeds, its standard error as a factor, quartiles of the runs.

    The error is over problems; of a single one, over its seeds.
    """
    means = [fmean(each.values()) for each in logs.values()]
    runs = sorted(log for each in logs.values() for log in each.values())
    alike = means if len(means) > 1 else runs
    error = stdev(alike) / math.sqrt(len(alike)) if len(alike) > 1 else 0.0
    low, middle, high = quantiles(runs, n=4, method="inclusive") if len(runs) > 1 else runs * 3
    return {
        "mean": rounded(fmean(means)),
        "error": rounded(error),
        "median": rounded(middle),
        "low": rounded(low),
        "high": rounded(high),
        "problems": len(means),
        "runs": len(runs),
    }


def rounded(log: float) -> float:
    """What ``log`` is the logarithm of, to three digits."""
    return float(f"{math.exp(log):.3g}")
