"""Pause and thaw: a trial that is not among the best waits with its checkpoint, and goes on if it turns out to be."""

import copy
import math

import pytest
from simulation import Simulation, script

from metaopt.given import Given
from metaopt.goals import Goals
from metaopt.history import replay
from metaopt.limits import Limits
from metaopt.messages import (
    Abandoned,
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
    Revised,
    Started,
    Stop,
    Suggest,
    Suggested,
    Thawed,
)
from metaopt.objective import Objective
from metaopt.process import OVERDUE
from metaopt.scheduler import Scheduler
from metaopt.stopping.asha import Asha
from metaopt.stopping.hyperband import Hyperband
from metaopt.stopping.never import Never
from metaopt.stopping.pasha import Pasha
from metaopt.stopping.proven import Proven
from metaopt.study import Study
from metaopt.trial import State

RESUMES = {"name": "x", "objective": {"metric": "loss"}, "resumes": True, "space": {"x": "uniform(0, 9)"}}
WHY = "asha: 4 at step 1 is number 3 of 3 there, and 2 go on"


class Talk:
    """One worker, to which a trial at a time is given, 10 s from word to word; nobody is cut at step 3."""

    def __init__(self, trials=9, study=None, stopper=None, goal="minimize", about=RESUMES, replicates=0):
        self.study = study or Study(Goals((Objective("loss", goal),)))
        given, stopper = Given(self.study, replicates=replicates), stopper or Asha(reduction=2, max=3)
        self.scheduler = Scheduler(self.study, Limits(trials, 2), stopper, given=given)
        self.now = 100.0 * len(self.study.trials)
        self.say(Opened("1", 1, about), Joined(1, "here", ""))

    def say(self, *events):
        self.now += 10.0
        return self.scheduler.handle(self.now, *events)

    def tell(self, trial, *losses, attempt=1, first=1):
        """Its script says these losses, a word each; gives what is answered to the last one."""
        return [
            self.say(Reported(1, trial, attempt, ((step, {"loss": loss}),)))
            for step, loss in enumerate(losses, start=first)
        ][-1]

    def play(self, *levels):
        """A trial for each level, which it reports as its loss: to step 3, or to where it is stopped."""
        said = []
        for level in levels:
            number = len(self.study.trials)
            self.say(Suggested(({"x": number},)))
            stopped = self.tell(number, level) or self.tell(number, level, level, first=2)
            said = self.say(Finished(1, number, 1, "stopped" if stopped else "completed"))
        return said

    def states(self):
        return [str(trial.state) for trial in self.study.trials.values()]


@pytest.fixture
def talk():
    """Trials 0 and 1 have completed, 2 is paused."""
    talk = Talk()
    assert talk.play(3.0, 2.0, 4.0) == [Expect(2, {"x": 2}), Suggest(1)]  # and no value is told the optimizer
    assert talk.states() == ["completed", "completed", "paused"]
    return talk


def test_a_trial_that_is_not_among_the_best_is_paused_and_goes_on_when_it_is(talk):
    assert talk.study.trials[2].why == WHY
    assert talk.play(5.0) == [Expect(3, {"x": 3}), Suggest(1)]  # trial 3 is paused too, as number 4 of 4
    talk.say(Suggested(({"x": 4},)))
    talk.tell(4, 6.0)
    commands = talk.say(Finished(1, 4, 1, "stopped"))
    assert commands == [Assign(1, 2, 2, {"x": 2}, after={"loss": 1})]  # three of five go on
    thawed = Thawed(2, 1, "asha: 4 at step 1 is number 3 of 5 there, and 3 go on")
    assert thawed in talk.scheduler.facts
    assert talk.scheduler.news[-1] == f"trial 2 goes on: {thawed.why}"
    assert f"trial 2 is paused: {WHY}" in talk.scheduler.news
    assert talk.study.trials[2].curve("loss") == [(1, 4.0)]
    talk.tell(2, 1.5, 3.5, attempt=2, first=2)
    observed = talk.say(Finished(1, 2, 2, "completed"))[0]
    assert observed == Observe(2, {"x": 2}, 3.5)
    assert talk.study.trials[2].duration == 20.0 + 30.0  # both attempts


