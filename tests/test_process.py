"""The user's script as a child process: started, watched, stopped, and its whole tree gone afterwards."""

import errno
import os
import re
import select
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import metaopt.process
from metaopt import guard as guard_program
from metaopt.argv import fill
from metaopt.messages import Point
from metaopt.process import GUARD_KILLED, LEFT_BEHIND, CannotStart, Guard, Process, environment, tail_of
from metaopt.tail import LIMIT_BYTES, Lines, Patterns, Reports, Tail, points_in

SCRIPTS = Path(__file__).parent / "data" / "scripts"
ROOT = Path(__file__).parents[1]
ENV = {**environment(os.environ), "PYTHONPATH": str(ROOT)}
PATIENCE = 60.0


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard()
    yield guard
    guard.close()


@pytest.fixture
def start(guard: Guard, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    pipes = []

    def start(*argv: object, env: dict[str, str] = ENV, cores: tuple[int, ...] = ()) -> Process:
        words = [str(word) for word in argv]
        process = guard.start(words, str(tmp_path), env, cores, tmp_path / "stdout", tmp_path / "stderr")
        pipes.append(process.report)
        return process

    yield start
    for pipe in pipes:
        os.close(pipe)


@pytest.fixture
def end(guard: Guard) -> Callable[[Process], int]:
    def end(process: Process) -> int:
        until(lambda: process.poll() is not None, guard)
        code = process.poll()
        assert code is not None
        return code

    return end


def until(condition: Callable[[], object], *sources: Guard) -> None:
    """Wait until ``condition`` holds, looking when there is news from ``sources``, and now and then."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        select.select(sources, [], [], 0.01)


def state_of(pid: int) -> str:
    """A letter, X when there is no such process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "X"


def alive(pid: int) -> bool:
    return state_of(pid) not in "ZX"


def pids_in(path: Path) -> list[int]:
    until(path.exists)
    return [int(word) for word in path.read_text().split()]


def points_of(process: Process) -> tuple[list[Point], Reports]:
    """All that it reports until it closes the pipe."""
    lines, reports, points = Lines(), Reports(), []
    while True:
        select.select([process.report], [], [], PATIENCE)
        chunk = os.read(process.report, 1 << 16)
        points += points_in(lines.feed(chunk, last=not chunk), reports)
        if not chunk:
            return points, reports


@pytest.mark.parametrize(
    ("script", "code", "error"),
    [
        ("exit 0", 0, ""),
        ("exit 3", 3, "exit status 3"),
        ("exit 255", 255, "exit status 255"),
        ("kill -SEGV $$", -11, "killed by SIGSEGV"),
        ("kill -KILL $$", -9, "killed by SIGKILL"),
        ("kill -40 $$", -40, "killed by signal 40"),
    ],
)
def test_the_exit_status_is_exact(start, end, script, code, error):
    process = start("sh", "-c", script)
    assert end(process) == code
    assert process.error == error


def test_output_is_appended_and_stdin_is_empty(start, end, tmp_path):
    for _ in range(2):
        assert end(start("sh", "-c", "cat; echo out; echo err >&2")) == 0
    assert (tmp_path / "stdout").read_text() == "out\nout\n"
    assert (tmp_path / "stderr").read_text() == "err\nerr\n"


def test_the_child_leads_a_session_and_has_no_other_descriptors(start, end, tmp_path):
    process = start("sh", "-c", "ls /proc/$$/fd; ps -o sid= $$; echo $$; pwd")
    assert end(process) == 0
    *fds, session, pid, cwd = (tmp_path / "stdout").read_text().split("\n")[:-1]
    assert fds == ["0", "1", "2", "3"]
    assert int(session) == int(pid) == process.pid
    assert cwd == str(tmp_path)


def test_the_child_blocks_and_ignores_no_signal(start, end, tmp_path):
    assert end(start("grep", "-E", "SigBlk|SigIgn", "/proc/self/status")) == 0
    masks = re.findall(r":\s(\w+)", (tmp_path / "stdout").read_text())
    assert [int(mask, 16) for mask in masks] == [0, 0]


def test_programs_are_looked_up_in_the_childs_path(start, end, tmp_path):
    program = tmp_path / "bin" / "train"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho trained\n")
    program.chmod(0o755)
    assert end(start("train", env={"PATH": str(program.parent)})) == 0
    assert end(start("bin/train", env={})) == 0
    assert (tmp_path / "stdout").read_text() == "trained\ntrained\n"


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["no-such-program"], os.strerror(errno.ENOENT)),
        (["./missing.py"], os.strerror(errno.ENOENT)),
        (["./plain.py"], os.strerror(errno.EACCES)),
        (["./no_interpreter.py"], os.strerror(errno.ENOENT)),
        (["./binary"], os.strerror(errno.ENOEXEC)),
        (["true", "x" * (1 << 20)], os.strerror(errno.E2BIG)),
        (["true", "a\0b"], "null byte"),
        ([], "an empty command"),
    ],
)
def test_what_cannot_be_started_says_why(start, end, tmp_path, argv, problem):
    (tmp_path / "plain.py").touch()
    for name, text in (("no_interpreter.py", "#!/no/such/python\n"), ("binary", "\x7fELF")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    with pytest.raises(CannotStart, match=problem):
        start(*argv)
    assert end(start("true")) == 0  # the guard goes on


def test_a_bad_directory_a_bad_core_and_a_bad_output_file_say_so(guard, start, end, tmp_path):
    outputs = (tmp_path / "stdout", tmp_path / "stderr")
    with pytest.raises(CannotStart, match="missing: cannot be the working directory"):
        guard.start(["true"], str(tmp_path / "missing"), ENV, [], *outputs)
    with pytest.raises(CannotStart, match=r"cannot be bound to cores \[1000\]"):
        start("true", cores=(1000,))
    with pytest.raises(CannotStart, match="missing/stdout"):
        guard.start(["true"], str(tmp_path), ENV, [], tmp_path / "missing" / "stdout", outputs[1])
    assert end(start("true")) == 0


def test_there_is_one_process_at_a_time(start, end):
    process = start("sleep", 1000)
    with pytest.raises(RuntimeError, match="still runs"):
        start("true")
    process.kill()
    assert end(process) == -signal.SIGKILL


def test_the_child_is_bound_to_its_cores(start, end, tmp_path):
    core = max(os.sched_getaffinity(0))
    assert end(start("grep", "Cpus_allowed_list", "/proc/self/status", cores=(core,))) == 0
    assert (tmp_path / "stdout").read_text().split()[1] == str(core)


def test_a_large_environment_arrives(start, end, tmp_path):
    large = {f"LARGE_{i}": chr(ord("a") + i) * 50_000 for i in range(10)}
    script = "import os; print(all(os.environ[f'LARGE_{i}'] == chr(ord('a') + i) * 50_000 for i in range(10)))"
    assert end(start(sys.executable, "-c", script, env={**ENV, **large})) == 0
    assert (tmp_path / "stdout").read_text() == "True\n"


def test_bytes_that_are_no_text_arrive(start, end, tmp_path):
    odd = os.fsdecode(b"a\xff\xc3\xa4")
    assert end(start("sh", "-c", 'printf "%s %s" "$ODD" "$0"', odd, env={**ENV, "ODD": odd})) == 0
    assert (tmp_path / "stdout").read_bytes() == b"a\xff\xc3\xa4 a\xff\xc3\xa4"


def test_terminate_reaches_the_group_and_only_it(start, end, tmp_path):
    process = start(sys.executable, SCRIPTS / "leaves_processes.py", tmp_path / "pids", 1000)
    itself, plain, other_session, _ = pids_in(tmp_path / "pids")
    os.kill(process.pid, signal.SIGSTOP)  # as long as it stands still, its tree is not cleaned up
    until(lambda: state_of(process.pid) == "T")
    process.terminate()
    until(lambda: not alive(plain))
    assert alive(other_session)
    os.kill(itself, signal.SIGCONT)
    assert end(process) == -signal.SIGTERM


def test_a_script_that_ignores_sigterm_is_killed(start, end, tmp_path):
    process = start(sys.executable, SCRIPTS / "ignores_sigterm.py")
    until(lambda: (tmp_path / "stdout").read_text() == "ready\n")
    process.terminate()
    assert process.poll() is None
    process.kill()
    assert end(process) == -signal.SIGKILL
    process.terminate()
    process.kill()  # nothing is left to be killed


@pytest.mark.parametrize("how", ["ends", "is killed", "its guard is closed", "its guard is terminated"])
def test_nothing_outlives_the_child(guard, start, end, tmp_path, how):
    seconds = 0 if how == "ends" else 1000
    process = start(sys.executable, SCRIPTS / "leaves_processes.py", tmp_path / "pids", seconds)
    pids = pids_in(tmp_path / "pids")
    assert len(pids) == 4
    match how:
        case "ends":
            assert end(process) == 0
        case "is killed":
            process.kill()
            assert end(process) == -signal.SIGKILL
        case "its guard is closed":
            guard.close()
        case "its guard is terminated":
            guard._guard.terminate()
            guard._guard.wait()
    assert not any(map(alive, pids))


def test_nothing_outlives_a_rank_that_is_killed(tmp_path):
    argv = [sys.executable, SCRIPTS / "leaves_processes.py", tmp_path / "pids", "1000"]
    with subprocess.Popen(
        [sys.executable, SCRIPTS / "a_rank.py", tmp_path, *argv], env=ENV, stdout=subprocess.PIPE
    ) as rank:
        assert rank.stdout is not None
        pids = [int(rank.stdout.readline()), *pids_in(tmp_path / "pids")]
        assert all(map(alive, pids))
        rank.kill()
    until(lambda: not any(map(alive, pids)))


def test_a_trial_whose_guard_is_killed_fails_and_the_next_one_runs(guard, start, end, tmp_path):
    process = start(sys.executable, SCRIPTS / "leaves_processes.py", tmp_path / "pids", 1000)
    pids = pids_in(tmp_path / "pids")
    guard._guard.kill()
    assert end(process) == -signal.SIGKILL
    assert process.error == GUARD_KILLED
    until(lambda: not any(map(alive, pids)))
    assert end(start("sh", "-c", "exit 5")) == 5
    guard._guard.kill()
    guard._guard.wait()  # and between two trials
    assert end(start("sh", "-c", "exit 6")) == 6


def test_what_cannot_be_killed_is_left_behind_and_the_next_one_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(metaopt.process, "_GUARD", str(SCRIPTS / "stubborn_guard.py"))
    guard = Guard()
    try:
        for argv, error in ((["sleep", "1000"], LEFT_BEHIND), (["true"], "")):
            process = guard.start(argv, str(tmp_path), ENV, (), tmp_path / "stdout", tmp_path / "stderr")
            process.kill()
            until(lambda process=process: process.poll() is not None, guard)
            os.close(process.report)
            assert process.error == error
            with suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)
    finally:
        guard.close()


