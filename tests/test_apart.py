"""A stopper that is asked apart: what rank 0 asks it, what becomes of the answers, and the process in which it is."""

import math
import os
import re
import signal
import sys

import pytest
from running import until
from simulation import Simulation, script
from test_sharing import Allocation, Turns, run
from test_thawing import RESUMES, Talk

from metaopt import hearing
from metaopt.errors import PluginError
from metaopt.goals import Goals
from metaopt.hearing import AT_ONCE
from metaopt.history import replay
from metaopt.limits import Limits
from metaopt.messages import Assign, Finished, Heard, Joined, Lost, Observe, Opened, Reported, Stop, Suggest, Suggested
from metaopt.objective import Objective
from metaopt.plugins import Choice, load_stopper
from metaopt.proposer import InlineProposer, ProcessProposer
from metaopt.scheduler import Scheduler
from metaopt.stopping.curves import Curves
from metaopt.stopping.median import Median
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.trial import State
from metaopt.verdicts import Weigh, Weighed
from metaopt.wire import decode, encode

ENDS = {**RESUMES, "resumes": False}
BAD = "it is bad"
SPACE = {"x": "uniform(0, 9)"}


class Untouched:
    """All that the scheduler may have of it."""

    apart = True


class Apart(Talk):
    """Words to and from a scheduler whose stopper is asked apart; none is kept from it."""

    def __init__(self, **keywords):
        super().__init__(**{"stopper": Untouched(), "about": ENDS, **keywords})

    def begin(self, worker=1):
        number = len(self.study.trials)
        self.say(Suggested(({"x": number},)))
        return number


def asked(*curves):
    return [Weigh(curves)]


def test_the_scheduler_asks_in_words_and_stops_by_the_answer():
    talk = Apart()
    trial = talk.begin()
    assert talk.tell(trial, 3.0) == asked((0, 1, (), ((1, 3.0),)))
    stop = Stop(1, 0, 1, "pruned", BAD)
    assert talk.say(Weighed(((0, 1, BAD),))) == [stop]
    assert talk.study.trials[0].state is State.STOPPING
    assert stop in talk.scheduler.facts
    assert not [fact for fact in talk.scheduler.facts if isinstance(fact, Weigh | Weighed)]


def test_values_are_to_be_minimised_and_the_reason_says_so():
    talk = Apart(goal="maximize")
    trial = talk.begin()
    assert talk.tell(trial, 3.0) == asked((0, 1, (), ((1, -3.0),)))
    (stop,) = talk.say(Weighed(((0, 1, BAD),)))
    assert stop.why == f"{BAD} (values are negated: more is better)"


def test_one_question_is_under_way_and_the_next_is_about_all_that_is_new():
    talk = Apart()
    first = talk.begin()
    talk.say(Joined(2, "here", ""))
    second = talk.begin()
    assert talk.tell(first, 3.0) == asked((0, 1, (), ((1, 3.0),)))
    assert talk.tell(first, 2.0, 1.0, first=2) == []
    assert talk.say(Reported(2, second, 1, ((1, {"loss": 5.0}), (1, {"other": 5.0})))) == []
    assert talk.say(Weighed()) == asked((0, 1, (), ((2, 2.0), (3, 1.0))), (1, 1, (), ((1, 5.0),)))
    assert talk.say(Weighed()) == []


def test_a_question_is_not_about_more_than_so_many_points(monkeypatch):
    monkeypatch.setattr(hearing, "AT_ONCE", 2)
    talk = Apart()
    trial = talk.begin()
    said = talk.say(Reported(1, trial, 1, tuple((step, {"loss": 1.0}) for step in range(1, 6))))
    told = []
    while said:
        (question,) = said
        told.append([step for step, _ in question.curves[0][3]])
        said = talk.say(Weighed())
    assert told == [[1, 2], [3, 4], [5]]


