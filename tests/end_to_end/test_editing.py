"""A study is edited between its runs: its settings, its space, a point of one's own, what it knows of others."""

import sys

import pytest
from audit import Audit
from mongo import mongod, standing
from running import QUADRATIC, until

from metaopt.errors import HistoryError
from metaopt.history import load
from metaopt.trial import State

SPACE = {"x": "uniform(0, 1)", "steps": "integer(1, 4)"}


COMMAND = [sys.executable, "script.py", "--x", "{x}", "--steps", "{steps}"]

GATE = """
import time
from pathlib import Path
while not Path("go").exists():
    time.sleep(0.02)
"""


def write(site, **changes):
    site.experiment(**{"command": COMMAND, "space": SPACE, **changes})


def done(site, *arguments):
    status, output = site.run(*(arguments or ("run", "-w", "2", "exp.yaml")))
    assert status == 0, output
    return output


def test_more_trials_and_other_settings_are_taken_over(site):
    write(site, trials=3)
    done(site)
    write(site, trials=5, optimizer="sobol", stopper={"rule": "median", "curves": 4}, timeout="1m", attempts=3, seed=9)
    done(site, "run", "-w", "2", "--walltime", "10m", "exp.yaml")
    first, second = (record["body"] for record in site.records() if record["kind"] == "Opened")
    assert (first["experiment"]["optimizer"]["rule"], second["experiment"]["optimizer"]["rule"]) == ("random", "sobol")
    said = {key: second["experiment"][key] for key in ("trials", "timeout", "attempts", "seed")}
    assert said == {"trials": 5, "timeout": 60.0, "attempts": 3, "seed": 9}
    assert second["experiment"]["stopper"] == {"rule": "median", "settings": {"curves": 4}}
    assert second["deadline"] is not None
    assert {number: trial.state for number, trial in site.load().trials.items()} == dict.fromkeys(
        range(5), State.COMPLETED
    )
    write(site, trials=6, command=[*COMMAND, "--gate", "/"])
    output = done(site)
    assert "the command is another one now; the 5 trials so far had: " in output
    best = site.load().best
    assert ("--gate / " in output.rpartition("run it again")[2]) == (best.number == 5)
    assert ("which has been edited since" in output) == (best.number < 5)
    assert [record["kind"] for record in site.records()].count("Assign") == 6


def test_a_space_that_has_changed_is_refused_then_kept_and_gone_on_with(site):
    write(site, trials=6)
    done(site)
    before = site.records()
    outside = [number for number, trial in site.load().trials.items() if trial.params["x"] > 0.6]
    assert 0 < len(outside) < 6
    space = {"x": "uniform(0, 0.6)", "steps": "integer(1, 5)", "sleep": {"prior": "uniform(0, 0.1)", "default": 0}}
    write(site, space=space, command=[*COMMAND, "--sleep", "{sleep}"], trials=8)
    status, output = site.run()
    assert status == 2, output
    for text in ("x was uniform(0, 1), is uniform(0, 0.6)", "sleep is added: uniform(0, 0.1)", "--space-changed=keep"):
        assert text in output
    assert site.records() == before
    output = done(site, "run", "-w", "2", "--space-changed=keep", "exp.yaml")
    assert f"the space has changed: {len(outside)} of its 6 trials are outside and set aside" in output
    assert "[8/8]" in output
    loaded = site.load()
    assert len(loaded.trials) == 8 + len(outside)
    assert [number for number, trial in loaded.trials.items() if trial.outside] == outside
    assert {trial.params.get("sleep") for number, trial in loaded.trials.items() if number < 6} == {0.0, None}
    assert [record["kind"] for record in site.records()].count("Revised") == 1
    audit = Audit([(record["run"], record["kind"], record["body"]) for record in site.records()], 2)
    assert [account.result for account in audit.trials] == ["completed"] * len(loaded.trials)
    assert [account.params for account in audit.trials if "sleep" in account.params] == [
        trial.params for trial in loaded.trials.values() if not trial.outside
    ]
    before = site.records()
    done(site)
    done(site, "run", "-w", "2", "--space-changed=keep", "exp.yaml")
    assert [r["kind"] for r in site.records()[len(before) :] if r["kind"] in {"Assign", "Revised", "Suggested"}] == []


