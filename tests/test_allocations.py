"""When an allocation ends, from what schedulers really print."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.allocations import base, detect, flux, lsf, pbs, slurm
from metaopt.errors import LaunchError

NOW = 1_790_000_000.0
PBS = """Job Id: 1234.polaris-pbs-01
    Job_Name = metaopt
    job_state = R
    resources_used.walltime = 00:10:05
    Resource_List.walltime = 01:00:00
"""


@pytest.mark.parametrize(
    ("text", "left"),
    [("1-02:03:59|2026-11-24T20:28:01\n", 93839), ("1:52|2026-11-24T20:28:01", 112), ("UNLIMITED|NONE", None)],
)
def test_slurm(text, left):
    assert slurm.parse(text, NOW) == (left if left is None else NOW + left)


def test_slurm_with_the_end_alone(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    assert slurm.parse("INVALID|2026-11-24T20:28:01", NOW) == 1795548481.0
    assert slurm.parse(slurm.ask({"SLURM_JOB_END_TIME": "1795548481"}, base.run), NOW) == 1795548481.0
    monkeypatch.undo()
    time.tzset()


@given(st.integers(0, 40), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_durations_of_any_length(days, hours, minutes, seconds):
    assert base.seconds_of(f"{days}-{hours:02}:{minutes:02}:{seconds:02}") == (
        ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    )


@pytest.mark.parametrize("text", ["", "soon", "1-", "1:2:3:4", "x-1:00", "-1:00"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError):  # noqa: PT011 - float's own message in some cases
        base.seconds_of(text)


def test_pbs():
    assert pbs.parse(PBS, NOW) == NOW + 3600 - 605
    assert pbs.parse(PBS.replace("Resource_List.walltime = 01:00:00", ""), NOW) is None
    assert pbs.parse("Job Id: 7\n    Walltime.Remaining = 590\n", NOW) == NOW + 590
    with pytest.raises(ValueError, match="no job"):
        pbs.parse("qstat: Unknown Job Id", NOW)


def test_lsf_and_flux():
    assert lsf.parse("1:48 L\n", NOW) == NOW + 6480
    assert lsf.parse("-\n", NOW) is None
    with pytest.raises(ValueError, match="no time left"):
        lsf.parse("Job <7> is not found", NOW)
    assert flux.parse("3540.5\n", NOW) == NOW + 3540.5
    assert flux.parse("infinity", NOW) is None


@pytest.mark.parametrize("text", ["tomorrow", "0", "1789999990", "inf", "nan"])
def test_a_deadline_that_is_none_or_past_is_refused(text):
    with pytest.raises(LaunchError, match="METAOPT_DEADLINE"):
        detect({"METAOPT_DEADLINE": text}, NOW)


def test_the_users_deadline_wins():
    environ = {"METAOPT_DEADLINE": str(NOW + 60), "SLURM_JOB_ID": "7"}
    assert detect(environ, NOW).deadline == NOW + 60
    assert detect({}, NOW).deadline is None


@pytest.mark.parametrize("program", ["sleep 600", "echo what?", "exit 1", "printf '%s' '0:00|2020-01-01T00:00:00'"])
def test_a_scheduler_that_does_not_answer_well_is_a_doubt(program, tmp_path, monkeypatch):
    (tmp_path / "squeue").write_text(f"#!/bin/sh\nexec {program}\n" if "exit" not in program else "#!/bin/sh\nexit 1\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(base, "PATIENCE", 0.5)
    found = detect({"SLURM_JOB_ID": "7"}, NOW)
    assert found.deadline is None
    assert "job 7" in found.doubt
    assert "METAOPT_DEADLINE" in found.doubt


def test_a_scheduler_whose_program_is_missing_is_a_doubt():
    def missing(command):
        raise FileNotFoundError(command[0])

    assert "qstat" in detect({"PBS_JOBID": "7"}, NOW, missing).doubt
