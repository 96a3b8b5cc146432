"""A disk that takes nothing more, for a while or to the end: the run goes on, says so, and loses nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from running import processes, until
from test_resume import check, completed

from metaopt.trial import State

GATED = """
import os, sys, time
import metaopt
while not os.path.exists("go" + sys.argv[2]):
    time.sleep(0.02)
for step in range(1, 301):  # more than fits in what is left of the journal's last page
    metaopt.report(step=step, loss=float(sys.argv[1]) + 1 / step)
"""
COMMAND = [sys.executable, "script.py", "{x}", "{trial}"]


class Disk:
    """A small file system of its own, which can be full or read-only."""

    def __init__(self, place):
        self.place, self._mounts = place, 0
        place.mkdir(parents=True)
        self._mount("-t", "tmpfs", "-o", "size=1m", "tmpfs")

    def _mount(self, *arguments):
        said = subprocess.run(["mount", *arguments, self.place], check=False, capture_output=True, text=True)
        if said.returncode:
            pytest.skip(f"no file system can be mounted here: {said.stderr.strip()}")
        self._mounts += 1

    def refuse(self, how):
        if how == "full":
            with suppress(OSError), (self.place / "filler").open("wb", buffering=0) as file:
                while file.write(b"x" * 4096):
                    pass
            assert os.statvfs(self.place).f_bavail == 0
        else:
            self._mount(
                "--bind", self.place
            )  # what is open already stays writable, as on a file server that fails over
            self._mount("-o", "remount,bind,ro", self.place)
            self._mounts -= 1

    def take_again(self):
        if self._mounts > 1:
            self._unmount()
        else:
            (self.place / "filler").unlink()

    def _unmount(self):
        subprocess.run(["umount", "-l", self.place], check=True)
        self._mounts -= 1

    def close(self):
        while self._mounts:
            self._unmount()


@pytest.fixture
def disk(site, request):
    """The disk of the history, of the trials' directory, or of both."""
    what = request.param
    disk = Disk(site.history / "trials" if what == "trials" else site.history)
    if what == "history":
        (site.directory / "elsewhere").mkdir()
        (site.history / "trials").symlink_to(site.directory / "elsewhere")
    yield disk
    disk.close()


class Run:
    """A run on two workers whose trials wait to be let ``go``; what it says is heard while it runs."""

    def __init__(self, site, trials):
        self.site, self.lines = site, []
        site.experiment(GATED, command=COMMAND, trials=trials, metrics={})
        self.process = site.start("run", "-w", "2", "exp.yaml")
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()
        site.wait_for("Started", 2)

    def _listen(self):
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def said(self):
        return "".join(list(self.lines))

    def go(self, *trials):
        for trial in trials:
            self.site.write(f"go{trial}", "")

    def hear(self, text, count=1):
        until(lambda: self.said.count(text) >= count or self.process.poll() is not None, text)
        assert self.said.count(text) >= count, self.said

    def end(self):
        status = self.process.wait(60)
        self._ear.join()
        return status


@pytest.mark.parametrize("disk", ["history"], indirect=True)
@pytest.mark.parametrize(("how", "why"), [("full", "No space left on device"), ("read-only", "Read-only file system")])
def test_a_history_that_cannot_be_written_for_a_while_lacks_nothing_afterwards(site, disk, how, why):
    run = Run(site, 4)
    disk.refuse(how)
    run.go(0, 1)
    run.hear(f"warning: the history cannot be written: {why}")
    disk.take_again()
    site.wait_for("Finished", 2)
    run.hear("the history is being written again")
    run.go(2, 3)
    assert run.end() == 0, run.said
    check(site, 4)
    assert all(len(trial.points) == 300 for trial in site.load().trials.values())


