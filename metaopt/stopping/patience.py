"""Patience (Prechelt 1998, "Early stopping - but when?", the criterion UP, without a validation strip).

A trial is stopped that has not bettered its best value for ``reports`` reports, unless it is the best of all: somebody
has to complete.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.stopping.settings import check_least


@dataclass(slots=True)
class _Record:
    """A trial's last step, its best value, where that was, and for how many reports that has stood."""

    step: float = -math.inf
    best: float = math.inf
    at: float = -math.inf
    stands: int = 0


class Patience:
    """Stops a trial that has not improved by more than ``least`` for ``reports`` reports and that another one beats.

    ``least`` is in the metric's unit.  NaN is no improvement.  A step that is said again is no new report.
    """

    def __init__(self, *, reports: int = 10, least: float = 0.0) -> None:
        """Raise PluginError when a setting makes no sense."""
        check_least("patience", "reports", reports, 1, 10, whole=True)
        check_least("patience", "least", least, 0, 0.001)
        self._reports, self._least = reports, least
        self._records: dict[int, _Record] = {}

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:
        """Why ``trial`` should stop after these new points, or an empty string."""
        why = ""
        for step, value in points:
            self._take(trial, step, value)
            why = why or self._verdict(trial)
        return why

    def _take(self, trial: int, step: float, value: float) -> None:
        record = self._records.get(trial)
        if record is None or step < record.step:
            record = self._records[trial] = _Record()
        if step == record.step:
            return
        record.step, record.stands = step, record.stands + 1
        if value < record.best - self._least or (value < math.inf and record.best == math.inf):
            record.best, record.at, record.stands = value, step, 0

    def _verdict(self, trial: int) -> str:
        record = self._records[trial]
        if record.stands < self._reports:
            return ""
        better = min(each.best for each in self._records.values())
        if record.best <= better:
            return ""
        best = f"{record.best:.6g} at step {record.at:g}" if record.best < math.inf else "no number"
        much = f" by more than {self._least:g}" if self._least else ""
        return f"patience: {best}, and nothing better{much} in {record.stands} reports; another trial has {better:.6g}"
