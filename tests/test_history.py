"""What is read back, and what a resumed run takes in."""

import gc
import json
import subprocess
import sys

import numpy as np
import pytest
from simulation import Simulation, script

from metaopt import history
from metaopt.errors import HistoryDiffers, HistoryError, MetaoptError
from metaopt.goals import Goals
from metaopt.history import check_same, replay, unheard
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Suggested
from metaopt.objective import Objective
from metaopt.stores import open_store
from metaopt.stores.base import Record
from metaopt.stores.journal import Journal
from metaopt.study import Study
from metaopt.trial import State
from metaopt.wire import from_plain, to_plain


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A finished study on disk."""
    directory = str(tmp_path_factory.mktemp("study") / "x.history")
    store = Journal(directory, create=True)
    Simulation(script(4), trials=20, workers=3, losses=[(100.0, 3)], store=store).run()
    store.close()
    return directory


def test_a_history_has_trials_a_best_one_and_their_curves(url):
    loaded = history.load(url)
    assert list(loaded.trials) == list(range(20))
    best = min(loaded.trials.values(), key=lambda trial: trial.objective)
    assert loaded.best is best
    assert [step for step, _ in best.curve("loss")] == [1, 2, 3, 4]
    assert best.curve("loss")[-1][1] == best.objective
    assert best.curve("no such metric") == []
    assert best.ended - best.started == best.duration > 0
    assert loaded.experiment["name"] == "simulated"
    assert loaded.objective.metric == "loss"
    assert repr(loaded) == f"<History of simulated: 20 trials, best loss {best.objective:.6g}>"


def test_a_history_becomes_a_table(url):
    frame = history.load(url).to_pandas()
    assert len(frame) == 20
    assert {"lr", "width", "kind", "state", "objective", "attempts", "worker", "duration", "error"} <= set(
        frame.columns
    )
    assert set(frame["state"]) == {"completed"}
    assert frame["attempts"].max() == 2


def test_parameters_that_are_called_as_a_column_is_are_in_the_table_too():
    study = Study(Goals((Objective("loss"),)))
    study.apply(0.0, Suggested(({"state": "solid", "error": 0.5}, {"lr": 2.0, "trial": 3.0})))
    frame = history.History(study).to_pandas()
    assert frame["param.state"].isna().tolist() == [False, True]
    assert frame["param.error"][0] == 0.5
    assert frame["state"].tolist() == ["waiting"] * 2
    assert frame["lr"][1] == 2.0
    assert frame.reset_index()["trial"].tolist() == [0, 1]
    assert frame.index.tolist() == [0, 1]


def test_without_pandas_it_says_what_to_install(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(HistoryError, match="pip install pandas"):
        history.load(url).to_pandas()


def test_a_path_serves_as_well_as_text(tmp_path, url):
    link = tmp_path / "link"
    link.symlink_to(url)
    assert len(history.load(link).trials) == 20


def test_what_cannot_be_loaded_is_told(tmp_path):
    with pytest.raises(HistoryError, match="there is no history here"):
        history.load(tmp_path / "nowhere")
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(HistoryError, match="this history is empty"):
        history.load(tmp_path)


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("Joined", {"worker": 1, "host": "h", "device": "d"}, "the first record"),
        ("Opened", {"metaopt": "9.9", "format": 99, "experiment": {}}, "this history has format 99"),
        ("Sung", {}, "not a message: Sung"),
        ("Joined", {"singer": 1}, "not a message: Joined"),
    ],
)
def test_a_journal_that_is_not_ours_is_refused(tmp_path, kind, body, message):
    store = open_store(str(tmp_path), create=True)
    store.append([Record(1, 1, 0.0, kind, body)])
    store.close()
    with pytest.raises(MetaoptError, match=message):
        history.load(tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        {"worker": 1, "trial": 0, "attempt": 1},
        {"worker": 1, "trial": 0, "attempt": 1, "points": [], "mood": "good"},
        {"worker": 1, "trial": 0, "attempt": 1, "points": [1]},
        {"worker": 1, "trial": 0, "attempt": 1, "points": [[1, {"loss": "low"}]]},
        {"worker": 1, "trial": 0, "attempt": 1, "points": [[1, None]]},
        [1, 0, 1, []],
    ],
)
def test_a_report_that_is_none_is_refused_and_garbage_is_collected_again(tmp_path, body):
    opened = to_plain(Opened("1", 1, {"objective": {"metric": "loss"}}))
    store = open_store(str(tmp_path), create=True)
    store.append([Record(1, 1, 0.0, "Opened", opened), Record(1, 2, 0.0, "Reported", body)])
    store.close()
    with pytest.raises(MetaoptError, match="not a message: Reported"):
        history.load(tmp_path)
    assert gc.isenabled()


def test_reports_that_no_message_is_made_of_add_up_to_the_same(url):
    store = open_store(url)
    expected = Study(Goals((Objective("loss"),)))
    for _, record in store.read():
        expected.apply(record.time, from_plain(record.kind, record.body), record.run)
    study, run, *_ = replay(store)
    assert run == 1
    assert sum(len(trial.points) for trial in study.trials.values()) == 80
    assert study == expected


def test_a_late_report_is_dropped_and_what_is_not_finite_is_read_back(tmp_path):
    store = open_store(str(tmp_path), create=True)
    facts = [
        Opened("1", 1, {"objective": {"metric": "loss"}}),
        *(Joined(7, "host", "core"), Suggested(({"x": 1},)), Assign(7, 0, 2, {"x": 1})),
        *(Reported(7, 0, attempt, ((1, {"loss": attempt}), (2.5, {"loss": float("inf")}))) for attempt in (1, 2)),
    ]
    store.append([Record(1, seq, 0.0, type(fact).__name__, to_plain(fact)) for seq, fact in enumerate(facts, start=1)])
    study = replay(store).study
    store.close()
    assert study.trials[0].points == [(1, {"loss": 2.0}), (2.5, {"loss": float("inf")})]


def running():
    """A study in which worker 7 runs trial 0."""
    study = Study(Goals((Objective("loss"),)))
    study.apply(1.0, Opened("1", 1, {}))
    study.apply(2.0, Joined(7, "host", "core"))
    study.apply(3.0, Suggested(({"x": 1}, {"x": 2})))
    study.apply(4.0, Assign(7, 0, 1, {"x": 1}))
    study.apply(5.0, Reported(7, 0, 1, ((1, {"loss": 3.0}),)))
    return study


def outcome(directory, **changes):
    told = {
        "trial": 0,
        "attempt": 1,
        "params": {"x": 1},
        "outcome": "completed",
        "error": "",
        "points": [[1, {"loss": 3.0}], [2, {"loss": "nan"}]],
    }
    (directory / "0").mkdir()
    (directory / "0" / "outcome.json").write_text(json.dumps({**told, **changes}))


def test_an_outcome_that_nobody_heard_of_is_taken_in(tmp_path):
    outcome(tmp_path, points=[[1, {"loss": 3.0}], [2, {"loss": 2.0}]])
    study = running()
    events = unheard(study, tmp_path)
    assert events == [Reported(7, 0, 1, ((2, {"loss": 2.0}),)), Finished(7, 0, 1, "completed")]
    for event in events:
        assert study.apply(6.0, event)
    assert study.trials[0].state is State.COMPLETED
    assert study.trials[0].objective == 2.0


@pytest.mark.parametrize(
    "changes",
    [{"attempt": 2}, {"params": {"x": 2}}, {"points": 3}, {"points": [[1, {"loss": 3.0}], [2]]}],
    ids=str,
)
def test_an_outcome_of_another_attempt_or_of_another_trial_or_a_broken_one_is_not(tmp_path, changes):
    outcome(tmp_path, **changes)
    assert unheard(running(), tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"attempt": 1, "params": {"x": 1}}'])
def test_a_file_that_is_no_outcome_is_passed_over(tmp_path, text):
    outcome(tmp_path)
    (tmp_path / "0" / "outcome.json").write_text(text)
    assert unheard(running(), tmp_path) == []


def test_a_difference_is_named():
    study = running()
    space = {"lr": "uniform(0, 1)", "width": "integer(1, 8)"}
    study.experiment = {"name": "a", "space": space, "objective": {"metric": "loss"}}
    same = {"name": "a", "space": dict(space), "objective": {"metric": "loss"}, "trials": 99}
    check_same(study, same, "x.history")
    changed = {**same, "space": {"lr": "uniform(0, 2)", "depth": "integer(1, 3)"}}
    with pytest.raises(HistoryDiffers) as told:
        check_same(study, changed, "x.history")
    for text in (
        "lr was uniform(0, 1), is uniform(0, 2)",
        "width is removed, and was integer(1, 8)",
        "depth is added: integer(1, 3)",
        "write another directory as history:",
        "put the space back as it was",
    ):
        assert text in str(told.value)


def test_it_is_all_there_from_a_plain_python(url):
    program = f"import metaopt; h = metaopt.history.load({url!r}); print(h.best.number, len(h.trials))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert said == [str(history.load(url).best.number), "20"]


def bowl(params):
    return 0.5 * ((params["x"] - 2.0) ** 2 + (params["y"] - 3.0) ** 2)


def noisy(seed):
    """A history of 80 trials of a bowl, and noise."""
    rng = np.random.default_rng(seed)
    study = Study(Goals((Objective("loss"),)), experiment={"space": dict.fromkeys("xy", "uniform(0, 5)")})
    study.apply(0.0, Joined(1, "host", ""))
    for number, (x, y) in enumerate(rng.uniform(0.0, 5.0, (80, 2)).tolist()):
        params = {"x": x, "y": y}
        value = bowl(params) + 0.5 * rng.standard_normal()
        study.apply(0.0, Suggested((params,)))
        study.apply(1.0, Assign(1, number, 1, params))
        study.apply(2.0, Reported(1, number, 1, ((1, {"loss": value}),)))
        study.apply(3.0, Finished(1, number, 1, "completed"))
    return history.History(study)


def test_the_best_by_the_model_is_nearer_to_the_truth_than_the_luckiest_one():
    loaded = [noisy(seed) for seed in range(24)]
    observed = sum(bowl(each.best.params) for each in loaded)
    assert sum(bowl(each.best_by_model().params) for each in loaded) < 0.6 * observed


def test_there_is_a_best_by_the_model_when_there_is_a_best():
    study = Study(Goals((Objective("loss", "maximize"),)), experiment={"space": {"x": "uniform(0, 5)"}})
    study.apply(0.0, Joined(1, "host", ""))
    loaded = history.History(study)
    assert loaded.best_by_model() is None
    for number, value in enumerate((1.0, 4.0, 2.0)):
        study.apply(0.0, Suggested(({"x": number},)))
        study.apply(1.0, Assign(1, number, 1, {"x": number}))
        study.apply(2.0, Reported(1, number, 1, ((1, {"loss": value}),)))
        study.apply(3.0, Finished(1, number, 1, "completed"))
    assert loaded.best_by_model() is loaded.best is loaded.trials[1]
