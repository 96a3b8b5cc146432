"""What each role loads: a worker next to nothing, rank 0 no numpy, help nothing at all."""

import subprocess
import sys

import pytest

HEAVY = ("numpy", "scipy", "yaml", "rich", "pymongo", "pynvml", "pandas", "asyncio", "email", "http")
LISTING = "{}; import sys; print(*sys.modules)"


def modules(statement):
    command = [sys.executable, "-c", LISTING.format(statement)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def plain():
    """What Python, and a site's own start-up files, load in any case."""
    return modules("pass")


def heavy(loaded):
    return {name for name in loaded if name.partition(".")[0] in HEAVY}


def test_a_worker_loads_the_standard_library_and_little_of_it():
    loaded = modules("import metaopt.worker, metaopt.launch, metaopt.cli.run") - plain()
    assert not heavy(loaded)
    assert len(loaded) < 135
    assert not {name for name in loaded if name.startswith("metaopt.")} & {
        "metaopt.scheduler",
        "metaopt.experiment",
        "metaopt.space",
        "metaopt.driver",
        "metaopt.optimizers",
    }


def test_rank_0_loads_no_numpy():
    assert not {
        name for name in modules("import metaopt.master, metaopt.progress") if name.startswith(("numpy", "scipy"))
    }


@pytest.mark.parametrize("script", ["import metaopt", "import metaopt; metaopt.report(step=1, loss=0.5)"])
def test_a_script_that_reports_loads_next_to_nothing(script):
    loaded = modules(script) - plain()
    assert not heavy(loaded)
    assert len(loaded) < 30


def test_reading_a_history_needs_no_mpi():
    loaded = modules("import metaopt; metaopt.history.load")
    assert not {name for name in loaded if name.startswith("mpi4py")}
    assert not heavy(loaded)


def test_help_loads_no_library():
    assert not heavy(modules("from metaopt.cli import main; main(['--help'])") - plain())
