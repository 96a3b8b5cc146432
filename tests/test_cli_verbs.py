"""The verbs that look at a study, and those that prepare one: what they say, and what they refuse."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from histories import DESCRIPTION, LEVELDB, facts, records_of, simulated, written

from metaopt import history
from metaopt.cli import VERBS, completion, main, run, show
from metaopt.cli.base import unless_there
from metaopt.errors import HistoryError
from metaopt.experiment import Experiment
from metaopt.figures.account import failures
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Started, Stop, Suggested
from metaopt.stores.claim import Claim
from metaopt.trial import State, Trial

LOOKING = {"status": [], "best": [], "show": ["0"], "watch": []}
LOOKING |= {"plot": ["timeline", "-o", "a.svg", "--force"], "report": ["--force"]}
WHICH = "There are 5, 0 to 4: the best is 0, the last that failed 4."
TRAIN = """#!/usr/bin/env python3
import argparse
import click
p = argparse.ArgumentParser()
p.add_argument("--lr", "-l", type=float, default=1e-3)
p.add_argument("--width", default=64, type=int)
p.add_argument("--dropout", type=float, default=.5)
p.add_argument("--momentum", type=float, required=True)
p.add_argument("--act", choices=["relu", "a b"])
p.add_argument("--seed", type=int, default=7)
p.add_argument("--data", required=True)
p.add_argument("--amp", action="store_true")
p.add_argument("--version", action="version")
p.add_argument("--sizes", type=int, nargs="+")
p.add_argument("positional", type=float)
@click.option("--shout/--no-shout", default=True)
@click.option("--kernel", type=click.Choice(["rbf", "poly"]))
@click.option("--n-layers", type=click.INT, default=2)
def main(): print(f"epoch {1}: val_loss={loss:.3f}")
"""


def told(capsys, *words):
    """The exit status and what is printed, on both outputs."""
    try:
        status = main(list(map(str, words)))
    except SystemExit as error:
        status = error.code
    said = capsys.readouterr()
    assert "Traceback" not in said.err, said.err
    return status, said.out, said.err


def a_study(place="digits.history", **about):
    """With a command, curves, two kinds of failures and a trial that was stopped."""
    opened = {"name": "digits", "objective": {"metric": "loss"}, "trials": 6, "seed": 1, **about}
    opened |= {"command": ["train", "--x", "{x}", "{trial_dir}", "{seed}"], "directory": "/some where"}
    said = [Opened("1", 1, opened), Joined(1, "host", "core 1"), Suggested(tuple({"x": n / 10} for n in range(5)))]
    for number, error in enumerate(["", "", "exit status 1\nboom", "exit status 2\nbang\n", "exit status 1\n boom"]):
        outcome = "failed" if error else "completed"
        points = tuple((step, {"loss": number + 1 / step}) for step in range(1, 100))
        said += [Assign(1, number, 1, {"x": number / 10}), Reported(1, number, 1, points)]
        said += [Finished(1, number, 1, outcome, error)]
    return written(place, records_of(*said))


def test_status_says_how_it_stands(here, capsys):
    a_study()
    for words in ([], ["digits.history"], ["digits"]):
        status, out, _ = told(capsys, "status", *words)
        assert status == 0
        assert "trials    5 of 6 done: 2 completed, 3 failed" in out
        assert "best      trial 0, loss = 0.010101:  x=0" in out
        assert "failed    2: boom  (trials 2, 4)\nfailed    1: bang  (trial 3)" in out
    said = json.loads(told(capsys, "status", "--json")[1])
    assert (said["states"], said["failures"]) == ({"completed": 2, "failed": 3}, {"boom": [2, 4], "bang": [3]})
    assert said["best"]["params"] == {"x": 0.0}


def test_status_has_a_block_for_each_study_that_is_here_or_named(here, capsys):
    for name in "cba":
        a_study(f"{name}.history")
    (here / "b.history" / "journal.jsonl").write_text("garbage\n{}\n")
    status, out, _ = told(capsys, "status")
    assert status == 0
    first, second, third = out.split("\n\n")
    assert "history   a.history\ntrials    5 of 6 done" in first
    assert "history   b.history\ntrouble   b.history/journal.jsonl" in second
    assert "history   c.history\ntrials    5 of 6 done" in third
    named = told(capsys, "status", "c", "a.history")[1]
    assert 0 < named.index("c.history") < named.index("a.history")
    said = json.loads(told(capsys, "status", "--json")[1])
    assert [each.get("states") for each in said] == [{"completed": 2, "failed": 3}, None, {"completed": 2, "failed": 3}]


def test_a_study_that_is_named_twice_is_told_once(here, capsys):
    a_study("z.history")
    alone = told(capsys, "status", "z.history")
    assert told(capsys, "status", "z.history", "z", here / "z.history") == alone
    assert json.loads(told(capsys, "status", "z", "z.history", "--json")[1])["study"] == "digits"


@pytest.mark.parametrize("verb", ["status", "best"])
def test_who_is_above_the_studies_is_told_where_they_are_listed(here, capsys, verb):
    assert "there is no history here" in told(capsys, verb)[2]
    a_study("sub/z.history")
    status, _, err = told(capsys, verb)
    assert status == 2
    assert "there is no history in this directory, but there is below\n  metaopt list  tells which there are." in err


def test_who_does_not_say_which_study_is_told_which_there_are_and_that_it_is_one(here, capsys):
    for name in "abcdefg":
        a_study(f"{name}.history")
    some = "Say which one: a.history, b.history, c.history, d.history, e.history and 2 more"
    assert some in told(capsys, "watch")[2]
    assert "It is of one study.  Type, besides:  metaopt watch b" in told(capsys, "watch", "a", "b")[2]


def test_failures_that_differ_in_numbers_are_one(here, capsys):
    said = ["no file /tmp/run7/x", "no file /tmp/run8/y", "of 3.5 GiB at 0x7f3a", "of 12 GiB at 0xdead", "of some GiB"]
    trials = [Trial(n, {}, state=State.FAILED, error=f"exit status 1\n{line}") for n, line in enumerate(said)]
    assert {line: [t.number for t in those] for line, those in failures(trials).items()} == {
        said[0]: [0, 1],
        said[2]: [2, 3],
        said[4]: [4],
    }


def test_a_study_is_known_by_its_name(here, capsys):
    (here / "exp.yaml").write_text(
        "name: digits\ncommand: [/bin/echo, '{x}']\nobjective: loss\nspace: {x: 'uniform(0, 1)'}\ntrials: 5\n"
    )
    assert told(capsys, "check", "exp")[1].startswith("digits: 5 trials")
    assert told(capsys, "insert", "exp", "--x", "0.5")[0] == 0
    assert told(capsys, "status", "exp")[0] == told(capsys, "db", "export", "exp")[0] == 0
    assert [trial.params for trial in history.load("exp").trials.values()] == [{"x": 0.5}]
    assert [trial.params for trial in history.load("digits").trials.values()] == [{"x": 0.5}]
    options, files = run.understood(["-w", "3", "exp", "--allow-cpu"], run.parser())
    assert (files(), options.workers, options.allow_cpu) == (["exp.yaml"], 3, True)
    assert "no script exq" in told(capsys, "run", "exq", "--x~uniform(0, 1)", "--metric")[2]


def test_an_experiment_file_is_known_by_the_name_that_stands_in_it(here, capsys):
    text = "command: [/bin/echo, '{x}']\nobjective: loss\nspace: {x: 'uniform(0, 1)'}\ntrials: 5\n"
    (here / "other.yaml").write_text(f"name: training\n{text}")
    (here / "exp.yaml").write_text(f'{text}name: "train"  # it\n')
    assert told(capsys, "check", "train")[1].startswith("train: 5 trials")
    assert told(capsys, "insert", "train", "--x", "0.5")[0] == 0
    options, files = run.understood(["train", "--allow-cpu"], run.parser())
    assert (files(), options.allow_cpu) == (["exp.yaml"], True)
    for words in (["check"], ["insert"], ["simulate", "-w", "1", "--hours", "1"]):
        status, _, err = told(capsys, words[0], "train.history", *words[1:])
        assert status == 2
        assert "train.history is a history; what is wanted here is the experiment file that has it, exp.yaml\n" in err
    (here / "copy.yaml").write_text(f"name: train\n{text}")
    assert "copy.yaml and exp.yaml are both of the study train\n" in told(capsys, "check", "train")[2]
    assert "there is no such file" in told(capsys, "check", "trai")[2]


@pytest.mark.parametrize("words", [["check", "exp.yaml"], ["simulate", "exp.yaml", "-w", "8", "--hours", "1"]])
def test_an_optimizer_that_cannot_be_made_is_refused_by_who_only_looks(here, capsys, monkeypatch, words):
    monkeypatch.syspath_prepend(here)
    monkeypatch.delitem(sys.modules, "my_refusing_rule", raising=False)
    (here / "my_refusing_rule.py").write_text(
        "class Mine:\n    def __init__(self, space, seed, *, depth=1):\n        raise KeyError(depth)\n"
        "    def ask(self, count, pending):\n        return []\n    def tell(self, params, value):\n        pass\n"
    )
    names = [f"x{number}" for number in range(9)]
    about = {"name": "q", "command": ["echo", *(f"{{{name}}}" for name in names)], "objective": "loss", "trials": 9}
    for optimizer, said in (
        ({"rule": "my_refusing_rule:Mine", "depth": 3}, f"with depth: 3: KeyError: 3 ({here}/my_refusing_rule.py:3)"),
        ("grid", "the grid has 1,953,125 points, and may have 1,000,000"),
    ):
        made = {**about, "space": dict.fromkeys(names, "uniform(0, 1)"), "optimizer": optimizer}
        (here / "exp.yaml").write_text(yaml.safe_dump(made))
        status, out, err = told(capsys, *words)
        assert (status, out) == (2, "")
        assert said in err


def test_check_looks_at_what_a_warm_start_would_read(here, capsys):
    experiment = "name: q\ncommand: [/bin/echo, '{x}']\nobjective: loss\nspace: {x: 'uniform(0, 1)'}\ntrials: 5\n"
    (here / "exp.yaml").write_text(f"{experiment}warm_start: old.history\n")
    status, _, err = told(capsys, "check", "exp.yaml")
    assert status == 2
    assert "warm_start: " in err
    assert "Correct it under warm_start:" in err
    simulated("old.history")
    assert "warm start: " in told(capsys, "check", "exp.yaml")[1]


def test_check_shows_the_points_that_a_study_begins_with(here, capsys):
    """Inserted ones, that of the defaults, the best one of another study, and then the optimizer's."""
    x = "{prior: 'uniform(0, 100)', default: 50}"
    text = f"name: q\ncommand: [echo, '{{x}}']\nobjective: loss\nspace: {{x: {x}}}\ntrials: 9\n"
    (here / "exp.yaml").write_text(f"{text}warm_start: old.history\n")
    said = [Opened("1", history.FORMAT, DESCRIPTION), Joined(1, "host", "core 1"), Suggested(({"x": 12.5},))]
    said += [Assign(1, 0, 1, {"x": 12.5}), Reported(1, 0, 1, ((1, {"loss": 1.0}),)), Finished(1, 0, 1, "completed")]
    written("old.history", records_of(*said))
    out = told(capsys, "check", "exp.yaml")[1]
    assert "  echo 50.0\n  echo 12.5\n  echo " in out
    assert told(capsys, "insert", "exp.yaml", "--x", "7.0")[0] == 0
    out = told(capsys, "check", "exp.yaml")[1]
    assert "  echo 7.0\n  echo 50.0\n  echo 12.5\n\n" in out
    assert "  echo 7.0\n\n" in told(capsys, "check", "exp.yaml", "-n", "1")[1]


