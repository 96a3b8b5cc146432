"""Whether the GPUs of one worker are in order and free, and what they do while a trial runs."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from metaopt.devices.base import Gpu
from metaopt.devices.nvml import Nvml, Reading
from metaopt.errors import DeviceError

T = TypeVar("T")
RHYTHM = 1.0  # seconds between two samples
HANGS = 10.0  # seconds after which a driver that does not answer is ill
SLACK = 0.1  # of a GPU's memory, that nobody minds
GIB = 1 << 30


class Held(NamedTuple):
    """Memory that is in use where a trial is to begin: ``what`` to say of it, and the processes that hold it."""

    what: str
    pids: tuple[int, ...]


class Meter:
    """What a trial's GPUs did, by samples of them.

    ``usage`` has gpu_utilisation (mean, 0 to 1), gpu_memory and gpu_memory_total (bytes, the most in use and what
    there is, over all GPUs), gpu_joules; a figure that the GPUs do not tell is left out.  Of a GPU that several trials
    share these are the figures of the whole, but for the energy, of which each has its ``share``.
    """

    def __init__(self, gpus: Sequence[Gpu], share: float = 1.0) -> None:
        self._total, self._share = sum(gpu.memory for gpu in gpus), min(share, 1.0)
        self._busy: list[float] = []
        self._memory, self._joules = 0, 0.0
        self._last: tuple[float, Sequence[Reading]] | None = None

    def take(self, now: float, readings: Sequence[Reading]) -> None:
        """Take in what the GPUs do at ``now``; the first time only from when on the energy counts."""
        if self._last is not None:
            before, earlier = self._last
            self._busy += [each.busy for each in readings if each.busy is not None]
            self._memory = max(self._memory, sum(each.memory for each in readings))
            self._joules += sum(_energy(*pair, now - before) for pair in zip(earlier, readings, strict=True))
        self._last = now, readings

    @property
    def usage(self) -> dict[str, float]:
        """All that, so far."""
        found: dict[str, float] = {}
        if self._busy:
            found["gpu_utilisation"] = round(sum(self._busy) / len(self._busy), 4)
        if self._memory:  # one that was over before it was looked at has none
            found |= {"gpu_memory": self._memory, "gpu_memory_total": self._total}
        if self._joules:
            found["gpu_joules"] = round(self._joules * self._share, 3)
        return found


def _energy(before: Reading, after: Reading, seconds: float) -> float:
    """Joules: from the GPU's own counter, else from its power."""
    if before.joules is not None and after.joules is not None:
        return max(after.joules - before.joules, 0.0)
    return (after.watts or 0.0) * seconds


class Monitor:
    """Asks NVML about ``gpus``, of each of which a trial has ``share``; raises DeviceError when that cannot be used."""

    def __init__(self, gpus: Sequence[Gpu], share: float) -> None:
        self._nvml, self._gpus, self._share = Nvml(), gpus, share
        self._floor: dict[str, int] = {}
        self._done = threading.Event()
        self._meter = Meter(gpus, share)
        self._thread: threading.Thread | None = None

    def fault(self) -> str:
        """Why nothing should run here any more; empty while all is in order."""
        said = within(HANGS, self._fault)
        return f"NVML has not answered for {HANGS:g} s" if said is None else said

    def held(self) -> Held | None:
        """Whether something keeps more memory than there was in use before the first trial, or less than its share."""
        for gpu in self._gpus:
            try:
                used, processes = self._nvml.memory(gpu)
            except DeviceError:
                continue  # it does not tell; whether it is ill, ``fault`` says
            floor = self._floor[gpu.uuid] = min(self._floor.get(gpu.uuid, used), used)
            most = floor + SLACK * gpu.memory if self._share >= 1 else (1 - self._share * (1 - SLACK)) * gpu.memory
            if used > most:
                who = (
                    ", ".join(f"{pid} ({size / GIB:.1f} GiB)" for pid, size in processes.items()) or "none that is told"
                )
                what = f"{used / GIB:.1f} of {gpu.memory / GIB:.1f} GiB of {gpu.uuid} are in use; processes: {who}"
                return Held(what, tuple(processes))
        return None

    def watch(self) -> None:
        """A trial begins: sample what the GPUs do, in a thread of its own, since a driver may hang."""
        self._done.set()
        self._done, self._meter = threading.Event(), Meter(self._gpus, self._share)
        self._thread = threading.Thread(target=self._sample, args=(self._done, self._meter), daemon=True)
        self._thread.start()

    def usage(self) -> dict[str, float]:
        """It has ended: what they did meanwhile."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(RHYTHM)
        return self._meter.usage

    def _fault(self) -> str:
        return next((f"{gpu.uuid}: {why}" for gpu in self._gpus if (why := self._nvml.fault(gpu))), "")

    def _sample(self, done: threading.Event, meter: Meter) -> None:
        over = False
        while True:
            try:
                readings = [self._nvml.reading(gpu) for gpu in self._gpus]
            except DeviceError:
                return  # nothing more is known; what is wrong is found when the trial has ended
            meter.take(time.monotonic(), readings)
            if over:
                return
            over = done.wait(RHYTHM)


def within(seconds: float, ask: Callable[[], T]) -> T | None:
    """The answer to ``ask``; None when it takes longer."""
    answers: list[T] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None