def test_a_point_of_ones_own_is_run_next_and_another_study_begins_with_what_is_known(site):
    write(site, trials=3)
    done(site)
    assert site.run("insert", "exp.yaml", "--x", "0.3", "--steps", "4")[0] == 2
    write(site, trials=5)
    assert done(site, "insert", "exp.yaml", "--x", "0.3", "--steps", "4") == "trial 3 will run next\n"
    waiting = site.load().trials[3]
    assert (waiting.state, waiting.params) == (State.WAITING, {"x": 0.3, "steps": 4})
    done(site)
    loaded = site.load()
    assert {trial.state for trial in loaded.trials.values()} == {State.COMPLETED}
    assert len(loaded.trials) == 5
    assert next(r["body"]["trial"] for r in site.records() if r["kind"] == "Assign" and r["run"] == 3) == 3
    assert loaded.trials[3].objective == 0.25

    write(site, name="second", trials=2, warm_start=["quadratic.history"])
    output = done(site)
    assert "warm start: 5 of the 5 trials of quadratic.history can be used" in output
    assert "[2/2]" in output
    assert load(site.directory / "second.history").trials[0].params == loaded.best.params
    write(site, name="third", trials=2, warm_start=["nowhere.history"])
    status, output = site.run()
    assert status == 2
    assert "warm_start: " in output
    assert not (site.directory / "third.history").exists()


@pytest.mark.skipif(mongod() is None, reason="there is no mongod: pip install '.[test]'")
def test_a_point_is_inserted_beside_a_run_which_takes_it_over_and_a_space_does_not_change_meanwhile(site):
    site.write("script.py", GATE + QUADRATIC)
    about = {"history": standing().url("editing"), "trials": 6, "heartbeat_timeout": "3s"}
    write(site, **about)
    running = site.start("run", "-w", "2", "exp.yaml")
    until(lambda: len(begun(site)) == 2, "two trials")
    write(site, **about, space={**SPACE, "x": "uniform(0, 2)"})
    status, output = site.run("run", "-w", "2", "--space-changed=keep", "exp.yaml")
    assert status == 2, output
    assert "may be under way" in output
    write(site, **about)
    said = done(site, "insert", "exp.yaml", "--x", "0.3", "--steps", "4")
    number = int(said.split()[1])
    site.write("go", "")
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 0, output
    trials = load(site.directory / "exp.yaml").trials
    assert len(trials) == 6
    assert {trial.state for trial in trials.values()} == {State.COMPLETED}
    assert (trials[number].params, trials[number].objective) == ({"x": 0.3, "steps": 4}, 0.25)
    assert trials[number].run == 1


def begun(site):
    """The trials that run."""
    try:
        trials = load(site.directory / "exp.yaml").trials.values()
    except HistoryError:
        return []
    return [trial for trial in trials if trial.state is State.RUNNING]


def test_the_usual_point_is_the_first_after_those_of_ones_own_and_is_not_repeated(site):
    space = {"x": {"prior": "uniform(0, 1)", "default": 0.3}, "steps": "integer(1, 5)"}
    write(site, space=space, trials=4)
    assert done(site, "insert", "exp.yaml", "--x", "0.5", "--steps", "2") == "trial 0 will run next\n"
    done(site)
    done(site)
    write(site, space=space, trials=5)
    done(site)
    points = [trial.params for trial in site.load().trials.values()]
    assert points[:2] == [{"x": 0.5, "steps": 2}, {"x": 0.3, "steps": 3}]
    assert len(points) == 5
    assert {"x": 0.3, "steps": 3} not in points[2:]
