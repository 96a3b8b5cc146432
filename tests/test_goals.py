"""Several objectives and constraints: what a trial comes to, who dominates whom, and what the optimizer is told."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.errors import GoalError, WireError
from metaopt.front import Front, no_worse
from metaopt.goals import Constraint, Goals
from metaopt.history import History, check_same
from metaopt.limits import Limits
from metaopt.messages import Assign, Finished, Joined, Observe, Opened, Reported, Revised, Suggested
from metaopt.objective import Objective
from metaopt.rows import trials
from metaopt.scheduler import Scheduler
from metaopt.stopping.never import Never
from metaopt.study import Study
from metaopt.trial import State
from metaopt.wire import decode, encode

GOALS = Goals(
    (Objective("loss"), Objective("accuracy", "maximize", "best")),
    (Constraint("memory", "<=", 16.0), Constraint("accuracy", ">=", 0.5)),
)
values = st.integers(0, 4).map(float)


@pytest.mark.parametrize(
    ("text", "metric", "op", "bound"),
    [
        ("memory <= 16", "memory", "<=", 16.0),
        ("memory<16", "memory", "<=", 16.0),
        (" val/acc top-1 >= 9e-1 ", "val/acc top-1", ">=", 0.9),
        ("gain > -.5", "gain", ">=", -0.5),
    ],
)
def test_a_constraint_is_read_and_written(text, metric, op, bound):
    constraint = Constraint.parse(text)
    assert constraint == Constraint(metric, op, bound)
    assert Constraint.parse(str(constraint)) == constraint


@pytest.mark.parametrize(
    "text",
    ["", "memory", "<= 16", "memory <=", "memory = 16", "memory <= 16 GB", "16 >= memory", "a <= nan", "a <= true"],
)
def test_what_is_no_constraint_is_refused(text):
    with pytest.raises(GoalError, match="memory <= 16"):
        Constraint.parse(text)


def test_the_excess_is_positive_where_a_constraint_does_not_hold():
    at_most, at_least = Constraint("a", "<=", 16.0), Constraint("a", ">=", 16.0)
    assert [at_most.excess(value) for value in (15.0, 16.0, 18.0)] == [-1.0, 0.0, 2.0]
    assert [at_least.excess(value) for value in (15.0, 16.0, 18.0)] == [1.0, 0.0, -2.0]


def test_a_trial_comes_to_the_values_of_all_its_metrics():
    points = [(1, {"loss": 3.0, "accuracy": 0.7}), (2, {"memory": 20.0}), (3, {"loss": 2.0, "accuracy": 0.4})]
    outcome = GOALS.outcome(points)
    assert outcome.objectives == (2.0, 0.7)
    assert outcome.excess == pytest.approx((4.0, -0.2))  # by the best accuracy, as the objective says
    assert not outcome.flaw
    assert GOALS.worth(outcome.objectives) == (2.0, -0.7)
    assert GOALS.told(outcome.objectives, outcome.excess) == (2.0, -0.7, *outcome.excess)
    assert list(GOALS.exceeded(outcome.excess)) == ["memory <= 16 is exceeded by 4"]


@pytest.mark.parametrize("metric", ["loss", "accuracy", "memory"])
def test_a_trial_lacks_a_metric_that_is_absent_or_not_finite(metric):
    said = {"loss": 1.0, "accuracy": 0.7, "memory": 2.0}
    absent = GOALS.outcome([(1, {name: value for name, value in said.items() if name != metric})])
    assert (absent.lacks, absent.objectives, absent.excess) == (metric, (), ())
    assert f"without reporting {metric}: it reported only " in absent.flaw
    infinite = GOALS.outcome([(1, {**said, metric: math.inf})])
    assert infinite.lacks == metric
    assert infinite.flaw == f"its {metric} is {'nan' if metric == 'accuracy' else 'inf'}"


def test_one_objective_alone_is_told_as_a_number_and_anything_more_as_a_tuple():
    one, constrained = Goals((Objective("a", "maximize"),)), Goals((Objective("a"),), GOALS.constraints[:1])
    assert one.told((3.0,), ()) == -3.0
    assert constrained.told((3.0,), (-1.0,)) == (3.0, -1.0)
    assert one.settings == {}
    assert constrained.settings == {"constraints": 1}
    assert GOALS.settings == {"objectives": 2, "constraints": 2}


def test_a_description_is_that_of_old_histories_for_one_objective():
    assert Goals.described({"objective": {"metric": "loss"}}) == Goals((Objective("loss"),))
    for goals in (GOALS, Goals((Objective("loss"),)), Goals((Objective("loss"),), GOALS.constraints)):
        assert Goals.described(goals.describe()) == goals
    assert Goals((Objective("loss"),)).describe() == {"objective": {"metric": "loss", "goal": "minimize", "of": "last"}}


def front_of(worths, order):
    front = Front()
    for number in order:
        front.add(worths[number], number)
    return list(front)


def nondominated(worths):
    """By the definition, looking at each pair; of equals the first by number."""

    def beats(a, b):
        no_worse_anywhere = all(x <= y for x, y in zip(worths[a], worths[b], strict=True))
        return no_worse_anywhere and (worths[a] != worths[b] or a < b)

    numbers = range(len(worths))
    best = [number for number in numbers if not any(beats(other, number) for other in numbers if other != number)]
    return sorted(best, key=lambda number: worths[number])


@given(st.data(), st.integers(1, 4))
def test_the_front_is_what_no_other_one_dominates_in_whatever_order_it_is_told(data, objectives):
    worths = data.draw(st.lists(st.tuples(*[values] * objectives), max_size=25))
    order = data.draw(st.permutations(range(len(worths))))
    assert front_of(worths, order) == nondominated(worths)


def test_no_worse_is_in_each_objective():
    assert no_worse((1.0, 2.0), (1.0, 2.0))
    assert no_worse((1.0, 2.0), (1.0, 3.0))
    assert not no_worse((1.0, 2.0), (2.0, 1.0))


def story(goals, ended, dropped=()):
    """A study of trials that one worker runs, each with the points it reports and its outcome, to be gone on with."""
    study = Study(goals)
    about = {"name": "s", "space": {"x": "uniform(0, 1)"}, **goals.describe()}
    facts = [Opened("1", 1, about), Joined(1, "host", "core"), Suggested(({"x": 0.5},) * len(ended))]
    for number, (metrics, outcome) in enumerate(ended):
        facts += [Assign(1, number, 1, {"x": 0.5}), Reported(1, number, 1, ((1, metrics),))]
        facts += [Finished(1, number, 1, outcome, "it says why")]
    for fact in [*facts, *([Revised({}, tuple(dropped))] if dropped else [])]:
        assert study.apply(1.0, fact)
    return study


metrics = st.fixed_dictionaries(
    {"loss": values, "accuracy": values.map(lambda v: v / 4), "memory": values.map(lambda v: v * 5)}
)
stories = st.lists(st.tuples(metrics, st.sampled_from(["completed", "completed", "failed"])), max_size=15)


@given(stories, st.sets(st.integers(0, 14)), st.sampled_from([GOALS, Goals(GOALS.objectives[:1], GOALS.constraints)]))
def test_the_best_ones_are_feasible_completed_inside_and_not_dominated(ended, dropped, goals):
    dropped = sorted(number for number in dropped if number < len(ended))
    study = story(goals, ended, dropped)
    holding = [
        number
        for number, (said, outcome) in enumerate(ended)
        if outcome == "completed" and number not in dropped and said["memory"] <= 16 and said["accuracy"] >= 0.5
    ]
    signed = [(ended[n][0]["loss"], -ended[n][0]["accuracy"])[: len(goals.objectives)] for n in holding]
    expected = [holding[place] for place in nondominated(signed)]
    assert [trial.number for trial in study.pareto] == expected
    assert (study.best.number if study.best else None) == next(iter(expected), None)
    assert all(study.trials[number].feasible for number in holding)
    completed = [t for t in study.trials.values() if t.state is State.COMPLETED and not t.outside]
    assert (study.nearest is None) == (bool(expected) or not completed)
    if study.nearest:
        total = {t.number: sum(max(each, 0.0) for each in t.excess) for t in completed}
        assert study.nearest.number == min(total, key=lambda number: (total[number], number))


def test_what_a_script_did_not_say_fails_its_trial_with_what_it_said():
    study = story(GOALS, [({"loss": 1.0, "accuracy": 0.5}, "completed"), ({"loss": 1.0}, "failed")])
    assert study.trials[0].error == ("it ended without reporting memory: it reported only accuracy, loss\nit says why")
    assert (study.trials[0].objectives, study.trials[0].excess, study.trials[0].feasible) == ((), (), False)
    assert study.trials[1].objective is None


def told(error, *, outcome="failed", attempts=1):
    """What the optimizer is told of a trial that ends so."""
    study = Study(GOALS)
    scheduler = Scheduler(study, Limits(1, 1), Never())
    about = {**GOALS.describe(), "attempts": attempts}
    begin = [Opened("1", 1, about), Joined(1, "h", ""), Suggested(({"x": 1},))]
    metrics = {"loss": 1.0, "accuracy": 0.75, "memory": 20.0}
    scheduler.handle(1.0, *begin)
    commands = scheduler.handle(2.0, Reported(1, 0, 1, ((1, metrics),)), Finished(1, 0, 1, outcome, error))
    return [command.value for command in commands if isinstance(command, Observe)]


def test_the_optimizer_is_told_all_values_or_nan_or_infinity_for_want_of_memory():
    assert told("", outcome="completed") == [(1.0, -0.75, 4.0, -0.25)]
    assert math.isnan(*told("exit status 1\nValueError: no"))
    assert told("exit status 1\nMemoryError") == [math.inf]
    assert told("killed by SIGKILL\n", outcome="killed") == [math.inf]
    assert told("killed by SIGKILL\n", outcome="killed", attempts=2) == []


@pytest.mark.parametrize("value", [1.5, math.inf, -math.inf, (1.0, -2.0), (1.0, math.inf, -0.0)])
def test_what_the_optimizer_is_told_survives_the_wire(value):
    observe = Observe(3, {"x": 0.5}, value)
    assert decode(encode(observe)) == observe


def test_nan_survives_the_wire_and_what_is_no_message_does_not():
    assert math.isnan(decode(encode(Observe(3, {}, math.nan))).value)
    with pytest.raises(WireError):
        decode(b'["Observe",{"trial":1}]')


def test_other_goals_are_another_study():
    study = story(GOALS, [])
    about = study.experiment
    check_same(study, about, "here")
    one = Goals(GOALS.objectives[:1], (Constraint("memory", "<=", 8.0),)).describe()
    with pytest.raises(
        Exception, match="its objective is loss minimize last, accuracy maximize best, not loss minimize"
    ):
        check_same(study, {**about, **one}, "here")
    with pytest.raises(Exception, match=r"its constraints are memory <= 16.0, accuracy >= 0.5, not memory <= 8.0"):
        check_same(study, {**about, "constraints": one["constraints"]}, "here")
    with pytest.raises(Exception, match=r"not none"):
        check_same(study, {name: each for name, each in about.items() if name != "constraints"}, "here")


def test_tables_have_all_objectives_and_the_excess():
    said = {"loss": 1.0, "accuracy": 0.75, "memory": 20.0}
    history = History(story(GOALS, [(said, "completed"), (said, "failed")]))
    table = trials(history)
    more = ["objective.loss", "objective.accuracy", "excess.memory <= 16", "excess.accuracy >= 0.5", "feasible"]
    assert list(table.names[3:8]) == more
    completed, failed = table.rows
    assert [completed[name] for name in more] == [1.0, 0.75, 4.0, -0.25, False]
    assert [failed[name] for name in more] == [None, None, None, None, False]
    pytest.importorskip("pandas")
    frame = history.to_pandas()
    assert frame.loc[0, more].tolist() == [1.0, 0.75, 4.0, -0.25, False]
    assert (history.objectives, history.constraints) == (GOALS.objectives, GOALS.constraints)
    assert (history.pareto, history.best) == ([], None)
