"""Interrupted, killed, started again: nothing is lost, nothing runs twice, the total is right."""

import collections
import os
import signal
import sys
from pathlib import Path

import pytest
from running import processes, until

from metaopt.trial import State

SLOW = [sys.executable, "script.py", "--x", "{x}", "--sleep", "0.1", "--steps", "3"]


def completed(records):
    """The trials whose completion was journalled, and how often."""
    return collections.Counter(
        r["body"]["trial"] for r in records if r["kind"] == "Finished" and r["body"]["outcome"] == "completed"
    )


def only_child(pid):
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def check(site, trials):
    """Every trial has one accepted result, none is missing, none was run twice at once."""
    history = site.load()
    assert sorted(history.trials) == list(range(trials))
    assert {trial.state for trial in history.trials.values()} == {State.COMPLETED}
    assert completed(site.records()) == dict.fromkeys(range(trials), 1)
    running = {}
    for record in site.records():
        trial = record["body"].get("trial")
        if record["kind"] == "Assign":
            assert trial not in running
            running[trial] = record["body"]["worker"]
        elif record["kind"] == "Finished":
            running.pop(trial)
        elif record["kind"] == "Lost":
            running = {t: worker for t, worker in running.items() if worker != record["body"]["worker"]}
        elif record["kind"] == "Opened":
            running = {}


