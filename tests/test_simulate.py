"""metaopt simulate: what it says must be what the real scheduler does, and what can be told by hand."""

import pytest
import yaml
from running import EXPERIMENT
from simulation import Simulation

from metaopt.cli import main
from metaopt.experiment import Experiment
from metaopt.forecast import Past, forecast, known
from metaopt.stores import open_store


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(**changes):
        (tmp_path / "script.py").write_text("print('loss=1')")
        (tmp_path / "exp.yaml").write_text(yaml.safe_dump({**EXPERIMENT, **changes}))
        return Experiment.load("exp.yaml")

    return made


def curve(level, steps=9):
    return tuple((step, {"loss": level + 1 / step}) for step in range(1, steps + 1))


def test_trials_of_one_length_fill_the_rounds_that_there_are(experiment):
    found = forecast(experiment(), [Past(600.0, curve(0.1))], workers=7, seconds=7200.0)  # grace and slack: 11 rounds
    assert (found.completed, found.cut, found.simulated) == (77, 0, 7)
    assert found.busy == found.useful == pytest.approx(11 / 12)
    with_end = forecast(experiment(), [Past(600.0, curve(0.1))], workers=7, seconds=7200.0, trials=10)
    assert with_end.completed == 10
    assert with_end.took == pytest.approx(1200.0)
    assert with_end.busy == pytest.approx(10 / 14)


@pytest.mark.parametrize("stopper", ["asha", "curves"])
def test_the_stopper_of_the_file_judges_the_curves_and_makes_room(experiment, stopper):
    past = [Past(90.0, curve(level)) for level in (0.1, 0.2, 0.3, 0.4, 0.5)]
    full = forecast(experiment(), past, workers=8, seconds=3600.0)
    short = forecast(experiment(stopper=stopper), past, workers=8, seconds=3600.0)
    assert (full.stopped, short.stopped > short.completed) == (0, True)
    assert short.ended > 1.5 * full.ended
    assert forecast(experiment(stopper=stopper), past, workers=8, seconds=3600.0) == short  # there is no chance in it


def test_where_scripts_resume_the_stopper_pauses_and_goes_on(experiment):
    past = [Past(90.0, curve(level)) for level in (0.1, 0.2, 0.3, 0.4, 0.5)]
    about = {"stopper": "asha", "resumes": True}
    found = forecast(experiment(**about), past, workers=8, seconds=3600.0)
    assert (found.stopped > found.completed > 0, found.cut) == (True, 8)
    whole = forecast(experiment(**about), past, workers=8, seconds=36000.0, trials=40)
    assert (whole.ended, whole.cut) == (40, 0)
    assert whole.busy == pytest.approx(whole.useful)  # nothing is done twice


def test_trials_that_failed_fail_and_a_script_that_saves_is_begun_to_the_end(experiment):
    past = [Past(100.0, curve(0.1)), Past(50.0, (), failed=True)]
    found = forecast(experiment(resumes=True), past, workers=8, seconds=3600.0)
    assert found.failed > 0.3 * found.completed
    assert found.cut == 8
    assert found.busy > found.useful


def test_of_many_workers_some_stand_for_all(experiment):
    found = forecast(experiment(), [Past(6.0, curve(0.1))], workers=4096, seconds=36000.0)
    assert found.simulated < 4096
    assert found.completed == pytest.approx(4096 * (36000 - 12) // 6, rel=0.01)


def test_the_verb_goes_by_the_history_and_says_what_is_left(experiment, capsys):
    experiment(trials=300, name="simulated", stopper={"rule": "asha", "max": 9})
    store = open_store("simulated.history", create=True)
    levels = {}

    def train(_, trial):
        for step in range(1, 10):
            levels[trial] = (trial * 0.37) % 1
            yield 10.0, {"loss": levels[trial] + 1 / step}

    simulation = Simulation(train, trials=30, workers=4, store=store).run()
    store.close()
    assert len(known(simulation.study.trials.values())) == 30
    assert main(["simulate", "exp.yaml", "--workers", "16", "--hours", "1"]) == 0
    said = capsys.readouterr().out
    assert "16 workers for 1:00:00, trials of 0:01:30 to 0:01:30, median 0:01:30, as the 30 that have run" in said
    assert "stopped by asha" in said
    assert "270 trials left to do" in said
    assert main(["simulate", "exp.yaml", "-w", "1", "--hours", "0.5", "--trial", "10m"]) == 0
    said = capsys.readouterr().out
    assert "trials of 0:10:00 each, as you say, without curves, so that asha stops nothing\n" in said
    assert "room for  2 trials: 2 completed" in said
    assert "done      not with this: 270 trials left to do" in said
    assert "in the place of all" not in said
    assert main(["simulate", "exp.yaml", "-w", "3", "--hours", "30", "--trial", "1s"]) == 0
    assert "; simulated with 1 worker in the place of all\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["-w", "4", "--hours", "1"], 2, "say how long one takes: --trial 10m"),
        (["-w", "4", "--hours", "0.003", "--trial", "1s"], 2, "nothing is left for trials"),
    ],
)
def test_what_cannot_be_told_is_said(experiment, capsys, words, status, said):
    experiment()
    assert main(["simulate", "exp.yaml", *words]) == status
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--hours", "two", "-w", "4"], ["--hours", "-1", "-w", "4"], ["-w", "0", "--hours", "1"]]
)
def test_what_makes_no_sense_is_refused(experiment, capsys, words):
    experiment()
    with pytest.raises(SystemExit):
        main(["simulate", "exp.yaml", *words])
    assert "a number of hours" in (said := capsys.readouterr().err) or "a whole number" in said
