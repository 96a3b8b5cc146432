"""When an allocation ends, from what schedulers really print."""

import subprocess
import sys
import time
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.allocations import Allocation, base, detect, flux, lsf, pbs, slurm
from metaopt.allocations.nodes import nodes
from metaopt.errors import LaunchError

NOW = 1_790_000_000.0
BERLIN = 1795548481.0  # 2026-11-24T20:28:01 there
PRO = """Job Id: 1234.pbs-01
    Job_Name = search
    Job_Owner = user@login1
    resources_used.cpupercent = 97
    resources_used.mem = 8230124kb
    resources_used.walltime = 00:10:05
    job_state = R
    queue = normal
    ctime = Tue Nov 24 19:00:00 2026
    exec_vnode = (node97[0]:ncpus=1:mem=16777216kb)
    Resource_List.select = 1:ncpus=1:mem=16gb
    Resource_List.walltime = 01:00:00
    stime = Tue Nov 24 20:28:01 2026
    Variable_List = PBS_O_HOME=/home/user,PBS_O_LANG=en_US.UTF-8,
\tPBS_O_PATH=/usr/local/bin:/usr/bin
    etime = Tue Nov 24 19:00:00 2026
    eligible_time = 01:28:00
    project = _pbs_project_default
"""
TORQUE = """Job Id: 114618.master
    Job_Name = bulk
    job_state = R
    Resource_List.cput = 7200:00:00
    Resource_List.nodes = 1:ppn=1:E5v3
    Resource_List.walltime = 720:00:00
    etime = Tue Nov 24 20:27:59 2026
    start_time = Tue Nov 24 20:28:01 2026
    Walltime.Remaining = 2516937
    start_count = 1
"""


@pytest.fixture
def zone(monkeypatch):
    def move(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Puts a program of that name in the place of any other."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def stand_in(script):
        (tmp_path / "squeue").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "squeue").chmod(0o755)

    return stand_in


def refuse(command):
    pytest.fail(f"nobody was to be asked: {command}")


def answering(text):
    """Stands in for the scheduler's program: it answers ``text``, and keeps what it was asked."""
    asked = []

    def run(command):
        asked.append(list(command))
        return text

    return run, asked


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("1-02:03:59|2026-11-24T20:28:01\n", 93839),
        ("10:00:00|2026-11-24T20:28:01\n", 36000),
        ("1:52|2026-11-24T20:28:01\n", 112),
        ("0:07|20:28:01\n", 7),  # with SLURM_TIME_FORMAT=relative
        ("0:00|NONE\n", 0),
        ("UNLIMITED|NONE\n", None),
        ("NOT_SET|N/A\n", None),
        ("UNLIMITED|Unknown\n", None),
        ("20:00|2026-11-24T09:17:58\n10:00|2026-11-24T09:03:12\n", 600),  # a job of several parts
    ],
)
def test_slurm_says_the_time_that_is_left(text, left):
    assert slurm.parse(text, NOW) == (None if left is None else NOW + left)


@pytest.mark.parametrize(("name", "later"), [("Europe/Berlin", 0), ("UTC", 3600), ("America/New_York", 6 * 3600)])
def test_without_a_time_left_the_end_is_local_time(zone, name, later):
    zone(name)
    assert slurm.parse("INVALID|2026-11-24T20:28:01", NOW) == BERLIN + later
    assert slurm.parse("INVALID|1795548481", NOW) == BERLIN  # with SLURM_TIME_FORMAT=%s


@pytest.mark.parametrize("text", ["", "\n", "|", "INVALID|NONE", "INVALID|N/A", "52", "52|", "1:2:3:4|NONE", "slurm!"])
def test_what_is_no_answer_of_slurm(text):
    with pytest.raises(ValueError, match=r"no such job|no time left"):
        slurm.parse(text, NOW)


def test_the_end_in_the_environment_spares_asking_slurm():
    environ = {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "1790000060"}
    assert detect(environ, NOW, refuse) == Allocation("slurm", "7", NOW + 60)


