"""How a run is put together, from its file to its exit status; its workers are virtual."""

import pytest
from simulation import Silence

from metaopt import master
from metaopt.experiment import Experiment
from metaopt.messages import Opened
from metaopt.opening import Opening, Terms
from metaopt.recorder import Recorder
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.transports.simulated import SimulatedHub

GIVEN_UP = "others do its work"
FILE = """
name: quadratic
command: [echo, "{x}"]
objective: loss
space: {x: "uniform(0, 1)"}
optimizer: random
trials: 3
"""


class GivenUp(Recorder):
    """Learns at the very end that the other runs on its study have thought this one dead."""

    def close(self, patience=30.0):
        self.overruled, self.broken = True, GIVEN_UP
        super().close(patience)
        return False


class View(Silence):
    def close(self):
        pass

    def end(self, now, scheduler):
        self.scheduler = scheduler


def told(run):
    """What it gives, and at the end what it returns."""
    yield (yield from run)


@pytest.mark.parametrize(("kind", "status"), [(Recorder, master.FINISHED), (GivenUp, master.INTERRUPTED)])
def test_the_exit_status_of_one_that_was_given_up_is_not_that_of_a_study_that_is_complete(
    monkeypatch, tmp_path, kind, status
):
    (tmp_path / "exp.yaml").write_text(FILE)
    experiment = Experiment.load(tmp_path / "exp.yaml")
    study, store, view = Study(experiment.goals), Memory([]), View()
    study.run = 1
    first = [Opened("1", 1, experiment.describe())]
    opening = Opening(study, True, kind(store, 1), first, [], float("inf"), [], [])
    monkeypatch.setattr(master, "begin", lambda *_: opening)
    hub = SimulatedHub(lambda *_: iter([(1.0, {"loss": 1.0})]), 2)
    run = master.search(hub, 2, experiment, lambda *_: view, Terms(), alone=True)
    assert list(told(run))[-1] == status
    assert len(study.ended) == 3
    assert view.scheduler.complete == (status == master.FINISHED)
    assert view.scheduler.draining == (GIVEN_UP if status else "")
