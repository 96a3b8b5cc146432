"""The scheduler, read as a specification: what is said to it, and what it answers."""

import math

import pytest

from metaopt.durations import AT_ONCE, RECENT
from metaopt.goals import Goals
from metaopt.limits import Limits
from metaopt.messages import (
    Assign,
    Expect,
    Finished,
    Interrupted,
    Joined,
    Lost,
    Observe,
    Opened,
    Release,
    Reported,
    Started,
    Stop,
    Suggest,
    Suggested,
)
from metaopt.objective import Objective
from metaopt.scheduler import Scheduler
from metaopt.stopping.never import Never
from metaopt.study import Study
from metaopt.trial import ENDED, NEXT, State, Trial


class StopsAt:
    """Stops every trial at one step."""

    def __init__(self, step):
        self.step = step

    def should_stop(self, trial, points):
        return "far enough" if any(step >= self.step for step, _ in points) else ""


class Raises:
    def should_stop(self, trial, points):
        raise ZeroDivisionError


class Talk:
    """Says things to a scheduler, a second apart."""

    def __init__(self, trials=3, workers=2, stopper=None, study=None, **limits):
        self.study = study or Study(Goals((Objective("loss"),)))
        self.scheduler = Scheduler(self.study, Limits(trials, workers, **limits), stopper or Never())
        self.now = 0.0

    def say(self, *events):
        self.now += 1.0
        return self.scheduler.handle(self.now, *events)

    def state(self, trial):
        return self.study.trials[trial].state


def joined(worker):
    return Joined(worker, "host", f"core {worker}")


def reported(worker, trial, loss, step=1, attempt=1):
    return Reported(worker, trial, attempt, ((step, {"loss": loss}),))


def completed(worker, trial, attempt=1):
    return Finished(worker, trial, attempt, "completed")


@pytest.fixture
def talk():
    """Worker 1 runs trial 0."""
    talk = Talk()
    assert talk.say(joined(1)) == [Suggest(1)]
    assert talk.say(Suggested(({"x": 0},))) == [Assign(1, 0, 1, {"x": 0})]
    return talk


def test_a_trial_from_its_suggestion_to_its_observation(talk):
    assert talk.say(Started(1, 0, 1, pid=99)) == []
    assert talk.say(reported(1, 0, 0.5)) == []
    assert talk.say(completed(1, 0)) == [Observe(0, {"x": 0}, 0.5), Suggest(1)]
    assert talk.state(0) is State.COMPLETED
    assert talk.study.best.objective == 0.5


def test_everything_is_taken_in_before_anything_is_decided():
    talk = Talk()
    assert talk.say(joined(1), joined(2)) == [Suggest(2)]
    assert talk.say(Suggested(({"x": 0}, {"x": 1}))) == [Assign(1, 0, 1, {"x": 0}), Assign(2, 1, 1, {"x": 1})]


def test_one_ask_is_in_flight_at_a_time():
    talk = Talk()
    assert talk.say(joined(1)) == [Suggest(1)]
    assert talk.say(joined(2)) == []
    assert talk.say(Suggested(({"x": 0},))) == [Assign(1, 0, 1, {"x": 0}), Expect(0, {"x": 0}), Suggest(1)]


def test_the_total_is_never_exceeded(talk):
    talk.say(completed(1, 0))
    talk.say(Suggested(({"x": 1}, {"x": 2}, {"x": 3}, {"x": 4})))
    assert len(talk.study.trials) == 3


def test_points_are_kept_ahead_of_workers_that_finish_faster_than_the_optimizer_thinks():
    talk = Talk(trials=100)
    talk.say(joined(1), joined(2))
    talk.say(Suggested(({"x": 0}, {"x": 1})))
    assert talk.say(reported(1, 0, 0.1), completed(1, 0))[1:] == [Expect(1, {"x": 1}), Suggest(1)]  # after a second
    commands = talk.say(Suggested(({"x": 2},)))  # another second: 2 workers, 1 s a trial, 1 s of thinking
    assert commands == [Assign(1, 2, 1, {"x": 2}), Expect(2, {"x": 2}), Suggest(2)]


