"""What the benchmarks share: a search to be measured, what /proc knows of it, and the line that they answer with.

They need Linux, for /proc, and Open MPI, for its mpirun.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from metaopt.launch import STATUS_FILE
from metaopt.mpirun import ANYWHERE, SURVIVE
from metaopt.process import environment

PEERS = str(Path(__file__).with_name("peers.py"))
PATIENCE = 120.0  # after which what does not happen is taken to hang
RANK = "OMPI_COMM_WORLD_RANK"
T = TypeVar("T")


def progress(text: str) -> None:
    """Say on stderr what is being done."""
    print(text, file=sys.stderr, flush=True)


def answer(question: str, *, figure: str, beside: str, aim: str, ratio: float, **figures: object) -> None:
    """The benchmark's line of JSON: what it asks, its answer in words, beside what, and all that was measured."""
    words = {"question": question, "figure": figure, "beside": beside, "aim": aim, "ratio": round(ratio, 4)}
    machine = {"cores": len(os.sched_getaffinity(0)), "date": datetime.now(UTC).date().isoformat()}
    print(json.dumps({"benchmark": Path(sys.argv[0]).stem, **words, **figures, **machine}), flush=True)


def until(condition: Callable[[], T], what: str) -> T:
    """Wait for ``condition``, and give what it gave; raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            problem = f"{what} did not happen within {PATIENCE:g} s"
            raise TimeoutError(problem)
        time.sleep(0.02)
    return found


def mpirun(ranks: int, *command: str, cwd: str | None = None, **variables: str) -> subprocess.Popen[str]:
    """Start ``command`` as so many ranks, all MPIs alike: on any core, with Open MPI's fault tolerance."""
    beside = Path(sysconfig.get_path("scripts"), "mpirun")
    program = str(beside) if beside.exists() else shutil.which("mpirun") or "mpirun"
    env = {**environment(os.environ), **ANYWHERE, **SURVIVE, **variables}
    return subprocess.Popen(
        [program, "-n", str(ranks), *command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


def peer(ranks: int, *arguments: object) -> str:
    """What one of the programs in peers.py says, run to its end as so many ranks."""
    with mpirun(ranks, sys.executable, PEERS, *map(str, arguments)) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    return said


class Search:
    """A search under mpirun, in a directory of its own, for a ``with``: behind it all of it is gone."""

    def __init__(self, workers: int, command: Sequence[str], trials: int, **settings: object) -> None:
        self.workers = workers
        self.directory = Path(tempfile.mkdtemp(prefix="metaopt-benchmark-"))
        self._process: subprocess.Popen[str] | None = None
        self._status = self.directory / "status"
        experiment: dict[str, object] = {
            "name": "search",
            "command": [*command],
            "objective": "loss",
            "metrics": {"loss": r"loss=(\S+)"},
            "space": {"x": "uniform(0, 1)"},
            "trials": trials,
            "optimizer": "random",
        }
        text = yaml.safe_dump({**experiment, **settings})
        (self.directory / "exp.yaml").write_text(text, encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGUSR1)  # which metaopt takes for Ctrl-C
            with suppress(subprocess.TimeoutExpired):
                self._process.communicate(timeout=PATIENCE)
            self._process.kill()
        shutil.rmtree(self.directory)

    def start(self, **variables: str) -> Self:
        """Start it, with these environment variables too."""
        command = (sys.executable, "-m", "metaopt", "exp.yaml")
        variables = {STATUS_FILE: str(self._status), **variables}
        self._process = mpirun(self.workers + 1, *command, cwd=str(self.directory), **variables)
        return self

    def run(self) -> Self:
        """Run it to its end; raises CalledProcessError when it has no result (mpirun's own status may lie)."""
        self.start()
        said, _ = self.process.communicate(timeout=PATIENCE)
        status = (
            int(self._status.read_text(encoding="ascii")) if self._status.exists() else self.process.returncode or 1
        )
        if status:
            raise subprocess.CalledProcessError(status, self.process.args, said)
        return self

    @property
    def process(self) -> subprocess.Popen[str]:
        """Its mpirun."""
        if self._process is None:
            raise ValueError
        return self._process

    def records(self) -> list[Mapping[str, Any]]:
        """The journal, as it stands on disk."""
        journal = self.directory / "search.history" / "journal.jsonl"
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def times(self, kind: str) -> dict[int, float]:
        """When this was journalled of each trial."""
        return {record["body"]["trial"]: record["time"] for record in self.records() if record["kind"] == kind}

    def wait_until_all_run(self) -> None:
        """Wait until each worker has a script under way."""
        until(lambda: len(self.times("Started")) >= self.workers, "the start of all workers")


def children(pid: int) -> list[int]:
    """The processes that ``pid`` has started."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in path.read_text(encoding="ascii").split()]
    return found


def ranks_of(launcher: int) -> dict[int, int]:
    """The processes of the ranks below ``launcher``, by rank."""
    found: dict[int, int] = {}
    below = children(launcher)
    for pid in below:
        with suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            rank = [value.partition(b"=")[2] for value in variables if value.startswith(RANK.encode() + b"=")]
            found |= {int(number): pid for number in rank}
            below += [] if rank else children(pid)
    return found


def cpu_seconds(pid: int) -> float:
    """How long all threads of a process have been on a core."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def shares(pids: Sequence[int], seconds: float) -> list[float]:
    """How much of a core each of these processes uses in the next ``seconds``, in per cent."""
    began, before = time.monotonic(), [cpu_seconds(pid) for pid in pids]
    time.sleep(seconds)
    return [100 * (cpu_seconds(pid) - b) / (time.monotonic() - began) for pid, b in zip(pids, before, strict=True)]
