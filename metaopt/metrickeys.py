"""What the experiment file says of how a script says its metrics: patterns over its output, a file of its own."""

import re

from metaopt.argv import PLACEHOLDER
from metaopt.commandline import check_known
from metaopt.keys import KEYS
from metaopt.space import Space
from metaopt.tail import Patterns
from metaopt.yamlfile import YamlFile, shown


def read_metrics(file: YamlFile) -> dict[str, str]:
    """The patterns by metric; raises ExperimentError."""
    written = file.get("metrics") if file.has("metrics") else {}
    if not isinstance(written, dict):
        file.refuse("metrics", f"{shown(written)} has no keys", f"Write metrics: {KEYS['metrics'].example}")
    for name, pattern in written.items():
        _check_pattern(file, f"metrics.{name}", pattern)
    return {str(name): pattern for name, pattern in written.items()}


def read_metrics_file(file: YamlFile, space: Space, nodes: int = 1) -> tuple[str, str]:
    """The path, with placeholders, and the column of the steps; both may be empty.  Raises ExperimentError."""
    if not file.has("metrics_file"):
        return "", ""
    written = file.get("metrics_file")
    parts = written if isinstance(written, dict) else {"path": written}
    if parts is written:
        file.check_keys("metrics_file", ("path", "step"))
    for name in sorted({"path", *parts}):
        if not isinstance(parts.get(name), str) or not parts[name]:
            what = "path" if name == "path" else "name of a column"
            hint = f"Write metrics_file: {KEYS['metrics_file'].example}, or {{path: ..., step: iteration}}"
            file.refuse(f"metrics_file.{name}", f"{shown(parts.get(name))} is no {what}", hint)
    path, step = str(parts["path"]), str(parts.get("step", ""))
    check_known(file, "metrics_file", [path], space, nodes)
    named = {found[2] for found in PLACEHOLDER.finditer(path)}
    for parameter in space.parameters:
        if parameter.name in named and parameter.when:
            problem = f"not every trial has a {parameter.name}"
            file.refuse("metrics_file", problem, "Write {trial_dir} or {trial} instead.")
    return path, step


def pattern_for(metric: str, output: str) -> str:
    """A pattern by which a number is found in ``output`` that ``metric`` stands before there; empty if none is."""
    between = r"[^\w\n]*?(?:(?:is|was|of|at|equals)[^\w\n]*?)?"
    before = re.compile(rf"(?<!\w)({re.escape(metric)}{between})[-+]?\.?\d", re.IGNORECASE)
    found = dict.fromkeys(_escaped(each[1]) + r"(\S+)" for each in reversed([*before.finditer(output)]))
    return next((pattern for pattern in found if _gives_a_number(pattern, output)), "")


def _escaped(text: str) -> str:
    """``text`` as a pattern of itself, its blanks as they are."""
    return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)


def _gives_a_number(pattern: str, output: str) -> bool:
    """Whether it finds one, on any line."""
    parser = Patterns({"it": pattern})
    return any(parser.points(line.encode(errors="replace")) for line in output.splitlines())


def _check_pattern(file: YamlFile, key: str, pattern: object) -> None:
    name = key.rpartition(".")[2]
    example = rf"Write {name}: '{name}=(\S+)'"
    if not isinstance(pattern, str):
        file.refuse(key, f"{shown(pattern)} is no pattern", example)
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        file.refuse(key, f"'{pattern}' is no regular expression: {error}", example)
    if groups != 1:
        problem = f"'{pattern}' has {groups} groups"
        file.refuse(key, problem, f"Put ( ) around the number, and (?: ) elsewhere.  {example}")
