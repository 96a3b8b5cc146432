"""How long from rank 0's decision until the script runs on an idle worker, beside an MPI round trip?

    python benchmarks/reaction.py --trials 40 --rounds 3

The script is ``date``, which says when it runs.  The optimizer thinks for a while before each trial, so that its
worker has had nothing to do: 0.1 s, and once 3 s, after which a worker looks less often.  Beside it: the round trip
between two ranks that do nothing but look for a word, and what cannot be avoided, an fsync and the start of a process.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from measure import Search, answer, peer, progress

AIM_MS = 5
SCRIPT = ("date", "+now=%s.%N")
THINKER = """
import time
from metaopt.optimizers.random import Random

class Thinker(Random):
    def __init__(self, space, seed, *, seconds):
        super().__init__(space, seed)
        self.seconds = seconds

    def ask(self, count, pending):
        time.sleep(self.seconds)
        return super().ask(count, pending)
"""


def metaopt(trials: int, thinking: float) -> dict[str, float]:
    """Median milliseconds from Assign to the script, and to Started in the journal."""
    settings = {
        "optimizer": {"rule": "thinker:Thinker", "seconds": thinking},
        "metrics": {"now": r"now=(\S+)"},
        "objective": "now",
    }
    with Search(1, ["date", "+now=%s.%N x={x}"], trials, **settings) as search:
        (search.directory / "thinker.py").write_text(THINKER, encoding="utf-8")
        search.run()
        decided, started = search.times("Assign"), search.times("Started")
        reports = [record["body"] for record in search.records() if record["kind"] == "Reported"]
    runs = {report["trial"]: report["points"][0][1]["now"] for report in reports}
    return {
        "script": 1000 * median(runs[trial] - decided[trial] for trial in runs),
        "started": 1000 * median(started[trial] - decided[trial] for trial in runs),
    }


def fsync(times: int) -> float:
    """Median milliseconds of an append to a file that is on disk afterwards."""
    took = []
    with tempfile.TemporaryDirectory(prefix="metaopt-benchmark-") as directory:
        file = os.open(Path(directory, "file"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        for _ in range(times):
            began = time.perf_counter()
            os.write(file, b"x" * 200)
            os.fsync(file)
            took.append(time.perf_counter() - began)
        os.close(file)
    return 1000 * median(took)


def process(times: int) -> float:
    """Median milliseconds until a process started by ``subprocess.run`` says when it is."""
    took = []
    for _ in range(times):
        began = time.time()
        said = subprocess.run(SCRIPT, check=True, stdout=subprocess.PIPE, text=True).stdout
        took.append(float(said.partition("=")[2]) - began)
    return 1000 * median(took)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: list[dict[str, float]] = []
    for _ in range(options.rounds):
        said = metaopt(options.trials, 0.1)
        said |= {"ping": 1000 * float(peer(2, "ping", 2000)), "fsync": fsync(100), "process": process(100)}
        progress(", ".join(f"{name} {value:.4f} ms" for name, value in said.items()))
        found.append(said)
    figures = {name: round(median(each[name] for each in found), 4) for name in found[0]}
    figures["script_after_3_s"] = round(metaopt(options.trials // 4, 3.0)["script"], 4)
    answer(
        "how long from rank 0's decision until the script runs on an idle worker?",
        figure=f"{figures['script']:.1f} ms; {figures['script_after_3_s']:.1f} ms after 3 s without work",
        beside=f"MPI round trip {1000 * figures['ping']:.0f} us, fsync {figures['fsync']:.1f} ms, "
        f"subprocess.run {figures['process']:.1f} ms",
        aim=f"< {AIM_MS} ms",
        ratio=figures["script"] / figures["ping"],
        ratio_of="decision to script over MPI round trip",
        milliseconds=figures,
    )


if __name__ == "__main__":
    main()