def test_points_without_the_metric_count_and_what_was_not_answered_is_judged(monkeypatch):
    monkeypatch.setattr(hearing, "AT_ONCE", 4)
    talk = Apart()
    trial = talk.begin()
    points = tuple((step, {"loss" if step % 2 else "other": 1.0}) for step in range(1, 9))
    assert talk.say(Reported(1, trial, 1, points)) == asked((0, 1, (), ((1, 1.0), (3, 1.0))))
    assert talk.say(Weighed(anew=True)) == asked((0, 1, (), ((1, 1.0), (3, 1.0))))
    assert talk.say(Weighed()) == asked((0, 1, (), ((5, 1.0), (7, 1.0))))


def test_what_is_asked_comes_after_what_is_decided():
    talk = Apart()
    trial = talk.begin()
    talk.tell(trial, 3.0)
    talk.say(Weighed())
    said = talk.say(Reported(1, trial, 1, ((2, {"loss": 2.0}),)), Finished(1, trial, 1, "completed"))
    assert [type(each) for each in said] == [Observe, Suggest, Weigh]


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_verdict_on_another_attempt_is_late(attempt):
    talk = Apart()
    trial = talk.begin()
    talk.tell(trial, 3.0)
    assert Assign(1, trial, 2, {"x": 0}) in talk.say(Lost(1, "gone"), Joined(1, "here", ""))
    assert talk.say(Weighed(((trial, attempt, BAD),))) == []
    assert talk.study.trials[trial].state is State.RUNNING


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_a_verdict_on_a_trial_that_has_ended_is_late(outcome):
    talk = Apart()
    trial = talk.begin()
    talk.tell(trial, 3.0)
    talk.say(Finished(1, trial, 1, outcome))
    state = talk.study.trials[trial].state
    assert not [said for said in talk.say(Weighed(((trial, 1, BAD),))) if isinstance(said, Stop)]
    assert talk.study.trials[trial].state is state


def test_a_trial_of_another_run_is_judged_by_that_run():
    study = Study(Goals((Objective("loss"),)), run=1)
    scheduler = Scheduler(study, Limits(9, 1), Untouched(), shared=True)
    words = [
        Opened("1", 1, ENDS, alone=False),
        Joined(1, "there", ""),
        Suggested(({"x": 0},)),
        Assign(1, 0, 1, {"x": 0}),
        Reported(1, 0, 1, ((1, {"loss": 3.0}),)),
    ]
    said = scheduler.handle(1.0, Opened("1", 1, ENDS, alone=False), *(Heard(2, 1.0, word) for word in words))
    assert said == asked((0, 1, (), ((1, 3.0),)))
    assert scheduler.handle(2.0, Weighed(((0, 1, BAD),))) == []
    assert study.trials[0].state is State.RUNNING


def test_what_a_script_says_again_is_told_and_not_judged():
    talk = Apart(about=RESUMES)
    trial = talk.begin()
    talk.tell(trial, 3.0, 2.0, 1.0)
    talk.say(Weighed())
    talk.say(Weighed())
    talk.say(Lost(1, "gone"), Joined(1, "here", ""))
    assert talk.tell(trial, 1.5, attempt=2, first=2) == asked((0, 2, ((1, 3.0), (2, 1.5)), ()))
    assert talk.tell(trial, 1.0, 0.5, attempt=2, first=3) == []
    assert talk.say(Weighed()) == asked((0, 2, ((3, 1.0),), ((4, 0.5),)))


def test_when_it_begins_anew_all_is_told_and_only_what_was_not_answered_is_judged():
    talk = Apart(about=RESUMES)
    done = talk.begin()
    talk.tell(done, 9.0)
    talk.say(Weighed(), Finished(1, done, 1, "completed"))
    trial = talk.begin()
    assert talk.tell(trial, 3.0) == asked((1, 1, (), ((1, 3.0),)))
    assert talk.say(Weighed()) == []
    assert talk.tell(trial, 2.0, first=2) == asked((1, 1, (), ((2, 2.0),)))
    assert talk.tell(trial, 1.0, first=3) == []
    (question,) = talk.say(Weighed(anew=True))
    ended_first = ((0, 1, ((1, 9.0),), ()), (1, 1, ((1, 3.0),), ((2, 2.0), (3, 1.0))))
    assert question.curves == ended_first
    assert talk.say(Weighed(((trial, 1, BAD),))) == [Stop(1, trial, 1, "pruned", BAD)]


