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
from collections.abc import Iterator
from dataclasses import replace

import mpi4py

mpi4py.rc.finalize = False  # at exit it could wait for a dead rank

from mpi4py import MPI  # noqa: E402 - after rc

from metaopt.errors import LaunchError, WireError  # noqa: E402
from metaopt.messages import Command, Event, Lost, Message, Observe, Release, Suggest, Welcome, decode, encode  # noqa: E402
from metaopt.transports.base import MasterLost  # noqa: E402

TO_MASTER, TO_WORKER, BYE = 1, 2, 3
FAILED = {MPI.ERR_PROC_FAILED, MPI.ERR_PROC_FAILED_PENDING, MPI.ERR_REVOKED}
FAULT_TOLERANCE = "OMPI_MCA_mpi_ft_enable"  # set by mpirun --with-ft ulfm as well
SHORTEST, LONGEST = 0.0005, 0.002  # seconds between two looks: while words come, and after a while without any
PATIENCE = 5.0
AT_MOST = 1000  # words taken in before the scheduler decides


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


def place(comm: MPI.Intracomm) -> int:
    """The number of this rank on its node (0, 1, ...); Slurm's own is wrong under mpirun."""
    for name in ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"):
        if name in os.environ:
            return int(os.environ[name])
    return comm.Split_type(MPI.COMM_TYPE_SHARED).rank


def leave(status: int) -> None:
    """End this rank: in the usual way when all ranks have come here, else without waiting for the dead."""
    sys.stdout.flush()
    sys.stderr.flush()
    if _all_are_here():
        hurry = threading.Timer(PATIENCE, os._exit, [status])  # for one that dies in this very moment
        hurry.daemon = True
        hurry.start()
        MPI.Finalize()
    os._exit(status)


def _all_are_here() -> bool:
    """Whether every rank has come to its end; waits for them asleep, with fault tolerance for some seconds only."""
    deadline = time.monotonic() + PATIENCE if fault_tolerant() else float("inf")
    try:
        everybody = MPI.COMM_WORLD.Ibarrier()
        while not everybody.Test():
            if time.monotonic() > deadline:
                return False
            time.sleep(LONGEST)
    except MPI.Exception:
        return False
    return True


class _Mail:
    """Words under way, and what tells that a rank is dead."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self.comm, self.dead = comm, set[int]()
        self._under_way: list[tuple[MPI.Request, bytes, int]] = []

    def send(self, word: bytes, rank: int, tag: int, *, synchronous: bool = False) -> None:
        """Let ``word`` go to ``rank``, unless that is dead."""
        if rank in self.dead:
            return
        send = self.comm.Issend if synchronous else self.comm.Isend
        try:
            self._under_way.append((send([word, MPI.BYTE], rank, tag), word, rank))
        except MPI.Exception as error:
            self._failed(error, rank)

    def unread(self) -> int:
        """How many words have not arrived."""
        still: list[tuple[MPI.Request, bytes, int]] = []
        for request, word, rank in self._under_way:
            try:
                arrived = rank in self.dead or request.Test()
            except MPI.Exception as error:
                self._failed(error, rank)
                arrived = True
            if not arrived:
                still.append((request, word, rank))
        self._under_way = still
        return len(still)

    def receive(self, rank: int, tag: int) -> Iterator[tuple[int, bytearray]]:
        """The words that are there; two looks for the first, since a look makes progress only after it has looked."""
        status = MPI.Status()
        while True:
            try:
                message = self.comm.Improbe(rank, tag, status) or self.comm.Improbe(rank, tag, status)
                if message is None:
                    return
                word = bytearray(status.Get_count(MPI.BYTE))
                message.Recv([word, MPI.BYTE])
            except MPI.Exception as error:
                self._failed(error, rank)
                return
            yield status.source, word

    def _failed(self, error: MPI.Exception, rank: int) -> None:
        """Learn who is dead; any other error is one."""
        if error.Get_error_class() not in FAILED:
            raise error
        if rank != MPI.ANY_SOURCE:
            self.dead.add(rank)
        self.comm.Ack_failed()
        group = self.comm.Get_failed()
        self.dead.update(MPI.Group.Translate_ranks(group, list(range(group.size)), self.comm.Get_group()))
        group.Free()


class MpiHub:
    """Rank 0's end."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._mail = _Mail(comm)
        self._workers = range(1, comm.size)
        self._mourned: set[int] = set()
        self._gone: set[int] = set()
        self._heard = 0.0
        self._epoch = time.time() - time.monotonic()

    def greet(self, welcome: Welcome) -> None:
        """The first word to every worker."""
        word = encode(replace(welcome, host=socket.gethostname()))
        for rank in self._workers:
            self._mail.send(word, rank, TO_WORKER)

    def dismiss(self) -> None:
        """Send everybody home who is still there, whatever they are doing."""
        for rank in set(self._workers) - self._gone:
            self.send(Release(rank))
        self.close()

    def now(self) -> float:
        """Seconds since the epoch; never goes back when somebody sets the clock."""
        return self._epoch + time.monotonic()

    def receive(self, until: float) -> list[Event]:
        """What has been said; looks often while words come, and a little less often after a while without any."""
        while True:
            if events := [*self._words(), *self._deaths()]:
                self._heard = time.monotonic()
                return events
            left = until - self.now()
            if left <= 0:
                return []
            quiet = time.monotonic() - self._heard
            time.sleep(min(left, SHORTEST if quiet < 20 * LONGEST else LONGEST))

    def send(self, command: Command) -> None:
        """Say ``command`` to its worker."""
        if not isinstance(command, Welcome | Suggest | Observe):
            self._mail.send(encode(command), command.worker, TO_WORKER)

    def close(self) -> None:
        """Wait until everybody has said goodbye or is dead."""
        deadline = time.monotonic() + PATIENCE
        while (missing := set(self._workers) - self._gone - self._mail.dead) and time.monotonic() < deadline:
            self._gone |= {rank for rank, _ in self._mail.receive(MPI.ANY_SOURCE, BYE)} & missing
            self._mail.unread()
            time.sleep(SHORTEST)

    def _words(self) -> list[Event]:
        events: list[Event] = []
        for rank, word in self._mail.receive(MPI.ANY_SOURCE, TO_MASTER):
            try:
                events.append(decode(word))
            except WireError as error:
                events.append(Lost(rank, str(error)))
            if len(events) >= AT_MOST:
                break
        self._mail.unread()
        return events

    def _deaths(self) -> list[Event]:
        new = self._mail.dead - self._mourned
        self._mourned |= new
        return [Lost(rank, "its process died") for rank in sorted(new)]


class MpiLink:
    """A worker's end."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._mail = _Mail(comm)

    def receive(self) -> list[Command]:
        """What rank 0 has said since."""
        commands = [decode(word) for _, word in self._mail.receive(0, TO_WORKER)]
        self._mail.unread()
        if 0 in self._mail.dead:
            problem = "rank 0 is gone"
            raise MasterLost(problem)
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
