"""The directory in which a history lies: made, found writable, and its entries on disk."""

import os
from pathlib import Path

from metaopt.errors import HistoryError

HINT = "Choose another directory as history:, or mend its permissions."


def make(directory: Path) -> None:
    """Make ``directory`` and those above it; raises HistoryError when it cannot be made or written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
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
