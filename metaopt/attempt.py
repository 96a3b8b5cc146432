"""One attempt at one trial: its process, its directory, what it says and how it ends."""

import glob
import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from metaopt import hosts
from metaopt.argv import fill
from metaopt.devices.base import Device
from metaopt.errors import WireError
from metaopt.faults import blames_gpu
from metaopt.messages import Assign, Event, Finished, Point, Reported, Scalar
from metaopt.metricsfile import MetricsFile
from metaopt.process import LEFT_BEHIND, OVERDUE, Guard, environment, tail_of
from metaopt.reporting import AFTER, FILE, SIGNAL, TRIAL_DIR
from metaopt.results import FILE as RESULTS
from metaopt.results import PATH, prepare, results
from metaopt.shortage import GPU_MEMORY, lacks_gpu_memory
from metaopt.tail import Lines, Patterns, Reports, Tail, points_in
from metaopt.templates import filled
from metaopt.trial import extends
from metaopt.welcome import Welcome
from metaopt.wire import reported_fields, to_plain

OUTCOME, PARAMS, REPORTS, STDOUT, STDERR = "outcome.json", "params.json", "reports.jsonl", "stdout.txt", "stderr.txt"
BATCH = 40  # points in one word, so that it stays below MPI's eager limit
BACKLOG = 1000  # points that wait to be sent before the script is listened to no more
READ_BYTES = 1 << 20  # of a script's output at a time
GAP = 0.005  # seconds in which a chatty script is not listened to again
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL, 130}  # the second is how a shell says it, 130 how a script of Oríon
RUN = ("worker", "trial", "attempt")
RHYTHM = 0.05  # seconds between two words about a script that is not at its end


