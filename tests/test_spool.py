"""The queue on disk, and what metaoptd does with it."""

import errno
import json
import os
import stat
import sys
import threading
import time

import pytest
import yaml
from histories import records_of, written
from running import EXPERIMENT, until

from metaopt.cli import main, metaoptd
from metaopt.daemon import Habits, _Daemon, _Renewal
from metaopt.errors import DeviceError, HistoryHeld, QueueError, WalltimeShort
from metaopt.experiment import Experiment
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Suggested
from metaopt.spool import KEPT, Spool, Standing, Submitted

WAITING, RUNNING, DONE, FAILED, REFUSED, CANCELLED = Standing


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "a" / "queue")


def what(name="digits", weight=1.0, history="", keys=(), **changes):
    text = yaml.safe_dump({**EXPERIMENT, "name": name, "command": ["sh", "-c", "{x}"], **dict(keys)})
    history = history or f"/there/{name}.history"
    environment = {"PATH": os.environ["PATH"], "ODD": "\udc80"}
    about = {"keep": False, "allow_cpu": False, "time": time.time(), **changes}
    return Submitted(f"/there/{name}.yaml", text, name, history, weight, environment, **about)


def put(spool, *names):
    return [spool.submit(what(name)) for name in names]


def numbers(spool):
    return [entry.number for entry in spool.entries() if entry.open]


