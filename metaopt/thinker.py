"""One optimizer in a process of its own, both ends of it: rank 0 needs no numpy, and its loop never waits for a fit.

``python -m metaopt.thinker`` is that process: a line of JSON in says what to search, then comes Advice.  Out goes ``+``
once the optimizer has been made, or, after ``-``, why it cannot be; then Suggested and Weighed, or, after ``!``, why it
fails.  A stopper that is asked apart is asked there too.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import IO, Any, TypeAlias

from metaopt.errors import PluginError, WireError
from metaopt.hearing import Failures, weighed
from metaopt.messages import Command, Event, Expect, Observe, Params, Suggest, Suggested, Watch
from metaopt.optimizers.base import Optimizer, Watcher
from metaopt.plugins import Choice, load_stopper
from metaopt.process import environment
from metaopt.space import Space
from metaopt.stopping.base import Stopper
from metaopt.verdicts import Weigh, Weighed
from metaopt.wire import decode, encode

CHUNK_BYTES = 1 << 16
MADE, REFUSED, ENDED = b"+", b"-", b"!"
PATIENCE = 2.0  # seconds for a process that has ended, or was killed, to be gone
FAIR = 0.05  # seconds for which curves are weighed though there are other words, which may be a question for points
Answer: TypeAlias = Suggested | Weighed | None


class Thinker:
    """The optimizer ``choice`` over ``space``, at the other end of pipes that never block.

    ``stopper`` is the one that weighs curves there, for an objective with this ``goal``.  ``made`` says whether it has
    been made, ``refused`` why it cannot be; ``broken`` why no more is answered, ``died`` whether the process went
    without a word.
    """

    def __init__(
        self, choice: Choice, space: Mapping[str, Any], seed: int, stopper: Choice | None = None, goal: str = ""
    ) -> None:
        self.choice, self.broken, self.died = choice, "", False
        self.made = False
        self.refused: PluginError | None = None
        self._unsaid, self._unread = bytearray(), bytearray()
        alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "metaopt.thinker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # signals to the ranks are not for it; it ends when its input does
            env=environment(os.environ, {**alone, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}),
        )
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)
        task = {**_plain(choice), "space": space, "seed": seed, "stopper": stopper and _plain(stopper), "goal": goal}
        self._unsaid += json.dumps(task).encode() + b"\n"
        self._write()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def tell(self, command: Command) -> None:
        """Pass on Advice; all of it but a question may wait for the next look."""
        self._unsaid += encode(command) + b"\n"
        if isinstance(command, Suggest | Weigh):
            self._write()

    def answers(self) -> Iterator[Event]:
        """What was answered since."""
        self._write()
        for line in self._lines():
            if line == MADE:
                self.made = True
                continue
            if line.startswith(REFUSED):
                self.refused = PluginError(*json.loads(line[1:]))
                self.broken = str(self.refused)
                return
            if line.startswith(ENDED):
                self.died = line == ENDED
                self.broken = f"its process ended ({self._status()})" if self.died else json.loads(line[1:])
                return
            try:
                yield decode(line)
            except WireError as error:
                self.broken = str(error)
                return

    def close(self) -> None:
        """End the process; one that hangs in the kernel is left behind."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError
        return self._process.stdin, self._process.stdout

    def _write(self) -> None:
        """As much as the pipe takes."""
        try:
            while self._unsaid:
                del self._unsaid[: os.write(self._pipes()[0].fileno(), self._unsaid[:CHUNK_BYTES])]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._unsaid.clear()

    def _lines(self) -> list[bytes]:
        """The complete lines that have come, and whether that was all."""
        try:
            while chunk := os.read(self._pipes()[1].fileno(), CHUNK_BYTES):
                self._unread += chunk
            self._unread += ENDED + b"\n"
        except BlockingIOError:
            pass
        *lines, rest = bytes(self._unread).split(b"\n")
        self._unread = bytearray(rest)
        return lines

    def _status(self) -> str:
        try:
            return str(self._process.wait(PATIENCE))
        except subprocess.TimeoutExpired:
            return "or has closed its output"


