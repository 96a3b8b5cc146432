"""metaopt list: every study at a place is a row, also one that cannot be read; and history.load of what names one."""

import os
import pathlib
import subprocess
import sys

import pytest
import yaml
from histories import LEVELDB, MONGO, facts, records_of, simulated, written
from mongo import PASSWORD, USER, Mongo

from metaopt import history
from metaopt.cli import main
from metaopt.errors import ExperimentError, HistoryError, HistoryMissing
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Suggested
from metaopt.stores.base import Record


def rows(text):
    """The cells of each row of the table, by the last of them: where the history is."""
    table = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line]
    return {row[-1]: row[:-1] for row in table}


@LEVELDB
def test_every_history_up_to_two_levels_down_is_a_row(here, capsys):
    written("a.history")
    written("one/b.history")
    written("one/two/three.history")
    written("leveldb:one/c.leveldb")
    written("tinydb:one/d.json")
    simulated("e.history/trials/0/inside.history")
    simulated("e.history")
    (here / "other.json").write_text('{"a": 1}')
    (here / "one" / "notes.txt").write_text("notes")
    assert main(["list"]) == 0
    found = rows(capsys.readouterr().out)
    assert set(found) == {"a.history", "one/b.history", "leveldb:one/c.leveldb", "tinydb:one/d.json", "e.history"}
    name, done, states, best, when = found["a.history"]
    assert (name, done, best) == ("digits", "2/4", "loss = 0.25")
    assert states == "1 waiting, 1 running, 1 completed, 1 failed"
    assert when.startswith("2001-09-")
    assert [found[place] for place in ("leveldb:one/c.leveldb", "tinydb:one/d.json")] == [found["a.history"]] * 2
    assert found["e.history"][:3] == ["simulated", "20/?", "20 completed"]
    assert not list(here.rglob("writer"))


def test_of_several_objectives_the_best_one_is_listed_exported_and_checked(here, capsys):
    goals = {"objective": [{"metric": "loss"}, {"metric": "time"}], "constraints": [bound("time", 9.0)]}
    points = [{"loss": 0.5, "time": 1.0}, {"loss": 0.25, "time": 2.0}, {"loss": 0.75, "time": 3.0}]
    said = [Opened("1", 1, {"name": "digits", "trials": 3, **goals}), Joined(1, "h", ""), Suggested(({"x": 1},) * 3)]
    for number, values in enumerate(points):
        said += [Assign(1, number, 1, {}), Reported(1, number, 1, ((1, values),)), Finished(1, number, 1, "completed")]
    written("a.history", records_of(*said))
    assert main(["list"]) == 0
    assert rows(capsys.readouterr().out)["a.history"][3] == "loss = 0.25, time = 2 (1 of 2)"
    assert main(["db", "check", "a.history"]) == 0
    assert "trial 1, loss = 0.25, time = 2\npareto    2 trials" in capsys.readouterr().out
    assert main(["db", "export", "a.history"]) == 0
    head, first, *_ = capsys.readouterr().out.splitlines()
    assert head.startswith("trial,state,objective,objective.loss,objective.time,excess.time <= 9,feasible,param.x,")
    assert first.startswith("0,completed,0.5,0.5,1.0,-8.0,true,1,")
    pytest.importorskip("pyarrow")
    assert main(["db", "export", "a.history", "-o", "a.parquet"]) == 0


def bound(metric, most):
    return {"metric": metric, "op": "<=", "bound": most}


@pytest.mark.parametrize("where", ["deep/one", "tinydb:deep/d.json", "deep/exp.yaml", "deep/one/x.history"])
def test_a_place_can_be_named_by_all_that_names_a_history(here, capsys, where):
    written("deep/one/x.history")
    written("tinydb:deep/d.json")
    (here / "deep" / "exp.yaml").write_text(yaml.safe_dump({"name": "x", "history": "one/x.history"}))
    assert main(["list", where]) == 0
    ((place, row),) = rows(capsys.readouterr().out).items()
    assert place.endswith(("deep/one/x.history", "tinydb:deep/d.json"))
    assert row[:2] == ["digits", "2/4"]


def test_what_cannot_be_read_is_a_row_that_says_so(here, capsys):
    written("good")
    written("corrupt")
    path = here / "corrupt" / "journal.jsonl"
    path.write_text("garbage\n" + path.read_text())
    records = records_of(*facts())
    written("impossible", [*records, Record(1, 11, 5e9, "Assign", records[4].body)])
    (here / "empty").mkdir()
    (here / "empty" / "journal.jsonl").touch()
    (here / "broken.json").write_text('{"_default": {"1": {"run": 1, "seq": 1, "time": ')
    assert main(["list"]) == 0
    found = rows(capsys.readouterr().out)
    assert "this line is no record" in found["corrupt"][2]
    assert "trial 0 cannot go from completed to running" in found["impossible"][2]
    assert found["empty"][2] == "it is empty"
    assert "this is no JSON" in found["tinydb:broken.json"][2]
    assert found["good"][:2] == ["digits", "2/4"]


