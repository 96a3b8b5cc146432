"""The search space: parameters, conditions between them, and the way to the unit cube and back.

    lr:         loguniform(1e-4, 1e-1)                                 Real, also uniform(0, 1)
    noise:      normal(0, 1)                                           Normal, also lognormal(0, 1)
    units:      integer(8, 256, log)                                   Integer, both ends included, also integer(1, 4)
    optimizer:  choice(sgd, adam)                                      Categorical
    batch:      ordinal(16, 32, 256)                                   Ordinal, values in their order
    momentum:   {prior: "uniform(0, 1)", when: "optimizer == sgd"}     with a condition
    decay:      {prior: "uniform(0, 1)", default: 0}                   its usual value
    epochs:     20                                                     Fixed, also fixed("a text (with brackets)")

An optimizer sees one coordinate in [0, 1] for each parameter that is not fixed.  A parameter with n values shares its
coordinate out among n cells; a value's own coordinate is the middle of its cell.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from metaopt.errors import SpaceError
from metaopt.messages import Params, Scalar
from metaopt.orion import of_list, translated
from metaopt.parameters import MAX, Categorical, Condition, Fixed, Integer, Normal, Ordinal, Parameter, Real, as_value
from metaopt.scalars import is_number, read, read_list, write

__all__ = ["Categorical", "Condition", "Fixed", "Integer", "Normal", "Ordinal", "Parameter", "Real", "Space"]

ITSELF = "space"
"""Whom a SpaceError names that is about no single parameter."""
COUNTED = 10_000
"""A space is counted exactly while no parameter with children has more values than this."""
FORMS = {
    "uniform": "uniform(0, 1)",
    "loguniform": "loguniform(1e-4, 1e-1)",
    "normal": "normal(0, 1)",
    "lognormal": "lognormal(0, 1)",
    "integer": "integer(8, 256) or integer(8, 256, log)",
    "choice": "choice(relu, tanh)",
    "ordinal": "ordinal(16, 32, 256)",
    "fixed": "fixed(3)",
}
FIELDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("uniform", "loguniform", "integer"), ("low", "high")),
    **dict.fromkeys(("normal", "lognormal"), ("mean", "sd")),
    **dict.fromkeys(("choice", "ordinal"), ("choices",)),
    "fixed": ("value",),
}
_LISTS = {"choice": Categorical, "ordinal": Ordinal}
_NAME = re.compile(r"\w+")
_CALL = re.compile(r"([\w-]+)\s*\((.*)\)", re.DOTALL)
_CONDITION = re.compile(r"(\w+)\s*(==|!=|<=|>=|<|>|\bin\b)\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Space:
    """Parameters in the order in which they were declared; raises SpaceError when their conditions make no sense.

    A parameter is active when its condition holds and its parent is active too; only active ones have a value.
    ``defaults`` are usual values, with which a search begins, and which trials had that know nothing of a parameter.
    """

    parameters: tuple[Parameter, ...]
    defaults: Params = field(default_factory=dict, repr=False, compare=False)
    searched: tuple[Parameter, ...] = field(init=False, repr=False, compare=False)
    _parents_first: tuple[Parameter, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__  # what is frozen is filled in once, here
        put(self, "parameters", tuple(self.parameters))
        put(self, "searched", tuple(each for each in self.parameters if each.kind != "fixed"))
        by_name = {parameter.name: parameter for parameter in self.parameters}
        if len(by_name) < len(self.parameters):
            raise SpaceError(ITSELF, "two parameters have the same name", "Rename one of them.")
        depth = {parameter.name: len(_ancestors(parameter, by_name)) for parameter in self.parameters}
        for parameter in self.parameters:
            _check_condition(parameter, by_name)
        put(self, "_parents_first", tuple(sorted(self.parameters, key=lambda parameter: depth[parameter.name])))
        fixed = {each.name: each.value for each in self.parameters if isinstance(each, Fixed)}
        said = {name: as_value(by_name[name], value, "default") for name, value in self.defaults.items()}
        put(self, "defaults", {**fixed, **said})

    @staticmethod
    def parse(mapping: object) -> "Space":
        """The space that ``mapping`` (name: prior, as in the experiment file) describes; raises SpaceError."""
        if not isinstance(mapping, Mapping) or not mapping:
            raise SpaceError(ITSELF, "it has no parameters", "Write them below: lr: loguniform(1e-4, 1e-1).")
        mapping = {name: translated(str(name), written) for name, written in mapping.items()}
        parameters = tuple(_parse_parameter(name, written) for name, written in mapping.items())
        told = {n: each["default"] for n, each in mapping.items() if isinstance(each, Mapping) and "default" in each}
        space = Space(parameters, told)
        if not space.searched:
            raise SpaceError(ITSELF, "all parameters are fixed", "Give one a prior: lr: loguniform(1e-4, 1e-1).")
        return space

    @property
    def size(self) -> int | None:
        """The number of different points, None when there is no end of them.

        Exact, conditions included; an upper bound when a parameter with children has over ``COUNTED`` values.
        """
        if any(parameter.cells is None for parameter in self.parameters):
            return None
        return math.prod(self._points_below(each) for each in self.parameters if each.when is None)

    def active(self, params: Params) -> list[str]:
        """The names of the parameters that count at ``params``, as declared; ``params`` may hold more."""
        names: set[str] = set()
        for parameter in self._parents_first:
            if _is_active(parameter, names, params):
                names.add(parameter.name)
        return [parameter.name for parameter in self.parameters if parameter.name in names]

    def contains(self, params: Params) -> bool:
        """Whether ``params`` has exactly the active parameters, each with a value that it can have."""
        return set(params) == set(self.active(params)) and all(
            parameter.contains(params[parameter.name]) for parameter in self.parameters if parameter.name in params
        )

    def filled(self, params: Params, values: Params) -> dict[str, Scalar]:
        """``params``, and for each active parameter that they lack that in ``values``, if it is there; as declared."""
        full, names = dict(params), set[str]()
        for each in self._parents_first:
            if _is_active(each, names, full):
                names.add(each.name)
                if each.name in values:
                    full.setdefault(each.name, values[each.name])
        return {each.name: full[each.name] for each in self.parameters if each.name in full} | full

    def fits(self, params: Params) -> bool:
        """Whether ``params``, with the defaults of what they know nothing of, are a point of this space."""
        return self.contains(self.filled(params, self.defaults))

    def to_unit(self, params: Params) -> list[float]:
        """A coordinate for each searched parameter; 0.5 for those that are not active at ``params``."""
        names = set(self.active(params)) & set(params)
        return [each.to_unit(params[each.name]) if each.name in names else 0.5 for each in self.searched]

    def from_unit(self, point: Sequence[float]) -> dict[str, Scalar]:
        """The settings at ``point``, on the grid: the active parameters, fixed ones among them, as declared."""
        coordinates = {each.name: float(u) for each, u in zip(self.searched, point, strict=True)}
        params = {each.name: each.from_unit(coordinates.get(each.name, 0.5)) for each in self.parameters}
        return {name: params[name] for name in self.active(params)}

    def canonical(self) -> dict[str, Any]:
        """Plain data from which ``parse`` makes an equal space; the defaults are no part of it."""
        return {
            each.name: {"prior": each.canonical(), "when": each.when.canonical()} if each.when else each.canonical()
            for each in self.parameters
        }

    def _points_below(self, parameter: Parameter) -> int:
        """How many combinations of ``parameter`` and those that depend on it there are."""
        children = [each for each in self.parameters if each.when and each.when.parent == parameter.name]
        cells = parameter.cells or 1
        below = {child.name: self._points_below(child) for child in children}
        if not children or cells > COUNTED:
            return cells * math.prod(below.values())
        values: Iterable[Scalar] = map(parameter.from_unit, ((index + 0.5) / cells for index in range(cells)))
        if isinstance(parameter, Integer):
            values = range(parameter.low, parameter.high + 1)
        return sum(
            math.prod(below[child.name] for child in children if child.when and child.when.holds(value))
            for value in values
        )


def _is_active(parameter: Parameter, active: set[str], params: Params) -> bool:
    """Whether a parameter counts at ``params``, where those of its ancestors count that are in ``active``."""
    when = parameter.when
    return when is None or (when.parent in active and when.parent in params and when.holds(params[when.parent]))


def _parse_parameter(name: object, written: object) -> Parameter:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SpaceError(str(name), "it is no name for a parameter", "Use letters, digits and _ only.")
    if isinstance(written, str):
        return _from_text(name, written)
    if isinstance(written, Mapping):
        when = _parse_condition(name, written["when"]) if "when" in written else None
        prior = {key: each for key, each in written.items() if key not in {"when", "default"}}
        return replace(_from_mapping(name, prior), when=when)
    if isinstance(written, (list, tuple)):
        raise SpaceError(name, "a list is no prior", of_list(written))
    return Fixed(name, written)  # type: ignore[arg-type]  # Fixed refuses what is no scalar


def _from_text(name: str, text: str) -> Parameter:
    """Short form, or the text itself as a fixed value when it does not look like one."""
    call = _CALL.fullmatch(text.strip())
    if call:
        return _build(name, call[1], read_list(name, call[2]))
    if any(text.strip().startswith(f"{prior}(") for prior in FORMS):
        raise SpaceError(name, f"{text.strip()!r} is not closed with )", "Write uniform(0, 1), inside { } in quotes.")
    return Fixed(name, text)


def _from_mapping(name: str, written: Mapping[str, Any]) -> Parameter:
    """Spelled-out form, without its condition."""
    if "prior" in written:
        _check_keys(name, written, ("prior",))
        if not isinstance(written["prior"], (str, int, float)):
            raise SpaceError(name, f"the prior is {written['prior']!r}", "Write it as text: uniform(0, 1).")
        return _parse_parameter(name, written["prior"])
    prior = written.get("type", "fixed" if "value" in written else None)
    if prior is None:
        raise SpaceError(name, "it says no prior", 'Write prior: "uniform(0, 1)", or type: uniform, low: 0, high: 1.')
    _check_prior(name, prior)
    fields = FIELDS[prior]
    _check_keys(name, written, ("type", *fields, *(("log",) if prior == "integer" else ())))
    for each in fields:
        if each not in written:
            raise SpaceError(name, f"{prior} lacks {each}", f"Give it {' and '.join(fields)}.")
    if prior in _LISTS:
        if not isinstance(written["choices"], (list, tuple)):
            raise SpaceError(name, "choices is not a list", "Write choices: [relu, tanh].")
        return _build(name, prior, list(written["choices"]))
    log = written.get("log", False)
    if not isinstance(log, bool):
        raise SpaceError(name, f"log is {log!r}", "Write log: true or log: false.")
    values = [written[each] for each in fields]
    if prior != "fixed":
        values = [read(name, each) if isinstance(each, str) and each.strip() else each for each in values]
    return _build(name, prior, [*values, *(("log",) if log else ())])


def _build(name: str, prior: str, arguments: list[Scalar]) -> Parameter:
    _check_prior(name, prior)
    if prior in _LISTS:
        return _LISTS[prior](name, tuple(arguments))
    wanted, log = FIELDS[prior], prior == "integer" and arguments[2:] == ["log"]
    if len(arguments) != len(wanted) and not log:
        problem = f"{prior} takes {' and '.join(wanted)}, not {len(arguments)} value{'s' * (len(arguments) != 1)}"
        hint = f"Write {FORMS[prior]}."
        if arguments[2:] == ["log"] and f"log{prior}" in FORMS:
            hint = f"Write {FORMS[f'log{prior}']} for a logarithmic scale."
        raise SpaceError(name, problem, hint)
    if prior == "fixed":
        return Fixed(name, arguments[0])
    first, second = (_check_number(name, *each) for each in zip(wanted, arguments, strict=False))
    if prior == "integer":
        return Integer(name, _check_whole(name, "low", first), _check_whole(name, "high", second), log)
    kind = Normal if prior.endswith("normal") else Real
    return kind(name, float(first), float(second), prior.startswith("log"))


def _parse_condition(name: str, text: object) -> Condition:
    found = _CONDITION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        hint = 'Write "optimizer == sgd", "layers > 2" or "optimizer in [sgd, adam]"; others: !=, <, <=, >=.'
        raise SpaceError(name, f"when: {text!r} is no condition", hint)
    parent, op, rest = found.groups()
    if op == "in":
        if not (rest.startswith("[") and rest.endswith("]") and rest[1:-1].strip()):
            raise SpaceError(name, f"when: {rest!r} is no list", f'Write "{parent} in [sgd, adam]".')
        return Condition(parent, op, tuple(read_list(name, rest[1:-1])))
    values = read_list(name, rest)
    if len(values) != 1:
        raise SpaceError(name, f"when: {op} takes one value", f'Write "{parent} in [sgd, adam]" for several.')
    return Condition(parent, op, tuple(values))


def _check_number(name: str, what: str, value: Scalar) -> float:
    if not is_number(value) or abs(value) >= MAX:
        raise SpaceError(name, f"{what} is {value!r}, which is not a number", "Write numbers like 3, 0.1 or 1e-4.")
    return value


def _check_whole(name: str, what: str, value: float) -> int:
    if value != int(value):
        raise SpaceError(name, f"{what} is {value!r}, which is not a whole number", "For a real one write uniform().")
    return int(value)


def _check_prior(name: str, prior: object) -> None:
    if not isinstance(prior, str) or prior not in FORMS:
        near = get_close_matches(str(prior), FORMS, n=1)
        hint = f'Known: {", ".join(FORMS)}; for a text with brackets write fixed("...").'
        hint = f"Did you mean {FORMS[near[0]]}?  {hint}" if near else hint
        raise SpaceError(name, f"there is no prior {prior!r}", hint)


def _check_keys(name: str, written: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in written:
        if key not in known:
            near = get_close_matches(str(key), [*known, "when", "default"], n=1)
            hint = f"Known here: {', '.join(known)}, when, default."
            raise SpaceError(name, f"unknown key {key!r}", f"Did you mean {near[0]}?  {hint}" if near else hint)


def _ancestors(parameter: Parameter, by_name: Mapping[str, Parameter]) -> list[str]:
    """The parameters that ``parameter`` depends on, nearest first; raises SpaceError when it is among them."""
    chain: list[str] = []
    at = parameter
    while at.when:
        parent = at.when.parent
        if parent not in by_name:
            near = get_close_matches(parent, by_name, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"The parameters are {', '.join(by_name)}."
            raise SpaceError(at.name, f"when: there is no parameter {parent!r}", hint)
        if parent == parameter.name:
            circle = " -> ".join((parameter.name, *chain, parent))
            raise SpaceError(parameter.name, f"when: it depends on itself: {circle}", "Drop one of these conditions.")
        if parent in chain:
            break  # a circle further up, which is found from there
        chain.append(parent)
        at = by_name[parent]
    return chain


def _check_condition(parameter: Parameter, by_name: Mapping[str, Parameter]) -> None:
    """Refuse a condition that can never hold (but one on a constant may: constants are for trying things out)."""
    when = parameter.when
    if not when or isinstance(by_name[when.parent], Fixed):
        return
    parent, text = by_name[when.parent], f"when: {when.canonical()}"
    hint = f"{parent.name} is {parent.canonical()}."
    if when.op in ("==", "!=", "in"):
        if parent.cells is None:
            raise SpaceError(parameter.name, f"{text}: a real number is hardly ever equal", f"{hint}  Use < or >.")
        never = [write(value) for value in when.values if not parent.contains(value)]
        if never:
            raise SpaceError(parameter.name, f"{text}: {parent.name} is never {never[0]}", hint)
        return
    ends = parent.choices if isinstance(parent, Categorical) else (parent.from_unit(0), parent.from_unit(1))
    if not any(when.holds(end) for end in ends):
        raise SpaceError(parameter.name, f"{text}: that never holds", hint)