def serve(source: int, answer: Callable[[bytes], None]) -> None:
    """The process: what is searched, then Advice, until the file ``source`` ends.

    Curves are weighed one by one while there is nothing else to do, or for a moment: other words need not wait for all.
    """
    weighing: Iterator[Answer] = iter(())

    def weigh() -> bool:
        for said in weighing:
            _say(answer, said)
            return True
        return False

    lines = _lines(source, weigh)
    task = json.loads(next(lines))
    try:
        from metaopt.optimizers.advised import advised  # noqa: PLC0415 - rank 0 imports this file, and loads no numpy

        optimizer = advised(Choice(task["rule"], task["settings"]), Space.parse(task["space"]), task["seed"])
        answer(MADE)
        respondent = Respondent(optimizer, _stopper(task))
        for line in lines:
            match decode(line):
                case Observe(number, params, value) if number < 0:
                    optimizer.learn(number, params, value)
                case Weigh() as question:
                    weighing = respondent.respond(question)
                case command:
                    for said in respondent.respond(command):
                        _say(answer, said)
    except PluginError as error:
        answer(REFUSED + json.dumps([error.problem, error.hint]).encode())
    except Exception:  # noqa: BLE001 - whatever an optimizer does, rank 0 shall know and go on
        answer(ENDED + json.dumps(traceback.format_exc()).encode())


def _lines(source: int, meanwhile: Callable[[], bool]) -> Iterator[bytes]:
    """All lines; ``meanwhile`` is done as often as it has something to do, until there are more, and for a moment."""
    rest = b""
    while True:
        until = time.monotonic() + FAIR
        while (time.monotonic() < until or not select.select([source], [], [], 0)[0]) and meanwhile():
            pass
        if not (chunk := os.read(source, CHUNK_BYTES)):
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _stopper(task: Mapping[str, Any]) -> Callable[[], Stopper] | None:
    """Makes the one that is asked here, once it is needed."""
    return task["stopper"] and cache(lambda: load_stopper(Choice(**task["stopper"]), task["goal"]))


def _say(answer: Callable[[bytes], None], said: Answer) -> None:
    if said is not None:
        answer(encode(said))


class Respondent:
    """Has ``optimizer`` obey, and ``stopper``; which trials are under way, of which they know nothing, is kept here."""

    def __init__(self, optimizer: Optimizer, stopper: Callable[[], Stopper] | None = None) -> None:
        self._optimizer, self._stopper = optimizer, stopper
        self._pending: dict[int, Params] = {}
        self._paused: set[int] = set()
        self._failures = Failures()

    def respond(self, command: Command) -> Iterator[Answer]:
        """Pass ``command`` on, and the answer if there is one; what the optimizer does not care for is left out.

        Where the answer may wait for others, there is a None before it.
        """
        optimizer, paused = self._optimizer, self._paused
        match command:
            case Expect(trial, params, pauses):
                self._pending[trial] = params
                (paused.add if pauses else paused.discard)(trial)
            case Observe(trial, params, value):
                self._pending.pop(trial, None)
                paused.discard(trial)
                optimizer.tell(params, value)
            case Watch(trial, params, points, seconds) if isinstance(optimizer, Watcher):
                optimizer.watch(trial, params, points, seconds)
            case Weigh() if self._stopper is not None:
                yield from weighed(self._stopper, command, self._failures)
            case Weigh():
                problem = "there is no stopper to weigh curves"
                raise LookupError(problem)
            case Suggest(count) if paused and isinstance(optimizer, Watcher):
                new, thawed = optimizer.plan(count, tuple(self._pending.values()), sorted(paused))
                named = [(int(number), str(why)) for number, why in thawed if number in paused]
                yield Suggested(_points(new), tuple(named))
            case Suggest(count):
                yield Suggested(_points(optimizer.ask(count, tuple(self._pending.values()))))


def _plain(choice: Choice) -> dict[str, Any]:
    return {"rule": choice.rule, "settings": dict(choice.settings)}


def _points(points: Sequence[Params]) -> tuple[Params, ...]:
    """The points with Python's own numbers, also when an optimizer gives numpy's."""
    return tuple({name: getattr(value, "item", lambda v=value: v)() for name, value in p.items()} for p in points)


def main() -> None:
    """Answer on what was standard output; what an optimizer prints goes where its warnings go."""
    for number in (signal.SIGINT, signal.SIGUSR1):  # a batch system signals every process of a step
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def answer(line: bytes) -> None:
        answers.write(line + b"\n")
        answers.flush()

    serve(sys.stdin.fileno(), answer)


if __name__ == "__main__":
    main()
