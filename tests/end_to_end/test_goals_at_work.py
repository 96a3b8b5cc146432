"""Two objectives and a constraint, under a real mpirun, into a history that is read back."""

import re
import sys

from metaopt.history import load
from metaopt.trial import State

SCRIPT = """
import sys

import metaopt

x, y = float(sys.argv[1]), float(sys.argv[2])
if x > 0.9:
    raise MemoryError("as it may be")
metaopt.report(step=1, loss=x * x + y, latency=(x - 1) ** 2 + y, memory=10 * y)
"""
SEARCH = {
    "command": [sys.executable, "script.py", "{x}", "{y}"],
    "space": {"x": "uniform(0, 1)", "y": "uniform(0, 1)"},
    "objective": [{"metric": "loss"}, {"metric": "latency", "goal": "minimize"}],
    "constraints": ["memory <= 8"],
    "metrics": {},
    "trials": 24,
}


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def test_the_pareto_set_of_a_search_is_that_of_its_trials(site):
    site.experiment(SCRIPT, **SEARCH)
    status, output = site.mpirun(4)
    assert status == 0, output
    history = load(site.history)
    assert len(history.trials) == 24
    completed = [trial for trial in history.trials.values() if trial.state is State.COMPLETED]
    for trial in completed:
        x, y = trial.params["x"], trial.params["y"]
        assert trial.objectives == (x * x + y, (x - 1) ** 2 + y)
        assert trial.excess == (10 * y - 8,)
        assert trial.feasible == (10 * y <= 8)
    feasible = [trial for trial in completed if trial.params["y"] <= 0.8]
    assert 0 < len(feasible) < len(completed) < 24, "the seed has trials of each kind"
    expected = [t for t in feasible if not any(dominates(other.objectives, t.objectives) for other in feasible)]
    expected.sort(key=lambda trial: trial.objective)
    assert [trial.number for trial in history.pareto] == [trial.number for trial in expected]
    assert history.best is history.pareto[0]
    assert f"the Pareto set, {len(expected)} trials" in output
    assert re.search(r"trial \d+ completed loss=\S+ latency=\S+ .*memory <= 8 is exceeded by", output)
    again, output = site.mpirun(4)
    assert again == 0, output
    assert len(load(site.history).trials) == 24


def test_a_search_without_a_feasible_trial_says_which_one_was_nearest(site):
    site.experiment(objective="loss", constraints="loss <= -1", trials=4)
    status, output = site.run()
    assert status == 1, output
    history = load(site.history)
    assert history.best is None
    nearest = min(history.trials.values(), key=lambda trial: trial.excess)
    assert f"nearest is trial {nearest.number}: loss <= -1 is exceeded by {nearest.objective + 1:.6g}" in output
