"""metaopt report: all that is worth keeping of a study, as one web page that needs no network."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser, of_a_history

if TYPE_CHECKING:
    from metaopt.location import Location

EPILOG = """  metaopt report exp.yaml                  # of the study digits: writes digits.report.html
  metaopt report exp.yaml -o digits.html --force

The best trials, all figures (see metaopt plot), the failures, the experiment, the versions.  Also of a run in progress.
Needs matplotlib: pip install matplotlib."""


def parser() -> Parser:
    """Its command line."""
    made = of_a_history("report", __doc__, EPILOG)
    made.add_argument("-o", "--output", metavar="FILE", help="default: STUDY.report.html")
    made.add_argument("--force", action="store_true", help="replace FILE if it is there")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import chosen, line_of, output, say, unless_there, whole  # noqa: PLC0415 - help needs no such
    from metaopt.devices.cpu import one_thread  # noqa: PLC0415 - the same

    location = chosen(options.history)
    file = Path(options.output or f"{_name(location)}.report.html")
    unless_there(file, force=options.force)
    one_thread()

    from metaopt.figures.account import account_of  # noqa: PLC0415 - not for who has asked for what cannot be
    from metaopt.plots.style import styled  # noqa: PLC0415 - the same
    from metaopt.reportpage import report  # noqa: PLC0415 - the same

    with styled():  # or there is no matplotlib: that is said before a long history is read
        account = account_of(location)
    best = account.history.best
    line = line_of(account.location, account.history.experiment, best) if best else ""
    with whole(file) as part:
        part.write_bytes(report(account, line))
    with output():
        say(f"{file} is written.")
    return 0


def _name(location: "Location") -> str:
    """What the study there is called, as far as its place says it."""
    return location.place[-1] if location.on_server else location.study or Path(location.place[0]).stem
