"""The queue of one person's experiments, on disk: a directory that nobody else may look into.

    17.json      what was submitted; written by who submits, and without its environment by who ends it
    17.standing  how it stands; written by who runs it
    17.cancel    it is wanted no more; made by who cancels it
    order        which are to begin before the others, by their numbers
    last         the highest number of those that are gone; written by who takes them out
    daemon       who runs them: a claim, as on a history

Each kind of file has one kind of writer at a time, and is there as a whole or not at all; so nobody needs locks.
"""

import errno
import json
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from metaopt.errors import HistoryHeld, QueueError
from metaopt.experiment import Experiment
from metaopt.stores.claim import Claim, holder
from metaopt.yamlfile import YamlFile

PLACE = "METAOPT_QUEUE"
"""Names the queue's directory."""
KEPT = 50
"""So many that have ended stay in the list."""
SILENT = 120.0
"""Seconds after which one of another host is taken to be gone that has not renewed its claim."""
NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
"""What file systems say that have no hard links: exFAT, some of FUSE's, some of those under containers."""
_NUMBER = re.compile(r"(\d+)\.json", re.ASCII)
_MINE = 0o700


class Standing(StrEnum):
    """How an experiment in the queue stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


OPEN = {Standing.WAITING, Standing.RUNNING}


@dataclass(frozen=True, slots=True)
class Submitted:
    """An experiment as it was submitted: the ``text`` of its ``file`` then, its name and where its history is.

    Of those that run at once each has a share by its ``weight``.  Its scripts have the ``environment`` of who has
    submitted it, by this ``python``; it is forgotten when it has ended.  ``keep`` and ``allow_cpu`` are what ``metaopt
    run`` calls --space-changed=keep and --allow-cpu; ``time`` is seconds since the epoch.
    """

    file: str
    text: str
    name: str
    history: str
    weight: float
    environment: Mapping[str, str]
    keep: bool
    allow_cpu: bool
    time: float
    python: str = ""

    def experiment(self) -> Experiment:
        """What it says; raises ExperimentError."""
        return Experiment.of(YamlFile.parse(self.file, self.text), self.environment.get("PATH"))


@dataclass(frozen=True, slots=True)
class Entry:
    """An experiment in the queue, by its ``number``: how it stands since when, and why.

    ``cancelled`` is what is to end, or never to begin; ``what`` is None for a file that cannot be read.
    """

    number: int
    what: Submitted | None
    standing: Standing = Standing.WAITING
    why: str = ""
    since: float | None = None
    cancelled: bool = False

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self.standing in OPEN


class Spool:
    """The queue at ``path``.  Raises QueueError when others own it, or may look into it, or it cannot be had."""

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(mode=_MINE, parents=True, exist_ok=True)
            self.path = path.resolve(strict=True)  # a link might be turned elsewhere later
        except OSError as error:
            problem = f"the queue cannot be kept in {path}: {error.strerror or error}"
            raise QueueError(problem, f"Name another directory: --queue DIR, or {PLACE}=DIR") from error
        self._check()

    def _check(self) -> None:
        """Raise QueueError when it is not, or no more, mine alone: what is in it is run."""
        path, found = self.path, self.path.lstat()
        if found.st_uid != os.geteuid():
            problem = f"the queue {path} belongs to user {found.st_uid}, and this is user {os.geteuid()}"
            raise QueueError(problem, f"Each user has a queue of their own: --queue DIR, or {PLACE}=DIR")
        if stat.S_IMODE(found.st_mode) & ~_MINE:
            problem = f"others may look into the queue {path}: its mode is {stat.S_IMODE(found.st_mode):o}"
            raise QueueError(problem, f"What is in it is run as you.  If you know all of it:  chmod 700 {path}")

    def submit(self, what: Submitted) -> int:
        """Put it in, last; gives its number.  Raises QueueError when its study is there already."""
        for entry in self.entries():
            if entry.open and _is_same(entry.what, what):
                problem = f"{what.name} is in the queue already, as {entry.number}, with the history {what.history}"
                hint = f"metaopt queue --cancel {entry.number}  takes it out; another study needs another name:."
                raise QueueError(problem, hint)
        part = self._write(f".submitted.{os.getpid()}", asdict(what))
        try:
            number = max(max(self._numbers(), default=0), self._last()) + 1
            while not _moved(part, self.path / f"{number}.json"):
                number += 1
        except OSError as error:
            raise self._unwritten(error) from error
        else:
            return number
        finally:
            part.unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """All that are in it: those that have not ended in the order in which they are to begin, before the others."""
        self._check()
        put = self._order()
        ranks = {number: rank for rank, number in enumerate(put)}
        found = [entry for number in sorted(self._numbers()) if (entry := self._found(number)) is not None]
        return sorted(found, key=lambda entry: (not entry.open, ranks.get(entry.number, len(put)) if entry.open else 0))

    def entry(self, number: int) -> Entry:
        """One of them; raises QueueError when there is none of that number."""
        if (entry := self._found(number)) is not None:
            return entry
        there = ", ".join(map(str, sorted(self._numbers()))) or "none at all"
        problem = f"there is no {number} in the queue {self.path}"
        raise QueueError(problem, f"There are: {there}")

    def _found(self, number: int) -> Entry | None:
        """The same, or None; who takes it out meanwhile takes what was submitted first, so that is read last."""
        cancelled = (self.path / f"{number}.cancel").exists()
        standing, why, since = self._standing(number)
        try:
            what = Submitted(**json.loads((self.path / f"{number}.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            return Entry(number, None, Standing.REFUSED, f"{number}.json cannot be read: {error}")
        if standing is Standing.RUNNING and not self.daemon():
            standing = Standing.WAITING  # who ran it was killed
        if standing is Standing.WAITING and cancelled:
            standing = Standing.CANCELLED
        return Entry(number, what, standing, why, since, cancelled)

    def note(self, number: int, standing: Standing, why: str = "") -> None:
        """Write down how one stands now; of those that have ended, only the last ones are kept."""
        self._write(f"{number}.standing", {"standing": standing, "why": why, "since": time.time()})
        if standing in OPEN:
            return
        ended = sorted(
            (e for e in self.entries() if not e.open and e.what is not None),
            key=lambda entry: (entry.since or 0, entry.number),
        )
        for entry in ended:
            self._forget(entry)
        if gone := [entry.number for entry in ended[:-KEPT]]:
            self._write("last", max(*gone, self._last()))
        for each in gone:
            for suffix in ("json", "standing", "cancel"):
                (self.path / f"{each}.{suffix}").unlink(missing_ok=True)

    def _forget(self, entry: Entry) -> None:
        """Its variables, some of which may be secret, are of no use any more."""
        if entry.what is not None and entry.what.environment:
            self._write(f"{entry.number}.json", {**asdict(entry.what), "environment": {}})

    def cancel(self, number: int) -> Entry:
        """Have one ended, or never begun; gives how it stood.  Raises QueueError when it has ended."""
        entry = self.entry(number)
        if not entry.open:
            problem = f"{number} has ended: {entry.standing}"
            raise QueueError(problem, "metaopt queue  lists those that have not.")
        (self.path / f"{number}.cancel").touch()
        if entry.standing is Standing.WAITING:
            self._forget(entry)
        return entry

    def put_first(self, number: int, before: int | None = None) -> None:
        """Have one begin before another one, or before all; raises QueueError for one that does not wait."""
        for each in (number, *([] if before is None else [before])):
            if (standing := self.entry(each).standing) is not Standing.WAITING:
                problem = f"{each} does not wait: it is {standing}"
                raise QueueError(problem, "Only those that wait have an order: metaopt queue  lists them.")
        order = [entry.number for entry in self.entries() if entry.open and entry.number != number]
        order.insert(order.index(before) if before in order else 0, number)
        self._write("order", order)

    def daemon(self) -> Mapping[str, Any]:
        """Who runs what is in it: host, pid, since, and whether that is ``here``; nothing when nobody seems to."""
        who = holder(self.path / "daemon")
        with suppress(OSError):
            if who and not who["here"] and time.time() - (self.path / "daemon").stat().st_mtime > SILENT:
                return {}
        return who

    def take(self) -> Claim:
        """The right to run what is in it; raises QueueError when somebody else has it."""
        try:
            return Claim(self.path / "daemon", history=self.path)
        except OSError as error:
            problem = f"the queue {self.path} cannot be written: {error.strerror or error}"
            raise QueueError(problem, "Is its disk full, or gone?") from error
        except HistoryHeld:
            who = self.daemon()
            problem = f"metaoptd runs already: process {who.get('pid')} on {who.get('host')} since {who.get('since')}"
            raise QueueError(
                problem, f"It takes what is submitted.  For another queue:  {PLACE}=DIR metaoptd"
            ) from None

    def stamp(self) -> int:
        """Another number after each change, where the file system's clock is fine enough."""
        return self.path.stat().st_mtime_ns

    def _numbers(self) -> Iterator[int]:
        return (int(found[1]) for path in self.path.iterdir() if (found := _NUMBER.fullmatch(path.name)))

    def _order(self) -> list[int]:
        try:
            order = json.loads((self.path / "order").read_text(encoding="utf-8"))
            return [int(number) for number in order]
        except (OSError, ValueError, TypeError):
            return []

    def _last(self) -> int:
        """The highest number of those that are gone; to be read after the numbers of those that are there."""
        try:
            return int(json.loads((self.path / "last").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return 0

    def _standing(self, number: int) -> tuple[Standing, str, float | None]:
        try:
            said = json.loads((self.path / f"{number}.standing").read_text(encoding="utf-8"))
            return Standing(said["standing"]), str(said["why"]), float(said["since"])
        except (OSError, ValueError, TypeError, KeyError):
            return Standing.WAITING, "", None

    def _write(self, name: str, document: object) -> Path:
        """All of it or nothing, and on disk when this returns; raises QueueError."""
        path, part = self.path / name, self.path / f".{name}.{os.getpid()}.part"
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise self._unwritten(error) from error
        return path

    def _unwritten(self, error: OSError) -> QueueError:
        problem = f"the queue {self.path} cannot be written: {error.strerror or error}"
        return QueueError(problem, "Nothing of it is lost; once it can, the same command again.")


def _moved(part: Path, path: Path) -> bool:
    """Have ``part`` there under this name, unless that is taken; whether it is."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return _renamed(part, path)
    return True


def _renamed(part: Path, path: Path) -> bool:
    """The same without hard links: a rename, which would replace what is there, by one at a time for this name."""
    mark = path.with_name(f".{path.name}.taken")
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    try:
        if free := not path.exists():
            part.rename(path)
    finally:
        mark.unlink()
    return free


def _is_same(one: Submitted | None, other: Submitted) -> bool:
    """Whether both go on with one study."""
    there = one is not None and (one.history, one.name) == (other.history, other.name)
    return there and other.history != "memory:"


def place(named: str | None, environ: Mapping[str, str]) -> Path:
    """Where the queue is: the directory that was ``named``, else in the environment, else in the home directory."""
    return Path(named or environ.get(PLACE) or Path.home() / ".metaopt" / "queue").expanduser().absolute()
