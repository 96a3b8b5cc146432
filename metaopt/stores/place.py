"""The directory in which a history lies: made, found writable, and its entries on disk."""

import os
import shlex
from pathlib import Path

from metaopt.errors import HistoryError

HINT = "Choose another directory as history:, or mend its permissions."


def make(directory: Path) -> None:
    """Make ``directory`` where its parent is; raises HistoryError when it cannot be made or written to.

    What is above it is not made: who has mistyped a path wants to hear of it before the results are there.
    """
    try:
        directory.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        problem = f"{directory}: the history's directory cannot be made: there is no {directory.parent}"
        raise HistoryError(problem, f"Correct history:, or  mkdir -p {shlex.quote(str(directory.parent))}") from error
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
