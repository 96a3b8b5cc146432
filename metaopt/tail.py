"""What a script says, as it says it: points out of lines, lines out of a pipe or out of a file that grows.

Lines       chunks of bytes -> lines
Reports     a line that ``metaopt.report`` has written -> a point
Patterns    a line that the script has printed -> points
Tail        follows a file, with either of them
"""

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Protocol

from metaopt.messages import Point

STEP = "step"
STEPLESS = "the pattern of step was on no line of its output"
LIMIT_BYTES = 1 << 16
"""A line is cut here, and the rest of it is dropped: this is all that is ever kept of one that does not end."""
CHUNK_BYTES = 1 << 18
PUNCTUATION = " ,;:)]}%\"'"
"""What may stand behind a number without being a part of it."""
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours and cursor movements (ECMA-48, section 5.4)


class Parser(Protocol):
    """Makes points out of lines; never raises, whatever the line is."""

    def points(self, line: bytes) -> list[Point]:
        """What this line says: often nothing."""
        ...


class Lines:
    """Complete lines out of chunks; a carriage return ends a line too, and empty lines are left out."""

    def __init__(self) -> None:
        self._rest = b""
        self._dropping = False

    def feed(self, chunk: bytes, *, last: bool = False) -> list[bytes]:
        """The lines that end in ``chunk``; with ``last`` also the one that the stream's end cuts short."""
        lines = (self._rest + chunk.replace(b"\r", b"\n")).split(b"\n")
        if self._dropping:
            lines[0] = b""
            self._dropping = len(lines) == 1
        self._rest = lines.pop()
        if last or len(self._rest) >= LIMIT_BYTES:
            lines.append(self._rest)
            self._dropping = self._dropping or not last
            self._rest = b""
        return [line[:LIMIT_BYTES] for line in lines if line]


class Reports:
    """Reads lines of ``metaopt.report``: {"step": 3, "metrics": {"loss": 0.2}}.

    ``garbage`` counts the lines that are none: the pipe is open to whatever a script runs.
    """

    def __init__(self) -> None:
        self.garbage = 0

    def points(self, line: bytes) -> list[Point]:
        """The point of this line, or nothing."""
        try:
            said: dict[str, Any] = json.loads(line)
            step = _number(said["step"])
            metrics = {str(name): float(_number(value)) for name, value in said["metrics"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            self.garbage += 1
            return []
        if not metrics or not math.isfinite(step):
            self.garbage += 1
            return []
        return [(step, metrics)]


class Patterns:
    """Finds metrics in what a script prints.

    ``patterns`` are regular expressions by metric; the group of one is the metric's value.  The pattern named ``step``,
    if there is one, gives the step of the values on its line and after it; without one the n-th value of a metric is
    step n (1, 2, ...), counted on from where it was ``after`` an earlier attempt.  A value that is no number is passed
    over.  Raises re.error for a pattern that is none.
    """

    def __init__(self, patterns: Mapping[str, str], after: Mapping[str, float] = MappingProxyType({})) -> None:
        self._patterns = {name: re.compile(pattern) for name, pattern in patterns.items()}
        self._step_pattern = self._patterns.pop(STEP, None)
        self._step: float | None = None
        self._counts = dict.fromkeys(self._patterns, 0)
        self._after = after
        self._misread: dict[str, str] = {}
        self._last = ""

    def points(self, line: bytes) -> list[Point]:
        """The metrics on one line: one point, unless one of them was seen more often than another before."""
        self._last = text = _ESCAPE.sub("", line.decode(errors="replace"))
        said = _number_in(self._step_pattern, text) if self._step_pattern else None
        if isinstance(said, float) and math.isfinite(said):
            self._step = int(said) if said.is_integer() else said
        points: dict[float, dict[str, float]] = {}
        for name, pattern in self._patterns.items():
            value = _number_in(pattern, text)
            if isinstance(value, str):
                self._misread.setdefault(name, value)
            elif value is not None:
                self._counts[name] += 1
                step = int(self._after.get(name, 0)) + self._counts[name] if self._step is None else self._step
                points.setdefault(step, {})[name] = value
        return list(points.items())

    def unheard(self) -> list[str]:
        """What there is to say of the patterns that have found no number."""
        lost = [f"{STEPLESS}, so steps are counted"] if self._step_pattern and self._step is None else []
        return [*(self._why_not(name) for name, count in self._counts.items() if not count), *lost]

    def _why_not(self, name: str) -> str:
        pattern = self._patterns[name].pattern
        if name in self._misread:
            return f"the pattern of {name}, '{pattern}', found {self._misread[name]!r}, which is no number"
        return f"the pattern of {name}, '{pattern}', is on no line of its output; the last line is {self._last[:200]!r}"


class Tail:
    """Follows the file at ``path``, which need not be there yet, and hands its lines to ``parser``.

    What stands in it when this is made was said before, by an earlier attempt, and is passed over.
    """

    def __init__(self, path: str | os.PathLike[str], parser: Parser) -> None:
        self._path, self._parser = path, parser
        self._lines = Lines()
        self._fd = -1
        self._over = False
        self._begin = 0
        with suppress(FileNotFoundError):
            self._begin = os.stat(path).st_size  # noqa: PTH116 - the path may be text

    def read(self, limit_bytes: int = CHUNK_BYTES, *, last: bool = False) -> tuple[list[Point], bool]:
        """The points in the next ``limit_bytes`` of the file at most, and whether that was all there is.

        With ``last`` nobody writes any more: once all is read, the last line counts without its end too, and the file
        is closed.
        """
        chunk = self._chunk(limit_bytes)
        all_read = len(chunk) < limit_bytes
        points = points_in(self._lines.feed(chunk, last=last and all_read), self._parser)
        if last and all_read:
            self.close()
        return points, all_read

    def close(self) -> None:
        """Read no more."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._over = -1, True

    def _chunk(self, limit_bytes: int) -> bytes:
        return os.read(self._fd, limit_bytes) if not self._over and self._open() else b""

    def _open(self) -> bool:
        """Whether the file is there."""
        if self._fd < 0:
            with suppress(FileNotFoundError):
                self._fd = os.open(self._path, os.O_RDONLY)
                os.lseek(self._fd, self._begin, os.SEEK_SET)
        return self._fd >= 0


def points_in(lines: Iterable[bytes], parser: Parser) -> list[Point]:
    """All that these lines say, in order."""
    return [point for line in lines for point in parser.points(line)]


def _number(value: Any) -> float:  # noqa: ANN401 - whatever JSON may hold
    """``value`` unless it is no number; raises TypeError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    float(value)  # an integer may be too large for a float
    return value


def _number_in(pattern: re.Pattern[str], text: str) -> float | str | None:
    """The number that ``pattern`` finds in ``text``; what it finds instead of one; None when it finds nothing."""
    found = pattern.search(text)
    if found is None:
        return None
    said = found[found.lastindex or 0] or ""
    try:
        return float(said.strip(PUNCTUATION))
    except ValueError:
        return said
