"""Which nodes run a trial together, where one needs several, and who leads them.  Pure; ``transports/grouped`` acts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from metaopt.devices.base import Node
from metaopt.errors import DeviceError, LaunchError
from metaopt.messages import Event, Joined, Lost, StoodDown
from metaopt.resources import Resources
from metaopt.welcome import Welcome

Group = tuple[Node, ...]
DIFFER = "its nodes show different GPUs: what a process sees on each is left to what the trial starts it with"


class Roster:
    """Groups of whole ``nodes``, in their order, as large as ``resources`` has it; raises MetaoptError for too few.

    A node is fit as long as one of its workers is there, and its leader has a device.  ``leaders`` has, by the worker
    that leads it, each group; ``lost`` are the workers that are.
    """

    def __init__(self, nodes: Sequence[Node], resources: Resources, *, allow_cpu: bool) -> None:
        self._nodes, self._size, self._gpus = nodes, resources.nodes, resources.gpus
        self._home = {worker: node.host for node in nodes for worker in node.workers}
        self._gpus_of = {node.host: len(node.gpus) for node in nodes}
        self._blamed = Counter[str]()  # how many trials have blamed a GPU of a node, or of those beside it
        ill = [node for node in nodes if node.trouble and resources.gpus != 0 and not allow_cpu]
        _check(nodes, ill, self._size)
        self._ill, self.lost = {node.host: node.trouble for node in ill}, set[int]()
        self._notes: dict[Group, str] = {}
        self._arrange([])

    def take(self, event: Event) -> bool:
        """Take in what a worker has said, or that it is lost; whether the groups may be others now."""
        before = len(self.lost), len(self._ill)
        match event:
            case Lost(worker):
                self.lost.add(worker)
            case StoodDown(worker, why=why, spare=False):
                self._ill[self._home[worker]] = why
            case StoodDown(worker) | Joined(worker):
                self.lost.discard(worker)
        if before == (len(self.lost), len(self._ill)):
            return False
        self._rearrange(list(self.leaders.values()))
        return True

    def blame(self, leader: int) -> bool:
        """A trial of ``leader`` has blamed a GPU, of any of its nodes; whether the groups are others now.

        Where nodes stand by, these take the places of some: so the next trial shows which it is.
        """
        group = self.leaders.get(leader, ())
        self._blamed.update(node.host for node in group)
        groups = list(self.leaders.values())
        if not group or len(self._fit()) == sum(map(len, groups)):
            return False
        self._rearrange([other for other in groups if other is not group])
        return True

    def standing_down(self, gpus: Sequence[str], why: str) -> list[StoodDown]:
        """What one worker of each node has to say that has some of these ``gpus``."""
        ill = {node: tuple(gpu.uuid for gpu in node.gpus if gpu.uuid in gpus) for node in self._fit()}
        return [StoodDown(self._first(node), node.host, why, bad) for node, bad in ill.items() if bad]

    def roles(self, welcome: Welcome) -> dict[int, Welcome]:
        """The first word to each worker: a leader is told of its nodes, the others why they stand by.

        One of each other node of a group is told of the nodes as well: it looks after its own.
        """
        idle = f"{_left_over(len(self._fit()), self._size)}{'; ' * bool(self._out())}{self._out()}"
        why = dict.fromkeys(self._home.values(), "stands by: it was lost")
        why |= {node.host: idle for node in self._fit()} | self._ill
        for leader, group in self.leaders.items():
            why |= {node.host: f"stands by: worker {leader} on {group[0].host} runs its trials" for node in group}
        told = {worker: replace(welcome, spare=why[host]) for worker, host in self._home.items()}
        for leader, group in self.leaders.items():
            told[leader] = self._lead(welcome, group)
            told |= {worker: replace(told[worker], hosts=told[leader].hosts) for worker in self.others(leader)}
        return told

    def others(self, leader: int) -> set[int]:
        """A worker of each other node that ``leader`` has."""
        return {self._first(node) for node in self.leaders[leader] if leader not in node.workers}

    def gpus(self, worker: int) -> int:
        """How many GPUs its node has."""
        return self._gpus_of[self._home[worker]]

    def all_gpus(self, leader: int) -> tuple[str, ...]:
        """The GPUs of all nodes that it has."""
        return tuple(gpu.uuid for node in self.leaders[leader] for gpu in node.gpus)

    def _rearrange(self, kept: Sequence[Group]) -> None:
        """Form new groups beside those that are to be ``kept``, and have this told."""
        known = list(self.leaders.values())
        self._arrange(kept)
        for group in self.leaders.values():
            if group not in known:
                now = f"trials have {_few([node.host for node in group])} now"
                self._notes[group] = "; ".join(filter(None, [now, self._out()]))

    def _arrange(self, groups: Iterable[Group]) -> None:
        """Keep those of ``groups`` whose nodes are all fit, and form new ones of the others, the least blamed first."""
        fit = {node.host: node for node in self._fit()}
        kept = [group for group in groups if all(node.host in fit for node in group)]
        for group in kept:
            for node in group:
                del fit[node.host]
        place = {host: number for number, host in enumerate(fit)}
        free, size = sorted(fit.values(), key=lambda node: self._blamed[node.host]), self._size
        new = [free[first : first + size] for first in range(0, len(free) - size + 1, size)]
        in_order = [tuple(sorted(group, key=lambda node: place[node.host])) for group in new]
        self.leaders: dict[int, Group] = {self._first(group[0]): group for group in [*kept, *in_order]}

    def _fit(self) -> list[Node]:
        return [n for n in self._nodes if n.host not in self._ill and not self.lost.issuperset(n.workers)]

    def _out(self) -> str:
        """Which nodes are none any more, if there are any."""
        fit = self._fit()
        out = [node.host for node in self._nodes if node not in fit]
        return f"out: {_few(out)}" if out else ""

    def _first(self, node: Node) -> int:
        return next(worker for worker in node.workers if worker not in self.lost)

    def _lead(self, welcome: Welcome, group: Group) -> Welcome:
        known = {node.numbers for node in group}
        numbers = known.pop() if len(known) == 1 else None
        differ = DIFFER if numbers is None and self._gpus != 0 else ""
        note = "; ".join(filter(None, [self._notes.get(group), differ]))
        hosts = {node.host: len(node.gpus) if node.gpus and self._gpus != 0 else node.cores for node in group}
        return replace(welcome, hosts=hosts, gpu_numbers=numbers, note=note)


def _check(nodes: Sequence[Node], ill: Sequence[Node], size: int) -> None:
    """Raise MetaoptError when no trial can have as many nodes, or could tell them apart."""
    names = Counter(node.host for node in nodes)
    if (twice := next((name for name, count in names.items() if count > 1), None)) is not None:
        problem = f"{names[twice]} nodes of this run are called {twice}: a trial could not tell them apart"
        raise LaunchError(problem, "Give them host names of their own, or leave nodes_per_trial out.")
    if len(nodes) < size:
        there = f"{len(nodes)}: {_few(list(names))}"
        problem = f"a trial needs {size} nodes (nodes_per_trial), and this run has workers on {there}"
        raise LaunchError(problem, f"Start it on {size} nodes, or more: --nodes={size}, or as many hosts with mpirun.")
    if len(nodes) - len(ill) < size:
        which = f"{len(nodes) - len(ill)} of {len(nodes)} can be used; {ill[0].host}: {ill[0].trouble}"
        problem = f"a trial needs {size} nodes (nodes_per_trial), and {which}"
        raise DeviceError(problem, ill[0].hint)


def _few(names: Sequence[str]) -> str:
    """Which they are, if that is not too long."""
    return ", ".join(names if len(names) <= 4 else [*names[:2], "...", names[-1]])  # noqa: PLR2004 - fits into a line


def _left_over(fit: int, size: int) -> str:
    """Why some of so many nodes stand by."""
    rest, fits = fit % size, fit - fit % size
    would = f"{fits} or {fits + size}" if fits else f"{size}"
    return f"stands by: {rest} of {fit} nodes left over, as a trial has {size} (nodes_per_trial); {would} would fit"