def test_a_kill_reaches_the_guards_own_child_only(start, end):
    with subprocess.Popen(["sleep", "1000"]) as bystander:
        process = start("sleep", 1000)
        process.kill()
        assert end(process) == -signal.SIGKILL
        assert alive(bystander.pid)
        bystander.kill()


def test_descriptors_and_zombies_do_not_pile_up(guard, tmp_path):
    def counts() -> list[int]:
        fds = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), guard._guard.pid)]
        return [*fds, len(guard_program.descendants(guard._guard.pid))]

    def run(program: str) -> None:
        process = guard.start([program], str(tmp_path), ENV, [], tmp_path / "stdout", tmp_path / "stderr")
        until(lambda: process.poll() is not None, guard)
        os.close(process.report)

    run("true")
    before = counts()
    for _ in range(300):
        run("true")
        with pytest.raises(CannotStart):
            run("no-such-program")
    until(lambda: counts() == before)


def test_a_guard_sleeps_while_its_child_runs(guard, start, end):
    def awakenings() -> int:
        return int(re.findall(r"^voluntary_ctxt_switches:\s(\d+)", status.read_text(), re.MULTILINE)[0])

    status = Path(f"/proc/{guard._guard.pid}/status")
    before = awakenings()
    assert end(start("sleep", 1)) == 0
    assert awakenings() - before < 50


