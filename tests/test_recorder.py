"""Facts on their way to disk: in order, many at a time, and none lost when the disk fails for a while."""

import errno
import os
import threading

from running import until

from metaopt.errors import HistoryHeld
from metaopt.messages import Joined
from metaopt.recorder import Recorder
from metaopt.stores.memory import Memory


class Disk(Memory):
    """A store that can be full, slow, or taken over."""

    def __init__(self):
        super().__init__()
        self.full, self.taken = False, False
        self.open = threading.Event()
        self.open.set()
        self.batches = []

    def append(self, records):
        self.open.wait()
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.taken:
            raise HistoryHeld("another run writes")
        if records:
            self.batches.append(len(records))
        super().append(records)


def facts(*workers):
    return [Joined(worker, "host", "core") for worker in workers]


def workers_in(store):
    return [record.body["worker"] for _, record in store.read()]


def test_facts_are_kept_in_order_and_numbered():
    store = Disk()
    recorder = Recorder(store, run=3)
    assert recorder.record(1.0, facts(1, 2)) == 2
    assert recorder.record(2.0, []) == 2
    assert recorder.record(2.0, facts(3)) == 3
    assert recorder.close()
    assert recorder.durable == 3
    assert workers_in(store) == [1, 2, 3]
    assert [(r.run, r.seq, r.time) for _, r in store.read()] == [(3, 1, 1.0), (3, 2, 1.0), (3, 3, 2.0)]


def test_what_waits_goes_to_disk_together():
    store = Disk()
    store.open.clear()
    recorder = Recorder(store, run=1)
    for worker in range(1, 101):
        recorder.record(1.0, facts(worker))
    assert recorder.durable == 0
    store.open.set()
    assert recorder.close()
    assert workers_in(store) == list(range(1, 101))
    assert len(store.batches) <= 3


def test_a_full_disk_is_told_and_nothing_is_lost(monkeypatch):
    monkeypatch.setattr(Recorder, "pause", 0.02)
    store = Disk()
    store.full = True
    recorder = Recorder(store, run=1)
    recorder.record(1.0, facts(1, 2))
    until(lambda: "No space left on device" in recorder.trouble, "the trouble")
    recorder.record(2.0, facts(3))
    assert recorder.durable == 0
    store.full = False
    until(lambda: recorder.durable == 3, "the disk's recovery")
    assert recorder.trouble == ""
    assert recorder.close()
    assert workers_in(store) == [1, 2, 3]


def test_a_disk_that_stays_full_does_not_hold_the_end_up(monkeypatch):
    monkeypatch.setattr(Recorder, "pause", 0.02)
    store = Disk()
    store.full = True
    recorder = Recorder(store, run=1)
    recorder.record(1.0, facts(1))
    assert not recorder.close()
    assert "No space left" in recorder.trouble


def test_at_the_end_it_is_tried_once_more_at_once():
    store = Disk()
    store.full = True
    recorder = Recorder(store, run=1)
    recorder.record(1.0, facts(1, 2))
    until(lambda: recorder.trouble, "the trouble")
    assert [record.body["worker"] for record in recorder.left()] == [1, 2]
    store.full = False
    assert recorder.close()
    assert not recorder.left()
    assert workers_in(store) == [1, 2]


def test_a_history_that_was_taken_over_is_told():
    store = Disk()
    store.taken = True
    recorder = Recorder(store, run=1)
    recorder.record(1.0, facts(1))
    until(lambda: recorder.broken, "the taking over")
    assert not recorder.close()


def test_a_store_that_fails_in_an_unheard_of_way_is_told():
    store = Disk()
    recorder = Recorder(store, run=1)
    recorder.record(1.0, [Joined(1, "host", object())])
    recorder.record(1.0, facts(1))
    store.append = None
    recorder.record(2.0, facts(2))
    until(lambda: "TypeError" in recorder.broken, "the end of the writing")
    assert not recorder.close()


def test_a_disk_that_hangs_at_the_end_is_waited_for_once_and_not_touched_again(monkeypatch):
    store, waited = Disk(), []
    store.open.clear()
    store.close = lambda: waited.append("closed")
    recorder = Recorder(store, run=1)
    recorder.record(1.0, facts(1))
    monkeypatch.setattr(recorder._thread, "join", waited.append)
    assert [recorder.close(20.0), recorder.close()] == [False, False]
    assert waited == [20.0, 0.0]
    store.open.set()
    threading.Thread.join(recorder._thread, 60.0)
    recorder.close()
    assert waited == [20.0, 0.0, 0.0, "closed"]
