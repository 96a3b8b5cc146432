"""What the optimizer is told of other studies, what a person is, and that a study of its own comes out of it."""

import os
import signal

import pytest
from running import until
from simulation import SPACE, Simulation, script

from metaopt.errors import ExperimentError, HistoryError
from metaopt.experiment import Experiment
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Suggest, Suggested
from metaopt.plugins import Choice
from metaopt.proposer import ProcessProposer
from metaopt.space import Space
from metaopt.stores import open_store
from metaopt.stores.base import Record
from metaopt.warmstart import learn
from metaopt.wire import to_plain

COMMAND = ["/bin/echo", "{x}{kind}{momentum}{epochs}"]
OURS = {
    "x": "uniform(0, 1)",
    "kind": "choice(a, b)",
    "momentum": {"prior": "uniform(0, 1)", "default": 0.9},
    "epochs": 20,
}


def write_history(directory, trials, objective="loss"):
    """A history of completed trials: for each its params and the points that it reported, or None when it failed."""
    facts = [
        Opened("1", 1, {"name": "other", "objective": {"metric": objective}}),
        Joined(1, "host", ""),
        Suggested(tuple(params for params, _ in trials)),
    ]
    for number, (params, points) in enumerate(trials):
        facts.append(Assign(1, number, 1, params))
        facts += [Reported(1, number, 1, tuple(points))] if points else []
        facts.append(Finished(1, number, 1, "completed" if points else "failed", "" if points else "no"))
    store = open_store(str(directory), create=True)
    store.append([Record(1, seq, 0.0, type(fact).__name__, to_plain(fact)) for seq, fact in enumerate(facts, start=1)])
    store.close()


def values(*losses):
    return [(step, {"loss": loss, "accuracy": 1 - loss}) for step, loss in enumerate(losses, start=1)]


@pytest.fixture
def learned(site):
    """What is learned with these changes to the experiment."""

    def learned(*others, **changes):
        said = {"space": OURS, "command": COMMAND, "warm_start": list(others), **changes}
        site.experiment(**said)
        return learn(Experiment.load(site.directory / "exp.yaml"))

    return learned


def told(lessons):
    return [(observe.params, observe.value) for observe in lessons.observed]


def test_trials_that_fit_are_told_with_what_they_lack_and_the_others_are_counted(site, learned):
    fitting = {"x": 0.5, "kind": "a", "momentum": 0.1, "epochs": 20}
    write_history(
        site.directory / "other.history",
        [
            ({"x": 0.2, "kind": "a"}, values(0.9, 0.4)),
            ({"x": 0.3, "kind": "c"}, values(0.3)),
            ({"x": 3.0, "kind": "a"}, values(0.3)),
            ({"x": 0.3, "kind": "b"}, None),
            ({"x": 0.3, "kind": "b", "layers": 3}, values(0.3)),
            ({"x": 0.4}, values(0.3)),
            (fitting, values(0.2, 0.5)),
        ],
    )
    lessons = learned("other.history")
    assert told(lessons) == [
        ({"x": 0.2, "kind": "a", "momentum": 0.9, "epochs": 20}, 0.4),
        (fitting, 0.5),
    ]
    (note,) = lessons.notes
    for text in (
        "2 of the 7 trials of other.history can be used, the best points are tried first; not used: ",
        "1 outside the space (kind)",
        "1 outside the space (x)",
        "1 failed",
        "1 with other parameters (layers)",
        "1 with other parameters (kind)",
    ):
        assert text in note
    space = Space.parse(OURS)
    assert all(space.contains(params) for params, _ in told(lessons))


def test_the_value_is_by_this_experiment_from_the_curve(site, learned):
    points = [({"x": 0.2, "kind": "a"}, values(0.9, 0.1, 0.4)), ({"x": 0.3, "kind": "a"}, [(1, {"loss": 0.5})])]
    write_history(site.directory / "other.history", points)
    best = learned("other.history", objective={"metric": "accuracy", "goal": "maximize", "of": "best"})
    assert [value for _, value in told(best)] == [-0.9]
    assert "1 without a value of accuracy" in best.notes[0]
    mean = learned("other.history", objective={"metric": "loss", "of": "mean"})
    assert [value for _, value in told(mean)] == [pytest.approx(1.4 / 3), 0.5]


def test_of_several_goals_each_is_told_and_a_trial_that_lacks_one_is_not_used(site, learned):
    said = {"loss": 0.5, "accuracy": 0.25, "memory": 3.0}
    lacking = {name: value for name, value in said.items() if name != "memory"}
    params = {"x": 0.2, "kind": "a"}
    write_history(site.directory / "other.history", [(params, [(1, said)]), (params, [(1, lacking)])])
    several = [{"metric": "loss"}, {"metric": "accuracy", "goal": "maximize"}]
    lessons = learned("other.history", objective=several, constraints="memory <= 2")
    assert [value for _, value in told(lessons)] == [(0.5, -0.25, 1.0)]
    assert "1 without a value of memory" in lessons.notes[0]