def test_both_ways_to_find_children_agree(start, end, tmp_path):
    process = start(sys.executable, SCRIPTS / "leaves_processes.py", tmp_path / "pids", 1000)
    _, plain, other_session, _ = pids_in(tmp_path / "pids")
    assert set(guard_program.children_of(process.pid)) == {plain, other_session}
    assert set(guard_program.children_by_scan()(process.pid)) == {plain, other_session}
    process.kill()
    end(process)


def test_rubbish_in_the_report_pipe_is_passed_over(start, end):
    process = start(sys.executable, SCRIPTS / "garbage.py")
    points, reports = points_of(process)
    assert points == [(1, {"loss": 0.5})] * 3
    assert reports.garbage == 8
    assert end(process) == 0


def test_a_flood_of_output_needs_little_memory(start, end, tmp_path):
    tail = Tail(tmp_path / "stdout", Patterns({"loss": r"loss=(\S+)"}))
    process = start(sys.executable, SCRIPTS / "floods.py")
    points: list[Point] = []
    tracemalloc.start()
    over = False
    while not over:
        ended = process.poll() is not None
        new, all_read = tail.read(last=ended)
        points += new
        over = ended and all_read
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert end(process) == 0
    assert (tmp_path / "stdout").stat().st_size == 10**8
    assert points == [(n + 1, {"loss": float(n)}) for n in range(100)]
    assert peak_bytes < 8_000_000
    assert tail_of(tmp_path / "stdout", lines=1).strip() == "loss=99"


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a", b"b\nc", b"\n"], [b"ab", b"c"]),
        ([b"10%\r20%\r\n", b"end"], [b"10%", b"20%", b"end"]),
        ([b"\n\n"], []),
        ([b"x" * 40_000, b"x" * 40_000, b"xx", b"\na\n"], [b"x" * LIMIT_BYTES, b"a"]),
        ([b"x" * 200_000 + b"\na"], [b"x" * LIMIT_BYTES, b"a"]),
        ([b"x" * 200_000, b"x"], [b"x" * LIMIT_BYTES]),
    ],
)
def test_lines(chunks, lines):
    cutter = Lines()
    found = [line for chunk in chunks for line in cutter.feed(chunk)]
    assert [*found, *cutter.feed(b"", last=True)] == lines


