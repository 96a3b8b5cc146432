"""What the verbs that look at a history share: which one was meant, and how people are told."""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper

from rich.console import Console
from rich.text import Text

from metaopt.errors import LaunchError
from metaopt.location import Location, locate
from metaopt.stores.urls import PASSWORD, shown
from metaopt.trial import State

WIDE = 10_000
_SERVER = re.compile(r"mongodb(\+srv)?:", re.IGNORECASE)


def history_at(where: str) -> Location:
    """What was meant by ``where`` on the command line; raises HistoryError, and LaunchError for one with a password."""
    check_no_password(where)
    return locate(where)


def check_no_password(where: str) -> None:
    """Raise LaunchError when ``where`` has a password in it, which everybody on this host sees."""
    if _SERVER.match(where) and shown(where) != where:
        problem = f"{shown(where)}: a password on a command line is seen by everybody on this host (ps shows it)"
        hint = f"Leave it out of the URL (mongodb://USER@HOST/DATABASE) and set {PASSWORD}, or {PASSWORD}_FILE."
        raise LaunchError(problem, hint)


@contextmanager
def output() -> Iterator[None]:
    """Whoever reads our output may stop reading (``| head``): that ends it, and is no error."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it ends


def tally(states: Mapping[State, int]) -> str:
    """How many trials are in which state: those states that there are."""
    return ", ".join(f"{states[state]} {state}" for state in State if states.get(state))


def say(line: str) -> None:
    """A line of output."""
    print(line)  # noqa: T201 - what was asked for goes to stdout


def wide_console() -> Console:
    """As wide as the terminal; where there is none, as what is printed."""
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
        self._status.update(Text(f"{doing}: {count:,} {what}"))

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._started:
            self._status.stop()
