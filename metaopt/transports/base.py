"""The two ends of a transport.  It is also the clock: a simulated one has a time of its own."""

from collections.abc import Mapping
from typing import Protocol

from metaopt.errors import MetaoptError
from metaopt.messages import Command, Event
from metaopt.welcome import Welcome


class MasterLost(MetaoptError):
    """Rank 0 is gone: nobody is left to report to."""


class Hub(Protocol):
    """Rank 0's end.  Nothing here ever blocks on another rank."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def receive(self, until: float) -> list[Event]:
        """What the workers have said, in the order of each; empty when it is ``until`` and nobody has said a word.

        A worker that dies, or is silent for too long, is told as Lost, once; so is one whose words cannot be read.
        Nothing more is heard of it, unless it comes back and has Joined anew.
        """
        ...

    def send(self, command: Command) -> None:
        """Say ``command`` to its worker; dropped when that worker is gone."""
        ...

    def close(self) -> None:
        """See that what was said has arrived, for a few seconds at most, and that the released workers have left."""
        ...


class Greeter(Hub, Protocol):
    """A hub whose workers wait for their first word."""

    def greet(self, welcome: Welcome, roles: Mapping[int, Welcome] | None = None) -> None:
        """Say it to all of them, to those in ``roles`` one of their own."""
        ...

    def appoint(self, worker: int, role: Welcome) -> None:
        """Say another first word to ``worker``, who begins anew with it; if it is lost, should it come back."""
        ...


class Link(Protocol):
    """A worker's end.  Nothing here ever blocks on another rank."""

    def receive(self) -> list[Command]:
        """What rank 0 has said since.  Raises MasterLost when rank 0 is gone, or silent for too long."""
        ...

    def send(self, event: Event) -> None:
        """Say ``event`` to rank 0."""
        ...

    def unread(self) -> int:
        """How many of the words said are not taken in yet: who says much waits while this is large."""
        ...

    def close(self) -> None:
        """See that what was said has arrived, for a few seconds at most."""
        ...
