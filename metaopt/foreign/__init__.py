"""Studies that other programs have kept, read without these programs; ``opened`` finds out which one a file is of."""

from importlib import import_module
from pathlib import Path

from metaopt.errors import HistoryError, HistoryMissing
from metaopt.foreign.base import Kept

KNOWN = "Known are what Optuna keeps (SQLite, or a journal file) and what orion db dump writes."
_READERS = {
    b"SQLite format 3\0": "metaopt.foreign.optunadb",
    b"{": "metaopt.foreign.optunalog",
    b"\x80": "metaopt.foreign.oriondump",
}
"""By how a file of theirs begins."""


def opened(where: str) -> tuple[Kept, str]:
    """What is kept at ``where``, FILE or FILE#STUDY or sqlite:///FILE, and the study that this names, if it does.

    Raises HistoryMissing when there is no such file, HistoryError when it is none of theirs.
    """
    path, study = _parts(where)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        problem = f"there is no file {path}"
        raise HistoryMissing(problem, KNOWN) from None
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
        raise HistoryError(problem, KNOWN) from None
    for magic, module in _READERS.items():
        if start.startswith(magic):
            kept: Kept = import_module(module).read(path)
            return kept, study
    problem = f"{path} is empty" if not start else f"{path} is no storage of Optuna, and no dump of Oríon"
    raise HistoryError(problem, KNOWN)


def _parts(where: str) -> tuple[Path, str]:
    """The file, and the name of the study."""
    scheme, separator, rest = where.partition("://")
    if separator and scheme.partition("+")[0] != "sqlite":
        problem = f"{scheme}: databases on a server are not read"
        hint = "Copy it to a file first: optuna.copy_study() to sqlite:///FILE, or orion db dump -o FILE"
        raise HistoryError(problem, hint)
    text = rest.removeprefix("/") if separator else where
    if Path(text).exists() or "#" not in text:
        return Path(text), ""
    file, _, study = text.partition("#")
    return Path(file), study
