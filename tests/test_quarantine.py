"""GPUs that are ill: what proves it, who stands by, and where their trials are run."""

import json

import pytest
from test_scheduler import Talk, completed, reported

from metaopt.evidence import Evidence
from metaopt.faults import blames_gpu
from metaopt.messages import Assign, Expect, Finished, Joined, Lost, Release, Started, StoodDown, Suggest, Suggested
from metaopt.shortage import lacks_gpu_memory
from metaopt.trial import State, Trial
from metaopt.usage import in_words
from metaopt.wire import decode, encode, from_plain

FAULT = "RuntimeError: CUDA error: unspecified launch failure"


def trial(number, params, state, gpu, **about):
    return Trial(number, params, state=state, gpus=(gpu,), **about)


def weigh(*trials):
    evidence = Evidence()
    return [evidence.weigh(each) for each in trials]


def weigh_together(*trials):
    evidence = Evidence()
    return [evidence.weigh(each, nodes=2) for each in trials]


def on(worker, gpu):
    return Joined(worker, "host", gpu, gpus=(gpu,))


def test_a_gpu_is_ill_when_a_trial_that_blamed_it_was_completed_elsewhere():
    assert list(weigh(trial(3, {}, State.COMPLETED, "b", shunned=("a",)))[0]) == ["a"]
    assert weigh(trial(3, {}, State.COMPLETED, "a", shunned=("a",))) == [{}]
    assert weigh(trial(3, {}, State.FAILED, "b", shunned=("a", "b"), error=FAULT)) == [{}]


@pytest.mark.parametrize("order", [1, -1])
def test_a_gpu_is_ill_when_the_same_points_fail_there_and_are_completed_elsewhere(order):
    ended = [
        trial(0, {"x": 1}, State.FAILED, "a"),
        trial(1, {"x": 2}, State.FAILED, "a"),
        trial(2, {"x": 1}, State.COMPLETED, "b"),
        trial(3, {"x": 2}, State.COMPLETED, "b"),
    ]
    *before, last = weigh(*ended[::order])
    assert before == [{}, {}, {}]
    assert last == {"a": "trials 0, 1 failed here, and the same parameters were completed elsewhere"}


def test_of_a_trials_several_nodes_a_gpu_is_ill_when_others_accuse_it_too():
    there = {"state": State.COMPLETED, "gpus": ("e", "f")}
    first, second = Trial(0, {}, shunned=("a", "b"), **there), Trial(1, {}, shunned=("c", "b"), **there)
    why = "trials 0, 1 failed here, and the same parameters were completed elsewhere"
    assert weigh_together(first, second) == [{}, {"b": why}]
    assert weigh_together(Trial(0, {}, shunned=("a", "b", "a", "b"), **there)) == [{}]  # of which one, nobody knows
    with_b = Trial(1, {}, shunned=("c", "b"), state=State.COMPLETED, gpus=("b", "e"))
    assert weigh_together(first, with_b) == [{}, {}]


def test_what_failed_on_several_nodes_accuses_those_that_it_was_completed_without():
    failed = [Trial(n, {"x": n}, state=State.FAILED, gpus=("a", "b"), error=FAULT) for n in range(2)]
    done = [Trial(n + 2, {"x": n}, state=State.COMPLETED, gpus=("a", "c")) for n in range(2)]
    assert [list(found) for found in weigh_together(*failed, *done)] == [[], [], [], ["b"]]


@pytest.mark.parametrize(
    ("error", "gpu"), [("CUDA out of memory", "a"), ("timeout: it ran longer than 5 s", "a"), ("crash", "b")]
)
def test_a_points_own_failures_prove_nothing(error, gpu):
    failed = [trial(n, {"x": n}, State.FAILED, gpu, error=error) for n in range(5)]
    done = [trial(n + 5, {"x": n}, State.COMPLETED, "b") for n in range(5)]
    assert not any(weigh(*failed, *done))


def test_a_trial_that_blamed_its_gpu_waits_for_another_one_and_the_ill_one_stands_by():
    talk = Talk(trials=4)
    talk.say(on(1, "a"), on(2, "b"))
    talk.say(Suggested(({"x": 0}, {"x": 1})))
    talk.say(Started(1, 0, 1, 7), Started(2, 1, 1, 8))
    asked = talk.say(Finished(1, 0, 1, "killed", f"its GPU may be ill: {FAULT}"))
    assert asked == [Expect(0, {"x": 0}), Expect(1, {"x": 1}), Suggest(1)]  # worker 1 is not to wait for worker 2
    assert talk.say(Suggested(({"x": 2},)))[0] == Assign(1, 2, 1, {"x": 2})
    commands = talk.say(reported(2, 1, 1.0), completed(2, 1))
    assert Assign(2, 0, 2, {"x": 0}) in commands
    talk.say(reported(2, 0, 1.0, attempt=2), completed(2, 0, attempt=2))
    assert 1 in talk.study.workers  # it is busy
    talk.say(reported(1, 2, 1.0), completed(1, 2))
    assert list(talk.study.workers) == [2]
    assert list(talk.study.crews[0].quarantined) == ["a"]
    assert "a is in quarantine: trial 0 failed here, and was completed elsewhere" in talk.scheduler.warnings[-1]