def test_no_more_points_are_asked_for_than_can_be_had_soon():
    talk = Talk(trials=1000, workers=300)
    assert talk.say(*map(joined, range(1, 301)))[-1] == Suggest(AT_ONCE)
    assert talk.say(Suggested(tuple({"x": x} for x in range(AT_ONCE))))[-1] == Suggest(300 - AT_ONCE)


def test_no_points_are_kept_ahead_of_a_worker_that_is_alone():
    talk = Talk(trials=100, workers=1)
    talk.say(joined(1))
    talk.say(Suggested(({"x": 0},)))
    talk.say(reported(1, 0, 0.1), completed(1, 0))
    assert talk.say(Suggested(({"x": 1},))) == [Assign(1, 1, 1, {"x": 1})]


def test_no_points_are_kept_ahead_of_long_trials():
    talk = Talk(trials=100)
    talk.say(joined(1), joined(2))
    talk.say(Suggested(({"x": 0}, {"x": 1})))
    talk.now += 1000.0
    assert talk.say(reported(1, 0, 0.1), completed(1, 0))[1:] == [Expect(1, {"x": 1}), Suggest(1)]
    assert talk.say(Suggested(({"x": 2},))) == [Assign(1, 2, 1, {"x": 2})]


def test_where_workers_come_free_all_the_time_the_longest_of_the_recent_answers_counts():
    talk = Talk(trials=10_000, workers=64)
    talk.say(*map(joined, range(1, 65)))
    talk.say(Suggested(tuple({"x": x} for x in range(64))))
    talk.say(*(completed(worker, worker - 1) for worker in range(1, 65)))
    ahead, now = talk.scheduler.durations.ahead, talk.now
    usual = [ahead(0.1, now) for _ in range(RECENT)][-1]
    long = ahead(1.0, now)
    assert long > 9 * usual > 0
    after = [ahead(0.1, now) for _ in range(RECENT)]
    assert min(after[:-1]) > 0.6 * long
    assert after[-1] == usual


def test_when_all_is_done_the_workers_are_released():
    talk = Talk(trials=1)
    talk.say(joined(1), joined(2))
    talk.say(Suggested(({"x": 0}, {"x": 1})))
    assert talk.say(reported(1, 0, 1.0), completed(1, 0)) == [Observe(0, {"x": 0}, 1.0), Release(1), Release(2)]
    assert talk.scheduler.finished
    assert talk.scheduler.complete
    assert talk.say(joined(3)) == [Release(3)]


def test_the_trial_of_a_lost_worker_is_run_again_first(talk):
    talk.say(joined(2))
    talk.say(Lost(1, "its process died"))
    assert talk.study.trials[0].attempts == 2
    assert talk.study.trials[0].worker == 2
    assert talk.state(0) is State.RUNNING


def test_a_trial_that_loses_its_worker_too_often_has_failed(talk):
    talk.say(Lost(1, "its process died"))
    talk.say(joined(2))
    commands = talk.say(Lost(2, "its process died"))
    assert talk.state(0) is State.FAILED
    assert "worker 2 was lost" in talk.study.trials[0].error
    assert math.isnan(commands[0].value)


def test_without_workers_the_run_ends_and_says_so():
    talk = Talk(workers=1)
    talk.say(joined(1))
    talk.say(Lost(1, "its process died"))
    assert talk.scheduler.finished
    assert not talk.scheduler.complete
    assert talk.scheduler.draining == "no worker is left"


def test_late_words_change_nothing(talk):
    talk.say(joined(2))
    talk.say(Lost(1, "silent"))
    before = talk.study.trials[0].points[:]
    facts = len(talk.scheduler.facts)
    assert talk.say(reported(1, 0, 0.1)) == []
    assert talk.say(completed(1, 0)) == []
    assert talk.say(reported(2, 0, 0.1, attempt=1)) == []
    assert talk.state(0) is State.RUNNING
    assert talk.study.trials[0].points == before
    assert len(talk.scheduler.facts) == facts


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_objective_that_is_no_number_is_a_failure(talk, value):
    talk.say(reported(1, 0, value))
    talk.say(completed(1, 0))
    assert talk.state(0) is State.FAILED
    assert "its loss is" in talk.study.trials[0].error


