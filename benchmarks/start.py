"""How long from mpirun to the first script, and what does a worker load, beside an mpi4py hello world of as many ranks?

    python benchmarks/start.py --ranks 4 32 --rounds 3

Runs with a watch on what Python opens and loads are not timed.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from measure import PATIENCE, PEERS, RANK, Search, answer, mpirun, progress, ranks_of, until

AIM_MB = 20
Loaded = dict[str, float]
"""A rank's modules, the files that Python opened, its shared objects, and its proportional set size in MB."""
SITE = f"""
import os, sys
if os.environ.get("{RANK}") == "1" and sys.flags.isolated == 0:
    log = os.open(os.path.join(os.path.dirname(__file__), "opened"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    def watch(event, arguments):
        if event == "open" and log >= 0:
            os.write(log, b"%d %r\\n" % (len(sys.modules), str(arguments[0]).encode()))
    sys.addaudithook(watch)
"""
HELLO = (sys.executable, PEERS, "hello")


def first_script(ranks: int) -> float:
    """Seconds from mpirun to the first script, which says when it runs."""
    command, metrics = ["date", "+now=%s.%N x={x}"], {"now": r"now=(\S+)"}
    with Search(ranks - 1, command, ranks - 1, metrics=metrics, objective="now") as search:
        began = time.time()
        search.run()
        reports = [record["body"]["points"] for record in search.records() if record["kind"] == "Reported"]
    return float(min(points[0][1]["now"] for points in reports) - began)


def first_hello(ranks: int) -> float:
    """Seconds from mpirun to the first rank of a hello world."""
    began = time.time()
    with mpirun(ranks, *HELLO) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    return min(float(line.split()[1]) for line in said.splitlines()) - began


def worker(ranks: int) -> Loaded:
    """What a worker has loaded while its script sleeps."""
    with (
        tempfile.TemporaryDirectory(prefix="metaopt-benchmark-") as directory,
        Search(ranks - 1, ["sleep", "600", "{x}"], ranks - 1, grace="1s") as search,
    ):
        watch(directory)
        search.start(PYTHONPATH=first_on_path(directory))
        search.wait_until_all_run()
        return loaded(list(ranks_of(search.process.pid).items()), directory)


def hello(ranks: int) -> Loaded:
    """What a rank of a hello world has loaded that sleeps."""
    with tempfile.TemporaryDirectory(prefix="metaopt-benchmark-") as directory:
        watch(directory)
        with mpirun(ranks, *HELLO, "600", PYTHONPATH=first_on_path(directory)) as process:
            until(lambda: process.stdout is None or process.stdout.readline(), "a hello")
            until(lambda: len(ranks_of(process.pid)) == ranks, "the start of all ranks")
            time.sleep(1.0)
            try:
                return loaded(list(ranks_of(process.pid).items()), directory)
            finally:
                process.terminate()


def watch(directory: str) -> None:
    """Have rank 1 write down, in ``directory``, what it opens."""
    Path(directory, "sitecustomize.py").write_text(SITE, encoding="utf-8")


def first_on_path(directory: str) -> str:
    """PYTHONPATH with ``directory`` before what is there."""
    return os.pathsep.join(filter(None, (directory, os.environ.get("PYTHONPATH"))))


def loaded(ranks: Sequence[tuple[int, int]], directory: str) -> Loaded:
    """What these ranks, (rank, pid), have loaded: rank 1, as the file in ``directory`` says; the memory of all."""
    pids = dict(ranks)
    opened = Path(directory, "opened").read_text(encoding="utf-8").splitlines()
    maps = Path(f"/proc/{pids[1]}/maps").read_text(encoding="utf-8").split()
    return {
        "modules": int(opened[-1].split()[0]),
        "files": len(opened),
        "shared_objects": len({word for word in maps if ".so" in word}),
        "pss_mb": round(median(pss_mb(pid) for rank, pid in ranks if rank), 2),
    }


def pss_mb(pid: int) -> float:
    """The proportional set size of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def measure(counts: Sequence[int], rounds: int) -> dict[str, dict[int, float]]:
    """Median seconds to the first script and to the first hello, by the number of ranks."""
    seconds: dict[str, dict[int, float]] = {"metaopt": {}, "hello": {}}
    for ranks in counts:
        found = []
        for _ in range(rounds):
            found.append((first_script(ranks), first_hello(ranks)))
            progress("{} ranks: first script after {:.2f} s, first hello after {:.2f} s".format(ranks, *found[-1]))
        for name, values in zip(seconds, zip(*found, strict=True), strict=True):
            seconds[name][ranks] = round(median(values), 3)
    return seconds


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, nargs="+", default=[4, 32])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds = measure(options.ranks, options.rounds)
    load = {
        "worker": {ranks: worker(ranks) for ranks in options.ranks},
        "hello": {ranks: hello(ranks) for ranks in options.ranks},
    }
    progress(str(load))
    counts = "/".join(str(ranks) for ranks in options.ranks)
    words = {name: "/".join(f"{took:.2f}" for took in values.values()) for name, values in seconds.items()}
    most = max(options.ranks)
    answer(
        f"how long from mpirun to the first script with {counts} ranks, and what does a worker load?",
        figure=f"{words['metaopt']} s; {describe(load['worker'])}",
        beside=f"hello world {words['hello']} s; {describe(load['hello'])}",
        aim=f"a worker < {AIM_MB} MB",
        ratio=seconds["metaopt"][most] / seconds["hello"][most],
        ratio_of=f"first script over first hello, {most} ranks",
        seconds=seconds,
        loaded=load,
    )


def describe(load: dict[int, Loaded]) -> str:
    """What a rank loads, in words."""
    memory = "/".join(f"{each['pss_mb']:.1f}" for each in load.values())
    any_one = next(iter(load.values()))
    return f"{memory} MB, {any_one['modules']} modules, {any_one['files']} files opened by Python"


if __name__ == "__main__":
    main()
