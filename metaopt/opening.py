"""A history is opened for a run: all that is read, or waited for, before that begins."""

import math
import os
import shlex
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from metaopt import __version__
from metaopt.allocations import detect
from metaopt.aside import aside
from metaopt.checkup import nothing_to_lose
from metaopt.driver import WARNING
from metaopt.durations import Durations
from metaopt.editing import change_space
from metaopt.errors import HistoryDiffers, HistoryError, WalltimeShort
from metaopt.experiment import Experiment
from metaopt.history import FORMAT, check_same, replay, unheard
from metaopt.messages import Event, Observe, Opened
from metaopt.recorder import Recorder
from metaopt.scalars import counted
from metaopt.sharing import SharedRecorder, join
from metaopt.stores import Store, open_store
from metaopt.study import Study
from metaopt.warmstart import learn

LOST_NODES = "METAOPT_LOST_NODES"
PATIENCE = 600.0
"""Seconds in which a history has to be opened while other experiments go on; a long one takes minutes."""
NOT_BEGUN = "Nothing has been begun: once it can, the same command goes on."
SLACK = 10.0
"""Seconds from the last script's end to that of the allocation, for what is left to do."""


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


@dataclass(frozen=True, slots=True)
class Opening:
    """A run as its history has it: the ``first`` events, what its optimizer is ``told``, when its scripts must ``end``.

    ``doubts`` and ``notes`` are to be said.
    """

    study: Study
    shared: bool
    recorder: Recorder
    first: Sequence[Event]
    told: Sequence[Observe]
    end: float
    doubts: list[str]
    notes: list[str]


def begin(experiment: Experiment, terms: Terms) -> Opening:
    """All that is read, or waited for, before a run begins."""
    lessons = learn(experiment)
    allocation, now = detect(os.environ, time.time()), time.time()
    deadline = min(allocation.deadline or math.inf, terms.deadline)
    end = deadline - experiment.grace - SLACK
    check_end(experiment, end, now)  # before there is anything
    store = open_store(experiment.history, create=True, study=experiment.name)
    try:
        with _reached(experiment):
            notes = change_space(experiment, store) if terms.keep else []
            study, past = resume(experiment, store)
        check_time(study, experiment, end, now)
        notes += _other_command(experiment, study)
        with _reached(experiment):
            study, recorder, first = _open(experiment, store, study, past, deadline)
    except BaseException:
        store.close()
        raise
    doubts = [*terms.doubts, *filter(None, [allocation.doubt])]
    return Opening(study, store.shared, recorder, first, lessons.observed, end, doubts, [*notes, *lessons.notes])


def begin_aside(experiment: Experiment, terms: Terms) -> Generator[None, None, Opening]:
    """The same, while others go on, who are given a turn for each None.

    Raises HistoryError when it takes too long, and WalltimeShort when the end comes before that.
    """
    opening, until = aside(partial(begin, experiment, terms)), min(time.time() + PATIENCE, terms.deadline)
    try:
        while not opening.done() and time.time() < until:
            yield
    except GeneratorExit:
        opening.add_done_callback(_undo)
        raise
    if not opening.done():
        opening.add_done_callback(_undo)
        if until == terms.deadline:
            problem = f"the end came before the history had answered: {experiment.location}"
            raise WalltimeShort(problem, NOT_BEGUN)
        problem = f"the history has not answered in a long time: {experiment.location}"
        raise HistoryError(problem, NOT_BEGUN)
    return opening.result()


def _undo(opening: Future[Opening]) -> None:
    """Nobody waits for it any more: let others write."""
    if opening.exception() is None:
        opening.result().recorder.close()


def _other_command(experiment: Experiment, study: Study) -> list[str]:
    """That the trials so far had another one."""
    before = study.experiment.get("command")
    if not study.ended or before in (None, list(experiment.command)):
        return []
    so_far = counted(len(study.ended), "trial")
    return [f"{WARNING}the command is another one now; the {so_far} so far had: {shlex.join(before)}"]


@contextmanager
def _reached(experiment: Experiment) -> Iterator[None]:
    """What the disk or the server refuses before the run has begun is a HistoryError."""
    try:
        yield
    except OSError as error:
        problem = f"the history cannot be reached: {experiment.location}: {error.strerror or error}"
        raise HistoryError(problem, NOT_BEGUN) from error


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
    if not study.experiment:
        return
    try:
        check_same(study, experiment.describe(), str(experiment.location))
    except HistoryDiffers as error:
        hint = nothing_to_lose(study, experiment.history) or error.hint
        raise HistoryDiffers(error.problem, hint) from None


def _kept(experiment: Experiment) -> str:
    return f"{experiment.grace:g} s are kept for scripts to save (grace:), {SLACK:g} s to end"


def check_end(experiment: Experiment, end: float, now: float) -> None:
    """Raise WalltimeShort when nothing at all fits in between ``now`` and ``end``."""
    if end <= now:
        whole = end + experiment.grace + SLACK - now
        problem = f"{whole:.0f} s are left, and none of them for trials: {_kept(experiment)}"
        raise WalltimeShort(problem, "Ask for more time, or for less grace.")


def check_time(study: Study, experiment: Experiment, end: float, now: float) -> None:
    """Raise WalltimeShort when no trial of ``study`` has been as short as what is left."""
    shortest, left = Durations(study).shortest, end - now
    if shortest is not None and shortest > left and not experiment.resumes:
        kept = _kept(experiment)
        problem = f"the shortest trial so far took {shortest:.0f} s; {left:.0f} s are left for trials, as {kept}"
        raise WalltimeShort(problem, "Ask for more time, or let the script save: resumes: true")
