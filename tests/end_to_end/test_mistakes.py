"""Mistakes of our own: an exception on any rank is told in full, and costs no more than that rank."""

import sys

from running import MPIRUN, processes, until
from test_resume import SLOW, check

from metaopt.mpirun import ANYWHERE, SURVIVE

BROKEN = """
import os, sys
import metaopt.{module} as module
from metaopt.cli import main

calls, whole = [], module.{name}

def broken(*arguments):
    calls.append(1)
    if len(calls) == {after} and os.environ["OMPI_COMM_WORLD_RANK"] == "{rank}":
        raise ZeroDivisionError("not today")
    return whole(*arguments)

module.{name} = broken
sys.exit(main(["exp.yaml"]))
"""


def run(site, **where):
    """Run metaopt with a function that raises on one rank, at its so-manieth call."""
    site.write("broken.py", BROKEN.format(**where))
    command = [MPIRUN, "-n", "4", sys.executable, "broken.py"]
    status = site.directory / "status"
    process = site.start(command=list(map(str, command)), METAOPT_STATUS=str(status), **ANYWHERE, **SURVIVE)
    output, _ = process.communicate(timeout=60)
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")
    return status.read_text(), output


def test_a_worker_that_fails_is_lost_and_its_trial_runs_elsewhere(site):
    site.experiment(command=SLOW, trials=8)
    status, output = run(site, module="worker", name="Worker._attend", after=5, rank=2)
    assert status == "0\n", output
    assert "worker 2 fails:\nTraceback" in output
    (lost,) = [r["body"] for r in site.records() if r["kind"] == "Lost"]
    assert lost == {"worker": 2, "why": "it failed: ZeroDivisionError('not today')"}
    check(site, 8)


def test_rank_0_that_fails_ends_the_run_with_its_state_saved(site):
    site.experiment(command=SLOW, trials=8)
    status, output = run(site, module="driver", name="Driver._events", after=20, rank=0)
    assert status == "1\n", output
    assert "ZeroDivisionError: not today" in output
    assert output.count("Traceback") == 1
    status, output = site.run()
    assert status == 0, output
    check(site, 8)