def test_best_gives_the_line_to_paste(here, capsys):
    a_study()
    status, out, _ = told(capsys, "best", "--command")
    line = f"train --x 0.0 {here}/digits.history/trials/0 1"
    assert (status, out) == (0, f"cd '/some where' && {line}\n")
    said = json.loads(told(capsys, "best", "--json")[1])
    assert (said["trial"], said["objectives"], said["pareto"]) == (0, {"loss": pytest.approx(1 / 99)}, [0])
    assert line in told(capsys, "best")[1]


def test_best_and_status_go_by_the_model_where_the_experiment_does(here, capsys):
    """The lucky outlier is not the model's best one."""
    about = {**DESCRIPTION, "best": "model", "space": {"x": "uniform(0, 1)"}, "trials": 20, "command": ["train"]}
    points = [{"x": n / 20} for n in range(20)]
    said = [Opened("1", history.FORMAT, about), Joined(1, "host", "core 1"), Suggested(tuple(points))]
    for number, point in enumerate(points):
        value = -0.5 if number == 15 else (point["x"] - 0.2) ** 2 + 0.3 * (number % 2)
        said += [Assign(1, number, 1, point), Reported(1, number, 1, ((1, {"loss": value}),))]
        said += [Finished(1, number, 1, "completed")]
    found = history.load(written("digits.history", records_of(*said)))
    by_model = found.best_by_model().number
    assert found.best.number == 15 != by_model
    assert f"best      by the model's mean: trial {by_model}, loss" in told(capsys, "status")[1]
    assert told(capsys, "best")[1].startswith(f"by the model's mean: trial {by_model}, loss")
    said = json.loads(told(capsys, "best", "--json")[1])
    assert (said["trial"], said["by"]) == (by_model, "model")


def test_a_trial_is_run_again_with_the_command_that_it_had(here, capsys):
    """The file's command was edited, then more trials were run; the best one is an old one."""
    about = {**DESCRIPTION, "seed": 1, "command": ["train", "{x}", "{seed}"], "directory": str(here)}
    now = {**about, "seed": 5, "command": ["train", "--deep", "{x}"]}
    facts = [[Opened("1", history.FORMAT, each), Joined(1, "host", "core 1")] for each in (about, now)]
    for number, said in enumerate(facts):
        said += [Suggested(({"x": number / 2},)), Assign(1, number, 1, {"x": number / 2})]
        said += [Reported(1, number, 1, ((1, {"loss": number}),)), Finished(1, number, 1, "completed")]
    written("digits.history", [*records_of(*facts[0]), *records_of(*facts[1], run=2)])
    assert told(capsys, "best", "--command")[1:] == ("train 0.0 1\n", "")
    assert json.loads(told(capsys, "best", "--json")[1])["command"] == "train 0.0 1"
    edited = "to run it again, with the command that it had, which has been edited since:\n  train 0.0 1\n"
    assert edited in told(capsys, "best")[1]
    assert edited in told(capsys, "show", 0)[1]
    assert "to run it again:\n  train --deep 0.5\n" in told(capsys, "show", 1)[1]


def test_who_would_write_into_a_trials_own_directory_is_told(here, capsys):
    a_study()
    note = "note: the line names the directory of trial 0 itself: a script that saves there writes over what is in it"
    _, out, err = told(capsys, "best", "--command")
    assert (out.count("\n"), note in out, err.startswith(note)) == (1, False, True)
    assert note in told(capsys, "best")[1]
    assert note in told(capsys, "show", 0)[1]


def test_best_without_a_result_is_a_failure(here, capsys):
    written("a.history", records_of(*facts()[:6]))
    status, _, err = told(capsys, "best")
    assert status == 1
    assert "no trial has a result yet" in err