class Attempt:
    """Runs the script of a trial; raises CannotStart or OSError when it cannot."""

    def __init__(self, worker: int, assign: Assign, welcome: Welcome, guard: Guard, device: Device) -> None:
        self.key = (assign.trial, assign.attempt)
        self._run, self._params, self._guard = (worker, *self.key), assign.params, guard
        self._after = max(assign.after.values(), default=1.0)
        self._gpus, self._nodes = device.gpus, len(welcome.hosts)
        self._directory = _own(Path(welcome.trials, str(assign.trial)).absolute(), assign.params)
        self._keep(PARAMS, assign.params, durable=False)  # the journal has them
        if (self._directory / OUTCOME).exists():  # of another attempt, which must not be taken for this one
            (self._directory / OUTCOME).unlink()
        prepare(self._directory / RESULTS)
        if welcome.hosts:
            hosts.write_hostfile(self._directory, welcome.hosts)
        for name, text in welcome.templates.items():
            (self._directory / name).write_text(filled(text, assign.params), encoding="utf-8")
        self._reports, self._lines = Reports(), Lines()
        self._patterns = Patterns(welcome.metrics, assign.after)
        self._tails: list[Tail | MetricsFile] = [Tail(self._directory / REPORTS, self._reports)]
        if welcome.metrics:
            self._tails += [Tail(self._directory / name, self._patterns) for name in (STDOUT, STDERR)]
        values = _values(assign, welcome, self._directory)
        self._files = _files(welcome, values)
        self._tails += self._files
        self._points: list[Point] = []
        self._sent, self._sent_at, self._heard_at = 0, 0.0, 0.0
        self._stopping, self._overdue, self._kill_at = "", "", float("inf")
        self._last: float | None = None
        self._grace, self._signal = welcome.grace, welcome.signal
        self._code: int | None = None
        self._drained = False
        self._timeout, self._began = welcome.timeout, time.time()
        self._deadline = time.monotonic() + (welcome.timeout or float("inf"))
        self._process = guard.start(
            fill(welcome.command, values),
            welcome.directory,
            self._environment(assign, welcome, device),
            device.cores,
            self._directory / STDOUT,
            self._directory / STDERR,
        )

    @property
    def pid(self) -> int:
        """The script's process."""
        return self._process.pid

    @property
    def over(self) -> bool:
        """Whether the script has ended, and all that it said is on its way."""
        return self._drained and self._sent == len(self._points)

    def wait(self, pause: float) -> None:
        """Sleep until the script says something or ends, ``pause`` at most; not for each word of a chatty one."""
        if self._code is not None:
            time.sleep(0 if self._sent == len(self._points) else GAP)
            return
        quiet = time.monotonic() - self._heard_at >= GAP and len(self._points) - self._sent < BACKLOG
        sources = [self._guard.fileno(), *([self._process.report] if quiet else [])]
        with suppress(InterruptedError):
            select.select(sources, [], [], pause if quiet else GAP)

    def stop(self, reason: str, last: float | None = None) -> None:
        """Ask the script to end, unless it has; it has the grace period.  At the step ``last`` it is complete."""
        self._code = self._process.poll() if self._code is None else self._code
        if self._code is None and not self._stopping:
            self._stopping, self._kill_at, self._last = reason, time.monotonic() + self._grace, last
            self._process.terminate(self._signal)

    def listen(self) -> None:
        """Take in what the script has said since, and whether it has ended or must be."""
        if self._code is None:
            self._code = self._process.poll()
            self._watch_time()
        if len(self._points) - self._sent < BACKLOG:
            before = len(self._points)
            ended = self._code is not None
            done = self._read_pipe()
            for tail in self._tails:
                points, all_read = tail.read(READ_BYTES, last=ended)
                self._points += points
                done = done and all_read
            if ended and done and not self._drained:
                last = self._points[-1][0] if self._points else self._after
                self._points += results(self._directory / RESULTS, last)
            self._drained = ended and done
            if len(self._points) > before:
                self._heard_at = time.monotonic()

    def next_word(self) -> Reported | None:
        """Some of the points that rank 0 does not know, when it is time to tell."""
        waiting = len(self._points) - self._sent
        now = time.monotonic()
        if not waiting or (waiting < BATCH and self._code is None and now - self._sent_at < RHYTHM):
            return None
        points = tuple(self._points[self._sent : self._sent + BATCH])
        self._sent, self._sent_at = self._sent + len(points), now
        return Reported(*self._run, points)

    def abandon(self) -> None:
        """Nobody wants to know how it ends."""
        os.close(self._process.report)

    def conclude(self, *, warned: bool = False, usage: Mapping[str, float] | None = None) -> Finished:
        """How it ended; kept in its directory before anybody hears of it.  Rank 0 hears of it in any case.

        ``warned``: the batch system has sent SIGUSR1 to every process here; a script that died of it was interrupted.
        ``usage`` is what its GPUs did.
        """
        os.close(self._process.report)
        if warned and self._code in {-signal.SIGUSR1, 128 + signal.SIGUSR1}:
            self._stopping = self._stopping or "interrupted"
        finished = Finished(*self._run, *self._outcome(), usage=usage or {})
        said, ended = to_plain(Reported(*self._run, tuple(self._points))), to_plain(finished)
        when = {"started": self._began, "ended": time.time()}
        if self._nodes > 1 and finished.outcome == "failed":  # who finds this knows of no reason to believe it
            ended["outcome"] = "killed"
        trouble = self._keep(OUTCOME, {**said, **ended, "params": self._params, **when})
        return replace(finished, error=f"{finished.error.rstrip()}\n{trouble}".lstrip()) if trouble else finished

    def _keep(self, name: str, document: Mapping[str, object], *, durable: bool = True) -> str:
        """Write a file of this trial; a disk that does not take it ends no trial: what is wrong is told, and given."""
        try:
            _write(self._directory / name, document, durable=durable)
        except OSError as error:
            trouble = f"its {name} cannot be written: {error.strerror or error}"
            warn(f"warning: trial {self.key[0]}: {trouble}")
            return trouble
        return ""

    def _environment(self, assign: Assign, welcome: Welcome, device: Device) -> dict[str, str]:
        """The user's environment, without MPI's, and with what this trial has to itself."""
        counted = (step for name, step in assign.after.items() if name not in welcome.metrics)
        ours = {
            TRIAL_DIR: str(self._directory),
            FILE: str(self._directory / REPORTS),
            PATH: str(self._directory / RESULTS),
            "METAOPT_TRIAL": str(assign.trial),
            SIGNAL: str(welcome.signal),
            AFTER: str(int(max(counted, default=0))),
        }
        defaults = {"PYTHONUNBUFFERED": "1"} if welcome.metrics else {}
        if welcome.hosts:
            ours |= hosts.variables(welcome.hosts)
            defaults |= hosts.defaults(welcome.hosts)
        theirs = welcome.environment or os.environ
        return environment({**defaults, **device.defaults, **theirs}, {**ours, **device.environment})

    def _watch_time(self) -> None:
        now = time.monotonic()
        if now > self._deadline:
            self.stop("timeout")
        if now > self._kill_at:
            self._kill_at, name = float("inf"), signal.Signals(self._signal).name
            self._overdue = f"{OVERDUE} {self._grace:g} s after {name}, and was killed"
            self._process.kill()

    def _read_pipe(self) -> bool:
        """Take in what the report pipe holds; whether that was all."""
        try:
            data = os.read(self._process.report, READ_BYTES)
        except BlockingIOError:
            data = b""
        self._points += points_in(self._lines.feed(data), self._reports)
        return not data

    def _outcome(self) -> tuple[str, str]:
        """(completed, failed or stopped; what to know about it)."""
        stderr = tail_of(self._directory / STDERR)
        if self._stopping == "timeout":
            overdue = f"; it {self._overdue}" if self._overdue else ""
            return "failed", f"timeout: it ran longer than {self._timeout:g} s{overdue}\n{stderr}"
        at = self._points[-1][0] if self._code == 0 and self._points else None
        if self._stopping and (at is None or at != self._last):
            return "stopped", self._overdue
        if self._code == 0:
            unheard = [why for file in self._files for why in file.unheard()]
            return "completed", "\n".join([*self._patterns.unheard(), *unheard, stderr])
        killed = self._code in KILLED and self._process.error != LEFT_BEHIND
        error = f"{self._process.error}\n{stderr}"
        if self._gpus and lacks_gpu_memory(error):
            return "failed", f"{GPU_MEMORY} ({self._process.error})\n{stderr}"
        if self._gpus and (said := blames_gpu(stderr)):
            return "killed", f"its GPU may be ill: {said}\n{error}"
        return "killed" if killed else "failed", error


