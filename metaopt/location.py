"""Where a history is, as a person says it: a URL, a directory, or the experiment file that names it."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.errors import HistoryError, HistoryMissing
from metaopt.keys import KEYS
from metaopt.stores import Store, open_store
from metaopt.stores.urls import parse, shown

if TYPE_CHECKING:
    from metaopt.yamlfile import YamlFile

_SCHEME = re.compile(r"[A-Za-z][\w+.-]+:")  # memory:, mongodb://..., and what is none of a store's
_NAME = re.compile(r"\w[\w.+-]*")
_LOCAL, _SERVERS = frozenset({"leveldb", "tinydb"}), frozenset({"mongodb", "mongodb+srv"})


@dataclass(frozen=True, slots=True)
class Location:
    """Where a history is: what ``open_store`` takes as ``url`` and ``study``, and the experiment ``file`` that says so.

    ``file`` is empty when it was not an experiment file that was given.
    """

    url: str
    study: str = ""
    file: str = ""

    def __str__(self) -> str:
        study = f"#{self.study}" if self.study and self.on_server and "#" not in self.url else ""
        return shown(self.url) + study

    @property
    def on_server(self) -> bool:
        """Whether it is one of many on a server."""
        return self.url.partition(":")[0] in _SERVERS

    @property
    def path(self) -> Path | None:
        """The directory or file that it is; None on a server."""
        scheme, _, rest = self.url.partition(":")
        return None if self.on_server else Path(rest if scheme in _LOCAL else self.url).resolve()

    @property
    def place(self) -> tuple[str, ...]:
        """The same for two locations of one history."""
        if self.on_server:
            address = parse(self.url)
            return address.hosts, address.database, address.study or self.study
        return (str(self.path),)

    @property
    def beginning(self) -> str:
        """What to do to have a history there."""
        return f"metaopt run {shlex.quote(self.file)}  begins it." if self.file else "No run has begun to write to it."

    def named(self, study: str) -> "Location":
        """The same with ``study``, unless one is named already."""
        return self if self.study else replace(self, study=study)

    def open(self, *, create: bool = False) -> Store:
        """Its store; raises HistoryMissing when there is none (unless ``create``), HistoryError when none can be."""
        if self.url == "memory:":
            problem = f"{self.file or 'this'} has its history in memory: only, where it ends with its run"
            raise HistoryError(problem, "Write history: DIRECTORY, or leave it out, in the experiment file.")
        try:
            return open_store(self.url, create=create, study=self.study)
        except HistoryMissing as error:
            if not self.file:
                raise
            problem = f"{self.file} has not been run yet: {error.problem}"
            raise HistoryMissing(problem, self.beginning) from None

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """Its store, to be read in the body; what the disk or the server refuses becomes a HistoryError."""
        try:
            store = self.open()
            try:
                yield store
            finally:
                store.close()
        except OSError as error:
            problem = f"{self} cannot be read: {error.strerror or error}"
            raise HistoryError(
                problem, "Nothing was changed.  May you read it; is its disk, or server, there?"
            ) from error


def named_here(study: str) -> list[str]:
    """What there is of the name of a study, in the working directory: its experiment file, then its history."""
    if ":" in study or os.path.lexists(study):
        return []
    return [each for each in (f"{study}.yaml", f"{study}.history") if os.path.lexists(each)]


def locate(where: str | os.PathLike[str], study: str = "") -> Location:
    """The history that ``where`` says: a URL, a directory, or an experiment file (.yaml, .yml).

    Raises ExperimentError when there is no such file, or it does not say where.
    """
    text = os.fspath(where)
    if _SCHEME.match(text):
        return Location(text, study)
    path = Path(text)
    try:
        is_directory, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        problem = f"{text} cannot be looked at: {error.strerror}"
        raise HistoryError(problem, "Is the name right, and may you read the directories above it?") from error
    if path.suffix in {".yaml", ".yml"} and not is_directory:
        from metaopt.yamlfile import YamlFile  # noqa: PLC0415 - who gives no file loads no YAML

        file = YamlFile.read(text)
        name = written_name(file)
        return Location(written_history(file, name), study or name, file.file)
    if is_file:
        problem = f"{text} is a file; a history is a directory, or tinydb:FILE"
        inside = path.name == "journal.jsonl"
        raise HistoryError(problem, f"Give {path.parent}" if inside else "An experiment file ends with .yaml or .yml.")
    return Location(text, study)


def written_name(file: "YamlFile") -> str:
    """The study's name, as the experiment ``file`` has it; raises ExperimentError."""
    name = file.get("name")
    if not file.has("name"):
        file.refuse("name", "it is missing", f"Add a line: name: {KEYS['name'].example}")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problem = f"{'nothing' if name is None else repr(name)} is no name"
        file.refuse("name", problem, "Use letters, digits, _ . + and -; a number in quotes: '7'.")
    return name


def written_history(file: "YamlFile", name: str) -> str:
    """Where the experiment ``file`` has its history: an absolute path, or a URL.

    Paths are from the file's own directory on.  Raises ExperimentError.
    """
    default = f"{name}.history"
    written = file.get("history") if file.has("history") else default
    if not isinstance(written, str) or not written:
        said = "nothing" if written is None else str(written).lower() if isinstance(written, bool) else repr(written)
        file.refuse("history", f"{said} is no directory", f"Write history: {default}")
    scheme, colon, rest = written.partition(":")
    if colon and scheme in _LOCAL and rest:
        return f"{scheme}:{_beside(file, rest)}"
    return written if _SCHEME.match(written) else _beside(file, written)


def _beside(file: "YamlFile", path: str) -> str:
    home = str(Path(path).expanduser()) if path.startswith("~/") else path
    return str(Path(Path(file.file).absolute().parent, home))
