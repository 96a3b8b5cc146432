"""How much of its workers a study has used: the share of their time in which a script ran."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metaopt.figures.timeline import Interval, Pauses, Span
from metaopt.optimizers.kernels import Array

BINS = 240


class Utilisation(NamedTuple):
    """How many workers were ``there``, and ``busy``, on average between ``edges`` (n + 1 places, of ``Pauses``)."""

    edges: Array
    there: Array
    busy: Array
    share: float


def utilisation(spans: Sequence[Span], there: Sequence[Interval]) -> Utilisation:
    """Of ``spans`` on workers who were ``there``; ``share`` is over all, 0 to 1."""
    pauses = Pauses(there)
    edges = np.linspace(0.0, pauses.places[-1], BINS + 1)
    offered = placed(pauses, np.array(there))
    used = placed(pauses, np.array([(span.begin, span.end) for span in spans]).reshape(-1, 2))
    total = (offered[:, 1] - offered[:, 0]).sum()
    share = (used[:, 1] - used[:, 0]).sum() / total if total > 0 else 0.0
    return Utilisation(edges, _mean(offered, edges), _mean(used, edges), float(min(share, 1.0)))


def placed(pauses: Pauses, times: Array) -> Array:
    """``times``, in seconds since the epoch, as places: seconds that are shown."""
    return np.interp(times, pauses.knots, pauses.places)


def raster(spans: Sequence[Span], pauses: Pauses, order: Sequence[str], shape: tuple[int, int]) -> Array:
    """What ran where, as a picture of ``shape`` (rows, columns): a row per lane, or fewer; NaN where nothing ran.

    A cell is an index of ``order``, the states; of several in a cell it is the last one there, so that what is rare is
    to stand at its end.
    """
    picture = np.full(shape, np.nan)
    lanes = 1 + max(span.lane for span in spans)
    times = placed(pauses, np.array([(span.begin, span.end) for span in spans]))
    cells = np.floor(times / max(pauses.places[-1], 1e-9) * shape[1]).astype(int).clip(0, shape[1] - 1)
    for index in sorted(range(len(spans)), key=lambda index: order.index(spans[index].state)):
        row = spans[index].lane * shape[0] // lanes
        picture[row, cells[index, 0] : cells[index, 1] + 1] = order.index(spans[index].state)
    return picture


def _mean(intervals: Array, edges: Array) -> Array:
    """How many of ``intervals`` (n, 2) there are, on average between ``edges`` (m + 1,): (m,)."""
    lengths = np.diff(edges)
    passed = _before(intervals[:, 0], edges) - _before(intervals[:, 1], edges)
    return np.asarray(np.diff(passed) / np.where(lengths, lengths, 1.0))


def _before(moments: Array, edges: Array) -> Array:
    """The sum of t - x over the ``moments`` x before t, for each t in ``edges``."""
    ordered = np.sort(moments)
    number = np.searchsorted(ordered, edges)
    return np.asarray(number * edges - np.concatenate([[0.0], np.cumsum(ordered)])[number])
