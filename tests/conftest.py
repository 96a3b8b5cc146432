"""For all tests: what CI must not skip, and how a whole metaopt is started."""

import os

import pytest
from hypothesis import settings
from running import Site

settings.register_profile("metaopt", deadline=None)
settings.load_profile("metaopt")


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
def site(tmp_path):
    """A directory for an experiment, and metaopt in it; nothing that was started there outlives the test."""
    site = Site(tmp_path)
    yield site
    site.clear()