def test_a_script_that_never_reports_its_metric_has_failed(talk):
    talk.say(Reported(1, 0, 1, ((1, {"accuracy": 0.5}),)))
    talk.say(completed(1, 0))
    assert talk.state(0) is State.FAILED
    assert "without reporting loss" in talk.study.trials[0].error
    assert "accuracy" in talk.study.trials[0].error


def test_a_failed_trial_counts_and_keeps_its_error(talk):
    commands = talk.say(Finished(1, 0, 1, "failed", "exit status 1\nboom"))
    assert talk.state(0) is State.FAILED
    assert talk.study.trials[0].error == "exit status 1\nboom"
    assert math.isnan(commands[0].value)
    assert commands[1] == Suggest(1)


def test_the_run_gives_up_when_the_first_trials_all_fail():
    talk = Talk(trials=10, workers=1, give_up_after=2)
    talk.say(joined(1))
    talk.say(Suggested(({"x": 0},)))
    talk.say(Finished(1, 0, 1, "failed", "boom"))
    talk.say(Suggested(({"x": 1},)))
    talk.say(Finished(1, 1, 1, "failed", "boom"))
    assert talk.scheduler.draining == "the first 2 trials all failed"
    assert talk.scheduler.finished


def test_one_good_trial_is_enough_to_go_on():
    talk = Talk(trials=10, workers=1, give_up_after=2)
    talk.say(joined(1))
    talk.say(Suggested(({"x": 0},)))
    talk.say(reported(1, 0, 1.0), completed(1, 0))
    for trial in (1, 2, 3):
        talk.say(Suggested(({"x": trial},)))
        talk.say(Finished(1, trial, 1, "failed", "boom"))
    assert not talk.scheduler.draining


def test_a_trial_that_is_not_worth_its_time_is_stopped():
    talk = Talk(stopper=StopsAt(2))
    talk.say(joined(1))
    talk.say(Suggested(({"x": 0},)))
    assert talk.say(reported(1, 0, 0.5, step=1)) == []
    assert talk.say(reported(1, 0, 0.4, step=2)) == [Stop(1, 0, 1, "pruned", "far enough")]
    assert talk.state(0) is State.STOPPING
    assert talk.say(reported(1, 0, 0.3, step=3)) == []
    watch, observed = talk.say(Finished(1, 0, 1, "stopped"))[:2]
    assert talk.state(0) is State.STOPPED
    assert math.isnan(observed.value)  # its last value is not its final one
    assert watch.points[-1] == (3, 0.3)  # but what it has come to is no failure
    assert talk.study.trials[0].why == "far enough"


def test_a_stopper_that_fails_stops_nothing_and_is_told():
    talk = Talk(stopper=Raises())
    talk.say(joined(1))
    talk.say(Suggested(({"x": 0},)))
    assert talk.say(reported(1, 0, 0.5)) == []
    assert "ZeroDivisionError" in talk.scheduler.warnings[0]


def test_of_each_kind_of_failure_of_a_stopper_the_first_is_told_and_then_fewer_and_fewer():
    class Fails:
        def should_stop(self, trial, points):
            step = points[0][0]
            if step == 7:
                raise ValueError(step)
            raise ValueError(-step)

    talk, told = Talk(stopper=Fails()), {}
    talk.say(joined(1))
    talk.say(Suggested(({"x": 0},)))
    for step in range(1, 102):
        talk.say(reported(1, 0, 0.5, step=step))
        told |= dict.fromkeys(talk.scheduler.warnings, step)
        talk.scheduler.warnings.clear()
    line = Fails.should_stop.__code__.co_firstlineno
    usual, other = (f"on trial 0, which goes on: ValueError({{}}) ({__file__}:{line + n})" for n in (4, 3))
    assert told == {
        f"the stopper failed {usual.format(-1)}": 1,
        f"the stopper failed {other.format(7)}": 7,
        f"the stopper failed in this way 10 times, the last time {usual.format(-11)}": 11,
        f"the stopper failed in this way 100 times, the last time {usual.format(-101)}": 101,
    }


