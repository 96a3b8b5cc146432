"""The end of the allocation, with the real thing: saved in time, and gone on with by the next one."""

import sys
import time

import pytest
from test_resume import check, completed

SAVES = """
import pathlib, signal, sys, time
import metaopt

saved = pathlib.Path(sys.argv[1], "saved")
begin = int(saved.read_text()) if saved.exists() else 0
asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
for step in range(begin + 1, 11):
    time.sleep(0.2)
    with pathlib.Path(sys.argv[1], "steps").open("a") as file:
        print(step, file=file)
    metaopt.report(step=step, loss=1 / step)
    if asked or metaopt.should_stop():
        saved.write_text(str(step))
        sys.exit()
"""
LONG = [sys.executable, "script.py", "--x", "{x}", "--sleep", "0.5", "--steps", "4"]


def test_at_the_end_the_scripts_save_and_the_next_run_begins_with_them(site):
    site.experiment(
        SAVES,
        command=[sys.executable, "script.py", "{trial_dir}"],
        metrics={},
        resumes=True,
        signal="SIGUSR1",
        trials=5,
        grace="3s",
    )
    status, output = site.run("run", "-w", "2", "--walltime", "16", "exp.yaml")
    assert status == 130, output
    assert "the allocation ends" in output
    done = {number for number, trial in site.load().trials.items() if trial.state == "completed"}
    stopped = {r["body"]["trial"] for r in site.records() if r["kind"] == "Stop"} - done  # who had just come to its end
    assert stopped
    assert {r["body"]["outcome"] for r in site.records() if r["kind"] == "Finished"} <= {"completed", "stopped"}
    known = len(site.records())
    status, output = site.run("run", "-w", "2", "exp.yaml")
    assert status == 0, output
    check(site, 5)
    begun = [r["body"]["trial"] for r in site.records()[known:] if r["kind"] == "Assign"]
    assert set(begun[: len(stopped)]) == stopped
    for number, trial in site.load().trials.items():
        steps = (site.history / "trials" / str(number) / "steps").read_text().split()
        assert steps == [str(step) for step in range(1, 11)]  # none was done twice
        assert [step for step, _ in trial.curve("loss")] == list(range(1, 11))


def test_nothing_is_begun_that_would_be_cut_off(site):
    site.experiment(command=LONG, trials=50)
    status, output = site.run("run", "-w", "2", "--walltime", "18", "exp.yaml")
    assert status == 130, output
    assert "no trial is likely to complete in the" in output
    assert not [r for r in site.records() if r["kind"] == "Stop"]
    assert all(r["body"]["outcome"] == "completed" for r in site.records() if r["kind"] == "Finished")


def test_too_little_time_for_any_trial_is_refused_with_two_ways_out(site):
    site.experiment(command=LONG, trials=50)
    assert site.run("run", "-w", "2", "--walltime", "16", "exp.yaml")[0] == 130
    before = completed(site.records())
    assert before
    status, output = site.run("run", "-w", "2", "--walltime", "13", "exp.yaml")
    assert status == 2, output
    assert "the shortest trial so far took" in output
    assert "Ask for more time" in output
    assert "resumes: true" in output
    assert completed(site.records()) == before


@pytest.mark.parametrize(
    ("deadline", "said"),
    [
        (lambda: f"{time.time() - 100:.0f}", "ago"),
        (lambda: "3600", "ago"),
        (lambda: "tomorrow", "which is no time in"),
        (lambda: f"{time.time() + 8:.0f}", "none of them for trials"),
    ],
    ids=["past", "a duration", "rubbish", "soon"],
)
def test_a_deadline_that_cannot_be_is_refused(site, deadline, said):
    site.experiment()
    status, output = site.run(METAOPT_DEADLINE=deadline())
    assert status == 2, output
    assert said in output
    assert not site.history.exists() or not completed(site.records())


def test_a_scheduler_that_gives_no_answer_is_told_and_nothing_else_happens(site, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "squeue").write_text("#!/bin/sh\necho slurm_load_jobs error: Socket timed out\n")
    (tools / "squeue").chmod(0o755)
    site.experiment()
    path = f"{tools}:{sys.exec_prefix}/bin:/usr/bin:/bin"
    status, output = site.run(SLURM_JOB_ID="7", PATH=path)
    assert status == 0, output
    assert "when job 7 ends is not known" in output
    assert "METAOPT_DEADLINE" in output