def test_a_history_of_which_nothing_fits_is_told(site, learned):
    write_history(site.directory / "other.history", [({"z": 0.2}, values(0.9))] * 3)
    lessons = learned("other.history")
    assert lessons.observed == ()
    assert lessons.notes[0].startswith("warm start: nothing of other.history can be used; not used: 3 with other")


def test_several_are_told_in_their_order_one_twice_only_once_and_none_changes_them(site, learned):
    for name, x in (("a.history", 0.1), ("b.history", 0.2)):
        write_history(site.directory / name, [({"x": x, "kind": "a"}, values(x))])
    before = {path: path.read_bytes() for path in site.directory.glob("*.history/*")}
    lessons = learned("b.history", str(site.directory / "a.history"), "b.history")
    assert [value for _, value in told(lessons)] == [0.2, 0.1]
    assert len(lessons.notes) == 2
    assert lessons == learned("b.history", str(site.directory / "a.history"))
    assert {path: path.read_bytes() for path in site.directory.glob("*.history/*")} == before
    assert not site.history.exists()


def test_one_that_is_in_use_is_read_all_the_same(site, learned):
    write_history(site.directory / "other.history", [({"x": 0.1, "kind": "a"}, values(0.1))])
    writer = open_store(str(site.directory / "other.history"))
    writer.append([])
    assert len(learned("other.history").observed) == 1
    writer.close()


def test_a_history_that_cannot_be_read_is_refused(site, learned):
    with pytest.raises(HistoryError, match=r"warm_start: .*nowhere.history(.|\n)*under warm_start:"):
        learned("nowhere.history")
    (site.directory / "bad.history").mkdir()
    (site.directory / "bad.history" / "journal.jsonl").write_text("garbage\n" * 3)
    with pytest.raises(HistoryError, match=r"warm_start: .*no record"):
        learned("bad.history")
    with pytest.raises(HistoryError, match=r"warm_start: .*cassandra"):
        learned("cassandra:x")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([3], "warm_start: 3 is no history"),
        ({"a": 1}, "warm_start: .* is no history"),
        ([""], "warm_start: '' is no history"),
        (["quadratic.history"], "the history of this study itself"),
    ],
    ids=str,
)
def test_what_is_no_list_of_histories_is_refused(site, written, message):
    site.experiment(warm_start=written)
    with pytest.raises(ExperimentError, match=message):
        Experiment.load(site.directory / "exp.yaml")


def test_an_experiment_file_says_where_its_history_is(site, learned):
    write_history(site.directory / "other.history", [({"x": 0.1, "kind": "a"}, values(0.1))])
    site.write("other.yaml", "name: other")
    lessons = learned("other.yaml")
    assert len(lessons.observed) == 1


def test_one_may_be_written_without_a_list(site):
    site.experiment(warm_start="other.history")
    assert Experiment.load(site.directory / "exp.yaml").warm_start == (str(site.directory / "other.history"),)


@pytest.fixture
def lessons(site):
    """What is learned from 20 simulated trials."""
    store = open_store(str(site.directory / "other.history"), create=True)
    Simulation(script(3), trials=20, workers=4, store=store).run()
    store.close()
    site.experiment(space=SPACE, command=["/bin/echo", "{lr}{width}{kind}"], warm_start=["other.history"])
    lessons = learn(Experiment.load(site.directory / "exp.yaml"))
    assert len(lessons.observed) == 20
    return lessons


def ask(proposer):
    proposer.send(Suggest(3))
    return until(proposer.receive, "an answer")[0].params


def test_an_optimizer_that_is_started_anew_knows_it_still(lessons):
    process, ignorant = (ProcessProposer(Choice("gp"), SPACE, 7) for _ in range(2))
    try:
        for observed in lessons.observed:
            process.send(observed)
        points = ask(process)
        os.kill(process.pid, signal.SIGKILL)
        assert ask(process) == points
        assert "started anew" in process.warnings()[0]
        assert ask(ignorant) != points
    finally:
        process.close()
        ignorant.close()


def test_it_is_not_of_this_study(site, lessons):
    study = Simulation(script(3), trials=4, workers=2)
    for observed in lessons.observed:
        study.driver._proposer.send(observed)
    study.run()
    assert len(study.study.trials) == 4
    assert not [record for _, record in study.store.read() if record.kind == "Observe"]
