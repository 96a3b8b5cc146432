"""What a person sees."""

import io
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text
from running import Site

from metaopt.experiment import Experiment
from metaopt.goals import Constraint, Goals
from metaopt.limits import Limits
from metaopt.messages import Assign, Finished, Joined, Lost, Opened, Reported, Started, Stop, Suggested
from metaopt.metrickeys import pattern_for
from metaopt.objective import Objective
from metaopt.picture import Figures, Part, Pool, busy_line, picture, pictures
from metaopt.plugins import Choice
from metaopt.progress import Board, LineView, LiveView, watcher, watchers
from metaopt.scheduler import Scheduler
from metaopt.stopping.never import Never
from metaopt.study import Study
from metaopt.tail import Patterns


@pytest.fixture
def experiment(tmp_path):
    Site(tmp_path)
    return Experiment.load(tmp_path / "exp.yaml")


@pytest.fixture
def study(experiment):
    """Of 6 trials: one completed, one failed, one running, since the time 1000; worker 2 is idle."""
    study = Study(experiment.goals)
    for now, fact in [
        (1000.0, Joined(1, "host", "core 0")),
        (1000.0, Joined(2, "host", "core 1")),
        (1001.0, Suggested(({"x": 0.123456789}, {"x": 2}, {"x": 3}))),
        (1001.0, Assign(1, 0, 1, {"x": 0.123456789})),
        (1001.0, Assign(2, 1, 1, {"x": 2})),
        (1005.0, Reported(1, 0, 1, ((1, {"loss": 0.25}),))),
        (1006.0, Finished(1, 0, 1, "completed")),
        (1006.0, Finished(2, 1, 1, "failed", "exit status 1\nno such file: [/data]\n")),
        (1006.0, Assign(1, 2, 1, {"x": 3})),
    ]:
        assert study.apply(now, fact)
    return study


def shown(kind, experiment, study, *, width=100, now=1010.0, ended=False, **states):
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=kind is LiveView)
    view = kind(experiment, Study(experiment.goals), Board(console) if kind is LiveView else console)
    view.study, view.began = study, 1000.0
    scheduler = Scheduler(study, Limits(6, 2), Never())
    for name, value in states.items():
        setattr(scheduler, name, value)
    view.show(now, scheduler, ["warning: the disk is full"])
    if ended or kind is LiveView:
        view.end(now, scheduler)
    return text.getvalue()


def test_figures(study):
    figures = Figures.of(study, total=6, now=1010.0)
    assert (figures.done, figures.running, figures.failed, figures.total, figures.workers) == (2, 1, 1, 6, 2)
    assert figures.busy == (5 + 5 + 4) / 20
    assert figures.left == 5 * (4 - 0.5) / 2
    assert str(figures) == "2/6 trials done, 1 running, 1 failed"


def test_figures_of_nothing():
    figures = Figures.of(Study(Goals((Objective("loss"),))), total=6, now=0.0)
    assert (figures.done, figures.busy, figures.left) == (0, 0.0, None)


def test_figures_without_workers(study):
    for worker in (1, 2):
        study.apply(1007.0, Lost(worker, "gone"))
    assert Figures.of(study, total=6, now=1010.0).left is None


def test_a_log_gets_a_line_per_trial(experiment, study):
    lines = shown(LineView, experiment, study).splitlines()
    assert "warning: the disk is full" in lines
    assert "[1/6] trial 0 completed loss=0.25 in 5.0 s" in lines
    assert "[2/6] trial 1 failed in 5.0 s: exit status 1: no such file: [/data]" in lines


def test_a_log_gets_a_summary_now_and_then(experiment, study):
    lines = shown(LineView, experiment, study, now=10**10).splitlines()
    assert any(line.startswith("-- 2/6 trials done, 1 running, 1 failed") for line in lines)
    assert any("best loss 0.25, trial 0" in line for line in lines)


