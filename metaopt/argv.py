"""A command with placeholders, filled in."""

import re
from collections.abc import Mapping, Sequence

from metaopt.messages import Scalar

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")


def fill(command: Sequence[str], values: Mapping[str, Scalar]) -> list[str]:
    """``command`` with its placeholders filled in: ``{lr}`` by a value, ``{{lr}}`` by a literal ``{lr}``.

    An argument with a placeholder that has no value (an inactive parameter) is left out; when it is the placeholder
    alone, so is an option before it (``--momentum {momentum}``).  Other braces stay as they are.
    """
    filled: list[str] = []
    for position, word in enumerate(command):
        names = [found[2] for found in PLACEHOLDER.finditer(word) if found[2]]
        if all(name in values for name in names):
            filled.append(PLACEHOLDER.sub(lambda m: f"{{{m[1]}}}" if m[1] else _spell(values[m[2]]), word))
        elif word == f"{{{names[0]}}}" and position and _is_option(command[position - 1]):
            filled.pop()
    return filled


def _is_option(word: str) -> bool:
    """Whether ``word`` may be an option whose value is the next argument."""
    return word.startswith("-") and word.strip("-") != "" and "=" not in word and not PLACEHOLDER.search(word)


def _spell(value: Scalar) -> str:
    """As YAML would write it, text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
