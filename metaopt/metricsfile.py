"""What a script writes of its metrics into a file of its own: a table with a header (CSV and its like), or JSON lines.

Rows          lines of such a file -> points
MetricsFile   follows it, whatever becomes of it: it appears late, is begun anew, or is rewritten with more columns
"""

import csv
import glob
import json
import math
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from metaopt.messages import Point
from metaopt.tail import CHUNK_BYTES, LIMIT_BYTES, Lines, points_in

STEPS = ("step", "epoch")
"""Columns that give the step, unless one is named: the first of them that is there."""
UNHEARD = "its metrics_file "
"""How what is to be said of a file begins that has said nothing."""
NOTHING = (0, -1, 0)
LOOK = 0.5  # seconds between two looks at a file: it may be on a slow, shared disk
KEPT_BYTES = 512  # of what was read, from its begin and up to its end: by these a rewritten file is known
HELD = 20  # lines that one row may go over, in quotes


class Rows:
    """Makes points of lines: of a table, the first line of which has the names, or of JSON objects.

    Each number becomes a metric, called as its column is; those in ``step`` (or in the first of ``STEPS`` there is) are
    the steps.  Without such a column the n-th row is step n; a row without its step is at that of the row before.
    What is no number is passed over, and so are comments (#) and rows that do not fit the header.
    """

    def __init__(self, step: str = "") -> None:
        self._steps = (step,) if step else STEPS
        self.step_from: str | None = None
        self.names: list[str] = []
        self._delimiter = ","
        self._held: list[str] = []
        self._step: float | None = None
        self._count = 0

    def points(self, line: bytes) -> list[Point]:
        """The point of this line, or nothing."""
        text = line.decode(errors="replace").lstrip("\ufeff")
        if len(line) >= LIMIT_BYTES or not text.strip() or (text.startswith("#") and not self._held):
            return []
        if text.startswith("{") and not self._held:
            return self._point(_object(text))
        if not self.names:
            self._delimiter = max(",;\t", key=text.count)
        cells = self._cells(text)
        if not self.names:
            self.names = cells
            self._find_step(cells)
        elif len(cells) == len(self.names) and cells != self.names:
            return self._point(dict(zip(self.names, map(_number, cells), strict=True)))
        return []

    def _cells(self, text: str) -> list[str]:
        """The cells of a row; nothing while a quote is open."""
        self._held = [*self._held[-HELD:], f"{text}\n"]
        cut = False

        def lines() -> Iterator[str]:
            nonlocal cut
            yield from self._held
            cut = True

        try:
            cells = next(csv.reader(lines(), delimiter=self._delimiter), [])
        except csv.Error:
            cells = []
        if cut and len(self._held) <= HELD:
            return []
        self._held = []
        return [cell.strip() for cell in cells]

    def _find_step(self, names: list[str]) -> None:
        """See which of ``names`` gives the step, unless that is known."""
        if self.step_from is None:
            wanted = {name.lower(): name for name in reversed(names)}
            self.step_from = next((wanted[name.lower()] for name in self._steps if name.lower() in wanted), None)

    def _point(self, values: dict[str, float | None]) -> list[Point]:
        self._find_step(list(values))
        said = values.pop(self.step_from, None) if self.step_from is not None else None
        if said is not None and math.isfinite(said):
            self._step = int(said) if said.is_integer() else said
        metrics = {name: value for name, value in values.items() if name and value is not None}
        if not metrics:
            return []
        self._count += 1
        return [(self._count if self._step is None else self._step, metrics)]


