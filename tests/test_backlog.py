"""Records that wait: in order, however many, and with or without room for a file."""

import errno

import pytest

from metaopt import backlog as module
from metaopt.backlog import Backlog
from metaopt.stores.base import Record


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(module, "NEAR", 5)


def record(seq):
    return Record(1, seq, float(seq), "Reported", {"text": f"größe {seq}\n", "points": [[1, {"loss": 0.5}]]})


def filled(*seqs):
    backlog = Backlog()
    for seq in seqs:
        backlog.add(record(seq))
    return backlog


def drained(backlog, step=2):
    out = []
    while len(backlog):
        batch = backlog.first(step)
        out += batch
        for each in batch:
            backlog.drop(each)
    return out


@pytest.mark.parametrize("many", [0, 1, 5, 6, 23])
def test_they_come_out_as_they_went_in(many):
    backlog = filled(*range(1, many + 1))
    assert len(backlog) == many
    assert drained(backlog) == [record(seq) for seq in range(1, many + 1)]
    assert len(backlog) == 0


def test_those_in_memory_are_few():
    backlog = filled(*range(1, 24))
    assert len(backlog.first(100)) == 5
    backlog.recall()
    assert [each.seq for each in backlog.first(100)] == list(range(1, 24))


def test_what_is_added_meanwhile_comes_last():
    backlog, out = filled(*range(1, 9)), []
    for seq in range(9, 40):
        backlog.add(record(seq))
        (each,) = backlog.first(1)
        backlog.drop(each)
        out.append(each)
    out += drained(backlog)
    assert out == [record(seq) for seq in range(1, 40)]


def test_one_in_the_middle_may_be_dropped():
    backlog = filled(1, 2, 3)
    backlog.drop(record(2))
    assert [each.seq for each in drained(backlog)] == [1, 3]


@pytest.mark.parametrize("after", [0, 3])
def test_without_room_for_a_file_all_wait_in_memory(monkeypatch, after):
    backlog = filled(*range(1, 6 + after))

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.tempfile, "TemporaryFile", full)
    if after:
        monkeypatch.setattr(backlog, "_file", Full(backlog._file))
    for seq in range(6 + after, 30):
        backlog.add(record(seq))
    assert drained(backlog) == [record(seq) for seq in range(1, 30)]


class Full:
    """A file that takes half a line more, and then nothing."""

    def __init__(self, file):
        self._file, self._full = file, False

    def write(self, line):
        if self._full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._full = True
        return self._file.write(line[: len(line) // 2])

    def __iter__(self):
        return iter(self._file)

    def __getattr__(self, name):
        return getattr(self._file, name)
