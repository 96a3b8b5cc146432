"""The studies at a place: those in a database, or the histories in a directory and two levels below it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metaopt.errors import HistoryError, HistoryMissing, MetaoptError
from metaopt.history import skimmed
from metaopt.location import Location, locate
from metaopt.study import Study
from metaopt.trial import State

DEPTH = 2
SNIFFED_BYTES = 256
_TINYDB = re.compile(rb'\s*\{\s*"_default"\s*:\s*\{\s*"1"\s*:\s*\{\s*"run"\s*:\s*\d+\s*,\s*"seq"\s*:')


@dataclass(frozen=True, slots=True)
class Entry:
    """How the study at ``location`` stands, or the ``trouble`` that it cannot be read; ``written`` is when it last was.

    Of ``total`` trials, ``done`` have ended.  ``best`` says what the best one is worth, and, of several objectives, how
    many are in the Pareto set.
    """

    location: Location
    name: str = ""
    done: int = 0
    total: int | None = None
    states: Mapping[State, int] = field(default_factory=dict)
    best: str = ""
    written: float | None = None
    trouble: str = ""


def entries(where: str) -> Iterator[Entry]:
    """The studies at ``where``, a server's URL, a directory, or what one history can be named by, each when it is read.

    Raises HistoryError when there is no such place.
    """
    location = locate(where)
    if location.on_server and not location.file:
        yield from _on_server(location)
    elif location.path is None or location.file or location.url != where or ":" in where:
        location.open().close()
        yield entry(location)
    else:
        if not location.path.is_dir():
            problem = f"{where}: there is no such directory"
            raise HistoryMissing(problem, "Give a directory with histories in it, or mongodb://HOST/DATABASE.")
        yield from map(entry, below(Path(where)))


def entry(location: Location) -> Entry:
    """How the study at ``location`` stands."""
    try:
        with location.opened() as store:
            past = skimmed(store)
    except MetaoptError as error:
        return Entry(location, location.study, trouble=error.problem)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others are to be listed
        return Entry(location, location.study, trouble=f"it cannot be read: {error!r}")
    if past.study is None:
        return Entry(location, location.study, trouble="it is empty")
    return _entry(location, past.study, max(past.heard.values()))


def _entry(location: Location, study: Study, written: float) -> Entry:
    return Entry(
        location,
        name=str(study.experiment.get("name", location.study)),
        done=len(study.ended),
        total=study.experiment.get("trials"),
        states={state: study.tally[state] for state in State if study.tally[state]},
        best=_best(study),
        written=written,
    )


def _best(study: Study) -> str:
    if study.best is None:
        return ""
    said = study.goals.said(study.best.objectives)
    return f"{said} (1 of {len(study.pareto)})" if study.goals.several else said


def _on_server(location: Location) -> Iterator[Entry]:
    from metaopt.stores.mongodb import studies  # noqa: PLC0415 - only when there is a server

    url, _, chosen = location.url.partition("#")
    try:
        names = [chosen] if chosen else [kept.name for kept in studies(url)]
    except OSError as error:
        raise HistoryError(str(error), "The server was there a moment ago: try again.") from error
    yield from (entry(Location(url, name)) for name in names)


def below(directory: Path, depth: int = DEPTH) -> Iterator[Location]:
    """The histories in ``directory``, and ``depth`` levels below it; in a history none is looked for."""
    try:
        found = url_of(directory)
        inside = [] if found else [(path, path.is_dir()) for path in sorted(directory.iterdir())]
    except OSError:  # not for us to see
        return
    if found:
        yield Location(found)
    for path, is_directory in inside:
        if is_directory and depth and not path.name.startswith("."):
            yield from below(path, depth - 1)
        elif not is_directory and path.suffix in {".json", ".tinydb"} and _is_tinydb(path):
            yield Location(f"tinydb:{path}")


def url_of(directory: Path) -> str:
    """The URL of the history that ``directory`` is, if it is one."""
    if (directory / "journal.jsonl").is_file():
        return str(directory)
    is_leveldb = (directory / "CURRENT").is_file() and any(directory.glob("MANIFEST-*"))
    return f"leveldb:{directory}" if is_leveldb else ""


def _is_tinydb(path: Path) -> bool:
    """Whether the file begins as ours do."""
    try:
        with path.open("rb") as file:
            return bool(_TINYDB.match(file.read(SNIFFED_BYTES)))
    except OSError:
        return False
