"""The end of the allocation: what is begun, what is interrupted, and what the next allocation goes on with."""

import random

import pytest
from simulation import Simulation

from metaopt.goals import Goals
from metaopt.history import replay
from metaopt.limits import Limits
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Stop, Suggested, Thawed
from metaopt.objective import Objective
from metaopt.scheduler import Scheduler
from metaopt.stopping.never import Never
from metaopt.study import Study
from metaopt.trial import State

END = 1000.0


class Table:
    """A scheduler, and a shorthand to speak to it."""

    def __init__(self, *, resumes=False, workers=2):
        self.scheduler = Scheduler(Study(Goals((Objective("loss"),))), Limits(20, workers, begin=0.0, end=END), Never())
        about = {"objective": {"metric": "loss"}, "resumes": resumes}
        self.say(0.0, Opened("1", 1, about), *(Joined(w, "here", "") for w in range(1, workers + 1)))
        self.study = self.scheduler.study

    def say(self, now, *events):
        return self.scheduler.handle(now, *events)

    def run_one(self, worker, trial, begin, end, attempt=1):
        self.say(begin, Suggested(({"x": trial},)))
        return self.say(
            end,
            Reported(worker, trial, attempt, ((1, {"loss": 1.0}),)),
            Finished(worker, trial, attempt, "completed"),
        )


def test_nothing_is_begun_that_would_not_complete():
    table = Table(workers=1)
    table.run_one(1, 0, 0.0, 300.0)
    assert Assign(1, 1, 1, {"x": 1}) in table.say(600.0, Suggested(({"x": 1},)))
    table.say(890.0, Reported(1, 1, 1, ((1, {"loss": 2.0}),)), Finished(1, 1, 1, "completed"))
    commands = table.say(891.0, Suggested(({"x": 2},)))
    assert not any(isinstance(command, Assign) for command in commands)
    assert "no trial is likely to complete" in table.scheduler.draining
    assert table.scheduler.interrupted
    assert table.study.trials[2].state is State.WAITING


def test_what_can_go_on_later_is_begun_until_the_end():
    table = Table(resumes=True, workers=1)
    table.run_one(1, 0, 0.0, 300.0)
    assert Assign(1, 1, 1, {"x": 1}) in table.say(990.0, Suggested(({"x": 1},)))


def test_when_the_usual_trial_is_longer_than_the_allocation_the_shortest_one_counts():
    table = Table(workers=1)
    study = table.study
    for number, seconds in enumerate((400.0, 1200.0, 1300.0, 1400.0, 1500.0)):
        study.apply(0.0, Suggested(({"x": number},)))
        study.apply(0.0, Assign(1, number, 1, {"x": number}))
        study.apply(0.0, Reported(1, number, 1, ((1, {"loss": 1.0}),)))
        study.apply(seconds, Finished(1, number, 1, "completed"))
    assert Assign(1, 5, 1, {"x": 5}) in table.say(500.0, Suggested(({"x": 5},)))
    table.say(510.0, Finished(1, 5, 1, "failed"))
    assert not any(isinstance(command, Assign) for command in table.say(700.0, Suggested(({"x": 6},))))


def test_an_interrupted_trial_goes_on_first_with_its_curve_and_its_work():
    study = Study(Goals((Objective("loss"),)))
    about = {"objective": {"metric": "loss"}, "resumes": True}
    for time, fact in (
        (0.0, Opened("1", 1, about)),
        (0.0, Joined(1, "here", "")),
        (0.0, Suggested(({"x": 0}, {"x": 1}))),
        (0.0, Assign(1, 0, 1, {"x": 0})),
        (50.0, Reported(1, 0, 1, ((1, {"loss": 3.0}), (2, {"loss": 2.0}), (3, {"loss": 1.5})))),
        (90.0, Stop(1, 0, 1, "interrupted")),
        (100.0, Finished(1, 0, 1, "stopped")),
        (200.0, Opened("1", 1, about)),
        (200.0, Joined(2, "there", "")),
    ):
        assert study.apply(time, fact)
    assert list(study.waiting) == [0, 1]
    study.apply(210.0, Assign(2, 0, 2, {"x": 0}))
    assert study.trials[0].curve("loss") == [(1, 3.0), (2, 2.0), (3, 1.5)]
    study.apply(220.0, Reported(2, 0, 2, ((3, {"loss": 1.4}),)))  # step 3 is done again
    study.apply(230.0, Reported(2, 0, 2, ((4, {"loss": 1.0}),)))
    study.apply(260.0, Finished(2, 0, 2, "completed"))
    assert study.trials[0].curve("loss") == [(1, 3.0), (2, 2.0), (3, 1.4), (4, 1.0)]
    assert study.trials[0].duration == 150.0