def test_a_run_that_goes_on_with_a_study_tells_all_of_it_and_stops_nothing_by_that():
    talk = Apart(about=RESUMES)
    talk.say(Joined(2, "here", ""))
    done, open_ = talk.begin(), talk.begin()
    talk.say(Reported(1, done, 1, ((1, {"loss": 9.0}),)), Reported(2, open_, 1, ((1, {"loss": 3.0}),)))
    talk.say(Finished(1, done, 1, "completed"))
    facts = [decode(encode(fact)) for fact in talk.scheduler.facts]
    study = Study(Goals((Objective("loss"),)))
    for fact in facts:
        study.apply(1.0, fact)
    scheduler = Scheduler(study, Limits(9, 2), Untouched())
    said = scheduler.handle(500.0, Opened("1", 1, RESUMES), Joined(1, "here", ""))
    (question,) = (each for each in said if isinstance(each, Weigh))
    assert [(trial, *known, *new) for trial, _, known, new in question.curves] == [(0, (1, 9.0))]
    assert Assign(1, open_, 2, {"x": 1}, after={"loss": 1}) in said
    answer = Weighed(((0, 1, BAD), (open_, 1, BAD)))
    assert not [each for each in scheduler.handle(501.0, answer) if isinstance(each, Stop)]
    more = Reported(1, open_, 2, ((2, {"loss": 2.0}),))
    assert scheduler.handle(502.0, more)[-1:] == asked((1, 2, ((1, 3.0),), ((2, 2.0),)))


def test_thousands_of_points_without_the_metric_hide_no_others():
    talk = Apart()
    talk.say(Joined(2, "here", ""))
    silent, other = talk.begin(), talk.begin()
    nothing = Reported(1, silent, 1, tuple((step, {"other": 1.0}) for step in range(AT_ONCE + 1)))
    assert talk.say(nothing, Reported(2, other, 1, ((1, {"loss": 3.0}),))) == asked((other, 1, (), ((1, 3.0),)))


def test_its_errors_are_told_and_stop_nothing():
    talk = Apart()
    trial = talk.begin()
    talk.tell(trial, 3.0)
    assert talk.say(Weighed((), ("the stopper failed on trial 0, which goes on: ValueError()",))) == []
    assert talk.scheduler.warnings == ["the stopper failed on trial 0, which goes on: ValueError()"]
    assert talk.study.trials[trial].state is State.RUNNING


@pytest.mark.parametrize("said", [Weigh(((0, 1, (), ((1, math.inf), (2, 0.1))),)), Weighed(((0, 1, BAD),), ("oh",))])
def test_the_words_cross_the_pipe(said):
    (back,) = [decode(encode(said))]
    assert type(back) is type(said)
    assert encode(back) == encode(said)


def test_whoever_is_to_ask_it_and_has_none_says_so():
    proposer = InlineProposer(None)
    with pytest.raises(LookupError, match="there is no stopper"):
        proposer.send(*asked((0, 1, (), ((1, 3.0),))))


class Somewhere(Median):
    apart = True


class SomewhereThatPauses(Somewhere):
    def pause(self, trial):
        pass

    def promote(self):
        return None


class SomewhereThatLearns(Somewhere):
    def completed(self, trial, value):
        pass


@pytest.mark.parametrize("rule", ["SomewhereThatPauses", "SomewhereThatLearns"])
def test_one_that_pauses_or_learns_is_not_asked_apart(rule):
    assert isinstance(load_stopper(Choice("test_apart:Somewhere"), "minimize"), Somewhere)
    with pytest.raises(PluginError, match="is to be asked apart, and has to do with pauses"):
        load_stopper(Choice(f"test_apart:{rule}"), "minimize")
    assert Curves.apart


def whys(simulation):
    return {n: (trial.why, len(trial.points)) for n, trial in simulation.study.trials.items()}


