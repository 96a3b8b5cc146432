"""Which trial may be run by which worker.  Pure; the scheduler acts on it."""

from collections.abc import Iterator, Mapping

from metaopt.crew import Worker
from metaopt.messages import StoodDown
from metaopt.study import Study
from metaopt.trial import Trial

MANY = 2
"""So many trials that blame a GPU make it suspicious, until they have ended."""


def next_pair(study: Study) -> tuple[int, Trial] | None:
    """The first idle worker, and the first waiting trial that may be run by it."""
    pairs = ((worker, study.trials[number]) for worker in study.idle for number in study.waiting)
    return next((pair for pair in pairs if _may_run(study, *pair)), None)


def hungry(study: Study) -> int:
    """How many idle workers may be given new trials."""
    return sum(not _is_suspicious(study, study.workers[worker]) for worker in study.idle)


def _may_run(study: Study, worker: int, trial: Trial) -> bool:
    """Whether its GPU is beyond suspicion; where there is no better one, that is no matter."""
    if not _is_bad(study, study.workers[worker], trial):
        return True
    return all(_is_bad(study, other, trial) for other in study.workers.values())


def _is_bad(study: Study, worker: Worker, trial: Trial) -> bool:
    return bool(trial.shunned and set(trial.shunned) & set(worker.gpus)) or _is_suspicious(study, worker)


def _is_suspicious(study: Study, worker: Worker) -> bool:
    """Whether some trials have blamed its GPUs that are still to be tried elsewhere: it would soon fail all others."""
    return len(worker.blamed) >= MANY and sum(number in study.open for number in worker.blamed) >= MANY


def on_ill_gpus(study: Study, suspects: Mapping[str, str]) -> Iterator[StoodDown]:
    """The idle workers whose GPUs are in quarantine, or among ``suspects``, which has the reasons by UUID."""
    ill = {**suspects, **study.crews[study.run].quarantined}
    for number in list(study.idle) if ill else ():
        worker = study.workers[number]
        if bad := tuple(gpu for gpu in worker.gpus if gpu in ill):
            yield StoodDown(number, worker.host, ill[bad[0]], bad)


def in_words(study: Study, event: StoodDown) -> str:
    """What a person is to know of ``event`` before it is applied."""
    worker = study.workers.get(event.worker)
    quarantine = f"{', '.join(event.gpus)} is in quarantine: " if event.gpus else ""
    standing_by = f"; worker {event.worker} stands by" if event.gpus else ""
    again = f"; trial {worker.trial} is run again" if worker is not None and worker.trial is not None else ""
    return f"{event.host}: {quarantine}{event.why}{standing_by}{again}"
