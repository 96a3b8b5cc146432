"""Whole runs in the simulator."""

import collections
import random

import pytest
from simulation import Simulation, script

from metaopt.history import replay
from metaopt.stopping.median import Median
from metaopt.stores import open_store
from metaopt.trial import State


def states_of(study):
    return collections.Counter(trial.state for trial in study.trials.values())


def test_4096_workers_finish_16384_trials_and_keep_busy():
    simulation = Simulation(script(reports=3), trials=16384, workers=4096).run()
    assert states_of(simulation.study) == {State.COMPLETED: 16384}
    offered = 4096 * simulation.hub.now()
    assert sum(trial.duration for trial in simulation.study.trials.values()) / offered > 0.75
    assert simulation.scheduler.complete


def test_the_same_run_twice_has_the_same_log():
    one, two = (Simulation(script(5), 60, 16, [(100.0, 3)], "gp").run().digest() for _ in range(2))
    assert one == two


@pytest.mark.parametrize("seed", range(20))
def test_a_third_of_the_workers_may_die_and_no_trial_is_lost_or_done_twice(seed):
    chance = random.Random(seed)
    losses = [(chance.uniform(0, 600), worker) for worker in chance.sample(range(1, 301), 100)]
    simulation = Simulation(script(4, seed), trials=1000, workers=300, losses=losses).run()
    states = states_of(simulation.study)
    assert sum(states.values()) == 1000
    assert set(states) <= {State.COMPLETED, State.FAILED}
    for trial in simulation.study.trials.values():  # only what lost its worker twice has failed
        assert (trial.state is State.FAILED) == (trial.losses == 2)
    finished = collections.Counter(
        record.body["trial"]
        for _, record in simulation.store.read()
        if record.kind == "Finished" and record.body["outcome"] == "completed"
    )
    assert set(finished.values()) == {1}


def test_when_all_workers_die_the_run_ends_and_the_next_one_goes_on():
    first = Simulation(script(4), trials=50, workers=5, losses=[(300.0 + w, w) for w in range(1, 6)]).run()
    assert first.scheduler.draining == "no worker is left"
    study, run, *_ = replay(first.store)
    assert run == 1
    done = {trial.number for trial in study.trials.values() if trial.state is State.COMPLETED}
    assert done
    second = Simulation(script(4), trials=50, workers=5, store=first.store, study=study).run()
    assert states_of(second.study) == {State.COMPLETED: 50}
    for number in done:
        assert second.study.trials[number].attempts == first.study.trials[number].attempts


def test_what_is_read_back_is_what_the_scheduler_knew():
    stopper = Median(warmup=1, curves=3)
    simulation = Simulation(script(4), trials=60, workers=7, losses=[(100.0, 3)], stopper=stopper).run()
    study = replay(simulation.store).study
    assert study.trials == simulation.study.trials
    assert study.ended == simulation.study.ended
    assert states_of(study)[State.STOPPED] > 0


def test_early_stopping_saves_time_in_the_simulator():
    full = Simulation(script(20), trials=200, workers=8).run()
    short = Simulation(script(20), trials=200, workers=8, stopper=Median(warmup=1)).run()
    assert short.hub.now() < 0.8 * full.hub.now()


def test_a_script_that_fails_is_a_failed_trial():
    def fails(params, trial):
        yield from script(2)(params, trial)
        if trial % 3 == 1:
            raise RuntimeError(trial)

    simulation = Simulation(fails, trials=30, workers=4).run()
    assert states_of(simulation.study) == {State.COMPLETED: 20, State.FAILED: 10}
    assert "RuntimeError(1)" in simulation.study.trials[1].error


class Listener:
    def __init__(self):
        self.told = []

    def show(self, now, scheduler, notes):
        self.told += notes


def test_a_store_that_has_become_slow_is_told_of_once(tmp_path, monkeypatch):
    monkeypatch.setattr("metaopt.stores.tinydb.MANY", 50)
    store = open_store(f"tinydb:{tmp_path / 'x.json'}", create=True)
    simulation = Simulation(script(3), trials=20, workers=4, store=store)
    simulation.driver._view = listener = Listener()
    simulation.run()
    store.close()
    (warning,) = listener.told
    assert warning.startswith("warning: ")
    assert "journal" in warning
