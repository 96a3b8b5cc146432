"""The options that a script's source declares, for argparse or click, and a range for each.  Nothing is run."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from metaopt.scalars import write, write_number

_MAKERS = {"add_argument", "option"}
_LOG = re.compile(r"(^|_)(lr|rate|decay|eps|epsilon|alpha|lambda|reg|l1|l2|tol|sigma|temperature)(_|$)|learning_rate")
_APART = re.compile(
    r"(^|_)(seed|epochs?|steps?|iters?|iterations|data|dataset|path|dir|root|file|out|output|log|device|gpus?|workers|"
    r"threads|port|host|rank|version|config|name|checkpoint|resume|verbose|interval|every|freq)(_|$)"
)
_MORE = re.compile(r"(?<![a-z])(acc|auc|auroc|f1|score|reward|return|precision|recall|r2|bleu|iou)", re.IGNORECASE)
_PRINTED = re.compile(
    r"""["'\s]((?:\w*_)?(?:loss|error|err|accuracy|acc|score|rmse|mse|auc|f1|perplexity))\s*[=:]\s*\{"""
)
SCALARS = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class Option:
    """An option as it is typed (``flag``), with its ``default`` and a suggested ``prior``, empty where there is none.

    ``apart``: it is hardly meant to be searched.  ``required``: the script does not start without it.
    """

    flag: str
    prior: str
    default: object = None
    apart: bool = False
    required: bool = False

    @property
    def name(self) -> str:
        """The parameter's name."""
        return re.sub(r"\W", "_", self.flag.lstrip("-"))


def options(source: str) -> list[Option]:
    """Those of ``source``, in the order of its lines; raises SyntaxError or ValueError when it is no Python."""
    found: dict[str, Option] = {}
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: call.lineno):
        maker = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if maker in _MAKERS:
            for option in _of(call):
                found.setdefault(option.name, option)
    return list(found.values())


def printed(source: str) -> str:
    """The metric that it seems to print, as in ``f"val_loss={loss}"``; empty when none is seen.

    The last one, of those of which less is better, if there are any: ``is_more`` errs towards that.
    """
    names = [str(name) for name in _PRINTED.findall(source)]
    return next((name for name in reversed(names) if not is_more(name)), names[-1] if names else "")


def is_more(metric: str) -> bool:
    """Whether more of a metric with this name is better, as of accuracy."""
    return bool(_MORE.search(metric))


def _of(call: ast.Call) -> Iterator[Option]:
    flags = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    flags = [flag.partition("/")[0] for flag in flags]
    long = [flag for flag in flags if flag.startswith("--")] or flags
    said = {keyword.arg: keyword.value for keyword in call.keywords}
    if not long or not long[0].startswith("-") or _constant(said.get("action")) in {"version", "help"}:
        return
    action, default, option = _constant(said.get("action")), _constant(said.get("default")), long[0]
    name = re.sub(r"\W", "_", option.lstrip("-")).lower()
    one = action in {None, "store"} and not (_constant(said.get("is_flag")) or "nargs" in said or "multiple" in said)
    prior = _prior(name, _kind(said.get("type"), default), default, _choices(said)) if one else ""
    yield Option(option, prior, default, bool(_APART.search(name)), _constant(said.get("required")) is True)


def _constant(node: ast.expr | None) -> object:
    """Its value, if it is written down."""
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _kind(node: ast.expr | None, default: object) -> str:
    """``int``, ``float`` or another name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):  # click.INT
        return node.attr.lower()
    return type(default).__name__


def _choices(said: dict[str | None, ast.expr]) -> list[object]:
    """Those of argparse's ``choices=``, or of click's ``type=click.Choice([...])``."""
    node = said.get("choices")
    kind = said.get("type")
    if node is None and isinstance(kind, ast.Call) and getattr(kind.func, "attr", "") == "Choice" and kind.args:
        node = kind.args[0]
    found = _constant(node)
    return [each for each in found if isinstance(each, SCALARS)] if isinstance(found, (list, tuple)) else []


def _prior(name: str, kind: str, default: object, choices: list[object]) -> str:
    """A range around the default, if there is one, that a person would begin with."""
    if choices:
        return f"choice({', '.join(write(each) for each in choices if isinstance(each, SCALARS))})"
    value = default if isinstance(default, (int, float)) and not isinstance(default, bool) else None
    if kind == "int":
        low, high = (1, 100) if value is None else (max(1, int(value) // 4), int(value) * 4)
        return f"integer({low}, {high}, log)" if high > low else ""
    if kind != "float" or (value is not None and value < 0):
        return ""
    if value is None:
        return "loguniform(1e-5, 1)" if _LOG.search(name) else "uniform(0, 1)"
    if value > 0 and (_LOG.search(name) or value < 0.01):  # noqa: PLR2004 - a default below that is one of magnitude
        return f"loguniform({write_number(float(f'{value / 100:.3g}'))}, {write_number(float(f'{value * 100:.3g}'))})"
    return "uniform(0, 1)" if value <= 1 else f"uniform(0, {write_number(float(f'{value * 2:.3g}'))})"