def known(worker: int, assign: Assign, welcome: Welcome) -> list[Event]:
    """What the attempt before this one has completed with, unheard, if it has: as when its allocation ended then."""
    try:
        text = Path(welcome.trials, str(assign.trial), OUTCOME).read_text(encoding="utf-8")
        outcome = json.loads(text)
        run = (worker, assign.trial, assign.attempt)
        before = (assign.attempt - 1, "completed")
        if (outcome["attempt"], outcome["outcome"]) != before or not extends(assign.params, outcome["params"]):
            return []
        points = reported_fields({**dict(zip(RUN, run, strict=True)), "points": outcome["points"]})[-1]
    except (OSError, ValueError, KeyError, TypeError, WireError):
        return []
    words = [Reported(*run, points[first : first + BATCH]) for first in range(0, len(points), BATCH)]
    return [*words, Finished(*run, "completed", outcome["error"], outcome.get("ended"), outcome.get("usage", {}))]


def _own(directory: Path, params: Mapping[str, Scalar]) -> Path:
    """Make a trial's directory; one of other parameters, of a trial that no disk has taken down, is put aside."""
    try:
        other = not extends(params, json.loads((directory / PARAMS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        other = False
    if other:
        directory.rename(directory.with_name(f"{directory.name}.{time.time_ns()}"))
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _values(assign: Assign, welcome: Welcome, directory: Path) -> dict[str, Scalar]:
    """What the placeholders of a command stand for."""
    seed = welcome.seed + assign.trial
    place = str(directory)
    where = hosts.values(welcome.hosts, place) if welcome.hosts else {}
    about: dict[str, Scalar] = {"trial": assign.trial, "attempt": assign.attempt, "seed": seed, "trial_dir": place}
    return {**assign.params, **about, **where}


def _files(welcome: Welcome, values: Mapping[str, Scalar]) -> list[MetricsFile]:
    """The file of metrics of this attempt, if there is to be one."""
    plain = {name: glob.escape(each) if isinstance(each, str) else each for name, each in values.items()}
    words = fill([welcome.metrics_file] if welcome.metrics_file else [], plain)
    return [MetricsFile(str(Path(glob.escape(welcome.directory), word)), welcome.metrics_step) for word in words]


def _write(path: Path, document: Mapping[str, object], *, durable: bool = True) -> None:
    """Write JSON, all of it or nothing, and when it is to be ``durable``, on disk when this returns."""
    part = path.with_name(f".{path.name}")
    with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(document, file, ensure_ascii=False)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    part.replace(path)


def warn(text: str) -> None:
    """Say something to whoever reads the output of this rank."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a worker has no other voice
