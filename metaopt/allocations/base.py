"""What a batch scheduler gave this job, and until when."""

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PATIENCE = 10.0  # seconds; a busy site's scheduler may not answer at all
HINT = "Trials may be cut off at its end: set METAOPT_DEADLINE (seconds since the epoch), or --walltime."

Run = Callable[[Sequence[str]], str]
"""A command to what it prints; raises OSError or subprocess.SubprocessError."""

Parse = Callable[[str, float], float | None]
"""What a scheduler answers, and the present time, to a deadline; None for no limit.  Raises ValueError."""

_CLOCK = re.compile(r"(?:(?:(?P<days>\d+)-(?=\d+:\d+:))?(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d\d)")


@dataclass(frozen=True, slots=True)
class Allocation:
    """Job ``job`` of ``scheduler``.

    ``deadline`` is when it ends, in seconds since the epoch; None when no end is known.  ``doubt`` says why it could
    not be found out.
    """

    scheduler: str
    job: str
    deadline: float | None
    doubt: str = ""


def run(command: Sequence[str], timeout: float = PATIENCE) -> str:
    """What ``command`` prints."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=timeout, errors="replace"
    )
    return done.stdout


def ask(scheduler: str, job: str, command: Sequence[str], *, parse: Parse, run: Run, now: float) -> Allocation:
    """The allocation of ``job``, whose end ``command`` prints for ``parse`` to read; what goes wrong is its doubt."""
    try:
        deadline = parse(run(command), now)
    except (OSError, subprocess.SubprocessError, ValueError, OverflowError) as error:
        problem = _said(error)
    else:
        if deadline is None or deadline >= now:
            return Allocation(scheduler, job, deadline)
        problem = f"it has ended {now - deadline:.0f} s ago, by that and this host's clock"
    doubt = f"when job {job} ends is not known.  Asked: {shlex.join(command)}  Answer: {problem}.  {HINT}"
    return Allocation(scheduler, job, None, doubt)


def _said(error: Exception) -> str:
    match error:
        case subprocess.TimeoutExpired():
            return f"none within {error.timeout:g} s"
        case subprocess.CalledProcessError():
            return f"exit status {error.returncode}, {excerpt(error.stderr or '')}"
        case _:
            return str(error)


def excerpt(text: str) -> str:
    """So much of ``text`` as fits into a message."""
    return repr(text.strip()[:100])


def seconds_of(text: str) -> float:
    """Seconds from ``D-HH:MM:SS``, ``HH:MM:SS`` or ``MM:SS``; raises ValueError for others."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        problem = f"{excerpt(text)} is no duration"
        raise ValueError(problem)
    days, hours, minutes, seconds = (float(part or 0) for part in found.group("days", "hours", "minutes", "seconds"))
    return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def local_time(text: str, layout: str) -> float:
    """Seconds since the epoch from a time of this host's zone, laid out as for strptime; raises ValueError."""
    return time.mktime(time.strptime(text, layout))
