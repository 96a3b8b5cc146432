"""metaopt queue: what was submitted, and how it stands; have one begin before others, or cancel it."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metaopt.cli.parser import Parser, positive
from metaopt.cli.submit import QUEUE

if TYPE_CHECKING:
    from metaopt.spool import Entry, Spool

EPILOG = """  metaopt queue                        # those that run and wait, in their order; and those that have ended
  metaopt queue --cancel 7             # it is taken out; if it runs, its scripts have their grace period
  metaopt queue --first 7              # of those that wait, it begins first
  metaopt queue --first 7 --before 5   # it begins before 5

metaopt status exp.yaml  tells how far a study is.  A study that was cancelled can be submitted again, and goes on.
Exit status: 0 done, 2 there is none of that number, or it has ended, or the queue is not yours alone."""


def parser() -> Parser:
    """Its command line."""
    made = Parser("queue", __doc__, EPILOG)
    made.add_argument("--cancel", type=positive, metavar="N", help="end it, or take it out")
    made.add_argument("--first", type=positive, metavar="N", help="have it begin first")
    made.add_argument("--before", type=positive, metavar="M", help="with --first: before this one")
    made.add_argument("--json", action="store_true", help="for a program")
    flags, how = QUEUE
    made.add_argument(*flags, **how)
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    made = parser()
    options = made.parse_args(argv)
    if options.before is not None and options.first is None:
        made.error("--before goes with --first:  --first 7 --before 5")
    from metaopt.cli.base import as_json, output, say  # noqa: PLC0415 - help needs nothing of this
    from metaopt.spool import Spool, place  # noqa: PLC0415 - the same

    spool = Spool(place(options.queue, os.environ))
    if options.first is not None:
        spool.put_first(options.first, options.before)
    if options.cancel is not None:
        say(_cancelled(spool, options.cancel))
        return 0
    with output():
        if options.json:
            say(as_json([_plain(entry) for entry in spool.entries()]))
        else:
            _print(spool)
    return 0


def _cancelled(spool: "Spool", number: int) -> str:
    from metaopt.spool import Standing  # noqa: PLC0415 - help needs nothing of this

    runs = spool.cancel(number).standing is Standing.RUNNING
    return f"{number} is asked to end, and will: its scripts have their grace" if runs else f"{number} is cancelled"


def _print(spool: "Spool") -> None:
    from rich.table import Table  # noqa: PLC0415 - help needs nothing of this
    from rich.text import Text  # noqa: PLC0415 - the same

    from metaopt.cli.base import say, wide_console  # noqa: PLC0415 - the same
    from metaopt.cli.submit import daemon_line  # noqa: PLC0415 - the same

    table = Table()
    table.add_column("", justify="right")
    for name in ("study", "stands", "since", "weight", "experiment"):
        table.add_column(name, overflow="fold")
    entries = spool.entries()
    for entry in entries:
        table.add_row(*map(Text, _cells(entry)))
    if entries:
        wide_console().print(table)
    else:
        say(f"there is nothing in {spool.path}")
    say(daemon_line(spool))


def _cells(entry: "Entry") -> Sequence[str]:
    from metaopt.cli.base import clock  # noqa: PLC0415 - help needs nothing of this

    first, what = entry.why.partition("\n")[0], entry.what
    stands = f"{entry.standing}{', to end' if entry.cancelled and entry.open else ''}{f': {first}' if first else ''}"
    if what is None:
        return str(entry.number), "", stands, "", "", ""
    return str(entry.number), what.name, stands, clock(entry.since or what.time), f"{what.weight:g}", what.file


def _plain(entry: "Entry") -> dict[str, Any]:
    what = entry.what
    about = {} if what is None else {key: getattr(what, key) for key in ("name", "file", "history", "weight")}
    submitted = None if what is None else what.time
    stands = {"standing": entry.standing, "why": entry.why, "since": entry.since, "cancelled": entry.cancelled}
    return {"number": entry.number, **about, "submitted": submitted, **stands}
