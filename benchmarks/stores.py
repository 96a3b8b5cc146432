"""What does a history cost in each store, beside the raw library doing the same?

    python benchmarks/stores.py [--records 1000000] [--stores journal leveldb tinydb mongodb]

Both keep the same records, as JSON or BSON, and have them on disk before they go on: one at a time and a hundred at a
time, behind 1,000 that are there already.  Then as many as --records are kept, and all of them are read and parsed.
TinyDB writes its file anew at each append, so it is asked for no more than 100,000.  At last a history of 100,000
reports is loaded, as metaopt.history.load does; beside it the same records are folded that are in memory already.

MongoDB is the server at METAOPT_MONGODB_URL, whose user may make and drop databases, or one that is started here.  One
store more is a pair of classes like those in keepers.py, and a line in STORES.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from keepers import File, Keeper, Ours, Plain, Plyvel, PyMongo, Tiny
from measure import answer, progress
from resume import search
from servers import clear, collection_bytes, is_there, study_url

from metaopt.history import load as load_history
from metaopt.history import replay
from metaopt.recorder import Recorder
from metaopt.stores import Record, open_store
from metaopt.stores.memory import Memory

HELD, BATCH, LARGE = 1000, 100, 10_000
TRIALS, REPORTS = 1000, 100
AIM, LOAD_AIM = 0.9, 1.5


def on_disk(place: Path) -> int:
    """The bytes of a file, or of the files in a directory."""
    return place.stat().st_size if place.is_file() else sum(file.stat().st_size for file in place.iterdir())


@dataclass(frozen=True)
class Pair:
    """A store: its URL at a place, what stands beside it, how many records it can be asked for, and ``batch`` at once.

    ``size`` are the bytes that it takes at a place.
    """

    url: Callable[[Path], str]
    raw: Callable[[Path], Keeper]
    most: int = 10_000_000
    batch: int = LARGE
    size: Callable[[Path], int] = on_disk


STORES = {
    "journal": Pair(str, File),
    "leveldb": Pair("leveldb:{}".format, Plyvel),
    "tinydb": Pair("tinydb:{}".format, Tiny, most=100_000),
    "mongodb": Pair(study_url, PyMongo, batch=BATCH, size=collection_bytes),  # it has a document for each batch
}


@dataclass
class Cost:
    """What was measured of one side: the rate of each append, the seconds of each reading."""

    singles: list[float] = field(default_factory=list)
    batched: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    size_bytes: int = 0

    def medians(self) -> dict[str, float]:
        """Records per second, one each and in batches; seconds for all of them."""
        return {"singles": median(self.singles), "batched": median(self.batched), "load": median(self.loads)}


@dataclass(frozen=True)
class Side:
    """Ours, or the raw library: how it is made at a place in ``directory``, and what it was found to cost."""

    name: str
    directory: Path
    make: Callable[[Path], Keeper]
    cost: Cost = field(default_factory=Cost)


def reports(first: int, count: int) -> list[Plain]:
    """So many records, as a script's reports are kept."""
    return [
        {"run": 1, "seq": seq, "time": 1.76e9 + seq / 7, "kind": "Reported", "body": _body(seq)}
        for seq in range(first, first + count)
    ]


