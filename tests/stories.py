"""Studies as they never were: what workers say in any order, and what becomes of it."""

import random

from simulation import Fickle

from metaopt.goals import Goals
from metaopt.limits import Limits
from metaopt.messages import Finished, Joined, Lost, Opened, Reported, Started, StoodDown, Suggested
from metaopt.scheduler import Scheduler
from metaopt.stopping.median import Median
from metaopt.stores.base import Record
from metaopt.study import Study
from metaopt.wire import to_plain


def loss(worker, trial, attempt, *values, first=1):
    """Some steps' worth of two metrics."""
    said = [(float(step), {"val.loss": value, "$other": 1.0}) for step, value in enumerate(values, start=first)]
    return Reported(worker, trial, attempt, tuple(said))


def tell(seed, scheduler):
    """Some events, said in any order by workers that may be honest."""
    chance, study = random.Random(seed), scheduler.study
    for _ in range(60):
        worker, trial, attempt = chance.randint(1, 3), chance.randint(0, 4), chance.randint(1, 3)
        known = study.workers.get(worker)
        if known is not None and known.trial is not None and chance.random() < 0.8:
            trial, attempt = known.trial, study.trials[known.trial].attempts
        outcome = chance.choice(["completed", "failed", "killed", "stopped"])
        ended = Finished(worker, trial, attempt, outcome, "error", usage={"gpu_joules": chance.random()})
        yield chance.choice(
            [
                *(Joined(worker, "host", "core"), Joined(worker, "host", "core"), Started(worker, trial, attempt, 1)),
                *(loss(worker, trial, attempt, chance.random(), first=chance.randint(1, 5)),) * 3,
                *(ended, ended, Suggested(({"x": 0},) * chance.randint(0, 2))),
                chance.choice([Lost(worker, "gone"), StoodDown(worker, "host", "ill"), ended, ended]),
            ]
        )


def told(seed, experiment):
    """The facts of two runs on one study, in which a scheduler is told such events: a list for each."""
    study = Study(Goals.described(experiment))
    for run in (2, 3):
        study.run = run
        stopper = random.Random(str(seed)).choice([Fickle(), Median(warmup=1, curves=1)])
        scheduler = Scheduler(study, Limits(8, 3), stopper)
        scheduler.handle(1e9 + 1000 * run, Opened("1", 1, experiment))
        for now, event in enumerate(tell(f"{seed} {run}", scheduler)):
            scheduler.handle(1e9 + 1000 * run + now, event)
        yield run, list(scheduler.facts)


def records(run, facts, begun):
    """``facts`` as records of ``run``, 1.5 s apart."""
    return [
        Record(run, seq, begun + 1.5 * seq, type(fact).__name__, to_plain(fact))
        for seq, fact in enumerate(facts, start=1)
    ]
