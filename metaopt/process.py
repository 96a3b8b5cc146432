"""One child at a time: the user's script, started, watched and stopped by way of the rank's guard.

    guard = Guard()
    process = guard.start(["python", "train.py"], cwd, env, cores, stdout, stderr)
    select.select([process.report, guard.fileno()], [], [], 0.05)
    process.poll()      # None; then its exit status, or minus the signal that ended it, and nothing of it is left
    os.close(process.report)

The guard (``guard.py``) is a process of its own, started once, because it must outlive a rank that is killed.
"""

import contextlib
import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaopt.errors import MetaoptError
from metaopt.strays import kill_strays

STRAY_TIMEOUT = 60.0  # what SIGKILL does not end by then hangs in the kernel
START_TIMEOUT = 30.0  # a program on a slow file system needs seconds to start
CLOSE_TIMEOUT = 5.0
GUARD_KILLED = "its guard was killed"
OVERDUE = "had not ended"
"""How what is to be said of a script begins that was killed, since it did not end when it was asked to."""
LEFT_BEHIND = "it cannot be killed, since it hangs in the kernel: it was left behind"
_HINT_SLOW = "Is the file system that it is on in good order?"
_GUARD = str(Path(__file__).with_name("guard.py"))
_HINTS = {
    errno.ENOENT: "Is it there on this host? A relative path starts at the working directory; else PATH is searched. "
    "A script also needs the interpreter that its first line (#!) names.",
    errno.EACCES: "Make it executable (chmod +x), or name its interpreter first: python train.py.",
    errno.ENOEXEC: "Begin it with #! and its interpreter, or name the interpreter first: python train.py.",
    errno.E2BIG: "Pass less by arguments and environment variables: write a file.",
}

SCRUBBED = (
    *("OMPI_", "OPAL_", "PMIX_", "PRTE_", "ORTE_", "PMI_", "PMI2_", "HYDI_", "HYDRA_"),
    *("MPI_LOCAL", "MPIR_CVAR_CH3_INTERFACE", "PALS_", "METAOPT_"),
    *("SLURM_STEP_", "SLURM_SRUN_COMM_", "SLURM_PMI", "SLURM_CPU_BIND"),
)
"""Variables with these beginnings say that a process is a rank of an MPI job; the child is none."""
SCRUBBED_NAMES = {
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_STEPID"),
    *("SLURM_NTASKS_PER_NODE", "SLURM_TASK_PID", "SLURM_GTIDS", "SLURM_MPI_TYPE", "SLURM_LAUNCH_NODE_IPADDR"),
    *("FLUX_TASK_RANK", "FLUX_TASK_LOCAL_ID"),
}
KEPT = {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"}


class CannotStart(MetaoptError):
    """A script that cannot be started, for the reason that the system gives."""


class Guard:
    """The rank's end of its guard; a guard that was killed is started anew.

    On Linux a child's whole tree dies with the rank, and with the child.  Elsewhere only its process group does.
    """

    def __init__(self) -> None:
        """Start the guard."""
        self._running: Process | None = None
        self._launch()

    def start(  # noqa: PLR0917 - what every way to start a process takes, in the usual order
        self,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str],
        cores: Sequence[int],
        stdout: str | os.PathLike[str],
        stderr: str | os.PathLike[str],
    ) -> "Process":
        """Run ``argv`` in ``cwd``, bound to ``cores`` (none: not bound), appending its output to these two files.

        Raises CannotStart.  There is one process at a time: RuntimeError while the last one still runs.
        """
        if self._running is not None:
            problem = "the last process still runs"
            raise RuntimeError(problem)
        if self._guard.poll() is not None:
            self._relaunch()
        try:
            pid, report, mark = self._start({"argv": list(argv), "cwd": cwd, "cores": list(cores)}, env, stdout, stderr)
        except OSError as error:
            problem = f"{' '.join(argv[:1])}: cannot be started: {error}"
            raise CannotStart(problem) from error
        self._running = Process(self, pid, report, mark)
        return self._running

    def fileno(self) -> int:
        """Readable when there may be news for ``Process.poll``; another one after a guard was killed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Kill what runs, and let the guard go."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guard.wait(CLOSE_TIMEOUT)

    def _launch(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._heard = b""
        with theirs:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", _GUARD, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _start(
        self, request: dict[str, Any], env: Mapping[str, str], *outputs: str | os.PathLike[str]
    ) -> tuple[int, int, str]:
        """Have the guard start the child; returns its pid, the report pipe's read end, and what marks its processes."""
        with contextlib.ExitStack() as ours:  # what is the child's is closed here, whatever happens
            files = [_append_to(path, ours) for path in outputs]
            report, theirs = os.pipe()
            ours.callback(os.close, theirs)
            try:
                os.set_blocking(report, False)
                pipe = os.fstat(theirs)
                mark = f"3:{pipe.st_dev}:{pipe.st_ino}"
                request = {**request, "env": {**env, "METAOPT_REPORT": mark}}
                letter = _file_with(json.dumps(request).encode(), ours)
                socket.send_fds(self._socket, [b"\0"], [*files, theirs, letter])
                return self._started(request), report, f"METAOPT_REPORT={mark}"
            except BaseException:
                os.close(report)
                raise

    def _started(self, request: dict[str, Any]) -> int:
        """Wait until the guard says the pid; raises CannotStart when there is none."""
        deadline = time.monotonic() + START_TIMEOUT
        try:
            while (answer := self._answer()) is None:
                left = deadline - time.monotonic()
                if left < 0:
                    self._relaunch()
                    problem = f"{' '.join(request['argv'][:1])}: does not start within {START_TIMEOUT:g} s"
                    raise CannotStart(problem, _HINT_SLOW)
                select.select([self._socket], [], [], left)
        except EOFError:
            problem = f"{' '.join(request['argv'][:1])}: cannot be started: {GUARD_KILLED}"
            raise CannotStart(problem) from None
        if "error" in answer:
            raise _cannot_start(request, *answer["error"])
        return int(answer["pid"])

    def _relaunch(self) -> None:
        """Take a new guard; an old one that still lives kills what it has started, as it finds its socket closed."""
        self._socket.close()
        self._launch()

    def _answer(self) -> dict[str, Any] | None:
        """The guard's next word, if there is one; raises EOFError when the guard is gone."""
        if b"\n" not in self._heard:
            try:
                heard = self._socket.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except ConnectionError:
                heard = b""
            if not heard:
                raise EOFError
            self._heard += heard
        line, found, rest = self._heard.partition(b"\n")
        if not found:
            return None
        self._heard = rest
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ended(self) -> tuple[int | None, str]:
        """For ``Process``: the child's end and what is odd about it; raises EOFError when the guard was killed."""
        try:
            answer = self._answer()
        except EOFError:
            self._guard.wait()
            self._relaunch()
            raise
        if answer is None:
            return None, ""
        if answer["leaving"]:
            self._relaunch()
        return int(answer["ended"]), LEFT_BEHIND if answer["leaving"] else ""

    def order(self, number: int) -> None:
        """For ``Process``: have the guard send a signal, or with SIGKILL end the whole tree."""
        with contextlib.suppress(OSError):  # a guard that is gone has its end seen by ``ended``
            self._socket.send(bytes([number]), socket.MSG_DONTWAIT)

    def release(self) -> None:
        """For ``Process``: it is over, the next one may start."""
        self._running = None