@pytest.mark.parametrize("bound", [-1.0, 1.0])
def test_where_no_trial_keeps_to_all_constraints_that_is_said_and_the_nearest(here, capsys, bound):
    a_study(constraints=[{"metric": "loss", "op": "<=", "bound": bound}])
    found = history.load("digits.history")
    assert [trial.state for trial in found.trials.values()].count("completed") == 2
    status, _, err = told(capsys, "best")
    said = "of 2 completed trials none keeps to all constraints; nearest is trial 0: loss <= -1 is exceeded by 1.0101"
    assert (status, said in err) == ((1, True) if found.best is None else (0, False))
    assert (f"best      {said}" in told(capsys, "status")[1]) == (found.best is None)
    told(capsys, "report", "-o", "a.html")
    assert ("of 2 completed trials none keeps to all constraints" in Path("a.html").read_text()) == (found.best is None)
    near = json.loads(told(capsys, "status", "--json")[1])["nearest"]
    expected = {"trial": 0, "objectives": [pytest.approx(1 / 99)], "excess": [pytest.approx(1 + 1 / 99)]}
    assert near == (expected if found.best is None else None)


def test_show_tells_a_trials_story(here, capsys):
    a_study()
    (here / "digits.history" / "trials" / "1").mkdir(parents=True)
    (here / "digits.history" / "trials" / "1" / "stderr.txt").write_text("one\ntwo\n")
    status, out, _ = told(capsys, "show", "digits", 1)
    assert status == 0
    for part in ("trial 1 completed, loss = 1.0101", "Assign    worker 1  attempt 1", "█", "99 values", "  one\n  two"):
        assert part in out
    out = told(capsys, "show", 2)[1]
    assert "error:\n  exit status 1\n  boom" in out
    said = json.loads(told(capsys, "show", "digits.history", "2", "--json")[1])
    assert (said["state"], said["error"], len(said["points"])) == ("failed", "exit status 1\nboom", 99)


def test_a_curve_of_any_numbers_is_drawn():
    inf = float("inf")
    for values in ([1.0], [2.0, 2.0], [inf, 1, float("nan"), 2, -inf], [-1.7e308, 1.7e308], range(1000)):
        bars = show.curve("loss", list(enumerate(values)))[22:].split("  ")[0]
        assert len(bars) == min(len(values), show.WIDTH)
    assert show.curve("loss", [(1, 1.0), (2, inf), (3, 2.0)])[22:25] == "▁!█"


def test_watch_prints_what_has_ended_where_there_is_no_terminal(here, capsys):
    a_study()
    status, out, _ = told(capsys, "watch")
    assert status == 0
    *ended, last = out.splitlines()
    assert [line.partition(" ")[0] for line in ended] == [f"[{n}/6]" for n in range(1, 6)]
    assert last == "digits.history: no run is at it; the command that began it goes on"
    a_study("whole.history", trials=5)
    assert told(capsys, "watch", "whole.history")[1].endswith("\nwhole.history: it is finished\n")


@pytest.mark.parametrize("verb", LOOKING)
@pytest.mark.parametrize(
    "kind", ["none", "several", "missing", "empty", "newer", "corrupt", "unreadable", "a file", "memory"]
)
def test_a_history_that_cannot_be_looked_at(here, capsys, verb, kind):
    where, said = ["a.history"], ""
    if kind in {"none", "several"}:
        where = []
        if kind == "several":
            a_study("a.history")
            a_study("b.history")
        if (verb, kind) == ("status", "several"):
            assert told(capsys, verb)[0] == 0  # it has a block for each
            return
        said = "there is no history here" if kind == "none" else "Say which one: a.history, b.history"
    elif kind == "missing":
        a_study("aa.history")
        said = "there is no history a.history\n  Did you mean aa.history?"
    elif kind == "empty":
        written("a.history", [])
        said = "this history is empty"
    elif kind == "newer":
        written("a.history", records_of(Opened("9", 99, {})))
        said = "this history has format 99; metaopt here reads up to 1"
    elif kind == "corrupt":
        a_study("a.history")
        file = here / "a.history" / "journal.jsonl"
        file.write_text("garbage\n" + file.read_text())
        said = "is no record"
    elif kind == "unreadable":
        (here / "a.history" / "journal.jsonl").mkdir(parents=True)
        said = "there is no history here"
    elif kind == "a file":
        (here / "a.history").write_text("")
        said = "is a file"
    else:
        (here / "a.yaml").write_text(yaml.safe_dump({"name": "a", "history": "memory:"}))
        where, said = ["a.yaml"], "has its history in memory"
    status, out, err = told(capsys, verb, *where, *LOOKING[verb])
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("verb", LOOKING)
def test_a_history_that_is_being_written_is_read_as_far_as_it_goes(here, capsys, verb):
    a_study()
    with (here / "digits.history" / "journal.jsonl").open("a") as file:
        file.write('{"run": 1, "seq": 99, "ti')
    assert told(capsys, verb, *LOOKING[verb])[0] == 0


