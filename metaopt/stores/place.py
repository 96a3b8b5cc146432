"""The directory in which a history lies: made, found writable, and its entries on disk."""

import os
import shlex
from pathlib import Path

from metaopt.errors import HistoryError

HINT = "Choose another directory as history:, or mend its permissions."


def check(directory: Path) -> None:
    """Raise HistoryError when ``make`` would, as far as can be seen; nothing is made."""
    file = next((path for path in (directory, directory.parent) if path.exists() and not path.is_dir()), None)
    if file is not None:
        problem = f"{directory}: the history's directory cannot be made: {file} is a file"
        raise HistoryError(problem, HINT)
    if not directory.parent.exists():
        problem = f"{directory}: the history's directory cannot be made: there is no {directory.parent}"
        raise HistoryError(problem, f"Correct history:, or  mkdir -p {shlex.quote(str(directory.parent))}")


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
    if not os.access(directory, os.W_OK):
        problem = f"{directory}: the history's directory is not writable"
        raise HistoryError(problem, HINT)


def sync(directory: Path) -> None:
    """See to it that the files made or renamed in ``directory`` are found there after a power failure."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
