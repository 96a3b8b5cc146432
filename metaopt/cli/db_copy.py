"""metaopt db copy: a history copied to another place."""

import argparse
import sys

from metaopt.cli.base import history_at, history_named, say, spinner
from metaopt.errors import Interruption
from metaopt.scalars import counted
from metaopt.transfer import transfer


def run(options: argparse.Namespace) -> int:
    """The verb; gives the exit status."""
    source, target = history_named(options.source), history_at(options.target)
    try:
        with spinner() as told:
            done = transfer(source, target, told)
    except KeyboardInterrupt:
        problem = f"interrupted; what has been copied to {target} stays there"
        raise Interruption(problem, "The same command goes on with it.") from None
    if 0 < done.before < done.records:
        print(f"went on with a copy that was cut off after {done.before:,} records", file=sys.stderr)  # noqa: T201 - news
    did = "was a copy already of" if done.before == done.records else "is now a copy of"
    say(f"{done.target} {did} {source}: {counted(done.records, 'record')} of study {done.study}, read back equal")
    return 0
