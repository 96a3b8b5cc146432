import json
import math
import re
import string
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaopt.errors import SpaceError
from metaopt.parameters import LARGEST, TAIL
from metaopt.space import Categorical, Condition, Fixed, Integer, Normal, Ordinal, Real, Space

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

UNIT = st.floats(0, 1)
NUMBER = st.floats(-1e6, 1e6)
SCALAR = st.one_of(st.text(), st.integers(-(10**20), 10**20), NUMBER, st.booleans(), st.none())


def parse(written):
    return Space.parse({"x": written}).parameters[0]


def ordered(draw, numbers):
    low, high = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    return low, high


@st.composite
def reals(draw, name="x"):
    log = draw(st.booleans())
    low, high = ordered(draw, st.floats(1e-9, 1e9) if log else NUMBER)
    if math.log(high) == math.log(low) if log else high - low < 1e-290:
        high = low + 1.0 + abs(low)
    return Real(name, low, high, log)


@st.composite
def normals(draw, name="x"):
    log = draw(st.booleans())
    return Normal(name, draw(st.floats(-50, 50)), draw(st.floats(1e-3, 50)), log)


@st.composite
def integers(draw, name="x", largest=LARGEST):
    log = draw(st.booleans())
    return Integer(name, *ordered(draw, st.integers(1 if log else -largest, largest)), log)


@st.composite
def categoricals(draw, name="x"):
    choices = draw(st.lists(SCALAR, min_size=1, max_size=6, unique_by=lambda value: (isinstance(value, bool), value)))
    return draw(st.sampled_from([Categorical, Ordinal]))(name, tuple(choices))


@st.composite
def fixeds(draw, name="x"):
    return Fixed(name, draw(SCALAR))


def parameters(name="x"):
    return st.one_of(reals(name), normals(name), integers(name), categoricals(name), fixeds(name))


@st.composite
def spaces(draw):
    made = [draw(st.one_of(reals("p0"), integers("p0"), categoricals("p0")))]
    for index in range(1, draw(st.integers(1, 6))):
        child = draw(parameters(f"p{index}"))
        parent = draw(st.sampled_from(made))
        when = None
        if isinstance(parent, Categorical):
            when = draw(st.sampled_from([None, Condition(parent.name, "==", parent.choices[:1])]))
        elif not isinstance(parent, Fixed):
            when = draw(st.sampled_from([None, Condition(parent.name, "<=", (parent.from_unit(0.5),))]))
        made.append(replace(child, when=when))
    return Space(tuple(draw(st.permutations(made))))


# Laws.


@given(parameters(), UNIT)
def test_every_coordinate_gives_a_value_that_the_parameter_can_have(parameter, u):
    assert parameter.contains(parameter.from_unit(u))


@given(parameters(), UNIT)
def test_every_value_has_a_coordinate_in_the_unit_interval(parameter, u):
    assert 0 <= parameter.to_unit(parameter.from_unit(u)) <= 1


@given(st.one_of(integers(), categoricals()), UNIT)
def test_the_coordinate_of_a_grid_value_leads_back_to_it(parameter, u):
    value = parameter.from_unit(u)
    assert parameter.from_unit(parameter.to_unit(value)) == value


@given(st.one_of(integers(), categoricals()), UNIT)
def test_the_coordinate_of_a_grid_value_lies_in_the_same_cell(parameter, u):
    middle = parameter.to_unit(parameter.from_unit(u))
    between = (middle + u) / 2
    assert parameter.from_unit(between) == parameter.from_unit(middle)


@pytest.mark.parametrize("written", ["uniform(-3, 9)", "loguniform(1e-9, 1e3)", "normal(5, 2)", "lognormal(-1, 3)"])
@given(u=st.floats(TAIL, 1 - TAIL))
def test_the_coordinate_of_a_real_value_is_where_it_came_from(written, u):
    parameter = parse(written)
    assert parameter.to_unit(parameter.from_unit(u)) == pytest.approx(u, abs=1e-7)


@given(st.one_of(reals(), normals(), integers()), UNIT, UNIT)
def test_a_larger_coordinate_never_gives_a_smaller_number(parameter, u, v):
    u, v = sorted((u, v))
    assert parameter.from_unit(u) <= parameter.from_unit(v)


