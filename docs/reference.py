"""What the pages of docs/ have from the code; a hook of mkdocs.

It takes the place of lines that end in <!-- made: NAME -->, which say where to find the same to who reads the file.
"""

import inspect
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from unittest.mock import patch

from metaopt.cli import VERBS, db
from metaopt.cli import main as metaopt
from metaopt.keys import KEYS, REQUIRED
from metaopt.plugins import COUNTS, GOAL, KNOWN, Choice, load
from metaopt.space import FIELDS, FORMS, Space

MARK = re.compile(r"^.*<!-- made: (\S+) -->$", re.MULTILINE)
COLUMNS = "100"


def on_page_markdown(markdown: str, **_: object) -> str:
    """A page with its parts filled in; raises KeyError when it names one that nobody makes."""
    return MARK.sub(lambda found: PARTS[found[1]](), markdown)


def keys(of: str = "") -> str:
    """The table of the keys of the experiment file, or of those below the key ``of``."""
    rows = {name.removeprefix(of): key for name, key in KEYS.items() if name.startswith(of)}
    first = f"`{of[:-1]}:`" if of else "key"
    lines = [f"| {first} | default | what it is |", "|---|---|---|"]
    for name, key in rows.items():
        if "." not in name:
            plain = " " in key.default or key.default in {REQUIRED, "none"}
            lines.append(f"| `{name}` | {key.default if plain else f'`{key.default}`'} | {key.meaning} |")
    return "\n".join(lines)


def priors() -> str:
    """The table of all priors, in their short and their mapping form."""
    lines = ["| short form | mapping form | values |", "|---|---|---|"]
    for name, form in FORMS.items():
        made = Space.parse({"x": form.split(" or ")[-1], "y": "uniform(0, 1)"}).parameters[0]
        values = {field: getattr(made, field) for field in FIELDS[name]}
        kind = "" if name == "fixed" else f"type: {name}, "
        mapping = kind + ", ".join(f"{field}: {_plain(value)}" for field, value in values.items())
        lines.append(f"| `{form.replace(' or ', '`, `')}` | `{{{mapping}}}` | {_told(made)[0]} |")
    return "\n".join(lines)


def rules(kind: str) -> str:
    """A section for each optimizer, or each stopper: what it is, and its settings with their defaults."""
    return "\n\n".join("\n\n".join(_rule(kind, rule)) for rule in KNOWN[kind])


def commands() -> str:
    """What each verb says with --help."""
    words = [*([verb] for verb in VERBS), *(["db", verb] for verb in db.VERBS)]
    shown = {" ".join(each): _help(each) for each in sorted(words)}
    return "\n\n".join(f"## metaopt {name}\n\n```text\n{text}\n```" for name, text in shown.items())


def _rule(kind: str, rule: str) -> Iterator[str]:
    made = load(kind, Choice(rule))
    yield f"### {rule}"
    yield _told(inspect.getmodule(made))[0]
    yield " ".join(_told(made))
    takes = [each for each in inspect.signature(made).parameters.values() if each.kind is each.KEYWORD_ONLY]
    settings = [f"`{each.name}: {_plain(each.default)}`" for each in takes if each.name not in {*COUNTS, GOAL}]
    yield f"Settings, with their defaults: {', '.join(settings) or 'none'}."
    yield from _told(made.__init__)[1:] if settings else []


def _told(thing: object) -> list[str]:
    """The paragraphs of a docstring as Markdown, without what is raised."""
    text = re.sub(r"\bRaises? .*?(\.\s|\.$)", "", inspect.getdoc(thing) or "", flags=re.DOTALL).replace("``", "`")
    return [" ".join(each.split()) for each in text.split("\n\n") if each.strip()]


def _plain(value: object) -> str:
    """A value as it stands in a YAML file."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _help(words: list[str]) -> str:
    said = io.StringIO()
    with patch.dict(os.environ, {"COLUMNS": COLUMNS, "NO_COLOR": "1"}), redirect_stdout(said), suppress(SystemExit):
        metaopt([*words, "--help"])
    return said.getvalue().rstrip()


PARTS: dict[str, Callable[[], str]] = {
    "keys": keys,
    "objective": lambda: keys("objective."),
    "resources": lambda: keys("resources."),
    "priors": priors,
    "optimizers": lambda: rules("optimizer"),
    "stoppers": lambda: rules("stopper"),
    "commands": commands,
}
