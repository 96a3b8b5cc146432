"""What one worker owns, from its first word on: cores, GPUs, and whether these are fit for a trial."""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from metaopt.devices.allot import allot, share_out, whole
from metaopt.devices.base import Device, Gpu, Offer
from metaopt.devices.claim import Claims
from metaopt.devices.cpu import share_near, usable_cores
from metaopt.devices.gpu import give, give_all
from metaopt.reporting import TRIAL_DIR
from metaopt.scalars import counted
from metaopt.welcome import Welcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from metaopt.devices.monitor import Monitor

PATIENCE = 30.0  # seconds until the memory of the last trial must be free
QUIET = 5.0  # seconds in which nothing is said of that
HIDDEN = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "-1"}
"""What scripts are told that are to use no GPU."""


class Unfit(Exception):
    """No trial should begin here: ``now``, or, if that is all, ever again."""

    def __init__(self, why: str, *, now: bool) -> None:
        super().__init__(why)
        self.why, self.now = why, now


class Station:
    """The place of one worker: ``neighbours`` are what the workers of its node may use, of which it is ``place``."""

    def __init__(self, neighbours: Sequence[Offer], place: int) -> None:
        self._neighbours, self._place = neighbours, place
        self._monitor: Monitor | None = None
        self._monitors: dict[tuple[Gpu, ...], Monitor] = {}
        self._trials = set[str]()
        self._share = 1.0
        self._until, self._told = 0.0, False
        self._claims = Claims()
        self.device = Device("", (), {})
        self.doubt = self.remark = ""

    @property
    def gpus(self) -> tuple[str, ...]:
        """The UUIDs of its GPUs."""
        return tuple(gpu.uuid for gpu in self.device.gpus)

    def settle(self, welcome: Welcome) -> None:
        """Find out what is this worker's; raises DeviceError when that is nothing, or cannot be used."""
        wanted, self.doubt = welcome.gpus, welcome.note
        gpus = self._take_all(welcome) if welcome.hosts else self._take_share(welcome)
        if not gpus and (wanted == 0 or welcome.allow_cpu):
            self.device = Device(self.device.name, self.device.cores, self.device.defaults, HIDDEN)
        self._trials |= {welcome.trials} - {""}
        self._share = min(wanted or 1, 1)
        if not gpus:  # as between two experiments
            self._claims.release()
        self._monitor = self._monitor_of(tuple(gpus)) if gpus and gpus[0].maker == "nvidia" else None

    def rest(self) -> None:
        """Nothing is this worker's any more: others may have it."""
        self._claims.release()
        self._monitor = None

    def _monitor_of(self, gpus: tuple[Gpu, ...]) -> "Monitor":
        """The one for these GPUs, which knows what was in use before the first trial."""
        if gpus not in self._monitors:
            from metaopt.devices.monitor import Monitor  # noqa: PLC0415 - for machines with GPUs

            self._monitors[gpus] = Monitor(gpus, self._share)
        return self._monitors[gpus]

    def _take_all(self, welcome: Welcome) -> Sequence[Gpu]:
        """The whole node."""
        gpus, doubt = whole(self._neighbours, welcome.gpus, allow_cpu=welcome.allow_cpu)
        self.device = give_all(gpus, usable_cores(), len(welcome.hosts), welcome.gpu_numbers)
        self._add_doubt(doubt)
        return gpus

    def _take_share(self, welcome: Welcome) -> Sequence[Gpu]:
        """What is this worker's of a node that all of its workers share."""
        wanted, workers = welcome.gpus, len(self._neighbours)
        gpus, doubt = allot(self._neighbours, self._place, wanted, allow_cpu=welcome.allow_cpu)
        given = share_out(self._neighbours, wanted or 1) if gpus else [()] * workers
        cores = usable_cores()
        self.device = give(gpus, share_near(cores, given, self._place, welcome.cores))
        self._add_doubt(doubt)
        if not gpus and self._place == 0 and (welcome.cores or 1) * workers > len(cores):
            room = max(1, len(cores) // (welcome.cores or 1))
            self._add_doubt(f"{workers} workers share {counted(len(cores), 'core')}: {room} would fit")
        return gpus

    def _add_doubt(self, doubt: str) -> None:
        self.doubt = "; ".join(filter(None, [self.doubt, doubt]))

    def check(self, *, first: bool) -> None:
        """Raise Unfit when a trial should not begin: the device is ill, or somebody has it, or memory of it, still.

        ``first``: this trial has not been waiting for that.  A ``remark`` is to be told, once.
        """
        self.remark = ""
        if first:
            self._until, self._told = time.monotonic() + PATIENCE, False
        if fault := self.fault():
            raise Unfit(fault, now=False)
        held = None if self._monitor is None else self._monitor.held()
        if held is not None and self._share >= 1:
            kill_leftovers(held.pids, *self._trials)
        claimed = self._claims.claim(self.device.gpus, self._share)
        why, left = claimed or ("" if held is None else held.what), self._until - time.monotonic()
        if why and left > 0:
            self.remark = why if PATIENCE - left > QUIET and not self._told else ""
            self._told = self._told or bool(self.remark)
            raise Unfit(why, now=True)
        if why and (claimed or self._share >= 1):
            raise Unfit(why, now=False)
        if why:
            self.remark = f"{why}: those that share it use more than their part"

    def fault(self) -> str:
        """Why nothing should run here any more; empty while all is in order."""
        return "" if self._monitor is None else self._monitor.fault()

    def begin(self) -> None:
        """A trial begins."""
        if self._monitor is not None:
            self._monitor.watch()

    def end(self) -> dict[str, float]:
        """It has ended: what its GPUs did meanwhile."""
        return {} if self._monitor is None else self._monitor.usage()


def kill_leftovers(pids: Sequence[int], *trials: str) -> int:
    """Kill those processes that scripts of the trials below any of ``trials`` have left behind; how many there were.

    Nobody else's: NVML gives the numbers of the host, which in a container are those of others, or of nobody.
    """
    marks, killed = [f"\0{TRIAL_DIR}={Path(each).absolute()}/".encode() for each in trials], 0
    for pid in pids:
        with suppress(OSError):
            told = b"\0" + Path("/proc", str(pid), "environ").read_bytes()
            if any(mark in told for mark in marks):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed
