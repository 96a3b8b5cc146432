"""From a name to the thing: ``gp``, or one's own ``mypkg.mod:MyOptimizer``, with its settings."""

import ast
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from metaopt.errors import MetaoptError, PluginError, place
from metaopt.scalars import is_number
from metaopt.stopping.base import Learner, Promoter, Stopper, is_apart

OPTIMIZERS = {
    "cmaes": "metaopt.optimizers.cmaes:CmaEs",
    "gp": "metaopt.optimizers.gp:GaussianProcess",
    "grid": "metaopt.optimizers.grid:Grid",
    "random": "metaopt.optimizers.random:Random",
    "sobol": "metaopt.optimizers.sobol:Sobol",
    "tpe": "metaopt.optimizers.tpe:ParzenEstimator",
    "turbo": "metaopt.optimizers.turbo:TrustRegion",
}
STOPPERS = {
    "asha": "metaopt.stopping.asha:Asha",
    "curves": "metaopt.stopping.curves:Curves",
    "hyperband": "metaopt.stopping.hyperband:Hyperband",
    "median": "metaopt.stopping.median:Median",
    "never": "metaopt.stopping.never:Never",
    "pasha": "metaopt.stopping.pasha:Pasha",
    "patience": "metaopt.stopping.patience:Patience",
    "proven": "metaopt.stopping.proven:Proven",
    "threshold": "metaopt.stopping.threshold:Threshold",
}
KNOWN = {"optimizer": OPTIMIZERS, "stopper": STOPPERS}
COUNTS = {"objectives": "knows only one objective", "constraints": "knows no constraints"}
"""Settings that say how many of each an optimizer is to search for, and what is so of one that does not take them."""
GOAL = "goal"
"""A stopper that takes a keyword-only setting of this name is told the objective's goal; people do not write it."""
GIVEN = {"optimizer": 2, "stopper": 0}
"""So many of the first arguments of its constructor are no settings: the space and the seed."""
WANTED = f"Is its package installed for {sys.executable}, or on PYTHONPATH?"
"""What to see to when one's own cannot be imported."""
TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "float": ("a number", is_number),
    "str": ("a text", lambda value: isinstance(value, str)),
    "None": ("none", lambda value: value is None),
}
"""Of settings, as constructors write them: in words, and what is of that type."""
RANGES: Mapping[str, tuple[str, Callable[[Any], bool], str]] = {
    "candidates": ("1 or more", lambda value: value >= 1, "24"),
    "constraints": ("0 or more", lambda value: value >= 0, "1"),
    "levels": ("2 or more, for both ends", lambda value: value >= 2, "5"),  # noqa: PLR2004 - as it says
    "objectives": ("1 or more", lambda value: value >= 1, "2"),
    "population": ("4 or more", lambda value: value >= 4, "16"),  # noqa: PLR2004 - the same
    "sigma": ("above 0 and at most 1, the whole range", lambda value: 0 < value <= 1, "0.3"),
    "start": ("1 or more", lambda value: value >= 1, "12"),
}
"""Of the settings of our optimizers that are numbers: in words, what is in that range, and an example."""
METHODS = {"optimizer": ("ask", "tell"), "stopper": ("should_stop",)}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the experiment file says: ``median``, or ``{rule: median, warmup: 5}``."""

    rule: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def load(kind: str, choice: Choice) -> Callable[..., Any]:
    """The class that ``choice`` names, its methods and settings checked; raises PluginError.

    ``kind`` is optimizer or stopper.  Built-in ones are not imported to be checked for their methods, only loaded.
    """
    made = getattr(_module_of(kind, choice.rule), _path_of(kind, choice.rule)[1], None)
    if not inspect.isclass(made):
        problem = f"{kind} {choice.rule!r} is not a class"
        raise PluginError(problem, "Write it as package.module:ClassName.")
    missing = [method for method in METHODS[kind] if not callable(getattr(made, method, None))]
    if missing:
        problem = f"{kind} {choice.rule!r} has no method {', '.join(missing)}"
        raise PluginError(problem, f"It needs {' and '.join(METHODS[kind])}; metaopt.testing has a test for it.")
    _check_settings(kind, choice, made)
    return made


def make(kind: str, choice: Choice, *arguments: object, **filled: object) -> Any:  # noqa: ANN401 - of either kind
    """One of the class that ``choice`` names, made with ``arguments`` and its settings, and those that are ``filled``.

    Raises PluginError when it cannot be made.
    """
    made = load(kind, choice)
    try:
        return made(*arguments, **choice.settings, **filled)
    except MetaoptError:
        raise
    except Exception as error:
        settings = ", ".join(f"{name}: {value!r}" for name, value in choice.settings.items()) or "no settings"
        said = f"{type(error).__name__}: {error}{f' ({where})' if (where := place(error)) else ''}"
        problem = f"{kind} {choice.rule!r} cannot be made with {settings}: {said}"
        raise PluginError(problem, "Correct its settings, or mend its __init__.") from error


def load_stopper(choice: Choice, goal: str) -> Stopper:
    """The one that ``choice`` names, which is told the ``goal`` of the objective if it asks for it.

    Raises PluginError when it cannot be had.
    """
    wants = inspect.signature(load("stopper", choice)).parameters.get(GOAL)
    filled = {GOAL: goal} if wants is not None and wants.kind is wants.KEYWORD_ONLY else {}
    if filled and GOAL in choice.settings:
        problem = f"stopper {choice.rule!r}: goal is no setting of yours: it is the objective's"
        raise PluginError(
            problem, "Leave it out; the key objective says it: objective: {metric: accuracy, goal: maximize}."
        )
    stopper: Stopper = make("stopper", choice, **filled)
    if is_apart(stopper) and isinstance(stopper, Promoter | Learner):
        problem = f"stopper {choice.rule!r} is to be asked apart, and has to do with pauses, or with ends"
        hint = "For that it is asked where trials begin: leave out apart, or pause and promote, and completed."
        raise PluginError(problem, hint)
    return stopper


def check(kind: str, choice: Choice) -> None:
    """Raise PluginError for what ``load`` would refuse, as far as its source tells: nothing is imported.

    So rank 0 can check an optimizer without its numpy.  A class that its module gets from elsewhere passes.
    """
    module, name = _path_of(kind, choice.rule)
    origin = _origin(module)
    if origin is None:
        problem = f"{kind} {choice.rule!r}: there is no module {module}"
        raise PluginError(problem, WANTED)
    if not origin.endswith(".py"):
        return
    try:
        source = Path(origin).read_text(encoding="utf-8")
        body = ast.parse(source).body
    except (OSError, SyntaxError, ValueError) as error:
        problem = f"{kind} {choice.rule!r}: {origin} is no Python that can be read: {error}"
        raise PluginError(problem, f"Does python -c 'import {module}' work?") from None
    if name not in source:
        problem = f"{kind} {choice.rule!r}: there is no {name} in {origin}"
        raise PluginError(problem, "Write it as package.module:ClassName.")
    made = [node for node in body if isinstance(node, ast.ClassDef) and node.name == name]
    takes = _settings(kind, made[0]) if made else None
    if takes is not None:
        _refuse_wrong(kind, choice, takes)


def _origin(module: str) -> str | None:
    """The file of ``module``, found without importing the packages that it lies in; None when there is none."""
    path, full, spec = None, "", None
    for part in module.split("."):
        full = f"{full}.{part}" if full else part
        spec = next(filter(None, (finder.find_spec(full, path) for finder in sys.meta_path)), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec.origin or "" if spec else None


def _settings(kind: str, made: ast.ClassDef) -> Mapping[str, str] | None:
    """What its constructor takes beside what is GIVEN, and the types of that as they are written; "" for one without.

    None when it takes any, or inherits its constructor.
    """
    for node in made.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            unnamed = max(1 + GIVEN[kind] - len(node.args.posonlyargs), 0)
            takes = [*node.args.args[unnamed:], *node.args.kwonlyargs]
            said = {each.arg: ast.unparse(each.annotation) if each.annotation else "" for each in takes}
            return None if node.args.kwarg else said
    return None if made.bases or made.decorator_list else {}


def _path_of(kind: str, rule: str) -> tuple[str, str]:
    known = KNOWN[kind]
    path = known.get(rule, rule)
    module, colon, name = path.partition(":")
    if not colon:
        near = ["never"] if (kind, rule) == ("stopper", "none") else get_close_matches(rule, known, n=1)
        problem = f"there is no {kind} {rule!r}"
        known_ones = f"Known: {', '.join(sorted(known))}; your own: package.module:ClassName."
        raise PluginError(problem, f"Did you mean {near[0]!r}?  {known_ones}" if near else known_ones)
    return module, name


def _module_of(kind: str, rule: str) -> ModuleType:
    module, _ = _path_of(kind, rule)
    try:
        return import_module(module)
    except ImportError as error:
        problem = f"{kind} {rule!r} cannot be imported: {error}"
        raise PluginError(problem, WANTED) from error
    except Exception as error:
        problem = f"{kind} {rule!r} cannot be imported: {type(error).__name__}: {error}"
        raise PluginError(problem, f"Does python -c 'import {module}' work?") from error


def _check_settings(kind: str, choice: Choice, made: type) -> None:
    """Refuse a setting that the constructor of the class does not take."""
    parameters = inspect.signature(made).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    placed = [each for each in parameters if each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD}]
    named = {each.name for each in placed[GIVEN[kind] :] if each.kind is each.POSITIONAL_OR_KEYWORD}
    takes = {e.name: e.annotation for e in parameters if e.kind is e.KEYWORD_ONLY or e.name in named}
    empty = inspect.Parameter.empty
    said = {name: "" if type_ is empty else inspect.formatannotation(type_) for name, type_ in takes.items()}
    _refuse_wrong(kind, choice, said)


def _refuse_wrong(kind: str, choice: Choice, takes: Mapping[str, str]) -> None:
    """Raise PluginError for a setting that it does not take, not of this type, or not in the range of ours."""
    _refuse_unknown(kind, choice, [*takes])
    if kind == "stopper":  # which is made, and sees for itself
        return
    for name, value in choice.settings.items():
        types = takes[name].split(" | ")
        what = " or ".join(TYPES[each][0] for each in types if each in TYPES)
        if all(each in TYPES for each in types) and not any(TYPES[each][1](value) for each in types):
            problem = f"{kind} {choice.rule!r}: {name} is {value!r}"
            raise PluginError(problem, f"It is {what}.")
        if choice.rule in OPTIMIZERS and name in RANGES and value is not None and not RANGES[name][1](value):
            problem = f"{kind} {choice.rule!r}: {name} is {value!r}"
            raise PluginError(problem, f"It is {what}, {RANGES[name][0]}: {name}: {RANGES[name][2]}.")


def _refuse_unknown(kind: str, choice: Choice, takes: list[str]) -> None:
    own = [name for name in takes if name not in COUNTS and (kind != "stopper" or name != GOAL)]
    for name in choice.settings:
        if name not in takes and kind == "optimizer" and name in COUNTS:
            problem = f"{kind} {choice.rule!r} {COUNTS[name]}"
            hint = f"gp does; one of your own needs an argument {name}, their number, and tuples in tell()."
            raise PluginError(problem, hint)
        if name not in takes:
            near = get_close_matches(str(name), own, n=1)
            problem = f"{kind} {choice.rule!r} has no setting {name!r}"
            hint = f"It takes: {', '.join(own) or 'none'}."
            raise PluginError(problem, f"Did you mean {near[0]!r}?  {hint}" if near else hint)
