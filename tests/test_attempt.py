"""How an attempt ended, when it was asked to end."""

import select
from dataclasses import replace

import pytest

from metaopt.attempt import Attempt
from metaopt.devices.base import Device
from metaopt.messages import Assign, Welcome
from metaopt.process import Guard

WELCOME = Welcome(("true",), "/", "", {"loss": r"loss=(\S+)"}, None, 60.0, None, 1)
SAVES = "trap 'exit 0' TERM; for step in 1 2 3; do echo loss=$step; done; while :; do sleep 0.01; done"


@pytest.fixture
def begin(tmp_path):
    guard = Guard()

    def begin(script, **changes):
        about = {"command": ("sh", "-c", script), "trials": str(tmp_path), "directory": str(tmp_path)} | changes
        welcome = replace(WELCOME, **about)
        return Attempt(1, Assign(1, 0, 1, {}), welcome, guard, Device("", (), {})), guard

    yield begin
    guard.close()


def concluded(attempt):
    while not attempt.over:
        attempt.wait(0.05)
        attempt.listen()
        attempt.next_word()
    return attempt.conclude()


def end(attempt):
    return concluded(attempt).outcome


def test_a_script_that_had_ended_before_it_was_asked_to_has_completed(begin, tmp_path):
    attempt, guard = begin("until [ -e go ]; do sleep 0.01; done; echo loss=1")
    (tmp_path / "go").touch()
    select.select([guard], [], [], 60)  # it has ended, and nobody has looked yet
    attempt.stop("interrupted")
    assert end(attempt) == "completed"


@pytest.mark.parametrize(("last", "outcome"), [(3, "completed"), (4, "stopped"), (None, "stopped")])
def test_who_ends_well_when_asked_has_completed_if_it_has_come_to_the_last_step(begin, last, outcome):
    attempt, _ = begin(SAVES)
    words = []
    while sum(len(word.points) for word in words) < 3:
        attempt.wait(0.05)
        attempt.listen()
        words += filter(None, [attempt.next_word()])
    attempt.stop("interrupted", last)
    assert end(attempt) == outcome


def test_who_does_not_end_well_has_been_stopped(begin):
    attempt, _ = begin(SAVES.replace("exit 0", "exit 1"))
    attempt.wait(0.05)
    attempt.stop("pruned", 3)
    assert end(attempt) == "stopped"


def test_who_has_to_be_killed_is_told_of(begin):
    attempt, _ = begin(SAVES.replace("exit 0", ""), grace=0.2)
    while attempt.next_word() is None:  # it is there, and deaf
        attempt.wait(0.05)
        attempt.listen()
    attempt.stop("paused")
    finished = concluded(attempt)
    assert finished.outcome == "stopped"
    assert finished.error == "had not ended 0.2 s after SIGTERM, and was killed"


def test_that_who_has_run_too_long_had_to_be_killed_is_told_too(begin):
    attempt, _ = begin("trap '' TERM; while :; do sleep 0.05; done", grace=0.2, timeout=0.2)
    finished = concluded(attempt)
    assert finished.outcome == "failed"
    overdue = "it had not ended 0.2 s after SIGTERM, and was killed"
    assert finished.error.splitlines()[0] == f"timeout: it ran longer than 0.2 s; {overdue}"
