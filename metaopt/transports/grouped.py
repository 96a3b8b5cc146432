"""A hub whose trials have several nodes each: one worker of each group of nodes leads, the others stand by.

To the scheduler a leader is a worker as any other.  Of those that stand by, one on each other node looks after its
GPUs: it hears of each trial before the leader does, and after.  A group that loses a node is given up: what is left of
it, and what stood by, form new ones, whose leaders begin anew; so what they ran is lost, and run again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from metaopt.devices.allot import check_nodes
from metaopt.devices.base import Node
from metaopt.faults import blames_gpu
from metaopt.groups import Roster
from metaopt.messages import Assign, Command, Event, Finished, Joined, Lost, Quarantine, Started, StoodDown, Stop
from metaopt.resources import Resources
from metaopt.transports.base import Greeter
from metaopt.usage import summed_up
from metaopt.welcome import Welcome

FAILURES = {"failed", "killed"}


def grouped(hub: Greeter, nodes: Sequence[Node], resources: Resources, *, allow_cpu: bool) -> Greeter:
    """``hub`` itself, where a trial has one node; raises MetaoptError when it can have none that will do."""
    if resources.nodes == 1:
        check_nodes(nodes, resources.gpus, allow_cpu=allow_cpu)
        return hub
    return GroupedHub(hub, nodes, resources, allow_cpu=allow_cpu)


@dataclass(slots=True)
class Joint:
    """A trial of a group: ``helpers`` look after its other nodes, of whom those in ``missing`` have yet to answer.

    Then its leader hears ``assign``; or, when that has said its ``end``, the scheduler does.  ``usages`` are what the
    GPUs did, by the helpers.
    """

    assign: Assign
    helpers: set[int]
    missing: set[int]
    end: Finished | None = None
    usages: dict[int, Mapping[str, float]] = field(default_factory=dict)

    def is_of(self, word: Stop | Started | Finished) -> bool:
        """Whether this is about it, and not about an earlier attempt."""
        return (self.assign.trial, self.assign.attempt) == (word.trial, word.attempt)


class GroupedHub:
    """``hub``, with trials on as many of these ``nodes`` as ``resources`` says; raises MetaoptError for too few."""

    def __init__(self, hub: Greeter, nodes: Sequence[Node], resources: Resources, *, allow_cpu: bool) -> None:
        self._hub, self._roster = hub, Roster(nodes, resources, allow_cpu=allow_cpu)
        self._roles: dict[int, Welcome] = {}
        self._due: set[int] = set()  # who has been told another role, and is to answer
        self._working: set[int] = set()  # who has joined, as far as has been told
        self._held: list[tuple[Event, set[int]]] = []  # until these workers have answered, or are lost
        self._joints: dict[int, Joint] = {}  # by their leaders
        self._ready: list[Event] = []
        self._stood_down: list[Event] = []  # what ill nodes would say, did they know

    def now(self) -> float:
        """As the hub."""
        return self._hub.now()

    def send(self, command: Command) -> None:
        """As the hub; but a leader hears of a trial only when its other nodes have been found to be in order."""
        match command:
            case Assign(worker) if worker in self._due or worker not in self._roster.leaders:
                pass  # it begins anew, or leads nobody any more: what it was given before is given anew then
            case Assign():
                self._prepare(command)
            case Quarantine(_, why, gpus):
                self._stood_down = [*self._roster.standing_down(gpus, why)]
            case Stop(worker, trial, attempt) if self._has_not_heard(command):
                self._part(self._joints.pop(worker), command.reason)
                self._ready.append(Finished(worker, trial, attempt, "stopped"))
            case _:
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

        A leader is gone when they are there who take its place; a trial has ended when all of its nodes have told what
        they did, or that a GPU of theirs is ill.  Once it is told that one has blamed a GPU, its nodes go with others.
        """
        said, self._stood_down = self._stood_down, []
        events = [*said, *self._hub.receive(self.now() if self._ready or said else until)]
        if any([self._roster.take(event) for event in events]):  # noqa: C419 - all of them
            self._change_roles()
        heard = [self._in_full(event) for event in events if self._is_heard(event)]
        ended, self._ready = self._ready, []
        ready = [event for event, missing in self._held if not missing]
        self._held = [(event, missing) for event, missing in self._held if missing]
        told = [*ended, *heard, *ready]
        killed = [event for event in told if isinstance(event, Finished) and event.outcome == "killed"]
        if any([self._roster.blame(each.worker) for each in killed if blames_gpu(each.error)]):  # noqa: C419 - all of them
            self._change_roles()
        return told

    def _in_full(self, event: Event) -> Event:
        """A leader knows the GPUs of its own node alone, and has those of all."""
        if isinstance(event, Joined) and event.gpus:
            return replace(event, gpus=self._roster.all_gpus(event.worker))
        return event

    def _change_roles(self) -> None:
        """Tell those who have another role now; a failure that one of them has told of is none any more."""
        before, self._roles = self._roles, self._roster.roles(self._welcome)
        changed = {worker for worker, role in self._roles.items() if role != before[worker]}
        for worker in changed:
            self.appoint(worker, self._roles[worker])
        self._due |= changed - self._roster.lost
        gone = changed | self._roster.lost
        for leader, joint in list(self._joints.items()):
            if leader in gone:
                del self._joints[leader]
                self._ready += [joint.end] if joint.end is not None and joint.end.outcome not in FAILURES else []
            elif joint.helpers & gone:
                joint.helpers -= gone
                if joint.missing and joint.end is None:
                    self._prepare(joint.assign)
                else:
                    self._tick_off(joint, gone)

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
            case Joined(worker):
                self._working.add(worker)
            case Lost(worker) | StoodDown(worker) if worker in self._working and self._appointed:
                self._held.append((event, self._appointed))
                return False
            case Lost(worker) | StoodDown(worker):
                self._working.discard(worker)
            case Started() | Finished():
                return self._is_its_own(event)
        return True

    def _is_its_own(self, event: Started | Finished) -> bool:
        """Whether this is all that is to be known; else it is told when others have answered, or was their answer."""
        joint = self._joints.get(event.worker)
        if isinstance(event, Finished) and event.worker in self._due:
            return event.outcome not in FAILURES  # a node that it had may be why
        if isinstance(event, Finished) and joint is not None and joint.is_of(event) and joint.helpers:
            joint.end, joint.missing = event, set(joint.helpers)
            self._part(joint, event.outcome)
            return False
        helped = [each for each in self._joints.values() if event.worker in each.helpers]
        for each in helped:
            if each.is_of(event):
                each.usages |= {event.worker: event.usage} if isinstance(event, Finished) else {}
                self._tick_off(each, {event.worker})
        return not helped

    def _prepare(self, assign: Assign) -> None:
        """Have a trial's other nodes looked at before it begins."""
        helpers = self._roster.others(assign.worker)
        self._joints[assign.worker] = Joint(assign, helpers, set(helpers))
        for helper in helpers:
            self._hub.send(Assign(helper, assign.trial, assign.attempt, {}))

    def _part(self, joint: Joint, why: str) -> None:
        """Tell those who look after its other nodes that a trial is over."""
        for helper in joint.helpers:
            self._hub.send(Stop(helper, joint.assign.trial, joint.assign.attempt, why))

    def _has_not_heard(self, stop: Stop) -> bool:
        """Whether its leader knows nothing yet of the trial that is to end."""
        joint = self._joints.get(stop.worker)
        return joint is not None and joint.is_of(stop) and joint.end is None and bool(joint.missing)

    def _tick_off(self, joint: Joint, workers: set[int]) -> None:
        """These have answered, or never will; a trial begins, or has ended, when all have."""
        waited, leader = bool(joint.missing), joint.assign.worker
        joint.missing -= workers
        if not waited or joint.missing:
            return
        if joint.end is None:
            self._hub.send(joint.assign)
        else:
            del self._joints[leader]
            usages = {leader: joint.end.usage, **joint.usages} if joint.end.ended is None else {leader: joint.end.usage}
            usage = summed_up([(self._roster.gpus(worker), each) for worker, each in usages.items()])
            self._ready.append(replace(joint.end, usage=usage))

    @property
    def _appointed(self) -> set[int]:
        """The leaders that are to join, and have not yet."""
        return self._due & self._roster.leaders.keys()

    def _fits(self, event: Joined | StoodDown) -> bool:
        """Whether this is an answer to the role that its worker has now."""
        role = self._roles[event.worker]
        return not role.spare if isinstance(event, Joined) else role.spare == event.why

    def _answered(self, event: Joined | StoodDown | Lost) -> None:
        """Nobody waits for this worker any more; that it was lost, or stood by until now, is out of date."""
        if event.worker not in self._roster.lost if isinstance(event, Lost) else not self._fits(event):
            return  # it is out of date itself
        self._due.discard(event.worker)
        late = (Lost, StoodDown) if isinstance(event, Joined) else Lost
        self._held = [
            (held, missing - {event.worker})
            for held, missing in self._held
            if not (isinstance(held, late) and held.worker == event.worker)
        ]
