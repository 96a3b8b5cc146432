"""A worker: owns a device, runs one trial at a time, and passes on what the script says.

It imports the standard library only, and while its child trains it sleeps until the child says something.
"""

import errno
import os
import signal
import socket
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress

from metaopt.attempt import Attempt, known, warn
from metaopt.devices.base import Offer
from metaopt.errors import DeviceError
from metaopt.fence import fence
from metaopt.messages import (
    Assign,
    Command,
    Fence,
    Finished,
    Joined,
    Lost,
    Release,
    Started,
    StoodDown,
    Stop,
)
from metaopt.process import CannotStart, Guard
from metaopt.station import Station, Unfit
from metaopt.transports.base import Link, MasterLost
from metaopt.welcome import Welcome

PAUSE = 0.05  # seconds between two looks at rank 0 while a child trains
SHARE, SHORTEST, LONGEST = 0.01, 0.001, 0.2  # the same without a child: this share of the time since the last word
DISK = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE),
    *(errno.ESHUTDOWN, errno.ENOTCONN, errno.ETIMEDOUT),
}
"""What is wrong with a disk, and not with a trial: the trial waits until it is over."""
AGAIN, SOON = 1.0, 0.2  # seconds until it is tried again, with a disk and with a device
WINDOW = 32  # words that rank 0 has not taken in before this worker says no more


def serve(link: Link, worker: int, neighbours: Sequence[Offer], place: int) -> None:
    """Work until released; ``neighbours`` are what the workers of this node may use, this one's being at ``place``.

    Never raises: it leaves.
    """
    try:
        Worker(link, worker, Station(neighbours, place)).work()
    except MasterLost as error:
        warn(f"worker {worker}: {error}; leaving")
    except Exception as error:  # noqa: BLE001 - the others go on without this one
        warn(f"worker {worker} fails:\n{traceback.format_exc()}")
        with suppress(Exception):
            link.send(Lost(worker, f"it failed: {error!r}"))
            link.close()