LOSS = {"loss": r"loss[=:] *(\S+)"}
BOTH = {**LOSS, "acc": r"acc=(\S+)"}
STEPS = {**LOSS, "step": r"epoch (\d+)"}


@pytest.mark.parametrize(
    ("patterns", "printed", "points"),
    [
        (LOSS, "loss=1\nnothing\nloss: 0.5", [(1, {"loss": 1.0}), (2, {"loss": 0.5})]),
        (LOSS, "loss=much\nloss=2", [(1, {"loss": 2.0})]),
        (LOSS, "\x1b[32mloss=\x1b[1m3\x1b[0m\n", [(1, {"loss": 3.0})]),
        (LOSS, "loss=1e-3\rloss=inf\r", [(1, {"loss": 0.001}), (2, {"loss": float("inf")})]),
        (BOTH, "loss=1 acc=2\nacc=3\nloss=4", [(1, {"loss": 1.0, "acc": 2.0}), (2, {"acc": 3.0}), (2, {"loss": 4.0})]),
        (BOTH, "acc=3\nloss=1 acc=2", [(1, {"acc": 3.0}), (1, {"loss": 1.0}), (2, {"acc": 2.0})]),
        (
            STEPS,
            "loss=9\nepoch 3\nloss=2\nepoch 0 loss=1",
            [(1, {"loss": 9.0}), (3, {"loss": 2.0}), (0, {"loss": 1.0})],
        ),
        ({"loss": r"a=(\d)|b=(\d)"}, "a=1\nb=2", [(1, {"loss": 1.0}), (2, {"loss": 2.0})]),
        ({"loss": r"^[\d.]+$"}, "0.5\n", [(1, {"loss": 0.5})]),
    ],
)
def test_metrics_in_what_is_printed(tmp_path, patterns, printed, points):
    path = tmp_path / "stdout"
    tail = Tail(path, Patterns(patterns))
    assert tail.read() == ([], True)  # it is not there yet
    path.write_text(printed, newline="")
    found, all_read = tail.read(limit_bytes=4)
    while not all_read:
        new, all_read = tail.read(limit_bytes=4)
        found += new
    assert found + tail.read(last=True)[0] == points
    assert tail.read(last=True) == ([], True)


@pytest.mark.parametrize(("patterns", "steps"), [(LOSS, [8, 9]), (STEPS, [8, 1])])
def test_steps_that_are_counted_go_on_from_those_of_the_attempt_before(patterns, steps):
    parser = Patterns({**patterns, "other": "other=(.*)"}, after={"loss": 7, "other": 20})
    assert len(parser.unheard()) == len(patterns) + 1
    assert [parser.points(line)[0][0] for line in (b"loss=1", b"epoch 1 loss=1")] == steps
    assert len(parser.unheard()) == 1
    assert parser.points(b"other=3")[0][0] == (1 if "step" in patterns else 21)


