"""Several experiments over the same virtual workers, each under the real driver."""

import collections
import math
import random

import pytest
from simulation import SPACE, Silence

from metaopt.driver import Driver
from metaopt.goals import Goals
from metaopt.history import replay
from metaopt.lanes import STALL, Pool
from metaopt.limits import Limits
from metaopt.messages import Joined, Lost, Observe, Opened, StoodDown
from metaopt.objective import Objective
from metaopt.optimizers import make
from metaopt.proposer import InlineProposer
from metaopt.recorder import Recorder
from metaopt.scheduler import Scheduler
from metaopt.stopping.never import Never
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.transports.simulated import SimulatedHub
from metaopt.trial import State
from metaopt.welcome import Welcome


def steady(seconds):
    """A script that takes so long."""

    def train(params, trial):
        yield seconds, {"loss": 1.0}

    return train


class Experiment:
    """One of several, with a study and a history of its own, and virtual scripts that last so long."""

    def __init__(self, trials, seconds, workers, proposer=None, fails=None):
        self.study, self.store = Study(Goals((Objective("loss"),))), Memory()
        self.scheduler = Scheduler(self.study, Limits(trials, workers), Never())
        self.seconds, self.fails, self.ended = seconds, fails, None
        self.proposer = proposer or InlineProposer(make("random", SPACE, seed=1))

    def start(self, lane):
        self.study.run = 1
        recorder = Recorder(self.store, 1, background=False)
        driver = Driver(self.scheduler, lane, self.proposer, recorder, Silence())
        lane.greet(Welcome((), str(self.seconds), "", {}, None, 1.0, 1, 1))
        for scheduler in driver.turns(Opened("1", 1, {"name": "simulated", "objective": {"metric": "loss"}})):
            if self.fails is not None and len(self.study.ended) >= self.fails:
                raise ZeroDivisionError
            yield scheduler
        return 0

    def spent(self):
        return sum(trial.duration or 0.0 for trial in self.study.trials.values())


class Workers(SimulatedHub):
    """Virtual workers whose scripts last as long as those of the experiment that they serve; some have no device."""

    def __init__(self, workers, losses=(), unfit=()):
        super().__init__(lambda params, trial: iter(()), workers, losses)
        self.serving, self.unfit, self.served = {}, set(unfit), []

    def appoint(self, worker, role):
        self.serving[worker] = role.directory
        self.served.append((worker, role.directory))
        if (worker, role.directory) in self.unfit and worker not in self._dead:
            self._at(self._time, StoodDown(worker, "host", "this worker lacks a device"))
        else:
            super().appoint(worker, role)

    def _points(self, assign):
        return enumerate(steady(float(self.serving[assign.worker]))(assign.params, assign.trial), start=1)


def run(hub, workers, *experiments, weights=(), until=math.inf):
    """How they have ended."""
    pool, ended = Pool(hub, workers), {}
    for number, experiment in enumerate(experiments):
        pool.enter(number, experiment.start, *weights[number : number + 1])
    while pool.numbers and hub.now() < until:
        ended |= pool.turn(1.0)
    return ended


def states(experiment):
    """Of its trials: in its study, and read back from its history."""
    study = replay(experiment.store).study
    assert study.trials == experiment.study.trials
    return collections.Counter(trial.state for trial in study.trials.values())


def test_each_of_several_is_done_as_if_it_were_alone():
    three = [Experiment(30, seconds, 4) for seconds in (1.0, 7.0, 3.0)]
    hub = Workers(4)
    assert run(hub, 4, *three) == {0: 0, 1: 0, 2: 0}
    for experiment in three:
        assert states(experiment) == {State.COMPLETED: 30}
        assert all(trial.attempts == 1 for trial in experiment.study.trials.values())
    assert 4 * hub.now() < 1.15 * 30 * (1.0 + 7.0 + 3.0)  # nobody waits while there is something to do


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 1.0)])
def test_they_share_the_time_by_weight_however_long_their_trials_last(weights):
    two = [Experiment(10**6, 1.0, 4), Experiment(10**6, 10.0, 4)]
    run(Workers(4), 4, *two, weights=weights, until=600.0)
    assert two[0].spent() / two[1].spent() == pytest.approx(weights[0] / weights[1], rel=0.1)