@pytest.mark.parametrize("kind", [LineView, LiveView])
def test_of_trials_that_pause_and_go_on_the_first_is_said_and_the_others_are_counted(experiment, study, kind):
    notes = [f"trial {number} is paused: asha: it is number 3 of 3" for number in range(20)]
    notes += [f"trial {number} goes on: asha: it is number 3 of 9" for number in range(1)]
    text = io.StringIO()
    console = Console(file=text, width=100, force_terminal=kind is LiveView)
    view = kind(experiment, study, Board(console) if kind is LiveView else console)
    scheduler = Scheduler(study, Limits(6, 2), Never())
    for now, some in enumerate([notes[:5], notes[5:], ["host is there"]]):
        view.show(1010.0 + now, scheduler, some)
    said = text.getvalue()
    assert said.count("is paused: ") == said.count("goes on: ") == said.count("host is there") == 1
    view.show(10.0**10, scheduler, [])
    summed = "-- 2/6 trials done, 1 running, 1 failed; trials were paused 20 times and went on 1 time; 1 of 2"
    assert (summed in text.getvalue()) == (kind is LineView)  # the picture says how many are paused
    assert said.count("  (the next ones are only counted)\n") == 2
    view.close()
    view.end(10.0**10, scheduler)
    assert "trials were paused 20 times and went on 1 time\n\n" in text.getvalue()


def test_points_ahead_do_not_count_as_trials_that_wait(study):
    study.apply(1007.0, Suggested(({"x": 4}, {"x": 5})))
    study.apply(1008.0, Lost(1, "gone"))
    figures = Figures.of(study, total=6, now=1010.0)
    assert (figures.ahead, figures.waiting) == (2, 1)
    assert str(figures) == "2/6 trials done, 0 running, 1 to be run again, 1 failed"


def test_the_end_tells_all(experiment, study):
    text = shown(LineView, experiment, study, ended=True, draining="SIGINT")
    for expected in (
        "quadratic: not finished: SIGINT, after 0:00:10",
        "best: trial 0, loss = 0.25",
        "0.123457",
        f"run it again, in {experiment.directory}:\n  {experiment.command[0]} script.py --x 0.123456789",
        "1 running, 1 completed, 1 failed",
        "2, 70.0% of their time busy",
        experiment.history,
        "to go on:  the same command again",
    ):
        assert expected in text


@pytest.mark.parametrize("kind", [LineView, LiveView])
def test_who_ends_a_run_is_told_how_long_scripts_have_and_how_that_is_cut_short(
    experiment, study, kind, tmp_path, monkeypatch
):
    monkeypatch.setenv("METAOPT_STATUS", str(tmp_path / "status"))
    ending, sooner = "ending: interrupted; scripts have 2.5 s to save", ", a second Ctrl-C ends them at once"
    experiment = replace(experiment, grace=2.5)
    said = shown(kind, experiment, study, draining="interrupted")  # by a signal that nobody has typed
    assert ending in said
    assert sooner not in said
    (tmp_path / "status.typed").touch()
    assert ending + sooner in shown(kind, experiment, study, draining="interrupted")
    assert "ends; scripts have 2.5 s to save\n" in shown(LineView, experiment, study, draining="the allocation ends")
    assert "to save" not in shown(kind, experiment, study, draining="terminated")  # nobody waits for them
    assert "ending:" not in shown(kind, experiment, study)
    study.apply(1007.0, Finished(1, 2, 1, "stopped"))
    assert "to save" not in shown(kind, experiment, study, draining="interrupted")


def goals_of(pairs, constraints=()):
    """A study of two objectives whose trials came to these ``pairs``."""
    study = Study(Goals((Objective("loss"), Objective("time")), constraints))
    study.apply(1000.0, Joined(1, "host", "core 0"))
    study.apply(1000.0, Suggested(tuple({"x": float(number)} for number in range(len(pairs)))))
    for number, (loss, time) in enumerate(pairs):
        study.apply(1000.0, Assign(1, number, 1, {}))
        study.apply(1000.0, Reported(1, number, 1, ((1, {"loss": loss, "time": time}),)))
        study.apply(1001.0, Finished(1, number, 1, "completed"))
    return study


