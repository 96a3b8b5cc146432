"""Which trial may be run by which worker.  Pure; the scheduler acts on it."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from metaopt.crew import Worker
from metaopt.messages import Joined, Quarantine, StoodDown
from metaopt.study import Study
from metaopt.trial import State, Trial

ELSEWHERE = "it works for another experiment"
MANY = 2
"""So many trials that blame a GPU make it suspicious, until they have ended."""


def next_pair(study: Study, without: AbstractSet[int] = frozenset()) -> tuple[int, Trial] | None:
    """The first idle worker, ``without`` some, and the first waiting trial that may be run by it."""
    free = (worker for worker in study.idle if worker not in without)
    pairs = ((worker, study.trials[number]) for worker in free for number in study.waiting)
    return next((pair for pair in pairs if _may_run(study, *pair)), None)


def hungry(study: Study, without: AbstractSet[int] = frozenset()) -> int:
    """How many new trials idle workers, ``without`` some, have use for: more than wait, unless none may run these."""
    blamed = {worker for worker in study.crews[study.run].blamed if _is_suspicious(study, worker)}
    free = len(study.idle) - len(study.idle.keys() & (blamed | without))
    return free if free and study.waiting and next_pair(study, without) is None else free - len(study.waiting)


def _may_run(study: Study, worker: int, trial: Trial) -> bool:
    """Whether its GPU is beyond suspicion; where there is no better one, that is no matter."""
    return not _is_bad(study, worker, trial) or all(_is_bad(study, other, trial) for other in study.workers)


def _is_bad(study: Study, worker: int, trial: Trial) -> bool:
    failed = trial.shunned and set(trial.shunned) & set(study.workers[worker].gpus)
    return bool(failed) or _is_suspicious(study, worker)


def _is_suspicious(study: Study, worker: int) -> bool:
    """Whether some trials have blamed its GPUs that are still to be tried elsewhere: it would soon fail all others."""
    blamed = study.crews[study.run].blamed.get(worker, ())
    return len(blamed) >= MANY and sum(number in study.open for number in blamed) >= MANY


def on_ill_gpus(study: Study, suspects: Mapping[str, str]) -> Iterator[StoodDown | Quarantine]:
    """The idle workers whose GPUs are in quarantine, or among ``suspects``, which has the reasons by UUID.

    Of several nodes, those that have them are to go: who works with the others, the hub will say.
    """
    ill = {**suspects, **study.crews[study.run].quarantined}
    for number in list(study.idle) if ill else ():
        worker = study.workers[number]
        if bad := tuple(gpu for gpu in worker.gpus if gpu in ill):
            why, several = ill[bad[0]], study.nodes > 1
            yield Quarantine(number, why, bad) if several else StoodDown(number, worker.host, why, bad)


def in_words(study: Study, event: StoodDown) -> str:
    """What a person is to know of ``event`` before it is applied."""
    worker = study.workers.get(event.worker)
    quarantine = f"{', '.join(event.gpus)} is in quarantine: " if event.gpus else ""
    standing_by = f"; worker {event.worker} stands by" if event.gpus else ""
    again = f"; trial {worker.trial} is run again" if worker is not None and worker.trial is not None else ""
    return f"{event.host}: {quarantine}{event.why}{standing_by}{again}"


def begun_anew(study: Study, event: Joined, before: Worker | None) -> list[str]:
    """What to say of a worker that has joined again without having been lost ``before``, as it has other nodes now."""
    said = f"worker {event.worker} on {event.host} begins anew"
    return [] if before is None else [said + run_again(study, before.trial)]


def run_again(study: Study, number: int | None) -> str:
    """That a trial is, which its worker has left, unless that was once too often."""
    waits = number is not None and study.trials[number].state is State.WAITING
    return f"; trial {number} is run again" if waits else ""
