"""The main job: a real script under a real mpirun, into a history that is read back."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import processes, until

from metaopt.trial import State

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def test_the_example_trains_real_networks_and_finds_a_good_one(site):
    shutil.copy(DIGITS / "train.py", site.directory)
    experiment = yaml.safe_load((DIGITS / "exp.yaml").read_text())
    command = experiment["command"].replace("python", shlex.quote(sys.executable), 1)
    site.write(
        "exp.yaml", yaml.safe_dump({**experiment, "command": command, "trials": 12, "history": "quadratic.history"})
    )
    status, output = site.run()
    assert status == 0, output
    history = site.load()
    assert {trial.state for trial in history.trials.values()} == {State.COMPLETED}
    assert len(history.trials) == 12
    assert history.best.objective < 0.5
    assert len(history.best.curve("val_accuracy")) == 12
    assert history.best.curve("val_loss")[-1] == (12, history.best.objective)
    assert history.best.curve("val_accuracy")[-1][1] > 0.9
    assert history.experiment["name"] == "digits"
    assert "best: trial" in output
    assert "12 completed" in output
    frame = history.to_pandas()
    assert list(frame.index) == list(range(12))
    assert frame["objective"].min() == history.best.objective


def test_the_line_to_paste_gives_the_same_result(site):
    _, output = site.run()
    line = re.search(r"run it again, in .*:\n +(.*)", output)[1]
    again = subprocess.run(shlex.split(line), cwd=site.directory, capture_output=True, text=True, check=True)
    assert float(again.stdout.split("loss=")[-1]) == site.load().best.objective


def test_under_mpirun_as_in_an_allocation(site):
    status, output = site.mpirun(4)
    assert status == 0, output
    assert output.count(" completed loss=") == 6
    history = site.load()
    assert {trial.state for trial in history.trials.values()} == {State.COMPLETED}
    assert {trial.worker for trial in history.trials.values()} <= {1, 2, 3}


def test_what_a_trial_leaves_behind(site):
    site.run()
    history = site.load()
    for number, trial in history.trials.items():
        directory = site.history / "trials" / str(number)
        assert json.loads((directory / "params.json").read_text()) == trial.params
        outcome = json.loads((directory / "outcome.json").read_text())
        assert outcome["outcome"] == "completed"
        assert outcome["points"][-1][1]["loss"] == trial.objective
        assert (directory / "stdout.txt").read_text().count("loss=") == 3
        assert trial.started <= trial.ended
        assert trial.attempts == 1
        assert trial.device.startswith("cpu ")


def test_a_running_history_can_be_read(site):
    site.experiment(command=[sys.executable, "script.py", "--x", "{x}", "--sleep", "0.2", "--steps", "20"], trials=3)
    process = site.start("run", "-w", "3", "exp.yaml")
    site.wait_for("Reported", 3)
    history = site.load()
    assert {trial.state for trial in history.trials.values()} == {State.RUNNING}
    assert history.best is None
    process.send_signal(signal.SIGINT)
    process.wait()


def test_a_script_may_say_its_metrics_itself(site):
    script = """
import metaopt
for step in range(1, 6):
    metaopt.report(step=step, loss=1 / step, accuracy=step)
"""
    site.experiment(script, command=[sys.executable, "script.py", "{x}"], metrics={})
    status, output = site.run(PYTHONPATH=os.pathsep.join(sys.path))
    assert status == 0, output
    assert site.load().trials[0].curve("accuracy") == [(step, step) for step in range(1, 6)]
    alone = subprocess.run(
        [sys.executable, "script.py"], cwd=site.directory, capture_output=True, text=True, check=False
    )
    assert alone.returncode == 0


def test_params_may_come_from_params_json_and_the_seed_differs_by_trial(site):
    script = """
