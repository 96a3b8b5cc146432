"""What a training script says to metaopt, from inside and outside of it."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from metaopt import reporting
from metaopt.process import Guard, Process, environment
from metaopt.tail import Lines, Reports, Tail, points_in

SCRIPTS = Path(__file__).parent / "data" / "scripts"
ENV = {**environment(os.environ), "PYTHONPATH": str(Path(__file__).parents[1])}
PATIENCE = 5.0


class Trial:
    """A script under a guard, and what it says."""

    def __init__(self, guard: Guard, directory: Path) -> None:
        self._guard, self.directory = guard, directory
        self.process: Process | None = None
        self.points: list = []

    def start(self, *argv: object) -> None:
        """Run it as a worker does."""
        file = str(self.directory / "reports.jsonl")
        self._lines, self._reports = Lines(), Reports()
        self._tail = Tail(file, self._reports)
        self._lines, self._reports = Lines(), Reports()
        self._tail = Tail(file, self._reports)
        env = {**ENV, reporting.FILE: file, reporting.TRIAL_DIR: str(self.directory)}
        outputs = (self.directory / "stdout", self.directory / "stderr")
        self.process = self._guard.start([str(word) for word in argv], str(self.directory), env, [], *outputs)

    def listen(self) -> bool:
        """Take in what comes next in the pipe; false when nobody can write to it any more."""
        assert self.process is not None
        assert select.select([self.process.report], [], [], PATIENCE)[0], "it says nothing"
        chunk = os.read(self.process.report, 1 << 16)
        self.points += points_in(self._lines.feed(chunk), self._reports)
        return bool(chunk)

    def end(self) -> int:
        """Take in the rest; returns the exit status."""
        assert self.process is not None
        while self.listen():
            pass
        deadline = time.monotonic() + PATIENCE
        while (code := self.process.poll()) is None:
            assert time.monotonic() < deadline
            select.select([self._guard], [], [], 0.01)
        self.points += self._tail.read(last=True)[0]
        assert self._reports.garbage == 0
        return code


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    guard = Guard()
    trial = Trial(guard, tmp_path)
    yield trial
    guard.close()
    if trial.process is not None:
        os.close(trial.process.report)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    """A reporting module of a fresh process, with a pipe to a reader."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    pipe = os.fstat(theirs)
    monkeypatch.setenv(reporting.PIPE, f"{theirs}:{pipe.st_dev}:{pipe.st_ino}")
    for name, value in (("_count", 0), ("_file", None), ("_closed", False)):
        monkeypatch.setattr(reporting, name, value)
    yield lambda: points_in(Lines().feed(os.read(ours, 1 << 16)), Reports())
    os.close(ours)
    os.close(theirs)


REPORTED = [(1, {"loss": 0.5}), (20, {"loss": 0.25, "accuracy": 1.0}), (2.5, {"loss": float("nan")})]


def test_a_script_reports(trial):
    trial.start(sys.executable, SCRIPTS / "reports.py")
    assert trial.end() == 0
    assert repr(trial.points) == repr(REPORTED)
    assert not (trial.directory / "reports.jsonl").exists()


@pytest.mark.parametrize("file_3", [False, True])
def test_a_launcher_that_closes_descriptors_is_no_obstacle(trial, file_3):
    launch = "import subprocess, sys; subprocess.run([sys.executable, sys.argv[1]], close_fds=True, check=True)"
    if file_3:  # and another file is given the pipe's number
        launch = (
            "import os, runpy, sys; os.close(3); assert os.open('mine', os.O_CREAT | os.O_WRONLY) == 3;"
            "runpy.run_path(sys.argv[1], run_name='__main__'); assert os.fstat(3).st_size == 0"
        )
    trial.start(sys.executable, "-c", launch, SCRIPTS / "reports.py")
    assert trial.end() == 0
    assert repr(trial.points) == repr(REPORTED)


def test_many_processes_may_report_at_once(trial):
    code = (
        "import metaopt, os\n"
        "pids = [os.fork() for _ in range(3)]\n"
        "for step in range(200):\n"
        "    metaopt.report(step=step, **{f'metric_{i}': step for i in range(150)})\n"
        "for pid in filter(None, pids):\n"
        "    try: os.waitpid(pid, 0)\n"
        "    except ChildProcessError: pass  # it is another process's child\n"
    )
    trial.start(sys.executable, "-c", code)
    assert trial.end() == 0
    assert len(trial.points) == 8 * 200
    assert all(len(metrics) == 150 and set(metrics.values()) == {step} for step, metrics in trial.points)


def test_calls_are_counted_over_all_attempts_where_a_script_goes_on(said, monkeypatch):
    monkeypatch.setenv(reporting.AFTER, "7")
    for step in (None, 20, None):
        reporting.report(step, loss=1)
    assert [step for step, _ in said()] == [8, 20, 10]


