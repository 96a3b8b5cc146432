"""The contract of an optimizer: what a study relies on, whatever the strategy is."""
# ruff: noqa: D102, PLR2004 - asserts, named by what must hold, over the numbers of an example

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from metaopt.messages import Params, Scalar
from metaopt.optimizers.base import Optimizer
from metaopt.space import Fixed, Space

Points = list[Params]


class OptimizerContract:
    """Derive from it, say how your optimizer is made, and let pytest run it."""

    spaces: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "real": {"x": "uniform(-1, 1)", "y": "uniform(0, 10)"},
        "log": {"x": "loguniform(1e-6, 1)", "y": "lognormal(0, 1)"},
        "whole": {"a": "integer(1, 1000)", "b": "integer(1, 1000, log)", "c": "uniform(0, 1)"},
        "ordered": {"a": "ordinal(1, 10, 1000)", "b": "ordinal(low, high)", "c": "uniform(0, 1)"},
        "huge": {"a": "integer(-1000000000, 1000000000)", "b": "integer(1, 1000000000, log)"},
        "choice": {"x": "uniform(0, 1)", "c": "choice(red, green, blue)", "flag": "choice(true, false)"},
        "conditional": {
            "kind": "choice(linear, tree, none)",
            "rate": {"prior": "loguniform(1e-4, 1)", "when": "kind == linear"},
            "depth": {"prior": "integer(1, 30)", "when": "kind == tree"},
            "leaves": {"prior": "integer(1, 30)", "when": "depth > 2"},
            "epochs": 3,
        },
        "wide": {f"x{index}": "uniform(0, 1)" for index in range(50)},
    }
    finite: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "grid": {"a": "integer(1, 4)", "b": "integer(1, 9, log)"},
        "choices": {"c": "choice(1, true, one)", "d": "choice(null, x)", "o": "ordinal(8, 64, 65)"},
        "branches": {
            "kind": "choice(a, b)",
            "n": {"prior": "integer(1, 5)", "when": "kind == a"},
            "m": {"prior": "choice(x, y)", "when": "n > 3"},
        },
        "one": {"c": "choice(only)"},
        "line": {"n": "integer(1, 70)"},
    }
    bad: ClassVar[Mapping[str, Sequence[float]]] = {
        "all equal": [1.0],
        "all failed": [math.nan],
        "infinite": [math.inf, 1.0, -math.inf, 2.0],
        "nothing but infinite": [math.inf, -math.inf],
        "all huge": [1e300],
        "huge": [1e300, -1e300, 0.0, 1.7e308, -1.7e308],
        "tiny": [0.0, 5e-324, 1e-320, -5e-324],
        "mostly failed": [math.nan, math.nan, 3.0, math.nan, 1.0],
        "nearly equal": [1.0, 1.0 + 1e-16, 1.0 + 3e-16],
    }

    def make(self, space: Space, seed: int) -> Optimizer:
        """Your optimizer over ``space``."""
        raise NotImplementedError

    def test_points_are_in_the_space_and_as_many_as_were_asked_for(self) -> None:
        for name, space in self._parsed(self.spaces):
            optimizer = self.make(space, 1)
            told = _run(optimizer, 14)
            points = [*told, *optimizer.ask(3, told[:2])]
            assert len(points) == 17, name
            assert all(space.contains(point) for point in points), name

    def test_the_points_of_one_answer_differ_from_each_other_and_from_those_under_way(self) -> None:
        for name, space in self._parsed(self.spaces):
            optimizer = self.make(space, 2)
            told = _run(optimizer, 12)
            pending = optimizer.ask(6, [])
            answer = [*told, *pending, *optimizer.ask(6, pending)]
            branches = space.searched[0].kind == "category"  # a branch of one point may come again
            assert len(_different(answer)) == len(answer) or branches, name

    def test_asking_changes_nothing(self) -> None:
        for name, space in self._parsed(self.spaces):
            optimizer = self.make(space, 3)
            told = _run(optimizer, 12)
            first = optimizer.ask(2, told[:1])
            optimizer.ask(5, [])
            assert optimizer.ask(2, told[:1]) == first, name

    def test_what_was_told_is_all_that_matters(self) -> None:
        for name, space in self._parsed(self.spaces):
            asked, resumed = self.make(space, 4), self.make(space, 4)
            for number, point in enumerate(_run(asked, 13)):
                resumed.tell(point, _loss(point, number))
            pending = asked.ask(2, [])
            assert resumed.ask(2, []) == pending, name
            assert resumed.ask(3, pending) == asked.ask(3, pending), name

    def test_another_seed_gives_other_points(self) -> None:
        for name, space in self._parsed(self.spaces):
            assert self.make(space, 5).ask(4, []) != self.make(space, 6).ask(4, []), name

    def test_the_number_of_trials_told_and_pending_makes_the_next_one_a_different_one(self) -> None:
        for name, space in self._parsed({"real": self.spaces["real"]}):
            optimizer = self.make(space, 7)
            (first,) = optimizer.ask(1, [])
            (second,) = optimizer.ask(1, [first])
            assert first != second, name

    def test_a_finite_space_is_gone_through_once_and_then_is_exhausted(self) -> None:
        for name, space in self._parsed(self.finite):
            optimizer = self.make(space, 8)
            seen: Points = []
            while points := optimizer.ask(3, []):
                seen.extend(points)
                for point in points:
                    optimizer.tell(point, _loss(point, len(seen)))
                assert len(seen) <= (space.size or 0), name
            assert len(_different(seen)) == len(seen) == space.size, name

    def test_points_under_way_count_as_tried(self) -> None:
        for name, space in self._parsed(self.finite):
            optimizer = self.make(space, 9)
            everything = optimizer.ask(1000, [])
            assert len(_different(everything)) == len(everything) == space.size, name
            assert optimizer.ask(2, everything) == [], name
            rest = optimizer.ask(5, everything[1:])
            assert rest == everything[:1], name

    def test_a_space_of_constants_has_one_point(self) -> None:
        optimizer = self.make(Space((Fixed("epochs", 3),)), 10)
        assert optimizer.ask(4, []) == [{"epochs": 3}]
        optimizer.tell({"epochs": 3}, 1.0)
        assert optimizer.ask(4, []) == []

    def test_any_value_can_be_told(self) -> None:
        for name, values in self.bad.items():
            for kind in ("real", "conditional"):
                space = Space.parse(self.spaces[kind])
                optimizer = self.make(space, 11)
                _run(optimizer, 20, values)
                assert all(space.contains(point) for point in optimizer.ask(3, [])), (name, kind)

    def test_any_value_can_be_told_of_the_only_point(self) -> None:
        for name, values in self.bad.items():
            optimizer = self.make(Space.parse(self.finite["one"]), 13)
            for value in values:
                optimizer.tell({"c": "only"}, value)
            assert optimizer.ask(2, []) == [], name

    def test_ten_thousand_trials_can_be_told_at_once(self) -> None:
        space = Space.parse(self.spaces["conditional"])
        optimizer = self.make(space, 14)
        points = [
            space.from_unit([number * step % 1.0 for step in (0.618, 0.755, 0.57, 0.82)]) for number in range(500)
        ]
        for number in range(10_000):
            optimizer.tell(points[number % len(points)], _loss(points[number % len(points)], number))
        answer = optimizer.ask(3, points[:2])
        assert len(answer) == 3
        assert all(space.contains(point) for point in answer)

    def test_points_of_others_can_be_told_more_than_once_and_from_outside_the_space(self) -> None:
        space = Space.parse({"x": "uniform(0, 1)", "c": "choice(a, b)"})
        optimizer = self.make(space, 12)
        foreign: Points = [{"x": 0.5, "c": "a"}, {"x": 7.0, "c": "a"}, {"x": 0.5, "c": "gone"}, {"z": 1}, {}]
        for number in range(20):
            optimizer.tell(foreign[number % 5], float(number))
        points = optimizer.ask(4, foreign)
        assert len(points) == 4
        assert all(space.contains(point) for point in points)

    def _parsed(self, spaces: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, Space]]:
        for name, written in spaces.items():
            yield name, Space.parse(written)


def _run(optimizer: Optimizer, count: int, values: Sequence[float] = ()) -> Points:
    """The points of ``count`` trials, each told its loss, or one of ``values`` in turn."""
    points: Points = []
    for number in range(count):
        (point,) = optimizer.ask(1, [])
        points.append(point)
        optimizer.tell(point, values[number % len(values)] if values else _loss(point, number))
    return points


def _loss(point: Params, number: int) -> float:
    """Something that depends on the point; every seventh trial fails."""
    if number % 7 == 6:
        return math.nan
    return sum(_as_number(value) for value in point.values())


def _as_number(value: Scalar) -> float:
    return math.log1p(abs(value)) if isinstance(value, (int, float)) else len(str(value)) / 5.0


def _different(points: Sequence[Params]) -> set[str]:
    return {repr(sorted(point.items())) for point in points}
