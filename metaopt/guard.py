"""The guard of one worker rank: it forks the rank's children, one at a time, and their whole trees die with it.

    python -I -S guard.py FD

FD is one end of a socket pair whose other end only the rank holds, so its end of file says that the rank is gone.

    the rank says (one byte)     0: start a child;  9: kill its whole tree;  n: send signal n to its process group
    the guard says (JSON lines)  {"pid": 17} or {"error": [2, "No such file or directory", "cwd"]};  {"ended": -11, ...}

With a 0 come four descriptors: the child's stdout, its stderr, its report pipe (which it gets as descriptor 3), and a
file with the request as JSON {argv, cwd, env, cores}: a file, because an environment may be larger than a message.
"Ended" is the exit status, or minus the signal; it is said when the last process of the child's tree is gone, or,
with "leaving", when one of them hangs in the kernel and cannot be killed: the guard leaves it, and the rank, behind.

On Linux the guard is a subreaper: whatever the child leaves behind, daemons included, comes to it and is killed.
Elsewhere (macOS) there is no such thing, and the child's process group is the best there is.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
import warnings  # noqa: F401 - execvpe would load it anew in every child

TYPE_CHECKING = False  # typing is slow to load
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

REPORT_FD = 3
ABOVE = 16  # file descriptors from here on are in nobody's place
START, KILL_TREE = 0, int(signal.SIGKILL)
PATIENCE = 60.0  # what SIGKILL does not end by then hangs in the kernel, or belongs to somebody else
SHORT, LONG = 0.001, 0.1  # pauses between two looks at a tree that is being killed
WAKING = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
CHILDREN = f"/proc/self/task/{os.getpid()}/children"

try:
    import ctypes

    _prctl: Any = ctypes.CDLL(None, use_errno=True).prctl
except (ImportError, OSError, AttributeError):
    _prctl = None


class Guard:
    """The guard's loop: one child at a time, its tree killed after it, everything killed at the end."""

    def __init__(self, rank: socket.socket, wake: int) -> None:
        """Obey ``rank``; signals arrive as bytes at ``wake``."""
        self._rank, self._wake, self._parent = rank, wake, os.getppid()
        self._child = 0
        self._ended: int | None = None  # its exit status, while the rest of its tree is being killed
        self._deadline = float("inf")  # for the end of a child that is to be killed, then of its tree

    def serve(self) -> None:
        """Serve until the rank is gone or a SIGTERM comes, then kill what is left."""
        try:
            with contextlib.suppress(ConnectionError):
                self._loop()
        finally:
            self._clear()

    def _loop(self) -> None:
        pause = SHORT
        while True:
            timeout = None if self._deadline == float("inf") else pause
            ready = select.select([self._rank.fileno(), self._wake], [], [], timeout)[0]
            if self._wake in ready and self._must_leave(os.read(self._wake, 4096)):
                return
            if self._rank.fileno() in ready and not self._obey():
                return
            pause = min(2 * pause, LONG) if timeout is not None else SHORT
            gone = self._reap()
            if self._ended is None and time.monotonic() > self._deadline:
                self._ended = -KILL_TREE  # so it was told, and will
            if self._ended is not None:
                self._end(gone=gone)

    def _must_leave(self, signals: bytes) -> bool:
        """Whether these signals say so; SIGHUP does when the rank is dead, and not only the thread that started us."""
        return signal.SIGTERM in signals or (signal.SIGHUP in signals and os.getppid() != self._parent)

    def _end(self, *, gone: bool) -> None:
        """Kill what the child left behind, and say that it has ended; leave when some of it cannot be killed."""
        if not gone or _prctl is None:
            kill_tree(self._child)
        hopeless = not gone and time.monotonic() > self._deadline
        if gone or hopeless:
            self._say({"ended": self._ended, "leaving": hopeless})
            self._child, self._ended, self._deadline = 0, None, float("inf")
        if hopeless:
            os._exit(1)

    def _obey(self) -> bool:
        """Do what the rank says next; false when it is gone."""
        word, fds, _, _ = socket.recv_fds(self._rank, 1, 4)
        try:
            for fd in fds:
                os.set_inheritable(fd, False)
            if word and word[0] == START:
                self._start(fds)
            elif word and word[0] == KILL_TREE and self._child:
                kill_tree(self._child)
                self._deadline = min(self._deadline, time.monotonic() + PATIENCE)
            elif word and self._child and self._ended is None:
                with contextlib.suppress(OSError):
                    os.killpg(self._child, word[0])
        finally:
            for fd in fds:
                os.close(fd)
        return bool(word)

    def _start(self, fds: list[int]) -> None:
        """Fork the child, and tell the rank how that went."""
        request = read_request(fds[3])
        try:
            pid, problem = fork(request, fds)
        except OSError as error:
            pid, problem = 0, json.dumps([error.errno, error.strerror, "fork"])
        if problem:
            self._say({"error": json.loads(problem)})
        else:
            self._child, self._ended = pid, None
            self._say({"pid": pid})

    def _reap(self) -> bool:
        """Collect the dead, and the child's exit status among them; true when nobody is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return False
                if pid == self._child:
                    self._ended = os.waitstatus_to_exitcode(status)
                    self._deadline = time.monotonic() + PATIENCE
        except ChildProcessError:
            return True

    def _clear(self) -> None:
        """Kill everything, as often as it takes."""
        pause, deadline = SHORT, time.monotonic() + PATIENCE
        while not self._reap() and time.monotonic() < deadline:
            kill_tree(self._child)
            time.sleep(pause)
            pause = min(2 * pause, LONG)
        if _prctl is None:
            kill_tree(self._child)

    def _say(self, answer: dict[str, object]) -> None:
        self._rank.sendall(json.dumps(answer).encode() + b"\n")


def read_request(fd: int) -> dict[str, Any]:
    """The request in the file ``fd``, whose offset is wherever the rank has left it."""
    with open(fd, "rb", closefd=False) as file:
        file.seek(0)
        request: dict[str, Any] = json.load(file)
    return request


def fork(request: dict[str, Any], fds: list[int]) -> tuple[int, str]:
    """Start a child; returns its pid, and why it could not become the user's program (JSON, mostly empty)."""
    said, errors = os.pipe()  # exec closes its end of it
    with open(said, encoding="utf-8") as said_file:  # noqa: PTH123 - pathlib is slow to load
        try:
            pid = os.fork()
            if pid == 0:
                become(request, fds, errors)
        finally:
            os.close(errors)
        problem = said_file.read()
    if problem:
        os.waitpid(pid, 0)
    return pid, problem


