"""Runs with each of the embedded histories: to the end, after an interruption, and never two at once."""

import signal
import sys

import pytest
from running import until

from metaopt import history
from metaopt.stores import open_store
from metaopt.trial import State

SCRIPT = """
import os, sys, time
while int(sys.argv[2]) > 2 and not os.path.exists("go"):
    time.sleep(0.05)
print("loss=" + sys.argv[1], flush=True)
"""


@pytest.mark.parametrize("url", ["leveldb:kept.ldb", "tinydb:kept.json"])
def test_a_study_is_interrupted_gone_on_with_and_read_back(site, url):
    command = [sys.executable, "-S", "script.py", "{x}", "{trial}"]
    site.experiment(SCRIPT, command=command, trials=12, history=url, give_up_after=0)
    process = site.start("run", "-w", "3", "exp.yaml")
    until(lambda: len(list(site.directory.glob("quadratic.files/trials/*/outcome.json"))) >= 3, "three trials")
    status, output = site.run()
    assert status == 2, output
    assert "is being written by process" in output
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    site.write("go", "")
    status, output = site.run()
    assert status == 0, output
    assert "going on with" in output
    scheme, _, path = url.partition(":")
    study = history.load(f"{scheme}:{site.directory / path}")
    assert list(study.trials) == list(range(12))
    assert {trial.state for trial in study.trials.values()} == {State.COMPLETED}
    store = open_store(f"{scheme}:{site.directory / path}")
    assert {record.run for _, record in store.read()} == {1, 2}
    store.close()
