"""Trains until metaopt asks it to stop, then saves and says so.  A process that it has forked does not outlive it."""

import os
import signal
import time
from pathlib import Path

import metaopt

if __name__ == "__main__":
    metaopt.should_stop()
    begun, begin = os.pipe()
    forked = os.fork()
    if forked == 0:
        os.write(begin, b".")
        while True:
            time.sleep(1)
    os.read(begun, 1)  # Python drops the signals that come while it forks
    metaopt.report(step=1, loss=1.0)
    while not metaopt.should_stop():
        time.sleep(0.01)
    _, status = os.waitpid(forked, 0)
    Path(metaopt.checkpoint_dir(), "saved").write_text(str(status == signal.SIGTERM))