def test_where_there_is_no_stopper_any_more_the_paused_go_on(talk):
    later = Talk(study=talk.study, stopper=Never())
    assert Thawed(2, 1, "never: nothing is paused any more") in later.scheduler.facts
    assert later.states()[2] == "running"


def test_where_scripts_cannot_go_on_any_more_the_paused_begin_anew_without_a_stopper_and_with_one_they_do_not(talk):
    later = Talk(study=copy.deepcopy(talk.study), stopper=Never(), about={**RESUMES, "resumes": False})
    assert later.states()[2] == "running"
    assert later.study.trials[2].points == []
    later = Talk(trials=3, study=talk.study, about={**RESUMES, "resumes": False})
    assert later.states()[2] == "stopped"


def test_the_first_script_that_had_to_be_killed_is_told_of(talk):
    for number in (3, 4):
        talk.say(Suggested(({"x": number},)))
        talk.tell(number, 9.0)
        talk.say(Finished(1, number, 1, "stopped", f"{OVERDUE} 3 s after SIGTERM, and was killed\nand more"))
    assert talk.states()[3:] == ["paused", "paused"]
    killed = [each for each in talk.scheduler.warnings if "killed" in each]
    assert killed == ["trial 3 had not ended 3 s after SIGTERM, and was killed: what it has not saved is lost"]


def test_of_several_metrics_with_counts_of_their_own_each_is_judged_and_doubted_by_itself():
    talk = Talk(trials=9, stopper=Asha(reduction=2, max=9))
    talk.play(3.0, 2.0)
    talk.say(Suggested(({"x": 2},)))
    talk.say(Reported(1, 2, 1, tuple((step, {"batch": 1.0}) for step in range(1, 100))))
    assert talk.tell(2, 1.0) == []
    assert talk.tell(2, 4.0, first=2)  # worse than both were at step 2
    talk.say(Finished(1, 2, 1, "stopped"))
    for trial in (101, 102):
        talk.scheduler.stopper.should_stop(trial, [(1, 0.9), (2, 9.0), (3, 9.0)])
    assert Assign(1, 2, 2, {"x": 2}, after={"batch": 99, "loss": 2}) in talk.say(Suggested(({"x": 3},)))
    talk.say(Started(1, 2, 2, 7), Reported(1, 2, 2, ((1, {"new": 1.0}),)))
    assert not [each for each in talk.scheduler.warnings if "anew" in each]
    for trial in range(200, 220):  # all better
        talk.scheduler.stopper.should_stop(trial, [(1, 0.5), (2, 0.5), (4, 0.5), (5, 0.5)])
    assert talk.tell(2, 4.0, attempt=2, first=4)


def test_whoever_was_paused_though_nothing_was_known_goes_on_before_the_study_ends():
    few = Simulation(script(27), trials=7, workers=4, stopper=Proven(), resumes=True).run()
    kinds = [record.kind for _, record in few.store.read()]
    assert kinds.count("Thawed") > 0
    assert {trial.state for trial in few.study.trials.values()} == {State.COMPLETED}
    many = Simulation(script(27), trials=60, workers=8, stopper=Proven(), resumes=True).run()
    states = [trial.state for trial in many.study.trials.values()]
    assert states.count(State.COMPLETED) >= 6
    assert states.count(State.STOPPED) > 0
    assert repr(replay(many.store).study.trials) == repr(many.study.trials)


def test_where_scripts_cannot_resume_nothing_is_paused():
    talk = Talk(about={**RESUMES, "resumes": False})
    talk.play(3.0, 2.0, 4.0)
    assert talk.states() == ["completed", "completed", "stopped"]
    assert Stop(1, 2, 1, "pruned", WHY, 3) in talk.scheduler.facts


def test_a_rule_that_promotes_nobody_ends_trials():
    class Ends:
        def should_stop(self, trial, points):
            return "no" if trial == 0 else ""

    talk = Talk(stopper=Ends())
    talk.play(2.0)
    assert talk.states() == ["stopped"]