@given(parameters())
def test_the_short_form_of_a_parameter_is_read_back_as_it_was(parameter):
    assert Space.parse({"x": parameter.canonical(), "y": "uniform(0, 1)"}).parameters[0] == parameter


@given(spaces())
def test_a_space_survives_json(space):
    again = Space.parse(json.loads(json.dumps(space.canonical())))
    assert again == space
    assert again.canonical() == space.canonical()


@given(spaces(), st.data())
def test_every_point_of_the_cube_is_in_the_space_and_its_own_point_gives_the_same_settings(space, data):
    point = data.draw(st.lists(UNIT, min_size=len(space.searched), max_size=len(space.searched)))
    params = space.from_unit(point)
    assert space.contains(params)
    coordinates = space.to_unit(params)
    assert len(coordinates) == len(space.searched)
    assert all(0 <= u <= 1 for u in coordinates)
    assert list(params) == [each.name for each in space.parameters if each.name in params]


@given(spaces(), st.data())
def test_inactive_parameters_have_no_value_and_the_middle_as_their_coordinate(space, data):
    params = space.from_unit(data.draw(st.lists(UNIT, min_size=len(space.searched), max_size=len(space.searched))))
    assert list(params) == space.active(params)
    for parameter, u in zip(space.searched, space.to_unit(params), strict=True):
        assert parameter.name in params or u == 0.5


@given(integers(largest=40))
def test_every_value_of_an_integer_is_reached(parameter):
    reached = {parameter.from_unit(parameter.to_unit(v)) for v in range(parameter.low, parameter.high + 1)}
    assert reached == set(range(parameter.low, parameter.high + 1))
    assert parameter.cells == len(reached)


def shares(written, count=100_000):
    parameter = parse(written)
    return {
        value: times / count
        for value, times in Counter(parameter.from_unit((i + 0.5) / count) for i in range(count)).items()
    }


def test_integers_have_equal_shares_and_both_ends():
    assert shares("integer(-2, 5)") == pytest.approx(dict.fromkeys(range(-2, 6), 1 / 8), abs=1e-4)


def test_log_integers_have_the_share_of_their_cell_on_the_log_scale():
    whole = math.log(20.5 / 0.5)
    expected = {value: math.log((value + 0.5) / (value - 0.5)) / whole for value in range(1, 21)}
    assert shares("integer(1, 20, log)") == pytest.approx(expected, abs=1e-4)


def test_choices_have_equal_shares():
    assert shares("choice(a, b, 3)") == pytest.approx({"a": 1 / 3, "b": 1 / 3, 3: 1 / 3}, abs=1e-4)


def test_a_normal_parameter_has_its_mean_in_the_middle_and_finite_ends():
    parameter = parse("lognormal(2, 0.5)")
    assert parameter.from_unit(0.5) == pytest.approx(math.exp(2))
    assert 0 < parameter.from_unit(0) < parameter.from_unit(1) < math.inf
    assert parse("normal(0, 1)").from_unit(0.8413447) == pytest.approx(1, abs=1e-6)


def test_the_ends_of_a_real_parameter_are_its_bounds():
    assert [parse("loguniform(1e-4, 1e-1)").from_unit(u) for u in (0, 1)] == pytest.approx([1e-4, 1e-1], rel=1e-12)
    assert parse("loguniform(1e-4, 1e-2)").from_unit(0.5) == pytest.approx(1e-3)


# Reading.


