"""A search without MPI: metaopt.minimize calls a function."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import metaopt
from metaopt.errors import FunctionError, PluginError, SpaceError
from metaopt.plugins import OPTIMIZERS
from metaopt.space import Space

pytestmark = pytest.mark.filterwarnings("error")

SPACE = {"x": "uniform(-1, 1)", "n": "integer(1, 5)", "epochs": 3}


def bowl(params):
    return (params["x"] - 0.3) ** 2 + (params["n"] - 2) ** 2


def test_it_finds_the_smallest_value():
    found = metaopt.minimize(bowl, SPACE, trials=30)
    assert found.value == bowl(found.params) == min(each.value for each in found.trials)
    assert found.value < 0.01
    assert found.params == {"x": pytest.approx(0.3, abs=0.1), "n": 2, "epochs": 3}
    assert [each.number for each in found.trials] == list(range(30))
    assert found.best in found.trials
    assert found.pareto == (found.best,)


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_its_points_are_those_of_ask_and_tell(rule):
    found = metaopt.minimize(bowl, Space.parse(SPACE), trials=12, optimizer=rule, seed=4)
    optimizer = metaopt.optimizers.make(rule, SPACE, seed=4)
    for trial in found.trials:
        (params,) = optimizer.ask(1, [])
        assert params == trial.params
        optimizer.tell(params, bowl(params))
    assert found == metaopt.minimize(bowl, SPACE, trials=12, optimizer=rule, seed=4)
    assert found != metaopt.minimize(bowl, SPACE, trials=12, optimizer=rule, seed=5)


def test_settings_are_the_optimizers():
    found = metaopt.minimize(bowl, SPACE, trials=40, optimizer="grid", levels=3)
    assert len(found.trials) == 9
    with pytest.raises(PluginError, match="level"):
        metaopt.minimize(bowl, SPACE, trials=40, optimizer="grid", level=3)


def test_a_finite_space_ends_early():
    found = metaopt.minimize(lambda params: params["n"], {"n": "integer(3, 7)"}, trials=100)
    assert sorted(each.params["n"] for each in found.trials) == [3, 4, 5, 6, 7]
    assert found.value == 3


def test_a_call_that_fails_is_a_failed_trial_with_its_error():
    odd = [None, "0.5", (1.0, 2.0), [], {}, np.zeros(3), 1j]
    said = iter([1.0, ZeroDivisionError("no"), math.nan, *odd, math.inf, np.float32(0.5)])

    def f(params):
        params.clear()  # what it does with them is its own business
        value = next(said)
        if isinstance(value, Exception):
            raise value
        return value

    found = metaopt.minimize(f, SPACE, trials=12)
    assert [each.value for each in found.trials] == [1.0, *[None] * 10, 0.5]
    assert [type(each.error) for each in found.trials[1:11]] == [ZeroDivisionError, *[ValueError] * 9]
    assert [str(each.error) for each in found.trials[3:10]] == [
        *(f"it gave {each!r}, and a number is wanted" for each in odd)
    ]
    assert all(Space.parse(SPACE).contains(each.params) for each in found.trials)
    assert found.best.number == 11
    assert found.trials[0].error is None


def test_when_the_first_calls_all_fail_it_says_so():
    calls = []

    def f(params):
        calls.append(params)
        return params["y"]

    with pytest.raises(
        FunctionError, match=r"first 5 calls all failed, as at {'x': .*KeyError\('y'\)(.|\n)*Mend"
    ) as gone:
        metaopt.minimize(f, SPACE, trials=30)
    assert isinstance(gone.value.__cause__, KeyError)
    assert len(calls) == 5
    found = metaopt.minimize(f, SPACE, trials=7, give_up_after=0)
    assert len(found.trials) == 7
    assert found.best is found.params is found.value is None


@pytest.mark.parametrize(("width", "said", "wanted"), [(1, None, "a number is"), (2, (1, None), "2 numbers are")])
def test_where_and_what_it_gave_and_what_is_wanted_is_said_when_it_never_gives_that(width, said, wanted):
    told = rf"first 5 calls all failed, as at {{'x': .*it gave {re.escape(repr(said))}, and {wanted} wanted"
    with pytest.raises(FunctionError, match=told):
        metaopt.minimize(lambda _: said, SPACE, trials=9, objectives=width)


def test_whole_numbers_may_be_those_of_numpy():
    found = metaopt.minimize(bowl, SPACE, trials=np.int64(3), seed=np.int64(4))
    assert found == metaopt.minimize(bowl, SPACE, trials=3, seed=4)


def test_keyboard_interrupt_ends_it_and_has_what_was_found():
    values = iter([3.0, 1.0, 2.0])

    def f(params):
        for value in values:
            return value
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as interrupted:
        metaopt.minimize(f, SPACE, trials=9)
    found = interrupted.value.result
    assert interrupted.value.__notes__[0].startswith(f"after 3 calls, the best of them gave 1 at {found.params}; all")
    assert [each.value for each in found.trials] == [3.0, 1.0, 2.0]
    assert (found.value, found.params) == (1.0, found.trials[1].params)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        metaopt.minimize(f, SPACE, trials=9)
    assert interrupted.value.result.best is None
    assert interrupted.value.__notes__[0].startswith("after 0 calls; all")


def test_an_optimizer_may_be_written_as_in_an_experiment_file():
    found = metaopt.minimize(bowl, SPACE, trials=40, optimizer={"rule": "grid", "levels": 3})
    assert found == metaopt.minimize(bowl, SPACE, trials=40, optimizer="grid", levels=3)
    assert found == metaopt.minimize(bowl, SPACE, trials=40, optimizer={"rule": "grid"}, levels=3)
    two = {"rule": "gp", "objectives": 2}
    assert metaopt.minimize(lambda _: (1.0, 2.0), SPACE, trials=2, optimizer=two).best.values == (1.0, 2.0)


def test_the_neighbours_of_a_call_that_wants_too_much_memory_are_avoided():
    def f(params):
        if params["x"] > 0.5:
            raise MemoryError
        return -params["x"]

    found = metaopt.minimize(f, {"x": "uniform(0, 1)"}, trials=25)
    assert found.value == pytest.approx(-0.5, abs=0.05)
    assert sum(each.error is not None for each in found.trials[10:]) < 10


def test_several_objectives_and_constraints():
    def f(params):
        return params["x"], (1 - params["x"]) ** 2, 0.2 - params["x"]

    found = metaopt.minimize(f, {"x": "uniform(0, 1)"}, trials=20, objectives=2, constraints=1)
    assert len(found.pareto) > 3
    assert all(each.values[2] <= 0 for each in found.pareto)
    assert found.best is found.pareto[0]
    assert found.value == min(each.value for each in found.trials if each.values[2] <= 0)
    nothing = metaopt.minimize(lambda _: (1.0, 1.0), {"x": "uniform(0, 1)"}, trials=3, constraints=1)
    assert nothing.best is None
    assert nothing.trials[0].value == 1.0


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"trials": 0}, FunctionError, "trials is 0"),
        ({"trials": 2.5}, FunctionError, "trials is 2.5"),
        ({"trials": True}, FunctionError, "trials is True"),
        ({"give_up_after": -1}, FunctionError, "give_up_after is -1"),
        ({"objectives": 0}, FunctionError, "objectives is 0"),
        ({"f": 3}, FunctionError, "3, which cannot be called"),
        ({"optimizer": "pg"}, PluginError, "gp"),
        ({"optimizer": "cmaes", "starts": 3}, PluginError, "starts"),
        ({"optimizer": {"rule": "gp", "starts": 3}}, PluginError, "has no setting 'starts'\n  Did you mean 'start'?"),
        ({"optimizer": {"rule": "gp", "start": 3}, "start": 4}, PluginError, "has its setting 'start' twice"),
        ({"optimizer": {"start": 3}}, PluginError, "names no rule\n  Write optimizer="),
        ({"optimizer": 7}, PluginError, "names no rule"),
        ({"start": -3}, PluginError, "start is -3\n  It is a whole number or none, 1 or more: start: 12"),
        ({"optimizer": "tpe", "candidates": 2.5}, PluginError, "candidates is 2.5\n  It is a whole number"),
        ({"space": {}}, SpaceError, "no parameters"),
        ({"space": {"x": "uniform(1, 0)"}}, SpaceError, "x: low"),
        ({"space": 7}, SpaceError, 'space: it is 7\n  Give a dict of priors: {"lr": '),
        ({"space": [("x", "uniform(0, 1)")]}, SpaceError, "space: it is "),
        ({"seed": "x"}, PluginError, "seed is 'x'\n  Give a whole number: seed=1."),
        ({"seed": None}, PluginError, "seed is None"),
        ({"trials": "10"}, FunctionError, "trials is '10'\n  Give a whole number, 1 or more."),
        ({"trials": -1}, FunctionError, "trials is -1"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_before_anything_is_called(changes, error, message):
    called = []
    with pytest.raises(error, match=message):
        metaopt.minimize(**{"f": called.append, "space": SPACE, "trials": 3, **changes})
    assert not called


def test_it_is_loaded_when_it_is_used_and_stays_the_function():
    code = (
        "import sys, metaopt; assert not [m for m in sys.modules if m.startswith('metaopt.')]; "
        "metaopt.minimize(lambda p: p['x'], {'x': 'uniform(0, 1)'}, trials=2); "
        "assert callable(metaopt.minimize) and 'minimize' in dir(metaopt); "
        "sys.exit(any(m.startswith('mpi4py') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_the_readme_says_of_ask_and_tell_is_so():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    blocks = readme.split("### Without MPI")[1].split("### ")[0].split("```python\n")[1:]
    names = {"metaopt": metaopt, "loss": lambda params: params["lr"] * params["layers"]}
    for block in blocks:
        exec(block.split("```")[0].replace("trials=50", "trials=4"), names)  # noqa: S102 - it is ours
    assert names["found"].value == min(each.value for each in names["found"].trials)
    assert len(names["pending"]) == 4
    assert all(set(point) == {"lr", "layers"} for point in names["pending"])