def test_the_simulator_judges_the_same_apart_as_here():
    runs = [
        Simulation(script(9, seed=4), 60, 6, losses=[(500.0, 2), (900.0, 3)], stopper=rule(warmup=2, curves=3)).run()
        for rule in (Median, Somewhere, Somewhere)
    ]
    here, apart, again = map(whys, runs)
    assert here == apart
    assert 5 < sum(bool(why) for why, _ in apart.values()) < 60
    assert runs[1].digest() == runs[2].digest() == runs[0].digest()
    assert again == apart


def test_runs_that_share_a_study_are_told_of_all_curves_and_stop_their_own_trials():
    records, turns = [], Turns("ab")
    rules = {name: Somewhere(warmup=1, curves=3) for name in "ab"}
    run(*(Allocation(name, records, turns, 60, 4, stopper=rules[name]) for name in "ab"))
    study = replay(Memory(records)).study
    stopped = [record for record in records if record.kind == "Stop"]
    assert {record.run for record in stopped} == {1, 2}
    assert all(study.trials[record.body["trial"]].run == record.run for record in stopped)
    reported = {n for n, trial in study.trials.items() if trial.points}
    assert all(set(rule._curves) == reported for rule in rules.values())


OWN = """
import os, time
class Own:
    apart = True

    def __init__(self, *, gate="/", pause=0.0, dies=0):
        self.gate, self.pause, self.dies, self.told = gate, pause, dies, {}

    def should_stop(self, trial, points):
        while not os.path.exists(self.gate):
            open(f"{self.gate}.reached", "w").close()
            time.sleep(0.01)
        time.sleep(self.pause)
        self.told.setdefault(trial, []).extend(step for step, _ in points)
        if trial == 13:
            raise ValueError("unlucky")
        if trial == self.dies > 0:
            os._exit(3)
        return f"in {os.getpid()}: {self.told}" if points[-1][1] > 5 else ""
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Starts a process with that rule in it, and a random search."""
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("own", None)
    proposers = []

    def start(optimizer="random", **settings):
        proposers.append(ProcessProposer(Choice(optimizer), SPACE, 1, stopper=Choice("own:Own", settings)))
        return proposers[-1]

    yield start
    for proposer in proposers:
        proposer.close()


def answer(proposer):
    (said,) = until(proposer.receive, "an answer")
    return said


def curve(trial, *values):
    return trial, 1, (), tuple(enumerate(values, start=1))


def test_it_is_asked_in_the_process_of_the_optimizer(own):
    proposer = own()
    proposer.send(*asked(curve(0, 1.0, 2.0), (1, 2, ((1, 9.0),), ((2, 9.0),)), curve(2, math.nan)))
    assert proposer.thinking
    said = answer(proposer)
    assert not proposer.thinking
    assert [*map(tuple, said.doubts)] == [(1, 2, f"in {proposer.pid}: {{0: [1, 2], 1: [1, 2]}}")]
    assert proposer.pid != os.getpid()
    assert "own" not in sys.modules  # nobody needed it here
    assert proposer.warnings() == []


def test_an_error_of_it_is_told_and_disturbs_nobody(own):
    proposer = own()
    proposer.send(*asked(curve(13, 9.0), curve(14, 9.0)))
    said = answer(proposer)
    (failure,) = said.failures
    assert re.fullmatch(r"the stopper failed on trial 13, .* on: ValueError\('unlucky'\) \(.*/own.py:16\)", failure)
    assert [trial for trial, *_ in said.doubts] == [14]
    pid = proposer.pid
    proposer.send(Suggest(2))
    assert len(answer(proposer).params) == 2
    assert (proposer.pid, proposer.warnings()) == (pid, [])
    failures = []
    for _ in range(9):
        proposer.send(*asked(curve(13, 9.0)))
        failures += answer(proposer).failures
    (failure,) = failures
    assert "failed in this way 10 times, the last time on trial 13" in failure


def test_one_that_cannot_even_be_made_is_an_error_of_it(own):
    proposer = own(nonsense=1)
    proposer.send(*asked(curve(0, 9.0)))
    (failure,) = answer(proposer).failures
    assert "the stopper failed on trial 0, which goes on" in failure
    assert "nonsense" in failure
    proposer.send(Suggest(1))
    assert len(answer(proposer).params) == 1


