"""A script's own command line, with priors in it, to the keys of an experiment file.

    ./train.py --lr~'loguniform(1e-5, 1.0)' --data /scratch/x

    command: [./train.py, --lr, "{lr}", --data, /scratch/x]
    space: {lr: "loguniform(1e-5, 1.0)"}

``--lr~PRIOR`` is filled in as two words, ``--lr=~PRIOR`` as one, ``--lr=0.1``; ``lr~PRIOR`` without dashes as the
value alone.  An argument that is a file with priors in it (``lr: metaopt~PRIOR``) becomes the trial's copy of that.
All other words stay as they were typed.
"""

import ast
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from metaopt.commandline import ORION, RESERVED
from metaopt.errors import LaunchError
from metaopt.orion import weighted
from metaopt.templates import LIMIT_BYTES, marks

_OPTION = re.compile(r"(--?)([A-Za-z_][^\s=~]*)(=?)~(.*)", re.DOTALL)
_POSITIONAL = re.compile(r"([A-Za-z_][\w.-]*)~(\s*\w+\s*\(.*\)\s*)", re.DOTALL)
_MARK = re.compile(r"(?:(--?[^\s=~]+)=?~)?(?:metaopt|orion)~(.*)", re.DOTALL)
_BRACES = re.compile(r"\{(\w+)\}")
_REPORT = re.compile(r"\breport\(([^()]*)\)")
_METRIC = re.compile(r"(\w+)\s*=[^=]")
_ORION = re.compile(r"\breport_(objective|results)\b|ORION_RESULTS_PATH")
_FILLERS = {"is", "was", "are", "of", "at", "equals", "the"}
OBJECTIVE = "objective"
OURS = {
    *("--workers", "--walltime", "--space-changed", "--allow-cpu", "--name", "--trials", "--max-trials", "--metric"),
    *("--step", "--maximize", "--optimizer", "--stopper", "--history", "--seed", "--set"),
}
"""Our own long options, which come before the script."""
READ_BYTES = 1 << 20
_INTERPRETERS = {".py": sys.executable, ".sh": "bash"}
_EXAMPLE = "Write --lr~'loguniform(1e-5, 1.0)'."


@dataclass(slots=True)
class ScriptLine:
    """The ``command``, with placeholders; the ``space``, each prior as it was typed; the ``script`` itself.

    ``templates`` are files with priors in them.
    """

    script: str
    command: list[str] = field(default_factory=list)
    space: dict[str, str] = field(default_factory=dict)
    templates: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the study is called that has no other name."""
        return re.sub(r"[^\w.+-]", "_", Path(self.script).stem).lstrip(".+-") or "study"

    @property
    def notes(self) -> list[str]:
        """What there is to say of the priors."""
        return [
            f"the weights of {name} are not used: its choices are equally likely at first, and then as they prove good"
            for name, prior in self.space.items()
            if weighted(prior)
        ]


def read(words: Sequence[str]) -> ScriptLine:
    """The script and its arguments; raises LaunchError for what cannot be meant."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            problem = f"the argument {os.fsencode(word)!r} is not UTF-8"
            raise LaunchError(problem, "Rename what it stands for: an experiment file holds text only.") from None
    program, arguments = _program(words[0]), list(words[1:])
    line = ScriptLine(_script(words), [*program])
    for position, word in enumerate(arguments):
        line.command += _words(line, word, arguments[:position])
    if not line.space:
        problem = f"there is nothing to search: no argument of {line.script} has a prior"
        raise LaunchError(problem, f"{_EXAMPLE}  An experiment file ends with .yaml or .yml.")
    known = {*RESERVED, *line.space}
    line.command = [*program, *(_literal(word, known) for word in line.command[len(program) :])]
    return line


def metric(script: str) -> str:
    """Which metric the source of ``script`` reports by itself; empty when it seems to report none, or several.

    It is a guess by its text: ``objective``, ``loss``, or the only one that it reports.
    """
    text = _source(script)
    said = _reports(text)
    if "\0" in text or OBJECTIVE in said or _ORION.search(text):
        return OBJECTIVE
    return "loss" if "loss" in said else said[0] if len(said) == 1 else ""


def reported(script: str) -> list[str]:
    """All metrics that the source of ``script`` seems to report, in the order of its lines."""
    return _reports(_source(script))


def named(pattern: str) -> str:
    r"""The metric that a pattern over the script's output, with a group in it, is of: the last word before that.

    It is none of those that say nothing: ``loss is (\S+)`` is of ``loss``.
    """
    words = re.findall(r"\w+", re.sub(r"\\.", " ", pattern.partition("(")[0]))
    return next((word for word in reversed(words) if word.lower() not in _FILLERS), OBJECTIVE)


def _source(script: str) -> str:
    """Its text; what is not to be read counts as a program."""
    try:
        with Path(script).open("rb") as file:
            return file.read(READ_BYTES).decode(errors="replace")
    except OSError:
        return "\0"