@pytest.mark.parametrize("disk", ["history"], indirect=True)
def test_a_history_that_stays_full_is_an_error_and_the_same_command_takes_in_what_has_finished(site, disk):
    run = Run(site, 4)
    disk.refuse("full")
    run.go(0, 1)
    run.hear("warning: the history cannot be written: No space left on device")
    until(lambda: len(list(site.history.glob("trials/[01]/outcome.json"))) == 2, "the outcomes")
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 1, run.said
    assert "metaopt: the history lacks the last" in run.said
    assert "the same command goes on" in run.said
    assert "completed, loss" not in run.said
    assert "Traceback" not in run.said
    assert not completed(site.records())
    disk.take_again()
    run.go(2, 3)
    status, output = site.run()
    assert status == 0, output
    check(site, 4)
    assert [site.load().trials[number].attempts for number in (0, 1)] == [1, 1]


@pytest.mark.parametrize("disk", ["trials"], indirect=True)
@pytest.mark.parametrize(("how", "why"), [("full", "No space left on device"), ("read-only", "Read-only file system")])
def test_trials_whose_outcomes_cannot_be_kept_are_in_the_history_all_the_same(site, disk, how, why):
    run = Run(site, 2)
    disk.refuse(how)
    run.go(0, 1)
    assert run.end() == 0, run.said
    for trial in (0, 1):
        assert f"warning: trial {trial}: its outcome.json cannot be written: {why}" in run.said
    assert not list(disk.place.glob("*/outcome.json"))
    check(site, 2)


@pytest.mark.parametrize("disk", ["trials"], indirect=True)
def test_a_trial_that_begins_while_its_disk_is_full_is_run(site, disk):
    run = Run(site, 3)
    disk.refuse("full")
    run.go(0, 1, 2)
    assert run.end() == 0, run.said
    assert "warning: trial 2: its params.json cannot be written: No space left on device" in run.said
    check(site, 3)


@pytest.mark.parametrize("disk", ["trials"], indirect=True)
def test_trials_that_cannot_begin_for_their_disk_wait_for_it(site, disk):
    run = Run(site, 4)
    disk.refuse("read-only")
    run.go(0, 1, 2, 3)
    run.hear("waits, since its directory cannot be written: [Errno 30] Read-only file system", 2)
    disk.take_again()
    assert run.end() == 0, run.said
    check(site, 4)


@pytest.mark.parametrize("disk", ["both"], indirect=True)
def test_results_that_nothing_has_kept_are_named_and_their_trials_are_run_again(site, disk):
    run = Run(site, 4)
    disk.refuse("full")
    run.go(0, 1)
    run.hear("its outcome.json cannot be written", 2)
    run.hear("warning: the history cannot be written: No space left on device")
    run.hear(" completed loss=", 2)
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 1, run.said
    for trial in (0, 1):
        assert f"    trial {trial}: completed, loss = " in run.said
    assert "runs these trials" in run.said
    assert "Traceback" not in run.said
    disk.take_again()
    run.go(2, 3)
    status, output = site.run()
    assert status == 0, output
    check(site, 4)


@pytest.mark.parametrize("disk", ["both"], indirect=True)
def test_a_disk_that_is_full_from_the_beginning_is_refused_and_leaves_no_claim(site, disk):
    disk.refuse("full")
    status, output = site.run()
    assert status == 2, output
    assert "cannot be written: No space left on device" in output
    assert "Traceback" not in output
    assert [path.name for path in disk.place.iterdir() if path.stat().st_size] == ["filler"]
    assert not (disk.place / "writer").exists()


def test_the_outcome_of_another_attempt_is_not_taken_for_that_of_this_one(site):
    run = {"worker": 1, "trial": 0, "attempt": 1}
    outcome = {**run, "points": [[1, {"loss": -5.0}]], "outcome": "completed", "error": ""}
    (site.history / "trials" / "0").mkdir(parents=True)
    (site.history / "trials" / "0" / "outcome.json").write_text(json.dumps(outcome))
    first = Run(site, 2)
    rank0, *workers = (pid for _, pid in sorted(site.ranks().items()))
    os.kill(rank0, signal.SIGSTOP)  # hears of nobody's death, as when the node goes down
    for pid in [*workers, rank0]:
        os.kill(pid, signal.SIGKILL)
    assert first.end() != 0
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")
    first.go(0, 1)
    status, output = site.run()
    assert status == 0, output
    trial = site.load().trials[0]
    assert trial.state is State.COMPLETED
    assert trial.objective > 0
