"""The command of an experiment, checked before anything starts: its words, its placeholders, its program."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from metaopt.argv import PLACEHOLDER
from metaopt.errors import SpaceError
from metaopt.hosts import HOSTFILE, PLACEHOLDERS
from metaopt.orion import translated
from metaopt.space import Space
from metaopt.templates import LIMIT_BYTES, marks
from metaopt.yamlfile import YamlFile

RESERVED = ("trial", "trial_dir", "seed", "attempt")
"""Placeholders that are no parameters."""
ORION = {"{trial.id}": "{trial}", "{trial.hash_params}": "{trial}", "{trial.working_dir}": "{trial_dir}"}
"""What Oríon calls them; ``{exp.name}`` is the study's name."""
_TAKEN = {
    *("params.json", "outcome.json", "reports.jsonl", "results.json", "stdout.txt", "stderr.txt", "checkpoints"),
    HOSTFILE,
}
"""What else is in a trial's directory."""
_SHELL = ("|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1", "&>")
_SHELL_HINT = "The command runs without a shell: put what needs one in a script, or write bash -c '...'."
_INTERPRETER = re.compile(r"(python[\d.]*|bash|sh|zsh)")


def read_command(file: YamlFile) -> tuple[str, ...]:
    """The words of ``command``; raises ExperimentError."""
    written = file.get("command")
    if isinstance(written, str):
        try:
            words = shlex.split(written)
        except ValueError as error:
            file.refuse("command", f"{str(error).lower()}", "Is a quote left open?")
        shell = [word for word in words if word in _SHELL]
        if shell:
            file.refuse("command", f"{shell[0]} is for a shell", _SHELL_HINT)
    elif isinstance(written, list) and all(type(word) in {str, int, float} for word in written):
        words = [str(word) for word in written]
    else:
        file.refuse("command", "it is no text and no list of words", "Write command: python train.py --lr {lr}")
    if not words or not words[0]:
        file.refuse("command", "it is empty", "Write command: python train.py --lr {lr}")
    return tuple(_ours(word, str(file.get("name"))) for word in words)


def _ours(word: str, study: str) -> str:
    """With our own placeholders for Oríon's."""
    for theirs, ours in {**ORION, "{exp.name}": study}.items():
        word = word.replace(theirs, ours)
    return word


def check_placeholders(file: YamlFile, command: tuple[str, ...], space: Space, nodes: int = 1) -> None:
    """Every placeholder has a parameter, or is one of a trial on several ``nodes``; every parameter has a way in."""
    used = check_known(file, "command", command, space, nodes)
    if "trial_dir" in used or any("params.json" in word for word in command):
        return
    for name in (parameter.name for parameter in space.parameters):
        if name not in used:
            hint = f"Write {{{name}}} there; or write {{trial_dir}}, and the script reads {{trial_dir}}/params.json."
            file.refuse(f"space.{name}", "the command does not use it", hint)


def check_known(file: YamlFile, key: str, words: Sequence[str], space: Space, nodes: int = 1) -> set[str]:
    """The placeholders in the ``words`` at ``key``, each of which is known; raises ExperimentError."""
    names = [parameter.name for parameter in space.parameters]
    reserved = RESERVED if nodes == 1 else (*RESERVED, *PLACEHOLDERS)
    for name in names:
        if name in reserved:
            problem = f"{{{name}}} already stands for something in a command"
            file.refuse(f"space.{name}", problem, f"Rename it, to {name}_ for example.")
    used = {found[2] for word in words for found in PLACEHOLDER.finditer(word) if found[2]}
    for name in sorted(used - {*names, *reserved}):
        near = get_close_matches(name, [*names, *reserved], n=1)
        hint = f"Did you mean {{{near[0]}}}?  " if near else f"Add {name} to the space.  "
        hint = "It is known with resources: {nodes_per_trial: 2}.  " if name in PLACEHOLDERS else hint
        file.refuse(key, f"there is no parameter {name}", f"{hint}To mean the text itself: {{{{{name}}}}}.")
    return used


