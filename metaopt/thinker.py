"""One optimizer in a process of its own, both ends of it: rank 0 needs no numpy, and its loop never waits for a fit.

``python -m metaopt.thinker`` is that process: a line of JSON in says what to search, then comes Advice; Suggested goes
out, or, after a ``!``, why it fails.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from metaopt.errors import WireError
from metaopt.messages import Command, Event, Expect, Observe, Params, Suggest, Suggested, Watch
from metaopt.optimizers.base import Optimizer, Watcher
from metaopt.plugins import Choice, load
from metaopt.process import environment
from metaopt.space import Space
from metaopt.wire import decode, encode

CHUNK_BYTES = 1 << 16
ENDED = b"!"
PATIENCE = 2.0  # seconds for a process that has ended, or was killed, to be gone


class Thinker:
    """The optimizer ``choice`` over ``space``, at the other end of pipes that never block.

    ``broken`` says why it answers no more; ``died`` whether its process went without a word.
    """

    def __init__(self, choice: Choice, space: Mapping[str, Any], seed: int) -> None:
        self.choice, self.broken, self.died = choice, "", False
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
        task = {"rule": choice.rule, "settings": dict(choice.settings), "space": space, "seed": seed}
        self._unsaid += json.dumps(task).encode() + b"\n"
        self._write()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def tell(self, command: Command) -> None:
        """Pass on Advice; all of it but a question may wait for the next look."""
        self._unsaid += encode(command) + b"\n"
        if isinstance(command, Suggest):
            self._write()

    def answers(self) -> Iterator[Event]:
        """What was suggested since."""
        self._write()
        for line in self._lines():
            if line.startswith(b"!"):
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


def serve(lines: IO[bytes], answer: Callable[[bytes], None]) -> None:
    """The process: what is searched, then Advice, until ``lines`` end."""
    task = json.loads(lines.readline())
    try:
        from metaopt.optimizers.advised import Advised  # noqa: PLC0415 - rank 0 imports this file, and loads no numpy

        made = load("optimizer", Choice(task["rule"], task["settings"]))
        space = Space.parse(task["space"])
        optimizer = Advised(lambda: made(space, task["seed"], **task["settings"]), space)
        respondent = Respondent(optimizer)
        for line in lines:
            match decode(line):
                case Observe(number, params, value) if number < 0:
                    optimizer.learn(number, params, value)
                case command:
                    for said in respondent.respond(command):
                        answer(encode(said))
    except Exception:  # noqa: BLE001 - whatever an optimizer does, rank 0 shall know and go on
        answer(b"!" + json.dumps(traceback.format_exc()).encode())


class Respondent:
    """Has ``optimizer`` obey; which trials are under way, of which it knows nothing, is kept here."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._pending: dict[int, Params] = {}
        self._paused: set[int] = set()

    def respond(self, command: Command) -> Iterator[Suggested]:
        """Pass ``command`` on, and the answer if there is one; what the optimizer does not care for is left out."""
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
            case Suggest(count) if paused and isinstance(optimizer, Watcher):
                new, thawed = optimizer.plan(count, tuple(self._pending.values()), sorted(paused))
                named = [(int(number), str(why)) for number, why in thawed if number in paused]
                yield Suggested(_plain(new), tuple(named))
            case Suggest(count):
                yield Suggested(_plain(optimizer.ask(count, tuple(self._pending.values()))))


def _plain(points: Sequence[Params]) -> tuple[Params, ...]:
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

    serve(sys.stdin.buffer, answer)


if __name__ == "__main__":
    main()
