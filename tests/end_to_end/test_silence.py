"""A worker that says nothing any more: it is given up, and its trial is run elsewhere."""

import os
import signal
import sys

import pytest
from running import ANYWHERE, MPIRUN, processes, until
from test_resume import SLOW, check

from metaopt.mpirun import SURVIVE


@pytest.mark.parametrize("environment", [SURVIVE, {}], ids=["fault tolerant", "plain"])
def test_a_stopped_worker_is_given_up_and_the_run_ends_with_all_trials(site, environment, tmp_path):
    site.experiment(command=SLOW, trials=8, heartbeat_timeout="2s")
    status = tmp_path / "status"
    command = [MPIRUN, "-n", "4", sys.executable, "-m", "metaopt", "exp.yaml"]
    process = site.start(command=command, METAOPT_STATUS=str(status), **ANYWHERE, **environment)
    worker = site.wait_for("Reported", 2)["body"]["worker"]
    os.kill(site.ranks()[worker], signal.SIGSTOP)
    output, _ = process.communicate(timeout=60)
    assert status.read_text() == "0\n", output
    lost = [r["body"] for r in site.records() if r["kind"] == "Lost"]
    assert lost == [{"worker": worker, "why": "it has been silent for too long"}]
    check(site, 8)
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")


def test_one_that_comes_back_joins_anew_and_its_late_words_change_nothing(site):
    script = """
import sys, time
for step in range(1, 60):
    print(f"loss={float(sys.argv[1]) + step}", flush=True)
    time.sleep(0.1)
"""
    site.experiment(script, command=[sys.executable, "script.py", "{x}"], trials=3, heartbeat_timeout="1s")
    process = site.start("exp.yaml", under=(MPIRUN, "-n", 3), **ANYWHERE)
    worker = site.wait_for("Reported", 2)["body"]["worker"]
    pid = site.ranks()[worker]
    os.kill(pid, signal.SIGSTOP)
    site.wait_for("Lost")
    os.kill(pid, signal.SIGCONT)
    site.wait_for("Joined", 2, worker=worker)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    check(site, 3)


def test_a_worker_that_waits_for_its_disk_is_not_given_up(site):
    site.experiment(command=SLOW, trials=8, heartbeat_timeout="1s")
    slow = site.history / "trials" / "0" / ".params.json"
    slow.parent.mkdir(parents=True)
    os.mkfifo(slow)  # whoever writes there waits until somebody reads
    process = site.start("run", "-w", "2", "exp.yaml")
    ended = [site.wait_for("Finished", count)["time"] for count in (1, 7)]
    assert ended[1] - ended[0] > 1.0  # in which the other worker has done six trials of at least 0.3 s each
    os.close(os.open(slow, os.O_RDONLY | os.O_NONBLOCK))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    check(site, 8)
    assert not [r for r in site.records() if r["kind"] == "Lost"]