def become(request: dict[str, Any], fds: list[int], errors: int) -> None:
    """In the forked process: become the user's program, or write [errno, text, stage] to ``errors`` and leave."""
    stage = "fork"
    try:
        detach()
        for fd, place in zip(fds, (1, 2, REPORT_FD), strict=False):
            os.dup2(fd, place)
        stage = "cores"
        if request["cores"] and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, request["cores"])
        stage = "cwd"
        os.chdir(request["cwd"])
        stage = "program"
        os.execvpe(request["argv"][0], request["argv"], request["env"])  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        os.write(errors, json.dumps([error.errno, error.strerror, stage]).encode())
    except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not go on as a second guard
        os.write(errors, json.dumps([0, f"{type(error).__name__}: {error}"[:1000], stage]).encode())
    finally:
        os._exit(127)


def detach() -> None:
    """A session of its own, default signal handlers, and death with the guard."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():  # ours, Python's, and what a shell ignores for what it starts with &
        if signal.getsignal(number) != signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def kill_tree(child: int) -> None:
    """Send SIGKILL to each of this process's descendants; where they cannot be found, to the child's group."""
    if _prctl is None:
        if child:
            with contextlib.suppress(OSError):
                os.killpg(child, signal.SIGKILL)
        return
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def descendants(root: int) -> list[int]:
    """The processes below ``root``, parents first."""
    children = children_of if os.path.exists(CHILDREN) else children_by_scan()  # noqa: PTH110 - pathlib is slow to load
    found = list(children(root))
    for pid in found:
        found += children(pid)
    return found


def children_of(pid: int) -> list[int]:
    """The children of ``pid``, as the kernel lists them."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - pathlib is slow to load
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:  # noqa: PTH123 - as above
                found += map(int, file.read().split())
    return found


def children_by_scan() -> Callable[[int], list[int]]:
    """The same for a kernel without such lists (CONFIG_PROC_CHILDREN): look at every process for its parent."""
    by_parent: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - pathlib is slow to load
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - as above
            parent = int(file.read().rpartition(b")")[2].split()[1])  # a program's name may hold a ")"
            by_parent.setdefault(parent, []).append(int(name))
    return lambda pid: by_parent.get(pid, [])


def main(fd: int) -> None:
    """Guard the rank at the other end of ``fd``."""
    rank = socket.socket(fileno=fd)
    rank.set_inheritable(False)
    while (taken := os.open(os.devnull, os.O_RDWR)) < REPORT_FD:
        pass  # nothing else may come to lie where the child's descriptors go
    if taken > REPORT_FD:
        os.close(taken)
    if _prctl is not None:
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _prctl(PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in WAKING:
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # a batch system signals every process of a step
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    Guard(rank, wake).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
