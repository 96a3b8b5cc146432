"""What the scheduler tells an optimizer of curves, and what that may say of paused trials."""

import json

import pytest
from test_thawing import RESUMES, Talk

from metaopt.goals import Goals
from metaopt.limits import Limits
from metaopt.messages import (
    Assign,
    Expect,
    Finished,
    Joined,
    Observe,
    Opened,
    Reported,
    Suggest,
    Suggested,
    Thawed,
    Watch,
)
from metaopt.objective import Objective
from metaopt.scheduler import Scheduler
from metaopt.stopping.asha import Asha
from metaopt.study import Study
from metaopt.wire import decode, encode

WHY = "it promises more"


class Watched(Talk):
    """The same, with an optimizer that looks at curves."""

    def __init__(self, *, study=None, goal="minimize", of="last", about=RESUMES, stopper=None, run=0):
        self.study = study or Study(Goals((Objective("loss", goal, of),)))
        self.study.run = run or self.study.run
        stopper = stopper or Asha(reduction=2, max=3)
        self.scheduler = Scheduler(self.study, Limits(9, 2), stopper, watching=True)
        self.now, self.watched = 100.0 * len(self.study.trials), []
        self.say(Opened("1", 1, about), Joined(1, "here", ""))

    def say(self, *events):
        """What is answered, but for words on curves, which are in ``watched``."""
        said = super().say(*events)
        self.watched += [each for each in said if isinstance(each, Watch)]
        return [each for each in said if not isinstance(each, Watch)]

    def begin(self, x=0):
        self.say(Suggested(({"x": x},)))
        return len(self.study.trials) - 1


def told(talk):
    """Which steps were said of each trial, a word each."""
    return [(watch.trial, *(step for step, _ in watch.points)) for watch in talk.watched]


def test_a_trial_that_runs_is_told_of_whenever_it_has_come_twice_as_far():
    talk = Watched(stopper=Asha(first=100))
    trial = talk.begin()
    for step in range(1, 9):
        talk.tell(trial, 1.0 / step, first=step)
    assert told(talk) == [(0, 1), (0, 1, 2), (0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5, 6, 8)]
    assert talk.watched[1] == Watch(0, {"x": 0}, ((1, 1.0), (2, 0.5)), 20.0)


@pytest.mark.parametrize(
    ("steps", "kept"),
    [((-2, -1, 0, 1, 2), (-2, 1, 2)), ((0, 0.25, 0.5, 0.55, 1), (0, 0.25, 0.5, 1)), ((5, 1, 2), (5, 1, 2))],
)
def test_of_a_curve_only_points_are_told_that_are_apart(steps, kept):
    talk = Watched(stopper=Asha(first=100))
    trial = talk.begin()
    talk.say(Reported(1, trial, 1, tuple((step, {"loss": 1.0}) for step in steps)))
    assert told(talk)[-1] == (0, *kept)


def test_its_curve_is_told_before_its_value():
    talk = Watched(stopper=Asha(first=100))
    trial = talk.begin()
    talk.tell(trial, 3.0, 2.0, 1.0)
    said = talk.scheduler.handle(talk.now + 10.0, Finished(1, trial, 1, "completed"))
    assert said[:2] == [Watch(0, {"x": 0}, ((1, 3.0), (2, 2.0), (3, 1.0)), 40.0), Observe(0, {"x": 0}, 1.0)]


def test_of_one_that_has_failed_it_is_told_that_its_curve_means_nothing():
    talk = Watched(stopper=Asha(first=100))
    trial = talk.begin()
    talk.tell(trial, 3.0)
    talk.say(Finished(1, trial, 1, "failed", "boom"))
    assert talk.watched[-1] == Watch(0, {"x": 0}, (), 0.0)


@pytest.mark.parametrize(
    ("goal", "of", "values"), [("maximize", "best", (-3.0, -3.0, -4.0)), ("minimize", "mean", (3.0, 2.0, 8 / 3))]
)
def test_values_are_what_the_objective_would_be_there_to_be_minimised(goal, of, values):
    talk = Watched(stopper=Asha(first=100), goal=goal, of=of)
    trial = talk.begin()
    talk.tell(trial, 3.0, 1.0, 4.0)
    talk.say(Finished(1, trial, 1, "completed"))
    assert talk.watched[-1].points == tuple(zip((1, 2, 3), values, strict=True))


def paused():
    """Trials 0 and 1 have completed, 2 is paused at step 1, and a point is asked for."""
    talk = Watched()
    said = talk.play(3.0, 2.0, 4.0)
    return talk, said


def test_who_is_paused_is_told_of_and_may_be_named():
    talk, said = paused()
    assert said == [Expect(2, {"x": 2}, paused=True), Suggest(1)]
    assert talk.watched[-1] == Watch(2, {"x": 2}, ((1, 4.0),), 20.0)
    assert talk.say(Suggested((), ((2, WHY),))) == [Assign(1, 2, 2, {"x": 2}, after={"loss": 1})]
    assert Thawed(2, 1, WHY) in talk.scheduler.facts
    assert f"trial 2 goes on: {WHY}" in talk.scheduler.news
    assert not talk.scheduler.exhausted


def test_a_trial_that_is_not_paused_is_not_thawed():
    talk, _ = paused()
    assert talk.say(Suggested(({"x": 5},), ((1, WHY), (77, WHY)))) == [Assign(1, 3, 1, {"x": 5})]
    assert not [fact for fact in talk.scheduler.facts if isinstance(fact, Thawed)]


def test_the_stopper_may_name_it_when_it_runs_already():
    talk, _ = paused()
    talk.say(Suggested((), ((2, WHY),)))
    talk.begin(x=3)
    talk.say(Joined(2, "there", ""))
    assert [str(talk.study.trials[number].state) for number in (2, 3)] == ["running", "running"]
    talk.tell(3, 9.0)
    talk.scheduler._judge._promoter.promote = iter([(2, "again"), None]).__next__
    talk.say(Finished(2, 3, 1, "stopped"))  # a worker is free, and the stopper is asked
    assert not talk.scheduler.warnings


def test_where_scripts_cannot_go_on_nobody_is_named():
    talk = Watched(about={**RESUMES, "resumes": False})
    assert talk.play(3.0, 2.0, 4.0)[-1] == Suggest(1)


def test_who_resumes_a_study_tells_the_same():
    talk, _ = paused()
    trial = talk.begin(x=7)
    talk.tell(trial, 1.0)
    again = Watched(study=talk.study, run=2)
    assert sorted(told(again)) == [(0, 1, 2, 3), (1, 1, 2, 3), (2, 1), (3, 1)]


def test_nothing_of_it_is_said_where_nobody_looks():
    assert Talk().play(3.0, 2.0, 4.0) == [Expect(2, {"x": 2}), Suggest(1)]


def test_it_crosses_a_pipe_and_a_history_has_none_of_it():
    watch = Watch(3, {"x": 1}, ((1, 2.0), (2, float("inf"))), 7.5)
    back = decode(encode(watch))
    assert (back.trial, [tuple(each) for each in back.points], back.seconds) == (3, [*watch.points], 7.5)
    assert decode(encode(Suggested((), ((2, WHY),)))).thawed == [[2, WHY]]
    assert "thawed" not in json.loads(encode(Suggested(({"x": 1},))))[1]