@pytest.mark.parametrize("kind", [LineView, LiveView])
def test_the_end_shows_ten_of_the_pareto_set_and_how_many_more_there_are(experiment, kind):
    study = goals_of([(number / 8, 20.0 - number) for number in range(12)] + [(9.0, 30.0)])
    text = shown(kind, experiment, study, ended=True)
    assert "[13/6] trial 12 completed loss=9 time=30 in 1.0 s" in text
    assert "best: trial 0, loss = 0, time = 20, with the best loss" in text
    _, _, table = text.partition("the Pareto set, 12 trials that no other one dominates:")
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]
    assert cells == [[str(n), f"{n / 8:.6g}", f"{20 - n}"] for n in range(10)]
    assert "and 2 more: metaopt.history.load(...).pareto" in table


def test_a_trial_that_exceeds_a_constraint_is_said_to_and_the_nearest_one_is_named(experiment):
    study = goals_of([(1.0, 9.0), (2.0, 7.5)], (Constraint("time", "<=", 7.0),))
    text = shown(LineView, experiment, study, now=10**10, ended=True)
    assert "[1/6] trial 0 completed loss=1 time=9 in 1.0 s: time <= 7 is exceeded by 2" in text
    assert "no trial keeps to all constraints yet" in text
    assert " keeps to all constraints; nearest is trial 1: time <= 7 is exceeded by 0.5" in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_live_view_fits(experiment, study, width):
    text = shown(LiveView, experiment, study, width=width)
    assert "quadratic" in text
    assert "2/6 trials done" in text
    assert "the disk is full" in text


def drawn(*studies, width=80, height=24, encoding="utf-8", now=1010.0):
    """The lines of the picture."""
    text = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=text, width=width, height=height, color_system=None)
    parts = [Part(study, 6, [Text("warnings: 1, the last one: the disk is full")]) for study in studies]
    if len(studies) == 1:
        console.print(picture(studies[0], 6, now, console, Text("optimizer gp: idle")))
    else:
        console.print(pictures(parts, Pool(4, 1000.0, spent=4.0), now, console))
    text.flush()
    lines = text.buffer.getvalue().decode(encoding).splitlines()
    assert all(len(line) <= width for line in lines)
    return lines


def with_curves(study, name="digits"):
    """The same, whose best trial has more to show."""
    study.apply(1000.0, Opened("1", 1, {"name": name, "objective": {"metric": "loss"}}, deadline=1100.0))
    study.apply(1006.0, Joined(1, "host", "core 0"))
    study.apply(1006.0, Assign(1, 2, 2, {"x": 3}))
    study.apply(1007.0, Reported(1, 2, 2, tuple((step, {"loss": 1 / step}) for step in range(1, 6))))
    study.apply(1008.0, Finished(1, 2, 2, "completed"))
    return study


@pytest.mark.parametrize(("encoding", "bars"), [("utf-8", "█▃▂▁▁"), ("ascii", "#-.__")])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_picture_has_all_that_there_is_to_see(study, width, encoding, bars):
    study = with_curves(study)
    study.apply(1008.0, Suggested(({"x": 4}, {"x": 5})))
    study.apply(1008.0, Assign(1, 3, 1, {"x": 4}))
    study.apply(1008.0, Started(1, 3, 1, 77))
    study.apply(1009.0, Reported(1, 3, 1, ((7, {"loss": 0.5}),)))
    text = " ".join(" ".join(drawn(study, width=width, encoding=encoding)).split())
    for part in (
        "digits 3/6 trials done, 1 running, 1 failed 0:00:10",
        *("left, allocation 0:01:30", "best loss 0.2, trial 2: x=3", bars, "1 to 0.2"),
        *("1 of 1 worker busy, 100% of the time, 6 trials/min", "optimizer gp: idle"),
        *("1 trial 3 0:00:02 loss=0.5 at 7"[: width - 12], "[3/6] trial 2 completed loss=0.2"[: width - 8]),
    ):
        assert part in text


