"""Starts the real thing, as a person would: metaopt, alone or under a real mpirun, in a directory of its own."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import sysconfig
import termios
import time
from pathlib import Path

import yaml

from metaopt import history
from metaopt.cli import main
from metaopt.mpirun import ANYWHERE

MPIRUN = Path(sysconfig.get_path("scripts"), "mpirun")
PATIENCE = 120.0  # how long anything may take before a test calls it hung

QUADRATIC = """
import argparse, os, time
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--sleep", type=float, default=0.0)
parser.add_argument("--gate", default="/")
args = parser.parse_args()
for step in range(1, args.steps + 1):
    time.sleep(args.sleep)
    print(f"loss={(args.x - 0.3) ** 2 + 1 / step}", flush=True)
    while not os.path.exists(args.gate):
        time.sleep(0.02)
"""
EXPERIMENT = {
    "name": "quadratic",
    "command": [sys.executable, "script.py", "--x", "{x}"],
    "objective": "loss",
    "metrics": {"loss": r"loss=(\S+)"},
    "space": {"x": "uniform(0, 1)"},
    "trials": 6,
    "optimizer": "random",
    "grace": "2s",
}


def until(condition, what="it"):
    """Wait for ``condition``; gives what it gave."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.01)
    problem = f"{what} did not happen within {PATIENCE} s"
    raise TimeoutError(problem)


def processes(marked):
    """The pids of all processes in whose command line or environment ``marked`` stands."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue
            if marked.encode() in told:
                found.append(int(process.name))
    return found


class Site:
    """A directory with ``exp.yaml`` and ``script.py``, and everything that was started in it."""

    def __init__(self, directory):
        self.directory = directory
        self.started = []
        self.write("script.py", QUADRATIC)
        self.experiment()

    @property
    def history(self):
        return self.directory / "quadratic.history"

    def write(self, name, text):
        (self.directory / name).write_text(text)

    def experiment(self, script="", **changes):
        """Write the experiment with these changes; ``script`` replaces the script, and needs no arguments."""
        if script:
            self.write("script.py", script)
        (self.directory / "exp.yaml").write_text(yaml.safe_dump({**EXPERIMENT, **changes}))

    def start(self, *arguments, under=(), command=None, **environment):
        """Start ``metaopt`` with these arguments, under a launcher or by itself; or another ``command``."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "PRTE_", "PMIX_"))}
        env |= {"SITE": str(self.directory), "PYTHONUNBUFFERED": "1"} | environment
        command = command or [*map(str, under), sys.executable, "-m", "metaopt", *map(str, arguments)]
        process = subprocess.Popen(
            command, cwd=self.directory, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.started.append(process)
        return process

    def run(self, *arguments, under=(), **environment):
        """The exit status and the output of ``metaopt`` with these arguments."""
        process = self.start(*(arguments or ("run", "-w", "3", "exp.yaml")), under=under, **environment)
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output

    def mpirun(self, ranks, *arguments, **environment):
        """The same under mpirun, as in an allocation."""
        under = (MPIRUN, "-n", ranks)
        return self.run(*(arguments or ("exp.yaml",)), under=under, **{**ANYWHERE, **environment})

    def load(self):
        return history.load(self.history)

    def records(self):
        """The journal, as it stands on disk."""
        path = self.history / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def wait_for(self, kind, count=1, **fields):
        """Wait until the journal has so many records of this kind."""

        def there():
            return [r for r in self.records() if r["kind"] == kind and fields.items() <= r["body"].items()][count - 1 :]

        return until(there, f"{kind} x{count}")[0]

    def ranks(self):
        """The pids of the ranks, by rank."""
        found = {}
        for pid in processes(str(self.directory)):
            try:
                cmdline = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            rank = [v.partition(b"=")[2] for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK=")]
            if rank and b"metaopt" in cmdline:
                found[int(rank[0])] = pid
        return found

    def clear(self):
        """Whatever is still there was started here, and goes, with all that it starts meanwhile."""

        def gone():
            left = processes(f"SITE={self.directory}")
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        until(gone, "the end of all processes")
        for process in self.started:
            process.communicate(timeout=PATIENCE)


class Screen:
    """A terminal, and all that was ever drawn on it, in ``drawn``; who draws has ``end`` for its output."""

    def __init__(self, lines=24, columns=80):
        self._master, self.end = pty.openpty()
        self._drawn = b""
        self.resize(lines, columns)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._master)
        os.close(self.end)

    @property
    def drawn(self):
        return self._drawn.decode(errors="replace")

    def resize(self, lines, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))

    def wait_for(self, pattern):
        """Wait until this regular expression is found in what was drawn, without colours and moves of the cursor."""

        def shown():
            if select.select([self._master], [], [], 0.1)[0]:
                self._drawn += os.read(self._master, 1 << 16)
            return re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", self.drawn))

        try:
            until(shown, pattern)
        except TimeoutError as error:
            error.add_note(self.drawn[-4000:])
            raise


def refused(capsys, argv, *texts):
    """One message with these texts, exit status 2, and nothing else said."""
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("metaopt: ") == 1
    assert "Traceback" not in said.err
    for text in texts:
        assert text in said.err
