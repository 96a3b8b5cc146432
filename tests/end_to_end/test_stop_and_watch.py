"""A run that is watched and stopped from another terminal; and Ctrl-C while one looks."""

import signal
import subprocess
import sys

from running import Screen

from metaopt.trial import State


def test_a_run_is_watched_and_stopped_from_elsewhere(site):
    site.experiment(command=[sys.executable, "script.py", "--x", "{x}", "--sleep", "0.2"], trials=500)
    run = site.start("run", "-w", "2", "exp.yaml")
    site.wait_for("Finished")
    watch = site.start("watch", "--every", "0.2s")
    assert watch.stdout.readline().startswith("[1/500] trial ")
    status, output = site.run("status", "exp.yaml")
    assert status == 0
    assert "run       process " in output
    status, output = site.run("stop", "--wait", "1m")
    assert status == 0, output
    assert "goes on with it" in output
    assert run.communicate(timeout=60)[0].count("to go on:  the same command again") == 1
    assert run.returncode == 130
    watch.communicate(timeout=60)
    assert watch.returncode == 0
    assert {trial.state for trial in site.load().trials.values()} <= {State.COMPLETED, State.WAITING}
    assert site.run("stop")[0] == 2


def test_watching_in_a_terminal_ends_with_ctrl_c_and_the_run_goes_on(site):
    site.experiment(command=[sys.executable, "script.py", "--x", "{x}", "--sleep", "0.2"], trials=40)
    run = site.start("run", "-w", "2", "exp.yaml")
    site.wait_for("Finished")
    with Screen() as screen:
        command = [sys.executable, "-m", "metaopt", "watch", "exp.yaml"]
        watch = subprocess.Popen(command, cwd=site.directory, stdout=screen.end, stderr=subprocess.PIPE)
        site.started.append(watch)
        screen.wait_for("workers busy")
        watch.send_signal(signal.SIGINT)
        _, said = watch.communicate(timeout=60)
    assert (watch.returncode, said) == (130, b"metaopt: interrupted\n")
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
