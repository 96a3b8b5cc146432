"""The optimizer, in a process of its own: rank 0 needs no numpy, and its loop never waits for a fit.

``python -m metaopt.proposer`` is that process: a line of JSON in says what to search, then come Observe and Suggest;
Suggested goes out.  An optimizer that fails is told so, and random points are proposed from there on.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Protocol

from metaopt.messages import Command, Event, Observe, Params, Suggest, Suggested, decode, encode
from metaopt.optimizers.base import Optimizer
from metaopt.plugins import Choice, load
from metaopt.process import environment
from metaopt.space import Space

SPARE = Choice("random")
CHUNK_BYTES = 1 << 16


class Proposer(Protocol):
    """What the driver asks for points."""

    @property
    def thinking(self) -> bool:
        """Whether an answer is awaited."""
        ...

    def send(self, command: Command) -> None:
        """Pass on Suggest or Observe; never blocks."""
        ...

    def receive(self) -> list[Event]:
        """What was suggested since; never blocks."""
        ...

    def warnings(self) -> list[str]:
        """What went wrong since."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class InlineProposer:
    """The optimizer in the caller's own process: for simulations and tests."""

    thinking = False

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._suggested: list[Event] = []

    def send(self, command: Command) -> None:
        """Ask or tell at once."""
        match command:
            case Observe(_, params, value):
                self._optimizer.tell(params, value)
            case Suggest(count, pending):
                self._suggested.append(Suggested(tuple(self._optimizer.ask(count, pending))))

    def receive(self) -> list[Event]:
        """The answers."""
        answers, self._suggested = self._suggested, []
        return answers

    def warnings(self) -> list[str]:
        """An error of the optimizer is not caught here."""
        return []

    def close(self) -> None:
        """Nothing to let go."""


class ProcessProposer:
    """The optimizer ``choice`` over ``space``, in a child process, over pipes that never block rank 0."""

    def __init__(self, choice: Choice, space: Mapping[str, Any], seed: int) -> None:
        self._space, self._seed = space, seed
        self._told: list[Command] = []
        self._asked: Command | None = None
        self._notes: list[str] = []
        self._start(choice)

    @property
    def thinking(self) -> bool:
        """Whether an answer is awaited."""
        return self._asked is not None

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def send(self, command: Command) -> None:
        """Pass on Suggest or Observe."""
        if isinstance(command, Suggest):
            self._asked = command
        else:
            self._told.append(command)
        self._say(encode(command))

    def receive(self) -> list[Event]:
        """What was suggested since."""
        self._write()
        events: list[Event] = []
        for line in self._lines():
            if line.startswith(b"!"):
                self._replace(json.loads(line[1:]))
                return events
            events.append(decode(line))
            self._asked = None
        return events

    def warnings(self) -> list[str]:
        """What went wrong since."""
        notes, self._notes = self._notes, []
        return notes

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _start(self, choice: Choice) -> None:
        self._choice = choice
        self._unsaid, self._unread = bytearray(), bytearray()
        alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "metaopt.proposer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # signals to the ranks are not for it; it ends when its input does
            env=environment(os.environ, {**alone, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}),
        )
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)
        task = {"rule": choice.rule, "settings": dict(choice.settings), "space": self._space, "seed": self._seed}
        self._say(json.dumps(task).encode())

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError
        return self._process.stdin, self._process.stdout

    def _say(self, line: bytes) -> None:
        self._unsaid += line + b"\n"
        self._write()

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
        """The complete lines that have come; its end is told as an error of its own."""
        try:
            while chunk := os.read(self._pipes()[1].fileno(), CHUNK_BYTES):
                self._unread += chunk
            self._unread += b"!" + json.dumps(f"its process ended ({self._process.wait()})").encode() + b"\n"
        except BlockingIOError:
            pass
        *lines, rest = bytes(self._unread).split(b"\n")
        self._unread = bytearray(rest)
        return lines

    def _replace(self, why: str) -> None:
        """Go on with random points; everything is told and asked again."""
        self._notes.append(f"optimizer {self._choice.rule!r} failed; random points are used from here on: {why}")
        self.close()
        self._start(SPARE)
        for command in [*self._told, *([self._asked] if self._asked is not None else [])]:
            self._say(encode(command))


def serve(lines: IO[bytes], answer: Callable[[bytes], None]) -> None:
    """The process: what is searched, then Observe and Suggest, until ``lines`` end."""
    task = json.loads(lines.readline())
    try:
        made = load("optimizer", Choice(task["rule"], task["settings"]))
        optimizer: Optimizer = made(Space.parse(task["space"]), task["seed"], **task["settings"])
        for line in lines:
            match decode(line):
                case Observe(_, params, value):
                    optimizer.tell(params, value)
                case Suggest(count, pending):
                    answer(encode(Suggested(_plain(optimizer.ask(count, pending)))))
    except Exception:  # noqa: BLE001 - whatever an optimizer does, rank 0 shall know and go on
        answer(b"!" + json.dumps(traceback.format_exc()).encode())


def _plain(points: Sequence[Params]) -> tuple[Params, ...]:
    """The points with Python's own numbers, also when an optimizer gives numpy's."""
    return tuple({name: getattr(value, "item", lambda v=value: v)() for name, value in p.items()} for p in points)


def _answer(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGUSR1):  # a batch system signals every process of a step
        signal.signal(number, signal.SIG_IGN)
    serve(sys.stdin.buffer, _answer)
