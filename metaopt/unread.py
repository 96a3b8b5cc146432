"""What scripts have reported, as the lines that a journal has of it, until somebody wants to know it.

Hardly anybody does: what a trial has come to is in its last words, which are looked for from the end on.  Only when
many have been looked for, or far, are all of them sorted by who has said them.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

WHO = b'"worker":%d,"trial":%d,"attempt":%d,"points":'
WORDS = re.compile(rb'("worker":\d++,"trial":\d++,"attempt":\d++,"points":)(\[.*\])')
WORTH = 8
"""It is when all that is not sorted has been searched so many times; to sort it takes two to three times as long."""


class Reports:
    """Lines that are Reporteds, in texts: between two of them, something else was said."""

    def __init__(self) -> None:
        self._words: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self._places: defaultdict[bytes, list[int]] = defaultdict(list)
        self._sorted, self._texts = 0, list[bytes]()
        self._size = self._searched = 0

    def __len__(self) -> int:
        return self._sorted + len(self._texts)

    def add(self, text: bytes) -> None:
        """These lines come next."""
        self._texts.append(text)
        self._size += len(text)

    def backwards(self, who: bytes, start: int, end: int) -> Iterator[bytes]:
        """The points of each Reported of ``who`` in the texts ``start`` to ``end``, as JSON, the last one first."""
        if self._searched > WORTH * self._size:
            self._sort()
        words, places = self._words.get(who, []), self._places.get(who, [])
        words = words[bisect_left(places, start) : bisect_left(places, end)]
        texts, start, end = self._texts, start - self._sorted, end - self._sorted
        for place in range(end - 1, max(start, 0) - 1, -1):
            left = len(texts[place])
            while (found := texts[place].rfind(who, 0, left)) >= 0:
                self._searched += left - found
                left, first = found, found + len(who)
                line = texts[place][first : texts[place].index(b"\n", first)]
                yield line[: line.rindex(b"]") + 1]
            self._searched += left
        yield from reversed(words)

    def forget(self, who: bytes) -> None:
        """Of what is there, nobody will ask for these words again."""
        self._words.pop(who, None)
        self._places.pop(who, None)

    def _sort(self) -> None:
        for place, text in enumerate(self._texts, self._sorted):
            for who, points in WORDS.findall(text):
                self._words[who].append(points)
                self._places[who].append(place)
        self._sorted, self._texts = len(self), []
        self._size = self._searched = 0


@dataclass(frozen=True, slots=True)
class Unread:
    """What ``who`` has said in ``reports``, from the text ``start`` on, up to ``end``, or up to now."""

    reports: Reports
    who: bytes
    start: int
    end: int | None = None

    def closed(self) -> "Unread":
        """The same, without what is said from now on."""
        return Unread(self.reports, self.who, self.start, len(self.reports))

    def rest(self) -> "Unread | None":
        """What is not there yet, when all else has been read; None when nothing is to come."""
        self.reports.forget(self.who)
        return Unread(self.reports, self.who, len(self.reports)) if self.end is None else None

    def backwards(self) -> Iterator[bytes]:
        """The points of each Reported, as JSON, the last one first."""
        return self.reports.backwards(self.who, self.start, len(self.reports) if self.end is None else self.end)

    def read(self) -> list[bytes]:
        """The same, in order."""
        return [*self.backwards()][::-1]
