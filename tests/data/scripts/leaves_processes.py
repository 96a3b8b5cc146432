"""Leaves three sleeping processes behind: a plain one, one in a session of its own, and a daemon.

Usage: leaves_processes.py FILE SECONDS.  Writes its own pid and theirs to FILE, then sleeps for SECONDS itself.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

SLEEP = ["sleep", "1000"]


def daemon() -> int:
    """Start a process whose parent ends at once; returns its pid."""
    script = "exec setsid sleep 1000 >/dev/null 2>&1 & echo $!"
    return int(subprocess.run(["sh", "-c", script], check=True, stdout=subprocess.PIPE).stdout)


if __name__ == "__main__":
    pids = [os.getpid(), subprocess.Popen(SLEEP).pid, subprocess.Popen(SLEEP, start_new_session=True).pid, daemon()]
    part = Path(f"{sys.argv[1]}.part")
    part.write_text(" ".join(map(str, pids)))
    part.rename(sys.argv[1])
    time.sleep(float(sys.argv[2]))
