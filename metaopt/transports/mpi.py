"""Rank 0 and the workers over MPI: small messages, sent and received without ever blocking.

A blocking MPI call burns its core, so there is none, not even at the end.  With fault tolerance (Open MPI 5's ULFM) a
rank's death is an error code here and nothing else; then nobody calls Finalize or Abort, which would hang: ranks just
leave.  A worker's words are synchronous sends, complete once rank 0 has taken them in: that is the back-pressure.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Mapping

from metaopt.errors import LaunchError, WireError
from metaopt.fence import end_launcher, fence, launcher
from metaopt.messages import (
    Advice,
    Claim,
    Command,
    Event,
    Fence,
    Finished,
    Joined,
    Lost,
    Message,
    Release,
    Reported,
    Started,
    StoodDown,
)
from metaopt.transports.base import MasterLost
from metaopt.transports.heart import Heart
from metaopt.transports.mail import FAILED, MPI, Beats, Mail
from metaopt.transports.pulse import Pulse
from metaopt.welcome import Welcome
from metaopt.wire import decode, encode

TO_MASTER, TO_WORKER, BYE = 1, 2, 3
FAULT_TOLERANCE = "OMPI_MCA_mpi_ft_enable"  # set by mpirun --with-ft ulfm as well
WITH_ULFM = 5  # the first version of Open MPI that has it
SHORTEST, LONGEST = 0.0005, 0.002  # seconds between two looks: while words come, and after a while without any
PATIENCE = 5.0
PATIENT = 2  # a worker waits so much longer for rank 0 than rank 0 for it
AT_MOST = 1000  # words taken in before the scheduler decides

_left_behind: set[int] = set()
"""Ranks that are silent and that nobody could end: the launcher would wait for them for ever."""


def fault_tolerant() -> bool:
    """Whether this job outlives the death of one of its ranks; where it does not, the error codes are all one."""
    return len(FAILED) > 1 and os.environ.get(FAULT_TOLERANCE, "0").lower() not in {"0", "false", "no"}


def world() -> MPI.Intracomm:
    """All ranks; raises LaunchError when there are fewer of them than the launcher says."""
    comm = MPI.COMM_WORLD
    comm.Set_errhandler(MPI.ERRORS_RETURN)
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"):
        expected = os.environ.get(name, "")
        if comm.size == 1 and expected.isdigit() and int(expected) > 1:
            problem = f"the launcher started {expected} processes ({name}), but each is an MPI world of its own"
            hint = "mpi4py's MPI does not fit this launcher.  With srun: --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)."
            raise LaunchError(problem, hint)
    if comm.size == 1:
        problem = "there is only one rank, and rank 0 runs no trials"
        raise LaunchError(problem, "Start one rank more than there are workers: mpirun -n 5 python -m metaopt exp.yaml")
    return comm


def _threads() -> bool:
    """Whether any thread may call MPI."""
    return bool(MPI.Query_thread() == MPI.THREAD_MULTIPLE)


def leave(status: int) -> None:
    """End this rank.  With fault tolerance it just goes: whatever waits for all could wait for a dead one."""
    sys.stdout.flush()
    sys.stderr.flush()
    if 0 in _left_behind:  # nobody waits for this rank
        os._exit(status)
    if _left_behind:
        end_launcher()
    elif not fault_tolerant():
        _finalize(status)
    os._exit(status)


def _finalize(status: int) -> None:
    """Leave MPI when all ranks have come here; asleep until then, since Finalize would burn a core."""
    everybody = MPI.COMM_WORLD.Ibarrier()
    while not everybody.Test():
        time.sleep(LONGEST)
    hurry = threading.Timer(PATIENCE, os._exit, [status])  # for one that dies in this very moment
    hurry.daemon = True
    hurry.start()
    MPI.Finalize()


def doubts() -> list[str]:
    """What may go wrong with this job: it ends when one of its ranks dies, and an option would keep it."""
    name, version = MPI.get_vendor()
    if fault_tolerant() or name != "Open MPI" or version[0] < WITH_ULFM or launcher() is None:
        return []
    return ["when a rank dies, this whole run ends; it goes on without that rank with:  mpirun --with-ft ulfm"]


def _event(word: bytearray, rank: int) -> Event:
    """What a worker has said; raises WireError when that is nothing that it may say."""
    event = decode(word)
    if isinstance(event, Joined | Started | Reported | Finished | Lost | StoodDown) and event.worker == rank:
        return event
    problem = f"not a message of worker {rank}: {bytes(word[:200])!r}"
    raise WireError(problem)


class MpiHub:
    """Rank 0's end."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._mail = Mail(comm)
        self._workers = range(1, comm.size)
        self._mourned: set[int] = set()
        self._silent: set[int] = set()
        self._greeted: set[int] = set()  # who has not yet joined since
        self._homes: dict[int, tuple[str, int]] = {}
        self._gone: set[int] = set()
        self._heard = 0.0
        self._epoch = time.time() - time.monotonic()
        self._pulse = Pulse((), float("inf"), self._epoch)
        self._beats = Beats(comm, TO_WORKER)
        self._heart: Heart | None = None

    def greet(self, welcome: Welcome, roles: Mapping[int, Welcome] | None = None) -> None:
        """The first word to every worker, or its own; from now on nobody may be silent for long."""
        self._heart = Heart(self._beat, welcome.heartbeat, threads=_threads())
        self._welcomes = dict.fromkeys(self._workers, encode(welcome))
        self._welcomes |= {rank: encode(role) for rank, role in (roles or {}).items()}
        self._pulse = Pulse(self._workers, welcome.heartbeat, time.monotonic())
        self._greeted.update(self._workers)
        for rank in self._workers:
            self._mail.send(self._welcomes[rank], rank, TO_WORKER)

    def appoint(self, worker: int, role: Welcome) -> None:
        """Another first word to one of them: now, or when it comes back."""
        self._welcomes[worker] = encode(role)
        if worker not in self._silent:
            self._mail.send(self._welcomes[worker], worker, TO_WORKER)

    def dismiss(self) -> None:
        """Send everybody home who is still there, whatever they are doing; end the silent as far as they are near."""
        self._collect()
        for rank in self._silent - self._mail.dead - self._gone:
            self._fence(rank)
        for rank in set(self._workers) - self._gone:
            self.send(Release(rank))
        self.close()
        if self._heart is not None:
            self._heart.stop()
        _left_behind.update(self._silent - self._mail.dead - self._gone)

    def now(self) -> float:
        """Seconds since the epoch; never goes back when somebody sets the clock."""
        return self._epoch + time.monotonic()

    def receive(self, until: float) -> list[Event]:
        """What has been said; looks often while words come, and a little less often after a while without any."""
        while True:
            self._look()
            if events := [*self._words(), *self._deaths(), *self._silences()]:
                self._heard = time.monotonic()
                return events
            left = until - self.now()
            if left <= 0:
                return []
            quiet = time.monotonic() - self._heard
            time.sleep(min(left, SHORTEST if quiet < 20 * LONGEST else LONGEST))

    def send(self, command: Command) -> None:
        """Say ``command`` to its worker, unless that is silent: it shall but leave, or join anew."""
        if isinstance(command, Welcome | Advice | Claim):
            return
        if command.worker not in self._silent or isinstance(command, Release):
            self._mail.send(encode(command), command.worker, TO_WORKER)

    def close(self) -> None:
        """Wait until everybody has said goodbye or is dead."""
        deadline = time.monotonic() + PATIENCE
        while set(self._workers) - self._gone - self._mail.dead and time.monotonic() < deadline:
            self._collect()
            self._mail.unread()
            time.sleep(SHORTEST)

    def _collect(self) -> None:
        """Take goodbyes in."""
        self._gone |= {rank for rank, _ in self._mail.receive(MPI.ANY_SOURCE, BYE)}

    def _look(self) -> None:
        self._pulse.look(time.monotonic())
        if self._heart is not None:
            self._heart.look()

    def _beat(self) -> None:
        """Let those know who wait that rank 0 lives; in a thread of its own."""
        self._beats.send(set(self._workers) - self._mourned)

    def _words(self) -> list[Event]:
        events: list[Event] = []
        for rank, word in self._mail.receive(MPI.ANY_SOURCE, TO_MASTER):
            self._pulse.heard(rank)
            if word or rank in self._silent:
                events += self._read(rank, word)
            if len(events) >= AT_MOST:
                break
        self._mail.unread()
        return events

    def _deaths(self) -> list[Event]:
        new = self._mail.dead - self._mourned
        self._mourned |= new
        for rank in new:
            self._pulse.forget(rank)
        return [Lost(rank, "its process died") for rank in sorted(new)]

    def _silences(self) -> list[Event]:
        """Give up those who are silent."""
        new = self._pulse.silent()
        self._mourned.update(new)
        self._silent.update(new)
        if fault_tolerant():  # without it this would end the job
            for rank in new:
                self._fence(rank)
        return [Lost(rank, "it has been silent for too long") for rank in new]

    def _fence(self, rank: int) -> None:
        """Have the process of ``rank`` killed by somebody on its host, if there is anybody."""
        host, pid = self._homes.get(rank, ("", 0))
        if host == socket.gethostname():
            fence(pid, rank)
            return
        neighbours = (r for r, (place, _) in self._homes.items() if place == host and r not in self._mourned)
        if pid and (near := next(neighbours, None)) is not None:
            self.send(Fence(near, rank, pid))

    def _read(self, rank: int, word: bytearray) -> list[Event]:
        """The event in ``word``; one who was given up is told to begin anew, and heard when that is done."""
        try:
            event = _event(word, rank) if word else None
        except WireError as error:
            self.send(Release(rank))
            event = Lost(rank, str(error))
        if isinstance(event, Lost) and rank not in self._mourned:
            self._mourned.add(rank)
            self._pulse.forget(rank)
            return [event]
        if isinstance(event, Joined):
            self._homes[rank] = (event.host, event.pid)
        if isinstance(event, Joined | StoodDown):
            self._greeted.discard(rank)
        if rank in self._silent:
            if not isinstance(event, Joined | StoodDown):
                if rank not in self._greeted:
                    self._mail.send(self._welcomes[rank], rank, TO_WORKER)
                self._greeted.add(rank)
                return []
            self._silent.discard(rank)
            self._mourned.discard(rank)
            self._pulse.watch(rank)
        return [event] if event is not None and rank not in self._mourned else []