def test_of_many_workers_the_first_ones_are_shown(study):
    for worker in range(3, 200):
        study.apply(1009.0, Joined(worker, "host", "core"))
    for height in (10, 24, 50):
        lines = drawn(study, height=height)
        shown = [line for line in lines if "  host core" in line]
        (more,) = [line for line in lines if "workers more" in line]
        assert int(more.split()[1]) == 199 - len(shown)
        assert len(lines) <= max(height, 10)


def another(name="other", worker=3):
    """One whose first trial runs since the time 1002."""
    study = Study(Goals((Objective("error"),)))
    study.apply(1000.0, Opened("1", 1, {"name": name}))
    study.apply(1002.0, Joined(worker, "there", "gpu 1"))
    study.apply(1002.0, Suggested(({"x": 1},)))
    study.apply(1002.0, Assign(worker, 0, 1, {"x": 1}))
    study.apply(1002.0, Started(worker, 0, 1, 77))
    return study


@pytest.mark.parametrize(("encoding", "bars"), [("utf-8", "█▃▂▁▁"), ("ascii", "#-.__")])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_picture_of_several_has_a_block_for_each_and_says_who_works_for_which(study, width, encoding, bars):
    lines = drawn(with_curves(study), another(), width=width, encoding=encoding)
    text = " ".join(" ".join(lines).split())
    for part in (
        "2 experiments 1 of 4 workers busy, 35% of the time, 6 trials/min",  # 4 s of others, 2 s and 8 s of 40 s
        *("digits 3/6 trials done, 0 running, 1 failed 0:00:10", f"{bars} 1 to 0.2 best loss 0.2,"[: width - 4]),
        *("0 of 1 worker busy, 50% of the time, 6 trials/min; about 0:00:06 left, allocation 0:01:30",),
        *("other 0/6 trials done, 1 running 0:00:10 no result yet 1 of 1 worker busy, 100% of the time",),
        *("warnings: 1, the last one: the disk"[: width - 4], "1 digits: idle host core 0", "3 other: trial 0 0:00:08"),
    ):
        assert part in text
    assert sum("warnings: 1" in line for line in lines) == 2


def test_where_there_is_no_room_for_blocks_each_has_a_line_or_the_first_ones_have(study):
    many = [with_curves(study), *(another(f"other{number}", number) for number in range(3, 12))]
    lines = drawn(*many, width=100, height=24)
    assert lines[0].startswith("10 experiments  9 of 4 workers busy")
    assert lines[1].startswith("digits  3/6  best loss 0.2, trial 2  about 0:00:06 left, allocation 0:01:30  0 running")
    assert lines[2].startswith("other3  0/6  no result yet  1 running  warnings: 1, ")
    assert [line.split()[0] for line in lines[11:]] == ["1", *map(str, range(3, 9)), "and"]
    assert lines[-1].strip() == "and 3 workers more"
    for height in (4, 9, 11, 13, 60):
        lines = drawn(*many, height=height)
        assert len(lines) < max(height, 4)
        more = [line for line in lines if "experiments more" in line]
        assert len(more) == (height < 12)
        if more:
            assert int(more[0].split()[1]) == 10 - (len(lines) - 2)


@pytest.fixture
def board(monkeypatch):
    """That of a window of 100 x 30; ``said`` is what has been drawn, and printed, since the last time."""
    monkeypatch.setattr("metaopt.progress._window", lambda: (100, 30))
    board = Board(Console(file=io.StringIO(), width=40, force_terminal=True, color_system=None))

    def said():
        text = board.console.file.getvalue()
        board.console.file.seek(board.console.file.truncate(0))
        return text

    board.said = said
    return board