def test_what_an_earlier_attempt_has_printed_is_passed_over(tmp_path):
    path = tmp_path / "stdout"
    path.write_text("loss=1\n")
    tail = Tail(path, Patterns(LOSS))
    with path.open("a") as file:
        file.write("loss=2\n")
    assert tail.read(last=True) == ([(1, {"loss": 2.0})], True)


def test_tail_of_a_file(tmp_path):
    path = tmp_path / "stderr"
    assert tail_of(path) == ""
    path.write_bytes(b"x" * 10**6 + b"\n\xff\nlast\n")
    assert tail_of(path, 1) == "last"
    assert tail_of(path, 2) == "\ufffd\nlast"
    assert tail_of(path, limit_bytes=10) == "xx\n\ufffd\nlast"


@pytest.mark.parametrize(
    ("command", "filled"),
    [
        ("train --lr {lr}", "train --lr 0.0001"),
        ("train --lr={lr} {tiny}", "train --lr=0.0001 1e-05"),
        ("{name}-{lr}", "net-0.0001"),
        ("{on} {off} {nothing} {n}", "true false null 3"),
        ("{{lr}} {{gone}}", "{lr} {gone}"),
        ('{"a":1} {} { lr } {a-b} ${x', '{"a":1} {} { lr } {a-b} ${x'),
        ("--m {momentum} end", "end"),
        ("-m {momentum} end", "end"),
        ("--m={momentum} end", "end"),
        ("--m m={momentum} end", "--m end"),
        ("pos {momentum} end", "pos end"),
        ("-- {momentum} - {momentum}", "-- -"),
        ("--k=1 {momentum}", "--k=1"),
        ("--{name} {momentum}", "--net"),
        ("--{gone} {momentum} end", "end"),
        ("--a {momentum} {momentum} end", "end"),
        ("x{lr}{momentum} end", "end"),
    ],
)
def test_placeholders(command, filled):
    values = {"lr": 0.0001, "tiny": 1e-05, "name": "net", "on": True, "off": False, "nothing": None, "n": 3}
    assert fill(command.split(" "), values) == filled.split(" ")


def test_values_with_spaces_and_braces_stay_one_argument():
    assert fill(["--x", "{a}"], {"a": "two words {b}"}) == ["--x", "two words {b}"]


LAUNCHERS = [
    *("OMPI_COMM_WORLD_RANK", "OMPI_MCA_mpi_ft_enable", "OPAL_PREFIX", "PMIX_RANK", "PRTE_MCA_x", "ORTE_x"),
    *("PMI_FD", "PMI2_x", "HYDI_CONTROL_FD", "HYDRA_x", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "PALS_RANKID"),
    *("MPIR_CVAR_CH3_INTERFACE_HOSTNAME", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS"),
    *("SLURM_NPROCS", "SLURM_STEP_ID", "SLURM_STEPID", "SLURM_STEP_NUM_TASKS", "SLURM_TASK_PID", "SLURM_GTIDS"),
    *("SLURM_MPI_TYPE", "SLURM_LAUNCH_NODE_IPADDR", "SLURM_SRUN_COMM_HOST", "FLUX_TASK_RANK"),
    *("METAOPT_TRIAL_DIR", "METAOPT_REPORT"),
]
OTHERS = [
    *("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "SLURM_JOB_ID", "SLURM_CPUS_PER_TASK"),
    *("PATH", "OMP_NUM_THREADS"),
]


def test_the_environment_of_a_launcher_does_not_reach_the_child():
    found = environment(dict.fromkeys(LAUNCHERS + OTHERS, "1"), {"METAOPT_TRIAL_DIR": "mine"})
    assert found == {**dict.fromkeys(OTHERS, "1"), "METAOPT_TRIAL_DIR": "mine"}


def test_a_worker_loads_little_for_this():
    code = "import sys; before = set(sys.modules); import metaopt.process, metaopt.tail; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], env=ENV, check=True, capture_output=True, text=True).stdout
    assert not re.search(r"\b(numpy|yaml|scipy|asyncio|multiprocessing)\b", loaded)
