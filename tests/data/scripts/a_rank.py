"""Does what a worker rank does: runs a command through a guard, until it is killed.

Usage: a_rank.py DIRECTORY COMMAND.  Prints the guard's pid.
"""

import os
import select
import sys

from metaopt.process import Guard

if __name__ == "__main__":
    guard = Guard()
    files = (f"{sys.argv[1]}/stdout", f"{sys.argv[1]}/stderr")
    process = guard.start(sys.argv[2:], sys.argv[1], os.environ, [], *files)
    print(guard._guard.pid, flush=True)  # noqa: T201 - who runs it wants to see the guard leave as well
    while process.poll() is None:
        select.select([guard.fileno()], [], [])
