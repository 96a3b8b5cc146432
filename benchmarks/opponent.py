"""What an optimizer of other people is here, and the conversation with the one who asks it; see opponents.py."""

import json
import os
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

Point = dict[str, Any]


@dataclass(frozen=True)
class Dimension:
    """A real number or an integer from ``low`` to ``high``, or one of ``choices``; ``when`` is {parent, values}."""

    name: str
    kind: str
    low: Any = None
    high: Any = None
    log: bool = False
    choices: Sequence[str] = ()
    when: Mapping[str, Any] | None = None

    def counts(self, point: Point) -> bool:
        """Whether it is active at ``point``, which has no parents that are not."""
        return self.when is None or (self.when["parent"] in point and point[self.when["parent"]] in self.when["values"])


@dataclass(frozen=True)
class Setup:
    """What an optimizer is made for; budget and number of workers are for those that want to know."""

    space: Sequence[Dimension]
    seed: int
    trials: int = 100
    workers: int = 1

    def active(self, values: Mapping[str, Any]) -> Point:
        """The dimensions of ``values`` that count there."""
        point: Point = {}
        for each in self.space:
            if each.counts(point):
                point[each.name] = plain(each, values[each.name])
        return point


class Opponent:
    """An optimizer: ``suggest`` gives its own word for a trial, and values of at least the active dimensions."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.worst = 0.0

    def suggest(self) -> tuple[Any, Mapping[str, Any]]:
        """A new trial."""
        raise NotImplementedError

    def observe(self, trial: Any, value: float | None) -> None:  # noqa: ANN401 - the library's own
        """A suggested trial has ended, without a value when it failed: then it is as bad as the worst."""
        self.worst = self.worst if value is None else max(value, self.worst)
        self.end(trial, self.worst if value is None else value)

    def end(self, trial: Any, value: float) -> None:  # noqa: ANN401 - the library's own
        """A suggested trial has ended."""
        raise NotImplementedError

    def add(self, point: Point, value: float | None) -> None:
        """One that was not suggested has ended, or with None is under way."""
        raise NotImplementedError


def converse(obey: Callable[[TextIO, TextIO], None]) -> None:
    """Obey the words on stdin, and answer on stdout, until there are no more.  What libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    try:
        obey(sys.stdin, answers)
    except Exception:  # noqa: BLE001 - whatever it is, whoever asks is to know
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # a library's threads would hold up another end


def obey(opponents: Mapping[str, Callable[[Setup], Opponent]], words: TextIO, answers: TextIO) -> None:
    """Be the one that the first line names, and do what the others say."""
    first = json.loads(words.readline())
    space = [Dimension(**each) for each in first["space"]]
    setup = Setup(space, first["seed"], first["trials"], first["workers"])
    opponent = opponents[first["optimizer"]](setup)
    trials: dict[str, list[Any]] = defaultdict(list)
    for line in words:
        match json.loads(line):
            case {"ask": count}:
                points = []
                for _ in range(count):
                    trial, values = opponent.suggest()
                    points.append(setup.active(values))
                    trials[key(points[-1])].append(trial)
                print(json.dumps(points), file=answers, flush=True)
            case {"tell": [point, value]} if trials[key(point)]:
                opponent.observe(trials[key(point)].pop(0), value)
            case {"tell": [point, value]}:
                opponent.add(point, value)
            case {"begin": point}:
                opponent.add(point, None)


def plain(each: Dimension, value: Any) -> Any:  # noqa: ANN401 - a scalar, of numpy's or Python's
    """``value`` as JSON has it, brought back to an end of the dimension where rounding has led beyond it."""
    if each.kind == "category":
        return str(value)
    return min(max(round(value) if each.kind == "integer" else float(value), each.low), each.high)


def key(point: Point) -> str:
    """What equal points have in common."""
    return json.dumps(point, sort_keys=True)
