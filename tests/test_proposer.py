"""The optimizer in its own process: what it is told, what it answers, and what happens when it dies."""

import os
import signal
import sys

import pytest
from running import until

from metaopt.errors import OptimizerGone, PluginError
from metaopt.messages import Expect, Observe, Suggest, Watch
from metaopt.optimizers import make
from metaopt.plugins import Choice
from metaopt.proposer import InlineProposer, ProcessProposer

SPACE = {"lr": "loguniform(1e-4, 1)", "width": "integer(8, 256, log)"}
BAD = """
class Raises:
    def __init__(self, space, seed, *, after=0):
        self.asked, self.after = 0, 1 / (after + 1) and after

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
        proposer.send(Expect(14, {"lr": 0.3, "width": 100}))
        proposer.send(Suggest(3))
    assert process.thinking
    assert list(answer(process)) == list(inline.receive()[0].params)
    assert process.warnings() == []


@pytest.mark.parametrize("rule", ["random", "gp"])
def test_a_process_hears_of_curves_and_may_name_paused_trials(started, rule):
    settings = {"curves": True} if rule == "gp" else {}
    inline, process = InlineProposer(make(rule, SPACE, seed=3, **settings)), started(Choice(rule, settings), SPACE, 3)
    points = [{"lr": 10.0 ** -(1 + trial / 5), "width": 8 + trial} for trial in range(15)]
    for proposer in (inline, process):
        for trial, params in enumerate(points):
            loss = abs(trial - 7.0)
            proposer.send(Watch(trial, params, ((1, loss + 2.0), (2, loss + 1.0)), 20.0))
            if trial != 7:
                proposer.send(Observe(trial, params, float("nan")))
        proposer.send(Expect(7, points[7], paused=True))
        proposer.send(Suggest(2))
    (ours,), (theirs,) = inline.receive(), until(process.receive, "an answer")
    assert (list(ours.params), [*map(tuple, theirs.thawed)]) == (list(theirs.params), list(ours.thawed))
    assert [number for number, _ in ours.thawed] == ([7] if rule == "gp" else [])
    assert len(ours.params) + len(ours.thawed) == 2


def test_what_is_under_way_is_known_until_it_is_observed_and_what_is_paused_until_it_goes_on():
    class Listens:
        def __init__(self):
            self.heard = []

        def ask(self, count, pending):
            self.heard.append([*pending])
            return []

        def plan(self, count, pending, paused):
            self.heard.append(([*pending], [*paused]))
            return [], []

        def tell(self, params, value):
            pass

        def watch(self, *curve):
            pass

    proposer = InlineProposer(Listens())
    for words in (
        [Expect(0, {"x": 0}), Expect(1, {"x": 1})],
        [Observe(0, {"x": 0}, 0.5), Expect(2, {"x": 2}, paused=True)],
        [Expect(1, {"x": 1}, paused=True)],
        [Expect(2, {"x": 2})],
        [Observe(1, {"x": 1}, float("nan"))],
    ):
        for word in (*words, Suggest(1)):
            proposer.send(word)
    assert proposer._respondent._optimizer.heard == [
        [{"x": 0}, {"x": 1}],
        ([{"x": 1}, {"x": 2}], [2]),
        ([{"x": 1}, {"x": 2}], [1, 2]),
        ([{"x": 1}, {"x": 2}], [1]),
        [{"x": 2}],
    ]


def test_a_failed_trial_is_told_as_nan(started):
    proposer = started(Choice("gp"), SPACE, 1)
    for trial in range(12):
        proposer.send(Observe(trial, {"lr": 0.1, "width": 8 + trial}, float("nan")))
    proposer.send(Suggest(1))
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
    proposer.send(Suggest(1))
    assert answer(proposer) == ({"lr": 0.5, "width": 8},)
    proposer.send(Observe(0, {"lr": 0.5, "width": 8}, 1.0))
    proposer.send(Suggest(2))
    points = answer(proposer)
    assert len(points) == 2
    assert points[0] != points[1]
    (note,) = proposer.warnings()
    assert "random points are used from here on" in note
    assert "ValueError: not today" in note


@pytest.mark.usefixtures("bad")
def test_an_optimizer_that_cannot_be_made_is_refused(started):
    proposer = started(Choice("bad:Raises", {"after": -1}), SPACE, 1)
    with pytest.raises(PluginError, match=r"with after: -1: ZeroDivisionError: .* \(.*bad.py:4\)\n  Correct its"):
        until(proposer.receive, "an answer")
    assert not proposer.made


@pytest.mark.usefixtures("bad")
def test_once_the_run_has_begun_one_that_cannot_be_made_is_replaced(started):
    proposer = started(Choice("bad:Raises", {"after": -1}), SPACE, 1)
    proposer.insists = False
    proposer.send(Suggest(2))
    assert len(answer(proposer)) == 2
    (note,) = proposer.warnings()
    assert "random points are used from here on: optimizer 'bad:Raises' cannot be made" in note


@pytest.mark.usefixtures("bad")
def test_one_that_could_be_made_before_is_replaced_when_it_cannot_be_made_again(started, tmp_path):
    proposer = started(Choice("bad:Raises", {"after": 1}), SPACE, 1)
    until(lambda: proposer.receive() or proposer.made, "the optimizer")
    (tmp_path / "bad.py").write_text("raise ValueError('not again')")
    os.kill(proposer.pid, signal.SIGKILL)
    notes = []
    until(lambda: proposer.receive() or notes.extend(proposer.warnings()) or len(notes) == 2, "two notes")
    assert "cannot be imported: ValueError: not again" in notes[1]
    proposer.send(Suggest(2))
    assert len(answer(proposer)) == 2


CHATTY = """
import subprocess
class Chatty:
    def __init__(self, space, seed):
        print("fitting...")

    def ask(self, count, pending):
        subprocess.run(["echo", "asked"], check=True)
        return [{"lr": 0.5, "width": 8}] * count

    def tell(self, params, value):
        pass
