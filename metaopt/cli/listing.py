"""metaopt list: the studies in a directory or in a database, and how they stand."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from metaopt.studies import Entry

EPILOG = """A directory is looked through two levels deep: journals, databases of leveldb:, and files of tinydb:
(.json, .tinydb).  Of mongodb://HOST/DATABASE all studies are listed.  A password belongs in
METAOPT_MONGODB_PASSWORD, or in the file that METAOPT_MONGODB_PASSWORD_FILE names."""


def parser() -> Parser:
    """Its command line."""
    made = Parser("list", __doc__, EPILOG)
    made.add_argument("place", metavar="URL", nargs="?", default=".", help="default: the working directory")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import check_no_password, output, say, spinner, wide_console  # noqa: PLC0415 - not for help
    from metaopt.stores.urls import shown  # noqa: PLC0415 - the same
    from metaopt.studies import entries  # noqa: PLC0415 - the same

    check_no_password(options.place)
    found = []
    with spinner() as told:
        for entry in entries(options.place):
            found.append(entry)
            told("reading", len(found), "histories")
    with output():
        if found:
            wide_console().print(_table(found))
        else:
            say(f"there is no study at {shown(options.place)}")
    return 0


def _table(entries: Sequence["Entry"]) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - not for help

    table = Table()
    table.add_column("study", overflow="fold")
    table.add_column("done", justify="right", no_wrap=True)
    table.add_column("trials")
    table.add_column("best", justify="right", overflow="fold")
    table.add_column("last written")
    table.add_column("history", overflow="fold")
    for entry in entries:
        table.add_row(*_cells(entry))
    return table


def _cells(entry: "Entry") -> Sequence["Text"]:
    from rich.text import Text  # noqa: PLC0415 - not for help

    from metaopt.cli.base import clock, tally  # noqa: PLC0415 - the same

    if entry.trouble:
        cells = [entry.name, "", entry.trouble, "", "", str(entry.location)]
        return [Text(cell, style="red") for cell in cells]
    done = f"{entry.done}/{'?' if entry.total is None else entry.total}"
    cells = [entry.name, done, tally(entry.states), entry.best, clock(entry.written), str(entry.location)]
    return [Text(cell) for cell in cells]