@pytest.mark.parametrize(
    ("written", "parameter"),
    [
        ("uniform(0, 1)", Real("x", 0, 1)),
        ("  uniform (0,1) ", Real("x", 0, 1)),
        ("uniform(-.5, +5e-1)", Real("x", -0.5, 0.5)),
        ("loguniform(1e-4, 1E-1)", Real("x", 1e-4, 0.1, log=True)),
        ("normal(0, 1)", Normal("x", 0, 1)),
        ("lognormal(-1, 2.5)", Normal("x", -1, 2.5, log=True)),
        ("integer(8, 256)", Integer("x", 8, 256)),
        ("integer(1e3, 1e6, log)", Integer("x", 1000, 1000000, log=True)),
        ("choice(relu, tanh, logistic)", Categorical("x", ("relu", "tanh", "logistic"))),
        ("ordinal(16, 32, 256)", Ordinal("x", (16, 32, 256))),
        ({"type": "ordinal", "choices": ["low", "high"]}, Ordinal("x", ("low", "high"))),
        ("choice(true, False, null, none)", Categorical("x", (True, False, None, "none"))),
        ("choice(1, 1.5, 1e-3, -2)", Categorical("x", (1, 1.5, 0.001, -2))),
        ("choice(1, true, 0, false)", Categorical("x", (1, True, 0, False))),
        ("""choice("a, b", 'it''s', "1", two words)""", Categorical("x", ("a, b", "it's", "1", "two words"))),
        (r'choice("say \"no\"", C:\new, 1.2.3)', Categorical("x", ('say "no"', r"C:\new", "1.2.3"))),
        ({"prior": "uniform(0, 1)"}, Real("x", 0, 1)),
        ({"type": "uniform", "low": 0, "high": 1}, Real("x", 0, 1)),
        ({"type": "loguniform", "low": "1e-4", "high": 1}, Real("x", 1e-4, 1, log=True)),
        ({"type": "normal", "mean": 0, "sd": 2}, Normal("x", 0, 2)),
        ({"type": "lognormal", "mean": 0, "sd": 2}, Normal("x", 0, 2, log=True)),
        ({"type": "integer", "low": 1, "high": 9, "log": True}, Integer("x", 1, 9, log=True)),
        ({"type": "integer", "low": 1, "high": 9, "log": False}, Integer("x", 1, 9)),
        ({"type": "choice", "choices": ["a(1)", 2, True, None]}, Categorical("x", ("a(1)", 2, True, None))),
    ],
)
def test_priors_are_read(written, parameter):
    found = parse(written)
    assert found == parameter
    assert list(map(type, getattr(found, "choices", ()))) == list(map(type, getattr(parameter, "choices", ())))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (3, 3),
        (0.1, 0.1),
        (True, True),
        (None, None),
        ("adam", "adam"),
        ("uniform", "uniform"),
        ("a, b", "a, b"),
        ("(a)", "(a)"),
        ("", ""),
        ("fixed(3)", 3),
        ('fixed("uniform(0, 1)")', "uniform(0, 1)"),
        ({"value": "uniform(0, 1)"}, "uniform(0, 1)"),
        ({"type": "fixed", "value": "3"}, "3"),
        ({"prior": 3}, 3),
    ],
)
def test_fixed_values_are_read(written, value):
    fixed, _ = Space.parse({"x": written, "y": "uniform(0, 1)"}).parameters
    assert fixed == Fixed("x", value)
    assert type(fixed.value) is type(value)


@given(st.text(alphabet=string.printable, max_size=30))
def test_any_text_is_a_parameter_or_a_space_error(text):
    try:
        space = Space.parse({"x": text, "y": "uniform(0, 1)"})
    except SpaceError as error:
        assert error.name == "x"  # noqa: PT017 - either is right, and this is what holds for the error
        assert error.hint  # noqa: PT017 - the same
    else:
        assert space.parameters[0].name == "x"


# Conditions.

NETWORK = {
    "momentum": {"prior": "uniform(0, 1)", "when": "optimizer == sgd"},
    "optimizer": "choice(sgd, adam, rmsprop)",
    "nesterov": {"type": "choice", "choices": [True, False], "when": "momentum > 0.5"},
    "beta": {"prior": "uniform(0.8, 1)", "when": "optimizer in [adam, rmsprop]"},
    "layers": "integer(1, 3)",
    "second": {"prior": "integer(8, 64)", "when": "layers >= 2"},
    "epochs": {"value": 3, "when": "layers != 3"},
}


@pytest.mark.parametrize(
    ("params", "active"),
    [
        ({"optimizer": "sgd", "momentum": 0.6, "layers": 2}, "momentum optimizer nesterov layers second epochs"),
        ({"optimizer": "sgd", "momentum": 0.5, "layers": 3}, "momentum optimizer layers second"),
        ({"optimizer": "adam", "layers": 1}, "optimizer beta layers epochs"),
        ({"optimizer": "adam", "momentum": 0.9, "layers": 1}, "optimizer beta layers epochs"),
    ],
)
def test_a_parameter_is_active_when_its_condition_holds_and_its_parent_is_active(params, active):
    assert Space.parse(NETWORK).active(params) == active.split()