@pytest.mark.parametrize("reason", ["interrupted", "paused"])
def test_a_trial_that_begins_anew_from_nothing_has_only_its_new_work(reason):
    study = Study(Goals((Objective("loss"),)))
    about = {"objective": {"metric": "loss"}, "resumes": True}
    for time, fact in (
        (0.0, Opened("1", 1, about)),
        (0.0, Joined(1, "here", "")),
        (0.0, Suggested(({"x": 0},))),
        (0.0, Assign(1, 0, 1, {"x": 0})),
        (50.0, Reported(1, 0, 1, ((1, {"loss": 3.0}),))),
        (90.0, Stop(1, 0, 1, reason)),
        (100.0, Finished(1, 0, 1, "stopped")),
        *([(150.0, Thawed(0, 1))] if reason == "paused" else []),
        (200.0, Opened("1", 1, {**about, "resumes": False})),
        (200.0, Joined(2, "there", "")),
        (210.0, Assign(2, 0, 2, {"x": 0})),
        (220.0, Reported(2, 0, 2, ((1, {"loss": 1.0}),))),
        (260.0, Finished(2, 0, 2, "completed")),
    ):
        assert study.apply(time, fact)
    assert study.trials[0].curve("loss") == [(1, 1.0)]
    assert study.trials[0].duration == 50.0


def long_trials(params, trial):
    """Ten epochs; whole trials take from 1,000 to 3,000 seconds."""
    pace = random.Random(f"long {trial}").uniform(100, 300)
    for epoch in range(1, 11):
        yield pace, {"loss": 1.0 / epoch}


@pytest.mark.parametrize("seed", range(3))
def test_over_a_chain_of_allocations_nothing_is_lost_and_no_run_outlives_its_end(seed):
    store, study, spans = None, None, []
    for _ in range(12):
        simulation = Simulation(long_trials, 40, 8 + seed, store=store, study=study, end=4000.0 + 100 * seed)
        simulation.run()
        spans.append(simulation.hub.now())
        store = simulation.store
        study = replay(store).study
        if simulation.scheduler.complete:
            break
        assert simulation.scheduler.interrupted
    assert simulation.scheduler.complete
    assert {trial.state for trial in study.trials.values()} == {State.COMPLETED}
    assert max(spans) <= 4000.0 + 100 * seed + simulation.hub.grace + 1.0
    done = [r.body["trial"] for _, r in store.read() if r.kind == "Finished" and r.body["outcome"] == "completed"]
    assert sorted(done) == list(range(40))


def test_a_trial_whose_node_dies_with_it_again_and_again_has_failed_and_its_neighbours_have_not():
    study, about = Study(Goals((Objective("loss"),)), 2), {"objective": {"metric": "loss"}}
    study.apply(0.0, Opened("1", 1, about))
    study.apply(0.0, Suggested(({"x": 0}, {"x": 1})))
    for node in ("n1", "n2"):
        for worker, host, trial in ((1, f"{node}.site.org", 0), (2, "n7.site.org", 1)):
            study.apply(1.0, Joined(worker, host, ""))
            study.apply(1.0, Assign(worker, trial, study.trials[trial].attempts + 1, {"x": trial}))
        study.apply(2.0, Opened("1", 1, about, None, (node,)))
    assert study.trials[0].state is State.FAILED
    assert study.trials[0].error == "worker 1 was lost with it: its node died"
    assert (study.trials[1].state, study.trials[1].losses) == (State.WAITING, 0)