@MONGO
def test_the_studies_of_a_database_are_rows_each(here, capsys, database):
    for name in ("letters", "digits"):
        written(f"{database}#{name}", records_of(*facts(name)))
    assert main(["list", database]) == 0
    found = rows(capsys.readouterr().out)
    assert {place: row[0] for place, row in found.items()} == {
        f"{database}#{name}": name for name in ("letters", "digits")
    }
    assert main(["list", f"{database}#digits"]) == 0
    assert set(rows(capsys.readouterr().out)) == {f"{database}#digits"}
    (here / "exp.yaml").write_text(yaml.safe_dump({"name": "letters", "history": database}))
    assert main(["list", "exp.yaml"]) == 0
    assert [row[0] for row in rows(capsys.readouterr().out).values()] == ["letters"]
    assert history.load("exp.yaml").experiment["name"] == "letters"
    assert history.load(database, "digits").experiment["name"] == "digits"
    with pytest.raises(HistoryMissing, match="there is no study words"):
        history.load(database, "words")


@MONGO
def test_a_password_comes_from_the_environment_and_is_never_shown(here, capsys, tmp_path_factory, monkeypatch):
    mongo = Mongo(tmp_path_factory.mktemp("mongo") / "guarded", login=True).start()
    try:
        written(mongo.url("guarded"))
        url = mongo.url("guarded", login=USER)
        (here / "password").write_text(f"{PASSWORD}\n")
        monkeypatch.setenv("METAOPT_MONGODB_PASSWORD_FILE", str(here / "password"))
        assert main(["list", url]) == 0
        assert [row[0] for row in rows(capsys.readouterr().out).values()] == ["digits"]
        for verb in (["list"], ["db", "check"], ["db", "export"], ["db", "copy", "x"]):
            assert main([*verb, mongo.url("guarded")]) == 2
            said = capsys.readouterr()
            assert "pass%3Aword" not in said.out + said.err
            assert "METAOPT_MONGODB_PASSWORD_FILE" in said.err
    finally:
        mongo.stop()


def test_where_there_is_none_it_says_so(here, capsys):
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "there is no study at .\n"


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("nowhere", "nowhere: there is no such directory"),
        ("exp.yaml", "exp.yaml: there is no such file"),
        ("tinydb:x.json", "there is no history here"),
        ("memory:", "memory: only"),
        ("cassandra:x", "no store is known for cassandra:"),
        ("mongodb://host", "names no database"),
        ("mongodb://me:p%40ss@host/db", "mongodb://me:***@host/db: a password on a command line"),
    ],
)
def test_a_place_that_is_none_is_refused(here, capsys, where, text):
    assert main(["list", where]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("metaopt: ") == 1
    assert text in said.err
    assert not list(here.iterdir())


def test_it_is_listed_from_a_shell_too(here):
    written("a.history")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "metaopt", "list"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert list(rows(said.stdout)) == ["a.history"]
    assert said.stderr == ""


# ---- history.load


@pytest.mark.parametrize("kind", [str, pathlib.Path])
@pytest.mark.parametrize("setting", ["", "history: kept\n", "history: tinydb:kept.json\n"])
def test_an_experiment_file_is_loaded_by_its_history(here, kind, setting):
    (here / "sub").mkdir()
    (here / "sub" / "exp.yml").write_text(f"name: digits\n{setting}")
    places = {"": "sub/digits.history", "history: kept\n": "sub/kept"}
    written(places.get(setting, "tinydb:sub/kept.json"))
    assert history.load(kind("sub/exp.yml")).best.objective == 0.25


def test_an_experiment_file_needs_no_more_than_a_name_to_be_looked_back_at(here):
    """The script, and its program, may be gone."""
    (here / "exp.yaml").write_text("name: digits\ncommand: nowhere/python {x}\nspace: {}\n")
    written("digits.history")
    assert len(history.load("exp.yaml").trials) == 4


def test_a_directory_may_be_called_like_a_file(here):
    written("a.yaml")
    assert len(history.load("a.yaml").trials) == 4


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, ExperimentError, "exp.yaml: there is no such file"),
        ("name: digits\n", HistoryMissing, r"exp.yaml has not been run yet: .*\n  metaopt run exp.yaml  begins it"),
        ("name: digits\nhistory: tinydb:x\n", HistoryMissing, "exp.yaml has not been run yet"),
        ("name: digits\nhistory: 'memory:'\n", HistoryError, "exp.yaml has its history in memory: only"),
        ("history: x\n", ExperimentError, "name: it is missing"),
        ("name: digits\nhistory: [x]\n", ExperimentError, r"exp.yaml:2: history: \['x'\] is no directory"),
        ("name: digits\nhistory: empty\n", HistoryError, r"empty: this history is empty\n  metaopt run exp.yaml"),
    ],
)
def test_an_experiment_file_without_a_history_says_what_to_do(here, text, error, message):
    (here / "empty").mkdir()
    (here / "empty" / "journal.jsonl").touch()
    if text is not None:
        (here / "exp.yaml").write_text(text)
    with pytest.raises(error, match=message):
        history.load("exp.yaml")
