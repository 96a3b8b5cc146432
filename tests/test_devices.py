"""Which cores a worker's script gets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metaopt.devices.cpu import THREADS, share, usable_cores


@pytest.mark.parametrize(
    ("cores", "rank", "wanted", "got", "name"),
    [
        (range(4), 0, 1, (0,), "cpu 0"),
        (range(4), 3, 1, (3,), "cpu 3"),
        (range(8), 1, 4, (4, 5, 6, 7), "cpu 4-7"),
        (range(2), 5, 1, (1,), "cpu 1"),
        (range(3), 1, 2, (0, 2), "cpu 0,2"),
        (range(2), 1, 8, (0, 1), "cpu 0-1"),
        ((2, 3, 7, 8, 9), 1, 3, (2, 8, 9), "cpu 2,8-9"),
    ],
)
def test_workers_share_the_cores_in_turn(cores, rank, wanted, got, name):
    device = share(list(cores), rank, wanted)
    assert (device.cores, device.name) == (got, name)
    assert device.defaults == dict.fromkeys(THREADS, str(len(got)))


def test_as_many_workers_as_fit_share_nothing():
    given = [core for rank in range(4) for core in share(list(range(10, 22)), rank, 3).cores]
    assert sorted(given) == list(range(10, 22))


@pytest.mark.parametrize(("cores", "rank", "wanted"), [([], 0, 1), ([0], -1, 1), ([0], 0, 0)])
def test_no_cores_and_no_rank_are_refused(cores, rank, wanted):
    with pytest.raises(ValueError, match="cores"):
        share(cores, rank, wanted)


def test_a_rank_bound_to_one_core_takes_back_all_that_the_job_has():
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); from metaopt.devices.cpu import *;"
    code += "print(*usable_cores())"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    found = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    assert set(map(int, found.split())) >= os.sched_getaffinity(0)
    before = os.sched_getaffinity(0)
    try:
        assert usable_cores() == sorted(os.sched_getaffinity(0))
    finally:
        os.sched_setaffinity(0, before)