def test_the_paused_are_given_up_when_the_study_has_all_others():
    talk = Talk(trials=4)
    commands = talk.play(3.0, 2.0, 4.0, 5.0)
    assert [command.trial for command in commands if isinstance(command, Observe)] == [2, 3]
    assert all(math.isnan(command.value) for command in commands if isinstance(command, Observe))
    assert commands[-1] == Release(1)
    assert talk.scheduler.facts[-2:] == [Abandoned(2, 1), Abandoned(3, 1)]
    assert talk.states() == ["completed", "completed", "stopped", "stopped"]
    assert talk.study.trials[2].why == WHY
    assert talk.study.trials[2].reason == f"{WHY}; paused then, and not gone on with"
    assert talk.study.trials[2].duration == 20.0  # of its attempt, not of the time in which it was paused
    assert talk.scheduler.complete


def test_the_best_point_is_run_again_once_the_paused_are_given_up():
    talk = Talk(trials=5, replicates=2)
    talk.play(3.0, 2.0)
    commands = talk.play(4.0)
    assert talk.states() == ["completed", "completed", "stopped", "running", "waiting"]
    assert commands[-1] == Assign(1, 3, 1, {"x": 1})


def test_an_interrupted_study_keeps_its_paused_trials_for_the_next_run(talk):
    assert talk.say(Interrupted("SIGINT")) == [Release(1)]
    assert talk.states()[2] == "paused"
    assert not talk.scheduler.complete
    later = Talk(study=talk.study)
    assert list(later.study.paused) == [2]
    assert later.play(5.0) == [Expect(3, {"x": 3}), Suggest(1)]
    later.play(6.0)
    assert later.states()[2] == "running"


def test_a_study_of_which_all_are_paused_but_none_is_left_to_do_is_complete_at_once(talk):
    talk.say(Interrupted("SIGINT"))
    assert Talk(study=talk.study, trials=3).scheduler.complete
    assert talk.states()[2] == "stopped"


@pytest.mark.parametrize("end", [Lost(1, "gone"), Opened("1", 1, RESUMES), Finished(1, 2, 1, "killed")])
def test_whatever_becomes_of_its_worker_a_trial_that_was_being_paused_is(end):
    talk = Talk()
    talk.play(3.0, 2.0)
    talk.say(Suggested(({"x": 2},)))
    assert talk.tell(2, 4.0) == [Stop(1, 2, 1, "paused", WHY, 3)]
    assert talk.states()[2] == "stopping"
    talk.say(end)
    assert talk.states()[2] == "paused"
    assert talk.study.trials[2].worker == 1


def test_a_trial_that_completes_or_fails_instead_of_pausing_has():
    for outcome in ("completed", "failed"):
        talk = Talk()
        talk.play(3.0, 2.0)
        talk.say(Suggested(({"x": 2},)))
        talk.tell(2, 4.0)
        talk.say(Finished(1, 2, 1, outcome))
        assert talk.states()[2] == outcome


def test_a_trial_that_goes_on_is_not_judged_where_it_has_been_before():
    talk = Talk()
    talk.play(3.0, 2.0)
    talk.say(Suggested(({"x": 2},)))
    assert talk.tell(2, 1.0) == []
    assert talk.tell(2, 4.0, first=2)  # worse than both were at step 2
    talk.say(Finished(1, 2, 1, "stopped"))
    for trial in (101, 102):
        talk.scheduler.stopper.should_stop(trial, [(1, 0.9), (2, 9.0)])
    assert Assign(1, 2, 2, {"x": 2}, after={"loss": 2}) in talk.say(Suggested(({"x": 3},)))
    for trial in range(200, 220):  # all better, so that it would be cut now
        talk.scheduler.stopper.should_stop(trial, [(1, 0.5), (2, 0.5)])
    assert talk.tell(2, 4.0, attempt=2, first=2) == []  # its checkpoint was one step behind
    assert talk.tell(2, 4.0, attempt=2, first=3) == []
    assert talk.states()[2] == "running"


