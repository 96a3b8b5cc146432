"""The script's side: what it says to metaopt, as lines of JSON in an inherited pipe.

    metaopt.report(step=epoch, loss=loss)       # says metrics
    if metaopt.should_stop(): ...               # metaopt wants this script to end: save and leave
    metaopt.checkpoint_dir()                    # where to save

Without metaopt around it all of this does nothing, so a script runs by itself as well.  This file is loaded into the
user's own process: it imports next to nothing.

    METAOPT_REPORT        fd:device:inode of the pipe.  The descriptor counts only while it is that very pipe: launchers
                          close what they do not know, and another file may then have its number.
    METAOPT_REPORT_FILE   lines go here when the pipe was closed on the way.
    METAOPT_TRIAL_DIR     the trial's directory.
    METAOPT_SIGNAL        the number of the signal that asks a script to end; SIGTERM when it is not set.
    METAOPT_AFTER         the step that an earlier attempt came to, where a script goes on: counted steps follow it.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import SupportsFloat

PIPE, FILE, TRIAL_DIR = "METAOPT_REPORT", "METAOPT_REPORT_FILE", "METAOPT_TRIAL_DIR"
SIGNAL, AFTER = "METAOPT_SIGNAL", "METAOPT_AFTER"

HOW = "write metaopt.report(step=3, loss=0.3), or metaopt.report(loss=0.3)"

_count = 0
_file: tuple[int, int, int] | None = None  # descriptor, device, inode of METAOPT_REPORT_FILE
_closed = False
_stop_asked = False
_handler_pid = 0


def report(step: SupportsFloat | None = None, **metrics: SupportsFloat) -> None:
    """Say ``metrics`` as they are at ``step``: ``report(step=3, loss=0.2)``.

    ``step`` is the count of calls (1, 2, ...) when it is left out; where scripts go on, that of all attempts.  A value
    is anything that float() takes but text: numbers, numpy scalars, tensors with one element.  Raises TypeError for
    another value, and for a value without a name, ValueError for a step that is not finite and for more than fits into
    one line (4 KiB on Linux); without metaopt around it too.
    """
    global _count  # noqa: PLW0603 - the count of this process
    if not (metrics or step is None or _is_whole(step)):
        problem = f"report({step!r:.100}) names no metric: {HOW}"
        raise TypeError(problem)
    _count += 1
    values = {name: _number(f"metric {name}", value) for name, value in metrics.items()}
    at = int(os.environ.get(AFTER) or 0) + _count if step is None else _step(step)
    if values and os.environ.get(PIPE):
        _write(at, values)


def should_stop() -> bool:
    """Whether metaopt has asked this script to end: save what is needed and leave.

    The first call makes SIGTERM (or the signal that the experiment names) set a flag instead of ending the process, so
    call it early, in the main thread; a handler that the script has set itself is left alone.
    """
    global _handler_pid  # noqa: PLW0603 - a process has one set of handlers
    if not _handler_pid and os.environ.get(PIPE):
        import signal  # noqa: PLC0415 - only who asks pays
        import threading  # noqa: PLC0415

        main = threading.current_thread() is threading.main_thread()
        asks = int(os.environ.get(SIGNAL, signal.SIGTERM))
        if main and signal.getsignal(asks) == signal.SIG_DFL:
            signal.signal(asks, _on_terminate)
            _handler_pid = os.getpid()
    return _stop_asked


def checkpoint_dir() -> str:
    """The directory for this trial's checkpoints, made if need be; ``checkpoints`` here without metaopt."""
    path = os.path.join(os.environ.get(TRIAL_DIR, ""), "checkpoints")  # noqa: PTH118 - pathlib is slow to load
    os.makedirs(path, exist_ok=True)  # noqa: PTH103 - as above
    return path


def _write(step: float, metrics: dict[str, float]) -> None:
    global _closed  # noqa: PLW0603 - a process has one pipe
    line = _line(step, metrics)
    fd = _destination()
    if fd is None:
        return
    try:
        os.write(fd, line)
    except BrokenPipeError:  # nobody listens any more
        _closed = True


def _line(step: float, metrics: dict[str, float]) -> bytes:
    import json  # noqa: PLC0415 - only who reports pays
    from select import PIPE_BUF  # noqa: PLC0415 - as above

    line = json.dumps({"step": step, "metrics": metrics}, separators=(",", ":")).encode() + b"\n"
    if len(line) > PIPE_BUF:  # a longer one might be mixed up with what another process says
        problem = f"{len(metrics)} metrics make a line of {len(line)} bytes, over {PIPE_BUF}: report them in parts"
        raise ValueError(problem)
    return line


def _destination() -> int | None:
    """The descriptor to write to: the pipe, or else the file."""
    global _file  # noqa: PLW0603 - opened once in a process
    if _closed:
        return None
    pipe = _numbers(os.environ.get(PIPE, ""))
    if pipe and _is(*pipe):
        return pipe[0]
    if _file and _is(*_file):
        return _file[0]
    path = os.environ.get(FILE)
    if not path:
        return None
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    found = os.fstat(fd)
    _file = (fd, found.st_dev, found.st_ino)
    return fd


def _numbers(text: str) -> tuple[int, int, int] | None:
    try:
        fd, device, inode = map(int, text.split(":"))
    except ValueError:
        return None
    return fd, device, inode


def _is(fd: int, device: int, inode: int) -> bool:
    """Whether ``fd`` is open on that very file."""
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (device, inode)


def _number(what: str, value: SupportsFloat) -> float:
    try:
        if not hasattr(value, "__float__"):
            raise TypeError  # noqa: TRY301 - float() would take text
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        problem = f"{what} is no number: {value!r:.100}"
        raise TypeError(problem) from None


def _is_whole(step: object) -> bool:
    """Whether it may be a step, of which nothing is to be said this time."""
    return hasattr(step, "__float__") and float(step) % 1 == 0


def _step(step: SupportsFloat) -> float:
    number = _number("the step", step)
    if not abs(number) < float("inf"):
        problem = f"step is {number}: it must be finite"
        raise ValueError(problem)
    return int(number) if number == int(number) else number


def _on_terminate(number: int, _frame: FrameType | None) -> None:
    global _stop_asked  # noqa: PLW0603 - a process is asked once
    if os.getpid() == _handler_pid:
        _stop_asked = True
        return
    import signal  # noqa: PLC0415 - a process that was forked from the script, such as one of a pool, just ends

    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