def read_templates(file: YamlFile, directory: str, space: Space) -> dict[str, str]:
    """The texts of ``templates``, by their files' names; raises ExperimentError."""
    written = file.get("templates") if file.has("templates") else []
    texts: dict[str, str] = {}
    for path in written if isinstance(written, list) else [written]:
        if not isinstance(path, str) or not path:
            file.refuse("templates", f"{path!r} is no file", "Write templates: [conf.yaml]")
        name = Path(path).name
        if name in {*texts, *_TAKEN}:
            file.refuse("templates", f"a trial's directory has a {name} already", "Give that file another name.")
        try:
            texts[name] = Path(directory, path).read_bytes()[:LIMIT_BYTES].decode()
        except (OSError, UnicodeDecodeError) as error:
            hint = f"Paths count from the directory of the experiment file.{_nearest(Path(directory, path))}"
            file.refuse("templates", f"{path} cannot be read as text: {error}", hint)
        _check_marks(file, path, texts[name], space)
    return texts


def _check_marks(file: YamlFile, path: str, text: str, space: Space) -> None:
    """Each prior in a template is that of a parameter of the space."""
    known, there = space.canonical(), list(marks(text))
    if not there:
        file.refuse("templates", f"{path} has no prior in it", "Write lr: metaopt~loguniform(1e-5, 1) there.")
    for line, name, prior in there:
        where = f"{path}:{line}"
        if not name:
            file.refuse("templates", f"{where}: nothing names {prior}", f"Write metaopt~NAME~{prior} there.")
        if name not in known:
            file.refuse("templates", f"{where}: there is no parameter {name}", f"Add to the space: {name}: {prior}")
        try:
            theirs = Space.parse({name: translated(name, prior), f"{name}_": "uniform(0, 1)"}).canonical()[name]
        except SpaceError as error:
            file.refuse("templates", f"{where}: {error.problem}", error.hint)
        ours = known[name]["prior"] if isinstance(known[name], dict) else known[name]
        if theirs != ours:
            file.refuse("templates", f"{where}: {name} is {theirs}, and {ours} in the space", "Let both be the same.")


def check_program(file: YamlFile, command: tuple[str, ...], directory: str, path: str | None = None) -> None:
    """Its first word can be run in ``directory``, with this PATH; so can the script that an interpreter gets."""
    program = command[0]
    if PLACEHOLDER.search(program):
        return
    if "/" in program:
        _check_path(file, program, directory)
    elif shutil.which(program, path=path) is None:
        hint = f"Is it on PATH, in the environment that you start metaopt in?  {_instead(program, directory)}"
        file.refuse("command", f"there is no program {program}", hint.strip())
    if _INTERPRETER.fullmatch(os.path.basename(program)):  # noqa: PTH119 - a word of a command, not a path of ours
        _check_script(file, command[1:], directory)


def _check_path(file: YamlFile, program: str, directory: str) -> None:
    path = Path(directory, program)
    if not path.is_file():
        hint = f"Paths count from the directory of the experiment file.{_nearest(path)}"
        file.refuse("command", f"there is no program {path}", hint)
    if not os.access(path, os.X_OK):
        starter = "python " if path.suffix == ".py" else "bash " if path.suffix == ".sh" else ""
        instead = f", or write {starter}{program}" if starter else ""
        file.refuse("command", f"{path} may not be executed", f"Type chmod +x {path}{instead}.")


def _check_script(file: YamlFile, words: tuple[str, ...], directory: str) -> None:
    script = next((word for word in words if not word.startswith("-") or word in {"-m", "-c"}), "")
    if not script.endswith((".py", ".sh")) or PLACEHOLDER.search(script):
        return
    path = Path(directory, script)
    if not path.is_file():
        hint = f"Paths count from the directory of the experiment file.{_nearest(path)}"
        file.refuse("command", f"there is no script {path}", hint)


def _instead(program: str, directory: str) -> str:
    if program.startswith("python"):
        return f"This Python is {sys.executable}."
    if Path(directory, program).is_file():
        return f"For the file beside the experiment write ./{program}."
    return ""


def _nearest(path: Path) -> str:
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, beside, n=1)
    return f"  Did you mean {near[0]}?" if near else ""