def test_one_that_raises_or_loses_workers_does_not_end_the_others():
    ill, well = Experiment(100, 2.0, 3, fails=5), Experiment(20, 5.0, 3)
    ended = run(Workers(3, losses=[(11.0, 2)]), 3, ill, well)
    assert isinstance(ended[0], ZeroDivisionError)
    assert ended[1] == 0
    assert states(well) == {State.COMPLETED: 20}
    assert sum(trial.losses for trial in well.study.trials.values()) <= 1


def test_when_all_workers_are_lost_all_of_them_end():
    two = [Experiment(100, 2.0, 2), Experiment(100, 3.0, 2)]
    hub = Workers(2, losses=[(11.0, 1), (12.0, 2)])
    assert set(run(hub, 2, *two)) == {0, 1}
    assert {experiment.scheduler.draining for experiment in two} == {"no worker is left"}


def test_who_can_do_nothing_for_one_works_for_the_others():
    picky, other = Experiment(6, 2.0, 3), Experiment(6, 3.0, 3)
    hub = Workers(3, unfit=[(1, "2.0"), (2, "2.0")])
    assert run(hub, 3, picky, other) == {0: 0, 1: 0}
    assert {trial.worker for trial in picky.study.trials.values()} == {3}
    assert max(collections.Counter(hub.served).values()) < 12


@pytest.mark.parametrize("seed", range(8))
def test_whoever_dies_comes_raises_or_can_do_nothing_no_trial_is_lost_or_done_twice(seed):
    chance = random.Random(seed)
    workers = chance.randint(3, 9)
    dying = chance.sample(range(1, workers + 1), workers // 3)
    several = [Experiment(chance.randint(1, 40), chance.choice([0.3, 2.0, 9.0]), workers) for _ in range(5)]
    several[4].fails = 3
    unfit = {(worker, str(chance.choice(several).seconds)) for worker in range(1, workers) if chance.random() < 0.3}
    hub = Workers(workers, [(chance.uniform(0, 60), worker) for worker in dying], unfit)
    pool, ended, waiting = Pool(hub, workers), {}, list(enumerate(several))
    while pool.numbers or waiting:
        if waiting and chance.random() < 0.1:
            number, experiment = waiting.pop()
            pool.enter(number, experiment.start, chance.choice([0.1, 1.0, 5.0]))
        ended |= pool.turn(chance.choice([0.1, 1.0]))
        assert hub.now() < 5000.0
    assert isinstance(ended.pop(4), ZeroDivisionError | int)
    assert set(ended.values()) == {0}
    for experiment in several[:4]:
        done = [r.body["trial"] for _, r in experiment.store.read() if r.kind == "Finished"]
        assert len(done) == len(set(done))
        failed = {trial.number for trial in experiment.study.trials.values() if trial.losses > 1}
        able = experiment.scheduler.complete
        assert not able or set(done) | failed == set(range(experiment.scheduler.limits.trials))
        assert (
            able
            or "has a device" in experiment.scheduler.draining
            or experiment.scheduler.draining == "no worker is left"
        )


class Thinks(InlineProposer):
    """It never answers."""

    def send(self, command):
        assert isinstance(command, Observe) or command.count


def test_workers_that_wait_in_vain_are_lent_to_others():
    stuck, other = Experiment(5, 1.0, 4, Thinks(None)), Experiment(40, 2.0, 4)
    hub = Workers(4)
    ended = run(hub, 4, stuck, other, until=100.0)
    assert ended == {1: 0}
    assert other.study.trials[39].ended < 20.0 + 8 * STALL


def test_one_that_is_interrupted_leaves_its_workers_to_the_others():
    two = [Experiment(100, 2.0, 2), Experiment(10, 3.0, 2)]
    hub = Workers(2)
    pool = Pool(hub, 2)
    for number, experiment in enumerate(two):
        pool.enter(number, experiment.start)
    while hub.now() < 5.0:
        assert pool.turn(1.0) == {}
    pool.interrupt("cancelled", 0)
    ended = {}
    while pool.numbers:
        ended |= pool.turn(1.0)
    assert two[0].scheduler.draining == "cancelled"
    assert states(two[1]) == {State.COMPLETED: 10}
    assert hub.now() < 30.0


class Silent(Experiment):
    """One whose history answers at the time 50."""

    def start(self, lane):
        while lane.now() < 50.0:
            yield None
        return (yield from super().start(lane))


def test_one_whose_history_does_not_answer_holds_nobody_up_and_may_be_interrupted():
    silent, other = Silent(10, 2.0, 2), Experiment(10**6, 2.0, 2)
    hub = Workers(2)
    pool = Pool(hub, 2)
    for number, experiment in enumerate((silent, other, Silent(10, 2.0, 2))):
        pool.enter(number, experiment.start)
    assert pool.turn(1.0) == {}
    assert pool.silent == []
    while hub.now() < 30.0:
        assert pool.turn(1.0) == {}
    assert pool.silent == [0, 2]
    assert other.spent() > 0.9 * 2 * 30.0 - 2 * 2.0
    pool.interrupt("cancelled", 2)
    (end,) = pool.turn(1.0).values()
    assert (end.exit_status, "before it had begun" in str(end)) == (130, True)
    ended = {}
    while 0 in pool.numbers:
        ended |= pool.turn(1.0)
    assert ended == {0: 0}
    assert pool.silent == []
    assert states(silent) == {State.COMPLETED: 10}


def test_one_that_comes_later_gets_its_share_and_all_are_let_go_at_once():
    first, second = Experiment(1000, 2.0, 4), Experiment(1000, 2.0, 4)
    hub = Workers(4)
    pool = Pool(hub, 4)
    pool.enter(7, first.start)
    while hub.now() < 100.0:
        pool.turn(1.0)
    pool.enter(9, second.start)
    while hub.now() < 200.0:
        pool.turn(1.0)
    assert second.spent() == pytest.approx(200.0, rel=0.1)
    pool.interrupt("terminated")
    pool.drop()
    assert pool.numbers == []
    assert not pool.deserted


class Late(InlineProposer):
    """Answers half a second later, as one in a process of its own does."""

    def __init__(self, hub):
        super().__init__(make("random", SPACE, seed=1))
        self._hub, self._coming = hub, []

    @property
    def thinking(self):
        return bool(self._coming)

    def receive(self):
        now = self._hub.now()
        self._coming += [(now + 0.5, answer) for answer in super().receive()]
        due = [answer for time, answer in self._coming if time <= now]
        self._coming = [(time, answer) for time, answer in self._coming if time > now]
        return due


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 1.0)])
def test_a_worker_whose_next_point_is_being_thought_of_stays_and_the_shares_are_right(weights):
    hub = Workers(4)
    two = [Experiment(10**6, seconds, 4, proposer=Late(hub)) for seconds in (100.0, 90.0)]
    run(hub, 4, *two, weights=weights, until=20_000.0)
    assert two[0].spent() / two[1].spent() == pytest.approx(weights[0] / weights[1], rel=0.05)
    assert len(hub.served) < 20


