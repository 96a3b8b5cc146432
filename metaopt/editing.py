"""A study is edited: by a short run of its own, without workers, which says all that it has to say at once.

So it is done as a whole or not at all, whoever else writes to the history.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from metaopt import __version__
from metaopt.errors import HistoryError, HistoryHeld, Overtaken
from metaopt.experiment import Experiment
from metaopt.history import FORMAT, Past, check_same, replay, unheard
from metaopt.messages import Adopted, Closed, Fact, Opened, Params, Revised, Suggested
from metaopt.revision import revise
from metaopt.scalars import counted, same
from metaopt.sharing import patience
from metaopt.stores import Record, Store
from metaopt.study import Study
from metaopt.trial import State
from metaopt.wire import to_plain

SKEW = 30.0
"""Seconds by which clocks of hosts of one cluster may differ."""


def change_space(experiment: Experiment, store: Store) -> list[str]:
    """Have the study in ``store`` go on in the space of ``experiment``; gives what there is to say of it.

    Raises HistoryDiffers when it cannot, and HistoryHeld when another run is at it.
    """
    notes: list[str] = []
    _say(experiment, store, partial(_revised, experiment, notes, shared=store.shared))
    return notes


def insert(experiment: Experiment, store: Store, params: Params, *, again: bool = False) -> tuple[int, int]:
    """Have a trial at ``params`` run next: its number, and how many others wait before it.

    Raises HistoryError when the study has all its trials, or one at this point (unless ``again``).
    """
    told: list[tuple[int, int]] = []
    _say(experiment, store, partial(_inserted, experiment, params, told, again=again, shared=store.shared))
    return told[-1]


def _say(experiment: Experiment, store: Store, decide: Callable[[Study, Past], Sequence[Fact]]) -> None:
    """Write a run that says what ``decide`` makes of the study; it decides anew when somebody else was faster."""
    begin = store.append([])  # refuses a second writer, where there may be one only
    while True:
        past = replay(store)
        study = past.study or Study(experiment.goals)
        now = round(time.time(), 6)
        first = [] if store.shared else unheard(study, Path(experiment.welcome().trials))
        for event in first:
            study.apply(now, event)
        facts = decide(study, past)
        if not facts:
            return
        opened = Opened(__version__, FORMAT, experiment.describe(), alone=not store.shared)
        whole: list[Fact] = [*first, opened, *facts, *([Closed()] if store.shared else [])]
        try:
            store.append(_records(past.run + 1, now, whole), after=begin if past.cursor is None else past.cursor)
        except Overtaken:
            continue
        return


def _records(run: int, now: float, facts: Sequence[Fact]) -> list[Record]:
    return [Record(run, seq, now, type(fact).__name__, to_plain(fact)) for seq, fact in enumerate(facts, start=1)]


def _revised(experiment: Experiment, notes: list[str], study: Study, past: Past, *, shared: bool) -> list[Fact]:
    """What to say of a space that has changed, to the history and in ``notes``."""
    about, url = experiment.describe(), str(experiment.location)
    if not study.experiment or study.experiment.get("space") == about["space"]:
        return []
    check_same(study, about, url, space=False)
    gone = _silent(study, past, url) if shared else ()
    revised = revise(study, experiment.space)
    notes[:] = _notes(study, revised)
    return [*([Adopted(gone)] if gone else []), revised]


def _silent(study: Study, past: Past, url: str) -> tuple[int, ...]:
    """The runs that have ended without a word; raises HistoryHeld when one of them may still be under way."""
    now = time.time()
    heard = {run: past.heard[run] for run, crew in study.crews.items() if run in past.heard and not crew.closed}
    for run, last in heard.items():
        crew = study.crews[run]
        wait = patience(crew.experiment) + SKEW
        if now - last < wait:
            where = ", ".join(sorted({worker.host for worker in crew.workers.values()}))
            at = f" on {where}" if where else ""
            problem = f"{url}: run {run}{at} may be under way, it was heard {max(now - last, 0):.0f} s ago"
            hint = "The space can change only while nobody else is at it: stop them first."
            raise HistoryHeld(problem, f"{hint}  (One that was killed is given up {wait:.0f} s after its last word.)")
    return tuple(heard)


def _inserted(
    experiment: Experiment,
    params: Params,
    told: list[tuple[int, int]],
    study: Study,
    _: Past,
    *,
    again: bool,
    shared: bool,
) -> list[Fact]:
    """What to say of one more point; its number, and how many wait before it, go to ``told``."""
    if study.experiment:
        check_same(study, experiment.describe(), str(experiment.location))
    if study.counted >= experiment.trials:
        problem = f"the study has its {counted(study.counted, 'trial')}: raise trials:"
        raise HistoryError(
            problem, f"It is {experiment.trials} in {experiment.file}; a point of your own is one of them."
        )
    there = [trial for trial in study.trials.values() if not trial.outside and _is_at(trial.params, params)]
    if there and not again:
        said = "" if there[0].objective is None else f", {study.goals.said(there[0].objectives)}"
        problem = f"trial {there[0].number} is at this point already: {there[0].state}{said}"
        raise HistoryError(problem, "To run it once more, say --again.")
    told.append(
        (len(study.trials), study.tally[State.WAITING] if shared else len(study.open) - study.tally[State.PAUSED])
    )
    return [Suggested((params,))]


def _is_at(params: Params, other: Params) -> bool:
    """Whether they are the same point."""
    return params.keys() == other.keys() and all(same(value, other[name]) for name, value in params.items())


def _notes(study: Study, revised: Revised) -> list[str]:
    """What a person wants to know of it."""
    there = len(study.trials)
    aside = f"{len(revised.dropped)} of its {there} trials are outside and set aside" if revised.dropped else ""
    given = ", ".join(f"{name} = {value}" for name, value in revised.added.items())
    added = f"the trials there are count as having had {given}" if given else ""
    kept = "" if aside else f"all of its {there} trials are kept"
    return [f"the space has changed: {'; '.join(filter(None, (aside, kept, added)))}"]
