"""metaopt db import: what Optuna and Oríon have really written becomes a history, and all else is refused."""

import json
import os
import pickle
import shutil
import sqlite3
from pathlib import Path

import pytest
import running
import yaml

from metaopt import history, warmstart
from metaopt.cli import main
from metaopt.errors import HistoryError
from metaopt.experiment import Experiment
from metaopt.foreign.base import ForeignStudy, ForeignTrial
from metaopt.foreign.facts import records
from metaopt.foreign.optuna import RawStudy, RawTrial, translated
from metaopt.goals import Goals
from metaopt.objective import Objective
from metaopt.space import Space
from metaopt.stores.memory import Memory
from metaopt.trial import State

DATA = Path(__file__).parent / "data" / "foreign"
OPTUNA = ["optuna.db", "optuna.log", "optuna3.db", "optuna3.log"]
ONE = "one objective"


def imported(source, *options):
    assert main(["db", "import", f"{DATA}/{source}", "-o", "it.history", *options]) == 0
    assert main(["db", "check", "it.history"]) == 0
    return history.load("it.history")


def refused(capsys, source, *texts, options=()):
    """One message with these texts, status 2, and nothing written."""
    before = sorted(Path().iterdir())
    capsys.readouterr()
    running.refused(capsys, ["db", "import", str(source), *options], *texts)
    assert sorted(Path().iterdir()) == before


# ---- Optuna


@pytest.mark.parametrize("file", OPTUNA)
def test_a_study_of_optuna_is_all_there(here, capsys, file):
    study = imported(f"{file}#{ONE}", "--metric", "val_loss")
    assert study.objective == Objective("val_loss", "minimize", "last")
    states = [trial.state for trial in study.trials.values()]
    assert [states.count(each) for each in ("completed", "stopped", "failed")] == [10, 2, 2]
    assert {number for number, trial in study.trials.items() if trial.state == "stopped"} == {6, 9}
    assert (study.trials[4].error, study.trials[12].error) == ("it failed in Optuna", "its val_loss is inf")
    for trial in [study.trials[number] for number in (*range(4), 5, 7, 8, 10, 11)]:
        p = trial.params
        assert (p["model_kind"] == "relu") == ("momentum" in p)
        whole = p["units"] / 1e3 + p["batch"] / 1e3 + p.get("momentum", 0.5)
        assert trial.objective == pytest.approx(p["lr"] + p["dropout"] + p["layers"] + whole)
        curve = [(epoch, pytest.approx(p["lr"] + p["dropout"] + p["layers"] + 1 / (epoch + 1))) for epoch in range(3)]
        assert trial.curve("val_loss") == [*curve, (3, trial.objective)]
        assert trial.ended > trial.started > 1.6e9
    assert len(study.trials[6].curve("val_loss")) == 1
    told = capsys.readouterr()
    assert "10 completed, 2 stopped, 2 failed" in told.out
    for note in ("left out: 1 running", "model.kind is called model_kind here", "not every trial has a value of"):
        assert f"note: {note}" in told.err


@pytest.mark.parametrize("file", OPTUNA)
def test_its_space_has_every_kind_of_distribution(here, file):
    study = imported(f"{file}#{ONE}")
    assert study.experiment["space"] == {
        "lr": "loguniform(1e-06, 1)",
        "dropout": "ordinal(0.0, 0.1, 0.2, 0.3, 0.4, 0.5)",
        "layers": "integer(1, 5)",
        "units": "integer(16, 256, log)",
        "batch": "ordinal(32, 64, 96, 128)",
        "model_kind": "choice(relu, tanh, null, true, 3)",
        "momentum": "uniform(0, 1)",
        "once": "choice(only)",
    }
    space = {each.name: each for each in Space.parse(study.experiment["space"]).parameters}
    for trial in study.trials.values():
        assert all(space[name].contains(value) for name, value in trial.params.items())


