"""How late does rank 0 look at its workers while the database is away?

    python benchmarks/away.py [--every 0.005 --burst 15] [--frozen 20] [--killed 10]

Rank 0's real loop runs with workers that are only played (rehearsal.py), beside a real MongoDB server which is there,
stands still as if the network were cut, goes on, is killed, and is started again.  The same loop with memory: in its
place is run as well, and beside both a bare loop that only sleeps, which tells how late the machine itself is.  What is
measured is the time from one look at the workers to the next; at the end, each record must be on the server once, and
in order.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from measure import PATIENCE, answer, progress
from servers import is_there, mongo

from metaopt.stores import open_store

AIM = 0.1
REHEARSAL = str(Path(__file__).with_name("rehearsal.py"))
PHASES = ("there", "frozen", "thawed", "killed", "back")
Pairs = Sequence[tuple[float, float]]


class Rehearsal:
    """Rank 0 by itself, as a process."""

    def __init__(self, url: str, options: argparse.Namespace) -> None:
        command = [sys.executable, REHEARSAL, url, str(options.workers), str(options.every), str(options.burst)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if self._process.stdout is None or self._process.stdout.readline() != "begun\n":
            raise subprocess.CalledProcessError(self._process.wait(), command)

    def end(self) -> Mapping[str, Any]:
        """Have it end; what it has seen."""
        self._process.send_signal(signal.SIGUSR1)
        said, _ = self._process.communicate(timeout=PATIENCE)
        found: Mapping[str, Any] = json.loads(said)
        return found


@dataclass
class Round:
    """What one run has seen, by phase: (median, 99th percentile, longest) gap; longest collection; records waiting.

    ``asleep`` is the longest time from one awakening to the next of a bare loop.
    """

    asleep: float
    gaps: Mapping[str, tuple[float, float, float]]
    collections: Mapping[str, float]
    waiting: Mapping[str, float]
    notes: Sequence[tuple[float, str]]

    @classmethod
    def of(
        cls, seen: Mapping[str, Any], marks: Sequence[tuple[str, float]], end: float, asleep: Sequence[float]
    ) -> "Round":
        """Of the phases that begin at ``marks``."""
        ends = [begin for _, begin in marks[1:]] + [end]
        spans = [(name, begin, until) for (name, begin), until in zip(marks, ends, strict=True)]

        def each(pairs: Pairs) -> dict[str, list[float]]:
            return {name: [value for at, value in pairs if begin <= at < until] for name, begin, until in spans}

        return cls(
            max(asleep),
            {name: three(gaps) for name, gaps in each(seen["looks"]).items()},
            {name: max(took, default=0.0) for name, took in each(seen["collections"]).items()},
            {name: max(counts, default=0) for name, counts in each(seen["waiting"]).items()},
            [(at - marks[0][1], note) for at, note in seen["notes"] if at < end],
        )


def three(gaps: Sequence[float]) -> tuple[float, float, float]:
    """The median, the 99th percentile and the longest."""
    ordered = sorted(gaps)
    return median(ordered), ordered[len(ordered) * 99 // 100], ordered[-1]


def sleep(until: float, every: float) -> float:
    """Sleep until then, ``every`` seconds at a time; the longest time from one awakening to the next."""
    longest, last = 0.0, time.monotonic()
    while last < until:
        time.sleep(min(every, until - last))
        longest, last = max(longest, (now := time.monotonic()) - last), now
    return longest


def in_memory(options: argparse.Namespace) -> Round:
    """The same loop, for as long, with nothing that could be away."""
    rehearsal = Rehearsal("memory:", options)
    marks = [("memory", time.monotonic())]
    asleep = sleep(marks[0][1] + sum(getattr(options, phase) for phase in PHASES), options.every)
    end = time.monotonic()
    return Round.of(rehearsal.end(), marks, end, [asleep])


def on_server(options: argparse.Namespace, directory: Path) -> Round:
    """One server, its troubles, and what rank 0 has seen; raises ValueError when not all of it is kept."""
    servers = mongo().Mongo(directory).start()
    (server,) = servers.servers
    url = servers.url("away") + "#away"
    marks: list[tuple[str, float]] = []
    asleep: list[float] = []

    def spend(phase: str, first: Callable[[], object] = lambda: None) -> None:
        marks.append((phase, time.monotonic()))
        first()
        asleep.append(sleep(marks[-1][1] + getattr(options, phase), options.every))

    try:
        rehearsal = Rehearsal(url, options)
        spend("there")
        with server.frozen():
            spend("frozen")
        spend("thawed")
        spend("killed", server.kill)
        spend("back", server.start)
        end = time.monotonic()
        seen = rehearsal.end()
        check(url, seen)
    finally:
        servers.stop()
    return Round.of(seen, marks, end, asleep)


def check(url: str, seen: Mapping[str, Any]) -> None:
    """Raise ValueError unless each record is there once, and in order, and in them each report."""
    store = open_store(url)
    records = [record for _, record in store.read() if record.run == seen["run"]]
    store.close()
    numbers = [record.seq for record in records]
    losses = [record.body["points"][0][1]["loss"] for record in records if record.kind == "Reported"]
    if not seen["kept"] or sorted(set(numbers)) != numbers or losses != [*range(1, seen["said"] + 1)]:
        problem = f"{len(numbers)} of {seen['last']} records and {len(losses)} of {seen['said']} reports are there"
        raise ValueError(problem)
    progress(f"{len(records)} records with {len(losses)} reports are there, in order, each once")


def in_words(rounds: Sequence[Round], phase: str) -> str:
    """The gaps of a phase, in milliseconds: each is the median of the rounds'."""
    middle, late, _ = (median(found) for found in zip(*(each.gaps[phase] for each in rounds), strict=True))
    return f"{phase} {middle * 1e3:.1f}/{late * 1e3:.1f}/{worst(rounds, phase) * 1e3:.0f} ms"


