"""Rank 0 of several experiments that share one allocation: each as if it were alone, all of them ended by one word."""

import signal
import traceback
from collections.abc import Callable, Sequence

from metaopt.errors import DeviceError, MetaoptError
from metaopt.experiment import Experiment
from metaopt.lanes import HOME, Pool
from metaopt.master import INTERRUPTED, Watch, search
from metaopt.opening import Terms
from metaopt.transports.base import Greeter

Complain = Callable[[str], object]
LOOK = 0.1
"""Seconds until a signal is heeded, at most: mpirun kills 0.25 s after SIGTERM."""


class Ending:
    """What the signals that this process gets ask for: ``reason``, and whether it is to be done ``at_once``."""

    def __init__(self) -> None:
        self.reason, self.at_once = "", False
        for name in (signal.SIGINT, signal.SIGUSR1):
            signal.signal(name, lambda *_: self._ask("interrupted"))
        signal.signal(signal.SIGTERM, lambda *_: self._ask("terminated", at_once=True))

    def _ask(self, reason: str, *, at_once: bool = False) -> None:
        self.reason, self.at_once = self.reason or reason, self.at_once or at_once


class Unlike(DeviceError):
    """It cannot share the workers with those that are under way."""


class Together:
    """Experiments that share ``workers`` workers; ``complain`` hears of each that is refused, fails or raises.

    Who is silent for ``heartbeat`` seconds is lost.
    """

    def __init__(
        self, hub: Greeter, workers: int, watch: Watch, complain: Complain, *, heartbeat: float = HOME.heartbeat
    ) -> None:
        self._pool, self._workers = Pool(hub, workers, heartbeat), workers
        self._watch, self._complain = watch, complain
        self._ending = Ending()
        self._told = False
        self._names: dict[int, str] = {}
        self._silent: set[int] = set()
        self._gpus: dict[int, float] = {}

    @property
    def ending(self) -> str:
        """Why all of them end, if they do."""
        return self._ending.reason

    @property
    def deserted(self) -> bool:
        """Whether no worker is left."""
        return self._pool.deserted

    @property
    def numbers(self) -> list[int]:
        """Those that are under way."""
        return self._pool.numbers

    def begin(self, number: int, experiment: Experiment, terms: Terms, weight: float = 1.0) -> None:
        """Let one more share the workers; raises Unlike for other parts of a GPU, DeviceError for nodes."""
        if experiment.resources.nodes > 1:
            problem = f"nodes_per_trial is {experiment.resources.nodes}, and these workers are shared one by one"
            raise DeviceError(problem, "Run it in an allocation of its own:  mpirun ... python -m metaopt exp.yaml")
        wanted = 1 if experiment.resources.gpus is None else experiment.resources.gpus
        others = {self._gpus[other] for other in self.numbers} - {0, wanted} if wanted else set()
        if others:
            problem = f"gpus_per_trial is {wanted:g}, and {min(others):g} in another experiment on these workers"
            raise Unlike(problem, "Of those that share workers, each has the same or none (0); or run it alone.")
        self._gpus[number] = wanted
        self._names[number] = experiment.name
        self._pool.enter(number, lambda lane: search(lane, self._workers, experiment, self._watch, terms), weight)

    def cancel(self, number: int, reason: str) -> None:
        """Have one of them end, and well."""
        self._pool.interrupt(reason, number)

    def turn(self, pause: float = LOOK) -> dict[int, int | Exception]:
        """Let all of them go on for a moment, of ``pause`` seconds; which have ended, with what status or error."""
        if self._ending.reason and not self._told:
            self._told = True
            self._pool.interrupt(self._ending.reason)
        if self._ending.at_once:
            left = self._pool.numbers
            self._pool.drop()
            return dict.fromkeys(left, INTERRUPTED)
        ended = self._pool.turn(pause)
        for number in set(self._pool.silent) - self._silent:
            self._silent.add(number)
            late = "its history, or its optimizer, does not answer; until it does, the others go on"
            self._complain(f"{self._names[number]}: {late}")
        for number, end in ended.items():
            if isinstance(end, Exception):
                self._complain(f"{self._names[number]}: {said(end)}")
        return ended


def said(error: Exception) -> str:
    """What is wrong; a fault of ours in full."""
    return str(error) if isinstance(error, MetaoptError) else "".join(traceback.format_exception(error))


def status_of(end: int | Exception) -> int:
    """The exit status for how an experiment has ended."""
    return end if isinstance(end, int) else end.exit_status if isinstance(end, MetaoptError) else 1


def lead_all(
    hub: Greeter, workers: int, files: Sequence[str], watch: Watch, terms: Terms, *, complain: Complain
) -> int:
    """Search as each of ``files`` says, with ``workers`` workers for all of them; gives the worst exit status.

    One that is refused, fails or raises is told to ``complain``, and does not end the others; those that were refused
    are told to it at the end once more.
    """
    experiments, refused, worst = [], list[str](), 0
    for file in files:
        try:
            experiments.append(Experiment.load(file))
        except MetaoptError as error:
            complain(str(error))
            refused.append(f"{file}: refused: {error.problem}")
            worst = max(worst, error.exit_status)
    heartbeat = max((each.heartbeat for each in experiments), default=HOME.heartbeat)
    together = Together(hub, workers, watch, complain, heartbeat=heartbeat)
    for number, experiment in enumerate(experiments):
        try:
            together.begin(number, experiment, terms)
        except MetaoptError as error:
            complain(f"{experiment.name}: {error}")
            refused.append(f"{experiment.name}: refused: {error.problem}")
            worst = max(worst, error.exit_status)
    while together.numbers:
        ended = together.turn()
        errors = {number: end for number, end in ended.items() if isinstance(end, MetaoptError)}
        refused += [f"{experiments[number].name}: ended: {error.problem}" for number, error in errors.items()]
        worst = max([worst, *map(status_of, ended.values())])
    for line in refused:
        complain(line)
    return worst