@pytest.mark.parametrize(("first", "told"), [(1, 1), (2, 0), (3, 0)])
def test_a_script_that_begins_anew_though_it_was_to_go_on_is_told_of_once(first, told):
    talk = Talk(stopper=Never())
    for trial, worker in ((0, 1), (1, 2)):
        talk.say(Joined(worker, "here", ""), Suggested(({"x": trial},)))
        talk.say(*(Reported(worker, trial, 1, ((step, {"loss": 1.0}),)) for step in (1, 2)))
    talk.say(Interrupted("Ctrl-C"))
    talk.say(*(Finished(trial + 1, trial, 1, "stopped") for trial in (0, 1)))
    later = Talk(study=talk.study, stopper=Never())
    for trial in (1, 0):  # in this order
        later.say(Started(1, trial, 2, 7))
        later.tell(trial, 1.0, 1.0, attempt=2, first=first)
        later.say(Finished(1, trial, 2, "completed"))
    assert later.states() == ["completed", "completed"]
    anew = [each.partition(":")[0] for each in later.scheduler.warnings if "anew" in each]
    assert anew == ["trial 1 had come to step 2, and says step 1 again"] * told


def test_a_rule_that_fails_to_promote_pauses_no_more_and_is_told_of_once(talk):
    class Fails(Asha):
        def promote(self):
            return 99, "not there"

    talk = Talk(study=talk.study, stopper=Fails(reduction=2, max=3))
    talk.play(5.0, 6.0)
    (warning,) = talk.scheduler.warnings
    assert "which paused trial goes on, and pauses none any more: LookupError(99)" in warning
    assert talk.states()[2:] == ["paused", "stopped", "stopped"]


def test_a_study_with_a_paused_trial_is_not_given_up_for_its_failures(talk):
    study = Study(Goals((Objective("loss"),)))
    talk = Talk(study=study, stopper=Asha(first=1, reduction=2, max=3), trials=20)
    for number in range(2):
        talk.say(Suggested(({"x": number},)))
        talk.tell(number, 1.0)
        talk.say(Finished(1, number, 1, "failed"))
    talk.play(3.0)
    for number in range(3, 8):
        talk.say(Suggested(({"x": number},)))
        talk.say(Finished(1, number, 1, "failed"))
    assert talk.states()[2] == "paused"
    assert not talk.scheduler.draining


def test_of_a_metric_to_be_maximised_the_reason_says_that_it_is_negated():
    talk = Talk(goal="maximize")
    talk.play(-3.0, -2.0, -4.0, -5.0, -6.0)
    whys = [fact.why for fact in talk.scheduler.facts if isinstance(fact, Thawed)]
    assert whys == ["asha: 4 at step 1 is number 3 of 5 there, and 3 go on (values are negated: more is better)"]


def test_a_paused_trial_outside_a_changed_space_is_set_aside_and_does_not_come_back(talk):
    talk.study.apply(1e3, Revised({}, (2,)))
    assert (talk.states()[2], talk.study.trials[2].outside, list(talk.study.paused)) == ("stopped", True, [])


def test_late_or_strange_decisions_change_nothing(talk):
    for fact in (Thawed(2, 2), Thawed(0, 1), Thawed(7, 1), Abandoned(1, 1)):
        assert not talk.study.apply(1e3, fact)
    assert not talk.study.apply(1e3, Thawed(2, 1), run=talk.study.run + 1)  # it is not that one's
    assert talk.states()[2] == "paused"


@pytest.mark.parametrize("rule", [Asha, Pasha, Hyperband, Proven])
def test_in_the_simulator_no_work_is_done_twice_and_who_ends_the_study_is_as_good(rule):
    ended, resumed = (
        Simulation(script(27), trials=60, workers=8, stopper=rule(), resumes=resumes).run() for resumes in (False, True)
    )
    kinds = [record.kind for _, record in resumed.store.read()]
    assert kinds.count("Thawed") > 0
    assert kinds.count("Abandoned") > 0
    assert {trial.state for trial in resumed.study.trials.values()} == {State.COMPLETED, State.STOPPED}
    assert resumed.study.best.objective <= ended.study.best.objective
    for trial in resumed.study.trials.values():
        assert [step for step, _ in trial.points] == list(range(1, len(trial.points) + 1))
    assert repr(replay(resumed.store).study.trials) == repr(resumed.study.trials)
