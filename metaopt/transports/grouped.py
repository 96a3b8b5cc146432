"""A hub whose trials have several nodes each: one worker of each group of nodes leads, the others stand by.

To the scheduler a leader is a worker as any other.  A group that loses a node is given up: what is left of it, and what
stood by, form new ones, whose leaders begin anew; so what they ran is lost, and run again.
"""

from collections.abc import Mapping, Sequence

from metaopt.devices.base import Node
from metaopt.groups import Roster
from metaopt.messages import Command, Event, Finished, Joined, Lost, StoodDown, Welcome
from metaopt.resources import Resources
from metaopt.transports.base import Greeter

FAILURES = {"failed", "killed"}


def grouped(hub: Greeter, nodes: Sequence[Node], resources: Resources, *, allow_cpu: bool) -> Greeter:
    """``hub`` itself, where a trial has one node."""
    return hub if resources.nodes == 1 else GroupedHub(hub, nodes, resources, allow_cpu=allow_cpu)


class GroupedHub:
    """``hub``, with trials on as many of these ``nodes`` as ``resources`` says; raises MetaoptError for too few."""

    def __init__(self, hub: Greeter, nodes: Sequence[Node], resources: Resources, *, allow_cpu: bool) -> None:
        self._hub, self._roster = hub, Roster(nodes, resources, allow_cpu=allow_cpu)
        self._roles: dict[int, Welcome] = {}
        self._due: set[int] = set()  # who has been told another role, and is to answer
        self._working: set[int] = set()  # who has joined, as far as has been told
        self._asked: set[int] = set()  # whether they are there
        self._held: list[tuple[Event, set[int]]] = []  # until these workers have answered, or are lost

    def now(self) -> float:
        """As the hub."""
        return self._hub.now()

    def send(self, command: Command) -> None:
        """As the hub."""
        self._hub.send(command)

    def close(self) -> None:
        """As the hub."""
        self._hub.close()

    def greet(self, welcome: Welcome, roles: Mapping[int, Welcome] | None = None) -> None:
        """The first word to every worker: whether it leads, or stands by."""
        self._welcome, self._roles = welcome, {**(roles or {}), **self._roster.roles(welcome)}
        self._hub.greet(welcome, self._roles)

    def appoint(self, worker: int, role: Welcome) -> None:
        """As the hub."""
        self._hub.appoint(worker, role)

    def receive(self, until: float) -> list[Event]:
        """What is said; but two things are said only when those have answered on whom it depends.

        A leader is gone when they are there who take its place; a trial has failed when all of its nodes are there.
        """
        events = self._hub.receive(until)
        if any([self._roster.take(event) for event in events]):  # noqa: C419 - all of them
            self._change_roles()
        heard = [event for event in events if self._is_heard(event)]
        ready = [event for event, missing in self._held if not missing]
        self._held = [(event, missing) for event, missing in self._held if missing]
        return [*heard, *ready]

    def _change_roles(self) -> None:
        """Tell those who have another role now; a failure that one of them has told of is none any more."""
        before, self._roles = self._roles, self._roster.roles(self._welcome)
        changed = {worker for worker, role in self._roles.items() if role != before[worker]}
        for worker in changed:
            self.appoint(worker, self._roles[worker])
        self._due |= changed - self._roster.lost
        self._held = [
            (event, missing)
            for event, missing in self._held
            if not (isinstance(event, Finished) and event.worker in changed)
        ]

    def _is_heard(self, event: Event) -> bool:
        """Whether ``event`` is to be told now, if at all."""
        if isinstance(event, Joined | StoodDown | Lost):
            self._answered(event)
        match event:
            case Joined(worker) | StoodDown(worker, spare=True) if not self._fits(event):
                if worker not in self._due:  # so it has not heard which one it has now
                    self.appoint(worker, self._roles[worker])
                    self._due.add(worker)
                return False
            case StoodDown(worker, spare=True) if worker in self._asked:
                self._asked.discard(worker)
                return False
            case Joined(worker):
                self._working.add(worker)
            case Lost(worker) | StoodDown(worker) if worker in self._working and self._appointed:
                self._held.append((event, self._appointed))
                return False
            case Lost(worker) | StoodDown(worker):
                self._working.discard(worker)
            case Finished(worker, outcome=outcome) if outcome in FAILURES and worker in self._roster.leaders:
                return worker not in self._appointed and not self._doubts(event)
        return True

    @property
    def _appointed(self) -> set[int]:
        """The leaders that are to join, and have not yet."""
        return self._due & self._roster.leaders.keys()

    def _fits(self, event: Joined | StoodDown) -> bool:
        """Whether this is an answer to the role that its worker has now."""
        role = self._roles[event.worker]
        return bool(role.hosts) if isinstance(event, Joined) else role.spare == event.why

    def _answered(self, event: Joined | StoodDown | Lost) -> None:
        """Nobody waits for this worker any more; that it was lost, or stood by until now, is out of date."""
        if event.worker not in self._roster.lost if isinstance(event, Lost) else not self._fits(event):
            return  # it is out of date itself
        self._due.discard(event.worker)
        self._asked -= {event.worker} if isinstance(event, Lost) else set()
        late = (Lost, StoodDown) if isinstance(event, Joined) else Lost
        self._held = [
            (held, missing - {event.worker})
            for held, missing in self._held
            if not (isinstance(held, late) and held.worker == event.worker)
        ]

    def _doubts(self, event: Finished) -> bool:
        """Hold it, and ask all nodes of its trial whether they are there: that one is not may be why."""
        others = self._roster.others(event.worker)
        for worker in others:
            self.appoint(worker, self._roles[worker])
        self._asked |= others
        self._held.append((event, others))
        return True
