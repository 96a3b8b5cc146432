"""Who has been silent for too long.

Time counts only while somebody listens: a job that is suspended for an hour and then goes on has lost nobody.
"""

from collections.abc import Iterable

LOOKS = 10
"""Looks within that time; a longer pause between two of them counts as one of this length."""


class Pulse:
    """Watches ``ranks``, which are silent after ``timeout`` seconds without a word; ``now`` is seconds of any clock."""

    def __init__(self, ranks: Iterable[int], timeout: float, now: float) -> None:
        self._timeout, self._looked, self._listened = timeout, now, 0.0
        self._heard = dict.fromkeys(ranks, 0.0)
        self._checked = 0.0

    def look(self, now: float) -> None:
        """Somebody listens at ``now``."""
        self._listened += min(max(now - self._looked, 0.0), self._timeout / LOOKS)
        self._looked = now

    def heard(self, rank: int) -> None:
        """A word of ``rank`` has come."""
        if rank in self._heard:
            self._heard[rank] = self._listened

    def watch(self, rank: int) -> None:
        """Watch ``rank`` from now on, again."""
        self._heard[rank] = self._listened

    def forget(self, rank: int) -> None:
        """Expect nothing more of ``rank``."""
        self._heard.pop(rank, None)

    def silent(self) -> list[int]:
        """Those who are silent for too long; each is told once."""
        if self._listened - self._checked < self._timeout / LOOKS:
            return []
        self._checked = self._listened
        found = [rank for rank, heard in self._heard.items() if self._listened - heard > self._timeout]
        for rank in found:
            self.forget(rank)
        return found