class MpiLink:
    """A worker's end."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._mail = Mail(comm)
        self._pulse = Pulse((), float("inf"), 0.0)
        self._beats = Beats(comm, TO_MASTER)
        self._heart: Heart | None = None

    def receive(self) -> list[Command]:
        """What rank 0 has said since."""
        self._pulse.look(time.monotonic())
        if self._heart is not None:
            self._heart.look()
        words = [word for _, word in self._mail.receive(0, TO_WORKER)]
        if words:
            self._pulse.heard(0)
        commands = [decode(word) for word in words if word]
        self._mail.unread()
        if 0 in self._mail.dead or self._pulse.silent():
            problem = "rank 0 is gone" if 0 in self._mail.dead else "rank 0 has been silent for too long"
            _left_behind.add(0)
            raise MasterLost(problem)
        for welcome in commands:
            if isinstance(welcome, Welcome):
                self._pulse = Pulse((0,), PATIENT * welcome.heartbeat, time.monotonic())
                self._heart = self._heart or Heart(self._beat, welcome.heartbeat, threads=_threads())
        return commands

    def send(self, event: Message) -> None:
        """Say ``event`` to rank 0."""
        self._mail.send(encode(event), 0, TO_MASTER, synchronous=True)

    def unread(self) -> int:
        """How many words rank 0 has not taken in."""
        return self._mail.unread()

    def close(self) -> None:
        """Say goodbye, and see it off."""
        self._mail.send(b"", 0, BYE)
        deadline = time.monotonic() + PATIENCE
        while self._mail.unread() and 0 not in self._mail.dead and time.monotonic() < deadline:
            time.sleep(SHORTEST)
        if self._heart is not None:
            self._heart.stop()

    def _beat(self) -> None:
        """Let rank 0 know that this one lives; in a thread of its own."""
        self._beats.send([0])
