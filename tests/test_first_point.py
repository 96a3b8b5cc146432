"""The point that the defaults of a space say comes first, once."""

import pytest
from simulation import Simulation, script

import metaopt
from metaopt.given import Given
from metaopt.goals import Goals
from metaopt.limits import Limits
from metaopt.messages import (
    Assign,
    Claim,
    Expect,
    Finished,
    Heard,
    Interrupted,
    Joined,
    Opened,
    Reported,
    Suggest,
    Suggested,
)
from metaopt.objective import Objective
from metaopt.point import usual
from metaopt.scheduler import Scheduler
from metaopt.space import Space
from metaopt.stopping.never import Never
from metaopt.study import Study

FIRST = {"x": 0.25}


def scheduler(study=None, trials=3, **keywords):
    study = study or Study(Goals((Objective("loss"),)))
    return Scheduler(study, Limits(trials, 4), Never(), given=Given(study, FIRST), **keywords)


def joined(worker):
    return Joined(worker, "host", "")


@pytest.mark.parametrize(
    ("space", "params"),
    [
        ({"x": {"prior": "uniform(0, 1)", "default": 0.2}}, {"x": 0.2}),
        ({"x": "uniform(0, 1)"}, None),
        ({"x": "uniform(0, 1)", "epochs": 20}, None),
        (
            {
                "lr": {"prior": "loguniform(1e-4, 1)", "default": 0.1},
                "x": "uniform(0, 4)",
                "w": "loguniform(1e-4, 1)",
                "n": "integer(1, 5)",
                "o": "ordinal(16, 32, 256)",
                "c": "choice(relu, tanh)",
                "z": "normal(3, 1)",
                "epochs": 20,
            },
            {"lr": 0.1, "x": 2.0, "w": pytest.approx(0.01), "n": 3, "o": 32, "c": "relu", "z": 3.0, "epochs": 20},
        ),
        (
            {
                "momentum": {"prior": "uniform(0, 1)", "when": "kind == sgd", "default": 0.9},
                "beta": {"prior": "uniform(0, 1)", "when": "kind == adam"},
                "kind": {"prior": "choice(adam, sgd)", "default": "sgd"},
            },
            {"momentum": 0.9, "kind": "sgd"},
        ),
        (
            {
                "kind": "choice(adam, sgd)",
                "momentum": {"prior": "uniform(0, 1)", "when": "kind == sgd", "default": 0.9},
            },
            None,
        ),
    ],
)
def test_it_has_the_defaults_and_elsewhere_the_middle(space, params):
    space = Space.parse(space)
    assert usual(space) == params
    assert params is None or space.contains(usual(space))


def test_it_is_trial_0_and_the_optimizer_knows_that_it_is_under_way():
    talk = scheduler()
    assert talk.handle(1.0, joined(1), joined(2)) == [Assign(1, 0, 1, FIRST), Expect(0, FIRST), Suggest(1)]
    assert talk.facts == [joined(1), joined(2), Suggested((FIRST,)), Assign(1, 0, 1, FIRST)]
    assert talk.handle(2.0, Suggested(({"x": 0.5},))) == [Assign(2, 1, 1, {"x": 0.5})]
    assert talk.handle(3.0, joined(3)) == [Expect(1, {"x": 0.5}), Suggest(1)]


def test_it_is_all_that_there_is_when_there_is_to_be_one_trial():
    talk = scheduler(trials=1)
    assert talk.handle(1.0, joined(1), joined(2)) == [Assign(1, 0, 1, FIRST)]


@pytest.mark.parametrize("begun", [False, True])
def test_a_run_that_goes_on_does_not_repeat_it(begun):
    study = Study(Goals((Objective("loss"),)), run=1)
    about = {"name": "s", "objective": {"metric": "loss"}}
    past = [Opened("1", 1, about), joined(1), Suggested((FIRST,)), *([Assign(1, 0, 1, FIRST)] if begun else [])]
    for fact in past:
        study.apply(0.0, fact)
    study.run = 2
    talk = scheduler(study)
    assert talk.handle(1.0, Opened("1", 1, about), joined(1), joined(2)) == [
        Assign(1, 0, 2 if begun else 1, FIRST),
        Expect(0, FIRST),
        Suggest(1),
    ]


def test_points_that_were_inserted_come_before_it_and_a_study_that_has_begun_has_none():
    own = {"x": 0.7}
    study = Study(Goals((Objective("loss"),)), run=1)
    study.apply(0.0, Opened("1", 1, {}))
    study.apply(0.0, Suggested((own,)))
    commands = scheduler(study).handle(1.0, joined(1), joined(2))
    assert commands == [Assign(1, 0, 1, own), Assign(2, 1, 1, FIRST)]

    study = Study(Goals((Objective("loss"),)), run=1)
    for fact in (
        *(Opened("1", 1, {}), joined(1), Suggested((own,)), Assign(1, 0, 1, own)),
        *(Reported(1, 0, 1, ((1, {"loss": 0.5}),)), Finished(1, 0, 1, "completed")),
    ):
        study.apply(0.0, fact)
    assert scheduler(study).handle(1.0)[-1] == Suggest(1)


def test_a_run_that_is_over_before_it_has_workers_does_not_begin_with_it():
    talk = scheduler()
    talk.handle(1.0, Interrupted("no"))
    talk.handle(2.0, joined(1))
    assert not talk.study.trials


def test_of_several_runs_the_first_one_claims_it():
    talk = scheduler(shared=True)
    assert talk.handle(1.0, joined(1), joined(2)) == [Claim(Suggested((FIRST,)))]
    answer = talk.handle(2.0, Heard(0, 1.5, Suggested((FIRST,))))
    assert answer == [Assign(1, 0, 1, FIRST), Expect(0, FIRST), Suggest(1)]
    study = Study(Goals((Objective("loss"),)), run=2)
    for run in (1, 2):
        study.apply(0.0, Opened("1", 1, {}, alone=False), run)
    assert scheduler(study, shared=True).handle(1.0, joined(1)) == [Suggest(1)]


def test_the_optimizer_goes_on_from_it_in_a_whole_study():
    first = {"lr": 0.1, "width": 64, "kind": "b"}
    study = Simulation(script(1), trials=12, workers=3, optimizer="gp", first=first).run()
    points = [trial.params for trial in study.study.trials.values()]
    without = Simulation(script(1), trials=12, workers=3, optimizer="gp").run()
    assert points[0] == first
    assert points[1:3] == [without.study.trials[number].params for number in (1, 2)]  # numbers are counted on
    assert len(points) == 12


def test_minimize_begins_with_it():
    space = {"x": {"prior": "uniform(0, 1)", "default": 0.25}, "n": "integer(1, 3)"}
    found = metaopt.minimize(lambda params: params["x"], space, trials=4, optimizer="random")
    assert found.trials[0].params == {"x": 0.25, "n": 2}
    assert len(found.trials) == 4
    assert len(metaopt.minimize(lambda params: params["x"], space, trials=1).trials) == 1
    few = {"n": {"prior": "integer(1, 3)", "default": 2}}
    found = metaopt.minimize(lambda params: params["n"], few, trials=10)
    assert found.trials[0].params == {"n": 2}
    assert sorted(each.params["n"] for each in found.trials) == [1, 2, 3]