def worst(rounds: Sequence[Round], phase: str) -> float:
    """The longest gap: the median of the rounds'."""
    return median(each.gaps[phase][2] for each in rounds)


def tell(found: Round) -> None:
    """Say how a round went."""
    for phase, gaps in found.gaps.items():
        waited = f"{found.waiting[phase]:,.0f} waited, longest collection {found.collections[phase] * 1e3:.0f} ms"
        progress(f"{phase}: {'/'.join(f'{gap * 1e3:.1f}' for gap in gaps)} ms, {waited}")
    progress(f"a bare loop {found.asleep * 1e3:.1f} ms")
    for at, note in found.notes:
        progress(f"after {at:.1f} s: {note}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=256)
    parser.add_argument("--every", type=float, default=0.005, help="seconds from one word of the workers to the next")
    parser.add_argument("--burst", type=int, default=15, help="how many of them speak then")
    for phase, seconds in zip(PHASES, (4.0, 20.0, 6.0, 6.0, 6.0), strict=True):
        parser.add_argument(f"--{phase}", type=float, default=seconds, help="seconds of this phase")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not is_there(to_be_killed=True):
        return
    rounds: list[Round] = []
    floors: list[Round] = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="metaopt-benchmark-") as directory:
            rounds.append(on_server(options, Path(directory) / "mongo"))
        floors.append(in_memory(options))
        progress(f"round {number + 1}")
        tell(rounds[-1])
        tell(floors[-1])
    longest = {phase: worst(rounds, phase) for phase in PHASES}
    floor = worst(floors, "memory")
    asleep = median(each.asleep for each in [*rounds, *floors])
    waited = median(max(each.waiting.values()) for each in rounds)
    answer(
        "how late does rank 0 look at its workers while the database is away?",
        figure=f"median/99 %/worst: {', '.join(in_words(rounds, phase) for phase in PHASES)}; "
        f"{waited:,.0f} records waited, each is there once and in order",
        beside=f"the same loop with memory: {in_words(floors, 'memory').removeprefix('memory ')}; "
        f"the worst of a bare loop {asleep * 1e3:.0f} ms; {options.burst} reports every {options.every * 1e3:g} ms",
        aim=f"worst < {AIM * 1e3:g} ms",
        ratio=max(longest.values()) / floor,
        ratio_of="worst gap over that with memory",
        gaps={phase: [each.gaps[phase] for each in rounds] for phase in PHASES},
        memory=[each.gaps["memory"] for each in floors],
        asleep=[each.asleep for each in [*rounds, *floors]],
        collections={phase: median(each.collections[phase] for each in rounds) for phase in PHASES},
        collections_memory=median(each.collections["memory"] for each in floors),
        waited=int(waited),
    )


if __name__ == "__main__":
    main()