def test_a_question_for_points_does_not_wait_for_all_curves(own, tmp_path):
    proposer = own(gate=str(tmp_path / "gate"), pause=0.02)
    proposer.send(*asked(*(curve(trial, 9.0) for trial in range(100))))
    proposer.send(Suggest(1))
    (tmp_path / "gate").touch()
    assert isinstance(answer(proposer), Suggested)
    assert proposer.thinking
    assert len(answer(proposer).doubts) == 99


def test_a_verdict_is_no_answer_to_a_question_for_points_nor_the_other_way_round(own):
    proposer = own()
    os.kill(proposer.pid, signal.SIGSTOP)
    proposer.send(*asked(curve(0, 9.0)))
    proposer.send(Suggest(3))
    os.kill(proposer.pid, signal.SIGCONT)
    said = []
    until(lambda: said.extend(proposer.receive()) or len(said) == 2, "both answers")
    assert {type(each) for each in said} == {Suggested, Weighed}
    assert not proposer.thinking


def test_while_random_points_stand_in_for_the_process_the_verdict_is_awaited(own, tmp_path):
    proposer = own("sobol", gate=str(tmp_path / "gate"))
    proposer._patience = 0.5
    proposer.send(*asked(curve(0, 9.0)))
    until((tmp_path / "gate.reached").exists, "the stopper at work")
    for count in (2, 3):
        proposer.send(Suggest(count))
        assert len(answer(proposer).params) == count
    assert not proposer.thinking  # or rank 0 would look all the time
    (note,) = proposer.warnings()
    assert "nor has stopper 'own:Own' in the same process; random points are used until it does" in note
    (tmp_path / "gate").touch()
    assert [trial for trial, *_ in answer(proposer).doubts] == [0]
    until(lambda: proposer.receive() == [] and proposer.warnings(), "its late answer, which is nobody's")


def test_a_process_that_is_started_anew_says_so_and_judges(own):
    proposer = own(dies=7)
    proposer.send(*asked(curve(0, 9.0), curve(7, 1.0)))
    assert answer(proposer) == Weighed(anew=True)
    (note,) = proposer.warnings()
    assert "it is started anew: its process ended (3)" in note
    proposer.send(*asked(curve(1, 9.0)))
    assert [why.partition(": ")[2] for _, _, why in answer(proposer).doubts] == ["{1: [1]}"]


def test_a_stopper_that_kills_its_process_again_is_asked_no_more_and_the_search_goes_on(own):
    proposer = own(dies=7)
    for _ in range(2):
        proposer.send(*asked(curve(7, 1.0)))
        said = answer(proposer)
    assert said == Weighed()
    assert "is asked no more" in "".join(proposer.warnings())
    proposer.send(*asked(curve(7, 1.0)))
    assert answer(proposer) == Weighed()
    proposer.send(Suggest(1))
    assert len(answer(proposer).params) == 1
    assert proposer.warnings() == []


def test_what_takes_the_place_of_an_optimizer_that_raises_judges_too(own, tmp_path):
    (tmp_path / "raises.py").write_text(
        "class Raises:\n def __init__(self, space, seed): pass\n def ask(self, *_): 1/0\n def tell(self, *_): pass\n"
    )
    proposer = own("raises:Raises")
    proposer.send(Suggest(1))
    events = []
    until(lambda: events.extend(proposer.receive()) or len(events) == 2, "its end, and a point")
    assert events[0] == Weighed(anew=True)
    proposer.send(*asked(curve(1, 9.0)))
    assert len(answer(proposer).doubts) == 1


def test_rank_0_is_never_blocked_by_a_stopper_that_hangs(own, tmp_path):
    """It has one question to keep, whatever is reported meanwhile."""
    proposer, talk = own(gate=str(tmp_path / "gate")), Apart()
    trial = talk.begin()
    sent = 0
    for step in range(1, 3000):
        for command in talk.tell(trial, 9.0, first=step):
            proposer.send(command)
            sent += 1
        assert proposer.receive() == []
    assert sent == 1
    (tmp_path / "gate").touch()
    (stop, more) = talk.say(answer(proposer))
    assert (type(stop), type(more)) == (Stop, Weigh)
    assert len(more.curves[0][3]) == 2998
