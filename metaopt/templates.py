"""Priors inside a configuration file, of any text format, and each trial's copy with its values in their places.

lr: metaopt~loguniform(1e-5, 1)           the parameter lr; orion~ is read as metaopt~
"lr": "metaopt~loguniform(1e-5, 1)"       the quotes go, unless the value is a text
lr = metaopt~base_lr~uniform(0, 1)        the parameter base_lr
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from metaopt.messages import Scalar

LIMIT_BYTES = 1 << 20
_MARK = re.compile(
    r"""(["']?)(?:metaopt|orion)~(?:(\w+)~)?(\w+\((?:[^()"']|"[^"\n]*"|'[^'\n]*')*\))(["']?)""",
)
_KEY = re.compile(r"""([A-Za-z_][\w.-]*)["']?\s*[:=\s]\s*\Z""")


class Mark(NamedTuple):
    """A place in a text: the ``line`` (from 1 on) with a ``prior``; ``name`` is empty when nothing says it."""

    line: int
    name: str
    prior: str


def marks(text: str) -> Iterator[Mark]:
    """All priors in ``text``."""
    for found in _MARK.finditer(text):
        yield Mark(text.count("\n", 0, found.start()) + 1, _name(text, found), found[3])


def filled(text: str, params: Mapping[str, Scalar]) -> str:
    """``text`` with values for its priors; an inactive parameter is null."""

    def put(found: re.Match[str]) -> str:
        value = params.get(_name(text, found))
        said = json.dumps(value, ensure_ascii=False)
        if found[1] and found[1] == found[4]:
            return said
        return f"{found[1]}{value if isinstance(value, str) else said}{found[4]}"

    return _MARK.sub(put, text)


def _name(text: str, found: re.Match[str]) -> str:
    """The parameter's name: as it is said, else the key before it on its line."""
    if found[2]:
        return found[2]
    key = _KEY.search(text[text.rfind("\n", 0, found.start()) + 1 : found.start()])
    return re.sub(r"\W", "_", key[1]) if key else ""