@LEVELDB
@pytest.mark.parametrize("kind", ["leveldb", "tinydb"])
def test_every_store_will_do(here, capsys, kind):
    a_study(f"{kind}:x/a.json")
    for verb, words in LOOKING.items():
        assert told(capsys, verb, f"{kind}:x/a.json", *words)[0] == 0
    line = told(capsys, "best", f"{kind}:x/a.json", "--command")[1]
    assert "'/some where/digits.files/trials/0'" in line
    assert "no run is at it" in told(capsys, "stop", f"{kind}:x/a.json")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "9"], f"there is no trial 9\n  {WHICH}  Type  metaopt show 0\n"),
        (["show"], f"digits.history: which trial?\n  {WHICH}  Type  metaopt show 0\n"),
        (["show", "digits"], f"digits.history: which trial?\n  {WHICH}  Type  metaopt show digits 0\n"),
        (["show", "digits", "one"], "from 0 on, not one"),
        (["status", "--jsno"], "Did you mean --json?"),
        (["statsu"], "Did you mean 'status'?"),
        (["copy", "digits"], "Did you mean 'db copy'?"),
        (["stop"], "no run is at it"),
        (["run", "./digits.history"], "digits.history is a history; what is run is the experiment file that has it"),
        (
            ["run", "exp.yaml", "--trials=5"],
            "--trials goes with a script's own command line; exp.yaml is an experiment",
        ),
        (["run", "--max-trials", "5", "exp.yaml"], "--max-trials goes with a script's own command line"),
        (["run", "-n", "a", "exp.yaml"], "-n goes with a script's own command line"),
        (["./digits.history"], "metaopt status ./digits.history  tells how it stands."),
        (["stop", "--wait", "soon"], "not soon"),
        (["check", "gone.yaml"], "there is no such file"),
        (["init", "gone.py"], "gone.py cannot be read"),
        (["completion", "csh"], "invalid choice: 'csh'"),
        (["completion", "bsh"], "Did you mean bash?"),
        (["db", "exprot", "digits"], "Did you mean export?"),
        (["db", "export", "--foramt", "csv", "digits"], "Did you mean --format?"),
        (["db", "export", "digits", "--format", "jsnol"], "Did you mean jsonl?"),
        (["best", "--json", "--command"], "not allowed with"),
        (["plot"], "required: -o/--output"),
        (["plot", "-o", "a.gif"], "Let it end in .png, .svg, .pdf or .html."),
        (["plot", "regrett", "-o", "a.png"], "there is no figure 'regrett'\n  Did you mean regret?"),
        (["plot", "digits", "timelin", "-o", "a.png"], "Did you mean timeline?"),
        (["plot", "digits", "colour", "-o", "a.png"], "Figures: regret, curves, importance,"),
        (["plot", "nowhere", "-o", "a.png"], "there is no history nowhere"),
        (["plot", "-o", "digits.history/journal.jsonl/a.png"], "cannot be written"),
        (["plot", "timeline", "-o", "no/where.png"], "where.png cannot be written: No such file"),
        (["report", "-o", "no/where.html"], "where.html cannot be written: No such file"),
        (["report", "-o", "."], ". is there already\n  Choose another name, -o FILE, or add --force"),
        (["report", "--open"], "unrecognized arguments: --open"),
    ],
)
def test_a_wrong_request_is_refused_with_what_to_type(here, capsys, words, said):
    a_study()
    status, out, err = told(capsys, *words)
    assert (status, out) == (2, "")
    assert said in err


def test_who_stops_a_run_is_told_what_else_ends_with_it(here, capsys):
    for name in "abc":
        a_study(f"{name}.history")
    holds = (
        "import signal, time; from pathlib import Path; from metaopt.stores.claim import Claim\n"
        "held = [Claim(Path('a.history/writer'))]; time.sleep(1.1)  # a claim says when it was made, to a second\n"
        "held += [Claim(Path('b.history/writer'))]\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); print(flush=True)\n"
        "signal.sigwait({signal.SIGUSR1})\n"
        "for each in held: each.release()"
    )
    with subprocess.Popen([sys.executable, "-c", holds], stdout=subprocess.PIPE) as run:
        run.stdout.readline()
        status, out, _ = told(capsys, "stop", "a")
    assert status == 0
    first, last = out.splitlines()
    assert first == f"process {run.pid} runs others too, which end with it: b.history"
    assert "the run of process" in last


def test_where_nothing_can_be_written_is_seen_before_the_work_is_done(here):
    (here / "file").touch()
    for name in ("no/a.png", "file/a.png"):
        with pytest.raises(HistoryError, match=f"{name} cannot be written: No"):
            unless_there(Path(name), force=False)
    unless_there(here / "a.png", force=False)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_with_an_example(capsys, verb):
    status, out, _ = told(capsys, verb, "--help")
    assert status == 0
    assert out.startswith("usage: ")
    assert verb in {"list", "db", "insert"} or "\n  metaopt" in out or "completion" in out


def test_who_reads_our_output_may_stop_reading(here):
    a_study()
    for words in (
        "status",
        "plot timeline -o a.svg",
        "show 0",
        "show 0 --json",
        "best",
        "completion fish",
        "watch",
        "--help",
        "run --help",
    ):
        line = f"{shlex.quote(sys.executable)} -m metaopt {words} | head -n 0"
        done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, check=False)
        assert done.stderr == "", words
        assert done.returncode in {0, 141}, words


