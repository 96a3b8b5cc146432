"""Scripts of every bad kind: each ends as it should, and the run goes on."""

import sys

import pytest
from running import processes, until

from metaopt.trial import State

BAD = "if sys.argv[1] == 'bad':\n    {}\nprint('loss=1.5', flush=True)"
KINDS = {
    "exit_1": ("print('the reason', file=sys.stderr); sys.exit(1)", r"exit status 1\nthe reason"),
    "exception": ("raise KeyError('width')", "KeyError: 'width'"),
    "segfault": ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
    "no_metric": ("print('done'); sys.exit()", "is on no line of its output; the last line is 'done'"),
    "no_number": ("print('loss=much'); sys.exit()", r"'loss=(\S+)', found 'much', which is no number"),
    "another_metric": ("metaopt.report(accuracy=1); sys.exit()", "it reported only accuracy"),
    "nan": ("print('loss=nan'); sys.exit()", "its loss is nan"),
    "infinite": ("print('loss=inf'); sys.exit()", "its loss is inf"),
    "garbage": ("os.write(3, os.urandom(100_000).replace(b'1', b'')); sys.exit(3)", "exit status 3"),
    "timeout": ("time.sleep(600)", "timeout: it ran longer than 3 s"),
    "deaf": ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)", "timeout: it ran longer than 3 s"),
}


def experiment(site, body, **changes):
    script = "import os, signal, subprocess, sys, time, metaopt\n" + BAD.format(body)
    command = [sys.executable, "script.py", "{x}"]
    site.experiment(script, **{"command": command, "space": {"x": "choice(bad, good, fine)"}, "trials": 3, **changes})


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_script_has_failed_with_its_reason_and_the_others_go_on(site, kind):
    body, reason = KINDS[kind]
    experiment(site, body, timeout="3s", grace="1s")
    status, output = site.run()
    assert status == 0, output
    trials = {trial.params["x"]: trial for trial in site.load().trials.values()}
    assert trials["bad"].state is State.FAILED
    assert reason.replace(r"\n", "\n") in trials["bad"].error
    assert {trials[x].state for x in ("good", "fine")} == {State.COMPLETED}
    assert "1 failed" in output
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(137)"], ids=["itself", "its_child"])
@pytest.mark.parametrize("always", [True, False])
def test_a_script_that_is_killed_from_elsewhere_is_run_again_but_not_for_ever(site, how, always):
    """As the one that kills for want of memory does, or a scheduler that clears a node."""
    marked = "os.path.exists(mark := os.environ['METAOPT_TRIAL_DIR'] + '/mark')"
    experiment(site, f"if not {marked} or {always}:\n        open(mark, 'w').close()\n        {how}")
    status, output = site.run()
    assert status == 0, output
    bad = next(trial for trial in site.load().trials.values() if trial.params["x"] == "bad")
    assert (bad.state, bad.attempts) == (State.FAILED if always else State.COMPLETED, 2)
    assert "was killed, and is run again" in output
    assert bad.error.startswith(("killed by SIGKILL", "exit status 137")) == always


@pytest.mark.parametrize(
    "body",
    [
        "print('loss=0.5', end=''); sys.exit()",
        "print('epoch 1: (loss=0.5), accuracy 1%', file=sys.stderr); sys.exit()",
        "[sys.stdout.write('x' * 99 + '\\n') for _ in range(1_000_000)]; print('loss=0.5'); sys.exit()",
        "sys.stdout.buffer.write(os.urandom(1_000_000) + b'\\nloss=0.5\\n'); sys.exit()",
        "subprocess.Popen(['sleep', '600'], start_new_session=True); print('loss=0.5'); sys.exit()",
        "os.close(3); metaopt.report(loss=0.5); sys.exit()",
        "[metaopt.report(step=s, loss=0.5) for s in range(1, 20_001)]; sys.exit()",
    ],
    ids=["no_newline", "on_stderr", "100_MB", "binary", "grandchild", "closed_pipe", "20000_reports"],
)
def test_an_odd_script_completes(site, body):
    experiment(site, body)
    status, output = site.run()
    assert status == 0, output
    trials = {trial.params["x"]: trial for trial in site.load().trials.values()}
    assert {trial.state for trial in trials.values()} == {State.COMPLETED}
    assert trials["bad"].objective == 0.5
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")


def test_no_report_of_a_chatty_script_is_lost(site):
    experiment(site, "[metaopt.report(step=s, loss=s) for s in range(1, 20_001)]; sys.exit()")
    site.run()
    trials = {trial.params["x"]: trial for trial in site.load().trials.values()}
    assert trials["bad"].curve("loss") == [(step, step) for step in range(1, 20_001)]


def test_a_script_that_removes_its_directory_has_its_result_all_the_same(site):
    script = """
import shutil, sys
shutil.rmtree(sys.argv[2])
print("loss=" + sys.argv[1], flush=True)
"""
    site.experiment(script, command=[sys.executable, "script.py", "{x}", "{trial_dir}"], trials=4)
    status, output = site.run()
    assert status == 0, output
    assert {trial.state for trial in site.load().trials.values()} == {State.COMPLETED}
    assert "its outcome.json cannot be written" in output


def test_a_script_that_cannot_be_started_has_failed(site):
    script = site.directory / "program"
    script.write_text("#!/nonexistent/python\n")
    script.chmod(0o755)
    site.experiment(command=["./program", "{x}"], trials=2)
    status, output = site.run()
    assert status == 1
    errors = [trial.error for trial in site.load().trials.values()]
    assert all("cannot be started" in error for error in errors)
    assert "cannot be started" in output


def test_when_the_first_trials_all_fail_the_run_stops_with_their_stderr(site):
    script = "import sys; sys.exit('no such dataset')"
    site.experiment(script, command=[sys.executable, "script.py", "{x}"], trials=50, give_up_after=4)
    status, output = site.run()
    assert status == 1
    assert "not finished: the first 4 trials all failed" in output or "trials all failed" in output
    assert "no such dataset" in output
    assert sum(trial.attempts for trial in site.load().trials.values()) < 12
    site.write("script.py", "print('loss=1')")  # mended: the same command goes on
    status, output = site.run()
    assert status == 0, output


def test_should_stop_gives_a_script_the_time_to_leave_well(site):
    script = """
import sys, time, metaopt
for step in range(1, 300):
    metaopt.report(step=step, loss=float(sys.argv[1]))
    if metaopt.should_stop():
        open(f"stopped-{sys.argv[1]}", "w").close()
        break
    time.sleep(0.05 if float(sys.argv[1]) == 0.5 else 0.01)
"""
    site.experiment(
        script,
        command=[sys.executable, "script.py", "{x}"],
        space={"x": "choice(0.1, 0.5)"},
        stopper={"rule": "median", "curves": 1, "warmup": 5},
        trials=2,
        timeout="30s",
    )
    site.run("run", "-w", "2", "exp.yaml")
    assert (site.directory / "stopped-0.5").exists()
    trials = {trial.params["x"]: trial for trial in site.load().trials.values()}
    assert trials[0.5].state is State.STOPPED
    assert trials[0.1].state is State.COMPLETED