import json, sys
params = json.load(open(sys.argv[1] + "/params.json"))
print(f"loss={params['x']} seed={sys.argv[2]} attempt={sys.argv[3]} trial={sys.argv[4]}")
"""
    command = [sys.executable, "script.py", "{trial_dir}", "{seed}", "{attempt}", "{trial}"]
    site.experiment(script, command=command, metrics={"loss": r"loss=(\S+)", "seed": r"seed=(\d+)"}, trials=4, seed=7)
    assert site.run()[0] == 0
    trials = site.load().trials
    assert [trials[n].objective for n in range(4)] == [trials[n].params["x"] for n in range(4)]
    assert [trials[n].curve("seed")[0][1] for n in range(4)] == [7, 8, 9, 10]


@pytest.mark.parametrize("optimizer", ["random", "sobol", "gp"])
def test_the_same_seed_gives_the_same_points_one_worker(site, optimizer):
    points = []
    for _ in range(2):
        site.experiment(optimizer=optimizer, trials=12)
        assert site.run("run", "-w", "1", "exp.yaml")[0] == 0
        points.append([trial.params["x"] for trial in site.load().trials.values()])
        shutil.rmtree(site.history)
    assert points[0] == points[1]


def test_a_finite_space_is_exhausted_and_the_study_ends_early_and_well(site):
    site.experiment(space={"x": "choice(0.1, 0.2, 0.3, 0.4)"}, trials=10)
    status, output = site.run()
    assert status == 0, output
    assert "every point of its space has been tried" in output
    assert "\nfor more trials:  a wider space, run with --space-changed=keep\n" in output
    assert sorted(trial.params["x"] for trial in site.load().trials.values()) == [0.1, 0.2, 0.3, 0.4]
    assert "finished already, with 4 trials, since its space has only 4 points" in site.run()[1]


def test_early_stopping_ends_scripts_and_keeps_their_curves(site):
    command = [sys.executable, "script.py", "--x", "{x}", "--steps", "40", "--sleep", "0.02"]
    site.experiment(command=command, stopper={"rule": "median", "curves": 2, "warmup": 3}, trials=12)
    status, output = site.run()
    assert status == 0, output
    stopped = [trial for trial in site.load().trials.values() if trial.state is State.STOPPED]
    assert stopped
    for trial in stopped:
        assert "the median of" in trial.why
        assert 3 <= len(trial.curve("loss")) < 40


def test_a_child_knows_nothing_of_mpi_and_has_its_core(site):
    script = """
import os, sys
mpi = [n for n in os.environ if n.startswith(("OMPI_", "PMIX_", "PRTE_")) and "RUN_AS_ROOT" not in n]
print("loss=%d" % len(mpi), "cores=%d" % len(os.sched_getaffinity(0)), "threads=" + os.environ["OMP_NUM_THREADS"])
assert os.getsid(0) == os.getpid()
assert sys.stdin.read() == ""
"""
    metrics = {"loss": r"loss=(\d+)", "cores": r"cores=(\d+)", "threads": r"threads=(\d+)"}
    site.experiment(script, command=[sys.executable, "script.py", "{x}"], metrics=metrics, trials=2)
    status, output = site.run()
    assert status == 0, output
    ((_, said),) = site.load().trials[0].points
    assert said == {"loss": 0, "cores": 1, "threads": 1}


def test_a_script_that_uses_mpi_itself_is_a_world_of_its_own(site):
    script = "from mpi4py import MPI; print('loss=%d' % MPI.COMM_WORLD.size)"
    site.experiment(script, command=[sys.executable, "script.py", "{x}"], trials=4)
    status, output = site.run()
    assert status == 0, output
    assert {trial.objective for trial in site.load().trials.values()} == {1}


def test_a_finished_study_is_shown_again_and_more_trials_are_added(site):
    assert site.run()[0] == 0
    before = site.load().trials
    status, output = site.run()
    assert status == 0
    assert "finished already, with 6 trials: nothing was started" in output
    site.experiment(trials=9)
    assert site.run()[0] == 0
    after = site.load().trials
    assert len(after) == 9
    assert {n: after[n] for n in before} == before


def test_nothing_is_left_running(site):
    site.run()
    until(lambda: not processes(str(site.directory)), "the end of all processes")


def test_the_live_view_in_a_terminal(site):
    terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    site.experiment(command=[sys.executable, "script.py", "--x", "{x}", "--sleep", "0.3"])
    under = (sys.executable, "-c", terminal)
    process = site.start("run", "-w", "3", "exp.yaml", under=under, TERM="xterm", COLUMNS="100", LINES="30")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output)
    assert re.search(r"quadratic  [1-5]/6 trials done, \d running", plain)
    assert re.search(r"best loss 0\.\d+, trial \d:  x=0\.\d+", plain)
    assert re.search(r"\d of 3 workers busy", plain)
    assert "about 0:00:" in plain
    assert "━" in plain
    assert "run it again, in" in plain
    assert "\x1b[" in output