def test_inactive_parameters_are_left_out_and_settings_with_them_are_not_in_the_space():
    space = Space.parse(NETWORK)
    assert [each.name for each in space.searched] == ["momentum", "optimizer", "nesterov", "beta", "layers", "second"]
    params = space.from_unit([0.9, 0.5, 0.1, 0.5, 0.1, 0.5])
    assert params == {"optimizer": "adam", "beta": 0.9, "layers": 1, "epochs": 3}
    assert space.contains(params)
    assert not space.contains({**params, "momentum": 0.9})
    assert not space.contains({"optimizer": "adam", "layers": 1, "epochs": 3})
    assert not space.contains({**params, "beta": 0.1})
    assert space.to_unit(params) == pytest.approx([0.5, 0.5, 0.5, 0.5, 1 / 6, 0.5])


@pytest.mark.parametrize(
    ("text", "holding", "failing"),
    [
        ("p == 2", [2, 2.0], [1, "2", True, None]),
        ("p == true", [True], [1, "true", False]),
        ("p != a", ["b", None, 1], ["a"]),
        ('p in [a, "b, c", 3]', ["a", "b, c", 3], ["b", 4]),
        ("p < 2", [1, -5.5], [2, 3, "1", True, None]),
        ("p<=2", [2, 1.9], [2.1]),
        ("p > 1e-3", [1], [1e-3, 0]),
        ("p>=2", [2], [1]),
    ],
)
def test_conditions_hold(text, holding, failing):
    everything = {"type": "choice", "choices": [1, 2, 3, True, None, "a", "b", "b, c", 1e-4, 4.5]}
    space = Space.parse({"p": everything, "x": {"prior": "uniform(0, 1)", "when": text}})
    condition = space.parameters[1].when
    assert [value for value in holding if not condition.holds(value)] == []
    assert [value for value in failing if condition.holds(value)] == []
    assert Space.parse(space.canonical()).parameters[1].when == condition


def test_a_condition_on_a_constant_may_fail_so_that_a_constant_can_be_tried_out():
    space = Space.parse({"optimizer": "adam", "momentum": {"prior": "uniform(0, 1)", "when": "optimizer == sgd"}})
    assert space.from_unit([0.3]) == {"optimizer": "adam"}


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ({"a": "integer(1, 4)", "b": "choice(x, y, z)", "c": 3}, 12),
        ({"a": "integer(1, 4)", "b": "uniform(0, 1)"}, None),
        ({"a": "choice(x, y)", "b": {"prior": "integer(1, 5)", "when": "a == x"}}, 6),
        (
            {
                "a": "choice(x, y, z)",
                "b": {"prior": "integer(1, 5)", "when": "a != x"},
                "c": {"prior": "choice(1, 2)", "when": "b > 3"},
                "d": {"prior": "choice(1, 2)", "when": "a == x"},
            },
            2 + 2 * (3 + 2 * 2),
        ),
        ({"a": "integer(1, 1000000)", "b": {"prior": "choice(1, 2)", "when": "a > 500000"}}, 2_000_000),
    ],
)
def test_the_size_of_a_space_is_the_number_of_its_points(written, size):
    assert Space.parse(written).size == size


def test_the_size_counts_what_the_grid_reaches():
    space = Space.parse({name: NETWORK[name] for name in ("optimizer", "layers", "second", "epochs")})
    grid = [(i + 0.5) / 171 for i in range(171)]
    middles = [(i + 0.5) / 3 for i in range(3)]
    reached = {json.dumps(space.from_unit([a, b, c])) for a in middles for b in middles for c in grid}
    assert space.size == len(reached)


# Mistakes.


