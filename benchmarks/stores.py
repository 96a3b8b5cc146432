"""What does a history cost in each store, beside the raw library doing the same?

    python benchmarks/stores.py [--records 1000000] [--stores journal leveldb tinydb]

Both keep the same records, as JSON, and have them on disk before they go on: one at a time and a hundred at a time,
behind 1,000 that are there already.  Then as many as --records are kept, and all of them are read and parsed.  TinyDB
writes its file anew at each append, so it is asked for no more than 100,000.  One store more is a class like those
below, and a line in STORES.
"""

import argparse
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from measure import answer, progress

from metaopt.stores import Record, open_store

HELD, BATCH, LARGE = 1000, 100, 10_000
AIM, LOAD_AIM = 0.9, 1.5
Plain = Mapping[str, Any]


class Keeper(Protocol):
    """What is measured: a store of metaopt's, or its raw library.  Made anew, it finds what is there."""

    def append(self, plains: Sequence[Plain]) -> None:
        """Keep these; they are on disk when it returns."""

    def read(self) -> int:
        """Parse all that is there; gives how many they are."""

    def close(self) -> None:
        """Let others open it."""


class Ours:
    """A store of metaopt's, by its URL."""

    def __init__(self, url: str) -> None:
        self._store = open_store(url, create=True)

    def append(self, plains: Sequence[Plain]) -> None:
        """As records."""
        self._store.append([Record(**plain) for plain in plains])

    def read(self) -> int:
        """As records."""
        return sum(1 for _ in self._store.read())

    def close(self) -> None:
        """Its claim too."""
        self._store.close()


class File:
    """Lines of JSON in a file, with fsync."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._file = place.open("ab", buffering=0)

    def append(self, plains: Sequence[Plain]) -> None:
        """One write."""
        self._file.write(b"".join([json.dumps(plain).encode() + b"\n" for plain in plains]))
        os.fsync(self._file.fileno())

    def read(self) -> int:
        """A line at a time."""
        with self._place.open("rb") as file:
            return sum("run" in json.loads(line) for line in file)

    def close(self) -> None:
        """The file."""
        self._file.close()


class Plyvel:
    """LevelDB, with sync."""

    def __init__(self, place: Path) -> None:
        import plyvel  # noqa: PLC0415 - an extra

        self._database = plyvel.DB(str(place), create_if_missing=True)
        self._next = sum(1 for _ in self._database.iterator(include_value=False))

    def append(self, plains: Sequence[Plain]) -> None:
        """One write batch."""
        with self._database.write_batch(sync=True) as batch:
            for self._next, plain in enumerate(plains, start=self._next + 1):  # noqa: B020 - where the next one begins
                batch.put(self._next.to_bytes(8, "big"), json.dumps(plain).encode())

    def read(self) -> int:
        """A value at a time."""
        return sum("run" in json.loads(value) for value in self._database.iterator(include_key=False))

    def close(self) -> None:
        """The database."""
        self._database.close()


class Tiny:
    """TinyDB as it comes: it reads and writes its file at each append, with fsync."""

    def __init__(self, place: Path) -> None:
        import tinydb  # noqa: PLC0415 - an extra

        self._database = tinydb.TinyDB(place)

    def append(self, plains: Sequence[Plain]) -> None:
        """One insert."""
        self._database.insert_multiple(plains)

    def read(self) -> int:
        """All at once."""
        return sum("run" in document for document in self._database.all())

    def close(self) -> None:
        """The file."""
        self._database.close()


@dataclass(frozen=True)
class Pair:
    """A store: what metaopt calls it, what stands beside it, and how many records it can be asked for."""

    url: str
    raw: Callable[[Path], Keeper]
    most: int = 10_000_000


STORES = {
    "journal": Pair("{place}", File),
    "leveldb": Pair("leveldb:{place}", Plyvel),
    "tinydb": Pair("tinydb:{place}", Tiny, most=100_000),
}


@dataclass
class Cost:
    """What was measured of one side: a figure a round."""

    singles: list[float] = field(default_factory=list)
    batched: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    size_bytes: int = 0

    def medians(self) -> dict[str, float]:
        """Records per second, one each and in batches; seconds for all of them."""
        return {"singles": median(self.singles), "batched": median(self.batched), "load": median(self.loads)}


def reports(first: int, count: int) -> list[Plain]:
    """So many records, as a script's reports are kept."""
    return [
        {"run": 1, "seq": seq, "time": 1.76e9 + seq / 7, "kind": "Reported", "body": _body(seq)}
        for seq in range(first, first + count)
    ]


