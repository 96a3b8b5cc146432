"""A whole run in the simulator: the real driver, scheduler, recorder and optimizer, on a virtual clock."""

import hashlib
import json
import math
import random

from metaopt.driver import Driver
from metaopt.given import Given
from metaopt.goals import Goals
from metaopt.limits import Limits
from metaopt.messages import Opened
from metaopt.objective import Objective
from metaopt.optimizers import make
from metaopt.proposer import InlineProposer
from metaopt.recorder import Recorder
from metaopt.scheduler import Scheduler
from metaopt.stopping.never import Never
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.transports.simulated import SimulatedHub

SPACE = {"lr": "loguniform(1e-4, 1)", "width": "integer(8, 256, log)", "kind": "choice(a, b, c)"}
ABOUT = {"name": "simulated", "objective": {"metric": "loss"}}


class Silence:
    """A view that nobody looks at."""

    def show(self, now, scheduler, notes):
        assert not [
            note for note in notes if "worker " not in note and " goes on: " not in note and " is paused: " not in note
        ]


class Fickle:
    """Wants a trial to stop whenever it says something bad, and to go on later, if it is the second of three."""

    def __init__(self):
        self.paused = {}

    def should_stop(self, trial, points):
        return "it is bad" if points[-1][1] > 0.5 else ""

    def pause(self, trial):
        self.paused[trial] = None

    def promote(self):
        found = next((trial for trial in self.paused if trial % 3 == 1), None)
        if found is None:
            return None
        del self.paused[found]
        return found, "why not"


def script(reports, seed=0, seconds=60.0):
    """Virtual training: some epochs of random length, a loss that falls; what it does depends on the trial alone."""

    def train(params, trial):
        chance = random.Random(f"{seed} {trial}")
        level = abs(float(params.get("lr", 0.1)) - 0.1)
        for epoch in range(1, reports + 1):
            yield chance.uniform(0.5, 1.5) * seconds, {"loss": level + 1.0 / epoch}

    return train


class Simulation:
    """``run`` it once; then look at ``study``, ``hub`` and ``store``."""

    def __init__(
        self,
        train,
        trials,
        workers,
        losses=(),
        optimizer="random",
        stopper=None,
        store=None,
        study=None,
        end=math.inf,
        space=SPACE,
        *,
        resumes=False,
        **given,
    ):
        self.store = store or Memory()
        self.study = study or Study(Goals((Objective("loss"),)))
        self.hub = SimulatedHub(train, workers, losses, resumes=resumes)
        self.about = {**ABOUT, "resumes": resumes}
        stopper = stopper or Never()
        self.scheduler = Scheduler(
            self.study, Limits(trials, workers, end=end), stopper, given=Given(self.study, **given)
        )
        proposer = InlineProposer(make(optimizer, space, seed=1), stopper)
        run = 1 + max((record.run for _, record in self.store.read()), default=0)
        self.study.run = run
        recorder = Recorder(self.store, run, background=False)
        self.driver = Driver(self.scheduler, self.hub, proposer, recorder, Silence())

    def run(self):
        self.driver.run(Opened("1", 1, self.about))
        return self

    def digest(self):
        """Of everything that happened, in order."""
        told = hashlib.sha256()
        for _, record in self.store.read():
            told.update(json.dumps([record.seq, record.time, record.kind, record.body]).encode())
        return told.hexdigest()
