"""How long from the death of a worker until its trial runs again, beside a parent that starts its killed child anew?

    python benchmarks/death.py [--kills 7]

One trial that goes on and on, and more workers than it needs.  Its worker is killed (kill -9), and when the trial runs
again its next worker is, and so on; then the same with workers that are stopped (SIGSTOP), which nothing but their
silence tells.  The times are those of Started in the journal.  The floor is a parent that waits for its child, which is
killed, and starts it again; for the silent ones it is the time that they are given.
"""

import argparse
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

from measure import Search, answer, progress, ranks_of, until

AIM_MS, AIM_SILENT = 100, 1.25
SCRIPT = ("sleep", "600")


def metaopt(kills: int, number: signal.Signals, timeout: float) -> dict[str, float]:
    """Median milliseconds from signal ``number`` to Lost, and to Started of the next attempt."""
    command = [*SCRIPT, "--", "0{x}"]  # sleeps for the sum
    settings = {"attempts": kills + 1, "heartbeat_timeout": f"{timeout:g}s", "grace": "2s"}
    noticed: list[float] = []
    restarted: list[float] = []
    with Search(kills + 1, command, 1, **settings) as search:
        search.start()
        for attempt in range(1, kills + 1):
            worker = wait_for(search, "Started", attempt=attempt)["worker"]
            pid = ranks_of(search.process.pid)[worker]
            killed = time.time()
            os.kill(pid, number)
            lost = wait_for(search, "Lost", worker=worker)
            again = wait_for(search, "Started", attempt=attempt + 1)
            noticed.append(1000 * (lost["time"] - killed))
            restarted.append(1000 * (again["time"] - killed))
            progress(f"{number.name}: noticed after {noticed[-1]:.1f} ms, runs again after {restarted[-1]:.1f} ms")
    return {"noticed": median(noticed), "restarted": median(restarted), "slowest": max(restarted)}


def wait_for(search: Search, kind: str, **fields: int) -> Mapping[str, Any]:
    """The time and the fields of the first record of this kind with these fields, once it is there."""

    def there() -> list[Mapping[str, Any]]:
        return [r for r in search.records() if r["kind"] == kind and fields.items() <= r["body"].items()]

    record = until(there, f"{kind} {fields}")[0]
    return {**record["body"], "time": record["time"]}


def parent(times: int) -> float:
    """Median milliseconds until a parent has heard that its child was killed, and has started it again."""
    took = []
    child = subprocess.Popen(SCRIPT)
    for _ in range(times):
        began = time.perf_counter()
        child.kill()
        child.wait()
        child = subprocess.Popen(SCRIPT)
        took.append(time.perf_counter() - began)
    child.kill()
    child.wait()
    return 1000 * median(took)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=7)
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds of silence after which a worker is lost")
    options = parser.parse_args()
    killed = metaopt(options.kills, signal.SIGKILL, 60.0)
    silent = metaopt(options.kills, signal.SIGSTOP, options.timeout)
    floor = parent(20 * options.kills)
    progress(f"a parent and its child {floor:.2f} ms")
    patience = 1000 * options.timeout
    answer(
        "how long from the death of a worker until its trial runs on another one?",
        figure=f"{killed['restarted']:.0f} ms (slowest of {options.kills}: {killed['slowest']:.0f} ms), "
        f"noticed after {killed['noticed']:.0f} ms; {silent['restarted'] / 1000:.2f} s when it is stopped",
        beside=f"a parent that starts its killed child anew {floor:.1f} ms; heartbeat_timeout {options.timeout:g} s, "
        f"of which that is {silent['restarted'] / patience:.2f}",
        aim=f"< {AIM_MS} ms; stopped < {AIM_SILENT:g} of heartbeat_timeout",
        ratio=killed["restarted"] / floor,
        ratio_of="killed to restarted, over the parent",
        milliseconds={
            "killed": {name: round(value, 2) for name, value in killed.items()},
            "stopped": {name: round(value, 2) for name, value in silent.items()},
            "parent": round(floor, 3),
        },
        silent_ratio=round(silent["restarted"] / patience, 4),
    )


if __name__ == "__main__":
    main()