@pytest.mark.parametrize(
    ("written", "problem", "hint"),
    [
        ("unifrom(0, 1)", "there is no prior 'unifrom'", r"Did you mean uniform\(0, 1\)"),
        ("log-uniform(1, 2)", "there is no prior", "Did you mean loguniform"),
        ("cauchy(0, 1)", "there is no prior", "Known: uniform, .*fixed"),
        ("uniform(0)", "uniform takes low and high, not 1 value\\n", "uniform\\(0, 1\\)"),
        ("uniform()", "not 0 values", "uniform\\(0, 1\\)"),
        ("uniform(1, 2, log)", "not 3 values", "loguniform"),
        ("integer(1, 2, 3)", "not 3 values", "integer\\(8, 256, log\\)"),
        ("fixed(1, 2)", "not 2 values", "fixed"),
        ("uniform(a, 1)", "low is 'a', which is not a number", "1e-4"),
        ("uniform(0, true)", "high is True, which is not a number", "1e-4"),
        ("uniform(0, inf)", "high is 'inf'", "1e-4"),
        ("uniform(0, 1e999)", "high is inf", "1e-4"),
        ("uniform(0, 1", "not closed", "uniform"),
        ("uniform(1, 0)", "low is 1 and high is 0", "smaller one first"),
        ("uniform(2, 2)", "low is 2 and high is 2", "x: 2"),
        ("loguniform(0, 1)", "low is 0.*low > 0", "Raise low"),
        ("loguniform(1e15, 1.000000000000001e15)", "too narrow", "bounds"),
        ("integer(3, 1)", "low is 3 and high is 1", "smaller one first"),
        ("integer(1.5, 3)", "low is 1.5, which is not a whole number", "uniform"),
        ("integer(0, 8, log)", "low is 0.*low >= 1", "Raise low"),
        ("integer(0, 1e15)", "reaches beyond", "loguniform"),
        ("normal(0, 0)", "sd is 0", "normal\\(0, 1\\)"),
        ("lognormal(0, -1)", "sd is -1", "second"),
        ("lognormal(1000, 1)", "too large", "mean"),
        ("choice()", "nothing to choose from", "choice\\(a, b\\)"),
        ("ordinal(1, 2, 1)", "1 is there twice", "once"),
        ("choice(a, b, a)", "a is there twice", "once"),
        ("choice(1, 1.0)", "1.0 is there twice", "once"),
        ("choice([a, b])", r"cannot read '\[a, b\]'", "without brackets"),
        ("choice(a,)", "cannot read", "commas"),
        ("choice(a b c', d)", "cannot read", "quotes"),
        (r'choice("\q")', "cannot read", "single quotes"),
        (["sgd", "adam"], "a list is no prior", r"Write choice\(sgd, adam\)"),
        ((1e-4, 0.1), "a list is no prior", r"Write uniform\(0.0001, 0.1\) or loguniform\(0.0001, 0.1\), or choice"),
        ("(1e-4, 1)", "looks like a prior", r"Write uniform\(1e-4, 1\) or loguniform\(1e-4, 1\);.*value: "),
        ("1e-4..1", "looks like a prior", r"Write uniform\(1e-4, 1\) or loguniform\(1e-4, 1\);"),
        ("[0, 1]", "looks like a prior", r"Write uniform\(0, 1\);"),
        ("loguniform 1e-4 1", "looks like a prior", r"Write loguniform\(1e-4, 1\);"),
        ("loguniform[1e-4, 1]", "looks like a prior", r"Write loguniform\(1e-4, 1\);"),
        (math.nan, "nan is no value", "number"),
        ({}, "says no prior", "prior:"),
        ({"low": 0, "high": 1}, "says no prior", "type: uniform"),
        ({"type": "uniform", "low": 0}, "uniform lacks high", "low and high"),
        ({"type": "uniform", "low": 0, "hihg": 1}, "unknown key 'hihg'", "Did you mean high"),
        ({"type": "uniform", "low": 0, "high": 1, "log": True}, "unknown key 'log'", "Known here"),
        ({"type": "unifrom", "low": 0, "high": 1}, "no prior 'unifrom'", "uniform"),
        ({"type": ["uniform"]}, "no prior", "Known"),
        ({"type": "integer", "low": 0, "high": 1, "log": "yes"}, "log is 'yes'", "log: true"),
        ({"type": "choice", "choices": "ab"}, "choices is not a list", "choices: \\["),
        ({"type": "choice", "choices": []}, "nothing to choose from", "choice"),
        ({"type": "choice", "choices": [[1, 2]]}, r"\[1, 2\] is no value", "text"),
        ({"type": "uniform", "low": None, "high": 1}, "low is None", "numbers"),
        ({"prior": ["a"]}, "the prior is", "text"),
        ({"prior": "uniform(0, 1)", "wehn": "p == a"}, "unknown key 'wehn'", "Did you mean when"),
        ({"value": [1]}, r"\[1\] is no value", "number"),
    ],
)
def test_each_mistake_in_a_prior_is_named(written, problem, hint):
    with pytest.raises(SpaceError, match=problem) as caught:
        parse(written)
    assert caught.value.name == "x"
    assert re.search(hint, caught.value.hint)


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("optimiser == sgd", "no parameter 'optimiser'", "Did you mean optimizer"),
        ("qqq == sgd", "no parameter 'qqq'", "The parameters are optimizer, layers, x"),
        ("x > 0.5", "depends on itself: x -> x", "Drop"),
        ("optimizer = sgd", "'optimizer = sgd' is no condition", "=="),
        ("optimizer", "is no condition", "=="),
        (3, "3 is no condition", "=="),
        (["optimizer == sgd"], "is no condition", "=="),
        ("optimizer in sgd", "'sgd' is no list", "in \\["),
        ("optimizer in []", "is no list", "in \\["),
        ("optimizer == sgd, adam", "== takes one value", "in \\["),
        ("optimizer ==", "takes one value", "in \\["),
        ("optimizer == sgdd", "optimizer is never sgdd", r"choice\(sgd, adam\)"),
        ("optimizer != sgdd", "optimizer is never sgdd", r"choice\(sgd, adam\)"),
        ("optimizer in [sgd, rmsprop]", "optimizer is never rmsprop", r"choice\(sgd, adam\)"),
        ("optimizer > 3", "never holds", r"choice\(sgd, adam\)"),
        ("layers > 4", "never holds", r"integer\(1, 4\)"),
        ("layers == 5", "layers is never 5", r"integer\(1, 4\)"),
        ('layers == "2"', 'layers is never "2"', r"integer\(1, 4\)"),
        ("rate == 0.5", "hardly ever equal", "< or >"),
        ("rate < 0", "never holds", r"uniform\(0, 1\)"),
    ],
)
def test_each_mistake_in_a_condition_is_named(text, problem, hint):
    written = {"optimizer": "choice(sgd, adam)", "layers": "integer(1, 4)"}
    with pytest.raises(SpaceError, match=problem) as caught:
        Space.parse({**written, "x": {"prior": "uniform(0, 1)", "when": text}, "rate": "uniform(0, 1)"})
    assert caught.value.name == "x"
    assert re.search(hint, caught.value.hint)


