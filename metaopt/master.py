"""Rank 0: what it takes to drive a study, put together."""

import json
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from metaopt.devices.base import Node
from metaopt.devices.cpu import one_thread
from metaopt.driver import Driver, View, collect_seldom
from metaopt.errors import HistoryIncomplete, LaunchError, PluginError
from metaopt.experiment import Experiment
from metaopt.given import Given
from metaopt.history import OUTCOME, History
from metaopt.limits import Limits
from metaopt.messages import Closed, Event, Observe
from metaopt.opening import Terms, begin, begin_aside
from metaopt.plugins import load_stopper
from metaopt.point import usual
from metaopt.proposer import ProcessProposer
from metaopt.recorder import Recorder
from metaopt.scalars import counted
from metaopt.scheduler import Scheduler
from metaopt.study import Study
from metaopt.transports.base import Greeter, Hub
from metaopt.transports.grouped import grouped
from metaopt.trial import ENDED, Trial

FINISHED, FAILED, INTERRUPTED = 0, 1, 130
SEED_STEP = 1_000_003
SOON, MAKING = 0.001, 20.0
"""Seconds until the next look whether the optimizer has been made, and for which nothing is begun before that."""


class Watcher(View, Protocol):
    """Shows a run to a person, and how it ended."""

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...

    def end(self, now: float, scheduler: Scheduler) -> None:
        """The run is over."""
        ...


Watch = Callable[[Experiment, Study], Watcher]


def lead(hub: Greeter, workers: int, file: str, watch: Watch, terms: Terms, *, nodes: Sequence[Node]) -> int:
    """Search as ``file`` says, with ``workers`` workers on these ``nodes`` behind ``hub``; gives the exit status.

    Raises MetaoptError when the experiment or its history does not allow it, before anything has started.
    """
    experiment = Experiment.load(file)
    hub = grouped(hub, nodes, experiment.resources, allow_cpu=terms.allow_cpu)
    run = search(hub, workers, experiment, watch, terms, heed=_heed_signals, alone=True)
    while True:
        try:
            next(run)
        except StopIteration as ended:
            return int(ended.value)


def search(
    hub: Greeter,
    workers: int,
    experiment: Experiment,
    watch: Watch,
    terms: Terms,
    *,
    heed: Callable[[Driver], None] = lambda _: None,
    alone: bool = False,
) -> Generator[Scheduler | None, None, int]:
    """The same, a turn at a time, for who leads several; ``heed`` is told who is to be interrupted.

    Unless it is ``alone`` its history is opened aside.  As long as that has not answered, or the optimizer not been
    made, each turn gives None.
    """
    stopper = load_stopper(experiment.stopper, experiment.goals.objectives[0].goal)
    begun = begin(experiment, terms) if alone else (yield from begin_aside(experiment, terms))
    study = begun.study
    try:
        hub.greet(replace(experiment.welcome(), allow_cpu=terms.allow_cpu, environment=terms.environment))
        limits = Limits(experiment.trials, workers, experiment.give_up_after, time.time(), begun.end)
        given, watching = _given(experiment, study), experiment.stopper.rule != "never"
        scheduler = Scheduler(study, limits, stopper, shared=begun.shared, given=given, watching=watching)
        scheduler.warnings, scheduler.news = begun.doubts, begun.notes
        watcher = watch(experiment, study)
        yield from _drive(scheduler, hub, begun.recorder, watcher, experiment, *begun.first, told=begun.told, heed=heed)
    finally:
        begun.recorder.close()  # nor is a disk that hangs touched once more
    return _status(scheduler)


def _given(experiment: Experiment, study: Study) -> Given:
    """The points of it that are no business of the optimizer."""
    if experiment.best == "model":
        one_thread()

    def incumbent(study: Study) -> Trial | None:
        return History(study).best_by_model() if experiment.best == "model" else study.best

    return Given(study, usual(experiment.space), experiment.replicates, incumbent)


