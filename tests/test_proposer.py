"""The optimizer in its own process: what it is told, what it answers, and what happens when it dies."""

import os
import signal
import sys

import pytest
from running import until

from metaopt.messages import Observe, Suggest
from metaopt.optimizers import make
from metaopt.plugins import Choice
from metaopt.proposer import InlineProposer, ProcessProposer

SPACE = {"lr": "loguniform(1e-4, 1)", "width": "integer(8, 256, log)"}
BAD = """
class Raises:
    def __init__(self, space, seed, *, after=0):
        self.asked, self.after = 0, after

    def ask(self, count, pending):
        self.asked += 1
        if self.asked > self.after:
            raise ValueError("not today")
        return [{"lr": 0.5, "width": 8}] * count

    def tell(self, params, value):
        pass
"""


@pytest.fixture
def started():
    proposers = []
    yield lambda *arguments: proposers.append(ProcessProposer(*arguments)) or proposers[-1]
    for proposer in proposers:
        proposer.close()


def answer(proposer):
    events = until(proposer.receive, "an answer")
    assert not proposer.thinking
    return events[0].params


@pytest.mark.parametrize("rule", ["random", "sobol", "gp"])
def test_a_process_suggests_what_the_optimizer_does(started, rule):
    inline = InlineProposer(make(rule, SPACE, seed=3))
    process = started(Choice(rule), SPACE, 3)
    for proposer in (inline, process):
        for trial in range(14):
            proposer.send(Observe(trial, {"lr": 0.1 / (trial + 1), "width": 8 + trial}, float(trial)))
        proposer.send(Suggest(3, ({"lr": 0.3, "width": 100},)))
    assert process.thinking
    assert list(answer(process)) == list(inline.receive()[0].params)
    assert process.warnings() == []


def test_a_failed_trial_is_told_as_nan(started):
    proposer = started(Choice("gp"), SPACE, 1)
    for trial in range(12):
        proposer.send(Observe(trial, {"lr": 0.1, "width": 8 + trial}, float("nan")))
    proposer.send(Suggest(1, ()))
    assert len(answer(proposer)) == 1
    assert proposer.warnings() == []


@pytest.fixture
def bad(tmp_path, monkeypatch):
    (tmp_path / "bad.py").write_text(BAD)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("bad", None)


@pytest.mark.usefixtures("bad")
def test_an_optimizer_that_raises_is_replaced_and_told(started):
    proposer = started(Choice("bad:Raises", {"after": 1}), SPACE, 1)
    proposer.send(Suggest(1, ()))
    assert answer(proposer) == ({"lr": 0.5, "width": 8},)
    proposer.send(Observe(0, {"lr": 0.5, "width": 8}, 1.0))
    proposer.send(Suggest(2, ()))
    points = answer(proposer)
    assert len(points) == 2
    assert points[0] != points[1]
    (note,) = proposer.warnings()
    assert "random points are used from here on" in note
    assert "ValueError: not today" in note


def test_an_optimizer_whose_process_is_killed_is_replaced(started):
    proposer = started(Choice("gp"), SPACE, 1)
    proposer.send(Suggest(1, ()))
    answer(proposer)
    os.kill(proposer.pid, signal.SIGKILL)
    proposer.send(Observe(0, {"lr": 0.5, "width": 8}, 1.0))
    proposer.send(Suggest(2, ()))
    assert len(answer(proposer)) == 2
    assert "its process ended (-9)" in proposer.warnings()[0]


def test_rank_0_is_never_blocked_by_an_optimizer_that_does_not_read(started):
    proposer = started(Choice("random"), SPACE, 1)
    os.kill(proposer.pid, signal.SIGSTOP)
    for trial in range(5000):
        proposer.send(Observe(trial, {"lr": 0.5, "width": 8}, 1.0))
    proposer.send(Suggest(1, ()))
    assert proposer.receive() == []
    os.kill(proposer.pid, signal.SIGCONT)
    assert len(answer(proposer)) == 1
