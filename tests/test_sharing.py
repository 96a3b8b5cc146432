"""Several runs on one study: they see each other's trials, and none is lost, none run twice, when one is gone."""

import math
import random
import threading

import pytest
from audit import Audit
from simulation import SPACE, Fickle, script

from metaopt.driver import Driver
from metaopt.history import replay
from metaopt.limits import Limits
from metaopt.messages import Adopted, Assign, Claim, Closed, Finished, Joined, Opened, Reported, Silent, Suggested
from metaopt.optimizers import make
from metaopt.proposer import InlineProposer
from metaopt.scheduler import Scheduler
from metaopt.sharing import PATIENCE, POLL, RENEWALS, STALE, Peers, Place, SharedRecorder, join, patience
from metaopt.stopping.never import Never
from metaopt.stores.base import Record
from metaopt.stores.memory import Memory
from metaopt.transports.simulated import SimulatedHub
from metaopt.trial import State
from metaopt.wire import to_plain

ABOUT = {"name": "simulated", "objective": {"metric": "loss"}, "attempts": 2}


class Killed(Exception):
    """Rank 0 is gone from here on."""


class Reluctant(Fickle):
    """Goes on with trials when all have begun, but for a hundred."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def should_stop(self, trial, points):
        self.seen.add(trial)
        return super().should_stop(trial, points)

    def promote(self):
        return super().promote() if len(self.seen) > 100 else None


class Turns:
    """Lets threads run one at a time: the one whose virtual clock is behind."""

    def __init__(self, names):
        self._changed = threading.Condition()
        self._waiting, self._running = dict.fromkeys(names, -math.inf), None

    def wait(self, name, time):
        """Until it is this one's turn, at its ``time``."""
        with self._changed:
            self._waiting[name], self._running = time, None
            self._next()
            self._changed.wait_for(lambda: self._running == name)

    def leave(self, name):
        with self._changed:
            del self._waiting[name]
            self._next()

    def _next(self):
        self._running = min(self._waiting, key=lambda name: (self._waiting[name], name), default=None)
        self._changed.notify_all()