class MetricsFile:
    """Follows the file at ``path``, which need not be there yet: a pattern of ``glob``, of those that match the newest.

    What stands in it when this is made was said before, by an earlier attempt, unless the file is begun anew.  Rows of
    one that is rewritten while it is followed are told once.  It is looked at every ``pause`` seconds.
    """

    def __init__(self, path: str, step: str = "", pause: float = LOOK) -> None:
        self._path, self._step, self._pause = path, step, pause
        self._file, self._there, self._trouble = "", False, ""
        self._seen: Counter[int] = Counter()  # the rows that were read, by their hashes
        self._own = self._over = False  # whether this attempt has said anything; whether all is read
        self._look_at = 0.0
        self._head = self._end = b""
        self._restart()
        self._before = self._latest = NOTHING
        with suppress(OSError):
            self._file, self._before = self._found()
            self._begin = self._before[1]

    def read(self, limit_bytes: int = CHUNK_BYTES, *, last: bool = False) -> tuple[list[Point], bool]:
        """The points in the next ``limit_bytes`` at most, and whether that was all there is.

        With ``last`` nobody writes any more: the last row counts without its end too.
        """
        now = time.monotonic()
        if self._over or (now < self._look_at and not last):
            return [], True
        try:
            chunk, all_read = self._chunk(limit_bytes, last=last)
        except OSError as error:
            chunk, all_read = b"", True
            self._trouble = error.strerror or str(error)
            if isinstance(error, FileNotFoundError) and self._offset:
                self._restart()
        points = list(self._new(self._lines.feed(chunk, last=last and all_read)))
        self._look_at = now + self._pause if all_read and (self._own or not self._begin) else 0.0
        if last and all_read and self._is_twin():
            self._restart()
            all_read = False
        self._over = last and all_read
        return points, all_read

    def unheard(self) -> list[str]:
        """What there is to say of a file that has had no metric, or not the steps that were asked for."""
        if not self._there:
            why = "was never written" if self._trouble in {"", os.strerror(2)} else f"cannot be read: {self._trouble}"
            return [f"{UNHEARD}{self._path} {why}"]
        names = f"; its columns are {', '.join(self._rows.names)[:200]}" if self._rows.names else ""
        if not self._own:
            return [f"{UNHEARD}{self._file} got no row with a number{names}"]
        if self._step and self._rows.step_from is None:
            return [f"{UNHEARD}{self._file} has no {self._step}, so its n-th row is step n{names}"]
        return []

    def _found(self) -> tuple[str, tuple[int, int, int]]:
        """The file, and its inode, size and time of change; raises OSError."""
        paths = glob.glob(self._path)  # noqa: PTH207 - the path is text
        path = max(paths, key=lambda each: os.stat(each).st_mtime_ns, default=self._path)  # noqa: PTH116 - as above
        found = os.stat(path)  # noqa: PTH116 - as above
        if not stat.S_ISREG(found.st_mode):
            problem = "it is no file"
            raise OSError(0, problem)
        return path, (found.st_ino, found.st_size, found.st_mtime_ns)

    def _chunk(self, limit_bytes: int, *, last: bool) -> tuple[bytes, bool]:
        """What comes next in the file, and whether that is all; raises OSError."""
        path, found = self._found()
        self._there = True
        if path != self._file:
            if self._file:
                self._restart()
            self._file = path
        elif found == self._latest and not last:
            return b"", True
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            size = os.fstat(file.fileno()).st_size
            if not self._goes_on(file):
                self._restart()
            limit = min(limit_bytes, self._begin - self._offset) if self._offset < self._begin else limit_bytes
            file.seek(self._offset)
            chunk = file.read(limit)
            if not self._goes_on(file):  # it was rewritten meanwhile
                self._restart()
                return b"", False
        self._offset += len(chunk)
        self._head += chunk[: KEPT_BYTES - len(self._head)]
        self._end = (self._end + chunk)[-KEPT_BYTES:]
        self._latest = found if self._offset == found[1] else NOTHING
        return chunk, self._offset >= size

    def _goes_on(self, file: BinaryIO) -> bool:
        """Whether what was read still stands in the file, as far as its begin and its end tell."""
        fd, end = file.fileno(), self._offset - len(self._end)
        return os.pread(fd, len(self._head), 0) == self._head and os.pread(fd, len(self._end), end) == self._end

    def _is_twin(self) -> bool:
        """Whether this attempt has, all at once, written the very file that an earlier one has left."""
        return not self._own and 0 < self._begin == self._offset == self._latest[1] and self._latest != self._before

    def _restart(self) -> None:
        """Read the file from its begin; what this attempt has said already is not said again."""
        if not self._own:
            self._seen.clear()
        self._again = Counter(self._seen)
        self._rows, self._lines = Rows(self._step), Lines()
        self._begin = self._offset = 0
        self._head = self._end = b""

    def _new(self, lines: list[bytes]) -> Iterator[Point]:
        """The points of these lines that have not been told."""
        old = self._offset <= self._begin
        for point in points_in(lines, self._rows):
            row = hash(repr((point[0], sorted(point[1].items()))))
            if self._again[row]:
                self._again[row] -= 1
                continue
            self._seen[row] += 1
            if not old:
                self._own = True
                yield point


def _object(text: str) -> dict[str, float | None]:
    """The numbers of a JSON object."""
    try:
        said = json.loads(text)
        return {name: float(value) for name, value in said.items() if type(value) in {int, float}}
    except (ValueError, OverflowError, RecursionError):
        return {}


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