@pytest.mark.parametrize("file", OPTUNA)
def test_what_optuna_was_given_by_hand_is_there_too(here, file):
    last = imported(f"{file}#{ONE}").trials[13]
    assert (last.objective, last.params, last.duration) == (0.25, {"lr": 2e-6, "layers": 2, "once": "only"}, 90)
    (step, value), *rest = last.curve("value")
    assert (step, str(value), rest) == (5, "nan", [(7, 0.25)])


@pytest.mark.parametrize("file", OPTUNA)
def test_several_objectives_and_constraints_are_kept(here, file):
    study = imported(f"{file}#two")
    assert [(each.metric, each.goal) for each in study.objectives] == [
        ("val_loss", "minimize"),
        ("accuracy", "maximize"),
    ]
    assert [str(each) for each in study.constraints] == ["constraint_0 <= 0"]
    for trial in study.trials.values():
        x = trial.params["x"]
        assert trial.objectives == (x, -x)
        assert trial.excess == (pytest.approx(x - 0.5),)
    assert [trial.params["x"] for trial in study.pareto] == [min(trial.params["x"] for trial in study.trials.values())]


def test_distributions_as_older_versions_write_them():
    kinds = {
        "a": ("UniformDistribution", {"low": 0.0, "high": 1.0}, 0.5, "uniform(0, 1)", 0.5),
        "b": ("LogUniformDistribution", {"low": 0.1, "high": 10.0}, 1.0, "loguniform(0.1, 10)", 1.0),
        "c": ("DiscreteUniformDistribution", {"low": 0.0, "high": 1.0, "q": 0.5}, 0.5, "ordinal(0.0, 0.5, 1.0)", 0.5),
        "d": ("IntUniformDistribution", {"low": 1, "high": 9, "step": 1}, 3.0, "integer(1, 9)", 3),
        "e": ("IntLogUniformDistribution", {"low": 1, "high": 9, "step": 1}, 3.0, "integer(1, 9, log)", 3),
        "f": ("FloatDistribution", {"low": 2.0, "high": 2.0, "log": False, "step": None}, 2.0, "fixed(2.0)", 2.0),
        "g": ("IntDistribution", {"low": 0, "high": 10**6, "step": 2, "log": False}, 4.0, "integer(0, 1000000)", 4),
        "h": ("CategoricalDistribution", {"choices": [[1, 2], "x"]}, 0, 'choice("[1, 2]", x)', "[1, 2]"),
    }
    params = {name: (kept, json.dumps({"name": n, "attributes": how})) for name, (n, how, kept, *_) in kinds.items()}
    study = translated(RawStudy("old", ["NOT_SET"], {}, [RawTrial("COMPLETE", params=params, values=[1.0])]), [])
    assert dict(study.priors) == {name: prior for name, (*_, prior, _) in kinds.items()}
    assert study.trials[0].params == {name: value for name, (*_, value) in kinds.items()}


# ---- Oríon


def test_an_experiment_of_orion_is_all_there(here, capsys):
    study = imported("orion.pkl#digits")
    assert study.objective == Objective("val_loss", "minimize", "last")
    assert study.experiment["space"] == {
        "dropout": "uniform(0, 0.5)",
        "epochs": "integer(1, 9)",
        "kind": "choice(relu, tanh)",
        "layers": "integer(1, 5)",
        "lr": "loguniform(1e-05, 1)",
        "model_size": "choice(32, 64, null)",
        "noise": "normal(0, 1)",
        "units": "integer(16, 256, log)",
        "weights_0": "uniform(0, 1)",
        "weights_1": "uniform(0, 1)",
    }
    states = [trial.state for trial in study.trials.values()]
    assert [states.count(each) for each in ("completed", "failed")] == [6, 1]
    for trial in study.trials.values():
        assert Space.parse(study.experiment["space"]).contains(trial.params)
        if trial.state is State.COMPLETED:
            p = trial.params
            assert trial.objective == pytest.approx(p["lr"] + p["dropout"] + p["layers"] + p["weights_0"])
            assert trial.curve("accuracy") == [(1, pytest.approx(1 / trial.objective))]
        else:
            assert trial.error == "it is broken in Oríon"
        assert trial.ended > trial.started > 1.6e9
    told = capsys.readouterr().err
    assert "note: left out: 1 interrupted" in told
    assert "note: epochs is a fidelity" in told


