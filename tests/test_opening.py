"""A history is opened while others go on: one that hangs holds up nobody; one that answers too late is let go of."""

import math
import time

import pytest
from running import Site, until

from metaopt.errors import HistoryError, WalltimeShort
from metaopt.experiment import Experiment
from metaopt.opening import SLACK, Terms, begin_aside

HANGS = """
import threading
from pathlib import Path
class Store:
    shared = False
    def __init__(self, where, *, create=False):
        self.where = Path(where)
    def append(self, records, after=None):
        while not self.where.exists():
            threading.Event().wait(0.01)
    def read(self, after=None):
        return iter(())
    def close(self):
        self.where.with_suffix(".closed").touch()
"""


@pytest.fixture
def hanging(tmp_path, monkeypatch):
    """An experiment whose history answers once ``there`` is."""
    (tmp_path / "hangs_later.py").write_text(HANGS)
    monkeypatch.syspath_prepend(str(tmp_path))
    Site(tmp_path).experiment(history=f"hangs_later:Store:{tmp_path}/there")
    return Experiment.load(tmp_path / "exp.yaml")


def test_what_others_are_given_turns_for_comes_when_it_answers(hanging, tmp_path):
    opening = begin_aside(hanging, Terms())
    assert [next(opening) for _ in range(3)] == [None, None, None]
    (tmp_path / "there").touch()
    with pytest.raises(StopIteration) as ended:
        until(lambda: next(opening), "the end")
    assert ended.value.value.study.run == 1
    assert not (tmp_path / "there.closed").exists()
    ended.value.value.recorder.close()


@pytest.mark.parametrize("how", ["interrupted", "too late", "at the end"])
def test_what_nobody_waits_for_any_more_lets_others_write(hanging, tmp_path, how, monkeypatch):
    monkeypatch.setattr("metaopt.opening.PATIENCE", 0.0 if how == "too late" else 60.0)
    monkeypatch.setattr("metaopt.opening.SLACK", -math.inf)  # else it is too late before the history is looked at
    opening = begin_aside(hanging, Terms(deadline=0.0 if how == "at the end" else time.time() + 60))
    if how == "too late":
        with pytest.raises(HistoryError, match="has not answered in a long time: hangs_later:Store:"):
            next(opening)
    elif how == "at the end":  # a later run may begin it
        with pytest.raises(WalltimeShort, match="the end came before the history had answered: hangs_later:Store:"):
            next(opening)
    else:
        next(opening)
        opening.close()
    assert not (tmp_path / "there.closed").exists()
    (tmp_path / "there").touch()
    until((tmp_path / "there.closed").exists, "its close")


def test_what_is_wrong_is_raised_where_it_is_waited_for(hanging, tmp_path):
    (tmp_path / "there").touch()
    opening = begin_aside(hanging, Terms(deadline=time.time() + SLACK + 1))  # its grace is 2 s
    with pytest.raises(WalltimeShort, match="none of them for trials"):
        until(lambda: next(opening), "the end")
