"""metaopt db export: a history as a table for other programs."""

import argparse
import sys
from pathlib import Path

from metaopt.cli.base import history_named, say, unless_there, whole
from metaopt.errors import LaunchError
from metaopt.history import history_of
from metaopt.rows import FORMATS, Table, curves, trials, write_parquet


def run(options: argparse.Namespace) -> int:
    """The verb; gives the exit status."""
    file = None if options.output in {None, "-"} else Path(options.output)
    kind = options.format or _format(file)
    if kind == "parquet" and file is None:
        problem = "parquet is no text to be printed"
        raise LaunchError(problem, "Say where it goes: -o FILE.parquet")
    if file is not None:
        unless_there(file, force=options.force)
    history = history_of(history_named(options.history))
    table = curves(history) if options.curves else trials(history)
    if file is None:
        FORMATS[kind](table, sys.stdout)
    else:
        _write(table, kind, file)
        say(f"{file} is written.")
    return 0


def _format(file: Path | None) -> str:
    """By the name of ``file``; raises LaunchError when that does not say."""
    kind = "csv" if file is None else file.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        problem = f"{file}: its name does not say which format is meant"
        raise LaunchError(problem, "Let it end in .csv, .jsonl or .parquet, or add --format.")
    return kind


def _write(table: Table, kind: str, file: Path) -> None:
    with whole(file) as part:
        if kind == "parquet":
            write_parquet(table, part)
        else:
            with part.open("w", encoding="utf-8", newline="") as opened:
                FORMATS[kind](table, opened)