def test_outside_of_metaopt_a_script_runs_by_itself(tmp_path):
    code = (
        "import metaopt, signal\n"
        "metaopt.report(loss=1)\n"
        "print(metaopt.should_stop(), signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, metaopt.checkpoint_dir())"
    )
    env = {name: value for name, value in ENV.items() if not name.startswith("METAOPT_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, check=True, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("False True checkpoints\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


def test_a_pipe_without_a_reader_is_no_error(trial, tmp_path):
    code = "import metaopt\nwhile open('go').read() == '':\n    pass\nfor i in range(3):\n    metaopt.report(loss=i)"
    (tmp_path / "go").touch()
    trial.start(sys.executable, "-c", code)
    os.close(trial.process.report)
    trial.process.report = os.open(os.devnull, os.O_RDONLY)
    (tmp_path / "go").write_text("go")
    assert trial.end() == 0
    assert trial.points == []


def test_asked_to_stop_a_script_saves_and_what_it_has_forked_ends(trial):
    trial.start(sys.executable, SCRIPTS / "stops_when_asked.py")
    trial.listen()
    assert trial.points == [(1, {"loss": 1.0})]
    trial.process.terminate()
    assert trial.end() == 0
    assert (trial.directory / "checkpoints" / "saved").read_text() == "True"


def test_a_handler_of_the_scripts_own_stays(monkeypatch):
    monkeypatch.setenv(reporting.PIPE, "3:0:0")
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        own = signal.getsignal(signal.SIGTERM)
        assert reporting.should_stop() is False
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


class Scalar:
    """As numpy's and torch's scalars: a number by way of __float__ only."""

    def __init__(self, *values: float) -> None:
        self._values = values

    def __float__(self) -> float:
        if len(self._values) != 1:
            problem = "only one element can be converted"
            raise RuntimeError(problem)
        return self._values[0]


def test_anything_with_one_number_in_it_is_a_value(said):
    reporting.report(Scalar(3.0), a=Scalar(0.5), b=Decimal("0.25"), c=True, d=float("-inf"))
    reporting.report(a=2)
    assert said() == [(3, {"a": 0.5, "b": 0.25, "c": 1.0, "d": float("-inf")}), (2, {"a": 2.0})]


@pytest.mark.parametrize("value", ["0.5", None, [1.0], 1j, Scalar(1.0, 2.0), 10**400])
def test_what_is_no_number_is_refused_by_name(said, value):
    with pytest.raises(TypeError, match="accuracy"):
        reporting.report(step=1, loss=1.0, accuracy=value)
    with pytest.raises(TypeError, match="the step is no number"):
        reporting.report(step=value or "", loss=1.0)
    with pytest.raises(BlockingIOError):
        said()


def test_a_step_is_finite_and_a_report_is_short(said):
    with pytest.raises(ValueError, match="finite"):
        reporting.report(step=float("nan"), loss=1.0)
    with pytest.raises(ValueError, match="300 metrics"):
        reporting.report(**{f"a_metric_{i}": i for i in range(300)})
    with pytest.raises(BlockingIOError):
        said()


@pytest.mark.parametrize(
    "line",
    [
        *("x", "[]", "1", "null", "{}", '{"step":1}', '{"step":1,"metrics":{}}', '{"step":1,"metrics":[1]}'),
        *('{"step":null,"metrics":{"a":1}}', '{"step":NaN,"metrics":{"a":1}}', '{"step":1,"metrics":{"a":"1"}}'),
        *('{"step":true,"metrics":{"a":1}}', '{"step":1,"metrics":{"a":null}}', "[" * 60_000),
        *(f'{{"step":1,"metrics":{{"a":1{"0" * 400}}}}}', f'{{"step":1{"0" * 400},"metrics":{{"a":1}}}}'),
    ],
)
def test_a_line_that_is_no_report_is_counted(line):
    reports = Reports()
    assert reports.points(line.encode()) == []
    assert reports.garbage == 1


def test_loading_it_loads_next_to_nothing():
    code = "import sys; before = set(sys.modules); from metaopt import report; print(*set(sys.modules) - before)"
    code = f"import sys; sys.path.insert(0, {ENV['PYTHONPATH']!r}); {code}"
    argv = [sys.executable, "-I", "-S", "-c", code]
    loaded = set(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split())
    assert "metaopt.reporting" in loaded
    assert not {"json", "signal", "threading", "subprocess", "dataclasses", "metaopt.messages"} & loaded


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("value", [(0.3,), ({"loss": 1},)])
def test_a_report_of_a_value_without_a_name_says_how_it_is_called_with_metaopt_around_it_and_without(
    request, monkeypatch, value, around
):
    if around:
        request.getfixturevalue("said")
    else:
        monkeypatch.delenv(reporting.PIPE, raising=False)
    with pytest.raises(TypeError, match=r"names no metric: write metaopt.report\(step=3, loss=0.3\)"):
        reporting.report(*value)
    reporting.report()  # as report(**found) is, when nothing was
    reporting.report(step=3)