class Process:
    """A running child; made by ``Guard.start``.

    ``pid`` leads a session and a process group of its own.  ``report`` is the non-blocking read end of the pipe which
    the child has as descriptor 3; whoever reads it closes it.
    """

    def __init__(self, guard: Guard, pid: int, report: int, mark: str) -> None:
        self.pid, self.report = pid, report
        self.error = ""
        self._guard, self._mark = guard, mark
        self._code: int | None = None
        self._patience = 0.0
        self._stray = False  # the guard was killed: what is left is found and killed from here

    def poll(self) -> int | None:
        """None while anything of its tree is alive, then the exit status, or minus the signal; never waits.

        ``error`` then says in words what is wrong; it is empty after exit status 0.
        """
        if self._code is None and not self._stray:
            try:
                self._end(*self._guard.ended())
            except EOFError:
                self._stray, self._patience = True, time.monotonic() + STRAY_TIMEOUT
        if self._code is None and self._stray:
            left = kill_strays(self.pid, self._mark)
            if not left or time.monotonic() > self._patience:
                self._end(-signal.SIGKILL, LEFT_BEHIND if left else GUARD_KILLED)
        return self._code

    def terminate(self, number: int = signal.SIGTERM) -> None:
        """Send SIGTERM, or another signal, to its process group; nothing when it has ended."""
        if self._code is None and not self._stray:
            self._guard.order(number)

    def kill(self) -> None:
        """Kill its whole tree; nothing when it has ended."""
        if self._code is None and not self._stray:
            self._guard.order(signal.SIGKILL)

    def _end(self, code: int | None, error: str = "") -> None:
        if code is not None:
            self._code, self.error = code, error or explain(code)
            self._guard.release()


def explain(code: int) -> str:
    """An exit status, or minus a signal, in words; empty for 0."""
    if code >= 0:
        return f"exit status {code}" if code else ""
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def environment(base: Mapping[str, str], more: Mapping[str, str] | None = None) -> dict[str, str]:
    """``base`` without what MPI launchers and an outer metaopt say to their processes, and with ``more``."""
    kept = {
        name: value
        for name, value in base.items()
        if name in KEPT or not (name in SCRUBBED_NAMES or name.startswith(SCRUBBED))
    }
    return {**kept, **(more or {})}


def tail_of(path: str | os.PathLike[str], lines: int = 20, limit_bytes: int = 8192) -> str:
    """The last ``lines`` lines of a file of any size, of at most ``limit_bytes``; empty when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit_bytes))
            text = file.read(limit_bytes).decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _append_to(path: str | os.PathLike[str], ours: contextlib.ExitStack) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    ours.callback(os.close, fd)
    return fd


def _file_with(content: bytes, ours: contextlib.ExitStack) -> int:
    """A file without a name."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("request")
        ours.callback(os.close, fd)
    else:
        fd = ours.enter_context(tempfile.TemporaryFile()).fileno()  # noqa: SIM115 - the stack closes it
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def _cannot_start(request: Mapping[str, Any], number: int, text: str, stage: str) -> CannotStart:
    """The error for what the guard says went wrong in ``stage``."""
    program = request["argv"][0] if request["argv"] else "an empty command"
    if stage == "cwd":
        return CannotStart(f"{request['cwd']}: cannot be the working directory: {text}", "Create it on every node.")
    if stage == "cores":
        hint = "They are no longer this job's: has the allocation been changed?"
        return CannotStart(f"{program}: cannot be bound to cores {request['cores']}: {text}", hint)
    return CannotStart(f"{program}: cannot be started: {text}", _HINTS.get(number, ""))
