"""An mpirun of our own: what becomes of one that does not come up."""

import signal

import pytest

from metaopt import mpirun
from metaopt.errors import LaunchError

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@pytest.mark.parametrize(("failures", "status"), [(1, 0), (2, None)])
def test_an_mpirun_that_does_not_come_up_is_started_once_more(tmp_path, monkeypatch, failures, status):
    """It is a stand-in, which ends as Open MPI's does, so many times, and then says how a study stands."""
    begun = tmp_path / "begun"
    stand_in = tmp_path / "mpirun"
    stand_in.write_text(
        f'#!/bin/sh\necho >>{begun}\n[ $(wc -l <{begun}) -gt {failures} ] || exit 213\nprintf 0 >"$METAOPT_STATUS"\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setattr(mpirun, "_mpirun", lambda: str(stand_in))
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    try:
        if status is None:
            with pytest.raises(LaunchError, match=r"mpirun ended \(213\)"):
                mpirun.start(1, ["run", "exp.yaml"])
        else:
            assert mpirun.start(1, ["run", "exp.yaml"]) == status
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert len(begun.read_text().splitlines()) == 2