def test_a_gpu_that_two_trials_blame_gets_no_more_until_they_have_ended():
    talk = Talk(trials=9)
    talk.say(on(1, "a"), on(2, "b"))
    talk.say(Suggested(tuple({"x": n} for n in range(4))))
    assert Assign(1, 2, 1, {"x": 2}) in talk.say(Finished(1, 0, 1, "killed", FAULT))
    assert talk.say(Finished(1, 2, 1, "killed", FAULT)) == []
    assert Assign(2, 2, 2, {"x": 2}) in talk.say(Finished(2, 1, 1, "failed", "its own fault"))
    commands = talk.say(Finished(2, 2, 2, "failed", "its own fault"))  # so it was not the GPU
    assert Assign(1, 3, 1, {"x": 3}) in commands


def test_where_there_is_no_other_gpu_it_is_run_there_again():
    talk = Talk(trials=1, workers=1)
    talk.say(on(1, "a"))
    talk.say(Suggested(({"x": 0},)))
    commands = talk.say(Finished(1, 0, 1, "killed", FAULT))
    assert commands == [Assign(1, 0, 2, {"x": 0})]
    talk.say(Finished(1, 0, 2, "killed", FAULT))
    assert talk.state(0) is State.FAILED
    assert 1 in talk.study.workers


@pytest.mark.parametrize(("begun", "losses"), [(False, 0), (True, 1)])
def test_a_trial_counts_as_lost_only_when_it_had_begun(begun, losses):
    talk = Talk()
    talk.say(on(1, "a"))
    talk.say(Suggested(({"x": 0},)))
    talk.say(*[Started(1, 0, 1, 7)] * begun)
    talk.say(StoodDown(1, "host", "Xid 79", ("a",)))
    assert (talk.state(0), talk.study.trials[0].losses, talk.study.workers) == (State.WAITING, losses, {})
    assert Assign(2, 0, 2, {"x": 0}) in talk.say(on(2, "b"))
    assert "Xid 79; worker 1 stands by; trial 0 is run again" in talk.scheduler.warnings[0]


def test_all_workers_of_an_ill_gpu_stand_by_and_all_are_sent_home_at_the_end():
    talk = Talk(trials=1, workers=3)
    talk.say(on(1, "a"), on(2, "a"), on(3, "b"))
    talk.say(StoodDown(1, "host", "Xid 79", ("a",)))
    assert list(talk.study.workers) == [3]
    talk.say(Suggested(({"x": 0},)))
    commands = talk.say(reported(3, 0, 1.0), completed(3, 0))
    assert {command.worker for command in commands if isinstance(command, Release)} == {1, 2, 3}


def test_when_nobody_has_a_device_the_run_ends_and_says_why():
    talk = Talk()
    talk.say(StoodDown(1, "host", "no driver"))
    assert not talk.scheduler.refused
    assert set(talk.say(StoodDown(2, "host", "no driver"))) == {Release(1), Release(2)}
    assert talk.scheduler.refused == "host: no driver"
    assert talk.scheduler.warnings == ["host: no driver"]


def test_a_worker_that_stood_by_may_be_lost_and_come_back():
    talk = Talk()
    talk.say(on(1, "a"), StoodDown(2, "host", "4 would fit"))
    talk.say(Lost(2, "silent"))
    talk.say(on(2, "b"))
    assert list(talk.study.workers) == [1, 2]


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        (FAULT, True),
        ("CUDA error: uncorrectable ECC error encountered", True),
        ("RuntimeError: No CUDA-capable device is detected", True),
        ("NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus", True),
        ("CUDA error: device-side assert triggered", False),
        ("CUDA out of memory", False),
        ("ZeroDivisionError", False),
    ],
)
def test_some_errors_blame_the_gpu(error, blamed):
    assert blames_gpu(f"Traceback\n{error}\n") == (error if blamed else "")


def test_some_errors_are_for_want_of_gpu_memory():
    assert lacks_gpu_memory("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB")
    assert lacks_gpu_memory("RuntimeError: CUDA error: out of memory")
    assert lacks_gpu_memory("CUDA_ERROR_OUT_OF_MEMORY: out of memory")
    assert not lacks_gpu_memory("MemoryError")


def test_what_older_journals_say_is_still_understood_and_what_is_new_survives_the_wire():
    assert from_plain("Joined", {"worker": 1, "host": "h", "device": "cpu 0", "pid": 3}).gpus == ()
    assert not from_plain("Finished", {"worker": 1, "trial": 0, "attempt": 1, "outcome": "completed"}).usage
    for message in (on(1, "a"), StoodDown(1, "h", "why", ("a",)), Finished(1, 0, 1, "completed", usage={"x": 0.5})):
        assert decode(encode(message)) == message
        assert json.loads(encode(message))


def used(busy, memory, seconds=10.0):
    usage = {"gpu_utilisation": busy, "gpu_memory": memory << 30, "gpu_memory_total": 40 << 30, "gpu_joules": 3.6e6}
    return Trial(0, {}, begun=0.0, ended=seconds, usage=usage)


def test_how_busy_gpus_were_is_weighted_by_time():
    said = in_words([used(0.1, 4, 30), used(0.5, 10, 10), Trial(2, {})], None)
    assert said.startswith("GPU busy 20%, at most 10.0 GiB (25%) in use, 2 kWh")
    assert "three trials per GPU would fit (resources: {gpus_per_trial: 0.33})" in said
    assert "would fit" not in in_words([used(0.1, 30)], 1)
    assert "would fit" not in in_words([used(0.1, 4)], 0.5)
    assert in_words([Trial(2, {})], None) == ""
