"""Priors as Oríon's users type them, in the forms of this space.

    uniform(1, 5, discrete=True)       integer(1, 5); of loguniform: integer(1, 5, log)
    choices(['a', 'b'])                choice(a, b), also of a mapping, whose weights go
    ..., default_value=0.1             the default of that parameter
    ..., precision=4                   goes: values are drawn in full precision
    gaussian(0, 1)                     normal(0, 1)

``shape=`` and ``fidelity()`` have no counterpart, and are refused with what to write instead.
"""

import ast
import re
from collections.abc import Mapping, Sequence

from metaopt.errors import SpaceError
from metaopt.scalars import check_scalar, is_number, write

_CALL = re.compile(r"\s*([\w-]+)\s*\(.*\)\s*", re.DOTALL)
_OPEN = re.compile(r"\s*(choices|gaussian|fidelity)\s*\(")
_KEYWORD = re.compile(r"[(,]\s*(discrete|default_value|precision|shape|base)\s*=[^=]")
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_WORD = "(uniform|loguniform|integer|normal|lognormal)"
_ALMOST = re.compile(
    rf"\s*(?:{_WORD}?\s*[\[(]\s*{_NUMBER}\s*,\s*{_NUMBER}\s*[\])]"
    rf"|{_WORD}\s+{_NUMBER}\s*,?\s+{_NUMBER}|{_NUMBER}\s*\.\.\.?\s*{_NUMBER})\s*"
)
_OURS = {"gaussian": "normal", "choices": "choice"}
_SHARED = {"uniform", "loguniform", "normal"}
_SHAPE = "Write a parameter for each of them: {name}_0, {name}_1, ..."
_FIDELITY = "Give the script that number itself; what is not worth it is ended early by a stopper: median."


def translated(name: str, written: object) -> object:
    """``written``, of the parameter ``name``, in our own form if it is a prior as Oríon has it; else as it is.

    Raises SpaceError for what has no counterpart.
    """
    if isinstance(written, Mapping) and isinstance(written.get("prior"), str):
        found = translated(name, written["prior"])
        return {**found, **written, "prior": found["prior"]} if isinstance(found, dict) else {**written, "prior": found}
    if not isinstance(written, str) or not (call := _CALL.fullmatch(written)):
        if isinstance(written, str) and _OPEN.match(written):
            raise SpaceError(name, f"{written.strip()!r} is not closed with )", "Write it like choices(['a', 'b']).")
        if isinstance(written, str):
            _check_meant(name, written)
        return written
    if call[1] == "fidelity":
        raise SpaceError(name, "fidelity() is no parameter here", _FIDELITY)
    if call[1] not in _OURS and not (call[1] in _SHARED and _KEYWORD.search(written)):
        return written
    arguments, keywords = _read(name, written.strip())
    if keywords.pop("shape", None) is not None:
        raise SpaceError(name, "shape= is not known: a parameter is one value", _SHAPE.format(name=name))
    keywords.pop("precision", None)
    prior = _prior(name, call[1], arguments, discrete=keywords.pop("discrete", False) is True)
    default = keywords.pop("default_value", None)
    if keywords:
        raise SpaceError(name, f"{call[1]}() takes no {next(iter(keywords))}=", f"Leave it out: {prior}")
    return prior if default is None else {"prior": prior, "default": default}


def _check_meant(name: str, text: str) -> None:
    """Raise SpaceError for a ``text`` that is all but a prior: two numbers, and what says that they are a range."""
    if found := _ALMOST.fullmatch(text):
        *word, low, high = filter(None, found.groups())
        problem = f"{text.strip()!r} looks like a prior, and is none"
        write = f"Write {word[0]}({low}, {high})" if word else _between(low, high)
        raise SpaceError(name, problem, f'{write}; the text itself is {{value: "{text.strip()}"}}.')


def of_list(written: Sequence[object]) -> str:
    """What to write in the place of a list; of two numbers it may be a range."""
    choice = f"choice({', '.join(map(str, written))}) to choose one of them."
    two = len(written) == 2 and all(map(is_number, written))  # noqa: PLR2004 - low and high
    return f"{_between(*map(str, written))}, or {choice}" if two else f"Write {choice}"


def _between(low: str, high: str) -> str:
    """What to write for a number from ``low`` to ``high``."""
    return f"Write uniform({low}, {high})" + f" or loguniform({low}, {high})" * (float(low) > 0)


def weighted(written: object) -> bool:
    """Whether it has weights, which go."""
    return isinstance(written, str) and bool(re.match(r"\s*choices\s*\(\s*\{", written))


def _prior(name: str, prior: str, arguments: list[object], *, discrete: bool) -> str:
    """The short form of our own."""
    ours = _OURS.get(prior, prior)
    if ours == "choice" and len(arguments) == 1 and isinstance(arguments[0], (list, tuple, set, dict)):
        arguments = list(arguments[0])
    for value in arguments:
        check_scalar(name, value)
    texts = [write(value) for value in arguments if value is None or isinstance(value, (str, int, float))]
    if not discrete:
        return f"{ours}({', '.join(texts)})"
    if ours not in {"uniform", "loguniform"}:
        raise SpaceError(name, f"{prior}() cannot be discrete", "Write integer(1, 8), or ordinal(1, 2, 8).")
    return f"integer({', '.join(texts + ['log'] * (ours == 'loguniform'))})"


def _read(name: str, text: str) -> tuple[list[object], dict[str, object]]:
    """The arguments and the keywords of a call; a bare word is a text."""
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call):
            raise TypeError  # noqa: TRY301 - said below
        return [_value(each) for each in call.args], {str(each.arg): _value(each.value) for each in call.keywords}
    except (SyntaxError, ValueError, TypeError):
        hint = "Write it like uniform(1, 5, discrete=True), or choices(['a', 'b'])."
        raise SpaceError(name, f"cannot read {text}", hint) from None


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.Name):
        return {"true": True, "false": False, "null": None}.get(node.id, node.id)
    value: object = ast.literal_eval(node)
    return value
