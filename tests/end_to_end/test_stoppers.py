"""Early stopping for real: scripts that know nothing of metaopt, and some that do, under mpirun."""

import sys

import pytest
from running import MPIRUN, PATIENCE

from metaopt import history
from metaopt.mpirun import ANYWHERE
from metaopt.stopping.asha import Asha
from metaopt.trial import State

PRINTS = """
import sys, time
for step in range(1, 28):
    time.sleep(0.03)
    print(f"epoch {step}: loss={float(sys.argv[1]) + 1 / step}", flush=True)
"""
REPORTS = """
import sys, time, metaopt
for step in range(1, 28):
    time.sleep(0.03)
    metaopt.report(step=step, loss=float(sys.argv[1]) + 1 / step)
"""


def decisions(records):
    """What a new asha says to the journal's reports, as they were taken in: {trial: why}."""
    rule, told, batch = Asha(max=27), {}, {}
    for record in records:
        if record["kind"] == "Reported":
            points = [(step, values["loss"]) for step, values in record["body"]["points"]]
            batch.setdefault(record["body"]["trial"], []).extend(points)
        if not record.get("more"):
            for trial, points in batch.items():
                why = rule.should_stop(trial, points)
                told.setdefault(trial, why) if why else None
            batch = {}
    return told


@pytest.mark.parametrize("script", [PRINTS, REPORTS], ids=["prints", "reports"])
def test_asha_stops_scripts_and_each_decision_can_be_made_again_from_the_journal(site, script):
    metrics = {"loss": r"loss=(\S+)", "step": r"epoch (\d+)"} if script is PRINTS else {}
    command = [sys.executable, "script.py", "{x}"]
    stopper = {"rule": "asha", "max": 27}
    site.experiment(script, command=command, metrics=metrics, stopper=stopper, trials=20, optimizer="sobol")
    status, output = site.mpirun(5)
    assert status == 0, output
    trials = site.load().trials.values()
    stopped = [trial for trial in trials if trial.state is State.STOPPED]
    assert 8 <= len(stopped) < 20
    for trial in stopped:
        assert trial.stop == "pruned"
        assert trial.why.startswith("asha: ")
        assert trial.why in output
        assert trial.objective is None
        assert 1 <= len(trial.curve("loss")) < 27  # what it had said is kept
    assert site.load().best.state is State.COMPLETED
    assert f"early     {len(stopped)} stopped, after" in output
    assert "max of asha" not in output  # nor is anything else in doubt
    assert "pattern of" not in output
    whys = {record["body"]["trial"]: record["body"]["why"] for record in site.records() if record["kind"] == "Stop"}
    assert decisions(site.records()) == whys
    assert set(whys) == {trial.number for trial in stopped}


def test_a_study_that_was_interrupted_goes_on_with_the_rungs_as_they_were(site):
    site.experiment(PRINTS, command=[sys.executable, "script.py", "{x}"], stopper="asha", trials=9)
    assert site.run("run", "-w", "3", "exp.yaml")[0] == 0
    before = {number for number, trial in site.load().trials.items()}
    site.experiment(PRINTS, command=[sys.executable, "script.py", "{x}"], stopper="asha", trials=14)
    assert site.run("run", "-w", "1", "exp.yaml")[0] == 0
    after = history.load(site.history).trials
    whys = [trial.why for number, trial in after.items() if number not in before and "at step 1 " in trial.why]
    assert whys
    for why in whys:  # compared with those of the first run too
        assert int(why.partition(" of ")[2].partition(" ")[0]) > len(before), why


def test_settings_that_make_no_sense_are_refused_before_anything_starts(site):
    site.experiment(stopper={"rule": "asha", "reduction": 1})
    status, output = site.run()
    assert status == 2
    assert "stopper: stopper 'asha': reduction is 1" in output
    assert "reduction: 3" in output
    assert not site.history.exists()


def test_a_script_that_reports_only_at_its_end_is_told_of_with_its_first_trial(site):
    site.experiment("print('loss=1')", stopper="asha", trials=4)
    status, output = site.run("run", "-w", "1", "exp.yaml")
    assert status == 0, output
    warning = output.index("asha can stop nothing early unless the script reports loss while it runs")
    assert warning < output.index("[2/4]")


MINE = """
import os, pathlib, sys
class Mine:
    apart = True

    def __init__(self, *, dies=-1):
        self.told, self.dies = set(), dies

    def should_stop(self, trial, points):
        self.told.add(trial)
        if trial == self.dies and not os.path.exists("died"):
            pathlib.Path("died").touch()
            os._exit(3)
        if points[-1][0] < 3 or trial % 2:
            return ""
        return f"by {os.getpid()}, {' '.join(sys.orig_argv[1:])}, of {len(self.told)} trials"
"""
# each begins when what the one before it has said is in the history; even ones go on until they are stopped
WAITS = """
import os, sys, time
trial = int(os.environ["METAOPT_TRIAL"])
def said(other):
    with open("quadratic.history/journal.jsonl") as file:
        return any('"Reported"' in line and f'"trial":{other},' in line for line in file)
while trial and not said(trial - 1):
    time.sleep(0.02)
for step in range(1, 10 if trial % 2 else 6):
    print(f"epoch {step}: loss={float(sys.argv[1]) + 1 / step}", flush=True)
while trial % 2 == 0 or not os.path.exists("seen"):
    time.sleep(0.02)
"""


def test_one_that_is_asked_apart_is_asked_by_the_optimizers_process_and_stops_trials(site):
    site.write("mine.py", MINE)
    command = [sys.executable, "script.py", "{x}"]
    site.experiment(WAITS, command=command, stopper={"rule": "mine:Mine"}, trials=12, optimizer="sobol")
    process = site.start("exp.yaml", under=(MPIRUN, "-n", 3), **ANYWHERE, PYTHONPATH=str(site.directory))
    site.wait_for("Stop")
    ranks = site.ranks()
    site.write("seen", "")
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    trials = site.load().trials
    whys = {number: trial.why for number, trial in trials.items() if trial.state is State.STOPPED}
    assert set(whys) == {0, 2, 4, 6, 8, 10}
    assert all(", -m metaopt.thinker, of" in why and why in output for why in whys.values())
    assert set(ranks) == {0, 1, 2}
    assert not {int(why.split()[1].strip(",")) for why in whys.values()} & {*ranks.values()}
    assert {trial.stop for trial in trials.values() if trial.why} == {"pruned"}


def test_one_that_is_asked_apart_knows_all_curves_when_its_process_or_the_study_begins_anew(site):
    site.write("mine.py", MINE)
    site.write("seen", "")
    site.experiment(
        WAITS, command=[sys.executable, "script.py", "{x}"], stopper={"rule": "mine:Mine", "dies": 5}, trials=9
    )
    status, output = site.run("run", "-w", "2", "exp.yaml", PYTHONPATH=str(site.directory))
    assert status == 0, output
    assert output.count("it is started anew: its process ended (3)") == 1
    last = site.load().trials[8]
    assert (last.state, last.why.endswith(", of 9 trials")) == (State.STOPPED, True), last.why
    site.experiment(WAITS, command=[sys.executable, "script.py", "{x}"], stopper="mine:Mine", trials=11)
    status, output = site.run("run", "-w", "1", "exp.yaml", PYTHONPATH=str(site.directory))
    assert status == 0, output
    trials = site.load().trials
    assert (trials[10].state, trials[10].why.endswith(", of 11 trials")) == (State.STOPPED, True), trials[10].why
    assert {n for n, trial in trials.items() if trial.state is State.STOPPED} == {0, 2, 4, 6, 8, 10}