@pytest.mark.parametrize("end", ["", "soon", "1789999999"])
def test_an_end_in_the_environment_that_cannot_be_true_is_asked_for(end):
    run, asked = answering("1:00|NONE\n")
    environ = {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": end}
    assert detect(environ, NOW, run) == Allocation("slurm", "7", NOW + 60)
    assert asked == [["squeue", "-h", "-j", "7", "-o", "%L|%e"]]


def test_a_task_of_an_array_asks_for_itself_alone():
    run, asked = answering("1:00|NONE\n")
    detect({"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "5"}, NOW, run)
    assert asked[0][3] == "7_5"
    detect({"LSB_JOBID": "7", "LSB_JOBINDEX": "5"}, NOW, run)
    assert asked[1][-1] == "7[5]"
    detect({"LSB_JOBID": "7", "LSB_JOBINDEX": "0"}, NOW, run)
    assert asked[2][-1] == "7"


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_read_as_it_is_written(days, hours, minutes, seconds):
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert base.seconds_of(f"{days}-{hours:02}:{minutes:02}:{seconds:02}") == total
    assert base.seconds_of(f"{days * 24 + hours}:{minutes:02}:{seconds:02}") == total
    assert base.seconds_of(f"{(days * 24 + hours) * 60 + minutes}:{seconds:02}") == total


@pytest.mark.parametrize("text", ["", "soon", "52", "1-", "1-02:03", "1:2:3:4", "x-1:00", "-1:00", "1:nan", "1e3:00"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="no duration"):
        base.seconds_of(text)


def test_pbs_pro_counts_from_the_start_as_the_used_time_lags_behind(zone):
    zone("Europe/Berlin")
    assert pbs.parse(PRO, BERLIN + 700) == BERLIN + 3600
    assert pbs.parse(PRO, BERLIN + 600) == BERLIN + 3595  # a time used that says less is believed
    without_start = PRO.replace("    stime", "    other")
    assert pbs.parse(without_start, NOW) == NOW + 3600 - 605
    other_layout = PRO.replace("stime = Tue", "stime = 1795548481 (Tue")
    assert pbs.parse(other_layout, NOW) == NOW + 3600 - 605


def test_torque_says_what_remains(zone):
    zone("Europe/Berlin")
    assert pbs.parse(TORQUE, BERLIN + 60) == BERLIN + 60 + 2516937
    assert pbs.parse(TORQUE.replace("Walltime.Remaining", "other"), BERLIN + 60) == BERLIN + 720 * 3600


def test_a_pbs_job_without_a_walltime_has_no_end():
    assert pbs.parse(PRO.replace("Resource_List.walltime", "Resource_List.other"), NOW) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no job in ''"),
        ("qstat: Unknown Job Id 7", "Unknown Job Id"),
        (PRO.replace("01:00:00", "plenty"), "'plenty' is no duration"),
        (PRO.replace("stime", "other").replace("resources_used", "other"), "no start is told"),
        (TORQUE.replace("2516937", "some"), "some"),
    ],
)
def test_what_is_no_answer_of_pbs(text, problem):
    with pytest.raises(ValueError, match=problem):
        pbs.parse(text, NOW)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("0:48 L\n", 2880),
        ("1:30 E\n", 5400),
        ("120:05 L\n", 432300),
        ("0:0 L\n", 0),
        ("00:12:30 L\n", 750),  # with LSB_HMS_TIME_FORMAT=y
        ("0:12\n", 720),
        ("-\n", None),
    ],
)
def test_lsf_says_hours_and_minutes(text, left):
    assert lsf.parse(text, NOW) == (None if left is None else NOW + left)


@pytest.mark.parametrize("text", ["", "0:0 X", "TIME_LEFT", "Job <7> is not found", "0:12 L\n0:13 L"])
def test_what_is_no_answer_of_lsf(text):
    with pytest.raises(ValueError, match="no time left"):
        lsf.parse(text, NOW)


@pytest.mark.parametrize(
    ("text", "left"),
    [("3540\n", 3540), ("3540.5\n", 3540.5), ("0\n", 0), ("4294967295\n", None), ("inf", None), ("infinity", None)],
)
def test_flux_says_seconds(text, left):
    assert flux.parse(text, NOW) == (None if left is None else NOW + left)


@pytest.mark.parametrize("text", ["", "nan", "1h", "flux-job: no job"])
def test_what_is_no_answer_of_flux(text):
    with pytest.raises(ValueError, match="no number of seconds"):
        flux.parse(text, NOW)


@pytest.mark.parametrize(
    ("environ", "answer", "scheduler", "job", "left"),
    [
        ({"SLURM_JOB_ID": "7"}, "1:52|NONE", "slurm", "7", 112),
        ({"PBS_JOBID": "7.pbs-01"}, PRO.replace("stime", "other"), "pbs", "7.pbs-01", 2995),
        ({"LSB_JOBID": "7"}, "0:48 L", "lsf", "7", 2880),
        ({"FLUX_JOB_ID": "ƒD2e73NP"}, "3540", "flux", "ƒD2e73NP", 3540),
        ({"FLUX_ENCLOSING_ID": "ƒDCB6RV"}, "3540", "flux", "ƒDCB6RV", 3540),
        ({"SLURM_JOB_ID": "7", "FLUX_JOB_ID": "ƒ1"}, "1:52|NONE", "slurm", "7", 112),
    ],
)
def test_each_scheduler_is_known_by_its_variable(environ, answer, scheduler, job, left):
    run, asked = answering(answer)
    assert detect(environ, NOW, run) == Allocation(scheduler, job, NOW + left)
    assert len(asked) == 1