def test_of_an_experiment_with_versions_one_is_named(here, capsys):
    refused(capsys, f"{DATA}/orion.pkl#grown", "has no study grown", "grown-v1, grown-v2", options=["-o", "x.history"])
    assert set(imported("orion.pkl#grown-v2").trials[0].params) == {"x", "y"}


# ---- what it is good for


def test_what_was_found_out_elsewhere_is_told_to_the_optimizer(here):
    old = imported("orion.pkl#digits", "--metric", "loss")
    (here / "run.sh").touch(0o755)
    about = {"name": "new", "command": ["./run.sh", *(f"{{{name}}}" for name in old.experiment["space"])]}
    about |= {"objective": "loss", "space": old.experiment["space"], "trials": 5, "warm_start": "it.history"}
    Path("exp.yaml").write_text(yaml.safe_dump(about))
    lessons = warmstart.learn(Experiment.load("exp.yaml"))
    assert lessons.notes == (
        "warm start: 6 of the 7 trials of it.history can be used, the best points are tried first; not used: 1 failed",
    )
    assert sorted(each.value for each in lessons.observed) == sorted(
        t.objective for t in old.trials.values() if t.objective
    )


def test_it_can_be_looked_at_and_kept_anywhere(here, capsys):
    assert main(["db", "import", f"sqlite+pysqlite:///{DATA}/optuna.db#two", "-o", "tinydb:it.json"]) == 0
    for words in (["status"], ["best", "--command"], ["db", "export"], ["show"]):
        capsys.readouterr()
        assert main([*words, "tinydb:it.json", *(["0"] if words == ["show"] else [])]) == 0
        assert capsys.readouterr().out
    assert main(["best", "tinydb:it.json", "--command"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("--x -0.")
    assert said.err == "note: its script is not known, since it was imported from Optuna: these are the arguments\n"


def test_trials_that_ran_at_once_have_a_worker_each():
    times = [(0.0, 10.0), (2.0, 3.0), (3.0, 3.0), (4.0, 12.0), (10.0, 11.0)]
    points = ((1, {"loss": 1.0}),)
    trials = [ForeignTrial({"x": start / 100}, State.COMPLETED, start, end, points) for start, end in times]
    study = ForeignStudy("s", "Optuna", Goals((Objective("loss"),)), {"x": "uniform(0, 1)"}, trials)
    told = records(study, "s")
    assert [each.time for each in told] == sorted(each.time for each in told)
    found = history.replay(Memory(told)).study.trials
    assert [(trial.worker, trial.started, trial.ended) for trial in found.values()] == [
        (worker, *time) for worker, time in zip([1, 2, 2, 2, 1], times, strict=True)
    ]


# ---- what is refused


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("was_here",)


class Evil:
    def __reduce__(self):
        return eval, ("__import__('os').mkdir('was_here')",)


@pytest.mark.parametrize("what", [Hostile, Evil])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_that_would_run_something_is_refused(here, capsys, what, protocol):
    Path("dump.pkl").write_bytes(pickle.dumps([{"experiments": what()}], protocol=protocol))
    refused(capsys, "dump.pkl", "imported, which a database of Oríon's has no need of; nothing was run")
    assert not Path("was_here").exists()


def test_a_real_dump_with_something_hidden_in_it_is_refused(here, capsys):
    real = (DATA / "orion.pkl").read_bytes()
    hidden = real[:-1] + b"0" + pickle.dumps(Hostile(), protocol=4)[2:]  # after the database; it is what is given
    Path("dump.pkl").write_bytes(hidden)
    refused(capsys, "dump.pkl", "nothing was run")
    Path("dump.pkl").write_bytes(real.replace(b"EphemeralDocument", b"EphemeralDocumenT"))
    refused(capsys, "dump.pkl", "orion.core.io.database.ephemeraldb.EphemeralDocumenT imported")
    assert not Path("was_here").exists()


def test_a_pickle_leaves_nothing_behind_in_a_class(here, capsys):
    pollution = (
        b"\x80\x04\x8c\x25orion.core.io.database.ephemeraldb\x8c\x0bEphemeralDB\x93N}\x8c\x05names\x8c\x01xs\x86b."
    ).replace(b"\x25orion", bytes([len("orion.core.io.database.ephemeraldb")]) + b"orion")
    Path("dump.pkl").write_bytes(pollution)
    refused(capsys, "dump.pkl", "cannot be read")
    assert len(imported("orion.pkl#digits").trials) == 7


def other_tables(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE x (y)")


def another_version(path):
    shutil.copy(DATA / "optuna.db", path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE version_info SET schema_version = 11, library_version = '2.0.0'")


def cut_off(name, size):
    return lambda path: path.write_bytes((DATA / name).read_bytes()[:size])


WRONG = {
    "empty": (lambda path: path.touch(), ["is empty", "Optuna"]),
    "text": (lambda path: path.write_text("lr,loss\n"), ["is no storage of Optuna, and no dump of Oríon"]),
    "directory": (lambda path: path.mkdir(), ["cannot be read: Is a directory"]),
    "nothing": (lambda path: None, ["there is no file"]),
    "sqlite of others": (other_tables, ["no such table: version_info", "Optuna 2.4 to 5"]),
    "older sqlite": (
        another_version,
        ["Optuna 2.0.0 has written it, with tables of version 11", "optuna storage upgrade"],
    ),
    "half a database": (cut_off("optuna.db", 3000), ["cannot be read"]),
    "half a pickle": (cut_off("orion.pkl", 3000), ["cannot be read"]),
    "another pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), ["cannot be read"]),
    "json": (lambda path: path.write_text('{"name": "x"}\n'), ["cannot be read: KeyError('op_code')"]),
    "a later log": (lambda path: path.write_text('{"op_code": 99}\n'), ["it says 99, which nobody knows"]),
    "a torn log": (lambda path: path.write_text('{"op_code": 0\n{"op_code": 0}\n'), ["cannot be read"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_none_of_theirs_is_refused(here, capsys, what):
    make, texts = WRONG[what]
    make(here / "it.db")
    refused(capsys, "it.db", "it.db", *texts)


def test_the_last_line_of_a_log_may_be_torn(here):
    Path("log").write_bytes((DATA / "optuna.log").read_bytes() + b'{"op_code": 5, "tri')
    assert main(["db", "import", "log#two"]) == 0
    assert len(history.load("two.history").trials) == 6


def test_a_request_that_is_wrong_writes_nothing(here, capsys):
    refused(capsys, f"{DATA}/optuna.db", "has 3 studies", f"optuna.db#{ONE}", f"There are: {ONE}, two, empty")
    refused(capsys, f"{DATA}/optuna.db#tow", "has no study tow", "Did you mean", "#two")
    refused(capsys, f"{DATA}/optuna.log#empty", "the study empty has no trial that has ended")
    refused(capsys, "mysql://host/db", "databases on a server are not read", "copy_study")
    refused(capsys, f"{DATA}/optuna.db#two", "2 objective", options=[f"--metric={n}" for n in "abc"])
    Path("it.history").mkdir()
    refused(capsys, f"{DATA}/optuna.db#two", "it.history is there already", options=["-o", "it.history"])
    refused(capsys, f"{DATA}/optuna.db#two", "there is no no/such/place", options=["-o", "no/such/place/it.history"])


def test_a_space_that_cannot_be_had_is_refused():
    trial = ForeignTrial({"x": 1}, State.COMPLETED, 0.0, 1.0)
    study = ForeignStudy("s", "Oríon", Goals((Objective("loss"),)), {"x": "fixed(1)"}, [trial])
    with pytest.raises(HistoryError, match="the space of s cannot be had here: space: all parameters are fixed"):
        records(study, "s")