def _drive(
    scheduler: Scheduler,
    hub: Hub,
    recorder: Recorder,
    watcher: Watcher,
    experiment: Experiment,
    *first: Event,
    told: Sequence[Observe],
    heed: Callable[[Driver], None],
) -> Iterator[Scheduler | None]:
    with closing(watcher):
        seed = _seed(experiment, scheduler, len(told))
        space, stopper, goal = experiment.space.canonical(), experiment.stopper, experiment.goals.objectives[0].goal
        proposer = ProcessProposer(experiment.optimizer, space, seed, stopper=stopper, goal=goal)
        with closing(proposer):
            for observed in told:
                proposer.send(observed)
            driver = Driver(scheduler, hub, proposer, recorder, watcher)
            heed(driver)
            collect_seldom()
            try:
                said = yield from _making(proposer)
            except PluginError as error:
                if scheduler.shared:
                    recorder.record(round(hub.now(), 6), [Closed()])
                problem = f"{experiment.file}: {error.problem}"
                raise PluginError(problem, error.hint) from error
            yield from driver.turns(*first, *said)
            if scheduler.shared and not scheduler.study.busy:
                recorder.record(round(hub.now(), 6), [Closed()])
        kept = recorder.close()
    if recorder.overruled:
        scheduler.overrule(recorder.broken)
    watcher.end(hub.now(), scheduler)
    if not kept and not recorder.overruled:
        raise _incomplete(recorder, scheduler.study, Path(experiment.welcome().trials))


def _making(proposer: ProcessProposer) -> Generator[None, None, list[Event]]:
    """Wait until the optimizer has been made, or that takes too long; gives what it has said.

    Raises PluginError when it cannot be made.
    """
    said, until = list[Event](), time.monotonic() + MAKING
    while not proposer.made and time.monotonic() < until:
        yield
        time.sleep(SOON)
        said += proposer.receive()
    proposer.insists = False
    return said


def _heed_signals(driver: Driver) -> None:
    for name in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(name, lambda *_: driver.interrupt("interrupted"))
    signal.signal(signal.SIGTERM, lambda *_: driver.interrupt("terminated", at_once=True))  # mpirun kills soon after


def _seed(experiment: Experiment, scheduler: Scheduler, lessons: int) -> int:
    """That of the optimizer: who knows so many trials of other studies, or other runs, is not to begin as these did."""
    runs = scheduler.study.run - 1 if scheduler.shared else 0
    return experiment.seed + SEED_STEP * runs + lessons


def _incomplete(recorder: Recorder, study: Study, trials: Path) -> HistoryIncomplete:
    """What to say of facts that no disk has taken; the results that the next run will not find are named."""
    left = recorder.left()
    begun = {(record.body["trial"], record.body["attempt"]) for record in left if record.kind == "Assign"}
    ended = {(record.body["trial"], record.body["attempt"]): None for record in left if record.kind == "Finished"}
    lost = [
        study.trials[number]
        for number, attempt in ended
        if study.trials[number].state in ENDED
        and ((number, attempt) in begun or not _is_kept(trials / str(number), attempt))
    ]
    why = recorder.broken or recorder.trouble or "it is too slow"
    problem = f"the history lacks the last {counted(len(left), 'fact')}: {why}"
    hint = "Once it can be written, the same command goes on; it takes in what the trials' directories hold."
    if lost:
        problem += "".join(f"\n    trial {trial.number}: {_result(study, trial)}" for trial in lost)
        hint += "\n  It does not find the results above, and runs these trials, or others instead of them, anew."
    return HistoryIncomplete(problem, hint)


def _result(study: Study, trial: Trial) -> str:
    params = " ".join(f"{name}={value}" for name, value in trial.params.items())
    said = "" if trial.objective is None else f", {study.goals.said(trial.objectives)}"
    return f"{trial.state}{said}, with {params}"


def _is_kept(directory: Path, attempt: int) -> bool:
    """Whether a trial's directory holds how this attempt ended."""
    try:
        outcome = json.loads((directory / OUTCOME).read_text(encoding="utf-8"))
        return bool(outcome["attempt"] == attempt)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _status(scheduler: Scheduler) -> int:
    if scheduler.refused:
        raise LaunchError(scheduler.refused, "Nothing has been run: once it is mended, the same command goes on.")
    if scheduler.complete:
        return FINISHED if scheduler.study.best is not None else FAILED
    return INTERRUPTED if scheduler.interrupted else FAILED