def test_without_a_scheduler_there_is_no_end_and_no_doubt():
    assert detect({"HOME": "/home/user"}, NOW, refuse) == Allocation("none", "", None)


def test_a_job_without_a_limit_is_no_doubt():
    run, _ = answering("UNLIMITED|NONE\n")
    assert detect({"SLURM_JOB_ID": "7"}, NOW, run) == Allocation("slurm", "7", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tomorrow", "'tomorrow', which is no time"),
        ("nan", "no time"),
        ("inf", "no time"),
        ("2026-11-24T20:28:01", "no time"),
        ("1789999990", "10 s ago"),
        ("1790000000", "0 s ago"),
        ("7200", "1789992800 s ago"),
    ],
)
def test_a_deadline_that_is_none_or_past_is_refused(text, said):
    with pytest.raises(LaunchError, match="METAOPT_DEADLINE is") as refused:
        detect({"METAOPT_DEADLINE": text}, NOW, refuse)
    assert said in refused.value.problem
    assert "METAOPT_DEADLINE=$(date -d '+2 hours' +%s)" in refused.value.hint


def test_the_users_deadline_wins_over_every_scheduler():
    environ = {"METAOPT_DEADLINE": "1790000060.5", "SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "1790000010"}
    assert detect(environ, NOW, refuse).deadline == NOW + 60.5


def test_a_deadline_that_a_job_script_could_not_fill_in_counts_as_unset():
    run, _ = answering("1:00|NONE\n")
    assert detect({"METAOPT_DEADLINE": "", "SLURM_JOB_ID": "7"}, NOW, run).deadline == NOW + 60


def check_doubt(found, *parts):
    assert found.deadline is None
    for part in ("when job 7 ends is not known", "set METAOPT_DEADLINE", "--walltime", *parts):
        assert part in found.doubt


def test_a_program_that_hangs_is_a_doubt(squeue):
    squeue("exec sleep 600")
    found = detect({"SLURM_JOB_ID": "7"}, NOW, partial(base.run, timeout=0.2))
    check_doubt(found, "squeue -h -j 7 -o '%L|%e'", "none within 0.2 s")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'what?'", "'what?' is no time left"),
        ("printf '\\377\\376'", "no time left"),
        ("exit 0", "no such job"),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "status 1, 'slurm_load_jobs error"),
        ("kill -9 $$", "status -9"),
        ("echo '|1789999900'", "ended 100 s ago"),
        ("echo '|0001-01-01T00:00:00'", "not known"),
    ],
)
def test_an_answer_that_says_nothing_is_a_doubt(squeue, script, said):
    squeue(script)
    check_doubt(detect({"SLURM_JOB_ID": "7"}, NOW), "squeue -h -j 7", said)


def test_the_program_itself_is_run_and_believed(squeue):
    squeue('[ "$*" = "-h -j 7 -o %L|%e" ] && ! read line && echo "1:52|2026-11-24T20:28:01"')
    assert detect({"SLURM_JOB_ID": "7"}, NOW) == Allocation("slurm", "7", NOW + 112)


@pytest.mark.parametrize(
    ("variable", "program"),
    [("SLURM_JOB_ID", "squeue"), ("PBS_JOBID", "qstat"), ("LSB_JOBID", "bjobs"), ("FLUX_JOB_ID", "flux")],
)
def test_a_program_that_is_missing_is_a_doubt(variable, program, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    check_doubt(detect({variable: "7"}, NOW), f"Asked: {program} ", "No such file or directory")


def test_a_worker_asks_no_scheduler():
    code = "import metaopt.worker, sys; print('metaopt.allocations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_nodes_of_an_allocation_are_known_by_their_names(tmp_path):
    def scontrol(command):
        assert command == ["scontrol", "show", "hostnames", "node[1-2]"]
        return "node1\nnode2\n"

    assert nodes({"SLURM_JOB_NODELIST": "node[1-2]"}, scontrol) == ["node1", "node2"]
    (tmp_path / "hosts").write_text("b\nb\na\n")
    assert nodes({"LSB_DJOB_HOSTFILE": str(tmp_path / "hosts")}, scontrol) == ["b", "a"]
    assert nodes({"PBS_NODEFILE": str(tmp_path / "gone")}, scontrol) == nodes({}, scontrol) == []