def test_several_have_one_live_view_and_who_is_left_has_all_of_it(experiment, study, board):
    views = [LiveView(experiment, each, board, prefix="p: ") for each in (with_curves(study), another())]
    schedulers = [Scheduler(view.study, Limits(6, 4), Never()) for view in views]
    views[0].show(1010.0, schedulers[0], ["warning: the disk is full"])
    text = board.said()
    assert "2 experiments  1 of 4 workers busy" in text
    assert "p: warning: the disk is full" in text
    assert text.count("warnings: 1, the last one: the disk is full") == 1
    assert board.console.size == (100, 30)
    schedulers[1].draining = "interrupted"
    views[1].show(1010.1, schedulers[1], [])
    assert not board.said()
    views[1].show(1010.6, schedulers[1], [])
    assert "\n  ending: interrupted" in board.said()
    views[0].close()
    views[0].end(1011.0, schedulers[0])
    views[1].show(1011.0, schedulers[1], [])
    text = board.said()
    assert "quadratic: not finished: , after" in text
    assert text.rstrip().endswith("3  trial 0 0:00:09  there gpu 1")  # as if it were alone
    assert "optimizer random: idle" in text
    views[1].close()
    assert "\x1b[?25h" in board.said()  # the cursor is back
    again = LiveView(experiment, another("third"), board)
    again.show(1012.0, schedulers[1], [])
    assert board.said().count("third  0/6 trials done") == 1
    again.close()


def test_what_takes_long_to_draw_is_drawn_less_often(experiment, study, board, monkeypatch):
    spent = iter(range(99))
    monkeypatch.setattr("time.thread_time", lambda: next(spent) * 0.02)  # so long does one take
    view = LiveView(experiment, study, board)
    scheduler = Scheduler(study, Limits(6, 2), Never())
    drawn = []
    for tick in range(50):
        view.show(1010.0 + tick / 10, scheduler, [])
        drawn += [tick] if "workers busy" in board.said() else []
    view.close()
    assert drawn == [0, 20, 40]


@pytest.mark.parametrize(("term", "kind"), [("xterm", LiveView), ("dumb", LineView)])
def test_of_several_in_a_terminal_that_draws_nothing_each_line_says_whose_it_is(
    experiment, study, monkeypatch, capsys, term, kind
):
    monkeypatch.setenv("METAOPT_TERMINAL", "1")
    monkeypatch.setenv("TERM", term)
    watch = watchers()
    views = [watch(experiment, study) for _ in range(2)]
    assert [type(view) for view in views] == [kind, kind]
    assert len({id(view.console) for view in views}) == (1 if kind is LiveView else 2)
    for view in views:
        view.close()
    assert "quadratic: going on with 2 trials ended and 1 not" in capsys.readouterr().out


@pytest.mark.parametrize(("rate", "said"), [(3.0, "3 trials/s"), (0.5, "30 trials/min"), (1 / 1800, "2 trials/h")])
def test_the_rate_has_a_unit_that_suits_it(study, rate, said):
    assert busy_line(replace(Figures.of(study, 6, 1010.0), rate=rate)).endswith(said)


def test_a_terminal_that_draws_nothing_gets_lines(experiment, study, monkeypatch):
    monkeypatch.setenv("METAOPT_TERMINAL", "1")
    monkeypatch.setenv("TERM", "dumb")
    assert type(watcher(experiment, study)) is LineView


def test_odd_characters_in_an_error_are_shown_as_they_are(experiment, study):
    study.trials[0].state, study.trials[0].error = study.trials[1].state, "no such file: [/data]"
    text = shown(LineView, experiment, study, ended=True)
    assert "no such file: [/data]" in text


