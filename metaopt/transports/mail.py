"""Words under way between ranks: sent and received without ever blocking, and a dead rank is no error but a fact."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress

import mpi4py

mpi4py.rc.finalize = False  # at exit it could wait for a dead rank

from mpi4py import MPI  # noqa: E402 - after rc

__all__ = ["FAILED", "MPI", "Beats", "Mail"]

FAILED = {MPI.ERR_PROC_FAILED, MPI.ERR_PROC_FAILED_PENDING, MPI.ERR_REVOKED}


class Beats:
    """Empty words from another thread.  What goes wrong with them is passed over: ``Mail`` finds out who is dead."""

    def __init__(self, comm: MPI.Intracomm, tag: int) -> None:
        self._comm, self._tag = comm, tag
        self._under_way: list[MPI.Request] = []

    def send(self, ranks: Iterable[int]) -> None:
        """One to each."""
        self._under_way = [request for request in self._under_way if not _is_over(request)]
        for rank in ranks:
            with suppress(MPI.Exception):
                self._under_way.append(self._comm.Isend([b"", MPI.BYTE], rank, self._tag))


def _is_over(request: MPI.Request) -> bool:
    try:
        return request.Test()
    except MPI.Exception:
        return True


class Mail:
    """Words under way, and what tells that a rank is dead."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self.comm, self.dead = comm, set[int]()
        self._under_way: list[tuple[MPI.Request, bytes, int]] = []
        self._coming: dict[tuple[int, int], deque[tuple[MPI.Request, bytearray]]] = {}

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
        """The words that are there, those of each sender in order; of one who stops halfway, none is waited for.

        Two looks for the first, since a look makes progress only after it has looked.
        """
        status = MPI.Status()
        while True:
            try:
                message = self.comm.Improbe(rank, tag, status) or self.comm.Improbe(rank, tag, status)
                if message is not None:
                    word = bytearray(status.Get_count(MPI.BYTE))
                    coming = self._coming.setdefault((status.source, tag), deque())
                    coming.append((message.Irecv([word, MPI.BYTE]), word))
            except MPI.Exception as error:
                self._failed(error, rank)
                message = None
            yield from self._arrived(tag)
            if message is None:
                return

    def _arrived(self, tag: int) -> Iterator[tuple[int, bytearray]]:
        """The words with this tag that are here as a whole."""
        for source, its_tag in [key for key in self._coming if key[1] == tag]:
            coming = self._coming[source, its_tag]
            try:
                while coming and coming[0][0].Test():
                    yield source, coming.popleft()[1]
            except MPI.Exception as error:
                coming.clear()
                self._failed(error, source)
            if not coming:
                del self._coming[source, its_tag]

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
