"""The command line: one verb a file; errors are printed here and nowhere else."""

import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TextIO

from metaopt import __version__
from metaopt.errors import Interruption, LaunchError, MetaoptError

VERBS = {
    "run": "search, as an experiment file says",
    "status": "how a study stands: by state, the best trial, what the failed ones died of",
    "best": "the best trial, and how to run it again",
    "show": "one trial: its story, its curves, why it ended",
    "watch": "a run as it goes, from another terminal",
    "stop": "end a run now, and well, from outside",
    "plot": "figures of a study: regret, curves, importance, the timeline of its workers, ...",
    "report": "all that is worth keeping of a study, as one web page",
    "submit": "put an experiment into the queue",
    "queue": "the queue: list it, reorder it, cancel",
    "daemon": "run what is in the queue; also called metaoptd",
    "check": "what a run would do, without doing it",
    "init": "an experiment file for a script, from the options that it has",
    "insert": "queue a point of one's own",
    "simulate": "what an allocation would bring: trials done, workers busy",
    "list": "the studies in a directory or in a database, and how they stand",
    "db": "a history copied, looked through, exported as a table, or imported from elsewhere",
    "completion": "what makes a shell complete all this: bash, zsh or fish",
}
FILES = {"list": "listing", "queue": "queued"}
"""Where a verb's file has another name: a module called list would hide the builtin here, queue the library's."""
ALIASES = {"hunt": "run"}
"""As they are called elsewhere."""
USAGE = f"""usage: metaopt ./train.py --lr~'loguniform(1e-5, 1.0)' --data /scratch/x    (this machine)
       mpirun -n 64 metaopt ./train.py --lr~'loguniform(1e-5, 1.0)'         (an allocation)
       metaopt exp.yaml, mpirun -n 64 python -m metaopt exp.yaml            (an experiment file)

metaopt {__version__}: an asynchronous hyperparameter search over all the GPUs and cores of an allocation.

verbs:
{chr(10).join(f"  {name:12}{what}" for name, what in VERBS.items())}

metaopt VERB --help tells more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status: 0 done, 1 failed, 2 wrong request, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    try:
        status = _do(words)
    except MetaoptError as error:
        status = complain(str(error), error.exit_status)
    except KeyboardInterrupt:
        status = complain("interrupted", Interruption.exit_status)
    except BrokenPipeError:  # whoever reads our output has seen enough
        status = 0
    except Exception:  # noqa: BLE001 - a fault of ours: told in full, and the other ranks are let go
        status = complain(traceback.format_exc(), 1)
    finally:
        _flush()
    return _leave(status)


def metaoptd() -> int:
    """What ``metaoptd`` does."""
    return main(["daemon", *sys.argv[1:]])


def _do(words: list[str]) -> int:
    """What the verb gives, or the help that was asked for."""
    if not words or words[0] in {"-h", "--help", "help"}:
        print(USAGE)  # noqa: T201 - help goes to stdout
        return 0 if words else 2
    if words[0] == "--version":
        print(f"metaopt {__version__}")  # noqa: T201 - as asked
        return 0
    verb = _verb(words)
    return int(import_module(f"metaopt.cli.{FILES.get(verb, verb)}").main(words))


def _flush() -> None:
    """Print what is left, unless nobody takes it any more: then Python is not to complain of that when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _verb(words: list[str]) -> str:
    """The verb that ``words`` begin with, taken from them; ``run`` for an experiment file or a script."""
    if words[0] in {**VERBS, **ALIASES}:
        verb = words.pop(0)
        return ALIASES.get(verb, verb)
    word = words[0]
    if word == "export":  # as people type it
        return "db"
    if word.startswith("-") or "." in word or "/" in word or Path(word).exists() or any("~" in each for each in words):
        return "run"
    problem = f"there is no verb {word!r}, and no file of that name"
    near = [f"db {word}"] if word in {"copy", "import"} else get_close_matches(word, VERBS, n=1)
    meant = f"Did you mean {near[0]!r}?  " if near else ""
    raise LaunchError(problem, f"{meant}Verbs: {', '.join(VERBS)}; see metaopt --help.")


def _nowhere() -> TextIO:
    """In the place of an output that was closed before metaopt began."""
    return Path(os.devnull).open("w", encoding="utf-8")


def complain(text: str, status: int = 1) -> int:
    """Say what is wrong; gives ``status``."""
    sys.stdout.flush()
    print(f"metaopt: {text}", file=sys.stderr, flush=True)  # noqa: T201 - the one place
    return status


def _leave(status: int) -> int:
    """A rank ends in the way that its MPI needs; everybody else just returns."""
    if "metaopt.launch" in sys.modules:
        return int(import_module("metaopt.launch").leave(status))
    return status