def test_ctrl_c_ends_it_well_and_the_same_command_goes_on(site):
    site.experiment(command=SLOW, trials=9)
    process = site.start("run", "-w", "3", "exp.yaml")
    site.wait_for("Finished", 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "to go on:  the same command again" in output
    assert "not finished: interrupted, after" in output
    assert "warning" not in output
    before = completed(site.records())
    assert 2 <= len(before) < 9
    until(lambda: not processes(str(site.directory)), "the end of all processes")
    status, output = site.run()
    assert status == 0, output
    assert "going on with" in output
    check(site, 9)


def test_a_second_ctrl_c_ends_it_at_once(site):
    script = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("loss=1", flush=True)
time.sleep(600)
"""
    site.experiment(script, command=[sys.executable, "script.py", "{x}"], grace="10m")
    process = site.start("run", "-w", "2", "exp.yaml")
    site.wait_for("Reported", 2)
    process.send_signal(signal.SIGINT)
    site.wait_for("Stop", 2)
    process.send_signal(signal.SIGINT)
    assert "scripts have 600 s to save, a second Ctrl-C ends them at once" in process.communicate(timeout=30)[0]
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")


@pytest.mark.parametrize("moment", ["Joined", "Assign", "Reported", "Finished"])
def test_rank_0_killed_at_any_moment(site, moment):
    site.experiment(command=SLOW, trials=9)
    process = site.start("run", "-w", "3", "exp.yaml")
    site.wait_for(moment, 2)
    os.kill(site.ranks()[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0, output
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")
    known = completed(site.records())
    status, output = site.run()
    assert status == 0, output
    check(site, 9)
    history = site.load()
    assert all(history.trials[trial].attempts == 1 for trial in known)


def test_rank_0_killed_again_and_again(site):
    site.experiment(command=SLOW, trials=12)
    for count in (1, 3, 5):  # so it may happen before all ranks have begun
        process = site.start("run", "-w", "3", "exp.yaml", METAOPT_START_TIMEOUT="20")
        site.wait_for("Finished", count)
        os.kill(until(lambda: site.ranks().get(0), "rank 0"), signal.SIGKILL)
        process.communicate(timeout=60)
        until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")
    status, output = site.run()
    assert status == 0, output
    check(site, 12)


def test_a_result_that_rank_0_did_not_hear_of_is_taken_in(site):
    site.experiment(command=SLOW, trials=3)
    process = site.start("run", "-w", "3", "exp.yaml")
    site.wait_for("Reported", 3)
    rank0 = site.ranks()[0]
    os.kill(rank0, signal.SIGSTOP)  # deaf, while the scripts come to their ends
    until(lambda: len(list(site.history.glob("trials/*/outcome.json"))) == 3, "the outcomes")
    os.kill(rank0, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not completed(site.records())
    status, output = site.run()
    assert status == 0, output
    check(site, 3)
    assert all(trial.attempts == 1 for trial in site.load().trials.values())


@pytest.mark.parametrize("victims", [1, 2])
def test_workers_killed_and_the_others_go_on(site, victims):
    site.experiment(command=SLOW, trials=12)
    process = site.start("run", "-w", "4", "exp.yaml")
    site.wait_for("Reported", 4)
    for rank in range(1, victims + 1):
        os.kill(site.ranks()[rank], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    check(site, 12)
    lost = [r["body"]["worker"] for r in site.records() if r["kind"] == "Lost"]
    assert sorted(lost) == list(range(1, victims + 1))


def test_a_second_attempt_is_judged_by_what_it_says_itself(site):
    script = """
import sys, time
attempt = int(sys.argv[2])
for step in range(1, 4):
    print(f"loss={10 * attempt + step}", flush=True)
time.sleep(60 if attempt == 1 else 0)
"""
    site.experiment(script, command=[sys.executable, "script.py", "{x}", "{attempt}"], trials=1)
    process = site.start("run", "-w", "2", "exp.yaml")
    worker = site.wait_for("Reported", 1)["body"]["worker"]
    os.kill(site.ranks()[worker], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert site.load().trials[0].curve("loss") == [(1, 21), (2, 22), (3, 23)]
    said = (site.history / "trials" / "0" / "stdout.txt").read_text().split()
    assert said == [f"loss={value}" for value in (11, 12, 13, 21, 22, 23)]


def test_a_trial_that_kills_its_worker_twice_has_failed(site):
    script = """
import os, signal, sys, time
x = float(sys.argv[1])
if x < 0.5:
    rank = int(open(f"/proc/{os.getppid()}/stat").read().rpartition(")")[2].split()[1])
    os.kill(rank, signal.SIGKILL)
    time.sleep(60)
print("loss=%f" % x)
"""
    site.experiment(
        script, command=[sys.executable, "script.py", "{x}"], space={"x": "choice(0.1, 0.6, 0.7, 0.8)"}, trials=4
    )
    status, output = site.run("run", "-w", "4", "exp.yaml")
    assert status == 0, output
    states = {trial.params["x"]: trial for trial in site.load().trials.values()}
    assert states[0.1].state is State.FAILED
    assert states[0.1].losses == 2
    assert "was lost with it" in states[0.1].error
    assert {states[x].state for x in (0.6, 0.7, 0.8)} == {State.COMPLETED}


@pytest.mark.parametrize("victim", ["mpirun", "metaopt run"])
def test_when_a_launcher_is_killed_no_process_is_left_and_the_run_can_go_on(site, victim):
    site.experiment(command=[*SLOW[:-1], "600"], trials=3)
    process = site.start("run", "-w", "3", "exp.yaml")
    site.wait_for("Reported", 3)
    os.kill(only_child(process.pid) if victim == "mpirun" else process.pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0, output
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")
    site.experiment(command=SLOW, trials=3)
    status, output = site.run()
    assert status == 0, output
    check(site, 3)


def test_a_second_run_on_one_history_is_refused_and_the_first_goes_on(site):
    script = """
import os, sys, time
while not os.path.exists("go"):
    time.sleep(0.05)
print("loss=" + sys.argv[1])
"""
    site.experiment(script, command=[sys.executable, "script.py", "{x}"])
    process = site.start("run", "-w", "2", "exp.yaml")
    site.wait_for("Started")
    status, output = site.run()
    assert status == 2, output
    assert f"is being written by process {site.ranks()[0]}" in output
    site.write("go", "")
    first, _ = process.communicate(timeout=60)
    assert process.returncode == 0, first
    check(site, 6)
