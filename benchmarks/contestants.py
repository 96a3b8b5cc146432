"""Who is compared: metaopt's optimizers, and those of others, which run in a process of their own.

gp   gp{start=20}   optuna:tpe   my.module:MyOptimizer{greedy=true}
"""

import json
import math
import os
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeAlias

import yaml
from opponents import OPPONENTS

import metaopt.optimizers
from metaopt.messages import Params, Scalar
from metaopt.plugins import Choice, load
from metaopt.space import Categorical, Integer, Ordinal, Parameter, Real, Space

PROGRAM = Path(__file__).with_name("opponents.py")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
"""Of each library for linear algebra, set before numpy or torch is loaded: all have a core each."""
PATIENCE = 1800.0
"""Seconds after which a peer that does not answer is taken to hang."""
_WRITTEN = re.compile(r"([\w.:-]+)(?:\{([^{}]*)\})?")


def contestants(text: str) -> list[str]:
    """The names, with their settings, between the commas of ``text``; raises SystemExit or PluginError."""
    names = listed(text)
    for name in names:
        if name not in OPPONENTS:
            load("optimizer", choice(name))
    return names


def listed(text: str) -> list[str]:
    """What stands between the commas of ``text`` that are in no braces."""
    return re.findall(r"(?:[^,{]|\{[^}]*\})+", text)


def choice(name: str) -> Choice:
    """``gp{start=20}``, taken apart; raises SystemExit."""
    written = _WRITTEN.fullmatch(name)
    if not written:
        problem = f"{name!r} is no optimizer: write it like gp, gp{{start=20}}, {', '.join(OPPONENTS)}"
        raise SystemExit(problem)
    return Choice(written[1], yaml.safe_load(f"{{{(written[2] or '').replace('=', ': ')}}}"))


@contextmanager
def contestant(
    name: str,
    space: Mapping[str, object],
    seed: int,
    *,
    python: str = sys.executable,
    trials: int = 100,
    workers: int = 1,
) -> Iterator["Contestant"]:
    """An optimizer, for a ``with``; ``trials`` and ``workers`` are for those that want to know."""
    parsed = Space.parse(space)
    if name in OPPONENTS:
        with Peer(name, parsed, seed, python=python, trials=trials, workers=workers) as peer:
            yield peer
    else:
        chosen = choice(name)
        yield metaopt.optimizers.make(chosen.rule, parsed, seed, **chosen.settings)


class Peer:
    """An optimizer of other people's, in a process of its own: a RuntimeError or a TimeoutError when that goes wrong.

    It sees numbers, integers and labels; an ordinal value is an integer to it, and what is fixed it does not see.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        seed: int,
        *,
        python: str,
        trials: int,
        workers: int,
        program: Path = PROGRAM,
        **more: object,
    ) -> None:
        self._space = space
        self._name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the peer
        self.process = subprocess.Popen(
            [python, str(program)],
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        settings = {"seed": seed, "trials": trials, "workers": workers, **more}
        self._say({"optimizer": name, "space": described(space), **settings})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._errors.close()

    def ask(self, count: int, pending: Sequence[Params]) -> list[Params]:  # noqa: ARG002 - it knows what is open
        """So many points; those that were asked for and not told are under way."""
        return [self.decoded(point) for point in self.reply({"ask": count})]

    def reply(self, word: object) -> Any:  # noqa: ANN401 - whatever is said
        """What it says to this."""
        self._say(word)
        if self.process.stdout is None:
            raise ValueError
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            problem = f"{self._name} has said nothing for {PATIENCE:g} s"
            raise TimeoutError(problem)
        if not (said := self.process.stdout.readline()):
            self._fail()
        return json.loads(said)

    def tell(self, params: Params, value: float) -> None:
        """A trial has ended, without a value when that is not finite."""
        self._say({"tell": [self._coded(params), value if math.isfinite(value) else None]})

    def begin(self, params: Params) -> None:
        """One that it was not asked for is under way."""
        self._say({"begin": self._coded(params)})

    def _say(self, word: object) -> None:
        try:
            print(json.dumps(word), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            self._fail()

    def _fail(self) -> None:
        self.process.wait()
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
        problem = f"{self._name} has ended with status {self.process.returncode}: {' '.join(last)}"
        raise RuntimeError(problem)

    def _coded(self, params: Params) -> dict[str, Any]:
        return {each.name: coded(each, params[each.name]) for each in self._space.searched if each.name in params}

    def decoded(self, point: Mapping[str, Any]) -> dict[str, Scalar]:
        """A point of theirs as one of the space."""
        given = {each.name: decoded(each, point[each.name]) for each in self._space.searched if each.name in point}
        return self._space.filled(given, self._space.defaults)


Contestant: TypeAlias = Peer | metaopt.optimizers.Optimizer


def coded(parameter: Parameter, value: Scalar) -> Any:  # noqa: ANN401 - a scalar
    """A value as a peer sees it: of a category a label, of an ordinal parameter its number."""
    if not isinstance(parameter, Categorical):
        return value
    cell = int(parameter.to_unit(value) * parameter.cells)
    return cell if isinstance(parameter, Ordinal) else str(cell)


def decoded(parameter: Parameter, value: Any) -> Scalar:  # noqa: ANN401 - a scalar
    """The inverse of ``coded``."""
    return parameter.choices[int(value)] if isinstance(parameter, Categorical) else value


def described(space: Space) -> list[dict[str, object]]:
    """The searched parameters as plain data, parents first; raises ValueError for what no peer has."""
    by_name = {each.name: each for each in space.searched}

    def depth(parameter: Parameter) -> int:
        return 1 + depth(by_name[parameter.when.parent]) if parameter.when else 0

    return [dimension(each, by_name) for each in sorted(space.searched, key=depth)]


def dimension(parameter: Parameter, by_name: Mapping[str, Parameter]) -> dict[str, object]:
    """One of them, with the values of its parent at which it is active."""
    found: dict[str, object] = {"name": parameter.name}
    match parameter:
        case Ordinal():
            found |= {"kind": "integer", "low": 0, "high": parameter.cells - 1}
        case Categorical():
            found |= {"kind": "category", "choices": [str(cell) for cell in range(parameter.cells)]}
        case Integer() | Real():
            kind = "integer" if isinstance(parameter, Integer) else "real"
            found |= {"kind": kind, "low": parameter.low, "high": parameter.high, "log": parameter.log}
        case _:
            problem = f"{parameter.name}: peers have no {parameter.canonical()}"
            raise ValueError(problem)
    if parameter.when:
        parent = by_name[parameter.when.parent]
        if not isinstance(parent, Categorical):
            problem = f"{parameter.name}: peers have conditions on categories only"
            raise ValueError(problem)
        values = [coded(parent, choice) for choice in parent.choices if parameter.when.holds(choice)]
        found["when"] = {"parent": parent.name, "values": values}
    return found