def _body(seq: int) -> Plain:
    return {"worker": seq % 64, "trial": seq // 100, "attempt": 1, "points": [[seq % 100, {"loss": 1 / (seq + 0.1)}]]}


def append(sides: Sequence[Side], name: str, appends: int) -> None:
    """A round: one at a time, then in batches; fewer batches, since they are to stay comparable as the file grows.

    The sides take turns at each append, for a disk may be ten times as slow a moment later.
    """
    keepers = [(side.make(side.directory / f"{name}-{side.name}"), side.cost) for side in sides]
    for keeper, _ in keepers:
        keeper.append(reports(1, HELD))
    for index in range(appends):
        for keeper, cost in keepers[:: 1 - 2 * (index % 2)]:
            cost.singles.append(1 / seconds_to_append(keeper, reports(HELD + 1 + index, 1)))
    for index in range(appends // 10):
        batch = reports(HELD + 1 + appends + index * BATCH, BATCH)
        for keeper, cost in keepers[:: 1 - 2 * (index % 2)]:
            cost.batched.append(BATCH / seconds_to_append(keeper, batch))
    for keeper, _ in keepers:
        keeper.close()


def seconds_to_append(keeper: Keeper, batch: Sequence[Plain]) -> float:
    """Until they are on disk."""
    began = time.perf_counter()
    keeper.append(batch)
    return time.perf_counter() - began


def read(make: Callable[[Path], Keeper], place: Path, cost: Cost, records: int) -> None:
    """A round: open, and read everything; raises ValueError when it is not all."""
    gc.collect()
    began = time.perf_counter()
    keeper = make(place)
    found = keeper.read()
    cost.loads.append(time.perf_counter() - began)
    keeper.close()
    if found != records:
        raise ValueError


def fill(make: Callable[[Path], Keeper], place: Path, records: int, batch: int) -> None:
    """So many records, so many at once."""
    keeper = make(place)
    for first in range(1, records + 1, batch):
        keeper.append(reports(first, min(batch, records + 1 - first)))
    keeper.close()


def history() -> list[Record]:
    """The records of a search whose scripts have reported 100,000 times."""
    memory = Memory()
    recorder = Recorder(memory, 1, background=False)
    for second, facts in enumerate(search(TRIALS, REPORTS)):
        recorder.record(1.76e9 + second / 7, facts)
    return [record for _, record in memory.read()]


def folded(pair: Pair, place: Path, records: list[Record], rounds: int) -> list[tuple[float, float]]:
    """Seconds until ``records`` are loaded from a store, and until they are folded without one, a pair a round."""
    store = open_store(pair.url(place), create=True)
    for first in range(0, len(records), pair.batch):
        store.append(records[first : first + pair.batch])
    store.close()
    return [(seconds_to_load(pair.url(place)), seconds_to_fold(records)) for _ in range(rounds)]


def seconds_to_load(url: str) -> float:
    """As a user of a history does; raises ValueError when it is not all there."""
    gc.collect()
    began = time.perf_counter()
    trials = load_history(url).trials
    took = time.perf_counter() - began
    if sum(len(trial.points) for trial in trials.values()) != TRIALS * REPORTS:
        raise ValueError
    return took


def seconds_to_fold(records: list[Record]) -> float:
    """What is the same for all stores."""
    gc.collect()
    began = time.perf_counter()
    replay(Memory(records))
    return time.perf_counter() - began


def compare(name: str, directory: Path, options: argparse.Namespace) -> tuple[Cost, Cost, int]:
    """One store and its raw library, a round of one and a round of the other; how many records they were asked for."""
    pair, records = STORES[name], min(options.records, STORES[name].most)
    ours = Side("ours", directory, lambda place: Ours(pair.url(place)))
    raw = Side("raw", directory, pair.raw)
    for turn in range(options.rounds):
        append((ours, raw), f"{name}-{turn}", options.appends)
    places = [(side, directory / f"{name}-{side.name}") for side in (ours, raw)]
    for side, place in places:
        fill(side.make, place, records, pair.batch)
    for _ in range(options.rounds):
        for side, place in places:
            read(side.make, place, side.cost, records)
    for side, place in places:
        side.cost.size_bytes = pair.size(place)
        progress(f"{name} {side.name}: {in_words(side.cost, records)}")
    return ours.cost, raw.cost, records


def in_words(cost: Cost, records: int) -> str:
    """One side's figures."""
    found = cost.medians()
    return (
        f"{found['singles']:,.0f} records/s one each, {found['batched']:,.0f} by {BATCH}; "
        f"{records:,} read in {found['load']:.2f} s, {cost.size_bytes / 1e6:.1f} MB"
    )


@dataclass
class Findings:
    """What was found of the stores: in words, ours and the raw libraries', and the ratios."""

    ours: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    ratios: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, name: str, directory: Path, options: argparse.Namespace, past: list[Record]) -> None:
        """Measure one store more."""
        ours, raw, records = compare(name, directory, options)
        loads, folds = zip(*folded(STORES[name], directory / f"{name}-history", past, options.rounds), strict=True)
        loaded, fold, beside = median(loads), median(folds), raw.medians()
        progress(f"{name}: a history of {TRIALS * REPORTS:,} reports loaded in {loaded:.2f} s, folded in {fold:.2f} s")
        self.ours.append(f"{name}: {in_words(ours, records)}; history.load {loaded:.2f} s")
        self.raw.append(f"{name}: {in_words(raw, records)}; fold alone {fold:.2f} s")
        ratios = {key: round(value / beside[key], 3) for key, value in ours.medians().items()}
        size = round(ours.size_bytes / raw.size_bytes, 3)
        self.ratios[name] = {**ratios, "size": size, "history": round(loaded / fold, 3)}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stores", nargs="+", choices=STORES, default=[*STORES])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--appends", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    names = [name for name in options.stores if name != "mongodb" or is_there()]
    findings, past = Findings(), history()
    gc.freeze()  # or each collection looks at that history too
    with tempfile.TemporaryDirectory(prefix="metaopt-benchmark-", dir=".") as made:
        directory = Path(made).resolve()
        for name in names:
            findings.add(name, directory, options, past)
        if "mongodb" in names:
            clear(directory)
    answer(
        "what does each store cost beside its raw library?",
        figure="; ".join(findings.ours),
        beside="; ".join(findings.raw),
        aim=f">= {AIM} of its appends one each, <= {LOAD_AIM} times its load",
        ratio=min(found["singles"] for found in findings.ratios.values()),
        ratio_of="records one each over the raw library's, the worst",
        ratios=findings.ratios,
    )


if __name__ == "__main__":
    main()
