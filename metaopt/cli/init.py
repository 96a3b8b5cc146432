"""metaopt init: an experiment file for a script, from the options that its source declares; nothing is run."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser

if TYPE_CHECKING:
    from metaopt.options import Option

EPILOG = """  metaopt init ./train.py                  # writes exp.yaml
  metaopt init ./train.py -o lr.yaml
  metaopt init ./train.py -o - | less

Knows argparse and click.  Each number gets a range around its default, to be edited, and each choice all of its values;
what is hardly meant to be searched (seeds, epochs) is there as a comment, and all others by their names.  Then:
metaopt check exp.yaml"""


def parser() -> Parser:
    """Its command line."""
    made = Parser("init", __doc__, EPILOG)
    made.add_argument("script", help="a training script in Python")
    made.add_argument("-o", "--output", default="exp.yaml", metavar="FILE", help="default: exp.yaml; -: print it")
    made.add_argument("--force", action="store_true", help="replace FILE if it is there")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    asked = parser().parse_args(argv)
    from metaopt.cli.base import output, say, unless_there, whole  # noqa: PLC0415 - help needs nothing of this

    text = _text(asked.script)
    if asked.output == "-":
        with output():
            say(text.rstrip("\n"))
        return 0
    file = Path(asked.output)
    unless_there(file, force=asked.force)
    with whole(file) as part:
        part.write_text(text, encoding="utf-8")
    say(f"{file} is written.  Edit its space and its objective, then:  metaopt check {file}")
    return 0


def _text(script: str) -> str:
    """The file; raises LaunchError when the script cannot be read, or has nothing to search."""
    from metaopt.errors import LaunchError  # noqa: PLC0415 - help needs nothing of this
    from metaopt.options import options, printed  # noqa: PLC0415 - the same
    from metaopt.scriptline import metric, reported  # noqa: PLC0415 - the same

    try:
        source = Path(script).read_text(encoding="utf-8")
        found = options(source)
    except OSError as error:
        problem = f"{script} cannot be read: {error.strerror or error}"
        raise LaunchError(problem, "Give the path of a Python script.") from None
    except (SyntaxError, ValueError, RecursionError) as error:
        problem = f"{script} is no Python that can be read: {error}"
        raise LaunchError(problem, "Write the experiment file by hand: see the README.") from None
    searched = [each for each in found if each.prior and not each.apart]
    if not searched:
        problem = f"{script} declares no option with a number or choices that could be searched"
        raise LaunchError(problem, f"Type it yourself:  metaopt {script} --lr~'loguniform(1e-5, 1.0)'")
    says = metric(script) or next(iter(reported(script)), "")
    return "".join(f"{line}\n" for line in _lines(script, searched, found, says, "" if says else printed(source)))


def _lines(
    script: str, searched: Sequence["Option"], found: Sequence["Option"], reported: str, printed: str
) -> Iterator[str]:
    from metaopt.options import is_more  # noqa: PLC0415 - help needs nothing of this
    from metaopt.scriptfile import document  # noqa: PLC0415 - the same

    runnable = os.access(script, os.X_OK) and Path(script).read_bytes()[:2] == b"#!"
    start = [script if "/" in script else f"./{script}"] if runnable else [sys.executable, script]
    words = [word for each in searched for word in (each.flag, f"{{{each.name}}}")]
    yield document({"name": Path(script).stem, "command": [*start, *words]}).rstrip("\n")
    for each in found:
        if each.required and each not in searched:
            yield f"# {each.flag} is required: add it to the command, with its value"
    if others := [each.flag for each in found if not each.prior and not each.required]:
        yield f"# as their defaults are, unless they are added to the command: {', '.join(others)}"
    objective = reported or printed
    said = f"{{metric: {objective}, goal: maximize}}" if is_more(objective) else objective or "loss"
    yield f"objective: {said}" + ("" if objective else "    # what the script is judged by: mend this")
    yield "# objective: {metric: accuracy, goal: maximize}    # where more is better"
    if printed or not objective:
        yield "metrics:    # what to read off its output"
        yield f"  {objective or 'loss'}: '{objective or 'loss'}\\s*[=:]\\s*(\\S+)'"
    yield "space:    # ranges around the defaults: edit them"
    for each in found:
        note = "    # a guess: it has no default" if each.default is None else f"    # default: {each.default}"
        if each in searched:
            yield f"  {each.name}: {each.prior}{note}"
        elif each.prior:
            yield f"  # {each.name}: {each.prior}{note}; to search it, add {each.flag} {{{each.name}}} to the command"
    yield "trials: 50"
    yield "# timeout: 1h"
    yield "# stopper: median    # ends early what is worse than half of the others"
