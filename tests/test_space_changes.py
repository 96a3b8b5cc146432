"""The space of a study changes: which of its trials are kept, which are set aside, and when it is refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation import SPACE, Simulation, script

from metaopt import editing, history
from metaopt.attempt import _own, known
from metaopt.errors import HistoryDiffers, HistoryHeld, SpaceError
from metaopt.experiment import Experiment
from metaopt.goals import Goals
from metaopt.history import check_same, replay
from metaopt.limits import Limits
from metaopt.messages import Adopted, Assign, Closed, Finished, Joined, Opened, Reported, Revised, Suggested
from metaopt.objective import Objective
from metaopt.revision import revise
from metaopt.scheduler import Scheduler
from metaopt.sharing import STALE, SharedRecorder, join
from metaopt.space import Space
from metaopt.stopping.never import Never
from metaopt.stores.base import Record
from metaopt.stores.journal import Journal
from metaopt.stores.memory import Memory
from metaopt.study import Study
from metaopt.trial import OUTSIDE, State, extends
from metaopt.welcome import Welcome
from metaopt.wire import decode, encode, to_plain

OBJECTIVE = {"metric": "loss", "goal": "minimize", "of": "last"}
CANONICAL = Space.parse(SPACE).canonical()
XY = {"x": "uniform(0, 1)", "kind": "choice(a, b)"}


def about(space):
    return {"name": "s", "objective": OBJECTIVE, "space": Space.parse(space).canonical()}


def study_at(*points, space=XY, end=None):
    """A study whose trials are at these points: completed with loss = x, but the last ``end`` of them, which wait."""
    study = Study(Goals((Objective("loss"),)))
    run_at(study, points, space, len(points) if end is None else len(points) - end)
    return study


def run_at(study, points, space, completed):
    study.apply(0.0, Opened("1", 1, about(space)))
    study.apply(0.0, Joined(1, "host", ""))
    first = len(study.trials)
    study.apply(0.0, Suggested(tuple(points)))
    for number in range(first, first + completed):
        study.apply(1.0, Assign(1, number, 1, study.trials[number].params))
        study.apply(2.0, Reported(1, number, 1, ((1, {"loss": float(study.trials[number].params["x"])}),)))
        study.apply(3.0, Finished(1, number, 1, "completed"))


def change(study, space):
    """Go on in ``space``; gives what was said."""
    revised = revise(study, Space.parse(space))
    study.apply(9.0, Opened("1", 1, about(space)))
    study.apply(9.0, decode(encode(revised)))
    return revised


POINTS = ({"x": 0.2, "kind": "a"}, {"x": 0.5, "kind": "b"}, {"x": 0.9, "kind": "a"})


@pytest.mark.parametrize(
    ("changes", "outside"),
    [
        ({"x": "uniform(0, 2)"}, []),
        ({"x": "uniform(0.3, 1)"}, [0]),
        ({"x": "loguniform(1e-3, 1)"}, []),
        ({"x": "normal(0, 1)"}, []),
        ({"x": "integer(0, 3)"}, [0, 1, 2]),
        ({"x": 0.5}, [0, 2]),
        ({"kind": "choice(a, b, c)"}, []),
        ({"kind": "choice(a, c)"}, [1]),
        ({"kind": "choice(a, c)", "x": "uniform(0.5, 3)"}, [0, 1]),
    ],
    ids=str,
)
def test_trials_that_fit_are_kept_and_the_others_are_set_aside(changes, outside):
    study = study_at(*POINTS)
    revised = change(study, {**XY, **changes})
    assert revised == Revised({}, tuple(outside))
    assert [number for number, trial in study.trials.items() if trial.outside] == outside
    kept = [number for number in study.trials if number not in outside]
    assert study.ended == kept
    assert study.counted == study.tally[State.COMPLETED] == len(kept)
    assert study.best is (study.trials[kept[0]] if kept else None)
    assert all(trial.state is State.COMPLETED for trial in study.trials.values())


def test_a_parameter_that_is_new_has_its_default_in_all_trials():
    study = study_at(*POINTS)
    space = {**XY, "momentum": {"prior": "uniform(0, 1)", "default": 0.9}, "epochs": 20}
    revised = change(study, space)
    assert revised == Revised({"momentum": 0.9, "epochs": 20}, ())
    assert study.trials[1].params == {"x": 0.5, "kind": "b", "momentum": 0.9, "epochs": 20}
    assert all(Space.parse(space).contains(trial.params) for trial in study.trials.values())


def test_one_that_counts_only_sometimes_is_given_only_to_those_for_which_it_counts():
    study = study_at(*POINTS)
    change(study, {**XY, "beta": {"prior": "uniform(0, 1)", "when": "kind == b", "default": 1}})
    assert [trial.params.get("beta") for trial in study.trials.values()] == [None, 1.0, None]
    assert type(study.trials[1].params["beta"]) is float


@pytest.mark.parametrize(
    ("space", "texts"),
    [
        (
            {**XY, "m": {"prior": "uniform(0, 1)", "when": "kind == b"}},
            ["m is new", 'm: {prior: "uniform(0, 1)", when: "kind == b", default: VALUE}'],
        ),
        ({**XY, "m": "integer(1, 3)"}, ["m is new", 'm: {prior: "integer(1, 3)", default: VALUE}']),
        ({"x": "uniform(0, 1)"}, ["the space has no kind any more", "kind: a", "another name:"]),
        ({"x": "uniform(0, 1)", "sort": "choice(a, b)"}, ["the space has no kind any more"]),
    ],
)
def test_what_is_not_clear_is_refused(space, texts):
    with pytest.raises(HistoryDiffers) as told:
        revise(study_at(*POINTS), Space.parse(space))
    for text in texts:
        assert text in str(told.value)


def test_what_concerns_no_trial_that_is_kept_is_not_refused():
    apart = {**XY, "m": {"prior": "uniform(0, 1)", "when": "kind == c"}, "kind": "choice(a, b, c)"}
    assert revise(study_at(*POINTS), Space.parse(apart)) == Revised({}, ())
    assert revise(study_at(), Space.parse({"z": "uniform(0, 1)"})) == Revised({}, ())
    narrow = {"x": "uniform(2, 3)"}
    assert revise(study_at(*POINTS), Space.parse(narrow)) == Revised({}, (0, 1, 2))


def test_an_open_trial_that_is_set_aside_is_stopped_and_says_why():
    study = study_at(*POINTS, end=2)
    change(study, {**XY, "kind": "choice(a, c)"})
    assert (study.trials[1].state, study.trials[1].why) == (State.STOPPED, OUTSIDE)
    assert study.trials[1].duration is None
    assert study.trials[2].state is State.WAITING
    assert list(study.waiting) == list(study.open) == [2]
    assert study.counted == 2
    assert study.tally == {State.COMPLETED: 1, State.WAITING: 1}


def test_trials_come_back_with_their_space_but_not_those_that_were_stopped_for_it():
    study = study_at(*POINTS, end=1)
    change(study, {**XY, "x": "uniform(0.3, 0.8)"})
    assert [trial.outside for trial in study.trials.values()] == [True, False, True]
    assert study.best.number == 1
    change(study, XY)
    assert [trial.outside for trial in study.trials.values()] == [False, False, True]
    assert study.ended == [1, 0]
    assert study.best.number == 0


def test_a_trial_that_comes_back_has_what_was_added_meanwhile():
    study = study_at(*POINTS)
    change(study, {"x": "uniform(0.3, 1)", "kind": "choice(a, b)"})
    more = {"prior": "uniform(0, 1)", "default": 0.9}
    change(study, {"x": "uniform(0.3, 1)", "kind": "choice(a, b)", "m": more})
    assert "m" not in study.trials[0].params
    change(study, {**XY, "m": more})
    assert [trial.params["m"] for trial in study.trials.values()] == [0.9] * 3


def test_the_optimizer_the_stopper_and_the_total_know_nothing_of_what_is_outside():
    class Sees(Never):
        seen = ()

        def should_stop(self, trial, curve):
            self.seen = (*self.seen, trial)
            return ""

    study, sees = study_at(*POINTS), Sees()
    change(study, {**XY, "kind": "choice(a, c)"})
    scheduler = Scheduler(study, Limits(3, 1), sees)
    commands = scheduler.handle(10.0, Joined(1, "host", ""))
    assert [command.trial for command in commands[:-1]] == [0, 2]
    assert commands[-1].count == 1
    assert sees.seen == (0, 2)


@st.composite
def spaces(draw):
    """A part of what the points below may be."""
    low = draw(st.integers(0, 8))
    high = draw(st.integers(low + 1, 9))
    kinds = draw(st.sets(st.sampled_from("abc"), min_size=1))
    space = {"x": f"integer({low}, {high})", "kind": f"choice({', '.join(sorted(kinds))})"}
    if draw(st.booleans()):
        space["m"] = {"prior": "uniform(0, 1)", "default": 0.5, "when": "x > 4"} if high > 4 else 3
    return space


@given(st.lists(st.tuples(spaces(), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=6), st.data())
def test_whatever_changes_what_counts_is_what_fits_and_the_same_facts_give_the_same(steps, data):
    study, m = Study(Goals((Objective("loss"),))), False
    for space, completed, waiting in steps:
        if m and "m" not in space:  # it may come, but not go
            continue
        m = "m" in space
        parsed = Space.parse(space)
        if study.trials:
            study.apply(9.0, Opened("1", 1, about(space)))
            study.apply(9.0, revise(study, parsed))
        unit = st.lists(st.floats(0, 0.999), min_size=len(parsed.searched), max_size=len(parsed.searched))
        points = data.draw(st.lists(unit, min_size=completed + waiting, max_size=completed + waiting))
        run_at(study, [parsed.from_unit(point) for point in points], space, completed)
        inside = {n: trial for n, trial in study.trials.items() if not trial.outside}
        for number, trial in study.trials.items():
            fits = parsed.contains(parsed.filled(trial.params, parsed.defaults))
            assert trial.outside == (not fits or trial.why == OUTSIDE)
            assert trial.outside or parsed.contains(trial.params)
            assert (trial.state is State.STOPPED) == (trial.why == OUTSIDE)
            assert (number in study.open) == (trial.state is State.WAITING)
        assert sorted([*study.open, *study.ended]) == sorted(inside)
        assert sorted(study.waiting) == sorted(study.open)
        assert study.counted == len(inside) == study.tally.total()
        least = min((t.objective for t in inside.values() if t.objective is not None), default=None)
        assert (study.best.objective if study.best else None) == least
        assert revise(study, parsed) == Revised({}, tuple(n for n in study.trials if n not in inside))


def test_a_default_must_be_in_its_prior_and_is_no_change():
    with pytest.raises(SpaceError, match=r"m: the default 2 is not in uniform\(0, 1\)"):
        Space.parse({"m": {"prior": "uniform(0, 1)", "default": 2}})
    with pytest.raises(SpaceError, match="is no value"):
        Space.parse({"m": {"prior": "choice(a, b)", "default": ["a"]}})
    plain = Space.parse({"m": "uniform(0, 1)"})
    with_default = Space.parse({"m": {"type": "uniform", "low": 0, "high": 1, "default": 0.5}})
    assert with_default == plain
    assert with_default.canonical() == plain.canonical()
    assert with_default.defaults == {"m": 0.5}


def test_filling_in_goes_from_parents_to_children():
    space = Space.parse(
        {
            "b": {"prior": "integer(1, 9)", "when": "a == yes", "default": 3},
            "a": {"prior": "choice(yes, no)", "default": "yes"},
            "x": "uniform(0, 1)",
        }
    )
    assert list(space.filled({"x": 0.5}, space.defaults).items()) == [("b", 3), ("a", "yes"), ("x", 0.5)]
    assert space.filled({"x": 0.5, "a": "no"}, space.defaults) == {"x": 0.5, "a": "no"}
    assert space.fits({"x": 0.5})
    assert not space.fits({"x": 0.5, "a": "no", "b": 3})
    assert not space.fits({})


def test_every_difference_is_told_and_the_option_with_it():
    study = study_at(*POINTS)
    ours = about({"x": "uniform(0, 2)", "m": {"prior": "uniform(0, 1)", "when": "x > 1"}})
    with pytest.raises(HistoryDiffers) as told:
        check_same(study, ours, "s.history")
    for text in (
        "s.history belongs to another experiment",
        "\n    x was uniform(0, 1), is uniform(0, 2)\n",
        "\n    kind is removed, and was choice(a, b)\n",
        "\n    m is added: uniform(0, 1) when x > 1\n",
        "--space-changed=keep",
        "put the space back as it was",
    ):
        assert text in str(told.value)
    check_same(study, ours, "s.history", space=False)


@pytest.fixture
def site_of(site):
    """An experiment whose study has run in the simulator, on disk; and the same with another space."""
    store = Journal(str(site.history), create=True)
    simulation = Simulation(script(2), trials=12, workers=3, store=store)
    simulation.driver.run(Opened("1", 1, {"name": "quadratic", "objective": OBJECTIVE, "space": CANONICAL}))
    store.close()

    def load(**space):
        site.experiment(space={**SPACE, **space}, command=["/bin/echo", "{lr}{width}{kind}"])
        return Experiment.load(site.directory / "exp.yaml")

    return load


def test_what_was_done_is_in_the_history_and_reading_it_gives_the_same(site_of, site):
    experiment = site_of(kind="choice(a, b)")
    store = Journal(str(site.history))
    before = [record for _, record in store.read()]
    (note,) = editing.change_space(experiment, store)
    records = [record for _, record in store.read()]
    store.close()
    assert records[: len(before)] == before
    assert [(r.run, r.seq, r.kind) for r in records[len(before) :]] == [(2, 1, "Opened"), (2, 2, "Revised")]
    loaded = history.load(site.history)
    outside = [n for n, trial in loaded.trials.items() if trial.params["kind"] == "c"]
    assert 0 < len(outside) < 12
    assert records[-1].body == {"added": {}, "dropped": outside}
    assert [n for n, trial in loaded.trials.items() if trial.outside] == outside
    assert f"{len(outside)} of its 12 trials" in note
    assert not loaded.best.outside
    frame = loaded.to_pandas()
    assert list(frame.index[frame["outside"]]) == outside
    expected = Study(Goals((Objective("loss"),)))
    for record in records:
        fact = decode(json.dumps([record.kind, record.body]).encode())
        expected.apply(record.time, fact, record.run)
    assert replay(Memory(records)).study == expected


def test_a_space_that_is_the_same_is_no_change(site_of, site):
    store = Journal(str(site.history))
    before = list(store.read())
    assert editing.change_space(site_of(), store) == []
    assert list(store.read()) == before
    store.close()


def test_a_study_of_another_name_is_refused_all_the_same(site_of, site):
    site_of()
    site.experiment(name="other", history="quadratic.history", command=["/bin/echo", "{x}"])
    experiment = Experiment.load(site.directory / "exp.yaml")
    store = Journal(str(site.history))
    with pytest.raises(HistoryDiffers, match="its name is 'quadratic', not 'other'"):
        editing.change_space(experiment, store)
    store.close()


def shared_run(records, now, facts):
    store = Memory(records)
    study, place = join(store, Opened("1", 1, {**about(XY), "trials": 9, "name": "quadratic"}, alone=False), id, now)
    recorder = SharedRecorder(store, study.run, place, clock=lambda: now, background=False)
    recorder.record(now, facts)
    return study


def kinds(records, run):
    return [record.kind for record in records if record.run == run]


def test_while_others_are_at_it_it_is_refused_and_when_they_have_closed_it_is_not(site, monkeypatch):
    records = []
    shared_run(records, 1000.0, [])
    site.experiment(space={**XY, "x": "uniform(0, 2)"}, command=["/bin/echo", "{x}{kind}"])
    experiment = Experiment.load(site.directory / "exp.yaml")
    monkeypatch.setattr(editing.time, "time", lambda: 1012.0)
    with pytest.raises(HistoryHeld, match=r"run 1 may be under way, it was heard 12 s ago\n.*stop them first"):
        editing.change_space(experiment, Memory(records))
    assert kinds(records, 2) == []
    records.append(Record(1, 2, 1013.0, "Closed", to_plain(Closed())))
    assert editing.change_space(experiment, Memory(records)) == ["the space has changed: all of its 0 trials are kept"]
    assert kinds(records, 2) == ["Opened", "Revised", "Closed"]


def test_one_that_was_killed_long_ago_is_given_up_and_what_it_ran_is_set_aside(site, monkeypatch):
    records = []
    points = ({"x": 0.2, "kind": "a"}, {"x": 0.8, "kind": "a"})
    shared_run(records, 1000.0, [Joined(1, "host", ""), Suggested(points), Assign(1, 0, 1, points[0])])
    site.experiment(space={**XY, "x": "uniform(0.5, 1)"}, command=["/bin/echo", "{x}{kind}"])
    experiment = Experiment.load(site.directory / "exp.yaml")
    monkeypatch.setattr(editing.time, "time", lambda: 1001.0 + STALE)
    editing.change_space(experiment, Memory(records))
    assert kinds(records, 2) == ["Opened", "Adopted", "Revised", "Closed"]
    assert records[-3].body == to_plain(Adopted((1,)))
    study = replay(Memory(records)).study
    assert [(trial.state, trial.outside) for trial in study.trials.values()] == [
        (State.STOPPED, True),
        (State.WAITING, False),
    ]


def test_a_directory_of_params_that_were_only_extended_is_kept(tmp_path):
    directory = tmp_path / "3"
    directory.mkdir()
    (directory / "params.json").write_text('{"x": 0.5}')
    assert _own(directory, {"x": 0.5, "m": 0.9}) == directory
    assert (directory / "params.json").exists()
    _own(directory, {"x": 0.6, "m": 0.9})
    assert not (directory / "params.json").exists()
    (directory / "outcome.json").write_text(
        '{"attempt": 1, "params": {"x": 0.5}, "outcome": "completed", "error": "", "points": [[1, {"loss": 3}]]}'
    )
    welcome = Welcome(("true",), str(tmp_path), str(tmp_path), {}, None, 1.0, 1, 1)
    reported, finished = known(7, Assign(7, 3, 2, {"x": 0.5, "m": 0.9}), welcome)
    assert reported == Reported(7, 3, 2, ((1, {"loss": 3.0}),))
    assert finished.outcome == "completed"
    assert known(7, Assign(7, 3, 2, {"x": 0.6, "m": 0.9}), welcome) == []
    assert extends({"x": 1, "y": math.pi}, {"y": math.pi})
    assert not extends({"x": 1}, {"x": 1, "y": 2})
    assert not extends({"x": 1}, [])