def _body(seq: int) -> Plain:
    return {"worker": seq % 64, "trial": seq // 100, "attempt": 1, "points": [[seq % 100, {"loss": 1 / (seq + 0.1)}]]}


def rate(keeper: Keeper, first: int, appends: int, size: int) -> float:
    """Records kept in a second, in so many appends of ``size``."""
    batches = [reports(first + size * index, size) for index in range(appends)]
    began = time.perf_counter()
    for batch in batches:
        keeper.append(batch)
    return appends * size / (time.perf_counter() - began)


def append(make: Callable[[Path], Keeper], place: Path, cost: Cost, appends: int) -> None:
    """A round: one at a time, then in batches; fewer batches, since they are to stay comparable as the file grows."""
    keeper = make(place)
    keeper.append(reports(1, HELD))
    cost.singles.append(rate(keeper, HELD + 1, appends, 1))
    cost.batched.append(rate(keeper, HELD + appends + 1, appends // 10, BATCH))
    keeper.close()


def load(make: Callable[[Path], Keeper], place: Path, cost: Cost, records: int) -> None:
    """A round: open, and read everything; raises ValueError when it is not all."""
    gc.collect()
    began = time.perf_counter()
    keeper = make(place)
    found = keeper.read()
    cost.loads.append(time.perf_counter() - began)
    keeper.close()
    if found != records:
        raise ValueError
    cost.size_bytes = place.stat().st_size if place.is_file() else sum(f.stat().st_size for f in place.iterdir())


def fill(make: Callable[[Path], Keeper], place: Path, records: int) -> None:
    """So many records, in large batches."""
    keeper = make(place)
    for first in range(1, records + 1, LARGE):
        keeper.append(reports(first, min(LARGE, records + 1 - first)))
    keeper.close()


def compare(name: str, directory: Path, options: argparse.Namespace) -> tuple[Cost, Cost, int]:
    """One store and its raw library, a round of one and a round of the other; how many records they were asked for."""
    pair, records = STORES[name], min(options.records, STORES[name].most)
    sides: list[tuple[str, Callable[[Path], Keeper], Cost]] = [
        ("ours", lambda place: Ours(pair.url.format(place=place, name=place.name)), Cost()),
        ("raw", pair.raw, Cost()),
    ]
    for turn in range(options.rounds):
        for side, make, cost in sides:
            append(make, directory / f"{name}-{side}-{turn}", cost, options.appends)
    for side, make, _ in sides:
        fill(make, directory / f"{name}-{side}", records)
    for _ in range(options.rounds):
        for side, make, cost in sides:
            load(make, directory / f"{name}-{side}", cost, records)
    for side, _, cost in sides:
        progress(f"{name} {side}: {in_words(cost, records)}")
    return sides[0][2], sides[1][2], records


def in_words(cost: Cost, records: int) -> str:
    """One side's figures."""
    found = cost.medians()
    return (
        f"{found['singles']:,.0f} records/s one each, {found['batched']:,.0f} by {BATCH}; "
        f"{records:,} loaded in {found['load']:.2f} s, {cost.size_bytes / 1e6:.1f} MB"
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stores", nargs="+", choices=STORES, default=[*STORES])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--appends", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ratios: dict[str, dict[str, float]] = {}
    said: dict[str, tuple[str, str]] = {}
    with tempfile.TemporaryDirectory(prefix="metaopt-benchmark-", dir=".") as directory:
        for name in options.stores:
            ours, raw, records = compare(name, Path(directory).resolve(), options)
            said[name] = in_words(ours, records), in_words(raw, records)
            beside = raw.medians()
            ratios[name] = {key: round(value / beside[key], 3) for key, value in ours.medians().items()}
            ratios[name]["size"] = round(ours.size_bytes / raw.size_bytes, 3)
    answer(
        "what does each store cost beside its raw library?",
        figure="; ".join(f"{name}: {words}" for name, (words, _) in said.items()),
        beside="; ".join(f"{name}: {words}" for name, (_, words) in said.items()),
        aim=f">= {AIM} of its appends one each, <= {LOAD_AIM} times its load",
        ratio=min(found["singles"] for found in ratios.values()),
        ratio_of="records one each over the raw library's, the worst",
        ratios=ratios,
    )


if __name__ == "__main__":
    main()
