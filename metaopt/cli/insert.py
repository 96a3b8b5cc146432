"""metaopt insert: queue a point of one's own, to be run next."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser

if TYPE_CHECKING:
    from metaopt.experiment import Experiment

EPILOG = """A value is written as in the experiment file.  What is fixed, or has a default, may be left out.
metaopt insert exp.yaml --help  has the parameters of this experiment."""
NUMBER = re.compile(r"-[\d.].*")


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    if not argv or argv[0].startswith("-"):
        parser = _parser("insert EXPERIMENT --PARAMETER VALUE ...")
        parser.add_argument("experiment", help="the experiment file, YAML; it comes first")
        parser.parse_args([word for word in argv if word in {"-h", "--help"}])
    from metaopt.cli.base import loaded  # noqa: PLC0415 - help needs nothing of this

    experiment = loaded(argv[0])
    parser = _parser(f"insert {argv[0]}")
    parser.add_argument("-a", "--again", action="store_true", help="even if a trial is at this point already")
    for each in experiment.space.parameters:
        about = f"{each.canonical()}{f', when {each.when.canonical()}' if each.when else ''}"
        default = f"; default {experiment.space.defaults[each.name]}" if each.name in experiment.space.defaults else ""
        parser.add_argument(f"--{each.name}", dest=f"_{each.name}", metavar="VALUE", help=_plain(about + default))
    options = vars(parser.parse_args(_joined(argv[1:])))
    typed = {name[1:]: text for name, text in options.items() if name.startswith("_") and text is not None}
    print(_insert(experiment, typed, again=bool(options.get("again"))))  # noqa: T201 - the answer
    return 0


def _insert(experiment: "Experiment", typed: dict[str, str], *, again: bool) -> str:
    """Queue the point; gives what there is to say of it."""
    from metaopt import editing  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import HistoryError, HistoryHeld  # noqa: PLC0415 - the same
    from metaopt.location import Location  # noqa: PLC0415 - the same
    from metaopt.point import point  # noqa: PLC0415 - the same

    params = point(experiment.space, typed)
    try:
        store = Location(experiment.history, experiment.name, experiment.file).open(create=True)
        try:
            number, before = editing.insert(experiment, store, params, again=again)
        finally:
            store.close()
    except HistoryHeld as error:
        hint = "Insert between two runs; a history in MongoDB (history: mongodb://HOST/DATABASE) takes it at any time."
        raise HistoryHeld(error.problem, hint) from error
    except OSError as error:
        problem = f"the history cannot be written: {error.strerror or error}"
        raise HistoryError(problem, "Is its disk, or server, there?  Then the same command again.") from error
    return f"trial {number} will run next{f', after {before} that wait already' if before else ''}"


def _parser(usage: str) -> Parser:
    return Parser(usage, __doc__, EPILOG, "resolve")  # a parameter may be called again, or help; -a and -h stay


def _joined(words: Sequence[str]) -> list[str]:
    """With a negative number joined to its option: argparse would take -1e-4 for one."""
    joined: list[str] = []
    for word in words:
        if joined and NUMBER.fullmatch(word) and joined[-1].startswith("--") and "=" not in joined[-1]:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _plain(text: str) -> str:
    return text.replace("%", "%%")
