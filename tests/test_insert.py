"""A point of one's own: how it is typed, and how it gets into a study."""

import json

import pytest

from metaopt import editing, history
from metaopt.cli import main
from metaopt.errors import HistoryError, SpaceError
from metaopt.experiment import Experiment
from metaopt.history import replay
from metaopt.limits import Limits
from metaopt.messages import Adopted, Assign, Claim, Expect, Joined, Opened, Suggest, Suggested
from metaopt.point import point
from metaopt.recorder import Recorder
from metaopt.scheduler import Scheduler
from metaopt.sharing import SharedRecorder, join
from metaopt.space import Space
from metaopt.stopping.never import Never
from metaopt.stores.journal import Journal
from metaopt.stores.memory import Memory
from metaopt.trial import State

SPACE = {
    "lr": "loguniform(1e-4, 1e-1)",
    "units": "integer(8, 256, log)",
    "kind": "choice(sgd, adam, 1)",
    "momentum": {"prior": "uniform(-1, 1)", "when": "kind == sgd", "default": 0},
    "epochs": 20,
}


@pytest.fixture
def place(site, monkeypatch):
    """A directory with an experiment, in which one is."""
    monkeypatch.chdir(site.directory)
    command = ["/bin/echo", "{lr}{units}{kind}{momentum}{epochs}"]

    def write(**changes):
        site.experiment(**{"space": SPACE, "command": command, "trials": 6, **changes})
        return Experiment.load("exp.yaml")

    site.write_experiment = write
    write()
    return site


def typed(text):
    return dict(pair.split("=") for pair in text.split())


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("lr=1e-3 units=64 kind=adam", {"lr": 1e-3, "units": 64, "kind": "adam", "epochs": 20}),
        ("lr=0.1 units=8 kind=sgd", {"lr": 0.1, "units": 8, "kind": "sgd", "momentum": 0.0, "epochs": 20}),
        (
            "lr=0.1 units=8 kind=sgd momentum=-1 epochs=20",
            {"lr": 0.1, "units": 8, "kind": "sgd", "momentum": -1.0, "epochs": 20},
        ),
        ("lr=0.1 units=8 kind=1", {"lr": 0.1, "units": 8, "kind": 1, "epochs": 20}),
    ],
)
def test_a_point_is_read_and_what_is_known_of_it_is_filled_in(text, params):
    made = point(Space.parse(SPACE), typed(text))
    assert made == params
    assert [type(value) for value in made.values()] == [type(value) for value in params.values()]
    assert Space.parse(SPACE).contains(made)


def test_a_text_that_looks_like_a_number_is_one_only_where_that_fits():
    space = Space.parse({"x": 'choice("1", 2)', "y": 'choice("", true)'})
    assert point(space, {"x": "1", "y": ""}) == {"x": "1", "y": ""}
    assert point(space, {"x": "2", "y": "true"}) == {"x": 2, "y": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr=0.01", "units and kind: no value is given\n.*--units integer.8, 256, log.  --kind choice.sgd, adam, 1."),
        ("lr=0.5 units=8 kind=adam", r"lr: the value 0.5 is not in loguniform\(0.0001, 0.1\)"),
        ("lr=fast units=8 kind=adam", r"lr: the value fast is not in loguniform\(0.0001, 0.1\)"),
        ("lr=0.01 units=8.5 kind=adam", r"units: the value 8.5 is not in integer\(8, 256, log\)"),
        ("lr=0.01 units=8 kind=rmsprop", r"kind: the value rmsprop is not in choice\(sgd, adam, 1\)"),
        ("lr=0.01 units=8 kind=adam epochs=3", r"epochs: the value 3 is not in fixed\(20\)"),
        ("lr=0.01 units=8 kind=adam momentum=0.5", "momentum: it counts only when kind == sgd"),
    ],
)
def test_what_is_no_point_of_the_space_is_refused(text, message):
    with pytest.raises(SpaceError, match=message):
        point(Space.parse(SPACE), typed(text))


GOOD = ["insert", "exp.yaml", "--lr", "0.01", "--units=64", "--kind", "sgd", "--momentum", "-1e-1"]


def test_a_study_that_has_not_begun_begins_with_it(place, capsys):
    assert main(GOOD) == 0
    assert capsys.readouterr().out == "trial 0 will run next\n"
    loaded = history.load(place.history)
    (trial,) = loaded.trials.values()
    assert trial.state is State.WAITING
    assert trial.params == {"lr": 0.01, "units": 64, "kind": "sgd", "momentum": -0.1, "epochs": 20}
    assert [record["kind"] for record in place.records()] == ["Opened", "Suggested"]
    assert main([*GOOD[:3], "0.02", *GOOD[4:]]) == 0
    assert capsys.readouterr().out == "trial 1 will run next, after 1 that wait already\n"
    assert not (place.history / "writer").exists()


def test_a_point_that_is_there_is_refused_unless_again(place, capsys):
    assert main(GOOD) == 0
    assert main(GOOD) == 2
    told = capsys.readouterr().err
    assert "trial 0 is at this point already: waiting" in told
    assert "--again" in told
    assert main([*GOOD, "--again"]) == 0
    assert len(history.load(place.history).trials) == 2


def test_when_all_trials_are_there_it_is_refused(place, capsys):
    place.write_experiment(trials=1)
    assert main(GOOD) == 0
    assert main([*GOOD, "--again"]) == 2
    assert "the study has its 1 trial: raise trials:" in capsys.readouterr().err
    assert len(place.records()) == 2


