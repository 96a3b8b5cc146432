"""The directory in which a history lies: made, found writable, and its entries on disk."""

import os
import shlex
from pathlib import Path

from metaopt.errors import HistoryError

HINT = "Choose another directory as history:, or mend its permissions."


def check(directory: Path) -> None:
    """Raise HistoryError when ``make`` would, as far as can be seen; nothing is made."""
    said = f"{directory}: the history's directory cannot be made"
    try:
        there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
        is_file = not there.is_dir()
    except OSError as error:
        problem = f"{said}: {error.strerror}"
        raise HistoryError(problem, HINT) from error
    if is_file:
        problem = f"{said}: {there} is a file"
        raise HistoryError(problem, HINT)
    if there not in {directory, directory.absolute().parent}:
        problem = f"{said}: there is no {directory.parent}"
        raise HistoryError(problem, f"Correct history:, or  mkdir -p {shlex.quote(str(directory.parent))}")
    if not os.access(there, os.W_OK):
        what = f"{directory}: the history's directory" if there == directory else f"{said}: {there}"
        problem = f"{what} is not writable"
        raise HistoryError(problem, HINT)


def make(directory: Path) -> None:
    """Make ``directory`` where its parent is; raises HistoryError when it cannot be made or written to.

    What is above it is not made: who has mistyped a path wants to hear of it before the results are there.
    """
    check(directory)
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        problem = f"{directory}: the history's directory cannot be made: {error.strerror}"
        raise HistoryError(problem, HINT) from error


def sync(directory: Path) -> None:
    """See to it that the files made or renamed in ``directory`` are found there after a power failure."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
