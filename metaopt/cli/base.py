"""What the verbs that look at a history share: which one was meant, and how people are told."""

import json
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaopt.errors import HistoryError, HistoryMissing, LaunchError
from metaopt.location import Location, locate, named_here
from metaopt.rerun import described, line
from metaopt.stores.claim import holder
from metaopt.stores.urls import PASSWORD, shown
from metaopt.studies import below, url_of
from metaopt.trial import State, Trial

if TYPE_CHECKING:
    from rich.console import Console

    from metaopt.experiment import Experiment
    from metaopt.history import History

WIDE = 10_000
SILENT = 60.0
"""Seconds: who writes says so every few of them."""
NAMED = 5
"""So many of the histories that are here are named to who has to say which one."""
_SERVER = re.compile(r"mongodb(\+srv)?:", re.IGNORECASE)


def history_at(where: str) -> Location:
    """What was meant by ``where`` on the command line; raises HistoryError, and LaunchError for one with a password."""
    check_no_password(where)
    return locate(where)


def history_named(where: str) -> Location:
    """The same, also by the name of a study here."""
    return history_at(next(iter(named_here(where)), where))


def chosen(where: str | None) -> Location:
    """The history that was meant: ``where``, also the name of a study here, or else the only one that is here.

    Raises HistoryMissing when there is none, or several.
    """
    if where and (":" in where or os.path.lexists(where)):
        return history_at(where)
    here = list(below(Path(), depth=1))
    if where:
        if named := named_here(where):
            return history_at(named[0])
        names = [*(str(path) for path in Path().glob("*.y*ml")), *(each.url for each in here)]
        stems = {Path(name).stem: name for name in names}
        near = get_close_matches(Path(where).stem, stems, n=1)
        problem = f"there is no history {where}"
        hint = f"Did you mean {stems[near[0]]}?" if near else "metaopt list  tells which there are."
        raise HistoryMissing(problem, hint)
    if len(here) == 1:
        return here[0]
    problem = f"there are {len(here)} histories here" if here else "there is no history here"
    if any(below(Path())) and not here:
        problem = "there is no history in this directory, but there is below"
        raise HistoryMissing(problem, "metaopt list  tells which there are.  Say which one, or go to its directory.")
    example = ", ".join(map(str, here[:NAMED])) or "exp.yaml, or its directory or URL"
    more = f" and {len(here) - NAMED} more" if len(here) > NAMED else ""
    raise HistoryMissing(problem, f"Say which one: {example}{more}")


def meant(words: Sequence[str]) -> Sequence[Location]:
    """The histories that were meant by ``words``, each once, or all that are here; raises HistoryMissing for none."""
    found = [chosen(word) for word in words] or list(below(Path(), depth=1)) or [chosen(None)]
    once: dict[object, Location] = {}
    for each in found:
        once.setdefault(str(each) if each.on_server else each.place, each)
    return [*once.values()]


def file_of(word: str) -> str:
    """The experiment file that was meant: ``word``, or that of the study of that name here.

    Raises LaunchError when several say that they are of that study.
    """
    found = [each for each in named_here(word) if each.endswith(".yaml")] or _files_of_study(word)
    if len(found) > 1:
        problem = f"{' and '.join(found)} are both of the study {word}"
        raise LaunchError(problem, "Say which file is meant.")
    return found[0] if found else word


def _files_of_study(name: str) -> list[str]:
    """The experiment files here that say that the study is called so; none where there is something of that name."""
    says = re.compile(rf"""^name:\s+(["']?){re.escape(name)}\1\s*(#.*)?$""".encode(), re.MULTILINE)
    there = [] if not name or "/" in name or os.path.lexists(name) else sorted(Path().glob("*.y*ml"))
    found = []
    for path in there:
        with suppress(OSError):
            found += [str(path)] if path.suffix in {".yaml", ".yml"} and says.search(path.read_bytes()) else []
    return found


def loaded(word: str) -> "Experiment":
    """The experiment that was meant; raises MetaoptError when it cannot be read, or a history was given."""
    from metaopt.experiment import Experiment  # noqa: PLC0415 - few verbs need it

    if os.path.lexists(word) and url_of(Path(word)):
        mine = "".join(f", {each}" for each in _files_of_study(Path(word).name.removesuffix(".history")))
        problem = f"{word} is a history; what is wanted here is the experiment file that has it{mine}"
        raise LaunchError(problem, f"metaopt status {shlex.quote(word)}  tells how it stands.")
    return Experiment.load(file_of(word))


def runnable(word: str) -> "Experiment":
    """The experiment that was meant; raises MetaoptError when it cannot be had, or its optimizer cannot be made."""
    from metaopt.plugins import make  # noqa: PLC0415 - few verbs need it

    experiment = loaded(word)
    make("optimizer", experiment.optimizer, experiment.space, experiment.seed)
    return experiment


def is_here(where: str) -> bool:
    """Whether ``where`` is a history for ``chosen``, and not a mistyped word."""
    return ":" in where or os.path.lexists(where) or bool(named_here(where))


