"""metaoptd, and what is put into its queue."""

import json
import os
import signal
import sys

import yaml
from running import EXPERIMENT, MPIRUN, processes, until

from metaopt import history
from metaopt.errors import HistoryError
from metaopt.mpirun import ANYWHERE
from metaopt.trial import State

SCRIPT = "import os, sys, time; time.sleep(float(sys.argv[2])); print('loss=' + sys.argv[1], os.environ['WHO'])"


def experiment(site, name, seconds, trials):
    command = [sys.executable, "-c", SCRIPT, "{x}", str(seconds)]
    about = {**EXPERIMENT, "name": name, "command": command, "trials": trials, "metrics": {"loss": r"loss=(\S+) me"}}
    site.write(f"{name}.yaml", yaml.safe_dump(about))


def stands(site):
    status, output = site.run("queue", "--json")
    assert status == 0, output
    return {each["name"]: each["standing"] for each in json.loads(output)}


def states(site, name):
    try:
        return [trial.state for trial in history.load(site.directory / f"{name}.history").trials.values()]
    except HistoryError:
        return []


def test_what_is_submitted_is_run_by_one_metaoptd_after_the_other(site, monkeypatch):
    monkeypatch.setenv("METAOPT_QUEUE", str(site.directory / "queue"))
    for name, seconds, trials in (("a", 0.3, 6), ("b", 0.1, 4), ("c", 60.0, 6)):
        experiment(site, name, seconds, trials)
    assert "no metaoptd runs yet" in site.run("submit", "a.yaml", WHO="me")[1]
    daemon = site.start("daemon", "-w", "2")  # knows nothing of WHO
    until(lambda: State.COMPLETED in states(site, "a"), "a result")
    status, output = site.run("submit", "--weight", "2", "b.yaml", "c.yaml", WHO="me")
    assert (status, "metaoptd is process" in output) == (0, True), output
    assert "metaoptd runs already" in site.run("daemon")[1]
    until(lambda: State.RUNNING in states(site, "c"), "c's begin")
    status, output = site.run("stop", "c.yaml")
    assert (status, "metaopt queue --cancel 3" in output) == (2, True), output
    os.kill(site.ranks()[0], signal.SIGKILL)
    daemon.communicate(timeout=60)
    until(lambda: not site.ranks(), "the end of all ranks")
    assert stands(site)["c"] == "waiting"

    again = site.start("daemon", "--drain", under=(MPIRUN, "-n", 3), **ANYWHERE)
    until(lambda: stands(site)["c"] == "running", "c's begin")
    assert "3 is asked to end" in site.run("queue", "--cancel", "3")[1]
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert stands(site) == {"a": "done", "b": "done", "c": "cancelled"}
    for name, trials in (("a", 6), ("b", 4)):
        assert states(site, name) == [State.COMPLETED] * trials
    assert not processes(f"SITE={site.directory}")


def test_a_metaoptd_that_is_ended_ends_well(site):
    queue = str(site.directory / "queue")
    experiment(site, "a", 60.0, 6)
    daemon = site.start("daemon", "-w", "2", "--queue", queue)
    assert "metaoptd: 2 workers" in daemon.stdout.readline()
    assert "metaoptd is process" in site.run("submit", "--queue", queue, "a.yaml", WHO="me")[1]
    until(lambda: State.RUNNING in states(site, "a"), "a's begin")
    daemon.send_signal(signal.SIGINT)
    output, _ = daemon.communicate(timeout=60)
    assert daemon.returncode == 130, output
    assert "a: not finished: interrupted" in output
    assert set(states(site, "a")) == {State.WAITING}
    assert json.loads(site.run("queue", "--queue", queue, "--json")[1])[0]["why"] == "it was interrupted"