def test_while_a_run_writes_it_is_refused(place, capsys):
    store = Journal(str(place.history), create=True)
    store.append([])
    assert main(GOOD) == 2
    told = capsys.readouterr().err
    assert "is being written by process" in told
    assert "between two runs" in told
    assert "MongoDB" in told
    store.close()
    assert main(GOOD) == 0


def test_a_study_in_another_space_or_without_a_history_is_refused(place, capsys):
    assert main(GOOD) == 0
    place.write_experiment(space={**SPACE, "units": "integer(8, 512, log)"})
    assert main(GOOD) == 2
    assert "units was integer(8, 256, log), is integer(8, 512, log)" in capsys.readouterr().err
    place.write_experiment(history="memory:")
    assert main(GOOD) == 2
    assert "memory:" in capsys.readouterr().err


def test_help_lists_the_parameters_with_their_priors(place, capsys):
    with pytest.raises(SystemExit) as left:
        main(["insert", "exp.yaml", "--help"])
    assert left.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--lr VALUE loguniform(0.0001, 0.1)" in told
    assert "--momentum VALUE uniform(-1, 1), when kind == sgd; default 0.0" in told
    assert "--again" in told
    with pytest.raises(SystemExit) as left:
        main(["insert", "--help"])
    assert left.value.code == 0
    with pytest.raises(SystemExit) as left:
        main(["insert", "--lr", "0.1"])
    assert left.value.code == 2
    with pytest.raises(SystemExit) as left:
        main([*GOOD, "--layers", "3"])
    assert left.value.code == 2
    with pytest.raises(SystemExit):
        main(["insert", "exp.yaml", "units=3"])
    assert "unrecognized arguments: units=3\n  Did you mean --units?" in capsys.readouterr().err
    assert not place.history.exists()


def test_parameters_may_be_called_like_options(place, capsys):
    space = {"again": "uniform(0, 1)", "help": "choice(50%, all)", "experiment": 3}
    place.write_experiment(space=space, command=["/bin/echo", "{again}{help}{experiment}"])
    words = ["insert", "exp.yaml", "--again", "0.5", "--help", "all"]
    assert main(words) == 0
    assert main(words) == 2
    assert main([*words, "-a"]) == 0
    with pytest.raises(SystemExit):
        main(["insert", "exp.yaml", "-h"])
    assert "50%" in capsys.readouterr().out


def test_what_was_interrupted_waits_before_it_and_what_has_finished_unheard_counts(place):
    store = Journal(str(place.history), create=True)
    about = place.write_experiment().describe()
    params = point(Space.parse(SPACE), typed("lr=1e-3 units=64 kind=adam"))
    points = tuple({**params, "units": units} for units in (8, 9, 10))
    said = [Opened("1", 1, about), Joined(1, "h", ""), Suggested(points), Assign(1, 0, 1, points[0])]
    Recorder(store, 1, background=False).record(0.0, said)
    trial = place.history / "trials" / "0"
    trial.mkdir(parents=True)
    outcome = {"attempt": 1, "params": points[0], "points": [[1, {"loss": 3}]], "outcome": "completed", "error": ""}
    (trial / "outcome.json").write_text(json.dumps(outcome))
    experiment = Experiment.load("exp.yaml")
    assert editing.insert(experiment, store, params) == (3, 2)
    store.close()
    loaded = history.load(place.history)
    assert loaded.trials[0].objective == 3.0
    reader = Journal(str(place.history))
    study = replay(reader).study
    reader.close()
    assert list(study.waiting) == [1, 2, 3]


def test_runs_under_way_adopt_it_when_a_worker_is_free(place):
    records = []
    experiment = place.write_experiment(trials=2)
    clock = iter(range(10, 100, 10))
    study, seat = join(Memory(records), Opened("1", 1, experiment.describe(), alone=False), id, 0.0)
    recorder = SharedRecorder(Memory(records), study.run, seat, clock=lambda: next(clock), background=False)
    scheduler = Scheduler(study, Limits(2, 1), Never(), shared=True)
    params = point(Space.parse(SPACE), typed("lr=1e-3 units=64 kind=adam"))
    assert editing.insert(experiment, Memory(records), params) == (0, 0)
    assert [record.kind for record in records if record.run == 2] == ["Opened", "Suggested", "Closed"]
    commands = scheduler.handle(1.0, Joined(1, "host", ""), *recorder.heard())
    assert commands == [Expect(0, params), Suggest(1), Claim(Adopted((2,)))]
    recorder.claim(1.0, commands[-1])
    assert scheduler.handle(2.0, *recorder.heard())[0] == Assign(1, 0, 1, params)


def test_where_several_write_no_more_than_the_total_are_inserted(place):
    records = []
    experiment = place.write_experiment(space={"x": "uniform(0, 1)"}, command=["/bin/echo", "{x}"], trials=2)
    assert [editing.insert(experiment, Memory(records), {"x": x}) for x in (0.1, 0.2)] == [(0, 0), (1, 1)]
    with pytest.raises(HistoryError, match="the study has its 2 trials"):
        editing.insert(experiment, Memory(records), {"x": 0.3})
    assert [record.run for record in records] == [1, 1, 1, 2, 2, 2]


def test_one_that_was_faster_is_read_first(place):
    records = []
    experiment = place.write_experiment(space={"x": "uniform(0, 1)"}, command=["/bin/echo", "{x}"])

    class Slow(Memory):
        """Somebody else writes just before this one does, once."""

        def append(self, new, after=None):
            if new and not records:
                editing.insert(experiment, Memory(records), {"x": 0.1})
            return super().append(new, after)

    assert editing.insert(experiment, Slow(records), {"x": 0.2}) == (1, 1)
    study = replay(Memory(records)).study
    assert [trial.params["x"] for trial in study.trials.values()] == [0.1, 0.2]
