"""A real study, looked at while it runs and afterwards."""

import shlex
import signal
import sys

from running import EXPERIMENT

from metaopt import history


def test_a_study_is_listed_checked_and_copied_while_it_runs_and_afterwards(site):
    site.experiment(command=[*EXPERIMENT["command"], "--sleep", "0.2"], trials=12)
    running = site.start("run", "-w", "2", "exp.yaml")
    site.wait_for("Finished", 2)
    assert site.run("db", "check", "exp.yaml")[0] == 0
    assert "quadratic" in site.run("list")[1]
    assert site.run("db", "copy", "exp.yaml", "tinydb:copy.json")[0] == 0
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    status, output = site.run()
    assert status == 0, output
    status, output = site.run("db", "copy", "quadratic.history", "tinydb:copy.json")
    assert status == 0, output
    assert "went on with a copy" in output
    copied = history.load(f"tinydb:{site.directory}/copy.json")
    assert copied.trials == site.load().trials
    status, output = site.run("db", "check", "exp.yaml")
    assert status == 0, output
    assert "in 2 runs" in output
    assert "trials    12 of 12 done: 12 completed" in output
    status, output = site.run("db", "export", "--curves", "exp.yaml")
    assert (status, output.count(",loss,")) == (0, 36)


def test_a_search_goes_on_when_nobody_reads_its_output_any_more(site):
    line = f"{shlex.quote(sys.executable)} -m metaopt run -w 2 exp.yaml | head -n 1"
    run = site.start(command=["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"])
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert output.startswith("metaopt: quadratic: ")
    assert len(output.splitlines()) == 1
    assert site.load().best is not None