def unless_there(file: Path, *, force: bool) -> None:
    """Raise LaunchError when ``file`` is there, unless it is to be replaced; HistoryError when its directory is not."""
    if os.path.lexists(file) and not force:
        problem = f"{file} is there already"
        raise LaunchError(problem, "Choose another name, -o FILE, or add --force to replace it.")
    try:
        os.stat(f"{file.parent}/")  # noqa: PTH116 - the slash refuses a file
    except OSError as error:  # before the work is done
        raise _unwritten(file, error) from error


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """What is written to the path that this gives is ``file`` in the end, whole or not at all.

    Raises HistoryError when it cannot be written.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        yield part
        part.replace(file)
    except OSError as error:
        raise _unwritten(file, error) from error
    finally:
        with suppress(OSError):
            part.unlink()


def _unwritten(file: Path, error: OSError) -> HistoryError:
    problem = f"{file} cannot be written: {error.strerror or error}"
    return HistoryError(problem, "Choose another place: -o FILE")


def claim_of(location: Location) -> Path | None:
    """The file that says who writes to the history at ``location``; None where there is no such file."""
    path = location.path
    if path is None or location.url == "memory:":
        return None
    return path.with_name(f"{path.name}.writer") if location.url.startswith("tinydb:") else path / "writer"


def writer_of(location: Location) -> Mapping[str, Any]:
    """Who writes to it, as far as that can be seen; one on another host that has not said so for long does no more."""
    path = claim_of(location)
    who = {} if path is None else holder(path)
    silent = path is not None and who and not who["here"] and time.time() - path.stat().st_mtime > SILENT
    return {} if silent else who


def files_of(location: Location, about: Mapping[str, Any], trial: int) -> Path:
    """The directory of a trial's files, for an experiment described as ``about``."""
    at_home = location.path is not None and ":" not in location.url
    home = location.path if at_home else Path(str(about.get("directory", ".")), f"{about.get('name')}.files")
    return Path(home or ".", "trials", str(trial))


def line_of(location: Location, about: Mapping[str, Any], trial: Trial) -> str:
    """What to type, anywhere, to run ``trial`` again by hand, as it was; its arguments alone where it was imported."""
    own, where = described(trial, about), str(files_of(location, about, trial.number))
    typed, directory = line(own, trial.number, trial.params, where), str(about.get("directory", "."))
    here = "imported" in own or Path(directory).resolve() == Path.cwd()
    return typed if here else f"cd {shlex.quote(directory)} && {typed}"


def best_of(history: "History") -> tuple[Trial | None, str]:
    """The best trial, as the end of a run has it, and what is said before its number: that it is by the model, if so.

    numpy is loaded only where the experiment says ``best: model``.
    """
    if history.best is None or history.experiment.get("best") != "model":
        return history.best, ""
    from metaopt.devices.cpu import one_thread  # noqa: PLC0415 - only for numpy

    one_thread()
    return history.best_by_model(), "by the model's mean: "


def as_json(document: object) -> str:
    """``document`` for a program; numbers that are not finite as text."""
    return json.dumps(_finite(document), ensure_ascii=False, indent=2)


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def check_no_password(where: str) -> None:
    """Raise LaunchError when ``where`` has a password in it, which everybody on this host sees."""
    if _SERVER.match(where) and shown(where) != where:
        problem = f"{shown(where)}: a password on a command line is seen by everybody on this host (ps shows it)"
        hint = f"Leave it out of the URL (mongodb://USER@HOST/DATABASE) and set {PASSWORD}, or {PASSWORD}_FILE."
        raise LaunchError(problem, hint)


@contextmanager
def output() -> Iterator[None]:
    """Whoever reads our output may stop reading (``| head``): that ends it, and is no error.

    Raises LaunchError when it cannot be written for another reason, as on a full disk.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it ends
        if not isinstance(error, BrokenPipeError):
            problem = f"the output cannot be written: {error.strerror or error}"
            raise LaunchError(problem, "Nothing else was to be done: write it elsewhere.") from error


def tally(states: Mapping[State, int]) -> str:
    """How many trials are in which state: those states that there are."""
    return ", ".join(f"{states[state]} {state}" for state in State if states.get(state))


def say(line: str) -> None:
    """A line of output."""
    print(line)  # noqa: T201 - what was asked for goes to stdout


def wide_console() -> "Console":
    """As wide as the terminal; where there is none, as what is printed."""
    from rich.console import Console  # noqa: PLC0415 - most verbs print plain lines

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=WIDE)


def clock(seconds: float | None) -> str:
    """A time, for people, in this host's time zone."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


@contextmanager
def spinner(patience: float = 1.0) -> Iterator["Spinner"]:
    """What is being done, in a terminal, once it has lasted for ``patience`` seconds."""
    made = Spinner(patience)
    try:
        yield made
    finally:
        made.close()


class Spinner:
    """Says on stderr what is being done; call it with that, and with how much of it is done."""

    def __init__(self, patience: float) -> None:
        from rich.console import Console  # noqa: PLC0415 - most verbs have none

        self._console = Console(stderr=True)
        self._shown_from = time.monotonic() + patience
        self._status = self._console.status("")
        self._started = False

    def __call__(self, doing: str, count: int, what: str = "records") -> None:
        """So many are done of ``what`` there is to be done."""
        if not self._console.is_terminal or time.monotonic() < self._shown_from:
            return
        if not self._started:
            self._started = True
            self._status.start()
        from rich.text import Text  # noqa: PLC0415 - the same

        self._status.update(Text(f"{doing}: {count:,} {what}"))

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._started:
            self._status.stop()