def test_what_is_submitted_is_there_as_it_was_and_for_nobody_else(spool):
    submitted = what(weight=2.0)
    assert spool.submit(submitted) == 1
    (entry,) = spool.entries()
    assert (entry.what, entry.standing) == (submitted, WAITING)
    assert entry.what.experiment().directory == "/there"
    for path in (spool.path, *spool.path.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_study_is_there_once_until_it_has_ended(spool):
    first, other = put(spool, "digits", "other")
    with pytest.raises(QueueError, match="digits is in the queue already, as 1"):
        spool.submit(what())
    spool.note(first, DONE)
    again = spool.submit(what())
    spool.cancel(again)
    assert [spool.submit(what()), other] == [4, 2]
    assert [spool.submit(what("a", history="memory:")) for _ in range(2)] == [5, 6]


def test_those_that_wait_have_an_order(spool):
    put(spool, *"abcd")
    spool.put_first(3)
    assert numbers(spool) == [3, 1, 2, 4]
    spool.put_first(4, before=2)
    assert numbers(spool) == [3, 1, 4, 2]
    put(spool, "e")
    assert numbers(spool) == [3, 1, 4, 2, 5]
    spool.cancel(1)
    assert numbers(spool) == [3, 4, 2, 5]
    for words in [(1,), (2, 1), (9,)]:
        with pytest.raises(QueueError):
            spool.put_first(*words)


def test_who_is_not_there_or_has_ended_is_not_cancelled(spool):
    put(spool, "a", "b")
    with pytest.raises(QueueError, match="there is no 9 in the queue") as error:
        spool.cancel(9)
    assert error.value.hint == "There are: 1, 2"
    spool.note(1, FAILED, "it has no result")
    with pytest.raises(QueueError, match="1 has ended: failed"):
        spool.cancel(1)


def test_a_link_that_is_turned_elsewhere_later_is_not_followed(spool, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(spool.path)
    found = Spool(link)
    put(spool, "mine")
    link.unlink()
    link.symlink_to(tmp_path)
    assert [entry.what.name for entry in found.entries()] == ["mine"]


def test_a_queue_that_others_own_or_see_is_refused(spool, tmp_path, monkeypatch):
    spool.path.chmod(0o750)
    with pytest.raises(QueueError, match="its mode is 750") as error:
        Spool(spool.path)
    assert f"chmod 700 {spool.path}" in error.value.hint
    with pytest.raises(QueueError, match="its mode is 750"):
        spool.entries()
    spool.path.chmod(0o700)
    monkeypatch.setattr("os.geteuid", lambda: spool.path.stat().st_uid + 1)
    with pytest.raises(QueueError, match="belongs to user"):
        Spool(spool.path)
    (tmp_path / "file").touch()
    with pytest.raises(QueueError, match="cannot be kept in"):
        Spool(tmp_path / "file")


def test_one_runs_it_and_who_was_killed_runs_nothing(spool):
    put(spool, "a", "b")
    claim = spool.take()
    spool.note(1, RUNNING)
    assert [entry.standing for entry in spool.entries()] == [RUNNING, WAITING]
    with pytest.raises(QueueError, match=f"metaoptd runs already: process {os.getpid()} on "):
        spool.take()
    claim.release()
    assert [entry.standing for entry in spool.entries()] == [WAITING, WAITING]
    (spool.path / "daemon").write_text(json.dumps({"pid": 1, "host": "elsewhere", "namespace": "another"}))
    assert spool.daemon()["host"] == "elsewhere"
    os.utime(spool.path / "daemon", (1, 1))
    assert not spool.daemon()


def test_what_cannot_be_read_stops_nobody(spool):
    put(spool, "a", "b")
    (spool.path / "1.json").write_text("{")
    (spool.path / "2.standing").write_text("[]")
    (spool.path / "order").write_text("nothing")
    assert [(entry.number, entry.standing) for entry in spool.entries()] == [(2, WAITING), (1, REFUSED)]


def test_of_those_that_have_ended_the_last_ones_are_kept(spool):
    for number in put(spool, *(f"study{n}" for n in range(KEPT + 3))):
        spool.note(number, DONE)
    put(spool, "another")
    assert [entry.number for entry in spool.entries()] == [KEPT + 4, *range(4, KEPT + 4)]


def test_a_number_is_never_given_again(spool):
    numbers = [spool.submit(what(f"study{n}")) for n in range(KEPT + 2)]
    spool.note(numbers[-1], DONE)
    document = json.loads((spool.path / f"{numbers[-1]}.standing").read_text())
    (spool.path / f"{numbers[-1]}.standing").write_text(json.dumps({**document, "since": 1.0}))
    for number in numbers[:-1]:
        spool.note(number, DONE)
    assert numbers[-1] not in [entry.number for entry in spool.entries()]
    assert spool.submit(what("another")) == numbers[-1] + 1


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_it_is_put_in_all_the_same(spool, monkeypatch, error):
    def link(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("os.link", link)
    assert put(spool, "a", "b") == [1, 2]
    monkeypatch.setattr(spool, "_numbers", lambda: iter(()))  # as one that looked before the others were there
    assert spool.submit(what("c")) == 3
    assert sorted(path.name for path in spool.path.iterdir()) == ["1.json", "2.json", "3.json"]


def test_a_disk_that_takes_no_more_is_told(spool, monkeypatch):
    def link(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.link", link)
    with pytest.raises(QueueError, match="cannot be written: No space left"):
        spool.submit(what())
    assert not list(spool.path.iterdir())


def test_what_is_taken_out_while_it_is_looked_at_is_not_there(spool, monkeypatch):
    put(spool, "a", "b")
    spool.note(1, DONE)
    standing = spool._standing

    def taken_out(number):
        found = standing(number)
        if number == 1:
            (spool.path / "1.json").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(spool, "_standing", taken_out)
    assert [entry.number for entry in spool.entries()] == [2]


def test_the_variables_of_what_has_ended_are_forgotten(spool):
    put(spool, "a", "b", "c")
    spool.note(1, DONE)
    spool.cancel(2)
    spool.note(3, RUNNING)
    assert [bool(spool.entry(number).what.environment) for number in (1, 2, 3)] == [False, False, True]
    assert spool.entry(1).what.name == "a"


class Under:
    """What would share the workers: which were begun, and how those end that are told to."""

    def __init__(self):
        self.numbers, self.begun, self.cancelled, self.ends = [], [], [], {}
        self.ending, self.deserted = "", False

    def begin(self, number, experiment, terms, weight):
        if experiment.name == "picky":
            raise DeviceError("it wants more")
        self.numbers.append(number)
        self.begun.append((experiment.name, weight, terms.environment["ODD"]))

    def cancel(self, number, reason):
        self.cancelled.append(number)

    def turn(self, pause):
        ended, self.ends = self.ends, {}
        self.numbers = [number for number in self.numbers if number not in ended]
        return ended


@pytest.fixture
def daemon(spool, monkeypatch):
    """One that looks at each turn, and never sleeps."""
    monkeypatch.setattr("metaopt.daemon.POLL", 0.0)
    monkeypatch.setattr("metaopt.daemon.SELDOM", 0.0)
    monkeypatch.setattr("time.sleep", lambda _: None)
    spool.take()
    complaints = []
    made = _Daemon(spool, Under(), Habits(at_once=2, drain=True), complaints.append)
    made.under, made.complaints = made._together, complaints
    return made


def test_some_run_at_once_and_the_others_when_their_turn_comes(spool, daemon):
    put(spool, "a", "b", "picky", "c")
    spool.put_first(3)
    spool.put_first(4)
    daemon.turn()
    assert daemon.under.begun == [("c", 1.0, "\udc80"), ("a", 1.0, "\udc80")]
    assert spool.entry(3).why == "it wants more"
    assert len(daemon.complaints) == 1
    assert not daemon.over
    daemon.under.ends = {4: 0}
    daemon.turn()
    daemon.turn()
    assert daemon.under.numbers == [1, 2]
    assert {entry.number: entry.standing for entry in spool.entries()} == {1: RUNNING, 2: RUNNING, 3: REFUSED, 4: DONE}
    daemon.under.ends = {1: 1, 2: ZeroDivisionError("boom")}
    daemon.turn()
    assert (spool.entry(1).why, "boom" in spool.entry(2).why) == ("it has no result", True)
    assert daemon.over
    assert daemon.status == 0


def test_what_the_allocation_cuts_off_waits_for_the_next_one(spool, daemon):
    put(spool, "a", "b", "c")
    daemon.turn()
    daemon.under.ends = {1: 130, 2: WalltimeShort("too late")}
    for _ in range(3):
        daemon.turn()
    assert [name for name, *_ in daemon.under.begun] == ["a", "b", "c"]
    daemon.under.ends = {3: HistoryHeld("somebody writes")}
    daemon.turn()
    assert [entry.standing for entry in spool.entries()] == [WAITING, WAITING, REFUSED]
    assert daemon.over
    assert daemon.status == 130


def test_what_is_cancelled_ends_or_never_begins(spool, daemon):
    put(spool, "a", "b", "c")
    daemon.turn()
    for number in (2, 3):
        spool.cancel(number)
    daemon.turn()
    assert daemon.under.cancelled == [2]
    daemon.under.ends = {1: 0, 2: 130}
    daemon.turn()
    daemon.turn()
    assert [entry.standing for entry in spool.entries()] == [DONE, CANCELLED, CANCELLED]
    assert daemon.over


def test_what_was_done_already_when_it_was_cancelled_is_done(spool, daemon):
    put(spool, "a", "b")
    daemon.turn()
    for number in (1, 2):
        spool.cancel(number)
    daemon.turn()
    daemon.under.ends = {1: 0, 2: WalltimeShort("too late")}
    daemon.turn()
    assert [spool.entry(number).standing for number in (1, 2)] == [DONE, CANCELLED]
    daemon.turn()
    assert not daemon._cancelled


SLOW = """
import threading
from pathlib import Path
class Store:
    def __init__(self, where, *, create=False):
        while not Path(where).exists():
            threading.Event().wait(0.01)
    def close(self):
        pass
"""


def test_a_history_that_does_not_answer_holds_nobody_up(spool, daemon, tmp_path, monkeypatch):
    (tmp_path / "hangs.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("metaopt.daemon.ANSWERS", 0.05)
    spool.submit(what("away", keys={"history": f"hangs:Store:{tmp_path}/there"}))
    put(spool, "a")
    for _ in range(3):
        daemon.turn()
    assert daemon.under.numbers == [2]
    assert len(daemon.complaints) == 1
    assert "away: its history, " in daemon.complaints[0]
    assert spool.entry(1).standing is WAITING
    (tmp_path / "there").touch()
    until(lambda: daemon.turn() or daemon.under.numbers == [2, 1], "its turn")


class Kept:
    """A claim that is taken over once it has been renewed twice."""

    def __init__(self):
        self.renewed, self.gone = 0, threading.Event()

    def renew(self):
        self.renewed += 1
        if self.renewed == 2:
            raise OSError(errno.ESTALE, "its disk is away")
        if self.renewed > 2:
            self.gone.set()
            raise HistoryHeld("taken over")


def test_the_claim_is_renewed_whatever_rank_0_waits_for(monkeypatch):
    monkeypatch.setattr("metaopt.daemon.RENEWAL", 0.01)
    claim = Kept()
    renewal = _Renewal(claim)
    assert claim.gone.wait(60)  # rank 0 does nothing meanwhile
    renewal.end()
    with pytest.raises(HistoryHeld, match="taken over"):
        renewal.check()


def test_who_imports_a_plug_in_and_what_to_type_is_said(spool, daemon):
    keys = {"optimizer": "mine.alone:Optimizer"}
    spool.submit(what("a", keys=keys, python="/home/me/venv/bin/python"))
    spool.submit(what("b", keys=keys, python=sys.executable))
    daemon.turn()
    other, same = spool.entry(1).why, spool.entry(2).why
    assert f"imports it with {sys.executable}, and it was submitted with /home/me/venv/bin/python" in other
    assert f"{sys.executable} -m pip install" in other
    assert "/home/me/venv/bin/python -m metaopt daemon" in other
    assert "submitted with" not in same
    assert f"Is its package installed for {sys.executable}" in same


def test_when_no_worker_is_left_it_ends_and_when_its_disk_is_away_it_goes_on(spool, daemon, monkeypatch):
    put(spool, "a")
    daemon.turn()
    monkeypatch.setattr(spool, "stamp", lambda: spool.path.joinpath("gone").stat())
    daemon.turn()
    daemon.turn()
    assert len(daemon.complaints) == 1
    assert daemon.under.numbers == [1]
    daemon.under.deserted, daemon.under.ends = True, {1: 130}
    daemon.turn()
    assert daemon.over
    assert daemon.status == 130


def test_the_verbs_say_what_they_do_and_what_they_refuse(here, capsys, monkeypatch):
    monkeypatch.setenv("METAOPT_QUEUE", str(here / "queue"))

    def told(*words):
        try:
            status = main(list(words))
        except SystemExit as error:
            status = error.code
        said = capsys.readouterr()
        return status, said.out + said.err

    def refused(what, *words):
        status, said = told(*words)
        assert (status, what in said) == (2, True), said

    (here / "a.yaml").write_text(yaml.safe_dump({**EXPERIMENT, "name": "a", "command": ["sh", "-c", "{x}"]}))
    (here / "bad.yaml").write_text("name: bad\n")
    refused("command: it is missing", "submit", "a.yaml", "bad.yaml")
    refused("None of them is queued", "submit", "a.yaml", "bad.yaml")
    assert f"there is nothing in {here}/queue\nno metaoptd runs yet" in told("queue")[1]
    refused("a number above 0, not -1", "submit", "--weight", "-1", "a.yaml")
    status, said = told("submit", "--weight=2", "a.yaml")
    assert (status, said.splitlines()[0]) == (0, "a is in the queue, as 1")
    assert "no metaoptd runs yet; on this machine one is begun with:  metaoptd\n" in said
    refused("a is in the queue already, as 1", "submit", "a.yaml")
    (listed,) = json.loads(told("queue", "--json")[1])
    assert (listed["name"], listed["standing"], listed["weight"]) == ("a", "waiting", 2.0)
    assert "waiting" in told("queue", "--first", "1")[1]
    refused("--before goes with --first", "queue", "--before", "1")
    refused("there is no 7", "queue", "--cancel", "7")
    assert told("queue", "--cancel", "1") == (0, "1 is cancelled\n")
    assert "--queue" in told("submit", "--queue", f"{here}/other", "a.yaml")[1].splitlines()[-1]
    (here / "queue").chmod(0o755)
    for words in (["queue"], ["submit", "a.yaml"], ["daemon"]):
        refused("its mode is 755", *words)
    monkeypatch.setattr("sys.argv", ["metaoptd"])
    assert (metaoptd(), "its mode is 755" in capsys.readouterr().err) == (2, True)


def test_a_study_that_is_finished_is_told_to_be_and_not_queued(here, capsys, monkeypatch):
    monkeypatch.setenv("METAOPT_QUEUE", str(here / "queue"))
    for name, trials in (("a", 1), ("b", 2)):
        keys = {**EXPERIMENT, "name": name, "command": ["sh", "-c", "{x}"], "trials": trials}
        (here / f"{name}.yaml").write_text(yaml.safe_dump(keys))
        facts = [Opened("1", 1, Experiment.load(f"{name}.yaml").describe()), Joined(1, "host", "core")]
        facts += [Suggested(({"x": 0.5},)), Assign(1, 0, 1, {"x": 0.5}), Reported(1, 0, 1, ((1, {"loss": 1.0}),))]
        written(f"{name}.history", records_of(*facts, Finished(1, 0, 1, "completed")))
    assert main(["submit", "a.yaml"]) == 0
    assert capsys.readouterr().out == (
        "a: finished already, with 1 trial: nothing was started\n"
        "best: trial 0, loss = 1; metaopt best a.yaml  tells more\nfor more trials:  trials: 11, in a.yaml\n"
    )
    assert main(["submit", "a.yaml", "b.yaml"]) == 0
    assert [entry.what.name for entry in Spool(here / "queue").entries()] == ["b"]
    assert capsys.readouterr().out.startswith("a: finished already")


def test_a_scripts_own_command_line_is_submitted_too(here, capsys, monkeypatch):
    monkeypatch.setenv("METAOPT_QUEUE", str(here / "queue"))
    (here / "train.py").write_text("print('loss=1')")
    ours, theirs = ["--weight", "2", "--metric", r"loss=(\S+)", "-n", "mine"], ["--lr~uniform(0, 1)", "--weight", "3"]
    assert main(["submit", *ours, "./train.py", *theirs]) == 0
    (entry,) = Spool(here / "queue").entries()
    assert (entry.what.name, entry.what.weight) == ("mine", 2.0)
    assert entry.what.experiment().command[-2:] == ("--weight", "3")
    assert (here / "mine.yaml").read_text() == entry.what.text
    assert capsys.readouterr().out.startswith("mine is in the queue, as 1\n")
