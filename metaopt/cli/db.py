"""metaopt db: a history copied, looked through, exported as a table, or imported from elsewhere."""

from collections.abc import Sequence
from importlib import import_module

from metaopt.cli.parser import Parser, Subparser

PLACES = """A history is a directory, leveldb:PATH, tinydb:PATH, mongodb://HOST/DATABASE#STUDY, or the
experiment file (.yaml) that has it.  A password belongs in METAOPT_MONGODB_PASSWORD, or in the file
that METAOPT_MONGODB_PASSWORD_FILE names, not in a URL that everybody sees."""
COPY = f"""Copies all records of SRC to DST, exactly, and reads them back.  SRC is not changed, and may be
in use.  DST must be empty, or a copy that was cut off: the same command goes on with that.  What
scripts have left in the trials' directories stays where it is.

{PLACES}

On a server the study keeps its name, unless DST ends in #NAME."""
CHECK = f"""Reads a history to its end, puts together what it says, and tells what cannot be.  Nothing is
changed.  Exit status: 0 all is well, 1 not, with a line for each problem.

{PLACES}"""
EXPORT = f"""A row per trial: trial, state, objective, param.NAME for each parameter, attempts, worker, device,
started (the first attempt), ended (the last one; seconds since the epoch), duration (seconds, those of
attempts that it went on from too), error, why, outside (the space, as it was changed since).  Where there
are several objectives, after the first one objective.METRIC for each; where there are constraints,
excess.CONSTRAINT for each (0 or less: it holds), and feasible.  With --curves a row per value that a script
has reported: trial, step, metric, value.

What has no value is empty (csv), null (jsonl, parquet), and an inactive parameter is not there (jsonl).
Numbers that are not finite are nan, inf and -inf; in jsonl, which knows none, these as text.

{PLACES}"""

IMPORT = """Makes a history of a study that Optuna or Oríon has kept; neither needs to be installed.  SOURCE is

  sqlite:///study.db, study.db    Optuna's storage in SQLite
  journal.log                     Optuna's JournalStorage, in a file
  orion_db.pkl                    Oríon's PickledDB, or what orion db dump has written

with #NAME at its end where there are several studies.  It is not changed, and no code in it is run.

Taken over are the space, the trials that have completed, failed or were pruned (here: stopped), their
objectives, curves and times.  Trials that wait or run are left out, and counted.  The history can be
looked at as any other, and stand under warm_start in an experiment file, whose objective it must have
then: --metric val_loss.  Exit status: 0 done, 2 not, and nothing was written."""
VERBS = ("copy", "check", "export", "import")


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import output  # noqa: PLC0415 - help needs nothing of this

    with output():
        return int(import_module(f"metaopt.cli.db_{options.verb}").run(options))
    return 0  # whoever reads it has seen enough


def parser() -> Parser:
    """Its command line."""
    made = Parser("db", f"{__doc__}\n\n{PLACES}")
    metavar = " | ".join(VERBS)
    verbs = made.add_subparsers(dest="verb", required=True, metavar=metavar, parser_class=Subparser)
    copy = verbs.add_parser("copy", help="copy a history to another place", description=COPY)
    copy.add_argument("source", metavar="SRC", help="the history to copy")
    copy.add_argument("target", metavar="DST", help="where to copy it")
    check = verbs.add_parser("check", help="look a history through", description=CHECK)
    check.add_argument("history", metavar="URL", help="the history")
    export = verbs.add_parser("export", help="a history as csv, jsonl or parquet", description=EXPORT)
    export.add_argument("history", metavar="URL", help="the history")
    export.add_argument("--format", choices=("csv", "jsonl", "parquet"), help="default: by FILE's name, else csv")
    export.add_argument("--curves", action="store_true", help="a row per reported value, not per trial")
    export.add_argument("-o", "--output", metavar="FILE", help="where to write; default: the standard output")
    export.add_argument("--force", action="store_true", help="replace FILE if it is there")
    imported = verbs.add_parser("import", help="a history of what Optuna or Oríon has kept", description=IMPORT)
    imported.add_argument("source", metavar="SOURCE", help="the file, with #NAME for one of several studies")
    imported.add_argument("-o", "--output", metavar="URL", help="the history to write; default: NAME.history")
    imported.add_argument(
        "--metric", action="append", metavar="NAME", help="what to call the objective; for several, again"
    )
    return made
