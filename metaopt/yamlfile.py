"""A YAML file, read so that each mistake in it can be told with its line.

Scalars are those of YAML 1.2: ``1e-4`` is a number, ``on`` and ``no`` are words, ``2026-01-01`` and ``1:30:00`` are
text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import yaml

from metaopt.errors import ExperimentError

_MISSING = object()


@dataclass(frozen=True, slots=True)
class YamlFile:
    """The content of a file whose top is a mapping; a key within a key is written with a dot: ``objective.goal``.

    ``lines`` has the items of a list by their numbers, from 1 on: ``objective.1.goal``.
    """

    file: str
    data: Mapping[str, Any]
    lines: Mapping[str, int]

    @staticmethod
    def read(path: str | Path) -> "YamlFile":
        """The file at ``path``; raises ExperimentError when it cannot be read, or is no YAML mapping."""
        file = str(path)
        return YamlFile.parse(file, read_text(file))

    @staticmethod
    def parse(file: str, text: str) -> "YamlFile":
        """The content of ``file``, which is ``text``; raises ExperimentError when that is no YAML mapping."""
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            lines = dict(_lines(file, node, "", set()))
            data = loader.construct_document(node) if node is not None else None
        except yaml.YAMLError as error:
            raise _explain(file, text, error) from None
        except (RecursionError, ValueError, TypeError) as error:
            raise ExperimentError(file, 0, "", f"not YAML that can be read: {error}", "Write it more simply.") from None
        if not isinstance(data, dict):
            problem = "the file is empty" if data is None else "the file has no keys"
            raise ExperimentError(file, 0, "", problem, "Begin with a line like: name: digits")
        return YamlFile(file, data, lines)

    def refuse(self, key: str, problem: str, hint: str) -> NoReturn:
        """Raise the ExperimentError for ``key``, with its line, or that of the nearest key above that is there."""
        there = key
        while there and there not in self.lines:
            there = there.rpartition(".")[0]
        raise ExperimentError(self.file, self.lines.get(there, 0), key, problem, hint) from None

    def has(self, key: str) -> bool:
        """Whether ``key`` is there."""
        return self._find(key) is not _MISSING

    def get(self, key: str) -> Any:  # noqa: ANN401 - whatever is written there
        """What is written at ``key``; None when it is not there."""
        found = self._find(key)
        return None if found is _MISSING else found

    def items(self, key: str) -> "list[YamlFile]":
        """For each item of the list at ``key``, this file with nothing but that there; for no list, this file."""
        written = self.get(key)
        if not isinstance(written, list):
            return [self]
        return [self._with(key, item, f"{key}.{number}") for number, item in enumerate(written, start=1)]

    def _with(self, key: str, item: object, at: str) -> "YamlFile":
        """``item``, which stands ``at`` some key, as if it stood at ``key``."""
        below = {path: line for path, line in self.lines.items() if f"{path}.".startswith(f"{at}.")}
        return YamlFile(self.file, {key: item}, {key + path[len(at) :]: line for path, line in below.items()})

    def check_keys(self, key: str, known: Iterable[str]) -> None:
        """Refuse a key below ``key`` (empty for the top) that is not known."""
        known = list(known)
        for name in self.get(key) if key else self.data:
            if name not in known:
                near = get_close_matches(str(name), known, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
                self.refuse(f"{key}.{name}" if key else str(name), "there is no such key", hint)

    def _find(self, key: str) -> Any:  # noqa: ANN401 - whatever is written there
        at: Any = self.data
        for name in key.split("."):
            if not isinstance(at, Mapping) or name not in at:
                return _MISSING
            at = at[name]
        return at


def shown(value: object) -> str:
    """What is written in a file, for an error that quotes it."""
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


class _Loader(yaml.SafeLoader):
    """Plain data only, with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's, emptied


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?(0|[1-9]\d*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _firsts = ["" if first == "\0" else first for first in _first]
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z", re.ASCII), _firsts)


_HINTS = {  # by what PyYAML says
    "escape": "In double quotes a \\ is special: use single quotes.",
    "quoted scalar": "Close the quote.",
    "flow ": "Close the bracket; a text with brackets or commas in it goes in quotes.",
    "mapping values": "Put a text with ': ' in it in quotes, or indent the line like its neighbours.",
    "<block mapping start>": "Indent the line like its neighbours.",
    "could not find expected ':'": "Write key: value, with a space after the colon.",
    "expected <block end>": "A text that begins with { [ or a quote goes in quotes as a whole.",
    "cannot start any token": "A text that begins with % @ ` or another sign goes in quotes.",
    "single document": "Keep one document: remove the line ---.",
    "constructor for the tag": "Leave out the tag, which begins with !.",
}


def read_text(file: str) -> str:
    """The text of a file; raises ExperimentError."""
    try:
        raw = Path(file).read_bytes()
    except FileNotFoundError:
        beside = sorted(path.name for path in Path(file).parent.glob("*.y*ml"))
        near = get_close_matches(Path(file).name, beside, n=1)
        hint = f"Did you mean {Path(file).with_name(near[0])}?" if near else "Give the path of an experiment file."
        raise ExperimentError(file, 0, "", "there is no such file", hint) from None
    except IsADirectoryError:
        raise ExperimentError(file, 0, "", "this is a directory", "Give the YAML file in it.") from None
    except OSError as error:
        raise ExperimentError(file, 0, "", f"cannot be read: {error.strerror}", "May you read it?") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ExperimentError(file, line, "", "not UTF-8 text", "Save the file with the encoding UTF-8.") from None


def _lines(file: str, node: yaml.Node | None, key: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    """Each key below ``node`` with its line; raises ExperimentError for one that is there twice."""
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value, start=1):
            yield f"{key}.{number}", item.start_mark.line + 1
            yield from _lines(file, item, f"{key}.{number}", seen)
        return
    lines: dict[str, int] = {}
    for name, value in node.value:
        line = name.start_mark.line + 1
        path = ".".join(filter(None, (key, str(name.value))))
        if path in lines:
            raise ExperimentError(file, line, path, f"it is already there, in line {lines[path]}", "Keep one of them.")
        lines[path] = line
        yield path, line
        yield from _lines(file, value, path, seen)


def _explain(file: str, text: str, error: yaml.YAMLError) -> ExperimentError:
    """What PyYAML has to say, for a person."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return ExperimentError(file, line, "", "an unprintable character", "Remove it, or type the line anew.")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return ExperimentError(file, 0, "", f"not YAML: {error}", "See the examples in the README.")
    mark, said = error.problem_mark, f"{error.problem}, {error.context}"
    written = [*text.split("\n"), ""][mark.line]
    if "\t" in written[: mark.column + 1]:
        return ExperimentError(file, mark.line + 1, "", "a tab", "Indent with spaces: YAML takes no tabs.")
    problem = f"not YAML: {error.problem}"
    if error.context and error.context_mark:
        problem += f", {error.context} (line {error.context_mark.line + 1})"
        if any(sign in said for sign in ("end of stream", "stream end", "simple key")):
            mark = error.context_mark  # where it began, not where its end was missed
    hint = next((hint for sign, hint in _HINTS.items() if sign in said), "See the examples in the README.")
    return ExperimentError(file, mark.line + 1, "", problem, hint)