def test_the_stopper_sees_values_to_be_minimised():
    seen = []

    class Sees:
        def should_stop(self, trial, points):
            seen.extend(points)
            return ""

    talk = Talk(stopper=Sees(), study=Study(Goals((Objective("loss", "maximize"),))))
    talk.say(joined(1))
    talk.say(Suggested(({"x": 0},)))
    talk.say(reported(1, 0, 0.5))
    assert seen == [(1, -0.5)]


def test_the_stopper_sees_the_objective_alone_however_late_it_comes():
    seen = []

    class Sees:
        def should_stop(self, trial, points):
            seen.append(points)
            return ""

    talk = Talk(stopper=Sees())
    talk.say(joined(1))
    talk.say(Suggested(({"x": 0},)))
    talk.say(Reported(1, 0, 1, ((1, {"accuracy": 0.1}), (2, {"accuracy": 0.2}))))
    assert seen == []  # there is nothing to judge
    talk.say(Reported(1, 0, 1, ((2, {"loss": 0.7}), (3, {"accuracy": 0.3}), (3, {"loss": 0.6}))))
    assert seen == [[(2, 0.7), (3, 0.6)]]


class Learns:
    """Keeps what it is told of ends, and cannot bear that of trial 2."""

    def __init__(self):
        self.heard, self.points = [], 0

    def should_stop(self, trial, points):
        self.points += len(points)
        return ""

    def completed(self, trial, value):
        if trial == 2:
            raise ValueError(trial)
        self.heard.append((trial, value, self.points))


def test_a_stopper_that_learns_is_told_what_has_completed_and_so_is_that_of_a_later_run():
    study, first = Study(Goals((Objective("loss", "maximize"),))), Learns()
    talk = Talk(trials=9, stopper=first, study=study)
    talk.say(joined(1))
    for trial, status in enumerate(("completed", "failed", "completed", "completed")):
        talk.say(Suggested(({"x": trial},)))
        talk.say(reported(1, trial, 0.5 + trial, step=1))
        talk.say(Reported(1, trial, 1, ((2, {"loss": 0.25 + trial}),)), Finished(1, trial, 1, status, "boom"))
    assert first.heard == [(0, -0.25, 2), (3, -3.25, 8)]
    failures = [each for each in talk.scheduler.warnings if "the stopper failed" in each]
    assert len(failures) == 1
    assert "on trial 2, which has completed: ValueError(2)" in failures[0]
    second = Learns()
    Talk(stopper=second, study=study)
    assert second.heard == [(0, -0.25, 8), (3, -3.25, 8)]


def doubted(*points, stopper=None, metrics=("loss",), words="", **settings):
    """What is told when the first trial completes that has said these points."""
    talk = Talk(stopper=stopper)
    about = {"metrics": dict.fromkeys(metrics, "..."), "stopper": {"rule": "asha", "settings": settings}}
    talk.say(Opened("1", 1, {"name": "x", "objective": {"metric": "loss"}, **about}), joined(1), joined(2))
    talk.say(Suggested(({"x": 0}, {"x": 1})))
    for worker, trial in ((1, 0), (2, 1)):
        talk.say(Reported(worker, trial, 1, points), Finished(worker, trial, 1, "completed", words))
    assert talk.state(0) is talk.state(1) is State.COMPLETED
    return talk.scheduler.warnings


CURVE = tuple((step, {"loss": 1.0}) for step in range(1, 10))