def _reports(text: str) -> list[str]:
    """What calls of ``report`` name, in Python; or what looks like such calls, in anything else."""
    try:
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError, RecursionError):
        names = [name for found in _REPORT.finditer(text) for name in _METRIC.findall(found[1])]
    else:
        calls.sort(key=lambda call: (call.lineno, call.col_offset))
        made = [call for call in calls if "report" in {getattr(call.func, "attr", ""), getattr(call.func, "id", "")}]
        names = [keyword.arg for call in made for keyword in call.keywords if keyword.arg]
    return [name for name in dict.fromkeys(names) if name != "step"]


def _program(word: str) -> list[str]:
    """The words that start the script ``word``."""
    path = Path(word)
    if path.is_file():
        runnable = os.access(path, os.X_OK) and (path.suffix not in _INTERPRETERS or path.read_bytes()[:2] == b"#!")
        if not runnable and path.suffix in _INTERPRETERS:
            return [_INTERPRETERS[path.suffix], word]
        return [word if "/" in word else f"./{word}"]
    if "/" not in word and shutil.which(word):
        return [word]
    if (path / "journal.jsonl").is_file():
        problem = f"{word} is a history; what is run is the experiment file that has it, or a script"
        raise LaunchError(problem, f"metaopt status {shlex.quote(word)}  tells how it stands.")
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, beside, n=1)
    problem = f"there is no script {word}"
    hint = "Its path counts from this directory; a program alone is looked for on PATH."
    raise LaunchError(problem, f"Did you mean {path.with_name(near[0])}?" if near else hint)


def _script(words: Sequence[str]) -> str:
    """The file that is meant by them: the first one, unless that is an interpreter."""
    if re.fullmatch(r"(python[\d.]*|bash|sh)", Path(words[0]).name):
        return next((word for word in words[1:] if word.endswith((".py", ".sh"))), words[0])
    return words[0]


def _words(line: ScriptLine, word: str, before: Sequence[str]) -> list[str]:
    """What ``word`` becomes in the command; its prior goes into the space."""
    option = None if "--" in before else _OPTION.fullmatch(word)
    if misplaced := _MARK.fullmatch(word):
        name = misplaced[1] or (before[-1] if before and before[-1].startswith("-") else "--NAME")
        problem = f"{word}: metaopt~ and orion~ are for priors inside a configuration file"
        raise LaunchError(problem, f"Write {name}~'{misplaced[2]}'")
    if option is None:
        alone = _POSITIONAL.fullmatch(word)
        return [f"{{{_named(line, *alone.groups())}}}"] if alone else [_template(line, word)]
    dashes, name, equals, prior = option.groups()
    if prior.startswith("="):
        problem = f"{word}: = comes before ~"
        raise LaunchError(problem, f"Write {dashes}{name}=~{prior[1:]}")
    placeholder = f"{{{_named(line, name, prior)}}}"
    return [f"{dashes}{name}={placeholder}"] if equals else [f"{dashes}{name}", placeholder]


def _template(line: ScriptLine, word: str) -> str:
    """``word``, or what stands for the trial's copy of the file that it names, alone or behind a ``=``."""
    option, equals, path = word.rpartition("=") if not Path(word).is_file() else ("", "", word)
    try:
        text = Path(path).read_bytes()[:LIMIT_BYTES].decode() if Path(path).is_file() and path != line.script else ""
    except (OSError, ValueError):
        return word
    there = list(marks(text))
    for number, name, prior in there:
        if not name:
            problem = f"{path}:{number}: nothing names {prior}"
            raise LaunchError(problem, f"Write metaopt~NAME~{prior} there.")
        if line.space.get(name, prior) != prior:
            problem = f"{path}:{number}: {name} has two priors, {line.space[name]} and {prior}"
            raise LaunchError(problem, f"Give one of them another name: metaopt~{name}_2~{prior}")
        line.space[name] = prior
    if not there:
        return word
    line.templates += [path] if path not in line.templates else []
    return f"{option}{equals}{{trial_dir}}/{Path(path).name}"


def _named(line: ScriptLine, typed: str, prior: str) -> str:
    """The parameter's name, under which its prior is kept."""
    name = re.sub(r"\W", "_", typed)
    name = f"{name}_" if name in RESERVED else name
    if not prior.strip():
        problem = f"{typed}~ has no prior"
        raise LaunchError(problem, _EXAMPLE)
    if prior[0] in "+->":
        problem = f"{typed}~{prior}: ~+, ~- and ~> are of Oríon's branches, which metaopt has not"
        raise LaunchError(problem, "Type the space as it is now, and --space-changed=keep; default_value= is known.")
    if name in line.space:
        problem = f"{typed} has two priors"
        raise LaunchError(problem, "Two parameters need two names; keep one of the priors.")
    line.space[name] = prior.strip()
    return name


def _literal(word: str, known: set[str]) -> str:
    """``word``, so that it is filled in as it was typed, but for placeholders that are known."""
    if any(theirs in word for theirs in (*ORION, "{exp.name}")):
        return word
    return _BRACES.sub(lambda found: found[0] if found[1] in known else f"{{{found[0]}}}", word)