def test_a_figure_is_written_as_its_name_says(here, capsys):
    a_study()
    kinds = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "html": b"<!DOCTYPE html>"}
    for kind, start in kinds.items():
        words = ("plot", "timeline", "utilisation", "-o", f"a.{kind}")
        assert told(capsys, *words) == (0, f"a.{kind}: Timeline, Utilisation\n", "")
        assert (here / f"a.{kind}").read_bytes().startswith(start)
        status, _, err = told(capsys, *words)
        assert status == 2
        assert f"a.{kind} is there already" in err
    assert told(capsys, *words, "--force")[0] == 0
    assert not list(here.glob("*.part"))
    (here / "regret.history").mkdir()
    first, *left_out = told(capsys, "plot", "digits", "-o", "all.svg")[1].splitlines()
    assert first == "all.svg: Regret, Curves, Timeline, Utilisation"
    assert left_out == [
        "no importance: nobody can say which parameters matter: 2 trials, and 5 are needed",
        "no parallel, slices: this history does not tell what space was searched",
    ]
    status, _, err = told(capsys, "plot", "digits", "pareto", "-o", "p.svg")
    assert status == 1
    assert "it has one objective, so no Pareto set\n  Plot its regret instead." in err


def test_a_report_is_written_of_what_has_been_asked_for(here, capsys):
    a_study()
    assert told(capsys, "report") == (0, "digits.report.html is written.\n", "")
    text = (here / "digits.report.html").read_text()
    for part in (
        "train --x 0.0",
        "2: boom",
        "1: bang",
        "exit status 1",
        "No parallel, slices: this history does not tell",
    ):
        assert part in text, part
    status, _, err = told(capsys, "report")
    assert status == 2
    assert "digits.report.html is there already\n  Choose another name, -o FILE, or add --force" in err
    a_study("other.history")  # which has a page of its own
    assert told(capsys, "report", "other") == (0, "other.report.html is written.\n", "")


def test_figures_without_matplotlib(here, capsys, monkeypatch):
    a_study()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for words in (["plot", "-o", "a.png"], ["report"]):
        status, out, err = told(capsys, *words)
        assert (status, out) == (2, "")
        assert "pip install matplotlib" in err
    assert not list(here.glob("*.*ml"))


@pytest.mark.parametrize("words", [["plot", "-o", "a.png"], ["report"]])
def test_a_figure_that_is_interrupted_leaves_nothing_behind(here, capsys, monkeypatch, words):
    a_study()

    def interrupted(*_, **__):
        (here / f"{words[-1] if len(words) > 1 else 'digits.report.html'}.part").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", interrupted)
    status, _, err = told(capsys, *words)
    assert (status, err) == (130, "metaopt: interrupted\n")
    assert [path.name for path in here.iterdir()] == ["digits.history"]


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["best"], ["show", "0"], ["list"], ["watch"]])
def test_an_output_that_takes_nothing_is_told_in_a_line(here, words):
    a_study()
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "metaopt", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("metaopt: the output cannot be written: No space left on device\n")
    assert len(done.stderr.splitlines()) == 2


def experiment(here, **changes):
    (here / "train.py").write_text("print('loss=1')")
    about = {"name": "one", "command": [sys.executable, "train.py", "{x}", "{trial_dir}"], "objective": "loss"}
    about |= {"metrics": {"loss": r"loss=(\S+)"}, "space": {"x": "uniform(0, 1)"}, "trials": 20, **changes}
    (here / "exp.yaml").write_text(yaml.safe_dump(about))
    return Experiment.load("exp.yaml")


def test_check_says_what_would_be_done_and_does_nothing(here, capsys, monkeypatch):
    experiment(here, timeout="90s")
    monkeypatch.setenv("METAOPT_DEADLINE", str(time.time() + 3600))
    before = set(here.rglob("*"))
    status, out, _ = told(capsys, "check", "exp.yaml", "-n", 2)
    assert status == 0
    assert set(here.rglob("*")) == before
    assert out.count(f"  {sys.executable} train.py 0.") == 2
    assert f"METAOPT_TRIAL_DIR={here}/one.history/trials/0" in out
    assert "with the allocation, 20" in out
    assert "each trial after 90 s" in out
    simulated("one.history")
    assert told(capsys, "check", "exp.yaml")[0] == 2  # of another study


def test_check_refuses_a_history_that_a_run_could_not_make_and_warns_of_what_this_host_lacks(here, capsys, monkeypatch):
    (here / "file").touch()
    for where, said in (
        ("file", "file is a file"),
        ("file/x/y", "file is a file"),
        ("no/x", "there is no "),
        ("leveldb:no/x", "there is no "),
        ("x" * 300, "File name too long"),
    ):
        experiment(here, history=where)
        status, _, error = told(capsys, "check", "exp.yaml")
        assert status == 2
        assert re.search(f"the history's directory cannot be made: .*{said}", error)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    experiment(here, resources={"gpus_per_trial": 1, "cores_per_trial": 1000})
    status, out, _ = told(capsys, "check", "exp.yaml")
    assert status == 0
    assert "warning: a trial needs 1 GPU (gpus_per_trial), and there is none on this host: a run is refused here" in out
    assert "warning: a trial asks for 1000 cores (cores_per_trial); this host has " in out


