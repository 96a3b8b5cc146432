"""Workers may say anything, in any order: the scheduler stays sound, and its journal tells the whole truth."""

import copy
import math
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from simulation import Fickle

from metaopt.goals import Goals
from metaopt.hearing import Failures, weighed
from metaopt.limits import Limits
from metaopt.messages import (
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
    StoodDown,
    Suggest,
    Suggested,
)
from metaopt.objective import Objective
from metaopt.scheduler import Scheduler
from metaopt.stopping.median import Median
from metaopt.study import Study
from metaopt.trial import ACTIVE, ENDED, State
from metaopt.verdicts import Weigh, Weighed
from metaopt.wire import from_plain, to_plain

TRIALS, WORKERS = 4, 3
workers = st.integers(1, WORKERS)
trials = st.integers(0, TRIALS)
attempts = st.integers(1, 3)
gpus = st.sampled_from([(), ("a",), ("b",)])
outcomes = st.sampled_from(["completed", "failed", "killed", "stopped"])


class Anything(RuleBasedStateMachine):
    """One run after another on one study."""

    resumes = False

    def __init__(self):
        super().__init__()
        self.journal, self.now, self.worked = [], 0.0, 0
        self.begin(Study(Goals((Objective("loss"),))))

    def begin(self, study):
        self.scheduler = Scheduler(study, Limits(TRIALS, WORKERS), self.stopper(), watching=True)
        self.observed, self.expected = [], {}
        self.say(Opened("1", 1, {"name": "anything", "resumes": self.resumes}))
        self.worked = 0

    def stopper(self):
        return Fickle() if self.resumes else Median(warmup=1, curves=1)

    def say(self, event):
        self.now += 1
        self.worked += self.scheduler.study.busy
        commands = self.scheduler.handle(self.now, event)
        for command in commands:
            self.listen(command)
        if any(isinstance(command, Release) for command in commands):
            assert self.scheduler.finished
        self.journal += [(self.now, fact) for fact in self.scheduler.facts]
        self.scheduler.facts = []

    def listen(self, command):
        """What an optimizer is told, and what it must know when it is asked."""
        match command:
            case Observe(trial):
                self.observed.append(trial)
                self.expected.pop(trial, None)
            case Expect(trial, _, paused):
                self.expected[trial] = paused
            case Suggest():
                study = self.scheduler.study
                assert self.expected == {number: number in study.paused for number in study.open}

    @rule(worker=workers, gpu=gpus)
    def join(self, worker, gpu):
        self.say(Joined(worker, "host", "core", gpus=gpu))

    @rule(worker=workers, gpu=gpus)
    def stand_down(self, worker, gpu):
        self.say(StoodDown(worker, "host", "ill", gpu))

    @rule(worker=workers)
    def lose(self, worker):
        self.say(Lost(worker, "gone"))

    @rule(worker=workers, trial=trials, attempt=attempts)
    def start(self, worker, trial, attempt):
        self.say(Started(worker, trial, attempt, 1))

    @rule(worker=workers, trial=trials, attempt=attempts, step=st.integers(1, 5), loss=st.floats())
    def report(self, worker, trial, attempt, step, loss):
        self.say(Reported(worker, trial, attempt, ((step, {"loss": loss}),)))

    @rule(worker=workers, trial=trials, attempt=attempts, outcome=outcomes)
    def finish(self, worker, trial, attempt, outcome):
        error = "CUDA error: unspecified launch failure" if outcome == "killed" else ""
        self.say(Finished(worker, trial, attempt, outcome, error))

    @rule(worker=workers, loss=st.floats(-10, 10), outcome=outcomes)
    def finish_well(self, worker, loss, outcome):
        """What an honest worker says: without it few trials of a random story would ever end."""
        known = self.scheduler.study.workers.get(worker)
        if known is not None and known.trial is not None:
            attempt = self.scheduler.study.trials[known.trial].attempts
            self.report(worker, known.trial, attempt, 1, loss)
            self.finish(worker, known.trial, attempt, outcome)

    @rule(count=st.integers(0, 3))
    def suggest(self, count):
        self.say(Suggested(({"x": 0},) * count))

    @rule(trial=trials)
    def thaw(self, trial):
        self.say(Suggested((), ((trial, "it promises more"),)))

    @rule()
    def interrupt(self):
        self.say(Interrupted("SIGINT"))

    @rule()
    def resume(self):
        self.begin(self.fold())

    def fold(self):
        """The study as the journal tells it, through the codec."""
        study = Study(Goals((Objective("loss"),)))
        for now, fact in self.journal:
            assert study.apply(now, from_plain(type(fact).__name__, to_plain(fact)))
        return study

    @invariant()
    def workers_and_trials_agree(self):
        study = self.scheduler.study
        for number, worker in study.workers.items():
            assert (worker.trial is None) == (number in study.idle)
            if worker.trial is not None:
                assert study.trials[worker.trial].worker == number
        active = [trial.number for trial in study.trials.values() if trial.state in ACTIVE]
        assert sorted(active) == sorted(w.trial for w in study.workers.values() if w.trial is not None)

    @invariant()
    def the_work_of_all_workers_is_known(self):
        study = self.scheduler.study
        assert study.crews[study.run].work(self.now) == self.worked

    @invariant()
    def each_trial_is_in_its_place(self):
        study = self.scheduler.study
        assert len(study.trials) <= TRIALS
        states = {number: trial.state for number, trial in study.trials.items()}
        assert sorted(study.waiting) == [n for n, state in states.items() if state is State.WAITING]
        assert sorted(study.paused) == [n for n, state in states.items() if state is State.PAUSED]
        assert sorted(study.open) == [n for n, state in states.items() if state not in ENDED]
        assert sorted(study.ended) == [n for n, state in states.items() if state in ENDED]
        assert +study.tally == Counter(states.values())

    @invariant()
    def a_completed_trial_has_a_value_and_is_observed_once(self):
        study = self.scheduler.study
        assert self.observed == study.ended
        completed = [trial for trial in study.trials.values() if trial.state is State.COMPLETED]
        assert all(math.isfinite(trial.objective) for trial in completed)
        best = min((trial.objective for trial in completed), default=None)
        assert (study.best.objective if study.best else None) == best

    @invariant()
    def the_journal_gives_the_same_state(self):
        mine, folded = copy.deepcopy(self.scheduler.study), self.fold()
        assert repr(folded) == repr(mine)
        points = [[repr(trial.points) for trial in study.trials.values()] for study in (folded, mine)]
        assert points[0] == points[1]  # NaN equals itself only as text


