"""Rank 0: what it takes to drive a study, put together."""

import gc
import json
import math
import os
import shlex
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from metaopt import __version__
from metaopt.allocations import detect
from metaopt.devices.base import Node
from metaopt.devices.cpu import one_thread
from metaopt.driver import WARNING, Driver, View
from metaopt.durations import Durations
from metaopt.editing import change_space
from metaopt.errors import HistoryError, HistoryIncomplete, LaunchError, WalltimeShort
from metaopt.experiment import Experiment
from metaopt.given import Given
from metaopt.history import FORMAT, OUTCOME, History, check_same, replay, unheard
from metaopt.limits import Limits
from metaopt.messages import Closed, Event, Observe, Opened
from metaopt.plugins import load_stopper
from metaopt.point import usual
from metaopt.proposer import ProcessProposer
from metaopt.recorder import Recorder
from metaopt.scalars import counted
from metaopt.scheduler import Scheduler
from metaopt.sharing import SharedRecorder, join
from metaopt.stores import Store, open_store
from metaopt.study import Study
from metaopt.transports.base import Greeter, Hub
from metaopt.transports.grouped import grouped
from metaopt.trial import ENDED, Trial
from metaopt.warmstart import learn

FINISHED, FAILED, INTERRUPTED = 0, 1, 130
LOST_NODES = "METAOPT_LOST_NODES"
SEED_STEP = 1_000_003
SELDOM = (700, 10, 10_000)
"""A full garbage collection looks at all that is kept, and more is all the time; rank 0 waits, and little is found."""
SLACK = 10.0
"""Seconds from the last script's end to that of the allocation, for what is left to do."""


class Watcher(View, Protocol):
    """Shows a run to a person, and how it ended."""

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...

    def end(self, now: float, scheduler: Scheduler) -> None:
        """The run is over."""
        ...


Watch = Callable[[Experiment, Study], Watcher]


@dataclass(frozen=True, slots=True)
class Terms:
    """On what a run is begun.

    It ends by ``deadline``, in seconds since the epoch, or with the allocation; ``doubts`` are to be said first;
    ``keep`` is to go on with the trials that fit a changed space, ``allow_cpu`` without GPUs if need be.  Scripts have
    ``environment``, unless that is empty, in the place of that of metaopt's own processes.
    """

    deadline: float = math.inf
    doubts: Sequence[str] = ()
    keep: bool = False
    allow_cpu: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def lead(hub: Greeter, workers: int, file: str, watch: Watch, terms: Terms, *, nodes: Sequence[Node]) -> int:
    """Search as ``file`` says, with ``workers`` workers on these ``nodes`` behind ``hub``; gives the exit status.

    Raises MetaoptError when the experiment or its history does not allow it, before anything has started.
    """
    experiment = Experiment.load(file)
    hub = grouped(hub, nodes, experiment.resources, allow_cpu=terms.allow_cpu)
    run = search(hub, workers, experiment, watch, terms, heed=_heed_signals)
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
) -> Generator[Scheduler, None, int]:
    """The same, a turn at a time, for who leads several; ``heed`` is told who is to be interrupted."""
    lessons = learn(experiment)
    stopper = load_stopper(experiment.stopper, experiment.goals.objectives[0].goal)
    allocation, now = detect(os.environ, time.time()), time.time()
    deadline = min(allocation.deadline or math.inf, terms.deadline)
    store = open_store(experiment.history, create=True, study=experiment.name)
    try:
        with _reached(experiment):
            notes = change_space(experiment, store) if terms.keep else []
            study, past = resume(experiment, store)
        end = deadline - experiment.grace - SLACK
        check_time(study, experiment, end, now)
        notes += _other_command(experiment, study)
        hub.greet(replace(experiment.welcome(), allow_cpu=terms.allow_cpu, environment=terms.environment))
        with _reached(experiment):
            study, recorder, first = _open(experiment, store, study, past, deadline)
        limits = Limits(experiment.trials, workers, experiment.give_up_after, now, end)
        given, watching = _given(experiment, study), experiment.stopper.rule != "never"
        scheduler = Scheduler(study, limits, stopper, shared=store.shared, given=given, watching=watching)
        doubts = [*terms.doubts, *filter(None, [allocation.doubt])]
        scheduler.warnings, scheduler.news = doubts, [*notes, *lessons.notes]
        watcher = watch(experiment, study)
        yield from _drive(scheduler, hub, recorder, watcher, experiment, *first, told=lessons.observed, heed=heed)
    finally:
        store.close()
    return _status(scheduler)


def _other_command(experiment: Experiment, study: Study) -> list[str]:
    """That the trials so far had another one: what stands in ``best`` and ``show`` is the present one."""
    before = study.experiment.get("command")
    if not study.ended or before in (None, list(experiment.command)):
        return []
    so_far = counted(len(study.ended), "trial")
    return [f"{WARNING}the command is another one now; the {so_far} so far had: {shlex.join(before)}"]