@pytest.mark.parametrize(("terminal", "kind"), [("1", LiveView), ("0", LineView)])
def test_whoever_started_mpirun_says_whether_somebody_looks(experiment, study, monkeypatch, terminal, kind):
    monkeypatch.setenv("METAOPT_TERMINAL", terminal)
    monkeypatch.setenv("TERM", "xterm")
    view = watcher(experiment, study)
    assert type(view) is kind
    if terminal == "1":
        view.close()
    assert os.environ["METAOPT_TERMINAL"] == terminal


def test_what_was_stopped_early_and_why_is_in_the_log_and_in_the_summary(experiment, study):
    why = "asha: 9 at step 1 is number 4 of 4 there, and 2 go on"
    study.apply(1008.0, Reported(1, 2, 1, ((1, {"loss": 9.0}),)))
    study.apply(1008.0, Stop(1, 2, 1, "pruned", why))
    study.apply(1008.5, Finished(1, 2, 1, "stopped"))
    text = shown(LineView, experiment, study, ended=True)
    assert f"trial 2 stopped in 2.5 s: {why}" in text
    assert "early     1 stopped, after 2.5 s on average; the completed ones took 5.0 s" in text


def test_with_best_model_the_end_names_the_trial_that_a_model_takes_for_the_best(tmp_path):
    Site(tmp_path).experiment(best="model", space={"x": "uniform(0, 5)"})
    experiment = Experiment.load(tmp_path / "exp.yaml")
    study = Study(experiment.goals, experiment=experiment.describe())
    study.apply(0.0, Joined(1, "host", ""))
    values = {0.5: 3.0, 1.0: 2.0, 1.5: 1.4, 2.0: 1.2, 2.1: 1.0, 2.05: 1.1, 2.9: 1.2, 3.0: 1.3, 4.0: 2.0, 4.01: 0.9}
    values |= {4.02: 2.1, 3.99: 2.0, 4.05: 1.9}
    for number, (x, value) in enumerate(values.items()):
        study.apply(0.0, Suggested(({"x": x},)))
        study.apply(1.0, Assign(1, number, 1, {"x": x}))
        study.apply(2.0, Reported(1, number, 1, ((1, {"loss": value}),)))
        study.apply(3.0, Finished(1, number, 1, "completed"))
    text = shown(LineView, experiment, study, ended=True)
    assert "best observed: trial 9, loss = 0.9" in text
    (named,) = [line for line in text.splitlines() if line.startswith("best by the model: trial ")]
    assert int(named.split()[5].strip(",")) in {4, 5}
    assert "--x 2." in text


@pytest.mark.parametrize(
    ("output", "pattern"),
    [
        ("epoch 1\nloss 0.4\n", r"loss (\S+)"),
        ("Loss is -0.4\nend", r"Loss is (\S+)"),
        ("{'loss': 0.4}", r"loss': (\S+)"),
        ("loss (.5)", r"loss \((\S+)"),
        ("loss after epoch 3", ""),
        ("val_loss=3\nlosses 4\nloss unknown", ""),
        ("loss 1,5", ""),
        ("loss: 0.4\nloss 1,5", r"loss: (\S+)"),
    ],
)
def test_a_pattern_is_found_for_what_was_printed(output, pattern):
    found = pattern_for("loss", output)
    assert found == pattern
    if found:
        (point,) = [point for line in output.splitlines() for point in Patterns({"loss": found}).points(line.encode())]
        assert math.isfinite(point[1]["loss"])


def _failed(study, *errors):
    """``study`` with so many trials, all of which have failed."""
    study.apply(1000.0, Joined(1, "host", ""))
    for number, error in enumerate(errors):
        study.apply(1000.0, Suggested(({"x": number},)))
        study.apply(1001.0, Assign(1, number, 1, {"x": number}))
        study.apply(1002.0, Finished(1, number, 1, "failed", f"exit status 1\n{error}"))
    return study