@pytest.mark.parametrize(
    ("points", "settings", "said"),
    [
        (CURVE[:1], {}, "with loss at one step only: asha can stop nothing early unless"),
        (CURVE, {"first": 27}, "first of asha is 27, and trial 0 has completed at step 9: so nothing"),
        (CURVE, {"max": 5}, "max of asha is 5, and trial 0 has completed at step 9: nothing is stopped beyond it"),
        (CURVE, {"max": 27}, "max of asha is 27, and trial 0 has completed at step 9: its last report may be judged"),
        (CURVE, {"words": "odd\nits metrics_file a.csv is odd\nodd"}, "completed, and its metrics_file a.csv is odd"),
        (CURVE, {"metrics": ("loss", "step", "accuracy")}, "the pattern of accuracy was on no line of its output"),
    ],
)
def test_what_the_stopper_or_a_pattern_cannot_do_is_told_with_the_first_completed_trial(points, settings, said):
    (warning,) = doubted(*points, stopper=StopsAt(99), **settings)
    assert said in warning


def test_nothing_is_told_where_all_is_as_the_file_has_it():
    assert doubted(*CURVE, stopper=StopsAt(99), first=1, max=9) == []
    assert doubted(*CURVE[:1]) == []  # nobody would stop it


def test_an_interruption_stops_the_running_and_starts_nothing_more(talk):
    assert talk.say(Interrupted("SIGINT")) == [Stop(1, 0, 1, "interrupted", "SIGINT")]
    assert talk.say(joined(2)) == []
    assert talk.say(Finished(1, 0, 1, "stopped")) == [Release(1), Release(2)]
    assert talk.state(0) is State.WAITING
    assert talk.scheduler.interrupted
    assert not talk.scheduler.complete


@pytest.mark.parametrize(("lengths", "last"), [((3, 3), 3), ((3, 2), None), ((1, 1), None), ((), None)])
def test_who_is_stopped_is_told_where_the_others_have_completed(lengths, last):
    talk = Talk(trials=5, workers=1)
    talk.say(joined(1))
    for trial, length in enumerate(lengths):
        talk.say(Suggested(({"x": trial},)))
        talk.say(*(reported(1, trial, 0.1, step=step) for step in range(1, length + 1)), completed(1, trial))
    talk.say(Suggested(({"x": 9},)))
    assert talk.say(Interrupted("SIGINT")) == [Stop(1, len(lengths), 1, "interrupted", "SIGINT", last)]


def test_a_resumed_run_runs_the_interrupted_again_and_tells_the_optimizer_of_the_others(talk):
    talk.say(joined(2))
    talk.say(Suggested(({"x": 1},)))
    talk.say(reported(1, 0, 0.5), completed(1, 0))
    resumed = Talk(study=talk.study)
    assert resumed.say(Opened("1", 1, {})) == [Observe(0, {"x": 0}, 0.5)]
    assert resumed.say(joined(7))[0] == Assign(7, 1, 2, {"x": 1})


def test_an_optimizer_with_nothing_left_to_suggest_ends_the_study_early(talk):
    talk.say(reported(1, 0, 0.5), completed(1, 0))
    assert talk.say(Suggested(())) == [Release(1)]
    assert talk.scheduler.complete


def test_a_worker_that_joins_anew_has_lost_its_trial(talk):
    assert talk.say(joined(1)) == [Assign(1, 0, 2, {"x": 0})]


def test_a_state_only_moves_along_the_table():
    for state in State:
        for following in State:
            trial = Trial(0, {}, state)
            if following in NEXT[state]:
                trial.move(following)
                assert trial.state is following
            else:
                with pytest.raises(ValueError, match="cannot go"):
                    trial.move(following)
    assert {State.COMPLETED, State.STOPPED, State.FAILED} == ENDED


@pytest.mark.parametrize(
    ("of", "goal", "value"),
    [("last", "minimize", 2.0), ("best", "minimize", 1.0), ("best", "maximize", 3.0), ("mean", "minimize", 2.0)],
)
def test_the_objective_is_the_last_best_or_mean_value(of, goal, value):
    assert Objective("loss", goal, of).value([(1, 3.0), (2, 1.0), (3, 2.0)]) == value