def _given(experiment: Experiment, study: Study) -> Given:
    """The points of it that are no business of the optimizer."""
    if experiment.best == "model":
        one_thread()

    def incumbent(study: Study) -> Trial | None:
        return History(study).best_by_model() if experiment.best == "model" else study.best

    return Given(study, usual(experiment.space), experiment.replicates, incumbent)


@contextmanager
def _reached(experiment: Experiment) -> Iterator[None]:
    """What the disk or the server refuses before the run has begun is a HistoryError."""
    try:
        yield
    except OSError as error:
        problem = f"the history cannot be reached: {experiment.location}: {error.strerror or error}"
        raise HistoryError(problem, "Nothing has been begun: once it can, the same command goes on.") from error


def lost_nodes(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The nodes that the job script knows to have died with the last run, without their domains."""
    return tuple(name.partition(".")[0] for name in environ.get(LOST_NODES, "").split(",") if name)


def resume(experiment: Experiment, store: Store) -> tuple[Study, list[Event]]:
    """What is known of the study, to be gone on with, and what its scripts have ended with unheard."""
    store.append([])  # refuses a second writer, where there may be one only
    past = replay(store)
    study = past.study or Study(experiment.goals)
    _check(experiment, study)
    study.run = past.run + 1
    return study, [] if store.shared else [*unheard(study, Path(experiment.welcome().trials))]


def _open(
    experiment: Experiment, store: Store, study: Study, past: list[Event], deadline: float
) -> tuple[Study, Recorder, list[Event]]:
    """Begin the run: what is known now, who keeps it, and the events to begin with."""
    until = None if deadline == math.inf else round(deadline, 6)
    lost = lost_nodes(os.environ)
    opened = Opened(__version__, FORMAT, experiment.describe(), until, lost, alone=not store.shared)
    if not store.shared:
        return study, Recorder(store, study.run), [*past, opened]
    study, place = join(store, opened, partial(_check, experiment), time.time())
    return study, SharedRecorder(store, study.run, place), []


def _check(experiment: Experiment, study: Study) -> None:
    """Raise HistoryDiffers when the study is another one."""
    if study.experiment:
        check_same(study, experiment.describe(), str(experiment.location))


def check_time(study: Study, experiment: Experiment, end: float, now: float) -> None:
    """Raise WalltimeShort when nothing that is known to be possible fits in between ``now`` and ``end``."""
    hint = "Ask for more time." if experiment.resumes else "Ask for more time, or let the script save: resumes: true"
    kept = f"{experiment.grace:g} s are kept for scripts to save (grace:), {SLACK:g} s to end"
    if end <= now:
        whole = end + experiment.grace + SLACK - now
        problem = f"{whole:.0f} s are left, and none of them for trials: {kept}"
        raise WalltimeShort(problem, "Ask for more time, or for less grace.")
    shortest = Durations(study).shortest
    if shortest is not None and shortest > end - now and not experiment.resumes:
        problem = f"the shortest trial so far took {shortest:.0f} s; {end - now:.0f} s are left for trials, as {kept}"
        raise WalltimeShort(problem, hint)


def _drive(
    scheduler: Scheduler,
    hub: Hub,
    recorder: Recorder,
    watcher: Watcher,
    experiment: Experiment,
    *first: Event,
    told: Sequence[Observe],
    heed: Callable[[Driver], None],
) -> Iterator[Scheduler]:
    proposer = ProcessProposer(experiment.optimizer, experiment.space.canonical(), _seed(experiment, scheduler))
    for observed in told:
        proposer.send(observed)
    driver = Driver(scheduler, hub, proposer, recorder, watcher)
    heed(driver)
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)
    try:
        yield from driver.turns(*first)
        if scheduler.shared and not scheduler.study.busy:
            recorder.record(round(hub.now(), 6), [Closed()])
    finally:
        proposer.close()
        kept = recorder.close()
        watcher.close()
    watcher.end(hub.now(), scheduler)
    if not kept and not recorder.overruled:
        raise _incomplete(recorder, scheduler.study, Path(experiment.welcome().trials))


def _heed_signals(driver: Driver) -> None:
    for name in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(name, lambda *_: driver.interrupt("interrupted"))
    signal.signal(signal.SIGTERM, lambda *_: driver.interrupt("terminated", at_once=True))  # mpirun kills soon after


def _seed(experiment: Experiment, scheduler: Scheduler) -> int:
    """That of the optimizer: runs on one study are not to propose the same points."""
    return experiment.seed + SEED_STEP * (scheduler.study.run - 1) if scheduler.shared else experiment.seed


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