def test_the_end_says_what_the_failed_ones_died_of_in_three_lines_at_most(experiment):
    errors = [*["ValueError: 1"] * 3, *["KeyError: 'a'"] * 2, "OSError", "TypeError: " + "b" * 300]
    text = shown(LineView, experiment, _failed(Study(experiment.goals), *errors), width=400, ended=True)
    assert "[1/6] trial 0 failed in 1.0 s: exit status 1: ValueError: 1\n" in text
    assert "\nfailed    3: ValueError: 1  (trials 0, 1, 2)\nfailed    2: KeyError: 'a'  (trials 3, 4)\n" in text
    assert "\nfailed    2: of 2 other causes" in text
    assert max(len(line) for line in text.splitlines() if line.startswith("[")) == 120


def test_who_has_used_up_all_trials_without_a_result_is_told_how_to_try_more(experiment):
    text = shown(LineView, replace(experiment, trials=6), _failed(Study(experiment.goals), *["it"] * 6), ended=True)
    assert "finished without a result," in text
    assert f"or keep the failed ones:  trials: 16  in {experiment.file}" in text
    assert "to go on" not in text
    study = _failed(Study(experiment.goals), *["it"] * 6)
    study.tries = 0  # those were of an earlier run
    assert "all 6 trials are used up, and nothing was left to try" in shown(LineView, experiment, study, ended=True)


def test_where_all_trials_were_stopped_early_it_is_said_what_to_do_about_that(experiment):
    study = _failed(Study(experiment.goals))
    for n in range(6):
        told = Suggested(({"x": n},)), Assign(1, n, 1, {"x": n}), Stop(1, n, 1, "pruned", "so it is")
        for fact in (*told, Finished(1, n, 1, "stopped")):
            study.apply(1001.0, fact)
    experiment = replace(experiment, trials=6, stopper=Choice("threshold"))
    text = shown(LineView, experiment, study, ended=True)
    assert "none has completed: threshold has stopped them; let it stop less, or write  stopper: never" in text
    assert f"then more of them:  trials: 16  in {experiment.file}, or all anew:  " in text
    assert "\nthen all anew:  " in shown(LineView, experiment, study, ended=True, exhausted=True)


def test_a_run_that_was_given_up_is_gone_on_with_once_the_script_is_mended(experiment):
    study = _failed(Study(experiment.goals), *["it"] * 5)
    text = shown(LineView, experiment, study, ended=True, draining="the first 5 trials all failed")
    assert "to go on:  mend that, then type the command again" in text
    assert "or, where it was the metric or the space, mend it and begin anew:  " in text
    assert "the same command" not in text


def test_the_pattern_in_use_is_not_proposed(experiment):
    experiment = replace(experiment, metrics={"loss": r"loss (\S+)"})
    output = Path(experiment.welcome().trials, "0", "stdout.txt")
    output.parent.mkdir(parents=True)
    output.write_text("loss 1.5\n")
    study = _failed(Study(experiment.goals), "it ended without reporting loss: it reported nothing")
    assert "by this pattern" not in shown(LineView, experiment, study, ended=True)
    other = replace(experiment, metrics={"loss": r"the loss (\S+)"})
    assert r"by this pattern:  metrics: {loss: 'loss (\S+)'}" in shown(LineView, other, study, ended=True)


def test_one_that_has_completed_needs_no_reason_why_it_was_to_be_stopped(experiment, study):
    study.apply(1008.0, Reported(1, 2, 1, ((1, {"loss": 9.0}),)))
    study.apply(1008.0, Stop(1, 2, 1, "pruned", "asha: it is number 4 of 4"))
    study.apply(1008.5, Finished(1, 2, 1, "completed"))
    assert "trial 2 completed loss=9 in 2.5 s\n" in shown(LineView, experiment, study)


def test_a_picture_of_what_no_run_is_at_says_no_time_left(study):
    for lasts in (True, False):
        console = Console(file=io.StringIO(), width=100)
        console.print(picture(study, 6, 1010.0, console, lasts=lasts))
        assert ("about 0:00:08 left" in console.file.getvalue()) == lasts
