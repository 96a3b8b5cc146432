"""The experiment file that a script's own command line stands for: NAME.yaml, which the same command goes on with."""

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from metaopt.checkup import nothing_to_lose
from metaopt.errors import ExperimentError, HistoryDiffers, LaunchError, MetaoptError
from metaopt.experiment import Experiment
from metaopt.history import KEEP, check_same, skimmed
from metaopt.study import Study
from metaopt.yamlfile import YamlFile

_PLAIN = re.compile(r"-{0,2}(?:\./)?[A-Za-z_/][\w./+-]*", re.ASCII)
_SUM = re.compile(r"# [^\n]*\(sum ([0-9a-f]{16})\)[^\n]*\n", re.ASCII)
_CONSTANTS = {"true", "false", "null"}
THERE = "command line"


def write(data: Mapping[str, object], typed: Sequence[str], *, keep: bool = False) -> str:
    """Have the file of the study ``data``, which was ``typed``, in the working directory; gives its name.

    With ``keep`` its space may be another one than before.  Raises LaunchError rather than overwrite what somebody has
    written, MetaoptError when the experiment is wrong.
    """
    experiment = Experiment.of(YamlFile(THERE, data, {}))
    path = Path(f"{data['name']}.yaml")
    text = _text(data, typed)
    before = _before(path)
    if before == text:
        return str(path)
    if before:
        _check(path, before, experiment, keep=keep)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror or error}"
        raise LaunchError(problem, "The experiment is kept there: go to a directory that you may write to.") from error
    return str(path)


def document(data: Mapping[str, object]) -> str:
    """``data`` as YAML, as the experiment file has it."""
    return "".join(f"{line}\n" for line in _lines(data))


def _before(path: Path) -> str:
    """What is there; raises LaunchError when that cannot be read as text."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{path} is there already, and cannot be read: {error}"
        raise LaunchError(problem, "Choose another name: -n NAME") from error


def _check(path: Path, before: str, experiment: Experiment, *, keep: bool) -> None:
    """Raise LaunchError when ``before`` was edited, or is not ours; HistoryDiffers when it is of another study."""
    found = _SUM.match(before)
    if found is None or found[1] != _sum(before[found.end() :]):
        problem = f"{path} is there already, and {'has been edited since' if found else 'was not written by this'}"
        hint = f"To go on with it:  metaopt run {shlex.quote(str(path))}\n  For another study choose a name:  -n NAME"
        raise LaunchError(problem, hint)
    if not Path(experiment.history).exists():
        return
    try:
        theirs = Experiment.of(YamlFile.parse(str(path), before))
        study = Study(theirs.goals, experiment=theirs.describe())
        check_same(study, experiment.describe(), str(path), space=not keep)
    except HistoryDiffers as error:
        hint = f"Choose another name, -n NAME, or go on with those trials that fit, where it is the space:  {KEEP}"
        raise HistoryDiffers(error.problem, _lossless(theirs) or hint) from None
    except ExperimentError:
        return


def _lossless(theirs: Experiment) -> str:
    """What to type where the history of ``theirs`` has nothing that is worth keeping."""
    try:
        with theirs.location.opened() as store:
            study = skimmed(store).study
    except MetaoptError:
        return ""
    return "" if study is None else nothing_to_lose(study, theirs.history)


def _text(data: Mapping[str, object], typed: Sequence[str]) -> str:
    spoken = "".join(sign if sign.isprintable() else "?" for sign in shlex.join(["metaopt", *typed]))
    body = f"# {spoken}\n#\n# The same command goes on with it.  Or edit this file, and type  metaopt run FILE\n"
    body += document(data)
    return f"# written by metaopt (sum {_sum(body)}) from\n{body}"


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _lines(data: Mapping[str, object]) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value and key in {"space", "metrics"}:
            yield f"{key}:"
            yield from (f"  {_inline(str(name))}: {_inline(each)}" for name, each in value.items())
        else:
            yield f"{key}: {_inline(value)}"


def _inline(value: object) -> str:
    """``value`` on one line, so that it is read back equal."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _CONSTANTS:
            return value
        quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf"))
        return str(quoted).strip()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_inline(str(name))}: {_inline(each)}' for name, each in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_inline, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