def test_an_experiment_that_could_complete_nothing_more_lets_go_of_its_workers():
    hub = Workers(1)
    two = [Experiment(10**6, seconds, 1) for seconds in (2000.0, 1000.0)]
    for experiment in two:
        experiment.scheduler.limits = Limits(10**6, 1, 0, 0.0, 6500.0)
    assert run(hub, 1, *two, until=10_000.0) == {0: 0, 1: 0}
    assert hub.now() < 6100.0
    assert "likely to complete" in two[0].scheduler.draining


class Fickle(Workers):
    """Worker 1 is silent from 20 s on and back at 25 s; worker 2 dies at 26.5 s."""

    script = ((20.0, Lost(1, "silent"), {1}), (25.0, Joined(1, "host", "core"), set()), (26.5, Lost(2, "dead"), {2}))

    def __init__(self, workers):
        self.coming, self.quiet = list(self.script), set()
        super().__init__(workers)

    def receive(self, until):
        if self.coming and self.now() >= self.coming[0][0]:
            _, event, self.quiet = self.coming.pop(0)
            return [event]
        heard = super().receive(min(until, self.coming[0][0]) if self.coming else until)
        return [event for event in heard if event.worker not in self.quiet]

    def appoint(self, worker, role):
        if worker in self.quiet:
            self.serving[worker] = role.directory
        else:
            super().appoint(worker, role)


def test_a_worker_that_is_back_is_back_for_all():
    hub = Fickle(2)
    two = [Experiment(30, seconds, 2) for seconds in (7.0, 500.0)]
    assert run(hub, 2, *two, until=30_000.0) == {0: 0, 1: 0}
    assert [len(experiment.study.ended) for experiment in two] == [30, 30]
    assert not two[1].scheduler.draining
