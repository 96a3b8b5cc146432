"""The last trials run the best point again, once all others have ended."""

import random
import sys
from statistics import fmean, stdev

import pytest
from simulation import Simulation

from metaopt.errors import ExperimentError
from metaopt.experiment import Experiment
from metaopt.given import Given
from metaopt.goals import Goals
from metaopt.history import History
from metaopt.objective import Objective
from metaopt.study import Study
from metaopt.trial import State

SPACE = {"x": "uniform(0, 1)"}
FINITE = {"x": "integer(1, 4)"}
NOISY = "import random, sys; random.seed(sys.argv[2]); print(f'loss={float(sys.argv[1]) + random.gauss(0, 0.1)}')"


def noisy(params, trial):
    yield 10.0, {"loss": params["x"] + random.Random(trial).gauss(0, 0.2)}


def search(train=noisy, trials=20, **more):
    return Simulation(train, trials, workers=4, space=more.pop("space", SPACE), **more).run()


def points(simulation):
    return [trial.params["x"] for trial in simulation.study.trials.values()]


def test_the_best_point_is_run_again_when_all_others_have_ended():
    found = search(replicates=6)
    trials = list(found.study.trials.values())
    best = min(trials[:14], key=lambda trial: trial.objective)
    assert [trial.params for trial in trials[14:]] == [best.params] * 6
    assert len(set(points(found)[:14])) == 14
    assert min(trial.started for trial in trials[14:]) >= max(trial.ended for trial in trials[:14])
    history = History(found.study)
    same = history.runs(history.best)
    assert [trial.number for trial in same] == [best.number, *range(14, 20)]
    values = [trial.objective for trial in same]
    said = history.goals.spread(trial.objectives for trial in same)
    assert said == f"7 runs: loss {fmean(values):.6g} on average, standard deviation {stdev(values):.2g}"


def test_it_is_the_incumbent_that_is_run_again():
    found = search(replicates=2, incumbent=lambda study: study.trials[3])
    assert points(found)[18:] == [found.study.trials[3].params["x"]] * 2


def test_a_space_that_is_exhausted_before_leaves_room_for_them():
    found = search(space=FINITE, replicates=5)
    assert sorted(points(found)[:4]) == [1, 2, 3, 4]
    assert len(points(found)) == 9
    assert len(set(points(found)[4:])) == 1
    assert found.scheduler.complete


def test_where_nothing_has_a_result_the_optimizer_has_all_trials():
    given = Given(Study(Goals((Objective("loss"),))), replicates=5)
    assert given.kept(20, exhausted=False) == 5
    assert (given.kept(3, exhausted=False), given.points(3, exhausted=False)) == (0, ())


def test_a_study_that_is_to_have_more_trials_goes_on_and_does_not_repeat_what_has_been():
    first = search(replicates=3)
    more = search(trials=30, store=first.store, study=first.study, replicates=3)
    assert len(points(more)) == 30
    best = more.study.best.params["x"]
    assert points(more).count(best) >= 4
    assert all(trial.state is State.COMPLETED for trial in more.study.trials.values())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"replicates": 6}, "they are 6 of the 6 trials"),
        ({"replicates": -1}, "-1"),
        ({"replicates": 1, "objective": ["loss", "time"]}, "no one best point"),
    ],
)
def test_what_cannot_be_is_refused(site, changes, problem):
    site.experiment(**changes)
    with pytest.raises(ExperimentError, match=problem):
        Experiment.load(site.directory / "exp.yaml")


def test_the_end_of_a_run_says_what_they_have_come_to(site):
    site.experiment(NOISY, command=[sys.executable, "script.py", "{x}", "{seed}"], trials=8, replicates=3, best="model")
    status, output = site.run("run", "-w", "2", "exp.yaml")
    assert status == 0, output
    trials = list(site.load().trials.values())
    (again,) = [trial for trial in trials[:5] if trial.params == trials[5].params]
    assert [trial.params for trial in trials[5:]] == [again.params] * 3
    assert len({trial.objective for trial in (again, *trials[5:])}) == 4
    assert f"the point of trials {again.number}, 5, 6, 7 has had 4 runs: loss " in output
