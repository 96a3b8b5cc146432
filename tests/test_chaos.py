"""Whatever happens, every trial has exactly one result, the right one: 1,000 virtual workers, faults from a seed.

One seed alone:  pytest tests/test_chaos.py -k seed17-
"""

import math
import random

import pytest
from audit import Audit
from chaos import HEARTBEAT, Chaos, Directories, Impatient, Killed, Moody, SlowDisk, kind_of, play

from metaopt.driver import Driver
from metaopt.goals import Goals
from metaopt.history import replay, unheard
from metaopt.limits import Limits
from metaopt.messages import Opened
from metaopt.scheduler import Scheduler
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.trial import State

WORKERS = 1000
SEEDS = 200
ENDS = ("killed", "killed", "crowded out", "the optimizer fails", "walltime", "interrupted", "terminated", "all die")
WITH_RESULT = {"good", "stutters"}


class Unseen:
    """A view that nobody looks at."""

    def show(self, now, scheduler, notes):
        """Nothing to see."""


class Story:
    """One study, run after run, until it is complete; all of it follows from ``seed``."""

    def __init__(self, seed, directory):
        self.chance = random.Random(f"chaos {seed}")
        self.trials = 1200 if seed % 50 == 0 else self.chance.randint(200, 300)
        self.about = {
            "name": "chaos",
            "objective": {"metric": "loss", "goal": self.chance.choice(("minimize", "maximize"))},
            "attempts": self.chance.randint(1, 3),
            "resumes": self.chance.random() < 0.5,
        }
        self.store, self.directories = Memory(), Directories(directory)
        self.ends = self.chance.choices(ENDS, k=self.chance.randint(0, 3))
        self.now = 0.0
        self.scheduler = None

    def run(self):
        """Run after run as it ends too early, and a last one that does not; there are never more."""
        for end in [*self.ends, ""]:
            self.live(end)
            if self.scheduler.complete and self.orderly:
                return

    def live(self, end):
        """One run, which ends like this."""
        study, run, *_ = replay(self.store)
        past = [] if study is None else unheard(study, self.directories.write(study.open))
        study = study or Study(Goals.described(self.about))
        study.run = run + 1
        hub = self.hub(end)
        until = self.now + self.chance.uniform(2, 8) if end == "walltime" else math.inf
        limits = Limits(self.trials, WORKERS, give_up_after=0, begin=self.now, end=until)
        stopper = Impatient(pauses=self.about["resumes"])
        self.scheduler = Scheduler(study, limits, stopper)
        hub.disk = self.disk(run + 1)
        proposer = Moody(self.chance, hub.now, 0.2 if end == "the optimizer fails" else 0.0, stopper)
        driver = Driver(self.scheduler, hub, proposer, hub.disk, Unseen())
        hub.call = lambda: driver.interrupt(end, at_once=end == "terminated")
        try:
            driver.run(*past, Opened("1", 1, self.about))
        except Killed:
            hub.disk.crash()
            self.orderly = False
        else:
            hub.disk.end()
            self.orderly = True
            assert repr(proposer.told) == told(study)
        hub.wreck()
        self.now = hub.now() + 1.0

    def hub(self, end):
        """Workers, and what becomes of them."""
        chance, now = self.chance, self.now
        losses = [(now + chance.uniform(0, 8), w) for w in chance.sample(range(1, WORKERS + 1), chance.randint(0, 300))]
        if end == "all die":
            moment = chance.uniform(0, 4)
            losses = [(now + moment + chance.uniform(0, 1), worker) for worker in range(1, WORKERS + 1)]
        silences = []
        for worker in chance.sample(range(1, WORKERS + 1), chance.randint(0, 200)):
            start = now + chance.uniform(0, 4)
            spell = chance.choice((0.5, HEARTBEAT + 0.001, 2.0, 4.0, 1000.0))
            silences.append((start, start + spell, worker))
        doom = (now + chance.uniform(0, 6), math.inf) if end == "killed" else None
        doom = (math.inf, chance.randint(1, 3000)) if end == "crowded out" else doom
        call_at = now + chance.uniform(0, 5) if end in {"interrupted", "terminated"} else math.inf
        return Chaos(
            WORKERS,
            chance,
            self.directories,
            losses=losses,
            silences=silences,
            resumes=self.about["resumes"],
            begin=now,
            doom=doom,
            call_at=call_at,
        )

    def disk(self, run):
        """A disk that now and then is full for a while, or just takes its time."""
        begin = self.now + self.chance.uniform(0, 4)
        full, stuck = self.chance.choice(((True, 2.0), (False, 1.5), (False, 0.0)))
        return SlowDisk(self.store, run, self.chance, begin, begin + stuck, full=full)


def told(study):
    """What the optimizer must have been told; as text, for NaN equals itself only so."""
    ended = [study.trials[number] for number in study.ended]
    sign = study.objective.sign
    none = [math.inf if trial.error == "MemoryError()" else math.nan for trial in ended]
    values = [no if t.objective is None else sign * t.objective for t, no in zip(ended, none, strict=True)]
    return repr([(trial.params, value) for trial, value in zip(ended, values, strict=True)])


def expected(params, trial):
    """(What becomes of the trial that runs to its end, its points.)"""
    kind = kind_of(params)
    if kind == "endless":
        return State.STOPPED, None
    points = []
    try:
        for step, (_, values) in play(params, trial):
            points.append((step, values))
    except (MemoryError, RuntimeError, TimeoutError):
        pass
    return State.COMPLETED if kind in WITH_RESULT else State.FAILED, points


def check_result(account, number, trial, resumes):
    """What counts is what the script of this very trial would have said; nothing is invented."""
    state, points = expected(account.params, number)
    if account.result == "lost":
        assert trial.state is State.FAILED
        return
    assert trial.state is state
    assert account.result == {State.STOPPED: "stopped"}.get(state, account.result)
    assert account.result != "completed" or state is not State.STOPPED
    if state is State.COMPLETED:
        assert trial.objective == points[-1][1]["loss"]
        assert set(map(repr, trial.points)) <= set(map(repr, points))
        assert resumes or trial.points == points  # a checkpoint may have been ahead of what was heard


@pytest.mark.parametrize("seed", range(SEEDS), ids=lambda seed: f"seed{seed}-")
def test_whatever_happens_every_trial_has_one_result_and_the_right_one(seed, tmp_path):
    story = Story(seed, tmp_path)
    story.run()
    assert story.scheduler.complete
    records = [record for _, record in story.store.read()]
    audit = Audit([(r.run, r.kind, r.body) for r in records], story.about["attempts"], resumes=story.about["resumes"])
    folded = replay(story.store).study
    assert list(folded.trials) == list(range(story.trials))
    assert sorted(folded.ended) == list(range(story.trials))
    for number, account in enumerate(audit.trials):
        assert account.result
        check_result(account, number, folded.trials[number], story.about["resumes"])
    mine = story.scheduler.study
    assert repr(folded) == repr(mine)
    assert [repr(t.points) for t in folded.trials.values()] == [repr(t.points) for t in mine.trials.values()]
