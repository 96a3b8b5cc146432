"""How a model sees a space: points of the unit cube on their grid, and as features.

symbol   shape     what it is
points   (m, d)    unit cube, a coordinate for each searched parameter; 0.5 where a parameter is not active
features (m, f)    a number is itself; a category with c values is c columns, one of them 1/sqrt(2) (kernels.py)
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from metaopt.messages import Params
from metaopt.optimizers.kernels import Array, Indices
from metaopt.optimizers.tried import centre
from metaopt.space import Parameter, Space

Mask = NDArray[np.bool_]

SWEPT = 64
"""A parameter with up to so many values is searched value by value; with more, like a real one and then rounded."""

ROUNDED = 4096
"""A parameter with more values than that is taken for a real one throughout."""

LISTED = 4096
"""A space with up to so many combinations is searched in full."""


class Encoding:
    """The coordinates of a space: which are continuous, which have values to sweep, which are active."""

    def __init__(self, space: Space) -> None:
        """Of ``space``; nothing in it changes."""
        self.space = space
        self.box = np.repeat([[0.0], [1.0]], len(space.searched), axis=1)
        self._parameters: Mapping[str, Parameter] = {each.name: each for each in space.parameters}
        self._column = {each.name: column for column, each in enumerate(space.searched)}
        self.dimension = len(space.searched)
        self.values: dict[int, Array] = {
            column: np.array([centre(each, cell) for cell in range(each.cells)])
            for column, each in enumerate(space.searched)
            if each.cells is not None and (each.cells <= ROUNDED or each.kind == "category")
        }
        self.categories = [column for column, each in enumerate(space.searched) if each.kind == "category"]
        self.swept = [c for c, values in self.values.items() if len(values) <= SWEPT or c in self.categories]
        self.continuous: Indices = np.array([c for c in range(self.dimension) if c not in self.swept], dtype=np.intp)
        widths = [len(self.values[c]) if c in self.categories else 1 for c in range(self.dimension)]
        self.groups: Indices = np.repeat(np.arange(self.dimension), widths)
        self._first_feature = np.concatenate([[0], np.cumsum(widths)[:-1]]).astype(np.intp)
        self.continuous_features: Indices = self._first_feature[self.continuous]
        self._within: dict[tuple[object, ...], Array | None] = {}

    def points(self, listed: Sequence[Params]) -> Array:
        """The points (m, d) of parameter settings of the space."""
        rows = [self.space.to_unit(params) for params in listed]
        return np.array(rows, dtype=np.float64).reshape(len(rows), self.dimension)

    def within(self, listed: Sequence[Params]) -> Array:
        """The points (m, d) of those of ``listed`` that are settings of the space, each once.

        Those of the last call are kept: most of thousands that are under way were so at the question before.
        """
        known, self._within = self._within, {}
        for params in listed:
            key = *params.items(), *map(type, params.values())
            if key not in known:
                known[key] = self.points([params])[0] if self.space.contains(params) else None
            self._within[key] = known[key]
        rows = [row for row in self._within.values() if row is not None]
        return np.array(rows, dtype=np.float64).reshape(len(rows), self.dimension)

    def snap(self, points: Array) -> Array:
        """``points`` (m, d) on their grid, and 0.5 where a parameter is not active."""
        snapped = np.clip(points, 0.0, 1.0)
        for column in self.values:
            snapped[:, column] = self.values[column][self.cells(snapped, column)]
        active = self.active(snapped)
        return np.where(active, snapped, 0.5)

    def cells(self, points: Array, column: int) -> Indices:
        """The number (0, 1, ...) of the value in this column of ``points`` (m, d), shape (m,)."""
        values = self.values[column]
        return np.searchsorted((values[1:] + values[:-1]) / 2.0, points[:, column], side="right")

    def active(self, points: Array) -> Mask:
        """Whether each parameter is active at each of ``points`` (m, d), which are on their grid; (m, d)."""
        known: dict[str, Mask] = {}
        for parameter in self.space.searched:
            self._activity(parameter.name, points, known)
        columns = [known[parameter.name] for parameter in self.space.searched]
        return np.stack(columns, axis=1) if columns else np.ones(points.shape, dtype=np.bool_)

    def _activity(self, name: str, points: Array, known: dict[str, Mask]) -> Mask:
        if name not in known:
            when = self._parameters[name].when
            everywhere = np.ones(len(points), dtype=np.bool_)
            known[name] = self._activity(when.parent, points, known) & self._holds(name, points) if when else everywhere
        return known[name]

    def _holds(self, name: str, points: Array) -> Mask:
        """Whether the condition of ``name`` holds, given that its parent is active."""
        when = self._parameters[name].when
        if when is None:
            return np.ones(len(points), dtype=np.bool_)
        parent, column = self._parameters[when.parent], self._column.get(when.parent)
        if column is None:
            return np.full(len(points), when.holds(parent.from_unit(0.5)))
        if column in self.values:
            table = np.array([when.holds(parent.from_unit(float(u))) for u in self.values[column]])
            return np.asarray(table[self.cells(points, column)])
        return np.array([when.holds(parent.from_unit(float(u))) for u in points[:, column]], dtype=np.bool_)

    def there(self, points: Array, column: int | None, cell: int) -> Mask:
        """Whether ``points`` (m, d) have the value with the number ``cell`` in this column; (m,), all for None."""
        if column is None:
            return np.ones(len(points), dtype=np.bool_)
        return np.asarray((self.cells(points, column) == cell) & self.active(points)[:, column])

    def counts(self, points: Array, column: int) -> Indices:
        """How many of ``points`` (m, d) have each value of this column, where that is active."""
        cells = self.cells(points[self.active(points)[:, column]], column)
        return np.bincount(cells, minlength=len(self.values[column]))

    def features(self, points: Array) -> Array:
        """``points`` (m, d), on their grid, as features (m, f)."""
        features = np.zeros((len(points), len(self.groups)))
        features[:, self.continuous_features] = points[:, self.continuous]
        for column in self.swept:
            first = self._first_feature[column]
            if column in self.categories:
                features[np.arange(len(points)), first + self.cells(points, column)] = np.sqrt(0.5)
            else:
                features[:, first] = points[:, column]
        return features

    def on_grid(self, points: Array) -> Array:
        """``points`` (m, d) as their parameters' settings are: exact also where ``snap`` does not round."""
        return self.points([self.space.from_unit(point.tolist()) for point in points])

    @cached_property
    def every_point(self) -> Array | None:
        """Every point of a small finite space (m, d), each once; None when there are too many."""
        if len(self.values) < self.dimension or math.prod(map(len, self.values.values())) > LISTED:
            return None
        grids = np.meshgrid(*(self.values[column] for column in range(self.dimension)), indexing="ij")
        return np.unique(self.snap(np.stack([grid.ravel() for grid in grids], axis=1)), axis=0)