class AnythingThatPauses(Anything):
    """Where scripts can go on from where they were stopped."""

    resumes = True


class Untouched:
    """What the scheduler has of a stopper that is asked apart."""

    apart = True


class AnythingThatIsJudgedApart(Anything):
    """Where the stopper answers when it likes, and begins anew now and then; scripts go on from where they were."""

    resumes = True

    def stopper(self):
        self.rule, self.question = Median(warmup=1, curves=1), None
        return Untouched()

    def listen(self, command):
        super().listen(command)
        if isinstance(command, Weigh):
            assert self.question is None
            self.question = command

    @rule()
    def answer(self):
        if self.question is not None:
            question, self.question = self.question, None
            *_, answer = weighed(lambda: self.rule, question, Failures())
            assert answer.failures == ()
            self.say(answer)

    @rule()
    def forget(self):
        self.rule, self.question = Median(warmup=1, curves=1), None
        self.say(Weighed(anew=True))

    @invariant()
    def all_is_told_once_it_has_answered(self):
        questions, study = self.scheduler._judge._questions, self.scheduler.study
        if self.question is None:
            assert not questions._untold
            shown = self.scheduler._judge._news.shown
            for number, trial in study.trials.items():
                silent = trial.inherited == len(trial.points)  # in this attempt
                assert shown.get(number) == len(trial.points) or (silent and number not in shown)


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestAnythingThatPauses = AnythingThatPauses.TestCase
TestAnythingThatPauses.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAnythingThatIsJudgedApart = AnythingThatIsJudgedApart.TestCase
TestAnythingThatIsJudgedApart.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
