"""Pause and thaw for real: scripts that save, asha, a worker and rank 0 that are killed, and the next run."""

import os
import signal
import sys

from running import until

SAVES = """
import pathlib, sys, time
import metaopt

home = pathlib.Path(metaopt.checkpoint_dir())
saved = home / "saved"
begin = int(saved.read_text()) if saved.exists() else 0
for step in range(max(begin, 1), 6):
    if step > begin:  # else it only says again what may have been lost with its rank
        time.sleep(0.05)
        with (home / "steps").open("a") as file:
            print(step, file=file)
        new = home / "new"
        new.write_text(str(step))
        new.replace(saved)  # whole, or not at all: it may be killed at any time
    metaopt.report(step=step, loss=int(sys.argv[1]) + 1 / step)
    if metaopt.should_stop():
        sys.exit()
"""
PRINTS = """
import pathlib, signal, sys, time
import metaopt

asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
saved = pathlib.Path("saved" + sys.argv[1])
for step in range(int(saved.read_text()) + 1 if saved.exists() else 1, 6):
    saved.write_text(str(step))
    loss = int(sys.argv[1]) + 1 / step
    print("loss:", loss, flush=True)
    metaopt.report(said=loss)
    if step > 1:
        print("late:", loss, flush=True)
    time.sleep(0.3)
    if asked:
        sys.exit()
"""
STOPPER = {"rule": "asha", "reduction": 2, "max": 5}


def paused(site, count):
    return until(lambda: [r for r in site.records() if r["body"].get("reason") == "paused"][count - 1 :], "a pause")


def test_paused_trials_outlive_workers_and_runs_and_go_on_where_they_were(site):
    command = [sys.executable, "script.py", "{trial}", "{x}"]  # each trial is worse than the last one
    site.experiment(SAVES, command=command, metrics={}, stopper=STOPPER, resumes=True, trials=12)
    first = site.start("run", "-w", "3", "exp.yaml")
    paused(site, 1)
    os.kill(site.ranks()[2], signal.SIGKILL)
    paused(site, 4)
    os.kill(site.ranks()[0], signal.SIGKILL)
    first.communicate(timeout=60)
    there = [number for number, trial in site.load().trials.items() if trial.state == "paused"]
    assert there
    assert f"{len(there)} paused" in site.run("status")[1]
    story = site.run("show", "exp.yaml", there[0])[1]
    assert "paused: asha: " in story
    status, output = site.run()
    assert status == 0, output
    trials = site.load().trials
    assert not [trial.error for trial in trials.values() if trial.state == "failed"]
    assert {trial.state for trial in trials.values()} == {"completed", "stopped"}
    thawed = {r["body"]["trial"]: r["body"]["why"] for r in site.records() if r["kind"] == "Thawed"}
    assert thawed
    assert all(why.startswith("asha: ") for why in thawed.values())
    for number, trial in trials.items():
        (file,) = (site.history / "trials" / str(number)).rglob("steps")
        steps = file.read_text().split()
        done = sorted({*map(int, steps)})
        assert len(steps) - len(done) <= 1  # that at which it was killed, at most
        assert [step for step, _ in trial.curve("loss")] == done == list(range(1, len(done) + 1))
        assert len(done) == 5 or trial.state == "stopped"
    assert site.run("db", "check", "exp.yaml")[0] == 0
    assert site.run("db", "copy", "exp.yaml", "copy.history")[0] == 0


def test_steps_that_a_script_does_not_say_are_counted_over_all_its_attempts(site):
    command = [sys.executable, "script.py", "{trial}", "{x}"]
    metrics = {"loss": r"loss: (\S+)", "late": r"late: (\S+)"}
    about = {"metrics": metrics, "stopper": STOPPER, "resumes": True, "trials": 8}
    site.experiment(PRINTS, command=command, **about)
    status, output = site.run()
    assert status == 0, output
    assert [record for record in site.records() if record["kind"] == "Thawed"]
    for number, trial in site.load().trials.items():
        end = max(step for step, _ in trial.points)
        assert trial.curve("loss") == [(step, number + 1 / step) for step in range(1, end + 1)]
        assert trial.curve("said") == trial.curve("loss")


def test_where_scripts_can_go_on_trials_are_paused_though_no_stopper_is_named(site):
    command = [sys.executable, "script.py", "{trial}", "{x}"]
    site.experiment(SAVES, command=command, metrics={}, resumes=True, trials=16, optimizer="gp")
    status, output = site.run("run", "-w", "3", "exp.yaml")
    assert status == 0, output
    stops = [record["body"] for record in site.records() if record["kind"] == "Stop"]
    assert {stop["reason"] for stop in stops} == {"paused"}
    assert all(stop["why"].startswith("proven: ") for stop in stops)
    trials = site.load().trials.values()
    assert {trial.state for trial in trials} <= {"completed", "stopped"}
    ended = [trial for trial in trials if trial.state == "stopped"]
    assert all(f"trial {trial.number} stopped in " in output and trial.why in output for trial in ended)
    assert site.load().best.state == "completed"