def test_a_circle_of_conditions_is_named():
    written = {name: {"prior": "choice(1, 2)", "when": f"{parent} == 1"} for name, parent in ("ab", "bc", "ca", "da")}
    with pytest.raises(SpaceError, match="depends on itself: b -> c -> a -> b") as caught:
        Space.parse(dict(sorted(written.items(), key=lambda item: "bcad".index(item[0]))))
    assert caught.value.name == "b"


@pytest.mark.parametrize("mapping", [{}, None, [], "lr", 3])
def test_a_space_without_parameters_is_refused(mapping):
    with pytest.raises(SpaceError, match="space: it has no parameters"):
        Space.parse(mapping)


def test_a_space_of_constants_is_refused():
    with pytest.raises(SpaceError, match="all parameters are fixed"):
        Space.parse({"x": 3})


@pytest.mark.parametrize("name", ["a-b", "", 3, "a b", None])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(SpaceError, match="is no name for a parameter"):
        Space.parse({name: "uniform(0, 1)"})


def test_two_parameters_of_one_name_are_refused():
    with pytest.raises(SpaceError, match="the same name"):
        Space((Real("x", 0, 1), Real("x", 0, 2)))


def test_a_value_that_is_none_of_the_choices_has_no_coordinate():
    with pytest.raises(SpaceError, match="'c' is none of its values"):
        parse("choice(a, b)").to_unit("c")


@pytest.mark.parametrize("text", ["(1e-4, 1)", "1e-4..1", "loguniform 1e-4 1"])
def test_a_text_that_looks_like_a_prior_is_meant_where_it_is_called_a_value(text):
    space = Space.parse({"it": {"value": text}, "x": "uniform(0, 1)"})
    assert space.parameters[0] == Fixed("it", text)
