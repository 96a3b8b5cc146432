"""Who writes to a history: one at a time, also on file systems without locks.

A claim is a small file made with O_EXCL, which NFS and Lustre keep exclusive.  Its holder touches it every few seconds.
Somebody else's claim is void when its process is gone (seen from the same process namespace), or, seen from elsewhere,
when it has not been touched for a while; the waiting is the price of having no lock.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from metaopt.errors import HistoryHeld

RENEWAL = 2.0
PATIENCE = 4 * RENEWAL


class Claim:
    """The right to write; taken when made.  Raises HistoryHeld when somebody else has it.

    ``path`` is the claim's own file, ``history`` what it is about: the directory in which that lies, if not given.
    """

    def __init__(self, path: Path, patience: float = PATIENCE, history: Path | None = None) -> None:
        self._path, self._renewed, self._history = path, time.monotonic(), history or path.parent
        self._me = json.dumps(_who_am_i())
        while not self._take():
            self._evict(patience)

    def renew(self) -> None:
        """Show that the holder lives; raises HistoryHeld when the claim has been taken over meanwhile."""
        if time.monotonic() - self._renewed < RENEWAL:
            return
        if _text(self._path) != self._me:
            problem = f"{self._history} was taken over by another run: {_describe(_text(self._path))}"
            raise HistoryHeld(problem, "This run stops writing; the other one goes on with the study.")
        os.utime(self._path)
        self._renewed = time.monotonic()

    def release(self) -> None:
        """Let others write; where it cannot be removed, it is void when this process has ended."""
        with suppress(OSError):
            if _text(self._path) == self._me:
                self._path.unlink(missing_ok=True)

    def _take(self) -> bool:
        try:
            handle = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        try:
            with os.fdopen(handle, "w") as file:
                file.write(self._me)
        except OSError:  # a full disk: nobody could tell later whose claim this is
            self._path.unlink(missing_ok=True)
            raise
        return True

    def _evict(self, patience: float) -> None:
        """Remove a claim whose holder is gone; raise HistoryHeld when it lives."""
        theirs = _text(self._path)
        if _is_alive(theirs, self._path, patience):
            problem = f"{self._history} is being written by {_describe(theirs)}"
            raise HistoryHeld(problem, "Wait until it ends, stop it, or choose another directory as history:.")
        void = self._path.with_name(f"{self._path.name}.{socket.gethostname()}.{os.getpid()}")
        try:
            self._path.rename(void)
        except FileNotFoundError:
            return
        if _text(void) != theirs:  # somebody else was faster, and this is their claim
            void.rename(self._path)
            return
        void.unlink()


def holder(path: Path) -> Mapping[str, Any]:
    """Who has the claim at ``path``: host, pid, job, since; ``here`` says that the process is one of this host's.

    Nothing when nobody has it, or the process is seen to be gone; of another host's it cannot be seen.
    """
    theirs = _parse(_text(path))
    here = theirs.get("namespace") == _namespace() and isinstance(theirs.get("pid"), int)
    if not theirs or (here and _began(theirs["pid"]) != theirs.get("began")):
        return {}
    return {**theirs, "here": here}


def _who_am_i() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "began": _began(os.getpid()),
        "namespace": _namespace(),
        "job": os.environ.get("SLURM_JOB_ID", ""),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _is_alive(text: str, path: Path, patience: float) -> bool:
    holder = _parse(text)
    if holder.get("namespace") == _namespace() and isinstance(holder.get("pid"), int):
        return _began(holder["pid"]) == holder.get("began") != ""
    touched = _touched(path)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        time.sleep(RENEWAL / 4)
        if _touched(path) != touched:
            return True
    return False


def _touched(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _began(pid: int) -> str:
    """When a process began, in the kernel's ticks: a pid that was given out again has another one; ended: empty."""
    try:
        state, *fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        if Path("/proc/self").exists():
            return ""
        return "unknown" if _answers(pid) else ""
    return "" if state in {"Z", "X"} else fields[18]


def _answers(pid: int) -> bool:
    """Whether there is such a process, where there is no /proc to look it up in."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _namespace() -> str:
    """The set of processes in which a pid means something: this boot of this host, and its pid namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _parse(text: str) -> Mapping[str, Any]:
    try:
        holder = json.loads(text)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _describe(text: str) -> str:
    holder = _parse(text)
    job = f" (job {holder['job']})" if holder.get("job") else ""
    return f"process {holder.get('pid', '?')} on {holder.get('host', '?')}{job} since {holder.get('since', '?')}"