def test_check_says_that_trials_are_paused_where_scripts_go_on(here, capsys):
    for stopper, trials in (("proven", 10), ("asha", 9)):
        experiment(here, trials=trials, resumes=True, **({"stopper": stopper} if stopper == "asha" else {}))
        out = told(capsys, "check", "exp.yaml")[1]
        pauses = "it pauses trials, since scripts go on: stopper: never lets all of them run"
        assert f"\nstopper     {stopper}; {pauses}\n" in out
    experiment(here, trials=9, resumes=True)
    assert "\nstopper     never: nothing is stopped early, or paused\n" in told(capsys, "check", "exp.yaml")[1]


def test_check_of_a_study_that_has_begun_says_how_it_stands_and_which_trials_wait(here, capsys):
    about = experiment(here, trials=9, stopper={"rule": "median", "warmup": 3}, resumes=True)
    points = tuple({"x": number / 8} for number in range(4))
    ran = [Suggested(points), *(Assign(each, each - 1, 1, points[each - 1]) for each in (1, 2, 3))]
    facts = [Opened("1", history.FORMAT, about.describe()), *(Joined(each, "host", "core") for each in (1, 2, 3)), *ran]
    facts += [Reported(1, 0, 1, ((1, {"loss": 1.0}),)), Finished(1, 0, 1, "completed")]
    written("one.history", records_of(*facts))
    status, out, _ = told(capsys, "check", "exp.yaml", "-n", 2)
    assert status == 0
    assert f"{here}/one.history: gone on with, 1 of 9 trials done: 3 waiting, 1 completed; 5 left to begin\n" in out
    assert "\nstopper     median, warmup: 3\nresumes     a trial that was asked to end goes on " in out
    assert [line.split()[2] for line in out.splitlines() if " train.py " in line] == ["0.125", "0.25"]
    assert "METAOPT_TRIAL=1\n" in out
    running = Claim(here / "one.history" / "writer")
    out = told(capsys, "check", "exp.yaml")[1]
    assert f"process {os.getpid()} on {socket.gethostname()} is at it, and no other run may be: 1 of 9 trials" in out
    assert "1 waiting, 2 running, 1 completed; 5 left to begin" in out
    running.release()
    left = {"host": "gone", "pid": 1, "namespace": "another", "began": "1", "since": "then"}
    claim = here / "one.history" / "writer"
    claim.write_text(json.dumps(left))
    assert "process 1 on gone is at it" in told(capsys, "check", "exp.yaml")[1]
    os.utime(claim, (0, 0))
    assert "gone on with, 1 of 9 trials done: 3 waiting" in told(capsys, "check", "exp.yaml")[1]
    assert "which points come next" not in told(capsys, "check", "exp.yaml", "-n", 0)[1]


def test_paused_and_interrupted_trials_are_shown_as_what_they_are(here, capsys):
    about = experiment(here, trials=9, stopper="asha", resumes=True)
    points = ({"x": 0.25}, {"x": 0.5})
    facts = [Opened("1", history.FORMAT, about.describe()), *(Joined(each, "host", "core") for each in (1, 2))]
    facts += [Suggested(points), *(Assign(each, each - 1, 1, points[each - 1]) for each in (1, 2))]
    for worker, reason in ((1, "paused"), (2, "interrupted")):
        facts += [Started(worker, worker - 1, 1, 7), Reported(worker, worker - 1, 1, ((1, {"loss": 1.0}),))]
        facts += [Stop(worker, worker - 1, 1, reason, "for a reason"), Finished(worker, worker - 1, 1, "stopped")]
    written("one.history", records_of(*facts))
    out = told(capsys, "check", "exp.yaml")[1]
    assert "  and which of the 1 that are paused go on, and when, is seen when it runs\n" in out
    assert "warning: 1 trial" not in out
    assert "\npaused: for a reason\n" in told(capsys, "show", "exp.yaml", 0)[1]
    assert "\nwas cut off: for a reason\n" in told(capsys, "show", "exp.yaml", 1)[1]
    experiment(here, trials=9, stopper="median", resumes=True)
    assert (
        "\nwarning: 1 trial is paused, and will be stopped for good, since median"
        in told(capsys, "check", "exp.yaml")[1]
    )


def test_check_of_a_study_without_open_trials_shows_no_points_and_of_a_finished_one_how_to_have_more(here, capsys):
    about, x = experiment(here, trials=2), {"x": 0.5}
    facts = [Opened("1", history.FORMAT, about.describe()), Joined(1, "host", "core"), Suggested((x,))]
    facts += [Assign(1, 0, 1, x), Reported(1, 0, 1, ((1, {"loss": 1.0}),)), Finished(1, 0, 1, "completed")]
    written("one.history", records_of(*facts))
    out = told(capsys, "check", "exp.yaml")[1]
    assert "gone on with, 1 of 2 trials done: 1 completed; 1 left to begin\n" in out
    assert out.endswith("depends on the results so far: the optimizer is asked when it runs\n")
    experiment(here, trials=1)
    out = told(capsys, "check", "exp.yaml")[1]
    assert "one.history: finished, 1 of 1 trials done: 1 completed\n" in out
    assert out.endswith("\nfor more trials:  trials: 11, in exp.yaml\n")
    assert "train.py" not in out


