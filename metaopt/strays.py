"""Processes whose guard was killed: their parent is init now, and nothing else tells whose they are."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def kill_strays(session: int, mark: str) -> int:
    """Kill what runs in ``session`` or bears ``mark`` (NAME=value) in its environment; how many processes there were.

    Without /proc the session's own process group is all that can be reached, and the answer is 0.
    """
    if not Path("/proc/self/environ").exists():
        with suppress(OSError):
            os.killpg(session, signal.SIGKILL)
        return 0
    found = 0
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - names are all that is wanted
        with suppress(OSError):
            state, its_session = _state_and_session(name)
            if state not in (b"Z", b"X") and (its_session == session or mark.encode() in _environ(name)):
                found += 1
                os.kill(int(name), signal.SIGKILL)
    return found


def _state_and_session(name: str) -> tuple[bytes, int]:
    fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()  # a program's name may hold a ")"
    return fields[0], int(fields[3])


def _environ(name: str) -> list[bytes]:
    return Path("/proc", name, "environ").read_bytes().split(b"\0")
