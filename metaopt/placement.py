"""Which trial may be run by which worker.  Pure; the scheduler acts on it."""

from collections.abc import Iterator, Mapping

from metaopt.messages import StoodDown
from metaopt.study import Study
from metaopt.trial import Trial


def next_pair(study: Study) -> tuple[int, Trial] | None:
    """The first idle worker, and the first waiting trial that may be run by it."""
    pairs = ((worker, study.trials[number]) for worker in study.idle for number in study.waiting)
    return next((pair for pair in pairs if _may_run(study, *pair)), None)


def _may_run(study: Study, worker: int, trial: Trial) -> bool:
    """Whether it has not failed there, as it seemed for the GPU; where there is no other one, that is no matter."""
    if not trial.shunned or not set(trial.shunned) & set(study.workers[worker].gpus):
        return True
    return all(set(trial.shunned) & set(other.gpus) for other in study.workers.values())


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
