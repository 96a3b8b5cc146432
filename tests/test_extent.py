"""How far a search goes whose space has an end: no trial more than there is a point for, and all verbs say so."""

import json
import sys

import pytest
import yaml
from histories import records_of, written
from simulation import Simulation

from metaopt.cli import main, run
from metaopt.experiment import Experiment
from metaopt.extent import Extent
from metaopt.given import Given
from metaopt.history import History
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Suggested
from metaopt.spool import Spool

SPACES = {
    "numbers": {"x": "integer(1, 4)"},
    "choices": {"x": "choice(1, 2)", "y": {"prior": "ordinal(3, 4, 5)", "when": "x == 2"}},
}
GRID = {"x": "uniform(0, 1)", "n": "integer(1, 9)"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def experiment(here, **changes):
    (here / "train.py").write_text("print('loss=1')")
    about = {"name": "one", "command": [sys.executable, "train.py", "{x}"], "objective": "loss", "trials": 20}
    about |= {"metrics": {"loss": r"loss=(\S+)"}, "space": {"x": "uniform(0, 1)"}, "optimizer": "grid", **changes}
    (here / "exp.yaml").write_text(yaml.safe_dump(about))
    return Experiment.load("exp.yaml")


def begun(here, tried, **changes):
    """That has had trials at ``tried``, of which the lowest is the best."""
    about, facts = experiment(here, **changes), [Joined(1, "host", "core")]
    for number, x in enumerate(tried):
        facts += [Suggested(({"x": x},)), Assign(1, number, 1, {"x": x})]
        facts += [Reported(1, number, 1, ((1, {"loss": float(x)}),)), Finished(1, number, 1, "completed")]
    written("one.history", records_of(Opened("1", 1, about.describe()), *facts))


def said(capsys, *words):
    assert main(list(map(str, words))) == 0
    return capsys.readouterr().out


def loss(params, _):
    yield 10.0, {"loss": float(params["x"])}


@pytest.mark.parametrize("optimizer", ["random", "sobol", "gp", "tpe", "cmaes", "turbo"])
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_of_a_finite_space_there_are_as_many_trials_as_points(space, optimizer):
    about = {"space": space, "optimizer": {"rule": optimizer, "settings": {}}, "trials": 20}
    assert Extent.of(about).left == 4
    study = Simulation(loss, 20, workers=2, space=space, optimizer=optimizer).run().study
    assert len(study.trials) == 4
    extent = Extent.of(about, History(study))
    assert (extent.points, extent.untried, extent.left) == (4, 0, 0)


@pytest.mark.parametrize("trials", [20, 3])
def test_of_a_grid_as_many_as_it_has_whatever_else_was_tried(trials):
    about = {"space": GRID, "optimizer": {"rule": "grid", "settings": {"levels": 2}}, "trials": trials}
    study = Simulation(loss, 20, workers=1, space=GRID, optimizer="grid").run().study
    assert len(study.trials) == 20
    corners = [each for each in study.trials.values() if each.params["x"] in {0, 1} and each.params["n"] in {1, 9}]
    extent = Extent.of(about, History(study))
    assert (extent.points, extent.untried) == (4, 4 - len(corners))


def test_replicates_are_left_when_all_points_have_been_tried():
    about = {"space": SPACES["numbers"], "optimizer": {"rule": "random"}, "trials": 20, "replicates": 3}
    assert Extent.of(about).left == 7
    simulation = Simulation(loss, 20, workers=2, space=SPACES["numbers"]).run()
    history = History(simulation.study)
    assert Extent.of(about, history).left == Given(simulation.study, replicates=3).kept(16, exhausted=True) == 3
    study = Simulation(loss, 20, workers=2, space=SPACES["numbers"], replicates=3).run().study
    assert Extent.of(about, History(study)).left == 0


def test_nobody_knows_when_a_space_without_an_end_or_an_optimizer_of_ones_own_is_done():
    own = {"space": SPACES["numbers"], "optimizer": {"rule": "mine:Own"}, "trials": 20}
    endless = {"space": GRID, "optimizer": {"rule": "gp"}, "trials": 20}
    for about in (own, endless, {"trials": 20}):
        extent = Extent.of(about)
        assert (extent.points, extent.untried, extent.left, extent.exhausted) == (None, None, 20, "")


def test_check_says_before_and_after_how_many_points_there_are(here, capsys):
    experiment(here)
    out = said(capsys, "check", "exp.yaml")
    assert out.startswith("one: 20 trials, 5 points, optimizer grid\n")
    assert (
        "\npoints      its grid has only 5 points: it ends when all have been tried; for more:  a wider space, run"
        in out
    )
    begun(here, [0.0, 0.5, 0.3, 1.0])
    assert "4 of 20 trials done: 4 completed; 2 left to begin\n" in said(capsys, "check", "exp.yaml")
    experiment(here, trials=4)
    assert "points    " not in said(capsys, "check", "exp.yaml")


def test_of_one_that_has_had_all_points_everybody_says_so_and_nothing_is_started(here, capsys, monkeypatch):
    begun(here, [0.0, 0.25, 0.5, 0.75, 1.0])
    only = "its grid has only 5 points, and all have been tried"
    wider = "a wider space, run with --space-changed=keep, or more levels: optimizer: {rule: grid, levels: 10}"
    out = said(capsys, "check", "exp.yaml")
    assert f"finished, 5 of 20 trials done: 5 completed; {only}\n" in out
    assert out.endswith(f"\nfor more trials:  {wider}\n")
    assert f"\npoints    {only}; for more:  {wider}\n" in said(capsys, "status")
    assert "the command that began it goes on" not in said(capsys, "status")
    document = json.loads(said(capsys, "status", "--json"))
    assert (document["points"], document["untried"]) == (5, 0)
    assert (
        said(capsys, "simulate", "exp.yaml", "-w", 2, "--hours", 1)
        == f"one: {only}: nothing is left to do; for more:  {wider}\n"
    )
    said(capsys, "report", "-o", "report.html")
    assert only in (here / "report.html").read_text()
    monkeypatch.setattr("metaopt.mpirun.run", lambda *_, **__: pytest.fail("an MPI was started"))
    ended = f"one: finished already, with 5 trials, since {only}: nothing was started\nbest: trial 0, loss = 0; "
    assert said(capsys, "run", "exp.yaml").startswith(ended)
    assert said(capsys, "submit", "--queue", here / "queue", "exp.yaml").startswith(ended)
    assert Spool(here / "queue").entries() == []


def test_simulate_has_no_room_for_more_trials_than_points(here, capsys):
    begun(here, [0.0, 0.25, 0.5])
    out = said(capsys, "simulate", "exp.yaml", "-w", 2, "--hours", 1)
    assert "room for  2 trials: 2 completed; its grid has only 5 points\n" in out
    assert ": 2 trials left to do, " in out


def test_more_levels_are_no_advice_where_they_change_nothing(here):
    about = experiment(here, space=SPACES["choices"], command="sh -c {x} {y}").describe()
    assert (Extent.of(about).where, Extent.of(about).levels) == ("its space has only 4 points", None)


def test_more_levels_are_gone_on_with(here):
    begun(here, [0.0, 0.25, 0.5, 0.75, 1.0])
    experiment(here, optimizer={"rule": "grid", "levels": 9})
    assert run.ended("exp.yaml", script=False) == ""
