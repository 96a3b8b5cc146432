"""Several experiments in one allocation."""

import os
import re
import signal
import subprocess
import sys

import yaml
from running import EXPERIMENT, Screen

from metaopt import history
from metaopt.stores import open_store
from metaopt.trial import State


def experiments(site, **settings):
    """A file each, with a study of that name."""
    for name, changes in settings.items():
        about = {**EXPERIMENT, "name": name, **changes}
        site.write(f"{name}.yaml", yaml.safe_dump(about))


def ended(site, name):
    """How its trials have ended, in time."""
    trials = history.load(site.directory / f"{name}.history").trials.values()
    return sorted((trial.ended, trial.state) for trial in trials if trial.ended is not None)


def opened(site, name):
    """When it began."""
    store = open_store(str(site.directory / f"{name}.history"))
    (when,) = [record.time for _, record in store.read() if record.kind == "Opened"]
    store.close()
    return when


def test_two_share_the_workers_and_others_that_are_refused_do_not_end_them(site):
    slow = {"command": [sys.executable, "script.py", "--x", "{x}", "--sleep", "0.1"]}
    refused = {"c": {"optimizer": "no.such:Optimizer"}, "d": {"resources": {"nodes_per_trial": 2}}}
    experiments(site, a=slow, b=slow, **refused)
    status, output = site.mpirun(4, "c.yaml", "d.yaml", "a.yaml", "b.yaml")
    assert status == 2, output
    assert "no.such" in output
    assert "d: nodes_per_trial is 2" in output
    end = output[output.rindex("[6/6]") :]
    assert re.search(r"^metaopt: c.*: .*no\.such", end, re.MULTILINE)
    assert "metaopt: d: refused: nodes_per_trial is 2" in end
    assert output.count("warning: when a rank dies, this whole run ends") == 1
    for name in "ab":
        assert {state for _, state in ended(site, name)} == {State.COMPLETED}
        assert f"{name}: [6/6] trial " in output
    found = re.findall(r"^(.): 6 completed; best loss = [0-9.]+, trial \d$", output, re.MULTILINE)
    assert found == ["a", "b"]
    assert max(opened(site, name) for name in "ab") < min(ended(site, name)[0][0] for name in "ab")  # at once


def test_one_that_fails_or_hangs_does_not_end_the_others_and_ctrl_c_ends_all_of_them_well(site):
    slow = {"command": [sys.executable, "script.py", "--x", "{x}", "--sleep", "0.3"], "trials": 500}
    experiments(site, d={}, a=slow, b=slow, c={"command": [sys.executable, "-c", "1/0 # {x}"]})
    (site.directory / "d.history").mkdir()
    os.mkfifo(site.directory / "d.history" / "journal.jsonl")  # who opens it waits for ever
    run = site.start("run", "-w", "3", "d.yaml", "a.yaml", "b.yaml", "c.yaml")
    told, awaited = "", ["\na: [1/500] trial", "\nb: [1/500] trial", "\nc: not finished: the first 5 trials all failed"]
    awaited.append("\nmetaopt: d: its history, or its optimizer, does not answer")
    while not all(each in told for each in awaited):
        told += (line := run.stdout.readline())
        assert line, told
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130, output
    assert output.count("to go on:  the same command again") >= 2
    assert "metaopt: d: interrupted before it had begun" in output
    for name in "ab":
        trials = history.load(site.directory / f"{name}.history").trials.values()
        assert {trial.state for trial in trials} <= {State.COMPLETED, State.WAITING}
        assert not any(trial.losses for trial in trials)


def test_several_have_one_live_view_that_follows_the_window_and_ctrl_c_ends_them_well(site):
    slow = {"command": [sys.executable, "script.py", "--x", "{x}", "--sleep", "0.1"], "trials": 500}
    experiments(site, a=slow, b=slow)
    command = [sys.executable, "-m", "metaopt", "run", "-w", "2", "a.yaml", "b.yaml"]
    environment = {**os.environ, "SITE": str(site.directory), "TERM": "xterm"}
    with Screen(30, 100) as screen:
        run = subprocess.Popen(command, cwd=site.directory, env=environment, stdout=screen.end)
        site.started.append(run)
        screen.wait_for(r"2 experiments  \d of 2 workers busy, \d+% of the time, .*\na  [1-9]\d*/500 trials done")
        screen.wait_for(r"\nb  [1-9]\d*/500 trials done.*\n  .*best loss .*\n  1 of 1 worker busy, .* left\n")
        screen.wait_for(r"\n   1  [ab]: trial \d.*\n   2  [ab]: trial \d")
        screen.resize(24, 40)
        screen.wait_for(r"2 experiments  \d of 2 workers busy, \d+%\nof the time, ")
        run.send_signal(signal.SIGINT)
        screen.wait_for(r"\na: \d+ waiting, \d+ completed; best loss.*\nb: .*; best loss")
        assert run.wait(60) == 130
        assert screen.drawn.rpartition("\x1b[?25l")[2].count("\x1b[?25h") == 1  # the cursor is back


def test_what_is_asked_for_wrongly_begins_nothing(site):
    site.experiment()
    for words, what in ((["exp.yaml", "exp.yaml"], "is named twice"), (["exp.yaml", "script.py"], "is no experiment")):
        status, output = site.run("run", *words)
        assert (status, what in output) == (2, True), output
    status, output = site.run("run", "none.yaml", "nothing.yaml")
    assert status == 2
    assert "none.yaml" in output
    assert not site.history.exists()
