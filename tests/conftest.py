"""For all tests: what CI must not skip, and how a whole metaopt is started."""

import itertools
import os
import signal
import sys

import pytest
import scipy.linalg  # noqa: F401 - it loads the libraries that are to have one thread
from hypothesis import settings
from mongo import standing
from nodes import hide_gpus, show_gpus
from running import Site
from threadpoolctl import threadpool_limits

numbers = itertools.count(1)
settings.register_profile("metaopt", deadline=None)
settings.load_profile("metaopt")
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell's background jobs, and all theirs, would ignore Ctrl-C
hide_gpus()
threadpool_limits(1)  # as in the optimizer's process: tests that run at once would wait for each other's threads


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """In CI everything is there that a test may want, but a GPU: a skip is a failure."""
    outcome = yield
    report = outcome.get_result()
    if (
        report.skipped
        and os.environ.get("CI")
        and not item.get_closest_marker("gpu")
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def database():
    """The URL of an empty database."""
    return standing().url(f"empty{next(numbers)}")


@pytest.fixture
def real_gpus(monkeypatch):
    """The GPUs of this machine: other tests see none, so that they are the same everywhere."""
    if not show_gpus(monkeypatch):
        pytest.skip("this machine has no NVIDIA driver")


@pytest.fixture
def site(tmp_path):
    """A directory for an experiment, and metaopt in it; nothing that was started there outlives the test."""
    site = Site(tmp_path)
    yield site
    site.clear()


@pytest.fixture(autouse=True)
def _servers_are_let_go(monkeypatch):
    """A test need not close what it has opened on a server; else some later test would be told of it."""
    module = sys.modules.get("metaopt.stores.connection")
    made, connect = [], module and module.pymongo.MongoClient

    def remember(*arguments, **settings):
        made.append(connect(*arguments, **settings))
        return made[-1]

    if module is not None:
        monkeypatch.setattr(module.pymongo, "MongoClient", remember)
    yield
    for client in made:
        client.close()