class Hub(SimulatedHub):
    """Waits for its turn before it looks at its workers."""

    def __init__(self, turns, name, doom, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self._turns, self._name, self._doom = turns, name, doom

    def receive(self, until):
        until = min(until, self._coming[0][0]) if self._coming else until
        self._turns.wait(self._name, until)
        if until >= self._doom:
            raise Killed
        return super().receive(until)


class Quiet:
    def show(self, now, scheduler, notes):
        self.notes = notes


class Allocation:
    """One run among several: from ``begin`` to ``end``, if not killed at ``doom`` without a word."""

    def __init__(self, name, records, turns, trials, workers, begin=0.0, end=math.inf, doom=math.inf, stopper=None):
        self.name, self.store, self.turns = name, Memory(records), turns
        self.trials, self.workers, self.begin, self.end, self.doom = trials, workers, begin, end, doom
        self.scheduler, self.stopper = None, stopper
        self.thread = threading.Thread(target=self._live, daemon=True)

    def _live(self):
        try:
            self.turns.wait(self.name, self.begin)
            self._run()
        except Killed:
            pass
        finally:
            self.turns.leave(self.name)

    def _run(self):
        resumes = self.stopper is not None
        opened = Opened("1", 1, {**ABOUT, "trials": self.trials, "resumes": resumes}, alone=False)
        study, place = join(self.store, opened, lambda _: None, self.begin)
        hub = Hub(
            self.turns, self.name, self.doom, script(3, seconds=10.0), self.workers, begin=self.begin, resumes=resumes
        )
        recorder = SharedRecorder(self.store, study.run, place, clock=hub.now, background=False)
        limits = Limits(self.trials, self.workers, begin=self.begin, end=self.end)
        self.scheduler = Scheduler(study, limits, self.stopper or Never(), shared=True)
        proposer = InlineProposer(make("random", SPACE, seed=hash(self.name) % 1000), self.stopper)
        Driver(self.scheduler, hub, proposer, recorder, Quiet()).run()
        recorder.record(hub.now(), [Closed()])


def run(*allocations):
    for allocation in allocations:
        allocation.thread.start()
    for allocation in allocations:
        allocation.thread.join(300)
        assert not allocation.thread.is_alive()


def check(records, trials):
    """Each trial has one result, by the records and by what a reader makes of them."""
    audit = Audit([(r.run, r.kind, r.body) for r in records], 2)
    assert [account.result for account in audit.trials] == ["completed"] * trials
    study = replay(Memory(records)).study
    assert list(study.trials) == list(range(trials))
    assert {trial.state for trial in study.trials.values()} == {State.COMPLETED}
    return study


def places(study):
    return {trial.run for trial in study.trials.values()}


@pytest.mark.parametrize("seed", range(2))
def test_20_allocations_of_200_workers_come_and_go_and_nothing_is_lost_or_done_twice(seed):
    chance = random.Random(seed)
    records, names = [], range(20)
    turns = Turns(names)
    trials = 8_000
    allocations = [
        Allocation(
            name,
            records,
            turns,
            trials,
            200,
            begin=chance.uniform(0, 60),
            end=chance.uniform(60, 80) if name % 4 == 1 else math.inf,
            doom=chance.uniform(20, 80) if name % 4 == 2 else math.inf,
        )
        for name in names
    ]
    run(*allocations)
    study = check(records, trials)
    assert len(places(study)) >= 10
    for allocation in allocations:
        if allocation.doom == allocation.end == math.inf:
            assert allocation.scheduler.complete
            assert repr(sorted(allocation.scheduler.study.trials.items())) == repr(sorted(study.trials.items()))
            assert allocation.scheduler.study.best == study.best


def test_what_a_run_has_paused_another_goes_on_with_or_ends():
    records, names = [], range(4)
    turns = Turns(names)
    dooms = {1: 55.0, 2: 75.0, 3: 90.0}
    run(
        *(
            Allocation(n, records, turns, 200, 4, 3.0 * n, doom=dooms.get(n, math.inf), stopper=Reluctant())
            for n in names
        )
    )
    audit = Audit([(r.run, r.kind, r.body) for r in records], 2, resumes=True)
    assert {account.result for account in audit.trials} == {"completed", "stopped"}
    study = replay(Memory(records)).study
    assert len(study.trials) == len(study.ended) == 200
    assigned = {(r.body["trial"], r.body["attempt"]): r.run for r in records if r.kind == "Assign"}
    decided = [
        (r.kind, assigned[r.body["trial"], r.body["attempt"]] != r.run)
        for r in records
        if r.kind in {"Thawed", "Abandoned"}
    ]
    assert set(decided) == {(kind, other) for kind in ("Thawed", "Abandoned") for other in (False, True)}


def test_the_last_one_does_what_one_that_was_killed_has_left():
    records, turns = [], Turns("ab")
    run(
        Allocation("a", records, turns, 40, 10, doom=25.0),
        Allocation("b", records, turns, 40, 10),
    )
    study = check(records, 40)
    adopted = [record for record in records if record.kind == "Adopted"]
    assert [(r.run, r.body["runs"]) for r in adopted] == [(2, (1,))]
    assert places(study) == {1, 2}


def test_one_that_comes_later_begins_with_what_was_interrupted():
    records = []
    run(Allocation("a", records, Turns("a"), 30, 10, end=25.0))
    left = {n for n, trial in replay(Memory(records)).study.trials.items() if trial.state is State.WAITING}
    assert len(left) == 10
    run(Allocation("b", records, Turns("b"), 30, 10, begin=100.0))
    check(records, 30)
    first = [record.body["trial"] for record in records if record.run == 2 and record.kind == "Assign"][:10]
    assert set(first) == left


def record(run, seq, fact):
    return Record(run, seq, 0.0, type(fact).__name__, to_plain(fact))


def peers(**changes):
    place = {"cursor": 0, "trials": 0, "total": 10, "others": {1: 0.0}, **changes}
    return Peers(2, Place(**place), 0.0)


def pass_time(seen, begin, seconds, *said):
    silent = []
    for second in range(int(seconds)):
        silent += seen.look(said, begin + second + POLL)
    return silent


def test_a_run_of_which_nothing_is_heard_is_silent_once_until_it_speaks():
    seen = peers()
    assert pass_time(seen, 0.0, PATIENCE - 1) == []
    assert pass_time(seen, PATIENCE - 1, 5) == [1]
    assert pass_time(seen, PATIENCE + 4, 5) == []
    assert pass_time(seen, PATIENCE + 9, 1, record(1, 9, Joined(1, "host", ""))) == []
    assert pass_time(seen, PATIENCE + 10, PATIENCE + 5) == [1]


def test_the_time_in_which_nothing_could_be_heard_does_not_count():
    seen = peers()
    assert seen.look([], 1000 * PATIENCE) == []
    assert seen.look([], 2000 * PATIENCE) == []


def test_one_that_was_last_heard_long_ago_is_waited_for_a_shorter_time():
    seen = Peers(2, Place(0, 0, 10, {1: 0.0, 3: STALE}), STALE + 1)
    assert seen.look([], STALE + 1) == []
    assert pass_time(seen, STALE + 1, 2 * PATIENCE / RENEWALS) == [1]


def test_each_is_as_patient_with_another_as_that_one_s_file_says():
    about = {**ABOUT, "trials": 5, "heartbeat": 600.0, "grace": 60.0}
    seen = peers(others={})
    seen.look([record(1, 1, Opened("1", 1, about, alone=False))], 1.0)
    long = patience(about)
    assert long > 2 * 600 + 60
    assert pass_time(seen, 1.0, long - 2) == []
    assert pass_time(seen, long - 1, 5) == [1]


def test_no_more_points_are_granted_than_are_missing():
    seen = peers(trials=7)
    points = tuple({"x": n} for n in range(5))
    assert seen.grant(Suggested(points)) == Suggested(points[:3])
    seen.look([record(1, 1, Suggested(points[:2]))], 1.0)
    assert seen.grant(Suggested(points)) == Suggested(points[:1])
    seen.take(record(2, 1, Suggested(points[:1])))
    assert seen.grant(Suggested(points)) == Suggested(())


def test_only_who_is_silent_or_has_closed_is_adopted_and_once():
    seen = peers(others={1: 0.0, 3: 0.0, 4: 0.0}, closed=[5])
    seen.look([record(4, 1, Closed())], 1.0)
    assert seen.grant(Adopted((1, 3, 4, 5))) == Adopted((4, 5))
    pass_time(seen, 1.0, PATIENCE, record(3, 1, Joined(1, "host", "")))
    assert seen.grant(Adopted((1, 3, 4, 5))) == Adopted((1, 4, 5))
    seen.look([record(3, 2, Adopted((1, 5)))], PATIENCE + 2)
    assert seen.grant(Adopted((1, 3, 4, 5))) == Adopted((4,))
    assert not seen.given_up
    seen.look([record(3, 3, Adopted((2,)))], PATIENCE + 3)
    assert seen.given_up


def opened(**changes):
    return Opened("1", 1, {**ABOUT, "trials": 5, **changes}, alone=False)


def joined(records, now=0.0):
    store = Memory(records)
    study, place = join(store, opened(), lambda _: None, now)
    clock = Clock(now)
    return study, SharedRecorder(store, study.run, place, clock=clock, background=False)


class Clock:
    """Goes on by as much as it is let."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


def test_claims_of_two_never_exceed_the_total_and_both_hear_the_same():
    records = []
    one, two = joined(records), joined(records)
    for study, recorder in (one, two):
        recorder.claim(1.0, Claim(Suggested(tuple({"x": study.run * 10 + n} for n in range(4)))))
    for study, recorder in (one, two, one):
        for event in recorder.heard():
            study.apply(event.time, event.fact, event.run)
        recorder.record(2.0, [Joined(1, "host", "")])
    for event in one[1].heard():
        one[0].apply(event.time, event.fact, event.run)
    assert [trial.params["x"] for trial in one[0].trials.values()] == [10, 11, 12, 13, 20]
    assert one[0].trials == two[0].trials


def test_one_that_was_given_up_writes_no_more():
    records = []
    _, one = joined(records)
    _, two = joined(records, now=STALE)
    while not any(isinstance(event, Silent) for event in two.heard()):
        two._clock.now += POLL
    two.claim(1.0, Claim(Adopted((1,))))
    two.heard()
    before = len(records)
    one.record(2.0, [Joined(1, "host", "")])
    assert "do its work" in one.broken
    assert len(records) == before


def test_one_that_was_given_up_does_not_hear_what_has_become_of_its_trials():
    records = []
    study, one = joined(records)
    _, two = joined(records, now=STALE)
    for fact in (Suggested(({"x": 1.0},)), Joined(1, "host", ""), Assign(1, 0, 1, {"x": 1.0})):
        one.record(1.0, [fact])
        study.apply(1.0, fact)
    while not any(isinstance(event, Silent) for event in two.heard()):
        two._clock.now += POLL
    two.claim(1.0, Claim(Adopted((1,))))
    two.heard()
    two.record(2.0, [Joined(1, "other", ""), Assign(1, 0, 2, {"x": 1.0})])
    unheard = [Reported(1, 0, 1, ((1, {"loss": 1.0}),)), Finished(1, 0, 1, "completed")]
    assert all(study.apply(3.0, fact) for fact in unheard)
    one.record(3.0, unheard)
    for event in one.heard():
        study.apply(event.time, event.fact, event.run)
    assert "do its work" in one.broken
    assert study.trials[0].state is State.COMPLETED


def test_one_that_was_given_up_has_not_completed_the_study_even_if_it_has_heard_all_results():
    """Its workers had ended the last trials while it was asleep: nobody else knows, and the others run them again."""
    study, _ = join(Memory([]), opened(), lambda _: None, 0.0)
    scheduler = Scheduler(study, Limits(1, 1), Never(), shared=True)
    study.apply(1.0, Suggested(({"x": 1.0},)))
    study.apply(1.0, Joined(1, "host", ""))
    study.apply(1.0, Assign(1, 0, 1, {"x": 1.0}))
    scheduler.handle(2.0, Reported(1, 0, 1, ((1, {"loss": 1.0}),)), Finished(1, 0, 1, "completed"))
    assert scheduler.complete
    scheduler.overrule("others do its work")
    assert scheduler.finished
    assert not scheduler.complete
    assert scheduler.interrupted
    assert scheduler.draining == "others do its work"


def test_what_an_append_in_doubt_has_written_is_not_written_again():
    class Doubtful(Memory):
        """Keeps what it is given, and says that it could not."""

        doubt = False

        def append(self, records, after=None):
            end = super().append(records, after)
            if self.doubt and records:
                raise ConnectionResetError
            return end

    store = Doubtful([])
    study, place = join(store, opened(), lambda _: None, 0.0)
    recorder = SharedRecorder(store, study.run, place, clock=lambda: 0.0, background=False)
    store.doubt = True
    with pytest.raises(ConnectionResetError):
        recorder.record(1.0, [Joined(1, "host", "")])
    assert len(recorder.left()) == 1
    store.doubt = False
    assert recorder.record(2.0, [Joined(2, "host", "")]) == recorder.durable == 3
    assert [r.body.get("worker") for _, r in store.read()] == [None, 1, 2]
