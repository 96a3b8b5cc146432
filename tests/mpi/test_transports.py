"""The contract of a transport over real MPI and in the simulator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import MPIRUN

from metaopt.mpirun import ANYWHERE, SURVIVE
from metaopt.testing.transports import check_hub
from metaopt.transports.simulated import SimulatedHub

HERE = Path(__file__).parent


def run_program(name, ranks, *arguments, **environment):
    command = [MPIRUN, "-n", str(ranks), sys.executable, str(HERE / name), *map(str, arguments)]
    environment = {**os.environ, **ANYWHERE, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_virtual_workers_keep_the_contract():
    def script(_params, _trial):
        for _ in range(10):
            yield 0.03, {"loss": 1.0}

    deaths = []
    hub = SimulatedHub(script, 3)
    check_hub(hub, 3, lambda worker: deaths.append(worker) or hub.lose(worker))
    assert deaths == [3]


def test_real_workers_keep_the_contract(tmp_path):
    result = run_program("hub_program.py", 4, tmp_path, **SURVIVE)
    assert "kept its promises" in result.stdout, result.stderr
    assert result.returncode == 0


@pytest.mark.parametrize("environment", [{}, SURVIVE], ids=["plain", "fault_tolerant"])
def test_nothing_is_lost_in_a_crowd_and_rubbish_is_told(environment):
    result = run_program("words_program.py", 3, **environment)
    assert "heard" in result.stdout, result.stderr
    assert result.returncode == 0, result.stderr


def test_nobody_waits_for_a_worker_that_stops_halfway_through_a_word():
    result = run_program("halfway_program.py", 3, **SURVIVE, OMPI_MCA_btl="self,tcp")
    assert "heard 102" in result.stdout, result.stderr
    assert result.returncode == 0, result.stderr
