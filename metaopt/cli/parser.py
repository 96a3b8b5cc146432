"""Command lines, parsed: a wrong option names the one that was meant."""

import argparse
import re
from difflib import get_close_matches
from typing import NoReturn

HISTORY = "the experiment file, its directory or URL, or the study's name; default: "


class Parser(argparse.ArgumentParser):
    """For a verb; its description is laid out as it is written."""

    def __init__(self, prog: str, description: str | None, epilog: str = "", conflicts: str = "error") -> None:
        super().__init__(
            prog=f"metaopt {prog}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            conflict_handler=conflicts,
        )

    @property
    def takes_one(self) -> bool:
        """Whether its only argument is a history."""
        return [action.dest for action in self._actions if not action.option_strings] == ["history"]

    @property
    def flags(self) -> list[str]:
        """The long options."""
        return sorted(flag for flag in self._option_string_actions if flag.startswith("--"))

    @property
    def valued(self) -> set[str]:
        """The options that have a value."""
        return {flag for flag, action in self._option_string_actions.items() if action.nargs != 0}

    def _known(self) -> set[str]:
        """Its options, and those of its verbs."""
        known = set(self._option_string_actions)
        verbs = [action.choices for action in self._actions if isinstance(action.choices, dict)]
        return known.union(*(each._known() for choices in verbs for each in choices.values()))  # noqa: SLF001 - one of these

    def error(self, message: str) -> NoReturn:
        """Say it, with the nearest option or word for an unknown one, and what to type for one study too many."""
        chosen = re.search("invalid choice: '(.*?)'", message)
        word = message.partition("unrecognized arguments: ")[2].split(" ")[0].partition("=")[0]
        known = self._known()
        near = get_close_matches(word, known, n=1) if word.startswith("-") else [f"--{word}"] * (f"--{word}" in known)
        if chosen:
            choices = (str(each) for action in self._actions for each in action.choices or ())
            near = get_close_matches(chosen[1], choices, n=1)
        hint = f"\n  Did you mean {near[0]}?" if near else ""
        if self.takes_one and word and not word.startswith("-"):
            hint = f"\n  It is of one study.  Type, besides:  {self.prog} {word}"
        super().error(f"{message}{hint}")


class Subparser(Parser):
    """The same for a verb of a verb, as argparse makes them."""

    def __init__(self, prog: str, description: str, **_: object) -> None:
        super().__init__(prog.removeprefix("metaopt "), description)


def of_a_history(prog: str, description: str | None, epilog: str = "") -> Parser:
    """For a verb whose first argument says which history is meant."""
    made = Parser(prog, description, epilog)
    made.add_argument("history", nargs="?", help=f"{HISTORY}the only one here")
    return made


def of_histories(prog: str, description: str | None, epilog: str = "") -> Parser:
    """For a verb whose arguments say which histories are meant."""
    made = Parser(prog, description, epilog)
    made.add_argument("histories", nargs="*", metavar="history", help=f"{HISTORY}all that are here")
    return made


def positive(text: str, least: int = 1) -> int:
    """A whole number from 1 on, or from ``least`` on."""
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        problem = f"a whole number from {least} on, not {text}"
        raise argparse.ArgumentTypeError(problem)
    return int(text)


def natural(text: str) -> int:
    """A whole number from 0 on."""
    return positive(text, 0)


def seconds(text: str) -> float:
    """A duration."""
    from metaopt.scalars import duration  # noqa: PLC0415 - help needs nothing of this

    found = duration(text)
    if not found:
        problem = f"90 (seconds), 10m, 2h, 1d or 1:30:00, not {text}"
        raise argparse.ArgumentTypeError(problem)
    return found


def above_zero(text: str, what: str = "a number above 0") -> float:
    """A positive number."""
    try:
        given = float(text)
    except ValueError:
        given = 0.0
    if not 0 < given < float("inf"):
        problem = f"{what}, not {text}"
        raise argparse.ArgumentTypeError(problem)
    return given


def hours(text: str) -> float:
    """A positive number of hours, as seconds."""
    return 3600 * above_zero(text, "a number of hours")