def test_check_shows_which_nodes_go_together(here, capsys, monkeypatch):
    experiment(here, command=f"{sys.executable} train.py {{x}} --on {{hosts}}", resources={"nodes_per_trial": 2})
    for name in ("SLURM_JOB_NODELIST", "LSB_DJOB_HOSTFILE", "PBS_NODEFILE"):
        monkeypatch.delenv(name, raising=False)
    assert "2 for each trial, all of each: which ones go together is seen when" in told(capsys, "check", "exp.yaml")[1]
    monkeypatch.setenv("PBS_NODEFILE", str(here / "nodes"))
    (here / "nodes").write_text("a\na\nb\nb\nc\nd\ne\n")
    _, out, _ = told(capsys, "check", "exp.yaml")
    assert "all of each: a, b | c, d; left over: e" in out
    assert "--on HOST1,HOST2" in out
    assert "METAOPT_HOSTS=HOST1,HOST2" in out
    (here / "nodes").write_text("a\na\n")
    status, _, err = told(capsys, "check", "exp.yaml")
    assert status == 2
    assert "a trial needs 2 nodes (nodes_per_trial), and this run has workers on 1: a" in err


def test_init_reads_the_options_of_a_script_and_runs_nothing(here, capsys):
    (here / "train.py").write_text(TRAIN)
    assert told(capsys, "init", "train.py")[0] == 0
    text = (here / "exp.yaml").read_text()
    made = yaml.safe_load(text)
    assert made["space"] == {
        "lr": "loguniform(1e-05, 0.1)",
        "width": "integer(16, 256, log)",
        "dropout": "uniform(0, 1)",
        "momentum": "uniform(0, 1)",
        "act": 'choice(relu, "a b")',
        "kernel": "choice(rbf, poly)",
        "n_layers": "integer(1, 8, log)",
    }
    assert made["metrics"] == {"val_loss": r"val_loss\s*[=:]\s*(\S+)"}
    assert "# seed: integer(1, 28, log)    # default: 7; to search it, add --seed {seed}" in text
    assert "# --data is required: add it to the command" in text
    assert "# as their defaults are, unless they are added to the command: --amp, --sizes, --shout\n" in text
    assert Experiment.load("exp.yaml").goals.objectives[0].metric == "val_loss"
    assert told(capsys, "check", "exp.yaml")[0] == 0
    status, _, err = told(capsys, "init", "train.py")
    assert status == 2
    assert "exp.yaml is there already" in err
    assert told(capsys, "init", "train.py", "--force")[0] == 0
    assert told(capsys, "init", "train.py", "-o", "-")[1] == text
    assert "cannot be written" in told(capsys, "init", "train.py", "-o", "no/where.yaml")[2]


@pytest.mark.parametrize(
    ("said", "objective"),
    [
        ("val_loss={x} val_accuracy={x}", "val_loss"),
        ("accuracy={x}", {"metric": "accuracy", "goal": "maximize"}),
        ("val_acc={x} err={x}", "err"),
    ],
)
def test_init_sees_of_which_metric_less_is_better(here, capsys, said, objective):
    option = "import argparse\nargparse.ArgumentParser().add_argument('--lr', type=float, default=0.1)"
    (here / "train.py").write_text(f"{option}\nprint(f'{said}')")
    written = yaml.safe_load(told(capsys, "init", "train.py", "-o", "-")[1])
    assert written["objective"] == objective


def test_init_takes_what_the_script_reports_for_its_metric(here, capsys):
    (here / "train.py").write_text(f"{TRAIN}\nmetaopt.report(step=1, val_error=float(f(1)), acc=2)")
    assert yaml.safe_load(told(capsys, "init", "train.py", "-o", "-")[1])["objective"] == "val_error"


@pytest.mark.parametrize(
    ("text", "said"), [("def (", "is no Python"), ("print(1)", "declares no option"), ("\0", "is no Python")]
)
def test_init_of_what_has_no_options(here, capsys, text, said):
    (here / "train.py").write_text(text)
    status, _, err = told(capsys, "init", "train.py")
    assert status == 2
    assert said in err
    assert not (here / "exp.yaml").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_understood_by_its_shell(here, capsys, shell):
    status, out, _ = told(capsys, "completion", shell)
    assert status == 0
    for verb in VERBS:
        assert verb in out
    if shutil.which(shell):
        file = here / "completion"
        file.write_text(out)
        subprocess.run([shell, "-n", str(file)], check=True)


def test_bash_completes_verbs_options_and_files(here, capsys):
    file = here / "completion"
    file.write_text(told(capsys, "completion", "bash")[1])
    ask = 'source {}; COMP_WORDS=({}); COMP_CWORD={}; _metaopt; echo "${{COMPREPLY[@]}}"'

    def completed(words, at):
        line = ask.format(file, words, at)
        return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout.split()

    assert completed("metaopt st", 1) == ["status", "stop"]
    assert completed("metaopt best --", 2) == ["--command", "--help", "--json"]
    assert completed("metaopt db c", 2) == ["copy", "check"]
    assert completed("metaopt plot par", 2) == ["parallel", "pareto"]
    assert completed("metaopt status dig", 2) == []
    assert set(completion.words()) == set(VERBS)


def test_status_says_of_each_unfinished_study_that_no_run_is_at_it(here, capsys):
    a_study()
    a_study("whole.history", trials=5)
    line = "run       none is at it; the command that began it goes on\n"
    assert line in told(capsys, "status", "digits.history")[1]
    assert line not in told(capsys, "status", "whole.history")[1]