"""


def test_what_an_optimizer_prints_is_no_answer(started, tmp_path, monkeypatch):
    (tmp_path / "chatty.py").write_text(CHATTY)
    monkeypatch.syspath_prepend(tmp_path)
    proposer = started(Choice("chatty:Chatty"), SPACE, 1)
    proposer.send(Suggest(1))
    assert answer(proposer) == ({"lr": 0.5, "width": 8},)
    assert proposer.warnings() == []


def test_an_optimizer_whose_process_is_killed_is_started_anew_and_knows_what_it_knew(started):
    lucky, killed = started(Choice("gp"), SPACE, 1), started(Choice("gp"), SPACE, 1)
    for proposer in (lucky, killed):
        for trial in range(14):
            proposer.send(Expect(trial, {"lr": 0.5, "width": 8 + trial}))
        for trial in range(12):
            proposer.send(Observe(trial, {"lr": 0.5, "width": 8 + trial}, float(trial)))
    os.kill(killed.pid, signal.SIGKILL)
    for proposer in (lucky, killed):
        proposer.send(Suggest(2))
    assert answer(killed) == answer(lucky)
    (note,) = killed.warnings()
    assert "it is started anew: its process ended (-9)" in note


def kill_until(proposer, what):
    """Kill its process whenever it has one, and ask, until ``what`` is said."""
    while not any(what in note for note in proposer.warnings()):
        os.kill(proposer.pid, signal.SIGKILL)
        proposer.send(Suggest(1))
        answer(proposer)


def test_an_optimizer_whose_process_dies_again_and_again_is_given_up_and_so_is_random_search(started):
    proposer = started(Choice("gp"), SPACE, 1)
    kill_until(proposer, "random points are used from here on")
    with pytest.raises(OptimizerGone, match="no points to be had"):
        kill_until(proposer, "never")


def test_random_points_are_used_while_an_optimizer_does_not_answer(started):
    proposer = started(Choice("sobol"), SPACE, 1)
    proposer.send(Suggest(1))
    answer(proposer)
    proposer._patience = 0.5
    os.kill(proposer.pid, signal.SIGSTOP)
    for count in (2, 3):  # the second question goes to random search at once
        proposer.send(Suggest(count))
        assert len(answer(proposer)) == count
    (note,) = proposer.warnings()
    assert "has not answered for 0.5 s; random points are used until it does" in note
    proposer._patience = 60.0
    os.kill(proposer.pid, signal.SIGCONT)
    until(lambda: proposer.receive() == [] and proposer.warnings(), "its late answer, which is nobody's")
    proposer.send(Suggest(4))
    assert len(answer(proposer)) == 4
    assert proposer.warnings() == []


def test_rank_0_is_never_blocked_by_an_optimizer_that_does_not_read(started):
    proposer = started(Choice("random"), SPACE, 1)
    os.kill(proposer.pid, signal.SIGSTOP)
    for trial in range(5000):
        proposer.send(Observe(trial, {"lr": 0.5, "width": 8}, 1.0))
    proposer.send(Suggest(1))
    assert proposer.receive() == []
    os.kill(proposer.pid, signal.SIGCONT)
    assert len(answer(proposer)) == 1
