"""A script's own command line, at work: alone, under mpirun, gone on with, and with what Oríon's scripts do."""

import sys

import pytest
import yaml

from metaopt.trial import State

X = "--x~uniform(0, 1)"
OURS = ("-n", "quadratic", "--optimizer", "random", "--trials", "4")
REPORTS = ("--metric", r"loss=(\S+)")
ORION = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
args = parser.parse_args()
path = os.environ["ORION_RESULTS_PATH"]
assert os.path.isfile(path)
with open(path, "w") as file:
    json.dump([{"name": "err", "type": "objective", "value": args.x}, {"name": "g", "type": "gradient", "value": [1]},
               {"name": "size", "type": "statistic", "value": 3},
               {"name": "who", "type": "statistic", "value": "me"}], file)
"""


@pytest.mark.parametrize("ranks", [0, 3])
def test_a_search_of_a_scripts_arguments(site, ranks):
    words = [*OURS, *REPORTS, "script.py", "--steps", "2", X]
    status, output = site.mpirun(ranks, *words) if ranks else site.run("-w", "2", *words)
    assert status == 0, output
    assert f"{sys.executable} script.py --steps 2 --x 0." in output
    assert {trial.state for trial in site.load().trials.values()} == {State.COMPLETED}
    status, output = site.run("run", "--trials", "6", "-w", "2", *words[:4], *words[6:])
    assert status == 0, output
    assert "going on with 4 trials" in output
    status, output = site.run("hunt", *words[:4], "--trials", "6", *words[6:])
    assert (status, len(site.load().trials)) == (0, 6), output
    records = len(site.records())
    for typed, more in (
        (["quadratic.yaml"], "trials: 16, in quadratic.yaml"),
        ([*words[:4], "--trials", "6", *words[6:]], "--trials 16, before the script"),
    ):
        status, output = site.run("run", "-w", "64", *typed)
        assert (status, len(site.records())) == (0, records), output
        assert output.startswith("quadratic: finished already, with 6 trials: nothing was started\nbest: trial ")
        assert "; metaopt best quadratic.yaml  tells more\n" in output
        assert more in output
    (site.directory / "quadratic.yaml").open("a").write("best: model\n")
    assert "best by the model: trial " in site.run("run", "-w", "1", "quadratic.yaml")[1]
    assert "best: by the model's mean: trial " in site.run("run", "-w", "1", "quadratic.yaml")[1]


def test_what_is_wrong_is_told_once_under_mpirun(site):
    status, output = site.mpirun(3, *OURS, *REPORTS, "script.py", "--x~uniform(1, 0)")
    assert status == 2, output
    assert output.count("low is 1 and high is 0") == 1


def test_a_script_for_orion_needs_no_change(site):
    site.write("script.py", ORION)
    status, output = site.run("-w", "2", *OURS, "script.py", X)
    assert status == 0, output
    trial = site.load().best
    assert trial.objective == trial.params["x"]
    assert trial.points == [(1, {"err": trial.params["x"], "objective": trial.params["x"], "size": 3.0})]


def test_a_script_that_was_interrupted_is_run_again(site):
    script = """
import os, sys
mark = os.path.join(os.environ["METAOPT_TRIAL_DIR"], "mark")
if not os.path.exists(mark):
    open(mark, "w").close()
    sys.exit(130)
print("loss=1")
"""
    site.write("script.py", script)
    status, output = site.run("-w", "2", *OURS[:4], "--trials", "2", *REPORTS, "script.py", X)
    assert status == 0, output
    assert [(trial.state, trial.attempts) for trial in site.load().trials.values()] == [(State.COMPLETED, 2)] * 2


def test_each_trial_has_its_own_copy_of_a_configuration_file(site):
    (site.directory / "conf.yaml").write_text(
        'model:\n  x: metaopt~uniform(0, 1)\n  kind: \'orion~choices(["a", "b"])\'\nn: 3\n'
    )
    site.write("script.py", "import sys; print(open(sys.argv[1].partition('=')[2]).read()); print('loss=1')")
    status, output = site.run("-w", "2", *OURS, *REPORTS, "script.py", "--config=conf.yaml")
    assert status == 0, output
    for number, trial in site.load().trials.items():
        said = yaml.safe_load((site.history / "trials" / str(number) / "conf.yaml").read_text())
        assert said == {"model": {"x": trial.params["x"], "kind": trial.params["kind"]}, "n": 3}
        assert (site.history / "trials" / str(number) / "stdout.txt").read_text().startswith("model:")
    assert site.run("run", "quadratic.yaml")[0] == 0


def test_a_metric_that_is_printed_otherwise_is_told_with_a_pattern_to_paste(site):
    site.write("script.py", "print('the loss is 0.4')")
    words = ["-w", "2", *OURS[:4], "--trials", "2", "--metric"]
    status, output = site.run(*words, "loss", "script.py", X)
    assert status == 1, output
    assert "it ended without reporting loss" in output
    assert r"metrics: {loss: 'loss is (\S+)'}  in quadratic.yaml" in output
    assert r"before the script:  --metric 'loss is (\S+)'" in output
    status, output = site.run(*words, r"loss is (\S+)", "--name", "other", "script.py", X)
    assert status == 0, output
    assert "best: trial 0, loss = 0.4" in output


def test_an_option_of_ours_that_the_script_refuses_is_told(site):
    status, output = site.run("-w", "2", *OURS[:4], *REPORTS, "script.py", X, "--trials", "4")
    assert status == 1, output
    assert "unrecognized arguments: --trials 4\n--trials was given to the script, which does not know it" in output