class Worker:
    """What one worker rank does."""

    def __init__(self, link: Link, worker: int, station: Station) -> None:
        self._link, self._worker, self._station = link, worker, station
        self._guard = Guard()
        self._welcome: Welcome | None = None
        self._attempt: Attempt | None = None
        self._vigil: tuple[int, int] | None = None  # the trial and attempt that another node runs the script of
        self._postponed: Assign | None = None
        self._again_at = 0.0
        self._released = self._warned = self._standing_by = False
        self._heard_at = time.monotonic()

    def work(self) -> None:
        """Take commands and run trials until released."""
        signal.signal(signal.SIGUSR1, self._warn)
        try:
            while not self._released:
                self._wait()
                for command in self._link.receive():
                    self._heard_at = time.monotonic()
                    self._obey(command)
                if self._postponed is not None and time.monotonic() > self._again_at:
                    self._start(self._postponed)
                if self._attempt is not None:
                    self._attend(self._attempt)
        except MasterLost:
            self._abandon()
            raise
        finally:
            self._guard.close()
        self._link.close()

    def _wait(self) -> None:
        """Sleep until the child says something, or for a moment."""
        if self._attempt is not None:
            self._attempt.wait(PAUSE)
        else:
            quiet = time.monotonic() - self._heard_at
            time.sleep(min(max(SHARE * quiet, SHORTEST), LONGEST))

    def _obey(self, command: Command) -> None:
        match command:
            case Welcome():
                self._join(command)
            case Assign():
                self._start(command)
            case Stop(_, trial, attempt, reason, _, last):
                if self._attempt is not None and self._attempt.key == (trial, attempt):
                    self._attempt.stop(reason, last)
                elif self._vigil == (trial, attempt):
                    usage, self._vigil = self._station.end(), None
                    self._tell(Finished(self._worker, trial, attempt, reason, usage=usage))
                elif self._postponed is not None and (self._postponed.trial, self._postponed.attempt) == (
                    trial,
                    attempt,
                ):
                    self._postponed = None
                    self._link.send(Finished(self._worker, trial, attempt, "stopped"))
            case Fence(_, silent, pid):
                fence(pid, silent)
            case Release():
                self._released = True

    def _join(self, welcome: Welcome) -> None:
        """Find out what this worker owns: its share of the node's cores and GPUs.

        Who hears this again was given up, and what it ran is run elsewhere; or it is to work for another experiment.
        """
        self._drop()
        self._welcome, self._postponed, self._standing_by = welcome, None, False
        station = self._station
        if welcome.spare and not welcome.hosts:
            station.rest()
            self._stand_by(welcome.spare, spare=True)
            return
        try:
            station.settle(welcome)
        except DeviceError as error:
            self._stand_by(str(error))
            return
        if fault := station.fault():
            self._stand_by(fault, station.gpus)
            return
        host, device = socket.gethostname(), station.device.name
        if welcome.spare:
            self._link.send(StoodDown(self._worker, host, welcome.spare, spare=True))
            return
        self._link.send(Joined(self._worker, host, device, os.getpid(), station.gpus, station.doubt))

    def _stand_by(self, why: str, gpus: tuple[str, ...] = (), *, spare: bool = False) -> None:
        """Run no trials any more, or as long as it is ``spare``, and say why; ``gpus`` are ill."""
        self._standing_by, self._postponed = True, None
        ill = tuple(gpu for gpu in gpus if gpu in why) or gpus
        self._link.send(StoodDown(self._worker, socket.gethostname(), why, ill, spare))

    def _drop(self) -> None:
        """Let go of what runs here: nobody counts on it any more."""
        if self._vigil is not None:
            self._station.end()
            self._vigil = None
        if self._attempt is not None:
            self._station.end()
            self._attempt.abandon()
            self._guard.close()
            self._guard, self._attempt = Guard(), None

    def _start(self, assign: Assign) -> None:
        if self._welcome is None or self._standing_by:
            return
        self._drop()  # for rank 0 this worker is idle: so what it runs is run elsewhere
        run, first, self._postponed = (self._worker, assign.trial, assign.attempt), self._postponed is None, None
        looks_after = bool(self._welcome.spare)
        if words := [] if looks_after else known(self._worker, assign, self._welcome):
            for word in words:
                self._link.send(word)
            return
        if not self._is_fit(assign, first=first):
            return
        if looks_after:
            self._vigil = assign.trial, assign.attempt
            self._station.begin()
            self._link.send(Started(*run, 0))
            return
        try:
            self._attempt = Attempt(self._worker, assign, self._welcome, self._guard, self._station.device)
        except (CannotStart, OSError, ValueError) as error:
            cause = error.__cause__ or error
            if isinstance(cause, OSError) and cause.errno in DISK:
                self._postpone(assign, f"its directory cannot be written: {cause}" if first else "")
            else:
                self._link.send(Finished(*run, "failed", f"it cannot be started: {error}"))
        else:
            self._station.begin()
            self._link.send(Started(*run, self._attempt.pid))

    def _is_fit(self, assign: Assign, *, first: bool) -> bool:
        """Whether the device is fit for a trial; else that waits, or this worker stands by."""
        try:
            self._station.check(first=first)
        except Unfit as unfit:
            if unfit.now:
                self._postpone(assign, self._station.remark, SOON)
            else:
                self._stand_by(unfit.why, self._station.gpus)
            return False
        if self._station.remark:
            warn(f"warning: trial {assign.trial}: {self._station.remark}")
        return True

    def _postpone(self, assign: Assign, why: str, pause: float = AGAIN) -> None:
        """Try again soon; say ``why``, if there is anything to say."""
        self._postponed, self._again_at = assign, time.monotonic() + pause
        if why:
            warn(f"warning: trial {assign.trial} waits, since {why}")

    def _warn(self, *_: object) -> None:
        """The end is near; rank 0 has heard it too, and says what to do.  A batch system may tell the script itself."""
        self._warned = True

    def _abandon(self) -> None:
        """Nobody is left to report to: the script has its grace to save; how it ends stands in its directory."""
        if self._attempt is None:
            return
        self._attempt.stop("interrupted")
        while not self._attempt.over:
            self._attempt.wait(PAUSE)
            self._attempt.listen()
            while self._attempt.next_word() is not None:
                pass
        self._attempt.conclude()

    def _attend(self, attempt: Attempt) -> None:
        """Pass on what the script has said; see to its end."""
        attempt.listen()
        while self._link.unread() < WINDOW and (word := attempt.next_word()) is not None:
            self._link.send(word)
        if attempt.over:
            finished = attempt.conclude(warned=self._warned, usage=self._station.end())
            self._attempt = None
            self._tell(finished)
            self._heard_at = time.monotonic()

    def _tell(self, finished: Finished) -> None:
        """How a trial has ended; unless its GPUs turn out to be ill: so it may have been that, and not the trial."""
        fault = self._station.fault() if finished.outcome in {"failed", "killed"} else ""
        if fault:
            self._stand_by(fault, self._station.gpus)
        else:
            self._link.send(finished)
